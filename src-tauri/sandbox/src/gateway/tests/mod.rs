#![cfg(unix)]

mod client;
#[cfg(target_os = "linux")]
mod machine;

use std::time::Duration;

use client::{ID, KEY, Rig};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio_tungstenite::connect_async;
use tokio_tungstenite::tungstenite::{Error, Message};

use super::*;

const NON_INTERACTIVE: &str = "AWS-StartNonInteractiveCommand";

/// A shell on the machine.
fn request(session_id: &str) -> StartRequest {
    StartRequest {
        session_id: session_id.to_owned(),
        instance_id: ID.to_owned(),
        target: ID.to_owned(),
        document: None,
        parameters: std::collections::BTreeMap::new(),
        kms_key_id: None,
    }
}

#[tokio::test]
async fn a_shell_echoes_and_knows_its_size() {
    let rig = Rig::start().await;
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    shell.type_in(b"printf 'there%s\\n' -and-back\n").await;
    shell.until_text("there-and-back\r\n").await;
    let now = clock::Clock::start().now();
    shell.session.resize(now, 132, 43);
    shell.type_in(b"stty size\n").await;
    shell.until_text("43 132\r\n").await;
    shell.type_in(b"exit\n").await;
    assert_eq!(shell.finish().await, "");
    assert_eq!((shell.dials, rig.gateway.sessions().len()), (1, 0));
    assert_eq!(rig.gateway.resume(&shell.session_id), None);
}

#[tokio::test]
async fn a_command_has_streams_and_an_exit_code() {
    let rig = Rig::start().await;
    let command = "sh -c 'echo out; echo err >&2; exit 5'";
    let mut run =
        rig.session(Some(NON_INTERACTIVE), &[("command", command), ("separateOutputStream", "true")]);
    assert_eq!(run.finish().await, "");
    assert_eq!((run.out.as_slice(), run.err.as_slice(), run.exit), (&b"out\n"[..], &b"err\n"[..], Some(5)));

    let mut run = rig.session(Some(NON_INTERACTIVE), &[("command", command)]);
    run.finish().await;
    assert_eq!((run.text().as_str(), run.exit), ("out\nerr\n", None));

    let mut run =
        rig.session(Some(NON_INTERACTIVE), &[("command", "nothing-here"), ("separateOutputStream", "1")]);
    let last_words = run.finish().await;
    assert!(last_words.starts_with("Error occurred starting the command: nothing-here"), "{last_words}");
    assert_eq!((String::from_utf8_lossy(&run.err).into_owned(), run.exit), (last_words, Some(1)));
}

#[tokio::test]
async fn what_cannot_run_says_why_to_whoever_comes() {
    let rig = Rig::start().await;
    let mut run = rig.run(" ");
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(run.finish().await, "Commands cannot be empty for session type InteractiveCommands");
}

#[tokio::test]
async fn nothing_is_lost_whatever_the_wire_does() {
    let rig = Rig::start().await;
    let mut run = rig
        .run("i=0; while [ $i -lt 300 ]; do i=$((i+1)); echo line $i; sleep 0.01; done; read x; echo got $x");
    let hole = |reset| WireFault::Hole { lasts: Duration::from_millis(300), reset };
    let faults = [
        WireFault::Cut { reset: true },
        WireFault::Bye,
        WireFault::LoseAcks(3),
        WireFault::LoseOutputs(3),
        WireFault::Duplicate(5),
        hole(false),
        hole(true),
        WireFault::Cut { reset: false },
    ];
    for (index, fault) in faults.into_iter().enumerate() {
        run.until_text(&format!("line {}\r\n", 20 * (index + 1))).await;
        run.inject(fault);
    }
    run.until_text("line 300\r\n").await;
    run.inject(WireFault::LoseInputs(1));
    run.type_in(b"typed\n").await;
    assert_eq!(run.finish().await, "");
    let lines: String = (1..=300).map(|i| format!("line {i}\r\n")).collect();
    assert_eq!(run.text(), format!("{lines}typed\r\ngot typed\r\n"));
    assert_eq!(run.dials, 5);
}

#[tokio::test]
async fn eight_mib_are_whole_after_cuts() {
    let rig = Rig::start().await;
    let mut run = rig.run("stty raw -echo; seq 1 1200000; read x");
    for (megabytes, reset) in [(1, true), (6, false)] {
        run.until("megabytes", |client| client.out.len() > megabytes << 20).await;
        run.inject(WireFault::Cut { reset });
    }
    // The agent does not wait for what was lost once the program has ended.
    run.until("all", |client| client.out.ends_with(b"\n1200000\n")).await;
    run.type_in(b"\n").await;
    run.finish().await;
    let expected: String = (1..=1_200_000).map(|i| format!("{i}\n")).collect();
    assert!(expected.len() > 8 << 20 && run.text() == expected, "{} bytes", run.out.len());
    assert_eq!(run.dials, 3);
}

#[tokio::test]
async fn a_long_paste_into_a_slow_reader_arrives() {
    let rig = Rig::start().await;
    let mut run = rig.run("stty raw -echo; echo ready; sleep 1; head -c 3000000 | cksum; read x");
    run.until_text("ready").await;
    let paste: Vec<u8> = (0..3_000_000_u32).map(|i| u8::try_from(i % 251).unwrap()).collect();
    run.type_in(&paste).await;
    run.until_text(" 3000000").await;
    std::fs::write(rig.folder.path().join("paste"), &paste).unwrap();
    let sum = std::process::Command::new("cksum").arg(rig.folder.path().join("paste")).output().unwrap();
    let sum = String::from_utf8(sum.stdout).unwrap();
    let (sum, _) = sum.rsplit_once(' ').unwrap();
    assert!(run.text().contains(sum), "{sum} {:?}", run.text());
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_program_up() {
    let rig = Rig::start().await;
    let mut run = rig.run("stty raw; yes | head -c 60000000; echo 1 >~/done; echo; echo end");
    run.until_text("y").await;
    tokio::time::sleep(Duration::from_secs(1)).await;
    let done = rig.folder.path().join(ID).join("home/ssm-user/done");
    assert!(!done.exists());
    run.until("the end", |client| client.out.ends_with(b"end\n")).await;
    assert_eq!(run.out.len(), 60_000_000 + 5);
}

#[tokio::test]
async fn the_machine_goes_and_the_session_with_it() {
    let rig = Rig::start().await;
    for power in [Power::Off, Power::Reboot, Power::Destroyed] {
        rig.gateway.power(ID, Power::On);
        let mut shell = rig.shell();
        shell.until_text("$ ").await;
        rig.gateway.power(ID, power);
        assert_eq!(shell.finish().await, "The machine was switched off.");
        assert_eq!(rig.gateway.resume(&shell.session_id), None);
    }
    assert_eq!(rig.gateway.start(request("s")), Err(StartError::NotConnected));
}

#[tokio::test]
async fn termination_from_either_side_leaves_no_process() {
    let rig = Rig::start().await;
    for by_client in [true, false] {
        let mut run = rig.run("echo pid $$; sleep 1003 & exec sleep 1004");
        run.until("pid", |client| client.text().ends_with("\r\n")).await;
        let pid = run.text().trim().rsplit(' ').next().unwrap().to_owned();
        let process = std::path::Path::new("/proc").join(&pid);
        assert!(process.exists() || !cfg!(target_os = "linux"));
        if by_client {
            run.session.terminate(clock::Clock::start().now());
        } else {
            rig.gateway.terminate(&run.session_id);
        }
        run.finish().await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        assert!(!process.exists(), "{pid}");
        #[cfg(target_os = "linux")]
        for other in std::fs::read_dir("/proc").unwrap().flatten() {
            let environment = std::fs::read(other.path().join("environ")).unwrap_or_default();
            let home = format!("HOME={}", rig.folder.path().display());
            assert!(!String::from_utf8_lossy(&environment).contains(&home), "{:?}", other.path());
        }
    }
}

#[tokio::test]
async fn an_encrypted_session_works_and_survives_a_cut() {
    let rig = Rig::start().await;
    let mut shell = rig.open(None, &[], Some(KEY.to_owned()));
    shell.until_text("$ ").await;
    assert!(shell.message.contains("encrypted"), "{}", shell.message);
    shell.inject(WireFault::Cut { reset: true });
    shell.type_in(b"printf 'still%s\\n' here; exit\n").await;
    assert_eq!(shell.finish().await, "");
    assert!(shell.text().contains("stillhere"), "{}", shell.text());
    assert_eq!(shell.dials, 2);
}

#[tokio::test]
async fn limits_end_a_session() {
    let rig = Rig::start().await;
    rig.gateway.configure(|settings| settings.idle_limit = Some(Duration::from_millis(400)));
    let started = Instant::now();
    let mut shell = rig.shell();
    for _ in 0..3 {
        shell.type_in(b":\n").await;
        let until = Instant::now() + Duration::from_millis(200);
        while tokio::time::timeout_at(until, shell.step()).await.is_ok() {}
    }
    assert!(shell.finish().await.contains("inactivity") && started.elapsed() > Duration::from_millis(700));
    rig.gateway.configure(|settings| {
        *settings = Settings { max_duration: Some(Duration::from_millis(200)), ..Settings::default() };
    });
    assert!(rig.shell().finish().await.contains("maximum duration"));
}

#[tokio::test]
async fn only_the_right_token_opens() {
    let rig = Rig::start().await;
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    let url = rig.gateway.stream_url(&shell.session_id);
    let first = |token: &str| {
        Message::text(format!(
            r#"{{"MessageSchemaVersion":"1.0","RequestId":"r","TokenValue":"{token}","ClientId":"c","ClientVersion":"1.2.764.0"}}"#
        ))
    };
    for wrong in [first("x"), Message::text("{}"), Message::binary(vec![1, 2, 3])] {
        let (mut socket, _) = connect_async(&url).await.unwrap();
        socket.send(wrong).await.unwrap();
        let answer = tokio::time::timeout(Duration::from_secs(5), socket.next()).await.unwrap();
        assert!(!matches!(answer, Some(Ok(Message::Binary(_)))), "{answer:?}");
    }
    shell.type_in(b"echo un\"\"disturbed\n").await;
    shell.until_text("undisturbed").await;
    assert_eq!(shell.dials, 1);

    // A second client with a good token takes over.
    let token = rig.gateway.resume(&shell.session_id).unwrap();
    let (mut second, _) = connect_async(rig.gateway.stream_url(&shell.session_id)).await.unwrap();
    second.send(first(&token)).await.unwrap();
    shell.until("the loss", |client| client.socket.is_none()).await;
    // And loses it again to the first.
    shell.type_in(b"echo ba\"\"ck\n").await;
    shell.until_text("back").await;
    while !matches!(second.next().await, Some(Ok(Message::Close(_)) | Err(_)) | None) {}
}

#[tokio::test]
async fn dials_are_refused() {
    let rig = Rig::start().await;
    let mut shell = rig.shell();
    shell.until_text("$ ").await;
    let status = async |url: &str| match connect_async(url).await {
        Err(Error::Http(response)) => response.status().as_u16(),
        Err(error) => panic!("{error}"),
        Ok(_) => 101,
    };
    let old = rig.gateway.stream_url(&shell.session_id);
    assert_eq!(status(&old).await, 101);
    rig.gateway.resume(&shell.session_id).unwrap();
    let new = rig.gateway.stream_url(&shell.session_id);
    assert_ne!(old, new);
    assert_eq!(status(&old).await, 101);
    rig.gateway.configure(|settings| settings.require_fresh_cell = true);
    assert_eq!((status(&old).await, status(&new).await), (400, 101));
    rig.gateway.configure(|settings| settings.require_signature = true);
    assert_eq!(status(&new).await, 403);
    rig.gateway.configure(|settings| *settings = Settings::default());
    rig.gateway.refuse_dials(Duration::from_millis(400));
    assert_eq!(status(&new).await, 503);
    shell.inject(WireFault::Bye);
    shell.type_in(b"echo a\"\"gain\n").await;
    shell.until_text("again").await;
    assert!(shell.dials > 2, "{}", shell.dials);
    assert_eq!(status(&new.replace(&shell.session_id, "nobody")).await, 400);
    assert_eq!(status(&new.replace("role=", "x=")).await, 400);
    assert_eq!(status(&new.replace("data-channel", "other")).await, 404);
}
