//! What runs by itself, as a form: one part for model lists, one for prices.

use lockstep_core::change::Subject;
use lockstep_run::schedule::spec::{self, DEFAULT_RHYTHM};
use lockstep_run::schedule::{BadSchedule, NotSwitched, next_due};
use lockstep_store::schedule::{Mode, Rhythm, Schedule};
use lockstep_store::sites::Site;

use crate::server::App;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here, Place};
use crate::web::refusal::Refusal;
use crate::web::when::Moment;
use crate::web::words::{Lang, Words, fill};

/// What people are told to stay in, in hours.
const RECOMMENDED: (u64, u64) = (6, 12);
/// What can be.
const HOURS: (u64, u64) = (1, 24);

/// The form of one subject's schedule.
pub(in crate::web) struct ScheduleForm {
    pub(in crate::web) subject: &'static str,
    pub(in crate::web) title: &'static str,
    pub(in crate::web) label: String,
    pub(in crate::web) on: bool,
    /// Whether its ticks come by a cron line.
    pub(in crate::web) by_cron: bool,
    pub(in crate::web) hours: String,
    pub(in crate::web) cron: String,
    pub(in crate::web) zone: String,
    pub(in crate::web) proposes: bool,
    /// What has to be done before it can be switched on.
    pub(in crate::web) first: Option<&'static str>,
    /// Where that is done, if that page is there.
    pub(in crate::web) first_at: Option<String>,
    pub(in crate::web) next: Option<Moment>,
    pub(in crate::web) ranges: String,
    /// What is good, and what goes wrong outside of it.
    pub(in crate::web) outside: String,
    /// Why it cannot be as it was typed.
    pub(in crate::web) wrong: Option<String>,
}

/// What a form asks for.
pub(super) struct Wanted {
    pub(super) rhythm: Rhythm,
    pub(super) mode: Mode,
}

/// The schedules of a site as they are stored.
pub(super) async fn stored(
    app: &App,
    f: &Frame,
    site: &Site,
) -> Result<Vec<ScheduleForm>, Refusal> {
    let known = app.store().schedules(Some(&site.id)).await?;
    let mut forms = Vec::new();
    for subject in [Subject::Models, Subject::Prices] {
        let schedule = known.iter().find(|one| one.subject == subject);
        forms.push(form(app, f, site, subject, schedule).await?);
    }
    Ok(forms)
}

async fn form(
    app: &App,
    f: &Frame,
    site: &Site,
    subject: Subject,
    schedule: Option<&Schedule>,
) -> Result<ScheduleForm, Refusal> {
    let t = f.t;
    let (rhythm, mode) = match schedule {
        Some(known) => (&known.plan.rhythm, known.plan.mode),
        None => (&DEFAULT_RHYTHM, default_mode(subject)),
    };
    let (by_cron, hours, cron, zone) = match rhythm {
        Rhythm::Every { hours } => (false, hours.to_string(), String::new(), "UTC".to_owned()),
        Rhythm::Cron { line, zone } => (true, "6".to_owned(), line.clone(), zone.clone()),
    };
    let (first, first_at) = match why_not(app, site, subject).await? {
        None => (None, None),
        Some(WhyNot::NotReviewed) => {
            let page = match subject {
                Subject::Models => Here::Models,
                Subject::Prices => Here::Prices,
            };
            let text = match subject {
                Subject::Models => &t.settings.auto_sync_review,
                Subject::Prices => &t.schedule.review_first,
            };
            (Some(text.as_str()), Some(f.href(page)))
        }
        Some(WhyNot::NoSource) => (Some(t.schedule.needs_source.as_str()), None),
    };
    let range = |text: &str, (low, high): (u64, u64)| fill(text, &[("low", &low), ("high", &high)]);
    let recommended = range(&t.form.recommended, RECOMMENDED);
    let outside = fill(&t.form.outside, &[("why", &t.settings.interval_outside)]);
    Ok(ScheduleForm {
        subject: subject.code(),
        title: match subject {
            Subject::Models => &t.schedule.models,
            Subject::Prices => &t.schedule.prices,
        },
        label: match subject {
            Subject::Models => t.settings.auto_sync.clone(),
            Subject::Prices => t.settings.auto_sync_prices.clone(),
        },
        on: schedule.is_some(),
        by_cron,
        hours,
        cron,
        zone,
        proposes: mode == Mode::Propose,
        first,
        first_at,
        next: schedule
            .and_then(next_due)
            .map(|at| Moment::new(at, app.now(), f.lang)),
        ranges: [
            fill(&t.form.default, &[("value", &6)]),
            recommended.clone(),
            range(&t.form.possible, HOURS),
            outside.clone(),
        ]
        .join(" · "),
        outside: [recommended, outside].join(" · "),
        wrong: None,
    })
}

fn default_mode(subject: Subject) -> Mode {
    match subject {
        Subject::Models => Mode::Apply,
        Subject::Prices => Mode::Propose,
    }
}

/// What stands in the way of switching on.
pub(super) enum WhyNot {
    NotReviewed,
    NoSource,
}

/// Whether a schedule of the subject can be switched on.
pub(super) async fn why_not(
    app: &App,
    site: &Site,
    subject: Subject,
) -> Result<Option<WhyNot>, Refusal> {
    let store = app.store();
    let all = subject == Subject::Models;
    if !store.has_been_planned(&site.id, subject, all).await? {
        return Ok(Some(WhyNot::NotReviewed));
    }
    let no_source = subject == Subject::Prices && store.sources(&site.id).await?.is_empty();
    Ok(no_source.then_some(WhyNot::NoSource))
}

impl ScheduleForm {
    /// Whether its runs come more or less often than is good.
    pub(in crate::web) fn is_warned(&self) -> bool {
        let (low, high) = RECOMMENDED;
        let hours = self.hours.parse::<u64>();
        let outside = hours.is_ok_and(|hours| hours < low || hours > high);
        self.on && !self.by_cron && self.wrong.is_none() && outside
    }

    /// The field that has to be looked at where something is wrong.
    pub(super) fn place(&self, t: &Words) -> Place {
        let (name, label) = match (self.first.is_some(), self.by_cron) {
            (true, _) => ("on", &self.label),
            (false, true) => ("cron", &t.schedule.at_times),
            (false, false) => ("hours", &t.settings.interval),
        };
        Place::new(&self.field(name), &format!("{}: {label}", self.title))
    }

    /// A field's name in the form.
    pub(in crate::web) fn field(&self, name: &str) -> String {
        format!("{}-{name}", self.subject)
    }

    /// Fills in what was typed, and reads it: `None` where it is to be off, or cannot be as typed.
    pub(super) async fn typed(&mut self, fields: &Fields, lang: Lang, now: i64) -> Option<Wanted> {
        let subject = self.subject;
        let text = |name: &str| fields.trimmed(&format!("{subject}-{name}")).to_owned();
        let (hours, cron, zone) = (text("hours"), text("cron"), text("zone"));
        self.by_cron = text("rhythm") == "cron";
        self.proposes = text("mode") == Mode::Propose.code();
        self.on = fields.has(&self.field("on"));
        (self.hours, self.cron, self.zone) = (hours, cron, zone);
        if !self.on {
            return None;
        }
        if let Some(first) = self.first {
            self.wrong = Some(first.to_owned());
            return None;
        }
        let rhythm = match self.by_cron {
            true => Rhythm::Cron {
                line: self.cron.clone(),
                zone: self.zone.clone(),
            },
            // What is no number is out of range.
            false => Rhythm::Every {
                hours: self.hours.parse().unwrap_or(0),
            },
        };
        if let Err(why) = spec::check(&rhythm, now).await {
            self.wrong = Some(match why {
                NotSwitched::Bad(bad) => said(&bad, lang),
                other => other.to_string(),
            });
            return None;
        }
        let mode = if self.proposes {
            Mode::Propose
        } else {
            Mode::Apply
        };
        Some(Wanted { rhythm, mode })
    }
}

fn said(bad: &BadSchedule, lang: Lang) -> String {
    let t = lang.words();
    match bad {
        BadSchedule::Hours(_) => fill(&t.form.possible, &[("low", &HOURS.0), ("high", &HOURS.1)]),
        BadSchedule::Line { .. } => t.schedule.bad_line.clone(),
        BadSchedule::Zone(zone) => fill(&t.schedule.bad_zone, &[("zone", zone)]),
        BadSchedule::Never(_) => t.schedule.never_comes.clone(),
        BadSchedule::TooOften(_) | BadSchedule::Jitter(_) => t.schedule.too_often.clone(),
    }
}
