//! A terminal on a machine with systemd and zellij, over a network of its own: the real command in a network namespace,
//! the sandbox outside of it. Needs root and the tree that `./dev` makes; without, each test says that it is skipped.

#![cfg(target_os = "linux")]
#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]
#![expect(clippy::print_stdout, reason = "what is skipped is said, and the screens are for the README")]

mod grow;
#[path = "../keyring.rs"]
mod keyring;
mod network;
mod power;
#[path = "../program.rs"]
mod program;
mod rebuild;
mod replace;
mod repository;
mod seat;
mod stage;
mod window;

use std::time::{Duration, Instant};

use holdfast_sandbox::Power;
use holdfast_sandbox::gateway::WireFault;

use self::seat::Seat;
use self::stage::Stage;

const SECOND: Duration = Duration::from_secs(1);
/// What a busy computer may need.
const PATIENCE: Duration = Duration::from_secs(60);
/// The end of zsh's.
const PROMPT: &str = "%";
/// Counts aloud once in half a second.
const COUNT: &str = "i=0; while :; do i=$((i+1)); echo count $i; sleep 0.5; done\r";

/// The highest number on the screen.
fn counted(seat: &Seat) -> u64 {
    let text = seat.text();
    text.lines()
        .filter_map(|line| line.split("count ").nth(1)?.split_whitespace().next()?.parse().ok())
        .max()
        .unwrap_or(0)
}

#[test]
fn a_program_goes_on_through_darkness_and_the_end_of_the_agent() {
    let Some(stage) = Stage::set() else { return };
    let mut seat = stage.connect("");
    seat.wait_for(PROMPT);
    seat.press(COUNT);
    seat.wait_until("a count", |seat| counted(seat) >= 3);

    // Darkness, in which nothing is closed or reset. Nobody presses a key.
    let before = counted(&seat);
    seat.show("before");
    stage.network.down();
    std::thread::sleep(60 * SECOND);
    seat.show("60 s without a network");
    let dark = counted(&seat);
    assert!(dark < before + 40, "{before} {dark}: the network was not down");
    assert!(seat.text().contains("no line for"), "{}", seat.text());
    stage.network.up();
    let began = Instant::now();
    seat.wait_until("the count of now", |seat| counted(seat) > before + 60);
    println!("60 s of darkness: back after {:.2} s", began.elapsed().as_secs_f32());
    seat.wait_until("no notice", |seat| !seat.text().contains("no line"));
    seat.show("after");
    // What was printed into the darkness would come again at ten messages a second, so another session may have shown
    // the screen of now instead.
    let started = stage.sessions_started();
    assert!(started <= 2, "{started}");

    // The agent dies, and with it every session, of which nobody is told.
    let before = counted(&seat);
    stage.guests().kill_agent(&stage.instance).unwrap();
    seat.press("\x1b[A");
    seat.wait_until("the count of another session", |seat| {
        stage.sessions_started() == started + 1 && counted(seat) > before + 30
    });
    seat.press("\x03");
    seat.press("exit\r");
    assert_eq!(seat.end(), Some(0));
}

/// A process that the kernel kills for want of memory takes nothing with it: not the way in, not the other panes.
#[test]
fn a_process_killed_for_memory_dies_alone() {
    let Some(stage) = Stage::set() else { return };
    let seat = stage.connect("");
    seat.wait_for(PROMPT);
    seat.press("echo pa''ne one\r");
    seat.wait_for("pane one");
    let agent = stage.root("systemctl show -p MainPID --value amazon-ssm-agent");
    let server = stage.root("pgrep -f -- '^zellij --server|zellij.*--server' | head -1");
    let group = stage.root(&format!("cat /proc/{server}/cgroup"));
    assert!(group.contains("user.slice") && group.contains("holdfast-"), "{group}");
    assert!(!group.contains("amazon-ssm-agent"), "{group}");
    let user = |line: &str| {
        stage.root(&format!(
            "su -s /bin/sh ada -c 'XDG_RUNTIME_DIR=/run/user/$(id -u) systemctl --user {line}'"
        ))
    };
    let unit = user("list-units --plain --no-legend \"holdfast-*\" | sed \"s, .*,,\"");
    let shown = user(&format!("show -p OOMPolicy --value {unit}"));
    assert_eq!(shown, "continue", "{unit}");

    // In another pane: something that takes more memory than there is.
    seat.press("\x1bn");
    seat.wait_until("two panes", |seat| seat.text().matches(PROMPT).count() >= 2);
    seat.press("head -c 500M /dev/zero | tail -c 400M | wc -c; sleep 1\r");
    let killed = stage.run_out_of_memory("tail");
    assert!(killed, "nothing was killed for memory");

    assert_eq!(stage.root("systemctl show -p MainPID --value amazon-ssm-agent"), agent);
    assert_eq!(stage.root("pgrep -f -- '^zellij --server|zellij.*--server' | head -1"), server);
    seat.press("\recho st''ill here\r");
    seat.wait_for("still here");
    assert!(seat.text().contains("pane one"), "{}", seat.text());
    assert_eq!(stage.sessions_started(), 1);
    drop(seat);
}

#[test]
fn a_reboot_is_followed_by_a_fresh_attach() {
    let Some(stage) = Stage::set() else { return };
    let mut seat = stage.connect("");
    seat.wait_for(PROMPT);
    seat.press("echo bef''ore\r");
    seat.wait_for("before");
    let boot = stage
        .root("cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic --value");
    stage.reboot();
    seat.wait_until("a session of now", |seat| {
        let text = seat.text();
        stage.sessions_started() >= 2 && !text.contains("before") && text.contains(PROMPT)
    });
    let now = stage
        .root("cat /proc/sys/kernel/random/boot_id; systemctl show -p UserspaceTimestampMonotonic --value");
    assert_ne!(boot, now, "it has rebooted");
    seat.press("echo af''ter\r");
    seat.wait_for("after");
    seat.press("exit\r");
    assert_eq!(seat.end(), Some(0), "{}", seat.text());
}

#[test]
fn a_terminal_that_was_resized_between_two_sessions_has_the_new_size() {
    let Some(stage) = Stage::set() else { return };
    let mut seat = stage.connect("");
    seat.wait_for(PROMPT);
    stage.network.down();
    seat.resize(30, 100);
    stage.end_sessions();
    stage.network.up();
    seat.wait_until("another session", |seat| seat.row(29).contains("Ctrl"));
    assert_eq!(stage.sessions_started(), 2);
    seat.press("\recho size $(stty size)\r");
    seat.wait_until("the new size", |seat| {
        let text = seat.text();
        text.lines().any(|line| line.contains("size ") && line.contains(" 98") || line.contains(" 100"))
    });
    seat.press("exit\r");
    assert_eq!(seat.end(), Some(0));
}

/// Keys typed without a line arrive in zellij, and nobody else's screen is changed.
#[test]
fn keys_typed_in_darkness_arrive_in_the_same_session() {
    let Some(stage) = Stage::set() else { return };
    let mut seat = stage.connect("work");
    seat.wait_for(PROMPT);
    stage.network.down();
    for key in ["echo ", "ty''ped ", "in the ", "dark\r"] {
        seat.press(key);
        std::thread::sleep(SECOND / 2);
    }
    seat.wait_for("no line for");
    stage.network.up();
    seat.wait_for("typed in the dark");
    assert_eq!(stage.sessions_started(), 1);

    let listed = stage.holdfast("sessions --json");
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(listed["sessions"][0]["name"], "work", "{listed}");
    assert_eq!(listed["sessions"][0]["live"], true, "{listed}");
    assert_eq!(listed["sessions"][0]["panes"], 1, "{listed}");

    // Whoever would end it is told of it first.
    let (told, code) = stage.told("stop");
    assert!(told.contains("On it: session work, 1 pane") && code == Some(3), "{told}");

    // Another terminal on it sees the same, and leaves without ending it.
    let mut other = stage.connect("work");
    other.wait_for("typed in the dark");
    other.press("\r~.");
    other.end();
    seat.press("echo st''ill mine\r");
    seat.wait_for("still mine");

    assert!(stage.holdfast("sessions kill work --yes").is_empty());
    assert_eq!(seat.end(), Some(0), "{}", seat.text());
    assert!(stage.holdfast("sessions").contains("No sessions"), "{}", stage.holdfast("sessions"));
}

#[test]
fn the_exit_status_and_the_screen_come_back() {
    let Some(stage) = Stage::set() else { return };
    stage.root("mv /usr/local/bin/zellij /usr/local/bin/no-zellij");
    let mut seat = stage.connect("");
    seat.wait_for("has no zellij");
    seat.press("id -un; exit 6\r");
    seat.wait_for("ada");
    assert_eq!(seat.end(), Some(6));
    stage.root("mv /usr/local/bin/no-zellij /usr/local/bin/zellij");

    // The screen of a program that has all of it is as it was after a cut that took long enough to be told.
    let mut seat = stage.connect("");
    seat.wait_for(PROMPT);
    stage.gateway().refuse_dials(3 * SECOND);
    stage.gateway().inject(None, WireFault::Cut { reset: true });
    seat.wait_until("the notice", |seat| seat.row(0).contains("no line"));
    seat.wait_until("the bar", |seat| seat.row(0).contains("Zellij (main)"));
    seat.press("exit\r");
    assert_eq!(seat.end(), Some(0));
}

#[test]
fn a_machine_that_is_switched_off_is_waited_for() {
    let Some(stage) = Stage::set() else { return };
    let seat = stage.connect("");
    seat.wait_for(PROMPT);
    stage.holdfast("stop --yes");
    seat.wait_for("out of reach");
    stage.holdfast("start --yes");
    seat.wait_until("a session of now", |seat| {
        stage.sessions_started() >= 2 && seat.text().contains(PROMPT) && !seat.text().contains("out of reach")
    });
    seat.press("echo on ag''ain\r");
    seat.wait_for("on again");
    drop(seat);
}

/// A zellij that falls takes its sessions with it, so there is nothing to come back to, and the next one begins anew.
#[test]
fn a_zellij_that_falls_ends_its_terminals() {
    let Some(stage) = Stage::set() else { return };
    let mut seat = stage.connect("");
    seat.wait_for(PROMPT);
    stage.root("pkill -KILL -f -- '^zellij --server|zellij.*--server'");
    // Zellij's own word and status.
    assert_eq!(seat.end(), Some(0), "{}", seat.text());
    assert!(seat.text().contains("Lost connection to the Zellij server"), "{}", seat.text());
    assert_eq!(stage.sessions_started(), 1, "nothing was made in its place");

    let mut seat = stage.connect("");
    seat.wait_until("a session of now", |seat| seat.text().contains("Zellij (main)"));
    seat.press("\recho beg''un anew\r");
    seat.wait_for("begun anew");
    seat.press("exit\r");
    assert_eq!(seat.end(), Some(0), "{}", seat.text());
}

fn eventually(what: &str, mut so: impl FnMut() -> bool, details: impl Fn() -> String) {
    let began = Instant::now();
    while !so() {
        assert!(began.elapsed() < PATIENCE, "no {what}: {}", details());
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Stage {
    fn reboot(&self) {
        self.guests().power(&self.instance, Power::Reboot).unwrap();
    }
}
