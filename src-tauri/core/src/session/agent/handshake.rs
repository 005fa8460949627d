//! The handshake, as `PerformHandshake` does it.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::json;

use super::{Agent, AgentEvent, Phase};
use crate::session::wire::{
    ActionStatus, EncChallenge, HandshakeComplete, HandshakeRequest, HandshakeResponse, Json as _, KmsResult,
    PayloadType, RequestedAction, derive, from_json,
};
use crate::time::Moment;

impl Agent {
    pub(super) fn handshake_request(&self) -> HandshakeRequest {
        let session_type = &self.config.session_type;
        let mut actions = vec![RequestedAction {
            action_type: "SessionType".into(),
            action_parameters: json!({"SessionType": session_type.name(), "Properties": session_type.properties()}),
        }];
        if let Some(kms) = &self.config.kms {
            actions.push(RequestedAction {
                action_type: "KMSEncryption".into(),
                action_parameters: json!({"KMSKeyId": kms.key_id, "Challenge": self.random_challenge()}),
            });
        }
        HandshakeRequest {
            agent_version: self.config.agent_version.clone(),
            requested_client_actions: actions,
        }
    }

    fn random_challenge(&self) -> String {
        BASE64_STANDARD.encode(&derive(&self.config.seed, "random challenge", 0)[..16])
    }

    pub(super) fn response(&mut self, now: Moment, payload: &[u8]) {
        let Some(response) = from_json::<HandshakeResponse>(payload) else { return };
        for action in &response.processed_client_actions {
            if action.action_status != ActionStatus::Success {
                let status = u32::from(action.action_status);
                let (what, why) = (&action.action_type, &action.error);
                return self.fail(format!("{what} failed on client with status {status} error: {why}"));
            }
        }
        let Some(kms) = self.config.kms.clone() else { return self.complete(now) };
        let key = response.processed_client_actions.iter().find(|a| a.action_type == "KMSEncryption");
        let key = key.and_then(|key| serde_json::from_value::<KmsResult>(key.action_result.clone()).ok());
        let Some(key) = key else { return self.fail("Fetching data key failed: there is none".into()) };
        if kms.require_challenge && !key.challenge_acknowledged {
            return self.fail("client does not support required encryption context random challenge".into());
        }
        let mut context = BTreeMap::from([
            ("aws:ssm:SessionId".to_owned(), self.config.session_id.clone()),
            ("aws:ssm:TargetId".to_owned(), self.config.target_id.clone()),
        ]);
        if key.challenge_acknowledged {
            context.insert("aws:ssm:RandomChallenge".to_owned(), self.random_challenge());
        }
        self.phase = Phase::AwaitingKey;
        self.events.push_back(AgentEvent::DecryptKey { ciphertext: key.ciphertext, context });
    }

    pub(super) fn challenge_response(&mut self, now: Moment, payload: &[u8]) {
        let response = from_json::<EncChallenge>(payload);
        let opened = response.zip(self.cipher.as_ref()).and_then(|(r, cipher)| cipher.open(&r.challenge));
        if opened.as_ref() == Some(&self.challenge) {
            self.complete(now);
        } else {
            self.fail("Encryption challenge does not match!".into());
        }
    }

    fn complete(&mut self, now: Moment) {
        let encrypted = self.config.kms.is_some();
        let complete = HandshakeComplete {
            handshake_time_to_complete: i64::try_from(now.since(self.started).as_nanos()).unwrap_or(i64::MAX),
            customer_message: if encrypted {
                "This session is encrypted using AWS KMS.".into()
            } else {
                String::new()
            },
        };
        self.send(now, PayloadType::HandshakeComplete, &complete.to_json());
        self.phase = Phase::Open;
        self.events.push_back(AgentEvent::HandshakeDone);
        for (payload_type, payload) in std::mem::take(&mut self.early_output) {
            self.say(now, payload_type, &payload);
        }
    }

    pub(super) fn fail(&mut self, why: String) {
        self.phase = Phase::Failed;
        self.events.push_back(AgentEvent::HandshakeFailed(why));
    }
}
