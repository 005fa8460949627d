//! Finds out what is right and what is wrong with a machine and all that it needs: everything at once, within a limit, and
//! without changing anything. [`holdfast_core::doctor`] judges it.

use std::time::Duration;

use aws_credential_types::provider::ProvideCredentials as _;
use holdfast_core::app::harmless::harmless;
use holdfast_core::config::FLAKE;
use holdfast_core::doctor::{self, Asked, Desktop, Finding, Health, Keyring, Part, Report};
use holdfast_core::jobs::Standing;
use holdfast_core::machine::{Desired, Observed, Power, Why};
use holdfast_core::plan::Goal;
use holdfast_core::script;
use holdfast_core::settings::Settings;
use holdfast_core::terminal::Choice;
use tokio::time::{Instant, timeout, timeout_at};

use crate::aws::allowed::Answered;
use crate::aws::identity::token;
use crate::aws::{Aws, profile};
use crate::config::place;
use crate::diagnostics::system;
use crate::jobs::{placed, state};
use crate::problem::{CallErrorKind, Problem};
use crate::rebuild::declared;
use crate::remote::{Machine, NO_SYSTEM};
use crate::store::Store;
use crate::world::World;
use crate::{autostart, open, signin};

/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long an answer of the desktop may take.
#[cfg(target_os = "linux")]
const AT_HOME: Duration = Duration::from_secs(1);

/// What is to be looked at, and when it is, in seconds since the Unix epoch.
#[derive(Clone, Copy)]
struct Patient<'a> {
    store: &'a Store,
    aws: &'a Aws,
    desired: &'a Desired,
    now: u64,
    by: Instant,
}

/// What somebody was told of the machine, and how AWS is reached for it.
#[derive(Debug)]
pub struct Opened {
    /// How AWS is reached.
    pub aws: Aws,
    /// What the settings say.
    pub desired: Desired,
    /// Why they do not hold, where they do not; then `desired` is what there is without any.
    pub broken: Option<Problem>,
}

/// What the settings say; where they do not hold, what there is without any, and why.
///
/// # Errors
/// Without settings there is nothing, either.
pub fn or_without(known: Result<Desired, Problem>) -> Result<(Desired, Option<Problem>), Problem> {
    let problem = match known {
        Ok(desired) => return Ok((desired, None)),
        Err(problem) => problem,
    };
    let without = "holdfast".parse().ok().and_then(|user| Settings::parse("", Some(&user)).ok());
    match without.as_ref().and_then(|settings| settings.machine(None)) {
        Some(desired) => Ok((desired.clone(), Some(problem))),
        None => Err(problem),
    }
}

/// Looks at everything: at the machine and all that it needs, unless it cannot be `opened`, and at this computer, whose settings name
/// this terminal. `now` is in seconds since the Unix epoch.
pub async fn report(
    store: &Store,
    opened: impl Future<Output = Result<Opened, Problem>>,
    terminal: &Choice,
    now: u64,
) -> Report {
    let by = Instant::now() + PATIENCE;
    let machine = async {
        let Opened { aws, desired, broken } = match opened.await {
            Err(problem) => return vec![failed(Part::Settings, &problem)],
            Ok(opened) => opened,
        };
        let aws = aws.only_looking().await;
        let patient = Patient { store, aws: &aws, desired: &desired, now, by };
        let (told, found) = match &broken {
            None => {
                let told = format!("{} of {} in {}", desired.machine, desired.user, desired.region);
                (Finding::ok(Part::Settings, told), examine(patient).await)
            }
            // The way to AWS is worth a look whatever the machine is.
            Some(problem) => (failed(Part::Settings, problem), way_to_aws(patient).await.0),
        };
        std::iter::once(told).chain(found).collect()
    };
    let (mut findings, home) = tokio::join!(Box::pin(machine), desktop(store, terminal, by));
    findings.extend(home);
    let mut system = system();
    if system.is_empty() {
        system.push(std::env::consts::OS.to_owned());
    }
    let (version, arch) = (env!("CARGO_PKG_VERSION"), std::env::consts::ARCH);
    let this = format!("holdfast {version} on {} ({arch})", harmless(&system.join(", "), 200));
    findings.push(Finding::ok(Part::Versions, this));
    Report::of(findings)
}

/// Who we are to AWS, and the way there.
async fn way_to_aws(patient: Patient<'_>) -> (Vec<Finding>, Asked) {
    let (mut findings, (network, asked)) = tokio::join!(credentials(patient), network(patient));
    findings.extend(network);
    (findings, asked)
}

/// Looks at everything but this computer's desktop.
async fn examine(patient: Patient<'_>) -> Vec<Finding> {
    let ((mut findings, mut asked), (machine, dry)) =
        tokio::join!(way_to_aws(patient), Box::pin(machine(patient)));
    findings.extend(machine);
    match dry {
        Some(Ok(dry)) => {
            asked.allowed.extend(dry.allowed);
            asked.denied.extend(dry.denied);
            findings.extend(doctor::permissions(patient.desired, &asked));
        }
        Some(Err(late)) => findings.push(late),
        None => {}
    }
    findings
}

/// A problem, as something that does not work.
fn failed(area: Part, problem: &Problem) -> Finding {
    let todo = problem.hints.first().map_or("see the log: holdfast logs", String::as_str);
    Finding::failed(area, harmless(&problem.to_string(), 500), todo)
}

async fn limited<T>(
    by: Instant,
    area: Part,
    what: &str,
    work: impl Future<Output = T>,
) -> Result<T, Finding> {
    timeout_at(by, work).await.map_err(|_| {
        let what = format!("{what} did not come within {} seconds", PATIENCE.as_secs());
        Finding::failed(area, what, "check the network, then look again")
    })
}

async fn credentials(patient: Patient<'_>) -> Vec<Finding> {
    let Patient { aws, desired, now, store, by } = patient;
    let look = async {
        let owner = aws.who().await?;
        let ends = match aws.credentials() {
            Some(provider) => provider.provide_credentials().await.ok().and_then(|known| known.expiry()),
            None => None,
        };
        let ends =
            ends.and_then(|ends| ends.duration_since(std::time::UNIX_EPOCH).ok()).map(|at| at.as_secs());
        Ok::<_, Problem>((owner, ends))
    };
    let vault = store.vault().only_looking();
    let lasts = async |ends| signin::lasts(desired, &vault, ends).await;
    let finding = match limited(by, Part::Credentials, "AWS's answer to who this is", look).await {
        Err(late) => late,
        Ok(Err(problem)) if problem.is_about_credentials() && lasts(None).await.1 => Finding::warning(
            Part::Credentials,
            problem.cause.unwrap_or(problem.what),
            "have it renewed: holdfast status; then look again",
        ),
        Ok(Err(problem)) => {
            let command = profile::sign_in_command(desired).filter(|_| problem.is_about_credentials());
            failed(
                Part::Credentials,
                &problem.hint_first(command.map(|command| format!("sign in: {command}"))),
            )
        }
        Ok(Ok((owner, ends))) => {
            let (ends, renewed) = lasts(ends).await;
            doctor::credentials(&harmless(owner.as_str(), 300), ends, renewed, now)
        }
    };
    vec![finding]
}

/// What would be between us and AWS: one answer of each service, and the time that one of them has.
async fn network(patient: Patient<'_>) -> (Vec<Finding>, Asked) {
    let Patient { aws, desired, by, .. } = patient;
    let look = aws.services(desired);
    match limited(by, Part::Network, "one call of each service", look).await {
        Err(late) => (vec![late], Asked::default()),
        Ok((answers, ahead)) => {
            let mut asked = Asked::default();
            for answer in &answers {
                match &answer.result {
                    Err(error) if error.is_denied() => asked.denied.insert(error.action()),
                    // It was let through, also where what it asks for is not there.
                    Err(error) if !error.is_missing() => false,
                    Ok(()) | Err(_) => asked.allowed.insert(answer.action.to_owned()),
                };
            }
            let mut findings: Vec<Finding> = answers.iter().filter_map(reached).collect();
            // Whoever is not signed in has called nobody.
            let signed_out =
                |answer: &&Answered| matches!(&answer.result, Err(error) if error.is_about_credentials());
            let reached: Vec<&Answered> = answers.iter().filter(|answer| !signed_out(answer)).collect();
            let slowest = reached.iter().map(|answer| answer.took).max().unwrap_or_default();
            if findings.is_empty() && !reached.is_empty() {
                let names: Vec<&str> = reached.iter().map(|answer| answer.service()).collect();
                let by = aws.proxy().map(|proxy| format!(", by way of the proxy at {proxy}"));
                let by = by.unwrap_or_default();
                findings.push(Finding::ok(
                    Part::Network,
                    format!("{} answer within {} ms{by}", names.join(", "), slowest.as_millis()),
                ));
            }
            findings.extend(aws.senseless_proxy().map(|name| {
                let what = format!("{name} names no proxy, so none is asked");
                Finding::warning(Part::Network, what, format!("correct it: {name}=http://HOST:PORT"))
            }));
            findings.extend(ahead.map(doctor::clock));
            (findings, asked)
        }
    }
}

/// What is wrong with the way to a service; an answer is an answer, whatever it says.
fn reached(answer: &Answered) -> Option<Finding> {
    let service = answer.service();
    let error = answer.result.as_ref().err()?;
    let said = |why: &str, todo: &str| {
        Some(Finding::failed(
            Part::Network,
            format!("{service} cannot be reached: {}", harmless(why, 300)),
            todo,
        ))
    };
    match &error.kind {
        CallErrorKind::Service { .. } => None,
        // Said by the credentials.
        CallErrorKind::Credentials(_) | CallErrorKind::Here(_) => None,
        CallErrorKind::Timeout => {
            said("no answer in time", "check the network, and HTTPS_PROXY if there is one")
        }
        CallErrorKind::Unreachable { why, obstacle } => said(why, obstacle.hint()),
        CallErrorKind::Garbled(why) => said(
            why,
            "something between here and AWS answers in its place: open a browser, and sign in to the network",
        ),
    }
}

/// The machine, what it may become, and what AWS lets us do with it.
async fn machine(patient: Patient<'_>) -> (Vec<Finding>, Option<Result<Asked, Finding>>) {
    let Patient { aws, desired, by, .. } = patient;
    let look = async {
        // The one sees whether the agent answers, the other all the rest.
        let (whole, agent) = tokio::join!(aws.observe(desired, Goal::Settings), aws.glance(desired));
        let mut observed = whole?;
        observed.agent = agent?.agent;
        Ok::<_, Problem>(observed)
    };
    let observed = match limited(by, Part::Machine, "a look at the machine", look).await {
        Err(late) => return (vec![late], None),
        // Said by the credentials.
        Ok(Err(problem)) if problem.is_about_credentials() || problem.is_about_keyring() => {
            return (Vec::new(), None);
        }
        Ok(Err(problem)) => return (vec![failed(Part::Machine, &problem)], None),
        Ok(Ok(observed)) => observed,
    };
    let asked = limited(by, Part::Permissions, "the dry runs", aws.allowed(desired, &observed));
    let quota = limited(by, Part::Capacity, "the look at the quota", aws.quota(desired));
    let (asked, quota, inside) = tokio::join!(asked, quota, Box::pin(inside(patient, &observed)));
    let mut findings = doctor::machine(desired, &observed);
    findings.extend(inside);
    match quota {
        Ok(quota) => findings.extend(doctor::capacity(desired, &observed, quota.ok().flatten())),
        Err(late) => findings.push(late),
    }
    (findings, Some(asked.map(|asked| with_seen(asked, &observed))))
}

/// What the look was allowed and denied besides.
fn with_seen(mut asked: Asked, observed: &Observed) -> Asked {
    if observed.caller.present().is_some() {
        asked.allowed.insert("sts:GetCallerIdentity".to_owned());
    }
    let denied = |why: Option<&Why>| match why {
        Some(Why::Denied(action)) => Some(action.clone()),
        Some(Why::NotLooked | Why::Failed(_)) | None => None,
    };
    let (role, profile) = (observed.role.why(), observed.profile.why());
    asked.denied.extend([role, profile, observed.lifecycles.why()].into_iter().filter_map(denied));
    asked
}

/// The machine as it is from within: one session, of which nothing stays.
async fn inside(patient: Patient<'_>, observed: &Observed) -> Vec<Finding> {
    let Patient { aws, desired, store, by, .. } = patient;
    let instance = observed.winners(desired).instance.filter(|instance| instance.power == Power::Running);
    let Some(instance) = instance.filter(|_| observed.agent.present().is_some()) else { return Vec::new() };
    let machine = Machine { aws, desired, instance: &instance.id };
    let health = async {
        let answer = machine.run(&script::health(&desired.user)).await?;
        Ok::<_, Problem>(Health::parse(&answer.out))
    };
    let standing = async {
        let state = state(machine).await?;
        let placed = placed(machine, &place(desired), FLAKE).await?;
        let declared = declared(machine, store, &placed).await?;
        Ok::<_, Problem>(Standing::of(state.revision.as_deref(), &placed, &declared))
    };
    let health = limited(by, Part::Machine, "a session on the machine", health);
    let standing = limited(by, Part::Machine, "the look at its configuration", standing);
    let (health, standing) = tokio::join!(health, standing);
    let mut findings = match health {
        Err(late) => vec![late],
        Ok(Err(problem)) => return vec![failed(Part::Machine, &problem)],
        Ok(Ok(health)) => {
            let mut findings = vec![Finding::ok(Part::Machine, "a session on it opens")];
            findings.extend(health.findings(desired));
            findings
        }
    };
    findings.push(match standing {
        Err(late) => late,
        Ok(Err(problem)) if problem.code == NO_SYSTEM => {
            Finding::ok(Part::Machine, "it is a shell on this computer, with no system of its own")
        }
        Ok(Err(problem)) => {
            Finding::warning(Part::Machine, problem.to_string(), "see more: holdfast config status")
        }
        Ok(Ok(standing)) => doctor::configuration(standing),
    });
    findings
}

/// This computer's desktop.
async fn desktop(store: &Store, terminal: &Choice, by: Instant) -> Vec<Finding> {
    let (keyring, (tray, notifications)) = tokio::join!(keyring(store, by), bus());
    let terminals = open::installed(terminal);
    let chosen = match terminal {
        Choice::Default => None,
        Choice::Known(known) => Some(known.name().to_owned()),
        Choice::Custom(template) => template.words().first().cloned(),
    };
    let autostart = autostart::is_on();
    Desktop { tray, notifications, terminals, chosen, keyring, autostart }.findings()
}

/// What is to be said of the keyring, and of the sign-ins in it. Nobody is asked for a password.
async fn keyring(store: &Store, by: Instant) -> Keyring {
    let look = async {
        if crate::keyring::is_locked().await? {
            return Ok(true);
        }
        let vault = store.vault().only_looking();
        for portal in profile::config().map(|config| config.portals()).unwrap_or_default() {
            vault.get(&token::name(&portal)).await?;
        }
        Ok::<_, Problem>(false)
    };
    match timeout_at(by, look).await {
        Ok(Ok(false)) => Keyring::Open,
        Ok(Ok(true)) => Keyring::Locked,
        Ok(Err(problem)) => {
            let todo = problem.hints.first().cloned();
            Keyring::Unusable(
                problem.to_string(),
                todo.unwrap_or_else(|| "see the log: holdfast logs".to_owned()),
            )
        }
        Err(_) => Keyring::Unusable(
            "The keyring does not answer".to_owned(),
            "see whether it waits for its password".to_owned(),
        ),
    }
}

/// Whether tray icons and notifications are shown.
#[cfg(not(target_os = "linux"))]
async fn bus() -> (Option<bool>, Option<bool>) {
    (None, None)
}

/// Whether tray icons and notifications are shown: by whoever has these names on the session's bus.
/// Source: <https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/StatusNotifierWatcher/>,
/// <https://specifications.freedesktop.org/notification-spec/latest/protocol.html>
#[cfg(target_os = "linux")]
async fn bus() -> (Option<bool>, Option<bool>) {
    let ask = async {
        let bus = zbus::Connection::session().await?;
        let names = zbus::fdo::DBusProxy::new(&bus).await?;
        let watcher = names.name_has_owner("org.kde.StatusNotifierWatcher".try_into()?).await?;
        let known = "org.freedesktop.Notifications";
        // A service that starts when it is called is there as well.
        let notifies = names.name_has_owner(known.try_into()?).await?
            || names.list_activatable_names().await?.iter().any(|name| name.as_str() == known);
        Ok::<_, zbus::Error>((watcher, notifies))
    };
    match timeout(AT_HOME, ask).await {
        Ok(Ok((tray, notifications))) => (Some(tray), Some(notifications)),
        // Without a bus there is neither; one that is slow tells nothing.
        Ok(Err(_)) => (Some(false), Some(false)),
        Err(_) => (None, None),
    }
}
