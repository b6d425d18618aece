use lockstep_core::hash::Digest;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::{Field, TIERED};
use lockstep_core::prices::values::{Kind, Values};
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::prices::seen::Seen;
use lockstep_store::{Store, StoreError};

use crate::tester::{NOW, new_site, site};

pub(crate) fn answer(model: &str, field: Option<Field>, kind: AnswerKind) -> PriceAnswer {
    PriceAnswer {
        model: model.to_owned(),
        field,
        kind,
        by: "root".to_owned(),
        at: NOW,
    }
}

pub(crate) async fn answers_read_back_and_are_forgotten(store: &Store) {
    let site = site(store).await;
    let keep = |text: &str| AnswerKind::Keep(Digest::of([text]));
    let all = vec![
        answer("a", None, AnswerKind::Lock),
        answer("a", None, AnswerKind::KeepKind(Kind::PerToken)),
        answer("a", None, AnswerKind::Allow(ReasonCode::ZeroCrossing)),
        answer("a", None, AnswerKind::Allow(ReasonCode::Tenfold)),
        answer("a", Some(Field::CacheRatio), AnswerKind::Lock),
        answer("a", Some(Field::BillingExpr), keep("one")),
        answer("b", None, AnswerKind::Ignore),
        answer("b", None, keep("one")),
    ];
    let mut given = all.clone();
    given.reverse();
    store
        .set_price_answers(&site.id, given)
        .await
        .expect("answered");
    let answers = async || store.price_answers(&site.id).await.expect("answers");
    assert_eq!(answers().await, all);

    let later = |answer: PriceAnswer| PriceAnswer {
        by: "another".to_owned(),
        at: NOW + 1,
        ..answer
    };
    let again = vec![
        later(answer("b", None, AnswerKind::Ignore)),
        later(answer("b", None, keep("two"))),
    ];
    store
        .set_price_answers(&site.id, again.clone())
        .await
        .expect("answered");
    assert_eq!(
        answers().await[6..],
        again,
        "each in place of the one before"
    );
    let kind = answer("a", None, AnswerKind::KeepKind(Kind::PerCall));
    store
        .set_price_answers(&site.id, vec![kind.clone()])
        .await
        .expect("answered");
    assert_eq!((answers().await.len(), &answers().await[1]), (8, &kind));

    let field = Some(Field::CacheRatio);
    let deleted = store.delete_price_answers(&site.id, "a", field).await;
    assert_eq!(deleted.expect("deleted"), 1);
    let deleted = store.delete_price_answers(&site.id, "a", None).await;
    assert_eq!(deleted.expect("deleted"), 5);
    let deleted = store.delete_price_answers(&site.id, "a", None).await;
    assert_eq!(deleted.expect("asked"), 0);
    assert_eq!(answers().await, again);
    let nobody = store.set_price_answers("nobody", all).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

pub(crate) async fn a_price_seen_keeps_its_time_until_it_changes(store: &Store) {
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let says = |from: usize, to: usize, what: &str| -> Vec<(String, Digest)> {
        (from..to)
            .map(|at| (format!("model-{at:03}"), Digest::of([what])))
            .collect()
    };
    let note = async |models, now| {
        store
            .note_seen(&site.id, "official", models, now)
            .await
            .expect("noted");
    };
    note(says(0, 450, "one"), NOW).await;
    note(says(0, 300, "one"), NOW + 10).await;
    note(says(300, 301, "two"), NOW + 20).await;
    let seen = store.price_seen(&site.id, "official").await.expect("seen");
    assert_eq!(seen.len(), 450);
    let at = |what: &str, first_seen: i64| Seen {
        digest: Digest::of([what]),
        first_seen,
    };
    assert_eq!(seen["model-000"], at("one", NOW));
    assert_eq!(seen["model-300"], at("two", NOW + 20));
    assert_eq!(seen["model-449"], at("one", NOW), "not named: as it was");
    // What comes back is new again, though it was there before.
    note(says(300, 301, "one"), NOW + 30).await;
    let seen = store.price_seen(&site.id, "official").await.expect("seen");
    assert_eq!(seen["model-300"], at("one", NOW + 30));
    for (site_id, source) in [(&site.id, "another"), (&other.id, "official")] {
        let none = store.price_seen(site_id, source).await.expect("asked");
        assert!(none.is_empty());
    }
    let nobody = store
        .note_seen("nobody", "official", says(0, 1, "one"), NOW)
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

pub(crate) async fn accepted_prices_read_back(store: &Store) {
    let site = site(store).await;
    let mut full = Values::default();
    for field in Field::ALL {
        full.set(*field, Some("1.50"));
    }
    full.set(Field::BillingMode, Some(TIERED));
    full.set(Field::BillingExpr, Some("p * \"1\"\n"));
    let ratio = Values::default().with(Field::ModelRatio, "");
    let models = vec![
        ("full".to_owned(), full.clone()),
        ("ratio".to_owned(), ratio.clone()),
        ("none".to_owned(), Values::default()),
    ];
    store
        .set_accepted(&site.id, models, NOW)
        .await
        .expect("accepted");
    let accepted = async || store.accepted(&site.id).await.expect("read");
    let expected = [
        ("full".to_owned(), full),
        ("ratio".to_owned(), ratio.clone()),
    ];
    assert_eq!(accepted().await, expected.into());
    let models = vec![("full".to_owned(), Values::default())];
    store
        .set_accepted(&site.id, models, NOW + 1)
        .await
        .expect("accepted");
    assert_eq!(accepted().await, [("ratio".to_owned(), ratio)].into());
    let nobody = store.set_accepted("nobody", Vec::new(), NOW).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}
