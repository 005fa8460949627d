//! Machines that switch themselves off, on a machine with systemd: the program, its units and timers, logind, the terminals and the
//! way down are real; only its minutes are seconds, by configuration.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::stage::Stage;
use crate::{PROMPT, eventually};

/// What is in force on the machine, with minutes that are seconds and a look each second; `timer` is more about the time of day.
fn in_seconds(power: &str, timer: &str) -> String {
    format!(
        "switch() {{\n\
           printf '{power}look=1\\nshare=300000\\n' >/etc/holdfast/power\n\
           mkdir -p \"$units/holdfast-power.timer.d\" \"$units/holdfast-off-at.timer.d\"\n\
           printf '[Timer]\\nOnActiveSec=\\nOnActiveSec=1s\\nOnUnitInactiveSec=1s\\n' \
             >\"$units/holdfast-power.timer.d/test.conf\"\n\
           printf '[Timer]\\n{timer}\\n' >\"$units/holdfast-off-at.timer.d/test.conf\"\n\
         }}\n"
    )
}

impl Stage {
    /// With a machine that runs what these settings say, as far as `in_seconds` leaves it.
    fn off_by_itself(settings: &[&str], stand_in: &str) -> Option<Self> {
        let stage = Self::stock()?;
        for setting in settings {
            stage.holdfast(&format!("settings set {setting}"));
        }
        stage.edit("stand-in.sh", stand_in);
        stage.holdfast("rebuild --yes");
        Some(stage)
    }

    fn power(&self) -> Value {
        self.json("power --json")["machine"].clone()
    }

    /// What the program's status says of a key, asked on the machine itself.
    fn says(&self, key: &str) -> String {
        self.root(&format!("holdfast-power status | sed -n 's/^{key}=//p'"))
    }

    #[track_caller]
    fn waits_until_off(&self) {
        eventually("off", || self.json("status --json")["state"] == "off", || self.journal());
    }

    fn journal(&self) -> String {
        self.root(
            "journalctl -b -o cat -n 40 -u holdfast-power -u holdfast-off-at; head -v /run/holdfast-power/*; holdfast-power status",
        )
    }
}

#[test]
fn whoever_needs_the_machine_keeps_it_on() {
    let short = in_seconds("user=ada\\nidle=3600\\nsilence=20\\n", "");
    let Some(stage) = Stage::off_by_itself(&["off_when_idle 60"], &short) else { return };
    stage.root("systemctl stop holdfast-power.timer; rm -rf /run/holdfast-power");
    // A look now: what keeps the machine on, and whether the idle time goes on being counted.
    let look = || stage.root("holdfast-power check; holdfast-power status | sed -n 's/^busy=//p'");
    let counts = || !stage.says("quiet").is_empty();
    let quiet = |what: &str| {
        eventually("quiet", || look().is_empty(), || format!("after {what}: {}", stage.journal()));
        assert!(counts(), "after {what}: {}", stage.journal());
    };
    quiet("boot");

    // What other programs leave: begins, and its end.
    let cases = [
        (
            "job",
            "systemd-run --quiet --collect --unit=holdfast-job-x sleep 1000",
            "systemctl stop holdfast-job-x",
        ),
        (
            "job",
            "systemd-run --quiet --collect --unit=holdfast-rollback-x --on-active=1000 true",
            "systemctl stop holdfast-rollback-x.timer",
        ),
        (
            "job",
            "mkdir -p /var/lib/holdfast/trial; cp -r /var/lib/holdfast/trial /tmp/trial; echo switching >/var/lib/holdfast/trial/state",
            "rm -rf /var/lib/holdfast/trial; mv /tmp/trial /var/lib/holdfast/trial",
        ),
        (
            "build",
            "systemd-run --quiet --collect --unit=nix-daemon sh -c 'sleep 1000 & sleep 1000'",
            "systemctl stop nix-daemon",
        ),
        (
            "cron",
            "systemd-run --quiet --collect --unit=cron sh -c 'sleep 1000 & sleep 1000'",
            "systemctl stop cron",
        ),
        (
            "attached",
            "systemd-run --quiet --collect --unit=login -p User=ada -p PAMName=login -E XDG_SESSION_CLASS=user sleep 1000",
            "systemctl stop login",
        ),
        (
            "computing",
            "systemd-run --quiet --collect --unit=loop sh -c 'while :; do :; done'; sleep 2",
            "systemctl stop loop",
        ),
    ];
    for (busy, begin, end) in cases {
        stage.root(begin);
        eventually(busy, || look() == busy, || format!("{begin}: {} {}", look(), stage.journal()));
        assert!(!counts(), "{begin}");
        stage.root(end);
        quiet(begin);
    }

    // A daemon alone is nobody's build, and nobody's job of cron's.
    stage.root("for unit in cron nix-daemon; do systemd-run --quiet --collect --unit=$unit sleep 1000; done");
    quiet("daemons");

    // Somebody in a terminal, until they leave.
    let seat = stage.connect("");
    seat.wait_for(PROMPT);
    eventually("attached", || look() == "attached", || stage.journal());
    drop(seat);
    stage.end_sessions();
    quiet("a terminal");

    // Agents, by the events that their hooks leave; what was typed may look like one.
    let event = |name: &str, session: &str| {
        let line = format!(
            r#"{{"session_id":"{session}","transcript_path":"/home/ada/{session}.jsonl","prompt":"\"session_id\":\"x\""}}"#
        );
        let file = format!("/home/ada/{session}.jsonl");
        stage.root(&format!(
            "touch {file}; chown ada {file}; printf '%s' '{line}' | \
             setpriv --reuid=ada --regid=100 --init-groups env HOME=/home/ada holdfast-event {name}"
        ));
    };
    event("SessionStart", "a");
    quiet("a session of an agent's");
    event("UserPromptSubmit", "a");
    assert_eq!(look(), "agent", "{}", stage.journal());
    event("UserPromptSubmit", "b");
    event("Stop", "a");
    assert_eq!(look(), "agent", "the other one is at work");
    event("PermissionRequest", "b");
    quiet("a question");
    // It was answered: the transcript grows.
    stage.root("touch -d '+31 seconds' /home/ada/b.jsonl");
    assert_eq!(look(), "agent");
    event("SessionEnd", "b");
    quiet("the end of both");
    // Killed, so that it never says that it has stopped: within this boot, and before it.
    event("UserPromptSubmit", "c");
    assert_eq!(look(), "agent");
    quiet("an agent that was killed");
    event("UserPromptSubmit", "d");
    stage.root("cd /home/ada/.local/state/holdfast/events; sed -i 's/\"at\":[0-9]*/\"at\":1000/' \"$(ls | tail -n 1)\"");
    assert_eq!(look(), "", "it was before this boot");
}

#[test]
fn an_idle_machine_says_so_and_goes_off() {
    let short = in_seconds("user=ada\\nidle=8\\nidle_notice=4\\n", "");
    let Some(stage) = Stage::stock() else { return };
    stage.holdfast("rebuild --yes");
    assert!(stage.holdfast("power").contains("does not switch itself off"));
    // What is declared and not there yet.
    stage.holdfast("settings set off_when_idle 10");
    assert!(stage.told("config status").0.contains("The machine is behind"));
    assert!(stage.told("power").0.contains("The settings say: when nobody has needed it for 10 minutes"));
    stage.edit("stand-in.sh", &short);
    let seat = stage.connect("");
    seat.wait_for(PROMPT);
    stage.holdfast("rebuild --yes");
    eventually("a look", || stage.says("busy") == "attached", || stage.journal());
    // Longer than the idle time, with somebody there.
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(14) {
        assert_eq!(stage.says("announced"), "", "{}", stage.journal());
    }
    assert_eq!(stage.power()["busy"], "attached");
    assert_eq!(stage.json("status --json")["state"], "on");
    drop(seat);
    stage.end_sessions();

    // It is announced, taken back, announced again, and then comes true.
    eventually("announcement", || stage.says("announced") == "1", || stage.journal());
    let text = stage.root("XDG_RUNTIME_DIR=/run/user/1001 su -s /bin/sh ada -c 'holdfast-power keep'");
    assert!(text.contains("It stays on.") && text.contains("counted from now"), "{text}");
    assert_eq!(stage.says("announced"), "", "{}", stage.journal());
    eventually("announcement again", || stage.says("announced") == "1", || stage.journal());
    stage.waits_until_off();
    let status = stage.holdfast("status");
    assert!(
        status
            .contains("It switched itself off. The settings say: when nobody has needed it for 10 minutes."),
        "{status}"
    );
    assert!(stage.holdfast("power").contains("is off. It switched itself off."));
    let plan = stage.json("plan --json");
    assert_eq!(plan["drift"], serde_json::json!([]), "{plan}");

    // It begins anew with a boot, and knows why it went.
    stage.holdfast("start --yes");
    stage.wait_until_reachable();
    assert_eq!(stage.says("went_off_why"), "off_when_idle", "{}", stage.journal());
    assert_eq!(
        stage.root(
            "ls /home/ada/.local/state/holdfast/events/*.json | xargs grep -l '\"name\":\"PowerOff\"' | wc -l"
        ),
        "2"
    );
    stage.waits_until_off();
}

#[test]
fn a_time_of_day_waits_for_a_job_and_can_be_taken_back() {
    // Its day has twenty seconds.
    let short = in_seconds("user=ada\\nat=22:30\\nnotice=8\\nlast=3\\n", "OnCalendar=\\nOnCalendar=*:*:0/20");
    // The job is there before the first of them can be over.
    let job = "switch() {\nsystemd-run --quiet --collect --unit=holdfast-job-x sleep 1000";
    let short = short.replace("switch() {", job);
    let Some(stage) = Stage::off_by_itself(&["off_at 22:30"], &short) else { return };
    assert_eq!(stage.power()["off_at"], "22:30");
    assert!(stage.holdfast("power").contains("switches itself off at 22:30."));
    let next = stage.json("power --json")["machine"]["next"]["why"].clone();
    assert_eq!(next, "off_at");
    let seat = stage.connect("");
    seat.wait_for(PROMPT);
    // What was announced before there was a terminal.
    stage.holdfast("power keep");

    // Whoever is there is told, in the pane and not over it.
    seat.wait_for("holdfast-power keep");
    assert!(seat.text().contains("This machine goes off at"), "{}", seat.text());
    assert!(seat.row(0).contains("Zellij (main)"), "{}", seat.text());
    seat.wait_for("when the job that runs has ended");
    assert_eq!(stage.json("status --json")["state"], "on");
    assert!(stage.told("power keep").0.contains("It stays on."));
    assert_eq!(stage.says("announced"), "", "{}", stage.journal());

    // The next day; in front there is a program with a screen of its own, which nothing is written over.
    seat.press("clear; stty raw -echo; printf 'full ''screen'; sleep 1000\r");
    seat.wait_for("full screen");
    eventually("announcement", || stage.says("announced") == "1", || stage.journal());
    seat.wait_until("the title of the pane", |seat| seat.text().contains("off at"));
    assert!(!seat.text().contains("This machine goes off"), "{}", seat.text());
    stage.root("systemctl stop holdfast-job-x");
    drop(seat);
    stage.waits_until_off();
    let status = stage.holdfast("status");
    assert!(status.contains("The settings say: at 22:30."), "{status}");
}

#[test]
fn nothing_goes_off_by_a_program_that_does_not_work() {
    let short = in_seconds(
        "user=ada\\nat=22:30\\nidle=2\\nidle_notice=1\\nnotice=2\\nlast=1\\n",
        "OnCalendar=\\nOnCalendar=*:*:*",
    );
    let broken = format!("{short}booted() {{ :; }}\n")
        .replace("switch() {", "switch() {\nprintf '#!/bin/sh\\nexit 1\\n' >/usr/local/bin/holdfast-power");
    let Some(stage) = Stage::off_by_itself(&["off_at 22:30", "off_when_idle 10"], &broken) else { return };
    let failures = || {
        stage
            .root("journalctl -b -o cat -u holdfast-power -u holdfast-off-at | grep -c 'Failed with result'")
            .parse::<u32>()
            .unwrap_or(0)
    };
    eventually("failures", || failures() >= 6, || stage.journal());
    stage.root("rm /usr/local/bin/holdfast-power; systemctl reset-failed");
    eventually("more of them", || failures() >= 12, || stage.journal());
    assert_eq!(stage.json("status --json")["state"], "on");
    assert!(stage.holdfast("power").contains("does not switch itself off"));
}
