//! What a form sends, read so that a page can show it again beside its mistakes.

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{StatusCode, header};

use super::refusal::Refusal;
use crate::server::App;
use crate::server::problem::Problem;

/// The media type of forms.
const FORM: &str = "application/x-www-form-urlencoded";

/// The fields of a form with their names, in their order. Passwords and tokens may be among them, so that this has no
/// `Debug`.
#[derive(Default)]
pub(crate) struct Fields(Vec<(String, String)>);

impl Fields {
    /// The field as it was typed, of a name that comes twice the last; nothing where it was not sent.
    pub(crate) fn text(&self, name: &str) -> &str {
        self.all(name).next_back().unwrap_or("")
    }

    /// Every field of the name.
    pub(crate) fn all(&self, name: &str) -> impl DoubleEndedIterator<Item = &str> {
        let fields = self.0.iter().filter(move |(known, _)| known == name);
        fields.map(|(_, text)| text.as_str())
    }

    /// Every field with its name.
    pub(crate) fn pairs(&self) -> &[(String, String)] {
        &self.0
    }

    /// The field without blanks around it.
    pub(crate) fn trimmed(&self, name: &str) -> &str {
        self.text(name).trim()
    }

    /// Whether a box is ticked, or a button of that name was pressed.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.all(name).next().is_some()
    }

    /// The lines of a field that has one entry a line.
    pub(crate) fn lines(&self, name: &str) -> Vec<String> {
        let lines = self.text(name).lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// What a form with these fields sends.
    pub(crate) fn of(fields: &[(&str, &str)]) -> Self {
        let pairs = fields.iter();
        Self(
            pairs
                .map(|(name, text)| ((*name).to_owned(), (*text).to_owned()))
                .collect(),
        )
    }

    /// Reads what a form sends.
    pub(crate) fn read(body: &[u8]) -> Self {
        let pairs = url::form_urlencoded::parse(body);
        // Browsers end lines as mail does.
        Self(
            pairs
                .map(|(name, text)| (name.into_owned(), text.replace("\r\n", "\n")))
                .collect(),
        )
    }
}

impl FromRequest<App> for Fields {
    type Rejection = Refusal;

    async fn from_request(request: Request, app: &App) -> Result<Self, Refusal> {
        let kind = request.headers().get(header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let empty = request.headers().get(header::CONTENT_LENGTH);
        let empty = empty.is_none_or(|length| length.as_bytes() == b"0");
        let is_form = kind.to_ascii_lowercase().starts_with(FORM);
        // A form of nothing but its button may be sent without a body.
        let is_bare = kind.is_empty() && empty;
        if !(is_form || is_bare) {
            return Err(Refusal::Problem(Problem::new(
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "no_form",
                "this address takes what a form sends",
            )));
        }
        let bytes = Bytes::from_request(request, app)
            .await
            .map_err(|_| Refusal::Problem(Problem::bad_request("the form could not be read")))?;
        Ok(Self::read(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_browsers_send_it() {
        let fields = Fields::read(b"name=a+b&keep=one%0D%0A%0D%0A+two%20&on=&name=%E4%BC%BD");
        assert_eq!(fields.text("name"), "伽");
        assert_eq!(fields.lines("keep"), ["one", "two"]);
        assert!(fields.has("on") && !fields.has("off"));
        assert_eq!(fields.text("off"), "");
        assert_eq!(fields.all("name").collect::<Vec<_>>(), ["a b", "伽"]);
    }
}
