//! The `lockstep` program as people and scripts run it: the real executable against the simulated gateway.
#![forbid(unsafe_code)]

mod api_v1;
mod applying;
mod canary;
mod config;
mod database;
mod documents;
mod door;
mod door_limits;
mod door_sessions;
mod door_tls;
mod guarded;
mod history;
mod holding;
mod kills;
mod notices;
mod pages;
mod prices;
mod promises;
mod ratio_sync;
mod schedules;
mod schema;
mod server;
mod signals;
mod sites;
mod syncing;
mod terminal;
mod tester;
mod world;
