//! What an operation is doing: live on a terminal, plain lines elsewhere.

use std::cell::RefCell;
use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use holdfast_core::machine::{Desired, Observed};
use holdfast_core::plan::{Change, Consent, Impact, Plan, Step, Waiting};
use indicatif::{ProgressBar, ProgressStyle};

use super::out::{self, Style};
use super::plan::render;
use crate::converge::{Event, Witness};

/// Shows an operation to the person at the terminal, and asks for consent.
pub(super) struct Watcher<'a> {
    desired: &'a Desired,
    yes: Asking<'a>,
    spinner: Option<ProgressBar>,
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
}

#[derive(Default)]
struct State {
    running: Vec<Step>,
    waiting: Vec<Waiting>,
}

impl<'a> Watcher<'a> {
    pub(super) fn new(desired: &'a Desired, yes: Asking<'a>) -> Self {
        let live = std::io::stderr().is_terminal();
        let spinner = live.then(|| {
            let spinner = ProgressBar::new_spinner();
            if let Ok(style) = ProgressStyle::with_template("{spinner} {wide_msg} {elapsed}") {
                spinner.set_style(style);
            }
            spinner
        });
        Self { desired, yes, spinner, state: RefCell::default() }
    }

    /// Takes the live line away.
    pub(super) fn done(&self) {
        if let Some(spinner) = &self.spinner {
            spinner.finish_and_clear();
        }
    }

    fn say(&self, line: &str) {
        match &self.spinner {
            Some(spinner) => spinner.suspend(|| out::talk(line)),
            None => out::talk(line),
        }
    }

    fn refresh(&self) {
        let Some(spinner) = &self.spinner else { return };
        let state = self.state.borrow();
        let doing: Vec<String> = state.running.iter().map(|step| step.words().what).collect();
        let waiting: Vec<&str> = state.waiting.iter().map(Waiting::words).collect();
        spinner.set_message(if doing.is_empty() && !waiting.is_empty() {
            format!("waiting for {}", waiting.join(", "))
        } else {
            doing.join(", ")
        });
        spinner.enable_steady_tick(Duration::from_millis(120));
    }

    fn ask(&self, impact: Impact) -> bool {
        if matches!(self.yes, Asking::Given) {
            return true;
        }
        if !std::io::stdin().is_terminal() {
            return false;
        }
        let (question, wanted) = match self.yes {
            Asking::Name(name) => (format!("This cannot be undone. Type {name} to go on: "), name),
            Asking::YesOrNo | Asking::Given if impact.interrupts => {
                ("This ends what runs on the machine. Go on? [y/N] ".to_owned(), "y")
            }
            Asking::YesOrNo | Asking::Given => ("Go on? [y/N] ".to_owned(), "y"),
        };
        let mut err = std::io::stderr().lock();
        let _ = std::io::Write::write_all(&mut err, question.as_bytes());
        let _ = std::io::Write::flush(&mut err);
        let mut answer = String::new();
        let read = std::io::stdin().lock().read_line(&mut answer);
        let answer = answer.trim();
        read.is_ok() && (answer == wanted || (wanted == "y" && answer.eq_ignore_ascii_case("yes")))
    }
}

impl Witness for Watcher<'_> {
    async fn consent(&self, observed: &Observed, plan: &Plan) -> Consent {
        if let Some(spinner) = &self.spinner {
            spinner.disable_steady_tick();
            spinner.set_message("");
        }
        self.say(&render(self.desired, observed, plan, Style::stderr()));
        let impact = plan.impact();
        if impact == Impact::NONE || self.ask(impact) { Consent::to(impact) } else { Consent::NONE }
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
            Event::Waiting(waiting) => {
                let mut state = self.state.borrow_mut();
                if state.waiting != waiting {
                    state.waiting = waiting.to_vec();
                    if self.spinner.is_none() {
                        let words: Vec<&str> = waiting.iter().map(Waiting::words).collect();
                        out::talk(&format!("  waiting for {}", words.join(", ")));
                    }
                }
            }
        }
        self.refresh();
    }
}
