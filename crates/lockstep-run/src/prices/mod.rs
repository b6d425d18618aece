//! Price runs: sources collected, compared, planned, written, taken back.

pub mod accept;
mod again;
mod calls;
pub mod channels;
pub mod chosen;
pub mod collect;
pub mod compare;
mod distinct;
mod held;
mod judging;
mod kept;
pub mod local;
mod offers;
mod others;
mod outcomes;
pub mod outlook;
mod output;
pub mod plan;
mod put;
mod reading;
pub mod review;
mod rows;
mod undo;
pub mod unpriced;
pub mod verify;
mod write;
