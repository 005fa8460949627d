//! Which of the official NixOS images a new machine gets.

use holdfast_core::machine::{Arch, Image};

/// The account that publishes the official images.
/// Source: <https://nixos.github.io/amis/>
pub(super) const OWNER: &str = "427812963091";
/// The names of the official images.
pub(super) const NAMES: &str = "nixos/*";

/// An image that AWS offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) image: Image,
    /// As EC2 names it.
    pub(super) architecture: String,
    /// RFC 3339, always UTC, so that it sorts as text.
    pub(super) created: String,
}

/// The newest stable image for the architecture.
pub(super) fn newest_stable(candidates: &[Candidate], arch: Arch) -> Option<Image> {
    candidates
        .iter()
        .filter(|candidate| candidate.architecture == arch.as_str() && is_stable(&candidate.image.name))
        .max_by_key(|candidate| (&candidate.created, &candidate.image.name))
        .map(|candidate| candidate.image.clone())
}

/// Whether the name is that of a stable release: `nixos/25.11.1234.abcdef012345-aarch64-linux`.
///
/// A release under test has `beta` or `pre` where a stable one has a dot: `nixos/25.11beta12.abcdef012345-…`.
/// Source: the version suffix in nixpkgs `nixos/release.nix`, and the names at <https://nixos.github.io/amis/>
fn is_stable(name: &str) -> bool {
    let version = || name.strip_prefix("nixos/")?.split_once('-').map(|(version, _)| version);
    let parts: Vec<&str> = version().unwrap_or_default().split('.').collect();
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let hex = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_hexdigit());
    match parts[..] {
        [year, month, count, commit] => {
            year.len() == 2
                && digits(year)
                && month.len() == 2
                && digits(month)
                && digits(count)
                && hex(commit)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(name: &str, created: &str) -> Candidate {
        let architecture = if name.contains("aarch64") { "arm64" } else { "x86_64" };
        let image = Image {
            id: "ami-0123456789abcdef0".parse().unwrap(),
            name: name.to_owned(),
            root_device: "/dev/xvda".to_owned(),
            min_size: 4,
        };
        Candidate { image, architecture: architecture.to_owned(), created: created.to_owned() }
    }

    #[test]
    fn only_releases_are_stable() {
        for (name, stable) in [
            ("nixos/25.11.1234.abcdef012345-aarch64-linux", true),
            ("nixos/24.05.5518.ecbc1ca8ffd6-x86_64-linux", true),
            ("nixos/25.11beta12.abcdef012345-aarch64-linux", false),
            ("nixos/26.05pre900000.abcdef012345-aarch64-linux", false),
            ("nixos/26.05pre-git-aarch64-linux", false),
            ("nixos/25.11.20251201.dirty-aarch64-linux", false),
            ("nixos/25.11-aarch64-linux", false),
            ("NixOS-20.03.2351.f8248ab6d9e-aarch64-linux", false),
            ("nixos/", false),
            ("", false),
        ] {
            assert_eq!(is_stable(name), stable, "{name}");
        }
    }

    #[test]
    fn the_newest_stable_one_of_the_architecture_wins() {
        let all = [
            candidate("nixos/25.05.9000.aaaaaaaaaaaa-aarch64-linux", "2025-11-01T00:00:00.000Z"),
            candidate("nixos/25.11.1000.bbbbbbbbbbbb-aarch64-linux", "2025-12-01T00:00:00.000Z"),
            candidate("nixos/25.11.1100.cccccccccccc-x86_64-linux", "2025-12-08T00:00:00.000Z"),
            candidate("nixos/26.05pre900.dddddddddddd-aarch64-linux", "2025-12-09T00:00:00.000Z"),
        ];
        let name = |arch| newest_stable(&all, arch).map(|image| image.name);
        assert_eq!(name(Arch::Arm64).as_deref(), Some("nixos/25.11.1000.bbbbbbbbbbbb-aarch64-linux"));
        assert_eq!(name(Arch::X86_64).as_deref(), Some("nixos/25.11.1100.cccccccccccc-x86_64-linux"));
        assert_eq!(newest_stable(&all[3..], Arch::Arm64), None);
        assert_eq!(newest_stable(&[], Arch::Arm64), None);
    }
}
