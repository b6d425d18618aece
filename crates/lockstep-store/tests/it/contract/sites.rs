use lockstep_store::sites::SiteEdit;
use lockstep_store::{Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::tester::{NOW, new_site, site, url};

pub(crate) async fn a_site_is_added_found_edited_and_removed(store: &Store) {
    let mut new = new_site(Some("main"));
    new.console_url = Some("https://console.example".to_owned());
    new.allow_private = vec!["10.0.0.0/8".to_owned()];
    let added = store.add_site(new, NOW).await.expect("a site");
    assert_eq!(added.name.as_deref(), Some("main"));
    assert_eq!(added.created_at, NOW);
    assert!(!added.first_write_done && !added.is_default && !added.has_token);
    assert_eq!(store.site_by_name("main").await.expect("found"), added);
    assert_eq!(store.site(&added.id).await.expect("found"), added);
    assert_eq!(
        store.sites().await.expect("sites"),
        std::slice::from_ref(&added)
    );

    let edit = SiteEdit {
        name: Some("first".to_owned()),
        user_id: Some("7".to_owned()),
        console_url: Some(None),
        allow_private: Some(Vec::new()),
        settings: Some(
            [
                ("policy".to_owned(), None),
                ("burst".to_owned(), Some("3".to_owned())),
            ]
            .into(),
        ),
        ..SiteEdit::default()
    };
    let edited = store.edit_site(&added.id, edit).await.expect("edited");
    assert_eq!(store.site_by_name("first").await.expect("found"), edited);
    assert_eq!(
        (edited.user_id.as_str(), edited.console_url.as_ref()),
        ("7", None)
    );
    assert_eq!(
        edited.settings,
        [("burst".to_owned(), "3".to_owned())].into()
    );
    assert!(matches!(
        store.site_by_name("main").await,
        Err(StoreError::NotFound(_))
    ));

    store.mark_first_write(&added.id).await.expect("marked");
    assert!(store.site(&added.id).await.expect("found").first_write_done);
    store.remove_site(&added.id).await.expect("removed");
    assert!(store.sites().await.expect("sites").is_empty());
    for gone in [
        store.remove_site(&added.id).await.err(),
        store.mark_first_write(&added.id).await.err(),
        store.set_token(&added.id, None).await.err(),
        store.token(&added.id).await.err(),
        store.edit_site(&added.id, SiteEdit::default()).await.err(),
    ] {
        assert!(matches!(gone, Some(StoreError::NotFound(_))), "{gone:?}");
    }
}

pub(crate) async fn a_name_belongs_to_one_site(store: &Store) {
    site(store).await;
    let second = store.add_site(new_site(Some("main")), NOW).await;
    assert!(matches!(second, Err(StoreError::Conflict(name)) if name == "main"));
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let edit = SiteEdit {
        name: Some("main".to_owned()),
        ..SiteEdit::default()
    };
    assert!(matches!(
        store.edit_site(&other.id, edit).await,
        Err(StoreError::Conflict(_))
    ));
    assert_eq!(store.site(&other.id).await.expect("found"), other);
}

pub(crate) async fn a_nameless_site_is_made_once_for_an_address(store: &Store) {
    let named = site(store).await;
    let first = store.site_for_url(&named.url, NOW).await.expect("made");
    assert_eq!((first.name.as_ref(), &first.url), (None, &named.url));
    assert_ne!(first.id, named.id);
    assert_eq!(
        store
            .site_for_url(&named.url, NOW + 1)
            .await
            .expect("found"),
        first
    );
    let other = store
        .site_for_url(&url("other.example"), NOW)
        .await
        .expect("made");
    assert_ne!(other.id, first.id);
    let sites = store.sites().await.expect("sites");
    let ids: Vec<&str> = sites.iter().map(|site| site.id.as_str()).collect();
    assert_eq!(ids, [&named.id, &first.id, &other.id]);
}

pub(crate) async fn the_default_site_is_the_marked_one_or_the_only_named_one(store: &Store) {
    let default = async || {
        store
            .default_site()
            .await
            .expect("asked")
            .map(|site| site.id)
    };
    assert_eq!(default().await, None);
    store
        .site_for_url(&url("a.example"), NOW)
        .await
        .expect("made");
    assert_eq!(default().await, None);
    let one = store
        .add_site(new_site(Some("one")), NOW)
        .await
        .expect("a site");
    assert_eq!(default().await, Some(one.id.clone()));
    let two = store
        .add_site(new_site(Some("two")), NOW)
        .await
        .expect("a site");
    assert_eq!(default().await, None);
    for id in [&one.id, &two.id] {
        let edit = SiteEdit {
            is_default: Some(true),
            ..SiteEdit::default()
        };
        assert!(store.edit_site(id, edit).await.expect("edited").is_default);
        assert_eq!(default().await.as_ref(), Some(id));
    }
    let marked = store
        .sites()
        .await
        .expect("sites")
        .iter()
        .filter(|site| site.is_default)
        .count();
    assert_eq!(marked, 1);
}

pub(crate) async fn a_token_is_read_back_and_forgotten(store: &Store) {
    let mut new = new_site(Some("main"));
    new.token = Some(SecretString::from("first token"));
    let site = store.add_site(new, NOW).await.expect("a site");
    let token = async || {
        let token = store.token(&site.id).await.expect("asked");
        token.map(|token| token.expose_secret().to_owned())
    };
    assert!(site.has_token);
    assert_eq!(token().await.as_deref(), Some("first token"));
    let second = SecretString::from("second token");
    store.set_token(&site.id, Some(second)).await.expect("set");
    assert_eq!(token().await.as_deref(), Some("second token"));
    let renamed = SiteEdit {
        name: Some("renamed".to_owned()),
        ..SiteEdit::default()
    };
    assert!(
        store
            .edit_site(&site.id, renamed)
            .await
            .expect("edited")
            .has_token
    );
    store.set_token(&site.id, None).await.expect("forgotten");
    assert_eq!(token().await, None);
    assert!(!store.site(&site.id).await.expect("found").has_token);
}

pub(crate) async fn another_address_makes_the_next_write_a_first_write(store: &Store) {
    let site = site(store).await;
    store.mark_first_write(&site.id).await.expect("marked");
    let to = |host: &str| SiteEdit {
        url: Some(url(host)),
        ..SiteEdit::default()
    };
    let same = store
        .edit_site(&site.id, to("gateway.example"))
        .await
        .expect("edited");
    assert!(same.first_write_done);
    let moved = store
        .edit_site(&site.id, to("moved.example"))
        .await
        .expect("edited");
    assert!(!moved.first_write_done);
}
