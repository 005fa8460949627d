//! What a resize meets: other types, their offers and room, disks that grow, capacity that is reserved.

use super::life::ready;
use super::*;

impl Client {
    /// An instance of this launch that is stopped.
    async fn stopped(&self, launch: &Launch) -> String {
        let id = self.run(launch).await.get("instanceId");
        self.sandbox.advance(Duration::from_secs(60));
        self.make("StopInstances", &[("InstanceId.1", &id)]).await;
        self.sandbox.advance(Duration::from_secs(60));
        id
    }

    async fn becomes(&self, id: &str, kind: &str) -> Answer {
        self.ec2("ModifyInstanceAttribute", &[("InstanceId", id), ("InstanceType.Value", kind)]).await
    }

    async fn starts(&self, id: &str) -> Answer {
        self.ec2("StartInstances", &[("InstanceId.1", id)]).await
    }
}

#[tokio::test]
async fn a_type_is_checked_when_it_is_set_and_its_zone_when_it_starts() {
    let (client, _, launch) = ready().await;
    client.sandbox.set(|c| c.not_offered.push(("us-west-2b".to_owned(), "m8g.2xlarge".to_owned())));
    client.sandbox.set(|c| c.not_offered.push(("*".to_owned(), "m8g.4xlarge".to_owned())));
    let id = client.run(&launch).await.get("instanceId");
    assert_eq!(client.becomes(&id, "m8g.large").await.code(), "IncorrectInstanceState", "it is pending");
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.becomes(&id, "m8g.large").await.code(), "IncorrectInstanceState", "it runs");
    client.make("StopInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(client.becomes(&id, "m8g.large").await.code(), "IncorrectInstanceState", "it is stopping");
    client.sandbox.advance(Duration::from_secs(60));
    for (kind, set, started) in [
        ("m8g.huge", "InvalidInstanceAttributeValue", ""),
        ("m7i.xlarge", "InvalidInstanceAttributeValue", ""),
        ("m8g.4xlarge", "InvalidInstanceAttributeValue", ""),
        ("m8g.2xlarge", "", "Unsupported"),
        ("m8g.12xlarge", "", "VcpuLimitExceeded"),
        ("m8g.large", "", ""),
    ] {
        assert_eq!(client.becomes(&id, kind).await.code(), set, "{kind}");
        if set.is_empty() {
            let answer = client.starts(&id).await;
            assert_eq!(answer.code(), started, "{kind}: {}", answer.body);
        }
    }
    let wrong = client.stopped(&launch).await;
    let answer = client.becomes(&wrong, "m7i.xlarge").await;
    assert!(answer.get("Message").contains("of architecture 'arm64'"), "{}", answer.body);
}

/// A volume of 100 GiB in a running instance.
async fn disk() -> (Client, String) {
    let (client, _, launch) = ready().await;
    let launch = launch.with(&[
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "100"),
    ]);
    let id = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    let of = [("Filter.1.Name", "attachment.instance-id"), ("Filter.1.Value.1", &*id)];
    let volume = client.make("DescribeVolumes", &of).await.get("volumeId");
    (client, volume)
}

#[tokio::test]
async fn a_disk_has_its_new_size_once_it_is_optimizing() {
    let (client, volume) = disk().await;
    client.sandbox.set(|c| {
        c.pace.modify = Duration::from_secs(10);
        c.pace.optimize = Duration::from_secs(100);
    });
    let change = [("VolumeId", &*volume), ("Size", "200"), ("Iops", "4000"), ("Throughput", "500")];
    assert_eq!(client.make("ModifyVolume", &change).await.get("modificationState"), "modifying");
    for (seconds, state, progress, gib, iops) in [
        (0, "modifying", "0", "100", "3000"),
        (9, "modifying", "0", "100", "3000"),
        (1, "optimizing", "0", "200", "4000"),
        (50, "optimizing", "50", "200", "4000"),
        (50, "completed", "100", "200", "4000"),
    ] {
        client.sandbox.advance(Duration::from_secs(seconds));
        let look = client.make("DescribeVolumesModifications", &[("VolumeId.1", &volume)]).await;
        assert_eq!((&*look.get("modificationState"), &*look.get("progress")), (state, progress));
        assert_eq!((&*look.get("originalSize"), &*look.get("targetSize")), ("100", "200"));
        assert_eq!(look.get("endTime").is_empty(), state != "completed");
        let disk = client.make("DescribeVolumes", &[("VolumeId.1", &volume)]).await;
        assert_eq!((&*disk.get("size"), &*disk.get("iops")), (gib, iops), "{state}");
        assert_eq!(disk.get("status"), "in-use");
        let again =
            client.ec2("ModifyVolume", &[("VolumeId", &volume), ("Size", "300"), ("DryRun", "false")]).await;
        let expected = if state == "completed" { "" } else { "IncorrectModificationState" };
        assert_eq!(again.code(), expected, "{state}");
    }
    for (name, value, found) in [
        ("target-size", "300", 1),
        ("target-size", "200", 0),
        ("original-size", "200", 1),
        ("modification-state", "modifying", 1),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let look = client.make("DescribeVolumesModifications", &filter).await;
        assert_eq!(look.all("volumeId").len(), found, "{name} {value}");
    }
}

#[tokio::test]
async fn a_modification_that_fails_leaves_the_disk_as_it_was_and_may_be_tried_again() {
    let (client, volume) = disk().await;
    let grow = [("VolumeId", &*volume), ("Size", "200")];
    client.sandbox.set(|c| c.modifications_fail = true);
    client.make("ModifyVolume", &grow).await;
    client.sandbox.advance(Duration::from_secs(60));
    let look = client.make("DescribeVolumesModifications", &[("VolumeId.1", &volume)]).await;
    assert_eq!((&*look.get("modificationState"), &*look.get("progress")), ("failed", "0"));
    assert!(!look.get("statusMessage").is_empty() && !look.get("endTime").is_empty(), "{}", look.body);
    assert_eq!(client.make("DescribeVolumes", &[("VolumeId.1", &volume)]).await.get("size"), "100");
    client.sandbox.set(|c| c.modifications_fail = false);
    client.make("ModifyVolume", &grow).await;
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.make("DescribeVolumes", &[("VolumeId.1", &volume)]).await.get("size"), "200");
}

#[tokio::test]
async fn a_modification_that_cannot_be_is_refused_and_a_day_has_four() {
    let (client, volume) = disk().await;
    for (change, code) in [
        (vec![("Size", "99")], "InvalidParameterValue"),
        (vec![("Size", "65537")], "InvalidParameterValue"),
        (vec![("Size", "much")], "InvalidParameterValue"),
        (vec![("VolumeType", "gp9")], "InvalidParameterValue"),
        (vec![("VolumeType", "gp2"), ("Iops", "4000")], "InvalidParameterCombination"),
        (vec![("VolumeType", "io2"), ("Throughput", "500")], "InvalidParameterCombination"),
        (vec![("VolumeType", "st1")], "InvalidParameterValue"),
        (vec![("Iops", "2999")], "InvalidParameterValue"),
        (vec![("Throughput", "1000")], "InvalidParameterValue"),
        (vec![("VolumeId", "vol-0123456789abcdef0")], "InvalidVolume.NotFound"),
        (vec![("Size", "200"), ("DryRun", "true")], "DryRunOperation"),
    ] {
        let mut change = change;
        if change.iter().all(|(name, _)| *name != "VolumeId") {
            change.push(("VolumeId", &volume));
        }
        assert_eq!(client.ec2("ModifyVolume", &change).await.code(), code, "{change:?}");
    }
    let never = client.ec2("DescribeVolumesModifications", &[("VolumeId.1", &volume)]).await;
    assert_eq!(never.code(), "InvalidVolumeModification.NotFound");
    for (hours, gib, code) in [
        (0, "110", ""),
        (6, "120", ""),
        (6, "130", ""),
        (6, "140", ""),
        (5, "150", "VolumeModificationRateExceeded"),
        (1, "150", ""),
        (5, "160", "VolumeModificationRateExceeded"),
    ] {
        client.sandbox.advance(Duration::from_secs(hours * 3600));
        let answer = client.ec2("ModifyVolume", &[("VolumeId", &volume), ("Size", gib)]).await;
        assert_eq!(answer.code(), code, "{gib}");
    }
    let to_gp2 = [("VolumeId", &*volume), ("VolumeType", "gp2")];
    client.sandbox.advance(Duration::from_secs(24 * 3600));
    client.make("ModifyVolume", &to_gp2).await;
    client.sandbox.advance(Duration::from_secs(60));
    let disk = client.make("DescribeVolumes", &[("VolumeId.1", &volume)]).await;
    assert_eq!((&*disk.get("iops"), &*disk.get("throughput")), ("450", ""));
    client.make("ModifyVolume", &[("VolumeId", &volume), ("VolumeType", "gp3")]).await;
    client.sandbox.advance(Duration::from_secs(60));
    let disk = client.make("DescribeVolumes", &[("VolumeId.1", &volume)]).await;
    assert_eq!((&*disk.get("iops"), &*disk.get("throughput")), ("3000", "125"));
}
