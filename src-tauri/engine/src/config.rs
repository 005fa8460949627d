//! A machine's configuration on this computer: where it comes from, what it is called, and how it gets onto the machine.

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};

use holdfast_core::config::{
    DATA, FLAKE, LOCK, Lock, MOST_BYTES, MOST_FILES, MachineData, NotPlaceable, PLACE, Tree, guess_system,
};
use holdfast_core::jobs::{Here, Placed};
use holdfast_core::machine::{ConfigSource, Desired};
use ignore::WalkBuilder;

use crate::problem::{Exit, Problem};
use crate::store::Store;

/// A configuration that can be put on the machine.
#[derive(Clone, Debug)]
pub struct Source {
    /// All of what is put there.
    pub tree: Tree,
    /// The name under `nixosConfigurations`.
    pub attribute: String,
    /// What it is called, as in `embedded 1a2b3c4d5e6f`.
    pub revision: String,
    /// What it says of the machine, where it has that.
    pub data: Option<MachineData>,
}

impl Source {
    /// Its lock.
    pub fn lock(&self) -> Option<Lock> {
        Lock::parse(self.tree.get(&format!("{FLAKE}/{LOCK}"))?)
    }
}

/// The folder with what the user changed of the shipped configuration.
pub fn edits_folder(store: &Store, desired: &Desired) -> PathBuf {
    store.config_dir().join(FLAKE).join(desired.machine.as_str())
}

/// The configuration of the settings, as it is to be put on the machine. `placed` is what the machine has.
///
/// # Errors
/// It cannot be read, or may not be put on a machine. One in a repository is none of this computer's.
pub fn gather(store: &Store, desired: &Desired, placed: Option<&Placed>) -> Result<Source, Problem> {
    match &desired.config {
        ConfigSource::Embedded => {
            let folder = edits_folder(store, desired);
            let edits = read_tree(&folder)?;
            let data =
                data(desired, &edits, placed).map_err(|error| bad_data(&folder, &error.to_string()))?;
            let mut tree = Tree::shipped().with(edits);
            tree.put(DATA, data.text());
            finish(tree.inside(FLAKE), data.attribute.clone(), "embedded", Some(data))
        }
        ConfigSource::Directory { path, attribute } => {
            let folder = expand(path)?;
            let tree = read_tree(&folder)?;
            if tree.is_empty() {
                return Err(
                    Problem::new("config", format!("There is nothing in {}", folder.display())).hint(CHOOSE)
                );
            }
            let tree = if tree.get("flake.nix").is_some() { tree.inside(FLAKE) } else { tree };
            let data = tree.get(&format!("{FLAKE}/{DATA}")).map(MachineData::parse).transpose();
            let data = data.map_err(|error| bad_data(&folder, &error.to_string()))?;
            finish(tree, attribute.clone(), "directory", data)
        }
        ConfigSource::Git { .. } => Err(Problem::new(
            "config",
            "The configuration is in a repository, which the machine fetches itself",
        )
        .hint("edit it there, then: holdfast rebuild")
        .exit(Exit::Usage)),
    }
}

/// What is on this computer to measure the machine by.
///
/// # Errors
/// As for [`gather`].
pub fn here(store: &Store, desired: &Desired, placed: &Placed) -> Result<Here, Problem> {
    let source = gather(store, desired, Some(placed))?;
    Ok(Here { hash: source.tree.hash(), revision: source.revision })
}

/// The values of this machine: the defaults, what the user wrote, and what the machine keeps for life.
pub fn data(
    desired: &Desired,
    edits: &Tree,
    placed: Option<&Placed>,
) -> Result<MachineData, holdfast_core::config::BadData> {
    let system = placed.and_then(|placed| placed.system.clone());
    let system = system.unwrap_or_else(|| guess_system(&desired.instance_type).to_owned());
    let known = placed.and_then(|placed| MachineData::parse(placed.data.as_ref()?.as_bytes()).ok());
    let data = MachineData::new(desired, &system).kept(known.as_ref(), placed.and_then(|placed| placed.uid));
    match edits.get(DATA) {
        Some(text) => data.with(text),
        None => Ok(data),
    }
}

fn finish(tree: Tree, attribute: String, kind: &str, data: Option<MachineData>) -> Result<Source, Problem> {
    tree.check(FLAKE).map_err(|error| not_placeable(&error))?;
    let revision = format!("{kind} {}", &tree.hash()[..12]);
    Ok(Source { tree, attribute, revision, data })
}

/// All files of a folder that git would not leave out; nothing where there is no such folder. What links inside it lead to is
/// taken in their place.
///
/// # Errors
/// It cannot be read; it is too large to be a configuration; or a link leads out of it.
pub fn read_tree(folder: &Path) -> Result<Tree, Problem> {
    let mut tree = Tree::default();
    if !folder.exists() {
        return Ok(tree);
    }
    let unreadable = |path: &Path, why: &dyn ToString| {
        Problem::new("config", format!("{} cannot be read", path.display())).because(why.to_string())
    };
    let top = folder.canonicalize().map_err(|error| unreadable(folder, &error))?;
    let (mut files, mut bytes) = (0, 0);
    // As git does it: hidden files belong to it, its own folder does not. The user's own list of what to ignore counts too.
    let walk = WalkBuilder::new(&top)
        .hidden(false)
        .ignore(false)
        .require_git(false)
        .filter_entry(|entry| entry.file_name() != ".git")
        .build();
    for entry in walk {
        let entry = entry.map_err(|error| unreadable(folder, &error))?;
        let path = entry.path();
        let metadata = fs::metadata(path).map_err(|error| unreadable(path, &error))?;
        if entry.path_is_symlink() {
            let target = path.canonicalize().map_err(|error| unreadable(path, &error))?;
            if !target.starts_with(&top) || metadata.is_dir() {
                return Err(Problem::new(
                    "config",
                    format!("{} is a link that cannot be followed", path.display()),
                )
                .because("a configuration may have links to files inside its folder alone"));
            }
        }
        if !metadata.is_file() {
            continue;
        }
        files += 1;
        bytes += metadata.len();
        if files > MOST_FILES || bytes > MOST_BYTES {
            return Err(not_placeable(&NotPlaceable::TooLarge { files, bytes })
                .hint("leave out what does not belong to it: .gitignore"));
        }
        let name = path.strip_prefix(&top).unwrap_or(path);
        tree.put(portable(name)?, fs::read(path).map_err(|error| unreadable(path, &error))?);
    }
    Ok(tree)
}

fn portable(path: &Path) -> Result<String, Problem> {
    let part = |component: Component<'_>| match component {
        Component::Normal(part) => part.to_str().map(str::to_owned),
        Component::Prefix(_) | Component::RootDir | Component::CurDir | Component::ParentDir => None,
    };
    let parts: Option<Vec<String>> = path.components().map(part).collect();
    parts.map(|parts| parts.join("/")).ok_or_else(|| {
        Problem::new("config", format!("{} cannot be a file's name in a configuration", path.display()))
            .because("names have to be text")
    })
}

/// Writes a tree into a folder: each file whole or not at all.
///
/// # Errors
/// Whatever stops the writing.
pub fn write_tree(folder: &Path, tree: &Tree) -> Result<(), Problem> {
    let write = |path: &Path, body: &[u8]| -> io::Result<()> {
        let parent = path.parent().unwrap_or(folder);
        fs::create_dir_all(parent)?;
        let file = tempfile::NamedTempFile::new_in(parent)?;
        fs::write(file.path(), body)?;
        #[cfg(unix)]
        fs::set_permissions(file.path(), std::os::unix::fs::PermissionsExt::from_mode(0o644))?;
        file.persist(path).map(drop).map_err(|error| error.error)
    };
    for (name, body) in tree.files() {
        let path = folder.join(name);
        write(&path, body).map_err(|error| {
            Problem::new("files", format!("{} cannot be written", path.display())).because(error.to_string())
        })?;
    }
    Ok(())
}

/// A tree as one file, the same for the same tree.
///
/// # Errors
/// A name that no archive can hold.
pub fn pack(tree: &Tree) -> Result<Vec<u8>, Problem> {
    let mut archive = tar::Builder::new(Vec::new());
    let mut add = || -> io::Result<Vec<u8>> {
        for (path, body) in tree.files() {
            let mut header = tar::Header::new_gnu();
            header.set_size(body.len() as u64);
            header.set_mode(if path.ends_with(".sh") { 0o755 } else { 0o644 });
            archive.append_data(&mut header, path, body)?;
        }
        archive.finish()?;
        Ok(std::mem::take(archive.get_mut()))
    };
    add().map_err(|error| {
        Problem::new("config", "The configuration cannot be packed").because(error.to_string())
    })
}

/// What an archive of the machine's holds.
///
/// # Errors
/// It makes no sense.
pub fn unpack(archive: &[u8]) -> Result<Tree, Problem> {
    let read = || -> io::Result<Tree> {
        let mut tree = Tree::default();
        for entry in tar::Archive::new(archive).entries()? {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() {
                continue;
            }
            let path = entry.path()?.to_string_lossy().trim_start_matches("./").to_owned();
            let mut body = Vec::new();
            io::Read::read_to_end(&mut entry, &mut body)?;
            tree.put(path, body);
        }
        Ok(tree)
    };
    read().map_err(|error| {
        Problem::new("garbled", "The machine's configuration makes no sense").because(error.to_string())
    })
}

/// The folder of the configuration on the machine.
pub fn place(desired: &Desired) -> String {
    format!("/home/{}/{PLACE}", desired.user)
}

/// A path of the settings on this computer.
///
/// # Errors
/// It begins with `~`, and there is no home folder.
pub fn expand(path: &str) -> Result<PathBuf, Problem> {
    let Some(rest) = path.strip_prefix('~') else { return Ok(PathBuf::from(path)) };
    let home = etcetera::home_dir()
        .map_err(|error| Problem::new("config", "There is no home folder").because(error.to_string()))?;
    Ok(home.join(rest.trim_start_matches('/')))
}

const CHOOSE: &str = "name another folder: holdfast settings set config.directory PATH";

fn not_placeable(error: &NotPlaceable) -> Problem {
    let problem =
        Problem::new("config", "The configuration cannot be put on the machine").because(error.to_string());
    match error {
        NotPlaceable::Secret(_) => problem
            .hint("leave it out (.gitignore), and give it to the machine by itself: holdfast upload")
            .exit(Exit::Refused),
        NotPlaceable::Name(_) | NotPlaceable::TooLarge { .. } => problem,
        NotPlaceable::NoFlake => problem.hint(CHOOSE),
    }
}

fn bad_data(folder: &Path, why: &str) -> Problem {
    Problem::new("config", "The machine's values make no sense")
        .because(format!("{why} in {}", folder.display()))
        .hint("mend them: holdfast config edit machine.json")
}

#[cfg(test)]
mod tests;
