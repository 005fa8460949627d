//! What the machine runs, in the window and the tray: a rebuild and a way back, on a machine with systemd. Without root and the
//! tree that `./dev` makes it says that it is skipped.

use crate::desktop::Desktop;
use crate::driver::Window;
use crate::notifications::Notifications;
use crate::tray_host::Tray;

/// What the stand-in for NixOS does: a build that says much, and then what somebody has the time to watch.
const SLOW: &str = r#"build() {
    seq -f "$(printf '\033[32mpiece %%.0f\033[0m')" 20000
    i=0
    while [ $i -lt 100 ]; do
        i=$((i+1))
        printf '\033[31;1mline %s.\033[0m\n' $i
        sleep 0.1
    done
}
"#;

const FAILS: &str =
    r#"build() { echo "error: builder for '/nix/store/x.drv' failed with exit code 1"; return 1; }"#;

fn machine_tree() -> Option<String> {
    let tree = std::env::var("HOLDFAST_MACHINE_TREE").ok();
    let tree = tree.filter(|_| rustix::process::geteuid().is_root());
    if tree.is_none() {
        println!(
            "skipped: a machine with systemd needs root and HOLDFAST_MACHINE_TREE, as ./dev test sets it"
        );
    }
    tree
}

fn edit(desktop: &Desktop, text: &str) {
    let folder = desktop.path("state/sandbox/config/nixos/remote-dev");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("stand-in.sh"), text).unwrap();
}

#[test]
fn a_machine_is_rebuilt_and_taken_back_from_the_window() {
    let Some(tree) = machine_tree() else { return };
    let mut desktop = Desktop::with_bus();
    desktop.set("HOLDFAST_MACHINE_TREE", &tree);
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    edit(&desktop, SLOW);
    let window = Window::open(&mut desktop, &[]);

    // It is behind what is here, and one click has it run that.
    window.reads("[data-system]", "Runs generation 2");
    window.reads("[data-system]", "behind");
    window.picture(&desktop, "system-behind");
    window.click("[data-act=rebuild]");
    window.reads("[data-job] [data-step]", "building");
    assert!(tray.wait_for("Rebuilding").contains("Cancel"));
    // Its log comes in colours and to its end; of it, only what is seen is in the page.
    window.click("[data-page=activity]");
    window.reads("[data-job] [role=log]", "line ");
    window.wait_for("[role=log] .row .red.bold");
    window.picture(&desktop, "system-rebuilding");
    window.fill(".viewer [type=search]", "piece");
    window.reads(".viewer .count", "20,000 found");
    window.fill(".viewer [type=search]", "piece 19999");
    window.reads(".viewer .count", "1 found");
    window.click("[data-page=machine]");
    window.reads("[data-system]", "runs generation 3");
    window.reads("[data-system]", "Runs generation 3");
    window.picture(&desktop, "system-rebuilt");

    // And back, after a question.
    window.click("[data-act='go:2']");
    window.reads("[data-system] [role=group]", "generation 2");
    window.picture(&desktop, "system-go-back");
    window.click("[data-act='go:2-yes']");
    window.reads("[data-system]", "Runs generation 2");

    // What fails says so with the lines that matter, and the machine is as it was.
    edit(&desktop, FAILS);
    window.click("[data-act=rebuild]");
    window.reads("[data-system]", "A build failed.");
    window.reads("[data-system]", "Runs generation 2");
    window.picture(&desktop, "system-failed");
    // Also of a job that says it all at once.
    window.click("[data-page=activity]");
    window.reads("[data-job] [role=log]", "error: builder for");
    let runs = desktop.holdfast("generations --json");
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let current = runs["generations"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
    assert_eq!(current["number"], 2);
}

#[test]
fn a_rebuild_that_nobody_watches_tells_its_end_and_shows_its_log() {
    let Some(tree) = machine_tree() else { return };
    let mut desktop = Desktop::settled();
    desktop.set("HOLDFAST_MACHINE_TREE", &tree);
    let tray = Tray::on(&desktop);
    let notifications = Notifications::on(&desktop);
    desktop.holdfast("up --yes");
    edit(&desktop, FAILS);
    desktop.app(&[]);
    tray.wait_for("remote-dev is on");
    tray.click("Rebuild");
    tray.wait_for("Rebuilding");
    let told = notifications.wait_for("Rebuilding remote-dev: it did not work");
    assert!(told.body.contains("A build failed"), "{told:?}");
    assert!(told.actions.chunks(2).any(|action| action == ["log", "Show log"]), "{told:?}");
    assert!(desktop.windows("--name", "^Holdfast$").is_empty());
    notifications.press_until(&told, "log", || desktop.windows("--name", "^Holdfast$").pop());
    // What a job says in its last moment is in its log, too.
    std::thread::sleep(std::time::Duration::from_secs(3));
    desktop.picture("log-of-a-notification");
}
