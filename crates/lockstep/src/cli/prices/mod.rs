//! Verbs about prices.

pub(crate) mod answers;
pub(crate) mod diff;
pub(crate) mod exit;
pub(crate) mod plan;
pub(crate) mod sources;
pub(crate) mod unpriced;
pub(crate) mod verify;
