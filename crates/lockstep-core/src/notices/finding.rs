//! One line of a notice, as codes with arguments.

use crate::failure::Failure;
use crate::hash::Digest;
use crate::hold::Reason;
use crate::prices::source::SourceState;
use crate::prices::usd::Usd;

/// What a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum About {
    /// The run as a whole.
    Run,
    /// A channel: the gateway's id, and its name when the run read it.
    Channel(i64, String),
    /// A model.
    Model(String),
    /// A source of prices, by its name.
    Source(String),
}

/// What was found.
#[derive(Clone, Debug, PartialEq)]
pub enum What {
    /// It failed.
    Failed(Failure),
    /// It waits for an answer. The digest is that of what is held, where there is one.
    Held(Reason, Option<Digest>),
    /// A list was written: how many names came and went, and the first of them.
    List {
        /// How many came.
        added: usize,
        /// How many went.
        removed: usize,
        /// The first that came.
        first_added: Vec<String>,
        /// The first that went.
        first_removed: Vec<String>,
    },
    /// A price, written or asked: what the model cost, what it costs or would cost, and the digest of the values.
    Price(Usd, Usd, Digest),
    /// A source is not believed: its state, and a short technical detail.
    Source(SourceState, String),
    /// It has no price.
    Unpriced,
    /// It is sold below cost: what we ask and what it costs us, in USD per million input tokens or per call.
    Below {
        /// What we ask.
        ours: f64,
        /// What it costs us.
        cost: f64,
        /// Whether that is per call.
        per_call: bool,
    },
    /// It did not do what it was to do: why, as a code, and what belongs to the code.
    Missed {
        /// The code.
        why: String,
        /// The rest, for people.
        detail: String,
    },
}

/// One line of a notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    /// What it is about.
    pub about: About,
    /// What was found.
    pub what: What,
}

impl About {
    /// By what it is known again: a channel keeps its id when it is renamed.
    pub(super) fn key(&self) -> [String; 2] {
        match self {
            Self::Run => ["run".to_owned(), String::new()],
            Self::Channel(id, _) => ["channel".to_owned(), id.to_string()],
            Self::Model(name) => ["model".to_owned(), name.clone()],
            Self::Source(name) => ["source".to_owned(), name.clone()],
        }
    }
}

impl Finding {
    /// A finding about a thing.
    pub fn new(about: About, what: What) -> Self {
        Self { about, what }
    }

    /// By what it is the same as another one. Details that differ from try to try, as those of errors do, are not in it.
    pub(super) fn parts(&self) -> Vec<String> {
        let mut parts = Vec::from(self.about.key());
        match &self.what {
            What::Failed(failure) => {
                let status = failure.http_status;
                parts.push(failure.kind.code().to_owned());
                parts.push(status.map_or_else(String::new, |status| status.to_string()));
            }
            What::Held(reason, held) => {
                parts.push(reason.code.code().to_owned());
                parts.extend(held.iter().map(|digest| digest.as_str().to_owned()));
            }
            What::List {
                added,
                removed,
                first_added,
                first_removed,
            } => {
                parts.extend([added.to_string(), removed.to_string()]);
                parts.extend(first_added.iter().map(|name| format!("+{name}")));
                parts.extend(first_removed.iter().map(|name| format!("-{name}")));
            }
            What::Price(_, _, values) => parts.push(values.as_str().to_owned()),
            What::Source(state, _) => parts.push(state.code().to_owned()),
            What::Unpriced => {}
            What::Missed { why, .. } => parts.push(why.clone()),
            What::Below {
                ours,
                cost,
                per_call,
            } => parts.extend([ours.to_string(), cost.to_string(), per_call.to_string()]),
        }
        parts
    }

    /// Whether both say the same.
    pub fn says(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

/// The digest of findings, whatever their order.
pub fn digest(findings: &[Finding]) -> Digest {
    let mut each: Vec<Digest> = findings
        .iter()
        .map(|finding| Digest::of(finding.parts()))
        .collect();
    each.sort_unstable();
    Digest::of(each.iter().map(Digest::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::FailureKind;

    fn failed(id: i64, status: u16, detail: &str) -> Finding {
        let failure = Failure::status(FailureKind::ProviderStatus, status, detail);
        Finding::new(
            About::Channel(id, format!("channel {id}")),
            What::Failed(failure),
        )
    }

    #[test]
    fn order_names_and_details_make_no_other_digest_but_a_status_does() {
        let both = digest(&[failed(1, 401, "a"), failed(2, 500, "b")]);
        let mut renamed = failed(1, 401, "another text");
        renamed.about = About::Channel(1, "renamed".to_owned());
        assert_eq!(digest(&[failed(2, 500, ""), renamed]), both);
        assert_ne!(digest(&[failed(1, 401, "a"), failed(2, 502, "b")]), both);
        assert_ne!(digest(&[failed(1, 401, "a")]), both);
    }
}
