//! AWS: the only place that calls its SDK.
//!
//! [`Aws`] is the [`World`](crate::world::World) that the product works on. It looks (`observe`), it performs single
//! steps (`perform`), and it says what a failed call means (`error`, `verdict`). It decides nothing.

use holdfast_core::kinds::Kind;
use holdfast_core::machine::{Desired, Observed, Snapshot};
use holdfast_core::plan::{Goal, Step};

use crate::problem::Problem;
use crate::world::{Done, Failure, World};

mod carry;
mod clients;
mod credentials;
mod error;
mod image;
mod leeway;
mod observe;
mod parse;
mod perform;
pub mod profile;
pub mod session;
mod verdict;

#[cfg(test)]
mod tests;

pub use clients::{Aws, Options};
pub use error::call_error;

impl Aws {
    /// Whether the machine is on and can be reached, and nothing else: a look that is cheap enough to be repeated.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn glance(&self, desired: &Desired) -> Result<Observed, Problem> {
        Ok(observe::glance(self, desired).await?)
    }

    /// The machine's snapshots, also when there is no machine.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn snapshots(&self, desired: &Desired) -> Result<Vec<Snapshot>, Problem> {
        Ok(observe::snapshots(self, desired).await?)
    }

    /// The types of this architecture that the zone offers, or any zone of the region.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn kinds(&self, architecture: &str, zone: Option<&str>) -> Result<Vec<Kind>, Problem> {
        Ok(observe::kinds(self, architecture, zone).await?)
    }
}

impl World for Aws {
    async fn observe(&self, desired: &Desired, goal: Goal) -> Result<Observed, Problem> {
        Ok(observe::observe(self, desired, goal).await?)
    }

    async fn glance(&self, desired: &Desired) -> Result<Observed, Problem> {
        Ok(observe::power(self, desired).await?)
    }

    async fn perform(&self, desired: &Desired, step: &Step) -> Result<Done, Failure> {
        perform::perform(self, desired, step).await
    }
}
