//! The gateway's own prices, as they were just read.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::models::list::parse;
use lockstep_core::models::plan::PriceGate;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::map_text::MapText;
use lockstep_core::prices::unpriced::billed;
use lockstep_core::prices::values::Values;
use lockstep_remote::gateway::{GatewayKind, PriceOptions};
use lockstep_remote::retry::read_with_retries;
use lockstep_store::prices::OutputBy;

use crate::session::Session;

/// The text of a map that the gateway does not have yet.
const EMPTY: &str = "{}";

/// The ten maps, and what the gateway says beside them.
#[derive(Debug)]
pub struct LocalPrices {
    options: PriceOptions,
    maps: Vec<Option<MapText>>,
    /// When they were read, in Unix milliseconds.
    pub(crate) read_at: i64,
}

impl LocalPrices {
    pub(crate) fn of(options: PriceOptions, read_at: i64) -> Self {
        let maps = Field::ALL
            .iter()
            .map(|field| MapText::parse(options.text(*field).unwrap_or(EMPTY)).ok())
            .collect();
        Self {
            options,
            maps,
            read_at,
        }
    }

    /// The exact text of a map.
    pub(crate) fn text(&self, field: Field) -> &str {
        self.options.text(field).unwrap_or(EMPTY)
    }

    /// A map, if its text is one.
    pub(crate) fn map(&self, field: Field) -> Option<&MapText> {
        self.maps.get(field.index())?.as_ref()
    }

    /// What a model has in a map.
    pub(crate) fn value(&self, model: &str, field: Field) -> Option<String> {
        self.map(field)?
            .value_of(model, field)
            .map(std::borrow::Cow::into_owned)
    }

    /// What a model has in all of them.
    pub(crate) fn values(&self, model: &str) -> Values {
        Field::ALL
            .iter()
            .filter_map(|field| Some((*field, self.map(*field)?.value_of(model, *field)?)))
            .collect()
    }

    /// Every model that has a value.
    pub(crate) fn models(&self) -> BTreeSet<String> {
        self.maps
            .iter()
            .flatten()
            .flat_map(|map| map.entries().map(|(name, _)| name.into_owned()))
            .collect()
    }

    /// The completion ratio that the gateway bills a model by whatever is configured.
    pub fn locked(&self, model: &str) -> Option<f64> {
        let billed = self.options.completion_ratio(model)?;
        billed.locked.then_some(billed.ratio)
    }

    /// The completion ratio that the gateway says it bills a model by, whoever set it.
    pub(crate) fn billed_completion(&self, model: &str) -> Option<f64> {
        Some(self.options.completion_ratio(model)?.ratio)
    }

    /// Who decides what a model's output costs; unknown of one that is in no map. `None` where the gateway tells of no
    /// model.
    pub(crate) fn output_by(&self, model: &str) -> Option<OutputBy> {
        self.options.completion_ratios.as_ref()?;
        Some(match self.options.completion_ratio(model) {
            None => OutputBy::Unknown,
            Some(billed) if billed.locked => OutputBy::Gateway,
            Some(_) => OutputBy::Map,
        })
    }

    /// The entries by map that forbid its rewriting. A text that is no map at all has one without a name.
    pub(crate) fn unwritable(&self) -> BTreeMap<Field, Vec<String>> {
        let mut unwritable = BTreeMap::new();
        for field in Field::ALL {
            let entries = match self.map(*field) {
                Some(map) => map.unwritable_entries(*field),
                None => vec![String::new()],
            };
            if !entries.is_empty() {
                unwritable.insert(*field, entries);
            }
        }
        unwritable
    }

    /// Whether models without a price are served all the same.
    pub(crate) fn self_use(&self) -> bool {
        self.options.self_use_mode
    }

    /// Whether the gateway is known well enough to be written.
    pub(crate) fn may_be_written(&self) -> Result<(), Failure> {
        if self.options.kind == GatewayKind::NewApi {
            return Ok(());
        }
        Err(Failure::new(
            FailureKind::NotRecognised,
            "the gateway is not recognised as New API and is only read",
        ))
    }
}

impl PriceGate for LocalPrices {
    fn priced(&self, model: &str) -> bool {
        billed(model, &|name: &str| self.values(name), self.self_use()).priced()
    }
}

impl Session {
    /// Reads the gateway's prices, with retries.
    pub(crate) async fn local(&self, max_retries: u32) -> Result<LocalPrices, Failure> {
        let reader = self.reader();
        read_with_retries(max_retries, || reader.options())
            .await
            .result
            .map(|options| LocalPrices::of(options, self.now()))
    }

    /// The models that the gateway's enabled channels serve, each with their ids.
    pub(crate) async fn served(
        &self,
        max_retries: u32,
    ) -> Result<BTreeMap<String, Vec<i64>>, Failure> {
        let listing = self
            .reader()
            .with_page_retries(max_retries)
            .all_channels()
            .await?;
        self.listed(listing.kind);
        let mut served: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for channel in listing.pages.into_iter().flatten() {
            if channel.enabled() {
                for model in parse(&channel.models) {
                    served.entry(model).or_default().push(channel.id);
                }
            }
        }
        Ok(served)
    }
}
