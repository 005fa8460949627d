//! Attributes of instances that can be changed one at a time.

use super::instance::{Instance, State};
use super::{Kind, ok, run, types};
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region};

fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut Instance, Fail> {
    let id = form.need("InstanceId")?;
    Kind::Instance.check(id)?;
    region.instances.get_mut(id).ok_or_else(|| Kind::Instance.not_found(id))
}

/// One attribute per call (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html).
///
/// A type that is not known is an `InvalidInstanceAttributeValue` (errors-overview.html), and so is one of another
/// architecture, with this message (dev.classmethod.jp/articles/ec2-instance-type-compatibility). That the instance's
/// zone does not offer the type is only said by StartInstances.
pub(crate) fn modify(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let attribute = attribute(form)?;
    let conditions = ctx.conditions;
    let region_name = ctx.region;
    let region = ctx.here();
    let instance = find(region, form)?;
    if instance.is_gone() {
        return Err(Fail::new(
            "IncorrectInstanceState",
            format!("Instance '{}' is in a terminated state and cannot be modified.", instance.id),
        ));
    }
    match attribute {
        Attribute::DisableApiTermination(on) => instance.protected = on,
        Attribute::ShutdownTerminates(on) => instance.shutdown_terminates = on,
        Attribute::InstanceType(name) => {
            let kind = types::named(&name)
                .filter(|kind| types::offered_in(conditions, region_name, &kind.name))
                .ok_or_else(|| {
                    Fail::new(
                        "InvalidInstanceAttributeValue",
                        format!("Invalid value '{name}' for InstanceType."),
                    )
                })?;
            if instance.state != State::Stopped {
                return Err(Fail::new(
                    "IncorrectInstanceState",
                    format!("The instance '{}' is not in the 'stopped' state.", instance.id),
                ));
            }
            if kind.arch != instance.arch {
                return Err(Fail::new(
                    "InvalidInstanceAttributeValue",
                    format!(
                        "'{name}' is not a valid instance type for instance '{}' of architecture '{}'.",
                        instance.id,
                        instance.arch.name()
                    ),
                ));
            }
            instance.kind = kind.name;
        }
        Attribute::Groups(groups) => {
            let id = instance.id.clone();
            if let Some(unknown) = groups.iter().find(|group| !region.groups.contains_key(*group)) {
                return Err(Kind::Group.not_found(unknown));
            }
            for interface in region.interfaces.values_mut().filter(|interface| interface.instance == id) {
                interface.groups.clone_from(&groups);
            }
        }
        Attribute::KeepDisks(changes) => {
            let id = instance.id.clone();
            for (device, delete) in changes {
                let attached = region.volumes.values_mut().filter_map(|volume| volume.attached.as_mut());
                let disk = attached
                    .into_iter()
                    .find(|attached| attached.instance == id && attached.device == device)
                    .ok_or_else(|| {
                        Fail::new(
                            "InvalidInstanceAttributeValue",
                            format!("No device is currently mapped at {device}"),
                        )
                    })?;
                disk.delete_on_termination = delete;
            }
        }
    }
    Ok(ok())
}

enum Attribute {
    DisableApiTermination(bool),
    ShutdownTerminates(bool),
    InstanceType(String),
    Groups(Vec<String>),
    /// Device and `DeleteOnTermination`.
    KeepDisks(Vec<(String, bool)>),
}

/// The request names the attribute as a structure of its own, or with `Attribute` and `Value`.
fn attribute(form: &Form<'_>) -> Result<Attribute, Fail> {
    const STRUCTURES: [&str; 5] = [
        "DisableApiTermination",
        "InstanceInitiatedShutdownBehavior",
        "InstanceType",
        "GroupId",
        "BlockDeviceMapping",
    ];
    let old = form
        .text("Attribute")
        .and_then(|name| STRUCTURES.into_iter().find(|structure| structure.eq_ignore_ascii_case(name)));
    let new: Vec<&str> = STRUCTURES.into_iter().filter(|name| form.has(name)).collect();
    let name = match (new.as_slice(), old) {
        ([name], _) => *name,
        ([], Some(name)) => name,
        ([], None) => {
            return Err(Fail::new("InvalidParameterCombination", "No attributes specified."));
        }
        (several, _) => {
            return Err(Fail::new(
                "InvalidParameterCombination",
                format!("Fields for multiple attribute types specified: {}", several.join(", ")),
            ));
        }
    };
    let value = |name: &str| form.at(name).text("Value").or_else(|| form.text("Value"));
    let flag = |name: &str| match value(name) {
        Some("true") => Ok(true),
        Some("false") => Ok(false),
        Some(other) => Err(form.invalid(name, other, "Invalid boolean value")),
        None => Err(form.missing(name)),
    };
    Ok(match name {
        "DisableApiTermination" => Attribute::DisableApiTermination(flag(name)?),
        "InstanceInitiatedShutdownBehavior" => {
            Attribute::ShutdownTerminates(run::shutdown_behavior(form, value(name))?)
        }
        "InstanceType" => {
            Attribute::InstanceType(value(name).ok_or_else(|| form.missing("InstanceType"))?.to_owned())
        }
        "GroupId" => Attribute::Groups(form.texts("GroupId").into_iter().map(str::to_owned).collect()),
        _ => Attribute::KeepDisks(
            form.items("BlockDeviceMapping")
                .iter()
                .map(|mapping| {
                    let ebs = mapping.at("Ebs");
                    let delete = ebs.flag("DeleteOnTermination")?;
                    let delete = delete.ok_or_else(|| ebs.missing("DeleteOnTermination"))?;
                    Ok((mapping.need("DeviceName")?.to_owned(), delete))
                })
                .collect::<Result<_, Fail>>()?,
        ),
    })
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let name = form.need("Attribute")?;
    let now = ctx.now;
    let region = ctx.here();
    let instance = find(region, form)?.clone();
    let mut xml = Xml::new();
    xml.text("instanceId", &instance.id);
    let value: String = match name {
        "disableApiTermination" => instance.protected.to_string(),
        "instanceInitiatedShutdownBehavior" => {
            if instance.shutdown_terminates { "terminate" } else { "stop" }.to_owned()
        }
        "instanceType" => instance.kind,
        "rootDeviceName" => instance.root_device,
        "sourceDestCheck" | "enaSupport" => "true".to_owned(),
        "ebsOptimized" | "disableApiStop" => "false".to_owned(),
        "userData" | "kernel" | "ramdisk" => {
            xml.node(name, |_| {});
            return Ok(xml);
        }
        "blockDeviceMapping" => {
            instance.disks_xml(&mut xml, region, now);
            return Ok(xml);
        }
        "groupSet" => {
            if let Some(interface) = instance.interface(region) {
                interface.groups_xml(&mut xml, region);
            }
            return Ok(xml);
        }
        other => return Err(form.invalid("Attribute", other, "Unknown attribute.")),
    };
    xml.node(name, |xml| {
        xml.text("value", value);
    });
    Ok(xml)
}

/// The answer says `pending`; the next look says `applied`.
pub(crate) fn modify_metadata(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let instance = find(ctx.here(), form)?;
    if instance.is_gone() {
        return Err(Fail::new(
            "IncorrectInstanceState",
            format!(
                "The instance '{}' is not in a state from which its options can be modified.",
                instance.id
            ),
        ));
    }
    instance.metadata.change(form)?;
    let mut xml = Xml::new();
    xml.text("instanceId", &instance.id)
        .node("instanceMetadataOptions", |xml| instance.metadata.xml(xml, "pending"));
    Ok(xml)
}
