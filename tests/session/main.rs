//! Sessions and connections over real websockets, with everything that may go wrong with them.

#![cfg(unix)]
#![expect(clippy::unwrap_used, reason = "what is not there fails the test, in its helpers too")]

mod faults;
mod lasting;
mod once;
mod rig;
