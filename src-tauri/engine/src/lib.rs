//! Holdfast's engine: effects, and the command line `holdfast`.

pub mod adopt;
pub mod app;
pub mod aws;
pub mod cli;
pub mod config;
pub mod connect;
pub mod converge;
pub mod editor;
pub mod jobs;
pub mod keyring;
pub mod net;
pub mod open;
pub mod power;
pub mod prices;
pub mod problem;
pub mod process;
pub mod raise;
pub mod rebuild;
pub mod remote;
pub mod repository;
pub mod sandbox;
pub mod sessions;
pub mod space;
pub mod store;
pub mod terminal;
pub mod world;
