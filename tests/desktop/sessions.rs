//! The sessions on the machine, in the window and in the tray. The sandbox's machine has no zellij of its own; here it has
//! one that plays a part.

use std::path::PathBuf;

use crate::desktop::{Desktop, eventually, well};
use crate::driver::Window;
use crate::tray_host::Tray;

/// Answers as zellij 0.45.1 does, from a list in the user's home.
const ZELLIJ: &str = r#"
case "$*" in
"list-sessions --no-formatting") cat ~/sessions ;;
"list-sessions --short") sed 's/ \[Created .*//' ~/sessions ;;
"--session=work action list-panes --json")
  echo '[{"id":0,"is_plugin":true},{"id":1,"is_plugin":false},{"id":2,"is_plugin":false}]' ;;
"delete-session --force "*) sed -i "/^$3 \[/d" ~/sessions ;;
"attach "*) echo "$*" >>~/attached; exec sh ;;
*) exit 1 ;;
esac"#;

const SESSIONS: &str = "\
main [Created 12s ago] \n\
work [Created 2h 4m 5s ago] \n\
a name of zellij's own [Created 3days 2h ago] \n\
before [Created 26days 4h 1m ago] (EXITED - attach to resurrect)\n";

/// The home of the machine's user.
struct Home(PathBuf);

impl Home {
    /// Gives the machine, which is on, its user, and the user a zellij with some sessions.
    fn with_sessions(desktop: &Desktop) -> Self {
        let status: serde_json::Value = serde_json::from_str(&desktop.holdfast("status --json")).unwrap();
        let id = status["instance"]["id"].as_str().unwrap();
        let machine = desktop.path("state/sandbox/machines").join(id);
        std::fs::write(machine.join("etc/users"), "ada\n").unwrap();
        let home = machine.join("home/ada");
        std::fs::create_dir_all(&home).unwrap();
        let path = format!("PATH='{}':$PATH\n", machine.join("bin").display());
        std::fs::write(home.join(".profile"), path).unwrap();
        std::fs::write(home.join("sessions"), SESSIONS).unwrap();
        desktop.install("zellij", ZELLIJ);
        std::fs::rename(desktop.path("bin/zellij"), machine.join("bin/zellij")).unwrap();
        // These would act on the user manager of this computer.
        for name in ["loginctl", "systemd-run"] {
            std::fs::copy(machine.join("bin/systemctl"), machine.join("bin").join(name)).unwrap();
        }
        Self(home)
    }

    fn reads(&self, file: &str, text: &str) {
        eventually(&format!("{text} in {file}"), || {
            std::fs::read_to_string(self.0.join(file)).ok()?.contains(text).then_some(())
        });
    }
}

/// Makes the window narrow.
pub(crate) fn narrow(desktop: &Desktop) {
    let window = desktop.windows("--name", "^Holdfast$").pop().unwrap();
    well(desktop.command("xdotool").args(["windowsize", "--sync", &window, "480", "860"]).output().unwrap());
}

#[test]
fn a_machine_without_its_user_has_none_and_the_window_says_so() {
    let mut desktop = Desktop::with_bus();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let window = Window::open(&mut desktop, &[]);
    window.click("[data-page=sessions]");
    window.reads("[data-sessions]", "A machine of the sandbox has no sessions");
    assert!(!window.has("[data-sessions] table") && !window.has("[name=session]"));
    assert!(!tray.wait_for("[Connect]").contains("Sessions"));
    window.picture(&desktop, "sessions-no-user");
}

#[test]
fn sessions_are_seen_opened_and_ended() {
    seen_opened_and_ended("light", &[]);
}

#[test]
fn sessions_are_seen_opened_and_ended_in_the_dark() {
    seen_opened_and_ended("dark", &[("GTK_THEME", "Adwaita:dark")]);
}

fn seen_opened_and_ended(mode: &str, environment: &[(&str, &str)]) {
    let mut desktop = Desktop::with_bus();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let home = Home::with_sessions(&desktop);
    let window = Window::open(&mut desktop, environment);

    window.click("[data-page=sessions]");
    window.reads("[data-sessions] tbody", "work");
    let rows = "return [...document.querySelectorAll('[data-sessions] tbody tr')].map(row => row.innerText.replace(/\\s+/g, ' '))";
    let rows = window.script(rows).to_string();
    for row in
        ["main live, made ", "work live, made 2 h ago 2 ", "before ended 26 days ago – Forget… Open again"]
    {
        assert!(rows.contains(row), "{rows}");
    }
    assert!(!window.has("[data-act='connect:a name of zellij's own']"));
    window.picture(&desktop, &format!("sessions-{mode}"));
    let menu = tray.wait_for("[Connect to work]");
    assert!(menu.contains("[Connect]\nSessions, seen less than 5 min ago\n[Connect to main]\n"), "{menu}");
    assert!(!menu.contains("zellij's") && !menu.contains("before"), "{menu}");

    window.click("[data-act='connect:work']");
    desktop.terminal();
    home.reads("attached", "attach work\n");
    desktop.prove_shell();

    window.fill("[name=session]", "my work");
    window.click("[data-act=open-session]");
    window.reads("[data-sessions] form", "is not a session name: 1 to 32 letters");
    window.picture(&desktop, &format!("session-refused-{mode}"));
    window.fill("[name=session]", "fresh");
    window.click("[data-act=open-session]");
    home.reads("attached", "attach --create fresh\n");
    assert_eq!(window.script("return document.querySelector('[name=session]').value"), "");

    window.click("[data-act='end:work']");
    window.reads("[data-sessions] [role=group]", "Everything that runs in the session work ends: 2 panes.");
    for terminal in desktop.windows("--class", "xterm") {
        well(desktop.command("xdotool").args(["windowunmap", &terminal]).output().unwrap());
    }
    window.picture(&desktop, &format!("session-end-{mode}"));
    narrow(&desktop);
    window.picture(&desktop, &format!("sessions-narrow-{mode}"));
    window.click("[data-act='end:work-no']");
    home.reads("sessions", "work");
    window.click("[data-act='end:work']");
    window.click("[data-act='end:work-yes']");
    eventually("the end of the session", || {
        (!window.text("[data-sessions] tbody").contains("work")).then_some(())
    });
    assert!(!std::fs::read_to_string(home.0.join("sessions")).unwrap().contains("work"));

    std::fs::write(home.0.join("sessions"), "later [Created 1s ago] \n").unwrap();
    // A look that began before this shows what was there before, and while it goes on no other is offered.
    eventually("a look at what is there now", || {
        if window.has("[data-act=look-at-sessions]") {
            window.click("[data-act=look-at-sessions]");
        }
        window.text("[data-sessions] tbody").contains("later").then_some(())
    });
    tray.wait_for("[Connect to later]");
}
