//! The `lockstep` program as people and scripts run it: the real executable against the simulated gateway.
#![forbid(unsafe_code)]

mod applying;
mod canary;
mod config;
mod database;
mod documents;
mod door;
mod guarded;
mod history;
mod holding;
mod kills;
mod prices;
mod promises;
mod ratio_sync;
mod schema;
mod server;
mod signals;
mod sites;
mod syncing;
mod terminal;
mod tester;
mod world;
