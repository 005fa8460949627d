//! The app in every state, as text; its notifications and its looks under virtual time; and everything at random.

mod doctor;
mod fixture;
mod machines;
mod notices;
mod portal;
mod previews;
mod properties;
mod replacement;
mod sessions;
mod set_up;
mod sign_in;
mod snapshots;
mod states;
mod system;
mod terminals;
mod watch;
