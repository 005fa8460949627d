use super::*;

#[tokio::test]
async fn a_network_is_taken_apart_in_one_order_only() {
    let client = Client::new(&sandbox());
    client.profile().await;
    let net = client.network().await;
    let launch = client.launch(&net).await;
    let instance = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    let blocked = [
        ("DeleteVpc", vec![("VpcId", &*net.vpc)]),
        ("DeleteSubnet", vec![("SubnetId", &*net.subnet)]),
        ("DeleteSecurityGroup", vec![("GroupId", &*net.group)]),
        ("DetachInternetGateway", vec![("InternetGatewayId", &*net.gateway), ("VpcId", &*net.vpc)]),
        ("DeleteInternetGateway", vec![("InternetGatewayId", &*net.gateway)]),
        ("DeleteRouteTable", vec![("RouteTableId", &*net.table)]),
    ];
    for (operation, fields) in &blocked {
        assert_eq!(client.ec2(operation, fields).await.code(), "DependencyViolation", "{operation}");
    }
    client.make("TerminateInstances", &[("InstanceId.1", &instance)]).await;
    assert_eq!(
        client.ec2("DeleteSubnet", &blocked[1].1).await.code(),
        "DependencyViolation",
        "shutting down"
    );
    client.sandbox.advance(Duration::from_secs(60));
    for (operation, fields) in [
        ("DeleteSecurityGroup", vec![("GroupId", &*net.group)]),
        ("DisassociateRouteTable", vec![("AssociationId", &*net.association)]),
        ("DeleteRouteTable", vec![("RouteTableId", &*net.table)]),
        ("DeleteSubnet", vec![("SubnetId", &*net.subnet)]),
        ("DetachInternetGateway", vec![("InternetGatewayId", &*net.gateway), ("VpcId", &*net.vpc)]),
        ("DeleteInternetGateway", vec![("InternetGatewayId", &*net.gateway)]),
        ("DeleteVpc", vec![("VpcId", &*net.vpc)]),
    ] {
        client.make(operation, &fields).await;
        let again = client.ec2(operation, &fields).await.code();
        assert!(again.ends_with("NotFound") || again == "Gateway.NotAttached", "{operation} again: {again}");
    }
    let world = client.sandbox.world();
    let region = world.region(ACCOUNT, REGION).unwrap();
    assert!(region.route_tables.is_empty() && region.groups.is_empty() && region.interfaces.is_empty());
}

#[tokio::test]
async fn a_vpc_comes_with_its_main_table_and_default_group() {
    let client = Client::new(&sandbox());
    let vpc = client.make("CreateVpc", &[("CidrBlock", "10.0.0.7/16")]).await;
    assert_eq!((&*vpc.get("cidrBlock"), &*vpc.get("state")), ("10.0.0.0/16", "pending"));
    let id = vpc.get("vpcId");
    client.sandbox.advance(Duration::from_secs(2));
    let of_vpc = [("Filter.1.Name", "vpc-id"), ("Filter.1.Value.1", &*id)];
    assert_eq!(client.make("DescribeVpcs", &of_vpc).await.get("state"), "available");
    assert_eq!(client.make("DescribeRouteTables", &of_vpc).await.get("main"), "true");
    let group = client.make("DescribeSecurityGroups", &of_vpc).await;
    assert_eq!(group.get("groupName"), "default");
    let own = group.get("groupId");
    assert_eq!(client.ec2("DeleteSecurityGroup", &[("GroupId", &own)]).await.code(), "CannotDelete");
    let rules = [("Filter.1.Name", "group-id"), ("Filter.1.Value.1", &*own)];
    assert_eq!(client.make("DescribeSecurityGroupRules", &rules).await.all("securityGroupRuleId").len(), 2);
    let dns = [("VpcId", &*id), ("Attribute", "enableDnsHostnames")];
    assert_eq!(client.make("DescribeVpcAttribute", &dns).await.get("value"), "false");
    client.make("ModifyVpcAttribute", &[("VpcId", &id), ("EnableDnsHostnames.Value", "true")]).await;
    assert_eq!(client.make("DescribeVpcAttribute", &dns).await.get("value"), "true");
    let both = [("VpcId", &*id), ("EnableDnsHostnames.Value", "true"), ("EnableDnsSupport.Value", "true")];
    assert_eq!(client.ec2("ModifyVpcAttribute", &both).await.code(), "InvalidParameterCombination");
}

#[tokio::test]
async fn what_collides_is_refused() {
    let client = Client::new(&sandbox());
    let net = client.network().await;
    let other = client.make("CreateInternetGateway", &[]).await.get("internetGatewayId");
    for (operation, fields, code) in [
        ("CreateVpc", vec![("CidrBlock", "10.0.0.0/8")], "InvalidVpc.Range"),
        ("CreateVpc", vec![("CidrBlock", "ten")], "InvalidParameterValue"),
        (
            "CreateSubnet",
            vec![("VpcId", &*net.vpc), ("CidrBlock", "10.0.0.128/25")],
            "InvalidSubnet.Conflict",
        ),
        ("CreateSubnet", vec![("VpcId", &*net.vpc), ("CidrBlock", "10.1.0.0/24")], "InvalidSubnet.Range"),
        ("CreateSubnet", vec![("VpcId", &*net.vpc), ("CidrBlock", "10.0.0.0/30")], "InvalidSubnet.Range"),
        (
            "CreateSubnet",
            vec![("VpcId", &*net.vpc), ("CidrBlock", "10.0.9.0/24"), ("AvailabilityZone", "us-east-1a")],
            "InvalidParameterValue",
        ),
        (
            "AttachInternetGateway",
            vec![("InternetGatewayId", &*other), ("VpcId", &*net.vpc)],
            "InvalidParameterValue",
        ),
        (
            "AttachInternetGateway",
            vec![("InternetGatewayId", &*net.gateway), ("VpcId", &*net.vpc)],
            "Resource.AlreadyAssociated",
        ),
        (
            "CreateRoute",
            vec![
                ("RouteTableId", &*net.table),
                ("DestinationCidrBlock", "0.0.0.0/0"),
                ("GatewayId", &*net.gateway),
            ],
            "RouteAlreadyExists",
        ),
        (
            "CreateRoute",
            vec![
                ("RouteTableId", &*net.table),
                ("DestinationCidrBlock", "1.0.0.0/8"),
                ("GatewayId", &*other),
            ],
            "InvalidParameterValue",
        ),
        (
            "DeleteRoute",
            vec![("RouteTableId", &*net.table), ("DestinationCidrBlock", "10.0.0.0/16")],
            "InvalidParameterValue",
        ),
        (
            "DeleteRoute",
            vec![("RouteTableId", &*net.table), ("DestinationCidrBlock", "1.0.0.0/8")],
            "InvalidRoute.NotFound",
        ),
        (
            "ReplaceRoute",
            vec![
                ("RouteTableId", &*net.table),
                ("DestinationCidrBlock", "1.0.0.0/8"),
                ("GatewayId", &*net.gateway),
            ],
            "InvalidParameterValue",
        ),
        (
            "ReplaceRoute",
            vec![
                ("RouteTableId", &*net.table),
                ("DestinationCidrBlock", "0.0.0.0/0"),
                ("GatewayId", &*net.gateway),
            ],
            "",
        ),
        (
            "AssociateRouteTable",
            vec![("RouteTableId", &*net.table), ("SubnetId", &*net.subnet)],
            "Resource.AlreadyAssociated",
        ),
        (
            "CreateSecurityGroup",
            vec![("VpcId", &*net.vpc), ("GroupName", "group"), ("GroupDescription", "d")],
            "InvalidGroup.Duplicate",
        ),
        (
            "CreateSecurityGroup",
            vec![("VpcId", &*net.vpc), ("GroupName", "default"), ("GroupDescription", "d")],
            "InvalidParameterValue",
        ),
        ("CreateSecurityGroup", vec![("GroupName", "g"), ("GroupDescription", "d")], "VPCIdNotSpecified"),
    ] {
        assert_eq!(client.ec2(operation, &fields).await.code(), code, "{operation} {fields:?}");
    }
}

#[tokio::test]
async fn rules_of_a_group_are_added_once_and_taken_away() {
    let client = Client::new(&sandbox());
    let net = client.network().await;
    let all = [
        ("GroupId", &*net.group),
        ("IpPermissions.1.IpProtocol", "-1"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "0.0.0.0/0"),
    ];
    assert_eq!(client.ec2("AuthorizeSecurityGroupEgress", &all).await.code(), "InvalidPermission.Duplicate");
    client.make("RevokeSecurityGroupEgress", &all).await;
    assert_eq!(client.ec2("RevokeSecurityGroupEgress", &all).await.code(), "InvalidPermission.NotFound");
    let ssh = [
        ("GroupId", &*net.group),
        ("IpPermissions.1.IpProtocol", "6"),
        ("IpPermissions.1.FromPort", "22"),
        ("IpPermissions.1.ToPort", "22"),
        ("IpPermissions.1.IpRanges.1.CidrIp", "192.0.2.1/32"),
        ("IpPermissions.1.Groups.1.GroupId", &*net.group),
    ];
    let added = client.make("AuthorizeSecurityGroupIngress", &ssh).await;
    assert_eq!(added.all("securityGroupRuleId").len(), 2);
    assert_eq!(added.get("ipProtocol"), "tcp");
    for id in added.all("securityGroupRuleId") {
        client
            .make("RevokeSecurityGroupIngress", &[("GroupId", &net.group), ("SecurityGroupRuleId.1", &id)])
            .await;
    }
    let group = client.make("DescribeSecurityGroups", &[("GroupId.1", &net.group)]).await;
    assert_eq!((&*group.get("ipPermissions"), &*group.get("ipPermissionsEgress")), ("", ""));
}

#[tokio::test]
async fn quotas_hold() {
    let client = Client::new(&sandbox_with(|options| options.conditions.quotas.vpcs = 2));
    for _ in 0..2 {
        client.make("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await;
        client.make("CreateInternetGateway", &[]).await;
    }
    let vpc = client.ec2("CreateVpc", &[("CidrBlock", "10.0.0.0/16")]).await;
    assert_eq!(vpc.code(), "VpcLimitExceeded");
    assert_eq!(client.ec2("CreateInternetGateway", &[]).await.code(), "InternetGatewayLimitExceeded");
}

#[tokio::test]
async fn an_account_begins_with_a_default_vpc_in_each_region() {
    let client = Client::new(&sandbox_with(|options| options.conditions.default_vpc = true));
    let vpcs = client.make("DescribeVpcs", &[]).await;
    assert_eq!((vpcs.all("vpcId").len(), &*vpcs.get("isDefault")), (1, "true"));
    assert_eq!(client.make("DescribeSubnets", &[]).await.all("subnetId").len(), 4);
}

#[tokio::test]
async fn tags_are_set_searched_and_removed() {
    let client = Client::new(&sandbox());
    let vpc = client
        .make(
            "CreateVpc",
            &[
                ("CidrBlock", "10.0.0.0/16"),
                ("TagSpecification.1.ResourceType", "vpc"),
                ("TagSpecification.1.Tag.1.Key", "owner"),
                ("TagSpecification.1.Tag.1.Value", "a<b>&c"),
            ],
        )
        .await;
    assert_eq!(vpc.get("value"), "a&lt;b&gt;&amp;c");
    let vpc = vpc.get("vpcId");
    let found = |name: &'static str, value: &'static str| {
        let client = client.clone();
        async move {
            let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
            client.make("DescribeVpcs", &filter).await.all("vpcId").len()
        }
    };
    for (name, value, count) in [
        ("tag:owner", "a<b>&c", 1),
        ("tag:owner", "a*", 1),
        ("tag:owner", "A*", 0),
        ("tag:other", "*", 0),
        ("tag-key", "own??", 1),
    ] {
        assert_eq!(found(name, value).await, count, "{name}={value}");
    }
    client.make("CreateTags", &[("ResourceId.1", &vpc), ("Tag.1.Key", "k"), ("Tag.1.Value", "v")]).await;
    client.make("DeleteTags", &[("ResourceId.1", &vpc), ("Tag.1.Key", "k"), ("Tag.1.Value", "w")]).await;
    assert_eq!(found("tag:k", "v").await, 1, "another value keeps the tag");
    client.make("DeleteTags", &[("ResourceId.1", &vpc), ("Tag.1.Key", "k")]).await;
    assert_eq!(found("tag:k", "v").await, 0);
    assert_eq!(client.make("DescribeTags", &[]).await.get("resourceType"), "vpc");
    for (operation, fields, code) in [
        (
            "CreateTags",
            vec![("ResourceId.1", "vpc-0123456789abcdef0"), ("Tag.1.Key", "k")],
            "InvalidVpcID.NotFound",
        ),
        ("CreateTags", vec![("ResourceId.1", "thing"), ("Tag.1.Key", "k")], "InvalidID"),
        ("CreateTags", vec![("ResourceId.1", &*vpc), ("Tag.1.Key", "aws:k")], "InvalidParameterValue"),
        (
            "CreateVpc",
            vec![("CidrBlock", "10.0.0.0/16"), ("TagSpecification.1.ResourceType", "subnet")],
            "InvalidParameterValue",
        ),
    ] {
        assert_eq!(client.ec2(operation, &fields).await.code(), code, "{fields:?}");
    }
}
