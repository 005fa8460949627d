//! The disks that a launch makes.

use super::invalid;
use crate::ec2::image::Image;
use crate::ec2::volume::{check_gp3, gp2_iops};
use crate::ec2::volume_create::{Encryption, encryption};
use crate::ec2::{Attached, Volume};
use crate::wire::{Fail, Form};
use crate::world::{Ctx, Tags};

/// A disk that a launch makes.
pub(super) struct Disk {
    device: String,
    gib: u32,
    kind: String,
    iops: Option<u32>,
    throughput: Option<u32>,
    encryption: Encryption,
    snapshot: Option<String>,
    delete_on_termination: bool,
}

/// The root disk of the image, as the request changes it, and further ones.
pub(super) fn read(ctx: &Ctx<'_>, form: &Form<'_>, image: &Image) -> Result<Vec<Disk>, Fail> {
    let mut disks = vec![disk(ctx, None, &image.root_device, Some(image))?];
    for mapping in form.items("BlockDeviceMapping") {
        let device = mapping.need("DeviceName")?;
        let ebs = mapping.at("Ebs");
        let is_root = device == image.root_device;
        let disk = disk(ctx, Some(&ebs), device, is_root.then_some(image))?;
        match disks.iter_mut().find(|other| other.device == device) {
            Some(same) => *same = disk,
            None => disks.push(disk),
        }
    }
    Ok(disks)
}

fn disk(ctx: &Ctx<'_>, ebs: Option<&Form<'_>>, device: &str, image: Option<&Image>) -> Result<Disk, Fail> {
    let text = |name: &str| ebs.and_then(|ebs| ebs.text(name));
    let number = |name: &str| ebs.map_or(Ok(None), |ebs| ebs.number(name));
    let flag = |name: &str| ebs.map_or(Ok(None), |ebs| ebs.flag(name));
    let snapshot = image.map(|image| image.snapshot.clone());
    let gib = match (number("VolumeSize")?, image) {
        (None, None) => {
            return Err(Fail::new(
                "MissingParameter",
                "The request must contain the parameter size or snapshotId",
            ));
        }
        (None, Some(image)) => image.snapshot_gib,
        (Some(gib), Some(image)) if gib < image.snapshot_gib => {
            return Err(Fail::new(
                "InvalidBlockDeviceMapping",
                format!(
                    "Volume of size {gib}GB is smaller than snapshot '{}', expect size >= {}GB",
                    image.snapshot, image.snapshot_gib
                ),
            ));
        }
        (Some(gib), _) => gib,
    };
    let kind = text("VolumeType").unwrap_or(if image.is_some() { "gp3" } else { "gp2" });
    let (iops, throughput) = match kind {
        "gp3" => {
            let iops = number("Iops")?.unwrap_or(3000);
            let throughput = number("Throughput")?.unwrap_or(125);
            check_gp3(gib, iops, throughput)?;
            (Some(iops), Some(throughput))
        }
        "gp2" => (Some(gp2_iops(gib)), None),
        "io1" | "io2" => (Some(number("Iops")?.unwrap_or(100)), None),
        "st1" | "sc1" | "standard" => (None, None),
        other => {
            return Err(invalid(format!("Invalid value '{other}' for VolumeType.")));
        }
    };
    let encryption = encryption(ctx, flag("Encrypted")?, text("KmsKeyId"), None)?;
    Ok(Disk {
        device: device.to_owned(),
        gib,
        kind: kind.to_owned(),
        iops,
        throughput,
        encryption,
        snapshot,
        delete_on_termination: flag("DeleteOnTermination")?.unwrap_or(true),
    })
}

impl Disk {
    /// Why an instance with this disk will never run: EC2 looks at the key only after it answered
    /// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshooting-launch.html).
    pub(super) fn doom(&self) -> Option<(String, String)> {
        self.encryption.unusable.then(|| {
            let message = "The KMS key provided is in an incorrect state";
            ("Client.InvalidKMSKey.InvalidState".to_owned(), message.to_owned())
        })
    }

    pub(super) fn volume(&self, ctx: &mut Ctx<'_>, instance: &str, zone: &str, tags: &Tags) -> Volume {
        Volume {
            id: ctx.ids.resource("vol"),
            gib: self.gib,
            kind: self.kind.clone(),
            iops: self.iops,
            throughput: self.throughput,
            encrypted: self.encryption.encrypted,
            kms_key: self.encryption.key.clone(),
            snapshot: self.snapshot.clone(),
            zone: zone.to_owned(),
            created: ctx.now,
            ready: ctx.now,
            fails: false,
            attached: Some(Attached {
                instance: instance.to_owned(),
                device: self.device.clone(),
                at: ctx.now,
                delete_on_termination: self.delete_on_termination,
                done: ctx.now,
                gone: None,
                pending: false,
            }),
            tags: tags.clone(),
        }
    }
}
