//! What belongs to a source: its secrets, its uploaded list, and what was wrong with it.

use lockstep_store::prices::access::{SourceAccess, SourceEdit};
use lockstep_store::prices::copies::SourceCopy;
use lockstep_store::prices::sources::{NewSource, StoredSource, Uploaded};
use lockstep_store::prices::troubles::SourceTrouble;
use lockstep_store::prices::uploads::Upload;
use lockstep_store::{Store, StoreError};
use secrecy::{ExposeSecret as _, SecretString};

use crate::on_postgres::size;
use crate::tester::{NOW, new_site, site};

const DAY: i64 = 86_400_000;

/// A source with a token, a user and two headers.
fn club() -> NewSource {
    let header = |name: &str| {
        (
            name.to_owned(),
            SecretString::from(format!("value of {name}")),
        )
    };
    NewSource {
        access: SourceAccess {
            token: Some(SecretString::from("first")),
            user_id: Some("7".to_owned()),
            headers: vec![header("x-b"), header("x-a")],
        },
        ..NewSource::open("club", "https://club.example")
    }
}

fn upload(body: &str, at: i64) -> Upload {
    Upload {
        body: body.to_owned(),
        uploaded_at: at,
        models: body.len() as u64,
    }
}

/// The token, the user and the headers of a source, as they are opened.
async fn opened(
    store: &Store,
    source: &StoredSource,
) -> (Option<String>, Option<String>, Vec<String>) {
    let access = store.source_access(source).await.expect("opened");
    let text = |secret: &SecretString| secret.expose_secret().to_owned();
    let headers = access.headers.iter();
    (
        access.token.as_ref().map(text),
        access.user_id,
        headers
            .map(|(name, value)| format!("{name}={}", text(value)))
            .collect(),
    )
}

pub(crate) async fn what_lets_us_into_a_source_is_kept_changed_and_forgotten_with_it(
    store: &Store,
) {
    let site = site(store).await;
    let plain = store.add_source(&site.id, "plain", "official").await;
    let plain = plain.expect("added");
    assert!(!plain.has_token && plain.headers.is_empty());
    assert_eq!(opened(store, &plain).await, (None, None, Vec::new()));
    let club = store.remember_source(&site.id, club()).await;
    let club = club.expect("added");
    assert!(club.has_token);
    assert_eq!(club.headers, ["x-a", "x-b"]);
    let headers = ["x-a=value of x-a", "x-b=value of x-b"].map(str::to_owned);
    let first = Some("first".to_owned());
    let seven = Some("7".to_owned());
    let all = (first, seven.clone(), headers.to_vec());
    assert_eq!(opened(store, &club).await, all);

    // Moved about, it keeps what it has.
    store.move_source(&site.id, "club", 0).await.expect("moved");
    let before = store.price_policy_hash(&site.id).await.expect("a hash");
    let edit = |token: Option<&str>| SourceEdit {
        token: Some(token.map(SecretString::from)),
        ..SourceEdit::default()
    };
    let edited = store
        .edit_source(&site.id, "club", edit(Some("second")))
        .await;
    let edited = edited.expect("edited");
    assert_eq!((&edited.id, edited.position), (&club.id, 0));
    let second = (Some("second".to_owned()), seven, headers.to_vec());
    assert_eq!(opened(store, &edited).await, second);
    let same = store.price_policy_hash(&site.id).await.expect("a hash");
    assert_eq!(
        same, before,
        "another token of the same user shows the same prices"
    );
    let other = SourceEdit {
        user_id: Some(Some("8".to_owned())),
        headers: Some(vec![("x-c".to_owned(), SecretString::from("c"))]),
        ..SourceEdit::default()
    };
    let edited = store.edit_source(&site.id, "club", other).await;
    let edited = edited.expect("edited");
    let now = (
        Some("second".to_owned()),
        Some("8".to_owned()),
        vec!["x-c=c".to_owned()],
    );
    assert_eq!(opened(store, &edited).await, now);
    let other = store.price_policy_hash(&site.id).await.expect("a hash");
    assert_ne!(other, before, "another user may be shown other prices");
    let elsewhere = SourceEdit {
        spec: Some("https://club.example,endpoint=/list".to_owned()),
        ..SourceEdit::default()
    };
    let edited = store.edit_source(&site.id, "club", elsewhere).await;
    let edited = edited.expect("edited");
    assert_eq!(edited.spec, "https://club.example,endpoint=/list");
    assert_eq!((&edited.id, edited.position), (&club.id, 0));
    assert_eq!(opened(store, &edited).await, now, "what lets us in stays");
    let moved = store.price_policy_hash(&site.id).await.expect("a hash");
    assert_ne!(moved, other, "another page may tell other prices");
    let edited = store.edit_source(&site.id, "club", edit(None)).await;
    assert!(!edited.expect("edited").has_token);

    store
        .remove_source(&site.id, "club")
        .await
        .expect("removed");
    let gone = store.source_access(&club).await.expect("asked");
    assert!(
        gone.token.is_none() && gone.headers.is_empty(),
        "gone with it"
    );
    let again = store
        .add_source(&site.id, "club", "https://club.example")
        .await;
    let again = again.expect("added");
    assert_ne!(again.id, club.id);
    assert!(!again.has_token && again.user_id.is_none());
    let nobody = store.edit_source(&site.id, "nobody", edit(None)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))), "{nobody:?}");
    let twice = store
        .remember_source(&site.id, NewSource::open("club", "official"))
        .await;
    assert!(matches!(twice, Err(StoreError::Conflict(name)) if name == "club"));
}

pub(crate) async fn secrets_of_sources_are_apart_and_go_with_their_sources(store: &Store) {
    let site = site(store).await;
    let club = store
        .remember_source(&site.id, club())
        .await
        .expect("added");
    let other = NewSource {
        name: "other".to_owned(),
        ..self::club()
    };
    let other = store.remember_source(&site.id, other).await.expect("added");
    assert_ne!(club.id, other.id);
    let tokens = [opened(store, &club).await.0, opened(store, &other).await.0];
    assert_eq!(tokens, [Some("first".to_owned()), Some("first".to_owned())]);
    store
        .remove_source(&site.id, "other")
        .await
        .expect("removed");
    assert_eq!(opened(store, &club).await.0.as_deref(), Some("first"));
    store.remove_site(&site.id).await.expect("removed");
    let gone = store.source_access(&club).await.expect("asked");
    assert!(gone.token.is_none(), "it goes with its site");
}

pub(crate) async fn an_uploaded_list_is_kept_for_as_long_as_its_source(store: &Store) {
    let empty = size(store).await;
    let site = site(store).await;
    let new = NewSource {
        upload: Some(upload("{\"a\": 1.50}\r\n", NOW)),
        ..NewSource::open("list", "upload:list")
    };
    let source = store.remember_source(&site.id, new).await.expect("added");
    assert_eq!(
        source.uploaded,
        Some(Uploaded {
            at: NOW,
            models: 13
        })
    );
    let kept = async |id: &str| store.upload(id).await.expect("asked");
    assert_eq!(
        kept(&source.id).await,
        Some(upload("{\"a\": 1.50}\r\n", NOW))
    );
    // Copies of fetched lists come and go beside it.
    let copy = |body: &str| SourceCopy {
        body: body.to_owned(),
        etag: None,
        fetched_at: NOW,
        models: 1,
    };
    for body in ["one", "two"] {
        store
            .keep_copy(&site.id, "key", copy(body))
            .await
            .expect("kept");
    }
    assert!(kept(&source.id).await.is_some());
    // Each new list leaves no trace of the one before, however large they are.
    for at in 1..9 {
        let next = upload(&format!("{at}").repeat(1 << 18), NOW + at);
        let done = store
            .keep_upload(&site.id, "list", next.clone(), None)
            .await;
        done.expect("kept");
        assert_eq!(kept(&source.id).await, Some(next));
    }
    let size_now = size(store).await - empty;
    assert!(size_now < 2 << 18, "{size_now} bytes");
    store.move_source(&site.id, "list", 0).await.expect("moved");
    // What it costs can change with its list.
    let spec = "upload:list,multiplier=0.5".to_owned();
    let next = upload("costs", NOW + 9);
    let done = store
        .keep_upload(&site.id, "list", next, Some(spec.clone()))
        .await;
    done.expect("kept");
    let sources = store.sources(&site.id).await.expect("sources");
    let listed = sources.iter().find(|source| source.name == "list");
    assert_eq!(listed.map(|source| &source.spec), Some(&spec));
    assert!(kept(&source.id).await.is_some());
    let nobody = store
        .keep_upload(&site.id, "nobody", upload("a", NOW), None)
        .await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
    store
        .remove_source(&site.id, "list")
        .await
        .expect("removed");
    assert_eq!(kept(&source.id).await, None);
    let size_now = size(store).await - empty;
    assert!(size_now < 1 << 18, "{size_now} bytes");
}

pub(crate) async fn what_was_wrong_is_told_until_a_good_list_comes(store: &Store) {
    let site = site(store).await;
    let other = store
        .add_site(new_site(Some("other")), NOW)
        .await
        .expect("a site");
    let trouble = |detail: &str, at: i64| SourceTrouble {
        state: "needs_sign_in".to_owned(),
        detail: detail.to_owned(),
        at,
    };
    let told = async |site_id: &str, key: &str| {
        let told = store.source_trouble(site_id, key).await;
        told.expect("asked")
    };
    assert_eq!(told(&site.id, "a").await, None);
    for key in ["a", "b"] {
        let kept = store
            .keep_trouble(&site.id, key, trouble("first", NOW))
            .await;
        kept.expect("kept");
    }
    let last = trouble("last", NOW + 5);
    store
        .keep_trouble(&site.id, "a", last.clone())
        .await
        .expect("kept");
    assert_eq!(told(&site.id, "a").await, Some(last));
    assert_eq!(told(&other.id, "a").await, None);
    let copy = SourceCopy {
        body: "list".to_owned(),
        etag: None,
        fetched_at: NOW + 6,
        models: 1,
    };
    store.keep_copy(&site.id, "a", copy).await.expect("kept");
    assert_eq!(told(&site.id, "a").await, None, "a list came");
    assert!(told(&site.id, "b").await.is_some());
    let late = trouble("late", NOW + 31 * DAY);
    store.keep_trouble(&site.id, "a", late).await.expect("kept");
    assert_eq!(told(&site.id, "b").await, None, "nobody met it again");
    let nobody = store.keep_trouble("nobody", "a", trouble("a", NOW)).await;
    assert!(matches!(nobody, Err(StoreError::NotFound(_))));
}
