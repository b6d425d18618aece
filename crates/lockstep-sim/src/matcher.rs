//! Which requests a fault, a hook or a kill is meant for.

/// Picks requests by method, path and channel. What is left open matches everything.
#[derive(Debug, Clone, Default)]
pub struct Matcher {
    method: Option<String>,
    path: Option<String>,
    channel: Option<i64>,
}

impl Matcher {
    /// Every request.
    pub fn any() -> Self {
        Self::default()
    }

    /// GET requests whose path starts with `path` (without the gateway's prefix).
    pub fn get(path: &str) -> Self {
        Self::method("GET", path)
    }

    /// PUT requests whose path starts with `path`.
    pub fn put(path: &str) -> Self {
        Self::method("PUT", path)
    }

    /// POST requests whose path starts with `path`.
    pub fn post(path: &str) -> Self {
        Self::method("POST", path)
    }

    /// Requests of one method whose path starts with `path`.
    pub fn method(method: &str, path: &str) -> Self {
        Self {
            method: Some(method.to_owned()),
            path: Some(path.to_owned()),
            channel: None,
        }
    }

    /// Requests of any method whose path starts with `path`.
    pub fn path(path: &str) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..Self::default()
        }
    }

    /// Only those about this channel, named in the path or in a PUT's body.
    #[must_use]
    pub fn channel(mut self, id: i64) -> Self {
        self.channel = Some(id);
        self
    }

    /// Whether a request is picked. `channel` is the channel it is about, if any.
    pub fn matches(&self, method: &str, path: &str, channel: Option<i64>) -> bool {
        self.method.as_deref().is_none_or(|wanted| wanted == method)
            && self
                .path
                .as_deref()
                .is_none_or(|prefix| path.starts_with(prefix))
            && self.channel.is_none_or(|wanted| channel == Some(wanted))
    }
}
