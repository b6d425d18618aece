//! The findings of notices as JSON.

use lockstep_core::hash::Digest;
use lockstep_core::notices::{About, Finding, What};
use lockstep_core::prices::source::SourceState;
use serde::{Deserialize, Serialize};

use super::{
    failure_from_text, failure_to_text, from_text, reason_from_text, reason_to_text, to_text,
    usd_from_text, usd_to_text,
};

#[derive(Serialize, Deserialize)]
struct FindingText {
    about: AboutText,
    what: WhatText,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AboutText {
    Run,
    Channel(i64, String),
    Model(String),
    Source(String),
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum WhatText {
    Failed(String),
    Held(String, Option<String>),
    List {
        added: usize,
        removed: usize,
        first_added: Vec<String>,
        first_removed: Vec<String>,
    },
    Price(String, String, String),
    Source(String, String),
    Unpriced,
    Below {
        ours: f64,
        cost: f64,
        per_call: bool,
    },
    Missed(String, String),
}

/// Findings as JSON.
pub(crate) fn findings_to_text(findings: &[Finding]) -> String {
    let texts: Vec<FindingText> = findings.iter().map(to_stored).collect();
    to_text(&texts)
}

/// The findings of a JSON text.
pub(crate) fn findings_from_text(text: &str) -> Option<Vec<Finding>> {
    let texts: Vec<FindingText> = from_text(text)?;
    texts.into_iter().map(from_stored).collect()
}

fn to_stored(finding: &Finding) -> FindingText {
    let about = match &finding.about {
        About::Run => AboutText::Run,
        About::Channel(id, name) => AboutText::Channel(*id, name.clone()),
        About::Model(name) => AboutText::Model(name.clone()),
        About::Source(name) => AboutText::Source(name.clone()),
    };
    let what = match finding.what.clone() {
        What::Failed(failure) => WhatText::Failed(failure_to_text(&failure)),
        What::Held(reason, held) => WhatText::Held(
            reason_to_text(&reason),
            held.map(|digest| digest.as_str().to_owned()),
        ),
        What::List {
            added,
            removed,
            first_added,
            first_removed,
        } => WhatText::List {
            added,
            removed,
            first_added,
            first_removed,
        },
        What::Price(old, new, values) => WhatText::Price(
            usd_to_text(&old),
            usd_to_text(&new),
            values.as_str().to_owned(),
        ),
        What::Source(state, detail) => WhatText::Source(state.code().to_owned(), detail),
        What::Unpriced => WhatText::Unpriced,
        What::Missed { why, detail } => WhatText::Missed(why, detail),
        What::Below {
            ours,
            cost,
            per_call,
        } => WhatText::Below {
            ours,
            cost,
            per_call,
        },
    };
    FindingText { about, what }
}

fn from_stored(stored: FindingText) -> Option<Finding> {
    let about = match stored.about {
        AboutText::Run => About::Run,
        AboutText::Channel(id, name) => About::Channel(id, name),
        AboutText::Model(name) => About::Model(name),
        AboutText::Source(name) => About::Source(name),
    };
    let what = match stored.what {
        WhatText::Failed(failure) => What::Failed(failure_from_text(&failure)?),
        WhatText::Held(reason, held) => {
            What::Held(reason_from_text(&reason)?, held.map(Digest::stored))
        }
        WhatText::List {
            added,
            removed,
            first_added,
            first_removed,
        } => What::List {
            added,
            removed,
            first_added,
            first_removed,
        },
        WhatText::Price(old, new, values) => What::Price(
            usd_from_text(&old)?,
            usd_from_text(&new)?,
            Digest::stored(values),
        ),
        WhatText::Source(state, detail) => What::Source(SourceState::from_code(&state)?, detail),
        WhatText::Unpriced => What::Unpriced,
        WhatText::Missed(why, detail) => What::Missed { why, detail },
        WhatText::Below {
            ours,
            cost,
            per_call,
        } => What::Below {
            ours,
            cost,
            per_call,
        },
    };
    Some(Finding { about, what })
}
