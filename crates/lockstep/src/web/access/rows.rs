//! Who can come in and by what, and what they did lately.

use lockstep_store::deeds::Deed;
use lockstep_store::people;
use lockstep_store::sites::Site;
use lockstep_store::tokens::ApiToken;

use crate::server::caller::{Scope, Who};
use crate::server::door::session::SignIn;
use crate::server::door::tokens::{ends_soon, has_ended};
use crate::web::frame::Frame;
use crate::web::settings;
use crate::web::when::Moment;
use crate::web::words::TokenWords;

/// Somebody who may sign in.
pub(super) struct Person {
    pub(super) name: String,
    /// Whether it is whoever looks.
    pub(super) you: bool,
    /// When the password was set.
    pub(super) changed: Moment,
}

/// A sign-in that holds.
pub(super) struct SignedIn {
    pub(super) id: String,
    pub(super) person: String,
    pub(super) since: Moment,
    pub(super) used: Moment,
    pub(super) own: bool,
}

/// A token of a program.
pub(super) struct Token {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) may: Vec<String>,
    pub(super) made: Moment,
    pub(super) by: String,
    pub(super) used: Option<Moment>,
    pub(super) ends: Option<Moment>,
    /// `bad` where it has ended, `wait` where it does soon.
    pub(super) edge: &'static str,
}

/// Something that somebody did.
pub(super) struct Done {
    pub(super) when: Moment,
    pub(super) who: String,
    pub(super) what: String,
    pub(super) site: Option<String>,
}

impl Person {
    pub(super) fn of(person: people::Person, f: &Frame, now: i64) -> Self {
        Self {
            you: matches!(&f.caller.who, Who::Person { name, .. } if *name == person.name),
            changed: Moment::new(person.changed_at, now, f.lang),
            name: person.name,
        }
    }
}

impl SignedIn {
    pub(super) fn of(one: SignIn, f: &Frame, now: i64) -> Self {
        Self {
            id: one.id,
            person: one.person,
            since: Moment::new(one.created_at, now, f.lang),
            used: Moment::new(one.seen_at, now, f.lang),
            own: one.own,
        }
    }
}

impl Token {
    pub(super) fn of(token: ApiToken, f: &Frame, now: i64) -> Self {
        let moment = |at| Moment::new(at, now, f.lang);
        let edge = match (has_ended(&token, now), ends_soon(&token, now)) {
            (true, _) => "bad",
            (false, true) => "wait",
            (false, false) => "",
        };
        let may = token.scopes.iter().map(|code| {
            let scope = Scope::from_code(code);
            scope.map_or_else(|| code.clone(), |scope| f.t.tokens.scope(scope).to_owned())
        });
        Self {
            may: may.collect(),
            made: moment(token.created_at),
            used: token.seen_at.map(moment),
            ends: token.expires_at.map(moment),
            edge,
            by: token.created_by,
            id: token.id,
            name: token.name,
        }
    }
}

impl Done {
    pub(super) fn of(deed: Deed, sites: &[Site], f: &Frame, now: i64) -> Self {
        let site = deed.site_id.as_deref();
        let site = site.and_then(|id| sites.iter().find(|site| site.id == id));
        Self {
            when: Moment::new(deed.at, now, f.lang),
            what: f.lang.deed(&deed.kind, &deed.data),
            who: match deed.actor.as_str() {
                "schedule" => f.lang.trigger("schedule").to_owned(),
                _ => deed.actor,
            },
            site: site.map(settings::name_of),
        }
    }
}

/// What a scope lets a program do.
pub(super) fn long(scope: Scope, t: &'static TokenWords) -> &'static str {
    match scope {
        Scope::Read => &t.scope_read,
        Scope::Plan => &t.scope_plan,
        Scope::Apply => &t.scope_apply,
        Scope::RatioSync => &t.scope_ratio_sync,
    }
}
