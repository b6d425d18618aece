//! People and programs: tokens, the password, sign-ins, and who did what.

use secrecy::SecretString;

use super::tester::Tester;
use crate::config::File;
use crate::server::caller::{Caller, Scope, Who};
use crate::server::door::session::LASTING;

const AT: &str = "/settings/access";
const OLD: &str = "the old password";

/// Somebody who signed in by a password, in this browser and in another one.
async fn person() -> Tester {
    let tester = Tester::new().await;
    let (app, now) = (&tester.app, tester.app.now());
    let kept = app.door().passwords.kept(SecretString::from(OLD)).await;
    let kept = kept.expect("a hash");
    let store = app.store();
    let set = store.set_password("admin", &kept, None, now).await;
    set.expect("a person");
    for digest in ["digest", "0123456789abcdef0123456789abcdef"] {
        let added = store.add_session(digest, "admin", LASTING, now).await;
        added.expect("a session");
    }
    tester
}

async fn sessions(tester: &Tester) -> usize {
    let sessions = tester.app.store().sessions().await;
    sessions.expect("sessions").len()
}

#[tokio::test]
async fn a_token_is_shown_on_the_page_that_made_it_and_nowhere_else_and_can_be_revoked() {
    let tester = person().await;
    tester.get(AT).await.says("No program has a token");
    let make = format!("{AT}/tokens");
    let fields = [
        ("name", "nightly"),
        ("scope", "read"),
        ("scope", "ratio-sync"),
        ("ends", "90"),
    ];
    let made = tester.post(&make, &fields).await;
    assert_eq!((made.status.as_u16(), made.location.as_str()), (201, ""));
    let (_, rest) = made.text.split_once("id=\"token\" value=\"").expect("it");
    let token = rest.split('"').next().expect("a value").to_owned();
    assert!(token.starts_with("lst_") && token.len() > 40);
    let kept = tester.app.store().api_tokens().await.expect("tokens");
    assert_eq!(kept[0].scopes, ["read", "ratio-sync"]);
    let days = kept[0].expires_at.expect("an end") - kept[0].created_at;
    assert_eq!(days, 90 * 86_400_000);

    let page = tester.get(AT).await;
    page.never_says(&token);
    page.says("nightly");
    page.says("look, price differences");
    page.says("Made the token nightly (look, price differences)");
    let again = tester.post(&make, &fields).await;
    assert_eq!(again.status, 422);
    again.says("id=\"token-name-wrong\"");
    assert_eq!(again.value("name"), "nightly");
    again.says("value=\"ratio-sync\" checked");

    let id = kept[0].id.as_str();
    let revoked = tester
        .post(&format!("{make}/revoke"), &[("token", id)])
        .await;
    assert_eq!(revoked.location, "/settings/access?said=revoked");
    tester
        .get(&revoked.location)
        .await
        .says("No program has a token");
    let twice = tester
        .post(&format!("{make}/revoke"), &[("token", id)])
        .await;
    assert_eq!(twice.status, 404);
}

#[tokio::test]
async fn a_token_without_a_name_a_scope_or_an_end_that_there_is_is_not_made() {
    let mut tester = person().await;
    let make = format!("{AT}/tokens");
    for language in ["en", "zh-CN"] {
        tester.language = language;
        let page = tester.post(&make, &[("ends", "never")]).await;
        assert_eq!(page.status, 422);
        page.says("id=\"token-name-wrong\"");
        page.says("id=\"scope-wrong\"");
        page.says("value=\"never\" selected");
        let odd = [("name", "a"), ("scope", "everything"), ("ends", "30")];
        assert_eq!(tester.post(&make, &odd).await.status, 422);
        let endless = [("name", "a"), ("scope", "read"), ("ends", "")];
        assert_eq!(tester.post(&make, &endless).await.status, 400);
    }
    let kept = tester.app.store().api_tokens().await.expect("tokens");
    assert!(kept.is_empty());
}

#[tokio::test]
async fn the_password_is_changed_by_whoever_knows_it_and_other_sign_ins_end() {
    let tester = person().await;
    let at = format!("{AT}/password");
    for (old, new, again, wrong) in [
        (OLD, "a next password", "another password", "again-wrong"),
        (OLD, "short", "short", "new-wrong"),
        (
            "canary password",
            "a next password",
            "a next password",
            "old-wrong",
        ),
    ] {
        let page = tester
            .post(&at, &[("old", old), ("new", new), ("again", again)])
            .await;
        assert_eq!(page.status, 422, "{wrong}");
        page.says(&format!("id=\"{wrong}\""));
        page.says("The password was not changed");
        for text in ["canary", "a next password", OLD] {
            page.never_says(text);
        }
    }
    assert_eq!(sessions(&tester).await, 2);
    let new = "a next password";
    let changed = tester
        .post(&at, &[("old", OLD), ("new", new), ("again", new)])
        .await;
    assert_eq!(changed.location, "/settings/access?said=password-changed");
    assert_eq!(sessions(&tester).await, 1);
    let page = tester.get(&changed.location).await;
    page.says("The password is changed");
    page.says("Set the password from 0.0.0.0");
}

#[tokio::test]
async fn sign_ins_are_listed_and_ended_one_by_one_or_all_others() {
    let tester = person().await;
    let page = tester.get(AT).await;
    page.says("(this one)");
    page.says("name=\"end\" value=\"0123456789abcdef\"");
    page.never_says("0123456789abcdef0123");
    let end = format!("{AT}/sign-ins");
    assert_eq!(tester.post(&end, &[("end", "0123")]).await.status, 404);
    let ended = tester.post(&end, &[("end", "0123456789abcdef")]).await;
    assert_eq!(ended.location, "/settings/access?said=sign-ins-ended");
    assert_eq!(sessions(&tester).await, 1);
    tester.get(AT).await.never_says("End all others");
    for digest in ["fedcba98765432100", "fedcba98765432101"] {
        let now = tester.app.now();
        let store = tester.app.store();
        let added = store.add_session(digest, "admin", LASTING, now).await;
        added.expect("a session");
    }
    tester.get(AT).await.says("End all others");
    tester.post(&end, &[("others", "1")]).await;
    assert_eq!(sessions(&tester).await, 1);
    tester.get(AT).await.says("Ended sign-ins: 2");
}

#[tokio::test]
async fn deeds_come_in_pages_newest_first() {
    let tester = person().await;
    for at in 0..30 {
        let data = serde_json::json!({ "name": format!("source {at}.") });
        let store = tester.app.store();
        let noted = store.note_deed(None, "ann", "source_added", &data, at);
        noted.await.expect("noted");
    }
    let page = tester.get(AT).await;
    page.says("Added the price source source 29.");
    page.never_says("source 4.");
    let (_, rest) = page
        .text
        .split_once("href=\"/settings/access?before=")
        .expect("older");
    let before = rest.split(['#', '"']).next().expect("an id");
    let older = tester.get(&format!("{AT}?before={before}")).await;
    older.says("source 4.");
    older.says("source 0.");
    older.never_says("source 5.");
    older.says("href=\"/settings/access#deeds\"");
    older.never_says("?before=");
}

#[tokio::test]
async fn a_program_does_not_open_the_page_of_people_whatever_its_token_may() {
    let caller = Caller {
        who: Who::Token {
            id: "id".to_owned(),
            name: "nightly".to_owned(),
        },
        scopes: vec![Scope::Apply],
    };
    let mut tester = Tester::of(File::default(), caller).await;
    for language in ["en", "zh-CN"] {
        tester.language = language;
        let refused = tester.get(AT).await;
        assert_eq!(refused.status, 403);
        match language {
            "en" => refused.says("This page is for a person who signed in"),
            _ => refused.says("此页面仅供已登录的用户使用"),
        }
    }
    let gateway = super::tester::gateway().await;
    tester.language = "en";
    let added = tester
        .add("main", &gateway.url(), gateway.root_token())
        .await;
    assert_eq!(added.status, 303, "{}", added.text);
    // Nor does it open networks of the inside, on whatever page.
    let network = [("network", "10.0.0.0/8")];
    let allow = "/sites/main/prices/sources/allow";
    assert_eq!(tester.post(allow, &network).await.status, 403);
    assert!(tester.site().await.allow_private.is_empty());
    for (act, fields) in [
        ("password", &[("old", OLD)][..]),
        ("sign-ins", &[("others", "1")]),
        (
            "tokens",
            &[("name", "a"), ("scope", "apply"), ("ends", "never")],
        ),
        ("tokens/revoke", &[("token", "id")]),
    ] {
        let refused = tester.post(&format!("{AT}/{act}"), fields).await;
        assert_eq!(refused.status, 403, "{act}");
    }
}
