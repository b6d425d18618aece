//! Schedules: when runs begin by themselves.

use clap::{Args, Subcommand};

use super::{SubjectArg, Target};

#[derive(Debug, Subcommand)]
pub(crate) enum ScheduleVerb {
    /// When runs begin by themselves, and what came of the last ones
    Show {
        #[command(flatten)]
        target: Target,
    },
    /// Switch a schedule on, or change it; after a first review of that subject
    Set(ScheduleSetArgs),
    /// Switch a schedule off
    Off {
        /// What no longer runs by itself
        subject: SubjectArg,
        #[command(flatten)]
        target: Target,
    },
}

#[derive(Debug, Args)]
pub(crate) struct ScheduleSetArgs {
    /// What runs by itself
    pub(crate) subject: SubjectArg,
    /// Every so many hours, 1h to 24h [default: 6h]
    #[arg(long, value_name = "6h", value_parser = hours, conflicts_with = "cron")]
    pub(crate) every: Option<u8>,
    /// By a cron line: minute, hour, day, month, weekday, as in "0 3 * * *"
    #[arg(long, value_name = "LINE", requires = "zone")]
    pub(crate) cron: Option<String>,
    /// The time zone of the cron line, by its IANA name
    #[arg(long, value_name = "Europe/Berlin", requires = "cron")]
    pub(crate) zone: Option<String>,
    /// Only plan; what is planned waits for somebody [default for prices]
    #[arg(long)]
    pub(crate) propose: bool,
    /// Write what no guard holds [default for models]
    #[arg(long, conflicts_with = "propose")]
    pub(crate) apply: bool,
    /// By how much runs are put off at most, so that not all ask at the full hour [default: a tenth of the time between
    /// two, at most 10m]
    #[arg(long, value_name = "10m", value_parser = minutes)]
    pub(crate) jitter: Option<u16>,
    #[command(flatten)]
    pub(crate) target: Target,
}

fn hours(text: &str) -> Result<u8, String> {
    text.strip_suffix('h')
        .unwrap_or(text)
        .trim()
        .parse()
        .ok()
        .filter(|hours| (1..=24).contains(hours))
        .ok_or_else(|| "it can be 1h to 24h; for anything else there is --cron".to_owned())
}

fn minutes(text: &str) -> Result<u16, String> {
    text.strip_suffix('m')
        .unwrap_or(text)
        .trim()
        .parse()
        .ok()
        .filter(|minutes| *minutes <= 60)
        .ok_or_else(|| "it can be 0m to 60m".to_owned())
}
