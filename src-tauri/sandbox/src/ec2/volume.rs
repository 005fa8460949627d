//! Volumes and their modifications.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::select::{Row, Select};
use super::{Kind, ok, row, tags};
use crate::clock::At;
use crate::conditions::Pace;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

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
    pub attached: Option<Attached>,
    pub tags: Tags,
}

/// A volume in an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Attached {
    pub instance: String,
    pub device: String,
    pub at: At,
    pub delete_on_termination: bool,
}

row!(Volume);

impl Volume {
    fn status(&self) -> &'static str {
        if self.attached.is_some() { "in-use" } else { "available" }
    }

    fn xml(&self, xml: &mut Xml, region: &str, owner: &str) {
        xml.text("volumeId", &self.id)
            .text("volumeArn", format!("arn:aws:ec2:{region}:{owner}:volume/{}", self.id))
            .text("size", self.gib)
            .text("snapshotId", self.snapshot.as_deref().unwrap_or_default())
            .text("availabilityZone", &self.zone)
            .text("status", self.status())
            .text("createTime", self.created.iso())
            .list("attachmentSet", &self.attached, |xml, attached| {
                xml.text("volumeId", &self.id)
                    .text("instanceId", &attached.instance)
                    .text("device", &attached.device)
                    .text("status", "attached")
                    .text("attachTime", attached.at.iso())
                    .text("deleteOnTermination", attached.delete_on_termination);
            })
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
    let (region_name, owner) = (ctx.region, ctx.owner());
    let select = Select {
        ids: Some((Kind::Volume, "VolumeId")),
        filters: &[
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
            "attachment.delete-on-termination" => {
                attached.map(|attached| attached.delete_on_termination.to_string()).collect()
            }
            "attachment.device" => attached.map(|attached| attached.device.clone()).collect(),
            "attachment.instance-id" => attached.map(|attached| attached.instance.clone()).collect(),
            "attachment.status" => attached.map(|_| "attached".to_owned()).collect(),
            "availability-zone" => vec![volume.zone.clone()],
            "create-time" => vec![volume.created.iso()],
            "encrypted" => vec![volume.encrypted.to_string()],
            "size" => vec![volume.gib.to_string()],
            "snapshot-id" => volume.snapshot.iter().cloned().collect(),
            "status" => vec![volume.status().to_owned()],
            "volume-type" => vec![volume.kind.clone()],
            _ => vec![volume.id.clone()],
        }
    })?;
    Ok(selection.xml("volumeSet", |xml, volume| volume.xml(xml, region_name, owner)))
}

pub(crate) fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut Volume, Fail> {
    let id = form.need("VolumeId")?;
    Kind::Volume.check(id)?;
    region.volumes.get_mut(id).ok_or_else(|| Kind::Volume.not_found(id))
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = ctx.here();
    let volume = find(region, form)?;
    if let Some(attached) = &volume.attached {
        return Err(Fail::new(
            "VolumeInUse",
            format!("Volume {} is currently attached to {}", volume.id, attached.instance),
        ));
    }
    let id = volume.id.clone();
    region.volumes.remove(&id);
    region.modifications.remove(&id);
    Ok(ok())
}

/// gp3: 1 to 65536 GiB, 3000 to 80000 IOPS (at most 500 a GiB), 125 to 2000 MiB/s (at most 0.25 an IOPS)
/// (docs.aws.amazon.com/ebs/latest/userguide/general-purpose.html#gp3-ebs-volume-type).
pub(crate) fn check_gp3(gib: u32, iops: u32, throughput: u32) -> Result<(), Fail> {
    let invalid = |message: String| Err(Fail::new("InvalidParameterValue", message));
    if gib == 0 || gib > 65_536 {
        return invalid(format!(
            "Volume of {gib}GiB is not supported for volume type 'gp3'. It must be between 1GiB and 65536GiB."
        ));
    }
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

/// A change of a volume's size or performance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Modification {
    pub volume: String,
    pub from: Shape,
    pub to: Shape,
    pub started: At,
    pub optimizing: At,
    pub completed: At,
    /// When this volume was modified before, the last one included.
    pub history: Vec<At>,
    /// The machine has been told of its new size.
    #[serde(default)]
    pub told: bool,
    none: Tags,
}

/// What a modification changes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Shape {
    pub gib: u32,
    pub kind: String,
    pub iops: Option<u32>,
    pub throughput: Option<u32>,
}

impl Row for Modification {
    fn id(&self) -> &str {
        &self.volume
    }
    fn tags(&self) -> &Tags {
        &self.none
    }
}

impl Modification {
    fn state(&self, now: At) -> &'static str {
        if now < self.optimizing {
            "modifying"
        } else if now < self.completed {
            "optimizing"
        } else {
            "completed"
        }
    }

    fn xml(&self, xml: &mut Xml, now: At) {
        let done = now >= self.completed;
        xml.text("volumeId", &self.volume)
            .text("modificationState", self.state(now))
            .text("targetSize", self.to.gib)
            .text("targetVolumeType", &self.to.kind)
            .maybe("targetIops", self.to.iops)
            .maybe("targetThroughput", self.to.throughput)
            .text("originalSize", self.from.gib)
            .text("originalVolumeType", &self.from.kind)
            .maybe("originalIops", self.from.iops)
            .maybe("originalThroughput", self.from.throughput)
            .text("progress", if done { 100 } else { 0 })
            .text("startTime", self.started.iso())
            .maybe("endTime", done.then(|| self.completed.iso()));
    }
}

/// A volume grows or changes its performance, never shrinks; the next change waits until the last is completed, and
/// there are at most four in 24 hours (docs.aws.amazon.com/ebs/latest/userguide/modify-volume-requirements.html).
pub(crate) fn modify(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (now, pace): (At, Pace) = (ctx.now, ctx.conditions.pace);
    let region = ctx.here();
    let volume = find(region, form)?;
    let from = Shape {
        gib: volume.gib,
        kind: volume.kind.clone(),
        iops: volume.iops,
        throughput: volume.throughput,
    };
    let to = Shape {
        gib: form.number("Size")?.unwrap_or(from.gib),
        kind: form.text("VolumeType").unwrap_or(&from.kind).to_owned(),
        iops: form.number("Iops")?.or(from.iops),
        throughput: form.number("Throughput")?.or(from.throughput),
    };
    let id = volume.id.clone();
    if to.gib < from.gib {
        return Err(Fail::new("InvalidParameterValue", "New size cannot be smaller than existing size"));
    }
    if to.kind == "gp3" {
        check_gp3(to.gib, to.iops.unwrap_or(3000), to.throughput.unwrap_or(125))?;
    }
    let mut history = region.modifications.get(&id).map(|last| last.history.clone()).unwrap_or_default();
    if let Some(last) = region.modifications.get(&id)
        && now < last.completed
    {
        return Err(Fail::new(
            "IncorrectModificationState",
            format!("Volume {id} is in modification state '{}'.", last.state(now).to_ascii_uppercase()),
        ));
    }
    history.retain(|at| now.since(*at) < Duration::from_secs(24 * 3600));
    if history.len() >= 4 {
        return Err(Fail::new(
            "VolumeModificationRateExceeded",
            "You've reached the maximum modification rate per volume limit. Wait until there are fewer than 4 \
             modifications of the volume in the last 24 hours.",
        ));
    }
    history.push(now);
    if let Some(volume) = region.volumes.get_mut(&id) {
        (volume.gib, volume.iops, volume.throughput) = (to.gib, to.iops, to.throughput);
        volume.kind.clone_from(&to.kind);
    }
    let optimizing = now.plus(pace.modify);
    let completed = optimizing.plus(pace.optimize);
    let modification = Modification {
        volume: id.clone(),
        from,
        to,
        started: now,
        optimizing,
        completed,
        history,
        told: false,
        none: Tags::new(),
    };
    let mut xml = Xml::new();
    xml.node("volumeModification", |xml| modification.xml(xml, now));
    region.modifications.insert(id, modification);
    Ok(xml)
}

/// Which instances' root volumes have got another size, each said once. The instance sees it as soon as the state is
/// `optimizing` (docs.aws.amazon.com/ebs/latest/userguide/recognize-expanded-volume-linux.html).
pub(crate) fn settle(region: &mut Region, now: At) -> Vec<(String, u32)> {
    let Region { modifications, volumes, instances, .. } = region;
    let due = modifications.values_mut().filter(|change| !change.told && change.optimizing <= now);
    due.filter_map(|change| {
        change.told = true;
        let attached = volumes.get(&change.volume)?.attached.as_ref()?;
        let is_root = instances.get(&attached.instance)?.root_device == attached.device;
        (is_root && change.to.gib > change.from.gib).then(|| (attached.instance.clone(), change.to.gib))
    })
    .collect()
}

pub(crate) fn describe_modifications(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let now = ctx.now;
    let region = &*ctx.here();
    for id in form.texts("VolumeId") {
        Kind::Volume.check(id)?;
        if !region.volumes.contains_key(id) {
            return Err(Kind::Volume.not_found(id));
        }
        if !region.modifications.contains_key(id) {
            // docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-modifications.html
            return Err(Fail::new(
                "InvalidVolumeModification.NotFound",
                format!("Modification for volume '{id}' does not exist."),
            ));
        }
    }
    let select = Select {
        ids: Some((Kind::Volume, "VolumeId")),
        filters: &["modification-state", "volume-id"],
        page: None,
    };
    let selection = select.from(form, region.modifications.values(), |modification, name| {
        vec![match name {
            "modification-state" => modification.state(now).to_owned(),
            _ => modification.volume.clone(),
        }]
    })?;
    Ok(selection.xml("volumeModificationSet", |xml, modification| modification.xml(xml, now)))
}
