//! `lockstep serve` killed, stopped and restarted while it works: several on one PostgreSQL, and one on a file.

mod alone;
mod fleet;
mod follow;
mod place;
mod rolling;
mod rounds;
