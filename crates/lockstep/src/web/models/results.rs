//! Which channels a page of the table has: those that were read, and before a first full run the gateway's others.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_store::results::{ResultFilter, ResultHead, ResultOrder, ResultPage, ResultSearch};
use lockstep_store::sites::Site;
use lockstep_store::status::{ItemStatus, RunCounts};

use super::listing::{Found, Listed, Listings};
use crate::server::App;
use crate::web::frame::Frame;
use crate::web::refusal::Refusal;
use crate::web::table::Asked;
use crate::web::words::Lang;

/// Shorter texts are in nearly all words; in bytes, for two Chinese characters say something.
const SHORTEST: usize = 3;

/// A channel of the table.
#[derive(Clone, Debug)]
pub(super) enum Known {
    /// It was read.
    Result(ResultHead),
    /// It is on the gateway, and was not read yet.
    Listed(Listed),
}

/// A page of channels.
pub(super) struct Page {
    /// The channels by their ids, in the order of the page.
    pub(super) ids: Vec<(i64, Known)>,
    /// How many match.
    pub(super) total: u64,
    /// How many there are in all.
    pub(super) all: u64,
    pub(super) counts: RunCounts,
    /// The gateway's own list, where that is shown: before a first full run.
    pub(super) listing: Option<Found>,
}

/// The channels that the table shows.
pub(super) async fn page(
    app: &App,
    f: &Frame,
    site: &Site,
    listings: &Listings,
    asked: &Asked,
) -> Result<Page, Refusal> {
    let store = app.store();
    let since = store.last_full_run(&site.id).await?;
    let (from, none) = (since.as_deref().unwrap_or(""), ResultFilter::default());
    let counts = store.result_counts(&site.id, from, &none).await?;
    let mut listing = None;
    if since.is_none() {
        let found = listings.look(app, site);
        if let Found::Listed(channels) = &found
            && asked.chip == "all"
        {
            let (ids, total, all) = joined(app, site, channels, asked).await?;
            return Ok(Page {
                ids,
                total,
                all,
                counts,
                listing: Some(found),
            });
        }
        listing = Some(found);
    }
    let page = ResultPage {
        limit: Some(asked.size),
        ..wanted(asked, f.lang)
    };
    let heads = store.results(&site.id, from, &page).await?;
    let total = match (&page.filter.search, asked.chip) {
        (Some(_), _) => {
            store
                .result_counts(&site.id, from, &page.filter)
                .await?
                .total
        }
        (None, "success") => counts.success,
        (None, "failed") => counts.failed,
        (None, "changed") => counts.changed,
        (None, "held") => counts.held,
        (None, "skipped") => counts.skipped,
        (None, "planned") => counts.planned,
        (None, _) => counts.total,
    };
    let all = match &listing {
        Some(Found::Listed(channels)) => (channels.len() as u64).max(counts.total),
        _ => counts.total,
    };
    Ok(Page {
        ids: heads.into_iter().map(known).collect(),
        total,
        all,
        counts,
        listing,
    })
}

/// The ids of all channels that match.
pub(super) async fn all_that_match(
    app: &App,
    lang: Lang,
    site: &Site,
    listings: &Listings,
    asked: &Asked,
) -> Result<Vec<i64>, Refusal> {
    let all = all(app, lang, site, listings, asked).await?;
    Ok(all.into_iter().map(|(id, _)| id).collect())
}

/// All channels that match, in the order of the table.
pub(super) async fn all(
    app: &App,
    lang: Lang,
    site: &Site,
    listings: &Listings,
    asked: &Asked,
) -> Result<Vec<(i64, Known)>, Refusal> {
    let store = app.store();
    let since = store.last_full_run(&site.id).await?;
    if since.is_none()
        && asked.chip == "all"
        && let Found::Listed(channels) = listings.look(app, site)
    {
        return matching(app, site, &channels, asked).await;
    }
    let wanted = ResultPage {
        skip: 0,
        ..wanted(asked, lang)
    };
    let since = since.unwrap_or_default();
    let heads = store.results(&site.id, &since, &wanted).await?;
    Ok(heads.into_iter().map(known).collect())
}

/// A channel that was read.
fn known(head: ResultHead) -> (i64, Known) {
    (head.channel_id, Known::Result(head))
}

/// The results that are asked for, all of them.
fn wanted(asked: &Asked, lang: Lang) -> ResultPage {
    let statuses = match asked.chip {
        "success" => vec![ItemStatus::Success],
        "failed" => vec![ItemStatus::Failed],
        "held" => vec![ItemStatus::Held],
        "skipped" => vec![ItemStatus::Skipped],
        "planned" => vec![ItemStatus::Planned],
        _ => Vec::new(),
    };
    let search = (!asked.search.is_empty()).then(|| ResultSearch {
        codes: codes(lang, &asked.search),
        text: asked.search.clone(),
    });
    ResultPage {
        filter: ResultFilter {
            statuses,
            changed: asked.chip == "changed",
            search,
        },
        order: match asked.sort {
            "status" => ResultOrder::Status,
            "name" => ResultOrder::Name,
            "http" => ResultOrder::Http,
            "attempts" => ResultOrder::Attempts,
            "finished" => ResultOrder::Finished,
            _ => ResultOrder::Id,
        },
        backwards: asked.backwards,
        by_provider: asked.group.is_some(),
        skip: asked.skip(),
        limit: None,
    }
}

/// The failures and reasons whose words have the text in them: what people read is what they search for.
fn codes(lang: Lang, text: &str) -> Vec<&'static str> {
    let text = text.to_lowercase();
    if text.len() < SHORTEST {
        return Vec::new();
    }
    let says = |message: String| message.to_lowercase().contains(&text);
    let failures = FailureKind::ALL.iter().filter(|kind| {
        let failure = Failure::new(**kind, "");
        says(lang.failure(&failure).message)
    });
    let reasons = ReasonCode::ALL.iter().filter(|code| {
        let reason = Reason::plain(**code);
        says(lang.reason(&reason).message)
    });
    let failures = failures.map(|kind| kind.code());
    failures.chain(reasons.map(|code| code.code())).collect()
}

/// A page of the gateway's channels with what was read of some, how many match, and how many there are.
async fn joined(
    app: &App,
    site: &Site,
    channels: &[Listed],
    asked: &Asked,
) -> Result<(Vec<(i64, Known)>, u64, u64), Refusal> {
    let all = matching(app, site, channels, asked).await?;
    let total = all.len() as u64;
    let page = all.into_iter().skip(asked.skip());
    let page = page.take(asked.size as usize).collect();
    Ok((page, total, total.max(channels.len() as u64)))
}

/// The channels whose name or id has what is searched for, in the order that is asked for.
async fn matching(
    app: &App,
    site: &Site,
    channels: &[Listed],
    asked: &Asked,
) -> Result<Vec<(i64, Known)>, Refusal> {
    let none = ResultPage::default();
    let heads = app.store().results(&site.id, "", &none).await?;
    let mut read: BTreeMap<i64, ResultHead> = heads
        .into_iter()
        .map(|head| (head.channel_id, head))
        .collect();
    let text = asked.search.to_lowercase();
    let listed: BTreeSet<i64> = channels.iter().map(|channel| channel.id).collect();
    let mut all: Vec<(String, i64, Known)> = channels
        .iter()
        .filter(|channel| {
            channel.name.to_lowercase().contains(&text) || channel.id.to_string().contains(&text)
        })
        .map(|channel| {
            let known = match read.remove(&channel.id) {
                Some(head) => Known::Result(head),
                None => Known::Listed(channel.clone()),
            };
            (channel.name.to_lowercase(), channel.id, known)
        })
        .collect();
    if text.is_empty() {
        let others = read.into_iter().filter(|(id, _)| !listed.contains(id));
        all.extend(others.map(|(id, head)| (String::new(), id, Known::Result(head))));
    }
    match asked.sort {
        "name" => all.sort_by(|one, other| (&one.0, one.1).cmp(&(&other.0, other.1))),
        _ => all.sort_by_key(|(_, id, _)| *id),
    }
    if asked.backwards {
        all.reverse();
    }
    Ok(all.into_iter().map(|(_, id, known)| (id, known)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_read_can_be_searched_for() {
        assert!(codes(Lang::En, "Time").contains(&"timeout"));
        assert!(codes(Lang::ZhCn, "超时").contains(&"timeout"));
        assert!(codes(Lang::En, "e").is_empty());
        assert!(codes(Lang::En, "no such words").is_empty());
    }
}
