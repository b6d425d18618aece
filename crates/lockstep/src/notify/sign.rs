//! Signatures by which a target knows that a message is ours.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// HMAC-SHA256.
fn hmac(key: &str, text: &str) -> Vec<u8> {
    // A key of any length makes one.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else {
        return Vec::new();
    };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

/// The signature of a generic webhook: of the timestamp in Unix seconds, a dot and the body, in hexadecimal digits.
pub(super) fn webhook(secret: &str, seconds: i64, body: &str) -> String {
    let digest = hmac(secret, &format!("{seconds}.{body}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256={hex}")
}

/// Feishu's: the timestamp in Unix seconds and the secret are the key, and nothing is signed with it.
pub(super) fn feishu(secret: &str, seconds: i64) -> String {
    STANDARD.encode(hmac(&format!("{seconds}\n{secret}"), ""))
}

/// DingTalk's, of the timestamp in Unix milliseconds. In an address it is still to be encoded.
pub(super) fn dingtalk(secret: &str, millis: i64) -> String {
    STANDARD.encode(hmac(secret, &format!("{millis}\n{secret}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    // The wanted values were made by the vendors' own Python samples, from these inputs; that Feishu's key is what others
    // sign is told by https://github.com/go-gitea/gitea/pull/34788 too. Feishu,
    // https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot (its sample's timestamp), and DingTalk,
    // https://open.dingtalk.com/document/robots/customize-robot-security-settings (its sample's secret).
    #[test]
    fn signatures_are_those_of_the_vendors_samples() {
        assert_eq!(
            feishu("this is secret", 1_599_360_473),
            "/eYKrXQBzTjUZJ3s6NX16VxGbTwmK7AEs8/FnvC1CSw="
        );
        assert_eq!(
            dingtalk("this is secret", 1_577_262_236_757),
            "hmPWwU+7lVdm3ZZz0r9tSfx0L4Q26jWOZr9+Gs6EZQM="
        );
        // Somebody else's program signs so too: https://docs.rs/crate/dingding/0.1.1/source/src/signature.rs
        assert_eq!(
            dingtalk("secret", 1_700_000_000_000),
            "OuzzJR5+xZ4/EYwqtNt6sMYZQMTa/HEGvc9miJe7XzY="
        );
        assert_eq!(
            webhook("this is secret", 1_599_360_473, r#"{"a":1}"#),
            "sha256=90d5e38ebfc52949619d95ece8c817f03e52ca6fdffa95edfb3a98748cd20216"
        );
    }
}
