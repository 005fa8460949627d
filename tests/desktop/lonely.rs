//! Desktops that lack something.

use std::os::unix::fs::PermissionsExt as _;
use std::process::Stdio;

use crate::desktop::{APP, Desktop, eventually};
use crate::driver::Window;
use crate::notifications::Notifications;
use crate::tray_host::Tray;

fn window(desktop: &Desktop) -> String {
    eventually("the window", || desktop.windows("--name", "^Holdfast$").pop())
}

/// Closes the window as a person does: the window manager asks it to go.
fn close(desktop: &mut Desktop, window: &str) {
    desktop.start(desktop.command("openbox").stdout(Stdio::null()).stderr(Stdio::null()));
    eventually("the end of the window", || {
        let _ =
            desktop.command("xdotool").args(["windowactivate", "--sync", window, "key", "alt+F4"]).output();
        std::thread::sleep(std::time::Duration::from_millis(300));
        desktop.windows("--name", "^Holdfast$").is_empty().then_some(())
    });
}

#[test]
fn a_second_start_opens_the_window_of_the_first() {
    let mut desktop = Desktop::settled();
    let tray = Tray::on(&desktop);
    let app = desktop.app(&[]);
    tray.wait_for("Open Holdfast");
    assert!(desktop.windows("--name", "^Holdfast$").is_empty());
    let second = desktop.command(APP).stdin(Stdio::null()).output().unwrap();
    assert!(second.status.success(), "{second:?}");
    window(&desktop);
    assert_eq!(desktop.ended(app), None);
}

#[test]
fn the_first_start_of_all_opens_the_window_and_the_tray_ends_it() {
    let mut desktop = Desktop::with_bus();
    let tray = Tray::on(&desktop);
    let app = desktop.app(&[]);
    let first = window(&desktop);
    tray.wait_for("Set up remote-dev…");
    tray.click("Quit Holdfast");
    assert_eq!(eventually("the end of the app", || desktop.ended(app)), 0, "{}", desktop.log());
    assert!(!desktop.windows("--name", "^Holdfast$").contains(&first));
}

#[test]
fn the_window_is_gone_when_it_is_closed_and_comes_back() {
    let mut desktop = Desktop::settled();
    let tray = Tray::on(&desktop);
    let app = desktop.app(&["--window"]);
    let first = window(&desktop);
    tray.wait_for("Set up remote-dev…");
    close(&mut desktop, &first);
    eventually("no window", || desktop.windows("--name", "^Holdfast$").is_empty().then_some(()));
    assert_eq!(desktop.ended(app), None, "the app lives in the tray: {}", desktop.log());
    tray.click("Settings…");
    window(&desktop);
}

#[test]
fn without_a_tray_it_lives_as_a_window_and_ends_with_it() {
    let mut desktop = Desktop::settled();
    let app = desktop.app(&[]);
    let window = window(&desktop);
    std::thread::sleep(std::time::Duration::from_secs(2));
    desktop.picture("no-tray");
    close(&mut desktop, &window);
    assert_eq!(eventually("the end of the app", || desktop.ended(app)), 0, "{}", desktop.log());
}

#[test]
fn without_a_session_bus_it_lives_as_a_window() {
    let mut desktop = Desktop::new();
    let app = desktop.app(&[]);
    window(&desktop);
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(desktop.ended(app), None, "{}", desktop.log());
}

#[test]
fn without_a_display_it_says_so() {
    let desktop = Desktop::with_bus();
    let app = desktop.command(APP).env_remove("DISPLAY").stdin(Stdio::null()).output().unwrap();
    assert_eq!(app.status.code(), Some(1));
    let said = String::from_utf8(app.stderr).unwrap();
    assert!(said.starts_with("Holdfast needs a desktop"), "{said}");
}

/// A home that was mounted to be read, as after a fault of the disk.
#[test]
fn without_a_place_to_write_it_lives_and_says_what_it_cannot_do() {
    let mut desktop = Desktop::settled();
    let tray = Tray::on(&desktop);
    let notifications = Notifications::on(&desktop);
    desktop.holdfast("up --yes");
    desktop.holdfast("stop --yes");
    let script = "mount --bind \"$0\" \"$0\" && mount -o remount,bind,ro \"$0\" && exec \"$@\"";
    let mut app = desktop.command("unshare");
    app.args(["--mount", "sh", "-c", script]).arg(desktop.path("state")).arg(APP);
    if !may_mount(&desktop) {
        return;
    }
    desktop.start(app.stdin(Stdio::null()).stderr(Stdio::null()));
    tray.wait_for("remote-dev is off");
    tray.click("Start");
    let told = notifications.wait_for("Starting remote-dev: it did not work");
    assert!(told.body.to_lowercase().contains("cannot"), "{told:?}");
    let menu = tray.wait_for("[Starting remote-dev: it did not work…]");
    assert!(menu.contains("[Start ("), "it can be tried again: {menu}");
    assert_eq!(desktop.machine(), "stopped", "nothing is begun that nobody could go on with");
}

/// A disk with no byte left, in the window and in an operation.
#[test]
fn on_a_full_disk_nothing_is_said_to_be_kept() {
    let mut desktop = Desktop::settled();
    let _tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    desktop.holdfast("stop --yes");
    if !may_mount(&desktop) {
        return;
    }
    let state = desktop.path("state");
    let program = desktop.path("on-a-full-disk");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" = mounted ] || exec unshare --mount \"$0\" mounted \"$@\"\nshift; cd {}\n\
         mkdir ../kept && cp -a . ../kept\n\
         mount -t tmpfs -o size=$(($(du -sk . | cut -f1) + 512))k full . && cd \"$PWD\" && cp -a ../kept/. .\n\
         cat /dev/zero >filler 2>/dev/null\nexec {APP} \"$@\"\n",
        state.display()
    );
    std::fs::write(&program, script).unwrap();
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755)).unwrap();
    let window = Window::of(&mut desktop, &program, &[]);
    window.reads("h1", "remote-dev is off");
    window.click("[data-page=settings]");
    window.click("[data-act='notice:state']");
    window.reads("[data-app-settings] [role=status]", "That was not kept: cannot write");
    window.wait_for("[data-act='notice:state']:checked");
    window.picture(&desktop, "full-disk");

    window.click("[data-page=machine]");
    window.click("[data-act=start]");
    window.reads("section.failed", "No space left");
    assert_eq!(desktop.machine(), "stopped", "nothing is begun that nobody could go on with");
}

fn may_mount(desktop: &Desktop) -> bool {
    let mount = desktop.command("unshare").args(["--mount", "true"]).status();
    let may = mount.is_ok_and(|status| status.success());
    if !may {
        println!("skipped: only root may mount");
    }
    may
}
