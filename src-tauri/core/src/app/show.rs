//! What is shown of what is known.

use super::harmless::harmless;
use super::view::{
    Commands, Cost, Failed, Field, Instance, Key, Machine, NoticeSwitch, Offer, Operation, Phase, Progress,
    Proposal, Settings, SoFar, View, cents,
};
use super::{App, Command, Known, Operation as Does, Problem, Running, Setup};
use crate::cost;
use crate::hints::naming;
use crate::machine::{Desired, Fact, Observed, Why};
use crate::notices::NoticeKind;
use crate::plan::{self, Area, Goal, Note, Step, Waiting};
use crate::price::{self, Money, Monthly, Prices};
use crate::status::{State, Status};
use crate::terminal::Choice;
use crate::time::{Moment, find_moment};

/// The longest text of AWS's that is shown.
const LONGEST: usize = 400;

pub(super) fn view(app: &App) -> View {
    let mut view = all(app);
    let apart = app.failed_elsewhere().and_then(|machine| Some((machine, view.failed.take()?)));
    if let Some(machine) = app.to_be_named() {
        super::hints::name(&mut view, machine);
    }
    if let Some((machine, mut failed)) = apart {
        failed.problem.hints.iter_mut().for_each(|hint| *hint = naming(hint, machine));
        view.failed = Some(failed);
    }
    view
}

fn all(app: &App) -> View {
    View {
        sandbox: app.sandbox,
        tray: app.tray,
        machine: shown_machine(app),
        machines: super::machines::view(app),
        commands: commands(app),
        sessions: super::sessions::view(app),
        system: super::system::view(app),
        replacement: super::replacement::view(app),
        snapshots: super::snapshots::view(app),
        operation: operation(app),
        failed: app.failed.as_ref().map(|failed| Failed {
            title: failed.title.clone(),
            at: seconds(failed.at),
            problem: failed.problem.clone(),
            unopened: super::terminals::view(app),
        }),
        interrupted: super::interrupted::view(app),
        settings: settings(app),
        preview: app.preview.as_ref().map(|preview| {
            let refused = app.may(&Command::Apply { number: preview.number }).err();
            preview.view(refused.map(|refusal| sentence(&refusal.why)))
        }),
        sign_in: super::sign_in::view(app),
        profiles: super::profiles::view(app),
        portal: super::portal::view(app),
        doctor: super::doctor::view(app),
        history: super::history::view(app),
        types: super::kinds::view(app),
        set_up: super::set_up::view(app),
        update: app.update().cloned(),
    }
}

pub(super) fn name(app: &App) -> &str {
    app.setup().map_or(crate::settings::DEFAULT_MACHINE, |setup| setup.desired.machine.as_str())
}

fn shown_machine(app: &App) -> Machine {
    let Some(setup) = app.setup() else { return nothing_read(app) };
    let desired = &setup.desired;
    let Some(known) = &app.known else {
        let mut machine = blank(desired);
        machine.headline = match (&app.running, &app.blind) {
            (Some(running), _) => running.title.clone(),
            (None, Some(_)) => not_known(desired),
            (None, None) => format!("Looking for {}", desired.machine),
        };
        machine.problem = shown_problem(app);
        return machine;
    };
    let mut shown = machine(desired, &known.observed, known.at);
    if let Some(running) = app.running.as_ref().filter(|_| shown.state == State::Absent) {
        // What is being made is no longer missing.
        shown.headline.clone_from(&running.title);
    }
    if app.is_blind() {
        shown.state = State::Unknown;
        (shown.headline, shown.problem) = (not_known(desired), shown_problem(app));
        (shown.detail, shown.since, shown.reachable) = (None, None, None);
    }
    shown.notes.extend(app.unkept());
    shown
}

/// Why the last look failed, where that is not said with the way to sign in.
fn shown_problem(app: &App) -> Option<Problem> {
    app.blind.as_ref().filter(|_| !app.offers_sign_in()).map(|blind| blind.problem.clone())
}

/// The machine as `observed` shows it, seen at `at`.
fn machine(desired: &Desired, observed: &Observed, at: Moment) -> Machine {
    let status = Status::of(desired, observed);
    let instance = status.instance.as_ref();
    let since = instance.and_then(|instance| instance.started.as_deref().or(instance.stopped.as_deref()));
    let notes = plan::decide(desired, observed, Goal::Settings).notes;
    // What is beside the machine has a place of its own.
    let apart = |note: &&Note| !matches!(note, Note::KeptInstance { .. } | Note::Replacing { .. });
    let notes = notes.iter().filter(apart).map(|note| sentence(&note.words(desired)));
    let dangers =
        plan::dangers(desired, observed).into_iter().map(|drift| format!("Security: {}.", drift.what));
    Machine {
        state: status.state,
        headline: headline(&status),
        detail: detail(&status, observed),
        since: since.and_then(find_moment).and_then(|moment| u32::try_from(moment).ok()),
        reachable: status.reachable.filter(|_| status.state == State::On),
        seen: Some(seconds(at)),
        instance: instance.map(|instance| Instance {
            id: instance.id.clone(),
            instance_type: instance.instance_type.clone(),
            zone: harmless(&instance.zone, LONGEST),
            volume_size: instance.volume_size,
        }),
        cost: Cost::of(
            &observed.prices,
            status.monthly,
            (status.state != State::Unknown).then_some(status.monthly_now),
        ),
        so_far: cost::so_far(desired, observed, &Fact::Absent, at.since_epoch().as_secs())
            .ok()
            .and_then(|so_far| SoFar::of(&so_far)),
        notes: dangers.chain(notes).map(|text| harmless(&text, LONGEST)).collect(),
        ..blank(desired)
    }
}

fn blank(desired: &Desired) -> Machine {
    let prices = Prices::default();
    let always = prices.monthly(desired.region.as_str(), desired.instance_type.as_str(), desired.volume_size);
    Machine {
        name: desired.machine.to_string(),
        user: desired.user.to_string(),
        region: desired.region.to_string(),
        state: State::Unknown,
        headline: String::new(),
        detail: None,
        since: None,
        reachable: None,
        seen: None,
        instance: None,
        cost: Cost::of(&prices, always, None),
        so_far: None,
        notes: Vec::new(),
        problem: None,
    }
}

/// There are no settings to speak of yet.
fn nothing_read(app: &App) -> Machine {
    let broken = matches!(app.settings, Some(Err(_)));
    let unknown = Monthly { instance: None, volume: None, address: None };
    Machine {
        name: name(app).to_owned(),
        user: String::new(),
        region: String::new(),
        state: State::Unknown,
        headline: if broken {
            "The settings do not hold".to_owned()
        } else {
            "Reading the settings".to_owned()
        },
        detail: None,
        since: None,
        reachable: None,
        seen: None,
        instance: None,
        cost: Cost::of(&Prices::default(), unknown, None),
        so_far: None,
        notes: Vec::new(),
        problem: None,
    }
}

fn headline(status: &Status) -> String {
    let name = &status.machine;
    match status.state {
        State::On => format!("{name} is on"),
        State::Starting | State::Stopping | State::Off | State::Ending => {
            format!("{name} is {}", status.state.word())
        }
        State::Absent => format!("There is no {name} yet"),
        State::Unknown => not_known_of(name),
    }
}

fn detail(status: &Status, observed: &Observed) -> Option<String> {
    match (status.state, &observed.agent, &observed.instances) {
        (State::Unknown, _, Fact::Unknown(why)) => Some(reason(why)),
        (State::Off | State::Stopping, _, _) => status.instance.as_ref()?.went_off.clone(),
        (State::On, Fact::Absent, _) => Some("Its agent does not answer SSM yet.".to_owned()),
        (State::On, Fact::Unknown(why), _) => {
            Some(format!("Whether it can be reached is not known. {}", reason(why)))
        }
        (State::On | State::Starting | State::Ending | State::Absent | State::Unknown, _, _) => None,
    }
}

/// Why something is not known, as a sentence.
fn reason(why: &Why) -> String {
    match why {
        Why::NotLooked => "Nobody has looked.".to_owned(),
        Why::Denied(action) => format!("Your AWS identity may not call {}.", harmless(action, LONGEST)),
        Why::Failed(cause) => sentence(&harmless(cause, LONGEST)),
    }
}

/// A text with a capital at its beginning and a full stop at its end.
pub(super) fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '!', '?', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}

fn not_known(desired: &Desired) -> String {
    not_known_of(desired.machine.as_str())
}

fn not_known_of(name: &str) -> String {
    format!("The state of {name} is not known")
}

fn commands(app: &App) -> Commands {
    let cancel = app.may(&Command::Cancel).ok().map(|()| Offer {
        label: "Cancel".to_owned(),
        note: Some("What AWS has already done stays; the same again goes on from there.".to_owned()),
        asks: None,
    });
    if app.setup().is_none() {
        return Commands { cancel, ..Commands::default() };
    }
    let offer = |command: Command, label: String, note: Option<String>, asks: Option<String>| {
        app.may(&command).ok().map(|()| Offer { label, note, asks })
    };
    let status = app.known.as_ref().map(|known| &known.status);
    let always = status.and_then(|status| status.monthly.total()).map(|money| while_on(cents(money)));
    let off = status.and_then(|status| status.monthly.stopped().total());
    let is_off = matches!(app.state(), State::Off | State::Stopping);
    let starts = is_off.then(|| "starts it first".to_owned());
    let ends = match off {
        Some(money) => format!("{} Its volume stays and costs {money} a month.", app.ends()),
        None => format!("{} Its volume stays.", app.ends()),
    };
    let again = format!("{} It comes up again by itself.", app.ends());
    let number = app.preview.as_ref().map_or(0, |preview| preview.number);
    Commands {
        connect: offer(Command::Connect { session: None }, "Connect".to_owned(), starts, None),
        start: offer(Command::Start, "Start".to_owned(), always, None),
        stop: offer(Command::Stop, "Stop".to_owned(), None, Some(ends)),
        restart: offer(Command::Restart, "Restart".to_owned(), None, Some(again)),
        cancel,
        look: (app.running.is_none()
            && (app.is_blind() || app.known.is_some())
            && app.state() == State::Unknown)
            .then(|| Offer { label: "Look again".to_owned(), note: None, asks: None }),
        apply: app
            .preview
            .as_ref()
            .and_then(|preview| preview.offer(|| app.ends()))
            .filter(|_| app.may(&Command::Apply { number }).is_ok()),
        replace: offer(
            Command::Preview { of: Proposal::Replace },
            "Replace".to_owned(),
            Some(
                "another instance, with its home: of another architecture or image, or in another zone"
                    .to_owned(),
            ),
            None,
        )
        .filter(|_| !app.is_replacing()),
    }
}

/// A monthly cost, in US cents, of a machine that is on.
pub(super) fn while_on(cents: u32) -> String {
    format!("{} a month while it is on", Money::from_micros(u64::from(cents) * 10_000))
}

fn operation(app: &App) -> Option<Operation> {
    if let Some(running) = &app.running {
        return Some(running.view(app.known.as_ref(), app.offers_sign_in()));
    }
    app.elsewhere.as_ref().map(|other| Operation {
        title: format!("holdfast {} is at work in another process", other.what),
        since: seconds(other.since),
        phases: Vec::new(),
        doing: Vec::new(),
        waiting: None,
        done: 0,
        of: 0,
    })
}

/// How to sign in, as what somebody is to do.
pub(super) fn way_in(problem: &Problem) -> &str {
    let way = problem.hints.iter().find(|hint| hint.starts_with("sign in"));
    way.map_or("sign in", String::as_str)
}

impl Running {
    fn view(&self, known: Option<&Known>, offers_sign_in: bool) -> Operation {
        let count = |steps: usize| u32::try_from(steps).unwrap_or(u32::MAX);
        let waiting: Vec<&str> = self.waiting.iter().map(Waiting::words).collect();
        Operation {
            title: self.title.clone(),
            since: seconds(self.since),
            phases: self.phases(known),
            doing: self.doing.iter().map(|step| harmless(&step.words().what, LONGEST)).collect(),
            waiting: match &self.signed_out {
                Some(_) if offers_sign_in => Some("you to sign in".to_owned()),
                Some(problem) => Some(format!("you to {}", way_in(problem))),
                None => (!waiting.is_empty()).then(|| waiting.join(" and ")),
            },
            done: count(self.done.len()),
            of: count(self.planned.len().max(self.done.len())),
        }
    }

    /// The phases of the operation: the areas whose steps it takes, then what it waits for.
    fn phases(&self, known: Option<&Known>) -> Vec<Phase> {
        let powers = |named: &str, state: State| {
            let reached = known.is_some_and(|known| known.status.state == state);
            (named.to_owned(), if reached { Progress::Done } else { Progress::Now })
        };
        let mut phases: Vec<(String, Progress)> = Vec::new();
        match self.operation {
            Does::Connect | Does::Start => phases.push(powers("Start", State::On)),
            Does::Stop => phases.push(powers("Stop", State::Off)),
            Does::Restart => {
                let restarted = self.part(|_| true).unwrap_or(Progress::Next);
                phases.push(("Restart".to_owned(), restarted));
            }
            Does::Make | Does::Apply => {
                for (area, named) in
                    [(Area::Network, "Network"), (Area::Identity, "Identity"), (Area::Machine, "Machine")]
                {
                    let of_area = |step: &Step| step.words().area == area;
                    phases.extend(self.part(of_area).map(|progress| (named.to_owned(), progress)));
                }
            }
            Does::Replace | Does::Restore => {
                // Without a last state to take, the old one only makes room in the end.
                let takes = self.planned.iter().any(|step| matches!(step, Step::Snapshot { .. }));
                for (part, named) in [
                    (Part::Instance, "New instance"),
                    (Part::LastState, "Last state"),
                    (Part::Home, "Home"),
                    (Part::Place, "Its place"),
                ] {
                    let of_part = |step: &Step| Part::of(step, takes) == part;
                    phases.extend(self.part(of_part).map(|progress| (named.to_owned(), progress)));
                }
            }
            Does::TakeBack | Does::LetGo | Does::GoBack | Does::Snapshot | Does::DeleteSnapshot => {}
        }
        if matches!(
            self.operation,
            Does::Connect | Does::Start | Does::Restart | Does::Make | Does::Replace | Does::Restore
        ) {
            phases.push(("Way in".to_owned(), Progress::Next));
        }
        // One after the other is how people read them: the first that is not over is the one under way.
        let mut over = true;
        phases
            .into_iter()
            .map(|(name, progress)| {
                let progress = match (over, progress) {
                    (true, Progress::Next) => Progress::Now,
                    (_, progress) => progress,
                };
                over &= progress == Progress::Done;
                Phase { name, progress }
            })
            .collect()
    }

    /// How far the steps of a kind are; `None` where there are none.
    fn part(&self, is: impl Fn(&Step) -> bool) -> Option<Progress> {
        let of = |steps: &[Step]| steps.iter().filter(|step| is(step)).count();
        let (planned, done, doing) = (of(&self.planned), of(&self.done), of(&self.doing));
        let progress = if doing > 0 || (done > 0 && done < planned) {
            Progress::Now
        } else if done >= planned {
            Progress::Done
        } else {
            Progress::Next
        };
        (planned + done + doing > 0).then_some(progress)
    }
}

/// A part of a replacement, as a person follows it.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Instance,
    LastState,
    Home,
    Place,
}

impl Part {
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "whatever else there is to do makes the instance ready"
    )]
    fn of(step: &Step, takes_last_state: bool) -> Self {
        match step {
            Step::Stop { .. } if !takes_last_state => Self::Place,
            Step::Stop { .. } | Step::Snapshot { .. } => Self::LastState,
            Step::CreateCopy { .. } | Step::AttachCopy { .. } | Step::Carry { .. } => Self::Home,
            Step::Retire { .. } | Step::DetachCopy { .. } | Step::DeleteCopy { .. } => Self::Place,
            _ => Self::Instance,
        }
    }
}

fn settings(app: &App) -> Settings {
    let (fields, problem) = match &app.settings {
        None => (Vec::new(), None),
        Some(Err(problem)) => (Vec::new(), Some(problem.clone())),
        Some(Ok(setup)) => {
            let mut fields = fields(setup, app.known.as_ref());
            fields.retain(|field| field.key != Key::Updates || app.updates.knows_where());
            (fields, None)
        }
    };
    Settings {
        path: app.path.clone(),
        fields,
        problem,
        can_be_set_aside: app.may(&Command::SetSettingsAside).is_ok(),
        aside: app.aside.clone(),
        profiles: app.profiles.names.clone(),
        regions: price::regions().iter().map(|region| (*region).to_owned()).collect(),
        autostart: app.autostart.clone(),
        notices: app.setup().map_or_else(Vec::new, |setup| {
            let on = |kind| NoticeSwitch { kind, on: !setup.settings.mute.contains(&kind) };
            let can = |kind: &NoticeKind| *kind != NoticeKind::Update || app.updates.knows_where();
            NoticeKind::ALL.into_iter().filter(can).map(on).collect()
        }),
        terminals: {
            let installed = app.terminals.iter().map(|known| known.word());
            std::iter::once(Choice::DEFAULT).chain(installed).map(ToOwned::to_owned).collect()
        },
        growth: super::set_up::growth(app),
    }
}

fn fields(setup: &Setup, known: Option<&Known>) -> Vec<Field> {
    let field = |key: Key| Field {
        key,
        topic: key.topic(),
        value: setup.value(key),
        default: !setup.given.contains(&key),
        fixed: fixed(key, setup, known),
    };
    Key::ALL.into_iter().map(field).collect()
}

/// Why a setting of a machine that is there stays as it is.
pub(super) fn fixed(key: Key, setup: &Setup, known: Option<&Known>) -> Option<String> {
    known?.observed.winners(&setup.desired).instance?;
    #[expect(clippy::wildcard_enum_match_arm, reason = "everything else can change")]
    match key {
        Key::Region => Some("The machine stays in its region.".to_owned()),
        Key::User => Some("The machine keeps its user.".to_owned()),
        Key::Subnet => Some("The machine stays in its network.".to_owned()),
        _ => None,
    }
}

/// Why the machine that is there cannot become what is wanted.
pub(super) fn refused(key: Key, setup: &Setup, wanted: &Desired, known: Option<&Known>) -> Option<String> {
    let size = known?.observed.winners(&setup.desired).volume.map_or(0, |volume| volume.size);
    let shrinks = key == Key::VolumeSize && wanted.volume_size < size;
    let said = || format!("The volume has {size} GiB. A volume grows and never shrinks.");
    fixed(key, setup, known).or_else(|| shrinks.then(said))
}

impl Problem {
    /// The problem with nothing in its texts that acts on a screen: AWS and other programs have a word in them.
    pub(super) fn harmless(self) -> Self {
        // Why settings do not hold has a line for each mistake.
        let lines = |text: &str| {
            let lines: Vec<String> = text.lines().take(40).map(|line| harmless(line, LONGEST)).collect();
            lines.join("\n")
        };
        Self {
            code: self.code,
            what: harmless(&self.what, LONGEST),
            cause: self.cause.map(|cause| lines(&cause)),
            hints: self.hints.iter().map(|hint| harmless(hint, LONGEST)).collect(),
        }
    }
}

pub(super) fn seconds(moment: Moment) -> u32 {
    u32::try_from(moment.since_epoch().as_secs()).unwrap_or(u32::MAX)
}
