//! Weeks that the demo has behind it: real runs on the simulated gateway, by a clock that is put back and runs fast.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering::SeqCst};

use lockstep_core::change::Subject;
use lockstep_run::Engine;
use lockstep_run::clock::{Clock, SystemClock};
use lockstep_run::jobs::{Chosen, Go, Job, Jobs, Order};
use lockstep_run::schedule::Orders as _;
use lockstep_sim::{Gateway, Manner};
use lockstep_store::Store;
use lockstep_store::sites::Site;

use crate::config::File;
use crate::ordering::Ordering;
use crate::server::door::password::ADMIN;

/// How long ago the gateway was connected, in milliseconds. Ids begin with their time and never go back, so nothing may be
/// noted before it.
pub(super) const AGO: i64 = WEEKS * 7 * DAY;

/// Who runs that nobody starts are of.
const SCHEDULE: &str = "schedule";

/// How many weeks there are.
const WEEKS: i64 = 5;
/// Runs over all lists in a week.
const RUNS: i64 = 3;
/// How many lists change before each.
const CHANGES: i64 = 3;
/// What a second of the demo's start is in the past: what is read from this very machine takes no time at all.
const FASTER: i64 = 120;
/// A day in milliseconds.
const DAY: i64 = 86_400_000;

/// A clock that is put back.
#[derive(Debug)]
struct Past {
    /// When it was put, by the system's clock.
    put: AtomicI64,
    /// What it showed then.
    shown: AtomicI64,
}

impl Past {
    fn put_back(&self, by: i64) {
        let now = SystemClock.now();
        self.put.store(now, SeqCst);
        self.shown.store(now - by, SeqCst);
    }
}

impl Clock for Past {
    fn now(&self) -> i64 {
        let passed = SystemClock.now() - self.put.load(SeqCst);
        self.shown.load(SeqCst) + passed * FASTER
    }
}

/// Lives through the weeks before today: providers change, lists and prices follow, somebody looks at what was held.
pub(super) async fn live(store: &Store, gateway: &Gateway, site: &Site) -> anyhow::Result<()> {
    let clock = Arc::new(Past {
        put: AtomicI64::new(0),
        shown: AtomicI64::new(0),
    });
    clock.put_back(AGO);
    let days = Days {
        store,
        clock: clock.clone(),
        ordering: Ordering::new(store.clone(), File::default()),
        site,
    };
    let waiting = Waiting::cure(gateway);
    let mut sources = super::sources(gateway);
    // The last one is gone, and would be tried again each week.
    let gone = sources.pop();
    remember(store, site, sources).await?;
    // The first plans were looked at by somebody, as everybody's first ones are.
    for subject in [Subject::Prices, Subject::Models] {
        let planned = days.work(subject, Go::Plans, ADMIN).await?;
        days.apply(planned).await?;
    }
    for week in (0..WEEKS).rev() {
        for run in (0..RUNS).rev() {
            let hours = run * 7 * DAY / RUNS + DAY / 4;
            clock.put_back(week * 7 * DAY + hours);
            if week == 0 && run == 0 {
                waiting.restore(gateway);
                remember(store, site, gone.clone()).await?;
            }
            for change in 0..CHANGES {
                let step = (week * RUNS + run) * CHANGES + change;
                lockstep_sim::demo::advance(gateway, usize::try_from(step).unwrap_or(0));
            }
            days.work(Subject::Models, Go::Writes, SCHEDULE).await?;
        }
        clock.put_back(week * 7 * DAY + DAY / 8);
        lockstep_sim::demo::next_week(gateway);
        days.work(Subject::Prices, Go::Writes, SCHEDULE).await?;
    }
    Ok(())
}

async fn remember(
    store: &Store,
    site: &Site,
    sources: impl IntoIterator<Item = String>,
) -> anyhow::Result<()> {
    for text in sources {
        let name = text
            .rsplit_once("name=")
            .map_or(text.as_str(), |(_, name)| name);
        store.add_source(&site.id, name, &text).await?;
    }
    Ok(())
}

struct Days<'a> {
    store: &'a Store,
    clock: Arc<Past>,
    ordering: Ordering,
    site: &'a Site,
}

impl Days<'_> {
    /// A process of its own for each run: one that lives through weeks in seconds would wait for its own pace.
    fn jobs(&self) -> anyhow::Result<Jobs> {
        let engine = Engine::start(self.store.clone(), self.clock.clone(), ADMIN.to_owned())?;
        Ok(Jobs::new(engine))
    }

    /// One run over everything, and its id.
    async fn work(&self, subject: Subject, go: Go, by: &str) -> anyhow::Result<String> {
        let job = self
            .ordering
            .job(self.site.clone(), subject, go, by.to_owned())
            .await
            .map_err(|lost| anyhow::anyhow!("{lost:?}"))?;
        Ok(self.jobs()?.finish(of(job, by == SCHEDULE)).await?.id)
    }

    async fn apply(&self, run: String) -> anyhow::Result<()> {
        let (site, by) = (self.site.clone(), ADMIN.to_owned());
        let like = self.ordering.job(site, Subject::Models, Go::Plans, by);
        let like = like.await.map_err(|lost| anyhow::anyhow!("{lost:?}"))?;
        let order = Order::Apply {
            run,
            shown: None,
            only: Chosen::All,
        };
        self.jobs()?.finish(Job { order, ..like }).await?;
        Ok(())
    }
}

/// The job with nobody waiting for a second try.
fn of(mut job: Job, unattended: bool) -> Job {
    match &mut job.order {
        Order::Models(request, _) => {
            request.settings.max_retries = 0;
            request.unattended = unattended;
        }
        Order::Prices(request, _) => {
            request.collecting.max_retries = 0;
            request.unattended = unattended;
        }
        _ => {}
    }
    job
}

/// Providers that would be waited for, by name, with what is wrong with them.
struct Waiting(Vec<(String, Manner)>);

impl Waiting {
    /// Whoever is slow is quick for a while, and whoever is gone refuses at once.
    fn cure(gateway: &Gateway) -> Self {
        let mut waiting = Vec::new();
        for name in gateway.provider_names() {
            let provider = gateway.provider(&name);
            let meanwhile = match provider.manner() {
                Manner::Slow(_) => Manner::Well,
                Manner::Dead => Manner::WantsOtherKey,
                _ => continue,
            };
            waiting.push((name, provider.manner()));
            provider.set_manner(meanwhile);
        }
        Self(waiting)
    }

    fn restore(&self, gateway: &Gateway) {
        for (name, manner) in &self.0 {
            gateway.provider(name).set_manner(manner.clone());
        }
    }
}
