//! Volumes and snapshots: the same SDK calls against moto and against the sandbox. moto has no Data Lifecycle Manager.

use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::types::VolumeType;
use aws_smithy_runtime_api::client::http::SharedHttpClient;
use holdfast_sandbox::{Conditions, Options, Pace, Sandbox};

use crate::moto::{Account, REGION};

const ZONE: &str = "us-west-2b";

/// What one cloud answers, a line for each step: an error code, or what of the answer matters.
type Answers = Vec<(&'static str, String)>;

/// Where moto is other than AWS documents, which the sandbox follows: step, moto's answer, AWS's, and where that is
/// written.
const DIFFERENCES: &[(&str, &str, &str, &str)] = &[
    (
        "gp2 with IOPS",
        "InvalidParameterDependency",
        "InvalidParameterCombination",
        "errors-overview.html; github.com/kubernetes-retired/kube-aws/issues/1208",
    ),
    (
        "io2 without IOPS",
        "InvalidParameterDependency",
        "InvalidParameterCombination",
        "errors-overview.html; github.com/kubernetes-sigs/aws-ebs-csi-driver/issues/766",
    ),
    (
        "larger than gp3 may be",
        "ok",
        "InvalidParameterValue",
        "API_CreateVolume.html: gp3 has 1 to 65,536 GiB",
    ),
    (
        "smaller than its snapshot",
        "ok",
        "InvalidParameterValue",
        "API_CreateVolume.html: a size that is equal to or larger than the snapshot size",
    ),
    (
        "attached twice",
        "ok",
        "VolumeInUse",
        "errors-overview.html: VolumeInUse, the volume is attached to another instance",
    ),
    (
        "a device in use",
        "ok",
        "InvalidParameterValue",
        "API_AttachVolume.html; github.com/nanovms/ops/pull/1189",
    ),
    (
        "in another zone",
        "ok",
        "InvalidVolume.ZoneMismatch",
        "API_AttachVolume.html: volume and instance must be within the same Availability Zone",
    ),
    (
        "detached while attached to nothing",
        "InvalidAttachment.NotFound",
        "IncorrectState",
        "errors-overview.html; github.com/hashicorp/terraform-provider-aws/issues/1011",
    ),
    (
        "the root of what runs",
        "ok",
        "OperationNotPermitted",
        "ebs-detaching-volume.html: a root volume is detached only while the instance is stopped",
    ),
];

fn code<T, E: ProvideErrorMetadata>(answer: Result<T, E>) -> String {
    match answer {
        Ok(_) => "ok".to_owned(),
        Err(error) => error.code().unwrap_or("no code").to_owned(),
    }
}

async fn play(ec2: &aws_sdk_ec2::Client, image: &str) -> Answers {
    let mut said = Answers::new();
    let new = || ec2.create_volume().availability_zone(ZONE).volume_type(VolumeType::Gp3);
    let made = new().size(8).encrypted(true).send().await.unwrap();
    let volume = made.volume_id().unwrap();
    said.push((
        "a volume",
        format!("{:?} {:?} {:?} {:?}", made.size(), made.volume_type(), made.iops(), made.encrypted()),
    ));
    for (name, call) in [
        ("gp2 with IOPS", new().size(8).volume_type(VolumeType::Gp2).iops(3000)),
        ("io2 without IOPS", new().size(8).volume_type(VolumeType::Io2)),
        ("larger than gp3 may be", new().size(65_537)),
        ("neither size nor snapshot", new()),
        ("a key without encryption", new().size(8).kms_key_id("alias/aws/ebs")),
        ("no such snapshot", new().snapshot_id("snap-0123456789abcdef0")),
        ("asked only", new().size(8).dry_run(true)),
    ] {
        said.push((name, code(call.send().await)));
    }
    let taken = ec2.create_snapshot().volume_id(volume).description("of it").send().await.unwrap();
    let snapshot = taken.snapshot_id().unwrap();
    said.push((
        "a snapshot",
        format!("{:?} {:?} {:?}", taken.volume_size(), taken.description(), taken.encrypted()),
    ));
    let copy = new().snapshot_id(snapshot).send().await.unwrap();
    said.push(("of a snapshot", format!("{:?} {:?}", copy.size(), copy.encrypted())));
    said.push(("smaller than its snapshot", code(new().snapshot_id(snapshot).size(7).send().await)));

    let subnet = ec2.create_vpc().cidr_block("10.0.0.0/16").send().await.unwrap().vpc.unwrap();
    let subnet = ec2.create_subnet().vpc_id(subnet.vpc_id().unwrap()).cidr_block("10.0.0.0/24");
    let subnet = subnet.availability_zone(ZONE).send().await.unwrap().subnet.unwrap();
    let run = ec2.run_instances().image_id(image).instance_type("m8g.large".into()).min_count(1).max_count(1);
    let run = run.subnet_id(subnet.subnet_id().unwrap()).send().await.unwrap();
    let instance = run.instances()[0].instance_id().unwrap();
    let seen = ec2.describe_instances().instance_ids(instance).send().await.unwrap();
    let root = seen.reservations()[0].instances()[0].block_device_mappings()[0].ebs().unwrap();
    let root = root.volume_id().unwrap();
    let attach = |volume: &str, instance: &str, device: &str| {
        ec2.attach_volume().volume_id(volume).instance_id(instance).device(device)
    };
    let elsewhere = ec2.create_volume().availability_zone("us-west-2c").size(8).send().await.unwrap();
    let other = copy.volume_id().unwrap();
    let nothing = "i-0123456789abcdef0";
    said.push(("attached", code(attach(volume, instance, "/dev/sdf").send().await)));
    said.push(("deleted while in use", code(ec2.delete_volume().volume_id(volume).send().await)));
    for (name, call) in [
        ("no such instance", attach(other, nothing, "/dev/sdg")),
        ("no such volume", attach("vol-0123456789abcdef0", instance, "/dev/sdg")),
        ("attached twice", attach(volume, instance, "/dev/sdg")),
        ("a device in use", attach(other, instance, "/dev/sdf")),
        ("in another zone", attach(elsewhere.volume_id().unwrap(), instance, "/dev/sdh")),
    ] {
        said.push((name, code(call.send().await)));
    }
    let detach = |volume: &str| ec2.detach_volume().volume_id(volume).instance_id(instance);
    said.push(("detached", code(detach(volume).send().await)));
    let free = ec2.describe_volumes().volume_ids(volume).send().await.unwrap();
    said.push(("free", format!("{:?}", free.volumes()[0].state())));
    said.push(("detached while attached to nothing", code(detach(volume).send().await)));
    said.push(("the root of what runs", code(detach(root).send().await)));
    said.push(("deleted", code(ec2.delete_volume().volume_id(volume).send().await)));
    said.push(("deleted again", code(ec2.delete_volume().volume_id(volume).send().await)));
    let look = ec2.describe_snapshots().snapshot_ids(snapshot).send().await.unwrap();
    let of_it = look.snapshots()[0].volume_id() == Some(volume);
    said.push(("what stays", format!("{:?} {of_it}", look.snapshots()[0].state())));
    said.push(("a snapshot deleted", code(ec2.delete_snapshot().snapshot_id(snapshot).send().await)));
    said.push(("deleted twice", code(ec2.delete_snapshot().snapshot_id(snapshot).send().await)));
    said
}

#[tokio::test]
async fn both_say_the_same_of_volumes_and_snapshots() {
    let mut conditions = Conditions::of("123456789012");
    conditions.pace = Pace::instant();
    let sandbox = Sandbox::new(Options { conditions, ..Options::default() });
    let options = holdfast_tests::aws_options(SharedHttpClient::new(sandbox.http_client()));
    let config = aws_sdk_ec2::Config::builder()
        .behavior_version(aws_sdk_ec2::config::BehaviorVersion::v2026_01_12())
        .region(aws_sdk_ec2::config::Region::new(REGION))
        .http_client(options.http_client.unwrap())
        .credentials_provider(options.credentials.unwrap());
    let ours = aws_sdk_ec2::Client::from_conf(config.build());
    let images = ours.describe_images().owners(holdfast_sandbox::ec2::NIXOS_OWNER);
    let arm = aws_sdk_ec2::types::Filter::builder().name("architecture").values("arm64").build();
    let images = images.filters(arm).send().await.unwrap();
    let sandbox = Box::pin(play(&ours, images.images()[0].image_id().unwrap())).await;

    let account = Account::new().await;
    let moto = Box::pin(play(&account.ec2, crate::moto::NEWEST_ARM)).await;
    assert_eq!(moto.len(), sandbox.len());
    let mut differ = Vec::new();
    for ((name, moto), (_, sandbox)) in moto.iter().zip(&sandbox) {
        match DIFFERENCES.iter().find(|(step, ..)| step == name) {
            Some((_, theirs, documented, page)) => {
                assert_eq!((moto.as_str(), sandbox.as_str()), (*theirs, *documented), "{name}: {page}");
                differ.push(*name);
            }
            None => assert_eq!(sandbox, moto, "{name}"),
        }
    }
    let known: Vec<&str> = DIFFERENCES.iter().map(|(step, ..)| *step).collect();
    assert_eq!(differ, known, "in the order of the steps");
}
