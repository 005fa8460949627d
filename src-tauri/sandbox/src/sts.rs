//! STS: who somebody is, and going over into a role.

use crate::iam::{self, Trust};
use crate::principal::Principal;
use crate::temporary::{Origin, Temporary};
use crate::wire::{Fail, Form, Incoming, Reply, Service, Xml};
use crate::world::Everywhere;

/// What there is to say about going over into a role. `Policy` may be there if it is empty.
const MEMBERS: [&str; 7] =
    ["RoleArn", "RoleSessionName", "DurationSeconds", "ExternalId", "SerialNumber", "TokenCode", "Policy"];

/// Does one call.
pub(crate) fn call(
    place: &mut Everywhere<'_>,
    caller: &Principal,
    incoming: &Incoming,
) -> Result<Reply, Fail> {
    match incoming.operation.as_str() {
        "GetCallerIdentity" => Ok(Reply::Xml(identity(caller))),
        "AssumeRole" => assume(place, caller, &Form::aws_query(&incoming.fields)).map(Reply::Xml),
        other => {
            Err(Fail::new("UnsupportedOperation", format!("The sandbox has no operation {other} in STS.")))
        }
    }
}

/// It needs no permission, whatever a policy denies
/// (docs.aws.amazon.com/STS/latest/APIReference/API_GetCallerIdentity.html).
fn identity(caller: &Principal) -> Xml {
    let mut xml = Xml::new();
    xml.text("Arn", &caller.arn).text("UserId", &caller.user_id).text("Account", &caller.account);
    xml
}

/// docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
fn assume(place: &mut Everywhere<'_>, caller: &Principal, form: &Form<'_>) -> Result<Xml, Fail> {
    let known = |name: &str| MEMBERS.contains(&name) && !(name == "Policy" && form.text(name).is_some());
    if let Some(name) = form.fields().keys().find(|name| !known(name)) {
        let message = format!("The sandbox does not act on {name} in AssumeRole.");
        return Err(Fail::new("UnsupportedOperation", message));
    }
    let arn = need(form, "RoleArn")?;
    let session = need(form, "RoleSessionName")?;
    let is_name = |c: char| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c);
    if !(2..=64).contains(&session.len()) || !session.chars().all(is_name) {
        let pattern = "Member must satisfy regular expression pattern: [\\w+=,.@-]*";
        return Err(constraint(session, "roleSessionName", pattern));
    }
    let duration = form.number("DurationSeconds")?.unwrap_or(3600);
    if !(900..=43_200).contains(&duration) {
        let bound = if duration < 900 {
            "Member must have value greater than or equal to 900"
        } else {
            "Member must have value less than or equal to 43200"
        };
        return Err(constraint(&duration.to_string(), "durationSeconds", bound));
    }
    let is_id = |c: char| is_name(c) || ":/".contains(c);
    if let Some(id) = form.text("ExternalId")
        && (!(2..=1224).contains(&id.len()) || !id.chars().all(is_id))
    {
        let pattern = "Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]*";
        return Err(constraint(id, "externalId", pattern));
    }
    let by_device = prove(place, caller, form)?;

    let denied = || {
        let caller = &caller.arn;
        let message =
            format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}");
        Fail::new("AccessDenied", message)
    };
    let account = arn.strip_prefix("arn:aws:iam::").and_then(|rest| rest.split(':').next());
    let account = account.ok_or_else(|| constraint(arn, "roleArn", "Member must be an ARN of a role"))?;
    // A role that is not there is refused in the same words.
    let role = place.world.accounts.get(account).and_then(|account| iam::role(&account.iam, arn));
    let role = role.ok_or_else(denied)?;
    let is_session = caller.arn.contains(":assumed-role/");
    let mut facts = vec![
        ("sts:RoleSessionName", session),
        ("aws:PrincipalArn", caller.arn.as_str()),
        ("aws:PrincipalAccount", caller.account.as_str()),
    ];
    facts.extend(form.text("ExternalId").map(|id| ("sts:ExternalId", id)));
    // The key is there with temporary credentials only, or when a code came along
    // (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html).
    if by_device || is_session {
        facts.push(("aws:MultiFactorAuthPresent", if by_device { "true" } else { "false" }));
    }
    // Who is named needs no further permission in the same account
    // (docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html).
    let may = match iam::trust(role, caller, &facts) {
        Trust::No => false,
        Trust::Caller if account == caller.account => !caller.is_denied(Service::Sts, "AssumeRole"),
        Trust::Caller | Trust::Account => caller.may(Service::Sts, "AssumeRole"),
    };
    if !may {
        return Err(denied());
    }
    // The words: docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_roles.html,
    // repost.aws/knowledge-center/iam-role-chaining-limit.
    if is_session && duration > 3600 {
        let message = "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.";
        return Err(Fail::new("ValidationError", message));
    }
    if duration > role.max_session {
        let message = "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.";
        return Err(Fail::new("ValidationError", message));
    }
    let ends = place.now.plus(std::time::Duration::from_secs(duration.into()));
    let temporary = Temporary::new(
        place.conditions,
        account,
        (&role.name, &role.id),
        session,
        ends,
        Origin::Role(role.name.clone()),
    );
    let (arn, id) = (temporary.arn.clone(), temporary.user_id.clone());
    let given = place.world.credentials(place.conditions, temporary);
    let mut xml = Xml::new();
    xml.node("AssumedRoleUser", |xml| {
        xml.text("AssumedRoleId", id).text("Arn", arn);
    });
    xml.node("Credentials", |xml| {
        xml.text("AccessKeyId", given.access_key)
            .text("SecretAccessKey", given.secret_key)
            .text("SessionToken", given.session_token)
            .text("Expiration", place.conditions.as_told(given.ends).iso_seconds());
    });
    Ok(xml)
}

/// Whether the caller proved itself with a device; a code is used up by that
/// (docs.aws.amazon.com/IAM/latest/UserGuide/id_credentials_mfa.html). The words: github.com/aws/aws-cli/issues/2279,
/// github.com/aws/aws-cli/issues/6325, github.com/y13i/sgviz/issues/9.
fn prove(place: &mut Everywhere<'_>, caller: &Principal, form: &Form<'_>) -> Result<bool, Fail> {
    let failed = |why: &str| Err(Fail::new("AccessDenied", format!("MultiFactorAuthentication failed{why}")));
    let (serial, code) = match (form.text("SerialNumber"), form.text("TokenCode")) {
        (None, None) => return Ok(false),
        (Some(serial), Some(code)) => (serial, code),
        (Some(_), None) | (None, Some(_)) => {
            return failed(", must provide both MFA serial number and one time pass code.");
        }
    };
    if code.len() != 6 || !code.bytes().all(|byte| byte.is_ascii_digit()) {
        let pattern = "Member must satisfy regular expression pattern: [\\d]*";
        return Err(constraint(code, "tokenCode", pattern));
    }
    let mut devices = place.conditions.mfa_devices.iter();
    let Some(device) = devices.find(|device| device.serial == serial && device.user == caller.arn) else {
        return failed(
            ", unable to validate MFA code.  Please verify your MFA serial number is valid and associated with this \
             user.",
        );
    };
    if device.codes.contains(code) && place.world.used_codes.insert((serial.to_owned(), code.to_owned())) {
        return Ok(true);
    }
    failed(" with invalid MFA one time pass code.")
}

fn need<'a>(form: &Form<'a>, name: &str) -> Result<&'a str, Fail> {
    form.text(name).ok_or_else(|| {
        let mut member = name.to_owned();
        member[..1].make_ascii_lowercase();
        Fail::new(
            "ValidationError",
            format!(
                "1 validation error detected: Value null at '{member}' failed to satisfy constraint: Member must not \
                 be null"
            ),
        )
    })
}

fn constraint(value: &str, member: &str, what: &str) -> Fail {
    Fail::new(
        "ValidationError",
        format!(
            "1 validation error detected: Value '{value}' at '{member}' failed to satisfy constraint: {what}"
        ),
    )
}
