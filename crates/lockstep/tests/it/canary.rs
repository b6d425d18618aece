//! The tokens of the whole suite, and the search for them: no output and no file may have one in it.

use std::path::Path;

/// The root user's token.
pub(crate) const ROOT: &str = "Zq7RootCanaryx9VtLw3eKp5NsYb8HdJ2mFgQ4cXu";
/// The admin's token.
pub(crate) const ADMIN: &str = "Wk4AdminCanaryr6BzTj8oMv2QhXc5PlDn9sGyE3a";
/// The common user's token.
pub(crate) const COMMON: &str = "Hp2CommonCanaryd5XuRf7iLb9KwZq3VtSe6jNcM8";
/// A token that no gateway knows.
pub(crate) const UNKNOWN: &str = "Ty6UnknownCanaryv3GnPa8kEr5DjWo2ZbHs7qLfX";

/// What is found of a token in some bytes, in any form that a token takes by accident.
pub(crate) fn found(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    [ROOT, ADMIN, COMMON, UNKNOWN].iter().find_map(|token| {
        forms(token)
            .into_iter()
            .find(|form| text.contains(form.as_str()))
            .map(|form| format!("{} as {form}", &token[3..10]))
    })
}

/// Searches every file below a folder, and answers how many bytes that were.
pub(crate) fn search(folder: &Path) -> u64 {
    let mut searched = 0;
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            searched += search(&path);
        } else if path.is_file() {
            // A file may go while we look, as SQLite's own do.
            let Ok(bytes) = std::fs::read(&path) else {
                continue;
            };
            if let Some(token) = found(&bytes) {
                panic!("{} has a token in it: {token}", path.display());
            }
            searched += bytes.len() as u64;
        }
    }
    searched
}

/// Searches every file below a folder for secrets that a test made, and answers how many bytes that were.
pub(crate) fn search_for(folder: &Path, secrets: &[(&str, String)]) -> u64 {
    let mut searched = 0;
    for entry in std::fs::read_dir(folder).expect("the folder can be read") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            searched += search_for(&path, secrets);
        } else if let Ok(bytes) = std::fs::read(&path) {
            let found = found_of(&bytes, secrets);
            assert_eq!(found, None, "{}", path.display());
            searched += bytes.len() as u64;
        }
    }
    searched
}

/// Which of the secrets is in some bytes, in any form.
pub(crate) fn found_of<'a>(bytes: &[u8], secrets: &[(&'a str, String)]) -> Option<&'a str> {
    let text = String::from_utf8_lossy(bytes);
    let is_in = |secret: &str| {
        forms(secret)
            .iter()
            .any(|form| text.contains(form.as_str()))
    };
    let found = secrets.iter().find(|(_, secret)| is_in(secret));
    found.map(|(name, _)| *name)
}

/// The token itself, in hexadecimal, and in base64 at each of the three places it can have among other bytes.
fn forms(token: &str) -> Vec<String> {
    let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
    let mut forms = vec![token.to_owned(), hex.to_uppercase(), hex];
    for place in 0..3 {
        let mut bytes = vec![0; place];
        bytes.extend(token.bytes());
        let text = base64(&bytes);
        // The digits at both ends hold bits of the neighbours too.
        let start = (place * 8).div_ceil(6);
        let end = bytes.len() * 8 / 6;
        forms.push(text[start..end].to_owned());
    }
    forms
}

fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let mut bits = [0; 3];
        bits[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, bits[0], bits[1], bits[2]]);
        for place in 0..=chunk.len() {
            let digit = (bits >> (18 - 6 * place)) & 63;
            text.push(char::from(DIGITS[digit as usize]));
        }
    }
    text
}

#[test]
fn a_token_is_found_in_every_form_it_could_have() {
    for token in [ROOT, ADMIN, COMMON, UNKNOWN] {
        let hex: String = token.bytes().map(|byte| format!("{byte:02x}")).collect();
        for hidden in [
            format!("Authorization: Bearer {token}\n"),
            format!("x'{hex}'"),
            base64(token.as_bytes()),
            base64(format!("1:{token}").as_bytes()),
            base64(format!("{{\"t\":\"{token}\"}}").as_bytes()),
        ] {
            let mut bytes = vec![0xff, 0, 0x80];
            bytes.extend(hidden.bytes());
            assert!(found(&bytes).is_some(), "{hidden}");
        }
    }
    assert_eq!(found(b"Bearer [redacted]"), None);
    assert_eq!(base64(b"canary!"), "Y2FuYXJ5IQ");
}

#[test]
fn a_token_in_a_file_is_found() {
    let folder = tempfile::tempdir().expect("a folder");
    let inner = folder.path().join("locks");
    std::fs::create_dir(&inner).expect("made");
    std::fs::write(inner.join("one"), "nothing here").expect("written");
    assert_eq!(search(folder.path()), 12);
    std::fs::write(inner.join("two"), format!("..{ROOT}..")).expect("written");
    let searched = std::panic::catch_unwind(|| search(folder.path()));
    assert!(searched.is_err(), "the token was not found");
}
