//! What the agent's messages do to a session.

use std::borrow::Cow;

use super::{MAX_ACKS, Session};
use crate::session::delivery::Arrival;
use crate::session::handshake::{PRESENT, Phase, Request, Unheard};
use crate::session::wire::{
    Acknowledge, ChannelClosed, EncChallenge, Flag, Frame, HandshakeComplete, Json as _, PayloadType,
    from_json, parse_exit_code,
};
use crate::session::{Closed, Event, Failure, MAX_PENDING_OUTPUT, Stream};
use crate::time::Moment;

/// What a probe says of a terminal that is none, as the session-manager-plugin does.
const NO_TERMINAL: (u16, u16) = (300, 100);

/// Neighbouring output becomes one event up to this size.
const MAX_EVENT: usize = 64 << 10;

impl Session {
    pub(super) fn stream_data(&mut self, now: Moment, frame: &Frame<'_>) {
        let Ok(sequence) = u64::try_from(frame.sequence) else { return };
        if self.acks.len() >= MAX_ACKS || matches!(self.phase, Phase::Failed) {
            self.stats.refused += 1;
            return;
        }
        match self.inbox.arrive(sequence, frame.payload_type, frame.payload) {
            Arrival::Next if self.pending_output >= MAX_PENDING_OUTPUT => self.stats.refused += 1,
            Arrival::Next => {
                if let Err(failure) = self.process_in_order(now, frame) {
                    self.fail(failure);
                }
            }
            Arrival::Kept => self.acks.push_back((frame.sequence, frame.id)),
            Arrival::Again => {
                self.stats.duplicates += 1;
                self.acks.push_back((frame.sequence, frame.id));
            }
            Arrival::Refused => self.stats.refused += 1,
        }
    }

    fn process_in_order(&mut self, now: Moment, frame: &Frame<'_>) -> Result<(), Failure> {
        self.process(now, frame.payload_type, frame.payload)?;
        self.acks.push_back((frame.sequence, frame.id));
        self.inbox.advance();
        while let Some((payload_type, payload)) = self.inbox.next() {
            self.process(now, payload_type, &payload)?;
            self.inbox.advance();
        }
        Ok(())
    }

    fn process(&mut self, now: Moment, payload_type: PayloadType, payload: &[u8]) -> Result<(), Failure> {
        if matches!(self.phase, Phase::Unheard(_)) {
            self.outbox.send_all_again();
            if payload_type != PayloadType::HandshakeRequest {
                self.open(now);
            }
        }
        match payload_type {
            PayloadType::HandshakeRequest => self.handshake_request(now, payload)?,
            PayloadType::EncChallengeRequest => self.challenge(now, payload)?,
            PayloadType::HandshakeComplete => self.handshake_complete(now, payload)?,
            PayloadType::Output => self.output(Stream::Out, payload)?,
            PayloadType::StdErr => self.output(Stream::Err, payload)?,
            PayloadType::ExitCode => {
                let text = self.decrypted(payload)?;
                if let Some(code) = parse_exit_code(&text) {
                    self.event(Event::ExitCode(code));
                }
            }
            PayloadType::Flag => {
                if Flag::parse(payload) == Some(Flag::ConnectToPortError) {
                    self.event(Event::PortUnreachable);
                }
            }
            PayloadType::None
            | PayloadType::Error
            | PayloadType::Size
            | PayloadType::Parameter
            | PayloadType::HandshakeResponse
            | PayloadType::EncChallengeResponse
            | PayloadType::Unknown(_) => {}
        }
        Ok(())
    }

    fn handshake_request(&mut self, now: Moment, payload: &[u8]) -> Result<(), Failure> {
        let first = matches!(self.phase, Phase::Unheard(_)) || std::mem::take(&mut self.guessed);
        if !first {
            return Ok(());
        }
        let request = Request::parse(payload)?;
        self.agent_version = Some(request.agent_version.clone());
        if let Some(what) = request.unsupported() {
            let response = request.response(&self.config, Err("not tried, the session fails anyway"));
            self.stream(now, PayloadType::HandshakeResponse, &response);
            return Err(Failure::Unsupported(what));
        }
        if let Some((key_id, context)) = request.key_needed(&self.config) {
            self.event(Event::KeyNeeded { key_id, context });
            self.phase = Phase::NeedsKey(request);
        } else {
            let response = request.response(&self.config, Err(""));
            self.stream(now, PayloadType::HandshakeResponse, &response);
            self.phase = Phase::Answered;
        }
        Ok(())
    }

    fn challenge(&mut self, now: Moment, payload: &[u8]) -> Result<(), Failure> {
        let nonsense = || Failure::Handshake("the challenge is not readable".into());
        let request: EncChallenge = from_json(payload).ok_or_else(nonsense)?;
        let cipher = self.cipher.as_mut().ok_or_else(nonsense)?;
        let plain = cipher.open(&request.challenge).ok_or(Failure::Decrypt)?;
        let challenge = cipher.seal(&plain).ok_or_else(nonsense)?;
        self.stream(now, PayloadType::EncChallengeResponse, &EncChallenge { challenge }.to_json());
        Ok(())
    }

    fn handshake_complete(&mut self, now: Moment, payload: &[u8]) -> Result<(), Failure> {
        match self.phase {
            Phase::Answered => {}
            Phase::NeedsKey(_) => return Err(Failure::Handshake("it ended without our answer".into())),
            Phase::Unheard(_) | Phase::Open | Phase::Closed | Phase::Failed => return Ok(()),
        }
        let complete: HandshakeComplete = from_json(payload).unwrap_or_default();
        if !complete.customer_message.is_empty() {
            self.event(Event::Message(complete.customer_message));
        }
        self.open(now);
        Ok(())
    }

    fn open(&mut self, now: Moment) {
        self.phase = Phase::Open;
        self.size_changed = self.size.is_some();
        if !std::mem::replace(&mut self.ready, true) {
            self.event(Event::Ready);
        }
        if self.terminating {
            self.stream(now, PayloadType::Flag, &Flag::TerminateSession.to_bytes());
        }
    }

    /// See [`Unheard`].
    pub(super) fn still_unheard(&mut self, now: Moment, unheard: Unheard) {
        match unheard {
            Unheard::Patient | Unheard::Probed { .. } => {}
            Unheard::Quiet { .. } => {
                let sequence = self.outbox.next_sequence();
                self.send_size(now, self.size.unwrap_or(NO_TERMINAL));
                self.phase = Phase::Unheard(Unheard::Probed { sequence });
            }
            // Something is on its way; it may be a handshake request that got lost.
            Unheard::Present { .. } if self.inbox.has_gap() => {
                self.phase = Phase::Unheard(Unheard::Present { until: now + PRESENT });
            }
            Unheard::Present { .. } => {
                self.open(now);
                self.guessed = true;
            }
        }
    }

    fn output(&mut self, stream: Stream, payload: &[u8]) -> Result<(), Failure> {
        let bytes = self.decrypted(payload)?;
        if bytes.is_empty() {
            return Ok(());
        }
        self.pending_output += bytes.len();
        if let Some(Event::Output { stream: last, bytes: before }) = self.events.back_mut()
            && *last == stream
            && before.len() + bytes.len() <= MAX_EVENT
        {
            before.extend_from_slice(&bytes);
            return Ok(());
        }
        self.events.push_back(Event::Output { stream, bytes: bytes.into_owned() });
        Ok(())
    }

    fn decrypted<'p>(&self, payload: &'p [u8]) -> Result<Cow<'p, [u8]>, Failure> {
        match &self.cipher {
            None => Ok(Cow::Borrowed(payload)),
            Some(cipher) => cipher.open(payload).map(Cow::Owned).ok_or(Failure::Decrypt),
        }
    }

    pub(super) fn acknowledged(&mut self, now: Moment, payload: &[u8]) {
        let Some(ack) = Acknowledge::parse(payload) else { return };
        self.outbox.acknowledged(now, ack.sequence);
        if let Phase::Unheard(Unheard::Probed { sequence }) = self.phase
            && self.outbox.is_acked(sequence)
        {
            self.phase = Phase::Unheard(Unheard::Present { until: now + PRESENT });
        }
    }

    pub(super) fn channel_closed(&mut self, payload: &[u8]) {
        // The message alone says that it is over; its text is only the reason.
        let closed: ChannelClosed = from_json(payload).unwrap_or_default();
        self.event(Event::Closed(Closed { output: closed.output, incomplete: self.inbox.has_gap() }));
        self.phase = Phase::Closed;
        self.input.clear();
    }

    pub(super) fn fail(&mut self, failure: Failure) {
        self.event(Event::Failed(failure));
        self.phase = Phase::Failed;
        self.input.clear();
    }

    /// Nothing follows a failure.
    pub(super) fn event(&mut self, event: Event) {
        if !self.is_over() {
            self.events.push_back(event);
        }
    }
}
