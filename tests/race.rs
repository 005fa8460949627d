//! Two laptops at once: one machine.

use std::time::Duration;

use holdfast_core::plan::Goal;
use holdfast_sandbox::{Fault, Rule, Service, When};
use holdfast_tests::{Laptop, WHOLE, census, sandbox};

/// A small generator, so that a seed tells the whole story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % below
    }
}

#[tokio::test(start_paused = true)]
async fn two_laptops_end_with_one_machine() {
    let seeds = 150;
    for seed in 0..seeds {
        let mut dice = Dice(seed);
        let sandbox = sandbox(seed + 1);
        for operation in ["CreateVpc", "CreateSubnet", "CreateSecurityGroup", "DescribeVpcs", "RunInstances"]
        {
            let when = When::Nth(u32::try_from(dice.roll(4) + 1).expect("small"));
            let delay = Fault::Delay(Duration::from_millis(dice.roll(600)));
            sandbox.fault(Rule::on(Service::Ec2, operation, when, delay));
        }
        let one = Laptop::new(&sandbox, Duration::from_millis(10 + dice.roll(200))).await;
        let two = Laptop::new(&sandbox, Duration::from_millis(10 + dice.roll(200))).await;
        let head_start = Duration::from_millis(dice.roll(800));
        let (first, second) = tokio::join!(one.reach(Goal::Settings), async {
            tokio::time::sleep(head_start).await;
            two.reach(Goal::Settings).await
        });
        // What a laptop made in vain it takes away itself, at the latest with its next run.
        for (laptop, result) in [(&one, first), (&two, second)] {
            if let Err(problem) = result {
                panic!("seed {seed}: {problem:?}");
            }
            laptop.reach(Goal::Settings).await.unwrap_or_else(|problem| panic!("seed {seed}: {problem:?}"));
        }
        assert_eq!(census(&sandbox, &one.desired), WHOLE, "seed {seed}");
    }
    println!("{seeds} seeds of two laptops at once");
}
