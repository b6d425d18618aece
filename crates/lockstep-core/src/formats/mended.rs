//! Bodies with numbers that are none of JSON's: `NaN` and the infinities, as Python and JavaScript print them, and numbers
//! that no `f64` holds where the parser wants to know what they are. It stops there, so that one of them would take the
//! whole list away.
//!
//! What stops it is written over by something of the same length that is neither number nor text nor map, which each
//! layout counts where it stands. All other places stay, so that what was read of the copy is part of the body too.

use std::borrow::Cow;

use crate::prices::number;

/// Writes over the tokens outside of texts that are `odd`, and says whether there were any.
pub(super) fn mend(text: &mut Cow<'_, str>, odd: fn(&[u8]) -> bool) -> bool {
    let mut bytes = std::mem::take(text).into_owned().into_bytes();
    let (mut at, mut any) = (0, false);
    while let Some(byte) = bytes.get(at) {
        if *byte == b'"' {
            at += text_length(&bytes[at..]);
            continue;
        }
        let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
        let length = bytes[at..].iter().take_while(|byte| is_part(byte)).count();
        let token = &mut bytes[at..at + length];
        if odd(token) {
            write_over(token);
            any = true;
        }
        at += length.max(1);
    }
    // Only letters, digits and signs were written over, each by one byte of ASCII.
    *text = Cow::Owned(String::from_utf8(bytes).unwrap_or_default());
    any
}

/// Whether a token is a word for a number that JSON has none for.
pub(super) fn is_word(token: &[u8]) -> bool {
    matches!(token, b"NaN" | b"Infinity" | b"-Infinity")
}

/// Whether a token is a number that no `f64` holds. The shortest such, `1e309`, has five bytes.
pub(super) fn is_beyond(token: &[u8]) -> bool {
    std::str::from_utf8(token).is_ok_and(number::is_beyond)
}

/// A list of one number: an empty one would be a list of no models where a list of models belongs.
fn write_over(token: &mut [u8]) {
    token.fill(b' ');
    if let [first, .., before, last] = token {
        (*first, *before, *last) = (b'[', b'0', b']');
    }
}

/// How long the text is that begins here, with its quotes.
fn text_length(bytes: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_tokens_outside_of_texts_are_written_over() {
        for (body, word, beyond) in [
            (
                r#"[NaN,-Infinity,Infinity]"#,
                r#"[[0],[      0],[     0]]"#,
                "",
            ),
            (
                r#"{"NaN":"\"NaN","a\\":NaN}"#,
                r#"{"NaN":"\"NaN","a\\":[0]}"#,
                "",
            ),
            (r#"[nan,NaNs,-NaN,+Infinity,inf,null]"#, "", ""),
            (r#""never closed NaN"#, "", ""),
            (
                r#"[1e999,-1E+999,"1e999"]"#,
                "",
                r#"[[  0],[    0],"1e999"]"#,
            ),
            (r#"[01e999,1.e999,1e308,1e-999,é]"#, "", ""),
        ] {
            for (odd, told) in [(is_word as fn(&[u8]) -> bool, word), (is_beyond, beyond)] {
                let mut text = Cow::Borrowed(body);
                let any = mend(&mut text, odd);
                assert_eq!(any, !told.is_empty(), "{body}");
                assert_eq!(text, if any { told } else { body });
                assert_eq!(text.len(), body.len());
            }
        }
        // A number is one token, whatever its end would be alone.
        let mut text = Cow::Owned(format!("[0.{}1e310]", "0".repeat(400)));
        assert!(!mend(&mut text, is_beyond));
    }
}
