//! The images of volumes and snapshots, of a sandbox whose machines have disks of their own.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::keeper::{Copy, Order};
use super::plug::Plug;
use super::{Nspawn, disk};
use crate::Storage;
use crate::backend::Source;

const VOLUMES: &str = "volumes";
const SNAPSHOTS: &str = "snapshots";

/// How long whoever takes a snapshot waits for a machine to stand still.
const HOLD: Duration = Duration::from_secs(20);

/// Whoever makes and removes the images, one thing after another, so that nobody waits for it.
#[derive(Debug)]
pub(in crate::guest) struct Store {
    images: Images,
    jobs: Option<Sender<Job>>,
    worker: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Job {
    /// Waits until a machine has done its part.
    Wait(Receiver<()>),
    Follow(Storage, Option<Arc<Nspawn>>, Option<Sender<()>>),
}

/// Where the images are.
#[derive(Clone, Debug)]
struct Images {
    folder: PathBuf,
}

impl Store {
    /// In `folder`, beside the machines. What was half made when its owner was killed goes.
    pub(super) fn new(folder: &Path) -> Self {
        let images = Images { folder: folder.to_owned() };
        images.sweep();
        let (jobs, received) = channel();
        let worker = images.clone();
        let worker = thread::Builder::new().name(VOLUMES.to_owned()).spawn(move || worker.work(&received));
        let worker = worker.inspect_err(|error| tracing::warn!(%error, "there are no volumes")).ok();
        Self { images, jobs: Some(jobs), worker }
    }

    /// Follows what happened to volumes and snapshots. What concerns the disk that a machine boots from is the machine's
    /// to do, between what else it is ordered. It is done in the background, but a snapshot is of the moment of this.
    pub(in crate::guest) fn follow(&self, event: &Storage, machine: Option<Arc<Nspawn>>) {
        let ((done, wait), (held, begun)) = (channel(), channel());
        // What else is done needs nobody to wait.
        let held = Some(held).filter(|_| {
            matches!(event, Storage::Taken { of: Source::Root(_) | Source::Volume(_, Some(_)), .. })
        });
        let order = match event {
            Storage::Taken { snapshot, of: Source::Root(_) } => {
                Order::Copy(Copy { from: None, to: self.images.snapshot(snapshot), held, _done: done })
            }
            Storage::Attached { volume, root: true, .. } => Order::Adopt(self.images.volume(volume), done),
            Storage::Detached { volume, root: true, .. } => Order::Release(self.images.volume(volume), done),
            Storage::Taken { .. }
            | Storage::Attached { .. }
            | Storage::Detached { .. }
            | Storage::Created { .. }
            | Storage::Grown { .. }
            | Storage::Deleted { .. }
            | Storage::Forgotten { .. } => {
                self.send(Job::Follow(event.clone(), machine, held));
                let _begun = begun.recv_timeout(HOLD);
                return;
            }
        };
        if let Some(machine) = machine {
            // The image of a volume to boot from is made by what is still to be done here.
            let here = matches!(order, Order::Adopt(..));
            machine.order(order);
            if !here {
                self.send(Job::Wait(wait));
            }
            let _begun = begun.recv_timeout(HOLD);
        }
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &self.jobs {
            // It fails where there could be no worker, which was said.
            drop(jobs.send(job));
        }
    }
}

impl Drop for Store {
    /// What was ordered is done afterwards.
    fn drop(&mut self) {
        self.jobs = None;
        if self.worker.take().is_some_and(|worker| worker.join().is_err()) {
            tracing::warn!("the thread of the volumes panicked");
        }
    }
}

impl Images {
    fn volume(&self, id: &str) -> PathBuf {
        self.folder.join(VOLUMES).join(id).with_extension("img")
    }

    fn snapshot(&self, id: &str) -> PathBuf {
        self.folder.join(SNAPSHOTS).join(id).with_extension("img")
    }

    fn sweep(&self) {
        for entry in
            [VOLUMES, SNAPSHOTS].iter().flat_map(|kind| fs::read_dir(self.folder.join(kind))).flatten()
        {
            let Ok(entry) = entry else { continue };
            if entry.path().extension().is_some_and(|extension| extension == disk::NEW)
                && let Err(error) = fs::remove_file(entry.path())
            {
                tracing::warn!(?entry, %error, "half an image");
            }
        }
    }

    fn work(&self, jobs: &Receiver<Job>) {
        for job in jobs {
            match job {
                // Whichever way it ends, the machine has done what it could.
                Job::Wait(done) => {
                    let _over = done.recv();
                }
                Job::Follow(event, machine, held) => {
                    if let Err(error) = self.follow(&event, machine.as_deref(), held) {
                        tracing::warn!(?event, %error, "volumes");
                    }
                }
            }
        }
    }

    fn follow(&self, event: &Storage, machine: Option<&Nspawn>, held: Option<Sender<()>>) -> io::Result<()> {
        match (event, machine) {
            (Storage::Created { volume, gib, snapshot }, _) => {
                self.create(&self.volume(volume), *gib, snapshot.as_deref())
            }
            (Storage::Grown { volume, gib }, _) => disk::enlarge(&self.volume(volume), *gib).map(drop),
            (Storage::Attached { volume, .. }, Some(machine)) => {
                machine.order(Order::Plug(Plug::new(volume.clone(), self.volume(volume))));
                Ok(())
            }
            (Storage::Detached { volume, .. }, Some(machine)) => {
                machine.order(Order::Unplug(volume.clone()));
                Ok(())
            }
            (Storage::Deleted { volume }, _) => remove(&self.volume(volume)),
            (Storage::Taken { snapshot, of: Source::Volume(volume, _) }, machine) => {
                let (from, to) = (self.volume(volume), self.snapshot(snapshot));
                match machine {
                    Some(machine) => {
                        let (done, wait) = channel();
                        machine.order(Order::Copy(Copy { from: Some(from), to, held, _done: done }));
                        // Whichever way it ends, the machine has done what it could.
                        let _over = wait.recv();
                        Ok(())
                    }
                    None => disk::copy(&from, &to),
                }
            }
            (Storage::Forgotten { snapshot }, _) => remove(&self.snapshot(snapshot)),
            (
                Storage::Attached { .. }
                | Storage::Detached { .. }
                | Storage::Taken { of: Source::Root(_), .. },
                _,
            ) => Ok(()),
        }
    }

    /// A snapshot that has no image, as one of a machine that never booted, is empty.
    fn create(&self, image: &Path, gib: u32, snapshot: Option<&str>) -> io::Result<()> {
        let source = snapshot.map(|snapshot| self.snapshot(snapshot)).filter(|source| source.exists());
        match source {
            Some(source) => disk::copy(&source, image)?,
            None => {
                fs::create_dir_all(self.folder.join(VOLUMES))?;
                drop(fs::File::create(image)?);
            }
        }
        disk::enlarge(image, gib).map(drop)
    }
}

/// Removes an image, and the folder with the last.
fn remove(image: &Path) -> io::Result<()> {
    match fs::remove_file(image) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    // It fails where there are more.
    drop(image.parent().map(fs::remove_dir));
    Ok(())
}
