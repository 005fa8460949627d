//! `holdfast rebuild`, `jobs`, `job`, `generations`, `rollback`.

use std::time::Duration;

use clap::{Args, Subcommand};
use holdfast_core::app::harmless::harmless_line;
use holdfast_core::jobs::{Action, Generation, Job, JobId, Outcome};
use holdfast_core::machine::ConfigSource;
use holdfast_core::names::InstanceId;
use holdfast_core::sessions::age_in_words;
use serde::Serialize;

use super::ask::confirm;
use super::follow::{Watch, to_the_end};
use super::out::{self, Style};
use super::session::reachable;
use super::when::day;
use super::{Context, Yes};
use crate::jobs::{DENIED, all_generations, cancel, job, state};
use crate::problem::{Exit, Problem};
use crate::rebuild::{Question, Wish, rebuild, rollback, whoami};
use crate::remote::{Machine, NO_SYSTEM};
use crate::repository::{checkout, share};

#[derive(Args, Debug)]
pub(super) struct Rebuild {
    /// Build it, and show how it differs from what runs; change nothing.
    #[arg(long, conflicts_with_all = ["boot", "detach"])]
    dry: bool,
    /// Have the machine take it at its next boot.
    #[arg(long)]
    boot: bool,
    /// Bring an input of the flake up to date first, or all of them.
    #[arg(long, value_name = "INPUT", num_args = 0..=1, default_missing_value = "", require_equals = true)]
    update: Option<String>,
    /// Try a configuration again that the machine went back from.
    #[arg(long)]
    again: bool,
    /// Give up what was changed on the machine.
    #[arg(long)]
    overwrite: bool,
    /// Build the clone on the machine as it stands (with a configuration in a repository).
    #[arg(long)]
    local: bool,
    /// Do not wait for the end.
    #[arg(long)]
    detach: bool,
    /// Show the log.
    #[arg(long)]
    log: bool,
    #[command(flatten)]
    yes: Yes,
}

#[derive(Debug, Subcommand)]
pub(super) enum JobCommand {
    /// Follow a job to its end; its log begins anew.
    Follow {
        /// The job.
        id: JobId,
        /// Show the log of one that runs; that of one that has ended is shown anyway.
        #[arg(long)]
        log: bool,
    },
    /// End a job that runs.
    Cancel {
        /// The job.
        id: JobId,
    },
}

#[derive(Serialize)]
struct JobsJson {
    version: u32,
    jobs: Vec<Job>,
}

#[derive(Serialize)]
struct GenerationsJson {
    version: u32,
    generations: Vec<Generation>,
}

pub(super) async fn run_rebuild(context: &Context, args: Rebuild) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    begin_and_follow(context, machine, args).await
}

/// The way from a machine that runs what its image came with to one that runs the configuration. One that does already is left
/// alone, and so is one that is none of its own.
pub(super) async fn bring_up(context: &Context, instance: &InstanceId, yes: bool) -> Result<u8, Problem> {
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance };
    match state(machine).await {
        Err(problem) if problem.code == NO_SYSTEM => return Ok(0),
        Ok(state) if state.revision.is_some() => return Ok(0),
        Ok(state) => {
            if let Some(job) = state.running() {
                out::talk(&format!("A job of {} runs on the machine.", job.by));
                let under_way = Duration::from_secs(state.now.saturating_sub(job.began));
                let watch = Watch { log: false, ours: false, under_way };
                return to_the_end(context, machine, &job.id, watch).await;
            }
        }
        Err(problem) => return Err(problem),
    }
    out::talk(&format!("{} runs what its image came with.", context.desired.machine));
    let args = Rebuild {
        dry: false,
        boot: false,
        update: None,
        again: false,
        overwrite: false,
        local: false,
        detach: false,
        log: false,
        yes: Yes { yes },
    };
    begin_and_follow(context, machine, args).await
}

async fn begin_and_follow(context: &Context, machine: Machine<'_>, args: Rebuild) -> Result<u8, Problem> {
    let wish = Wish {
        action: match (args.dry, args.boot) {
            (true, _) => Action::Dry,
            (false, true) => Action::Boot,
            (false, false) => Action::Switch,
        },
        again: args.again,
        update: args.update,
        over: args.overwrite,
        local: args.local,
        by: whoami(),
    };
    let agree = async |question: &Question| {
        let question = match question {
            Question::Lower(lowered) => {
                let each = lowered
                    .iter()
                    .map(|input| format!("  {}: {} → {}", input.input, day(input.from), day(input.to)));
                format!(
                    "This takes inputs back to older states:\n{}\nGo on? [y/N] ",
                    each.collect::<Vec<_>>().join("\n")
                )
            }
            Question::Imports(imports) => format!(
                "The machine's own configuration imports what Holdfast's does not cover:\n  {}\nGo on without it? [y/N] ",
                imports.join("\n  ")
            ),
        };
        args.yes.yes || confirm(&question).await
    };
    let begun = rebuild(machine, &context.store, &wish, agree).await;
    let id = begun.as_ref().ok().map(|begun| &begun.id);
    context.did_job("rebuild", id, "Begin a rebuild of the machine's system".to_owned(), &begun).await;
    let begun = begun?;
    if let Some(stock) = &begun.stock {
        out::talk("The configuration of the machine's image; it is kept there in /var/lib/holdfast/stock:");
        for line in stock.lines() {
            out::talk(&Style::stderr().soft(&format!("  {}", harmless_line(line))));
        }
    }
    let what = match begun.revision.as_str() {
        "" if args.local => "the clone as it stands there",
        "" => "the repository's newest state",
        revision => revision,
    };
    out::talk(&format!("{} builds {what}, as job {}.", context.desired.machine, begun.id));
    if args.detach {
        out::data(begun.id.as_str());
        return Ok(0);
    }
    let code = to_the_end(context, machine, &begun.id, Watch::ours(args.log)).await.map_err(|problem| {
        // A repository that everybody may read needs no keyring, so only here it matters.
        let keyring = begun.keyring.filter(|_| problem.code == DENIED);
        problem.hint_first(keyring.map(|keyring| format!("the keyring: {keyring}")))
    })?;
    if args.local && !args.dry {
        offer_to_share(machine, &begun.id).await?;
    }
    Ok(code)
}

/// What somebody changed in the clone and has seen to work may go where the others are.
async fn offer_to_share(machine: Machine<'_>, id: &JobId) -> Result<(), Problem> {
    let ConfigSource::Git { url, .. } = &machine.desired.config else { return Ok(()) };
    let revision = job(machine, id).await?.revision.unwrap_or_default();
    let checkout = match checkout(machine).await {
        Ok(checkout) => checkout,
        Err(problem) => {
            out::talk(&format!(
                "Whether the repository has what the machine runs cannot be said: {problem}."
            ));
            return Ok(());
        }
    };
    let question = match (checkout.is_dirty, checkout.unpushed) {
        (true, _) => {
            out::talk(&format!("The machine runs {revision}: what was changed there is in no commit yet."));
            out::talk("What that is: holdfast exec -- git -C remote-dev status");
            "Commit all of it and push? [y/N] "
        }
        (false, 0) => return Ok(()),
        (false, _) => {
            out::talk(&format!("The machine runs {revision}, which the repository does not have."));
            "Push it? [y/N] "
        }
    };
    if confirm(question).await {
        share(machine, url, "Change the machine").await?;
        out::talk("It is in the repository; the next rebuild calls what the machine runs by that name.");
    }
    Ok(())
}

pub(super) async fn run_rollback(context: &Context, number: Option<u32>, yes: bool) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let all = all_generations(machine).await?;
    let wanted = match number {
        Some(number) => all.iter().find(|generation| generation.number == number),
        None => before_current(&all),
    };
    let Some(generation) = wanted else {
        return Err(Problem::new("no_generation", "There is no such generation")
            .hint("see which there are: holdfast generations"));
    };
    if generation.current {
        return Err(Problem::new(
            "current",
            format!("The machine runs generation {} already", generation.number),
        ));
    }
    let question =
        format!("Go to generation {}, made on {}? [y/N] ", generation.number, day(generation.made));
    if !yes && !confirm(&question).await {
        return Err(Problem::new("no_consent", "Nothing was changed")
            .hint("say yes at the prompt, or add --yes")
            .exit(Exit::Refused));
    }
    let begun = rollback(machine, generation.number, &whoami()).await;
    let what = format!("Begin to go to generation {}", generation.number);
    context.did_job("rollback", begun.as_ref().ok(), what, &begun).await;
    let id = begun?;
    to_the_end(context, machine, &id, Watch::ours(false)).await
}

/// The newest good one before what runs; without one, the newest before it.
fn before_current(all: &[Generation]) -> Option<&Generation> {
    let current = all.iter().find(|generation| generation.current)?.number;
    let mut older = all.iter().filter(|generation| generation.number < current && !generation.refused);
    older.clone().find(|generation| generation.good).or_else(|| older.next())
}

pub(super) async fn list(context: &Context, json: bool) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let state = state(machine).await?;
    if json {
        out::json(&JobsJson { version: 1, jobs: state.jobs })?;
        return Ok(0);
    }
    if state.jobs.is_empty() {
        out::page("No jobs. holdfast rebuild makes one.");
    }
    for job in &state.jobs {
        out::data(&row(job, state.now));
    }
    Ok(0)
}

fn row(job: &Job, now: u64) -> String {
    let what = match (job.is_rollback, job.action) {
        (true, _) => "rollback",
        (false, Action::Switch) => "rebuild",
        (false, Action::Boot) => "rebuild for the next boot",
        (false, Action::Dry) => "trial build",
    };
    let how = match (job.outcome, job.ended) {
        (None, _) => "runs".to_owned(),
        (Some(outcome), Some(ended)) => {
            format!("{} in {}", word(outcome), age_in_words(ended.saturating_sub(job.began)))
        }
        (Some(outcome), None) => word(outcome).to_owned(),
    };
    let age = age_in_words(now.saturating_sub(job.began));
    let mut parts = vec![job.id.to_string(), format!("{what}, {how}"), format!("{age} ago by {}", job.by)];
    parts.extend(job.generation.map(|number| format!("generation {number}")));
    parts.extend(job.revision.clone());
    parts.extend(job.why.clone().filter(|_| job.outcome != Some(Outcome::Ok)));
    parts.join("  ")
}

const fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Ok => "done",
        Outcome::Same => "nothing to do",
        Outcome::Partial => "done, with failed units",
        Outcome::Boot => "waits for the next boot",
        Outcome::Built => "built",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::RolledBack => "switched back",
        Outcome::Stuck => "stuck half-way",
        Outcome::Refused => "refused",
        Outcome::Lost => "lost with a reboot",
        Outcome::Killed => "killed",
        Outcome::Memory => "killed for want of memory",
    }
}

pub(super) async fn run_job(context: &Context, command: JobCommand) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    match command {
        JobCommand::Follow { id, log } => {
            // Of one that has ended there is nothing else to see.
            let state = state(machine).await?;
            let job = job(machine, &id).await?;
            let log = log || job.outcome.is_some();
            let under_way = Duration::from_secs(state.now.saturating_sub(job.began));
            to_the_end(context, machine, &id, Watch { log, ours: false, under_way }).await
        }
        JobCommand::Cancel { id } => {
            let cancelled = cancel(machine, &id, &whoami()).await;
            context.did_job("job cancel", Some(&id), format!("End the job {id}"), &cancelled).await;
            cancelled?;
            out::talk(&format!("The job {id} has ended."));
            Ok(0)
        }
    }
}

pub(super) async fn generations(context: &Context, json: bool) -> Result<u8, Problem> {
    let instance = reachable(context).await?;
    let machine = Machine { aws: &context.aws, desired: &context.desired, instance: &instance };
    let all = all_generations(machine).await?;
    if json {
        out::json(&GenerationsJson { version: 1, generations: all })?;
        return Ok(0);
    }
    let style = Style::stdout();
    for generation in &all {
        out::data(&generation_row(generation, style));
    }
    Ok(0)
}

fn generation_row(generation: &Generation, style: Style) -> String {
    let flags = [
        (generation.current, "runs"),
        (generation.booted && !generation.current, "booted"),
        (generation.good, "good"),
        (generation.trial, "on trial"),
        (generation.refused, "refused"),
    ];
    let flags: Vec<&str> = flags.iter().filter(|(is, _)| *is).map(|(_, word)| *word).collect();
    let size = generation
        .size
        .map_or_else(|| "?".to_owned(), |bytes| format!("{:.1} GiB", bytes as f64 / f64::from(1 << 30)));
    let or = |text: &Option<String>| text.clone().unwrap_or_else(|| "–".to_owned());
    let row = format!(
        "{:>4}  {}  {:<24}  {:<10}  {size:>9}  {}",
        generation.number,
        day(generation.made),
        or(&generation.revision),
        or(&generation.kernel),
        flags.join(", ")
    );
    if generation.current { style.bold(&row) } else { row }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn generation(number: u32, current: bool, good: bool, refused: bool) -> Generation {
        Generation {
            number,
            made: 0,
            version: None,
            revision: None,
            kernel: None,
            size: None,
            current,
            booted: false,
            good,
            trial: false,
            refused,
        }
    }

    #[test]
    fn the_way_back_leads_to_what_was_good() {
        let all = [
            generation(9, false, false, true),
            generation(8, true, false, false),
            generation(7, false, false, false),
            generation(6, false, true, false),
            generation(5, false, true, false),
        ];
        assert_eq!(before_current(&all).map(|one| one.number), Some(6));
        assert_eq!(before_current(&all[1..3]).map(|one| one.number), Some(7));
        assert_eq!(before_current(&all[..2]), None);
    }
}
