//! A home that a machine takes from a copy of another one's disk, as `machine carry` tells of it.

use super::{Garbled, blocks, number};
use crate::app::harmless::harmless;
use crate::names::SnapshotId;

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Carrying {
    /// The machine is at it.
    Running {
        /// `device`, `check`, `copy` or `verify`.
        phase: String,
    },
    /// All of it is there, and every file was checked.
    Done {
        /// How many files.
        files: u64,
        /// How many bytes are in them.
        bytes: u64,
    },
    /// It did not work, or was interrupted; it can be begun anew.
    Failed {
        /// In the machine's words.
        why: String,
    },
}

impl Carrying {
    /// Reads the answer to `machine carry` about the home that is in `snapshot`.
    ///
    /// # Errors
    /// The answer is not whole, or says what cannot be.
    pub fn parse(answer: &[u8], snapshot: &SnapshotId) -> Result<Self, Garbled> {
        let blocks = blocks(answer)?;
        let [block] = &blocks[..] else { return Err(Garbled) };
        let text = |key: &str| block.get(key).map(|text| harmless(text, 400)).unwrap_or_default();
        if block.get("snapshot").is_some_and(|of| of != snapshot.as_str()) {
            return Ok(Self::Failed { why: "the machine is at another one".to_owned() });
        }
        match text("state").as_str() {
            "running" => Ok(Self::Running { phase: text("phase") }),
            "done" => {
                let count = |key| number(block, key).ok_or(Garbled);
                Ok(Self::Done { files: count("files")?, bytes: count("bytes")? })
            }
            "failed" => {
                let why = Some(text("why")).filter(|why| !why.is_empty());
                Ok(Self::Failed { why: why.unwrap_or_else(|| "it was interrupted".to_owned()) })
            }
            _ => Err(Garbled),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_is_read() {
        let id: SnapshotId = "snap-0123456789abcdef0".parse().unwrap();
        let of = |body: &str| Carrying::parse(format!("snapshot={id}\n{body}\nend\n").as_bytes(), &id);
        assert_eq!(of("phase=copy\nstate=running\n"), Ok(Carrying::Running { phase: "copy".to_owned() }));
        assert_eq!(of("files=3\nbytes=12\nstate=done\n"), Ok(Carrying::Done { files: 3, bytes: 12 }));
        assert_eq!(of("why=no room\nstate=failed\n"), Ok(Carrying::Failed { why: "no room".to_owned() }));
        assert_eq!(of("state=failed\n"), Ok(Carrying::Failed { why: "it was interrupted".to_owned() }));
        assert_eq!(of("state=done\n"), Err(Garbled));
        assert_eq!(of("state=odd\n"), Err(Garbled));
        assert_eq!(Carrying::parse(b"state=done\n", &id), Err(Garbled));
        let other = Carrying::parse(b"snapshot=snap-00000001\nfiles=1\nbytes=1\nstate=done\n\nend\n", &id);
        assert!(matches!(other, Ok(Carrying::Failed { .. })), "{other:?}");
    }
}
