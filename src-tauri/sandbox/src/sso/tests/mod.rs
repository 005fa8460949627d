//! Both services as their clients meet them: raw requests in, statuses, headers and bodies out.

mod device;
mod pages;
mod pkce;
mod portal;
mod refused;
mod served;

use std::time::Duration;

use http::{HeaderMap, Method, Request};
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::client::{CODE, DEVICE, REFRESH};
use crate::sandbox::Sandbox;
use crate::tests::{ACCOUNT, Client, sandbox_with};
use crate::{Conditions, Portal, Service};

const START: &str = "https://holdfast.awsapps.com/start";
const OIDC: &str = "https://oidc.us-west-2.amazonaws.com";
const PORTAL: &str = "https://portal.sso.us-west-2.amazonaws.com";

/// An answer.
struct Heard {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Heard {
    fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    /// A text member of the body.
    fn get(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_else(|| panic!("no {name}: {}", self.body)).to_owned()
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The exception, as the header says it; empty when there is none.
    fn kind(&self) -> &str {
        self.header("x-amzn-errortype").split(':').next().unwrap_or_default()
    }
}

/// A client that has registered, or is about to.
#[derive(Clone)]
struct Lab {
    sandbox: Sandbox,
    id: String,
    secret: String,
}

impl Lab {
    fn bare(change: impl FnOnce(&mut Conditions)) -> Self {
        let sandbox = sandbox_with(|options| change(&mut options.conditions));
        Self { sandbox, id: String::new(), secret: String::new() }
    }

    /// A client that may do everything.
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    async fn with(change: impl FnOnce(&mut Conditions)) -> Self {
        Self::bare(change).registered(&registration()).await
    }

    async fn registered(mut self, request: &Value) -> Self {
        let answer = self.post("/client/register", request).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        (self.id, self.secret) = (answer.get("clientId"), answer.get("clientSecret"));
        self
    }

    fn portal(&self, change: impl FnOnce(&mut Portal)) {
        self.sandbox.set(|conditions| change(&mut conditions.portals[0]));
    }

    async fn send(&self, method: Method, url: &str, bearer: Option<&str>, body: String) -> Heard {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(bearer) = bearer {
            request = request.header("x-amz-sso_bearer_token", bearer);
        }
        let response = self.sandbox.handle(request.body(Bytes::from(body)).unwrap()).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = String::from_utf8(body.to_vec()).unwrap();
        Heard { status: parts.status.as_u16(), headers: parts.headers, body }
    }

    async fn post(&self, path: &str, body: &Value) -> Heard {
        self.send(Method::POST, &format!("{OIDC}{path}"), None, body.to_string()).await
    }

    async fn get(&self, path: &str) -> Heard {
        self.send(Method::GET, &format!("{OIDC}{path}"), None, String::new()).await
    }

    /// A page's form, as a browser sends it.
    async fn submit(&self, path: &str, fields: &[(&str, &str)]) -> Heard {
        let form = form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        self.send(Method::POST, &format!("{OIDC}{path}"), None, form).await
    }

    async fn ask(&self, path: &str, bearer: &str) -> Heard {
        self.send(Method::GET, &format!("{PORTAL}{path}"), Some(bearer), String::new()).await
    }

    /// A request of this client with some more members.
    fn own(&self, members: Value) -> Value {
        let mut request = members;
        request["clientId"] = json!(self.id);
        request["clientSecret"] = json!(self.secret);
        request
    }

    async fn start(&self) -> Heard {
        self.post("/device_authorization", &self.own(json!({ "startUrl": START }))).await
    }

    async fn poll(&self, code: &str) -> Heard {
        self.post("/token", &self.own(json!({ "grantType": DEVICE, "deviceCode": code }))).await
    }

    async fn refresh(&self, token: &str) -> Heard {
        self.post("/token", &self.own(json!({ "grantType": REFRESH, "refreshToken": token }))).await
    }

    /// The tokens of somebody who signed in with a device.
    async fn sign_in(&self) -> Heard {
        let device = self.start().await;
        assert!(self.sandbox.allow_device(&device.get("userCode")));
        let tokens = self.poll(&device.get("deviceCode")).await;
        assert_eq!(tokens.status, 200, "{}", tokens.body);
        tokens
    }

    /// The caller of a role's credentials.
    async fn role(&self, account: &str, role: &str) -> Client {
        let token = self.sign_in().await.get("accessToken");
        let path = format!("/federation/credentials?role_name={role}&account_id={account}");
        let given = self.ask(&path, &token).await.json();
        let leak = |name: &str| -> &'static str {
            given["roleCredentials"][name].as_str().unwrap().to_owned().leak()
        };
        Client { sandbox: self.sandbox.clone(), key: leak("accessKeyId"), token: Some(leak("sessionToken")) }
    }
}

/// What a client that may do everything says about itself.
fn registration() -> Value {
    json!({
        "clientName": "Holdfast on laptop",
        "clientType": "public",
        "scopes": ["sso:account:access"],
        "grantTypes": [DEVICE, CODE, REFRESH],
        "redirectUris": ["http://127.0.0.1/oauth/callback"],
        "issuerUrl": START,
    })
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
