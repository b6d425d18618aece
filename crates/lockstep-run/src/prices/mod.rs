//! Price runs: sources collected, compared, planned, written, taken back.

pub mod channels;
pub mod collect;
pub mod compare;
mod expressions;
mod held;
pub mod local;
mod offers;
mod others;
mod outcomes;
pub mod plan;
mod put;
pub mod review;
mod undo;
pub mod unpriced;
mod verify;
mod write;
