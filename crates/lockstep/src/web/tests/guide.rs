//! The guide to the pages, docs/pages.md, tells every page and every error in the words of the page.

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::source::SourceState;

use crate::web::frame::Here;
use crate::words::Lang;

const GUIDE: &str = include_str!("../../../../../docs/pages.md");

/// What the rows of a part's table begin with.
fn heads(part: &str) -> Vec<&'static str> {
    let (_, text) = GUIDE
        .split_once(&format!("\n### {part}\n"))
        .unwrap_or_else(|| panic!("no part `{part}`"));
    let end = text.find("\n#").unwrap_or(text.len());
    let rows = text[..end].lines().filter(|line| line.starts_with("| "));
    rows.filter_map(|row| row.split('|').nth(1))
        .map(str::trim)
        .collect()
}

#[track_caller]
fn tells(heads: &[&str], said: &str) {
    assert!(
        heads.contains(&said),
        "no row begins with `{said}`: {heads:?}"
    );
}

#[test]
fn the_guide_has_every_page_of_the_navigation_and_the_way_in() {
    let t = Lang::En.words();
    let pages = Here::ALL.into_iter().map(|page| page.label(t));
    for page in pages.chain([t.sign_in.title.as_str()]) {
        let heading = format!("\n## {page}\n");
        assert_eq!(GUIDE.matches(&heading).count(), 1, "{page}");
    }
}

#[test]
fn the_guide_tells_every_failure_in_the_words_of_the_page() {
    let rows: Vec<&str> = ["The gateway", "A channel and its provider", "A run"]
        .into_iter()
        .flat_map(heads)
        .collect();
    for kind in FailureKind::ALL {
        let statuses: &[u16] = match kind {
            FailureKind::Firewall => &[403],
            FailureKind::ServerError => &[500],
            FailureKind::ProviderStatus => &[401, 404, 429, 500],
            _ => &[],
        };
        let bare = Failure::new(*kind, "");
        let samples: Vec<Failure> = match statuses {
            [] => vec![bare],
            some => some
                .iter()
                .map(|status| Failure::status(*kind, *status, ""))
                .collect(),
        };
        for failure in samples {
            tells(&rows, &Lang::En.failure(&failure).message);
        }
    }
}

#[test]
fn the_guide_tells_lists_that_are_empty_or_broken_in_part() {
    let rows = heads("A channel and its provider");
    for code in [ReasonCode::EmptyList, ReasonCode::PartialList] {
        let reason = Reason::counted(code, 2, 9, 0);
        tells(&rows, &Lang::En.reason(&reason).message);
    }
}

#[test]
fn the_guide_tells_every_state_of_a_source_in_the_words_of_the_page() {
    let rows = heads("A source of prices");
    let troubles = SourceState::ALL.iter().copied();
    for state in troubles.filter(|state| *state != SourceState::Ok) {
        tells(&rows, Lang::En.source_badge(state));
    }
}

#[test]
fn the_guide_tells_the_five_errors_that_admins_know_with_a_cause_and_what_to_do() {
    for begin in [
        "Configuration missing",
        "401 Unauthorized",
        "429 Rate limited",
        "500 Server error",
        "Network timeout",
    ] {
        let row = GUIDE
            .lines()
            .find(|line| line.starts_with(&format!("| {begin}")))
            .unwrap_or_else(|| panic!("no row of {begin}"));
        let cells: Vec<&str> = row.trim_matches('|').split('|').map(str::trim).collect();
        assert_eq!(cells.len(), 3, "{row}");
        assert!(cells.iter().all(|cell| cell.len() > 3), "{row}");
    }
}
