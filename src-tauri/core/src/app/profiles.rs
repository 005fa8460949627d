//! The profiles of the AWS configuration in the settings. What they are is read when the page opens; whether AWS takes them is
//! asked only on request, since programs that print credentials run for it.

use std::time::Duration;

use super::harmless::harmless;
use super::show::seconds;
use super::view::{self, Offer};
use super::{App, Command, Page, Problem, Refusal};
use crate::names::ProfileName;
use crate::profile::Profile;
use crate::time::Moment;

/// For how long a list will do when somebody comes back to the page.
const FRESH: Duration = Duration::from_secs(60);
/// More profiles than anybody finds his way in.
const MOST: usize = 500;

/// The profiles.
#[derive(Debug, Default)]
pub(super) struct Profiles {
    /// Their names, which are known before anything else of them.
    pub(super) names: Vec<String>,
    list: Option<(Vec<view::Profile>, Moment)>,
    problem: Option<Problem>,
    looking: Option<Look>,
    due: bool,
}

/// How closely profiles are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// What is written of them.
    Read,
    /// Whether AWS takes them.
    Checked,
}

impl Profiles {
    pub(super) fn visited(&mut self, now: Moment) {
        self.due |= self.list.as_ref().is_none_or(|(_, at)| now.since(*at) > FRESH);
    }

    /// They may be others now.
    pub(super) fn changed(&mut self) {
        self.due |= self.list.is_some();
    }

    pub(super) fn looking(&mut self, how: Look) {
        (self.looking, self.due) = (Some(how), false);
    }

    pub(super) fn looked(&mut self, result: Result<Vec<Profile>, Problem>, now: Moment) {
        self.looking = None;
        match result {
            Ok(list) => {
                let list = list.into_iter().take(MOST).map(shown).collect();
                (self.list, self.problem) = (Some((list, now)), None);
            }
            Err(problem) => self.problem = Some(problem.harmless()),
        }
    }
}

impl App {
    /// Whether the profiles are to be looked at now.
    pub fn wants_profiles(&self) -> bool {
        self.profiles.due && self.profiles.looking.is_none() && self.shows_profiles()
    }

    /// Whether the window shows a page that has them.
    fn shows_profiles(&self) -> bool {
        self.shows(Page::Settings) || (self.sets_up() && self.shows(Page::Machine))
    }

    pub(super) fn may_check_profiles(&self) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        if self.sandbox {
            return refuse("The sandbox has credentials of its own");
        }
        match self.profiles.looking {
            Some(_) => refuse("The profiles are being looked at"),
            None if self.profiles.list.is_none() => refuse("The profiles are not known yet"),
            None => Ok(()),
        }
    }
}

fn shown(profile: Profile) -> view::Profile {
    let Profile { name, kind, account, role, region, state, until, note } = profile;
    let short = |text: String| harmless(&text, 200);
    let seen = short(name.clone());
    view::Profile {
        // What is not shown as it is must not be chosen for what it looks like.
        usable: seen == name && name.parse::<ProfileName>().is_ok(),
        name: seen,
        kind: short(kind),
        account: account.map(short),
        role: role.map(short),
        region: region.map(short),
        state,
        until: until.map(|until| u32::try_from(until).unwrap_or(u32::MAX)),
        note: note.map(|note| harmless(&note, 400)),
    }
}

/// What is shown of them.
pub(super) fn view(app: &App) -> view::Profiles {
    let profiles = &app.profiles;
    let (list, seen) =
        profiles.list.as_ref().map_or((&[][..], None), |(list, at)| (list, Some(seconds(*at))));
    view::Profiles {
        looking: profiles.looking.is_some(),
        checking: profiles.looking == Some(Look::Checked),
        problem: profiles.problem.clone(),
        seen,
        list: list.to_vec(),
        check: app.may(&Command::CheckProfiles).ok().filter(|()| !list.is_empty()).map(|()| Offer {
            label: "Check them".to_owned(),
            note: Some("asks AWS who each one is; programs that print credentials run for it".to_owned()),
            asks: None,
        }),
    }
}
