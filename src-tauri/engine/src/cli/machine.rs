//! Commands that change the machine: plan, apply, up, destroy and power.

use std::io::IsTerminal;

use holdfast_core::plan::{self, Goal, Leave, Plan};
use holdfast_core::status::{State, Status};
use serde::Serialize;

use super::out::{self, Style};
use super::plan::{note, render};
use super::progress::{Asking, Watcher};
use super::{Context, confirm};
use crate::converge::{Report, converge};
use crate::problem::Problem;
use crate::world::World;

/// `holdfast plan --json`.
#[derive(Serialize)]
struct PlanJson<'a> {
    version: u32,
    machine: &'a str,
    region: &'a str,
    #[serde(flatten)]
    plan: &'a Plan,
}

pub(super) async fn plan(context: &Context, json: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let observed = context.aws.observe(desired, Goal::Settings).await?;
    let plan = plan::plan(desired, &observed, Goal::Settings);
    if json {
        let (machine, region) = (desired.machine.as_str(), desired.region.as_str());
        out::json(&PlanJson { version: 1, machine, region, plan: &plan })?;
    }
    for blocked in &plan.blocked {
        out::problem(&Problem::blocked(desired, blocked));
    }
    if !plan.blocked.is_empty() {
        return Ok(3);
    }
    if !json {
        out::data(render(desired, &observed, &plan, Style::stdout()).trim_end());
        if !plan.steps.is_empty() {
            out::talk("\nNothing was changed. To do it: holdfast apply, or holdfast up to wait for the machine too");
        }
    }
    Ok(0)
}

pub(super) async fn apply(context: &Context, yes: bool) -> Result<u8, Problem> {
    let report = reach(context, "apply", Goal::Settings, asking(yes)).await?;
    if report.performed == 0 {
        out::talk("AWS matches the settings; nothing was changed.");
        notes(context, &report);
    }
    hint(context, &report);
    Ok(0)
}

pub(super) async fn up(context: &Context, yes: bool) -> Result<u8, Problem> {
    reach(context, "up", Goal::Settings, asking(yes)).await?;
    let report = reach(context, "up", Goal::Reachable, asking(yes)).await?;
    out::talk(&format!("{} is on and can be reached.", context.desired.machine));
    notes(context, &report);
    hint(context, &report);
    Ok(0)
}

pub(super) async fn destroy(
    context: &Context,
    yes: bool,
    snapshot: bool,
    keep_volume: bool,
) -> Result<u8, Problem> {
    let desired = &context.desired;
    let mut leave = Leave { volume: keep_volume, snapshot };
    let observed = context.aws.observe(desired, Goal::Gone(leave)).await?;
    let has_data = observed.winners(desired).instance.is_some_and(|instance| instance.root.is_some());
    if has_data && !snapshot && !keep_volume && !yes && std::io::stdin().is_terminal() {
        leave.snapshot = confirm("Take a last snapshot of the volume, which stays and costs on? [y/N] ");
    }
    let asking = if yes { Asking::Given } else { Asking::Name(desired.machine.as_str()) };
    let report = reach(context, "destroy", Goal::Gone(leave), asking).await?;
    if report.performed == 0 {
        out::talk("There is nothing to remove.");
    } else {
        out::talk(&format!("{} is gone.", desired.machine));
    }
    for snapshot in report.observed.snapshots.all().iter().filter(|_| leave.snapshot) {
        out::data(snapshot.id.as_str());
    }
    Ok(0)
}

pub(super) async fn start(context: &Context, yes: bool) -> Result<u8, Problem> {
    must_exist(context, Goal::Reachable).await?;
    let report = reach(context, "start", Goal::Reachable, asking(yes)).await?;
    out::talk(&format!("{} is on and can be reached.", context.desired.machine));
    hint(context, &report);
    Ok(0)
}

pub(super) async fn stop(context: &Context, yes: bool) -> Result<u8, Problem> {
    must_exist(context, Goal::Stopped).await?;
    let report = reach(context, "stop", Goal::Stopped, asking(yes)).await?;
    let costs = Status::of(&context.desired, &report.observed).monthly_now.total();
    let costs = costs.map(|money| format!("; its volume costs {money} a month")).unwrap_or_default();
    out::talk(&format!("{} is off{costs}.", context.desired.machine));
    Ok(0)
}

pub(super) async fn restart(context: &Context, yes: bool) -> Result<u8, Problem> {
    must_exist(context, Goal::Stopped).await?;
    reach(context, "restart", Goal::Stopped, asking(yes)).await?;
    let report = reach(context, "restart", Goal::Reachable, Asking::Given).await?;
    out::talk(&format!("{} is on again and can be reached.", context.desired.machine));
    hint(context, &report);
    Ok(0)
}

/// Converges with the person at the terminal as witness.
pub(super) async fn reach(
    context: &Context,
    operation: &str,
    goal: Goal,
    asking: Asking<'_>,
) -> Result<Report, Problem> {
    let watcher = Watcher::new(&context.desired, asking);
    let result = converge(&context.aws, &context.store, operation, &context.desired, goal, &watcher).await;
    watcher.done();
    result
}

fn asking<'a>(yes: bool) -> Asking<'a> {
    if yes { Asking::Given } else { Asking::YesOrNo }
}

async fn must_exist(context: &Context, goal: Goal) -> Result<(), Problem> {
    let observed = context.aws.observe(&context.desired, goal).await?;
    match Status::of(&context.desired, &observed).state {
        State::Absent => Err(Problem::no_machine(&context.desired)),
        State::Starting | State::On | State::Stopping | State::Off | State::Ending | State::Unknown => Ok(()),
    }
}

fn notes(context: &Context, report: &Report) {
    for found in plan::decide(&context.desired, &report.observed, Goal::Settings).notes {
        out::talk(&format!("{} {}", Style::stderr().yellow("Note:"), note(&context.desired, &found)));
    }
}

fn hint(context: &Context, report: &Report) {
    if let Some((command, does)) = Status::of(&context.desired, &report.observed).hint() {
        out::talk(&format!("{} {command}  {}", Style::stderr().soft("→"), Style::stderr().soft(does)));
    }
}
