//! What the gateway's price page said of what a run wrote, where somebody wanted it asked.

use lockstep_core::failure::Failure;
use lockstep_core::prices::field::Field;
use serde::{Deserialize, Serialize};

use crate::{Store, StoreError, sql, wire};

/// What came of asking the price page.
#[derive(Clone, Debug, PartialEq)]
pub enum Page {
    /// What it says.
    Read(Verified),
    /// It could not be read.
    Unread(Failure),
}

/// What the price page says of what was written.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Values that it shows otherwise, by model and field.
    pub otherwise: Vec<Otherwise>,
    /// How many of the written models it shows.
    pub shown: usize,
    /// The written models that it does not show: nobody serves them.
    pub not_shown: Vec<String>,
}

/// A value that the price page shows otherwise than it was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Otherwise {
    /// The model.
    pub model: String,
    /// Which of its values.
    pub field: Field,
    /// What was written, or what the gateway says it bills by instead; `None` where the entry went.
    pub written: Option<String>,
    /// What the page shows.
    pub shown: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum PageText {
    Page {
        otherwise: Vec<(String, String, Option<String>, String)>,
        shown: usize,
        not_shown: Vec<String>,
    },
    Unread(String),
}

impl Store {
    /// Keeps what the price page said of a run.
    pub async fn keep_page(&self, run_id: &str, page: &Page) -> Result<(), StoreError> {
        let (run_id, text) = (run_id.to_owned(), to_text(page));
        self.write(move |db| {
            Box::pin(async move {
                sql::query("UPDATE run SET verified = $2 WHERE id = $1")
                    .bind(run_id)
                    .bind(text)
                    .execute(db)
                    .await?;
                Ok(())
            })
        })
        .await
    }

    /// What the price page said of a run; `None` where it was not asked, or has not answered yet.
    pub async fn page(&self, run_id: &str) -> Result<Option<Page>, StoreError> {
        let text: Option<Option<String>> =
            sql::query_scalar("SELECT verified FROM run WHERE id = $1")
                .bind(run_id)
                .fetch_optional(self.readers())
                .await?;
        // What another version wrote is none that is known.
        Ok(text.flatten().and_then(|text| from_text(&text)))
    }
}

fn to_text(page: &Page) -> String {
    wire::to_text(&match page {
        Page::Unread(failure) => PageText::Unread(wire::failure_to_text(failure)),
        Page::Read(Verified {
            otherwise,
            shown,
            not_shown,
        }) => PageText::Page {
            otherwise: otherwise
                .iter()
                .map(|odd| {
                    let (model, field) = (odd.model.clone(), odd.field.code().to_owned());
                    (model, field, odd.written.clone(), odd.shown.clone())
                })
                .collect(),
            shown: *shown,
            not_shown: not_shown.clone(),
        },
    })
}

fn from_text(text: &str) -> Option<Page> {
    Some(match wire::from_text(text)? {
        PageText::Unread(failure) => Page::Unread(wire::failure_from_text(&failure)?),
        PageText::Page {
            otherwise,
            shown,
            not_shown,
        } => Page::Read(Verified {
            otherwise: otherwise
                .into_iter()
                .map(|(model, field, written, shown)| {
                    Some(Otherwise {
                        model,
                        field: Field::from_code(&field)?,
                        written,
                        shown,
                    })
                })
                .collect::<Option<_>>()?,
            shown,
            not_shown,
        }),
    })
}
