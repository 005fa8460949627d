//! Any story: a session and an agent fed with frames of the fuzzer's making, well formed and not, in between links,
//! timers and input. Neither panics, and the session keeps its bounds.

#![no_main]

use std::time::Duration;

use holdfast_core::session::agent::{Agent, AgentConfig, AgentEvent, AgentKms, SessionType};
use holdfast_core::session::wire::{Frame, Ids, MessageId, MessageType, PayloadType};
use holdfast_core::session::{
    CLIENT_VERSION, Config, DataKey, Event, MAX_PENDING_OUTPUT, PROBE_DEADLINE, SEND_BUFFER, Session, Stream,
    Transmit,
};
use holdfast_core::time::Moment;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let Some((first, story)) = bytes.split_first() else { return };
    let mut world = World::new(*first);
    for words in story.chunks(24) {
        world.step(words);
        assert!(world.session.unacknowledged() <= 2 * SEND_BUFFER);
        assert!(world.session.pending_output() <= MAX_PENDING_OUTPUT + (17 << 20));
    }
});

struct World {
    session: Session,
    agent: Agent,
    now: Moment,
}

impl World {
    fn new(choice: u8) -> Self {
        let now = Moment::from_epoch(Duration::from_secs(1_700_000_000));
        let config = Config {
            session_id: "s".into(),
            target_id: "t".into(),
            client_id: [1; 16],
            client_version: CLIENT_VERSION.into(),
            seed: [1; 32],
            expects_handshake: choice & 1 == 1,
            size: Some((80, 24)),
        };
        let agent = AgentConfig {
            session_id: "s".into(),
            target_id: "t".into(),
            session_type: if choice & 2 == 2 {
                SessionType::StandardStream
            } else {
                SessionType::NonInteractiveCommands { separate_output: true }
            },
            agent_version: "3.3".into(),
            seed: [2; 32],
            kms: (choice & 4 == 4)
                .then(|| AgentKms { key_id: "k".into(), require_challenge: choice & 8 == 8 }),
        };
        let (mut session, mut agent) = (Session::new(config, now), Agent::new(agent, now));
        session.link_up(now, "token");
        agent.link_up(now);
        Self { session, agent, now }
    }

    fn step(&mut self, words: &[u8]) {
        let (op, rest) = words.split_first().map_or((0, words), |(op, rest)| (*op, rest));
        let now = self.now;
        match op % 16 {
            0 => self.session.handle_frame(now, rest),
            1..=3 => self.session.handle_frame(now, &made(MessageType::OutputStreamData, rest, now)),
            4 => self.session.handle_frame(now, &acknowledge(rest, now)),
            5 => self.agent.handle_frame(now, &made(MessageType::InputStreamData, rest, now)),
            6 => self.agent.handle_frame(now, &acknowledge(rest, now)),
            7 => self.session.link_lost(now),
            8 => self.session.link_up(now, "again"),
            9 => drop(self.session.write(now, &rest.repeat(usize::from(op)))),
            10 => self.session.resize(now, u16::from(op), 1),
            11 => self.agent.write_output(now, Stream::Out, rest),
            12 => self.pass_time(u64::from(rest.first().copied().unwrap_or(1)) * 97),
            13 => self.session.terminate(now),
            14 => self.session.probe(now, PROBE_DEADLINE),
            _ => self.exchange(),
        }
    }

    fn pass_time(&mut self, millis: u64) {
        self.now = self.now + Duration::from_millis(millis);
        self.session.handle_timeout(self.now);
        self.agent.handle_timeout(self.now);
        let due = self.session.poll_timeout();
        assert!(due.is_none_or(|due| due > self.now), "a timer stays due");
    }

    fn exchange(&mut self) {
        for _ in 0..64 {
            while let Some(transmit) = self.session.poll_transmit(self.now) {
                if let Transmit::Binary(bytes) = transmit {
                    self.agent.handle_frame(self.now, &bytes);
                }
            }
            while let Some(bytes) = self.agent.poll_transmit() {
                self.session.handle_frame(self.now, &bytes);
            }
            while let Some(event) = self.session.poll_event() {
                if let Event::KeyNeeded { .. } = event {
                    let key = DataKey { plaintext: [5; 64], ciphertext: vec![1] };
                    self.session.provide_key(self.now, key);
                }
            }
            while let Some(event) = self.agent.poll_event() {
                if let AgentEvent::DecryptKey { .. } = event {
                    self.agent.provide_key(self.now, [5; 64]);
                }
            }
        }
    }
}

/// A frame that passes all checks: sequence, payload type and payload are the fuzzer's.
fn made(kind: MessageType, words: &[u8], now: Moment) -> Vec<u8> {
    let (sequence, rest) = words.split_first().map_or((0, words), |(n, rest)| (*n, rest));
    let (payload_type, payload) = rest.split_first().map_or((1, rest), |(n, rest)| (*n, rest));
    let payload = match payload_type {
        5 => [br#"{"RequestedClientActions":[{"ActionType":""#, payload].concat(),
        105 => br#"{"RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"SessionType":"Port"}}]}"#.to_vec(),
        _ => payload.to_vec(),
    };
    let payload_type = PayloadType::from_wire(u32::from(payload_type % 100));
    Frame::stream(kind, now, MessageId([0; 16]), u64::from(sequence % 32), (payload_type, &payload)).encode()
}

fn acknowledge(words: &[u8], now: Moment) -> Vec<u8> {
    let sequence = words.first().copied().unwrap_or_default();
    let json = format!(r#"{{"AcknowledgedMessageSequenceNumber":{sequence}}}"#);
    Frame::plain(MessageType::Acknowledge, now, Ids::new([0; 32]).next_id(), json.as_bytes()).encode()
}
