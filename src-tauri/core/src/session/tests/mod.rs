mod agent;
mod client;
mod delivery;
mod pair;
mod wire;

use std::time::Duration;

use super::wire::{Frame, Ids, MessageType, PayloadType};
use super::{CLIENT_VERSION, Config, Event, Session, Transmit};
use crate::time::Moment;

const START: Moment = Moment::from_epoch(Duration::from_millis(1_503_434_274_948));

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

fn config() -> Config {
    Config {
        session_id: "alice-0123456789abcdef0".into(),
        target_id: "i-0123456789abcdef0".into(),
        client_id: [0x42; 16],
        client_version: CLIENT_VERSION.into(),
        seed: [1; 32],
        expects_handshake: false,
        size: Some((120, 40)),
    }
}

/// A frame of the agent.
fn from_agent(sequence: u64, payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
    let id = Ids::new([9; 32]).next_id();
    Frame::stream(MessageType::OutputStreamData, START, id, sequence, (payload_type, payload)).encode()
}

fn ack(sequence: u64) -> Vec<u8> {
    let json = format!(r#"{{"AcknowledgedMessageSequenceNumber":{sequence}}}"#);
    let id = Ids::new([9; 32]).next_id();
    Frame::plain(MessageType::Acknowledge, START, id, json.as_bytes()).encode()
}

fn transmits(session: &mut Session, now: Moment) -> Vec<Transmit> {
    std::iter::from_fn(|| session.poll_transmit(now)).collect()
}

fn events(session: &mut Session) -> Vec<Event> {
    std::iter::from_fn(|| session.poll_event()).collect()
}

/// What was transmitted, in short: `ack 3`, `0 Output "ls\n"`.
fn brief(transmits: &[Transmit]) -> Vec<String> {
    transmits.iter().map(brief_one).collect()
}

fn brief_one(transmit: &Transmit) -> String {
    match transmit {
        Transmit::Text(_) => "open".into(),
        Transmit::Ping(_) => "ping".into(),
        Transmit::Binary(bytes) => {
            let frame = Frame::decode(bytes).unwrap();
            let text = String::from_utf8_lossy(frame.payload);
            if frame.kind == MessageType::Acknowledge {
                let ack: super::wire::Acknowledge<'_> = serde_json::from_str(&text).unwrap();
                return format!("ack {}", ack.sequence);
            }
            format!("{} {:?} {text}", frame.sequence, frame.payload_type)
        }
    }
}

/// A shell whose agent has spoken; nothing is left to transmit or to tell.
fn open_shell() -> Session {
    let mut session = Session::new(config(), START);
    session.link_up(START, "token");
    session.handle_frame(START, &from_agent(0, PayloadType::Output, b"$ "));
    transmits(&mut session, START);
    session.handle_frame(START, &ack(0));
    events(&mut session);
    session
}
