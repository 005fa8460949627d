//! Volumes and snapshots on their own: made, attached, freed, and what refuses to be.

use super::life::ready;
use super::*;

const VOLUME: [(&str, &str); 3] = [("AvailabilityZone", "us-west-2b"), ("Size", "10"), ("VolumeType", "gp3")];

impl Client {
    /// Asks for 10 GiB of gp3 in the zone of the tests' machines, with these changes.
    async fn volume(&self, changes: &[(&str, &str)]) -> Answer {
        let kept = VOLUME.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| name != changed));
        let fields: Vec<(&str, &str)> =
            kept.chain(changes).copied().filter(|(_, value)| !value.is_empty()).collect();
        self.ec2("CreateVolume", &fields).await
    }

    /// A volume that is available.
    async fn new_volume(&self, changes: &[(&str, &str)]) -> String {
        let answer = self.volume(changes).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.sandbox.advance(Duration::from_secs(1));
        answer.get("volumeId")
    }

    /// A snapshot that is completed.
    async fn new_snapshot(&self, volume: &str) -> String {
        let answer = self.make("CreateSnapshot", &[("VolumeId", volume)]).await;
        self.sandbox.advance(Duration::from_secs(60));
        answer.get("snapshotId")
    }

    async fn attach(&self, volume: &str, instance: &str, device: &str) -> Answer {
        self.ec2("AttachVolume", &[("VolumeId", volume), ("InstanceId", instance), ("Device", device)]).await
    }

    /// A running instance.
    async fn running(&self, launch: &Launch) -> String {
        let id = self.run(launch).await.get("instanceId");
        self.sandbox.advance(Duration::from_secs(60));
        id
    }

    /// The states of the volume and of its attachment.
    async fn disk(&self, volume: &str) -> (String, String) {
        let answer = self.make("DescribeVolumes", &[("VolumeId.1", volume)]).await;
        let states = answer.all("status");
        (states.first().cloned().unwrap_or_default(), states.get(1).cloned().unwrap_or_default())
    }

    /// The instance's root volume.
    async fn root_of(&self, instance: &str) -> String {
        let filter = [
            ("Filter.1.Name", "attachment.instance-id"),
            ("Filter.1.Value.1", instance),
            ("Filter.2.Name", "attachment.device"),
            ("Filter.2.Value.1", "/dev/xvda"),
        ];
        self.make("DescribeVolumes", &filter).await.get("volumeId")
    }
}

fn states(volume: &str, attachment: &str) -> (String, String) {
    (volume.to_owned(), attachment.to_owned())
}

#[tokio::test]
async fn a_volume_that_cannot_be_is_refused_with_its_own_code() {
    let client = Client::new(&sandbox());
    let source = client.new_volume(&[]).await;
    let snapshot = client.new_snapshot(&source).await;
    let pending = client.make("CreateSnapshot", &[("VolumeId", &source)]).await.get("snapshotId");
    let of = ("SnapshotId", &*snapshot);
    for (change, code) in [
        (vec![("AvailabilityZone", "")], "MissingParameter"),
        (vec![("AvailabilityZone", "us-west-2z")], "InvalidZone.NotFound"),
        (vec![("AvailabilityZone", ""), ("AvailabilityZoneId", "usw2-az9")], "InvalidZone.NotFound"),
        (vec![("AvailabilityZoneId", "usw2-az2")], "InvalidParameterCombination"),
        (vec![("Size", "")], "MissingParameter"),
        (vec![("Size", "0")], "InvalidParameterValue"),
        (vec![("Size", "65537")], "InvalidParameterValue"),
        (vec![("Size", "9"), of], "InvalidParameterValue"),
        (vec![("SnapshotId", "snap-1")], "InvalidSnapshotID.Malformed"),
        (vec![("SnapshotId", "snap-0123456789abcdef0")], "InvalidSnapshot.NotFound"),
        (vec![("SnapshotId", &*pending)], "IncorrectState"),
        (vec![("VolumeType", "gp9")], "InvalidParameterValue"),
        (vec![("Iops", "100")], "InvalidParameterValue"),
        (vec![("Throughput", "2001")], "InvalidParameterValue"),
        (vec![("VolumeType", "gp2"), ("Iops", "3000")], "InvalidParameterCombination"),
        (vec![("VolumeType", "io2"), ("Throughput", "125")], "InvalidParameterCombination"),
        (vec![("VolumeType", "io2")], "InvalidParameterCombination"),
        (vec![("KmsKeyId", "alias/aws/ebs")], "InvalidParameterDependency"),
        (vec![("MultiAttachEnabled", "true")], "UnknownParameter"),
        (vec![("TagSpecification.1.ResourceType", "snapshot")], "InvalidParameterValue"),
        (
            vec![
                ("TagSpecification.1.ResourceType", "volume"),
                ("TagSpecification.1.Tag.1.Key", "aws:mine"),
                ("TagSpecification.1.Tag.1.Value", "x"),
            ],
            "InvalidParameterValue",
        ),
        (vec![("DryRun", "true")], "DryRunOperation"),
    ] {
        let answer = client.volume(&change).await;
        assert_eq!(answer.code(), code, "{change:?}: {}", answer.body);
    }
    let volumes = client.make("DescribeVolumes", &[]).await.all("volumeId");
    assert_eq!(volumes, [source], "nothing is left behind");
}

#[tokio::test]
async fn a_volume_is_made_attached_detached_and_deleted() {
    let (client, _, launch) = ready().await;
    let instance = client.running(&launch).await;
    let made = client
        .volume(&[
            ("AvailabilityZone", ""),
            ("AvailabilityZoneId", "usw2-az2"),
            ("Encrypted", "true"),
            ("TagSpecification.1.ResourceType", "volume"),
            ("TagSpecification.1.Tag.1.Key", "owner"),
            ("TagSpecification.1.Tag.1.Value", "me"),
        ])
        .await;
    let volume = made.get("volumeId");
    for (name, value) in [
        ("status", "creating"),
        ("size", "10"),
        ("availabilityZone", "us-west-2b"),
        ("volumeType", "gp3"),
        ("iops", "3000"),
        ("throughput", "125"),
        ("encrypted", "true"),
        ("snapshotId", ""),
        ("value", "me"),
    ] {
        assert_eq!(made.get(name), value, "{name}");
    }
    assert!(made.get("kmsKeyId").starts_with("arn:aws:kms:us-west-2:"), "{}", made.body);
    for (operation, code) in [
        ("DeleteVolume", "IncorrectState"),
        ("CreateSnapshot", "IncorrectState"),
        ("DetachVolume", "IncorrectState"),
        ("ModifyVolume", "IncorrectState"),
    ] {
        let mut fields = vec![("VolumeId", &*volume)];
        if operation == "ModifyVolume" {
            fields.push(("Size", "20"));
        }
        assert_eq!(client.ec2(operation, &fields).await.code(), code, "{operation}");
    }
    assert_eq!(client.attach(&volume, &instance, "/dev/sdf").await.code(), "IncorrectState");
    client.sandbox.advance(Duration::from_secs(1));
    assert_eq!(client.disk(&volume).await, states("available", ""));
    assert_eq!(client.ec2("DetachVolume", &[("VolumeId", &volume)]).await.code(), "IncorrectState");

    let answer = client.attach(&volume, &instance, "/dev/sdf").await;
    assert_eq!((&*answer.get("status"), &*answer.get("deleteOnTermination")), ("attaching", "false"));
    assert_eq!(client.disk(&volume).await, states("in-use", "attaching"));
    client.sandbox.advance(Duration::from_secs(1));
    assert_eq!(client.disk(&volume).await, states("in-use", "attached"));
    let seen = client.make("DescribeInstances", &[("InstanceId.1", &instance)]).await;
    let mut devices = seen.all("deviceName");
    devices.sort();
    assert_eq!(devices, ["/dev/sdf", "/dev/xvda"]);
    assert_eq!(client.ec2("DeleteVolume", &[("VolumeId", &volume)]).await.code(), "VolumeInUse");

    let fields = [("VolumeId", &*volume), ("InstanceId", &*instance), ("Device", "/dev/sdf")];
    assert_eq!(client.make("DetachVolume", &fields).await.get("status"), "detaching");
    assert_eq!(client.disk(&volume).await, states("in-use", "detaching"));
    assert_eq!(client.ec2("DeleteVolume", &[("VolumeId", &volume)]).await.code(), "VolumeInUse");
    assert_eq!(client.make("DetachVolume", &fields).await.get("status"), "detaching", "again");
    client.sandbox.advance(Duration::from_secs(1));
    assert_eq!(client.disk(&volume).await, states("available", ""));
    client.make("DeleteVolume", &[("VolumeId", &volume)]).await;
    let gone = client.ec2("DescribeVolumes", &[("VolumeId.1", &volume)]).await;
    assert_eq!(gone.code(), "InvalidVolume.NotFound");
}

#[tokio::test]
async fn an_attachment_that_cannot_be_is_refused_with_its_own_code() {
    let (client, _, launch) = ready().await;
    let instance = client.running(&launch).await;
    let root = client.root_of(&instance).await;
    let volume = client.new_volume(&[]).await;
    let elsewhere = client.new_volume(&[("AvailabilityZone", "us-west-2c")]).await;
    let used = client.new_volume(&[]).await;
    assert_eq!(client.attach(&used, &instance, "/dev/sdf").await.status, 200);
    let pending = client.run(&launch).await.get("instanceId");
    let nobody = "i-0123456789abcdef0";
    for (what, on, device, code) in [
        ("vol-1", &*instance, "/dev/sdg", "InvalidVolumeID.Malformed"),
        ("vol-0123456789abcdef0", &*instance, "/dev/sdg", "InvalidVolume.NotFound"),
        (&*volume, nobody, "/dev/sdg", "InvalidInstanceID.NotFound"),
        (&*volume, "i-1", "/dev/sdg", "InvalidInstanceID.Malformed"),
        (&*volume, &*instance, "/dev/sdf", "InvalidParameterValue"),
        (&*volume, &*instance, "/dev/xvda", "InvalidParameterValue"),
        (&*volume, &*instance, "/dev/nvme1n1", "InvalidParameterValue"),
        (&*elsewhere, &*instance, "/dev/sdg", "InvalidVolume.ZoneMismatch"),
        (&*used, &*instance, "/dev/sdg", "VolumeInUse"),
        (&*root, &*instance, "/dev/sdg", "VolumeInUse"),
        (&*volume, &*pending, "/dev/sdg", "IncorrectState"),
    ] {
        let answer = client.attach(what, on, device).await;
        assert_eq!(answer.code(), code, "{what} on {on} as {device}: {}", answer.body);
    }
    assert_eq!(client.ec2("AttachVolume", &[("VolumeId", &volume)]).await.code(), "MissingParameter");
    let card = [("VolumeId", &*volume), ("InstanceId", &*instance), ("Device", "sdg"), ("EbsCardIndex", "1")];
    assert_eq!(client.ec2("AttachVolume", &card).await.code(), "UnknownParameter");
    for (fields, code) in [
        (vec![("VolumeId", &*root)], "OperationNotPermitted"),
        (vec![("VolumeId", &*root), ("Force", "true")], "OperationNotPermitted"),
        (vec![("VolumeId", &*used), ("InstanceId", &*pending)], "InvalidAttachment.NotFound"),
        (vec![("VolumeId", &*used), ("InstanceId", nobody)], "InvalidInstanceID.NotFound"),
        (vec![("VolumeId", &*used), ("Device", "/dev/sdg")], "InvalidAttachment.NotFound"),
        (vec![("VolumeId", &*volume)], "IncorrectState"),
        (vec![("VolumeId", "vol-0123456789abcdef0")], "InvalidVolume.NotFound"),
        (vec![("VolumeId", &*used), ("DryRun", "true")], "DryRunOperation"),
    ] {
        let answer = client.ec2("DetachVolume", &fields).await;
        assert_eq!(answer.code(), code, "{fields:?}: {}", answer.body);
    }
    assert_eq!(client.disk(&used).await.0, "in-use");
    client.sandbox.set(|c| c.principals[0].denied = ["ec2:AttachVolume".to_owned()].into());
    assert_eq!(client.attach(&volume, &instance, "/dev/sdg").await.code(), "UnauthorizedOperation");
}

#[tokio::test]
async fn a_client_token_answers_with_the_volume_it_made() {
    let client = Client::new(&sandbox());
    let once = [("ClientToken", "once")];
    let volume = client.new_volume(&once).await;
    let again = client.volume(&once).await;
    assert_eq!((again.get("volumeId"), again.get("status")), (volume.clone(), "available".to_owned()));
    let other = client.volume(&[("ClientToken", "once"), ("Size", "11")]).await;
    assert_eq!(other.code(), "IdempotentParameterMismatch");
    let asked = client.volume(&[("ClientToken", "once"), ("DryRun", "true")]).await;
    assert_eq!(asked.code(), "DryRunOperation");
    client.make("DeleteVolume", &[("VolumeId", &volume)]).await;
    assert_eq!(client.volume(&once).await.get("volumeId"), volume, "it is remembered for a day");
    assert_eq!(client.make("DescribeVolumes", &[]).await.all("volumeId").len(), 0);
    client.sandbox.advance(Duration::from_secs(24 * 3600));
    assert_ne!(client.volume(&once).await.get("volumeId"), volume);
}

#[tokio::test]
async fn what_comes_from_a_snapshot_has_its_size_and_its_encryption() {
    let client = Client::new(&sandbox());
    let secret = client.new_volume(&[("Encrypted", "true"), ("KmsKeyId", "alias/aws/ssm")]).await;
    let snapshot = client.new_snapshot(&secret).await;
    let key = |answer: Answer| (answer.get("encrypted"), answer.get("kmsKeyId"), answer.get("size"));
    let expected = key(client.make("DescribeVolumes", &[("VolumeId.1", &secret)]).await);
    let copy = client.volume(&[("SnapshotId", &*snapshot), ("Size", "")]).await;
    assert_eq!(copy.get("snapshotId"), snapshot);
    assert_eq!(key(copy), expected);
    let larger = client.volume(&[("SnapshotId", &*snapshot), ("Size", "20")]).await;
    assert_eq!((larger.get("size"), larger.get("encrypted")), ("20".to_owned(), "true".to_owned()));

    client.make("DeleteVolume", &[("VolumeId", &secret)]).await;
    let stays = client.make("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]).await;
    assert_eq!((stays.get("status"), stays.get("volumeId")), ("completed".to_owned(), secret));
    client.make("DeleteSnapshot", &[("SnapshotId", &snapshot)]).await;
    assert_eq!(client.make("DescribeVolumes", &[]).await.all("volumeId").len(), 2);

    client.sandbox.set(|c| c.keys.iter_mut().for_each(|key| key.enabled = false));
    let doomed = client.new_volume(&[("Encrypted", "true")]).await;
    assert_eq!(client.disk(&doomed).await, states("error", ""));
    client.make("DeleteVolume", &[("VolumeId", &doomed)]).await;
}

#[tokio::test]
async fn a_terminated_instance_frees_its_volumes_or_takes_them_along() {
    let (client, _, launch) = ready().await;
    let instance = client.running(&launch).await;
    let root = client.root_of(&instance).await;
    let (stays, goes) = (client.new_volume(&[]).await, client.new_volume(&[]).await);
    assert_eq!(client.attach(&stays, &instance, "/dev/sdf").await.status, 200);
    assert_eq!(client.attach(&goes, &instance, "/dev/sdg").await.status, 200);
    let take = [
        ("InstanceId", &*instance),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sdg"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "true"),
    ];
    client.make("ModifyInstanceAttribute", &take).await;
    client.make("TerminateInstances", &[("InstanceId.1", &instance)]).await;
    assert_eq!(client.disk(&stays).await.0, "in-use", "until it is terminated");
    assert_eq!(client.attach(&goes, &instance, "/dev/sdh").await.code(), "IncorrectState");
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.disk(&stays).await, states("available", ""));
    for gone in [&root, &goes] {
        let answer = client.ec2("DescribeVolumes", &[("VolumeId.1", gone)]).await;
        assert_eq!(answer.code(), "InvalidVolume.NotFound");
    }
}

#[tokio::test]
async fn the_root_volume_of_a_stopped_instance_can_be_exchanged() {
    let (client, _, launch) = ready().await;
    let instance = client.running(&launch).await;
    let root = client.root_of(&instance).await;
    let snapshot = client.new_snapshot(&root).await;
    let other = client.new_volume(&[("SnapshotId", &*snapshot)]).await;
    client.make("StopInstances", &[("InstanceId.1", &instance)]).await;
    client.sandbox.advance(Duration::from_secs(60));
    client.make("DetachVolume", &[("VolumeId", &root)]).await;
    client.sandbox.advance(Duration::from_secs(1));
    let answer = client.ec2("StartInstances", &[("InstanceId.1", &instance)]).await;
    assert_eq!(answer.code(), "InvalidParameterValue", "{}", answer.body);
    assert_eq!(client.attach(&other, &instance, "/dev/xvda").await.status, 200);
    client.sandbox.advance(Duration::from_secs(1));
    client.make("StartInstances", &[("InstanceId.1", &instance)]).await;
    assert_eq!(client.root_of(&instance).await, other);
    assert_eq!(client.disk(&root).await, states("available", ""));
}

#[tokio::test]
async fn snapshots_of_a_volume_are_begun_apart_and_some_fail() {
    let client = Client::new(&sandbox());
    client.sandbox.set(|c| c.pace.snapshot = Duration::from_secs(1000));
    let volume = client.new_volume(&[]).await;
    let of = [("VolumeId", &*volume)];
    for (seconds, code) in [
        (0, ""),
        (14, "SnapshotCreationPerVolumeRateExceeded"),
        (1, ""),
        (15, ""),
        (15, ""),
        (15, ""),
        (15, "ConcurrentSnapshotLimitExceeded"),
        // The first is completed.
        (925, ""),
    ] {
        client.sandbox.advance(Duration::from_secs(seconds));
        assert_eq!(client.ec2("CreateSnapshot", &of).await.code(), code, "after {seconds} more seconds");
    }
    let look = client.make("DescribeSnapshots", &[]).await;
    assert_eq!(look.all("status").iter().filter(|state| *state == "pending").count(), 5);
    client.sandbox.advance(Duration::from_secs(1000));
    // Nothing that is completed is in the way.
    client.sandbox.set(|c| {
        c.pace.snapshot = Duration::ZERO;
        c.snapshots_fail = true;
    });
    let failed = client.make("CreateSnapshot", &of).await.get("snapshotId");
    client.make("CreateSnapshot", &of).await;
    let look = client.make("DescribeSnapshots", &[("SnapshotId.1", &failed)]).await;
    assert_eq!((&*look.get("status"), &*look.get("progress")), ("error", "0%"));
    assert!(look.get("completionTime").is_empty() && !look.get("statusMessage").is_empty(), "{}", look.body);
    let copy = client.volume(&[("SnapshotId", &*failed)]).await;
    assert_eq!(copy.code(), "IncorrectState");
    client.make("DeleteSnapshot", &[("SnapshotId", &failed)]).await;
}

#[tokio::test]
async fn a_snapshot_of_somebody_else_is_seen_and_used_but_not_deleted() {
    let client = Client::new(&sandbox());
    let volume = client.new_volume(&[]).await;
    let (ours, theirs) = (client.new_snapshot(&volume).await, client.new_snapshot(&volume).await);
    let other = "999999999999";
    client.sandbox.meddle(|world| {
        let region = world.accounts.get_mut(ACCOUNT).unwrap().regions.get_mut(REGION).unwrap();
        region.snapshots.get_mut(&theirs).unwrap().owner = Some(other.to_owned());
    });
    let mut all = vec![ours.clone(), theirs.clone()];
    all.sort();
    for (owner, expected) in [
        (vec![], all),
        (vec![("Owner.1", "self")], vec![ours.clone()]),
        (vec![("Owner.1", ACCOUNT)], vec![ours.clone()]),
        (vec![("Owner.1", other)], vec![theirs.clone()]),
        (vec![("Owner.1", "amazon")], vec![]),
        (vec![("Filter.1.Name", "owner-id"), ("Filter.1.Value.1", other)], vec![theirs.clone()]),
    ] {
        let seen = client.make("DescribeSnapshots", &owner).await;
        assert_eq!(seen.all("snapshotId"), expected, "{owner:?}");
    }
    assert_eq!(client.ec2("DeleteSnapshot", &[("SnapshotId", &theirs)]).await.code(), "AuthFailure");
    assert_eq!(client.volume(&[("SnapshotId", &*theirs)]).await.status, 200);
    for (id, code) in
        [("snap-1", "InvalidSnapshotID.Malformed"), ("snap-0123456789abcdef0", "InvalidSnapshot.NotFound")]
    {
        assert_eq!(client.ec2("DeleteSnapshot", &[("SnapshotId", id)]).await.code(), code);
    }
    let asked = [("SnapshotId", &*ours), ("DryRun", "true")];
    assert_eq!(client.ec2("DeleteSnapshot", &asked).await.code(), "DryRunOperation");
    client.sandbox.set(|c| c.principals[0].denied = ["ec2:DeleteSnapshot".to_owned()].into());
    assert_eq!(client.ec2("DeleteSnapshot", &asked).await.code(), "UnauthorizedOperation");
}

#[tokio::test]
async fn tags_of_aws_are_nobody_elses_to_change_and_do_not_count() {
    let client = Client::new(&sandbox());
    let volume = client.new_volume(&[]).await;
    client.sandbox.meddle(|world| {
        let region = world.accounts.get_mut(ACCOUNT).unwrap().regions.get_mut(REGION).unwrap();
        let tags = &mut region.volumes.get_mut(&volume).unwrap().tags;
        tags.insert("aws:dlm:lifecycle-policy-id".to_owned(), "policy-1".to_owned());
    });
    let fifty: Vec<(String, String)> = (1..=50)
        .flat_map(|n| [(format!("Tag.{n}.Key"), format!("k{n}")), (format!("Tag.{n}.Value"), String::new())])
        .collect();
    let mut fields: Vec<(&str, &str)> = vec![("ResourceId.1", &volume)];
    fields.extend(fifty.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    client.make("CreateTags", &fields).await;
    let more = [("ResourceId.1", &*volume), ("Tag.1.Key", "more"), ("Tag.1.Value", "")];
    assert_eq!(client.ec2("CreateTags", &more).await.code(), "TagLimitExceeded");
    for operation in ["CreateTags", "DeleteTags"] {
        let fields = [("ResourceId.1", &*volume), ("Tag.1.Key", "aws:dlm:lifecycle-policy-id")];
        assert_eq!(client.ec2(operation, &fields).await.code(), "InvalidParameterValue", "{operation}");
    }
    client.make("DeleteTags", &[("ResourceId.1", &volume)]).await;
    let left = client.make("DescribeTags", &[]).await;
    assert_eq!(left.all("key"), ["aws:dlm:lifecycle-policy-id"]);
}
