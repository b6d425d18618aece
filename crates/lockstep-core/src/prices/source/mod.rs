//! Price sources: how they are written on a command line, where they are fetched from, and what state they are in.

mod bad_source;
mod budget;
mod cidr;
mod place;
mod spec;
mod state;
mod target;

pub use bad_source::BadSource;
pub use budget::{CALLS, WINDOW_MS, free_at};
pub use cidr::{BadCidr, Cidr, parse_cidr};
pub use place::Place;
pub use spec::{Header, SourceSpec, SpecEdit};
pub use state::SourceState;
pub use target::{Addresses, Endpoint, LITELLM, Target, built_in_base_url, time_limit};
