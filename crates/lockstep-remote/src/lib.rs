//! Everything that talks HTTP to a New API gateway: one bounded client, the pace, retries, and the gateway's
//! reader and writer.
//!
//! The writer is a type of its own. Whoever holds only a reader cannot change a gateway.

pub mod gateway;
pub mod http;
pub mod pace;
pub mod retry;
pub mod sources;
