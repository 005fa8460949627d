//! The thread of one machine: boots it, sees what becomes of it, and halts it.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::control_group::ControlGroup;
use super::plug::Plug;
use super::still::Still;
use super::{Disk, System, disk, inside};
use crate::Power;
use crate::guest::life::Life;

const BOOT: &str = include_str!("boot.sh");
/// What a machine that can be rebuilt has in `/usr/local/lib/stand-in`.
const STAND_IN: [(&str, &str); 8] = [
    ("agent", include_str!("nixos/agent.bash")),
    ("boot", include_str!("nixos/boot.sh")),
    ("grub-editenv", include_str!("nixos/grub-editenv.sh")),
    ("install", include_str!("nixos/install.sh")),
    ("menu", include_str!("nixos/menu.sh")),
    ("nix", include_str!("nixos/nix.sh")),
    ("nixos-rebuild", include_str!("nixos/nixos-rebuild.sh")),
    ("switch-to-configuration", include_str!("nixos/switch-to-configuration.sh")),
];
/// How often a machine is looked at.
const LOOK: Duration = Duration::from_millis(50);
/// How long a machine may take to halt before its power is cut. AWS waits for minutes.
const HALT: Duration = Duration::from_secs(5);
/// How long the image of a volume that is to be booted from may take to be there.
const ADOPT: Duration = Duration::from_secs(30);
/// With --keep-unit systemd-nspawn leaves a reboot that the machine wants to others, and ends with this.
const REBOOT: i32 = 133;

#[derive(Debug)]
pub(super) enum Order {
    Power(Power),
    /// The disk is to have as many GiB.
    Resize(u32),
    /// What is on a disk now is to be kept.
    Copy(Copy),
    /// The disk it boots from leaves the machine, for this image.
    Release(PathBuf, Sender<()>),
    /// The machine is to boot from this image, once that is there.
    Adopt(PathBuf, Sender<()>),
    /// It has another disk.
    Plug(Plug),
    /// It no longer has the disk of this volume.
    Unplug(String),
    End,
}

#[derive(Debug)]
pub(super) struct Copy {
    /// None is the disk it boots from.
    pub(super) from: Option<PathBuf>,
    pub(super) to: PathBuf,
    /// Dropped as soon as nothing that happens later can be in the copy.
    pub(super) held: Option<Sender<()>>,
    /// Dropped when it is done.
    pub(super) _done: Sender<()>,
}

pub(super) struct Keeper {
    pub(super) instance: String,
    pub(super) disk: PathBuf,
    pub(super) system: System,
    pub(super) group: ControlGroup,
    pub(super) life: watch::Sender<Life>,
    pub(super) hurry: Arc<AtomicBool>,
}

impl Keeper {
    /// Follows orders until the last.
    pub(super) fn keep(&self, orders: &Receiver<Order>) {
        let (mut running, mut size) = (None, None);
        let (mut copies, mut plugs) = (Vec::<Copy>::new(), Vec::<Plug>::new());
        let mut booted = None;
        loop {
            // With a boot the machine forgets what it was shown.
            let boot = running.as_ref().map(Child::id);
            if boot != booted {
                booted = boot;
                plugs.iter_mut().for_each(Plug::let_go);
            }
            size.take_if(|gib| self.enlarge(*gib));
            copies.retain_mut(|copy| !self.copy(copy, boot.is_some()));
            self.show(plugs.iter_mut().filter(|_| boot.is_some()));
            let order = match &running {
                Some(_) => orders.recv_timeout(LOOK),
                None => orders.recv().map_err(|_| RecvTimeoutError::Disconnected),
            };
            match order {
                Ok(Order::Power(Power::On)) => running = running.or_else(|| self.boot()),
                Ok(Order::Power(Power::Off)) => self.halt(running.take()),
                Ok(Order::Power(Power::Reboot)) => {
                    self.halt(running.take());
                    running = self.boot();
                }
                Ok(Order::Power(Power::Destroyed)) => {
                    self.halt(running.take());
                    plugs.clear();
                    copies.clear();
                    self.remove_disk();
                    self.hurry.store(false, Ordering::Relaxed);
                }
                Ok(Order::Resize(gib)) => size = size.max(Some(gib)),
                Ok(Order::Copy(copy)) => copies.push(copy),
                Ok(Order::Release(to, done)) => {
                    self.halt(running.take());
                    self.release(&to, done);
                }
                Ok(Order::Adopt(from, done)) => self.adopt(&from, done),
                Ok(Order::Plug(plug)) => plugs.push(plug),
                Ok(Order::Unplug(volume)) => {
                    for mut plug in plugs.extract_if(.., |plug| plug.volume() == volume) {
                        plug.hide(self.group.first())
                            .unwrap_or_else(|error| tracing::warn!(volume, %error, "a disk stays in sight"));
                    }
                }
                Ok(Order::End) | Err(RecvTimeoutError::Disconnected) => return self.halt(running.take()),
                Err(RecvTimeoutError::Timeout) => running = running.and_then(|machine| self.look(machine)),
            }
        }
    }

    fn boot(&self) -> Option<Child> {
        match self.start() {
            Ok(process) => {
                self.life.send_modify(Life::boot);
                Some(process)
            }
            Err(error) => {
                tracing::warn!(instance = self.instance, %error, "the machine does not boot");
                None
            }
        }
    }

    /// setpriv ends unshare with this thread, unshare ends its child, and with that, which is the first in a PID name
    /// space, the kernel ends all others. systemd-nspawn alone would leave the machine to itself when it is killed.
    fn start(&self) -> io::Result<Child> {
        if let Some(folder) = self.disk.parent() {
            fs::create_dir_all(folder)?;
        }
        let stand_in = self.disk.with_extension("stand-in");
        if self.system.nixos {
            fs::create_dir_all(&stand_in)?;
            STAND_IN.iter().try_for_each(|(name, text)| fs::write(stand_in.join(name), text))?;
        }
        let log = fs::File::create(self.console())?;
        Command::new("setpriv")
            .args(["--pdeathsig", "KILL", "unshare", "--pid", "--mount-proc", "--fork", "--kill-child=KILL"])
            .args(["sh", "-c", BOOT])
            .env("name", self.group.name())
            .env("instance", &self.instance)
            .env("disk", &self.disk)
            .env("tree", &self.system.tree)
            .env("stand_in", if self.system.nixos { stand_in.as_path() } else { Path::new("") })
            .env("gib", "")
            .envs(self.system.disk.map(Disk::environment).into_iter().flatten())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
    }

    /// What the machine last said while it booted and ran.
    fn console(&self) -> PathBuf {
        self.disk.with_extension("console")
    }

    /// Tells the world what is new. Nothing is left of a machine that has powered itself off.
    fn look(&self, mut machine: Child) -> Option<Child> {
        match machine.try_wait() {
            Ok(None) => {
                let answers = self.group.agent().is_some();
                self.life.send_if_modified(|life| life.answers(answers));
                Some(machine)
            }
            Ok(Some(ended)) => {
                if ended.success() || ended.code() == Some(REBOOT) {
                    tracing::debug!(instance = self.instance, %ended, "the machine went off");
                } else {
                    let console = self.console();
                    tracing::warn!(instance = self.instance, %ended, console = %console.display(), "the machine broke");
                }
                self.life.send_modify(if ended.success() { Life::powered_off } else { Life::off });
                self.clear();
                if ended.code() == Some(REBOOT) { self.boot() } else { None }
            }
            Err(error) => {
                tracing::warn!(instance = self.instance, %error, "the machine is lost");
                self.halt(Some(machine));
                None
            }
        }
    }

    fn halt(&self, machine: Option<Child>) {
        self.life.send_modify(Life::off);
        let Some(mut machine) = machine else { return };
        // What has no first process yet has nothing to lose.
        let asked = self.group.first().is_some_and(|first| inside::power_off(first).is_ok());
        let until = Instant::now() + if asked { HALT } else { Duration::ZERO };
        while matches!(machine.try_wait(), Ok(None)) {
            if until <= Instant::now() || self.hurry.load(Ordering::Relaxed) {
                machine.kill().unwrap_or_else(|error| tracing::warn!(%error, "machine"));
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        machine.wait().map_or_else(|error| tracing::warn!(%error, "machine"), drop);
        self.clear();
    }

    /// Sees the last of a machine that has ended go.
    fn clear(&self) {
        self.group.remove();
        if self.system.disk.is_some() {
            disk::wait_until_detached(&self.disk);
        }
    }

    /// `false`: not yet, as the disk is still being made.
    fn enlarge(&self, gib: u32) -> bool {
        self.system.disk.is_none()
            || disk::enlarge(&disk::image(&self.disk), gib).unwrap_or_else(|error| {
                tracing::warn!(disk = %self.disk.display(), %error, "the disk does not grow");
                true
            })
    }

    /// Keeps what is on a disk, of a machine that is on as a power cut would leave it. `false`: not yet, as the disk is
    /// still being made.
    fn copy(&self, copy: &mut Copy, on: bool) -> bool {
        if on && !self.disk.exists() {
            copy.held = None;
            return false;
        }
        let from = copy.from.clone().unwrap_or_else(|| disk::image(&self.disk));
        if from.exists() {
            let still = self.group.first().filter(|_| on).and_then(|first| Still::hold(&self.group, first));
            copy.held = None;
            if let Err(error) = disk::copy(&from, &copy.to) {
                tracing::warn!(from = %from.display(), %error, "a snapshot is without content");
            }
            drop(still);
        }
        true
    }

    /// Shows the machine the disks that it has not seen yet.
    fn show<'a>(&self, plugs: impl Iterator<Item = &'a mut Plug>) {
        for plug in plugs.filter(|plug| !plug.is_in()) {
            let Some(first) = self.group.first() else { return };
            if let Err(error) = plug.show(first) {
                tracing::warn!(volume = plug.volume(), %error, "a disk is not to be seen yet");
            }
        }
    }

    fn release(&self, to: &Path, done: Sender<()>) {
        let moved = to.parent().map_or(Ok(()), fs::create_dir_all);
        match moved.and_then(|()| fs::rename(disk::image(&self.disk), to)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                tracing::warn!(disk = %self.disk.display(), %error, "the disk stays with its machine");
            }
            Ok(()) | Err(_) => {}
        }
        drop(done);
    }

    /// The image may still be being made.
    fn adopt(&self, from: &Path, done: Sender<()>) {
        let until = Instant::now() + ADOPT;
        while (!from.exists() || !disk::devices(from).is_empty()) && Instant::now() < until {
            thread::sleep(Duration::from_millis(10));
        }
        let moved = fs::create_dir_all(self.disk.join("root"));
        if let Err(error) = moved.and_then(|()| fs::rename(from, disk::image(&self.disk))) {
            tracing::warn!(disk = %self.disk.display(), %error, "the machine has nothing to boot from");
        }
        drop(done);
    }

    fn remove_disk(&self) {
        let beside = |name: &str| fs::remove_dir_all(self.disk.with_extension(name));
        let removed = [
            fs::remove_dir_all(&self.disk),
            beside("new"),
            beside("stand-in"),
            fs::remove_file(self.console()),
        ];
        for error in removed.into_iter().filter_map(Result::err) {
            if error.kind() != io::ErrorKind::NotFound {
                tracing::warn!(disk = %self.disk.display(), %error, "disk");
            }
        }
    }
}
