//! `holdfast status`.

use std::time::Duration;

use holdfast_core::app::harmless::harmless;
use holdfast_core::machine::{Fact, Observed, Why};
use holdfast_core::plan::Goal;
use holdfast_core::price::Money;
use holdfast_core::status::{State, Status};
use holdfast_core::time::find_moment;
use serde::Serialize;

use super::out::{self, Style};
use super::{Context, when};
use crate::prices::Worth;
use crate::problem::Problem;
use crate::store::{Holder, Intent};
use crate::world::World;

/// The pause between two looks of `--watch`: while something changes, and else.
const PAUSES: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(5));

/// `holdfast status --json`; with `--watch` one line for each change. To the fields of [`Status`] come two, both null
/// where there is none: `working`, the operation that this computer is at, as `{"pid", "since", "what"}`; and
/// `interrupted`, the one that did not come to its end, as `{"operation", "goal", "started"}`.
#[derive(Serialize)]
struct StatusJson<'a> {
    #[serde(flatten)]
    status: &'a Status,
    working: Option<Holder>,
    interrupted: Option<Intent>,
}

impl<'a> StatusJson<'a> {
    fn of(context: &Context, status: &'a Status) -> Result<Self, Problem> {
        let key = context.desired.key();
        let working = context.store.working(&key)?;
        let interrupted = if working.is_none() { context.store.intent(&key).read()? } else { None };
        Ok(Self { status, working, interrupted })
    }
}

pub(super) async fn run(context: &Context, json: bool, watch: bool) -> Result<u8, Problem> {
    let (status, observed) = look(context).await?;
    let shown = StatusJson::of(context, &status)?;
    if json {
        if watch { out::json_line(&shown) } else { out::json(&shown) }?;
    } else {
        out::page(&render(&status, &observed, when::now(), Style::stdout()));
        if let Some(holder) = shown.working {
            out::talk(&format!("Holdfast is working on it: {holder}"));
        }
        if let Some(intent) = shown.interrupted {
            let ago = when::span(when::now().saturating_sub(intent.started));
            let operation = &intent.operation;
            // What a resize is to lead to stands in the settings by then.
            let command = if operation == "resize" { "apply" } else { operation };
            out::talk(&format!(
                "{operation}, begun {ago} ago, did not come to its end. To go on: holdfast {command}"
            ));
        }
        if !watch {
            hint(&status);
        }
    }
    if watch { follow(context, json, status).await } else { Ok(0) }
}

/// Shows every change, until Ctrl-C.
async fn follow(context: &Context, json: bool, mut shown: Status) -> Result<u8, Problem> {
    let mut trouble = String::new();
    loop {
        let changing = matches!(shown.state, State::Starting | State::Stopping | State::Ending)
            || (shown.state == State::On && shown.reachable == Some(false));
        tokio::time::sleep(if changing { PAUSES.0 } else { PAUSES.1 }).await;
        match look(context).await {
            Ok((status, _)) => {
                if status != shown || !trouble.is_empty() {
                    if json {
                        out::json_line(&StatusJson::of(context, &status)?)?;
                    } else {
                        out::data(&format!("{}  {}", when::clock(when::now()), line(&status, &shown)));
                    }
                }
                trouble.clear();
                shown = status;
            }
            // A laptop sleeps and changes networks; whoever watches wants to know what comes after.
            Err(problem) if !problem.is_about_credentials() => {
                if trouble != problem.what {
                    trouble.clone_from(&problem.what);
                    out::talk(&format!("{}  It cannot be seen: {problem}", when::clock(when::now())));
                }
            }
            Err(problem) => return Err(problem),
        }
    }
}

async fn look(context: &Context) -> Result<(Status, Observed), Problem> {
    let mut observed = context.aws.observe(&context.desired, Goal::Reachable).await?;
    context.note(&mut observed, Worth::News);
    Ok((Status::of(&context.desired, &observed), observed))
}

fn hint(status: &Status) {
    let style = Style::stderr();
    if let Some((command, does)) = status.hint() {
        out::talk(&format!("{} {command}  {}", style.soft("→"), style.soft(does)));
    }
}

/// A machine that is not as it was before, in one line.
fn line(status: &Status, before: &Status) -> String {
    let mut line = match (status.state, status.reachable) {
        (State::On, Some(true)) => format!("{} is on and can be reached", status.machine),
        (State::On, Some(false)) => format!("{} is on, its agent does not answer yet", status.machine),
        (State::Absent, _) => format!("there is no {}", status.machine),
        (State::Unknown, _) => format!("the state of {} is not known", status.machine),
        (state @ (State::On | State::Starting | State::Stopping | State::Off | State::Ending), _) => {
            format!("{} is {}", status.machine, state.word())
        }
    };
    let (Some(now), Some(before)) = (&status.instance, &before.instance) else { return line };
    if now.id != before.id {
        line += &format!(", now as {}", now.id);
    }
    if now.instance_type != before.instance_type {
        line += &format!(", now with {}", now.instance_type);
    }
    if let (Some(size), true) = (now.volume_size, now.volume_size != before.volume_size) {
        line += &format!(", now with {size} GiB");
    }
    line
}

fn render(status: &Status, observed: &Observed, now: u64, style: Style) -> String {
    let machine = style.bold(&status.machine);
    let mut lines = vec![match status.state {
        State::On => format!("{machine} is {}", style.green("on")),
        State::Starting | State::Stopping | State::Ending => {
            format!("{machine} is {}", style.yellow(status.state.word()))
        }
        State::Absent | State::Off => format!("{machine} is {}", style.soft(status.state.word())),
        State::Unknown => format!("The state of {machine} is {}", style.red("not known")),
    }];
    let mut row = |name: &str, value: String| lines.push(format!("  {name:12}{value}"));
    if let (State::Unknown, Fact::Unknown(why)) = (status.state, &observed.instances) {
        row("why", reason(why));
    }
    if let Some(instance) = &status.instance {
        row("instance", format!("{}, {} in {}", instance.id, instance.instance_type, instance.zone));
        if let Some(from) = &instance.changing_from {
            row("changing", format!("its type was {}", harmless(from, 40)));
        }
        if let Some(size) = instance.volume_size {
            row("volume", format!("{size} GiB"));
        }
        if let Some(why) = &instance.went_off {
            row("why", why.clone());
        } else if let Some(since) = instance.started.as_deref().or(instance.stopped.as_deref()) {
            row("since", self::since(since, now));
        }
    } else {
        row("region", status.region.clone());
    }
    if status.state == State::On {
        row("reachable", reachable(&observed.agent));
    }
    let money =
        |money: Option<Money>| money.map_or_else(|| "not known".to_owned(), |m| format!("{m} a month"));
    let always = money(status.monthly.total());
    match status.state {
        State::On | State::Starting => row("costs", format!("{always} if it is on all the time")),
        State::Absent | State::Unknown => row("would cost", format!("{always} if it is on all the time")),
        State::Off | State::Stopping => {
            row(
                "costs",
                format!("{} while it is off, {always} while it is on", money(status.monthly_now.total())),
            );
        }
        State::Ending => {}
    }
    lines.join("\n")
}

fn reachable(agent: &Fact<()>) -> String {
    match agent {
        Fact::Present(()) => "yes, through SSM".to_owned(),
        Fact::Absent => "no, its agent does not answer SSM".to_owned(),
        Fact::Unknown(why) => format!("not known: {}", reason(why)),
    }
}

fn reason(why: &Why) -> String {
    match why {
        Why::NotLooked => "nobody looked".to_owned(),
        Why::Denied(action) => format!("your AWS identity may not call {action}"),
        Why::Failed(cause) => cause.clone(),
    }
}

/// How long ago, and the exact moment in AWS's words.
fn since(text: &str, now: u64) -> String {
    let Some(moment) = find_moment(text) else { return text.to_owned() };
    // Why it went off is worth a word where it was not the user.
    let plain = text.strip_prefix("User initiated (").and_then(|rest| rest.strip_suffix(')')).unwrap_or(text);
    format!("{} ago ({plain})", when::span(now.saturating_sub(moment)))
}
