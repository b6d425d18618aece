//! Sources of prices: what is given of one is checked, it is looked at, and it is remembered. The API and the pages ask the
//! same functions; the command line asks those that need no server.

mod lists;

use std::collections::BTreeMap;

use axum::http::StatusCode;
use lockstep_core::prices::source::{BadSource, Place, SourceSpec, SourceState};
use lockstep_run::prices::accept::Accepted;
use lockstep_run::prices::collect::Collected;
use lockstep_run::prices::compare::{Outcomes, compare};
use lockstep_run::{EngineError, Session};
use lockstep_store::prices::access::{SourceAccess, SourceEdit};
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::{NewSource, StoredSource};
use lockstep_store::sites::Site;
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;

pub(crate) use lists::{BadList, Costs, NOT_UPLOADED, list, upload};

use crate::api::orders::Reached;
use crate::api::v1::prices::differences::kept::of_prices;
use crate::deeds::Deed;
use crate::ordering::Asked;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::problem::{Mistake, Problem};

/// How the keys begin that a gateway hands out for asking models.
const KEY: &str = "sk-";

/// What is wrong with what is to let us into a source.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The token is a key for asking models.
    Key,
    /// The token is empty, or cannot be sent.
    Token,
    /// The user id is no number.
    UserId,
    /// A user id without a token.
    NoToken,
    /// A header's value is empty, or cannot be sent; its name.
    Header(String),
    /// It would be sent to another host than the source's address.
    Elsewhere(BadSource),
    /// It does not go with that source.
    Source(BadSource),
}

/// What stands in the place of a name in addresses.
const NO_NAME: &str = "test";

/// What is to let us into a source, as it is given. An empty text is none.
#[derive(Default)]
pub(crate) struct Typed<'t> {
    /// The access token.
    pub(crate) token: &'t str,
    /// The user whom it belongs to.
    pub(crate) user_id: &'t str,
    /// Further headers with their values.
    pub(crate) headers: Vec<(&'t str, &'t str)>,
    /// Whether a token is stored already, and stays.
    pub(crate) keeps_token: bool,
    /// The names of the headers that are stored already, and stay: they have to go with what comes.
    pub(crate) keeps_headers: &'t [String],
}

impl Bad {
    /// The field that it is in.
    pub(crate) fn field(&self) -> &'static str {
        match self {
            Self::Key | Self::Token | Self::Elsewhere(_) => "token",
            Self::UserId | Self::NoToken => "user_id",
            Self::Header(_) => "headers",
            Self::Source(BadSource::DoesNotFit { option, .. }) if *option == "token" => "token",
            Self::Source(BadSource::DoesNotFit { option, .. }) if *option == "header" => "headers",
            Self::Source(_) => "source",
        }
    }

    /// In words for programs and the command line.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Key => "the token is an sk- key, which asks models and shows no prices; give the system access token \
                          of that site, which is under its Personal Settings"
                .to_owned(),
            Self::Token => {
                "the token is the system access token of that site's Personal Settings, without blanks"
                    .to_owned()
            }
            Self::UserId => {
                "the user id is the number of the user at that site whom the token belongs to".to_owned()
            }
            Self::NoToken => "a user id alone lets nobody in; give the token that belongs to it".to_owned(),
            Self::Header(name) => {
                format!("the header {name} has a value that cannot be sent, or none")
            }
            Self::Elsewhere(bad) | Self::Source(bad) => bad.to_string(),
        }
    }
}

impl From<Bad> for Mistake {
    fn from(bad: Bad) -> Self {
        Self {
            field: bad.field().to_owned(),
            message: bad.message(),
        }
    }
}

/// A token that a site could have given to a person.
pub(crate) fn token(text: &str) -> Result<SecretString, Bad> {
    let text = text.trim();
    // It would be stored, be sent, and fail in words that are about something else.
    if text.to_ascii_lowercase().starts_with(KEY) {
        return Err(Bad::Key);
    }
    sendable(text).ok_or(Bad::Token)
}

/// What a header can carry.
fn sendable(text: &str) -> Option<SecretString> {
    let fits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    fits.then(|| SecretString::from(text))
}

/// A user id, which is a number.
pub(crate) fn user_id(text: &str) -> Result<String, Bad> {
    let text = text.trim();
    match text.parse::<u64>() {
        Ok(_) => Ok(text.to_owned()),
        Err(_) => Err(Bad::UserId),
    }
}

/// What lets us into a source, or all that is wrong with what was given.
pub(crate) fn access(spec: &SourceSpec, typed: &Typed<'_>) -> Result<SourceAccess, Vec<Bad>> {
    let mut bad = Vec::new();
    let mut access = SourceAccess::default();
    let given = |text: &str| !text.trim().is_empty();
    if given(typed.token) {
        access.token = token(typed.token).map_err(|wrong| bad.push(wrong)).ok();
    } else if given(typed.user_id) && spec.token_env.is_none() && !typed.keeps_token {
        bad.push(Bad::NoToken);
    }
    if given(typed.user_id) {
        access.user_id = user_id(typed.user_id).map_err(|wrong| bad.push(wrong)).ok();
    }
    let given_names = typed.headers.iter().map(|(name, _)| *name);
    let kept_names = typed.keeps_headers.iter().map(String::as_str);
    let names: Vec<&str> = given_names.chain(kept_names).collect();
    match spec.admits(given(typed.token) || typed.keeps_token, &names) {
        Err(wrong) if spec.leads_elsewhere() => bad.push(Bad::Elsewhere(wrong)),
        Err(wrong) => bad.push(Bad::Source(wrong)),
        Ok(names) => {
            for (name, (_, value)) in names.into_iter().zip(&typed.headers) {
                // Unlike a token, a header may have blanks inside.
                let value = value.trim();
                let fits = value
                    .bytes()
                    .all(|byte| byte == b' ' || byte.is_ascii_graphic());
                if value.is_empty() || !fits {
                    bad.push(Bad::Header(name));
                } else {
                    access.headers.push((name, SecretString::from(value)));
                }
            }
        }
    }
    if bad.is_empty() { Ok(access) } else { Err(bad) }
}

/// The mistakes of what was given, as an answer.
pub(crate) fn wrong(bad: Vec<Bad>) -> Problem {
    refused(bad.into_iter().map(Mistake::from).collect())
}

/// That a source is not taken, for all of these reasons.
pub(crate) fn refused(mistakes: Vec<Mistake>) -> Problem {
    let first = mistakes.first();
    let title = first.map_or_else(String::new, |mistake| mistake.message.clone());
    Problem::new(StatusCode::BAD_REQUEST, "bad_source", title)
        .hint("`errors` has every mistake, by its field.")
        .mistakes(mistakes)
}

/// What is typed into a page must not make the server send its own secrets or read its own files: such sources are added
/// where whoever adds them has both already.
pub(crate) fn reaches_no_further(spec: &SourceSpec) -> Result<(), Problem> {
    let (what, instead) = match spec {
        SourceSpec {
            place: Place::File(_),
            ..
        } => (
            "a file of this machine",
            "Upload the list: PUT /api/v1/sites/{site}/sources/{source}/list.",
        ),
        SourceSpec {
            place: Place::Upload(_),
            ..
        } => (
            "no list",
            "Upload the list: PUT /api/v1/sites/{site}/sources/{source}/list.",
        ),
        SourceSpec {
            token_env: Some(_), ..
        } => (
            "token-env=",
            "Send the token itself as `token`; it is stored encrypted.",
        ),
        SourceSpec { headers, .. } if !headers.is_empty() => (
            "header=",
            "Send the headers themselves as `headers`; they are stored encrypted.",
        ),
        _ => return Ok(()),
    };
    let title = format!("a source with {what} is not added or led elsewhere over HTTP");
    let hint = format!(
        "{instead} Or `lockstep site source add` on the server's machine adds it; it is used here then like any other."
    );
    Err(Problem::new(StatusCode::FORBIDDEN, "source_reaches_in", title).hint(hint))
}

/// Whether the source's list is one that can be believed.
pub(crate) fn is_believed(source: &RunSource) -> bool {
    SourceState::from_code(&source.state).is_some_and(SourceState::is_believed)
}

/// How a source stands without its last good list, which may stand in for what did not come.
pub(crate) fn today(told: &RunSource) -> Option<SourceState> {
    SourceState::from_code(told.failed.as_ref().unwrap_or(&told.state))
}

/// Whether a site did not take the token that it was sent.
pub(crate) fn refused_token(told: &RunSource, has_token: bool) -> bool {
    has_token && today(told) == Some(SourceState::NeedsSignIn)
}

/// What came of looking at sources.
pub(crate) struct Looked {
    /// How each stands, in the order in which they were asked for.
    pub(crate) told: Vec<RunSource>,
    session: Session,
    collected: Vec<Collected>,
    outcomes: Outcomes,
}

impl Looked {
    /// Keeps the lists that came, and why one did not: whoever looks at prices next need not wait for it. Of a sign-in that
    /// is only tried nothing is kept, for it would be taken for the source's own.
    pub(crate) async fn remember(self) -> Result<Vec<RunSource>, EngineError> {
        self.session
            .remember(&self.collected, self.outcomes)
            .await?;
        Ok(self.told)
    }
}

/// Fetches sources, and tells how far each can be trusted.
pub(crate) async fn look(
    app: &App,
    caller: &Caller,
    site: Site,
    asked: &[Asked],
) -> Result<Looked, Problem> {
    let reached = Reached::of(app, site).await?;
    let collecting = reached.collecting(asked)?;
    let session = reached.session(app, &caller.actor());
    let local = session.local_prices(collecting.max_retries).await;
    let local = local.map_err(of_prices)?;
    let collected = session.collect(&collecting).await?;
    let judged = tokio::task::spawn_blocking(move || {
        let compared = compare(&local, &collected);
        let told: Vec<RunSource> = compared
            .sources
            .iter()
            .map(|source| source.told())
            .collect();
        let outcomes = compared.outcomes();
        drop(compared);
        (told, outcomes, collected)
    });
    let (told, outcomes, collected) = judged.await.map_err(|_| Problem::internal())?;
    Ok(Looked {
        told,
        session,
        collected,
        outcomes,
    })
}

/// Asks a source, and takes its list for good where that is only too short: later ones are measured by it. What is shown
/// of the site's prices is made anew then.
pub(crate) async fn accept(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: &StoredSource,
) -> Result<Accepted, Problem> {
    let asked = Asked::remembered(app.store(), source).await?;
    let reached = Reached::of(app, site.clone()).await?;
    let collecting = reached.collecting(&[asked])?;
    let session = reached.session(app, &caller.actor());
    let all = session.accept_lists(&collecting).await;
    let Some(one) = all.map_err(of_prices)?.into_iter().next() else {
        return Err(no_such());
    };
    if one.accepted {
        let deed = Deed::source_accepted(&source.name);
        app.note(caller, Some(site), &deed).await;
        let tables = app.tables();
        if let Err(problem) = tables.renew(app, site.clone(), &caller.actor()).await {
            // The list is taken all the same; whoever looks next has it compared.
            let why = problem.title();
            tracing::warn!(
                why,
                "the prices could not be compared with an accepted list"
            );
        }
    }
    Ok(one)
}

/// Remembers a source behind the others. What is the name of a route is refused as one that is taken.
pub(crate) async fn keep(
    app: &App,
    caller: &Caller,
    site: &Site,
    new: NewSource,
) -> Result<StoredSource, StoreError> {
    if new.name == NO_NAME {
        return Err(StoreError::Conflict(new.name));
    }
    let stored = app.store().remember_source(&site.id, new).await?;
    let deed = Deed::source_added(&stored.name);
    app.note(caller, Some(site), &deed).await;
    Ok(stored)
}

/// A source that is about to be remembered.
pub(crate) fn new(spec: &SourceSpec, access: SourceAccess) -> NewSource {
    NewSource {
        access,
        ..NewSource::open(&spec.known_as(), &spec.to_string())
    }
}

/// The site's source of a name.
pub(crate) async fn found(app: &App, site: &Site, name: &str) -> Result<StoredSource, Problem> {
    let all = app.store().sources(&site.id).await?;
    let found = all.into_iter().find(|source| source.name == name);
    found.ok_or_else(no_such)
}

fn no_such() -> Problem {
    Problem::not_found("source")
        .hint("GET /api/v1/sites/{site}/sources lists those that are remembered.")
}

/// The remembered sources as they are asked, or the one of a name, each with its name.
pub(crate) async fn asked(
    app: &App,
    site: &Site,
    name: Option<&str>,
) -> Result<Vec<(String, Asked)>, Problem> {
    let mut all = app.store().sources(&site.id).await?;
    all.retain(|source| name.is_none_or(|name| source.name == name));
    if all.is_empty() {
        return Err(no_such());
    }
    let mut asked = Vec::new();
    for source in all {
        let one = Asked::remembered(app.store(), &source).await?;
        asked.push((source.name, one));
    }
    Ok(asked)
}

/// The source as it would be asked after a change.
pub(crate) async fn changed(
    store: &Store,
    source: &StoredSource,
    edit: &SourceEdit,
) -> Result<Asked, StoreError> {
    let mut access = store.source_access(source).await?;
    let SourceEdit {
        spec,
        token,
        user_id,
        headers,
    } = edit.clone();
    access.token = token.unwrap_or(access.token);
    access.user_id = user_id.unwrap_or(access.user_id);
    access.headers = headers.unwrap_or(access.headers);
    Ok(Asked::new(&NewSource {
        id: source.id.clone(),
        name: source.name.clone(),
        spec: spec.unwrap_or_else(|| source.spec.clone()),
        access,
        upload: None,
    }))
}

/// Changes a source: how it is asked, what its prices cost, or what lets us into it.
pub(crate) async fn change(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: &StoredSource,
    edit: SourceEdit,
) -> Result<StoredSource, StoreError> {
    let fields = fields(source, &edit);
    let store = app.store();
    let stored = store.edit_source(&site.id, &source.name, edit).await?;
    let deed = Deed::source_changed(&source.name, &fields);
    app.note(caller, Some(site), &deed).await;
    Ok(stored)
}

/// What a change is about, by its fields.
pub(crate) fn fields(source: &StoredSource, edit: &SourceEdit) -> Vec<&'static str> {
    let SourceEdit {
        spec,
        token,
        user_id,
        headers,
    } = edit;
    let read = |text: &str| text.parse::<SourceSpec>().ok();
    let options = spec.as_deref().and_then(read).zip(read(&source.spec));
    let options = options.map(|(new, old)| new.differs_in(&old));
    let fields = [
        ("token", token.is_some()),
        ("user_id", user_id.is_some()),
        ("headers", headers.is_some()),
    ];
    let fields = fields.into_iter().filter(|(_, given)| *given);
    let fields = fields.map(|(field, _)| field);
    options.into_iter().flatten().chain(fields).collect()
}

/// Whether a change of these fields is about more than what the source's prices cost: then it is asked in another way.
pub(crate) fn is_asked_otherwise(fields: &[&str]) -> bool {
    let costs = ["multiplier", "recharge", "group"];
    fields.iter().any(|field| !costs.contains(field))
}

/// What a source would be after a change of its options, as it is written; `None` where that is what it is.
///
/// # Errors
///
/// What the change may not do over HTTP: a source that is sent what only this machine knows is led nowhere else.
pub(crate) fn respecified(
    before: &SourceSpec,
    after: &SourceSpec,
) -> Result<Option<String>, Problem> {
    if after.endpoint != before.endpoint {
        reaches_no_further(after)?;
    }
    Ok((after != before).then(|| after.to_string()))
}

/// Forgets a source.
pub(crate) async fn forget(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: &str,
) -> Result<(), StoreError> {
    app.store().remove_source(&site.id, source).await?;
    let deed = Deed::source_removed(source);
    app.note(caller, Some(site), &deed).await;
    Ok(())
}

/// Moves a source in the order of preference, 0 being the first place.
pub(crate) async fn prefer(
    app: &App,
    caller: &Caller,
    site: &Site,
    source: &str,
    place: u32,
) -> Result<(), StoreError> {
    app.store().move_source(&site.id, source, place).await?;
    let deed = Deed::source_moved(source, place + 1);
    app.note(caller, Some(site), &deed).await;
    Ok(())
}

/// The headers that a program sends, as they are given.
pub(crate) fn pairs(headers: &BTreeMap<String, String>) -> Vec<(&str, &str)> {
    let pairs = headers.iter();
    pairs
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn spec(text: &str) -> SourceSpec {
        text.parse().expect("a source")
    }

    #[test]
    fn a_token_goes_with_its_user_and_a_key_for_models_is_none() {
        let own = spec("https://prices.example");
        let typed = Typed {
            token: " secret ",
            user_id: "7",
            headers: vec![("X-A", "b c")],
            ..Typed::default()
        };
        let taken = access(&own, &typed).expect("taken");
        let token = taken.token.as_ref().map(ExposeSecret::expose_secret);
        assert_eq!(token, Some("secret"));
        assert_eq!(taken.user_id.as_deref(), Some("7"));
        assert_eq!(taken.headers[0].0, "x-a");
        let wrong = |token, user_id| {
            let typed = Typed {
                token,
                user_id,
                ..Typed::default()
            };
            access(&own, &typed).expect_err("refused")
        };
        assert_eq!(wrong("sk-abc", ""), [Bad::Key]);
        assert_eq!(wrong("a b", "x"), [Bad::Token, Bad::UserId]);
        assert_eq!(wrong("", "7"), [Bad::NoToken]);
        for text in ["sk-canary", "ca nary"] {
            let told = wrong(text, "").remove(0).message();
            assert!(!told.contains("nary"), "{told}");
        }
    }

    #[test]
    fn no_place_but_an_address_is_sent_anything() {
        for text in ["official", "channel:3", "upload:a", "https://h,token-env=T"] {
            let typed = Typed {
                token: "secret",
                ..Typed::default()
            };
            let refused = access(&spec(text), &typed).expect_err(text);
            assert_eq!(refused[0].field(), "token", "{text}");
        }
        for value in ["", "\u{7}"] {
            let typed = Typed {
                headers: vec![("x-a", value)],
                ..Typed::default()
            };
            let refused = access(&spec("https://h"), &typed).expect_err(value);
            assert_eq!(refused, [Bad::Header("x-a".to_owned())]);
        }
    }

    #[test]
    fn what_is_stored_has_to_go_with_what_comes() {
        let own = spec("https://prices.example");
        let headers = ["authorization".to_owned()];
        let typed = Typed {
            token: "secret",
            keeps_headers: &headers,
            ..Typed::default()
        };
        let refused = access(&own, &typed).expect_err("it would not be sent");
        assert!(refused[0].message().contains("keep one"), "{refused:?}");
        let away = spec("https://prices.example,endpoint=https://other.example/list");
        let typed = Typed {
            token: "secret",
            ..Typed::default()
        };
        let refused = access(&away, &typed).expect_err("it would go to another host");
        assert!(matches!(refused[..], [Bad::Elsewhere(_)]), "{refused:?}");
    }
}
