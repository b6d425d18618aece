//! What the API says of itself: OpenAPI 3.1, made from the routes, and a page to read it.

use std::sync::OnceLock;

use axum::Json;
use axum::extract::State;
use axum::response::Html;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::openapi::{ObjectBuilder, OpenApi, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::page;
use crate::server::App;
use crate::server::caller::Reader;

/// The schemas of runs, which the command line's `--json` has too.
const MODEL_RUN: &str = include_str!("../../../../../docs/run.schema.json");
const PRICE_RUN: &str = include_str!("../../../../../docs/price-run.schema.json");

macro_rules! told {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        $(
            $(#[$doc])*
            #[derive(Debug, Serialize)]
            #[serde(transparent)]
            pub(crate) struct $name(pub(crate) Value);

            impl PartialSchema for $name {
                fn schema() -> RefOr<Schema> {
                    // Only its name is used: `document` puts the schema in its place.
                    ObjectBuilder::new().into()
                }
            }

            impl ToSchema for $name {
                fn name() -> std::borrow::Cow<'static, str> {
                    stringify!($name).into()
                }
            }
        )+
    };
}

told! {
    /// What is said of every run, whatever it is about.
    RunHead,
    /// A run with its items.
    RunInFull,
    /// One item of a run.
    RunItem,
}

pub(crate) fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(openapi))
        .routes(routes!(docs))
}

/// This API, as OpenAPI 3.1.
#[utoipa::path(get, path = "/openapi.json", tag = "documentation",
    responses((status = 200, body = Object), (status = "default", body = crate::server::problem::Problem)))]
async fn openapi(State(app): State<App>, _: Reader) -> Json<&'static Value> {
    Json(document(&app))
}

/// This API, as a page to read.
#[utoipa::path(get, path = "/docs", tag = "documentation",
    responses(
        (status = 200, content_type = "text/html", body = String),
        (status = "default", body = crate::server::problem::Problem)
    ))]
async fn docs(State(app): State<App>, _: Reader) -> Html<&'static str> {
    static PAGE: OnceLock<String> = OnceLock::new();
    Html(PAGE.get_or_init(|| page::of(document(&app))))
}

/// The document of all routes. It is made once: routes do not change while the program runs.
pub(crate) fn document(app: &App) -> &'static Value {
    static DOCUMENT: OnceLock<Value> = OnceLock::new();
    DOCUMENT.get_or_init(|| whole(&crate::api::routes(app).into_openapi()))
}

fn whole(routes: &OpenApi) -> Value {
    let mut document = serde_json::to_value(routes).unwrap_or_default();
    document["openapi"] = json!("3.1.0");
    document["info"] = json!({
        "title": "Lockstep",
        "version": env!("CARGO_PKG_VERSION"),
        "description": "Keeps a New API gateway's model lists and prices in step. docs/api.md tells how to sign in, \
                        page, repeat a request and follow events.",
        "license": {"name": env!("CARGO_PKG_LICENSE")},
    });
    document["security"] = json!([{"token": []}, {"session": []}]);
    document["components"]["securitySchemes"] = json!({
        "token": {
            "type": "http",
            "scheme": "bearer",
            "description": "A token that somebody made in Lockstep, with the scopes read, plan or apply; a wider one \
                            includes the narrower ones.",
        },
        "session": {
            "type": "apiKey",
            "in": "cookie",
            "name": "__Host-lockstep",
            "description": "The cookie of somebody who signed in; over plain http it is called `lockstep`. A request that writes must come from Lockstep's own pages.",
        },
    });
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        runs(schemas);
    }
    if let Some(paths) = document["paths"].as_object_mut() {
        for path in paths.values_mut() {
            for operation in path.as_object_mut().into_iter().flat_map(Map::values_mut) {
                mend(operation);
            }
        }
    }
    document
}

/// Puts the schemas of runs among the others.
fn runs(schemas: &mut Map<String, Value>) {
    for (name, text) in [("ModelRun", MODEL_RUN), ("PriceRun", PRICE_RUN)] {
        let mut schema: Value = serde_json::from_str(text).unwrap_or_default();
        moved(&mut schema, name);
        let Some(object) = schema.as_object_mut() else {
            continue;
        };
        object.remove("$schema");
        object.remove("$id");
        if let Some(Value::Object(parts)) = object.remove("$defs") {
            for (part, schema) in parts {
                schemas.insert(format!("{name}.{part}"), schema);
            }
        }
        schemas.insert(name.to_owned(), schema);
    }
    let either = |part: &str| {
        let one = format!("#/components/schemas/ModelRun{part}");
        let other = format!("#/components/schemas/PriceRun{part}");
        json!({"anyOf": [{"$ref": one}, {"$ref": other}]})
    };
    schemas.insert("RunInFull".to_owned(), either(""));
    schemas.insert("RunItem".to_owned(), either(".item"));
    let head = |name: &str| {
        let mut head = schemas.get(name).cloned().unwrap_or_default();
        for part in ["items", "sources", "conflicts", "verified"] {
            if let Some(properties) = head["properties"].as_object_mut() {
                properties.remove(part);
            }
            if let Some(required) = head["required"].as_array_mut() {
                required.retain(|name| name != part);
            }
        }
        head
    };
    let heads = json!({"anyOf": [head("ModelRun"), head("PriceRun")]});
    schemas.insert("RunHead".to_owned(), heads);
}

/// Points the references of a schema to where its parts are in the document.
fn moved(schema: &mut Value, name: &str) {
    match schema {
        Value::Object(object) => {
            if let Some(Value::String(place)) = object.get_mut("$ref")
                && let Some(part) = place.strip_prefix("#/$defs/")
            {
                *place = format!("#/components/schemas/{name}.{part}");
            }
            object.values_mut().for_each(|value| moved(value, name));
        }
        Value::Array(values) => values.iter_mut().for_each(|value| moved(value, name)),
        _ => {}
    }
}

/// What is true of every operation, said once: problems have their own media type, and what writes takes a key.
fn mend(operation: &mut Value) {
    if let Some(responses) = operation["responses"].as_object_mut() {
        for (status, response) in responses {
            let failed = status == "default" || status.starts_with(['4', '5']);
            if let Some(content) = response["content"].as_object_mut()
                && failed
                && let Some(problem) = content.remove("application/json")
            {
                content.insert("application/problem+json".to_owned(), problem);
            }
            if response["description"].as_str().is_none_or(str::is_empty) {
                response["description"] = json!(if failed { "What went wrong." } else { "Done." });
            }
        }
    }
    if let Some(parameters) = operation["parameters"].as_array_mut() {
        for parameter in parameters {
            let said = match parameter["name"].as_str() {
                Some("site") => "The site's name or id.",
                Some("run") => "The run's id, or the start of it.",
                Some("source") => "The source's name.",
                Some("channel") => "The gateway's channel id.",
                _ => continue,
            };
            if parameter["description"].as_str().is_none_or(str::is_empty) {
                parameter["description"] = json!(said);
            }
        }
    }
}
