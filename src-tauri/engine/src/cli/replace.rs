//! `holdfast replace`: another instance in the place of the one that is there, with its home.

use clap::Args;
use holdfast_core::machine::Observed;
use holdfast_core::plan::{self, Goal, Keep, NoSwap, Swap};
use holdfast_core::status::{State, Status};

use super::jobs::bring_up;
use super::machine::{asking, hint, reach};
use super::out::{self, Style};
use super::progress::Asking;
use super::{Context, Yes};
use crate::problem::Problem;

/// What is to become of it; without a word it is begun, or gone on with.
#[derive(Args, Debug)]
#[group(id = "end", multiple = false, args = ["cancel", "let_go", "back"])]
pub(super) struct Replace {
    /// Take back a replacement that has not come to its end: the new instance goes, the old one stays the machine.
    #[arg(long)]
    cancel: bool,
    /// Let the instance go that was replaced, with its volume.
    #[arg(long)]
    let_go: bool,
    /// Go back to the instance that was replaced, as it was then; the new one goes, with all that was done on it.
    #[arg(long)]
    back: bool,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn replace(context: &Context, args: &Replace) -> Result<u8, Problem> {
    let observed = context.observe(Goal::Replaced).await?;
    match args {
        Replace { cancel: true, yes, .. } => cancel(context, &observed, yes.yes).await,
        Replace { let_go: true, yes, .. } => let_go(context, &observed, yes.yes).await,
        Replace { back: true, yes, .. } => back(context, &observed, yes.yes).await,
        Replace { yes, .. } => begin(context, &observed, "replace", yes.yes).await,
    }
}

/// The goal of what is asked for. Where this computer was interrupted in it and has not seen its end, it may be over but for that.
fn goal(context: &Context, observed: &Observed, operation: &str, asked: Swap) -> Result<Goal, Problem> {
    let desired = &context.desired;
    let intent = context.store.intent(&desired.key()).read()?;
    let begun = intent.filter(|intent| intent.operation == operation);
    match (plan::swap(desired, observed, asked), begun) {
        (Err(NoSwap::StillKept { .. } | NoSwap::NotBegun | NoSwap::NoneKept), Some(_)) => Ok(asked.goal()),
        // Done, and let go of already: another one in the place of the new one is not what was asked for.
        (Ok(Goal::Replaced), Some(begun)) if plan::is_done(desired, observed, begun.machine.as_deref()) => {
            Ok(Goal::Only(Keep::Incumbent))
        }
        (result, _) => result.map_err(|why| Problem::no_swap(desired, &why)),
    }
}

/// Brings a replacement to its end, and the new machine to what is declared.
pub(super) async fn begin(
    context: &Context,
    observed: &Observed,
    operation: &str,
    yes: bool,
) -> Result<u8, Problem> {
    let desired = &context.desired;
    let goal = goal(context, observed, operation, Swap::Replace)?;
    reach(context, operation, goal, asking(yes)).await?;
    let report = reach(context, operation, Goal::Reachable, Asking::Given).await?;
    out::talk(&format!("{} is on, with its home, and can be reached.", desired.machine));
    if let Some(instance) = report.observed.winners(desired).instance {
        bring_up(context, &instance.id, yes).await?;
    }
    let style = Style::stderr();
    if plan::kept_instances(desired, &report.observed).next().is_some() {
        out::talk(&format!(
            "{} holdfast replace --let-go  {}",
            style.soft("→"),
            style.soft("when all is well; until then the old instance is kept, off, and its volume costs on")
        ));
    }
    hint(context, &report);
    Ok(0)
}

async fn cancel(context: &Context, observed: &Observed, yes: bool) -> Result<u8, Problem> {
    let goal = goal(context, observed, "replace --cancel", Swap::TakeBack)?;
    let report = reach(context, "replace --cancel", goal, asking(yes)).await?;
    let machine = &context.desired.machine;
    let state = Status::of(&context.desired, &report.observed).state;
    let off = if matches!(state, State::Off | State::Stopping) { ", and off" } else { "" };
    out::talk(&format!("{machine} is what it was before{off}."));
    hint(context, &report);
    Ok(0)
}

async fn let_go(context: &Context, observed: &Observed, yes: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let goal = goal(context, observed, "replace --let-go", Swap::LetGo)?;
    let mut old = plan::kept_instances(desired, observed);
    let left = old.find_map(|old| plan::last_state(observed, &old.id));
    let asking = if yes { Asking::Given } else { Asking::Name(desired.machine.as_str()) };
    reach(context, "replace --let-go", goal, asking).await?;
    out::talk("The old instance and its volume are gone.");
    if let Some(left) = left {
        out::talk(&format!("Its last state is kept as {}: holdfast snapshot list", left.id));
    }
    Ok(0)
}

async fn back(context: &Context, observed: &Observed, yes: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let goal = goal(context, observed, "replace --back", Swap::GoBack)?;
    let asking = if yes { Asking::Given } else { Asking::Name(desired.machine.as_str()) };
    let report = reach(context, "replace --back", goal, asking).await?;
    out::talk(&format!("{} is the old instance again.", desired.machine));
    hint(context, &report);
    Ok(0)
}
