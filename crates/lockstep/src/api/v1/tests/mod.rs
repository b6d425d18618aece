//! The API as its callers see it, over a simulated gateway: every answer is held to the document.

mod aside;
mod both;
mod events;
mod files;
mod health;
mod keys;
mod routes;
mod runs;
mod sites;
mod sources;
mod tester;
