//! A local AWS in a process, for Holdfast's demo and its tests.
//!
//! [`Sandbox`] answers EC2, IAM, STS, SSM, KMS, Service Quotas, Data Lifecycle Manager, Price List and IAM Identity Center requests in the real wire protocols, in process
//! ([`Sandbox::http_client`]) or on 127.0.0.1 ([`Sandbox::serve`]). Every request arrives in one place
//! ([`Sandbox::handle`]); the world behind it is plain data ([`World`]), driven by a clock and disturbed by fault
//! rules. What it refuses, and with which words, follows AWS's documentation; each rule names its source.
//!
//! It is no place for secrets: signatures are not checked and ciphertexts are readable.

mod backend;
mod clock;
mod conditions;
mod connector;
pub mod dlm;
pub mod ec2;
mod fault;
pub mod gateway;
pub mod guest;
mod http;
pub mod iam;
mod ids;
pub mod kms;
mod pricing;
mod principal;
mod quotas;
mod sandbox;
mod ssm;
mod sso;
mod store;
mod sts;
mod temporary;
#[cfg(test)]
mod tests;
mod wire;
mod world;

pub use backend::{
    NoMachines, Power, SessionBackend, Source, StartError, StartRequest, Storage, UpgradeResponse,
};
pub use clock::{At, Clock};
pub use conditions::{Conditions, Key, MfaDevice, Pace, Quotas, SessionPreferences, TokenOfTerminated};
pub use connector::InProcess;
pub use fault::{Call, Fault, Rule, When};
pub use principal::{ACCESS_KEY, Principal, SECRET_KEY};
pub use sandbox::{Dropped, OnCall, Options, Sandbox};
pub use ssm::{Session, Unreachable};
pub use sso::{Consent, Lifetimes, Portal, PortalAccount, PortalRole};
pub use wire::Service;
pub use world::{Account, Region, Tags, World};
