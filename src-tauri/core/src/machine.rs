//! A machine: what is desired, and what was observed of it.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::cost::History;
use crate::names::{
    AssociationId, GatewayId, GroupId, ImageId, InstanceId, InstanceProfileName, InstanceType, KmsKey,
    MachineName, OffAt, PolicyArn, ProfileName, Region, ReservationId, RouteTableId, RuleId, SnapshotId,
    SubnetId, TagKey, TagValue, UserName, VolumeId, VpcId, Zone,
};
use crate::plan::Applied;
use crate::price::Prices;

/// The tag that says to which machine a resource belongs: `<user>/<name>/<region>`.
pub const TAG_MACHINE: &str = "holdfast:machine";
/// The tag that says who made a resource, as [`Owner`] writes it: it guards the resource against others.
pub const TAG_OWNER: &str = "holdfast:owner";
/// The tag that says which installation of Holdfast made a resource that AWS may make twice.
pub const TAG_MAKER: &str = "holdfast:maker";
/// The tag on the network that counts the instances it has had; a part of the client token of the next.
pub const TAG_GENERATION: &str = "holdfast:generation";
/// The tag on the instance profile that says in which VPC the instance is to be.
///
/// It settles which of several VPCs counts: IAM makes only one profile of a name, and its tags come with it, so the
/// first to make it chooses for all. EC2 alone has nothing of the kind.
pub const TAG_NETWORK: &str = "holdfast:network";
/// The tag on an instance that was on and is between two types: the one that it had. While it is there the instance is to
/// come up again, whoever goes on with the change.
pub const TAG_RESIZE: &str = "holdfast:resize";
/// The tag on a snapshot that says of which instance it is the last one.
pub const TAG_FINAL: &str = "holdfast:final-snapshot-of";

/// The tag on an instance that is to take the place of another: that one's id. While the other is in its place this one is only on
/// its way.
pub const TAG_REPLACES: &str = "holdfast:replaces";
/// The tag on an instance that is to be given a home: the snapshot that it is in, or [`LAST_HOME`].
pub const TAG_HOME: &str = "holdfast:home";
/// The value of [`TAG_HOME`] for the last state of the instance that is replaced.
pub const LAST_HOME: &str = "last";
/// The tag on an instance that has its home: the snapshot that it is from.
pub const TAG_CARRIED: &str = "holdfast:carried";
/// The tag on an instance whose place another has taken: that one's id. When that one is gone, this one is the machine again.
pub const TAG_RETIRED: &str = "holdfast:retired";
/// The tag on a volume that a home is taken from: the instance that it is for.
pub const TAG_COPY: &str = "holdfast:copy-for";

/// What the user wants of one machine: complete, with no choices left. Settings are parsed into this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Desired {
    /// The machine's name.
    pub machine: MachineName,
    /// The user on the machine.
    pub user: UserName,
    /// The AWS profile; `None` leaves it to the standard chain.
    pub profile: Option<ProfileName>,
    /// The region.
    pub region: Region,
    /// The zone that a new instance is made in; `None` is where the machine is, or the first that offers the type.
    pub zone: Option<Zone>,
    /// The instance type.
    pub instance_type: InstanceType,
    /// The types that the machine may have for the time that AWS has none free of [`Self::instance_type`], the best first.
    pub alternates: Vec<InstanceType>,
    /// Size of the root volume in GiB.
    pub volume_size: u32,
    /// Operations a second of the root volume.
    pub volume_iops: u32,
    /// Throughput of the root volume in MiB a second.
    pub volume_throughput: u32,
    /// Tags for everything that is made.
    pub tags: BTreeMap<TagKey, TagValue>,
    /// Where the machine's NixOS configuration comes from.
    pub config: ConfigSource,
    /// When the machine switches itself off each day.
    pub off_at: Option<OffAt>,
    /// After how many idle minutes it does.
    pub off_when_idle: Option<u32>,
    /// Every how many hours a snapshot of the volume is taken.
    pub snapshot_every: Option<u32>,
    /// How many of those stay.
    pub snapshot_keep: u32,
    /// A subnet of the company's, used as it is; then no network is made.
    pub subnet: Option<SubnetId>,
    /// An instance profile that was there before; then no role is made. It is used as it is, unless it carries our tag: then it was
    /// adopted, and role and profile are the machine's own by another name.
    pub instance_profile: Option<InstanceProfileName>,
    /// The permissions boundary that a role must carry.
    pub permissions_boundary: Option<PolicyArn>,
    /// The key that encrypts the volume; `None` is the account's default key.
    pub kms_key: Option<KmsKey>,
    /// The snapshot whose home a new instance gets, where the user asks for one. No setting says this, but a command.
    pub home_from: Option<SnapshotId>,
}

/// Where the machine's NixOS configuration comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ConfigSource {
    /// The flake that ships with Holdfast, with the user's edits.
    Embedded,
    /// A repository that the machine clones.
    Git {
        /// Address to clone from.
        url: String,
        /// Branch; `None` is the remote's default one.
        branch: Option<String>,
        /// Folder of the flake in the repository.
        folder: String,
        /// Attribute under `nixosConfigurations`.
        attribute: String,
    },
    /// A folder on this computer.
    Directory {
        /// The folder.
        path: String,
        /// Attribute under `nixosConfigurations`.
        attribute: String,
    },
}

impl Desired {
    /// The value of [`TAG_MACHINE`]: who, which, where.
    pub fn key(&self) -> String {
        format!("{}/{}/{}", self.user, self.machine, self.region)
    }

    /// The name of the part `part`, e.g. `ada-remote-dev-vpc`.
    pub fn name(&self, part: &str) -> String {
        format!("{}-{}-{part}", self.user, self.machine)
    }

    /// The name of the security group, unique in its VPC. EC2 takes none that begins with `sg-`.
    /// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html>
    pub fn group_name(&self) -> String {
        let name = self.name("group");
        if name.starts_with("sg-") { format!("holdfast-{name}") } else { name }
    }

    /// The role's name. IAM is global, so it carries the region. The settings refuse what would be too long for IAM.
    pub fn role_name(&self) -> String {
        self.name(&format!("{}-role", self.region))
    }

    /// The name of the role that Data Lifecycle Manager takes snapshots with.
    pub fn backup_role_name(&self) -> String {
        self.name(&format!("{}-backup", self.region))
    }

    /// Its ARN in the account of this owner.
    pub fn backup_role_arn(&self, owner: &Owner) -> String {
        format!("arn:{}:iam::{}:role/{}", self.region.partition(), owner.account(), self.backup_role_name())
    }

    /// When snapshots are taken, if the settings ask for it.
    pub fn schedule(&self) -> Option<Schedule> {
        self.snapshot_every.map(|every| Schedule { every, keep: self.snapshot_keep })
    }

    /// The name of the instance profile that Holdfast makes.
    pub fn own_profile_name(&self) -> String {
        self.name(&format!("{}-profile", self.region))
    }

    /// The name of the instance profile that the instance gets: the one of the settings, or our own.
    pub fn profile_name(&self) -> String {
        self.instance_profile.as_ref().map_or_else(|| self.own_profile_name(), ToString::to_string)
    }

    /// The ARN of the only managed policy that the role carries.
    pub fn managed_policy(&self) -> String {
        format!("arn:{}:iam::aws:policy/AmazonSSMManagedInstanceCore", self.region.partition())
    }
}

/// One fact about the world.
#[derive(Clone, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact<T> {
    /// It is not known, and why. Nothing is ever made because of an unknown.
    Unknown(Why),
    /// It is known not to be there.
    #[default]
    Absent,
    /// It is there.
    Present(T),
}

/// Why a fact is not known.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// Nobody has looked, since it did not matter.
    NotLooked,
    /// The account does not let us look; the action that it denies.
    Denied(String),
    /// We looked, and the endpoint could not tell; in its own words.
    Failed(String),
}

impl<T> Fact<T> {
    /// Nobody has looked.
    pub const NOT_LOOKED: Self = Self::Unknown(Why::NotLooked);

    /// The thing, when it is there.
    pub fn present(&self) -> Option<&T> {
        match self {
            Self::Present(thing) => Some(thing),
            Self::Unknown(_) | Self::Absent => None,
        }
    }

    /// Why it is not known.
    pub fn why(&self) -> Option<&Why> {
        match self {
            Self::Unknown(why) => Some(why),
            Self::Absent | Self::Present(_) => None,
        }
    }

    /// Whether somebody has looked and could see.
    pub fn is_known(&self) -> bool {
        !matches!(self, Self::Unknown(_))
    }

    /// A fact about the thing inside.
    pub fn as_ref(&self) -> Fact<&T> {
        match self {
            Self::Unknown(why) => Fact::Unknown(why.clone()),
            Self::Absent => Fact::Absent,
            Self::Present(thing) => Fact::Present(thing),
        }
    }
}

impl<T: Clone> Fact<T> {
    fn keep(&mut self, known: &Self) {
        if !self.is_known() {
            self.clone_from(known);
        }
    }
}

impl<T> From<Option<T>> for Fact<T> {
    fn from(thing: Option<T>) -> Self {
        thing.map_or(Self::Absent, Self::Present)
    }
}

impl<T> Fact<Vec<T>> {
    /// All that were seen; none when nobody looked.
    pub fn all(&self) -> &[T] {
        self.present().map_or(&[], Vec::as_slice)
    }

    fn push(&mut self, thing: T) {
        match self {
            Self::Present(all) => all.push(thing),
            Self::Unknown(_) | Self::Absent => *self = Self::Present(vec![thing]),
        }
    }

    fn each(&mut self, mut change: impl FnMut(&mut T)) {
        if let Self::Present(all) = self {
            all.iter_mut().for_each(&mut change);
        }
    }

    fn remove(&mut self, gone: impl Fn(&T) -> bool) {
        if let Self::Present(all) = self {
            all.retain(|thing| !gone(thing));
        }
    }
}

/// Everything known of a machine and of what holds it up, at one moment.
///
/// The lists hold what carries our tag AND what merely has our names, with its tags, so that the plan can tell them
/// apart and say so.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observed {
    /// Who we are to AWS.
    pub caller: Fact<Owner>,
    /// This installation of Holdfast, as [`TAG_MAKER`] names it.
    pub maker: String,
    /// The wanted instance type in the wanted region.
    pub offer: Fact<Offer>,
    /// Those of the alternates that the region has, in their order.
    pub alternates: Fact<Vec<Offer>>,
    /// What this computer last made of the machine, where it has a record of that.
    pub applied: Option<Applied>,
    /// The prices that this computer knows.
    pub prices: Prices,
    /// When this computer saw the machine on and off.
    pub history: History,
    /// The types of which AWS has none free just now, as it told this operation.
    pub short: BTreeSet<InstanceType>,
    /// Capacity cannot be held, as AWS told this operation.
    pub cannot_hold: bool,
    /// This operation has stopped the instance to make it another type, so it is to come up again.
    pub stopped_here: bool,
    /// What a change of the type needs beyond what is seen, where such a change is due.
    pub leeway: Fact<Leeway>,
    /// Capacity that is held for the machine.
    pub reservations: Fact<Vec<Reservation>>,
    /// The newest stable official NixOS image for the type's architecture.
    pub image: Fact<Image>,
    /// VPCs.
    pub vpcs: Fact<Vec<Vpc>>,
    /// Subnets, and the company's subnet when the settings name one.
    pub subnets: Fact<Vec<Subnet>>,
    /// Internet gateways.
    pub gateways: Fact<Vec<Gateway>>,
    /// Route tables.
    pub route_tables: Fact<Vec<RouteTable>>,
    /// Security groups.
    pub groups: Fact<Vec<Group>>,
    /// The role with our name; where the settings name an instance profile, the role of that one if it carries our tag.
    pub role: Fact<Role>,
    /// The instance profile with our name, or the one that the settings name: the machine's own where it carries our tag (it
    /// was adopted), the company's where it does not. For [`Goal::Gone`], which takes nothing of the company's away, the one
    /// with our name stands in for the company's.
    ///
    /// [`Goal::Gone`]: crate::plan::Goal::Gone
    pub profile: Fact<Profile>,
    /// Instances, the terminated ones that AWS still remembers too: their client tokens are spent. AWS remembers a token
    /// longer than an instance, so an instance that RunInstances answers with and that is gone belongs here as well.
    pub instances: Fact<Vec<Instance>>,
    /// Volumes.
    pub volumes: Fact<Vec<Volume>>,
    /// The machine's snapshots.
    pub snapshots: Fact<Vec<Snapshot>>,
    /// The lifecycle policies that carry our tag.
    pub lifecycles: Fact<Vec<Lifecycle>>,
    /// The role with the name of the one that they act with.
    pub backup_role: Fact<Role>,
    /// Whether SSM has a line to the machine's agent.
    pub agent: Fact<()>,
    /// Whether it has one to the agent of an instance that waits for its home.
    pub newcomer: Fact<()>,
}

impl Observed {
    /// Nothing looked at yet, seen by the installation `maker`.
    pub fn unknown(maker: impl Into<String>) -> Self {
        Self {
            caller: Fact::NOT_LOOKED,
            maker: maker.into(),
            offer: Fact::NOT_LOOKED,
            alternates: Fact::NOT_LOOKED,
            applied: None,
            prices: Prices::default(),
            history: History::default(),
            short: BTreeSet::new(),
            cannot_hold: false,
            stopped_here: false,
            leeway: Fact::NOT_LOOKED,
            reservations: Fact::NOT_LOOKED,
            image: Fact::NOT_LOOKED,
            vpcs: Fact::NOT_LOOKED,
            subnets: Fact::NOT_LOOKED,
            gateways: Fact::NOT_LOOKED,
            route_tables: Fact::NOT_LOOKED,
            groups: Fact::NOT_LOOKED,
            role: Fact::NOT_LOOKED,
            profile: Fact::NOT_LOOKED,
            instances: Fact::NOT_LOOKED,
            volumes: Fact::NOT_LOOKED,
            snapshots: Fact::NOT_LOOKED,
            lifecycles: Fact::NOT_LOOKED,
            backup_role: Fact::NOT_LOOKED,
            agent: Fact::NOT_LOOKED,
            newcomer: Fact::NOT_LOOKED,
        }
    }

    /// A fresh look, with what only this operation and this computer know.
    #[must_use]
    pub fn remembering(self, before: &Self) -> Self {
        let Self { applied, history, short, cannot_hold, stopped_here, .. } = before;
        let (applied, history, short) = (applied.clone(), history.clone(), short.clone());
        Self { applied, history, short, cannot_hold: *cannot_hold, stopped_here: *stopped_here, ..self }
    }

    /// Takes over from a newer look whatever that look saw. What a quick look leaves out of a VPC, a subnet or an
    /// instance stays as it was known.
    pub fn learn(&mut self, mut newer: Self) {
        newer.vpcs.each(|vpc| {
            if let Some(known) = self.vpcs.all().iter().find(|old| old.id == vpc.id) {
                vpc.dns_support.keep(&known.dns_support);
                vpc.dns_hostnames.keep(&known.dns_hostnames);
            }
        });
        newer.subnets.each(|subnet| {
            if let Some(known) = self.subnets.all().iter().find(|old| old.id == subnet.id) {
                subnet.way_out.keep(&known.way_out);
            }
        });
        newer.instances.each(|instance| {
            if let Some(known) = self.instances.all().iter().find(|old| old.id == instance.id) {
                instance.protected.keep(&known.protected);
                instance.stops_on_shutdown.keep(&known.stops_on_shutdown);
            }
        });
        newer.volumes.each(|volume| {
            if let Some(known) = self.volumes.all().iter().find(|old| old.id == volume.id) {
                volume.modification.keep(&known.modification);
            }
        });
        fn take<T>(old: &mut Fact<T>, new: Fact<T>) {
            if new.is_known() || matches!(old, Fact::Unknown(Why::NotLooked)) {
                *old = new;
            }
        }
        // What a step saw besides knows neither.
        if newer.prices != Prices::default() {
            self.prices = newer.prices;
        }
        if newer.history != History::default() {
            self.history = newer.history;
        }
        take(&mut self.caller, newer.caller);
        take(&mut self.offer, newer.offer);
        take(&mut self.alternates, newer.alternates);
        take(&mut self.leeway, newer.leeway);
        take(&mut self.reservations, newer.reservations);
        take(&mut self.image, newer.image);
        take(&mut self.vpcs, newer.vpcs);
        take(&mut self.subnets, newer.subnets);
        take(&mut self.gateways, newer.gateways);
        take(&mut self.route_tables, newer.route_tables);
        take(&mut self.groups, newer.groups);
        take(&mut self.role, newer.role);
        take(&mut self.profile, newer.profile);
        take(&mut self.instances, newer.instances);
        take(&mut self.volumes, newer.volumes);
        take(&mut self.snapshots, newer.snapshots);
        take(&mut self.lifecycles, newer.lifecycles);
        take(&mut self.backup_role, newer.backup_role);
        take(&mut self.agent, newer.agent);
        take(&mut self.newcomer, newer.newcomer);
    }
}

/// Who somebody is to AWS: account and user, or account, assumed role and session name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Owner(String);

impl Owner {
    /// The owner that an ARN of `sts:GetCallerIdentity` names.
    ///
    /// `arn:aws:iam::123456789012:user/ada` becomes `123456789012/user/ada`,
    /// `arn:aws:sts::123456789012:assumed-role/Admin/ada@example.com` becomes
    /// `123456789012/assumed-role/Admin/ada@example.com`.
    pub fn from_arn(arn: &str) -> Option<Self> {
        let mut parts = arn.splitn(6, ':').skip(4);
        let (account, who) = (parts.next()?, parts.next()?);
        (!account.is_empty() && !who.is_empty()).then(|| Self(format!("{account}/{who}")))
    }

    /// The owner as the tag [`TAG_OWNER`] writes it.
    pub fn from_tag(tag: &str) -> Self {
        Self(tag.to_owned())
    }

    /// As the tag writes it.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The account.
    pub fn account(&self) -> &str {
        self.0.split('/').next().unwrap_or_default()
    }
}

impl std::fmt::Display for Owner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// A processor architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Arch {
    /// 64-bit ARM.
    Arm64,
    /// 64-bit x86.
    X86_64,
}

impl Arch {
    /// As EC2 writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    /// From EC2's name; `None` for one that NixOS has no image for.
    pub fn from_ec2(name: &str) -> Option<Self> {
        match name {
            "arm64" => Some(Self::Arm64),
            "x86_64" => Some(Self::X86_64),
            _ => None,
        }
    }
}

/// An instance type in a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Offer {
    /// The type that was asked for.
    pub instance_type: InstanceType,
    /// Its architecture, as EC2 names it.
    pub architecture: String,
    /// Virtual processors.
    pub vcpus: u32,
    /// Memory in MiB.
    pub memory_mib: u64,
    /// The zones that offer it.
    pub zones: BTreeSet<String>,
}

/// What a change of the type needs: permission, room in the account's quota, and a way to hold capacity.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leeway {
    /// The actions that a dry run was refused for.
    pub denied: Vec<String>,
    /// Whether capacity may be held beforehand.
    pub may_reserve: bool,
    /// The account's room for vCPUs; `None` where nobody may see it.
    pub quota: Option<Quota>,
}

/// The account's room for running on-demand instances of the standard families, in vCPUs.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-on-demand-instances.html#ec2-on-demand-instances-limits>
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// How many there may be.
    pub limit: u32,
    /// How many there are.
    pub used: u32,
}

impl Quota {
    /// Whether so many more fit.
    pub fn has_room_for(self, vcpus: u32) -> bool {
        self.used.saturating_add(vcpus) <= self.limit
    }
}

/// An On-Demand Capacity Reservation that is not over.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-capacity-reservations.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reservation {
    /// Its id.
    pub id: ReservationId,
    /// The type that it holds.
    pub instance_type: InstanceType,
    /// The zone that it holds it in.
    pub zone: String,
    /// Whether it can be started into by now.
    pub active: bool,
    /// Whether no instance has taken it.
    pub free: bool,
}

/// A machine image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Its id.
    pub id: ImageId,
    /// Its name, with the release.
    pub name: String,
    /// Its root device.
    pub root_device: String,
    /// The least size of its root volume in GiB.
    pub min_size: u32,
}

/// The tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// A VPC.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vpc {
    /// Its id.
    pub id: VpcId,
    /// Its first addresses, as `10.0.0.0/16`.
    pub addresses: String,
    /// Its tags.
    pub tags: Tags,
    /// Whether Amazon's resolver answers in it.
    pub dns_support: Fact<bool>,
    /// Whether instances get public DNS names in it.
    pub dns_hostnames: Fact<bool>,
}

/// A subnet.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subnet {
    /// Its id.
    pub id: SubnetId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its zone.
    pub zone: String,
    /// Its addresses, as `10.0.0.0/20`.
    pub addresses: String,
    /// Its tags.
    pub tags: Tags,
    /// Whether instances get a public address by themselves.
    pub public_addresses: bool,
    /// The way out, known for the company's subnet only.
    pub way_out: Fact<WayOut>,
}

/// How traffic leaves a subnet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WayOut {
    /// Through an internet gateway: an instance needs a public address.
    Gateway,
    /// Through something of the company's: NAT, a transit gateway, a firewall.
    Other,
}

/// An internet gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gateway {
    /// Its id.
    pub id: GatewayId,
    /// The VPC that it is attached to.
    pub vpc: Option<VpcId>,
    /// Its tags.
    pub tags: Tags,
}

/// A route table.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RouteTable {
    /// Its id.
    pub id: RouteTableId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Where 0.0.0.0/0 goes, when that is an internet gateway.
    pub default_gateway: Option<GatewayId>,
    /// The subnets that use it.
    pub associations: Vec<(AssociationId, SubnetId)>,
    /// Its tags.
    pub tags: Tags,
}

impl RouteTable {
    /// Whether the subnet uses it.
    pub fn serves(&self, subnet: &SubnetId) -> bool {
        self.associations.iter().any(|(_, id)| id == subnet)
    }
}

/// A security group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Its id.
    pub id: GroupId,
    /// Its VPC.
    pub vpc: VpcId,
    /// Its inbound rules, of which there should be none.
    pub inbound: Vec<Rule>,
    /// Whether all outbound traffic may leave.
    pub outbound: bool,
    /// Its tags.
    pub tags: Tags,
}

/// An inbound rule, with what a person reads.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Rule {
    /// Its id.
    pub id: RuleId,
    /// Protocol, ports and source, e.g. `tcp 22 from 0.0.0.0/0`.
    pub text: String,
}

/// An IAM role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// The ARNs of its managed policies.
    pub managed: BTreeSet<String>,
    /// Its inline policies: name and document, parsed.
    pub inline: BTreeMap<String, serde_json::Value>,
}

/// An instance profile.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// Its name.
    pub name: String,
    /// Its tags.
    pub tags: Tags,
    /// The name of its role; IAM allows one.
    pub role: Option<String>,
    /// The managed policies of that role, known for the company's profile only.
    pub managed: Fact<BTreeSet<String>>,
}

/// An instance's state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Power {
    /// Starting.
    Pending,
    /// On.
    Running,
    /// Going off.
    Stopping,
    /// Off.
    Stopped,
    /// Going away for ever.
    ShuttingDown,
    /// Gone; AWS remembers it for about an hour.
    Terminated,
}

/// An instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// Its state.
    pub power: Power,
    /// Its type.
    pub instance_type: InstanceType,
    /// Its architecture, as EC2 names it.
    pub architecture: String,
    /// Its virtual processors.
    pub vcpus: u32,
    /// Its zone.
    pub zone: String,
    /// Its VPC; `None` when it is gone.
    pub vpc: Option<VpcId>,
    /// The image that it was made from.
    pub image: Option<ImageId>,
    /// When it was last started, RFC 3339.
    pub launched: Option<String>,
    /// Why and when the state last changed, in EC2's words.
    pub transition: Option<String>,
    /// It went off again while it started, since AWS had none free after all.
    pub fell_short: bool,
    /// It went off since its own system was shut down, and not through the API of EC2.
    pub stopped_itself: bool,
    /// Its root volume.
    pub root: Option<RootVolume>,
    /// Whether it has a public address.
    pub public_address: bool,
    /// The name of its instance profile.
    pub profile: Option<String>,
    /// The client token that it was made with.
    pub token: Option<String>,
    /// Whether the metadata service demands a session token and answers no further than one hop.
    pub metadata_guarded: bool,
    /// Whether termination protection is on.
    pub protected: Fact<bool>,
    /// Whether powering off inside stops it (and does not terminate it).
    pub stops_on_shutdown: Fact<bool>,
    /// Its tags.
    pub tags: Tags,
}

/// The root volume, as the instance sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RootVolume {
    /// Its id.
    pub id: VolumeId,
    /// Its device name.
    pub device: String,
    /// Whether it goes with the instance.
    pub goes_with_instance: bool,
}

/// A volume.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Volume {
    /// Its id.
    pub id: VolumeId,
    /// Size in GiB.
    pub size: u32,
    /// Operations a second; `None` for a kind of volume that has no such setting.
    pub iops: Option<u32>,
    /// Throughput in MiB a second; `None` for a kind of volume that has no such setting.
    pub throughput: Option<u32>,
    /// The snapshot that it was made from.
    pub of: Option<SnapshotId>,
    /// When it was made, RFC 3339.
    pub created: Option<String>,
    /// Its last change of size or speed, known for the machine's own volume.
    pub modification: Fact<Modification>,
    /// The instance that it is attached to.
    pub attached: Option<InstanceId>,
    /// Whether it is encrypted.
    pub encrypted: bool,
    /// Its tags.
    pub tags: Tags,
}

/// A change of a volume's size or speed.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/monitoring-volume-modifications.html>
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Modification {
    /// How far it is.
    pub state: ModificationState,
    /// When it was begun, RFC 3339.
    pub began: Option<String>,
    /// How much of it is done, in percent.
    pub progress: u32,
}

/// How far a change of a volume is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ModificationState {
    /// The new size is not there yet.
    Modifying,
    /// The new size is there, the new speed not all the time. No other change is taken until this is over.
    Optimizing,
    /// It is over.
    Completed,
    /// It did not work, and the volume is as it was.
    Failed,
}

/// A snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// Its id.
    pub id: SnapshotId,
    /// The volume that it was taken of.
    pub volume: Option<VolumeId>,
    /// The size of that volume in GiB. What the snapshot itself takes depends on what has changed since the one before.
    pub size: u32,
    /// All blocks that were written on the volume, in bytes, where AWS tells.
    pub bytes: Option<u64>,
    /// When it was begun, RFC 3339 as [`Instance::launched`]: what is older than the last start is not the last state.
    pub taken: Option<String>,
    /// How far it is.
    pub progress: SnapshotProgress,
    /// Its tags.
    pub tags: Tags,
}

/// How far a snapshot is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotProgress {
    /// Being copied.
    Pending,
    /// Whole.
    Complete,
    /// It failed.
    Failed,
}

mod after;
mod lifecycle;
mod site;

pub use lifecycle::{Lifecycle, LifecycleRule, Schedule};
pub use site::{Card, Identity, NamedGroup, Site, Table};
