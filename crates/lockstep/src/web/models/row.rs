//! A channel as a row of the table.

use std::collections::{BTreeMap, HashMap};

use lockstep_core::change::State;
use lockstep_core::hold::Answer;
use lockstep_core::models::policy::Policy;
use lockstep_core::settings::Overrides;
use lockstep_store::changes::ChangeRow;
use lockstep_store::holds::Hold;
use lockstep_store::sites::Site;
use lockstep_store::status::ItemStatus;

use super::detail::Detail;
use super::results::Known;
use crate::server::App;
use crate::view::json::Lists;
use crate::web::frame::Frame;
use crate::web::refusal::Refusal;
use crate::web::table::Asked;
use crate::web::when::Moment;
use crate::web::words::fill;
use crate::words::Said;

/// Where the gateway's console lists channels, below its address.
const CONSOLE: &str = "/console/channel";

/// A row.
pub(super) struct Row {
    pub(super) id: i64,
    /// The same as the table chooses by it.
    pub(super) pick: String,
    pub(super) name: String,
    /// The channel in the gateway's console.
    pub(super) console: String,
    pub(super) badge: &'static str,
    pub(super) status: String,
    pub(super) added: usize,
    pub(super) removed: usize,
    pub(super) held_added: usize,
    pub(super) held_removed: usize,
    /// What is said of the list where nothing of it changes.
    pub(super) list: String,
    pub(super) http: Option<u16>,
    pub(super) message: Option<Said>,
    pub(super) notes: Vec<String>,
    pub(super) attempts: Option<u32>,
    pub(super) finished: Option<Moment>,
    /// Whether something of it waits for an answer.
    pub(super) waits: bool,
    pub(super) detail: Option<Detail>,
    /// The provider, on the first row of those of one.
    pub(super) group: Option<Group>,
}

/// What stands above the channels of a provider.
pub(super) struct Group {
    /// Its word in the form that sets a policy for it.
    pub(super) place: usize,
    /// What it is known by: its type and address.
    pub(super) key: String,
    pub(super) address: String,
    /// The policy that all its channels have; empty for the site's.
    pub(super) policy: &'static str,
}

impl Row {
    /// Whether nothing of the list changes or waits.
    pub(super) fn is_still(&self) -> bool {
        self.added + self.removed + self.held_added + self.held_removed == 0
    }

    pub(super) fn is_open(&self) -> bool {
        self.detail.is_some()
    }

    /// What its button asks for: to be opened, or closed.
    pub(super) fn opens(&self) -> &str {
        if self.is_open() { "" } else { &self.pick }
    }
}

/// The rows of a page of channels.
pub(super) async fn rows(
    app: &App,
    f: &Frame,
    site: &Site,
    asked: &Asked,
    ids: &[(i64, Known)],
) -> Result<Vec<Row>, Refusal> {
    let store = app.store();
    let mut runs: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for (id, known) in ids {
        if let Known::Result(head) = known {
            runs.entry(&head.run_id).or_default().push(*id);
        }
    }
    let mut changes: HashMap<i64, ChangeRow> = HashMap::new();
    for (run, ids) in runs {
        let rows = store.changes_of(run, &ids).await?;
        changes.extend(rows.into_iter().map(|row| (row.channel_id, row)));
    }
    let here: Vec<i64> = ids.iter().map(|(id, _)| *id).collect();
    let holds = store.holds_of(&site.id, &here).await?;
    let holds: HashMap<i64, Hold> = holds
        .into_iter()
        .map(|hold| (hold.channel_id, hold))
        .collect();
    let policies = match asked.group {
        Some(_) => store.provider_overrides(&site.id).await?,
        None => BTreeMap::new(),
    };
    let own = match changes.values().any(is_held) {
        true => store.channel_overrides(&site.id).await?,
        false => BTreeMap::new(),
    };
    let mut rows = Vec::with_capacity(ids.len());
    let mut before = None;
    for (place, (id, known)) in ids.iter().enumerate() {
        let mut row = match (known, changes.get(id)) {
            (Known::Result(_), Some(change)) => {
                let answer = answered(change, own.get(id));
                let answer = answer.filter(|_| !holds.contains_key(id));
                read(app, f, site, asked, change, (holds.get(id), answer))
            }
            (Known::Listed(channel), _) => Row {
                name: channel.name.clone(),
                list: fill(&f.t.models.models_count, &[("n", &channel.models)]),
                ..bare(f, site, *id)
            },
            // It was forgotten between two looks.
            (Known::Result(_), None) => bare(f, site, *id),
        };
        if let (Known::Result(head), Some(_)) = (known, asked.group)
            && before != Some(&head.provider)
        {
            before = Some(&head.provider);
            let own = policies.get(&head.provider);
            row.group = Some(Group {
                place,
                key: format!("{} {}", head.provider.kind, head.provider.base_url),
                address: if head.provider.base_url.is_empty() {
                    fill(&f.t.models.built_in, &[("type", &head.provider.kind)])
                } else {
                    head.provider.base_url.clone()
                },
                policy: own
                    .and_then(|own| own.policy)
                    .map_or("", |policy| policy.code()),
            });
        }
        rows.push(row);
    }
    Ok(rows)
}

/// The row of a channel that was not read yet.
fn bare(f: &Frame, site: &Site, id: i64) -> Row {
    let console = site.console_url.as_deref();
    let console = console.unwrap_or(site.url.as_str()).trim_end_matches('/');
    Row {
        id,
        pick: id.to_string(),
        name: String::new(),
        console: format!("{console}{CONSOLE}"),
        badge: "none",
        status: f.t.models.never_run.clone(),
        added: 0,
        removed: 0,
        held_added: 0,
        held_removed: 0,
        list: String::new(),
        http: None,
        message: None,
        notes: Vec::new(),
        attempts: None,
        finished: None,
        waits: false,
        detail: None,
        group: None,
    }
}

fn is_held(change: &ChangeRow) -> bool {
    change.status() == ItemStatus::Held
}

/// What was answered to what was held, where nothing waits any more.
fn answered(change: &ChangeRow, own: Option<&Overrides>) -> Option<Answer> {
    let reason = change.hold.as_ref().filter(|_| is_held(change))?;
    Some(match own {
        Some(own) if own.policy == Some(Policy::Exclude) => Answer::NeverSync,
        Some(own) if own.allowed.iter().any(|code| code == reason.code.code()) => {
            Answer::AlwaysAllow
        }
        _ => Answer::KeepUntilItChanges,
    })
}

/// The row of a channel's newest result.
fn read(
    app: &App,
    f: &Frame,
    site: &Site,
    asked: &Asked,
    change: &ChangeRow,
    (hold, answer): (Option<&Hold>, Option<Answer>),
) -> Row {
    let lists = Lists::of(change);
    let t = &f.t.models;
    let status = change.status();
    let count = if status == ItemStatus::Failed {
        &t.kept_count
    } else {
        &t.models_count
    };
    let mut notes: Vec<String> = change.notes.iter().map(|note| f.lang.note(note)).collect();
    if let Some(answer) = answer {
        let answer = f.lang.answer(answer).label;
        notes.push(fill(&t.answered, &[("answer", &answer)]));
    }
    let open = asked.text("open") == change.channel_id.to_string();
    let told_at = change.finished_at.unwrap_or(change.read_at);
    Row {
        name: change.channel_name.clone(),
        badge: badge(change),
        status: match status {
            // Part of it was written, and part of it waits.
            ItemStatus::Held => f.lang.state(State::Held).to_owned(),
            // The chip that finds it is called so too; the message says what it was.
            ItemStatus::Failed if change.state == State::Unread => t.chip_failed.clone(),
            _ => f.lang.state(change.state).to_owned(),
        },
        added: lists.added.len(),
        removed: lists.removed.len(),
        held_added: change.held_add.len(),
        held_removed: change.held_remove.len(),
        list: fill(count, &[("n", &lists.new.len())]),
        http: change.http_status,
        message: message(f, change),
        attempts: (change.attempts > 0).then_some(change.attempts),
        finished: Some(Moment::new(told_at, app.now(), f.lang)),
        waits: hold.is_some(),
        detail: open.then(|| Detail::new(app, f, change, lists, hold)),
        notes,
        ..bare(f, site, change.channel_id)
    }
}

/// What went wrong with a channel, or why it waits or is left alone.
pub(in crate::web) fn message(f: &Frame, change: &ChangeRow) -> Option<Said> {
    match (change.status(), &change.failure, &change.hold, &change.skip) {
        (ItemStatus::Failed, Some(failure), ..) => Some(f.lang.failure(failure)),
        (ItemStatus::Held, _, Some(reason), _) => Some(f.lang.reason(reason)),
        (_, _, _, Some(reason)) => Some(f.lang.reason(reason)),
        _ => None,
    }
}

/// The colour of what became of a channel.
pub(in crate::web) fn badge(change: &ChangeRow) -> &'static str {
    match (change.status(), change.state) {
        (ItemStatus::Failed, _) => "bad",
        (ItemStatus::Held | ItemStatus::Planned, _) => "wait",
        (ItemStatus::Success, State::Applied) => "good",
        (ItemStatus::Success | ItemStatus::Skipped, _) => "none",
    }
}
