//! What Lockstep decides: model lists, verdicts, brakes, pace and retries.
//!
//! Everything here is a pure, total function over plain values. Time and chance are arguments;
//! there is no socket, no file, no clock and no randomness, and the crate's dependency list
//! leaves no way to reach one.

pub mod brake;
pub mod change;
pub mod channel;
pub mod failure;
pub mod formats;
pub mod hash;
pub mod hold;
pub mod models;
pub mod notices;
pub mod pace;
pub mod prices;
pub mod retry;
pub mod settings;
pub mod site;
