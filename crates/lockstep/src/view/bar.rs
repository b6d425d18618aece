//! The bar of a run under way: one line on a terminal, nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lockstep_run::progress::{Phase, Progress, Snapshot};

use super::Screen;
use crate::words::en;

/// How often the bar looks at the run.
const TICK: Duration = Duration::from_millis(120);

/// Shows a run's progress until the work is through.
pub(crate) async fn watch<T>(
    screen: &Screen,
    progress: &Progress,
    work: impl Future<Output = T>,
) -> T {
    if !screen.bar {
        return work.await;
    }
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    tokio::pin!(work);
    let mut tick = tokio::time::interval(TICK);
    let done = loop {
        tokio::select! {
            done = &mut work => break done,
            _ = tick.tick() => show(&bar, &progress.snapshot()),
        }
    };
    bar.finish_and_clear();
    done
}

fn show(bar: &ProgressBar, now: &Snapshot) {
    bar.set_prefix(match now.phase {
        Phase::Listing => "listing",
        Phase::Reading => "read",
        Phase::Writing => "written",
        Phase::Ended => "done",
    });
    // How many there are is not known while they are listed: a bar of none would be a full one.
    let template = match now.total {
        0 => "{prefix} {wide_msg}",
        _ => "{prefix} {bar:20} {pos}/{len} {wide_msg}",
    };
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar.set_length(now.total as u64);
    bar.set_position(now.done as u64);
    let mut message = String::new();
    if now.failed > 0 {
        message.push_str(&format!("{} failed  ", now.failed));
    }
    if now.left > Duration::from_secs(1) {
        message.push_str(&format!("about {} left  ", en::duration(now.left)));
    }
    if now.throttled > 0 {
        message.push_str(&format!("429 x{}  ", now.throttled));
    }
    if let Some((id, name)) = now.current.first_key_value() {
        message.push_str(&format!("#{id} {name}"));
    }
    bar.set_message(message);
}
