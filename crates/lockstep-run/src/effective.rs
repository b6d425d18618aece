//! Which settings hold for one channel: the run's, its provider's and its own, the narrower one winning.

use std::collections::{BTreeMap, BTreeSet};

use lockstep_core::channel::{Channel, Provider};
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::Rules;
use lockstep_core::settings::{Overrides, Settings};

/// All that settings say, loaded once a run.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    /// The run's settings.
    pub settings: Settings,
    /// A policy given for this run alone; it wins over all but "exclude".
    pub policy: Option<Policy>,
    /// What providers have of their own.
    pub providers: BTreeMap<Provider, Overrides>,
    /// What channels have of their own.
    pub channels: BTreeMap<i64, Overrides>,
}

/// What holds for one channel.
#[derive(Debug)]
pub struct Effective<'a> {
    /// The policy.
    pub policy: Policy,
    /// The lists of rules, the site's first.
    pub rules: Vec<&'a Rules>,
    /// Names that are always kept.
    pub keep: BTreeSet<String>,
    /// Hold reasons that are always allowed, by code.
    pub allowed: BTreeSet<String>,
}

impl Scope {
    /// What holds for the channel.
    pub fn of(&self, channel: &Channel) -> Effective<'_> {
        let narrower: Vec<&Overrides> = [
            self.providers.get(&channel.provider()),
            self.channels.get(&channel.id),
        ]
        .into_iter()
        .flatten()
        .collect();
        let stored = narrower
            .iter()
            .rev()
            .find_map(|overrides| overrides.policy)
            .unwrap_or(self.settings.policy);
        let policy = match (stored, self.policy) {
            (Policy::Exclude, _) | (_, None) => stored,
            (_, Some(given)) => given,
        };
        let mut keep: BTreeSet<String> = self.settings.keep.iter().cloned().collect();
        let mut allowed = BTreeSet::new();
        let mut rules = vec![&self.settings.rules];
        for overrides in narrower {
            keep.extend(overrides.keep.iter().cloned());
            allowed.extend(overrides.allowed.iter().cloned());
            rules.push(&overrides.rules);
        }
        Effective {
            policy,
            rules,
            keep,
            allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_core::channel::Status;

    fn channel(id: i64) -> Channel {
        Channel {
            id,
            name: "c".into(),
            kind: 1,
            status: Status::Enabled,
            base_url: "https://p.example".into(),
            models: String::new(),
            model_mapping: None,
            configured: vec![],
            own_sync: false,
        }
    }

    fn with(policy: Policy) -> Overrides {
        Overrides {
            policy: Some(policy),
            ..Overrides::default()
        }
    }

    #[test]
    fn the_narrower_policy_wins_and_exclude_cannot_be_overridden_by_the_way() {
        let mut scope = Scope::default();
        scope
            .providers
            .insert(channel(1).provider(), with(Policy::AddOnly));
        scope.channels.insert(2, with(Policy::Exact));
        scope.channels.insert(3, with(Policy::Exclude));
        let policy = |scope: &Scope, id| scope.of(&channel(id)).policy;
        assert_eq!(policy(&scope, 1), Policy::AddOnly);
        assert_eq!(policy(&scope, 2), Policy::Exact);
        assert_eq!(policy(&scope, 3), Policy::Exclude);
        scope.policy = Some(Policy::ReportOnly);
        assert_eq!(policy(&scope, 1), Policy::ReportOnly);
        assert_eq!(policy(&scope, 2), Policy::ReportOnly);
        assert_eq!(policy(&scope, 3), Policy::Exclude);
    }
}
