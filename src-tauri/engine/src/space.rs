//! The machine takes the space that its volume has been given, while it runs.

use std::time::Duration;

use holdfast_core::jobs::{NotGrown, Space};
use tokio::time::{Instant, sleep};

use crate::problem::Problem;
use crate::remote::Machine;

/// How long a new size may take to get from AWS to the machine's kernel: seconds, as a rule.
/// Source: <https://docs.aws.amazon.com/ebs/latest/userguide/recognize-expanded-volume-linux.html>
const ARRIVAL: Duration = Duration::from_secs(120);
/// The pause between two tries.
const PAUSE: Duration = Duration::from_secs(3);

/// Makes the partition and the file system of `/` as large as the volume, which has `gib`, and measures that the space is there. It
/// can be asked for again at any time.
///
/// # Errors
/// The machine cannot be reached, its disk is one that cannot be grown this way, or the volume's new size does not arrive.
pub async fn grow(machine: Machine<'_>, gib: u32) -> Result<Space, Problem> {
    let began = Instant::now();
    loop {
        let answer = machine.order(&["grow", "/"]).await?;
        let grown = Space::parse(&answer.out);
        match grown {
            Ok(space) if space.has_arrived(gib) => return Ok(space),
            Ok(_) | Err(NotGrown::Busy(_)) if began.elapsed() < ARRIVAL => {}
            Ok(space) => {
                let there = space.device >> 30;
                return Err(not_grown()
                    .because(format!("the machine sees {there} of the volume's {gib} GiB"))
                    .hint("it takes them at its next start: holdfast restart"));
            }
            Err(why) => return Err(not_grown().because(why.to_string()).hint(
                "look at it: holdfast exec -- lsblk; a NixOS machine takes what it can at its next start, too: holdfast restart",
            )),
        }
        sleep(PAUSE).await;
    }
}

fn not_grown() -> Problem {
    Problem::new("not_grown", "The volume is larger, and the machine's file system is not")
}
