//! AWS: the only place that calls its SDK.
//!
//! [`Aws`] is the [`World`](crate::world::World) that the product works on. It looks (`observe`), it performs single
//! steps (`perform`), and it says what a failed call means (`error`, `verdict`). It decides nothing.

use holdfast_core::export::GroupRule;
use holdfast_core::kinds::Kind;
use holdfast_core::machine::{Desired, Observed, Site};
use holdfast_core::names::{GroupId, InstanceId};
use holdfast_core::plan::{Goal, Refused, Step};

use crate::problem::Problem;
use crate::world::{Done, Failure, World};

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

    /// The types of this architecture that the zone offers, or any zone of the region.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn kinds(&self, architecture: &str, zone: Option<&str>) -> Result<Vec<Kind>, Problem> {
        Ok(observe::kinds(self, architecture, zone).await?)
    }

    /// An instance that is to be adopted, with all that may belong to it.
    ///
    /// # Errors
    /// An instance that is not there, or is gone, and what forbids looking.
    pub async fn site(&self, desired: &Desired, id: &InstanceId) -> Result<Site, Problem> {
        match observe::site(self, desired, id).await? {
            Some(observe::Found::There(site)) => Ok(*site),
            Some(observe::Found::Ended(power)) => {
                Err(Problem::not_adoptable(desired, id, &[Refused::Ended { power }]))
            }
            None => Err(Problem::no_such_instance(desired, id, &self.owner().await?)),
        }
    }

    /// The instances in a VPC that has our name and not our tag.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn in_named_vpc(&self, desired: &Desired) -> Result<Vec<InstanceId>, Problem> {
        Ok(observe::in_named_vpc(self, desired).await?)
    }

    /// The rules of a security group.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn rules(&self, group: &GroupId) -> Result<Vec<GroupRule>, Problem> {
        Ok(observe::rules(self, group).await?)
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
