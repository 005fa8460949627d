//! Answers: each service has its own shape of success and its own shape of error.

use std::borrow::Cow;

use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY};
use http::{Response, StatusCode};
use hyper::body::Bytes;
use serde_json::{Value, json};

use super::xml::escape;
use super::{Service, Xml};

/// What a page of the sandbox may load: nothing but its own style.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// An operation that AWS refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fail {
    pub(crate) code: Cow<'static, str>,
    pub(crate) message: String,
    pub(crate) status: u16,
}

impl Fail {
    /// A refusal with the status that goes with its code.
    pub(crate) fn new(code: impl Into<Cow<'static, str>>, message: impl Into<String>) -> Self {
        let code = code.into();
        let status = status_of(&code);
        Self { code, message: message.into(), status }
    }

    pub(crate) fn with_status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }
}

/// The status of a code that does not answer 400.
///
/// EC2: docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html (server errors are 500-series);
/// IAM: the HTTP status codes of each error in docs.aws.amazon.com/IAM/latest/APIReference.
fn status_of(code: &str) -> u16 {
    match code {
        "AuthFailure" => 401,
        "UnauthorizedOperation"
        | "AccessDenied"
        | "InvalidClientTokenId"
        | "ExpiredToken"
        | "MissingAuthenticationToken"
        | "SignatureDoesNotMatch" => 403,
        "NoSuchEntity" => 404,
        "EntityAlreadyExists" | "DeleteConflict" | "LimitExceeded" => 409,
        "DryRunOperation" => 412,
        "InternalError"
        | "InternalFailure"
        | "InternalServerError"
        | "ServiceFailure"
        | "InsufficientInstanceCapacity"
        | "KMSInternalException" => 500,
        "RequestLimitExceeded" | "Unavailable" | "ServiceUnavailable" => 503,
        _ => 400,
    }
}

/// What an operation answers when it succeeds.
#[derive(Debug)]
pub(crate) enum Reply {
    Xml(Xml),
    Json(Value),
    /// A page for a browser.
    Page(String),
    /// Where a browser goes next.
    Redirect(String),
}

/// The whole response.
pub(crate) fn reply(
    service: Service,
    operation: &str,
    request_id: &str,
    outcome: &Result<Reply, Fail>,
) -> Response<Bytes> {
    let is_page = crate::sso::is_page(operation) && service == Service::SsoOidc;
    let (status, body) = match outcome {
        Ok(Reply::Xml(xml)) => (200, success(service, operation, request_id, xml.as_str())),
        Ok(Reply::Json(value)) => (200, value.to_string()),
        Ok(Reply::Page(page)) => (200, page.clone()),
        Ok(Reply::Redirect(_)) => (302, String::new()),
        Err(fail) if is_page => (fail.status, crate::sso::refusal(fail)),
        Err(fail) => (fail.status, error(service, request_id, fail)),
    };
    let mut response = Response::new(Bytes::from(body));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST);
    let headers = response.headers_mut();
    let content_type = match service {
        Service::Ec2 => "text/xml;charset=UTF-8",
        Service::Iam | Service::Sts => "text/xml",
        Service::Ssm | Service::Kms | Service::ServiceQuotas | Service::Pricing => {
            "application/x-amz-json-1.1"
        }
        Service::SsoOidc if is_page => "text/html; charset=utf-8",
        Service::Dlm | Service::SsoOidc | Service::Sso => "application/json",
    };
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    let kind = match (service, outcome) {
        (Service::Dlm, Err(fail)) => Some(fail.code.to_string()),
        (Service::SsoOidc | Service::Sso, Err(fail)) => Some(crate::sso::shape(service, fail).kind),
        (_, Err(_) | Ok(_)) => None,
    };
    let location = match outcome {
        Ok(Reply::Redirect(address)) => Some(address.clone()),
        Ok(Reply::Xml(_) | Reply::Json(_) | Reply::Page(_)) | Err(_) => None,
    };
    for (name, value) in [("x-amzn-errortype", kind), ("location", location)] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(&value).ok()) {
            headers.insert(name, value);
        }
    }
    if is_page {
        // Nobody puts the page into a frame, and no address with a code in it goes elsewhere.
        headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(PAGE_POLICY));
        headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-amzn-requestid", id);
    }
    response
}

fn success(service: Service, operation: &str, request_id: &str, content: &str) -> String {
    if service == Service::Ec2 {
        return format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<{operation}Response \
             xmlns=\"http://ec2.amazonaws.com/doc/2016-11-15/\"><requestId>{request_id}</requestId>\
             {content}</{operation}Response>"
        );
    }
    let result = match content {
        "" => String::new(),
        content => format!("<{operation}Result>{content}</{operation}Result>"),
    };
    format!(
        "<{operation}Response xmlns=\"{}\">{result}<ResponseMetadata><RequestId>{request_id}</RequestId>\
         </ResponseMetadata></{operation}Response>",
        namespace(service)
    )
}

fn error(service: Service, request_id: &str, fail: &Fail) -> String {
    let (code, message) = (escape(&fail.code), escape(&fail.message));
    match service {
        Service::Ec2 => format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Response><Errors><Error><Code>{code}</Code>\
             <Message>{message}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        ),
        Service::Iam | Service::Sts => format!(
            "<ErrorResponse xmlns=\"{}\"><Error><Type>{}</Type><Code>{code}</Code><Message>{message}</Message>\
             </Error><RequestId>{request_id}</RequestId></ErrorResponse>",
            namespace(service),
            if fail.status < 500 { "Sender" } else { "Receiver" },
        ),
        Service::Ssm | Service::Kms => json!({ "__type": fail.code, "message": fail.message }).to_string(),
        Service::ServiceQuotas | Service::Dlm | Service::Pricing => {
            json!({ "__type": fail.code, "Message": fail.message }).to_string()
        }
        Service::SsoOidc | Service::Sso => crate::sso::shape(service, fail).body.to_string(),
    }
}

fn namespace(service: Service) -> &'static str {
    match service {
        Service::Iam => "https://iam.amazonaws.com/doc/2010-05-08/",
        Service::Sts
        | Service::Ec2
        | Service::Ssm
        | Service::Kms
        | Service::ServiceQuotas
        | Service::Dlm
        | Service::Pricing
        | Service::SsoOidc
        | Service::Sso => "https://sts.amazonaws.com/doc/2011-06-15/",
    }
}
