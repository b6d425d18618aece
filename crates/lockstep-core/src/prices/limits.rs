//! How much a price may move before a person has to look.

/// How far a price may move before it waits. Shares are in percent; exactly the limit still passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLimits {
    /// No price moves by more than this many times. Default 10.
    pub tenfold: usize,
    /// Unattended: a price may fall by this. Default 30.
    pub fall_percent: usize,
    /// Unattended: a price may rise by this. Default 100.
    pub rise_percent: usize,
    /// Unattended: a source says the value for so long, in milliseconds. Default one hour.
    pub first_seen_ms: i64,
    /// Whole run, unattended: this share of the priced models may change. Default 10.
    pub run_percent: usize,
    /// Whole run, unattended: fewer models than this may always change. Default 20.
    pub run_models: usize,
}

impl Default for PriceLimits {
    fn default() -> Self {
        Self {
            tenfold: 10,
            fall_percent: 30,
            rise_percent: 100,
            first_seen_ms: 3_600_000,
            run_percent: 10,
            run_models: 20,
        }
    }
}

impl PriceLimits {
    /// Whether `changing` of `priced` models are too many for one unattended run.
    pub fn run_beyond(&self, changing: usize, priced: usize) -> bool {
        changing >= self.run_models && changing * 100 > self.run_percent * priced
    }
}
