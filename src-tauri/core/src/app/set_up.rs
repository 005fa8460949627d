//! What is left to decide before a machine is made. Each decision is in the settings file as soon as it is taken, so that
//! whoever leaves goes on where he was.

use std::time::Duration;

use super::show::sentence;
use super::view::{self, Decision, Draft, Key, SetUpStep, Topic};
use super::{App, Refusal, Setup, decided, is_about_credentials};
use crate::machine::{Fact, Modification, ModificationState};
use crate::price::Prices;
use crate::status::State;
use crate::time::{Moment, find_moment};

/// AWS counts changes of a volume so far back.
const DAY: Duration = Duration::from_secs(86_400);

impl App {
    /// Whether there is no machine yet, as far as anybody knows, so that it is to be set up.
    pub(super) fn sets_up(&self) -> bool {
        self.no_machine && self.running.is_none() && self.elsewhere.is_none() && self.setup().is_some()
    }

    /// A look has ended. What it found, or that it found nothing, stays so while the next decision is looked at.
    pub(super) fn know_whether_there_is_a_machine(&mut self) {
        self.no_machine = match &self.known {
            Some(known) => known.status.state == State::Absent,
            // Nobody has signed in yet.
            None => self.lacks_credentials() && self.setup().is_some_and(|setup| !setup.met),
        };
        self.let_in = !self.is_blind();
    }

    fn lacks_credentials(&self) -> bool {
        self.blind.as_ref().is_some_and(|blind| is_about_credentials(&blind.problem.code))
    }

    /// What does not hold in what somebody has decided.
    pub(super) fn wrong_with(&self, draft: &Draft) -> Vec<view::FieldError> {
        let wrong = self.setup().filter(|_| self.sets_up()).and_then(|setup| decided(setup, draft).err());
        wrong.unwrap_or_default()
    }

    /// Whether a draft can be kept without a plan: it is about this computer alone, or there is no machine yet.
    pub(super) fn may_keep(&self, setup: &Setup, draft: &Draft) -> Result<(), Refusal> {
        let of_app = Key::ALL.into_iter().all(|key| draft.get(key).is_none() || key.topic() == Topic::App);
        if !of_app && !self.sets_up() {
            return Err(Refusal { why: "A machine changes by a plan that was read".to_owned() });
        }
        match decided(setup, draft) {
            Ok(_) => Ok(()),
            Err(wrong) => {
                Err(Refusal { why: wrong.first().map_or_else(String::new, |wrong| wrong.text.clone()) })
            }
        }
    }
}

/// What is shown of it; `None` where there is a machine, or one is being made.
pub(super) fn view(app: &App) -> Option<view::SetUp> {
    let setup = app.setup().filter(|_| app.sets_up())?;
    let desired = &setup.desired;
    let given = |keys: &[Key]| keys.iter().all(|key| setup.given.contains(key));
    let step = |step: Decision, done: bool, says: String| SetUpStep { step, done, says };
    let profile = desired.profile.as_ref().map(ToString::to_string);
    let standard = || if app.sandbox { "the sandbox" } else { "what AWS tools take by default" }.to_owned();
    let size = format!("{}, {} GiB", desired.instance_type, desired.volume_size);
    let kind = setup.value(Key::Config);
    let source = [setup.value(Key::ConfigGit), setup.value(Key::ConfigDirectory)].concat();
    let configuration = if source.is_empty() { "what ships with Holdfast".to_owned() } else { source };
    let decisions = [
        step(Decision::Account, app.let_in, profile.unwrap_or_else(standard)),
        step(Decision::Region, given(&[Key::Region]), desired.region.to_string()),
        step(Decision::Size, given(&[Key::InstanceType, Key::VolumeSize]), size),
        step(Decision::User, given(&[Key::User]), desired.user.to_string()),
        step(Decision::Configuration, given(&[Key::Config]) && !kind.is_empty(), configuration),
        step(Decision::Plan, false, String::new()),
    ];
    Some(view::SetUp { steps: decisions.into(), errors: app.wrong.clone() })
}

/// How far the volume can grow.
pub(super) fn growth(app: &App) -> view::Growth {
    let Some(setup) = app.setup() else { return view::Growth::default() };
    let volume = app.known.as_ref().and_then(|known| known.observed.winners(&setup.desired).volume);
    let prices = app.known.as_ref().map_or_else(Prices::default, |known| known.observed.prices.clone());
    let per_gib = prices.gp3_gib_month(setup.desired.region.as_str());
    let notes = match volume {
        Some(volume) => {
            vec![
                "AWS lets a volume grow, never shrink".to_owned(),
                next_change(&volume.modification, app.now),
            ]
        }
        None => vec!["AWS lets a volume grow later, never shrink".to_owned()],
    };
    view::Growth {
        least: volume.map_or(crate::settings::MIN_VOLUME_SIZE, |volume| volume.size),
        most: crate::settings::MAX_VOLUME_SIZE,
        per_gib: per_gib.and_then(|money| u32::try_from(money.micros() / 10).ok()),
        notes: notes.iter().map(|note| sentence(note)).collect(),
    }
}

/// When AWS takes the next change of a volume, as far as its last one is known; it tells of no more than that one.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/modify-volume-requirements.html>
fn next_change(last: &Fact<Modification>, now: Moment) -> String {
    let rule = "AWS takes four changes of a volume in 24 hours, each after the one before is over";
    let Fact::Present(Modification { state, began, progress }) = last else {
        return format!("{rule}, which may take hours");
    };
    let began = began.as_deref().and_then(find_moment).map(|at| Moment::from_epoch(Duration::from_secs(at)));
    match state {
        ModificationState::Modifying | ModificationState::Optimizing => {
            format!("It can be changed again when AWS is through with the last change: {progress} % are done")
        }
        ModificationState::Completed if began.is_some_and(|began| now.since(began) < DAY) => {
            format!("It was changed within the last 24 hours, and that is over. {rule}")
        }
        ModificationState::Completed | ModificationState::Failed => format!("{rule}, which may take hours"),
    }
}
