//! How fast frames and sessions are, without any socket: `cargo bench -p holdfast-core --bench session`.

#![expect(
    clippy::disallowed_methods,
    clippy::print_stdout,
    reason = "a benchmark reads the clock and prints"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use holdfast_core::session::agent::{Agent, AgentConfig, AgentEvent, AgentKms, SessionType};
use holdfast_core::session::wire::{Acknowledge, Frame, Ids, MessageType, PayloadType};
use holdfast_core::session::{CLIENT_VERSION, Config, DataKey, Event, Session, Stream, Transmit};
use holdfast_core::time::Moment;

const NOW: Moment = Moment::from_epoch(Duration::from_millis(1_700_000_000_000));
const MIB: usize = 1 << 20;

fn main() {
    frames();
    acknowledgements();
    for encrypted in [false, true] {
        let what = if encrypted { "encrypted" } else { "plain" };
        let mut ends = Ends::new(encrypted);
        report(&format!("{what} output, agent to client"), ends.output(64 * MIB));
        report(&format!("{what} input, client to agent"), ends.input(64 * MIB));
    }
}

fn report(what: &str, (bytes, took): (usize, Duration)) {
    let rate = bytes as f64 / MIB as f64 / took.as_secs_f64();
    println!("{what:32} {rate:8.0} MiB/s");
}

fn time(mut run: impl FnMut() -> usize) -> (usize, Duration) {
    let start = Instant::now();
    let bytes = run();
    (bytes, start.elapsed())
}

fn frames() {
    let payload = [0x5a; 1024];
    let id = Ids::new([1; 32]).next_id();
    let kind = MessageType::OutputStreamData;
    let encode = || Frame::stream(kind, NOW, id, 7, (PayloadType::Output, black_box(&payload))).encode();
    let count = 64 * MIB / payload.len();
    report("frame encode", time(|| (0..count).map(|_| black_box(encode()).len() - 120).sum()));
    let bytes = encode();
    let decode = |_| Frame::decode(black_box(&bytes)).map_or(0, |frame| frame.payload.len());
    report("frame decode", time(|| (0..count).map(decode).sum()));
}

fn acknowledgements() {
    let mut ids = Ids::new([1; 32]);
    let count = 200_000;
    let (_, took) = time(|| {
        for sequence in 0..count {
            let json = Acknowledge::json(MessageType::OutputStreamData, ids.next_id(), sequence);
            let bytes = Frame::plain(MessageType::Acknowledge, NOW, ids.next_id(), json.as_bytes()).encode();
            let frame =
                Frame::decode(black_box(&bytes)).map(|frame| Acknowledge::parse(frame.payload).is_some());
            assert!(frame == Ok(true));
        }
        0
    });
    println!("{:32} {:8.2} µs", "acknowledgement, made and read", took.as_secs_f64() * 1e6 / count as f64);
}

struct Ends {
    session: Session,
    agent: Agent,
    shown: usize,
    arrived: usize,
}

impl Ends {
    fn new(encrypted: bool) -> Self {
        let config = Config {
            session_id: "bench-1".into(),
            target_id: "i-1".into(),
            client_id: [1; 16],
            client_version: CLIENT_VERSION.into(),
            seed: [1; 32],
            expects_handshake: false,
            size: None,
        };
        let agent = AgentConfig {
            session_id: "bench-1".into(),
            target_id: "i-1".into(),
            session_type: SessionType::StandardStream,
            agent_version: "3.3.1345.0".into(),
            seed: [2; 32],
            kms: encrypted.then(|| AgentKms { key_id: "key".into(), require_challenge: true }),
        };
        let (session, agent) = (Session::new(config, NOW), Agent::new(agent, NOW));
        let mut this = Self { session, agent, shown: 0, arrived: 0 };
        this.session.link_up(NOW, "token");
        this.agent.link_up(NOW);
        this.exchange();
        this
    }

    fn output(&mut self, bytes: usize) -> (usize, Duration) {
        let (before, chunk) = (self.shown, vec![0x5a; 64 << 10]);
        let took = time(|| {
            for _ in 0..bytes / chunk.len() {
                self.agent.write_output(NOW, Stream::Out, &chunk);
                self.exchange();
            }
            bytes
        });
        assert_eq!((self.shown - before, self.agent.unacked()), (bytes, 0));
        took
    }

    fn input(&mut self, bytes: usize) -> (usize, Duration) {
        let chunk = vec![0x5a; 64 << 10];
        let took = time(|| {
            for _ in 0..bytes / chunk.len() {
                assert_eq!(self.session.write(NOW, &chunk), chunk.len());
                self.exchange();
            }
            bytes
        });
        assert_eq!((self.arrived, self.session.unacknowledged()), (bytes, 0));
        took
    }

    /// Until neither has anything to say.
    fn exchange(&mut self) {
        let mut quiet = false;
        while !quiet {
            quiet = true;
            while let Some(bytes) = self.agent.poll_transmit() {
                quiet = false;
                self.session.handle_frame(NOW, &bytes);
                self.events();
            }
            while let Some(transmit) = self.session.poll_transmit(NOW) {
                quiet = false;
                if let Transmit::Binary(bytes) = transmit {
                    self.agent.handle_frame(NOW, &bytes);
                }
            }
            while let Some(event) = self.agent.poll_event() {
                quiet = false;
                if let AgentEvent::Input(bytes) = event {
                    self.arrived += bytes.len();
                } else if let AgentEvent::DecryptKey { .. } = event {
                    self.agent.provide_key(NOW, [5; 64]);
                }
            }
        }
    }

    fn events(&mut self) {
        while let Some(event) = self.session.poll_event() {
            if let Event::Output { bytes, .. } = event {
                self.shown += bytes.len();
            } else if let Event::KeyNeeded { .. } = event {
                self.session.provide_key(NOW, DataKey { plaintext: [5; 64], ciphertext: vec![1] });
            }
        }
    }
}
