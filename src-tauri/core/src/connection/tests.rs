use std::time::Duration;

use super::{Action, Config, Connection, End, Event, Outcome, Way};
use crate::session::agent::{Agent, AgentConfig, AgentEvent, SessionType};
use crate::session::wire::{MessageId, channel_closed};
use crate::session::{CLIENT_VERSION, Stream, Transmit};
use crate::time::Moment;

const START: Moment = Moment::from_epoch(Duration::from_millis(1_700_000_000_000));

/// A connection with its present agent, over a line that carries everything at once.
struct Pair {
    now: Moment,
    connection: Connection,
    agent: Agent,
    nonce: String,
    arrived: Vec<u8>,
    shown: Vec<u8>,
}

impl Pair {
    fn new() -> Self {
        let config = Config {
            target_id: "i-0".into(),
            client_id: [7; 16],
            client_version: CLIENT_VERSION.into(),
            seed: [3; 32],
            expects_handshake: false,
            size: Some((80, 24)),
            lasting: true,
        };
        let connection = Connection::new(config, START);
        let (now, nonce) = (START, String::new());
        let mut this =
            Self { now, connection, agent: agent(now), nonce, arrived: Vec::new(), shown: Vec::new() };
        this.open("0");
        this
    }

    /// Answers as AWS does until there is a line to a new session, whose wrapper begins.
    fn open(&mut self, session_id: &str) {
        let Some(Action::Start { nonce, .. }) = self.connection.poll_action() else { panic!("no start") };
        self.nonce = nonce;
        self.agent = agent(self.now);
        let way =
            Way { session_id: session_id.into(), url: String::new(), token: "token".into(), typed: None };
        self.connection.done(self.now, Outcome::Way(way));
        assert!(matches!(self.connection.poll_action(), Some(Action::Dial { .. })));
        self.connection.done(self.now, Outcome::Done);
        self.agent.link_up(self.now);
        self.print(&format!("\x1b_holdfast;{};in;zellij\x1b\\", self.nonce));
    }

    fn print(&mut self, text: &str) {
        self.agent.write_output(self.now, Stream::Out, text.as_bytes());
        self.settle();
    }

    /// What is printed next is lost on the way.
    fn lose(&mut self, text: &str) {
        self.agent.write_output(self.now, Stream::Out, text.as_bytes());
        while self.agent.poll_transmit().is_some() {}
    }

    fn settle(&mut self) {
        for _ in 0..8 {
            while let Some(bytes) = self.agent.poll_transmit() {
                self.connection.handle_frame(self.now, &bytes);
            }
            while let Some(transmit) = self.connection.poll_transmit(self.now) {
                if let Transmit::Binary(bytes) = transmit {
                    self.agent.handle_frame(self.now, &bytes);
                }
            }
            while let Some(event) = self.agent.poll_event() {
                if let AgentEvent::Input(bytes) = event {
                    self.arrived.extend(bytes);
                }
            }
            while let Some(event) = self.connection.poll_event(self.now) {
                match event {
                    Event::Output { bytes, .. } => self.shown.extend(bytes),
                    Event::Reset => self.shown.extend(b"|"),
                    Event::Hangup => {}
                    Event::Message(_) | Event::KeyNeeded { .. } | Event::Ended(_) => panic!("{event:?}"),
                }
            }
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
        self.connection.handle_timeout(self.now);
        self.settle();
    }
}

fn agent(now: Moment) -> Agent {
    let config = AgentConfig {
        session_id: "0".into(),
        target_id: "i-0".into(),
        session_type: SessionType::InteractiveCommands,
        agent_version: "3.3.1345.0".into(),
        seed: [5; 32],
        kms: None,
    };
    Agent::new(config, now)
}

/// At ten messages a second much lost output takes long to come again; another session draws the screen of now at once.
/// What is typed meanwhile is meant for the same screen, and arrives there.
#[test]
fn a_screen_that_is_far_behind_is_drawn_by_another_session() {
    let mut pair = Pair::new();
    pair.print("first");
    for _ in 0..50 {
        pair.lose("lost ");
    }
    pair.print("now");
    assert_eq!(pair.shown, b"first");
    pair.wait(Duration::from_secs(1));
    assert_eq!(pair.connection.poll_action(), Some(Action::Terminate { session_id: "0".into() }));
    assert_eq!(pair.connection.write(pair.now, b"typed"), 5);
    pair.connection.done(pair.now, Outcome::Done);
    pair.open("1");
    pair.print("the screen");
    assert_eq!(pair.shown, b"first|the screen");
    assert_eq!(pair.arrived, b"typed");
    assert_eq!(pair.connection.notice(pair.now), None);
}

#[test]
fn a_screen_that_is_a_little_behind_is_waited_for() {
    let mut pair = Pair::new();
    for _ in 0..5 {
        pair.lose("lost ");
    }
    pair.print("now");
    pair.wait(Duration::from_secs(1));
    assert_eq!(pair.connection.poll_action(), None);
    for _ in 0..50 {
        pair.now = pair.now + Duration::from_millis(100);
        pair.agent.handle_timeout(pair.now);
        pair.settle();
    }
    assert_eq!(pair.shown, b"lost lost lost lost lost now");
}

/// A client of zellij that has lost its server says so; also where the server is gone because its session has ended.
#[test]
fn a_lost_server_has_another_session_unless_the_session_has_ended() {
    for (word, again) in [("out;1", true), ("ended;1", false)] {
        let mut pair = Pair::new();
        pair.print("Lost connection to the Zellij server.");
        pair.print(&format!("\x1b_holdfast;{};{word}\x1b\\", pair.nonce));
        pair.connection.handle_frame(pair.now, &channel_closed("0", "", MessageId([9; 16]), pair.now));
        let mut ended = None;
        while let Some(event) = pair.connection.poll_event(pair.now) {
            if let Event::Ended(end) = event {
                ended = Some(end);
            }
        }
        assert_eq!(matches!(pair.connection.poll_action(), Some(Action::Start { .. })), again, "{word}");
        assert_eq!(ended, (!again).then_some(End::Exited(Some(0))), "{word}");
    }
}
