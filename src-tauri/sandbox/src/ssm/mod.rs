//! Systems Manager: sessions and managed instances.

mod target;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

pub use target::Unreachable;
pub(crate) use target::reach;

use crate::backend::{StartError, StartRequest};
use crate::clock::At;
use crate::ec2::{Instance, Kind};
use crate::wire::{Fail, Json, Service};
use crate::world::Ctx;

/// The account's own session document.
const SHELL: &str = "SSM-SessionManagerRunShell";

/// AWS's session documents and their parameters
/// (docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-working-with-sessions-start.html).
const DOCUMENTS: [(&str, &[&str]); 6] = [
    (SHELL, &[]),
    ("AWS-StartInteractiveCommand", &["command"]),
    (
        "AWS-StartNonInteractiveCommand",
        &["command", "separateOutputStream", "stdOutSeparatorPrefix", "stdErrSeparatorPrefix"],
    ),
    ("AWS-StartPortForwardingSession", &["portNumber", "localPortNumber"]),
    ("AWS-StartPortForwardingSessionToRemoteHost", &["host", "portNumber", "localPortNumber"]),
    ("AWS-StartSSHSession", &["portNumber"]),
];

/// A session that was started.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Session {
    pub id: String,
    pub target: String,
    pub document: Option<String>,
    /// The caller's ARN.
    pub owner: String,
    pub started: At,
}

/// Does one call.
pub(crate) fn call(ctx: &mut Ctx<'_>, operation: &str, json: Json<'_>) -> Result<Value, Fail> {
    match operation {
        "StartSession" => start(ctx, json),
        "ResumeSession" => resume(ctx, json),
        "TerminateSession" => terminate(ctx, json),
        "GetConnectionStatus" => connection_status(ctx, json),
        "DescribeInstanceInformation" => describe(ctx, json),
        "GetDocument" => document(ctx, json),
        _ => Err(Fail::new(
            "UnsupportedOperation",
            format!("The sandbox has no operation {operation} in SSM."),
        )),
    }
}

fn instance(ctx: &mut Ctx<'_>, target: &str) -> Option<Instance> {
    Kind::of(target).filter(|kind| *kind == Kind::Instance)?;
    ctx.here().instances.get(target).cloned()
}

fn reachable(ctx: &Ctx<'_>, instance: &Instance) -> Result<(), Unreachable> {
    match ctx.account.regions.get(ctx.region) {
        Some(region) => reach(ctx.account, region, instance, ctx.now),
        None => Err(Unreachable::NotRunning),
    }
}

fn start(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let target = json.need("Target")?;
    let document = json.text("DocumentName");
    let parameters = json.lists("Parameters");
    check_document(ctx, document, &parameters)?;
    let not_connected = || Fail::new("TargetNotConnected", format!("{target} is not connected."));
    let instance = instance(ctx, target).ok_or_else(not_connected)?;
    reachable(ctx, &instance).map_err(|why| {
        tracing::debug!(target, ?why, "the target is not connected");
        not_connected()
    })?;
    let random = ctx.ids.resource("");
    let id = format!("{}{random}", ctx.caller.session_name());
    let token = ctx
        .backend
        .start(StartRequest {
            session_id: id.clone(),
            instance_id: instance.id,
            target: target.to_owned(),
            document: document.filter(|name| *name != SHELL).map(str::to_owned),
            parameters,
            kms_key_id: session_key(ctx, document),
        })
        .map_err(|error| match error {
            StartError::NotConnected => not_connected(),
            StartError::Internal(message) => Fail::new("InternalServerError", message),
        })?;
    let session = Session {
        id: id.clone(),
        target: target.to_owned(),
        document: document.map(str::to_owned),
        owner: ctx.caller.arn.clone(),
        started: ctx.now,
    };
    let stream = ctx.backend.stream_url(&id);
    ctx.here().sessions.insert(id.clone(), session);
    Ok(json!({ "SessionId": id, "StreamUrl": stream, "TokenValue": token }))
}

fn check_document(
    ctx: &Ctx<'_>,
    document: Option<&str>,
    parameters: &BTreeMap<String, Vec<String>>,
) -> Result<(), Fail> {
    let name = document.unwrap_or(SHELL);
    if target::denied(ctx.conditions, name) {
        let arn = target::document_arn(ctx.region, ctx.owner(), name);
        return Err(ctx.caller.denial(Service::Ssm, "ssm:StartSession", &arn));
    }
    let Some((_, known)) = DOCUMENTS.iter().find(|(known, _)| *known == name) else {
        return Err(Fail::new("InvalidDocument", format!("Document with name {name} does not exist.")));
    };
    if let Some(unknown) = parameters.keys().find(|name| !known.contains(&name.as_str())) {
        return Err(Fail::new(
            "InvalidParameters",
            format!("Parameter \"{unknown}\" is not defined in the document"),
        ));
    }
    if known.first() == Some(&"command") && !parameters.contains_key("command") {
        return Err(Fail::new("InvalidParameters", "Parameter \"command\" has no value"));
    }
    Ok(())
}

/// Shell sessions, and those that run a command, are encrypted when the account's preferences name a key; ports are
/// not (docs.aws.amazon.com/systems-manager/latest/userguide/session-preferences-enable-encryption.html).
fn session_key(ctx: &Ctx<'_>, document: Option<&str>) -> Option<String> {
    let wanted = ctx.conditions.session_preferences.kms_key_id.as_deref()?;
    let is_port = document.is_some_and(|name| name.contains("Port") || name == "AWS-StartSSHSession");
    let known = ctx.conditions.keys.iter().find(|key| key.is_called(wanted));
    let arn = known.map_or_else(|| wanted.to_owned(), |key| key.arn(ctx.owner(), ctx.region));
    (!is_port).then_some(arn)
}

/// A session that is over but known answers without a token.
fn resume(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let id = json.need("SessionId")?;
    if !ctx.here().sessions.contains_key(id) {
        return Err(Fail::new("DoesNotExistException", format!("Session {id} does not exist.")));
    }
    let token = ctx.backend.resume(id);
    // The address changes with each resume, too.
    let stream = ctx.backend.stream_url(id);
    Ok(match token {
        Some(token) => json!({ "SessionId": id, "StreamUrl": stream, "TokenValue": token }),
        None => json!({ "SessionId": id, "StreamUrl": stream, "TokenValue": null }),
    })
}

/// A session that is not there ends as well as one that is.
fn terminate(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let id = json.need("SessionId")?;
    if ctx.here().sessions.remove(id).is_some() {
        ctx.backend.terminate(id);
    }
    Ok(json!({ "SessionId": id }))
}

fn connection_status(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let target = json.need("Target")?;
    let connected = match instance(ctx, target) {
        Some(instance) => reachable(ctx, &instance).is_ok(),
        None => false,
    };
    Ok(json!({ "Target": target, "Status": if connected { "connected" } else { "notconnected" } }))
}

/// Managed instances: those whose agent is online. A stopped one is missing.
fn describe(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let (now, region_name) = (ctx.now, ctx.region);
    let mut filters: Vec<(String, Vec<String>)> = Vec::new();
    for (list, key, values) in
        [("Filters", "Key", "Values"), ("InstanceInformationFilterList", "key", "valueSet")]
    {
        for filter in json.items(list) {
            let name = filter.need(key)?;
            if !["InstanceIds", "PingStatus", "PlatformTypes", "ResourceType"].contains(&name) {
                return Err(Fail::new("InvalidFilterKey", format!("The filter key {name} is not valid.")));
            }
            let values = filter.texts(values).into_iter().map(str::to_owned).collect();
            filters.push((name.to_owned(), values));
        }
    }
    let instances: Vec<Instance> = ctx.here().instances.values().cloned().collect();
    let wanted = |instance: &Instance| {
        filters.iter().all(|(name, values)| {
            let value = match name.as_str() {
                "InstanceIds" => instance.id.as_str(),
                "PingStatus" => "Online",
                "PlatformTypes" => "Linux",
                _ => "EC2Instance",
            };
            values.iter().any(|wanted| wanted == value)
        })
    };
    let mut list: Vec<Value> = Vec::new();
    for instance in instances.iter().filter(|instance| wanted(instance)) {
        if reachable(ctx, instance).is_err() {
            continue;
        }
        list.push(json!({
            "InstanceId": instance.id,
            "PingStatus": "Online",
            "LastPingDateTime": now.epoch_seconds(),
            "AgentVersion": "3.3.2299.0",
            "IsLatestVersion": false,
            "PlatformType": "Linux",
            "PlatformName": "NixOS",
            "PlatformVersion": "25.11",
            "ResourceType": "EC2Instance",
            "IPAddress": instance.private_address.to_string(),
            "ComputerName": format!("{}.{region_name}.compute.internal", instance.id),
            "SourceId": instance.id,
            "SourceType": "AWS::EC2::Instance",
        }));
    }
    let first = json.text("NextToken").and_then(|token| token.parse::<usize>().ok()).unwrap_or(0);
    let most = json.number("MaxResults").and_then(|most| usize::try_from(most).ok()).unwrap_or(50).max(1);
    let next = (list.len() > first + most).then(|| (first + most).to_string());
    let page: Vec<Value> = list.into_iter().skip(first).take(most).collect();
    Ok(match next {
        Some(next) => json!({ "InstanceInformationList": page, "NextToken": next }),
        None => json!({ "InstanceInformationList": page }),
    })
}

/// Only the preferences: they exist once they are set
/// (docs.aws.amazon.com/systems-manager/latest/userguide/getting-started-create-preferences-cli.html).
fn document(ctx: &mut Ctx<'_>, json: Json<'_>) -> Result<Value, Fail> {
    let name = json.need("Name")?;
    let preferences = &ctx.conditions.session_preferences;
    if name != SHELL || !preferences.are_set() {
        return Err(Fail::new("InvalidDocument", format!("Document with name {name} does not exist.")));
    }
    let content = json!({
        "schemaVersion": "1.0",
        "description": "Document to hold regional settings for Session Manager",
        "sessionType": "Standard_Stream",
        "inputs": {
            "s3BucketName": "",
            "s3KeyPrefix": "",
            "s3EncryptionEnabled": true,
            "cloudWatchLogGroupName": "",
            "cloudWatchEncryptionEnabled": true,
            "cloudWatchStreamingEnabled": true,
            "kmsKeyId": preferences.kms_key_id.clone().unwrap_or_default(),
            "runAsEnabled": preferences.run_as,
            "runAsDefaultUser": preferences.run_as_default_user.clone().unwrap_or_default(),
            "idleSessionTimeout": "20",
            "maxSessionDuration": "",
            "shellProfile": { "windows": "", "linux": "" },
        },
    });
    Ok(json!({
        "Name": SHELL,
        "DocumentVersion": "1",
        "Status": "Active",
        "DocumentType": "Session",
        "DocumentFormat": "JSON",
        "Content": content.to_string(),
    }))
}
