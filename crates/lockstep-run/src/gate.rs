//! The price gate of a run about model lists: the gateway's prices, read once, and only when a name would be added.

use lockstep_core::channel::Channel;
use lockstep_core::failure::FailureKind;
use lockstep_core::models::list::parse;
use lockstep_core::models::plan::PriceGate;
use lockstep_core::settings::Gate;
use tokio::sync::OnceCell;

use crate::prices::local::LocalPrices;
use crate::session::Session;

/// What the gateway's prices say of added names.
#[derive(Debug, Default)]
pub(crate) struct Priced {
    known: OnceCell<Known>,
}

#[derive(Debug)]
enum Known {
    /// The gateway's prices.
    Prices(Box<LocalPrices>),
    /// Nobody with this token can read them, or the gateway needs none: every name may come.
    Open,
    /// They could not be read just now: no name is known to have one.
    Closed,
}

impl PriceGate for Priced {
    fn priced(&self, model: &str) -> bool {
        match self.known.get() {
            Some(Known::Prices(prices)) => prices.priced(model),
            Some(Known::Open) | None => true,
            Some(Known::Closed) => false,
        }
    }
}

impl Priced {
    /// Reads the prices when the provider has a name that the channel has not. Until then nothing is asked.
    pub(crate) async fn look(
        &self,
        session: &Session,
        mode: Gate,
        retries: u32,
        channel: &Channel,
        upstream: &[String],
    ) {
        if mode != Gate::Hold || self.known.initialized() {
            return;
        }
        let has: std::collections::HashSet<String> = parse(&channel.models).into_iter().collect();
        if upstream.iter().all(|name| has.contains(name)) {
            return;
        }
        self.known
            .get_or_init(|| async {
                match session.local(retries).await {
                    Ok(prices) if prices.self_use() => Known::Open,
                    Ok(prices) => Known::Prices(Box::new(prices)),
                    Err(failure) => match failure.kind {
                        FailureKind::Forbidden
                        | FailureKind::Unauthorized
                        | FailureKind::NotFound => Known::Open,
                        _ => Known::Closed,
                    },
                }
            })
            .await;
    }
}
