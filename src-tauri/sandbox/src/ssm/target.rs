//! Whether the agent of an instance can be reached.

use crate::clock::At;
use crate::conditions::Conditions;
use crate::ec2::{Instance, leads_out};
use crate::iam::{CORE_POLICY, Iam};
use crate::wire::Service;
use crate::world::{Account, Region};

/// Why an instance's agent is not connected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// It does not run.
    NotRunning,
    /// It runs, but the agent has not registered yet.
    Booting,
    /// It has no instance profile, or the profile has no role.
    NoRole,
    /// Its role lacks the policy `AmazonSSMManagedInstanceCore`.
    NoPolicy,
    /// It has no public address, or its subnet has no way out.
    NoWayOut,
    /// No security group of its lets port 443 out.
    Port443Closed,
}

/// The agent needs the role's permissions and outbound 443
/// (docs.aws.amazon.com/systems-manager/latest/userguide/session-manager-prerequisites.html).
pub(crate) fn reach(
    account: &Account,
    region: &Region,
    instance: &Instance,
    now: At,
) -> Result<(), Unreachable> {
    if !instance.is_running() {
        return Err(Unreachable::NotRunning);
    }
    let policies = policies(&account.iam, instance).ok_or(Unreachable::NoRole)?;
    if !policies {
        return Err(Unreachable::NoPolicy);
    }
    let interface = instance.interface(region).ok_or(Unreachable::NoWayOut)?;
    if interface.public_address.is_none() || !leads_out(region, &interface.subnet, &interface.vpc) {
        return Err(Unreachable::NoWayOut);
    }
    let mut groups = interface.groups.iter().filter_map(|id| region.groups.get(id));
    if !groups.any(|group| group.lets_out(443)) {
        return Err(Unreachable::Port443Closed);
    }
    if now < instance.online {
        return Err(Unreachable::Booting);
    }
    Ok(())
}

/// Whether the instance's role has the agent's policy; `None` without a role.
fn policies(iam: &Iam, instance: &Instance) -> Option<bool> {
    let (arn, _) = instance.profile.as_ref()?;
    let profile = iam.profiles.values().find(|profile| profile.arn == *arn)?;
    let (role, _) = profile.role.as_ref()?;
    Some(iam.roles.get(role)?.attached.contains(CORE_POLICY))
}

/// Whether the caller's policy denies the document.
pub(crate) fn denied(conditions: &Conditions, document: &str) -> bool {
    conditions.denied_documents.contains(document)
}

/// The ARN of the document, as a denial names it: AWS's own documents have no account.
pub(crate) fn document_arn(region: &str, account: &str, document: &str) -> String {
    let account = if document.starts_with("AWS-") { "" } else { account };
    format!("arn:aws:{}:{region}:{account}:document/{document}", Service::Ssm.name())
}
