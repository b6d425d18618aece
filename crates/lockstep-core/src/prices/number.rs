//! Numbers as the texts they came as: when they are the same, and how they are printed.

use std::fmt::Write;

use crate::prices::field::Field;
use crate::prices::map_text::is_number;

/// Two numbers nearer than this are one, as the gateway compares them.
pub const EQUAL: f64 = 1e-9;

/// And only if they differ by no more than this share of the larger: ratios may be so small that one is many times the
/// other and both are nearer than [`EQUAL`].
const EQUAL_SHARE: f64 = 1e-6;

/// Texts that are shorter than this and have no exponent are finite, whatever their digits.
const SURELY_FINITE: usize = 300;

/// Whether two values of a field are the same price: numbers as [`same`] has it, unless they are so small that one is
/// a multiple of the other all the same; texts but for the space around them.
pub fn same_value(field: Field, one: Option<&str>, other: Option<&str>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) if field.is_number() => {
            let numbers = || parse(one).zip(parse(other));
            one == other
                || numbers().is_some_and(|(a, b)| {
                    near(a, b) && (a - b).abs() <= EQUAL_SHARE * a.abs().max(b.abs())
                })
        }
        (Some(one), Some(other)) => one.trim() == other.trim(),
        _ => one == other,
    }
}

/// Whether two numbers are the same to the gateway: equal texts, or nearer than [`EQUAL`]. Texts that are no numbers are
/// the same only when they are equal.
pub fn same(a: &str, b: &str) -> bool {
    a == b
        || match (parse(a), parse(b)) {
            (Some(a), Some(b)) => near(a, b),
            _ => false,
        }
}

/// Whether two numbers are nearer than [`EQUAL`].
pub fn near(a: f64, b: f64) -> bool {
    (a - b).abs() < EQUAL
}

/// The number that a text is, if it is one of JSON that can be reckoned with: not `NaN`, not `+1`, not in quotes, not
/// beyond what an `f64` holds.
pub fn parse(text: &str) -> Option<f64> {
    json(text).filter(|number| number.is_finite())
}

/// Whether a text is a number of JSON that no `f64` holds.
pub(crate) fn is_beyond(text: &str) -> bool {
    json(text).is_some_and(f64::is_infinite)
}

/// The number of a text of JSON's grammar, however large.
fn json(text: &str) -> Option<f64> {
    is_number(text).then(|| text.parse().ok())?
}

/// What is wrong with a number of JSON, as its text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is beyond what an `f64` holds.
    TooLarge,
    /// It is not zero, and an `f64` has nothing but zero for it: it would make a model free.
    TooSmall,
}

/// Whether a number of JSON can be reckoned with. Only odd ones are parsed for that.
pub fn check(text: &str) -> Result<(), Unusable> {
    let exponent = text.bytes().position(|byte| byte | 0x20 == b'e');
    if exponent.is_none() && text.len() < SURELY_FINITE {
        return Ok(());
    }
    match text.parse::<f64>() {
        Ok(number) if !number.is_finite() => Err(Unusable::TooLarge),
        Ok(0.0) => {
            let digits = &text[..exponent.unwrap_or(text.len())];
            let is_zero = digits.bytes().all(|byte| !matches!(byte, b'1'..=b'9'));
            if is_zero {
                Ok(())
            } else {
                Err(Unusable::TooSmall)
            }
        }
        Ok(_) => Ok(()),
        Err(_) => Err(Unusable::TooLarge),
    }
}

/// Rounded to six decimals, half away from zero, as the gateway rounds what it reckons from US dollars.
pub fn round6(number: f64) -> f64 {
    let rounded = (number * 1e6).round() / 1e6;
    // So large that it has no decimals, and times a million more than an f64 holds.
    if rounded.is_finite() { rounded } else { number }
}

/// The shortest text that reads back as the number, in the form that Go and JavaScript give it in JSON.
pub fn shortest(number: f64) -> String {
    let mut text = String::new();
    push_shortest(&mut text, number);
    text
}

/// Writes a number's text as Go and JavaScript would print it: `2.0` as `2`, `1E-7` as `1e-7`. What is no number is
/// written as it is.
pub fn push_canonical(out: &mut String, text: &str) {
    match parse(text) {
        Some(number) if !is_canonical(text) => push_shortest(out, number),
        _ => out.push_str(text),
    }
}

/// Whether a number's text is its shortest already: few digits, no exponent, no zero at its end.
fn is_canonical(text: &str) -> bool {
    let plain = text.len() <= 15 && !text.bytes().any(|byte| matches!(byte, b'e' | b'E' | b'+'));
    let trimmed = !text.contains('.') || !text.ends_with(['0', '.']);
    plain
        && trimmed
        && text != "-0"
        && !text.starts_with("0.00000")
        && !text.starts_with("-0.00000")
}

fn push_shortest(out: &mut String, number: f64) {
    let size = number.abs();
    // Writing to a String cannot fail.
    let _ = if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{number:e}");
        match text.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => write!(out, "{digits}e+{power}"),
            _ => write!(out, "{text}"),
        }
    } else if size == 0.0 {
        write!(out, "0")
    } else {
        write!(out, "{number}")
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_within_a_thousand_millionth() {
        assert!(same("1", "1.0000000005"));
        assert!(!same("1", "1.000000002"));
        assert!(same("2", "2.0"));
        assert!(same("1e-07", "0.0000001"));
        assert!(same("1e+21", "1000000000000000000000"));
        assert!(same("0.3333333333333333", "0.333333333"));
        assert!(!same("\"2\"", "2"));
        assert!(same("\"2\"", "\"2\""));
        assert!(!same("NaN", "nan"));
    }

    #[test]
    fn values_are_the_same_as_their_field_has_it() {
        let ratio = |one, other| same_value(Field::ModelRatio, one, other);
        assert!(ratio(Some("2"), Some("2.0")) && ratio(None, None));
        assert!(!ratio(Some("2"), None) && !ratio(None, Some("0")));
        assert!(!ratio(Some("2"), Some(" 2")));
        // The gateway's own comparison takes these for one, though the one is ten times, or infinitely, the other.
        for (one, other) in [
            ("1e-10", "1e-11"),
            ("5e-10", "0"),
            ("0.00000000012", "0.0000000001"),
        ] {
            assert!(same(one, other) && !ratio(Some(one), Some(other)), "{one}");
        }
        assert!(ratio(Some("1e-10"), Some("1.0000001e-10")));
        assert!(ratio(Some("0.3333333333333333"), Some("0.333333333")));
        assert!(ratio(Some("0"), Some("0.0")) && ratio(Some("\"2\""), Some("\"2\"")));
        let text = |one, other| same_value(Field::BillingExpr, Some(one), Some(other));
        assert!(text("p * 2", " p * 2\n") && !text("p * 2", "p * 2.0"));
    }

    #[test]
    fn only_finite_numbers_of_json_are_numbers() {
        for text in [
            "", " 1", "1 ", "NaN", "inf", "-inf", "infinity", "1e999", "+1", ".5", "1.", "01",
            "null", "\"1\"", "0x1", "1_000", "x", "-x", "-",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
            assert_eq!(is_beyond(text), text == "1e999", "{text:?}");
        }
        assert_eq!(parse("-0.5"), Some(-0.5));
        assert_eq!(parse("1.50"), Some(1.5));
        assert_eq!(parse("1E-7"), Some(1e-7));
        assert!(parse("-0").is_some_and(f64::is_sign_negative));
        assert_eq!(check("1e400"), Err(Unusable::TooLarge));
        assert_eq!(check(&"9".repeat(400)), Err(Unusable::TooLarge));
        assert_eq!(check("1e-400"), Err(Unusable::TooSmall));
        assert_eq!(check("0e-400"), Ok(()));
        assert_eq!(check("1e-7"), Ok(()));
        assert_eq!(
            check(&format!("0.{}1", "0".repeat(400))),
            Err(Unusable::TooSmall)
        );
    }

    #[test]
    fn six_decimals_printed_shortest() {
        assert_eq!(shortest(round6(10.0 / 3.0)), "3.333333");
        assert_eq!(shortest(round6(0.15)), "0.15");
        assert_eq!(shortest(round6(2.0)), "2");
        assert_eq!(shortest(round6(1e-6)), "0.000001");
        assert_eq!(shortest(round6(1e308)), "1e+308");
        assert_eq!(shortest(-0.0), "0");
        assert_eq!(shortest(1e-7), "1e-7");
    }

    #[test]
    fn numbers_are_printed_as_go_and_javascript_do() {
        let told = |text: &str| {
            let mut out = String::new();
            push_canonical(&mut out, text);
            out
        };
        for (text, printed) in [
            ("2.0", "2"),
            ("1E-7", "1e-7"),
            ("0.0000001", "1e-7"),
            ("1000000000000000000000", "1e+21"),
            ("0.1234567890123456789", "0.12345678901234568"),
            ("1.50", "1.5"),
            ("-0.5", "-0.5"),
            ("-0", "0"),
            ("100", "100"),
            ("0.000001", "0.000001"),
            ("\"15\"", "\"15\""),
        ] {
            assert_eq!(told(text), printed);
        }
    }
}
