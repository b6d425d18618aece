//! Where a database is: a file, or a server.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use crate::StoreError;

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Location {
    /// A SQLite file.
    File(PathBuf),
    /// A PostgreSQL database.
    Postgres(Server),
}

/// The address of a PostgreSQL database. Its password is neither printed nor part of an error.
#[derive(Clone)]
pub struct Server {
    options: Box<PgConnectOptions>,
    shown: String,
}

impl Location {
    /// The location that a text names: an address that starts with `postgres://` or `postgresql://`, else a file.
    ///
    /// # Errors
    ///
    /// [`StoreError::Open`] for an address that cannot be one.
    pub fn parse(text: &str) -> Result<Self, StoreError> {
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            Server::parse(text).map(Self::Postgres)
        } else {
            Ok(Self::File(PathBuf::from(text)))
        }
    }

    /// Its file, if it is one.
    pub fn file(&self) -> Option<&Path> {
        match self {
            Self::File(path) => Some(path),
            Self::Postgres(_) => None,
        }
    }
}

impl Server {
    fn parse(url: &str) -> Result<Self, StoreError> {
        // What the parser says may repeat a part of the address, and so of the password.
        let options = PgConnectOptions::from_str(url).map_err(|_| StoreError::Open {
            path: "postgres://...".into(),
            reason: "this is no address of a PostgreSQL database; \
                     it looks like postgres://USER:PASSWORD@HOST:5432/DATABASE, with %40 for an @ in the password"
                .to_owned(),
        })?;
        let host = match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => options.get_host().to_owned(),
        };
        let shown = format!(
            "postgres://{}@{host}:{}/{}",
            options.get_username(),
            options.get_port(),
            options.get_database().unwrap_or(options.get_username()),
        );
        let options = options
            .application_name("lockstep")
            .disable_statement_logging();
        Ok(Self {
            options: Box::new(options),
            shown,
        })
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.options
    }

    /// The address without its password.
    pub(crate) fn shown(&self) -> &str {
        &self.shown
    }
}

impl PartialEq for Server {
    fn eq(&self, other: &Self) -> bool {
        self.shown == other.shown
    }
}

impl Eq for Server {}

impl From<PathBuf> for Location {
    fn from(path: PathBuf) -> Self {
        Self::File(path)
    }
}

impl From<&PathBuf> for Location {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl From<&Path> for Location {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Postgres(server) => f.write_str(&server.shown),
        }
    }
}

impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Location({self})")
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Server({})", self.shown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_neither_printed_nor_told() {
        for text in [
            "postgres://me:canary@db.example:6432/lockstep",
            "postgresql://me:canary@db.example/lockstep?sslmode=require",
            "postgres://me@db.example/lockstep?password=canary",
            "postgres:///lockstep?host=/run/postgresql&user=me&password=canary",
        ] {
            let location = Location::parse(text).expect("an address");
            let told = format!("{location} {location:?}");
            assert!(!told.contains("canary"), "{told}");
            assert!(
                told.contains("postgres://me@") && told.contains("/lockstep"),
                "{told}"
            );
        }
        for text in [
            "postgres://me:canary@host:canary/x",
            "postgres://me:canary@[canary/x",
            "postgres://me:canary@host/x?sslmode=canary",
        ] {
            let refused = Location::parse(text).expect_err("refused");
            let told = format!("{refused} {refused:?}");
            assert!(!told.contains("canary"), "{told}");
        }
    }

    #[test]
    fn what_is_no_address_is_a_file() {
        let location = Location::parse("postgres.db").expect("a file");
        assert_eq!(location.file(), Some(Path::new("postgres.db")));
    }
}
