//! Why a build failed, from the lines it printed. Nix has no codes for that, so this goes by its words, those of 2.18 to
//! 2.34; a text it does not know is a failure all the same, with the lines that Nix itself calls the error.

use std::collections::VecDeque;

use super::{Mark, Stage};

/// What kind of thing went wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ailment {
    /// The configuration is no Nix.
    Syntax,
    /// The configuration says something that is not so.
    Evaluation,
    /// The flake has no such attribute.
    Attribute,
    /// There is no flake in the folder.
    NoFlake,
    /// It is for another processor.
    WrongSystem,
    /// The disk is full.
    Space,
    /// Something could not be fetched.
    Fetch,
    /// A builder was killed, for want of memory most of the time.
    Memory,
    /// A builder failed.
    Build,
    /// The repository's host does not let the machine in.
    Access,
    /// git does not trust the folder.
    Ownership,
    /// None of these.
    Other,
}

/// Gathers the lines that matter, at a steady size.
#[derive(Clone, Debug, Default)]
pub struct Diagnosis {
    /// Lines from the first error on.
    error: Vec<String>,
    /// The last lines of all.
    tail: VecDeque<String>,
    ailment: Option<Ailment>,
    /// Something was built: evaluating is over.
    builds: bool,
    /// What goes back says nothing about why.
    closed: bool,
    room: Option<(u64, u64, u32)>,
}

/// Lines of an error that are kept.
const ERROR: usize = 40;
/// Lines that are kept where there is no error among them.
const TAIL: usize = 15;
/// Characters of a line that are kept.
const WIDTH: usize = 400;

impl Diagnosis {
    /// Takes the next line of the log.
    pub fn line(&mut self, line: &str) {
        if self.closed {
            return;
        }
        let kept: String = line.chars().take(WIDTH).collect();
        self.builds |= line.starts_with("building '");
        // What nothing is known of but that it is an error comes from a builder once there is one.
        let by_builder = |ailment| self.builds && ailment == Ailment::Evaluation;
        let told = ailment(line).map(|ailment| if by_builder(ailment) { Ailment::Build } else { ailment });
        if let Some(ailment) = told {
            self.ailment = Some(
                self.ailment
                    .map_or(ailment, |known| if rank(ailment) < rank(known) { ailment } else { known }),
            );
        }
        if !self.error.is_empty() || is_error(line) {
            // A long trace says at its end what it is about.
            if self.error.len() == ERROR {
                self.error.remove(ERROR / 4);
            }
            self.error.push(kept.clone());
        }
        if self.tail.len() == TAIL {
            self.tail.pop_front();
        }
        self.tail.push_back(kept);
    }

    /// Takes what the job itself said.
    pub fn mark(&mut self, mark: &Mark) {
        match mark {
            Mark::Space(free, all, kept) => self.room = Some((*free, *all, *kept)),
            Mark::Phase(Stage::Rollback) => self.closed = true,
            Mark::Phase(Stage::Check) => {}
            Mark::Phase(_) => {
                self.error.clear();
                self.tail.clear();
                self.ailment = None;
                self.builds = false;
            }
            Mark::End(_) | Mark::Note(_) => {}
        }
    }

    /// What went wrong.
    pub fn ailment(&self) -> Ailment {
        self.ailment.unwrap_or(Ailment::Other)
    }

    /// The lines that matter.
    pub fn lines(&self) -> Vec<String> {
        if self.error.is_empty() { self.tail.iter().cloned().collect() } else { self.error.clone() }
    }

    /// Room on the disk when it failed: bytes free, bytes in all, and generations that are kept.
    pub fn room(&self) -> Option<(u64, u64, u32)> {
        self.room.map(|(free, all, kept)| (free.saturating_mul(1024), all.saturating_mul(1024), kept))
    }
}

fn is_error(line: &str) -> bool {
    let line = line.trim_start();
    line.starts_with("error:") || line.starts_with("error (ignored):") || line.starts_with("fatal:")
}

/// Of two reasons the more telling one counts: a full disk fails builds and fetches with words of their own.
const fn rank(ailment: Ailment) -> u8 {
    match ailment {
        Ailment::Space => 0,
        Ailment::Memory => 1,
        Ailment::Ownership => 2,
        Ailment::WrongSystem => 3,
        Ailment::NoFlake | Ailment::Attribute => 4,
        Ailment::Syntax => 5,
        Ailment::Access => 6,
        Ailment::Fetch => 7,
        Ailment::Build => 8,
        Ailment::Evaluation => 9,
        Ailment::Other => 10,
    }
}

fn ailment(line: &str) -> Option<Ailment> {
    const SAID: [(&str, Ailment); 36] = [
        ("No space left on device", Ailment::Space),
        ("database or disk is full", Ailment::Space),
        ("failed due to signal 9", Ailment::Memory),
        ("Out of memory", Ailment::Memory),
        ("Cannot allocate memory", Ailment::Memory),
        ("is not owned by current user", Ailment::Ownership),
        ("dubious ownership", Ailment::Ownership),
        ("is required to build", Ailment::WrongSystem),
        ("required (system, features)", Ailment::WrongSystem),
        ("required system or feature not available", Ailment::WrongSystem),
        ("platform mismatch", Ailment::WrongSystem),
        ("Required system: ", Ailment::WrongSystem),
        ("does not provide attribute", Ailment::Attribute),
        ("does not contain a '/flake.nix' file", Ailment::NoFlake),
        ("/nixos' does not exist", Ailment::NoFlake),
        ("syntax error", Ailment::Syntax),
        // Those of git and of the hosts, which deny that there is what one may not see.
        ("could not read Username for", Ailment::Access),
        ("could not read Password for", Ailment::Access),
        ("Authentication failed for", Ailment::Access),
        ("The requested URL returned error: 403", Ailment::Access),
        ("Repository not found", Ailment::Access),
        ("Permission denied (publickey", Ailment::Access),
        ("unable to download", Ailment::Fetch),
        ("Couldn't resolve host", Ailment::Fetch),
        ("Could not resolve hostname", Ailment::Fetch),
        ("Could not resolve host", Ailment::Fetch),
        ("unable to access '", Ailment::Fetch),
        ("cannot connect to", Ailment::Fetch),
        ("builder for '", Ailment::Build),
        ("builder failed with exit code", Ailment::Build),
        ("Cannot build '", Ailment::Build),
        ("hash mismatch in fixed-output derivation", Ailment::Build),
        ("dependencies of derivation", Ailment::Build),
        ("dependency of derivation", Ailment::Build),
        ("undefined variable", Ailment::Evaluation),
        ("error:", Ailment::Evaluation),
    ];
    let (words, ailment) = SAID.iter().find(|(words, _)| line.contains(words))?;
    // A build that prints "error:" is not Nix that says it.
    (*words != "error:" || is_error(line)).then_some(*ailment)
}
