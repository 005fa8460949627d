//! The rules of security groups.

use serde::{Deserialize, Serialize};

use super::group::find;
use super::{Kind, tags};
use crate::ids::Ids;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

/// One rule: a protocol, its ports, and who is at the other end.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct GroupRule {
    pub id: String,
    pub egress: bool,
    /// `-1` is every protocol; `tcp`, `udp`, `icmp`, or a number.
    pub protocol: String,
    pub from_port: Option<i32>,
    pub to_port: Option<i32>,
    pub peer: Peer,
    pub description: Option<String>,
    pub tags: Tags,
}

/// Who is at the other end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum Peer {
    V4(String),
    V6(String),
    Group { id: String, owner: String },
}

impl Peer {
    /// `0.0.0.0/0`
    pub(crate) fn anyone() -> Self {
        Self::V4("0.0.0.0/0".to_owned())
    }
}

impl GroupRule {
    pub(crate) fn everything(ids: &mut Ids, egress: bool, peer: Peer) -> Self {
        Self {
            id: ids.resource("sgr"),
            egress,
            protocol: "-1".to_owned(),
            from_port: None,
            to_port: None,
            peer,
            description: None,
            tags: Tags::new(),
        }
    }

    fn is_like(&self, other: &Self) -> bool {
        self.egress == other.egress && self.same_ports(other) && self.peer == other.peer
    }

    fn same_ports(&self, other: &Self) -> bool {
        self.protocol == other.protocol && self.from_port == other.from_port && self.to_port == other.to_port
    }

    /// Whether a TCP port is within the rule.
    pub(crate) fn covers(&self, port: u16) -> bool {
        let port = i32::from(port);
        match self.protocol.as_str() {
            "-1" => true,
            "tcp" => {
                self.from_port.is_none_or(|from| from <= port) && self.to_port.is_none_or(|to| port <= to)
            }
            _ => false,
        }
    }

    pub(crate) fn xml(&self, xml: &mut Xml, group: &str, owner: &str) {
        xml.text("securityGroupRuleId", &self.id)
            .text("groupId", group)
            .text("groupOwnerId", owner)
            .text("isEgress", self.egress)
            .text("ipProtocol", &self.protocol)
            .text("fromPort", self.from_port.unwrap_or(-1))
            .text("toPort", self.to_port.unwrap_or(-1));
        match &self.peer {
            Peer::V4(cidr) => xml.text("cidrIpv4", cidr),
            Peer::V6(cidr) => xml.text("cidrIpv6", cidr),
            Peer::Group { id, owner } => xml.node("referencedGroupInfo", |xml| {
                xml.text("groupId", id).text("userId", owner);
            }),
        };
        xml.maybe("description", self.description.as_ref());
        tags::xml(xml, &self.tags);
    }
}

/// Rules as DescribeSecurityGroups lists them: those with the same protocol and ports together.
pub(crate) fn xml<'a>(xml: &mut Xml, name: &str, owner: &str, rules: impl Iterator<Item = &'a GroupRule>) {
    let mut permissions: Vec<Vec<&GroupRule>> = Vec::new();
    for rule in rules {
        let same = permissions.iter_mut().find(|p| p.first().is_some_and(|first| first.same_ports(rule)));
        match same {
            Some(permission) => permission.push(rule),
            None => permissions.push(vec![rule]),
        }
    }
    xml.list(name, permissions, |xml, permission| {
        if let Some(first) = permission.first() {
            xml.text("ipProtocol", &first.protocol)
                .maybe("fromPort", first.from_port)
                .maybe("toPort", first.to_port);
        }
        let groups = permission.iter().filter_map(|rule| match &rule.peer {
            Peer::Group { id, owner } => Some((id, owner, &rule.description)),
            Peer::V4(_) | Peer::V6(_) => None,
        });
        xml.list("groups", groups, |xml, (id, of, description)| {
            let of = if of.is_empty() { owner } else { of };
            xml.text("userId", of).text("groupId", id).maybe("description", description.as_ref());
        });
        let v4 = permission.iter().filter_map(|rule| match &rule.peer {
            Peer::V4(cidr) => Some((cidr, &rule.description)),
            Peer::V6(_) | Peer::Group { .. } => None,
        });
        xml.list("ipRanges", v4, |xml, (cidr, description)| {
            xml.text("cidrIp", cidr).maybe("description", description.as_ref());
        });
        let v6 = permission.iter().filter_map(|rule| match &rule.peer {
            Peer::V6(cidr) => Some((cidr, &rule.description)),
            Peer::V4(_) | Peer::Group { .. } => None,
        });
        xml.list("ipv6Ranges", v6, |xml, (cidr, description)| {
            xml.text("cidrIpv6", cidr).maybe("description", description.as_ref());
        });
        xml.list("prefixListIds", [(); 0], |_, ()| {});
    });
}

/// The rules that a request spells out: in `IpPermissions`, or one at the top level.
fn spelled(ctx: &mut Ctx<'_>, form: &Form<'_>, egress: bool) -> Result<Vec<GroupRule>, Fail> {
    let mut rules = Vec::new();
    let mut permissions = form.items("IpPermissions");
    if permissions.is_empty() && form.text("IpProtocol").is_some() {
        permissions.push(form.clone());
    }
    for permission in permissions {
        let (protocol, from_port, to_port) = ports(&permission)?;
        for (peer, description) in peers(ctx, &permission)? {
            let (id, protocol) = (ctx.ids.resource("sgr"), protocol.clone());
            let tags = Tags::new();
            rules.push(GroupRule { id, egress, protocol, from_port, to_port, peer, description, tags });
        }
    }
    if rules.is_empty() { Err(form.missing("IpPermissions")) } else { Ok(rules) }
}

/// Every protocol (`-1`) has no ports (docs.aws.amazon.com/AWSEC2/latest/APIReference/API_IpPermission.html).
fn ports(permission: &Form<'_>) -> Result<(String, Option<i32>, Option<i32>), Fail> {
    let protocol = match permission.need("IpProtocol")? {
        "6" => "tcp",
        "17" => "udp",
        "1" => "icmp",
        "all" => "-1",
        other => other,
    };
    if protocol == "-1" {
        return Ok((protocol.to_owned(), None, None));
    }
    let port = |name: &str| -> Result<Option<i32>, Fail> {
        let Some(text) = permission.text(name) else { return Ok(None) };
        let number = text.parse::<i32>().ok().filter(|port| (-1..=65535).contains(port));
        number
            .map(Some)
            .ok_or_else(|| Fail::new("InvalidParameterValue", format!("Invalid port for {name}: {text}")))
    };
    let (from, to) = (port("FromPort")?, port("ToPort")?);
    if protocol == "tcp" || protocol == "udp" {
        let (Some(from), Some(to)) = (from, to) else {
            let message = "The parameter 'fromPort' and 'toPort' must both be specified";
            return Err(Fail::new("InvalidParameterValue", message));
        };
        if from > to {
            return Err(Fail::new(
                "InvalidParameterValue",
                format!("Invalid TCP/UDP port range ({from}:{to})"),
            ));
        }
    }
    Ok((protocol.to_owned(), from, to))
}

fn peers(ctx: &mut Ctx<'_>, permission: &Form<'_>) -> Result<Vec<(Peer, Option<String>)>, Fail> {
    let malformed =
        |cidr: &str| Fail::new("InvalidParameterValue", format!("CIDR block {cidr} is malformed"));
    let described = |item: &Form<'_>| item.text("Description").map(str::to_owned);
    let mut peers = Vec::new();
    if let Some(cidr) = permission.text("CidrIp") {
        let cidr: super::Cidr = cidr.parse().map_err(|_| malformed(cidr))?;
        peers.push((Peer::V4(cidr.to_string()), None));
    }
    for range in permission.items("IpRanges") {
        let cidr = range.need("CidrIp")?;
        let cidr: super::Cidr = cidr.parse().map_err(|_| malformed(cidr))?;
        peers.push((Peer::V4(cidr.to_string()), described(&range)));
    }
    for range in permission.items("Ipv6Ranges") {
        let cidr = range.need("CidrIpv6")?;
        let (address, _length) = cidr.split_once('/').ok_or_else(|| malformed(cidr))?;
        address.parse::<std::net::Ipv6Addr>().map_err(|_| malformed(cidr))?;
        peers.push((Peer::V6(cidr.to_owned()), described(&range)));
    }
    for group in permission.items("Groups") {
        let id = group.need("GroupId")?;
        let owner = ctx.owner().to_owned();
        if !ctx.here().groups.contains_key(id) {
            return Err(Kind::Group.not_found(id));
        }
        peers.push((Peer::Group { id: id.to_owned(), owner }, described(&group)));
    }
    Ok(peers)
}

pub(crate) fn authorize_ingress(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    authorize(ctx, form, false)
}

pub(crate) fn authorize_egress(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    authorize(ctx, form, true)
}

fn authorize(ctx: &mut Ctx<'_>, form: &Form<'_>, egress: bool) -> Result<Xml, Fail> {
    let mut new = spelled(ctx, form, egress)?;
    let given = tags::given(ctx, form, Kind::GroupRule)?;
    let owner = ctx.owner();
    let group = find(ctx.here(), form)?;
    for rule in &mut new {
        rule.tags = given.clone();
        if group.rules.iter().any(|old| old.is_like(rule)) {
            let peer = match &rule.peer {
                Peer::V4(cidr) | Peer::V6(cidr) => cidr.clone(),
                Peer::Group { id, .. } => id.clone(),
            };
            let ports = match (rule.protocol.as_str(), rule.from_port, rule.to_port) {
                ("-1", _, _) => "ALL".to_owned(),
                (protocol, from, to) => format!(
                    "{}, from port: {}, to port: {}",
                    protocol.to_ascii_uppercase(),
                    from.unwrap_or(-1),
                    to.unwrap_or(-1)
                ),
            };
            return Err(Fail::new(
                "InvalidPermission.Duplicate",
                format!("the specified rule \"peer: {peer}, {ports}, ALLOW\" already exists"),
            ));
        }
        group.rules.push(rule.clone());
    }
    let mut xml = Xml::new();
    xml.text("return", true).list("securityGroupRuleSet", &new, |xml, rule| rule.xml(xml, &group.id, owner));
    Ok(xml)
}

pub(crate) fn revoke_ingress(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    revoke(ctx, form, false)
}

pub(crate) fn revoke_egress(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    revoke(ctx, form, true)
}

fn revoke(ctx: &mut Ctx<'_>, form: &Form<'_>, egress: bool) -> Result<Xml, Fail> {
    let ids = form.texts("SecurityGroupRuleId");
    let spelled = if ids.is_empty() { spelled(ctx, form, egress)? } else { Vec::new() };
    let group = find(ctx.here(), form)?;
    let mut gone = Vec::new();
    for id in ids {
        Kind::GroupRule.check(id)?;
        let found = group.rules.iter().position(|rule| rule.id == id && rule.egress == egress);
        gone.push(group.rules.remove(found.ok_or_else(|| Kind::GroupRule.not_found(id))?));
    }
    for rule in spelled {
        let found = group.rules.iter().position(|old| old.is_like(&rule)).ok_or_else(|| {
            let message = "The specified rule does not exist in this security group.";
            Fail::new("InvalidPermission.NotFound", message)
        })?;
        gone.push(group.rules.remove(found));
    }
    let mut xml = Xml::new();
    xml.text("return", true).list("unknownIpPermissionSet", [(); 0], |_, ()| {});
    xml.list("revokedSecurityGroupRuleSet", &gone, |xml, rule| {
        xml.text("securityGroupRuleId", &rule.id)
            .text("groupId", &group.id)
            .text("isEgress", rule.egress)
            .text("ipProtocol", &rule.protocol)
            .text("fromPort", rule.from_port.unwrap_or(-1))
            .text("toPort", rule.to_port.unwrap_or(-1));
        match &rule.peer {
            Peer::V4(cidr) => xml.text("cidrIpv4", cidr),
            Peer::V6(cidr) => xml.text("cidrIpv6", cidr),
            Peer::Group { id, .. } => xml.text("referencedGroupId", id),
        };
    });
    Ok(xml)
}
