//! Price lists of any number and length, the work that is measured with them, and its floor: for criterion's bench of this
//! crate and, by its path, for the table of `make bench`, so that both measure the same.

use std::borrow::Cow;
use std::fmt::Write;
use std::hint::black_box;

use lockstep_core::formats::{decode, local};
use lockstep_core::prices::diff::{SourceTable, diff};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::names::Names;
use serde::Deserialize;

/// Sources and models of each.
pub(crate) const SIZES: [(usize, usize); 4] = [(8, 500), (8, 5_000), (8, 20_000), (50, 5_000)];

/// The gateway's maps and the lists of its sources, of which 10 % differ.
pub(crate) struct World {
    /// The gateway's maps, as its options have them.
    pub(crate) maps: Vec<(Field, String)>,
    /// The lists, as the sources serve them.
    pub(crate) bodies: Vec<Vec<u8>>,
}

fn name(model: usize) -> String {
    const FAMILIES: [&str; 5] = ["gpt-5", "claude-sonnet-4", "gemini-2.5", "qwen3", "GLM-4.6"];
    format!("vendor/{}-{model:05}", FAMILIES[model % FAMILIES.len()])
}

/// The ratio of a model, at a source or at the gateway.
fn ratio(model: usize, moved: bool) -> String {
    let ratio = 0.025 * (1 + model % 400) as f64;
    format!("{}", if moved { ratio * 1.1 } else { ratio })
}

/// Ratios as decimals and as whole numbers, multipliers on some models only, as gateways have them.
fn values(model: usize, moved: bool) -> Vec<(Field, String)> {
    let mut values = vec![
        (Field::ModelRatio, ratio(model, moved)),
        (Field::CompletionRatio, format!("{}", 2 + model % 7)),
    ];
    if model.is_multiple_of(2) {
        values.push((Field::CacheRatio, "0.1".to_owned()));
    }
    if model.is_multiple_of(4) {
        values.push((Field::CreateCacheRatio, "1.25".to_owned()));
    }
    if model.is_multiple_of(8) {
        values.push((Field::ImageRatio, "2".to_owned()));
    }
    values
}

impl World {
    /// A gateway with so many sources of so many models each.
    pub(crate) fn new(sources: usize, models: usize) -> Self {
        let mut maps: Vec<(Field, String)> = Field::ALL
            .iter()
            .map(|field| (*field, String::new()))
            .collect();
        for model in 0..models {
            for (field, value) in values(model, false) {
                let map = &mut maps[field.index()].1;
                map.push(if map.is_empty() { '{' } else { ',' });
                let _ = write!(map, "{:?}:{value}", name(model));
            }
        }
        for (_, map) in maps.iter_mut().filter(|(_, map)| !map.is_empty()) {
            map.push('}');
        }
        let bodies = (0..sources).map(|source| list(source, models)).collect();
        Self { maps, bodies }
    }

    /// The floor: one look at the UTF-8 of each list, and its rows.
    pub(crate) fn floor(&self) -> usize {
        self.bodies
            .iter()
            .map(|body| {
                let text = std::str::from_utf8(black_box(body)).expect("it is UTF-8");
                let list: List<'_> = serde_json::from_str(text).expect("it is a list");
                black_box(&list.data).len()
            })
            .sum()
    }

    /// The work: decodes all lists and the gateway's maps, and compares them. How many fields differ.
    pub(crate) fn compare(&self) -> usize {
        let mut names = Names::new();
        let maps: Vec<(Field, &str)> = (self.maps.iter())
            .map(|(field, map)| (*field, map.as_str()))
            .collect();
        let local = local(&maps, &mut names);
        let decoded: Vec<_> = self
            .bodies
            .iter()
            .map(|body| {
                let text = std::str::from_utf8(black_box(body)).expect("it is UTF-8");
                decode(text, &mut names).expect("it is a list")
            })
            .collect();
        let sources: Vec<_> = decoded
            .iter()
            .map(|decoded| SourceTable {
                name: "source",
                table: &decoded.table,
            })
            .collect();
        black_box(diff(&names, &local.table, &sources)).len()
    }
}

/// A list as New API's `/api/pricing` serves it: in any order. Each source has moved another tenth of its models.
fn list(source: usize, models: usize) -> Vec<u8> {
    let mut body = String::from(r#"{"success":true,"data":["#);
    for place in 0..models {
        // A prime that divides no number of models here, so that each model has one place.
        let model = (place * 7_919 + source * 101) % models;
        if place > 0 {
            body.push(',');
        }
        let moved = (model + source).is_multiple_of(10);
        let _ = write!(
            body,
            r#"{{"model_name":"{}","vendor_id":{},"quota_type":0,"#,
            name(model),
            model % 20
        );
        for (field, value) in values(model, moved) {
            let _ = write!(body, r#""{}":{value},"#, field.code());
        }
        body.push_str(
            r#""model_price":0,"owner_by":"","enable_groups":["default","vip"],"supported_endpoint_types":["openai"]}"#,
        );
    }
    body.push_str(r#"],"vendors":[],"group_ratio":{"default":1},"usable_group":{"default":"d"}}"#);
    body.into_bytes()
}

#[derive(Deserialize)]
struct List<'a> {
    #[serde(borrow)]
    data: Vec<Row<'a>>,
}

#[derive(Deserialize)]
#[expect(
    dead_code,
    reason = "the floor reads the rows and does nothing with them"
)]
struct Row<'a> {
    #[serde(borrow)]
    model_name: Cow<'a, str>,
    model_ratio: Option<f64>,
    completion_ratio: Option<f64>,
    cache_ratio: Option<f64>,
    create_cache_ratio: Option<f64>,
    image_ratio: Option<f64>,
    audio_ratio: Option<f64>,
    audio_completion_ratio: Option<f64>,
    model_price: Option<f64>,
}
