//! What a provider answers when it is asked.

use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::{Value, json};

use crate::connection::{Answer, End, Reply, Script, Step, lock};
use crate::provider::{Manner, Protocol, Running, RunningState};

/// What came of asking, before it is put into a protocol's words.
pub(crate) enum Listing {
    Models(Vec<String>),
    ErrorIn200,
    Html,
    Status(u16),
    Truncated(Vec<String>),
    Silent,
}

/// Counts a request for the list and decides what comes of it.
pub(crate) fn listing(state: &mut RunningState) -> Listing {
    state.asks += 1;
    state.asks_in_manner += 1;
    let before = state.asks_in_manner - 1;
    let models = &state.provider.models;
    match &state.provider.manner {
        Manner::Well | Manner::Slow(_) => Listing::Models(models.clone()),
        Manner::Empty => Listing::Models(Vec::new()),
        Manner::ErrorIn200 => Listing::ErrorIn200,
        Manner::Html => Listing::Html,
        Manner::Dead => Listing::Status(503),
        Manner::WantsOtherKey => Listing::Status(401),
        Manner::NoList => Listing::Status(404),
        Manner::RateLimited(times) if before < *times => Listing::Status(429),
        Manner::RateLimited(_) => Listing::Models(models.clone()),
        Manner::ServerError => Listing::Status(500),
        Manner::Flapping(other) if before % 2 == 1 => Listing::Models(other.clone()),
        Manner::Flapping(_) => Listing::Models(models.clone()),
        Manner::Shrinking { after, percent } if before >= *after => {
            let kept = models.len() * usize::from(*percent) / 100;
            Listing::Models(models[..kept.min(models.len())].to_vec())
        }
        Manner::Shrinking { .. } => Listing::Models(models.clone()),
        Manner::Truncated => Listing::Truncated(models.clone()),
        Manner::Silent => Listing::Silent,
    }
}

/// How long the provider thinks.
pub(crate) fn pause(state: &RunningState) -> Duration {
    match state.provider.manner {
        Manner::Slow(time) => time,
        _ => Duration::ZERO,
    }
}

/// Answers one request below the provider's address.
pub(crate) async fn answer(running: &Running, path: &str, headers: &HeaderMap) -> Answer {
    let (protocol, pause, page, listing) = {
        let mut state = lock(&running.state);
        let protocol = state.provider.protocol;
        let page = state.provider.pages.get(path).cloned();
        if page.is_some() || path != protocol.path() {
            (protocol, Duration::ZERO, page, None)
        } else {
            state.last_key = key(headers);
            let pause = pause(&state);
            (protocol, pause, None, Some(listing(&mut state)))
        }
    };
    if let Some(page) = page {
        return Answer::Reply(reply(200, "application/json", page));
    }
    let Some(listing) = listing else {
        return Answer::Reply(reply(
            404,
            "application/json",
            json!({"error":{"message":"Not Found"}}).to_string(),
        ));
    };
    let _busy = running.in_progress.enter();
    tokio::time::sleep(pause).await;
    match listing {
        Listing::Models(models) => Answer::Reply(reply(
            200,
            "application/json",
            body(protocol, &models).to_string(),
        )),
        Listing::ErrorIn200 => Answer::Reply(reply(
            200,
            "application/json",
            json!({"error":{"message":"insufficient quota","type":"billing_error"}}).to_string(),
        )),
        Listing::Html => Answer::Reply(reply(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><title>Welcome</title>".to_owned(),
        )),
        Listing::Status(status) => Answer::Reply(reply(
            status,
            "application/json",
            json!({"error":{"message":"refused","code":status}}).to_string(),
        )),
        Listing::Truncated(models) => {
            Answer::Script(truncated(&body(protocol, &models).to_string()))
        }
        Listing::Silent => Answer::Script(Script {
            steps: vec![Step::Sleep(Duration::from_secs(24 * 3600))],
            end: End::Close,
        }),
    }
}

/// A list in the words of a protocol.
fn body(protocol: Protocol, models: &[String]) -> Value {
    let items = |make: &dyn Fn(&String) -> Value| models.iter().map(make).collect::<Vec<_>>();
    match protocol {
        Protocol::OpenAi | Protocol::Ali | Protocol::Zhipu => json!({
            "object": "list",
            "data": items(&|id| json!({"id":id,"object":"model","created":1_754_000_000,"owned_by":"sim"})),
        }),
        Protocol::Anthropic => json!({
            "data": items(&|id| json!({"type":"model","id":id,"display_name":id,"created_at":"2025-08-01T00:00:00Z"})),
            "has_more": false,
            "first_id": models.first(),
            "last_id": models.last(),
        }),
        Protocol::OpenRouter => json!({
            "data": items(&|id| json!({
                "id": id, "name": id, "context_length": 200_000,
                "pricing": {"prompt":"0.0000025","completion":"0.00001","request":"0","image":"0"},
            })),
        }),
        Protocol::Gemini => json!({
            "models": items(&|id| json!({
                "name": format!("models/{id}"), "displayName": id,
                "supportedGenerationMethods": ["generateContent"],
            })),
        }),
        Protocol::Ollama => json!({
            "models": items(&|id| json!({"name":id,"model":id,"size":4_000_000_000_u64})),
        }),
    }
}

fn key(headers: &HeaderMap) -> Option<String> {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    text("authorization")
        .map(|value| value.strip_prefix("Bearer ").unwrap_or(value))
        .or_else(|| text("x-api-key"))
        .or_else(|| text("x-goog-api-key"))
        .map(str::to_owned)
}

/// A short text answer.
pub(crate) fn plain(status: u16, text: &str) -> Reply {
    reply(status, "text/plain; charset=utf-8", text.to_owned())
}

fn reply(status: u16, content_type: &str, body: String) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
        body: Bytes::from(body),
    }
}

fn truncated(body: &str) -> Script {
    let head = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    let half = &body.as_bytes()[..body.len() / 2];
    Script {
        steps: vec![
            Step::Write(Bytes::from(head)),
            Step::Write(Bytes::copy_from_slice(half)),
        ],
        end: End::Close,
    }
}
