//! The key file that opens the stored tokens. It lives outside the database.

use std::fs::{self, OpenOptions};
use std::io::{ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use chacha20poly1305::Key;
use chacha20poly1305::aead::Generate as _;

use crate::StoreError;
use crate::seal::{Seal, from_hex, to_hex};

/// Where the key is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum KeySource {
    /// Beside the database file: its name with `.key` after it. A database on a server has no such place.
    #[default]
    FileBeside,
    /// In this file.
    File(PathBuf),
}

impl KeySource {
    /// The key file of a database.
    pub(crate) fn file(&self, database: &Path) -> PathBuf {
        match self {
            Self::FileBeside => {
                let mut name = database.as_os_str().to_owned();
                name.push(".key");
                name.into()
            }
            Self::File(path) => path.clone(),
        }
    }
}

/// Reads a key file: 64 hexadecimal digits. `None` when there is no file.
pub(crate) fn read(path: &Path) -> Result<Option<Seal>, StoreError> {
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unusable(path, format!("it cannot be read ({error})"))),
    };
    from_hex(text.trim())
        .and_then(|bytes| <[u8; 32]>::try_from(bytes).ok())
        .map(|key| Some(Seal::new(key)))
        .ok_or_else(|| {
            unusable(
                path,
                "a key is 64 hexadecimal digits, and this file holds something else; \
                 put the right file back, or make one with `openssl rand -hex 32` for a new database"
                    .to_owned(),
            )
        })
}

/// Makes a key file with a random key, complete from the moment it exists, which only its owner can read.
pub(crate) fn create(path: &Path) -> Result<Seal, StoreError> {
    let key: [u8; 32] = Key::generate().into();
    let mut draft = path.as_os_str().to_owned();
    draft.push(".new");
    let draft = PathBuf::from(draft);
    let write = || {
        let mut file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&draft)?;
        file.write_all(to_hex(&key).as_bytes())?;
        file.write_all(b"\n")?;
        file.sync_all()?;
        fs::rename(&draft, path)
    };
    write().map_err(|error| unusable(path, format!("it cannot be written ({error})")))?;
    Ok(Seal::new(key))
}

fn unusable(path: &Path, reason: String) -> StoreError {
    StoreError::KeyFile {
        path: path.to_owned(),
        reason,
    }
}
