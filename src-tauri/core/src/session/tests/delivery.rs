use proptest::prelude::*;

use super::{START, ms};
use crate::session::delivery::{Arrival, Inbox, MAX_EARLY, Outbox, Rtt};
use crate::session::wire::PayloadType::Output;

/// Drives the inbox as its owners do, and returns what it hands on.
fn arrive(inbox: &mut Inbox, sequence: u64, payload: &[u8], order: &mut Vec<u8>) -> Arrival {
    let arrival = inbox.arrive(sequence, Output, payload);
    if arrival == Arrival::Next {
        order.extend_from_slice(payload);
        inbox.advance();
        while let Some((_, payload)) = inbox.next() {
            order.extend(payload);
            inbox.advance();
        }
    }
    arrival
}

#[test]
fn messages_are_put_in_order() {
    let (mut inbox, mut order) = (Inbox::new(100), Vec::new());
    let table = [
        (1, Arrival::Kept),
        (3, Arrival::Kept),
        (1, Arrival::Again),
        (0, Arrival::Next),
        (0, Arrival::Again),
        (1, Arrival::Again),
        (3, Arrival::Again),
        (2, Arrival::Next),
        (4, Arrival::Next),
    ];
    for (sequence, expected) in table {
        assert_eq!(arrive(&mut inbox, sequence, &[sequence as u8], &mut order), expected, "{sequence}");
    }
    assert_eq!(order, [0, 1, 2, 3, 4]);
    assert!(!inbox.has_gap());
}

#[test]
fn early_messages_are_bounded_by_bytes_and_number() {
    let mut inbox = Inbox::new(100);
    assert_eq!(inbox.arrive(1, Output, &[0; 60]), Arrival::Kept);
    assert_eq!(inbox.arrive(2, Output, &[0; 60]), Arrival::Refused);
    assert_eq!(inbox.arrive(2, Output, &[0; 40]), Arrival::Kept);
    assert_eq!(inbox.early_bytes(), 100);
    // The one that is missing is never refused, or nothing would ever move.
    assert_eq!(arrive(&mut inbox, 0, &[0; 200], &mut Vec::new()), Arrival::Next);
    assert_eq!(inbox.early_bytes(), 0);

    let mut inbox = Inbox::new(100);
    for sequence in 1..=MAX_EARLY as u64 {
        assert_eq!(inbox.arrive(sequence, Output, &[]), Arrival::Kept);
    }
    assert_eq!(inbox.arrive(u64::MAX, Output, &[]), Arrival::Refused);
}

/// The figures are those of the formula, worked out by hand.
#[test]
fn retransmission_timeout() {
    let mut rtt = Rtt::new();
    assert_eq!(rtt.timeout(), ms(200));
    rtt.sample(ms(100));
    assert_eq!(rtt.timeout(), ms(110));
    rtt.sample(ms(180));
    // Variation 80/4 = 20; smoothed 100 × 7/8 + 180/8 = 110; 110 + 4 × 20.
    assert_eq!((rtt.smoothed(), rtt.timeout()), (ms(110), ms(190)));
    rtt.sample(ms(60_000));
    assert_eq!(rtt.timeout(), ms(4000));
}

fn outbox(messages: u8) -> Outbox {
    let mut outbox = Outbox::new();
    for message in 0..messages {
        outbox.push(vec![message], 0);
    }
    outbox
}

fn sent(outbox: &mut Outbox, after: u64) -> Vec<u8> {
    std::iter::from_fn(|| outbox.transmit(START + ms(after))).flatten().collect()
}

#[test]
fn only_what_is_overdue_goes_out_again() {
    let mut outbox = outbox(3);
    assert_eq!(sent(&mut outbox, 0), [0, 1, 2]);
    outbox.acknowledged(START + ms(100), 1);
    assert_eq!(outbox.due(), Some(START + ms(100 + 110)), "something got through just now");
    assert!(!outbox.resend_overdue(START + ms(209)));
    assert!(outbox.resend_overdue(START + ms(210)));
    assert_eq!(sent(&mut outbox, 210), [0, 2]);
    assert_eq!(outbox.due(), Some(START + ms(210 + 220)), "the timeout doubles");
    outbox.acknowledged(START + ms(220), 2);
    outbox.acknowledged(START + ms(220), 0);
    assert_eq!((outbox.due(), outbox.bytes(), outbox.next_sequence()), (None, 0, 3));
}

/// While acknowledgements come in, only a message that was overtaken is late.
#[test]
fn what_waits_in_a_queue_is_not_lost() {
    let mut outbox = outbox(2);
    let mut transmitted = Vec::new();
    transmitted.extend(outbox.transmit(START));
    transmitted.extend(outbox.transmit(START + ms(10)));
    outbox.push(vec![2], 0);
    transmitted.extend(outbox.transmit(START + ms(300)));
    assert_eq!(transmitted, [[0], [1], [2]]);
    outbox.acknowledged(START + ms(110), 1);
    // Round trip 100 ms, so 110 ms is the timeout: message 0 is waited for since it went out.
    assert_eq!(outbox.due(), Some(START + ms(110)));
    assert!(outbox.resend_overdue(START + ms(110)));
    assert_eq!(sent(&mut outbox, 110), [0]);
}

#[test]
fn a_message_that_went_out_twice_tells_nothing_of_the_round_trip() {
    let mut outbox = outbox(1);
    sent(&mut outbox, 0);
    assert!(outbox.resend_overdue(START + ms(200)));
    sent(&mut outbox, 200);
    outbox.acknowledged(START + ms(201), 0);
    assert_eq!(outbox.round_trip(), ms(100));
}

#[test]
fn a_fresh_link_gets_everything_unacknowledged_at_once() {
    let mut outbox = outbox(100);
    sent(&mut outbox, 0);
    outbox.acknowledged(START + ms(5), 1);
    outbox.acknowledged(START + ms(5), 0);
    outbox.acknowledged(START + ms(5), 50);
    outbox.send_all_again();
    let again = sent(&mut outbox, 10);
    assert_eq!(again.len(), 97);
    assert_eq!((again[0], again[47], again[48]), (2, 49, 51));
    assert_eq!(outbox.resent(), 97);
}

#[test]
fn nonsense_acknowledgements_change_nothing() {
    let mut outbox = outbox(2);
    outbox.acknowledged(START, 0);
    assert_eq!(outbox.bytes(), 2, "it was never sent");
    sent(&mut outbox, 0);
    for sequence in [-1, i64::MIN, i64::MAX, 2] {
        outbox.acknowledged(START, sequence);
    }
    assert_eq!(outbox.bytes(), 2);
}

proptest! {
    /// Whatever is acknowledged in whatever order, the rest goes out, in order, and the bytes are counted right.
    #[test]
    fn outbox_accounts(acks in prop::collection::vec(0..60_i64, 0..80), pushes in 1..60_u8, ups in 0..3_u8) {
        let mut outbox = outbox(pushes);
        sent(&mut outbox, 0);
        for ack in &acks {
            outbox.acknowledged(START + ms(10), *ack);
        }
        let left: Vec<u8> = (0..pushes).filter(|n| !acks.contains(&i64::from(*n))).collect();
        prop_assert_eq!(outbox.bytes(), left.len());
        for _ in 0..ups {
            outbox.send_all_again();
            prop_assert_eq!(sent(&mut outbox, 20), left.clone());
        }
        prop_assert_eq!(outbox.next_sequence(), u64::from(pushes));
        for n in 0..pushes {
            prop_assert_eq!(outbox.is_acked(u64::from(n)), !left.contains(&n));
        }
    }
}
