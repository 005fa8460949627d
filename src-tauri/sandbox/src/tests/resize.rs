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

const RESERVE: [(&str, &str); 4] = [
    ("InstanceType", "m8g.2xlarge"),
    ("InstancePlatform", "Linux/UNIX"),
    ("InstanceCount", "1"),
    ("AvailabilityZone", "us-west-2b"),
];

impl Client {
    /// Asks for capacity for one `m8g.2xlarge` in the zone of the tests' machines, with these changes.
    async fn reserve(&self, changes: &[(&str, &str)]) -> Answer {
        let kept = RESERVE.iter().filter(|(name, _)| changes.iter().all(|(changed, _)| name != changed));
        let fields: Vec<(&str, &str)> =
            kept.chain(changes).copied().filter(|(_, value)| !value.is_empty()).collect();
        self.ec2("CreateCapacityReservation", &fields).await
    }

    /// Capacity that is there.
    async fn reserved(&self, changes: &[(&str, &str)]) -> String {
        let answer = self.reserve(changes).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        self.sandbox.advance(Duration::from_secs(1));
        answer.get("capacityReservationId")
    }

    /// The reservation's state, and how many instances still find room in it.
    async fn capacity(&self, id: &str) -> (String, String) {
        let answer = self.make("DescribeCapacityReservations", &[("CapacityReservationId.1", id)]).await;
        (answer.get("state"), answer.get("availableInstanceCount"))
    }

    /// The reservation that an instance runs in.
    async fn runs_in(&self, id: &str) -> String {
        self.make("DescribeInstances", &[("InstanceId.1", id)]).await.get("capacityReservationId")
    }
}

fn pair(state: &str, available: &str) -> (String, String) {
    (state.to_owned(), available.to_owned())
}

#[tokio::test]
async fn capacity_that_cannot_be_reserved_is_refused_with_its_own_code() {
    let client = Client::new(&sandbox());
    client.sandbox.set(|c| {
        c.not_offered.push(("*".to_owned(), "r8g.large".to_owned()));
        c.no_capacity.push(("us-west-2b".to_owned(), "m7g.*".to_owned()));
    });
    for (change, code) in [
        (vec![("InstanceType", "")], "MissingParameter"),
        (vec![("InstancePlatform", "")], "MissingParameter"),
        (vec![("InstanceCount", "")], "MissingParameter"),
        (vec![("AvailabilityZone", "")], "MissingParameter"),
        (vec![("InstanceType", "m8g.huge")], "InvalidParameterValue"),
        (vec![("InstanceType", "r8g.large")], "InvalidParameterValue"),
        (vec![("InstancePlatform", "Plan 9")], "InvalidParameterValue"),
        (vec![("InstanceCount", "0")], "InvalidParameterValue"),
        (vec![("InstanceCount", "1001")], "InvalidParameterValue"),
        (vec![("AvailabilityZone", "us-west-2z")], "InvalidParameterValue"),
        (vec![("AvailabilityZone", ""), ("AvailabilityZoneId", "usw2-az9")], "InvalidParameterValue"),
        (vec![("AvailabilityZoneId", "usw2-az2")], "InvalidParameterCombination"),
        (vec![("AvailabilityZone", "us-west-2a")], "Unsupported"),
        (vec![("InstanceType", "m7g.large")], "InsufficientInstanceCapacity"),
        (vec![("InstanceCount", "5")], "InstanceLimitExceeded"),
        (vec![("Tenancy", "host")], "InvalidParameterValue"),
        (vec![("InstanceMatchCriteria", "any")], "InvalidParameterValue"),
        (vec![("EbsOptimized", "perhaps")], "InvalidParameterValue"),
        (vec![("EndDateType", "soon")], "InvalidParameterValue"),
        (vec![("EndDateType", "limited")], "InvalidParameterCombination"),
        (vec![("EndDate", "2026-01-15T13:00:00Z")], "InvalidParameterCombination"),
        (vec![("EndDateType", "limited"), ("EndDate", "2026-01-15T11:00:00Z")], "InvalidParameterValue"),
        (vec![("EndDateType", "limited"), ("EndDate", "tonight")], "InvalidParameterValue"),
        (vec![("StartDate", "2026-02-15T11:00:00Z")], "UnknownParameter"),
        (vec![("TagSpecification.1.ResourceType", "capacity-reservation")], "UnknownParameter"),
        (vec![("TagSpecifications.1.ResourceType", "instance")], "InvalidParameterValue"),
        (vec![("DryRun", "true")], "DryRunOperation"),
    ] {
        let answer = client.reserve(&change).await;
        assert_eq!(answer.code(), code, "{change:?}: {}", answer.body);
    }
    assert_eq!(client.reserve(&[("InstanceType", "m7g.large")]).await.status, 500);
    let left = client.make("DescribeCapacityReservations", &[]).await.all("state");
    assert!(left.is_empty(), "nothing is left behind: {left:?}");
}

#[tokio::test]
async fn a_reservation_lives_from_pending_to_forgotten() {
    let client = Client::new(&sandbox());
    let tags = [
        ("TagSpecifications.1.ResourceType", "capacity-reservation"),
        ("TagSpecifications.1.Tag.1.Key", "owner"),
        ("TagSpecifications.1.Tag.1.Value", "me"),
        ("ClientToken", "once"),
        ("EndDateType", "limited"),
        ("EndDate", "2026-01-15T12:30:00.000Z"),
    ];
    let made = client.reserve(&tags).await;
    let id = made.get("capacityReservationId");
    assert!(id.starts_with("cr-0"), "{id}");
    for (name, value) in [
        ("state", "pending"),
        ("instanceType", "m8g.2xlarge"),
        ("instancePlatform", "Linux/UNIX"),
        ("availabilityZone", "us-west-2b"),
        ("availabilityZoneId", "usw2-az2"),
        ("tenancy", "default"),
        ("totalInstanceCount", "1"),
        ("availableInstanceCount", "0"),
        ("instanceMatchCriteria", "open"),
        ("endDateType", "limited"),
        ("endDate", "2026-01-15T12:30:00.000Z"),
        ("value", "me"),
    ] {
        assert_eq!(made.get(name), value, "{name}");
    }
    let cancel = [("CapacityReservationId", &*id)];
    assert_eq!(client.ec2("CancelCapacityReservation", &cancel).await.code(), "IncorrectState");
    client.sandbox.advance(Duration::from_secs(1));
    assert_eq!(client.capacity(&id).await, pair("active", "1"));
    assert_eq!(client.reserve(&tags).await.get("capacityReservationId"), id, "the token answers with it");
    let other = client.reserve(&[("ClientToken", "once")]).await;
    assert_eq!(other.code(), "IdempotentParameterMismatch");
    let by_id = [("AvailabilityZone", ""), ("AvailabilityZoneId", "usw2-az2")];
    let second = client.reserved(&by_id).await;
    for (name, value, found) in [
        ("tag:owner", "me", vec![&id]),
        ("tag-key", "owner", vec![&id]),
        ("state", "active", vec![&id, &second]),
        ("state", "cancelled", vec![]),
        ("end-date-type", "unlimited", vec![&second]),
        ("instance-type", "m8g.*", vec![&id, &second]),
        ("availability-zone", "us-west-2a", vec![]),
    ] {
        let filter = [("Filter.1.Name", name), ("Filter.1.Value.1", value)];
        let mut seen =
            client.make("DescribeCapacityReservations", &filter).await.all("capacityReservationId");
        let mut expected: Vec<String> = found.into_iter().cloned().collect();
        seen.sort();
        expected.sort();
        assert_eq!(seen, expected, "{name} {value}");
    }
    let page = client.make("DescribeCapacityReservations", &[("MaxResults", "1")]).await;
    assert_eq!(page.all("state").len(), 1);
    assert!(!page.get("nextToken").is_empty());
    for (operation, fields, code) in [
        ("CancelCapacityReservation", vec![], "MissingParameter"),
        (
            "CancelCapacityReservation",
            vec![("CapacityReservationId", "cr-1")],
            "InvalidCapacityReservationId.Malformed",
        ),
        (
            "CancelCapacityReservation",
            vec![("CapacityReservationId", "cr-0123456789abcdef0")],
            "InvalidCapacityReservationId.NotFound",
        ),
        (
            "DescribeCapacityReservations",
            vec![("CapacityReservationId.1", "cr-0123456789abcdef0")],
            "InvalidCapacityReservationId.NotFound",
        ),
        ("DescribeCapacityReservations", vec![("MaxResults", "1001")], "InvalidParameterValue"),
        (
            "CancelCapacityReservation",
            vec![("CapacityReservationId", &*second), ("DryRun", "true")],
            "DryRunOperation",
        ),
        ("CancelCapacityReservation", vec![("CapacityReservationId", &*second)], ""),
        ("CancelCapacityReservation", vec![("CapacityReservationId", &*second)], "IncorrectState"),
        ("CreateTags", vec![("ResourceId.1", &*id), ("Tag.1.Key", "k"), ("Tag.1.Value", "v")], ""),
    ] {
        assert_eq!(client.ec2(operation, &fields).await.code(), code, "{operation} {fields:?}");
    }
    assert_eq!(client.capacity(&second).await, pair("cancelled", "0"));
    let tags = client
        .make(
            "DescribeTags",
            &[("Filter.1.Name", "resource-type"), ("Filter.1.Value.1", "capacity-reservation")],
        )
        .await;
    assert_eq!(tags.all("key"), ["k", "owner"]);
    client.sandbox.advance(Duration::from_secs(1800));
    assert_eq!(client.capacity(&id).await, pair("expired", "0"));
    assert_eq!(client.ec2("CancelCapacityReservation", &cancel).await.code(), "IncorrectState");
    client.sandbox.advance(Duration::from_secs(3600));
    let gone = client.ec2("DescribeCapacityReservations", &[("CapacityReservationId.1", &id)]).await;
    assert_eq!(gone.code(), "InvalidCapacityReservationId.NotFound");
}

#[tokio::test]
async fn reserved_capacity_lets_a_machine_start_in_a_full_zone() {
    let (client, _, launch) = ready().await;
    let id = client.stopped(&launch).await;
    client
        .make("ModifyInstanceAttribute", &[("InstanceId", &id), ("InstanceType.Value", "m8g.2xlarge")])
        .await;
    let reserved = client.reserved(&[]).await;
    let targeted = client.reserved(&[("InstanceMatchCriteria", "targeted")]).await;
    let windows = client.reserved(&[("InstancePlatform", "Windows")]).await;
    client.sandbox.set(|c| c.no_capacity.push(("*".to_owned(), "m8g.*".to_owned())));
    let started = client.starts(&id).await;
    assert_eq!(started.code(), "", "{}", started.body);
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.runs_in(&id).await, reserved);
    for (reservation, available) in [(&reserved, "0"), (&targeted, "1"), (&windows, "1")] {
        assert_eq!(client.capacity(reservation).await, pair("active", available));
    }
    let filter = [("Filter.1.Name", "capacity-reservation-id"), ("Filter.1.Value.1", &*reserved)];
    assert_eq!(client.make("DescribeInstances", &filter).await.get("instanceId"), id);
    let second = client.run(&launch.with(&[("InstanceType", "m8g.2xlarge")])).await;
    assert_eq!(second.code(), "InsufficientInstanceCapacity", "the one place is taken");

    client.make("CancelCapacityReservation", &[("CapacityReservationId", &reserved)]).await;
    assert_eq!((client.state(&id).await, client.runs_in(&id).await), ("running".to_owned(), String::new()));
    client.make("StopInstances", &[("InstanceId.1", &id)]).await;
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.starts(&id).await.code(), "InsufficientInstanceCapacity");
}

#[tokio::test]
async fn what_runs_moves_into_a_reservation_and_leaves_it_when_it_stops() {
    let (client, _, launch) = ready().await;
    let launch = launch.with(&[("InstanceType", "m8g.2xlarge")]);
    let id = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    let end = [("EndDateType", "limited"), ("EndDate", "2026-01-15T13:00:00Z")];
    let reserved = client.reserved(&[("InstanceCount", "2"), end[0], end[1]]).await;
    assert_eq!(client.capacity(&reserved).await, pair("active", "1"));
    assert_eq!(client.runs_in(&id).await, reserved);
    let next = client.run(&launch).await;
    assert_eq!(next.get("capacityReservationId"), reserved);
    let used = client.make("DescribeCapacityReservations", &[]).await;
    assert_eq!((&*used.get("allocationType"), &*used.get("count")), ("used", "2"));
    client.make("StopInstances", &[("InstanceId.1", &id)]).await;
    assert_eq!(client.capacity(&reserved).await, pair("active", "1"));
    let other = client.run(&launch.with(&[("InstanceType", "m8g.large")])).await.get("instanceId");
    assert_eq!(client.runs_in(&other).await, "", "another type");
    client.sandbox.advance(Duration::from_secs(3600));
    assert_eq!(client.capacity(&reserved).await, pair("expired", "0"));
    let left = next.get("instanceId");
    assert_eq!(
        (client.state(&left).await, client.runs_in(&left).await),
        ("running".to_owned(), String::new())
    );
}

#[tokio::test]
async fn the_quota_counts_what_is_reserved_and_no_instance_twice() {
    let (client, _, launch) = ready().await;
    let small = client.run(&launch).await.get("instanceId");
    client.sandbox.advance(Duration::from_secs(60));
    // Four run; eight more are reserved beside them.
    for (quota, code) in [(11, "InstanceLimitExceeded"), (12, "")] {
        client.sandbox.set(|c| c.quotas.vcpus = quota);
        assert_eq!(client.reserve(&[]).await.code(), code, "{quota}");
    }
    assert_eq!(client.run(&launch).await.code(), "VcpuLimitExceeded", "pending counts");
    client.sandbox.advance(Duration::from_secs(1));
    assert_eq!(client.run(&launch).await.code(), "VcpuLimitExceeded", "active and unused counts");
    client.make("StopInstances", &[("InstanceId.1", &small)]).await;
    client.sandbox.advance(Duration::from_secs(60));
    assert_eq!(client.becomes(&small, "m8g.2xlarge").await.code(), "");
    client.sandbox.set(|c| c.quotas.vcpus = 8);
    assert_eq!(client.starts(&small).await.code(), "", "it runs in what is reserved");
    let large = launch.with(&[("InstanceType", "m8g.large")]);
    assert_eq!(client.run(&large).await.code(), "VcpuLimitExceeded");
    client.sandbox.set(|c| c.quotas.vcpus = 10);
    assert_eq!(client.run(&large).await.code(), "");
}
