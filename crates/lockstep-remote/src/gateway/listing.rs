//! The whole channel list, or none: no plan comes from half a picture.

use std::collections::HashSet;

use lockstep_core::channel::Channel;
use lockstep_core::failure::{Failure, FailureKind};

use crate::retry::read_with_retries;

use super::{GatewayKind, GatewayReader};

/// How many channels a page holds: the gateway cuts more to this.
pub const PAGE_SIZE: usize = 100;
/// No list has more pages; a gateway that never ends is not followed for ever.
const MOST_PAGES: u32 = 10_000;

/// All channels of a gateway, as they were read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// The channels page by page, highest id first, each channel once. Without channels there is one empty page.
    pub pages: Vec<Vec<Channel>>,
    /// Whether the gateway is known: it is when every page was marked.
    pub kind: GatewayKind,
}

impl GatewayReader {
    /// Every channel, by one request for each hundred (one when there is none). While other admins add and remove
    /// channels, pages shift: what comes twice is dropped, and a list that may lack something is read once more.
    ///
    /// # Errors
    ///
    /// [`FailureKind::PartialPicture`] when the second reading is not whole either; the page's own failure when one
    /// page fails, because a part of the list is worse than none.
    pub async fn all_channels(&self) -> Result<Listing, Failure> {
        if let Ok(listing) = self.read_once().await? {
            return Ok(listing);
        }
        tracing::debug!("the channel list shifted while it was read, reading again");
        self.read_once()
            .await?
            .map_err(|gap| Failure::new(FailureKind::PartialPicture, gap))
    }

    /// Reads the list through; the inner error says what is missing.
    async fn read_once(&self) -> Result<Result<Listing, String>, Failure> {
        let mut listing = Listing {
            pages: Vec::new(),
            kind: GatewayKind::NewApi,
        };
        let mut seen = HashSet::new();
        let mut total = 0;
        for p in 1..=MOST_PAGES {
            let tried = read_with_retries(self.page_retries, || self.page(p)).await;
            let mut page = tried.result?;
            if page.total < total {
                // Something was removed, so a channel may have slipped to a page that was read before.
                return Ok(Err(format!(
                    "the number of channels fell from {total} to {}",
                    page.total
                )));
            }
            total = page.total;
            if page.kind == GatewayKind::Unrecognised {
                listing.kind = GatewayKind::Unrecognised;
            }
            page.channels.retain(|channel| seen.insert(channel.id));
            let nothing_new = page.channels.is_empty();
            if !nothing_new || p == 1 {
                listing.pages.push(page.channels);
            }
            if nothing_new || seen.len() >= total {
                break;
            }
        }
        Ok(if seen.len() == total {
            Ok(listing)
        } else {
            Err(format!("{} channels came, {total} were told", seen.len()))
        })
    }
}
