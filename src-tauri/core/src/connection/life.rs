//! The life of a connection.

mod redraw;
mod watch;

use std::collections::VecDeque;
use std::time::Duration;

use super::notice::{Next, Notice, Reason};
use super::screen::{Kind, Mark, Piece, Screen};
use super::{Action, Config, End, Event, Outcome, Trouble, Way};
use crate::session::wire::derive;
use crate::session::{self, Closed, DataKey, PROBE_DEADLINE, SEND_BUFFER, Session, Stream, Transmit};
use crate::time::Moment;

/// Pauses between tries while nobody answers: the first, then doubled, and the longest.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(10));
/// Pauses between tries while the machine or the credentials are what is missing: a tenth of how long it has lasted, so
/// that nobody waits a tenth longer than need be, within these.
const PATIENT_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));
/// A line or a session that held for so long was a good one: the next try after it comes at once.
const HELD: Duration = Duration::from_secs(5);
/// A call that is under way for longer than this when the network comes back began without it, and is made anew.
const STALE_CALL: Duration = Duration::from_millis(250);
/// How long the first line may take: a firewall that lets the calls through and not the websocket should show.
const FIRST_LINE: Duration = Duration::from_secs(30);
/// How soon after the network has answered in vain it is asked again; later a tenth of how long it has lasted.
const KNOCK_AGAIN: Duration = Duration::from_secs(1);
/// An outage is not worth a word before this.
const NOTICE_AFTER: Duration = Duration::from_secs(1);
/// How long something that is said once stays.
const SAID: Duration = Duration::from_secs(5);
/// What a wrapper may take, and what may be shown before it, until that is shown all the same.
const PRELUDE: (Duration, usize) = (Duration::from_secs(5), 64 << 10);

enum Stage {
    /// This has been asked for.
    Acting(Action, Moment),
    /// Until then; then this.
    Waiting(Moment, Action),
    /// There is a line.
    Up(Moment),
    Over,
}

/// What a terminal is connected through. See the module.
pub struct Connection {
    config: Config,
    stage: Stage,
    /// What has to be done and was not polled yet.
    action: Option<Action>,
    way: Option<Way>,
    session: Option<Session>,
    /// The next session's number.
    turn: u32,
    screen: Screen,
    events: VecDeque<Event>,
    /// Typed before there was a session.
    early: Vec<u8>,
    tries: u32,
    spread: u64,
    began: Moment,
    lost: Option<Lost>,
    reason: Reason,
    ever_up: bool,
    /// Before this it does not help to learn that the network answers: it did, and nothing came of it.
    next_knock: Moment,
    /// The present session's wrapper has said so.
    entered: Option<(Kind, Moment)>,
    ever_entered: bool,
    status: Option<i32>,
    /// Keys go nowhere while another session is on its way.
    drops_keys: bool,
    /// Another session is on its way to the same screen, and keys wait for it in `early`.
    holds_keys: bool,
    dropped: usize,
    heard: Heard,
    said: Option<(String, Moment)>,
    /// The size is to be told again, so that the program draws its screen anew.
    redraw: Option<Moment>,
    prelude: Option<Prelude>,
}

/// When the line was lost, and with it perhaps the session.
#[derive(Clone, Copy)]
struct Lost {
    /// The last that was heard.
    since: Moment,
    noticed: Moment,
}

impl Lost {
    /// Whether it has lasted long enough to be worth a word.
    fn is_shown(self, now: Moment) -> bool {
        now.since(self.noticed) >= NOTICE_AFTER
    }
}

/// Output that is held back until the wrapper says that the user's program begins.
struct Prelude {
    until: Moment,
    bytes: Vec<u8>,
    /// It is the echo of what was typed for the user, and of no interest.
    is_echo: bool,
}

/// Whether the agent takes what is typed.
#[derive(Clone, Copy)]
struct Heard {
    count: u64,
    at: Moment,
    /// The line was given up for it already.
    suspect: bool,
}

impl Connection {
    /// A connection that is to be opened: the first action starts a session.
    pub fn new(config: Config, now: Moment) -> Self {
        let spread = derive(&config.seed, "spread", 0);
        let mut this = Self {
            stage: Stage::Over,
            action: None,
            way: None,
            session: None,
            turn: 0,
            screen: Screen::default(),
            events: VecDeque::new(),
            early: Vec::new(),
            tries: 0,
            spread: u64::from_be_bytes([
                spread[0], spread[1], spread[2], spread[3], spread[4], spread[5], spread[6], spread[7],
            ]),
            began: now,
            lost: None,
            reason: Reason::Line(None),
            ever_up: false,
            next_knock: now,
            entered: None,
            ever_entered: false,
            status: None,
            drops_keys: false,
            holds_keys: false,
            dropped: 0,
            heard: Heard { count: 0, at: now, suspect: false },
            said: None,
            redraw: None,
            prelude: None,
            config,
        };
        this.start_anew(now);
        this
    }

    /// What is to be done now, in place of whatever is still under way.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.action.take()
    }

    /// The action polled last went so.
    pub fn done(&mut self, now: Moment, outcome: Outcome) {
        let Stage::Acting(action, _) = &self.stage else { return };
        let action = action.clone();
        match (action, outcome) {
            (Action::Start { nonce, .. }, Outcome::Way(way)) => self.started(now, way, &nonce),
            (Action::Resume { .. }, Outcome::Way(way)) => self.dial(now, way),
            (Action::Resume { .. }, Outcome::Over) => {
                self.session_over(now, "it was idle for too long, or ended", true);
            }
            (Action::Dial { .. }, Outcome::Done) => self.line_up(now),
            (Action::Terminate { .. }, Outcome::Done | Outcome::Over) => self.start_anew(now),
            (action, Outcome::Failed(trouble)) => self.failed(now, action, trouble),
            // No such answer can come.
            (Action::Start { .. }, Outcome::Over | Outcome::Done)
            | (Action::Resume { .. }, Outcome::Done)
            | (Action::Dial { .. } | Action::Terminate { .. }, Outcome::Way(_))
            | (Action::Dial { .. }, Outcome::Over) => {}
        }
    }

    /// The websocket is gone, for whatever reason.
    pub fn link_lost(&mut self, now: Moment) {
        if let Stage::Up(_) = self.stage {
            self.line_lost(now);
        }
    }

    /// Bytes of a binary or text message from the websocket.
    pub fn handle_frame(&mut self, now: Moment, bytes: &[u8]) {
        if let (Stage::Up(_), Some(session)) = (&self.stage, &mut self.session) {
            session.handle_frame(now, bytes);
            let count = session.acknowledged_messages();
            if count != self.heard.count {
                self.heard = Heard { count, at: now, suspect: false };
            }
        }
    }

    /// A websocket pong arrived.
    pub fn handle_pong(&mut self, now: Moment) {
        if let (Stage::Up(_), Some(session)) = (&self.stage, &mut self.session) {
            session.handle_pong(now);
        }
    }

    /// What the user typed; returns how many bytes are taken. 0 means full: stop reading the keyboard.
    pub fn write(&mut self, now: Moment, bytes: &[u8]) -> usize {
        match &mut self.session {
            _ if matches!(self.stage, Stage::Over) => 0,
            _ if self.drops_keys => {
                self.dropped += bytes.len();
                bytes.len()
            }
            Some(session) if !self.holds_keys => {
                if session.unacknowledged() == 0 {
                    self.heard.at = now;
                }
                session.write(now, bytes)
            }
            Some(_) | None => {
                let taken = SEND_BUFFER.saturating_sub(self.early.len()).min(bytes.len());
                self.early.extend(bytes.get(..taken).unwrap_or_default());
                taken
            }
        }
    }

    /// The terminal has another size.
    pub fn resize(&mut self, now: Moment, columns: u16, rows: u16) {
        self.config.size = Some((columns, rows));
        self.redraw = None;
        if let Some(session) = &mut self.session {
            if session.unacknowledged() == 0 {
                self.heard.at = now;
            }
            session.resize(now, columns, rows);
        }
    }

    /// Columns and rows as they were told last.
    pub fn size(&self) -> Option<(u16, u16)> {
        self.config.size
    }

    /// Answers [`Event::KeyNeeded`].
    pub fn provide_key(&mut self, now: Moment, key: DataKey) {
        if let Some(session) = &mut self.session {
            session.provide_key(now, key);
        }
    }

    /// Answers [`Event::KeyNeeded`] when KMS says no.
    pub fn key_refused(&mut self, now: Moment, why: String) {
        if let Some(session) = &mut self.session {
            session.key_refused(now, why);
        }
    }

    /// The computer slept, or its clock jumped: the old connection of TCP is not waited for.
    pub fn woke(&mut self, now: Moment) {
        self.hurry(now, PROBE_DEADLINE);
    }

    /// The network changed, or answers again.
    pub fn network_changed(&mut self, now: Moment) {
        let round_trip = self.session.as_ref().map(|session| session.stats().round_trip);
        let patience = round_trip.unwrap_or_default() * 3;
        self.hurry(now, patience.clamp(Duration::from_millis(150), PROBE_DEADLINE));
    }

    /// Somebody accepts a connection where the last line led to. Unlike [`Connection::network_changed`] this does not make
    /// the next pauses shorter: it may be all that answers.
    pub fn network_answers(&mut self, now: Moment) {
        let tries = self.tries;
        self.hurry(now, PROBE_DEADLINE);
        self.tries = tries;
        let lasts = self.lost.map_or(Duration::ZERO, |lost| now.since(lost.noticed));
        self.next_knock = now + (lasts / 10).max(KNOCK_AGAIN);
    }

    /// Whether there has been a line.
    pub const fn ever_up(&self) -> bool {
        self.ever_up
    }

    /// Whether it would help to learn that the network answers.
    pub fn wants_network(&self, now: Moment) -> bool {
        let waits = matches!(self.stage, Stage::Waiting(..) | Stage::Acting(..));
        waits && self.next_knock <= now && self.lost.is_some() && matches!(self.reason, Reason::Line(Some(_)))
    }

    /// Something for the user to read once.
    pub fn say(&mut self, now: Moment, text: impl Into<String>) {
        self.said = Some((text.into(), now + SAID));
    }

    /// To be called when [`Connection::poll_timeout`] is due; earlier does no harm.
    pub fn handle_timeout(&mut self, now: Moment) {
        if let Some(session) = &mut self.session {
            session.handle_timeout(now);
        }
        if self.said.as_ref().is_some_and(|(_, until)| *until <= now) {
            self.said = None;
            self.ask_redraw(now);
        }
        self.release_prelude(now);
        match &self.stage {
            Stage::Waiting(until, action) if *until <= now => {
                let action = action.clone();
                self.act(now, action);
            }
            Stage::Up(since) => {
                let since = *since;
                self.go_on_redrawing(now);
                self.watch_agent(now, since);
                self.overtake(now);
            }
            Stage::Acting(..) | Stage::Waiting(..) | Stage::Over => {}
        }
    }

    /// When [`Connection::handle_timeout`] is to be called, or [`Connection::notice`] changes.
    pub fn poll_timeout(&self, now: Moment) -> Option<Moment> {
        let session = self.session.as_ref().and_then(Session::poll_timeout);
        let stage = match &self.stage {
            Stage::Waiting(until, _) => Some(*until),
            Stage::Up(since) => self.agent_deadline(*since).into_iter().chain(self.overtaking()).min(),
            Stage::Acting(..) | Stage::Over => None,
        };
        let notice = self.lost.map(|lost| {
            let shown = lost.noticed + NOTICE_AFTER;
            let ticks = now.since(lost.since).as_secs() + 1;
            shown.max(lost.since + Duration::from_secs(ticks))
        });
        let said = self.said.as_ref().map(|(_, until)| *until);
        let prelude = self.prelude.as_ref().map(|prelude| prelude.until);
        [session, stage, notice, said, self.redraw, prelude].into_iter().flatten().min()
    }

    /// The next thing for the websocket, in order; `None` while there is no line.
    pub fn poll_transmit(&mut self, now: Moment) -> Option<Transmit> {
        match (&self.stage, &mut self.session) {
            (Stage::Up(_), Some(session)) => session.poll_transmit(now),
            _ => None,
        }
    }

    /// The next thing for the owner, in order.
    pub fn poll_event(&mut self, now: Moment) -> Option<Event> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let event = self.session.as_mut()?.poll_event()?;
            self.on_session(now, event);
        }
    }

    /// What the user is to be shown, if anything.
    pub fn notice(&self, now: Moment) -> Option<Notice> {
        if let Some((text, _)) = &self.said {
            return Some(Notice::Say(text.clone()));
        }
        let lost = self.lost?;
        if !lost.is_shown(now) {
            return None;
        }
        let next = match &self.stage {
            Stage::Waiting(until, _) if *until > now => Next::Again(until.since(now)),
            Stage::Waiting(..) | Stage::Acting(..) | Stage::Up(_) | Stage::Over => Next::Trying,
        };
        Some(Notice::Away { lasts: now.since(lost.since), reason: self.reason.clone(), next })
    }

    /// Whether the program on the machine has the alternate screen.
    pub const fn is_alternate(&self) -> bool {
        self.screen.is_alternate()
    }

    /// Whether something may be drawn on the screen now.
    pub fn may_draw(&self) -> bool {
        self.screen.is_whole()
    }

    /// The title that the program on the machine gave the window last.
    pub fn title(&self) -> Option<&str> {
        self.screen.title()
    }

    /// The session that is to be ended when the user leaves.
    pub fn session_id(&self) -> Option<&str> {
        self.way.as_ref().map(|way| way.session_id.as_str())
    }

    /// Whether what was typed last has been taken by the machine's agent.
    pub fn untaken_input(&self) -> usize {
        self.early.len() + self.session.as_ref().map_or(0, Session::untaken_input)
    }

    /// A call that failed may have had its effect, so each one to start a session has a number of its own.
    fn start(&mut self) -> Action {
        let turn = self.turn;
        self.turn += 1;
        let nonce = derive(&self.config.seed, "nonce", turn.into());
        let nonce = nonce.iter().take(12).map(|byte| format!("{byte:02x}")).collect();
        Action::Start { turn, nonce }
    }

    fn act(&mut self, now: Moment, action: Action) {
        let action = if let Action::Start { .. } = action { self.start() } else { action };
        self.action = Some(action.clone());
        self.stage = Stage::Acting(action, now);
    }

    fn wait(&mut self, now: Moment, by: Duration, action: Action) {
        self.stage = Stage::Waiting(now + by, action);
    }

    fn started(&mut self, now: Moment, way: Way, nonce: &str) {
        let config = session::Config {
            session_id: way.session_id.clone(),
            target_id: self.config.target_id.clone(),
            client_id: self.config.client_id,
            client_version: self.config.client_version.clone(),
            seed: derive(&self.config.seed, "session", self.turn.into()),
            expects_handshake: self.config.expects_handshake,
            size: self.config.size,
        };
        let mut session = Session::new(config, now);
        if let Some(typed) = &way.typed {
            session.write(now, typed);
        }
        let is_echo = self.config.lasting && way.typed.is_some();
        let until = now + PRELUDE.0;
        self.prelude =
            (is_echo || self.ever_entered).then_some(Prelude { until, bytes: Vec::new(), is_echo });
        // What was typed ahead of the first session; later ones get nothing from before.
        if !self.holds_keys {
            let early = std::mem::take(&mut self.early);
            session.write(now, &early);
        }
        self.session = Some(session);
        self.screen.renew(nonce);
        self.entered = None;
        self.heard = Heard { count: 0, at: now, suspect: false };
        self.dial(now, way);
    }

    fn dial(&mut self, now: Moment, way: Way) {
        let url = way.url.clone();
        self.way = Some(way);
        self.act(now, Action::Dial { url });
    }

    fn line_up(&mut self, now: Moment) {
        let (Some(session), Some(way)) = (&mut self.session, &self.way) else { return };
        session.link_up(now, &way.token);
        self.stage = Stage::Up(now);
        self.ever_up = true;
        self.heard.at = now;
        let was_shown = self.lost.is_some_and(|lost| lost.is_shown(now));
        // A new session is there only when it shows something.
        if !self.drops_keys && !self.holds_keys {
            self.lost = None;
            self.reason = Reason::Line(None);
            if was_shown {
                self.ask_redraw(now);
            }
        }
    }

    fn line_lost(&mut self, now: Moment) {
        let held = matches!(self.stage, Stage::Up(since) if now.since(since) >= HELD);
        let since = self.session.as_ref().and_then(Session::last_heard).unwrap_or(now);
        if let Some(session) = &mut self.session {
            session.link_lost(now);
        }
        // The last that came over the line may be the end of the session.
        while let Some(event) = self.session.as_mut().and_then(Session::poll_event) {
            if event != session::Event::LinkDead {
                self.on_session(now, event);
            }
        }
        if !matches!(self.stage, Stage::Up(_)) {
            return;
        }
        self.events.push_back(Event::Hangup);
        if self.status.is_some() {
            return self.end(End::Exited(self.status));
        }
        self.lost.get_or_insert(Lost { since, noticed: now });
        let Some(way) = &self.way else { return };
        let resume = Action::Resume { session_id: way.session_id.clone() };
        if held {
            self.tries = 0;
        }
        self.tries += 1;
        if self.tries == 1 {
            self.act(now, resume);
        } else {
            let pause = self.pause();
            self.wait(now, pause, resume);
        }
    }

    fn failed(&mut self, now: Moment, action: Action, trouble: Trouble) {
        let is_first = self.session.is_none();
        let in_vain = !self.ever_up && now.since(self.began) >= FIRST_LINE;
        // Who has just asked for a connection wants to know why there is none.
        if is_first || in_vain {
            return self.end(End::Refused);
        }
        let lost = *self.lost.get_or_insert(Lost { since: now, noticed: now });
        let patient = now.since(lost.noticed) / 10;
        let patient = self.spread(patient.clamp(PATIENT_RETRY.0, PATIENT_RETRY.1));
        match (action, trouble) {
            // A dial tells nothing about the session. Resuming it tells, and gives a fresh address.
            (Action::Dial { .. }, trouble) => {
                let why = match trouble {
                    Trouble::Network(why) | Trouble::Machine(why) => why,
                    Trouble::Credentials(why) => {
                        self.reason = Reason::Credentials(why);
                        return self.resume_after(now, patient);
                    }
                    Trouble::Refused => "the gateway refuses".to_owned(),
                };
                self.reason = Reason::Line(Some(why));
                self.tries += 1;
                let pause = self.pause();
                self.resume_after(now, pause);
            }
            (action, Trouble::Network(why)) => {
                self.reason = Reason::Line(Some(why));
                self.tries += 1;
                let pause = self.pause();
                self.wait(now, pause, action);
            }
            (action, Trouble::Credentials(why)) => {
                self.reason = Reason::Credentials(why);
                self.wait(now, patient, action);
            }
            (Action::Terminate { .. }, Trouble::Machine(_) | Trouble::Refused) => self.start_anew(now),
            (action @ Action::Start { .. }, Trouble::Machine(why)) => {
                self.reason = Reason::Machine(why);
                self.wait(now, patient, action);
            }
            // A policy may allow to start sessions and not to resume them.
            (Action::Resume { .. }, Trouble::Machine(_) | Trouble::Refused) if self.config.lasting => {
                self.session_over(now, "it may not be resumed", true);
            }
            (_, Trouble::Machine(_) | Trouble::Refused) => self.end(End::Refused),
        }
    }

    fn resume_after(&mut self, now: Moment, pause: Duration) {
        if let Some(way) = &self.way {
            let resume = Action::Resume { session_id: way.session_id.clone() };
            self.wait(now, pause, resume);
        }
    }

    /// The session will not come back; `linger` says that it may still be there at AWS.
    fn session_over(&mut self, now: Moment, why: &str, linger: bool) {
        self.drain(now);
        if let Stage::Up(_) = self.stage {
            self.events.push_back(Event::Hangup);
        }
        if self.status.is_some() {
            return self.end(End::Exited(self.status));
        }
        if !self.config.lasting || !self.ever_entered {
            let why = if why.is_empty() { "its program did not begin" } else { why };
            return self.end(End::Closed(why.to_owned()));
        }
        let short = self.entered.is_none_or(|(_, at)| now.since(at) < HELD);
        self.tries = if short { self.tries + 1 } else { 0 };
        self.lost.get_or_insert(Lost { since: now, noticed: now });
        self.reason = Reason::Session(why.to_owned());
        self.dropped += self.session.as_ref().map_or(0, Session::untaken_input);
        if std::mem::take(&mut self.holds_keys) {
            self.dropped += std::mem::take(&mut self.early).len();
        }
        self.drops_keys = true;
        self.redraw = None;
        self.prelude = None;
        let next = match &self.way {
            Some(way) if linger => Action::Terminate { session_id: way.session_id.clone() },
            // It gets its number when it is asked for.
            Some(_) | None => Action::Start { turn: self.turn, nonce: String::new() },
        };
        if self.tries > 1 {
            let pause = self.pause();
            self.wait(now, pause, next);
        } else {
            self.act(now, next);
        }
    }

    fn start_anew(&mut self, now: Moment) {
        self.act(now, Action::Start { turn: self.turn, nonce: String::new() });
    }

    fn end(&mut self, end: End) {
        self.stage = Stage::Over;
        self.action = None;
        self.session = None;
        self.lost = None;
        self.said = None;
        self.events.push_back(Event::Ended(end));
    }

    fn hurry(&mut self, now: Moment, patience: Duration) {
        match &self.stage {
            Stage::Up(_) => {
                if let Some(session) = &mut self.session {
                    session.probe(now, patience);
                }
            }
            Stage::Waiting(_, action) => {
                let action = action.clone();
                self.tries = 1;
                self.act(now, action);
            }
            Stage::Acting(action, since) if now.since(*since) >= STALE_CALL && self.lost.is_some() => {
                let action = match (action, &self.way) {
                    (Action::Dial { .. }, Some(way)) => Action::Resume { session_id: way.session_id.clone() },
                    (action, _) => action.clone(),
                };
                self.tries = 1;
                self.act(now, action);
            }
            Stage::Acting(..) | Stage::Over => {}
        }
    }

    /// The pause before the next try, growing with their number.
    fn pause(&mut self) -> Duration {
        let doublings = self.tries.saturating_sub(2).min(10);
        self.spread(RETRY.0.saturating_mul(1 << doublings).min(RETRY.1))
    }

    /// Within a quarter of it, so that a thousand laptops do not come back at once.
    fn spread(&mut self, pause: Duration) -> Duration {
        // Splitmix64.
        self.spread = self.spread.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.spread ^ (self.spread >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let per_mille = u32::try_from((z ^ (z >> 27)) % 501).unwrap_or(250);
        pause * (750 + per_mille) / 1000
    }

    fn lost_its_server(&self) -> bool {
        matches!(self.entered, Some((Kind::Zellij, _))) && self.screen.lost_its_server()
    }

    /// What the session holds for the screen, before it is put away.
    fn drain(&mut self, now: Moment) {
        while let Some(event) = self.session.as_mut().and_then(Session::poll_event) {
            match event {
                session::Event::Output { stream, bytes } => self.output(now, stream, bytes),
                session::Event::ExitCode(code) => self.status = Some(code),
                session::Event::Message(text) => self.events.push_back(Event::Message(text)),
                session::Event::Ready
                | session::Event::PortUnreachable
                | session::Event::KeyNeeded { .. }
                | session::Event::LinkDead
                | session::Event::Closed(_)
                | session::Event::Failed(_) => {}
            }
        }
    }

    fn on_session(&mut self, now: Moment, event: session::Event) {
        match event {
            session::Event::Ready | session::Event::PortUnreachable => {}
            session::Event::Output { stream, bytes } => self.output(now, stream, bytes),
            session::Event::ExitCode(code) => self.status = Some(code),
            session::Event::Message(text) => self.events.push_back(Event::Message(text)),
            session::Event::KeyNeeded { key_id, context } => {
                self.events.push_back(Event::KeyNeeded { key_id, context });
            }
            session::Event::LinkDead => self.link_lost(now),
            session::Event::Closed(closed) => self.closed(now, &closed),
            session::Event::Failed(failure) => self.end(End::Failed(failure)),
        }
    }

    fn closed(&mut self, now: Moment, closed: &Closed) {
        self.give_out_held();
        if closed.incomplete {
            self.events.push_back(Event::Message("holdfast: the last of the output was lost".to_owned()));
        }
        let by_itself = closed.output.is_empty() && !self.config.lasting;
        if by_itself && self.status.is_none() {
            return self.end(End::Exited(None));
        }
        self.session_over(now, &closed.output, false);
    }

    fn output(&mut self, now: Moment, stream: Stream, bytes: Vec<u8>) {
        if !self.config.lasting {
            return self.events.push_back(Event::Output { stream, bytes });
        }
        let mut pieces = VecDeque::new();
        self.screen.pass(bytes, |piece| pieces.push_back(piece));
        for piece in pieces {
            match piece {
                // The wrapper says nothing after its last word but what a shell may add.
                Piece::Bytes(_) if self.status.is_some() => {}
                Piece::Bytes(bytes) => self.show(now, bytes),
                Piece::Mark(Mark::In(kind)) => self.enter(now, kind),
                // It was put out, and did not leave: what is to come is the end of a session, not of the program.
                Piece::Mark(Mark::Out(_)) if self.lost_its_server() => {}
                Piece::Mark(Mark::Out(status)) => self.status = Some(status),
                Piece::Mark(Mark::Ended(status)) => {
                    self.status = Some(if self.lost_its_server() { 0 } else { status });
                }
            }
        }
    }

    fn show(&mut self, now: Moment, bytes: Vec<u8>) {
        if let Some(prelude) = &mut self.prelude {
            prelude.bytes.extend(bytes);
            if prelude.bytes.len() >= PRELUDE.1 {
                prelude.until = now;
            }
            return self.release_prelude(now);
        }
        self.arrived(now);
        self.events.push_back(Event::Output { stream: Stream::Out, bytes });
    }

    fn enter(&mut self, now: Moment, kind: Kind) {
        self.entered = Some((kind, now));
        if self.ever_entered {
            self.screen.reset();
            self.events.push_back(Event::Reset);
        }
        self.ever_entered = true;
        self.arrived(now);
        if std::mem::take(&mut self.holds_keys) {
            self.lost = None;
            self.reason = Reason::Line(None);
            let early = std::mem::take(&mut self.early);
            match (kind, &mut self.session) {
                (Kind::Zellij, Some(session)) => {
                    session.write(now, &early);
                }
                (Kind::Shell, _) | (_, None) => {}
            }
        }
        if let Some(Prelude { bytes, is_echo: false, .. }) = self.prelude.take()
            && !bytes.is_empty()
        {
            self.events.push_back(Event::Output { stream: Stream::Out, bytes });
        }
    }

    /// A new session shows something: from here on what is typed is meant for it.
    fn arrived(&mut self, now: Moment) {
        if !std::mem::take(&mut self.drops_keys) {
            return;
        }
        self.lost = None;
        self.reason = Reason::Line(None);
        if std::mem::take(&mut self.dropped) > 0 {
            self.say(now, "This is a new session: what was typed meanwhile was not sent.");
        }
    }

    fn release_prelude(&mut self, now: Moment) {
        if let Some(prelude) = self.prelude.take_if(|prelude| prelude.until <= now)
            && !prelude.bytes.is_empty()
        {
            self.show(now, prelude.bytes);
        }
    }

    fn give_out_held(&mut self) {
        let mut bytes = self.prelude.take().map(|prelude| prelude.bytes).unwrap_or_default();
        bytes.extend(self.screen.release());
        if !bytes.is_empty() && self.status.is_none() {
            self.events.push_back(Event::Output { stream: Stream::Out, bytes });
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Connection").field("turn", &self.turn).finish_non_exhaustive()
    }
}
