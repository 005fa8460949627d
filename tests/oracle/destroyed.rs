//! Destroy, with everything and with something left.

use aws_sdk_ec2::types::{SnapshotState, VolumeState};
use holdfast_core::plan::{Goal, Leave};

use crate::GONE;
use crate::everything::Everything;
use crate::moto::Account;
use crate::table::{SETTINGS, assert_whole, instances, ours};

#[tokio::test]
async fn destroy_leaves_nothing() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    let before = Everything::of(&account).await;
    laptop.reach(GONE).await.expect("a destroy of nothing");
    Everything::of(&account).await.assert_same_as(&before, "a destroy of nothing");

    laptop.reach(Goal::Settings).await.expect("a plain apply");
    assert_whole(&account, &laptop.desired).await;
    let report = laptop.reach(GONE).await.expect("a plain destroy");
    assert!(report.performed > 12, "{report:?}");
    Everything::of(&account).await.assert_same_as(&before, "a destroy");
    assert_eq!(laptop.reach(GONE).await.expect("a second destroy").performed, 0);

    // And back again, although AWS still remembers the first one.
    laptop.reach(Goal::Settings).await.expect("an apply after a destroy");
    assert_whole(&account, &laptop.desired).await;
    laptop.reach(GONE).await.expect("a plain destroy");
    Everything::of(&account).await.assert_same_as(&before, "the second destroy");
}

#[tokio::test]
async fn destroy_keeps_the_volume_when_told_to() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    let before = Everything::of(&account).await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    let keep = Goal::Gone(Leave { volume: true, snapshot: false });
    laptop.reach(keep).await.expect("a destroy that keeps the volume");
    assert_eq!(instances(&account, &laptop.desired).await, []);
    let kept = account.ec2.describe_volumes().filters(ours(&laptop.desired)).send().await.expect("volumes");
    let [volume] = kept.volumes() else { panic!("not one volume: {kept:?}") };
    assert_eq!((volume.state(), volume.size()), (Some(&VolumeState::Available), Some(60)));
    assert_eq!(laptop.reach(keep).await.expect("a second destroy").performed, 0);

    laptop.reach(GONE).await.expect("a destroy of the volume too");
    Everything::of(&account).await.assert_same_as(&before, "a destroy of what was kept");
}

#[tokio::test]
async fn destroy_takes_a_final_snapshot_when_told_to() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    let before = Everything::of(&account).await;
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    let instance = assert_whole(&account, &laptop.desired).await;
    let volume =
        instance.block_device_mappings()[0].ebs().and_then(|disk| disk.volume_id()).expect("a volume");
    let snapshot = Goal::Gone(Leave { volume: false, snapshot: true });
    laptop.reach(snapshot).await.expect("a destroy with a final snapshot");

    let taken =
        account.ec2.describe_snapshots().owner_ids("self").filters(ours(&laptop.desired)).send().await;
    let taken = taken.expect("snapshots");
    let [snapshot] = taken.snapshots() else { panic!("not one snapshot: {taken:?}") };
    assert_eq!(snapshot.volume_id(), Some(volume));
    assert_eq!(snapshot.state(), Some(&SnapshotState::Completed));
    let of = snapshot.tags().iter().find(|tag| tag.key() == Some("holdfast:final-snapshot-of"));
    assert_eq!(of.and_then(|tag| tag.value()), instance.instance_id());
    account
        .ec2
        .delete_snapshot()
        .snapshot_id(snapshot.snapshot_id().expect("an id"))
        .send()
        .await
        .expect("deleted");
    Everything::of(&account).await.assert_same_as(&before, "all but the snapshot");
}
