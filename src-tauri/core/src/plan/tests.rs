//! The planner against scripted cases, random worlds, and several laptops at once.

mod adopt;
mod company;
mod destroy;
mod drift;
pub(crate) mod fixture;
mod guarded;
mod power;
mod properties;
mod race;
pub(crate) mod replace;
mod resize;
mod schedule;
mod settings;
mod table;
mod twins;
mod words;
mod worlds;
mod zone;
