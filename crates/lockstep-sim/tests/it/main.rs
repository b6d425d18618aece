//! The simulated gateway as its clients see it.

mod behaviour;
mod client;
mod demo;
mod faults;
mod flavours;
mod golden;
mod kills;
mod options;
mod prices;
mod providers;
