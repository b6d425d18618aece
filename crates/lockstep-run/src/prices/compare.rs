//! Price lists beside the gateway's own: decoded, judged, compared.

use std::collections::BTreeMap;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::formats::{self, Decoded, NotAPriceList, Sellers, SkipReason, Skipped};
use lockstep_core::prices::diff::{Differences, SourceTable, diff};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::names::Names;
use lockstep_core::prices::source::{Place, SourceSpec, SourceState};
use lockstep_core::prices::table::Table;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::troubles::SourceTrouble;

use super::collect::{Collected, From, Given, Wanted, unlisted};
use super::local::LocalPrices;

/// The fields that `/api/ratio_config` never has: they come from `/api/pricing`.
const BEYOND_RATIO_CONFIG: [Field; 5] = [
    Field::ImageRatio,
    Field::AudioRatio,
    Field::AudioCompletionRatio,
    Field::BillingMode,
    Field::BillingExpr,
];

/// The gateway's prices and those of its sources, all of whose models are known by the same names.
#[derive(Debug)]
pub struct Compared<'a> {
    /// The names of all models.
    pub names: Names,
    /// What the gateway has.
    pub local: formats::Local<'a>,
    /// The sources, the preferred first.
    pub sources: Vec<Judged<'a>>,
}

/// What is worth remembering of lists: by each source's place, how many models a good one has, or what is wrong.
#[derive(Clone, Debug, Default)]
pub struct Outcomes {
    /// The lists that can be believed, with how many models each has.
    pub good: Vec<(usize, usize)>,
    /// What is wrong with the others.
    pub troubles: Vec<(usize, SourceTrouble)>,
}

/// One source, judged.
#[derive(Debug)]
pub struct Judged<'a> {
    /// What came of asking it.
    pub collected: &'a Collected,
    /// How far it can be trusted.
    pub state: SourceState,
    /// Its list, or the last good one.
    pub table: Option<Table<'a>>,
    /// Whether the list is the last good one, because none came.
    pub stale: bool,
    /// Where none came: how its source would stand without the last good one.
    pub failed: Option<SourceState>,
    /// When the list was fetched, in Unix milliseconds.
    pub fetched_at: Option<i64>,
    /// What of the list was left out.
    pub skipped: Skipped,
    /// The source's groups, and what each pays as a multiple of its prices.
    pub groups: BTreeMap<String, f64>,
    /// Who sells what it lists.
    pub sellers: Sellers,
    /// Why it has no list: a short technical text.
    pub error: Option<String>,
}

/// Decodes and judges.
pub fn compare<'a>(local: &'a LocalPrices, collected: &'a [Collected]) -> Compared<'a> {
    let mut names = Names::new();
    let maps: Vec<(Field, &str)> = Field::ALL
        .iter()
        .map(|field| (*field, local.text(*field)))
        .collect();
    let own = formats::local(&maps, &mut names);
    let sources = collected
        .iter()
        .map(|source| judge(source, &mut names))
        .collect();
    Compared {
        names,
        local: own,
        sources,
    }
}

impl Compared<'_> {
    /// The sources that answered with a list of today, as the comparison takes them.
    pub fn tables(&self) -> Vec<SourceTable<'_>> {
        self.sources
            .iter()
            .filter(|source| !source.stale)
            .filter_map(|source| {
                Some(SourceTable {
                    name: &source.collected.name,
                    table: source.table.as_ref()?,
                })
            })
            .collect()
    }

    /// The unique names of the sources, by their places.
    pub(super) fn source_names(&self) -> Vec<&str> {
        let sources = self.sources.iter();
        sources
            .map(|source| source.collected.name.as_str())
            .collect()
    }

    /// The lists of today that can be believed, worth keeping to stand in for those that will not come: each source's
    /// place and how many models it has.
    pub fn good(&self) -> Vec<(usize, usize)> {
        self.sources
            .iter()
            .enumerate()
            .filter(|(_, source)| {
                matches!(source.state, SourceState::Ok | SourceState::Partial) && !source.stale
            })
            .map(|(place, source)| (place, source.table.as_ref().map_or(0, Table::len)))
            .collect()
    }

    /// What is wrong with those that gave no list which can be believed: each source's place, and its trouble.
    pub fn troubles(&self) -> Vec<(usize, SourceTrouble)> {
        self.sources
            .iter()
            .enumerate()
            .filter(|(_, source)| !source.state.is_believed() || source.stale)
            .map(|(place, source)| {
                let state = source.failed.unwrap_or(source.state);
                let trouble = SourceTrouble {
                    state: state.code().to_owned(),
                    detail: source.error.clone().unwrap_or_default(),
                    at: source.collected.asked_at,
                };
                (place, trouble)
            })
            .collect()
    }

    /// What is worth remembering of the lists for whoever looks next.
    pub fn outcomes(&self) -> Outcomes {
        Outcomes {
            good: self.good(),
            troubles: self.troubles(),
        }
    }

    /// The differences, given [`Self::tables`].
    pub fn differences<'t>(&'t self, tables: &[SourceTable<'t>]) -> Differences<'t> {
        diff(&self.names, &self.local.table, tables)
    }
}

impl Judged<'_> {
    /// The group that its prices are to be taken at, where its list says nothing of such a one: then its prices cannot be
    /// reckoned, for no group is one at ratio 1.
    pub fn unknown_group(&self) -> Option<&str> {
        let group = self.collected.spec.as_ref()?.group.as_ref()?;
        let is_known = self.table.is_none() || self.groups.contains_key(group);
        (!is_known).then_some(group)
    }

    /// What a run remembers of it.
    pub fn told(&self) -> RunSource {
        let skipped = self.skipped.iter().map(|(reason, skips)| {
            (
                reason.code().to_owned(),
                skips.count as u64,
                skips.names.clone(),
            )
        });
        let group = self.unknown_group().map(|group| {
            let code = SkipReason::UnknownGroup.code().to_owned();
            (code, 1, vec![group.to_owned()])
        });
        RunSource {
            name: self.collected.name.clone(),
            url: self.collected.url.clone(),
            state: self.state.code().to_owned(),
            detail: self.error.clone().unwrap_or_default(),
            models: self.table.as_ref().map_or(0, Table::len) as u64,
            fetched_at: self.fetched_at,
            tried_at: self.failed.and(self.collected.tried_at),
            failed: self.failed.map(|state| state.code().to_owned()),
            skipped: skipped.chain(group).collect(),
        }
    }
}

/// How a list stands that somebody uploads, by itself.
pub fn judged(name: &str, given: &Given) -> RunSource {
    let spec = SourceSpec::new(Place::Upload(name.to_owned()));
    let wanted = Wanted {
        given: Some(given.clone()),
        ..Wanted::open(From::Spec(spec))
    };
    let collected = unlisted(&wanted, given.at);
    let told = collected.map(|one| judge(&one, &mut Names::new()).told());
    told.unwrap_or_default()
}

fn judge<'a>(collected: &'a Collected, names: &mut Names) -> Judged<'a> {
    let (state, error) = match (&collected.page, &collected.trouble) {
        (Err(_), Some(known)) => {
            let state = SourceState::from_code(&known.state).unwrap_or(SourceState::Failed);
            (state, known.detail.clone())
        }
        (Err(failure), None) => {
            let detail = match (failure.http_status, failure.detail.as_str()) {
                (Some(status), "") => format!("status code {status}"),
                (_, detail) => detail.to_owned(),
            };
            (SourceState::of_failure(failure), detail)
        }
        (Ok(page), _) => match read(page.body.as_str(), collected, names) {
            Ok(decoded) => return fresh(collected, decoded),
            Err(unread) => unread,
        },
    };
    let mut judged = Judged {
        collected,
        state,
        table: None,
        stale: false,
        failed: Some(state),
        fetched_at: None,
        skipped: Skipped::default(),
        groups: BTreeMap::new(),
        sellers: Sellers::default(),
        error: Some(error),
    };
    if let Some(copy) = &collected.copy
        && let Ok(decoded) = formats::decode(&copy.body, names)
    {
        judged.state = SourceState::Stale;
        judged.stale = true;
        judged.fetched_at = Some(copy.fetched_at);
        judged.table = Some(decoded.table);
        judged.sellers = decoded.sellers;
        judged.groups = decoded.groups;
    }
    judged
}

/// The list of a page; what a gateway's `/api/ratio_config` cannot say is taken from its `/api/pricing`.
///
/// Raw ratios say too little while that price list does not come or cannot be read: only it tells which models are billed
/// by an expression. A gateway that shows none, or not to us, is taken by its ratios.
///
/// # Errors
///
/// How the source stands then, and why.
fn read<'a>(
    body: &'a str,
    collected: &'a Collected,
    names: &mut Names,
) -> Result<Decoded<'a>, (SourceState, String)> {
    let unsure = |why: &str| (SourceState::Failed, format!("its /api/pricing: {why}"));
    let pricing = match &collected.pricing {
        Some(Ok(pricing)) => Some(pricing),
        Some(Err(failure)) if !is_hidden(failure) => return Err(unsure(&failure.detail)),
        Some(Err(_)) | None => None,
    };
    let first = formats::decode(body, names);
    let first = first.map_err(|refusal| (state_of(&refusal), refusal.to_string()));
    let Some(pricing) = pricing else {
        return first;
    };
    match (first, formats::decode(&pricing.body, names)) {
        (Ok(mut list), Ok(more)) => {
            for model in more.table.models() {
                for field in BEYOND_RATIO_CONFIG {
                    if list.table.get(model, field).is_none()
                        && let Some(value) = more.table.get(model, field)
                    {
                        list.table.set(model, field, value);
                    }
                }
            }
            list.groups = more.groups;
            list.skipped.merge(more.skipped);
            Ok(list)
        }
        (Ok(_), Err(refusal)) => Err(unsure(&refusal.to_string())),
        (Err(_), Ok(pricing)) => Ok(pricing),
        (Err(unread), Err(_)) => Err(unread),
    }
}

/// Whether a gateway has no price list, or shows it to others only.
fn is_hidden(failure: &Failure) -> bool {
    matches!(
        failure.kind,
        FailureKind::NotFound | FailureKind::Forbidden | FailureKind::Unauthorized
    ) || matches!(failure.http_status, Some(401 | 403 | 404))
}

fn fresh<'a>(collected: &'a Collected, decoded: Decoded<'a>) -> Judged<'a> {
    let last_good = collected
        .copy
        .as_ref()
        .and_then(|copy| usize::try_from(copy.models).ok());
    let lost = decoded.skipped.lost();
    let state = match SourceState::of_list(decoded.table.len(), lost, last_good) {
        // Prices on which its sellers do not agree are prices.
        SourceState::Empty if !decoded.sellers.is_empty() => SourceState::Ok,
        state => state,
    };
    Judged {
        collected,
        state,
        stale: false,
        failed: None,
        fetched_at: Some(collected.asked_at),
        table: Some(decoded.table),
        skipped: decoded.skipped,
        groups: decoded.groups,
        sellers: decoded.sellers,
        error: None,
    }
}

fn state_of(refusal: &NotAPriceList) -> SourceState {
    match refusal {
        NotAPriceList::Refused { .. } | NotAPriceList::NothingUsable { .. } => SourceState::Failed,
        _ => SourceState::NotAPriceList,
    }
}
