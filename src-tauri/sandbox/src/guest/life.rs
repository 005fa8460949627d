//! Whether a machine is on and can be entered, as its sessions see it.

use tokio::sync::watch;

/// How far a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// It is off, or going off.
    Off,
    /// It is on and no agent answers: it boots, or the agent is being restarted.
    Unreachable,
    /// Sessions can start.
    Reachable,
}

/// What happened to a session that its machine did not end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Lost {
    /// The machine was switched off or rebooted.
    Machine,
    /// The agent's side of the session died, and nobody could say so to the client.
    Agent,
}

/// One machine's life from its first boot to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    state: State,
    /// Counts the boots.
    boot: u64,
    /// Counts how often the agent was killed with all its sessions.
    kill: u64,
    /// It has powered itself off, and nobody has taken note of that.
    went_off: bool,
}

impl Life {
    pub(super) fn watch() -> watch::Sender<Self> {
        watch::Sender::new(Self { state: State::Off, boot: 0, kill: 0, went_off: false })
    }

    pub(super) fn state(self) -> State {
        self.state
    }

    /// A boot has begun.
    pub(super) fn boot(&mut self) {
        *self = Self { state: State::Unreachable, boot: self.boot + 1, went_off: false, ..*self };
    }

    /// Says whether the agent answers; `false` if that is nothing new. A machine that is off stays off.
    pub(super) fn answers(&mut self, answers: bool) -> bool {
        let state = if answers { State::Reachable } else { State::Unreachable };
        let new = self.state != State::Off && self.state != state;
        if new {
            self.state = state;
        }
        new
    }

    pub(super) fn off(&mut self) {
        self.state = State::Off;
    }

    /// Its own system was shut down.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) fn powered_off(&mut self) {
        *self = Self { state: State::Off, went_off: true, ..*self };
    }

    /// Takes note of that; `false` if there is nothing new.
    pub(super) fn take_powered_off(&mut self) -> bool {
        std::mem::take(&mut self.went_off)
    }

    /// The agent was killed with its sessions.
    #[cfg_attr(not(target_os = "linux"), allow(dead_code))]
    pub(super) fn agent_killed(&mut self) {
        self.answers(false);
        self.kill += 1;
    }

    /// What a session that began `then` has lost.
    pub(super) fn lost_since(self, then: Self) -> Option<Lost> {
        if self.state == State::Off || self.boot != then.boot {
            Some(Lost::Machine)
        } else if self.kill != then.kill {
            Some(Lost::Agent)
        } else {
            None
        }
    }
}
