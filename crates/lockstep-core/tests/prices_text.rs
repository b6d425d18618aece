//! The texts of prices: what an edit of a map leaves alone, and what expressions cost before and after they are scaled.

use std::collections::{BTreeMap, HashMap};

use lockstep_core::prices::expr::{Env, Expr, Tier, Unknown, Value, Var, Why};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::map_text::{Expected, MapText, Raw};
use lockstep_core::prices::usd::Usd;
use proptest::prelude::*;

/// How many times the usual number of cases; set by `make soak`.
fn soak() -> u32 {
    std::env::var("LOCKSTEP_SOAK")
        .ok()
        .and_then(|times| times.parse().ok())
        .unwrap_or(1)
}

fn map(text: &str) -> MapText {
    MapText::parse(text).expect("a map")
}

fn set(model: &str, raw: &str) -> (String, Option<Raw>) {
    (model.to_owned(), Some(Raw::parse(raw).expect("a value")))
}

fn remove(model: &str) -> (String, Option<Raw>) {
    (model.to_owned(), None)
}

fn edited(text: &str, edits: &[(String, Option<Raw>)]) -> String {
    map(text).edit(edits).text().to_owned()
}

const PRETTY: &str = "{\n  \"a\": 1.50,\n  \"b\": 1e-7,\n  \"c\": 2\n}\n";

#[test]
fn what_is_not_edited_stays_byte_for_byte() {
    assert_eq!(
        edited(PRETTY, &[set("c", "3")]),
        "{\n  \"a\": 1.50,\n  \"b\": 1e-7,\n  \"c\": 3\n}\n"
    );
    assert_eq!(
        edited(r#"{"\u0061":1,"b\/":2}"#, &[set("b/", "5")]),
        r#"{"\u0061":1,"b\/":5}"#
    );
}

#[test]
fn new_entries_come_last_in_the_maps_own_style() {
    let new = [set("d", "4"), set("é\"", "5")];
    assert_eq!(
        edited(PRETTY, &new),
        "{\n  \"a\": 1.50,\n  \"b\": 1e-7,\n  \"c\": 2,\n  \"d\": 4,\n  \"é\\\"\": 5\n}\n"
    );
    assert_eq!(edited(r#"{"a":1}"#, &new[..1]), r#"{"a":1,"d":4}"#);
    assert_eq!(edited(r#"{"a": 1}"#, &new[..1]), r#"{"a": 1, "d": 4}"#);
    assert_eq!(
        edited(r#"{"a": 1, "b": 2}"#, &new[..1]),
        r#"{"a": 1, "b": 2, "d": 4}"#
    );
    assert_eq!(
        edited("{\r\n\t\"a\" : 1\r\n}", &new[..1]),
        "{\r\n\t\"a\" : 1,\r\n\t\"d\" : 4\r\n}"
    );
    assert_eq!(edited("{}", &new[..1]), r#"{"d":4}"#);
    assert_eq!(edited("{\n}", &new[..1]), "{\n  \"d\": 4\n}");
}

#[test]
fn removing_any_entry_leaves_the_layout() {
    assert_eq!(
        edited(PRETTY, &[remove("a")]),
        "{\n  \"b\": 1e-7,\n  \"c\": 2\n}\n"
    );
    assert_eq!(
        edited(PRETTY, &[remove("c")]),
        "{\n  \"a\": 1.50,\n  \"b\": 1e-7\n}\n"
    );
    assert_eq!(
        edited(PRETTY, &[remove("a"), remove("b"), remove("c")]),
        "{}\n"
    );
    assert_eq!(edited(r#"{"a": 1, "b": 2}"#, &[remove("a")]), r#"{"b": 2}"#);
    assert_eq!(
        edited(r#"{"a": 1}"#, &[remove("a"), set("b", "2")]),
        r#"{"b": 2}"#
    );
}

#[test]
fn a_changed_duplicate_replaces_the_last_and_drops_the_earlier() {
    let text = r#"{"a":1,"b":2,"\u0061":3,"b":4}"#;
    assert_eq!(map(text).get("a"), Some("3"));
    assert_eq!(
        edited(text, &[set("a", "9")]),
        r#"{"b":2,"\u0061":9,"b":4}"#
    );
    assert_eq!(edited(text, &[remove("b")]), r#"{"a":1,"\u0061":3}"#);
}

#[test]
fn setting_what_is_there_changes_nothing() {
    for (text, edit) in [
        (r#"{"a": 1.50}"#, set("a", "1.5")),
        (r#"{"a": 1e-7}"#, set("a", "0.0000001")),
        (r#"{"a": 2, "a": 1}"#, set("a", "1.0")),
        (r#"{"a": "x\/y"}"#, set("a", "\"x/y\"")),
        (r#"{"a": 1}"#, remove("b")),
    ] {
        assert_eq!(edited(text, &[edit]), text);
    }
    assert_eq!(edited(r#"{"a":"15"}"#, &[set("a", "15")]), r#"{"a":15}"#);
    assert_eq!(
        edited(r#"{"a":1}"#, &[set("a", "2"), set("a", "1")]),
        r#"{"a":1}"#
    );
}

#[test]
fn anything_but_an_object_is_told_with_its_place() {
    for (text, at, expected) in [
        ("", 0, Expected::Object),
        ("[]", 0, Expected::Object),
        ("null", 0, Expected::Object),
        (" 1", 1, Expected::Object),
        ("\u{feff}{}", 0, Expected::Object),
        ("{} x", 3, Expected::End),
        ("{\"a\":1", 6, Expected::Comma),
        ("{\"a\":1,}", 7, Expected::Name),
        ("{\"a\":}", 5, Expected::Value),
        ("{\"a\":01}", 6, Expected::Comma),
        ("{\"a\":1.}", 7, Expected::Digit),
        ("{\"a\":NaN}", 5, Expected::Value),
        ("{\"a\" 1}", 5, Expected::Colon),
        ("{\"a", 3, Expected::Character),
        ("{\"\\x\":1}", 3, Expected::Character),
        ("{\"\\u12g4\":1}", 6, Expected::Character),
        ("{\"a\n\":1}", 3, Expected::Character),
        ("{a:1}", 1, Expected::Name),
    ] {
        let error = MapText::parse(text).expect_err(text);
        assert_eq!((error.at, error.expected), (at, expected), "{text}");
        assert_eq!(error.found, text[at..].chars().next(), "{text}");
    }
    let error = MapText::parse("{\n \"é\" 1}").expect_err("no colon");
    assert_eq!((error.line, error.column), (2, 6));
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(200), "]".repeat(200));
    let error = MapText::parse(&deep).expect_err("too deep");
    assert_eq!(error.expected, Expected::Shallower);
    let deep = format!("{{\"a\":{}", "[".repeat(200_000));
    assert!(MapText::parse(&deep).is_err());
}

#[test]
fn entries_that_would_make_models_free_are_named() {
    let text = r#"{"a":"15","b":2,"c":null,"d":true,"e":{},"f":1e400,"a":1,"g":-0.5e-3,"h":[1]}"#;
    assert_eq!(
        map(text).unwritable_entries(Field::ModelRatio),
        ["a", "c", "d", "e", "f", "h"]
    );
    assert_eq!(map(text).value_of("c", Field::ModelRatio), None);
    assert_eq!(map(text).value_of("f", Field::ModelRatio), None);
    assert_eq!(
        map(text).value_of("g", Field::ModelRatio).as_deref(),
        Some("-0.5e-3")
    );
    let text = r#"{"a":"tiered_expr","b":1,"c":"x\n\"y\""}"#;
    assert_eq!(map(text).unwritable_entries(Field::BillingExpr), ["b"]);
    assert_eq!(
        map(text).value_of("c", Field::BillingExpr).as_deref(),
        Some("x\n\"y\"")
    );
    assert_eq!(map(text).value_of("b", Field::BillingExpr), None);
}

#[test]
fn half_a_surrogate_pair_reads_as_in_the_gateway() {
    let map = map(r#"{"\ud83d\ude00":1,"\ud83dx":2,"\ude00\u0041":3}"#);
    assert_eq!(map.get("😀"), Some("1"));
    assert_eq!(map.get("\u{fffd}x"), Some("2"));
    assert_eq!(map.get("\u{fffd}A"), Some("3"));
}

#[test]
fn raw_values_are_exactly_one_value() {
    for text in ["1.50", "-0", "1e-7", "2E+3"] {
        assert_eq!(Raw::number(text).expect("a number").as_str(), text);
    }
    for text in [
        "", "+1", ".5", "1.", "01", "NaN", "1e400", "1 ", "\"1\"", "0x1",
    ] {
        assert_eq!(Raw::number(text), None, "{text}");
    }
    assert_eq!(Raw::text("a\"\n").as_str(), r#""a\"\n""#);
    assert_eq!(Raw::of(Field::ModelRatio, "x"), None);
    assert_eq!(Raw::of(Field::BillingMode, "x"), Raw::parse("\"x\""));
    assert_eq!(Raw::parse("1,2"), None);
    assert_eq!(Raw::parse(" 1"), None);
}

/// Names as a map may have them, with what they are.
const NAMES: &[(&str, &str)] = &[
    ("a", "a"),
    ("\\u0061", "a"),
    ("b", "b"),
    ("gpt-4o", "gpt-4o"),
    ("x/y", "x/y"),
    ("x\\/y", "x/y"),
    ("日本", "日本"),
    ("\\ud83d\\ude00", "😀"),
    ("😀", "😀"),
    ("", ""),
    ("q\\\"}{,:", "q\"}{,:"),
    ("new\\nline", "new\nline"),
    (" A ", " A "),
];

const VALUES: &[&str] = &[
    "1",
    "1.50",
    "1.5",
    "0",
    "-0",
    "1e-7",
    "2E+3",
    "37.5",
    "\"15\"",
    "null",
    "true",
    "{\"a\" : [1, 2]}",
    "\"p * 2 + \\\"c\\\"\"",
    "[]",
    "\"\\u00e9\"",
    "0.1234567890123456789",
];

const SPACES: &[&str] = &["", "", " ", "\n", "\n  ", "\r\n\t"];

/// An entry: its name's place in [`NAMES`], its value, and the spaces before the name, either side of the colon, and
/// behind the value.
type Drawn = (usize, &'static str, [&'static str; 4]);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let space = || proptest::sample::select(SPACES);
    let entry = (
        0..NAMES.len(),
        proptest::sample::select(VALUES),
        [space(), space(), space(), space()],
    );
    proptest::collection::vec(entry, 0..9)
}

fn edits() -> impl Strategy<Value = Vec<(String, Option<Raw>)>> {
    let value = proptest::option::of(proptest::sample::select(VALUES));
    let edit = (0..NAMES.len(), value).prop_map(|(name, value)| {
        let raw = value.map(|value| Raw::parse(value).expect("a value"));
        (NAMES[name].1.to_owned(), raw)
    });
    proptest::collection::vec(edit, 0..6)
}

fn bytes_of(entry: &Drawn) -> String {
    let (name, value, spaces) = entry;
    format!("\"{}\"{}:{}{value}", NAMES[*name].0, spaces[1], spaces[2])
}

fn written(entries: &[Drawn]) -> String {
    let entries: Vec<String> = entries
        .iter()
        .map(|entry| format!("{}{}{}", entry.2[0], bytes_of(entry), entry.2[3]))
        .collect();
    format!(" {{{}}}\n", entries.join(","))
}

/// What a map says, numbers as numbers.
fn said(text: &str) -> BTreeMap<String, String> {
    let read: BTreeMap<String, serde_json::Value> = serde_json::from_str(text).expect("JSON");
    read.into_iter()
        .map(|(name, value)| {
            let number = value.as_f64().map(|number| format!("{:?}", number + 0.0));
            (name, number.unwrap_or_else(|| value.to_string()))
        })
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000 * soak(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_edited_map_says_what_the_edits_say_and_keeps_the_rest(entries in drawn(), edits in edits()) {
        let text = written(&entries);
        let before = map(&text);
        prop_assert_eq!(before.text(), &text);
        let after = before.edit(&edits);
        let mut wanted = said(&text);
        for (model, value) in &edits {
            match value {
                Some(value) => {
                    let one = format!("{{\"x\":{}}}", value.as_str());
                    wanted.insert(model.clone(), said(&one)["x"].clone());
                }
                None => {
                    wanted.remove(model);
                }
            }
        }
        prop_assert_eq!(said(after.text()), wanted);
        let mut from = 0;
        for entry in &entries {
            if edits.iter().any(|(model, _)| model == NAMES[entry.0].1) {
                continue;
            }
            let bytes = bytes_of(entry);
            let found = after.text()[from..].find(&bytes);
            prop_assert!(found.is_some(), "{bytes} is not in {}", after.text());
            from += found.unwrap_or(0) + bytes.len();
        }
        // The places that an edit leaves behind are those that reading finds.
        let read = map(after.text());
        prop_assert!(after.entries().eq(read.entries()));
        for (_, name) in NAMES {
            prop_assert_eq!(after.get(name), read.get(name));
        }
    }

    /// Holds for maps that name nothing twice, are not empty (or have nothing between their braces), where entries
    /// were changed or added but none was removed.
    #[test]
    fn an_edit_and_its_inverse_give_the_first_text(mut entries in drawn(), edits in edits()) {
        let mut seen = std::collections::BTreeSet::new();
        entries.retain(|entry| seen.insert(NAMES[entry.0].1));
        let before = map(&written(&entries));
        let edits: Vec<_> = edits.into_iter().filter(|(_, value)| value.is_some()).collect();
        let after = before.edit(&edits);
        let inverse: Vec<_> = edits
            .iter()
            .map(|(model, _)| {
                let old = before.get(model).map(|raw| Raw::parse(raw).expect("a value"));
                (model.clone(), old)
            })
            .collect();
        let again = after.edit(&inverse);
        prop_assert_eq!(again.text(), before.text());
    }

    #[test]
    fn reading_agrees_with_serde_and_never_panics(text in "[{}\\[\\]\":,\\\\ u01.eE+\\-tfn\\na\u{e9}]{0,24}", cut in 0usize..400, entries in drawn()) {
        type Read = HashMap<String, Box<serde_json::value::RawValue>>;
        // serde refuses half of a surrogate pair, which the gateway takes.
        let entries: Vec<Drawn> = entries
            .into_iter()
            .filter(|entry| !NAMES[entry.0].0.contains("\\ud"))
            .collect();
        let whole = written(&entries);
        let cut = whole.char_indices().map(|(at, _)| at).nth(cut).unwrap_or(whole.len());
        let inside = format!("{{\"a\":{text}}}");
        let inserted = format!("{}{text}{}", &whole[..cut], &whole[cut..]);
        for text in [&text, &inside, &whole[..cut], &inserted] {
            let ours = MapText::parse(text);
            prop_assert_eq!(ours.is_ok(), serde_json::from_str::<Read>(text).is_ok(), "{}", text);
            if let Err(error) = ours {
                prop_assert!(text.is_char_boundary(error.at));
            }
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..64), factor in any::<f64>()) {
        let text = String::from_utf8_lossy(&bytes);
        let _ = MapText::parse(&text);
        let _ = Raw::parse(&text);
        let _ = Expr::parse(&text);
        let _ = Expr::scaled(&text, factor);
    }

    #[test]
    fn words_in_any_order_never_panic(words in proptest::collection::vec(proptest::sample::select(WORDS), 0..24), factor in 0.001f64..1000.0) {
        let text = words.join(" ");
        match Expr::parse(&text) {
            Ok(expr) => {
                let _ = expr.eval(&Env::default());
                prop_assert!(!expr.tiers().is_empty());
                prop_assert!(Expr::scaled(&text, factor).is_ok(), "{}", text);
            }
            Err(error) => prop_assert!(text.is_char_boundary(error.at)),
        }
    }
}

const WORDS: &[&str] = &[
    "p",
    "c",
    "len",
    "cr",
    "2",
    "0.5",
    "1e9",
    "\"a\"",
    "+",
    "-",
    "*",
    "/",
    "%",
    "**",
    "??",
    "?",
    ":",
    "(",
    ")",
    "[",
    "]",
    ",",
    "not",
    "in",
    "and",
    "<",
    "<=",
    "==",
    "nil",
    "true",
    "tier(\"x\",",
    "max(",
    "param(\"n\")",
    "hour(\"UTC\")",
    "ceil(",
];

fn unknown(text: &str) -> Unknown {
    Expr::parse(text).expect_err(text)
}

/// Expressions of every shape that the gateway's console writes, and some that people write.
const KNOWN: &[&str] = &[
    r#"tier("base", p * 2.5 + c * 15 + cr * 0.25)"#,
    r#"v1:len <= 200000 ? tier("standard", p * 3 + c * 15 + cr * 0.3 + cc * 3.75 + cc1h * 6) : tier("long", p * 6 + c * 22.5)"#,
    r#"tier("base", p * 0.43 + c * 3.06 + img * 0.78 + ai * 3.81 + ao * 15.11 + img_o * 30)"#,
    r#"(tier("base", p * 2)) * (param("service_tier") == "fast" ? 2 : 1) * (has(header("anthropic-beta"), "fast-mode") ? 2.5 : 1)"#,
    "p < 32000 && c < 200 ? tier('short', (p)*2 + c*8) :\n\tp < 32000 and not (c < 200) ? tier('long', p*3) :\n\ttier(`rest`, max(p, c) * 4) // the rest",
    r#"tier("night", p * (hour("Asia/Shanghai") in [0, 1, 2] || weekday("UTC") % 6 == 0 ? 0.5 : 1.0))"#,
    r#"p ** 0.5 + ceil(c / 1_000) * .5 + (param("n") ?? 1) * 1e3 - abs(-cr)"#,
    r#"tier("x", 0 < len <= 1000 ? p : min(p, 5.5)) * (header("user-agent") matches "^curl/" ? 1 : 2.0) /* by hand */"#,
    r#"param("model") not in ["a", 'b'] and !(param("x") startsWith "y") ? p : c * 2"#,
];

#[test]
fn the_gateways_expressions_are_known() {
    for text in KNOWN {
        if let Err(error) = Expr::parse(text) {
            panic!("{error}: {text}");
        }
    }
}

#[test]
fn the_expressions_of_the_official_list_are_known() {
    let path = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../../shared/data/basellm-ratio_config-v1-base.json"
    );
    let Ok(text) = std::fs::read_to_string(path) else {
        println!("{path} is absent");
        return;
    };
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let expressions = list["data"]["billing_expr"]
        .as_object()
        .expect("expressions");
    assert_eq!(expressions.len(), 27);
    for (model, text) in expressions {
        let text = text.as_str().expect("a text");
        let expr = Expr::parse(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        let tiers = expr.tiers();
        assert!(tiers.len() >= 2, "{model}");
        let dear = Expr::scaled(text, 1.3).expect("scaled");
        assert!(!dear.starts_with('('), "{dear}");
        let dear = Expr::parse(&dear).expect("known").tiers();
        for (tier, dear) in tiers.iter().zip(dear) {
            assert_eq!(tier.name, dear.name);
            for (old, new) in [
                (tier.price.input, dear.price.input),
                (tier.price.output, dear.price.output),
                (tier.price.cache_read, dear.price.cache_read),
                (tier.price.cache_write, dear.price.cache_write),
            ] {
                assert_eq!(old.is_some(), new.is_some());
                let (old, new) = (old.unwrap_or(0.0), new.unwrap_or(0.0));
                assert!((old * 1.3 - new).abs() <= 1e-9 * new.abs(), "{model}");
            }
            assert!(tier.price.input > Some(0.0) && tier.price.output > Some(0.0));
        }
    }
}

#[test]
fn what_the_gateway_could_not_compile_is_unknown_with_its_place() {
    for (text, at, why) in [
        ("", 0, Why::Empty),
        ("v1: ", 4, Why::Empty),
        ("v2:p", 0, Why::Name),
        ("q * 2", 0, Why::Name),
        ("p * image_count", 4, Why::Name),
        ("p * fixed(2)", 4, Why::Function),
        ("p(2)", 0, Why::Function),
        ("len(\"x\")", 0, Why::Function),
        ("_trace(0)", 0, Why::Function),
        ("tier(\"x\")", 0, Why::Arguments),
        ("max(p, c, cr)", 0, Why::Arguments),
        ("p +", 3, Why::Unexpected),
        ("p + * c", 4, Why::Unexpected),
        ("(p", 2, Why::Unexpected),
        ("p)", 1, Why::Unexpected),
        ("p c", 2, Why::Unexpected),
        ("p ? 1", 5, Why::Unexpected),
        ("param(\"a\")[0]", 10, Why::Unexpected),
        ("p * 2 ||| when(1)", 8, Why::Character),
        ("p == c == cr", 7, Why::Unexpected),
        ("p.x", 1, Why::Character),
        ("p ?.5 : 1", 2, Why::Character),
        ("p = 2", 2, Why::Character),
        ("p; c", 1, Why::Character),
        ("p * 2x", 4, Why::Number),
        ("1..2", 0, Why::Number),
        ("p * 1e999", 4, Why::Number),
        ("p * 99999999999999999999", 4, Why::Number),
        ("tier(\"x, p)", 5, Why::Unterminated),
        ("p /* 2", 2, Why::Unterminated),
        ("tier(\"\\q\", p)", 6, Why::Escape),
        ("p * \"2\"", 0, Why::Types),
        ("tier(p, \"x\")", 0, Why::Types),
        ("tier(\"x\", hour(\"UTC\"))", 0, Why::Types),
        ("p % 2", 0, Why::Types),
        ("p ? 1 : 2", 0, Why::Types),
        ("not p == 1 ? 1 : 2", 0, Why::Types),
        ("p in \"abc\" ? 1 : 2", 0, Why::Types),
        ("header(\"x\") matches \"(\" ? 1 : 2", 0, Why::Pattern),
        ("p > 2", 0, Why::Result),
        ("\"x\"", 0, Why::Result),
        ("[p]", 0, Why::Result),
    ] {
        assert_eq!(unknown(text), Unknown { at, why }, "{text}");
    }
    let mixed = unknown("param(\"n\") ?? 1 * 2");
    assert_eq!(mixed.why, Why::Unexpected);
}

#[test]
fn depth_and_length_are_bounded() {
    let nested = |depth: usize| format!("{}p{}", "(".repeat(depth), ")".repeat(depth));
    assert!(Expr::parse(&nested(60)).is_ok());
    assert_eq!(unknown(&nested(64)).why, Why::TooDeep);
    assert_eq!(unknown(&nested(8000)).why, Why::TooDeep);
    assert_eq!(unknown(&"-".repeat(9000)).why, Why::TooDeep);
    let sum = |terms: usize| vec!["p"; terms].join("+");
    assert!(Expr::parse(&sum(60)).is_ok());
    assert_eq!(unknown(&sum(8000)).why, Why::TooDeep);
    assert_eq!(unknown(&" ".repeat(20_000)).why, Why::TooLong);
}

fn env(tokens: &[(Var, f64)]) -> Env {
    let mut env = Env::default();
    for (var, count) in tokens {
        env.tokens[var.index()] = *count;
    }
    env
}

fn value(text: &str, env: &Env) -> Option<f64> {
    Expr::parse(text).expect(text).eval(env)
}

#[test]
fn operators_bind_as_in_the_gateway() {
    let mut call = env(&[(Var::P, 7.0), (Var::C, 3.0)]);
    call.params.insert("fast".into(), Value::Bool(true));
    call.params.insert("kind".into(), Value::Text("xy".into()));
    call.headers.insert("beta".into(), "a,fast".into());
    call.clock.hour = 5;
    for (text, wanted) in [
        ("1 + 2 * 3", 7.0),
        ("-2 ** 2", -4.0),
        ("2 ** 3 ** 2", 512.0),
        ("2 ^ -1", 0.5),
        ("7 - 2 - 1", 4.0),
        ("8 / 2 / 2", 2.0),
        ("7 % 4 * 2", 6.0),
        ("2 * (param(\"no\") ?? 3)", 6.0),
        ("2 * param(\"no\") ?? 3", 6.0),
        ("param(\"no\") == nil ? 1 : 2", 1.0),
        ("p > 5 || c / 0 > 1 && false ? 1 : 2", 1.0),
        ("p > 9 ? 1 : c > 2 ? 2 : 3", 2.0),
        ("1 < c < 3 ? 1 : 2", 2.0),
        ("not (p == 7) ? 1 : 2", 2.0),
        ("param(\"fast\") == true ? 1.5 : 1", 1.5),
        ("param(\"kind\") in [\"xy\", 3] ? 1 : 2", 1.0),
        ("param(\"kind\") not contains 'z' ? 1 : 2", 1.0),
        ("has(header(\" BETA \"), \"fast\") ? 1 : 2", 1.0),
        ("hour(\"UTC\") in [4, 5] ? 1 : 2", 1.0),
        ("max(p, c) - min(p, c) + floor(p / 2) + ceil(c / 2)", 9.0),
        ("\"a\" + 'b' == `ab` ? 0x10 : 0", 16.0),
        ("tier(\"x\", p * 2) + 1", 15.0),
    ] {
        assert_eq!(value(text, &call), Some(wanted), "{text}");
    }
    assert_eq!(value("param(\"no\") * 2", &call), None);
    assert_eq!(value("hour(\"UTC\") % 0", &call), None);
}

/// Name, input, output, cache read, cache write, per call.
type Told<'a> = (
    &'a str,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
    Option<f64>,
);

#[test]
fn tiers_tell_the_plain_prices() {
    let case = |text: &str, wanted: &[Told<'_>]| {
        let tiers = Expr::parse(text).expect(text).tiers();
        let told: Vec<Told<'_>> = tiers
            .iter()
            .map(|tier| {
                let usd = tier.price;
                let Usd {
                    input,
                    output,
                    cache_read,
                    cache_write,
                    per_call,
                } = usd;
                (
                    &*tier.name,
                    input,
                    output,
                    cache_read,
                    cache_write,
                    per_call,
                )
            })
            .collect();
        assert_eq!(told, wanted, "{text}");
    };
    let some = |number: f64| Some(number);
    case(
        KNOWN[1],
        &[
            (
                "standard",
                some(3.0),
                some(15.0),
                some(0.3),
                some(3.75),
                None,
            ),
            // It names cache tokens elsewhere, so that here they are no part of the input and free.
            ("long", some(6.0), some(22.5), some(0.0), some(0.0), None),
        ],
    );
    case(
        KNOWN[3],
        &[("base", some(2.0), some(0.0), None, None, None)],
    );
    case(
        "p * 2 + c * 4 / 2 - (-p)",
        &[("", some(3.0), some(2.0), None, None, None)],
    );
    case(
        "len > 5 ? p : c * 2",
        &[
            ("", some(1.0), some(0.0), None, None, None),
            ("", some(0.0), some(2.0), None, None, None),
        ],
    );
    case(
        "(tier(\"x\", p * 2 + 500000)) * 1.5 / 3",
        &[("x", some(1.0), some(0.0), None, None, some(0.25))],
    );
    case(
        "tier(\"x\", p * p + c * 2 + ceil(cr))",
        &[("x", None, some(2.0), None, None, None)],
    );
    case(
        "tier(\"x\", p * 2) * hour(\"UTC\")",
        &[("x", None, some(0.0), None, None, None)],
    );
    case(
        "ceil(tier(\"x\", p * 2))",
        &[("x", None, some(0.0), None, None, None)],
    );
    case(
        "ceil(tier(\"x\", p * 0 + 0.5)) + max(2, 3) * p",
        &[("x", some(3.0), some(0.0), None, None, some(1e-6))],
    );
    case(
        "max(2, 3) * p + c * min(8, 0) - abs(-1) * p",
        &[("", some(2.0), some(0.0), None, None, None)],
    );
    // What stands beside a tier, or is asked for the whole input, is a part of the price.
    case(
        "tier(\"x\", p * 2 + cr * 0.5) + len * 1 + c * 8",
        &[("x", some(3.0), some(8.0), some(1.5), None, None)],
    );
    // A condition inside a tier makes two of it.
    case(
        "tier(\"x\", p * (len > 5 ? 4 : 2)) * (param(\"n\") == 1 ? 3 : 1)",
        &[
            ("x", some(4.0), some(0.0), None, None, None),
            ("x", some(2.0), some(0.0), None, None, None),
        ],
    );
    let many = "(p > 5 ? p : c)".repeat(7).replace(")(", ") + (");
    case(&many, &[("", None, None, None, None, None)]);
}

#[test]
fn scaling_multiplies_the_prices_where_they_stand() {
    for (text, factor, wanted) in [
        (
            "tier(\"a\", p * 2 + c * 0.1)",
            1.5,
            "tier(\"a\", p * 3 + c * 0.15)",
        ),
        (
            "v1: len <= 9 ? tier('a', 2*p) : tier('b', p*4)",
            0.5,
            "v1: len <= 9 ? tier('a', 1*p) : tier('b', p*2)",
        ),
        ("p * 0.1", 3.0, "p * 0.3"),
        ("p*(2) + c", 3.0, "p*6 + c * 3"),
        ("p / 4 - c / 2", 3.0, "p * 3 / 4 - c * 3 / 2"),
        (
            "(tier(\"a\", p * 2)) * (param(\"x\") == \"fast\" ? 6 : 1)",
            2.0,
            "(tier(\"a\", p * 4)) * (param(\"x\") == \"fast\" ? 6 : 1)",
        ),
        (
            "p * (hour(\"UTC\") > 3 ? 2 : 1)",
            2.0,
            "p * 2 * (hour(\"UTC\") > 3 ? 2 : 1)",
        ),
        ("tier(\"a\", ceil(p))", 1.5, "(tier(\"a\", ceil(p))) * 1.5"),
        ("v1:p ** 2 // squared", 2.0, "v1:(p ** 2) * 2 // squared"),
        (
            "(tier(\"a\", ceil(p))) * 1.5",
            2.0,
            "(tier(\"a\", ceil(p))) * 3",
        ),
        // What was begun inside is left as it was where the other factor has to do.
        (
            "tier(\"a\", p * 2 + ceil(c)) * 3",
            2.0,
            "tier(\"a\", p * 2 + ceil(c)) * 6",
        ),
        ("max(p * 2, 100)", 2.0, "max(p * 4, 200.0)"),
        ("tier(\"free\", 0)", 2.0, "tier(\"free\", 0.0)"),
        ("p * 3", 1e-7, "p * 3e-7"),
        ("p * 3", 1e15, "p * 3e15"),
        ("p * 1", 1.0 / 3.0, "p * 0.3333333333"),
        (" p*2.50 ", 1.0, " p*2.50 "),
    ] {
        assert_eq!(Expr::scaled(text, factor).as_deref(), Ok(wanted), "{text}");
    }
    for factor in [0.0, -1.0, f64::NAN, f64::INFINITY] {
        let error = Expr::scaled("p", factor).expect_err("no factor");
        assert_eq!(error.why, Why::Factor);
    }
    assert!(Expr::scaled("p +", 1.0).is_err());
}

/// An expression as a tree of its own, reckoned without the parser.
#[derive(Clone, Debug)]
enum Tree {
    Number(&'static str),
    Price(Var, &'static str),
    Var(Var),
    Add(Box<Tree>, Box<Tree>),
    Sub(Box<Tree>, Box<Tree>),
    Times(Box<Tree>, &'static str),
    Mul(Box<Tree>, Box<Tree>),
    Div(Box<Tree>, &'static str),
    Minus(Box<Tree>),
    Call(&'static str, Box<Tree>, Box<Tree>),
    Tier(Box<Tree>),
    If(Var, &'static str, Box<Tree>, Box<Tree>),
    Surcharge(Box<Tree>, &'static str),
}

impl Tree {
    fn text(&self) -> String {
        match self {
            Self::Number(number) => (*number).to_owned(),
            Self::Price(var, number) => format!("{} * {number}", var.code()),
            Self::Var(var) => var.code().to_owned(),
            Self::Add(l, r) => format!("({} + {})", l.text(), r.text()),
            Self::Sub(l, r) => format!("({}-({}))", l.text(), r.text()),
            Self::Times(l, number) => format!("({}) * {number}", l.text()),
            Self::Mul(l, r) => format!("({}) * ({})", l.text(), r.text()),
            Self::Div(l, number) => format!("({}) / {number}", l.text()),
            Self::Minus(part) => format!("-({})", part.text()),
            Self::Call(name, l, r) if matches!(*name, "max" | "min") => {
                format!("{name}({}, {})", l.text(), r.text())
            }
            Self::Call(name, l, _) => format!("{name}({})", l.text()),
            Self::Tier(part) => format!("tier('t', {})", part.text()),
            Self::If(var, number, l, r) => {
                format!("({} <= {number} ? {} : {})", var.code(), l.text(), r.text())
            }
            Self::Surcharge(part, number) => {
                format!(
                    "({}) * (param(\"x\") == \"y\" ? {number} : 1.0)",
                    part.text()
                )
            }
        }
    }

    /// The value, and how large the numbers were on the way to it.
    fn value(&self, env: &Env) -> (f64, f64) {
        let number = |text: &str| text.replace('_', "").parse::<f64>().expect("a number");
        let of = |var: &Var| env.tokens[var.index()];
        match self {
            Self::Number(text) => (number(text), number(text)),
            Self::Price(var, text) => (of(var) * number(text), of(var) * number(text)),
            Self::Var(var) => (of(var), of(var)),
            Self::Add(l, r) => {
                let (l, r) = (l.value(env), r.value(env));
                (l.0 + r.0, l.1 + r.1)
            }
            Self::Sub(l, r) => {
                let (l, r) = (l.value(env), r.value(env));
                (l.0 - r.0, l.1 + r.1)
            }
            Self::Mul(l, r) => {
                let (l, r) = (l.value(env), r.value(env));
                (l.0 * r.0, l.1 * r.1)
            }
            Self::Times(part, text) => {
                let part = part.value(env);
                (part.0 * number(text), part.1 * number(text))
            }
            Self::Div(part, text) => {
                let part = part.value(env);
                (part.0 / number(text), part.1 / number(text))
            }
            Self::Minus(part) => {
                let part = part.value(env);
                (-part.0, part.1)
            }
            Self::Call(name, l, r) => {
                let (l, r) = (l.value(env), r.value(env));
                match *name {
                    "max" => (l.0.max(r.0), l.1 + r.1),
                    "min" => (l.0.min(r.0), l.1 + r.1),
                    "abs" => (l.0.abs(), l.1),
                    _ => (l.0.ceil(), l.1 + 1.0),
                }
            }
            Self::Tier(part) => part.value(env),
            Self::If(var, text, l, r) => {
                if of(var) <= number(text) {
                    l.value(env)
                } else {
                    r.value(env)
                }
            }
            Self::Surcharge(part, text) => {
                let part = part.value(env);
                let times = if env.params.is_empty() {
                    1.0
                } else {
                    number(text)
                };
                (part.0 * times, part.1 * times)
            }
        }
    }
}

fn tree() -> impl Strategy<Value = Tree> {
    const FLOATS: &[&str] = &[
        "0.3", "1.25", "2.0", "1e-7", "30.0", ".5", "1_000.0", "0.008887", "0.0",
    ];
    let float = || proptest::sample::select(FLOATS);
    let price = || proptest::sample::select(&["2", "0.25", "15", "0.002962", "1e-3", "180"][..]);
    let divisor = || proptest::sample::select(&["3", "1_000", "0.7"][..]);
    let var = || proptest::sample::select(Var::ALL);
    let leaf = prop_oneof![
        1 => float().prop_map(Tree::Number),
        1 => var().prop_map(Tree::Var),
        4 => (var(), price()).prop_map(|(var, price)| Tree::Price(var, price)),
    ];
    leaf.prop_recursive(5, 24, 2, move |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            4 => (boxed(), boxed()).prop_map(|(l, r)| Tree::Add(l, r)),
            1 => (boxed(), boxed()).prop_map(|(l, r)| Tree::Sub(l, r)),
            1 => (boxed(), boxed()).prop_map(|(l, r)| Tree::Mul(l, r)),
            1 => (boxed(), price()).prop_map(|(part, by)| Tree::Times(part, by)),
            1 => (boxed(), divisor()).prop_map(|(part, by)| Tree::Div(part, by)),
            1 => boxed().prop_map(Tree::Minus),
            2 => (proptest::sample::select(&["max", "min", "abs", "ceil"][..]), boxed(), boxed())
                .prop_map(|(name, l, r)| Tree::Call(name, l, r)),
            2 => boxed().prop_map(Tree::Tier),
            2 => (var(), float(), boxed(), boxed()).prop_map(|(var, bound, l, r)| Tree::If(var, bound, l, r)),
            1 => (boxed(), float()).prop_map(|(part, by)| Tree::Surcharge(part, by)),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000 * soak(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_scaled_expression_costs_so_many_times_as_much(
        tree in tree(),
        version in any::<bool>(),
        factor in prop_oneof![Just(1.0), Just(7.2), Just(0.5), Just(1.0 / 3.0), 0.001f64..1000.0],
        tokens in proptest::array::uniform10(prop_oneof![Just(0.0), (0u32..400_000).prop_map(f64::from)]),
        asked in any::<bool>(),
    ) {
        let text = format!("{}{}", if version { "v1:" } else { "" }, tree.text());
        let mut call = Env { tokens, ..Env::default() };
        if asked {
            call.params.insert("x".into(), Value::Text("y".into()));
        }
        let (wanted, size) = tree.value(&call);
        let read = Expr::parse(&text).expect(&text);
        prop_assert_eq!(read.eval(&call), Some(wanted), "{}", text);
        let scaled = Expr::scaled(&text, factor).expect(&text);
        let told = Expr::parse(&scaled).expect(&scaled).eval(&call).expect(&scaled);
        let off = (told - factor * wanted).abs();
        prop_assert!(off <= 1e-9 * factor * size + f64::MIN_POSITIVE, "{off}: {text} -> {scaled}");
        prop_assert_eq!(text.starts_with("v1:"), scaled.starts_with("v1:"));
    }

    #[test]
    fn a_tiers_prices_are_what_one_more_token_costs(
        tree in tree(),
        tokens in proptest::array::uniform10((0u32..1_000).prop_map(f64::from)),
    ) {
        let text = format!("tier('t', {})", tree.text());
        let read = Expr::parse(&text).expect(&text);
        let tiers = read.tiers();
        prop_assert!(!tiers.is_empty());
        let call = Env { tokens, ..Env::default() };
        let (before, size) = tree.value(&call);
        for var in Var::ALL {
            if !tiers[0].rates.named[var.index()] {
                continue;
            }
            let mut more = call.clone();
            more.tokens[var.index()] += 1.0;
            let is_input = !matches!(var, Var::C | Var::ImgO | Var::Ao | Var::Len);
            if is_input {
                more.tokens[Var::Len.index()] += 1.0;
            }
            // A condition on the count itself may choose other prices that are the same for this kind of token.
            let asks = |var: Var| text.contains(&format!("({} <=", var.code()));
            if *var == Var::Len || asks(*var) || (is_input && asks(Var::Len)) {
                continue;
            }
            let (after, larger) = tree.value(&more);
            let told = |tier: &Tier| {
                tier.rates.tokens[var.index()].is_none_or(|rate| {
                    let off = (after - before - rate).abs();
                    off <= 1e-9 * (size + larger) + 1e-12
                })
            };
            prop_assert!(tiers.iter().any(told), "{}: {text}", var.code());
        }
    }

    #[test]
    fn no_call_costs_less_than_the_least_that_a_tier_tells(
        tree in tree(),
        tokens in proptest::array::uniform10((0u32..1_000).prop_map(f64::from)),
        asked in any::<bool>(),
    ) {
        let text = tree.text();
        let tiers = Expr::parse(&text).expect(&text).tiers();
        let known = tiers.iter().all(|tier| {
            let rates = &tier.rates;
            let all = rates.tokens.iter().chain([&rates.per_call]);
            all.clone().all(|rate| rate.is_some_and(|rate| rate >= 0.0))
        });
        if !known {
            return Ok(());
        }
        let mut call = Env { tokens, ..Env::default() };
        // The whole input is what its kinds come to.
        let inputs = [Var::P, Var::Cr, Var::Cc, Var::Cc1h, Var::Img, Var::Ai];
        call.tokens[Var::Len.index()] = inputs.iter().map(|var| tokens[var.index()]).sum();
        for var in Var::ALL {
            // What is named nowhere is counted among the others by the gateway, so that it does not come here.
            if !tiers[0].rates.named[var.index()] && *var != Var::Len {
                call.tokens[Var::Len.index()] -= if inputs.contains(var) { tokens[var.index()] } else { 0.0 };
                call.tokens[var.index()] = 0.0;
            }
        }
        if asked {
            call.params.insert("x".into(), Value::Text("y".into()));
        }
        let (cost, size) = tree.value(&call);
        let fits = |tier: &Tier| {
            let rates = &tier.rates;
            let kinds = Var::ALL.iter().filter(|var| **var != Var::Len);
            let sum: f64 = kinds
                .map(|var| call.tokens[var.index()] * rates.tokens[var.index()].unwrap_or_default())
                .sum();
            let plain = sum + rates.per_call.unwrap_or_default() * 1e6;
            let slack = 1e-9 * (size + plain) + 1e-12;
            cost >= plain * rates.least - slack && cost <= plain * rates.most + slack
        };
        prop_assert!(tiers.iter().any(fits), "{cost}: {text}");
    }
}
