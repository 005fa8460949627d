//! What is true of every plan, over thousands of random worlds.

use std::collections::BTreeSet;

use super::fixture::*;
use super::table;
use super::worlds::{Dice, arbitrary, blind, damaged, settings};
use crate::machine::{Desired, Fact, Observed, Power, TAG_MACHINE, TAG_MAKER, TAG_RESIZE, Tags};
use crate::plan::{Goal, Leave, Note, Step, decide, plan};

const SEEDS: u64 = 2_000;

/// Runs `check` for many seeds, and says which one fails.
pub(super) fn for_seeds(name: &str, seeds: u64, check: impl Fn(&mut Dice)) {
    for seed in 0..seeds {
        let run = std::panic::AssertUnwindSafe(|| check(&mut Dice::new(seed)));
        if std::panic::catch_unwind(run).is_err() {
            panic!("{name}: seed {seed}");
        }
    }
    println!("{name}: {seeds} seeds");
}

#[test]
fn every_goal_is_reached() {
    for_seeds("every goal is reached", SEEDS, |dice| {
        let desired = settings(dice);
        let world = damaged(&desired, dice);
        for goal in GOALS {
            // `reach` has a bound.
            let end = reach(&desired, world.clone(), goal, dice);
            let preview = plan(&desired, &world, goal);
            assert!(preview.steps.iter().all(|planned| planned.round < 40), "{}", show_plan(&preview));
            let again = plan(&desired, &end, goal);
            assert!(again.steps.is_empty() && again.waiting.is_empty(), "{}", show_plan(&again));
            // Nobody blocks himself.
            assert!(again.blocked.is_empty() || !preview.blocked.is_empty(), "{}", show_plan(&again));
        }
    });
}

#[test]
fn the_end_is_what_the_settings_ask_for() {
    let checked = std::cell::Cell::new(0);
    for_seeds("the end is what the settings ask for", SEEDS, |dice| {
        let desired = settings(dice);
        let world = damaged(&desired, dice);
        let no_machine = world.winners(&desired).instance.is_none();
        for goal in [Goal::Settings, Goal::Reachable] {
            let end = reach(&desired, world.clone(), goal, dice);
            let next = decide(&desired, &end, goal);
            let elsewhere = next.notes.iter().any(|note| matches!(note, Note::NetworkDiffers { .. }));
            if !next.blocked.is_empty() || elsewhere || (goal == Goal::Reachable && !no_machine) {
                continue;
            }
            table::check(&desired, &end)
                .unwrap_or_else(|why| panic!("{goal:?}: {why}\n{world:#?}\n{end:#?}"));
            checked.set(checked.get() + 1);
        }
    });
    println!("{} ends checked against the table, the others were blocked or had a machine", checked.get());
    assert!(checked.get() > SEEDS, "too few worlds go through");
}

#[test]
fn data_is_lost_for_gone_only() {
    for_seeds("data is lost for Gone only", SEEDS, |dice| {
        let desired = settings(dice);
        let world = arbitrary(&desired, dice);
        for goal in [Goal::Settings, Goal::Reachable, Goal::Stopped, Goal::Replaced] {
            for planned in plan(&desired, &world, goal).steps {
                assert!(!planned.impact.loses_data, "{:?}", planned.step);
                assert!(!matches!(planned.step, Step::Terminate { .. } | Step::DeleteVolume { .. }));
                assert!(!matches!(planned.step, Step::Unprotect { .. } | Step::ReleaseVolume { .. }));
                let changes = || {
                    let instance = world.winners(&desired).instance;
                    instance.is_some_and(|i| {
                        i.instance_type != desired.instance_type || i.tags.contains_key(TAG_RESIZE)
                    })
                };
                let stops = matches!(planned.step, Step::Stop { .. });
                let replaces = goal == Goal::Replaced || world.winners(&desired).successor.is_some();
                let may = goal == Goal::Stopped || replaces || (goal == Goal::Settings && changes());
                assert!(!stops || may, "{:?}", planned.step);
            }
        }
        // And not what is asked to be left.
        for leave in [Leave { volume: true, snapshot: false }, Leave { volume: true, snapshot: true }] {
            assert!(!plan(&desired, &world, Goal::Gone(leave)).impact().loses_data);
        }
    });
}

#[test]
fn nothing_is_made_from_the_unknown() {
    for_seeds("nothing is made from the unknown", SEEDS, |dice| {
        let desired = settings(dice);
        let mut world = damaged(&desired, dice);
        for _ in 0..=dice.below(3) {
            blind(&mut world, dice);
        }
        for goal in GOALS {
            for planned in plan(&desired, &world, goal).steps {
                if let Some(known) = kind_is_known(&planned.step, &world) {
                    assert!(known, "{:?} though it cannot be seen", planned.step);
                }
            }
        }
    });
}

/// For a step that makes something: whether it was known that there is none.
fn kind_is_known(step: &Step, world: &Observed) -> Option<bool> {
    #[expect(clippy::wildcard_enum_match_arm, reason = "the others make nothing")]
    Some(match step {
        Step::CreateVpc => world.vpcs.is_known(),
        Step::CreateSubnet { .. } => world.subnets.is_known(),
        Step::CreateGateway => world.gateways.is_known(),
        Step::CreateRouteTable { .. } | Step::AssociateRouteTable { .. } => world.route_tables.is_known(),
        Step::CreateGroup { .. } => world.groups.is_known(),
        Step::CreateRole => world.role.is_known(),
        Step::CreateProfile { .. } => world.profile.is_known(),
        Step::RunInstance(_) => {
            world.instances.is_known() && world.offer.is_known() && world.image.is_known()
        }
        Step::CreateBackupRole => world.backup_role.is_known(),
        Step::CreateLifecycle { .. } => world.lifecycles.is_known(),
        Step::Snapshot { .. } => world.snapshots.is_known(),
        Step::Reserve { .. } => world.reservations.is_known() && world.leeway.is_known(),
        _ => return None,
    })
}

#[test]
fn plans_are_total_and_alike() {
    for_seeds("plans are total and alike", SEEDS, |dice| {
        let desired = settings(dice);
        let world = arbitrary(&desired, dice);
        for goal in GOALS {
            let preview = plan(&desired, &world, goal);
            assert_eq!(preview, plan(&desired, &world, goal));
            assert!(preview.blocked.is_empty() || (preview.steps.is_empty() && preview.waiting.is_empty()));
            assert!(preview.steps.iter().all(|planned| planned.round < 60), "{}", show_plan(&preview));
            serde_json::to_string(&preview).unwrap();
        }
    });
}

#[test]
fn gone_takes_all_of_ours_and_nothing_else() {
    for_seeds("gone takes all of ours and nothing else", SEEDS, |dice| {
        let desired = settings(dice);
        let world = damaged(&desired, dice);
        let key = desired.key();
        let ours = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&key);
        for goal in &GOALS {
            let Goal::Gone(leave) = *goal else { continue };
            let own = ids_with(&world, ours);
            for planned in plan(&desired, &world, *goal).steps {
                for id in ids_in(&planned.step) {
                    assert!(own.contains(&id), "{:?} names {id}, which is not ours", planned.step);
                }
            }
            let end = reach(&desired, world.clone(), *goal, dice);
            if !decide(&desired, &end, *goal).blocked.is_empty() {
                assert_eq!(end, world);
                continue;
            }
            let mut left = end.clone();
            there(&mut left.instances).retain(|i| i.power != Power::Terminated);
            there(&mut left.snapshots).clear();
            if leave != Leave::default() {
                there(&mut left.volumes).retain(|v| v.attached.is_some() || !ours(&v.tags));
            }
            assert_eq!(ids_with(&left, ours), BTreeSet::new());
            // A root disk that had lost its tags before it was kept is nobody's from there on.
            let kept = end.volumes.all().iter().filter(|v| leave.volume && own.contains(v.id.as_str()));
            let kept: BTreeSet<String> = kept.map(|v| v.id.to_string()).collect();
            let strangers = |world| &ids_with(world, |tags| !ours(tags)) - &kept;
            assert_eq!(strangers(&world), strangers(&end));
            if desired.instance_profile.is_some() {
                assert_eq!(end.profile, world.profile);
            } else {
                assert_eq!((end.role, end.profile), (Fact::Absent, Fact::Absent));
            }
        }
    });
}

/// The ids of EC2 things whose tags are like this. A root volume goes with its instance, whatever its tags; an instance
/// that has terminated is nobody's.
fn ids_with(world: &Observed, like: impl Fn(&Tags) -> bool) -> BTreeSet<String> {
    let alive = world.instances.all().iter().filter(|i| i.power != Power::Terminated);
    let root_of = |volume: &crate::names::VolumeId| {
        alive.clone().find(|i| i.root.as_ref().is_some_and(|root| &root.id == volume))
    };
    let mut ids = BTreeSet::new();
    ids.extend(world.vpcs.all().iter().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    ids.extend(world.subnets.all().iter().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    ids.extend(world.gateways.all().iter().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    for table in world.route_tables.all().iter().filter(|r| like(&r.tags)) {
        ids.insert(table.id.to_string());
        ids.extend(table.associations.iter().map(|(association, _)| association.to_string()));
    }
    ids.extend(world.lifecycles.all().iter().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    ids.extend(world.groups.all().iter().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    ids.extend(alive.clone().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    let volumes = world.volumes.all().iter();
    let volumes = volumes.filter(|v| like(root_of(&v.id).map_or(&v.tags, |instance| &instance.tags)));
    ids.extend(volumes.map(|v| v.id.to_string()));
    ids.extend(world.snapshots.all().iter().filter(|r| like(&r.tags)).map(|r| r.id.to_string()));
    ids
}

/// The ids that a step names. What it tags or asks for by name is not among them.
fn ids_in(step: &Step) -> Vec<String> {
    fn walk(value: &serde_json::Value, ids: &mut Vec<String>) {
        match value {
            serde_json::Value::String(text) => {
                let hex = text.split_once('-').map(|(_, hex)| hex).unwrap_or_default();
                if hex.len() >= 8 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
                    ids.push(text.clone());
                }
            }
            serde_json::Value::Array(all) => all.iter().for_each(|value| walk(value, ids)),
            serde_json::Value::Object(all) => all.values().for_each(|value| walk(value, ids)),
            serde_json::Value::Null | serde_json::Value::Bool(_) | serde_json::Value::Number(_) => {}
        }
    }
    let mut ids = Vec::new();
    walk(&serde_json::to_value(step).unwrap(), &mut ids);
    // Of held capacity only ours is seen at all.
    ids.retain(|id| !["sgr-", "ami-", "cr-", "holdfast-"].iter().any(|prefix| id.starts_with(prefix)));
    ids
}

#[test]
fn no_goal_touches_what_is_not_ours() {
    for_seeds("no goal touches what is not ours", SEEDS, |dice| {
        let desired = settings(dice);
        let mut world = damaged(&desired, dice);
        let key = desired.key();
        for goal in [Goal::Settings, Goal::Reachable, Goal::Stopped] {
            for _ in 0..64 {
                let ours = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&key);
                let own = ids_with(&world, ours);
                let next = decide(&desired, &world, goal);
                for step in &next.ready {
                    let company = desired.subnet.iter().map(ToString::to_string);
                    let company = company.chain(["vpc-cccccccc".to_owned()]).collect::<Vec<_>>();
                    // The association of our subnet with a table of somebody else's is our subnet's.
                    let foreign = ids_in(step).into_iter().find(|id| {
                        !own.contains(id)
                            && !company.contains(id)
                            && !matches!(step, Step::DisassociateRouteTable { .. })
                    });
                    assert_eq!(foreign, None, "{step:?}");
                    world = perform(&desired, world, step, dice);
                }
                if next.ready.is_empty() {
                    break;
                }
            }
        }
    });
}

/// Gives an id to what a step makes, the same in whatever order steps are performed.
struct ByStep;

impl Ids for ByStep {
    fn next(&mut self, prefix: &'static str, step: &Step) -> String {
        use sha2::{Digest, Sha256};
        let hash = Sha256::digest(format!("{step:?}"));
        format!("{prefix}-{}", hash.iter().take(8).map(|b| format!("{b:02x}")).collect::<String>())
    }
}

#[test]
fn ready_steps_commute() {
    for_seeds("ready steps commute", SEEDS, |dice| {
        let desired = settings(dice);
        let world = damaged(&desired, dice);
        for goal in GOALS {
            let mut ways = [world.clone(), world.clone()];
            for _ in 0..40 {
                let [mut one, mut other] = ways;
                let next = decide(&desired, &one, goal);
                if next.ready.is_empty() && next.waiting.is_empty() {
                    break;
                }
                let mut shuffled = next.ready.clone();
                dice.shuffle(&mut shuffled);
                for step in &next.ready {
                    one = perform(&desired, one, step, &mut ByStep);
                }
                for step in &shuffled {
                    other = perform(&desired, other, step, &mut ByStep);
                }
                if next.ready.is_empty() {
                    (one, other) = (one.settled_after(&next.waiting), other.settled_after(&next.waiting));
                }
                ways = [sorted(one), sorted(other)];
                assert_eq!(ways[0], ways[1], "{goal:?} {:#?}", next.ready);
            }
        }
    });
}

fn sorted(mut world: Observed) -> Observed {
    there(&mut world.vpcs).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.subnets).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.gateways).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.route_tables).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.groups).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.instances).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.volumes).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.snapshots).sort_by(|a, b| a.id.cmp(&b.id));
    there(&mut world.reservations).sort_by(|a, b| a.id.cmp(&b.id));
    world
}

#[test]
fn steps_may_come_one_by_one() {
    // As the engine does it: whatever ends first is followed by what is ready then.
    for_seeds("steps may come one by one", SEEDS, |dice| {
        let desired = settings(dice);
        let start = damaged(&desired, dice);
        for goal in GOALS {
            let no_machine = start.winners(&desired).instance.is_none();
            let mut world = start.clone();
            for count in 0.. {
                assert!(count < 200, "no end: {}", show_next(&decide(&desired, &world, goal)));
                let next = decide(&desired, &world, goal);
                if !next.ready.is_empty() {
                    let step = dice.one_of(&next.ready).clone();
                    world = perform(&desired, world, &step, dice);
                } else if !next.waiting.is_empty() {
                    world = world.settled_after(&next.waiting);
                } else {
                    break;
                }
            }
            let next = decide(&desired, &world, goal);
            let elsewhere = next.notes.iter().any(|note| matches!(note, Note::NetworkDiffers { .. }));
            let provided = goal == Goal::Settings || (goal == Goal::Reachable && no_machine);
            if next.blocked.is_empty() && !elsewhere && provided {
                // Tags of what was there may be left for `apply`.
                let check = if goal == Goal::Settings { table::check } else { table_but_tags };
                check(&desired, &world)
                    .unwrap_or_else(|why| panic!("{goal:?}: {why}\n{start:#?}\n{world:#?}"));
            }
        }
    });
}

/// What `apply` tidies up is not part of being reachable.
fn table_but_tags(desired: &Desired, world: &Observed) -> Result<(), String> {
    match table::check(desired, world) {
        Err(why) if why.contains(": tag ") || why == "capacity is still held" => Ok(()),
        result => result,
    }
}

#[test]
fn two_makers_agree() {
    for_seeds("two makers agree", SEEDS, |dice| {
        let desired = settings(dice);
        let world = damaged(&desired, dice);
        let seen_by = |maker: &str| Observed { maker: maker.to_owned(), ..world.clone() };
        let (a, b) = (seen_by(ME), seen_by(OTHER));
        assert_eq!(format!("{:?}", a.winners(&desired)), format!("{:?}", b.winners(&desired)));
        let theirs = |step: &Step, maker: &str| {
            ids_in(step).iter().filter(|id| !id.starts_with("rtbassoc")).any(|id| {
                let tags = tags_of(&world, id);
                tags.is_some_and(|tags| tags.get(TAG_MAKER).map(String::as_str) != Some(maker))
            })
        };
        for (seen, maker) in [(a, ME), (b, OTHER)] {
            for step in decide(&desired, &seen, Goal::Settings).ready {
                #[expect(clippy::wildcard_enum_match_arm, reason = "the others take nothing away")]
                match &step {
                    Step::DeleteVpc { .. }
                    | Step::DeleteSubnet { .. }
                    | Step::DeleteGateway { .. }
                    | Step::DeleteRouteTable { .. }
                    | Step::DeleteGroup { .. } => assert!(!theirs(&step, maker), "{maker}: {step:?}"),
                    Step::DetachGateway { gateway, vpc } => {
                        let made_by = |id| tags_of(&world, id).unwrap().get(TAG_MAKER).map(String::as_str);
                        assert!(
                            [made_by(gateway.as_str()), made_by(vpc.as_str())].contains(&Some(maker)),
                            "{step:?}"
                        );
                    }
                    _ => {}
                }
            }
        }
    });
}

fn tags_of<'a>(world: &'a Observed, id: &str) -> Option<&'a Tags> {
    (world.vpcs.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(world.subnets.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(world.gateways.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(world.route_tables.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .chain(world.groups.all().iter().map(|r| (r.id.as_str(), &r.tags)))
        .find(|(other, _)| *other == id)
        .map(|(_, tags)| tags)
}
