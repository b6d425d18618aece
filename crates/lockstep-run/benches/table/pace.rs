//! The pace in simulated time: tokio's clock stands still and jumps to the next moment at which anything happens.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::StreamExt;
use lockstep_core::pace::{AUTO_PERCENT, Bucket, GATEWAY_CALLS, GATEWAY_WINDOW, Pace, Window};
use lockstep_remote::pace::Pacer;
use lockstep_sim::limit::SlidingWindow;
use tokio::time::{Instant, sleep};

use crate::Outcome;
use crate::measure::Pairs;
use crate::report::{Report, Row};
use crate::run::REQUESTS;

/// How long the gateway takes for an answer.
const LATENCY: Duration = Duration::from_millis(5);

/// What sending took, and how often the gateway refused.
struct Sent {
    took: Duration,
    refused: u32,
}

pub(crate) fn measure(report: &mut Report) -> Outcome<()> {
    let (per_minute, burst, at_once) = (20, 5, 2);
    let pace = Pace::Fixed(Bucket::new(per_minute, burst));
    let sent = simulated(pace, at_once)?;
    let arithmetic = (REQUESTS - burst as usize) as f64 * 60.0 / f64::from(per_minute);
    report.add(beside(
        "run at `fixed`, simulated time",
        &sent,
        arithmetic,
        1.005,
    ));

    let pace = Pace::Auto(Window::new(GATEWAY_CALLS));
    let sent = simulated(pace, 8)?;
    let budget = (GATEWAY_CALLS * AUTO_PERCENT / 100) as usize;
    let windows = (REQUESTS - 1) / budget;
    let full_use = windows as f64 * GATEWAY_WINDOW.as_secs_f64();
    report.add(beside(
        "run at `auto`, simulated time",
        &sent,
        full_use,
        1.1,
    ));
    report.add(Row {
        goal: Some(0.0),
        ..Row::alone(
            "run at `auto`: replies of 429",
            Some(f64::from(sent.refused)),
            "replies",
        )
    });
    report.note(format!(
        "Plans: channels x names; 2 % of the channels changed. Runs at a pace: the same {REQUESTS}\n\
         requests. Floors: the bare requests; the bucket's arithmetic; the budget used fully."
    ));
    Ok(())
}

fn beside(name: &'static str, sent: &Sent, floor: f64, goal: f64) -> Row {
    let mut pairs = Pairs::default();
    pairs.add(sent.took.as_secs_f64(), floor);
    Row::beside(name, &pairs, "s", Some(goal))
}

/// Sends a run's requests past the gateway's own limiter, `at_once` at a time.
fn simulated(pace: Pace, at_once: usize) -> Outcome<Sent> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime.block_on(send(pace, at_once)))
}

async fn send(pace: Pace, at_once: usize) -> Sent {
    let start = Instant::now();
    let pacer = Pacer::new(pace);
    let limiter = SlidingWindow::new(GATEWAY_CALLS as usize, GATEWAY_WINDOW);
    let limiter = Arc::new(Mutex::new(limiter));
    futures_util::stream::iter(0..REQUESTS)
        .for_each_concurrent(at_once, |_| async {
            loop {
                pacer.acquire().await;
                let passed = limiter
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .try_acquire(start.elapsed());
                sleep(LATENCY).await;
                match passed {
                    Ok(()) => return,
                    Err(wait) => pacer.pause(wait, "GET /"),
                }
            }
        })
        .await;
    Sent {
        took: start.elapsed(),
        refused: u32::try_from(pacer.throttled()).unwrap_or(u32::MAX),
    }
}
