//! Images: the official NixOS ones, and what a test adds.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::Kind;
use super::select::{Row, Select};
use crate::clock::At;
use crate::conditions::Conditions;
use crate::ids::hash;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

/// The account that publishes the NixOS images.
pub const NIXOS_OWNER: &str = "427812963091";

const WEEK: Duration = Duration::from_secs(7 * 24 * 3600);
/// Images are deprecated 90 days after they were published, and deleted some time later.
const DEPRECATED_AFTER: Duration = Duration::from_secs(90 * 24 * 3600);
const WEEKS_KEPT: u32 = 20;

/// A processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Arch {
    Arm64,
    X86_64,
}

impl Arch {
    /// As EC2 says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// As Nix says it.
    const fn nix(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64",
            Self::X86_64 => "x86_64",
        }
    }

    pub(crate) const fn boot_modes(self) -> &'static [&'static str] {
        match self {
            Self::Arm64 => &["uefi"],
            Self::X86_64 => &["legacy-bios", "uefi"],
        }
    }
}

/// A public image.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Image {
    pub id: String,
    pub name: String,
    pub owner: String,
    pub arch: Arch,
    pub created: At,
    pub deprecated: At,
    pub root_device: String,
    pub snapshot: String,
    pub snapshot_gib: u32,
    none: Tags,
}

impl Row for Image {
    fn id(&self) -> &str {
        &self.id
    }
    fn tags(&self) -> &Tags {
        &self.none
    }
}

impl Image {
    /// A NixOS-like image; its id follows from region and name.
    pub fn new(region: &str, name: &str, owner: &str, arch: Arch, created: At) -> Self {
        let number = hash(&format!("{region} {name} {owner}"));
        Self {
            id: format!("ami-0{number:016x}"),
            name: name.to_owned(),
            owner: owner.to_owned(),
            arch,
            created,
            deprecated: created.plus(DEPRECATED_AFTER),
            root_device: "/dev/xvda".to_owned(),
            snapshot: format!("snap-0{number:016x}"),
            snapshot_gib: 4,
            none: Tags::new(),
        }
    }

    fn xml(&self, xml: &mut Xml) {
        xml.text("imageId", &self.id)
            .text("imageLocation", format!("{}/{}", self.owner, self.name))
            .text("imageState", "available")
            .text("imageOwnerId", &self.owner)
            .text("creationDate", self.created.iso())
            .text("deprecationTime", self.deprecated.iso())
            .text("isPublic", true)
            .text("architecture", self.arch.name())
            .text("imageType", "machine")
            .text("name", &self.name)
            .text("description", format!("NixOS {}", self.name))
            .text("rootDeviceType", "ebs")
            .text("rootDeviceName", &self.root_device)
            .list("blockDeviceMapping", [self], |xml, image| {
                xml.text("deviceName", &image.root_device).node("ebs", |xml| {
                    xml.text("deleteOnTermination", true)
                        .text("snapshotId", &image.snapshot)
                        .text("volumeSize", image.snapshot_gib)
                        .text("volumeType", "gp3")
                        .text("iops", 3000)
                        .text("throughput", 125)
                        .text("encrypted", false);
                });
            })
            .text("virtualizationType", "hvm")
            .text("hypervisor", "xen")
            .text("enaSupport", true)
            .text("sriovNetSupport", "simple")
            .text(
                "bootMode",
                match self.arch {
                    Arch::Arm64 => "uefi",
                    Arch::X86_64 => "uefi-preferred",
                },
            )
            .text("imdsSupport", "v2.0")
            .text("platformDetails", "Linux/UNIX")
            .text("usageOperation", "RunInstances");
    }
}

/// Every image of a region, deprecated ones too. A set appears each week and is deleted 20 weeks later; the newest one
/// is a beta of the coming release, and one image carries the right name from the wrong owner.
pub(crate) fn all(conditions: &Conditions, region: &str, now: At) -> Vec<Image> {
    let mut images = conditions.images.clone();
    if conditions.official_images {
        let newest =
            At::from_millis(now.millis() - now.millis() % u64::try_from(WEEK.as_millis()).unwrap_or(1));
        for arch in [Arch::Arm64, Arch::X86_64] {
            for age in 0..WEEKS_KEPT {
                let created = newest.minus(WEEK * age);
                let name = |release: &str| image_name(release, created, arch);
                images.push(Image::new(region, &name(&stable(created)), NIXOS_OWNER, arch, created));
                let before = stable(created.minus(Duration::from_secs(190 * 24 * 3600)));
                images.push(Image::new(region, &name(&before), NIXOS_OWNER, arch, created.minus(WEEK / 7)));
            }
            let beta = format!("{}beta", next(&stable(newest)));
            let created = newest.plus(Duration::from_secs(3600)).min(now);
            let name = image_name(&beta, created, arch).replacen("beta.", "beta", 1);
            images.push(Image::new(region, &name, NIXOS_OWNER, arch, created));
            let name = image_name(&stable(newest), created, arch);
            images.push(Image::new(region, &name, "999999999999", arch, created));
        }
    }
    images.sort_by(|a, b| a.id.cmp(&b.id));
    images
}

fn image_name(release: &str, created: At, arch: Arch) -> String {
    let count = created.millis() / 86_400_000;
    format!("nixos/{release}.{count}.{:012x}-{}-linux", hash(&format!("{release} {count}")) >> 16, arch.nix())
}

/// The stable NixOS release of a moment: `YY.05` from June, `YY.11` from December.
fn stable(at: At) -> String {
    let (year, month) = at.year_and_month();
    match month {
        12 => format!("{:02}.11", year % 100),
        6..=11 => format!("{:02}.05", year % 100),
        _ => format!("{:02}.11", (year + 99) % 100),
    }
}

fn next(release: &str) -> String {
    match release.split_once('.') {
        Some((year, "05")) => format!("{year}.11"),
        Some((year, _)) => format!("{:02}.05", year.parse::<u32>().unwrap_or(0) + 1),
        None => release.to_owned(),
    }
}

/// The image that a request names. Deprecated images can still be launched
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ami-deprecate.html).
pub(crate) fn find(ctx: &Ctx<'_>, id: &str) -> Result<Image, Fail> {
    Kind::Image.check(id)?;
    let images = all(ctx.conditions, ctx.region, ctx.now);
    images.into_iter().find(|image| image.id == id).ok_or_else(|| Kind::Image.not_found(id))
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (own, now) = (ctx.owner(), ctx.now);
    let images = all(ctx.conditions, ctx.region, now);
    let owners = form.texts("Owner");
    let by_id = form.has("ImageId");
    let deprecated = form.flag("IncludeDeprecated")?.unwrap_or(false);
    let rows = images.iter().filter(|image| {
        let owned = owners.is_empty()
            || owners
                .iter()
                .any(|owner| if *owner == "self" { image.owner == own } else { image.owner == *owner });
        // Deprecated images are left out of lists, not out of look-ups by id.
        owned && (deprecated || by_id || now < image.deprecated)
    });
    let select = Select {
        ids: Some((Kind::Image, "ImageId")),
        filters: &[
            "architecture",
            "creation-date",
            "image-id",
            "image-type",
            "is-public",
            "name",
            "owner-alias",
            "owner-id",
            "root-device-name",
            "root-device-type",
            "state",
            "virtualization-type",
        ],
        page: None,
    };
    let selection = select.from(form, rows, |image, name| match name {
        "architecture" => vec![image.arch.name().to_owned()],
        "creation-date" => vec![image.created.iso()],
        "image-type" => vec!["machine".to_owned()],
        "is-public" => vec!["true".to_owned()],
        "name" => vec![image.name.clone()],
        "owner-alias" => Vec::new(),
        "owner-id" => vec![image.owner.clone()],
        "root-device-name" => vec![image.root_device.clone()],
        "root-device-type" => vec!["ebs".to_owned()],
        "state" => vec!["available".to_owned()],
        "virtualization-type" => vec!["hvm".to_owned()],
        _ => vec![image.id.clone()],
    })?;
    Ok(selection.xml("imagesSet", |xml, image| image.xml(xml)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_has_current_old_deprecated_and_misleading_images() {
        let now = At::from_millis(1_768_478_400_000);
        let images = all(&Conditions::of("123456789012"), "us-west-2", now);
        let arm: Vec<&Image> = images.iter().filter(|image| image.arch == Arch::Arm64).collect();
        let official = |image: &&&Image| image.owner == NIXOS_OWNER;
        let newest = |release: &str| {
            let name = format!("nixos/{release}");
            arm.iter()
                .filter(official)
                .filter(|i| i.name.starts_with(&name))
                .max_by_key(|i| i.created)
                .unwrap()
        };
        assert!(newest("25.11.").name.ends_with("-aarch64-linux"), "{}", newest("25.11.").name);
        assert!(newest("26.05beta").created > newest("25.11.").created);
        assert!(arm.iter().any(|image| image.name.starts_with("nixos/25.05.")));
        assert!(arm.iter().any(|image| image.deprecated < now));
        assert!(arm.iter().any(|image| image.owner != NIXOS_OWNER));
        let mut ids: Vec<&str> = images.iter().map(|image| image.id.as_str()).collect();
        ids.dedup();
        assert_eq!(ids.len(), images.len());
    }

    #[test]
    fn releases_follow_the_calendar() {
        let at = |text: &str| {
            let time =
                aws_smithy_types::DateTime::from_str(text, aws_smithy_types::date_time::Format::DateTime);
            At::from_millis(u64::try_from(time.unwrap().secs()).unwrap() * 1000)
        };
        for (moment, release, coming) in [
            ("2026-01-15T00:00:00Z", "25.11", "26.05"),
            ("2026-06-01T00:00:00Z", "26.05", "26.11"),
            ("2026-11-30T00:00:00Z", "26.05", "26.11"),
            ("2026-12-01T00:00:00Z", "26.11", "27.05"),
        ] {
            assert_eq!(stable(at(moment)), release);
            assert_eq!(next(release), coming);
        }
    }
}
