//! Signing in: the real command, a real keyring, and the sandbox's portal on a port.

use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use holdfast_sandbox::{Conditions, MfaDevice, Options, Pace, Sandbox};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::chromium::Chromium;
use super::keyring::Keyring;
use super::pty::Terminal;
use super::{Home, Ran};

const URL: &str = "https://holdfast.awsapps.com/start";
const SETTINGS: &str = "[machine.remote-dev]\nprofile = \"team/Admin\"\n";

/// A computer with a keyring, and a portal to sign in to.
struct Rig {
    home: Home,
    keyring: Keyring,
    sandbox: Sandbox,
    endpoint: String,
    _runtime: Runtime,
}

impl Rig {
    fn new(keyring: Keyring) -> Self {
        let mut conditions = Conditions::of("123456789012");
        conditions.pace = Pace::instant();
        let sandbox = Sandbox::new(Options { conditions, ..Options::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = sandbox.clone();
        runtime.spawn(async move { served.serve(listener).await });
        let rig = Self { home: Home::with(SETTINGS), keyring, sandbox, endpoint, _runtime: runtime };
        rig.configure(&format!(
            "[sso-session team]\nsso_start_url = {URL}\nsso_region = us-west-2\n\
             sso_registration_scopes = sso:account:access\n\
             [profile team/Admin]\nsso_session = team\nsso_account_id = 123456789012\n\
             sso_role_name = AdministratorAccess\n"
        ));
        rig
    }

    fn configure(&self, text: &str) {
        let file = self.config_file();
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(file, text).unwrap();
    }

    fn config_file(&self) -> std::path::PathBuf {
        self.home.folder.path().join("aws/config")
    }

    fn command(&self, line: &str) -> Command {
        let mut command = self.home.command(line);
        command.envs(self.environment());
        command
    }

    fn environment(&self) -> [(&'static str, String); 3] {
        let state = self.home.folder.path().join("home").display().to_string();
        std::fs::create_dir_all(&state).unwrap();
        [
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("DBUS_SESSION_BUS_ADDRESS", self.keyring.address()),
            ("HOME", state),
        ]
    }

    fn run(&self, line: &str) -> Ran {
        super::ran(&mut self.command(line))
    }

    /// Begins a sign-in, and gives what it says as it says it.
    fn begin(&self, line: &str) -> Signing {
        Signing::of(&mut self.command(line))
    }

    /// Signs in with a browser that comes back at once.
    fn sign_in(&self, line: &str) -> Ran {
        let mut signing = self.begin(line);
        let page = signing.page();
        let target = self.sandbox.allow_authorization(&page).expect("the page can be allowed");
        visit(&target);
        signing.end()
    }

    /// How many calls of this name the sandbox has had.
    fn calls(&self, operation: &str) -> usize {
        self.sandbox.calls().iter().filter(|call| call.operation == operation).count()
    }
}

impl Drop for Signing {
    fn drop(&mut self) {
        // It has ended where somebody waited for its end.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sign-in that waits for somebody.
struct Signing {
    child: Child,
    lines: mpsc::Receiver<String>,
    said: String,
}

impl Signing {
    fn of(command: &mut Command) -> Self {
        let mut child = command.stdin(Stdio::null()).spawn().unwrap();
        let stderr = BufReader::new(child.stderr.take().unwrap());
        let (tell, lines) = mpsc::channel();
        std::thread::spawn(move || {
            for line in stderr.lines().map_while(Result::ok) {
                let _ = tell.send(line);
            }
        });
        Self { child, lines, said: String::new() }
    }

    fn line(&mut self, wanted: impl Fn(&str) -> bool) -> String {
        loop {
            let line = self.lines.recv_timeout(Duration::from_secs(30));
            let line = line.unwrap_or_else(|error| panic!("{error}: {}", self.said));
            self.said += &format!("{line}\n");
            if wanted(&line) {
                return line;
            }
        }
    }

    /// The page that the browser is sent to.
    fn page(&mut self) -> String {
        self.line(|line| line.contains("/authorize?"))
    }

    /// The code that is to be confirmed.
    fn code(&mut self) -> String {
        let line = self.line(|line| line.contains("shows this code: "));
        line.rsplit(' ').next().unwrap().to_owned()
    }

    fn end(mut self) -> Ran {
        let status = self.child.wait().unwrap();
        self.said.extend(self.lines.iter().map(|line| format!("{line}\n")));
        Ran { code: status.code(), out: String::new(), err: std::mem::take(&mut self.said) }
    }
}

/// What a browser does with an address; gives what it is shown.
pub(crate) fn visit(url: &str) -> String {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, target) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    write!(stream, "GET /{target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

#[test]
fn a_browser_signs_in_once_for_everything() {
    let rig = Rig::new(Keyring::unlocked());
    let before = rig.run("plan --json");
    assert_eq!(before.code, Some(1));
    assert!(before.err.contains(&format!("nobody is signed in to {URL} any more")), "{}", before.err);
    assert!(before.err.contains("sign in: holdfast login team/Admin"), "{}", before.err);
    let listed = rig.run("profiles").well().out;
    assert!(listed.contains("team/Admin  SSO  123456789012  AdministratorAccess"), "{listed}");
    assert!(listed.contains("sign in: holdfast login team/Admin"), "{listed}");

    let mut signing = rig.begin("login");
    let page = signing.page();
    for part in [
        "code_challenge_method=S256",
        "scopes=sso%3Aaccount%3Aaccess",
        "redirect_uri=http%3A%2F%2F127%2E0%2E0%2E1",
    ] {
        assert!(page.contains(part), "{page}");
    }
    // Only one at a time.
    let second = rig.run("login");
    assert!(second.code == Some(1) && second.err.contains("Another sign-in is under way"), "{}", second.err);
    let shown = visit(&rig.sandbox.allow_authorization(&page).unwrap());
    assert!(shown.contains("You are signed in") && shown.contains("Cache-Control: no-store"), "{shown}");
    let ended = signing.end().well();
    assert!(ended.err.contains("Signed in with team/Admin."), "{}", ended.err);

    // The other commands are other processes, and know of it from the keyring.
    rig.run("plan --json").well();
    rig.run("plan --json").well();
    assert_eq!((rig.calls("RegisterClient"), rig.calls("CreateToken")), (1, 1));
    let listed = rig.run("profiles --json").well().json();
    assert_eq!(listed["profiles"][0]["state"], "valid");

    // Nothing of it is in a file.
    let tokens = secrets(&rig.sandbox);
    assert!(tokens.len() >= 3, "{tokens:?}");
    for token in &tokens {
        assert_eq!(found(rig.home.folder.path(), token), "");
        assert_eq!(found(rig.keyring.folder(), token), "");
    }

    let out = rig.run("logout").well();
    assert!(out.err.contains("signed out"), "{}", out.err);
    assert_eq!(rig.calls("Logout"), 1);
    assert!(rig.run("plan").err.contains("holdfast login team/Admin"));
}

/// The access and refresh tokens and client secrets that the portal has given out.
fn secrets(sandbox: &Sandbox) -> Vec<String> {
    let world = serde_json::to_value(sandbox.world()).unwrap();
    let mut found = Vec::new();
    collect(&world["sso"], &mut found);
    found.retain(|text| text.len() > 24 && !text.contains("://"));
    found
}

fn collect(value: &serde_json::Value, into: &mut Vec<String>) {
    match value {
        serde_json::Value::String(text) => into.push(text.clone()),
        serde_json::Value::Array(all) => all.iter().for_each(|value| collect(value, into)),
        serde_json::Value::Object(all) => all.iter().for_each(|(key, value)| {
            into.push(key.clone());
            collect(value, into);
        }),
        serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
    }
}

fn found(folder: &Path, text: &str) -> String {
    let found = Command::new("grep").args(["-rF", "--", text]).arg(folder).output().unwrap();
    String::from_utf8_lossy(&found.stdout).into_owned()
}

#[test]
fn a_person_at_a_real_browser_allows_or_denies_it() {
    let rig = Rig::new(Keyring::unlocked());
    let browser = Chromium::new();
    // The program that opens pages on this desktop; it hands them to whoever is at the browser.
    let (bin, pages) = (rig.home.folder.path().join("bin"), rig.home.folder.path().join("pages"));
    std::fs::create_dir_all(&bin).unwrap();
    let opener = bin.join("xdg-open");
    std::fs::write(&opener, format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> {}\n", pages.display())).unwrap();
    std::fs::set_permissions(&opener, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap());
    let environment: Vec<_> = rig.environment().into_iter().chain([("PATH", path)]).collect();
    let opened = || std::fs::read_to_string(&pages).unwrap_or_default();
    let page = |number: usize| loop {
        if let Some(page) = opened().lines().nth(number) {
            break page.to_owned();
        }
        std::thread::sleep(Duration::from_millis(20));
    };

    // Nothing opens one but a sign-in.
    assert!(rig.run("plan").err.contains("holdfast login team/Admin"));
    assert_eq!(opened(), "");
    let mut terminal = Terminal::run_with(&rig.home, "login", &environment);
    browser.open(&page(0));
    browser.reads("Allow access?");
    browser.click("#allow");
    browser.reads("You are signed in");
    terminal.expect("Signed in with team/Admin.");
    assert!(terminal.end().success());
    rig.run("plan --json").well();

    let mut terminal = Terminal::run_with(&rig.home, "login", &environment);
    browser.open(&page(1));
    browser.click("#deny");
    browser.reads("Holdfast was not let in");
    terminal.expect("The sign-in was denied");
    assert!(!terminal.end().success());

    let mut signing = rig.begin("login --code");
    let code = signing.code();
    let page = signing.said.split_once("Open ").unwrap().1.lines().next().unwrap().to_owned();
    browser.open(&page);
    browser.reads(&code);
    browser.click("#allow");
    signing.end().well();
    assert_eq!(opened().lines().count(), 2, "{}", opened());
}

#[test]
fn a_code_is_confirmed_anywhere() {
    let rig = Rig::new(Keyring::unlocked());
    let mut signing = rig.begin("login --code");
    let code = signing.code();
    assert_eq!(rig.sandbox.pending_devices(), [code.as_str()]);
    assert!(rig.sandbox.allow_device(&code));
    signing.end().well();
    rig.run("plan --json").well();

    let mut denied = rig.begin("login --code");
    let code = denied.code();
    assert!(rig.sandbox.deny_device(&code));
    let denied = denied.end();
    assert!(denied.code == Some(1) && denied.err.contains("The sign-in was denied"), "{}", denied.err);

    let mut late = rig.begin("login --code");
    late.code();
    rig.sandbox.advance(Duration::from_secs(700));
    let late = late.end();
    assert!(late.code == Some(1) && late.err.contains("was not confirmed in time"), "{}", late.err);
}

#[test]
fn what_a_browser_may_bring_back() {
    let rig = Rig::new(Keyring::unlocked());
    let mut denied = rig.begin("login");
    let page = denied.page();
    visit(&rig.sandbox.deny_authorization(&page).unwrap());
    let denied = denied.end();
    assert!(denied.code == Some(1) && denied.err.contains("The sign-in was denied"), "{}", denied.err);

    let mut forged = rig.begin("login");
    let page = forged.page();
    let target = rig.sandbox.allow_authorization(&page).unwrap();
    let (before, state) = target.split_once("state=").unwrap();
    let rest = state.split_once('&').map(|(_, rest)| rest).unwrap_or_default();
    visit(&format!("{before}state=other&{rest}"));
    let forged = forged.end();
    assert!(forged.code == Some(1) && forged.err.contains("from another sign-in"), "{}", forged.err);
    assert!(rig.run("plan").err.contains("nobody is signed in"));
}

#[test]
fn a_token_that_ends_is_renewed_without_a_word() {
    let rig = Rig::new(Keyring::unlocked());
    rig.sandbox.set(|conditions| conditions.portals[0].lifetimes.access_token = Duration::from_secs(200));
    rig.sign_in("login").well();
    for _ in 0..3 {
        rig.run("plan --json").well();
    }
    assert_eq!(rig.calls("CreateToken"), 4, "each command finds it about to end");
    // Several at once: a refresh token is good for one time, and nobody loses it.
    let children: Vec<Child> = (0..4).map(|_| rig.command("plan --json").spawn().unwrap()).collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    rig.run("plan --json").well();

    // Ended by an administrator: only a person can sign in anew.
    rig.sandbox.end_sign_ins();
    let asked = rig.calls("CreateToken");
    for _ in 0..2 {
        let over = rig.run("plan");
        assert!(over.code == Some(1) && over.err.contains("holdfast login team/Admin"), "{}", over.err);
    }
    assert_eq!(rig.calls("CreateToken"), asked + 1, "what was refused is not tried again");
    rig.sign_in("login").well();
    rig.run("plan --json").well();
}

#[test]
fn what_another_tool_keeps_in_the_shared_file_stays_there() {
    let rig = Rig::new(Keyring::unlocked());
    rig.sandbox.set(|conditions| conditions.portals[0].lifetimes.access_token = Duration::from_secs(200));
    rig.sign_in("login --share").well();
    let cache = rig.home.folder.path().join("home/.aws/sso/cache");
    let file = std::fs::read_dir(&cache).unwrap().next().unwrap().unwrap().path();
    let read = || serde_json::from_slice::<serde_json::Value>(&std::fs::read(&file).unwrap()).unwrap();
    let mut before = read();
    before["ofAnother"] = serde_json::json!({ "tool": [1, 2] });
    std::fs::write(&file, before.to_string()).unwrap();
    rig.run("plan --json").well();
    let after = read();
    assert_ne!(after["accessToken"], before["accessToken"], "it was renewed");
    assert_eq!(after["ofAnother"], before["ofAnother"]);
}

#[test]
fn the_page_is_where_the_configuration_has_its_service() {
    let rig = Rig::new(Keyring::unlocked());
    let config = std::fs::read_to_string(rig.config_file()).unwrap();
    for said in ["endpoint_url = ", "services = here\n[services here]\nsso_oidc =\n  endpoint_url = "] {
        rig.configure(&format!("{config}{said}{}\n", rig.endpoint));
        let page = Signing::of(rig.command("login").env_remove("AWS_ENDPOINT_URL")).page();
        assert!(page.starts_with(&format!("{}/authorize?", rig.endpoint)), "{page}");
    }
    // What is empty is not said.
    rig.configure(&config);
    let mut command = rig.command("login");
    command.envs([("AWS_ENDPOINT_URL_SSO_OIDC", rig.endpoint.as_str()), ("AWS_ENDPOINT_URL", "")]);
    let page = Signing::of(&mut command).page();
    assert!(page.starts_with(&format!("{}/authorize?", rig.endpoint)), "{page}");
    let page = Signing::of(rig.command("login").env("AWS_ENDPOINT_URL_SSO_OIDC", "")).page();
    assert!(page.starts_with(&format!("{}/authorize?", rig.endpoint)), "{page}");
}

#[test]
fn all_scopes_of_a_session_are_asked_for() {
    let rig = Rig::new(Keyring::unlocked());
    let config = std::fs::read_to_string(rig.config_file()).unwrap();
    let scope = "sso:account:access";
    rig.configure(&config.replace(scope, &format!("{scope}, codewhisperer:completions")));
    let mut signing = rig.begin("login");
    let page = signing.page();
    assert!(page.contains("scopes=sso%3Aaccount%3Aaccess%20codewhisperer%3Acompletions"), "{page}");
    visit(&rig.sandbox.allow_authorization(&page).unwrap());
    signing.end().well();
    rig.run("plan --json").well();
    // A registration for fewer scopes does not do for more.
    rig.configure(&config);
    rig.sign_in("login").well();
    assert_eq!(rig.calls("RegisterClient"), 2);
    rig.configure(&config.replace(scope, "moon"));
    let refused = rig.run("login");
    assert!(refused.code == Some(1) && refused.err.contains("InvalidScopeException"), "{}", refused.err);
}

#[test]
fn the_profile_of_the_environment_is_the_one_that_botocore_takes() {
    let rig = Rig::new(Keyring::unlocked());
    std::fs::write(rig.home.settings(), "").unwrap();
    let mut command = rig.command("plan");
    let ran = super::ran(command.envs([("AWS_DEFAULT_PROFILE", "team/Admin"), ("AWS_PROFILE", "other")]));
    assert!(ran.err.contains("sign in: holdfast login team/Admin"), "{}", ran.err);
}

#[test]
fn where_no_port_can_be_had_a_code_is_the_way() {
    let rig = Rig::new(Keyring::unlocked());
    // A network of its own, whose ports are all spoken for.
    let taken = "cd /proc/sys/net/ipv4 && echo 32768 32769 > ip_local_port_range && \
        echo 32768-32769 > ip_local_reserved_ports && exec \"$0\" \"$@\"";
    let alone = |program: &OsStr| {
        let mut command = Command::new("unshare");
        command.args(["--net", "--map-root-user", "sh", "-c", taken]).arg(program);
        command
    };
    if !alone(OsStr::new("true")).status().is_ok_and(|status| status.success()) {
        return println!("skipped: nobody may make a network of their own here");
    }
    let inside = rig.command("login");
    let mut command = alone(inside.get_program());
    command.args(inside.get_args()).env_clear();
    command.envs(inside.get_envs().filter_map(|(name, value)| Some((name, value?))));
    let ran = super::ran(command.env("PATH", std::env::var_os("PATH").unwrap()));
    assert!(
        ran.code == Some(1) && ran.err.contains("No port of this computer can be listened at"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("holdfast login --code"), "{}", ran.err);
}

#[test]
fn what_the_aws_cli_has_is_used_and_does_no_harm_when_it_is_stale() {
    let rig = Rig::new(Keyring::unlocked());
    // In the AWS CLI's own file, by choice.
    rig.sign_in("login --share").well();
    let cache = rig.home.folder.path().join("home/.aws/sso/cache");
    let files: Vec<_> = std::fs::read_dir(&cache).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    use std::os::unix::fs::PermissionsExt as _;
    assert_eq!(std::fs::metadata(&files[0]).unwrap().permissions().mode() & 0o777, 0o600);
    rig.run("plan --json").well();
    assert_eq!(rig.run("profiles --json").well().json()["profiles"][0]["state"], "valid");

    // Stale, or nonsense: then ours counts.
    let shared = std::fs::read_to_string(&files[0]).unwrap();
    for stale in ["{}", "nonsense", r#"{"accessToken": "over", "expiresAt": "2030-01-01T00:00:00Z"}"#] {
        std::fs::write(&files[0], stale).unwrap();
        let over = rig.run("plan");
        assert!(over.code == Some(1) && over.err.contains("holdfast login"), "{stale}: {}", over.err);
    }
    rig.sign_in("login").well();
    rig.run("plan --json").well();
    // And the other way round.
    let ends = rig.calls("Logout");
    rig.run("logout").well();
    assert!(rig.calls("Logout") > ends);
    assert!(!files[0].exists(), "what is shared goes, too");
    rig.sign_in("login --share").well();
    assert_ne!(std::fs::read_to_string(&files[0]).unwrap(), shared);
    rig.run("plan --json").well();
}

#[test]
fn the_doctor_renews_nothing_and_unlocks_nothing() {
    let of = |rig: &Rig, area: &str| super::doctor::of(&rig.run("doctor --json").json(), area);
    let rig = Rig::new(Keyring::unlocked());
    rig.sandbox.set(|conditions| conditions.portals[0].lifetimes.access_token = Duration::from_secs(200));
    rig.sign_in("login").well();
    let found = of(&rig, "credentials");
    assert!(found[0].0 == "ok" && found[0].1.contains("renewed by themselves"), "{found:?}");
    assert_eq!(rig.calls("CreateToken"), 1);
    // Over by now, and still good for another one.
    rig.sandbox.set(|conditions| conditions.portals[0].lifetimes.access_token = Duration::from_secs(1));
    rig.run("plan --json").well();
    let found = of(&rig, "credentials");
    assert!(found[0].0 == "warning" && found[0].1.contains("due to be renewed"), "{found:?}");
    assert_eq!(rig.calls("CreateToken"), 2);
    let keyring = |found: &[(String, String, String)]| {
        found.iter().map(|(_, what, _)| what.clone()).find(|what| what.to_lowercase().contains("keyring"))
    };
    assert_eq!(keyring(&of(&rig, "desktop")).as_deref(), Some("the keyring can be used"));

    // Spoilt by another program.
    for place in ["one", "other"] {
        // The digest of the session's name, as the AWS CLI has it.
        super::vault::spoil(&rig.keyring, &format!("sso d25187dc137f35c88bc80ec8c3ffbdb17b5eb873 {place} 0"));
    }
    let found = keyring(&of(&rig, "desktop")).unwrap();
    assert!(found.contains("makes no sense"), "{found}");

    // Denied is what a question would be answered with.
    let mut rig = Rig::new(Keyring::denied());
    let found = of(&rig, "credentials");
    assert!(found[0].1.contains("The keyring is locked"), "{found:?}");
    assert_eq!(keyring(&of(&rig, "desktop")).as_deref(), Some("the keyring is locked"));
    assert!(!rig.keyring.has_asked());
}

#[test]
fn a_keyring_that_is_locked_or_missing() {
    let rig = Rig::new(Keyring::locked());
    let mut signing = rig.begin("login");
    let refused = signing.child.wait().unwrap();
    signing.said.extend(signing.lines.iter().map(|line| format!("{line}\n")));
    assert!(!refused.success() && signing.said.contains("The keyring is locked"), "{}", signing.said);

    let rig = Rig::new(Keyring::absent());
    let ended = rig.sign_in("login").well();
    assert!(ended.err.contains("has no keyring") && ended.err.contains("login --share"), "{}", ended.err);
    assert!(rig.run("plan").err.contains("nobody is signed in"));
    rig.sign_in("login --share").well();
    rig.run("plan --json").well();
    rig.run("logout").well();
    assert!(rig.run("plan").err.contains("nobody is signed in"), "it was the file's, and it is gone");
    assert_eq!(rig.calls("Logout"), 1);

    // A locked one hides nothing that the AWS CLI has, and nobody is sent to sign in for it.
    let rig = Rig::new(Keyring::locked());
    let listed = rig.run("profiles").well().out;
    assert!(listed.contains("The keyring is locked") && !listed.contains("holdfast login"), "{listed}");
    rig.sign_in("login --share").well();
    rig.run("plan --json").well();
}

#[test]
fn whoever_is_named_comes_before_keys_of_the_environment() {
    let rig = Rig::new(Keyring::unlocked());
    let with_keys = |line: &str| {
        let mut command = rig.command(line);
        super::ran(command.envs([("AWS_ACCESS_KEY_ID", "AKIAOTHER"), ("AWS_SECRET_ACCESS_KEY", "x")]))
    };
    assert!(
        with_keys("plan").err.contains("holdfast login team/Admin"),
        "keys of the environment are not asked"
    );
    rig.sign_in("login").well();
    with_keys("plan --json").well();
    // Nobody is named, and then the profile's way in leads nowhere.
    std::fs::write(rig.home.settings(), "").unwrap();
    rig.configure(
        &std::fs::read_to_string(rig.config_file()).unwrap().replace("profile team/Admin", "default"),
    );
    let refused = with_keys("plan");
    assert!(refused.err.contains("does not accept the credentials"), "{}", refused.err);
    assert!(!refused.err.contains("holdfast login"), "{}", refused.err);
}

#[test]
fn whoever_begins_without_credentials_signs_in_elsewhere_and_it_goes_on() {
    let rig = Rig::new(Keyring::unlocked());
    let mut terminal = Terminal::run_with(&rig.home, "apply --yes", &rig.environment());
    terminal.expect("sign in: holdfast login team/Admin");
    terminal.expect("this one goes on by itself then");
    assert_eq!(rig.calls("CreateVpc"), 0);
    rig.sign_in("login").well();
    assert!(terminal.end().success());
    assert_eq!(rig.calls("CreateVpc"), 1);
    // A command that looks before it does anything waits alike.
    rig.run("logout").well();
    let mut terminal = Terminal::run_with(&rig.home, "stop --yes", &rig.environment());
    terminal.expect("this one goes on by itself then");
    rig.sign_in("login").well();
    terminal.expect("remote-dev is off");
    assert!(terminal.end().success());
}

#[test]
fn where_no_sign_in_helps_nobody_waits_for_one() {
    let rig = Rig::new(Keyring::unlocked());
    rig.configure("[profile team/Admin]\naws_access_key_id = AKIAWRONG\naws_secret_access_key = wrong\n");
    for line in ["apply --yes", "stop --yes"] {
        let mut terminal = Terminal::run_with(&rig.home, line, &rig.environment());
        terminal.expect("AWS does not accept the credentials");
        assert!(!terminal.end().success(), "{line}");
    }
}

#[test]
fn what_has_run_out_is_ended_all_the_same() {
    let rig = Rig::new(Keyring::unlocked());
    rig.sandbox.set(|conditions| conditions.portals[0].lifetimes.access_token = Duration::from_secs(200));
    rig.sign_in("login").well();
    let renewed = rig.calls("CreateToken");
    let out = rig.run("logout").well();
    assert!(!out.err.contains("could not be told"), "{}", out.err);
    assert_eq!(rig.calls("Logout"), 1);
    assert_eq!(rig.calls("CreateToken"), renewed + 1, "it was renewed to be ended");
}

#[test]
fn why_there_are_no_credentials_is_told_as_it_is() {
    let rig = Rig::new(Keyring::unlocked());
    rig.configure(&format!(
        "[profile keys]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile team/Admin]\nrole_arn = arn:aws:iam::123456789012:role/nobody\nsource_profile = keys\n",
        holdfast_sandbox::ACCESS_KEY,
        holdfast_sandbox::SECRET_KEY
    ));
    let refused = rig.run("plan");
    assert!(refused.err.contains("may not call sts:AssumeRole"), "{}", refused.err);
}

/// Makes a role that may do everything, for whoever proves to be this user with a code.
pub(crate) async fn make_role(endpoint: &str, user: &str) {
    let trust = format!(
        r#"{{"Version":"2012-10-17","Statement":[{{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{{"AWS":"{user}"}},"Condition":{{"Bool":{{"aws:MultiFactorAuthPresent":"true"}}}}}}]}}"#
    );
    let credentials = aws_credential_types::Credentials::new(
        holdfast_sandbox::ACCESS_KEY,
        holdfast_sandbox::SECRET_KEY,
        None,
        None,
        "test",
    );
    let config = aws_sdk_iam::Config::builder()
        .behavior_version(aws_sdk_iam::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_iam::config::Region::new("us-west-2"))
        .endpoint_url(endpoint)
        .credentials_provider(credentials);
    let iam = aws_sdk_iam::Client::from_conf(config.build());
    let call = iam.create_role().role_name("admin").assume_role_policy_document(trust);
    call.send().await.unwrap();
    let call = iam.attach_role_policy().role_name("admin");
    call.policy_arn("arn:aws:iam::aws:policy/AdministratorAccess").send().await.unwrap();
}

#[test]
fn a_role_that_wants_a_code() {
    let rig = Rig::new(Keyring::unlocked());
    let serial = "arn:aws:iam::123456789012:mfa/sandbox";
    let user = "arn:aws:iam::123456789012:user/sandbox";
    rig.configure(&format!(
        "[profile keys]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile team/Admin]\nrole_arn = arn:aws:iam::123456789012:role/admin\nsource_profile = keys\nmfa_serial = {serial}\n",
        holdfast_sandbox::ACCESS_KEY,
        holdfast_sandbox::SECRET_KEY
    ));
    rig.sandbox.set(|conditions| {
        let codes = ["123456", "654321"].map(str::to_owned).into();
        conditions.mfa_devices.push(MfaDevice { serial: serial.to_owned(), user: user.to_owned(), codes });
    });
    // The role is made by the key that stands in the file.
    rig._runtime.block_on(make_role(&rig.endpoint, user));

    let before = rig.run("plan");
    assert!(before.err.contains(&format!("wants a code of the MFA device {serial}")), "{}", before.err);
    assert!(before.err.contains("holdfast login team/Admin"), "{}", before.err);
    let nobody = rig.run("login");
    assert!(nobody.code == Some(3) && nobody.err.contains("nobody is here to type it"), "{}", nobody.err);
    for (code, good) in [("000000", false), ("123456", true), ("123456", false), ("654321", true)] {
        let mut terminal = Terminal::run_with(&rig.home, "login", &rig.environment());
        terminal.expect("Code of the MFA device");
        terminal.press(&format!("{code}\r"));
        if good {
            terminal.expect("Signed in with team/Admin.");
        } else {
            terminal.expect("AssumeRole");
        }
        assert_eq!(terminal.end().success(), good, "{code}");
        if good {
            rig.run("plan --json").well();
        }
    }
    // Whoever has said a code needs nothing of what comes before that role.
    let config = std::fs::read_to_string(rig.config_file()).unwrap();
    rig.configure(&config.replace(holdfast_sandbox::SECRET_KEY, "wrong"));
    rig.run("plan --json").well();
    // Nor is it for whoever comes another way.
    rig.configure(&config.replace(serial, "arn:aws:iam::123456789012:mfa/another"));
    assert!(
        rig.run("plan").err.contains("wants a code of the MFA device arn:aws:iam::123456789012:mfa/another")
    );
    rig.configure(&config);
    rig.run("plan --json").well();
    rig.run("logout").well();
    assert!(rig.run("plan").err.contains("wants a code"));
}

#[test]
fn each_role_wants_a_code_of_its_own() {
    let rig = Rig::new(Keyring::unlocked());
    let (serial, user) = ("arn:aws:iam::123456789012:mfa/sandbox", "arn:aws:iam::123456789012:user/sandbox");
    let role = "role_arn = arn:aws:iam::123456789012:role";
    rig.configure(&format!(
        "[profile keys]\naws_access_key_id = {}\naws_secret_access_key = {}\n\
         [profile first]\n{role}/admin\nsource_profile = keys\nmfa_serial = {serial}\n\
         [profile team/Admin]\n{role}/other\nsource_profile = first\nmfa_serial = {serial}\n",
        holdfast_sandbox::ACCESS_KEY,
        holdfast_sandbox::SECRET_KEY
    ));
    rig.sandbox.set(|conditions| {
        let codes = ["123456", "654321"].map(str::to_owned).into();
        conditions.mfa_devices.push(MfaDevice { serial: serial.to_owned(), user: user.to_owned(), codes });
    });
    rig._runtime.block_on(make_role(&rig.endpoint, user));
    let mut terminal = Terminal::run_with(&rig.home, "login", &rig.environment());
    terminal.expect("Code of the MFA device");
    terminal.press("123456\r");
    terminal.expect("The next role wants a code of its own. Code of the MFA device");
    // The first has its credentials by now; AWS lets no role prove itself with a user's device.
    let first: Vec<_> =
        rig.sandbox.calls().into_iter().filter(|call| call.operation == "AssumeRole").collect();
    assert!(matches!(&first[..], [only] if only.took_effect), "{first:?}");
    terminal.press("654321\r");
    terminal.expect("AssumeRole");
    assert!(!terminal.end().success());
    assert!(rig.run("plan").err.contains("role/other wants a code"));
}

/// Signs in to a portal that nobody knows yet, up to the name of the profile.
fn new_profile(rig: &Rig) -> Terminal {
    let mut terminal = Terminal::run_with(&rig.home, "login --new --code", &rig.environment());
    terminal.expect("Start URL");
    terminal.press(&format!("{URL}\r"));
    terminal.expect("Its region");
    terminal.press("us-west-2\r");
    terminal.expect("shows this code: ");
    let code = terminal.expect("\r").trim().to_owned();
    assert!(rig.sandbox.allow_device(&code));
    terminal.expect("Which account?");
    terminal.press("1\r");
    terminal.expect("Which role?");
    terminal.press("1\r");
    terminal.expect("Name of the profile");
    terminal
}

#[test]
fn a_profile_is_added_to_what_was_shown_and_under_a_name_that_can_be_read() {
    let rig = Rig::new(Keyring::unlocked());
    let before = "[default]\nregion = eu-central-1\n";
    for (name, told) in [
        ("a]b", "is not the name of an AWS profile"),
        ("it's", "could not be read by the AWS CLI"),
        ("a[b", "could not be read by the AWS CLI"),
    ] {
        rig.configure(before);
        let mut terminal = new_profile(&rig);
        terminal.press(&format!("{name}\r"));
        terminal.expect(told);
        assert!(!terminal.end().success(), "{name}");
        assert_eq!(std::fs::read_to_string(rig.config_file()).unwrap(), before);
    }
    // Somebody else writes while the question stands there.
    let mut terminal = new_profile(&rig);
    terminal.press("mine\r");
    terminal.expect("Add it? [y/N]");
    let changed = format!("{before}output = json\n");
    rig.configure(&changed);
    terminal.press("y\r");
    terminal.expect("has changed meanwhile");
    assert!(!terminal.end().success());
    assert_eq!(std::fs::read_to_string(rig.config_file()).unwrap(), changed);
    assert_eq!(rig.calls("Logout"), 4, "a sign-in that nobody has a use for is ended");
}

#[test]
fn a_portal_that_is_nowhere_or_gives_nothing_is_named() {
    let rig = Rig::new(Keyring::unlocked());
    let of_nobody = rig.run("--sandbox login");
    assert!(
        of_nobody.code == Some(3) && of_nobody.err.contains("The sandbox needs no sign-in"),
        "{}",
        of_nobody.err
    );

    // A portal that is not there, and a region that nobody has.
    let config = std::fs::read_to_string(rig.config_file()).unwrap();
    rig.configure(&config.replace("holdfast.awsapps", "nobody.awsapps"));
    let unknown = rig.run("login --code");
    assert!(unknown.err.contains("us-west-2 knows no portal https://nobody.awsapps"), "{}", unknown.err);
    rig.configure(&config.replace("us-west-2", "mars-north-1"));
    let mut nowhere = rig.command("login");
    let nowhere = super::ran(nowhere.env_remove("AWS_ENDPOINT_URL"));
    assert!(nowhere.err.contains("see whether mars-north-1 is the region of the portal"), "{}", nowhere.err);
    assert_eq!(
        std::fs::read_to_string(rig.config_file()).unwrap(),
        config.replace("us-west-2", "mars-north-1")
    );

    // Somebody signs in to whom the portal gives no account, or no role in it.
    let before = "[default]\nregion = eu-central-1\n";
    for (accounts, what) in [(0, "no account"), (1, "no role")] {
        rig.configure(before);
        rig.sandbox.set(|conditions| {
            let portal = &mut conditions.portals[0];
            portal.accounts.truncate(accounts);
            portal.accounts.iter_mut().for_each(|account| account.roles.clear());
        });
        let mut terminal = Terminal::run_with(&rig.home, "login --new --code", &rig.environment());
        terminal.expect("Start URL");
        terminal.press(&format!("{URL}\r"));
        terminal.expect("Its region");
        terminal.press("us-west-2\r");
        terminal.expect("shows this code: ");
        let code = terminal.expect("\r").trim().to_owned();
        assert!(rig.sandbox.allow_device(&code));
        terminal.expect(&format!("The portal gives you {what}"));
        assert!(!terminal.end().success());
        assert_eq!(std::fs::read_to_string(rig.config_file()).unwrap(), before, "nothing is half-written");
        rig.sandbox.set(|conditions| conditions.portals = vec![holdfast_sandbox::Portal::of("123456789012")]);
    }
}

#[test]
fn what_each_profile_gives_is_asked_only_on_request() {
    let rig = Rig::new(Keyring::unlocked());
    let key = "aws_access_key_id = {}\naws_secret_access_key = ";
    let ran = rig.home.folder.path().join("ran");
    let print = format!(
        r#"{{"Version": 1, "AccessKeyId": "{}", "SecretAccessKey": "{}", "Expiration": "2100-01-01T00:00:00Z"}}"#,
        holdfast_sandbox::ACCESS_KEY,
        holdfast_sandbox::SECRET_KEY
    );
    let program = rig.home.folder.path().join("print");
    std::fs::write(&program, format!("#!/bin/sh\necho ran >> {}\necho '{print}'\n", ran.display())).unwrap();
    std::fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    rig.configure(&format!(
        "[profile good]\n{}{}\n[profile bad]\n{}wrong\n[profile program]\ncredential_process = {}\n\
         [profile odd]\nrole_arn = arn:aws:iam::123456789012:role/r\n",
        key.replace("{}", holdfast_sandbox::ACCESS_KEY),
        holdfast_sandbox::SECRET_KEY,
        key.replace("{}", "AKIAWRONG"),
        program.display()
    ));
    let states = |line: &str| {
        let all = rig.run(line).well().json()["profiles"].as_array().unwrap().clone();
        let text = |value: &serde_json::Value| value.as_str().unwrap_or("-").to_owned();
        let states = all.iter().map(|one| format!("{}: {}", text(&one["name"]), text(&one["state"])));
        (states.collect::<Vec<_>>(), all)
    };
    let (listed, _) = states("profiles --json");
    assert_eq!(listed, ["bad: unknown", "good: unknown", "odd: faulty", "program: unknown"]);
    assert!(!ran.exists() && rig.sandbox.calls().is_empty(), "nobody is asked");
    let (listed, all) = states("profiles --check --json");
    assert_eq!(listed, ["bad: refused", "good: valid", "odd: faulty", "program: valid"]);
    assert!(all[0]["note"].as_str().unwrap().contains("does not accept the credentials"), "{all:?}");
    assert_eq!((&all[1]["account"], &all[1]["role"]), (&"123456789012".into(), &"user/sandbox".into()));
    assert_eq!((&all[1]["until"], &all[3]["until"]), (&serde_json::Value::Null, &4_102_444_800_u64.into()));
    let shown = rig.run("profiles --check").well().out;
    assert!(shown.contains("good     keys"), "{shown}");
    let mut keys = rig.command("profiles --check");
    let listed = super::ran(keys.envs([("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")])).well();
    assert_eq!(listed.out, shown, "keys of the environment are nobody's of these");
}

#[test]
fn a_portal_that_nobody_knows_yet_becomes_a_profile() {
    let rig = Rig::new(Keyring::unlocked());
    let before = "# mine\n[default]\nregion = eu-central-1 ; near\n";
    rig.configure(before);
    let mut terminal = Terminal::run_with(&rig.home, "login --new --code", &rig.environment());
    terminal.expect("Start URL");
    terminal.press(&format!("{URL}\r"));
    terminal.expect("Its region [us-east-1]");
    terminal.press("us-west-2\r");
    terminal.expect("shows this code:");
    let code = loop {
        if let [code] = &rig.sandbox.pending_devices()[..] {
            break code.clone();
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert!(rig.sandbox.allow_device(&code));
    terminal.expect("Which account?");
    terminal.press("1\r");
    terminal.expect("Which role?");
    terminal.press("1\r");
    terminal.expect("Name of the profile [holdfast/");
    terminal.press("team/Admin\r");
    terminal.expect("[profile team/Admin]");
    terminal.expect("Add it? [y/N]");
    terminal.press("y\r");
    terminal.expect("Signed in with team/Admin");
    assert!(terminal.end().success());
    let after = std::fs::read_to_string(rig.config_file()).unwrap();
    assert!(after.starts_with(before), "{after}");
    insta::assert_snapshot!(&after[before.len()..], @"
    [sso-session holdfast]
    sso_start_url = https://holdfast.awsapps.com/start
    sso_region = us-west-2
    sso_registration_scopes = sso:account:access

    [profile team/Admin]
    sso_session = holdfast
    sso_account_id = 123456789012
    sso_role_name = AdministratorAccess
    ");
    rig.run("plan --json").well();
    let again = rig.run("login --new");
    assert!(again.code == Some(3) && again.err.contains("nobody is here"), "{}", again.err);
}
