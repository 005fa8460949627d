//! The app on a real desktop: an X server, a session bus, a tray host, a notification server, a web driver and a
//! terminal of its own, and the sandbox for AWS.

#![cfg(target_os = "linux")]
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "what is not there fails the test, in its helpers too, which tell what the app had to say"
)]

mod appimage;
mod bus;
mod desktop;
mod doctor;
mod driver;
#[path = "../keyring.rs"]
mod keyring;
mod lonely;
mod notifications;
mod package;
mod sessions;
mod sign_in;
mod snapshots;
mod system;
mod terminals;
mod tray;
mod tray_host;
mod window;
