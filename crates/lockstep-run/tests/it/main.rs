//! The engine's promises, as tests against the simulated gateway. Every test ends with the oracle, which compares the
//! gateway's own log with the journal.
#![forbid(unsafe_code)]

mod brakes;
mod broken;
mod cancelled;
#[path = "../../../lockstep-store/tests/cluster/mod.rs"]
mod cluster;
mod doors;
mod exclusive;
mod faults;
mod hand_edits;
mod held;
mod interrupted;
mod many;
mod moved;
mod oracle;
mod outside;
mod pace;
mod prices;
mod recorded;
mod replicas;
mod resumed;
mod retried;
mod schedule;
mod seen;
mod sick;
mod synced;
mod tester;
mod told;
mod undone;
mod written;
