//! Secrets that are made here, and the digests that are kept of them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};

/// 256 random bits as base64url, after a word that tells what they are.
pub(crate) fn made(word: &str) -> SecretString {
    let bits: [u8; 32] = rand::random();
    SecretString::from(format!("{word}{}", URL_SAFE_NO_PAD.encode(bits)))
}

/// What is kept of a secret: its SHA-256 in hexadecimal digits. Nobody guesses 256 bits, so that it needs no salt.
pub(crate) fn digest(secret: &SecretString) -> String {
    let digest = Sha256::digest(secret.expose_secret().as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_has_256_bits_and_its_digest_is_the_known_one() {
        let (one, other) = (made("lst_"), made("lst_"));
        assert_ne!(one.expose_secret(), other.expose_secret());
        let bits = one.expose_secret().strip_prefix("lst_").expect("the word");
        assert_eq!(URL_SAFE_NO_PAD.decode(bits).expect("base64url").len(), 32);
        assert_eq!(
            digest(&SecretString::from("abc")),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
