//! Kinds of resources: their ids and what EC2 says when one is not there.
//!
//! Codes: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html.

use crate::wire::Fail;

/// A kind of EC2 resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Vpc,
    Subnet,
    Gateway,
    RouteTable,
    Association,
    Group,
    GroupRule,
    Instance,
    Interface,
    Volume,
    Snapshot,
    Image,
    CapacityReservation,
}

impl Kind {
    const ALL: [Self; 13] = [
        Self::Vpc,
        Self::Subnet,
        Self::Gateway,
        Self::RouteTable,
        Self::Association,
        Self::Group,
        Self::GroupRule,
        Self::Instance,
        Self::Interface,
        Self::Volume,
        Self::Snapshot,
        Self::Image,
        Self::CapacityReservation,
    ];

    /// The kind of a well-formed id.
    pub(crate) fn of(id: &str) -> Option<Self> {
        let (prefix, digits) = id.rsplit_once('-')?;
        let well_formed = [8, 17].contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_hexdigit());
        Self::ALL.into_iter().find(|kind| well_formed && kind.prefix() == prefix)
    }

    pub(crate) const fn prefix(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::Subnet => "subnet",
            Self::Gateway => "igw",
            Self::RouteTable => "rtb",
            Self::Association => "rtbassoc",
            Self::Group => "sg",
            Self::GroupRule => "sgr",
            Self::Instance => "i",
            Self::Interface => "eni",
            Self::Volume => "vol",
            Self::Snapshot => "snap",
            Self::Image => "ami",
            Self::CapacityReservation => "cr",
        }
    }

    /// As tag specifications and DescribeTags name it.
    pub(crate) const fn resource_type(self) -> &'static str {
        match self {
            Self::Vpc => "vpc",
            Self::Subnet => "subnet",
            Self::Gateway => "internet-gateway",
            Self::RouteTable => "route-table",
            Self::Association => "route-table-association",
            Self::Group => "security-group",
            Self::GroupRule => "security-group-rule",
            Self::Instance => "instance",
            Self::Interface => "network-interface",
            Self::Volume => "volume",
            Self::Snapshot => "snapshot",
            Self::Image => "image",
            Self::CapacityReservation => "capacity-reservation",
        }
    }

    /// An id of this kind, well-formed.
    pub(crate) fn check(self, id: &str) -> Result<(), Fail> {
        if Self::of(id) == Some(self) {
            return Ok(());
        }
        let code = match self {
            Self::Vpc => "InvalidVpcID.Malformed",
            Self::Subnet => "InvalidSubnetID.Malformed",
            Self::Gateway => "InvalidInternetGatewayId.Malformed",
            Self::RouteTable => "InvalidRouteTableId.Malformed",
            Self::Association => "InvalidAssociationID.NotFound",
            Self::Group => "InvalidGroupId.Malformed",
            Self::GroupRule => "InvalidSecurityGroupRuleId.Malformed",
            Self::Instance => "InvalidInstanceID.Malformed",
            Self::Interface => "InvalidNetworkInterfaceId.Malformed",
            Self::Volume => "InvalidVolumeID.Malformed",
            Self::Snapshot => "InvalidSnapshotID.Malformed",
            Self::Image => "InvalidAMIID.Malformed",
            Self::CapacityReservation => "InvalidCapacityReservationId.Malformed",
        };
        Err(Fail::new(code, format!("Invalid id: \"{id}\" (expecting \"{}-...\")", self.prefix())))
    }

    pub(crate) fn not_found(self, id: &str) -> Fail {
        let (code, message) = match self {
            Self::Vpc => ("InvalidVpcID.NotFound", format!("The vpc ID '{id}' does not exist")),
            Self::Subnet => ("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
            Self::Gateway => {
                ("InvalidInternetGatewayID.NotFound", format!("The internetGateway ID '{id}' does not exist"))
            }
            Self::RouteTable => {
                ("InvalidRouteTableID.NotFound", format!("The routeTable ID '{id}' does not exist"))
            }
            Self::Association => {
                ("InvalidAssociationID.NotFound", format!("The association ID '{id}' does not exist"))
            }
            Self::Group => ("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")),
            Self::GroupRule => (
                "InvalidSecurityGroupRuleId.NotFound",
                format!("The security group rule ID '{id}' does not exist"),
            ),
            Self::Instance => {
                ("InvalidInstanceID.NotFound", format!("The instance ID '{id}' does not exist"))
            }
            Self::Interface => (
                "InvalidNetworkInterfaceID.NotFound",
                format!("The networkInterface ID '{id}' does not exist"),
            ),
            Self::Volume => ("InvalidVolume.NotFound", format!("The volume '{id}' does not exist.")),
            Self::Snapshot => ("InvalidSnapshot.NotFound", format!("The snapshot '{id}' does not exist.")),
            Self::Image => ("InvalidAMIID.NotFound", format!("The image id '[{id}]' does not exist")),
            Self::CapacityReservation => (
                "InvalidCapacityReservationId.NotFound",
                format!("The capacity reservation ID '{id}' was not found"),
            ),
        };
        Fail::new(code, message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_tells_its_kind() {
        for kind in Kind::ALL {
            let id = format!("{}-0123456789abcdef0", kind.prefix());
            assert_eq!(Kind::of(&id), Some(kind));
            kind.check(&id).unwrap();
        }
        for id in ["vpc-1", "vpc", "sg-0123456789abcdefg", "acl-0123456789abcdef0", ""] {
            assert_eq!(Kind::of(id), None, "{id}");
        }
        assert_eq!(Kind::Vpc.check("subnet-0123456789abcdef0").unwrap_err().code, "InvalidVpcID.Malformed");
    }
}
