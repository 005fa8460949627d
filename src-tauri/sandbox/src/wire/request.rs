//! What a request says before anything is looked up: service, region, operation, key and parameters.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request};
use hyper::body::Bytes;
use serde_json::Value;

use super::{Fail, Service};

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) service: Service,
    pub(crate) region: String,
    pub(crate) operation: String,
    pub(crate) access_key: Option<String>,
    pub(crate) has_session_token: bool,
    /// The form of a query service.
    pub(crate) fields: BTreeMap<String, String>,
    /// The body of a JSON service.
    pub(crate) json: Value,
}

/// A request that no service takes.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) service: Service,
    pub(crate) fail: Fail,
}

/// Takes a request apart. The service and the region come from the SigV4 credential scope
/// (`AKIA…/20260115/us-west-2/ec2/aws4_request`), so they are right whatever host the client was told to call; an
/// unsigned request is recognised by its host or its target.
pub(crate) fn parse(request: &Request<Bytes>) -> Result<Incoming, Refused> {
    let headers = request.headers();
    let scope = scope(headers);
    let named = scope.as_ref().map(|scope| scope.service.clone()).or_else(|| service_by_address(headers));
    let Some(service) = named.as_deref().and_then(Service::named) else {
        let named = named.unwrap_or_else(|| "unknown".to_owned());
        let fail = Fail::new("UnsupportedOperation", format!("The sandbox has no service {named}."));
        return Err(Refused { service: Service::Ssm, fail });
    };
    let mut incoming = Incoming {
        service,
        region: scope.as_ref().map_or_else(|| "us-east-1".to_owned(), |scope| scope.region.clone()),
        operation: String::new(),
        access_key: scope.map(|scope| scope.access_key),
        has_session_token: headers.contains_key("x-amz-security-token"),
        fields: BTreeMap::new(),
        json: Value::Null,
    };
    let refuse = |code: &'static str, message: &str| Refused { service, fail: Fail::new(code, message) };
    match service {
        Service::Ec2 | Service::Iam | Service::Sts => {
            let query = request.uri().query().unwrap_or_default();
            incoming.fields = form_urlencoded::parse(query.as_bytes())
                .chain(form_urlencoded::parse(request.body()))
                .map(|(name, value)| (name.into_owned(), value.into_owned()))
                .collect();
            incoming.operation = incoming
                .fields
                .remove("Action")
                .ok_or_else(|| refuse("MissingAction", "The request must contain the parameter Action"))?;
            incoming.fields.remove("Version");
        }
        Service::Dlm => {
            let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
            incoming.json = serde_json::from_slice(body)
                .map_err(|_| refuse("SerializationException", "The request is not well-formed JSON."))?;
            let (path, query) = (request.uri().path(), request.uri().query().unwrap_or_default());
            incoming.operation =
                crate::dlm::operation(request.method().as_str(), path, query, &mut incoming.json)
                    .ok_or_else(|| refuse("UnknownOperationException", "There is no such operation."))?
                    .to_owned();
        }
        Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Pricing => {
            let target =
                headers.get("x-amz-target").and_then(|target| target.to_str().ok()).unwrap_or_default();
            let operation = target.split_once('.').map(|(_, operation)| operation).unwrap_or_default();
            incoming.operation = operation.to_owned();
            let body: &[u8] = if request.body().is_empty() { b"{}" } else { request.body() };
            incoming.json = serde_json::from_slice(body)
                .map_err(|_| refuse("SerializationException", "The request is not well-formed JSON."))?;
        }
    }
    Ok(incoming)
}

struct Scope {
    access_key: String,
    region: String,
    service: String,
}

fn scope(headers: &HeaderMap) -> Option<Scope> {
    let authorization = headers.get(AUTHORIZATION)?.to_str().ok()?;
    let fields = authorization.strip_prefix("AWS4-HMAC-SHA256")?;
    let credential = fields.split(',').find_map(|field| field.trim().strip_prefix("Credential="))?;
    let mut parts = credential.rsplit('/');
    let (_terminator, service, region) = (parts.next()?, parts.next()?, parts.next()?);
    let (_date, access_key) = (parts.next()?, parts.next()?);
    Some(Scope { access_key: access_key.to_owned(), region: region.to_owned(), service: service.to_owned() })
}

fn service_by_address(headers: &HeaderMap) -> Option<String> {
    if let Some(target) = headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        let service = match target.split('.').next() {
            Some("AmazonSSM") => "ssm",
            Some("ServiceQuotasV20190624") => "servicequotas",
            Some("AWSPriceListService") => "pricing",
            _ => "kms",
        };
        return Some(service.to_owned());
    }
    let host = headers.get(HOST)?.to_str().ok()?;
    Some(host.split('.').next()?.to_owned())
}
