//! The world that an operation looks at and changes: AWS, or a simulated one in tests.

use std::future::Future;

use holdfast_core::machine::{Desired, Observed};
use holdfast_core::plan::{Goal, Made, Step};

use crate::problem::Problem;

/// A world with one machine in it.
pub trait World {
    /// Looks at everything that matters for `goal`.
    ///
    /// # Errors
    /// What forbids looking at all. What merely cannot be seen is a fact that is unknown.
    fn observe(&self, desired: &Desired, goal: Goal) -> impl Future<Output = Result<Observed, Problem>>;

    /// Looks only at whether the instances that carry our tag are on: for whoever waits for that, again and again.
    ///
    /// # Errors
    /// As for [`Self::observe`].
    fn glance(&self, desired: &Desired) -> impl Future<Output = Result<Observed, Problem>>;

    /// Performs one step. To perform it twice does no harm: what is already so is [`Done`].
    ///
    /// # Errors
    /// See [`Failure`].
    fn perform(&self, desired: &Desired, step: &Step) -> impl Future<Output = Result<Done, Failure>>;

    /// Whether it may take credentials while it is used that were not there before: keys that stand in a file it has read once.
    fn takes_new_credentials(&self) -> bool {
        true
    }
}

/// A step that has its effect.
#[derive(Debug, Default)]
pub struct Done {
    /// The id of what it made.
    pub made: Option<Made>,
    /// What a look right after it saw of the things that may be there twice.
    pub saw: Option<Observed>,
}

/// A step that had no effect, or of which nobody knows.
#[derive(Debug)]
pub enum Failure {
    /// AWS does not know yet what was made a moment ago: the same step will do in a while.
    NotYet(Problem),
    /// The world is not as the plan thought: look again, and plan again.
    Changed(Problem),
    /// AWS has nothing free of what the step asks for: something else may do.
    Short(Problem),
    /// It will not do, however often.
    Refused(Problem),
}
