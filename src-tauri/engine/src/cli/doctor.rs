//! `holdfast doctor`.

use holdfast_core::app::harmless::harmless;
use holdfast_core::doctor::{Mark, Report};
use holdfast_core::terminal::Choice;

use super::out::{self, Style};
use super::{Context, Global, desired, load, store, when};
use crate::doctor::{Opened, or_without};
use crate::hints::naming;
use crate::problem::Problem;
use crate::store::Store;

pub(super) async fn run(global: &Global, json: bool) -> Result<u8, Problem> {
    let mut report = report(global, &store(global)?).await;
    if json {
        for todo in report.findings.iter_mut().filter_map(|finding| finding.todo.as_mut()) {
            *todo = naming(todo);
        }
        out::json(&report)?;
    } else {
        out::page(&render(&report, Style::stdout()));
    }
    Ok(u8::from(report.mark == Mark::Failed))
}

/// Looks at everything.
pub(super) async fn report(global: &Global, store: &Store) -> Report {
    let settings = load(global, store);
    let terminal = settings.as_ref().map(|settings| settings.terminal.clone()).unwrap_or(Choice::Default);
    let known = settings.and_then(|settings| desired(global, &settings));
    let opened = async {
        let (desired, broken) = or_without(known)?;
        let Context { desired, aws, .. } = Context::of(global, store.clone(), desired).await?;
        Ok(Opened { aws, desired, broken })
    };
    crate::doctor::report(store, opened, &terminal, when::now()).await
}

fn render(report: &Report, style: Style) -> String {
    let (pressing, well) = report.by_urgency();
    let mut lines = Vec::new();
    let mut heading = None;
    for finding in pressing.into_iter().chain(well) {
        let (under, area) = match finding.mark {
            Mark::Ok => (finding.area.word(), String::new()),
            Mark::Warning | Mark::Failed => ("worth a look", format!("{}: ", finding.area.word())),
        };
        if heading.replace(under) != Some(under) {
            lines.push(style.bold(under));
        }
        let mark = match finding.mark {
            Mark::Ok => style.green("ok     "),
            Mark::Warning => style.yellow("warning"),
            Mark::Failed => style.red("failed "),
        };
        lines.push(format!("  {mark}  {area}{}", harmless(&finding.what, 2000)));
        if let Some(todo) = &finding.todo {
            lines.push(format!("           {} {}", style.soft("→"), harmless(todo, 300)));
        }
    }
    lines.join("\n")
}
