//! The machine's snapshots, as a person is told of them.

use serde::Serialize;

use crate::machine::{Snapshot, SnapshotProgress, TAG_FINAL};
use crate::names::{SnapshotId, VolumeId};

/// The tag that Data Lifecycle Manager gives its snapshots.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/snapshot-ami-policy.html>
const TAG_POLICY: &str = "aws:dlm:lifecycle-policy-id";

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Kept {
    /// Its id.
    pub id: SnapshotId,
    /// The volume that it was taken of.
    pub volume: Option<VolumeId>,
    /// When, RFC 3339.
    pub taken: Option<String>,
    /// The size of that volume in GiB; it takes less room than that itself.
    pub size_gib: u32,
    /// Why.
    pub kind: Kind,
    /// How far it is.
    pub state: State,
}

/// Why a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Somebody asked for it.
    ByHand,
    /// The schedule did.
    Schedule,
    /// It is the last state of an instance that was to go, or to be replaced.
    Last,
}

impl Kind {
    /// In words.
    pub fn words(self) -> &'static str {
        match self {
            Self::ByHand => "by hand",
            Self::Schedule => "schedule",
            Self::Last => "last state of a volume",
        }
    }
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// AWS copies it on.
    Pending,
    /// It is whole.
    Whole,
    /// It failed, and holds nothing.
    Failed,
}

impl State {
    /// In words; none for what is as it should be.
    pub fn words(self) -> &'static str {
        match self {
            Self::Pending => "being copied",
            Self::Whole => "",
            Self::Failed => "failed",
        }
    }
}

/// The snapshots, the newest first.
pub fn kept(snapshots: &[Snapshot]) -> Vec<Kept> {
    let mut all: Vec<Kept> = snapshots
        .iter()
        .map(|snapshot| Kept {
            id: snapshot.id.clone(),
            volume: snapshot.volume.clone(),
            taken: snapshot.taken.clone(),
            size_gib: snapshot.size,
            kind: if snapshot.tags.contains_key(TAG_FINAL) {
                Kind::Last
            } else if snapshot.tags.contains_key(TAG_POLICY) {
                Kind::Schedule
            } else {
                Kind::ByHand
            },
            state: match snapshot.progress {
                SnapshotProgress::Pending => State::Pending,
                SnapshotProgress::Complete => State::Whole,
                SnapshotProgress::Failed => State::Failed,
            },
        })
        .collect();
    all.sort_by(|a, b| (&b.taken, &b.id).cmp(&(&a.taken, &a.id)));
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Tags;

    #[test]
    fn the_newest_comes_first_and_each_says_why() {
        let of = |id: &str, day: &str, tag: Option<&str>| Snapshot {
            id: id.parse().unwrap(),
            volume: None,
            size: 100,
            bytes: None,
            taken: Some(format!("2026-11-{day}T10:00:00Z")),
            progress: SnapshotProgress::Complete,
            tags: tag.map(|tag| (tag.to_owned(), "it".to_owned())).into_iter().collect::<Tags>(),
        };
        let all = [
            of("snap-00000001", "01", None),
            of("snap-00000003", "03", Some(TAG_POLICY)),
            of("snap-00000002", "02", Some(TAG_FINAL)),
        ];
        let found: Vec<_> = kept(&all).into_iter().map(|kept| (kept.id.to_string(), kept.kind)).collect();
        assert_eq!(
            found,
            [
                ("snap-00000003".to_owned(), Kind::Schedule),
                ("snap-00000002".to_owned(), Kind::Last),
                ("snap-00000001".to_owned(), Kind::ByHand),
            ]
        );
    }
}
