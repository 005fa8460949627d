//! The window: from nothing to a shell with the mouse alone, and the settings.

use crate::desktop::{Desktop, eventually};
use crate::driver::Window;
use crate::tray_host::Tray;

#[test]
fn from_the_first_run_to_a_shell() {
    first_run("light", &[]);
}

#[test]
fn from_the_first_run_to_a_shell_in_the_dark() {
    first_run("dark", &[("GTK_THEME", "Adwaita:dark")]);
}

fn first_run(mode: &str, environment: &[(&str, &str)]) {
    let mut desktop = Desktop::with_bus();
    std::fs::write(desktop.path("aws-config"), "[profile work]\n[profile team/Admin]\n").unwrap();
    let tray = Tray::on(&desktop);
    let window = Window::open(&mut desktop, environment);

    window.reads("h1", "There is no remote-dev yet");
    window.picture(&desktop, &format!("first-run-{mode}"));
    let dark = window.script("return matchMedia('(prefers-color-scheme: dark)').matches");
    assert_eq!(dark, mode == "dark");

    // Somebody is signed in to the sandbox, so the first thing to decide is the region.
    let decided = |step: &str| {
        window.click("[data-act=decide]");
        window.wait_for(&format!("[data-set-up={step}]"));
    };
    window.wait_for("[data-set-up=region]");
    decided("size");
    window.wait_for("[data-type='m8g.xlarge']");
    window.picture(&desktop, &format!("first-run-size-{mode}"));
    window.fill("[name=volume_size]", "a lot");
    window.click("[data-act=decide]");
    window.reads("[data-set-up]", "Not a whole number of GiB");
    window.fill("[name=volume_size]", "120");
    decided("user");
    // Whoever leaves goes on where he was.
    window.click("[data-page=doctor]");
    window.click("[data-page=machine]");
    window.wait_for("[data-set-up=user]");
    assert!(desktop.holdfast("settings show").contains("120"));
    decided("configuration");
    window.picture(&desktop, &format!("first-run-source-{mode}"));
    decided("plan");
    window.click("[data-act=plan]");
    window.wait_for("[data-preview=ready]");
    window.reads("[data-preview]", "$144.30 a month");
    window.picture(&desktop, &format!("plan-{mode}"));
    assert_eq!(desktop.machine(), "none", "nothing is made before it is asked for");

    window.click("[data-act=apply]");
    window.wait_for("[data-operation]");
    window.picture(&desktop, &format!("making-{mode}"));
    tray.wait_for("Making remote-dev");
    window.reads("h1", "remote-dev is on");
    eventually("the end of the operation", || (!window.has("[data-operation]")).then_some(()));
    assert_eq!(desktop.machine(), "running");
    assert!(desktop.holdfast("settings show").contains("120"));
    window.reads("main", "This month so far");
    window.reads("main", "$0.0");
    window.reads("main", "on demand, without tax, credits, discounts and data transfer");
    window.reads("main", "counted from its beginning in UTC until the last look, without snapshots");
    window.picture(&desktop, &format!("machine-{mode}"));

    window.click("[data-page=settings]");
    window.wait_for("[name=profile]");
    window.click("[data-act=all-types]");
    window.wait_for("[data-act='type:m8g.large']");
    assert!(!window.has("[name=region]"), "a machine stays in its region, so there is no field for it");
    window.picture(&desktop, &format!("settings-{mode}"));
    let options = window
        .script("return [...document.querySelectorAll('[data-known=profile] option')].map(o => o.value)");
    assert_eq!(options, serde_json::json!(["team/Admin", "work"]));

    window.fill("[name=volume_size]", "60");
    window.click("[data-act=plan]");
    window.wait_for("[data-preview=errors]");
    window.reads(".fields", "A volume grows and never shrinks");
    window.fill("[name=volume_size]", "120");
    // What was said of the other value goes, and what is below it moves.
    eventually("no error", || (!window.has("[data-preview=errors]")).then_some(()));
    window.click("[data-act='type:m8g.large']");
    window.click("[data-act=plan]");
    window.wait_for("[data-preview=ready]");
    window.reads("[data-preview]", "m8g.large");
    window.click("[data-act=apply]");
    window.wait_for("[data-act=apply-yes]");
    window.picture(&desktop, &format!("resize-{mode}"));
    window.click("[data-act=apply-yes]");
    window.wait_for("[data-operation]");
    eventually("another type", || (!window.has("[data-operation]")).then_some(()));
    assert_eq!(desktop.machine(), "running");
    assert!(desktop.holdfast("status").contains("m8g.large"));

    window.click("[data-page=machine]");
    window.click("[data-act=stop]");
    window.wait_for("[data-act=stop-yes]");
    window.picture(&desktop, &format!("stop-{mode}"));
    window.click("[data-act=stop-no]");
    assert_eq!(desktop.machine(), "running");
    window.click("[data-act=connect]");
    desktop.terminal();
    desktop.prove_shell();
    desktop.picture(&format!("shell-{mode}"));
}

#[test]
fn notifications_are_switched_off_kind_by_kind() {
    let mut desktop = Desktop::settled();
    let _tray = Tray::on(&desktop);
    let window = Window::open(&mut desktop, &[]);
    window.click("[data-page=settings]");
    window.click("[data-act='notice:state']");
    window.wait_for("[data-act='notice:state']:not(:checked)");
    let settings = desktop.holdfast("settings show");
    assert!(settings.lines().any(|line| line.contains("mute") && line.contains("state")), "{settings}");
    window.picture(&desktop, "this-app");
    window.click("[data-act='notice:state']");
    window.wait_for("[data-act='notice:state']:checked");
}

#[test]
fn the_machine_is_stopped_after_a_question_and_started_again() {
    let mut desktop = Desktop::with_bus();
    let _tray = Tray::on(&desktop);
    desktop.holdfast("up --yes");
    let window = Window::open(&mut desktop, &[]);
    window.reads("h1", "remote-dev is on");
    window.click("[data-act=stop]");
    window.reads("section", "Everything that runs on remote-dev ends");
    window.click("[data-act=stop-yes]");
    window.reads("h1", "remote-dev is off");
    assert_eq!(desktop.machine(), "stopped");
    window.click("[data-act=start]");
    window.reads("h1", "remote-dev is on");
    assert_eq!(desktop.machine(), "running");
}

#[test]
fn it_starts_with_the_desktop_if_somebody_wants_that() {
    let mut desktop = Desktop::settled();
    // The app itself: that of the sandbox is there to be tried.
    let window =
        Window::open(&mut desktop, &[("HOLDFAST_SANDBOX", "0"), ("AWS_EC2_METADATA_DISABLED", "true")]);
    window.click("[data-page=settings]");
    let entry = desktop.path("home/.config/autostart/Holdfast.desktop");
    assert!(!entry.exists(), "nobody has asked for it");
    window.click("[data-act=autostart]");
    window.wait_for("[data-act=autostart]:checked");
    let text = std::fs::read_to_string(&entry).unwrap();
    assert!(text.contains(&format!("Exec={}", crate::desktop::APP)), "{text}");
    window.picture(&desktop, "autostart");
    window.click("[data-act=autostart]");
    window.wait_for("[data-act=autostart]:not(:checked)");
    assert!(!entry.exists(), "{}", std::fs::read_to_string(&entry).unwrap_or_default());
}

#[test]
fn settings_that_do_not_hold_are_shown_as_text_until_they_are_mended() {
    let mut desktop = Desktop::settled();
    let _tray = Tray::on(&desktop);
    let hostile = "<img src=x onerror=\\\"document.title='owned'\\\">\\u001b[2J\\u202e";
    let file = desktop.path("state/sandbox/config/settings.toml");
    std::fs::write(&file, format!("[machine.remote-dev]\nregion = \"{hostile}\"\n")).unwrap();
    let window = Window::open(&mut desktop, &[]);
    window.reads("h1", "The settings do not hold");
    window.reads("[data-problem=settings]", "<img src=x onerror=");
    let shown = window.text("main");
    assert!(!shown.contains(['\u{1b}', '\u{202e}']), "{shown:?}");
    assert_eq!(window.script("return document.title"), "Holdfast", "it is text, not markup");
    assert!(!window.has("main img"));
    window.picture(&desktop, "broken-settings");
    std::fs::write(&file, "").unwrap();
    window.reads("h1", "There is no remote-dev yet");

    // Or it is kept as it is, and the app begins without it.
    let newer = "version = 99\nsomething = \"new\"\n";
    for number in 1..=2 {
        std::fs::write(&file, newer).unwrap();
        window.reads("[data-problem=settings]", "written by a newer Holdfast");
        window.click("[data-act=set-aside]");
        window.reads("h1", "There is no remote-dev yet");
        window.reads(
            "[data-aside]",
            &format!("now in {}.", file.with_extension(format!("toml.aside-{number}")).display()),
        );
        assert!(!file.exists());
        assert_eq!(
            std::fs::read_to_string(file.with_extension(format!("toml.aside-{number}"))).unwrap(),
            newer
        );
    }
}

/// Whatever a page may try: nothing but three commands and two events, each checked, and no code but our own.
#[test]
fn a_hostile_page_gets_nowhere() {
    let mut desktop = Desktop::with_bus();
    let _tray = Tray::on(&desktop);
    let window = Window::open(&mut desktop, &[]);
    window.reads("h1", "There is no remote-dev yet");
    let invoke = |call: &str| {
        window.script_later(&format!(
            "const done = arguments[arguments.length - 1];
             window.__TAURI_INTERNALS__.invoke({call}).then(
                 v => done({{ ok: v }}), e => done({{ error: typeof e === 'string' ? e : JSON.stringify(e) }}))"
        ))
    };
    for call in [
        "'act', { command: { do: 'stop' } }",
        "'act', { command: { do: 'start' } }",
        "'act', { command: { do: 'connect' } }",
        "'act', { command: { do: 'cancel' } }",
        "'act', { command: { do: 'connect', session: '--new' } }",
        "'act', { command: { do: 'open_session', name: '$(id)' } }",
        "'act', { command: { do: 'connect_in', terminal: '/bin/sh', session: null } }",
        "'act', { command: { do: 'connect_in', terminal: 'xterm -e id', session: null } }",
        "'act', { command: { do: 'connect_in', terminal: ['sh', '{}'], session: null } }",
        "'act', { command: { do: 'connect_in', terminal: 'default', session: null } }",
        "'act', { command: { do: 'connect_in', terminal: 'conhost', session: null } }",
        "'act', { command: { do: 'connect_in', terminal: 'xterm', session: '--new' } }",
        "'act', { command: { do: 'show_log', job: '../../etc' } }",
        "'act', { command: { do: 'show_log', job: '1-2' } }",
        "'act', { command: { do: 'end_session', name: 'main' } }",
        "'act', { command: { do: 'look_at_sessions' } }",
        "'act', { command: { do: 'apply', number: 7 } }",
        "'act', { command: { do: 'apply', number: -1 } }",
        "'act', { command: { do: 'apply', number: '1' } }",
        "'act', { command: { do: 'sign_in', through: 'browser' } }",
        "'act', { command: { do: 'sign_in', through: 'https://example.com' } }",
        "'act', { command: { do: 'say_code', code: '123456' } }",
        "'act', { command: { do: 'cancel_sign_in' } }",
        "'act', { command: { do: 'check_profiles' } }",
        "'act', { command: { do: 'keep', draft: { region: 'nowhere' } } }",
        "'act', { command: { do: 'keep', draft: { mute: 5 } } }",
        "'act', { command: { do: 'keep', draft: { terminal: '[\"sh\", \"-c\", \"touch /tmp/owned; {command}\"]' } } }",
        "'act', { command: { do: 'keep', draft: { terminal: 'sh' } } }",
        "'act', { command: { do: 'show_update' } }",
        "'act', { command: { do: 'show_page', page: '../secret' } }",
        "'act', { command: { do: 'destroy' } }",
        "'act', { command: 'stop' }",
        "'act', { command: { do: 'preview', draft: { region: 5 } } }",
        "'act', {}",
        "'act', { command: { do: 'show_log', shown: true } }",
        "'log', { number: 0, from: 0 }",
        "'log', { number: 4294967295, from: 4294967295 }",
        "'log', { number: 1, from: -1 }",
        "'log', { number: 1e300, from: '0' }",
        "'log', {}",
        "'act'",
        "'plugin:shell|execute', { program: 'sh', args: ['-c', 'touch /tmp/owned'], options: {} }",
        "'plugin:shell|open', { path: 'file:///etc/passwd' }",
        "'plugin:window|close', {}",
        "'plugin:webview|create_webview_window', { options: { label: 'x', url: 'https://example.com' } }",
        "'plugin:event|emit', { event: 'view-changed', payload: {} }",
        "'plugin:path|resolve_directory', { directory: 1 }",
    ] {
        let answer = invoke(call);
        assert!(answer["error"].is_string(), "{call}: {answer}");
    }
    assert_eq!(desktop.machine(), "none");
    // Somebody listens, so that only the policy stands between the page and him.
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = format!("http://127.0.0.1:{}/leak", listener.local_addr().unwrap().port());
    let violated = window.script_later(&format!(
        "const done = arguments[arguments.length - 1];
         const violated = new Set();
         document.addEventListener('securitypolicyviolation', e => violated.add(e.effectiveDirective));
         const add = (tag, set) => document.body.append(Object.assign(document.createElement(tag), set));
         add('script', {{ textContent: \"document.title = 'owned'\" }});
         add('script', {{ src: '{address}' }});
         add('img', {{ src: '{address}' }});
         add('iframe', {{ src: '{address}' }});
         add('form', {{ action: '{address}', method: 'post' }});
         document.querySelector('body > form').submit();
         fetch('{address}').catch(() => {{}});
         navigator.sendBeacon('{address}');
         setTimeout(() => done([...violated].sort().join(' ')), 1500)"
    ));
    assert_eq!(violated, "connect-src form-action frame-src img-src script-src-elem");
    window.script(&format!("setTimeout(() => location.href = '{address}', 0)"));
    std::thread::sleep(std::time::Duration::from_secs(1));
    assert!(listener.accept().is_err(), "nothing left the page");
    assert_eq!(window.script("return document.title"), "Holdfast");
    assert!(window.has("h1"), "and it still works");
}
