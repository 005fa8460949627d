use super::*;
use crate::{Key, TokenOfTerminated};

pub(super) async fn ready() -> (Client, Net, Launch) {
    let client = Client::new(&sandbox());
    client.profile().await;
    let net = client.network().await;
    let launch = client.launch(&net).await;
    (client, net, launch)
}

#[tokio::test]
async fn a_launch_that_cannot_be_is_refused_with_its_own_code() {
    let (client, net, launch) = ready().await;
    client.sandbox.set(|c| c.no_capacity.push(("us-west-2b".to_owned(), "m7g.*".to_owned())));
    let zone = client
        .make(
            "CreateSubnet",
            &[("VpcId", &net.vpc), ("CidrBlock", "10.0.1.0/24"), ("AvailabilityZone", "us-west-2a")],
        )
        .await
        .get("subnetId");
    for (change, code) in [
        (vec![("ImageId", "ami-0123456789abcdef0")], "InvalidAMIID.NotFound"),
        (vec![("ImageId", "nixos")], "InvalidAMIID.Malformed"),
        (vec![("InstanceType", "m7i.xlarge")], "InvalidParameterValue"),
        (vec![("InstanceType", "m8g.huge")], "InvalidParameterValue"),
        (vec![("InstanceType", "m8g.12xlarge")], "VcpuLimitExceeded"),
        (vec![("InstanceType", "m7g.xlarge")], "InsufficientInstanceCapacity"),
        (vec![("NetworkInterface.1.SubnetId", &*zone)], "Unsupported"),
        (vec![("NetworkInterface.1.SubnetId", "subnet-0123456789abcdef0")], "InvalidSubnetID.NotFound"),
        (vec![("NetworkInterface.1.SecurityGroupId.1", "sg-0123456789abcdef0")], "InvalidGroup.NotFound"),
        (vec![("SubnetId", &*net.subnet)], "InvalidParameterCombination"),
        (vec![("IamInstanceProfile.Name", "nobody")], "InvalidParameterValue"),
        (
            vec![
                ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.Ebs.VolumeSize", "3"),
            ],
            "InvalidBlockDeviceMapping",
        ),
        (
            vec![("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.Iops", "100")],
            "InvalidParameterValue",
        ),
        (
            vec![
                ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
                ("BlockDeviceMapping.1.Ebs.KmsKeyId", "k"),
            ],
            "InvalidParameterDependency",
        ),
        (vec![("MetadataOptions.HttpPutResponseHopLimit", "65")], "InvalidParameterValue"),
        (vec![("MinCount", "2")], "InvalidParameterValue"),
        (vec![("KeyName", "mine")], "UnknownParameter"),
        (vec![("DryRun", "true")], "DryRunOperation"),
    ] {
        let answer = client.run(&launch.with(&change)).await;
        assert_eq!(answer.code(), code, "{change:?}: {}", answer.body);
    }
    assert!(
        client.sandbox.world().region(ACCOUNT, REGION).unwrap().volumes.is_empty(),
        "nothing is left behind"
    );
}

#[tokio::test]
async fn a_client_token_answers_with_what_it_made() {
    let (client, _, launch) = ready().await;
    let launch = launch.with(&[("ClientToken", "once")]);
    let first = client.run(&launch).await;
    let id = first.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    let again = client.run(&launch).await;
    assert_eq!((again.get("instanceId"), again.get("name")), (id.clone(), "running".to_owned()));
    assert_eq!(again.get("reservationId"), first.get("reservationId"));
    let other = client.run(&launch.with(&[("InstanceType", "m8g.large")])).await;
    assert_eq!(other.code(), "IdempotentParameterMismatch");
    assert_eq!(client.run(&launch.with(&[("ClientToken", "tö")])).await.code(), "InvalidClientToken");

    client.make("TerminateInstances", &[("InstanceId.1", &id)]).await;
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.run(&launch).await.code(), "IdempotentInstanceTerminated");
    client.sandbox.set(|c| c.token_of_terminated = TokenOfTerminated::Answer);
    let gone = client.run(&launch).await;
    assert_eq!((gone.get("instanceId"), gone.get("name")), (id.clone(), "terminated".to_owned()));
    client.sandbox.advance(Duration::from_secs(25 * 3600));
    let fresh = client.run(&launch.without("ImageId").with(&[("ImageId", &client.image().await)])).await;
    assert_ne!(fresh.get("instanceId"), id, "a day later the token is forgotten: {}", fresh.body);
}

#[tokio::test]
async fn an_instance_lives_from_pending_to_forgotten() {
    let (client, _, launch) = ready().await;
    let made = client.run(&launch).await;
    let id = made.get("instanceId");
    assert_eq!(made.get("name"), "pending");
    let one = [("InstanceId.1", &*id)];
    assert_eq!(client.ec2("StopInstances", &one).await.code(), "IncorrectInstanceState");
    client.sandbox.advance(Duration::from_secs(3));
    assert_eq!(client.state(&id).await, "running");
    let address = client.make("DescribeInstances", &one).await.get("ipAddress");
    assert!(address.starts_with("198.1"), "{address}");
    assert_eq!(client.make("StartInstances", &one).await.all("name"), ["running", "running"]);
    let kind = [("InstanceId", &*id), ("InstanceType.Value", "m8g.large")];
    assert_eq!(client.ec2("ModifyInstanceAttribute", &kind).await.code(), "IncorrectInstanceState");

    assert_eq!(client.make("StopInstances", &one).await.all("name"), ["stopping", "running"]);
    assert_eq!(client.ec2("StartInstances", &one).await.code(), "IncorrectInstanceState");
    client.sandbox.advance(Duration::from_secs(2));
    let stopped = client.make("DescribeInstances", &one).await;
    assert_eq!((&*stopped.get("name"), &*stopped.get("ipAddress")), ("stopped", ""));
    assert_eq!(stopped.get("code"), "80");
    client.make("ModifyInstanceAttribute", &kind).await;
    client.sandbox.set(|c| c.no_capacity.push(("*".to_owned(), "m8g.*".to_owned())));
    assert_eq!(client.ec2("StartInstances", &one).await.code(), "InsufficientInstanceCapacity");
    client.sandbox.set(|c| c.no_capacity.clear());
    client.make("StartInstances", &one).await;
    client.sandbox.advance(Duration::from_secs(5));
    assert_ne!(client.make("DescribeInstances", &one).await.get("ipAddress"), address, "a new address");

    let protect = |on| [("InstanceId", &*id), ("DisableApiTermination.Value", on)];
    client.make("ModifyInstanceAttribute", &protect("true")).await;
    assert_eq!(client.ec2("TerminateInstances", &one).await.code(), "OperationNotPermitted");
    client.make("ModifyInstanceAttribute", &protect("false")).await;
    assert_eq!(client.make("TerminateInstances", &one).await.get("name"), "shutting-down");
    client.sandbox.advance(Duration::from_secs(2));
    let gone = client.make("DescribeInstances", &one).await;
    assert_eq!((&*gone.get("name"), &*gone.get("subnetId")), ("terminated", ""));
    assert_eq!(client.ec2("StartInstances", &one).await.code(), "IncorrectInstanceState");
    assert!(client.sandbox.world().region(ACCOUNT, REGION).unwrap().volumes.is_empty());
    client.sandbox.advance(Duration::from_secs(3600));
    assert_eq!(client.ec2("DescribeInstances", &one).await.code(), "InvalidInstanceID.NotFound");
}

#[tokio::test]
async fn disks_are_as_asked_for_and_kept_when_told_to() {
    let (client, _, launch) = ready().await;
    let root = "BlockDeviceMapping.1.Ebs.";
    let field = |name: &str| format!("{root}{name}");
    let launch = launch.with(&[
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        (&field("VolumeSize"), "100"),
        (&field("VolumeType"), "gp3"),
        (&field("Throughput"), "250"),
        (&field("Encrypted"), "true"),
        ("TagSpecification.1.ResourceType", "volume"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "disk"),
    ]);
    let id = client.run(&launch).await.get("instanceId");
    let of = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", &*id)];
    let disk = client.make("DescribeVolumes", &of).await;
    for (name, value) in [
        ("size", "100"),
        ("volumeType", "gp3"),
        ("iops", "3000"),
        ("throughput", "250"),
        ("encrypted", "true"),
        ("deleteOnTermination", "true"),
        ("status", "in-use"),
        ("value", "disk"),
    ] {
        assert_eq!(disk.get(name), value, "{name}");
    }
    assert!(disk.get("kmsKeyId").starts_with("arn:aws:kms:us-west-2:123456789012:key/"));
    let volume = disk.get("volumeId");
    assert_eq!(client.ec2("DeleteVolume", &[("VolumeId", &volume)]).await.code(), "VolumeInUse");
    let keep = [
        ("InstanceId", &*id),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
    ];
    client.make("ModifyInstanceAttribute", &keep).await;

    let grow = |gib: &'static str| [("VolumeId", volume.clone()), ("Size", gib.to_owned())];
    let modify = |gib: &'static str| {
        let (client, fields) = (client.clone(), grow(gib));
        async move {
            let fields: Vec<(&str, &str)> =
                fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
            client.ec2("ModifyVolume", &fields).await
        }
    };
    assert_eq!(modify("50").await.code(), "InvalidParameterValue");
    assert_eq!(modify("120").await.get("modificationState"), "modifying");
    assert_eq!(modify("130").await.code(), "IncorrectModificationState");
    client.sandbox.advance(Duration::from_secs(2));
    let look = client.make("DescribeVolumesModifications", &[("VolumeId.1", &volume)]).await;
    assert_eq!(look.get("modificationState"), "optimizing");
    for gib in ["130", "140", "150"] {
        client.sandbox.advance(Duration::from_secs(60));
        assert_eq!(modify(gib).await.status, 200);
    }
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(modify("160").await.code(), "VolumeModificationRateExceeded");

    let snapshot = client.make("CreateSnapshot", &[("VolumeId", &volume)]).await;
    assert_eq!(snapshot.get("status"), "pending");
    client.sandbox.advance(Duration::from_secs(3));
    let snapshots = client.make("DescribeSnapshots", &[("Owner.1", "self")]).await;
    assert_eq!((&*snapshots.get("status"), &*snapshots.get("volumeSize")), ("completed", "150"));

    client.make("TerminateInstances", &[("InstanceId.1", &id)]).await;
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.make("DescribeVolumes", &[("VolumeId.1", &volume)]).await.get("status"), "available");
    client.make("DeleteVolume", &[("VolumeId", &volume)]).await;
}

#[tokio::test]
async fn a_key_that_cannot_be_used_ends_the_instance() {
    let (client, _, launch) = ready().await;
    client.sandbox.set(|c| c.keys.push(Key { enabled: false, ..Key::new("alias/off") }));
    let launch = launch.with(&[
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.Encrypted", "true"),
        ("BlockDeviceMapping.1.Ebs.KmsKeyId", "alias/off"),
    ]);
    let id = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(5));
    let answer = client.make("DescribeInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(answer.get("name"), "terminated");
    assert!(answer.get("stateReason").contains("Client.InvalidKMSKey.InvalidState"), "{}", answer.body);
}

#[tokio::test]
async fn powering_off_inside_does_what_the_shutdown_behavior_says() {
    let (client, _, launch) = ready().await;
    for (behavior, state) in [("stop", "stopped"), ("terminate", "terminated")] {
        let launch = launch
            .with(&[("InstanceInitiatedShutdownBehavior", behavior), ("DisableApiTermination", "true")]);
        let id = client.run(&launch).await.get("instanceId");
        client.sandbox.advance(Duration::from_secs(10));
        client.sandbox.power_off_inside(&id);
        client.sandbox.advance(Duration::from_secs(10));
        assert_eq!(client.state(&id).await, state);
        let answer = client.make("DescribeInstances", &[("InstanceId.1", &id)]).await;
        assert_eq!(answer.get("reason"), "User initiated", "{}", answer.body);
        let why = "<code>Client.InstanceInitiatedShutdown</code><message>Client.InstanceInitiatedShutdown: Instance initiated shutdown</message>";
        assert!(answer.body.contains(why), "{}", answer.body);
    }
}

#[tokio::test]
async fn ec2_learns_of_a_fresh_profile_after_a_while() {
    let client = Client::new(&sandbox());
    let net = client.network().await;
    let launch = client.launch(&net).await.with(&[("IamInstanceProfile.Name", "fresh")]);
    client.iam("CreateRole", &[("RoleName", "role"), ("AssumeRolePolicyDocument", TRUST)]).await;
    client.iam("CreateInstanceProfile", &[("InstanceProfileName", "fresh")]).await;
    let message = |answer: Answer| answer.get("Message");
    assert_eq!(
        message(client.run(&launch).await),
        "Value (fresh) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
    );
    client.sandbox.advance(Duration::from_secs(3));
    assert!(message(client.run(&launch).await).ends_with("has no associated IAM Roles"));
    client.iam("AddRoleToInstanceProfile", &[("InstanceProfileName", "fresh"), ("RoleName", "role")]).await;
    assert!(message(client.run(&launch).await).ends_with("has no associated IAM Roles"), "not yet");
    client.sandbox.advance(Duration::from_secs(3));
    let made = client.run(&launch).await;
    assert_eq!(made.get("arn"), "arn:aws:iam::123456789012:instance-profile/fresh");
}

#[tokio::test]
async fn roles_and_profiles_hold_each_other() {
    let client = Client::new(&sandbox());
    client.profile().await;
    let role = [("RoleName", "role")];
    let profile = [("InstanceProfileName", "profile")];
    let both = [("InstanceProfileName", "profile"), ("RoleName", "role")];
    let policy = [("RoleName", "role"), ("PolicyArn", crate::iam::CORE_POLICY)];
    let inline = [("RoleName", "role"), ("PolicyName", "deny"), ("PolicyDocument", TRUST)];
    for (operation, fields, code) in [
        (
            "CreateRole",
            &[("RoleName", "role"), ("AssumeRolePolicyDocument", TRUST)][..],
            "EntityAlreadyExists",
        ),
        ("CreateRole", &[("RoleName", "a b"), ("AssumeRolePolicyDocument", TRUST)], "ValidationError"),
        ("CreateRole", &[("RoleName", "x"), ("AssumeRolePolicyDocument", "{")], "MalformedPolicyDocument"),
        (
            "CreateRole",
            &[("RoleName", "x"), ("AssumeRolePolicyDocument", TRUST), ("PermissionsBoundary", "arn:none")],
            "NoSuchEntity",
        ),
        ("CreateInstanceProfile", &profile, "EntityAlreadyExists"),
        ("AddRoleToInstanceProfile", &both, "LimitExceeded"),
        ("AttachRolePolicy", &[("RoleName", "role"), ("PolicyArn", "arn:none")], "NoSuchEntity"),
        ("DeleteRole", &role, "DeleteConflict"),
        ("DeleteInstanceProfile", &profile, "DeleteConflict"),
        ("PutRolePolicy", &inline, ""),
        ("RemoveRoleFromInstanceProfile", &both, ""),
        ("RemoveRoleFromInstanceProfile", &both, "NoSuchEntity"),
        ("DeleteInstanceProfile", &profile, ""),
        ("DeleteInstanceProfile", &profile, "NoSuchEntity"),
        ("DeleteRole", &role, "DeleteConflict"),
        ("DetachRolePolicy", &policy, ""),
        ("DetachRolePolicy", &policy, "NoSuchEntity"),
        ("DeleteRole", &role, "DeleteConflict"),
        ("DeleteRolePolicy", &inline[..2], ""),
        ("DeleteRolePolicy", &inline[..2], "NoSuchEntity"),
        ("DeleteRole", &role, ""),
        ("DeleteRole", &role, "NoSuchEntity"),
    ] {
        assert_eq!(client.iam(operation, fields).await.code(), code, "{operation} {fields:?}");
    }
}
