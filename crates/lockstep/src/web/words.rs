//! The words of the pages: one file a language, read into one type, so that no language can lack a key that a page uses.

use std::sync::LazyLock;

use serde::Deserialize;

macro_rules! words {
    ($($(#[$doc:meta])* $group:ident: $type:ident { $($key:ident),+ $(,)? })+) => {
        /// Every word of the pages in one language.
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct Words {
            $($(#[$doc])* pub(crate) $group: $type,)+
        }
        $($(#[$doc])*
        #[derive(Debug, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub(crate) struct $type {
            $(pub(crate) $key: String,)+
        })+
    };
}

words! {
    /// What is around every page.
    frame: FrameWords {
        skip, navigation, site, go, waiting, sign_out, overview, models, channels, prices, unpriced, history,
        settings, site_known_by,
    }
    /// What several pages say.
    common: CommonWords {
        save, cancel, back, search, export, all, none, yes, no, previous, next, page_of, found_one, found, never,
        now, ago, in_time, actions,
    }
    /// Pages that say what went wrong.
    error: ErrorWords { title, not_found, not_found_hint, way_on, signed_out }
    /// Signing in.
    sign_in: SignInWords {
        title, name, password, submit, wrong, first_title, first_text, new_password, again, set, short, differ,
        bad_link, bad_link_hint, no_link, no_link_hint, plain_http,
    }
}

/// A language of the pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Lang {
    /// English.
    #[default]
    En,
    /// Simplified Chinese.
    ZhCn,
}

static EN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../locales/en.toml")));
static ZH_CN: LazyLock<Words> = LazyLock::new(|| read(include_str!("../../locales/zh-CN.toml")));

impl Lang {
    /// Every language.
    pub(crate) const ALL: [Self; 2] = [Self::En, Self::ZhCn];

    /// The tag that browsers use (BCP 47).
    pub(crate) fn tag(self) -> &'static str {
        match self {
            Self::En => "en",
            Self::ZhCn => "zh-CN",
        }
    }

    /// The language's own name for itself.
    pub(crate) fn own_name(self) -> &'static str {
        match self {
            Self::En => "English",
            Self::ZhCn => "简体中文",
        }
    }

    /// The one to switch to.
    pub(crate) fn other(self) -> Self {
        match self {
            Self::En => Self::ZhCn,
            Self::ZhCn => Self::En,
        }
    }

    /// The language of a tag.
    pub(crate) fn of_tag(tag: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|lang| lang.tag() == tag)
    }

    /// The first language of an `Accept-Language` that is here; any Chinese is the Chinese that is here.
    pub(crate) fn accepted(header: &str) -> Self {
        let mut wanted: Vec<(f32, &str)> = header
            .split(',')
            .filter_map(|part| {
                let (tag, weight) = part.split_once(';').unwrap_or((part, "q=1"));
                let weight = weight.trim().strip_prefix("q=")?.parse().ok()?;
                Some((weight, tag.trim()))
            })
            .collect();
        wanted.sort_by(|one, other| other.0.total_cmp(&one.0));
        wanted
            .into_iter()
            .filter(|(weight, _)| *weight > 0.0)
            .find_map(|(_, tag)| match tag.split('-').next() {
                Some("zh") => Some(Self::ZhCn),
                Some("en") => Some(Self::En),
                _ => None,
            })
            .unwrap_or_default()
    }

    /// Its words.
    pub(crate) fn words(self) -> &'static Words {
        match self {
            Self::En => &EN,
            Self::ZhCn => &ZH_CN,
        }
    }
}

/// A text with its gaps filled.
pub(crate) fn fill(text: &str, values: &[(&str, &dyn std::fmt::Display)]) -> String {
    let mut filled = String::with_capacity(text.len() + 16);
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, behind)) = after.split_once('}') else {
            filled.push('{');
            rest = after;
            continue;
        };
        match values.iter().find(|(known, _)| *known == name) {
            Some((_, value)) => filled.push_str(&value.to_string()),
            None => {
                filled.push('{');
                filled.push_str(name);
                filled.push('}');
            }
        }
        rest = behind;
    }
    filled.push_str(rest);
    filled
}

/// The text for one, or for so many.
pub(crate) fn count(n: usize, one: &str, many: &str) -> String {
    if n == 1 {
        one.to_owned()
    } else {
        fill(many, &[("n", &n)])
    }
}

fn read(text: &str) -> Words {
    match toml::from_str(text) {
        Ok(words) => words,
        // The files are part of the program, and a test reads every one of them.
        Err(error) => panic!("a language of the pages cannot be read: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The gaps of every text, by its key.
    fn gaps(text: &str) -> Vec<(String, Vec<String>)> {
        let table: toml::Table = toml::from_str(text).expect("reads");
        let mut all = Vec::new();
        for (group, words) in &table {
            for (key, word) in words.as_table().expect("a group") {
                let word = word.as_str().expect("a text");
                let mut names: Vec<String> = word
                    .split('{')
                    .skip(1)
                    .filter_map(|rest| rest.split_once('}'))
                    .map(|(name, _)| name.to_owned())
                    .collect();
                names.sort();
                all.push((format!("{group}.{key}"), names));
            }
        }
        all.sort();
        all
    }

    #[test]
    fn every_language_has_every_key_with_the_same_gaps() {
        for lang in Lang::ALL {
            assert!(!lang.words().frame.overview.is_empty());
        }
        let en = gaps(include_str!("../../locales/en.toml"));
        assert_eq!(en, gaps(include_str!("../../locales/zh-CN.toml")));
    }

    #[test]
    fn the_browsers_first_language_that_is_here_is_taken() {
        assert_eq!(Lang::accepted("zh-CN,zh;q=0.9,en;q=0.8"), Lang::ZhCn);
        assert_eq!(Lang::accepted("de, en;q=0.7, zh;q=0.3"), Lang::En);
        assert_eq!(Lang::accepted("zh-TW;q=0.4, en;q=0.1"), Lang::ZhCn);
        assert_eq!(Lang::accepted("zh;q=0, fr"), Lang::En);
        assert_eq!(Lang::accepted(""), Lang::En);
    }

    #[test]
    fn gaps_are_filled_and_what_is_unknown_stays() {
        assert_eq!(fill("{n} of {m}{", &[("n", &1), ("m", &"2")]), "1 of 2{");
        assert_eq!(fill("{x}", &[]), "{x}");
    }
}
