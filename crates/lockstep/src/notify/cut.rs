//! Messages within the length that a vendor takes: the list is cut, never the title or a line.

use super::Message;
use crate::words::en;

/// The longest line, in characters: names come from providers, who may send anything.
const LONGEST_LINE: usize = 300;

/// One visible line: control characters and marks that turn the direction of text are no part of it.
pub(super) fn plain(text: &str) -> String {
    let visible = |letter: char| match letter {
        '\u{200b}'..='\u{200f}'
        | '\u{202a}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}' => None,
        other if other.is_control() => Some(' '),
        other => Some(other),
    };
    let mut line: String = text.chars().filter_map(visible).collect();
    if let Some((at, _)) = line.char_indices().nth(LONGEST_LINE) {
        line.truncate(at);
        line.push('…');
    }
    line
}

/// The message's lines and last line, without its title, of which `measure` is at most `limit`. What does not fit is
/// counted: "and 12 more".
pub(super) fn body(message: &Message, limit: usize, measure: impl Fn(&str) -> usize) -> String {
    lines("", message, limit, measure)
}

/// The whole message with its title, within the limit.
pub(super) fn text(message: &Message, limit: usize, measure: impl Fn(&str) -> usize) -> String {
    lines(&message.title, message, limit, measure)
}

fn lines(title: &str, message: &Message, limit: usize, measure: impl Fn(&str) -> usize) -> String {
    let whole = |shown: usize| {
        let mut lines: Vec<&str> = Vec::new();
        if !title.is_empty() {
            lines.push(title);
        }
        lines.extend(message.lines.iter().take(shown).map(String::as_str));
        let more = match message.lines.len().saturating_sub(shown) {
            0 => String::new(),
            more => en::and_more(more),
        };
        if !more.is_empty() {
            lines.push(&more);
        }
        lines.push(&message.foot);
        lines.join("\n")
    };
    // The most lines that fit, found by halving: a message of thousands of lines is made a few times only.
    let (mut fits, mut beyond) = (0, message.lines.len() + 1);
    while beyond - fits > 1 {
        let middle = fits + (beyond - fits) / 2;
        if measure(&whole(middle)) <= limit {
            fits = middle;
        } else {
            beyond = middle;
        }
    }
    whole(fits)
}

/// The items of the list that fit within so many bytes of JSON, and how many do not.
pub(super) fn items(message: &Message, limit: usize) -> (&[serde_json::Value], usize) {
    let mut bytes = 0;
    let fit = message.items.iter().take_while(|item| {
        bytes += item.to_string().len() + 1;
        bytes <= limit
    });
    let count = fit.count();
    let (shown, rest) = message.items.split_at(count);
    (shown, rest.len())
}

/// The length of a text in bytes.
pub(super) fn bytes(text: &str) -> usize {
    text.len()
}

/// The length of a text as Telegram counts: in UTF-16 code units.
pub(super) fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// The length that a text has inside JSON.
pub(super) fn escaped(text: &str) -> usize {
    serde_json::Value::from(text).to_string().len()
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn message(lines: usize) -> Message {
        Message {
            title: "title".to_owned(),
            lines: (0..lines).map(|at| format!("line {at} \u{4e2d}")).collect(),
            foot: "foot".to_owned(),
            head: Value::Null,
            items: (0..lines).map(Value::from).collect(),
        }
    }

    #[test]
    fn a_long_list_is_cut_at_a_line_and_says_how_many_more() {
        let ten = message(10);
        let whole = text(&ten, 10_000, bytes);
        assert_eq!(whole.lines().count(), 12);
        assert_eq!(text(&ten, whole.len(), bytes), whole);
        let cut = text(&ten, whole.len() - 1, bytes);
        assert!(cut.ends_with("and 2 more\nfoot"), "{cut}");
        for limit in 40..whole.len() {
            let cut = text(&ten, limit, bytes);
            assert!(cut.len() <= limit, "{limit}: {cut}");
            let shown = cut.lines().filter(|line| line.starts_with("line")).count();
            assert!(cut.contains(&format!("and {} more", 10 - shown)), "{cut}");
        }
        assert!(body(&ten, 10_000, utf16).starts_with("line 0"));
        assert_eq!(text(&message(0), 10, bytes), "title\nfoot");
    }

    #[test]
    fn items_are_cut_too() {
        let ten = message(10);
        assert_eq!(items(&ten, 10_000).1, 0);
        assert_eq!(items(&ten, 6), (&ten.items[..3], 7));
    }

    #[test]
    fn a_name_is_one_line_of_visible_letters() {
        assert_eq!(plain("a\nb\u{202e}c\u{0}"), "a bc ");
        assert_eq!(plain(&"x".repeat(1000)).chars().count(), 301);
    }
}
