//! Which request goes where, and what is asked of its caller first.

use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::connection::{Reply, lock};
use crate::gateway::auth::{Role, require};
use crate::gateway::shared::{Bucket, Call, Shared};
use crate::gateway::{fetch, list, old, pages, pricing, write};
use crate::spec::Flavour;

/// The header by which New API marks answers to callers it knows.
const AUTH_VERSION: &str = "864b7076dbcd0a3c01b5520316720ebf";

/// Paths registered with a slash at the end; without it they are redirected.
const WITH_SLASH: [&str; 3] = ["/api/channel", "/api/option", "/api/log"];

/// Answers one request.
pub(crate) async fn dispatch(shared: &Arc<Shared>, call: &Call) -> Reply {
    if shared.spec.flavour == Flavour::Foreign {
        return pages::foreign(&call.path);
    }
    if !call.path.starts_with("/api/") {
        return pages::web_page();
    }
    if WITH_SLASH.contains(&call.path.as_str()) {
        return pages::moved(
            &call.method,
            &format!("{}{}/", shared.spec.prefix, call.path),
            &call.query,
        );
    }
    if let Err(refusal) = shared.limit(Bucket::Global, call.peer) {
        return refusal;
    }
    let segments: Vec<&str> = call.path.split('/').skip(2).collect();
    let new = shared.spec.flavour == Flavour::NewApi;
    match (call.method.as_str(), segments.as_slice()) {
        ("GET", ["status"]) => pages::status(shared),
        ("GET", ["setup"]) => pages::json_reply(
            200,
            &json!({"success":true,"data":{"status":true,"root_init":false,"database_type":""}}),
        ),
        ("GET", ["pricing"]) => marked_if(new && call.role.is_some(), pricing::pricing(shared)),
        ("GET", ["ratio_config"]) if new => {
            if let Err(refusal) = shared.limit(Bucket::Critical, call.peer) {
                return refusal;
            }
            pricing::ratio_config(shared)
        }
        ("GET", ["user", "self"]) => allowed(shared, call, Role::Common, pages::myself),
        ("GET", ["log", ""]) => allowed(shared, call, Role::Admin, |_| log_page(shared, call)),
        ("GET", ["channel", ""]) => {
            allowed(shared, call, Role::Admin, |_| list::channels(shared, call))
        }
        ("GET", ["channel", "search"]) => {
            allowed(shared, call, Role::Admin, |_| list::search(shared, call))
        }
        ("GET", ["channel", "fetch_models", id]) => {
            match require(&shared.spec, &call.headers, call.role, Role::Admin) {
                Ok(_) => marked_if(new, fetch::fetch_models(shared, id).await),
                Err(refusal) => marked_if(new && call.role.is_some(), refusal),
            }
        }
        ("GET", ["channel", id]) => allowed(shared, call, Role::Admin, |_| list::one(shared, id)),
        ("PUT", ["channel", ""]) => allowed(shared, call, Role::Admin, |role| {
            write::put_channel(shared, call, role)
        }),
        ("POST", ["channel", id, "status"]) if new => allowed(shared, call, Role::Admin, |role| {
            write::set_status(shared, call, role, id)
        }),
        ("POST", ["channel", _, "key"]) if new => {
            if let Err(refusal) = shared.limit(Bucket::Critical, call.peer) {
                return refusal;
            }
            allowed(shared, call, Role::Root, |_| pages::key_refused())
        }
        ("GET", ["option", ""]) => allowed(shared, call, Role::Root, |_| list::options(shared)),
        ("PUT", ["option", ""]) => allowed(shared, call, Role::Root, |role| {
            write::put_option(shared, call, role)
        }),
        ("GET", ["ratio_sync", "channels"]) if new => allowed(shared, call, Role::Root, |_| {
            list::ratio_sync_channels(shared)
        }),
        ("POST", ["ratio_sync", "fetch"]) if new => allowed(shared, call, Role::Root, |_| {
            fetch::ratio_sync_fetch(shared, call)
        }),
        _ => pages::unknown_path(
            &call.method,
            &format!("{}{}", shared.spec.prefix, call.path),
        ),
    }
}

fn allowed(shared: &Shared, call: &Call, least: Role, answer: impl FnOnce(Role) -> Reply) -> Reply {
    let known = shared.spec.flavour == Flavour::NewApi && call.role.is_some();
    match require(&shared.spec, &call.headers, call.role, least) {
        Ok(role) => marked_if(known, answer(role)),
        Err(refusal) => marked_if(known, refusal),
    }
}

fn marked_if(known: bool, mut reply: Reply) -> Reply {
    if known {
        reply
            .headers
            .push(("Auth-Version".to_owned(), AUTH_VERSION.to_owned()));
    }
    reply
}

fn log_page(shared: &Shared, call: &Call) -> Reply {
    let query = Query::new(&call.query);
    if shared.spec.flavour == Flavour::OldFork {
        return old::empty_log(&query);
    }
    success(&lock(&shared.state).audit.page(&query))
}

/// The gateway's envelope, with its fields in the order Go prints them.
#[derive(Serialize)]
struct Envelope<'a, T> {
    data: &'a T,
    message: &'static str,
    success: bool,
}

/// 200 with data.
pub(crate) fn success<T: Serialize>(data: &T) -> Reply {
    pages::json_reply(
        200,
        &Envelope {
            data,
            message: "",
            success: true,
        },
    )
}

/// 200 without data.
pub(crate) fn done() -> Reply {
    pages::json_reply(200, &json!({"message":"","success":true}))
}

/// 200 that says no.
pub(crate) fn failure(message: &str) -> Reply {
    pages::json_reply(200, &json!({"message":message,"success":false}))
}

/// A parsed query string.
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    pub(crate) fn new(text: &str) -> Self {
        let pairs = text
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
            .map(|(name, value)| (name.to_owned(), decoded(value)))
            .collect();
        Self(pairs)
    }

    pub(crate) fn text(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The page, from 1, and its size, at most 100.
    pub(crate) fn page(&self) -> (usize, usize) {
        let positive = |name| {
            self.number(name)
                .and_then(|n| usize::try_from(n).ok())
                .filter(|n| *n > 0)
        };
        let page = positive("p").unwrap_or(1);
        let size = ["page_size", "ps", "size"]
            .into_iter()
            .find_map(positive)
            .unwrap_or(10);
        (page, size.min(100))
    }
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, tail)) = rest.split_first() {
        let hex = tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        match (first, hex.and_then(|hex| u8::from_str_radix(hex, 16).ok())) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
                continue;
            }
            (b'+', _) => bytes.push(b' '),
            _ => bytes.push(*first),
        }
        rest = tail;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_read_as_the_gateway_reads_them() {
        assert_eq!(Query::new("").page(), (1, 10));
        assert_eq!(Query::new("p=0&page_size=500").page(), (1, 100));
        assert_eq!(Query::new("p=x&ps=7").page(), (1, 7));
        assert_eq!(Query::new("p=3&size=-1").page(), (3, 10));
        assert_eq!(
            Query::new("keyword=a%20b%2Bc+d").text("keyword"),
            Some("a b+c d")
        );
    }
}
