//! RunInstances.

mod disk;
mod network;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub(crate) use network::public_address;

use super::instance::{Instance, Metadata, State, reservation_xml};
use super::{Kind, capacity, image, mismatch, tags, types, zones};
use crate::clock::At;
use crate::conditions::{Conditions, TokenOfTerminated};
use crate::wire::{Fail, Form, Service, Xml};
use crate::world::{Ctx, Region, Tags};

/// What a client token made.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Launch {
    /// The request, without what may differ.
    pub request: String,
    pub reservation: String,
    pub instances: Vec<String>,
    /// Forgotten after this.
    pub until: Option<At>,
}

pub(crate) fn run(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let token = client_token(form)?;
    if let Some(token) = &token
        && let Some(xml) = repeated(ctx, form, token)?
    {
        return Ok(xml);
    }
    let count = count(form)?;
    let image = image::find(ctx, form.need("ImageId")?)?;
    let kind_name = form.text("InstanceType").unwrap_or("m1.small");
    let kind = types::named(kind_name)
        .filter(|kind| types::offered_in(ctx.conditions, ctx.region, &kind.name))
        .ok_or_else(|| invalid(format!("Invalid value '{kind_name}' for InstanceType.")))?;
    matches_image(kind.arch, image.arch)?;
    let network = network::read(ctx, form)?;
    if !types::offered(ctx.conditions, &network.subnet.zone, kind_name) {
        return Err(not_offered(ctx, kind_name, &network.subnet.zone));
    }
    let profile = profile(ctx, &form.at("IamInstanceProfile"))?;
    let disks = disk::read(ctx, form, &image)?;
    let tags = tags::given_to(ctx, form, &[Kind::Instance, Kind::Volume, Kind::Interface])?;
    let [instance_tags, volume_tags, interface_tags] = <[Tags; 3]>::try_from(tags).unwrap_or_default();
    let mut metadata =
        Metadata { tokens_required: true, hop_limit: 2, enabled: true, ipv6: false, tags: false };
    metadata.change(&form.at("MetadataOptions"))?;
    let shutdown_terminates = shutdown_behavior(form, form.text("InstanceInitiatedShutdownBehavior"))?;
    check_room(ctx, kind_name, kind.vcpus, count, &network.subnet.zone)?;

    let reservation = ctx.ids.resource("r");
    let mut instances = Vec::new();
    for _ in 0..count {
        let id = ctx.ids.resource("i");
        let mut doomed = None;
        for disk in &disks {
            let volume = disk.volume(ctx, &id, &network.subnet.zone, &volume_tags);
            doomed = doomed.or_else(|| disk.doom());
            ctx.here().volumes.insert(volume.id.clone(), volume);
        }
        let interface = network.interface(ctx, &id, &interface_tags)?;
        let private_address = interface.private_address;
        ctx.here().interfaces.insert(interface.id.clone(), interface);
        let instance = Instance {
            id: id.clone(),
            reservation: reservation.clone(),
            image: image.id.clone(),
            kind: kind.name.clone(),
            arch: kind.arch,
            state: State::Pending,
            due: Some(ctx.now.plus(ctx.conditions.pace.boot)),
            launched: ctx.now,
            online: ctx.now,
            terminated: None,
            reason: None,
            doomed,
            vpc: network.subnet.vpc.clone(),
            subnet: network.subnet.id.clone(),
            zone: network.subnet.zone.clone(),
            private_address,
            profile: profile.clone(),
            token: token.clone(),
            root_device: image.root_device.clone(),
            protected: form.flag("DisableApiTermination")?.unwrap_or(false),
            shutdown_terminates,
            metadata: metadata.clone(),
            capacity_reservation: None,
            tags: instance_tags.clone(),
        };
        ctx.here().instances.insert(id.clone(), instance);
        instances.push(id);
    }
    let now = ctx.now;
    capacity::fill(ctx.here(), now);
    let launch = Launch { request: super::fingerprint(form), reservation, instances, until: None };
    let xml = answer(ctx, &launch);
    if let Some(token) = token {
        ctx.here().launches.insert(token, launch);
    }
    Ok(xml)
}

fn invalid(message: impl Into<String>) -> Fail {
    Fail::new("InvalidParameterValue", message)
}

fn answer(ctx: &mut Ctx<'_>, launch: &Launch) -> Xml {
    let (region_name, owner, now) = (ctx.region, ctx.owner(), ctx.now);
    let region = &*ctx.here();
    let instances: Vec<&Instance> =
        launch.instances.iter().filter_map(|id| region.instances.get(id)).collect();
    let mut xml = Xml::new();
    reservation_xml(&mut xml, &launch.reservation, &instances, region, region_name, owner, now);
    xml
}

/// Up to 64 ASCII characters (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
pub(crate) fn client_token(form: &Form<'_>) -> Result<Option<String>, Fail> {
    match form.text("ClientToken") {
        Some(token) if token.len() > 64 || !token.is_ascii() => {
            Err(Fail::new("InvalidClientToken", "Invalid client token: at most 64 ASCII characters"))
        }
        token => Ok(token.map(str::to_owned)),
    }
}

/// The answer to a token that was used: the same reservation again, with the instances as they are now. A token is
/// known until 24 hours after the instance terminated (Run_Instance_Idempotency.html).
fn repeated(ctx: &mut Ctx<'_>, form: &Form<'_>, token: &str) -> Result<Option<Xml>, Fail> {
    let Some(launch) = ctx.here().launches.get(token).cloned() else { return Ok(None) };
    if launch.request != super::fingerprint(form) {
        return Err(mismatch());
    }
    let region = ctx.here();
    let alive = |id: &String| region.instances.get(id).is_some_and(|instance| !instance.is_gone());
    let gone = !launch.instances.iter().any(alive);
    if gone && ctx.conditions.token_of_terminated == TokenOfTerminated::Refuse {
        return Err(Fail::new(
            "IdempotentInstanceTerminated",
            "The client token you have provided is associated with a terminated instance. Please use a different \
             client token.",
        ));
    }
    Ok(Some(answer(ctx, &launch)))
}

fn count(form: &Form<'_>) -> Result<u32, Fail> {
    let least = form.number("MinCount")?.ok_or_else(|| form.missing("MinCount"))?;
    let most = form.number("MaxCount")?.ok_or_else(|| form.missing("MaxCount"))?;
    if least == 0 || most < least {
        return Err(invalid("The parameter 'minCount' must be between 1 and 'maxCount'."));
    }
    Ok(most)
}

/// The message is EC2's own.
fn matches_image(kind: super::Arch, image: super::Arch) -> Result<(), Fail> {
    if kind == image {
        return Ok(());
    }
    Err(invalid(format!(
        "The architecture '{}' of the specified instance type does not match the architecture '{}' of the specified \
         AMI. Specify an instance type and an AMI that have matching architectures, and try again. You can use \
         'describe-instance-types' or 'describe-images' to discover the architecture of the instance type or AMI.",
        kind.name(),
        image.name()
    )))
}

/// `Unsupported`, from RunInstances and from StartInstances: "an Availability Zone that currently has constraints on
/// that instance type" (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html).
pub(crate) fn not_offered(ctx: &Ctx<'_>, kind: &str, zone: &str) -> Fail {
    let others: Vec<String> = zones::zones_of(ctx.region)
        .into_iter()
        .map(|zone| zone.name)
        .filter(|zone| types::offered(ctx.conditions, zone, kind))
        .collect();
    Fail::new(
        "Unsupported",
        format!(
            "Your requested instance type ({kind}) is not supported in your requested Availability Zone ({zone}). \
             Please retry your request by not specifying an Availability Zone or choosing {}.",
            others.join(", ")
        ),
    )
}

/// `stop` unless the request says `terminate`.
pub(crate) fn shutdown_behavior(form: &Form<'_>, text: Option<&str>) -> Result<bool, Fail> {
    match text {
        None | Some("stop") => Ok(false),
        Some("terminate") => Ok(true),
        Some(other) => Err(form.invalid(
            "InstanceInitiatedShutdownBehavior",
            other,
            "Valid values are stop and terminate.",
        )),
    }
}

/// Whether the zone has no capacity for the type just now.
pub(crate) fn is_full(conditions: &Conditions, zone: &str, kind: &str) -> bool {
    let matches = super::select::matches;
    conditions.no_capacity.iter().any(|(zones, types)| matches(zones, zone) && matches(types, kind))
}

/// Instances for which capacity is reserved need nothing more. The others need quota, which counts the vCPUs of
/// instances that run or are about to (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-quotas.html); then the
/// zone must have capacity.
pub(crate) fn check_room(
    ctx: &mut Ctx<'_>,
    kind: &str,
    vcpus: u32,
    count: u32,
    zone: &str,
) -> Result<(), Fail> {
    let (quota, now) = (ctx.conditions.quotas.vcpus, ctx.now);
    let region = ctx.here();
    let more = count.saturating_sub(capacity::free(region, kind, zone, now));
    if more == 0 {
        return Ok(());
    }
    if capacity::vcpus(region, now) + vcpus * more > quota {
        return Err(Fail::new(
            "VcpuLimitExceeded",
            format!(
                "You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the \
                 instance bucket that the specified instance type belongs to. Please visit \
                 http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
            ),
        ));
    }
    if is_full(ctx.conditions, zone, kind) {
        let others: Vec<String> = zones::zones_of(ctx.region)
            .into_iter()
            .map(|zone| zone.name)
            .filter(|zone| !is_full(ctx.conditions, zone, kind) && types::offered(ctx.conditions, zone, kind))
            .collect();
        let hint = match others.as_slice() {
            [] => String::new(),
            others => format!(
                " You can currently get {kind} capacity by not specifying an Availability Zone in your request or \
                 choosing {}.",
                others.join(", ")
            ),
        };
        return Err(Fail::new(
            "InsufficientInstanceCapacity",
            format!(
                "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone}). \
                 Our system will be working on provisioning additional capacity.{hint}"
            ),
        ));
    }
    Ok(())
}

/// The profile's ARN and id. EC2 does not know a fresh profile for some time; the message is its own
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/troubleshoot-iam.html). Passing a role needs `iam:PassRole`.
fn profile(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Option<(String, String)>, Fail> {
    let (name, parameter, noun) = match (form.text("Name"), form.text("Arn")) {
        (Some(name), _) => (name, "name", "name"),
        (None, Some(arn)) => (arn, "arn", "ARN"),
        (None, None) => return Ok(None),
    };
    let unknown = || {
        invalid(format!(
            "Value ({name}) for parameter iamInstanceProfile.{parameter} is invalid. Invalid IAM Instance Profile {noun}"
        ))
    };
    let (now, spread) = (ctx.now, ctx.conditions.pace.iam);
    let known = |since: At| now >= since.plus(spread);
    let profile = ctx
        .account
        .iam
        .profiles
        .values()
        .find(|profile| if parameter == "name" { profile.name == name } else { profile.arn == name })
        .filter(|profile| known(profile.created))
        .ok_or_else(unknown)?;
    let role = profile
        .role
        .as_ref()
        .filter(|(_, since)| known(*since))
        .and_then(|(role, _)| ctx.account.iam.roles.get(role));
    let Some(role) = role else {
        return Err(invalid(format!("IAM Instance Profile \"{}\" has no associated IAM Roles", profile.arn)));
    };
    ctx.allow(Service::Iam, "PassRole", &role.arn)?;
    Ok(Some((profile.arn.clone(), profile.id.clone())))
}

/// Forgets the tokens whose instances terminated 24 hours ago.
pub(crate) fn forget_tokens(region: &mut Region, now: At) {
    let Region { launches, instances, .. } = region;
    for launch in launches.values_mut().filter(|launch| launch.until.is_none()) {
        let gone = |id: &String| instances.get(id).is_none_or(Instance::is_gone);
        if launch.instances.iter().all(gone) {
            launch.until = Some(now.plus(Duration::from_secs(24 * 3600)));
        }
    }
    launches.retain(|_, launch| launch.until.is_none_or(|until| now < until));
}
