//! Prices: the ten values of a model, how they read as money, and what is to become of them.

pub mod alike;
pub mod answers;
pub mod choose;
pub mod cost;
pub mod diff;
mod doubts;
pub mod expr;
pub mod field;
mod judge;
pub mod limits;
pub mod map_text;
pub mod mode;
pub mod names;
pub mod number;
mod opinions;
mod parts;
pub mod passes;
pub mod plan;
pub mod source;
pub mod suspicious;
pub mod table;
mod tiers;
pub mod unpriced;
pub mod usd;
pub mod values;
