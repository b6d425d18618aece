//! Lists as files: all the rows that the pages of a list have, by the same filter, a few at a time.

use std::borrow::Cow;
use std::convert::Infallible;
use std::io;

use axum::body::{Body, Bytes};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream::{iter, once};
use futures_util::{Stream, StreamExt as _};
use serde_json::Value;

/// So many rows are read, and written, at once.
pub(crate) const AT_ONCE: u32 = 500;

/// What a column ends in that tells how many entries a list has.
const COUNT: &str = ".count";

/// How a file is written.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Form {
    /// As CSV (RFC 4180). Each column is a key of the rows, or a key within one of theirs, as in `hold.reason`; of a list
    /// that is too long for a cell it is how many entries that has, as in `old_models.count`.
    Csv(&'static [&'static str]),
    /// As JSON: an object with the rows under this key.
    Json(&'static str),
}

/// A file of rows, which are JSON objects, to be kept under a name. It is sent as the rows come; what cuts them off cuts the
/// file off, so that nobody takes the half for the whole.
pub(crate) fn file<E: std::error::Error + Send + Sync + 'static>(
    name: &str,
    form: Form,
    rows: impl Stream<Item = Result<Vec<Value>, E>> + Send + 'static,
) -> Response {
    let (media, ending) = match form {
        Form::Csv(_) => ("text/csv; charset=utf-8", "csv"),
        Form::Json(_) => ("application/json", "json"),
    };
    let (start, end) = match form {
        Form::Csv(columns) => (lines([columns.iter().copied()]), Ok(Vec::new())),
        Form::Json(key) => (Ok(format!("{{\"{key}\":[").into()), Ok(b"]}".to_vec())),
    };
    let mut first = true;
    let rest = rows.map(move |rows| {
        let rows = rows.map_err(|error| {
            tracing::error!(%error, "a file was cut off");
            io::Error::other(error)
        })?;
        match form {
            Form::Csv(columns) => lines(rows.iter().map(|row| cells(row, columns))),
            Form::Json(_) => {
                let mut text = Vec::new();
                for row in rows {
                    if !std::mem::replace(&mut first, false) {
                        text.push(b',');
                    }
                    serde_json::to_writer(&mut text, &row)?;
                }
                Ok(text)
            }
        }
    });
    let sent = once(async { start }).chain(rest).chain(once(async { end }));
    let headers = [
        (header::CONTENT_TYPE, media.to_owned()),
        (
            header::CONTENT_DISPOSITION,
            format!("attachment; filename=\"{name}.{ending}\""),
        ),
    ];
    let body = Body::from_stream(sent.map(|part| part.map(Bytes::from)));
    (headers, body).into_response()
}

/// A file of rows that are there already.
pub(crate) fn file_of(name: &str, form: Form, rows: Vec<Value>) -> Response {
    file(name, form, once(async { Ok::<_, Infallible>(rows) }))
}

/// Rows of many things, so many of which are looked up at once.
pub(crate) fn in_parts<T: Clone, W: Future, L: FnMut(Vec<T>) -> W>(
    of: &[T],
    at_once: usize,
    look_up: L,
) -> impl Stream<Item = W::Output> + use<T, W, L> {
    let parts: Vec<Vec<T>> = of.chunks(at_once).map(<[T]>::to_vec).collect();
    iter(parts).then(look_up)
}

/// Lines of CSV.
fn lines<L>(lines: impl IntoIterator<Item = L>) -> io::Result<Vec<u8>>
where
    L: IntoIterator<Item: AsRef<[u8]>>,
{
    let mut writer = csv::WriterBuilder::new()
        .terminator(csv::Terminator::CRLF)
        .from_writer(Vec::new());
    for line in lines {
        writer.write_record(line)?;
    }
    writer
        .into_inner()
        .map_err(|error| io::Error::other(error.to_string()))
}

/// The cells of a row in the order of the columns.
fn cells<'r>(
    row: &'r Value,
    columns: &'static [&'static str],
) -> impl Iterator<Item = String> + 'r {
    columns.iter().map(move |column| {
        let list = column.strip_suffix(COUNT).and_then(|key| row.get(key));
        if let Some(Value::Array(entries)) = list {
            return entries.len().to_string();
        }
        let found = column.split('.').try_fold(row, |value, key| value.get(key));
        cell(found.unwrap_or(&Value::Null))
    })
}

/// A cell: numbers as they are, texts so that no table reckons with them, lists a line an entry.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) => harmless(text).into_owned(),
        Value::Array(entries) => {
            let entries = entries.iter().map(|entry| match entry {
                Value::String(text) => text.clone(),
                other => other.to_string(),
            });
            harmless(&entries.collect::<Vec<_>>().join("\n")).into_owned()
        }
        Value::Object(_) => value.to_string(),
    }
}

/// A text that a table would take for a formula, with an apostrophe before it: names are other people's.
fn harmless(text: &str) -> Cow<'_, str> {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\n']) {
        return format!("'{text}").into();
    }
    text.into()
}

#[cfg(test)]
mod tests {
    use axum::body::to_bytes;
    use serde_json::json;

    use super::*;

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), usize::MAX).await;
        String::from_utf8(bytes.expect("whole").to_vec()).expect("UTF-8")
    }

    fn rows() -> impl Stream<Item = Result<Vec<Value>, Infallible>> {
        iter([
            Ok(vec![
                json!({"name": "a,b", "more": {"text": "=1+1"}, "number": -2.5, "list": ["x", "y"]}),
                json!({"name": "say \"no\"\nor 否", "number": null, "list": []}),
            ]),
            Ok(Vec::new()),
            Ok(vec![
                json!({"name": "@me", "more": {"text": "-1"}, "number": true, "list": ["+1"]}),
            ]),
        ])
    }

    #[tokio::test]
    async fn cells_are_quoted_where_they_must_be_and_no_text_is_a_formula() {
        let csv = file(
            "x",
            Form::Csv(&["name", "more.text", "number", "list", "list.count"]),
            rows(),
        );
        assert_eq!(
            csv.headers()[header::CONTENT_TYPE],
            "text/csv; charset=utf-8"
        );
        assert_eq!(
            csv.headers()[header::CONTENT_DISPOSITION],
            "attachment; filename=\"x.csv\""
        );
        assert_eq!(
            text(csv).await,
            "name,more.text,number,list,list.count\r\n\
             \"a,b\",'=1+1,-2.5,\"x\ny\",2\r\n\
             \"say \"\"no\"\"\nor 否\",,,,0\r\n\
             '@me,'-1,true,'+1,1\r\n"
        );
    }

    #[tokio::test]
    async fn a_file_of_json_is_one_object_with_all_rows() {
        let whole = text(file("x", Form::Json("rows"), rows())).await;
        let whole: Value = serde_json::from_str(&whole).expect("JSON");
        assert_eq!(whole["rows"].as_array().map(Vec::len), Some(3));
        let none = text(file(
            "x",
            Form::Json("rows"),
            iter([Ok::<_, Infallible>(Vec::new())]),
        ))
        .await;
        assert_eq!(none, "{\"rows\":[]}");
    }

    #[tokio::test]
    async fn what_cuts_the_rows_off_cuts_the_file_off() {
        let rows = iter([
            Ok(vec![json!({"name": "a"})]),
            Err(io::Error::other("gone")),
        ]);
        let cut = file("x", Form::Csv(&["name"]), rows);
        assert!(to_bytes(cut.into_body(), usize::MAX).await.is_err());
    }
}
