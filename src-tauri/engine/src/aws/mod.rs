//! AWS: the only place that calls its SDK.
//!
//! [`Aws`] is the [`World`](crate::world::World) that the product works on. It looks (`observe`), it performs single
//! steps (`perform`), and it says what a failed call means (`error`, `verdict`). It decides nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;

use allowed::Answered;
use holdfast_core::cost::Stored;
use holdfast_core::doctor::Asked;
use holdfast_core::export::GroupRule;
use holdfast_core::kinds::Kind;
use holdfast_core::machine::{Desired, Fact, Observed, Owner, Quota, Site, Snapshot};
use holdfast_core::names::{GroupId, InstanceId, InstanceType, Region, SnapshotId};
use holdfast_core::plan::{self, Goal, Refused, Step};
use holdfast_core::price::Quote;
use holdfast_core::profile::{Base, Chain, Config, Portal};

use crate::problem::Problem;
use crate::world::{Done, Failure, World};

pub mod allowed;
mod clients;
mod credentials;
mod error;
mod home;
pub mod identity;
mod image;
mod leeway;
mod lifecycle;
mod observe;
mod parse;
mod perform;
mod pricing;
pub mod profile;
pub mod session;
mod verdict;
mod web;

#[cfg(test)]
mod tests;

pub use clients::{Aws, Options};
pub use error::call_error;
use identity::Identity;
use identity::oidc::Calls;

/// What is at an address of the web, which is no more than `longest` bytes. The way there is that to AWS.
///
/// # Errors
/// Nobody answers, or not with a page.
pub async fn get(address: &str, bundle: Option<PathBuf>, longest: usize) -> Result<Vec<u8>, Problem> {
    let failed =
        |cause: String| Problem::new("unreachable", format!("{address} cannot be reached")).because(cause);
    let uri = address.parse().map_err(|error: http::uri::InvalidUri| failed(error.to_string()))?;
    web::Web::new(bundle, false).get(&uri, longest).await.map_err(|error| failed(error.to_string()))
}

/// The credentials of a profile of the AWS configuration.
///
/// # Errors
/// The configuration makes no sense, or the profile gives none.
pub async fn identity_of(name: &str, region: &Region, options: &Options) -> Result<Identity, Problem> {
    let config = profile::config()?;
    let chain = config.chain(name).map_err(|faulty| Problem::faulty_profile(name, &faulty))?;
    Ok(clients::identity(&config, name, chain, region, options).await)
}

/// A portal that no profile names, ready to be called. `region` is only for what has none of its own.
pub async fn calls(portal: &Portal, region: &Region, options: &Options) -> Calls {
    let chain = Chain {
        profile: String::new(),
        base: Base::Sso { portal: portal.clone(), account: String::new(), role: String::new() },
        roles: Vec::new(),
    };
    clients::identity(&Config::default(), "", chain, region, options).await.calls(portal)
}

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

    /// Makes sure that these snapshots are the machine's: others' carry no tag of ours, so they are not in the list.
    ///
    /// # Errors
    /// One that is not, and what forbids looking.
    pub async fn must_have<'a>(
        &self,
        desired: &Desired,
        ids: impl IntoIterator<Item = &'a SnapshotId>,
    ) -> Result<(), Problem> {
        let all = self.snapshots(desired).await?;
        match ids.into_iter().find(|id| !all.iter().any(|known| &known.id == *id)) {
            None => Ok(()),
            Some(id) => Err(Problem::no_snapshot(id.as_str())),
        }
    }

    /// Makes sure of the same, and that no home is on its way from any of these: it would be lost for good.
    ///
    /// # Errors
    /// One that is not the machine's, one that is needed, and what forbids looking.
    pub async fn may_forget(&self, desired: &Desired, ids: &[SnapshotId]) -> Result<(), Problem> {
        self.must_have(desired, ids).await?;
        let snapshots = Fact::Present(self.snapshots(desired).await?);
        let observed = Observed { snapshots, ..World::glance(self, desired).await? };
        match plan::needs_one_of(desired, &observed, ids) {
            None => Ok(()),
            Some((instance, snapshot)) => Err(Problem::needed(&instance.id, snapshot)),
        }
    }

    /// The types of this architecture, or of any, and which of them the zone offers, or any zone of the region.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn kinds(&self, architecture: Option<&str>, zone: Option<&str>) -> Result<Vec<Kind>, Problem> {
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

    /// Which EC2 calls would be let through, of those that the product needs: dry runs.
    pub async fn allowed(&self, desired: &Desired, observed: &Observed) -> Asked {
        Box::pin(allowed::allowed(self, desired, observed)).await
    }

    /// Who we are to AWS.
    ///
    /// # Errors
    /// What forbids asking.
    pub async fn who(&self) -> Result<Owner, Problem> {
        Ok(self.caller().await?)
    }

    /// The same, where it is known or can be had.
    pub async fn whoever(&self) -> Option<Owner> {
        self.owner().await.ok()
    }

    /// Whether each service can be reached: one call of each that only looks; and by how many seconds AWS's clock is ahead of ours,
    /// where it says that.
    pub async fn services(&self, desired: &Desired) -> (Vec<Answered>, Option<i64>) {
        Box::pin(allowed::services(self, desired)).await
    }

    /// The account's room for the wanted type; `None` where nobody may see it, or it is another's.
    ///
    /// # Errors
    /// Missing credentials.
    pub async fn quota(&self, desired: &Desired) -> Result<Option<Quota>, Problem> {
        Ok(Box::pin(leeway::quota(self, &desired.instance_type)).await?)
    }

    /// The rules of a security group.
    ///
    /// # Errors
    /// What forbids looking.
    pub async fn rules(&self, group: &GroupId) -> Result<Vec<GroupRule>, Problem> {
        Ok(observe::rules(self, group).await?)
    }
}

impl Aws {
    /// What AWS's price list says of these types, or of all that the region has, and of what else a machine is made of;
    /// `now` is in seconds since the Unix epoch.
    ///
    /// # Errors
    /// What forbids asking.
    pub async fn quote(&self, types: Option<&BTreeSet<InstanceType>>, now: u64) -> Result<Quote, Problem> {
        Ok(pricing::quote(self, types, now).await?)
    }

    /// The machine's snapshots with their sizes; unknown where they may not be looked at.
    ///
    /// # Errors
    /// Missing credentials.
    pub async fn stored(&self, desired: &Desired) -> Result<Fact<Vec<Stored>>, Problem> {
        Ok(pricing::stored(self, desired).await?)
    }
}

impl World for Aws {
    async fn observe(&self, desired: &Desired, goal: Goal) -> Result<Observed, Problem> {
        Ok(Box::pin(observe::observe(self, desired, goal)).await?)
    }

    async fn glance(&self, desired: &Desired) -> Result<Observed, Problem> {
        Ok(observe::power(self, desired).await?)
    }

    async fn perform(&self, desired: &Desired, step: &Step) -> Result<Done, Failure> {
        Box::pin(perform::perform(self, desired, step)).await
    }

    fn takes_new_credentials(&self) -> bool {
        self.takes_new_credentials()
    }
}
