//! The machines of the settings. One of them is shown; nobody looks at the others, so nothing is said of their state.

use super::{App, Command, Refusal, Setup, view};
use crate::names::MachineName;

impl App {
    pub(super) fn may_choose(&self, setup: &Setup, machine: &MachineName) -> Result<(), Refusal> {
        if machine == &setup.desired.machine {
            return Err(Refusal { why: format!("{machine} is shown already") });
        }
        if !setup.settings.machines.contains_key(machine) {
            return Err(Refusal { why: format!("The settings have no machine {machine}") });
        }
        if let Some(running) = &self.running {
            return Err(Refusal { why: format!("{} is under way", running.title) });
        }
        // It would begin unseen, or end untold.
        match self.system.job_words() {
            Some(words) => Err(Refusal { why: format!("{words} is under way") }),
            None => Ok(()),
        }
    }
}

/// All of them, by their names.
pub(super) fn view(app: &App) -> Vec<view::MachineChoice> {
    let Some(setup) = app.setup() else { return Vec::new() };
    let machines = setup.settings.machines.values();
    let all = machines.map(|desired| view::MachineChoice {
        name: desired.machine.clone(),
        region: desired.region.to_string(),
        shown: desired.machine == setup.desired.machine,
        default: desired.machine == setup.settings.default,
        can_be_shown: app.may(&Command::Choose { machine: desired.machine.clone() }).is_ok(),
    });
    all.collect()
}
