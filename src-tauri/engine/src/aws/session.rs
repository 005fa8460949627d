//! Sessions of SSM: the calls that open, resume and end one, and the websocket that carries it.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use aws_sdk_kms::error::DisplayErrorContext;
use aws_sdk_kms::primitives::Blob;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use holdfast_core::connection::Way;
use holdfast_core::names::InstanceId;
use holdfast_core::session::DataKey;
use holdfast_core::session::wire::MAX_FRAME;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::error::{innermost, obstacle};
use super::web::Stream;
use super::{Aws, call_error};
use crate::problem::{CallError, CallErrorKind};

/// A websocket to the gateway of SSM.
pub type Socket = WebSocketStream<Stream>;

/// How long a dial may take.
const DIAL: Duration = Duration::from_secs(10);

/// What a session runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// The account's own shell document.
    Shell,
    /// A command on a terminal; `sh -c` reads it.
    Interactive(String),
    /// A command without terminal and input; the agent splits it into words, and no shell sees it.
    Command(String),
}

impl Document {
    /// The document's name; the default one has none.
    pub fn name(&self) -> Option<&'static str> {
        match self {
            Self::Shell => None,
            Self::Interactive(_) => Some("AWS-StartInteractiveCommand"),
            Self::Command(_) => Some("AWS-StartNonInteractiveCommand"),
        }
    }
}

impl Aws {
    /// Opens a session; the first one of a command with the SDK's own retries.
    ///
    /// # Errors
    /// AWS's refusal: `TargetNotConnected`, `AccessDeniedException`, …
    pub async fn start_session(
        &self,
        target: &InstanceId,
        document: &Document,
        is_first: bool,
    ) -> Result<Way, CallError> {
        let client = if is_first { self.ssm().clone() } else { self.line() };
        let mut call = client.start_session().target(target.as_str()).reason("holdfast");
        call = call.set_document_name(document.name().map(ToOwned::to_owned));
        match document {
            Document::Shell => {}
            Document::Interactive(command) => call = call.parameters("command", vec![command.clone()]),
            Document::Command(command) => {
                call = call
                    .parameters("command", vec![command.clone()])
                    .parameters("separateOutputStream", vec!["True".to_owned()]);
            }
        }
        let answer = call.send().await.map_err(|error| call_error("ssm", "StartSession", &error))?;
        way("StartSession", answer.session_id, answer.stream_url, answer.token_value)
    }

    /// Asks for a new way to a session that goes on; `None` when it is over.
    ///
    /// # Errors
    /// AWS's refusal, and no network.
    pub async fn resume_session(&self, session_id: &str) -> Result<Option<Way>, CallError> {
        let answer = match self.line().resume_session().session_id(session_id).send().await {
            Ok(answer) => answer,
            Err(error) => {
                let error = call_error("ssm", "ResumeSession", &error);
                return if error.code() == "DoesNotExistException" { Ok(None) } else { Err(error) };
            }
        };
        if answer.token_value.is_none() {
            return Ok(None);
        }
        let id = answer.session_id.or_else(|| Some(session_id.to_owned()));
        way("ResumeSession", id, answer.stream_url, answer.token_value).map(Some)
    }

    /// Ends a session, if it is still there.
    ///
    /// # Errors
    /// AWS's refusal, and no network.
    pub async fn terminate_session(&self, session_id: &str) -> Result<(), CallError> {
        let call = self.line().terminate_session().session_id(session_id).send().await;
        match call.map_err(|error| call_error("ssm", "TerminateSession", &error)) {
            Err(error) if error.code() != "DoesNotExistException" => Err(error),
            Ok(_) | Err(_) => Ok(()),
        }
    }

    /// Makes sure that there are credentials, which may take as long as it takes: a program may have to run for them.
    ///
    /// # Errors
    /// There are none.
    pub async fn sign_in(&self) -> Result<(), CallError> {
        let provider = self.credentials().ok_or_else(|| no_credentials("there is no provider".to_owned()))?;
        let credentials = provider.provide_credentials().await;
        credentials.map(|_| ()).map_err(|error| no_credentials(DisplayErrorContext(error).to_string()))
    }

    /// A data key for a session that the account wants encrypted.
    ///
    /// # Errors
    /// AWS's refusal.
    pub async fn data_key(
        &self,
        key_id: &str,
        context: impl IntoIterator<Item = (String, String)>,
    ) -> Result<DataKey, CallError> {
        let call = self.kms().generate_data_key().key_id(key_id).number_of_bytes(64);
        let call = call.set_encryption_context(Some(context.into_iter().collect()));
        let answer = call.send().await.map_err(|error| call_error("kms", "GenerateDataKey", &error))?;
        let plaintext = answer.plaintext.map(Blob::into_inner).and_then(|bytes| bytes.try_into().ok());
        match (plaintext, answer.ciphertext_blob) {
            (Some(plaintext), Some(ciphertext)) => {
                Ok(DataKey { plaintext, ciphertext: ciphertext.into_inner() })
            }
            (None, _) | (_, None) => Err(garbled("kms", "GenerateDataKey", "no key of 64 bytes")),
        }
    }

    /// Opens the websocket of a session.
    ///
    /// The upgrade is signed, as AWS asks of every supported client: `Host` and the date are, what belongs to the
    /// websocket is not. An address that is signed already stays as it is.
    /// Source: `aws/session-manager-plugin` from 1.2.764.0 on.
    ///
    /// # Errors
    /// No network, no credentials, or a gateway that refuses.
    pub async fn dial(&self, url: &str) -> Result<Socket, CallError> {
        let mut request = url.into_client_request().map_err(|error| unreachable(&error))?;
        if !is_signed(url) {
            self.sign(url, &mut request).await?;
        }
        // The session bounds what is under way, so nothing is sent but by an explicit flush.
        let config = WebSocketConfig::default()
            .write_buffer_size(8 << 20)
            .max_write_buffer_size(16 << 20)
            .max_message_size(Some(MAX_FRAME));
        match tokio::time::timeout(DIAL, self.web().dial(request, config)).await {
            Ok(Ok(socket)) => Ok(socket),
            Ok(Err(SocketError::Http(answer))) => {
                let code = format!("Http{}", answer.status().as_u16());
                let message = answer.status().canonical_reason().unwrap_or_default().to_owned();
                Err(dial_error(CallErrorKind::Service { code, message }))
            }
            Ok(Err(error)) => Err(unreachable(&error)),
            Err(_) => Err(dial_error(CallErrorKind::Timeout)),
        }
    }

    async fn sign(&self, url: &str, request: &mut Request) -> Result<(), CallError> {
        let provider = self.credentials().ok_or_else(|| no_credentials("there is no provider".to_owned()))?;
        let credentials = provider.provide_credentials().await;
        let credentials =
            credentials.map_err(|error| no_credentials(DisplayErrorContext(error).to_string()))?;
        let identity = credentials.into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(self.region().as_str())
            .name("ssmmessages")
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| unreachable(&error))?;
        let host =
            request.headers().get("host").and_then(|host| host.to_str().ok()).unwrap_or_default().to_owned();
        let headers = [("host", host.as_str())];
        let signable = SignableRequest::new("GET", url, headers.into_iter(), SignableBody::Bytes(&[]));
        let signed = signable.and_then(|signable| sign(signable, &params.into()));
        let (instructions, _) = signed.map_err(|error| unreachable(&error))?.into_parts();
        instructions.apply_to_request_http1x(request);
        Ok(())
    }
}

fn is_signed(url: &str) -> bool {
    url.split_once('?').is_some_and(|(_, query)| query.split('&').any(|pair| pair.starts_with("X-Amz-")))
}

fn no_credentials(why: String) -> CallError {
    dial_error(CallErrorKind::Credentials(why))
}

fn way(
    operation: &'static str,
    session_id: Option<String>,
    url: Option<String>,
    token: Option<String>,
) -> Result<Way, CallError> {
    match (session_id, url, token) {
        (Some(session_id), Some(url), Some(token)) => Ok(Way { session_id, url, token, typed: None }),
        (None, _, _) | (_, None, _) | (_, _, None) => {
            Err(garbled("ssm", operation, "a part of the way is missing"))
        }
    }
}

fn garbled(service: &'static str, operation: &'static str, why: &str) -> CallError {
    CallError { service, operation, kind: CallErrorKind::Garbled(why.to_owned()), request_id: None }
}

fn unreachable(error: &(dyn std::error::Error + 'static)) -> CallError {
    dial_error(CallErrorKind::Unreachable { why: innermost(error), obstacle: obstacle(error) })
}

fn dial_error(kind: CallErrorKind) -> CallError {
    CallError { service: "ssmmessages", operation: "OpenDataChannel", kind, request_id: None }
}
