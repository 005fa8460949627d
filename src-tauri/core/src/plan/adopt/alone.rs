//! What is the machine's alone, and so can become the machine's.

use super::super::winners::is_ours;
use super::super::{DENY_POLICY, Desired};
use super::own_groups;
use super::refuse::foreign_claim;
use crate::machine::{Card, Group, Identity, Role, Site};

/// Why the network is not the machine's alone; empty when it is.
pub(super) fn network(desired: &Desired, site: &Site) -> Vec<String> {
    let mut why = Vec::new();
    let key = desired.key();
    if desired.subnet.as_ref() == Some(&site.subnet) {
        why.push("the settings name its subnet as the company's".to_owned());
    }
    if site.default_vpc {
        why.push("it is the account's default VPC".to_owned());
    }
    let shared = |what: &str, ids: Vec<String>| {
        (!ids.is_empty()).then(|| format!("{what} is in it, too: {}", ids.join(", ")))
    };
    let mine = |card: &&Card| card.instance.as_ref() != Some(&site.instance.id);
    let cards = site.cards.iter().filter(mine);
    why.extend(shared(
        "something else",
        cards
            .map(|card| card.instance.as_ref().map_or_else(|| card.id.to_string(), ToString::to_string))
            .collect(),
    ));
    let subnets = site.subnets.iter().filter(|subnet| subnet.id != site.subnet);
    why.extend(shared("another subnet", subnets.map(|subnet| subnet.id.to_string()).collect()));
    let own_group = |group: &Group| own_groups(site).any(|own| own.id == group.id);
    let groups = site.groups.iter().filter(|named| named.name != "default" && !own_group(&named.group));
    why.extend(shared("another security group", groups.map(|named| named.group.id.to_string()).collect()));
    let tables = site.tables.iter().filter(|table| !table.main && !table.table.serves(&site.subnet));
    why.extend(shared("another route table", tables.map(|table| table.table.id.to_string()).collect()));
    let elsewhere = site.tables.iter().filter(|table| !table.plain).map(|table| table.table.id.to_string());
    let elsewhere: Vec<String> = elsewhere.collect();
    if !elsewhere.is_empty() {
        why.push(format!("it leads to other networks: {}", elsewhere.join(", ")));
    }
    if site.gateways.len() > 1 {
        why.push("it has several gateways".to_owned());
    }
    let tagged = [(site.vpc.id.as_str(), &site.vpc.tags)].into_iter();
    let tagged = tagged.chain(site.subnets.iter().map(|subnet| (subnet.id.as_str(), &subnet.tags)));
    let tagged = tagged.chain(site.gateways.iter().map(|gateway| (gateway.id.as_str(), &gateway.tags)));
    let tagged = tagged.chain(site.tables.iter().map(|table| (table.table.id.as_str(), &table.table.tags)));
    why.extend(tagged.filter_map(|(id, tags)| Some(format!("{id} {}", foreign_claim(&key, tags)?))));
    why
}

/// Role and instance profile, and why they are not the machine's alone.
pub(super) struct Belongs<'a> {
    pub(super) identity: Option<&'a Identity>,
    pub(super) role: Option<&'a Role>,
    pub(super) not: Vec<String>,
}

pub(super) fn identity<'a>(desired: &Desired, site: &'a Site) -> Belongs<'a> {
    let Some(identity) = site.identity.present() else {
        return Belongs { identity: None, role: None, not: Vec::new() };
    };
    let Identity { profile, role, trust, shared_with } = identity;
    let key = desired.key();
    let mut not = Vec::new();
    let named = desired.instance_profile.as_ref().is_some_and(|name| name.as_str() == profile.name);
    if named && !is_ours(&key, &profile.tags) {
        not.push("the settings name it as the company's".to_owned());
    }
    if let Some(role) = role {
        if !trusts_ec2_alone(desired, trust) {
            not.push(format!("others than EC2 may assume its role {}, or under conditions", role.name));
        }
        let name = |arn: &String| arn.rsplit('/').next().unwrap_or(arn).to_owned();
        let managed = role.managed.iter().filter(|arn| **arn != desired.managed_policy()).map(name);
        let inline = role.inline.keys().filter(|policy| *policy != DENY_POLICY).cloned();
        let policies: Vec<String> = managed.chain(inline).collect();
        if !policies.is_empty() {
            not.push(format!("its role {} has more rights: {}", role.name, policies.join(", ")));
        }
        not.extend(foreign_claim(&key, &role.tags).map(|claim| format!("its role {} {claim}", role.name)));
    }
    not.extend(foreign_claim(&key, &profile.tags).map(|claim| format!("it {claim}")));
    if !shared_with.is_empty() {
        not.push(format!("it serves others, too: {}", shared_with.join(", ")));
    }
    Belongs { identity: Some(identity), role: role.as_ref(), not }
}

impl Belongs<'_> {
    /// Role and profile, where they become the machine's.
    pub(super) fn taken(&self) -> Option<(&Role, &Identity)> {
        self.role.zip(self.identity).filter(|_| self.not.is_empty())
    }

    /// Whether they have the names that Holdfast would have given them.
    pub(super) fn has_our_names(&self, desired: &Desired) -> bool {
        self.taken().is_some_and(|(role, identity)| {
            identity.profile.name == desired.own_profile_name() && role.name == desired.role_name()
        })
    }
}

/// Whether a trust policy lets EC2, and nobody else, assume the role.
fn trusts_ec2_alone(desired: &Desired, trust: &serde_json::Value) -> bool {
    // A list of one is the same as that one.
    let only = |value: &serde_json::Value| match value.as_array().map(Vec::as_slice) {
        Some([one]) => one.clone(),
        Some(_) | None => value.clone(),
    };
    let statement = only(&trust["Statement"]);
    let Some(fields) = statement.as_object() else { return false };
    let known = ["Sid", "Effect", "Principal", "Action"];
    let principal = statement["Principal"].as_object().filter(|principal| principal.len() == 1);
    fields.keys().all(|field| known.contains(&field.as_str()))
        && statement["Effect"] == "Allow"
        && only(&statement["Action"]) == "sts:AssumeRole"
        && principal
            .is_some_and(|p| p.get("Service").map(&only) == Some(desired.region.ec2_principal().into()))
}
