//! Who is calling, and whether that is enough.

use hyper::HeaderMap;
use serde_json::json;

use crate::connection::Reply;
use crate::gateway::pages::json_reply;
use crate::spec::{Flavour, Spec};

/// A user's role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Role {
    Common,
    Admin,
    Root,
}

impl Role {
    pub(crate) fn number(self) -> u32 {
        match self {
            Self::Common => 1,
            Self::Admin => 10,
            Self::Root => 100,
        }
    }

    pub(crate) fn user_id(self) -> i64 {
        match self {
            Self::Root => 1,
            Self::Admin => 2,
            Self::Common => 3,
        }
    }

    pub(crate) fn username(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Admin => "admin",
            Self::Common => "user",
        }
    }
}

/// The user whose token the request carries, with or without `Bearer`.
pub(crate) fn caller(spec: &Spec, headers: &HeaderMap) -> Option<Role> {
    let token = token(headers)?;
    [
        (&spec.root_token, Role::Root),
        (&spec.admin_token, Role::Admin),
        (&spec.common_token, Role::Common),
    ]
    .into_iter()
    .find_map(|(known, role)| (known == token).then_some(role))
}

/// Lets a caller of at least this role pass.
pub(crate) fn require(
    spec: &Spec,
    headers: &HeaderMap,
    caller: Option<Role>,
    least: Role,
) -> Result<Role, Reply> {
    match spec.flavour {
        Flavour::OldFork => require_old(headers, caller, least),
        _ => require_new(caller, least),
    }
}

fn require_new(caller: Option<Role>, least: Role) -> Result<Role, Reply> {
    match caller {
        None => Err(json_reply(
            401,
            &json!({
                "code":"AUTH_UNAUTHORIZED","message":"Unauthorized, invalid access token","success":false
            }),
        )),
        Some(role) if role < least => Err(insufficient()),
        Some(role) => Ok(role),
    }
}

/// The refusal of a caller who is known but may not do this.
pub(crate) fn insufficient() -> Reply {
    json_reply(
        403,
        &json!({
            "code":"AUTH_INSUFFICIENT_PRIVILEGE","message":"Unauthorized, insufficient privilege","success":false
        }),
    )
}

/// The fork answers most refusals with status 200, and insists on the user's id in a header of its own.
fn require_old(headers: &HeaderMap, caller: Option<Role>, least: Role) -> Result<Role, Reply> {
    let refuse = |status, message: &str| {
        Err(json_reply(
            status,
            &json!({"message":message,"success":false}),
        ))
    };
    if token(headers).is_none() {
        return refuse(401, "无权进行此操作，未登录且未提供 access token");
    }
    let Some(role) = caller else {
        return refuse(200, "无权进行此操作，access token 无效");
    };
    let user = headers
        .get("New-Api-User")
        .and_then(|value| value.to_str().ok());
    match user.map(str::parse::<i64>) {
        None => refuse(401, "无权进行此操作，未提供 New-Api-User"),
        Some(Err(_)) => refuse(401, "无权进行此操作，New-Api-User 格式错误"),
        Some(Ok(id)) if id != role.user_id() => refuse(
            401,
            "无权进行此操作，New-Api-User 与登录用户不匹配，请重新登录",
        ),
        Some(Ok(_)) if role < least => refuse(200, "无权进行此操作，权限不足"),
        Some(Ok(_)) => Ok(role),
    }
}

fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get("Authorization")?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ").unwrap_or(value).trim();
    (!token.is_empty()).then_some(token)
}
