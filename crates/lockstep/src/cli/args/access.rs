//! Passwords and tokens of the server, as they are typed.

use clap::{Args, Subcommand, ValueEnum};

use crate::server::caller::Scope;

#[derive(Debug, Subcommand)]
pub(crate) enum PasswordVerb {
    /// Print a link that sets a new password, once, within a day; all sessions end when it is used
    Reset {
        /// The address that people type; without it the link has its path alone
        #[arg(long, env = "LOCKSTEP_PUBLIC_URL", value_name = "URL")]
        public_url: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
pub(crate) enum TokenVerb {
    /// Make a token for a program, and show it this once
    Add(TokenAddArgs),
    /// The tokens, without what is secret
    List,
    /// End a token
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct TokenAddArgs {
    /// What you call it
    pub(crate) name: String,
    /// What it may: a wider scope includes the narrower ones, but for ratio-sync
    #[arg(long, value_enum, required = true, value_delimiter = ',')]
    pub(crate) scope: Vec<ScopeArg>,
    /// When it ends, from now, e.g. 90d [default: never]
    #[arg(long, value_name = "TIME")]
    pub(crate) expires: Option<String>,
}

/// A scope as it is typed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum ScopeArg {
    /// Look
    Read,
    /// Look, and have runs planned
    Plan,
    /// Everything but passwords and tokens
    Apply,
    /// The API of price differences alone, as the gateway's root may use it
    RatioSync,
}

impl From<ScopeArg> for Scope {
    fn from(scope: ScopeArg) -> Self {
        match scope {
            ScopeArg::Read => Self::Read,
            ScopeArg::Plan => Self::Plan,
            ScopeArg::Apply => Self::Apply,
            ScopeArg::RatioSync => Self::RatioSync,
        }
    }
}
