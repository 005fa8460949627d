//! A plan as a person reads it.

use std::fmt::Write;

use holdfast_core::machine::{Desired, Observed};
use holdfast_core::plan::{Area, Change, CostChange, Goal, Note, Plan, Planned, Step};
use holdfast_core::price::{self, Money};
use holdfast_core::status::Status;

use super::out::Style;

/// The column in which a step's reason begins.
const REASON: usize = 52;

/// The plan as text, each line ended.
pub(super) fn render(desired: &Desired, observed: &Observed, plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", style.bold(&headline(desired, plan)));
    for (area, name) in [(Area::Network, "Network"), (Area::Identity, "Identity"), (Area::Machine, "Machine")] {
        let steps: Vec<&Planned> = plan.steps.iter().filter(|planned| planned.words.area == area).collect();
        if !steps.is_empty() {
            let _ = writeln!(text, "\n{name}");
        }
        for planned in steps {
            let _ = writeln!(text, "{}", line(planned, style));
        }
    }
    for note in &plan.notes {
        let _ = writeln!(text, "\n{} {}", style.yellow("Note:"), self::note(desired, note));
    }
    if let Some(cost) = cost(desired, observed, plan) {
        let _ = writeln!(text, "\n{cost}");
    }
    text
}

fn headline(desired: &Desired, plan: &Plan) -> String {
    let machine = format!("{} in {}, for {}", desired.machine, desired.region, desired.user);
    let steps = match plan.steps.len() {
        1 => "1 step".to_owned(),
        count => format!("{count} steps"),
    };
    match (plan.steps.is_empty(), plan.goal) {
        (true, Goal::Gone(_)) => format!("{machine}: nothing is left to remove"),
        (true, Goal::Settings | Goal::Reachable | Goal::Stopped) => format!("{machine}: nothing to do"),
        (false, Goal::Gone(_)) => format!("{machine}: {steps} remove it"),
        (false, Goal::Settings | Goal::Reachable | Goal::Stopped) => format!("{machine}: {steps}"),
    }
}

fn line(planned: &Planned, style: Style) -> String {
    let words = &planned.words;
    let mark = match words.change {
        Change::Add => style.green("+"),
        Change::Alter => style.yellow("~"),
        Change::Remove => style.red("-"),
    };
    let width = REASON.saturating_sub(4);
    let mut line = format!("  {mark} {:width$} {}", words.what, style.soft(words.why));
    if planned.impact.loses_data {
        line += &format!("  {}", style.red("data is lost"));
    } else if planned.impact.interrupts {
        line += &format!("  {}", style.yellow("ends what runs on it"));
    }
    match planned.monthly {
        Some(CostChange::More(money)) => line += &format!("  +{money} a month"),
        Some(CostChange::Less(money)) => line += &format!("  -{money} a month"),
        None => {}
    }
    line
}

/// What a note says.
pub(super) fn note(desired: &Desired, note: &Note) -> String {
    match note {
        Note::ExtraPolicies { policies } => format!(
            "the role carries policies that Holdfast did not give it: {}. The machine may do more than it should.",
            policies.join(", ")
        ),
        Note::TypeDiffers { is } => {
            format!("the instance is {is}, the settings say {}. Nothing changes that yet.", desired.instance_type)
        }
        Note::SizeDiffers { is } => {
            format!("the volume has {is} GiB, the settings say {}. Nothing changes that yet.", desired.volume_size)
        }
        Note::Duplicate { resource } => {
            format!("{resource} was made twice, by another computer; Holdfast there will remove it.")
        }
        Note::ManagedPolicyMissing { profile } => format!(
            "the instance profile {profile} lacks AmazonSSMManagedInstanceCore; unless another policy of it lets the \
             agent talk to SSM, the machine cannot be reached."
        ),
        Note::KeptVolume { volume, size } => {
            format!("{volume} ({size} GiB) was kept when its instance went, and costs on.")
        }
        Note::NetworkDiffers { is } => {
            format!("the instance is in {is}, the settings ask for another network. It stays where it is.")
        }
        Note::ProfileDiffers { is } => format!(
            "the instance has {}, the settings say {}; its agent may not reach SSM.",
            is.as_ref().map_or_else(|| "no instance profile".to_owned(), |is| format!("the instance profile {is}")),
            desired.profile_name()
        ),
        Note::GatewayElsewhere { gateway, network } => {
            format!("{gateway} is the machine's, but attached to {network}, which is not. It is left alone.")
        }
    }
}

/// What the machine costs when the plan is done, where it costs something new.
fn cost(desired: &Desired, observed: &Observed, plan: &Plan) -> Option<String> {
    let starts = |planned: &Planned| matches!(planned.step, Step::RunInstance(_) | Step::Start { .. });
    if !plan.steps.iter().any(starts) {
        return None;
    }
    let monthly = Status::of(desired, observed).monthly;
    let part = |money: Option<Money>| money.map_or_else(|| "price not known".to_owned(), |money| money.to_string());
    let total = monthly.total().map_or_else(|| "What it costs is not known here".to_owned(), |total| {
        format!("{total} a month if it is on all the time")
    });
    Some(format!(
        "{total}: {} {}, volume {}, public address {}. Prices of {}, without tax and traffic.",
        desired.instance_type,
        part(monthly.instance),
        part(monthly.volume),
        part(monthly.address),
        price::AS_OF,
    ))
}
