//! Price lists that somebody uploads: read, judged, and kept under the name of a source.

use axum::http::StatusCode;
use lockstep_core::formats::MAX_BYTES;
use lockstep_core::prices::source::SourceSpec;
use lockstep_run::prices::collect::Given;
use lockstep_run::prices::compare::judged;
use lockstep_store::prices::access::SourceAccess;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::prices::sources::{NewSource, StoredSource};
use lockstep_store::prices::uploads::Upload;
use lockstep_store::sites::Site;

use super::{found, is_believed, keep, new};
use crate::deeds::Deed;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::problem::Problem;

/// The code of a list that is uploaded under the name of a source which is fetched.
pub(crate) const NOT_UPLOADED: &str = "not_uploaded";

/// Why a list cannot be taken.
#[derive(Clone, Debug)]
pub(crate) enum BadList {
    /// It is longer than any list that is read.
    TooLong,
    /// It is no text from this byte on, counted from 1.
    NoText(usize),
    /// It is none, or one that cannot be believed: how it stands.
    Judged(Box<RunSource>),
    /// We failed at reading it.
    Internal,
}

/// Reads a list that is uploaded, as far as it can be believed.
pub(crate) async fn list(name: &str, bytes: Vec<u8>, at: i64) -> Result<Upload, BadList> {
    if bytes.len() > MAX_BYTES {
        return Err(BadList::TooLong);
    }
    let body = String::from_utf8(bytes)
        .map_err(|error| BadList::NoText(error.utf8_error().valid_up_to() + 1))?;
    let name = name.to_owned();
    // Reading it computes for long where it is long.
    let read = tokio::task::spawn_blocking(move || {
        let given = Given {
            body: std::sync::Arc::new(body),
            at,
        };
        let told = judged(&name, &given);
        (told, given)
    });
    let Ok((told, given)) = read.await else {
        return Err(BadList::Internal);
    };
    if !is_believed(&told) {
        return Err(BadList::Judged(Box::new(told)));
    }
    Ok(Upload {
        body: std::sync::Arc::unwrap_or_clone(given.body),
        uploaded_at: at,
        models: told.models,
    })
}

/// What an uploaded list costs, where its source is there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Costs {
    /// What is not given stays as it was.
    Some,
    /// What is not given is gone.
    All,
}

/// The source with what was given of its costs, and the fields of it that change.
fn with_costs(
    known: &StoredSource,
    given: &SourceSpec,
    costs: Costs,
) -> Option<(SourceSpec, Vec<&'static str>)> {
    let mut spec: SourceSpec = known.spec.parse().ok()?;
    let before = spec.clone();
    let all = costs == Costs::All;
    if all || given.multiplier.is_some() {
        spec.multiplier = given.multiplier;
    }
    if all || given.recharge.is_some() {
        spec.recharge = given.recharge;
    }
    if all || given.group.is_some() {
        spec.group.clone_from(&given.group);
    }
    let changed = spec.differs_in(&before);
    (!changed.is_empty()).then_some((spec, changed))
}

/// Keeps a list under the name of a source: of the one that is there, or of one that is remembered behind the others.
pub(crate) async fn upload(
    app: &App,
    caller: &Caller,
    site: &Site,
    spec: &SourceSpec,
    costs: Costs,
    upload: Upload,
) -> Result<(StoredSource, bool), Problem> {
    let name = spec.known_as();
    let all = app.store().sources(&site.id).await?;
    let Some(known) = all.into_iter().find(|source| source.name == name) else {
        let new = NewSource {
            upload: Some(upload),
            ..new(spec, SourceAccess::default())
        };
        return Ok((keep(app, caller, site, new).await?, true));
    };
    if known.uploaded.is_none() {
        return Err(taken(&name));
    }
    let store = app.store();
    let (spec, changed) = with_costs(&known, spec, costs).unzip();
    let spec = spec.map(|spec| spec.to_string());
    store.keep_upload(&site.id, &name, upload, spec).await?;
    let mut fields = vec!["list"];
    fields.extend(changed.unwrap_or_default());
    let deed = Deed::source_changed(&name, &fields);
    app.note(caller, Some(site), &deed).await;
    Ok((found(app, site, &name).await?, false))
}

/// That a name is another source's.
fn taken(name: &str) -> Problem {
    let title = format!("`{name}` is a source that is fetched, and takes no list");
    Problem::new(StatusCode::CONFLICT, NOT_UPLOADED, title)
        .hint("Upload the list under another name.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_list_is_taken_or_refused_with_the_place_of_its_mistake() {
        let good = br#"{"success":true,"data":{"model_ratio":{"a":1.5}}}"#;
        let upload = list("mine", good.to_vec(), 5).await.expect("taken");
        assert_eq!((upload.models, upload.uploaded_at), (1, 5));
        let broken = list("mine", b"{\"data\":\n nope}".to_vec(), 5).await;
        let Err(BadList::Judged(told)) = broken else {
            panic!("{broken:?}");
        };
        assert!(told.detail.contains("line 2"), "{}", told.detail);
        let odd = list("mine", b"ab\xff".to_vec(), 5).await;
        assert!(matches!(odd, Err(BadList::NoText(3))), "{odd:?}");
        let long = list("mine", vec![b' '; MAX_BYTES + 1], 5).await;
        assert!(matches!(long, Err(BadList::TooLong)), "{long:?}");
        let empty = br#"{"success":true,"data":{"model_ratio":{}}}"#;
        let empty = list("mine", empty.to_vec(), 5).await;
        assert!(matches!(empty, Err(BadList::Judged(_))), "{empty:?}");
    }
}
