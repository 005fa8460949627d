//! Order, acknowledgements and resends of numbered messages.
//!
//! Every message is acknowledged by its own number, so either end always knows exactly what the other has.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::wire::PayloadType;
use crate::time::Moment;

/// When to send again. The formula is the agent's and the plugin's (`calculateRetransmissionTimeout`), but a message that
/// went out twice gives no sample (Karn), and a timeout lasts until there is a sample, so that a link slower than the
/// first guess does not have every message sent twice.
pub(super) struct Rtt {
    smoothed: Duration,
    variation: Duration,
    timeout: Duration,
}

const FIRST_ROUND_TRIP: Duration = Duration::from_millis(100);
const FIRST_TIMEOUT: Duration = Duration::from_millis(200);
const CLOCK_GRANULARITY: Duration = Duration::from_millis(10);
/// The agent and the plugin stop at one second, and so can never learn that a link is slower than that.
const MAX_TIMEOUT: Duration = Duration::from_secs(4);

impl Rtt {
    pub(super) const fn new() -> Self {
        Self { smoothed: FIRST_ROUND_TRIP, variation: Duration::ZERO, timeout: FIRST_TIMEOUT }
    }

    pub(super) fn sample(&mut self, round_trip: Duration) {
        self.variation = (self.variation * 3 + self.smoothed.abs_diff(round_trip)) / 4;
        self.smoothed = (self.smoothed * 7 + round_trip) / 8;
        self.timeout = self.computed();
    }

    pub(super) const fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) const fn smoothed(&self) -> Duration {
        self.smoothed
    }

    fn computed(&self) -> Duration {
        (self.smoothed + CLOCK_GRANULARITY.max(self.variation * 4)).min(MAX_TIMEOUT)
    }

    fn back_off(&mut self) {
        self.timeout = (self.timeout * 2).min(MAX_TIMEOUT);
    }

    fn forget_back_off(&mut self) {
        self.timeout = self.computed().max(FIRST_TIMEOUT);
    }
}

struct Unacked {
    bytes: Vec<u8>,
    /// When it last went out on this link.
    sent: Option<Moment>,
    times: u32,
    acked: bool,
    /// How much of it the user typed, in bytes.
    typed: usize,
}

/// Messages on their way to the other end. None is ever thrown away: the owner stops adding when [`Outbox::bytes`] is
/// more than it wants to keep.
pub(super) struct Outbox {
    unacked: VecDeque<Unacked>,
    /// Number of the first of `unacked`.
    first: u64,
    /// Below this index everything has gone out on this link.
    cursor: usize,
    bytes: usize,
    typed: usize,
    acked: u64,
    rtt: Rtt,
    /// When something was last acknowledged on this link.
    progress: Option<Moment>,
    /// When the youngest of the acknowledged messages went out on this link. What went out before it and is not
    /// acknowledged has been overtaken, and is probably lost.
    overtaken: Option<Moment>,
    resent: u64,
}

/// How many of the oldest messages the timer looks at. More are rarely lost together, and a link that lost them all is
/// not helped by a flood.
const RESEND_BURST: usize = 32;

impl Outbox {
    pub(super) const fn new() -> Self {
        Self {
            unacked: VecDeque::new(),
            first: 0,
            cursor: 0,
            bytes: 0,
            typed: 0,
            acked: 0,
            rtt: Rtt::new(),
            progress: None,
            overtaken: None,
            resent: 0,
        }
    }

    /// The number that the next message must carry.
    pub(super) fn next_sequence(&self) -> u64 {
        self.first + self.unacked.len() as u64
    }

    /// Takes the encoded frame that carries [`Outbox::next_sequence`], with `typed` bytes of the user's in it.
    pub(super) fn push(&mut self, frame: Vec<u8>, typed: usize) {
        self.bytes += frame.len();
        self.typed += typed;
        self.unacked.push_back(Unacked { bytes: frame, sent: None, times: 0, acked: false, typed });
    }

    /// Bytes of all frames that the other end has not acknowledged.
    pub(super) const fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes of the user's that the other end has not acknowledged.
    pub(super) const fn input_bytes(&self) -> usize {
        self.typed
    }

    /// How many messages the other end has acknowledged.
    pub(super) const fn acknowledged_count(&self) -> u64 {
        self.acked
    }

    pub(super) const fn resent(&self) -> u64 {
        self.resent
    }

    pub(super) const fn round_trip(&self) -> Duration {
        self.rtt.smoothed()
    }

    /// Whether message `sequence` has arrived at the other end.
    pub(super) fn is_acked(&self, sequence: u64) -> bool {
        match sequence.checked_sub(self.first) {
            None => true,
            Some(index) => {
                usize::try_from(index).ok().and_then(|i| self.unacked.get(i)).is_some_and(|m| m.acked)
            }
        }
    }

    /// The next frame that is to go out now.
    pub(super) fn transmit(&mut self, now: Moment) -> Option<Vec<u8>> {
        loop {
            let message = self.unacked.get_mut(self.cursor)?;
            self.cursor += 1;
            if message.acked || message.sent.is_some() {
                continue;
            }
            message.sent = Some(now);
            message.times += 1;
            self.resent += u64::from(message.times > 1);
            return Some(message.bytes.clone());
        }
    }

    pub(super) fn acknowledged(&mut self, now: Moment, sequence: i64) {
        let index = u64::try_from(sequence).ok().and_then(|sequence| sequence.checked_sub(self.first));
        let Some(message) = index.and_then(|i| self.unacked.get_mut(usize::try_from(i).ok()?)) else {
            return;
        };
        if message.acked || message.times == 0 {
            return;
        }
        message.acked = true;
        self.acked += 1;
        self.bytes -= message.bytes.len();
        self.typed -= message.typed;
        message.bytes = Vec::new();
        if let (1, Some(sent)) = (message.times, message.sent) {
            self.rtt.sample(now.since(sent));
            self.overtaken = self.overtaken.max(Some(sent));
        }
        self.progress = Some(now);
        while self.unacked.front().is_some_and(|message| message.acked) {
            self.unacked.pop_front();
            self.first += 1;
            self.cursor = self.cursor.saturating_sub(1);
        }
    }

    /// What went out may have gone nowhere, on a link that is lost or to an agent that was not there yet: everything goes
    /// out again, at once, and timers start afresh.
    pub(super) fn send_all_again(&mut self) {
        for message in &mut self.unacked {
            message.sent = None;
        }
        self.cursor = 0;
        self.progress = None;
        self.overtaken = None;
        self.rtt.forget_back_off();
    }

    /// When [`Outbox::resend_overdue`] has something to do.
    pub(super) fn due(&self) -> Option<Moment> {
        self.oldest().filter_map(|(_, message)| self.due_of(message)).min()
    }

    /// As long as acknowledgements come in, a message is not late only because there is a queue before it: on a slow uplink
    /// with a full send buffer all messages wait long.
    fn due_of(&self, message: &Unacked) -> Option<Moment> {
        let sent = message.sent?;
        let waits_since =
            if Some(sent) < self.overtaken { sent } else { self.progress.unwrap_or(sent).max(sent) };
        Some(waits_since + self.rtt.timeout())
    }

    /// Has the oldest messages sent again whose acknowledgement is overdue; says whether there were any.
    pub(super) fn resend_overdue(&mut self, now: Moment) -> bool {
        let overdue = |message: &Unacked| self.due_of(message).is_some_and(|due| due <= now);
        let indexes: Vec<usize> = self.oldest().filter(|(_, m)| overdue(m)).map(|(index, _)| index).collect();
        for index in &indexes {
            if let Some(message) = self.unacked.get_mut(*index) {
                message.sent = None;
            }
            self.cursor = self.cursor.min(*index);
        }
        if !indexes.is_empty() {
            self.rtt.back_off();
        }
        !indexes.is_empty()
    }

    fn oldest(&self) -> impl Iterator<Item = (usize, &Unacked)> {
        self.unacked.iter().enumerate().take(RESEND_BURST).filter(|(_, message)| !message.acked)
    }
}

/// What becomes of an arriving message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Arrival {
    /// It is the next one: process it, then acknowledge, then [`Inbox::advance`] and [`Inbox::next`].
    Next,
    /// It is early, and kept: acknowledge.
    Kept,
    /// It was here before: acknowledge again. The plugin does not, and a lost acknowledgement then leaves the message at
    /// the head of the agent's buffer for ever, and the agent resends only its head.
    Again,
    /// It is early and there is no room: no acknowledgement, it will come again.
    Refused,
}

/// Messages as they arrive, in order.
pub(super) struct Inbox {
    expected: u64,
    early: BTreeMap<u64, (PayloadType, Vec<u8>)>,
    bytes: usize,
    max_bytes: usize,
}

/// Messages kept that arrived too early, as at the plugin and the agent (`IncomingMessageBufferCapacity`).
pub(super) const MAX_EARLY: usize = 10_000;

impl Inbox {
    /// Keeps at most `max_bytes` of payloads that arrived too early.
    pub(super) const fn new(max_bytes: usize) -> Self {
        Self { expected: 0, early: BTreeMap::new(), bytes: 0, max_bytes }
    }

    pub(super) fn arrive(&mut self, sequence: u64, payload_type: PayloadType, payload: &[u8]) -> Arrival {
        if sequence == self.expected {
            return Arrival::Next;
        }
        if sequence < self.expected || self.early.contains_key(&sequence) {
            return Arrival::Again;
        }
        if self.early.len() >= MAX_EARLY || self.bytes + payload.len() > self.max_bytes {
            return Arrival::Refused;
        }
        self.bytes += payload.len();
        self.early.insert(sequence, (payload_type, payload.to_vec()));
        Arrival::Kept
    }

    /// The expected message has been processed.
    pub(super) fn advance(&mut self) {
        self.expected += 1;
    }

    /// The expected message, if it came early; to be followed by [`Inbox::advance`].
    pub(super) fn next(&mut self) -> Option<(PayloadType, Vec<u8>)> {
        let (payload_type, payload) = self.early.remove(&self.expected)?;
        self.bytes -= payload.len();
        Some((payload_type, payload))
    }

    /// Whether messages are here that wait for one that is not.
    pub(super) fn has_gap(&self) -> bool {
        !self.early.is_empty()
    }

    /// How many messages are missing before the first that came early.
    pub(super) fn missing(&self) -> u64 {
        self.early.first_key_value().map_or(0, |(first, _)| first.saturating_sub(self.expected))
    }

    pub(super) const fn early_bytes(&self) -> usize {
        self.bytes
    }
}
