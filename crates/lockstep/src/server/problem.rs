//! Errors as they are answered: RFC 9457, `application/problem+json`.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use lockstep_run::EngineError;
use lockstep_store::StoreError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::words::{Lang, Said, en};

/// The code of a name that is taken.
pub(crate) const CONFLICT: &str = "conflict";

/// What went wrong, why, and what to do.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `urn:lockstep:` and the code.
    #[serde(rename = "type")]
    #[schema(value_type = String)]
    kind: Box<str>,
    /// The HTTP status.
    status: u16,
    /// A stable code to branch on.
    code: &'static str,
    /// What happened, in a sentence.
    title: String,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Every mistake of the request, where it has several places to have them.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    #[schema(required = false)]
    errors: Box<[Mistake]>,
    /// After how many seconds it is worth another try: the header `Retry-After`.
    #[serde(skip)]
    #[schema(ignore)]
    retry_after: Option<u32>,
    /// The same for people, in the order of [`Lang::ALL`]: a page names its buttons where the API names its routes.
    #[serde(skip)]
    #[schema(ignore)]
    said: Option<Box<[Said; 2]>>,
}

/// One mistake of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct Mistake {
    /// The field that it is in.
    pub(crate) field: String,
    /// What is wrong with it, and what it can be.
    pub(crate) message: String,
}

impl Problem {
    /// A problem of a status, with its code and what happened.
    pub(crate) fn new(status: StatusCode, code: &'static str, title: impl Into<String>) -> Self {
        Self {
            kind: format!("urn:lockstep:{code}").into(),
            status: status.as_u16(),
            code,
            title: title.into(),
            hint: None,
            errors: Box::default(),
            retry_after: None,
            said: None,
        }
    }

    /// The same with words for people, in the order of [`Lang::ALL`].
    #[must_use]
    pub(crate) fn said(mut self, said: [Said; 2]) -> Self {
        self.said = Some(Box::new(said));
        self
    }

    /// What a page says of it.
    pub(crate) fn words(&self, lang: Lang) -> Said {
        let index = Lang::ALL.iter().position(|known| *known == lang);
        let said = self.said.as_ref().zip(index);
        let said = said.and_then(|(said, index)| said.get(index).cloned());
        said.unwrap_or_else(|| Said {
            message: self.title.clone(),
            hint: self.hint.clone().unwrap_or_default(),
        })
    }

    /// The code to branch on.
    pub(crate) fn code(&self) -> &'static str {
        self.code
    }

    /// The same, worth another try after so many seconds.
    #[must_use]
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// The same with every mistake by its field.
    #[must_use]
    pub(crate) fn mistakes(mut self, errors: Vec<Mistake>) -> Self {
        self.errors = errors.into();
        self
    }

    /// The same with what to do.
    #[must_use]
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// There is no such thing.
    pub(crate) fn not_found(what: &str) -> Self {
        Self::new(
            StatusCode::NOT_FOUND,
            "not_found",
            format!("there is no such {what}"),
        )
        .said(Lang::ALL.map(|lang| {
            let t = &lang.words().error;
            Said {
                message: t.gone.clone(),
                hint: t.gone_hint.clone(),
            }
        }))
    }

    /// The route is there, and not for this method; the answer's `Allow` names those it is for.
    pub(crate) fn wrong_method() -> Self {
        Self::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "wrong_method",
            "this address does not answer to that method",
        )
        .hint("The header `Allow` names the methods that it answers to.")
    }

    /// The request says something that cannot be taken.
    pub(crate) fn bad_request(title: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "bad_request", title)
    }

    /// A failure of ours: the log says what, the answer does not.
    pub(crate) fn internal() -> Self {
        Self::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal",
            "Lockstep failed",
        )
        .hint("The log of the server says why.")
    }

    /// Every mistake of the request.
    pub(crate) fn errors(&self) -> &[Mistake] {
        &self.errors
    }

    /// What happened.
    pub(crate) fn title(&self) -> &str {
        &self.title
    }

    /// The HTTP status.
    pub(crate) fn status(&self) -> StatusCode {
        StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = self.status();
        let retry_after = self.retry_after;
        let mut answer = (status, axum::Json(self)).into_response();
        answer.headers_mut().insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        if let Some(seconds) = retry_after {
            answer
                .headers_mut()
                .insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        answer
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let said = Lang::ALL.map(|lang| lang.store_error(&error));
        Self::of_store(&error).said(said)
    }
}

impl Problem {
    fn of_store(error: &StoreError) -> Self {
        match error {
            StoreError::NotFound(_) => {
                Self::new(StatusCode::NOT_FOUND, "not_found", error.to_string())
            }
            StoreError::Conflict(_) => Self::new(StatusCode::CONFLICT, CONFLICT, error.to_string()),
            StoreError::Ambiguous { .. } => {
                Self::new(StatusCode::BAD_REQUEST, "ambiguous", error.to_string())
            }
            StoreError::Busy { .. } => Self::new(StatusCode::CONFLICT, "busy", error.to_string()),
            StoreError::WrongState { .. } | StoreError::WrongSubject { .. } => {
                Self::new(StatusCode::CONFLICT, "wrong_state", error.to_string())
            }
            StoreError::Full => Self::new(
                StatusCode::SERVICE_UNAVAILABLE,
                "database",
                error.to_string(),
            ),
            StoreError::Unavailable(why) => {
                tracing::warn!(why, "the database is not available");
                no_database()
            }
            _ => {
                tracing::error!(%error, "the store failed");
                Self::internal()
            }
        }
    }
}

/// The database does not answer: the log of the server says why, and nobody else is told, for whoever asks may be anybody.
pub(crate) fn no_database() -> Problem {
    Problem::new(
        StatusCode::SERVICE_UNAVAILABLE,
        "database",
        "the database is not available",
    )
    .hint("Try again in a moment; the log of the server says why.")
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Self {
        let said = Lang::ALL.map(|lang| lang.engine_error(&error));
        Self::of_engine(&error).said(said)
    }
}

impl Problem {
    fn of_engine(error: &EngineError) -> Self {
        let (status, code) = match error {
            EngineError::Internal => return Self::internal(),
            EngineError::Store(error) => return Self::of_store(error),
            EngineError::Gateway(failure) => {
                let said = en::price_failure(failure);
                return Self::new(StatusCode::BAD_GATEWAY, "gateway", said.message).hint(said.hint);
            }
            EngineError::Busy(_) => (StatusCode::CONFLICT, "busy"),
            EngineError::NoSuchChannel(_) | EngineError::NoSuchSource(_) | EngineError::NoRun => {
                (StatusCode::NOT_FOUND, "not_found")
            }
            EngineError::EmptySelection => (StatusCode::BAD_REQUEST, "empty_selection"),
            EngineError::NoSource => (StatusCode::CONFLICT, "no_source"),
            EngineError::NothingFailed
            | EngineError::NothingHeld
            | EngineError::NothingToUndo(_)
            | EngineError::UndoneAlready { .. }
            | EngineError::NothingReady(_) => (StatusCode::CONFLICT, "nothing_to_do"),
            EngineError::NotPlanned { .. } => (StatusCode::CONFLICT, "not_planned"),
            EngineError::Expired(_) => (StatusCode::CONFLICT, "expired"),
            EngineError::PolicyChanged(_) => (StatusCode::CONFLICT, "policy_changed"),
            EngineError::PlanChanged(_) => (StatusCode::CONFLICT, "plan_changed"),
            EngineError::Stopping => (StatusCode::SERVICE_UNAVAILABLE, "stopping"),
            EngineError::Lost(why) => {
                tracing::warn!(why, "a write was not sent");
                let title = "a write was not sent, for the gateway is in other hands, or the database did not answer";
                let lost = Self::new(StatusCode::SERVICE_UNAVAILABLE, "unavailable", title);
                return lost.hint(
                    "Whoever holds the gateway goes on with the run: look at it again in a moment.",
                );
            }
            EngineError::Setting(_) => (StatusCode::BAD_REQUEST, "bad_setting"),
        };
        let hint = en::what_to_do(error);
        let problem = Self::new(status, code, error.to_string());
        match hint {
            Some(hint) => problem.hint(hint),
            None => problem,
        }
    }
}

/// The answer to a request whose handler panicked.
pub(crate) fn panicked(_panic: Box<dyn std::any::Any + Send>) -> Response {
    tracing::error!("a request was not answered, for its handler failed");
    Problem::internal().into_response()
}
