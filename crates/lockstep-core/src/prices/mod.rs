//! Prices: the ten values of a model, how they read as money, and what is to become of them.

pub mod field;
pub mod source;
pub mod usd;
pub mod values;
