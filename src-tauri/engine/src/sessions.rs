//! The zellij sessions on the machine: a list of them, and an end to one. Each costs a session through SSM.

use holdfast_core::app::harmless::harmless;
use holdfast_core::names::SessionName;
use holdfast_core::script::{self, NO_SESSION, NO_USER, NO_ZELLIJ};
use holdfast_core::sessions::{ZellijSession, parse};

use crate::problem::Problem;
use crate::remote::{self, Answer, Machine};

/// The code of the problem that there is no such session.
pub const GONE: &str = "no_session";

/// The sessions of the machine's user, the live ones first.
///
/// # Errors
/// The machine has no zellij or not its user, cannot be reached, or answers nonsense.
pub async fn list(machine: Machine<'_>) -> Result<Vec<ZellijSession>, Problem> {
    let nonce = uuid::Uuid::new_v4().simple().to_string();
    let answer = machine.run(&script::sessions(&machine.desired.user, &nonce)).await?;
    if answer.status != 0 {
        return Err(failed(machine, &answer));
    }
    parse(&answer.out, &nonce).map_err(|error| Problem::new("garbled", error.to_string()))
}

/// Ends a session and everything that runs in it, or forgets one that has ended.
///
/// # Errors
/// [`GONE`], or what [`list`] may meet; or it is still there afterwards.
pub async fn end(machine: Machine<'_>, name: &SessionName) -> Result<(), Problem> {
    let answer = machine.run(&script::kill_session(&machine.desired.user, name)).await?;
    match answer.status {
        0 => Ok(()),
        NO_SESSION => Err(Problem::new(GONE, format!("There is no session {name}"))
            .hint("see which there are: holdfast sessions")),
        _ => Err(failed(machine, &answer)),
    }
}

fn failed(machine: Machine<'_>, answer: &Answer) -> Problem {
    let user = &machine.desired.user;
    match answer.status {
        NO_ZELLIJ => Problem::new("no_zellij", "The machine has no zellij, so there are no sessions on it")
            .hint("holdfast connect opens a plain shell"),
        NO_USER => Problem::new(
            "no_user",
            format!("The machine has no user {user} before its configuration is applied"),
        ),
        script::NO_SYSTEM => Problem::new(remote::NO_SYSTEM, "A machine of the sandbox has no sessions")
            .because("it is a shell on this computer"),
        status => Problem::new("sessions", "The machine's sessions cannot be had")
            .because(format!("status {status} {}", harmless(&String::from_utf8_lossy(&answer.err), 300))),
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::env;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt as _;
    use std::process::{Command, Stdio};
    use std::thread::sleep;
    use std::time::Duration;

    use holdfast_core::script;

    /// zellij loses the client of a session that is ended now and then, and still lists it for a moment.
    #[test]
    fn a_session_that_was_ended_is_not_brought_back_by_whoever_is_attached() {
        let home = tempfile::tempdir().unwrap();
        let fakes = [
            ("sudo", "shift 3; exec \"$@\""),
            ("getent", "echo ada:x:4242:4242::/:$HOME/login"),
            ("id", "echo 4242"),
            ("login", "shift; exec sh \"$@\""),
            ("loginctl", ""),
            ("timeout", "shift; exec \"$@\""),
            (
                "zellij",
                "cd \"$HOME\"; case \"$*\" in
                'list-sessions --no-formatting') [ -e gone ] || echo 'work [Created 1s ago] ' ;;
                'list-sessions --short') [ -e ended ] || echo work ;;
                'delete-session --force work') touch ended ;;
                'attach work') echo >>attached; until [ -e ended ]; do sleep .1; done; exit 1 ;;
                *) echo \"$*\" >>unknown ;;
                esac",
            ),
        ];
        for (name, body) in fakes {
            let path = home.path().join(name);
            fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        }
        let path = format!("{}:{}", home.path().display(), env::var("PATH").unwrap());
        let start = |script: String| {
            let mut shell = Command::new("sh");
            shell
                .args(["-c", &script])
                .env("HOME", home.path())
                .env("PATH", &path)
                .env("HOLDFAST_GUEST", "test");
            shell.env_remove("XDG_RUNTIME_DIR").stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap()
        };
        let (user, session) = ("ada".parse().unwrap(), "work".parse().unwrap());
        let attached = start(script::attach(&user, &session, "n0nce", "t0", 3));
        while !home.path().join("attached").exists() {
            sleep(Duration::from_millis(20));
        }
        assert_eq!(start(script::kill_session(&user, &session)).wait().unwrap().code(), Some(0));
        let out = attached.wait_with_output().unwrap();
        let said = String::from_utf8(out.stdout).unwrap();
        assert!(said.ends_with("\x1b_holdfast;n0nce;ended;1\x1b\\"), "{said:?}");
        assert_eq!(fs::read_to_string(home.path().join("attached")).unwrap(), "\n");

        // Nor by the same terminal, whose line was down meanwhile.
        fs::write(home.path().join("gone"), "").unwrap();
        let again = start(script::attach(&user, &session, "n1nce", "t0", 4)).wait_with_output().unwrap();
        assert_eq!(again.stdout, b"\x1b_holdfast;n1nce;ended;0\x1b\\");
        assert_eq!(fs::read_to_string(home.path().join("attached")).unwrap(), "\n");
        assert!(!home.path().join("unknown").exists());
    }
}
