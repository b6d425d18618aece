//! What a row opens to: both lists, the difference with its reasons, and the answers to what is held.

use std::collections::BTreeMap;

use lockstep_core::hold::Answer;
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_store::changes::ChangeRow;
use lockstep_store::holds::Hold;

use crate::server::App;
use crate::view::json::Lists;
use crate::web::frame::{Frame, Here};
use crate::web::when::Moment;
use crate::web::words::fill;
use crate::words::{Label, Said};

/// A row in full.
pub(in crate::web) struct Detail {
    pub(in crate::web) old: Vec<String>,
    pub(in crate::web) new: Vec<String>,
    pub(in crate::web) added: Vec<String>,
    pub(in crate::web) removed: Vec<String>,
    /// Names that stay, by why.
    pub(in crate::web) kept: Vec<Why>,
    /// Names that do not come, by why.
    pub(in crate::web) dropped: Vec<Why>,
    pub(in crate::web) held_add: Vec<String>,
    pub(in crate::web) held_remove: Vec<String>,
    /// How many names wait for a price, and where they get one.
    pub(in crate::web) unpriced: Option<(String, String)>,
    pub(in crate::web) hold: Option<Waiting>,
}

/// Names with the reason that they share.
pub(in crate::web) struct Why {
    pub(in crate::web) why: &'static str,
    pub(in crate::web) names: Vec<String>,
}

/// What waits for an answer.
pub(in crate::web) struct Waiting {
    pub(in crate::web) reason: Said,
    pub(in crate::web) since: Moment,
    /// The answers that can be given, each as the button that gives it.
    pub(in crate::web) answers: Vec<(String, Label)>,
}

impl Detail {
    pub(in crate::web) fn new(
        app: &App,
        f: &Frame,
        change: &ChangeRow,
        lists: Lists,
        hold: Option<&Hold>,
    ) -> Self {
        let unpriced = change.dropped.iter();
        let unpriced = unpriced
            .filter(|(_, why)| *why == Dropped::Unpriced)
            .count();
        let place = f.href(Here::Unpriced);
        Self {
            old: lists.old,
            new: lists.new,
            added: lists.added,
            removed: lists.removed,
            // What is held is told apart.
            kept: by_why(
                &change.kept,
                |why| *why != Kept::Held,
                |why| f.lang.kept(why),
            ),
            dropped: by_why(
                &change.dropped,
                |why| *why != Dropped::Held,
                |why| f.lang.dropped(why),
            ),
            held_add: change.held_add.clone(),
            held_remove: change.held_remove.clone(),
            unpriced: (unpriced > 0)
                .then(|| (fill(&f.t.models.no_price, &[("n", &unpriced)]), place)),
            hold: hold.map(|hold| Waiting::new(app, f, hold)),
        }
    }

    /// Whether nothing changes, waits or has a reason.
    pub(in crate::web) fn is_still(&self) -> bool {
        self.added.is_empty()
            && self.removed.is_empty()
            && self.held_add.is_empty()
            && self.held_remove.is_empty()
    }
}

impl Waiting {
    fn new(app: &App, f: &Frame, hold: &Hold) -> Self {
        let can = |answer: &Answer| match answer {
            Answer::ApplyAnyway => hold.reason.code.can_be_applied(),
            Answer::AlwaysAllow => hold.reason.code.can_be_allowed(),
            Answer::KeepUntilItChanges | Answer::NeverSync => true,
        };
        let button = |answer: Answer| {
            let value = format!("{}:{}", answer.code(), hold.channel_id);
            (value, f.lang.answer(answer))
        };
        let answers = Answer::ALL.iter().copied();
        Self {
            reason: f.lang.reason(&hold.reason),
            since: Moment::new(hold.since, app.now(), f.lang),
            answers: answers.filter(can).map(button).collect(),
        }
    }
}

fn by_why<W: Copy + Ord>(
    names: &[(String, W)],
    tells: impl Fn(&W) -> bool,
    say: impl Fn(W) -> &'static str,
) -> Vec<Why> {
    let mut groups: BTreeMap<W, Vec<String>> = BTreeMap::new();
    for (name, why) in names.iter().filter(|(_, why)| tells(why)) {
        groups.entry(*why).or_default().push(name.clone());
    }
    groups
        .into_iter()
        .map(|(why, names)| Why {
            why: say(why),
            names,
        })
        .collect()
}
