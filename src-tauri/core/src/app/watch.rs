//! When to look again: often while something changes or somebody watches, seldom otherwise.

use std::time::Duration;

use super::App;
use crate::status::State;
use crate::time::Moment;

/// While the machine changes its state.
const CHANGING: Duration = Duration::from_secs(2);
/// While the window is open.
const WATCHED: Duration = Duration::from_secs(10);
/// With nobody watching. A look at a machine that is on is two calls, so this keeps below 60 calls an hour.
const IDLE: Duration = Duration::from_secs(150);
/// After a look that failed: doubled each time, up to [`IDLE`]. A window makes it no shorter: that would not help AWS.
const BLIND: Duration = Duration::from_secs(4);

pub(super) fn next_look(app: &App, now: Moment) -> Duration {
    if let Some(blind) = &app.blind {
        let pause = BLIND.saturating_mul(1 << (blind.tries - 1).min(8)).min(IDLE);
        return pause.saturating_sub(now.since(blind.at));
    }
    let Some(known) = &app.known else { return Duration::ZERO };
    let pause = if app.running.is_some() {
        // The operation looks by itself; this is for one that sits in a long call.
        IDLE
    } else if is_changing(known.status.state, known.status.reachable) || app.elsewhere.is_some() {
        CHANGING
    } else if app.window {
        WATCHED
    } else {
        IDLE
    };
    pause.saturating_sub(now.since(known.at))
}

/// Whether the state passes by itself.
fn is_changing(state: State, reachable: Option<bool>) -> bool {
    match state {
        State::Starting | State::Stopping | State::Ending => true,
        State::On => reachable == Some(false),
        State::Absent | State::Off | State::Unknown => false,
    }
}
