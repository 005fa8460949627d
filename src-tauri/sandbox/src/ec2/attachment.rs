//! Volumes in instances.
//!
//! docs.aws.amazon.com/ebs/latest/userguide/ebs-attaching-volume.html

use serde::{Deserialize, Serialize};

use super::instance::State;
use super::volume::{self, Volume};
use super::{Instance, Kind};
use crate::backend::Storage;
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, News, Region};

/// A volume in an instance.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Attached {
    pub instance: String,
    pub device: String,
    pub at: At,
    pub delete_on_termination: bool,
    /// From `attaching` to `attached`.
    #[serde(default)]
    pub done: At,
    /// It is `detaching` until then.
    #[serde(default)]
    pub gone: Option<At>,
    /// The instance does not have it yet.
    #[serde(default)]
    pub pending: bool,
}

impl Attached {
    pub(crate) fn state(&self, now: At) -> &'static str {
        if self.gone.is_some() {
            "detaching"
        } else if now < self.done {
            "attaching"
        } else {
            "attached"
        }
    }

    /// Whether it is what the instance boots from.
    pub(crate) fn is_root(&self, region: &Region) -> bool {
        region.instances.get(&self.instance).is_some_and(|instance| instance.root_device == self.device)
    }

    pub(crate) fn xml(&self, xml: &mut Xml, volume: &str, now: At) {
        xml.text("volumeId", volume)
            .text("instanceId", &self.instance)
            .text("device", &self.device)
            .text("status", self.state(now))
            .text("attachTime", self.at.iso())
            .text("deleteOnTermination", self.delete_on_termination);
    }
}

/// The names that a device may have; not all systems show it under them
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html#available-ec2-device-names).
fn is_device(name: &str) -> bool {
    let letter = |b: &u8| b.is_ascii_lowercase();
    match name.strip_prefix("/dev/").unwrap_or(name).as_bytes() {
        b"sda1" => true,
        [b's', b'd', one] | [b'x', b'v', b'd', one] => letter(one),
        [b'x', b'v', b'd', first @ b'a'..=b'd', second] => letter(first) && letter(second),
        _ => false,
    }
}

fn incorrect_state(message: String) -> Fail {
    Fail::new("IncorrectState", message)
}

/// Volume and instance must be in one zone, the volume available, the instance running or stopped, and the name free.
/// Such a volume outlives the instance until ModifyInstanceAttribute says otherwise
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_AttachVolume.html, errors-overview.html; the messages are EC2's
/// own: github.com/hashicorp/terraform/issues/18519, github.com/ansible-collections/amazon.aws/pull/497,
/// github.com/nanovms/ops/pull/1189).
pub(crate) fn attach(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (now, done) = (ctx.now, ctx.now.plus(ctx.conditions.pace.attach));
    let device = form.need("Device")?;
    let instance_id = form.need("InstanceId")?;
    Kind::Instance.check(instance_id)?;
    let region = ctx.here();
    let volume = volume::find(region, form)?.clone();
    let instance = region.instances.get(instance_id).ok_or_else(|| Kind::Instance.not_found(instance_id))?;
    if !is_device(device) {
        return Err(form.invalid("Device", device, &format!("{device} is not a valid EBS device name.")));
    }
    match instance.state {
        State::Running | State::Stopped | State::Stopping => {}
        State::Pending | State::ShuttingDown | State::Terminated => {
            return Err(incorrect_state(format!("Instance '{instance_id}' is not 'running'.")));
        }
    }
    if volume.attached.is_some() {
        return Err(Fail::new("VolumeInUse", format!("{} is already attached to an instance", volume.id)));
    }
    if volume.status(now) != "available" {
        return Err(incorrect_state(format!("{} is not 'available'.", volume.id)));
    }
    if volume.zone != instance.zone {
        return Err(Fail::new(
            "InvalidVolume.ZoneMismatch",
            format!(
                "The volume '{}' is not in the same availability zone as instance '{instance_id}'",
                volume.id
            ),
        ));
    }
    if disks(region, instance).any(|(_, attached)| attached.device == device) {
        return Err(Fail::new(
            "InvalidParameterValue",
            format!("Invalid value '{device}' for unixDevice. Attachment point {device} is already in use"),
        ));
    }
    let attached = Attached {
        instance: instance_id.to_owned(),
        device: device.to_owned(),
        at: now,
        delete_on_termination: false,
        done,
        gone: None,
        pending: true,
    };
    let mut xml = Xml::new();
    attached.xml(&mut xml, &volume.id, now);
    if let Some(volume) = region.volumes.get_mut(&volume.id) {
        volume.attached = Some(attached);
    }
    Ok(xml)
}

/// The volumes in an instance.
pub(crate) fn disks<'a>(
    region: &'a Region,
    instance: &'a Instance,
) -> impl Iterator<Item = (&'a Volume, &'a Attached)> {
    let attached = region.volumes.values().filter_map(|volume| Some((volume, volume.attached.as_ref()?)));
    attached.filter(|(_, attached)| attached.instance == instance.id)
}

/// A root volume stays while its instance is on (docs.aws.amazon.com/ebs/latest/userguide/ebs-detaching-volume.html,
/// the code is `OperationNotPermitted` of errors-overview.html). What is detaching may be detached again, as one does
/// with `Force`; the sandbox's instances let go of every volume by themselves.
pub(crate) fn detach(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (now, gone) = (ctx.now, ctx.now.plus(ctx.conditions.pace.attach));
    form.flag("Force")?;
    let instance = form.text("InstanceId");
    if let Some(instance) = instance {
        Kind::Instance.check(instance)?;
        if !ctx.here().instances.contains_key(instance) {
            return Err(Kind::Instance.not_found(instance));
        }
    }
    let region = ctx.here();
    let volume = volume::find(region, form)?.clone();
    let Some(attached) = &volume.attached else {
        let state = volume.status(now);
        return Err(incorrect_state(format!("Volume '{}' is in the '{state}' state.", volume.id)));
    };
    let device = form.text("Device");
    if instance.is_some_and(|instance| instance != attached.instance)
        || device.is_some_and(|device| device != attached.device)
    {
        return Err(Fail::new(
            "InvalidAttachment.NotFound",
            format!(
                "The volume '{}' is not attached to instance '{}' as device '{}'",
                volume.id,
                instance.unwrap_or(&attached.instance),
                device.unwrap_or(&attached.device)
            ),
        ));
    }
    let is_off = |instance: &Instance| instance.state == State::Stopped;
    if attached.is_root(region) && !region.instances.get(&attached.instance).is_some_and(is_off) {
        return Err(Fail::new(
            "OperationNotPermitted",
            format!("Unable to detach root volume '{}' from instance '{}'", volume.id, attached.instance),
        ));
    }
    let mut attached = attached.clone();
    attached.gone = attached.gone.or(Some(gone));
    let mut xml = Xml::new();
    attached.xml(&mut xml, &volume.id, now);
    if let Some(volume) = region.volumes.get_mut(&volume.id) {
        volume.attached = Some(attached);
    }
    Ok(xml)
}

/// Gives the volumes that are due to their instances, or takes them out.
pub(crate) fn settle(region: &mut Region, now: At, news: &mut Vec<News>) {
    let Region { volumes, instances, .. } = region;
    for Volume { id, attached, .. } in volumes.values_mut() {
        let Some(now_in) = attached else { continue };
        let root = instances.get(&now_in.instance).is_some_and(|i| i.root_device == now_in.device);
        let (volume, instance) = (id.clone(), now_in.instance.clone());
        if now_in.pending && now_in.done <= now {
            now_in.pending = false;
            let (volume, instance) = (volume.clone(), instance.clone());
            news.push(News::Storage(Storage::Attached { volume, instance, root }));
        }
        if now_in.gone.is_some_and(|gone| gone <= now) {
            *attached = None;
            news.push(News::Storage(Storage::Detached { volume, instance, root }));
        }
    }
}

/// The volumes that instances have besides what they boot from.
pub(crate) fn attached(region: &Region) -> impl Iterator<Item = Storage> {
    let all = region.volumes.values().filter_map(|volume| Some((volume, volume.attached.as_ref()?)));
    all.filter(|(_, attached)| !attached.pending && !attached.is_root(region)).map(|(volume, attached)| {
        Storage::Attached { volume: volume.id.clone(), instance: attached.instance.clone(), root: false }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_has_a_name_that_ec2_knows() {
        for name in ["/dev/sdf", "sdf", "/dev/sda1", "/dev/xvda", "xvdp", "/dev/xvdba", "/dev/xvddz"] {
            assert!(is_device(name), "{name}");
        }
        for name in ["/dev/sdk1", "/dev/sd", "/dev/xvdea", "/dev/nvme1n1", "/dev/sdF", "", "/dev/xvdb1"] {
            assert!(!is_device(name), "{name}");
        }
    }
}
