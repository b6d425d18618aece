//! A database that fails in the middle of a step: nothing of the step is there afterwards.

use lockstep_core::change::{RunState, State};
use lockstep_core::hash::Digest;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Values;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::prices::copies::SourceCopy;
use lockstep_store::steps::{Holds, Requests};
use lockstep_store::{Store, StoreError};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{AssertSqlSafe, Row as _, SqlitePool};

use crate::tester::{
    NOW, approved_prices, held_price, plan_of, planned_prices, price, price_outcome, price_run,
    reading_prices, site,
};

/// The database as somebody else sees it, who can break it.
struct Other(SqlitePool);

impl Other {
    async fn of(store: &Store) -> Self {
        // One connection: another one would not know yet which trigger is there to be dropped.
        let pool = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(SqliteConnectOptions::new().filename(store.path().expect("a file")));
        Self(pool.await.expect("opens"))
    }

    /// Every value of every row of every table.
    async fn all(&self) -> Vec<String> {
        let tables: Vec<String> =
            sqlx::query_scalar("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")
                .fetch_all(&self.0)
                .await
                .expect("tables");
        let mut all = Vec::new();
        for table in tables {
            let columns = sqlx::query("SELECT name FROM pragma_table_info($1)")
                .bind(&table)
                .fetch_all(&self.0)
                .await
                .expect("columns");
            let values: Vec<String> = columns
                .iter()
                .map(|column| format!("quote({})", column.get::<String, _>("name")))
                .collect();
            let sql = format!(
                "SELECT {} FROM {table} ORDER BY 1",
                values.join(" || ',' || ")
            );
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(sql))
                .fetch_all(&self.0)
                .await
                .expect("rows");
            all.extend(rows.into_iter().map(|row| format!("{table}: {row}")));
        }
        all
    }

    /// Breaks one kind of statement from now on.
    async fn break_on(&self, statement: &str) {
        for sql in [
            "DROP TRIGGER IF EXISTS broken".to_owned(),
            format!(
                "CREATE TRIGGER broken BEFORE {statement} BEGIN SELECT RAISE(ABORT, 'broken'); END"
            ),
        ] {
            sqlx::query(AssertSqlSafe(sql))
                .execute(&self.0)
                .await
                .expect("broken");
        }
    }

    async fn mend(&self) {
        sqlx::query("DROP TRIGGER broken")
            .execute(&self.0)
            .await
            .expect("mended");
    }
}

fn fails<T: std::fmt::Debug>(what: &str, done: Result<T, StoreError>) {
    let error = done.expect_err(what);
    assert!(matches!(error, StoreError::Database(_)), "{what}: {error}");
}

const ONE: Requests = Requests {
    reads: 1,
    writes: 1,
    throttled: 1,
};

fn values() -> Vec<(String, Values)> {
    let values = Values::default().with(Field::ModelRatio, "2");
    vec![("a".to_owned(), values.clone()), ("z".to_owned(), values)]
}

#[tokio::test]
async fn a_step_about_prices_is_whole_or_not_at_all() {
    let store = Store::open_temporary().await.expect("a store");
    let other = Other::of(&store).await;
    let site = site(&store).await;
    let rows = || -> Vec<PriceRow> {
        let long = "p * 2 + ".repeat(50);
        vec![
            held_price("h", &long),
            price("a", Field::ModelRatio, State::Ready),
        ]
    };
    let reading = reading_prices(&store, price_run(&site), 1, NOW).await;
    let planned = planned_prices(&store, price_run(&site), rows(), Holds::Renew, NOW).await;
    let writing = approved_prices(&store, &site, rows()).await;
    store
        .record_image(&writing.id, 1, "ModelRatio", "{}", None)
        .await
        .expect("an image");
    let before = other.all().await;
    // The events of a step come last in each.
    other.break_on("INSERT ON event").await;
    let changed = vec![held_price("new", "a value that nobody saw")];
    let plan = plan_of(Digest::of(["another"]), 7);
    fails(
        "reading",
        store.record_prices(&reading.id, 1, rows(), ONE).await,
    );
    fails(
        "planned",
        store
            .mark_prices_planned(&reading.id, 1, changed.clone(), plan, NOW)
            .await,
    );
    fails(
        "approved",
        store
            .approve_prices(&planned.id, None, "root", true, NOW)
            .await,
    );
    fails(
        "rebased",
        store
            .record_price_rebased(&writing.id, 1, changed, ONE)
            .await,
    );
    let outcomes = vec![price_outcome("a", Field::ModelRatio, State::Applied)];
    fails(
        "outcomes",
        store
            .record_price_outcomes(&writing.id, 1, outcomes.clone(), values(), ONE)
            .await,
    );
    fails(
        "ended",
        store
            .end_run(&writing.id, 1, RunState::Done, None, ONE, NOW)
            .await,
    );
    other.break_on("INSERT ON image").await;
    fails(
        "image",
        store
            .record_image(&writing.id, 1, "CacheRatio", "a new text", Some("another"))
            .await,
    );
    other.break_on("UPDATE ON image").await;
    fails(
        "image after",
        store
            .set_image_others(&writing.id, 1, "ModelRatio", 3)
            .await,
    );
    other.mend().await;
    assert_eq!(other.all().await, before);

    store
        .record_price_outcomes(&writing.id, 1, outcomes, values(), ONE)
        .await
        .expect("whole again");
    assert_ne!(
        other.all().await,
        before,
        "what is compared would have told"
    );
}

#[tokio::test]
async fn what_is_remembered_of_prices_is_whole_or_not_at_all() {
    let store = Store::open_temporary().await.expect("a store");
    let other = Other::of(&store).await;
    let site = site(&store).await;
    let said = |what: &str| -> Vec<(String, Digest)> {
        (0..450)
            .map(|at| (format!("model-{at:03}"), Digest::of([what])))
            .collect()
    };
    let copy = |body: &str| SourceCopy {
        body: body.to_owned(),
        etag: None,
        fetched_at: NOW,
        models: 1,
    };
    let answers = |kind: &AnswerKind| -> Vec<PriceAnswer> {
        let answer = |model: &str| PriceAnswer {
            model: model.to_owned(),
            field: None,
            kind: kind.clone(),
            by: "root".to_owned(),
            at: NOW,
        };
        vec![answer("a"), answer("z")]
    };
    let kept = AnswerKind::Keep(Digest::of(["kept"]));
    for name in ["one", "two"] {
        store
            .add_source(&site.id, name, "official")
            .await
            .expect("added");
    }
    store
        .note_seen(&site.id, "one", said("before"), NOW)
        .await
        .expect("noted");
    store
        .keep_copy(&site.id, "key", copy("before"))
        .await
        .expect("kept");
    store
        .set_price_answers(&site.id, answers(&kept))
        .await
        .expect("answered");
    let before = other.all().await;

    other
        .break_on("UPDATE ON price_seen WHEN NEW.model = 'model-449'")
        .await;
    fails(
        "seen",
        store
            .note_seen(&site.id, "one", said("after"), NOW + 1)
            .await,
    );
    other.break_on("DELETE ON source_body").await;
    fails(
        "a copy",
        store.keep_copy(&site.id, "key", copy("after")).await,
    );
    other
        .break_on("INSERT ON price_answer WHEN NEW.model = 'z'")
        .await;
    let another = AnswerKind::Keep(Digest::of(["another"]));
    fails(
        "answers",
        store.set_price_answers(&site.id, answers(&another)).await,
    );
    other.break_on("UPDATE ON source").await;
    fails("removed", store.remove_source(&site.id, "one").await);
    fails("moved", store.move_source(&site.id, "two", 0).await);
    other
        .break_on("INSERT ON price_accepted WHEN NEW.model = 'z'")
        .await;
    fails(
        "accepted",
        store.set_accepted(&site.id, values(), NOW).await,
    );
    other.mend().await;
    assert_eq!(other.all().await, before);
    store
        .note_seen(&site.id, "one", said("after"), NOW + 1)
        .await
        .expect("whole again");
    assert_ne!(
        other.all().await,
        before,
        "what is compared would have told"
    );
}
