//! The zellij sessions on the machine: a list of them, and an end to one. Each costs a session through SSM.

use holdfast_core::app::harmless::harmless;
use holdfast_core::names::SessionName;
use holdfast_core::script::{self, NO_SESSION, NO_USER, NO_ZELLIJ};
use holdfast_core::sessions::{ZellijSession, parse};

use crate::problem::Problem;
use crate::remote::{Answer, Machine};

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
        status => Problem::new("sessions", "The machine's sessions cannot be had")
            .because(format!("status {status} {}", harmless(&String::from_utf8_lossy(&answer.err), 300))),
    }
}
