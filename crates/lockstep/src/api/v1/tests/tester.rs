//! A server without a socket: requests go straight to the router, from a caller that the test chooses.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode, header};
use axum::response::Response;
use axum::{Extension, Router};
use lockstep_run::Engine;
use lockstep_run::clock::SystemClock;
use lockstep_sim::{Channel, Gateway, Provider, Spec};
use lockstep_store::Store;
use lockstep_store::tokens::NewApiToken;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use crate::api;
use crate::api::v1::openapi::document;
use crate::config::File;
use crate::server::caller::{Caller, Scope, Who};
use crate::server::problem::Problem;
use crate::server::{App, Options};

/// What a test may wait for at most.
const PATIENCE: Duration = Duration::from_secs(60);

/// A server over a store of its own.
pub(super) struct Tester {
    pub(super) app: App,
    pub(super) caller: Caller,
    router: Router,
}

/// An answer, held to the document already.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Value,
}

/// Three channels in good health: 1 gains a name, 2 is in order, 3 loses one of ten.
pub(super) fn healthy() -> Spec {
    let ten: Vec<String> = (0..10).map(|n| format!("gamma-{n}")).collect();
    let channel =
        |id, name: &str, at: &str, models: &str| Channel::new(id, name).at(at).models(models);
    Spec::new()
        .provider(Provider::new("acme", ["gpt-5", "gpt-5-mini", "gpt-5-nano"]))
        .provider(Provider::new("beta", ["claude-opus", "claude-sonnet"]))
        .provider(Provider::new("gamma", &ten[..9]))
        .channel(channel(1, "Acme", "acme", "gpt-5,gpt-5-mini"))
        .channel(channel(2, "Beta", "beta", "claude-opus,claude-sonnet"))
        .channel(channel(3, "Gamma 伽玛", "gamma", &ten.join(",")))
}

/// The healthy ones, and 4 that lost most of its names, which is held, and 5 whose provider fails.
pub(super) fn mixed() -> Spec {
    healthy()
        .provider(Provider::new("cheap", ["old-0"]))
        .channel(
            Channel::new(4, "Cheap relay")
                .at("cheap")
                .models("old-0,old-1,old-2,old-3,old-4,old-5"),
        )
        .provider(Provider::new("grok", ["grok-4"]).manner(lockstep_sim::Manner::WantsOtherKey))
        .channel(Channel::new(5, "Grok").at("grok").models("grok-3"))
}

/// Somebody who signed in; his session has to be kept where it is looked for.
pub(super) fn person() -> Caller {
    Caller {
        who: Who::Person {
            name: "admin".to_owned(),
            session: "s".to_owned(),
        },
        scopes: vec![Scope::Apply],
    }
}

impl Tester {
    /// A server without any site.
    pub(super) async fn new() -> Self {
        Self::with_scope(Scope::Apply).await
    }

    /// The same for somebody who may no more than this.
    pub(super) async fn with_scope(scope: Scope) -> Self {
        let store = Store::open_temporary().await.expect("a store");
        let engine =
            Engine::start(store, Arc::new(SystemClock), "test".to_owned()).expect("an engine");
        let app = App::new(engine, File::default(), Options::default());
        Self::over(app, scope).await
    }

    /// Another caller of the same server.
    pub(super) async fn over(app: App, scope: Scope) -> Self {
        let new = NewApiToken {
            name: format!("robot {}", scope.code()),
            hash: scope.code().to_owned(),
            scopes: vec![scope.code().to_owned()],
            created_by: "test".to_owned(),
            expires_at: None,
        };
        let token = app.store().add_api_token(new, app.now()).await;
        let caller = Caller {
            who: Who::Token {
                id: token.expect("a token").id,
                name: "robot".to_owned(),
            },
            scopes: vec![scope],
        };
        Self::with_caller(app, caller)
    }

    /// Whoever it is.
    pub(super) fn with_caller(app: App, caller: Caller) -> Self {
        let (routes, _) = api::routes(&app).split_for_parts();
        let router = routes
            .fallback(|| async { Problem::not_found("page") })
            .method_not_allowed_fallback(|| async { Problem::wrong_method() })
            .layer(Extension(caller.clone()))
            .with_state(app.clone());
        Self {
            app,
            caller,
            router,
        }
    }

    /// A server that knows the gateway as `main`.
    pub(super) async fn with_site(gateway: &Gateway) -> Self {
        let tester = Self::new().await;
        tester.add_site("main", gateway).await;
        tester
    }

    /// A person on the same server.
    pub(super) fn person(&self) -> Self {
        Self::with_caller(self.app.clone(), person())
    }

    /// Adds the gateway, which people alone may.
    pub(super) async fn add_site(&self, name: &str, gateway: &Gateway) {
        let site = json!({
            "name": name, "url": gateway.url(), "user_id": "1", "token": gateway.root_token(),
            "settings": {"pace": "auto", "price-gate": "off"}
        });
        let added = self.person().post("/api/v1/sites", site).await;
        assert_eq!(added.status, 201, "{}", added.body);
    }

    pub(super) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, None, &[]).await
    }

    pub(super) async fn post(&self, path: &str, body: Value) -> Answer {
        self.send(Method::POST, path, Some(body), &[]).await
    }

    /// Sends a request and holds its answer to the document.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Value>,
        headers: &[(&str, &str)],
    ) -> Answer {
        let sent = body.map_or_else(Vec::new, |body| body.to_string().into_bytes());
        let json = [("content-type", "application/json")];
        let all: Vec<_> = json.iter().chain(headers).copied().collect();
        let response = self.raw(method.clone(), path, sent, &all).await;
        let status = response.status();
        let headers = response.headers().clone();
        let bytes = whole(response).await;
        let body = if bytes.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&bytes).expect("JSON")
        };
        let answer = Answer {
            status,
            headers,
            body,
        };
        self.fits(&method, path, &answer);
        answer
    }

    /// Sends a request as it is.
    pub(super) async fn raw(
        &self,
        method: Method,
        path: &str,
        body: Vec<u8>,
        headers: &[(&str, &str)],
    ) -> Response {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body)).expect("a request");
        let answer = self.router.clone().oneshot(request);
        let answer = tokio::time::timeout(PATIENCE, answer).await;
        answer.expect("it answers in time").expect("it answers")
    }

    /// Waits until a run is in one of the states, and answers it in full.
    pub(super) async fn until(&self, run: &str, states: &[&str]) -> Value {
        let waited = tokio::time::timeout(PATIENCE, async {
            loop {
                // The process lets go of a run a moment after it is at rest, and what it did then is told too.
                let left = self.app.jobs().running(run).is_none();
                let told = self.get(&format!("/api/v1/sites/main/runs/{run}")).await;
                if left && states.iter().any(|state| told.body["state"] == *state) {
                    return told.body;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        waited.await.expect("the run gets there")
    }

    /// Starts a run, and waits until it is at rest.
    pub(super) async fn run(&self, body: Value) -> Value {
        let begun = self.post("/api/v1/sites/main/runs", body).await;
        assert_eq!(begun.status, 202, "{}", begun.body);
        let run = begun.body["run"].as_str().expect("an id");
        self.until(run, &["planned", "done", "partial", "failed", "cancelled"])
            .await
    }

    /// An answer is one that the document promises.
    fn fits(&self, method: &Method, path: &str, answer: &Answer) {
        let document = document(&self.app);
        let path = path.split('?').next().expect("a path");
        let Some(template) = template(document, path) else {
            assert_eq!(answer.status, 404, "{path} is not in the document");
            return;
        };
        let method = method.as_str().to_lowercase();
        let operation = &document["paths"][template][method.as_str()];
        if operation.is_null() {
            assert_eq!(
                answer.status, 405,
                "{method} {template} is not in the document"
            );
            return;
        }
        let responses = &operation["responses"];
        let promised = match responses.get(answer.status.as_str()) {
            Some(promised) => promised,
            None => {
                assert!(
                    answer.status.as_u16() >= 400,
                    "{method} {template}: {}",
                    answer.status
                );
                &responses["default"]
            }
        };
        let Some(content) = promised["content"].as_object() else {
            assert!(answer.body.is_null(), "{method} {template} answers a body");
            return;
        };
        let media = answer.headers[header::CONTENT_TYPE]
            .to_str()
            .expect("a text");
        let schema = content
            .get(media)
            .unwrap_or_else(|| panic!("{method} {template} answers {media}, not {promised}"));
        holds(document, &schema["schema"], &answer.body);
    }
}

/// The value is one of the schema, which is a part of the document.
#[track_caller]
pub(super) fn holds(document: &Value, schema: &Value, value: &Value) {
    let whole = json!({"allOf": [schema], "components": document["components"]});
    let validator = jsonschema::options()
        .should_validate_formats(true)
        .build(&whole)
        .expect("a schema");
    let wrong: Vec<String> = validator
        .iter_errors(value)
        .map(|error| format!("{error} at {}", error.instance_path()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?}\n{value}\nis not\n{schema}");
}

/// The path of the document that a real one is of; the one with the fewest parts that vary.
fn template<'a>(document: &'a Value, path: &str) -> Option<&'a str> {
    let parts: Vec<&str> = path.split('/').collect();
    let fits = |template: &&String| {
        let wanted: Vec<&str> = template.split('/').collect();
        wanted.len() == parts.len()
            && wanted
                .iter()
                .zip(&parts)
                .all(|(wanted, part)| wanted.starts_with('{') || wanted == part)
    };
    let paths = document["paths"].as_object().expect("paths");
    let found = paths.keys().filter(fits);
    found
        .min_by_key(|template| template.matches('{').count())
        .map(String::as_str)
}

pub(super) async fn whole(response: Response) -> Bytes {
    let read = to_bytes(response.into_body(), usize::MAX);
    let read = tokio::time::timeout(PATIENCE, read).await;
    read.expect("it ends in time").expect("a body")
}
