//! The app in every state, as text; its notifications and its looks under virtual time; and everything at random.

mod fixture;
mod notices;
mod previews;
mod properties;
mod sessions;
mod states;
mod system;
mod watch;
