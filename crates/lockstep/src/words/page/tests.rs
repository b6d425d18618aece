//! Both languages say everything, in words of their own, with the same arguments.

use lockstep_core::failure::FailureKind;
use lockstep_core::formats::SkipReason;
use lockstep_core::hash::Digest;
use lockstep_core::settings::FIELDS;
use lockstep_run::doctor::{Level, Topic};
use lockstep_run::prices::verify::Otherwise;

use super::*;

/// What must be said alike in both languages, found in a text.
#[derive(Debug, PartialEq, Eq)]
struct Arguments {
    numbers: Vec<String>,
    names: Vec<&'static str>,
}

/// Names that samples use. None is a word of either language.
const NAMES: &[&str] = &[
    "gpt-x",
    "claude-y",
    "gemini-z",
    "relay-q",
    "gw.sample.org",
    "broken pipe",
    "ModelRatio",
    "run-7",
];

fn arguments(text: &str) -> Arguments {
    let mut numbers: Vec<String> = text
        .split(|letter: char| !letter.is_ascii_digit())
        .filter(|digits| !digits.is_empty())
        .map(str::to_owned)
        .collect();
    numbers.sort();
    numbers.dedup();
    Arguments {
        numbers,
        names: NAMES
            .iter()
            .copied()
            .filter(|name| text.contains(name))
            .collect(),
    }
}

/// Both languages say something, each in its own words, about the same.
fn told_in_both(what: &str, say: impl Fn(Lang) -> String) {
    let (en, zh) = (say(Lang::En), say(Lang::ZhCn));
    assert!(!en.trim().is_empty(), "{what}: no English");
    assert!(
        zh.chars()
            .any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)),
        "{what}: no Chinese in `{zh}`"
    );
    assert!(
        !en.chars()
            .any(|letter| ('\u{4e00}'..='\u{9fff}').contains(&letter)),
        "{what}: Chinese in `{en}`"
    );
    assert_eq!(arguments(&en), arguments(&zh), "{what}: `{en}` / `{zh}`");
    for text in [&en, &zh] {
        assert!(
            !text.contains("`lockstep") && !text.contains("--"),
            "{what}: a page cannot be told to type `{text}`"
        );
        assert!(!text.contains("  "), "{what}: two spaces in `{text}`");
        assert!(
            !text.ends_with(' '),
            "{what}: a space at the end of `{text}`"
        );
    }
    for odd in [",", ";", "?", "!", " 。", " ，"] {
        let found = zh.replace("Cloudflare, ", "").contains(odd) && !en.contains(odd);
        assert!(!found, "{what}: {odd} in `{zh}`");
    }
}

/// What is said and what is to be done, where a hint is owed.
fn said_in_both(what: &str, hint: bool, say: impl Fn(Lang) -> Said) {
    told_in_both(what, |lang| say(lang).message);
    let (en, zh) = (say(Lang::En).hint, say(Lang::ZhCn).hint);
    assert_eq!(en.is_empty(), zh.is_empty(), "{what}");
    if hint || !en.is_empty() {
        told_in_both(what, |lang| say(lang).hint);
        assert!(en.ends_with('.'), "{what}: `{en}`");
        assert!(zh.ends_with('。'), "{what}: `{zh}`");
    }
}

fn label_in_both(what: &str, say: impl Fn(Lang) -> Label) {
    told_in_both(what, |lang| say(lang).label.to_owned());
    told_in_both(what, |lang| say(lang).text.to_owned());
    assert!(say(Lang::En).text.ends_with('.'), "{what}");
    assert!(say(Lang::ZhCn).text.ends_with('。'), "{what}");
}

fn names_of_models() -> Vec<String> {
    ["gpt-x", "claude-y", "gemini-z"]
        .map(str::to_owned)
        .to_vec()
}

#[test]
fn every_failure_is_told_in_both_languages() {
    for kind in FailureKind::ALL {
        for status in [None, Some(401), Some(404), Some(418), Some(429), Some(503)] {
            let failure = Failure {
                kind: *kind,
                http_status: status,
                detail: "gw.sample.org: broken pipe".to_owned(),
            };
            let what = format!("{kind:?} {status:?}");
            said_in_both(&what, true, |lang| lang.failure(&failure));
            said_in_both(&what, true, |lang| lang.price_failure(&failure));
        }
        let bare = Failure::new(*kind, "");
        said_in_both(kind.code(), true, |lang| lang.failure(&bare));
    }
}

#[test]
fn every_reason_is_told_in_both_languages() {
    for code in ReasonCode::ALL {
        for of in [8, 240] {
            let reason = Reason {
                names: names_of_models(),
                ..Reason::counted(*code, 3, of, 31)
            };
            said_in_both(code.code(), true, |lang| lang.reason(&reason));
        }
    }
}

#[test]
fn every_doubt_about_a_price_is_told_in_both_languages() {
    let first = ReasonCode::ALL
        .iter()
        .position(|code| *code == ReasonCode::NotANumber)
        .expect("prices have reasons");
    for code in &ReasonCode::ALL[first..] {
        told_in_both(code.code(), |lang| lang.doubt(*code).to_owned());
    }
}

#[test]
fn names_and_notes_of_a_channel_are_told_in_both_languages() {
    for why in Kept::ALL {
        told_in_both(why.code(), |lang| lang.kept(*why).to_owned());
    }
    for why in Dropped::ALL {
        told_in_both(why.code(), |lang| lang.dropped(*why).to_owned());
    }
    for note in [
        Note::Renamed("gpt-x".to_owned(), "claude-y".to_owned()),
        Note::BrokenMapping,
        Note::LastServer(names_of_models()),
        Note::OfferNeverSync(4),
    ] {
        told_in_both(note.code(), |lang| lang.note(&note));
    }
}

#[test]
fn every_finding_of_the_doctor_is_told_in_both_languages() {
    let args: Vec<String> = ["72", "540"].map(str::to_owned).to_vec();
    for topic in [
        Topic::Address,
        Topic::Gateway,
        Topic::Version,
        Topic::Token,
        Topic::UserId,
        Topic::Role,
        Topic::Clock,
        Topic::Channels,
        Topic::Limits,
        Topic::OwnSync,
        Topic::Private,
    ] {
        for level in [Level::Ok, Level::Notice, Level::Wrong] {
            for failure in [
                None,
                Some(Failure::new(FailureKind::Unreachable, "broken pipe")),
            ] {
                let finding = Finding {
                    topic,
                    level,
                    args: args.clone(),
                    failure,
                };
                said_in_both(topic.code(), false, |lang| lang.finding(&finding));
            }
        }
    }
}

#[test]
fn states_policies_and_answers_are_told_in_both_languages() {
    for state in State::ALL {
        told_in_both(state.code(), |lang| lang.state(*state).to_owned());
    }
    for state in RunState::ALL {
        told_in_both(state.code(), |lang| lang.run_state(*state).to_owned());
    }
    for subject in Subject::ALL {
        told_in_both(subject.code(), |lang| lang.subject(*subject).to_owned());
    }
    for policy in Policy::ALL {
        label_in_both(policy.code(), |lang| lang.policy(*policy));
    }
    for answer in Answer::ALL {
        label_in_both(answer.code(), |lang| lang.answer(*answer));
    }
    for trigger in [
        "plan",
        "sync",
        "selected",
        "retry-failed",
        "apply-held",
        "undo",
        "unpriced",
        "schedule",
    ] {
        told_in_both(trigger, |lang| lang.trigger(trigger).to_owned());
    }
    assert_eq!(Lang::ZhCn.trigger("something new"), "something new");
}

#[test]
fn prices_are_told_in_both_languages() {
    for field in Field::ALL {
        told_in_both(field.code(), |lang| lang.field(*field).to_owned());
    }
    let kinds = [Kind::PerToken, Kind::PerCall, Kind::Expression];
    for kind in kinds {
        told_in_both(kind.code(), |lang| lang.kind(kind).to_owned());
        told_in_both(kind.code(), |lang| lang.billed(Billed::By(kind)).to_owned());
    }
    for billed in [Billed::Placeholder, Billed::Refused, Billed::NoExpression] {
        told_in_both(billed.code(), |lang| lang.billed(billed).to_owned());
    }
    for answer in [
        AnswerKind::Lock,
        AnswerKind::KeepKind(Kind::PerCall),
        AnswerKind::Ignore,
        AnswerKind::Keep(Digest::of(["x"])),
        AnswerKind::Allow(ReasonCode::LargeFall),
    ] {
        for field in [None, Some(Field::CacheRatio)] {
            told_in_both(answer.code(), |lang| lang.price_answer(&answer, field));
        }
    }
    for by in OutputBy::ALL {
        let (en, zh) = (Lang::En.output_by(*by), Lang::ZhCn.output_by(*by));
        assert_eq!(en.is_none(), zh.is_none());
        if en.is_some() {
            told_in_both("output", |lang| {
                lang.output_by(*by).expect("said").to_owned()
            });
        }
    }
    let models = names_of_models();
    told_in_both("behind", |lang| lang.page_is_behind().to_owned());
    told_in_both("unread", |lang| lang.page_unread("broken pipe"));
    let image = Image {
        key: "ModelRatio".to_owned(),
        before: String::new(),
        after: None,
        others: 3,
    };
    told_in_both("conflict", |lang| lang.conflict(&image));
    let odd = Otherwise {
        model: "gpt-x".to_owned(),
        field: Field::ModelRatio,
        written: Some("1.25".to_owned()),
        shown: "37.5".to_owned(),
    };
    for verified in [
        Verified {
            shown: 2,
            ..Verified::default()
        },
        Verified {
            not_shown: models,
            ..Verified::default()
        },
        Verified {
            otherwise: vec![odd],
            shown: 1,
            not_shown: Vec::new(),
        },
    ] {
        told_in_both("verified", |lang| lang.verified(&verified));
    }
}

#[test]
fn sources_are_told_in_both_languages() {
    for state in SourceState::ALL {
        let source = RunSource {
            name: "relay-q".to_owned(),
            state: state.code().to_owned(),
            detail: "gw.sample.org: broken pipe".to_owned(),
            models: 47,
            ..RunSource::default()
        };
        said_in_both(state.code(), false, |lang| lang.source_state(&source));
        said_in_both(state.code(), true, |lang| lang.token_refused(&source));
        told_in_both(state.code(), |lang| lang.source_badge(*state).to_owned());
        for accepted in [true, false] {
            let one = Accepted {
                source: source.clone(),
                before: Some(120),
                accepted,
            };
            told_in_both(state.code(), |lang| lang.list_accepted(&one));
        }
    }
    for reason in SkipReason::ALL {
        told_in_both(reason.code(), |lang| {
            lang.skipped(reason.code(), 7, &names_of_models(), false)
        });
    }
}

#[test]
fn every_setting_is_told_in_both_languages() {
    for field in FIELDS {
        let setting = |lang: Lang| lang.setting(field.key).expect("has words");
        told_in_both(field.key, |lang| setting(lang).label.to_owned());
        told_in_both(field.key, |lang| setting(lang).text.to_owned());
        for lang in Lang::ALL {
            let outside = setting(lang).outside;
            assert_eq!(
                outside.is_some(),
                field.recommended.is_some(),
                "{}",
                field.key
            );
        }
        if field.recommended.is_some() {
            told_in_both(field.key, |lang| lang.outside_recommended(field, "77"));
        }
        let bad = BadSetting::Range {
            key: field.key,
            value: "77".to_owned(),
            low: 1,
            high: 8,
        };
        told_in_both(field.key, |lang| lang.bad_setting(&bad));
        let bad = BadSetting::Value {
            key: field.key,
            value: "gpt-x".to_owned(),
            expected: "broken pipe".to_owned(),
        };
        told_in_both(field.key, |lang| lang.bad_setting(&bad));
    }
    let unknown = BadSetting::Unknown("gpt-x".to_owned());
    told_in_both("unknown", |lang| lang.bad_setting(&unknown));
    for (key, values) in [
        ("pace", ["fixed", "auto"].as_slice()),
        ("policy", &["mirror", "prune-only"]),
        ("price-gate", &["hold", "list", "off"]),
        ("price-mode", &["add", "update", "both"]),
    ] {
        for value in values {
            label_in_both(value, |lang| lang.choice(key, value).expect("is a choice"));
            let mut settings = lockstep_core::settings::Settings::default();
            settings.set(key, value).expect("is a value of the setting");
        }
    }
    assert_eq!(Lang::ZhCn.choice("pace", "furious"), None);
    assert_eq!(Lang::ZhCn.setting("nonsense"), None);
}

#[test]
fn labels_of_settings_are_told_apart() {
    for lang in Lang::ALL {
        let mut labels: Vec<&str> = FIELDS.iter().map(|field| lang.label(field.key)).collect();
        labels.sort_unstable();
        let all = labels.len();
        labels.dedup();
        assert_eq!(labels.len(), all);
    }
}

#[test]
fn what_the_engine_and_the_store_refuse_is_told_in_both_languages() {
    let run = || "run-7".to_owned();
    let engine = [
        EngineError::Gateway(Failure::new(FailureKind::Timeout, "broken pipe")),
        EngineError::Busy("relay-q".to_owned()),
        EngineError::NoSuchChannel(vec![5, 88]),
        EngineError::NoSuchSource("relay-q".to_owned()),
        EngineError::NoSource,
        EngineError::EmptySelection,
        EngineError::NothingFailed,
        EngineError::NothingHeld,
        EngineError::NothingToUndo(run()),
        EngineError::UndoneAlready {
            run: run(),
            by: "run-9".to_owned(),
        },
        EngineError::NothingReady(run()),
        EngineError::NoRun,
        EngineError::NotPlanned {
            run: run(),
            state: RunState::Done,
        },
        EngineError::Expired(run()),
        EngineError::PolicyChanged(run()),
        EngineError::PlanChanged(run()),
        EngineError::Stopping,
        EngineError::Internal,
        EngineError::Setting(BadSetting::Unknown("gpt-x".to_owned())),
    ];
    for error in engine {
        said_in_both(&error.to_string(), true, |lang| lang.engine_error(&error));
    }
    let store = [
        StoreError::NotFound("relay-q".to_owned()),
        StoreError::Conflict("relay-q".to_owned()),
        StoreError::Ambiguous {
            prefix: "run-7".to_owned(),
            matches: 3,
        },
        StoreError::Busy {
            holder: "relay-q".to_owned(),
        },
        StoreError::WrongState {
            run: run(),
            state: RunState::Done,
            wanted: "planned",
        },
        StoreError::WrongSubject {
            run: run(),
            subject: Subject::Models,
            wanted: Subject::Prices,
        },
        StoreError::Full,
        StoreError::Unavailable("broken pipe".to_owned()),
    ];
    for error in store {
        said_in_both(&error.to_string(), true, |lang| lang.store_error(&error));
    }
}

#[test]
fn a_fault_of_the_database_is_only_in_the_log() {
    let error = StoreError::Inconsistent {
        table: "run",
        column: "state",
        row: "run-7".to_owned(),
    };
    for lang in Lang::ALL {
        assert!(!lang.store_error(&error).message.contains("run-7"));
    }
}

#[test]
fn numbers_read_well_in_both_languages() {
    for thing in [Thing::Model, Thing::Source] {
        told_in_both("count", |lang| lang.count(14, thing));
    }
    assert_eq!(Lang::En.count(1, Thing::Model), "1 model");
    assert_eq!(Lang::ZhCn.count(14, Thing::Model), "14 个模型");
    for millis in [
        20,
        1_230,
        120_000,
        270_000,
        18_720_000,
        21_600_000,
        270_000_000,
    ] {
        told_in_both("duration", |lang| {
            lang.duration(Duration::from_millis(millis))
        });
    }
    assert_eq!(Lang::ZhCn.duration(Duration::ZERO), "0 秒");
    assert_eq!(Lang::ZhCn.duration(Duration::from_secs(270)), "4 分 30 秒");
    assert_eq!(Lang::ZhCn.duration(Duration::from_hours(6)), "6 小时");
    assert_eq!(Lang::En.duration(Duration::from_hours(75)), "3 d 3 h");
    assert_eq!(Lang::En.duration(Duration::from_hours(90 * 24)), "90 d");
    let models = names_of_models();
    assert_eq!(Lang::En.names(&models, 2), "gpt-x, claude-y and 1 more");
    assert_eq!(
        Lang::ZhCn.names(&models, 2),
        "gpt-x、claude-y 以及另外 1 个"
    );
    assert_eq!(Lang::ZhCn.ids(&[5, 88]), "5、88");
}

/// What each kind of deed may have with it.
fn data_of(kind: &str) -> serde_json::Value {
    use serde_json::json;
    match kind {
        "site_added" | "site_removed" => json!({"name": null, "url": "gw.sample.org"}),
        "site_changed" => {
            json!({"changed": ["name", "url", "user_id", "console_url", "token", "allow_private"]})
        }
        "settings_changed" => {
            json!({"settings": {"concurrency": "3", "price-gate": "hold", "burst": null}})
        }
        "channel_set" | "names_released" => json!({"channel": 88, "names": ["gpt-x", "claude-y"]}),
        "provider_set" => json!({"base_url": "gw.sample.org", "type": 1}),
        "holds_answered" => {
            json!({"answer": Answer::AlwaysAllow.code(), "channels": [5, 88], "models": []})
        }
        "prices_answered" => {
            json!({"answer": "lock", "models": ["gpt-x"], "field": Field::ModelRatio.code()})
        }
        "source_moved" => json!({"name": "relay-q", "position": 2}),
        "schedule_set" => json!({"schedule": {"subject": "models", "every_hours": 6}}),
        "schedule_off" => json!({"subject": "prices"}),
        "source_changed" => {
            json!({"name": "relay-q", "changed": ["token", "user_id", "headers", "list"]})
        }
        "sign_in" | "password" => json!({"address": "203.0.113.7"}),
        "sessions_ended" => json!({"count": 4}),
        "tick_lost_models" | "tick_lost_prices" => {
            json!({"tick": 1, "why": "busy", "detail": "relay-q"})
        }
        _ => json!({"name": "relay-q", "kind": "webhook", "host": "gw.sample.org", "enabled": true,
            "only": ["held"], "scopes": ["read"]}),
    }
}

#[test]
fn every_deed_is_told_in_both_languages() {
    for kind in crate::deeds::KINDS {
        told_in_both(kind, |lang| lang.deed(kind, &data_of(kind)));
        // What an earlier version noted may lack something; it is told all the same.
        let bare = serde_json::json!({});
        assert!(Lang::ALL.iter().all(|lang| lang.deed(kind, &bare) != kind));
    }
    for answer in [
        "lock",
        "keep_kind",
        "ignore",
        "unlock",
        "keep",
        "allow",
        "else",
    ] {
        let data = serde_json::json!({"answer": answer, "models": ["gpt-x"], "field": null});
        told_in_both(answer, |lang| lang.deed("prices_answered", &data));
    }
    assert_eq!(
        Lang::En.deed("unheard_of", &serde_json::json!({})),
        "unheard_of"
    );
}

#[test]
fn why_a_notice_did_not_arrive_is_told_in_both_languages() {
    use crate::notify::{Cause, Why};
    for cause in Cause::ALL {
        for number in [401, 404, 418, 503] {
            let why = Why {
                cause,
                number: Some(number),
                detail: "broken pipe".to_owned(),
            };
            said_in_both(&format!("{cause:?}"), true, |lang| lang.notice_why(&why));
        }
    }
}

#[test]
fn every_finding_of_a_notice_is_told_in_both_languages() {
    use lockstep_core::notices::{About, Finding, What};
    use lockstep_core::prices::usd::Usd;
    let usd = |input, output| Usd {
        input: Some(input),
        output: Some(output),
        ..Usd::default()
    };
    let digest = || Digest::of(["x"]);
    let model = || About::Model("gpt-x".to_owned());
    let channel = || About::Channel(88, "relay-q".to_owned());
    let missed = |why: &str| What::Missed {
        why: why.to_owned(),
        detail: "broken pipe".to_owned(),
    };
    let failure = Failure::status(FailureKind::ProviderStatus, 418, "broken pipe");
    let mut findings = vec![
        Finding::new(About::Run, What::Failed(failure.clone())),
        Finding::new(channel(), What::Failed(failure)),
        Finding::new(
            channel(),
            What::List {
                added: 4,
                removed: 1,
                first_added: vec!["gpt-x".to_owned(), "claude-y".to_owned()],
                first_removed: vec!["gemini-z".to_owned()],
            },
        ),
        Finding::new(model(), What::Price(usd(1.0, 2.0), usd(3.0, 2.0), digest())),
        Finding::new(model(), What::Price(usd(1.0, 2.0), usd(1.0, 2.0), digest())),
        Finding::new(
            About::Source("relay-q".to_owned()),
            What::Source(SourceState::Firewall, "broken pipe".to_owned()),
        ),
    ];
    for per_call in [true, false] {
        let below = What::Below {
            ours: 1.5,
            cost: 2.5,
            per_call,
        };
        findings.push(Finding::new(model(), below));
    }
    for why in [
        "busy",
        "no_token",
        "no_source",
        "secret",
        "settings",
        "schedule",
        "refused",
        "interrupted",
        "else",
    ] {
        findings.push(Finding::new(About::Run, missed(why)));
    }
    for finding in &findings {
        for subject in [Subject::Models, Subject::Prices] {
            told_in_both(&format!("{finding:?}"), |lang| {
                lang.notice_line(finding, subject)
            });
        }
    }
    let unpriced = Finding::new(model(), What::Unpriced);
    for lang in Lang::ALL {
        assert_eq!(lang.notice_line(&unpriced, Subject::Models), "gpt-x");
    }
}
