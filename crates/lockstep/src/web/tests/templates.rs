//! Templates have no words of their own.

use std::path::{Path, PathBuf};

/// What is the same in every language.
const BRAND: &str = "Lockstep";
/// Attributes that people read or hear.
const SAID: [&str; 4] = ["aria-label", "placeholder", "title", "alt"];

fn templates(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            templates(&path, found);
        } else {
            found.push(path);
        }
    }
}

/// The text without what stands between these marks.
fn without(text: &str, open: &str, close: &str) -> String {
    let mut rest = text;
    let mut kept = String::new();
    while let Some((before, after)) = rest.split_once(open) {
        kept.push_str(before);
        kept.push(' ');
        rest = after.split_once(close).map_or("", |(_, behind)| behind);
    }
    kept + rest
}

/// The letters of a template that a reader would see or hear and that come from nowhere else.
fn own_words(template: &str) -> Vec<String> {
    let mut text = template.to_owned();
    for (open, close) in [
        ("{#", "#}"),
        ("{%", "%}"),
        ("{{", "}}"),
        ("<code>", "</code>"),
        ("<!--", "-->"),
    ] {
        text = without(&text, open, close);
    }
    let mut seen = without(&text, "<", ">");
    for name in SAID {
        for (_, after) in text
            .match_indices(&format!(" {name}=\""))
            .map(|(at, found)| text.split_at(at + found.len()))
        {
            seen.push(' ');
            seen.push_str(after.split('"').next().unwrap_or_default());
        }
    }
    let seen = without(&seen, "&", ";");
    seen.split_whitespace()
        .filter(|word| *word != BRAND && word.chars().any(char::is_alphabetic))
        .map(str::to_owned)
        .collect()
}

#[test]
fn no_template_has_words_of_its_own() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("templates");
    let mut found = Vec::new();
    templates(&folder, &mut found);
    assert!(found.len() >= 10, "{found:?}");
    for path in found {
        let template = std::fs::read_to_string(&path).expect("a template");
        let own = own_words(&template);
        assert!(own.is_empty(), "{} says {own:?}", path.display());
    }
}

#[test]
fn a_word_in_a_template_is_found_wherever_it_stands() {
    for (template, found) in [
        ("<p>{{ f.t.x }} Save</p>", "Save"),
        ("<a title=\"Help {{ x }}\">{{ y }}</a>", "Help"),
        ("{% if a %}<b>添加</b>{% endif %}", "添加"),
    ] {
        assert_eq!(own_words(template), [found]);
    }
    assert!(
        own_words("<p class=\"x\">Lockstep &middot; {{ a }} 12 <code>ls</code></p>").is_empty()
    );
}
