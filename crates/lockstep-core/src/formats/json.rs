//! What all layouts need of JSON: texts that are borrowed, maps that may be something else, values that are passed over.
//!
//! Numbers and texts are taken as the parts of the body that they are ([`RawValue`]): a number's text is what is
//! compared and written back, so that it is never a float on its way.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{self, DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use crate::formats::skipped::SkipReason;
use crate::prices::number::{self, Unusable};

/// How deep values may be nested.
pub(super) const MAX_DEPTH: usize = 128;

/// What a visitor says when it stops because of the depth. The error of a visitor is a text, whatever it was.
pub(super) const TOO_DEEP: &str = "too_deep";
/// The same because of the number of models.
pub(super) const TOO_MANY: &str = "too_many_models";

/// What a visitor says of truths and numbers, whichever they are.
macro_rules! bools_and_numbers {
    ($told:expr) => {
        fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
            Ok($told)
        }

        fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
            Ok($told)
        }

        fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
            Ok($told)
        }

        fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
            Ok($told)
        }
    };
}
pub(super) use bools_and_numbers;

/// A key, borrowed where it has no escapes.
pub(super) struct Text<'a>(pub(super) Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct TextVisitor;
        impl<'de> Visitor<'de> for TextVisitor {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(TextVisitor)
    }
}

/// A text, borrowed where it has no escapes; nothing for any other value.
pub(super) struct IfText;

impl<'de> DeserializeSeed<'de> for IfText {
    type Value = Option<Cow<'de, str>>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for IfText {
    type Value = Option<Cow<'de, str>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Borrowed(text)))
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(Cow::Owned(text.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element_seed(Skip)?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        drain(&mut map)?;
        Ok(None)
    }

    bools_and_numbers!(None);

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A text's value; `None` for anything else.
pub(super) fn text_of(raw: &RawValue) -> Option<Cow<'_, str>> {
    let inner = raw.get().strip_prefix('"')?.strip_suffix('"')?;
    if inner.contains('\\') {
        serde_json::from_str(raw.get()).ok().map(Cow::Owned)
    } else {
        Some(Cow::Borrowed(inner))
    }
}

/// A number's text, or why there is none that can be reckoned with.
pub(super) fn number_of(raw: &RawValue) -> Result<&str, SkipReason> {
    let text = raw.get();
    match text.as_bytes().first() {
        Some(b'0'..=b'9' | b'-') => match number::check(text) {
            Ok(()) => Ok(text),
            Err(Unusable::TooLarge) => Err(SkipReason::TooLarge),
            Err(Unusable::TooSmall) => Err(SkipReason::RoundsToZero),
        },
        Some(b'n') => Err(SkipReason::Null),
        _ => Err(SkipReason::NotANumber),
    }
}

/// Something that is read from a map.
pub(super) trait OfMap<'de> {
    type Out;

    fn read<A: MapAccess<'de>>(self, map: A) -> Result<Self::Out, A::Error>;
}

/// Reads a map, and says nothing of any other value.
///
/// One thing stops it, and [`IfText`]: a number that no `f64` holds in place of a map or a name, which is no JSON to the
/// parser. `mended.rs` is for that.
pub(super) struct IfMap<T>(pub(super) T);

impl<'de, T: OfMap<'de>> DeserializeSeed<'de> for IfMap<T> {
    type Value = Option<T::Out>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de, T: OfMap<'de>> Visitor<'de> for IfMap<T> {
    type Value = Option<T::Out>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        self.0.read(map).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while list.next_element_seed(Skip)?.is_some() {}
        Ok(None)
    }

    bools_and_numbers!(None);

    fn visit_str<E>(self, _: &str) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A value as the part of the body that it is. The parser passes over it without a stack frame a level, so that the
/// depth is looked at here.
pub(super) struct Raw;

impl<'de> DeserializeSeed<'de> for Raw {
    type Value = &'de RawValue;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        let raw = <&RawValue>::deserialize(deserializer)?;
        shallow(raw)?;
        Ok(raw)
    }
}

/// Passes over a value.
pub(super) struct Skip;

impl<'de> DeserializeSeed<'de> for Skip {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        Raw.deserialize(deserializer).map(|_| ())
    }
}

/// Refuses a value that is nested too deep. Only maps and lists are looked into.
fn shallow<E: de::Error>(raw: &RawValue) -> Result<(), E> {
    let text = raw.get().as_bytes();
    if !matches!(text.first(), Some(b'{' | b'[')) || text.len() < MAX_DEPTH {
        return Ok(());
    }
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for byte in text {
        if quoted {
            (quoted, escaped) = match byte {
                _ if escaped => (true, false),
                b'\\' => (true, true),
                b'"' => (false, false),
                _ => (true, false),
            };
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth > MAX_DEPTH {
            return Err(E::custom(TOO_DEEP));
        }
    }
    Ok(())
}

/// Passes over the rest of a map.
pub(super) fn drain<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    while map.next_key::<IgnoredAny>()?.is_some() {
        map.next_value_seed(Skip)?;
    }
    Ok(())
}
