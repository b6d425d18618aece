//! A channel's model list: what it should become, and why.

pub mod fate;
pub mod judge;
pub mod limits;
pub mod list;
pub mod mapping;
pub mod memory;
mod outcome;
pub mod plan;
pub mod policy;
pub mod rule;
