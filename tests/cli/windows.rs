//! `holdfast open` with terminals that only pretend.

use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;

use super::{Home, Ran};

/// A computer on which these programs are installed, and no others.
fn with(settings: &str, programs: &[(&str, &str)]) -> Home {
    let home = Home::with(settings);
    let bin = home.folder.path().join("bin");
    std::fs::create_dir(&bin).unwrap();
    for (name, script) in programs {
        std::fs::write(bin.join(name), format!("#!/bin/sh\n{script}\n")).unwrap();
        std::fs::set_permissions(bin.join(name), std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    home
}

fn run(home: &Home, line: &str) -> Ran {
    super::ran(home.command(line).env("PATH", home.folder.path().join("bin")).env_remove("DISPLAY"))
}

/// An xterm that keeps what it was told and runs it.
const XTERM: &str =
    "printf '%s\\n' \"$@\" > \"${0%/*}/../told\"; shift 3; exec \"$@\" </dev/null >/dev/null 2>&1";

#[test]
fn a_terminal_that_was_chosen_and_is_not_there() {
    let home = with("terminal = 'kitty'", &[("xterm", XTERM), ("konsole", "exit 0")]);
    assert_snapshot!(run(&home, "open").all(), @"
    err:
    Problem: kitty could not be opened.
      it is not installed
    → choose one that is installed (konsole, xterm): holdfast settings set terminal konsole
    → let Holdfast find one: holdfast settings unset terminal
    → in a terminal of your own, run: holdfast connect
    exit 1
    ");
    let told = run(&home, "open --json");
    assert_eq!(told.code, Some(1));
    assert_snapshot!(told.out, @r#"
    {
      "problem": {
        "code": "no_terminal_window",
        "what": "kitty could not be opened",
        "cause": "it is not installed",
        "hints": [
          "choose one that is installed (konsole, xterm): holdfast settings set terminal konsole",
          "let Holdfast find one: holdfast settings unset terminal",
          "in a terminal of your own, run: holdfast connect"
        ]
      }
    }
    "#);
    assert!(!home.folder.path().join("told").exists(), "no other one is opened in its place");
}

#[test]
fn a_terminal_that_was_chosen_and_does_not_start() {
    let kitty = ("kitty", "echo 'kitty: there is no screen' >&2; exit 1");
    let home = with("terminal = 'kitty'", &[("xterm", XTERM), kitty]);
    assert_snapshot!(run(&home, "open work").all(), @"
    err:
    Problem: kitty could not be opened.
      kitty: there is no screen
    → choose one that is installed (xterm): holdfast settings set terminal xterm
    → let Holdfast find one: holdfast settings unset terminal
    → in a terminal of your own, run: holdfast connect work
    exit 1
    ");
    let own = with("terminal = ['mine', '--run', '{}']", &[("mine", "exit 7")]);
    assert_snapshot!(run(&own, "open").all(), @"
    err:
    Problem: mine could not be opened.
      exit status: 7
    → install a terminal, for example: apt install xterm
    → let Holdfast find one: holdfast settings unset terminal
    → in a terminal of your own, run: holdfast connect
    exit 1
    ");
}

#[test]
fn where_nobody_chose_the_next_one_is_tried() {
    let broken = ("x-terminal-emulator", "exit 1");
    let home = with("", &[broken, ("xterm", XTERM)]);
    assert_eq!(run(&home, "open").code, Some(0));
    let told = std::fs::read_to_string(home.folder.path().join("told")).unwrap();
    let told = home.masked(&told.replace(super::program::PROGRAM, "HOLDFAST"));
    let (order, ending) = told.split_once("windows/").unwrap();
    assert_snapshot!(order, @"
    -T
    remote-dev: main
    -e
    HOLDFAST
    window
    HOME/state/
    ");
    assert_eq!(ending.trim().len(), "0123456789abcdef0123456789abcdef.json".len());

    assert_snapshot!(run(&with("", &[broken]), "open").all(), @"
    err:
    Problem: No terminal could be opened.
      the default terminal: exit status: 1
    → install a terminal, for example: apt install xterm
    → in a terminal of your own, run: holdfast connect
    exit 1
    ");
    assert_snapshot!(run(&with("", &[]), "open").all(), @"
    err:
    Problem: No terminal could be opened.
    → install a terminal, for example: apt install xterm
    → in a terminal of your own, run: holdfast connect
    exit 1
    ");
}

#[test]
fn a_session_has_a_name() {
    let home = Home::new();
    for line in ["open a/b", "connect a;b", "open -x", "connect .x"] {
        let ran = home.run(line);
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {}", ran.err);
    }
    assert_snapshot!(home.run("open a/b").err, @r#"
    error: invalid value 'a/b' for '[NAME]': "a/b" is not a session name: 1 to 32 letters, digits and -_., a letter or digit first

    For more information, try '--help'.
    "#);
}

#[test]
fn a_terminal_is_chosen_and_left_again() {
    let home = Home::new();
    home.run("settings set terminal kitty").well();
    assert!(
        home.run("settings show").well().out.contains("\nterminal"),
        "{}",
        home.run("settings show").all()
    );
    home.run_with("settings set terminal", &["[\"foot\", \"{}\"]"]).well();
    assert_eq!(std::fs::read_to_string(home.settings()).unwrap(), "terminal = [\"foot\", \"{}\"]\n");
    let shown = home.run("settings show --json").json();
    let terminal = &shown["settings"][1];
    assert_eq!(
        (terminal["key"].as_str(), terminal["value"].as_str()),
        (Some("terminal"), Some("[\"foot\", \"{}\"]"))
    );
    home.run("settings unset terminal").well();
    assert_eq!(std::fs::read_to_string(home.settings()).unwrap(), "");
    assert_eq!(home.run("settings set terminal kity").code, Some(1));
}
