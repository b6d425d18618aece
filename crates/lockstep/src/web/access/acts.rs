//! What is done about people and programs: a password changed, sign-ins ended, tokens made and revoked.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use lockstep_store::StoreError;
use secrecy::SecretString;

use super::rows::long;
use super::{AT, Forms, page};
use crate::server::App;
use crate::server::caller::{Scope, Who};
use crate::server::door::address::Client;
use crate::server::door::enter::{self, NotLetIn};
use crate::server::door::session;
use crate::server::door::tokens::{self, Asked, Bad};
use crate::server::problem::Problem;
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::{Frame, SayKind};
use crate::web::refusal::Refusal;
use crate::web::sign_in;
use crate::web::words::{Words, fill};

/// After how many days a token can be told to end.
pub(super) const DAYS: [i64; 3] = [30, 90, 365];
/// What is chosen before anybody chooses.
const USUAL: &str = "90";
/// One who never ends.
const NEVER: &str = "never";
const DAY: i64 = 86_400_000;

/// What is wrong with the passwords that were typed. They themselves are not shown again.
#[derive(Default)]
pub(super) struct PasswordForm {
    pub(super) wrong_old: Option<String>,
    pub(super) wrong_new: Option<String>,
    pub(super) wrong_again: Option<String>,
}

/// What was typed of a token.
#[derive(Default)]
pub(super) struct TokenForm {
    pub(super) name: String,
    scopes: Vec<String>,
    ends: Option<String>,
    pub(super) wrong_name: Option<String>,
    pub(super) wrong_scopes: Option<String>,
}

/// One of few to choose.
pub(super) struct Choice {
    pub(super) code: String,
    pub(super) label: String,
    pub(super) chosen: bool,
}

impl TokenForm {
    /// What a program may be let do.
    pub(super) fn scopes(&self, t: &&'static Words) -> Vec<Choice> {
        let choice = |scope: Scope| Choice {
            code: scope.code().to_owned(),
            label: long(scope, &t.tokens).to_owned(),
            chosen: self.scopes.iter().any(|code| code == scope.code()),
        };
        Scope::ALL.map(choice).into()
    }

    /// When it ends.
    pub(super) fn ends(&self, t: &&'static Words) -> Vec<Choice> {
        let chosen = self.ends.as_deref().unwrap_or(USUAL);
        let days = DAYS.map(|days| (days.to_string(), fill(&t.tokens.days, &[("n", &days)])));
        let never = (NEVER.to_owned(), t.tokens.never.clone());
        let all = days.into_iter().chain([never]);
        all.map(|(code, label)| Choice {
            chosen: code == chosen,
            code,
            label,
        })
        .collect()
    }
}

/// `POST /settings/access/password`: all other sign-ins of the person end.
pub(super) async fn password(
    State(app): State<App>,
    f: Frame,
    client: Client,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.person()?.clone();
    let Who::Person { name, session } = &by.who else {
        return Err(Problem::internal().into());
    };
    let typed = |field: &str| SecretString::from(fields.text(field));
    let mut form = PasswordForm::default();
    if fields.text("new") != fields.text("again") {
        form.wrong_again = Some(f.t.sign_in.differ.clone());
        return not_changed(&app, f, form, StatusCode::UNPROCESSABLE_ENTITY).await;
    }
    let who = (name.as_str(), session.as_str());
    let changed = enter::change_password(&app, client, who, typed("old"), typed("new")).await;
    match changed {
        Ok(()) => Ok(said(&f, Flash::PasswordChanged)),
        Err(NotLetIn::Failed(problem)) => Err(problem.into()),
        Err(why) => {
            let text = match why {
                NotLetIn::Wrong => f.t.tokens.wrong_old.clone(),
                _ => sign_in::said(&why, f.lang),
            };
            match why {
                NotLetIn::Unfit(_) => form.wrong_new = Some(text),
                _ => form.wrong_old = Some(text),
            }
            // The person is signed in: that a guess was wrong is a mistake of the form, and no lost sign-in.
            let status = match why {
                NotLetIn::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
                _ => StatusCode::UNPROCESSABLE_ENTITY,
            };
            not_changed(&app, f, form, status).await
        }
    }
}

async fn not_changed(
    app: &App,
    mut f: Frame,
    password: PasswordForm,
    status: StatusCode,
) -> Result<Response, Refusal> {
    let not_changed = f.t.tokens.not_changed.clone();
    f.say(SayKind::Bad, not_changed, None);
    let forms = Forms {
        password,
        ..Forms::default()
    };
    let page = page(app, f, forms, None).await?;
    Ok((status, page).into_response())
}

/// `POST /settings/access/sign-ins`: one sign-in ends, or all others.
pub(super) async fn end_sign_ins(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.person()?;
    if fields.has("others") {
        session::end_others(&app, by).await?;
    } else {
        session::end_one(&app, by, fields.text("end")).await?;
    }
    Ok(said(&f, Flash::SignInsEnded))
}

/// `POST /settings/access/tokens`: the token is on the page that answers, and nowhere else.
pub(super) async fn make(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.person()?.clone();
    let now = app.now();
    let mut form = TokenForm {
        name: fields.trimmed("name").to_owned(),
        scopes: fields.all("scope").map(str::to_owned).collect(),
        ends: Some(fields.text("ends").to_owned()),
        ..TokenForm::default()
    };
    let days = DAYS
        .into_iter()
        .find(|days| days.to_string() == fields.text("ends"));
    // What is none of the choices is no wish for a token without an end.
    if days.is_none() && fields.text("ends") != NEVER {
        return Err(Problem::bad_request("there is no such end of a token").into());
    }
    let ends = days.map(|days| now + days * DAY);
    let asked = Asked::checked(&form.name, &form.scopes, ends, by.actor(), now);
    let asked = match asked {
        Ok(asked) => asked,
        Err(bad) => {
            for bad in bad {
                match bad {
                    Bad::Name => form.wrong_name = Some(f.t.tokens.bad_name.clone()),
                    Bad::Over | Bad::Unknown(_) | Bad::NoScope => {
                        form.wrong_scopes = Some(f.t.tokens.no_scope.clone());
                    }
                }
            }
            return not_made(&app, f, form).await;
        }
    };
    match tokens::make(app.store(), asked, now).await {
        Ok((made, token)) => {
            let forms = Forms {
                made: Some((made.name, token)),
                ..Forms::default()
            };
            let page = page(&app, f, forms, None).await?;
            Ok((StatusCode::CREATED, page).into_response())
        }
        Err(StoreError::Conflict(_)) => {
            form.wrong_name = Some(f.t.tokens.taken.clone());
            not_made(&app, f, form).await
        }
        Err(error) => Err(error.into()),
    }
}

async fn not_made(app: &App, mut f: Frame, token: TokenForm) -> Result<Response, Refusal> {
    let not_made = f.t.tokens.not_made.clone();
    f.say(SayKind::Bad, not_made, None);
    let forms = Forms {
        token,
        ..Forms::default()
    };
    let page = page(app, f, forms, None).await?;
    Ok((StatusCode::UNPROCESSABLE_ENTITY, page).into_response())
}

/// `POST /settings/access/tokens/revoke`
pub(super) async fn revoke(
    State(app): State<App>,
    f: Frame,
    fields: Fields,
) -> Result<Response, Refusal> {
    let by = f.person()?;
    tokens::revoke(&app, by, fields.text("token")).await?;
    Ok(said(&f, Flash::Revoked))
}

fn said(f: &Frame, flash: Flash) -> Response {
    Redirect::to(&flash.at(&f.beside(AT))).into_response()
}
