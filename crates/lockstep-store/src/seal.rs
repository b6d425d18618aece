//! Encryption of what must not be readable in the database.

use chacha20poly1305::aead::{Aead, Generate, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};

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
