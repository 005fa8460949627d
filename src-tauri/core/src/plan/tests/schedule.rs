//! Snapshots by the clock.

use super::fixture::*;
use crate::machine::{Desired, Fact, Lifecycle, Observed, TAG_MAKER, TAG_OWNER, Why};
use crate::plan::{Applied, BACKUP_POLICY, Goal, Step, decide, plan};

fn daily() -> Desired {
    Desired { snapshot_every: Some(24), ..wanted() }
}

/// A machine whose snapshots are taken, seen by the computer that made it so, with one change.
fn scheduled(change: impl FnOnce(&mut Observed)) -> Observed {
    let mut world = whole_of(&daily(), empty());
    world.applied = Some(Applied::of(&daily(), true));
    change(&mut world);
    world
}

fn policy(world: &mut Observed) -> &mut Lifecycle {
    &mut there(&mut world.lifecycles)[0]
}

fn twin(name: &str, maker: &str) -> Lifecycle {
    let mut world = scheduled(|_| {});
    let mut twin = policy(&mut world).clone();
    twin.id = id(name);
    twin.tags.insert(TAG_MAKER.to_owned(), maker.to_owned());
    twin
}

#[test]
fn what_the_settings_ask_for() {
    let mut text = show_cases(
        &daily(),
        Goal::Settings,
        vec![
            ("nothing yet", whole()),
            ("all of it", scheduled(|_| {})),
            (
                "and now otherwise",
                scheduled(|world| policy(world).rule.as_mut().unwrap().schedule.every = 12),
            ),
            ("the role is gone", scheduled(|world| world.backup_role = Fact::Absent)),
            ("the role may do nothing", scheduled(|world| there(&mut world.backup_role).inline.clear())),
            ("the policy is gone", scheduled(|world| world.lifecycles = Fact::Present(vec![]))),
            (
                "somebody paused it",
                scheduled(|world| policy(world).idle = Some("it was disabled".to_owned())),
            ),
            ("somebody made it another kind", scheduled(|world| policy(world).rule = None)),
            (
                "somebody gave its role more",
                scheduled(|world| {
                    let role = there(&mut world.backup_role);
                    role.managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
                    role.inline.insert("more".to_owned(), serde_json::Value::Null);
                }),
            ),
            ("a tag is missing", scheduled(|world| _ = policy(world).tags.remove("do-not-nuke"))),
            (
                "two laptops made it, the other one's counts",
                scheduled(|world| there(&mut world.lifecycles).push(twin("policy-00000000", OTHER))),
            ),
            (
                "two laptops made it, ours counts",
                scheduled(|world| there(&mut world.lifecycles).push(twin("policy-00000009", OTHER))),
            ),
            (
                "it cannot be seen",
                scheduled(|world| {
                    let denied = Why::Denied("dlm:GetLifecyclePolicies".to_owned());
                    world.lifecycles = Fact::Unknown(denied);
                }),
            ),
            (
                "it is somebody else's",
                scheduled(|world| {
                    let tags = &mut policy(world).tags;
                    tags.insert(TAG_OWNER.to_owned(), "123456789012/user/bob".to_owned());
                }),
            ),
            (
                "its role has our name and not our tag",
                scheduled(|world| there(&mut world.backup_role).tags.clear()),
            ),
        ],
    );
    text += "\n";
    text += &show_cases(
        &wanted(),
        Goal::Settings,
        vec![
            ("no longer asked for", scheduled(|_| {})),
            ("only the role is left", scheduled(|world| world.lifecycles = Fact::Present(vec![]))),
            ("nobody may look", scheduled(|world| world.lifecycles = Fact::NOT_LOOKED)),
        ],
    );
    text += "\n";
    text += &show_cases(
        &wanted(),
        GONE,
        vec![
            ("destroy", scheduled(|_| {})),
            (
                "destroy, and nobody may look",
                scheduled(|world| {
                    let denied = Why::Denied("dlm:GetLifecyclePolicies".to_owned());
                    world.lifecycles = Fact::Unknown(denied);
                }),
            ),
        ],
    );
    insta::assert_snapshot!(text, @r#"
    # nothing yet
    0 + Role for snapshots
    1 + Policy of that role: snapshots of this machine's volume
    2 + A snapshot every 24 hours; the newest 7 stay costs

    # all of it
    nothing to do

    # and now otherwise
    drift: policy-00000001 takes snapshots otherwise than the settings say (Settings right: apply mends it)
    0 ~ A snapshot every 24 hours; the newest 7 stay costs

    # the role is gone
    0 + Role for snapshots
    1 + Policy of that role: snapshots of this machine's volume

    # the role may do nothing
    0 + Policy of that role: snapshots of this machine's volume

    # the policy is gone
    drift: no snapshots are taken by the clock any more (Settings right: apply mends it)
    0 + A snapshot every 24 hours; the newest 7 stay costs

    # somebody paused it
    drift: policy-00000001 takes no snapshots: it was disabled (Settings right: apply mends it)
    0 ~ A snapshot every 24 hours; the newest 7 stay costs

    # somebody made it another kind
    drift: policy-00000001 takes snapshots otherwise than the settings say (Settings right: apply mends it)
    0 ~ A snapshot every 24 hours; the newest 7 stay costs

    # somebody gave its role more
    unsafe: the role for snapshots has the policy AdministratorAccess, which Holdfast did not give it (Settings right: apply takes the policy away)
    unsafe: the role for snapshots has the policy more, which Holdfast did not give it (Settings right: apply takes the policy away)
    0 - Policy AdministratorAccess revokes
    0 - Policy more revokes

    # a tag is missing
    0 ~ Set tags of policy-00000001

    # two laptops made it, the other one's counts
    0 - Snapshots by the clock (policy-00000001)

    # two laptops made it, ours counts
    note: Duplicate { resource: "policy-00000009" }

    # it cannot be seen
    blocked: CannotSee { what: "the schedule of snapshots", why: Denied("dlm:GetLifecyclePolicies") }

    # it is somebody else's
    blocked: OtherOwner { resource: "policy-00000001", owner: Some(Owner("123456789012/user/bob")), caller: Owner("123456789012/user/ada") }

    # its role has our name and not our tag
    blocked: Foreign { what: "role", resource: "ada-remote-dev-us-west-2-backup", name: "ada-remote-dev-us-west-2-backup" }

    # no longer asked for
    0 - Snapshots by the clock (policy-00000001)
    1 - Policy holdfast-snapshots
    2 - Role for snapshots

    # only the role is left
    0 - Policy holdfast-snapshots
    1 - Role for snapshots

    # nobody may look
    nothing to do

    # destroy
    0 - Snapshots by the clock (policy-00000001)
    0 ~ Lift termination protection of i-00000001
    1 - Policy holdfast-snapshots
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Role for snapshots
    2 - Use of a route table (rtbassoc-00000001)
    2 ~ Detach igw-00000001 from vpc-00000001
    2 - Security group sg-00000001
    2 - Subnet subnet-00000001
    2 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    2 - Policy AmazonSSMManagedInstanceCore
    2 - Policy holdfast-deny-parameters
    3 - Route table rtb-00000001
    3 - Internet gateway igw-00000001
    3 - Instance profile
    3 - Role
    4 - Private network vpc-00000001

    # destroy, and nobody may look
    note: ScheduleUnseen
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Use of a route table (rtbassoc-00000001)
    2 ~ Detach igw-00000001 from vpc-00000001
    2 - Security group sg-00000001
    2 - Subnet subnet-00000001
    2 ~ Take ada-remote-dev-us-west-2-role out of the instance profile
    2 - Policy AmazonSSMManagedInstanceCore
    2 - Policy holdfast-deny-parameters
    3 - Route table rtb-00000001
    3 - Internet gateway igw-00000001
    3 - Instance profile
    3 - Role
    4 - Private network vpc-00000001
    "#);
}

#[test]
fn to_connect_is_not_to_look_at_it() {
    let unseen = Observed { lifecycles: Fact::NOT_LOOKED, backup_role: Fact::NOT_LOOKED, ..empty() };
    let steps = plan(&daily(), &unseen, Goal::Reachable).steps;
    assert!(steps.iter().any(|planned| matches!(planned.step, Step::RunInstance(_))));
    assert!(!steps.iter().any(|planned| matches!(planned.step, Step::CreateBackupRole)));
}

#[test]
fn what_was_taken_over_takes_snapshots_for_its_new_owner() {
    let mut world = scheduled(|_| {});
    world.caller = Fact::Present(crate::machine::Owner::from_tag("123456789012/user/bob"));
    for planned in crate::plan::taking_over(&daily(), &world).steps {
        world = world.after(&daily(), &planned.step, None);
    }
    assert!(decide(&daily(), &world, Goal::Settings).blocked.is_empty());
    let text = show(&daily(), &world, Goal::Settings);
    insta::assert_snapshot!(text, @"0 ~ A snapshot every 24 hours; the newest 7 stay costs");
}

#[test]
fn the_role_may_do_just_this() {
    let policies = scheduled(|_| {});
    let role = policies.backup_role.present().unwrap();
    assert_eq!(role.inline.keys().collect::<Vec<_>>(), [BACKUP_POLICY]);
    insta::assert_snapshot!(serde_json::to_string_pretty(&role.inline[BACKUP_POLICY]).unwrap(), @r#"
    {
      "Statement": [
        {
          "Action": [
            "ec2:DescribeInstances",
            "ec2:DescribeSnapshots",
            "ec2:DescribeVolumes"
          ],
          "Effect": "Allow",
          "Resource": "*"
        },
        {
          "Action": "ec2:CreateSnapshot",
          "Condition": {
            "StringEquals": {
              "aws:ResourceTag/holdfast:machine": "ada/remote-dev/us-west-2"
            }
          },
          "Effect": "Allow",
          "Resource": "arn:aws:ec2:us-west-2:*:volume/*"
        },
        {
          "Action": [
            "ec2:CreateSnapshot",
            "ec2:CreateTags"
          ],
          "Effect": "Allow",
          "Resource": "arn:aws:ec2:us-west-2::snapshot/*"
        },
        {
          "Action": "ec2:DeleteSnapshot",
          "Condition": {
            "StringEquals": {
              "aws:ResourceTag/holdfast:machine": "ada/remote-dev/us-west-2"
            }
          },
          "Effect": "Allow",
          "Resource": "arn:aws:ec2:us-west-2::snapshot/*"
        }
      ],
      "Version": "2012-10-17"
    }
    "#);
    insta::assert_snapshot!(crate::plan::trust_lifecycles(&me()), @r#"{"Statement":[{"Action":"sts:AssumeRole","Condition":{"StringEquals":{"aws:SourceAccount":"123456789012"}},"Effect":"Allow","Principal":{"Service":"dlm.amazonaws.com"}}],"Version":"2012-10-17"}"#);
}
