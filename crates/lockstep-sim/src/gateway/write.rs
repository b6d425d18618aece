//! Changing channels and options, with the faults that change what a write does.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::connection::{Reply, lock};
use crate::fault::{Fault, Target};
use crate::gateway::audit::By;
use crate::gateway::auth::{Role, insufficient};
use crate::gateway::channel::{Patched, patch};
use crate::gateway::list::NOT_FOUND;
use crate::gateway::routes::{done, failure, success};
use crate::gateway::shared::{Call, Shared};
use crate::gateway::{Channel, go, old, pages};
use crate::log::Write;
use crate::spec::Flavour;

#[derive(Serialize)]
struct Updated {
    #[serde(flatten)]
    channel: Channel,
    multi_key_mode: Option<String>,
    key_mode: Option<String>,
}

/// `PUT /api/channel/`
pub(crate) fn put_channel(shared: &Shared, call: &Call, role: Role) -> Reply {
    let old_fork = shared.spec.flavour == Flavour::OldFork;
    let body = match object(&call.body) {
        Ok(body) => body,
        Err(error) => return failure(&error),
    };
    if !old_fork && body.contains_key("status") {
        return failure("Invalid parameters");
    }
    let id = body.get("id").and_then(Value::as_i64).unwrap_or(0);
    let now = shared.clock.elapsed();
    let mut state = lock(&shared.state);
    let Some(stored) = state.channels.get(&id).cloned() else {
        return failure(NOT_FOUND);
    };
    let Patched {
        mut channel,
        changed,
        sensitive,
    } = match patch(&stored, &body, old_fork) {
        Ok(patched) => patched,
        Err(error) => return failure(&error),
    };
    if sensitive && role < Role::Root {
        return insufficient();
    }
    let mut answered = channel.clone();
    match &call.behaviour {
        Some(Fault::Lie) => channel = stored.clone(),
        Some(Fault::Ignore) => {
            channel = stored.clone();
            answered = stored.clone();
        }
        Some(Fault::AlsoChange(edit)) => {
            if let Target::Written(change) = &edit.0 {
                change(&mut channel);
                answered = channel.clone();
            }
        }
        _ => {}
    }
    if let Some(time) = call.behaviour.as_ref().and_then(Fault::unseen) {
        state.keep_visible(stored.clone(), now, now + time);
    }
    let written = Write {
        channel: Some(id),
        option: None,
        before: stored.models.clone(),
        after: channel.models.clone(),
        effective: channel != stored,
    };
    state.channels.insert(id, channel);
    if !matches!(call.behaviour, Some(Fault::Lie | Fault::Ignore)) {
        let at = shared.clock.unix();
        state
            .audit
            .channel_updated(at, role, By::Token, id, &answered.name, &changed);
    }
    if let Some(Fault::AlsoChange(edit)) = &call.behaviour {
        state.edit(edit, |url| shared.providers.resolve(url));
    }
    drop(state);
    shared
        .log
        .update(call.seq, |entry| entry.write = Some(written));
    if old_fork {
        return success(&old::shown(&answered));
    }
    success(&Updated {
        channel: answered.shown(),
        multi_key_mode: None,
        key_mode: None,
    })
}

/// `POST /api/channel/:id/status`
pub(crate) fn set_status(shared: &Shared, call: &Call, role: Role, id: &str) -> Reply {
    let status = object(&call.body)
        .ok()
        .and_then(|body| body.get("status")?.as_i64());
    let (Ok(id), Some(status @ (1 | 2))) = (id.parse::<i64>(), status) else {
        return failure("Invalid parameters");
    };
    let at = shared.clock.unix();
    let mut state = lock(&shared.state);
    let Some(channel) = state.channels.get_mut(&id) else {
        return failure(NOT_FOUND);
    };
    let written = Write {
        channel: Some(id),
        option: None,
        before: channel.models.clone(),
        after: channel.models.clone(),
        effective: channel.status != status,
    };
    channel.status = status;
    state.audit.channel_status(at, role, id, status);
    drop(state);
    shared
        .log
        .update(call.seq, |entry| entry.write = Some(written));
    done()
}

/// `PUT /api/option/`
pub(crate) fn put_option(shared: &Shared, call: &Call, role: Role) -> Reply {
    let refused =
        |message: &str| pages::json_reply(400, &json!({"message":message,"success":false}));
    let Ok(body) = object(&call.body) else {
        return refused("无效的参数");
    };
    let key = body.get("key").and_then(Value::as_str).unwrap_or_default();
    let value = body.get("value").unwrap_or(&Value::Null);
    if shared.spec.flavour == Flavour::OldFork && !value.is_string() {
        return refused("无效的参数");
    }
    let text = go::printed(value);
    let now = shared.clock.elapsed();
    let mut state = lock(&shared.state);
    let before = state.options.text(key).unwrap_or_default();
    let mut outcome = Ok(());
    if !matches!(call.behaviour, Some(Fault::Lie | Fault::Ignore)) {
        outcome = state.options.set(key, &text);
        if let Some(time) = call.behaviour.as_ref().and_then(Fault::unseen) {
            state.keep_option_visible(key, before.clone(), now, now + time);
        }
        if outcome.is_ok() {
            let at = shared.clock.unix();
            state.audit.option_updated(at, role, By::Token, key);
        }
    }
    if let Some(Fault::AlsoChange(edit)) = &call.behaviour {
        state.edit(edit, |url| shared.providers.resolve(url));
    }
    let after = state.options.text(key).unwrap_or_default();
    drop(state);
    if key.starts_with("billing_setting.") {
        lock(&shared.pricing_page).take();
    }
    shared.log.update(call.seq, |entry| {
        entry.write = Some(Write {
            channel: None,
            option: Some(key.to_owned()),
            effective: before != after,
            before,
            after,
        });
    });
    outcome.map_or_else(|error| failure(&error), |()| done())
}

fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    if let Some(error) = go::syntax_error(body) {
        return Err(error);
    }
    serde_json::from_slice(body)
        .map_err(|_| "json: cannot unmarshal value into Go value of type struct".to_owned())
}
