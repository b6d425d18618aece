//! All channels as the latest runs saw them.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_store::known::{KnownFilter, KnownOrder, KnownPage};
use lockstep_store::listing::ChannelHead;
use serde_json::json;

use crate::api::v1::channels::Scope;
use crate::api::v1::channels::own::Own;
use crate::api::v1::export::file_of;
use crate::server::App;
use crate::web::file::Ending;
use crate::web::frame::{Frame, Here};
use crate::web::place;
use crate::web::refusal::{Refusal, html};
use crate::web::table::{Asked, Chip, Column, Shape, Table};

/// What the table of channels can be asked.
static SHAPE: Shape = Shape {
    chips: &["all", "own"],
    sorts: &["id", "name", "provider"],
    groups: &[],
    filters: &[],
    keeps: &[],
};

/// The columns of a file, as keys of its rows.
const COLUMNS: &[&str] = &[
    "channel_id",
    "channel_name",
    "provider.type",
    "provider.base_url",
    "policy",
    "own.policy",
    "own.keep",
    "own.allow",
    "own.include",
    "own.exclude",
    "own.always_allowed",
];

#[derive(Template)]
#[template(path = "channels.html")]
struct ChannelsPage {
    f: Frame,
    table: Table,
    rows: Vec<RowView>,
}

struct RowView {
    id: i64,
    name: String,
    href: String,
    provider: String,
    kind: i64,
    policy: &'static str,
    own: Vec<String>,
}

/// `GET /sites/{site}/channels`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let f = f.at(Here::Channels);
    let site = f.site()?.clone();
    let path = f.href(Here::Channels);
    let mut asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    if let Some(address) = asked.moved() {
        return Ok(Redirect::to(&address).into_response());
    }
    let (store, scope) = (app.store(), Scope::of(&app, &site).await?);
    let all = store.count_known(&site.id, &filter(&asked, "all")).await?;
    let own = match scope.channels.is_empty() {
        true => 0,
        false => store.count_known(&site.id, &filter(&asked, "own")).await?,
    };
    let wanted = filter(&asked, asked.chip);
    let total = if wanted.own { own } else { all };
    if let Some(address) = asked.settle(&[], total) {
        return Ok(Redirect::to(&address).into_response());
    }
    let page = KnownPage {
        skip: asked.skip(),
        limit: asked.size,
        ..whole(&asked)
    };
    let heads = store.known_channels(&site.id, &wanted, page).await?;
    let rows: Vec<RowView> = heads.iter().map(|head| view(&f, &scope, head)).collect();
    let t = f.t;
    let chips = vec![
        Chip::new("all", &t.common.all, all),
        Chip::new("own", &t.channels.col_own, own),
    ];
    let table = Table {
        t,
        label: t.channels.title.clone(),
        search: Some(t.channels.search.clone()),
        chips,
        filters: Vec::new(),
        groups: Vec::new(),
        columns: vec![
            Column::num(&t.models.col_id, Some("id")),
            Column::new(&t.channels.col_channel, Some("name")),
            Column::new(&t.channels.col_provider, Some("provider")),
            Column::new(&t.channels.col_policy, None),
            Column::new(&t.channels.col_own, None),
        ],
        chooses: false,
        here: rows.iter().map(|row| row.id.to_string()).collect(),
        total,
        exports: (total > 0).then(|| asked.files()),
        empty: (t.channels.empty.clone(), t.channels.empty_hint.clone()),
        also: "",
        asked,
    };
    Ok(html(&ChannelsPage { table, rows, f }))
}

/// `GET /sites/{site}/channels.csv` and `.json`
pub(super) async fn files(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
    ending: Ending,
) -> Result<Response, Refusal> {
    let (site, path) = (f.site()?, f.href(Here::Channels));
    let asked = Asked::of_query(&SHAPE, &path, &query.unwrap_or_default());
    let scope = Scope::of(&app, site).await?;
    let wanted = filter(&asked, asked.chip);
    let store = app.store();
    let heads = store.known_channels(&site.id, &wanted, whole(&asked));
    let rows = heads.await?.into_iter().map(|head| {
        json!({
            "channel_id": head.channel_id,
            "channel_name": head.channel_name,
            "provider": {"type": head.provider.kind, "base_url": head.provider.base_url},
            "policy": scope.policy_of(&head).code(),
            "own": Own::of(scope.channels.get(&head.channel_id)),
        })
    });
    Ok(file_of(
        "channels",
        ending.form(COLUMNS, "channels"),
        rows.collect(),
    ))
}

/// The channels that a chip means, among those that are searched for.
fn filter(asked: &Asked, chip: &str) -> KnownFilter {
    KnownFilter {
        own: chip == "own",
        search: asked.search.clone(),
    }
}

/// All of them, in the order that is asked for.
fn whole(asked: &Asked) -> KnownPage {
    KnownPage {
        order: match asked.sort {
            "name" => KnownOrder::Name,
            "provider" => KnownOrder::Provider,
            _ => KnownOrder::Id,
        },
        backwards: asked.backwards,
        ..KnownPage::first(u32::MAX)
    }
}

fn view(f: &Frame, scope: &Scope, head: &ChannelHead) -> RowView {
    let t = &f.t.channels;
    let own = scope
        .channels
        .get(&head.channel_id)
        .cloned()
        .unwrap_or_default();
    let mut said = Vec::new();
    let mut names = |label: &str, names: usize| {
        if names > 0 {
            said.push(format!("{label}: {names}"));
        }
    };
    names(&t.keep, own.keep.len());
    names(&t.allow, own.rules.allow.len());
    names(&t.include, own.rules.include.len());
    names(&t.exclude, own.rules.exclude.len());
    names(&t.allowed_reasons, own.allowed.len());
    RowView {
        id: head.channel_id,
        name: head.channel_name.clone(),
        href: format!(
            "{}{}",
            f.href(Here::Channels),
            place::path(&[&head.channel_id.to_string()])
        ),
        provider: head.provider.base_url.clone(),
        kind: head.provider.kind,
        policy: f.lang.policy(scope.policy_of(head)).label,
        own: said,
    }
}
