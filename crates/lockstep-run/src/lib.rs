//! The engine: reads, plans, has approved, writes, reads back, takes back. Everything is a run.
//!
//! It joins what is decided (`lockstep-core`), what talks HTTP (`lockstep-remote`) and what remembers
//! (`lockstep-store`), and knows neither command line nor pages.

mod ahead;
pub mod answer;
mod asking;
pub mod broken;
pub mod channels;
pub mod clock;
pub mod doctor;
pub mod effective;
pub mod engine;
pub mod error;
mod fenced;
mod gate;
mod heed;
pub mod identity;
mod input;
pub mod jobs;
mod journal;
mod known;
pub mod outside;
mod plan;
pub mod prices;
pub mod progress;
mod read;
mod reading;
mod recover;
mod request;
mod resume;
pub mod review;
mod row;
pub mod schedule;
mod session;
pub mod stays;
mod step;
mod undo;
mod watch;
mod write;
mod write_row;

pub use engine::{Engine, SiteAccess};
pub use error::EngineError;
pub use known::Ahead;
pub use plan::PLAN_AGE;
pub use request::{Request, Source};
pub use session::Session;
pub use undo::{may_be_undone, was_listed};
pub use watch::Watch;
