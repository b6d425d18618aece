//! People and programs: the password, sign-ins, tokens, and who did what. For people only.

mod acts;
mod rows;

use askama::Template;
use axum::Router;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use axum::routing::{get, post};
use lockstep_store::deeds::DeedFilter;
use secrecy::{ExposeSecret as _, SecretString};

use super::form::Fields;
use super::frame::{Frame, Here};
use super::refusal::{Refusal, html};
use super::settings::sections::{self, Part, Section};
use crate::server::App;
use crate::server::door::session;
use acts::{PasswordForm, TokenForm};
use rows::{Done, Person, SignedIn, Token};

/// Where the page is.
pub(super) const AT: &str = "/settings/access";

/// How many deeds a page has.
const DEEDS: u32 = 25;

/// The page and what is done on it.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(AT, get(show))
        .route("/settings/access/password", post(acts::password))
        .route("/settings/access/sign-ins", post(acts::end_sign_ins))
        .route("/settings/access/tokens", post(acts::make))
        .route("/settings/access/tokens/revoke", post(acts::revoke))
}

#[derive(Template)]
#[template(path = "access.html")]
struct AccessPage {
    f: Frame,
    sections: Vec<Section>,
    people: Vec<Person>,
    sign_ins: Vec<SignedIn>,
    tokens: Vec<Token>,
    deeds: Vec<Done>,
    /// The page of older deeds.
    older: Option<String>,
    /// Whether these are not the newest deeds.
    is_older: bool,
    forms: Forms,
}

/// What was typed, and what came of it.
#[derive(Default)]
struct Forms {
    password: PasswordForm,
    token: TokenForm,
    /// A token that was made: its name, and the token itself, which is shown this once.
    made: Option<(String, SecretString)>,
}

impl AccessPage {
    /// Where one of the page's forms leads.
    fn act(&self, what: &str) -> String {
        self.f.beside(&format!("{AT}/{what}"))
    }

    /// The name and the token that was just made.
    fn made(&self) -> Option<(&str, &str)> {
        let (name, token) = self.forms.made.as_ref()?;
        Some((name, token.expose_secret()))
    }

    fn newest(&self) -> String {
        self.f.beside(AT) + "#deeds"
    }

    /// Whether somebody else, or another browser, is signed in too.
    fn has_others(&self) -> bool {
        self.sign_ins.iter().any(|one| !one.own)
    }
}

/// `GET /settings/access`
async fn show(
    State(app): State<App>,
    f: Frame,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    f.person()?;
    let asked = Fields::read(query.unwrap_or_default().as_bytes());
    let before = asked.text("before");
    let before = (!before.is_empty()).then(|| before.to_owned());
    page(&app, f, Forms::default(), before).await
}

/// The page, with the deeds before one.
async fn page(
    app: &App,
    f: Frame,
    forms: Forms,
    before: Option<String>,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Settings);
    f.path = f.beside(AT);
    let (store, now) = (app.store(), app.now());
    let is_older = before.is_some();
    let filter = DeedFilter {
        before,
        ..DeedFilter::default()
    };
    let mut deeds = store.deeds(&filter, DEEDS + 1).await?;
    let more = deeds.len() > DEEDS as usize;
    deeds.truncate(DEEDS as usize);
    let last = deeds.last().filter(|_| more);
    let older = last.map(|last| {
        let at = f.beside(AT);
        let joint = if at.contains('?') { '&' } else { '?' };
        format!("{at}{joint}before={}#deeds", last.id)
    });
    let sites = store.sites().await?;
    let people = store.people().await?.into_iter();
    let sign_ins = session::all(app, &f.caller).await?.into_iter();
    let tokens = store.api_tokens().await?.into_iter();
    Ok(html(&AccessPage {
        sections: sections::all(&f, Part::Access),
        people: people.map(|one| Person::of(one, &f, now)).collect(),
        sign_ins: sign_ins.map(|one| SignedIn::of(one, &f, now)).collect(),
        tokens: tokens.map(|one| Token::of(one, &f, now)).collect(),
        deeds: deeds
            .into_iter()
            .map(|deed| Done::of(deed, &sites, &f, now))
            .collect(),
        older,
        is_older,
        forms,
        f,
    }))
}
