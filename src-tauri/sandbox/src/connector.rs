//! The sandbox as an HTTP client of the AWS SDK: calls reach it without a socket.

use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::Request;
use hyper::body::Bytes;

use crate::sandbox::Sandbox;

/// Give it to `aws_config` or to a service's configuration as `http_client`.
#[derive(Clone, Debug)]
pub struct InProcess {
    sandbox: Sandbox,
    latency: Duration,
    read_timeout: Option<Duration>,
}

impl Sandbox {
    /// A client for the SDK whose calls are answered here at once.
    pub fn http_client(&self) -> InProcess {
        InProcess { sandbox: self.clone(), latency: Duration::ZERO, read_timeout: None }
    }
}

impl InProcess {
    /// Every call takes this much longer.
    #[must_use]
    pub fn with_latency(mut self, latency: Duration) -> Self {
        self.latency = latency;
        self
    }

    async fn answer(self, request: HttpRequest) -> Result<HttpResponse, ConnectorError> {
        let request = plain(request)?;
        let answer = self.sandbox.handle_after(request, self.latency);
        let answer = match self.read_timeout {
            Some(limit) => tokio::time::timeout(limit, answer)
                .await
                .map_err(|_| ConnectorError::timeout("the sandbox did not answer in time".into()))?,
            None => answer.await,
        };
        let response =
            answer.map_err(|_| ConnectorError::io("the sandbox broke the connection off".into()))?;
        let response = response.map(|body| SdkBody::from(body.to_vec()));
        HttpResponse::try_from(response).map_err(|error| ConnectorError::user(error.into()))
    }
}

fn plain(request: HttpRequest) -> Result<Request<Bytes>, ConnectorError> {
    let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
    let (parts, body) = request.into_parts();
    let body = body
        .bytes()
        .map(Bytes::copy_from_slice)
        .ok_or_else(|| ConnectorError::user("the sandbox takes no streaming body".into()))?;
    Ok(Request::from_parts(parts, body))
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        HttpConnectorFuture::new(self.clone().answer(request))
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, settings: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(Self { read_timeout: settings.read_timeout(), ..self.clone() })
    }
}
