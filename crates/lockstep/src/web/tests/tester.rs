//! A server without a socket: requests go straight to the pages, from a person who is signed in.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request, StatusCode};
use axum::response::Response;
use axum::{Extension, Router};
use lockstep_core::change::Subject;
use lockstep_run::Engine;
use lockstep_run::clock::SystemClock;
use lockstep_sim::{Channel, Gateway, Provider, Spec};
use lockstep_store::Store;
use lockstep_store::runs::Run;
use lockstep_store::sites::{Site, SiteEdit};
use serde_json::Value;
use tower::ServiceExt as _;
use tower_http::compression::CompressionLayer;

use crate::config::File;
use crate::server::caller::{Caller, Scope, Who};
use crate::server::{App, Options};

/// What a test may wait for at most.
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

pub(super) struct Tester {
    pub(super) app: App,
    router: Router,
    /// The language that the browser asks for.
    pub(super) language: &'static str,
}

pub(super) struct Page {
    pub(super) status: StatusCode,
    pub(super) location: String,
    pub(super) text: String,
}

pub(super) async fn gateway() -> Gateway {
    let spec = Spec::new()
        .provider(Provider::new("acme", ["gpt-5", "gpt-5-mini"]))
        .channel(Channel::new(1, "Acme").at("acme").models("gpt-5"));
    Gateway::start(spec).await.expect("a gateway")
}

impl Tester {
    pub(super) async fn new() -> Self {
        Self::with(File::default(), Scope::Apply).await
    }

    pub(super) async fn with(file: File, scope: Scope) -> Self {
        let caller = Caller {
            who: Who::Person {
                name: "admin".to_owned(),
                session: "digest".to_owned(),
            },
            scopes: vec![scope],
        };
        Self::of(file, caller).await
    }

    /// A server that somebody asks.
    pub(super) async fn of(file: File, caller: Caller) -> Self {
        let store = Store::open_temporary().await.expect("a store");
        let engine =
            Engine::start(store, Arc::new(SystemClock), "test".to_owned()).expect("an engine");
        let app = App::new(engine, file, Options::default());
        let (api, _) = crate::api::routes(&app).split_for_parts();
        let router = crate::web::routes(&app)
            .merge(api)
            .fallback(crate::web::not_found)
            .layer(Extension(caller))
            .with_state(app.clone());
        Self {
            app,
            router,
            language: "en",
        }
    }

    /// The same server, asked by somebody who is not signed in.
    pub(super) fn stranger(&self) -> Self {
        let router = crate::web::routes(&self.app).with_state(self.app.clone());
        Self {
            app: self.app.clone(),
            router,
            language: self.language,
        }
    }

    /// A server that knows the gateway as `main`.
    pub(super) async fn with_site(gateway: &Gateway) -> Self {
        let tester = Self::new().await;
        let added = tester
            .add("main", &gateway.url(), gateway.root_token())
            .await;
        assert_eq!(added.status, 303, "{}", added.text);
        tester
    }

    pub(super) async fn add(&self, name: &str, url: &str, token: &str) -> Page {
        let fields = [
            ("name", name),
            ("url", url),
            ("user_id", "1"),
            ("token", token),
        ];
        self.post("/sites/add", &fields).await
    }

    /// The same, and its runs take no longer than they have to.
    pub(super) async fn quick(gateway: &Gateway) -> Self {
        let tester = Self::with_site(gateway).await;
        let site = tester.site().await;
        let quick = [
            ("pace", "auto"),
            ("price-gate", "off"),
            ("max-retries", "0"),
        ];
        let set = |(key, value): (&str, &str)| (key.to_owned(), Some(value.to_owned()));
        let edit = SiteEdit {
            settings: Some(quick.into_iter().map(set).collect()),
            ..SiteEdit::default()
        };
        let edited = tester.app.store().edit_site(&site.id, edit).await;
        edited.expect("edited");
        tester
    }

    /// The site `main`.
    pub(super) async fn site(&self) -> Site {
        let sites = self.app.store().sites().await.expect("sites");
        let mut sites = sites.into_iter();
        let main = sites.find(|site| site.name.as_deref() == Some("main"));
        main.expect("the site")
    }

    /// Waits until no run is under way, and answers the newest one about lists.
    pub(super) async fn rest(&self) -> Run {
        self.idle().await;
        let site = self.site().await;
        let newest = self.app.store().latest_run(&site.id, Subject::Models).await;
        newest.expect("asked").expect("a run")
    }

    /// Waits until no run is under way.
    pub(super) async fn idle(&self) {
        let site = self.site().await;
        let idle = async {
            loop {
                let under_way = self.app.store().unfinished_runs(&site.id).await;
                if under_way.expect("runs").is_empty() && self.app.jobs().all().is_empty() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, idle).await.expect("a rest");
    }

    /// Asks for a page until it says this.
    pub(super) async fn until(&self, path: &str, text: &str) -> Page {
        let said = async {
            loop {
                let page = self.get(path).await;
                if page.text.contains(text) {
                    return page;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let said = tokio::time::timeout(PATIENCE, said).await;
        said.unwrap_or_else(|_| panic!("{path} never says {text:?}"))
    }

    /// Opens a stream of events.
    pub(super) async fn stream(&self, path: &str) -> Response {
        let request = Request::builder()
            .uri(path)
            .header("accept-language", self.language);
        let request = request.body(Body::empty()).expect("a request");
        let answer = self.router.clone().oneshot(request);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.expect("in time").expect("an answer")
    }

    /// An answer as it is sent to a browser that can unpack gzip.
    pub(super) async fn packed(&self, path: &str) -> Response {
        let router = self.router.clone().layer(CompressionLayer::new());
        let request = Request::builder()
            .uri(path)
            .header("accept", "text/html")
            .header("accept-encoding", "gzip")
            .header("accept-language", self.language);
        let request = request.body(Body::empty()).expect("a request");
        let answer = tokio::time::timeout(PATIENCE, router.oneshot(request)).await;
        answer.expect("in time").expect("an answer")
    }

    pub(super) async fn get(&self, path: &str) -> Page {
        self.send(Method::GET, path, None).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> Page {
        let mut form = url::form_urlencoded::Serializer::new(String::new());
        form.extend_pairs(fields);
        self.send(Method::POST, path, Some(form.finish())).await
    }

    /// The lines of the file that a page offers of its table, the heading first; `None` where it offers none.
    pub(super) async fn csv(&self, page: &Page) -> Option<Vec<Vec<String>>> {
        let file = self.get(&page.link(".csv")?).await;
        assert_eq!(file.status, 200, "{}", file.text);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .from_reader(file.text.as_bytes());
        let lines = reader.records().map(|line| {
            let line = line.expect("a line");
            line.iter().map(str::to_owned).collect()
        });
        Some(lines.collect())
    }

    /// The same as JSON, by the key that has the rows.
    pub(super) async fn json(&self, page: &Page, key: &str) -> Option<Vec<Value>> {
        let file = self.get(&page.link(".json")?).await;
        assert_eq!(file.status, 200, "{}", file.text);
        let mut whole: Value = serde_json::from_str(&file.text).expect("JSON");
        match whole[key].take() {
            Value::Array(rows) => Some(rows),
            _ => panic!("no {key} in {}", file.text),
        }
    }

    /// Sends a form with a file, as browsers do.
    pub(super) async fn upload(
        &self,
        path: &str,
        fields: &[(&str, &str)],
        (name, text): (&str, &str),
    ) -> Page {
        let mut body = String::new();
        for (field, value) in fields {
            body.push_str(&format!(
                "--edge\r\nContent-Disposition: form-data; name=\"{field}\"\r\n\r\n{value}\r\n"
            ));
        }
        body.push_str(&format!(
            "--edge\r\nContent-Disposition: form-data; name=\"list\"; filename=\"{name}\"\r\n\
             Content-Type: application/json\r\n\r\n{text}\r\n--edge--\r\n"
        ));
        let request = Request::builder().method(Method::POST).uri(path);
        let request = request
            .header("content-type", "multipart/form-data; boundary=edge")
            .header("accept-language", self.language);
        let request = request.body(Body::from(body)).expect("a request");
        self.page(request).await
    }

    /// What the form of all settings sends as it is shown, with some of it changed; an empty text unticks a box.
    pub(super) async fn save(&self, changes: &[(&str, &str)]) -> Page {
        let page = self.get("/sites/main/settings").await;
        let mut fields = page.fields("<form class=\"stack\"");
        for (name, value) in changes {
            fields.retain(|(known, _)| known != name);
            if !value.is_empty() {
                fields.push(((*name).to_owned(), (*value).to_owned()));
            }
        }
        let fields: Vec<(&str, &str)> = fields
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        self.post("/sites/main/settings", &fields).await
    }

    async fn send(&self, method: Method, path: &str, form: Option<String>) -> Page {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header("accept", "text/html")
            .header("accept-language", self.language);
        if form.is_some() {
            request = request.header("content-type", "application/x-www-form-urlencoded");
        }
        let request = request.body(Body::from(form.unwrap_or_default()));
        self.page(request.expect("a request")).await
    }

    /// What comes of a request.
    async fn page(&self, request: Request<Body>) -> Page {
        let answer = self.router.clone().oneshot(request);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        let (parts, body) = answer.expect("in time").expect("an answer").into_parts();
        let body = to_bytes(body, usize::MAX).await.expect("a body");
        let location = parts.headers.get("location");
        Page {
            status: parts.status,
            location: location.map_or_else(String::new, |at| at.to_str().expect("text").to_owned()),
            text: String::from_utf8(body.to_vec()).expect("UTF-8"),
        }
    }
}

impl Page {
    /// Where a link to a file of this ending leads.
    pub(super) fn link(&self, ending: &str) -> Option<String> {
        let links = self.text.split("href=\"").skip(1);
        let mut links = links.filter_map(|rest| rest.split('"').next());
        let found = links.find(|link| {
            let path = link.split('?').next().unwrap_or_default();
            path.ends_with(ending)
        });
        found.map(|link| link.replace("&#38;", "&"))
    }

    #[track_caller]
    pub(super) fn says(&self, text: &str) {
        assert!(
            self.text.contains(text),
            "{text:?} is not in\n{}",
            self.text
        );
    }

    #[track_caller]
    pub(super) fn never_says(&self, text: &str) {
        assert!(!self.text.contains(text), "{text:?} is in\n{}", self.text);
    }

    /// The value of a field that is shown.
    #[track_caller]
    pub(super) fn value(&self, name: &str) -> String {
        let field = format!("name=\"{name}\" value=\"");
        let (_, rest) = self
            .text
            .split_once(&field)
            .unwrap_or_else(|| panic!("no {field}\n{}", self.text));
        rest.split('"').next().unwrap_or_default().to_owned()
    }

    /// What a browser would send of a form, as far as tests need it.
    pub(super) fn fields(&self, form: &str) -> Vec<(String, String)> {
        let (_, rest) = self.text.split_once(form).expect("the form");
        let (form, _) = rest.split_once("</form>").expect("its end");
        let mut fields = Vec::new();
        for tag in form.split('<').skip(1) {
            let (tag, after) = tag.split_once('>').unwrap_or((tag, ""));
            let attribute = |name: &str| {
                let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
                rest.split('"').next().map(str::to_owned)
            };
            let Some(name) = attribute("name") else {
                continue;
            };
            if tag.contains(" disabled") {
                continue;
            }
            let kind = attribute("type").unwrap_or_default();
            match tag.split_whitespace().next() {
                Some("input") if kind == "checkbox" || kind == "radio" => {
                    let ticked = tag.contains(" checked");
                    let value = attribute("value").unwrap_or_else(|| "on".to_owned());
                    fields.extend(ticked.then_some((name, value)));
                }
                Some("input") => fields.push((name, attribute("value").unwrap_or_default())),
                Some("textarea") => fields.push((name, after.to_owned())),
                Some("select") => {
                    let (_, rest) = form.split_once(&format!("name=\"{name}\"")).expect("it");
                    let (options, _) = rest.split_once("</select>").expect("its end");
                    let chosen = options
                        .split("<option")
                        .find(|option| option.contains(" selected"))
                        .expect("one");
                    let (_, value) = chosen.split_once("value=\"").expect("a value");
                    fields.push((name, value.split('"').next().unwrap_or_default().to_owned()));
                }
                _ => {}
            }
        }
        fields
    }
}
