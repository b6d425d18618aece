//! Runs that begin by themselves.

mod switched;
mod ticks;
mod worked;
