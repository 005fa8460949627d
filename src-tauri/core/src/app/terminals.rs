//! The terminals on this computer, and one that did not open.

use super::show::name;
use super::view;
use super::{App, Command, Operation, Problem, Refusal, Setup};
use crate::names::{MachineName, SessionName};
use crate::terminal::{Choice, Known};
use crate::time::Moment;

/// A terminal that is to open.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Opening {
    /// The session in it; without a name the one that is meant when nobody names one.
    pub session: Option<SessionName>,
    /// Which, this once; else it is the one of the settings.
    pub terminal: Option<Known>,
    /// The machine; the one that is shown when nothing else is meant.
    pub machine: Option<MachineName>,
}

/// One that did not open.
#[derive(Debug)]
pub(super) struct Unopened {
    opening: Opening,
    /// What the settings said then.
    choice: Choice,
    /// Another one has opened in its place since.
    opened: Option<Known>,
}

impl App {
    /// A terminal has opened, or has not.
    pub(super) fn opened(&mut self, opening: Opening, result: Result<(), Problem>, now: Moment) {
        match result {
            Ok(()) => {
                self.sessions.connected(now);
                let Some(failed) = &mut self.failed else { return };
                match (&mut failed.unopened, opening.terminal) {
                    (Some(unopened), Some(terminal)) => unopened.opened = Some(terminal),
                    // It opens again.
                    (Some(_), None) => self.failed = None,
                    (None, _) => {}
                }
            }
            Err(problem) => {
                let machine = opening.machine.clone().or_else(|| self.shown());
                let title =
                    Operation::Connect.title(machine.as_ref().map_or(name(self), MachineName::as_str));
                // Another machine may be shown by now, where nothing can be done about it.
                let choice = self.setup().filter(|_| machine == self.shown());
                let choice = choice.map(|setup| setup.settings.terminal.clone());
                self.fail(machine, title, problem, now);
                if let Some((failed, choice)) = self.failed.as_mut().zip(choice) {
                    failed.unopened = Some(Unopened { opening, choice, opened: None });
                }
            }
        }
    }

    /// The settings were read. Whoever has chosen another terminal needs no help with the one before.
    pub(super) fn forget_unopened(&mut self) {
        let unopened = self.failed.as_ref().and_then(|failed| failed.unopened.as_ref());
        let stale = |unopened: &Unopened| {
            self.setup().is_some_and(|setup| setup.settings.terminal != unopened.choice)
        };
        if unopened.is_some_and(stale) {
            self.failed = None;
        }
    }

    pub(super) fn may_connect_in(
        &self,
        setup: &Setup,
        terminal: Known,
        session: Option<&SessionName>,
    ) -> Result<(), Refusal> {
        if !self.terminals.contains(&terminal) {
            return Err(Refusal { why: format!("{} is not installed", terminal.name()) });
        }
        self.may_connect(setup, session)
    }
}

/// What can be done about a terminal that did not open; `None`: the failure is about something else, or nothing can.
pub(super) fn view(app: &App) -> Option<view::Unopened> {
    let Unopened { opening, choice, opened } = app.failed.as_ref()?.unopened.as_ref()?;
    let session = opening.session.clone();
    let terminal = |terminal: Known| view::Terminal { terminal, name: terminal.name().to_owned() };
    let other = |known: &Known| {
        // Where Holdfast was to find one, it has tried them all.
        let tried = matches!(choice, Choice::Default)
            || *choice == Choice::Known(*known)
            || opening.terminal == Some(*known);
        !tried && app.may(&Command::ConnectIn { terminal: *known, session: session.clone() }).is_ok()
    };
    let others = app.terminals.iter().copied().filter(|known| opened.is_none() && other(known));
    let shown = view::Unopened {
        others: others.map(terminal).collect(),
        opened: opened.map(terminal),
        session: session.clone(),
    };
    (!shown.others.is_empty() || opened.is_some()).then_some(shown)
}
