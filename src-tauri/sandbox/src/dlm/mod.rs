//! Data Lifecycle Manager: policies that make snapshots by the clock and delete the oldest.
//!
//! docs.aws.amazon.com/dlm/latest/APIReference, docs.aws.amazon.com/ebs/latest/userguide/snapshot-lifecycle.html

mod details;
mod run;
#[cfg(test)]
mod tests;

use std::fmt::Display;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use details::{Details, Schedule, Target};
pub(crate) use run::{Place, settle};

use crate::clock::At;
use crate::iam;
use crate::wire::{Fail, Json, Service};
use crate::world::{Ctx, Tags};

/// docs.aws.amazon.com/ebs/latest/userguide/snapshot-lifecycle.html#dlm-quotas
const MOST: usize = 100;

/// A lifecycle policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Policy {
    pub id: String,
    pub description: String,
    /// The ARN of the role that it acts with.
    pub role: String,
    pub state: State,
    /// Why it is in the state `ERROR`.
    pub message: Option<String>,
    pub created: At,
    pub modified: At,
    pub details: Details,
    pub tags: Tags,
}

/// What a policy does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub enum State {
    Enabled,
    Disabled,
    /// It does nothing until somebody enables it again.
    Error,
}

impl State {
    /// As the service says it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Enabled => "ENABLED",
            Self::Disabled => "DISABLED",
            Self::Error => "ERROR",
        }
    }

    /// Only the service itself sets `ERROR`.
    fn wanted(json: Json<'_>) -> Result<Option<Self>, Fail> {
        match json.text("State") {
            None => Ok(None),
            Some("ENABLED") => Ok(Some(Self::Enabled)),
            Some("DISABLED") => Ok(Some(Self::Disabled)),
            Some(other) => Err(invalid(format!("{other} is not a State: ENABLED, DISABLED."))),
        }
    }
}

impl Policy {
    fn arn(&self, region: &str, owner: &str) -> String {
        format!("arn:aws:dlm:{region}:{owner}:policy/{}", self.id)
    }

    fn summary(&self) -> Value {
        json!({
            "PolicyId": self.id,
            "Description": self.description,
            "State": self.state.name(),
            "Tags": self.tags,
            "PolicyType": "EBS_SNAPSHOT_MANAGEMENT",
            "DefaultPolicy": false,
        })
    }

    fn json(&self, region: &str, owner: &str) -> Value {
        json!({
            "PolicyId": self.id,
            "PolicyArn": self.arn(region, owner),
            "Description": self.description,
            "State": self.state.name(),
            "StatusMessage": self.message.as_deref().unwrap_or(self.state.name()),
            "ExecutionRoleArn": self.role,
            "DateCreated": self.created.iso_seconds(),
            "DateModified": self.modified.iso_seconds(),
            "PolicyDetails": self.details.json(),
            "Tags": self.tags,
            "DefaultPolicy": false,
        })
    }
}

/// Each operation's own errors: docs.aws.amazon.com/dlm/latest/APIReference/API_CreateLifecyclePolicy.html#API_CreateLifecyclePolicy_Errors.
fn invalid(message: impl Into<String>) -> Fail {
    Fail::new("InvalidRequestException", message)
}

pub(crate) fn not_found(id: &str) -> Fail {
    Fail::new("ResourceNotFoundException", format!("Policy {id} does not exist.")).with_status(404)
}

/// Refuses what the sandbox does not act on.
fn known(value: &Value, what: impl Display, members: &[&str]) -> Result<(), Fail> {
    let Some(object) = value.as_object() else { return Err(invalid(format!("{what} must be a structure."))) };
    match object.keys().find(|name| !members.contains(&name.as_str())) {
        Some(unknown) => Err(invalid(format!("The sandbox does not know {unknown} of {what}."))),
        None => Ok(()),
    }
}

type Run = fn(&mut Ctx<'_>, Json<'_>) -> Result<Value, Fail>;

const OPERATIONS: &[(&str, &[&str], Run)] = &[
    ("CreateLifecyclePolicy", &["Description", "ExecutionRoleArn", "PolicyDetails", "State", "Tags"], create),
    ("DeleteLifecyclePolicy", &["PolicyId"], delete),
    ("GetLifecyclePolicies", &["PolicyIds", "ResourceTypes", "State", "TagsToAdd", "TargetTags"], list),
    ("GetLifecyclePolicy", &["PolicyId"], get),
    ("ListTagsForResource", &["ResourceArn"], list_tags),
    ("TagResource", &["ResourceArn", "Tags"], tag),
    ("UntagResource", &["ResourceArn", "TagKeys"], untag),
    (
        "UpdateLifecyclePolicy",
        &["Description", "ExecutionRoleArn", "PolicyDetails", "PolicyId", "State"],
        update,
    ),
];

/// Does one call.
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str, json: Json<'_>) -> Result<Value, Fail> {
    let Some((_, members, run)) = OPERATIONS.iter().find(|(name, ..)| *name == operation) else {
        let message = format!("The sandbox has no operation {operation} in the Data Lifecycle Manager.");
        return Err(Fail::new("UnsupportedOperation", message));
    };
    known(json.0, operation, members)?;
    run(ctx, json)
}

fn find<'a>(ctx: &'a mut Ctx<'_>, json: Json<'_>) -> Result<&'a mut Policy, Fail> {
    let id = need(json, "PolicyId")?;
    ctx.here().policies.get_mut(id).ok_or_else(|| not_found(id))
}

fn need<'a>(json: Json<'a>, name: &str) -> Result<&'a str, Fail> {
    json.text(name).ok_or_else(|| invalid(format!("The request needs {name}.")))
}

/// The caller passes the role on (docs.aws.amazon.com/ebs/latest/userguide/dlm-prerequisites.html). Whether it may do
/// enough shows when the policy acts, but there has to be such a role; the page names no code of its own for that.
fn role(ctx: &Ctx<'_>, arn: &str) -> Result<String, Fail> {
    if iam::role(&ctx.account.iam, arn).is_none() {
        return Err(invalid(format!("The execution role {arn} does not exist.")));
    }
    if !ctx.caller.may(Service::Iam, "PassRole") {
        return Err(ctx.caller.denial(Service::Dlm, "iam:PassRole", arn));
    }
    Ok(arn.to_owned())
}

fn description(text: &str) -> Result<String, Fail> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, ' ' | '_' | '-');
    if (1..=500).contains(&text.len()) && text.chars().all(plain) {
        return Ok(text.to_owned());
    }
    Err(invalid("Description must match ^[0-9A-Za-z _-]+$ and have at most 500 characters."))
}

/// At most 50 user-defined tags (docs.aws.amazon.com/dlm/latest/APIReference/API_TagResource.html).
fn add_tags(json: Json<'_>, tags: &mut Tags) -> Result<(), Fail> {
    let new = json.map("Tags");
    if new.keys().any(|key| key.to_ascii_lowercase().starts_with("aws:")) {
        return Err(invalid("Tag keys starting with 'aws:' are reserved for internal use."));
    }
    tags.extend(new);
    if tags.len() > 50 {
        return Err(invalid("A policy has at most 50 tags."));
    }
    Ok(())
}

fn create(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let now = ctx.now;
    let arn = need(json, "ExecutionRoleArn")?;
    let description = description(need(json, "Description")?)?;
    let state = State::wanted(json)?.ok_or_else(|| invalid("The request needs State."))?;
    let details = json.0.get("PolicyDetails").ok_or_else(|| invalid("The request needs PolicyDetails."))?;
    let details = Details::read(details, now)?;
    let mut tags = Tags::new();
    add_tags(json, &mut tags)?;
    let role = role(ctx, arn)?;
    if !tags.is_empty() && !ctx.caller.may(Service::Dlm, "TagResource") {
        return Err(ctx.caller.denial(Service::Dlm, "dlm:TagResource", "*"));
    }
    if ctx.here().policies.len() >= MOST {
        let message = format!("You have reached the limit of {MOST} policies.");
        return Err(Fail::new("LimitExceededException", message).with_status(429));
    }
    let id = ctx.ids.resource("policy");
    let policy = Policy {
        id: id.clone(),
        description,
        role,
        state,
        message: None,
        created: now,
        modified: now,
        details,
        tags,
    };
    ctx.here().policies.insert(id.clone(), policy);
    Ok(json!({ "PolicyId": id }))
}

fn get(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let (region, owner) = (ctx.region, ctx.owner());
    Ok(json!({ "Policy": find(ctx, json)?.json(region, owner) }))
}

/// All that is asked for must match; of several values one
/// (docs.aws.amazon.com/dlm/latest/APIReference/API_GetLifecyclePolicies.html).
fn list(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let policies = &ctx.here().policies;
    let ids = json.texts("PolicyIds");
    if let Some(unknown) = ids.iter().find(|id| !policies.contains_key(**id)) {
        return Err(not_found(unknown));
    }
    let state = json.text("State");
    let pair = |(key, value): (&String, &String)| format!("{key}={value}");
    let any = |name: &str, found: &[String]| {
        let wanted = json.texts(name);
        wanted.is_empty() || wanted.iter().any(|wanted| found.iter().any(|found| found == wanted))
    };
    let matching = policies.values().filter(|policy| {
        let target: Vec<String> = policy.details.tags.iter().map(|(key, value)| pair((key, value))).collect();
        let added: Vec<String> =
            policy.details.schedules.iter().flat_map(|s| s.add.iter().map(pair)).collect();
        (ids.is_empty() || ids.contains(&policy.id.as_str()))
            && state.is_none_or(|state| state == policy.state.name())
            && any("ResourceTypes", &[policy.details.target.name().to_owned()])
            && any("TargetTags", &target)
            && any("TagsToAdd", &added)
    });
    Ok(json!({ "Policies": matching.map(Policy::summary).collect::<Vec<_>>() }))
}

/// What the request leaves out stays. Who enables a policy takes it out of `ERROR`
/// (docs.aws.amazon.com/ebs/latest/userguide/modify.html).
fn update(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let now = ctx.now;
    let mut policy = find(ctx, json)?.clone();
    if let Some(arn) = json.text("ExecutionRoleArn") {
        policy.role = role(ctx, arn)?;
    }
    if let Some(text) = json.text("Description") {
        policy.description = description(text)?;
    }
    if let Some(details) = json.0.get("PolicyDetails") {
        policy.details = Details::read(details, now)?;
    }
    if let Some(state) = State::wanted(json)? {
        (policy.state, policy.message) = (state, None);
        if state == State::Enabled {
            policy.details.schedules.iter_mut().for_each(|schedule| schedule.skip_to(now));
        }
    }
    policy.modified = now;
    ctx.here().policies.insert(policy.id.clone(), policy);
    Ok(json!({}))
}

/// The snapshots stay (docs.aws.amazon.com/ebs/latest/userguide/delete.html).
fn delete(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let id = find(ctx, json)?.id.clone();
    ctx.here().policies.remove(&id);
    Ok(json!({}))
}

fn named<'a>(ctx: &'a mut Ctx<'_>, json: Json<'_>) -> Result<&'a mut Policy, Fail> {
    let (region, owner) = (ctx.region, ctx.owner());
    let arn = need(json, "ResourceArn")?;
    let found = ctx.here().policies.values_mut().find(|policy| policy.arn(region, owner) == arn);
    found.ok_or_else(|| not_found(arn))
}

fn list_tags(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    Ok(json!({ "Tags": named(ctx, json)?.tags }))
}

fn tag(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    add_tags(json, &mut named(ctx, json)?.tags)?;
    Ok(json!({}))
}

fn untag(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let keys = json.texts("TagKeys");
    named(ctx, json)?.tags.retain(|key, _| !keys.contains(&key.as_str()));
    Ok(json!({}))
}

/// The operation of a REST request, its path and query taken in among the members of its body; `None` is no operation of
/// the service.
pub(crate) fn operation(method: &str, path: &str, query: &str, body: &mut Value) -> Option<&'static str> {
    const QUERY: [(&str, &str, bool); 6] = [
        ("policyIds", "PolicyIds", true),
        ("resourceTypes", "ResourceTypes", true),
        ("state", "State", false),
        ("tagKeys", "TagKeys", true),
        ("tagsToAdd", "TagsToAdd", true),
        ("targetTags", "TargetTags", true),
    ];
    let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
    let (kind, id) = match path.trim_matches('/').split_once('/') {
        Some((kind, id)) => (kind, Some(decode(id))),
        None => (path.trim_matches('/'), None),
    };
    let (operation, member) = match (method, kind, id.is_some()) {
        ("POST", "policies", false) => ("CreateLifecyclePolicy", ""),
        ("GET", "policies", false) => ("GetLifecyclePolicies", ""),
        ("GET", "policies", true) => ("GetLifecyclePolicy", "PolicyId"),
        ("PATCH", "policies", true) => ("UpdateLifecyclePolicy", "PolicyId"),
        ("DELETE", "policies", true) => ("DeleteLifecyclePolicy", "PolicyId"),
        ("GET", "tags", true) => ("ListTagsForResource", "ResourceArn"),
        ("POST", "tags", true) => ("TagResource", "ResourceArn"),
        ("DELETE", "tags", true) => ("UntagResource", "ResourceArn"),
        (_, _, _) => return None,
    };
    let members: &mut Map<String, Value> = body.as_object_mut()?;
    if let Some(id) = id {
        members.insert(member.to_owned(), Value::String(id));
    }
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        match QUERY.iter().find(|(known, ..)| *known == name) {
            Some((_, member, true)) => {
                let list = members.entry(*member).or_insert_with(|| json!([]));
                if let Some(list) = list.as_array_mut() {
                    list.push(Value::String(value.into_owned()));
                }
            }
            Some((_, member, false)) => {
                members.insert((*member).to_owned(), Value::String(value.into_owned()));
            }
            // Refused with the others that are not known.
            None => {
                members.insert(name.into_owned(), Value::String(value.into_owned()));
            }
        }
    }
    Some(operation)
}
