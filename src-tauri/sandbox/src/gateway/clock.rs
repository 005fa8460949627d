//! The sandbox's side of [`Moment`]: read from the wall once, monotonic from there on.

use std::time::{Duration, SystemTime};

use holdfast_core::time::Moment;
use tokio::time::Instant;

#[derive(Clone, Copy, Debug)]
pub(super) struct Clock {
    moment: Moment,
    instant: Instant,
}

impl Clock {
    pub(super) fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        Self {
            moment: Moment::from_epoch(since_epoch.unwrap_or(Duration::from_secs(1))),
            instant: Instant::now(),
        }
    }

    pub(super) fn now(&self) -> Moment {
        self.moment + self.instant.elapsed()
    }

    pub(super) fn instant(&self, moment: Moment) -> Instant {
        self.instant + moment.since(self.moment)
    }
}
