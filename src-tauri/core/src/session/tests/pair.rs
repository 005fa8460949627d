//! Both ends together, frame by frame.

use std::time::Duration;

use proptest::prelude::*;

use super::{START, config, events, ms, transmits};
use crate::session::agent::{Agent, AgentConfig, AgentEvent, SessionType, Stream};
use crate::session::wire::{Frame, MessageType};
use crate::session::*;
use crate::time::Moment;

fn pair() -> (Session, Agent) {
    let agent = AgentConfig {
        session_id: config().session_id,
        target_id: config().target_id,
        session_type: SessionType::StandardStream,
        agent_version: "3.3.1345.0".into(),
        seed: [2; 32],
        kms: None,
    };
    let mut agent = Agent::new(agent, START);
    agent.link_up(START);
    let mut session = Session::new(config(), START);
    session.link_up(START, "token");
    transmits(&mut session, START);
    (session, agent)
}

fn frames(session: &mut Session, now: Moment) -> Vec<Vec<u8>> {
    let binary = |transmit| if let Transmit::Binary(bytes) = transmit { Some(bytes) } else { None };
    transmits(session, now).into_iter().filter_map(binary).collect()
}

fn said(agent: &mut Agent) -> Vec<Vec<u8>> {
    std::iter::from_fn(|| agent.poll_transmit()).collect()
}

/// A good link from now on.
fn exchange(session: &mut Session, agent: &mut Agent, now: Moment) {
    loop {
        let (there, back) = (frames(session, now), said(agent));
        if there.is_empty() && back.is_empty() {
            return;
        }
        there.iter().for_each(|bytes| agent.handle_frame(now, bytes));
        back.iter().for_each(|bytes| session.handle_frame(now, bytes));
    }
}

fn text(session: &mut Session) -> String {
    let mut text = String::new();
    for event in events(session) {
        if let Event::Output { bytes, .. } = event {
            text.push_str(&String::from_utf8_lossy(&bytes));
        }
    }
    text
}

/// The stall of the session-manager-plugin: an acknowledgement is lost, then a message behind it. The agent sends only its
/// oldest again, which the client has long had.
#[test]
fn a_lost_acknowledgement_and_then_lost_output() {
    let (mut session, mut agent) = pair();
    agent.write_output(START, Stream::Out, b"one ");
    said(&mut agent).iter().for_each(|bytes| session.handle_frame(START, bytes));
    drop(frames(&mut session, START));
    agent.write_output(START, Stream::Out, b"two ");
    drop(said(&mut agent));
    agent.write_output(START, Stream::Out, b"three");
    let mut now = START;
    for _ in 0..10 {
        now = now + ms(100);
        agent.handle_timeout(now);
        exchange(&mut session, &mut agent, now);
    }
    assert_eq!((text(&mut session).as_str(), agent.unacked()), ("one two three", 0));
}

/// The freeze of the session-manager-plugin: a cut in the middle of much output.
#[test]
fn a_cut_in_the_middle_of_much_output() {
    let (mut session, mut agent) = pair();
    agent.write_output(START, Stream::Out, &[b'x'; 1 << 20]);
    let flight = said(&mut agent);
    for (n, bytes) in flight.iter().enumerate() {
        session.handle_frame(START, bytes);
        // The gateway loses a stretch, and all acknowledgements after the first hundred.
        if n == 200 {
            break;
        }
        if n < 100 {
            frames(&mut session, START).iter().for_each(|bytes| agent.handle_frame(START, bytes));
        }
    }
    session.link_lost(START);
    flight.iter().skip(240).for_each(|bytes| session.handle_frame(START, bytes));
    session.link_up(START, "token 2");
    flight.iter().skip(240).for_each(|bytes| session.handle_frame(START, bytes));
    let mut now = START;
    while agent.unacked() > 0 && now.since(START) < ms(60_000) {
        exchange(&mut session, &mut agent, now);
        now = now + ms(100);
        agent.handle_timeout(now);
    }
    assert_eq!(text(&mut session).len(), 1 << 20);
    // What was lost comes back one message per tick or less; what was not, does not come again.
    assert!(now.since(START) < ms(15_000), "{:?}", now.since(START));
}

#[test]
fn a_good_link_needs_no_resends() {
    let (mut session, mut agent) = pair();
    agent.write_output(START, Stream::Out, b"$ ");
    let mut arrived = Vec::new();
    for n in 0..200_u64 {
        let now = START + ms(50 * n);
        session.write(now, &[n as u8]);
        agent.write_output(now, Stream::Out, b"x");
        exchange(&mut session, &mut agent, now);
        session.handle_timeout(now);
        agent.handle_timeout(now);
        while let Some(event) = agent.poll_event() {
            if let AgentEvent::Input(bytes) = event {
                arrived.extend(bytes);
            }
        }
    }
    assert_eq!(arrived, (0..200).collect::<Vec<u8>>());
    assert_eq!(text(&mut session).len(), 202);
    let stats = session.stats();
    assert_eq!((stats.resent, stats.duplicates, stats.refused), (0, 0, 0));
    assert_eq!(agent.unacked(), 0);
}

/// 1 Mbit/s up and much to send: the acknowledgements are late because of ourselves, which is no reason to send more.
#[test]
fn a_slow_uplink_does_not_carry_everything_twice() {
    let (mut session, mut agent) = pair();
    agent.write_output(START, Stream::Out, b"$ ");
    exchange(&mut session, &mut agent, START);
    let (mut now, mut free) = (START, START);
    let mut uplink = std::collections::VecDeque::new();
    let (mut left, mut messages) = (4 << 20, 0);
    while left > 0 || session.unacknowledged() > 0 {
        left -= session.write(now, &vec![b'x'; left]);
        for frame in frames(&mut session, now) {
            free = free.max(now) + Duration::from_micros(8 * frame.len() as u64);
            uplink.push_back((free, frame));
            messages += 1;
        }
        let arrival = uplink.front().map(|(at, _)| *at);
        now = arrival.into_iter().chain(session.poll_timeout()).min().unwrap().max(now);
        session.handle_timeout(now);
        if arrival.is_some_and(|at| at <= now) {
            let (_, frame) = uplink.pop_front().unwrap();
            agent.handle_frame(now, &frame);
            said(&mut agent).iter().for_each(|bytes| session.handle_frame(now, bytes));
        }
    }
    let resent = session.stats().resent;
    assert!(resent * 20 < messages, "{resent} of {messages}");
}

proptest! {
    /// No bytes at all make an end panic, or keep more than its bounds.
    #[test]
    fn no_frame_panics(frames in prop::collection::vec(
        (0..8_usize, 0..15_u32, -2..12_i64, prop::collection::vec(any::<u8>(), 0..40), any::<bool>()), 0..60,
    )) {
        let (mut session, mut agent) = pair();
        let kinds = [
            MessageType::InputStreamData, MessageType::OutputStreamData, MessageType::OutputStreamData,
            MessageType::Acknowledge, MessageType::StartPublication, MessageType::PausePublication,
            MessageType::AgentSessionState, MessageType::Unknown([b'?'; 32]),
        ];
        let mut now = START;
        for (kind, payload_type, sequence, payload, cut) in frames {
            let id = wire::Ids::new([3; 32]).next_id();
            let payload_type = wire::PayloadType::from_wire(payload_type);
            let frame = Frame { sequence, payload_type, ..Frame::plain(kinds[kind], now, id, &payload) }.encode();
            session.handle_frame(now, &frame);
            agent.handle_frame(now, &frame);
            if cut {
                session.link_lost(now);
                session.link_up(now, "token");
            }
            now = now + ms(500);
            session.handle_timeout(now);
            agent.handle_timeout(now);
            session.write(now, &payload);
            transmits(&mut session, now);
            events(&mut session);
        }
    }
}
