//! Passwords: how they are kept, and how one is compared.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher as _, PasswordVerifier as _};
use argon2::{Algorithm, Argon2, Params, Version};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::Semaphore;

/// The name of the one person there is at first.
pub(crate) const ADMIN: &str = "admin";

/// The fewest characters of a password. There is no other rule.
const SHORTEST: usize = 12;
/// The most, so that nobody has megabytes hashed.
const LONGEST: usize = 1000;

/// What a guess at an unknown name is compared with, so that it takes as long as one at a known name.
const NOBODY: &str = "$argon2id$v=19$m=19456,t=2,p=1$c29tZSBzYWx0IG9mIG5vYm9keQ$\
                      bm9ib2R5IGhhcyB0aGlzIHBhc3N3b3JkLCBldmVyLi4";

/// Each hash takes 19 MiB and a core, so that only so many are made at once.
const AT_ONCE: usize = 2;

/// Makes and compares hashes of passwords: Argon2id with 19 MiB, two passes, one lane.
#[derive(Debug)]
pub(crate) struct Passwords {
    turns: Arc<Semaphore>,
}

/// Why a password is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unfit {
    /// It has fewer than [`SHORTEST`] characters.
    Short,
    /// It has more than [`LONGEST`] characters.
    Long,
}

impl Unfit {
    /// In words.
    pub(crate) fn words(self) -> String {
        match self {
            Self::Short => format!("a password has at least {SHORTEST} characters"),
            Self::Long => format!("a password has at most {LONGEST} characters"),
        }
    }
}

/// Whether a text can be a password.
pub(crate) fn fit(password: &SecretString) -> Result<(), Unfit> {
    match password.expose_secret().chars().count() {
        count if count < SHORTEST => Err(Unfit::Short),
        count if count > LONGEST => Err(Unfit::Long),
        _ => Ok(()),
    }
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(AT_ONCE)),
        }
    }

    /// The text to keep of a password.
    pub(crate) async fn kept(&self, password: SecretString) -> anyhow::Result<String> {
        let hashed = self.turn(move || {
            let salt: [u8; 16] = rand::random();
            let hash: PasswordHash =
                argon2()?.hash_password_with_salt(password.expose_secret().as_bytes(), &salt)?;
            Ok(hash.to_string())
        });
        hashed.await
    }

    /// Whether a password is the one that is kept. It takes as long where none is kept, for then there is no such
    /// person.
    pub(crate) async fn right(
        &self,
        password: SecretString,
        kept: Option<String>,
    ) -> anyhow::Result<bool> {
        let compared = self.turn(move || {
            let known = kept.is_some();
            let kept = kept.unwrap_or_else(|| NOBODY.to_owned());
            let kept = PasswordHash::new(&kept)?;
            // Nobody's password is so long: it is cut, so that its length cannot cost anything.
            let typed: String = password.expose_secret().chars().take(LONGEST + 1).collect();
            let right = argon2()?.verify_password(typed.as_bytes(), &kept).is_ok();
            Ok(right && known)
        });
        compared.await
    }

    /// Does the work on a thread for such work once it is its turn.
    async fn turn<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> anyhow::Result<T> + Send + 'static,
    ) -> anyhow::Result<T> {
        let turn = self.turns.clone().acquire_owned().await?;
        // The turn goes with the work: a caller that goes away does not free it.
        let done = tokio::task::spawn_blocking(move || {
            let done = work();
            drop(turn);
            done
        });
        done.await?
    }
}

fn argon2() -> anyhow::Result<Argon2<'static>> {
    let params = Params::new(19_456, 2, 1, None)?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[tokio::test]
    async fn a_password_is_kept_as_argon2id_with_a_salt_of_its_own_and_known_again() {
        let passwords = Passwords::new();
        let kept = passwords.kept(text("correct horse battery")).await;
        let kept = kept.expect("hashed");
        assert!(
            kept.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{kept}"
        );
        let again = passwords.kept(text("correct horse battery")).await;
        assert_ne!(kept, again.expect("hashed"));
        for (typed, right) in [
            ("correct horse battery", true),
            ("correct horse batterY", false),
            ("", false),
        ] {
            let told = passwords.right(text(typed), Some(kept.clone())).await;
            assert_eq!(told.expect("compared"), right, "{typed}");
        }
    }

    #[tokio::test]
    async fn nobody_is_let_in_by_any_password_and_the_work_is_the_same() {
        let passwords = Passwords::new();
        let told = passwords
            .right(text("nobody has this password"), None)
            .await;
        assert!(!told.expect("compared"));
        let nobody = PasswordHash::new(NOBODY).expect("a hash");
        let params = Params::try_from(&nobody).expect("its costs");
        let ours = argon2().expect("ours");
        assert_eq!(params.m_cost(), ours.params().m_cost());
        assert_eq!(params.t_cost(), ours.params().t_cost());
        assert_eq!(params.p_cost(), ours.params().p_cost());
        assert_eq!(nobody.hash.map(|hash| hash.len()), Some(32));
        assert_eq!(nobody.salt.map(|salt| salt.len()), Some(19));
    }

    #[test]
    fn only_the_length_of_a_password_matters() {
        assert_eq!(fit(&text("elevenchars")), Err(Unfit::Short));
        // Characters, not bytes.
        assert_eq!(fit(&text(&"é".repeat(11))), Err(Unfit::Short));
        assert_eq!(fit(&text("            ")), Ok(()));
        assert_eq!(fit(&text(&"字".repeat(1000))), Ok(()));
        assert_eq!(fit(&text(&"a".repeat(1001))), Err(Unfit::Long));
    }
}
