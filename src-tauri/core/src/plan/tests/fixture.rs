//! Worlds to plan in, and plans as text.

use std::collections::BTreeMap;
use std::fmt::Write;

use crate::cost::History;
use crate::machine::{
    ConfigSource, Desired, Fact, Gateway, Group, Image, Instance, Observed, Offer, Owner, Power, Profile,
    Role, RouteTable, Subnet, TAG_MACHINE, TAG_MAKER, TAG_NETWORK, TAG_OWNER, Tags, Volume, Vpc,
};
use crate::plan::{Applied, Change, CostChange, Goal, Keep, Leave, Made, Next, Plan, Step, decide, plan};
use crate::price::Prices;

pub(crate) const ME: &str = "laptop-a";
pub(crate) const OTHER: &str = "laptop-b";
pub(crate) const GONE: Goal = Goal::Gone(Leave { volume: false, snapshot: false });
pub(crate) const GOALS: [Goal; 11] = [
    Goal::Settings,
    Goal::Reachable,
    Goal::Stopped,
    GONE,
    Goal::Gone(Leave { volume: true, snapshot: false }),
    Goal::Gone(Leave { volume: false, snapshot: true }),
    Goal::Gone(Leave { volume: true, snapshot: true }),
    Goal::Replaced,
    Goal::Only(Keep::Incumbent),
    Goal::Only(Keep::Machine),
    Goal::Only(Keep::Former),
];

pub(crate) fn id<T: TryFrom<String>>(text: &str) -> T {
    T::try_from(text.to_owned()).ok().unwrap()
}

/// The machine of the issue's example.
pub(crate) fn wanted() -> Desired {
    Desired {
        machine: id("remote-dev"),
        user: id("ada"),
        profile: None,
        region: id("us-west-2"),
        zone: None,
        instance_type: id("m8g.xlarge"),
        alternates: vec![],
        volume_size: 100,
        volume_iops: 3000,
        volume_throughput: 125,
        tags: [(id("do-not-nuke"), id("true"))].into(),
        config: ConfigSource::Embedded,
        off_at: None,
        off_when_idle: None,
        snapshot_every: None,
        snapshot_keep: 7,
        subnet: None,
        instance_profile: None,
        permissions_boundary: None,
        kms_key: None,
        home_from: None,
    }
}

/// The same in a subnet of the company's.
pub(crate) fn wanted_in_company_subnet() -> Desired {
    Desired { subnet: Some(id("subnet-cccccccc")), ..wanted() }
}

/// The same with an instance profile of the company's.
pub(crate) fn wanted_with_company_profile() -> Desired {
    Desired { instance_profile: Some(id("company-ssm")), ..wanted() }
}

/// An account that has nothing of ours in it, seen completely.
pub(crate) fn empty() -> Observed {
    Observed {
        caller: Fact::Present(me()),
        maker: ME.to_owned(),
        offer: Fact::Present(Offer {
            instance_type: id("m8g.xlarge"),
            architecture: "arm64".to_owned(),
            vcpus: 4,
            memory_mib: 16384,
            zones: ["us-west-2a".to_owned(), "us-west-2b".to_owned()].into(),
        }),
        alternates: Fact::Present(vec![]),
        applied: Some(Applied::of(&wanted(), true)),
        prices: Prices::default(),
        history: History::default(),
        short: [].into(),
        cannot_hold: false,
        stopped_here: false,
        leeway: Fact::NOT_LOOKED,
        reservations: Fact::Present(vec![]),
        image: Fact::Present(Image {
            id: id("ami-0123456789abcdef0"),
            name: "nixos/26.05.1-aarch64-linux".to_owned(),
            root_device: "/dev/xvda".to_owned(),
            min_size: 4,
        }),
        vpcs: Fact::Present(vec![]),
        subnets: Fact::Present(vec![]),
        gateways: Fact::Present(vec![]),
        route_tables: Fact::Present(vec![]),
        groups: Fact::Present(vec![]),
        role: Fact::Absent,
        profile: Fact::Absent,
        instances: Fact::Present(vec![]),
        volumes: Fact::Present(vec![]),
        snapshots: Fact::Present(vec![]),
        lifecycles: Fact::Present(vec![]),
        backup_role: Fact::Absent,
        agent: Fact::Absent,
        newcomer: Fact::Absent,
    }
}

pub(crate) fn me() -> Owner {
    Owner::from_tag("123456789012/user/ada")
}

/// A subnet of the company's, with this way out.
pub(crate) fn company_subnet(way_out: Fact<crate::machine::WayOut>) -> Subnet {
    Subnet {
        id: id("subnet-cccccccc"),
        vpc: id("vpc-cccccccc"),
        zone: "us-west-2b".to_owned(),
        addresses: "172.31.16.0/20".to_owned(),
        tags: [("Name".to_owned(), "company".to_owned())].into(),
        public_addresses: false,
        way_out,
    }
}

/// An instance profile of the company's.
pub(crate) fn company_profile(desired: &Desired) -> Profile {
    Profile {
        name: "company-ssm".to_owned(),
        tags: Tags::new(),
        role: Some("company-role".to_owned()),
        managed: Fact::Present([desired.managed_policy()].into()),
    }
}

/// The account with all of the machine in it, running; ids are `vpc-00000001` and the like.
pub(crate) fn whole() -> Observed {
    whole_of(&wanted(), empty())
}

/// `world` after all that `desired` asks for was made in it.
pub(crate) fn whole_of(desired: &Desired, world: Observed) -> Observed {
    let mut ids = Counter::after(0);
    let mut world = reach(desired, world, Goal::Settings, &mut ids).settled();
    for instance in there(&mut world.instances) {
        instance.launched = Some("2026-11-02T10:00:00Z".to_owned());
    }
    world
}

/// Gives ids to what is made.
pub(crate) trait Ids {
    /// The id, beginning with `prefix`, of what the step makes.
    fn next(&mut self, prefix: &'static str, step: &Step) -> String;
}

/// Counts each kind of thing.
pub(crate) struct Counter {
    before: u32,
    made: BTreeMap<&'static str, u32>,
}

impl Counter {
    /// The first of each kind has the number after this one.
    pub(crate) fn after(before: u32) -> Self {
        Self { before, made: BTreeMap::new() }
    }
}

impl Ids for Counter {
    fn next(&mut self, prefix: &'static str, _: &Step) -> String {
        let count = self.made.entry(prefix).or_insert(self.before);
        *count += 1;
        format!("{prefix}-{count:08x}")
    }
}

/// What AWS tells of the new thing.
pub(crate) fn made(step: &Step, ids: &mut impl Ids) -> Option<Made> {
    let mut named = |prefix| ids.next(prefix, step);
    #[expect(clippy::wildcard_enum_match_arm, reason = "no other step makes something with an id")]
    Some(match step {
        Step::CreateVpc => Made::Vpc(id(&named("vpc"))),
        Step::CreateSubnet { .. } => Made::Subnet(id(&named("subnet"))),
        Step::CreateGateway => Made::Gateway(id(&named("igw"))),
        Step::CreateRouteTable { .. } => Made::RouteTable(id(&named("rtb"))),
        Step::AssociateRouteTable { .. } => Made::Association(id(&named("rtbassoc"))),
        Step::CreateGroup { .. } => Made::Group(id(&named("sg"))),
        Step::RunInstance(_) => Made::Instance(id(&named("i"))),
        Step::Snapshot { .. } => Made::Snapshot(id(&named("snap"))),
        Step::CreateCopy { .. } => Made::Volume(id(&named("vol"))),
        Step::CreateLifecycle { .. } => Made::Lifecycle(id(&named("policy"))),
        Step::Reserve { .. } => Made::Reservation(id(&named("cr"))),
        _ => return None,
    })
}

/// Performs the step, as far as a step can be performed here.
pub(crate) fn perform(desired: &Desired, world: Observed, step: &Step, ids: &mut impl Ids) -> Observed {
    let made = made(step, ids);
    let mut world = world.after(desired, step, made.as_ref());
    if let Some(Made::Instance(instance)) = &made {
        let volume = instance.as_str().replace("i-", "vol-");
        there(&mut world.volumes).iter_mut().filter(|v| v.id.is_planned()).for_each(|v| v.id = id(&volume));
        let new = there(&mut world.instances).iter_mut().find(|i| &i.id == instance);
        new.unwrap().root.as_mut().unwrap().id = id(&volume);
    }
    world
}

/// Performs whatever is ready, and waits, until nothing is left to do.
pub(crate) fn reach(desired: &Desired, mut world: Observed, goal: Goal, ids: &mut impl Ids) -> Observed {
    for _ in 0..64 {
        let next = decide(desired, &world, goal);
        if next.ready.is_empty() && next.waiting.is_empty() {
            return world;
        }
        if next.ready.is_empty() {
            world = world.settled_after(&next.waiting);
        }
        for step in &next.ready {
            world = perform(desired, world, step, ids);
        }
    }
    panic!("the goal is not reached: {}", show_next(&decide(desired, &world, goal)));
}

/// A plan as text: what blocks, what is noted, each step with its round, what is waited for now.
pub(crate) fn show(desired: &Desired, observed: &Observed, goal: Goal) -> String {
    show_plan(&plan(desired, observed, goal))
}

pub(crate) fn show_plan(plan: &Plan) -> String {
    let mut text = String::new();
    for drift in &plan.drift {
        let mark = if drift.security { "unsafe" } else { "drift" };
        let _ = writeln!(text, "{mark}: {} ({:?} right: {})", drift.what, drift.right, drift.mend);
    }
    for blocked in &plan.blocked {
        let _ = writeln!(text, "blocked: {blocked:?}");
    }
    for note in &plan.notes {
        let _ = writeln!(text, "note: {note:?}");
    }
    for waiting in &plan.waiting {
        let _ = writeln!(text, "waits for {}", waiting.words());
    }
    for planned in &plan.steps {
        let mark = match planned.words.change {
            Change::Add => '+',
            Change::Alter => '~',
            Change::Remove => '-',
        };
        let _ = write!(text, "{} {mark} {}", planned.round, planned.words.what);
        match planned.monthly {
            Some(CostChange::More(money)) => text += &format!(" [+{money}]"),
            Some(CostChange::Less(money)) => text += &format!(" [-{money}]"),
            Some(CostChange::Hourly(money)) => text += &format!(" [{money:.5} an hour]"),
            None => {}
        }
        let impact = planned.impact;
        text += if impact.costs { " costs" } else { "" };
        text += if impact.interrupts { " interrupts" } else { "" };
        text += if impact.loses_data { " loses data" } else { "" };
        text += if impact.revokes { " revokes" } else { "" };
        text.push('\n');
    }
    if text.is_empty() { "nothing to do\n".to_owned() } else { text }
}

pub(crate) fn show_next(next: &Next) -> String {
    format!("ready {:#?}\nwaiting {:?}\nblocked {:?}", next.ready, next.waiting, next.blocked)
}

/// Several cases, each under its name.
pub(crate) fn show_cases(desired: &Desired, goal: Goal, cases: Vec<(&str, Observed)>) -> String {
    let mut text = String::new();
    for (name, world) in cases {
        let _ = writeln!(text, "# {name}\n{}", show(desired, &world, goal));
    }
    text.trim_end().to_owned() + "\n"
}

/// `whole` with one change.
pub(crate) fn but(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut world = whole();
    change(&mut world);
    world
}

pub(crate) fn instance(world: &mut Observed) -> &mut Instance {
    first(&mut world.instances)
}

pub(crate) fn volume(world: &mut Observed) -> &mut Volume {
    first(&mut world.volumes)
}

pub(crate) fn vpc(world: &mut Observed) -> &mut Vpc {
    first(&mut world.vpcs)
}

pub(crate) fn subnet(world: &mut Observed) -> &mut Subnet {
    first(&mut world.subnets)
}

pub(crate) fn gateway(world: &mut Observed) -> &mut Gateway {
    first(&mut world.gateways)
}

pub(crate) fn table(world: &mut Observed) -> &mut RouteTable {
    first(&mut world.route_tables)
}

pub(crate) fn group(world: &mut Observed) -> &mut Group {
    first(&mut world.groups)
}

pub(crate) fn role(world: &mut Observed) -> &mut Role {
    there(&mut world.role)
}

pub(crate) fn profile(world: &mut Observed) -> &mut Profile {
    there(&mut world.profile)
}

pub(crate) fn there<T>(fact: &mut Fact<T>) -> &mut T {
    match fact {
        Fact::Present(thing) => thing,
        Fact::Absent | Fact::Unknown(_) => panic!("it is not there"),
    }
}

fn first<T>(list: &mut Fact<Vec<T>>) -> &mut T {
    &mut there(list)[0]
}

/// The tags of a thing that `maker` made for this machine.
pub(crate) fn tags(part: &str, maker: Option<&str>) -> Tags {
    let mut tags = Tags::new();
    tags.insert("Name".to_owned(), format!("ada-remote-dev-{part}"));
    tags.insert("do-not-nuke".to_owned(), "true".to_owned());
    tags.insert(TAG_MACHINE.to_owned(), "ada/remote-dev/us-west-2".to_owned());
    tags.insert(TAG_OWNER.to_owned(), "123456789012/user/ada".to_owned());
    tags.extend(maker.map(|maker| (TAG_MAKER.to_owned(), maker.to_owned())));
    tags
}

/// Another VPC with our tag.
pub(crate) fn twin_vpc(id_: &str, maker: &str) -> Vpc {
    let dns = Fact::Present(true);
    Vpc {
        id: id(id_),
        addresses: "10.0.0.0/16".to_owned(),
        tags: tags("vpc", Some(maker)),
        dns_support: dns.clone(),
        dns_hostnames: dns,
    }
}

/// Another subnet with our tag.
pub(crate) fn twin_subnet(id_: &str, vpc: &str, maker: &str) -> Subnet {
    Subnet {
        id: id(id_),
        vpc: id(vpc),
        zone: "us-west-2a".to_owned(),
        addresses: "10.0.0.0/20".to_owned(),
        tags: tags("subnet", Some(maker)),
        public_addresses: true,
        way_out: Fact::NOT_LOOKED,
    }
}

/// Another gateway with our tag.
pub(crate) fn twin_gateway(id_: &str, vpc: Option<&str>, maker: &str) -> Gateway {
    Gateway { id: id(id_), vpc: vpc.map(id), tags: tags("gateway", Some(maker)) }
}

/// Another route table with our tag.
pub(crate) fn twin_table(id_: &str, vpc: &str, maker: &str) -> RouteTable {
    let tags = tags("routes", Some(maker));
    RouteTable { id: id(id_), vpc: id(vpc), default_gateway: None, associations: vec![], tags }
}

/// Another group with our tag.
pub(crate) fn twin_group(id_: &str, vpc: &str, maker: &str) -> Group {
    Group { id: id(id_), vpc: id(vpc), inbound: vec![], outbound: true, tags: tags("group", Some(maker)) }
}

/// The claim of the instance profile.
pub(crate) fn claim(world: &mut Observed, vpc: Option<&str>) {
    let tags = &mut profile(world).tags;
    tags.remove(TAG_NETWORK);
    tags.extend(vpc.map(|vpc| (TAG_NETWORK.to_owned(), vpc.to_owned())));
}

/// The instance has gone this way.
pub(crate) fn powered(power: Power) -> Observed {
    but(|world| {
        let off = !matches!(power, Power::Running | Power::Pending);
        instance(world).power = power;
        if power != Power::Running {
            world.agent = Fact::Absent;
        }
        if off {
            instance(world).public_address = false;
        }
        if power == Power::Terminated {
            instance(world).vpc = None;
            world.volumes = Fact::Present(vec![]);
        }
    })
}
