//! Signing in: when a person is needed for it, how far it is, and what goes on by itself afterwards.
//!
//! It begins on a click and never by itself, and there is one at a time.

use std::fmt;

use serde::{Deserialize, Serialize};
use specta::Type;

use super::harmless::harmless;
use super::preview::Preview;
use super::show::{name, sentence};
use super::view::{self, Offer, SigningIn};
use super::{App, Command, Page, Problem, Refusal};
use crate::notices::NoticeKind;
use crate::time::Moment;

/// The longest address of a portal's page: it carries what the portal and Holdfast know each other by.
const LONGEST_PAGE: usize = 4000;

/// How a person signs in to what the settings name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WayIn {
    /// The profile.
    pub profile: String,
    /// The start URL of the portal, where there is one.
    pub portal: Option<String>,
    /// Whether a browser can come back from the portal; else a code has to be confirmed.
    pub browser: bool,
    /// The MFA device whose code is wanted, where one is.
    pub device: Option<String>,
}

/// The way in which somebody wants to sign in to a portal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(rename_all = "snake_case")]
pub enum Through {
    /// The browser of this desktop, where it can come back.
    Browser,
    /// A code that is confirmed in any browser.
    Code,
}

/// What somebody typed as the code of an MFA device. It is not for logs.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Type)]
#[serde(transparent)]
pub struct TypedCode(String);

impl TypedCode {
    /// What was typed.
    pub fn new(typed: String) -> Self {
        Self(typed)
    }

    /// Its six digits, if it is made of six; devices show them with a blank in the middle.
    /// Source: <https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html> (`TokenCode`)
    pub fn digits(&self) -> Option<String> {
        let digits: String = self.0.chars().filter(|c| !c.is_whitespace()).collect();
        (digits.len() == 6 && digits.chars().all(|c| c.is_ascii_digit())).then_some(digits)
    }
}

impl fmt::Debug for TypedCode {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("TypedCode")
    }
}

/// Whether somebody who signs in may help where this is the code of a problem.
pub fn is_about_credentials(code: &str) -> bool {
    matches!(code, "no_credentials" | "expired" | "bad_credentials")
}

/// A stage as it is shown.
pub(super) fn shown_stage(stage: SigningIn) -> SigningIn {
    let page = |page: String| harmless(&page, LONGEST_PAGE);
    match stage {
        SigningIn::Browser { page: there } => SigningIn::Browser { page: page(there) },
        SigningIn::Code { page: there, code } => {
            SigningIn::Code { page: page(there), code: harmless(&code, 40) }
        }
        SigningIn::Begins | SigningIn::Device | SigningIn::Checking => stage,
    }
}

/// What is known of signing in.
#[derive(Debug, Default)]
pub(super) struct SignIn {
    way: Option<WayIn>,
    stage: Option<SigningIn>,
    /// Why the last one did not succeed, or the last code.
    problem: Option<Problem>,
    /// Somebody was told that he is needed.
    told: bool,
    /// No keyring took the sign-in.
    unkept: bool,
}

impl SignIn {
    pub(super) fn know(&mut self, way: Option<WayIn>) {
        let short = |text: String| harmless(&text, 300);
        self.way = way.map(|way| WayIn {
            profile: short(way.profile),
            portal: way.portal.map(short),
            device: way.device.map(short),
            ..way
        });
        if self.way.is_none() {
            self.given_up();
        }
    }

    pub(super) fn begins(&mut self) {
        (self.stage, self.problem) = (self.way.as_ref().map(|_| SigningIn::Begins), None);
    }

    /// It is there now, unless it was given up.
    pub(super) fn at(&mut self, stage: SigningIn) {
        if self.stage.is_some() {
            self.stage = Some(shown_stage(stage));
        }
    }

    pub(super) fn code_refused(&mut self, problem: Problem) {
        if self.stage.is_some() {
            (self.stage, self.problem) = (Some(SigningIn::Device), Some(problem.harmless()));
        }
    }

    pub(super) fn given_up(&mut self) {
        (self.stage, self.problem) = (None, None);
    }

    fn ended(&mut self, result: Result<bool, Problem>) {
        if self.stage.is_none() {
            return;
        }
        match result {
            Ok(kept) => {
                (self.stage, self.problem, self.unkept) = (Some(SigningIn::Checking), None, !kept);
            }
            Err(problem) => (self.stage, self.problem) = (None, Some(problem.harmless())),
        }
    }

    /// AWS has answered as it answers to whoever is signed in.
    pub(super) fn works(&mut self) {
        if self.stage == Some(SigningIn::Checking) {
            self.stage = None;
        }
        (self.problem, self.told) = (None, false);
    }

    /// AWS does not take the new sign-in, or could not be asked.
    pub(super) fn in_vain(&mut self) {
        if self.stage == Some(SigningIn::Checking) {
            self.stage = None;
        }
    }
}

impl App {
    /// Whether somebody signs in now.
    pub fn is_signing_in(&self) -> bool {
        self.sign_in.stage.as_ref().is_some_and(|stage| *stage != SigningIn::Checking)
    }

    /// Why somebody has to sign in.
    fn needs_sign_in(&self) -> Option<&Problem> {
        let waits = self.running.as_ref().and_then(|running| running.signed_out.as_ref());
        let blind = self.blind.as_ref().map(|blind| &blind.problem);
        waits.or(blind.filter(|problem| is_about_credentials(&problem.code)))
    }

    /// Whether what is wrong is put right by signing in here.
    pub(super) fn offers_sign_in(&self) -> bool {
        self.sign_in.way.is_some() && self.needs_sign_in().is_some()
    }

    pub(super) fn may_sign_in(&self, through: Through) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        let Some(way) = &self.sign_in.way else { return refuse("Holdfast cannot sign in to this profile") };
        if through == Through::Code && way.portal.is_none() {
            return refuse("There is no portal that a code could be confirmed at");
        }
        match &self.sign_in.stage {
            Some(SigningIn::Browser { .. }) if through == Through::Code => Ok(()),
            Some(_) => refuse("A sign-in is under way"),
            None if self.is_signing_in_to_new() => refuse("A sign-in is under way"),
            None if self.needs_sign_in().is_none() => refuse("Nobody has to sign in"),
            None => Ok(()),
        }
    }

    pub(super) fn may_say_code(&self, code: &TypedCode) -> Result<(), Refusal> {
        let refuse = |why: &str| Err(Refusal { why: why.to_owned() });
        match &self.sign_in.stage {
            Some(SigningIn::Device) if code.digits().is_none() => refuse("A code has six digits"),
            Some(SigningIn::Device) => Ok(()),
            Some(_) | None => refuse("No code is asked for"),
        }
    }

    pub(super) fn may_cancel_sign_in(&self) -> Result<(), Refusal> {
        if self.is_signing_in() { Ok(()) } else { Err(Refusal { why: "Nobody signs in".to_owned() }) }
    }

    /// It has ended. What was looked at in vain meanwhile is looked at again.
    pub(super) fn signed_in(&mut self, result: Result<bool, Problem>, now: Moment) {
        let well = result.is_ok();
        self.sign_in.ended(result);
        if well {
            self.look_again_signed_in(now);
        }
    }

    /// Somebody has signed in to a portal that was added. Whatever else uses it can go on.
    pub(super) fn signed_in_to_new(&mut self, kept: bool, now: Moment) {
        self.sign_in.unkept = !kept;
        self.look_again_signed_in(now);
    }

    fn look_again_signed_in(&mut self, now: Moment) {
        self.sessions.signed_in(now);
        self.system.signed_in(now);
        self.kinds.signed_in();
        self.snapshots.changed(now);
        self.profiles.changed();
        self.repeat_in_vain();
    }

    /// What somebody looks at, and what failed because nobody was signed in, is looked into again.
    pub(super) fn repeat_in_vain(&mut self) {
        self.others.signed_in();
        let in_vain = |preview: &&mut Preview| {
            let problem = preview.found.as_ref().and_then(|found| found.as_ref().err());
            problem.is_some_and(|problem| is_about_credentials(&problem.code))
        };
        if let Some(preview) = self.preview.as_mut().filter(in_vain) {
            self.previews += 1;
            (preview.number, preview.found) = (self.previews, None);
        }
        if self.doctor.misses_credentials() {
            self.forget_findings();
        }
    }

    /// Somebody is needed, who is told that once.
    pub(super) fn tell_sign_in(&mut self) {
        if self.window || self.sign_in.told || !self.offers_sign_in() || self.running.is_some() {
            return;
        }
        self.sign_in.told = true;
        let body = format!("Nothing is known of {} until somebody does.", name(self));
        self.tell(NoticeKind::SignIn, "Sign in to AWS again".to_owned(), body, Page::Machine);
    }

    /// What is to be said of a sign-in that ends with the app.
    pub(super) fn unkept(&self) -> Option<String> {
        let what = "This computer has no keyring, so you are signed in to AWS until Holdfast ends.";
        self.sign_in.unkept.then(|| what.to_owned())
    }
}

/// What is shown of it; `None` where nobody is needed.
pub(super) fn view(app: &App) -> Option<view::SignIn> {
    let SignIn { way, stage, problem, .. } = &app.sign_in;
    let (way, why) = (way.as_ref()?, app.needs_sign_in());
    if why.is_none() && stage.is_none() {
        return None;
    }
    let offer = |command: Command, label: &str, note: Option<String>| {
        app.may(&command).ok().map(|()| Offer { label: label.to_owned(), note, asks: None })
    };
    let (label, note) = match (&way.portal, way.browser, &way.device) {
        (Some(portal), true, _) => ("Sign in", Some(format!("your browser opens {portal}"))),
        (Some(portal), false, _) => ("Sign in", Some(format!("with a code, at {portal}"))),
        (None, _, Some(device)) => ("Enter the code", Some(format!("the one that {device} shows"))),
        (None, _, None) => ("Sign in", None),
    };
    let begins = |through| Command::SignIn { through };
    Some(view::SignIn {
        // What can be done about it is on offer beside it.
        why: why.map(|Problem { code, what, cause, hints }| Problem {
            code: code.clone(),
            what: what.clone(),
            cause: cause.as_deref().map(sentence),
            hints: hints
                .iter()
                .filter(|hint| !["sign in", "name the profile"].iter().any(|done| hint.starts_with(done)))
                .map(|hint| sentence(hint))
                .collect(),
        }),
        profile: way.profile.clone(),
        device: way.device.clone(),
        waits: app.running.as_ref().filter(|it| it.signed_out.is_some()).map(|it| it.title.clone()),
        stage: stage.clone(),
        problem: problem.clone(),
        begin: offer(begins(Through::Browser), label, note),
        code: offer(begins(Through::Code), "Use a code instead", None).filter(|_| way.browser),
        cancel: offer(Command::CancelSignIn, "Cancel", None),
    })
}
