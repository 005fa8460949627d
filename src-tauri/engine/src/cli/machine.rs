//! Commands that change the machine: plan, apply, up, destroy and power.

use holdfast_core::machine::{Observed, Power};
use holdfast_core::plan::{self, Goal, Impact, Leave, Plan};
use holdfast_core::status::{State, Status};
use serde::Serialize;

use super::Context;
use super::ask::confirm;
use super::jobs::bring_up;
use super::out::{self, Style};
use super::plan::render;
use super::progress::{Asking, Watcher, agrees_by_name};
use crate::converge::{self, Report};
use crate::problem::{Exit, Problem};
use crate::remote::{Machine, NO_SYSTEM};
use crate::space;
use crate::world::World;

/// `holdfast plan --json`, version 1. A field may be added; one that goes or changes its meaning raises the version.
///
/// - `machine`, `region`, and `goal`, which is `settings`
/// - `steps`: what would be done. `step` names its kind (`create_vpc`, …), the fields that follow say what it is about
///   (an id is `(new)` where the thing is made by an earlier step), `round` tells what can go on at the same time,
///   `impact` what it does: `costs`, `interrupts`, `loses_data`; `monthly` is null or `{"more": …}` or `{"less": …}`;
///   `words` is how it is shown: `area`, `change` (`add`, `alter`, `remove`), `what`, `why`
/// - `waiting`: what has to end by itself before anything can be done
/// - `blocked`: what forbids all of it; the command ends with 3 then
/// - `notes`: what there is to know besides
/// - `drift`: what somebody changed outside: `what`, `right` (`settings`, `aws`, `you`), `mend`, `security`; the latter come first
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
    let applied = context.store.applied(&desired.key())?;
    let observed = Observed { applied, ..context.aws.observe(desired, Goal::Settings).await? };
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
        out::page(render(desired, &observed, &plan, Style::stdout()).trim_end());
        if !plan.steps.is_empty() {
            let style = Style::stderr();
            out::talk("\nNothing was changed.");
            out::talk(&format!("{0} holdfast apply  {1}", style.soft("→"), style.soft("does it")));
            let up = "does it, and waits until the machine can be reached";
            out::talk(&format!("{0} holdfast up     {1}", style.soft("→"), style.soft(up)));
        }
    }
    Ok(0)
}

pub(super) async fn apply(context: &Context, yes: bool) -> Result<u8, Problem> {
    let report = reach(context, "apply", Goal::Settings, asking(yes)).await?;
    let code = end(context, &report).await?;
    if report.performed == 0 {
        out::talk("AWS matches the settings; nothing was changed.");
        notes(context, &report);
    }
    hint(context, &report);
    Ok(code)
}

/// What there is to do and to say when AWS is as near to the settings as it can come: how the command ends.
pub(super) async fn end(context: &Context, report: &Report) -> Result<u8, Problem> {
    if report.grown {
        take_space(context, report).await?;
        context.store.intent(&context.desired.key()).clear()?;
    }
    let Some(shortage) = &report.shortage else { return Ok(0) };
    let keeps = "the settings keep the type; it is tried again by: holdfast apply";
    out::problem(&shortage.clone().hint(keeps));
    Ok(Exit::Problem as u8)
}

/// The machine's file system takes the space that the volume has.
async fn take_space(context: &Context, report: &Report) -> Result<(), Problem> {
    let winners = report.observed.winners(&context.desired);
    let (Some(instance), Some(volume)) = (winners.instance, winners.volume) else { return Ok(()) };
    if instance.power != Power::Running {
        out::talk(&format!("Its file system takes the {} GiB when it starts.", volume.size));
        return Ok(());
    }
    // It is on, so this only waits for its agent.
    reach(context, "apply", Goal::Reachable, Asking::Given).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance.id };
    match space::grow(machine, volume.size).await {
        Ok(space) => {
            let gib = |bytes: u64| format!("{:.1}", bytes as f64 / f64::from(1 << 30));
            let (before, size, used) = (gib(space.size_before), gib(space.size), gib(space.used));
            out::talk(&format!(
                "Its file system has {size} GiB, {used} of them used; before it had {before}."
            ));
            Ok(())
        }
        Err(problem) if problem.code == NO_SYSTEM => Ok(()),
        Err(problem) => Err(problem),
    }
}

pub(super) async fn up(context: &Context, yes: bool) -> Result<u8, Problem> {
    let settled = reach(context, "up", Goal::Settings, asking(yes)).await?;
    let report = reach(context, "up", Goal::Reachable, asking(yes)).await?;
    out::talk(&format!("{} is on and can be reached.", context.desired.machine));
    notes(context, &report);
    if let Some(instance) = report.observed.winners(&context.desired).instance {
        bring_up(context, &instance.id, yes).await?;
    }
    let code = end(context, &settled).await?;
    hint(context, &report);
    Ok(code)
}

pub(super) async fn destroy(
    context: &Context,
    yes: bool,
    snapshot: bool,
    keep_volume: bool,
) -> Result<u8, Problem> {
    let desired = &context.desired;
    let mut leave = Leave { volume: keep_volume, snapshot };
    let observed = context.observe(Goal::Gone(leave)).await?;
    let size = observed.winners(desired).volume.map(|volume| volume.size);
    if let Some(size) = size.filter(|_| !snapshot && !keep_volume && !yes) {
        let question =
            format!("Take a last snapshot of the volume ({size} GiB)? It stays and costs on. [y/N] ");
        leave.snapshot = confirm(&question).await;
    }
    let plan = plan::plan(desired, &observed, Goal::Gone(leave));
    let mut asking = if yes { Asking::Given } else { Asking::Name(desired.machine.as_str()) };
    if !yes && !plan.steps.is_empty() && plan.impact() == Impact::NONE {
        // What is left costs and holds nothing, yet it goes for ever.
        out::talk(&render(desired, &observed, &plan, Style::stderr()));
        if !agrees_by_name(desired.machine.as_str()).await {
            return Err(Problem::no_consent(Goal::Gone(leave)));
        }
        asking = Asking::Seen(desired.machine.as_str());
    }
    // Whoever goes on after an interruption is to be told of what was to be left.
    let mut operation = "destroy".to_owned();
    operation += if leave.snapshot { " --snapshot" } else { "" };
    operation += if leave.volume { " --keep-volume" } else { "" };
    let report = reach(context, &operation, Goal::Gone(leave), asking).await?;
    if report.performed == 0 {
        out::talk("There is nothing to remove.");
    } else {
        out::talk(&format!("{} is gone.", desired.machine));
    }
    let kept = context.aws.snapshots(desired).await.map_or(0, |snapshots| snapshots.len());
    if kept > 0 {
        let what =
            if kept == 1 { "1 snapshot of it is".to_owned() } else { format!("{kept} snapshots of it are") };
        out::talk(&format!("{what} kept, and costs on: holdfast snapshot list"));
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
    let watcher = Watcher::new(&context.desired, asking(yes)).of(context);
    let report = converge::restart(&context.aws, &context.store, &context.desired, &watcher).await?;
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
    let watcher = Watcher::new(&context.desired, asking).of(context);
    converge::converge(&context.aws, &context.store, operation, &context.desired, goal, &watcher).await
}

pub(super) fn asking<'a>(yes: bool) -> Asking<'a> {
    if yes { Asking::Given } else { Asking::YesOrNo }
}

async fn must_exist(context: &Context, goal: Goal) -> Result<(), Problem> {
    let observed = context.observe(goal).await?;
    match Status::of(&context.desired, &observed).state {
        State::Absent => Err(Problem::no_machine(&context.desired)),
        State::Starting | State::On | State::Stopping | State::Off | State::Ending | State::Unknown => Ok(()),
    }
}

fn notes(context: &Context, report: &Report) {
    for found in plan::decide(&context.desired, &report.observed, Goal::Settings).notes {
        out::talk(&format!("{} {}", Style::stderr().yellow("Note:"), found.words(&context.desired)));
    }
}

pub(super) fn hint(context: &Context, report: &Report) {
    if let Some((command, does)) = Status::of(&context.desired, &report.observed).hint() {
        out::talk(&format!("{} {command}  {}", Style::stderr().soft("→"), Style::stderr().soft(does)));
    }
}
