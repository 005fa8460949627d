//! What something would do, before anybody does it: other settings, another instance, a snapshot less.

use super::draft::{changes, drafted};
use super::harmless::harmless;
use super::view::{self, Changed, Cost, FieldError, Group, Key, Offer, Proposal, StepView, cents};
use super::{Foreseen, Operation, Problem, Setup};
use crate::machine::{Desired, Instance, Power};
use crate::plan::{self, Area, CostChange, Impact, Note, Planned, Step, Swap};
use crate::status::Status;

/// A preview, from the moment that it is asked for.
#[derive(Debug)]
pub(super) struct Preview {
    pub(super) number: u32,
    pub(super) of: Proposal,
    pub(super) errors: Vec<FieldError>,
    changes: Vec<Changed>,
    pub(super) found: Option<Result<Box<Foreseen>, Problem>>,
}

impl Preview {
    /// `refused` says why a setting cannot become what the draft makes of it.
    pub(super) fn new(
        number: u32,
        of: Proposal,
        setup: Option<&Setup>,
        refused: impl Fn(Key, &Setup, &Desired) -> Option<String>,
    ) -> Self {
        let draft = if let Proposal::Settings { draft } = &of { Some(draft) } else { None };
        let drafted = setup.zip(draft).map(|(setup, draft)| (drafted(setup, draft), setup));
        let (changes, errors) = match drafted {
            Some((Ok(drafted), setup)) => {
                let changes = changes(setup, &drafted);
                let wrong = |changed: &Changed| {
                    refused(changed.key, setup, &drafted.desired)
                        .map(|text| FieldError { key: changed.key, text })
                };
                let errors = changes.iter().filter_map(wrong).collect();
                (changes, errors)
            }
            Some((Err(errors), _)) => (Vec::new(), errors),
            None => (Vec::new(), Vec::new()),
        };
        Self { number, of, errors, changes, found: None }
    }

    /// Whether it shows something to do that nothing forbids.
    pub(super) fn can_be_applied(&self) -> bool {
        self.foreseen().is_some_and(|foreseen| {
            foreseen.blocked.is_none() && !(foreseen.plan.steps.is_empty() && self.changes.is_empty())
        })
    }

    fn foreseen(&self) -> Option<&Foreseen> {
        self.found.as_ref()?.as_ref().ok().map(Box::as_ref)
    }

    pub(super) fn view(&self, refused: Option<String>) -> view::Preview {
        let problem = match &self.found {
            Some(Err(problem)) => Some(problem.clone()),
            Some(Ok(foreseen)) => foreseen.blocked.clone().map(Problem::harmless),
            None => None,
        };
        let shown = self.foreseen().filter(|foreseen| foreseen.blocked.is_none());
        view::Preview {
            number: self.number,
            of: self.of.clone(),
            looking: self.found.is_none() && self.errors.is_empty(),
            errors: self.errors.clone(),
            problem,
            changes: self.changes.clone(),
            groups: shown.map(groups).unwrap_or_default(),
            notes: shown.map(|shown| self.notes(shown)).unwrap_or_default(),
            cost: shown.and_then(cost),
            refused: refused.filter(|_| self.can_be_applied()),
        }
    }

    /// The button that carries it out. `ends` says what ends when the machine goes off.
    pub(super) fn offer(&self, ends: impl FnOnce() -> String) -> Option<Offer> {
        let foreseen = self.foreseen().filter(|_| self.can_be_applied())?;
        let Foreseen { desired, observed, plan, .. } = foreseen;
        let name = &desired.machine;
        let makes = plan.steps.iter().any(|planned| matches!(planned.step, Step::RunInstance(_)));
        let there = observed.winners(desired).instance.is_some();
        let label = match &self.of {
            Proposal::Settings { .. } if makes => format!("Make {name}"),
            Proposal::Settings { .. } if plan.steps.is_empty() => "Save".to_owned(),
            Proposal::Settings { .. } => "Apply".to_owned(),
            Proposal::Restore { .. } if makes && !there => format!("Make {name}"),
            Proposal::Replace if makes => format!("Replace {name}"),
            Proposal::Restore { .. } if makes => format!("Restore {name}"),
            Proposal::Replace | Proposal::GoOn | Proposal::Restore { .. } => "Go on".to_owned(),
            Proposal::TakeBack => "Take it back".to_owned(),
            Proposal::LetGo => "Let it go".to_owned(),
            Proposal::GoBack => "Go back".to_owned(),
            Proposal::DeleteSnapshot { .. } => "Delete it".to_owned(),
        };
        let note = cost(foreseen).and_then(|cost| cost.always).filter(|_| makes).map(super::show::while_on);
        let asks = self.asks(foreseen, ends);
        Some(Offer { label, note, asks })
    }

    /// What has to be agreed to first.
    fn asks(&self, foreseen: &Foreseen, ends: impl FnOnce() -> String) -> Option<String> {
        let Foreseen { desired, observed, plan, .. } = foreseen;
        let goes = |instance: Option<&Instance>| {
            let id = instance.map_or_else(|| "The instance".to_owned(), |instance| instance.id.to_string());
            format!("{id} ends, with its volume.")
        };
        let winners = observed.winners(desired);
        match &self.of {
            Proposal::TakeBack => {
                let stays = "What is on the machine stays as it is.";
                return Some(format!("{} {stays}", goes(winners.successor)));
            }
            Proposal::LetGo => {
                let old = plan::kept_instances(desired, observed).next();
                let left = old.and_then(|old| plan::last_state(observed, &old.id));
                let left = match left {
                    Some(left) => format!("Its last state stays in {}.", left.id),
                    None => "What it alone holds is lost for ever.".to_owned(),
                };
                return Some(format!("{} {left}", goes(old)));
            }
            Proposal::GoBack => {
                let lost = "What was done since it took the machine's place is lost for ever.";
                return Some(format!("{} {lost} {}", goes(winners.instance), ends()));
            }
            Proposal::DeleteSnapshot { .. } => {
                return Some("What it alone holds is lost for ever.".to_owned());
            }
            Proposal::Settings { .. } | Proposal::Replace | Proposal::GoOn | Proposal::Restore { .. } => {}
        }
        match plan.impact() {
            Impact { loses_data: true, .. } => Some("Data is lost for ever.".to_owned()),
            Impact { interrupts: true, .. } => Some(ends()),
            Impact { revokes: true, .. } => {
                Some("The machine loses rights that somebody gave it.".to_owned())
            }
            Impact { loses_data: false, interrupts: false, revokes: false, costs: _ } => None,
        }
    }

    fn notes(&self, foreseen: &Foreseen) -> Vec<String> {
        let Foreseen { plan, desired, observed, .. } = foreseen;
        let there = observed.winners(desired).instance.is_some();
        let of_system = |changed: &Changed| matches!(changed.key, Key::OffAt | Key::OffWhenIdle);
        let rebuild = self.changes.iter().any(of_system) && there;
        let rebuild = rebuild
            .then(|| "When it goes off by itself is a part of its system: rebuild it then.".to_owned());
        let drift = plan.drift.iter().map(|drift| {
            let mark = if drift.security { "Security: " } else { "Changed outside: " };
            format!("{mark}{}. {}", drift.what, super::show::sentence(drift.mend))
        });
        // What is said of an instance beside the machine is what this is about.
        let apart = |note: &&Note| {
            self.of.swap().is_none() || !matches!(note, Note::KeptInstance { .. } | Note::Replacing { .. })
        };
        let notes = plan.notes.iter().filter(apart).map(|note| super::show::sentence(&note.words(desired)));
        let all = drift.chain(rebuild).chain(self.notes_of_swap(foreseen)).chain(notes);
        all.map(|text| harmless(&text, 400)).collect()
    }

    /// What there is to know about another instance in the machine's place.
    fn notes_of_swap(&self, foreseen: &Foreseen) -> Vec<String> {
        let Foreseen { plan, desired, observed, .. } = foreseen;
        if self.of.swap().is_none() || plan.steps.is_empty() {
            return Vec::new();
        }
        let then = plan.outcome(desired, observed);
        if matches!(self.of, Proposal::Replace | Proposal::GoOn | Proposal::Restore { .. }) {
            let home =
                "Only what is in /home comes with it; its system is built from your configuration then.";
            let old = plan::kept_instances(desired, &then).next();
            let kept = old.map(|old| match super::replacement::monthly(desired, &then, old) {
                Some(money) => {
                    format!("{} is kept then, off, and costs {money} a month until you let it go.", old.id)
                }
                None => {
                    format!("{} is kept then, off, and its volume costs on until you let it go.", old.id)
                }
            });
            return kept.into_iter().chain([home.to_owned()]).collect();
        }
        let machine = then.winners(desired).instance;
        let off = machine.is_some_and(|machine| machine.power == Power::Stopped);
        off.then(|| format!("{} is off then: start it when you want it.", desired.machine))
            .into_iter()
            .collect()
    }
}

impl Proposal {
    /// What is wanted of the machine for it.
    pub fn wanted(&self, desired: &Desired) -> Desired {
        match self {
            Self::Restore { snapshot } => Desired { home_from: Some(snapshot.clone()), ..desired.clone() },
            Self::Settings { .. }
            | Self::Replace
            | Self::GoOn
            | Self::TakeBack
            | Self::LetGo
            | Self::GoBack
            | Self::DeleteSnapshot { .. } => desired.clone(),
        }
    }

    /// What it asks for about the machine's place.
    pub fn swap(&self) -> Option<Swap> {
        match self {
            Self::Replace | Self::Restore { .. } => Some(Swap::Replace),
            Self::GoOn => Some(Swap::GoOn),
            Self::TakeBack => Some(Swap::TakeBack),
            Self::LetGo => Some(Swap::LetGo),
            Self::GoBack => Some(Swap::GoBack),
            Self::Settings { .. } | Self::DeleteSnapshot { .. } => None,
        }
    }

    /// The operation that it asks for, `there` being a machine.
    pub(super) fn operation(&self, there: bool) -> Operation {
        match self {
            Self::Settings { .. } if there => Operation::Apply,
            Self::Settings { .. } => Operation::Make,
            Self::Replace | Self::GoOn => Operation::Replace,
            Self::TakeBack => Operation::TakeBack,
            Self::LetGo => Operation::LetGo,
            Self::GoBack => Operation::GoBack,
            Self::Restore { .. } => Operation::Restore,
            Self::DeleteSnapshot { .. } => Operation::DeleteSnapshot,
        }
    }
}

fn groups(foreseen: &Foreseen) -> Vec<Group> {
    let of = |area: Area| {
        let steps = foreseen.plan.steps.iter().filter(|planned| planned.words.area == area);
        Group { area, steps: steps.map(step).collect() }
    };
    let all = [Area::Network, Area::Identity, Area::Machine].map(of);
    all.into_iter().filter(|group| !group.steps.is_empty()).collect()
}

fn step(planned: &Planned) -> StepView {
    let signed = |cents: u32| i32::try_from(cents).unwrap_or(i32::MAX);
    let (monthly, hourly) = match planned.monthly {
        Some(CostChange::More(money)) => (Some(signed(cents(money))), None),
        Some(CostChange::Less(money)) => (Some(-signed(cents(money))), None),
        Some(CostChange::Hourly(money)) => (None, Some(format!(", {money} an hour"))),
        None => (None, None),
    };
    StepView {
        change: planned.words.change,
        what: harmless(&planned.words.what, 200) + &hourly.unwrap_or_default(),
        why: planned.words.why.to_owned(),
        monthly,
        interrupts: planned.impact.interrupts,
        loses_data: planned.impact.loses_data,
    }
}

/// What the machine costs when something new begins to cost.
fn cost(foreseen: &Foreseen) -> Option<Cost> {
    let begins = foreseen.plan.impact().costs;
    let Foreseen { desired, observed, plan, .. } = foreseen;
    let now = Status::of(desired, observed).monthly_now;
    let then = Status::of(desired, &plan.outcome(desired, observed)).monthly;
    begins.then(|| Cost::of(&observed.prices, then, Some(now)))
}
