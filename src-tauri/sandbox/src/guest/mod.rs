//! The machines behind the sandbox's instances.
//!
//! A guest is what runs while an instance is on. Its disk outlives stop and start, and goes when the instance is
//! terminated. There are two kinds: the `process` guest, a shell in a folder of this computer, and on Linux the `nspawn`
//! guest, a machine with systemd.

mod kind;
mod life;
// A computer without machines has nobody at the other end.
#[cfg_attr(not(unix), allow(dead_code))]
mod pipe;
mod program;
mod split;

#[cfg(target_os = "linux")]
mod nspawn;
#[cfg(target_os = "linux")]
pub use nspawn::{Disk, FileSystem, Layout};
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

use crate::{Power, Storage};
use kind::{Guest, Kind};
use life::Life;
pub(crate) use life::Lost;
pub use life::State;
pub(crate) use pipe::{Failure, Input, Next, Output, Reading};
pub use program::{Program, Streams};
pub(crate) use running::Running;
pub use split::{SplitError, split_command};

/// All machines of a sandbox.
#[derive(Debug)]
pub struct Guests {
    folder: PathBuf,
    kind: Kind,
    machines: Mutex<HashMap<String, Machine>>,
}

#[derive(Debug)]
struct Machine {
    guest: Guest,
    life: watch::Sender<Life>,
}

/// A machine as one session sees it: from one boot until that ends.
#[derive(Debug)]
pub(crate) struct Boot {
    guest: Guest,
    began: Life,
    life: watch::Receiver<Life>,
}

impl Guests {
    /// Machines that keep their disks in `folder`; each gets a folder of its own there.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self::of(folder.into(), Kind::Process)
    }

    fn of(folder: PathBuf, kind: Kind) -> Self {
        Self { folder, kind, machines: Mutex::default() }
    }

    /// Switches a machine. Off and a reboot end all that runs on it; `Destroyed` removes its disk.
    ///
    /// # Errors
    /// What is no instance id, and of process guests also what their folders do not allow.
    pub fn power(&self, instance_id: &str, power: Power) -> io::Result<()> {
        let root = self.root(instance_id)?;
        let mut machines = self.machines();
        match &self.kind {
            Kind::Process => kind::switch(&mut machines, root, instance_id, power),
            #[cfg(target_os = "linux")]
            Kind::Nspawn(system, _) => nspawn::switch(&mut machines, root, system, instance_id, power),
        }
    }

    /// A machine's disk now has as many GiB, which matters to machines with disks of their own
    /// (`Guests::nixos_on_disk`). It happens in the background, whether the machine is on or not.
    ///
    /// # Errors
    /// What is no instance id.
    pub fn resize_disk(&self, instance_id: &str, gib: u32) -> io::Result<()> {
        let root = self.root(instance_id)?;
        match &self.kind {
            // A folder has no size.
            Kind::Process => {
                drop(root);
                Ok(())
            }
            #[cfg(target_os = "linux")]
            Kind::Nspawn(system, _) => {
                nspawn::resize_disk(&mut self.machines(), root, system, instance_id, gib)
            }
        }
    }

    /// Follows what happened to volumes and snapshots, which matters to machines with disks of their own. It happens in
    /// the background.
    ///
    /// # Errors
    /// What names no instance.
    pub fn storage(&self, event: &Storage) -> io::Result<()> {
        let root = match event.instance() {
            Some(instance) => Some((instance, self.root(instance)?)),
            None => None,
        };
        match &self.kind {
            #[cfg(target_os = "linux")]
            Kind::Nspawn(system, Some(store)) => {
                let known = |(id, root)| nspawn::known(&mut self.machines(), root, system, id);
                store.follow(event, root.map(known).transpose()?);
                Ok(())
            }
            #[cfg(target_os = "linux")]
            Kind::Nspawn(_, None) => Ok(()),
            // Folders have no volumes.
            Kind::Process => {
                drop(root);
                Ok(())
            }
        }
    }

    /// How far a machine is; one that was never on is off.
    pub fn state(&self, instance_id: &str) -> State {
        self.machines().get(instance_id).map_or(State::Off, |machine| machine.life.borrow().state())
    }

    /// The machines that have powered themselves off since this was last asked.
    pub fn powered_off(&self) -> Vec<String> {
        let machines = self.machines();
        let new =
            machines.iter().filter(|(_, machine)| machine.life.send_if_modified(Life::take_powered_off));
        new.map(|(id, _)| id.clone()).collect()
    }

    /// Gives the machine a user of its own, as applying its configuration does, or takes it away again. A machine
    /// begins without one and keeps it over stop and start. On a machine with systemd this takes about a second.
    ///
    /// # Errors
    /// The machine was never on, or one with systemd is not on now.
    pub fn set_user(&self, instance_id: &str, user: Option<&UserName>) -> io::Result<()> {
        match self.guest(instance_id) {
            Some(guest) => guest.set_user(user),
            None => Err(no_machine(instance_id)),
        }
    }

    /// The machine, if it can be entered.
    pub(crate) fn boot(&self, instance_id: &str) -> Option<Boot> {
        let machines = self.machines();
        let machine = machines.get(instance_id)?;
        let life = machine.life.subscribe();
        let began = *life.borrow();
        (began.state() == State::Reachable).then(|| Boot { guest: machine.guest.clone(), began, life })
    }

    fn guest(&self, instance_id: &str) -> Option<Guest> {
        self.machines().get(instance_id).map(|machine| machine.guest.clone())
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
    /// Nothing that ran on the machines is left afterwards; their disks are.
    fn drop(&mut self) {
        for machine in self.machines().values() {
            machine.life.send_modify(Life::off);
            machine.guest.end();
        }
    }
}

impl Boot {
    /// Starts a program on the machine.
    pub(crate) fn run(&self, program: &Program, reading: Reading) -> Result<Running, Failure> {
        Running::start(&self.guest, program, reading)
    }

    /// Waits until something befalls the session. Its agent dies but once, and then it waits for the machine.
    pub(crate) async fn lost(&mut self) -> Lost {
        let began = self.began;
        // An error means that the machine does not even exist any more.
        let Ok(now) = self.life.wait_for(|now| now.lost_since(began).is_some()).await.map(|now| *now) else {
            return Lost::Machine;
        };
        self.began = now;
        now.lost_since(began).unwrap_or(Lost::Machine)
    }
}

fn no_machine(instance_id: &str) -> io::Error {
    io::Error::new(io::ErrorKind::NotFound, format!("no machine {instance_id}"))
}

#[cfg(test)]
mod tests;
