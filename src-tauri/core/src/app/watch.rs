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
/// The same where there are other machines, which leaves their looks to them.
const IDLE_AMONG_SEVERAL: Duration = Duration::from_secs(180);
/// What has not passed after so long may never pass, and is looked at as if it lasted.
const PASSING: Duration = Duration::from_secs(300);
/// After a look that failed: doubled each time, up to [`IDLE`].
const BLIND: Duration = Duration::from_secs(4);

pub(super) fn next_look(app: &App, now: Moment) -> Duration {
    if let Some(blind) = &app.blind {
        let pause = BLIND.saturating_mul(1 << (blind.tries - 1).min(8)).min(IDLE);
        return pause.saturating_sub(now.since(blind.at));
    }
    let Some(known) = &app.known else { return Duration::ZERO };
    if known.at > now {
        // The clock was set back.
        return Duration::ZERO;
    }
    let several = app.setup().is_some_and(|setup| setup.settings.machines.len() > 1);
    let idle = if several { IDLE_AMONG_SEVERAL } else { IDLE };
    let otherwise = if app.window { WATCHED } else { idle };
    let began = app.elsewhere.as_ref().map(|other| other.since).or(app.passing);
    let pause = match began {
        Some(began) if now.since(began) < PASSING => CHANGING,
        Some(_) | None => otherwise,
    };
    pause.saturating_sub(now.since(known.at))
}

/// Whether the state passes by itself.
pub(super) fn passes(state: State, reachable: Option<bool>) -> bool {
    match state {
        State::Starting | State::Stopping | State::Ending => true,
        State::On => reachable == Some(false),
        State::Absent | State::Off | State::Unknown => false,
    }
}
