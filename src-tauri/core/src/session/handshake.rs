//! What client and agent agree on before data flows.
//!
//! Sessions of the types Port and NonInteractiveCommands have a handshake, and so has every session with a KMS key; other
//! shells begin with output. The client cannot know which it will be, and the agent acknowledges data that comes before
//! the end of a handshake only to throw it away (`processStreamDataMessage`). So input waits for the agent's first
//! message.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::wire::{
    ActionStatus, HandshakeRequest, HandshakeResponse, Json as _, KmsParameters, KmsResult, ProcessedAction,
    RequestedAction, SessionTypeParameters, from_json,
};
use super::{Config, DataKey, Failure};
use crate::time::Moment;

/// How far a session is.
pub(super) enum Phase {
    /// The agent has not spoken yet.
    Unheard(Unheard),
    /// The owner is fetching a data key.
    NeedsKey(Request),
    /// The agent has our answer, or will have it.
    Answered,
    /// Data flows.
    Open,
    Closed,
    Failed,
}

/// A shell whose command prints nothing before it reads would wait for ever. So after a while of silence the client sends
/// what does no harm when thrown away, the terminal's size. Once that is acknowledged the agent is there, and would have
/// asked for a handshake if it wanted one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// Nothing to do but wait: there is no link, or a handshake will surely come.
    Patient,
    Quiet {
        until: Moment,
    },
    Probed {
        sequence: u64,
    },
    Present {
        until: Moment,
    },
}

/// An agent takes about a second to start a shell and its first prompt to arrive.
pub(super) const QUIET: Duration = Duration::from_secs(3);
/// Several times the second after which an agent at the latest sends a handshake request again.
pub(super) const PRESENT: Duration = Duration::from_secs(4);

impl Unheard {
    pub(super) const fn due(self) -> Option<Moment> {
        match self {
            Self::Patient | Self::Probed { .. } => None,
            Self::Quiet { until } | Self::Present { until } => Some(until),
        }
    }
}

/// A handshake request, understood.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) agent_version: String,
    pub(super) session_type: String,
    actions: Vec<RequestedAction>,
    kms: Option<KmsParameters>,
    unsupported: Vec<String>,
}

const SESSION_TYPE: &str = "SessionType";
const KMS_ENCRYPTION: &str = "KMSEncryption";
const SESSION_TYPES: [&str; 4] = ["Standard_Stream", "InteractiveCommands", "NonInteractiveCommands", "Port"];

impl Request {
    pub(super) fn parse(payload: &[u8]) -> Result<Self, Failure> {
        let request: HandshakeRequest =
            from_json(payload).ok_or_else(|| Failure::Handshake("the request is not readable".into()))?;
        let mut this = Self {
            agent_version: request.agent_version,
            session_type: String::new(),
            actions: request.requested_client_actions,
            kms: None,
            unsupported: Vec::new(),
        };
        for action in &this.actions {
            match action.action_type.as_str() {
                SESSION_TYPE => {
                    let kind = parameters::<SessionTypeParameters>(action)?.session_type;
                    if !SESSION_TYPES.contains(&kind.as_str()) {
                        this.unsupported.push(format!("session type {kind}"));
                    }
                    this.session_type = kind;
                }
                KMS_ENCRYPTION => this.kms = Some(parameters(action)?),
                other => this.unsupported.push(format!("action {other}")),
            }
        }
        Ok(this)
    }

    /// What the agent asks for in vain.
    pub(super) fn unsupported(&self) -> Option<String> {
        (!self.unsupported.is_empty()).then(|| self.unsupported.join(", "))
    }

    /// The key to ask KMS for, and the encryption context that the agent will show when it has the key decrypted.
    pub(super) fn key_needed(&self, config: &Config) -> Option<(String, BTreeMap<String, String>)> {
        let kms = self.kms.as_ref()?;
        let mut context = BTreeMap::from([
            ("aws:ssm:SessionId".to_owned(), config.session_id.clone()),
            ("aws:ssm:TargetId".to_owned(), config.target_id.clone()),
        ]);
        if !kms.challenge.is_empty() {
            context.insert("aws:ssm:RandomChallenge".to_owned(), kms.challenge.clone());
        }
        Some((kms.key_id.clone(), context))
    }

    /// The payload of our response. `key` is the encrypted data key, or why there is none.
    pub(super) fn response(&self, config: &Config, key: Result<&DataKey, &str>) -> Vec<u8> {
        let actions: Vec<_> = self.actions.iter().map(|action| self.processed(action, key)).collect();
        let errors: Vec<_> =
            actions.iter().map(|a| a.error.clone()).filter(|error| !error.is_empty()).collect();
        HandshakeResponse {
            client_version: config.client_version.clone(),
            processed_client_actions: actions,
            errors: (!errors.is_empty()).then_some(errors),
        }
        .to_json()
    }

    fn processed(&self, action: &RequestedAction, key: Result<&DataKey, &str>) -> ProcessedAction {
        let (action_status, action_result, error) = match action.action_type.as_str() {
            SESSION_TYPE if SESSION_TYPES.contains(&self.session_type.as_str()) => {
                (ActionStatus::Success, Value::Null, String::new())
            }
            SESSION_TYPE => {
                (ActionStatus::Failed, Value::Null, format!("Unknown session type {}", self.session_type))
            }
            KMS_ENCRYPTION => match key {
                Ok(key) => (ActionStatus::Success, self.kms_result(key), String::new()),
                Err(why) => (ActionStatus::Failed, Value::Null, why.to_owned()),
            },
            other => (ActionStatus::Unsupported, Value::Null, format!("Unsupported action {other}")),
        };
        ProcessedAction { action_type: action.action_type.clone(), action_status, action_result, error }
    }

    fn kms_result(&self, key: &DataKey) -> Value {
        let challenge_acknowledged = self.kms.as_ref().is_some_and(|kms| !kms.challenge.is_empty());
        let result =
            KmsResult { ciphertext: key.ciphertext.clone(), ciphertext_hash: None, challenge_acknowledged };
        serde_json::to_value(result).unwrap_or_default()
    }
}

fn parameters<T: serde::de::DeserializeOwned>(action: &RequestedAction) -> Result<T, Failure> {
    serde_json::from_value(action.action_parameters.clone())
        .map_err(|_| Failure::Handshake(format!("the parameters of {} are not readable", action.action_type)))
}
