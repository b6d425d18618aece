//! `lockstep token`: tokens of programs that use the server's API.

use anyhow::{Context as _, bail};
use jiff::{SignedDuration, Span, SpanRelativeTo};
use lockstep_store::tokens::ApiToken;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::args::{TokenAddArgs, TokenVerb};
use super::context::Context;
use super::exit::Exit;
use crate::server::caller::Scope;
use crate::server::door::tokens::{self, Asked};
use crate::view::{json::time, table};

pub(crate) async fn token(context: &Context, verb: &TokenVerb) -> anyhow::Result<Exit> {
    match verb {
        TokenVerb::Add(args) => add(context, args).await,
        TokenVerb::List => list(context).await,
        TokenVerb::Remove { name } => remove(context, name).await,
    }
}

async fn add(context: &Context, args: &TokenAddArgs) -> anyhow::Result<Exit> {
    let now = context.engine.now();
    let expires_at = match &args.expires {
        Some(text) => Some(now + lasting(text)?),
        None => None,
    };
    let mut scopes: Vec<Scope> = args.scope.iter().copied().map(Scope::from).collect();
    scopes.sort_unstable();
    scopes.dedup();
    let asked = Asked {
        name: args.name.clone(),
        scopes,
        expires_at,
        actor: context.actor(),
    };
    let (made, token) = tokens::make(context.store(), asked, now)
        .await
        .map_err(|error| match error {
            lockstep_store::StoreError::Conflict(name) => anyhow::anyhow!(
                "there is a token `{name}` already; `lockstep token remove {name}` ends it, or take another name"
            ),
            other => other.into(),
        })?;
    let screen = &context.screen;
    if screen.json {
        let mut object = as_json(&made, now);
        object["token"] = token.expose_secret().into();
        screen.data(&json!({ "token": object }).to_string());
        return Ok(Exit::Done);
    }
    screen.data(token.expose_secret());
    screen.hint("Keep it now: it is not shown again. Send it as `Authorization: Bearer`.");
    Ok(Exit::Done)
}

async fn list(context: &Context) -> anyhow::Result<Exit> {
    let (tokens, now) = (context.store().api_tokens().await?, context.engine.now());
    let screen = &context.screen;
    if screen.json {
        let tokens: Vec<Value> = tokens.iter().map(|token| as_json(token, now)).collect();
        screen.data(&json!({ "tokens": tokens }).to_string());
        return Ok(Exit::Done);
    }
    if tokens.is_empty() {
        screen.hint("No token yet. `lockstep token add NAME --scope read` makes one.");
        return Ok(Exit::Done);
    }
    let mut table = table::plain(screen, &["TOKEN", "SCOPES", "ENDS", "LAST USED"]);
    for token in &tokens {
        let mut ends = token.expires_at.map_or("never".to_owned(), time);
        if tokens::has_ended(token, now) {
            ends.push_str(" (over)");
        } else if tokens::ends_soon(token, now) {
            ends.push_str(" (soon)");
        }
        table.add_row(vec![
            token.name.clone(),
            token.scopes.join(" "),
            ends,
            token.seen_at.map_or("-".to_owned(), time),
        ]);
    }
    screen.data(&table::text(&table));
    Ok(Exit::Done)
}

async fn remove(context: &Context, name: &str) -> anyhow::Result<Exit> {
    let tokens = context.store().api_tokens().await?;
    let Some(token) = tokens.iter().find(|token| token.name == name) else {
        bail!("there is no token `{name}`; `lockstep token list` shows them");
    };
    let now = context.engine.now();
    let removed = tokens::end(context.store(), &token.id, &context.actor(), now).await?;
    if context.screen.json {
        let object = json!({ "removed": removed.name });
        context.screen.data(&object.to_string());
    } else {
        context
            .screen
            .data(&format!("{} is ended: nobody gets in by it", removed.name));
    }
    Ok(Exit::Done)
}

/// A token as JSON, without what is secret.
fn as_json(token: &ApiToken, now: i64) -> Value {
    json!({
        "name": token.name,
        "scopes": token.scopes,
        "created_by": token.created_by,
        "created_at": time(token.created_at),
        "expires_at": token.expires_at.map(time),
        "expires_soon": tokens::ends_soon(token, now),
        "last_used_at": token.seen_at.map(time),
    })
}

/// A time from now, in milliseconds.
fn lasting(text: &str) -> anyhow::Result<i64> {
    let read = || {
        let span: Span = text.parse().ok()?;
        let lasting = span.to_duration(SpanRelativeTo::days_are_24_hours()).ok()?;
        let most = SignedDuration::from_hours(100 * 366 * 24);
        (lasting > SignedDuration::ZERO && lasting <= most).then_some(lasting)
    };
    let lasting = read().with_context(|| {
        format!("--expires {text}: write how long from now, e.g. 90d, 12h or 52w")
    })?;
    Ok(i64::try_from(lasting.as_millis())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_so_long_from_now() {
        for (text, hours) in [("90d", 90 * 24), ("12h", 12), ("52w", 52 * 7 * 24)] {
            assert_eq!(lasting(text).expect("a time"), hours * 3_600_000, "{text}");
        }
        for text in ["", "90", "-1d", "0s", "soon", "1000000w"] {
            assert!(lasting(text).is_err(), "{text}");
        }
    }
}
