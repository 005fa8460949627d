//! What the region does not have.

use holdfast::problem::Exit;
use holdfast_core::plan::Goal;
use holdfast_sandbox::ACCESS_KEY;
use holdfast_sandbox::ec2::{Arch, Image};
use holdfast_tests::sandbox;

use crate::{REGION, comes_whole, laptop, refused};

#[tokio::test(start_paused = true)]
async fn a_type_that_the_region_lacks_changes_nothing() {
    let sandbox = sandbox(1);
    let laptop = laptop(&sandbox, ACCESS_KEY, "[machine.remote-dev]\ninstance_type = \"m99z.huge\"\n").await;
    for goal in [Goal::Settings, Goal::Reachable] {
        let problem = refused(&sandbox, &laptop, goal, "no such type").await;
        assert_eq!((problem.code, problem.exit), ("no_type", Exit::Refused), "{problem:?}");
        assert!(problem.what.contains("m99z.huge") && problem.what.contains("us-west-2"), "{problem}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_type_that_no_zone_offers_changes_nothing() {
    let sandbox = sandbox(1);
    sandbox.set(|conditions| conditions.not_offered = vec![("*".to_owned(), "m8g.*".to_owned())]);
    let ada = laptop(&sandbox, ACCESS_KEY, "").await;
    for goal in [Goal::Settings, Goal::Reachable] {
        let problem = refused(&sandbox, &ada, goal, "no zone").await;
        assert!(["no_zone", "no_type"].contains(&problem.code), "{problem:?}");
        assert!(problem.what.contains("m8g.xlarge"), "{problem}");
    }
    sandbox.set(|conditions| conditions.not_offered.clear());
    comes_whole(&sandbox, &ada, "offered again").await;
}

#[tokio::test(start_paused = true)]
async fn an_architecture_without_an_image_changes_nothing() {
    let sandbox = sandbox(1);
    sandbox.set(|conditions| conditions.official_images = false);
    let ada = laptop(&sandbox, ACCESS_KEY, "").await;
    for goal in [Goal::Settings, Goal::Reachable] {
        let problem = refused(&sandbox, &ada, goal, "no image").await;
        assert_eq!((problem.code, problem.exit), ("no_image", Exit::Refused), "{problem:?}");
        assert!(problem.what.contains("arm64") && problem.what.contains("m8g.xlarge"), "{problem}");
    }
    sandbox.set(|conditions| conditions.official_images = true);
    comes_whole(&sandbox, &ada, "there are images").await;
}

#[tokio::test(start_paused = true)]
async fn a_volume_too_small_for_the_image_changes_nothing() {
    let sandbox = sandbox(1);
    let now = sandbox.now();
    sandbox.set(|conditions| {
        let name = "nixos/25.11.1234.0123456789ab-aarch64-linux";
        let mut image = Image::new(REGION, name, "427812963091", Arch::Arm64, now);
        image.snapshot_gib = 40;
        conditions.official_images = false;
        conditions.images.push(image);
    });
    let small = laptop(&sandbox, ACCESS_KEY, "[machine.remote-dev]\nvolume_size = 30\n").await;
    for goal in [Goal::Settings, Goal::Reachable] {
        let problem = refused(&sandbox, &small, goal, "too small").await;
        assert_eq!((problem.code, problem.exit), ("volume_too_small", Exit::Refused), "{problem:?}");
        assert!(problem.what.contains("40 GiB"), "{problem}");
    }
    let large = laptop(&sandbox, ACCESS_KEY, "[machine.remote-dev]\nvolume_size = 40\n").await;
    comes_whole(&sandbox, &large, "large enough").await;
}
