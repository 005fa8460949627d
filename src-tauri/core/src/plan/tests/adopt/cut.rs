//! Adoptions of random machines, interrupted anywhere.

use super::super::fixture::*;
use super::super::properties::for_seeds;
use super::super::worlds::Dice;
use super::*;
use crate::names::VpcId;

/// The site as it is after `world` has changed.
fn refreshed(site: &Site, world: &Observed) -> Site {
    let mut site = site.clone();
    let find = |id: &str| {
        let all = (world.vpcs.all().iter().map(|r| (r.id.as_str(), &r.tags)))
            .chain(world.subnets.all().iter().map(|r| (r.id.as_str(), &r.tags)))
            .chain(world.gateways.all().iter().map(|r| (r.id.as_str(), &r.tags)))
            .chain(world.route_tables.all().iter().map(|r| (r.id.as_str(), &r.tags)))
            .chain(world.groups.all().iter().map(|r| (r.id.as_str(), &r.tags)))
            .chain(world.instances.all().iter().map(|r| (r.id.as_str(), &r.tags)))
            .chain(world.volumes.all().iter().map(|r| (r.id.as_str(), &r.tags)));
        all.into_iter().find(|(other, _)| *other == id).map(|(_, tags)| tags.clone()).unwrap_or_default()
    };
    site.instance.tags = find(site.instance.id.as_str());
    site.vpc.tags = find(site.vpc.id.as_str());
    site.subnets.iter_mut().for_each(|r| r.tags = find(r.id.as_str()));
    site.gateways.iter_mut().for_each(|r| r.tags = find(r.id.as_str()));
    site.tables.iter_mut().for_each(|r| r.table.tags = find(r.table.id.as_str()));
    site.groups.iter_mut().for_each(|r| r.group.tags = find(r.group.id.as_str()));
    site.volumes.iter_mut().for_each(|r| r.tags = find(r.id.as_str()));
    let (role, profile) = (world.role.present().cloned(), world.profile.present().cloned());
    if let Fact::Present(identity) = &mut site.identity {
        identity.role = role;
        identity.profile = Profile { managed: Fact::NOT_LOOKED, ..profile.unwrap() };
    }
    site
}

/// What an ordinary look with these settings sees of the world.
fn seen(desired: &Desired, world: &Observed) -> Observed {
    let mut seen = world.clone();
    let key = desired.key();
    let ours = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&key);
    let named = |tags: &Tags, part: &str| tags.get("Name") == Some(&desired.name(part));
    let home: Vec<VpcId> =
        world.vpcs.all().iter().filter(|vpc| ours(&vpc.tags)).map(|vpc| vpc.id.clone()).collect();
    there(&mut seen.vpcs).retain(|r| ours(&r.tags) || named(&r.tags, "vpc"));
    there(&mut seen.subnets)
        .retain(|r| ours(&r.tags) || Some(&r.id) == desired.subnet.as_ref() || home.contains(&r.vpc));
    there(&mut seen.gateways)
        .retain(|r| ours(&r.tags) || r.vpc.as_ref().is_some_and(|vpc| home.contains(vpc)));
    there(&mut seen.route_tables).retain(|r| ours(&r.tags) || home.contains(&r.vpc));
    there(&mut seen.groups).retain(|r| ours(&r.tags));
    there(&mut seen.instances).retain(|r| ours(&r.tags) || named(&r.tags, "machine"));
    there(&mut seen.volumes).retain(|r| ours(&r.tags) || seen.instances.all().len() == 1);
    let asked = desired.profile_name();
    seen.profile = Fact::from(seen.profile.present().filter(|profile| profile.name == asked).cloned());
    let adopted = seen.profile.present().is_some_and(|profile| ours(&profile.tags));
    seen.role = match &desired.instance_profile {
        Some(_) if adopted => seen.role,
        Some(_) => Fact::NOT_LOOKED,
        None => Fact::from(seen.role.present().filter(|role| role.name == desired.role_name()).cloned()),
    };
    seen
}

/// Nothing that is there is taken away or interrupted by what Holdfast would do next.
fn assert_harmless(desired: &Desired, world: &Observed, case: &str) {
    for planned in plan(desired, &seen(desired, world), Goal::Settings).steps {
        let harmless = !planned.impact.loses_data && !planned.impact.interrupts;
        let text = format!("{:?}", planned.step);
        let takes_away = ["Delete", "Terminate", "Detach", "Disassociate", "RemoveRole"];
        let policy =
            matches!(planned.step, Step::DetachManagedPolicy { .. } | Step::DeleteInlinePolicy { .. });
        let takes_away = takes_away.iter().any(|verb| text.starts_with(verb)) && !policy;
        assert!(harmless && !takes_away, "{case}: {text}");
    }
}

/// One thing that somebody may have made otherwise.
fn vary(site: &mut Site, dice: &mut Dice) {
    let mut other = || format!("{:08x}", dice.roll() as u32);
    let (vpc, hex) = (site.vpc.id.to_string(), other());
    let pick = dice.below(22);
    match pick {
        0 => site.default_vpc = true,
        1 => site.subnets.push(twin_subnet(&format!("subnet-{hex}"), &vpc, OTHER)),
        2 => site.gateways.clear(),
        3 => site.gateways.push(twin_gateway(&format!("igw-{hex}"), Some(&vpc), OTHER)),
        4 => site.tables.retain(|table| table.main),
        5 => site.tables.iter_mut().for_each(|table| table.table.default_gateway = None),
        6 => site.tables.iter_mut().for_each(|table| table.plain = false),
        7 => site.cards.push(card(&format!("eni-{hex}"), Some("i-00000009"), "sg-0000aaaa")),
        8 => site.groups[0].group.outbound = false,
        9 => {
            let rule = Rule { id: id(&format!("sgr-{hex}")), text: "tcp 22 from 0.0.0.0/0".to_owned() };
            site.groups[0].group.inbound.push(rule);
        }
        10 => {
            site.instance.power =
                *dice.one_of(&[Power::Running, Power::Stopped, Power::Pending, Power::Stopping])
        }
        11 => site.instance.protected = Fact::Present(false),
        12 => site.instance.metadata_guarded = false,
        13 => site.instance.instance_type = id("m7g.large"),
        14 => site.volumes[0].size = *dice.one_of(&[4, 8, 100, 300]),
        15 => site.vpc.dns_support = Fact::Present(false),
        16 => site.subnets[0].public_addresses = false,
        17 => {
            if let Fact::Present(identity) = &mut site.identity
                && let Some(role) = &mut identity.role
            {
                role.managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
            }
        }
        18 => {
            if let Fact::Present(identity) = &mut site.identity {
                identity.profile.name = wanted().own_profile_name();
                site.instance.profile = Some(wanted().own_profile_name());
            }
        }
        19 => {
            if let Fact::Present(Identity { role: Some(role), profile, .. }) = &mut site.identity {
                role.name = wanted().role_name();
                profile.role = Some(role.name.clone());
            }
        }
        20 => site.vpc.tags.extend([("Name".to_owned(), wanted().name("vpc"))]),
        _ => site.instance.tags.extend([("Name".to_owned(), wanted().name("machine"))]),
    }
    let ours = wanted().key();
    let clear = |tags: &mut Tags| tags.retain(|_, value| *value != ours);
    site.subnets.iter_mut().for_each(|r| clear(&mut r.tags));
    site.gateways.iter_mut().for_each(|r| clear(&mut r.tags));
}

#[test]
fn wherever_it_is_interrupted_it_goes_on_and_harms_nothing() {
    let counts = std::cell::Cell::new((0, 0));
    for_seeds("an adoption", 400, |dice| {
        let mut start = site();
        for _ in 0..dice.below(5) {
            vary(&mut start, dice);
        }
        let whole = of(&start);
        assert!(whole.afterwards.steps.iter().all(|planned| !planned.impact.loses_data));
        if !whole.refused.is_empty() {
            assert!(whole.first.is_empty() && whole.then.is_empty());
            return;
        }
        assert_harmless(&whole.desired, &whole.world, "adopted");
        let mut gone = reach(&whole.desired, seen(&whole.desired, &whole.world), GONE, dice);
        assert_eq!(ours(&whole.desired, &mut gone), 0);
        // Bare of all our tags, and with the instance's identity in place of ours.
        let bare = of(&start).first.len() + of(&start).then.len();
        let steps: Vec<&Planned> = whole.first.iter().chain(&whole.then).collect();
        for cut in 0..=steps.len() {
            let saved = cut > whole.first.len();
            // Whether the settings were written right before the cut does not show.
            for saved in [saved, saved || cut == whole.first.len()] {
                let desired = if saved { whole.desired.clone() } else { wanted() };
                let mut world = merged_again(&start);
                for planned in &steps[..cut] {
                    world = world.after(&whole.desired, &planned.step, None);
                }
                let case = format!("{cut} of {bare} steps, saved {saved}");
                if world.winners(&desired).instance.is_some() {
                    assert_harmless(&desired, &world, &case);
                }
                let again = adoption(&desired, &seen(&desired, &world), &refreshed(&start, &world));
                assert_eq!(refused(&again), "", "{case}");
                assert_eq!(again.desired, whole.desired, "{case}");
                assert_eq!(again.takes.len(), whole.takes.len(), "{case}");
                let (done, todo) = (again.world.winners(&again.desired), whole.world.winners(&whole.desired));
                assert_eq!(format!("{done:?}"), format!("{todo:?}"), "{case}");
                assert_eq!(
                    (&again.world.role, &again.world.profile),
                    (&whole.world.role, &whole.world.profile)
                );
                let (cases, adopted) = counts.get();
                counts.set((cases + 1, adopted + usize::from(cut == 0)));
            }
        }
        // Again, when all is done: nothing.
        let done =
            adoption(&whole.desired, &seen(&whole.desired, &whole.world), &refreshed(&start, &whole.world));
        let left = done.then.iter().filter(|planned| !matches!(&planned.step, Step::Tag { resources, .. } if resources.iter().all(|id| id.starts_with("eni-"))));
        assert_eq!(left.count() + done.first.len() + done.settings.len(), 0);
    });
    let (cases, adopted) = counts.get();
    println!("{cases} cuts of {adopted} adoptions");
    assert!(adopted > 200, "too few can be adopted");
}

/// The whole world with the site in it, without a tag of ours.
fn merged_again(site: &Site) -> Observed {
    let mut world = account();
    there(&mut world.instances).push(site.instance.clone());
    there(&mut world.volumes).extend(site.volumes.clone());
    there(&mut world.vpcs).push(site.vpc.clone());
    there(&mut world.subnets).extend(site.subnets.clone());
    there(&mut world.gateways).extend(site.gateways.clone());
    there(&mut world.route_tables).extend(site.tables.iter().map(|table| table.table.clone()));
    there(&mut world.groups).extend(site.groups.iter().map(|named| named.group.clone()));
    let identity = site.identity.present().unwrap();
    world.profile = Fact::Present(identity.profile.clone());
    world.role = Fact::from(identity.role.clone());
    world
}
