//! `holdfast power`: when the machine switches itself off.

use clap::Subcommand;
use holdfast_core::machine::ConfigSource;
use holdfast_core::plan::Goal;
use holdfast_core::power::{self, Power, Span};
use holdfast_core::status::{State, Status};
use serde::Serialize;

use super::out::{self, Style};
use super::session::reachable;
use super::{Context, when};
use crate::power::{keep, status};
use crate::problem::Problem;
use crate::remote::Machine;
use crate::world::World as _;

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Keep it on: what it has announced does not happen, and nothing of the kind does before the time is over.
    ///
    /// Without a time what is announced is taken back, or else the next time of day; the idle minutes begin anew.
    Keep {
        /// For how long: 45m, 2h, 1d; a week at most.
        time: Option<Span>,
    },
}

/// `holdfast power --json`, version 1: `settings`, what is to be so; and `machine`, what is in force there, null where nothing is.
#[derive(Serialize)]
struct PowerJson<'a> {
    version: u32,
    settings: Rule<'a>,
    machine: Option<&'a Power>,
}

#[derive(Serialize)]
struct Rule<'a> {
    off_at: Option<&'a str>,
    off_when_idle: Option<u32>,
}

pub(super) async fn run(context: &Context, command: Option<Command>, json: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let seen = Status::of(desired, &context.aws.observe(desired, Goal::Reachable).await?);
    // Nobody has to start it to read this.
    if command.is_none() && !json && matches!(seen.state, State::Off | State::Stopping) {
        let why = seen.instance.and_then(|instance| instance.went_off).map(|why| format!(" {why}"));
        out::data(&format!("{} is {}.{}", seen.machine, seen.state.word(), why.unwrap_or_default()));
        return Ok(0);
    }
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    if let Some(Command::Keep { time }) = command {
        out::talk(&keep(machine, time.as_ref()).await?);
        return Ok(0);
    }
    let found = status(machine).await?;
    if json {
        let settings = Rule {
            off_at: desired.off_at.as_ref().map(|at| at.as_str()),
            off_when_idle: desired.off_when_idle,
        };
        out::json(&PowerJson { version: 1, settings, machine: found.as_ref() })?;
        return Ok(0);
    }
    out::data(&render(desired.machine.as_str(), found.as_ref()));
    let wanted = power::rule(desired.off_at.as_ref(), desired.off_when_idle);
    let agrees = found.as_ref().map_or(wanted.is_none(), |found| found.is_as(desired));
    let style = Style::stderr();
    let hint = |command: &str, does: &str| {
        out::talk(&format!("{} {command}  {}", style.soft("→"), style.soft(does)))
    };
    // Its own configuration may say more than the settings can.
    if !agrees && desired.config == ConfigSource::Embedded {
        let wanted = wanted.unwrap_or_else(|| "never".to_owned());
        out::talk(&format!("The settings say: {wanted}."));
        hint("holdfast rebuild", "brings that onto the machine");
    } else if found.is_none() {
        hint("holdfast settings set off_when_idle 45", "switches it off when nobody needs it");
    } else if found.as_ref().is_some_and(|found| found.announced) {
        hint("holdfast power keep", "keeps it on");
    }
    Ok(0)
}

fn render(name: &str, found: Option<&Power>) -> String {
    let rule = found.and_then(|found| power::rule(found.off_at.as_ref(), found.off_when_idle));
    let (Some(found), Some(rule)) = (found, rule) else {
        return format!("{name} does not switch itself off.");
    };
    let mut lines = vec![format!("{name} switches itself off {rule}.")];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:12}{value}"));
    if let Some(next) = &found.next {
        let announced = if found.announced { ", announced in its terminals" } else { "" };
        row("next", format!("{} {}, {}{announced}", next.text, found.zone, next.why.words()));
    }
    if let Some(at) = &found.not_at {
        row("not", format!("{at} {}: that was taken back", found.zone));
    }
    if let Some(until) = &found.kept_until {
        row("kept on", format!("until {until} {}", found.zone));
    }
    match (found.off_when_idle, found.busy, found.quiet) {
        (None, _, _) => {}
        (Some(_), Some(busy), _) => row("needed", busy.words().to_owned()),
        (Some(_), None, Some(quiet)) => row("idle", format!("for {}", when::span(quiet))),
        (Some(_), None, None) => {}
    }
    if let Some(went) = &found.went_off {
        row("went off", format!("{} {}, {}", went.text, found.zone, went.why.words()));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_force_is_told() {
        let of = |answer: &str| render("remote-dev", Power::parse(answer.as_bytes()).ok().as_ref());
        insta::assert_snapshot!(render("remote-dev", None), @"remote-dev does not switch itself off.");
        insta::assert_snapshot!(of("zone=CET\noff_at=22:30\noff=9\noff_text=22:30 on Mon, 3 Mar\noff_why=off_at\nannounced=1\n\nend\n"), @"
        remote-dev switches itself off at 22:30.
          next        22:30 on Mon, 3 Mar CET, as off_at says, announced in its terminals
        ");
        insta::assert_snapshot!(of("zone=UTC\noff_at=22:30\noff_when_idle=45\nskip=22:30 on Mon, 3 Mar\nquiet=720\nwent_off=1\nwent_off_text=22:30 on Sun, 2 Mar\nwent_off_why=off_when_idle\n\nend\n"), @"
        remote-dev switches itself off at 22:30, and when nobody has needed it for 45 minutes.
          not         22:30 on Mon, 3 Mar UTC: that was taken back
          idle        for 12 min
          went off    22:30 on Sun, 2 Mar UTC, since nobody has needed it
        ");
        insta::assert_snapshot!(of("zone=UTC\noff_when_idle=45\nkeep=23:00 on Mon, 3 Mar\nbusy=agent\n\nend\n"), @"
        remote-dev switches itself off when nobody has needed it for 45 minutes.
          kept on     until 23:00 on Mon, 3 Mar UTC
          needed      an agent is at work
        ");
    }
}
