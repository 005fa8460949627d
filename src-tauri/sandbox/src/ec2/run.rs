//! RunInstances.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::image::{self, Image};
use super::instance::{Instance, Metadata, State, reservation_xml};
use super::volume::{Attached, check_gp3};
use super::{Group, Interface, Kind, Subnet, Volume, group, mismatch, tags, types, zones};
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
    let network = network(ctx, form)?;
    if !types::offered(ctx.conditions, &network.subnet.zone, kind_name) {
        return Err(not_offered(ctx, kind_name, &network.subnet.zone));
    }
    let profile = profile(ctx, &form.at("IamInstanceProfile"))?;
    let disks = disks(ctx, form, &image)?;
    let tags = tags::given_to(ctx, form, &[Kind::Instance, Kind::Volume, Kind::Interface])?;
    let [instance_tags, volume_tags, interface_tags] = <[Tags; 3]>::try_from(tags).unwrap_or_default();
    let mut metadata =
        Metadata { tokens_required: true, hop_limit: 2, enabled: true, ipv6: false, tags: false };
    metadata.change(&form.at("MetadataOptions"))?;
    let shutdown_terminates = shutdown_behavior(form, form.text("InstanceInitiatedShutdownBehavior"))?;
    check_room(ctx, kind_name, kind.vcpus * count, &network.subnet.zone)?;

    let reservation = ctx.ids.resource("r");
    let mut instances = Vec::new();
    for _ in 0..count {
        let id = ctx.ids.resource("i");
        let mut doomed = None;
        for disk in &disks {
            let volume = disk.volume(ctx, &id, &network.subnet.zone, &volume_tags);
            doomed = doomed.or_else(|| disk.unusable_key.then(no_key));
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
            tags: instance_tags.clone(),
        };
        ctx.here().instances.insert(id.clone(), instance);
        instances.push(id);
    }
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
    let (region_name, owner) = (ctx.region, ctx.owner());
    let region = &*ctx.here();
    let instances: Vec<&Instance> =
        launch.instances.iter().filter_map(|id| region.instances.get(id)).collect();
    let mut xml = Xml::new();
    reservation_xml(&mut xml, &launch.reservation, &instances, region, region_name, owner);
    xml
}

/// Up to 64 ASCII characters (docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html).
fn client_token(form: &Form<'_>) -> Result<Option<String>, Fail> {
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
pub(crate) fn matches_image(kind: super::Arch, image: super::Arch) -> Result<(), Fail> {
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

fn not_offered(ctx: &Ctx<'_>, kind: &str, zone: &str) -> Fail {
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

/// The quota counts the vCPUs of instances that run or are about to
/// (docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-quotas.html); then the zone must have capacity.
pub(crate) fn check_room(ctx: &mut Ctx<'_>, kind: &str, more: u32, zone: &str) -> Result<(), Fail> {
    let quota = ctx.conditions.quotas.vcpus;
    let running =
        ctx.here().instances.values().filter(|i| matches!(i.state, State::Pending | State::Running));
    let used: u32 = running.filter_map(|i| types::named(&i.kind)).map(|kind| kind.vcpus).sum();
    if used + more > quota {
        return Err(Fail::new(
            "VcpuLimitExceeded",
            format!(
                "You have requested more vCPU capacity than your current vCPU limit of {quota} allows for the \
                 instance bucket that the specified instance type belongs to. Please visit \
                 http://aws.amazon.com/contact-us/ec2-request to request an adjustment to this limit."
            ),
        ));
    }
    let full = |conditions: &Conditions, zone: &str| {
        let matches = super::select::matches;
        conditions.no_capacity.iter().any(|(zones, types)| matches(zones, zone) && matches(types, kind))
    };
    if full(ctx.conditions, zone) {
        let others: Vec<String> = zones::zones_of(ctx.region)
            .into_iter()
            .map(|zone| zone.name)
            .filter(|zone| !full(ctx.conditions, zone) && types::offered(ctx.conditions, zone, kind))
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

/// Where an instance goes.
struct Network {
    subnet: Subnet,
    groups: Vec<String>,
    wants_public: bool,
    description: String,
    delete_on_termination: bool,
}

fn network(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Network, Fail> {
    let interfaces = form.items("NetworkInterface");
    let combined = |what: &str| {
        Err(Fail::new(
            "InvalidParameterCombination",
            format!(
                "Network interfaces and an instance-level {what} may not be specified on the same request"
            ),
        ))
    };
    let form = match interfaces.as_slice() {
        [] => form,
        [_] if form.has("SubnetId") => return combined("subnet ID"),
        [_] if form.has("SecurityGroupId") => return combined("security groups"),
        [one] => one,
        [..] => {
            return Err(Fail::new(
                "UnsupportedOperation",
                "The sandbox has no instances with several network interfaces.",
            ));
        }
    };
    let region = ctx.here();
    let subnet = match form.text("SubnetId") {
        Some(id) => {
            Kind::Subnet.check(id)?;
            region.subnets.get(id).ok_or_else(|| Kind::Subnet.not_found(id))?
        }
        None => {
            let vpc = group::default_vpc(region)?;
            let mut defaults =
                region.subnets.values().filter(|subnet| subnet.vpc == vpc && subnet.is_default);
            defaults.next().ok_or_else(|| {
                let message = "No subnets found for the default VPC. Please specify a subnet.";
                Fail::new("MissingInput", message)
            })?
        }
    };
    let mut groups = Vec::new();
    for id in form.texts("SecurityGroupId") {
        Kind::Group.check(id)?;
        let group = region.groups.get(id).ok_or_else(|| Kind::Group.not_found(id))?;
        if group.vpc != subnet.vpc {
            return Err(Fail::new(
                "InvalidParameter",
                format!("Security group {id} and subnet {} belong to different networks.", subnet.id),
            ));
        }
        groups.push(id.to_owned());
    }
    if groups.is_empty() {
        let own = |group: &&Group| group.vpc == subnet.vpc && group.is_default();
        groups.extend(region.groups.values().find(own).map(|group| group.id.clone()));
    }
    Ok(Network {
        groups,
        wants_public: form.flag("AssociatePublicIpAddress")?.unwrap_or(subnet.public_addresses),
        description: form.text("Description").unwrap_or_default().to_owned(),
        delete_on_termination: form.flag("DeleteOnTermination")?.unwrap_or(true),
        subnet: subnet.clone(),
    })
}

impl Network {
    fn interface(&self, ctx: &mut Ctx<'_>, instance: &str, tags: &Tags) -> Result<Interface, Fail> {
        let (id, attachment) = (ctx.ids.resource("eni"), ctx.ids.resource("eni-attach"));
        let number = ctx.ids.number().to_be_bytes();
        let public_address = self.wants_public.then(|| public_address(ctx.ids.number()));
        let attached = ctx.now;
        let private_address = self.subnet.next_address(ctx.here()).ok_or_else(|| {
            Fail::new(
                "InsufficientFreeAddressesInSubnet",
                format!(
                    "Not enough free addresses in subnet {} to satisfy the requested number of instances.",
                    self.subnet.id
                ),
            )
        })?;
        let [a, b, c, d, e, ..] = number;
        Ok(Interface {
            id,
            vpc: self.subnet.vpc.clone(),
            subnet: self.subnet.id.clone(),
            zone: self.subnet.zone.clone(),
            private_address,
            public_address,
            wants_public: self.wants_public,
            groups: self.groups.clone(),
            mac: format!("02:{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}"),
            description: self.description.clone(),
            attachment,
            instance: instance.to_owned(),
            attached,
            delete_on_termination: self.delete_on_termination,
            tags: tags.clone(),
        })
    }
}

/// An address of 198.18.0.0/15, the block for benchmarks: it never leads anywhere.
pub(crate) fn public_address(number: u64) -> Ipv4Addr {
    let [.., a, b, c] = number.to_be_bytes();
    Ipv4Addr::new(198, 18 + (a & 1), b, c)
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

/// A disk that a launch makes.
struct Disk {
    device: String,
    gib: u32,
    kind: String,
    iops: Option<u32>,
    throughput: Option<u32>,
    encrypted: bool,
    kms_key: Option<String>,
    unusable_key: bool,
    snapshot: Option<String>,
    delete_on_termination: bool,
}

fn no_key() -> (String, String) {
    (
        "Client.InvalidKMSKey.InvalidState".to_owned(),
        "The KMS key provided is in an incorrect state".to_owned(),
    )
}

/// The root disk of the image, as the request changes it, and further ones.
fn disks(ctx: &Ctx<'_>, form: &Form<'_>, image: &Image) -> Result<Vec<Disk>, Fail> {
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
        "gp2" => (Some((gib * 3).clamp(100, 16_000)), None),
        "io1" | "io2" => (Some(number("Iops")?.unwrap_or(100)), None),
        "st1" | "sc1" | "standard" => (None, None),
        other => {
            return Err(invalid(format!("Invalid value '{other}' for VolumeType.")));
        }
    };
    let encrypted = flag("Encrypted")?.unwrap_or(false);
    let key = text("KmsKeyId");
    if key.is_some() && !encrypted {
        return Err(Fail::new(
            "InvalidParameterDependency",
            "The parameter KmsKeyId requires the parameter Encrypted to be set.",
        ));
    }
    let name = key.unwrap_or("alias/aws/ebs");
    let found = ctx.conditions.keys.iter().find(|known| encrypted && known.is_called(name));
    let arn = found.map(|key| key.arn(ctx.owner(), ctx.region));
    Ok(Disk {
        device: device.to_owned(),
        gib,
        kind: kind.to_owned(),
        iops,
        throughput,
        encrypted,
        unusable_key: encrypted && !found.is_some_and(|key| key.enabled),
        kms_key: arn.or_else(|| key.map(str::to_owned)),
        snapshot,
        delete_on_termination: flag("DeleteOnTermination")?.unwrap_or(true),
    })
}

impl Disk {
    fn volume(&self, ctx: &mut Ctx<'_>, instance: &str, zone: &str, tags: &Tags) -> Volume {
        Volume {
            id: ctx.ids.resource("vol"),
            gib: self.gib,
            kind: self.kind.clone(),
            iops: self.iops,
            throughput: self.throughput,
            encrypted: self.encrypted,
            kms_key: self.kms_key.clone(),
            snapshot: self.snapshot.clone(),
            zone: zone.to_owned(),
            created: ctx.now,
            attached: Some(Attached {
                instance: instance.to_owned(),
                device: self.device.clone(),
                at: ctx.now,
                delete_on_termination: self.delete_on_termination,
            }),
            tags: tags.clone(),
        }
    }
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
