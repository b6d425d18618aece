//! The client against a raw listener that answers whatever a test wants.

mod address;
mod bounds;
mod calls;
mod classify;
mod guarded;
mod listing;
mod options;
mod prices;
mod reading;
mod secrets;
mod server;
mod simulated;
mod sources;
mod throttling;
mod writing;
