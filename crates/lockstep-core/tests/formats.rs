//! Price lists of every layout: what is taken, what is left out and why, and what the gateway itself made of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use lockstep_core::formats::{
    Choice, Decoded, Format, MAX_BYTES, MAX_MODELS, NotAPriceList, SkipReason, decode, local,
};
use lockstep_core::prices::diff::{SourceTable, diff};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::names::Names;
use lockstep_core::prices::table::Table;
use proptest::prelude::*;
use serde_json::{Value, json};

/// A file beside this one, or one of the recordings and lists outside the project.
fn corpus(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/corpora")
        .join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn shared(path: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared")
        .join(path);
    let found = path.exists();
    if !found {
        println!("{} is absent: not looked at", path.display());
    }
    found.then_some(path)
}

/// The table as lines `model field value`, by name.
fn lines(names: &Names, table: &Table<'_>) -> Vec<String> {
    let mut lines: Vec<String> = table
        .models()
        .flat_map(|model| {
            let values = table.values(model);
            let line = |(field, value): (Field, &str)| {
                format!("{} {} {value}", names.text(model), field.code())
            };
            values.iter().map(line).collect::<Vec<_>>()
        })
        .collect();
    lines.sort();
    lines
}

/// What was left out, as `reason: names`.
fn left_out(decoded: &Decoded<'_>) -> Vec<String> {
    decoded
        .skipped
        .iter()
        .map(|(reason, skips)| format!("{}: {}", reason.code(), skips.names.join(",")))
        .collect()
}

/// What a body says, and what was left out of it.
fn told(body: &str) -> (Format, Vec<String>, Vec<String>) {
    let mut names = Names::new();
    let decoded = decode(body, &mut names).expect("it is a price list");
    let lines = lines(&names, &decoded.table);
    (decoded.format, lines, left_out(&decoded))
}

fn refusal(body: &str) -> NotAPriceList {
    decode(body, &mut Names::new()).expect_err("it is no price list")
}

#[test]
fn a_gateways_maps_are_taken_as_they_were_written() {
    let (format, lines, left) = told(&corpus("ratio_config/plain.json"));
    assert_eq!(format, Format::RatioConfig);
    assert_eq!(
        lines,
        [
            "m1 completion_ratio 4",
            "m1 model_ratio 1.25",
            "m2 model_ratio 0.5",
            "p model_price 0.04"
        ]
    );
    assert!(left.is_empty());
    let (_, lines, _) = told(&corpus("ratio_config/bare.json"));
    assert_eq!(lines, ["m1 cache_ratio 0.1"]);
    let (_, lines, _) = told(&corpus("ratio_config/expressions.json"));
    assert_eq!(
        lines,
        [
            "t billing_expr tier(\"base\", p * 2 + c * 8)",
            "t billing_mode tiered_expr"
        ]
    );
}

#[test]
fn what_is_no_number_is_named_and_the_rest_is_taken() {
    let (_, lines, left) = told(&corpus("ratio_config/odd_numbers.json"));
    assert_eq!(
        lines,
        [
            "exp model_ratio 1E-7",
            "neg model_ratio -1",
            "ok model_ratio 2.0"
        ]
    );
    assert_eq!(
        left,
        [
            "not_a_number: text,yes,list",
            "null: null",
            "too_large: huge",
            "rounds_to_zero: tiny"
        ]
    );
}

#[test]
fn what_python_prints_for_no_number_is_counted_in_every_layout() {
    for (file, format, said, left) in [
        (
            "ratio_config/nan.json",
            Format::RatioConfig,
            &[
                "NaN model_ratio 2",
                "ok completion_ratio 4",
                "ok model_ratio 1.50",
                r#"t billing_expr "NaN" == "NaN" ? p : -Infinity"#,
                "t billing_mode tiered_expr",
            ][..],
            &[
                "not_a_number: a,i",
                "not_a_text: n",
                "too_large: huge",
                "not_a_map: cache_ratio",
            ][..],
        ),
        (
            "pricing/nan.json",
            Format::Pricing,
            &["ok completion_ratio 2", "ok model_ratio 1.5"],
            &[
                "not_a_number: a,ok",
                "unknown_shape: [2],q,[4]",
                "group_ratio: vip",
            ],
        ),
        (
            "openrouter/nan.json",
            Format::OpenRouter,
            &["ok completion_ratio 2", "ok model_ratio 0.5"],
            &[
                "not_a_number: a",
                "part_left_out: ok",
                "unknown_shape: [2],p",
            ],
        ),
        (
            "models_dev/nan.json",
            Format::ModelsDev,
            &["ok completion_ratio 4", "ok model_ratio 1"],
            &[
                "not_a_number: openai/a",
                "no_price: openai/c",
                "unknown_shape: other",
            ],
        ),
        (
            "litellm/nan.json",
            Format::LiteLlm,
            &["ok completion_ratio 2", "ok model_ratio 0.5"],
            &["not_a_number: a", "too_large: h", "unknown_shape: s"],
        ),
    ] {
        let told = told(&corpus(file));
        assert_eq!(told.0, format, "{file}");
        assert_eq!(told.1, said, "{file}");
        assert_eq!(told.2, left, "{file}");
    }
    let nothing = refusal(&corpus("ratio_config/nan_alone.json"));
    assert_eq!(
        nothing.to_string(),
        r#"no entry of the list can be used; not a number: "a""#
    );
}

#[test]
fn a_body_that_is_no_json_stays_none_whatever_words_it_has() {
    for (body, code) in [
        (r#"{"success":true,"data":NaN}"#, "unknown_shape"),
        (r#"{"success":NaN,"data":[]}"#, "refused"),
        ("NaN", "unknown_shape"),
        (r#"{"data":{"model_ratio":{"a":NaN,"b":1}"#, "cut_off"),
        (r#"{"data":{"model_ratio":{"a":nan,"b":1}}}"#, "not_json"),
        (r#"{"data":{"model_ratio":{"a":-NaN,"b":1}}}"#, "not_json"),
        (r#"{"data":{"model_ratio":{"a":NaN1,"b":1}}}"#, "not_json"),
        (r#"{"data":{"model_ratio":{NaN:1,"b":1}}}"#, "not_json"),
        (
            r#"{"data":{"model_ratio":{"a":NaN NaN,"b":1}}}"#,
            "not_json",
        ),
        (
            r#"{"data":{"model_ratio":{"a":01e999,"b":NaN}}}"#,
            "not_json",
        ),
    ] {
        assert_eq!(refusal(body).code(), code, "{body}");
    }
    let refused = refusal("{\"data\":{\"model_ratio\":{\"a\":NaN,\n\"b\":Infinity,x}}}");
    let (line, column) = (2, 14);
    assert_eq!(refused, NotAPriceList::NotJson { line, column });
}

#[test]
fn a_number_beyond_all_in_place_of_a_map_or_a_name_harms_nothing_but_itself() {
    let (format, lines, left) = told(
        r#"{"data":[1e999,{"model_name":-1E+999,"model_ratio":1},{"model_name":"ok","model_ratio":2}]}"#,
    );
    assert_eq!(format, Format::Pricing);
    assert_eq!(lines, ["ok model_ratio 2"]);
    assert_eq!(left, ["unknown_shape: [0],[1]"]);
    let (_, lines, left) = told(r#"{"data":{"model_ratio":1e999,"cache_ratio":{"a":NaN,"b":1}}}"#);
    assert_eq!(lines, ["b cache_ratio 1"]);
    assert_eq!(left, ["not_a_number: a", "not_a_map: model_ratio"]);
    // Where it is a value it needs nothing, and says what it is, also beside one that is no number.
    let (_, lines, left) = told(r#"{"data":{"model_ratio":{"a":NaN,"b":1e999,"ok":1}}}"#);
    assert_eq!(lines, ["ok model_ratio 1"]);
    assert_eq!(left, ["not_a_number: a", "too_large: b"]);
}

#[test]
fn of_a_name_that_is_there_twice_neither_value_is_taken() {
    let (_, lines, left) = told(&corpus("ratio_config/twice.json"));
    assert_eq!(lines, ["b model_ratio 2"]);
    assert_eq!(left, ["duplicate: a,cache_ratio"]);
    // Nor the good one of a good and a bad one, in either order, nor the third of three.
    for twice in [
        r#"{"a":"1","a":2}"#,
        r#"{"a":2,"a":null}"#,
        r#"{"a":2,"a":2,"a":2}"#,
    ] {
        let body = format!(r#"{{"data":{{"model_ratio":{{"x":1,{}}}}}"#, &twice[1..]);
        assert_eq!(told(&body).1, ["x model_ratio 1"], "{twice}");
    }
}

#[test]
fn names_are_kept_to_the_letter() {
    let (_, lines, left) = told(&corpus("ratio_config/names.json"));
    assert_eq!(
        lines,
        [
            " x  model_ratio 5",
            "a\"b\\c model_ratio 4",
            "café model_ratio 2",
            "vendor/m model_ratio 6",
            "🚀 model_ratio 3"
        ]
    );
    assert_eq!(left, ["empty_name: "]);
    let long = "x".repeat(1025);
    let (_, lines, left) = told(&format!(
        r#"{{"data":{{"model_ratio":{{"{long}":1,"{}":2}}}}}}"#,
        &long[1..]
    ));
    assert_eq!(lines.len(), 1);
    assert!(left[0].starts_with("name_too_long: xxx"));
}

#[test]
fn a_pricing_list_is_per_call_or_per_token() {
    let body = corpus("pricing/plain.json");
    let mut names = Names::new();
    let decoded = decode(&body, &mut names).expect("it is a list");
    assert_eq!(decoded.format, Format::Pricing);
    assert_eq!(
        lines(&names, &decoded.table),
        [
            "m1 completion_ratio 4",
            "m1 model_ratio 1.25",
            "p model_price 0.05"
        ]
    );
    assert_eq!(
        decoded.groups,
        BTreeMap::from([("default".to_owned(), 1.0), ("vip".to_owned(), 0.8)])
    );
    assert!(decoded.table.has_map(Field::ModelRatio));
    assert!(!decoded.table.has_map(Field::CacheRatio));
    assert_eq!(told(&corpus("pricing/all_fields.json")).1.len(), 9);
    let (_, lines, left) = told(&corpus("pricing/old_fork.json"));
    assert_eq!(lines, ["m completion_ratio 1", "m model_ratio 2"]);
    assert!(
        left.is_empty(),
        "null stands for an optional field left out"
    );
    let (format, lines, _) = told(&corpus("pricing/empty.json"));
    assert_eq!((format, lines.len()), (Format::Pricing, 0));
}

#[test]
fn an_odd_item_harms_nothing_but_itself() {
    let (_, lines, left) = told(&corpus("pricing/odd_items.json"));
    assert_eq!(lines, ["good completion_ratio 1", "good model_ratio 3"]);
    assert_eq!(
        left,
        [
            "duplicate: c,d",
            "not_a_number: b",
            "empty_name: ",
            "unknown_shape: [0],[1],[2],[3],[4],[6],a"
        ]
    );
}

#[test]
fn prices_by_group_are_recognised_and_refused() {
    assert_eq!(refusal(&corpus("pricing/grouped.json")).code(), "grouped");
}

#[test]
fn openrouter_has_dollars_per_token_as_texts() {
    let (format, lines, left) = told(&corpus("openrouter/plain.json"));
    assert_eq!(format, Format::OpenRouter);
    assert_eq!(
        lines,
        [
            "openai/gpt-4o cache_ratio 0.5",
            "openai/gpt-4o completion_ratio 4",
            "openai/gpt-4o model_ratio 1.25"
        ]
    );
    assert!(left.is_empty());
    let (_, lines, left) = told(&corpus("openrouter/free.json"));
    assert_eq!(lines, ["f model_ratio 0"]);
    assert_eq!(left, ["negative: auto"]);
    let (_, lines, left) = told(&corpus("openrouter/halves.json"));
    assert_eq!(lines, ["a completion_ratio 0", "a model_ratio 0.5"]);
    assert_eq!(
        left,
        [
            "not_a_number: a",
            "free_input: b",
            "no_price: c",
            "unknown_shape: d,e"
        ]
    );
    let (_, lines, left) = told(&corpus("openrouter/numbers.json"));
    assert_eq!(lines, ["t completion_ratio 2", "t model_ratio 0.5"]);
    assert_eq!(left, ["not_a_number: n,s"]);
    assert_eq!(
        refusal(&corpus("openrouter/twice.json")).code(),
        "nothing_usable"
    );
    assert_eq!(
        refusal(&corpus("openrouter/models_only.json")),
        NotAPriceList::UnknownShape
    );
}

#[test]
fn what_openrouter_asks_beside_input_output_and_the_cache_is_named() {
    let asks = [
        r#""input_cache_write":"0.00000375""#,
        r#""request":"0.01""#,
        r#""image":"0.001""#,
        r#""internal_reasoning":"0.000012""#,
        r#""web_search":0.01"#,
        r#""discount":-0.5"#,
        r#""tiers":[{"prompt":"1"}]"#,
    ];
    let nothing = [
        r#""image":"0""#,
        r#""request":"0.0","web_search":0"#,
        r#""audio":null,"tiers":[],"more":"""#,
    ];
    for (place, rest) in asks.iter().chain(&nothing).enumerate() {
        let list = format!(
            r#"{{"data":[{{"id":"m","pricing":{{"prompt":"0.000001",{rest},"completion":"0.000002"}}}}]}}"#
        );
        let (_, lines, left) = told(&list);
        assert_eq!(lines, ["m completion_ratio 2", "m model_ratio 0.5"]);
        let named: &[&str] = if place < asks.len() {
            &["part_left_out: m"]
        } else {
            &[]
        };
        assert_eq!(left, named, "{rest}");
    }
    // What is not taken is named for that alone.
    let list = r#"{"data":[{"id":"m","pricing":{"prompt":"-1","completion":"-1","image":"2"}},{"id":"n","pricing":{"prompt":"1","completion":"1"}}]}"#;
    assert_eq!(told(list).2, ["negative: m"]);
}

#[test]
fn the_makers_price_counts_then_the_majority_and_never_just_the_cheapest() {
    let body = corpus("models_dev/sellers.json");
    let mut names = Names::new();
    let decoded = decode(&body, &mut names).expect("it is a list");
    assert_eq!(decoded.format, Format::ModelsDev);
    assert_eq!(
        lines(&names, &decoded.table),
        ["gpt-x completion_ratio 4", "gpt-x model_ratio 1"]
    );
    let (gpt, odd) = (
        names.find("gpt-x").expect("known"),
        names.find("odd").expect("known"),
    );
    let sellers = &decoded.sellers;
    assert_eq!(sellers.choice(gpt), Some(Choice::Maker));
    assert_eq!(sellers.chosen(gpt), Some("openai"));
    assert_eq!(sellers.choice(odd), Some(Choice::Undecided));
    let offers: Vec<String> = sellers
        .offers(odd)
        .map(|offer| {
            let ratio = offer.values.get(Field::ModelRatio).expect("each has one");
            format!("{} {ratio}", offer.seller)
        })
        .collect();
    assert_eq!(offers, ["cheap 0.5", "other 1", "plan 0"]);
    let (_, lines, _) = told(&corpus("models_dev/majority.json"));
    assert_eq!(lines, ["m completion_ratio 2", "m model_ratio 1"]);
}

#[test]
fn others_do_not_stand_in_for_a_maker_whose_price_cannot_be_said() {
    let priced = |seller: &str| {
        format!(r#""{seller}/gpt-x":{{"litellm_provider":"{seller}","input_cost_per_token":1e-6}}"#)
    };
    let makers = |cost: &str| {
        let body = format!(
            r#"{{"gpt-x":{{"litellm_provider":"openai","mode":"chat"{cost}}},{},{}}}"#,
            priced("azure"),
            priced("resale")
        );
        let mut names = Names::new();
        let decoded = decode(&body, &mut names).expect("it is a list");
        let gpt = names.find("gpt-x").expect("known");
        let value = decoded.table.get(gpt, Field::ModelRatio).map(str::to_owned);
        (decoded.sellers.choice(gpt), value)
    };
    let half = Some("0.5".to_owned());
    assert_eq!(makers(""), (Some(Choice::Majority), half));
    let by_length = r#","input_cost_per_token":1e-6,"input_cost_per_token_above_200k_tokens":2e-6"#;
    assert_eq!(makers(by_length), (Some(Choice::Undecided), None));
}

#[test]
fn a_cost_that_cannot_be_said_is_named_by_its_seller() {
    let (_, lines, left) = told(&corpus("models_dev/odd_costs.json"));
    assert_eq!(lines, ["ok model_ratio 0.15"]);
    assert_eq!(
        left,
        [
            "not_a_number: p/text",
            "too_large: p/huge",
            "rounds_to_zero: p/tiny",
            "negative: p/neg",
            "free_input: p/freein",
            "no_price: p/noin,p/nocost,p/list",
            "empty_name: p/",
            "unknown_shape: p/x"
        ]
    );
    let (_, lines, left) = told(&corpus("models_dev/tiers.json"));
    assert_eq!(
        lines,
        ["gemini-x completion_ratio 8", "gemini-x model_ratio 0.625"]
    );
    assert_eq!(left, ["part_left_out: google/gemini-x"]);
    let (_, lines, left) = told(&corpus("models_dev/twice.json"));
    assert_eq!(lines, ["n model_ratio 0.5"]);
    assert_eq!(left, ["duplicate: m"]);
    assert_eq!(told(&corpus("models_dev/plain.json")).1.len(), 3);
}

#[test]
fn litellms_keys_are_names_and_behind_their_sellers_prefix_models() {
    let (format, lines, left) = told(&corpus("litellm/plain.json"));
    assert_eq!(format, Format::LiteLlm);
    assert_eq!(lines.len(), 3);
    assert!(left.is_empty());
    let body = corpus("litellm/prefixed.json");
    let mut names = Names::new();
    let decoded = decode(&body, &mut names).expect("it is a list");
    let value = |name: &str| {
        let model = names.find(name).expect("known");
        decoded
            .table
            .get(model, Field::ModelRatio)
            .map(str::to_owned)
    };
    let choice = |name: &str| decoded.sellers.choice(names.find(name).expect("known"));
    assert_eq!(value("azure/eu/gpt-4o").as_deref(), Some("1.375"));
    assert_eq!(value("gpt-4o").as_deref(), Some("1.25"));
    assert_eq!(choice("gpt-4o"), Some(Choice::Maker));
    assert_eq!(value("gemini-x").as_deref(), Some("0.5"));
    assert_eq!(value("resale/only-here").as_deref(), Some("0.5"));
    assert_eq!(value("only-here"), None);
    assert_eq!(choice("only-here"), Some(Choice::OnlyPrefixed));
}

#[test]
fn of_two_keys_of_one_seller_the_same_counts_whatever_was_read_before() {
    let entry = |key: &str, cost: &str| {
        format!(r#""{key}":{{"litellm_provider":"azure","input_cost_per_token":{cost}}}"#)
    };
    let body = format!(
        "{{{},{}}}",
        entry("azure/us/m", "2e-6"),
        entry("azure/eu/m", "1e-6")
    );
    for before in ["azure/us/m", "azure/eu/m"] {
        let mut names = Names::new();
        names.id(before);
        let decoded = decode(&body, &mut names).expect("it is a list");
        let model = names.find("m").expect("known");
        let offers: Vec<_> = decoded.sellers.offers(model).collect();
        assert_eq!(offers.len(), 1);
        assert_eq!(
            offers[0].values.get(Field::ModelRatio),
            Some("0.5"),
            "{before}"
        );
    }
}

#[test]
fn what_ratios_cannot_say_is_left_out_and_named() {
    let (_, lines, left) = told(&corpus("litellm/length_and_hour.json"));
    assert_eq!(lines, ["flat model_ratio 0.5"]);
    assert_eq!(
        left,
        ["priced_by_length: long,tiers", "priced_by_time: hour"]
    );
    let (_, lines, left) = told(&corpus("litellm/other_units.json"));
    assert_eq!(lines, ["img model_price 0.04"]);
    assert_eq!(left, ["other_unit: whisper-1,px,free-looking"]);
    let (_, lines, left) = told(&corpus("litellm/audio_and_images.json"));
    assert_eq!(
        lines,
        [
            "a audio_completion_ratio 2",
            "a audio_ratio 4",
            "a completion_ratio 2",
            "a create_cache_ratio 1.25",
            "a image_ratio 2",
            "a model_ratio 0.5",
            "tts audio_completion_ratio 12",
            "tts audio_ratio 1",
            "tts model_ratio 0.5"
        ]
    );
    assert_eq!(left, ["priced_apart: think"]);
    let (_, lines, left) = told(&corpus("litellm/odd.json"));
    assert_eq!(lines, ["ok model_ratio 0.5"]);
    assert_eq!(
        left,
        [
            "duplicate: d",
            "not_a_number: t",
            "rounds_to_zero: tiny",
            "negative: neg",
            "no_price: n",
            "unknown_shape: x"
        ]
    );
}

#[test]
fn what_is_no_price_list_says_why() {
    for (file, code) in [
        ("empty.json", "empty_body"),
        ("page.html", "html"),
        ("half.json", "cut_off"),
        ("refused.json", "refused"),
        ("null.json", "no_data"),
        ("error.json", "no_data"),
        ("list.json", "unknown_shape"),
    ] {
        let refused = refusal(&corpus(&format!("neither/{file}")));
        assert_eq!(refused.code(), code, "{file}");
        assert!(!refused.to_string().is_empty());
    }
    for (body, code) in [
        (r#"{"success":true,"data":"hello"}"#, "unknown_shape"),
        (r#"{"success":true,"data":{"foo":{}}}"#, "unknown_shape"),
        (r#"{"success":true,"data":[],"data":[]}"#, "unknown_shape"),
        (r#"{"success":null,"data":[]}"#, "refused"),
        (r#"{"success":true,"data":[]}x"#, "not_json"),
        (r#"{"success":true}"#, "no_data"),
        ("{}", "no_data"),
        (
            r#"{"data":{"model_ratio":{"a":5,"a":6}}}"#,
            "nothing_usable",
        ),
    ] {
        assert_eq!(refusal(body).code(), code, "{body}");
    }
    let nothing = refusal(r#"{"data":{"model_ratio":{"a":5,"a":6,"b":"1"}}}"#);
    assert_eq!(
        nothing.to_string(),
        r#"no entry of the list can be used; duplicate: "a"; not a number: "b""#
    );
    assert_eq!(
        refusal("{\"success\":false,\"message\":\"no\\u001b[31m\"}"),
        NotAPriceList::Refused {
            message: "no[31m".into()
        }
    );
}

#[test]
fn an_empty_map_is_a_list_that_has_nothing() {
    for body in [
        r#"{"success":true,"data":{"model_ratio":{}}}"#,
        r#"{"success":true,"data":{"model_ratio":[1,2]}}"#,
        "\u{feff}{\"data\":[]}",
    ] {
        let mut names = Names::new();
        let decoded = decode(body, &mut names).expect("it is a list");
        assert!(decoded.table.is_empty(), "{body}");
    }
    assert_eq!(
        told(r#"{"data":{"model_ratio":[1,2]}}"#).2,
        ["not_a_map: model_ratio"]
    );
}

#[test]
fn depth_length_and_the_number_of_models_are_bounded() {
    let nested = |levels: usize| {
        let (open, close) = ("[".repeat(levels), "]".repeat(levels));
        format!(r#"{{"data":{{"model_ratio":{{"a":1}},"x":{open}{close}}}}}"#)
    };
    assert_eq!(told(&nested(100)).1, ["a model_ratio 1"]);
    for levels in [129, 200_000] {
        let limit = 128;
        assert_eq!(refusal(&nested(levels)), NotAPriceList::TooDeep { limit });
        let data = format!(r#"{{"data":{}"#, "[".repeat(levels));
        assert!(decode(&data, &mut Names::new()).is_err());
        let value = format!(
            r#"{{"data":{{"model_ratio":{{"a":{}{}}}}}}}"#,
            "[".repeat(levels),
            "]".repeat(levels)
        );
        assert_eq!(refusal(&value), NotAPriceList::TooDeep { limit });
    }
    let many = |models: usize| {
        let items: Vec<String> = (0..models).map(|model| format!("\"{model}\":1")).collect();
        format!(r#"{{"data":{{"model_ratio":{{{}}}}}}}"#, items.join(","))
    };
    let mut names = Names::new();
    let body = many(MAX_MODELS);
    let decoded = decode(&body, &mut names).expect("as many as may be");
    assert_eq!(decoded.table.len(), MAX_MODELS);
    assert_eq!(refusal(&many(MAX_MODELS + 1)).code(), "too_many_models");
    let padded = |length: usize| {
        let body = r#"{"data":{"model_ratio":{"a":1}}}"#;
        format!("{body}{}", " ".repeat(length - body.len()))
    };
    assert_eq!(told(&padded(MAX_BYTES)).1, ["a model_ratio 1"]);
    assert_eq!(refusal(&padded(MAX_BYTES + 1)).code(), "too_long");
}

#[test]
fn twenty_names_are_told_and_all_are_counted() {
    let items: Vec<String> = (0..50).map(|n| format!("\"m{n}\":\"1\"")).collect();
    let body = format!(
        r#"{{"data":{{"model_ratio":{{"ok":1,{}}}}}}}"#,
        items.join(",")
    );
    let mut names = Names::new();
    let decoded = decode(&body, &mut names).expect("one entry is usable");
    let skips = decoded
        .skipped
        .get(SkipReason::NotANumber)
        .expect("counted");
    assert_eq!((skips.count, skips.names.len()), (50, 20));
}

#[test]
fn the_gateways_own_maps_keep_the_last_of_two_and_show_what_is_no_number() {
    let mut names = Names::new();
    let maps = [
        (Field::ModelRatio, r#"{"a":1,"a":1.50,"t":"15","n":null}"#),
        (Field::CacheRatio, " "),
        (Field::CompletionRatio, r#"{"a":2"#),
        (Field::BillingExpr, r#"{"a":"tier(\"x\", p)","b":7}"#),
        (Field::ImageRatio, "null"),
        (Field::AudioRatio, "[]"),
        // The gateway cannot read such a map either.
        (Field::AudioCompletionRatio, r#"{"a":NaN}"#),
    ];
    let local = local(&maps, &mut names);
    assert_eq!(
        lines(&names, &local.table),
        [
            "a billing_expr tier(\"x\", p)",
            "a completion_ratio 2",
            "a model_ratio 1.50",
            "b billing_expr 7",
            "n model_ratio null",
            "t model_ratio \"15\""
        ]
    );
    assert_eq!(
        local.unreadable,
        [
            Field::CompletionRatio,
            Field::AudioRatio,
            Field::AudioCompletionRatio
        ]
    );
    assert_eq!(local.odd.count(SkipReason::Duplicate), 1);
    assert!(local.table.has_map(Field::ModelRatio));
}

// What the gateway itself answered.

/// Numbers as they compare: 2 and 2.0 are one.
fn plain(value: &Value) -> Value {
    match value {
        Value::Number(number) => json!(number.as_f64()),
        Value::Array(list) => list.iter().map(plain).collect(),
        Value::Object(map) => {
            let entries = map.iter().map(|(key, value)| (key.clone(), plain(value)));
            Value::Object(entries.collect())
        }
        other => other.clone(),
    }
}

/// Our answer to a recorded request: the differences, and of each source whether it is a price list.
fn answer(recording: &Value) -> (Value, BTreeMap<String, bool>) {
    let mut names = Names::new();
    let maps: Vec<(Field, String)> = Field::ALL
        .iter()
        .map(|field| (*field, recording["local"][field.code()].to_string()))
        .collect();
    let maps: Vec<(Field, &str)> = (maps.iter())
        .map(|(field, map)| (*field, map.as_str()))
        .collect();
    let local = local(&maps, &mut names);
    let upstreams = recording["request"]["upstreams"]
        .as_array()
        .expect("a list");
    let mut read = Vec::new();
    let mut states = BTreeMap::new();
    for upstream in upstreams {
        let text = |key: &str| upstream[key].as_str().unwrap_or_default();
        let url = match text("endpoint") {
            "openrouter" => format!("{}/v1/models", text("base_url")),
            whole if whole.starts_with("http") => whole.to_owned(),
            endpoint => format!("{}{endpoint}", text("base_url")),
        };
        let path = url.splitn(4, '/').nth(3).expect("a path");
        let served = &recording["bodies"][format!("/{path}")];
        let name = match upstream["id"].as_i64() {
            None | Some(0) => text("name").to_owned(),
            Some(id) => format!("{}({id})", text("name")),
        };
        let decoded = (served["status"] == 200)
            .then(|| served["body"].as_str().expect("a text"))
            .and_then(|body| decode(body, &mut names).ok());
        states.insert(name.clone(), decoded.is_some());
        read.extend(decoded.map(|decoded| (name, decoded)));
    }
    let sources: Vec<SourceTable<'_>> = read
        .iter()
        .map(|(name, decoded)| SourceTable {
            name,
            table: &decoded.table,
        })
        .collect();
    let json = diff(&names, &local.table, &sources).json();
    (serde_json::from_str(&json).expect("it is JSON"), states)
}

#[test]
fn every_recording_of_the_gateway_holds() {
    let Some(folder) = shared("golden/ratio_sync") else {
        return;
    };
    let mut looked_at = 0;
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        let file = path.file_name().expect("a name").to_string_lossy();
        let text = std::fs::read_to_string(&path).expect("a file");
        let recording: Value = serde_json::from_str(&text).expect("it is JSON");
        let (differences, states) = answer(&recording);
        let mut expected = recording["response"]["data"]["differences"].clone();
        looked_at += 1;
        match &file[..2] {
            "09" => {
                let good: BTreeSet<&str> = states
                    .iter()
                    .filter(|(_, good)| **good)
                    .map(|(name, _)| name.as_str())
                    .collect();
                let stricter = ["bom(15)", "emptylist(11)", "nosuccess(7)", "notmap(9)"];
                assert_eq!(good, BTreeSet::from(stricter), "{file}");
                expected = json!({"a": {"model_ratio": {
                    "current": 1,
                    "upstreams": {"nosuccess(7)": 2, "bom(15)": 5},
                    "confidence": {"nosuccess(7)": true, "bom(15)": true},
                }}});
            }
            "11" => {
                // The maker's price is the gateway's own, so that it is no difference.
                let gone = expected
                    .as_object_mut()
                    .and_then(|map| map.remove("gpt-4o"));
                assert!(gone.is_some());
            }
            _ => {
                let results = recording["response"]["data"]["test_results"].as_array();
                for result in results.expect("a list") {
                    let name = result["name"].as_str().expect("a name");
                    let good = result["status"] == "success";
                    assert_eq!(states.get(name), Some(&good), "{file} {name}");
                }
            }
        }
        assert_eq!(plain(&differences), plain(&expected), "{file}");
    }
    assert!(looked_at >= 11);
}

#[test]
fn the_real_lists_are_read() {
    for (file, format, at_least) in [
        (
            "basellm-ratio_config-v1-base.json",
            Format::RatioConfig,
            276,
        ),
        ("models-dev-format.json", Format::ModelsDev, 300),
        ("litellm-model_prices.json", Format::LiteLlm, 3_000),
    ] {
        let Some(path) = shared(&format!("data/{file}")) else {
            continue;
        };
        let body = std::fs::read_to_string(path).expect("a file");
        let mut names = Names::new();
        let decoded = decode(&body, &mut names).expect("it is a list");
        assert_eq!(decoded.format, format);
        assert!(decoded.table.len() >= at_least, "{}", decoded.table.len());
        println!("{file}: {} models", decoded.table.len());
        for field in Field::ALL {
            println!("  {}: {}", field.code(), decoded.table.count(*field));
        }
        for (reason, skips) in decoded.skipped.iter() {
            let names = skips.names.join(" ");
            println!("  left out, {}: {} ({names})", reason.code(), skips.count);
        }
        for choice in [
            Choice::Maker,
            Choice::Majority,
            Choice::Undecided,
            Choice::OnlyPrefixed,
        ] {
            println!("  {}: {}", choice.code(), decoded.sellers.count(choice));
        }
        let undecided = decoded.sellers.iter();
        let undecided = undecided.filter(|(_, choice)| *choice == Choice::Undecided);
        for (model, _) in undecided.take(10) {
            let offers: Vec<String> = (decoded.sellers.offers(model))
                .map(|offer| {
                    let ratio = offer.values.get(Field::ModelRatio).unwrap_or("-");
                    format!("{} {ratio}", offer.seller)
                })
                .collect();
            println!("    {}: {}", names.text(model), offers.join(", "));
        }
        if format == Format::RatioConfig {
            assert_eq!(decoded.table.count(Field::ModelRatio), 276);
            assert_eq!(decoded.table.count(Field::CompletionRatio), 270);
            assert_eq!(decoded.table.count(Field::CacheRatio), 127);
            assert_eq!(decoded.table.count(Field::BillingExpr), 27);
            assert!(decoded.skipped.is_empty());
        } else {
            let gpt = names.find("o3").expect("known");
            assert_eq!(decoded.table.get(gpt, Field::ModelRatio), Some("1"));
            assert_eq!(decoded.table.get(gpt, Field::CompletionRatio), Some("4"));
        }
    }
}

// Whatever comes.

/// How many times the usual counts are asked for: `make soak` sets it.
fn soak() -> u32 {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}

fn corpora() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora");
    let mut files = Vec::new();
    for folder in std::fs::read_dir(folder).expect("a folder") {
        let folder = folder.expect("an entry").path();
        for file in std::fs::read_dir(folder).expect("a folder") {
            files.push(file.expect("an entry").path());
        }
    }
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("a file"))
        .collect()
}

/// What is put into a body to break it.
const SPLINTERS: &[&str] = &[
    "\"",
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    "null",
    "1e999",
    "-0",
    "-1",
    "1e-999",
    "\\",
    "\\u0000",
    "\\ud800",
    "\u{feff}",
    "é",
    "\"data\":",
    "\"model_name\":",
    "\"models\":{",
    "\"a\":1,",
    "NaN",
];

/// What holds for every body that is read at all.
fn check(body: &str) {
    let mut names = Names::new();
    match decode(body, &mut names) {
        Ok(decoded) => {
            for model in decoded.table.models() {
                let values = decoded.table.values(model);
                assert!(!values.is_empty());
                assert!(!names.text(model).is_empty());
                for (field, value) in values.iter() {
                    assert_eq!(decoded.table.get(model, field), Some(value));
                    assert!(
                        !field.is_number() || values.number(field).is_some(),
                        "{value}"
                    );
                }
            }
            for (_, skips) in decoded.skipped.iter() {
                assert!(skips.names.len() <= 20 && skips.count >= skips.names.len());
            }
            for (model, choice) in decoded.sellers.iter() {
                assert!(decoded.sellers.offers(model).count() > 0);
                let decided = matches!(choice, Choice::Maker | Choice::Majority);
                assert_eq!(decoded.sellers.chosen(model).is_some(), decided);
            }
        }
        Err(refused) => assert!(!refused.to_string().is_empty() || refused.code() == "refused"),
    }
}

#[test]
fn every_file_of_the_corpora_is_read_and_so_is_each_of_its_beginnings() {
    for body in corpora() {
        check(&body);
        for (end, _) in body.char_indices() {
            check(&body[..end]);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000 * soak(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_broken_body_makes_it_panic(
        file in any::<prop::sample::Index>(),
        cuts in prop::collection::vec(
            (any::<prop::sample::Index>(), 0_usize..12, prop::sample::select(SPLINTERS), any::<u8>()),
            1..6,
        ),
    ) {
        let files = corpora();
        let mut body = file.get(&files).clone().into_bytes();
        for (at, gone, splinter, byte) in cuts {
            let at = at.index(body.len() + 1);
            let to = (at + gone).min(body.len());
            match byte % 3 {
                0 => { body.splice(at..to, splinter.bytes()); }
                1 => { body.splice(at..at, splinter.bytes()); }
                _ if at < body.len() => body[at] = byte,
                _ => {}
            }
        }
        check(&String::from_utf8_lossy(&body));
    }
}

type Maps = BTreeMap<(String, Field), String>;

fn maps() -> impl Strategy<Value = Maps> {
    let model = prop::sample::select(&["a", "b", "c", "GPT", "x/y", "é\"", "long-name"][..]);
    let field = prop::sample::select(Field::ALL);
    let number = prop::sample::select(
        &[
            "1",
            "1.0",
            "2",
            "1.0000000005",
            "37.5",
            "0",
            "-1",
            "1e-7",
            "0.0000001",
            "100",
        ][..],
    );
    prop::collection::btree_map((model.prop_map(str::to_owned), field), number, 0..12).prop_map(
        |maps| {
            let text = |((model, field), number): ((String, Field), &str)| {
                ((model, field), number.to_owned())
            };
            maps.into_iter().map(text).collect()
        },
    )
}

fn table_of(names: &mut Names, maps: &Maps) -> Table<'static> {
    let mut table = Table::new();
    for ((model, field), value) in maps {
        table.set(names.id(model), *field, value);
    }
    table
}

/// The rules of the gateway, said plainly.
fn plain_differences(local: &Maps, sources: &[(String, Maps)]) -> Value {
    let equal = |field: Field, a: &String, b: &String| {
        let near = match (a.parse::<f64>(), b.parse::<f64>()) {
            (Ok(a), Ok(b)) => (a - b).abs() < 1e-9,
            _ => false,
        };
        a == b || (field.is_number() && near)
    };
    let print = |field: Field, value: &String| match value.parse::<f64>() {
        Ok(number) if field.is_number() => json!(number),
        _ => json!(value),
    };
    let differs = |at: &(String, Field), source: &Maps| match (local.get(at), source.get(at)) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(current), Some(value)) => !equal(at.1, current, value),
    };
    let all: BTreeSet<&(String, Field)> = (sources.iter())
        .flat_map(|(_, source)| source.keys())
        .collect();
    let kept: Vec<&(String, Maps)> = (sources.iter())
        .filter(|(_, source)| all.iter().any(|at| differs(at, source)))
        .collect();
    let mut told = json!({});
    for at in all {
        if !sources.iter().any(|(_, source)| differs(at, source)) {
            continue;
        }
        let (mut upstreams, mut confidence) = (json!({}), json!({}));
        for (name, source) in &kept {
            upstreams[name.as_str()] = match (local.get(at), source.get(at)) {
                (None, None) => json!("same"),
                (Some(_), None) => Value::Null,
                (Some(current), Some(value)) if equal(at.1, current, value) => json!("same"),
                (_, Some(value)) => print(at.1, value),
            };
            let is = |field, number: f64| {
                let value = source.get(&(at.0.clone(), field));
                value.is_some_and(|value| value.parse() == Ok(number))
            };
            let unset = is(Field::ModelRatio, 37.5)
                && source
                    .get(&(at.0.clone(), Field::CompletionRatio))
                    .is_some_and(|value| equal(Field::CompletionRatio, value, &"1".to_owned()));
            confidence[name.as_str()] = json!(!unset);
        }
        told[&at.0][at.1.code()] = json!({
            "current": local.get(at).map(|value| print(at.1, value)),
            "upstreams": upstreams,
            "confidence": confidence,
        });
    }
    told
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500 * soak(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn differences_are_those_of_the_rules_said_plainly(
        local in maps(),
        sources in prop::collection::vec(maps(), 0..4),
    ) {
        let sources: Vec<(String, Maps)> = (sources.into_iter().enumerate())
            .map(|(place, maps)| (format!("s{place}"), maps))
            .collect();
        let mut names = Names::new();
        let here = table_of(&mut names, &local);
        let tables: Vec<Table<'_>> = (sources.iter())
            .map(|(_, maps)| table_of(&mut names, maps))
            .collect();
        let given: Vec<SourceTable<'_>> = (sources.iter().zip(&tables))
            .map(|((name, _), table)| SourceTable { name, table })
            .collect();
        let differences = diff(&names, &here, &given);
        let told: Value = serde_json::from_str(&differences.json()).expect("it is JSON");
        prop_assert_eq!(plain(&told), plain(&plain_differences(&local, &sources)));
        prop_assert_eq!(differences.iter().count(), differences.len());
        prop_assert_eq!(differences.is_empty(), told == json!({}));
    }
}

// Memory.

/// Tells the child process which body to decode.
const CHILD: &str = "LOCKSTEP_TEST_BODY";
/// What 16 MiB of anything may take beside the body itself, in KiB.
const MOST: u64 = 128 << 10;

/// Bodies as long as may be, each bad in its own way.
fn worst(kind: &str) -> String {
    let mut body = String::with_capacity(MAX_BYTES);
    let mut fill = |open: &str, item: &dyn Fn(usize) -> String, most: usize, close: &str| {
        body.push_str(open);
        for n in 0..most {
            let item = item(n);
            if body.len() + item.len() + close.len() + 2 > MAX_BYTES {
                break;
            }
            if n > 0 {
                body.push(',');
            }
            body.push_str(&item);
        }
        body.push_str(close);
    };
    let all = usize::MAX;
    match kind {
        "maps" => {
            body.push_str(r#"{"data":{"#);
            for field in &Field::ALL[..8] {
                for n in 0..MAX_MODELS {
                    let end = if n == 0 {
                        format!("\"{}\":{{", field.code())
                    } else {
                        ",".to_owned()
                    };
                    body.push_str(&end);
                    body.push_str(&format!("\"{n:x}\":1"));
                }
                body.push_str("},");
            }
            body.pop();
            body.push_str("}}");
        }
        "pricing" => fill(
            r#"{"data":["#,
            &|n| {
                format!(
                    r#"{{"model_name":"{n:x}","model_ratio":1,"completion_ratio":1,"cache_ratio":1}}"#
                )
            },
            MAX_MODELS,
            "]}",
        ),
        "escapes" => fill(
            r#"{"data":{"billing_expr":{"#,
            &|n| format!(r#""\u0041{n:x}":"\n{}""#, "x".repeat(60)),
            MAX_MODELS,
            "}}}",
        ),
        "one text" => fill(
            r#"{"data":{"billing_expr":{"a":"\n"#,
            &|_| "x".repeat(1 << 20),
            all,
            r#""}}}"#,
        ),
        "long names" => fill(
            r#"{"data":{"model_ratio":{"#,
            &|n| format!(r#""{n:01000}":1"#),
            MAX_MODELS,
            "}}}",
        ),
        "twice" => fill(
            r#"{"data":{"model_ratio":{"#,
            &|_| r#""a":1"#.to_owned(),
            all,
            "}}}",
        ),
        "items" => fill(r#"{"data":["#, &|_| "[]".to_owned(), all, "]}"),
        "brackets" => fill(r#"{"data":{"x":"#, &|_| "[".repeat(1 << 16), all, ""),
        "litellm" => fill(
            "{",
            &|n| {
                format!(
                    r#""p/{n:x}":{{"litellm_provider":"p{n:x}","input_cost_per_token":1e-6,"output_cost_per_token":3e-6}}"#
                )
            },
            MAX_MODELS,
            "}",
        ),
        "models.dev" => fill(
            "{",
            &|n| {
                format!(
                    r#""{n:x}":{{"models":{{"{n:x}":{{"cost":{{"input":7,"output":3,"cache_read":1}}}}}}}}"#
                )
            },
            MAX_MODELS,
            "}",
        ),
        "sellers" => fill(
            "{",
            &|n| format!(r#""{n:x}":{{"models":{{"m":{{"cost":{{"input":{n}.5,"output":3}}}}}}}}"#),
            MAX_MODELS,
            "}",
        ),
        // The longest of them, copied.
        "no numbers" => fill(
            r#"{"a":NaN,"b":{"models":1e999},"#,
            &|n| {
                format!(
                    r#""p/{n:x}":{{"litellm_provider":"p{n:x}","input_cost_per_token":1e-6,"output_cost_per_token":3e-6}}"#
                )
            },
            MAX_MODELS,
            "}",
        ),
        // Copied, and then no list.
        "beyond" => fill("[NaN,", &|_| "1e999".to_owned(), all, "}"),
        _ => fill("{", &|n| format!(r#""{n:x}":1"#), all, "}"),
    }
    body
}

/// A line of this process' status, in KiB.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// Does its work only as a child of the next test.
#[test]
fn a_child_decodes_one_body_and_tells_its_peak() {
    let Ok(kind) = std::env::var(CHILD) else {
        return;
    };
    let body = worst(&kind);
    assert!(body.len() <= MAX_BYTES, "{kind}: {}", body.len());
    let before = status("VmRSS:").expect("it is there");
    let mut names = Names::new();
    let decoded = decode(&body, &mut names);
    let models = decoded.as_ref().map_or(0, |decoded| decoded.table.len());
    let peak = status("VmHWM:").expect("it is there");
    println!(
        "peak {} {models} {}",
        peak.saturating_sub(before),
        body.len()
    );
}

#[test]
fn sixteen_mebibytes_of_anything_take_at_most_128_beside_them() {
    if status("VmHWM:").is_none() {
        println!("this system does not tell a process' peak: not looked at");
        return;
    }
    for kind in [
        "maps",
        "pricing",
        "escapes",
        "one text",
        "long names",
        "twice",
        "items",
        "brackets",
        "litellm",
        "models.dev",
        "sellers",
        "strays",
        "no numbers",
        "beyond",
    ] {
        let child = std::process::Command::new(std::env::current_exe().expect("it has a path"))
            .args([
                "--exact",
                "a_child_decodes_one_body_and_tells_its_peak",
                "--nocapture",
            ])
            .env(CHILD, kind)
            .output()
            .expect("the child runs");
        let output = String::from_utf8_lossy(&child.stdout);
        let told = output.split("peak ").nth(1).expect("it tells its peak");
        let mut numbers = told.split_whitespace().map(|word| word.parse::<u64>());
        let peak = numbers.next().expect("a number").expect("a number");
        println!(
            "{kind}: {} MiB ({})",
            peak >> 10,
            told.lines().next().unwrap_or_default()
        );
        assert!(peak <= MOST, "{kind} took {peak} KiB");
    }
}
