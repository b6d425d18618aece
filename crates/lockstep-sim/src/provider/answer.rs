//! What a provider answers when it is asked.

use std::net::IpAddr;
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use crate::connection::{Answer, End, Reply, Script, Step, lock};
use crate::fault::Fault;
use crate::price::{Price, openrouter_pricing};
use crate::provider::{Manner, Page, Protocol, Running, RunningState};

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

/// Answers one request below the provider's address, at a time since the start.
pub(crate) async fn answer(
    running: &Running,
    at: Duration,
    head: &Parts,
    path: &str,
    peer: IpAddr,
) -> Answer {
    let _busy = running.in_progress.enter();
    let query = head.uri.query().unwrap_or_default();
    let number = lock(&running.asked).arrived(at, path, query, &head.headers);
    let fault = lock(&running.rules).next(head.method.as_str(), path, None);
    let answer = match fault {
        Some(fault) if !fault.needs_reply() => fault.answer_alone(),
        Some(fault) => {
            if let Fault::Delay(time) = fault {
                tokio::time::sleep(time).await;
            }
            match well(running, at, head, path, peer).await {
                Answer::Reply(reply) => fault.spoil(reply),
                script @ Answer::Script(_) => script,
            }
        }
        None => well(running, at, head, path, peer).await,
    };
    if let Answer::Reply(reply) = &answer {
        lock(&running.asked).answered(number, reply.status);
    }
    answer
}

/// What is answered when nothing is scripted to go wrong.
async fn well(running: &Running, at: Duration, head: &Parts, path: &str, peer: IpAddr) -> Answer {
    let page = {
        let state = lock(&running.state);
        let pages = &state.provider.pages;
        let exact = head.uri.query().map(|query| format!("{path}?{query}"));
        exact
            .and_then(|exact| pages.get(&exact))
            .or_else(|| pages.get(path))
            .cloned()
    };
    match page {
        Some(page) => Answer::Reply(shown(running, &page, at, head, path, peer).await),
        None => list(running, path, &head.headers).await,
    }
}

async fn shown(
    running: &Running,
    page: &Page,
    at: Duration,
    head: &Parts,
    path: &str,
    peer: IpAddr,
) -> Reply {
    if let Some(limit) = page.limit {
        let mut limiters = lock(&running.limiters);
        let limiter = limiters
            .entry((path.to_owned(), peer))
            .or_insert_with(|| limit.limiter());
        if let Err(wait) = limiter.try_acquire(at) {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            return Reply {
                status: 429,
                headers: vec![("Retry-After".to_owned(), seconds.to_string())],
                body: Bytes::new(),
            };
        }
    }
    tokio::time::sleep(page.delay).await;
    page.reply(&head.headers)
}

/// The list of models, or nothing at all.
async fn list(running: &Running, path: &str, headers: &HeaderMap) -> Answer {
    let (protocol, prices, pause, listing) = {
        let mut state = lock(&running.state);
        let protocol = state.provider.protocol;
        if path != protocol.path() {
            return Answer::Reply(reply(
                404,
                "application/json",
                json!({"error":{"message":"Not Found"}}).to_string(),
            ));
        }
        state.last_key = key(headers);
        let pause = pause(&state);
        let prices = state.provider.prices.clone();
        (protocol, prices, pause, listing(&mut state))
    };
    tokio::time::sleep(pause).await;
    match listing {
        Listing::Models(models) => Answer::Reply(reply(
            200,
            "application/json",
            body(protocol, &models, &prices).to_string(),
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
            Answer::Script(truncated(&body(protocol, &models, &prices).to_string()))
        }
        Listing::Silent => Answer::Script(Script {
            steps: vec![Step::Sleep(Duration::from_secs(24 * 3600))],
            end: End::Close,
        }),
    }
}

/// A list in the words of a protocol.
fn body(protocol: Protocol, models: &[String], prices: &[Price]) -> Value {
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
                "pricing": pricing(prices, id),
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

/// What OpenRouter tells of a model's price. Who is not told any prices takes the same for all.
fn pricing(prices: &[Price], model: &str) -> Value {
    match prices.iter().find(|price| price.model == model) {
        Some(price) => openrouter_pricing(price),
        None if prices.is_empty() => openrouter_pricing(&Price::tokens(model, 2.5, 10.0)),
        None => json!({}),
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
