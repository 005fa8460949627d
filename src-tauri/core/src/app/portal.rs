//! Adding a profile for a portal that the AWS configuration does not know yet: sign in there, choose a role, name the profile, read
//! what is added, have it written.
//!
//! Nothing is written before somebody has read it, and whoever gives up is signed out of the portal again.

use serde::{Deserialize, Serialize};
use specta::Type;

use super::harmless::{harmless, harmless_line};
use super::show::sentence;
use super::sign_in::shown_stage;
use super::view::{self, Draft, Key, Offer, PortalAccount, PortalStage, SigningIn};
use super::{App, Command, Page, Problem, Refusal, Through};
use crate::profile::{Chosen, Portal, Unfit, profile_name};
use crate::time::Moment;

/// More accounts than anybody finds his way in.
const MOST: usize = 2000;

/// What is asked for while a portal is added.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(tag = "is", rename_all = "snake_case", deny_unknown_fields)]
pub enum PortalStep {
    /// Sign in to it; or go over to a code.
    SignIn {
        /// Its start URL, as somebody typed it.
        start_url: String,
        /// Its region, as somebody typed it; where nothing is typed, the usual one is meant.
        region: String,
        /// How.
        through: Through,
    },
    /// Take this role.
    Choose {
        /// The account's id.
        account: String,
        /// The role.
        role: String,
    },
    /// Show what is added for a profile of this name.
    Name {
        /// As somebody typed it.
        name: String,
    },
    /// Choose another role.
    Back,
    /// Write it.
    Write,
    /// Give it up.
    Cancel,
}

/// What is to be added to the AWS configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Addition {
    /// The file.
    pub file: String,
    /// The text that is added to it.
    pub text: String,
}

/// What happened while a portal is added.
#[derive(Clone, Debug)]
pub enum PortalEvent {
    /// Somebody begins to sign in to it.
    Begins(Portal),
    /// That is there now.
    SigningIn(SigningIn),
    /// Somebody has signed in, and may use these accounts: id and name.
    Accounts(Vec<(String, String)>),
    /// The roles of some of them, by the account's id.
    Roles(Vec<(String, Vec<String>)>),
    /// All roles are known.
    Listed,
    /// Somebody takes this role.
    Chosen(Chosen),
    /// Somebody wants another role.
    Back,
    /// Somebody has named the profile.
    Named(String),
    /// This is what is added for it, or why it cannot be.
    Drafted(Result<Addition, Problem>),
    /// It is being written.
    Writing,
    /// It was not written, nor anything else.
    NotWritten(Problem),
    /// The profile of this name is there now, and whether its sign-in outlives this process; or nothing is, and nobody is signed in.
    Ended(Result<(String, bool), Problem>),
    /// It is given up.
    GivenUp,
}

/// A portal that is being added.
#[derive(Debug, Default)]
pub(super) struct Adding {
    /// What is under way.
    under_way: Option<UnderWay>,
    /// Why the last step did not succeed.
    problem: Option<Problem>,
    /// The profile that was added last.
    added: Option<String>,
}

#[derive(Debug)]
struct UnderWay {
    portal: Portal,
    at: At,
    accounts: Vec<PortalAccount>,
    /// Some roles are not known yet.
    listing: bool,
    chosen: Option<Chosen>,
    name: String,
}

/// How far it is.
#[derive(Clone, Debug, PartialEq, Eq)]
enum At {
    SigningIn(SigningIn),
    Choosing,
    Naming,
    /// It is being looked at what would be added.
    Drafting,
    Reading(Addition),
    Writing,
}

impl Adding {
    fn begins(&mut self, portal: Portal) {
        self.problem = None;
        self.under_way = Some(UnderWay {
            portal,
            at: At::SigningIn(SigningIn::Begins),
            accounts: Vec::new(),
            listing: true,
            chosen: None,
            name: String::new(),
        });
    }
}

impl UnderWay {
    /// What is shown differently from what it is must not be chosen for what it looks like, so it is not shown.
    fn know(&mut self, accounts: Vec<(String, String)>) {
        let accounts = accounts.into_iter().filter(|(id, _)| harmless(id, 20) == *id).take(MOST);
        let shown = |(id, name): (String, String)| PortalAccount {
            id,
            name: harmless(&name, 100),
            roles: Vec::new(),
        };
        (self.accounts, self.at) = (accounts.map(shown).collect(), At::Choosing);
    }

    fn know_roles(&mut self, found: Vec<(String, Vec<String>)>) {
        for (id, roles) in found {
            if let Some(account) = self.accounts.iter_mut().find(|account| account.id == id) {
                account.roles = roles.into_iter().filter(|role| harmless(role, 100) == *role).collect();
            }
        }
    }

    fn choose(&mut self, chosen: Chosen) {
        (self.name, self.at) = (self.portal.proposes(&chosen.role), At::Naming);
        self.chosen = Some(chosen);
    }

    fn drafted(&mut self, result: Result<Addition, Problem>) -> Option<Problem> {
        match result {
            Ok(Addition { file, text }) => {
                let text = text.trim().lines().map(harmless_line).collect::<Vec<_>>().join("\n");
                self.at = At::Reading(Addition { file: harmless(&file, 400), text });
                None
            }
            Err(problem) => {
                self.at = At::Naming;
                Some(problem.harmless())
            }
        }
    }
}

impl App {
    /// Whether a portal is being added.
    pub fn is_adding_portal(&self) -> bool {
        self.portal.under_way.is_some()
    }

    /// The role that the profile is for.
    pub fn chosen_role(&self) -> Option<&Chosen> {
        self.portal.under_way.as_ref()?.chosen.as_ref()
    }

    /// Somebody signs in to a portal that is being added.
    pub(super) fn is_signing_in_to_new(&self) -> bool {
        matches!(self.portal.under_way, Some(UnderWay { at: At::SigningIn(_), .. }))
    }

    pub(super) fn on_portal(&mut self, event: PortalEvent, now: Moment) {
        let adding = &mut self.portal;
        if let PortalEvent::Begins(portal) = event {
            return adding.begins(portal);
        }
        // What was under way when it was given up is heard no more.
        let Some(it) = &mut adding.under_way else { return };
        match event {
            PortalEvent::Begins(_) => {}
            PortalEvent::GivenUp => (adding.under_way, adding.problem) = (None, None),
            PortalEvent::SigningIn(stage) => it.at = At::SigningIn(shown_stage(stage)),
            PortalEvent::Accounts(accounts) => it.know(accounts),
            PortalEvent::Roles(roles) => it.know_roles(roles),
            PortalEvent::Listed => it.listing = false,
            PortalEvent::Chosen(chosen) => {
                it.choose(chosen);
                adding.problem = None;
            }
            PortalEvent::Back => {
                it.at = At::Choosing;
                adding.problem = None;
            }
            PortalEvent::Named(name) => {
                (it.name, it.at) = (name, At::Drafting);
                adding.problem = None;
            }
            PortalEvent::Drafted(result) => adding.problem = it.drafted(result),
            PortalEvent::Writing => it.at = At::Writing,
            PortalEvent::NotWritten(problem) => {
                (it.at, adding.problem) = (At::Naming, Some(problem.harmless()));
            }
            PortalEvent::Ended(Err(problem)) => {
                (adding.under_way, adding.problem) = (None, Some(problem.harmless()));
            }
            PortalEvent::Ended(Ok((name, kept))) => {
                (adding.under_way, adding.added) = (None, Some(name));
                self.profiles.changed();
                self.signed_in_to_new(kept, now);
            }
        }
    }

    /// What is kept at once for a profile that was added: its use, where somebody sets up a machine.
    pub fn uses_added(&self) -> Option<Command> {
        let draft = Draft::default().with(Key::Profile, self.portal.added.as_deref()?);
        Some(Command::Keep { draft }).filter(|keep| self.shows(Page::Machine) && self.may(keep).is_ok())
    }

    fn may_begin_portal(&self, through: Through) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        if self.sandbox {
            return refuse("The sandbox needs no sign-in, and profiles are none of its own");
        }
        if self.is_signing_in() {
            return refuse("A sign-in is under way");
        }
        match self.portal.under_way.as_ref().map(|it| &it.at) {
            None => Ok(()),
            Some(At::SigningIn(SigningIn::Browser { .. })) if through == Through::Code => Ok(()),
            Some(_) => refuse("A portal is being added"),
        }
    }

    pub(super) fn may_portal(&self, step: &PortalStep) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        if let PortalStep::SignIn { start_url, region, through } = step {
            self.may_begin_portal(*through)?;
            return Portal::typed(start_url, region).map(|_| ()).map_err(|unfit| refusal(&unfit));
        }
        let Some(it) = &self.portal.under_way else { return refuse("No portal is being added") };
        match (step, &it.at) {
            (PortalStep::SignIn { .. }, _) => Ok(()),
            (PortalStep::Cancel, At::Writing) => refuse("It is being written"),
            (PortalStep::Cancel, _) => Ok(()),
            (PortalStep::Back, At::Naming | At::Reading(_)) => Ok(()),
            (PortalStep::Back, _) => refuse("No role is chosen"),
            (PortalStep::Choose { account, role }, At::Choosing) => {
                let of = |one: &&PortalAccount| one.id == *account && one.roles.contains(role);
                let there = it.accounts.iter().find(of);
                there
                    .map(|_| ())
                    .ok_or_else(|| Refusal { why: "The portal gives you no such role".to_owned() })
            }
            (PortalStep::Choose { .. }, _) => refuse("No role is asked for"),
            (PortalStep::Name { name }, At::Naming | At::Reading(_)) => {
                let name = profile_name(name).map_err(|unfit| refusal(&unfit))?;
                if self.profiles.names.iter().any(|other| *other == name.as_str()) {
                    return Err(refusal(&Unfit::Taken(name.to_string())));
                }
                Ok(())
            }
            (PortalStep::Name { .. }, _) => refuse("No name is asked for"),
            (PortalStep::Write, At::Reading(_)) => Ok(()),
            (PortalStep::Write, _) => refuse("There is nothing that somebody has read"),
        }
    }
}

/// What was typed does not do.
fn refusal(unfit: &Unfit) -> Refusal {
    let hints: String = unfit.hints().iter().map(|hint| format!("; {hint}")).collect();
    Refusal { why: harmless(&format!("{unfit}{hints}"), 300) }
}

/// What is shown of it.
pub(super) fn view(app: &App) -> view::Portal {
    let Adding { under_way, problem, added } = &app.portal;
    let offer = |may: Result<(), Refusal>, label: &str| {
        may.ok().map(|()| Offer { label: label.to_owned(), note: None, asks: None })
    };
    let of_step = |step, label| offer(app.may(&Command::Portal { step }), label);
    let idle = under_way.is_none();
    let begin =
        if idle { app.may_begin_portal(Through::Browser) } else { Err(Refusal { why: String::new() }) };
    view::Portal {
        begin: offer(begin, "Sign in"),
        code: offer(app.may_begin_portal(Through::Code), "Use a code instead"),
        cancel: of_step(PortalStep::Cancel, "Cancel"),
        back: of_step(PortalStep::Back, "Another role"),
        write: of_step(PortalStep::Write, "Write it"),
        stage: under_way.as_ref().map(stage),
        problem: problem.as_ref().map(|problem| Problem {
            hints: problem.hints.iter().map(|hint| sentence(hint)).collect(),
            ..problem.clone()
        }),
        added: added.as_deref().map(|name| harmless(name, 200)),
    }
}

fn stage(it: &UnderWay) -> PortalStage {
    let (account, role) =
        it.chosen.as_ref().map(|it| (it.account.clone(), it.role.clone())).unwrap_or_default();
    let naming = |addition| PortalStage::Naming {
        account,
        role,
        name: it.name.clone(),
        addition,
        busy: matches!(it.at, At::Drafting | At::Writing),
    };
    match &it.at {
        At::SigningIn(how) => PortalStage::SigningIn { how: how.clone() },
        At::Choosing => PortalStage::Choosing { accounts: it.accounts.clone(), listing: it.listing },
        At::Naming | At::Drafting | At::Writing => naming(None),
        At::Reading(Addition { file, text }) => {
            naming(Some(view::PortalAddition { file: file.clone(), text: text.clone() }))
        }
    }
}
