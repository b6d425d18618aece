//! The table of settings as a form: each with its default, its ranges, and what goes wrong outside of them.

use lockstep_core::models::policy::Policy;
use lockstep_core::settings::{BadSetting, FIELDS, Field, PaceMode, Settings};
use lockstep_store::sites::Site;

use crate::ordering;
use crate::server::App;
use crate::web::form::Fields;
use crate::web::frame::Frame;
use crate::web::words::{Lang, fill};

/// Settings that belong together.
pub(in crate::web) struct Group {
    /// Its word in the page.
    pub(in crate::web) id: &'static str,
    pub(in crate::web) title: &'static str,
    pub(in crate::web) hint: Option<&'static str>,
    pub(in crate::web) rows: Vec<Row>,
    /// Whether it is folded up: most people never need it.
    pub(in crate::web) folds: bool,
}

impl Group {
    /// Whether something in it has to be seen.
    pub(in crate::web) fn is_wrong(&self) -> bool {
        let seen = |row: &Row| row.wrong.is_some() || row.warning.is_some();
        self.rows.iter().any(seen)
    }
}

/// One setting.
pub(in crate::web) struct Row {
    pub(in crate::web) key: &'static str,
    pub(in crate::web) label: &'static str,
    pub(in crate::web) text: &'static str,
    pub(in crate::web) kind: Kind,
    /// As it is stored, or as it was typed.
    pub(in crate::web) value: String,
    /// Its default and its ranges, in a sentence or two.
    pub(in crate::web) ranges: String,
    /// What is not good about the value although it can be taken.
    pub(in crate::web) warning: Option<String>,
    /// Why the value cannot be taken.
    pub(in crate::web) wrong: Option<String>,
    /// Whether the file or the environment says it, so that it cannot be changed here.
    pub(in crate::web) fixed: bool,
}

/// How a setting is typed.
pub(in crate::web) enum Kind {
    Number { low: u64, high: u64 },
    Choice(Vec<Choice>),
    Flag,
    Lines,
    Text,
}

/// One of few values.
pub(in crate::web) struct Choice {
    pub(in crate::web) value: &'static str,
    pub(in crate::web) label: &'static str,
    pub(in crate::web) text: &'static str,
}

impl Row {
    /// What describes the field for whoever does not see where things stand.
    pub(in crate::web) fn described(&self) -> String {
        let wrong = match (&self.wrong, &self.warning) {
            (None, None) => String::new(),
            _ => format!(" {}-wrong", self.key),
        };
        format!("{0}-hint {0}-ranges{wrong}", self.key)
    }

    pub(in crate::web) fn is_on(&self) -> bool {
        self.value == "true"
    }
}

/// Settings that are lists of texts.
const LISTS: &[&str] = &["keep", "allow", "include", "exclude", "price-markup"];
/// Settings that are on or off.
const FLAGS: &[&str] = &["enabled-only", "price-all-models"];
/// The settings of each group but the last, which has the others.
const PACE: &[&str] = &[
    "pace",
    "concurrency",
    "max-retries",
    "requests-per-minute",
    "burst",
    "channel-timeout",
];
const GATE: &[&str] = &["price-gate"];
const KEPT: &[&str] = &["history-days", "history-runs"];

/// The settings that hold for the site: a value that cannot be read any more has its default.
pub(super) fn settings_of(app: &App, site: &Site) -> Settings {
    let mut settings = Settings::default();
    for (key, value) in &site.settings {
        let _unreadable = settings.set(key, value);
    }
    let _told_at_the_start = app.file().apply(&mut settings);
    for (key, value) in ordering::with_environment(Vec::new()) {
        let _unreadable = settings.set(key, &value);
    }
    settings
}

/// Whether the file or the environment says what a setting is.
pub(super) fn is_fixed(app: &App, key: &str) -> bool {
    let environment = ordering::with_environment(Vec::new());
    environment.iter().any(|(known, _)| *known == key) || app.file().sync.contains_key(key)
}

/// What was typed of a setting, if it was sent. A box that is not ticked is not sent: `whole` says that the form was.
pub(super) fn typed(fields: &Fields, key: &str) -> Option<String> {
    if FLAGS.contains(&key) {
        let sent = fields.has(&format!("{key}-shown"));
        return sent.then(|| fields.has(key).to_string());
    }
    fields.has(key).then(|| fields.trimmed(key).to_owned())
}

/// Whether a value can be taken.
pub(super) fn check(key: &'static str, text: &str) -> Result<String, BadSetting> {
    let mut settings = Settings::default();
    settings.set(key, text)?;
    if settings.pace == PaceMode::Unlimited {
        return Err(BadSetting::Value {
            key,
            value: text.to_owned(),
            expected: String::new(),
        });
    }
    Ok(ordering::text_of(&settings, key))
}

/// All settings by their groups: as typed where something was, else as they hold.
pub(super) fn groups(
    app: &App,
    f: &Frame,
    site: &Site,
    typed_in: &Fields,
    checked: bool,
) -> Vec<Group> {
    let now = settings_of(app, site);
    let row = |field: &'static Field| row(app, f.lang, &now, typed_in, checked, field);
    let of = |keys: &[&str]| -> Vec<Row> {
        let ordered = keys
            .iter()
            .filter_map(|key| FIELDS.iter().find(|field| field.key == *key));
        ordered.filter_map(row).collect()
    };
    let is_price = |key: &str| {
        !GATE.contains(&key)
            && (key.starts_with("price-")
                || key.starts_with("limit-price")
                || key == "source-timeout")
    };
    let rest = |wanted: &dyn Fn(&str) -> bool| -> Vec<Row> {
        let others = FIELDS.iter().filter(|field| {
            ![PACE, GATE, KEPT]
                .iter()
                .any(|keys| keys.contains(&field.key))
                && wanted(field.key)
        });
        others.filter_map(row).collect()
    };
    let t: &'static crate::web::words::Words = f.t;
    let group = |id: &'static str, title: &'static str, hint, rows| Group {
        id,
        title,
        hint,
        rows,
        folds: !["pace", "gate"].contains(&id),
    };
    vec![
        group("pace", &t.settings.pace_title, None, of(PACE)),
        group(
            "guards",
            &t.settings.guards,
            Some(t.settings.guards_hint.as_str()),
            rest(&|key| !is_price(key)),
        ),
        group("gate", &t.settings.gate, None, of(GATE)),
        group("price-runs", &t.settings.price_runs, None, rest(&is_price)),
        group("kept", &t.settings.history, None, of(KEPT)),
    ]
}

fn row(
    app: &App,
    lang: Lang,
    now: &Settings,
    typed_in: &Fields,
    checked: bool,
    field: &'static Field,
) -> Option<Row> {
    let words = lang.setting(field.key)?;
    let t = lang.words();
    let default = ordering::text_of(&Settings::default(), field.key);
    let fixed = is_fixed(app, field.key);
    let typed = typed(typed_in, field.key).filter(|_| checked && !fixed);
    let wrong = typed
        .as_ref()
        .and_then(|text| check(field.key, text).err())
        .map(|bad| lang.bad_setting(&bad));
    let value = typed.unwrap_or_else(|| ordering::text_of(now, field.key));
    let outside = |(low, high): (u64, u64)| {
        let number = value.parse::<u64>();
        number.is_ok_and(|number| number < low || number > high)
    };
    let warned = wrong.is_none() && field.recommended.is_some_and(outside);
    Some(Row {
        key: field.key,
        label: words.label,
        text: words.text,
        kind: kind(lang, field),
        ranges: ranges(t, lang, field, &default, words.outside),
        warning: warned.then(|| lang.outside_recommended(field, &value)),
        wrong,
        fixed,
        value,
    })
}

fn kind(lang: Lang, field: &'static Field) -> Kind {
    let choice = |key, value: &'static str| {
        lang.choice(key, value).map(|label| Choice {
            value,
            label: label.label,
            text: label.text,
        })
    };
    let few: Vec<&'static str> = match field.key {
        "pace" => vec!["fixed", "auto"],
        "policy" => Policy::ALL.iter().map(|policy| policy.code()).collect(),
        "price-gate" => vec!["hold", "list", "off"],
        "price-mode" => vec!["add", "update", "both"],
        _ => Vec::new(),
    };
    match field.hard {
        Some((low, high)) => Kind::Number { low, high },
        None if !few.is_empty() => {
            let choices = few.into_iter().filter_map(|value| choice(field.key, value));
            Kind::Choice(choices.collect())
        }
        None if FLAGS.contains(&field.key) => Kind::Flag,
        None if LISTS.contains(&field.key) => Kind::Lines,
        None => Kind::Text,
    }
}

/// The default, what it should be and what it can be, and what goes wrong outside.
fn ranges(
    t: &crate::web::words::Words,
    lang: Lang,
    field: &Field,
    default: &str,
    outside: Option<&str>,
) -> String {
    let default = match default {
        "" => t.common.none.clone(),
        "true" => t.form.on.clone(),
        "false" => t.form.off.clone(),
        code => lang
            .choice(field.key, code)
            .map_or_else(|| code.to_owned(), |choice| choice.label.to_owned()),
    };
    let mut parts = vec![fill(&t.form.default, &[("value", &default)])];
    let range = |text: &str, (low, high): (u64, u64)| fill(text, &[("low", &low), ("high", &high)]);
    parts.extend(
        field
            .recommended
            .map(|known| range(&t.form.recommended, known)),
    );
    parts.extend(field.hard.map(|known| range(&t.form.possible, known)));
    parts.extend(outside.map(|why| fill(&t.form.outside, &[("why", &why)])));
    parts.join(" · ")
}
