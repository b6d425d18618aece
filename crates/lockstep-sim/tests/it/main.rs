//! The simulated gateway as its clients see it.

mod behaviour;
mod client;
mod faults;
mod flavours;
mod golden;
mod kills;
mod providers;
