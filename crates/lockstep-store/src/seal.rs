//! Encryption of what must not be readable in the database, and the columns that have it.

use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{Store, StoreError, sql};

/// Length of a nonce in bytes. It is random: with 24 bytes no two are ever alike.
const NONCE: usize = 24;

/// Encrypts and decrypts texts, each bound to the place where it is stored.
pub(crate) struct Seal(XChaCha20Poly1305);

impl Seal {
    /// A seal with this key.
    pub(crate) fn new(key: [u8; 32]) -> Self {
        Self(XChaCha20Poly1305::new(&key.into()))
    }

    /// The text encrypted, in hexadecimal digits. It opens only in the place it was bound to. `None` when the text
    /// is longer than the cipher can take.
    pub(crate) fn close(&self, text: &str, place: &str) -> Option<String> {
        let nonce = XNonce::generate();
        let payload = Payload {
            msg: text.as_bytes(),
            aad: place.as_bytes(),
        };
        let sealed = self.0.encrypt(&nonce, payload).ok()?;
        let mut hex = to_hex(&nonce);
        hex.push_str(&to_hex(&sealed));
        Some(hex)
    }

    /// The text, or `None` when the key or the place is another one.
    pub(crate) fn open(&self, hex: &str, place: &str) -> Option<String> {
        let bytes = from_hex(hex)?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let nonce = XNonce::try_from(nonce).ok()?;
        let payload = Payload {
            msg: sealed,
            aad: place.as_bytes(),
        };
        String::from_utf8(self.0.decrypt(&nonce, payload).ok()?).ok()
    }
}

/// A column of secrets. Each is bound to the row that it stands in, so that it opens in no other.
pub(crate) struct SecretColumn {
    pub(crate) table: &'static str,
    pub(crate) column: &'static str,
    /// Reads the column of the row with an id.
    pub(crate) select: &'static str,
    /// What people call the secret.
    pub(crate) secret: &'static str,
    /// What people call a row.
    pub(crate) row: &'static str,
}

impl SecretColumn {
    fn place(&self, id: &str) -> String {
        format!("{}:{id}", self.table)
    }

    /// That there is no row with the id.
    pub(crate) fn not_found(&self, id: &str) -> StoreError {
        StoreError::NotFound(format!("{} with the id {id}", self.row))
    }

    /// The same, where no row was touched.
    pub(crate) fn there_was(&self, rows: u64, id: &str) -> Result<(), StoreError> {
        if rows == 0 {
            Err(self.not_found(id))
        } else {
            Ok(())
        }
    }
}

impl Store {
    /// A secret as it is stored in the row of the id.
    pub(crate) fn sealed(
        &self,
        of: &SecretColumn,
        id: &str,
        secret: &SecretString,
    ) -> Result<String, StoreError> {
        let sealed = self.seal().close(secret.expose_secret(), &of.place(id));
        sealed.ok_or_else(|| {
            StoreError::Unavailable(format!("the {} is too long to be encrypted", of.secret))
        })
    }

    /// The secret of a row, decrypted; `None` where it has none.
    pub(crate) async fn opened(
        &self,
        of: &SecretColumn,
        id: &str,
    ) -> Result<Option<SecretString>, StoreError> {
        let stored: Option<Option<String>> = sql::query_scalar(of.select)
            .bind(id)
            .fetch_optional(self.readers())
            .await?;
        let Some(sealed) = stored.ok_or_else(|| of.not_found(id))? else {
            return Ok(None);
        };
        self.unsealed(of, id, &sealed).map(Some)
    }

    /// What stands encrypted in the row of the id, decrypted.
    pub(crate) fn unsealed(
        &self,
        of: &SecretColumn,
        id: &str,
        sealed: &str,
    ) -> Result<SecretString, StoreError> {
        let opened = self.seal().open(sealed, &of.place(id));
        opened
            .map(SecretString::from)
            .ok_or_else(|| StoreError::Inconsistent {
                table: of.table,
                column: of.column,
                row: id.to_owned(),
            })
    }
}

/// A name that nobody can guess.
pub(crate) fn random_name() -> String {
    to_hex(&XNonce::generate())
}

/// Bytes as hexadecimal digits.
pub(crate) fn to_hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(u32::from(digit), 16))
        .collect()
}

/// The bytes of hexadecimal digits.
pub(crate) fn from_hex(hex: &str) -> Option<Vec<u8>> {
    if !hex.len().is_multiple_of(2) || !hex.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).ok())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_opens_only_with_its_key_and_in_its_place() {
        let seal = Seal::new([7; 32]);
        let closed = seal.close("secret", "site:1").expect("closes");
        assert_eq!(seal.open(&closed, "site:1").as_deref(), Some("secret"));
        assert_eq!(seal.open(&closed, "site:2"), None);
        assert_eq!(Seal::new([8; 32]).open(&closed, "site:1"), None);
        assert_eq!(seal.open(&closed[..20], "site:1"), None);
        assert_eq!(seal.open("zz", "site:1"), None);
        assert_ne!(seal.close("secret", "site:1"), Some(closed));
    }

    #[test]
    fn hexadecimal_digits_read_back() {
        assert_eq!(
            from_hex(&to_hex(&[0, 9, 10, 255])),
            Some(vec![0, 9, 10, 255])
        );
        assert_eq!(from_hex("0"), None);
        assert_eq!(from_hex("+1"), None);
    }
}
