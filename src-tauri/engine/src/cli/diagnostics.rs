//! `holdfast diagnostics`.

use std::io::{IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use holdfast_core::doctor::Report;
use holdfast_core::time::minute;
use tokio::time::timeout;

use super::ask::confirm;
use super::out::{self, Style};
use super::{Global, Yes, doctor, store, when};
use crate::diagnostics::{Diagnostics, Sources, gather};
use crate::problem::{Exit, Problem};
use crate::process::without_secrets;
use crate::sandbox;
use crate::store::Store;
use crate::terminal::columns_and_rows;

/// How long the doctor may take, each of whose parts has a limit of its own.
const PATIENCE: Duration = Duration::from_secs(60);

#[derive(clap::Args, Debug)]
pub(super) struct Args {
    /// The file; a new one with the date in its name, in the current folder, if left out.
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
    #[command(flatten)]
    yes: Yes,
}

pub(super) async fn run(global: &Global, args: Args) -> Result<u8, Problem> {
    let now = when::now();
    let path = args.output.unwrap_or_else(|| PathBuf::from(name(now)));
    if path.symlink_metadata().is_ok() {
        return Err(Problem::new("diagnostics", format!("There is a file {} already", path.display()))
            .hint("name another one: holdfast diagnostics --output FILE")
            .exit(Exit::Usage));
    }
    out::talk("Gathering what a bug report needs. This takes a few seconds.");
    let store = store(global).map_err(|problem| problem.to_string());
    let report = match &store {
        Ok(store) => match timeout(PATIENCE, report(global, store)).await {
            Ok(report) => report,
            Err(_) => Err(format!("it took longer than {} seconds", PATIENCE.as_secs())),
        },
        Err(why) => Err(why.clone()),
    };
    let sources = Sources {
        store: store.as_ref().map_err(String::as_str),
        report: report.as_ref().map_err(String::as_str),
        now,
    };
    let diagnostics = gather(sources);
    show(&diagnostics, !args.yes.yes);
    let what = format!("{} files, with nothing in them but what is shown above", diagnostics.files.len());
    if !args.yes.yes && !confirm(&format!("\nSave this as {} ({what})? [y/N] ", path.display())).await {
        return Err(Problem::new("no_consent", "Nothing was saved")
            .hint("without a question: holdfast diagnostics --yes")
            .exit(Exit::Refused));
    }
    diagnostics.save(&path, now)?;
    out::talk(&format!("Saved as {}. Nothing was sent anywhere.", path.display()));
    Ok(0)
}

async fn report(global: &Global, store: &Store) -> Result<Report, String> {
    // To look at a sandbox that does not run would start it.
    if global.sandbox && !matches!(sandbox::running().await, Ok(Some(_))) {
        return Err("the sandbox does not run".to_owned());
    }
    Ok(Box::pin(doctor::report(global, store)).await)
}

/// `holdfast-diagnostics-2026-11-29-1830.tar.gz`.
fn name(now: u64) -> String {
    let minute = minute(now).trim_end_matches(" UTC").replace(':', "").replace(' ', "-");
    format!("holdfast-diagnostics-{minute}.tar.gz")
}

/// Shows every file in full: in the person's pager where it is longer than the screen, and else as it is.
fn show(diagnostics: &Diagnostics, paged: bool) {
    let style = Style::stdout();
    let files = diagnostics.files.iter();
    let head = |name: &str, style: Style| style.bold(&format!("==> {name} <=="));
    let text = |style: Style| -> String {
        files.clone().map(|file| format!("{}\n{}\n", head(&file.name, style), file.text)).collect()
    };
    let long = || text(style).lines().count() > usize::from(columns_and_rows().1);
    if !(paged && std::io::stdout().is_terminal() && long() && page(&text(Style::none()))) {
        out::data(text(style).trim_end());
    }
}

/// Shows a text in the pager that the person has named; gives whether that showed it.
fn page(text: &str) -> bool {
    let Some(pager) = std::env::var_os("PAGER").filter(|pager| !pager.is_empty() && cfg!(unix)) else {
        return false;
    };
    let mut command = Command::new("sh");
    command.arg("-c").arg(pager).stdin(Stdio::piped());
    without_secrets(&mut command);
    let Ok(mut child) = command.spawn() else { return false };
    // One that is left before its end has shown enough.
    let _ = child.stdin.take().map(|mut to| to.write_all(text.as_bytes()));
    child.wait().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_file_has_the_date_in_its_name() {
        assert_eq!(super::name(1_784_536_211), "holdfast-diagnostics-2026-07-20-0830.tar.gz");
    }
}
