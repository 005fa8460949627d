//! When it is worth trying again: the network changed, or the computer slept.

use std::time::{Duration, Instant, SystemTime};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;
use tokio::time::{sleep, timeout};

#[cfg(target_os = "linux")]
#[path = "net/linux.rs"]
mod system;
#[cfg(not(target_os = "linux"))]
#[path = "net/other.rs"]
mod system;

/// What this computer went through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Addresses, routes or links are not what they were.
    Network,
    /// It slept, or its clock was set.
    Woke,
}

/// One change of the network is told in several pieces, a moment apart.
const BURST: Duration = Duration::from_millis(100);

/// Tells of changes.
#[derive(Debug)]
pub struct Changes {
    system: system::Changes,
    /// The rest of a burst is told at once, at its end.
    burst: Option<tokio::time::Instant>,
}

impl Changes {
    /// Listens from now on. Where the system does not let us, nothing is ever told, and trying on its own must do.
    pub fn listen() -> Self {
        Self { system: system::Changes::listen(), burst: None }
    }

    /// Waits for the next one. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Change {
        loop {
            let Some(end) = self.burst else {
                let change = self.system.next().await;
                self.burst = (change == Change::Network).then(|| tokio::time::Instant::now() + BURST);
                return change;
            };
            tokio::select! {
                change = self.system.next() => match change {
                    Change::Woke => return change,
                    // Told at the end of the burst, and then not begun anew: a storm does not hide its end.
                    Change::Network => {}
                },
                () = tokio::time::sleep_until(end) => {
                    self.burst = None;
                    return Change::Network;
                }
            }
        }
    }
}

/// Between the tries of [`answers`].
const KNOCK: Duration = Duration::from_millis(200);
/// Between its tries after a long time.
const RARE_KNOCK: Duration = Duration::from_secs(2);
/// What is a long time.
const LONG: Duration = Duration::from_secs(600);
/// How long each try may take: more than one are under way on a slow network.
const ANSWER: Duration = Duration::from_secs(3);

/// Waits until somebody at `address` accepts a connection. It asks nothing of whoever that is, so it may knock often; and
/// where the system tells nothing of its network, or the trouble is further away, nothing else tells soon.
pub async fn answers(address: std::net::SocketAddr) {
    let began = Instant::now();
    let mut tries = FuturesUnordered::new();
    loop {
        tries.push(timeout(ANSWER, TcpStream::connect(address)));
        let pause = sleep(if began.elapsed() < LONG { KNOCK } else { RARE_KNOCK });
        tokio::pin!(pause);
        loop {
            tokio::select! {
                Some(tried) = tries.next(), if !tries.is_empty() => {
                    if matches!(tried, Ok(Ok(_))) {
                        return;
                    }
                }
                () = &mut pause => break,
            }
        }
    }
}

/// The wall clock beside the one that only runs while the computer does. When they part, it slept, or somebody set the
/// clock.
#[derive(Clone, Copy, Debug)]
pub struct Clocks {
    wall: SystemTime,
    running: Instant,
}

impl Clocks {
    /// Both, now.
    pub fn now() -> Self {
        Self { wall: SystemTime::now(), running: Instant::now() }
    }

    /// By how much the wall clock went further than the other since `earlier`; zero if it went back.
    pub fn jumped_since(&self, earlier: &Self) -> Duration {
        let wall = self.wall.duration_since(earlier.wall).unwrap_or_default();
        wall.saturating_sub(self.running.duration_since(earlier.running))
    }

    /// Whether they have parted since `earlier` by more than clocks are ever corrected at once.
    pub fn parted_since(&self, earlier: &Self) -> bool {
        const CORRECTION: Duration = Duration::from_secs(2);
        let back = earlier.wall.duration_since(self.wall).unwrap_or_default();
        self.jumped_since(earlier) > CORRECTION || back > CORRECTION
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sleep_and_a_clock_that_is_set_show_and_a_correction_does_not() {
        let before = Clocks::now();
        for (wall, running, parted) in [
            (8 * 3600, 1, true),
            (10, 7, true),
            (10, 10, false),
            (11, 10, false),
            (10, 11, false),
            (-3600, 1, true),
        ] {
            let seconds = Duration::from_secs(i64::unsigned_abs(wall));
            let wall_then = if wall < 0 { before.wall - seconds } else { before.wall + seconds };
            let then = Clocks { wall: wall_then, running: before.running + Duration::from_secs(running) };
            assert_eq!(then.parted_since(&before), parted, "{wall} and {running}");
        }
        let slept = Clocks { wall: before.wall + LONG, running: before.running };
        assert_eq!(slept.jumped_since(&before), LONG);
    }

    #[tokio::test]
    async fn a_door_that_opens_late_is_found() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        drop(listener);
        let opens = async {
            sleep(Duration::from_millis(500)).await;
            let listener = tokio::net::TcpListener::bind(address).await.unwrap();
            let opened = Instant::now();
            drop(listener.accept().await.unwrap());
            opened.elapsed()
        };
        let ((), waited) = tokio::join!(answers(address), opens);
        assert!(waited < 2 * KNOCK, "{waited:?}");
    }
}
