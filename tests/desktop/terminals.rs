//! `holdfast open` in real terminals, under a real window manager.

use std::process::Stdio;

use crate::desktop::{Desktop, eventually};
use crate::driver::Window;

/// A desktop with a window manager, whose user has a machine that is on.
fn managed(terminal: &str) -> Desktop {
    let mut desktop = Desktop::settled();
    desktop.start(desktop.command("openbox").stdout(Stdio::null()).stderr(Stdio::null()));
    if terminal != "default" {
        desktop.holdfast(&format!("settings set terminal {terminal}"));
    }
    desktop.holdfast("up --yes");
    desktop
}

/// Puts a window of another program in front.
fn cover(desktop: &mut Desktop) {
    let before = desktop.active();
    let mut other = desktop.command("xterm");
    other.args(["-class", "Other", "-geometry", "100x30+20+20", "-e", "sleep", "1000"]);
    desktop.start(&mut other);
    eventually("another window in front", || {
        let active = desktop.active();
        (!active.is_empty() && active != before).then_some(())
    });
}

/// A window opens and shows a shell on the machine; it comes to the front again; another one opens when it is asked for,
/// or for another session, or when the first is gone.
fn opens_raises_and_opens_another(terminal: &str, class: &str) {
    let mut desktop = managed(terminal);
    desktop.holdfast("open");
    let first = desktop.window_of(class);
    desktop.prove_shell();
    // It is typed in two parts and stands there as one.
    desktop.enter("echo read-$(hostname)-back");
    let status: serde_json::Value = serde_json::from_str(&desktop.holdfast("status --json")).unwrap();
    let answer = format!("read-{}-back", status["instance"]["id"].as_str().unwrap());
    eventually("the answer in the window", || desktop.text_in(&first).contains(&answer).then_some(()));
    desktop.picture(&format!("open-{class}"));

    cover(&mut desktop);
    assert_ne!(desktop.active(), first);
    desktop.holdfast("open");
    assert_eq!(desktop.active(), first, "the window that is open comes to the front");
    assert_eq!(desktop.windows("--class", class), [first.as_str()]);

    desktop.holdfast("open --new");
    let second = eventually("a second window", || {
        desktop.windows("--class", class).into_iter().find(|window| *window != first)
    });
    eventually("the focus", || (desktop.active() == second).then_some(()));
    desktop.prove_shell();

    // A session of the same machine in a window of its own.
    desktop.holdfast("open work");
    let third = eventually("a third window", || {
        desktop.windows("--class", class).into_iter().find(|window| *window != first && *window != second)
    });
    eventually("the focus", || (desktop.active() == third).then_some(()));
    desktop.prove_shell();
    cover(&mut desktop);
    desktop.holdfast("open work");
    assert_eq!(desktop.active(), third, "each session has its window");
    desktop.picture(&format!("open-{class}-three"));

    // Whoever ends leaves nothing to raise.
    desktop.enter("exit");
    eventually("the end of the third window", || {
        (!desktop.windows("--class", class).contains(&third)).then_some(())
    });
    desktop.holdfast("open work");
    eventually("a window in its place", || (desktop.windows("--class", class).len() == 3).then_some(()));
}

#[test]
fn the_terminal_of_the_desktop() {
    opens_raises_and_opens_another("default", "xterm");
}

/// One process, and a session bus, for all of its windows.
#[test]
fn a_chosen_terminal_that_is_a_server() {
    opens_raises_and_opens_another("xfce4-terminal", "xfce4-terminal");
}

#[test]
fn a_terminal_of_the_users_own_words() {
    let desktop = managed("default");
    desktop
        .install("my-terminal", "[ \"$1\" = --quietly ] && shift && exec xterm -class Mine -e sh -c \"$1\"");
    let words = r#"settings set terminal ["my-terminal","--quietly","{command}"]"#;
    desktop.holdfast(words);
    desktop.holdfast("open");
    desktop.window_of("Mine");
    desktop.prove_shell();
}

/// Without a window manager nothing can be raised, so a second window opens.
#[test]
fn without_a_window_manager_a_second_window_opens() {
    let desktop = Desktop::settled();
    desktop.holdfast("up --yes");
    desktop.holdfast("open");
    desktop.terminal();
    desktop.prove_shell();
    desktop.holdfast("open");
    eventually("a second window", || (desktop.windows("--class", "xterm").len() == 2).then_some(()));
}

/// A terminal that is killed takes what runs in it along, and what comes next may get the same number for its window.
#[test]
fn a_window_that_was_killed_is_not_raised() {
    let desktop = managed("default");
    desktop.holdfast("open");
    let first = desktop.terminal();
    desktop.prove_shell();
    desktop.command("xdotool").args(["windowkill", &first]).output().unwrap();
    eventually("the end of the window", || desktop.windows("--class", "xterm").is_empty().then_some(()));
    desktop.holdfast("open");
    desktop.terminal();
    desktop.prove_shell();
}

/// The window says why none opened, and what can be had instead.
#[test]
fn another_terminal_is_a_click_away_when_the_one_of_the_settings_does_not_open() {
    let mut desktop = managed("kitty");
    desktop.install("kitty", "echo 'kitty: no GPU here' >&2; exit 1");
    let window = Window::open(&mut desktop, &[]);
    window.click("[data-act=connect]");
    window.reads("[data-problem=no_terminal_window]", "kitty: no GPU here");
    window.wait_for("[data-act='open-in:xterm']");
    assert!(!window.has("[data-act='open-in:kitty']"), "it has just failed");
    window.picture(&desktop, "no-terminal");
    window.click("[data-act='open-in:xfce4-terminal']");
    desktop.window_of("xfce4-terminal");
    desktop.prove_shell();
    window.reads("[data-problem=no_terminal_window]", "It is open in Xfce Terminal.");
    assert!(desktop.holdfast("settings show").contains("kitty"), "this once");
    window.picture(&desktop, "no-terminal-but-another");

    window.click("[data-act='always-in:xfce4-terminal']");
    eventually("the other one in the settings", || {
        desktop.holdfast("settings show").contains("xfce4-terminal").then_some(())
    });
    eventually("an end of the failure", || (!window.has("[data-problem]")).then_some(()));
}

/// The same from the command line, where nothing else is tried in place of the one that was asked for.
#[test]
fn a_terminal_for_this_once() {
    let desktop = managed("default");
    desktop.holdfast("open --terminal xfce4-terminal");
    desktop.window_of("xfce4-terminal");
    desktop.prove_shell();
    let refused = |terminal: &str| {
        let program = std::path::Path::new(crate::desktop::APP).with_file_name("holdfast");
        let output =
            desktop.command(program).args(["open", "--new", "--terminal", terminal]).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8(output.stderr).unwrap()
    };
    let said = refused("konsole");
    assert!(
        said.contains("Konsole could not be opened") && said.contains("holdfast open --terminal"),
        "{said}"
    );
    assert!(refused("/bin/sh").contains("possible values"), "only those that Holdfast knows");
}
