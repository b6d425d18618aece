//! The part of a change that is only read when somebody looks at it: which name is where, and why.

use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;
use serde::{Deserialize, Serialize};

use super::{from_text, to_text};

/// Names with their reasons, and notes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Detail {
    pub(crate) held_add: Vec<String>,
    pub(crate) held_remove: Vec<String>,
    pub(crate) kept: Vec<(String, Kept)>,
    pub(crate) dropped: Vec<(String, Dropped)>,
    pub(crate) notes: Vec<Note>,
}

#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
struct DetailText {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    held_remove: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    kept: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    dropped: Vec<(String, String)>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    notes: Vec<NoteText>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum NoteText {
    Renamed(String, String),
    BrokenMapping,
    LastServer(Vec<String>),
    OfferNeverSync(u32),
}

impl Detail {
    /// The detail as JSON.
    pub(crate) fn to_text(&self) -> String {
        let Self {
            held_add,
            held_remove,
            kept,
            dropped,
            notes,
        } = self.clone();
        let kept = kept
            .into_iter()
            .map(|(name, why)| (name, why.code().to_owned()));
        let dropped = dropped
            .into_iter()
            .map(|(name, why)| (name, why.code().to_owned()));
        to_text(&DetailText {
            held_add,
            held_remove,
            kept: kept.collect(),
            dropped: dropped.collect(),
            notes: notes.into_iter().map(note_to_text).collect(),
        })
    }

    /// The detail of a JSON text.
    pub(crate) fn from_text(text: &str) -> Option<Self> {
        let text: DetailText = from_text(text)?;
        let mut detail = Self {
            held_add: text.held_add,
            held_remove: text.held_remove,
            notes: text.notes.into_iter().map(note_from_text).collect(),
            ..Self::default()
        };
        for (name, code) in text.kept {
            detail.kept.push((name, Kept::from_code(&code)?));
        }
        for (name, code) in text.dropped {
            detail.dropped.push((name, Dropped::from_code(&code)?));
        }
        Some(detail)
    }
}

fn note_to_text(note: Note) -> NoteText {
    match note {
        Note::Renamed(from, to) => NoteText::Renamed(from, to),
        Note::BrokenMapping => NoteText::BrokenMapping,
        Note::LastServer(names) => NoteText::LastServer(names),
        Note::OfferNeverSync(times) => NoteText::OfferNeverSync(times),
    }
}

fn note_from_text(text: NoteText) -> Note {
    match text {
        NoteText::Renamed(from, to) => Note::Renamed(from, to),
        NoteText::BrokenMapping => Note::BrokenMapping,
        NoteText::LastServer(names) => Note::LastServer(names),
        NoteText::OfferNeverSync(times) => Note::OfferNeverSync(times),
    }
}
