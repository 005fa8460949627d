//! When the machine was on, as far as it can be known.
//!
//! AWS tells the last start of an instance (`LaunchTime`) and the last stop (`StateTransitionReason`), and forgets the
//! ones before. So each look adds what it saw to a record of this computer, and what nobody saw stays a gap: the machine
//! may have been on in it, or off.
//! Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html>

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::machine::{
    Desired, Fact, Instance, Modification, ModificationState, Observed, Power, TAG_MACHINE, Volume,
};
use crate::names::{InstanceId, InstanceType, VolumeId};
use crate::time::find_moment;

/// An instance's volume is made right before its first start.
const FIRST_START: u64 = 300;
/// A gap that is shorter than the least that AWS bills is none.
const BLINK: u64 = 60;
/// What is older than this matters to no month that goes on.
const KEPT: u64 = 40 * 24 * 60 * 60;
/// The most runs and disks that are kept: one a half hour of a month would be fewer.
const MOST: usize = 1500;

/// What was seen of a machine's instances and volumes. All moments are seconds since the Unix epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    runs: Vec<Run>,
    disks: Vec<Disk>,
}

/// An instance from one start to what came after.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// The instance.
    pub instance: InstanceId,
    /// Its type in this run.
    pub instance_type: InstanceType,
    /// Whether it had a public address; `None`: nobody saw it on.
    pub public_address: Option<bool>,
    /// When it was made, where that is known.
    pub made: Option<u64>,
    /// When it was started.
    pub from: u64,
    /// It was on until then, for sure.
    pub on_until: u64,
    /// It was off, for sure, from then on …
    pub off_from: Option<u64>,
    /// … until then.
    pub off_until: u64,
    /// It is gone for ever.
    pub gone: bool,
}

/// A volume that had one size and speed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Disk {
    /// The volume.
    pub volume: VolumeId,
    /// Its size in GiB.
    pub gib: u32,
    /// Its operations a second; `None`: it is no gp3.
    pub iops: Option<u32>,
    /// Its throughput in MiB a second; `None`: it is no gp3.
    pub throughput: Option<u32>,
    /// When it was made, where that is known.
    pub made: Option<u64>,
    /// It was so from then on, for sure …
    pub from: u64,
    /// … until then.
    pub until: u64,
    /// When it was first seen to be gone.
    pub gone: Option<u64>,
}

/// A stretch of time in which an instance was on, or may have been.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch<'a> {
    /// From when until when.
    pub time: Range<u64>,
    /// The run that it belongs to, or that is next to it.
    pub run: &'a Run,
    /// Whether it was on for sure.
    pub certain: bool,
}

impl History {
    /// Adds what a look saw at `now`.
    pub fn see(&mut self, desired: &Desired, observed: &Observed, now: u64) {
        let key = desired.key();
        if let (true, instances) = (observed.instances.is_known(), observed.instances.all()) {
            let ours = |instance: &&Instance| instance.tags.get(TAG_MACHINE) == Some(&key);
            for instance in instances.iter().filter(ours) {
                self.see_instance(instance, observed, now);
            }
            let missing =
                |run: &&mut Run| !run.gone && instances.iter().all(|known| known.id != run.instance);
            for run in self.runs.iter_mut().filter(missing).filter(|run| run.on_until <= now) {
                run.gone = true;
                run.off_from.get_or_insert(now);
                run.off_until = run.off_until.max(now);
            }
        }
        if let (true, volumes) = (observed.volumes.is_known(), observed.volumes.all()) {
            for volume in volumes.iter().filter(|volume| volume.tags.get(TAG_MACHINE) == Some(&key)) {
                self.see_volume(volume, now);
            }
            for disk in
                self.disks.iter_mut().filter(|disk| volumes.iter().all(|known| known.id != disk.volume))
            {
                disk.gone.get_or_insert(now.max(disk.until));
            }
        }
        let kept = now.saturating_sub(KEPT);
        self.runs.retain(|run| run.on_until.max(run.off_until) >= kept);
        self.disks.retain(|disk| disk.until >= kept);
        self.runs.sort_by_key(|run| run.from);
        self.runs.drain(..self.runs.len().saturating_sub(MOST));
        self.disks.drain(..self.disks.len().saturating_sub(MOST));
    }

    fn see_instance(&mut self, instance: &Instance, observed: &Observed, now: u64) {
        let Some(from) = instance.launched.as_deref().and_then(find_moment).filter(|from| *from <= now)
        else {
            return;
        };
        let known = self.runs.iter_mut().find(|run| run.instance == instance.id && run.from == from);
        let run = match known {
            Some(run) => run,
            None => {
                self.runs.push(Run {
                    instance: instance.id.clone(),
                    instance_type: instance.instance_type.clone(),
                    public_address: None,
                    made: None,
                    from,
                    on_until: from,
                    off_from: None,
                    off_until: from,
                    gone: false,
                });
                let Some(run) = self.runs.last_mut() else { return };
                run
            }
        };
        let root = instance.root.as_ref().map(|root| &root.id);
        let root = observed.volumes.all().iter().find(|volume| Some(&volume.id) == root);
        run.made = run.made.or(root.and_then(made));
        let moment = instance.transition.as_deref().and_then(find_moment);
        let moment = moment.filter(|moment| (from..=now).contains(moment));
        match instance.power {
            Power::Pending => {}
            Power::Running => {
                run.instance_type.clone_from(&instance.instance_type);
                run.public_address = Some(instance.public_address);
                // Whatever was thought of it, the same start still goes on.
                (run.off_from, run.gone) = (None, false);
                run.on_until = run.on_until.max(now);
            }
            Power::Stopping | Power::Stopped => {
                let off = moment.unwrap_or(now);
                run.off_from = Some(run.off_from.map_or(off, |known| known.min(off)));
                run.on_until = moment.unwrap_or(run.on_until);
                (run.off_until, run.gone) = (run.off_until.max(now), false);
            }
            // The moment is that of the termination: it may have been off long before.
            Power::ShuttingDown | Power::Terminated => {
                run.off_from = run.off_from.or(moment).or(Some(now));
                run.off_until = run.off_until.max(now);
                run.gone = instance.power == Power::Terminated;
            }
        }
        run.on_until = run.on_until.min(run.off_from.unwrap_or(u64::MAX)).max(from);
    }

    fn see_volume(&mut self, volume: &Volume, now: u64) {
        let is_this = |disk: &Disk| disk.volume == volume.id;
        let same = |disk: &Disk| {
            (disk.gib, disk.iops, disk.throughput) == (volume.size, volume.iops, volume.throughput)
        };
        let changed = last_change(volume);
        if let Some(disk) = self.disks.iter_mut().rev().find(|disk| is_this(disk))
            && same(disk)
        {
            disk.until = disk.until.max(now);
            disk.made = disk.made.or(made(volume));
            disk.gone = None;
            return;
        }
        let first = !self.disks.iter().any(is_this);
        let made = made(volume).filter(|made| *made <= now);
        // A change counts from when it began. Of the changes AWS tells the last one, for about a month.
        let from = match changed {
            Change::Never if first => made.unwrap_or(now),
            Change::At(began) if began <= now => began,
            Change::Never | Change::At(_) | Change::Unknown => now,
        };
        let before = self.disks.iter().rev().find(|disk| is_this(disk)).map_or(0, |disk| disk.until);
        self.disks.push(Disk {
            volume: volume.id.clone(),
            gib: volume.size,
            iops: volume.iops,
            throughput: volume.throughput,
            made,
            from: from.max(before).min(now.max(before)),
            until: now.max(before),
            gone: None,
        });
    }

    /// Whether it says something that `before` did not, a quarter of an hour aside: while nothing changes, AWS tells that much, too.
    pub fn says_more_than(&self, before: &Self) -> bool {
        const ASIDE: u64 = 15 * 60;
        let near = |a: u64, b: u64| a.abs_diff(b) < ASIDE;
        let same_run = |(run, old): (&Run, &Run)| {
            let alike = Run { on_until: old.on_until, off_until: old.off_until, ..run.clone() };
            alike == *old && near(run.on_until, old.on_until) && near(run.off_until, old.off_until)
        };
        let same_disk = |(disk, old): (&Disk, &Disk)| {
            Disk { until: old.until, ..disk.clone() } == *old && near(disk.until, old.until)
        };
        (self.runs.len(), self.disks.len()) != (before.runs.len(), before.disks.len())
            || !self.runs.iter().zip(&before.runs).all(same_run)
            || !self.disks.iter().zip(&before.disks).all(same_disk)
    }

    /// The disks, those of a volume one after the other.
    pub fn disks(&self) -> &[Disk] {
        &self.disks
    }

    /// When within `time` an instance was on, and when it may have been.
    pub fn stretches(&self, time: &Range<u64>) -> Vec<Stretch<'_>> {
        let mut stretches = Vec::new();
        let mut add = |from: u64, until: u64, run, certain: bool| {
            // Between the look before a start and the start nobody else has the time for another one that would matter.
            let blink = !certain && until < from.saturating_add(BLINK);
            let time = from.max(time.start)..until.min(time.end);
            if !time.is_empty() && !blink {
                stretches.push(Stretch { time, run, certain });
            }
        };
        for (at, run) in self.runs.iter().enumerate() {
            let is_other = |other: &&Run| other.instance == run.instance;
            if !self.runs[..at].iter().any(|other| other.instance == run.instance) {
                // A first start is no gap; another one may follow runs that nobody saw.
                match run.made {
                    Some(made) if made.saturating_add(FIRST_START) >= run.from => {}
                    made => add(made.unwrap_or(0), run.from, run, false),
                }
            }
            add(run.from, run.on_until, run, true);
            if let Some(off) = run.off_from {
                add(run.on_until, off, run, false);
            }
            let seen = run.on_until.max(if run.off_from.is_some() { run.off_until } else { 0 });
            match self.runs[at + 1..].iter().find(is_other) {
                Some(next) => add(seen, next.from, run, false),
                None if run.gone => {}
                None => add(seen, u64::MAX, run, false),
            }
        }
        stretches
    }
}

enum Change {
    Never,
    At(u64),
    Unknown,
}

/// When the volume was last changed; one that failed changed nothing, and hides the one before.
fn last_change(volume: &Volume) -> Change {
    match &volume.modification {
        Fact::Absent => Change::Never,
        Fact::Present(Modification { state: ModificationState::Failed, .. }) | Fact::Unknown(_) => {
            Change::Unknown
        }
        Fact::Present(change) => {
            change.began.as_deref().and_then(find_moment).map_or(Change::Unknown, Change::At)
        }
    }
}

fn made(volume: &Volume) -> Option<u64> {
    volume.created.as_deref().and_then(find_moment)
}
