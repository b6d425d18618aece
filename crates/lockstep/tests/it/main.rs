//! The `lockstep` program as people and scripts run it: the real executable against the simulated gateway.
#![forbid(unsafe_code)]

mod api_v1;
mod applying;
mod canary;
#[path = "../../../lockstep-store/tests/cluster/mod.rs"]
mod cluster;
mod config;
mod database;
mod deeds;
mod demo;
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
mod operations;
mod pages;
mod pages_history;
mod pages_models;
mod pages_prices;
mod prices;
mod promises;
mod ratio_sync;
mod replicas;
mod scheduled;
mod schedules;
mod schema;
mod server;
mod server_canary;
mod signals;
mod sites;
mod stopping;
mod syncing;
mod terminal;
mod tester;
mod world;
