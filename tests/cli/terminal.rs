//! The terminal is as it was, whatever happens to the program.

use holdfast::terminal::Raw;
use rustix::process::Signal;

use super::Home;
use super::program::{PROGRAM, environment};
use super::pty::Terminal;

/// Set for the child of the tests below, which is this same program.
const CHILD: &str = "HOLDFAST_TEST_RAW_CHILD";

#[expect(clippy::print_stdout, reason = "the parent reads it")]
fn raw_terminal_in_a_child() {
    let raw = Raw::enter().unwrap();
    println!("raw\r");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    assert!(!line.contains("panic"), "as asked for");
    drop(raw);
    println!("left");
}

fn child() -> Terminal {
    let program = std::env::current_exe().unwrap();
    let test = "terminal::after_a_drop_and_after_a_panic_the_terminal_is_as_it_was";
    let arguments = ["--exact", test, "--nocapture", "--test-threads=1"];
    Terminal::spawn(pty_process::blocking::Command::new(program).args(arguments).env(CHILD, "1"))
}

#[test]
fn after_a_drop_and_after_a_panic_the_terminal_is_as_it_was() {
    if std::env::var_os(CHILD).is_some() {
        return raw_terminal_in_a_child();
    }
    for (typed, said) in [("go on\n", "left"), ("panic\n", "as asked for")] {
        let mut terminal = child();
        terminal.expect("raw\r");
        assert!(terminal.is_raw());
        assert_ne!(terminal.modes(), terminal.before);
        terminal.press(typed);
        let shown = terminal.expect(said);
        assert!(shown.contains("\x1b[?25h"), "the cursor may be hidden: {shown:?}");
        assert_eq!(terminal.end().success(), said == "left");
        assert_eq!(terminal.modes(), terminal.before);
    }
}

/// What the tests above could not tell if it were not so.
#[test]
fn a_program_that_is_killed_leaves_the_terminal_raw() {
    let mut terminal = child();
    terminal.expect("raw\r");
    terminal.signal(Signal::KILL);
    terminal.end();
    assert!(terminal.is_raw());
}

#[test]
fn colours_are_for_terminals_and_not_for_those_who_want_none() {
    let home = Home::new();
    for (extra, bold) in [(("NO_COLOR", ""), true), (("NO_COLOR", "1"), false), (("TERM", "dumb"), false)] {
        let command = pty_process::blocking::Command::new(PROGRAM).args(["settings", "show"]);
        let command = command.env_clear().envs(environment(home.folder.path())).env(extra.0, extra.1);
        let mut terminal = Terminal::spawn(command);
        assert_eq!(terminal.expect("kms_key").contains("\x1b[1mremote-dev\x1b[0m"), bold, "{extra:?}");
        assert_eq!(terminal.end().code(), Some(0));
    }
    assert!(!home.run("settings show").well().out.contains('\x1b'));
}
