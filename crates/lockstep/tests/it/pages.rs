//! The pages as browsers without JavaScript use them: forms, redirects, cookies.

use crate::canary;
use crate::server::{PASSWORD, Server};
use crate::tester::Shell;
use crate::world::{guarded, healthy, start};

/// A browser's way in: the link in the terminal, pasted into its page.
async fn first_start(shell: &Shell) -> Server {
    let mut server = Server::start(shell).await;
    let link = server.link().expect("a link in the terminal");
    let fields = [
        ("link", link.as_str()),
        ("password", PASSWORD),
        ("again", PASSWORD),
    ];
    let entered = server.form("/sign-in/link", &fields).await.is(303);
    assert_eq!(entered.header("location"), "/");
    server.always("cookie", &entered.cookie());
    server
}

#[tokio::test]
async fn the_first_start_sets_a_password_by_a_page() {
    let shell = Shell::new();
    let server = Server::start(&shell).await;
    let link = server.link().expect("a link in the terminal");
    let led = server.page("/").await.is(303);
    assert_eq!(led.header("location"), "/sign-in");
    let page = server.page("/sign-in").await.is(200);
    page.says("Nobody can sign in yet");
    page.says("href=\"/sign-in/link\"");
    server
        .page("/sign-in/link")
        .await
        .is(200)
        .says("Set a password");
    let send = async |link: &str, password: &str, again: &str| {
        let fields = [("link", link), ("password", password), ("again", again)];
        server.form("/sign-in/link", &fields).await
    };
    let differ = send(&link, PASSWORD, "another one of it").await.is(400);
    differ.says("id=\"wrong-again\"");
    // What was pasted is still there, what is a password is not.
    differ.says(&format!("value=\"{link}\""));
    assert!(!differ.text().contains(PASSWORD));
    send(&link, "short", "short")
        .await
        .is(400)
        .says("id=\"wrong-password\"");
    send("nothing", PASSWORD, PASSWORD)
        .await
        .is(401)
        .says("id=\"wrong-link\"");
    // The whole address does as well.
    let whole = format!("{}/sign-in/link#{link}", server.url);
    let entered = send(&whole, PASSWORD, PASSWORD).await.is(303);
    assert!(entered.header("set-cookie").contains("HttpOnly"));
    send(&link, PASSWORD, PASSWORD)
        .await
        .is(401)
        .says("This link is not valid any more");
    let (said, _) = server.stop().await;
    assert_eq!(
        said.matches(&link).count(),
        1,
        "the link is told once, in the terminal"
    );
}

#[tokio::test]
async fn an_expired_sign_in_leads_back_to_the_page_that_was_asked_for() {
    let shell = Shell::new();
    let mut server = first_start(&shell).await;
    let out = server.form("/sign-out", &[]).await.is(303);
    assert_eq!(out.header("location"), "/sign-in");
    let led = server.page("/sites/add?x=1").await.is(303);
    let way_in = led.header("location").to_owned();
    assert_eq!(way_in, "/sign-in?back=%2Fsites%2Fadd%3Fx%3D1");
    server
        .page(&way_in)
        .await
        .is(200)
        .says("name=\"back\" value=\"/sites/add?x=1\"");
    let form = [
        ("name", "admin"),
        ("password", "not this one"),
        ("back", "/sites/add?x=1"),
    ];
    let wrong = server.form("/sign-in", &form).await.is(401);
    wrong.says("Name or password is wrong");
    wrong.says("name=\"back\" value=\"/sites/add?x=1\"");
    // A form that is sent then is not lost either: the page says how to go on.
    let lost = server.form("/sites/add", &[("name", "main")]).await.is(401);
    lost.says("Your sign-in has expired");
    let form = [
        ("name", "admin"),
        ("password", PASSWORD),
        ("back", "//evil.example"),
    ];
    let entered = server.form("/sign-in", &form).await.is(303);
    assert_eq!(entered.header("location"), "/");
    server.always("cookie", &entered.cookie());
    server.page("/sites/add?x=1").await.is(200);
    let known = server.page(&way_in).await.is(303);
    assert_eq!(known.header("location"), "/sites/add?x=1");
    server.stop().await;
}

#[tokio::test]
async fn a_page_of_another_site_sends_no_form() {
    let shell = Shell::new();
    let server = first_start(&shell).await;
    for headers in [
        [
            ("sec-fetch-site", "cross-site"),
            ("origin", "https://evil.example"),
        ],
        [("sec-fetch-site", ""), ("origin", "https://evil.example")],
    ] {
        let form = ("content-type", "application/x-www-form-urlencoded");
        let headers = [headers[0], headers[1], form];
        for path in ["/sites/add", "/sign-out", "/sign-in", "/language"] {
            let body = Some("name=main".to_owned());
            let answer = server.send(hyper::Method::POST, path, &headers, body).await;
            assert_eq!(answer.status(), 403, "{path} {headers:?}");
        }
    }
    server.page("/").await.is(200);
    server.stop().await;
}

#[tokio::test]
async fn a_gateway_is_connected_changed_and_removed_and_its_log_shows_no_write() {
    let gateway = start(guarded(healthy())).await;
    let shell = Shell::new();
    let server = first_start(&shell).await;
    server
        .page("/")
        .await
        .is(200)
        .says("No gateway is connected yet");
    let url = gateway.url();
    let add = async |url: &str, token: &str| {
        let fields = [
            ("name", "main"),
            ("url", url),
            ("user_id", "1"),
            ("token", token),
        ];
        server.form("/sites/add", &fields).await
    };
    add("", canary::ROOT).await.is(422).says("id=\"url-wrong\"");
    add(&url, "wrong")
        .await
        .is(422)
        .says("<span class=\"badge bad\">wrong</span>");
    add("http://127.0.0.1:9", canary::ROOT)
        .await
        .is(422)
        .says("badge bad");
    let kept = add(&url, canary::ROOT).await.is(303);
    server
        .page(kept.header("location"))
        .await
        .is(200)
        .says("The site is kept");
    let page = server.page("/sites/main/settings").await.is(200);
    page.says("A token is stored");
    let page = page.text();
    let edit = [
        ("seen", seen_in(&page)),
        ("name", "main"),
        ("url", url.as_str()),
        ("user_id", "1"),
        ("token", ""),
        ("console_url", "https://console.example"),
    ];
    let test = [&edit[..], &[("test", "1")]].concat();
    server
        .form("/sites/main/settings", &test)
        .await
        .is(200)
        .says("the token is accepted");
    server.form("/sites/main/settings", &edit).await.is(303);
    // Reviewed at the terminal, switched on in the browser.
    shell.run(&["plan", "--site", "main"]).await.is(2);
    server
        .page("/")
        .await
        .is(200)
        .says("A plan waits to be applied");
    let page = server.page("/sites/main/settings").await.is(200).text();
    let seen = seen_in(&page);
    let on = [
        ("seen", seen),
        ("models-on", "on"),
        ("models-rhythm", "hours"),
        ("models-hours", "12"),
        ("models-mode", "apply"),
    ];
    server.form("/sites/main/settings", &on).await.is(303);
    let (schedule, _) = shell.json(&["schedule", "show", "--site", "main"]).await;
    assert_eq!(schedule["schedules"][0]["every_hours"], 12, "{schedule}");
    server.page("/").await.is(200).says("Next Scheduled Time");
    server
        .form("/sites/main/remove", &[("confirm", "no")])
        .await
        .is(422);
    server
        .form("/sites/main/remove", &[("confirm", "main")])
        .await
        .is(303);
    server.page("/sites/main/settings").await.is(404);
    assert!(gateway.effective_writes().is_empty());
    server.stop().await;
}

/// What the form of the settings was made of.
fn seen_in(page: &str) -> &str {
    let (_, seen) = page
        .split_once("name=\"seen\" value=\"")
        .expect("what it was made of");
    seen.split('"').next().expect("it")
}

#[tokio::test]
async fn a_language_is_kept_by_the_browser() {
    let shell = Shell::new();
    let mut server = Server::start(&shell).await;
    let chosen = server
        .form("/language", &[("language", "zh-CN"), ("back", "/sign-in")])
        .await
        .is(303);
    assert_eq!(chosen.header("location"), "/sign-in");
    server.always("cookie", &chosen.cookie());
    let page = server.page("/sign-in").await.is(200);
    page.says("<html lang=\"zh-CN\">");
    assert!(page.text().contains("登录"));
    server.stop().await;
}
