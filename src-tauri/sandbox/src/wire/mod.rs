//! The wire protocols: form in and XML out (EC2, IAM, STS), JSON 1.1 (SSM, KMS, Service Quotas, the price list), REST with
//! JSON (DLM, and unsigned IAM Identity Center), and each one's errors.

mod form;
mod json;
mod reply;
mod request;
mod xml;

pub(crate) use form::Form;
pub(crate) use json::Json;
pub(crate) use reply::{Fail, Reply, reply};
pub(crate) use request::{Incoming, Refused, parse};
pub(crate) use xml::{Xml, escape};

use serde::{Deserialize, Serialize};

/// A service that the sandbox has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Service {
    /// Elastic Compute Cloud.
    Ec2,
    /// Identity and Access Management; global.
    Iam,
    /// Security Token Service.
    Sts,
    /// Systems Manager.
    Ssm,
    /// Key Management Service.
    Kms,
    /// Service Quotas.
    ServiceQuotas,
    /// Data Lifecycle Manager.
    Dlm,
    /// The Price List Query API.
    Pricing,
    /// IAM Identity Center's OIDC service: who signs in.
    SsoOidc,
    /// IAM Identity Center's access portal: what whoever signed in may use.
    Sso,
}

impl Service {
    /// The name in the credential scope, in policies and in host names.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ec2 => "ec2",
            Self::Iam => "iam",
            Self::Sts => "sts",
            Self::Ssm => "ssm",
            Self::Kms => "kms",
            Self::ServiceQuotas => "servicequotas",
            Self::Dlm => "dlm",
            Self::Pricing => "pricing",
            Self::SsoOidc => "sso-oauth",
            Self::Sso => "awsssoportal",
        }
    }

    /// Whether requests carry a signature; a bearer token or a client's secret is in those that do not.
    pub(crate) const fn is_signed(self) -> bool {
        !matches!(self, Self::SsoOidc | Self::Sso)
    }

    pub(crate) fn named(name: &str) -> Option<Self> {
        [
            Self::Ec2,
            Self::Iam,
            Self::Sts,
            Self::Ssm,
            Self::Kms,
            Self::ServiceQuotas,
            Self::Dlm,
            Self::Pricing,
            Self::SsoOidc,
            Self::Sso,
        ]
        .into_iter()
        .find(|service| service.name() == name)
    }
}
