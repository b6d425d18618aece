//! What of a run can't be taken back, and why, as far as that is known without asking the gateway: what later runs wrote,
//! and what a person locked. What somebody edited in the console is found when an undo writes.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::{State, Subject};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_store::changes::ChangeRow;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::answers::AnswerKind;
use lockstep_store::runs::Run;
use lockstep_store::since::Since;
use lockstep_store::{Store, StoreError};

use crate::undo::{may_be_undone, was_listed};

/// What is known of what a run wrote.
#[derive(Debug, Default)]
pub struct Stays {
    lists: BTreeMap<i64, Since>,
    prices: BTreeMap<(String, Field), Since>,
    /// Models, or values of them, that a person locked.
    locks: BTreeSet<(String, Option<Field>)>,
}

impl Stays {
    /// What is known of what the run wrote.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn of(store: &Store, run: &Run) -> Result<Self, StoreError> {
        Ok(match run.subject {
            Subject::Models => Self {
                lists: store.lists_since(&run.id).await?,
                ..Self::default()
            },
            Subject::Prices => {
                let answers = store.price_answers(&run.site_id).await?.into_iter();
                let locks = answers.filter(|answer| answer.kind == AnswerKind::Lock);
                Self {
                    prices: store.prices_since(&run.id).await?,
                    locks: locks.map(|lock| (lock.model, lock.field)).collect(),
                    ..Self::default()
                }
            }
        })
    }

    /// Whether an undo of the run would find something to take back. `changed` is how many channels or models it wrote.
    ///
    /// # Errors
    ///
    /// When the database cannot be read.
    pub async fn leave_something(
        &self,
        store: &Store,
        run: &Run,
        changed: u64,
    ) -> Result<bool, StoreError> {
        // A run that wrote more than could stay needs no look at its rows: it may have very many.
        let known = self.lists.len() + self.prices.len() + self.locks.len();
        if changed > known as u64 {
            return Ok(true);
        }
        for state in [State::Applied, State::Unverified, State::Failed] {
            let some = match run.subject {
                Subject::Models => {
                    let rows = store.changes_in(&run.id, state).await?;
                    let mut rows = rows.iter().filter(|row| may_be_undone(row));
                    rows.any(|row| self.list(row).is_none())
                }
                Subject::Prices => {
                    let mut rows = store.price_rows_in(&run.id, state).await?;
                    rows.retain(price_may_be_undone);
                    let mut models = rows.chunk_by(|one, next| one.model == next.model);
                    models.any(|model| self.prices(model).contains(&None))
                }
            };
            if some {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Why a channel keeps the list that the run left it with; `None` where nothing speaks against its undo.
    pub fn list(&self, row: &ChangeRow) -> Option<Reason> {
        let since = self.lists.get(&row.channel_id).map(of_since);
        since.or_else(|| (!was_listed(&row.before)).then(|| Reason::plain(ReasonCode::EmptyBefore)))
    }

    /// The same of each value of a model that the run wrote. A price goes back as a whole: where one of its values stays,
    /// the others do too. A value that is back already hinders no other.
    pub fn prices(&self, model: &[PriceRow]) -> Vec<Option<Reason>> {
        let found: Vec<Option<Reason>> = model.iter().map(|row| self.price(row)).collect();
        let hinders = |reason: &&Reason| reason.code != ReasonCode::UndoneAlready;
        let whole = found.iter().flatten().find(hinders).cloned();
        let known = |reason: Option<Reason>| match &whole {
            Some(whole) => Some(reason.unwrap_or_else(|| whole.clone())),
            None => reason,
        };
        found.into_iter().map(known).collect()
    }

    fn price(&self, row: &PriceRow) -> Option<Reason> {
        if let Some(since) = self.prices.get(&(row.model.clone(), row.field)) {
            return Some(of_since(since));
        }
        let locked = |field| self.locks.contains(&(row.model.clone(), field));
        (locked(None) || locked(Some(row.field))).then(|| Reason::plain(ReasonCode::Locked))
    }
}

/// Whether an undo looks at the value: the gateway may have what was to be written.
pub fn price_may_be_undone(row: &PriceRow) -> bool {
    matches!(row.state, State::Applied | State::Unverified)
}

fn of_since(since: &Since) -> Reason {
    let code = match since.as_before {
        true => ReasonCode::UndoneAlready,
        false => ReasonCode::ChangedSince,
    };
    Reason::named(code, vec![since.run_id.clone()])
}

/// The run that took all of this back already; `None` where anything else is to be said of any of it.
pub(crate) fn taken_back<'r>(
    reasons: impl IntoIterator<Item = &'r Option<Reason>>,
) -> Option<String> {
    let mut by = None;
    for reason in reasons {
        match reason {
            Some(reason) if reason.code == ReasonCode::UndoneAlready => {
                by = reason.names.first().cloned();
            }
            _ => return None,
        }
    }
    by
}
