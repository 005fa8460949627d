//! A machine's power and its agent.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use super::client::Client;
use super::*;
use crate::guest::{Program, Reading};

#[tokio::test]
async fn the_disk_survives_stop_and_reboot_and_not_termination() {
    let Some(rig) = rig().await else { return };
    let boot_id = || root(&rig, "cat /proc/sys/kernel/random/boot_id");
    root(&rig, "echo kept >/home/ssm-user/file");
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    let began = Instant::now();
    rig.gateway.power(ID, Power::Off);
    assert!(began.elapsed() < Duration::from_millis(100), "nobody waits for it");
    assert_eq!(rig.gateway.guests().state(ID), State::Off);
    assert_eq!(shell.finish().await, "The machine was switched off.");
    // In the order of asking, though it is still halting.
    rig.gateway.power(ID, Power::On);
    until(&rig, State::Reachable).await;
    println!("off and on took {:.1} s", began.elapsed().as_secs_f32());
    assert_eq!(root(&rig, "cat /home/ssm-user/file"), "kept");
    let halted = root(
        &rig,
        "journalctl --boot=-1 --quiet --output=cat | grep -c 'Reached target poweroff.target'; true",
    );
    assert_eq!(halted, "1", "it was halted and not cut off");

    let before = boot_id();
    rig.gateway.power(ID, Power::Reboot);
    assert_eq!(rig.gateway.guests().state(ID), State::Off);
    until(&rig, State::Reachable).await;
    assert_ne!(boot_id(), before);

    rig.gateway.power(ID, Power::Destroyed);
    let left = || std::fs::read_dir(rig.folder.path()).unwrap().count();
    eventually(|| left() == 0, || "gone".to_owned()).await;
    assert_eq!(control_groups(std::process::id()), [""; 0]);
}

#[tokio::test]
async fn it_powers_itself_off_and_reboots_itself() {
    let Some(rig) = rig().await else { return };
    let boot_id = || root(&rig, "cat /proc/sys/kernel/random/boot_id");
    let before = boot_id();
    let mut shell = rig.run("sudo systemctl reboot; exec sleep 1014");
    shell.until("the end", |client| client.closed.is_some()).await;
    until(&rig, State::Unreachable).await;
    until(&rig, State::Reachable).await;
    assert_ne!(boot_id(), before);

    root(&rig, "systemctl poweroff --no-block");
    until(&rig, State::Off).await;
    assert_eq!(traces(rig.folder.path()), [""; 0]);
    assert_eq!(control_groups(std::process::id()), [""; 0]);
    rig.gateway.power(ID, Power::On);
    until(&rig, State::Reachable).await;
}

#[tokio::test]
async fn a_session_without_its_agent_hears_nothing() {
    let Some(rig) = rig().await else { return };
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    shell.type_in(b"nohup sleep 1015 & printf 'all%s\\n' there; sleep 1016\n").await;
    shell.until_text("allthere\r\n").await;
    let agent = root(&rig, "pgrep -fx '/usr/bin/amazon-ssm-agent .*'");
    rig.gateway.guests().kill_agent(ID).unwrap();
    assert_eq!(rig.gateway.guests().state(ID), State::Unreachable);
    assert_eq!(rig.gateway.start(request("s")), Err(StartError::NotConnected));

    // What was under way arrives.
    listen(&mut shell, Duration::from_millis(300)).await;
    let told = shell.out.len();
    shell.type_in(b"echo anybody there\n").await;
    listen(&mut shell, Duration::from_secs(1)).await;
    assert!(shell.closed.is_none() && shell.out.len() == told, "{}", shell.text());
    assert_eq!(root(&rig, "pgrep -u ssm-user -a | cut -d' ' -f2-"), "sleep 1015", "hung up, not killed");

    until(&rig, State::Reachable).await;
    assert_ne!(root(&rig, "pgrep -fx '/usr/bin/amazon-ssm-agent .*'"), agent);
    let mut other = rig.run("echo here");
    other.finish().await;
    assert_eq!(other.text(), "here\r\n");
    // The gateway still keeps the old one, until it is asked to end it.
    assert_eq!(rig.gateway.sessions(), [shell.session_id.clone()]);
    rig.gateway.terminate(&shell.session_id);
    shell.finish().await;
}

async fn listen(client: &mut Client, time: Duration) {
    let _silence = tokio::time::timeout(time, client.until("the end of time", |_| false)).await;
}

#[tokio::test]
async fn an_agent_that_restarts_keeps_its_sessions() {
    let Some(rig) = rig().await else { return };
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    root(&rig, "systemctl kill --kill-who=main --signal=KILL amazon-ssm-agent.service");
    until(&rig, State::Unreachable).await;
    shell.type_in(b"printf 'still%s\\n' here\n").await;
    shell.until_text("stillhere\r\n").await;
    until(&rig, State::Reachable).await;
    shell.type_in(b"exit\n").await;
    assert_eq!(shell.finish().await, "");
}

#[tokio::test]
async fn nothing_is_left_when_the_machines_are_dropped() {
    let Some((guests, folder)) = guests() else { return };
    for id in [ID, "i-1"] {
        guests.power(id, Power::On).unwrap();
        eventually(|| guests.state(id) == State::Reachable, || "up".to_owned()).await;
    }
    // One that has just begun to boot, too.
    guests.power("i-2", Power::On).unwrap();
    let mut shell = guests.boot(ID).unwrap().run(&Program::Shell, Reading::default()).unwrap();
    shell.next(true, false).await;
    assert_ne!(traces(folder.path()), [""; 0]);
    drop(guests);
    assert_eq!(traces(folder.path()), [""; 0]);
    assert_eq!(control_groups(std::process::id()), [""; 0]);
}

/// The test starts itself once more as the owner.
#[tokio::test]
async fn nothing_is_left_when_the_owner_is_killed() {
    const OWNER: &str = "HOLDFAST_TEST_OWNER";
    if std::env::var_os(OWNER).is_some() {
        let rig = rig().await.unwrap();
        println!("folder={}", rig.folder.path().display());
        std::future::pending::<()>().await;
    }
    let Some(_other) = rig().await else { return };
    let name = std::thread::current().name().unwrap().to_owned();
    let mut owner = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &name, "--nocapture"])
        .env(OWNER, "1")
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let folder = BufReader::new(owner.stdout.take().unwrap())
        .lines()
        .find_map(|line| line.unwrap().strip_prefix("folder=").map(str::to_owned))
        .unwrap();
    assert_ne!(traces(Path::new(&folder)), [""; 0]);
    owner.kill().unwrap();
    owner.wait().unwrap();
    eventually(|| traces(Path::new(&folder)).is_empty(), || "gone".to_owned()).await;
    // Whoever comes next sweeps up, and only what belongs to nobody.
    assert_ne!(control_groups(owner.id()), [""; 0]);
    let swept = || {
        drop(Guests::nspawn(&folder, "/nonexistent"));
        control_groups(owner.id()).is_empty()
    };
    eventually(swept, || "swept".to_owned()).await;
    assert_ne!(control_groups(std::process::id()), [""; 0]);
    std::fs::remove_dir_all(folder).unwrap();
}
