//! What an operation is doing: live on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::io::IsTerminal;
use std::time::Duration;

use holdfast_core::machine::{Desired, Observed, Power};
use holdfast_core::plan::{Change, Consent, Impact, Plan, Step, Waiting};
use indicatif::{ProgressBar, ProgressStyle};

use super::Context;
use super::ask::{ask, confirm};
use super::out::{self, Style};
use super::plan::render;
use crate::converge::{Event, Witness};
use crate::prices::Worth;
use crate::remote::Machine;

/// How long a look at what runs on the machine may take.
const LOOK: Duration = Duration::from_secs(12);

/// Shows an operation to the person at the terminal, and asks for consent. Its live line goes when it is dropped.
pub(super) struct Watcher<'a> {
    desired: &'a Desired,
    yes: Asking<'a>,
    /// Who can be asked what goes on there.
    context: Option<&'a Context>,
    live: bool,
    /// Not there while the person is asked.
    spinner: RefCell<Option<ProgressBar>>,
    state: RefCell<State>,
}

/// How consent is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asking<'a> {
    /// It was given on the command line.
    Given,
    /// With yes or no.
    YesOrNo,
    /// By typing this name.
    Name(&'a str),
    /// By typing this name, which was done for a plan without any impact; there is no need to show it again.
    Seen(&'a str),
}

#[derive(Default)]
struct State {
    running: Vec<Step>,
    waiting: Vec<Waiting>,
    /// That somebody has to sign in was said.
    signed_out: bool,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(desired: &'a Desired, yes: Asking<'a>) -> Self {
        let live = std::io::stderr().is_terminal();
        Self { desired, yes, context: None, live, spinner: RefCell::default(), state: RefCell::default() }
    }

    /// Names who is at work on the machine before anybody agrees to end that.
    pub(super) fn of(mut self, context: &'a Context) -> Self {
        self.context = Some(context);
        self
    }

    /// What runs on the machine, where somebody is to decide about it.
    async fn warn(&self, observed: &Observed) {
        let Some(instance) = observed.winners(self.desired).instance else { return };
        let (Some(context), Power::Running) = (self.context, instance.power) else { return };
        if matches!(self.yes, Asking::Given) {
            return;
        }
        let machine = Machine { aws: &context.aws, desired: self.desired, instance: &instance.id };
        let look = crate::jobs::at_work(machine);
        let found = match tokio::time::timeout(LOOK, look).await {
            Ok(Ok(found)) => found,
            Ok(Err(problem)) => return self.say(&format!("What runs on it cannot be seen: {problem}")),
            Err(_) => return self.say("What runs on it cannot be seen: no answer in time"),
        };
        let style = Style::stderr();
        if found.is_empty() {
            self.say("No session and no job runs on it.");
        } else {
            self.say(&format!("{} {}", style.yellow("On it:"), found.join("; ")));
        }
    }

    fn say(&self, line: &str) {
        match &*self.spinner.borrow() {
            Some(spinner) => spinner.suspend(|| out::talk(line)),
            None => out::talk(line),
        }
    }

    fn refresh(&self) {
        if !self.live {
            return;
        }
        let state = self.state.borrow();
        let doing: Vec<String> = state.running.iter().map(|step| step.words().what).collect();
        let waiting: Vec<&str> = state.waiting.iter().map(Waiting::words).collect();
        let mut spinner = self.spinner.borrow_mut();
        spinner.get_or_insert_with(new_spinner).set_message(if doing.is_empty() && !waiting.is_empty() {
            format!("waiting for {}", waiting.join(", "))
        } else {
            doing.join(", ")
        });
    }

    fn hide(&self) {
        if let Some(spinner) = self.spinner.take() {
            spinner.finish_and_clear();
        }
    }

    async fn agrees(&self, impact: Impact) -> bool {
        match self.yes {
            Asking::Given => true,
            Asking::Name(name) | Asking::Seen(name) => agrees_by_name(name).await,
            Asking::YesOrNo if impact.interrupts => {
                confirm("This ends what runs on the machine. Go on? [y/N] ").await
            }
            Asking::YesOrNo if impact.revokes => {
                confirm("This takes rights away that somebody gave the machine. Go on? [y/N] ").await
            }
            Asking::YesOrNo => confirm("Go on? [y/N] ").await,
        }
    }
}

/// Has the machine's name typed.
pub(super) async fn agrees_by_name(name: &str) -> bool {
    ask(&format!("This cannot be undone. Type {name} to go on: ")).await.is_some_and(|answer| answer == name)
}

impl Drop for Watcher<'_> {
    fn drop(&mut self) {
        self.hide();
    }
}

pub(super) fn new_spinner() -> ProgressBar {
    let spinner = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
        spinner.set_style(style);
    }
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

impl Witness for Watcher<'_> {
    async fn consent(&self, observed: &Observed, plan: &Plan) -> Consent {
        self.hide();
        let impact = plan.impact();
        if impact != Impact::NONE || !matches!(self.yes, Asking::Seen(_)) {
            self.say(&render(self.desired, observed, plan, Style::stderr()));
        }
        if impact.interrupts {
            self.warn(observed).await;
        }
        if impact == Impact::NONE || self.agrees(impact).await { Consent::to(impact) } else { Consent::NONE }
    }

    fn waits_for_sign_in(&self) -> bool {
        self.live
    }

    fn event(&self, event: Event<'_>) {
        let style = Style::stderr();
        match event {
            Event::Started(step) => {
                let mut state = self.state.borrow_mut();
                state.running.push(step.clone());
                state.waiting.clear();
            }
            Event::Finished(step) => {
                let words = step.words();
                let mark = match words.change {
                    Change::Add => style.green("+"),
                    Change::Alter => style.yellow("~"),
                    Change::Remove => style.red("-"),
                };
                self.say(&format!("  {mark} {}", words.what));
                self.state.borrow_mut().running.retain(|other| other != step);
            }
            Event::Postponed(step, problem) => {
                tracing::debug!(?step, %problem, "postponed");
                self.state.borrow_mut().running.retain(|other| other != step);
            }
            Event::Surprised(step, problem) => {
                tracing::debug!(?step, %problem, "surprised");
                self.state.borrow_mut().running.retain(|other| other != step);
            }
            Event::SignedOut(problem) => {
                let mut state = self.state.borrow_mut();
                if !state.signed_out {
                    state.signed_out = true;
                    let why = problem.cause.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                    let way = problem.hints.first().map(|way| format!("; {way}")).unwrap_or_default();
                    let what = format!("{}{why}{way}", problem.what);
                    self.say(&format!("  {} {what}", style.yellow("!")));
                    self.say("    In another terminal: this one goes on by itself then. Ctrl-C ends it.");
                }
            }
            Event::Saw(observed) => {
                self.state.borrow_mut().signed_out = false;
                if let Some(context) = self.context {
                    context.note(&mut observed.clone(), Worth::All);
                }
            }
            Event::Waiting(waiting) => {
                let mut state = self.state.borrow_mut();
                if state.waiting != waiting {
                    state.waiting = waiting.to_vec();
                    if !self.live {
                        let words: Vec<&str> = waiting.iter().map(Waiting::words).collect();
                        out::talk(&format!("  waiting for {}", words.join(", ")));
                    }
                }
            }
        }
        self.refresh();
    }
}
