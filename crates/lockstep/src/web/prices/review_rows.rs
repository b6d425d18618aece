//! One model of a price run as its review shows it: what bills differently, from whom, and what stands in the way.

use lockstep_core::prices::limits::PriceLimits;
use lockstep_core::prices::suspicious::jump;
use lockstep_core::prices::usd::Usd;
use lockstep_core::settings::Settings;
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::standing::Standing;
use lockstep_store::runs::Run;

use super::cells::{model_id, money};
use crate::view::prices::cents;
use crate::web::frame::Frame;
use crate::web::words::{Words, fill};
use crate::words::Said;

/// A model.
pub(in crate::web) struct Item {
    pub(in crate::web) model: String,
    pub(in crate::web) id: String,
    pub(in crate::web) stands: Standing,
    pub(in crate::web) state: &'static str,
    /// How it is billed and would be, where that changes.
    pub(in crate::web) kinds: Option<(String, String)>,
    /// What it costs: the label, before and after.
    pub(in crate::web) sums: Vec<Pair>,
    /// The gateway's own values.
    pub(in crate::web) values: Vec<Pair>,
    pub(in crate::web) source: String,
    /// How the price came about, where it is not the source's own.
    pub(in crate::web) formula: Option<String>,
    /// What sources say that were not chosen.
    pub(in crate::web) others: Vec<String>,
    /// Why it waits, is left out or failed.
    pub(in crate::web) why: Vec<Said>,
    /// What else is worth knowing.
    pub(in crate::web) notes: Vec<&'static str>,
    /// Whether somebody's yes lets it pass.
    pub(in crate::web) can_be_allowed: bool,
}

/// Something before and after.
pub(in crate::web) struct Pair {
    pub(in crate::web) label: String,
    pub(in crate::web) old: String,
    pub(in crate::web) new: String,
    pub(in crate::web) changes: bool,
    /// By how many percent it rises or falls; `None` of what is no sum, or was or becomes nothing.
    pub(in crate::web) moved: Option<String>,
    /// What a schedule would find odd about that, in a word or two.
    pub(in crate::web) odd: Option<&'static str>,
}

/// The limits that a run about prices goes by.
pub(in crate::web) fn limits(run: &Run) -> PriceLimits {
    let mut settings = Settings::default();
    for (key, value) in &run.settings {
        // What this version does not know any more has its default.
        let _unknown = settings.set(key, value);
    }
    settings.prices.limits
}

/// What a model that stands so is called: the same word on every page.
pub(in crate::web) fn standing(t: &'static Words, standing: Standing) -> &'static str {
    let t = &t.prices;
    match standing {
        Standing::Failed => &t.chip_failed,
        Standing::Moved => &t.chip_moved,
        Standing::Held => &t.chip_held,
        Standing::Ready => &t.chip_ready,
        Standing::Written => &t.chip_written,
        Standing::Left => &t.chip_left,
    }
}

impl Item {
    /// A model of its rows; none where there is no row. `limits` say which moves are pointed out.
    pub(in crate::web) fn of(rows: &[PriceRow], f: &Frame, limits: &PriceLimits) -> Option<Self> {
        let first = rows.first()?;
        let stands = Standing::of(rows);
        let lang = f.lang;
        let detail = &first.detail;
        let kind = |kind: Option<lockstep_core::prices::values::Kind>| {
            kind.map_or_else(
                || f.t.prices.no_price.clone(),
                |kind| lang.kind(kind).to_owned(),
            )
        };
        let kinds = (detail.kind_old != detail.kind_new && detail.kind_old.is_some())
            .then(|| (kind(detail.kind_old), kind(detail.kind_new)));
        let mut why: Vec<Said> = Vec::new();
        for row in rows {
            let reasons = row.hold.iter().chain(&row.skip);
            let failure = row
                .failure
                .as_ref()
                .map(|failure| lang.price_failure(failure));
            for said in reasons.map(|reason| lang.reason(reason)).chain(failure) {
                if !why.contains(&said) {
                    why.push(said);
                }
            }
        }
        let mut notes: Vec<&'static str> = Vec::new();
        for row in rows {
            let note = row.detail.output.and_then(|by| lang.output_by(by));
            notes.extend(note.filter(|note| !notes.contains(note)));
        }
        let changed = rows.iter().filter(|row| row.old != row.new);
        let not_set = || f.t.prices.not_set.clone();
        let values = changed.clone().map(|row| Pair {
            label: lang.field(row.field).to_owned(),
            old: row.old.clone().unwrap_or_else(not_set),
            new: row.new.clone().unwrap_or_else(|| f.t.prices.goes.clone()),
            changes: true,
            moved: None,
            odd: None,
        });
        let mut others: Vec<String> = Vec::new();
        for row in rows {
            for (source, value) in &row.detail.others {
                others.push(format!("{source}: {} {value}", lang.field(row.field)));
            }
        }
        let mut sources: Vec<&str> = changed.filter_map(|row| row.source.as_deref()).collect();
        sources.dedup();
        Some(Self {
            id: model_id(&first.model),
            model: first.model.clone(),
            stands,
            state: standing(f.t, stands),
            kinds,
            sums: sums(first.usd_old.as_ref(), first.usd_new.as_ref(), limits, f),
            values: values.collect(),
            source: sources.join(", "),
            formula: formula(&detail.formula, f),
            others,
            can_be_allowed: stands == Standing::Held
                && rows
                    .iter()
                    .filter_map(|row| row.hold.as_ref())
                    .all(|hold| !hold.code.never_passes())
                && rows.iter().any(|row| row.new.is_some()),
            why,
            notes,
        })
    }

    pub(in crate::web) fn badge(&self) -> &'static str {
        match self.stands {
            Standing::Failed | Standing::Moved => "bad",
            Standing::Held => "wait",
            Standing::Written => "good",
            Standing::Ready | Standing::Left => "none",
        }
    }
}

/// What it costs before and after, sum by sum; those that neither has are left out.
fn sums(old: Option<&Usd>, new: Option<&Usd>, limits: &PriceLimits, f: &Frame) -> Vec<Pair> {
    let t = &f.t.prices;
    let nothing = Usd::default();
    let (old, new) = (old.unwrap_or(&nothing), new.unwrap_or(&nothing));
    [
        (&t.input, old.input, new.input),
        (&t.output, old.output, new.output),
        (&t.cache, old.cache_read, new.cache_read),
        (&t.cache_write, old.cache_write, new.cache_write),
        (&t.per_call, old.per_call, new.per_call),
    ]
    .into_iter()
    .filter(|(_, old, new)| old.is_some() || new.is_some())
    .map(|(label, old, new)| {
        let said = |sum: Option<f64>| sum.map_or_else(|| "\u{2014}".to_owned(), money);
        Pair {
            label: label.clone(),
            old: said(old),
            new: said(new),
            changes: old.map(cents) != new.map(cents),
            moved: old.zip(new).and_then(|(old, new)| percent(old, new)),
            odd: old.zip(new).and_then(|(old, new)| odd(old, new, limits, f)),
        }
    })
    .collect()
}

/// By how many percent a sum moves, with its sign; `None` where that is less than one, or one of them is nothing.
fn percent(old: f64, new: f64) -> Option<String> {
    if old <= 0.0 || new <= 0.0 {
        return None;
    }
    let moved = ((new - old) / old * 100.0).round();
    match moved {
        0.0 => None,
        // What still costs something has not fallen by all of it.
        fall if fall < 0.0 => Some(format!("\u{2212}{} %", (-fall).min(99.0))),
        rise => Some(format!("+{rise} %")),
    }
}

/// What a schedule would find odd about a sum that moves so, which a person sees here and lets pass by his yes.
fn odd(old: f64, new: f64, limits: &PriceLimits, f: &Frame) -> Option<&'static str> {
    if old <= 0.0 || new <= 0.0 {
        return None;
    }
    let reason = jump(old, new, limits)?;
    Some(f.lang.doubt(reason.code))
}

/// The formula of a price where some factor of it is not 1.
fn formula(factors: &[(String, f64)], f: &Frame) -> Option<String> {
    let of = |wanted: &str| {
        let found = factors.iter().find(|(name, _)| name == wanted);
        found.map(|(_, factor)| *factor)
    };
    let price = of("price")?;
    let (recharge, group, markup) = (of("recharge")?, of("group")?, of("markup")?);
    let plain = [recharge, group, markup]
        .iter()
        .all(|factor| cents(*factor) == 1.0);
    (!plain).then(|| {
        fill(
            &f.t.prices.formula,
            &[
                ("price", &cents(price)),
                ("recharge", &cents(recharge)),
                ("group", &cents(group)),
                ("markup", &cents(markup)),
                ("result", &cents(of("result").unwrap_or(f64::NAN))),
            ],
        )
    })
}
