//! The state of this AWS: plain data, stored as it is.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::backend::{Power, SessionBackend, Storage};
use crate::clock::At;
use crate::conditions::Conditions;
use crate::dlm;
use crate::ec2::{
    self, CapacityReservation, Gateway, Group, Instance, Interface, Launch, Modification, RouteTable,
    Snapshot, Subnet, Volume, Vpc,
};
use crate::iam::Iam;
use crate::ids::Ids;
use crate::principal::Principal;
use crate::ssm::Session;
use crate::sso::Sso;
use crate::temporary::Temporary;
use crate::wire::{Fail, Service};

/// Tags of a resource.
pub type Tags = BTreeMap<String, String>;

/// Everything.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct World {
    /// By the twelve digits.
    pub accounts: BTreeMap<String, Account>,
    /// Who is signed in, and who is about to be.
    #[serde(default)]
    pub(crate) sso: Sso,
    /// Credentials that end, by their access key.
    #[serde(default)]
    pub(crate) temporary: BTreeMap<String, Temporary>,
    /// Serial numbers of MFA devices with codes that were used.
    #[serde(default)]
    pub(crate) used_codes: BTreeSet<(String, String)>,
    pub(crate) ids: Ids,
}

/// One account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Account {
    /// Roles and instance profiles; global.
    pub iam: Iam,
    /// By name.
    pub regions: BTreeMap<String, Region>,
}

/// One region of an account. Everything is kept by its id.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Region {
    pub vpcs: BTreeMap<String, Vpc>,
    pub subnets: BTreeMap<String, Subnet>,
    pub gateways: BTreeMap<String, Gateway>,
    pub route_tables: BTreeMap<String, RouteTable>,
    pub groups: BTreeMap<String, Group>,
    pub instances: BTreeMap<String, Instance>,
    pub interfaces: BTreeMap<String, Interface>,
    pub volumes: BTreeMap<String, Volume>,
    pub snapshots: BTreeMap<String, Snapshot>,
    /// The last modification of each volume.
    pub modifications: BTreeMap<String, Modification>,
    /// By client token.
    pub launches: BTreeMap<String, Launch>,
    /// Route tables by client token: the request and the id.
    pub route_table_tokens: BTreeMap<String, (String, String)>,
    pub sessions: BTreeMap<String, Session>,
    #[serde(default)]
    pub capacity_reservations: BTreeMap<String, CapacityReservation>,
    /// Capacity reservations by client token: the request and the id.
    #[serde(default)]
    pub capacity_reservation_tokens: BTreeMap<String, (String, String)>,
    /// Volumes by client token: the request and what it made.
    #[serde(default)]
    pub volume_tokens: BTreeMap<String, (String, Volume)>,
    /// Of the Data Lifecycle Manager.
    #[serde(default)]
    pub policies: BTreeMap<String, dlm::Policy>,
    /// It has been set up.
    pub(crate) settled: bool,
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            accounts: BTreeMap::new(),
            sso: Sso::default(),
            temporary: BTreeMap::new(),
            used_codes: BTreeSet::new(),
            ids: Ids::new(seed),
        }
    }

    /// Nothing in it; ids go on, so that none repeats.
    pub(crate) fn clear(&mut self) {
        let ids = self.ids.clone();
        *self = Self { ids, ..Self::new(0) };
    }

    /// What stays of a call that did nothing: an id is never given twice, a poll was a poll, and a code is used up.
    pub(crate) fn keep_of(&mut self, call: Self) {
        self.ids = call.ids;
        self.sso.polls = call.sso.polls;
        self.used_codes = call.used_codes;
    }

    /// The region of an account, as a test reads it.
    pub fn region(&self, account: &str, region: &str) -> Option<&Region> {
        self.accounts.get(account)?.regions.get(region)
    }

    /// Gives the account's region its default VPC when it is first looked at.
    pub(crate) fn ensure(&mut self, account: &str, region: &str, conditions: &Conditions, now: At) {
        let place = self
            .accounts
            .entry(account.to_owned())
            .or_default()
            .regions
            .entry(region.to_owned())
            .or_default();
        if !place.settled {
            place.settled = true;
            if conditions.default_vpc {
                ec2::default_vpc(place, &mut self.ids, region, now);
            }
        }
    }

    /// Moves everything on that is due, and says what the machines are to know of it.
    pub(crate) fn settle(&mut self, now: At, conditions: &Conditions) -> Vec<News> {
        let mut news = Vec::new();
        let Self { accounts, ids, .. } = self;
        for (owner, Account { iam, regions }) in accounts {
            for (name, region) in regions {
                ec2::settle(region, now, &conditions.pace, &mut news);
                ec2::settle_volumes(region, now, &mut news);
                let mut place = dlm::Place { iam: &*iam, owner, name, region, ids: &mut *ids, conditions };
                dlm::settle(&mut place, now, &mut news);
            }
        }
        news
    }

    fn all_regions(&self) -> impl Iterator<Item = &Region> {
        self.accounts.values().flat_map(|account| account.regions.values())
    }

    /// What machines are to know that were not there before: who runs, and with which volumes.
    pub(crate) fn present(&self) -> Vec<News> {
        let mut news = Vec::new();
        for region in self.all_regions() {
            let running = region.instances.values().filter(|instance| instance.is_running());
            news.extend(running.map(|instance| News::Power(instance.id.clone(), Power::On)));
            news.extend(ec2::attached(region).map(News::Storage));
        }
        news
    }

    /// What machines are to know when the world ends.
    pub(crate) fn absent(&self) -> Vec<News> {
        let mut news = Vec::new();
        for region in self.all_regions() {
            let machines = region.instances.keys().cloned();
            news.extend(machines.map(|id| News::Power(id, Power::Destroyed)));
            let volumes = region.volumes.keys().cloned().map(|volume| Storage::Deleted { volume });
            let snapshots = region.snapshots.keys().cloned().map(|snapshot| Storage::Forgotten { snapshot });
            news.extend(volumes.chain(snapshots).map(News::Storage));
        }
        news
    }

    /// A machine has powered itself off: what becomes of it, if it was running.
    pub(crate) fn power_off_inside(
        &mut self,
        instance: &str,
        now: At,
        pace: &crate::Pace,
        news: &mut Vec<News>,
    ) {
        for region in self.accounts.values_mut().flat_map(|account| account.regions.values_mut()) {
            ec2::power_off_inside(region, instance, now, pace, news);
        }
    }
}

/// What the machines are to know, in the order in which it happened.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// Of an instance.
    Power(String, Power),
    /// The new size of an instance's root volume, in GiB.
    Resize(String, u32),
    Storage(Storage),
}

/// What an operation works with that belongs to no single account.
#[derive(Debug)]
pub(crate) struct Everywhere<'a> {
    pub(crate) world: &'a mut World,
    pub(crate) conditions: &'a Conditions,
    /// Empty where the request does not say it.
    pub(crate) region: &'a str,
    pub(crate) now: At,
}

/// What an operation works with.
pub(crate) struct Ctx<'a> {
    pub(crate) account: &'a mut Account,
    pub(crate) ids: &'a mut Ids,
    pub(crate) conditions: &'a Conditions,
    pub(crate) caller: &'a Principal,
    pub(crate) region: &'a str,
    pub(crate) now: At,
    pub(crate) backend: &'a dyn SessionBackend,
    /// What the machines are to know of the operation, told to them once it is committed.
    pub(crate) news: Vec<News>,
}

impl<'a> Ctx<'a> {
    pub(crate) fn new(
        world: &'a mut World,
        conditions: &'a Conditions,
        caller: &'a Principal,
        region: &'a str,
        now: At,
        backend: &'a dyn SessionBackend,
    ) -> Self {
        world.ensure(&caller.account, region, conditions, now);
        let World { accounts, ids, .. } = world;
        let account = accounts.entry(caller.account.clone()).or_default();
        Self { account, ids, conditions, caller, region, now, backend, news: Vec::new() }
    }

    /// The region of the request.
    pub(crate) fn here(&mut self) -> &mut Region {
        self.account.regions.entry(self.region.to_owned()).or_default()
    }

    /// A further permission that the operation needs.
    pub(crate) fn allow(&self, service: Service, operation: &str, resource: &str) -> Result<(), Fail> {
        if self.caller.may(service, operation) {
            return Ok(());
        }
        let action = format!("{}:{operation}", service.name());
        // The service that was called words the refusal, not the one whose permission is missing.
        Err(self.caller.denial(Service::Ec2, &action, resource))
    }

    /// The account's twelve digits.
    pub(crate) fn owner(&self) -> &'a str {
        &self.caller.account
    }
}
