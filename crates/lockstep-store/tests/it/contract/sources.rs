use std::collections::HashSet;

use lockstep_core::hash::Digest;
use lockstep_core::prices::field::Field;
use lockstep_store::prices::answers::AnswerKind;
use lockstep_store::prices::copies::SourceCopy;
use lockstep_store::sites::SiteEdit;
use lockstep_store::{Store, StoreError};

use super::price_memory::answer;
use crate::on_postgres::size;
use crate::tester::{NOW, new_site, site};

const DAY: i64 = 86_400_000;

async fn names(store: &Store, site_id: &str) -> Vec<String> {
    let sources = store.sources(site_id).await.expect("sources");
    let positions: Vec<u32> = sources.iter().map(|source| source.position).collect();
    assert_eq!(positions, (0..sources.len() as u32).collect::<Vec<_>>());
    sources.into_iter().map(|source| source.name).collect()
}

pub(crate) async fn sources_keep_their_order(store: &Store) {
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    for name in ["official", "models.dev", "mine", "litellm"] {
        let spec = format!("https://{name}.example,multiplier=1.1");
        let added = store.add_source(&site.id, name, &spec).await;
        assert_eq!(added.expect("added").spec, spec);
    }
    store
        .add_source(&other.id, "official", "official")
        .await
        .expect("another site's");
    let again = store.add_source(&site.id, "mine", "official").await;
    assert!(matches!(again, Err(StoreError::Conflict(name)) if name == "mine"));
    let expected = ["official", "models.dev", "mine", "litellm"];
    assert_eq!(names(store, &site.id).await, expected);
    for (name, to, expected) in [
        ("mine", 0, ["mine", "official", "models.dev", "litellm"]),
        ("mine", 2, ["official", "models.dev", "mine", "litellm"]),
        (
            "official",
            99,
            ["models.dev", "mine", "litellm", "official"],
        ),
        ("litellm", 2, ["models.dev", "mine", "litellm", "official"]),
    ] {
        store.move_source(&site.id, name, to).await.expect("moved");
        assert_eq!(names(store, &site.id).await, expected);
    }
    let said = vec![("a".to_owned(), Digest::of(["a"]))];
    for source in ["mine", "litellm"] {
        store
            .note_seen(&site.id, source, said.clone(), NOW)
            .await
            .expect("noted");
    }
    store
        .remove_source(&site.id, "mine")
        .await
        .expect("removed");
    let expected = ["models.dev", "litellm", "official"];
    assert_eq!(names(store, &site.id).await, expected);
    let seen = async |source| {
        let seen = store.price_seen(&site.id, source).await;
        seen.expect("asked").len()
    };
    assert_eq!((seen("mine").await, seen("litellm").await), (0, 1));
    for gone in [
        store.remove_source(&site.id, "mine").await,
        store.move_source(&site.id, "mine", 0).await,
        store.add_source("nobody", "a", "a").await.map(drop),
    ] {
        assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    }
    assert_eq!(names(store, &other.id).await, ["official"]);
}

pub(crate) async fn the_price_policy_hash_changes_with_settings_sources_and_answers(store: &Store) {
    let site = site(store).await;
    let hash = async || store.price_policy_hash(&site.id).await.expect("a hash");
    let models = store.policy_hash(&site.id).await.expect("a hash");
    let first = hash().await;
    assert_eq!(hash().await, first, "the same policy has the same hash");
    let mut seen = HashSet::from([first]);
    let edit = SiteEdit {
        settings: Some([("burst".to_owned(), Some("4".to_owned()))].into()),
        ..SiteEdit::default()
    };
    store.edit_site(&site.id, edit).await.expect("edited");
    assert!(seen.insert(hash().await), "a setting");
    for name in ["a", "b"] {
        store
            .add_source(&site.id, name, "official")
            .await
            .expect("added");
        assert!(seen.insert(hash().await), "a source");
    }
    let before = hash().await;
    store.move_source(&site.id, "b", 0).await.expect("moved");
    assert!(seen.insert(hash().await), "their order");
    store.move_source(&site.id, "b", 1).await.expect("moved");
    assert_eq!(hash().await, before, "as it was");
    let lock = answer("a", None, AnswerKind::Lock);
    for given in [
        lock.clone(),
        answer("a", Some(Field::ModelRatio), AnswerKind::Lock),
        answer("b", None, AnswerKind::Lock),
        answer("b", None, AnswerKind::Ignore),
    ] {
        store
            .set_price_answers(&site.id, vec![given])
            .await
            .expect("answered");
        assert!(seen.insert(hash().await), "an answer");
    }
    let before = hash().await;
    let again = lockstep_store::prices::answers::PriceAnswer {
        by: "another".to_owned(),
        at: NOW + 5,
        ..lock
    };
    store
        .set_price_answers(&site.id, vec![again])
        .await
        .expect("answered");
    assert_eq!(
        hash().await,
        before,
        "who answered, and when, decides nothing"
    );
    let with_setting = store.policy_hash(&site.id).await.expect("a hash");
    assert_ne!(with_setting, models);
    store.remove_source(&site.id, "a").await.expect("removed");
    assert!(seen.insert(hash().await), "a source less");
    let unmoved = store.policy_hash(&site.id).await.expect("a hash");
    assert_eq!(unmoved, with_setting, "plans of models rest on none of it");
    let nobody = store.price_policy_hash("nobody").await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

pub(crate) async fn a_copy_takes_the_place_of_the_one_before(store: &Store) {
    let empty = size(store).await;
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let copy = |body: String, etag: Option<&str>, fetched_at: i64| SourceCopy {
        models: body.len() as u64,
        body,
        etag: etag.map(str::to_owned),
        fetched_at,
    };
    let kept = async |site_id: &str, key: &str| {
        let copy = store.source_copy(site_id, key).await;
        copy.expect("asked")
    };
    assert_eq!(kept(&site.id, "a").await, None);
    let first = copy("{\"a\": 1.50}\r\n\u{0}".to_owned(), Some("W/\"1\""), NOW);
    for (site_id, key) in [(&site.id, "a"), (&site.id, "b"), (&other.id, "a")] {
        store
            .keep_copy(site_id, key, first.clone())
            .await
            .expect("kept");
    }
    // Each new body leaves no trace of the one before, however large they are.
    let body = |at: i64| format!("{at}").repeat(1 << 18);
    for at in 0..9 {
        let next = copy(body(at), None, NOW + at);
        store
            .keep_copy(&site.id, "a", next.clone())
            .await
            .expect("kept");
        assert_eq!(kept(&site.id, "a").await, Some(next));
    }
    assert_eq!(kept(&site.id, "b").await.as_ref(), Some(&first));
    assert_eq!(kept(&other.id, "a").await.as_ref(), Some(&first));
    let size = size(store).await - empty;
    assert!(size < 2 << 18, "{size} bytes");

    let late = copy("late".to_owned(), None, NOW + 31 * DAY);
    store
        .keep_copy(&site.id, "a", late.clone())
        .await
        .expect("kept");
    assert_eq!(kept(&site.id, "a").await, Some(late));
    assert_eq!(kept(&site.id, "b").await, None, "nobody renewed it");
    assert_eq!(kept(&other.id, "a").await, Some(first.clone()));
    let nobody = store.keep_copy("nobody", "a", first).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

pub(crate) async fn calls_to_a_host_are_taken_up_to_the_most(store: &Store) {
    const WINDOW: i64 = 20 * 60_000;
    let take = async |host: &str, at: i64| {
        store
            .take_source_call(host, at - WINDOW, 3, at)
            .await
            .expect("asked")
    };
    // Of many that ask at once, no more than the most are let through.
    let asked = (0..8).map(|_| {
        let store = store.clone();
        tokio::spawn(async move { store.take_source_call("a", NOW - WINDOW, 3, NOW).await })
    });
    let mut taken = 0;
    for asked in asked.collect::<Vec<_>>() {
        taken += u32::from(asked.await.expect("ends").expect("asked"));
    }
    assert_eq!(taken, 3);
    assert!(take("b", NOW).await, "another host");
    assert!(!take("a", NOW + WINDOW - 1).await);
    assert!(take("a", NOW + WINDOW).await, "the window is over");
    let calls = async |host: &str, since: i64| {
        let calls = store.source_calls(host, since).await;
        calls.expect("asked")
    };
    assert_eq!(calls("a", 0).await, [NOW, NOW, NOW, NOW + WINDOW]);
    assert_eq!(calls("a", NOW).await, [NOW + WINDOW]);
    // Calls that a clock left which ran ahead shut nobody out for longer than the window.
    for _ in 0..3 {
        assert!(take("ahead", NOW + DAY).await);
    }
    assert!(!take("ahead", NOW).await);
    assert!(!take("ahead", NOW + WINDOW - 1).await);
    assert!(take("ahead", NOW + WINDOW).await);
    assert!(take("c", NOW + DAY + WINDOW).await);
    assert_eq!(calls("a", 0).await, [NOW + WINDOW], "a day is enough");
    assert!(calls("b", 0).await.is_empty());
}
