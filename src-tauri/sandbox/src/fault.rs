//! Faults to order, and the log of calls.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::clock::At;
use crate::sandbox::is_dry_run;
use crate::wire::{Fail, Incoming, Service};

/// Makes chosen calls go wrong. The first rule that applies to a call decides; every rule counts every call that it
/// matches.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rule {
    /// `None` is every service.
    #[serde(default)]
    pub service: Option<Service>,
    /// `None` is every operation.
    #[serde(default)]
    pub operation: Option<String>,
    /// Which of the matching calls.
    pub when: When,
    /// What happens to them.
    pub fault: Fault,
}

impl Rule {
    /// A rule for one operation.
    pub fn on(service: Service, operation: &str, when: When, fault: Fault) -> Self {
        Self { service: Some(service), operation: Some(operation.to_owned()), when, fault }
    }
}

/// Which calls a rule applies to, counted from 1 since the rule was set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Only this one. Like the next it leaves out dry runs.
    Nth(u32),
    /// This many from the first on.
    First(u32),
    /// All of them.
    Every,
}

/// What goes wrong. The SDKs retry what looks transient (dropped connections, 5xx, throttling) by themselves, up to
/// three attempts unless told otherwise: to get through to the caller use [`When::Every`] or `First(3)`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// An error instead of the effect.
    Error {
        /// AWS's code.
        code: String,
        /// The HTTP status.
        status: u16,
    },
    /// The effect, and then an error.
    ErrorAfterCommit {
        /// AWS's code.
        code: String,
        /// The HTTP status.
        status: u16,
    },
    /// The service's throttling error, without the effect.
    Throttle,
    /// The answer comes this much later than the effect, so a client with a timeout never hears of it.
    Delay(Duration),
    /// The connection breaks before the effect.
    DropBefore,
    /// The connection breaks after the effect.
    DropAfterCommit,
    /// What the call names does not exist yet: the not-found code of that kind of thing, as after a create that has
    /// not spread. Calls that name nothing are left alone.
    NotFoundYet,
}

impl Fault {
    /// The refusal to give instead of the effect, if this fault is one for this call.
    pub(crate) fn refusal(&self, call: &Incoming) -> Option<Fail> {
        match self {
            Self::Error { code, status } => Some(made_up(code, *status)),
            Self::Throttle => Some(throttled(call.service)),
            Self::NotFoundYet => not_found_yet(call),
            Self::ErrorAfterCommit { .. } | Self::Delay(_) | Self::DropBefore | Self::DropAfterCommit => None,
        }
    }

    /// Whether this fault does anything to this call.
    pub(crate) fn applies(&self, call: &Incoming) -> bool {
        *self != Self::NotFoundYet || not_found_yet(call).is_some()
    }
}

pub(crate) fn made_up(code: &str, status: u16) -> Fail {
    Fail::new(code.to_owned(), format!("{code}: a fault rule of the sandbox says so.")).with_status(status)
}

/// EC2 says `RequestLimitExceeded` with 503 (query-api-troubleshooting.html#api-request-rate), IAM and STS
/// `Throttling`, the JSON services `ThrottlingException` (each service's CommonErrors.html), but Service Quotas
/// `TooManyRequestsException` (docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html); the access
/// portal that too, with 429 (docs.aws.amazon.com/singlesignon/latest/PortalAPIReference/API_GetRoleCredentials.html, its words:
/// github.com/jonathanmorley/oktaws/issues/512), and the OIDC service `SlowDownException`
/// (docs.aws.amazon.com/singlesignon/latest/OIDCAPIReference/API_RegisterClient.html).
fn throttled(service: Service) -> Fail {
    match service {
        Service::Ec2 => Fail::new("RequestLimitExceeded", "Request limit exceeded."),
        Service::Iam | Service::Sts => Fail::new("Throttling", "Rate exceeded"),
        Service::Ssm | Service::Kms | Service::Dlm | Service::Pricing => {
            Fail::new("ThrottlingException", "Rate exceeded")
        }
        Service::ServiceQuotas => Fail::new("TooManyRequestsException", "Rate exceeded"),
        Service::SsoOidc => Fail::new("SlowDownException", "Too many requests"),
        Service::Sso => Fail::new("TooManyRequestsException", "HTTP 429 Unknown Code").with_status(429),
    }
}

fn not_found_yet(call: &Incoming) -> Option<Fail> {
    match call.service {
        Service::Ec2 => {
            // Of several things, the image is the one that surely exists.
            let named = call.fields.iter().filter(|(name, _)| !name.starts_with("Filter."));
            let kinds = named.filter_map(|(_, value)| Some((crate::ec2::Kind::of(value)?, value)));
            let (kind, id) = kinds.min_by_key(|(kind, _)| *kind == crate::ec2::Kind::Image)?;
            Some(kind.not_found(id))
        }
        Service::Iam => {
            let by_role = !call.operation.starts_with("CreateRole");
            let by_profile = !call.operation.starts_with("CreateInstanceProfile");
            let role = call.fields.get("RoleName").filter(|_| by_role);
            let profile = call.fields.get("InstanceProfileName").filter(|_| by_profile);
            role.map(|name| crate::iam::no_role(name))
                .or_else(|| profile.map(|name| crate::iam::no_profile(name)))
        }
        Service::Ssm => match call.operation.as_str() {
            "StartSession" => Some(Fail::new("TargetNotConnected", "The target is not connected.")),
            "ResumeSession" => Some(Fail::new("DoesNotExistException", "The session does not exist.")),
            _ => None,
        },
        Service::Kms => call
            .json
            .get("KeyId")
            .map(|key| Fail::new("NotFoundException", format!("Key {key} does not exist"))),
        Service::Dlm => {
            let named =
                ["PolicyId", "ResourceArn"].into_iter().find_map(|name| call.json.get(name)?.as_str());
            named.map(crate::dlm::not_found)
        }
        Service::Sts | Service::ServiceQuotas | Service::Pricing | Service::SsoOidc | Service::Sso => None,
    }
}

/// A rule that is set, and how often it was met.
#[derive(Clone, Debug)]
pub(crate) struct Armed {
    pub(crate) rule: Rule,
    met: u32,
}

/// The rules that are set.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    armed: Vec<Armed>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: Rule) {
        self.armed.push(Armed { rule, met: 0 });
    }

    pub(crate) fn clear(&mut self) {
        self.armed.clear();
    }

    pub(crate) fn rules(&self) -> Vec<Rule> {
        self.armed.iter().map(|armed| armed.rule.clone()).collect()
    }

    /// Counts the call and returns the fault that befalls it.
    pub(crate) fn befall(&mut self, call: &Incoming) -> Option<Fault> {
        let mut fault = None;
        for armed in &mut self.armed {
            let rule = &armed.rule;
            let matches = rule.service.is_none_or(|service| service == call.service)
                && rule.operation.as_deref().is_none_or(|operation| operation == call.operation)
                && rule.fault.applies(call);
            // A dry run only asks about a call.
            let asks = is_dry_run(call) && rule.when != When::Every;
            if !matches || asks {
                continue;
            }
            armed.met += 1;
            let now = match rule.when {
                When::Nth(n) => armed.met == n,
                When::First(n) => armed.met <= n,
                When::Every => true,
            };
            if now && fault.is_none() {
                fault = Some(rule.fault.clone());
            }
        }
        fault
    }
}

/// One call that came in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Call {
    /// Counted from 1 in the order of arrival; the log itself is in the order of the effects.
    pub number: u64,
    /// The service.
    pub service: Service,
    /// The operation.
    pub operation: String,
    /// The region of the request; IAM is global.
    pub region: String,
    /// The caller's ARN, if the credentials were good.
    pub caller: Option<String>,
    /// When it arrived.
    pub at: At,
    /// The longest chain of calls that were answered before this one began, this one included.
    pub depth: u32,
    /// It asked for a dry run.
    pub dry_run: bool,
    /// The error code; none when it was done.
    pub error: Option<String>,
    /// Whether it took effect (also when the answer was an error or got lost).
    pub took_effect: bool,
    /// The connection was dropped instead of an answer.
    pub dropped: bool,
}

impl Call {
    /// Whether the operation is one that changes something: not a reading one, and no dry run.
    pub fn changes(&self) -> bool {
        !self.dry_run && changes(self.service, &self.operation)
    }
}

pub(crate) fn changes(service: Service, operation: &str) -> bool {
    match service {
        Service::Ec2
        | Service::Iam
        | Service::Ssm
        | Service::ServiceQuotas
        | Service::Dlm
        | Service::Pricing => !["Describe", "Get", "List"].iter().any(|prefix| operation.starts_with(prefix)),
        Service::Kms => false,
        // Whoever signs in or goes over into a role changes nothing in the account.
        Service::Sts | Service::SsoOidc | Service::Sso => false,
    }
}
