//! Who asks, and what he may.

use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;

use super::App;
use super::problem::Problem;
use crate::words::{Lang, Said};

/// What a caller may do. A wider one includes the narrower ones, but for [`Scope::RatioSync`], which stands alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Scope {
    /// The seed's API of price differences, as the gateway's root may use it.
    RatioSync,
    /// Looks.
    Read,
    /// Has runs planned, which writes nothing to a gateway.
    Plan,
    /// Writes: runs, settings, answers.
    Apply,
}

impl Scope {
    /// Every scope.
    pub(crate) const ALL: [Self; 4] = [Self::Read, Self::Plan, Self::Apply, Self::RatioSync];

    /// The stable code.
    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::RatioSync => "ratio-sync",
            Self::Read => "read",
            Self::Plan => "plan",
            Self::Apply => "apply",
        }
    }

    /// The scope of a code.
    pub(crate) fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.code() == code)
    }
}

/// Somebody who was let in.
#[derive(Clone, Debug)]
pub(crate) struct Caller {
    /// Who.
    pub(crate) who: Who,
    /// What he may.
    pub(crate) scopes: Vec<Scope>,
}

/// How somebody is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// A person who signed in; the digest of his session.
    Person {
        /// The name.
        name: String,
        /// The digest of the sign-in token.
        session: String,
    },
    /// A program with a token of Lockstep's.
    Token {
        /// The token's id.
        id: String,
        /// Its name.
        name: String,
    },
}

impl Caller {
    /// Who the history says did it.
    pub(crate) fn actor(&self) -> String {
        match &self.who {
            Who::Person { name, .. } => name.clone(),
            Who::Token { name, .. } => format!("{name} (token)"),
        }
    }

    /// Whom idempotency keys belong to.
    pub(crate) fn key(&self) -> String {
        match &self.who {
            Who::Person { name, .. } => format!("person {name}"),
            Who::Token { id, .. } => format!("token {id}"),
        }
    }

    /// Whether he may.
    pub(crate) fn may(&self, scope: Scope) -> bool {
        match scope {
            Scope::RatioSync => self.scopes.contains(&scope),
            _ => self
                .scopes
                .iter()
                .any(|has| *has != Scope::RatioSync && *has >= scope),
        }
    }
}

/// Somebody who may look.
pub(crate) struct Reader(pub(crate) Caller);
/// Somebody who may have runs planned.
pub(crate) struct Planner(pub(crate) Caller);
/// Somebody who may write.
pub(crate) struct Writer(pub(crate) Caller);
/// Whoever was let in, whatever he may.
pub(crate) struct Anyone(pub(crate) Caller);
/// A person who signed in: tokens, passwords and the like are for people only.
pub(crate) struct Person(pub(crate) Caller);

/// Nobody is signed in.
pub(crate) fn signed_out() -> Problem {
    Problem::new(
        StatusCode::UNAUTHORIZED,
        "signed_out",
        "nobody is signed in",
    )
    .hint("Sign in, or send a token as `Authorization: Bearer`.")
}

/// The caller whom the door let in, if he may.
fn caller(parts: &Parts, scope: Scope) -> Result<Caller, Problem> {
    let caller = parts.extensions.get::<Caller>().ok_or_else(signed_out)?;
    if !caller.may(scope) {
        return Err(may_not(scope));
    }
    Ok(caller.clone())
}

/// The token is good for other things.
pub(crate) fn may_not(scope: Scope) -> Problem {
    Problem::new(
        StatusCode::FORBIDDEN,
        "scope",
        format!("this token does not have the scope {}", scope.code()),
    )
    .hint("Use another token, or make one with that scope.")
}

/// Refuses a program, whatever its token may.
pub(crate) fn person(caller: &Caller) -> Result<(), Problem> {
    match caller.who {
        Who::Person { .. } => Ok(()),
        Who::Token { .. } => Err(Problem::new(
            StatusCode::FORBIDDEN,
            "people_only",
            "this is for a person who signed in, not for a token",
        )
        .said(Lang::ALL.map(|lang| {
            let t = &lang.words().error;
            Said {
                message: t.people_only.clone(),
                hint: t.people_only_hint.clone(),
            }
        }))),
    }
}

macro_rules! extracted {
    ($($name:ident: $scope:expr),+ $(,)?) => {
        $(impl FromRequestParts<App> for $name {
            type Rejection = Problem;

            async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
                caller(parts, $scope).map(Self)
            }
        })+
    };
}

extracted!(Reader: Scope::Read, Planner: Scope::Plan, Writer: Scope::Apply);

impl FromRequestParts<App> for Anyone {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Caller>().cloned();
        caller.map(Self).ok_or_else(signed_out)
    }
}

impl FromRequestParts<App> for Person {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Problem> {
        let caller = caller(parts, Scope::Apply)?;
        person(&caller)?;
        Ok(Self(caller))
    }
}
