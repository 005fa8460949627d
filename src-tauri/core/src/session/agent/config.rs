//! What an agent is told and tells.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// What an agent knows of a session that it is to serve.
#[derive(Clone)]
pub struct AgentConfig {
    pub session_id: String,
    /// Part of the KMS encryption context.
    pub target_id: String,
    pub session_type: SessionType,
    /// For example `3.3.1345.0`.
    pub agent_version: String,
    /// Random, and never used for another session.
    pub seed: [u8; 32],
    /// The session is encrypted. Port sessions never are.
    pub kms: Option<AgentKms>,
}

/// What a session is, as its document says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SessionType {
    StandardStream,
    InteractiveCommands,
    NonInteractiveCommands {
        /// Stderr and the exit code go their own ways.
        separate_output: bool,
    },
    Port {
        port_number: String,
        /// `LocalPortForwarding`, or none for raw bytes.
        kind: Option<String>,
        host: Option<String>,
    },
}

impl std::fmt::Debug for AgentConfig {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { session_id, session_type, kms, .. } = self;
        let mut out = out.debug_struct("AgentConfig");
        out.field("session_id", session_id).field("session_type", session_type).field("kms", kms);
        out.finish_non_exhaustive()
    }
}

impl SessionType {
    /// The name in the handshake.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::StandardStream => "Standard_Stream",
            Self::InteractiveCommands => "InteractiveCommands",
            Self::NonInteractiveCommands { .. } => "NonInteractiveCommands",
            Self::Port { .. } => "Port",
        }
    }

    pub(super) const fn requires_handshake(&self) -> bool {
        match self {
            Self::StandardStream | Self::InteractiveCommands => false,
            Self::NonInteractiveCommands { .. } | Self::Port { .. } => true,
        }
    }

    pub(super) fn properties(&self) -> Value {
        match self {
            Self::StandardStream | Self::InteractiveCommands => Value::Null,
            Self::NonInteractiveCommands { separate_output } => {
                json!({"linux": {"separateOutputStream": separate_output}})
            }
            Self::Port { port_number, kind, host } => {
                json!({"portNumber": port_number, "type": kind.as_deref().unwrap_or_default(),
                    "host": host.as_deref().unwrap_or_default()})
            }
        }
    }
}

/// The key of an encrypted session.
#[derive(Clone, Debug)]
pub struct AgentKms {
    pub key_id: String,
    /// Refuse clients that leave the random challenge out of the encryption context (`Kms.RequireKMSChallengeResponse`).
    pub require_challenge: bool,
}

/// Something for the embedder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AgentEvent {
    /// Start the guest: comes once in every session, at once if there is no handshake.
    HandshakeDone,
    /// End the session; the text belongs into `channel_closed`.
    HandshakeFailed(String),
    /// Have KMS decrypt this, then [`Agent::provide_key`] or [`Agent::key_refused`].
    DecryptKey {
        ciphertext: Vec<u8>,
        context: BTreeMap<String, String>,
    },
    Input(Vec<u8>),
    Resize {
        cols: u16,
        rows: u16,
    },
    /// The client wants the session ended.
    Terminate,
    /// Port sessions: the client's local connection closed.
    Disconnect,
}
