//! What the gateway's price page says of what was written.

use std::time::Duration;

use anyhow::Context as _;
use lockstep_core::change::State;
use lockstep_run::Session;
use lockstep_run::prices::verify::Verified;
use lockstep_store::prices::PriceRow;
use lockstep_store::runs::Run;
use serde_json::Value;

use super::super::context::Context;
use super::super::ended::Ended;
use super::super::exit::Exit;
use crate::view::prices;
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

/// How long the page may be behind, as typed; `None` where it is not to be asked.
pub(crate) fn patience(text: Option<&str>) -> anyhow::Result<Option<Duration>> {
    let seconds = |text: &str| {
        let number = text.strip_suffix('s').unwrap_or(text).parse::<u64>();
        number
            .with_context(|| format!("`{text}` is no time: write seconds, such as --verify=65s"))
            .map(Duration::from_secs)
    };
    text.map(seconds).transpose()
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
