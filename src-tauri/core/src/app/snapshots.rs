//! What is known of the machine's snapshots, and when to look at them: for who looks at the window, and nobody else.

use std::time::Duration;

use super::show::{name, seconds, sentence};
use super::view::{self, Offer, Proposal, SoMuch, cents};
use super::{App, Command, Problem, Refusal};
use crate::cost::{self, Stored};
use crate::machine::Snapshot;
use crate::names::SnapshotId;
use crate::snapshots::{Kept, State as Progress, kept};
use crate::status::State;
use crate::time::{Moment, find_moment};

/// For how long an answer will do when somebody looks at the window again.
const FRESH: Duration = Duration::from_secs(60);
/// When to look again at one that AWS still copies.
const COPYING: Duration = Duration::from_secs(30);

/// The snapshots, whether there is a machine or not.
#[derive(Debug, Default)]
pub(super) struct Snapshots {
    list: Option<(Vec<Snapshot>, Moment)>,
    /// Why the last look brought no list, and when.
    problem: Option<(Problem, Moment)>,
    looking: bool,
    /// When to look next.
    due: Option<Moment>,
}

impl Snapshots {
    /// Somebody looks at the window.
    pub(super) fn watched(&mut self, now: Moment) {
        let listed = self.list.as_ref().map(|(_, at)| *at);
        let last = listed.max(self.problem.as_ref().map(|(_, at)| *at));
        if last.is_some_and(|last| now.since(last) > FRESH) {
            self.due = Some(now);
        }
    }

    /// There may be others now.
    pub(super) fn changed(&mut self, now: Moment) {
        self.due = Some(now);
    }

    pub(super) fn looking(&mut self) {
        (self.looking, self.due) = (true, None);
    }

    /// The answer of a look, unless another machine is meant by now.
    pub(super) fn looked(&mut self, result: Result<Vec<Snapshot>, Problem>, now: Moment) {
        if !std::mem::take(&mut self.looking) {
            return;
        }
        match result {
            Ok(list) => {
                if kept(&list).iter().any(|one| one.state == Progress::Pending) {
                    self.due.get_or_insert(now + COPYING);
                }
                (self.list, self.problem) = (Some((list, now)), None);
            }
            Err(problem) => self.problem = Some((problem.harmless(), now)),
        }
    }

    fn all(&self) -> &[Snapshot] {
        self.list.as_ref().map_or(&[], |(list, _)| list)
    }

    fn find(&self, id: &SnapshotId) -> Option<Kept> {
        kept(self.all()).into_iter().find(|one| &one.id == id)
    }
}

impl App {
    /// How long the next look at the snapshots can wait; `None` where nobody wants one, or it cannot be had now.
    pub fn next_look_at_snapshots(&self, now: Moment) -> Option<Duration> {
        let snapshots = &self.snapshots;
        if !self.window {
            return None;
        }
        self.may_look_at_snapshots().ok()?;
        if snapshots.list.is_none() && snapshots.problem.is_none() {
            return Some(Duration::ZERO);
        }
        let pause = snapshots.due?.since(now);
        // One that is farther away was wanted before the clock was set back.
        Some(if pause > COPYING { Duration::ZERO } else { pause })
    }

    /// Whether the answer of a look at the snapshots is still wanted.
    pub fn awaits_snapshots(&self) -> bool {
        self.snapshots.looking
    }

    pub(super) fn may_look_at_snapshots(&self) -> Result<(), Refusal> {
        if self.known.is_none() || self.is_blind() {
            return refuse("AWS cannot be looked at now".to_owned());
        }
        if self.snapshots.looking {
            return refuse("The snapshots are being looked at".to_owned());
        }
        Ok(())
    }

    pub(super) fn may_take_snapshot(&self) -> Result<(), Refusal> {
        self.may_change()?;
        let name = name(self);
        match self.state() {
            State::Starting | State::On | State::Stopping | State::Off => Ok(()),
            State::Absent | State::Ending => refuse(format!("There is no machine {name} yet")),
            State::Unknown => refuse(format!("The state of {name} is not known")),
        }
    }

    pub(super) fn may_restore(&self, of: &Proposal, snapshot: &SnapshotId) -> Result<(), Refusal> {
        self.may_swap(of)?;
        match self.snapshots.find(snapshot) {
            None => refuse(format!("No snapshot {snapshot} is known")),
            Some(one) if one.state == Progress::Failed => refuse(format!("{snapshot} holds nothing")),
            Some(_) => Ok(()),
        }
    }

    pub(super) fn may_delete_snapshot(&self, snapshot: &SnapshotId) -> Result<(), Refusal> {
        self.may_change()?;
        match self.snapshots.find(snapshot) {
            None => refuse(format!("No snapshot {snapshot} is known")),
            Some(_) if self.is_replacing() => {
                refuse("A home may be on its way from it: the replacement is not over".to_owned())
            }
            Some(_) => Ok(()),
        }
    }
}

fn refuse(why: String) -> Result<(), Refusal> {
    Err(Refusal { why })
}

/// What is shown of the snapshots; `None` while nothing can be said of them, and where there is neither a machine nor one of them.
pub(super) fn view(app: &App) -> Option<view::Snapshots> {
    let snapshots = &app.snapshots;
    let setup = app.setup()?;
    let there = match app.state() {
        State::Starting | State::On | State::Stopping | State::Off | State::Ending => true,
        State::Absent | State::Unknown => false,
    };
    if !there && snapshots.all().is_empty() {
        return None;
    }
    let list = kept(snapshots.all());
    let stored: Vec<Stored> = snapshots.all().iter().map(Stored::of).collect();
    let (region, prices) = (setup.desired.region.as_str(), app.known.as_ref().map(|k| &k.observed.prices));
    let cost = prices.and_then(|prices| cost::snapshots(prices, region, &stored));
    let offer = |label: &str, command: Command, note: Option<String>| {
        app.may(&command).ok().map(|()| Offer { label: label.to_owned(), note, asks: None })
    };
    let note = match app.kept_instance() {
        Some(old) => Some(format!("None can be restored as long as {} is kept.", old.id)),
        None if app.is_replacing() => {
            Some("None can be deleted, and no other restored, before the replacement is over.".to_owned())
        }
        None => None,
    };
    Some(view::Snapshots {
        looking: snapshots.looking,
        problem: snapshots.problem.as_ref().map(|(problem, _)| problem.clone()),
        seen: snapshots.list.as_ref().map(|(_, at)| seconds(*at)),
        list: list.iter().map(|one| snapshot(app, one)).collect(),
        cost: cost.map(|cost| SoMuch {
            least: cost.amount.map(|range| cents(range.least)),
            most: cost.amount.map(|range| cents(range.most)),
            basis: sentence(&cost.basis),
        }),
        schedule: setup.desired.schedule().map(|schedule| sentence(&schedule.words())),
        note: note.filter(|_| !list.is_empty() && app.running.is_none()),
        take: offer("Take a snapshot", Command::TakeSnapshot, Some(taking(app))),
        look: offer("Refresh", Command::LookAtSnapshots, None),
    })
}

fn snapshot(app: &App, snapshot: &Kept) -> view::Snapshot {
    let Kept { id, taken, size_gib, kind, state, volume: _ } = snapshot;
    let offer = |label: &str, of: Proposal| {
        app.may(&Command::Preview { of }).ok().map(|()| Offer {
            label: label.to_owned(),
            note: None,
            asks: None,
        })
    };
    let taken = taken.as_deref().and_then(find_moment);
    view::Snapshot {
        id: id.clone(),
        taken: taken.and_then(|moment| u32::try_from(moment).ok()),
        size: *size_gib,
        why: kind.words().to_owned(),
        state: Some(state.words()).filter(|words| !words.is_empty()).map(ToOwned::to_owned),
        failed: *state == Progress::Failed,
        restore: offer("Restore", Proposal::Restore { snapshot: id.clone() }),
        delete: offer("Delete", Proposal::DeleteSnapshot { snapshot: id.clone() }),
    }
}

/// What another snapshot costs.
fn taking(app: &App) -> String {
    let change = "what has changed since the one before";
    let most = app.setup().zip(app.known.as_ref()).and_then(|(setup, known)| {
        let size = known.observed.winners(&setup.desired).volume?.size;
        Some(known.observed.prices.snapshot_gib_month(setup.desired.region.as_str())?.times(size))
    });
    match most {
        Some(most) => format!("it costs {change}, at most {most} a month; nothing is interrupted"),
        None => format!("it costs {change}; nothing is interrupted"),
    }
}
