//! `holdfast status`.

use std::time::Duration;

use holdfast_core::plan::Goal;
use holdfast_core::price::Money;
use holdfast_core::status::{State, Status};

use super::Context;
use super::out::{self, Style};
use crate::problem::Problem;
use crate::world::World;

/// The pause between two looks of `--watch`: while something changes, and else.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(15));

pub(super) async fn run(context: &Context, json: bool, watch: bool) -> Result<u8, Problem> {
    let mut shown = None;
    loop {
        let observed = context.aws.observe(&context.desired, Goal::Reachable).await?;
        let status = Status::of(&context.desired, &observed);
        if shown.as_ref() != Some(&status) {
            if json {
                out::json(&status)?;
            } else {
                out::data(&render(&status, Style::stdout()));
            }
        }
        if !watch {
            if !json {
                interrupted(context)?;
                hint(&status);
            }
            return Ok(0);
        }
        let changing = matches!(status.state, State::Starting | State::Stopping | State::Ending)
            || (status.state == State::On && status.reachable == Some(false));
        shown = Some(status);
        tokio::time::sleep(if changing { PAUSES.0 } else { PAUSES.1 }).await;
    }
}

/// Says that an operation did not come to its end, and how to end it.
fn interrupted(context: &Context) -> Result<(), Problem> {
    if let Some(intent) = context.store.intent(&context.desired.key()).read()? {
        let command = &intent.operation;
        out::talk(&format!("{command} did not come to its end. To go on: holdfast {command}"));
    }
    Ok(())
}

fn hint(status: &Status) {
    let style = Style::stderr();
    if let Some((command, does)) = status.hint() {
        out::talk(&format!("{} {command}  {}", style.soft("→"), style.soft(does)));
    }
}

fn render(status: &Status, style: Style) -> String {
    let word = match status.state {
        State::On => style.green(status.state.word()),
        State::Unknown => style.red(status.state.word()),
        State::Starting | State::Stopping | State::Ending => style.yellow(status.state.word()),
        State::Absent | State::Off => style.soft(status.state.word()),
    };
    let mut lines = vec![format!("{} is {word}", style.bold(&status.machine))];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:12}{value}"));
    if let Some(instance) = &status.instance {
        row("instance", format!("{}, {} in {}", instance.id, instance.instance_type, instance.zone));
        if let Some(size) = instance.volume_size {
            row("volume", format!("{size} GiB"));
        }
        if let Some(since) = instance.started.as_ref().or(instance.stopped.as_ref()) {
            row("since", since.clone());
        }
        let reachable = match status.reachable {
            Some(true) => "yes, through SSM".to_owned(),
            Some(false) => "no, its agent does not answer".to_owned(),
            None => "not known".to_owned(),
        };
        row("reachable", reachable);
    } else {
        row("region", status.region.clone());
    }
    let money = |money: Option<Money>| money.map_or_else(|| "not known".to_owned(), |m| format!("{m} a month"));
    let always = money(status.monthly.total());
    match status.state {
        State::On | State::Starting => row("costs", format!("{always} if it is on all the time")),
        State::Absent | State::Unknown => row("would cost", format!("{always} if it is on all the time")),
        State::Off | State::Stopping | State::Ending => {
            row("costs", format!("{} while it is off, {always} while it is on", money(status.monthly_now.total())));
        }
    }
    lines.join("\n")
}
