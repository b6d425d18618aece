//! Places that notices go to: what is given of one is checked, and it is kept, changed, tried and forgotten. The API and
//! the pages ask the same functions.

use lockstep_core::notices::NoticeKind;
use lockstep_store::StoreError;
use lockstep_store::notices::{NewNoticeTarget, NoticeTarget};

use crate::api::orders;
use crate::deeds::Deed;
use crate::notify::{Address, BadAddress, Delivery, Notifier, Vendor};
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::problem::Problem;

/// The longest name of a place, in characters.
pub(crate) const LONGEST: usize = 100;

/// What is given of a place. Its address and its secret may be in it, so that this has no `Debug`.
pub(crate) struct Given {
    /// What people call it.
    pub(crate) name: String,
    /// The code of what stands there.
    pub(crate) kind: String,
    /// The codes of the notices that go there; all where there are none.
    pub(crate) only: Vec<String>,
    /// Where it is, with its secrets.
    pub(crate) address: Address,
}

/// What is wrong with what was given of a place.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The name is empty or too long, or has characters that are no text.
    Name,
    /// Nothing of that kind is known.
    Kind,
    /// There is no notice of this code.
    Only(String),
    /// The address, or something beside it.
    Address(BadAddress),
}

impl Bad {
    /// The field that it is in.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kind => "kind",
            Self::Only(_) => "only",
            Self::Address(bad) => bad.field(),
        }
    }

    /// In words for programs.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Name => format!("a name has 1 to {LONGEST} characters"),
            Self::Kind => {
                let codes: Vec<&str> = Vendor::ALL.iter().map(|vendor| vendor.code()).collect();
                format!("it can be {}", codes.join(", "))
            }
            Self::Only(code) => format!("there is no kind of notice `{code}`"),
            // What is a flag on the command line is a key here.
            Self::Address(bad) => bad.to_string().replace("--", ""),
        }
    }
}

/// A place that can be kept.
pub(crate) struct Checked {
    new: NewNoticeTarget,
    host: String,
    networks: Vec<String>,
}

impl Given {
    /// The place, or every mistake in it.
    pub(crate) fn checked(self) -> Result<Checked, Vec<Bad>> {
        let mut bad = Vec::new();
        let name = self.name.trim();
        if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
            bad.push(Bad::Name);
        }
        let kinds = kinds(&self.only).unwrap_or_else(|unknown| {
            bad.extend(unknown);
            Vec::new()
        });
        let networks = self.address.allow.clone();
        let address = match Vendor::from_code(&self.kind) {
            Some(vendor) => self.address.checked(vendor).map_err(Bad::Address),
            None => Err(Bad::Kind),
        };
        match address {
            Ok(address) if bad.is_empty() => Ok(Checked {
                host: address.host(),
                networks,
                new: NewNoticeTarget {
                    name: name.to_owned(),
                    kind: self.kind,
                    kinds,
                    secret: address.to_stored(),
                },
            }),
            Ok(_) => Err(bad),
            Err(wrong) => {
                bad.push(wrong);
                Err(bad)
            }
        }
    }
}

/// The kinds of notices of codes, each once and in their order; or the codes that are none.
pub(crate) fn kinds(codes: &[String]) -> Result<Vec<NoticeKind>, Vec<Bad>> {
    let (mut kinds, mut unknown) = (Vec::new(), Vec::new());
    for code in codes {
        match NoticeKind::from_code(code) {
            Some(kind) => kinds.push(kind),
            None => unknown.push(Bad::Only(code.clone())),
        }
    }
    kinds.sort_unstable();
    kinds.dedup();
    if unknown.is_empty() {
        Ok(kinds)
    } else {
        Err(unknown)
    }
}

/// The place of a name.
pub(crate) async fn named(app: &App, name: &str) -> Result<NoticeTarget, Problem> {
    let targets = app.store().notice_targets().await?;
    let named = targets.into_iter().find(|target| target.name == name);
    named.ok_or_else(|| Problem::not_found("place").hint("GET /api/v1/notices/targets lists them."))
}

/// Keeps a place. Nothing is sent there yet. Private networks are opened by people only.
pub(crate) async fn add(
    app: &App,
    by: &Caller,
    Checked {
        new,
        host,
        networks,
    }: Checked,
) -> Result<NoticeTarget, Problem> {
    orders::may_reach_inside(by, &networks)?;
    let target = app.store().add_notice_target(new, app.now()).await?;
    let deed = Deed::notice_target_added(&target, &host);
    app.note(by, None, &deed).await;
    Ok(target)
}

/// What is to become of a place; what is not named stays.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Whether anything is sent there.
    pub(crate) enabled: Option<bool>,
    /// The kinds of notices that go there from now on; all where there are none.
    pub(crate) only: Option<Vec<NoticeKind>>,
}

/// Has a place hear other notices, none, or notices again. Returns it as it is then.
pub(crate) async fn change(
    app: &App,
    by: &Caller,
    mut target: NoticeTarget,
    change: Change,
) -> Result<NoticeTarget, StoreError> {
    let store = app.store();
    if let Some(kinds) = change.only {
        store.set_notice_kinds(&target.id, &kinds).await?;
        target.kinds = kinds;
    }
    if let Some(enabled) = change.enabled {
        store.enable_notice_target(&target.id, enabled).await?;
        target.enabled = enabled;
    }
    app.note(by, None, &Deed::notice_target_changed(&target))
        .await;
    Ok(target)
}

/// Forgets a place with its address and its secret. What was sent there stays in the list.
pub(crate) async fn remove(
    app: &App,
    by: &Caller,
    target: &NoticeTarget,
) -> Result<(), StoreError> {
    app.store().remove_notice_target(&target.id).await?;
    let deed = Deed::notice_target_removed(&target.name);
    app.note(by, None, &deed).await;
    Ok(())
}

/// Sends a test to a place, whether or not it hears notices, and tells how that went.
pub(crate) async fn test(app: &App, target: &NoticeTarget) -> Result<Delivery, StoreError> {
    Notifier::new(app.engine()).test(target).await
}
