//! Adopting what others made: what is taken, what is left, what forbids it, and that nothing breaks on the way.

use std::fmt::Write;

use super::fixture::*;
use crate::machine::{
    Card, Desired, Fact, Identity, NamedGroup, Observed, Power, Profile, Role, Rule, Site, TAG_MACHINE,
    TAG_OWNER, Table, Tags, Volume, WayOut,
};
use crate::names::InstanceId;
use crate::plan::{
    Adoption, Goal, Planned, Step, Tool, adoption, candidate, decide, forget, plan, trust_ec2,
};

mod cut;

/// The machine of `whole`, as others would have made it to the same design: with other names, and without a tag of ours.
fn site() -> Site {
    let world = whole();
    let named = |name: &str| Tags::from([("Name".to_owned(), name.to_owned())]);
    let one = |n: usize| assert_eq!(n, 1);
    one(world.vpcs.all().len() * world.subnets.all().len() * world.gateways.all().len());
    let mut site = Site {
        instance: world.instances.all()[0].clone(),
        market: None,
        windows: false,
        vpc: world.vpcs.all()[0].clone(),
        default_vpc: false,
        addresses: "10.0.0.0/16".to_owned(),
        subnet: world.subnets.all()[0].id.clone(),
        subnet_addresses: "10.0.0.0/20".to_owned(),
        subnets: world.subnets.all().to_vec(),
        gateways: world.gateways.all().to_vec(),
        tables: vec![
            Table { table: world.route_tables.all()[0].clone(), main: false, plain: true },
            Table { table: twin_table("rtb-0000aaaa", "vpc-00000001", OTHER), main: true, plain: true },
        ],
        groups: vec![
            NamedGroup { group: world.groups.all()[0].clone(), name: "box-sg".to_owned() },
            NamedGroup {
                group: twin_group("sg-0000aaaa", "vpc-00000001", OTHER),
                name: "default".to_owned(),
            },
        ],
        cards: vec![card("eni-00000001", Some("i-00000001"), "sg-00000001")],
        volumes: world.volumes.all().to_vec(),
        going_along: vec![],
        identity: Fact::Present(Identity {
            profile: Profile {
                name: "box-profile".to_owned(),
                tags: Tags::new(),
                role: Some("box-role".to_owned()),
                managed: Fact::NOT_LOOKED,
            },
            role: Some(Role {
                name: "box-role".to_owned(),
                tags: Tags::new(),
                managed: [wanted().managed_policy()].into(),
                inline: [].into(),
            }),
            trust: trust_ec2(&wanted()),
            shared_with: vec![],
        }),
    };
    site.instance.tags = named("box");
    site.instance.profile = Some("box-profile".to_owned());
    site.vpc.tags = named("box-vpc");
    site.subnets[0].tags = named("box-subnet");
    site.subnets[0].way_out = Fact::Present(WayOut::Gateway);
    site.gateways[0].tags = Tags::new();
    site.tables.iter_mut().for_each(|table| table.table.tags = Tags::new());
    site.groups.iter_mut().for_each(|named| named.group.tags = Tags::new());
    site.volumes[0].tags = Tags::new();
    site
}

fn card(id_: &str, instance: Option<&str>, group: &str) -> Card {
    Card {
        id: id(id_),
        instance: instance.map(id),
        groups: vec![id(group)],
        description: String::new(),
        elastic: false,
        tags: Tags::new(),
    }
}

fn but_site(change: impl FnOnce(&mut Site)) -> Site {
    let mut site = site();
    change(&mut site);
    site
}

fn identity(site: &mut Site) -> &mut Identity {
    there(&mut site.identity)
}

fn its_role(site: &mut Site) -> &mut Role {
    identity(site).role.as_mut().unwrap()
}

/// The account where the site is: its own things are not seen by an ordinary look.
fn account() -> Observed {
    Observed { applied: None, ..empty() }
}

fn of(site: &Site) -> Adoption {
    adoption(&wanted(), &account(), site)
}

fn refused(adoption: &Adoption) -> String {
    let words = adoption.refused.iter().map(|refused| format!("{:?}", refused.words("i-00000001").0));
    words.collect::<Vec<_>>().join("; ")
}

fn show_adoption(adoption: &Adoption) -> String {
    let mut text = String::new();
    if !adoption.refused.is_empty() {
        return format!("refused: {}\n", refused(adoption));
    }
    for taken in &adoption.takes {
        let name = taken.name.as_ref().map(|name| format!(" ({name})")).unwrap_or_default();
        let _ = writeln!(text, "takes {} {}{name}", taken.what, taken.id);
    }
    for left in &adoption.leaves {
        let _ = writeln!(text, "leaves {}: {}", left.id, left.why);
    }
    for setting in &adoption.settings {
        let _ = writeln!(text, "setting {} = {:?}, was {:?}", setting.key, setting.value, setting.was);
    }
    for keeps in &adoption.keeps {
        let _ = writeln!(text, "keeps: {keeps}");
    }
    for planned in &adoption.first {
        let _ = writeln!(text, "first {}", step(planned));
    }
    for planned in &adoption.then {
        let _ = writeln!(text, "then {}", step(planned));
    }
    text + &show_plan(&adoption.afterwards)
}

fn step(planned: &Planned) -> String {
    let keys = |tags: &Tags| {
        tags.keys().map(|key| key.trim_start_matches("holdfast:")).collect::<Vec<_>>().join(" ")
    };
    #[expect(
        clippy::wildcard_enum_match_arm,
        reason = "adopting has no other steps, which is what is tested"
    )]
    match &planned.step {
        Step::Tag { resources, tags } => format!("tag {}: {}", resources.join(" "), keys(tags)),
        Step::TagRole { role, tags } => format!("tag role {role}: {}", keys(tags)),
        Step::TagProfile { profile, tags } => format!("tag profile {profile}: {}", keys(tags)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_machine_of_the_same_design_is_taken_whole() {
    insta::assert_snapshot!(show_adoption(&of(&site())), @r#"
    takes instance i-00000001 (box)
    takes volume vol-00000001
    takes network interface eni-00000001
    takes security group sg-00000001
    takes VPC vpc-00000001 (box-vpc)
    takes subnet subnet-00000001 (box-subnet)
    takes internet gateway igw-00000001
    takes route table rtb-00000001
    takes role box-role
    takes instance profile box-profile
    setting instance_profile = Some("box-profile"), was None
    keeps: the security group is called box-sg, not ada-remote-dev-group
    keeps: the role is called box-role, not ada-remote-dev-us-west-2-role
    keeps: the instance profile is called box-profile, not ada-remote-dev-us-west-2-profile
    first tag role box-role: Name do-not-nuke machine owner
    first tag profile box-profile: Name do-not-nuke machine owner
    then tag i-00000001 vol-00000001 eni-00000001 sg-00000001 vpc-00000001 subnet-00000001 igw-00000001 rtb-00000001: do-not-nuke machine owner
    then tag igw-00000001: Name
    then tag sg-00000001: Name
    then tag eni-00000001: Name
    then tag i-00000001: Name
    then tag rtb-00000001: Name
    then tag subnet-00000001: Name
    then tag vol-00000001: Name
    then tag vpc-00000001: Name
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*
    "#);
}

#[test]
fn with_our_own_names_no_setting_is_needed() {
    let site = but_site(|site| {
        site.instance.profile = Some(wanted().own_profile_name());
        identity(site).profile.name = wanted().own_profile_name();
        its_role(site).name = wanted().role_name();
        identity(site).profile.role = Some(wanted().role_name());
        site.groups[0].name = wanted().group_name();
    });
    let adoption = of(&site);
    assert_eq!(
        (&adoption.settings[..], &adoption.keeps[..], &adoption.first[..]),
        (&[][..], &[][..], &[][..])
    );
    insta::assert_snapshot!(show_adoption(&adoption), @"
    takes instance i-00000001 (box)
    takes volume vol-00000001
    takes network interface eni-00000001
    takes security group sg-00000001
    takes VPC vpc-00000001 (box-vpc)
    takes subnet subnet-00000001 (box-subnet)
    takes internet gateway igw-00000001
    takes route table rtb-00000001
    takes role ada-remote-dev-us-west-2-role
    takes instance profile ada-remote-dev-us-west-2-profile
    then tag i-00000001 vol-00000001 eni-00000001 sg-00000001 vpc-00000001 subnet-00000001 igw-00000001 rtb-00000001: do-not-nuke machine owner
    then tag role ada-remote-dev-us-west-2-role: Name do-not-nuke machine owner
    then tag profile ada-remote-dev-us-west-2-profile: Name do-not-nuke machine network owner
    then tag igw-00000001: Name
    then tag sg-00000001: Name
    then tag eni-00000001: Name
    then tag i-00000001: Name
    then tag rtb-00000001: Name
    then tag subnet-00000001: Name
    then tag vol-00000001: Name
    then tag vpc-00000001: Name
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*
    ");
    // The claim on the network is there, too: a machine that is lost is made again in the same place.
    let mut world = adoption.world.clone();
    instance(&mut world).power = Power::Terminated;
    insta::assert_snapshot!(show(&adoption.desired, &world, Goal::Settings), @"
    0 + Policy that denies ssm:GetParameter*
    1 ~ Count instance generation 1
    2 + Instance m8g.xlarge with 100 GiB gp3, encrypted [+$142.70] costs
    ");
}

#[test]
fn what_differs_becomes_a_setting_or_is_mended_or_said() {
    let cases: Vec<(&str, Site)> = vec![
        (
            "another type and a larger, faster volume",
            but_site(|site| {
                site.instance.instance_type = id("m7g.large");
                site.volumes[0].size = 250;
                site.volumes[0].iops = Some(6000);
                site.volumes[0].throughput = Some(250);
            }),
        ),
        (
            "another architecture than the settings' type",
            but_site(|site| {
                site.instance.instance_type = id("m7i.large");
                site.instance.architecture = "x86_64".to_owned();
            }),
        ),
        ("a volume smaller than the settings allow", but_site(|site| site.volumes[0].size = 4)),
        (
            "a gp2 volume, not encrypted",
            but_site(|site| {
                site.volumes[0].iops = None;
                site.volumes[0].throughput = None;
                site.volumes[0].encrypted = false;
            }),
        ),
        (
            "no protection, an end at power-off, an open metadata service, an open port",
            but_site(|site| {
                site.instance.protected = Fact::Present(false);
                site.instance.stops_on_shutdown = Fact::Present(false);
                site.instance.metadata_guarded = false;
                site.groups[0].group.inbound =
                    vec![Rule { id: id("sgr-00000001"), text: "tcp 22 from 0.0.0.0/0".to_owned() }];
            }),
        ),
        (
            "other addresses, no DNS names, no public addresses",
            but_site(|site| {
                site.addresses = "192.168.0.0/16".to_owned();
                site.subnet_addresses = "192.168.1.0/24".to_owned();
                site.vpc.dns_hostnames = Fact::Present(false);
                site.subnets[0].public_addresses = false;
            }),
        ),
        (
            "the main route table is in use",
            but_site(|site| {
                site.tables.remove(0);
                site.tables[0].table.default_gateway = Some(id("igw-00000001"));
            }),
        ),
        (
            "another disk, another card, an Elastic IP address",
            but_site(|site| {
                let second = Volume { id: id("vol-00000002"), size: 500, ..site.volumes[0].clone() };
                let third = Volume { id: id("vol-00000003"), ..second.clone() };
                site.volumes.extend([second, third]);
                site.going_along = vec![id("vol-00000003")];
                site.cards[0].elastic = true;
                site.cards.push(card("eni-00000002", Some("i-00000001"), "sg-00000001"));
            }),
        ),
        ("off", but_site(|site| site.instance.power = Power::Stopped)),
    ];
    let mut text = String::new();
    for (name, site) in cases {
        let adoption = of(&site);
        assert!(adoption.refused.is_empty(), "{name}: {}", refused(&adoption));
        let shown = show_adoption(&adoption);
        let usual = ["takes ", "first ", "then ", "setting instance_profile", "keeps: the "];
        let rest = shown.lines().filter(|line| !usual.iter().any(|usual| line.starts_with(usual)));
        let _ = writeln!(text, "# {name}\n{}\n", rest.collect::<Vec<_>>().join("\n"));
    }
    insta::assert_snapshot!(text, @r#"
    # another type and a larger, faster volume
    setting instance_type = Some("m7g.large"), was Some("m8g.xlarge")
    setting volume_size = Some("250"), was Some("100")
    setting volume_iops = Some("6000"), was Some("3000")
    setting volume_throughput = Some("250"), was Some("125")
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*

    # another architecture than the settings' type
    setting instance_type = Some("m7i.large"), was Some("m8g.xlarge")
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*

    # a volume smaller than the settings allow
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*
    0 ~ Make vol-00000001 100 GiB, 3000 IOPS, 125 MiB/s [+$7.68] costs

    # a gp2 volume, not encrypted
    keeps: vol-00000001 is not encrypted, which cannot be changed where it is
    keeps: vol-00000001 is not gp3
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*

    # no protection, an end at power-off, an open metadata service, an open port
    unsafe: sg-00000001 lets in tcp 22 from 0.0.0.0/0 (Settings right: apply takes the rule away)
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    unsafe: the metadata service of i-00000001 answers without a token, or to containers (Settings right: apply guards it again)
    drift: i-00000001 is not protected from termination (Settings right: apply mends it)
    drift: powering off inside would end i-00000001 for ever (Settings right: apply mends it)
    0 - 1 inbound rule of sg-00000001
    0 + Policy that denies ssm:GetParameter*
    0 ~ Protect i-00000001 from termination
    0 ~ Powering off inside stops i-00000001
    0 ~ Guard the metadata service of i-00000001 (IMDSv2, one hop)

    # other addresses, no DNS names, no public addresses
    keeps: vpc-00000001 has the addresses 192.168.0.0/16, not 10.0.0.0/16
    keeps: subnet-00000001 has the addresses 192.168.1.0/24, not 10.0.0.0/20
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 ~ Turn on DNS names in vpc-00000001
    0 ~ Give public addresses in subnet-00000001
    0 + Policy that denies ssm:GetParameter*

    # the main route table is in use
    keeps: subnet-00000001 uses its network's main route table, which nobody can delete
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Route table
    0 + Policy that denies ssm:GetParameter*
    1 + Route 0.0.0.0/0 to igw-00000001
    2 ~ Use the new route table in subnet-00000001

    # another disk, another card, an Elastic IP address
    leaves vol-00000002: it is not the root volume
    keeps: vol-00000003 is attached, too, and AWS deletes it with the instance, as whoever attached it has set
    keeps: it has an Elastic IP address, which stays when the machine goes, and costs on
    keeps: it has several network interfaces
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*

    # off
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    0 + Policy that denies ssm:GetParameter*
    "#);
}

#[test]
fn a_network_that_is_not_its_alone_is_used_and_left() {
    let stack = || ("aws:cloudformation:stack-name".to_owned(), "base".to_owned());
    let cases: Vec<(&str, Site)> = vec![
        ("the account's default VPC", but_site(|site| site.default_vpc = true)),
        (
            "another instance",
            but_site(|site| site.cards.push(card("eni-00000009", Some("i-00000009"), "sg-0000aaaa"))),
        ),
        (
            "something that is no instance",
            but_site(|site| site.cards.push(card("eni-00000009", None, "sg-0000aaaa"))),
        ),
        (
            "another subnet",
            but_site(|site| site.subnets.push(twin_subnet("subnet-00000009", "vpc-00000001", OTHER))),
        ),
        (
            "another security group",
            but_site(|site| {
                let group = twin_group("sg-00000009", "vpc-00000001", OTHER);
                site.groups.push(NamedGroup { group, name: "web".to_owned() });
            }),
        ),
        (
            "another route table",
            but_site(|site| {
                let table = twin_table("rtb-00000009", "vpc-00000001", OTHER);
                site.tables.push(Table { table, main: false, plain: true });
            }),
        ),
        ("a way to other networks", but_site(|site| site.tables[1].plain = false)),
        (
            "a second gateway",
            but_site(|site| site.gateways.push(twin_gateway("igw-00000009", Some("vpc-00000001"), OTHER))),
        ),
        ("a stack's VPC", but_site(|site| site.vpc.tags.extend([stack()]))),
        (
            "a subnet of another machine's",
            but_site(|site| {
                let other = (TAG_MACHINE.to_owned(), "bob/remote-dev/us-west-2".to_owned());
                site.subnets[0].tags.extend([other]);
            }),
        ),
    ];
    let mut text = String::new();
    for (name, mut site) in cases {
        // None of these has a tag of ours.
        for tags in site
            .subnets
            .iter_mut()
            .map(|s| &mut s.tags)
            .chain(site.gateways.iter_mut().map(|g| &mut g.tags))
            .chain(site.groups.iter_mut().map(|g| &mut g.group.tags))
            .chain(site.tables.iter_mut().map(|t| &mut t.table.tags))
        {
            if tags.get(TAG_MACHINE) == Some(&wanted().key()) {
                tags.clear();
            }
        }
        let adoption = of(&site);
        let _ =
            writeln!(text, "{name}: {}", adoption.leaves.first().map(|left| &*left.why).unwrap_or_default());
        let subnet = adoption.settings.iter().find(|setting| setting.key == "subnet").unwrap();
        assert_eq!(subnet.value.as_deref(), Some("subnet-00000001"), "{name}");
        let network = ["VPC", "subnet", "internet gateway", "route table"];
        assert!(!adoption.takes.iter().any(|taken| network.contains(&taken.what)), "{name}");
        assert!(adoption.takes.iter().any(|taken| taken.what == "security group"), "{name}");
        // Only the role is not yet what it should be.
        assert_eq!(adoption.afterwards.steps.len(), 1, "{name}: {}", show_plan(&adoption.afterwards));
        // It goes without the network.
        let mut left = reach(&adoption.desired, adoption.world.clone(), GONE, &mut Counter::after(0x100));
        assert!(left.vpcs.all().iter().any(|vpc| vpc.id == site.vpc.id), "{name}");
        assert_eq!(ours(&adoption.desired, &mut left), 0, "{name}");
    }
    insta::assert_snapshot!(text, @"
    the account's default VPC: it is the account's default VPC
    another instance: something else is in it, too: i-00000009
    something that is no instance: something else is in it, too: eni-00000009
    another subnet: another subnet is in it, too: subnet-00000009
    another security group: another security group is in it, too: sg-00000009
    another route table: another route table is in it, too: rtb-00000009
    a way to other networks: it leads to other networks: rtb-0000aaaa
    a second gateway: it has several gateways
    a stack's VPC: vpc-00000001 belongs to the CloudFormation stack base, which would change it back or delete it
    a subnet of another machine's: subnet-00000001 belongs to another machine of Holdfast's: bob/remote-dev/us-west-2
    ");
    // What the settings name is the company's.
    let desired = Desired { subnet: Some(id("subnet-00000001")), ..wanted() };
    let adoption = adoption(&desired, &account(), &site());
    assert!(adoption.settings.iter().all(|setting| setting.key != "subnet"));
    assert_eq!(adoption.leaves[0].why, "the settings name its subnet as the company's");
    // Without a way out the agent could not call.
    let site = but_site(|site| {
        site.default_vpc = true;
        site.subnets[0].way_out = Fact::Absent;
    });
    assert_eq!(refused(&of(&site)), r#""what there would be then is blocked""#);
}

#[test]
fn a_role_is_taken_only_where_it_can_do_nothing_else() {
    let trust = |change: fn(&mut serde_json::Value)| but_site(|site| change(&mut identity(site).trust));
    let cases: Vec<(&str, Site)> = vec![
        ("alone", site()),
        ("no policy yet", but_site(|site| its_role(site).managed.clear())),
        (
            "a statement that is no list, with a name",
            trust(|trust| {
                let mut statement = trust["Statement"][0].take();
                statement["Sid"] = "ec2".into();
                statement["Action"] = serde_json::json!(["sts:AssumeRole"]);
                statement["Principal"]["Service"] = serde_json::json!(["ec2.amazonaws.com"]);
                trust["Statement"] = statement;
            }),
        ),
        (
            "another service, too",
            trust(|trust| {
                trust["Statement"][0]["Principal"]["Service"] =
                    serde_json::json!(["ec2.amazonaws.com", "lambda.amazonaws.com"]);
            }),
        ),
        (
            "another account, too",
            trust(|trust| {
                trust["Statement"][0]["Principal"]["AWS"] = "arn:aws:iam::999999999999:root".into()
            }),
        ),
        (
            "a second statement",
            trust(|trust| {
                let again = trust["Statement"][0].clone();
                trust["Statement"].as_array_mut().unwrap().push(again);
            }),
        ),
        ("a condition", trust(|trust| trust["Statement"][0]["Condition"] = serde_json::json!({}))),
        ("anybody", trust(|trust| trust["Statement"][0]["Principal"] = "*".into())),
        ("no statement", trust(|trust| *trust = serde_json::json!({}))),
        (
            "a managed policy",
            but_site(|site| {
                its_role(site).managed.insert("arn:aws:iam::aws:policy/AdministratorAccess".to_owned());
            }),
        ),
        (
            "an inline policy",
            but_site(|site| {
                its_role(site).inline.insert("s3".to_owned(), serde_json::Value::Null);
            }),
        ),
        ("another user", but_site(|site| identity(site).shared_with.push("i-00000009".to_owned()))),
        (
            "a stack's role",
            but_site(|site| {
                let stack = ("aws:cloudformation:stack-name".to_owned(), "base".to_owned());
                its_role(site).tags.extend([stack]);
            }),
        ),
    ];
    let mut text = String::new();
    for (name, site) in cases {
        let adoption = of(&site);
        assert!(adoption.refused.is_empty(), "{name}: {}", refused(&adoption));
        let taken = adoption.takes.iter().filter(|taken| ["role", "instance profile"].contains(&taken.what));
        let left = adoption.leaves.first().map_or("taken", |left| &*left.why);
        let _ = writeln!(text, "{name}: {left}");
        assert_eq!(taken.count(), if left == "taken" { 2 } else { 0 }, "{name}");
        let named = adoption.settings.iter().find(|setting| setting.key == "instance_profile").unwrap();
        assert_eq!(named.value.as_deref(), Some("box-profile"), "{name}");
        let touches = |step: &Step| matches!(step, Step::TagRole { .. } | Step::TagProfile { .. });
        let steps = || adoption.first.iter().chain(&adoption.then).map(|planned| &planned.step);
        assert_eq!(steps().any(touches), left == "taken", "{name}");
        let mut gone = reach(&adoption.desired, adoption.world.clone(), GONE, &mut Counter::after(0x100));
        assert_eq!(ours(&adoption.desired, &mut gone), 0, "{name}");
        assert_eq!(gone.role.present().is_some(), left != "taken", "{name}");
    }
    insta::assert_snapshot!(text, @"
    alone: taken
    no policy yet: taken
    a statement that is no list, with a name: taken
    another service, too: others than EC2 may assume its role box-role, or under conditions
    another account, too: others than EC2 may assume its role box-role, or under conditions
    a second statement: others than EC2 may assume its role box-role, or under conditions
    a condition: others than EC2 may assume its role box-role, or under conditions
    anybody: others than EC2 may assume its role box-role, or under conditions
    no statement: others than EC2 may assume its role box-role, or under conditions
    a managed policy: its role box-role has more rights: AdministratorAccess
    an inline policy: its role box-role has more rights: s3
    another user: it serves others, too: i-00000009
    a stack's role: its role box-role belongs to the CloudFormation stack base, which would change it back or delete it
    ");
    // What the settings name is the company's, unless it carries our tag.
    let desired = Desired { instance_profile: Some(id("box-profile")), ..wanted() };
    let why = &adoption(&desired, &account(), &site()).leaves[0].why;
    assert_eq!(why, "the settings name it as the company's");
}

#[test]
fn what_forbids_it_is_said() {
    let tag = |key: &str, value: &str| (key.to_owned(), value.to_owned());
    let cases: Vec<(&str, Site)> = vec![
        ("going", but_site(|site| site.instance.power = Power::ShuttingDown)),
        ("spot", but_site(|site| site.market = Some("spot".to_owned()))),
        ("Windows", but_site(|site| site.windows = true)),
        ("no volume", but_site(|site| site.instance.root = None)),
        (
            "a stack",
            but_site(|site| site.instance.tags.extend([tag("aws:cloudformation:stack-name", "web")])),
        ),
        (
            "a stack's volume",
            but_site(|site| site.volumes[0].tags.extend([tag("aws:cloudformation:stack-name", "web")])),
        ),
        (
            "an Auto Scaling group",
            but_site(|site| site.instance.tags.extend([tag("aws:autoscaling:groupName", "fleet")])),
        ),
        ("EKS", but_site(|site| site.instance.tags.extend([tag("aws:eks:cluster-name", "prod")]))),
        (
            "a launch template is no owner",
            but_site(|site| site.instance.tags.extend([tag("aws:ec2launchtemplate:id", "lt-1")])),
        ),
        (
            "another machine of Holdfast's",
            but_site(|site| site.instance.tags.extend([tag(TAG_MACHINE, "bob/remote-dev/us-west-2")])),
        ),
        (
            "somebody else's under our tag",
            but_site(|site| {
                site.instance.tags.extend([
                    tag(TAG_MACHINE, "ada/remote-dev/us-west-2"),
                    tag(TAG_OWNER, "123456789012/user/bob"),
                ]);
            }),
        ),
        ("no instance profile", but_site(|site| site.identity = Fact::Absent)),
        ("a profile without role", but_site(|site| identity(site).role = None)),
        (
            "a role that nobody may see",
            but_site(|site| {
                site.identity = Fact::Unknown(crate::machine::Why::Denied("iam:GetRole".to_owned()));
            }),
        ),
        (
            "two groups",
            but_site(|site| {
                site.cards[0].groups.push(id("sg-0000aaaa"));
            }),
        ),
        ("the default group", but_site(|site| site.cards[0].groups = vec![id("sg-0000aaaa")])),
        (
            "a shared group",
            but_site(|site| site.cards.push(card("eni-00000009", Some("i-00000009"), "sg-00000001"))),
        ),
    ];
    let mut text = String::new();
    for (name, site) in cases {
        let adoption = of(&site);
        let _ = writeln!(text, "{name}: {}", refused(&adoption));
        let none = adoption.first.is_empty() && adoption.then.is_empty();
        assert_eq!(none, !adoption.refused.is_empty(), "{name}");
    }
    // The machine exists, or something is left of it.
    for (name, change) in [
        ("an instance", (|world| *world = whole()) as fn(&mut Observed)),
        ("a VPC", |world| there(&mut world.vpcs).push(twin_vpc("vpc-00000009", ME))),
        ("a gateway", |world| there(&mut world.gateways).push(twin_gateway("igw-00000009", None, ME))),
        ("a group", |world| there(&mut world.groups).push(twin_group("sg-00000009", "vpc-00000009", ME))),
        ("a role", |world| world.role = whole().role),
        ("a profile", |world| world.profile = whole().profile),
    ] {
        let mut world = account();
        change(&mut world);
        let site = but_site(|site| {
            site.instance.id = id("i-0000000b");
            site.cards[0].instance = Some(id("i-0000000b"));
        });
        let _ = writeln!(text, "{name} of ours: {}", refused(&adoption(&wanted(), &world, &site)));
    }
    insta::assert_snapshot!(text, @r#"
    going: "it is going away for ever"
    spot: "it is a spot instance, which AWS takes back when it wants to"
    Windows: "it runs Windows"
    no volume: "its disk is not a volume, and goes when it is stopped"
    a stack: "i-00000001 belongs to the CloudFormation stack web, which would change it back or delete it"
    a stack's volume: "vol-00000001 belongs to the CloudFormation stack web, which would change it back or delete it"
    an Auto Scaling group: "i-00000001 belongs to the Auto Scaling group fleet, which replaces what is stopped"
    EKS: "i-00000001 has the tag aws:eks:cluster-name, so a service of AWS looks after it"
    a launch template is no owner: 
    another machine of Holdfast's: "i-00000001 belongs to another machine of Holdfast's: bob/remote-dev/us-west-2"
    somebody else's under our tag: "i-00000001 belongs to 123456789012/user/bob"
    no instance profile: "it has no instance profile, so Session Manager cannot reach it"
    a profile without role: "its instance profile box-profile has no role"
    a role that nobody may see: "its instance profile or role cannot be seen: iam:GetRole is denied"
    two groups: "it has 2 security groups, and Holdfast looks after one"
    the default group: "its security group sg-0000aaaa is the default one of its VPC"
    a shared group: "its security group sg-00000001 serves others, too: i-00000009"
    an instance of ours: "the machine has an instance already: i-00000001"
    a VPC of ours: "vpc-00000009 carries the machine's tag already, and is not part of it"
    a gateway of ours: "igw-00000009 carries the machine's tag already, and is not part of it"
    a group of ours: "sg-00000009 carries the machine's tag already, and is not part of it"
    a role of ours: "ada-remote-dev-us-west-2-role carries the machine's tag already, and is not part of it"
    a profile of ours: "ada-remote-dev-us-west-2-profile carries the machine's tag already, and is not part of it"
    "#);
}

#[test]
fn who_is_meant() {
    let ids = |world: &Observed| candidate(&wanted(), world);
    assert_eq!(ids(&account()), Err(vec![]));
    assert_eq!(ids(&whole()), Ok(id("i-00000001")));
    let foreign = |id_: &str, power| {
        let mut other = whole().instances.all()[0].clone();
        (other.id, other.power) = (id(id_), power);
        other.tags.remove(TAG_MACHINE);
        other
    };
    let mut world = account();
    there(&mut world.instances).push(foreign("i-0000000a", Power::Terminated));
    assert_eq!(ids(&world), Err(vec![]));
    there(&mut world.instances).push(foreign("i-0000000b", Power::Stopped));
    assert_eq!(ids(&world), Ok(id("i-0000000b")));
    there(&mut world.instances).push(foreign("i-0000000c", Power::Running));
    assert_eq!(ids(&world), Err(vec![id::<InstanceId>("i-0000000b"), id("i-0000000c")]));
}

/// How many things of ours there are, without the instances that are gone.
fn ours(desired: &Desired, world: &mut Observed) -> usize {
    let ours = |tags: &Tags| tags.get(TAG_MACHINE) == Some(&desired.key());
    there(&mut world.instances).retain(|instance| instance.power != Power::Terminated);
    let mut all: Vec<&Tags> = Vec::new();
    all.extend(world.vpcs.all().iter().map(|r| &r.tags));
    all.extend(world.subnets.all().iter().map(|r| &r.tags));
    all.extend(world.gateways.all().iter().map(|r| &r.tags));
    all.extend(world.route_tables.all().iter().map(|r| &r.tags));
    all.extend(world.groups.all().iter().map(|r| &r.tags));
    all.extend(world.instances.all().iter().map(|r| &r.tags));
    all.extend(world.volumes.all().iter().map(|r| &r.tags));
    all.extend(world.role.present().map(|r| &r.tags));
    all.extend(world.profile.present().map(|r| &r.tags));
    all.into_iter().filter(|tags| ours(tags)).count()
}

#[test]
fn what_was_adopted_is_an_ordinary_machine() {
    let adoption = of(&site());
    let (desired, world) = (&adoption.desired, &adoption.world);
    assert_eq!(desired.profile_name(), "box-profile");
    // Its role is looked after, under its own name.
    let mut spoilt = world.clone();
    role(&mut spoilt).managed = ["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()].into();
    role(&mut spoilt).tags.remove("do-not-nuke");
    insta::assert_snapshot!(show(desired, &spoilt, Goal::Settings), @"
    unsafe: the machine's role has the policy AdministratorAccess, which Holdfast did not give it (Settings right: apply takes the policy away)
    unsafe: the machine may read the account's SSM parameters: its role lacks the policy that denies it (Settings right: apply gives the policy back)
    drift: the machine's role lacks AmazonSSMManagedInstanceCore, so nobody can reach it (Settings right: apply mends it)
    0 + Policy AmazonSSMManagedInstanceCore
    0 + Policy that denies ssm:GetParameter*
    0 - Policy AdministratorAccess revokes
    0 ~ Set tags of the role
    ");
    for planned in plan(desired, &spoilt, Goal::Settings).steps {
        let text = format!("{:?}", planned.step);
        assert!(!text.contains("us-west-2-role") && !text.contains("us-west-2-profile"), "{text}");
    }
    insta::assert_snapshot!(show(desired, world, Goal::Stopped), @"0 ~ Stop i-00000001 [-$134.70] interrupts");
    insta::assert_snapshot!(show(desired, world, GONE), @"
    0 ~ Lift termination protection of i-00000001
    1 - Instance i-00000001 and its volume with all data [-$142.70] interrupts loses data
    2 - Use of a route table (rtbassoc-00000001)
    2 ~ Detach igw-00000001 from vpc-00000001
    2 - Security group sg-00000001
    2 - Subnet subnet-00000001
    2 ~ Take box-role out of the instance profile
    2 - Policy AmazonSSMManagedInstanceCore
    3 - Route table rtb-00000001
    3 - Internet gateway igw-00000001
    3 - Instance profile
    3 - Role
    4 - Private network vpc-00000001
    ");
    let mut gone = reach(desired, world.clone(), GONE, &mut Counter::after(0x100));
    assert_eq!(ours(desired, &mut gone), 0);
    assert_eq!((&gone.role, &gone.profile), (&Fact::Absent, &Fact::Absent));
    // A laptop whose settings do not name the profile makes no second one beside it.
    let unaware = Observed { role: Fact::Absent, profile: Fact::Absent, ..world.clone() };
    let plan = plan(&wanted(), &unaware, Goal::Settings);
    assert!(plan.steps.is_empty(), "{}", show_plan(&plan));
    assert!(plan.notes[0].words(&wanted()).contains("box-profile"), "{:?}", plan.notes);
}

#[test]
fn the_tags_say_who_may_have_made_it() {
    let tagged = |tags: &[(&str, &str)]| {
        of(&but_site(|site| {
            site.instance
                .tags
                .extend(tags.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())));
        }))
    };
    for (tags, tool) in [
        (&[][..], None),
        (&[("pulumi:project", "box")][..], Some(Tool::Pulumi)),
        (&[("ManagedBy", "Pulumi")][..], Some(Tool::Pulumi)),
        (&[("managed-by", "terraform")][..], Some(Tool::Terraform)),
        (&[("team", "OpenTofu fans")][..], Some(Tool::Terraform)),
        (&[("owner", "bob")][..], None),
    ] {
        let adoption = tagged(tags);
        assert_eq!(adoption.tool, tool, "{tags:?}");
        assert_eq!(adoption.marks.len(), tags.len(), "{tags:?}");
    }
    let adoption = tagged(&[]);
    let commands: Vec<String> =
        [Tool::Pulumi, Tool::Terraform].into_iter().flat_map(|tool| forget(&adoption, tool)).collect();
    insta::assert_snapshot!(commands.join("\n"), @r#"
    pulumi stack export | jq -r '.deployment.resources | reverse | .[] | select(.custom and ((.id | IN("i-00000001", "vol-00000001", "eni-00000001", "sg-00000001", "vpc-00000001", "subnet-00000001", "igw-00000001", "rtb-00000001", "box-role", "box-profile")) or .outputs.routeTableId == "rtb-00000001" or .outputs.securityGroupId == "sg-00000001" or .outputs.role == "box-role")) | .urn'
    pulumi stack export | jq -r '.deployment.resources | reverse | .[] | select(.custom and ((.id | IN("i-00000001", "vol-00000001", "eni-00000001", "sg-00000001", "vpc-00000001", "subnet-00000001", "igw-00000001", "rtb-00000001", "box-role", "box-profile")) or .outputs.routeTableId == "rtb-00000001" or .outputs.securityGroupId == "sg-00000001" or .outputs.role == "box-role")) | .urn' | while read -r it; do pulumi state delete --yes "$it" </dev/null; done
    terraform show -json | jq -r '[.. | objects | select(.mode? == "managed" and ((.values.id | IN("i-00000001", "vol-00000001", "eni-00000001", "sg-00000001", "vpc-00000001", "subnet-00000001", "igw-00000001", "rtb-00000001", "box-role", "box-profile")) or .values.route_table_id == "rtb-00000001" or .values.security_group_id == "sg-00000001" or .values.role == "box-role")) | .address] | unique | .[]'
    terraform show -json | jq -r '[.. | objects | select(.mode? == "managed" and ((.values.id | IN("i-00000001", "vol-00000001", "eni-00000001", "sg-00000001", "vpc-00000001", "subnet-00000001", "igw-00000001", "rtb-00000001", "box-role", "box-profile")) or .values.route_table_id == "rtb-00000001" or .values.security_group_id == "sg-00000001" or .values.role == "box-role")) | .address] | unique | .[]' | while read -r it; do terraform state rm "$it" </dev/null; done
    "#);
}

#[test]
fn nothing_of_a_machine_in_use_loses_its_way_out() {
    // The main table is in use: its own gets its route before the subnet goes over to it.
    let site = but_site(|site| {
        site.tables.remove(0);
        site.tables[0].table.default_gateway = Some(id("igw-00000001"));
    });
    let adoption = of(&site);
    let mut world = adoption.world.clone();
    for _ in 0..10 {
        let next = decide(&adoption.desired, &world, Goal::Settings);
        let moves = |step: &&Step| matches!(step, Step::AssociateRouteTable { .. });
        if next.ready.iter().any(|step| moves(&step)) {
            let table = world.winners(&adoption.desired).route_table.unwrap();
            assert!(table.default_gateway.is_some());
        }
        for step in &next.ready {
            world = perform(&adoption.desired, world, step, &mut Counter::after(0x100));
        }
    }
    assert!(plan(&adoption.desired, &world, Goal::Settings).is_done());
}
