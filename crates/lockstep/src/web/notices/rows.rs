//! What there is: the places, what is wrong now of each kind, and what was sent.

use lockstep_core::change::Subject;
use lockstep_core::notices::NoticeKind;
use lockstep_store::notices::{NoticeSent, NoticeTarget, OpenNotice};
use lockstep_store::sites::Site;

use super::form::{self, Filled, Inputs};
use crate::notify::{Vendor, Why};
use crate::places::{self, Bad};
use crate::server::App;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here, key};
use crate::web::place;
use crate::web::refusal::Refusal;
use crate::web::settings;
use crate::web::when::Moment;
use crate::web::words::{NoticeWords, Words, fill};
use crate::words::Said;

/// How many findings of a kind stand before the fold.
const FIRST: usize = 5;

/// A place that notices go to.
pub(super) struct Place {
    pub(super) name: String,
    /// Its word in the page.
    pub(super) id: String,
    pub(super) kind: String,
    /// The host of its address.
    pub(super) host: String,
    pub(super) enabled: bool,
    /// What can be typed anew of its address; `None` of a kind that is not known.
    pub(super) inputs: Option<Inputs>,
    pub(super) checks: Vec<Check>,
    /// What was sent there last.
    pub(super) last: Option<Delivered>,
    /// Whether it was to be told something, and nothing was chosen.
    pub(super) untold: bool,
    /// Whether something was tried of it and not taken.
    pub(super) tried: bool,
    /// Whether its secret was to be forgotten.
    pub(super) no_secret: bool,
}

/// A change of a place that was not taken.
pub(super) struct Tried<'t> {
    /// The place's name.
    pub(super) place: &'t str,
    pub(super) typed: &'t Fields,
    pub(super) bad: &'t [Bad],
    /// Whether it was to be told something, and nothing was chosen.
    pub(super) untold: bool,
}

/// A kind of notice, to be chosen.
pub(super) struct Check {
    pub(super) code: &'static str,
    pub(super) label: &'static str,
    pub(super) ticked: bool,
}

/// A notice or a test, and what became of it.
pub(super) struct Delivered {
    pub(super) to: String,
    pub(super) about: String,
    /// The run that it tells of.
    pub(super) run: Option<String>,
    pub(super) when: Moment,
    pub(super) badge: &'static str,
    pub(super) state: String,
    /// Why it did not arrive, and what to do.
    pub(super) said: Option<Said>,
}

/// What is wrong now of one kind.
pub(super) struct Open {
    pub(super) badge: &'static str,
    pub(super) kind: &'static str,
    pub(super) subject: &'static str,
    /// The site, where there are several.
    pub(super) site: Option<String>,
    pub(super) since: Moment,
    /// When it was told, in words.
    pub(super) told: String,
    pub(super) lines: Vec<String>,
    pub(super) more: Vec<String>,
    /// Where something can be done about it.
    pub(super) href: String,
}

impl Place {
    /// Whether it is told everything, that of later versions included.
    pub(super) fn all(&self) -> bool {
        self.checks.iter().all(|check| check.ticked)
    }

    /// What it is told.
    pub(super) fn told(&self) -> impl Iterator<Item = &'static str> {
        let ticked = self.checks.iter().filter(|check| check.ticked);
        ticked.map(|check| check.label)
    }
}

/// The kinds of notices, ticked where they are chosen.
pub(super) fn checks(t: &'static Words, ticked: impl Fn(NoticeKind) -> bool) -> Vec<Check> {
    let check = |kind: &NoticeKind| Check {
        code: kind.code(),
        label: label(*kind, &t.notices),
        ticked: ticked(*kind),
    };
    NoticeKind::ALL.iter().map(check).collect()
}

/// What stands at a place, by its code.
pub(super) fn kind(code: &str, t: &'static NoticeWords) -> String {
    let Some(vendor) = Vendor::from_code(code) else {
        return code.to_owned();
    };
    name_of(vendor, t).to_owned()
}

/// What a vendor is called.
pub(super) fn name_of(vendor: Vendor, t: &'static NoticeWords) -> &'static str {
    match vendor {
        Vendor::Webhook => &t.kind_webhook,
        Vendor::Telegram => &t.kind_telegram,
        Vendor::Ntfy => &t.kind_ntfy,
        Vendor::Feishu => &t.kind_feishu,
        Vendor::DingTalk => &t.kind_dingtalk,
        Vendor::WeCom => &t.kind_wecom,
        Vendor::Email => &t.kind_email,
    }
}

fn label(kind: NoticeKind, t: &'static NoticeWords) -> &'static str {
    match kind {
        NoticeKind::Failed => &t.failed,
        NoticeKind::Held => &t.held,
        NoticeKind::Changed => &t.changed,
        NoticeKind::SourceTrouble => &t.source_trouble,
        NoticeKind::PriceMoved => &t.price_moved,
        NoticeKind::Unpriced => &t.unpriced,
        NoticeKind::BelowCost => &t.below_cost,
        NoticeKind::Missed => &t.missed,
    }
}

/// Every place, with what was sent there last.
pub(super) async fn places(
    app: &App,
    f: &Frame,
    tried: Option<&Tried<'_>>,
) -> Result<Vec<Place>, Refusal> {
    let store = app.store();
    let sites = store.sites().await?;
    let last = store.last_notices_sent().await?;
    let mut found = Vec::new();
    for (index, target) in store.notice_targets().await?.into_iter().enumerate() {
        let stored = places::stored(app, &target).await?;
        let last = last.iter().find(|one| one.target_id == target.id);
        let NoticeTarget {
            name,
            kinds,
            enabled,
            ..
        } = target;
        let tried = tried.filter(|tried| tried.place == name);
        let known = form::shown(&stored);
        let id = format!("place-{index}");
        let filled = Filled {
            prefix: &format!("{id}-"),
            typed: tried.map_or(&known, |tried| tried.typed),
            bad: tried.map_or(&[], |tried| tried.bad),
            stored: Some(&stored),
        };
        let vendor = Vendor::from_code(&target.kind);
        found.push(Place {
            inputs: vendor.map(|vendor| Inputs::of(f, vendor, &filled)),
            untold: tried.is_some_and(|tried| tried.untold),
            tried: tried.is_some(),
            no_secret: tried.is_some_and(|tried| tried.typed.has("no_secret")),
            kind: kind(&target.kind, &f.t.notices),
            host: stored.host(),
            // What was tried is shown again.
            checks: checks(f.t, |kind| match tried {
                Some(tried) => tried.typed.all("only").any(|code| code == kind.code()),
                None => kinds.is_empty() || kinds.contains(&kind),
            }),
            id,
            last: last.map(|one| delivered(one, &sites, f, app.now())),
            enabled: match tried {
                Some(tried) => tried.typed.has("enabled"),
                None => enabled,
            },
            name,
        });
    }
    Ok(found)
}

/// What was sent or is to be, the newest first.
pub(super) async fn sent(app: &App, f: &Frame, newest: u32) -> Result<Vec<Delivered>, Refusal> {
    let sites = app.store().sites().await?;
    let sent = app.store().notices_sent(newest).await?;
    let told = sent.iter();
    Ok(told
        .map(|one| delivered(one, &sites, f, app.now()))
        .collect())
}

fn delivered(one: &NoticeSent, sites: &[Site], f: &Frame, now: i64) -> Delivered {
    let t = &f.t.notices;
    let moment = |at| Moment::new(at, now, f.lang);
    let (badge, state) = match (&one.error, one.done_at, one.due_at) {
        (Some(_), _, Some(again)) => {
            let again = moment(again);
            ("wait", fill(&t.again, &[("time", &again.far)]))
        }
        (Some(_), _, None) => ("bad", t.not_arrived.clone()),
        (None, Some(_), _) => ("good", t.arrived.clone()),
        (None, None, Some(_)) => ("none", t.to_be_sent.clone()),
        (None, None, None) => ("none", t.not_sent.clone()),
    };
    let site = one.site_id.as_deref();
    let site = site.and_then(|id| sites.iter().find(|site| site.id == id));
    let run = site.zip(one.run_id.as_deref());
    let about = NoticeKind::from_code(&one.kind).map(|kind| label(kind, t));
    Delivered {
        to: one.target.clone().unwrap_or_else(|| t.gone.clone()),
        about: about.unwrap_or(&t.kind_test).to_owned(),
        run: run.map(|(site, run)| at(site, &[Here::History.code(), run])),
        when: moment(one.done_at.unwrap_or(one.at)),
        badge,
        state,
        said: one
            .error
            .as_deref()
            .map(|why| f.lang.notice_why(&Why::read(why))),
    }
}

/// What is wrong now, of all sites.
pub(super) async fn open(app: &App, f: &Frame) -> Result<Vec<Open>, Refusal> {
    let sites = app.store().sites().await?;
    let mut open = Vec::new();
    for site in &sites {
        for notice in app.store().open_notices(&site.id).await? {
            open.push(of(notice, site, sites.len() > 1, f, app.now()));
        }
    }
    Ok(open)
}

fn of(notice: OpenNotice, site: &Site, several: bool, f: &Frame, now: i64) -> Open {
    let t = &f.t.notices;
    let lines = notice.findings.iter();
    let mut lines: Vec<String> = lines
        .map(|finding| f.lang.notice_line(finding, notice.subject))
        .collect();
    let more = lines.split_off(FIRST.min(lines.len()));
    let told = notice.told_at.map(|at| Moment::new(at, now, f.lang).far);
    Open {
        badge: match notice.kind {
            NoticeKind::Failed | NoticeKind::SourceTrouble | NoticeKind::BelowCost => "bad",
            _ => "wait",
        },
        kind: label(notice.kind, t),
        subject: f.lang.subject(notice.subject),
        site: several.then(|| settings::name_of(site)),
        since: Moment::new(notice.since, now, f.lang),
        told: told.map_or_else(
            || t.not_told.clone(),
            |time| fill(&t.told_at, &[("time", &time)]),
        ),
        lines,
        more,
        href: remedy(&notice, site),
    }
}

/// The page on which something can be done about it.
fn remedy(notice: &OpenNotice, site: &Site) -> String {
    let page = |here: Here| at(site, &[here.code()]);
    match (notice.kind, notice.subject) {
        (NoticeKind::Failed, Subject::Models) => page(Here::Models) + "?show=failed",
        (NoticeKind::Held, Subject::Models) => page(Here::Models) + "?show=held",
        (NoticeKind::SourceTrouble, _) => at(site, &[Here::Prices.code(), "sources"]),
        (NoticeKind::Unpriced, _) => page(Here::Unpriced),
        (NoticeKind::Missed, _) => page(Here::Settings),
        (NoticeKind::Failed, Subject::Prices) => match &notice.run_id {
            Some(run) => at(site, &[Here::History.code(), run]),
            None => page(Here::Prices),
        },
        (NoticeKind::Changed, _) => page(Here::History),
        (NoticeKind::Held | NoticeKind::PriceMoved | NoticeKind::BelowCost, _) => {
            page(Here::Prices)
        }
    }
}

fn at(site: &Site, parts: &[&str]) -> String {
    let mut path = vec!["sites", key(site)];
    path.extend(parts);
    place::path(&path)
}
