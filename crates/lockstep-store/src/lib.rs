//! What Lockstep remembers: sites, runs, changes, prices, holds and events.
//!
//! One database, written by several processes of one machine. Every write is one transaction that no caller can cut
//! in half, and the steps of a run update nothing once another holder has taken the run over. No clock is read here:
//! `now` is always an argument, in Unix milliseconds, and so is every other time.

mod blobs;
mod change_rows;
pub mod changes;
mod columns;
pub mod deeds;
mod error;
pub mod events;
pub mod holds;
mod key;
pub mod leases;
pub mod lock;
mod memory;
mod open;
mod overrides;
pub mod people;
pub mod prices;
pub mod runs;
mod seal;
pub mod sessions;
pub mod sites;
mod sqlite;
pub mod status;
pub mod steps;
mod store;
mod tally;
pub mod tokens;
mod wire;

pub use error::StoreError;
pub use key::KeySource;
pub use store::Store;
