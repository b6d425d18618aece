//! Who is told of what: places are added, tried, changed and forgotten on their page, and it says what is wrong.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use lockstep_core::change::{RunState, Subject};
use lockstep_core::failure::{Failure, FailureKind};
use lockstep_core::notices::{About, Finding, Looked, NoticeKind, What};
use lockstep_store::notices::AtRest;

use super::tester::{Page, Tester, gateway};
use crate::config::File;
use crate::notify::Vendor;
use crate::server::caller::Scope;

const AT: &str = "/settings/notices";
const HERE: &str = "127.0.0.0/8";

/// What a place was sent: whether it was signed, and the body.
type Sent = Arc<Mutex<Vec<(bool, String)>>>;

/// A place that answers everything with a status.
async fn place(status: StatusCode) -> (String, Sent) {
    let sent = Sent::default();
    let take = move |State(sent): State<Sent>, headers: HeaderMap, body: String| async move {
        let signed = headers.contains_key("x-lockstep-signature");
        sent.lock().expect("no poison").push((signed, body));
        status
    };
    let router = Router::new().fallback(take).with_state(sent.clone());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await;
    let listener = listener.expect("a port");
    let at = format!("http://{}", listener.local_addr().expect("an address"));
    tokio::spawn(async move { axum::serve(listener, router).await });
    (at, sent)
}

/// What the form sends with every kind of notice ticked, or with some of them.
async fn add(tester: &Tester, kind: &str, fields: &[(&str, &str)], only: &[&str]) -> Page {
    let mut sent = vec![("kind", kind)];
    sent.extend(fields);
    match only {
        [] => sent.extend(NoticeKind::ALL.iter().map(|kind| ("only", kind.code()))),
        some => sent.extend(some.iter().map(|code| ("only", *code))),
    }
    tester.post(&format!("{AT}/add"), &sent).await
}

#[tokio::test]
async fn a_place_is_added_tried_changed_and_removed_and_nothing_secret_is_shown() {
    let (at, sent) = place(StatusCode::NO_CONTENT).await;
    let tester = Tester::new().await;
    let page = tester.get(AT).await;
    page.says("Nobody is told");
    page.says("href=\"#add\"");
    let url = format!("{at}/canary-path");
    let fields = [
        ("name", "ops"),
        ("url", &url),
        ("secret", "canary-secret"),
        ("allow_private", HERE),
    ];
    let added = add(&tester, "webhook", &fields, &["held", "failed"]).await;
    assert_eq!(added.location, "/settings/notices?said=place-added");
    let page = tester.get(&added.location).await;
    page.says("Send it a test");
    page.says("Something failed · Something waits for an answer");
    page.says("Nothing was sent yet");

    let tested = tester
        .post(&format!("{AT}/test"), &[("place", "ops")])
        .await;
    assert_eq!(tested.status, 200);
    tested.says("ops: the test arrived");
    tested.says("<span class=\"badge good\">arrived</span>");
    let got = sent.lock().expect("no poison").clone();
    assert_eq!(got.len(), 1);
    assert!(got[0].0 && got[0].1.contains("\"event\":\"test\""));

    let change = format!("{AT}/change");
    let untold = tester
        .post(&change, &[("place", "ops"), ("enabled", "on")])
        .await;
    assert_eq!(untold.status, 422);
    untold.says("id=\"place-0-wrong\"");
    untold.says("ops: not changed; mend what is wrong below");
    let typed = untold.fields("action=\"/settings/notices/change\"");
    assert!(typed.iter().all(|(name, _)| name != "only"), "{typed:?}");
    let all: Vec<(&str, &str)> = NoticeKind::ALL
        .iter()
        .map(|kind| ("only", kind.code()))
        .chain([("place", "ops"), ("enabled", "on")])
        .collect();
    let changed = tester.post(&change, &all).await;
    assert_eq!(changed.location, "/settings/notices?said=saved");
    tester.get(AT).await.says("Is told: everything");
    let same = tester.post(&change, &all).await;
    assert_eq!(same.location, "/settings/notices?said=unchanged");
    let silent = tester.post(&change, &[("place", "ops")]).await;
    assert_eq!(silent.status, 303);
    let page = tester.get(AT).await;
    page.says("told nothing");
    page.says("Every place is switched off");
    page.says("Is told: everything");

    let removed = tester
        .post(&format!("{AT}/remove"), &[("place", "ops")])
        .await;
    assert_eq!(removed.location, "/settings/notices?said=removed");
    let gone = tester.get(AT).await;
    gone.says("Nobody is told");
    gone.says("(removed)");
    for page in [added, tested, untold, changed, page, gone] {
        page.never_says("canary");
    }
    let missing = tester
        .post(&format!("{AT}/test"), &[("place", "ops")])
        .await;
    assert_eq!(missing.status, 404);
    let deeds = tester.app.store().deeds(&Default::default(), 10).await;
    let kinds: Vec<String> = deeds
        .expect("deeds")
        .into_iter()
        .map(|deed| deed.kind)
        .collect();
    assert_eq!(
        kinds,
        [
            "notice_target_removed",
            "notice_target_changed",
            "notice_target_changed",
            "notice_target_added"
        ]
    );
}

#[tokio::test]
async fn a_place_moves_to_another_address_and_its_secret_stays_where_nothing_is_typed() {
    let ((at, sent), (other, elsewhere)) = (
        place(StatusCode::NO_CONTENT).await,
        place(StatusCode::NO_CONTENT).await,
    );
    let tester = Tester::new().await;
    let (first, second) = (format!("{at}/canary-one"), format!("{at}/canary-two"));
    let fields = [
        ("name", "ops"),
        ("url", &first),
        ("secret", "canary-secret"),
        ("allow_private", HERE),
    ];
    assert_eq!(add(&tester, "webhook", &fields, &[]).await.status, 303);
    let stored = async || {
        let target = &tester.app.store().notice_targets().await.expect("places")[0];
        crate::places::stored(&tester.app, target)
            .await
            .expect("an address")
    };
    let page = tester.get(AT).await;
    page.says("id=\"place-0-url\"");
    page.says("stored; leave empty to keep it");
    let (change, form) = (
        format!("{AT}/change"),
        "action=\"/settings/notices/change\"",
    );
    // The form as it is shown changes nothing; then some of it is typed anew.
    let typed = |page: &Page, fields: &[(&str, &str)]| {
        let mut all = page.fields(form);
        all.retain(|(name, _)| fields.iter().all(|(known, _)| known != name));
        let fields = fields.iter();
        all.extend(fields.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
        all
    };
    let post = async |fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        tester.post(&change, &fields).await
    };
    let same = post(typed(&page, &[])).await;
    assert_eq!(same.location, "/settings/notices?said=unchanged");
    let moved = post(typed(&page, &[("url", &second)])).await;
    assert_eq!(
        moved.location, "/settings/notices?said=saved",
        "{}",
        moved.text
    );
    let now = stored().await;
    assert_eq!(now.url, second);
    assert_eq!(now.secret.as_deref(), Some("canary-secret"));
    assert_eq!(now.allow, [HERE]);
    tester
        .post(&format!("{AT}/test"), &[("place", "ops")])
        .await;
    assert!(sent.lock().expect("no poison")[0].0, "it is still signed");

    // What was given for one server is not sent to another.
    let away = format!("{other}/canary-three");
    let refused = post(typed(&page, &[("url", &away)])).await;
    assert_eq!(refused.status, 422);
    refused.says("id=\"place-0-secret-wrong\"");
    refused.says("This is another server");
    refused.says("What is secret is not shown again");
    assert_eq!(stored().await.url, second);
    let bare = post(typed(&page, &[("url", &away), ("no_secret", "on")])).await;
    assert_eq!(bare.status, 303, "{}", bare.text);
    tester
        .post(&format!("{AT}/test"), &[("place", "ops")])
        .await;
    assert!(
        !elsewhere.lock().expect("no poison")[0].0,
        "it is not signed"
    );
    let page = tester.get(AT).await;
    page.never_says("No secret from now on");

    // Every mistake stands beside its field, and what was typed is there again.
    let mistakes = [("url", "ftp://canary"), ("allow_private", "10.0.0.0/8")];
    let refused = post(typed(&page, &mistakes)).await;
    assert_eq!(refused.status, 422);
    refused.says("id=\"place-0-url-wrong\"");
    refused.says("10.0.0.0/8</textarea>");
    let refused = post(typed(&page, &[("allow_private", "all")])).await;
    refused.says("id=\"place-0-allow_private-wrong\"");
    assert_eq!(stored().await.allow, [HERE]);
    let deeds = tester.app.store().deeds(&Default::default(), 1).await;
    let deed = deeds.expect("deeds").remove(0);
    assert_eq!(deed.kind, "notice_target_changed");
    assert!(
        deed.data.to_string().contains("127.0.0.1:"),
        "{}",
        deed.data
    );
    for page in [page, moved, refused, tester.get(AT).await] {
        page.never_says("canary");
    }
    assert!(!deed.data.to_string().contains("canary"));
}

#[tokio::test]
async fn what_is_no_secret_of_a_place_is_shown_and_changed() {
    let tester = Tester::new().await;
    let fields = [
        ("name", "mail"),
        ("url", "smtps://mail.example"),
        ("secret", "canary"),
        ("from", "a@b.example"),
        ("to", "c@d.example\ne@f.example"),
    ];
    assert_eq!(add(&tester, "email", &fields, &[]).await.status, 303);
    let page = tester.get(AT).await;
    page.says("id=\"place-0-from\" name=\"from\" value=\"a@b.example\"");
    page.says("c@d.example\ne@f.example</textarea>");
    let form = page.fields("action=\"/settings/notices/change\"");
    let change = |to: &str| {
        let mut fields = form.clone();
        fields.retain(|(name, _)| name != "to");
        fields.push(("to".to_owned(), to.to_owned()));
        fields
    };
    let post = async |fields: Vec<(String, String)>| {
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        tester.post(&format!("{AT}/change"), &fields).await
    };
    let nobody = post(change("")).await;
    assert_eq!(nobody.status, 422);
    nobody.says("id=\"place-0-to-wrong\"");
    assert_eq!(post(change("g@h.example")).await.status, 303);
    let target = &tester.app.store().notice_targets().await.expect("places")[0];
    let stored = crate::places::stored(&tester.app, target).await;
    let stored = stored.expect("an address");
    assert_eq!(stored.to, ["g@h.example"]);
    assert_eq!(stored.secret.as_deref(), Some("canary"));
    tester.get(AT).await.never_says("canary");
}

#[tokio::test]
async fn what_a_test_failed_of_is_said_with_its_cause_in_the_readers_language() {
    let (at, _) = place(StatusCode::NOT_FOUND).await;
    let mut tester = Tester::new().await;
    let here = [("name", "gone"), ("url", &at), ("allow_private", HERE)];
    assert_eq!(add(&tester, "webhook", &here, &[]).await.status, 303);
    let inside = [("name", "inside"), ("url", "http://127.0.0.1:9/hook")];
    assert_eq!(add(&tester, "webhook", &inside, &[]).await.status, 303);
    let test = format!("{AT}/test");
    let page = tester.post(&test, &[("place", "gone")]).await;
    page.says("gone: the test did not arrive. The place answered with status 404");
    page.says("There is nothing at this address");
    let page = tester.post(&test, &[("place", "inside")]).await;
    page.says("The address is private and was not called");
    page.says("under Private networks");
    page.never_says("--allow-private");
    // Both stand in the list, and at their places.
    assert_eq!(
        page.text
            .matches("The place answered with status 404")
            .count(),
        2
    );
    tester.language = "zh-CN";
    let page = tester.get(AT).await;
    page.says("对方返回状态码 404");
    page.says("私有地址，未发起请求");
    page.never_says("The place answered");
}

#[tokio::test]
async fn the_form_of_each_kind_has_its_fields_and_says_where_their_values_come_from() {
    let mut tester = Tester::new().await;
    for language in ["en", "zh-CN"] {
        tester.language = language;
        for vendor in Vendor::ALL {
            let page = tester.get(&format!("{AT}?kind={}", vendor.code())).await;
            let fields = page.fields("action=\"/settings/notices/add\"");
            let names: Vec<&str> = fields
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| *name != "only")
                .collect();
            let own: &[&str] = match vendor {
                Vendor::Telegram => &["chat"],
                Vendor::WeCom => &[],
                Vendor::Email => &["secret", "from", "to", "user"],
                _ => &["secret"],
            };
            let wanted = [&["kind", "name", "url"], own, &["allow_private"]].concat();
            assert_eq!(names, wanted, "{vendor:?}");
            for name in &names[1..] {
                page.says(&format!("class=\"hint\" id=\"{name}-hint\">"));
            }
            let ticked = fields.iter().filter(|(name, _)| name == "only");
            assert_eq!(ticked.count(), NoticeKind::ALL.len());
        }
    }
    // What is no kind is answered with the form of the first.
    tester
        .get(&format!("{AT}?kind=pigeon"))
        .await
        .says("value=\"webhook\"");
    assert_eq!(add(&tester, "pigeon", &[], &[]).await.status, 400);
}

#[tokio::test]
async fn every_mistake_of_a_place_is_beside_its_field_and_what_is_secret_has_to_be_typed_again() {
    let mut tester = Tester::new().await;
    for language in ["en", "zh-CN"] {
        tester.language = language;
        for (kind, fields, wrong) in [
            (
                "webhook",
                &[("name", ""), ("url", "canary")][..],
                &["name", "url"][..],
            ),
            (
                "webhook",
                &[("name", "a"), ("url", "ftp://canary")],
                &["url"],
            ),
            (
                "webhook",
                &[("name", "a"), ("url", "http://u:canary@b.example")],
                &["url"],
            ),
            (
                "webhook",
                &[
                    ("name", "a"),
                    ("url", "http://b.example"),
                    ("allow_private", "all"),
                ],
                &["allow_private"],
            ),
            (
                "ntfy",
                &[("name", "a"), ("url", "https://ntfy.sh")],
                &["url"],
            ),
            ("telegram", &[("name", "a"), ("url", "1:canary")], &["chat"]),
            (
                "telegram",
                &[("name", "a"), ("url", "a canary"), ("chat", "1")],
                &["url"],
            ),
            (
                "email",
                &[("name", "a"), ("url", "smtp://b.example")],
                &["from"],
            ),
            (
                "email",
                &[
                    ("name", "a"),
                    ("url", "smtp://b.example"),
                    ("from", "a@b.example"),
                ],
                &["to"],
            ),
            (
                "email",
                &[
                    ("name", "a"),
                    ("url", "smtp://b.example?tls=none"),
                    ("secret", "canary"),
                    ("from", "a@b.example"),
                    ("to", "c@d.example\n"),
                ],
                &["secret"],
            ),
        ] {
            let page = add(&tester, kind, fields, &["held"]).await;
            assert_eq!(page.status, 422, "{kind} {fields:?}");
            for field in [
                "name",
                "url",
                "secret",
                "chat",
                "from",
                "to",
                "allow_private",
            ] {
                let marked = page.text.contains(&format!(" name=\"{field}\"")) && {
                    let (_, rest) = page
                        .text
                        .split_once(&format!(" name=\"{field}\""))
                        .expect("it");
                    rest.split('>')
                        .next()
                        .unwrap_or_default()
                        .contains("aria-invalid")
                };
                assert_eq!(marked, wrong.contains(&field), "{kind} {fields:?}: {field}");
            }
            page.never_says("canary");
        }
        let none = [
            ("name", "a"),
            ("url", "http://b.example"),
            ("kind", "webhook"),
        ];
        let page = tester.post(&format!("{AT}/add"), &none).await;
        assert_eq!(page.status, 422);
        page.says("id=\"only-wrong\"");
    }
    assert!(
        tester
            .app
            .store()
            .notice_targets()
            .await
            .expect("none")
            .is_empty()
    );
    let good = [("name", "a"), ("url", "http://b.example/hook")];
    assert_eq!(add(&tester, "webhook", &good, &[]).await.status, 303);
    let taken = add(&tester, "webhook", &good, &[]).await;
    assert_eq!(taken.status, 422);
    taken.says("id=\"name-wrong\"");
}

#[tokio::test]
async fn what_is_wrong_now_is_told_with_its_findings_and_leads_to_where_it_is_mended() {
    let gateway = gateway().await;
    let mut tester = Tester::with_site(&gateway).await;
    let good = [("name", "ops"), ("url", "http://b.example/hook")];
    assert_eq!(add(&tester, "webhook", &good, &[]).await.status, 303);
    tester.get(AT).await.says("Nothing is wrong");
    let site = tester.site().await;
    let failure = Failure::status(FailureKind::ProviderStatus, 401, "no");
    let failed = (1..=7).map(|id| {
        let about = About::Channel(id, format!("channel {id}"));
        Finding::new(about, What::Failed(failure.clone()))
    });
    let unpriced = Finding::new(About::Model("gpt-new".to_owned()), What::Unpriced);
    let found = BTreeMap::from([
        (NoticeKind::Failed, failed.collect()),
        (NoticeKind::Unpriced, vec![unpriced]),
    ]);
    let now = tester.app.now();
    let run = AtRest {
        site_id: &site.id,
        subject: Subject::Models,
        run_id: "a run",
        state: RunState::Done,
    };
    let store = tester.app.store();
    let settled = store.settle_notices(run, found, Looked::Everywhere, now);
    settled.await.expect("settled");
    let page = tester.get(AT).await;
    for text in [
        "1 channel 1: ",
        "7 channel 7: ",
        "gpt-new",
        "(2)<span",
        "href=\"/sites/main/models?show=failed\"",
        "href=\"/sites/main/unpriced\"",
        "told now",
        "to be sent",
    ] {
        page.says(text);
    }
    tester.language = "zh-CN";
    let page = tester.get(AT).await;
    page.says("7 channel 7：");
    page.says("出现失败");
}

#[tokio::test]
async fn whoever_may_only_look_sees_the_places_and_changes_none() {
    let tester = Tester::with(File::default(), Scope::Read).await;
    assert_eq!(tester.get(AT).await.status, 200);
    for act in ["add", "change", "test", "remove"] {
        let refused = tester
            .post(
                &format!("{AT}/{act}"),
                &[("place", "ops"), ("kind", "webhook")],
            )
            .await;
        assert_eq!(refused.status, 403, "{act}");
    }
}

#[tokio::test]
async fn the_settings_lead_to_all_their_parts_and_stay_with_the_site() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let page = tester.get("/sites/main/settings").await;
    for part in [
        "href=\"/sites/main/prices/sources\"",
        "href=\"/settings/notices\"",
        "href=\"/settings/access\"",
        "Nobody is told when",
    ] {
        page.says(part);
    }
    let second = super::tester::gateway().await;
    let url = second.url();
    let added = tester.add("other", &url, second.root_token()).await;
    assert_eq!(added.status, 303);
    let page = tester.get("/sites/other/settings").await;
    page.says("href=\"/settings/notices?site=other\"");
    let page = tester.get("/settings/notices?site=other").await;
    page.says("href=\"/sites/other/settings\"");
    page.says("action=\"/settings/notices/add?site=other\"");
    page.says("href=\"/settings/notices?site=other&#38;kind=ntfy#add\"");
    // A site that is no longer there is no reason for no page.
    let page = tester.get("/settings/notices?site=gone").await;
    page.says("href=\"/sites/main/settings\"");
    // Without any site there are people and notices all the same.
    let nobody = Tester::new().await;
    let page = nobody.get("/settings/access").await;
    assert_eq!(page.status, 200);
    page.says("href=\"/settings/notices\"");
    page.never_says("/prices/sources");
}
