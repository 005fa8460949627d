//! What signing in costs once it is done, and how long the doctor takes: `./dev bench doctor`.
//!
//! The real command, a real keyring with a sign-in in it, and the sandbox. For the doctor AWS is 100 ms away, there and back, and a
//! new connection takes that once more.

#![cfg_attr(
    target_os = "linux",
    expect(clippy::print_stdout, clippy::unwrap_used, reason = "a benchmark prints its table, and may fail")
)]

#[cfg(target_os = "linux")]
#[path = "session/cable.rs"]
#[expect(dead_code, reason = "sessions are measured behind it")]
mod cable;
#[cfg(target_os = "linux")]
#[path = "../keyring.rs"]
mod keyring;
#[cfg(target_os = "linux")]
#[path = "session/place.rs"]
#[expect(dead_code, reason = "sessions need more of it")]
mod place;
#[cfg(target_os = "linux")]
#[path = "../program.rs"]
mod program;
#[cfg(target_os = "linux")]
#[path = "session/proxy.rs"]
mod proxy;
#[cfg(target_os = "linux")]
#[path = "session/terminal.rs"]
#[expect(dead_code, reason = "sessions need more of it")]
mod terminal;

#[cfg(not(target_os = "linux"))]
fn main() {}

#[cfg(target_os = "linux")]
fn main() {
    measured::main();
}

#[cfg(target_os = "linux")]
mod measured {
    use std::io::{BufRead as _, BufReader, Read as _, Write as _};
    use std::net::TcpStream;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};

    use holdfast_sandbox::Service;

    use crate::keyring::Keyring;
    use crate::place::Place;

    const RUNS: usize = 21;
    const EXAMINATIONS: usize = 9;
    const AWAY: Duration = Duration::from_millis(100);

    pub(super) fn main() {
        let mut place = Place::new();
        let keyring = Keyring::unlocked();
        let files = place.home().join("aws");
        std::fs::create_dir_all(&files).unwrap();
        let keys = format!(
            "aws_access_key_id = {}\naws_secret_access_key = {}\n",
            holdfast_sandbox::ACCESS_KEY,
            holdfast_sandbox::SECRET_KEY
        );
        let config = format!(
            "[sso-session team]\nsso_start_url = https://holdfast.awsapps.com/start\nsso_region = us-west-2\n\
             sso_registration_scopes = sso:account:access\n[profile team]\nsso_session = team\n\
             sso_account_id = 123456789012\nsso_role_name = AdministratorAccess\n[profile keys]\n{keys}"
        );
        std::fs::write(files.join("config"), config).unwrap();
        sign_in(&place, &keyring);

        println!(
            "| from the start of `holdfast status` to | ms (median of {RUNS}) | at most |\n| --- | --- | --- |"
        );
        let mut first = vec![];
        let (mut portal, mut signed) = (vec![], vec![]);
        for _ in 0..RUNS {
            first.push(first_calls(&place, &keyring, "keys").1);
            let (asked, called) = first_calls(&place, &keyring, "team");
            portal.push(asked.unwrap());
            signed.push(called);
        }
        row("the first signed call, with keys in a file", &mut first);
        row("the portal's being asked for credentials, with the sign-in from the keyring", &mut portal);
        row("the first signed call, with the sign-in from the keyring", &mut signed);

        println!("\n| `holdfast doctor`, AWS 100 ms away | s (median of {EXAMINATIONS}) | at most | calls |");
        println!("| --- | --- | --- | --- |");
        place.proxy.be_away(AWAY);
        let (mut times, mut calls) = (vec![], 0);
        for _ in 0..EXAMINATIONS {
            place.sandbox().clear_calls();
            let began = Instant::now();
            let output = place.holdfast("doctor").output().unwrap();
            times.push(began.elapsed().as_secs_f64());
            let said = String::from_utf8_lossy(&output.stdout).into_owned();
            assert!(said.contains("a session on it opens"), "{said}");
            calls = place.sandbox().calls().len();
        }
        times.sort_by(f64::total_cmp);
        println!(
            "| a machine that is on | {:.2} | {:.2} | {calls} |",
            times[EXAMINATIONS / 2],
            times[EXAMINATIONS - 1]
        );
    }

    /// `holdfast` as somebody with this keyring and without keys in the environment runs it.
    fn as_person(place: &Place, keyring: &Keyring, line: &str) -> Command {
        let mut command = place.holdfast(line);
        command.env_remove("AWS_ACCESS_KEY_ID").env_remove("AWS_SECRET_ACCESS_KEY");
        command.env("DBUS_SESSION_BUS_ADDRESS", keyring.address());
        command
    }

    fn sign_in(place: &Place, keyring: &Keyring) {
        let mut login = as_person(place, keyring, "login team");
        let mut login = login.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(login.stderr.take().unwrap()).lines();
        let page = lines.map_while(Result::ok).find(|line| line.contains("/authorize?")).unwrap();
        let target = place.sandbox().allow_authorization(&page).unwrap();
        let (host, path) = target.strip_prefix("http://").unwrap().split_once('/').unwrap();
        let mut stream = TcpStream::connect(host).unwrap();
        write!(stream, "GET /{path} HTTP/1.1\r\nHost: {host}\r\n\r\n").unwrap();
        let _ = stream.read_to_string(&mut String::new());
        assert!(login.wait().unwrap().success());
    }

    /// When the portal was asked, and when the first signed call came, in milliseconds.
    fn first_calls(place: &Place, keyring: &Keyring, profile: &str) -> (Option<f64>, f64) {
        let sandbox = place.sandbox();
        sandbox.clear_calls();
        let mut status = as_person(place, keyring, "status --json");
        status.env("AWS_PROFILE", profile).stdout(Stdio::null());
        let began = Instant::now();
        let mut child = status.spawn().unwrap();
        let mut portal = None;
        let called = loop {
            let calls = sandbox.calls();
            if !calls.is_empty() {
                let of_portal = calls.iter().any(|call| matches!(call.service, Service::Sso));
                portal = portal.or_else(|| of_portal.then(|| milliseconds(began)));
                if calls.iter().any(|call| !matches!(call.service, Service::Sso | Service::SsoOidc)) {
                    break milliseconds(began);
                }
            }
            assert!(began.elapsed() < Duration::from_secs(30), "nobody called");
            std::thread::sleep(Duration::from_micros(200));
        };
        assert!(child.wait().unwrap().success());
        (portal, called)
    }

    fn milliseconds(since: Instant) -> f64 {
        since.elapsed().as_secs_f64() * 1000.0
    }

    fn row(name: &str, times: &mut [f64]) {
        times.sort_by(f64::total_cmp);
        println!("| {name} | {:.0} | {:.0} |", times[times.len() / 2], times[times.len() - 1]);
    }
}
