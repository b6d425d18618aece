//! What lets us into a source: the user, and encrypted, the access token and further headers.

use secrecy::SecretString;

use super::sources::{self, StoredSource};
use crate::columns::Columns;
use crate::seal::SecretColumn;
use crate::sql::Connection;
use crate::{Store, StoreError, sql};

/// Where the secrets are. A row is known by its source's id and its name together.
const SECRET: SecretColumn = SecretColumn {
    table: "source_secret",
    column: "sealed",
    select: "SELECT sealed FROM source_secret WHERE source_id || ' ' || name = $1",
    secret: "secret of a source",
    row: "secret of a source",
};

/// The name of an access token among a source's secrets.
pub(super) const TOKEN: &str = "token";
/// What stands before the name of a header.
pub(super) const HEADER: &str = "header:";

/// What a source is sent to be let in.
#[derive(Clone, Debug, Default)]
pub struct SourceAccess {
    /// The access token of that site.
    pub token: Option<SecretString>,
    /// The user of that site whom the token belongs to. It is no secret.
    pub user_id: Option<String>,
    /// Further headers: names in lower case, and values.
    pub headers: Vec<(String, SecretString)>,
}

/// What to change of a source; what is `None` stays.
#[derive(Clone, Debug, Default)]
pub struct SourceEdit {
    /// What it is, as text, without a secret. Its name and its place in the order stay.
    pub spec: Option<String>,
    /// The access token, or `Some(None)` to forget it.
    pub token: Option<Option<SecretString>>,
    /// The user, or `Some(None)` to forget it.
    pub user_id: Option<Option<String>>,
    /// All further headers, in place of those of before.
    pub headers: Option<Vec<(String, SecretString)>>,
}

/// Secrets as they are stored, by their names.
pub(super) type Sealed = Vec<(String, String)>;

impl Store {
    /// What a source is sent to be let in, decrypted.
    pub async fn source_access(&self, source: &StoredSource) -> Result<SourceAccess, StoreError> {
        let mut access = SourceAccess {
            user_id: source.user_id.clone(),
            ..SourceAccess::default()
        };
        let rows =
            sql::query("SELECT name, sealed FROM source_secret WHERE source_id = $1 ORDER BY name")
                .bind(&source.id)
                .fetch_all(self.readers())
                .await?;
        for row in &rows {
            let columns = Columns::new(row, "source_secret", "name");
            let name = columns.text("name")?;
            let row = row_id(&source.id, &name);
            let secret = self.unsealed(&SECRET, &row, &columns.text("sealed")?)?;
            match name.strip_prefix(HEADER) {
                Some(header) => access.headers.push((header.to_owned(), secret)),
                None => access.token = Some(secret),
            }
        }
        Ok(access)
    }

    /// Changes what the site's source of the name is, and what it is sent to be let in, and tells the source as it is
    /// then.
    pub async fn edit_source(
        &self,
        site_id: &str,
        name: &str,
        edit: SourceEdit,
    ) -> Result<StoredSource, StoreError> {
        let known = self.sources(site_id).await?;
        let known = known.into_iter().find(|source| source.name == name);
        let known = known.ok_or_else(|| sources::not_found(name))?;
        let SourceEdit {
            spec,
            token,
            user_id,
            headers,
        } = edit;
        let token_given = token.is_some();
        let headers_given = headers.is_some();
        let access = SourceAccess {
            token: token.flatten(),
            user_id: None,
            headers: headers.unwrap_or_default(),
        };
        let sealed = self.sealed_access(&known.id, &access)?;
        let (site_id, name) = (site_id.to_owned(), name.to_owned());
        self.write(move |db| {
            Box::pin(async move {
                // One that was removed meanwhile and remembered anew has another id, which nothing of this opens for.
                let source = sources::of_name(db, &site_id, &name).await?;
                if source.id != known.id {
                    return Err(sources::not_found(&name));
                }
                if let Some(spec) = spec {
                    sql::query("UPDATE source SET spec = $2 WHERE id = $1")
                        .bind(&source.id)
                        .bind(spec)
                        .execute(&mut *db)
                        .await?;
                }
                if let Some(user_id) = user_id {
                    sql::query("UPDATE source SET user_id = $2 WHERE id = $1")
                        .bind(&source.id)
                        .bind(user_id)
                        .execute(&mut *db)
                        .await?;
                }
                if token_given {
                    sql::query("DELETE FROM source_secret WHERE source_id = $1 AND name = $2")
                        .bind(&source.id)
                        .bind(TOKEN)
                        .execute(&mut *db)
                        .await?;
                }
                if headers_given {
                    sql::query("DELETE FROM source_secret WHERE source_id = $1 AND name <> $2")
                        .bind(&source.id)
                        .bind(TOKEN)
                        .execute(&mut *db)
                        .await?;
                }
                store(db, &source.id, sealed).await?;
                sources::of_name(db, &site_id, &name).await
            })
        })
        .await
    }

    /// The secrets as they are stored for the source of the id.
    pub(super) fn sealed_access(
        &self,
        source_id: &str,
        access: &SourceAccess,
    ) -> Result<Sealed, StoreError> {
        let token = access.token.iter().map(|token| (TOKEN.to_owned(), token));
        let headers = access.headers.iter();
        let headers = headers.map(|(name, value)| (format!("{HEADER}{name}"), value));
        token
            .chain(headers)
            .map(|(name, secret)| {
                let sealed = self.sealed(&SECRET, &row_id(source_id, &name), secret)?;
                Ok((name, sealed))
            })
            .collect()
    }
}

/// By what a secret's row is known: it opens for this source and under this name only.
fn row_id(source_id: &str, name: &str) -> String {
    format!("{source_id} {name}")
}

/// Stores secrets beside those that are there.
pub(super) async fn store(
    db: &mut Connection,
    source_id: &str,
    sealed: Sealed,
) -> Result<(), StoreError> {
    for (name, sealed) in sealed {
        sql::query("INSERT INTO source_secret (source_id, name, sealed) VALUES ($1, $2, $3)")
            .bind(source_id)
            .bind(name)
            .bind(sealed)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}
