use proptest::prelude::*;

use super::{START, ms};
use crate::session::wire::*;
use crate::time::Moment;

const ID: MessageId = MessageId(*b"\xdd\x01\xe5\x6b\xff\x48\x48\x3e\xa5\x08\xb5\xf0\x73\xf3\x1b\x16");

const INPUT: &str = "
    00000074 696e7075745f73747265616d5f64617461202020202020202020202020202020 00000001 0000015e0baa7884
    0000000000000002 0000000000000000 a508b5f073f31b16 dd01e56bff48483e
    239f59ed55e737c77147cf55ad0c1b030b6d7ee748a7426952f9b852d5a935e5 00000001 00000007 7061796c6f6164";

const ACKNOWLEDGE: &str = "
    00000074 61636b6e6f776c65646765202020202020202020202020202020202020202020 00000001 0000015e0baa7884
    0000000000000000 0000000000000003 a508b5f073f31b16 dd01e56bff48483e
    bb487a3f076aac75c3a35b6e402d2e44ccdd9844ac4e5b2007e8b4ac8f1d8f31 00000000 000000b0
    7b2241636b6e6f776c65646765644d65737361676554797065223a226f75747075745f73747265616d5f64617461222c
    2241636b6e6f776c65646765644d6573736167654964223a2264643031653536622d666634382d343833652d61353038
    2d623566303733663331623136222c2241636b6e6f776c65646765644d65737361676553657175656e63654e756d6265
    72223a372c22497353657175656e7469616c4d657373616765223a747275657d";

/// Its creation date is 0 and its digest that of nothing.
const START_PUBLICATION: &str = "
    00000074 73746172745f7075626c69636174696f6e202020202020202020202020202020 00000001 0000000000000000
    0000000000000000 0000000000000000 a508b5f073f31b16 dd01e56bff48483e
    e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855 00000000 00000000";

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<_> = text.bytes().filter(|byte| !byte.is_ascii_whitespace()).collect();
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn input_frame() {
    let kind = MessageType::InputStreamData;
    let frame = Frame::stream(kind, START, ID, 2, (PayloadType::Output, b"payload"));
    assert_eq!(frame.encode(), unhex(INPUT));
    assert_eq!(Frame::decode(&unhex(INPUT)), Ok(frame));
}

#[test]
fn acknowledge_frame() {
    let json = Acknowledge::json(MessageType::OutputStreamData, ID, 7);
    let frame = Frame::plain(MessageType::Acknowledge, START, ID, json.as_bytes());
    assert_eq!(frame.encode(), unhex(ACKNOWLEDGE));
    assert_eq!(Frame::decode(&unhex(ACKNOWLEDGE)), Ok(frame));
    let ack = Acknowledge::parse(frame.payload).unwrap();
    assert_eq!((ack.sequence, ack.sequential), (7, true));
    assert_eq!(ack.message_id, "dd01e56b-ff48-483e-a508-b5f073f31b16");
}

#[test]
fn publication_frames_are_not_checked() {
    let bytes = unhex(START_PUBLICATION);
    assert_eq!(Frame::decode(&bytes).map(|frame| frame.kind), Ok(MessageType::StartPublication));
    assert_eq!(Frame::decode(&pause_publication(ID, START)).unwrap().kind, MessageType::PausePublication);
    assert_eq!(Frame::decode(&start_publication(ID, START)).unwrap().kind, MessageType::StartPublication);
}

#[test]
fn nul_padding_is_padding_too() {
    let mut bytes = unhex(INPUT);
    bytes[4 + "input_stream_data".len()..36].fill(0);
    assert_eq!(Frame::decode(&bytes).unwrap().kind, MessageType::InputStreamData);
}

#[test]
fn bad_frames() {
    let good = unhex(INPUT);
    let with = |at: usize, bytes: &[u8]| {
        let mut frame = good.clone();
        frame[at..at + bytes.len()].copy_from_slice(bytes);
        frame
    };
    let huge = vec![0; MAX_FRAME + 1];
    let table = [
        (Vec::new(), BadFrame::TooShort(0)),
        (good[..119].to_vec(), BadFrame::TooShort(119)),
        (huge, BadFrame::TooLong(MAX_FRAME + 1)),
        (with(0, &0_u32.to_be_bytes()), BadFrame::HeaderLength(0)),
        (with(0, &115_u32.to_be_bytes()), BadFrame::HeaderLength(115)),
        (with(0, &124_u32.to_be_bytes()), BadFrame::HeaderLength(124)),
        (with(0, &u32::MAX.to_be_bytes()), BadFrame::HeaderLength(u32::MAX)),
        (with(4, &[b' '; 32]), BadFrame::NoType),
        (with(40, &[0; 8]), BadFrame::NoDate),
        (with(80, &[0]), BadFrame::Digest),
        (with(120, b"P"), BadFrame::Digest),
        (good[..126].to_vec(), BadFrame::Digest),
        (with(0, &117_u32.to_be_bytes()), BadFrame::Digest),
    ];
    for (bytes, expected) in table {
        assert_eq!(Frame::decode(&bytes), Err(expected));
    }
    // A frame that claims no payload has no digest to match.
    let unclaimed = with(116, &[0; 4]);
    assert_eq!(Frame::decode(&unclaimed).unwrap().payload, b"payload");
}

#[test]
fn unknown_words_are_no_errors() {
    let mut bytes = unhex(INPUT);
    bytes[4..36].copy_from_slice(b"tomorrow                        ");
    bytes[112..116].copy_from_slice(&99_u32.to_be_bytes());
    let frame = Frame::decode(&bytes).unwrap();
    assert_eq!(frame.kind, MessageType::Unknown(*b"tomorrow                        "));
    assert_eq!(frame.payload_type, PayloadType::Unknown(99));
    assert_eq!(frame.encode(), bytes);
}

#[test]
fn ids_are_uuids_of_their_own() {
    let mut ids = Ids::new([3; 32]);
    let (first, second) = (ids.next_id(), ids.next_id());
    assert_ne!(first, second);
    assert_ne!(first, Ids::new([4; 32]).next_id());
    assert_eq!(first, Ids::new([3; 32]).next_id());
    for id in [first, second] {
        let text = id.to_string();
        assert_eq!((text.len(), &text[14..15]), (36, "4"));
        assert!(matches!(&text[19..20], "8" | "9" | "a" | "b"), "{text}");
    }
}

#[test]
fn the_end_of_a_session() {
    let bytes = channel_closed("alice-1", "Session timed out", ID, START);
    let frame = Frame::decode(&bytes).unwrap();
    assert_eq!(frame.kind, MessageType::ChannelClosed);
    insta::assert_snapshot!(String::from_utf8_lossy(frame.payload), @r#"{"MessageId":"dd01e56b-ff48-483e-a508-b5f073f31b16","CreatedDate":"1503434274948","DestinationId":"","SessionId":"alice-1","MessageType":"channel_closed","SchemaVersion":1,"Output":"Session timed out"}"#);
    let null: ChannelClosed = from_json(br#"{"Output":null,"SessionId":"x","Later":1}"#).unwrap();
    assert_eq!(null.output, "");
}

#[test]
fn small_payloads() {
    assert_eq!(exit_code(-1), "EXIT_CODE: -1");
    let codes =
        [("EXIT_CODE: 137", Some(137)), ("EXIT_CODE: 2\n", Some(2)), ("0", None), ("EXIT_CODE: x", None)];
    for (text, code) in codes {
        assert_eq!(parse_exit_code(text.as_bytes()), code, "{text}");
    }
    assert_eq!(Flag::TerminateSession.to_bytes(), [0, 0, 0, 2]);
    assert_eq!(Flag::parse(&[0, 0, 0, 3]), Some(Flag::ConnectToPortError));
    assert_eq!(Flag::parse(&[0, 0, 0, 4]), None);
    assert_eq!(Flag::parse(&[2]), None);
    assert_eq!(Size { cols: 120, rows: 40 }.to_json(), br#"{"cols":120,"rows":40}"#);
}

/// What Go writes for empty lists, byte strings and raw JSON.
#[test]
fn nulls_are_empty() {
    let request: HandshakeRequest =
        from_json(br#"{"AgentVersion":"3.3","RequestedClientActions":null}"#).unwrap();
    assert_eq!(request.requested_client_actions, []);
    let response = br#"{"ClientVersion":"1","ProcessedClientActions":[{"ActionType":"SessionType",
        "ActionStatus":1,"ActionResult":null,"Error":""}],"Errors":null}"#;
    let response: HandshakeResponse = from_json(response).unwrap();
    assert_eq!(response.processed_client_actions[0].action_status, ActionStatus::Success);
    let result: KmsResult = from_json(br#"{"KMSCipherTextKey":"AQI=","KMSCipherTextHash":null}"#).unwrap();
    assert_eq!((result.ciphertext, result.challenge_acknowledged), (vec![1, 2], false));
    let challenge: EncChallenge = from_json(br#"{"Challenge":null}"#).unwrap();
    assert_eq!(challenge.challenge, b"");
}

fn kinds() -> impl Strategy<Value = MessageType> {
    prop_oneof![
        Just(MessageType::InputStreamData),
        Just(MessageType::OutputStreamData),
        Just(MessageType::Acknowledge),
        Just(MessageType::ChannelClosed),
        Just(MessageType::AgentSessionState),
        any::<[u8; 31]>().prop_map(|rest| {
            // No known name begins with a capital letter.
            let mut name = [b'A'; 32];
            name[1..].copy_from_slice(&rest);
            MessageType::Unknown(name)
        }),
    ]
}

proptest! {
    #[test]
    fn decode_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn decode_never_panics_on_damaged_frames(
        at in 0..127_usize, byte: u8, cut in 0..=127_usize, tail in prop::collection::vec(any::<u8>(), 0..8),
    ) {
        let mut bytes = unhex(INPUT);
        bytes[at] = byte;
        bytes.truncate(cut);
        bytes.extend(tail);
        let _ = Frame::decode(&bytes);
    }

    #[test]
    fn decoding_undoes_encoding(
        kind in kinds(), schema_version: u32, created in 1..u64::MAX, sequence: i64, flags: u64, id: [u8; 16],
        payload_type: u32, payload in prop::collection::vec(any::<u8>(), 0..300),
    ) {
        let frame = Frame {
            kind, schema_version, created, sequence, flags, id: MessageId(id),
            payload_type: PayloadType::from_wire(payload_type), payload: &payload,
        };
        let bytes = frame.encode();
        prop_assert_eq!(Frame::decode(&bytes), Ok(frame));
    }

    #[test]
    fn payload_types_keep_their_codes(code in 0..40_u32) {
        prop_assert_eq!(PayloadType::from_wire(code).to_wire(), code);
    }
}

#[test]
fn a_clock_at_zero_still_makes_valid_frames() {
    let frame = Frame::plain(MessageType::Acknowledge, Moment::from_epoch(ms(0)), ID, b"{}").encode();
    assert!(Frame::decode(&frame).is_ok());
}
