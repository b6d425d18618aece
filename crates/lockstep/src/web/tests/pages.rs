//! What pages show, take and refuse.

use axum::body::to_bytes;
use axum::http::Request;
use futures_util::FutureExt as _;
use lockstep_core::change::Subject;
use lockstep_core::site::GatewayUrl;
use lockstep_store::schedule::{Mode, Rhythm};

use super::tester::{Tester, gateway};
use crate::config::File;
use crate::server::caller::Scope;
use crate::server::door;
use crate::web::frame::Here;

const SETTINGS: &str = "/sites/main/settings";

#[tokio::test]
async fn the_navigation_leads_to_pages_that_are_there_and_to_no_other() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    for code in [
        "overview", "models", "channels", "prices", "unpriced", "history", "settings",
    ] {
        let page = Here::of_code(code).expect("a page");
        let path = match page {
            Here::Overview => "/".to_owned(),
            _ => format!("/sites/main/{code}"),
        };
        let status = tester.get(&path).await.status;
        assert!(status.is_success(), "{path}: {status}");
        let link = format!("class=\"item\" href=\"{path}\"");
        assert!(tester.get("/").await.text.contains(&link));
    }
}

#[test]
fn whoever_sends_a_form_too_late_is_led_back_to_the_table_as_it_was() {
    let table = "/sites/main/models?show=failed&q=a+b&sort=-name&page=2";
    for (from, back) in [
        (format!("https://lockstep.example{table}&said=saved"), table),
        ("https://lockstep.example/".to_owned(), "/"),
        // Only a path is taken, and none that would be taken for another host.
        ("https://elsewhere.example/a?b=c".to_owned(), "/a?b=c"),
        ("https://lockstep.example//evil.example/x".to_owned(), "/"),
        ("nonsense".to_owned(), "/"),
    ] {
        let request = Request::post("/sites/main/models/run").header("referer", &from);
        let (parts, ()) = request.body(()).expect("a request").into_parts();
        let way_in = door::way_in(&back.parse().expect("an address"));
        let answer = crate::web::signed_out(&parts);
        let text = to_bytes(answer.into_body(), usize::MAX).now_or_never();
        let text = text.expect("it is there").expect("a page");
        let text = String::from_utf8(text.to_vec()).expect("a text");
        assert!(
            text.contains(&format!("href=\"{way_in}\"")),
            "{from}: {text}"
        );
    }
}

#[tokio::test]
async fn an_empty_overview_says_how_to_begin_in_both_languages() {
    let mut tester = Tester::new().await;
    let page = tester.get("/").await;
    page.says("No gateway is connected yet");
    page.says("href=\"/sites/add\"");
    page.never_says("/sites/main");
    page.never_says("href=\"/settings\"");
    tester.language = "zh-CN";
    let page = tester.get("/").await;
    page.says("<html lang=\"zh-CN\">");
    page.never_says("No gateway");
}

#[tokio::test]
async fn a_gateway_is_tested_before_it_is_kept_and_its_token_is_never_shown() {
    let gateway = gateway().await;
    let tester = Tester::new().await;
    let refused = tester.add("main", &gateway.url(), "not-the-token").await;
    assert_eq!(refused.status, 422);
    refused.says("The site was not kept");
    refused.says("paste it once more");
    refused.never_says("not-the-token");
    assert_eq!(refused.value("name"), "main");
    assert_eq!(refused.value("url"), gateway.url());
    assert!(tester.app.store().sites().await.expect("sites").is_empty());
    let url = gateway.url();
    let fields = [
        ("name", "main"),
        ("url", url.as_str()),
        ("user_id", "1"),
        ("token", gateway.root_token()),
        ("test", "1"),
    ];
    let tested = tester.post("/sites/add", &fields).await;
    assert_eq!(tested.status, 200);
    tested.says("token: accepted");
    assert!(tester.app.store().sites().await.expect("sites").is_empty());
    let kept = tester.post("/sites/add", &fields[..4]).await;
    assert_eq!(kept.location, "/?said=site-kept");
    let page = tester.get(&kept.location).await;
    page.says("The site is kept");
    page.says("Nothing has run yet");
    let again = tester.post("/sites/add", &fields[..4]).await;
    again.says("Another site has this name");
    for page in [refused, tested, page, again, tester.get(SETTINGS).await] {
        page.never_says(gateway.root_token());
    }
}

#[tokio::test]
async fn every_mistake_of_a_gateway_is_beside_its_field() {
    let tester = Tester::new().await;
    let fields = [
        ("name", "add"),
        ("url", "ftp://x"),
        ("user_id", "root"),
        ("token", "two words"),
        ("console_url", "javascript:alert(1)"),
        ("allow_private", "10.0.0.0/8\nnonsense<b>"),
    ];
    let page = tester.post("/sites/add", &fields).await;
    assert_eq!(page.status, 422);
    for field in [
        "name",
        "url",
        "user_id",
        "token",
        "console_url",
        "allow_private",
    ] {
        page.says(&format!("id=\"{field}-wrong\""));
    }
    page.says("nonsense&#60;b&#62;");
    page.never_says("two words");
    page.never_says("<b>nonsense");
}

#[tokio::test]
async fn a_site_is_edited_and_its_token_stays_or_is_given_again_for_another_address() {
    let (gateway, elsewhere) = (gateway().await, gateway_elsewhere().await);
    let tester = Tester::with_site(&gateway).await;
    let url = gateway.url();
    let edit = async |name: &str, url: &str, token: &str| {
        let fields = [("name", name), ("url", url), ("token", token)];
        tester.save(&fields).await
    };
    let moved = edit("main", &elsewhere.url(), "").await;
    assert_eq!(moved.status, 422);
    moved.says("id=\"token-wrong\"");
    let moved = edit("main", &elsewhere.url(), elsewhere.root_token()).await;
    assert_eq!(moved.location, "/sites/main/settings?said=saved");
    let back = edit("main", &url, gateway.root_token()).await;
    assert_eq!(back.status, 303);
    let named = edit("a b/c", &url, "").await;
    assert_eq!(named.location, "/sites/a%20b%2Fc/settings?said=saved");
    tester
        .get(&named.location)
        .await
        .says("<p class=\"quiet\">a b/c");
}

#[tokio::test]
async fn one_save_keeps_the_gateway_and_the_settings_and_a_test_keeps_neither() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let both = [
        ("name", "hall"),
        ("token", "not-the-token"),
        ("requests-per-minute", "25"),
    ];
    let refused = tester.save(&both).await;
    assert_eq!(refused.status, 422);
    refused.says("The test failed");
    refused.never_says("not-the-token");
    assert_eq!(refused.value("name"), "hall");
    assert_eq!(refused.value("requests-per-minute"), "25");
    assert!(stored(&tester).await.is_empty());
    let named = [("name", "hall"), ("requests-per-minute", "25")];
    let tested = tester.save(&[&named[..], &[("test", "1")]].concat()).await;
    assert_eq!(tested.status, 200);
    tested.says("The gateway answers and the token is accepted");
    assert_eq!(tested.value("name"), "hall");
    assert_eq!(tested.value("requests-per-minute"), "25");
    assert!(stored(&tester).await.is_empty());
    let saved = tester.save(&named).await;
    assert_eq!(saved.location, "/sites/hall/settings?said=saved");
    let page = tester.get(&saved.location).await;
    assert_eq!(page.value("name"), "hall");
    assert_eq!(page.value("requests-per-minute"), "25");
}

#[tokio::test]
async fn what_is_not_saved_leads_to_every_field_that_is_wrong() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let refused = tester
        .save(&[
            ("url", "ftp://x"),
            ("limit-removal", "400"),
            ("burst", "no"),
        ])
        .await;
    assert_eq!(refused.status, 422);
    refused.says("<b>Not saved</b><ul");
    for field in ["url", "limit-removal", "burst"] {
        refused.says(&format!("<li><a href=\"#{field}\">"));
        refused.says(&format!(" id=\"{field}\" "));
    }
    assert_eq!(refused.text.matches("<li><a href=\"#").count(), 3);
    let refused = tester.add("add", "ftp://x", "token").await;
    for field in ["name", "url"] {
        refused.says(&format!("<li><a href=\"#{field}\">"));
    }
}

async fn gateway_elsewhere() -> lockstep_sim::Gateway {
    gateway().await
}

#[tokio::test]
async fn a_site_goes_only_when_it_is_named() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let kept = tester
        .post("/sites/main/remove", &[("confirm", "Main")])
        .await;
    assert_eq!(kept.status, 422);
    kept.says("id=\"confirm-wrong\"");
    let gone = tester
        .post("/sites/main/remove", &[("confirm", "main")])
        .await;
    assert_eq!(gone.location, "/?said=site-removed");
    assert_eq!(tester.get(SETTINGS).await.status, 404);
}

#[tokio::test]
async fn settings_are_kept_all_or_none_and_nothing_typed_is_lost() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let page = tester.get(SETTINGS).await;
    for text in [
        "New API Base URL",
        "Admin Token",
        "User ID",
        "Requests Per Minute",
        "Recommended: 10 to 30",
        "Possible: 1 to 120",
        "View Execution &#38; Results",
    ] {
        page.says(text);
    }
    let wrong = tester
        .save(&[
            ("concurrency", "99"),
            ("requests-per-minute", "25"),
            ("keep", "a\nb"),
        ])
        .await;
    assert_eq!(wrong.status, 422);
    wrong.says("id=\"concurrency-wrong\"");
    assert_eq!(wrong.value("requests-per-minute"), "25");
    wrong.says(">a\nb</textarea>");
    assert!(stored(&tester).await.is_empty());
    let saved = tester
        .save(&[
            ("concurrency", "4"),
            ("requests-per-minute", "25"),
            ("enabled-only", "on"),
        ])
        .await;
    assert_eq!(saved.location, "/sites/main/settings?said=saved");
    assert_eq!(
        stored(&tester).await,
        [
            "concurrency=4",
            "enabled-only=true",
            "requests-per-minute=25"
        ]
    );
    let page = tester.get(SETTINGS).await;
    page.says("Concurrency 4 is outside the recommended 1 to 3");
    // What goes back to its default is forgotten, a box that is no longer ticked too.
    let back = tester
        .save(&[("concurrency", "2"), ("enabled-only", "")])
        .await;
    assert_eq!(back.status, 303);
    assert_eq!(stored(&tester).await, ["requests-per-minute=25"]);
    let same = tester.save(&[]).await;
    assert_eq!(same.location, "/sites/main/settings?said=unchanged");
    assert_eq!(tester.save(&[("pace", "unlimited")]).await.status, 422);
}

async fn stored(tester: &Tester) -> Vec<String> {
    let site = tester
        .app
        .store()
        .site_by_name("main")
        .await
        .expect("the site");
    site.settings
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect()
}

#[tokio::test]
async fn what_somebody_changed_meanwhile_is_shown_and_not_overwritten() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let seen = tester.get(SETTINGS).await.value("seen");
    assert_eq!(tester.save(&[("burst", "7")]).await.status, 303);
    let late = tester
        .post(SETTINGS, &[("seen", &seen), ("burst", "9")])
        .await;
    assert_eq!(late.status, 409);
    late.says("Somebody changed this meanwhile");
    assert_eq!(late.value("burst"), "7");
    assert_eq!(stored(&tester).await, ["burst=7"]);
}

#[tokio::test]
async fn auto_sync_waits_for_a_first_review_and_is_then_switched_on_and_off() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let page = tester.get(SETTINGS).await;
    page.says("Auto-sync can be switched on once a first plan was reviewed.");
    let early = tester.save(&[("models-on", "on")]).await;
    assert_eq!(early.status, 422);
    early.says("id=\"models-wrong\"");
    plan(&tester, &gateway).await;
    let bad = tester
        .save(&[("models-on", "on"), ("models-hours", "25"), ("burst", "6")])
        .await;
    assert_eq!(bad.status, 422);
    assert_eq!(bad.value("models-hours"), "25");
    let line = tester
        .save(&[
            ("models-on", "on"),
            ("models-rhythm", "cron"),
            ("models-cron", "no line"),
        ])
        .await;
    line.says("This cron line cannot be read");
    assert!(stored(&tester).await.is_empty());
    let on = tester
        .save(&[
            ("models-on", "on"),
            ("models-hours", "8"),
            ("models-mode", "propose"),
        ])
        .await;
    assert_eq!(on.status, 303, "{}", on.text);
    let schedules = tester.app.store().schedules(None).await.expect("schedules");
    assert_eq!(schedules.len(), 1);
    assert_eq!(schedules[0].subject, Subject::Models);
    assert_eq!(schedules[0].plan.rhythm, Rhythm::Every { hours: 8 });
    assert_eq!(schedules[0].plan.mode, Mode::Propose);
    assert_eq!(schedules[0].plan.by, "admin");
    let page = tester.get(SETTINGS).await;
    page.says("Next Scheduled Time");
    page.never_says("models-hours-warned");
    assert_eq!(
        tester.save(&[]).await.location,
        "/sites/main/settings?said=unchanged"
    );
    // More often than is good is taken, and warned of.
    tester.save(&[("models-hours", "5")]).await;
    tester
        .get(SETTINGS)
        .await
        .says("id=\"models-hours-warned\">Recommended: 6 to 12");
    let off = tester.save(&[("models-on", "")]).await;
    assert_eq!(off.status, 303);
    assert!(
        tester
            .app
            .store()
            .schedules(None)
            .await
            .expect("none")
            .is_empty()
    );
}

/// Plans all channels, as somebody who looks does.
async fn plan(tester: &Tester, gateway: &lockstep_sim::Gateway) {
    use lockstep_run::{Request, SiteAccess, Source};
    let site = tester
        .app
        .store()
        .site_by_name("main")
        .await
        .expect("the site");
    let token = tester
        .app
        .store()
        .token(&site.id)
        .await
        .expect("asked")
        .expect("a token");
    let mut settings = lockstep_core::settings::Settings::default();
    settings.set("pace", "auto").expect("a pace");
    settings.set("price-gate", "off").expect("a gate");
    let session = tester
        .app
        .engine()
        .session(SiteAccess { site, token }, &settings);
    let request = Request {
        source: Source::All,
        settings: settings.clone(),
        policy: None,
        unattended: false,
        own_settings: true,
        go_on: false,
        after: None,
        ahead: lockstep_run::Ahead::default(),
    };
    let run = session.plan(&request, &Default::default()).await;
    run.expect("a plan");
    assert!(gateway.effective_writes().is_empty());
}

#[tokio::test]
async fn the_overview_shows_the_last_run_and_a_picture_with_a_table_beside() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    plan(&tester, &gateway).await;
    let page = tester.get("/").await;
    for text in [
        "Total Channels",
        "Success Count",
        "Failure Count",
        "Held",
        "Skipped",
        "Duration",
        "Next Scheduled Time",
        "Not scheduled",
        "A plan waits to be applied",
        "<rect class=\"ok\"",
        "As a table",
        "1 channels take about",
    ] {
        match text {
            "1 channels take about" => tester.get(SETTINGS).await.says(text),
            _ => page.says(text),
        }
    }
}

#[tokio::test]
async fn what_the_overview_says_leads_to_the_page_that_shows_it() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    plan(&tester, &gateway).await;
    let page = tester.get("/").await;
    page.says("<a class=\"badge wait\" href=\"/sites/main/models\">Model lists: A plan waits");
    page.says("<a href=\"/sites/main/models?show=success\">");
    // Nothing leads to where nothing is to be seen.
    page.never_says("show=failed");
}

#[tokio::test]
async fn a_test_of_the_gateway_and_the_settings_tell_the_same_time() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    plan(&tester, &gateway).await;
    let slow = [
        ("pace", "fixed"),
        ("requests-per-minute", "1"),
        ("burst", "1"),
    ];
    assert_eq!(tester.save(&slow).await.status, 303);
    let tested = tester.save(&[("test", "1")]).await;
    // Two requests, one at once and the other a minute later.
    tested.says("1 channels take about 1 min at this pace");
    tested.says("a run waits 1 min at this pace");
}

#[tokio::test]
async fn what_the_file_says_is_shown_and_not_changed() {
    let gateway = gateway().await;
    let file: File = toml::from_str("[sync]\nconcurrency = 1\n").expect("a file");
    let tester = Tester::with(file, Scope::Apply).await;
    tester
        .add("main", &gateway.url(), gateway.root_token())
        .await;
    let page = tester.get(SETTINGS).await;
    assert_eq!(page.value("concurrency"), "1");
    page.says("Set by the configuration file or the environment");
    let fields = [
        ("seen", page.value("seen")),
        ("concurrency", "3".to_owned()),
    ];
    let fields = fields
        .each_ref()
        .map(|(name, value)| (*name, value.as_str()));
    tester.post(SETTINGS, &fields).await;
    assert!(stored(&tester).await.is_empty());
}

#[tokio::test]
async fn whoever_may_look_only_changes_nothing() {
    let tester = Tester::with(File::default(), Scope::Read).await;
    assert_eq!(tester.get("/").await.status, 200);
    let refused = tester.add("main", "https://gateway.example", "token").await;
    assert_eq!(refused.status, 403);
    refused.says("<html");
}

#[tokio::test]
async fn what_the_address_says_was_done_is_a_word_that_is_known() {
    let tester = Tester::new().await;
    tester
        .get("/?said=saved")
        .await
        .says("role=\"status\"><b>Saved</b>");
    for free in ["/?said=%3Cb%3EYou+won", "/?said=Saved", "/?said="] {
        tester.get(free).await.never_says("role=\"status\"");
    }
    // It is not said again where the language is changed.
    assert_eq!(tester.get("/?said=saved&x=1").await.value("back"), "/?x=1");
}

#[tokio::test]
async fn a_language_is_chosen_and_leads_back_to_a_page_of_ours() {
    let tester = Tester::new().await;
    let chosen = tester
        .post(
            "/language",
            &[("language", "zh-CN"), ("back", "/sites/add?x=1")],
        )
        .await;
    assert_eq!(chosen.location, "/sites/add?x=1");
    let chosen = tester
        .post(
            "/language",
            &[("language", "xx"), ("back", "//evil.example")],
        )
        .await;
    assert_eq!(chosen.location, "/");
}

#[tokio::test]
async fn the_settings_have_the_language_and_say_where_light_and_dark_come_from() {
    let gateway = gateway().await;
    let mut tester = Tester::with_site(&gateway).await;
    for (language, title) in [("en", "Language"), ("zh-CN", "语言")] {
        tester.language = language;
        let page = tester.get("/sites/main/settings").await;
        page.says(&format!("<h2 id=\"language\">{title}</h2>"));
        for (tag, name) in [("en", "English"), ("zh-CN", "简体中文")] {
            let here = match tag == language {
                true => " aria-current=\"true\"",
                false => "",
            };
            page.says(&format!(
                "value=\"{tag}\" lang=\"{tag}\"{here}>{name}</button>"
            ));
        }
        let t = crate::words::Lang::of_tag(language).expect("one").words();
        page.says(&t.settings.theme_hint);
        let fields = page.fields("<h2 id=\"language\">");
        assert!(fields.contains(&("back".to_owned(), "/sites/main/settings".to_owned())));
    }
}

#[tokio::test]
async fn a_choice_of_site_leads_to_the_page_that_was_open() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    tester
        .add("second", &gateway.url(), gateway.root_token())
        .await;
    tester.get("/").await.says("<select name=\"site\"");
    let led = tester.get("/go?site=second&page=settings").await;
    assert_eq!(led.location, "/sites/second/settings");
    assert_eq!(
        tester.get("/go?site=nothing&page=settings").await.location,
        "/"
    );
    assert_eq!(tester.get("/nothing").await.status, 404);
    tester.get("/nothing").await.says("There is no such page");
    let made = tester.post("/sites/second/default", &[]).await;
    assert_eq!(made.location, "/sites/second/settings?said=saved");
    let default = tester.app.store().default_site().await.expect("asked");
    assert_eq!(
        default.and_then(|site| site.name).as_deref(),
        Some("second")
    );
}

#[tokio::test]
async fn a_missing_token_is_said_on_each_page_that_it_blocks_with_the_way_to_its_field() {
    let gateway = gateway().await;
    let tester = Tester::with_site(&gateway).await;
    let pages = ["models", "prices", "unpriced"];
    for page in pages {
        let page = tester.get(&format!("/sites/main/{page}")).await;
        page.never_says("Admin Token is missing");
    }
    // One that nobody named has no token of its own.
    let url = GatewayUrl::parse("http://127.0.0.1:9").expect("an address");
    let store = tester.app.store();
    let bare = store.site_for_url(&url, tester.app.now()).await;
    let bare = bare.expect("a site").id;
    store
        .add_source(&bare, "official", "official")
        .await
        .expect("a source");
    for page in pages {
        let page = tester.get(&format!("/sites/{bare}/{page}")).await;
        page.says("Admin Token is missing");
        page.says(&format!("href=\"/sites/{bare}/settings#token\""));
        page.never_says("id=\"working\"");
    }
    let prices = tester.get(&format!("/sites/{bare}/prices")).await;
    prices.says("<button class=\"button\" disabled>Fetch");
    tester
        .get(&format!("/sites/{bare}/settings"))
        .await
        .says("id=\"token\"");
}
