//! All channels as the latest runs saw them.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_store::known::{KnownFilter, KnownOrder, KnownPage};
use lockstep_store::listing::ChannelHead;

use crate::api::v1::channels::Scope;
use crate::server::App;
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
    let filter = |chip: &str| KnownFilter {
        own: chip == "own",
        search: asked.search.clone(),
    };
    let all = store.count_known(&site.id, &filter("all")).await?;
    let own = match scope.channels.is_empty() {
        true => 0,
        false => store.count_known(&site.id, &filter("own")).await?,
    };
    let wanted = filter(asked.chip);
    let total = if wanted.own { own } else { all };
    if let Some(address) = asked.settle(&[], total) {
        return Ok(Redirect::to(&address).into_response());
    }
    let page = KnownPage {
        order: match asked.sort {
            "name" => KnownOrder::Name,
            "provider" => KnownOrder::Provider,
            _ => KnownOrder::Id,
        },
        backwards: asked.backwards,
        skip: asked.skip(),
        limit: asked.size,
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
        exports: None,
        empty: (t.channels.empty.clone(), t.channels.empty_hint.clone()),
        also: "",
        asked,
    };
    Ok(html(&ChannelsPage { table, rows, f }))
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
