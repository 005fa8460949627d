//! Volumes.

use serde::{Deserialize, Serialize};

use super::select::Select;
use super::{Attached, Kind, attachment, modification, ok, row, tags, volume_create};
use crate::backend::Storage;
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, News, Region, Tags};

/// An EBS volume.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Volume {
    pub id: String,
    pub gib: u32,
    pub kind: String,
    pub iops: Option<u32>,
    pub throughput: Option<u32>,
    pub encrypted: bool,
    /// The key's ARN.
    pub kms_key: Option<String>,
    pub snapshot: Option<String>,
    pub zone: String,
    pub created: At,
    /// From `creating` to `available`.
    #[serde(default)]
    pub ready: At,
    /// It ends as `error` instead of `available`.
    #[serde(default)]
    pub fails: bool,
    pub attached: Option<Attached>,
    pub tags: Tags,
}

row!(Volume);

impl Volume {
    /// docs.aws.amazon.com/ebs/latest/userguide/ebs-describing-volumes.html#volume-state
    pub(crate) fn status(&self, now: At) -> &'static str {
        if self.attached.is_some() {
            "in-use"
        } else if now < self.ready {
            "creating"
        } else if self.fails {
            "error"
        } else {
            "available"
        }
    }

    pub(crate) fn xml(&self, xml: &mut Xml, region: &str, owner: &str, now: At) {
        xml.text("volumeId", &self.id)
            .text("volumeArn", format!("arn:aws:ec2:{region}:{owner}:volume/{}", self.id))
            .text("size", self.gib)
            .text("snapshotId", self.snapshot.as_deref().unwrap_or_default())
            .text("availabilityZone", &self.zone)
            .text("status", self.status(now))
            .text("createTime", self.created.iso())
            .list("attachmentSet", &self.attached, |xml, attached| attached.xml(xml, &self.id, now))
            .text("volumeType", &self.kind)
            .maybe("iops", self.iops)
            .maybe("throughput", self.throughput)
            .text("encrypted", self.encrypted)
            .maybe("kmsKeyId", self.kms_key.as_ref())
            .text("multiAttachEnabled", false);
        tags::xml(xml, &self.tags);
    }
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (region_name, owner, now) = (ctx.region, ctx.owner(), ctx.now);
    let select = Select {
        ids: Some((Kind::Volume, "VolumeId")),
        filters: &[
            "attachment.attach-time",
            "attachment.delete-on-termination",
            "attachment.device",
            "attachment.instance-id",
            "attachment.status",
            "availability-zone",
            "create-time",
            "encrypted",
            "size",
            "snapshot-id",
            "status",
            "volume-id",
            "volume-type",
        ],
        page: None,
    };
    let selection = select.from(form, ctx.here().volumes.values(), |volume, name| {
        let attached = volume.attached.iter();
        match name {
            "attachment.attach-time" => attached.map(|attached| attached.at.iso()).collect(),
            "attachment.delete-on-termination" => {
                attached.map(|attached| attached.delete_on_termination.to_string()).collect()
            }
            "attachment.device" => attached.map(|attached| attached.device.clone()).collect(),
            "attachment.instance-id" => attached.map(|attached| attached.instance.clone()).collect(),
            "attachment.status" => attached.map(|attached| attached.state(now).to_owned()).collect(),
            "availability-zone" => vec![volume.zone.clone()],
            "create-time" => vec![volume.created.iso()],
            "encrypted" => vec![volume.encrypted.to_string()],
            "size" => vec![volume.gib.to_string()],
            "snapshot-id" => volume.snapshot.iter().cloned().collect(),
            "status" => vec![volume.status(now).to_owned()],
            "volume-type" => vec![volume.kind.clone()],
            _ => vec![volume.id.clone()],
        }
    })?;
    Ok(selection.xml("volumeSet", |xml, volume| volume.xml(xml, region_name, owner, now)))
}

pub(crate) fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut Volume, Fail> {
    let id = form.need("VolumeId")?;
    Kind::Volume.check(id)?;
    region.volumes.get_mut(id).ok_or_else(|| Kind::Volume.not_found(id))
}

/// Only what is attached to nothing, and made to the end
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_DeleteVolume.html). Snapshots of it stay.
pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let now = ctx.now;
    let region = ctx.here();
    let volume = find(region, form)?;
    if let Some(attached) = &volume.attached {
        return Err(Fail::new(
            "VolumeInUse",
            format!("Volume {} is currently attached to {}", volume.id, attached.instance),
        ));
    }
    check_made(volume, now)?;
    let id = volume.id.clone();
    region.volumes.remove(&id);
    region.modifications.remove(&id);
    ctx.news.push(News::Storage(Storage::Deleted { volume: id }));
    Ok(ok())
}

/// A volume that is still `creating` takes no further operation (errors-overview.html, `IncorrectState`).
pub(crate) fn check_made(volume: &Volume, now: At) -> Result<(), Fail> {
    if volume.status(now) != "creating" {
        return Ok(());
    }
    Err(Fail::new("IncorrectState", format!("Volume '{}' is in the 'creating' state.", volume.id)))
}

/// Moves on what is due.
pub(crate) fn settle(region: &mut Region, now: At, news: &mut Vec<News>) {
    attachment::settle(region, now, news);
    volume_create::settle(region, now);
    modification::settle(region, now, news);
}

/// The sizes of each type (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyVolume.html).
pub(crate) fn check_size(kind: &str, gib: u32) -> Result<(), Fail> {
    let (least, most) = match kind {
        "gp2" => (1, 16_384),
        "gp3" => (1, 65_536),
        "io1" => (4, 16_384),
        "io2" => (4, 65_536),
        "st1" | "sc1" => (125, 16_384),
        "standard" => (1, 1024),
        other => {
            return Err(Fail::new(
                "InvalidParameterValue",
                format!("Invalid value '{other}' for VolumeType."),
            ));
        }
    };
    if (least..=most).contains(&gib) {
        return Ok(());
    }
    Err(Fail::new(
        "InvalidParameterValue",
        format!(
            "Volume of {gib}GiB is not supported for volume type '{kind}'. It must be between {least}GiB and {most}GiB."
        ),
    ))
}

/// gp2: three IOPS a GiB, between 100 and 16000
/// (docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html#gp2-performance).
pub(crate) fn gp2_iops(gib: u32) -> u32 {
    gib.saturating_mul(3).clamp(100, 16_000)
}

/// gp3: 3000 to 80000 IOPS (at most 500 a GiB), 125 to 2000 MiB/s (at most 0.25 an IOPS)
/// (docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html#gp3-ebs-volume-type).
pub(crate) fn check_gp3(gib: u32, iops: u32, throughput: u32) -> Result<(), Fail> {
    let invalid = |message: String| Err(Fail::new("InvalidParameterValue", message));
    check_size("gp3", gib)?;
    if iops < 3000 {
        return invalid(format!("Volume iops of {iops} is too low; minimum is 3000."));
    }
    if iops > 80_000 {
        return invalid(format!("Volume iops of {iops} is too high; maximum is 80000."));
    }
    if iops > 3000 && iops > gib.saturating_mul(500) {
        return invalid(format!(
            "Iops to volume size ratio of {}.000000 is too high; maximum is 500",
            iops / gib
        ));
    }
    if throughput < 125 {
        return invalid(format!("Throughput of {throughput} is too low; minimum is 125."));
    }
    if throughput > 2000 {
        return invalid(format!("Throughput of {throughput} is too high; maximum is 2000."));
    }
    if throughput.saturating_mul(4) > iops {
        return invalid(
            "Throughput (MiBps) to iops ratio is too high; maximum is 0.250000 MiBps per iops.".to_owned(),
        );
    }
    Ok(())
}
