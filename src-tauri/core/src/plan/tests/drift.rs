//! `apply` when somebody has changed something by hand.

use super::fixture::*;
use crate::machine::{Fact, Observed, RootVolume, Rule, TAG_GENERATION, Volume};
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
    0 - 1 inbound rule of sg-00000001

    # inbound rules
    0 - 2 inbound rules of sg-00000001

    # nothing outbound
    0 + All outbound traffic of sg-00000001

    # managed policy missing
    0 + Policy AmazonSSMManagedInstanceCore

    # managed policy too much
    note: ExtraPolicies { policies: ["arn:aws:iam::aws:policy/AdministratorAccess"] }

    # deny policy missing
    0 + Policy that denies ssm:GetParameter*

    # deny policy changed
    0 + Policy that denies ssm:GetParameter*

    # inline policy too much
    note: ExtraPolicies { policies: ["mine"] }

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
    0 ~ Protect i-00000001 from termination

    # powering off ends it
    0 ~ Powering off inside stops i-00000001

    # metadata open
    0 ~ Guard the metadata service of i-00000001 (IMDSv2, one hop)

    # other type
    0 ~ Mark i-00000001 as changing
    1 ~ Stop i-00000001 [-$265.75] interrupts
    3 ~ Make i-00000001 an m8g.xlarge costs
    4 ~ Start i-00000001 [+$134.70] costs
    6 ~ Take the mark off i-00000001

    # other size
    note: VolumeLarger { is: 200 }

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
    0 ~ Set tags of vpc-00000001, subnet-00000001, igw-00000001, rtb-00000001, sg-00000001, i-00000001, vol-00000001
    0 ~ Set tags of the role
    0 ~ Set tags of the instance profile

    # the name missing everywhere
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
    0 ~ Set tags of vpc-00000001

    # the volume without our tag
    0 ~ Set tags of vol-00000001

    # the volume without any tag
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
        instance(w).power = crate::machine::Power::Terminated;
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
