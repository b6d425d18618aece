//! Sites, runs and rows to test with.

use lockstep_core::change::{State, Subject};
use lockstep_core::channel::Provider;
use lockstep_core::hash::Digest;
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_core::site::GatewayUrl;
use lockstep_store::Store;
use lockstep_store::changes::ChangeRow;
use lockstep_store::prices::{PriceDetail, PriceRow};
use lockstep_store::runs::{NewRun, Run};
use lockstep_store::sites::{NewSite, Site};
use lockstep_store::steps::{Holds, Planned, PriceOutcome, Requests};

/// The time at which tests begin: a day in 2026.
pub(crate) const NOW: i64 = 1_790_000_000_000;

/// No requests.
pub(crate) const NONE: Requests = Requests {
    reads: 0,
    writes: 0,
    throttled: 0,
};

pub(crate) fn url(host: &str) -> GatewayUrl {
    GatewayUrl::parse(&format!("https://{host}")).expect("an address")
}

pub(crate) fn new_site(name: Option<&str>) -> NewSite {
    NewSite {
        name: name.map(str::to_owned),
        url: url("gateway.example"),
        user_id: "1".to_owned(),
        console_url: None,
        allow_private: Vec::new(),
        settings: [("policy".to_owned(), "mirror".to_owned())].into(),
        token: None,
    }
}

pub(crate) async fn site(store: &Store) -> Site {
    store
        .add_site(new_site(Some("main")), NOW)
        .await
        .expect("a site")
}

pub(crate) fn new_run(site: &Site) -> NewRun {
    NewRun {
        parent: None,
        site_id: site.id.clone(),
        subject: Subject::Models,
        trigger: "command".to_owned(),
        actor: "root".to_owned(),
        go_on: true,
        unattended: false,
        selection: None,
        settings: vec![("policy".to_owned(), "mirror".to_owned())],
        policy_override: None,
        policy_hash: Digest::of(["policy"]),
        told: false,
    }
}

/// A run that reads under the fence.
pub(crate) async fn reading(store: &Store, site: &Site, fence: i64, now: i64) -> Run {
    let run = store.create_run(new_run(site), now).await.expect("a run");
    store
        .start_reading(&run.id, fence, now)
        .await
        .expect("reading");
    store.run(&run.id).await.expect("the run")
}

/// A run that was planned with these rows.
pub(crate) async fn planned(store: &Store, site: &Site, rows: Vec<ChangeRow>, now: i64) -> Run {
    let run = reading(store, site, 1, now).await;
    let total = rows.len() as u64;
    let rows = rows.into_iter().map(|row| of(&run, row)).collect();
    store
        .record_read(&run.id, 1, rows, Vec::new(), NONE)
        .await
        .expect("recorded");
    let hash = Digest::of(["plan"]);
    store
        .mark_planned(&run.id, 1, Vec::new(), plan_of(hash, total), now + 1)
        .await
        .expect("planned");
    store.run(&run.id).await.expect("the run")
}

/// The row as one of the run.
pub(crate) fn of(run: &Run, row: ChangeRow) -> ChangeRow {
    ChangeRow {
        run_id: run.id.clone(),
        ..row
    }
}

/// A row of a channel in a state.
pub(crate) fn row(channel_id: i64, state: State) -> ChangeRow {
    ChangeRow {
        run_id: String::new(),
        channel_id,
        channel_name: format!("channel {channel_id}"),
        provider: Provider {
            kind: 1,
            base_url: "https://provider.example".to_owned(),
        },
        page: 0,
        base: Digest::of(["base"]),
        before: "a,b".to_owned(),
        after: (state == State::Ready).then(|| "a,b,c".to_owned()),
        upstream: Some(vec!["a".to_owned(), "b".to_owned(), "c".to_owned()]),
        state,
        hold: None,
        skip: None,
        failure: None,
        held_add: Vec::new(),
        held_remove: Vec::new(),
        kept: Vec::new(),
        dropped: Vec::new(),
        notes: Vec::new(),
        attempts: 1,
        http_status: Some(200),
        read_at: NOW,
        finished_at: None,
    }
}

/// The row with the removal of these names held.
pub(crate) fn held(row: ChangeRow, names: &[&str]) -> ChangeRow {
    ChangeRow {
        hold: Some(Reason::counted(
            ReasonCode::TooManyRemoved,
            names.len(),
            9,
            3,
        )),
        held_remove: names.iter().map(|name| (*name).to_owned()).collect(),
        ..row
    }
}

/// A plan that looked at its channels afresh.
pub(crate) fn plan_of(hash: Digest, total: u64) -> Planned {
    Planned {
        hash,
        total,
        holds: Holds::Renew,
    }
}

pub(crate) fn price_run(site: &Site) -> NewRun {
    NewRun {
        subject: Subject::Prices,
        ..new_run(site)
    }
}

/// A price run that reads under the fence.
pub(crate) async fn reading_prices(store: &Store, new: NewRun, fence: i64, now: i64) -> Run {
    let run = store.create_run(new, now).await.expect("a run");
    store
        .start_reading(&run.id, fence, now)
        .await
        .expect("reading");
    store.run(&run.id).await.expect("the run")
}

/// A price run that was planned with these rows under fence 1.
pub(crate) async fn planned_prices(
    store: &Store,
    new: NewRun,
    rows: Vec<PriceRow>,
    holds: Holds,
    now: i64,
) -> Run {
    let run = reading_prices(store, new, 1, now).await;
    let total = rows.len() as u64;
    store
        .record_prices(&run.id, 1, rows, NONE)
        .await
        .expect("recorded");
    let plan = Planned {
        holds,
        ..plan_of(Digest::of(["plan"]), total)
    };
    store
        .mark_prices_planned(&run.id, 1, Vec::new(), plan, now + 1)
        .await
        .expect("planned");
    store.run(&run.id).await.expect("the run")
}

/// A price run that was planned with these rows and approved whole.
pub(crate) async fn approved_prices(store: &Store, site: &Site, rows: Vec<PriceRow>) -> Run {
    let run = planned_prices(store, price_run(site), rows, Holds::Renew, NOW).await;
    store
        .approve_prices(&run.id, None, "root", true, NOW + 2)
        .await
        .expect("approved");
    store.run(&run.id).await.expect("the run")
}

/// The row as one of the run.
pub(crate) fn priced(run: &Run, row: PriceRow) -> PriceRow {
    PriceRow {
        run_id: run.id.clone(),
        ..row
    }
}

/// A row of a model's value in a state.
pub(crate) fn price(model: &str, field: Field, state: State) -> PriceRow {
    PriceRow {
        run_id: String::new(),
        model: model.to_owned(),
        field,
        old: Some("1.50".to_owned()),
        new: Some("2".to_owned()),
        source: Some("official".to_owned()),
        state,
        hold: None,
        skip: None,
        failure: None,
        usd_old: None,
        usd_new: None,
        detail: PriceDetail::default(),
        read_at: NOW,
        finished_at: None,
    }
}

/// A row of a model's ratio that is held, with what it would become.
pub(crate) fn held_price(model: &str, new: &str) -> PriceRow {
    PriceRow {
        new: Some(new.to_owned()),
        hold: Some(Reason::plain(ReasonCode::Tenfold)),
        ..price(model, Field::ModelRatio, State::Held)
    }
}

/// What came of a model's value.
pub(crate) fn price_outcome(model: &str, field: Field, state: State) -> PriceOutcome {
    PriceOutcome {
        model: model.to_owned(),
        field,
        state,
        new: None,
        failure: None,
        finished_at: NOW + 9,
    }
}
