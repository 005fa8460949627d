//! Plan, apply and destroy against moto, an AWS that nobody here wrote: over real sockets, with the SDK's own client, and
//! what came of it read back with plain SDK calls.
//!
//! moto has no `GetConnectionStatus`, so no goal here may need SSM. Where moto is other than AWS documents, the
//! assertion says so.

#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]

mod adopted;
mod destroyed;
mod everything;
mod half_made;
mod moto;
mod power;
mod race;
mod storage;
mod strangers;
mod table;

use holdfast_core::plan::{Goal, Leave};

const GONE: Goal = Goal::Gone(Leave { volume: false, snapshot: false });
