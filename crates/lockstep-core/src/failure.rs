//! What can go wrong between Lockstep, a gateway and a provider, as codes that a caller branches on.
//!
//! A failure is data: the words for people are made from its kind where words are kept.

/// One failure, with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// The provider's HTTP status where the gateway tells it, else the gateway's own.
    pub http_status: Option<u16>,
    /// A short technical detail without secrets: the gateway's message, a transport error.
    pub detail: String,
}

impl Failure {
    /// A failure without a status.
    pub fn new(kind: FailureKind, detail: impl Into<String>) -> Self {
        Self {
            kind,
            http_status: None,
            detail: detail.into(),
        }
    }

    /// A failure that came with an HTTP status.
    pub fn status(kind: FailureKind, status: u16, detail: impl Into<String>) -> Self {
        Self {
            kind,
            http_status: Some(status),
            detail: detail.into(),
        }
    }
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $name:ident = $code:literal),+ $(,)?) => {
        /// The kind of a [`Failure`]. Its code is stable: it is stored and printed in JSON.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum FailureKind { $($(#[$doc])* $name),+ }

        impl FailureKind {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The stable code, as stored and as `error.kind` in JSON.
            pub fn code(self) -> &'static str {
                match self { $(Self::$name => $code),+ }
            }

            /// The kind of a stored code.
            pub fn from_code(code: &str) -> Option<Self> {
                match code { $($code => Some(Self::$name),)+ _ => None }
            }
        }
    };
}

kinds! {
    /// Base URL, token or user id is missing.
    NotConfigured = "not_configured",
    /// 401 from the gateway: the admin token is not valid.
    Unauthorized = "unauthorized",
    /// 403 from the gateway: the token's role may not do this.
    Forbidden = "forbidden",
    /// A 403 page that is not the gateway's: a firewall stands before it.
    Firewall = "firewall",
    /// 429 from the gateway.
    RateLimited = "rate_limited",
    /// 5xx from the gateway.
    ServerError = "server_error",
    /// Our own time limit ended the attempt.
    Timeout = "timeout",
    /// No connection: closed port, unknown host.
    Unreachable = "unreachable",
    /// The certificate or handshake was refused.
    Tls = "tls",
    /// The connection broke or the reply was cut off.
    Broken = "broken_reply",
    /// A page, or another thing than JSON, where the gateway's API was expected.
    WrongAddress = "wrong_address",
    /// 404 from the gateway's API.
    NotFound = "not_found",
    /// The reply sends us to another address.
    Redirected = "redirected",
    /// The gateway is an old fork that answers bare arrays.
    OldFork = "old_fork",
    /// JSON, but not a New API gateway's.
    NotRecognised = "not_recognised",
    /// The reply is larger than any real one.
    TooLarge = "too_large",
    /// The address is private, link-local or otherwise special, and not allowed for this site. Nothing was sent.
    RefusedAddress = "refused_address",
    /// None of the sources of prices gave a list that can be believed.
    NoSource = "no_source",
    /// The gateway answered `success: false`.
    Rejected = "rejected",
    /// The provider answered the gateway with an HTTP error.
    ProviderStatus = "provider_status",
    /// The gateway could not get a list from the provider, without an HTTP status.
    ProviderError = "provider_error",
    /// The channel list could not be read whole.
    PartialPicture = "partial_picture",
    /// The channel changed between plan and write, and the change no longer is what was approved.
    Moved = "moved",
    /// The gateway said success but its reply does not show the list that was sent.
    NotStored = "not_stored",
    /// The gateway's reply shows another configured field changed by our write.
    FieldsChanged = "fields_changed",
    /// Whether the write arrived is not known, and reading back failed too.
    Unverified = "unverified",
    /// The channel is gone from the gateway.
    Gone = "gone",
    /// The database refused to record; nothing was sent after that.
    Record = "record",
    /// A mistake of Lockstep's own broke it off.
    Internal = "internal",
    /// Its process ended while it read, and what it had read cannot be gone on with. Nothing was written.
    Interrupted = "interrupted",
}

impl FailureKind {
    /// Whether asking again can help. What is refused, or will be answered alike, is asked once.
    pub fn worth_a_retry(self, http_status: Option<u16>) -> bool {
        match self {
            Self::ServerError | Self::Timeout | Self::Unreachable | Self::Broken => true,
            Self::ProviderStatus => !matches!(http_status, Some(400 | 401 | 403 | 404 | 405 | 410)),
            Self::ProviderError => true,
            _ => false,
        }
    }

    /// Whether the failure concerns the whole gateway, so that going on to other channels is useless.
    pub fn whole_gateway(self) -> bool {
        matches!(
            self,
            Self::NotConfigured
                | Self::Unauthorized
                | Self::Forbidden
                | Self::Firewall
                | Self::WrongAddress
                | Self::OldFork
                | Self::NotRecognised
                | Self::Record
                | Self::Internal
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_read_back() {
        let mut seen = std::collections::BTreeSet::new();
        for kind in FailureKind::ALL {
            assert!(seen.insert(kind.code()), "{} twice", kind.code());
            assert_eq!(FailureKind::from_code(kind.code()), Some(*kind));
        }
    }

    #[test]
    fn refusals_are_asked_once() {
        for status in [400, 401, 403, 404] {
            assert!(!FailureKind::ProviderStatus.worth_a_retry(Some(status)));
        }
        for status in [408, 429, 500, 503] {
            assert!(FailureKind::ProviderStatus.worth_a_retry(Some(status)));
        }
        assert!(!FailureKind::Unauthorized.worth_a_retry(Some(401)));
        assert!(FailureKind::Timeout.worth_a_retry(None));
        assert!(!FailureKind::RefusedAddress.worth_a_retry(None));
    }
}
