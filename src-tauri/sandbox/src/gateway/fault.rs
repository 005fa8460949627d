//! What can be made to go wrong on the wire between gateway and client.

use std::time::Duration;

use holdfast_core::session::wire::{Frame, MessageType};
use tokio::time::Instant;

/// One thing that goes wrong, once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WireFault {
    /// The TCP connection goes, without a word from the websocket. With `reset` what was on its way is lost too.
    Cut {
        /// RST instead of FIN.
        reset: bool,
    },
    /// The websocket is closed with code 1000, as the real gateway does about once an hour.
    Bye,
    /// Nothing comes through and nobody answers, for so long. Messages to the client are lost meanwhile; those of the
    /// client stay in the network.
    Hole {
        /// How long.
        lasts: Duration,
        /// Then the connection is reset; else it simply goes on.
        reset: bool,
    },
    /// So many acknowledgements of the client are lost.
    LoseAcks(u32),
    /// So many messages of the agent are lost.
    LoseOutputs(u32),
    /// So many messages of the client are lost.
    LoseInputs(u32),
    /// So many messages of either side arrive twice.
    Duplicate(u32),
}

/// What is still to go wrong with single messages.
#[derive(Debug, Default)]
pub(super) struct Losses {
    acks: u32,
    outputs: u32,
    inputs: u32,
    duplicates: u32,
}

impl Losses {
    /// Notes a fault that concerns messages, and returns any other.
    pub(super) fn take(&mut self, fault: WireFault) -> Option<WireFault> {
        match fault {
            WireFault::LoseAcks(count) => self.acks += count,
            WireFault::LoseOutputs(count) => self.outputs += count,
            WireFault::LoseInputs(count) => self.inputs += count,
            WireFault::Duplicate(count) => self.duplicates += count,
            WireFault::Cut { .. } | WireFault::Bye | WireFault::Hole { .. } => return Some(fault),
        }
        None
    }

    /// A message of the client: how often it arrives.
    pub(super) fn of_client(&mut self, kind: MessageType) -> usize {
        match kind {
            MessageType::Acknowledge if spend(&mut self.acks) => 0,
            MessageType::InputStreamData if spend(&mut self.inputs) => 0,
            MessageType::InputStreamData if spend(&mut self.duplicates) => 2,
            MessageType::Acknowledge
            | MessageType::InputStreamData
            | MessageType::OutputStreamData
            | MessageType::ChannelClosed
            | MessageType::StartPublication
            | MessageType::PausePublication
            | MessageType::AgentSessionState
            | MessageType::Unknown(_) => 1,
        }
    }

    /// A message of the agent: how often it arrives.
    pub(super) fn of_agent(&mut self, message: &[u8]) -> usize {
        // Reading the frame costs its digest, so only when something is to happen.
        let idle = self.outputs + self.duplicates == 0;
        if idle || !Frame::decode(message).is_ok_and(|frame| frame.kind == MessageType::OutputStreamData) {
            1
        } else if spend(&mut self.outputs) {
            0
        } else {
            1 + usize::from(spend(&mut self.duplicates))
        }
    }
}

fn spend(count: &mut u32) -> bool {
    let any = *count > 0;
    *count = count.saturating_sub(1);
    any
}

/// A time without a network.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hole {
    pub(super) until: Instant,
    pub(super) reset: bool,
}
