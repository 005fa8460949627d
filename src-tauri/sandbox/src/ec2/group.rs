//! Security groups.

use serde::{Deserialize, Serialize};

use super::permission::{self, GroupRule, Peer};
use super::select::Select;
use super::{Kind, ok, row, tags};
use crate::ids::Ids;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Region, Tags};

/// A security group.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Group {
    pub id: String,
    pub name: String,
    pub description: String,
    pub vpc: String,
    pub rules: Vec<GroupRule>,
    pub tags: Tags,
}

row!(Group);
row!(GroupRule);

impl Group {
    /// The group that comes with a VPC: members may talk to each other, and out
    /// (docs.aws.amazon.com/vpc/latest/userguide/default-security-group.html).
    pub(crate) fn default_of(ids: &mut Ids, owner: &str, vpc: &str) -> Self {
        let id = ids.resource("sg");
        let own = Peer::Group { id: id.clone(), owner: owner.to_owned() };
        Self {
            rules: vec![
                GroupRule::everything(ids, false, own),
                GroupRule::everything(ids, true, Peer::anyone()),
            ],
            id,
            name: "default".to_owned(),
            description: "default VPC security group".to_owned(),
            vpc: vpc.to_owned(),
            tags: Tags::new(),
        }
    }

    /// Whether it is the VPC's own group, which cannot be deleted.
    pub fn is_default(&self) -> bool {
        self.name == "default"
    }

    /// Whether it lets a connection to this TCP port go out to the internet.
    pub(crate) fn lets_out(&self, port: u16) -> bool {
        self.rules.iter().any(|rule| rule.egress && rule.peer == Peer::anyone() && rule.covers(port))
    }

    fn xml(&self, xml: &mut Xml, region: &str, owner: &str) {
        xml.text("groupId", &self.id)
            .text("groupName", &self.name)
            .text("groupDescription", &self.description)
            .text("ownerId", owner)
            .text("vpcId", &self.vpc)
            .text("securityGroupArn", arn(region, owner, &self.id));
        for (name, egress) in [("ipPermissions", false), ("ipPermissionsEgress", true)] {
            permission::xml(xml, name, owner, self.rules.iter().filter(|rule| rule.egress == egress));
        }
        tags::xml(xml, &self.tags);
    }
}

fn arn(region: &str, owner: &str, id: &str) -> String {
    format!("arn:aws:ec2:{region}:{owner}:security-group/{id}")
}

/// Names: docs.aws.amazon.com/AWSEC2/latest/APIReference/API_CreateSecurityGroup.html (up to 255 characters of
/// `a-z, A-Z, 0-9, spaces, and ._-:/()#,@[]+=&;{}!$*`, not beginning with `sg-`; the description has the same set).
pub(crate) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (name, description) = (form.need("GroupName")?, form.need("GroupDescription")?);
    for (parameter, text) in [("GroupName", name), ("GroupDescription", description)] {
        let allowed = |c: char| c.is_ascii_alphanumeric() || " ._-:/()#,@[]+=&;{}!$*".contains(c);
        if text.len() > 255 || !text.chars().all(allowed) {
            let why = "Valid descriptions are strings less than 256 characters from the following set:  \
                       a-zA-Z0-9. _-:/()#,@[]+=&;{}!$*";
            return Err(form.invalid(parameter, text, why));
        }
    }
    if name == "default" {
        let message = "Cannot use reserved security group name: default";
        return Err(Fail::new("InvalidParameterValue", message));
    }
    if name.starts_with("sg-") {
        return Err(form.invalid("GroupName", name, "Group names may not be in the format sg-*."));
    }
    let tags = tags::given(ctx, form, Kind::Group)?;
    let (region_name, owner) = (ctx.region, ctx.owner());
    let id = ctx.ids.resource("sg");
    let out = GroupRule::everything(ctx.ids, true, Peer::anyone());
    let region = ctx.here();
    let vpc = match form.text("VpcId") {
        Some(vpc) => {
            Kind::Vpc.check(vpc)?;
            region.vpcs.get(vpc).ok_or_else(|| Kind::Vpc.not_found(vpc))?.id.clone()
        }
        None => default_vpc(region)?,
    };
    if region.groups.values().any(|group| group.vpc == vpc && group.name == name) {
        return Err(Fail::new(
            "InvalidGroup.Duplicate",
            format!("The security group '{name}' already exists for VPC '{vpc}'"),
        ));
    }
    let group =
        Group { id, name: name.to_owned(), description: description.to_owned(), vpc, rules: vec![out], tags };
    let mut xml = Xml::new();
    xml.text("return", true).text("groupId", &group.id);
    tags::xml(&mut xml, &group.tags);
    xml.text("securityGroupArn", arn(region_name, owner, &group.id));
    region.groups.insert(group.id.clone(), group);
    Ok(xml)
}

pub(crate) fn default_vpc(region: &Region) -> Result<String, Fail> {
    let vpc = region.vpcs.values().find(|vpc| vpc.is_default);
    vpc.map(|vpc| vpc.id.clone())
        .ok_or_else(|| Fail::new("VPCIdNotSpecified", "No default VPC for this user"))
}

pub(crate) fn describe(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let (region_name, owner) = (ctx.region, ctx.owner());
    let region = &*ctx.here();
    let names = form.texts("GroupName");
    if let Some(unknown) = names.iter().find(|name| !region.groups.values().any(|group| group.name == **name))
    {
        return Err(Kind::Group.not_found(unknown));
    }
    let select = Select {
        ids: Some((Kind::Group, "GroupId")),
        filters: &["description", "group-id", "group-name", "owner-id", "vpc-id"],
        page: None,
    };
    let rows =
        region.groups.values().filter(|group| names.is_empty() || names.contains(&group.name.as_str()));
    let selection = select.from(form, rows, |group, name| {
        vec![match name {
            "description" => group.description.clone(),
            "group-name" => group.name.clone(),
            "owner-id" => owner.to_owned(),
            "vpc-id" => group.vpc.clone(),
            _ => group.id.clone(),
        }]
    })?;
    Ok(selection.xml("securityGroupInfo", |xml, group| group.xml(xml, region_name, owner)))
}

pub(crate) fn describe_rules(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let owner = ctx.owner();
    let region = &*ctx.here();
    let mut rules: Vec<(&GroupRule, &Group)> =
        region.groups.values().flat_map(|group| group.rules.iter().map(move |rule| (rule, group))).collect();
    rules.sort_by(|(a, _), (b, _)| a.id.cmp(&b.id));
    let group_of = |id: &str| rules.iter().find(|(rule, _)| rule.id == id).map(|(_, group)| *group);
    let select = Select {
        ids: Some((Kind::GroupRule, "SecurityGroupRuleId")),
        filters: &["group-id", "security-group-rule-id"],
        page: None,
    };
    let selection = select.from(form, rules.iter().map(|(rule, _)| *rule), |rule, name| match name {
        "group-id" => group_of(&rule.id).map(|group| group.id.clone()).into_iter().collect(),
        _ => vec![rule.id.clone()],
    })?;
    Ok(selection.xml("securityGroupRuleSet", |xml, rule| {
        if let Some(group) = group_of(&rule.id) {
            rule.xml(xml, &group.id, owner);
        }
    }))
}

/// The group that a request names by its id, or (in the default VPC) by its name.
pub(crate) fn find<'a>(region: &'a mut Region, form: &Form<'_>) -> Result<&'a mut Group, Fail> {
    match (form.text("GroupId"), form.text("GroupName")) {
        (Some(id), _) => {
            Kind::Group.check(id)?;
            region.groups.get_mut(id).ok_or_else(|| Kind::Group.not_found(id))
        }
        (None, Some(name)) => {
            let vpc = default_vpc(region)?;
            let mut groups = region.groups.values_mut();
            groups
                .find(|group| group.vpc == vpc && group.name == name)
                .ok_or_else(|| Kind::Group.not_found(name))
        }
        (None, None) => Err(form.missing("GroupId")),
    }
}

pub(crate) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let region = ctx.here();
    let group = find(region, form)?.clone();
    if group.is_default() {
        return Err(Fail::new(
            "CannotDelete",
            format!("the specified group: \"{}\" name: \"default\" cannot be deleted by a user", group.id),
        ));
    }
    let referred = region.groups.values().filter(|other| other.id != group.id).any(|other| {
        other.rules.iter().any(|rule| matches!(&rule.peer, Peer::Group { id, .. } if *id == group.id))
    });
    let attached = region.interfaces.values().any(|interface| interface.groups.contains(&group.id));
    if referred || attached {
        let message = format!("resource {} has a dependent object", group.id);
        return Err(Fail::new("DependencyViolation", message));
    }
    region.groups.remove(&group.id);
    let mut xml = ok();
    xml.text("groupId", &group.id);
    Ok(xml)
}
