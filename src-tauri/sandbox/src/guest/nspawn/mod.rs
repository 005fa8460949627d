//! The `nspawn` guest: a Debian machine with systemd as its first process, booted by `systemd-nspawn` from a folder that
//! is its disk. It needs root, and the packages systemd-container and util-linux.
//!
//! The folder may instead hold an image, which is a [disk](Disk) of its own to the machine.
//!
//! `tree.sh` makes what such a machine begins with: a service that stands in for the agent, the agent's user, zellij.

mod control_group;
mod disk;
mod inside;
mod keeper;
mod plug;
mod still;
mod store;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io;
use std::path::{Path, PathBuf};
use std::process;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use holdfast_core::names::UserName;
use rustix::process::{Signal, kill_process};
use tokio::sync::watch;

use super::kind::{Guest, Kind};
use super::life::Life;
use super::{Guests, Machine, no_machine};
use crate::Power;
use control_group::ControlGroup;
pub use disk::{Disk, FileSystem, Layout};
use keeper::{Keeper, Order};
pub(super) use store::Store;

const SET_USER: &str = include_str!("user.sh");

/// What machines are made of.
#[derive(Clone, Debug)]
pub(super) struct System {
    /// What a new disk is a copy of.
    pub(super) tree: PathBuf,
    /// They are made ready to be rebuilt.
    pub(super) nixos: bool,
    /// They have disks of their own.
    pub(super) disk: Option<Disk>,
}

/// A machine, on or off. A thread of its own boots, watches and halts it, so that nobody waits who switches it.
#[derive(Debug)]
pub(super) struct Nspawn {
    disk: PathBuf,
    group: ControlGroup,
    life: watch::Sender<Life>,
    orders: Sender<Order>,
    /// Whoever ends the machine does not wait for a clean halt.
    hurry: Arc<AtomicBool>,
    keeper: Mutex<Option<JoinHandle<()>>>,
}

impl Nspawn {
    /// A machine that is off; without a disk yet unless it was on before.
    pub(super) fn new(
        disk: PathBuf,
        system: &System,
        instance: &str,
        life: watch::Sender<Life>,
    ) -> io::Result<Self> {
        static MACHINES: AtomicU64 = AtomicU64::new(0);
        let group = ControlGroup::new(instance, MACHINES.fetch_add(1, Ordering::Relaxed));
        let (orders, received) = channel();
        let hurry = Arc::new(AtomicBool::new(false));
        let keeper = Keeper {
            instance: instance.to_owned(),
            disk: disk.clone(),
            system: system.clone(),
            group: group.clone(),
            life: life.clone(),
            hurry: Arc::clone(&hurry),
        };
        // systemd-nspawn ends when the thread that started it does: it lives as long as the machine.
        let thread =
            thread::Builder::new().name(instance.to_owned()).spawn(move || keeper.keep(&received))?;
        Ok(Self { disk, group, life, orders, hurry, keeper: Mutex::new(Some(thread)) })
    }

    /// Sees to it in the background, after what was ordered before.
    pub(super) fn power(&self, power: Power) {
        match power {
            Power::On => {}
            Power::Off | Power::Reboot | Power::Destroyed => self.life.send_modify(Life::off),
        }
        if power == Power::Destroyed {
            self.hurry.store(true, Ordering::Relaxed);
        }
        self.order(Order::Power(power));
    }

    /// Has something done in the background, after what was ordered before.
    fn order(&self, order: Order) {
        // It fails when the machine has ended for good.
        drop(self.orders.send(order));
    }

    /// Ends the machine without ceremony, and waits until nothing of it is left but the disk.
    pub(super) fn end(&self) {
        self.life.send_modify(Life::off);
        self.hurry.store(true, Ordering::Relaxed);
        self.order(Order::End);
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if keeper.is_some_and(|thread| thread.join().is_err()) {
            tracing::warn!(disk = %self.disk.display(), "the thread of a machine panicked");
        }
    }

    pub(super) fn disk(&self) -> &Path {
        &self.disk
    }

    pub(super) fn set_user(&self, user: Option<&UserName>) -> io::Result<()> {
        let name = user.map_or("", UserName::as_str);
        succeeded(&self.exec_root(&["sh", "-c", SET_USER, "sh", name])?)
    }

    fn kill_agent(&self) -> io::Result<()> {
        let agent =
            self.group.agent().ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "no agent runs"))?;
        kill_process(agent, Signal::KILL)?;
        // Or it might be taken for the next one.
        while self.group.agent() == Some(agent) {
            thread::sleep(Duration::from_millis(1));
        }
        self.life.send_modify(Life::agent_killed);
        Ok(())
    }
}

fn succeeded(output: &process::Output) -> io::Result<()> {
    if output.status.success() {
        return Ok(());
    }
    Err(io::Error::other(String::from_utf8_lossy(&output.stderr).into_owned()))
}

/// Switches a machine, one that is new too.
pub(super) fn switch(
    machines: &mut HashMap<String, Machine>,
    disk: PathBuf,
    system: &System,
    instance_id: &str,
    power: Power,
) -> io::Result<()> {
    known(machines, disk, system, instance_id)?.power(power);
    Ok(())
}

/// Makes the disk of a machine larger. One that has no disk of its own is left as it is.
pub(super) fn resize_disk(
    machines: &mut HashMap<String, Machine>,
    disk: PathBuf,
    system: &System,
    instance_id: &str,
    gib: u32,
) -> io::Result<()> {
    known(machines, disk, system, instance_id)?.order(Order::Resize(gib));
    Ok(())
}

/// A machine, which is new if nobody has heard of it.
pub(super) fn known(
    machines: &mut HashMap<String, Machine>,
    disk: PathBuf,
    system: &System,
    instance_id: &str,
) -> io::Result<Arc<Nspawn>> {
    let machine = match machines.entry(instance_id.to_owned()) {
        Entry::Occupied(known) => known.into_mut(),
        Entry::Vacant(place) => {
            let life = Life::watch();
            let guest = Nspawn::new(disk, system, instance_id, life.clone())?;
            place.insert(Machine { guest: Guest::Nspawn(Arc::new(guest)), life })
        }
    };
    match &machine.guest {
        Guest::Nspawn(guest) => Ok(Arc::clone(guest)),
        Guest::Process(_) => Err(io::Error::from(io::ErrorKind::Unsupported)),
    }
}

impl Guests {
    /// Machines with systemd, each with a disk in `folder` that begins as a copy of `tree`, which must not change any
    /// more. Switching one takes a second or two, in the background; it can be entered once its agent runs
    /// ([`Guests::state`]).
    pub fn nspawn(folder: impl Into<PathBuf>, tree: impl Into<PathBuf>) -> Self {
        Self::with_system(folder.into(), System { tree: tree.into(), nixos: false, disk: None }, None)
    }

    /// The same with what is needed of NixOS to be rebuilt: generations in a profile, a boot menu, and stand-ins for the
    /// programs that evaluate, build and switch. They are honest about being that; `nixos/nixos-rebuild.sh` says what a
    /// configuration can make them do.
    pub fn nixos(folder: impl Into<PathBuf>, tree: impl Into<PathBuf>) -> Self {
        Self::with_system(folder.into(), System { tree: tree.into(), nixos: true, disk: None }, None)
    }

    /// The same, each with a disk of its own, which programs on the machine see as such and can change. It is made of a
    /// whole copy of `tree`, which takes some seconds, and is removed from the kernel with the machine's last process.
    ///
    /// Snapshots keep what is on such a disk, volumes are made of them, and a machine that has one attached sees it as
    /// another disk, under the names that a Nitro instance has for it ([`Guests::storage`]).
    pub fn nixos_on_disk(folder: impl Into<PathBuf>, tree: impl Into<PathBuf>, disk: Disk) -> Self {
        let folder = folder.into();
        let store = Store::new(&folder);
        Self::with_system(folder, System { tree: tree.into(), nixos: true, disk: Some(disk) }, Some(store))
    }

    fn with_system(folder: PathBuf, system: System, store: Option<Store>) -> Self {
        control_group::remove_orphans();
        Self::of(folder, Kind::Nspawn(system, store))
    }

    /// Runs a program on the machine as root and waits for its end. It belongs to none of the machine's services.
    ///
    /// # Errors
    /// The machine is off or of another kind, or the program does not start.
    pub fn exec_root(&self, instance_id: &str, argv: &[&str]) -> io::Result<process::Output> {
        self.with_systemd(instance_id)?.exec_root(argv)
    }

    /// Kills the machine's agent together with the agent's side of all its sessions: their programs lose their
    /// terminals, their clients hear nothing. No session can start until systemd has started the agent again.
    ///
    /// An agent that ends in any other way leaves its sessions alone, as the real one does, whose sessions are processes
    /// of their own.
    ///
    /// # Errors
    /// The machine is of another kind, or has no agent running.
    pub fn kill_agent(&self, instance_id: &str) -> io::Result<()> {
        self.with_systemd(instance_id)?.kill_agent()
    }

    fn with_systemd(&self, instance_id: &str) -> io::Result<Arc<Nspawn>> {
        match self.guest(instance_id) {
            Some(Guest::Nspawn(machine)) => Ok(machine),
            Some(Guest::Process(_)) => Err(io::Error::from(io::ErrorKind::Unsupported)),
            None => Err(no_machine(instance_id)),
        }
    }
}
