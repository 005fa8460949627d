//! `holdfast replace`: another instance in the place of the one that is there, with its home.

use clap::Args;
use holdfast_core::machine::{Fact, Observed, TAG_COPY, TAG_HOME};
use holdfast_core::plan::{self, Goal, Keep};

use super::jobs::bring_up;
use super::machine::{asking, hint, reach};
use super::out::{self, Style};
use super::progress::Asking;
use super::{Context, Yes};
use crate::problem::{Exit, Problem};
use crate::world::World;

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
    let desired = &context.desired;
    let observed = context.aws.observe(desired, Goal::Replaced).await?;
    if matches!(observed.instances, Fact::Present(_) | Fact::Absent)
        && observed.winners(desired).instance.is_none()
    {
        return Err(Problem::no_machine(desired));
    }
    match args {
        Replace { cancel: true, yes, .. } => cancel(context, &observed, yes.yes).await,
        Replace { let_go: true, yes, .. } => let_go(context, &observed, yes.yes).await,
        Replace { back: true, yes, .. } => back(context, &observed, yes.yes).await,
        Replace { yes, .. } => begin(context, &observed, Goal::Replaced, "replace", yes.yes).await,
    }
}

/// Brings a replacement to its end, and the new machine to what is declared.
pub(super) async fn begin(
    context: &Context,
    observed: &Observed,
    goal: Goal,
    operation: &str,
    yes: bool,
) -> Result<u8, Problem> {
    let desired = &context.desired;
    let winners = observed.winners(desired);
    // One that has its place is not over while something is left to be put away.
    let over = !was_begun(context, operation)?
        && !observed.volumes.all().iter().any(|volume| volume.tags.contains_key(TAG_COPY));
    if let Some(old) = plan::kept_instances(desired, observed).next().filter(|_| over) {
        return Err(Problem::new("still_kept", format!("{} was replaced, and is still kept", old.id))
            .because("one at a time: what is kept is the way back from the last replacement")
            .hint("let it go: holdfast replace --let-go")
            .hint("or go back to it: holdfast replace --back")
            .exit(Exit::Refused));
    }
    let (asked, under_way) = (desired.home_from.as_ref().map(ToString::to_string), winners.successor);
    if let (Some(asked), Some(new)) = (asked, under_way)
        && new.tags.get(TAG_HOME) != Some(&asked)
    {
        return Err(Problem::new(
            "replacing",
            format!("{} is on its way already, with another home", new.id),
        )
        .hint("go on with that: holdfast replace")
        .hint("or take it back: holdfast replace --cancel")
        .exit(Exit::Refused));
    }
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
    let desired = &context.desired;
    if observed.winners(desired).successor.is_none() && !was_begun(context, "replace --cancel")? {
        return Err(nothing("There is no replacement to take back"));
    }
    let report = reach(context, "replace --cancel", Goal::Only(Keep::Machine), asking(yes)).await?;
    out::talk(&format!("{} is what it was before.", desired.machine));
    hint(context, &report);
    Ok(0)
}

async fn let_go(context: &Context, observed: &Observed, yes: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let none = plan::kept_instances(desired, observed).next().is_none();
    if none && !was_begun(context, "replace --let-go")? {
        return Err(nothing("No instance is kept"));
    }
    let asking = if yes { Asking::Given } else { Asking::Name(desired.machine.as_str()) };
    reach(context, "replace --let-go", Goal::Only(Keep::Machine), asking).await?;
    out::talk("The old instance and its volume are gone; its last snapshot is kept: holdfast snapshot list");
    Ok(0)
}

async fn back(context: &Context, observed: &Observed, yes: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let none = plan::kept_instances(desired, observed).next().is_none();
    if none && !was_begun(context, "replace --back")? {
        return Err(nothing("No instance is kept that one could go back to"));
    }
    let asking = if yes { Asking::Given } else { Asking::Name(desired.machine.as_str()) };
    let report = reach(context, "replace --back", Goal::Only(Keep::Former), asking).await?;
    out::talk(&format!("{} is the old instance again.", desired.machine));
    hint(context, &report);
    Ok(0)
}

/// Whether this computer was interrupted in it, and has not seen its end.
fn was_begun(context: &Context, operation: &str) -> Result<bool, Problem> {
    let intent = context.store.intent(&context.desired.key()).read()?;
    Ok(intent.is_some_and(|intent| intent.operation == operation))
}

fn nothing(what: &str) -> Problem {
    Problem::new("nothing_to_replace", what).hint("see what is there: holdfast plan").exit(Exit::Refused)
}
