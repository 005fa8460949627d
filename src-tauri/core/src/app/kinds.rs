//! The instance types that the machine can be, and those that it cannot. They are asked for when somebody comes to a page that
//! shows them: some ten calls, and hours in which nothing of it changes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::harmless::harmless;
use super::show::seconds;
use super::view::{self, Offer, cents};
use super::{App, Command, Page, Problem, Refusal, is_about_credentials};
use crate::kinds::{Kind, choices};
use crate::machine::Desired;
use crate::names::InstanceType;
use crate::status::State;
use crate::time::Moment;

/// For how long a list will do when somebody comes back to the page.
const FRESH: Duration = Duration::from_secs(3600);
/// More types than EC2 has.
const MOST: usize = 2000;

/// The types that the region has.
#[derive(Debug, Default)]
pub(super) struct Kinds {
    list: Option<(Vec<Kind>, Moment)>,
    problem: Option<Problem>,
    looking: bool,
    due: bool,
}

impl Kinds {
    /// Somebody has come to a page that shows them.
    pub(super) fn visited(&mut self, now: Moment) {
        self.due |= self.list.as_ref().is_none_or(|(_, at)| now.since(*at) > FRESH);
    }

    /// The machine is in another zone now, or another machine, or there is none any more.
    pub(super) fn changed(&mut self) {
        self.due |= self.list.is_some();
    }

    pub(super) fn asked(&mut self) {
        self.due = true;
    }

    /// Somebody has signed in, which a look may have lacked.
    pub(super) fn signed_in(&mut self) {
        self.due |= self.problem.as_ref().is_some_and(|problem| is_about_credentials(&problem.code));
    }

    pub(super) fn looking(&mut self) {
        (self.looking, self.due) = (true, false);
    }

    pub(super) fn looked(&mut self, result: Result<Vec<Kind>, Problem>, now: Moment) {
        if !std::mem::take(&mut self.looking) {
            return;
        }
        match result {
            Ok(mut list) => {
                list.retain(|kind| !kind.architectures.is_empty());
                list.truncate(MOST);
                (self.list, self.problem) = (Some((list, now)), None);
            }
            Err(problem) => self.problem = Some(problem.harmless()),
        }
    }
}

impl App {
    /// The machine whose types are to be looked at now, and its zone.
    pub fn wants_kinds(&self) -> Option<(Desired, Option<String>)> {
        let wanted = self.kinds.due && !self.kinds.looking && self.shows_kinds();
        let known = self.known.as_ref().filter(|_| wanted && !self.is_blind())?;
        let desired = self.setup()?.desired.clone();
        let zone = known.observed.winners(&desired).instance.map(|instance| instance.zone.clone());
        Some((desired, zone))
    }

    /// Whether the answer of a look at the types is still wanted.
    pub fn awaits_kinds(&self) -> bool {
        self.kinds.looking
    }

    /// Whether the window shows a page that has them.
    fn shows_kinds(&self) -> bool {
        let sets_up = self.state() == State::Absent && self.shows(Page::Machine);
        sets_up || self.shows(Page::Settings)
    }

    pub(super) fn may_look_at_kinds(&self) -> Result<(), Refusal> {
        if self.kinds.looking {
            return Err(Refusal { why: "The types are being looked at".to_owned() });
        }
        Ok(())
    }
}

/// What is shown of them; `None` on pages that have no place for them.
pub(super) fn view(app: &App) -> Option<view::Types> {
    if !app.shows_kinds() {
        return None;
    }
    let (setup, known) = (app.setup()?, app.known.as_ref()?);
    let desired = &setup.desired;
    let instance = known.observed.winners(desired).instance;
    let is = instance.map_or(&desired.instance_type, |instance| &instance.instance_type);
    let place = instance.map(|instance| (instance.architecture.as_str(), instance.zone.as_str()));
    let (kinds, seen) =
        app.kinds.list.as_ref().map_or((&[][..], None), |(list, at)| (list, Some(seconds(*at))));
    let by_name: BTreeMap<&InstanceType, &Kind> =
        kinds.iter().map(|kind| (&kind.instance_type, kind)).collect();
    let all = choices(&known.observed.prices, &desired.region, is, kinds.to_vec());
    let list = all.into_iter().map(|choice| {
        let kind = by_name.get(&choice.instance_type);
        let architecture = kind.map(|kind| kind.architectures.join(", ")).unwrap_or_default();
        view::TypeChoice {
            hindrance: kind.and_then(|kind| kind.hindrance(place)).map(|text| harmless(&text, 200)),
            architecture: harmless(&architecture, 40),
            name: choice.instance_type.to_string(),
            vcpus: choice.vcpus,
            memory: u32::try_from(choice.memory_mib).unwrap_or(u32::MAX),
            network: choice.network.map(|network| harmless(&network, 60)),
            monthly: choice.monthly.map(cents),
            difference: choice.difference.map(|micros| {
                i32::try_from(micros.saturating_add(micros.signum() * 5_000) / 10_000).unwrap_or(i32::MAX)
            }),
            current: choice.current,
        }
    });
    Some(view::Types {
        looking: app.kinds.looking || app.wants_kinds().is_some(),
        problem: app.kinds.problem.clone(),
        seen,
        list: list.collect(),
        look: app.may(&Command::LookAtTypes).ok().map(|()| Offer {
            label: "Refresh".to_owned(),
            note: None,
            asks: None,
        }),
    })
}
