//! What the machine runs, in the window and the tray: a rebuild and a way back, on a machine with systemd. Without root and the
//! tree that `./dev` makes it says that it is skipped.

use crate::desktop::Desktop;
use crate::driver::Window;
use crate::tray_host::Tray;

/// What the stand-in for NixOS does: a build that somebody has the time to watch.
const SLOW: &str =
    "build() { i=0; while [ $i -lt 60 ]; do i=$((i+1)); echo \"line $i.\"; sleep 0.1; done; }\n";

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
    // Of its log, only what is seen is in the page: some line of the thirties is there until the end.
    window.click("[data-page=activity]");
    window.reads("[data-job] [role=log]", "line 3");
    window.picture(&desktop, "system-rebuilding");
    assert!(tray.wait_for("Rebuilding").contains("Cancel"));
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
    let fails =
        r#"build() { echo "error: builder for '/nix/store/x.drv' failed with exit code 1"; return 1; }"#;
    edit(&desktop, fails);
    window.click("[data-act=rebuild]");
    window.reads("[data-system]", "A build failed.");
    window.reads("[data-system]", "Runs generation 2");
    window.picture(&desktop, "system-failed");
    let runs = desktop.holdfast("generations --json");
    let runs: serde_json::Value = serde_json::from_str(&runs).unwrap();
    let current = runs["generations"].as_array().unwrap().iter().find(|one| one["current"] == true).unwrap();
    assert_eq!(current["number"], 2);
}
