//! Another instance in the machine's place: what is shown of one that is on its way, and of the one that is kept.

use super::show::name;
use super::view::{self, Offer, Proposal, cents};
use super::{App, Command, Operation, Refusal};
use crate::machine::{Desired, Instance, LAST_HOME, Observed, Power, TAG_HOME};
use crate::plan;
use crate::price::Money;
use crate::status::State;

impl App {
    pub(super) fn may_swap(&self, of: &Proposal) -> Result<(), Refusal> {
        let refuse = |why: String| Err(Refusal { why });
        self.may_change()?;
        let (Some(setup), Some(known)) = (self.setup(), &self.known) else {
            return refuse(format!("The state of {} is not known", name(self)));
        };
        match self.state() {
            State::Unknown => return refuse(format!("The state of {} is not known", name(self))),
            State::Ending => return refuse(format!("{} is ending", name(self))),
            State::Absent | State::Starting | State::On | State::Stopping | State::Off => {}
        }
        let desired = of.wanted(&setup.desired);
        match of.swap().map(|asked| plan::swap(&desired, &known.observed, asked)) {
            Some(Err(why)) => refuse(why.words(&desired)),
            Some(Ok(_)) | None => Ok(()),
        }
    }

    /// What is kept of a replacement that is over, as far as that was seen.
    pub(super) fn kept_instance(&self) -> Option<&Instance> {
        let (setup, known) = (self.setup()?, self.known.as_ref()?);
        plan::kept_instances(&setup.desired, &known.observed).next()
    }

    /// Whether an instance is on its way into the machine's place, as far as that was seen.
    pub(super) fn is_replacing(&self) -> bool {
        let seen = self.setup().zip(self.known.as_ref());
        seen.is_some_and(|(setup, known)| plan::on_its_way(&setup.desired, &known.observed).is_some())
    }
}

/// What is shown of it; `None` where there is nothing but the machine, and while it is being worked on here.
pub(super) fn view(app: &App) -> Option<view::Replacement> {
    let (setup, known) = (app.setup()?, app.known.as_ref()?);
    let at_work = app.running.as_ref().is_some_and(|running| {
        matches!(
            running.operation,
            Operation::Replace
                | Operation::Restore
                | Operation::TakeBack
                | Operation::LetGo
                | Operation::GoBack
        )
    });
    if at_work {
        return None;
    }
    let (desired, observed) = (&setup.desired, &known.observed);
    let offer = |label: &str, of: Proposal| {
        app.may(&Command::Preview { of }).ok().map(|()| Offer {
            label: label.to_owned(),
            note: None,
            asks: None,
        })
    };
    if let Some(new) = plan::on_its_way(desired, observed) {
        let old = observed.winners(desired).instance.filter(|old| old.id != new.id);
        return Some(view::Replacement {
            under_way: true,
            title: match old {
                Some(_) => "A replacement is not over".to_owned(),
                None => format!("{} waits for its home", desired.machine),
            },
            text: under_way(desired, new, old),
            monthly: old.and_then(|_| monthly(desired, observed, new)).map(cents),
            go_on: offer("Go on", Proposal::GoOn),
            take_back: offer("Take it back", Proposal::TakeBack),
            let_go: None,
            go_back: None,
        });
    }
    let old = app.kept_instance()?;
    let off = if old.power == Power::Stopped { ", off," } else { "" };
    Some(view::Replacement {
        under_way: false,
        title: "The old instance is kept".to_owned(),
        text: format!(
            "{} was replaced, and is kept{off} with its volume as it was. Let it go when all is well; or go back to it, and what \
             was done since is lost.",
            old.id
        ),
        monthly: monthly(desired, observed, old).map(cents),
        go_on: None,
        take_back: None,
        let_go: offer("Let it go", Proposal::LetGo),
        go_back: offer("Go back", Proposal::GoBack),
    })
}

fn under_way(desired: &Desired, new: &Instance, old: Option<&Instance>) -> String {
    let machine = &desired.machine;
    let home = new.tags.get(TAG_HOME).filter(|home| *home != LAST_HOME);
    let home = home.map(|id| format!("the home of {}", super::harmless::harmless(id, 40)));
    match old {
        Some(old) => {
            let (new, id) = (&new.id, &old.id);
            let with = home.unwrap_or_else(|| "its home".to_owned());
            let off =
                if matches!(old.power, Power::Stopping | Power::Stopped) { ", off for now" } else { "" };
            format!(
                "{new} is to take the place of {id}, with {with}. Until then {id} is {machine}{off}, and nothing on it is lost."
            )
        }
        None => {
            let of = home.unwrap_or_else(|| "the home of the instance that it replaces".to_owned());
            format!("{} is to have {of}, which is not on it yet.", new.id)
        }
    }
}

/// What an instance beside the machine costs a month as it is.
pub(super) fn monthly(desired: &Desired, observed: &Observed, instance: &Instance) -> Option<Money> {
    let root = instance.root.as_ref()?;
    let disk = observed.volumes.all().iter().find(|volume| volume.id == root.id)?;
    let (region, prices) = (desired.region.as_str(), &observed.prices);
    let mut monthly = prices.monthly(region, instance.instance_type.as_str(), disk.size);
    monthly.volume = prices.gp3_month(region, disk.size, disk.iops?, disk.throughput?);
    if !instance.public_address {
        monthly.address = Some(Money::ZERO);
    }
    match instance.power {
        Power::Pending | Power::Running => monthly.total(),
        Power::Stopping | Power::Stopped | Power::ShuttingDown | Power::Terminated => {
            monthly.stopped().total()
        }
    }
}
