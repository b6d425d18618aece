//! The text of a price map that is fit to be sent.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use lockstep_core::prices::field::Field;
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};

/// One of the ten price maps as a text that the gateway can read to its end. The gateway stores what it is given and
/// looks at it afterwards: a text it cannot read costs it every price of the map, and a number in quotes makes its
/// model free. So there is no way to send one: this type is all that the writer takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionText {
    field: Field,
    text: String,
}

impl OptionText {
    /// The text as it stands, byte for byte. `None` when it is not a JSON object whose values are all finite numbers,
    /// or all texts where the field holds texts. A name that stands twice is fine: for the gateway the last one counts.
    pub fn new(field: Field, text: impl Into<String>) -> Option<Self> {
        let text = text.into();
        let sound = if field.is_number() {
            // Numbers too large for 64 bits do not parse, and JSON has no others that are not finite.
            serde_json::from_str::<MapOf<f64>>(&text).is_ok()
        } else {
            serde_json::from_str::<MapOf<Cow<'_, str>>>(&text).is_ok()
        };
        sound.then_some(Self { field, text })
    }

    /// The field whose map it is.
    pub fn field(&self) -> Field {
        self.field
    }

    /// The text that is sent.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

/// A JSON object with values of one type, none of them kept.
struct MapOf<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for MapOf<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Entries(PhantomData))
    }
}

struct Entries<V>(PhantomData<V>);

impl<'de, V: Deserialize<'de>> Visitor<'de> for Entries<V> {
    type Value = MapOf<V>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map of model names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        while map.next_entry::<IgnoredAny, V>()?.is_some() {}
        Ok(MapOf(PhantomData))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_that_the_gateway_reads_to_the_end_pass_unchanged() {
        for text in [
            "{}",
            " {\n  \"a\": 1.50, \"b\":1e-7,\"c\":0,\"a\":-0.0,\"\":2E+3 }\n",
            r#"{"\u6a21\"":18446744073709551616}"#,
        ] {
            for field in Field::ALL.iter().filter(|field| field.is_number()) {
                let map = OptionText::new(*field, text).expect(text);
                assert_eq!((map.field(), map.as_str()), (*field, text));
            }
        }
        let text = r#"{"m":"tier(\"base\", p * 2)","n":""}"#;
        for field in [Field::BillingMode, Field::BillingExpr] {
            assert!(OptionText::new(field, text).is_some());
            assert!(OptionText::new(field, r#"{"m":1}"#).is_none());
            assert!(OptionText::new(field, r#"{"m":null}"#).is_none());
        }
    }

    #[test]
    fn what_would_cost_prices_cannot_be_made() {
        for text in [
            "",
            " ",
            "null",
            "[]",
            "[1]",
            "7",
            "\"{}\"",
            "{",
            r#"{"a":1"#,
            r#"{"a":1,}"#,
            r#"{"a":1} x"#,
            r#"{"a":1}{}"#,
            r#"{"a":"15"}"#,
            r#"{"a":null}"#,
            r#"{"a":true}"#,
            r#"{"a":{}}"#,
            r#"{"a":1,"b":[2]}"#,
            r#"{"a":1e400}"#,
            r#"{"a":-1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":Infinity}"#,
            r#"{"a":01}"#,
            r#"{"a":.5}"#,
            r"{a:1}",
            "\u{feff}{}",
            "map[a:1]",
        ] {
            assert_eq!(OptionText::new(Field::ModelRatio, text), None, "{text}");
        }
    }
}
