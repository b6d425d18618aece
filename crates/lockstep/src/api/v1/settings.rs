//! Settings of a site: what each is, can be and should be.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use lockstep_core::settings::{FIELDS, Field, Settings as Core};
use lockstep_store::sites::SiteEdit;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::api::extract::{Body, Path};
use crate::api::orders;
use crate::deeds::Deed;
use crate::ordering;
use crate::server::App;
use crate::server::caller::{Reader, Writer};
use crate::server::problem::{Mistake, Problem};
use crate::words::en;

/// Settings that are lists of texts.
const LISTS: &[&str] = &["keep", "allow", "include", "exclude", "price-markup"];

/// A setting's value: a number, a flag, a text or a list of texts, as the setting is. All of them can be sent as texts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub(crate) enum SettingValue {
    Number(u64),
    Flag(bool),
    Text(String),
    Lines(Vec<String>),
}

/// One setting.
#[derive(Debug, Serialize, ToSchema)]
struct Setting {
    /// Its name.
    key: &'static str,
    /// What holds for the next run.
    value: SettingValue,
    /// What holds where nobody says anything.
    default: SettingValue,
    /// Who says so.
    from: SaidBy,
    /// What a number can be.
    hard: Option<Range>,
    /// What a number should be.
    recommended: Option<Range>,
    /// Why the value is not a good one, where it is allowed and outside of what is recommended.
    warning: Option<String>,
}

/// Numbers from one to another, both included.
#[derive(Debug, Serialize, ToSchema)]
struct Range {
    low: u64,
    high: u64,
}

/// Who says what a setting is; each wins over those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum SaidBy {
    /// Nobody: it is the default.
    Default,
    /// The site, as it is stored.
    Site,
    /// The configuration file of the server.
    File,
    /// The environment of the server.
    Environment,
}

/// All settings.
#[derive(Debug, Serialize, ToSchema)]
struct Settings {
    settings: Vec<Setting>,
}

/// Settings to change, by key. `null` takes a setting back to its default; those not named stay.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsChange {
    #[schema(value_type = Object)]
    settings: BTreeMap<String, Option<SettingValue>>,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new().routes(routes!(show, change))
}

/// All settings of a site.
#[utoipa::path(get, path = "/sites/{site}/settings", tag = "settings",
    responses((status = 200, body = Settings), (status = "default", body = Problem)))]
async fn show(
    State(app): State<App>,
    _: Reader,
    Path(site): Path<String>,
) -> Result<Json<Settings>, Problem> {
    let site = orders::site(&app, &site).await?;
    Ok(Json(told(&app, &site)?))
}

/// Changes settings of a site: all of them, or with a mistake none. Plans made before are not written any more.
#[utoipa::path(patch, path = "/sites/{site}/settings", tag = "settings", request_body = SettingsChange,
    responses((status = 200, body = Settings), (status = "default", body = Problem)))]
async fn change(
    State(app): State<App>,
    Writer(caller): Writer,
    Path(site): Path<String>,
    Body(change): Body<SettingsChange>,
) -> Result<Json<Settings>, Problem> {
    let site = orders::site(&app, &site).await?;
    let mut given = BTreeMap::new();
    let mut settings: BTreeMap<String, Option<String>> = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (key, value) in change.settings {
        match value {
            Some(value) => {
                given.insert(key, value);
            }
            None if FIELDS.iter().any(|field| field.key == key) => {
                settings.insert(key, None);
            }
            None => mistakes.push(unknown(&key)),
        }
    }
    let (texts, wrong) = read(&given);
    mistakes.extend(wrong);
    if !mistakes.is_empty() {
        return Err(orders::bad_settings(mistakes));
    }
    settings.extend(texts.into_iter().map(|(key, text)| (key, Some(text))));
    let deed = Deed::settings_changed(&settings);
    let edit = SiteEdit {
        settings: Some(settings),
        ..SiteEdit::default()
    };
    let noting = app.noting(&caller, Some(&site), deed);
    let site = noting.edit_site(&site.id, edit).await?;
    Ok(Json(told(&app, &site)?))
}

/// Settings as texts, and every mistake in them.
pub(crate) fn read(
    given: &BTreeMap<String, SettingValue>,
) -> (BTreeMap<String, String>, Vec<Mistake>) {
    let mut check = Core::default();
    let mut texts = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (key, value) in given {
        let text = value.text();
        match check.set(key, &text) {
            Ok(()) => {
                texts.insert(key.clone(), text);
            }
            Err(error) => mistakes.push(Mistake {
                field: key.clone(),
                message: error.to_string(),
            }),
        }
    }
    mistakes.extend(ordering::unlimited(&check).map(Mistake::from));
    (texts, mistakes)
}

fn told(app: &App, site: &lockstep_store::sites::Site) -> Result<Settings, Problem> {
    let laid = orders::settings(app, site, &BTreeMap::new())?;
    let environment = ordering::with_environment(Vec::new());
    let defaults = Core::default().to_texts();
    let warned = laid.settings.warnings();
    let texts = laid.settings.to_texts();
    let setting = |field: &Field, text: &str, default: &str| Setting {
        key: field.key,
        value: SettingValue::of(field.key, text),
        default: SettingValue::of(field.key, default),
        from: if environment.iter().any(|(key, _)| *key == field.key) {
            SaidBy::Environment
        } else if app.file().sync.contains_key(field.key) {
            SaidBy::File
        } else if site.settings.contains_key(field.key) {
            SaidBy::Site
        } else {
            SaidBy::Default
        },
        hard: field.hard.map(Range::of),
        recommended: field.recommended.map(Range::of),
        warning: warned
            .iter()
            .find(|warned| warned.key == field.key)
            .map(|field| en::outside_recommended(field, text)),
    };
    let settings = FIELDS
        .iter()
        .zip(&texts)
        .zip(&defaults)
        .map(|((field, (_, text)), (_, default))| setting(field, text, default))
        .collect();
    Ok(Settings { settings })
}

fn unknown(key: &str) -> Mistake {
    Mistake {
        field: key.to_owned(),
        message: format!("there is no setting `{key}`"),
    }
}

impl SettingValue {
    /// The value of a text, as the setting is.
    fn of(key: &str, text: &str) -> Self {
        if LISTS.contains(&key) {
            return Self::Lines(text.lines().map(str::to_owned).collect());
        }
        match (text.parse(), text.parse()) {
            (Ok(number), _) => Self::Number(number),
            (_, Ok(flag)) => Self::Flag(flag),
            _ => Self::Text(text.to_owned()),
        }
    }

    fn text(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Flag(flag) => flag.to_string(),
            Self::Text(text) => text.clone(),
            Self::Lines(lines) => lines.join("\n"),
        }
    }
}

impl Range {
    fn of((low, high): (u64, u64)) -> Self {
        Self { low, high }
    }
}
