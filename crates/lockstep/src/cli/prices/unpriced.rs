//! `lockstep unpriced`: served models without a price, who serves them, and what the sources propose.

use anyhow::ensure;
use lockstep_core::change::{RunState, State};
use lockstep_core::prices::mode::Mode;
use lockstep_core::prices::unpriced::{Billed, Unpriced, lookup_key};
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_store::prices::PriceRow;
use serde_json::{Map, Value, json};

use super::super::args::{FailOn, UnpricedArgs};
use super::super::context::Context;
use super::super::exit::Exit;
use super::super::run::{carry_on, paced_session};
use super::plan::{approve, asked, planned};
use super::sources::{collecting, exit_of, show, state_as_json, typed_or_stored};
use super::verify;
use crate::view::prices::{self, Money};
use crate::view::proposed::proposed;
use crate::view::table;
use crate::words::en;

pub(crate) async fn unpriced(context: &Context, args: &UnpricedArgs) -> anyhow::Result<Exit> {
    ensure!(
        args.apply || args.consent.verify.is_none(),
        "--verify asks about what was written, and without --apply nothing is; add --apply or leave it out"
    );
    let (session, chosen) = paced_session(context, &args.target, &args.pace).await?;
    let mut settings = chosen.settings;
    if args.apply {
        carry_on(context, &session).await?;
    }
    let found = session.unpriced(settings.max_retries).await?;
    let sources = typed_or_stored(context, session.site(), &args.source).await?;
    let screen = &context.screen;
    if found.is_empty() || sources.is_empty() {
        if screen.json {
            let object = json!({"unpriced": found.iter().map(|one| as_json(one, &[])).collect::<Vec<_>>(), "run": null});
            screen.data(&object.to_string());
        } else if found.is_empty() {
            screen.says("Every served model has a price.");
        } else {
            list(context, &found, &[]);
            screen.hint("For proposals name a source, e.g. --source official, or remember one: `lockstep site source add official`.");
        }
        return Ok(if found.is_empty() {
            Exit::Done
        } else {
            Exit::Waits
        });
    }
    // What is unpriced is what is looked at, whatever the settings say of other models.
    settings.prices.scope.mode = Mode::Add;
    let collecting = collecting(
        context,
        &args.target,
        &sources,
        settings.prices.timeout,
        settings.max_retries,
    )?;
    let request = PriceRequest {
        unattended: args.consent.unattended,
        what: What::Models(found.iter().map(|one| one.model.clone()).collect()),
        trigger: "unpriced",
        ..PriceRequest::new(collecting, settings, false)
    };
    let reviewed = session.prices_reviewed_before().await?;
    let run = planned(context, &session, &request).await?;
    let rows = context.store().price_rows(&run.id).await?;
    if args.apply && run.state == RunState::Planned {
        let unit = args.unit.unit();
        // The first price run of a gateway stops for a review, whatever it is about.
        let first = !reviewed && args.consent.given();
        let run = if first {
            run
        } else {
            approve(context, &session, run, None, args.consent, unit, true).await?
        };
        let page = verify::asked(context, &session, &run, args.consent.verify).await?;
        let ended = asked(context, session.site(), &run, unit, FailOn::Any).await?;
        let ended = page.told_in(context, ended);
        if first {
            screen.hint(&en::first_prices(table::short(&run.id)));
        }
        if screen.json {
            screen.data(&ended.told.to_string());
        }
        return Ok(ended.exit);
    }
    let sources = context.store().run_sources(&run.id).await?;
    if screen.json {
        let items: Vec<Value> = found.iter().map(|one| as_json(one, &rows)).collect();
        let states: Vec<Value> = sources.iter().map(state_as_json).collect();
        let object = json!({"unpriced": items, "run": run.id, "sources": states});
        screen.data(&object.to_string());
    } else {
        if exit_of(&sources) != Exit::Done {
            show(screen, &sources);
        }
        list(context, &found, &rows);
        let ready = rows.iter().any(|row| row.state == State::Ready);
        if ready {
            screen.hint(&format!(
                "`lockstep apply {}` writes the proposals that nothing holds; `lockstep price ignore MODEL` takes a model off this list.",
                table::short(&run.id)
            ));
        }
    }
    Ok(Exit::Waits)
}

/// The rows of a model, which are of the name that bills it.
fn rows_of<'r>(model: &str, rows: &'r [PriceRow]) -> Vec<&'r PriceRow> {
    let key = lookup_key(model);
    rows.iter().filter(|row| row.model == key).collect()
}

fn as_json(one: &Unpriced, rows: &[PriceRow]) -> Value {
    let rows = rows_of(&one.model, rows);
    let first = rows.iter().find(|row| row.new.is_some());
    let proposal = first.map(|first| {
        let fields: Map<String, Value> = rows
            .iter()
            .filter_map(|row| {
                let new = row.new.as_ref()?;
                Some((row.field.code().to_owned(), prices::value(row.field, new)))
            })
            .collect();
        json!({
            "source": first.source,
            "status": first.status().code(),
            "values": fields,
            "usd": first.usd_new.as_ref().map(Money::from),
        })
    });
    let proposals: Vec<Value> = proposed(&rows)
        .iter()
        .map(|one| {
            json!({
                "source": one.source,
                "alike": one.alike,
                "values": prices::values(one.values),
                "usd": Money::from(&one.usd),
            })
        })
        .collect();
    json!({
        "model": one.model,
        "channels": one.channels,
        "billed": one.billed.code(),
        "proposal": proposal,
        "proposals": proposals,
    })
}

fn list(context: &Context, found: &[Unpriced], rows: &[PriceRow]) {
    let screen = &context.screen;
    let mut table = table::plain(screen, &["MODEL", "CHANNELS", "CALLS", "PROPOSAL"]);
    for one in found {
        let rows = rows_of(&one.model, rows);
        let first = rows.iter().find(|row| row.new.is_some());
        let mut lines = Vec::new();
        if let Some(first) = first {
            let source = first.source.as_deref().unwrap_or("");
            let usd = first.usd_new.unwrap_or_default();
            lines.push(format!(
                "{} ({source})",
                prices::short_sum(&usd, first.detail.kind_new)
            ));
        }
        for row in &rows {
            let reasons = row.hold.iter().chain(&row.skip);
            for said in reasons.map(|reason| en::reason(reason).message) {
                if !lines.contains(&said) {
                    lines.push(said);
                }
            }
        }
        // Whoever wants to know hears what the other sources say.
        for other in proposed(&rows) {
            let chosen = first.and_then(|first| first.source.as_deref());
            if screen.verbose && chosen != Some(other.source) {
                let sum = prices::sum(&other.usd, other.values);
                lines.push(format!("also {sum} ({})", other.source));
            }
        }
        let channels: Vec<String> = one.channels.iter().take(6).map(i64::to_string).collect();
        let more = match one.channels.len().saturating_sub(6) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        table.add_row(vec![
            one.model.clone(),
            format!("{}{more}", channels.join(", ")),
            en::billed(one.billed).to_owned(),
            lines.join("\n"),
        ]);
    }
    screen.data(&table::text(&table));
    let refused = found
        .iter()
        .filter(|one| one.billed != Billed::Placeholder)
        .count();
    screen.data(&format!(
        "\n{} without a price; calls of {refused} are refused",
        en::count(found.len() as u64, "served model", "served models"),
    ));
}
