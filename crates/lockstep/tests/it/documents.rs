//! docs/json.md and docs/run.schema.json against the code: every code and every key is told in its place.

use std::collections::BTreeSet;

use lockstep_core::change::{RunState, State};
use lockstep_core::failure::FailureKind;
use lockstep_core::formats::SkipReason;
use lockstep_core::hold::{Answer, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::policy::Policy;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::source::SourceState;
use lockstep_sim::Manner;
use serde_json::Value;

use crate::schema::{price_schema, schema};
use crate::tester::Shell;
use crate::world::{mixed, names, priced, start, texts};

const WORDS: &str = include_str!("../../../../docs/json.md");

fn codes<T: Copy>(all: &[T], code: impl Fn(T) -> &'static str) -> BTreeSet<&'static str> {
    all.iter().map(|value| code(*value)).collect()
}

/// What a list of a schema allows.
fn listed(schema: &Value, place: &str) -> BTreeSet<String> {
    let found = schema
        .pointer(place)
        .unwrap_or_else(|| panic!("no {place}"));
    texts(found).into_iter().map(str::to_owned).collect()
}

#[track_caller]
fn same(schema: &Value, place: &str, codes: BTreeSet<&str>) {
    let codes: BTreeSet<String> = codes.into_iter().map(str::to_owned).collect();
    assert_eq!(listed(schema, place), codes, "{place}");
}

#[test]
fn the_schemas_have_exactly_the_codes_of_the_program() {
    let (models, prices) = (schema(), price_schema());
    for schema in [&models, &prices] {
        same(
            schema,
            "/properties/state/enum",
            codes(RunState::ALL, RunState::code),
        );
        same(
            schema,
            "/$defs/error/properties/kind/enum",
            codes(FailureKind::ALL, FailureKind::code),
        );
    }
    let item = "/$defs/item/properties";
    same(
        &models,
        &format!("{item}/kept/items/properties/why/enum"),
        codes(Kept::ALL, Kept::code),
    );
    same(
        &models,
        &format!("{item}/dropped/items/properties/why/enum"),
        codes(Dropped::ALL, Dropped::code),
    );
    same(
        &prices,
        &format!("{item}/field/enum"),
        codes(Field::ALL, Field::code),
    );
    same(
        &prices,
        "/$defs/source/properties/state/enum",
        codes(SourceState::ALL, SourceState::code),
    );
    same(
        &prices,
        "/$defs/source/properties/skipped/items/properties/reason/enum",
        codes(SkipReason::ALL, SkipReason::code),
    );
    // Each reason has its one place: it is about lists or about prices, and it holds or skips. Only those of an undo are
    // about both.
    let both = [ReasonCode::UndoneAlready, ReasonCode::ChangedSince];
    let places = [
        (&models, "hold"),
        (&models, "skip"),
        (&prices, "hold"),
        (&prices, "skip"),
    ];
    let mut all = Vec::new();
    for (schema, part) in places {
        all.extend(listed(
            schema,
            &format!("{item}/{part}/properties/reason/enum"),
        ));
    }
    all.sort_unstable();
    let wanted = ReasonCode::ALL.iter().chain(&both);
    let mut wanted: Vec<&str> = wanted.map(|code| code.code()).collect();
    wanted.sort_unstable();
    assert_eq!(all, wanted);
}

/// The part of the document under a heading that starts so.
fn section(heading: &str) -> &'static str {
    let start = WORDS
        .find(&format!("\n{heading}"))
        .unwrap_or_else(|| panic!("no {heading}"));
    let text = &WORDS[start + 1..];
    let level = heading.split(' ').next().unwrap_or_default();
    let next = ["\n# ", "\n## ", "\n### "]
        .into_iter()
        .filter(|mark| mark.trim().len() <= level.len())
        .filter_map(|mark| text[1..].find(mark))
        .min();
    &text[..next.map_or(text.len(), |at| at + 1)]
}

#[track_caller]
fn names_all<'a>(heading: &str, codes: impl IntoIterator<Item = &'a str>) {
    let text = section(heading);
    for code in codes {
        assert!(
            text.contains(&format!("`{code}`")),
            "`{code}` is not told under {heading}"
        );
    }
}

#[test]
fn the_document_names_every_code_in_its_place() {
    names_all(
        "### `error.kind`",
        codes(FailureKind::ALL, FailureKind::code),
    );
    names_all("### `kept.why`", codes(Kept::ALL, Kept::code));
    names_all("### `dropped.why`", codes(Dropped::ALL, Dropped::code));
    names_all("## A run", codes(RunState::ALL, RunState::code));
    names_all("## `held`", codes(Answer::ALL, Answer::code));
    names_all("## `channel`", codes(State::ALL, State::code));
    names_all("## `channel`", codes(Policy::ALL, Policy::code));
    names_all("## `diff`", codes(SourceState::ALL, SourceState::code));
    names_all("## `diff`", codes(SkipReason::ALL, SkipReason::code));
    names_all("## A price run", codes(Field::ALL, Field::code));
    let prices = price_schema();
    for schema in [&schema(), &prices] {
        for (heading, place) in [("### `hold.reason`", "hold"), ("### `skip.reason`", "skip")] {
            let place = format!("/$defs/item/properties/{place}/properties/reason/enum");
            names_all(heading, texts(schema.pointer(&place).expect("there")));
        }
        names_all("## A run", texts(&schema["properties"]["trigger"]["enum"]));
        names_all("## A run", texts(&schema["properties"]["subject"]["enum"]));
    }
    let keys = |heading: &str, schema: &Value, place: &str| {
        let properties = schema
            .pointer(place)
            .and_then(Value::as_object)
            .unwrap_or_else(|| panic!("no {place}"));
        names_all(heading, properties.keys().map(String::as_str));
    };
    for place in [
        "/properties",
        "/properties/statistics/properties",
        "/properties/requests/properties",
        "/$defs/item/properties",
    ] {
        keys("## A run", &schema(), place);
    }
    for place in [
        "/$defs/item/properties",
        "/$defs/item/properties/formula/properties",
        "/$defs/usd/properties",
        "/$defs/conflict/properties",
        "/$defs/verified/properties",
        "/$defs/verified/properties/otherwise/items/properties",
    ] {
        keys("## A price run", &prices, place);
    }
    keys("## `diff`", &prices, "/$defs/source/properties");
    names_all(
        "## A price run",
        ["items", "sources", "conflicts", "verified"],
    );
    let states = &prices["$defs"]["verified"]["properties"]["state"]["enum"];
    names_all("### `verified`", texts(states));
}

#[test]
fn the_readme_shows_every_picture_and_the_script_makes_each() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let kept: BTreeSet<String> = std::fs::read_dir(root.join("docs/pictures"))
        .expect("pictures")
        .map(|file| file.expect("a file").file_name())
        .map(|name| name.into_string().expect("a name"))
        .collect();
    let shown: BTreeSet<String> = include_str!("../../../../README.md")
        .split("![")
        .skip(1)
        .filter_map(|picture| picture.split_once("](docs/pictures/"))
        .filter_map(|(_, rest)| rest.split_once(')'))
        .map(|(name, _)| name.to_owned())
        .collect();
    assert_eq!(shown, kept);
    let script = include_str!("../../browser/pictures.js");
    for name in kept {
        let name = name.strip_suffix(".png").expect("a picture");
        let (page, language) = name.split_once('-').expect("a page in a language");
        for word in [page, language] {
            assert!(script.contains(&format!("\"{word}\"")), "{word} of {name}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_document_names_every_key_that_is_printed() {
    fn keys(value: &Value, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(object) => {
                for (key, value) in object {
                    found.insert(key.clone());
                    // Their keys are names: of flags, of models, of fields and sources.
                    let names = ["settings", "differences", "usd", "suspicious", "values"];
                    if !names.contains(&key.as_str()) {
                        keys(value, found);
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| keys(value, found)),
            _ => {}
        }
    }
    let gateway = start(priced(mixed())).await;
    let mut shell = Shell::with_site(&gateway).await;
    shell.set("LOCKSTEP_ALLOW_PRIVATE", "127.0.0.0/8");
    let list = gateway.provider("list").base_url().to_owned();
    let config = shell.path("lockstep.toml").display().to_string();
    std::fs::write(&config, "").expect("written");
    shell.set("LOCKSTEP_CONFIG", &config);
    shell.run(&["plan"]).await.is(2);
    shell.run(&["apply", "--yes"]).await;
    gateway.provider("beta").set_manner(Manner::Empty);
    gateway.provider("market").set_models(names("market", 2));
    for (heading, args) in [
        ("## `runs`", &["runs"][..]),
        ("## `held`", &["held"]),
        ("## `held`", &["held", "keep", "8"]),
        ("## `channel`", &["channel", "set", "1", "--keep", "gpt-5"]),
        ("## `channel`", &["channel", "list"]),
        ("## `channel`", &["channel", "show", "1"]),
        ("## `site`", &["site", "edit", "main", "--burst", "4"]),
        ("## `site`", &["site", "list"]),
        ("## `doctor`", &["site", "test"]),
        ("## `doctor`", &["doctor"]),
        ("## `site`", &["site", "source", "add", &list]),
        ("## `site`", &["site", "source", "list"]),
        ("## `diff`", &["site", "source", "test"]),
        ("## `diff`", &["diff"]),
        ("## `unpriced`", &["unpriced"]),
        ("## A price run", &["plan", "prices", "--mode", "both"]),
        ("## A price run", &["plan", "both"]),
        ("## `price`", &["price", "lock", "gpt-5"]),
        ("## `price`", &["price", "answers"]),
        ("## `price`", &["price", "show", "gpt-5"]),
        ("## `price`", &["price", "unlock", "gpt-5"]),
        (
            "## `schedule`",
            &["schedule", "set", "models", "--every", "6h"],
        ),
        (
            "## `schedule`",
            &[
                "schedule",
                "set",
                "prices",
                "--cron",
                "0 3 * * *",
                "--zone",
                "Europe/Berlin",
            ],
        ),
        ("## `schedule`", &["schedule", "show"]),
        ("## `schedule`", &["schedule", "off", "models"]),
        ("## `site`", &["site", "source", "remove", &list]),
        ("## The rest", &["backup", "copy.db"]),
        ("## The rest", &["config", "check"]),
        ("## The rest", &["config", "example"]),
        ("## The rest", &["completions", "fish"]),
        ("## When", &["plan", "--site", "nobody"]),
    ] {
        let (told, _) = shell.json(args).await;
        let mut found = BTreeSet::new();
        keys(&told, &mut found);
        for key in found {
            let here = section(heading).contains(&format!("`{key}`"));
            let quoted = WORDS.contains(&format!("\"{key}\":"));
            let also: &[&str] = match heading {
                "## `runs`" => &["## A run"],
                "## A price run" => &["## A run", "## `diff`"],
                "## `unpriced`" => &["## A price run", "## `diff`"],
                _ => &[],
            };
            let mut also = also.iter().map(|heading| section(heading));
            let above = also.any(|text| text.contains(&format!("`{key}`")));
            assert!(
                here || quoted || above,
                "`{key}` of {args:?} is not told under {heading}"
            );
        }
    }
    for finding in shell.json(&["doctor"]).await.0["findings"]
        .as_array()
        .expect("findings")
    {
        names_all("## `doctor`", [finding["topic"].as_str().expect("a topic")]);
        names_all("## `doctor`", [finding["level"].as_str().expect("a level")]);
    }
}
