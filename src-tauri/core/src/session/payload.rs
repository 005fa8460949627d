//! What frames carry: JSON for the most part, with the field names of `aws/amazon-ssm-agent`
//! `agent/session/contracts/model.go`.
//!
//! Reading is lenient: a missing or null field is empty, an unknown one is passed over.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::wire::{MessageId, MessageType};

/// Payload of `acknowledge`. Both ends go by the sequence number alone.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acknowledge<'a> {
    #[serde(rename = "AcknowledgedMessageType", borrow, default)]
    pub message_type: Cow<'a, str>,
    #[serde(rename = "AcknowledgedMessageId", borrow, default)]
    pub message_id: Cow<'a, str>,
    #[serde(rename = "AcknowledgedMessageSequenceNumber")]
    pub sequence: i64,
    #[serde(rename = "IsSequentialMessage", default)]
    pub sequential: bool,
}

impl<'a> Acknowledge<'a> {
    pub fn parse(payload: &'a [u8]) -> Option<Self> {
        serde_json::from_slice(payload).ok()
    }

    /// The JSON that acknowledges one message.
    pub fn json(kind: MessageType, id: MessageId, sequence: i64) -> String {
        // Written by hand: it is sent for every message, and nothing in it needs escaping.
        format!(
            r#"{{"AcknowledgedMessageType":"{}","AcknowledgedMessageId":"{id}","AcknowledgedMessageSequenceNumber":{sequence},"IsSequentialMessage":true}}"#,
            kind.name()
        )
    }
}

/// Payload of `channel_closed`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct ChannelClosed {
    pub message_id: String,
    /// Milliseconds since the epoch, as text.
    pub created_date: String,
    pub destination_id: String,
    pub session_id: String,
    pub message_type: String,
    pub schema_version: i64,
    /// Why the session ended; empty when it ended as it should.
    #[serde(deserialize_with = "null_is_empty")]
    pub output: String,
}

impl ChannelClosed {
    pub(super) fn new(session_id: &str, output: &str, id: MessageId, created: u64) -> Self {
        Self {
            message_id: id.to_string(),
            created_date: created.to_string(),
            destination_id: String::new(),
            session_id: session_id.to_owned(),
            message_type: MessageType::ChannelClosed.name().to_owned(),
            schema_version: 1,
            output: output.to_owned(),
        }
    }
}

/// Payload of [`super::wire::PayloadType::Size`]: the terminal in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub cols: u32,
    pub rows: u32,
}

/// First word of the agent when a session needs agreement before data flows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeRequest {
    #[serde(default, deserialize_with = "null_is_empty")]
    pub agent_version: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub requested_client_actions: Vec<RequestedAction>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct RequestedAction {
    /// `SessionType` or `KMSEncryption`.
    pub action_type: String,
    #[serde(default)]
    pub action_parameters: Value,
}

/// Parameters of the action `SessionType`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct SessionTypeParameters {
    pub session_type: String,
    pub properties: Value,
}

/// Parameters of the action `KMSEncryption`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KmsParameters {
    #[serde(rename = "KMSKeyId")]
    pub key_id: String,
    /// Base64 of random bytes; empty from agents that do not know it.
    #[serde(rename = "Challenge", deserialize_with = "null_is_empty")]
    pub challenge: String,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct HandshakeResponse {
    #[serde(default, deserialize_with = "null_is_empty")]
    pub client_version: String,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub processed_client_actions: Vec<ProcessedAction>,
    #[serde(default)]
    pub errors: Option<Vec<String>>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct ProcessedAction {
    pub action_type: String,
    pub action_status: ActionStatus,
    #[serde(default)]
    pub action_result: Value,
    #[serde(default, deserialize_with = "null_is_empty")]
    pub error: String,
}

/// How a client fared with an action. Anything but `Success` makes the agent end the session.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "u32", into = "u32")]
pub enum ActionStatus {
    Success,
    Failed,
    Unsupported,
    Unknown(u32),
}

impl From<u32> for ActionStatus {
    fn from(code: u32) -> Self {
        match code {
            1 => Self::Success,
            2 => Self::Failed,
            3 => Self::Unsupported,
            other => Self::Unknown(other),
        }
    }
}

impl From<ActionStatus> for u32 {
    fn from(status: ActionStatus) -> Self {
        match status {
            ActionStatus::Success => 1,
            ActionStatus::Failed => 2,
            ActionStatus::Unsupported => 3,
            ActionStatus::Unknown(code) => code,
        }
    }
}

/// Result of the action `KMSEncryption`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct KmsResult {
    /// The data key as KMS encrypted it.
    #[serde(rename = "KMSCipherTextKey", with = "base64_text")]
    pub ciphertext: Vec<u8>,
    #[serde(rename = "KMSCipherTextHash")]
    pub ciphertext_hash: Option<String>,
    /// The random challenge is part of the encryption context.
    #[serde(rename = "ChallengeAcknowledgement", skip_serializing_if = "std::ops::Not::not")]
    pub challenge_acknowledged: bool,
}

/// Last word of the handshake: data may flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub struct HandshakeComplete {
    /// Nanoseconds.
    pub handshake_time_to_complete: i64,
    /// Something the user should read; mostly empty.
    #[serde(deserialize_with = "null_is_empty")]
    pub customer_message: String,
}

/// Payload of both encryption challenges. Only the bytes inside are encrypted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct EncChallenge {
    #[serde(with = "base64_text")]
    pub challenge: Vec<u8>,
}

/// First message on a fresh websocket, as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct OpenDataChannel {
    pub message_schema_version: String,
    pub request_id: String,
    /// From StartSession or ResumeSession.
    pub token_value: String,
    /// The same for the life of the client process.
    pub client_id: String,
    pub client_version: String,
}

/// Payload of [`super::wire::PayloadType::Flag`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flag {
    /// Client to agent: the local connection of a port session closed.
    DisconnectToPort,
    /// Client to agent: end the session now.
    TerminateSession,
    /// Agent to client: nothing listens on the target port.
    ConnectToPortError,
}

impl Flag {
    pub const fn to_bytes(self) -> [u8; 4] {
        let code: u32 = match self {
            Self::DisconnectToPort => 1,
            Self::TerminateSession => 2,
            Self::ConnectToPortError => 3,
        };
        code.to_be_bytes()
    }

    /// `None` for a flag we do not know.
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let known = [Self::DisconnectToPort, Self::TerminateSession, Self::ConnectToPortError];
        known.into_iter().find(|flag| flag.to_bytes() == payload)
    }
}

const EXIT_CODE: &str = "EXIT_CODE: ";

/// Payload of [`super::wire::PayloadType::ExitCode`].
pub fn exit_code(code: i32) -> String {
    format!("{EXIT_CODE}{code}")
}

/// `None` if the text is not what [`exit_code`] writes.
pub fn parse_exit_code(payload: &[u8]) -> Option<i32> {
    std::str::from_utf8(payload).ok()?.strip_prefix(EXIT_CODE)?.trim().parse().ok()
}

/// JSON for a frame.
pub trait Json: Serialize {
    fn to_json(&self) -> Vec<u8> {
        // These are plain structs with text keys: serialisation has no way to fail.
        serde_json::to_vec(self).unwrap_or_default()
    }
}

impl<T: Serialize> Json for T {}

/// Reads JSON of a frame; `None` if it is not of that form.
pub fn from_json<T: DeserializeOwned>(payload: &[u8]) -> Option<T> {
    serde_json::from_slice(payload).ok()
}

/// Go writes an empty list or byte string as null.
fn null_is_empty<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(from: D) -> Result<T, D::Error> {
    Ok(Option::deserialize(from)?.unwrap_or_default())
}

mod base64_text {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::de::Error as _;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<u8>, D::Error> {
        let text = Option::<String>::deserialize(from)?.unwrap_or_default();
        BASE64_STANDARD.decode(text).map_err(D::Error::custom)
    }
}
