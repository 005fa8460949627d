//! The kinds of machines, and what they have in common.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
#[cfg(target_os = "linux")]
use std::sync::Arc;

use holdfast_core::names::UserName;

use super::life::{Life, State};
#[cfg(target_os = "linux")]
use super::nspawn::{Nspawn, Store, System};
use super::{Machine, ProcessGuest, kill_machine};
use crate::Power;

/// What the machines of a sandbox are.
#[derive(Debug)]
pub(super) enum Kind {
    Process,
    #[cfg(target_os = "linux")]
    /// With the images of volumes where machines have disks of their own.
    Nspawn(System, Option<Store>),
}

/// One machine.
#[derive(Clone, Debug)]
pub(super) enum Guest {
    Process(ProcessGuest),
    #[cfg(target_os = "linux")]
    Nspawn(Arc<Nspawn>),
}

impl Guest {
    /// Kills all that runs on the machine.
    pub(super) fn end(&self) {
        match self {
            Self::Process(guest) => kill_machine(guest.root()),
            #[cfg(target_os = "linux")]
            Self::Nspawn(guest) => guest.end(),
        }
    }

    pub(super) fn set_user(&self, user: Option<&UserName>) -> io::Result<()> {
        match self {
            Self::Process(guest) => guest.set_user(user),
            #[cfg(target_os = "linux")]
            Self::Nspawn(guest) => guest.set_user(user),
        }
    }

    /// The folder that is its disk.
    #[cfg_attr(not(unix), allow(dead_code))]
    pub(super) fn root(&self) -> &Path {
        match self {
            Self::Process(guest) => guest.root(),
            #[cfg(target_os = "linux")]
            Self::Nspawn(guest) => guest.disk(),
        }
    }
}

#[cfg(unix)]
impl Guest {
    /// A program of a session, to be started [inside](Self::inside).
    pub(super) fn command(&self, program: &str, arguments: &[String]) -> io::Result<tokio::process::Command> {
        match self {
            Self::Process(guest) => Ok(guest.command(program, arguments)),
            #[cfg(target_os = "linux")]
            Self::Nspawn(guest) => guest.command(program, arguments),
        }
    }

    /// Opens terminals and starts programs where they are the machine's.
    pub(super) fn inside<T: Send>(&self, act: impl FnOnce() -> T + Send) -> io::Result<T> {
        match self {
            Self::Process(_) => Ok(act()),
            #[cfg(target_os = "linux")]
            Self::Nspawn(guest) => guest.inside(act),
        }
    }
}

/// Switches a `process` guest.
pub(super) fn switch(
    machines: &mut HashMap<String, Machine>,
    root: PathBuf,
    instance_id: &str,
    power: Power,
) -> io::Result<()> {
    match power {
        Power::On => switch_on(machines, root, instance_id),
        Power::Off => {
            switch_off(machines, instance_id);
            Ok(())
        }
        Power::Reboot => {
            switch_off(machines, instance_id);
            switch_on(machines, root, instance_id)
        }
        Power::Destroyed => {
            switch_off(machines, instance_id);
            machines.remove(instance_id);
            match std::fs::remove_dir_all(&root) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                Ok(()) | Err(_) => Ok(()),
            }
        }
    }
}

fn switch_on(machines: &mut HashMap<String, Machine>, root: PathBuf, instance_id: &str) -> io::Result<()> {
    if machines.get(instance_id).is_some_and(|machine| machine.life.borrow().state() != State::Off) {
        return Ok(());
    }
    let guest = Guest::Process(ProcessGuest::boot(root, instance_id)?);
    let machine = machines
        .entry(instance_id.to_owned())
        .or_insert_with(|| Machine { guest: guest.clone(), life: Life::watch() });
    machine.guest = guest;
    machine.life.send_modify(|life| {
        life.boot();
        life.answers(true);
    });
    Ok(())
}

fn switch_off(machines: &mut HashMap<String, Machine>, instance_id: &str) {
    if let Some(machine) = machines.get(instance_id) {
        machine.life.send_modify(Life::off);
        machine.guest.end();
    }
}
