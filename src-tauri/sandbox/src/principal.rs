//! Who calls: access keys and what they may do.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::clock::At;
use crate::conditions::Conditions;
use crate::ids::hash;
use crate::wire::{Fail, Incoming, Service};
use crate::world::World;

/// The access key of the default caller.
pub const ACCESS_KEY: &str = "AKIAHOLDFASTSANDBOX0";
/// A secret key to sign with; signatures are not checked.
pub const SECRET_KEY: &str = "holdfast/sandbox/secret/key/that/is/no/secret";

/// A caller: one access key and everything that AWS derives from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// `AKIA…` for a user, `ASIA…` for temporary credentials, which must come with a session token.
    pub access_key: String,
    /// The twelve digits.
    pub account: String,
    /// As `sts:GetCallerIdentity` answers it.
    pub arn: String,
    /// As `sts:GetCallerIdentity` answers it.
    pub user_id: String,
    /// The credentials are over: every call gets the service's error for that.
    pub expired: bool,
    /// Actions that a policy denies: `ec2:CreateVpc`, `ssm:*`, `*`.
    pub denied: BTreeSet<String>,
    /// The documents of the policies that say what it may do; without any it may do everything that is not denied.
    pub policies: Option<Vec<String>>,
}

impl Principal {
    /// An access key that nobody can guess. A served sandbox answers whoever knows a caller's key, and its machines run
    /// programs as the user who serves it; on a computer with several users the well-known [`ACCESS_KEY`] is not enough.
    pub fn fresh_key() -> String {
        let random = uuid::Uuid::new_v4().simple().to_string().to_ascii_uppercase();
        format!("AKIA{}", random.get(..28).unwrap_or(&random))
    }

    /// An IAM user with a long-term key.
    pub fn user(account: &str, name: &str, access_key: &str) -> Self {
        Self {
            access_key: access_key.to_owned(),
            account: account.to_owned(),
            arn: format!("arn:aws:iam::{account}:user/{name}"),
            user_id: format!("AIDA{:017X}", hash(&format!("{account}/{name}"))),
            expired: false,
            denied: BTreeSet::new(),
            policies: None,
        }
    }

    /// A role session, as SSO and `AssumeRole` give it; the key should begin with `ASIA`.
    pub fn assumed_role(account: &str, role: &str, session: &str, access_key: &str) -> Self {
        Self {
            arn: format!("arn:aws:sts::{account}:assumed-role/{role}/{session}"),
            user_id: format!("AROA{:017X}:{session}", hash(&format!("{account}/{role}"))),
            ..Self::user(account, session, access_key)
        }
    }

    /// The same caller with an action denied.
    #[must_use]
    pub fn denying(mut self, action: &str) -> Self {
        self.denied.insert(action.to_owned());
        self
    }

    /// The name that session ids begin with: the user's, or the role session's.
    pub(crate) fn session_name(&self) -> &str {
        self.arn.rsplit('/').next().unwrap_or(&self.arn)
    }

    pub(crate) fn may(&self, service: Service, operation: &str) -> bool {
        let action = format!("{}:{operation}", service.name());
        let allowed = |policies: &Vec<String>| crate::iam::permits(policies, &action);
        !self.is_denied(service, operation) && self.policies.as_ref().is_none_or(allowed)
    }

    /// Whether a policy denies it, whatever others allow.
    pub(crate) fn is_denied(&self, service: Service, operation: &str) -> bool {
        let service = service.name();
        [format!("{service}:{operation}"), format!("{service}:*"), "*".to_owned()]
            .iter()
            .any(|action| self.denied.contains(action))
    }

    /// The service's own way to say that this caller may not do that.
    ///
    /// EC2 says `UnauthorizedOperation` with an encoded part, IAM and STS `AccessDenied`, the JSON services
    /// `AccessDeniedException` (docs.aws.amazon.com/IAM/latest/UserGuide/troubleshoot_access-denied.html).
    pub(crate) fn denial(&self, service: Service, action: &str, resource: &str) -> Fail {
        let explained = format!(
            "User: {} is not authorized to perform: {action} on resource: {resource} because no identity-based \
             policy allows the {action} action",
            self.arn
        );
        match service {
            Service::Ec2 => Fail::new(
                "UnauthorizedOperation",
                format!(
                    "You are not authorized to perform this operation. {explained}. Encoded authorization failure \
                     message: {:016x}{:016x}",
                    hash(&explained),
                    hash(resource)
                ),
            ),
            Service::Iam | Service::Sts => Fail::new("AccessDenied", explained),
            Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Pricing => {
                Fail::new("AccessDeniedException", explained)
            }
            Service::Dlm | Service::SsoOidc | Service::Sso => {
                Fail::new("AccessDeniedException", explained).with_status(403)
            }
        }
    }
}

/// How far the time of a signature may be off (docs.aws.amazon.com/IAM/latest/UserGuide/signature-v4-troubleshooting.html).
const TOLERANCE: Duration = Duration::from_secs(300);

/// Finds the caller, or says what the service says about such credentials.
///
/// EC2: `AuthFailure` and, for temporary credentials that are over, `RequestExpired`
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html); IAM and STS: `InvalidClientTokenId`,
/// `ExpiredToken`, `MissingAuthenticationToken` (docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html); the
/// JSON services: `UnrecognizedClientException`, `ExpiredTokenException`, `MissingAuthenticationTokenException`
/// (docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html).
pub(crate) fn authenticate(
    world: &World,
    conditions: &Conditions,
    now: At,
    call: &Incoming,
) -> Result<Principal, Fail> {
    let xml = matches!(call.service, Service::Iam | Service::Sts);
    let Some(key) = call.access_key.as_deref() else {
        return Err(if xml || call.service == Service::Ec2 {
            Fail::new("MissingAuthenticationToken", "Request is missing Authentication Token")
        } else {
            Fail::new("MissingAuthenticationTokenException", "Missing Authentication Token")
        });
    };
    let lasting = conditions
        .principals
        .iter()
        .find(|principal| principal.access_key == key)
        .filter(|_| !key.starts_with("ASIA") || call.session_token.is_some());
    let temporary = || {
        let session = world.temporary.get(key);
        let session =
            session.filter(|session| call.session_token.as_ref() == Some(&session.session_token))?;
        Some(session.principal(key, world, conditions, now))
    };
    let Some(principal) = lasting.cloned().or_else(temporary) else {
        let code = if xml { "InvalidClientTokenId" } else { "UnrecognizedClientException" };
        let fail = Fail::new(code, "The security token included in the request is invalid.");
        return Err(if call.service == Service::Ec2 { invalid_in_ec2() } else { fail });
    };
    if let (Some(aws), Some(signed)) = (conditions.aws_time(now), call.signed_at) {
        in_time(call.service, aws, signed)?;
    }
    if principal.expired {
        let code = if xml { "ExpiredToken" } else { "ExpiredTokenException" };
        let fail = Fail::new(code, "The security token included in the request is expired");
        let in_ec2 = Fail::new("RequestExpired", "Request has expired.");
        return Err(if call.service == Service::Ec2 { in_ec2 } else { fail });
    }
    Ok(principal)
}

fn invalid_in_ec2() -> Fail {
    Fail::new("AuthFailure", "AWS was not able to validate the provided access credentials")
}

/// Whether a request was signed in AWS's present.
///
/// IAM and STS say `SignatureDoesNotMatch` and which time they have (github.com/convox/rack/issues/235), the JSON services
/// `InvalidSignatureException` in the same words (github.com/aws/aws-sdk-js/issues/254), and EC2 only `AuthFailure`, as to any wrong
/// signature (github.com/aws/aws-sdk-java/issues/519).
fn in_time(service: Service, aws: At, signed: At) -> Result<(), Fail> {
    let (earliest, latest) = (aws.minus(TOLERANCE), aws.plus(TOLERANCE));
    let [signed_text, aws_text] = [signed, aws].map(At::signature);
    let why = if signed < earliest {
        let earliest = earliest.signature();
        format!("Signature expired: {signed_text} is now earlier than {earliest} ({aws_text} - 5 min.)")
    } else if signed > latest {
        let latest = latest.signature();
        format!("Signature not yet current: {signed_text} is still later than {latest} ({aws_text} + 5 min.)")
    } else {
        return Ok(());
    };
    Err(match service {
        Service::Ec2 => invalid_in_ec2(),
        Service::Iam | Service::Sts => Fail::new("SignatureDoesNotMatch", why),
        Service::Dlm => Fail::new("InvalidSignatureException", why).with_status(403),
        Service::Ssm
        | Service::Kms
        | Service::ServiceQuotas
        | Service::Pricing
        | Service::SsoOidc
        | Service::Sso => Fail::new("InvalidSignatureException", why),
    })
}
