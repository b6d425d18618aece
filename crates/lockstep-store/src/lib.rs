//! What Lockstep remembers: sites, runs, changes, prices, holds and events.
//!
//! One database: a SQLite file, written by several processes of one machine, or PostgreSQL, by several machines. Every write is one transaction that no caller can cut
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
pub mod idempotency;
pub mod keeping;
mod key;
pub mod known;
pub mod leases;
pub mod listing;
mod location;
pub mod lock;
mod memory;
pub mod notices;
mod open;
mod overrides;
pub mod people;
mod postgres;
pub mod prices;
pub mod results;
pub mod runs;
pub mod schedule;
mod seal;
pub mod sessions;
pub mod since;
pub mod sites;
mod sql;
mod sqlite;
pub mod status;
pub mod steps;
mod store;
mod tally;
pub mod tokens;
mod wire;

pub use error::StoreError;
pub use key::KeySource;
pub use location::{Location, Server};
pub use store::Store;
