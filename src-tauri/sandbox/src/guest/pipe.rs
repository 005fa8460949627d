//! What goes between a session and the program it runs.

use std::time::Duration;

use holdfast_core::session::Stream;

/// From the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Output {
    /// Bytes of one stream, at most what fits into one message.
    Bytes(Stream, Vec<u8>),
    /// The program has ended and everything it wrote was told; with the exit code that the client is to be sent.
    End(Option<i32>),
}

/// To the program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Input {
    /// Typed bytes.
    Bytes(Vec<u8>),
    /// The terminal has a new size.
    Resize { cols: u16, rows: u16 },
}

/// What a running program has to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    Output(Output),
    /// It takes input again.
    TakesInput,
}

/// How fast output is read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Reading {
    /// A rest after each read.
    pub(crate) rest: Duration,
    /// A rest before the first read of a terminal.
    pub(crate) first: Duration,
}

/// Why a program did not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    /// For the client.
    pub(crate) text: String,
    /// The exit code that is sent with it, if one is.
    pub(crate) exit: Option<i32>,
}

impl Failure {
    /// Nothing could even be tried.
    pub(crate) fn before(cause: &str) -> Self {
        Self { text: format!("Unable to start command: {cause}\n"), exit: None }
    }
}
