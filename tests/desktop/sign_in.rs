//! Signing in through the window and the tray, at the sandbox's portal, with a browser that this test plays.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use holdfast_sandbox::{Conditions, Options, Pace, Sandbox};

use crate::desktop::{Desktop, eventually};
use crate::driver::Window;
use crate::keyring::Keyring;
use crate::tray_host::Tray;

/// A sandbox with a portal, on a port.
struct Served {
    sandbox: Sandbox,
    endpoint: String,
    _runtime: tokio::runtime::Runtime,
}

impl Served {
    fn new() -> Self {
        let mut conditions = Conditions::of("123456789012");
        conditions.pace = Pace::instant();
        // So short that a sign-in that is over is noticed soon.
        conditions.portals[0].lifetimes.role_credentials = Duration::from_secs(15);
        let sandbox = Sandbox::new(Options { conditions, ..Options::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = sandbox.clone();
        runtime.spawn(async move { served.serve(listener).await });
        Self { sandbox, endpoint, _runtime: runtime }
    }
}

/// What a browser does with an address; gives what it is shown.
fn visit(address: &str) -> String {
    let (host, target) = address.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn who_has_to_sign_in_does_so_with_a_click() {
    let (keyring, served) = (Keyring::unlocked(), Served::new());
    let mut desktop = Desktop::on_bus(keyring.address());
    for (name, value) in [("HOLDFAST_SANDBOX", "0"), ("AWS_ENDPOINT_URL", &served.endpoint)] {
        desktop.set(name, value);
    }
    let settings = "[machine.remote-dev]\nuser = \"ada\"\nprofile = \"team/Admin\"\n";
    std::fs::write(desktop.path("config/settings.toml"), settings).unwrap();
    let configuration = "[sso-session team]\nsso_start_url = https://holdfast.awsapps.com/start\n\
        sso_region = us-west-2\nsso_registration_scopes = sso:account:access\n\
        [profile team/Admin]\nsso_session = team\nsso_account_id = 123456789012\n\
        sso_role_name = AdministratorAccess\n\
        [profile odd]\nrole_arn = arn:aws:iam::123456789012:role/r\n";
    std::fs::write(desktop.path("aws-config"), configuration).unwrap();
    // The program that opens pages on this desktop hands them to whoever plays the browser.
    let pages = desktop.path("pages");
    desktop.install("xdg-open", &format!("printf '%s\\n' \"$1\" >> {}", pages.display()));
    let opened = || std::fs::read_to_string(&pages).unwrap_or_default();
    let page = |number: usize| eventually("the browser", || opened().lines().nth(number).map(str::to_owned));
    let tray = Tray::on(&desktop);
    let window = Window::open(&mut desktop, &[]);

    window.reads("[data-sign-in=needed]", "Nobody is signed in to https://holdfast.awsapps.com/start");
    window.reads("[data-sign-in=needed]", "team/Admin");
    assert!(tray.wait_for("[Sign in…]").contains("There are no valid AWS credentials."));
    window.picture(&desktop, "sign-in");
    assert_eq!(opened(), "", "nothing opens a browser by itself");

    window.click("[data-act=sign-in]");
    let denied = served.sandbox.deny_authorization(&page(0)).unwrap();
    window.reads("[data-sign-in=browser]", "Waiting for the browser");
    window.picture(&desktop, "sign-in-browser");
    assert!(tray.wait_for("Waiting for the browser").contains("[Cancel the sign-in]"));
    visit(&denied);
    window.reads("[data-sign-in=needed]", "The sign-in was denied");
    window.picture(&desktop, "sign-in-denied");

    tray.click("Sign in…");
    let allowed = served.sandbox.allow_authorization(&page(1)).unwrap();
    assert!(visit(&allowed).contains("You are signed in"));
    window.reads("h1", "There is no remote-dev yet");
    assert!(!window.has("[data-sign-in]"));
    window.click("[data-page=settings]");
    window.reads("[data-profile='team/Admin']", "in use");
    window.reads("[data-profile='team/Admin']", "signed in");
    window.reads("[data-profile=odd]", "makes no sense");
    window.picture(&desktop, "profiles");
    window.click("[data-act='use:odd']");
    eventually("the profile in the form", || {
        (window.script("return document.querySelector('[name=profile]').value") == "odd").then_some(())
    });
    window.fill("[name=profile]", "team/Admin");

    // It ends, and a code does without a browser.
    served.sandbox.end_sign_ins();
    window.click("[data-page=machine]");
    window.wait_for("[data-sign-in=needed]");
    window.click("[data-act=sign-in-code]");
    window.wait_for("[data-sign-in=code]");
    let code = window.text("[data-code]");
    window.picture(&desktop, "sign-in-code");
    assert!(served.sandbox.allow_device(code.trim()), "{code}");
    eventually("the end of the sign-in", || (!window.has("[data-sign-in]")).then_some(()));
    window.reads("h1", "There is no remote-dev yet");
    assert_eq!(opened().lines().count(), 2, "{}", opened());
    assert!(
        desktop.holdfast("plan --json").contains("steps"),
        "the keyring has it for the command line, too"
    );
}

#[test]
fn whoever_has_no_profile_gets_one_for_a_portal_in_the_window() {
    let (keyring, served) = (Keyring::unlocked(), Served::new());
    let mut desktop = Desktop::on_bus(keyring.address());
    for (name, value) in [("HOLDFAST_SANDBOX", "0"), ("AWS_ENDPOINT_URL", &served.endpoint)] {
        desktop.set(name, value);
    }
    std::fs::write(desktop.path("config/settings.toml"), "[machine.remote-dev]\nuser = \"ada\"\n").unwrap();
    let config = desktop.path("aws-config");
    std::fs::write(&config, "# mine\n").unwrap();
    let written = || std::fs::read_to_string(&config).unwrap();
    let pages = desktop.path("pages");
    desktop.install("xdg-open", &format!("printf '%s\\n' \"$1\" >> {}", pages.display()));
    let opened = || std::fs::read_to_string(&pages).unwrap_or_default();
    let window = Window::open(&mut desktop, &[]);
    let role = "[data-act='role:123456789012:AdministratorAccess']";

    window.reads("[data-set-up=account]", "The AWS configuration has no profile");
    window.reads("[data-portal=form]", "Add an SSO portal");
    window.picture(&desktop, "portal-form");
    window.fill("[name=start_url]", "holdfast.awsapps.com");
    window.click("[data-act=portal-sign-in]");
    window.reads("[data-portal=form]", "That is no start URL; it begins with https://");
    window.fill("[name=start_url]", "https://holdfast.awsapps.com/start");
    window.fill("[name=sso_region]", "us-west-2");
    assert_eq!(opened(), "", "nothing opens a browser by itself");
    window.click("[data-act=portal-sign-in]");
    let page = eventually("the browser", || opened().lines().next().map(str::to_owned));
    window.reads("[data-portal=signing_in]", "Waiting for the browser");
    window.picture(&desktop, "portal-browser");
    visit(&served.sandbox.allow_authorization(&page).unwrap());
    window.reads("[data-portal=choosing]", "AdministratorAccess");
    window.picture(&desktop, "portal-roles");
    window.click(role);
    window.fill("[name=profile_name]", "team/Admin");
    window.click("[data-act=portal-name]");
    window.reads("[data-addition]", "[profile team/Admin]");
    window.picture(&desktop, "portal-text");
    assert_eq!(written(), "# mine\n", "nothing is written before it was read");
    let addition = window.text("[data-addition]");
    window.click("[data-act=portal-write]");
    window.reads("h1", "There is no remote-dev yet");
    assert_eq!(written().trim_end(), format!("# mine\n\n{}", addition.trim_end()));
    let settings = std::fs::read_to_string(desktop.path("config/settings.toml")).unwrap();
    assert!(settings.contains("profile = \"team/Admin\""), "it is in use: {settings}");

    // In the settings it comes into the form, by way of a code; whoever gives up is signed out.
    window.click("[data-page=settings]");
    window.reads("[data-profile='team/Admin']", "in use");
    for given_up in [true, false] {
        if !window.has("[data-portal=form]") {
            window.click("[data-act=add-portal]");
        }
        window.fill("[name=start_url]", "https://holdfast.awsapps.com/start");
        window.fill("[name=sso_region]", "us-west-2");
        window.click("[data-act=portal-code]");
        let code = window.text("[data-code]");
        assert!(served.sandbox.allow_device(code.trim()), "{code}");
        window.click(role);
        window.fill("[name=profile_name]", "team/Admin");
        window.click("[data-act=portal-name]");
        window.reads("[data-portal]", "There is a profile team/Admin already");
        if given_up {
            window.click("[data-act=portal-cancel]");
            window.wait_for("[data-portal=form]");
        }
    }
    window.fill("[name=profile_name]", "second");
    window.click("[data-act=portal-name]");
    window.reads("[data-addition]", "[profile second]");
    window.click("[data-act=portal-write]");
    window.reads("[data-portal]", "The profile second is added.");
    window.reads("[data-profile=second]", "chosen");
    window.picture(&desktop, "portal-added");
    assert_eq!(written().matches("[sso-session holdfast]").count(), 1, "{}", written());
    assert_eq!(window.script("return document.querySelector('[name=profile]').value"), "second");
    let outs = served.sandbox.calls().iter().filter(|call| call.operation == "Logout").count();
    assert_eq!((outs, opened().lines().count()), (1, 1));
    assert!(
        desktop.holdfast("plan --json").contains("steps"),
        "the keyring has it for the command line, too"
    );
}
