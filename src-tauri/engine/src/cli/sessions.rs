//! `holdfast sessions`: what runs on the machine, and an end to it.

use clap::Subcommand;
use holdfast_core::names::SessionName;
use holdfast_core::sessions::{ZellijSession, age_in_words};
use serde::Serialize;

use super::ask::confirm;
use super::session::reachable;
use super::{Context, out};
use crate::problem::{Exit, Problem};
use crate::remote::Machine;
use crate::sessions;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// End a session and everything that runs in it, or forget one that has ended.
    Kill {
        /// The session.
        name: SessionName,
        /// Do not ask.
        #[arg(long, short)]
        yes: bool,
    },
}

/// What `sessions --json` prints.
#[derive(Serialize)]
struct Listed {
    version: u32,
    sessions: Vec<ZellijSession>,
}

pub(super) async fn list(context: &Context, json: bool) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let sessions = sessions::list(machine).await?;
    if json {
        out::json(&Listed { version: 1, sessions })?;
    } else {
        out::page(&table(&sessions));
    }
    Ok(0)
}

fn table(sessions: &[ZellijSession]) -> String {
    if sessions.is_empty() {
        return "No sessions. holdfast connect makes one.".to_owned();
    }
    let width = sessions.iter().map(|session| session.shown.chars().count()).max().unwrap_or_default();
    let row = |session: &ZellijSession| {
        let age = session.age.map_or_else(|| "?".to_owned(), age_in_words);
        let state = match (session.live, session.panes) {
            (true, Some(1)) => format!("live, 1 pane, {age} old"),
            (true, Some(panes)) => format!("live, {panes} panes, {age} old"),
            (true, None) => format!("live, {age} old"),
            (false, _) => format!("ended {age} ago; connecting opens it again"),
        };
        format!("{:width$}  {state}", session.shown)
    };
    sessions.iter().map(row).collect::<Vec<_>>().join("\n")
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8, Problem> {
    let Command::Kill { name, yes } = command;
    let instance = reachable(context).await?;
    let question = format!("End the session {name} and everything that runs in it? [y/N] ");
    if !yes && !confirm(&question).await {
        return Err(Problem::new("no_consent", "Nothing was ended")
            .hint("say yes at the prompt, or add --yes")
            .exit(Exit::Refused));
    }
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let ended = sessions::end(machine, &name).await;
    context.did("sessions kill", format!("End the session {name}"), &ended).await;
    ended?;
    out::talk(&format!("The session {name} is gone."));
    Ok(0)
}
