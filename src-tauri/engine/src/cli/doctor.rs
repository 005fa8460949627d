//! `holdfast doctor`.

use holdfast_core::app::harmless::harmless;
use holdfast_core::doctor::{Area, Finding, Mark, Report};
use holdfast_core::machine::Desired;
use holdfast_core::terminal::Choice;

use super::out::{self, Style};
use super::{Context, Global, desired, load, store, when};
use crate::doctor::{Patient, desktop, examine, failed};
use crate::problem::Problem;
use crate::store::Store;

pub(super) async fn run(global: &Global, json: bool) -> Result<u8, Problem> {
    let report = report(global, &store(global)?).await;
    if json {
        out::json(&report)?;
    } else {
        out::data(&render(&report, Style::stdout()));
    }
    Ok(u8::from(report.mark == Mark::Failed))
}

/// Looks at everything.
pub(super) async fn report(global: &Global, store: &Store) -> Report {
    let settings = load(global, store);
    let terminal = settings.as_ref().map(|settings| settings.terminal.clone()).unwrap_or(Choice::Default);
    let known = settings.and_then(|settings| desired(global, &settings));
    let (mut findings, home) = tokio::join!(Box::pin(machine(global, known)), desktop(&terminal));
    findings.extend(home);
    findings.push(Finding::ok(
        Area::Versions,
        format!(
            "holdfast {} on {} {}",
            env!("CARGO_PKG_VERSION"),
            std::env::consts::OS,
            std::env::consts::ARCH
        ),
    ));
    Report::of(findings)
}

async fn machine(global: &Global, desired: Result<Desired, Problem>) -> Vec<Finding> {
    let context = match desired {
        Ok(_) => Context::open(global).await,
        Err(problem) => Err(problem),
    };
    match context {
        Err(problem) => vec![failed(Area::Settings, &problem)],
        Ok(context) => {
            let Context { store, desired, aws } = &context;
            let patient = Patient { store, aws, desired, now: when::now() };
            let mut findings = vec![Finding::ok(
                Area::Settings,
                format!("{} of {} in {}", desired.machine, desired.user, desired.region),
            )];
            findings.extend(examine(patient).await);
            findings
        }
    }
}

fn render(report: &Report, style: Style) -> String {
    let mut lines = Vec::new();
    let mut area = None;
    for finding in &report.findings {
        if area.replace(finding.area) != Some(finding.area) {
            lines.push(style.bold(finding.area.word()));
        }
        let mark = match finding.mark {
            Mark::Ok => style.green("ok     "),
            Mark::Warning => style.yellow("warning"),
            Mark::Failed => style.red("failed "),
        };
        lines.push(format!("  {mark}  {}", harmless(&finding.what, 2000)));
        if let Some(todo) = &finding.todo {
            lines.push(format!("           {} {}", style.soft("→"), harmless(todo, 300)));
        }
    }
    lines.join("\n")
}
