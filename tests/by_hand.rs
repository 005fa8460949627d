//! A machine of the same design that plain calls make: as a program of Pulumi's or Terraform's would, or a person.

use std::time::Duration;

use aws_sdk_ec2::types::{
    AttributeBooleanValue, BlockDeviceMapping, EbsBlockDevice, Filter, IamInstanceProfileSpecification,
    InstanceMetadataOptionsRequest, InstanceNetworkInterfaceSpecification, ResourceType, Tag,
    TagSpecification, VolumeType,
};
use holdfast_core::names::InstanceId;

/// The ids and names of what was made.
#[derive(Clone, Debug)]
pub struct ByHand {
    /// The VPC.
    pub vpc: String,
    /// Its subnet.
    pub subnet: String,
    /// Its internet gateway.
    pub gateway: String,
    /// The subnet's route table.
    pub routes: String,
    /// The security group.
    pub group: String,
    /// The role.
    pub role: String,
    /// The instance profile.
    pub profile: String,
    /// The instance.
    pub instance: InstanceId,
}

/// How long IAM may take to get around.
const PROPAGATION: Duration = Duration::from_secs(60);

/// Makes the whole machine. `called` gives each part its name: `vpc`, `subnet`, `gateway`, `routes`, `group`, `role`, `profile`,
/// `machine`, `volume`.
///
/// # Panics
/// When a call is refused.
#[expect(clippy::unwrap_used, reason = "what is refused here fails the test")]
pub async fn by_hand(
    ec2: &aws_sdk_ec2::Client,
    iam: &aws_sdk_iam::Client,
    called: impl Fn(&str) -> String,
) -> ByHand {
    let named = |kind: ResourceType, part: &str| {
        let name = Tag::builder().key("Name").value(called(part)).build();
        TagSpecification::builder().resource_type(kind).tags(name).build()
    };
    let vpc = ec2.create_vpc().cidr_block("10.0.0.0/16").tag_specifications(named(ResourceType::Vpc, "vpc"));
    let vpc = vpc.send().await.unwrap().vpc.unwrap().vpc_id.unwrap();
    let on = AttributeBooleanValue::builder().value(true).build();
    ec2.modify_vpc_attribute().vpc_id(&vpc).enable_dns_hostnames(on).send().await.unwrap();
    let subnet = ec2.create_subnet().vpc_id(&vpc).cidr_block("10.0.0.0/20").availability_zone("us-west-2b");
    let subnet = subnet.tag_specifications(named(ResourceType::Subnet, "subnet"));
    let subnet = subnet.send().await.unwrap().subnet.unwrap().subnet_id.unwrap();
    let on = AttributeBooleanValue::builder().value(true).build();
    ec2.modify_subnet_attribute().subnet_id(&subnet).map_public_ip_on_launch(on).send().await.unwrap();
    let gateway =
        ec2.create_internet_gateway().tag_specifications(named(ResourceType::InternetGateway, "gateway"));
    let gateway = gateway.send().await.unwrap().internet_gateway.unwrap().internet_gateway_id.unwrap();
    ec2.attach_internet_gateway().internet_gateway_id(&gateway).vpc_id(&vpc).send().await.unwrap();
    let routes =
        ec2.create_route_table().vpc_id(&vpc).tag_specifications(named(ResourceType::RouteTable, "routes"));
    let routes = routes.send().await.unwrap().route_table.unwrap().route_table_id.unwrap();
    let route = ec2.create_route().route_table_id(&routes).destination_cidr_block("0.0.0.0/0");
    let began = tokio::time::Instant::now();
    while let Err(error) = route.clone().gateway_id(&gateway).send().await {
        assert!(began.elapsed() < PROPAGATION, "{error:?}");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    ec2.associate_route_table().route_table_id(&routes).subnet_id(&subnet).send().await.unwrap();
    let group = ec2.create_security_group().vpc_id(&vpc).group_name(called("group")).description("box");
    let group = group.tag_specifications(named(ResourceType::SecurityGroup, "group"));
    let group = group.send().await.unwrap().group_id.unwrap();

    let (role, profile) = (called("role"), called("profile"));
    let trust = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"Service":"ec2.amazonaws.com"},"Action":"sts:AssumeRole"}]}"#;
    iam.create_role().role_name(&role).assume_role_policy_document(trust).send().await.unwrap();
    let core = "arn:aws:iam::aws:policy/AmazonSSMManagedInstanceCore";
    iam.attach_role_policy().role_name(&role).policy_arn(core).send().await.unwrap();
    iam.create_instance_profile().instance_profile_name(&profile).send().await.unwrap();
    let add = iam.add_role_to_instance_profile().instance_profile_name(&profile).role_name(&role);
    add.send().await.unwrap();

    let nixos = |name: &str, value: &str| Filter::builder().name(name).values(value).build();
    let images = ec2.describe_images().owners("427812963091");
    let images = images.filters(nixos("architecture", "arm64")).filters(nixos("name", "nixos/*"));
    let images = images.send().await.unwrap().images.unwrap();
    let image = images.iter().max_by_key(|image| image.creation_date.clone()).unwrap();
    let disk = EbsBlockDevice::builder().volume_type(VolumeType::Gp3).volume_size(80).encrypted(true);
    let disk = disk.delete_on_termination(true).build();
    let disk = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(disk).build();
    let card = InstanceNetworkInterfaceSpecification::builder().device_index(0).subnet_id(&subnet);
    let card = card.groups(&group).associate_public_ip_address(true).delete_on_termination(true).build();
    let metadata = InstanceMetadataOptionsRequest::builder()
        .http_tokens("optional".into())
        .http_put_response_hop_limit(2)
        .build();
    let run = ec2
        .run_instances()
        .min_count(1)
        .max_count(1)
        .image_id(image.image_id.clone().unwrap())
        .instance_type("m8g.large".into())
        .block_device_mappings(disk)
        .network_interfaces(card)
        .metadata_options(metadata)
        .iam_instance_profile(IamInstanceProfileSpecification::builder().name(&profile).build())
        .tag_specifications(named(ResourceType::Instance, "machine"))
        .tag_specifications(named(ResourceType::Volume, "volume"));
    let began = tokio::time::Instant::now();
    let answer = loop {
        match run.clone().send().await {
            Ok(answer) => break answer,
            Err(error) => assert!(began.elapsed() < PROPAGATION, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    };
    let instance = answer.instances.unwrap().remove(0).instance_id.unwrap().parse().unwrap();
    ByHand { vpc, subnet, gateway, routes, group, role, profile, instance }
}
