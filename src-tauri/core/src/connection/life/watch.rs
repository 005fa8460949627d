//! What the present session is watched for: an agent that has gone, and one that is far behind.

use std::time::Duration;

use super::{Connection, Lost, Stage};
use crate::connection::notice::Reason;
use crate::connection::screen::Kind;
use crate::connection::{Action, Event};
use crate::time::Moment;

/// The line lives, yet the agent takes nothing of what was typed: for so long, first the line and then the session is
/// given up. Only where a zellij client reads its terminal all the time: a shell's program may let its input wait for ever.
const UNHEARD: Duration = Duration::from_secs(15);
/// So many lost messages take longer to come again, at ten a second, than another session takes to show the screen of
/// now. Only where a zellij client has the screen, which draws all of it for whoever comes.
const FAR_BEHIND: u64 = 20;
/// How long the line must have been back before that is believed: what was on its way may come yet.
const SETTLED: Duration = Duration::from_millis(400);
/// How long a new session may take until its agent takes input.
const UNREADY: Duration = Duration::from_secs(30);

impl Connection {
    pub(super) fn agent_deadline(&self, since: Moment) -> Option<Moment> {
        let session = self.session.as_ref()?;
        if !session.is_ready() {
            return Some(since + UNREADY);
        }
        let reads = matches!(self.entered, Some((Kind::Zellij, _)));
        (reads && session.unacknowledged() > 0).then_some(self.heard.at + UNHEARD)
    }

    /// Gives up first the line and then the session of an agent that takes nothing although the line lives.
    pub(super) fn watch_agent(&mut self, now: Moment, since: Moment) {
        let Some(session) = &self.session else { return };
        if self.agent_deadline(since).is_none_or(|deadline| now < deadline) {
            return;
        }
        if session.is_ready() && !std::mem::replace(&mut self.heard.suspect, true) {
            return self.line_lost(now);
        }
        self.session_over(now, "its agent does not answer", true);
    }

    /// When the present session is to be given up for one that shows the screen of now.
    pub(super) fn overtaking(&self) -> Option<Moment> {
        let (Stage::Up(since), Some(session)) = (&self.stage, &self.session) else { return None };
        let draws = matches!(self.entered, Some((Kind::Zellij, _))) && self.status.is_none();
        let behind = session.missing_output() >= FAR_BEHIND && session.unacknowledged() == 0;
        (draws && behind).then(|| *since + SETTLED)
    }

    pub(super) fn overtake(&mut self, now: Moment) {
        if self.overtaking().is_none_or(|at| now < at) {
            return;
        }
        let Some(way) = &self.way else { return };
        let terminate = Action::Terminate { session_id: way.session_id.clone() };
        self.drain(now);
        self.events.push_back(Event::Hangup);
        self.lost.get_or_insert(Lost { since: now, noticed: now });
        self.reason = Reason::Session("the screen of now comes sooner in another one".to_owned());
        self.holds_keys = true;
        self.redraw = None;
        self.prelude = None;
        self.tries = 0;
        self.act(now, terminate);
    }
}
