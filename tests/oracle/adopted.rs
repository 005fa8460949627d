//! A machine that plain calls have made in moto is recognised and adopted, and is then as Holdfast would have made it.

use holdfast::adopt::{Looked, look};
use holdfast_core::plan::Goal;
use holdfast_tests::by_hand;

use crate::GONE;
use crate::everything::Everything;
use crate::moto::{Account, REGION};
use crate::table::{SETTINGS, assert_whole};

#[tokio::test]
async fn a_machine_of_other_tools_becomes_what_holdfast_would_have_made() {
    let account = Account::new().await;
    let empty = Everything::of(&account).await;
    let mut laptop = account.laptop(SETTINGS).await;
    let wanted = laptop.desired.clone();
    let named = |part: &str| match part {
        "role" | "profile" => format!("ada-remote-dev-{REGION}-{part}"),
        part => wanted.name(part),
    };
    let made = Box::pin(by_hand(&account.ec2, &account.iam, named)).await;
    let before = Everything::of(&account).await;
    let Looked::Foreign(adoption) = look(&laptop.aws, &laptop.desired, None).await.expect("a look") else {
        panic!("it is nobody's")
    };
    assert_eq!((&adoption.refused[..], &adoption.leaves[..]), (&[][..], &[][..]));
    // moto says of every public address that it is the account's; of those that come and go AWS says `amazon`.
    assert!(matches!(&adoption.keeps[..], [only] if only.contains("Elastic IP")), "{:?}", adoption.keeps);
    assert_eq!(adoption.takes.len(), 10, "{:?}", adoption.takes);
    Everything::of(&account).await.assert_same_as(&before, "a look");

    laptop.adopt(None).await.expect("an adoption");
    // Nothing but tags.
    let (now, then) = (Everything::of(&account).await.untagged(), before.untagged());
    assert_eq!(now.differences(&then), [""; 0]);
    assert_ne!(Everything::of(&account).await, before);
    assert_eq!(laptop.adopt(Some(&made.instance)).await.expect("an idle adoption"), 0);
    assert_eq!(laptop.desired.volume_size, 80);

    // Once mended, and with the settings' size, it is what Holdfast makes.
    laptop.reach(Goal::Settings).await.expect("an apply");
    assert_eq!(laptop.reach(Goal::Settings).await.expect("an idle apply").performed, 0);
    laptop.reach(GONE).await.expect("an end");
    Everything::of(&account).await.assert_same_as(&empty, "gone");
}

#[tokio::test]
async fn a_machine_with_other_names_keeps_them_and_goes_whole() {
    let account = Account::new().await;
    let empty = Everything::of(&account).await;
    let mut laptop = account.laptop(SETTINGS).await;
    let made = Box::pin(by_hand(&account.ec2, &account.iam, |part| format!("box-{part}"))).await;
    let problem = laptop.adopt(None).await.expect_err("nothing has our names");
    assert_eq!(problem.code, "nothing_to_adopt");
    laptop.adopt(Some(&made.instance)).await.expect("an adoption");
    laptop.reach(Goal::Settings).await.expect("an apply");
    assert_eq!(laptop.reach(Goal::Settings).await.expect("an idle apply").performed, 0);
    laptop.reach(Goal::Stopped).await.expect("a stop");
    laptop.reach(GONE).await.expect("an end");
    Everything::of(&account).await.assert_same_as(&empty, "gone");
}

#[tokio::test]
async fn a_machine_that_holdfast_made_and_lost_its_tags_is_its_own_again() {
    let account = Account::new().await;
    let mut laptop = account.laptop(SETTINGS).await;
    laptop.reach(Goal::Settings).await.expect("an apply");
    Box::pin(assert_whole(&account, &laptop.desired)).await;
    let before = Everything::of(&account).await;
    let tag = |key: &str| aws_sdk_ec2::types::Tag::builder().key(key).build();
    let tags = || Some(["holdfast:machine", "holdfast:owner"].map(tag).into());
    let ids: Vec<String> = before.ids();
    let ec2 = ids.iter().filter(|id| !id.contains(' '));
    account
        .ec2
        .delete_tags()
        .set_resources(Some(ec2.cloned().collect()))
        .set_tags(tags())
        .send()
        .await
        .expect("no tags");
    let keys = || Some(["holdfast:machine", "holdfast:owner"].map(str::to_owned).into());
    let (role, profile) = (laptop.desired.role_name(), laptop.desired.own_profile_name());
    account.iam.untag_role().role_name(&role).set_tag_keys(keys()).send().await.expect("no tags");
    let untag = account.iam.untag_instance_profile().instance_profile_name(&profile);
    untag.set_tag_keys(keys()).send().await.expect("no tags");
    laptop.adopt(None).await.expect("an adoption");
    let after = Everything::of(&account).await;
    assert_eq!(after.untagged().differences(&before.untagged()), [""; 0]);
    assert_eq!(laptop.reach(Goal::Settings).await.expect("an idle apply").performed, 0);
}
