#![cfg(unix)]

use std::path::Path;
use std::time::Duration;

use holdfast_core::session::Stream;
use tempfile::TempDir;

use super::*;

const ID: &str = "i-0123456789abcdef0";

fn machine() -> (TempDir, Guests) {
    let folder = tempfile::tempdir().unwrap();
    let guests = Guests::new(folder.path());
    guests.power(ID, Power::On).unwrap();
    (folder, guests)
}

fn separate(command: &str) -> Program {
    let streams = Streams::Separate { stdout_prefix: String::new(), stderr_prefix: String::new() };
    Program::NonInteractive { command: command.to_owned(), streams }
}

fn sh(script: &str) -> Program {
    separate(&format!("sh -c '{}'", script.replace('\'', r"'\''")))
}

fn run(guests: &Guests, program: &Program) -> Running {
    guests.boot(ID).unwrap().run(program, Reading::default()).unwrap()
}

async fn output(running: &mut Running) -> Option<Output> {
    match tokio::time::timeout(Duration::from_secs(20), running.next(true, false)).await.ok()? {
        Next::Output(output) => Some(output),
        Next::TakesInput => None,
    }
}

/// Stdout (or terminal), stderr, and the exit code.
async fn finish(mut running: Running) -> (String, String, Option<i32>) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    loop {
        match output(&mut running).await.unwrap() {
            Output::Bytes(Stream::Out, bytes) => out.extend(bytes),
            Output::Bytes(Stream::Err, bytes) => err.extend(bytes),
            Output::End(code) => {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                return (text(out), text(err), code);
            }
        }
    }
}

async fn until(running: &mut Running, text: &str) -> String {
    let mut seen = String::new();
    while !seen.contains(text) {
        match output(running).await.expect(&seen) {
            Output::Bytes(_, bytes) => seen.push_str(&String::from_utf8(bytes).unwrap()),
            Output::End(_) => panic!("ended after {seen:?}"),
        }
    }
    seen
}

#[tokio::test]
async fn separate_streams_and_exit_code() {
    let (_folder, guests) = machine();
    let end = finish(run(&guests, &sh("echo out; echo err >&2; exit 7"))).await;
    assert_eq!(end, ("out\n".to_owned(), "err\n".to_owned(), Some(7)));
    let end = finish(run(&guests, &sh("kill -9 $$"))).await;
    assert_eq!(end.2, Some(-1));
}

#[tokio::test]
async fn no_shell_and_no_stdin() {
    let (_folder, guests) = machine();
    let end = finish(run(&guests, &separate("echo $HOME '*' ;"))).await;
    assert_eq!(end.0, "$HOME * ;\n");
    let end = finish(run(&guests, &separate("cat"))).await;
    assert_eq!(end, (String::new(), String::new(), Some(0)));
}

#[tokio::test]
async fn together_in_the_order_of_writing() {
    let (_folder, guests) = machine();
    let command = "sh -c 'echo a; echo b >&2; echo c; exit 3'".to_owned();
    let end = finish(run(&guests, &Program::NonInteractive { command, streams: Streams::Together })).await;
    assert_eq!(end, ("a\nb\nc\n".to_owned(), String::new(), None));
}

#[tokio::test]
async fn prefixes_go_before_reads() {
    let (_folder, guests) = machine();
    let streams = Streams::Separate { stdout_prefix: "O:".to_owned(), stderr_prefix: "E:".to_owned() };
    let command = "sh -c 'printf a; sleep 0.3; echo b; sleep 0.3; echo c; echo d >&2'".to_owned();
    let end = finish(run(&guests, &Program::NonInteractive { command, streams })).await;
    assert_eq!(end, ("O:ab\nO:c\n".to_owned(), "E:d\n".to_owned(), Some(0)));
}

#[tokio::test]
async fn control_bytes_are_signals() {
    let (_folder, guests) = machine();
    let mut running =
        run(&guests, &sh("trap 'echo int; exit 4' INT; echo ready; while :; do sleep 0.05; done"));
    until(&mut running, "ready").await;
    running.input(Input::Bytes(b"ignored".to_vec())).unwrap();
    running.input(Input::Bytes(b"x\x03y".to_vec())).unwrap();
    assert_eq!(finish(running).await, ("int\n".to_owned(), String::new(), Some(4)));
}

#[tokio::test]
async fn what_cannot_start_says_so() {
    let (_folder, guests) = machine();
    let boot = guests.boot(ID).unwrap();
    let failure = boot.run(&separate("no-such-program -x"), Reading::default()).unwrap_err();
    assert!(failure.text.starts_with("Error occurred starting the command: no-such-program"), "{failure:?}");
    assert_eq!(failure.exit, Some(1));
    let failure = boot.run(&separate("echo 'x"), Reading::default()).unwrap_err();
    assert_eq!(failure.exit, None);
    assert_eq!(
        failure.text,
        "Unable to start command: Failed to parse commands input: EOF found when expecting closing quote\n"
    );
}

#[tokio::test]
async fn clean_environment() {
    let (_folder, guests) = machine();
    let (out, _, _) = finish(run(&guests, &separate("env"))).await;
    let names: std::collections::BTreeSet<_> =
        out.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    let expected = ["ENV", "HOLDFAST_GUEST", "HOME", "LANG", "LOGNAME", "PATH", "SHELL", "TERM", "USER"];
    assert_eq!(names.into_iter().collect::<Vec<_>>(), expected);
}

#[tokio::test]
async fn a_terminal_with_a_size_and_a_greeting() {
    let (_folder, guests) = machine();
    let mut shell = run(&guests, &Program::Shell);
    until(&mut shell, "nothing runs in AWS.").await;
    shell.input(Input::Resize { cols: 100, rows: 30 }).unwrap();
    shell.input(Input::Bytes(b"stty size; tty; echo $TERM; exit\n".to_vec())).unwrap();
    let (out, _, code) = finish(shell).await;
    assert!(out.contains("30 100\r\n"), "{out}");
    assert!(out.contains("/dev/pts/"), "{out}");
    assert!(out.contains("xterm-256color\r\n"), "{out}");
    assert_eq!(code, None);
}

#[tokio::test]
async fn greets_once_and_not_in_commands() {
    let (_folder, guests) = machine();
    let mut shell = run(&guests, &Program::Interactive("echo begin; exec sh -l".to_owned()));
    let mut seen = until(&mut shell, "$ ").await;
    shell.input(Input::Bytes(b"sh\nexit\nexit\n".to_vec())).unwrap();
    seen.push_str(&finish(shell).await.0);
    assert!(seen.starts_with("begin\r\n"), "{seen}");
    assert_eq!(seen.matches("This is a sandbox machine").count(), 1, "{seen}");
    let (out, err, _) = finish(run(&guests, &sh("sudo -iu ssm-user echo hi"))).await;
    assert_eq!((out.as_str(), err.as_str()), ("hi\n", ""));
}

#[tokio::test]
async fn users_and_sudo() {
    let (_folder, guests) = machine();
    assert_eq!(finish(run(&guests, &separate("id -u dev"))).await.2, Some(1));
    assert_eq!(finish(run(&guests, &separate("getent passwd dev"))).await.2, Some(2));
    let (_, err, code) = finish(run(&guests, &separate("sudo -iu dev true"))).await;
    assert_eq!((err.as_str(), code), ("sudo: unknown user dev\n", Some(1)));

    guests.set_user(ID, Some(&"dev".parse().unwrap())).unwrap();
    let (uid, _, code) = finish(run(&guests, &separate("id -u dev"))).await;
    assert_eq!((uid.trim().parse::<u32>().is_ok(), code), (true, Some(0)));
    assert!(finish(run(&guests, &separate("getent passwd dev"))).await.0.starts_with("dev:x:"));
    let script = r##"sudo -iu dev sh -c 'echo "$USER" "$PWD" "$1" "it'\''s; fine" "#no"; exit 5' sh 'a  b'"##;
    let (out, err, code) = finish(run(&guests, &sh(script))).await;
    // As with the real sudo -i: a $ reaches the login shell unescaped, so these were expanded there.
    let expected = out.starts_with("dev /") && out.contains("/home/dev") && out.ends_with("it's; fine #no\n");
    assert!(expected && err.is_empty() && code == Some(5), "{out} {err} {code:?}");
    let (out, err, _) = finish(run(&guests, &separate("sudo id -u root"))).await;
    assert!(out == "0\n" && err.contains("there is no root here"), "{out} {err}");
    let (_, err, code) = finish(run(&guests, &separate("sudo reboot"))).await;
    assert!(err.contains("reboot: not on a sandbox machine") && code == Some(1), "{err}");
}

#[tokio::test]
async fn the_disk_survives_stop_and_not_termination() {
    let (folder, guests) = machine();
    finish(run(&guests, &sh("echo kept >~/file"))).await;
    let mut boot = guests.boot(ID).unwrap();
    guests.power(ID, Power::Off).unwrap();
    tokio::time::timeout(Duration::from_secs(5), boot.lost()).await.unwrap();
    assert!(guests.boot(ID).is_none());
    guests.power(ID, Power::On).unwrap();
    assert_eq!(finish(run(&guests, &sh("cat ~/file"))).await.0, "kept\n");
    let mut boot = guests.boot(ID).unwrap();
    guests.power(ID, Power::Reboot).unwrap();
    tokio::time::timeout(Duration::from_secs(5), boot.lost()).await.unwrap();
    assert_eq!(finish(run(&guests, &sh("cat ~/file"))).await.0, "kept\n");
    guests.power(ID, Power::Destroyed).unwrap();
    assert!(guests.boot(ID).is_none() && !folder.path().join(ID).exists());
    assert!(guests.power("../x", Power::On).is_err());
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn leaves_no_processes() {
    let (_folder, guests) = machine();
    let mut shell = run(&guests, &Program::Shell);
    until(&mut shell, "$ ").await;
    let start = b"sleep 1000 & sh -ic 'sleep 1001' & setsid sleep 1002 & printf 'all%s\\n' there\n";
    shell.input(Input::Bytes(start.to_vec())).unwrap();
    until(&mut shell, "allthere\r\n").await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let all = || processes_below(guests.boot(ID).map(|boot| boot.guest.root().to_owned()).as_deref());
    assert!(all().len() >= 4, "{:?}", all());
    drop(shell);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(all(), ["sleep\x001002\0"], "only what made itself a session of its own");
    let root = guests.boot(ID).unwrap().guest.root().to_owned();
    guests.power(ID, Power::Off).unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(processes_below(Some(&root)), [""; 0]);
}

#[cfg(target_os = "linux")]
fn processes_below(root: Option<&Path>) -> Vec<String> {
    let home = format!("HOME={}/", root.unwrap().display());
    let mut found = Vec::new();
    for process in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name| std::fs::read(process.path().join(name)).unwrap_or_default();
        if String::from_utf8_lossy(&read("environ")).contains(&home) {
            found.push(String::from_utf8_lossy(&read("cmdline")).into_owned());
        }
    }
    found
}
