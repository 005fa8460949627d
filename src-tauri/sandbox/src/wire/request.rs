//! What a request says before anything is looked up: service, region, operation, key and parameters.

use std::collections::BTreeMap;

use http::header::{AUTHORIZATION, HOST};
use http::{HeaderMap, Request};
use hyper::body::Bytes;
use serde_json::Value;

use super::{Fail, Service};
use crate::clock::At;

/// A request, taken apart.
#[derive(Debug)]
pub(crate) struct Incoming {
    pub(crate) service: Service,
    pub(crate) region: String,
    pub(crate) operation: String,
    pub(crate) access_key: Option<String>,
    pub(crate) session_token: Option<String>,
    /// When it says that it was signed.
    pub(crate) signed_at: Option<At>,
    /// The form of a query service, or of a page.
    pub(crate) fields: BTreeMap<String, String>,
    /// The body of a JSON service.
    pub(crate) json: Value,
    /// The access token of whoever signed in to the access portal.
    pub(crate) bearer: Option<String>,
    /// Where the client reached the service: scheme and host.
    pub(crate) origin: String,
}

/// A request that no service takes.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) service: Service,
    pub(crate) fail: Fail,
}

/// Takes a request apart. The service and the region come from the SigV4 credential scope
/// (`AKIA…/20260115/us-west-2/ec2/aws4_request`), so they are right whatever host the client was told to call; an
/// unsigned request is recognised by its host, its target or its path. Only the host says the region of such a one, where it
/// is AWS's own (`oidc.us-west-2.amazonaws.com`).
pub(crate) fn parse(request: &Request<Bytes>) -> Result<Incoming, Refused> {
    let headers = request.headers();
    let scope = scope(headers);
    let origin = origin(request);
    let host = origin.split_once("://").map_or("", |(_, host)| host);
    let named = scope
        .as_ref()
        .map(|scope| scope.service.clone())
        .or_else(|| crate::sso::service(host, request.uri().path()).map(|service| service.name().to_owned()))
        .or_else(|| service_by_address(headers));
    let Some(service) = named.as_deref().and_then(Service::named) else {
        let named = named.unwrap_or_else(|| "unknown".to_owned());
        let fail = Fail::new("UnsupportedOperation", format!("The sandbox has no service {named}."));
        return Err(Refused { service: Service::Ssm, fail });
    };
    let mut incoming = Incoming {
        service,
        region: match &scope {
            Some(scope) => scope.region.clone(),
            None if service.is_signed() => "us-east-1".to_owned(),
            None => crate::sso::region(host),
        },
        operation: String::new(),
        access_key: scope.map(|scope| scope.access_key),
        session_token: header(headers, "x-amz-security-token"),
        signed_at: header(headers, "x-amz-date").and_then(|text| At::from_signature(&text)),
        fields: BTreeMap::new(),
        json: Value::Null,
        bearer: header(headers, "x-amz-sso_bearer_token"),
        origin,
    };
    let refuse = |code: &'static str, message: &str| Refused { service, fail: Fail::new(code, message) };
    match service {
        Service::Ec2 | Service::Iam | Service::Sts => {
            incoming.fields = form(request);
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
        Service::SsoOidc | Service::Sso => {
            let (method, path) = (request.method().as_str(), request.uri().path());
            incoming.fields = form(request);
            let with_iam = incoming.fields.contains_key("aws_iam");
            incoming.operation = crate::sso::operation(service, method, path, with_iam)
                .ok_or_else(|| no_operation(service))?
                .to_owned();
            if service == Service::SsoOidc && !crate::sso::is_page(&incoming.operation) {
                incoming.fields.clear();
                incoming.json = serde_json::from_slice(request.body())
                    .map_err(|_| refuse("InvalidRequestException", "The request is not well-formed JSON."))?;
            }
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

fn no_operation(service: Service) -> Refused {
    let fail = Fail::new("UnknownOperationException", "There is no such operation.").with_status(404);
    Refused { service, fail }
}

/// The parameters of the query and of the body.
fn form(request: &Request<Bytes>) -> BTreeMap<String, String> {
    let query = request.uri().query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes())
        .chain(form_urlencoded::parse(request.body()))
        .map(|(name, value)| (name.into_owned(), value.into_owned()))
        .collect()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers.get(name)?.to_str().ok().map(str::to_owned)
}

fn origin(request: &Request<Bytes>) -> String {
    let uri = request.uri();
    let host = uri.authority().map(ToString::to_string);
    let host = host.or_else(|| header(request.headers(), HOST.as_str())).unwrap_or_default();
    format!("{}://{host}", uri.scheme_str().unwrap_or("http"))
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
