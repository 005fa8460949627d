//! The machines behind the sandbox's instances.
//!
//! A guest is what runs while an instance is on. Its disk outlives stop and start, and goes when the instance is
//! terminated. The one kind so far is the `process` guest: a shell in a folder of this computer.

// A computer without machines has nobody at the other end.
#[cfg_attr(not(unix), allow(dead_code))]
mod pipe;
mod program;
mod split;

#[cfg(unix)]
mod process;
#[cfg(unix)]
mod running;
#[cfg(unix)]
mod sweep;
#[cfg(unix)]
mod utf8;
#[cfg(unix)]
use {process::ProcessGuest, sweep::kill_machine};

#[cfg(not(unix))]
#[path = "absent.rs"]
mod running;
#[cfg(not(unix))]
use running::{ProcessGuest, kill_machine};

use std::collections::HashMap;
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use holdfast_core::names::UserName;
use tokio::sync::watch;

use crate::Power;
pub(crate) use pipe::{Failure, Input, Next, Output, Reading};
pub use program::{Program, Streams};
pub(crate) use running::Running;
pub use split::{SplitError, split_command};

/// All machines of a sandbox.
#[derive(Debug)]
pub struct Guests {
    folder: PathBuf,
    machines: Mutex<HashMap<String, Machine>>,
}

#[derive(Debug)]
struct Machine {
    guest: ProcessGuest,
    /// Counts the boots while the machine is on.
    boots: u64,
    on: watch::Sender<Option<u64>>,
}

/// A machine as one session sees it: from one boot until that ends.
#[derive(Debug)]
pub(crate) struct Boot {
    guest: ProcessGuest,
    boot: Option<u64>,
    on: watch::Receiver<Option<u64>>,
}

impl Guests {
    /// Machines that keep their disks in `folder`; each gets a folder of its own there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), machines: Mutex::default() }
    }

    /// Switches a machine. Off and a reboot kill all that runs on it; `Destroyed` removes its disk.
    pub fn power(&self, instance_id: &str, power: Power) -> io::Result<()> {
        let root = self.root(instance_id)?;
        let mut machines = self.machines();
        match power {
            Power::On => switch_on(&mut machines, root, instance_id),
            Power::Off => {
                switch_off(&mut machines, instance_id);
                Ok(())
            }
            Power::Reboot => {
                switch_off(&mut machines, instance_id);
                switch_on(&mut machines, root, instance_id)
            }
            Power::Destroyed => {
                switch_off(&mut machines, instance_id);
                machines.remove(instance_id);
                match std::fs::remove_dir_all(&root) {
                    Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                    Ok(()) | Err(_) => Ok(()),
                }
            }
        }
    }

    /// Gives the machine a user of its own, as applying its configuration does, or takes it away again. A machine
    /// begins without one and keeps it over stop and start.
    pub fn set_user(&self, instance_id: &str, user: Option<&UserName>) -> io::Result<()> {
        match self.machines().get(instance_id) {
            Some(machine) => machine.guest.set_user(user),
            None => Err(io::Error::new(io::ErrorKind::NotFound, format!("no machine {instance_id}"))),
        }
    }

    /// The machine, if it is on.
    pub(crate) fn boot(&self, instance_id: &str) -> Option<Boot> {
        let machines = self.machines();
        let machine = machines.get(instance_id)?;
        let on = machine.on.subscribe();
        let boot = *on.borrow();
        boot.is_some().then(|| Boot { guest: machine.guest.clone(), boot, on })
    }

    fn root(&self, instance_id: &str) -> io::Result<PathBuf> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
        if instance_id.is_empty() || !instance_id.bytes().all(plain) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                format!("no instance id: {instance_id:?}"),
            ));
        }
        Ok(self.folder.join(instance_id))
    }

    fn machines(&self) -> MutexGuard<'_, HashMap<String, Machine>> {
        // Nothing in here is left half done by a panic.
        self.machines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Guests {
    fn drop(&mut self) {
        for machine in self.machines().values() {
            machine.stop();
        }
    }
}

impl Machine {
    fn stop(&self) {
        self.on.send_replace(None);
        kill_machine(self.guest.root());
    }
}

impl Boot {
    /// Starts a program on the machine.
    pub(crate) fn run(&self, program: &Program, reading: Reading) -> Result<Running, Failure> {
        Running::start(&self.guest, program, reading)
    }

    /// Waits until the machine is switched off or rebooted.
    pub(crate) async fn over(&mut self) {
        let boot = self.boot;
        // An error means that the machine does not even exist any more.
        drop(self.on.wait_for(|now| *now != boot).await);
    }
}

fn switch_on(machines: &mut HashMap<String, Machine>, root: PathBuf, instance_id: &str) -> io::Result<()> {
    if machines.get(instance_id).is_some_and(|machine| machine.on.borrow().is_some()) {
        return Ok(());
    }
    let guest = ProcessGuest::boot(root, instance_id)?;
    let machine = machines.entry(instance_id.to_owned()).or_insert_with(|| Machine {
        guest: guest.clone(),
        boots: 0,
        on: watch::Sender::new(None),
    });
    machine.guest = guest;
    machine.boots += 1;
    machine.on.send_replace(Some(machine.boots));
    Ok(())
}

fn switch_off(machines: &mut HashMap<String, Machine>, instance_id: &str) {
    if let Some(machine) = machines.get(instance_id) {
        machine.stop();
    }
}

#[cfg(test)]
mod tests;
