//! What this computer keeps of prices and of the machine's power, to tell what it costs.
//!
//! AWS's price list is asked for what the machine is made of once in a week, where the account allows it. Nothing waits for that for
//! long, and whatever goes wrong, the prices of before are good enough.

use std::collections::BTreeSet;
use std::time::Duration;

use holdfast_core::machine::{Desired, Observed};
use holdfast_core::names::InstanceType;
use holdfast_core::price::{Prices, Quote};
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use crate::aws::Aws;
use crate::problem::Problem;
use crate::store::{Store, StoreError};

/// How long somebody waits who did not ask for it.
const QUIET: Duration = Duration::from_secs(4);
/// How long somebody waits who asked for it: a region has about ten pages of types.
const ASKED: Duration = Duration::from_secs(60);
/// How long the account's refusal is remembered, in seconds.
const REFUSED: u64 = 24 * 60 * 60;
/// How long any other failure is remembered, in seconds.
const FAILED: u64 = 60 * 60;

/// What is on record of the price list, for one profile and region.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Asked {
    /// What it said last.
    #[serde(default)]
    pub quote: Option<Quote>,
    /// Nobody asks again before that without being told to, in seconds since the Unix epoch.
    #[serde(default)]
    pub not_before: u64,
}

impl Asked {
    /// Whether it is time to ask about these types.
    pub fn is_due(&self, types: &BTreeSet<InstanceType>, now: u64) -> bool {
        // What lies further ahead was written by a clock that was wrong.
        let waits = now < self.not_before && self.not_before <= now + REFUSED;
        let types = types.iter().map(InstanceType::as_str);
        !waits && !self.quote.as_ref().is_some_and(|quote| quote.is_fresh(types, now))
    }
}

/// The prices on record. A record that cannot be read is none: the prices of the table are good enough.
pub fn known(store: &Store, desired: &Desired) -> Prices {
    Prices::new(on_record(store, desired).quote)
}

fn on_record(store: &Store, desired: &Desired) -> Asked {
    let asked = store.asked(&key(desired)).unwrap_or_else(|error| {
        tracing::debug!(%error, "the prices on record cannot be read");
        None
    });
    asked.unwrap_or_default()
}

/// Another profile may be another account, which may not look at prices.
fn key(desired: &Desired) -> String {
    let profile = desired.profile.as_ref().map_or("", |profile| profile.as_str());
    format!("{profile}/{}", desired.region)
}

/// The types that prices are wanted of: that of the settings, the alternates, and those that the machine's instances have.
pub fn types(desired: &Desired, observed: &Observed) -> BTreeSet<InstanceType> {
    let there = observed.instances.all().iter().map(|instance| &instance.instance_type);
    desired.alternates.iter().chain([&desired.instance_type]).chain(there).cloned().collect()
}

/// Whether the price list is to be asked now. It is one of AWS's general partition.
pub fn is_due(store: &Store, desired: &Desired, types: &BTreeSet<InstanceType>, now: u64) -> bool {
    desired.region.partition() == "aws" && on_record(store, desired).is_due(types, now)
}

/// Asks the price list about these types, for a short while, and keeps what it says. Whether there is something new.
pub async fn ask(
    store: &Store,
    aws: &Aws,
    desired: &Desired,
    types: &BTreeSet<InstanceType>,
    now: u64,
) -> bool {
    let asked = match timeout(QUIET, aws.quote(Some(types), now)).await {
        Ok(Ok(quote)) => Asked { quote: Some(quote), not_before: 0 },
        failed => {
            tracing::debug!(?failed, "the price list could not be asked");
            let denied = matches!(&failed, Ok(Err(problem)) if problem.is_denied());
            let not_before = now + if denied { REFUSED } else { FAILED };
            Asked { not_before, ..on_record(store, desired) }
        }
    };
    let new = asked.not_before == 0;
    let kept = store.keep_asked(&key(desired), &asked);
    if let Err(error) = &kept {
        tracing::debug!(%error, "the prices cannot be kept");
    }
    new && kept.is_ok()
}

/// Asks the price list about all types of the region, and keeps what it says.
///
/// # Errors
/// What forbids asking.
pub async fn refresh(store: &Store, aws: &Aws, desired: &Desired, now: u64) -> Result<Prices, Problem> {
    if desired.region.partition() != "aws" {
        let what = format!("What things cost in {} is not known", desired.region);
        return Err(
            Problem::new("no_price_list", what).because("the price list is of AWS's general partition")
        );
    }
    let slow = || Problem::new("timeout", "AWS's price list did not answer in time");
    let quote = timeout(ASKED, aws.quote(None, now)).await.map_err(|_| slow())??;
    store.keep_asked(&key(desired), &Asked { quote: Some(quote.clone()), not_before: 0 })?;
    Ok(Prices::new(Some(quote)))
}

/// How much of what a look saw is worth writing down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Worth {
    /// What is new: whoever looks again and again need not write each time that nothing has changed.
    News,
    /// All of it, since the next thing to happen is a start.
    All,
}

/// Adds what a look saw to the record of when the machine was on, and puts that record into the look.
///
/// # Errors
/// When the record cannot be kept.
pub fn note(
    store: &Store,
    desired: &Desired,
    observed: &mut Observed,
    now: u64,
    worth: Worth,
) -> Result<(), StoreError> {
    let key = desired.key();
    let before = store.history(&key)?.unwrap_or_default();
    let mut history = before.clone();
    history.see(desired, observed, now);
    let more = match worth {
        Worth::News => history.says_more_than(&before),
        Worth::All => history != before,
    };
    observed.history = history;
    if more { store.keep_history(&key, &observed.history) } else { Ok(()) }
}

#[cfg(test)]
mod tests;
