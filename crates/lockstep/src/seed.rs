//! The body of `POST /api/ratio_sync/fetch` and its answer, as New API's own documentation types them: what is written
//! for the one works with the other.

use anyhow::{Context as _, ensure};
use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};
use utoipa::ToSchema;

/// How long a source may take over all its tries where nothing else was asked for, in seconds.
const TIMEOUT: i64 = 10;
/// The longest that can be asked for, in seconds.
const LONGEST: i64 = 120;

/// How many sources one request may name.
const MOST: usize = 200;

/// Which sources are asked, and how long each may take.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) struct FetchBody {
    /// Channels of the gateway, and presets by their negative ids.
    #[serde(default, deserialize_with = "or_null")]
    pub(crate) channel_ids: Vec<i64>,
    /// Sources given whole; where there are any, the ids are not looked at.
    #[serde(default, deserialize_with = "or_null")]
    pub(crate) upstreams: Vec<Upstream>,
    #[serde(default, deserialize_with = "or_null")]
    timeout: i64,
}

/// One source that is given whole.
#[derive(Debug, Default, PartialEq, Eq, Deserialize, ToSchema)]
pub(crate) struct Upstream {
    /// A channel's id; 0 for none.
    #[serde(default, deserialize_with = "or_null")]
    pub(crate) id: i64,
    /// What it is called in the answer.
    #[serde(default, deserialize_with = "or_null")]
    pub(crate) name: String,
    /// Its address; without `http` at its start it is left out, as New API does.
    #[serde(default, deserialize_with = "or_null")]
    pub(crate) base_url: String,
    /// A path below the address, an address of its own, or `openrouter`; blank for the usual one.
    #[serde(default, deserialize_with = "or_null")]
    pub(crate) endpoint: String,
}

impl FetchBody {
    /// Reads a body.
    ///
    /// # Errors
    ///
    /// What is wrong with it: it is not such JSON, or names more sources than are asked at once.
    pub(crate) fn parse(text: &str) -> anyhow::Result<Self> {
        // A list would be read as well, as if its values stood in the order of the keys.
        let body: Self = serde_json::from_str::<Map<String, Value>>(text)
            .and_then(|object| serde_json::from_value(Value::Object(object)))
            .context("the request is not the JSON that /api/ratio_sync/fetch takes")?;
        let named = body.channel_ids.len().max(body.upstreams.len());
        ensure!(
            named <= MOST,
            "the request names {named} sources, and /api/ratio_sync/fetch takes at most {MOST}: ask for them in parts"
        );
        Ok(body)
    }

    /// How long each source may take, in seconds.
    pub(crate) fn timeout(&self) -> u64 {
        let seconds = if self.timeout <= 0 {
            TIMEOUT
        } else {
            self.timeout.min(LONGEST)
        };
        seconds.unsigned_abs()
    }
}

/// What pages send for nothing is null.
fn or_null<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_bodies_are_read() {
        let by_id = FetchBody::parse(r#"{"channel_ids":[1,2,-100],"timeout":10}"#).expect("reads");
        assert_eq!(
            (by_id.channel_ids.as_slice(), by_id.timeout()),
            (&[1, 2, -100][..], 10)
        );
        let own = r#"{"upstreams":[{"name":"自定义源","base_url":"https://example.com","endpoint":"/api/ratio_config"}],"timeout":15}"#;
        let own = FetchBody::parse(own).expect("reads");
        assert_eq!(own.upstreams[0].name, "自定义源");
        assert_eq!((own.upstreams[0].id, own.timeout()), (0, 15));
    }

    #[test]
    fn two_hundred_sources_are_taken_and_one_more_is_refused() {
        let by_id = |count: usize| format!(r#"{{"channel_ids":{:?}}}"#, vec![1; count]);
        let whole = |count: usize| format!(r#"{{"upstreams":[{}]}}"#, vec!["{}"; count].join(","));
        for body in [by_id(200), whole(200)] {
            assert!(FetchBody::parse(&body).is_ok());
        }
        for body in [by_id(201), whole(201)] {
            let refused = FetchBody::parse(&body).expect_err("too many").to_string();
            assert!(refused.contains("201 sources"), "{refused}");
            assert!(refused.contains("at most 200"), "{refused}");
        }
    }

    #[test]
    fn time_limits_have_bounds() {
        for (given, taken) in [
            ("0", 10),
            ("-3", 10),
            ("1", 1),
            ("120", 120),
            ("100000", 120),
            ("null", 10),
        ] {
            let body = FetchBody::parse(&format!(r#"{{"timeout":{given}}}"#)).expect("reads");
            assert_eq!(body.timeout(), taken, "{given}");
        }
        assert_eq!(FetchBody::parse("{}").expect("reads").timeout(), 10);
        assert!(FetchBody::parse("[").is_err());
        assert!(FetchBody::parse("[[1]]").is_err());
    }
}
