//! What pages say of data: one function a question, in the reader's language.

use std::time::Duration;

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::failure::Failure;
use lockstep_core::hold::{Answer, Reason, ReasonCode};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::plan::Note;
use lockstep_core::models::policy::Policy;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::source::SourceState;
use lockstep_core::prices::unpriced::Billed;
use lockstep_core::prices::values::Kind;
use lockstep_core::settings::{self, BadSetting};
use lockstep_run::EngineError;
use lockstep_run::doctor::Finding;
use lockstep_run::prices::accept::Accepted;
use lockstep_run::prices::verify::Verified;
use lockstep_store::StoreError;
use lockstep_store::prices::OutputBy;
use lockstep_store::prices::answers::AnswerKind;
use lockstep_store::prices::images::Image;
use lockstep_store::prices::run_sources::RunSource;

use super::{Label, Lang, Said, Setting, en, zh};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Thing {
    Model,
    Source,
}

macro_rules! either {
    ($lang:expr, $en:expr, $zh:expr) => {
        match $lang {
            Lang::En => $en,
            Lang::ZhCn => $zh,
        }
    };
}

mod deed;
mod notice;

/// What went wrong, and what stands in the way.
impl Lang {
    /// A failure: what happened, its likely cause, what to do.
    pub(crate) fn failure(self, failure: &Failure) -> Said {
        either!(self, en::page::failure(failure), zh::failure(failure))
    }

    /// The same of a price, or of a run about prices.
    pub(crate) fn price_failure(self, failure: &Failure) -> Said {
        either!(
            self,
            en::page::price_failure(failure),
            zh::price_failure(failure)
        )
    }

    /// Why a run could not be started or carried on.
    pub(crate) fn engine_error(self, error: &EngineError) -> Said {
        either!(self, en::page::engine_error(error), zh::engine_error(error))
    }

    /// What the database refused.
    pub(crate) fn store_error(self, error: &StoreError) -> Said {
        either!(self, en::page::store_error(error), zh::store_error(error))
    }

    /// Why something is held or skipped, and what can be done.
    pub(crate) fn reason(self, reason: &Reason) -> Said {
        either!(self, en::page::reason(reason), zh::reason(reason))
    }

    /// A line of the doctor, or of the test of a site. The hint may be empty.
    pub(crate) fn finding(self, finding: &Finding) -> Said {
        let Some(failure) = &finding.failure else {
            let say = either!(self, en::page::finding, zh::finding);
            return say(finding.topic, finding.level, &finding.args);
        };
        let mut said = self.failure(failure);
        said.message = either!(
            self,
            format!("{}: {}", en::page::topic(finding.topic), said.message),
            format!("{}：{}", zh::topic(finding.topic), said.message)
        );
        said
    }
}

/// Model lists.
impl Lang {
    /// A note on a channel.
    pub(crate) fn note(self, note: &Note) -> String {
        either!(self, en::page::note(note), zh::note(note))
    }

    /// Why a name stays.
    pub(crate) fn kept(self, why: Kept) -> &'static str {
        either!(self, en::kept(why), zh::kept(why))
    }

    /// Why a fetched name is not listed.
    pub(crate) fn dropped(self, why: Dropped) -> &'static str {
        either!(self, en::dropped(why), zh::dropped(why))
    }

    /// How far a change got.
    pub(crate) fn state(self, state: State) -> &'static str {
        either!(self, en::code::state(state), zh::code::state(state))
    }

    /// How far a run got.
    pub(crate) fn run_state(self, state: RunState) -> &'static str {
        either!(self, en::code::run_state(state), zh::code::run_state(state))
    }

    /// What a run is about.
    pub(crate) fn subject(self, subject: Subject) -> &'static str {
        either!(self, en::code::subject(subject), zh::code::subject(subject))
    }

    /// What started a run, by its stored word; one that is not known is shown as it is.
    pub(crate) fn trigger(self, code: &str) -> &str {
        either!(self, en::code::trigger(code), zh::code::trigger(code))
    }

    /// A policy, and what it does.
    pub(crate) fn policy(self, policy: Policy) -> Label {
        either!(self, en::code::policy(policy), zh::code::policy(policy))
    }

    /// An answer to a hold, and what it does.
    pub(crate) fn answer(self, answer: Answer) -> Label {
        either!(self, en::code::answer(answer), zh::code::answer(answer))
    }
}

/// Prices.
impl Lang {
    /// What a field is called.
    pub(crate) fn field(self, field: Field) -> &'static str {
        either!(self, en::field(field), zh::field(field))
    }

    /// How a model is billed.
    pub(crate) fn kind(self, kind: Kind) -> &'static str {
        either!(self, en::kind(kind), zh::kind(kind))
    }

    /// What becomes of calls of a model.
    pub(crate) fn billed(self, billed: Billed) -> &'static str {
        either!(self, en::billed(billed), zh::billed(billed))
    }

    /// What looks wrong about a price, in a word or two.
    pub(crate) fn doubt(self, code: ReasonCode) -> &'static str {
        either!(self, en::page::doubt(code), zh::doubt(code))
    }

    /// What was decided about a price.
    pub(crate) fn price_answer(self, answer: &AnswerKind, field: Option<Field>) -> String {
        either!(
            self,
            en::price_answer(answer, field),
            zh::price_answer(answer, field)
        )
    }

    /// Who decides what output costs, where that is not the map.
    pub(crate) fn output_by(self, by: OutputBy) -> Option<&'static str> {
        either!(self, en::output_by(by), zh::output_by(by))
    }

    /// Said while the gateway's price page is asked.
    pub(crate) fn page_is_behind(self) -> &'static str {
        either!(self, en::PAGE_IS_BEHIND, zh::PAGE_IS_BEHIND)
    }

    /// What the gateway's price page says of what was written.
    pub(crate) fn verified(self, verified: &Verified) -> String {
        either!(self, en::verified(verified), zh::verified(verified))
    }

    /// The gateway's price page could not be read.
    pub(crate) fn page_unread(self, why: &str) -> String {
        either!(self, en::page_unread(why), zh::page_unread(why))
    }

    /// A map that somebody else wrote too while we did.
    pub(crate) fn conflict(self, image: &Image) -> String {
        either!(self, en::page::conflict(image), zh::conflict(image))
    }
}

/// Sources of prices.
impl Lang {
    /// How far a source can be trusted, and what to do where it cannot. The hint may be empty.
    pub(crate) fn source_state(self, source: &RunSource) -> Said {
        either!(
            self,
            en::page::source_state(source),
            zh::source_state(source)
        )
    }

    /// That a site did not take the token that it was sent, and what to do.
    pub(crate) fn token_refused(self, source: &RunSource) -> Said {
        either!(
            self,
            en::page::token_refused(source),
            zh::token_refused(source)
        )
    }

    /// A source's state in a word or two.
    pub(crate) fn source_badge(self, state: SourceState) -> &'static str {
        either!(self, en::page::source_badge(state), zh::source_badge(state))
    }

    /// Entries of a list that were not used: the code of the reason, how many, the first names; `all` shows each.
    pub(crate) fn skipped(self, reason: &str, count: u64, entries: &[String], all: bool) -> String {
        let say = either!(self, en::page::skipped, zh::skipped);
        say(reason, count, entries, all)
    }

    /// What came of accepting a list that has shrunk.
    pub(crate) fn list_accepted(self, one: &Accepted) -> String {
        either!(self, en::page::list_accepted(one), zh::list_accepted(one))
    }
}

/// Settings.
impl Lang {
    /// A setting by its key; `None` for one that there is not.
    pub(crate) fn setting(self, key: &str) -> Option<Setting> {
        either!(self, en::setting::setting(key), zh::setting::setting(key))
    }

    /// One of the few values that a setting can have.
    pub(crate) fn choice(self, key: &str, value: &str) -> Option<Label> {
        if key == "policy" {
            return Policy::from_code(value).map(|policy| self.policy(policy));
        }
        let say = either!(self, en::setting::choice, zh::setting::choice);
        say(key, value)
    }

    /// What goes wrong outside a field's recommended range.
    pub(crate) fn outside_recommended(self, field: &settings::Field, value: &str) -> String {
        let (low, high) = field.recommended.unwrap_or((0, 0));
        let label = self.label(field.key);
        let why = self
            .setting(field.key)
            .and_then(|setting| setting.outside)
            .unwrap_or_default();
        either!(
            self,
            format!("{label} {value} is outside the recommended {low} to {high}: {why}"),
            format!("{label} {value} 超出推荐范围 {low} 至 {high}：{why}")
        )
    }

    /// Why a setting cannot be taken.
    pub(crate) fn bad_setting(self, bad: &BadSetting) -> String {
        match bad {
            BadSetting::Unknown(key) => either!(
                self,
                format!("There is no setting `{key}`"),
                format!("没有名为 `{key}` 的设置")
            ),
            BadSetting::Range {
                key,
                value,
                low,
                high,
            } => {
                let label = self.label(key);
                either!(
                    self,
                    format!("{label} is {value}; it can be {low} to {high}"),
                    format!("{label}为 {value}；可以是 {low} 至 {high}")
                )
            }
            BadSetting::Value {
                key,
                value,
                expected,
            } => {
                let label = self.label(key);
                either!(
                    self,
                    format!("{label} cannot be `{value}`: {expected}"),
                    format!("{label}不能是 `{value}`：{expected}")
                )
            }
        }
    }

    /// What a setting is called; one that is not known, by its key.
    fn label(self, key: &str) -> &str {
        self.setting(key).map_or(key, |setting| setting.label)
    }
}

/// Numbers and names.
impl Lang {
    /// A number of things.
    pub(crate) fn count(self, count: u64, thing: Thing) -> String {
        either!(self, en::page::count(count, thing), zh::count(count, thing))
    }

    /// Names in a sentence: the first few, and how many more.
    pub(crate) fn names(self, names: &[String], most: usize) -> String {
        either!(self, en::names(names, most), zh::names(names, most))
    }

    /// The first of so many names in a sentence, and how many more there are.
    pub(crate) fn first_names(self, shown: &[String], of: usize) -> String {
        either!(self, en::first_names(shown, of), zh::first_names(shown, of))
    }

    /// Channel ids in a sentence.
    pub(crate) fn ids(self, ids: &[i64]) -> String {
        either!(self, en::ids(ids), zh::ids(ids))
    }

    /// A duration as people say it; of whole hours the minutes are left out, of days too.
    pub(crate) fn duration(self, duration: Duration) -> String {
        let hours = duration.as_secs() / 3_600;
        let whole = duration.as_secs().is_multiple_of(3_600);
        match hours {
            48.. if hours.is_multiple_of(24) => {
                either!(
                    self,
                    format!("{} d", hours / 24),
                    format!("{} 天", hours / 24)
                )
            }
            48.. => either!(
                self,
                format!("{} d {} h", hours / 24, hours % 24),
                format!("{} 天 {} 小时", hours / 24, hours % 24)
            ),
            1.. if whole => either!(self, format!("{hours} h"), format!("{hours} 小时")),
            _ => either!(self, en::duration(duration), zh::duration(duration)),
        }
    }
}

#[cfg(test)]
mod tests;
