//! One thing after the other is taken away or spoilt by plain calls; each time an apply makes it whole.

use aws_sdk_ec2::types::{AttributeBooleanValue, Instance, IpPermission, IpRange, Tag};
use holdfast_core::plan::Goal;
use holdfast_tests::Laptop;

use crate::moto::{Account, REGION};
use crate::table::{SETTINGS, assert_whole, ours};

struct Lab {
    account: Account,
    laptop: Laptop,
}

impl Lab {
    async fn whole() -> Self {
        let account = Account::new().await;
        let laptop = account.laptop(SETTINGS).await;
        laptop.reach(Goal::Settings).await.expect("a plain apply");
        Self { account, laptop }
    }

    /// An apply has something to do, and afterwards everything is there; gives the instance.
    async fn mend(&self, case: &str) -> Instance {
        let report =
            self.laptop.reach(Goal::Settings).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
        assert_ne!(report.performed, 0, "{case}: nothing was done");
        let instance = Box::pin(assert_whole(&self.account, &self.laptop.desired)).await;
        let idle =
            self.laptop.reach(Goal::Settings).await.unwrap_or_else(|problem| panic!("{case}: {problem:?}"));
        assert_eq!(idle.performed, 0, "{case}");
        instance
    }

    async fn group(&self) -> String {
        let groups = self.account.ec2.describe_security_groups().filters(ours(&self.laptop.desired));
        groups.send().await.unwrap().security_groups.unwrap().remove(0).group_id.unwrap()
    }

    fn role(&self) -> String {
        self.laptop.desired.role_name()
    }

    fn profile(&self) -> String {
        format!("ada-remote-dev-{REGION}-profile")
    }
}

fn boolean(value: bool) -> AttributeBooleanValue {
    AttributeBooleanValue::builder().value(value).build()
}

#[tokio::test]
async fn what_the_network_has_lost_is_made_again() {
    let lab = Lab::whole().await;
    let (ec2, mine) = (&lab.account.ec2, || ours(&lab.laptop.desired));
    let instance = lab.laptop.desired.name("machine");
    let before = assert_whole(&lab.account, &lab.laptop.desired).await;

    let vpc = before.vpc_id().unwrap();
    ec2.modify_vpc_attribute().vpc_id(vpc).enable_dns_hostnames(boolean(false)).send().await.unwrap();
    lab.mend("no DNS names").await;
    ec2.modify_vpc_attribute().vpc_id(vpc).enable_dns_support(boolean(false)).send().await.unwrap();
    lab.mend("no DNS").await;
    let subnet = before.subnet_id().unwrap();
    ec2.modify_subnet_attribute()
        .subnet_id(subnet)
        .map_public_ip_on_launch(boolean(false))
        .send()
        .await
        .unwrap();
    lab.mend("no public addresses").await;

    let table = || async {
        let answer = ec2.describe_route_tables().filters(mine()).send().await.unwrap();
        answer.route_tables.unwrap().remove(0)
    };
    let association = table().await.associations.unwrap().remove(0).route_table_association_id.unwrap();
    ec2.disassociate_route_table().association_id(association).send().await.unwrap();
    lab.mend("no association").await;
    let id = table().await.route_table_id.unwrap();
    ec2.delete_route().route_table_id(&id).destination_cidr_block("0.0.0.0/0").send().await.unwrap();
    lab.mend("no route").await;
    let association = table().await.associations.unwrap().remove(0).route_table_association_id.unwrap();
    ec2.disassociate_route_table().association_id(association).send().await.unwrap();
    ec2.delete_route_table().route_table_id(id).send().await.unwrap();
    lab.mend("no route table").await;

    let gateway = || async {
        let answer = ec2.describe_internet_gateways().filters(mine()).send().await.unwrap();
        answer.internet_gateways.unwrap().remove(0).internet_gateway_id.unwrap()
    };
    let id = gateway().await;
    ec2.detach_internet_gateway().internet_gateway_id(&id).vpc_id(vpc).send().await.unwrap();
    lab.mend("gateway detached").await;
    assert_eq!(gateway().await, id);
    ec2.detach_internet_gateway().internet_gateway_id(&id).vpc_id(vpc).send().await.unwrap();
    ec2.delete_internet_gateway().internet_gateway_id(&id).send().await.unwrap();
    lab.mend("no gateway").await;
    assert_ne!(gateway().await, id);

    let group = &lab.group().await;
    let everything = || {
        let range = IpRange::builder().cidr_ip("0.0.0.0/0").build();
        IpPermission::builder().ip_protocol("-1").ip_ranges(range).build()
    };
    let ssh = IpRange::builder().cidr_ip("0.0.0.0/0").build();
    let ssh = IpPermission::builder().ip_protocol("tcp").from_port(22).to_port(22).ip_ranges(ssh).build();
    ec2.authorize_security_group_ingress().group_id(group).ip_permissions(ssh).send().await.unwrap();
    lab.mend("a port is open").await;
    ec2.revoke_security_group_egress().group_id(group).ip_permissions(everything()).send().await.unwrap();
    lab.mend("nothing gets out").await;
    let name = Tag::builder().key("Name").build();
    ec2.delete_tags().resources(vpc).resources(group).tags(name).send().await.unwrap();
    let after = lab.mend("names are gone").await;
    assert_eq!(after.instance_id(), before.instance_id(), "{instance} is still the same");
}

#[tokio::test]
async fn what_the_role_has_lost_is_given_back() {
    let lab = Lab::whole().await;
    let (iam, role, profile) = (&lab.account.iam, lab.role(), lab.profile());
    let policy = lab.laptop.desired.managed_policy();

    let detach = || iam.detach_role_policy().role_name(&role).policy_arn(&policy).send();
    detach().await.unwrap();
    lab.mend("no managed policy").await;
    let deny =
        || iam.delete_role_policy().role_name(&role).policy_name(holdfast_core::plan::DENY_POLICY).send();
    deny().await.unwrap();
    lab.mend("no denial").await;
    let all = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"ssm:*","Resource":"*"}]}"#;
    let weak = iam.put_role_policy().role_name(&role).policy_name(holdfast_core::plan::DENY_POLICY);
    weak.policy_document(all).send().await.unwrap();
    lab.mend("the denial allows").await;
    let take_out =
        || iam.remove_role_from_instance_profile().instance_profile_name(&profile).role_name(&role).send();
    take_out().await.unwrap();
    lab.mend("the profile has no role").await;
    take_out().await.unwrap();
    detach().await.unwrap();
    deny().await.unwrap();
    iam.delete_role().role_name(&role).send().await.unwrap();
    lab.mend("no role").await;
    iam.untag_role().role_name(&role).tag_keys("team").send().await.unwrap();
    lab.mend("a tag of the role is gone").await;
}

#[tokio::test]
async fn what_the_machine_has_lost_is_given_back_and_a_lost_machine_is_made_again() {
    let lab = Lab::whole().await;
    let ec2 = &lab.account.ec2;
    let before = assert_whole(&lab.account, &lab.laptop.desired).await;
    let id = before.instance_id().unwrap();

    let modify = || ec2.modify_instance_attribute().instance_id(id);
    modify().disable_api_termination(boolean(false)).send().await.unwrap();
    lab.mend("no protection").await;
    // moto cannot change the shutdown behaviour; the sandbox can.
    let open = ec2.modify_instance_metadata_options().instance_id(id).http_tokens("optional".into());
    open.http_put_response_hop_limit(2).send().await.unwrap();
    lab.mend("the metadata service is open").await;
    let volume = before.block_device_mappings()[0].ebs().unwrap().volume_id().unwrap();
    // On AWS, to name no tag is enough to delete them all.
    let keys = ["Name", "do-not-nuke", "team", "holdfast:machine", "holdfast:owner"];
    let tags = keys.map(|key| Tag::builder().key(key).build());
    ec2.delete_tags().resources(volume).set_tags(Some(tags.into())).send().await.unwrap();
    let same = lab.mend("the volume has no tags").await;
    assert_eq!(same.instance_id(), Some(id));

    modify().disable_api_termination(boolean(false)).send().await.unwrap();
    ec2.terminate_instances().instance_ids(id).send().await.unwrap();
    let second = lab.mend("no instance").await;
    assert_ne!(second.instance_id(), Some(id));

    // Nothing but the VPC is left, and even that one without its attributes.
    let id = second.instance_id().unwrap();
    let modify = ec2.modify_instance_attribute().instance_id(id);
    modify.disable_api_termination(boolean(false)).send().await.unwrap();
    ec2.terminate_instances().instance_ids(id).send().await.unwrap();
    ec2.delete_security_group().group_id(lab.group().await).send().await.unwrap();
    // With a subnet AWS drops the association of its route table, which moto leaves.
    let tables = ec2.describe_route_tables().filters(ours(&lab.laptop.desired)).send().await.unwrap();
    let association = tables.route_tables()[0].associations()[0].route_table_association_id().unwrap();
    ec2.disassociate_route_table().association_id(association).send().await.unwrap();
    ec2.delete_subnet().subnet_id(second.subnet_id().unwrap()).send().await.unwrap();
    lab.mend("no instance, subnet and group").await;
}
