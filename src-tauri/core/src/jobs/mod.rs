//! Jobs: long tasks that the machine owns. What is ordered, what the machine's half
//! ([`script/machine.sh`](crate::script::machine)) answers, and what its log means. All text from there is untrusted.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::app::harmless::harmless;
use crate::config::credential_scope;

mod checkout;
mod closure;
mod diagnosis;
mod home;
mod journal;
mod log;
mod progress;
mod space;
mod standing;
mod system;
#[cfg(test)]
mod tests;

pub use checkout::Checkout;
pub use closure::{Fate, Package};
pub use diagnosis::{Ailment, Diagnosis};
pub use home::Carrying;
pub use journal::{Entry, Journal};
pub use log::{LogBuffer, LogChunk};
pub use progress::{Mark, Progress, Stage, Step};
pub use space::{NotGrown, Space};
pub use standing::{Declared, Here, Standing};
pub use system::{Disk, Generation, GoesOff, MachineState, Overview, Trial, generations};

/// The machine's answer makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the machine's answer makes no sense")]
pub struct Garbled;

/// The name of a job: it becomes part of the name of a systemd unit.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, specta::Type)]
#[serde(try_from = "String", into = "String")]
pub struct JobId(String);

impl JobId {
    /// A name that sorts by time: seconds since the Unix epoch, and something that no other job has.
    pub fn new(now: u64, unique: u32) -> Self {
        Self(format!("{now:010}-{unique:08x}"))
    }

    /// As text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for JobId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for JobId {
    type Err = NotAJob;
    fn from_str(text: &str) -> Result<Self, NotAJob> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        let fits = (1..=40).contains(&text.len()) && text.bytes().all(plain) && !text.starts_with('-');
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAJob) }
    }
}

impl TryFrom<String> for JobId {
    type Error = NotAJob;
    fn try_from(text: String) -> Result<Self, NotAJob> {
        text.parse()
    }
}

impl From<JobId> for String {
    fn from(JobId(text): JobId) -> Self {
        text
    }
}

/// Not the name of a job.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not the name of a job; `holdfast jobs` lists them")]
pub struct NotAJob;

/// What a job makes of what it built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// The machine runs it at once.
    Switch,
    /// The machine runs it after its next boot.
    Boot,
    /// Nothing: the difference to what runs is shown.
    Dry,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Switch => "switch",
            Self::Boot => "boot",
            Self::Dry => "dry",
        }
    }
}

/// What a job does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Work {
    /// Builds the configuration in a folder of the machine.
    Rebuild {
        /// The flake reference with its attribute, as `nixos-rebuild` takes it.
        flake: String,
        /// The folder that the flake's lock is in.
        tree: String,
        /// The folder that git guards, which belongs to the user.
        folder: String,
        /// What the configuration is called, as in `embedded 1a2b3c`.
        revision: String,
        /// Inputs are brought up to date first: one, or all of them where the name is empty.
        update: Option<String>,
        /// Where it is fetched from before.
        git: Option<Box<Git>>,
    },
    /// Goes to a generation that is there.
    Rollback {
        /// Its number.
        number: u32,
    },
}

/// A repository that the machine has a clone of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Git {
    /// Its address.
    pub url: String,
    /// Its branch; the remote's default one if there is none.
    pub branch: Option<String>,
    /// The clone is built as it stands.
    pub local: bool,
    /// Where git is had from on a machine that has none: a flake reference.
    pub nixpkgs: String,
    /// The id that the user will have, on a machine that has none yet.
    pub uid: u32,
    /// The file that was uploaded with what git answers the host with, where that asks.
    pub token: Option<String>,
}

/// An order for a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Its name.
    pub id: JobId,
    /// Known to the laptop and the machine alone: what the job says carries it.
    pub nonce: String,
    /// What is to be done.
    pub work: Work,
    /// What becomes of it.
    pub action: Action,
    /// A configuration that was switched back from is tried all the same.
    pub again: bool,
    /// Who asks, for others to read.
    pub by: String,
    /// The machine's user, whose shell has to start.
    pub user: String,
    /// The region whose gateway has to be reachable.
    pub region: String,
    /// How long the machine's check of itself may take, in seconds.
    pub patience: u32,
}

impl Order {
    /// The words of `machine start`.
    pub fn words(&self) -> Vec<String> {
        let mut words = vec!["start".to_owned(), self.id.to_string()];
        let mut word = |key: &str, value: &str| words.push(format!("{key}={}", harmless(value, 900)));
        match &self.work {
            Work::Rebuild { flake, tree, folder, revision, update, git } => {
                word("kind", "rebuild");
                word("flake", flake);
                word("tree", tree);
                word("folder", folder);
                word("revision", revision);
                if let Some(input) = update {
                    word("update", input);
                }
                if let Some(git) = git {
                    word("git", &git.url);
                    word("branch", git.branch.as_deref().unwrap_or_default());
                    word("local", if git.local { "1" } else { "0" });
                    word("nixpkgs", &git.nixpkgs);
                    word("uid", &git.uid.to_string());
                    word("scope", &credential_scope(&git.url).unwrap_or_default());
                    word("token", git.token.as_deref().unwrap_or_default());
                }
            }
            Work::Rollback { number } => {
                word("kind", "rollback");
                word("number", &number.to_string());
            }
        }
        word("action", self.action.word());
        word("nonce", &self.nonce);
        word("again", if self.again { "1" } else { "0" });
        word("by", &harmless(&self.by, 60));
        word("user", &self.user);
        word("region", &self.region);
        word("patience", &self.patience.to_string());
        words
    }
}

/// How a job ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The machine runs it, on trial until the next new session.
    Ok,
    /// It runs already.
    Same,
    /// The machine runs it, and some units in it failed.
    Partial,
    /// It is what the machine boots next.
    Boot,
    /// It was built, and nothing more was asked for.
    Built,
    /// The build failed, or what leads to it.
    Failed,
    /// Somebody cancelled it.
    Cancelled,
    /// It ran and did not keep the way in open, or could not be switched to, so the machine runs the one before.
    RolledBack,
    /// Neither going forward nor going back worked.
    Stuck,
    /// It was switched back from once before.
    Refused,
    /// The machine was rebooted under it.
    Lost,
    /// It was killed.
    Killed,
    /// It was killed for want of memory.
    Memory,
}

impl Outcome {
    /// Whether what was asked for was done.
    pub const fn is_good(self) -> bool {
        match self {
            Self::Ok | Self::Same | Self::Partial | Self::Boot | Self::Built => true,
            Self::Failed
            | Self::Cancelled
            | Self::RolledBack
            | Self::Stuck
            | Self::Refused
            | Self::Lost
            | Self::Killed
            | Self::Memory => false,
        }
    }

    fn read(word: &str) -> Option<Self> {
        Some(match word {
            "ok" => Self::Ok,
            "same" => Self::Same,
            "partial" => Self::Partial,
            "boot" => Self::Boot,
            "built" => Self::Built,
            "failed" => Self::Failed,
            "cancelled" => Self::Cancelled,
            "rolled_back" => Self::RolledBack,
            "stuck" => Self::Stuck,
            "refused" => Self::Refused,
            "lost" => Self::Lost,
            "killed" => Self::Killed,
            "memory" => Self::Memory,
            _ => return None,
        })
    }
}

/// A job as the machine tells of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Job {
    /// Its name.
    pub id: JobId,
    /// It goes to a generation that was there, and builds nothing.
    pub is_rollback: bool,
    /// What its marks in the log carry.
    #[serde(skip)]
    pub nonce: String,
    /// What becomes of what it built.
    pub action: Action,
    /// Who asked for it.
    pub by: String,
    /// When it began, in seconds since the Unix epoch.
    #[specta(type = u32)]
    pub began: u64,
    /// When it ended, so counted, too.
    #[specta(type = Option<u32>)]
    pub ended: Option<u64>,
    /// What it does, or did last.
    pub stage: Option<Stage>,
    /// How it ended; `None` while it runs.
    pub outcome: Option<Outcome>,
    /// More about that.
    pub why: Option<String>,
    /// The generation that it made or went to.
    pub generation: Option<u32>,
    /// The configuration that it built.
    pub revision: Option<String>,
    /// It changed the lock of the inputs: that was asked for, or the lock was not whole.
    pub updates: bool,
}

impl Job {
    /// Reads the answer to `machine job ID`.
    ///
    /// # Errors
    /// It is not whole.
    pub fn parse(answer: &[u8]) -> Result<Self, Garbled> {
        blocks(answer)?.iter().find_map(Self::read).ok_or(Garbled)
    }

    /// Reads the answer of a machine that is busy with another job, which has no end mark.
    pub fn parse_other(answer: &[u8]) -> Option<Self> {
        let text = String::from_utf8_lossy(answer);
        let block = text.lines().filter_map(|line| line.split_once('='));
        Self::read(&block.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
    }

    fn read(block: &Block) -> Option<Self> {
        let text =
            |key: &str| block.get(key).map(|value| harmless(value, 400)).filter(|text| !text.is_empty());
        Some(Self {
            id: block.get("job")?.parse().ok()?,
            is_rollback: block.get("kind").is_some_and(|kind| kind == "rollback"),
            nonce: block.get("nonce").map(|nonce| harmless(nonce, 64)).unwrap_or_default(),
            action: match block.get("action").map(String::as_str) {
                Some("boot") => Action::Boot,
                Some("dry") => Action::Dry,
                Some(_) | None => Action::Switch,
            },
            by: text("by").unwrap_or_else(|| "somebody".to_owned()),
            began: number(block, "began").unwrap_or(0),
            ended: number(block, "ended"),
            stage: block.get("phase").and_then(|word| Stage::read(word)),
            outcome: block.get("outcome").and_then(|word| Outcome::read(word)),
            why: text("why"),
            generation: number(block, "generation"),
            revision: text("revision"),
            updates: block.contains_key("update") || block.contains_key("completed"),
        })
    }
}

pub(crate) type Block = BTreeMap<String, String>;

fn number<T: FromStr>(block: &Block, key: &str) -> Option<T> {
    block.get(key)?.parse().ok()
}

/// Reads blocks of `key=value` with an empty line after each, the last of which is `end`.
fn blocks(answer: &[u8]) -> Result<Vec<Block>, Garbled> {
    next_blocks(&mut String::from_utf8_lossy(answer).lines())
}

/// The first block of such an answer.
pub(crate) fn first_block(answer: &[u8]) -> Result<Block, Garbled> {
    blocks(answer)?.into_iter().next().ok_or(Garbled)
}

/// The same of the next of several answers.
fn next_blocks<'a>(lines: &mut impl Iterator<Item = &'a str>) -> Result<Vec<Block>, Garbled> {
    let (mut blocks, mut block) = (Vec::new(), Block::new());
    for line in lines {
        match line.trim_end_matches('\r') {
            "end" if block.is_empty() => return Ok(blocks),
            "" if block.is_empty() => {}
            "" => blocks.push(std::mem::take(&mut block)),
            line => {
                if let Some((key, value)) = line.split_once('=') {
                    block.insert(key.to_owned(), value.to_owned());
                }
            }
        }
    }
    Err(Garbled)
}

/// What the machine has of its configuration, as `machine config` tells.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Placed {
    /// The number of what Holdfast put there.
    pub placed: Option<String>,
    /// The number of what is there now.
    pub found: Option<String>,
    /// It is a git repository.
    pub is_repository: bool,
    /// What the machine can run, as Nix writes it.
    pub system: Option<String>,
    /// The `machine.json` that is there.
    pub data: Option<String>,
    /// The id of the machine's user, where there is one.
    pub uid: Option<u32>,
    /// The machine has the configuration of its image.
    pub has_stock: bool,
    /// The job that runs, and may be at work on it.
    pub running: Option<Job>,
}

impl Placed {
    /// Reads the answer.
    ///
    /// # Errors
    /// It is not whole.
    pub fn parse(answer: &[u8]) -> Result<Self, Garbled> {
        Self::read(&blocks(answer)?)
    }

    fn read(blocks: &[Block]) -> Result<Self, Garbled> {
        let block = blocks.first().ok_or(Garbled)?;
        let hash = |key: &str| block.get(key).filter(|hash| hash.len() == 64).cloned();
        Ok(Self {
            placed: hash("placed"),
            found: hash("found"),
            is_repository: block.contains_key("git"),
            system: block.get("system").map(|system| harmless(system, 40)),
            data: block.get("data").cloned(),
            uid: number(block, "uid"),
            has_stock: block.contains_key("stock"),
            running: blocks.get(1).and_then(Job::read),
        })
    }

    /// Somebody has changed the configuration on the machine since it was put there.
    pub fn is_edited(&self) -> bool {
        self.found.is_some() && self.found != self.placed
    }
}
