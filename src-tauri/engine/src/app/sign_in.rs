//! What the app does when somebody signs in: what `holdfast login` does, with the window for a terminal.

use std::future::pending;

use holdfast_core::app::{self, Event, Look, SigningIn, Through, TypedCode, WayIn};
use holdfast_core::machine::Desired;
use holdfast_core::profile::Profile;
use tokio::sync::mpsc;

use super::{Desk, Place, Shell, SignedIn};
use crate::aws::identity::Identity;
use crate::aws::identity::oidc::DeviceCode;
use crate::aws::identity::token;
use crate::aws::{identity_of, profile};
use crate::problem::Problem;
use crate::profiles;
use crate::signin::{self, SignIn, has_browser};

/// Signs in, as far as a person is needed for what the settings name: at the portal, then with codes of the MFA device until one is
/// taken. Gives whether it outlives this process.
pub(super) async fn sign_in(
    place: &Place,
    shell: &impl Shell,
    tell: mpsc::UnboundedSender<Event>,
    codes: mpsc::UnboundedReceiver<String>,
    desired: Desired,
    through: Through,
) -> Result<bool, app::Problem> {
    let work = async {
        let name = desired.profile.as_ref().map_or_else(profile::usual, ToString::to_string);
        let identity = identity_of(&name, &desired.region, &place.options().await?).await?;
        let _alone = place.store.signing_in()?;
        let at_portal = portal(&identity, shell, &tell, through).await?;
        Ok::<_, Problem>(device(&identity, &desired, &tell, codes).await? && at_portal)
    };
    work.await.map_err(app::Problem::from)
}

async fn portal(
    identity: &Identity,
    shell: &impl Shell,
    tell: &mpsc::UnboundedSender<Event>,
    through: Through,
) -> Result<bool, Problem> {
    let Some(portal) = identity.chain.portal() else { return Ok(true) };
    let calls = identity.calls(portal);
    let here = SignIn { portal, calls: &calls, vault: identity.vault() };
    let token = if through == Through::Browser && has_browser(portal) {
        let show = |page: &str| {
            say(tell, SigningIn::Browser { page: page.to_owned() });
            shell.open_page(page);
        };
        here.with_browser(show).await?
    } else {
        let show = |code: &DeviceCode| {
            say(tell, SigningIn::Code { page: code.page.clone(), code: code.user_code.clone() });
        };
        here.with_code(show).await?
    };
    identity.vault().set(&token::name(portal), token.to_json(portal)).await
}

async fn device(
    identity: &Identity,
    desired: &Desired,
    tell: &mpsc::UnboundedSender<Event>,
    mut codes: mpsc::UnboundedReceiver<String>,
) -> Result<bool, Problem> {
    if identity.chain.mfa_serial().is_none() {
        return Ok(true);
    }
    identity.forget_codes().await?;
    say(tell, SigningIn::Device);
    let mut outlives = true;
    // Nobody listens any more when the app ends.
    let refuse = |problem: Problem| drop(tell.send(Event::CodeRefused(problem.into())));
    while let Some(role) = identity.wants_code().await? {
        let Some(code) = codes.recv().await else { pending().await };
        say(tell, SigningIn::Begins);
        match identity.say_code(&code).await {
            Ok(kept) => outlives &= kept,
            Err(problem) => {
                refuse(problem);
                continue;
            }
        }
        if let Some(next) = identity.wants_code().await? {
            let way = signin::way(desired).map(|way| WayIn { device: next.mfa_serial.clone(), ..way });
            let _ = tell.send(Event::WayIn(way));
            refuse(
                Problem::new("mfa_code", format!("{} wants a code of its own", next.arn))
                    .because(format!("AWS takes each once, and {} has this one", role.arn)),
            );
        }
    }
    Ok(outlives)
}

fn say(tell: &mpsc::UnboundedSender<Event>, stage: SigningIn) {
    let _ = tell.send(Event::SigningIn(stage));
}

/// Looks at the profiles of the AWS configuration.
pub(super) async fn look_at_profiles(place: &Place, desired: Option<Desired>, how: Look) -> Option<Event> {
    let look = async {
        place.vault.look_again();
        let all = profiles::list(&place.vault).await?;
        match (how, desired) {
            (Look::Checked, Some(desired)) => {
                Ok(profiles::check(all, &desired.region, &place.options().await?).await)
            }
            (Look::Checked | Look::Read, _) => Ok(all),
        }
    };
    let result: Result<Vec<Profile>, Problem> = look.await;
    Some(Event::LookedAtProfiles(result.map_err(app::Problem::from)))
}

impl<S: Shell> Desk<'_, S> {
    pub(super) fn look_at_profiles_if_wanted(&mut self) {
        if self.app.wants_profiles() {
            self.look_at_profiles(Look::Read);
        }
    }

    pub(super) fn look_at_profiles(&mut self, how: Look) {
        let desired = self.app.setup().map(|setup| setup.desired.clone());
        self.errands.push(Box::pin(look_at_profiles(self.place, desired, how)));
        self.on(Event::LookingAtProfiles(how));
    }

    /// Other settings name another way in.
    pub(super) fn end_sign_in_if_moot(&mut self) {
        if !self.app.is_signing_in() {
            (self.signing_in, self.codes) = (None, None);
        }
    }

    pub(super) fn sign_in(&mut self, through: Through) {
        let Some(setup) = self.app.setup() else { return };
        // One that waits for the browser holds the lock of this one.
        self.signing_in = None;
        let (codes, said) = mpsc::unbounded_channel();
        let (place, shell, tell, desired) =
            (self.place, self.shell, self.tell.clone(), setup.desired.clone());
        self.signing_in = Some(Box::pin(sign_in(place, shell, tell, said, desired, through)));
        self.codes = Some(codes);
        self.on(Event::BeginsSignIn);
    }

    pub(super) fn say_code(&self, code: &TypedCode) {
        if let (Some(codes), Some(digits)) = (&self.codes, code.digits()) {
            // Whoever is told is there as long as this is.
            let _ = codes.send(digits);
        }
    }

    pub(super) fn has_signed_in(&mut self, result: SignedIn) {
        (self.signing_in, self.codes) = (None, None);
        self.hear_what_was_told();
        if result.is_ok() {
            self.aws = None;
            (self.look_now, self.look_at_all) = (true, true);
            self.signed_in.notify_one();
        }
        self.on(Event::SignedIn(result));
    }
}
