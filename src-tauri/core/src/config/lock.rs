//! A flake's lock: which inputs it has, and whether another one would lower them.

use std::collections::BTreeMap;

use serde::Deserialize;

/// The inputs of a flake by their names, each with the time of its locked state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lock {
    inputs: BTreeMap<String, u64>,
    nixpkgs: Option<String>,
}

/// An input that another lock has in an older state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lowered {
    /// Its name.
    pub input: String,
    /// When the state that runs was made, in seconds since the Unix epoch.
    pub from: u64,
    /// When the one that would run was made.
    pub to: u64,
}

#[derive(Deserialize)]
struct File {
    nodes: BTreeMap<String, Node>,
    root: String,
}

#[derive(Deserialize)]
struct Node {
    #[serde(default)]
    inputs: BTreeMap<String, serde_json::Value>,
    locked: Option<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    #[serde(rename = "lastModified")]
    last_modified: Option<u64>,
    owner: Option<String>,
    repo: Option<String>,
    rev: Option<String>,
}

impl Lock {
    /// Reads a `flake.lock`; `None` where it is none.
    pub fn parse(text: &[u8]) -> Option<Self> {
        let file: File = serde_json::from_slice(text).ok()?;
        let root = file.nodes.get(&file.root)?;
        let time = |node: &serde_json::Value| file.nodes.get(node.as_str()?)?.locked.as_ref()?.last_modified;
        let nixpkgs = || {
            let locked = file.nodes.get(root.inputs.get("nixpkgs")?.as_str()?)?.locked.as_ref()?;
            Some(format!(
                "github:{}/{}/{}",
                locked.owner.as_ref()?,
                locked.repo.as_ref()?,
                locked.rev.as_ref()?
            ))
        };
        Some(Self {
            inputs: root.inputs.iter().filter_map(|(name, node)| Some((name.clone(), time(node)?))).collect(),
            nixpkgs: nixpkgs(),
        })
    }

    #[cfg(test)]
    pub(super) fn inputs(&self) -> impl Iterator<Item = &str> {
        self.inputs.keys().map(String::as_str)
    }

    /// The flake reference of the locked nixpkgs.
    pub fn nixpkgs(&self) -> Option<&str> {
        self.nixpkgs.as_deref()
    }

    /// The inputs that `next` has in an older state than this.
    pub fn lowered_by(&self, next: &Self) -> Vec<Lowered> {
        let older = |(input, from): (&String, &u64)| {
            let to = *next.inputs.get(input)?;
            (to < *from).then(|| Lowered { input: input.clone(), from: *from, to })
        };
        self.inputs.iter().filter_map(older).collect()
    }
}
