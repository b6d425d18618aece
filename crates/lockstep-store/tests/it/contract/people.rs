use lockstep_store::deeds::{DeedFilter, NewDeed};
use lockstep_store::sessions::{Lasting, Session};
use lockstep_store::sites::SiteEdit;
use lockstep_store::tokens::{ApiToken, NewApiToken};
use lockstep_store::{Store, StoreError};
use serde_json::json;

use crate::tester::{NOW, site};

const LASTING: Lasting = Lasting {
    idle: 100,
    total: 1000,
};

async fn names(store: &Store) -> Vec<String> {
    let people = store.people().await.expect("people");
    people.into_iter().map(|person| person.name).collect()
}

async fn sessions(store: &Store) -> Vec<String> {
    let sessions = store.sessions().await.expect("sessions");
    sessions.into_iter().map(|one| one.hash).collect()
}

pub(crate) async fn a_link_sets_a_password_once_and_ends_every_session(store: &Store) {
    assert!(names(store).await.is_empty());
    for link in ["one", "two"] {
        store.add_link(link, NOW + 10, NOW).await.expect("a link");
    }
    assert!(store.link_holds("one", NOW).await.expect("asked"));
    assert!(!store.link_holds("three", NOW).await.expect("asked"));
    let used = store.use_link("one", "admin", "$argon", NOW).await;
    assert!(used.expect("used"));
    assert_eq!(names(store).await, ["admin"]);
    let password = store.password("admin").await.expect("asked");
    assert_eq!(password.as_deref(), Some("$argon"));
    assert_eq!(store.password("nobody").await.expect("asked"), None);

    // Neither it nor the other one can be used any more.
    for link in ["one", "two"] {
        assert!(!store.link_holds(link, NOW).await.expect("asked"));
        let used = store.use_link(link, "admin", "$other", NOW).await;
        assert!(!used.expect("asked"));
    }
    let session = store.add_session("s", "admin", LASTING, NOW).await;
    session.expect("a session");
    store
        .add_link("three", NOW + 10, NOW)
        .await
        .expect("a link");
    let used = store.use_link("three", "admin", "$third", NOW + 1).await;
    assert!(used.expect("used"));
    assert_eq!(store.session("s").await.expect("asked"), None);
    let people = store.people().await.expect("people");
    assert_eq!(people.first().map(|one| one.changed_at), Some(NOW + 1));
}

pub(crate) async fn a_link_out_of_time_does_nothing(store: &Store) {
    store.add_link("one", NOW + 10, NOW).await.expect("a link");
    assert!(!store.link_holds("one", NOW + 10).await.expect("asked"));
    let used = store.use_link("one", "admin", "$argon", NOW + 10).await;
    assert!(!used.expect("asked"));
    assert!(names(store).await.is_empty());
    store
        .add_link("two", NOW + 20, NOW + 11)
        .await
        .expect("one");
    assert!(!store.link_holds("one", NOW).await.expect("it is gone"));
}

pub(crate) async fn another_password_ends_the_sessions_but_one(store: &Store) {
    let set = store.set_password("admin", "$one", None, NOW).await;
    set.expect("set");
    for hash in ["here", "there"] {
        let added = store.add_session(hash, "admin", LASTING, NOW).await;
        added.expect("a session");
    }
    let set = store.set_password("admin", "$two", Some("here"), NOW).await;
    set.expect("set");
    assert!(store.session("here").await.expect("asked").is_some());
    assert_eq!(store.session("there").await.expect("asked"), None);
    for (hash, at) in [("phone", NOW + 5), ("laptop", NOW + 9)] {
        let added = store.add_session(hash, "admin", LASTING, at).await;
        added.expect("a session");
    }
    assert_eq!(sessions(store).await, ["laptop", "phone", "here"]);
    let ended = store.remove_other_sessions("admin", "here").await;
    assert_eq!(ended.expect("ended"), 2);
    assert_eq!(sessions(store).await, ["here"]);
    store.remove_session("here").await.expect("removed");
    assert_eq!(store.session("here").await.expect("asked"), None);
    let nobody = store.add_session("x", "nobody", LASTING, NOW).await;
    nobody.expect_err("nobody of that name");
}

pub(crate) async fn a_session_is_over_without_use_and_in_all(store: &Store) {
    let set = store.set_password("admin", "$one", None, NOW).await;
    set.expect("set");
    for hash in ["used", "left"] {
        let added = store.add_session(hash, "admin", LASTING, NOW).await;
        added.expect("a session");
    }
    for at in [60, 120, 180] {
        store.touch_session("used", NOW + at).await.expect("used");
    }
    // A clock that was set back takes nothing away.
    store.touch_session("used", NOW).await.expect("used");
    let session = store.session("used").await.expect("asked");
    let session = session.expect("a session");
    assert_eq!(
        session,
        Session {
            person: "admin".to_owned(),
            created_at: NOW,
            seen_at: NOW + 180
        }
    );
    assert!(session.holds(LASTING, NOW + 279));
    assert!(!session.holds(LASTING, NOW + 280));
    let old = Session {
        created_at: NOW - 900,
        seen_at: NOW + 99,
        ..session
    };
    assert!(old.holds(LASTING, NOW + 99) && !old.holds(LASTING, NOW + 100));
    let added = store.add_session("new", "admin", LASTING, NOW + 200).await;
    added.expect("a session");
    assert_eq!(store.session("left").await.expect("asked"), None);
    assert!(store.session("used").await.expect("asked").is_some());
}

pub(crate) async fn a_token_of_a_program_is_found_by_its_digest_and_removed(store: &Store) {
    let new = |name: &str, hash: &str| NewApiToken {
        name: name.to_owned(),
        hash: hash.to_owned(),
        scopes: vec!["read".to_owned(), "ratio-sync".to_owned()],
        created_by: "admin".to_owned(),
        expires_at: Some(NOW + 5),
    };
    let made = store.add_api_token(new("b", "hb"), NOW).await;
    let made = made.expect("a token");
    let other = store.add_api_token(new("a", "ha"), NOW).await;
    other.expect("a token");
    let taken = store.add_api_token(new("b", "hc"), NOW).await;
    assert!(
        matches!(&taken, Err(StoreError::Conflict(name)) if name == "b"),
        "{taken:?}"
    );
    let names = store.api_tokens().await.expect("tokens");
    let names: Vec<&str> = names.iter().map(|token| token.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);

    assert_eq!(store.api_token("nothing").await.expect("asked"), None);
    let found = store.api_token("hb").await.expect("asked");
    assert_eq!(found.as_ref(), Some(&made));
    assert_eq!(made.expires_at, Some(NOW + 5));
    assert_eq!(made.scopes, ["read", "ratio-sync"]);
    store
        .touch_api_token(&made.id, NOW + 3)
        .await
        .expect("used");
    let seen = ApiToken {
        seen_at: Some(NOW + 3),
        ..made.clone()
    };
    let removed = store.remove_api_token(&made.id).await.expect("removed");
    assert_eq!(removed, seen);
    assert_eq!(store.api_token("hb").await.expect("asked"), None);
    let again = store.remove_api_token(&made.id).await;
    assert!(matches!(again, Err(StoreError::NotFound(_))), "{again:?}");
}

pub(crate) async fn deeds_come_newest_first_by_site_and_kind_in_pages(store: &Store) {
    let site = site(store).await;
    for at in 0..4 {
        let data = json!({ "number": at });
        let about = (at % 2 == 0).then_some(site.id.as_str());
        let kind = if at < 3 { "settings" } else { "sign_in" };
        let noted = store.note_deed(about, "admin", kind, &data, NOW + at).await;
        noted.expect("noted");
    }
    let numbers = async |filter: DeedFilter, most| {
        let deeds = store.deeds(&filter, most).await.expect("deeds");
        let number = |data: &serde_json::Value| data.get("number").and_then(|at| at.as_i64());
        let of = deeds.iter().filter_map(|deed| number(&deed.data));
        (of.collect::<Vec<_>>(), deeds)
    };
    let (all, deeds) = numbers(DeedFilter::default(), 10).await;
    assert_eq!(all, [3, 2, 1, 0]);
    let newest = deeds.first().expect("a deed");
    assert_eq!((newest.at, newest.site_id.as_deref()), (NOW + 3, None));
    assert_eq!(
        (newest.actor.as_str(), newest.kind.as_str()),
        ("admin", "sign_in")
    );
    let of_site = DeedFilter {
        site_id: Some(site.id.clone()),
        ..DeedFilter::default()
    };
    assert_eq!(numbers(of_site, 10).await.0, [2, 0]);
    let of_kind = DeedFilter {
        kind: Some("settings".to_owned()),
        ..DeedFilter::default()
    };
    let (first, deeds) = numbers(of_kind.clone(), 2).await;
    assert_eq!(first, [2, 1]);
    let next = DeedFilter {
        before: deeds.last().map(|deed| deed.id.clone()),
        ..of_kind
    };
    assert_eq!(numbers(next, 2).await.0, [0]);
    assert_eq!(store.forget_deeds(NOW + 2).await.expect("forgotten"), 2);
    assert_eq!(numbers(DeedFilter::default(), 10).await.0, [3, 2]);
}

pub(crate) async fn a_deed_is_noted_with_the_write_that_it_is_of_or_not_at_all(store: &Store) {
    let site = site(store).await;
    let deed = |kind: &str| NewDeed {
        site_id: Some(site.id.clone()),
        at: NOW,
        actor: "admin".to_owned(),
        kind: kind.to_owned(),
        data: json!({ "of": kind }),
    };
    let renamed = |name: &str| SiteEdit {
        name: Some(name.to_owned()),
        ..SiteEdit::default()
    };
    let noted = async || {
        let deeds = store.deeds(&DeedFilter::default(), 10).await;
        let kinds = deeds.expect("deeds").into_iter().map(|deed| deed.kind);
        kinds.collect::<Vec<_>>()
    };
    let refused = store.noting(deed("refused"));
    let gone = refused.edit_site("nobody", renamed("a")).await;
    assert!(matches!(gone, Err(StoreError::NotFound(_))), "{gone:?}");
    // What came to nothing is not noted by what is done later, either.
    refused
        .edit_site(&site.id, renamed("a"))
        .await
        .expect("done");
    assert!(noted().await.is_empty());
    let done = store.noting(deed("done"));
    done.site(&site.id).await.expect("looking notes nothing");
    assert!(noted().await.is_empty());
    done.edit_site(&site.id, renamed("b")).await.expect("done");
    assert_eq!(noted().await, ["done"]);
    done.edit_site(&site.id, renamed("c")).await.expect("done");
    store.edit_site(&site.id, renamed("d")).await.expect("done");
    assert_eq!(noted().await, ["done"]);
    // A site that goes leaves what is noted of it.
    let removed = store.noting(deed("removed"));
    removed.remove_site(&site.id).await.expect("removed");
    assert_eq!(noted().await.len(), 2);
}
