//! Answers about prices that are remembered: what is never to be touched, and what need not be asked again.

use lockstep_core::hash::Digest;
use lockstep_core::hold::ReasonCode;
use lockstep_core::prices::field::Field;
use lockstep_core::prices::values::Kind;

use crate::columns::Columns;
use crate::sql::{Connection, Row};
use crate::{Store, StoreError, sites, sql, wire};

/// What was answered.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum AnswerKind {
    /// Never write it.
    Lock,
    /// Bill it in this way, whatever a source says.
    KeepKind(Kind),
    /// Do not tell of it.
    Ignore,
    /// Leave it as it is until what is held becomes something else than this.
    Keep(Digest),
    /// Do not hold it for this reason any more.
    Allow(ReasonCode),
}

/// One answer. A model, or a field, has at most one of each kind, and one [`AnswerKind::Allow`] of each reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceAnswer {
    /// The model.
    pub model: String,
    /// The one value that it is about; `None` for the whole model.
    pub field: Option<Field>,
    /// What was answered.
    pub kind: AnswerKind,
    /// Who answered.
    pub by: String,
    /// When, in Unix milliseconds.
    pub at: i64,
}

impl AnswerKind {
    /// The stable code, as stored.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::KeepKind(_) => "keep_kind",
            Self::Ignore => "ignore",
            Self::Keep(_) => "keep",
            Self::Allow(_) => "allow",
        }
    }

    /// What stands beside the code.
    fn argument(&self) -> &str {
        match self {
            Self::Lock | Self::Ignore => "",
            Self::KeepKind(kind) => kind.code(),
            Self::Keep(digest) => digest.as_str(),
            Self::Allow(reason) => reason.code(),
        }
    }

    fn stored(code: &str, argument: String) -> Option<Self> {
        Some(match code {
            "lock" => Self::Lock,
            "keep_kind" => Self::KeepKind(wire::kind_from_code(&argument)?),
            "ignore" => Self::Ignore,
            "keep" => Self::Keep(Digest::stored(argument)),
            "allow" => Self::Allow(ReasonCode::from_code(&argument)?),
            _ => return None,
        })
    }
}

impl Store {
    /// The site's answers, by model, then those about the whole model first.
    pub async fn price_answers(&self, site_id: &str) -> Result<Vec<PriceAnswer>, StoreError> {
        let mut db = self.readers().acquire().await?;
        of_site(&mut db, site_id).await
    }

    /// Remembers answers, all or none. Each takes the place of the one of its kind, allowed reasons of that of the same
    /// reason.
    pub async fn set_price_answers(
        &self,
        site_id: &str,
        answers: Vec<PriceAnswer>,
    ) -> Result<(), StoreError> {
        let site_id = site_id.to_owned();
        self.write(move |db| {
            Box::pin(async move {
                sites::site(db, &site_id).await?;
                for answer in &answers {
                    set(db, &site_id, answer).await?;
                }
                Ok(())
            })
        })
        .await
    }

    /// Forgets the answers about one field of a model, or all that concern the model. Returns how many there were.
    pub async fn delete_price_answers(
        &self,
        site_id: &str,
        model: &str,
        field: Option<Field>,
    ) -> Result<u64, StoreError> {
        let (site_id, model) = (site_id.to_owned(), model.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                let deleted = sql::query(
                    "DELETE FROM price_answer
                     WHERE site_id = $1 AND model = $2 AND ($3 IS NULL OR field = $3)",
                )
                .bind(site_id)
                .bind(model)
                .bind(field.map(Field::code))
                .execute(db)
                .await?;
                Ok(deleted.rows_affected())
            })
        })
        .await
    }
}

async fn set(db: &mut Connection, site_id: &str, answer: &PriceAnswer) -> Result<(), StoreError> {
    let field = answer.field.map_or("", Field::code);
    if !matches!(answer.kind, AnswerKind::Allow(_)) {
        sql::query(
            "DELETE FROM price_answer WHERE site_id = $1 AND model = $2 AND field = $3 AND kind = $4",
        )
        .bind(site_id)
        .bind(&answer.model)
        .bind(field)
        .bind(answer.kind.code())
        .execute(&mut *db)
        .await?;
    }
    sql::query(
        "INSERT INTO price_answer (site_id, model, field, kind, argument, answered_by, answered_at)
         VALUES ($1, $2, $3, $4, $5, $6, $7)
         ON CONFLICT (site_id, model, field, kind, argument) DO UPDATE
         SET answered_by = excluded.answered_by, answered_at = excluded.answered_at",
    )
    .bind(site_id)
    .bind(&answer.model)
    .bind(field)
    .bind(answer.kind.code())
    .bind(answer.kind.argument())
    .bind(&answer.by)
    .bind(answer.at)
    .execute(db)
    .await?;
    Ok(())
}

/// The answers as texts that change when what is answered does, not when or by whom.
pub(crate) fn policy(answer: &PriceAnswer) -> [String; 4] {
    let PriceAnswer {
        model,
        field,
        kind,
        by: _,
        at: _,
    } = answer;
    [
        model.clone(),
        field.map_or("", Field::code).to_owned(),
        kind.code().to_owned(),
        kind.argument().to_owned(),
    ]
}

pub(crate) async fn of_site(
    db: &mut Connection,
    site_id: &str,
) -> Result<Vec<PriceAnswer>, StoreError> {
    let rows = sql::query("SELECT * FROM price_answer WHERE site_id = $1")
        .bind(site_id)
        .fetch_all(db)
        .await?;
    let read = |row: &Row| {
        let columns = Columns::new(row, "price_answer", "model");
        let argument = columns.text("argument")?;
        let field = columns.text("field")?;
        Ok(PriceAnswer {
            model: columns.text("model")?,
            field: match field.as_str() {
                "" => None,
                code => Some(Field::from_code(code).ok_or_else(|| columns.bad("field"))?),
            },
            kind: columns.read("kind", |code| AnswerKind::stored(code, argument))?,
            by: columns.text("answered_by")?,
            at: columns.number("answered_at")?,
        })
    };
    let mut answers: Vec<PriceAnswer> = rows.iter().map(read).collect::<Result<_, StoreError>>()?;
    answers.sort_by(|one, other| {
        (&one.model, one.field, &one.kind).cmp(&(&other.model, other.field, &other.kind))
    });
    Ok(answers)
}
