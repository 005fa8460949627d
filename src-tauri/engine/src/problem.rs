//! Problems: errors as the user sees them. The only place where errors become text for people.
//!
//! AWS errors are told apart by their codes, never by their messages; the message is shown as AWS's own words.

use std::fmt;

use holdfast_core::machine::{Desired, Why};
use holdfast_core::plan::{Blocked, Goal};
use holdfast_core::settings::SettingsError;
use serde::Serialize;

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Exit {
    /// Something is wrong.
    Problem = 1,
    /// The command line is wrong.
    Usage = 2,
    /// Consent is missing, or the plan is blocked: nothing was changed.
    Refused = 3,
}

/// An error as the user sees it.
#[derive(Clone, Debug, Serialize)]
pub struct Problem {
    /// A stable name, for scripts and for searching.
    pub code: &'static str,
    /// What does not work, as a sentence without its full stop.
    pub what: String,
    /// Why, in AWS's or the system's own words where there are any.
    pub cause: Option<String>,
    /// What the user can do, the most useful first.
    pub hints: Vec<String>,
    /// How the process ends.
    pub exit: Exit,
}

impl std::error::Error for Problem {}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.what)?;
        if let Some(cause) = &self.cause {
            write!(f, ": {cause}")?;
        }
        Ok(())
    }
}

/// A call to AWS that failed.
#[derive(Clone, Debug)]
pub struct CallError {
    /// The service, as in `ec2`.
    pub service: &'static str,
    /// The operation, as in `CreateVpc`.
    pub operation: &'static str,
    /// How it failed.
    pub kind: CallErrorKind,
    /// AWS's request id, for the log.
    pub request_id: Option<String>,
}

/// How a call failed.
#[derive(Clone, Debug)]
pub enum CallErrorKind {
    /// AWS answered with an error.
    Service {
        /// Its code, e.g. `VpcLimitExceeded`.
        code: String,
        /// Its own words.
        message: String,
    },
    /// There are no credentials, or they cannot be had.
    Credentials(String),
    /// No answer in time.
    Timeout,
    /// The endpoint cannot be reached.
    Unreachable(String),
    /// The answer makes no sense.
    Garbled(String),
}

impl CallError {
    /// AWS's error code; empty when AWS did not answer.
    pub fn code(&self) -> &str {
        if let CallErrorKind::Service { code, .. } = &self.kind { code } else { "" }
    }
}

impl Problem {
    /// A problem with nothing but a sentence.
    pub fn new(code: &'static str, what: impl Into<String>) -> Self {
        Self { code, what: what.into(), cause: None, hints: Vec::new(), exit: Exit::Problem }
    }

    /// With its cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<String>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// With one more thing to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// With another way for the process to end.
    #[must_use]
    pub fn exit(mut self, exit: Exit) -> Self {
        self.exit = exit;
        self
    }
}
