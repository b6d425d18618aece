//! The way in and out: the password, the one-time link that sets it, and the language of whoever has neither yet.

use askama::Template;
use axum::extract::{RawQuery, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use cookie::{Cookie, SameSite};

use super::form::Fields;
use super::frame::{LANGUAGE, language};
use super::refusal::{Refusal, html};
use super::words::{Lang, Words, fill};
use super::{assets, place};
use crate::server::App;
use crate::server::caller::{Anyone, Caller};
use crate::server::door::address::Client;
use crate::server::door::enter::{self, NotLetIn};
use crate::server::door::password::{ADMIN, Unfit};
use crate::server::door::{LINK, SIGN_IN, session};

/// How long a chosen language is kept: a year, in seconds.
const YEAR: i64 = 31_536_000;

/// Whoever asks, as far as pages without a sign-in want to know.
pub(super) struct Visitor {
    lang: Lang,
    known: bool,
}

impl axum::extract::FromRequestParts<App> for Visitor {
    type Rejection = std::convert::Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, Self::Rejection> {
        Ok(Self {
            lang: language(parts),
            known: parts.extensions.get::<Caller>().is_some(),
        })
    }
}

/// What stands around a page that nobody has signed in to yet.
struct Alone {
    t: &'static Words,
    lang: Lang,
    /// The page's own address, to come back to.
    path: String,
    /// Whether somebody on the way can read what is typed.
    plain: bool,
}

impl Alone {
    fn asset(&self, name: &str) -> String {
        assets::address(name)
    }
}

#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    a: Alone,
    name: &'a str,
    back: &'a str,
    wrong: Option<String>,
    /// Whether nobody has a password yet.
    nobody: bool,
}

#[derive(Template)]
#[template(path = "sign_in_link.html")]
struct LinkPage<'a> {
    a: Alone,
    link: &'a str,
    wrong_link: Option<String>,
    wrong_password: Option<String>,
    wrong_again: Option<String>,
}

fn alone(app: &App, lang: Lang, path: String) -> Alone {
    Alone {
        t: lang.words(),
        lang,
        path,
        plain: app.options().insecure_http && !app.options().secure(),
    }
}

/// `GET /sign-in`
pub(super) async fn show(
    State(app): State<App>,
    visitor: Visitor,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Fields::read(query.unwrap_or_default().as_bytes());
    let back = place::back(asked.text("back"));
    if visitor.known {
        return Ok(Redirect::to(back).into_response());
    }
    let nobody = app.store().people().await?.is_empty();
    Ok(html(&SignInPage {
        a: alone(&app, visitor.lang, to_come_back(back)),
        name: ADMIN,
        back,
        wrong: None,
        nobody,
    }))
}

/// `POST /sign-in`
pub(super) async fn enter_by_password(
    State(app): State<App>,
    visitor: Visitor,
    client: Client,
    fields: Fields,
) -> Result<Response, Refusal> {
    let (name, back) = (fields.trimmed("name"), place::back(fields.text("back")));
    let name = if name.is_empty() { ADMIN } else { name };
    let password = fields.text("password").to_owned();
    match enter::by_password(&app, client, name, password.into()).await {
        Ok(cookie) => Ok(([(header::SET_COOKIE, cookie)], Redirect::to(back)).into_response()),
        Err(NotLetIn::Failed(problem)) => Err(problem.into()),
        Err(why) => {
            let nobody = app.store().people().await?.is_empty();
            let page = SignInPage {
                a: alone(&app, visitor.lang, to_come_back(back)),
                name,
                back,
                wrong: Some(said(&why, visitor.lang)),
                nobody,
            };
            Ok((status(&why), html(&page)).into_response())
        }
    }
}

/// `GET /sign-in/link`
pub(super) async fn show_link(State(app): State<App>, visitor: Visitor) -> Response {
    html(&LinkPage {
        a: alone(&app, visitor.lang, LINK.to_owned()),
        link: "",
        wrong_link: None,
        wrong_password: None,
        wrong_again: None,
    })
}

/// `POST /sign-in/link`
pub(super) async fn enter_by_link(
    State(app): State<App>,
    visitor: Visitor,
    client: Client,
    fields: Fields,
) -> Result<Response, Refusal> {
    let t = visitor.lang.words();
    // What is pasted may be the whole address.
    let typed = fields.trimmed("link");
    let link = typed.rsplit_once('#').map_or(typed, |(_, link)| link);
    let password = fields.text("password");
    let mut page = LinkPage {
        a: alone(&app, visitor.lang, LINK.to_owned()),
        link,
        wrong_link: None,
        wrong_password: None,
        wrong_again: None,
    };
    if password != fields.text("again") {
        page.wrong_again = Some(t.sign_in.differ.clone());
        return Ok((StatusCode::BAD_REQUEST, html(&page)).into_response());
    }
    let entered = enter::by_link(
        &app,
        client,
        link.to_owned().into(),
        password.to_owned().into(),
    );
    match entered.await {
        Ok(cookie) => Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()),
        Err(NotLetIn::Failed(problem)) => Err(problem.into()),
        Err(why) => {
            let text = said(&why, visitor.lang);
            match why {
                NotLetIn::Unfit(_) => page.wrong_password = Some(text),
                _ => page.wrong_link = Some(text),
            }
            Ok((status(&why), html(&page)).into_response())
        }
    }
}

/// `GET /sign-in/demo`: the address that the demo prints.
pub(super) async fn enter_demo(
    State(app): State<App>,
    RawQuery(query): RawQuery,
) -> Result<Response, Refusal> {
    let asked = Fields::read(query.unwrap_or_default().as_bytes());
    match enter::by_demo(&app, asked.text("key").to_owned().into()).await {
        Ok(cookie) => Ok(([(header::SET_COOKIE, cookie)], Redirect::to("/")).into_response()),
        Err(NotLetIn::Failed(problem)) => Err(problem.into()),
        Err(_) => Ok(Redirect::to(SIGN_IN).into_response()),
    }
}

/// `POST /sign-out`
pub(super) async fn leave(
    State(app): State<App>,
    Anyone(caller): Anyone,
) -> Result<Response, Refusal> {
    enter::sign_out(&app, &caller).await?;
    let cookie = [(header::SET_COOKIE, session::end(&app)?)];
    Ok((cookie, Redirect::to(SIGN_IN)).into_response())
}

/// `POST /language`
pub(super) async fn choose_language(State(app): State<App>, fields: Fields) -> Response {
    let back = place::back(fields.text("back"));
    let Some(lang) = Lang::of_tag(fields.text("language")) else {
        return Redirect::to(back).into_response();
    };
    let cookie = Cookie::build((LANGUAGE, lang.tag()))
        .path("/")
        .http_only(true)
        .secure(app.options().secure())
        .same_site(SameSite::Lax)
        .max_age(cookie::time::Duration::seconds(YEAR))
        .build();
    let mut headers = HeaderMap::new();
    if let Ok(value) = cookie.to_string().try_into() {
        headers.insert(header::SET_COOKIE, value);
    }
    (headers, Redirect::to(back)).into_response()
}

/// The page to sign in at, with where it leads.
fn to_come_back(back: &str) -> String {
    let wanted = back.parse().unwrap_or_default();
    crate::server::door::way_in(&wanted)
}

fn status(why: &NotLetIn) -> StatusCode {
    match why {
        NotLetIn::TooMany(_) => StatusCode::TOO_MANY_REQUESTS,
        NotLetIn::Wrong | NotLetIn::LinkOver => StatusCode::UNAUTHORIZED,
        NotLetIn::Unfit(_) => StatusCode::BAD_REQUEST,
        NotLetIn::Failed(problem) => problem.status(),
    }
}

pub(super) fn said(why: &NotLetIn, lang: Lang) -> String {
    let t = lang.words();
    match why {
        NotLetIn::TooMany(too_many) => {
            let seconds = u64::try_from(too_many.wait.max(1))
                .unwrap_or(1)
                .div_ceil(1000);
            let time = lang.duration(std::time::Duration::from_secs(seconds));
            fill(&t.sign_in.too_many, &[("time", &time)])
        }
        NotLetIn::Unfit(Unfit::Short) => t.sign_in.short.clone(),
        NotLetIn::Unfit(Unfit::Long) => t.sign_in.long.clone(),
        NotLetIn::LinkOver => t.sign_in.bad_link.clone(),
        NotLetIn::Wrong | NotLetIn::Failed(_) => t.sign_in.wrong.clone(),
    }
}
