//! Who calls, and where.

use aws_credential_types::credential_fn::provide_credentials_fn;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use holdfast_core::plan::{Goal, Leave};
use holdfast_sandbox::ACCESS_KEY;
use holdfast_tests::sandbox;

use crate::{GONE, comes_whole, laptop, laptop_with, refused, whole};

const GOALS: [Goal; 5] = [
    Goal::Settings,
    Goal::Reachable,
    Goal::Stopped,
    GONE,
    Goal::Gone(Leave { volume: true, snapshot: true }),
];

#[tokio::test(start_paused = true)]
async fn without_credentials_nothing_is_even_called() {
    let (sandbox, _) = whole().await;
    let none = || async { Err(CredentialsError::not_loaded("no providers in chain provided credentials")) };
    let provider = SharedCredentialsProvider::new(provide_credentials_fn(none));
    let nobody = laptop_with(&sandbox, provider, "").await;
    for goal in GOALS {
        let problem = refused(&sandbox, &nobody, goal, "no credentials").await;
        assert_eq!(problem.code, "no_credentials", "{problem:?}");
        assert!(problem.is_about_credentials() && !problem.hints.is_empty(), "{problem:?}");
        assert!(problem.to_string().contains("no providers in chain"), "{problem}");
        assert!(sandbox.calls().is_empty(), "{:?}", sandbox.calls());
    }
}

#[tokio::test(start_paused = true)]
async fn expired_credentials_ask_for_a_sign_in() {
    let (sandbox, ada) = whole().await;
    sandbox.set(|conditions| conditions.principals[0].expired = true);
    for goal in GOALS {
        let problem = refused(&sandbox, &ada, goal, "expired").await;
        assert_eq!(problem.code, "expired", "{problem:?}");
        assert!(problem.is_about_credentials() && !problem.hints.is_empty(), "{problem:?}");
    }
    sandbox.set(|conditions| conditions.principals[0].expired = false);
    comes_whole(&sandbox, &ada, "signed in again").await;
}

/// They expire while the network is being made.
#[tokio::test(start_paused = true)]
async fn credentials_that_expire_halfway_leave_what_a_later_run_goes_on_from() {
    let sandbox = sandbox(1);
    let ada = laptop(&sandbox, ACCESS_KEY, "").await;
    let expires = async {
        while !sandbox.calls().iter().any(|call| call.operation == "CreateVpc") {
            tokio::task::yield_now().await;
        }
        sandbox.set(|conditions| conditions.principals[0].expired = true);
    };
    let (result, ()) = tokio::join!(ada.reach(Goal::Settings), expires);
    assert_eq!(result.expect_err("it has expired").code, "expired");
    sandbox.set(|conditions| conditions.principals[0].expired = false);
    comes_whole(&sandbox, &ada, "signed in again").await;
}

#[tokio::test(start_paused = true)]
async fn keys_that_nobody_knows_are_refused() {
    let (sandbox, _) = whole().await;
    let stranger = laptop(&sandbox, "AKIANOBODYKNOWSTHIS0", "").await;
    for goal in GOALS {
        let problem = refused(&sandbox, &stranger, goal, "unknown keys").await;
        assert_eq!(problem.code, "bad_credentials", "{problem:?}");
    }
}

/// AWS has no such host; the sandbox answers as it does for a region that the account has not switched on.
#[tokio::test(start_paused = true)]
async fn a_region_that_is_not_there_is_named_in_the_hint() {
    let sandbox = sandbox(1);
    let settings = "[machine.remote-dev]\nregion = \"us-west-9\"\n";
    let laptop = laptop(&sandbox, ACCESS_KEY, settings).await;
    for goal in GOALS {
        let problem = refused(&sandbox, &laptop, goal, "no such region").await;
        assert_eq!(problem.code, "bad_credentials", "{problem:?}");
        assert!(problem.hints.iter().any(|hint| hint.contains("region")), "{problem:?}");
    }
}
