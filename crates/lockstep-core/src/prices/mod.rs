//! Prices: the ten values of a model, how they read as money, and what is to become of them.

pub mod alike;
pub mod answers;
pub mod choose;
pub mod cost;
pub mod field;
mod judge;
pub mod limits;
pub mod mode;
pub mod passes;
pub mod plan;
pub mod suspicious;
pub mod unpriced;
pub mod usd;
pub mod values;
