//! `holdfast snapshot`.

use clap::Subcommand;
use holdfast_core::machine::Observed;
use holdfast_core::names::SnapshotId;
use holdfast_core::plan::{self, Goal};
use holdfast_core::snapshots::{Kept, kept};
use serde::Serialize;

use super::ask::confirm;
use super::out::{self, Style};
use super::plan::render;
use super::progress::{Asking, Watcher};
use super::{Context, Yes, replace};
use crate::converge;
use crate::problem::{Exit, Problem};

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Take a snapshot of the machine's volume now.
    ///
    /// What is on the disk at this moment is what it holds; AWS copies it on by itself.
    Create(Yes),
    /// List the machine's snapshots.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make a new machine with the home that a snapshot holds; it takes the place of the one that is there, which is kept.
    Restore {
        /// The snapshot.
        id: SnapshotId,
        #[command(flatten)]
        yes: Yes,
    },
    /// Delete snapshots.
    Delete {
        /// The snapshots.
        #[arg(required = true, value_name = "ID")]
        ids: Vec<SnapshotId>,
        #[command(flatten)]
        yes: Yes,
    },
}

/// `holdfast snapshot list --json`, version 1: the newest first. `snapshots` holds the fields of [`Kept`].
#[derive(Serialize)]
struct ListJson<'a> {
    version: u32,
    machine: &'a str,
    region: &'a str,
    snapshots: &'a [Kept],
}

pub(super) async fn run(context: &mut Context, command: Command) -> Result<u8, Problem> {
    match command {
        Command::Create(yes) => create(context, yes.yes).await,
        Command::List { json } => list(context, json).await,
        Command::Restore { id, yes } => restore(context, id, yes.yes).await,
        Command::Delete { ids, yes } => delete(context, &ids, yes.yes).await,
    }
}

async fn create(context: &Context, yes: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let asking = if yes { Asking::Given } else { Asking::YesOrNo };
    let watcher = Watcher::new(desired, asking);
    let made = converge::snapshot(&context.aws, &context.store, desired, &watcher).await?;
    drop(watcher);
    if let Some(id) = made {
        out::data(id.as_str());
        out::talk("It holds this moment; AWS copies it on by itself: holdfast snapshot list");
    }
    Ok(0)
}

async fn list(context: &Context, json: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    let snapshots = kept(&context.aws.snapshots(desired).await?);
    if json {
        let (machine, region) = (desired.machine.as_str(), desired.region.as_str());
        out::json(&ListJson { version: 1, machine, region, snapshots: &snapshots })?;
    } else if snapshots.is_empty() {
        out::talk("There is no snapshot. Take one: holdfast snapshot create");
    } else {
        out::data(&table(&snapshots));
        out::talk("\nEach costs what has changed since the one before it, for as long as it is kept.");
    }
    if let (false, Some(schedule)) = (json, desired.schedule()) {
        out::talk(&format!("By the clock: {}.", schedule.words()));
    }
    Ok(0)
}

fn table(snapshots: &[Kept]) -> String {
    let row = |snapshot: &Kept| {
        let taken = snapshot.taken.as_deref().unwrap_or("not known");
        let taken = taken.split('.').next().unwrap_or(taken).trim_end_matches('Z').replace('T', " ");
        let state = snapshot.state.words();
        let (id, size, kind) = (&snapshot.id, snapshot.size_gib, snapshot.kind.words());
        format!("{id}  {taken} UTC  {size:>5} GiB  {kind:<21}  {state}").trim_end().to_owned()
    };
    snapshots.iter().map(row).collect::<Vec<_>>().join("\n")
}

async fn restore(context: &mut Context, id: SnapshotId, yes: bool) -> Result<u8, Problem> {
    context.look(|| context.aws.must_have(&context.desired, [&id])).await?;
    let operation = format!("snapshot restore {id}");
    context.desired.home_from = Some(id);
    let observed = context.observe(Goal::Replaced).await?;
    replace::begin(context, &observed, &operation, yes).await
}

async fn delete(context: &Context, ids: &[SnapshotId], yes: bool) -> Result<u8, Problem> {
    let desired = &context.desired;
    context.look(|| context.aws.may_forget(desired, ids)).await?;
    let observed = Observed::unknown("");
    let plan = plan::forgetting(desired, &observed, ids);
    out::talk(&render(desired, &observed, &plan, Style::stderr()));
    if !yes && !confirm("What they alone hold is gone for ever. Go on? [y/N] ").await {
        return Err(Problem::new("no_consent", "Nothing was deleted").exit(Exit::Refused));
    }
    let watcher = Watcher::new(desired, Asking::Given);
    converge::carry_out(&context.aws, &context.store, "snapshot delete", desired, &plan, &watcher).await?;
    drop(watcher);
    let what = if let [one] = ids { one.to_string() } else { format!("{} snapshots", ids.len()) };
    out::talk(&format!("Deleted {what}."));
    Ok(0)
}

#[cfg(test)]
mod tests {
    use holdfast_core::snapshots::{Kind, State};

    use super::*;

    #[test]
    fn the_table_has_columns() {
        let of = |id: &str, kind, size_gib| Kept {
            id: id.parse().unwrap(),
            volume: None,
            taken: Some("2026-11-29T10:00:00.123Z".to_owned()),
            size_gib,
            kind,
            state: State::Whole,
        };
        let rows = [
            of("snap-0123456789abcdef0", Kind::ByHand, 100),
            of("snap-0123456789abcdef1", Kind::Schedule, 2000),
            of("snap-0123456789abcdef2", Kind::Last, 8),
        ];
        insta::assert_snapshot!(table(&rows), @r"
        snap-0123456789abcdef0  2026-11-29 10:00:00 UTC    100 GiB  by hand
        snap-0123456789abcdef1  2026-11-29 10:00:00 UTC   2000 GiB  schedule
        snap-0123456789abcdef2  2026-11-29 10:00:00 UTC      8 GiB  last state of a volume
        ");
    }
}
