//! What a terminal is connected through: one session after another, each over one line after another, sans IO.
//!
//! [`Connection`] decides when to resume, when to dial, when to give a session up and open another, how long to wait
//! between tries, and what the user is told meanwhile. It owns the present [`Session`](crate::session::Session) and is
//! driven like one; in addition its owner does what it asks of AWS, one thing at a time:
//!
//! ```text
//!   poll_action    → do it, then `done` with how it went; a new action replaces one that is still under way
//!   poll_transmit  → the socket        poll_event → the user        poll_timeout → when to call handle_timeout
//!   notice         → what to show while there is no line
//! ```
//!
//! - **Line lost**: a close of any code, an end, a reset, silence: all the same. The session is resumed without a limit on
//!   tries, with the new address and token; everything that the agent has not acknowledged goes out again.
//! - **Session over** (AWS does not know it any more, a limit, a reboot): the old one is terminated first, so that its end on
//!   the machine does not hold the screen at its old size; then a new one is opened, as soon as the machine can be reached.
//!   What was typed meanwhile is not replayed into it.
//! - **Program over**: its wrapper says so with a nonce, since an `exit` and a limit arrive as the same `channel_closed`.
//!
//! A connection that does not last (a single command, an upload) resumes its session like any other, but never opens a
//! second one.

mod keys;
mod life;
mod notice;
mod screen;
#[cfg(test)]
mod sim;
#[cfg(test)]
mod tests;

pub use keys::{ESCAPES, Keys, LEAVE, Typed};
pub use life::Connection;
pub use notice::{Next, Notice, Reason, hide, show};
pub use screen::{Kind, Mark};

use std::collections::BTreeMap;

use crate::session::{Failure, Stream};

/// What a connection needs to know before it starts.
#[derive(Clone)]
pub struct Config {
    /// The instance.
    pub target_id: String,
    /// A uuid, the same for the life of the process.
    pub client_id: [u8; 16],
    /// Mostly [`CLIENT_VERSION`](crate::session::CLIENT_VERSION).
    pub client_version: String,
    /// Random, and never used again: ids, nonces and the spread of waits derive from it.
    pub seed: [u8; 32],
    /// The document's agent speaks first: see [`crate::session::Config::expects_handshake`].
    pub expects_handshake: bool,
    /// Columns and rows of the terminal, if there is one.
    pub size: Option<(u16, u16)>,
    /// Whether another session may take the place of one that was ended from outside. Its programs must then be wrapped
    /// so that they say when they begin and end: [`Mark`].
    pub lasting: bool,
}

/// Something to be done, mostly a call of AWS. It is to be given up when another comes.
#[derive(Clone, PartialEq, Eq)]
pub enum Action {
    /// ssm:StartSession.
    Start {
        /// Counts the sessions of this connection from 0.
        turn: u32,
        /// For the marks of the wrapper.
        nonce: String,
    },
    /// ssm:ResumeSession.
    Resume {
        /// The session.
        session_id: String,
    },
    /// ssm:TerminateSession, before another takes its place.
    Terminate {
        /// The session.
        session_id: String,
    },
    /// Open the websocket, signed anew.
    Dial {
        /// Exactly what AWS gave.
        url: String,
    },
}

impl std::fmt::Debug for Action {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Start { turn, .. } => write!(out, "start({turn})"),
            Self::Resume { session_id } => write!(out, "resume({session_id})"),
            Self::Terminate { session_id } => write!(out, "terminate({session_id})"),
            Self::Dial { .. } => write!(out, "dial"),
        }
    }
}

/// A way to a session, as StartSession and ResumeSession give it.
#[derive(Clone, PartialEq, Eq)]
pub struct Way {
    /// The session.
    pub session_id: String,
    /// Where its websocket is.
    pub url: String,
    /// What opens it.
    pub token: String,
    /// To be typed first, where the session is a bare shell: what it would have run otherwise.
    pub typed: Option<Vec<u8>>,
}

impl std::fmt::Debug for Way {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Way").field("session_id", &self.session_id).finish_non_exhaustive()
    }
}

/// How an [`Action`] went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Start or Resume: this way.
    Way(Way),
    /// Resume: the session is over.
    Over,
    /// Dial: the websocket is open. Terminate: it is done, or there was nothing to end.
    Done,
    /// It did not work.
    Failed(Trouble),
}

/// Why something did not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Nobody answers, or somebody who is too busy; in a few words.
    Network(String),
    /// There are no valid credentials; in a few words.
    Credentials(String),
    /// The machine cannot be reached through SSM; in a few words.
    Machine(String),
    /// It is forbidden or impossible, and asking again will not help. The owner knows the reason.
    Refused,
}

/// Something for the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// For the screen, or for standard output and error.
    Output {
        /// Which of them.
        stream: Stream,
        /// At least one.
        bytes: Vec<u8>,
    },
    /// The agent has something to say to the user.
    Message(String),
    /// Call kms:GenerateDataKey: see [`crate::session::Event::KeyNeeded`].
    KeyNeeded {
        /// The account's key.
        key_id: String,
        /// The encryption context.
        context: BTreeMap<String, String>,
    },
    /// The socket is to be dropped.
    Hangup,
    /// Another session takes the screen: what the last one switched on in the terminal is to be switched off first.
    Reset,
    /// It is over. Nothing follows.
    Ended(End),
}

/// How a connection ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// The program ended by itself, with its exit status where that is known.
    Exited(Option<i32>),
    /// It was ended from outside, with the agent's words; and nothing may take its place.
    Closed(String),
    /// The session cannot go on.
    Failed(Failure),
    /// The last action failed for good.
    Refused,
}

impl std::fmt::Debug for Config {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Config").field("lasting", &self.lasting).finish_non_exhaustive()
    }
}
