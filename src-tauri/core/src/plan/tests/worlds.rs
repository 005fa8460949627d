//! Random worlds: grown by Holdfast, half-way and damaged, and worlds that nothing sensible has grown.

use super::fixture::*;
use crate::machine::{
    Desired, Fact, Instance, Leeway, Lifecycle, Modification, ModificationState, Observed, Power, Quota,
    Reservation, RootVolume, Rule, Snapshot, SnapshotProgress, TAG_CARRIED, TAG_COPY, TAG_FINAL,
    TAG_GENERATION, TAG_HOME, TAG_MACHINE, TAG_MAKER, TAG_NETWORK, TAG_OWNER, TAG_REPLACES, TAG_RESIZE,
    TAG_RETIRED, Tags, Volume, WayOut, Why,
};
use crate::plan::{Step, decide};

/// Random numbers of a seed: splitmix64.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(super) fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub(super) fn below(&mut self, n: usize) -> usize {
        usize::try_from(self.roll() % n.max(1) as u64).unwrap()
    }

    /// Once in `n` times.
    pub(super) fn once_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub(super) fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }

    pub(super) fn shuffle<T>(&mut self, all: &mut [T]) {
        for i in (1..all.len()).rev() {
            all.swap(i, self.below(i + 1));
        }
    }

    fn hex(&mut self) -> String {
        format!("{:08x}", self.roll() >> 32)
    }
}

/// Ids in random order.
impl Ids for Dice {
    fn next(&mut self, prefix: &'static str, _: &Step) -> String {
        format!("{prefix}-{}", self.hex())
    }
}

/// Settings of a user's, or with things of the company's.
pub(super) fn settings(dice: &mut Dice) -> Desired {
    let scheduled = dice.once_in(3);
    let snapshot_every = scheduled.then_some(24);
    let wanted = || Desired { snapshot_every, ..wanted() };
    match dice.below(8) {
        0 => Desired { snapshot_every, ..wanted_in_company_subnet() },
        1 => wanted_with_company_profile(),
        2 => Desired { alternates: vec![id("m7g.xlarge")], ..wanted() },
        3 => Desired { instance_profile: Some(id("company-ssm")), ..wanted_in_company_subnet() },
        4 => Desired { zone: Some(id(name(dice, &["us-west-2a", "us-west-2b"]))), ..wanted() },
        _ => wanted(),
    }
}

/// The account before anything of ours is in it.
pub(super) fn account(desired: &Desired, dice: &mut Dice) -> Observed {
    let mut world = empty();
    if desired.subnet.is_some() {
        let way_out = if dice.once_in(2) { WayOut::Gateway } else { WayOut::Other };
        there(&mut world.subnets).push(company_subnet(Fact::Present(way_out)));
    }
    if desired.instance_profile.is_some() {
        world.profile = Fact::Present(company_profile(desired));
    }
    world
}

/// A world in which Holdfast was at work until somebody pulled the plug.
pub(super) fn half_made(desired: &Desired, dice: &mut Dice) -> Observed {
    let mut world = account(desired, dice);
    for goal in [*dice.one_of(&GOALS), *dice.one_of(&GOALS), crate::plan::Goal::Settings] {
        let steps = if dice.once_in(2) { usize::MAX } else { dice.below(30) };
        for _ in 0..steps {
            let next = decide(desired, &world, goal);
            if next.ready.is_empty() {
                if next.waiting.is_empty() {
                    break;
                }
                world = world.settled_after(&next.waiting);
                continue;
            }
            let step = dice.one_of(&next.ready).clone();
            world = perform(desired, world, &step, dice);
        }
    }
    for instance in there(&mut world.instances) {
        instance.launched.get_or_insert_with(|| "2026-11-02T10:00:00Z".to_owned());
    }
    world
}

/// A half-made world in which people have been at work as well.
pub(super) fn damaged(desired: &Desired, dice: &mut Dice) -> Observed {
    let mut world = half_made(desired, dice);
    for _ in 0..dice.below(6) {
        damage(desired, &mut world, dice);
    }
    world
}

fn some<'a, T>(list: &'a mut Fact<Vec<T>>, dice: &mut Dice) -> Option<&'a mut T> {
    let all = there(list);
    let index = dice.below(all.len());
    all.get_mut(index)
}

fn lose<T>(list: &mut Fact<Vec<T>>, keep: impl Fn(&T) -> bool, dice: &mut Dice) {
    let all = there(list);
    let index = dice.below(all.len());
    if all.get(index).is_some_and(|thing| !keep(thing)) {
        all.remove(index);
    }
}

fn maker(dice: &mut Dice) -> &'static str {
    if dice.once_in(2) { ME } else { OTHER }
}

const POWERS: [Power; 6] =
    [Power::Pending, Power::Running, Power::Stopping, Power::Stopped, Power::ShuttingDown, Power::Terminated];

/// One thing that somebody did by hand, or that another laptop left behind.
fn damage(desired: &Desired, w: &mut Observed, dice: &mut Dice) {
    let company = desired.subnet.clone();
    match dice.below(50) {
        0 => {
            lose(&mut w.vpcs, |_| false, dice);
            nothing_without_its_vpc(w);
        }
        1 => lose(&mut w.subnets, |s| Some(&s.id) == company.as_ref(), dice),
        2 => lose(&mut w.gateways, |_| false, dice),
        3 => lose(&mut w.route_tables, |_| false, dice),
        4 => lose(&mut w.groups, |_| false, dice),
        5 => w.role = Fact::Absent,
        6 if desired.instance_profile.is_none() => w.profile = Fact::Absent,
        7 => {
            lose(&mut w.instances, |_| false, dice);
            nothing_attached_to_nothing(w);
        }
        8 | 9 => power(w, dice),
        10 => with(&mut w.vpcs, dice, |v, _| v.dns_support = Fact::Present(false)),
        11 => with(&mut w.vpcs, dice, |v, _| v.dns_hostnames = Fact::Present(false)),
        12 => with(&mut w.subnets, dice, |s, _| s.public_addresses = false),
        13 => with(&mut w.gateways, dice, |g, _| g.vpc = None),
        14 => with(&mut w.route_tables, dice, |t, dice| {
            t.default_gateway = if dice.once_in(2) { None } else { Some(id("igw-99999999")) };
        }),
        15 => with(&mut w.route_tables, dice, |t, _| t.associations.clear()),
        16 => with(&mut w.groups, dice, |g, dice| {
            let rule =
                Rule { id: id(&format!("sgr-{}", dice.hex())), text: "tcp 22 from 0.0.0.0/0".to_owned() };
            g.inbound.push(rule);
        }),
        17 => with(&mut w.groups, dice, |g, _| g.outbound = false),
        18 => {
            if let Fact::Present(role) = &mut w.role {
                match dice.below(4) {
                    0 => role.managed.clear(),
                    1 => role.inline.clear(),
                    2 => _ = role.managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned()),
                    _ => role.inline.values_mut().for_each(|policy| *policy = serde_json::json!({})),
                }
            }
        }
        19 if desired.instance_profile.is_none() => {
            if let Fact::Present(profile) = &mut w.profile {
                profile.role = if dice.once_in(2) { None } else { Some("admin".to_owned()) };
            }
        }
        20 if desired.instance_profile.is_none() => {
            let claim = match dice.below(3) {
                0 => None,
                1 => Some("vpc-99999999".to_owned()),
                _ => some(&mut w.vpcs, dice).map(|vpc| vpc.id.to_string()),
            };
            if let Fact::Present(profile) = &mut w.profile {
                profile.tags.remove(TAG_NETWORK);
                profile.tags.extend(claim.map(|claim| (TAG_NETWORK.to_owned(), claim)));
            }
        }
        21 => with(&mut w.instances, dice, |i, dice| match dice.below(4) {
            0 => i.protected = Fact::Present(false),
            1 => i.stops_on_shutdown = Fact::Present(false),
            2 => i.metadata_guarded = false,
            _ => i.root.iter_mut().for_each(|root| root.goes_with_instance ^= true),
        }),
        22..=24 => {
            if let Some(tags) = some_tags(w, dice) {
                match dice.below(4) {
                    0 => _ = tags.remove("do-not-nuke"),
                    1 => _ = tags.insert("Name".to_owned(), "renamed".to_owned()),
                    2 => _ = tags.insert("team".to_owned(), "eevee".to_owned()),
                    _ => _ = tags.insert(TAG_GENERATION.to_owned(), dice.below(3).to_string()),
                }
            }
        }
        25 | 26 => twin(w, dice),
        27 => {
            let vpc = some(&mut w.vpcs, dice).map(|vpc| vpc.id.to_string());
            if let Some(vpc) = vpc {
                let table = format!("rtb-{}", dice.hex());
                there(&mut w.route_tables).push(twin_table(&table, &vpc, maker(dice)));
            }
        }
        28 => {
            let gateway = format!("igw-{}", dice.hex());
            there(&mut w.gateways).push(twin_gateway(&gateway, None, maker(dice)));
        }
        29 => {
            let tags = tags("volume", None);
            let disk = Volume {
                id: id(&format!("vol-{}", dice.hex())),
                of: None,
                size: 8,
                iops: Some(3000),
                throughput: Some(125),
                created: None,
                modification: Fact::NOT_LOOKED,
                attached: None,
                encrypted: true,
                tags,
            };
            there(&mut w.volumes).push(disk);
        }
        30 => {
            let of =
                some(&mut w.instances, dice).map(|i| (i.id.to_string(), i.root.clone().map(|root| root.id)));
            if let Some((instance, volume)) = of {
                let progress = *dice.one_of(&[
                    SnapshotProgress::Pending,
                    SnapshotProgress::Complete,
                    SnapshotProgress::Failed,
                ]);
                let taken = dice.one_of(&["2026-11-01T00:00:00Z", "2026-11-03T00:00:00Z"]);
                let mut tags = tags("snapshot", None);
                tags.insert(TAG_FINAL.to_owned(), instance);
                let id = id(&format!("snap-{}", dice.hex()));
                there(&mut w.snapshots).push(Snapshot {
                    id,
                    size: 100,
                    bytes: None,
                    volume,
                    taken: Some((*taken).to_owned()),
                    progress,
                    tags,
                });
            }
        }
        31 => with(&mut w.volumes, dice, |v, _| v.tags.clear()),
        32 => strangers(w, dice),
        33 | 34 => with(&mut w.instances, dice, |i, dice| {
            i.instance_type = id(name(dice, &["m8g.large", "m7g.xlarge", "m8g.xlarge"]));
            if dice.once_in(3) {
                i.tags.insert(TAG_RESIZE.to_owned(), (*dice.one_of(&["m8g.large", "no type"])).to_owned());
            }
        }),
        35 => with(&mut w.volumes, dice, |v, dice| {
            v.size = if dice.once_in(2) { 50 } else { 200 };
            v.iops = *dice.one_of(&[None, Some(3000), Some(6000)]);
            v.modification = modification(dice);
        }),
        36 => {
            let (instance_type, zone) =
                (id(name(dice, &["m8g.xlarge", "m8g.large"])), "us-west-2a".to_owned());
            let id = id(&format!("cr-{}", dice.hex()));
            there(&mut w.reservations).push(Reservation {
                id,
                instance_type,
                zone,
                active: dice.once_in(2),
                free: dice.once_in(2),
            });
        }
        37 => _ = w.short.insert(id(name(dice, &["m8g.xlarge", "m8g.large", "m7g.xlarge"]))),
        38 | 39 => {
            let quota =
                *dice.one_of(&[None, Some(Quota { limit: 8, used: 4 }), Some(Quota { limit: 6, used: 4 })]);
            w.leeway = Fact::Present(Leeway { denied: vec![], may_reserve: dice.once_in(2), quota });
        }
        40..=43 => replacement(w, dice),
        44 => with(&mut w.lifecycles, dice, |policy, dice| match dice.below(3) {
            0 => policy.rule = None,
            1 => policy.idle = Some("DISABLED".to_owned()),
            _ => _ = policy.tags.remove("do-not-nuke"),
        }),
        45 => lose(&mut w.lifecycles, |_| false, dice),
        46 => {
            let id = id(&format!("policy-{}", dice.hex()));
            let tags = tags("snapshots", Some(maker(dice)));
            there(&mut w.lifecycles).push(Lifecycle { id, tags, rule: None, idle: None });
        }
        47 => {
            if let Fact::Present(role) = &mut w.backup_role {
                match dice.below(3) {
                    0 => role.inline.clear(),
                    1 => _ = role.managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned()),
                    _ => w.backup_role = Fact::Absent,
                }
            }
        }
        _ => {
            w.maker = OTHER.to_owned();
        }
    }
}

/// Another instance on its way into the place of one that is there, or already in it.
fn replacement(w: &mut Observed, dice: &mut Dice) {
    let replaced = |i: &Instance| i.tags.contains_key(TAG_REPLACES) || i.tags.contains_key(TAG_RETIRED);
    if there(&mut w.instances).iter().any(replaced) {
        return;
    }
    let alive = some(&mut w.instances, dice).filter(|i| i.vpc.is_some() && i.power != Power::ShuttingDown);
    let Some(old) = alive.map(|old| old.clone()) else { return };
    let from = some(&mut w.snapshots, dice).map(|snapshot| snapshot.id.to_string());
    let from = from.unwrap_or_else(|| "snap-0000000a".to_owned());
    let (name, disk) = (format!("i-{}", dice.hex()), format!("vol-{}", dice.hex()));
    let mut new = old.clone();
    new.id = id(&name);
    new.token = Some(name.clone());
    new.power = *dice.one_of(&[Power::Pending, Power::Running, Power::Running, Power::Stopped]);
    new.tags.insert(TAG_REPLACES.to_owned(), old.id.to_string());
    let home = if dice.once_in(3) { from.clone() } else { "last".to_owned() };
    new.tags.insert(TAG_HOME.to_owned(), home);
    if dice.once_in(3) {
        new.tags.insert(TAG_CARRIED.to_owned(), from.clone());
    }
    if let Some(root) = &mut new.root {
        root.id = id(&disk);
    }
    let attached = dice.once_in(2).then(|| id(&name));
    let mut copy = some_disk(&format!("vol-{}", dice.hex()), attached);
    copy.of = Some(id(&from));
    copy.tags.insert(TAG_COPY.to_owned(), name.clone());
    there(&mut w.volumes)
        .extend([some_disk(&disk, Some(id(&name)))].into_iter().chain(dice.once_in(2).then_some(copy)));
    there(&mut w.instances).push(new);
    if dice.once_in(4) {
        let mut others = there(&mut w.instances).iter_mut().filter(|i| i.id == old.id);
        others.next().unwrap().tags.insert(TAG_RETIRED.to_owned(), name);
    }
    w.newcomer = if dice.once_in(2) { Fact::Absent } else { Fact::Present(()) };
}

fn some_disk(name: &str, attached: Option<crate::names::InstanceId>) -> Volume {
    Volume {
        id: id(name),
        of: None,
        created: None,
        size: 100,
        iops: Some(3000),
        throughput: Some(125),
        modification: Fact::NOT_LOOKED,
        attached,
        encrypted: true,
        tags: tags("volume", None),
    }
}

fn name(dice: &mut Dice, all: &[&'static str]) -> &'static str {
    all[dice.below(all.len())]
}

fn modification(dice: &mut Dice) -> Fact<Modification> {
    let states = [
        ModificationState::Modifying,
        ModificationState::Optimizing,
        ModificationState::Completed,
        ModificationState::Failed,
    ];
    if dice.once_in(3) {
        return Fact::NOT_LOOKED;
    }
    Fact::Present(Modification { state: *dice.one_of(&states), began: None, progress: 0 })
}

fn with<T>(list: &mut Fact<Vec<T>>, dice: &mut Dice, change: impl FnOnce(&mut T, &mut Dice)) {
    if let Some(thing) = some(list, dice) {
        change(thing, dice);
    }
}

/// AWS does not delete a VPC with something in it: what the list has lost is its tag. But a cleaner takes all.
fn nothing_without_its_vpc(w: &mut Observed) {
    let known: Vec<_> = w.vpcs.all().iter().map(|v| v.id.clone()).collect();
    let alone = |vpc: &crate::names::VpcId| vpc.as_str() == "vpc-cccccccc" || known.contains(vpc);
    there(&mut w.subnets).retain(|s| alone(&s.vpc));
    there(&mut w.gateways).iter_mut().for_each(|g| g.vpc = g.vpc.take().filter(&alone));
    there(&mut w.route_tables).retain(|t| alone(&t.vpc));
    there(&mut w.groups).retain(|g| alone(&g.vpc));
    there(&mut w.instances).retain(|i| i.vpc.as_ref().is_none_or(&alone));
    nothing_attached_to_nothing(w);
}

fn nothing_attached_to_nothing(w: &mut Observed) {
    let known: Vec<_> = w.instances.all().iter().map(|i| i.id.clone()).collect();
    there(&mut w.volumes).retain(|v| v.attached.as_ref().is_none_or(|id| known.contains(id)));
}

fn power(w: &mut Observed, dice: &mut Dice) {
    let power = *dice.one_of(&POWERS);
    let Some(instance) = some(&mut w.instances, dice).filter(|i| i.power != Power::Terminated) else {
        return;
    };
    instance.power = power;
    let id = instance.id.clone();
    if power == Power::Terminated {
        instance.vpc = None;
        there(&mut w.volumes).retain(|v| v.attached.as_ref() != Some(&id));
    }
    if power != Power::Running {
        w.agent = Fact::Absent;
    }
}

/// A network that another laptop, or this one in another moment, has made.
fn twin(w: &mut Observed, dice: &mut Dice) {
    let vpc = format!("vpc-{}", dice.hex());
    there(&mut w.vpcs).push(twin_vpc(&vpc, maker(dice)));
    let subnet = format!("subnet-{}", dice.hex());
    if dice.once_in(2) {
        there(&mut w.subnets).push(twin_subnet(&subnet, &vpc, maker(dice)));
    }
    if dice.once_in(2) {
        let gateway = format!("igw-{}", dice.hex());
        there(&mut w.gateways).push(twin_gateway(&gateway, Some(&vpc), maker(dice)));
    }
    if dice.once_in(2) {
        let mut table = twin_table(&format!("rtb-{}", dice.hex()), &vpc, maker(dice));
        if dice.once_in(2) && w.subnets.all().iter().any(|s| s.id.as_str() == subnet) {
            table.associations.push((id(&format!("rtbassoc-{}", dice.hex())), id(&subnet)));
        }
        there(&mut w.route_tables).push(table);
    }
    if dice.once_in(2) {
        there(&mut w.groups).push(twin_group(&format!("sg-{}", dice.hex()), &vpc, maker(dice)));
    }
}

/// Things that are nobody's, or somebody else's, beside ours.
fn strangers(w: &mut Observed, dice: &mut Dice) {
    let theirs: Tags = match dice.below(3) {
        0 => Tags::new(),
        1 => [("Name".to_owned(), "company".to_owned())].into(),
        _ => [(TAG_MACHINE.to_owned(), "bob/remote-dev/us-west-2".to_owned())].into(),
    };
    let own = some(&mut w.vpcs, dice).map(|vpc| vpc.id.to_string());
    let vpc = own.filter(|_| dice.once_in(2)).unwrap_or_else(|| "vpc-bbbbbbbb".to_owned());
    let hex = dice.hex();
    match dice.below(5) {
        0 => {
            let mut thing = twin_vpc(&format!("vpc-{hex}"), ME);
            thing.tags = theirs;
            there(&mut w.vpcs).push(thing);
        }
        1 => {
            let mut thing = twin_gateway(&format!("igw-{hex}"), Some("vpc-bbbbbbbb"), ME);
            thing.tags = theirs;
            there(&mut w.gateways).push(thing);
        }
        2 => {
            let mut thing = twin_table(&format!("rtb-{hex}"), &vpc, ME);
            thing.tags = theirs;
            there(&mut w.route_tables).push(thing);
        }
        3 => {
            let mut thing = twin_group(&format!("sg-{hex}"), &vpc, ME);
            thing.tags = theirs;
            there(&mut w.groups).push(thing);
        }
        _ => {
            let disk = Volume {
                id: id(&format!("vol-{hex}")),
                of: None,
                size: 8,
                iops: Some(3000),
                throughput: Some(125),
                created: None,
                modification: Fact::NOT_LOOKED,
                attached: None,
                encrypted: false,
                tags: theirs,
            };
            there(&mut w.volumes).push(disk);
        }
    }
}

fn some_tags<'a>(w: &'a mut Observed, dice: &mut Dice) -> Option<&'a mut Tags> {
    let key = wanted().key();
    let mut all: Vec<&mut Tags> = Vec::new();
    all.extend(there(&mut w.vpcs).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.subnets).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.gateways).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.route_tables).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.groups).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.instances).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.volumes).iter_mut().map(|r| &mut r.tags));
    for role in [&mut w.role, &mut w.backup_role] {
        if let Fact::Present(role) = role {
            all.push(&mut role.tags);
        }
    }
    all.retain(|tags| tags.get(TAG_MACHINE) == Some(&key));
    let index = dice.below(all.len());
    all.into_iter().nth(index)
}

/// Anything at all that the types allow, out of a few ids so that things refer to each other.
pub(super) fn arbitrary(desired: &Desired, dice: &mut Dice) -> Observed {
    let mut w = damaged(desired, dice);
    for _ in 0..dice.below(12) {
        let (a, b) = (dice.below(4), dice.below(4));
        let vpc_ = format!("vpc-0000000{a}");
        match dice.below(14) {
            0 => there(&mut w.vpcs).push(twin_vpc(&vpc_, maker(dice))),
            1 => there(&mut w.subnets).push(twin_subnet(&format!("subnet-0000000{b}"), &vpc_, maker(dice))),
            2 => {
                let gateway = format!("igw-0000000{b}");
                there(&mut w.gateways).push(twin_gateway(&gateway, Some(&vpc_), maker(dice)));
            }
            3 => {
                let mut table = twin_table(&format!("rtb-0000000{b}"), &vpc_, maker(dice));
                for n in 0..dice.below(3) {
                    table
                        .associations
                        .push((id(&format!("rtbassoc-0000000{n}")), id(&format!("subnet-0000000{a}"))));
                }
                table.default_gateway = dice.once_in(2).then(|| id(&format!("igw-0000000{a}")));
                there(&mut w.route_tables).push(table);
            }
            4 => there(&mut w.groups).push(twin_group(&format!("sg-0000000{b}"), &vpc_, maker(dice))),
            5 | 6 => {
                let instance = arbitrary_instance(desired, &w, &vpc_, b, dice);
                there(&mut w.instances).push(instance);
            }
            7 => {
                let attached = dice.once_in(2).then(|| id(&format!("i-0000000{a}")));
                let tags = tags("volume", None);
                let id = id(&format!("vol-0000000{b}"));
                there(&mut w.volumes).push(Volume {
                    id,
                    of: None,
                    size: 0,
                    iops: None,
                    throughput: None,
                    created: None,
                    modification: modification(dice),
                    attached,
                    encrypted: false,
                    tags,
                });
            }
            8 => {
                if let Some(tags) = some_tags(&mut w, dice) {
                    let key = *dice.one_of(&[
                        TAG_MACHINE,
                        TAG_OWNER,
                        TAG_MAKER,
                        TAG_GENERATION,
                        TAG_REPLACES,
                        TAG_RETIRED,
                        TAG_HOME,
                        TAG_CARRIED,
                        TAG_COPY,
                        "Name",
                    ]);
                    if dice.once_in(2) {
                        tags.remove(key);
                    } else {
                        let value = *dice.one_of(&["4294967295", "i-00000001", "i-00000002", "last"]);
                        tags.insert(key.to_owned(), value.to_owned());
                    }
                }
            }
            9 => w.offer = if dice.once_in(2) { Fact::Absent } else { Fact::NOT_LOOKED },
            10 => w.image = if dice.once_in(2) { Fact::Absent } else { Fact::NOT_LOOKED },
            11 => {
                if let Fact::Present(offer) = &mut w.offer {
                    offer.zones.clear();
                }
            }
            12 => w.agent = if dice.once_in(2) { Fact::NOT_LOOKED } else { Fact::Present(()) },
            _ => {
                if let Fact::Present(profile) = &mut w.profile {
                    profile.managed = Fact::Unknown(Why::Failed("x".to_owned()));
                    profile.tags.insert(TAG_NETWORK.to_owned(), vpc_);
                }
            }
        }
    }
    once_each(&mut w);
    for _ in 0..dice.below(4) {
        blind(&mut w, dice);
    }
    w
}

/// Whatever else is wrong with a world, nothing is in it twice.
fn once_each(w: &mut Observed) {
    fn once<T, K: Ord + Clone>(list: &mut Fact<Vec<T>>, key: impl Fn(&T) -> &K) {
        let mut seen = std::collections::BTreeSet::new();
        there(list).retain(|thing| seen.insert(key(thing).clone()));
    }
    once(&mut w.vpcs, |v| &v.id);
    once(&mut w.subnets, |s| &s.id);
    once(&mut w.gateways, |g| &g.id);
    once(&mut w.route_tables, |t| &t.id);
    once(&mut w.groups, |g| &g.id);
    once(&mut w.instances, |i| &i.id);
    once(&mut w.volumes, |v| &v.id);
}

fn arbitrary_instance(desired: &Desired, w: &Observed, vpc: &str, n: usize, dice: &mut Dice) -> Instance {
    let token = w.winners(desired).generation(desired).map(|(network, generation)| {
        let generation = generation.wrapping_add(u32::try_from(dice.below(2)).unwrap());
        crate::plan::client_token(desired, &network, generation)
    });
    Instance {
        id: id(&format!("i-0000000{n}")),
        power: *dice.one_of(&POWERS),
        instance_type: id(if dice.once_in(2) { "m8g.xlarge" } else { "x1.huge" }),
        architecture: (*dice.one_of(&["arm64", "x86_64", ""])).to_owned(),
        vcpus: 4,
        zone: "us-west-2a".to_owned(),
        vpc: dice.once_in(2).then(|| id(vpc)),
        image: None,
        launched: dice.once_in(2).then(|| "2026-11-02T10:00:00Z".to_owned()),
        transition: None,
        fell_short: false,
        stopped_itself: false,
        root: dice.once_in(2).then(|| RootVolume {
            id: id(&format!("vol-0000000{n}")),
            device: "/dev/xvda".to_owned(),
            goes_with_instance: dice.once_in(2),
        }),
        public_address: dice.once_in(2),
        profile: None,
        token,
        metadata_guarded: dice.once_in(2),
        protected: dice.one_of(&[Fact::NOT_LOOKED, Fact::Present(true), Fact::Present(false)]).clone(),
        stops_on_shutdown: dice
            .one_of(&[Fact::NOT_LOOKED, Fact::Present(true), Fact::Present(false)])
            .clone(),
        tags: if dice.once_in(3) { Tags::new() } else { tags("machine", None) },
    }
}

/// One thing cannot be seen.
pub(super) fn blind(w: &mut Observed, dice: &mut Dice) {
    fn hide<T>(fact: &mut Fact<T>, dice: &mut Dice) {
        *fact = if dice.once_in(2) { Fact::NOT_LOOKED } else { Fact::Unknown(Why::Denied("it".to_owned())) };
    }
    match dice.below(14) {
        0 => hide(&mut w.caller, dice),
        1 => hide(&mut w.vpcs, dice),
        2 => hide(&mut w.subnets, dice),
        3 => hide(&mut w.gateways, dice),
        4 => hide(&mut w.route_tables, dice),
        5 => hide(&mut w.groups, dice),
        6 => hide(&mut w.role, dice),
        7 => hide(&mut w.profile, dice),
        8 => hide(&mut w.instances, dice),
        9 => hide(&mut w.volumes, dice),
        10 => hide(&mut w.snapshots, dice),
        11 => hide(&mut w.lifecycles, dice),
        12 => hide(&mut w.backup_role, dice),
        _ => hide(&mut w.agent, dice),
    }
}
