//! Requests at a steady rate, whatever the ones before take: who waits in the queue waited too.

use std::time::Duration;

use tokio::time::Instant;

use crate::Outcome;
use crate::measure::now;

/// How far two requests are apart: 20 a second.
const EVERY: Duration = Duration::from_millis(50);

/// Begins so many, each when it is due, which it is told. What they gave, in their order.
pub(crate) async fn steadily<T, W, F>(many: usize, mut work: W) -> Outcome<Vec<T>>
where
    W: FnMut(Instant) -> F,
    F: Future<Output = Outcome<T>> + Send + 'static,
    T: Send + 'static,
{
    let mut under_way = Vec::with_capacity(many);
    let start = Instant::from_std(now());
    for number in 0..many {
        let due = start + EVERY * u32::try_from(number)?;
        let work = work(due);
        under_way.push(tokio::spawn(async move {
            tokio::time::sleep_until(due).await;
            work.await.map_err(|error| error.to_string())
        }));
    }
    let mut given = Vec::with_capacity(many);
    for asked in under_way {
        given.push(asked.await??);
    }
    Ok(given)
}
