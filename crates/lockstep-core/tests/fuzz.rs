//! Broken price lists of every format, made from the corpora by moving their parts about: tokens, values and entries
//! swapped, doubled and taken out, numbers and texts made odd. `make soak` makes twenty times as many.
//!
//! A case is told by its number alone, so that what fails fails again.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use lockstep_core::formats::{Decoded, MAX_BYTES, MAX_NAMES, decode};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::names::Names;

/// Cases of one format, times what `make soak` sets.
const CASES: u64 = 3_000;
/// Which format's long bodies a child process decodes.
const CHILD: &str = "LOCKSTEP_TEST_LONG_BODIES";
/// What 16 MiB of anything may take beside the body itself, in KiB.
const MOST: u64 = 128 << 10;

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "-1",
    "1e999",
    "-1e999",
    "1e-999",
    "1E-7",
    "37.5",
    "37.50",
    "0.0000000000000001",
    "123456789012345678901234567890",
    "1.7976931348623157e308",
];
/// What looks like a number and is none of JSON's.
const NO_NUMBERS: &[&str] = &[
    "NaN",
    "Infinity",
    "-Infinity",
    "01",
    "1.",
    ".5",
    "+1",
    "0x1",
];
const TEXTS: &[&str] = &[
    r#""""#,
    r#""1.5""#,
    r#""NaN""#,
    r#""inf""#,
    r#""\u0000""#,
    r#""\ud83d\ude80""#,
    r#""\ud800""#,
    r#""é🚀\u202e""#,
    r#""data""#,
    r#""model_name""#,
    r#""model_ratio""#,
    r#""pricing""#,
    r#""cost""#,
    r#""models""#,
    r#""litellm_provider""#,
    r#""success""#,
    r#""tiered_expr""#,
];
const OTHERS: &[&str] = &["null", "true", "false", "[]", "{}", "[[]]", r#"{"a":{}}"#];

/// SplitMix64: small, and the same everywhere.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Below `end`, which is not 0.
    fn below(&mut self, end: usize) -> usize {
        (self.next() % end as u64) as usize
    }

    fn of<'a>(&mut self, list: &[&'a str]) -> &'a str {
        list[self.below(list.len())]
    }
}

fn soak() -> u64 {
    let times = std::env::var("LOCKSTEP_SOAK").ok();
    times.and_then(|times| times.parse().ok()).unwrap_or(1)
}

fn corpus(format: &str) -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/corpora");
    let files = std::fs::read_dir(folder.join(format)).expect("a folder");
    let mut files: Vec<_> = files.map(|file| file.expect("an entry").path()).collect();
    files.sort();
    files
        .iter()
        .map(|file| std::fs::read_to_string(file).expect("a file"))
        .collect()
}

/// The tokens of a text that is about JSON: texts, numbers and words, single marks; spaces go.
fn tokens(body: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    let mut rest = body.trim_start();
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => {
                let mut escaped = false;
                let end = rest.char_indices().skip(1).find(|(_, c)| {
                    let ends = *c == '"' && !escaped;
                    escaped = *c == '\\' && !escaped;
                    ends
                });
                end.map_or(rest.len(), |(at, _)| at + 1)
            }
            '{' | '}' | '[' | ']' | ',' | ':' => 1,
            _ => {
                let ends = |c: char| "{}[],:\"".contains(c) || c.is_whitespace();
                rest.find(ends).unwrap_or(rest.len()).max(first.len_utf8())
            }
        };
        tokens.push(rest[..length].to_owned());
        rest = rest[length..].trim_start();
    }
    tokens
}

/// The value that begins at a token: to the bracket that closes it, or the token alone.
fn value(tokens: &[String], start: usize) -> std::ops::Range<usize> {
    let mut depth = 0_usize;
    for (place, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "{" | "[" => depth += 1,
            "}" | "]" => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return start..place + 1;
        }
    }
    start..tokens.len()
}

/// An entry of a map or an item of a list around a token: what stands between two commas, or a bracket and a comma.
fn entry(tokens: &[String], at: usize) -> std::ops::Range<usize> {
    let opens = |token: &String| matches!(token.as_str(), "{" | "[" | ",");
    let start = tokens[..at].iter().rposition(opens).map_or(0, |p| p + 1);
    let is_key = tokens.get(start + 1).is_some_and(|token| token == ":");
    let from = if is_key { start + 2 } else { start };
    start..value(tokens, from.min(tokens.len())).end
}

fn is_number(token: &str) -> bool {
    token.starts_with(|c: char| c.is_ascii_digit() || c == '-')
}

/// One change that leaves the brackets in pairs.
fn move_parts(tokens: &mut Vec<String>, other: &[String], random: &mut Random) {
    let at = random.below(tokens.len());
    let comma = || ",".to_owned();
    match random.below(11) {
        0 => {
            let (a, b) = (value(tokens, at), value(tokens, random.below(tokens.len())));
            if a.end <= b.start {
                let (first, second) = (tokens[a.clone()].to_vec(), tokens[b.clone()].to_vec());
                tokens.splice(b, first);
                tokens.splice(a, second);
            }
        }
        1 => drop(tokens.drain(entry(tokens, at))),
        2 => {
            let entry = entry(tokens, at);
            let copy = tokens[entry.clone()].to_vec();
            tokens.splice(entry.end..entry.end, std::iter::once(comma()).chain(copy));
        }
        3 => {
            let put = other.get(value(other, random.below(other.len())));
            let put = put.unwrap_or_default().to_vec();
            tokens.splice(value(tokens, at), put);
        }
        4 => {
            let put = other.get(entry(other, random.below(other.len())));
            let put = put.unwrap_or_default().to_vec();
            let start = entry(tokens, at).start;
            tokens.splice(start..start, put.into_iter().chain([comma()]));
        }
        5 => {
            let kind = [NUMBERS, TEXTS, OTHERS][random.below(3)];
            let put = random.of(kind);
            tokens.splice(value(tokens, at), [put.to_owned()]);
        }
        6..=8 => {
            let Some(place) = one(tokens, random, is_number) else {
                return;
            };
            tokens[place] = match random.below(4) {
                0 => format!("\"{}\"", tokens[place]),
                1 => format!("{}e{}", tokens[place], random.below(700) as i64 - 350),
                2 => format!("-{}", tokens[place].trim_start_matches('-')),
                _ => random.of(NUMBERS).to_owned(),
            };
        }
        9 => {
            if let Some(place) = one(tokens, random, |token| token.starts_with('"')) {
                tokens[place] = random.of(TEXTS).to_owned();
            }
        }
        _ => {
            let levels = 1 + random.below(200);
            let value = value(tokens, at);
            tokens.insert(value.end, "]".repeat(levels));
            tokens.insert(value.start, "[".repeat(levels));
        }
    }
}

/// One change that leaves nothing in order.
fn break_parts(tokens: &mut Vec<String>, random: &mut Random) {
    let (at, to) = (random.below(tokens.len()), random.below(tokens.len()));
    match random.below(6) {
        0 => tokens.swap(at, to),
        1 => drop(tokens.remove(at)),
        2 => tokens.insert(to, tokens[at].clone()),
        3 => tokens.truncate(at),
        4 => tokens.insert(at, "\\ud800\u{feff}".to_owned()),
        _ => {
            if let Some(place) = one(tokens, random, is_number) {
                tokens[place] = random.of(NO_NUMBERS).to_owned();
            }
        }
    }
}

/// One of the tokens that are so.
fn one(tokens: &[String], random: &mut Random, is: impl Fn(&str) -> bool) -> Option<usize> {
    let places = (0..tokens.len()).filter(|place| is(&tokens[*place]));
    let places: Vec<usize> = places.collect();
    (!places.is_empty()).then(|| places[random.below(places.len())])
}

/// Takes out the commas that have nothing before or after them.
fn tidy(tokens: &mut Vec<String>) {
    let mut kept: Vec<String> = Vec::with_capacity(tokens.len());
    for token in tokens.drain(..) {
        let last = kept.last().map_or("", String::as_str);
        match token.as_str() {
            "," if matches!(last, "{" | "[" | "," | "") => continue,
            "}" | "]" if last == "," => drop(kept.pop()),
            _ => {}
        }
        kept.push(token);
    }
    *tokens = kept;
}

/// Body number `case` of a format.
fn broken(files: &[String], others: &[String], random: &mut Random) -> String {
    let mut body = tokens(&files[random.below(files.len())]);
    let other = tokens(&others[random.below(others.len())]);
    for _ in 0..=random.below(5) {
        if !body.is_empty() && !other.is_empty() {
            move_parts(&mut body, &other, random);
            tidy(&mut body);
        }
    }
    if !body.is_empty() && random.below(4) == 0 {
        break_parts(&mut body, random);
    }
    body.concat()
}

/// What a list says, by names, so that it does not depend on what was read before it.
#[derive(Debug, PartialEq)]
struct Told {
    format: &'static str,
    values: BTreeMap<(String, Field), String>,
    left_out: Vec<(&'static str, usize, Vec<String>)>,
    groups: Vec<(String, String)>,
    chosen: BTreeMap<String, (&'static str, Option<String>)>,
}

fn told(names: &Names, decoded: &Decoded<'_>) -> Told {
    let values = decoded.table.models().flat_map(|model| {
        let values = decoded.table.values(model);
        let of = |(field, value): (Field, &str)| {
            ((names.text(model).to_owned(), field), value.to_owned())
        };
        values.iter().map(of).collect::<Vec<_>>()
    });
    let left_out = decoded.skipped.iter();
    let groups = decoded.groups.iter();
    let chosen = decoded.sellers.iter().map(|(model, choice)| {
        let seller = decoded.sellers.chosen(model).map(str::to_owned);
        (names.text(model).to_owned(), (choice.code(), seller))
    });
    Told {
        format: decoded.format.code(),
        values: values.collect(),
        left_out: left_out
            .map(|(reason, skips)| {
                // Of more names than are kept, which ones are depends on the order of the ids.
                let mut names = match skips.count {
                    0..=MAX_NAMES => skips.names.clone(),
                    _ => Vec::new(),
                };
                names.sort();
                (reason.code(), skips.count, names)
            })
            .collect(),
        groups: groups
            .map(|(name, ratio)| (name.clone(), ratio.to_string()))
            .collect(),
        chosen: chosen.collect(),
    }
}

fn read(body: &str, names: &mut Names) -> Result<Told, &'static str> {
    decode(body, names)
        .map(|decoded| told(names, &decoded))
        .map_err(|refused| refused.code())
}

/// Prints the body of a case that fails, by panicking in the decoder too.
struct Case<'a>(&'a str, u64, &'a str);

impl Drop for Case<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("{} case {}: {}", self.0, self.1, self.2);
        }
    }
}

/// What holds for every body; whether it is a price list.
fn check(body: &str) -> bool {
    let mut names = Names::new();
    let told = read(body, &mut names);
    let mut others = Names::new();
    // The other way round, and with the keys that a list of sellers has in between.
    let texts = tokens(body).into_iter().rev();
    for text in texts.filter_map(|token| serde_json::from_str::<String>(&token).ok()) {
        others.id(&text);
    }
    assert_eq!(told, read(body, &mut names), "the second time");
    assert_eq!(told, read(body, &mut others), "among other names");
    let told = match told {
        Ok(told) => told,
        Err(refused) => {
            assert!(!refused.is_empty());
            return false;
        }
    };
    for ((model, field), value) in &told.values {
        assert!(!model.is_empty());
        if field.is_number() {
            let json: serde_json::Value = serde_json::from_str(value).expect("a number of JSON");
            let number = json.as_f64().filter(|_| json.is_number());
            assert!(number.is_some_and(f64::is_finite), "{model}: {value}");
            let digits = value.split(['e', 'E']).next().unwrap_or_default();
            let is_zero = !digits.contains(|c: char| matches!(c, '1'..='9'));
            assert_eq!(number == Some(0.0), is_zero, "{model}: {value}");
        }
    }
    for (group, ratio) in &told.groups {
        assert!(ratio.parse().is_ok_and(f64::is_finite), "{group}: {ratio}");
    }
    again(&told);
    true
}

/// Written as a gateway's maps and read again, a list says the same.
fn again(told: &Told) {
    let mut maps: BTreeMap<Field, String> = BTreeMap::new();
    for ((model, field), value) in &told.values {
        let name = serde_json::Value::from(model.as_str());
        let map = maps.entry(*field).or_default();
        let comma = if map.is_empty() { "" } else { "," };
        if field.is_number() {
            let _ = write!(map, "{comma}{name}:{value}");
        } else {
            let text = serde_json::Value::from(value.as_str());
            let _ = write!(map, "{comma}{name}:{text}");
        }
    }
    if maps.is_empty() {
        return;
    }
    let maps: Vec<String> = maps
        .iter()
        .map(|(field, map)| format!("\"{}\":{{{map}}}", field.code()))
        .collect();
    let body = format!(r#"{{"success":true,"data":{{{}}}}}"#, maps.join(","));
    let second = read(&body, &mut Names::new()).expect("it is a list");
    assert_eq!(second.values, told.values);
    assert!(second.left_out.is_empty());
}

fn fuzz(format: &str) {
    let files = corpus(format);
    let folders = [
        "ratio_config",
        "pricing",
        "openrouter",
        "models_dev",
        "litellm",
        "neither",
    ];
    let others: Vec<String> = folders.iter().flat_map(|folder| corpus(folder)).collect();
    let mut lists = 0;
    let cases = CASES * soak();
    for case in 0..cases {
        let body = broken(&files, &others, &mut Random(case));
        let failing = Case(format, case, &body);
        lists += u64::from(check(&body));
        drop(failing);
    }
    println!("{format}: {lists} of {cases} bodies were lists");
    if format != "neither" {
        assert!(
            lists * 20 > cases,
            "too few are read to find anything: {lists} of {cases}"
        );
    }
    let Some(peak) = long_bodies(format) else {
        println!("this system does not tell a process' peak: not looked at");
        return;
    };
    println!("{format}: long bodies took at most {} MiB", peak >> 10);
    assert!(peak <= MOST, "{peak} KiB");
}

#[test]
fn fuzz_ratio_config() {
    fuzz("ratio_config");
}

#[test]
fn fuzz_pricing() {
    fuzz("pricing");
}

#[test]
fn fuzz_openrouter() {
    fuzz("openrouter");
}

#[test]
fn fuzz_models_dev() {
    fuzz("models_dev");
}

#[test]
fn fuzz_litellm() {
    fuzz("litellm");
}

#[test]
fn fuzz_what_is_no_list() {
    fuzz("neither");
}

// Memory.

/// A broken body of which one entry is there again and again, under other names or the same, until it is as long as may be.
fn long(files: &[String], random: &mut Random) -> String {
    let mut body = tokens(&files[random.below(files.len())]);
    if body.is_empty() {
        return " ".repeat(MAX_BYTES);
    }
    if random.below(4) == 0 {
        move_parts(&mut body, &["1".to_owned()], random);
        tidy(&mut body);
    }
    // The innermost entries say least: one that is near the start of a file is mostly a whole model.
    let place = 1 + random.below(body.len().clamp(1, 12));
    let entry = (place..body.len())
        .map(|place| entry(&body, place))
        .find(|entry| entry.len() > 2)
        .unwrap_or(body.len()..body.len());
    let of = |tokens: &[String]| tokens.concat();
    let (start, end) = (of(&body[..entry.start]), of(&body[entry.end..]));
    let mut parts: Vec<String> = vec![String::new()];
    for token in &body[entry] {
        let numbered = token.starts_with('"') && token.len() > 1 && random.below(2) == 0;
        let (text, last) = token.split_at(token.len() - usize::from(numbered));
        parts.last_mut().expect("one").push_str(text);
        if numbered {
            parts.push(last.to_owned());
        }
    }
    let mut long = start;
    for number in 0.. {
        let before = long.len();
        if number > 0 {
            long.push(',');
        }
        long.push_str(&parts[0]);
        for part in &parts[1..] {
            let _ = write!(long, "{number:x}{part}");
        }
        if long.len() + end.len() > MAX_BYTES || long.len() <= before + 1 {
            long.truncate(before);
            break;
        }
    }
    long.push_str(&end);
    long
}

/// A line of this process' status, in KiB.
fn status(key: &str) -> Option<u64> {
    let text = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find(|line| line.starts_with(key))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The most that decoding long bodies took in a process of its own, in KiB; `None` where the system does not tell.
fn long_bodies(format: &str) -> Option<u64> {
    std::fs::write("/proc/self/clear_refs", "5").ok()?;
    let child = std::process::Command::new(std::env::current_exe().expect("it has a path"))
        .args([
            "--exact",
            "a_child_decodes_long_bodies_and_tells_its_peak",
            "--nocapture",
        ])
        .env(CHILD, format)
        .output()
        .expect("the child runs");
    let output = String::from_utf8_lossy(&child.stdout);
    // The harness itself says the test's name and that it takes long.
    let told = output.split("KiB at most: ").nth(1);
    let told = told.unwrap_or_else(|| panic!("it tells nothing: {output}"));
    let peak = told.split_whitespace().next().map(str::parse);
    Some(peak.expect("a number").expect("a number"))
}

/// Does its work only as a child of the other tests.
#[test]
fn a_child_decodes_long_bodies_and_tells_its_peak() {
    let Ok(format) = std::env::var(CHILD) else {
        return;
    };
    let files = corpus(&format);
    let mut peak = 0;
    for case in 0..4 * soak() {
        let body = long(&files, &mut Random(case));
        let failing = Case(&format, case, "a long one");
        std::fs::write("/proc/self/clear_refs", "5").expect("it was there before");
        let before = status("VmRSS:").expect("it is there");
        let _ = decode(&body, &mut Names::new());
        peak = peak.max(
            status("VmHWM:")
                .expect("it is there")
                .saturating_sub(before),
        );
        drop(failing);
    }
    println!("KiB at most: {peak}");
}
