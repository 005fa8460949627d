//! A plan as a person reads it.

use std::fmt::Write;

use holdfast_core::app::harmless::harmless;
use holdfast_core::machine::{Desired, Observed};
use holdfast_core::plan::{
    Area, Change, CostChange, Drift, Goal, Impact, Plan, Planned, Right, Step, Waiting,
};
use holdfast_core::price::Money;
use holdfast_core::status::Status;

use super::out::Style;

/// The widest that the first columns may make the others begin; what is longer pushes its own line only.
const WIDEST: (usize, usize) = (64, 48);

/// The plan as text, each line ended.
pub(super) fn render(desired: &Desired, observed: &Observed, plan: &Plan, style: Style) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", style.bold(&headline(desired, plan)));
    for (security, title) in [(true, "Security"), (false, "Changed outside Holdfast")] {
        let found: Vec<&Drift> = plan.drift.iter().filter(|drift| drift.security == security).collect();
        if !found.is_empty() {
            let _ = writeln!(text, "\n{}", if security { style.red(title) } else { title.to_owned() });
        }
        for Drift { what, right, mend, .. } in found {
            let who = match right {
                Right::Settings => "the settings are right",
                Right::Aws => "AWS is right",
                Right::You => "yours to decide",
            };
            let what = harmless(what, 300);
            let _ = writeln!(text, "  ! {what}  {}", style.soft(&format!("{who}: {mend}")));
        }
    }
    let columns = Columns::of(plan);
    for (area, name) in [(Area::Network, "Network"), (Area::Identity, "Identity"), (Area::Machine, "Machine")]
    {
        let steps: Vec<&Planned> = plan.steps.iter().filter(|planned| planned.words.area == area).collect();
        if !steps.is_empty() {
            let _ = writeln!(text, "\n{name}");
        }
        let mut said = "";
        for planned in steps {
            // A reason that goes for several steps is said once.
            let why = if why(planned) == said { "" } else { why(planned) };
            said = self::why(planned);
            let _ = writeln!(text, "{}", columns.line(planned, why, style));
        }
    }
    if !plan.waiting.is_empty() {
        let waiting: Vec<&str> = plan.waiting.iter().map(Waiting::words).collect();
        let _ = writeln!(text, "\nIt has to wait for {}.", waiting.join(" and "));
    }
    for note in &plan.notes {
        let _ = writeln!(text, "\n{} {}", style.yellow("Note:"), note.words(desired));
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
    if plan.steps.is_empty() && !plan.waiting.is_empty() {
        return format!("{machine}: nothing to do right now");
    }
    match (plan.steps.is_empty(), plan.goal) {
        (true, Goal::Gone(_)) => format!("{machine}: nothing is left to remove"),
        (true, Goal::Settings | Goal::Reachable | Goal::Stopped | Goal::Replaced | Goal::Only(_)) => {
            format!("{machine}: nothing to do")
        }
        (false, Goal::Gone(_)) => format!("{machine}: {steps} remove it"),
        (false, Goal::Settings | Goal::Reachable | Goal::Stopped | Goal::Replaced | Goal::Only(_)) => {
            format!("{machine}: {steps}")
        }
    }
}

/// Why a step is there; empty where its impact says that already.
fn why(planned: &Planned) -> &'static str {
    if matches!(planned.step, Step::Stop { .. }) { "" } else { planned.words.why }
}

/// The widths that hold the longest texts of a plan.
struct Columns {
    what: usize,
    why: usize,
    money: usize,
}

impl Columns {
    fn of(plan: &Plan) -> Self {
        let longest = |texts: &mut dyn Iterator<Item = usize>, most: usize| {
            texts.filter(|width| *width <= most).max().unwrap_or_default()
        };
        let what =
            longest(&mut plan.steps.iter().map(|planned| planned.words.what.chars().count()), WIDEST.0);
        let with_more = plan.steps.iter().filter(|planned| planned.monthly.is_some());
        let why = longest(&mut with_more.map(|planned| why(planned).chars().count()), WIDEST.1);
        let money = longest(&mut plan.steps.iter().map(|planned| money(planned).chars().count()), usize::MAX);
        Self { what, why, money }
    }

    fn line(&self, planned: &Planned, why: &str, style: Style) -> String {
        let mark = match planned.words.change {
            Change::Add => style.green("+"),
            Change::Alter => style.yellow("~"),
            Change::Remove => style.red("-"),
        };
        let (money, impact) = (money(planned), impact(planned, style));
        let mut line = format!("  {mark} {:what$}", planned.words.what, what = self.what);
        if money.is_empty() && impact.is_empty() {
            if !why.is_empty() {
                line += &format!("  {}", style.soft(why));
            }
        } else {
            let padding = " ".repeat(self.why.saturating_sub(why.chars().count()));
            let wide = if money.is_empty() { 0 } else { self.money };
            if self.why > 0 {
                line += &format!("  {}{padding}", style.soft(why));
            }
            line += &format!("  {money:>wide$}");
            if !impact.is_empty() {
                line += if money.is_empty() { "" } else { "  " };
                line += &impact;
            }
        }
        line.truncate(line.trim_end().len());
        line
    }
}

fn money(planned: &Planned) -> String {
    match planned.monthly {
        Some(CostChange::More(money)) => format!("+{money} a month"),
        Some(CostChange::Less(money)) => format!("-{money} a month"),
        Some(CostChange::Hourly(money)) => format!("{money} an hour"),
        None => String::new(),
    }
}

fn impact(planned: &Planned, style: Style) -> String {
    match planned.impact {
        Impact { loses_data: true, .. } => style.red("data is lost"),
        Impact { interrupts: true, .. } => style.yellow("ends what runs on it"),
        Impact { revokes: true, .. } => style.yellow("takes a right away"),
        Impact { loses_data: false, interrupts: false, revokes: false, costs: _ } => String::new(),
    }
}

/// What the machine costs when the plan is done, where it costs something new.
fn cost(desired: &Desired, observed: &Observed, plan: &Plan) -> Option<String> {
    let tells = |planned: &Planned| {
        matches!(
            planned.step,
            Step::RunInstance(_) | Step::Start { .. } | Step::SetType { .. } | Step::GrowVolume { .. }
        )
    };
    if !plan.steps.iter().any(tells) {
        return None;
    }
    let outcome = plan.outcome(desired, observed);
    let monthly = Status::of(desired, &outcome).monthly;
    let instance = outcome.winners(desired).instance;
    let part =
        |money: Option<Money>| money.map_or_else(|| "price not known".to_owned(), |money| money.to_string());
    let total = monthly.total().map_or_else(
        || "What it costs is not known here".to_owned(),
        |total| format!("{total} a month if it is on all the time"),
    );
    Some(format!(
        "{total}: {} {}, volume {}, public address {}. Prices of {}, without tax and traffic.",
        instance.map_or(&desired.instance_type, |instance| &instance.instance_type),
        part(monthly.instance),
        part(monthly.volume),
        part(monthly.address),
        observed.prices.day(),
    ))
}
