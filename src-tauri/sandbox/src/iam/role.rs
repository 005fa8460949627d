//! Roles.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{add_tags, encoded, name, need, path, policy, policy_exists, tags_xml, whole};
use crate::clock::At;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

/// A role.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Role {
    pub name: String,
    pub path: String,
    pub id: String,
    pub arn: String,
    pub created: At,
    pub trust: String,
    pub description: Option<String>,
    pub max_session: u32,
    /// The permissions boundary's ARN.
    pub boundary: Option<String>,
    /// ARNs of attached policies.
    pub attached: BTreeSet<String>,
    /// Inline policies: name and document.
    pub inline: BTreeMap<String, String>,
    pub tags: Tags,
}

impl Role {
    pub(crate) fn xml(&self, xml: &mut Xml, with_tags: bool) {
        xml.text("Path", &self.path)
            .text("RoleName", &self.name)
            .text("RoleId", &self.id)
            .text("Arn", &self.arn)
            .text("CreateDate", self.created.iso_seconds())
            .text("AssumeRolePolicyDocument", encoded(&self.trust))
            .maybe("Description", self.description.as_ref())
            .text("MaxSessionDuration", self.max_session);
        if let Some(boundary) = &self.boundary {
            xml.node("PermissionsBoundary", |xml| {
                xml.text("PermissionsBoundaryType", "Policy").text("PermissionsBoundaryArn", boundary);
            });
        }
        if with_tags && !self.tags.is_empty() {
            tags_xml(xml, &self.tags);
        }
    }
}

pub(crate) fn no_role(name: &str) -> Fail {
    Fail::new("NoSuchEntity", format!("The role with name {name} cannot be found."))
}

fn find<'a>(ctx: &'a mut Ctx<'_>, form: &Form<'_>) -> Result<&'a mut Role, Fail> {
    let name = name(form, "RoleName", 64)?;
    ctx.account.iam.roles.get_mut(name).ok_or_else(|| no_role(name))
}

fn nothing() -> Xml {
    Xml::new()
}

pub(super) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let name = name(form, "RoleName", 64)?;
    let trust = policy(form, "AssumeRolePolicyDocument")?;
    let path = path(form)?;
    if ctx.account.iam.roles.contains_key(name) {
        return Err(Fail::new("EntityAlreadyExists", format!("Role with name {name} already exists.")));
    }
    let boundary = form.text("PermissionsBoundary");
    if let Some(arn) = boundary {
        check_boundary(ctx, arn)?;
    }
    let mut tags = Tags::new();
    add_tags(form, &mut tags)?;
    let max_session = form.text("MaxSessionDuration").and_then(|text| text.parse().ok()).unwrap_or(3600);
    let role = Role {
        arn: format!("arn:aws:iam::{}:role{path}{name}", ctx.owner()),
        name: name.to_owned(),
        path,
        id: ctx.ids.principal("AROA"),
        created: ctx.now,
        trust: trust.to_owned(),
        description: form.text("Description").map(str::to_owned),
        max_session,
        boundary: boundary.map(str::to_owned),
        attached: BTreeSet::new(),
        inline: BTreeMap::new(),
        tags,
    };
    let mut xml = Xml::new();
    xml.node("Role", |xml| role.xml(xml, true));
    ctx.account.iam.roles.insert(role.name.clone(), role);
    Ok(xml)
}

fn check_boundary(ctx: &Ctx<'_>, arn: &str) -> Result<(), Fail> {
    if policy_exists(ctx.conditions, arn) {
        return Ok(());
    }
    Err(Fail::new("NoSuchEntity", format!("Scope ARN: {arn} does not exist or is not attachable.")))
}

pub(super) fn get(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = find(ctx, form)?;
    let mut xml = Xml::new();
    xml.node("Role", |xml| {
        role.xml(xml, true);
        xml.node("RoleLastUsed", |_| {});
    });
    Ok(xml)
}

/// The conflicts in the order in which IAM finds them
/// (docs.aws.amazon.com/IAM/latest/APIReference/API_DeleteRole.html).
pub(super) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = find(ctx, form)?.clone();
    let conflict =
        |what: &str| Err(Fail::new("DeleteConflict", format!("Cannot delete entity, must {what} first.")));
    let mut profiles = ctx.account.iam.profiles.values();
    if profiles.any(|profile| profile.role.as_ref().is_some_and(|(name, _)| *name == role.name)) {
        return conflict("remove roles from instance profile");
    }
    if !role.attached.is_empty() {
        return conflict("detach all policies");
    }
    if !role.inline.is_empty() {
        return conflict("delete policies");
    }
    ctx.account.iam.roles.remove(&role.name);
    Ok(nothing())
}

pub(super) fn tag(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    add_tags(form, &mut find(ctx, form)?.tags)?;
    Ok(nothing())
}

pub(super) fn untag(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = find(ctx, form)?;
    for key in form.texts("TagKeys") {
        role.tags.remove(key);
    }
    Ok(nothing())
}

pub(super) fn list_tags(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut xml = Xml::new();
    tags_xml(&mut xml, &find(ctx, form)?.tags);
    Ok(whole(xml))
}

/// At most ten policies (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
pub(super) fn attach_policy(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let arn = need(form, "PolicyArn")?;
    let exists = policy_exists(ctx.conditions, arn);
    let role = find(ctx, form)?;
    if !exists {
        let message = format!("Policy {arn} does not exist or is not attachable.");
        return Err(Fail::new("NoSuchEntity", message));
    }
    if role.attached.len() >= 10 && !role.attached.contains(arn) {
        return Err(Fail::new("LimitExceeded", "Cannot exceed quota for PoliciesPerRole: 10"));
    }
    role.attached.insert(arn.to_owned());
    Ok(nothing())
}

pub(super) fn detach_policy(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let arn = need(form, "PolicyArn")?;
    if !find(ctx, form)?.attached.remove(arn) {
        return Err(Fail::new("NoSuchEntity", format!("Policy {arn} was not found.")));
    }
    Ok(nothing())
}

pub(super) fn list_attached(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = find(ctx, form)?;
    let mut xml = Xml::new();
    xml.members("AttachedPolicies", &role.attached, |xml, arn| {
        xml.text("PolicyName", arn.rsplit('/').next().unwrap_or(arn)).text("PolicyArn", arn);
    });
    Ok(whole(xml))
}

pub(super) fn put_policy(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let policy_name = name(form, "PolicyName", 128)?;
    let role = find(ctx, form)?;
    let document = policy(form, "PolicyDocument")?;
    role.inline.insert(policy_name.to_owned(), document.to_owned());
    Ok(nothing())
}

fn no_policy(name: &str) -> Fail {
    Fail::new("NoSuchEntity", format!("The role policy with name {name} cannot be found."))
}

pub(super) fn get_policy(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let policy_name = name(form, "PolicyName", 128)?;
    let role = find(ctx, form)?;
    let document = role.inline.get(policy_name).ok_or_else(|| no_policy(policy_name))?;
    let mut xml = Xml::new();
    xml.text("RoleName", &role.name)
        .text("PolicyName", policy_name)
        .text("PolicyDocument", encoded(document));
    Ok(xml)
}

pub(super) fn delete_policy(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let policy_name = name(form, "PolicyName", 128)?;
    find(ctx, form)?.inline.remove(policy_name).ok_or_else(|| no_policy(policy_name))?;
    Ok(nothing())
}

pub(super) fn list_policies(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = find(ctx, form)?;
    let mut xml = Xml::new();
    xml.members("PolicyNames", role.inline.keys(), |xml, name| {
        xml.value(name);
    });
    Ok(whole(xml))
}

pub(super) fn put_boundary(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let arn = need(form, "PermissionsBoundary")?;
    find(ctx, form)?;
    check_boundary(ctx, arn)?;
    find(ctx, form)?.boundary = Some(arn.to_owned());
    Ok(nothing())
}

pub(super) fn delete_boundary(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = find(ctx, form)?;
    if role.boundary.take().is_none() {
        let message = format!("Role {} does not have a permissions boundary", role.name);
        return Err(Fail::new("NoSuchEntity", message));
    }
    Ok(nothing())
}

pub(super) fn update_trust(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let document = policy(form, "PolicyDocument")?;
    document.clone_into(&mut find(ctx, form)?.trust);
    Ok(nothing())
}
