//! A rebuild from this computer's side: the configuration is gathered, looked at, put on the machine, and the machine is asked
//! for the job. Everything after that is the machine's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use holdfast_core::app::harmless::harmless;
use holdfast_core::config::{FLAKE, LOCK, Lock, Lowered, MachineData, Tree, checksum, unknown_imports};
use holdfast_core::jobs::{Action, Declared, Git, Job, JobId, Order, Placed, Work};
use holdfast_core::machine::ConfigSource;

use crate::config::{Source, edits_folder, expand, gather, here, pack, place, unpack, write_tree};
use crate::jobs::{self, PATIENCE};
use crate::problem::{Exit, Problem};
use crate::remote::Machine;
use crate::repository;
use crate::store::Store;

/// What is wanted of a rebuild.
#[derive(Clone, Debug)]
pub struct Wish {
    /// What becomes of what it builds.
    pub action: Action,
    /// A configuration that was switched back from is tried all the same.
    pub again: bool,
    /// Inputs are brought up to date first: one, or all of them where the name is empty.
    pub update: Option<String>,
    /// What was changed on the machine is given up for what is here; of a repository the clone there is built as it is.
    pub over: bool,
    /// See [`Git::local`].
    pub local: bool,
    /// Who asks, as in `ada@laptop`.
    pub by: String,
}

/// What has to be agreed to before the machine is changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Question {
    /// Inputs would be older than those that run.
    Lower(Vec<Lowered>),
    /// The image's configuration imports what ours does not cover.
    Imports(Vec<String>),
}

/// A job that was begun.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Its name.
    pub id: JobId,
    /// The configuration that it builds.
    pub revision: String,
    /// The configuration that the machine's image came with, where it runs that.
    pub stock: Option<String>,
    /// Why the keyring could not be asked for the repository's token.
    pub keyring: Option<Problem>,
}

/// Puts the configuration on the machine and has the machine build it.
///
/// # Errors
/// The configuration cannot be had or may not be put there; somebody changed it on the machine; what is asked is not agreed to;
/// another job runs; or the machine cannot be reached.
pub async fn rebuild(
    machine: Machine<'_>,
    store: &Store,
    wish: &Wish,
    agree: impl AsyncFn(&Question) -> bool,
) -> Result<Begun, Problem> {
    let desired = machine.desired;
    let folder = place(desired);
    let (flake, attribute) = match &desired.config {
        ConfigSource::Embedded => (FLAKE.to_owned(), None),
        ConfigSource::Directory { attribute, .. } => (FLAKE.to_owned(), Some(attribute)),
        ConfigSource::Git { folder, attribute, .. } => {
            (folder.trim_end_matches('/').to_owned(), Some(attribute))
        }
    };
    let placed = jobs::placed(machine, &folder, &flake).await?;
    if let Some(job) = &placed.running {
        return Err(jobs::busy(machine, Some(job)));
    }
    let stock = if placed.has_stock { Some(look_at_stock(machine, &agree).await?) } else { None };
    let tree = if flake == "." { folder.clone() } else { format!("{folder}/{flake}") };
    let mut keyring = None;
    let (revision, reference, git) = match &desired.config {
        ConfigSource::Embedded | ConfigSource::Directory { .. } => {
            let source = gather(store, desired, Some(&placed))?;
            fits(&source, &placed)?;
            may_lower(machine, wish, &source, &agree).await?;
            if placed.found.as_deref() != Some(&source.tree.hash()) || placed.is_edited() {
                put(machine, wish, &folder, &source, &placed).await?;
            }
            let name = attribute.unwrap_or(&source.attribute);
            (source.revision.clone(), format!("path:{tree}#{name}"), None)
        }
        ConfigSource::Git { url, branch, attribute, .. } => {
            let nixpkgs = Tree::shipped().get(LOCK).and_then(Lock::parse);
            let nixpkgs = nixpkgs
                .and_then(|lock| lock.nixpkgs().map(str::to_owned))
                .unwrap_or_else(|| "nixpkgs".to_owned());
            let uid = placed.uid.unwrap_or_else(|| MachineData::new(desired, "x86_64-linux").uid);
            let lent = repository::lend(machine, url).await?;
            keyring = lent.keyring;
            let token = Some(lent.file).filter(|file| !file.is_empty());
            let git =
                Git { url: url.clone(), branch: branch.clone(), local: wish.local, nixpkgs, uid, token };
            (String::new(), format!("{tree}#{attribute}"), Some(Box::new(git)))
        }
    };
    let order = Order {
        id: new_id(),
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        work: Work::Rebuild {
            flake: reference,
            tree,
            folder,
            revision: revision.clone(),
            update: wish.update.clone(),
            git,
        },
        action: wish.action,
        again: wish.again,
        by: wish.by.clone(),
        user: desired.user.to_string(),
        region: desired.region.to_string(),
        patience: patience(),
    };
    jobs::start(machine, &order).await?;
    Ok(Begun { id: order.id, revision, stock, keyring })
}

/// Has the machine go to a generation that is there.
///
/// # Errors
/// Another job runs, or the machine cannot be reached.
pub async fn rollback(machine: Machine<'_>, number: u32, by: &str) -> Result<JobId, Problem> {
    let order = Order {
        id: new_id(),
        nonce: uuid::Uuid::new_v4().simple().to_string(),
        work: Work::Rollback { number },
        action: Action::Switch,
        again: true,
        by: by.to_owned(),
        user: machine.desired.user.to_string(),
        region: machine.desired.region.to_string(),
        patience: patience(),
    };
    jobs::start(machine, &order).await?;
    Ok(order.id)
}

/// Brings what an update of the inputs made of the lock back to where the configuration comes from, so that the next rebuild does
/// not lower them again. In a repository the job has done that itself.
///
/// # Errors
/// It cannot be had, or not be written.
pub async fn take_lock(machine: Machine<'_>, store: &Store, job: &Job) -> Result<bool, Problem> {
    let folder = match &machine.desired.config {
        ConfigSource::Embedded => edits_folder(store, machine.desired),
        ConfigSource::Directory { path, .. } => {
            let folder = expand(path)?;
            if folder.join("flake.nix").exists() { folder } else { folder.join(FLAKE) }
        }
        ConfigSource::Git { .. } => return Ok(false),
    };
    let answer = machine.order(&["lock_of", job.id.as_str()]).await?;
    if Lock::parse(&answer.out).is_none() {
        return Ok(false);
    }
    let mut tree = Tree::default();
    tree.put(LOCK, answer.out);
    write_tree(&folder, &tree)?;
    Ok(true)
}

/// What somebody changed of the configuration on the machine since it was put there.
#[derive(Clone, Debug)]
pub struct Changes {
    /// The folder on this computer that they belong to.
    pub folder: PathBuf,
    /// Files that are others there, or new.
    pub changed: Tree,
    /// Files that are there no more.
    pub removed: Vec<String>,
    /// Those of both that have been changed here, too.
    pub conflicts: Vec<String>,
}

/// What the machine should run: what is here, or what the repository has.
///
/// # Errors
/// It cannot be read, or the machine cannot be reached.
pub async fn declared(machine: Machine<'_>, store: &Store, placed: &Placed) -> Result<Declared, Problem> {
    Ok(match machine.desired.config {
        ConfigSource::Git { .. } => Declared::Repository(repository::checkout(machine).await?),
        ConfigSource::Embedded | ConfigSource::Directory { .. } => {
            Declared::Here(here(store, machine.desired, placed)?)
        }
    })
}

/// Looks for what somebody changed on the machine.
///
/// # Errors
/// It cannot be had, or the configuration is in a repository.
pub async fn changes(machine: Machine<'_>, store: &Store) -> Result<Changes, Problem> {
    let desired = machine.desired;
    let (folder, top) = match &desired.config {
        ConfigSource::Embedded => (edits_folder(store, desired), format!("./{FLAKE}/")),
        ConfigSource::Directory { path, .. } => {
            let folder = expand(path)?;
            let top = if folder.join("flake.nix").exists() { format!("./{FLAKE}/") } else { "./".to_owned() };
            (folder, top)
        }
        ConfigSource::Git { .. } => {
            return Err(Problem::new("config", "The configuration is in a repository")
                .hint("commit and push what was changed on the machine: holdfast rebuild --local")
                .exit(Exit::Usage));
        }
    };
    let place = place(desired);
    let garbled =
        |why: String| Problem::new("garbled", "The machine's configuration makes no sense").because(why);
    let none = || {
        Problem::new("config", "There is no configuration of Holdfast's on the machine yet")
            .hint("holdfast rebuild")
    };
    let sums = machine.order(&["sums"]).await?;
    let put_there = sums_of(&sums.out);
    let answer = machine.order(&["fetch", &place]).await?;
    let text: Vec<u8> = answer.out.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let archive = base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text)
        .map_err(|error| garbled(error.to_string()))?;
    if answer.status != 0 || archive.is_empty() || put_there.is_empty() {
        return Err(none());
    }
    let there = unpack(&archive)?;
    let here = gather(store, desired, Some(&jobs::placed(machine, &place, FLAKE).await?))?.tree;
    let sum = |tree: &Tree, path: &str| tree.get(path).map(checksum);
    let mut changes =
        Changes { folder, changed: Tree::default(), removed: Vec::new(), conflicts: Vec::new() };
    let all = there.files().map(|(path, _)| path.to_owned()).chain(put_there.keys().cloned());
    for path in all.collect::<BTreeSet<String>>() {
        let (was, is) = (put_there.get(&path).cloned(), sum(&there, &path));
        let Some(name) = format!("./{path}").strip_prefix(&top).map(str::to_owned) else { continue };
        if was == is || sum(&here, &path) == is {
            continue;
        }
        if sum(&here, &path) != was {
            changes.conflicts.push(name.clone());
        }
        match there.get(&path) {
            Some(body) => changes.changed.put(name, body),
            None => changes.removed.push(name),
        }
    }
    Ok(changes)
}

/// Takes what is on the machine for what was put there, once its changes are here.
///
/// # Errors
/// The machine cannot be reached.
pub async fn bless(machine: Machine<'_>) -> Result<(), Problem> {
    machine.order(&["bless", &place(machine.desired)]).await.map(drop)
}

/// Reads what `sha256sum` wrote of `./` and its files.
fn sums_of(text: &[u8]) -> BTreeMap<String, String> {
    let text = String::from_utf8_lossy(text);
    let line = |line: &str| {
        let (sum, path) = line.split_once("  ./")?;
        Some((path.to_owned(), sum.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

async fn look_at_stock(
    machine: Machine<'_>,
    agree: &impl AsyncFn(&Question) -> bool,
) -> Result<String, Problem> {
    let answer = machine.order(&["stock"]).await?;
    let text = String::from_utf8_lossy(&answer.out).into_owned();
    let unknown = unknown_imports(&text).unwrap_or_default();
    if unknown.is_empty() || agree(&Question::Imports(unknown.clone())).await {
        return Ok(text);
    }
    Err(Problem::new("imports", "The machine's own configuration imports what Holdfast's does not cover")
        .because(unknown.join("\n"))
        .hint("add it to yours: holdfast config edit")
        .exit(Exit::Refused))
}

fn fits(source: &Source, placed: &Placed) -> Result<(), Problem> {
    match (&source.data, &placed.system) {
        (Some(data), Some(system))
            if data.system != *system && (system == "aarch64-linux" || system == "x86_64-linux") =>
        {
            Err(Problem::new("wrong_system", "The configuration is for another processor than the machine's")
                .because(format!("machine.json says {}, and the machine is {system}", data.system))
                .hint("holdfast config edit machine.json"))
        }
        _ => Ok(()),
    }
}

async fn may_lower(
    machine: Machine<'_>,
    wish: &Wish,
    source: &Source,
    agree: &impl AsyncFn(&Question) -> bool,
) -> Result<(), Problem> {
    if wish.update.as_ref().is_some_and(String::is_empty) {
        return Ok(());
    }
    let answer = machine.order(&["lock_of"]).await?;
    let (Some(runs), Some(next)) = (Lock::parse(&answer.out), source.lock()) else { return Ok(()) };
    let mut lowered = runs.lowered_by(&next);
    lowered.retain(|input| wish.update.as_ref() != Some(&input.input));
    if lowered.is_empty() || agree(&Question::Lower(lowered.clone())).await {
        return Ok(());
    }
    let names: Vec<String> = lowered.iter().map(|input| harmless(&input.input, 60)).collect();
    Err(Problem::new("lower", format!("The rebuild would take {} back to an older state", names.join(", ")))
        .because("somebody brought it up to date, and the new flake.lock is not here")
        .hint("have the machine's: holdfast config pull")
        .hint("or agree to it: holdfast rebuild --yes")
        .exit(Exit::Refused))
}

async fn put(
    machine: Machine<'_>,
    wish: &Wish,
    folder: &str,
    source: &Source,
    placed: &Placed,
) -> Result<(), Problem> {
    // Two laptops may do this at the same moment.
    let name = format!(".holdfast-config-{}", uuid::Uuid::new_v4().simple());
    let edited = || {
        let problem = Problem::new("edited", "Somebody has changed the configuration on the machine")
            .exit(Exit::Refused);
        if placed.is_repository {
            problem
                .because(format!("{folder} is a git repository"))
                .hint("move it away, or use it: holdfast settings set config.git URL")
        } else {
            problem
                .hint("bring the changes here: holdfast config pull")
                .hint("or give them up: holdfast rebuild --overwrite")
        }
    };
    if placed.is_edited() && placed.found.as_deref() != Some(&source.tree.hash()) && !wish.over {
        return Err(edited());
    }
    let uid = source.data.as_ref().map_or(1001, |data| data.uid).to_string();
    machine.upload(&name, 0o600, &pack(&source.tree)?).await?;
    let hash = source.tree.hash();
    let mut words = vec!["place", folder, &name, &hash, &uid, machine.desired.user.as_str()];
    words.extend(wish.over.then_some("over"));
    let answer = machine.order(&words).await?;
    match answer.status {
        0 => Ok(()),
        5 => Err(edited()),
        jobs::BUSY => Err(jobs::busy(machine, Job::parse_other(&answer.out).as_ref())),
        status => Err(Problem::new("config", "The configuration cannot be put on the machine")
            .because(format!("status {status} {}", harmless(&String::from_utf8_lossy(&answer.err), 300)))
            .hint("see whether the disk is full: holdfast exec -- df -h /")),
    }
}

fn new_id() -> JobId {
    let now = std::time::SystemTime::now()
        .duration_since(std::time::SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.as_secs());
    JobId::new(now, uuid::Uuid::new_v4().as_fields().0)
}

/// Tests have no two minutes for a machine that will not answer.
fn patience() -> u32 {
    std::env::var("HOLDFAST_PATIENCE").ok().and_then(|seconds| seconds.parse().ok()).unwrap_or(PATIENCE)
}

/// Who asks, for others to read.
pub fn whoami() -> String {
    let user = crate::store::login().map_or_else(|| "somebody".to_owned(), |user| user.to_string());
    let host = gethostname();
    format!("{user}@{host}")
}

fn gethostname() -> String {
    #[cfg(unix)]
    let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
    #[cfg(not(unix))]
    let host = std::env::var("COMPUTERNAME").unwrap_or_else(|_| "computer".to_owned());
    host
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_jobs_are_in_order() {
        let (one, two) = (super::new_id(), super::new_id());
        assert_ne!(one, two);
        assert_eq!(one.as_str().len(), 19);
    }
}
