//! Instance profiles.

use serde::{Deserialize, Serialize};

use super::{Iam, add_tags, name, no_role, path, tags_xml, whole};
use crate::clock::At;
use crate::wire::{Fail, Form, Service, Xml};
use crate::world::{Ctx, Tags};

/// An instance profile.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Profile {
    pub name: String,
    pub path: String,
    pub id: String,
    pub arn: String,
    pub created: At,
    /// The role's name, and since when it is in.
    pub role: Option<(String, At)>,
    pub tags: Tags,
}

impl Profile {
    fn xml(&self, xml: &mut Xml, iam: &Iam) {
        let role = self.role.as_ref().and_then(|(role, _)| iam.roles.get(role));
        xml.text("Path", &self.path)
            .text("InstanceProfileName", &self.name)
            .text("InstanceProfileId", &self.id)
            .text("Arn", &self.arn)
            .text("CreateDate", self.created.iso_seconds())
            .members("Roles", role, |xml, role| role.xml(xml, false));
        if !self.tags.is_empty() {
            tags_xml(xml, &self.tags);
        }
    }
}

pub(crate) fn no_profile(name: &str) -> Fail {
    Fail::new("NoSuchEntity", format!("Instance Profile {name} cannot be found."))
}

fn find<'a>(ctx: &'a mut Ctx<'_>, form: &Form<'_>) -> Result<&'a mut Profile, Fail> {
    let name = name(form, "InstanceProfileName", 128)?;
    ctx.account.iam.profiles.get_mut(name).ok_or_else(|| no_profile(name))
}

pub(super) fn create(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let name = name(form, "InstanceProfileName", 128)?;
    let path = path(form)?;
    if ctx.account.iam.profiles.contains_key(name) {
        return Err(Fail::new("EntityAlreadyExists", format!("Instance Profile {name} already exists.")));
    }
    let mut tags = Tags::new();
    add_tags(form, &mut tags)?;
    let profile = Profile {
        arn: format!("arn:aws:iam::{}:instance-profile{path}{name}", ctx.owner()),
        name: name.to_owned(),
        path,
        id: ctx.ids.principal("AIPA"),
        created: ctx.now,
        role: None,
        tags,
    };
    let mut xml = Xml::new();
    xml.node("InstanceProfile", |xml| profile.xml(xml, &ctx.account.iam));
    ctx.account.iam.profiles.insert(profile.name.clone(), profile);
    Ok(xml)
}

pub(super) fn get(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let profile = find(ctx, form)?.clone();
    let mut xml = Xml::new();
    xml.node("InstanceProfile", |xml| profile.xml(xml, &ctx.account.iam));
    Ok(xml)
}

/// A profile holds one role, and the quota cannot be raised
/// (docs.aws.amazon.com/IAM/latest/APIReference/API_AddRoleToInstanceProfile.html). It needs `iam:PassRole`.
pub(super) fn add_role(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = name(form, "RoleName", 64)?;
    let now = ctx.now;
    find(ctx, form)?;
    let arn = ctx.account.iam.roles.get(role).ok_or_else(|| no_role(role))?.arn.clone();
    if !ctx.caller.may(Service::Iam, "PassRole") {
        return Err(ctx.caller.denial(Service::Iam, "iam:PassRole", &arn));
    }
    let profile = find(ctx, form)?;
    if profile.role.is_some() {
        let message = "Cannot exceed quota for InstanceSessionsPerInstanceProfile: 1";
        return Err(Fail::new("LimitExceeded", message));
    }
    profile.role = Some((role.to_owned(), now));
    Ok(Xml::new())
}

pub(super) fn remove_role(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = name(form, "RoleName", 64)?;
    let profile = find(ctx, form)?;
    match &profile.role {
        Some((have, _)) if have == role => profile.role = None,
        Some(_) | None => return Err(no_role(role)),
    }
    Ok(Xml::new())
}

pub(super) fn delete(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let profile = find(ctx, form)?;
    if profile.role.is_some() {
        let message = "Cannot delete entity, must remove roles from instance profile first.";
        return Err(Fail::new("DeleteConflict", message));
    }
    let name = profile.name.clone();
    ctx.account.iam.profiles.remove(&name);
    Ok(Xml::new())
}

pub(super) fn tag(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    add_tags(form, &mut find(ctx, form)?.tags)?;
    Ok(Xml::new())
}

pub(super) fn untag(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let profile = find(ctx, form)?;
    for key in form.texts("TagKeys") {
        profile.tags.remove(key);
    }
    Ok(Xml::new())
}

pub(super) fn list_tags(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let mut xml = Xml::new();
    tags_xml(&mut xml, &find(ctx, form)?.tags);
    Ok(whole(xml))
}

pub(super) fn list_for_role(ctx: &mut Ctx<'_>, form: &Form<'_>) -> Result<Xml, Fail> {
    let role = name(form, "RoleName", 64)?;
    let iam = &ctx.account.iam;
    if !iam.roles.contains_key(role) {
        return Err(no_role(role));
    }
    let holding = |profile: &&Profile| profile.role.as_ref().is_some_and(|(name, _)| name == role);
    let mut xml = Xml::new();
    xml.members("InstanceProfiles", iam.profiles.values().filter(holding), |xml, profile| {
        profile.xml(xml, iam);
    });
    Ok(whole(xml))
}
