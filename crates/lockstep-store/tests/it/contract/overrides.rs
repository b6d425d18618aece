use std::collections::HashSet;

use lockstep_core::channel::Provider;
use lockstep_core::models::memory::Memory;
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::{Pattern, Rules};
use lockstep_core::settings::Overrides;
use lockstep_store::sites::SiteEdit;
use lockstep_store::{Store, StoreError};

use crate::tester::site;

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).expect("a pattern")
}

fn some() -> Overrides {
    Overrides {
        policy: Some(Policy::AddOnly),
        keep: vec!["gpt-4o".to_owned()],
        rules: Rules {
            allow: vec!["a".to_owned()],
            include: vec![pattern("gpt-*"), pattern("regex:^o[0-9]")],
            exclude: vec![pattern("preview")],
        },
        allowed: vec!["too_many_removed".to_owned()],
    }
}

fn provider() -> Provider {
    Provider {
        kind: 20,
        base_url: "https://provider.example".to_owned(),
    }
}

pub(crate) async fn overrides_read_back_and_empty_ones_are_forgotten(store: &Store) {
    let site = site(store).await;
    store
        .set_channel_overrides(&site.id, 7, &some())
        .await
        .expect("set");
    store
        .set_provider_overrides(&site.id, &provider(), &some())
        .await
        .expect("set");
    let channels = store.channel_overrides(&site.id).await.expect("read");
    assert_eq!(channels, [(7, some())].into());
    let providers = store.provider_overrides(&site.id).await.expect("read");
    assert_eq!(providers, [(provider(), some())].into());

    let none = Overrides::default();
    store
        .set_channel_overrides(&site.id, 7, &none)
        .await
        .expect("set");
    store
        .set_provider_overrides(&site.id, &provider(), &none)
        .await
        .expect("set");
    assert!(
        store
            .channel_overrides(&site.id)
            .await
            .expect("read")
            .is_empty()
    );
    assert!(
        store
            .provider_overrides(&site.id)
            .await
            .expect("read")
            .is_empty()
    );
    let nobody = store.set_channel_overrides("nobody", 1, &some()).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
    let nobody = store
        .set_provider_overrides("nobody", &provider(), &some())
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}

pub(crate) async fn the_policy_hash_changes_with_every_setting_and_override(store: &Store) {
    let site = site(store).await;
    let hash = async || store.policy_hash(&site.id).await.expect("a hash");
    let mut seen = HashSet::from([hash().await]);
    let first = hash().await;
    assert!(seen.contains(&first), "the same policy has the same hash");
    let edit = SiteEdit {
        settings: Some([("burst".to_owned(), Some("4".to_owned()))].into()),
        ..SiteEdit::default()
    };
    store.edit_site(&site.id, edit).await.expect("edited");
    assert!(seen.insert(hash().await), "a setting");
    store
        .set_channel_overrides(&site.id, 7, &some())
        .await
        .expect("set");
    assert!(seen.insert(hash().await), "a channel's override");
    store
        .set_provider_overrides(&site.id, &provider(), &some())
        .await
        .expect("set");
    assert!(seen.insert(hash().await), "a provider's override");
    let mut other = some();
    other.rules.exclude.clear();
    store
        .set_channel_overrides(&site.id, 7, &other)
        .await
        .expect("set");
    assert!(seen.insert(hash().await), "one rule");
    assert!(matches!(
        store.policy_hash("nobody").await,
        Err(StoreError::NotFound(_))
    ));
}

pub(crate) async fn memories_read_back(store: &Store) {
    let site = site(store).await;
    let full = Memory {
        maybe: Some(vec!["m".to_owned()]),
        settled: Some(vec!["a".to_owned(), "line\nbreak".to_owned()]),
        left: vec!["a".to_owned(), "mine".to_owned()],
        yours: ["mine".to_owned()].into(),
        taken_out: ["not this".to_owned()].into(),
        good_size: 2,
        missing: [("gone".to_owned(), 5)].into(),
        failures: Some(("timeout".to_owned(), 3)),
        kept: Some("digest".to_owned()),
    };
    let settled_to_nothing = Memory {
        settled: Some(Vec::new()),
        ..Memory::default()
    };
    for (channel_id, memory) in [
        (1, &full),
        (2, &Memory::default()),
        (3, &settled_to_nothing),
    ] {
        store
            .set_memory(&site.id, channel_id, memory)
            .await
            .expect("set");
    }
    let memories = store.memories(&site.id).await.expect("read");
    let expected = [
        (1, full.clone()),
        (2, Memory::default()),
        (3, settled_to_nothing),
    ];
    assert_eq!(memories, expected.into());
    store
        .set_memory(&site.id, 1, &Memory::default())
        .await
        .expect("set");
    let memories = store.memories(&site.id).await.expect("read");
    assert_eq!(memories[&1], Memory::default());
    let nobody = store.set_memory("nobody", 1, &full).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}
