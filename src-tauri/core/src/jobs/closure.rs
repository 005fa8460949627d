//! The difference between two systems, as `nix store diff-closures` writes it.
//! Source: `src/nix/diff-closures.cc` of Nix 2.30 to 2.34.

use crate::app::harmless::{harmless, plain};

/// What became of a package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It is another one.
    Changed,
}

/// A package that differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Package {
    /// What became of it.
    pub fate: Fate,
    /// Its name.
    pub name: String,
    /// Its versions before and after, where they differ.
    pub versions: String,
    /// How much more it takes, where that is worth a word.
    pub size: Option<String>,
}

impl Package {
    /// Reads a line: `name: 1.0 → 1.1, +8.3 KiB`. Nix colours the size even where nobody sees it.
    pub fn read(line: &str) -> Option<Self> {
        let plain = plain(line);
        let (name, rest) = plain.split_once(": ")?;
        if name.is_empty() || name.contains(' ') {
            return None;
        }
        let (versions, size) = match rest.rsplit_once(", ") {
            Some((versions, size)) if is_size(size) => (versions, Some(size)),
            Some(_) | None if is_size(rest) => ("", Some(rest)),
            Some(_) | None => (rest, None),
        };
        let (before, after) = versions.split_once(" → ").unwrap_or((versions, versions));
        let fate = match (before, after) {
            ("∅", _) => Fate::Added,
            (_, "∅") => Fate::Removed,
            (_, _) => Fate::Changed,
        };
        let versions = match fate {
            Fate::Added => after,
            Fate::Removed => before,
            Fate::Changed => versions,
        };
        let versions = if versions == "ε" { "" } else { versions };
        Some(Self {
            fate,
            name: harmless(name, 60),
            versions: harmless(versions, 60),
            size: size.map(|size| {
                let size = harmless(size, 20);
                if size.starts_with(['+', '-']) { size } else { format!("+{size}") }
            }),
        })
    }
}

fn is_size(text: &str) -> bool {
    let (number, unit) = text.trim().rsplit_once(' ').unwrap_or((text, ""));
    matches!(unit, "B" | "bytes" | "KiB" | "MiB" | "GiB" | "TiB")
        && number.trim_start_matches(['+', '-']).parse::<f64>().is_ok()
}
