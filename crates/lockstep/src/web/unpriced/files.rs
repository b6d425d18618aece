//! The models without a price as files: those that the table shows, in its order.

use std::collections::BTreeMap;

use axum::extract::{RawQuery, State};
use axum::response::Response;
use lockstep_core::change::Verdict;
use lockstep_run::prices::outlook::Proposal;
use serde_json::{Value, json};

use super::{Row, SHAPE, ignored, matching, rows};
use crate::api::v1::export::file_of;
use crate::server::App;
use crate::view::json::reason;
use crate::view::prices::{self, Money};
use crate::web::file::Ending;
use crate::web::frame::{Frame, Here};
use crate::web::refusal::Refusal;
use crate::web::table::Asked;

/// The columns, as keys of the rows.
const COLUMNS: &[&str] = &[
    "model",
    "channels",
    "waits_on",
    "billed",
    "proposal.source",
    "proposal.values",
    "proposal.usd.input",
    "proposal.usd.output",
    "proposal.usd.cache_read",
    "proposal.usd.cache_write",
    "proposal.usd.per_call",
    "proposal.hold.reason",
    "proposal.hold.message",
    "ignored",
];

/// `GET /sites/{site}/unpriced.csv` and `.json`
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let site = f.site()?;
    let path = f.href(Here::Unpriced);
    let asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    let known = app.tables().known(&app, site).await?;
    let overtaken = known.is_overtaken();
    let table = known.table.filter(|_| !overtaken);
    let outlook = table.as_ref().and_then(|table| table.outlook.as_ref());
    let ignored = ignored(&app, &site.id).await?;
    let all = outlook.map(|outlook| rows(outlook, &ignored));
    let all = all.unwrap_or_default();
    let told = matching(&all, &asked).into_iter().map(told).collect();
    Ok(file_of("unpriced", ending.form(COLUMNS, "unpriced"), told))
}

fn told(row: &Row<'_>) -> Value {
    json!({
        "model": row.name,
        "channels": row.served.map(|known| &known.channels),
        "waits_on": row.coming.map(|known| &known.channels),
        "billed": row.served.map(|known| known.billed.code()),
        "proposal": row.proposal.map(proposed),
        "ignored": row.ignored,
    })
}

fn proposed(proposal: &Proposal) -> Value {
    let values: BTreeMap<&str, Value> = proposal
        .changes
        .iter()
        .filter_map(|change| {
            let new = change.new.as_ref()?;
            Some((change.field.code(), prices::value(change.field, new)))
        })
        .collect();
    let hold = match &proposal.verdict {
        Verdict::Hold(why) | Verdict::Skip(why) => Some(reason(why)),
        Verdict::Apply | Verdict::Same => None,
    };
    json!({
        "source": proposal.source,
        "values": values,
        "usd": Money::from(&proposal.usd),
        "hold": hold,
    })
}
