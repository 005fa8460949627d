//! A connection that keeps the client tokens of RunInstances, which moto ignores: a second call with the same token gets
//! the first one's answer, as AWS documents.
//! Source: <https://docs.aws.amazon.com/ec2/latest/devguide/ec2-api-idempotency.html>

use std::collections::HashMap;
use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use holdfast_tests::Laptop;
use http_body_util::BodyExt;
use tokio::sync::Mutex;

use crate::moto::Account;

/// All laptops with this connection share what it keeps.
#[derive(Clone, Debug)]
pub(crate) struct Connection {
    below: SharedHttpClient,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl Default for Connection {
    fn default() -> Self {
        let below = aws_smithy_http_client::Builder::new().build_http();
        Self { below, answers: Arc::default() }
    }
}

impl Connection {
    pub(crate) async fn laptop(&self, account: &Account, settings: &str) -> Laptop {
        account.laptop_over(Some(SharedHttpClient::new(self.clone())), settings).await
    }
}

impl HttpClient for Connection {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        parts: &RuntimeComponents,
    ) -> SharedHttpConnector {
        let below = self.below.http_connector(settings, parts);
        SharedHttpConnector::new(Connector { below, answers: Arc::clone(&self.answers) })
    }
}

#[derive(Clone, Debug)]
struct Connector {
    below: SharedHttpConnector,
    answers: Arc<Mutex<HashMap<String, Vec<u8>>>>,
}

impl HttpConnector for Connector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Some(token) = token(&request) else { return self.below.call(request) };
        let this = self.clone();
        HttpConnectorFuture::new(async move {
            let mut answers = this.answers.lock().await;
            if let Some(answer) = answers.get(&token) {
                return Ok(HttpResponse::new(
                    200.try_into().expect("a status"),
                    SdkBody::from(answer.clone()),
                ));
            }
            let response = this.below.call(request).await?;
            let status = response.status();
            let body = response.into_body().collect().await.map_err(ConnectorError::io)?;
            let body = body.to_bytes().to_vec();
            if status.is_success() {
                answers.insert(token, body.clone());
            }
            Ok(HttpResponse::new(status, SdkBody::from(body)))
        })
    }
}

/// The client token, when it is RunInstances that is called.
fn token(request: &HttpRequest) -> Option<String> {
    let form = std::str::from_utf8(request.body().bytes()?).ok()?;
    let mut pairs = form.split('&').filter_map(|pair| pair.split_once('='));
    pairs.clone().find(|pair| *pair == ("Action", "RunInstances"))?;
    pairs.find(|(key, _)| *key == "ClientToken").map(|(_, token)| token.to_owned())
}
