//! A local AWS in a process, for Holdfast's demo and its tests.

mod backend;
pub mod guest;
pub mod kms;

pub use backend::{NoMachines, Power, SessionBackend, StartError, StartRequest, UpgradeResponse};
