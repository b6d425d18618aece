//! Answers that hang on no stored value, and the shapes all answers have.

use bytes::Bytes;
use serde::Serialize;
use serde_json::{Value, json};

use crate::connection::Reply;
use crate::gateway::auth::Role;
use crate::gateway::routes::success;
use crate::gateway::shared::Shared;
use crate::spec::Flavour;

/// The page every path outside the API shows.
const WEB_PAGE: &str = "<html><body>placeholder</body></html>\n";

/// What `/api/status` tells on a gateway nobody has set up further.
const STATUS: &str = include_str!("status.json");

/// A JSON answer.
pub(crate) fn json_reply<T: Serialize>(status: u16, body: &T) -> Reply {
    reply(
        status,
        "application/json; charset=utf-8",
        serde_json::to_vec(body).unwrap_or_default(),
    )
}

/// An answer of any type.
pub(crate) fn reply(status: u16, content_type: &str, body: impl Into<Bytes>) -> Reply {
    Reply {
        status,
        headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
        body: body.into(),
    }
}

/// The web interface.
pub(crate) fn web_page() -> Reply {
    reply(200, "text/html; charset=utf-8", WEB_PAGE)
}

/// A path below `/api/` that nobody registered.
pub(crate) fn unknown_path(method: &str, path: &str) -> Reply {
    json_reply(
        404,
        &json!({"error":{
            "message":format!("Invalid URL ({method} {path})"),
            "type":"invalid_request_error","param":"","code":""
        }}),
    )
}

/// The redirect to the path with its slash: 301 for GET, and 307 for what has a body to keep.
pub(crate) fn moved(method: &str, path: &str, query: &str) -> Reply {
    let location = if query.is_empty() {
        path.to_owned()
    } else {
        format!("{path}?{query}")
    };
    if method == "GET" {
        let body = format!(
            "<a href=\"{}\">Moved Permanently</a>.\n\n",
            location.replace('&', "&amp;")
        );
        let mut answer = reply(301, "text/html; charset=utf-8", body);
        answer.headers.push(("Location".to_owned(), location));
        return answer;
    }
    Reply {
        status: 307,
        headers: vec![("Location".to_owned(), location)],
        body: Bytes::new(),
    }
}

/// The refusal of a rate limiter: no body, and not even its type.
pub(crate) fn too_many(retry_after: Option<&str>) -> Reply {
    Reply {
        status: 429,
        headers: retry_after
            .map(|text| ("Retry-After".to_owned(), text.to_owned()))
            .into_iter()
            .collect(),
        body: Bytes::new(),
    }
}

/// Another program's API.
pub(crate) fn foreign(path: &str) -> Reply {
    json_reply(
        200,
        &json!({"ok":true,"path":path,"result":{"service":"something else","version":3}}),
    )
}

/// `POST /api/channel/:id/key`: a token is never enough.
pub(crate) fn key_refused() -> Reply {
    json_reply(
        403,
        &json!({"code":"SECURITY_PROOF_INVALID","message":"安全验证状态无效","success":false}),
    )
}

/// `GET /api/user/self`
pub(crate) fn myself(role: Role) -> Reply {
    let channel_rights = |sensitive: bool| {
        json!({"channel":{
            "operate":true,"read":true,"secret_view":sensitive,"sensitive_write":sensitive,"write":true
        }})
    };
    let permissions = match role {
        Role::Root => json!({
            "admin_permissions":channel_rights(true),"sidebar_modules":{},"sidebar_settings":false
        }),
        Role::Admin => json!({
            "admin_permissions":channel_rights(false),"sidebar_modules":{},"sidebar_settings":true
        }),
        Role::Common => json!({"sidebar_modules":{},"sidebar_settings":true}),
    };
    let display_name = match role {
        Role::Root => "Root User",
        Role::Admin => "Admin",
        Role::Common => "User",
    };
    success(&json!({
        "aff_code":"","aff_count":0,"aff_history_quota":0,"aff_quota":0,"discord_id":"",
        "display_name":display_name,"email":"","github_id":"","group":"default","id":role.user_id(),
        "inviter_id":0,"linux_do_id":"","oidc_id":"","permissions":permissions,"quota":100_000_000,
        "request_count":0,"role":role.number(),"setting":"","sidebar_modules":"","status":1,
        "stripe_customer":"","telegram_id":"","used_quota":0,"username":role.username(),"wechat_id":""
    }))
}

/// `GET /api/status`
pub(crate) fn status(shared: &Shared) -> Reply {
    // The file is part of the program and valid; a test reads it.
    let mut data: Value = serde_json::from_str(STATUS).unwrap_or_default();
    if let Some(fields) = data.as_object_mut() {
        fields.insert("start_time".to_owned(), json!(shared.clock.started_unix()));
        fields.insert("version".to_owned(), json!(shared.spec.version));
        fields.insert("system_name".to_owned(), json!(shared.spec.system_name));
        if shared.spec.flavour == Flavour::OldFork {
            for later in [
                "theme",
                "register_enabled",
                "HeaderNavModules",
                "quota_display_type",
            ] {
                fields.remove(later);
            }
            fields.insert("top_up_link".to_owned(), json!(""));
            fields.insert("enable_online_topup".to_owned(), json!(false));
            fields.insert("min_topup".to_owned(), json!(1));
        }
    }
    success(&data)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_status_file_is_json() {
        let status: Value = serde_json::from_str(STATUS).expect("valid JSON");
        assert_eq!(status["quota_per_unit"], 500_000);
    }
}
