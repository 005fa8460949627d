//! What the app does when somebody adds a portal: what `holdfast login --new` does, with the window for a terminal.

use std::pin::pin;

use holdfast_core::app::{self, Event, PortalEvent, PortalStep, SigningIn, Through};
use holdfast_core::names::ProfileName;
use holdfast_core::profile::{Chosen, Portal, profile_name};
use tokio::sync::mpsc;

use super::{Desk, Place, Shell};
use crate::aws::identity::oidc::{Calls, DeviceCode};
use crate::aws::identity::token::{self, Token};
use crate::aws::profile;
use crate::portal::{Draft, accounts, all_roles, calls};
use crate::problem::Problem;
use crate::signin::SignIn;

/// What somebody asks for meanwhile. Whoever asks for nothing any more has given it up.
#[derive(Debug)]
pub(super) enum Step {
    /// A code in place of the browser.
    Code,
    /// What is added for a profile of this name.
    Draft(ProfileName, Chosen),
    /// That.
    Write,
}

/// Tells the app how it goes on, as long as it is the one that is under way.
#[derive(Clone, Debug)]
pub(super) struct Teller(pub(super) mpsc::UnboundedSender<Event>, pub(super) mpsc::WeakUnboundedSender<Step>);

impl Teller {
    fn say(&self, event: PortalEvent) {
        if self.1.upgrade().is_some() {
            // Nobody listens any more when the app ends.
            let _ = self.0.send(Event::Portal(event));
        }
    }
}

/// Signs in, and adds a profile as it is asked for. Whoever gives up, or has no use for the sign-in, is signed out again.
pub(super) async fn add(
    place: &Place,
    shell: &impl Shell,
    teller: Teller,
    mut steps: mpsc::UnboundedReceiver<Step>,
    portal: Portal,
    through: Through,
) -> Option<Event> {
    let work = async {
        let calls = calls(&portal, &place.options().await?).await?;
        let sign_in = SignIn { portal: &portal, calls: &calls, vault: &place.vault };
        let Some(token) = signed_in(place, shell, &teller, &mut steps, &sign_in, through).await? else {
            return Ok(None);
        };
        let added = choose_and_add(place, &teller, &mut steps, &portal, &calls, &token).await;
        if !matches!(added, Ok(Some(_))) {
            // Nobody has a use for it.
            let _ = calls.log_out(&token).await;
        }
        added
    };
    let result: Result<Option<(String, bool)>, Problem> = work.await;
    match result {
        Ok(Some(added)) => Some(Event::Portal(PortalEvent::Ended(Ok(added)))),
        Ok(None) => None,
        Err(problem) => {
            teller.say(PortalEvent::Ended(Err(problem.into())));
            None
        }
    }
}

async fn signed_in(
    place: &Place,
    shell: &impl Shell,
    teller: &Teller,
    steps: &mut mpsc::UnboundedReceiver<Step>,
    sign_in: &SignIn<'_>,
    through: Through,
) -> Result<Option<Token>, Problem> {
    let _alone = place.store.signing_in()?;
    if through == Through::Browser {
        let show = |page: &str| {
            teller.say(PortalEvent::SigningIn(SigningIn::Browser { page: page.to_owned() }));
            shell.open_page(page);
        };
        tokio::select! {
            token = sign_in.with_browser(show) => return token.map(Some),
            step = steps.recv() => match step {
                None => return Ok(None),
                Some(Step::Code | Step::Draft(..) | Step::Write) => {}
            },
        }
    }
    let show = |code: &DeviceCode| {
        let (page, code) = (code.page.clone(), code.user_code.clone());
        teller.say(PortalEvent::SigningIn(SigningIn::Code { page, code }));
    };
    tokio::select! {
        token = sign_in.with_code(show) => token.map(Some),
        None = steps.recv() => Ok(None),
    }
}

/// Gives the profile's name, and whether the sign-in outlives this process.
async fn choose_and_add(
    place: &Place,
    teller: &Teller,
    steps: &mut mpsc::UnboundedReceiver<Step>,
    portal: &Portal,
    calls: &Calls,
    token: &Token,
) -> Result<Option<(String, bool)>, Problem> {
    let list = async {
        let accounts = accounts(calls, token).await?;
        let named = accounts.iter().map(|account| (account.id.clone(), account.name.clone()));
        teller.say(PortalEvent::Accounts(named.collect()));
        all_roles(calls, token, &accounts, |roles| teller.say(PortalEvent::Roles(roles))).await
    };
    let (mut list, mut listing, mut draft) = (pin!(list), true, None);
    loop {
        let step = tokio::select! {
            listed = &mut list, if listing => {
                listed?;
                listing = false;
                teller.say(PortalEvent::Listed);
                continue;
            }
            step = steps.recv() => step,
        };
        match step {
            None => return Ok(None),
            Some(Step::Code) => {}
            Some(Step::Draft(name, chosen)) => {
                let drafted = Draft::of(portal, name, &chosen);
                let told = drafted.as_ref().map(Draft::addition).map_err(|problem| problem.clone().into());
                teller.say(PortalEvent::Drafted(told));
                draft = drafted.ok();
            }
            Some(Step::Write) => {
                let Some(read) = draft.take() else { continue };
                let keep = async || place.vault.set(&token::name(portal), token.to_json(portal)).await;
                match read.write(keep).await {
                    Ok(kept) => return Ok(Some((read.name.to_string(), kept))),
                    Err(problem) => teller.say(PortalEvent::NotWritten(app::Problem::from(problem))),
                }
            }
        }
    }
}

impl<S: Shell> Desk<'_, S> {
    /// It was given up, or has ended.
    pub(super) fn end_portal_if_moot(&mut self) {
        if !self.app.is_adding_portal() {
            self.portal = None;
        }
    }

    pub(super) fn portal(&mut self, step: PortalStep) {
        match step {
            PortalStep::SignIn { .. } if self.portal.is_some() => self.ask_portal(Step::Code),
            PortalStep::SignIn { start_url, region, through } => {
                if let Ok(portal) = Portal::typed(&start_url, &region) {
                    self.begin_portal(portal, through);
                }
            }
            PortalStep::Choose { account, role } => {
                self.on(Event::Portal(PortalEvent::Chosen(Chosen { account, role })));
            }
            PortalStep::Name { name } => {
                if let (Ok(name), Some(chosen)) = (profile_name(&name), self.app.chosen_role().cloned()) {
                    self.on(Event::Portal(PortalEvent::Named(name.to_string())));
                    self.ask_portal(Step::Draft(name, chosen));
                }
            }
            PortalStep::Write => {
                self.on(Event::Portal(PortalEvent::Writing));
                self.ask_portal(Step::Write);
            }
            PortalStep::Back => self.on(Event::Portal(PortalEvent::Back)),
            PortalStep::Cancel => self.on(Event::Portal(PortalEvent::GivenUp)),
        }
    }

    pub(super) fn begin_portal(&mut self, portal: Portal, through: Through) {
        let (ask, asked) = mpsc::unbounded_channel();
        let teller = Teller(self.tell.clone(), ask.downgrade());
        self.on(Event::Portal(PortalEvent::Begins(portal.clone())));
        self.errands.push(Box::pin(add(self.place, self.shell, teller, asked, portal, through)));
        self.portal = Some(ask);
    }

    pub(super) fn ask_portal(&self, step: Step) {
        if let Some(portal) = &self.portal {
            // Whoever is told is there as long as this is.
            let _ = portal.send(step);
        }
    }

    /// Whatever waits for a sign-in can go on, and the set-up with the new profile.
    pub(super) fn has_added_portal(&mut self, event: Event) {
        self.on(event);
        self.on(Event::Profiles(profile::names()));
        self.aws = None;
        (self.look_now, self.look_at_all) = (true, true);
        self.signed_in.notify_one();
        if let Some(keep) = self.app.uses_added()
            && let Err(refusal) = self.carry_out(keep)
        {
            // It is in the list, where somebody can use it all the same.
            tracing::warn!(why = refusal.why, "the new profile was not put to use");
        }
    }
}
