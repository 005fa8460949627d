//! Marked secrets: the product works with them, and then everything that it wrote, said and told other programs is searched.

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD_NO_PAD;
use holdfast_sandbox::gateway::Gateway;
use holdfast_sandbox::guest::Guests;
use holdfast_sandbox::{ACCESS_KEY, Conditions, MfaDevice, Options, Pace, Principal, Sandbox};
use tokio::net::TcpListener;
use tokio::runtime::Runtime;

use super::keyring::Keyring;
use super::login::visit;
use super::pty::Terminal;
use super::{Home, Ran};

/// In every secret here, and in nothing else.
const MARK: &str = "m4rkedsecret";
const GIT: &str = "m4rkedsecretgit";
const KEYS: &str = "m4rkedsecretkeys";
/// AWS takes no other than six digits.
const CODE: &str = "730519";
const PROGRAM: &str = "m4rkedsecretprogram";

const SETTINGS: &str = "[machine.remote-dev]\nprofile = \"team/Admin\"\n\
                        config = { git = \"https://ada@git.example.com/ada/machine.git\" }\n";
const PORTAL: &str = "[sso-session team]\nsso_start_url = https://holdfast.awsapps.com/start\nsso_region = us-west-2\n\
                      sso_registration_scopes = sso:account:access\n\
                      [profile team/Admin]\nsso_session = team\nsso_account_id = 123456789012\n\
                      sso_role_name = AdministratorAccess\n";

/// Whether a text has a mark, plain or in base64, or the token of a session of the sandbox.
fn is_marked(bytes: &[u8]) -> bool {
    let text = String::from_utf8_lossy(bytes);
    let of_session = |rest: &str| {
        rest.len() >= 16 && rest.bytes().take(16).all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    text.to_lowercase().contains(MARK)
        || in_base64().iter().any(|encoded| text.contains(encoded.as_str()))
        || text.match_indices(CODE).any(|(at, _)| stands_alone(&text, at, CODE.len()))
        || text.match_indices("AAEAA").any(|(at, found)| of_session(&text[at + found.len()..]))
}

/// Whether these digits are no part of a longer number, of an id or of a moment.
fn stands_alone(text: &str, at: usize, length: usize) -> bool {
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '.');
    !part(text[..at].chars().next_back()) && !part(text[at + length..].chars().next())
}

/// The mark in base64, whatever stands before it; without the characters that depend on that.
fn in_base64() -> [String; 3] {
    [0, 1, 2].map(|before| {
        let encoded = BASE64_STANDARD_NO_PAD.encode(format!("{}{MARK}", "x".repeat(before)));
        let skipped = [0, 2, 3][before];
        encoded[skipped..encoded.len() - 1].to_owned()
    })
}

/// The files in a folder that have a mark, archives unpacked.
fn marked(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            found.extend(marked(&path));
            continue;
        }
        let Some(mut bytes) = kind.is_file().then(|| fs::read(&path).ok()).flatten() else { continue };
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut whole = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut whole).unwrap();
            bytes = whole;
        }
        if is_marked(&bytes) || is_marked(path.to_string_lossy().as_bytes()) {
            found.push(path);
        }
    }
    found
}

/// Looks at every process again and again that has the environment of a computer of ours.
struct Watch {
    over: Arc<AtomicBool>,
    seen: Arc<Mutex<Seen>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Clone, Default)]
struct Seen {
    /// Those that were seen, by their command lines.
    ours: BTreeSet<String>,
    /// Those of which the arguments or the environment have a mark: the command line, and which of both.
    marked: BTreeSet<(String, &'static str)>,
}

impl Watch {
    fn over(home: &Path) -> Self {
        let (over, seen) = (Arc::<AtomicBool>::default(), Arc::<Mutex<Seen>>::default());
        let (until, to) = (Arc::clone(&over), Arc::clone(&seen));
        let home = format!("HOLDFAST_STATE_DIR={}", home.display());
        let thread = std::thread::spawn(move || {
            while !until.load(Ordering::Relaxed) {
                look(&home, &mut to.lock().unwrap());
                std::thread::sleep(Duration::from_millis(2));
            }
        });
        Self { over, seen, thread: Some(thread) }
    }

    fn end(mut self) -> Seen {
        self.over.store(true, Ordering::Relaxed);
        self.thread.take().unwrap().join().unwrap();
        self.seen.lock().unwrap().clone()
    }
}

fn look(home: &str, seen: &mut Seen) {
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let is_process = entry.file_name().to_string_lossy().bytes().all(|byte| byte.is_ascii_digit());
        let read = |name: &str| fs::read(entry.path().join(name)).unwrap_or_default();
        if !is_process {
            continue;
        }
        let (arguments, environment) = (read("cmdline"), read("environ"));
        let line = String::from_utf8_lossy(&arguments).replace('\0', " ").trim_end().to_owned();
        // One that is just becoming another program is looked at in a moment; and other tests have their own secrets meanwhile.
        let settled = !arguments.is_empty() && read("cmdline") == arguments;
        if !settled || !String::from_utf8_lossy(&environment).contains(home) {
            continue;
        }
        seen.ours.insert(line.clone());
        for (what, text) in [("arguments", &arguments), ("environment", &environment)] {
            if is_marked(text) {
                seen.marked.insert((line.clone(), what));
            }
        }
    }
}

/// Says what it was called with, and what is in its environment.
const RECORDS: &str = "{ echo \"$0 $*\"; env; } > \"$RECORDS/${0##*/}.$$\"\n";

/// A computer, all of whose other programs take notes, and a sandbox whose secrets are marked.
struct Rig {
    home: Home,
    keyring: Keyring,
    sandbox: Sandbox,
    endpoint: String,
    /// The programs, their notes, and the machines; not Holdfast's.
    others: tempfile::TempDir,
    said: String,
    runtime: Runtime,
}

impl Rig {
    fn new(config: &str) -> Self {
        let others = tempfile::tempdir().unwrap();
        let mut conditions = Conditions::of("123456789012");
        conditions.pace = Pace::instant();
        conditions.mark = MARK.to_owned();
        let backend = Arc::new(Gateway::new(Arc::new(Guests::new(others.path().join("machines")))));
        let sandbox = Sandbox::new(Options { conditions, backend, ..Options::default() });
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let listener = runtime.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let served = sandbox.clone();
        runtime.spawn(async move { served.serve(listener).await });
        let rig = Self {
            home: Home::with(SETTINGS),
            keyring: Keyring::unlocked(),
            sandbox,
            endpoint,
            others,
            said: String::new(),
            runtime,
        };
        for folder in ["bin", "records"] {
            fs::create_dir(rig.others.path().join(folder)).unwrap();
        }
        rig.program("xdg-open", "");
        rig.program("editor", "");
        rig.program("pager", "cat > /dev/null");
        rig.program(
            "xterm",
            "while [ \"$1\" != -e ]; do shift; done; shift; exec \"$@\" </dev/null >/dev/null 2>&1",
        );
        let keys = format!(r#"{{"Version":1,"AccessKeyId":"{ACCESS_KEY}","SecretAccessKey":"{PROGRAM}"}}"#);
        rig.program("give-keys", &format!("echo '{keys}'"));
        rig.configure(config);
        rig
    }

    fn program(&self, name: &str, script: &str) {
        let path = self.others.path().join("bin").join(name);
        fs::write(&path, format!("#!/bin/sh\n{RECORDS}{script}\n")).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
    }

    /// The AWS configuration is the user's own, and has what it has.
    fn configure(&self, text: &str) {
        let file = self.others.path().join("config");
        fs::write(file, text).unwrap();
    }

    fn environment(&self) -> Vec<(&'static str, String)> {
        let other = |name: &str| self.others.path().join(name).display().to_string();
        let path = std::env::var("PATH").unwrap();
        vec![
            ("AWS_ENDPOINT_URL", self.endpoint.clone()),
            ("AWS_CONFIG_FILE", other("config")),
            ("DBUS_SESSION_BUS_ADDRESS", self.keyring.address()),
            ("PATH", format!("{}:{path}", other("bin"))),
            ("RECORDS", other("records")),
            ("EDITOR", "editor".to_owned()),
            ("PAGER", "pager".to_owned()),
        ]
    }

    /// Runs a command, with every word that it has to say about what it does, and whatever it becomes.
    fn run(&mut self, line: &str, more: &[(&'static str, &str)]) -> Ran {
        let mut command = self.home.command(&format!("-vv {line}"));
        command.envs(self.environment()).envs(more.iter().copied());
        let ran = super::ran(&mut command);
        self.said += &format!("\n$ {line}\n{}", ran.all());
        ran
    }

    /// Runs one that reads this.
    fn tell(&mut self, line: &str, text: &str) {
        let mut command = self.home.command(&format!("-vv {line}"));
        let mut child = command.envs(self.environment()).stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        self.said += &String::from_utf8_lossy(&[output.stdout, output.stderr].concat());
    }

    fn terminal(&self, line: &str, more: &[(&'static str, String)]) -> Terminal {
        let environment = [self.environment(), more.to_vec()].concat();
        Terminal::run_with(&self.home, &format!("-vv {line}"), &environment)
    }

    /// Signs in with the browser, which comes back.
    fn sign_in(&mut self) {
        self.forget_notes("xdg-open");
        let mut terminal = self.terminal("login", &[]);
        let page = eventually(|| {
            let note = self.notes("xdg-open")?;
            note.lines().next()?.split(' ').next_back().map(str::to_owned)
        });
        visit(&self.sandbox.allow_authorization(&page).expect("the page can be allowed"));
        terminal.expect("Signed in with team/Admin.");
        assert!(terminal.end().success());
        self.said += &terminal.seen();
    }

    /// What a program has noted last.
    fn notes(&self, program: &str) -> Option<String> {
        let folder = fs::read_dir(self.others.path().join("records")).unwrap().flatten();
        let of = |entry: &fs::DirEntry| entry.file_name().to_string_lossy().starts_with(program);
        let text = fs::read_to_string(folder.filter(of).last()?.path()).ok()?;
        text.contains("RECORDS=").then_some(text)
    }

    fn forget_notes(&self, program: &str) {
        for entry in fs::read_dir(self.others.path().join("records")).unwrap().flatten() {
            if entry.file_name().to_string_lossy().starts_with(program) {
                fs::remove_file(entry.path()).unwrap();
            }
        }
    }

    /// Everything that Holdfast does, as far as it needs no NixOS.
    fn work(&mut self, more: &[(&'static str, &str)]) {
        self.run("apply --yes", more).well();
        for line in [
            "status --json",
            "plan",
            "doctor",
            "profiles",
            "exec -- true",
            "upload /etc/hostname",
            "sessions",
            "rebuild --yes",
            "config status",
            "open --new",
            "settings edit",
            "cost",
            "policy",
            "history",
            "history --json",
            "logs",
            "logs --json",
        ] {
            self.run(line, more);
        }
        let archive = self.home.folder.path().join("bug.tar.gz");
        self.run(&format!("diagnostics --yes --output {}", archive.display()), more).well();
        let owned: Vec<_> = more.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
        let mut paged = self.terminal("diagnostics", &owned);
        paged.expect("Save this as");
        paged.press("n\r");
        paged.end();
        self.said += &paged.seen();
    }

    /// Asserts that no mark is anywhere that Holdfast has a say in.
    #[track_caller]
    fn assert_kept(&self) {
        let records = self.others.path().join("records");
        assert_eq!(marked(self.home.folder.path()), Vec::<PathBuf>::new());
        assert_eq!(marked(self.keyring.folder()), Vec::<PathBuf>::new());
        assert_eq!(marked(&records), Vec::<PathBuf>::new());
        assert_eq!(marked(&self.others.path().join("machines")), Vec::<PathBuf>::new());
        let line = self.said.lines().find(|line| is_marked(line.as_bytes()));
        assert_eq!(line, None);
        assert!(self.said.contains("DEBUG") && self.said.contains("aws_smithy"), "it was to say all it can");
        for program in ["pager", "editor", "xterm"] {
            assert!(self.notes(program).is_some(), "{program} was not run");
        }
    }

    /// What the sandbox has given out and been told, as text.
    fn world(&self) -> String {
        serde_json::to_string(&self.sandbox.world()).unwrap()
    }

    /// How many calls of this name were answered.
    fn answered(&self, operation: &str) -> usize {
        let calls = self.sandbox.calls();
        calls.iter().filter(|call| call.operation == operation && call.error.is_none()).count()
    }
}

fn eventually<T>(look: impl Fn() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < Duration::from_secs(30), "it never came");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn the_tokens_of_a_sign_in_and_of_a_repository_stay_where_they_belong() {
    let mut rig = Rig::new(PORTAL);
    let watch = Watch::over(rig.home.folder.path());
    rig.sign_in();
    rig.tell("config token", GIT);
    rig.work(&[]);
    rig.sandbox.set(|conditions| conditions.portals[0].lifetimes.access_token = Duration::from_secs(200));
    rig.sign_in();
    rig.run("plan", &[]).well();
    rig.run("plan", &[]).well();

    // They were in use: given out, renewed, and exchanged for a role's. That the machine is lent the token of the repository, and
    // forgets it, is for a machine that has NixOS.
    let seen = watch.end();
    let world = rig.world();
    for (part, least) in [("clients", 1), ("access", 3), ("refresh", 1)] {
        let text = world.split_once(&format!("\"{part}\":")).unwrap().1;
        assert!(text.matches(MARK).count() >= least, "{part}");
    }
    assert!(rig.answered("CreateToken") >= 3 && rig.answered("GetRoleCredentials") > 5);
    assert!(seen.ours.len() > 10, "{:?}", seen.ours);
    assert_eq!(seen.marked, BTreeSet::new());
    let kept = rig.run("config token --forget", &[]).well();
    assert!(kept.err.contains("forgotten"), "{}", kept.err);
    rig.run("logout", &[]).well();
    rig.assert_kept();
}

#[test]
fn keys_codes_and_the_credentials_of_roles_stay_where_they_belong() {
    let serial = "arn:aws:iam::123456789012:mfa/sandbox";
    let user = "arn:aws:iam::123456789012:user/sandbox";
    let mut rig = Rig::new(&format!(
        "[profile keys]\naws_access_key_id = {ACCESS_KEY}\naws_secret_access_key = {KEYS}\n\
         [profile program]\ncredential_process = give-keys\n\
         [profile team/Admin]\nrole_arn = arn:aws:iam::123456789012:role/admin\nsource_profile = keys\nmfa_serial = {serial}\n"
    ));
    rig.sandbox.set(|conditions| {
        let codes = [CODE.to_owned()].into();
        conditions.mfa_devices.push(MfaDevice { serial: serial.to_owned(), user: user.to_owned(), codes });
    });
    rig.runtime.block_on(super::login::make_role(&rig.endpoint, user));
    let watch = Watch::over(rig.home.folder.path());
    let mut terminal = rig.terminal("login", &[]);
    terminal.expect("Code of the MFA device");
    terminal.press(&format!("{CODE}\r"));
    terminal.expect("Signed in with team/Admin.");
    assert!(terminal.end().success());
    // What is typed is seen while it is typed.
    assert_eq!(terminal.seen().matches(CODE).count(), 1, "{}", terminal.seen());
    rig.said += &terminal.seen().replace(CODE, "");
    rig.work(&[]);
    rig.run("settings set profile program", &[]).well();
    rig.run("status", &[("HOLDFAST_GIT_TOKEN", GIT)]).well();

    let seen = watch.end();
    assert!(rig.world().contains(CODE), "the code was used");
    assert!(rig.answered("AssumeRole") == 1 && rig.world().contains(&format!("IQoJ{MARK}")));
    let note = rig.notes("give-keys").expect("the program that gives keys was run");
    assert!(note.contains("HOLDFAST_STATE_DIR=") && !note.contains(GIT), "{note}");
    // The command itself has what its user gave it, and the shell that takes it from the program.
    let has = |line: &str| {
        line.ends_with("holdfast -vv status") || line.starts_with("sh -c unset HOLDFAST_GIT_TOKEN")
    };
    let others: Vec<_> = seen.marked.iter().filter(|(line, _)| !has(line)).collect();
    assert_eq!(others, Vec::<&(String, &str)>::new());
    rig.assert_kept();
}

#[test]
fn what_the_environment_has_goes_to_nobody_who_has_no_use_for_it() {
    let mut rig = Rig::new("");
    rig.run("settings unset profile", &[]).well();
    // Of a session of its own, whose token is a secret, too.
    let session = format!("{MARK}session");
    let key = "ASIAHOLDFASTSANDBOX0";
    rig.sandbox.set(|conditions| {
        conditions.principals.push(Principal::assumed_role("123456789012", "Dev", "ada", key));
    });
    let given = [
        ("AWS_ACCESS_KEY_ID", key),
        ("AWS_SECRET_ACCESS_KEY", KEYS),
        ("AWS_SESSION_TOKEN", session.as_str()),
        ("HOLDFAST_GIT_TOKEN", GIT),
    ];
    let watch = Watch::over(rig.home.folder.path());
    rig.work(&given);
    rig.run("--sandbox status", &given).well();
    std::thread::sleep(Duration::from_millis(100));
    let seen = watch.end();
    assert!(rig.answered("StartSession") > 3);
    let command = super::program::PROGRAM;
    let served = |line: &str| line.contains("sandbox serve");
    assert!(seen.ours.iter().any(|line| served(line)), "{:?}", seen.ours);
    let without =
        |(line, what): &&(String, &str)| !line.starts_with(command) || served(line) || *what == "arguments";
    let others: Vec<_> = seen.marked.iter().filter(without).collect();
    assert_eq!(others, Vec::<&(String, &str)>::new());
    rig.assert_kept();
}

#[test]
fn the_search_finds_what_leaks() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(marked(folder.path()), Vec::<PathBuf>::new());
    let write = |name: &str, bytes: &[u8]| {
        let path = folder.path().join("deep").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, bytes).unwrap();
        path
    };
    let in_base64 = |before: &str| BASE64_STANDARD_NO_PAD.encode(format!("{before}{MARK}after"));
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(format!("in an archive: {MARK}").as_bytes()).unwrap();
    let mut planted = vec![
        write("plain", format!("a token: {}", MARK.to_uppercase()).as_bytes()),
        write("one", in_base64("").as_bytes()),
        write("two", in_base64("a").as_bytes()),
        write("three", in_base64("ab").as_bytes()),
        write("session", b"AAEAA0123456789abcdef0123"),
        write("x.gz", &packed.finish().unwrap()),
    ];
    write("innocent", b"AAEAA%2B0123 and m4rked");
    let mut found = marked(folder.path());
    planted.sort();
    found.sort();
    assert_eq!(found, planted);

    let watch = Watch::over(folder.path());
    let mut child = Command::new("sleep")
        .arg("5")
        .env("HAS", MARK)
        .env("HOLDFAST_STATE_DIR", folder.path())
        .spawn()
        .unwrap();
    eventually(|| {
        watch.seen.lock().unwrap().marked.contains(&("sleep 5".to_owned(), "environment")).then_some(())
    });
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(watch.end().ours.contains("sleep 5"));
}
