//! What of a run's findings is told: what is new, what changed, what is over.

use std::collections::{BTreeMap, BTreeSet};

use super::{About, Finding, NoticeKind, digest};
use crate::hash::Digest;

/// How a notice is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Telling {
    /// For the first time.
    New,
    /// Again, for it is no longer what was told.
    Changed,
    /// It is over.
    Recovered,
}

impl Telling {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Recovered => "recovered",
        }
    }

    /// The telling of a stored code.
    pub fn from_code(code: &str) -> Option<Self> {
        [Self::New, Self::Changed, Self::Recovered]
            .into_iter()
            .find(|telling| telling.code() == code)
    }
}

/// What was last told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// The digest of what was told.
    pub digest: Digest,
    /// The run of which it was told.
    pub run: String,
    /// How.
    pub telling: Telling,
}

/// What is known of one kind, of one site and subject.
#[derive(Clone, Debug, PartialEq)]
pub struct Known {
    /// What was found by the last run; nothing once it is over.
    pub findings: Vec<Finding>,
    /// That run.
    pub run: String,
    /// What was last told.
    pub told: Option<Told>,
}

/// What a run looked at. Of the rest it knows nothing, so what was found there stays.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Looked {
    /// At everything.
    Everywhere,
    /// At these only, and at itself.
    At(BTreeSet<About>),
}

/// One notice to send.
#[derive(Clone, Debug, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub kind: NoticeKind,
    /// How it is told.
    pub telling: Telling,
    /// What it says; what was there before, where it is over.
    pub findings: Vec<Finding>,
}

/// What comes of a run's findings.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settled {
    /// What is known then, by kind. Kinds that are not in it are forgotten.
    pub known: BTreeMap<NoticeKind, Known>,
    /// What is to be told, in the order of [`NoticeKind::ALL`].
    pub notices: Vec<Notice>,
}

/// Settles what a run found with what was known before. Of a kind that is not in `found` the run could tell nothing, and
/// what is known of it stays. Settling a run again gives what is new of it since, so whoever stores what is known must
/// store with it what is to be told; settling one that is older than what is known gives nothing.
pub fn settle(
    mut known: BTreeMap<NoticeKind, Known>,
    mut found: BTreeMap<NoticeKind, Vec<Finding>>,
    looked: &Looked,
    run: &str,
) -> Settled {
    let mut settled = Settled::default();
    let looked = looked.keys();
    let saw = |about: &About| {
        *about == About::Run
            || looked
                .as_ref()
                .is_none_or(|keys| keys.contains(&about.key()))
    };
    for kind in NoticeKind::ALL.iter().copied() {
        let before = known.remove(&kind);
        let newer = before
            .as_ref()
            .is_some_and(|before| before.run.as_str() > run);
        let Some(mut now) = found.remove(&kind).filter(|_| !newer) else {
            settled.known.extend(before.map(|before| (kind, before)));
            continue;
        };
        if let Some(before) = before.as_ref().filter(|_| !kind.is_event()) {
            let found: BTreeSet<_> = now.iter().map(|finding| finding.about.key()).collect();
            let stays = before
                .findings
                .iter()
                .filter(|old| !saw(&old.about) && !found.contains(&old.about.key()));
            now.extend(stays.cloned());
        }
        let (kept, notice) = one(kind, before, now, run);
        settled.known.extend(kept.map(|kept| (kind, kept)));
        settled.notices.extend(notice);
    }
    settled
}

fn one(
    kind: NoticeKind,
    before: Option<Known>,
    now: Vec<Finding>,
    run: &str,
) -> (Option<Known>, Option<Notice>) {
    let again = before.as_ref().is_some_and(|before| before.run == run);
    let told = before.as_ref().and_then(|before| before.told.clone());
    let is_now = digest(&now);
    let notice = |telling, findings: &[Finding]| Notice {
        kind,
        telling,
        findings: findings.to_vec(),
    };
    let keep = |told: Option<Told>| Known {
        findings: now.clone(),
        run: run.to_owned(),
        told,
    };
    // What this very run was told of is told, whether it stands or happened.
    if told
        .as_ref()
        .is_some_and(|told| told.run == run && told.digest == is_now)
    {
        return (Some(keep(told)), None);
    }
    let stands = told
        .as_ref()
        .filter(|told| told.telling != Telling::Recovered && !kind.is_event());
    if now.is_empty() {
        return match stands {
            Some(_) => {
                let telling = Telling::Recovered;
                let over = before.map_or_else(Vec::new, |before| before.findings);
                let told = told_now(is_now, run, telling);
                (Some(keep(Some(told))), Some(notice(telling, &over)))
            }
            None => (None, None),
        };
    }
    if stands.is_some_and(|told| told.digest == is_now) {
        return (Some(keep(told)), None);
    }
    if kind.waits_for_a_second() && now.len() == 1 && now[0].about != About::Run {
        let known = before.as_ref().filter(|_| !again);
        let second = known.is_some_and(|before| {
            let was_there = |finding: &Finding| before.findings.iter().any(|old| old.says(finding));
            now.iter().all(was_there)
        });
        if !second {
            return (Some(keep(told)), None);
        }
    }
    let telling = match stands {
        Some(_) => Telling::Changed,
        None => Telling::New,
    };
    let told = told_now(is_now, run, telling);
    (Some(keep(Some(told))), Some(notice(telling, &now)))
}

fn told_now(digest: Digest, run: &str, telling: Telling) -> Told {
    Told {
        digest,
        run: run.to_owned(),
        telling,
    }
}

impl Looked {
    /// By what each thing is known again; `None` for everything.
    fn keys(&self) -> Option<BTreeSet<[String; 2]>> {
        match self {
            Self::Everywhere => None,
            Self::At(things) => Some(things.iter().map(About::key).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::failure::{Failure, FailureKind};
    use crate::notices::What;

    type AllKnown = BTreeMap<NoticeKind, Known>;

    fn channel(id: i64) -> About {
        About::Channel(id, format!("channel {id}"))
    }

    fn failed(id: i64, status: u16) -> Finding {
        let failure = Failure::status(FailureKind::ProviderStatus, status, "");
        Finding::new(channel(id), What::Failed(failure))
    }

    fn unpriced(model: &str) -> Finding {
        Finding::new(About::Model(model.to_owned()), What::Unpriced)
    }

    /// Settles one run over everything, and answers how it was told.
    fn run(
        known: &mut AllKnown,
        id: &str,
        kind: NoticeKind,
        findings: &[Finding],
    ) -> Option<Telling> {
        let found = BTreeMap::from([(kind, findings.to_vec())]);
        let settled = settle(std::mem::take(known), found, &Looked::Everywhere, id);
        *known = settled.known;
        settled.notices.first().map(|notice| notice.telling)
    }

    #[test]
    fn it_is_told_once_again_when_it_changes_and_taken_back_when_it_is_over() {
        let mut known = AllKnown::new();
        let kind = NoticeKind::Unpriced;
        let (a, b) = (unpriced("a"), unpriced("b"));
        for (id, findings, telling) in [
            ("1", vec![a.clone()], Some(Telling::New)),
            ("2", vec![a.clone()], None),
            ("3", vec![b.clone(), a.clone()], Some(Telling::Changed)),
            ("4", vec![a, b.clone()], None),
            ("5", vec![b.clone()], Some(Telling::Changed)),
            ("6", vec![], Some(Telling::Recovered)),
            ("7", vec![], None),
            ("8", vec![b], Some(Telling::New)),
        ] {
            assert_eq!(run(&mut known, id, kind, &findings), telling, "run {id}");
        }
    }

    #[test]
    fn a_single_failure_is_told_after_two_equal_runs_and_several_at_once() {
        let kind = NoticeKind::Failed;
        let mut known = AllKnown::new();
        for (id, findings, telling) in [
            ("1", vec![failed(1, 500)], None),
            ("2", vec![], None),
            ("3", vec![failed(1, 500)], None),
            ("4", vec![failed(1, 401)], None),
            ("5", vec![failed(1, 401)], Some(Telling::New)),
            ("6", vec![failed(1, 401)], None),
            (
                "7",
                vec![failed(1, 401), failed(2, 500)],
                Some(Telling::Changed),
            ),
            ("8", vec![failed(2, 500)], Some(Telling::Changed)),
            ("9", vec![], Some(Telling::Recovered)),
        ] {
            assert_eq!(run(&mut known, id, kind, &findings), telling, "run {id}");
        }
        let mut known = AllKnown::new();
        let two = [failed(1, 500), failed(2, 500)];
        assert_eq!(run(&mut known, "1", kind, &two), Some(Telling::New));
    }

    #[test]
    fn a_run_that_failed_as_a_whole_is_told_at_once() {
        let kind = NoticeKind::Failed;
        let whole = |kind| {
            let failure = Failure::new(kind, "");
            vec![Finding::new(About::Run, What::Failed(failure))]
        };
        let mut known = AllKnown::new();
        for (id, findings, telling) in [
            ("1", whole(FailureKind::Unauthorized), Some(Telling::New)),
            ("2", whole(FailureKind::Unauthorized), None),
            ("3", whole(FailureKind::Unreachable), Some(Telling::Changed)),
            ("4", vec![], Some(Telling::Recovered)),
            // A channel that fails alone waits all the same.
            ("5", vec![failed(1, 500)], None),
            ("6", whole(FailureKind::Unauthorized), Some(Telling::New)),
        ] {
            assert_eq!(run(&mut known, id, kind, &findings), telling, "run {id}");
        }
    }

    #[test]
    fn settling_a_run_again_is_no_second_run_and_tells_nothing_twice() {
        let mut known = AllKnown::new();
        let kind = NoticeKind::Failed;
        let one = [failed(1, 500)];
        assert_eq!(run(&mut known, "1", kind, &one), None);
        assert_eq!(run(&mut known, "1", kind, &one), None);
        assert_eq!(run(&mut known, "2", kind, &one), Some(Telling::New));
        assert_eq!(run(&mut known, "2", kind, &one), None);
        assert_eq!(run(&mut known, "3", kind, &[]), Some(Telling::Recovered));
        assert_eq!(run(&mut known, "3", kind, &[]), None);
        assert_eq!(run(&mut known, "2", kind, &one), None, "an older run");
        assert_eq!(run(&mut known, "4", kind, &[]), None);
        let written = [unpriced("a")];
        let kind = NoticeKind::Changed;
        assert_eq!(run(&mut known, "4", kind, &written), Some(Telling::New));
        assert_eq!(
            run(&mut known, "4", kind, &written),
            None,
            "it happened once"
        );
    }

    #[test]
    fn a_run_that_is_gone_on_with_and_ends_otherwise_is_told_again() {
        let mut known = AllKnown::new();
        let (a, b) = (unpriced("a"), unpriced("b"));
        for (kind, findings, telling) in [
            (NoticeKind::Held, vec![a.clone()], Some(Telling::New)),
            (
                NoticeKind::Held,
                vec![a.clone(), b.clone()],
                Some(Telling::Changed),
            ),
            (NoticeKind::Held, vec![a.clone()], Some(Telling::Changed)),
            (NoticeKind::Held, vec![], Some(Telling::Recovered)),
            (NoticeKind::Held, vec![b.clone()], Some(Telling::New)),
            (NoticeKind::Changed, vec![a.clone()], Some(Telling::New)),
            (NoticeKind::Changed, vec![a, b], Some(Telling::New)),
        ] {
            let told = run(&mut known, "1", kind, &findings);
            assert_eq!(told, telling, "{kind:?} {findings:?}");
        }
    }

    #[test]
    fn what_happened_is_told_each_time_and_never_taken_back() {
        let mut known = AllKnown::new();
        let kind = NoticeKind::Changed;
        let written = [unpriced("a")];
        assert_eq!(run(&mut known, "1", kind, &written), Some(Telling::New));
        assert_eq!(run(&mut known, "2", kind, &written), Some(Telling::New));
        assert_eq!(run(&mut known, "3", kind, &[]), None);
        assert!(known.is_empty());
    }

    #[test]
    fn a_run_over_some_channels_says_nothing_of_the_others() {
        let kind = NoticeKind::Failed;
        let mut known = AllKnown::new();
        let both = [failed(1, 500), failed(2, 500)];
        run(&mut known, "1", kind, &both);
        let over = |looked: BTreeSet<About>, id: &str, known: AllKnown| {
            let nothing = BTreeMap::from([(kind, Vec::new())]);
            settle(known, nothing, &Looked::At(looked), id)
        };
        let nothing = over(BTreeSet::new(), "2", known.clone());
        assert!(nothing.notices.is_empty(), "nothing was looked at");
        // The name may have changed meanwhile.
        let renamed = About::Channel(1, "another name".to_owned());
        let first = over(BTreeSet::from([renamed]), "3", nothing.known);
        assert_eq!(first.notices[0].telling, Telling::Changed);
        assert_eq!(first.notices[0].findings, [failed(2, 500)]);
        let second = over(BTreeSet::from([channel(2)]), "4", first.known);
        assert_eq!(second.notices[0].telling, Telling::Recovered);
        assert_eq!(second.notices[0].findings, [failed(2, 500)]);
    }

    #[test]
    fn what_is_found_again_beside_what_was_looked_at_is_there_once() {
        let mut known = AllKnown::new();
        run(&mut known, "1", NoticeKind::Unpriced, &[unpriced("a")]);
        let found = BTreeMap::from([(NoticeKind::Unpriced, vec![unpriced("a")])]);
        let settled = settle(known, found, &Looked::At(BTreeSet::new()), "2");
        assert!(settled.notices.is_empty());
        assert_eq!(settled.known[&NoticeKind::Unpriced].findings.len(), 1);
    }

    #[test]
    fn a_run_that_could_tell_nothing_of_a_kind_leaves_it_as_it_is() {
        let mut known = AllKnown::new();
        run(&mut known, "1", NoticeKind::Unpriced, &[unpriced("a")]);
        let settled = settle(known.clone(), BTreeMap::new(), &Looked::Everywhere, "2");
        assert!(settled.notices.is_empty());
        assert_eq!(settled.known, known);
    }
}
