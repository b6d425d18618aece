//! How much may change before a person has to look.

/// The brakes on one plan. Shares are in percent; a share of exactly the limit still passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Lists of this many names and more are judged by share, shorter ones by count. Default 10.
    pub small_list: usize,
    /// Removals: this share of a list may go. Default 30.
    pub removal_percent: usize,
    /// Removals: this many names of a small list may go. Default 3.
    pub removal_names: usize,
    /// Additions: this many names may always come. Default 20.
    pub addition_names: usize,
    /// Additions: beyond that, this share of the present list may come. Default 50.
    pub addition_percent: usize,
    /// A provider's list below this share of its last good size is not trusted. Default 50.
    pub shrink_percent: usize,
    /// Whole run: this share of the providers may lose names. Default 30.
    pub run_percent: usize,
    /// Whole run: with fewer providers than this, the share is not judged. Default 5.
    pub run_providers: usize,
    /// Unattended removals: a name must be missing for this long, in milliseconds. Default one hour.
    pub second_read_ms: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            small_list: 10,
            removal_percent: 30,
            removal_names: 3,
            addition_names: 20,
            addition_percent: 50,
            shrink_percent: 50,
            run_percent: 30,
            run_providers: 5,
            second_read_ms: 3_600_000,
        }
    }
}

impl Limits {
    /// The limit that removing `removed` of `present` names passes, if it passes one.
    pub fn removal_beyond(&self, removed: usize, present: usize) -> Option<usize> {
        if present >= self.small_list {
            (removed * 100 > self.removal_percent * present).then_some(self.removal_percent)
        } else {
            (removed > self.removal_names).then_some(self.removal_names)
        }
    }

    /// The limit that adding `added` names to `present` passes, if it passes both.
    pub fn addition_beyond(&self, added: usize, present: usize) -> Option<usize> {
        (added > self.addition_names && added * 100 > self.addition_percent * present)
            .then_some(self.addition_names)
    }

    /// Whether a list of `now` names is too small beside the last good one of `good` names.
    pub fn shrunken(&self, now: usize, good: usize) -> bool {
        now * 100 < self.shrink_percent * good
    }

    /// Whether `losing` of `providers` providers are too many for one run.
    pub fn run_beyond(&self, losing: usize, providers: usize) -> bool {
        providers >= self.run_providers && losing * 100 > self.run_percent * providers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removals_at_the_limit_pass_and_one_beyond_stops() {
        let limits = Limits::default();
        for present in 0..=50usize {
            let most = if present >= 10 { present * 30 / 100 } else { 3 };
            for removed in 0..=present {
                assert_eq!(
                    limits.removal_beyond(removed, present).is_some(),
                    removed > most,
                    "{removed} of {present}"
                );
            }
        }
    }

    #[test]
    fn additions_stop_only_beyond_both_limits() {
        let limits = Limits::default();
        assert!(limits.addition_beyond(20, 0).is_none());
        assert!(limits.addition_beyond(21, 0).is_some());
        assert!(limits.addition_beyond(21, 42).is_none());
        assert!(limits.addition_beyond(21, 41).is_some());
    }

    #[test]
    fn a_list_at_half_is_trusted_and_below_is_not() {
        let limits = Limits::default();
        assert!(!limits.shrunken(50, 100));
        assert!(limits.shrunken(49, 100));
        assert!(!limits.shrunken(0, 0));
    }

    #[test]
    fn few_providers_are_no_mass_change() {
        let limits = Limits::default();
        assert!(!limits.run_beyond(4, 4));
        assert!(!limits.run_beyond(3, 10));
        assert!(limits.run_beyond(4, 10));
    }
}
