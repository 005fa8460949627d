use super::{START, brief_one, ms};
use crate::session::Transmit;
use crate::session::agent::*;
use crate::session::wire::*;
use crate::time::Moment;

fn agent(session_type: SessionType) -> Agent {
    let config = AgentConfig {
        session_id: "alice-1".into(),
        target_id: "i-1".into(),
        session_type,
        agent_version: "3.3.1345.0".into(),
        seed: [2; 32],
        kms: None,
    };
    let mut agent = Agent::new(config, START);
    agent.link_up(START);
    agent
}

fn sent(agent: &mut Agent) -> Vec<String> {
    std::iter::from_fn(|| agent.poll_transmit()).map(|bytes| brief_one(&Transmit::Binary(bytes))).collect()
}

fn told(agent: &mut Agent) -> Vec<AgentEvent> {
    std::iter::from_fn(|| agent.poll_event()).collect()
}

fn input(sequence: u64, payload_type: PayloadType, payload: &[u8]) -> Vec<u8> {
    let id = Ids::new([9; 32]).next_id();
    Frame::stream(MessageType::InputStreamData, START, id, sequence, (payload_type, payload)).encode()
}

fn port() -> SessionType {
    SessionType::Port { port_number: "22".into(), kind: None, host: None }
}

#[test]
fn a_shell_has_no_handshake() {
    let mut agent = agent(SessionType::StandardStream);
    assert_eq!(told(&mut agent), [AgentEvent::HandshakeDone]);
    agent.write_output(START, Stream::Out, &[b'x'; 2000]);
    assert_eq!(sent(&mut agent).iter().map(String::len).collect::<Vec<_>>(), [1024 + 9, 976 + 9]);
    agent.handle_frame(START, &input(0, PayloadType::Size, br#"{"cols":90,"rows":9}"#));
    agent.handle_frame(START, &input(1, PayloadType::Output, b"ls"));
    agent.handle_frame(START, &input(2, PayloadType::Flag, &Flag::TerminateSession.to_bytes()));
    assert_eq!(
        told(&mut agent),
        [AgentEvent::Resize { cols: 90, rows: 9 }, AgentEvent::Input(b"ls".to_vec()), AgentEvent::Terminate]
    );
    assert_eq!(sent(&mut agent), ["ack 0", "ack 1", "ack 2"]);
}

#[test]
fn only_the_first_message_is_marked_as_such() {
    let mut agent = agent(SessionType::StandardStream);
    agent.write_output(START, Stream::Out, b"a");
    agent.write_output(START, Stream::Out, b"b");
    let flags = |bytes: Option<Vec<u8>>| Frame::decode(&bytes.unwrap()).unwrap().flags;
    assert_eq!([flags(agent.poll_transmit()), flags(agent.poll_transmit())], [1, 0]);
}

#[test]
fn data_during_a_handshake_is_acknowledged_and_dropped() {
    let mut agent = agent(port());
    insta::assert_snapshot!(sent(&mut agent).join("\n"), @r#"0 HandshakeRequest {"AgentVersion":"3.3.1345.0","RequestedClientActions":[{"ActionType":"SessionType","ActionParameters":{"Properties":{"host":"","portNumber":"22","type":""},"SessionType":"Port"}}]}"#);
    agent.handle_frame(START, &input(0, PayloadType::Output, b"early"));
    assert_eq!(sent(&mut agent), ["ack 0"]);
    assert_eq!(told(&mut agent), []);
    let response = br#"{"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1}]}"#;
    agent.handle_frame(START + ms(40), &input(1, PayloadType::HandshakeResponse, response));
    let complete = r#"1 HandshakeComplete {"HandshakeTimeToComplete":40000000,"CustomerMessage":""}"#;
    assert_eq!(sent(&mut agent), [complete, "ack 1"]);
    assert_eq!(told(&mut agent), [AgentEvent::HandshakeDone]);
}

#[test]
fn a_handshake_fails_by_refusal_or_after_15_seconds() {
    let mut agent = agent(port());
    let response = br#"{"ProcessedClientActions":[{"ActionType":"X","ActionStatus":3,"Error":"no"}]}"#;
    agent.handle_frame(START, &input(0, PayloadType::HandshakeResponse, response));
    let why = "X failed on client with status 3 error: no".to_owned();
    assert_eq!(told(&mut agent), [AgentEvent::HandshakeFailed(why)]);

    let mut agent = super::agent::agent(port());
    while let Some(due) = agent.poll_timeout() {
        agent.handle_timeout(due);
        if let Some(AgentEvent::HandshakeFailed(_)) = agent.poll_event() {
            assert_eq!(due, START + ms(15_000));
            return;
        }
    }
    panic!("it never failed");
}

fn resends(agent: &mut Agent, until: Moment) -> Vec<(u128, String)> {
    let mut log = Vec::new();
    while let Some(due) = agent.poll_timeout().filter(|due| *due <= until) {
        agent.handle_timeout(due);
        log.extend(sent(agent).into_iter().map(|what| (due.since(START).as_millis(), what)));
    }
    log
}

#[test]
fn only_the_oldest_is_sent_again() {
    let mut agent = agent(SessionType::StandardStream);
    agent.write_output(START, Stream::Out, b"a");
    agent.write_output(START, Stream::Out, b"b");
    sent(&mut agent);
    let log = resends(&mut agent, START + ms(900));
    let a = "0 Output a".to_owned();
    assert_eq!(log, [(300, a.clone()), (600, a.clone()), (900, a)]);
    agent.handle_frame(START + ms(910), &super::ack(1));
    assert_eq!(agent.unacked(), 1);
    agent.handle_frame(START + ms(910), &super::ack(0));
    agent.handle_frame(START + ms(910), &super::ack(0));
    assert_eq!((agent.unacked(), agent.poll_timeout()), (0, None));
}

#[test]
fn a_paused_agent_keeps_its_messages_until_anything_arrives() {
    let id = Ids::new([9; 32]).next_id();
    let mut agent = agent(SessionType::StandardStream);
    agent.handle_frame(START, &pause_publication(id, START));
    agent.write_output(START, Stream::Out, b"a");
    assert!(agent.paused());
    assert_eq!((sent(&mut agent), agent.poll_timeout(), agent.unacked()), (vec![], None, 1));
    agent.handle_frame(START, &input(0, PayloadType::Output, b"x"));
    assert!(!agent.paused());
    assert_eq!(sent(&mut agent), ["ack 0"]);
    assert_eq!(resends(&mut agent, START + ms(300)), [(300, "0 Output a".to_owned())]);
    agent.handle_frame(START, &pause_publication(id, START));
    agent.handle_frame(START, &start_publication(id, START));
    assert!(!agent.paused());
}

#[test]
fn without_a_link_nothing_is_transmitted_but_all_is_kept() {
    let mut agent = agent(SessionType::StandardStream);
    agent.write_output(START, Stream::Out, b"a");
    agent.link_lost(START);
    agent.write_output(START, Stream::Out, b"b");
    assert_eq!((sent(&mut agent), agent.poll_timeout(), agent.unacked()), (vec![], None, 2));
    agent.link_up(START + ms(5000));
    agent.handle_timeout(START + ms(5000));
    assert_eq!(sent(&mut agent), ["0 Output a"]);
    agent.handle_timeout(START + ms(5100));
    assert_eq!(sent(&mut agent), [""; 0]);
}

#[test]
fn input_the_guest_does_not_take_is_not_acknowledged() {
    let mut agent = agent(SessionType::StandardStream);
    told(&mut agent);
    agent.set_input_ready(false);
    agent.handle_frame(START, &input(0, PayloadType::Output, b"a"));
    assert_eq!((sent(&mut agent), told(&mut agent)), (vec![], vec![]));
    agent.set_input_ready(true);
    agent.handle_frame(START, &input(0, PayloadType::Output, b"a"));
    agent.handle_frame(START, &input(0, PayloadType::Output, b"a"));
    assert_eq!(sent(&mut agent), ["ack 0", "ack 0"]);
    assert_eq!(told(&mut agent), [AgentEvent::Input(b"a".to_vec())]);
}
