//! `holdfast cost`.

use std::fmt::Write;

use holdfast_core::cost::{Component, Cost, Part, Range, Sum, cost as costs};
use holdfast_core::machine::Observed;
use holdfast_core::plan::{self, Goal};
use holdfast_core::price::Prices;
use holdfast_core::time::minute;
use serde::Serialize;

use super::out::{self, Style};
use super::{Context, when};
use crate::prices::{self, Worth};
use crate::problem::Problem;
use crate::world::World;

/// `holdfast cost --json`, version 1. A field may be added; one that goes or changes its meaning raises the version.
///
/// Amounts are micro-dollars, `{"least", "most"}`, the same where they are known, and null where they are not; moments are seconds
/// since the Unix epoch.
/// - `what` every figure is, and where the `prices` are from
/// - `always` and `off`: a month in which it is on or off all the time, `so_far`: this month, null where `unknown` says why it is
///   not known. Each has `parts` (`part`, `what`, `amount`, `basis`), their `total`, and what that `leaves_out`; the last also
///   `from`, `until`, since when it is `known_from`, and what it `assumes`
/// - `after`: a month of being on with what `holdfast apply` would change, null where that changes nothing
#[derive(Serialize)]
struct CostJson<'a> {
    #[serde(flatten)]
    cost: &'a Cost,
    after: Option<Sum>,
}

pub(super) async fn run(context: &Context, json: bool, refresh: bool) -> Result<u8, Problem> {
    let Context { store, desired, aws } = context;
    let now = when::now();
    let (seen, snapshots) = tokio::try_join!(aws.observe(desired, Goal::Settings), aws.stored(desired))?;
    let mut observed = Observed { applied: store.applied(&desired.key())?, ..seen };
    context.note(&mut observed, Worth::News);
    observed.prices = priced(context, &observed, refresh, now).await?;
    let cost = costs(desired, &observed, &snapshots, now);
    let plan = plan::plan(desired, &observed, Goal::Settings);
    let after = costs(desired, &plan.outcome(desired, &observed), &snapshots, now).always;
    let after = Some(after).filter(|after| after.total != cost.always.total);
    if json {
        out::json(&CostJson { cost: &cost, after })?;
        return Ok(0);
    }
    out::page(render(&cost, after.as_ref(), Style::stdout()).trim_end());
    let style = Style::stderr();
    let types = "what every other type costs";
    out::talk(&format!("{0} holdfast types  {1}", style.soft("→"), style.soft(types)));
    Ok(0)
}

/// The prices: asked for anew where somebody says so, or quietly where it is time to.
async fn priced(context: &Context, observed: &Observed, refresh: bool, now: u64) -> Result<Prices, Problem> {
    let Context { store, desired, aws } = context;
    if refresh {
        return prices::refresh(store, aws, desired, now).await;
    }
    let types = prices::types(desired, observed);
    if prices::is_due(store, desired, &types, now) {
        prices::ask(store, aws, desired, &types, now).await;
    }
    Ok(prices::known(store, desired))
}

fn render(cost: &Cost, after: Option<&Sum>, style: Style) -> String {
    let mut text = String::new();
    let title = |text: &str| style.bold(text);
    let total = |sum: &Sum| match sum.total {
        Some(total) if sum.leaves_out.is_empty() => total.to_string(),
        Some(total) => format!("{total} and what its snapshots cost"),
        None => "not known".to_owned(),
    };
    let machine = format!("{} in {}", cost.machine, cost.region);
    let _ = writeln!(
        text,
        "{}",
        title(&format!("{machine}, a month if it is on all the time: {}", total(&cost.always)))
    );
    parts(&mut text, &cost.always, style);
    let _ = writeln!(text, "\n{}", title(&format!("A month while it is off: {}", total(&cost.off))));
    if let Some(so_far) = &cost.so_far {
        let until = format!("{} until {}", minute(so_far.from), minute(so_far.until));
        let _ = writeln!(text, "\n{}", title(&format!("This month so far, {until}: {}", total(&so_far.sum))));
        parts(&mut text, &so_far.sum, style);
        match so_far.known_from {
            Some(known) if known > so_far.from => {
                let _ = writeln!(text, "  When it was on is known from {} on.", minute(known));
            }
            Some(_) => {}
            None => text += "  When it was on is not known.\n",
        }
        if !so_far.assumes.is_empty() {
            let _ = writeln!(text, "  Taken to be so: {}.", so_far.assumes.join("; "));
        }
    } else if let Some(why) = &cost.unknown {
        let _ = writeln!(text, "\n{}\n  {}", title("This month so far: not known"), style.soft(why));
    }
    if let Some(after) = after {
        let changed = format!("A month with what holdfast apply would change: {}", total(after));
        let _ = writeln!(text, "\n{}", title(&changed));
        parts(&mut text, after, style);
    }
    let _ = writeln!(text, "\nEvery figure: {}; {}.", cost.prices, cost.what);
    text
}

fn parts(text: &mut String, sum: &Sum, style: Style) {
    let amount = |part: &Component| {
        part.amount.map_or_else(|| "not known".to_owned(), |range: Range| range.to_string())
    };
    let widest = |of: &dyn Fn(&Component) -> usize| sum.parts.iter().map(of).max().unwrap_or_default();
    let what = widest(&|part| part.what.chars().count());
    let money = widest(&|part| amount(part).chars().count());
    for part in &sum.parts {
        let (name, amount) = (name(part.part), amount(part));
        let _ =
            writeln!(text, "  {name:14}{:what$}  {amount:>money$}  {}", part.what, style.soft(&part.basis));
    }
}

fn name(part: Part) -> &'static str {
    match part {
        Part::Instance => "instance",
        Part::Volume => "volume",
        Part::VolumeSpeed => "its speed",
        Part::Address => "address",
        Part::Snapshots => "snapshots",
    }
}
