//! The settings of a site: its gateway, what runs by itself, the pace, the guards, the price gate.

mod connection;
mod fields;
mod saving;
mod schedule;
pub(super) mod sections;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use lockstep_core::change::Subject;
use lockstep_core::pace::GATEWAY_CALLS;
use lockstep_core::settings::{PaceMode, Settings};
use lockstep_store::listing::RunFilter;
use lockstep_store::sites::Site;
use std::time::Duration;

use super::form::Fields;
use super::frame::{Frame, Here, Place, SayKind};
use super::gateway::GatewayForm;
use super::overview;
use super::place;
use super::refusal::{Refusal, html};
use super::words::fill;
use crate::server::App;
use fields::{Group, Kind};
use schedule::ScheduleForm;
use sections::{Part, Section};

pub(super) use saving::save;

/// More channels than this have tips of their own.
const MANY: u64 = 50;

#[derive(Template)]
#[template(path = "settings.html")]
struct SettingsPage {
    f: Frame,
    sections: Vec<Section>,
    /// Where one says who is told, and whether anybody is.
    notices: String,
    told: bool,
    g: GatewayForm,
    form: Form,
    /// The site's name, to be typed before it is removed.
    name: String,
    is_default: bool,
    base: String,
    /// Whether the name that was typed to remove the site is another one.
    not_named: bool,
    estimate: Option<[String; 2]>,
    many: bool,
}

/// The form of all settings.
pub(super) struct Form {
    pub(super) schedules: Vec<ScheduleForm>,
    pub(super) groups: Vec<Group>,
    /// What the form was made of: who sends it back changes just that.
    pub(super) seen: String,
}

impl Form {
    /// The fields that are wrong, in the order of the page.
    fn places(&self, f: &Frame) -> Vec<Place> {
        let wrong = self.schedules.iter().filter(|one| one.wrong.is_some());
        let mut places: Vec<Place> = wrong.map(|one| one.place(f.t)).collect();
        for group in &self.groups {
            let wrong = group.rows.iter().filter(|row| row.wrong.is_some());
            places.extend(wrong.map(|row| {
                let label = format!("{}: {}", group.title, row.label);
                Place::new(row.key, &label)
            }));
        }
        places
    }
}

impl SettingsPage {
    fn remove_type(&self) -> String {
        fill(&self.f.t.sites.remove_type, &[("name", &self.name)])
    }
}

/// `GET /sites/{site}/settings`
pub(super) async fn show(State(app): State<App>, f: Frame) -> Result<Response, Refusal> {
    let g = GatewayForm::stored(f.site()?);
    shown(&app, f, g).await
}

/// The page with the gateway's part as it is.
pub(super) async fn shown(app: &App, f: Frame, g: GatewayForm) -> Result<Response, Refusal> {
    let form = stored_form(app, &f).await?;
    page(app, f, g, form, false).await
}

/// The page where another name was typed than that of the site to remove.
pub(super) async fn not_removed(app: &App, f: Frame) -> Result<Response, Refusal> {
    let g = GatewayForm::stored(f.site()?);
    let form = stored_form(app, &f).await?;
    let page = page(app, f, g, form, true).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// What a site is called where it is to be named: one without a name, by its address.
pub(super) fn name_of(site: &Site) -> String {
    site.name.clone().unwrap_or_else(|| site.url.to_string())
}

/// The form as it is stored.
async fn stored_form(app: &App, f: &Frame) -> Result<Form, Refusal> {
    let site = f.site()?;
    Ok(Form {
        schedules: schedule::stored(app, f, site).await?,
        groups: fields::groups(app, f, site, &Fields::default(), false),
        seen: saving::seen(app, site).await?,
    })
}

async fn page(
    app: &App,
    f: Frame,
    g: GatewayForm,
    form: Form,
    not_named: bool,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Settings);
    f.path = f.href(Here::Settings);
    let site = f.site()?.clone();
    if let Some(missing) = f.missing(app, &site).await {
        f.say(
            SayKind::Bad,
            missing,
            Some(f.t.settings.missing_hint.clone()),
        );
    }
    let filter = RunFilter {
        subject: Some(Subject::Models),
        ..RunFilter::default()
    };
    let runs = app.store().runs_where(&site.id, &filter, 30).await?;
    let channels = overview::last_whole(&runs).map(|(_, counts)| counts.total);
    let estimate = channels.map(|count| estimate(&f, &fields::settings_of(app, &site), count));
    let base = place::path(&["sites", super::frame::key(&site)]);
    let targets = app.store().notice_targets().await?;
    Ok(html(&SettingsPage {
        sections: sections::all(&f, Part::Basic),
        notices: f.beside(super::notices::AT),
        told: targets.iter().any(|target| target.enabled),
        name: name_of(&site),
        is_default: site.is_default,
        base,
        not_named,
        many: channels.is_some_and(|count| count > MANY),
        estimate,
        f,
        g,
        form,
    }))
}

/// How long a run over so many channels takes at the pace that is set, and at the automatic one.
fn estimate(f: &Frame, settings: &Settings, channels: u64) -> [String; 2] {
    let count = usize::try_from(channels).unwrap_or(usize::MAX / 2);
    let requests = count + count.div_ceil(100).max(1);
    let time = |settings: &Settings| {
        let needed = settings.fresh_pace(GATEWAY_CALLS).estimate(requests);
        // What the gateway itself takes comes on top: less than a second is not promised.
        f.lang.duration(needed.max(Duration::from_secs(1)))
    };
    let auto = Settings {
        pace: PaceMode::Auto,
        ..settings.clone()
    };
    let words = &f.t.settings;
    [
        fill(
            &words.estimate,
            &[("n", &channels), ("time", &time(settings))],
        ),
        fill(&words.estimate_auto, &[("time", &time(&auto))]),
    ]
}
