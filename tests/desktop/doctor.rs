//! The doctor in the window, and what this computer has changed.

use crate::desktop::Desktop;
use crate::driver::Window;
use crate::tray_host::Tray;

#[test]
fn the_doctor_looks_for_who_opens_his_page_and_the_history_is_beside_what_goes_on() {
    let mut desktop = Desktop::settled();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let window = Window::open(&mut desktop, &[]);
    window.reads("h1", "remote-dev is on");

    tray.click("Doctor");
    window.reads("h1", "Doctor");
    window.reads("[data-area=machine]", "remote-dev is on");
    window.reads("[data-area=machine]", "a session on it opens");
    window.reads("[data-area=desktop]", "the desktop shows tray icons");
    window.reads("[data-area=versions]", "holdfast ");
    let headline = window.text("[data-doctor] .headline");
    assert!(headline.contains("work"), "{headline}");
    window.picture(&desktop, "doctor");
    window.click("[data-act=copy-findings]");
    window.reads("header [role=status]", "Copied");

    desktop.holdfast("stop --yes");
    window.click("[data-act=examine]");
    window.reads("[data-pressing]", "remote-dev is off");
    window.reads("[data-pressing]", "holdfast start");

    window.click("[data-page=activity]");
    window.reads("[data-history]", "Make");
    window.click("[data-run=up] [data-act=open-run]");
    window.reads("[data-history]", "Private network (VPC)");
    window.picture(&desktop, "history");
    window.click("[data-page=machine]");
    window.click("[data-act=start]");
    window.reads("h1", "remote-dev is on");
    window.click("[data-page=activity]");
    window.wait_for("[data-run=start]");
}
