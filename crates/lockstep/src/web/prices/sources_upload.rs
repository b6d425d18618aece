//! A price list that somebody uploads: a source like any other, whose list is kept here.

use axum::body::Bytes;
use axum::extract::multipart::MultipartError;
use axum::extract::{Multipart, State};
use axum::response::Response;
use lockstep_core::prices::source::{Place, SourceSpec};

use super::sources_acts::{again, said};
use super::sources_form::{Form, Forms};
use crate::server::App;
use crate::server::problem::Problem;
use crate::sourcing::{self, BadList, Costs};
use crate::web::flash::Flash;
use crate::web::form::Fields;
use crate::web::frame::Frame;
use crate::web::refusal::Refusal;
use crate::web::words::fill;

/// The most fields that the form has.
const FIELDS: usize = 10;

/// `POST .../sources/upload`: a list as a file, for a new source or for one that was uploaded before.
pub(super) async fn upload(
    State(app): State<App>,
    f: Frame,
    parts: Multipart,
) -> Result<Response, Refusal> {
    f.writer()?;
    let site = f.site()?.clone();
    let (fields, file) = read(parts).await.map_err(unreadable)?;
    let mut form = Form::typed(&fields);
    let Some((file, bytes)) = file.filter(|(_, bytes)| !bytes.is_empty()) else {
        form.wrong.insert("list", f.t.sources.no_file.clone());
        return again(&app, f, Forms::list(form)).await;
    };
    let name = match form.text("name") {
        "" => named(&file),
        name => name.to_owned(),
    };
    let Ok(place) = format!("upload:{name}").parse::<Place>() else {
        form.wrong.insert("name", f.t.sources.bad_text.clone());
        return again(&app, f, Forms::list(form)).await;
    };
    let text = SourceSpec::new(place).to_string();
    let Some(spec) = form.with_options(text, &["multiplier", "recharge", "group"], f.t) else {
        return again(&app, f, Forms::list(form)).await;
    };
    let list = match sourcing::list(&name, bytes.into(), app.now()).await {
        Ok(list) => list,
        Err(BadList::Internal) => return Err(Problem::internal().into()),
        Err(bad) => {
            let why = fill(&f.t.sources.bad_list, &[("why", &told(&f, &bad))]);
            form.wrong.insert("list", why);
            return again(&app, f, Forms::list(form)).await;
        }
    };
    // Beside a source its costs are shown and can be emptied; under its name alone they stay where none is given.
    let costs = match form.text("costs") {
        "" => Costs::Some,
        _ => Costs::All,
    };
    match sourcing::upload(&app, &f.caller, &site, &spec, costs, list).await {
        Ok(_) => Ok(said(&f, Flash::Saved)),
        Err(problem) if problem.code() == sourcing::NOT_UPLOADED => {
            form.wrong.insert("name", f.t.sources.not_uploaded.clone());
            again(&app, f, Forms::list(form)).await
        }
        Err(problem) => Err(problem.into()),
    }
}

/// The fields of the form, and the file with its name.
async fn read(mut parts: Multipart) -> Result<(Fields, Option<(String, Bytes)>), MultipartError> {
    let mut fields: Vec<(String, String)> = Vec::new();
    let mut file = None;
    while let Some(part) = parts.next_field().await? {
        let name = part.name().unwrap_or_default().to_owned();
        match part.file_name().map(str::to_owned) {
            Some(of) => file = Some((of, part.bytes().await?)),
            None if fields.len() < FIELDS => fields.push((name, part.text().await?)),
            None => {}
        }
    }
    let pairs: Vec<(&str, &str)> = fields
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    Ok((Fields::of(&pairs), file))
}

/// What a list is called that was given no name: as its file, without the folder and the ending.
fn named(file: &str) -> String {
    let name = file.rsplit(['/', '\\']).next().unwrap_or(file);
    name.strip_suffix(".json").unwrap_or(name).trim().to_owned()
}

/// Why a list is not taken.
fn told(f: &Frame, bad: &BadList) -> String {
    let t = &f.t.sources;
    match bad {
        BadList::NoText(at) => fill(&t.list_no_text, &[("n", at)]),
        // What could be done about a source that is fetched does not help with a file.
        BadList::Judged(told) => f.lang.source_state(told).message,
        BadList::TooLong | BadList::Internal => {
            format!("{}. {}", t.list_too_long, t.list_too_long_hint)
        }
    }
}

fn unreadable(_: MultipartError) -> Refusal {
    Problem::bad_request("the form could not be read").into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_a_name_is_called_as_its_file() {
        for (file, name) in [
            ("prices.json", "prices"),
            ("C:\\lists\\our prices.json", "our prices"),
            ("/a/b.txt", "b.txt"),
            (".json", ""),
        ] {
            assert_eq!(named(file), name);
        }
    }
}
