//! What people answered about prices, remembered by model.

use std::collections::{BTreeMap, BTreeSet};

use crate::hash::Digest;
use crate::hold::ReasonCode;
use crate::prices::field::Field;
use crate::prices::values::Kind;

/// The remembered answers about one model. An empty one is that of a model nobody was asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelAnswers {
    /// Its price is never compared, nor written.
    pub ignored: bool,
    /// Its price stays as it is, but is still compared.
    pub locked: bool,
    /// These values stay as they are.
    pub locked_fields: BTreeSet<Field>,
    /// It is billed in this way, whatever a source says; "keep per token" is [`Kind::PerToken`].
    pub kind: Option<Kind>,
    /// What was held when "keep until it changes" was answered.
    pub kept: Option<Digest>,
    /// Reasons that do not hold this model any more.
    pub allowed: BTreeSet<ReasonCode>,
}

/// The remembered answers of a site.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Answers {
    models: BTreeMap<String, ModelAnswers>,
    none: ModelAnswers,
}

impl Answers {
    /// What was answered about the model; nothing when nobody was asked.
    pub fn of(&self, model: &str) -> &ModelAnswers {
        self.models.get(model).unwrap_or(&self.none)
    }

    /// What was answered about the model, to be added to.
    pub fn entry(&mut self, model: &str) -> &mut ModelAnswers {
        self.models.entry(model.to_owned()).or_default()
    }

    /// Forgets all answers about the model; whether there were any.
    pub fn forget(&mut self, model: &str) -> bool {
        self.models.remove(model).is_some()
    }

    /// The models that somebody was asked about, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &ModelAnswers)> {
        self.models
            .iter()
            .map(|(model, answers)| (model.as_str(), answers))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_model_nobody_was_asked_about_has_no_answers() {
        let mut answers = Answers::default();
        answers.entry("a").locked_fields.insert(Field::CacheRatio);
        assert_eq!(*answers.of("b"), ModelAnswers::default());
        assert!(answers.of("a").locked_fields.contains(&Field::CacheRatio));
        assert_eq!(answers.iter().count(), 1);
        assert!(answers.forget("a"));
        assert!(!answers.forget("a"));
    }
}
