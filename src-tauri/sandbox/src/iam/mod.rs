//! IAM: roles and instance profiles.

mod policy;
mod profile;
mod role;

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::{Deserialize, Serialize};

pub use policy::LIFECYCLE_POLICY;
pub(crate) use policy::{Trust, Wish, allows, documents, permits, role, texts_of, trust, trusts};
pub use profile::Profile;
pub(crate) use profile::no_profile;
pub use role::Role;
pub(crate) use role::no_role;

use crate::conditions::Conditions;
use crate::wire::{Fail, Form, Xml};
use crate::world::{Ctx, Tags};

/// The policy that lets the SSM agent work.
pub const CORE_POLICY: &str = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";

/// An account's roles and instance profiles, by name.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Iam {
    pub roles: BTreeMap<String, Role>,
    pub profiles: BTreeMap<String, Profile>,
}

/// AWS's own policies that may be attached.
const MANAGED: [&str; 7] = [
    CORE_POLICY,
    LIFECYCLE_POLICY,
    "arn:aws:iam::aws:policy/AdministratorAccess",
    "arn:aws:iam::aws:policy/AmazonSSMPatchAssociation",
    "arn:aws:iam::aws:policy/CloudWatchAgentServerPolicy",
    "arn:aws:iam::aws:policy/PowerUserAccess",
    "arn:aws:iam::aws:policy/ReadOnlyAccess",
];

type Run = fn(&mut Ctx<'_>, &Form<'_>) -> Result<Xml, Fail>;

const OPERATIONS: &[(&str, Run)] = &[
    ("AddRoleToInstanceProfile", profile::add_role),
    ("AttachRolePolicy", role::attach_policy),
    ("CreateInstanceProfile", profile::create),
    ("CreateRole", role::create),
    ("DeleteInstanceProfile", profile::delete),
    ("DeleteRole", role::delete),
    ("DeleteRolePermissionsBoundary", role::delete_boundary),
    ("DeleteRolePolicy", role::delete_policy),
    ("DetachRolePolicy", role::detach_policy),
    ("GetInstanceProfile", profile::get),
    ("GetRole", role::get),
    ("GetRolePolicy", role::get_policy),
    ("ListAttachedRolePolicies", role::list_attached),
    ("ListInstanceProfileTags", profile::list_tags),
    ("ListInstanceProfilesForRole", profile::list_for_role),
    ("ListRolePolicies", role::list_policies),
    ("ListRoleTags", role::list_tags),
    ("PutRolePermissionsBoundary", role::put_boundary),
    ("PutRolePolicy", role::put_policy),
    ("RemoveRoleFromInstanceProfile", profile::remove_role),
    ("TagInstanceProfile", profile::tag),
    ("TagRole", role::tag),
    ("UntagInstanceProfile", profile::untag),
    ("UntagRole", role::untag),
    ("UpdateAssumeRolePolicy", role::update_trust),
];

/// Does one call.
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str, form: &Form<'_>) -> Result<Xml, Fail> {
    match OPERATIONS.iter().find(|(name, _)| *name == operation) {
        Some((_, run)) => run(ctx, form),
        None => Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in IAM."),
        )),
    }
}

/// The ARN that a denial of this call names.
pub(crate) fn resource(account: &str, form: &Form<'_>) -> String {
    match (form.text("RoleName"), form.text("InstanceProfileName")) {
        (_, Some(name)) => format!("instance profile {name}"),
        (Some(name), None) => format!("role {name}"),
        (None, None) => format!("arn:aws:iam::{account}:*"),
    }
}

fn need<'a>(form: &Form<'a>, name: &str) -> Result<&'a str, Fail> {
    form.text(name).ok_or_else(|| {
        let mut member = name.to_owned();
        if let Some(first) = member.get_mut(0..1) {
            first.make_ascii_lowercase();
        }
        Fail::new(
            "ValidationError",
            format!("1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must not be null"),
        )
    })
}

/// A name of at most `most` characters (docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html).
fn name<'a>(form: &Form<'a>, parameter: &str, most: usize) -> Result<&'a str, Fail> {
    let name = need(form, parameter)?;
    let mut member = parameter.to_owned();
    if let Some(first) = member.get_mut(0..1) {
        first.make_ascii_lowercase();
    }
    if name.len() > most {
        return Err(Fail::new(
            "ValidationError",
            format!(
                "1 validation error detected: Value at '{member}' failed to satisfy constraint: Member must have \
                 length less than or equal to {most}"
            ),
        ));
    }
    if !name.chars().all(|c| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c)) {
        return Err(Fail::new(
            "ValidationError",
            format!(
                "The specified value for {member} is invalid. It must contain only alphanumeric characters and/or the \
                 following: +=,.@_-"
            ),
        ));
    }
    Ok(name)
}

fn path(form: &Form<'_>) -> Result<String, Fail> {
    let path = form.text("Path").unwrap_or("/");
    if path.starts_with('/') && path.ends_with('/') && path.len() <= 512 {
        return Ok(path.to_owned());
    }
    Err(Fail::new(
        "ValidationError",
        "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric \
         characters and/or / characters.",
    ))
}

/// A JSON object with statements; more is not checked.
fn policy<'a>(form: &Form<'a>, parameter: &str) -> Result<&'a str, Fail> {
    let text = need(form, parameter)?;
    let parsed: Result<serde_json::Value, _> = serde_json::from_str(text);
    match parsed {
        Ok(value) if value.get("Statement").is_some() => Ok(text),
        Ok(_) => Err(Fail::new("MalformedPolicyDocument", "Syntax errors in policy.")),
        Err(_) => Err(Fail::new("MalformedPolicyDocument", "This policy contains invalid Json")),
    }
}

/// A policy document as IAM answers it: URL-encoded after RFC 3986
/// (docs.aws.amazon.com/IAM/latest/APIReference/API_GetRolePolicy.html).
fn encoded(document: &str) -> String {
    const SET: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    utf8_percent_encode(document, SET).to_string()
}

fn policy_exists(conditions: &Conditions, arn: &str) -> bool {
    MANAGED.contains(&arn) || conditions.policies.contains_key(arn)
}

/// Adds tags; at most 50 (docs.aws.amazon.com/IAM/latest/UserGuide/id_tags.html).
fn add_tags(form: &Form<'_>, tags: &mut Tags) -> Result<(), Fail> {
    let mut seen = Vec::new();
    for tag in form.items("Tags") {
        let key = need(&tag, "Key")?;
        if key.to_ascii_lowercase().starts_with("aws:") {
            return Err(Fail::new("InvalidInput", "System tags cannot be added/updated by requester."));
        }
        if seen.contains(&key) {
            let message = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
            return Err(Fail::new("InvalidInput", message));
        }
        seen.push(key);
        tags.insert(key.to_owned(), tag.raw("Value").unwrap_or_default().to_owned());
    }
    if tags.len() > 50 {
        return Err(Fail::new("LimitExceeded", "Cannot exceed quota for TagsPerResource: 50"));
    }
    Ok(())
}

fn tags_xml(xml: &mut Xml, tags: &Tags) {
    xml.members("Tags", tags, |xml, (key, value)| {
        xml.text("Key", key).text("Value", value);
    });
}

/// A list that ends here: the sandbox never makes a second page of these short lists.
fn whole(mut xml: Xml) -> Xml {
    xml.text("IsTruncated", false);
    xml
}
