//! Prices: the ten values of a model, how they read as money, and what is to become of them.

pub mod diff;
pub mod expr;
pub mod field;
pub mod map_text;
pub mod names;
pub mod number;
pub mod source;
pub mod table;
pub mod usd;
pub mod values;
