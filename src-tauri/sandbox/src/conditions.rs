//! What a test or the demo sets about this AWS: how fast it is, what it refuses, who may call.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use holdfast_core::price::Money;

use crate::clock::At;
use crate::ec2::Image;
use crate::ids::secret;
use crate::principal::{ACCESS_KEY, Principal};
use crate::sso::Portal;

/// Everything that can be set, also while the sandbox runs (`Sandbox::set`).
#[derive(Clone, Debug)]
pub struct Conditions {
    /// How long things take.
    pub pace: Pace,
    /// The account's quotas.
    pub quotas: Quotas,
    /// Prices that differ from the embedded table in every region: of a type by its name, and of `gp3`, `gp3-iops`,
    /// `gp3-throughput`, `snapshot` and `address`.
    pub prices: BTreeMap<String, Money>,
    /// The callers that exist.
    pub principals: Vec<Principal>,
    /// Whether each region begins with a default VPC, as accounts do.
    pub default_vpc: bool,
    /// Zones (or zone patterns) that do not offer types (patterns such as `m8g.*`).
    pub not_offered: Vec<(String, String)>,
    /// Zones (or zone patterns) that have no capacity for types (patterns) just now.
    pub no_capacity: Vec<(String, String)>,
    /// Volume modifications end as `failed`, as a transient fault of AWS makes them.
    pub modifications_fail: bool,
    /// Snapshots end as `error`.
    pub snapshots_fail: bool,
    /// Whether the official NixOS images are there; a new set appears every week.
    pub official_images: bool,
    /// Further images, in every region.
    pub images: Vec<Image>,
    /// What RunInstances says to the client token of a terminated instance.
    pub token_of_terminated: TokenOfTerminated,
    /// Session documents that the callers' policies deny, such as `AWS-StartInteractiveCommand`.
    pub denied_documents: BTreeSet<String>,
    /// The account's session preferences (document `SSM-SessionManagerRunShell`).
    pub session_preferences: SessionPreferences,
    /// KMS keys, in every region.
    pub keys: Vec<Key>,
    /// Policies of the customer's own: ARN and document.
    pub policies: BTreeMap<String, String>,
    /// The access portals of IAM Identity Center.
    pub portals: Vec<Portal>,
    /// How long a client of IAM Identity Center is registered.
    pub client_registration: Duration,
    /// The devices that users prove themselves with.
    pub mfa_devices: Vec<MfaDevice>,
    /// By how many seconds AWS's clock is ahead of the sandbox's. While it is set (0, too), each answer says in `Date` what
    /// time AWS has, and a request that was signed more than five minutes off is refused. Otherwise nobody looks at when a
    /// request was signed, since the sandbox's clock may run apart from those of its clients.
    pub clock_skew: Option<i64>,
    /// What stands in every secret that is given out, so that a test finds it wherever it goes: in access and refresh tokens, client
    /// secrets, codes, session tokens and the secret keys of roles.
    pub mark: String,
}

impl Conditions {
    /// One caller, user `sandbox` of this account, an access portal to it, and AWS as it usually is.
    pub fn of(account: &str) -> Self {
        Self {
            pace: Pace::default(),
            quotas: Quotas::default(),
            prices: BTreeMap::new(),
            principals: vec![Principal::user(account, "sandbox", ACCESS_KEY)],
            default_vpc: true,
            not_offered: vec![("us-west-2a".to_owned(), "m8g.*".to_owned())],
            no_capacity: Vec::new(),
            modifications_fail: false,
            snapshots_fail: false,
            official_images: true,
            images: Vec::new(),
            token_of_terminated: TokenOfTerminated::default(),
            denied_documents: BTreeSet::new(),
            session_preferences: SessionPreferences::default(),
            keys: vec![Key::new("alias/aws/ebs"), Key::new("alias/aws/ssm")],
            policies: BTreeMap::new(),
            portals: vec![Portal::of(account)],
            client_registration: Duration::from_secs(90 * 24 * 3600),
            mfa_devices: Vec::new(),
            clock_skew: None,
            mark: String::new(),
        }
    }

    /// A secret, with the mark.
    pub(crate) fn secret(&self, prefix: &str) -> String {
        format!("{prefix}{}{}", self.mark, secret())
    }

    /// What time AWS has, if anybody is to know.
    pub(crate) fn aws_time(&self, now: At) -> Option<At> {
        let skew = self.clock_skew?;
        let by = Duration::from_secs(skew.unsigned_abs());
        Some(if skew < 0 { now.minus(by) } else { now.plus(by) })
    }

    /// A moment as AWS's clock says it, for what tells a client when something ends.
    pub(crate) fn as_told(&self, at: At) -> At {
        self.aws_time(at).unwrap_or(at)
    }
}

/// A device for multi-factor authentication.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MfaDevice {
    /// `arn:aws:iam::ACCOUNT:mfa/NAME`, or what is printed on it.
    pub serial: String,
    /// The ARN of the user whose it is.
    pub user: String,
    /// The codes that are right; each of them once.
    pub codes: BTreeSet<String>,
}

/// How long AWS takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pace {
    /// A VPC from pending to available.
    pub vpc: Duration,
    /// An instance from pending to running.
    pub boot: Duration,
    /// From running until the agent is online.
    pub agent: Duration,
    /// From stopping to stopped.
    pub stop: Duration,
    /// From shutting-down to terminated.
    pub terminate: Duration,
    /// How long a terminated instance stays visible.
    pub forget: Duration,
    /// Until EC2 knows a fresh instance profile, or the role that was put into it.
    pub iam: Duration,
    /// A capacity reservation from pending to active.
    pub reserve: Duration,
    /// A snapshot from pending to completed.
    pub snapshot: Duration,
    /// A volume from creating to available.
    pub volume: Duration,
    /// A volume from attaching to attached, and from detaching to detached.
    pub attach: Duration,
    /// A volume from modifying to optimizing.
    pub modify: Duration,
    /// A volume from optimizing to completed.
    pub optimize: Duration,
}

impl Default for Pace {
    /// Quick enough to watch, slow enough that every state is met.
    fn default() -> Self {
        Self {
            vpc: Duration::from_millis(500),
            boot: Duration::from_secs(3),
            agent: Duration::from_secs(2),
            stop: Duration::from_secs(2),
            terminate: Duration::from_secs(2),
            forget: Duration::from_secs(3600),
            iam: Duration::from_secs(3),
            reserve: Duration::from_secs(1),
            snapshot: Duration::from_secs(3),
            volume: Duration::from_secs(1),
            attach: Duration::from_secs(1),
            modify: Duration::from_secs(1),
            optimize: Duration::from_secs(5),
        }
    }
}

impl Pace {
    /// Everything happens at once (terminated instances still stay visible for an hour).
    pub const fn instant() -> Self {
        Self {
            vpc: Duration::ZERO,
            boot: Duration::ZERO,
            agent: Duration::ZERO,
            stop: Duration::ZERO,
            terminate: Duration::ZERO,
            forget: Duration::from_secs(3600),
            iam: Duration::ZERO,
            reserve: Duration::ZERO,
            snapshot: Duration::ZERO,
            volume: Duration::ZERO,
            attach: Duration::ZERO,
            modify: Duration::ZERO,
            optimize: Duration::ZERO,
        }
    }
}

/// The quotas that a first apply can meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quotas {
    /// VPCs in a region, the default VPC included; internet gateways share the number.
    pub vpcs: usize,
    /// vCPUs of running standard instances in a region, and of capacity that is reserved for some; also what Service
    /// Quotas says.
    pub vcpus: u32,
}

impl Default for Quotas {
    fn default() -> Self {
        Self { vpcs: 5, vcpus: 32 }
    }
}

/// What RunInstances answers to the client token of an instance that is terminated. Both are seen in the field: the
/// error is the documented answer (errors-overview.html, in force since January 2025: boto/boto3#4406), the terminated
/// instance is what was answered before and is still reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TokenOfTerminated {
    /// `IdempotentInstanceTerminated`.
    #[default]
    Refuse,
    /// The terminated instance.
    Answer,
}

/// The account's session preferences.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SessionPreferences {
    /// The KMS key (id, ARN or alias) that shell sessions must be encrypted with.
    pub kms_key_id: Option<String>,
    /// Sessions run as an operating system user instead of `ssm-user`.
    pub run_as: bool,
    /// The user when the caller has no tag `SSMSessionRunAs`.
    pub run_as_default_user: Option<String>,
}

impl SessionPreferences {
    pub(crate) fn are_set(&self) -> bool {
        *self != Self::default()
    }
}

/// A symmetric KMS key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Key {
    /// A UUID.
    pub id: String,
    /// `alias/…`
    pub alias: Option<String>,
    /// A disabled key encrypts nothing.
    pub enabled: bool,
}

impl Key {
    /// An enabled key with this alias; its id is derived from the alias.
    pub fn new(alias: &str) -> Self {
        let bits = (u128::from(crate::ids::hash(alias)) << 64) | u128::from(crate::ids::hash("key"));
        let id = uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid().to_string();
        Self { id, alias: Some(alias.to_owned()), enabled: true }
    }

    /// The key's ARN in a region.
    pub fn arn(&self, account: &str, region: &str) -> String {
        format!("arn:aws:kms:{region}:{account}:key/{}", self.id)
    }

    /// Whether the text is this key's id, ARN, alias or alias ARN.
    pub(crate) fn is_called(&self, name: &str) -> bool {
        let last =
            name.split_once(":key/").or_else(|| name.split_once(":alias/")).map_or(name, |(_, last)| last);
        last == self.id
            || self.alias.as_deref().is_some_and(|alias| {
                name == alias || (name.contains(":alias/") && alias.strip_prefix("alias/") == Some(last))
            })
    }
}
