//! A machine that switches itself off: what it says of that, and how it is kept on.

use holdfast_core::app::harmless::harmless;
use holdfast_core::power::{Power, Span};
use holdfast_core::script;

use crate::jobs::garbled;
use crate::problem::Problem;
use crate::remote::{Answer, Machine, no_system};

/// What is in force on the machine; `None` where nothing is.
///
/// # Errors
/// The machine cannot be reached, or answers nonsense.
pub async fn status(machine: Machine<'_>) -> Result<Option<Power>, Problem> {
    match ask(machine, &["status"]).await? {
        Answer { status: script::NO_POWER, .. } => Ok(None),
        Answer { status: 0, out, .. } => Power::parse(&out).map(Some).map_err(garbled),
        answer => Err(refused("The machine does not say when it goes off", &answer)),
    }
}

/// What is announced does not happen, and nothing does for so long. Gives what the machine says to that.
///
/// # Errors
/// As for [`status`], and where the machine never switches itself off.
pub async fn keep(machine: Machine<'_>, span: Option<&Span>) -> Result<String, Problem> {
    let span = span.map(ToString::to_string);
    let words: Vec<&str> = std::iter::once("keep").chain(span.as_deref()).collect();
    match ask(machine, &words).await? {
        Answer { status: script::NO_POWER, .. } => {
            Err(Problem::new("no_power", "The machine does not switch itself off, so it stays on anyway"))
        }
        Answer { status: 0, out, .. } => {
            let said = String::from_utf8_lossy(&out);
            let lines: Vec<String> = said.lines().map(|line| harmless(line, 200)).collect();
            Ok(lines.join("\n"))
        }
        answer => Err(refused("The machine is not kept on", &answer)),
    }
}

async fn ask(machine: Machine<'_>, words: &[&str]) -> Result<Answer, Problem> {
    let script = script::power(words.iter().copied());
    let script = script
        .map_err(|error| Problem::new("command", "The command cannot be sent").because(error.to_string()))?;
    let answer = machine.run(&script).await?;
    if answer.status == script::NO_SYSTEM { Err(no_system()) } else { Ok(answer) }
}

fn refused(what: &str, answer: &Answer) -> Problem {
    let said = harmless(&String::from_utf8_lossy(&answer.err), 300);
    Problem::new("power", what).because(format!("status {} {said}", answer.status))
}
