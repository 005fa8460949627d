//! The tray: read it, click it, and see the machine change.

use crate::desktop::{Desktop, eventually};
use crate::notifications::Notifications;
use crate::tray_host::Tray;

/// A desktop whose user has a machine that is off.
fn switched_off() -> (Desktop, Tray, Notifications) {
    let desktop = Desktop::settled();
    let (tray, notifications) = (Tray::on(&desktop), Notifications::on(&desktop));
    desktop.holdfast("up --yes");
    desktop.holdfast("stop --yes");
    (desktop, tray, notifications)
}

#[test]
fn start_connect_and_quit_from_the_tray() {
    let (mut desktop, tray, notifications) = switched_off();
    let app = desktop.app(&[]);

    let menu = tray.wait_for("remote-dev is off");
    assert_eq!(
        menu,
        "remote-dev is off, $8.00 a month (sandbox)\n\
         [Connect (starts it first)]\n\
         [Start ($142.70 a month while it is on)]\n\
         [Open Holdfast]\n\
         [Settings…]\n\
         [Doctor]\n\
         [Quit Holdfast (remote-dev stays off, $8.00 a month)]\n"
    );
    assert!(desktop.windows("--name", "^Holdfast$").is_empty(), "it starts to the tray");
    let off = tray.icon();
    tray.click("Start");
    tray.wait_for("Starting remote-dev");
    let changing = tray.icon();
    assert_ne!(off, changing, "the icon shows that something changes");
    let menu = tray.wait_for("remote-dev is on, $142.70 a month (sandbox)");
    assert!(menu.contains("[Stop…]\n[Restart…]") && !menu.contains("[Start"), "{menu}");
    assert_eq!(desktop.machine(), "running");
    assert_ne!(tray.icon(), off);
    assert_ne!(tray.icon(), changing);

    let told = notifications.wait_for("remote-dev is on and can be reached");
    assert_eq!(told.app, "Holdfast");
    assert!(std::path::Path::new(&told.icon).is_file(), "{}", told.icon);
    assert!(told.actions.contains(&"default".to_owned()), "{:?}", told.actions);
    assert_eq!(notifications.all().len(), 1, "{:?}", notifications.all());

    tray.click("Connect");
    let terminal = desktop.terminal();
    desktop.prove_shell();

    tray.click("Quit Holdfast (remote-dev stays on");
    assert_eq!(eventually("the end of the app", || desktop.ended(app)), 0, "{}", desktop.log());
    assert_eq!(desktop.machine(), "running");
    assert_eq!(desktop.windows("--class", "xterm"), [terminal], "the terminal outlives the app");
    desktop.prove_shell();
}

#[test]
fn a_dock_knows_not_where_the_terminal_is_and_the_login_shell_does() {
    let (mut desktop, tray, _notifications) = switched_off();
    let (bare, mine) = (desktop.path("bare"), desktop.path("mine"));
    for folder in [&bare, &mine] {
        std::fs::create_dir(folder).unwrap();
    }
    let script = |path: &std::path::Path, text: &str| {
        std::fs::write(path, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    };
    let said = desktop.path("said");
    let xterm = "PATH=/usr/bin:/bin; export PATH; exec xterm -e \"$@\"";
    script(&mine.join("xdg-terminal-exec"), &format!("/usr/bin/env > {}\n{xterm}", said.display()));
    let shell = desktop.path("shell");
    script(&shell, &format!("echo a greeting; PATH={}:/usr/bin; export PATH; eval \"$4\"", mine.display()));
    let mut app = desktop.command(crate::desktop::APP);
    app.env("PATH", &bare).env_remove("SHLVL").env_remove("TERM").env("SHELL", &shell);
    app.env("APPDIR", "/tmp/.mount_Holdfast").env("LD_LIBRARY_PATH", "/tmp/.mount_Holdfast/usr/lib");
    desktop.start(&mut app);
    tray.wait_for("remote-dev is off");
    tray.click("Connect");
    desktop.terminal();
    desktop.prove_shell();
    let given = std::fs::read_to_string(said).unwrap();
    let path = given.lines().find(|line| line.starts_with("PATH=")).unwrap();
    assert_eq!(path, format!("PATH={}:/usr/bin:{}", mine.display(), bare.display()));
    assert!(!given.contains(".mount_Holdfast"), "{given}");
}

#[test]
fn connect_starts_a_machine_that_is_off() {
    let (mut desktop, tray, notifications) = switched_off();
    desktop.app(&[]);
    tray.wait_for("remote-dev is off");
    tray.click("Connect");
    desktop.terminal();
    desktop.prove_shell();
    assert_eq!(desktop.machine(), "running");
    assert!(notifications.all().is_empty(), "the terminal says it: {:?}", notifications.all());
}

#[test]
fn a_click_on_a_notification_opens_the_window() {
    let (mut desktop, tray, notifications) = switched_off();
    desktop.app(&[]);
    tray.wait_for("remote-dev is off");
    tray.click("Start");
    let told = notifications.wait_for("remote-dev is on and can be reached");
    assert!(desktop.windows("--name", "^Holdfast$").is_empty());
    assert_eq!(told.replaces, 0);
    notifications.click_until(&told, || desktop.windows("--name", "^Holdfast$").pop());
}

#[test]
fn what_fails_is_told_with_its_reason() {
    let mut desktop = Desktop::settled();
    let tray = Tray::on(&desktop);
    let notifications = Notifications::on(&desktop);
    desktop.holdfast("up --yes");
    // A desktop without a terminal: nothing of the kind is in PATH.
    let bare = desktop.path("bare");
    std::fs::create_dir(&bare).unwrap();
    let mut app = desktop.command(crate::desktop::APP);
    app.env("PATH", &bare);
    desktop.start(&mut app);
    tray.wait_for("[Connect]");
    tray.click("Connect");
    let told = notifications.wait_for("Connecting to remote-dev: it did not work");
    assert_eq!((told.body.as_str(), told.replaces), ("No terminal could be opened.", 0));
    tray.wait_for("[Connecting to remote-dev: it did not work…]");
    // Another one of the kind takes its place, and does not pile up beside it.
    tray.click("Connect");
    let again =
        eventually("the second", || notifications.all().into_iter().find(|shown| shown.replaces != 0));
    assert_eq!((again.title, again.replaces), (told.title, told.id));
}

#[test]
fn another_machine_is_started_from_its_own_menu_and_a_notification_leads_to_it() {
    let mut desktop = Desktop::settled();
    let settings = desktop.path("state/sandbox/config/settings.toml");
    std::fs::write(settings, "default = \"spare\"\n[machine.spare]\n[machine.remote-dev]\n").unwrap();
    let (tray, notifications) = (Tray::on(&desktop), Notifications::on(&desktop));
    desktop.holdfast("up --yes --machine remote-dev");
    desktop.holdfast("stop --yes --machine remote-dev");
    desktop.app(&[]);

    let of = |line: &str| format!("remote-dev, us-west-2 > {line}");
    let menu = tray.wait_for(&of("Off, seen less than 5 min ago"));
    assert!(menu.starts_with("There is no spare yet (sandbox)\n"), "{menu}");
    assert!(
        menu.contains(&format!(
            "[remote-dev, us-west-2]\n{}\n[{}]\n[{}]\n[{}]\n[Open Holdfast]\n",
            of("Off, seen less than 5 min ago"),
            of("Connect (starts it first)"),
            of("Start ($142.70 a month while it is on)"),
            of("Show it here"),
        )),
        "{menu}"
    );
    assert!(!menu.contains("> Stop"), "never both: {menu}");
    tray.click(&of("Start"));
    let menu = tray.wait_for("spare (default), us-west-2 > Starting remote-dev is under way.");
    assert!(menu.contains("\nspare (default), us-west-2 > Show it here\n"), "it cannot be clicked: {menu}");
    tray.wait_for("remote-dev is on, $142.70 a month (sandbox)");
    assert_eq!(desktop.machine(), "running");
    let told = notifications.wait_for("remote-dev is on and can be reached");

    tray.click("spare (default), us-west-2 > Show it here");
    tray.wait_for("There is no spare yet (sandbox)");
    assert!(desktop.windows("--name", "^Holdfast$").is_empty());
    notifications.click_until(&told, || desktop.windows("--name", "^Holdfast$").pop());
    tray.wait_for("remote-dev is on, $142.70 a month (sandbox)");
}

#[test]
fn another_machine_is_stopped_after_the_question_of_its_page() {
    let mut desktop = Desktop::settled();
    let settings = desktop.path("state/sandbox/config/settings.toml");
    std::fs::write(settings, "default = \"spare\"\n[machine.spare]\n[machine.remote-dev]\n").unwrap();
    let tray = Tray::on(&desktop);
    desktop.holdfast("up --yes --machine remote-dev");
    desktop.app(&[]);
    tray.click("remote-dev, us-west-2 > Stop…");
    let menu = tray.wait_for("remote-dev is on, $142.70 a month (sandbox)");
    assert!(menu.contains("[spare (default), us-west-2]\n"), "{menu}");
    eventually("the window", || desktop.windows("--name", "^Holdfast$").pop());
    std::thread::sleep(std::time::Duration::from_secs(2));
    desktop.picture("another-machine-stop");
    assert_eq!(desktop.machine(), "running", "nobody has agreed yet");
}
