//! Who calls: access keys and what they may do.

use std::collections::BTreeSet;

use crate::ids::hash;
use crate::wire::{Fail, Incoming, Service};

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
        let service = service.name();
        ![format!("{service}:{operation}"), format!("{service}:*"), "*".to_owned()]
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
            Service::Dlm => Fail::new("AccessDeniedException", explained).with_status(403),
        }
    }
}

/// Finds the caller, or says what the service says about such credentials.
///
/// EC2: `AuthFailure` and, for temporary credentials that are over, `RequestExpired`
/// (docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html); IAM and STS: `InvalidClientTokenId`,
/// `ExpiredToken`, `MissingAuthenticationToken` (docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html); the
/// JSON services: `UnrecognizedClientException`, `ExpiredTokenException`, `MissingAuthenticationTokenException`
/// (docs.aws.amazon.com/systems-manager/latest/APIReference/CommonErrors.html).
pub(crate) fn authenticate<'a>(principals: &'a [Principal], call: &Incoming) -> Result<&'a Principal, Fail> {
    let Some(key) = call.access_key.as_deref() else {
        return Err(match call.service {
            Service::Ec2 | Service::Iam | Service::Sts => {
                Fail::new("MissingAuthenticationToken", "Request is missing Authentication Token")
            }
            Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Dlm | Service::Pricing => {
                Fail::new("MissingAuthenticationTokenException", "Missing Authentication Token")
            }
        });
    };
    let known = principals
        .iter()
        .find(|principal| principal.access_key == key)
        .filter(|_| !key.starts_with("ASIA") || call.has_session_token);
    let Some(principal) = known else {
        return Err(match call.service {
            Service::Ec2 => {
                Fail::new("AuthFailure", "AWS was not able to validate the provided access credentials")
            }
            Service::Iam | Service::Sts => {
                Fail::new("InvalidClientTokenId", "The security token included in the request is invalid.")
            }
            Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Dlm | Service::Pricing => {
                Fail::new(
                    "UnrecognizedClientException",
                    "The security token included in the request is invalid.",
                )
            }
        });
    };
    if principal.expired {
        return Err(match call.service {
            Service::Ec2 => Fail::new("RequestExpired", "Request has expired."),
            Service::Iam | Service::Sts => {
                Fail::new("ExpiredToken", "The security token included in the request is expired")
            }
            Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Dlm | Service::Pricing => {
                Fail::new("ExpiredTokenException", "The security token included in the request is expired")
            }
        });
    }
    Ok(principal)
}
