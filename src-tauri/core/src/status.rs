//! What is known of a machine, for people and for scripts.

use serde::Serialize;

use crate::machine::{Desired, Fact, Instance, Observed, Power, TAG_RESIZE};
use crate::power;
use crate::price::{self, Monthly};

/// The version of the JSON shape; it grows when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// A machine at one moment.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// [`VERSION`].
    pub version: u32,
    /// The machine's name.
    pub machine: String,
    /// Its user.
    pub user: String,
    /// Its region.
    pub region: String,
    /// Its state.
    pub state: State,
    /// The instance, when there is one.
    pub instance: Option<InstanceStatus>,
    /// Whether SSM has a line to the machine's agent; `None` when that is not known.
    pub reachable: Option<bool>,
    /// What a month costs if the machine runs all the time.
    pub monthly: Monthly,
    /// What a month costs in the present state.
    pub monthly_now: Monthly,
    /// The date of the prices.
    pub prices_of: String,
}

/// The state of a machine, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// There is none.
    Absent,
    /// It goes on.
    Starting,
    /// It is on.
    On,
    /// It goes off.
    Stopping,
    /// It is off.
    Off,
    /// It goes away.
    Ending,
    /// It cannot be seen.
    Unknown,
}

impl State {
    /// As a word in a sentence about the machine.
    pub fn word(self) -> &'static str {
        match self {
            Self::Absent => "not made yet",
            Self::Starting => "starting",
            Self::On => "on",
            Self::Stopping => "stopping",
            Self::Off => "off",
            Self::Ending => "ending",
            Self::Unknown => "unknown",
        }
    }
}

/// An instance, for people and for scripts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct InstanceStatus {
    /// Its id.
    pub id: String,
    /// Its type.
    pub instance_type: String,
    /// Its zone.
    pub zone: String,
    /// Size of its root volume in GiB.
    pub volume_size: Option<u32>,
    /// When it was last started, RFC 3339.
    pub started: Option<String>,
    /// Why and when it went off, in AWS's words.
    pub stopped: Option<String>,
    /// Why it is off where its own system was shut down, as far as the settings tell.
    pub went_off: Option<String>,
    /// The type that it had, while it changes to another; whoever began that may have been interrupted.
    pub changing_from: Option<String>,
}

impl Status {
    /// What `observed` says of the machine.
    pub fn of(desired: &Desired, observed: &Observed) -> Self {
        let winners = observed.winners(desired);
        let volume_size = winners.volume.map(|volume| volume.size);
        let region = desired.region.as_str();
        let kind = winners.instance.map_or(&desired.instance_type, |instance| &instance.instance_type);
        let prices = &observed.prices;
        let mut monthly = prices.monthly(region, kind.as_str(), volume_size.unwrap_or(desired.volume_size));
        // The speed of a volume of another kind has no price of its own, or one that is not known here.
        let speed = match winners.volume {
            Some(volume) => volume.iops.zip(volume.throughput),
            None => Some((desired.volume_iops, desired.volume_throughput)),
        };
        if let Some((iops, throughput)) = speed {
            let size = volume_size.unwrap_or(desired.volume_size);
            monthly.volume = prices.gp3_month(region, size, iops, throughput);
        }
        if winners
            .instance
            .is_some_and(|instance| instance.power == Power::Running && !instance.public_address)
        {
            monthly.address = Some(price::Money::ZERO);
        }
        let state = match (&observed.instances, winners.instance) {
            (Fact::Unknown(_), _) => State::Unknown,
            (Fact::Absent | Fact::Present(_), None) => State::Absent,
            (Fact::Absent | Fact::Present(_), Some(instance)) => state(instance.power),
        };
        let monthly_now = match state {
            State::Absent | State::Unknown => Monthly {
                instance: Some(price::Money::ZERO),
                volume: Some(price::Money::ZERO),
                address: Some(price::Money::ZERO),
            },
            State::Off | State::Stopping | State::Ending => monthly.stopped(),
            State::Starting | State::On => monthly,
        };
        Self {
            version: VERSION,
            machine: desired.machine.to_string(),
            user: desired.user.to_string(),
            region: region.to_owned(),
            state,
            instance: winners.instance.map(|instance| instance_status(desired, instance, volume_size)),
            reachable: match &observed.agent {
                Fact::Unknown(_) => None,
                Fact::Absent => Some(false),
                Fact::Present(()) => Some(true),
            },
            monthly,
            monthly_now,
            prices_of: prices.day(),
        }
    }

    /// The next command that is useful now, and what it does.
    pub fn hint(&self) -> Option<(&'static str, &'static str)> {
        let changing = self.instance.as_ref().is_some_and(|instance| instance.changing_from.is_some());
        match (self.state, self.reachable) {
            (State::Off | State::On, _) if changing => {
                Some(("holdfast apply", "goes on with the change of its type"))
            }
            (State::Absent, _) => Some(("holdfast up", "makes the machine")),
            (State::Off, _) => Some(("holdfast start", "starts it")),
            (State::On, Some(true)) => Some(("holdfast connect", "opens a shell on it")),
            (State::On, Some(false)) => Some(("holdfast up", "waits until the machine can be reached")),
            (State::Starting | State::Stopping | State::Ending, _) => {
                Some(("holdfast status --watch", "shows when that ends"))
            }
            (State::On | State::Unknown, _) => None,
        }
    }
}

fn state(power: Power) -> State {
    match power {
        Power::Pending => State::Starting,
        Power::Running => State::On,
        Power::Stopping => State::Stopping,
        Power::Stopped => State::Off,
        Power::ShuttingDown => State::Ending,
        Power::Terminated => State::Absent,
    }
}

fn instance_status(desired: &Desired, instance: &Instance, volume_size: Option<u32>) -> InstanceStatus {
    let off = matches!(instance.power, Power::Stopping | Power::Stopped);
    InstanceStatus {
        id: instance.id.to_string(),
        instance_type: instance.instance_type.to_string(),
        zone: instance.zone.clone(),
        volume_size,
        started: instance.launched.clone().filter(|_| !off),
        changing_from: instance.tags.get(TAG_RESIZE).cloned(),
        went_off: (off && instance.stopped_itself).then(|| power::went_off(desired)),
        stopped: instance.transition.clone().filter(|text| off && !text.is_empty()),
    }
}
