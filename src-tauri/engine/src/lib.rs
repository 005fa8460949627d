//! Holdfast's engine: effects, and the command line `holdfast`.

pub mod aws;
pub mod cli;
pub mod connect;
pub mod converge;
pub mod editor;
pub mod problem;
pub mod store;
pub mod terminal;
pub mod world;
