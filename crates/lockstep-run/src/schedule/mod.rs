//! Runs that begin by themselves: when they do, who switches them on, and the worker that begins them.
//!
//! A tick is a moment of a schedule's rhythm. It is stored before it comes, taken by one of all processes that share the
//! database, and run a little later than it says, so that not everybody asks at the full hour.

mod carry;
mod keep;
mod lost;
pub mod spec;
pub mod tick;
pub mod worker;

pub use lost::Lost;
pub use spec::{BadSchedule, NotSwitched, Wish, next_due, switch_on};
pub use tick::{Ticks, due};
pub use worker::{Orders, Outcome, Worker};
