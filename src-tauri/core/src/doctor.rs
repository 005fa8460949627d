//! What is right and what is wrong with a machine and all that it needs: what `holdfast doctor` says.
//!
//! Everything here judges what somebody else has found out; nothing looks.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use serde::Serialize;
use specta::Type;

use crate::jobs::Standing;
use crate::machine::{Desired, Fact, Observed, Power, Quota, Why};
use crate::policy;

/// The version of the JSON shape; it grows when a field changes its meaning or goes.
pub const VERSION: u32 = 1;

/// How good something is; the worst comes last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Mark {
    /// As it should be.
    Ok,
    /// It works, and not as well as it could; or it cannot be told.
    Warning,
    /// It does not work.
    Failed,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Part {
    /// What this computer was told.
    Settings,
    /// Who we are to AWS, and until when.
    Credentials,
    /// The way to AWS: names, proxies, certificates, the clock.
    Network,
    /// What AWS lets us do.
    Permissions,
    /// What the region and the account have room for.
    Capacity,
    /// The machine.
    Machine,
    /// This computer.
    Desktop,
    /// What runs here.
    Versions,
}

impl Part {
    /// As a heading.
    pub fn word(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Credentials => "credentials",
            Self::Network => "network",
            Self::Permissions => "permissions",
            Self::Capacity => "capacity",
            Self::Machine => "machine",
            Self::Desktop => "this computer",
            Self::Versions => "versions",
        }
    }
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Type)]
pub struct Finding {
    /// What it is about.
    pub area: Part,
    /// How good it is.
    pub mark: Mark,
    /// What was found, as a sentence without its full stop.
    pub what: String,
    /// The one thing to do about it; nothing where all is well.
    pub todo: Option<String>,
}

impl Finding {
    /// All is well.
    pub fn ok(area: Part, what: impl Into<String>) -> Self {
        Self { area, mark: Mark::Ok, what: what.into(), todo: None }
    }

    /// It works, and not as well as it could.
    pub fn warning(area: Part, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { area, mark: Mark::Warning, what: what.into(), todo: Some(todo.into()) }
    }

    /// It does not work.
    pub fn failed(area: Part, what: impl Into<String>, todo: impl Into<String>) -> Self {
        Self { area, mark: Mark::Failed, what: what.into(), todo: Some(todo.into()) }
    }

    /// Nobody can tell, and why.
    fn untold(area: Part, what: &str, why: &Why) -> Self {
        match why {
            Why::NotLooked => {
                Self::warning(area, format!("{what} was not looked at"), "see what failed above")
            }
            Why::Denied(action) => Self::warning(
                area,
                format!("{what} cannot be seen: {action} is denied"),
                "have your AWS identity allowed what this prints: holdfast policy",
            ),
            Why::Failed(cause) => {
                Self::warning(area, format!("{what} cannot be seen: {cause}"), "try again in a minute")
            }
        }
    }
}

/// All that was found, area by area.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Report {
    /// [`VERSION`].
    pub version: u32,
    /// The worst of them.
    pub mark: Mark,
    /// What was found.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Puts them in order: by area, and as they came within it.
    pub fn of(mut findings: Vec<Finding>) -> Self {
        findings.sort_by_key(|finding| finding.area);
        let mark = findings.iter().map(|finding| finding.mark).max().unwrap_or(Mark::Ok);
        Self { version: VERSION, mark, findings }
    }

    /// What somebody should see to, the worst first; and what is as it should be.
    pub fn by_urgency(&self) -> (Vec<&Finding>, Vec<&Finding>) {
        let (well, mut pressing): (Vec<_>, Vec<_>) =
            self.findings.iter().partition(|finding| finding.mark == Mark::Ok);
        pressing.sort_by_key(|finding| Reverse(finding.mark));
        (pressing, well)
    }
}

/// Credentials that end so soon are worth a word, in seconds.
const SOON: u64 = 15 * 60;

/// Whom the credentials make us, and until when, in seconds since the Unix epoch; some have no end. `renewed` says that what
/// comes after them needs nobody.
pub fn credentials(who: &str, until: Option<u64>, renewed: bool, now: u64) -> Finding {
    let span = |left: u64| match left / 60 {
        minutes if minutes < 120 => format!("{minutes} minutes"),
        minutes => format!("{} hours", minutes / 60),
    };
    let what = match until.map(|until| until.saturating_sub(now)) {
        None => who.to_owned(),
        Some(left) if renewed => format!("{who}, for {}, and renewed by themselves", span(left)),
        Some(left) => format!("{who}, for {}", span(left)),
    };
    match until {
        Some(until) if !renewed && until.saturating_sub(now) < SOON => Finding::warning(
            Part::Credentials,
            format!("{what}, and then somebody has to sign in"),
            "sign in now: holdfast login",
        ),
        Some(_) | None => Finding::ok(Part::Credentials, what),
    }
}

/// By how much this computer's clock may differ, in seconds. AWS refuses what was signed more than five minutes off.
/// Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/signing-elements.html>
const CLOCK_LIMIT: u64 = 5 * 60;
/// What is worth a word, in seconds.
const CLOCK_DRIFT: u64 = 60;

/// What is to be done about a clock.
pub const SET_THE_CLOCK: &str = "set this computer's clock, best by the network";

/// How the clock stands: `ahead` is what AWS's is before ours, in seconds.
pub fn clock(ahead: i64) -> Finding {
    let (by, which) = (ahead.unsigned_abs(), if ahead > 0 { "behind" } else { "ahead of" });
    let off = || format!("this computer's clock is {by} seconds {which} AWS's");
    if by >= CLOCK_LIMIT {
        Finding::failed(
            Part::Network,
            format!("{}; AWS refuses what is signed so far off", off()),
            SET_THE_CLOCK,
        )
    } else if by >= CLOCK_DRIFT {
        Finding::warning(Part::Network, off(), SET_THE_CLOCK)
    } else {
        Finding::ok(Part::Network, "the clock agrees with AWS's")
    }
}

/// What was asked of the permissions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asked {
    /// The actions that AWS would let us call.
    pub allowed: BTreeSet<String>,
    /// Those that it denies.
    pub denied: BTreeSet<String>,
}

/// What may be denied at the price of a nicety: capacity is not held, prices are those that came with Holdfast.
const NICE: &[&str] = &[
    "ec2:CancelCapacityReservation",
    "ec2:CreateCapacityReservation",
    "ec2:DescribeCapacityReservations",
    "pricing:GetProducts",
    "servicequotas:GetServiceQuota",
];

/// Of what [`policy::least`] lists, what is denied and what only the call itself would tell.
pub fn permissions(desired: &Desired, asked: &Asked) -> Vec<Finding> {
    let needed = policy::actions(desired);
    let of = |set: &BTreeSet<String>, nice: bool| -> Vec<String> {
        set.iter().filter(|a| needed.contains(*a) && NICE.contains(&a.as_str()) == nice).cloned().collect()
    };
    let (missing, less) = (of(&asked.denied, false), of(&asked.denied, true));
    let untold = needed.iter().filter(|a| !asked.allowed.contains(*a) && !asked.denied.contains(*a)).count();
    let mut findings = Vec::new();
    if !missing.is_empty() {
        findings.push(Finding::failed(
            Part::Permissions,
            format!("your AWS identity may not call {}", missing.join(", ")),
            "have it allowed what this prints: holdfast policy",
        ));
    }
    if !less.is_empty() {
        findings.push(Finding::warning(
            Part::Permissions,
            format!("it works without, but better with {}", less.join(", ")),
            "have your AWS identity allowed what this prints: holdfast policy",
        ));
    }
    let allowed = needed.iter().filter(|action| asked.allowed.contains(*action)).count();
    let rest = match untold {
        0 => String::new(),
        rest => format!("; {rest} more can only be told by calling them"),
    };
    findings.push(Finding::ok(
        Part::Permissions,
        format!("{allowed} of {} actions are allowed{rest}", needed.len()),
    ));
    findings
}

/// Whether the wanted type can be had, and fits into the account.
pub fn capacity(desired: &Desired, observed: &Observed, quota: Option<Quota>) -> Vec<Finding> {
    let kind = &desired.instance_type;
    let offer = match &observed.offer {
        Fact::Present(offer) => {
            let zones: Vec<&str> = offer.zones.iter().map(String::as_str).collect();
            Finding::ok(Part::Capacity, format!("{kind} is offered in {}", zones.join(", ")))
        }
        Fact::Absent => Finding::failed(
            Part::Capacity,
            format!("{} has no {kind}", desired.region),
            "see which there are: holdfast types; then holdfast settings set instance_type TYPE",
        ),
        Fact::Unknown(why) => Finding::untold(Part::Capacity, "whether the region has the type", why),
    };
    let runs = observed.winners(desired).instance.is_some_and(|instance| instance.power == Power::Running);
    let vcpus = observed.offer.present().map_or(0, |offer| offer.vcpus);
    let more = if runs { 0 } else { vcpus };
    let room = quota.map(|quota| {
        let what = format!("{} of the {} vCPUs that the account may run are in use", quota.used, quota.limit);
        if quota.has_room_for(more) {
            Finding::ok(Part::Capacity, what)
        } else {
            Finding::failed(
                Part::Capacity,
                format!("{what}; {kind} needs {vcpus} more"),
                "ask AWS for more, in Service Quotas: Running On-Demand Standard instances (L-1216C47A)",
            )
        }
    });
    std::iter::once(offer).chain(room).collect()
}

/// The machine as AWS sees it.
pub fn machine(desired: &Desired, observed: &Observed) -> Vec<Finding> {
    let winners = observed.winners(desired);
    let name = &desired.machine;
    let Some(instance) = winners.instance else {
        return vec![match &observed.instances {
            Fact::Unknown(why) => Finding::untold(Part::Machine, "the machine", why),
            Fact::Absent | Fact::Present(_) => {
                Finding::warning(Part::Machine, format!("there is no {name} yet"), "make it: holdfast up")
            }
        }];
    };
    let id = &instance.id;
    let power = match instance.power {
        Power::Running => Finding::ok(Part::Machine, format!("{name} is on, as {id}")),
        Power::Stopped => {
            Finding::warning(Part::Machine, format!("{name} is off ({id})"), "switch it on: holdfast start")
        }
        Power::Pending | Power::Stopping | Power::ShuttingDown | Power::Terminated => Finding::warning(
            Part::Machine,
            format!("{name} is on its way from one state to another ({id})"),
            "see when that ends: holdfast status --watch",
        ),
    };
    let mut findings = vec![power];
    if instance.profile.is_none() {
        findings.push(Finding::failed(
            Part::Machine,
            "it has no instance profile, so its agent cannot speak to SSM",
            "give it one: holdfast apply",
        ));
    }
    if instance.power == Power::Running {
        findings.push(match &observed.agent {
            Fact::Present(()) => Finding::ok(Part::Machine, "its agent answers SSM"),
            Fact::Absent => Finding::failed(
                Part::Machine,
                "its agent does not answer SSM",
                "wait a few minutes after a start; then restart it: holdfast restart",
            ),
            Fact::Unknown(why) => Finding::untold(Part::Machine, "whether its agent answers", why),
        });
    }
    findings
}

/// Whether the machine runs the configuration that it should.
pub fn configuration(standing: Standing) -> Finding {
    match standing {
        Standing::UpToDate => Finding::ok(Part::Machine, "it runs the configuration that is declared"),
        Standing::Behind | Standing::NotHoldfasts => Finding::warning(
            Part::Machine,
            "it runs another configuration than the one that is declared",
            "have it run yours: holdfast rebuild",
        ),
        Standing::EditedThere => Finding::warning(
            Part::Machine,
            "its configuration was changed on the machine alone",
            "see what: holdfast config status",
        ),
        Standing::Unknown => Finding::warning(
            Part::Machine,
            "whether it runs what the repository has cannot be told",
            "see why: holdfast config status",
        ),
    }
}

/// What the machine says of itself; the answer to [`script::health`](crate::script::health).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// KiB of `/` in all, and free.
    pub disk: Option<(u64, u64)>,
    /// KiB of memory in all, and available.
    pub memory: Option<(u64, u64)>,
    /// Whether zellij is there for the user.
    pub zellij: Option<bool>,
    /// Whether the machine's user is there.
    pub user: Option<bool>,
    /// How many of its services have failed, where it has systemd.
    pub failed: Option<u32>,
    /// What zellij calls itself.
    pub zellij_version: Option<String>,
    /// The version of NixOS that it runs.
    pub nixos: Option<String>,
    /// The generation that it is to boot.
    pub generation: Option<u32>,
}

impl Health {
    /// Reads the answer, `key value…` in each line. What is not there is not known.
    pub fn parse(answer: &[u8]) -> Self {
        let text = String::from_utf8_lossy(answer);
        let find = |key: &str| {
            text.lines().find_map(|line| line.trim().strip_prefix(key)?.strip_prefix(' ').map(str::to_owned))
        };
        let pair = |key: &str| {
            let line = find(key)?;
            let (all, free) = line.split_once(' ')?;
            Some((all.parse().ok()?, free.trim().parse().ok()?))
        };
        let flag = |key: &str| Some(find(key)? == "yes");
        Self {
            disk: pair("disk"),
            memory: pair("memory"),
            zellij: flag("zellij"),
            user: flag("user"),
            failed: find("failed").and_then(|count| count.parse().ok()),
            zellij_version: find("zellij-version"),
            nixos: find("nixos"),
            generation: find("generation").and_then(|number| number.parse().ok()),
        }
    }

    /// What is to be said of it.
    pub fn findings(&self, desired: &Desired) -> Vec<Finding> {
        let gib = |kib: u64| format!("{}.{} GiB", kib >> 20, ((kib & 0xF_FFFF) * 10) >> 20);
        let of = |what: &str, (all, free): (u64, u64), todo: &str| {
            let text = format!("{what}: {} of {} free", gib(free), gib(all));
            match free.saturating_mul(100).checked_div(all) {
                Some(0..2) => Finding::failed(Part::Machine, text, todo),
                Some(2..10) => Finding::warning(Part::Machine, text, todo),
                Some(_) | None => Finding::ok(Part::Machine, text),
            }
        };
        let disk =
            self.disk.map(|disk| of("disk", disk, "make room, or make it larger: holdfast resize --volume"));
        let memory =
            self.memory.map(|memory| of("memory", memory, "see what takes it: holdfast exec -- top -bn1"));
        let user = (self.user == Some(false)).then(|| {
            Finding::warning(
                Part::Machine,
                format!("it has no user {}, since it does not run its configuration yet", desired.user),
                "have it run yours: holdfast up",
            )
        });
        let zellij = self.zellij.filter(|_| user.is_none()).map(|there| {
            if there {
                Finding::ok(
                    Part::Machine,
                    "zellij is there, so what runs in a session outlives the connection",
                )
            } else {
                Finding::failed(
                    Part::Machine,
                    "zellij is not there, so what runs ends with the connection",
                    "have it run a configuration with zellij: holdfast rebuild",
                )
            }
        });
        let failed = self.failed.map(|count| match count {
            0 => Finding::ok(Part::Machine, "none of its services has failed"),
            count => Finding::warning(
                Part::Machine,
                format!("services that have failed on it: {count}"),
                "see which: holdfast exec -- systemctl --failed",
            ),
        });
        let nixos = self.nixos.as_ref().map(|version| format!("NixOS {version}"));
        let generation = self.generation.map(|number| format!("generation {number}"));
        let versions: Vec<String> =
            [nixos, generation, self.zellij_version.clone()].into_iter().flatten().collect();
        let versions = (!versions.is_empty())
            .then(|| Finding::ok(Part::Versions, format!("{} on {}", versions.join(", "), desired.machine)));
        [disk, memory, user, zellij, failed, versions].into_iter().flatten().collect()
    }
}

/// What a desktop has for its user.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Desktop {
    /// Whether something shows tray icons; `None` where every desktop of this system does.
    pub tray: Option<bool>,
    /// Whether something shows notifications; likewise.
    pub notifications: Option<bool>,
    /// The terminals that can be opened, in the order in which they are tried.
    pub terminals: Vec<String>,
    /// The terminal that the settings name, if they name one.
    pub chosen: Option<String>,
    /// The keyring.
    pub keyring: Keyring,
    /// Whether the app starts when its user signs in to the desktop; `None`: that is not known.
    pub autostart: Option<bool>,
}

/// How it is with a keyring.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Keyring {
    /// It can be used.
    #[default]
    Open,
    /// It asks its user for a password first.
    Locked,
    /// It is of no use: why, and what to do.
    Unusable(String, String),
}

impl Desktop {
    /// What is to be said of it.
    pub fn findings(&self) -> Vec<Finding> {
        let area = Part::Desktop;
        let tray = self.tray.map(|there| {
            if there {
                Finding::ok(area, "the desktop shows tray icons")
            } else {
                Finding::warning(
                    area,
                    "nothing here shows tray icons",
                    "on GNOME, install the extension AppIndicator; the window and the commands do without",
                )
            }
        });
        let notifications = self.notifications.map(|there| {
            if there {
                Finding::ok(area, "the desktop shows notifications")
            } else {
                Finding::warning(
                    area,
                    "nothing here shows notifications",
                    "start your desktop's notification service",
                )
            }
        });
        let keyring = match &self.keyring {
            Keyring::Open => Finding::ok(area, "the keyring can be used"),
            Keyring::Locked => Finding::warning(
                area,
                "the keyring is locked",
                "unlock it, or give its password when it asks; without it no sign-in is kept",
            ),
            Keyring::Unusable(why, todo) => Finding::warning(area, why, todo),
        };
        let terminal = match (&self.chosen, self.terminals.first()) {
            (_, Some(first)) => Finding::ok(area, format!("terminals open in {first}")),
            (Some(chosen), None) => Finding::failed(
                area,
                format!("{chosen}, the terminal of your settings, is not installed"),
                "let Holdfast find one: holdfast settings unset terminal",
            ),
            (None, None) => Finding::warning(
                area,
                "no terminal was found that a window could be opened in",
                "install one, or connect in one of your own: holdfast connect",
            ),
        };
        let autostart = self.autostart.map(|on| {
            let what =
                if on { "starts with the desktop" } else { "does not start with the desktop by itself" };
            Finding::ok(area, format!("the app {what}"))
        });
        tray.into_iter().chain(notifications).chain([keyring, terminal]).chain(autostart).collect()
    }
}

#[cfg(test)]
mod tests;
