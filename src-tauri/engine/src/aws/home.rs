//! The calls that a home goes over with, to another machine. The machine takes it by itself, and is asked how far it is.

use std::time::Duration;

use aws_sdk_ec2::types::{ResourceType, VolumeType};
use holdfast_core::jobs::Carrying;
use holdfast_core::machine::{Desired, TAG_CARRIED, TAG_COPY, Tags};
use holdfast_core::names::{InstanceId, SnapshotId, VolumeId};
use holdfast_core::plan::{self, Made};
use tokio::time::{Instant, sleep};

use super::Aws;
use super::error::ec2;
use super::perform::{Trouble, ec2_tags, id, made, owned_tags, tagged};
use crate::jobs::{BUSY, failed, garbled};
use crate::problem::Problem;
use crate::remote::{Machine, NO_SYSTEM};
use crate::world::Done;

/// Where a copy is attached; on the machine it has another name, by its id.
/// Source: <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/device_naming.html>
const COPY_DEVICE: &str = "/dev/sdf";

/// The first and the longest pause between two questions.
const PAUSES: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(15));
/// How long the machine may not answer at all.
const SILENCE: Duration = Duration::from_secs(600);

pub(super) async fn delete_snapshot(aws: &Aws, snapshot: &SnapshotId) -> Result<Done, Trouble> {
    let call = aws.ec2.delete_snapshot().snapshot_id(snapshot.as_str());
    call.send().await.map_err(ec2("DeleteSnapshot"))?;
    Ok(Done::default())
}

pub(super) async fn create_copy(
    aws: &Aws,
    desired: &Desired,
    snapshot: &SnapshotId,
    zone: &str,
    instance: &InstanceId,
) -> Result<Done, Trouble> {
    let mut tags = owned_tags(aws, desired, "copy").await?;
    tags.insert(TAG_COPY.to_owned(), instance.to_string());
    let call = aws.ec2.create_volume().snapshot_id(snapshot.as_str()).availability_zone(zone);
    // Two laptops, or one twice, make one.
    let call = call.client_token(plan::copy_token(snapshot, instance)).volume_type(VolumeType::Gp3);
    let call = call.tag_specifications(tagged(ResourceType::Volume, &tags));
    let answer = call.send().await.map_err(ec2("CreateVolume"))?;
    Ok(made(Made::Volume(id("CreateVolume", answer.volume_id())?)))
}

pub(super) async fn attach_copy(
    aws: &Aws,
    volume: &VolumeId,
    instance: &InstanceId,
) -> Result<Done, Trouble> {
    let call = aws.ec2.attach_volume().volume_id(volume.as_str()).instance_id(instance.as_str());
    call.device(COPY_DEVICE).send().await.map_err(ec2("AttachVolume"))?;
    Ok(Done::default())
}

pub(super) async fn carry(
    aws: &Aws,
    desired: &Desired,
    instance: &InstanceId,
    volume: &VolumeId,
    snapshot: &SnapshotId,
) -> Result<Done, Trouble> {
    take(aws, desired, instance, volume, snapshot).await?;
    tag(aws, instance, &Tags::from([(TAG_CARRIED.to_owned(), snapshot.to_string())])).await
}

pub(super) async fn detach_copy(aws: &Aws, volume: &VolumeId) -> Result<Done, Trouble> {
    aws.ec2.detach_volume().volume_id(volume.as_str()).send().await.map_err(ec2("DetachVolume"))?;
    Ok(Done::default())
}

pub(super) async fn delete_copy(aws: &Aws, volume: &VolumeId) -> Result<Done, Trouble> {
    aws.ec2.delete_volume().volume_id(volume.as_str()).send().await.map_err(ec2("DeleteVolume"))?;
    Ok(Done::default())
}

pub(super) async fn retire(
    aws: &Aws,
    desired: &Desired,
    instance: &InstanceId,
    by: &InstanceId,
) -> Result<Done, Trouble> {
    tag(aws, instance, &plan::retired(desired, by)).await
}

async fn tag(aws: &Aws, instance: &InstanceId, tags: &Tags) -> Result<Done, Trouble> {
    let call = aws.ec2.create_tags().resources(instance.as_str()).set_tags(Some(ec2_tags(tags)));
    call.send().await.map_err(ec2("CreateTags"))?;
    Ok(Done::default())
}

/// Has the machine take all homes that are on the volume, which is a copy of `snapshot`, and waits until every file is there and
/// checked. Whoever asks for the same while it goes on, or when it is done, only waits, or learns that.
async fn take(
    aws: &Aws,
    desired: &Desired,
    instance: &InstanceId,
    volume: &VolumeId,
    snapshot: &SnapshotId,
) -> Result<(), Trouble> {
    let machine = Machine { aws, desired, instance };
    let start = ["carry", "start", volume.as_str(), snapshot.as_str()];
    let mut words: &[&str] = &start;
    let (mut pause, mut heard) = (PAUSES.0, Instant::now());
    loop {
        match machine.order(words).await {
            Ok(answer) if answer.status == BUSY => {
                return Err(Trouble::Refused(not_carried("another job runs on the new machine")));
            }
            Ok(answer) if answer.status != 0 => {
                return Err(Trouble::Refused(failed("The machine did not begin to take its home", &answer)));
            }
            Ok(answer) => {
                heard = Instant::now();
                words = &["carry", "state"];
                match Carrying::parse(&answer.out, snapshot) {
                    Ok(Carrying::Done { files, bytes }) => {
                        tracing::info!(files, bytes, "the home is there");
                        return Ok(());
                    }
                    Ok(Carrying::Running { phase }) => tracing::debug!(phase, "the home is on its way"),
                    Ok(Carrying::Failed { why }) => return Err(Trouble::Refused(not_carried(&why))),
                    Err(error) => return Err(Trouble::Refused(garbled(error))),
                }
            }
            Err(problem)
                if problem.is_about_credentials() || problem.is_denied() || problem.code == NO_SYSTEM =>
            {
                return Err(Trouble::Refused(problem));
            }
            // It goes on without us.
            Err(problem) if heard.elapsed() > SILENCE => return Err(Trouble::Refused(problem)),
            Err(problem) => tracing::debug!(%problem, "the machine does not answer"),
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSES.1);
    }
}

fn not_carried(why: &str) -> Problem {
    Problem::new("not_carried", "The home is not on the new machine")
        .because(why)
        .hint("the old machine is as it was; try again: holdfast replace")
}
