//! The pure core of Holdfast: it decides, and never acts.
//!
//! No clock, no file, no environment, no network and no async runtime: time and randomness are arguments.

pub mod app;
pub mod config;
pub mod connection;
pub mod cost;
pub mod doctor;
pub mod export;
pub mod hints;
pub mod history;
pub mod jobs;
pub mod kinds;
pub mod machine;
pub mod names;
pub mod notices;
pub mod plan;
pub mod policy;
pub mod power;
pub mod price;
pub mod profile;
pub mod redact;
pub mod script;
pub mod session;
pub mod sessions;
pub mod settings;
pub mod snapshots;
pub mod status;
pub mod terminal;
pub mod time;
pub mod upload;
