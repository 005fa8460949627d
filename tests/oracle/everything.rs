//! Everything in an account that Holdfast might touch, to compare before with after.

use std::collections::{BTreeMap, BTreeSet};

use crate::moto::Account;

/// Each thing by its id, or by its kind and name, as the SDK shows it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Everything(BTreeMap<String, String>);

impl Everything {
    pub(crate) async fn of(account: &Account) -> Self {
        let mut all = Self::default();
        Box::pin(all.ec2(&account.ec2)).await;
        Box::pin(all.iam(&account.iam)).await;
        all
    }

    fn add(&mut self, id: Option<&str>, thing: &impl std::fmt::Debug) {
        self.0.insert(id.expect("an id").to_owned(), format!("{thing:#?}"));
    }

    async fn ec2(&mut self, ec2: &aws_sdk_ec2::Client) {
        for vpc in ec2.describe_vpcs().send().await.expect("VPCs").vpcs() {
            self.add(vpc.vpc_id(), vpc);
        }
        for subnet in ec2.describe_subnets().send().await.expect("subnets").subnets() {
            self.add(subnet.subnet_id(), subnet);
        }
        for gateway in ec2.describe_internet_gateways().send().await.expect("gateways").internet_gateways() {
            self.add(gateway.internet_gateway_id(), gateway);
        }
        for table in ec2.describe_route_tables().send().await.expect("route tables").route_tables() {
            self.add(table.route_table_id(), table);
        }
        for group in ec2.describe_security_groups().send().await.expect("groups").security_groups() {
            self.add(group.group_id(), group);
        }
        for reservation in ec2.describe_instances().send().await.expect("instances").reservations() {
            for instance in reservation.instances() {
                self.add(instance.instance_id(), instance);
            }
        }
        for volume in ec2.describe_volumes().send().await.expect("volumes").volumes() {
            self.add(volume.volume_id(), volume);
        }
        for card in ec2.describe_network_interfaces().send().await.expect("cards").network_interfaces() {
            self.add(card.network_interface_id(), card);
        }
        let own = ec2.describe_snapshots().owner_ids("self").send().await.expect("snapshots");
        for snapshot in own.snapshots() {
            self.add(snapshot.snapshot_id(), snapshot);
        }
    }

    async fn iam(&mut self, iam: &aws_sdk_iam::Client) {
        for role in iam.list_roles().send().await.expect("roles").roles() {
            let name = role.role_name();
            let attached = iam.list_attached_role_policies().role_name(name).send().await;
            let attached = attached.expect("policies").attached_policies;
            let inline =
                iam.list_role_policies().role_name(name).send().await.expect("policies").policy_names;
            let role = iam.get_role().role_name(name).send().await.expect("a role").role;
            // When it was last used is no part of it.
            let (trust, tags) = role.map(|role| (role.assume_role_policy_document, role.tags)).unzip();
            self.add(Some(&format!("role {name}")), &(trust, tags, attached, inline));
        }
        for profile in iam.list_instance_profiles().send().await.expect("profiles").instance_profiles() {
            let name = profile.instance_profile_name();
            let profile = iam.get_instance_profile().instance_profile_name(name).send().await;
            let profile = profile.expect("a profile").instance_profile;
            let roles = profile.as_ref().map(|profile| profile.roles().iter().map(|role| role.role_name()));
            let roles: Option<Vec<_>> = roles.map(Iterator::collect);
            self.add(
                Some(&format!("profile {name}")),
                &(roles, profile.as_ref().map(|profile| profile.tags())),
            );
        }
    }

    /// The same without any tag.
    pub(crate) fn untagged(&self) -> Self {
        let bare = |thing: &String| {
            let mut inside = false;
            let lines = thing.lines().filter(|line| {
                let starts = line.trim() == "Tag {";
                let ends = inside && line.trim() == "},";
                inside = (inside || starts) && !ends;
                !inside && !ends
            });
            let lines: Vec<&str> = lines.map(str::trim).collect();
            lines.join("\n").replace("Some(\n[],\n)", "None").replace("Some(\n[\n],\n)", "None")
        };
        Self(self.0.iter().map(|(id, thing)| (id.clone(), bare(thing))).collect())
    }

    /// The ids, and for IAM the kinds and names.
    pub(crate) fn ids(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }

    /// What is there now and was not, or is other than it was, or is there no more.
    pub(crate) fn differences(&self, before: &Self) -> Vec<String> {
        let ids: BTreeSet<&String> = self.0.keys().chain(before.0.keys()).collect();
        ids.into_iter().flat_map(|id| difference(id, before.0.get(id), self.0.get(id))).collect()
    }

    /// Nothing but terminated instances, which AWS remembers for an hour, may have come since.
    pub(crate) fn assert_same_as(&self, before: &Self, case: &str) {
        let mut now = self.clone();
        now.0.retain(|id, thing| before.0.contains_key(id) || !is_terminated(id, thing));
        let differences = now.differences(before);
        assert!(differences.is_empty(), "{case}: {}", differences.join("\n"));
    }
}

fn difference(id: &str, was: Option<&String>, is: Option<&String>) -> Vec<String> {
    let (Some(was), Some(is)) = (was, is) else {
        let change = if was.is_some() { "is gone" } else { "has come" };
        return if was == is { Vec::new() } else { vec![format!("{id} {change}")] };
    };
    let other = was.lines().zip(is.lines()).filter(|(was, is)| was != is);
    let mut other: Vec<String> =
        other.map(|(was, is)| format!("{id} was {}, is {}", was.trim(), is.trim())).collect();
    if other.is_empty() && was != is {
        other.push(format!("{id} is {is}"));
    }
    other
}

fn is_terminated(id: &str, thing: &str) -> bool {
    id.starts_with("i-") && thing.contains("Terminated")
}
