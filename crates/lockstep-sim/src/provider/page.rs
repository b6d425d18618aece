//! A page that a provider serves beside its list of models, such as its prices.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use bytes::Bytes;
use hyper::HeaderMap;
use serde_json::json;

use crate::connection::Reply;
use crate::spec::Limit;

/// What is answered at one path: 200 with JSON unless said otherwise.
#[derive(Debug, Clone)]
pub struct Page {
    /// The status.
    pub status: u16,
    /// The headers. An `ETag` among them is compared with what the client has.
    pub headers: Vec<(String, String)>,
    /// The body, which may be anything.
    pub body: Bytes,
    /// How long the provider thinks before it answers.
    pub delay: Duration,
    /// Who may see it; everybody unless set.
    pub access: Option<Access>,
    /// How often it may be asked for, by each client address.
    pub limit: Option<Limit>,
}

/// Who may see a page.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Access {
    /// The token to send as `Authorization: Bearer`.
    pub token: String,
    /// The user id to send as `New-Api-User`, where one is asked for.
    pub user: Option<String>,
    /// The status of the refusal, 401 or 403.
    pub refusal: u16,
}

impl Page {
    /// Any text as JSON.
    pub fn json(body: impl Into<Bytes>) -> Self {
        Self::new(200, "application/json; charset=utf-8", body)
    }

    /// Any answer.
    pub fn new(status: u16, content_type: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("Content-Type".to_owned(), content_type.to_owned())],
            body: body.into(),
            delay: Duration::ZERO,
            access: None,
            limit: None,
        }
    }

    /// A web page, as an address shows that is not the API's.
    pub fn html() -> Self {
        Self::new(
            200,
            "text/html; charset=utf-8",
            "<!doctype html><title>Welcome</title><div id=\"root\"></div>",
        )
    }

    /// The page of a firewall that takes the client for a robot.
    pub fn firewall() -> Self {
        Self::new(
            403,
            "text/html; charset=utf-8",
            "<!doctype html><title>Just a moment...</title><h1>Checking your browser</h1>",
        )
        .header("Server", "cloudflare")
        .header("CF-Ray", "8c0000000000abcd-SIM")
    }

    /// A redirect to an address, with its status.
    pub fn redirect(status: u16, location: &str) -> Self {
        Self::new(status, "text/html; charset=utf-8", "moved").header("Location", location)
    }

    /// What a New API answers at `/api/ratio_config` until its owner switches it on.
    pub fn ratio_config_off() -> Self {
        Self::json(json!({"message":"倍率配置接口未启用","success":false}).to_string()).status(403)
    }

    /// What a New API answers at `/api/pricing` once its owner has switched it off.
    pub fn pricing_off() -> Self {
        Self::json(json!({"message":"pricing is disabled","success":false}).to_string()).status(403)
    }

    /// With another status.
    #[must_use]
    pub fn status(mut self, status: u16) -> Self {
        self.status = status;
        self
    }

    /// With one more header.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Answered after a while.
    #[must_use]
    pub fn delay(mut self, time: Duration) -> Self {
        self.delay = time;
        self
    }

    /// With an `ETag` that another body would not have.
    #[must_use]
    pub fn etag(self) -> Self {
        let mut hasher = DefaultHasher::new();
        self.body.hash(&mut hasher);
        let tag = format!("\"{:016x}\"", hasher.finish());
        self.header("ETag", &tag)
    }

    /// Only for who sends this token.
    #[must_use]
    pub fn token(mut self, token: &str) -> Self {
        self.access_mut().token = token.to_owned();
        self
    }

    /// Only for who sends this user id besides.
    #[must_use]
    pub fn user(mut self, id: &str) -> Self {
        self.access_mut().user = Some(id.to_owned());
        self
    }

    /// Refusing others with this status instead of 401.
    #[must_use]
    pub fn refusing_with(mut self, status: u16) -> Self {
        self.access_mut().refusal = status;
        self
    }

    /// Only this often.
    #[must_use]
    pub fn limit(mut self, limit: Limit) -> Self {
        self.limit = Some(limit);
        self
    }

    /// As often as a New API lets its `/api/ratio_config` be asked for: 20 times in 20 minutes.
    #[must_use]
    pub fn critical(self) -> Self {
        self.limit(Limit::new(20, Duration::from_secs(1200)))
    }

    /// What is answered to a request with these headers.
    pub(crate) fn reply(&self, headers: &HeaderMap) -> Reply {
        if let Some(refusal) = self
            .access
            .as_ref()
            .and_then(|access| access.refuse(headers))
        {
            return refusal;
        }
        let known = text(headers, "if-none-match");
        if let (Some(tag), Some(known)) = (self.tag(), known)
            && known
                .split(',')
                .any(|one| one.trim() == "*" || weak(one.trim()) == weak(tag))
        {
            return Reply {
                status: 304,
                headers: vec![("ETag".to_owned(), tag.to_owned())],
                body: Bytes::new(),
            };
        }
        Reply {
            status: self.status,
            headers: self.headers.clone(),
            body: self.body.clone(),
        }
    }

    fn tag(&self) -> Option<&str> {
        self.headers
            .iter()
            .find(|(name, _)| name.eq_ignore_ascii_case("etag"))
            .map(|(_, value)| value.as_str())
    }

    fn access_mut(&mut self) -> &mut Access {
        self.access.get_or_insert_with(|| Access {
            token: String::new(),
            user: None,
            refusal: 401,
        })
    }
}

impl Access {
    /// The refusal, or `None` for somebody who may pass. A user id that is asked for must be right as well.
    fn refuse(&self, headers: &HeaderMap) -> Option<Reply> {
        let token = text(headers, "authorization").and_then(|value| value.strip_prefix("Bearer "));
        if !self.token.is_empty() && token != Some(self.token.as_str()) {
            return Some(self.refusal("Unauthorized, invalid access token"));
        }
        match &self.user {
            Some(_) if text(headers, "new-api-user").is_none() => {
                Some(self.refusal("无权进行此操作，未提供 New-Api-User"))
            }
            Some(user) if text(headers, "new-api-user") != Some(user.as_str()) => {
                Some(self.refusal("无权进行此操作，New-Api-User 与登录用户不匹配，请重新登录"))
            }
            _ => None,
        }
    }

    fn refusal(&self, message: &str) -> Reply {
        let code = match self.refusal {
            403 => "AUTH_INSUFFICIENT_PRIVILEGE",
            _ => "AUTH_UNAUTHORIZED",
        };
        let page = Page::json(json!({"code":code,"message":message,"success":false}).to_string());
        Reply {
            status: self.refusal,
            headers: page.headers,
            body: page.body,
        }
    }
}

impl From<&str> for Page {
    fn from(json: &str) -> Self {
        Self::json(json.to_owned())
    }
}

impl From<String> for Page {
    fn from(json: String) -> Self {
        Self::json(json)
    }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn weak(tag: &str) -> &str {
    tag.strip_prefix("W/").unwrap_or(tag)
}
