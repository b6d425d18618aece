//! Tokens of programs: made, ended, and whether their time is over.

use lockstep_store::tokens::{ApiToken, NewApiToken};
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;

use super::secret;
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::{Caller, Scope};

/// What tokens of programs begin with.
pub(crate) const WORD: &str = "lst_";

/// How long before its end a token is said to end soon, in milliseconds: 14 days.
const SOON: i64 = 14 * 86_400_000;

/// A token to make.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    /// What people call it.
    pub(crate) name: String,
    /// What it may.
    pub(crate) scopes: Vec<Scope>,
    /// When it ends, in Unix milliseconds.
    pub(crate) expires_at: Option<i64>,
    /// Who asks.
    pub(crate) actor: String,
}

/// The longest name, in characters.
const LONGEST: usize = 100;

/// What is wrong with what was asked of a token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// The name is empty or too long, or has characters that are no text.
    Name,
    /// Its end is over already.
    Over,
    /// There is no such scope.
    Unknown(String),
    /// It has no scope.
    NoScope,
}

impl Bad {
    /// In words for programs.
    pub(crate) fn message(&self) -> String {
        let all = || Scope::ALL.map(Scope::code).join(", ");
        match self {
            Self::Name => format!("a name has 1 to {LONGEST} characters"),
            Self::Over => "that end is over already".to_owned(),
            Self::Unknown(code) => format!("there is no scope {code:?}; there are {}", all()),
            Self::NoScope => format!("a token needs a scope: {}", all()),
        }
    }
}

impl Asked {
    /// What is asked of a token, its scopes by their codes; or every mistake in it.
    pub(crate) fn checked(
        name: &str,
        codes: &[String],
        expires_at: Option<i64>,
        actor: String,
        now: i64,
    ) -> Result<Self, Vec<Bad>> {
        let mut bad = Vec::new();
        let name = name.trim();
        if name.is_empty() || name.chars().count() > LONGEST || name.chars().any(char::is_control) {
            bad.push(Bad::Name);
        }
        if expires_at.is_some_and(|end| end <= now) {
            bad.push(Bad::Over);
        }
        let mut scopes = Vec::new();
        for code in codes {
            match Scope::from_code(code) {
                Some(scope) if scopes.contains(&scope) => {}
                Some(scope) => scopes.push(scope),
                None => bad.push(Bad::Unknown(code.clone())),
            }
        }
        if codes.is_empty() {
            bad.push(Bad::NoScope);
        }
        if !bad.is_empty() {
            return Err(bad);
        }
        Ok(Self {
            name: name.to_owned(),
            scopes,
            expires_at,
            actor,
        })
    }
}

/// Makes a token and returns it, the only time that it is known.
pub(crate) async fn make(
    store: &Store,
    asked: Asked,
    now: i64,
) -> Result<(ApiToken, SecretString), StoreError> {
    let token = secret::made(WORD);
    let new = NewApiToken {
        name: asked.name,
        hash: secret::digest(&token),
        scopes: asked
            .scopes
            .iter()
            .map(|scope| scope.code().to_owned())
            .collect(),
        created_by: asked.actor.clone(),
        expires_at: asked.expires_at,
    };
    let made = store.add_api_token(new, now).await?;
    let deed = Deed::token_added(&made);
    deed.note(store, None, &asked.actor, now).await?;
    Ok((made, token))
}

/// Ends the token of an id, and returns it as it was.
pub(crate) async fn end(
    store: &Store,
    id: &str,
    actor: &str,
    now: i64,
) -> Result<ApiToken, StoreError> {
    let removed = store.remove_api_token(id).await?;
    let deed = Deed::token_removed(&removed.name);
    deed.note(store, None, actor, now).await?;
    Ok(removed)
}

/// Ends the token of an id: whoever uses it is let in no more, not even where he listens already.
pub(crate) async fn revoke(app: &App, by: &Caller, id: &str) -> Result<ApiToken, StoreError> {
    let ended = end(app.store(), id, &by.actor(), app.now()).await?;
    app.door().ends_some();
    Ok(ended)
}

/// Whether its time is over.
pub(crate) fn has_ended(token: &ApiToken, now: i64) -> bool {
    token.expires_at.is_some_and(|end| end <= now)
}

/// Whether it ends within 14 days, or has ended.
pub(crate) fn ends_soon(token: &ApiToken, now: i64) -> bool {
    token.expires_at.is_some_and(|end| end - now < SOON)
}
