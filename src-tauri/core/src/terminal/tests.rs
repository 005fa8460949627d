use std::fmt::Write;

use proptest::prelude::*;

use super::*;

const SYSTEMS: [System; 3] = [System::Linux, System::Mac, System::Windows];

/// Words as a hostile home folder would give them.
const HOSTILE: [&str; 8] = [
    "/opt/my apps/holdfast",
    "window",
    "it's;here",
    "\"q\"",
    "100%PATH%$(id)`id`",
    "--help",
    "",
    "{}{command}",
];

fn window<'a>(command: &'a [String]) -> Window<'a> {
    Window { title: "remote-dev: main", command, script: "/home/ada/my state/w.command" }
}

fn custom(words: &[&str]) -> Choice {
    Choice::Custom(template(words).unwrap())
}

fn template(words: &[&str]) -> Result<Template, crate::names::NotAllowed> {
    Template::new(words.iter().map(|word| (*word).to_owned()).collect())
}

fn list(launches: &[Launch]) -> String {
    let mut lines = String::new();
    for launch in launches {
        let _ = writeln!(lines, "  {}: {} {:?}", launch.name, launch.program, launch.arguments);
        if let Some(script) = &launch.script {
            let _ = writeln!(lines, "    {script:?}");
        }
    }
    lines
}

#[test]
fn where_everything_is_installed() {
    let command = ["/opt/my apps/holdfast", "window", "/home/ada/it's;here"].map(str::to_owned);
    let mut table = String::new();
    for system in SYSTEMS {
        let all = launches(system, &Choice::Default, &window(&command), |_| true);
        let _ = writeln!(table, "{system:?}\n{}", list(&all));
    }
    insta::assert_snapshot!(table);
}

#[test]
fn what_is_installed_and_what_was_chosen() {
    let command = ["/bin/holdfast", "window", "/w"].map(str::to_owned);
    let foot = custom(&["foot", "--title", "work", "{}"]);
    let tilix = custom(&["tilix", "--command={command}"]);
    let mut table = String::new();
    for (system, installed) in [
        (System::Linux, &["x-terminal-emulator", "xterm", "kitty", "foot", "tilix"][..]),
        (System::Linux, &["xterm"]),
        (System::Linux, &[]),
        (System::Mac, &["Terminal.app", "kitty.app"]),
        (System::Windows, &["wt.exe", "conhost.exe"]),
        (System::Windows, &["conhost.exe"]),
    ] {
        let there = |part: Part<'_>| match part {
            Part::Program(name) | Part::Bundle(name) => installed.contains(&name),
        };
        let known = [Known::Kitty, Known::Terminal, Known::WindowsTerminal].map(Choice::Known);
        for choice in [Choice::Default].into_iter().chain(known).chain([foot.clone(), tilix.clone()]) {
            let others: Vec<_> = alternatives(system, &choice, there).into_iter().map(Known::word).collect();
            let _ = writeln!(table, "{system:?} with {installed:?}, {choice:?}, else {others:?}");
            table += &list(&launches(system, &choice, &window(&command), there));
        }
    }
    insta::assert_snapshot!(table);
}

#[test]
fn every_name_of_the_setting_is_that_of_one_terminal() {
    for known in Known::ALL {
        assert_eq!(known.word().parse(), Ok(known));
        assert_eq!(serde_json::to_value(known).unwrap(), known.word());
        assert!(SYSTEMS.iter().any(|system| known.start(*system).is_some()), "{known:?}");
    }
    assert_eq!("Kitty".parse::<Known>(), Err(()));
    assert_eq!(Choice::DEFAULT.parse::<Known>(), Err(()));
}

#[test]
fn a_template_has_a_program_and_one_place_for_the_command() {
    for good in
        [&["foot", "{}"][..], &["sh", "-c", "foot {command}"], &["a", "{}", "--after"], &["{a}", "{}"]]
    {
        assert!(template(good).is_ok(), "{good:?}");
    }
    for bad in [
        &[][..],
        &["foot"],
        &["{}"],
        &["{command}"],
        &["", "{}"],
        &["foot", "{}", "{}"],
        &["foot", "{}", "{command}"],
        &["foot", "{command}{command}"],
        &["foot", "x{}"],
        &["foot\0", "{}"],
        &["foot", "{}", "\n"],
    ] {
        assert!(template(bad).is_err(), "{bad:?}");
    }
}

/// The words of a line as a POSIX shell reads it.
fn read_by_a_shell(line: &str) -> Vec<String> {
    let script = format!("for word in {line}; do printf '%s\\0' \"$word\"; done");
    let said = std::process::Command::new("sh").arg("-c").arg(script).output().unwrap().stdout;
    let said = String::from_utf8(said).unwrap();
    said.split_terminator('\0').map(str::to_owned).collect()
}

/// What the terminal of a launch would run, by the rules of its kind.
fn run_by(launch: &Launch, most: usize) -> Vec<String> {
    if let Some(script) = &launch.script {
        assert_eq!(launch.arguments.last().map(String::as_str), Some("/home/ada/my state/w.command"));
        let line = script.strip_prefix("#!/bin/sh\nexec ").and_then(|line| line.strip_suffix('\n')).unwrap();
        return read_by_a_shell(line);
    }
    let last = launch.arguments.len() - most;
    let words = launch.arguments[last..].to_vec();
    if launch.program != "wt.exe" {
        return words;
    }
    for word in &words {
        let cut = word.match_indices(';').any(|(at, _)| !word[..at].ends_with('\\'));
        assert!(!cut, "Windows Terminal would end its command in the middle of {word:?}");
    }
    words.into_iter().map(|word| word.replace(r"\;", ";")).collect()
}

fn arrives(command: &[String]) {
    for system in SYSTEMS {
        let all = launches(system, &Choice::Default, &window(command), |_| true);
        assert!(!all.is_empty());
        for launch in all {
            assert_eq!(run_by(&launch, command.len()), command, "{launch:?}");
        }
    }
    let words = launches(System::Linux, &custom(&["foot", "-a", "{}"]), &window(command), |_| true);
    assert_eq!(words[0].arguments[1..], *command);
    let line = launches(System::Linux, &custom(&["tilix", "-e", "{command}"]), &window(command), |_| true);
    assert_eq!(line[0].arguments.len(), 2);
    assert_eq!(read_by_a_shell(&line[0].arguments[1]), command);
}

#[test]
fn hostile_words_arrive_as_they_are() {
    arrives(&HOSTILE.map(str::to_owned));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_word_arrives_as_one_argument(words in prop::collection::vec("[^\0]{0,12}", 1..4)) {
        // A word of Windows' that ends with a backslash before our own escape would be read otherwise; paths never do.
        let words: Vec<String> = words.into_iter().map(|word| word.replace('\\', "/")).collect();
        let command: Vec<String> = [vec!["/bin/holdfast".to_owned()], words].concat();
        arrives(&command);
    }

    /// Names become words of a command and part of a title; none of them is an option or a second word to a shell.
    #[test]
    fn no_name_needs_quotes(session in "[A-Za-z0-9][A-Za-z0-9_.-]{0,31}", machine in "[a-z][a-z0-9-]{0,22}[a-z0-9]") {
        let session: crate::names::SessionName = session.parse().unwrap();
        let machine: crate::names::MachineName = machine.parse().unwrap();
        prop_assert_eq!(read_by_a_shell(session.as_str()), [session.as_str()]);
        prop_assert_eq!(read_by_a_shell(machine.as_str()), [machine.as_str()]);
    }
}
