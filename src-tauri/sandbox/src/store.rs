//! The world on disk: one JSON file, replaced as a whole.

use std::io;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::clock::At;
use crate::world::World;

/// Raised when the shape of the world changes so that old files cannot be read; such a file is set aside.
const VERSION: u32 = 1;

#[derive(Debug)]
pub(crate) struct Store {
    file: PathBuf,
}

#[derive(Serialize)]
struct Saved<'a> {
    version: u32,
    at: At,
    world: &'a World,
}

#[derive(Deserialize)]
struct Loaded {
    version: u32,
    at: At,
    world: World,
}

impl Store {
    pub(crate) fn new(dir: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&dir)?;
        Ok(Self { file: dir.join("world.json") })
    }

    /// The world and its last moment. A file that cannot be read is set aside under another name, never overwritten.
    pub(crate) fn load(&self) -> io::Result<Option<(World, At)>> {
        let text = match std::fs::read(&self.file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        match serde_json::from_slice::<Loaded>(&text) {
            Ok(Loaded { version: VERSION, at, world }) => Ok(Some((world, at))),
            Ok(_) | Err(_) => {
                let aside = self.file.with_extension("unreadable.json");
                tracing::warn!(aside = %aside.display(), "the stored world cannot be read; it is set aside");
                std::fs::rename(&self.file, aside)?;
                Ok(None)
            }
        }
    }

    pub(crate) fn save(&self, world: &World, at: At) -> io::Result<()> {
        let text = serde_json::to_vec(&Saved { version: VERSION, at, world })?;
        let new = self.file.with_extension("new");
        std::fs::write(&new, text)?;
        std::fs::rename(&new, &self.file)
    }
}
