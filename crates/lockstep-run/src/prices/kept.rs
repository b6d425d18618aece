//! What is kept of price lists between two looks at their sources: the last good ones, and what was wrong since.

use std::sync::Arc;
use std::time::Duration;

use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::prices::source::{Addresses, Target};
use lockstep_remote::sources::Page;
use lockstep_store::prices::copies::SourceCopy;
use lockstep_store::prices::troubles::SourceTrouble;

use super::collect::{Collected, Collecting, Wanted, unlisted};
use super::compare::Outcomes;
use super::distinct::told_apart;
use crate::error::EngineError;
use crate::session::Session;

impl Session {
    /// The lists as they were last kept, without asking the sources over the network. One that was asked in vain since is
    /// among them with what was wrong then, so that its last good list stands in as one of an older day.
    ///
    /// # Errors
    ///
    /// As [`Session::collect`].
    pub async fn kept(&self, collecting: &Collecting) -> Result<Vec<Collected>, EngineError> {
        let channels = self.channel_targets(collecting).await?;
        let mut all = Vec::new();
        for wanted in collecting.distinct() {
            let Some(target) = wanted.target(&channels) else {
                all.extend(unlisted(wanted, self.now()));
                continue;
            };
            if let Addresses::File(_) = target.addresses() {
                // A file is not kept a second time: it is there to be read.
                let alone = Collecting {
                    wanted: vec![wanted.clone()],
                    ..collecting.clone()
                };
                all.extend(Box::pin(self.collect(&alone)).await?);
                continue;
            }
            let copies = self.copies(&target, wanted).await?;
            let last = copies.into_iter().max_by_key(|(_, copy)| copy.fetched_at);
            let trouble = self.trouble(&target, wanted).await?;
            let came_since = |copy: &SourceCopy| {
                let trouble = trouble.as_ref();
                trouble.is_none_or(|trouble| trouble.at < copy.fetched_at)
            };
            let none = Failure::new(FailureKind::NotFound, "it was not fetched yet");
            let (url, page, asked_at, copy, trouble) = match last {
                Some((url, copy)) if came_since(&copy) => {
                    let page = Page {
                        url: url.clone(),
                        body: Arc::new(copy.body),
                        etag: copy.etag,
                        from_copy: true,
                    };
                    (url, Ok(page), copy.fetched_at, None, None)
                }
                Some((url, copy)) => (url, Err(none), self.now(), Some(copy), trouble),
                None => (String::new(), Err(none), self.now(), None, trouble),
            };
            all.push(Collected {
                name: target.unique_name(),
                asked: url.clone(),
                url,
                spec: wanted.spec().cloned(),
                page,
                pricing: None,
                copy,
                asked_at,
                tried_at: trouble.as_ref().map(|trouble| trouble.at),
                trouble,
                who: wanted.who(),
                took: Duration::ZERO,
            });
        }
        Ok(told_apart(all))
    }

    /// Remembers what came of asking sources, given [`Compared::outcomes`] of them: good lists, to stand in for those that
    /// will not come, and what is wrong with the others.
    ///
    /// # Errors
    ///
    /// When the database fails.
    ///
    /// [`Compared::outcomes`]: super::compare::Compared::outcomes
    pub async fn remember(
        &self,
        collected: &[Collected],
        outcomes: Outcomes,
    ) -> Result<(), EngineError> {
        for (place, models) in outcomes.good {
            if let Some(source) = collected.get(place) {
                self.keep_copy(source, models).await?;
            }
        }
        for (place, trouble) in outcomes.troubles {
            let source = collected.get(place).filter(|source| source.is_remote());
            if let Some(source) = source {
                let (site, key) = (&self.access.site.id, key(&source.asked, &source.who));
                self.store().keep_trouble(site, &key, trouble).await?;
            }
        }
        Ok(())
    }

    /// Keeps a list as the last good one of its address, with how many models it has.
    ///
    /// # Errors
    ///
    /// When the database fails.
    pub async fn keep_copy(&self, source: &Collected, models: usize) -> Result<(), EngineError> {
        let Ok(page) = &source.page else {
            return Ok(());
        };
        if !source.is_remote() {
            return Ok(());
        }
        let copy = SourceCopy {
            body: page.body.as_ref().clone(),
            etag: page.etag.clone(),
            fetched_at: source.asked_at,
            models: models as u64,
        };
        let key = key(&source.asked, &source.who);
        self.store()
            .keep_copy(&self.access.site.id, &key, copy)
            .await?;
        Ok(())
    }

    /// The last good lists of a source's addresses.
    pub(super) async fn copies(
        &self,
        target: &Target,
        wanted: &Wanted,
    ) -> Result<Vec<(String, SourceCopy)>, EngineError> {
        let who = wanted.who();
        let mut copies = Vec::new();
        for url in urls(target) {
            let key = key(&url, &who);
            let copy = self.store().source_copy(&self.access.site.id, &key).await?;
            copies.extend(copy.map(|copy| (url, copy)));
        }
        Ok(copies)
    }

    /// What was last wrong with a source, which a list that came since outweighs.
    async fn trouble(
        &self,
        target: &Target,
        wanted: &Wanted,
    ) -> Result<Option<SourceTrouble>, EngineError> {
        let (site, who) = (&self.access.site.id, wanted.who());
        let mut last: Option<SourceTrouble> = None;
        for url in urls(target) {
            let found = self.store().source_trouble(site, &key(&url, &who)).await?;
            last = last.into_iter().chain(found).max_by_key(|one| one.at);
        }
        Ok(last)
    }
}

/// The addresses of a target over the network.
fn urls(target: &Target) -> Vec<String> {
    match target.addresses() {
        Addresses::One(url) => vec![url],
        Addresses::Two(first, second) => vec![first, second],
        Addresses::File(_) => Vec::new(),
    }
}

/// Under which key an address' copy is kept.
fn key(url: &str, who: &str) -> String {
    format!("{url} {who}").trim().to_owned()
}
