//! The gateway asks a channel's provider for its models.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::connection::{Reply, lock};
use crate::gateway::list::{NOT_FOUND, own_address};
use crate::gateway::routes::{failure, success};
use crate::gateway::shared::{Call, Shared};
use crate::gateway::{Channel, go, pages};
use crate::provider::{Listing, Protocol, listing, pause};
use crate::spec::Flavour;

/// `GET /api/channel/fetch_models/:id`. It waits for the provider as long as the provider likes.
pub(crate) async fn fetch_models(shared: &Shared, id: &str) -> Reply {
    let Ok(id) = id.parse::<i64>() else {
        return failure(&format!("strconv.Atoi: parsing \"{id}\": invalid syntax"));
    };
    let Some(channel) = lock(&shared.state).channels.get(&id).cloned() else {
        return failure(NOT_FOUND);
    };
    let asked = if shared.spec.inline_providers {
        ask_in_memory(shared, &channel).await
    } else {
        ask(shared, &channel).await
    };
    match asked {
        Ok(models) if models.is_empty() && shared.spec.flavour == Flavour::OldFork => {
            success(&Value::Null)
        }
        Ok(models) => success(&models),
        Err(error) => failure(&format!("获取模型列表失败: {error}")),
    }
}

/// `POST /api/ratio_sync/fetch`: only its refusals. Fetching prices is what the tool under test does itself.
pub(crate) fn ratio_sync_fetch(shared: &Shared, call: &Call) -> Reply {
    let Ok(body) = serde_json::from_slice::<Value>(&call.body) else {
        return pages::json_reply(400, &json!({"message":"请求参数格式错误","success":false}));
    };
    let urls: Vec<String> = match body["upstreams"].as_array() {
        Some(upstreams) if !upstreams.is_empty() => upstreams
            .iter()
            .filter_map(|upstream| Some(upstream["base_url"].as_str()?.to_owned()))
            .collect(),
        _ => {
            let state = lock(&shared.state);
            let ids = body["channel_ids"].as_array().into_iter().flatten();
            ids.filter_map(|id| Some(base_url(state.channels.get(&id.as_i64()?)?)))
                .collect()
        }
    };
    if !urls.iter().any(|url| url.starts_with("http")) {
        return failure("无有效上游渠道");
    }
    failure("not simulated")
}

/// The gateway's own client: no limits of time or size, redirects followed, as the real one is set up.
#[expect(
    clippy::disallowed_methods,
    reason = "the simulated gateway is as careless as the real one, and talks to simulated providers only"
)]
pub(crate) fn client() -> std::io::Result<reqwest::Client> {
    // Somebody else in the process may have chosen the cryptography already; either choice will do.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
        .no_proxy()
        .tls_certs_only([])
        .build()
        .map_err(std::io::Error::other)
}

async fn ask(shared: &Shared, channel: &Channel) -> Result<Vec<String>, String> {
    let base = base_url(channel);
    if !base.starts_with("http://127.") {
        // A simulation stays on this machine, and words it as a machine without network would.
        return Err(format!(
            "Get \"{base}/v1/models\": dial tcp: lookup failed: no such host"
        ));
    }
    let protocol = match shared.spec.flavour {
        Flavour::OldFork if channel.kind != 24 => Protocol::OpenAi,
        _ => Protocol::of_channel(channel.kind),
    };
    let url = format!("{base}{}", protocol.path());
    let request = with_key(shared.client.get(&url), protocol, &channel.key);
    let response = request
        .send()
        .await
        .map_err(|error| transport_error(&url, &error))?;
    if response.status() != reqwest::StatusCode::OK {
        return Err(format!("status code: {}", response.status().as_u16()));
    }
    let body = whole(response)
        .await
        .map_err(|_| "unexpected EOF".to_owned())?;
    if let Some(error) = go::syntax_error(&body) {
        return Err(error);
    }
    let value: Value = serde_json::from_slice(&body).map_err(|error| error.to_string())?;
    Ok(names(protocol, &value))
}

#[expect(
    clippy::disallowed_methods,
    reason = "the real gateway reads whole bodies, and the simulated providers send small ones"
)]
async fn whole(response: reqwest::Response) -> reqwest::Result<bytes::Bytes> {
    response.bytes().await
}

fn with_key(request: RequestBuilder, protocol: Protocol, keys: &str) -> RequestBuilder {
    let key = keys.lines().next().unwrap_or_default();
    match protocol {
        Protocol::Anthropic => request
            .header("x-api-key", key)
            .header("anthropic-version", "2023-06-01"),
        Protocol::Gemini => request.header("x-goog-api-key", key),
        _ => request.header("Authorization", format!("Bearer {key}")),
    }
}

/// Reads a list. A missing or misshapen one is an empty one, and that is no error to the gateway.
fn names(protocol: Protocol, value: &Value) -> Vec<String> {
    let (list, field) = match protocol {
        Protocol::Gemini | Protocol::Ollama => (&value["models"], "name"),
        _ => (&value["data"], "id"),
    };
    let items = list.as_array().into_iter().flatten();
    items
        .filter_map(|item| item[field].as_str())
        .map(|name| match protocol {
            Protocol::Gemini => name.strip_prefix("models/").unwrap_or(name),
            _ => name,
        })
        .map(str::to_owned)
        .collect()
}

fn transport_error(url: &str, error: &reqwest::Error) -> String {
    if error.is_connect() {
        format!("Get \"{url}\": dial tcp: connect: connection refused")
    } else {
        format!("Get \"{url}\": EOF")
    }
}

/// The same without the second HTTP hop, for benches that measure the tool and not this double.
async fn ask_in_memory(shared: &Shared, channel: &Channel) -> Result<Vec<String>, String> {
    let base = base_url(channel);
    let Some(running) = shared.providers.at(&base) else {
        return Err(format!(
            "Get \"{base}/v1/models\": dial tcp: connect: connection refused"
        ));
    };
    let (pause, listing) = {
        let mut state = lock(&running.state);
        state.last_key = Some(channel.key.clone());
        let pause = shared.spec.inline_delay + pause(&state);
        (pause, listing(&mut state))
    };
    let _busy = running.in_progress.enter();
    tokio::time::sleep(pause).await;
    match listing {
        Listing::Models(models) => Ok(models),
        Listing::ErrorIn200 => Ok(Vec::new()),
        Listing::Html => Err("invalid character '<' looking for beginning of value".to_owned()),
        Listing::Status(503) => Err(format!(
            "Get \"{base}/v1/models\": dial tcp: connect: connection refused"
        )),
        Listing::Status(status) => Err(format!("status code: {status}")),
        Listing::Truncated(_) => Err("unexpected EOF".to_owned()),
        Listing::Silent => std::future::pending().await,
    }
}

fn base_url(channel: &Channel) -> String {
    match channel.base_url.as_deref() {
        Some(url) if !url.is_empty() => url.to_owned(),
        _ => own_address(channel.kind).to_owned(),
    }
}
