//! The space on the machine's disk, as `machine grow` leaves it.

use serde::{Deserialize, Serialize};

use super::{Block, Garbled, blocks, number};
use crate::app::harmless::harmless;

/// A disk whose file system takes all of it that it can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Space {
    /// Bytes of the disk, as the machine's kernel knows it.
    #[specta(type = f64)]
    pub device: u64,
    /// Bytes that the file system had for files before, used or not.
    #[specta(type = f64)]
    pub size_before: u64,
    /// Bytes that it has now.
    #[specta(type = f64)]
    pub size: u64,
    /// Bytes of them in use.
    #[specta(type = f64)]
    pub used: u64,
}

/// Why the file system does not take all of its disk.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotGrown {
    /// The answer makes no sense.
    #[error(transparent)]
    Garbled(#[from] Garbled),
    /// Nothing is mounted there.
    #[error("no file system is mounted there")]
    NoMount,
    /// It is mounted to be read only.
    #[error("the file system is mounted to be read only")]
    ReadOnly,
    /// Nobody has taught Holdfast about file systems of this kind.
    #[error("file systems of the kind {0} cannot be enlarged")]
    FileSystem(String),
    /// It lies on something other than one disk or one partition, as with LVM.
    #[error("the file system is not on one disk or partition: {0}")]
    Device(String),
    /// The partition table is of another kind, or another one than the kernel has.
    #[error("the partition table cannot be changed: {0}")]
    Table(String),
    /// Its partition is not the disk's last.
    #[error("the partition has no free space after it: {0}")]
    NotLast(String),
    /// A program is missing.
    #[error("the machine has no program {0}")]
    NoTool(String),
    /// Somebody else is at it. It can be asked again.
    #[error("the disk is being changed already: {0}")]
    Busy(String),
    /// A program failed; what it had to say. What was done before it stays, and the next try goes on from there.
    #[error("a step failed: {0}")]
    Failed(String),
}

impl Space {
    /// Reads the answer to `machine grow`.
    ///
    /// # Errors
    /// It refused or failed, or the answer is not whole, or says what cannot be.
    pub fn parse(answer: &[u8]) -> Result<Self, NotGrown> {
        let blocks = blocks(answer)?;
        let [block] = &blocks[..] else { return Err(Garbled.into()) };
        if block.contains_key("refused") {
            return Err(NotGrown::read(block));
        }
        let bytes = |key: &str| number(block, key).ok_or(Garbled);
        let space = Self {
            device: bytes("device")?,
            size_before: bytes("size_before")?,
            size: bytes("size")?,
            used: bytes("used")?,
        };
        let can_be = 0 < space.size_before
            && space.size_before <= space.size
            && space.size <= space.device
            && space.used <= space.size;
        if can_be { Ok(space) } else { Err(Garbled.into()) }
    }

    /// The machine's kernel knows the disk to have at least these GiB, so what AWS added has arrived.
    pub fn has_arrived(&self, gib: u32) -> bool {
        self.device >> 30 >= u64::from(gib)
    }
}

impl NotGrown {
    fn read(block: &Block) -> Self {
        let text = |key: &str| block.get(key).map(|text| harmless(text, 300)).unwrap_or_default();
        let why = text("why");
        match text("refused").as_str() {
            "mount" => Self::NoMount,
            "read_only" => Self::ReadOnly,
            "filesystem" => Self::FileSystem(why),
            "device" => Self::Device(why),
            "table" => Self::Table(why),
            "not_last" => Self::NotLast(why),
            "tool" => Self::NoTool(why),
            "busy" => Self::Busy(why),
            "failed" => Self::Failed(why),
            other => Self::Failed(harmless(&format!("{other} {why}"), 300)),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const WHOLE: &str =
        "device=21474836480\nsize_before=4130000000\nsize=21030000000\nused=2900000000\n\nend\n";

    #[test]
    fn the_space_is_read() {
        let space =
            Space { device: 20 << 30, size_before: 4_130_000_000, size: 21_030_000_000, used: 2_900_000_000 };
        assert_eq!(Space::parse(WHOLE.as_bytes()), Ok(space));
        assert!(space.has_arrived(20) && !space.has_arrived(21) && !space.has_arrived(u32::MAX));
        // Through a terminal.
        assert_eq!(Space::parse(WHOLE.replace('\n', "\r\n").as_bytes()), Ok(space));
        for cut in 0..WHOLE.len() - 4 {
            assert_eq!(Space::parse(&WHOLE.as_bytes()[..cut]), Err(NotGrown::Garbled(Garbled)), "{cut}");
        }
    }

    #[test]
    fn refusals_have_names() {
        let text = String::from;
        for (reason, refusal) in [
            ("mount", NotGrown::NoMount),
            ("read_only", NotGrown::ReadOnly),
            ("filesystem", NotGrown::FileSystem(text("a b"))),
            ("device", NotGrown::Device(text("a b"))),
            ("table", NotGrown::Table(text("a b"))),
            ("not_last", NotGrown::NotLast(text("a b"))),
            ("tool", NotGrown::NoTool(text("a b"))),
            ("busy", NotGrown::Busy(text("a b"))),
            ("failed", NotGrown::Failed(text("a b"))),
            // What a newer text of the program may say.
            ("tired", NotGrown::Failed(text("tired a b"))),
            ("", NotGrown::Failed(text("a b"))),
        ] {
            for sizes in ["", "device=9\n", "device=9\nsize_before=8\nsize=8\nused=1\n"] {
                let answer = format!("{sizes}refused={reason}\nwhy=a\u{1b} \u{202e}b\n\nend\n");
                assert_eq!(Space::parse(answer.as_bytes()), Err(refusal.clone()), "{reason}");
            }
        }
        let long = format!("refused=failed\nwhy={}\n\nend\n", "x".repeat(9000));
        assert!(
            matches!(Space::parse(long.as_bytes()), Err(NotGrown::Failed(why)) if why.chars().count() <= 301)
        );
        assert_eq!(Space::parse(b"refused=tool\n\nend\n"), Err(NotGrown::NoTool(String::new())));
    }

    #[test]
    fn what_cannot_be_is_no_answer() {
        let garbled = Err(NotGrown::Garbled(Garbled));
        for (from, to) in [
            ("device=21474836480", "device=21474836480 "),
            ("device=21474836480", "device=-1"),
            ("device=21474836480", "device=18446744073709551616"),
            ("device=21474836480", "device=0x500000000"),
            ("device=21474836480", "device="),
            ("device=21474836480", "Device=21474836480"),
            // Smaller than the file system on it.
            ("device=21474836480", "device=21029999999"),
            // It never shrinks, is never empty, and holds no more than it has.
            ("size=21030000000", "size=4129999999"),
            ("size_before=4130000000", "size_before=0"),
            ("used=2900000000", "used=21030000001"),
            ("used=2900000000\n", ""),
            ("used=2900000000\n", "used=2900000000\n\nsize=1\n"),
            ("end\n", "fin\n"),
        ] {
            let answer = WHOLE.replace(from, to);
            assert_ne!(answer, WHOLE);
            assert_eq!(Space::parse(answer.as_bytes()), garbled, "{answer}");
        }
        for answer in ["", "end\n", "\n\nend\n", "sh: 0: cannot open grow\n", "x\n\nend\n"] {
            assert_eq!(Space::parse(answer.as_bytes()), garbled, "{answer:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_comes_is_read_or_refused(answer in prop::collection::vec(any::<u8>(), 0..200)) {
            prop_assert!(Space::parse(&answer).is_err());
        }

        #[test]
        fn what_is_believed_can_be(device: u64, size_before: u64, size: u64, used: u64) {
            let answer = format!("device={device}\nsize_before={size_before}\nsize={size}\nused={used}\n\nend\n");
            if let Ok(space) = Space::parse(answer.as_bytes()) {
                prop_assert!(space.used <= space.size && space.size <= space.device);
                prop_assert!(space.size_before <= space.size);
            }
        }
    }
}
