//! Off and on again.

use aws_sdk_ec2::types::InstanceStateName;
use holdfast::world::World;
use holdfast_core::machine::Fact;
use holdfast_core::plan::{self, Goal, Step, Waiting};

use crate::everything::Everything;
use crate::moto::Account;
use crate::table::{SETTINGS, assert_whole, instances};

#[tokio::test]
async fn a_machine_that_is_off_stays_off_until_it_is_started() {
    let account = Account::new().await;
    let laptop = account.laptop(SETTINGS).await;
    let state = || async {
        let [instance] = &instances(&account, &laptop.desired).await[..] else { panic!("not one instance") };
        instance.state().and_then(|state| state.name().cloned()).expect("a state")
    };
    laptop.reach(Goal::Settings).await.expect("a plain apply");
    laptop.reach(Goal::Stopped).await.expect("a stop");
    assert_eq!(state().await, InstanceStateName::Stopped);
    assert_eq!(laptop.reach(Goal::Stopped).await.expect("a second stop").performed, 0);
    let before = Everything::of(&account).await;
    assert_eq!(laptop.reach(Goal::Settings).await.expect("an apply of what is off").performed, 0);
    Everything::of(&account).await.assert_same_as(&before, "an apply of what is off");

    // The goal itself needs SSM's word; moto cannot give it, and that is no reason for a look to fail.
    let observed = laptop.aws.observe(&laptop.desired, Goal::Reachable).await.expect("a look");
    let next = plan::decide(&laptop.desired, &observed, Goal::Reachable);
    let [start @ Step::Start { .. }] = &next.ready[..] else { panic!("{next:?}") };
    laptop.aws.perform(&laptop.desired, start).await.expect("a start");
    assert_eq!(state().await, InstanceStateName::Running);
    assert_whole(&account, &laptop.desired).await;
    let observed = laptop.aws.observe(&laptop.desired, Goal::Reachable).await.expect("a look without SSM");
    assert!(matches!(observed.agent, Fact::Unknown(_)), "{:?}", observed.agent);
    assert_eq!(plan::decide(&laptop.desired, &observed, Goal::Reachable).waiting, [Waiting::Agent]);
}
