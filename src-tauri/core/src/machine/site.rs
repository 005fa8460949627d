//! What an instance stands in that Holdfast did not make: looked at only to adopt it.

use serde::{Deserialize, Serialize};

use super::{Fact, Gateway, Group, Instance, Profile, Role, RouteTable, Subnet, Tags, Volume, Vpc};
use crate::names::{GroupId, InstanceId, InterfaceId, SubnetId, VolumeId};

/// An instance, and everything that may belong to it or share what it uses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Site {
    /// The instance.
    pub instance: Instance,
    /// How it was bought, unless on demand: `spot`, `scheduled` or `capacity-block`.
    /// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_Instance.html> (`instanceLifecycle`)
    pub market: Option<String>,
    /// It runs Windows.
    pub windows: bool,
    /// Its VPC.
    pub vpc: Vpc,
    /// The VPC is the one that AWS gives every account.
    pub default_vpc: bool,
    /// The VPC's first addresses.
    pub addresses: String,
    /// Its subnet.
    pub subnet: SubnetId,
    /// The subnet's addresses.
    pub subnet_addresses: String,
    /// All subnets of the VPC; of its own the way out is known.
    pub subnets: Vec<Subnet>,
    /// The gateways that are attached to the VPC.
    pub gateways: Vec<Gateway>,
    /// All route tables of the VPC.
    pub tables: Vec<Table>,
    /// All security groups of the VPC.
    pub groups: Vec<NamedGroup>,
    /// All network interfaces in the VPC.
    pub cards: Vec<Card>,
    /// The volumes that are attached to it.
    pub volumes: Vec<Volume>,
    /// Those of them, besides the root volume, that AWS deletes with the instance.
    pub going_along: Vec<VolumeId>,
    /// Its instance profile and role; absent when it has none.
    pub identity: Fact<Identity>,
}

/// A route table with what decides whether it serves one machine alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Table {
    /// The table.
    pub table: RouteTable,
    /// It is the VPC's main one, which nobody can delete.
    pub main: bool,
    /// It has no other routes than within the VPC and to internet gateways.
    pub plain: bool,
}

/// A security group with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedGroup {
    /// The group.
    pub group: Group,
    /// Its name; `default` is the one that comes with the VPC, and nobody can delete it.
    pub name: String,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Card {
    /// Its id.
    pub id: InterfaceId,
    /// The instance that it is attached to.
    pub instance: Option<InstanceId>,
    /// Its security groups.
    pub groups: Vec<GroupId>,
    /// What whoever made it says that it is for.
    pub description: String,
    /// It has an Elastic IP address, which outlives the instance.
    pub elastic: bool,
    /// Its tags.
    pub tags: Tags,
}

/// An instance profile with its role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The instance profile.
    pub profile: Profile,
    /// Its role.
    pub role: Option<Role>,
    /// Who may assume the role.
    pub trust: serde_json::Value,
    /// The other instance profiles that hold the role, and the other instances that have this one.
    pub shared_with: Vec<String>,
}
