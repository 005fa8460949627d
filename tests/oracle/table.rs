//! The table of what Holdfast makes, read back thing by thing.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    ArchitectureValues, Filter, HttpTokensState, Instance, InstanceAttributeName, InstanceType, RouteState,
    ShutdownBehavior, Tag, VolumeType, VpcAttributeName,
};
use holdfast_core::machine::{Desired, TAG_MACHINE};
use holdfast_core::plan::Goal;

use crate::everything::Everything;
use crate::moto::{Account, NEWEST_ARM, NEWEST_X86, REGION};

#[tokio::test]
async fn an_architecture_without_an_image_makes_nothing() {
    let account = Account::new().await;
    let laptop = account.laptop("[machine.remote-dev]\ninstance_type = \"mac2.metal\"\n").await;
    let before = Everything::of(&account).await;
    let problem = laptop.reach(Goal::Settings).await.expect_err("there is no NixOS for it");
    assert_eq!(problem.code, "no_image", "{problem:?}");
    assert!(problem.what.contains("mac2.metal (arm64_mac)"), "{problem}");
    Everything::of(&account).await.assert_same_as(&before, "no image");
}

/// The settings whose machine [`assert_whole`] expects.
pub(crate) const SETTINGS: &str =
    "[machine.remote-dev]\nvolume_size = 60\n[machine.remote-dev.tags]\nteam = \"platform\"\n";

#[tokio::test]
async fn everything_is_made_as_the_table_says_and_an_idle_run_changes_nothing() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    let report = laptop.reach(Goal::Settings).await.expect("a plain apply");
    assert!(report.performed > 15, "{report:?}");

    let instance = assert_whole(&account, &laptop.desired).await;
    assert_eq!(instance.image_id(), Some(NEWEST_ARM));
    assert_eq!(instance.architecture(), Some(&ArchitectureValues::Arm64));
    assert_eq!(instance.instance_type(), Some(&InstanceType::M8gXlarge));

    let before = Everything::of(&account).await;
    for who in [&laptop, &account.laptop(SETTINGS).await] {
        let report = who.reach(Goal::Settings).await.expect("an idle apply");
        assert_eq!(report.performed, 0);
        Everything::of(&account).await.assert_same_as(&before, "an idle apply");
    }
}

#[tokio::test]
async fn an_intel_type_gets_the_image_of_its_architecture() {
    let account = Account::new().await;
    let settings = "[machine.remote-dev]\ninstance_type = \"m6i.large\"\n";
    let laptop = account.laptop(settings).await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    let [instance] = &instances(&account, &laptop.desired).await[..] else { panic!("not one instance") };
    assert_eq!(instance.image_id(), Some(NEWEST_X86));
    assert_eq!(instance.instance_type(), Some(&InstanceType::M6iLarge));
    assert_eq!(instance.architecture(), Some(&ArchitectureValues::X8664));
}

/// Everything is there once and as it should be; gives the instance.
pub(crate) async fn assert_whole(account: &Account, desired: &Desired) -> Instance {
    let read = Read { account, desired };
    let vpc = Box::pin(read.network()).await;
    Box::pin(read.group(&vpc)).await;
    Box::pin(read.identity()).await;
    Box::pin(read.machine(&vpc)).await
}

/// The instances with our tag that are not gone.
pub(crate) async fn instances(account: &Account, desired: &Desired) -> Vec<Instance> {
    let call = account.ec2.describe_instances().filters(ours(desired));
    let alive = ["pending", "running", "stopping", "stopped"].map(str::to_owned);
    let alive = Filter::builder().name("instance-state-name").set_values(Some(alive.into())).build();
    let answer = call.filters(alive).send().await.expect("instances");
    answer.reservations().iter().flat_map(|reservation| reservation.instances()).cloned().collect()
}

/// A filter for what carries our tag.
pub(crate) fn ours(desired: &Desired) -> Filter {
    Filter::builder().name(format!("tag:{TAG_MACHINE}")).values(desired.key()).build()
}

/// The only one of its kind.
#[track_caller]
fn the<T>(things: Option<Vec<T>>) -> T {
    let mut things = things.unwrap_or_default();
    assert_eq!(things.len(), 1, "there should be one");
    things.remove(0)
}

struct Read<'a> {
    account: &'a Account,
    desired: &'a Desired,
}

impl Read<'_> {
    /// Names and tags: those of the settings, whose machine it is, who owns it, and a maker where AWS may make it twice.
    fn tags(&self, tags: &[Tag], part: &str, has_maker: bool) {
        let pair = |tag: &Tag| {
            (tag.key().unwrap_or_default().to_owned(), tag.value().unwrap_or_default().to_owned())
        };
        self.pairs(tags.iter().map(pair).collect(), part, has_maker);
    }

    fn pairs(&self, mut tags: BTreeMap<String, String>, part: &str, has_maker: bool) {
        assert_eq!(tags.remove("holdfast:maker").is_some(), has_maker, "{part}");
        if part == "vpc" {
            tags.remove("holdfast:generation");
        }
        let expected = [
            ("Name", format!("ada-remote-dev-{part}")),
            ("do-not-nuke", "true".to_owned()),
            ("holdfast:machine", format!("ada/remote-dev/{REGION}")),
            ("holdfast:owner", self.account.owner("ada")),
            ("team", "platform".to_owned()),
        ];
        assert_eq!(tags, expected.map(|(key, value)| (key.to_owned(), value)).into(), "{part}");
    }

    /// VPC, subnet, gateway and routes; gives the VPC's id.
    async fn network(&self) -> String {
        let ec2 = &self.account.ec2;
        let vpc = the(ec2.describe_vpcs().filters(ours(self.desired)).send().await.expect("VPCs").vpcs);
        let id = vpc.vpc_id().expect("an id");
        self.tags(vpc.tags(), "vpc", true);
        assert_eq!(vpc.cidr_block(), Some("10.0.0.0/16"));
        for name in [VpcAttributeName::EnableDnsSupport, VpcAttributeName::EnableDnsHostnames] {
            let answer = ec2.describe_vpc_attribute().vpc_id(id).attribute(name.clone()).send().await;
            let answer = answer.expect("an attribute");
            let value = answer.enable_dns_support().or(answer.enable_dns_hostnames());
            assert_eq!(value.and_then(|attribute| attribute.value()), Some(true), "{name}");
        }

        let subnet =
            the(ec2.describe_subnets().filters(ours(self.desired)).send().await.expect("subnets").subnets);
        self.tags(subnet.tags(), "subnet", true);
        assert_eq!((subnet.vpc_id(), subnet.cidr_block()), (Some(id), Some("10.0.0.0/20")));
        assert_eq!(subnet.map_public_ip_on_launch(), Some(true));
        let zone = subnet.availability_zone().expect("a zone");
        let offered = ec2.describe_instance_type_offerings().location_type("availability-zone".into());
        let wanted =
            Filter::builder().name("instance-type").values(self.desired.instance_type.as_str()).build();
        let offered =
            offered.filters(wanted).send().await.expect("offers").instance_type_offerings.expect("offers");
        assert!(offered.iter().any(|offer| offer.location() == Some(zone)), "{zone}");

        let gateways = ec2.describe_internet_gateways().filters(ours(self.desired)).send().await;
        let gateway = the(gateways.expect("gateways").internet_gateways);
        self.tags(gateway.tags(), "gateway", true);
        assert_eq!(the(gateway.attachments.clone()).vpc_id(), Some(id));

        let tables = ec2.describe_route_tables().filters(ours(self.desired)).send().await;
        let table = the(tables.expect("route tables").route_tables);
        self.tags(table.tags(), "routes", true);
        assert_eq!(table.vpc_id(), Some(id));
        let out = table.routes().iter().find(|route| route.destination_cidr_block() == Some("0.0.0.0/0"));
        let out = out.expect("a way out");
        assert_eq!(
            (out.gateway_id(), out.state()),
            (gateway.internet_gateway_id(), Some(&RouteState::Active))
        );
        let association = the(table.associations.clone());
        assert_eq!(association.subnet_id(), subnet.subnet_id());
        assert_ne!(association.main(), Some(true));
        id.to_owned()
    }

    async fn group(&self, vpc: &str) {
        let ec2 = &self.account.ec2;
        let groups = ec2.describe_security_groups().filters(ours(self.desired)).send().await;
        let group = the(groups.expect("groups").security_groups);
        self.tags(group.tags(), "group", true);
        assert_eq!((group.vpc_id(), group.group_name()), (Some(vpc), Some("ada-remote-dev-group")));
        assert_eq!(group.ip_permissions(), []);
        let out = the(group.ip_permissions_egress.clone());
        assert_eq!(out.ip_protocol(), Some("-1"));
        assert_eq!(the(out.ip_ranges).cidr_ip(), Some("0.0.0.0/0"));
    }

    async fn identity(&self) {
        let iam = &self.account.iam;
        let name = format!("ada-remote-dev-{REGION}-role");
        let role = iam.get_role().role_name(&name).send().await.expect("a role").role.expect("a role");
        let pair = |tag: &aws_sdk_iam::types::Tag| (tag.key().to_owned(), tag.value().to_owned());
        self.pairs(role.tags().iter().map(pair).collect(), "role", false);
        let trust = decoded(role.assume_role_policy_document().unwrap_or_default());
        let [statement] = &trust["Statement"].as_array().expect("statements")[..] else { panic!("{trust}") };
        assert_eq!(statement["Effect"], "Allow");
        assert_eq!(statement["Action"], "sts:AssumeRole");
        assert_eq!(statement["Principal"], serde_json::json!({ "Service": "ec2.amazonaws.com" }));

        let attached = iam.list_attached_role_policies().role_name(&name).send().await.expect("policies");
        let policy = the(attached.attached_policies);
        assert_eq!(policy.policy_arn(), Some("arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore"));
        let inline = iam.list_role_policies().role_name(&name).send().await.expect("policies");
        let inline = the(Some(inline.policy_names));
        let denial =
            iam.get_role_policy().role_name(&name).policy_name(inline).send().await.expect("a policy");
        let denial = decoded(denial.policy_document());
        let [statement] = &denial["Statement"].as_array().expect("statements")[..] else {
            panic!("{denial}")
        };
        let expected =
            serde_json::json!({ "Effect": "Deny", "Action": "ssm:GetParameter*", "Resource": "*" });
        assert_eq!(statement, &expected);

        let profile = format!("ada-remote-dev-{REGION}-profile");
        let profile = iam.get_instance_profile().instance_profile_name(profile).send().await;
        let profile = profile.expect("a profile").instance_profile.expect("a profile");
        assert_eq!(the(Some(profile.roles.clone())).role_name(), name);
        let mut tags: BTreeMap<String, String> = profile.tags().iter().map(pair).collect();
        assert!(tags.remove("holdfast:network").is_some_and(|vpc| vpc.starts_with("vpc-")));
        self.pairs(tags, "profile", false);
    }

    async fn machine(&self, vpc: &str) -> Instance {
        let ec2 = &self.account.ec2;
        let instance = the(Some(instances(self.account, self.desired).await));
        let id = instance.instance_id().expect("an id");
        self.tags(instance.tags(), "machine", false);
        assert_eq!(instance.vpc_id(), Some(vpc));
        assert!(instance.public_ip_address().is_some());
        let profile = instance.iam_instance_profile().and_then(|profile| profile.arn()).unwrap_or_default();
        assert!(
            profile.ends_with(&format!(":instance-profile/ada-remote-dev-{REGION}-profile")),
            "{profile}"
        );
        let metadata = instance.metadata_options().expect("metadata options");
        assert_eq!(metadata.http_tokens(), Some(&HttpTokensState::Required));
        assert_eq!(metadata.http_put_response_hop_limit(), Some(1));

        // moto forgets DisableApiTermination at the launch (AWS does not), so it takes a second look to be on.
        let attribute = |name| ec2.describe_instance_attribute().instance_id(id).attribute(name).send();
        let protected = attribute(InstanceAttributeName::DisableApiTermination).await.expect("an attribute");
        assert_eq!(protected.disable_api_termination().and_then(|value| value.value()), Some(true));
        let behaviour = attribute(InstanceAttributeName::InstanceInitiatedShutdownBehavior).await;
        let behaviour = behaviour.expect("an attribute");
        let behaviour = behaviour.instance_initiated_shutdown_behavior().and_then(|value| value.value());
        assert_eq!(behaviour, Some(ShutdownBehavior::Stop.as_str()));
        let user_data = attribute(InstanceAttributeName::UserData).await.expect("an attribute");
        assert_eq!(user_data.user_data().and_then(|value| value.value()), None);

        let disk = the(instance.block_device_mappings.clone());
        assert_eq!((disk.device_name(), instance.root_device_name()), (Some("/dev/xvda"), Some("/dev/xvda")));
        let disk = disk.ebs().expect("a disk");
        assert_eq!(disk.delete_on_termination(), Some(true));
        let volume = ec2.describe_volumes().volume_ids(disk.volume_id().expect("an id")).send().await;
        let volume = the(volume.expect("volumes").volumes);
        self.tags(volume.tags(), "volume", false);
        assert_eq!((volume.size(), volume.volume_type()), (Some(60), Some(&VolumeType::Gp3)));
        assert_eq!(volume.encrypted(), Some(true));

        let cards = Filter::builder().name("attachment.instance-id").values(id).build();
        let cards = ec2.describe_network_interfaces().filters(cards).send().await.expect("cards");
        let card = the(cards.network_interfaces);
        // moto does not tag the interface at the launch; that AWS is told to is asserted against the sandbox.
        assert_eq!(card.tag_set(), []);
        let group = the(card.groups.clone());
        assert_eq!(group.group_name(), Some("ada-remote-dev-group"));
        instance
    }
}

fn decoded(document: &str) -> serde_json::Value {
    let text = percent_encoding::percent_decode_str(document).decode_utf8().expect("UTF-8");
    serde_json::from_str(&text).expect("a policy document")
}
