//! The settings of a site, as pages show them.

use crate::words::{Label, Setting};

/// A setting by its key in the table of settings.
pub(crate) fn setting(key: &str) -> Option<Setting> {
    let (label, text, outside) = match key {
        "pace" => (
            "Pace",
            "Fixed: by the numbers below. Automatic: as fast as 70 % of the gateway's own limit allows.",
            "",
        ),
        "requests-per-minute" => (
            "Requests Per Minute",
            "API rate limit at the fixed pace. Adjust it to what your server can take.",
            "more brings 429 errors and slows the gateway's own pages, less makes runs long",
        ),
        "burst" => (
            "Burst Limit",
            "Token bucket capacity: so many requests may go at once before the pace counts.",
            "a large burst can be taken for an attack, a small one makes short runs slow",
        ),
        "concurrency" => (
            "Concurrency",
            "The number of channels that are asked at the same time.",
            "more channels at once load the gateway and bring 429 errors",
        ),
        "max-retries" => (
            "Max Retries",
            "Further tries after a failure that may pass; what is refused is asked once.",
            "fewer retries give up on short network trouble, more hide a lasting one",
        ),
        "channel-timeout" => (
            "Channel Timeout",
            "Time limit of one try at one channel, in seconds.",
            "",
        ),
        "policy" => (
            "Policy",
            "What becomes of a channel's list, where the channel or its provider has no policy of its own.",
            "",
        ),
        "keep" => (
            "Always keep",
            "Names that are never removed, one a line.",
            "",
        ),
        "allow" => (
            "Allowed models",
            "Only these names are synced, one a line; empty: all of them.",
            "",
        ),
        "include" => (
            "Include rules",
            "Only names that match one of these patterns, one a line; empty: all of them.",
            "",
        ),
        "exclude" => (
            "Exclude rules",
            "Names that match one of these patterns are left out, one a line.",
            "",
        ),
        "enabled-only" => (
            "Enabled channels only",
            "Disabled channels are skipped.",
            "",
        ),
        "limit-removal" => (
            "Removals: share of a list",
            "More than this percentage of a channel's models is held; for lists of 10 names and more.",
            "",
        ),
        "limit-removal-names" => (
            "Removals: names of a short list",
            "More names than this are held; for lists of fewer than 10 names.",
            "",
        ),
        "limit-addition" => (
            "Additions: share of a list",
            "Beyond the number of names below, more than this percentage of a channel's list is held.",
            "",
        ),
        "limit-addition-names" => (
            "Additions: names",
            "So many names may always be added to a channel.",
            "",
        ),
        "limit-shrink" => (
            "Trusted size of a list",
            "A provider's list below this percentage of its last good size removes nothing.",
            "",
        ),
        "limit-run" => (
            "Whole run: providers that lose models",
            "When more than this percentage of the providers would lose models in one run, all removals are held.",
            "",
        ),
        "limit-run-providers" => (
            "Whole run: from how many providers",
            "With fewer providers than this, the share above is not judged.",
            "",
        ),
        "second-read" => (
            "Waiting time of unattended removals",
            "A name must be missing for so many minutes before a schedule removes it.",
            "",
        ),
        "price-gate" => (
            "Price gate",
            "What becomes of an added name that has no price yet.",
            "",
        ),
        "price-mode" => (
            "Models of a price run",
            "Whether it gives prices to models that have none, updates those that have one, or both.",
            "",
        ),
        "price-all-models" => (
            "Models that nobody is served",
            "Price runs also touch models that no enabled channel serves.",
            "",
        ),
        "price-markup" => (
            "Markup",
            "PATTERN=FACTOR, one a line; the first that matches a model's name multiplies its price.",
            "",
        ),
        "price-rounding" => (
            "Rounding",
            "How reckoned prices are written: none, or a number of decimals or digits, as in `3 digits`.",
            "",
        ),
        "source-timeout" => (
            "Source Timeout",
            "Time limit of one price source over all its tries, in seconds.",
            "",
        ),
        "limit-price-times" => (
            "Prices: times",
            "A price that becomes so many times higher or lower is held.",
            "",
        ),
        "limit-price-fall" => (
            "Prices: fall",
            "A schedule holds a price that falls by more than this percentage.",
            "",
        ),
        "limit-price-rise" => (
            "Prices: rise",
            "A schedule holds a price that rises by more than this percentage.",
            "",
        ),
        "limit-price-run" => (
            "Whole price run: share of the models",
            "When more than this percentage of the priced models would change, a schedule holds the whole run.",
            "",
        ),
        "limit-price-run-models" => (
            "Whole price run: from how many models",
            "With fewer changes than this, the share above is not judged.",
            "",
        ),
        "history-days" => ("Days of history", "Runs younger than this are kept.", ""),
        "history-runs" => (
            "Runs of history",
            "So many runs of each kind are kept, however old they are.",
            "",
        ),
        "price-first-seen" => (
            "Waiting time of new prices",
            "A source must say a price for so many minutes before a schedule writes it.",
            "",
        ),
        _ => return None,
    };
    Some(Setting {
        label,
        text,
        outside: (!outside.is_empty()).then_some(outside),
    })
}

/// One of the values that a setting can have, where they are few.
pub(crate) fn choice(key: &str, value: &str) -> Option<Label> {
    let (label, text) = match (key, value) {
        ("pace", "fixed") => ("Fixed", "Requests Per Minute and Burst Limit say how fast."),
        ("pace", "auto") => (
            "Automatic",
            "As fast as 70 % of the gateway's own limit allows.",
        ),
        ("price-gate", "hold") => ("Hold back", "It waits under Unpriced until it has a price."),
        ("price-gate", "list") => ("Add and list", "It is added, and listed under Unpriced."),
        ("price-gate", "off") => ("Off", "Nobody looks at prices."),
        ("price-mode", "add") => ("New prices", "Only models that have no price yet."),
        ("price-mode", "update") => ("Updates", "Only models that have a price."),
        ("price-mode", "both") => ("Both", "All models."),
        _ => return None,
    };
    Some(Label { label, text })
}
