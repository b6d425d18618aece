//! Leases: who works on a gateway, with a number that only grows.
//!
//! On SQLite the system frees a lock when its process ends, so that the lease is no more than its number. On PostgreSQL
//! the lease itself excludes: it runs out by the database's clock unless its holder renews it.

use std::collections::BTreeSet;
use std::time::Duration;

use lockstep_core::site::GatewayUrl;
use tokio::task::JoinHandle;

use crate::lock::GatewayLock;
use crate::sql::{Pool, query, query_scalar};
use crate::store::no_answer;
use crate::{Store, StoreError, postgres, sqlite};

/// How long leases hold on PostgreSQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LeaseTimes {
    /// How long a lease holds unless it is renewed. Default 30 s.
    pub lease: Duration,
    /// How often its holder renews it. Default 10 s.
    pub renew: Duration,
    /// What a write may take at most. It begins only if the lease holds so much longer, and a new holder waits so long
    /// after this one's lease has run out: it stands beside the lease, so that replicas need not have the same times.
    /// Default 15 s.
    pub write: Duration,
}

impl LeaseTimes {
    /// Times in their usual proportions for a lease of this length.
    pub fn of(lease: Duration) -> Self {
        Self {
            lease,
            renew: lease / 3,
            write: lease / 2,
        }
    }
}

impl Default for LeaseTimes {
    fn default() -> Self {
        Self::of(Duration::from_secs(30))
    }
}

/// A gateway that is ours until this is dropped.
#[derive(Debug)]
pub struct GatewayHold {
    store: Store,
    url: GatewayUrl,
    fence: i64,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// Its file is locked; the system frees it should the process be killed.
    File { _lock: GatewayLock },
    /// Its lease is renewed as long as this task lives.
    Lease { renewal: JoinHandle<()> },
    /// Nothing more is to be done for it.
    Left,
}

impl GatewayHold {
    /// The number that fences off whoever held the gateway before.
    pub fn fence(&self) -> i64 {
        self.fence
    }

    /// Leaves the gateway while a write may still be on its way: the lease is not given back but runs out, so that who
    /// comes next does not come before the write.
    pub fn leave(mut self) {
        if let Kind::Lease { renewal } = &self.kind {
            renewal.abort();
            self.kind = Kind::Left;
        }
    }
}

impl Drop for GatewayHold {
    fn drop(&mut self) {
        let Kind::Lease { renewal } = &self.kind else {
            return;
        };
        renewal.abort();
        // Without a runtime the program is ending, and the lease runs out.
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        let (store, url, fence) = (self.store.clone(), self.url.clone(), self.fence);
        let release = runtime.spawn(async move {
            if let Err(error) = store.release_lease(&url, fence).await {
                tracing::warn!(%error, "a lease could not be given back; it runs out");
            }
        });
        self.store.releasing(release);
    }
}

impl Store {
    /// Takes a gateway for this process, or says who has it ([`StoreError::Busy`]). `holder` is for that message, the
    /// run's id say; the process id is added.
    pub async fn hold_gateway(
        &self,
        url: &GatewayUrl,
        holder: &str,
        now: i64,
    ) -> Result<GatewayHold, StoreError> {
        let (kind, fence) = match self.leases() {
            Pool::Sqlite(_) => {
                let lock = GatewayLock::take(self, url, holder).await?;
                let fence = self.take_lease(url, holder, now).await?;
                (Kind::File { _lock: lock }, fence)
            }
            Pool::Postgres(_) => {
                // What this process had until just now it must not find taken.
                self.released().await;
                let holder = format!("process {}, {holder}", std::process::id());
                let fence = self.take_free_lease(url, &holder).await?;
                let renewal = tokio::spawn(renew(self.clone(), url.clone(), fence));
                (Kind::Lease { renewal }, fence)
            }
        };
        Ok(GatewayHold {
            store: self.clone(),
            url: url.clone(),
            fence,
            kind,
        })
    }

    /// Takes the gateway's lease from whoever has it and returns its fence number, greater than every one before, of any
    /// gateway: who had it writes no more. [`Store::hold_gateway`] is the way that waits for its turn. `now` is used
    /// where the database has no clock for all.
    pub async fn take_lease(
        &self,
        url: &GatewayUrl,
        holder: &str,
        now: i64,
    ) -> Result<i64, StoreError> {
        let (url, holder) = (url.as_str().to_owned(), holder.to_owned());
        let times = self.lease_times();
        let postgres = matches!(self.leases(), Pool::Postgres(_));
        self.write(move |db| {
            Box::pin(async move {
                let take = if postgres {
                    query_scalar(postgres::SEIZE_LEASE)
                        .bind(url)
                        .bind(holder)
                        .bind(ms(times.lease))
                        .bind(ms(times.write))
                } else {
                    query_scalar(sqlite::TAKE_LEASE)
                        .bind(url)
                        .bind(holder)
                        .bind(now)
                };
                Ok(take.fetch_one(db).await?)
            })
        })
        .await
    }

    /// Gives the lease back, if it still is the one of this fence.
    pub async fn release_lease(&self, url: &GatewayUrl, fence: i64) -> Result<(), StoreError> {
        query("UPDATE lease SET holder = NULL WHERE url = $1 AND fence = $2")
            .bind(url.as_str())
            .bind(fence)
            .execute(self.leases())
            .await?;
        Ok(())
    }

    /// Whether the gateway's lease still is the one of this fence, and holds for longer than a write may take.
    pub async fn lease_holds(&self, url: &GatewayUrl, fence: i64) -> Result<bool, StoreError> {
        let holds: i64 = match self.leases() {
            Pool::Sqlite(_) => {
                query_scalar(sqlite::LEASE_HOLDS)
                    .bind(url.as_str())
                    .bind(fence)
                    .fetch_one(self.readers())
                    .await?
            }
            Pool::Postgres(_) => {
                let write = self.lease_times().write;
                let asked = query_scalar(postgres::LEASE_HOLDS)
                    .bind(url.as_str())
                    .bind(fence)
                    .bind(ms(write))
                    .fetch_one(self.leases());
                match tokio::time::timeout(write, asked).await {
                    Ok(answer) => answer?,
                    Err(_) => return Err(no_answer()),
                }
            }
        };
        Ok(holds > 0)
    }

    /// Those of the gateways that somebody holds.
    pub(crate) async fn held_gateways(
        &self,
        urls: impl Iterator<Item = &GatewayUrl>,
    ) -> Result<BTreeSet<GatewayUrl>, StoreError> {
        let mut urls: BTreeSet<GatewayUrl> = urls.cloned().collect();
        match self.leases() {
            Pool::Sqlite(_) => {
                let mut held = BTreeSet::new();
                for url in urls {
                    if GatewayLock::is_taken(self, &url)? {
                        held.insert(url);
                    }
                }
                Ok(held)
            }
            Pool::Postgres(_) => {
                let held: Vec<String> = query_scalar(postgres::HELD_GATEWAYS)
                    .bind(ms(self.lease_times().write))
                    .fetch_all(self.leases())
                    .await?;
                urls.retain(|url| held.iter().any(|held| held == url.as_str()));
                Ok(urls)
            }
        }
    }

    /// Takes the lease if nobody has it.
    async fn take_free_lease(&self, url: &GatewayUrl, holder: &str) -> Result<i64, StoreError> {
        let times = self.lease_times();
        let (url, holder) = (url.as_str().to_owned(), holder.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let taken: Option<i64> = query_scalar(postgres::TAKE_LEASE)
                    .bind(&url)
                    .bind(holder)
                    .bind(ms(times.lease))
                    .bind(ms(times.write))
                    .fetch_optional(&mut *db)
                    .await?;
                if let Some(fence) = taken {
                    return Ok(fence);
                }
                let holder: Option<Option<String>> =
                    query_scalar("SELECT holder FROM lease WHERE url = $1")
                        .bind(url)
                        .fetch_optional(db)
                        .await?;
                Err(StoreError::Busy {
                    holder: holder.flatten().unwrap_or_default(),
                })
            })
        })
        .await
    }
}

/// Renews a lease until somebody else has it. While the database does not answer, it is tried again: the lease is only
/// as good as its last renewal, which every write looks at.
async fn renew(store: Store, url: GatewayUrl, fence: i64) {
    let times = store.lease_times();
    loop {
        tokio::time::sleep(times.renew).await;
        let renewal = query(postgres::RENEW_LEASE)
            .bind(url.as_str())
            .bind(fence)
            .bind(ms(times.lease))
            .execute(store.leases());
        match tokio::time::timeout(times.renew, renewal).await {
            Ok(Ok(done)) if done.rows_affected() == 0 => {
                tracing::warn!(fence, "another process has taken over a gateway");
                return;
            }
            Ok(Ok(_)) => {}
            Ok(Err(error)) => tracing::warn!(%error, "a lease could not be renewed"),
            Err(_) => tracing::warn!("a lease could not be renewed: the database does not answer"),
        }
    }
}

/// Milliseconds as the database takes them.
fn ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}
