//! What every database must do. Each function takes a fresh store.

pub(crate) mod changes;
pub(crate) mod dropped;
pub(crate) mod events;
pub(crate) mod holds;
pub(crate) mod idempotency;
pub(crate) mod known;
pub(crate) mod leases;
pub(crate) mod listing;
pub(crate) mod notices;
pub(crate) mod overrides;
pub(crate) mod people;
pub(crate) mod price_holds;
pub(crate) mod price_memory;
pub(crate) mod price_steps;
pub(crate) mod prices;
pub(crate) mod results;
pub(crate) mod runs;
pub(crate) mod schedule;
pub(crate) mod sites;
pub(crate) mod source_access;
pub(crate) mod sources;
pub(crate) mod standing;
pub(crate) mod steps;
pub(crate) mod texts;
