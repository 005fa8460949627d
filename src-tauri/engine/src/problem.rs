//! Problems: errors as the user sees them. The only place where errors become text for people.
//!
//! AWS errors are told apart by their codes, never by their messages; the message is shown as AWS's own words.

use std::fmt;

use holdfast_core::doctor::SET_THE_CLOCK;
use holdfast_core::machine::{Desired, Instance, Why};
use holdfast_core::names::{InstanceId, SnapshotId};
use holdfast_core::plan::{Blocked, Goal, NoSwap};
use holdfast_core::profile::Faulty;
use holdfast_core::session::Failure;
use holdfast_core::settings::SettingsError;
use serde::Serialize;

use crate::store::{LockError, StoreError};

mod adopting;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Something is wrong.
    Problem = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Consent is missing, or the plan is blocked: nothing was changed.
    Refused = 3,
}

/// An error as the user sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// A stable name, for scripts and for searching.
    pub code: &'static str,
    /// What does not work, as a sentence without its full stop.
    pub what: String,
    /// Why, in AWS's or the system's own words where there are any.
    pub cause: Option<String>,
    /// What the user can do, the most useful first.
    pub hints: Vec<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

/// A call to AWS that failed.
#[derive(Clone, Debug)]
pub struct CallError {
    /// The service, as in `ec2`.
    pub service: &'static str,
    /// The operation, as in `CreateVpc`.
    pub operation: &'static str,
    /// How it failed.
    pub kind: CallErrorKind,
    /// AWS's request id, for the log.
    pub request_id: Option<String>,
}

/// How a call failed.
#[derive(Clone, Debug)]
pub enum CallErrorKind {
    /// AWS answered with an error.
    Service {
        /// Its code, e.g. `VpcLimitExceeded`.
        code: String,
        /// Its own words.
        message: String,
    },
    /// There are no credentials, or they cannot be had.
    Credentials(String),
    /// Something on this computer that the credentials are in, as a keyring.
    Here(Box<Problem>),
    /// No answer in time.
    Timeout,
    /// The endpoint cannot be reached.
    Unreachable {
        /// Why, in the system's words.
        why: String,
        /// What stands in the way.
        obstacle: Obstacle,
    },
    /// The answer makes no sense.
    Garbled(String),
}

/// What stands between this computer and AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// The network, as far as anybody can tell.
    Network,
    /// A certificate that does not verify.
    Certificate,
    /// The certificates that are to be trusted cannot be read.
    Bundle,
    /// A proxy.
    Proxy,
    /// A proxy that wants to know who asks.
    ProxyPassword,
}

impl Obstacle {
    /// What to do about it.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Network => "check the network, the region's name, and HTTPS_PROXY if there is one",
            Self::Certificate => {
                "in a network that asks for a sign-in, sign in with a browser; where a proxy opens TLS, name its \
                 certificate: AWS_CA_BUNDLE=/path/to/bundle.pem"
            }
            Self::Bundle => "correct AWS_CA_BUNDLE, or ca_bundle in the AWS configuration",
            Self::Proxy => "check HTTPS_PROXY; hosts that need no proxy belong into NO_PROXY",
            Self::ProxyPassword => "give the proxy both: HTTPS_PROXY=http://USER:PASSWORD@HOST:PORT",
        }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let call = format!("{}:{}", self.service, self.operation);
        match &self.kind {
            CallErrorKind::Service { code, message } => write!(f, "{call}: {code}: {message}"),
            CallErrorKind::Credentials(why) => write!(f, "{call}: no credentials: {why}"),
            CallErrorKind::Here(problem) => write!(f, "{call}: {problem}"),
            CallErrorKind::Timeout => write!(f, "{call}: no answer in time"),
            CallErrorKind::Unreachable { why, .. } | CallErrorKind::Garbled(why) => {
                write!(f, "{call}: {why}")
            }
        }
    }
}

impl std::error::Error for CallError {}

impl CallError {
    /// Whether there were no credentials to call with.
    pub fn is_about_credentials(&self) -> bool {
        matches!(self.kind, CallErrorKind::Credentials(_) | CallErrorKind::Here(_))
    }

    /// AWS's error code; empty when AWS did not answer.
    pub fn code(&self) -> &str {
        if let CallErrorKind::Service { code, .. } = &self.kind { code } else { "" }
    }
}

impl Problem {
    /// A problem with nothing but a sentence.
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), cause: None, hints: Vec::new(), exit: Exit::Problem }
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With one more thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With the most useful thing to do, if there is one.
    #[must_use]
    pub fn hint_first(mut self, hint: Option<String>) -> Self {
        self.hints.splice(0..0, hint);
        self
    }

    /// Whether signing in may help.
    pub fn is_about_credentials(&self) -> bool {
        holdfast_core::app::is_about_credentials(self.code)
    }

    /// Whether it is what stands between us and what the keyring holds.
    pub fn is_about_keyring(&self) -> bool {
        matches!(
            self.code,
            "keyring" | "no_keyring" | "keyring_locked" | "keyring_denied" | "keyring_garbled"
        )
    }

    /// A profile that gives no credentials.
    pub fn faulty_profile(name: &str, faulty: &Faulty) -> Self {
        Self::new("profile", format!("The profile {name} gives no credentials"))
            .because(faulty.to_string())
            .hint("see what there is: holdfast profiles")
    }

    /// Whether AWS forbids it.
    pub fn is_denied(&self) -> bool {
        self.code == "denied"
    }

    /// With another way for the process to end.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}

impl From<CallError> for Problem {
    fn from(error: CallError) -> Self {
        tracing::info!(%error, request = error.request_id, "a call failed");
        let call = format!("{}:{}", error.service, error.operation);
        match error.kind {
            CallErrorKind::Service { code, message } => service(&call, &code, message),
            CallErrorKind::Credentials(why) => {
                Self::new("no_credentials", "There are no valid AWS credentials")
                    .because(why)
                    .hint("name the profile to use: holdfast settings set profile NAME")
            }
            CallErrorKind::Here(problem) => *problem,
            CallErrorKind::Timeout => Self::new("timeout", format!("AWS did not answer {call} in time"))
                .hint("check the network, then run the same command again: it goes on where it was"),
            CallErrorKind::Unreachable { why, obstacle } => {
                let code = match obstacle {
                    Obstacle::Network => "unreachable",
                    Obstacle::Certificate => "certificate",
                    Obstacle::Bundle => "ca_bundle",
                    Obstacle::Proxy | Obstacle::ProxyPassword => "proxy",
                };
                let problem = Self::new(code, format!("AWS cannot be reached for {call}")).because(why);
                problem.hint(format!("{}, then run the same command again", obstacle.hint()))
            }
            CallErrorKind::Garbled(why) => {
                Self::new("garbled", format!("The answer to {call} makes no sense")).because(why)
            }
        }
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::new("files", "A file of Holdfast's own cannot be had").because(error.to_string())
    }
}

impl From<LockError> for Problem {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Store(error) => error.into(),
            LockError::Held(holder) => {
                let problem = Self::new("locked", "Another Holdfast is working on this machine right now")
                    .hint("wait for it to end, then run the same command again")
                    .exit(Exit::Refused);
                Self { cause: holder.map(|holder| holder.to_string()), ..problem }
            }
        }
    }
}

/// The problem that an error code of AWS stands for.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html> and each service's list.
fn service(call: &str, code: &str, message: String) -> Problem {
    let quota = "ask for more in the AWS console: Service Quotas";
    let problem = match code {
        "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "UnauthorizedAccess" => {
            Problem::new("denied", format!("Your AWS identity may not call {call}"))
                .hint("give it the policy in the README, or use another profile")
        }
        "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "InvalidGrantException"
        | "UnauthorizedException" => {
            let problem = Problem::new("expired", "Your AWS sign-in is over").hint("sign in again");
            // EC2 has one code for both.
            // Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>
            if code == "RequestExpired" {
                problem.hint(format!("or, if it is not: {SET_THE_CLOCK}"))
            } else {
                problem
            }
        }
        // The code is that of any wrong signature; only the words tell.
        // Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html>
        "SignatureDoesNotMatch" | "InvalidSignatureException"
            if message.starts_with("Signature expired:")
                || message.starts_with("Signature not yet current:") =>
        {
            Problem::new("clock", "This computer's clock is wrong, so AWS refuses what it signs")
                .hint(SET_THE_CLOCK)
        }
        "RequestTimeTooSkewed" | "RequestInTheFuture" => {
            Problem::new("clock", "This computer's clock is wrong, so AWS refuses what it signs")
                .hint(SET_THE_CLOCK)
        }
        "AuthFailure"
        | "InvalidClientTokenId"
        | "UnrecognizedClientException"
        | "SignatureDoesNotMatch"
        | "InvalidSignatureException"
        | "IncompleteSignature" => Problem::new("bad_credentials", "AWS does not accept the credentials")
            .hint("check the profile, the region's name and this computer's clock"),
        // A gateway is made together with its VPC, and their quota is one.
        "VpcLimitExceeded" | "InternetGatewayLimitExceeded" => {
            Problem::new("vpc_quota", "The account has no room for another VPC in this region")
                .hint("delete an unused VPC, or use one: holdfast settings set subnet SUBNET-ID")
                .hint(format!("{quota}, Amazon VPC, VPCs per Region (5 by default)"))
        }
        "VcpuLimitExceeded" => {
            Problem::new("vcpu_quota", "The account's vCPU quota is too small for this type")
                .hint("use a smaller type: holdfast settings set instance_type TYPE")
                .hint(format!("{quota}, Amazon EC2, Running On-Demand instances"))
        }
        "InstanceLimitExceeded"
        | "VolumeLimitExceeded"
        | "MaxSpotInstanceCountExceeded"
        | "LimitExceeded"
        | "RouteTableLimitExceeded"
        | "SecurityGroupLimitExceeded" => {
            Problem::new("quota", format!("A quota of the account stops {call}")).hint(quota)
        }
        "IncorrectModificationState" => {
            Problem::new("volume_busy", "AWS is still at work on the volume's last change")
                .hint("try again when that is over; it can take hours: holdfast status")
        }
        "VolumeModificationRateExceeded" => {
            Problem::new("volume_limit", "AWS allows no further change of the volume for now")
        }
        "SnapshotCreationPerVolumeRateExceeded" => {
            Problem::new("snapshot_limit", "AWS takes no further snapshot of the volume just now")
                .hint("it takes one every 15 s: try again in a moment")
        }
        "InsufficientInstanceCapacity" | "InsufficientHostCapacity" | "InsufficientCapacity" => {
            Problem::new("capacity", "AWS has no free machine of this type in this zone right now")
                .hint("try again in some minutes, or take another type; the disk is not touched")
        }
        "RequestLimitExceeded" | "Throttling" | "ThrottlingException" | "TooManyRequestsException" => {
            Problem::new("throttled", "AWS asks for fewer calls")
                .hint("run the same command again in a minute")
        }
        "TargetNotConnected" => Problem::new("agent_offline", "The machine's agent does not answer")
            .hint("wait a minute after a start; see what AWS knows: holdfast status"),
        "OptInRequired" | "SubscriptionRequiredException" => {
            Problem::new("region_off", "The account has not switched this region on")
                .hint("choose another region")
        }
        "UnsupportedOperation" | "InvalidAction" => {
            Problem::new("unsupported", format!("This endpoint does not know {call}"))
        }
        "Http403" => Problem::new("denied", format!("Your AWS identity may not call {call}"))
            .hint("give it the policy in the README; ssmmessages:OpenDataChannel is among it"),
        // Of a role that does not exist yet nothing else can be missing.
        "NoSuchEntity" if call == "iam:CreateRole" => {
            Problem::new("no_boundary", "The permissions boundary that the settings name is not there")
                .hint("correct it: holdfast settings set permissions_boundary ARN")
        }
        "ForbiddenException" if call == "sso:GetRoleCredentials" => {
            Problem::new("no_role", "The portal does not give you the role of the profile")
                .hint("see what it gives you: holdfast login --new; its administrator can assign you more")
        }
        "DependencyViolation" | "DeleteConflict" => {
            Problem::new("in_use", format!("Something else still uses it, so {call} is refused"))
                .hint("remove what was added beside Holdfast, then run the same command again")
        }
        _ => Problem::new("aws", format!("AWS refused {call}")).because(format!("{code}: {message}")),
    };
    let cause = problem.cause.clone().or((!message.is_empty()).then_some(message));
    Problem { cause, ..problem }
}

impl Problem {
    /// What forbids the plan.
    pub fn blocked(desired: &Desired, blocked: &Blocked) -> Self {
        let machine = &desired.machine;
        let problem = match blocked {
            Blocked::CannotSee { what, why: Why::NotLooked } => {
                Self::new("unseen", format!("Nobody looked at {what}"))
            }
            Blocked::CannotSee { what, why: Why::Denied(action) } => Self::new(
                "denied",
                format!("Your AWS identity may not look at {what}, so nothing is changed"),
            )
            .because(format!("{action} is denied"))
            .hint("give it the policy in the README, or use another profile"),
            Blocked::CannotSee { what, why: Why::Failed(cause) } => {
                Self::new("unseen", format!("AWS cannot tell about {what}, so nothing is changed"))
                    .because(cause)
            }
            Blocked::OtherOwner { resource, owner, caller } => {
                let owner = owner.as_ref().map_or("somebody unknown", |owner| owner.as_str());
                Self::new("other_owner", format!("{resource} of the machine {machine} belongs to {owner}"))
                    .because(format!("you are {caller}"))
                    .hint("name your own machine otherwise, or set another user: holdfast settings set user NAME")
                    .hint("if it is to be yours: holdfast adopt")
            }
            Blocked::Foreign { what, resource, name } => {
                let there =
                    if resource == name { format!("A {what}") } else { format!("The {what} {resource}") };
                Self::new(
                    "foreign",
                    format!("{there} named {name} is there already, and Holdfast did not make it"),
                )
                .hint("to see whether Holdfast can take it over: holdfast adopt")
                .hint("nothing of it is changed; rename or remove it, or name the machine otherwise")
            }
            Blocked::SeveralInstances { instances } => Self::new(
                "several_instances",
                format!("{} are all tagged as {machine}", instances.join(" and ")),
            )
            .hint("take the tag holdfast:machine off the one that you do not want, in the AWS console"),
            Blocked::NoSuchType => {
                Self::new("no_type", format!("{} does not offer {}", desired.region, desired.instance_type))
                    .hint("choose another: holdfast settings set instance_type m8g.xlarge")
            }
            Blocked::NoZone => Self::new(
                "no_zone",
                format!("No zone of {} offers {} right now", desired.region, desired.instance_type),
            )
            .hint("choose another: holdfast settings set instance_type m7g.xlarge"),
            Blocked::NoImage { architecture } => Self::new(
                "no_image",
                format!("There is no NixOS image for {} ({architecture})", desired.instance_type),
            )
            .hint("choose a type with an arm64 or x86_64 processor, like m8g.xlarge"),
            Blocked::VolumeTooSmall { least } => {
                Self::new("volume_too_small", format!("The image needs a volume of {least} GiB or more"))
                    .hint(format!("holdfast settings set volume_size {}", (*least).max(100)))
            }
            Blocked::NoSubnet { subnet } => {
                Self::new("no_subnet", format!("The subnet {subnet} is not in {}", desired.region))
                    .hint("check it, or let Holdfast make its own: holdfast settings unset subnet")
            }
            Blocked::NoWayOut { subnet } => {
                Self::new("no_way_out", format!("Nothing leads out of the subnet {subnet}"))
                    .because("the machine's agent must reach AWS on port 443")
                    .hint("use a subnet with a route for 0.0.0.0/0")
            }
            Blocked::TypeNotInZone { zone } => {
                let problem =
                    Self::new("type_not_in_zone", format!("{zone} does not offer {}", desired.instance_type))
                        .hint("see what it offers: holdfast types");
                problem.hint(if desired.subnet.is_some() {
                    "or take a subnet in another zone: holdfast settings set subnet subnet-…"
                } else {
                    "or take another zone: holdfast settings set zone …; a machine that is there moves with holdfast replace"
                })
            }
            Blocked::NoAddresses { vpc } => {
                Self::new("no_addresses", format!("all addresses of {vpc} are taken"))
                    .because("another zone needs a subnet of its own")
                    .hint("take away what has them, or let the machine stay in its zone: holdfast settings unset zone")
            }
            Blocked::OtherArchitecture { is, wanted } => Self::new(
                "other_architecture",
                format!("{} is for {wanted}, and {machine} is an {is} machine", desired.instance_type),
            )
            .because("what is on the disk does not run on the other processor")
            .hint("see what it can become: holdfast types")
            .hint(format!(
                "put a new machine of this type in its place, with its home: holdfast settings set instance_type {}, then holdfast replace",
                desired.instance_type
            )),
            Blocked::MayNotResize { actions } => {
                Self::new("denied", "Your AWS identity may not change the machine's type; nothing was stopped")
                    .because(format!("{} is denied", actions.join(", ")))
                    .hint("give it the policy in the README, or use another profile")
            }
            Blocked::Quota { limit, used, more } => Self::new(
                "vcpu_quota",
                format!("The account's vCPU quota is too small for {}; nothing was stopped", desired.instance_type),
            )
            .because(format!("{used} of {limit} vCPUs are in use, and it needs {more} more"))
            .hint("use a smaller type: holdfast types")
            .hint("ask for more in the AWS console: Service Quotas, Amazon EC2, Running On-Demand Standard instances"),
            Blocked::NoSnapshot { snapshot } => Self::no_snapshot(snapshot),
            Blocked::NoCapacity { instance_type } => Self::no_capacity(desired, instance_type),
            Blocked::NoProfile { profile } => {
                Self::new("no_profile", format!("There is no instance profile {profile}"))
                    .hint("check it, or let Holdfast make its own: holdfast settings unset instance_profile")
            }
            Blocked::ProfileWithoutRole { profile } => {
                Self::new("profile_without_role", format!("The instance profile {profile} has no role"))
                    .hint("whoever made it must put a role with AmazonSSMManagedInstanceCore into it")
            }
        };
        problem.exit(Exit::Refused)
    }

    /// An instance that AWS has made and ended again.
    pub fn launch_failed(instance: &Instance) -> Self {
        let problem =
            Self::new("launch_failed", format!("AWS has made {} and ended it at once", instance.id));
        let problem = match &instance.transition {
            Some(why) => problem.because(why),
            None => problem,
        };
        problem.hint(
            "mend what AWS says, the kms_key of the settings for example, then run the same command again",
        )
    }

    /// A command whose exit code got lost.
    pub fn no_exit_code() -> Self {
        Self::new("no_exit_code", "The command has ended, but its exit code got lost")
            .because("the connection broke while the end of its output was on the way")
            .hint("see on the machine what it has done: holdfast connect")
    }

    /// AWS has no machine of a type free.
    pub fn no_capacity(desired: &Desired, instance_type: &str) -> Self {
        let machine = &desired.machine;
        Self::new("capacity", format!("AWS has no free {instance_type} in this zone right now"))
            .hint(format!("try again in some minutes; the disk of {machine} is not touched"))
            .hint("or take another type: holdfast resize --type TYPE")
    }

    /// A machine that somebody else has ended while we were at work on it.
    pub fn machine_gone(desired: &Desired) -> Self {
        Self::new("machine_gone", format!("Somebody has ended the machine {} meanwhile", desired.machine))
            .because("its instance is not there any more; no other one was made in its place")
            .hint("see what is left: holdfast status")
            .hint("make a new one: holdfast up")
    }

    /// A snapshot that the machine does not have: somebody else's, deleted, or failed.
    pub fn no_snapshot(snapshot: &str) -> Self {
        Self::new("no_snapshot", format!("The machine has no snapshot {snapshot}"))
            .hint("see which there are: holdfast snapshot list")
            .exit(Exit::Refused)
    }

    /// A snapshot that a home is still to come from.
    pub fn needed(instance: &InstanceId, snapshot: &SnapshotId) -> Self {
        Self::new("needed", format!("{instance} is to have its home from {snapshot}"))
            .because("what it alone holds would be lost")
            .hint("bring that to its end first: holdfast replace")
            .exit(Exit::Refused)
    }

    /// What is asked for about the machine's place cannot be done.
    pub fn no_swap(desired: &Desired, why: &NoSwap) -> Self {
        let problem = |code| Self::new(code, why.words(desired));
        let problem = match why {
            NoSwap::NoMachine => return Self::no_machine(desired),
            NoSwap::StillKept { .. } => problem("still_kept")
                .because("one at a time: what is kept is the way back from the last replacement")
                .hint("let it go: holdfast replace --let-go")
                .hint("or go back to it: holdfast replace --back"),
            NoSwap::OtherHome { .. } => problem("replacing")
                .hint("go on with that: holdfast replace")
                .hint("or take it back: holdfast replace --cancel"),
            NoSwap::NotBegun | NoSwap::NoneKept => {
                problem("nothing_to_replace").hint("see what is there: holdfast plan")
            }
        };
        problem.exit(Exit::Refused)
    }

    /// A goal that needs a machine where there is none.
    pub fn no_machine(desired: &Desired) -> Self {
        Self::new("no_machine", format!("There is no machine {} in {}", desired.machine, desired.region))
            .hint("make it: holdfast up")
    }

    /// A plan that would cost, interrupt or destroy what nobody agreed to.
    pub fn no_consent(goal: Goal) -> Self {
        let what = match goal {
            Goal::Settings | Goal::Reachable | Goal::Replaced => {
                "Nothing was changed: this costs money or interrupts the machine"
            }
            Goal::Stopped => "Nothing was changed: stopping ends everything that runs on the machine",
            Goal::Only(_) => "Nothing was changed: letting an instance go needs your word",
            Goal::Gone(_) => "Nothing was changed: destroying needs your word",
        };
        Self::new("no_consent", what).hint("say yes at the prompt, or add --yes").exit(Exit::Refused)
    }

    /// A machine of somebody else's that nobody agreed to take over.
    pub fn not_adopted() -> Self {
        Self::new("no_consent", "Nothing was changed: taking over somebody else's machine needs your word")
            .hint("type the machine's name at the prompt, or add --yes")
            .exit(Exit::Refused)
    }

    /// A session that was ended from outside, with what the agent said.
    ///
    /// The agent has no codes, only words; those about RunAs all name it.
    /// Source: `amazon-ssm-agent` 3.3, `agent/session/shell/shell_unix.go`.
    pub fn session_closed(output: String) -> Self {
        let problem = if output.contains("RunAs") {
            Self::new("session_run_as", "The account runs sessions as a user whom the machine does not have")
                .hint("ask for another RunAs user in the account's Session Manager preferences, or for none")
        } else {
            Self::new("session_closed", "The session was ended from outside").hint("connect again")
        };
        problem.because(output)
    }

    /// A session that cannot go on.
    pub fn session(failure: &Failure) -> Self {
        let problem = match failure {
            Failure::KeyRefused(_) => Self::new(
                "session_key",
                "The account wants sessions encrypted, and you may not use its key",
            )
            .hint(
                "ask for kms:GenerateDataKey on the key that the account's Session Manager preferences name",
            ),
            Failure::Unsupported(_) => {
                Self::new("session_unsupported", "The account asks for a session that Holdfast does not know")
            }
            Failure::Handshake(_) | Failure::Decrypt => {
                Self::new("session_broken", "The session cannot go on").hint("connect again")
            }
        };
        problem.because(failure.to_string())
    }

    /// Settings that do not hold, all of it at once.
    pub fn settings(path: &std::path::Path, errors: &[SettingsError]) -> Self {
        let lines: Vec<String> = errors.iter().map(ToString::to_string).collect();
        Self::new("settings", format!("The settings in {} do not hold", path.display()))
            .because(lines.join("\n"))
            .hint("mend them: holdfast settings edit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(code: &str) -> CallError {
        let kind = CallErrorKind::Service { code: code.into(), message: "in AWS's words".into() };
        CallError { service: "ec2", operation: "CreateVpc", kind, request_id: None }
    }

    #[test]
    fn codes_become_problems() {
        for (code, problem) in [
            ("UnauthorizedOperation", "denied"),
            ("AccessDeniedException", "denied"),
            ("ExpiredToken", "expired"),
            ("AuthFailure", "bad_credentials"),
            ("VpcLimitExceeded", "vpc_quota"),
            ("VcpuLimitExceeded", "vcpu_quota"),
            ("InsufficientInstanceCapacity", "capacity"),
            ("RequestLimitExceeded", "throttled"),
            ("TargetNotConnected", "agent_offline"),
            ("NeverHeardOf", "aws"),
        ] {
            assert_eq!(Problem::from(call(code)).code, problem, "{code}");
        }
    }

    #[test]
    fn a_denied_call_is_named_with_the_words_of_aws() {
        let problem = Problem::from(call("UnauthorizedOperation"));
        assert_eq!(problem.to_string(), "Your AWS identity may not call ec2:CreateVpc: in AWS's words");
        assert!(!problem.hints.is_empty());
    }
}
