//! The document of the API as a page: plain HTML without any script, to be read in every browser.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde_json::{Map, Value};

/// The page of a document.
pub(crate) fn of(document: &Value) -> String {
    let mut page = String::from(
        "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\
         <title>Lockstep API</title></head><body>\n",
    );
    let info = &document["info"];
    line(&mut page, "h1", &format!("{} API", text(&info["title"])));
    line(&mut page, "p", &text(&info["description"]));
    page.push_str("<p>As OpenAPI 3.1: <a href=\"openapi.json\">openapi.json</a></p>\n");
    let by_tag = by_tag(document);
    page.push_str("<nav><ul>\n");
    for tag in by_tag.keys() {
        let tag = escaped(tag);
        put(
            &mut page,
            format_args!("<li><a href=\"#{tag}\">{tag}</a></li>\n"),
        );
    }
    page.push_str("<li><a href=\"#sign-in\">sign-in</a></li><li><a href=\"#schemas\">schemas</a></li></ul></nav>\n");
    page.push_str("<section id=\"sign-in\"><h2>sign-in</h2><dl>\n");
    for (name, scheme) in object(&document["components"]["securitySchemes"]) {
        line(&mut page, "dt", name);
        line(&mut page, "dd", &text(&scheme["description"]));
    }
    page.push_str("</dl></section>\n");
    for (tag, operations) in &by_tag {
        let tag = escaped(tag);
        put(
            &mut page,
            format_args!("<section id=\"{tag}\"><h2>{tag}</h2>\n"),
        );
        for (path, method, operation) in operations {
            self::operation(&mut page, path, method, operation);
        }
        page.push_str("</section>\n");
    }
    page.push_str("<section id=\"schemas\"><h2>schemas</h2>\n");
    for (name, schema) in object(&document["components"]["schemas"]) {
        let name = escaped(name);
        put(
            &mut page,
            format_args!("<article id=\"schema-{name}\"><h3>{name}</h3>\n"),
        );
        line(&mut page, "p", &text(&schema["description"]));
        fields(&mut page, schema);
        page.push_str("</article>\n");
    }
    page.push_str("</section>\n</body></html>\n");
    page
}

type Operations<'a> = Vec<(&'a str, &'a str, &'a Value)>;

fn by_tag(document: &Value) -> BTreeMap<&str, Operations<'_>> {
    let mut tags: BTreeMap<&str, Operations<'_>> = BTreeMap::new();
    for (path, item) in object(&document["paths"]) {
        for (method, operation) in object(item) {
            let tag = operation["tags"][0].as_str().unwrap_or("other");
            tags.entry(tag)
                .or_default()
                .push((path.as_str(), method.as_str(), operation));
        }
    }
    tags
}

fn operation(page: &mut String, path: &str, method: &str, operation: &Value) {
    put(
        page,
        format_args!(
            "<article><h3><code>{} {}</code></h3>\n",
            escaped(&method.to_uppercase()),
            escaped(path)
        ),
    );
    line(page, "p", &text(&operation["summary"]));
    line(page, "p", &text(&operation["description"]));
    let parameters = operation["parameters"].as_array();
    if let Some(parameters) = parameters.filter(|list| !list.is_empty()) {
        page.push_str("<h4>Parameters</h4><dl>\n");
        for parameter in parameters {
            let needed = if parameter["required"] == true {
                ", needed"
            } else {
                ""
            };
            put(
                page,
                format_args!(
                    "<dt><code>{}</code> ({}{needed}) {}</dt>\n",
                    escaped(&text(&parameter["name"])),
                    escaped(&text(&parameter["in"])),
                    kind(&parameter["schema"])
                ),
            );
            line(page, "dd", &text(&parameter["description"]));
        }
        page.push_str("</dl>\n");
    }
    for (media, body) in object(&operation["requestBody"]["content"]) {
        put(
            page,
            format_args!(
                "<p>Body: {} as <code>{}</code></p>\n",
                kind(&body["schema"]),
                escaped(media)
            ),
        );
    }
    page.push_str("<h4>Answers</h4><dl>\n");
    for (status, response) in object(&operation["responses"]) {
        put(
            page,
            format_args!(
                "<dt><code>{}</code> {}</dt>\n",
                escaped(status),
                escaped(&text(&response["description"]))
            ),
        );
        for (media, body) in object(&response["content"]) {
            put(
                page,
                format_args!(
                    "<dd>{} as <code>{}</code></dd>\n",
                    kind(&body["schema"]),
                    escaped(media)
                ),
            );
        }
    }
    page.push_str("</dl></article>\n");
}

/// The fields of a schema.
fn fields(page: &mut String, schema: &Value) {
    for key in ["allOf", "anyOf", "oneOf"] {
        for part in schema[key].as_array().into_iter().flatten() {
            match part["$ref"].as_str() {
                Some(_) => put(page, format_args!("<p>{}</p>\n", kind(part))),
                None => fields(page, part),
            }
        }
    }
    let properties = object(&schema["properties"]);
    if properties.clone().next().is_none() {
        if schema.get("type").is_some() {
            put(page, format_args!("<p>{}</p>\n", kind(schema)));
        }
        return;
    }
    page.push_str("<dl>\n");
    for (name, field) in properties {
        let required = schema["required"].as_array();
        let always = required.is_some_and(|names| names.iter().any(|known| known == name));
        let maybe = if always { "" } else { " (may be absent)" };
        put(
            page,
            format_args!(
                "<dt><code>{}</code> {}{maybe}</dt>\n",
                escaped(name),
                kind(field)
            ),
        );
        line(page, "dd", &text(&field["description"]));
    }
    page.push_str("</dl>\n");
}

/// What a schema is, in a few words, as HTML.
fn kind(schema: &Value) -> String {
    if let Some(place) = schema["$ref"].as_str() {
        let name = escaped(place.rsplit('/').next().unwrap_or(place));
        return format!("<a href=\"#schema-{name}\">{name}</a>");
    }
    for key in ["oneOf", "anyOf", "allOf"] {
        if let Some(parts) = schema[key].as_array() {
            let parts: Vec<String> = parts.iter().map(kind).collect();
            return parts.join(" or ");
        }
    }
    if let Some(values) = schema["enum"].as_array() {
        let values: Vec<String> = values
            .iter()
            .map(|value| format!("<code>{}</code>", escaped(&text(value))))
            .collect();
        return values.join(" or ");
    }
    match &schema["type"] {
        Value::String(name) if name == "array" => format!("list of {}", kind(&schema["items"])),
        Value::String(name) => escaped(name),
        Value::Array(names) => {
            let names: Vec<String> = names.iter().map(|name| escaped(&text(name))).collect();
            names.join(" or ")
        }
        _ => "anything".to_owned(),
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> + Clone {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// One element with a text, unless there is none.
fn line(page: &mut String, element: &str, text: &str) {
    if !text.is_empty() {
        put(
            page,
            format_args!("<{element}>{}</{element}>\n", escaped(text)),
        );
    }
}

fn put(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a text cannot fail.
    let _written = page.write_fmt(text);
}

fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            c => safe.push(c),
        }
    }
    safe
}
