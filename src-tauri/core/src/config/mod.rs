//! A machine's NixOS configuration as files: what Holdfast ships, what the user changed of it, and what of that may be put
//! on a machine.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

mod credential;
mod data;
mod lock;
mod stock;
#[cfg(test)]
mod tests;

pub use credential::{NotAToken, credential, credential_scope};
pub use data::{BadData, DATA, DATA_VERSION, MachineData, guess_system};
pub use lock::{Lock, Lowered};
pub use stock::unknown_imports;

/// The folder of the machine's configuration, from the home of its user on.
pub const PLACE: &str = "remote-dev";
/// The folder of the flake in it.
pub const FLAKE: &str = "nixos";
/// The file of the flake's inputs.
pub const LOCK: &str = "flake.lock";

/// Bytes of all files of a configuration.
pub const MOST_BYTES: u64 = 8 << 20;
/// Files of a configuration.
pub const MOST_FILES: usize = 2000;

/// The flake that ships with Holdfast, but for [`DATA`], which is written for each machine.
pub const SHIPPED: [(&str, &str); 11] = [
    ("README.md", include_str!("../../../../nixos/README.md")),
    ("configuration.nix", include_str!("../../../../nixos/configuration.nix")),
    ("flake.lock", include_str!("../../../../nixos/flake.lock")),
    ("flake.nix", include_str!("../../../../nixos/flake.nix")),
    ("holdfast.nix", include_str!("../../../../nixos/holdfast.nix")),
    ("home.nix", include_str!("../../../../nixos/home.nix")),
    ("hooks/event.sh", include_str!("../../../../nixos/hooks/event.sh")),
    ("hooks/sign-in.sh", include_str!("../../../../nixos/hooks/sign-in.sh")),
    ("machine.nix", include_str!("../../../../nixos/machine.nix")),
    ("power.sh", include_str!("../../../../nixos/power.sh")),
    ("tests/rollback.nix", include_str!("../../../../nixos/tests/rollback.nix")),
];

/// The files of a configuration by their paths, with `/` between the parts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    files: BTreeMap<String, Vec<u8>>,
}

/// Why files cannot be put on a machine.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotPlaceable {
    /// The nix store can be read by everybody on the machine, and by whoever gets a copy of its disk.
    #[error(
        "{0} looks like a secret, and what is in a configuration can be read by every program on the machine"
    )]
    Secret(String),
    /// A name that shells and checksums write in ways of their own.
    #[error("{0:?} cannot be a file's name in a configuration")]
    Name(String),
    /// Too much to be a configuration.
    #[error(
        "{files} files with {bytes} bytes are more than a configuration may have ({MOST_FILES} files, {MOST_BYTES} bytes)"
    )]
    TooLarge {
        /// How many.
        files: usize,
        /// How large together.
        bytes: u64,
    },
    /// There is no flake in it.
    #[error("there is no flake.nix in it")]
    NoFlake,
}

impl Tree {
    /// The flake that ships with Holdfast.
    pub fn shipped() -> Self {
        let files = SHIPPED.iter().map(|(path, text)| ((*path).to_owned(), text.as_bytes().to_vec()));
        Self { files: files.collect() }
    }

    /// Puts a file in, or another in its place.
    pub fn put(&mut self, path: impl Into<String>, body: impl Into<Vec<u8>>) {
        self.files.insert(path.into(), body.into());
    }

    /// A file's content.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.files.get(path).map(Vec::as_slice)
    }

    /// All files, in the order of their paths' bytes.
    pub fn files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files.iter().map(|(path, body)| (path.as_str(), body.as_slice()))
    }

    /// This with `over`'s files over its own.
    #[must_use]
    pub fn with(mut self, over: Self) -> Self {
        self.files.extend(over.files);
        self
    }

    /// This in a folder.
    #[must_use]
    pub fn inside(self, folder: &str) -> Self {
        let files = self.files.into_iter().map(|(path, body)| (format!("{folder}/{path}"), body));
        Self { files: files.collect() }
    }

    /// The files of a folder of this.
    #[must_use]
    pub fn within(&self, folder: &str) -> Self {
        let prefix = format!("{folder}/");
        let files = self
            .files
            .iter()
            .filter_map(|(path, body)| Some((path.strip_prefix(&prefix)?.to_owned(), body.clone())));
        Self { files: files.collect() }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// One number for all of it: that of `hash_of` in [`MACHINE`](crate::script::MACHINE).
    pub fn hash(&self) -> String {
        let mut paths: Vec<(String, &Vec<u8>)> =
            self.files.iter().map(|(path, body)| (format!("./{path}"), body)).collect();
        paths.sort_by(|(a, _), (b, _)| a.as_bytes().cmp(b.as_bytes()));
        let mut all = Sha256::new();
        for (path, body) in paths {
            all.update(format!("{}  {path}\n", checksum(body)));
        }
        hex(&all.finalize())
    }

    /// Whether all of it may be put on a machine; the flake is in `folder`, nothing for the top.
    ///
    /// # Errors
    /// The first thing that may not.
    pub fn check(&self, folder: &str) -> Result<(), NotPlaceable> {
        for path in self.files.keys() {
            // A colon is a drive or a stream on Windows, where the file may be written one day.
            let odd = |c: char| c.is_control() || c == '\\' || c == ':';
            if path.is_empty()
                || path.starts_with('/')
                || path.chars().any(odd)
                || path.split('/').any(|part| matches!(part, "" | "." | ".."))
            {
                return Err(NotPlaceable::Name(path.clone()));
            }
            if looks_secret(path) {
                return Err(NotPlaceable::Secret(path.clone()));
            }
        }
        let bytes = self.files.values().map(|body| body.len() as u64).sum();
        if self.files.len() > MOST_FILES || bytes > MOST_BYTES {
            return Err(NotPlaceable::TooLarge { files: self.files.len(), bytes });
        }
        let flake = if folder.is_empty() { "flake.nix".to_owned() } else { format!("{folder}/flake.nix") };
        if self.get(&flake).is_none() { Err(NotPlaceable::NoFlake) } else { Ok(()) }
    }
}

/// Whether a file's name is one that secrets have. Files that are encrypted (age, GPG, SOPS) may be in a configuration.
pub fn looks_secret(path: &str) -> bool {
    const NAMES: [&str; 14] = [
        ".env",
        ".netrc",
        ".npmrc",
        ".pypirc",
        ".git-credentials",
        ".htpasswd",
        ".pgpass",
        "credentials",
        "credentials.json",
        "id_rsa",
        "id_ecdsa",
        "id_ed25519",
        "id_dsa",
        "keys.txt",
    ];
    const ENDINGS: [&str; 8] = [".pem", ".key", ".p12", ".pfx", ".jks", ".kdbx", ".keystore", ".ppk"];
    let lower = path.to_ascii_lowercase();
    let name = lower.rsplit('/').next().unwrap_or_default();
    let template = [".example", ".sample", ".template", ".dist"].iter().any(|ending| name.ends_with(ending));
    let inside = lower.split('/').any(|part| [".aws", ".ssh", ".gnupg"].contains(&part));
    inside
        || !template
            && (NAMES.contains(&name)
                || name.starts_with(".env.")
                || ENDINGS.iter().any(|ending| name.ends_with(ending)))
}

/// The checksum of a file's content, as `sha256sum` writes it.
pub fn checksum(body: &[u8]) -> String {
    hex(&Sha256::digest(body))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
