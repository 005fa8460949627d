//! The resource table of the design, written a second time: what must be true of the world when `apply` is done.

use crate::machine::{Desired, Fact, Instance, Observed, Power, TAG_REPLACES, TAG_RETIRED, Tags};

/// Whether the world has all that the settings ask for.
pub(super) fn check(desired: &Desired, world: &Observed) -> Result<(), String> {
    let key = format!("{}/{}/{}", desired.user, desired.machine, desired.region);
    let ours = |tags: &Tags| tags.get("holdfast:machine") == Some(&key);
    let owner = world.caller.present().ok_or("no caller")?.to_string();
    let tagged = |what: &str, tags: &Tags| -> Result<(), String> {
        let name = format!("{}-{}-{what}", desired.user, desired.machine);
        let user = desired.tags.iter().map(|(k, v)| (k.to_string(), v.to_string()));
        let fixed = [("Name".to_owned(), name), ("holdfast:machine".to_owned(), key.clone())];
        let owner = [("holdfast:owner".to_owned(), owner.clone())];
        for (tag, value) in user.chain(fixed).chain(owner) {
            if tags.get(&tag) != Some(&value) {
                return Err(format!("{what}: tag {tag} is {:?}, not {value:?}", tags.get(&tag)));
            }
        }
        Ok(())
    };

    let alive = world.instances.all().iter().filter(|i| ours(&i.tags) && i.power != Power::Terminated);
    let stands_aside = |i: &&Instance| {
        let named = |tag: &str| {
            let id = i.tags.get(tag)?;
            world
                .instances
                .all()
                .iter()
                .find(|other| other.id.as_str() == id && other.power != Power::Terminated)
        };
        named(TAG_RETIRED).is_some()
            || named(TAG_REPLACES).is_some_and(|old| !old.tags.contains_key(TAG_RETIRED))
    };
    let alive: Vec<_> = alive.filter(|i| !stands_aside(i)).collect();
    let [machine] = alive[..] else { return Err(format!("{} machines", alive.len())) };
    tagged("machine", &machine.tags)?;
    let checks = [
        ("protected", machine.protected == Fact::Present(true)),
        ("stops on shutdown", machine.stops_on_shutdown == Fact::Present(true)),
        ("metadata guarded", machine.metadata_guarded),
    ];
    for (what, right) in checks {
        if !right {
            return Err(format!("the machine is not {what}"));
        }
    }
    let home = machine.vpc.as_ref().ok_or("the machine is in no VPC")?;
    let root = machine.root.as_ref().ok_or("the machine has no root volume")?;
    let disk = world.volumes.all().iter().find(|v| v.id == root.id).ok_or("the root volume is not there")?;
    tagged("volume", &disk.tags)?;
    let short = world.short.contains(&desired.instance_type);
    let fits = world.offer.present().is_some_and(|offer| offer.zones.contains(&machine.zone));
    if machine.instance_type != desired.instance_type && !short && fits {
        return Err(format!("the machine is {}", machine.instance_type));
    }
    if machine.tags.contains_key("holdfast:resize") {
        return Err("the machine is marked as changing".to_owned());
    }
    if disk.size < desired.volume_size || disk.iops.is_some_and(|iops| iops != desired.volume_iops) {
        return Err(format!("the volume has {} GiB and {:?} IOPS", disk.size, disk.iops));
    }
    if !world.reservations.all().is_empty() {
        return Err("capacity is still held".to_owned());
    }

    let groups = world.groups.all().iter().filter(|g| &g.vpc == home && ours(&g.tags));
    let group = groups.min_by_key(|g| &g.id).ok_or("no group")?;
    tagged("group", &group.tags)?;
    if !group.inbound.is_empty() || !group.outbound {
        return Err(format!("the group lets in {:?}, out {}", group.inbound, group.outbound));
    }

    if let Some(given) = &desired.subnet {
        if !world.subnets.all().iter().any(|s| &s.id == given && &s.vpc == home && !ours(&s.tags)) {
            return Err("the machine is not in the company's subnet, or that was tagged".to_owned());
        }
    } else {
        network(world, home, &ours, &tagged)?;
    }
    if desired.instance_profile.is_none() {
        identity(desired, world, &tagged)?;
    }
    Ok(())
}

fn network(
    world: &Observed,
    home: &crate::names::VpcId,
    ours: &impl Fn(&Tags) -> bool,
    tagged: &impl Fn(&str, &Tags) -> Result<(), String>,
) -> Result<(), String> {
    let vpc =
        world.vpcs.all().iter().find(|v| &v.id == home && ours(&v.tags)).ok_or("the VPC is not ours")?;
    tagged("vpc", &vpc.tags)?;
    if vpc.dns_support != Fact::Present(true) || vpc.dns_hostnames != Fact::Present(true) {
        return Err("no DNS".to_owned());
    }
    let subnets = world.subnets.all().iter().filter(|s| &s.vpc == home && ours(&s.tags));
    let subnet = subnets.min_by_key(|s| &s.id).ok_or("no subnet")?;
    tagged("subnet", &subnet.tags)?;
    if !subnet.public_addresses {
        return Err("no public addresses".to_owned());
    }
    let attached: Vec<_> = world.gateways.all().iter().filter(|g| g.vpc.as_ref() == Some(home)).collect();
    let [gateway] = attached[..] else { return Err(format!("{} gateways in the VPC", attached.len())) };
    tagged("gateway", &gateway.tags)?;
    let in_use: Vec<_> = world.route_tables.all().iter().filter(|t| t.serves(&subnet.id)).collect();
    let [table] = in_use[..] else { return Err(format!("{} tables in the subnet", in_use.len())) };
    tagged("routes", &table.tags)?;
    if table.default_gateway.as_ref() != Some(&gateway.id) {
        return Err(format!("the route leads to {:?}", table.default_gateway));
    }
    Ok(())
}

fn identity(
    desired: &Desired,
    world: &Observed,
    tagged: &impl Fn(&str, &Tags) -> Result<(), String>,
) -> Result<(), String> {
    let role = world.role.present().ok_or("no role")?;
    tagged("role", &role.tags)?;
    if !role.managed.contains("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore") {
        return Err("the role lacks the managed policy".to_owned());
    }
    let deny = role.inline.get("holdfast-deny-parameters").ok_or("the role lacks the deny policy")?;
    let statement = &deny["Statement"][0];
    if statement["Effect"] != "Deny"
        || statement["Action"] != "ssm:GetParameter*"
        || statement["Resource"] != "*"
    {
        return Err(format!("the deny policy is {deny}"));
    }
    let profile = world.profile.present().ok_or("no instance profile")?;
    tagged("profile", &profile.tags)?;
    if profile.role.as_deref() != Some(&desired.role_name()) {
        return Err(format!("the profile has the role {:?}", profile.role));
    }
    Ok(())
}
