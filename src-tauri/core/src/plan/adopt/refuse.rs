//! What forbids adopting.

use super::super::winners::is_ours;
use super::super::{Blocked, Desired, Observed, Power, TAG_MACHINE, TAG_OWNER, Tags};
use super::{own_cards, own_groups};
use crate::machine::{Fact, Site, Why};

/// Something that forbids adopting an instance. Nothing has been changed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the fields are the things that the variant names")]
pub enum Refused {
    /// The instance is going or gone.
    Ended { power: Power },
    /// It was not bought on demand, so AWS may end it.
    Market { kind: String },
    /// It runs Windows.
    Windows,
    /// Its disk is not a volume, so it cannot be stopped.
    NoVolume,
    /// Something of it belongs to somebody else, as its tags say.
    Claimed { resource: String, claim: String },
    /// The machine has an instance already.
    Another { instance: String },
    /// Something that is not part of it carries the machine's tag already.
    Remains { resource: String },
    /// It has no instance profile, so nobody can reach it.
    NoProfile,
    /// The account does not let us look at its instance profile or role.
    Unseen { why: Why },
    /// Its instance profile has no role, or one that the settings could not name.
    OddProfile { profile: String },
    /// It has another number of security groups than one.
    Groups { groups: Vec<String> },
    /// Its security group is the one that came with the VPC.
    DefaultGroup { group: String },
    /// Its security group is not its alone.
    SharedGroup { group: String, with: Vec<String> },
    /// What would be left then is blocked.
    Blocked { because: Blocked },
}

impl Refused {
    /// Why, as a sentence without its full stop, and what to do about it.
    pub fn words(&self, id: &str) -> (String, Option<String>) {
        let own_group = || {
            Some(format!(
                "give it one of its own: aws ec2 modify-instance-attribute --instance-id {id} --groups SG-ID"
            ))
        };
        match self {
            Self::Ended { power: Power::Terminated } => ("it is gone".to_owned(), None),
            Self::Ended { .. } => ("it is going away for ever".to_owned(), None),
            Self::Market { kind } => (
                format!("it is a {kind} instance, which AWS takes back when it wants to"),
                Some("a machine that is always on is bought on demand: holdfast up".to_owned()),
            ),
            Self::Windows => ("it runs Windows".to_owned(), None),
            Self::NoVolume => ("its disk is not a volume, and goes when it is stopped".to_owned(), None),
            Self::Claimed { resource, claim } => (format!("{resource} {claim}"), None),
            Self::Another { instance } => (
                format!("the machine has an instance already: {instance}"),
                Some("name another machine: holdfast --machine NAME adopt".to_owned()),
            ),
            Self::Remains { resource } => (
                format!("{resource} carries the machine's tag already, and is not part of it"),
                Some("remove what is left of the machine first: holdfast destroy".to_owned()),
            ),
            Self::NoProfile => (
                "it has no instance profile, so Session Manager cannot reach it".to_owned(),
                Some(format!(
                    "give it one: aws ec2 associate-iam-instance-profile --instance-id {id} --iam-instance-profile Name=NAME"
                )),
            ),
            Self::Unseen { why } => {
                let why = match why {
                    Why::NotLooked => String::new(),
                    Why::Denied(action) => format!(": {action} is denied"),
                    Why::Failed(words) => format!(": {words}"),
                };
                (format!("its instance profile or role cannot be seen{why}"), None)
            }
            Self::OddProfile { profile } => (format!("its instance profile {profile} has no role"), None),
            Self::Groups { groups } => (
                format!("it has {} security groups, and Holdfast looks after one", groups.len()),
                own_group(),
            ),
            Self::DefaultGroup { group } => {
                (format!("its security group {group} is the default one of its VPC"), own_group())
            }
            Self::SharedGroup { group, with } => {
                (format!("its security group {group} serves others, too: {}", with.join(", ")), own_group())
            }
            Self::Blocked { .. } => ("what there would be then is blocked".to_owned(), None),
        }
    }
}

/// Whose a thing is by its tags, when it is not ours, as the end of a sentence.
///
/// Tags that begin with `aws:` are given by a service of AWS, which then looks after the thing; those of launch templates and backups
/// only say where it came from.
/// Source: <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html>,
/// <https://docs.aws.amazon.com/tag-editor/latest/userguide/tagging.html>
pub(super) fn foreign_claim(key: &str, tags: &Tags) -> Option<String> {
    if let Some(stack) = tags.get("aws:cloudformation:stack-name") {
        return Some(format!(
            "belongs to the CloudFormation stack {stack}, which would change it back or delete it"
        ));
    }
    if let Some(group) = tags.get("aws:autoscaling:groupName") {
        return Some(format!("belongs to the Auto Scaling group {group}, which replaces what is stopped"));
    }
    let harmless = ["aws:ec2launchtemplate:", "aws:backup:", "aws:createdBy"];
    let of_aws = tags
        .keys()
        .find(|tag| tag.starts_with("aws:") && !harmless.iter().any(|harmless| tag.starts_with(harmless)));
    if let Some(tag) = of_aws {
        return Some(format!("has the tag {tag}, so a service of AWS looks after it"));
    }
    let machine = tags.get(TAG_MACHINE).filter(|_| !is_ours(key, tags))?;
    Some(format!("belongs to another machine of Holdfast's: {machine}"))
}

pub(super) fn refusals(desired: &Desired, observed: &Observed, site: &Site) -> Vec<Refused> {
    let instance = &site.instance;
    if matches!(instance.power, Power::ShuttingDown | Power::Terminated) {
        return vec![Refused::Ended { power: instance.power }];
    }
    let mut refused = Vec::new();
    refused.extend(site.market.iter().map(|kind| Refused::Market { kind: kind.clone() }));
    if site.windows {
        refused.push(Refused::Windows);
    }
    let root = instance.root.as_ref().map(|root| &root.id);
    let root = site.volumes.iter().find(|volume| Some(&volume.id) == root);
    if root.is_none() {
        refused.push(Refused::NoVolume);
    }
    refused.extend(claims(desired, observed, site));
    refused.extend(remains(desired, observed, site));
    match &site.identity {
        Fact::Absent => refused.push(Refused::NoProfile),
        Fact::Unknown(why) => refused.push(Refused::Unseen { why: why.clone() }),
        Fact::Present(identity) if identity.role.is_none() => {
            refused.push(Refused::OddProfile { profile: identity.profile.name.clone() });
        }
        Fact::Present(_) => {}
    }
    refused.extend(groups(site));
    refused
}

/// What says that instance, volume or group are somebody else's: those are taken or nothing is.
fn claims(desired: &Desired, observed: &Observed, site: &Site) -> Vec<Refused> {
    let key = desired.key();
    let root = site.instance.root.as_ref().map(|root| &root.id);
    let volumes = site.volumes.iter().filter(|volume| Some(&volume.id) == root);
    let things = [(site.instance.id.as_str(), &site.instance.tags)].into_iter();
    let things = things.chain(volumes.map(|volume| (volume.id.as_str(), &volume.tags)));
    let things = things.chain(own_groups(site).map(|group| (group.id.as_str(), &group.tags)));
    let caller = observed.caller.present().map(crate::machine::Owner::as_str);
    let claim = |tags: &Tags| {
        foreign_claim(&key, tags).or_else(|| {
            let owner = tags.get(TAG_OWNER).filter(|owner| Some(owner.as_str()) != caller)?;
            Some(format!("belongs to {owner}"))
        })
    };
    let claimed = things
        .filter_map(|(id, tags)| Some(Refused::Claimed { resource: id.to_owned(), claim: claim(tags)? }));
    claimed.collect()
}

/// What carries the machine's tag and is not part of the site: the machine exists, or something is left of it.
fn remains(desired: &Desired, observed: &Observed, site: &Site) -> Option<Refused> {
    let key = desired.key();
    let ours = |tags: &Tags| is_ours(&key, tags);
    let mut instances = observed
        .instances
        .all()
        .iter()
        .filter(|i| ours(&i.tags) && i.id != site.instance.id && i.power != Power::Terminated);
    if let Some(other) = instances.next() {
        return Some(Refused::Another { instance: other.id.to_string() });
    }
    let remains = |resource: String| Some(Refused::Remains { resource });
    let mut vpcs = observed.vpcs.all().iter().filter(|vpc| ours(&vpc.tags) && vpc.id != site.vpc.id);
    if let Some(vpc) = vpcs.next() {
        return remains(vpc.id.to_string());
    }
    let here = |vpc: Option<&crate::names::VpcId>| vpc == Some(&site.vpc.id);
    let mut gateways = observed.gateways.all().iter().filter(|g| ours(&g.tags) && !here(g.vpc.as_ref()));
    if let Some(gateway) = gateways.next() {
        return remains(gateway.id.to_string());
    }
    let foreign_group = |id: &crate::names::GroupId| !own_groups(site).any(|own| &own.id == id);
    let mut groups = observed.groups.all().iter().filter(|g| ours(&g.tags) && foreign_group(&g.id));
    if let Some(group) = groups.next() {
        return remains(group.id.to_string());
    }
    let identity = site.identity.present();
    let profile = observed.profile.present().filter(|profile| ours(&profile.tags));
    let profile = profile.filter(|p| identity.is_none_or(|identity| identity.profile.name != p.name));
    if let Some(profile) = profile {
        return remains(profile.name.clone());
    }
    let role = observed.role.present().filter(|role| ours(&role.tags));
    let its = identity.and_then(|identity| identity.role.as_ref());
    role.filter(|role| its.is_none_or(|its| its.name != role.name))
        .and_then(|role| remains(role.name.clone()))
}

fn groups(site: &Site) -> Vec<Refused> {
    let own: Vec<_> = own_groups(site).collect();
    let [group] = own[..] else {
        let groups = own.iter().map(|group| group.id.to_string()).collect();
        return vec![Refused::Groups { groups }];
    };
    let id = || group.id.to_string();
    if site.groups.iter().any(|named| named.group.id == group.id && named.name == "default") {
        return vec![Refused::DefaultGroup { group: id() }];
    }
    let own: Vec<_> = own_cards(site).map(|card| &card.id).collect();
    let others = site.cards.iter().filter(|card| card.groups.contains(&group.id) && !own.contains(&&card.id));
    let with: Vec<String> = others
        .map(|card| card.instance.as_ref().map_or_else(|| card.id.to_string(), ToString::to_string))
        .collect();
    if with.is_empty() { Vec::new() } else { vec![Refused::SharedGroup { group: id(), with }] }
}
