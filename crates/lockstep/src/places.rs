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
    /// The stored secret would be sent to another server than the one it was given for.
    SecretElsewhere,
}

impl Bad {
    /// The field that it is in.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Kind => "kind",
            Self::Only(_) => "only",
            Self::SecretElsewhere => "secret",
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
            Self::SecretElsewhere => {
                "this is another server: give its secret, or an empty one for none".to_owned()
            }
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

/// What is given anew of a place's address; what is not given stays. Secrets may be in it, so that this has no `Debug`.
#[derive(Default)]
pub(crate) struct Anew {
    /// The address.
    pub(crate) url: Option<String>,
    /// What signs or lets in; an empty text forgets it.
    pub(crate) secret: Option<String>,
    /// Telegram's chat.
    pub(crate) chat: Option<String>,
    /// The user of a mail server; an empty text forgets it.
    pub(crate) user: Option<String>,
    /// Who a mail is from.
    pub(crate) from: Option<String>,
    /// Who a mail is to.
    pub(crate) to: Option<Vec<String>>,
    /// Private networks that the place may be in.
    pub(crate) allow: Option<Vec<String>>,
}

/// An address that can take the place of another.
#[derive(Debug)]
pub(crate) struct Readdressed {
    address: Address,
    /// Private networks that the other one could not be in.
    networks: Vec<String>,
}

impl Anew {
    /// The address of the place as it would be, or what is wrong with it; `None` where it stays as it is.
    pub(crate) async fn checked(
        self,
        app: &App,
        target: &NoticeTarget,
    ) -> Result<Result<Option<Readdressed>, Vec<Bad>>, StoreError> {
        let stored = stored(app, target).await?;
        let text = |given: Option<String>, was: &Option<String>| match given {
            Some(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            None => was.clone(),
        };
        let secret_stays = self.secret.is_none() && stored.secret.is_some();
        let new = Address {
            url: self.url.unwrap_or_else(|| stored.url.clone()),
            secret: text(self.secret, &stored.secret),
            chat: text(self.chat, &stored.chat),
            user: text(self.user, &stored.user),
            from: text(self.from, &stored.from),
            to: self.to.unwrap_or_else(|| stored.to.clone()),
            allow: self.allow.unwrap_or_else(|| stored.allow.clone()),
        };
        let Some(vendor) = Vendor::from_code(&target.kind) else {
            return Ok(Err(vec![Bad::Kind]));
        };
        let address = match new.checked(vendor) {
            Ok(address) => address,
            Err(wrong) => return Ok(Err(vec![Bad::Address(wrong)])),
        };
        if secret_stays && !address.is_at_the_server_of(&stored) {
            return Ok(Err(vec![Bad::SecretElsewhere]));
        }
        let mut networks = address.allow.clone();
        networks.retain(|network| !stored.allow.contains(network));
        let changes = address != stored;
        Ok(Ok(changes.then_some(Readdressed { address, networks })))
    }
}

/// The address of a place; an empty one where what is stored cannot be read.
pub(crate) async fn stored(app: &App, target: &NoticeTarget) -> Result<Address, StoreError> {
    let stored = app.store().notice_secret(&target.id).await?;
    Ok(Address::read(&stored).unwrap_or_default())
}

/// What is to become of a place; what is not named stays.
#[derive(Debug, Default)]
pub(crate) struct Change {
    /// Where it is from now on.
    pub(crate) address: Option<Readdressed>,
    /// Whether anything is sent there.
    pub(crate) enabled: Option<bool>,
    /// The kinds of notices that go there from now on; all where there are none.
    pub(crate) only: Option<Vec<NoticeKind>>,
}

/// Has a place be somewhere else, or hear other notices, none, or notices again. Returns it as it is then. Private
/// networks are opened by people only.
pub(crate) async fn change(
    app: &App,
    by: &Caller,
    mut target: NoticeTarget,
    change: Change,
) -> Result<NoticeTarget, Problem> {
    let store = app.store();
    let mut host = None;
    if let Some(Readdressed { address, networks }) = change.address {
        orders::may_reach_inside(by, &networks)?;
        let stored = address.to_stored();
        store.set_notice_address(&target.id, &stored).await?;
        host = Some(address.host());
    }
    if let Some(kinds) = change.only {
        store.set_notice_kinds(&target.id, &kinds).await?;
        target.kinds = kinds;
    }
    if let Some(enabled) = change.enabled {
        store.enable_notice_target(&target.id, enabled).await?;
        target.enabled = enabled;
    }
    let deed = Deed::notice_target_changed(&target, host.as_deref());
    app.note(by, None, &deed).await;
    Ok(target)
}

/// Forgets a place with its address and its secret. What was sent there stays in the list.
pub(crate) async fn remove(
    app: &App,
    by: &Caller,
    target: &NoticeTarget,
) -> Result<(), StoreError> {
    let deed = Deed::notice_target_removed(&target.name);
    let noting = app.noting(by, None, deed);
    noting.remove_notice_target(&target.id).await?;
    Ok(())
}

/// Sends a test to a place, whether or not it hears notices, and tells how that went.
pub(crate) async fn test(app: &App, target: &NoticeTarget) -> Result<Delivery, StoreError> {
    Notifier::new(app.engine()).test(target).await
}
