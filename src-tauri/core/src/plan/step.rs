//! The steps: the whole list of what Holdfast may do to an account.

use serde::Serialize;

use crate::machine::{
    Fact, Instance, LifecycleRule, Observed, Power, Schedule, Snapshot, SnapshotProgress, TAG_FINAL,
    TAG_HOME, TAG_REPLACES, Tags, WayOut,
};
use crate::names::{
    AssociationId, GatewayId, GroupId, ImageId, InstanceId, InstanceType, PolicyId, ReservationId,
    RouteTableId, RuleId, SnapshotId, SubnetId, VolumeId, VpcId,
};
use crate::price::{self, Money};

/// One call that changes something.
///
/// A step says with ids, or the names that IAM has for them, what it works on, so that it can be performed without looking again. The
/// names of what is made, tags and policies follow from the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "step", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the ids of what the variant names")]
pub enum Step {
    /// Make the private network.
    CreateVpc,
    /// Let Amazon's resolver answer in it.
    EnableDnsSupport { vpc: VpcId },
    /// Give instances in it DNS names.
    EnableDnsHostnames { vpc: VpcId },
    /// Make a subnet with these addresses.
    CreateSubnet { vpc: VpcId, zone: String, addresses: String },
    /// Give instances in the subnet a public address.
    EnablePublicAddresses { subnet: SubnetId },
    /// Make the internet gateway.
    CreateGateway,
    /// Attach it to the network.
    AttachGateway { gateway: GatewayId, vpc: VpcId },
    /// Make the route table.
    CreateRouteTable { vpc: VpcId },
    /// Send what leaves the network to the gateway; a route that leads elsewhere is replaced.
    CreateDefaultRoute { table: RouteTableId, gateway: GatewayId },
    /// Use the route table in the subnet.
    AssociateRouteTable { table: RouteTableId, subnet: SubnetId },
    /// Make the security group, which lets nothing in.
    CreateGroup { vpc: VpcId },
    /// Take inbound rules away.
    RevokeInbound { group: GroupId, rules: Vec<RuleId> },
    /// Let all traffic out.
    AllowOutbound { group: GroupId },
    /// Make the role.
    CreateRole,
    /// Attach the one managed policy.
    AttachManagedPolicy { role: String },
    /// Deny reading SSM parameters.
    DenyParameters { role: String },
    /// Make the instance profile, with the tag that claims `network` for the machine. When one is there already that
    /// claims another, the world has changed.
    CreateProfile { network: Option<VpcId> },
    /// Put the role into it.
    AddRoleToProfile,
    /// Count the instance generation up, so that a client token is never used twice.
    NextGeneration { network: NetworkId, generation: u32 },
    /// Make and start the instance, after a look at VPCs, instances and the instance profile: if the plan does not say
    /// the same any more, the world has changed. When AWS answers with one that is gone, the token is spent: that instance belongs
    /// among the observed ones, and the next plan counts the generation up.
    RunInstance(Run),
    /// Forbid termination.
    Protect { instance: InstanceId },
    /// Powering off inside stops the instance.
    StopOnShutdown { instance: InstanceId },
    /// Guard the metadata service.
    GuardMetadata { instance: InstanceId },
    /// Set tags of EC2 resources.
    Tag { resources: Vec<String>, tags: Tags },
    /// Set tags of the role.
    TagRole { role: String, tags: Tags },
    /// Set tags of the instance profile.
    TagProfile { profile: String, tags: Tags },
    /// Start the instance.
    Start { instance: InstanceId },
    /// Stop the instance.
    Stop { instance: InstanceId },
    /// Restart the instance where it is. No goal asks for it: a person does.
    Reboot { instance: InstanceId },
    /// Hold capacity for a type in a zone, until it is given up; it ends by itself, too.
    Reserve { instance_type: InstanceType, zone: String },
    /// Give up capacity that is held.
    Release { reservation: ReservationId },
    /// Mark the instance, so that it comes up again whatever happens while its type changes.
    BeginResize { instance: InstanceId, from: InstanceType },
    /// Make an instance that is off another type.
    SetType { instance: InstanceId, to: InstanceType },
    /// Take the mark of [`Step::BeginResize`] away.
    EndResize { instance: InstanceId },
    /// Make a volume larger, faster or slower.
    GrowVolume { volume: VolumeId, size: u32, iops: Option<u32>, throughput: Option<u32> },
    /// Take a snapshot; `last` says that it is the instance's last state, which its end or its successor waits for.
    Snapshot { instance: InstanceId, volume: VolumeId, last: bool },
    /// Delete a snapshot.
    DeleteSnapshot { snapshot: SnapshotId },
    /// Make the volume that the instance takes its home from.
    CreateCopy { snapshot: SnapshotId, zone: String, instance: InstanceId },
    /// Attach it.
    AttachCopy { volume: VolumeId, instance: InstanceId },
    /// Have the machine take the home from the volume and check it file by file. It takes as long as it takes, and goes on
    /// where it was interrupted.
    Carry { instance: InstanceId, volume: VolumeId, snapshot: SnapshotId },
    /// Detach it.
    DetachCopy { volume: VolumeId },
    /// Delete it.
    DeleteCopy { volume: VolumeId },
    /// Let one instance take the place of another, by one tag.
    Retire { instance: InstanceId, by: InstanceId },
    /// Lift termination protection.
    Unprotect { instance: InstanceId },
    /// Keep the root volume when the instance goes.
    KeepVolume { instance: InstanceId, device: String },
    /// Let the root volume go with the instance.
    ReleaseVolume { instance: InstanceId, device: String },
    /// Terminate the instance.
    Terminate { instance: InstanceId, volume_goes: bool },
    /// Delete a volume.
    DeleteVolume { volume: VolumeId },
    /// Delete a security group.
    DeleteGroup { group: GroupId },
    /// Stop using a route table in a subnet.
    DisassociateRouteTable { association: AssociationId },
    /// Delete a route table.
    DeleteRouteTable { table: RouteTableId },
    /// Detach an internet gateway.
    DetachGateway { gateway: GatewayId, vpc: VpcId },
    /// Delete an internet gateway.
    DeleteGateway { gateway: GatewayId },
    /// Delete a subnet.
    DeleteSubnet { subnet: SubnetId },
    /// Delete a VPC.
    DeleteVpc { vpc: VpcId },
    /// Take the role out of the instance profile. A look at the profile follows: until then nobody knows whose claim it
    /// carries.
    RemoveRoleFromProfile { profile: String, role: String },
    /// Delete the instance profile.
    DeleteProfile { profile: String },
    /// Detach a managed policy from the role.
    DetachManagedPolicy { role: String, policy: String },
    /// Delete an inline policy of the role.
    DeleteInlinePolicy { role: String, policy: String },
    /// Delete the role.
    DeleteRole { role: String },
    /// Make the role that snapshots are taken with.
    CreateBackupRole,
    /// Let it take them.
    AllowSnapshots { role: String },
    /// Have snapshots taken by the clock.
    CreateLifecycle { rule: LifecycleRule },
    /// Have them taken so from now on.
    ChangeLifecycle { policy: PolicyId, rule: LifecycleRule },
    /// Set tags of a lifecycle policy.
    TagLifecycle { policy: PolicyId, tags: Tags },
    /// Have no more snapshots taken; those that there are stay.
    DeleteLifecycle { policy: PolicyId },
}

/// What carries the generation tag: the VPC, or our group in a network of the company's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NetworkId {
    /// Our VPC.
    Vpc(VpcId),
    /// Our security group in a VPC of the company's.
    Group(GroupId),
}

impl NetworkId {
    /// The id as text.
    pub fn as_str(&self) -> &str {
        match self {
            Self::Vpc(id) => id.as_str(),
            Self::Group(id) => id.as_str(),
        }
    }
}

/// What RunInstances is told beyond the settings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Run {
    /// The client token: machine, network and generation, so that two laptops, or one twice, make one instance.
    pub token: String,
    /// The image.
    pub image: ImageId,
    /// The image's root device.
    pub root_device: String,
    /// The type.
    pub instance_type: InstanceType,
    /// Size of the root volume in GiB.
    pub volume_size: u32,
    /// Operations a second of the root volume.
    pub volume_iops: u32,
    /// Throughput of the root volume in MiB a second.
    pub volume_throughput: u32,
    /// The VPC of the subnet.
    pub vpc: VpcId,
    /// The subnet.
    pub subnet: SubnetId,
    /// The subnet's zone.
    pub zone: String,
    /// The security group.
    pub group: GroupId,
    /// Whether it gets a public address.
    pub public_address: bool,
    /// The instance whose place it is to take, once it has its home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replaces: Option<InstanceId>,
    /// Where its home is to come from, as [`TAG_HOME`](crate::machine::TAG_HOME) says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home: Option<String>,
}

impl Run {
    /// The tags that it has beyond those of every instance of ours.
    pub fn tags(&self) -> Tags {
        let replaces = self.replaces.as_ref().map(|old| (TAG_REPLACES.to_owned(), old.to_string()));
        let home = self.home.as_ref().map(|home| (TAG_HOME.to_owned(), home.clone()));
        replaces.into_iter().chain(home).collect()
    }
}

/// What a step costs, interrupts and destroys.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Impact {
    /// It begins to cost money.
    pub costs: bool,
    /// What runs on the machine ends.
    pub interrupts: bool,
    /// Data is gone for ever.
    pub loses_data: bool,
    /// It takes a right away that somebody gave the machine.
    pub revokes: bool,
}

impl Impact {
    /// Nothing of the kind.
    pub const NONE: Self = Self { costs: false, interrupts: false, loses_data: false, revokes: false };

    /// Both together.
    pub fn and(self, other: Self) -> Self {
        Self {
            costs: self.costs || other.costs,
            interrupts: self.interrupts || other.interrupts,
            loses_data: self.loses_data || other.loses_data,
            revokes: self.revokes || other.revokes,
        }
    }
}

/// The impacts that the user agreed to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consent(Impact);

impl Consent {
    /// To nothing that costs, interrupts or destroys.
    pub const NONE: Self = Self(Impact::NONE);

    /// To just this.
    pub const fn to(impact: Impact) -> Self {
        Self(impact)
    }

    /// Whether the user agreed to all of it.
    pub fn covers(self, impact: Impact) -> bool {
        self.0.and(impact) == self.0
    }
}

/// The group that a step stands in when a plan is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Area {
    /// VPC, subnet, gateway, routes, group.
    Network,
    /// Role and instance profile.
    Identity,
    /// Instance and volume.
    Machine,
}

/// What a step does to its object, as a diff marks it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, specta::Type)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// `+`
    Add,
    /// `~`
    Alter,
    /// `-`
    Remove,
}

impl Step {
    /// What it costs, interrupts and destroys.
    pub fn impact(&self) -> Impact {
        match self {
            Self::RunInstance(_)
            | Self::Start { .. }
            | Self::Snapshot { .. }
            | Self::CreateCopy { .. }
            | Self::Reserve { .. }
            | Self::CreateLifecycle { .. }
            | Self::ChangeLifecycle { .. }
            | Self::SetType { .. }
            | Self::GrowVolume { .. } => Impact { costs: true, ..Impact::NONE },
            Self::Stop { .. } | Self::Reboot { .. } => Impact { interrupts: true, ..Impact::NONE },
            Self::Terminate { volume_goes, .. } => {
                Impact { interrupts: true, loses_data: *volume_goes, ..Impact::NONE }
            }
            Self::DetachManagedPolicy { policy, .. } | Self::DeleteInlinePolicy { policy, .. } => {
                Impact { revokes: !is_own_policy(policy), ..Impact::NONE }
            }
            Self::DeleteVolume { .. } | Self::DeleteSnapshot { .. } => {
                Impact { loses_data: true, ..Impact::NONE }
            }
            Self::CreateVpc
            | Self::EnableDnsSupport { .. }
            | Self::EnableDnsHostnames { .. }
            | Self::CreateSubnet { .. }
            | Self::EnablePublicAddresses { .. }
            | Self::CreateGateway
            | Self::AttachGateway { .. }
            | Self::CreateRouteTable { .. }
            | Self::CreateDefaultRoute { .. }
            | Self::AssociateRouteTable { .. }
            | Self::CreateGroup { .. }
            | Self::RevokeInbound { .. }
            | Self::AllowOutbound { .. }
            | Self::CreateRole
            | Self::AttachManagedPolicy { .. }
            | Self::DenyParameters { .. }
            | Self::CreateProfile { .. }
            | Self::AddRoleToProfile
            | Self::NextGeneration { .. }
            | Self::Protect { .. }
            | Self::StopOnShutdown { .. }
            | Self::GuardMetadata { .. }
            | Self::Release { .. }
            | Self::BeginResize { .. }
            | Self::EndResize { .. }
            | Self::AttachCopy { .. }
            | Self::Carry { .. }
            | Self::DetachCopy { .. }
            | Self::DeleteCopy { .. }
            | Self::Retire { .. }
            | Self::Tag { .. }
            | Self::TagRole { .. }
            | Self::TagProfile { .. }
            | Self::Unprotect { .. }
            | Self::KeepVolume { .. }
            | Self::ReleaseVolume { .. }
            | Self::DeleteGroup { .. }
            | Self::DisassociateRouteTable { .. }
            | Self::DeleteRouteTable { .. }
            | Self::DetachGateway { .. }
            | Self::DeleteGateway { .. }
            | Self::DeleteSubnet { .. }
            | Self::DeleteVpc { .. }
            | Self::RemoveRoleFromProfile { .. }
            | Self::DeleteProfile { .. }
            | Self::DeleteRole { .. }
            | Self::CreateBackupRole
            | Self::AllowSnapshots { .. }
            | Self::TagLifecycle { .. }
            | Self::DeleteLifecycle { .. } => Impact::NONE,
        }
    }

    /// The step's place and sentence in a plan.
    pub fn words(&self) -> Words {
        use Area::{Identity, Machine, Network};
        use Change::{Add, Alter, Remove};
        let say = |area, change, what: String, why: &'static str| Words { area, change, what, why };
        match self {
            Self::CreateVpc => say(Network, Add, "Private network (VPC)".into(), "the machine's own network"),
            Self::EnableDnsSupport { vpc } => say(
                Network,
                Alter,
                format!("Turn on DNS in {}", vpc.shown()),
                "the machine must resolve names",
            ),
            Self::EnableDnsHostnames { vpc } => say(
                Network,
                Alter,
                format!("Turn on DNS names in {}", vpc.shown()),
                "AWS gives the machine a name",
            ),
            Self::CreateSubnet { zone, .. } => {
                say(Network, Add, format!("Subnet in {zone}"), "the machine is to be in this zone")
            }
            Self::EnablePublicAddresses { subnet } => say(
                Network,
                Alter,
                format!("Give public addresses in {}", subnet.shown()),
                "the machine reaches AWS by itself",
            ),
            Self::CreateGateway => say(Network, Add, "Internet gateway".into(), "the way out"),
            Self::AttachGateway { gateway, vpc } => {
                say(Network, Alter, format!("Attach {} to {}", gateway.shown(), vpc.shown()), "the way out")
            }
            Self::CreateRouteTable { .. } => {
                say(Network, Add, "Route table".into(), "the subnet's own routes")
            }
            Self::CreateDefaultRoute { gateway, .. } => {
                say(Network, Add, format!("Route 0.0.0.0/0 to {}", gateway.shown()), "the way out")
            }
            Self::AssociateRouteTable { table, subnet } => say(
                Network,
                Alter,
                format!("Use {} in {}", table.shown(), subnet.shown()),
                "the subnet's own routes",
            ),
            Self::CreateGroup { .. } => say(
                Network,
                Add,
                "Security group, nothing inbound".into(),
                "nobody reaches the machine from outside",
            ),
            Self::RevokeInbound { group, rules } => say(
                Network,
                Remove,
                format!("{} of {group}", count(rules.len(), "inbound rule")),
                "the machine needs no open port",
            ),
            Self::AllowOutbound { group } => {
                say(Network, Add, format!("All outbound traffic of {group}"), "the agent calls out to AWS")
            }
            Self::CreateRole => {
                say(Identity, Add, "Role for EC2".into(), "lets the machine's agent talk to SSM")
            }
            Self::AttachManagedPolicy { .. } => {
                say(Identity, Add, "Policy AmazonSSMManagedInstanceCore".into(), "all that the agent needs")
            }
            Self::DenyParameters { .. } => say(
                Identity,
                Add,
                "Policy that denies ssm:GetParameter*".into(),
                "the other policy lets the machine read every parameter of the account",
            ),
            Self::CreateProfile { .. } => {
                say(Identity, Add, "Instance profile".into(), "hands the role to the machine")
            }
            Self::AddRoleToProfile => say(
                Identity,
                Alter,
                "Put the role into the instance profile".into(),
                "hands the role to the machine",
            ),
            Self::NextGeneration { generation, .. } => say(
                Machine,
                Alter,
                format!("Count instance generation {generation}"),
                "the last instance is gone",
            ),
            Self::RunInstance(run) => say(
                Machine,
                Add,
                format!("Instance {} with {} GiB gp3, encrypted", run.instance_type, run.volume_size),
                "the machine itself",
            ),
            Self::Protect { instance } => {
                say(Machine, Alter, format!("Protect {instance} from termination"), "only destroy may end it")
            }
            Self::StopOnShutdown { instance } => say(
                Machine,
                Alter,
                format!("Powering off inside stops {instance}"),
                "it must not delete the machine",
            ),
            Self::GuardMetadata { instance } => say(
                Machine,
                Alter,
                format!("Guard the metadata service of {instance} (IMDSv2, one hop)"),
                "keeps containers away from the machine's credentials",
            ),
            Self::Tag { resources, .. } => say(
                Machine,
                Alter,
                format!("Set tags of {}", resources.join(", ")),
                "tags tell Holdfast and account cleaners what is whose",
            ),
            Self::TagRole { .. } => {
                say(Identity, Alter, "Set tags of the role".into(), "as the settings say")
            }
            Self::TagProfile { .. } => {
                say(Identity, Alter, "Set tags of the instance profile".into(), "as the settings say")
            }
            Self::Start { instance } => say(Machine, Alter, format!("Start {instance}"), "it is off"),
            Self::Reboot { instance } => say(
                Machine,
                Alter,
                format!("Restart {instance}"),
                "everything on it ends, and its disk stays",
            ),
            Self::Stop { instance } => {
                say(Machine, Alter, format!("Stop {instance}"), "everything on it ends")
            }
            Self::Reserve { instance_type, zone } => say(
                Machine,
                Add,
                format!("Hold one {instance_type} in {zone}"),
                "for some minutes, so that nothing is stopped in vain",
            ),
            Self::Release { reservation } => {
                say(Machine, Remove, format!("Held capacity {reservation}"), "not needed any more")
            }
            Self::BeginResize { instance, .. } => say(
                Machine,
                Alter,
                format!("Mark {instance} as changing"),
                "it comes up again even if this is interrupted",
            ),
            Self::SetType { instance, to } => {
                say(Machine, Alter, format!("Make {instance} {} {to}", article(to)), "as the settings say")
            }
            Self::EndResize { instance } => {
                say(Machine, Alter, format!("Take the mark off {instance}"), "the change is over")
            }
            Self::GrowVolume { volume, size, iops, throughput } => {
                let fast = iops.zip(*throughput);
                let fast = fast.map(|(iops, mib)| format!(", {iops} IOPS, {mib} MiB/s")).unwrap_or_default();
                say(Machine, Alter, format!("Make {volume} {size} GiB{fast}"), "as the settings say")
            }
            Self::Snapshot { volume, last: true, .. } => {
                say(Machine, Add, format!("Final snapshot of {volume}"), "the data outlives the machine")
            }
            Self::Snapshot { volume, last: false, .. } => {
                say(Machine, Add, format!("Snapshot of {volume}"), "you asked for it")
            }
            Self::DeleteSnapshot { snapshot } => {
                say(Machine, Remove, format!("Snapshot {snapshot}"), "it is to go")
            }
            Self::CreateCopy { snapshot, zone, .. } => say(
                Machine,
                Add,
                format!("Volume of {} in {zone}", snapshot.shown()),
                "for as long as the home goes over",
            ),
            Self::AttachCopy { instance, .. } => say(
                Machine,
                Alter,
                format!("Attach it to {}", instance.shown()),
                "for as long as the home goes over",
            ),
            Self::Carry { instance, snapshot, .. } => say(
                Machine,
                Alter,
                format!("Put the home of {} on {}", snapshot.shown(), instance.shown()),
                "and check every file",
            ),
            Self::DetachCopy { volume } => {
                say(Machine, Alter, format!("Detach volume {}", volume.shown()), "nothing reads it any more")
            }
            Self::DeleteCopy { volume } => {
                say(Machine, Remove, format!("Volume {}", volume.shown()), "nothing reads it any more")
            }
            Self::Retire { instance, by } => say(
                Machine,
                Alter,
                format!("Let {} take the place of {instance}", by.shown()),
                "the old one is kept, off, until you let it go",
            ),
            Self::Unprotect { instance } => {
                say(Machine, Alter, format!("Lift termination protection of {instance}"), "it is to go")
            }
            Self::KeepVolume { device, .. } => {
                say(Machine, Alter, format!("Keep volume {device}"), "its data is asked for")
            }
            Self::ReleaseVolume { device, .. } => {
                say(Machine, Alter, format!("Let volume {device} go with the instance"), "it is to go")
            }
            Self::Terminate { instance, volume_goes: true } => say(
                Machine,
                Remove,
                format!("Instance {instance} and its volume with all data"),
                "it is to go",
            ),
            Self::Terminate { instance, volume_goes: false } => {
                say(Machine, Remove, format!("Instance {instance}, without its volume"), "it is to go")
            }
            Self::DeleteVolume { volume } => {
                say(Machine, Remove, format!("Volume {volume} with all data"), "it is to go")
            }
            Self::DeleteGroup { group } => {
                say(Network, Remove, format!("Security group {group}"), "not needed any more")
            }
            Self::DisassociateRouteTable { association } => {
                say(Network, Remove, format!("Use of a route table ({association})"), "not needed any more")
            }
            Self::DeleteRouteTable { table } => {
                say(Network, Remove, format!("Route table {table}"), "not needed any more")
            }
            Self::DetachGateway { gateway, vpc } => {
                say(Network, Alter, format!("Detach {gateway} from {vpc}"), "not needed any more")
            }
            Self::DeleteGateway { gateway } => {
                say(Network, Remove, format!("Internet gateway {gateway}"), "not needed any more")
            }
            Self::DeleteSubnet { subnet } => {
                say(Network, Remove, format!("Subnet {subnet}"), "not needed any more")
            }
            Self::DeleteVpc { vpc } => {
                say(Network, Remove, format!("Private network {vpc}"), "not needed any more")
            }
            Self::RemoveRoleFromProfile { role, .. } => say(
                Identity,
                Alter,
                format!("Take {role} out of the instance profile"),
                "not needed any more",
            ),
            Self::DeleteProfile { .. } => {
                say(Identity, Remove, "Instance profile".into(), "not needed any more")
            }
            Self::DetachManagedPolicy { policy, .. } => {
                let name = policy.rsplit('/').next().unwrap_or(policy);
                say(Identity, Remove, format!("Policy {name}"), "the machine does not need it")
            }
            Self::DeleteInlinePolicy { policy, .. } => {
                say(Identity, Remove, format!("Policy {policy}"), "the machine does not need it")
            }
            Self::DeleteRole { role } => {
                let what = if role.ends_with("-backup") { "Role for snapshots" } else { "Role" };
                say(Identity, Remove, what.into(), "not needed any more")
            }
            Self::CreateBackupRole => {
                say(Identity, Add, "Role for snapshots".into(), "Data Lifecycle Manager takes them with it")
            }
            Self::AllowSnapshots { .. } => say(
                Identity,
                Add,
                "Policy of that role: snapshots of this machine's volume".into(),
                "and of nothing else",
            ),
            Self::CreateLifecycle { rule } => say(
                Machine,
                Add,
                scheduled(rule.schedule),
                "Data Lifecycle Manager takes it; each costs what has changed",
            ),
            Self::ChangeLifecycle { rule, .. } => say(
                Machine,
                Alter,
                scheduled(rule.schedule),
                "as the settings say; each costs what has changed",
            ),
            Self::TagLifecycle { policy, .. } => {
                say(Machine, Alter, format!("Set tags of {policy}"), "as the settings say")
            }
            Self::DeleteLifecycle { policy } => say(
                Machine,
                Remove,
                format!("Snapshots by the clock ({policy})"),
                "those that there are stay",
            ),
        }
    }

    /// By how much the step changes the cost of a month, where the price is known: what runs counts as running always.
    pub fn monthly(&self, region: &str, observed: &Observed) -> Option<CostChange> {
        let known = |id: &InstanceId| observed.instances.all().iter().find(|i| &i.id == id);
        let prices = &observed.prices;
        let running = |instance_type: &InstanceType, public: bool| {
            let address = if public { month(prices.address_hour(region)?) } else { Money::ZERO };
            Some(month(prices.hourly(region, instance_type.as_str())?) + address)
        };
        let disk = |size: u32| Some(prices.gp3_gib_month(region)?.times(size));
        let volume = |id: &VolumeId| observed.volumes.all().iter().find(|v| &v.id == id);
        if let Self::RunInstance(run) = self {
            let machine = running(&run.instance_type, run.public_address)?;
            let disk = prices.gp3_month(region, run.volume_size, run.volume_iops, run.volume_throughput)?;
            return Some(CostChange::More(machine + disk));
        }
        if let Self::CreateCopy { snapshot, .. } = self {
            let of = |known: &&Snapshot| &known.id == snapshot;
            return Some(CostChange::More(disk(observed.snapshots.all().iter().find(of)?.size)?));
        }
        if let Self::Start { instance } = self {
            return Some(CostChange::More(running(
                &known(instance)?.instance_type,
                gets_public_address(observed),
            )?));
        }
        if let Self::Stop { instance } | Self::Terminate { instance, .. } = self {
            let instance = known(instance)?;
            let mut less = match instance.power {
                Power::Pending | Power::Running => running(&instance.instance_type, instance.public_address)?,
                Power::Stopping | Power::Stopped | Power::ShuttingDown | Power::Terminated => Money::ZERO,
            };
            if matches!(self, Self::Terminate { volume_goes: true, .. }) {
                let root = instance.root.as_ref()?;
                less = less + disk(volume(&root.id)?.size)?;
            }
            return (less != Money::ZERO).then_some(CostChange::Less(less));
        }
        if let Self::DeleteVolume { volume: id } | Self::DeleteCopy { volume: id } = self {
            return disk(volume(id)?.size).map(CostChange::Less);
        }
        if let Self::Reserve { instance_type, .. } = self {
            return prices.hourly(region, instance_type.as_str()).map(CostChange::Hourly);
        }
        if let Self::GrowVolume { volume: id, size, iops, throughput } = self {
            let is = volume(id)?;
            let cost = |size, iops: Option<u32>, throughput: Option<u32>| {
                prices.gp3_month(region, size, iops?, throughput?)
            };
            let (before, after) = (cost(is.size, is.iops, is.throughput)?, cost(*size, *iops, *throughput)?);
            return Some(if after < before {
                CostChange::Less(Money::from_micros(before.micros() - after.micros()))
            } else {
                CostChange::More(Money::from_micros(after.micros() - before.micros()))
            });
        }
        None
    }
}

/// Whether an instance gets a public address here: not where traffic leaves through something of the company's.
pub(crate) fn gets_public_address(observed: &Observed) -> bool {
    !observed.subnets.all().iter().any(|subnet| subnet.way_out == Fact::Present(WayOut::Other))
}

/// Whether it is one of those that Holdfast gives a role, by its ARN or name.
fn is_own_policy(policy: &str) -> bool {
    [super::DENY_POLICY, super::BACKUP_POLICY].contains(&policy)
        || policy.ends_with(":iam::aws:policy/AmazonSSMManagedInstanceCore")
}

/// A schedule as a plan shows it.
fn scheduled(schedule: Schedule) -> String {
    format!("A{}", schedule.words().trim_start_matches('a'))
}

/// A change of what a month costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CostChange {
    /// It costs more.
    More(Money),
    /// It costs less.
    Less(Money),
    /// It costs this for every hour that it lasts, which is a short while.
    Hourly(Money),
}

/// An id as a plan shows it.
trait Shown {
    fn shown(&self) -> String;
}

macro_rules! shown {
    ($($id:ty: $new:literal,)*) => {$(
        impl Shown for $id {
            fn shown(&self) -> String {
                if self.is_planned() { $new.to_owned() } else { self.to_string() }
            }
        }
    )*};
}

shown! {
    VpcId: "the new network",
    SubnetId: "the new subnet",
    GatewayId: "the new gateway",
    RouteTableId: "the new route table",
    InstanceId: "the new instance",
    SnapshotId: "the new snapshot",
    VolumeId: "of the home",
}

/// How a step is shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Words {
    /// The group that it stands in.
    pub area: Area,
    /// Whether something comes, changes or goes.
    pub change: Change,
    /// What.
    pub what: String,
    /// Why.
    pub why: &'static str,
}

fn month(hourly: Money) -> Money {
    hourly.times(price::HOURS_PER_MONTH)
}

/// As the letter is spoken that the type begins with.
fn article(word: &InstanceType) -> &'static str {
    const VOWELS: [char; 12] = ['a', 'e', 'f', 'h', 'i', 'l', 'm', 'n', 'o', 'r', 's', 'x'];
    if word.as_str().starts_with(VOWELS) { "an" } else { "a" }
}

fn count(n: usize, noun: &str) -> String {
    if n == 1 { format!("1 {noun}") } else { format!("{n} {noun}s") }
}

/// The final snapshot of an instance as it is now: one that is older than its last start does not hold what came after.
pub(super) fn final_snapshot<'a>(observed: &'a Observed, instance: &Instance) -> Option<&'a Snapshot> {
    let of_it = |snapshot: &&Snapshot| {
        snapshot.tags.get(TAG_FINAL).is_some_and(|id| id == instance.id.as_str())
            && snapshot.taken >= instance.launched
    };
    observed.snapshots.all().iter().filter(of_it).min_by_key(|snapshot| match snapshot.progress {
        SnapshotProgress::Complete => 0,
        SnapshotProgress::Pending => 1,
        SnapshotProgress::Failed => 2,
    })
}

/// The last whole snapshot that an instance left which is gone.
pub(super) fn last_snapshot_of<'a>(observed: &'a Observed, instance: &str) -> Option<&'a Snapshot> {
    let of_it = |snapshot: &&Snapshot| snapshot.tags.get(TAG_FINAL).is_some_and(|id| id == instance);
    let whole = |snapshot: &&Snapshot| snapshot.progress == SnapshotProgress::Complete;
    observed.snapshots.all().iter().filter(of_it).filter(whole).max_by_key(|snapshot| &snapshot.taken)
}

/// The id of a thing that the step made, as AWS told it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the variants name their ids")]
pub enum Made {
    Vpc(VpcId),
    Subnet(SubnetId),
    Gateway(GatewayId),
    RouteTable(RouteTableId),
    Association(AssociationId),
    Group(GroupId),
    Instance(InstanceId),
    Snapshot(SnapshotId),
    Reservation(ReservationId),
    Lifecycle(PolicyId),
    Volume(VolumeId),
}

/// Whether a boolean fact is known to be so.
pub(crate) fn is(fact: &Fact<bool>, wanted: bool) -> bool {
    fact.present() == Some(&wanted)
}
