//! Rebuilds on a machine with systemd. What builds and switches there is a stand-in; jobs, units, timers, the journal, the
//! generations and the boot are real, and so are the command and the network between.

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::Duration;

use holdfast_core::app::view::{Flag, System, View};
use holdfast_core::app::{Command, Page};
use holdfast_core::history;
use holdfast_core::jobs::Standing;
use holdfast_sandbox::guest::State;
use serde_json::Value;

use crate::stage::Stage;
use crate::window::Person;
use crate::{SECOND, eventually};

/// Prints a line a tenth of a second, for so many seconds.
fn slow_build(seconds: u32) -> String {
    format!(
        "build() {{ i=0; while [ $i -lt {} ]; do i=$((i+1)); echo \"line $i.\"; sleep 0.1; done; }}",
        seconds * 10
    )
}

/// The numbers of those lines.
fn lines(text: &str) -> Vec<u32> {
    let number = |line: &str| line.trim().strip_prefix("line ")?.strip_suffix('.')?.parse().ok();
    text.lines().filter_map(number).collect()
}

fn whole(seconds: u32) -> Vec<u32> {
    (1..=seconds * 10).collect()
}

impl Stage {
    fn spawn(&self, line: &str) -> Running {
        let mut command = self.command(line);
        Running(command.stdout(Stdio::null()).stderr(Stdio::piped()).stdin(Stdio::null()).spawn().unwrap())
    }

    fn jobs(&self) -> Vec<Value> {
        self.json("jobs --json")["jobs"].as_array().unwrap().clone()
    }

    /// The generation that runs, and its flags.
    fn runs(&self) -> (u64, bool, bool) {
        let all = self.json("generations --json");
        let current =
            all["generations"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
        (current["number"].as_u64().unwrap(), current["good"] == true, current["trial"] == true)
    }

    /// What a file of the last job on the machine says.
    fn job_file(&self, key: &str) -> String {
        self.root(&format!(
            "cat /var/lib/holdfast/jobs/$(ls -1 /var/lib/holdfast/jobs | tail -n 1)/{key} 2>/dev/null"
        ))
    }

    #[track_caller]
    fn wait_for_job(&self, key: &str, value: &str) {
        eventually(
            value,
            || self.job_file(key) == value,
            || self.root("tail -n 30 /var/lib/holdfast/jobs/*/*"),
        );
    }

    /// The machine is between two systems.
    #[track_caller]
    fn wait_for_switch(&self) {
        let line =
            "pgrep -f '/bin/[s]witch-to-configuration test' >/dev/null && cat /var/lib/holdfast/trial/state";
        eventually(
            "switch",
            || self.root(line) == "switching",
            || self.root("tail -n 30 /var/lib/holdfast/jobs/*/*"),
        );
    }

    fn reboot_and_wait(&self) {
        self.guests().power(&self.instance, holdfast_sandbox::Power::Reboot).unwrap();
        eventually("boot", || self.guests().state(&self.instance) == State::Reachable, String::new);
        eventually(
            "boot's end",
            || self.root("systemctl is-system-running") == "running",
            || self.root("systemctl list-jobs; systemctl --failed"),
        );
    }
}

/// A command that goes on beside the test, and no longer than it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn said(mut running: Running) -> (String, Option<i32>) {
    let mut text = String::new();
    running.0.stderr.take().unwrap().read_to_string(&mut text).unwrap();
    (text, running.0.wait().unwrap().code())
}

#[test]
fn from_the_image_to_a_machine_with_its_user() {
    let Some(stage) = Stage::stock() else { return };
    let (text, code) = stage.told("up --yes");
    assert_eq!(code, Some(0), "{text}");
    for part in [
        "amazon-image.nix",
        "embedded ",
        "evaluating",
        "switching",
        "checking the way in",
        "runs generation 2",
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert_eq!(stage.runs(), (2, true, false), "a new session came in");
    assert_eq!(
        stage.root("id -u ada; stat -c %U:%a /home/ada/remote-dev /home/ada"),
        "1001\nada:755\nada:700"
    );
    assert!(
        stage
            .root("cat /home/ada/remote-dev/nixos/machine.json")
            .contains("\"hostName\": \"ada-remote-dev-machine\"")
    );
    assert!(stage.root("cat /var/lib/holdfast/stock/configuration.nix").contains("amazon-image.nix"));
    assert!(stage.told("config status").0.contains("The machine runs that."));
    assert_eq!(stage.holdfast("exec -- id -un").trim(), "ada");

    // Once more: nothing to do, and nothing is put there.
    let (text, code) = stage.told("up --yes");
    assert_eq!(code, Some(0), "{text}");
    assert!(!text.contains("builds"), "{text}");
    let (text, _) = stage.told("rebuild");
    assert!(text.contains("runs that already"), "{text}");
    // Somebody changes it there.
    stage.root("echo '# mine' >>/home/ada/remote-dev/nixos/home.nix");
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(3) && text.contains("config pull"), "{text}");
    assert_eq!(stage.holdfast("config pull --yes").trim(), "home.nix");
    assert!(stage.holdfast("config diff").contains("+# mine"));
    assert!(stage.told("rebuild").0.contains("runs generation 3"));
    assert!(stage.told("rollback --yes").0.contains("runs generation 2"));
    assert_eq!(stage.runs(), (2, true, false));
    assert!(stage.told("config status").0.contains("The machine is behind"));
    stage.with_window(async |person| goes_forward_again(&stage, person).await);
    assert_eq!(stage.runs(), (3, true, false));
}

/// The machine has three generations and runs the second; the third is what is on the computer.
async fn goes_forward_again(stage: &Stage, person: &Person<'_>) {
    let system = person.waits_for("generations", |system| !system.generations.is_empty()).await;
    let told = system.generations.iter().map(|one| (one.number, one.flags.contains(&Flag::Current)));
    assert_eq!(told.collect::<Vec<_>>(), [(3, false), (2, true), (1, false)]);
    assert!(system.generations.iter().all(|one| one.size.is_some() && one.kernel.is_some()), "{system:#?}");
    let standing = system.standing.unwrap();
    assert_eq!((standing.standing, standing.rebuild_next), (Standing::Behind, true), "{}", standing.text);

    // A look is one session. Somebody changes something there meanwhile.
    stage.root("echo '# mine, too' >>/home/ada/remote-dev/nixos/home.nix");
    let edited = |system: &System| {
        !system.looking
            && system.standing.as_ref().is_some_and(|standing| standing.standing == Standing::EditedThere)
    };
    let look = async {
        person.asks(Command::LookAtSystem).await;
        person.waits_for("what was changed there", edited).await;
    };
    assert_eq!(stage.sessions_in(look).await, 1);
    stage.root("sed -i '/mine, too/d' /home/ada/remote-dev/nixos/home.nix");

    person.asks(Command::GoTo { generation: 3 }).await;
    let system = person.waits_for("the end of the job", |system| system.last.is_some()).await;
    assert_eq!(system.last.unwrap().text, "remote-dev runs generation 3");
    let lines = person.reads_log(system.log.unwrap().number).await;
    assert!(lines.iter().any(|line| line.contains("activating the configuration")), "{lines:#?}");
    let system = person.waits_for("what it runs now", |system| system.generations[0].go.is_none()).await;
    assert_eq!(system.standing.unwrap().standing, Standing::UpToDate);
}

#[test]
fn a_rebuild_goes_on_through_a_minute_of_darkness_and_without_its_laptop() {
    let Some(stage) = Stage::stock() else { return };
    stage.edit("stand-in.sh", &slow_build(70));
    let child = stage.spawn("rebuild --yes --log");
    stage.wait_for_job("phase", "build");
    sleep(2 * SECOND);
    stage.network.down();
    sleep(60 * SECOND);
    stage.network.up();
    let (text, code) = said(child);
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(lines(&text), whole(70), "each line once and in order");
    assert_eq!(stage.runs(), (2, true, false));

    // The laptop's process is killed; another one finds the job and all of its log.
    stage.edit("stand-in.sh", &slow_build(6));
    let child = stage.spawn("rebuild --log");
    stage.wait_for_job("phase", "build");
    sleep(SECOND);
    drop(child);
    let id = stage.jobs()[0]["id"].as_str().unwrap().to_owned();
    let (text, code) = stage.told(&format!("job follow {id} --log"));
    assert_eq!((lines(&text), code), (whole(6), Some(0)), "{text}");
    let jobs = stage.jobs();
    assert_eq!(
        (&jobs[0]["outcome"], &jobs[0]["generation"]),
        (&Value::from("ok"), &Value::from(3)),
        "{jobs:?}"
    );
}

#[test]
fn a_job_that_the_window_finds_has_all_of_its_log() {
    let Some(stage) = Stage::rebuilt() else { return };
    let build = r#"build() {
        seq -f 'line %.0f.' 30000
        printf '\033[31;1merror:\033[0m in \033[32mcolour\033[m\033[2J\033]0;owned\007\n'
        printf ' 10 %%\r 50 %%\r100 %%\r\n'
        printf 'no text: \377\376\n'
        printf 'gnp.\342\200\256exe\n'
        head -c 1000000 /dev/zero | tr '\0' x
        echo
        sleep 5
    }"#;
    stage.edit("stand-in.sh", build);
    let child = stage.spawn("rebuild");
    stage.wait_for_job("phase", "build");
    sleep(2 * SECOND);
    stage.with_window(async |person| {
        let system = person.waits_for("the job", |system| system.job.is_some()).await;
        let number = system.log.unwrap().number;
        person.waits_for("its end", |system| system.last.is_some()).await;
        let all = person.reads_log(number).await;
        let text = all.join("\n");
        assert_eq!(lines(&text), (1..=30_000).collect::<Vec<_>>(), "each line once and in order");
        for line in [
            "\u{1b}[31;1merror:\u{1b}[0m in \u{1b}[32mcolour\u{1b}[m",
            "100 %",
            "no text: \u{fffd}\u{fffd}",
            "gnp.exe",
        ] {
            assert!(all.iter().any(|one| one == line), "{line:?}");
        }
        let wide: Vec<&String> = all.iter().filter(|line| line.starts_with("xxx")).collect();
        assert!(!wide.is_empty() && all.iter().all(|line| line.len() <= 16 << 10));
    });
    assert_eq!(said(child).1, Some(0));
}

#[test]
fn the_log_of_a_job_before_is_fetched_for_whoever_asks() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage
        .edit("stand-in.sh", "build() { seq -f 'line %.0f.' 3000; echo 'error: it does not build'; false; }");
    assert_eq!(stage.told("rebuild").1, Some(1));
    stage.with_window(async |person| {
        person.waits_for("the system", |system| system.seen.is_some()).await;
        person.asks(Command::ShowPage { page: Page::Activity }).await;
        let runs = person.waits_to_see("what was done", |view| Some(view.history.clone()?.runs)).await;
        let (failed, before) = (&runs[0], &runs[1]);
        assert_eq!(
            (failed.title.as_str(), failed.result),
            ("Rebuild", history::Outcome::Refused),
            "{runs:?}"
        );
        assert_eq!(before.result, history::Outcome::Done, "{runs:?}");
        for (run, expected) in [(failed, 3000), (before, 0)] {
            let log = run.log.clone().unwrap();
            assert_eq!(log.refused, None, "{runs:?}");
            person.asks(Command::ShowLog { job: log.job.clone() }).await;
            let is_it = |view: &View| view.history.clone()?.log.filter(|it| it.job == log.job && !it.reading);
            let there = person.waits_to_see("its log", is_it).await;
            assert_eq!((&there.note, &there.problem), (&None, &None));
            let text = person.reads_log(there.log.number).await.join("\n");
            assert_eq!(lines(&text), (1..=expected).collect::<Vec<_>>(), "{text}");
            assert_eq!(text.contains("error: it does not build"), expected > 0);
        }
    });
}

#[test]
fn two_laptops_have_one_job() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("stand-in.sh", &slow_build(8));
    let first = stage.spawn("rebuild --log");
    stage.wait_for_job("phase", "build");
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(3) && text.contains("asked for by ada@"), "{text}");
    let id = stage.jobs()[0]["id"].as_str().unwrap().to_owned();
    let second = stage.spawn(&format!("job follow {id} --log"));
    for (text, code) in [said(first), said(second)] {
        assert_eq!((lines(&text), code), (whole(8), Some(0)), "{text}");
    }

    // At a terminal there is one line that says where it is, and the log on Enter.
    stage.edit("stand-in.sh", &slow_build(5).replace("line", "row"));
    let mut seat = stage.types("rebuild");
    seat.wait_until("the line", |seat| {
        seat.text().contains("building 1 of 2") && seat.text().contains("Enter shows the log")
    });
    assert!(!seat.text().contains("row 1."), "{}", seat.text());
    seat.press("\r");
    seat.wait_for("row 1.");
    seat.wait_for("runs generation 4");
    assert_eq!(seat.end(), Some(0));

    // One is cancelled, and the machine is as it was.
    let before = stage.runs();
    stage.edit("stand-in.sh", &slow_build(60));
    let watching = stage.spawn("rebuild");
    stage.wait_for_job("phase", "build");
    let id = stage.jobs()[0]["id"].as_str().unwrap().to_owned();
    stage.holdfast(&format!("job cancel {id}"));
    let (text, code) = said(watching);
    assert!(code == Some(1) && text.contains("was cancelled"), "{text}");
    assert_eq!(stage.runs(), before);
    let (text, code) = stage.told(&format!("job cancel {id}"));
    assert_eq!(code, Some(0), "one that has ended: {text}");
    assert!(stage.told("job cancel 1-2").0.contains("There is no job"));
}

#[test]
fn what_fails_is_said_with_the_lines_that_matter_and_changes_nothing() {
    let Some(stage) = Stage::rebuilt() else { return };
    let before = stage.runs();
    let cases = [
        (
            "evaluate() { echo \"error: syntax error, unexpected '}', expecting ';'\"; echo '       at /x/home.nix:3:1:'; exit 1; }",
            "is no Nix",
            "home.nix:3:1",
        ),
        ("evaluate() { echo \"error: undefined variable 'pkgz'\"; exit 1; }", "does not evaluate", "pkgz"),
        (
            "fetch() { echo \"error: unable to download 'https://x/y': HTTP error 404\"; exit 1; }",
            "could not be fetched",
            "404",
        ),
        (
            "build() { echo \"error: Cannot build '/nix/store/x.drv'.\"; echo '       Reason: builder failed with exit code 2.'; exit 1; }",
            "A build failed",
            "exit code 2",
        ),
        (
            "build() { echo 'error: writing to file: No space left on device'; exit 1; }",
            "disk is full",
            "generations are kept",
        ),
        (
            "build() { echo \"error: Cannot build '/nix/store/x.drv'.\"; echo '       Reason: builder failed due to signal 9 (Killed).'; exit 1; }",
            "want of memory",
            "signal 9",
        ),
        (
            "evaluate() { printf 'error: \\033[2J\\033]0;owned\\007evil\\n'; exit 1; }",
            "does not evaluate",
            "error: ",
        ),
        ("switch() { echo 'Pre-switch checks failed'; return 1; }", "did not go over", "--boot"),
        (
            "switch() { echo 'broken activation'; return 2; }",
            "went back to what it ran before",
            "failed half-way (status 2)",
        ),
        ("evaluate() { kill -9 $PPID; sleep 5; }", "was killed", "try again"),
    ];
    for (script, what, part) in cases {
        stage.edit("stand-in.sh", script);
        let (text, code) = stage.told("rebuild");
        assert!(code == Some(1) && text.contains(what) && text.contains(part), "{script}: {text}");
        assert!(!text.contains('\u{1b}'), "{text:?}");
        assert_eq!(stage.runs().0, before.0, "{script}");
    }
    // The flake has no such configuration.
    stage.edit("stand-in.sh", "");
    stage.edit("machine.json", "{ \"attribute\": \"other\" }");
    stage.edit("flake.nix", "{ }");
    let (text, _) = stage.told("rebuild --dry");
    assert!(text.contains("It builds"), "{text}");
    // Units that fail are no reason to go back.
    stage.edit(
        "stand-in.sh",
        "switch() { systemd-run --quiet --unit=sad sh -c 'exit 3'; sleep 0.3; return 4; }",
    );
    let (text, code) = stage.told("rebuild");
    assert!(
        code == Some(1) && text.contains("not all of it is well") && text.contains("sad.service"),
        "{text}"
    );
    assert_eq!(stage.jobs()[0]["outcome"], "partial");
}

/// The new system closes the way in.
#[test]
fn a_machine_that_nobody_can_enter_goes_back_by_itself() {
    let Some(stage) = Stage::rebuilt() else { return };
    let mut seat = stage.connect("");
    seat.wait_for("%");
    stage.edit("stand-in.sh", "switch() { ln -sfn /bin/false /usr/local/lib/stand-in/agent; }");
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(1) && text.contains("has not opened its control channel again"), "{text}");
    assert_eq!(stage.runs(), (2, true, false));
    seat.press("echo st''ill here\r");
    seat.wait_for("still here");
    // It is remembered, and tried again only if asked.
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(1) && text.contains("went back from this configuration once before"), "{text}");
    let (text, _) = stage.told("rebuild --again");
    assert!(text.contains("went back to what it ran before"), "{text}");

    // The machine finds nothing wrong, but the laptop that watches cannot come in again.
    stage.edit("stand-in.sh", "switch() { rm /etc/sudoers.d/ssm-agent-users; }");
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(1) && text.contains("could not come in again"), "{text}");
    assert_eq!(stage.runs(), (2, true, false));

    // The job itself dies in the middle of the switch.
    stage.edit("stand-in.sh", "switch() { sleep 100; }");
    let watching = stage.spawn("rebuild");
    stage.wait_for_switch();
    let id = stage.jobs()[0]["id"].as_str().unwrap().to_owned();
    let (text, code) = stage.told(&format!("job cancel {id}"));
    assert!(code == Some(1) && text.contains("between two systems"), "{text}");
    stage.root(&format!("systemctl kill --signal=KILL holdfast-job-{id}"));
    let (text, code) = said(watching);
    assert!(code == Some(1) && text.contains("killed in the middle of the switch"), "{text}");
    assert_eq!(stage.runs(), (2, true, false));
    seat.press("exit\r");
    assert_eq!(seat.end(), Some(0));
}

#[test]
fn a_laptop_that_stays_away_changes_nothing() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("stand-in.sh", "# another one");
    stage.holdfast("rebuild --detach");
    stage.wait_for_job("outcome", "ok");
    // Nothing on the machine waits for anybody: no timer is left, so no time changes it.
    assert_eq!(stage.root("systemctl list-timers --all --no-legend | grep -c holdfast || true"), "0");
    assert_eq!(stage.root("cat /var/lib/holdfast/trial/state /var/lib/holdfast/trial/number"), "trial\n3");
    let mut seat = stage.connect("");
    seat.wait_for("%");
    eventually(
        "good",
        || stage.root("ls /var/lib/holdfast/generations/3/good 2>/dev/null").contains("good"),
        String::new,
    );
    assert_eq!(stage.runs(), (3, true, false));
    seat.press("exit\r");
    seat.end();
}

/// Only the machine's own no is a no: what the laptop lacks says nothing about the machine.
#[test]
fn a_laptop_that_may_not_come_in_any_more_refuses_nothing() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("stand-in.sh", "switch() { sleep 3; }");
    let watching = stage.spawn("rebuild");
    stage.wait_for_job("phase", "activate");
    stage.deny_sessions(true);
    stage.wait_for_job("outcome", "ok");
    sleep(25 * SECOND);
    assert_eq!(stage.root("cat /var/lib/holdfast/trial/state /var/lib/holdfast/trial/number"), "trial\n3");
    stage.deny_sessions(false);
    let (text, code) = said(watching);
    assert!(code == Some(1) && text.contains("sign-in is over"), "{text}");
    assert_eq!(stage.runs(), (3, false, true));

    // At a terminal somebody can sign in again, so it waits for that.
    stage.edit("stand-in.sh", &slow_build(6));
    let mut person = stage.types("rebuild --log");
    person.wait_for("line 5.");
    stage.deny_sessions(true);
    stage.end_sessions();
    person.wait_for("your AWS sign-in is over");
    stage.wait_for_job("phase", "activate");
    stage.deny_sessions(false);
    person.wait_for("line 60.");
    assert_eq!(person.end(), Some(0), "{}", person.text());

    // It was switched back from once, worked when it was tried again, and is not refused any more.
    stage.edit(
        "stand-in.sh",
        "switch() { [ -e /run/mended ] || ln -sfn /bin/false /usr/local/lib/stand-in/agent; }",
    );
    assert!(stage.told("rebuild").0.contains("went back"));
    stage.root("touch /run/mended");
    assert!(stage.told("rebuild").0.contains("once before"));
    assert_eq!(stage.told("rebuild --again").1, Some(0));
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(0) && text.contains("runs that already"), "{text}");
}

/// Edits here, there, and while a job runs: none is lost without a word.
#[test]
fn edits_on_both_sides_meet() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("home.nix", "# here\n");
    stage.root("echo '# there' >>/home/ada/remote-dev/nixos/configuration.nix");
    assert_eq!(stage.told("rebuild").1, Some(3));
    assert_eq!(stage.holdfast("config pull --yes").trim(), "configuration.nix");
    assert_eq!(stage.told("rebuild").1, Some(0), "both are in it");
    let there = stage.root(
        "cat /home/ada/remote-dev/nixos/home.nix; tail -n 1 /home/ada/remote-dev/nixos/configuration.nix",
    );
    assert_eq!(there, "# here\n# there");

    // The same file on both sides.
    stage.edit("home.nix", "# here again\n");
    stage.root("echo '# there' >>/home/ada/remote-dev/nixos/home.nix");
    let (text, code) = stage.told("config pull --yes");
    assert!(code == Some(3) && text.contains("Changed here, too"), "{text}");
    let (text, code) = stage.told("rebuild --overwrite");
    assert_eq!(code, Some(0), "{text}");
    assert!(
        stage.root("cat /home/ada/remote-dev.overwritten-*/nixos/home.nix").contains("# there"),
        "it is kept aside"
    );

    // A job runs: nothing is put there. An edit while it updates the lock stays an edit.
    stage.edit("stand-in.sh", &slow_build(6));
    let first = stage.spawn("rebuild --update");
    stage.wait_for_job("phase", "build");
    stage.edit("home.nix", "# later\n");
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(3) && text.contains("Another job runs"), "{text}");
    assert_eq!(stage.root("cat /home/ada/remote-dev/nixos/home.nix"), "# here again");
    stage.root("echo '# meanwhile' >>/home/ada/remote-dev/nixos/configuration.nix");
    assert_eq!(said(first).1, Some(0));
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(3) && text.contains("config pull"), "{text}");
}

/// Without a boot loader that can be told to take a system once, it is the default from the start, and is left all the same.
#[test]
fn a_bad_boot_is_left_whatever_the_boot_loader() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.root("rm /usr/local/bin/grub-editenv");
    stage.edit("kernel", "6.12.3");
    stage.edit("stand-in.sh", "booted() { ln -sfn /bin/false /usr/local/lib/stand-in/agent; }");
    let (text, code) = stage.told("rebuild --boot");
    assert!(code == Some(0) && text.contains("no one-time entry"), "{text}");
    stage.guests().power(&stage.instance, holdfast_sandbox::Power::Reboot).unwrap();
    let back = || {
        let line = "readlink /run/booted-system/kernel; cat /var/lib/holdfast/refused; ls /var/lib/holdfast";
        let answer = stage.guests().exec_root(&stage.instance, &["sh", "-c", line]);
        let text =
            answer.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        text.contains("6.12.1") && text.contains("control channel") && !text.contains("trial")
    };
    eventually("way back", back, || stage.root("journalctl -u holdfast-boot -o cat; cat /boot/grub/grub*"));
    stage.root("ln -sfn agent.whole /usr/local/lib/stand-in/agent; systemctl restart amazon-ssm-agent");
    stage.wait_until_reachable();
    assert_eq!((stage.runs().0, stage.jobs()[0]["outcome"].as_str()), (2, Some("rolled_back")));
}

#[test]
fn a_reboot_in_the_middle_leaves_what_was_there() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("stand-in.sh", &slow_build(60));
    stage.holdfast("rebuild --detach");
    stage.wait_for_job("phase", "build");
    stage.reboot_and_wait();
    assert_eq!((stage.jobs()[0]["outcome"].as_str(), stage.runs().0), (Some("lost"), 2));

    stage.edit("stand-in.sh", "switch() { [ -e /run/rebooted ] || sleep 60; }");
    stage.holdfast("rebuild --detach");
    stage.wait_for_switch();
    stage.reboot_and_wait();
    assert_eq!((stage.jobs()[0]["outcome"].as_str(), stage.runs().0), (Some("rolled_back"), 2));
    assert!(stage.jobs()[0]["why"].as_str().unwrap().contains("rebooted in the middle"));
}

/// A new kernel shows itself only at a boot, and one that does not work is left by the next.
#[test]
fn a_new_kernel_is_on_trial_at_its_first_boot() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("kernel", "6.12.2");
    let (text, code) = stage.told("rebuild --boot");
    assert!(code == Some(0) && text.contains("generation 3 at its next boot"), "{text}");
    assert_eq!(stage.runs().0, 2, "nothing was switched");
    assert!(
        stage.root("head -n 1 /boot/grub/grub.cfg").contains(&stage.root("readlink -f /run/current-system")),
        "the default stays"
    );
    stage.reboot_and_wait();
    eventually(
        "check",
        || stage.root("cat /var/lib/holdfast/trial/boot") == "checked",
        || stage.root("journalctl -b -u holdfast-boot -o cat"),
    );
    assert_eq!(stage.runs(), (3, false, true));
    stage.holdfast("exec -- true");
    assert_eq!(stage.runs(), (3, true, false), "somebody came in");
    assert!(
        stage.root("head -n 1 /boot/grub/grub.cfg").contains(&stage.root("readlink -f /run/current-system")),
        "it is the default now"
    );
    assert_eq!(stage.json("generations --json")["generations"][0]["kernel"], "6.12.2");

    // One whose agent does not come up goes away with a reboot of its own.
    stage.edit("kernel", "6.12.3");
    stage.edit("stand-in.sh", "booted() { ln -sfn /bin/false /usr/local/lib/stand-in/agent; }");
    let (text, code) = stage.told("rebuild --boot");
    assert!(code == Some(0) && text.contains("generation 4 at its next boot"), "{text}");
    let boot = stage.root("systemctl show -p UserspaceTimestampMonotonic --value");
    stage.guests().power(&stage.instance, holdfast_sandbox::Power::Reboot).unwrap();
    let back = || {
        let line = "systemctl show -p UserspaceTimestampMonotonic --value; readlink /run/booted-system/kernel; ls /var/lib/holdfast";
        // Nobody answers while it boots.
        let answer = stage.guests().exec_root(&stage.instance, &["sh", "-c", line]);
        let text =
            answer.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        matches!(lines[..], [now, kernel, ref rest @ ..]
            if now != boot && kernel.contains("6.12.2") && rest.contains(&"bin") && !rest.contains(&"trial"))
    };
    eventually("way back", back, || stage.root("journalctl -u holdfast-boot -o cat; cat /boot/grub/grub*"));
    stage.root("ln -sfn agent.whole /usr/local/lib/stand-in/agent; systemctl restart amazon-ssm-agent");
    stage.wait_until_reachable();
    assert_eq!(stage.jobs()[0]["outcome"], "rolled_back");
    assert_eq!(stage.runs().0, 3);
}

/// The repository is on the machine's own disk; its address is what git there takes for that.
#[test]
fn a_repository_is_pulled_and_nothing_in_the_clone_is_lost() {
    const GIT: &str = "git -c user.name=b -c user.email=b@b";
    let Some(stage) = Stage::rebuilt() else { return };
    let url = "https://git.example.com/conf.git";
    stage.root("git config --system url./srv/git/.insteadOf https://git.example.com/; git config --system --add safe.directory '*'");
    stage.root(
        "git init --quiet --bare --shared=0777 -b main /srv/git/conf.git; git clone --quiet /srv/git/conf.git /srv/other",
    );
    stage.root(&format!(
        "cp -r /home/ada/remote-dev/nixos /srv/other/; cd /srv/other; git checkout --quiet -b main; {GIT} add -A; \
         {GIT} commit --quiet -m one; {GIT} push --quiet origin main; chown -R ada /srv/git/conf.git"
    ));
    let settings = format!(
        "[machine.remote-dev]\nconfig = {{ git = \"{url}\", branch = \"main\", folder = \"nixos\" }}\n"
    );
    std::fs::write(stage.home().join("config/settings.toml"), settings).unwrap();

    let (text, code) = stage.told("rebuild");
    assert!(code == Some(0) && text.contains("fetching the repository"), "{text}");
    let head = |folder: &str| stage.root(&format!("git -C {folder} rev-parse --short=12 HEAD"));
    assert_eq!(stage.jobs()[0]["revision"], head("/srv/other"));
    assert_eq!(
        stage.root("stat -c %U /home/ada/remote-dev/.git /home/ada/remote-dev/nixos/flake.nix"),
        "ada\nada"
    );

    // Others go on, and so does the machine.
    stage.root(&format!("cd /srv/other; echo '# two' >>nixos/home.nix; {GIT} commit --quiet -am two; {GIT} push --quiet origin main"));
    assert_eq!(stage.told("rebuild").1, Some(0));
    assert_eq!(stage.jobs()[0]["revision"], head("/srv/other"));

    // A lock that is missing there is for its people to make: the clone stays clean.
    stage.root(&format!("cd /srv/other; {GIT} rm --quiet nixos/flake.lock; {GIT} commit --quiet -m unlock; {GIT} push --quiet origin main"));
    let (text, code) = stage.told("rebuild");
    assert_eq!(code, Some(0), "{text}");
    assert_eq!(stage.root("cd /home/ada/remote-dev; sudo -u ada git status --porcelain"), "");
    stage.root(&format!("cd /srv/other; {GIT} revert --no-edit HEAD; {GIT} push --quiet origin main"));
    assert_eq!(stage.told("rebuild").1, Some(0));

    // An update of the inputs is in the repository before the machine runs it.
    let (text, code) = stage.told("rebuild --update");
    assert_eq!(code, Some(0), "{text}");
    assert!(stage.root("git -C /srv/git/conf.git show main:nixos/flake.lock").contains("1999999999"));
    assert_eq!(stage.jobs()[0]["revision"], head("/home/ada/remote-dev"));

    // Somebody works on the machine.
    stage.root("echo '# mine' >>/home/ada/remote-dev/nixos/configuration.nix");
    let (text, code) = stage.told("rebuild --local");
    assert!(code == Some(0) && text.contains("+dirty"), "{text}");
    assert!(stage.jobs()[0]["revision"].as_str().unwrap().ends_with("+dirty"));
    stage.root(&format!("cd /home/ada/remote-dev; sudo -u ada {GIT} commit --quiet -am mine"));
    stage.root(&format!("cd /srv/other; {GIT} pull --quiet origin main; echo '# three' >>nixos/home.nix; {GIT} commit --quiet -am three; {GIT} push --quiet origin main"));
    let before = stage.runs();
    let (text, code) = stage.told("rebuild");
    assert!(
        code == Some(1) && text.contains("gone different ways") && text.contains("pull --rebase"),
        "{text}"
    );
    assert_eq!(stage.runs(), before);
    assert!(
        stage
            .root("cd /home/ada/remote-dev; git log --format=%s -1; tail -n 1 nixos/configuration.nix")
            .contains("# mine")
    );
    assert_eq!(stage.told("rebuild --local").1, Some(0));

    // Another repository is never put over this one.
    let settings = "[machine.remote-dev]\nconfig = { git = \"https://git.example.com/other.git\", folder = \"nixos\" }\n";
    std::fs::write(stage.home().join("config/settings.toml"), settings).unwrap();
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(1) && text.contains("of another repository"), "{text}");
    std::fs::remove_file(stage.home().join("config/settings.toml")).unwrap();
    let (text, code) = stage.told("rebuild --yes");
    assert!(code == Some(3) && text.contains("git repository"), "{text}");
}

#[test]
fn a_trial_build_shows_what_would_change() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("kernel", "6.12.2");
    let shown = stage.holdfast("rebuild --dry");
    assert_eq!(shown, "+ ripgrep 14.1.1  +5800.3 KiB\n~ linux 6.12.1 → 6.12.2  +21.5 KiB\n");
    assert_eq!(stage.runs().0, 2);

    // An update comes back here, so that the next rebuild does not lower it again.
    let (text, code) = stage.told("rebuild --update");
    assert!(code == Some(0) && text.contains("flake.lock is here"), "{text}");
    let folder = stage.home().join("config/nixos/remote-dev/flake.lock");
    assert!(std::fs::read_to_string(&folder).unwrap().contains("1999999999"));
    assert!(stage.told("rebuild").0.contains("runs that already"));
    std::fs::remove_file(folder).unwrap();
    let (text, code) = stage.told("rebuild");
    assert!(code == Some(3) && text.contains("back to an older state"), "{text}");
}

#[test]
fn a_hundred_thousand_lines_come_whole_and_in_order() {
    let Some(stage) = Stage::rebuilt() else { return };
    stage.edit("stand-in.sh", "build() { seq -f 'line %.0f.' 100000; }");
    let mut child = stage.spawn("rebuild --log");
    let pid = child.0.id();
    let stderr = child.0.stderr.take().unwrap();
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        let mut stderr = stderr;
        stderr.read_to_string(&mut text).unwrap();
        text
    });
    let mut peak = 0;
    while child.0.try_wait().unwrap().is_none() {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = status
            .lines()
            .find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0));
        sleep(Duration::from_millis(100));
    }
    let text = reader.join().unwrap();
    assert_eq!(child.0.wait().unwrap().code(), Some(0), "{}", &text[text.len().saturating_sub(2000)..]);
    let found = lines(&text);
    let odd = found.iter().zip(1..).find(|(is, wanted)| **is != *wanted);
    assert_eq!((found.len(), odd), (100_000, None));
    println!("peak memory of the command: {} MiB", peak / 1024);
    assert!(peak < 96 << 10, "{peak} KiB");
}
