//! The app from an AppImage. Its runtime is a stand-in here: a script that has the folder there as long as the program in it runs.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use crate::desktop::{APP, Desktop, eventually};
use crate::tray_host::Tray;

/// Where each start was mounted it writes to a file beside itself.
const RUNTIME: &str = r#"APPIMAGE=$0 ARGV0=$0 OWD=$PWD
APPDIR=$(mktemp -d /tmp/.mount_HoldfaXXXXXX)
echo "$APPDIR" >>"$0.mounts"
mkdir -p "$APPDIR/usr/bin"
ln PROGRAMS/holdfast PROGRAMS/holdfast-desktop "$APPDIR/usr/bin" 2>/dev/null ||
  cp PROGRAMS/holdfast PROGRAMS/holdfast-desktop "$APPDIR/usr/bin"
export APPIMAGE ARGV0 OWD APPDIR
"$APPDIR/usr/bin/holdfast-desktop" "$@"
code=$?
rm -rf "$APPDIR"
exit $code"#;

/// The programs that run from one of these folders, or did before it was removed.
fn running_from(folders: &[PathBuf]) -> Vec<PathBuf> {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let programs = processes.filter_map(|process| process.path().join("exe").read_link().ok());
    programs.filter(|program| folders.iter().any(|folder| program.starts_with(folder))).collect()
}

#[test]
fn a_terminal_outlives_the_appimage_that_it_was_opened_from() {
    let mut desktop = Desktop::settled();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let image = desktop.path("Holdfast.AppImage");
    let programs = Path::new(APP).parent().unwrap().display().to_string();
    let script = format!("#!/bin/sh\n{}\n", RUNTIME.replace("PROGRAMS", &programs));
    std::fs::write(&image, script).unwrap();
    std::fs::set_permissions(&image, std::fs::Permissions::from_mode(0o755)).unwrap();
    let list = desktop.path("Holdfast.AppImage.mounts");
    let mounts = || {
        let lines = std::fs::read_to_string(&list).unwrap();
        lines.lines().map(PathBuf::from).collect::<Vec<_>>()
    };

    let app = desktop.command(&image).spawn().unwrap();
    desktop.children.push(app);
    let app = desktop.children.len() - 1;
    tray.wait_for("[Connect]");
    let of_the_app = mounts().remove(0);
    tray.click("Connect");
    desktop.terminal();
    desktop.prove_shell();

    tray.click("Quit Holdfast");
    assert_eq!(eventually("the end of the app", || desktop.ended(app)), 0);
    assert!(!of_the_app.exists());
    desktop.prove_shell();
    let running = running_from(&mounts());
    assert!(!running.is_empty(), "the terminal's program is of the AppImage");
    assert!(running.iter().all(|program| program.exists()), "{running:?}");
}
