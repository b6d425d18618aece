//! What the gateway's price page says of what was written.

use std::time::Duration;

use anyhow::ensure;
use lockstep_core::change::State;
use lockstep_run::Session;
use lockstep_run::prices::verify::Verified;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::Run;
use serde_json::Value;

use super::super::args::Consent;
use super::super::context::Context;
use super::super::ended::Ended;
use super::super::exit::Exit;
use super::plan;
use crate::view::prices::{self, Unit};
use crate::words::en;

/// What came of asking the page.
pub(crate) enum Page {
    /// It was not asked: nobody wanted it, or nothing was written.
    NotAsked,
    /// What it says.
    Read(Verified),
    /// It could not be read.
    Unread(String),
}

/// Refuses to confirm what is about model lists, of which the price page says nothing.
pub(crate) fn not_of_lists(consent: Consent) -> anyhow::Result<()> {
    ensure!(
        consent.verify.is_none(),
        "--verify asks the gateway's price page, and this is about model lists; leave it out"
    );
    Ok(())
}

/// Tells how a price run stands that may have written, with what the page says of it where it was to be asked.
pub(crate) async fn ended(
    context: &Context,
    session: &Session,
    run: &Run,
    consent: Consent,
) -> anyhow::Result<Ended> {
    let page = asked(context, session, run, consent.verify).await?;
    let ended = plan::ended(context, session.site(), run, Unit::Dollars).await?;
    Ok(page.told_in(context, ended))
}

/// Asks the page until it agrees or the patience ends.
pub(crate) async fn asked(
    context: &Context,
    session: &Session,
    run: &Run,
    patience: Option<Duration>,
) -> anyhow::Result<Page> {
    let Some(patience) = patience else {
        return Ok(Page::NotAsked);
    };
    let written: Vec<PriceRow> = context
        .store()
        .price_rows_in(&run.id, State::Applied)
        .await?;
    if written.is_empty() {
        return Ok(Page::NotAsked);
    }
    context.screen.hint(en::PAGE_IS_BEHIND);
    // What was written is told all the same.
    Ok(match session.verify_prices(&written, patience).await {
        Ok(verified) => Page::Read(verified),
        Err(error) => Page::Unread(format!("{:#}", anyhow::Error::from(error))),
    })
}

impl Page {
    /// Adds the finding to what is told of a run, to a person or in its JSON, and to its exit status: what was to be
    /// confirmed and was not is no success.
    pub(crate) fn told_in(&self, context: &Context, mut ended: Ended) -> Ended {
        let text = match self {
            Self::NotAsked => return ended,
            Self::Read(verified) => en::verified(verified),
            Self::Unread(why) => en::page_unread(why),
        };
        let screen = &context.screen;
        if screen.json || self.agrees() {
            screen.hint(&text);
        } else {
            screen.says(&text);
        }
        if let Some(object) = ended.told.as_object_mut() {
            object.insert("verified".to_owned(), self.as_json(&text));
        }
        if !self.agrees() && ended.exit == Exit::Done {
            ended.exit = Exit::Part;
        }
        ended
    }

    fn agrees(&self) -> bool {
        matches!(self, Self::Read(verified) if verified.otherwise.is_empty())
    }

    fn as_json(&self, text: &str) -> Value {
        match self {
            Self::NotAsked => Value::Null,
            Self::Read(verified) => prices::verified(Some(verified), text),
            Self::Unread(_) => prices::verified(None, text),
        }
    }
}
