//! Snapshots and the machine's place, in the window and in the tray.

use crate::desktop::{Desktop, eventually};
use crate::driver::Window;
use crate::sessions::narrow;
use crate::tray_host::Tray;

#[test]
fn snapshots_are_taken_previewed_and_deleted() {
    taken_previewed_and_deleted("light", &[]);
}

#[test]
fn snapshots_are_taken_previewed_and_deleted_in_the_dark() {
    taken_previewed_and_deleted("dark", &[("GTK_THEME", "Adwaita:dark")]);
}

fn taken_previewed_and_deleted(mode: &str, environment: &[(&str, &str)]) {
    let mut desktop = Desktop::with_bus();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let window = Window::open(&mut desktop, environment);
    let sees = |selector: &str| {
        window.script(&format!("document.querySelector('{selector}').scrollIntoView({{ block: 'center' }})"));
    };
    window.reads("[data-snapshots]", "No snapshots yet.");
    window.reads("[data-snapshots]", "Take a snapshot: it costs what has changed since the one before");
    window.click("[data-act=take-snapshot]");
    window.reads("[data-snapshots]", "It costs at most $5.00 a month.");
    let id = window.script("return document.querySelector('[data-snapshot]').dataset.snapshot");
    let id = id.as_str().unwrap();
    sees("[data-snapshots]");
    window.picture(&desktop, &format!("snapshots-{mode}"));

    window.click(&format!("[data-act='restore:{id}']"));
    window.wait_for("[data-preview=ready][data-of=restore]");
    window.reads("[data-preview]", &format!("Put the home of {id} on the new instance"));
    window.reads("[data-preview]", "Only what is in /home comes with it");
    window.click("[data-act=apply]");
    window.reads("[data-preview] [role=group]", "Everything that runs on remote-dev ends");
    window.picture(&desktop, &format!("restore-{mode}"));
    window.click("[data-act=apply-no]");
    window.click("[data-act=discard]");
    assert_eq!(desktop.machine(), "running");

    narrow(&desktop);
    window.click("[data-act=replace]");
    window.wait_for("[data-preview=ready][data-of=replace]");
    window.reads("[data-preview]", "a month until you let it go");
    sees("[data-preview]");
    window.picture(&desktop, &format!("replace-narrow-{mode}"));
    window.click("[data-act=discard]");
    sees("[data-snapshots]");
    window.picture(&desktop, &format!("snapshots-narrow-{mode}"));

    // What was destroyed leaves its snapshots, and the way back.
    desktop.holdfast("destroy --yes");
    window.reads("h1", "There is no remote-dev yet");
    window.wait_for("form");
    tray.wait_for("Set up remote-dev");
    window.click(&format!("[data-act='restore:{id}']"));
    window.wait_for("[data-preview=ready][data-of=restore]");
    assert_eq!(window.text("[data-act=apply]"), "Make remote-dev");
    sees("[data-snapshots]");
    window.picture(&desktop, &format!("snapshots-without-machine-{mode}"));

    window.click(&format!("[data-act='delete:{id}']"));
    window.wait_for("[data-preview=ready][data-of=delete_snapshot]");
    window.click("[data-act=apply]");
    window.reads("[data-preview] [role=group]", "What it alone holds is lost for ever.");
    sees("[data-preview]");
    window.picture(&desktop, &format!("snapshot-delete-{mode}"));
    window.click("[data-act=apply-yes]");
    eventually("the end of the snapshot", || (!window.has("[data-snapshots]")).then_some(()));
    assert_eq!(desktop.holdfast("snapshot list --json").matches("snap-").count(), 0);
}

#[test]
fn a_replacement_that_comes_to_no_end_is_taken_back() {
    taken_back("light", &[]);
}

#[test]
fn a_replacement_is_taken_back_in_the_dark() {
    taken_back("dark", &[("GTK_THEME", "Adwaita:dark")]);
}

fn taken_back(mode: &str, environment: &[(&str, &str)]) {
    let mut desktop = Desktop::with_bus();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let window = Window::open(&mut desktop, environment);
    window.reads("h1", "remote-dev is on");
    window.click("[data-act=replace]");
    window.wait_for("[data-preview=ready][data-of=replace]");
    window.click("[data-act=apply]");
    window.click("[data-act=apply-yes]");
    window.wait_for("[data-operation]");
    window.picture(&desktop, &format!("replacing-{mode}"));
    // The sandbox's machine is no NixOS that could take a home.
    window.wait_for("[data-problem=no_system]");
    window.wait_for("[data-replacement=under_way]");
    tray.wait_for("[A replacement is not over…]");
    window.picture(&desktop, &format!("replacement-{mode}"));
    window.click("[data-act=take_back]");
    window.wait_for("[data-preview=ready][data-of=take_back]");
    window.click("[data-act=apply]");
    window.reads("[data-preview] [role=group]", "What is on the machine stays as it is.");
    window.picture(&desktop, &format!("take-back-{mode}"));
    narrow(&desktop);
    window.picture(&desktop, &format!("take-back-narrow-{mode}"));
    window.click("[data-act=apply-yes]");
    eventually("the end of it", || {
        (!window.has("[data-replacement]") && !window.has("[data-operation]")).then_some(())
    });
    window.reads("h1", "remote-dev is off");
    assert_eq!(desktop.machine(), "stopped");
}
