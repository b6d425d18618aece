//! Price runs: sources collected, compared, planned, written, taken back.

pub mod collect;
pub mod compare;
pub mod local;
pub mod review;
mod undo;
mod write;
