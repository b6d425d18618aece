//! Tokens of programs: made, ended, and whether their time is over.

use lockstep_store::tokens::{ApiToken, NewApiToken};
use lockstep_store::{Store, StoreError};
use secrecy::SecretString;

use super::secret;
use crate::deeds::Deed;
use crate::server::caller::Scope;

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

/// Whether its time is over.
pub(crate) fn has_ended(token: &ApiToken, now: i64) -> bool {
    token.expires_at.is_some_and(|end| end <= now)
}

/// Whether it ends within 14 days, or has ended.
pub(crate) fn ends_soon(token: &ApiToken, now: i64) -> bool {
    token.expires_at.is_some_and(|end| end - now < SOON)
}
