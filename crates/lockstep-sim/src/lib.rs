//! A simulated New API gateway with its providers, for tests, the demo and benches.
//!
//! It shares no code with the crates it tests: what the gateway answers is written down here a second time,
//! from recordings of a real one, so that a mistake in the client cannot hide in its own test double.
//!
//! ```no_run
//! # async fn example() -> std::io::Result<()> {
//! use lockstep_sim::{Channel, Fault, Gateway, Matcher, Provider, Rule, Spec};
//!
//! let spec = Spec::new()
//!     .provider(Provider::new("acme", ["gpt-5", "gpt-5-mini"]))
//!     .channel(Channel::new(1, "Acme").at("acme").models("gpt-5"));
//! let gateway = Gateway::start(spec).await?;
//! gateway.fault(Rule::once(Matcher::put("/api/channel/"), Fault::ResetAfterApply));
//! println!("{} {}", gateway.url(), gateway.root_token());
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

mod bomb;
mod clock;
mod connection;
pub mod demo;
mod fault;
mod gateway;
mod kill;
pub mod limit;
mod log;
mod matcher;
pub mod price;
mod provider;
mod server;
pub mod spec;

pub use fault::{Edit, Fault, Rule};
pub use gateway::{
    Billing, Channel, ChannelInfo, EffectivePrice, Gateway, PRICE_KEYS, Rates, Refusal,
};
pub use kill::When;
pub use log::{Entry, OptionWrite, Write};
pub use matcher::Matcher;
pub use price::Price;
pub use provider::{
    Access, Asked, LITELLM_PATH, Manner, OFFICIAL_PATH, Page, Protocol, Provider, ProviderHandle,
};
pub use spec::{Flavour, Limit, Limits, Spec};
