//! What the SDK says of a failed call, as a [`CallError`].

use std::error::Error;

use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_ec2::operation::RequestId;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use holdfast_core::machine::{Fact, Why};
use tokio_rustls::rustls;

use super::identity::is_over;
use super::web::{NoTunnel, Unusable};
use crate::problem::{CallError, CallErrorKind, Obstacle, Problem};

pub(super) fn ec2<E: Answer>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> CallError {
    move |error| call_error("ec2", operation, &error)
}

pub(super) fn iam<E: Answer>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> CallError {
    move |error| call_error("iam", operation, &error)
}

pub(super) fn dlm<E: Answer>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> CallError {
    move |error| call_error("dlm", operation, &error)
}

pub(super) fn sts<E: Answer>(operation: &'static str) -> impl Fn(SdkError<E, HttpResponse>) -> CallError {
    move |error| call_error("sts", operation, &error)
}

/// An error that a service answers with.
pub trait Answer: ProvideErrorMetadata + Error + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> Answer for E {}

/// A failed call of any service.
pub fn call_error<E: Answer>(
    service: &'static str,
    operation: &'static str,
    error: &SdkError<E, HttpResponse>,
) -> CallError {
    // The call that was to give credentials may be the one that failed, or the keyring that they are in.
    if let Some(inner) = causes(error).find_map(|cause| cause.downcast_ref::<CallError>())
        && !is_over(inner)
    {
        return inner.clone();
    }
    if let Some(problem) = causes(error).find_map(|cause| cause.downcast_ref::<Problem>()) {
        let kind = CallErrorKind::Here(Box::new(problem.clone()));
        return CallError { service, operation, kind, request_id: None };
    }
    let request_id =
        error.request_id().or_else(|| error.meta().extra("aws_request_id")).map(ToOwned::to_owned);
    CallError { service, operation, kind: kind(error), request_id }
}

/// An answer that lacks what it must have.
pub(super) fn garbled(service: &'static str, operation: &'static str, what: impl Into<String>) -> CallError {
    CallError { service, operation, kind: CallErrorKind::Garbled(what.into()), request_id: None }
}

fn kind<E: Answer>(error: &SdkError<E, HttpResponse>) -> CallErrorKind {
    if let Some(credentials) = causes(error).find_map(|cause| cause.downcast_ref::<CredentialsError>()) {
        return CallErrorKind::Credentials(no_credentials(credentials));
    }
    match error {
        SdkError::TimeoutError(_) => CallErrorKind::Timeout,
        SdkError::DispatchFailure(failure) if failure.is_timeout() => CallErrorKind::Timeout,
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            CallErrorKind::Unreachable { why: innermost(error), obstacle: obstacle(error) }
        }
        SdkError::ResponseError(_) => CallErrorKind::Garbled(innermost(error)),
        SdkError::ServiceError(answer) => match error.code() {
            Some(code) => CallErrorKind::Service {
                code: code.to_owned(),
                message: error.message().unwrap_or_default().to_owned(),
            },
            None => CallErrorKind::Garbled(format!(
                "HTTP {} without an error code",
                answer.raw().status().as_u16()
            )),
        },
        _ => CallErrorKind::Garbled(innermost(error)),
    }
}

/// What stands between us and whoever was to answer.
pub(super) fn obstacle(error: &(dyn Error + 'static)) -> Obstacle {
    let obstacle = causes(error).find_map(|cause| {
        if cause.is::<Unusable>() {
            return Some(Obstacle::Bundle);
        }
        match cause.downcast_ref() {
            Some(NoTunnel::WantsPassword) => return Some(Obstacle::ProxyPassword),
            Some(NoTunnel::Unreachable(_) | NoTunnel::Refused(_)) => return Some(Obstacle::Proxy),
            None => {}
        }
        if matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))) {
            return Some(Obstacle::Certificate);
        }
        // The SDK's client keeps the type of these to itself.
        match cause.to_string().strip_prefix("tunnel error: ") {
            Some("proxy authorization required") => Some(Obstacle::ProxyPassword),
            Some(_) => Some(Obstacle::Proxy),
            None => None,
        }
    });
    obstacle.unwrap_or(Obstacle::Network)
}

/// Why there are no credentials. A chain in which no source is set up lists all of them, which helps nobody.
fn no_credentials(error: &CredentialsError) -> String {
    let why = innermost(error);
    if why.lines().nth(1).is_none() {
        return why;
    }
    tracing::debug!(why, "no credentials");
    "neither the environment nor the AWS configuration of this computer gives any".to_owned()
}

fn causes<'a>(error: &'a (dyn Error + 'static)) -> impl Iterator<Item = &'a (dyn Error + 'static)> {
    std::iter::successors(Some(error), |error: &&'a (dyn Error + 'static)| {
        let error: &'a (dyn Error + 'static) = *error;
        // What an error of the system was made of is not among its sources.
        match error.downcast_ref::<std::io::Error>().and_then(std::io::Error::get_ref) {
            Some(inner) => Some(inner),
            None => error.source(),
        }
    })
}

/// The deepest cause that has words: the layers above it only say that something below them failed.
pub(super) fn innermost(error: &(dyn Error + 'static)) -> String {
    causes(error).map(ToString::to_string).filter(|text| !text.is_empty()).last().unwrap_or_default()
}

impl CallError {
    /// What IAM calls the permission that the call needs. Every call of ours is named like its action.
    pub fn action(&self) -> String {
        format!("{}:{}", self.service, self.operation)
    }

    /// Whether the account does not allow the call. A missing or a wrong identity is not that, nor is a role that may not be assumed:
    /// without it nothing can be called at all.
    pub fn is_denied(&self) -> bool {
        self.action() != "sts:AssumeRole"
            && matches!(
                self.code(),
                "UnauthorizedOperation" | "AccessDenied" | "AccessDeniedException" | "UnauthorizedAccess"
            )
    }

    /// Whether AWS does not know the thing that the call names.
    /// Source: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>,
    /// <https://docs.aws.amazon.com/IAM/latest/APIReference/CommonErrors.html>,
    /// <https://docs.aws.amazon.com/dlm/latest/APIReference/API_GetLifecyclePolicy.html>
    pub fn is_missing(&self) -> bool {
        let code = self.code();
        matches!(code, "NoSuchEntity" | "ResourceNotFoundException") || code.ends_with(".NotFound")
    }
}

/// What a read tells: the thing, that it is not there, or that the account does not let us see it.
pub(super) fn seen<T>(result: Result<T, CallError>) -> Result<Fact<T>, CallError> {
    match result {
        Ok(thing) => Ok(Fact::Present(thing)),
        Err(error) if error.is_denied() => Ok(Fact::Unknown(Why::Denied(error.action()))),
        Err(error) if error.is_missing() => Ok(Fact::Absent),
        Err(error) => Err(error),
    }
}
