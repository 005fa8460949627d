//! What a job is doing, read from its log: its own marks, and between them what Nix prints where it has no terminal.
//! Source: `src/libstore/misc.cc`, `src/libmain/shared.cc` and `src/libstore/build/` of Nix 2.30 to 2.34.

use serde::{Deserialize, Serialize};

/// What a job itself says it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// The repository's newest state is fetched.
    Pull,
    /// Inputs are brought up to date.
    Update,
    /// The system is evaluated, fetched and built.
    Build,
    /// What was built is compared with what runs.
    Compare,
    /// The machine goes over to it.
    Activate,
    /// The machine looks whether the way in still works.
    Check,
    /// The machine goes back to what ran before.
    Rollback,
}

impl Stage {
    pub(super) fn read(word: &str) -> Option<Self> {
        Some(match word {
            "pull" => Self::Pull,
            "update" => Self::Update,
            "build" => Self::Build,
            "compare" => Self::Compare,
            "activate" => Self::Activate,
            "check" => Self::Check,
            "rollback" => Self::Rollback,
            _ => return None,
        })
    }

    /// Whether the machine is between two systems, so that nothing may stop it.
    pub const fn is_switching(self) -> bool {
        matches!(self, Self::Activate | Self::Check | Self::Rollback)
    }
}

/// What a job is doing, as people are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, specta::Type)]
#[serde(rename_all = "snake_case", tag = "step")]
pub enum Step {
    /// It has only just begun.
    Begin,
    /// The repository's newest state is fetched.
    Pull,
    /// Inputs are brought up to date.
    Update,
    /// Nix finds out what the configuration asks for.
    Evaluate,
    /// What others have built is fetched.
    Fetch {
        /// Paths fetched or under way.
        n: u32,
        /// Of so many.
        of: u32,
    },
    /// What nobody has built is built.
    Build {
        /// Derivations built or under way.
        n: u32,
        /// Of so many.
        of: u32,
    },
    /// What was built is compared with what runs.
    Compare,
    /// The machine goes over to it.
    Activate,
    /// The machine looks whether the way in still works.
    Check,
    /// The machine goes back to what ran before.
    Rollback,
}

/// What a job said itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It begins something else.
    Phase(Stage),
    /// It has ended; the word says how.
    End(String),
    /// Room for builds when one failed: KiB free, KiB in all, generations kept.
    Space(u64, u64, u32),
    /// A remark for people.
    Note(String),
}

/// Follows a job's log.
#[derive(Clone, Debug)]
pub struct Progress {
    prefix: String,
    stage: Option<Stage>,
    /// Since the stage began: paths to fetch, fetched, derivations to build, built.
    fetch: (u32, u32),
    build: (u32, u32),
    last: Option<Last>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Fetch,
    Build,
}

impl Progress {
    /// Of the job whose marks carry this nonce.
    pub fn new(nonce: &str) -> Self {
        Self { prefix: format!("holdfast;{nonce};"), stage: None, fetch: (0, 0), build: (0, 0), last: None }
    }

    /// Takes the next line; a mark is the job's own and no line for people.
    pub fn feed(&mut self, line: &str) -> Option<Mark> {
        if let Some(mark) = line.strip_prefix(&self.prefix) {
            let mark = read(mark)?;
            if let Mark::Phase(stage) = mark {
                *self = Self {
                    stage: Some(stage),
                    fetch: (0, 0),
                    build: (0, 0),
                    last: None,
                    prefix: self.prefix.clone(),
                };
            }
            return Some(mark);
        }
        if self.stage == Some(Stage::Build) {
            self.watch(line.trim_start());
        }
        None
    }

    fn watch(&mut self, line: &str) {
        if let Some(rest) = line.strip_prefix("this ").or_else(|| line.strip_prefix("these ")) {
            let count = rest.split(' ').next().and_then(|word| word.parse().ok()).unwrap_or(1);
            if rest.contains("will be built") {
                self.build.0 += count;
            } else if rest.contains("will be fetched") {
                self.fetch.0 += count;
            }
        } else if line.starts_with("copying path '/") {
            self.fetch.1 += 1;
            self.last = Some(Last::Fetch);
        } else if line.starts_with("building '/") {
            self.build.1 += 1;
            self.last = Some(Last::Build);
        }
    }

    /// The job's own word for where it is.
    pub const fn stage(&self) -> Option<Stage> {
        self.stage
    }

    /// Where it is.
    pub fn step(&self) -> Step {
        match self.stage {
            None => Step::Begin,
            Some(Stage::Pull) => Step::Pull,
            Some(Stage::Update) => Step::Update,
            Some(Stage::Build) => match self.last {
                None => Step::Evaluate,
                Some(Last::Fetch) => Step::Fetch { n: self.fetch.1, of: self.fetch.0.max(self.fetch.1) },
                Some(Last::Build) => Step::Build { n: self.build.1, of: self.build.0.max(self.build.1) },
            },
            Some(Stage::Compare) => Step::Compare,
            Some(Stage::Activate) => Step::Activate,
            Some(Stage::Check) => Step::Check,
            Some(Stage::Rollback) => Step::Rollback,
        }
    }
}

impl Step {
    /// In words, as in `fetching 3 of 17`.
    pub fn words(self) -> String {
        match self {
            Self::Begin => "beginning".to_owned(),
            Self::Pull => "fetching the repository".to_owned(),
            Self::Update => "updating the inputs".to_owned(),
            Self::Evaluate => "evaluating".to_owned(),
            Self::Fetch { n, of } => format!("fetching {n} of {of}"),
            Self::Build { n, of } => format!("building {n} of {of}"),
            Self::Compare => "comparing".to_owned(),
            Self::Activate => "switching".to_owned(),
            Self::Check => "checking the way in".to_owned(),
            Self::Rollback => "switching back".to_owned(),
        }
    }
}

fn read(mark: &str) -> Option<Mark> {
    let (kind, rest) = mark.split_once(';')?;
    match kind {
        "phase" => Stage::read(rest).map(Mark::Phase),
        "end" => Some(Mark::End(rest.to_owned())),
        "note" => Some(Mark::Note(rest.to_owned())),
        "space" => {
            let mut numbers = rest.split(';').map(|word| word.trim().parse::<u64>().ok());
            let (free, all, kept) = (numbers.next()??, numbers.next()??, numbers.next()??);
            Some(Mark::Space(free, all, u32::try_from(kept).unwrap_or(u32::MAX)))
        }
        _ => None,
    }
}
