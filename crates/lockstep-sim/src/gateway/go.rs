//! How a Go program words its JSON errors and prints values: both reach the gateway's clients.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde_json::Value;
use serde_json::value::RawValue;

/// What Go says about a text that is not JSON, or `None` for one that is.
pub(crate) fn syntax_error(text: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<IgnoredAny>(text).err()?;
    if error.is_eof() {
        return Some("unexpected end of JSON input".to_owned());
    }
    let line = text
        .split(|byte| *byte == b'\n')
        .nth(error.line().saturating_sub(1))
        .unwrap_or_default();
    let found = line
        .get(error.column().saturating_sub(1))
        .copied()
        .unwrap_or(b' ');
    Some(format!(
        "invalid character '{}' looking for beginning of value",
        char::from(found)
    ))
}

/// A map of numbers as Go decodes it: a value of the wrong type becomes 0 and the rest is still read;
/// a text that is not JSON leaves the map empty.
pub(crate) fn number_map(text: &str) -> (BTreeMap<String, f64>, Option<String>) {
    if let Some(error) = syntax_error(text.as_bytes()) {
        return (BTreeMap::new(), Some(error));
    }
    if text.trim() == "null" {
        return (BTreeMap::new(), None);
    }
    let Ok(raw) = serde_json::from_str::<BTreeMap<String, Box<RawValue>>>(text) else {
        let kind = kind(text.trim());
        let error =
            format!("json: cannot unmarshal {kind} into Go value of type map[string]float64");
        return (BTreeMap::new(), Some(error));
    };
    let mut first_error = None;
    let mut map = BTreeMap::new();
    for (name, value) in raw {
        let (number, error) = decoded(value.get());
        map.insert(name, number);
        if first_error.is_none() {
            first_error = error;
        }
    }
    (map, first_error)
}

fn decoded(text: &str) -> (f64, Option<String>) {
    let mistake = |kind: &str| {
        Some(format!(
            "json: cannot unmarshal {kind} into Go value of type float64"
        ))
    };
    match kind(text) {
        "null" => (0.0, None),
        "number" => match text.parse::<f64>() {
            Ok(number) if number.is_finite() => (number, None),
            _ => (0.0, mistake(&format!("number {text}"))),
        },
        other => (0.0, mistake(other)),
    }
}

fn kind(text: &str) -> &'static str {
    match text.as_bytes().first() {
        Some(b'"') => "string",
        Some(b'{') => "object",
        Some(b'[') => "array",
        Some(b't' | b'f') => "bool",
        Some(b'n') => "null",
        _ => "number",
    }
}

/// A number as Go encodes it: whole ones without a fraction.
pub(crate) fn number(value: f64) -> Value {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        #[expect(
            clippy::cast_possible_truncation,
            reason = "checked to be whole and small"
        )]
        let whole = value as i64;
        Value::from(whole)
    } else {
        Value::from(value)
    }
}

/// A map of numbers as Go encodes it.
pub(crate) fn numbers(map: &BTreeMap<String, f64>) -> Value {
    map.iter()
        .map(|(name, value)| (name.clone(), number(*value)))
        .collect()
}

/// A decoded value in Go's print form, which is what a value that is not a string is stored as.
pub(crate) fn printed(value: &Value) -> String {
    match value {
        Value::Null => "<nil>".to_owned(),
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(printed).collect();
            format!("[{}]", items.join(" "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(key, value)| format!("{key}:{}", printed(value)))
                .collect();
            format!("map[{}]", fields.join(" "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_bad_number_becomes_zero_and_the_rest_is_kept() {
        let (map, error) = number_map("{\"a\":\"15\",\"b\":2,\"c\":null}");
        assert_eq!(map["a"].to_bits(), 0.0_f64.to_bits());
        assert_eq!((map["b"], map["c"]), (2.0, 0.0));
        assert_eq!(
            error.as_deref(),
            Some("json: cannot unmarshal string into Go value of type float64")
        );
        let (map, error) = number_map("{\"a\":1e400}");
        assert_eq!(map["a"], 0.0);
        assert!(error.expect("an error").contains("number 1e400"));
        assert_eq!(
            number_map("{\"a\":1,\"a\":3}"),
            (BTreeMap::from([("a".to_owned(), 3.0)]), None)
        );
    }

    #[test]
    fn what_is_no_map_leaves_nothing() {
        for text in ["", "[]", "{\"a\":1", "7", "{\"a\":NaN}"] {
            let (map, error) = number_map(text);
            assert!(map.is_empty() && error.is_some(), "{text}");
        }
        assert_eq!(number_map("null"), (BTreeMap::new(), None));
    }

    #[test]
    fn values_print_as_go_prints_them() {
        assert_eq!(
            printed(&json!({"b":[1,"x"],"a":null})),
            "map[a:<nil> b:[1 x]]"
        );
        assert_eq!(printed(&json!(true)), "true");
        assert_eq!(
            syntax_error(b"map[a:1]").as_deref(),
            Some("invalid character 'm' looking for beginning of value")
        );
    }
}
