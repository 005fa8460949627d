//! What the machine runs: its state in one answer, and its generations.

use serde::{Deserialize, Serialize};

use super::{Block, Garbled, Job, JobId, Placed, blocks, next_blocks, number};
use crate::app::harmless::harmless;
use crate::power;

/// The generation that runs, or waits for a boot, and is not yet good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Trial {
    /// Its number.
    pub number: u32,
    /// The machine is still on its way to it, or back.
    pub switching: bool,
    /// It shows only after a boot whether it works.
    pub waits_for_boot: bool,
    /// The machine goes back to this one.
    pub previous: Option<u32>,
    /// The job that made it.
    pub job: Option<JobId>,
}

/// The machine is to switch itself off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct GoesOff {
    /// When, in seconds since the Unix epoch.
    #[specta(type = u32)]
    pub at: u64,
    /// Why.
    pub why: power::Why,
}

/// The space on the machine's disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Disk {
    /// Bytes that its file system has for files, used or not.
    #[specta(type = f64)]
    pub size: u64,
    /// Bytes of them that are free for its user.
    #[specta(type = f64)]
    pub free: u64,
}

/// What the machine says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct MachineState {
    /// Its clock, in seconds since the Unix epoch.
    #[specta(type = u32)]
    pub now: u64,
    /// The number of the generation that it runs.
    pub generation: Option<u32>,
    /// The configuration that this was made of, where Holdfast made it.
    pub revision: Option<String>,
    /// A new session has come in since.
    pub good: bool,
    /// The generation on trial, if there is one.
    pub trial: Option<Trial>,
    /// When it switches itself off next, as far as that is known.
    pub off: Option<GoesOff>,
    /// The space on its disk; `None`: a machine that does not tell.
    pub disk: Option<Disk>,
    /// The last jobs, the newest first.
    pub jobs: Vec<Job>,
}

impl MachineState {
    /// Reads the answer to `machine state`.
    ///
    /// # Errors
    /// It is not whole.
    pub fn parse(answer: &[u8]) -> Result<Self, Garbled> {
        Self::read(&blocks(answer)?)
    }

    fn read(blocks: &[Block]) -> Result<Self, Garbled> {
        let (first, rest) = blocks.split_first().ok_or(Garbled)?;
        Ok(Self {
            now: number(first, "now").ok_or(Garbled)?,
            generation: number(first, "generation"),
            revision: text(first, "revision"),
            good: first.contains_key("good"),
            trial: trial(first),
            off: number(first, "off")
                .zip(first.get("off_why").and_then(|why| power::Why::read(why)))
                .map(|(at, why)| GoesOff { at, why }),
            disk: number(first, "disk_size")
                .zip(number(first, "disk_free"))
                .filter(|(size, free)| free <= size)
                .map(|(size, free)| Disk { size, free }),
            jobs: rest.iter().filter_map(Job::read).collect(),
        })
    }

    /// The job that runs.
    pub fn running(&self) -> Option<&Job> {
        self.jobs.iter().find(|job| job.outcome.is_none())
    }
}

fn trial(block: &Block) -> Option<Trial> {
    Some(Trial {
        number: number(block, "trial_number")?,
        switching: block.get("trial_state").is_none_or(|state| state != "trial"),
        waits_for_boot: block.get("trial_boot").is_some_and(|boot| boot == "waits"),
        previous: number(block, "trial_previous_number"),
        job: block.get("trial_job").and_then(|id| id.parse().ok()),
    })
}

fn text(block: &Block, key: &str) -> Option<String> {
    block.get(key).map(|value| harmless(value, 80)).filter(|text| !text.is_empty())
}

/// One generation of the system.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
pub struct Generation {
    /// Its number.
    pub number: u32,
    /// When it was made, in seconds since the Unix epoch.
    #[specta(type = u32)]
    pub made: u64,
    /// The version of NixOS.
    pub version: Option<String>,
    /// The configuration that it was made of, where Holdfast made it.
    pub revision: Option<String>,
    /// The version of its kernel.
    pub kernel: Option<String>,
    /// Bytes of all it needs, most of which it shares with others.
    #[specta(type = Option<f64>)]
    pub size: Option<u64>,
    /// The machine runs it.
    pub current: bool,
    /// The machine booted it.
    pub booted: bool,
    /// A new session came in while it ran.
    pub good: bool,
    /// It is not yet good.
    pub trial: bool,
    /// The machine went back from it.
    pub refused: bool,
}

/// Reads the answer to `machine generations`; the newest first.
///
/// # Errors
/// It is not whole.
pub fn generations(answer: &[u8]) -> Result<Vec<Generation>, Garbled> {
    Ok(read_generations(&blocks(answer)?))
}

fn read_generations(blocks: &[Block]) -> Vec<Generation> {
    let read = |block: &Block| {
        Some(Generation {
            number: number(block, "generation")?,
            made: number(block, "made").unwrap_or(0),
            version: text(block, "version"),
            revision: text(block, "revision"),
            kernel: text(block, "kernel"),
            size: number(block, "size"),
            current: block.contains_key("current"),
            booted: block.contains_key("booted"),
            good: block.contains_key("good"),
            trial: block.contains_key("trial"),
            refused: block.contains_key("refused"),
        })
    };
    let mut all: Vec<Generation> = blocks.iter().filter_map(read).collect();
    all.sort_by_key(|generation| std::cmp::Reverse(generation.number));
    all
}

/// All that is to be known of the machine's system, in one answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Overview {
    /// What it runs, and its last jobs.
    pub state: MachineState,
    /// Its generations, the newest first.
    pub generations: Vec<Generation>,
    /// What it has of its configuration.
    pub placed: Placed,
}

impl Overview {
    /// Reads the answer to `machine overview`: those to `state`, `generations` and `config`, one after another.
    ///
    /// # Errors
    /// It is not whole.
    pub fn parse(answer: &[u8]) -> Result<Self, Garbled> {
        let text = String::from_utf8_lossy(answer);
        let mut lines = text.lines();
        let state = MachineState::read(&next_blocks(&mut lines)?)?;
        let generations = read_generations(&next_blocks(&mut lines)?);
        let placed = Placed::read(&next_blocks(&mut lines)?)?;
        Ok(Self { state, generations, placed })
    }
}
