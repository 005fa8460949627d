//! What other settings would do, before they are kept.

use super::draft::{changes, drafted};
use super::harmless::harmless;
use super::view::{self, Changed, Cost, Draft, FieldError, Group, Key, Offer, StepView, cents};
use super::{Foreseen, Problem, Setup};
use crate::machine::Desired;
use crate::plan::{Area, CostChange, Impact, Planned, Step};
use crate::status::Status;

/// A preview, from the moment that it is asked for.
#[derive(Debug)]
pub(super) struct Preview {
    pub(super) number: u32,
    pub(super) draft: Draft,
    pub(super) errors: Vec<FieldError>,
    changes: Vec<Changed>,
    pub(super) found: Option<Result<Box<Foreseen>, Problem>>,
}

impl Preview {
    /// `refused` says why a setting cannot become what the draft makes of it.
    pub(super) fn new(
        number: u32,
        draft: Draft,
        setup: Option<&Setup>,
        refused: impl Fn(Key, &Setup, &Desired) -> Option<String>,
    ) -> Self {
        let drafted = setup.map(|setup| (drafted(setup, &draft), setup));
        let (changes, errors) = match drafted {
            Some((Ok(drafted), setup)) => {
                let changes = changes(setup, &drafted.desired);
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
        Self { number, draft, errors, changes, found: None }
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
            draft: self.draft.clone(),
            looking: self.found.is_none() && self.errors.is_empty(),
            errors: self.errors.clone(),
            problem,
            changes: self.changes.clone(),
            groups: shown.map(groups).unwrap_or_default(),
            notes: shown.map(|shown| notes(shown, &self.changes)).unwrap_or_default(),
            cost: shown.and_then(cost),
            refused: refused.filter(|_| self.can_be_applied()),
        }
    }

    /// The button that carries it out. `ends` says what ends when the machine goes off.
    pub(super) fn offer(&self, ends: impl FnOnce() -> String) -> Option<Offer> {
        let foreseen = self.foreseen().filter(|_| self.can_be_applied())?;
        let Foreseen { desired, plan, .. } = foreseen;
        let name = &desired.machine;
        let makes = plan.steps.iter().any(|planned| matches!(planned.step, Step::RunInstance(_)));
        let label = match (makes, plan.steps.is_empty()) {
            (true, _) => format!("Make {name}"),
            (false, false) => "Apply".to_owned(),
            (false, true) => "Save".to_owned(),
        };
        let note = cost(foreseen).and_then(|cost| cost.always).filter(|_| makes).map(super::show::while_on);
        let asks = match plan.impact() {
            Impact { loses_data: true, .. } => Some("Data is lost for ever.".to_owned()),
            Impact { interrupts: true, .. } => Some(ends()),
            Impact { revokes: true, .. } => {
                Some("The machine loses rights that somebody gave it.".to_owned())
            }
            Impact { loses_data: false, interrupts: false, revokes: false, costs: _ } => None,
        };
        Some(Offer { label, note, asks })
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

fn notes(foreseen: &Foreseen, changes: &[Changed]) -> Vec<String> {
    let Foreseen { plan, desired, observed, .. } = foreseen;
    let of_system = changes.iter().any(|changed| matches!(changed.key, Key::OffAt | Key::OffWhenIdle));
    let rebuild = of_system && observed.winners(desired).instance.is_some();
    let rebuild =
        rebuild.then(|| "When it goes off by itself is a part of its system: rebuild it then.".to_owned());
    let drift = plan.drift.iter().map(|drift| {
        let mark = if drift.security { "Security: " } else { "Changed outside: " };
        format!("{mark}{}. {}", drift.what, super::show::sentence(drift.mend))
    });
    let notes = plan.notes.iter().map(|note| super::show::sentence(&note.words(desired)));
    drift.chain(rebuild).chain(notes).map(|text| harmless(&text, 400)).collect()
}

/// What the machine costs when something new begins to cost.
fn cost(foreseen: &Foreseen) -> Option<Cost> {
    let begins = foreseen.plan.impact().costs;
    let Foreseen { desired, observed, plan, .. } = foreseen;
    let now = Status::of(desired, observed).monthly_now;
    let then = Status::of(desired, &plan.outcome(desired, observed)).monthly;
    begins.then(|| Cost::of(&observed.prices, then, Some(now)))
}
