use std::collections::BTreeMap;

use super::{START, ack, brief, config, events, from_agent, ms, open_shell, transmits};
use crate::session::wire::{Frame, HandshakeResponse, Ids, PayloadType, channel_closed, from_json};
use crate::session::*;
use crate::time::Moment;

fn starting(config: Config) -> Session {
    let mut session = Session::new(config, START);
    session.link_up(START, "token");
    transmits(&mut session, START);
    session
}

fn output(text: &str) -> Event {
    Event::Output { stream: Stream::Out, bytes: text.into() }
}

/// Runs timers up to `until`; says what was transmitted when, in milliseconds.
fn timers(session: &mut Session, until: Moment) -> Vec<(u128, String)> {
    let mut log = Vec::new();
    while let Some(due) = session.poll_timeout().filter(|due| *due <= until) {
        session.handle_timeout(due);
        let sent = transmits(session, due);
        log.extend(brief(&sent).into_iter().map(|what| (due.since(START).as_millis(), what)));
    }
    log
}

#[test]
fn a_link_opens_with_the_token() {
    let mut session = Session::new(config(), START);
    assert_eq!(session.poll_transmit(START), None);
    assert_eq!(session.poll_timeout(), None);
    session.link_up(START, "to\"ken");
    let Some(Transmit::Text(text)) = session.poll_transmit(START) else { panic!("no text") };
    insta::assert_snapshot!(text, @r#"{"MessageSchemaVersion":"1.0","RequestId":"f842a038-551f-4058-b953-2fb5de99e2d0","TokenValue":"to\"ken","ClientId":"42424242-4242-4242-4242-424242424242","ClientVersion":"1.2.764.0"}"#);
    assert_eq!(session.poll_transmit(START), Some(Transmit::Ping(b"keepalive".to_vec())));
    assert_eq!(session.poll_transmit(START), None);
}

#[test]
fn a_shell_opens_with_its_first_output() {
    let mut session = starting(config());
    assert_eq!(session.write(START, b"ls\n"), 3);
    session.resize(START, 80, 24);
    assert_eq!(brief(&transmits(&mut session, START)), [""; 0], "nobody listens yet");
    session.handle_frame(START, &from_agent(0, PayloadType::Output, b"$ "));
    assert_eq!(events(&mut session), [Event::Ready, output("$ ")]);
    let sent = transmits(&mut session, START);
    assert_eq!(brief(&sent), ["ack 0", r#"0 Size {"cols":80,"rows":24}"#, "1 Output ls\n"]);
    session.write(START, b"a lone newline stays one:");
    assert_eq!(brief(&transmits(&mut session, START)), ["2 Output a lone newline stays one:"]);
    session.write(START, b"\n");
    assert_eq!(brief(&transmits(&mut session, START)), ["3 Output \n"]);
    session.resize(START, 80, 24);
    assert_eq!(brief(&transmits(&mut session, START)), [""; 0], "the size is the same");
}

#[test]
fn a_command_waits_for_the_end_of_its_handshake() {
    let mut session = starting(Config { expects_handshake: true, size: None, ..config() });
    session.write(START, b"\x03");
    let request = br#"{"AgentVersion":"3.3.1345.0","RequestedClientActions":[{"ActionType":"SessionType",
        "ActionParameters":{"SessionType":"NonInteractiveCommands","Properties":null}}]}"#;
    session.handle_frame(START, &from_agent(0, PayloadType::HandshakeRequest, request));
    insta::assert_snapshot!(brief(&transmits(&mut session, START)).join("\n"), @r#"
    ack 0
    0 HandshakeResponse {"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}
    "#);
    assert_eq!(events(&mut session), []);
    let complete = br#"{"HandshakeTimeToComplete":49000000,"CustomerMessage":"Please update"}"#;
    session.handle_frame(START, &from_agent(1, PayloadType::HandshakeComplete, complete));
    assert_eq!(events(&mut session), [Event::Message("Please update".into()), Event::Ready]);
    assert_eq!(brief(&transmits(&mut session, START)), ["ack 1", "1 Output \x03"]);
    assert_eq!(session.agent_version(), Some("3.3.1345.0"));

    session.handle_frame(START, &from_agent(2, PayloadType::StdErr, b"oops"));
    session.handle_frame(START, &from_agent(3, PayloadType::ExitCode, b"EXIT_CODE: 137"));
    let stderr = Event::Output { stream: Stream::Err, bytes: b"oops".to_vec() };
    assert_eq!(events(&mut session), [stderr, Event::ExitCode(137)]);
}

#[test]
fn what_the_client_cannot_do_is_answered_and_fails() {
    let table = [
        (r#""Holography","ActionParameters":{}"#, 3, "action Holography"),
        (r#""SessionType","ActionParameters":{"SessionType":"Telepathy"}"#, 2, "session type Telepathy"),
    ];
    for (action, status, what) in table {
        let mut session = starting(Config { expects_handshake: true, ..config() });
        let request =
            format!(r#"{{"AgentVersion":"9","RequestedClientActions":[{{"ActionType":{action}}}]}}"#);
        session.handle_frame(START, &from_agent(0, PayloadType::HandshakeRequest, request.as_bytes()));
        assert_eq!(events(&mut session), [Event::Failed(Failure::Unsupported(what.into()))]);
        let sent = transmits(&mut session, START);
        let [Transmit::Binary(bytes)] = sent.as_slice() else { panic!("{sent:?}") };
        let response: HandshakeResponse = from_json(Frame::decode(bytes).unwrap().payload).unwrap();
        assert_eq!(u32::from(response.processed_client_actions[0].action_status), status);
        assert_eq!(response.errors.unwrap().len(), 1);
        assert_eq!(session.write(START, b"x"), 0);
    }
}

#[test]
fn nonsense_in_a_handshake_fails() {
    let table: [(PayloadType, &[u8]); 4] = [
        (PayloadType::HandshakeRequest, b"{"),
        (PayloadType::HandshakeRequest, br#"{"RequestedClientActions":[{"ActionType":"KMSEncryption"}]}"#),
        (PayloadType::EncChallengeRequest, br#"{"Challenge":"AAAA"}"#),
        (PayloadType::EncChallengeRequest, b"?"),
    ];
    for (payload_type, payload) in table {
        let mut session = starting(config());
        session.handle_frame(START, &from_agent(0, payload_type, payload));
        let last = events(&mut session).pop();
        assert!(matches!(last, Some(Event::Failed(Failure::Handshake(_)))), "{payload_type:?} {last:?}");
        session.handle_frame(START, &from_agent(1, PayloadType::Output, b"x"));
        assert_eq!(events(&mut session), [], "nothing follows a failure");
    }
}

const KMS_REQUEST: &[u8] = br#"{"AgentVersion":"3.3","RequestedClientActions":[
    {"ActionType":"SessionType","ActionParameters":{"SessionType":"Standard_Stream","Properties":null}},
    {"ActionType":"KMSEncryption","ActionParameters":{"KMSKeyId":"arn:key","Challenge":"c2FsdA=="}}]}"#;

#[test]
fn a_key_is_asked_for_in_the_context_of_the_session() {
    let mut session = starting(config());
    session.handle_frame(START, &from_agent(0, PayloadType::HandshakeRequest, KMS_REQUEST));
    let context = BTreeMap::from([
        ("aws:ssm:SessionId".into(), "alice-0123456789abcdef0".into()),
        ("aws:ssm:TargetId".into(), "i-0123456789abcdef0".into()),
        ("aws:ssm:RandomChallenge".into(), "c2FsdA==".into()),
    ]);
    assert_eq!(events(&mut session), [Event::KeyNeeded { key_id: "arn:key".into(), context }]);
    assert_eq!(brief(&transmits(&mut session, START)), ["ack 0"]);
    session.provide_key(START, DataKey { plaintext: [5; 64], ciphertext: vec![1, 2, 3] });
    insta::assert_snapshot!(brief(&transmits(&mut session, START)).join("\n"), @r#"0 HandshakeResponse {"ClientVersion":"1.2.764.0","ProcessedClientActions":[{"ActionType":"SessionType","ActionStatus":1,"ActionResult":null,"Error":""},{"ActionType":"KMSEncryption","ActionStatus":1,"ActionResult":{"ChallengeAcknowledgement":true,"KMSCipherTextHash":null,"KMSCipherTextKey":"AQID"},"Error":""}],"Errors":null}"#);
    // From here on output must be encrypted.
    session.handle_frame(START, &from_agent(1, PayloadType::Output, b"plain"));
    assert_eq!(events(&mut session), [Event::Failed(Failure::Decrypt)]);
    assert_eq!(brief(&transmits(&mut session, START)), [""; 0], "what cannot be read is not acknowledged");
}

#[test]
fn a_refused_key_is_told_to_the_agent() {
    let mut session = starting(config());
    session.handle_frame(START, &from_agent(0, PayloadType::HandshakeRequest, KMS_REQUEST));
    session.key_refused(START, "AccessDenied".into());
    session.key_refused(START, "again".into());
    let sent = brief(&transmits(&mut session, START));
    assert!(
        sent.len() == 2 && sent[1].contains(r#""ActionStatus":2,"ActionResult":null,"Error":"AccessDenied""#)
    );
    assert_eq!(events(&mut session).last(), Some(&Event::Failed(Failure::KeyRefused("AccessDenied".into()))));
}

#[test]
fn after_a_cut_all_unacknowledged_messages_go_out_again_unchanged() {
    let mut session = open_shell();
    session.write(START, &[b'x'; 3000]);
    let first = transmits(&mut session, START);
    assert_eq!(first.len(), 3);
    session.handle_frame(START, &ack(2));
    session.link_lost(START);
    session.write(START, b"typed while away ");
    session.write(START, b"in two goes");
    assert_eq!(transmits(&mut session, START), []);
    session.link_up(START, "new token");
    let again = transmits(&mut session, START);
    assert_eq!(brief(&again[..2]), ["open", "ping"]);
    assert_eq!(again[2..4], [first[0].clone(), first[2].clone()]);
    assert_eq!(brief(&again[4..]), ["4 Output typed while away in two goes"]);
}

#[test]
fn duplicates_are_acknowledged_again() {
    let mut session = open_shell();
    for _ in 0..2 {
        session.handle_frame(START, &from_agent(0, PayloadType::Output, b"$ "));
        assert_eq!(brief(&transmits(&mut session, START)), ["ack 0"]);
    }
    assert_eq!(events(&mut session), []);
    assert_eq!(session.stats().duplicates, 2);
}

#[test]
fn input_is_bounded_and_kept() {
    let mut session = open_shell();
    let big = vec![b'x'; 3 << 20];
    let taken = session.write(START, &big);
    assert_eq!(taken, SEND_BUFFER);
    assert!(!session.can_write());
    let frames = transmits(&mut session, START);
    assert_eq!(frames.len(), SEND_BUFFER / INPUT_PAYLOAD);
    assert_eq!(session.write(START, b"x"), 0);
    for sequence in 1..=frames.len() as u64 {
        session.handle_frame(START, &ack(sequence));
    }
    assert_eq!((session.unacknowledged(), session.can_write()), (0, true));
}

#[test]
fn output_nobody_takes_is_refused_beyond_a_bound() {
    let mut session = open_shell();
    let mut accepted = 0;
    for sequence in 1..3000 {
        session.handle_frame(START, &from_agent(sequence, PayloadType::Output, &[b'x'; 1024]));
        accepted += transmits(&mut session, START).len();
    }
    // All beyond the one refused are kept as early ones, up to the bound for those.
    assert!(session.pending_output() <= MAX_PENDING_OUTPUT + (16 << 20));
    assert_eq!(accepted, 2998);
    assert_eq!(session.stats().refused, 1);
    let bytes = |session: &mut Session| -> usize {
        let length = |event| if let Event::Output { bytes, .. } = event { bytes.len() } else { 0 };
        events(session).into_iter().map(length).sum()
    };
    assert_eq!(bytes(&mut session), MAX_PENDING_OUTPUT);
    session.handle_frame(START, &from_agent(1025, PayloadType::Output, &[b'x'; 1024]));
    assert_eq!(bytes(&mut session), (2999 << 10) - MAX_PENDING_OUTPUT);
}

#[test]
fn an_owner_who_never_transmits_costs_no_more_than_the_acknowledgements_kept() {
    let mut session = open_shell();
    for sequence in 1..30_000 {
        session.handle_frame(START, &from_agent(sequence % 7, PayloadType::Output, b"x"));
    }
    assert_eq!(transmits(&mut session, START).len(), 10_000);
}

#[test]
fn the_end_is_the_last() {
    let mut session = open_shell();
    session.handle_frame(START, &from_agent(1, PayloadType::Output, b"logout"));
    let end = channel_closed("alice", "", Ids::new([0; 32]).next_id(), START);
    session.handle_frame(START, &end);
    session.handle_frame(START, &end);
    session.handle_frame(START, &from_agent(2, PayloadType::Output, b"late"));
    let closed = Closed { output: String::new(), incomplete: false };
    assert_eq!(events(&mut session), [output("logout"), Event::Closed(closed)]);
    assert_eq!((session.poll_transmit(START), session.poll_timeout()), (None, None));
}

#[test]
fn an_end_with_a_gap_says_so() {
    let mut session = open_shell();
    session.handle_frame(START, &from_agent(2, PayloadType::Output, b"late"));
    session.handle_frame(START, &channel_closed("alice", "why", Ids::new([0; 32]).next_id(), START));
    assert_eq!(events(&mut session), [Event::Closed(Closed { output: "why".into(), incomplete: true })]);
}

#[test]
fn ending_from_this_side() {
    let mut session = open_shell();
    session.write(START, b"never mind");
    session.terminate(START);
    session.terminate(START);
    assert_eq!(brief(&transmits(&mut session, START)), ["1 Flag \0\0\0\u{2}"]);
    assert_eq!(session.write(START, b"x"), 0);
    let mut session = starting(config());
    session.terminate(START);
    session.handle_frame(START, &from_agent(0, PayloadType::Output, b"$ "));
    assert_eq!(brief(&transmits(&mut session, START))[..2], ["ack 0", "0 Flag \0\0\0\u{2}"]);
}

#[test]
fn two_missed_pongs_are_the_end_of_a_link() {
    let mut session = open_shell();
    session.handle_pong(START + ms(100));
    let log = timers(&mut session, START + ms(120_000));
    assert_eq!(log, [(15_000, "ping".into()), (30_000, "ping".into())]);
    assert_eq!(events(&mut session), [Event::LinkDead]);
    assert_eq!(session.poll_timeout(), None);
    session.link_up(START + ms(50_000), "token");
    assert_eq!(brief(&transmits(&mut session, START + ms(50_000))), ["open", "ping"]);
}

#[test]
fn any_frame_is_life() {
    let mut session = open_shell();
    for tick in 1..20 {
        let now = START + ms(10_000 * tick);
        session.handle_frame(now, b"even this");
        session.handle_timeout(now);
    }
    assert_eq!(events(&mut session), []);
    assert_eq!(session.stats().bad_frames, 19);
}

#[test]
fn a_probe_is_short() {
    let mut session = open_shell();
    session.probe(START, PROBE_DEADLINE);
    session.probe(START, PROBE_DEADLINE);
    assert_eq!(brief(&transmits(&mut session, START)), ["ping"]);
    assert_eq!(session.poll_timeout(), Some(START + PROBE_DEADLINE));
    session.handle_pong(START + ms(50));
    assert_eq!(session.poll_timeout(), Some(START + PING_INTERVAL));
    session.probe(START + ms(60), PROBE_DEADLINE);
    session.handle_timeout(START + ms(60) + PROBE_DEADLINE);
    assert_eq!(events(&mut session), [Event::LinkDead]);
}

#[test]
fn a_timer_that_fires_late_means_sleep_so_the_link_is_probed() {
    let mut session = open_shell();
    let woke = START + ms(8 * 3600 * 1000);
    session.handle_timeout(woke);
    assert_eq!(brief(&transmits(&mut session, woke)), ["ping"]);
    assert_eq!(session.poll_timeout(), Some(woke + PROBE_DEADLINE));
    session.handle_timeout(woke + PROBE_DEADLINE);
    assert_eq!(events(&mut session), [Event::LinkDead]);
}

#[test]
fn keys_typed_into_silence_find_the_dead_link_soon() {
    let mut session = open_shell();
    session.write(START, b"x");
    transmits(&mut session, START);
    let log = timers(&mut session, START + ms(60_000));
    let pings: Vec<_> = log.iter().filter(|(_, what)| what == "ping").collect();
    assert_eq!(pings.len(), 1, "{log:?}");
    assert_eq!(events(&mut session), [Event::LinkDead]);
    let last = log.last().unwrap().0;
    assert!(last < 7000, "{log:?}");
}

/// On a link slower than the first guess, only the first messages go out twice.
#[test]
fn a_slow_link_does_not_have_everything_sent_twice() {
    let mut session = open_shell();
    let (mut now, mut sequence) = (START, 0);
    for _ in 0..100 {
        session.write(now, b"x");
        transmits(&mut session, now);
        timers(&mut session, now + ms(700));
        now = now + ms(700);
        sequence += 1;
        session.handle_frame(now, &ack(sequence));
        transmits(&mut session, now);
    }
    assert_eq!(session.unacknowledged(), 0);
    assert!(session.stats().resent <= 4, "{:?}", session.stats());
}

/// A command that prints nothing before it has read something.
#[test]
fn a_silent_shell_opens_after_a_while() {
    let mut session = starting(config());
    session.write(START, b"hello");
    let log = timers(&mut session, START + ms(3000));
    assert_eq!(log, [(3000, r#"0 Size {"cols":120,"rows":40}"#.to_owned())]);
    session.handle_frame(START + ms(3100), &ack(0));
    let log = timers(&mut session, START + ms(7100));
    assert_eq!(log[0].1, r#"1 Size {"cols":120,"rows":40}"#);
    assert_eq!(log[1].1, "2 Output hello");
    assert_eq!(events(&mut session), [Event::Ready]);
}

/// The guess was wrong: input is lost, but not the session.
#[test]
fn a_handshake_after_a_long_silence_is_still_answered() {
    let mut session = starting(config());
    timers(&mut session, START + ms(3000));
    session.handle_frame(START + ms(3100), &ack(0));
    timers(&mut session, START + ms(7100));
    assert_eq!(events(&mut session), [Event::Ready]);
    let now = START + ms(8000);
    session.handle_frame(now, &from_agent(0, PayloadType::HandshakeRequest, KMS_REQUEST));
    assert!(matches!(events(&mut session).as_slice(), [Event::KeyNeeded { .. }]));
    session.write(now, b"held");
    session.provide_key(now, DataKey { plaintext: [5; 64], ciphertext: vec![1] });
    let sent = brief(&transmits(&mut session, now));
    assert!(sent.len() == 2 && sent[1].starts_with("2 HandshakeResponse"), "{sent:?}");
    session.handle_frame(now, &from_agent(1, PayloadType::HandshakeComplete, b"{}"));
    assert_eq!(events(&mut session), [], "ready is said once");
    assert_eq!(transmits(&mut session, now).len(), 3, "acknowledgement, size, input");
}

/// Waiting for an agent that starts late had the timers back off; its first word ends that.
#[test]
fn an_agent_that_starts_late_is_answered_at_once() {
    let mut session = starting(config());
    for seconds in 1..9 {
        timers(&mut session, START + ms(1000 * seconds));
        session.handle_pong(START + ms(1000 * seconds));
    }
    let now = START + ms(9000);
    session.handle_frame(now, &from_agent(0, PayloadType::Output, b"$ "));
    let size = r#"Size {"cols":120,"rows":40}"#;
    assert_eq!(
        brief(&transmits(&mut session, now)),
        ["ack 0".into(), format!("0 {size}"), format!("1 {size}")]
    );
    assert_eq!(session.poll_timeout(), Some(now + ms(200)), "the first timeout");
}

#[test]
fn where_a_handshake_is_sure_to_come_silence_is_patience() {
    let mut session = starting(Config { expects_handshake: true, ..config() });
    session.write(START, b"hello");
    for seconds in 1..100 {
        session.handle_pong(START + ms(1000 * seconds));
        assert!(timers(&mut session, START + ms(1000 * seconds)).iter().all(|(_, what)| what == "ping"));
    }
    assert_eq!(events(&mut session), []);
}
