//! How models stand in a price run, a page at a time, and which of them have no price.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::change::State;
use lockstep_core::models::fate::Dropped;
use lockstep_core::prices::field::Field;

use super::PriceRow;
use crate::blobs::ROWS_PER_STATEMENT;
use crate::columns::Columns;
use crate::listing::like;
use crate::sql::QueryBuilder;
use crate::wire::Detail;
use crate::{Store, StoreError, sql};

/// How a model stands in a run, the oddest first. One field of it says so for all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Something went wrong with it, or nobody knows what became of it.
    Failed,
    /// Somebody else changed it meanwhile.
    Moved,
    /// It waits for an answer.
    Held,
    /// It may be written, or is about to be.
    Ready,
    /// It was written.
    Written,
    /// It is left as it is.
    Left,
}

/// Which models of a run are meant, and which page of them.
#[derive(Clone, Debug, Default)]
pub struct StandingPage {
    /// Only those that stand so.
    pub only: Option<Standing>,
    /// Part of the name. Case is ignored; empty for all.
    pub search: String,
    /// Whether the oddest come first, and of those that stand alike the ones that would be billed in another way; else
    /// they are in the order of their names.
    pub odd_first: bool,
    /// Whether the order is turned round.
    pub backwards: bool,
    /// How many come before the page.
    pub skip: usize,
    /// The most of the page.
    pub limit: u32,
}

impl Standing {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Failed,
        Self::Moved,
        Self::Held,
        Self::Ready,
        Self::Written,
        Self::Left,
    ];

    /// What makes a model stand so, in the order in which it is looked for: fields in one of these states, or with a hold.
    const RULES: [(Self, &[State], bool); 5] = [
        (Self::Moved, &[State::Moved], false),
        (
            Self::Failed,
            &[State::Failed, State::Unverified, State::Unread],
            false,
        ),
        (Self::Held, &[], true),
        (Self::Ready, &[State::Ready, State::Approved], false),
        (Self::Written, &[State::Applied], false),
    ];

    /// How the model of these rows stands.
    pub fn of(rows: &[PriceRow]) -> Self {
        let so = |(_, states, held): &&(Self, &[State], bool)| {
            let mut rows = rows.iter();
            rows.any(|row| states.contains(&row.state) || *held && row.hold.is_some())
        };
        let found = Self::RULES.iter().find(so);
        found.map_or(Self::Left, |(standing, ..)| *standing)
    }

    /// The stable code, as in addresses.
    pub fn code(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Moved => "moved",
            Self::Held => "held",
            Self::Ready => "ready",
            Self::Written => "written",
            Self::Left => "left",
        }
    }

    /// The one of a code.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.code() == code)
    }
}

impl Store {
    /// The names of a page of the run's models.
    pub async fn standing_page(
        &self,
        run_id: &str,
        page: &StandingPage,
    ) -> Result<Vec<String>, StoreError> {
        let mut query = models(run_id, &page.search, page.odd_first);
        query.push("SELECT model FROM m WHERE 1 = 1");
        push_only(&mut query, page.only);
        let turned = if page.backwards { " DESC" } else { "" };
        let not_turned = if page.backwards { "" } else { " DESC" };
        query.push(" ORDER BY ");
        if page.odd_first {
            push_place(&mut query);
            query
                .push(turned)
                .push(", turns")
                .push(not_turned)
                .push(", ");
        }
        query.push("model").push(turned);
        query.push(" LIMIT ").push_bind(i64::from(page.limit));
        let skip = i64::try_from(page.skip).unwrap_or(i64::MAX);
        query.push(" OFFSET ").push_bind(skip);
        let rows = query.build().persistent(false);
        let rows = rows.fetch_all(self.readers()).await?;
        rows.iter()
            .map(|row| Columns::new(row, "price_change", "model").text("model"))
            .collect()
    }

    /// How many of the run's models stand how, of those with the text in their names.
    pub async fn standing_counts(
        &self,
        run_id: &str,
        search: &str,
    ) -> Result<BTreeMap<Standing, u64>, StoreError> {
        let mut query = models(run_id, search, false);
        query.push("SELECT weight, COUNT(*) AS models FROM m GROUP BY weight");
        let query = query.build().persistent(false);
        let mut counts = BTreeMap::new();
        for row in &query.fetch_all(self.readers()).await? {
            let columns = Columns::new(row, "price_change", "weight");
            let weight = columns.number("weight")?;
            let standing = Standing::ALL
                .into_iter()
                .find(|one| self::weight(*one) == weight);
            let standing = standing.ok_or_else(|| columns.bad("weight"))?;
            counts.insert(standing, columns.count("models")?);
        }
        Ok(counts)
    }

    /// The names that the run about models did not add because they have no price.
    pub async fn names_without_price(&self, run_id: &str) -> Result<BTreeSet<String>, StoreError> {
        Ok(self.not_added_of(run_id).await?.into_keys().collect())
    }

    /// The names that the last run over all channels did not add because they have no price, each with the channels that
    /// it would have been added to.
    pub async fn waits_for_price(
        &self,
        site_id: &str,
    ) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
        match self.last_full_run(site_id).await? {
            Some(run) => self.not_added_of(&run).await,
            None => Ok(BTreeMap::new()),
        }
    }

    async fn not_added_of(&self, run_id: &str) -> Result<BTreeMap<String, Vec<i64>>, StoreError> {
        let marked = format!("%,\"{}\"]%", Dropped::Unpriced.code());
        // A detail is with the texts where it is long; only then is there something to look up.
        let rows = sql::query(
            "SELECT c.channel_id, c.detail AS detail_text FROM change c
             WHERE c.run_id = $1 AND c.detail LIKE '{%' AND c.detail LIKE $2
             UNION ALL
             SELECT c.channel_id, d.text AS detail_text FROM change c JOIN blob d ON d.hash = c.detail
             WHERE c.run_id = $1 AND c.detail NOT LIKE '{%' AND d.text LIKE $2",
        )
        .bind(run_id)
        .bind(marked)
        .fetch_all(self.readers())
        .await?;
        let mut names: BTreeMap<String, Vec<i64>> = BTreeMap::new();
        for row in &rows {
            let columns = Columns::new(row, "change", "channel_id");
            let channel = columns.number("channel_id")?;
            let detail = columns.read("detail_text", Detail::from_text)?;
            let waits = detail.dropped.into_iter();
            for (name, _) in waits.filter(|(_, why)| *why == Dropped::Unpriced) {
                names.entry(name).or_default().push(channel);
            }
        }
        Ok(names)
    }

    /// The models that had no price when the run looked, and got none: unless somebody said that they need none.
    pub async fn models_without_price(&self, run_id: &str) -> Result<Vec<String>, StoreError> {
        // What costs something has a price. Only of the others the details are looked at, which are long.
        Ok(sql::query_scalar(
            "SELECT p.model FROM price_change p LEFT JOIN blob d ON d.hash = p.detail
             WHERE p.run_id = $1 AND p.model IN (
                 SELECT c.model FROM price_change c WHERE c.run_id = $1 GROUP BY c.model
                 HAVING MAX(CASE WHEN c.state IN ('applied', 'same') OR COALESCE(c.skip, '') LIKE '%:\"ignored\"%'
                            THEN 1 ELSE 0 END) = 0
                    AND MIN(COALESCE(c.usd_old, '{}')) = '{}')
             GROUP BY p.model
             HAVING MAX(CASE WHEN COALESCE(d.text, p.detail) LIKE '%\"kind_old\":%' THEN 1 ELSE 0 END) = 0
             ORDER BY p.model",
        )
        .bind(run_id)
        .fetch_all(self.readers())
        .await?)
    }

    /// Those of these models of which the run wrote something.
    pub async fn written_of(
        &self,
        run_id: &str,
        models: &BTreeSet<String>,
    ) -> Result<BTreeSet<String>, StoreError> {
        let models: Vec<&String> = models.iter().collect();
        let mut written = BTreeSet::new();
        for some in models.chunks(ROWS_PER_STATEMENT) {
            let mut query =
                QueryBuilder::new("SELECT DISTINCT p.model FROM price_change p WHERE p.run_id = ");
            query.push_bind(run_id).push(" AND p.state = ");
            query.push_bind(State::Applied.code());
            query.push(" AND p.model IN (");
            let mut names = query.separated(", ");
            for name in some {
                names.push_bind((*name).clone());
            }
            query.push(")");
            let query = query.build().persistent(false);
            for row in &query.fetch_all(self.readers()).await? {
                written.insert(Columns::new(row, "price_change", "model").text("model")?);
            }
        }
        Ok(written)
    }
}

/// The models of a run as the table `m`: by what each stands and, where that is asked for, whether it would be billed in
/// another way. What bills a model now goes then, or an expression comes before it.
fn models(run_id: &str, search: &str, turns: bool) -> QueryBuilder {
    let mut query = QueryBuilder::new("WITH m AS (SELECT p.model, CAST(MAX(CASE");
    for (standing, states, held) in &Standing::RULES {
        query.push(" WHEN ");
        if *held {
            query.push("p.hold IS NOT NULL");
        } else {
            query.push("p.state IN (");
            let mut codes = query.separated(", ");
            for state in *states {
                codes.push_bind(state.code());
            }
            query.push(")");
        }
        query.push(" THEN ").push(&weight(*standing).to_string());
    }
    query
        .push(" ELSE ")
        .push(&weight(Standing::Left).to_string())
        .push(" END) AS BIGINT) AS weight");
    if turns {
        push_turns(&mut query);
    }
    query.push(" FROM price_change p WHERE p.run_id = ");
    query.push_bind(run_id);
    if !search.is_empty() {
        query.push(" AND LOWER(p.model) LIKE ");
        query.push_bind(like(search)).push(" ESCAPE '\\'");
    }
    query.push(" GROUP BY p.model) ");
    query
}

fn push_turns(query: &mut QueryBuilder) {
    query.push(", MAX(CASE");
    let bills = [Field::ModelRatio, Field::ModelPrice, Field::BillingMode];
    query.push(" WHEN p.field IN (");
    let mut fields = query.separated(", ");
    for field in bills {
        fields.push_bind(field.code());
    }
    query.push(
        ") AND (p.old_value IS NOT NULL OR p.old_hash IS NOT NULL) AND p.new_value IS NULL AND p.new_hash IS NULL THEN 1 \
         WHEN p.field = ",
    );
    query.push_bind(Field::BillingMode.code());
    query.push(
        " AND p.old_value IS NULL AND p.new_value IS NOT NULL AND COALESCE(p.usd_old, '{}') <> '{}' THEN 1 \
         ELSE 0 END) AS turns",
    );
}

/// What the field that says how its model stands outweighs: all that is looked for after it.
fn weight(standing: Standing) -> i64 {
    let place = Standing::RULES
        .iter()
        .position(|(one, ..)| *one == standing);
    let place = place.unwrap_or(Standing::RULES.len());
    (Standing::RULES.len() - place) as i64
}

fn push_only(query: &mut QueryBuilder, only: Option<Standing>) {
    if let Some(standing) = only {
        query.push(" AND weight = ").push_bind(weight(standing));
    }
}

/// The place of how a model stands in the order of [`Standing`].
fn push_place(query: &mut QueryBuilder) {
    query.push("CASE weight");
    for (place, standing) in (0..).zip(Standing::ALL) {
        let place: i32 = place;
        query.push(" WHEN ").push(&weight(standing).to_string());
        query.push(" THEN ").push(&place.to_string());
    }
    query.push(" END");
}
