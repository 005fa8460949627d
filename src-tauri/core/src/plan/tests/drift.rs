//! `apply` when somebody has changed something by hand.

use super::fixture::*;
use crate::machine::{Desired, Fact, Observed, Power, RootVolume, Rule, TAG_GENERATION, Volume};
use crate::plan::{DENY_POLICY, Goal, Step, decide, plan};

fn cases() -> Vec<(&'static str, Observed)> {
    let rule = |n: u32, text: &str| Rule { id: id(&format!("sgr-{n:08x}")), text: text.to_owned() };
    vec![
        ("DNS resolution off", but(|w| vpc(w).dns_support = Fact::Present(false))),
        ("DNS names off", but(|w| vpc(w).dns_hostnames = Fact::Present(false))),
        ("no public addresses", but(|w| subnet(w).public_addresses = false)),
        ("gateway detached", but(|w| gateway(w).vpc = None)),
        ("route to another gateway", but(|w| table(w).default_gateway = Some(id("igw-99999999")))),
        ("no route", but(|w| table(w).default_gateway = None)),
        ("table not used", but(|w| table(w).associations.clear())),
        ("table used elsewhere", but(|w| table(w).associations[0].1 = id("subnet-99999999"))),
        (
            "another table used",
            but(|w| {
                let mut other = twin_table("rtb-99999999", "vpc-00000001", OTHER);
                other.tags.clear();
                other.associations = std::mem::take(&mut table(w).associations);
                there(&mut w.route_tables).push(other);
            }),
        ),
        ("inbound rule", but(|w| group(w).inbound = vec![rule(1, "tcp 22 from 0.0.0.0/0")])),
        (
            "inbound rules",
            but(|w| group(w).inbound = vec![rule(1, "tcp 22 from 0.0.0.0/0"), rule(2, "all from ::/0")]),
        ),
        ("nothing outbound", but(|w| group(w).outbound = false)),
        ("managed policy missing", but(|w| role(w).managed.clear())),
        (
            "managed policy too much",
            but(|w| {
                role(w).managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
            }),
        ),
        ("deny policy missing", but(|w| role(w).inline.clear())),
        (
            "deny policy changed",
            but(|w| {
                role(w).inline.insert(DENY_POLICY.to_owned(), serde_json::json!({ "Statement": [] }));
            }),
        ),
        (
            "inline policy too much",
            but(|w| {
                role(w).inline.insert("mine".to_owned(), serde_json::json!({}));
            }),
        ),
        ("profile without role", but(|w| profile(w).role = None)),
        ("profile with another role", but(|w| profile(w).role = Some("admin".to_owned()))),
        ("instance with another profile", but(|w| instance(w).profile = Some("admin".to_owned()))),
        ("instance without profile", but(|w| instance(w).profile = None)),
        ("unprotected", but(|w| instance(w).protected = Fact::Present(false))),
        ("powering off ends it", but(|w| instance(w).stops_on_shutdown = Fact::Present(false))),
        ("metadata open", but(|w| instance(w).metadata_guarded = false)),
        ("other type", but(|w| instance(w).instance_type = id("m8g.2xlarge"))),
        ("other size", but(|w| volume(w).size = 200)),
        ("other image", but(|w| instance(w).image = Some(id("ami-99999999")))),
        ("newer image", but(|w| there(&mut w.image).id = id("ami-99999999"))),
    ]
}

#[test]
fn what_the_user_has_changed_is_no_drift() {
    let other = Desired { instance_type: id("m8g.2xlarge"), volume_size: 200, volume_iops: 6000, ..wanted() };
    let drift = |desired: &Desired, world: &Observed| {
        plan(desired, world, Goal::Settings).drift.into_iter().map(|drift| drift.what).collect::<Vec<_>>()
    };
    assert_eq!(drift(&other, &whole()), Vec::<String>::new());
    let tagged = Desired { tags: [(id("team"), id("eevee"))].into(), ..wanted() };
    assert_eq!(drift(&tagged, &whole()), Vec::<String>::new());
    // Without a record nobody can tell.
    let unknown = but(|w| {
        w.applied = None;
        instance(w).instance_type = id("m8g.large");
        instance(w).power = Power::Stopped;
        volume(w).size = 50;
    });
    assert_eq!(drift(&wanted(), &unknown), Vec::<String>::new());
    // What is not as Holdfast leaves it, whatever the settings say, is known all the same.
    let open = but(|w| {
        w.applied = None;
        instance(w).protected = Fact::Present(false);
    });
    assert_eq!(drift(&wanted(), &open), ["i-00000001 is not protected from termination"]);
    assert_eq!(drift(&wanted(), &empty()), Vec::<String>::new());
}

#[test]
fn a_machine_that_switched_itself_off_was_not_stopped_outside() {
    let world = but(|w| {
        instance(w).power = Power::Stopped;
        instance(w).stopped_itself = true;
    });
    assert_eq!(plan(&wanted(), &world, Goal::Settings).drift, Vec::new());
}

#[test]
fn what_is_dangerous_comes_first() {
    let world = but(|w| {
        volume(w).tags.remove("do-not-nuke");
        instance(w).protected = Fact::Present(false);
        instance(w).metadata_guarded = false;
        group(w).inbound = vec![Rule { id: id("sgr-00000001"), text: "tcp 22 from 0.0.0.0/0".to_owned() }];
        role(w).managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
        instance(w).power = Power::Stopped;
        instance(w).transition = Some("User initiated (2026-11-23 07:00:00 GMT)".to_owned());
    });
    insta::assert_snapshot!(show(&wanted(), &world, Goal::Settings), @"
    unsafe: sg-00000001 lets in tcp 22 from 0.0.0.0/0 (Settings right: apply takes the rule away)
    unsafe: the machine's role has the policy AdministratorAccess, which Holdfast did not give it (Settings right: apply takes the policy away)
    unsafe: the metadata service of i-00000001 answers without a token, or to containers (Settings right: apply guards it again)
    drift: i-00000001 is not protected from termination (Settings right: apply mends it)
    drift: i-00000001 is off, and this computer did not stop it: User initiated (2026-11-23 07:00:00 GMT) (You right: start switches it on)
    drift: the tag do-not-nuke of vol-00000001 is missing (Settings right: apply mends it)
    0 - 1 inbound rule of sg-00000001
    0 - Policy AdministratorAccess revokes
    0 ~ Protect i-00000001 from termination
    0 ~ Guard the metadata service of i-00000001 (IMDSv2, one hop)
    0 ~ Set tags of vol-00000001
    ");
}

#[test]
fn each_attribute_is_set_right() {
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases()), @r#"
    # DNS resolution off
    0 ~ Turn on DNS in vpc-00000001

    # DNS names off
    0 ~ Turn on DNS names in vpc-00000001

    # no public addresses
    0 ~ Give public addresses in subnet-00000001

    # gateway detached
    0 ~ Attach igw-00000001 to vpc-00000001

    # route to another gateway
    0 + Route 0.0.0.0/0 to igw-00000001

    # no route
    0 + Route 0.0.0.0/0 to igw-00000001

    # table not used
    0 ~ Use rtb-00000001 in subnet-00000001

    # table used elsewhere
    0 ~ Use rtb-00000001 in subnet-00000001

    # another table used
    0 - Use of a route table (rtbassoc-00000001)
    1 ~ Use rtb-00000001 in subnet-00000001

    # inbound rule
    unsafe: sg-00000001 lets in tcp 22 from 0.0.0.0/0 (Settings right: apply takes the rule away)
    0 - 1 inbound rule of sg-00000001

    # inbound rules
    unsafe: sg-00000001 lets in tcp 22 from 0.0.0.0/0 (Settings right: apply takes the rule away)
    unsafe: sg-00000001 lets in all from ::/0 (Settings right: apply takes the rule away)
    0 - 2 inbound rules of sg-00000001

    # nothing outbound
    drift: sg-00000001 does not let everything out (Settings right: apply mends it)
    0 + All outbound traffic of sg-00000001

    # managed policy missing
    drift: the machine's role lacks AmazonSSMManagedInstanceCore, so nobody can reach it (Settings right: apply mends it)
    0 + Policy AmazonSSMManagedInstanceCore

    # managed policy too much
    unsafe: the machine's role has the policy AdministratorAccess, which Holdfast did not give it (Settings right: apply takes the policy away)
    0 - Policy AdministratorAccess revokes

    # deny policy missing
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*

    # deny policy changed
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*

    # inline policy too much
    unsafe: the machine's role has the policy mine, which Holdfast did not give it (Settings right: apply takes the policy away)
    0 - Policy mine revokes

    # profile without role
    0 ~ Put the role into the instance profile

    # profile with another role
    0 ~ Take admin out of the instance profile
    1 ~ Put the role into the instance profile

    # instance with another profile
    note: ProfileDiffers { is: Some("admin") }

    # instance without profile
    note: ProfileDiffers { is: None }

    # unprotected
    drift: i-00000001 is not protected from termination (Settings right: apply mends it)
    0 ~ Protect i-00000001 from termination

    # powering off ends it
    drift: powering off inside would end i-00000001 for ever (Settings right: apply mends it)
    0 ~ Powering off inside stops i-00000001

    # metadata open
    unsafe: the metadata service of i-00000001 answers without a token, or to containers (Settings right: apply guards it again)
    0 ~ Guard the metadata service of i-00000001 (IMDSv2, one hop)

    # other type
    drift: i-00000001 is m8g.2xlarge, not m8g.xlarge (Settings right: apply changes it back; to keep it, set instance_type)
    0 ~ Mark i-00000001 as changing
    1 ~ Stop i-00000001 [-$265.75] interrupts
    3 ~ Make i-00000001 an m8g.xlarge costs
    4 ~ Start i-00000001 [+$134.70] costs
    6 ~ Take the mark off i-00000001

    # other size
    drift: vol-00000001 has 200 GiB, not 100 (Aws right: a volume never shrinks: set volume_size to what it has)

    # other image
    nothing to do

    # newer image
    nothing to do
    "#);
}

#[test]
fn once_is_enough() {
    for (name, world) in cases() {
        let end = reach(&wanted(), world, Goal::Settings, &mut Counter::after(0x100));
        assert!(plan(&wanted(), &end, Goal::Settings).is_done(), "{name}");
    }
}

#[test]
fn tags_are_set_right() {
    let strip = |key: &'static str| {
        but(move |w| {
            for tags in all_tags(w) {
                tags.remove(key);
            }
        })
    };
    let cases = vec![
        ("a tag of the user's missing everywhere", strip("do-not-nuke")),
        ("the name missing everywhere", strip("Name")),
        (
            "a changed tag on one",
            but(|w| {
                vpc(w).tags.insert("do-not-nuke".to_owned(), "false".to_owned());
            }),
        ),
        (
            "the volume without our tag",
            but(|w| {
                volume(w).tags.remove("holdfast:machine");
            }),
        ),
        ("the volume without any tag", but(|w| volume(w).tags.clear())),
        (
            "the root volume of another machine",
            but(|w| {
                volume(w).tags.insert("holdfast:machine".to_owned(), "bob/other/us-west-2".to_owned());
            }),
        ),
        (
            "a tag too much",
            but(|w| {
                vpc(w).tags.insert("team".to_owned(), "eevee".to_owned());
            }),
        ),
        (
            "another volume attached",
            but(|w| {
                let mut data: Volume = volume(w).clone();
                (data.id, data.tags) = (id("vol-99999999"), crate::machine::Tags::new());
                there(&mut w.volumes).push(data);
            }),
        ),
    ];
    insta::assert_snapshot!(show_cases(&wanted(), Goal::Settings, cases), @"
    # a tag of the user's missing everywhere
    drift: the tag do-not-nuke of vpc-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of subnet-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of igw-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of rtb-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of sg-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of i-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of vol-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of the role is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of the instance profile is missing (Settings right: apply mends it)
    0 ~ Set tags of vpc-00000001, subnet-00000001, igw-00000001, rtb-00000001, sg-00000001, i-00000001, vol-00000001
    0 ~ Set tags of the role
    0 ~ Set tags of the instance profile

    # the name missing everywhere
    drift: the tag Name of vpc-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of subnet-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of igw-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of rtb-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of sg-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of i-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of vol-00000001 is missing (Settings right: apply mends it)
    drift: the tag Name of the role is missing (Settings right: apply mends it)
    drift: the tag Name of the instance profile is missing (Settings right: apply mends it)
    0 ~ Set tags of igw-00000001
    0 ~ Set tags of sg-00000001
    0 ~ Set tags of i-00000001
    0 ~ Set tags of rtb-00000001
    0 ~ Set tags of subnet-00000001
    0 ~ Set tags of vol-00000001
    0 ~ Set tags of vpc-00000001
    0 ~ Set tags of the role
    0 ~ Set tags of the instance profile

    # a changed tag on one
    drift: the tag do-not-nuke of vpc-00000001 is false (Settings right: apply mends it)
    0 ~ Set tags of vpc-00000001

    # the volume without our tag
    drift: the tag holdfast:machine of vol-00000001 is missing (Settings right: apply mends it)
    0 ~ Set tags of vol-00000001

    # the volume without any tag
    drift: the tag Name of vol-00000001 is missing (Settings right: apply mends it)
    drift: the tag do-not-nuke of vol-00000001 is missing (Settings right: apply mends it)
    drift: the tag holdfast:machine of vol-00000001 is missing (Settings right: apply mends it)
    drift: the tag holdfast:owner of vol-00000001 is missing (Settings right: apply mends it)
    0 ~ Set tags of vol-00000001

    # the root volume of another machine
    nothing to do

    # a tag too much
    nothing to do

    # another volume attached
    nothing to do
    ");
}

#[test]
fn a_volume_that_gets_its_tags_back_blocks_nothing() {
    let end = reach(&wanted(), but(|w| volume(w).tags.clear()), Goal::Settings, &mut Counter::after(0x100));
    let plan = plan(&wanted(), &end, Goal::Settings);
    assert!(plan.is_done(), "{}", show_plan(&plan));
}

#[test]
fn each_single_thing_keeps_its_tags() {
    for index in 0..9 {
        let world = but(|w| {
            all_tags(w)[index].insert("do-not-nuke".to_owned(), String::new());
        });
        let next = decide(&wanted(), &world, Goal::Settings);
        let tagging =
            |step: &Step| matches!(step, Step::Tag { .. } | Step::TagRole { .. } | Step::TagProfile { .. });
        assert!(next.ready.len() == 1 && next.ready.iter().all(tagging), "{}", show_next(&next));
        let end = reach(&wanted(), world, Goal::Settings, &mut Counter::after(0x100));
        assert_eq!(end, whole());
    }
}

#[test]
fn a_broken_generation_tag_counts_from_zero() {
    for broken in ["", "x", "-1", "99999999999999999999"] {
        let world = but(|w| {
            vpc(w).tags.insert(TAG_GENERATION.to_owned(), broken.to_owned());
            w.instances = Fact::Present(vec![]);
        });
        assert_eq!(decide(&wanted(), &world, Goal::Settings).ready.len(), 1, "{broken:?}");
    }
    // The highest there is, and spent.
    let world = but(|w| {
        vpc(w).tags.insert(TAG_GENERATION.to_owned(), u32::MAX.to_string());
        let (network, generation) = w.winners(&wanted()).generation(&wanted()).unwrap();
        instance(w).token = Some(crate::plan::client_token(&wanted(), &network, generation));
        instance(w).power = Power::Terminated;
        instance(w).root = None::<RootVolume>;
    });
    insta::assert_snapshot!(show(&wanted(), &world, Goal::Settings), @"
    0 ~ Count instance generation 0
    1 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

fn all_tags(w: &mut Observed) -> Vec<&mut crate::machine::Tags> {
    let mut all = Vec::new();
    all.extend(there(&mut w.vpcs).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.subnets).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.gateways).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.route_tables).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.groups).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.instances).iter_mut().map(|r| &mut r.tags));
    all.extend(there(&mut w.volumes).iter_mut().map(|r| &mut r.tags));
    all.push(&mut there(&mut w.role).tags);
    all.push(&mut there(&mut w.profile).tags);
    all
}
