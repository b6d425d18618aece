//! How the first one gets in: a link in the terminal, or a password in a file.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use lockstep_store::Store;
use secrecy::{ExposeSecret as _, SecretString};

use super::password::{ADMIN, Passwords, fit};
use super::secret;
use crate::deeds::Deed;

/// How long a link can be used, in milliseconds: a day.
pub(crate) const LASTS: i64 = 86_400_000;

/// Where secrets are mounted for all of a container to read, which is nobody but this program.
const MOUNTED: &str = "/run/secrets/";

/// A new link that sets the password, below the address that people type. The token follows a `#`, which browsers
/// send to nobody.
pub(crate) async fn link(store: &Store, url: &str, now: i64) -> anyhow::Result<String> {
    let token = secret::made("");
    let digest = secret::digest(&token);
    store.add_link(&digest, now + LASTS, now).await?;
    Ok(format!("{url}{}#{}", super::LINK, token.expose_secret()))
}

/// Whether nobody can sign in yet.
pub(crate) async fn is_first(store: &Store) -> anyhow::Result<bool> {
    Ok(store.people().await?.is_empty())
}

/// Makes the password of the file the admin's, unless it is already. Returns whether it was another one.
pub(crate) async fn take_password(
    store: &Store,
    passwords: &Passwords,
    file: &Path,
    now: i64,
) -> anyhow::Result<bool> {
    let text = std::fs::read_to_string(file)
        .with_context(|| format!("the password file {} cannot be read", file.display()))?;
    let password = SecretString::from(text.trim_end_matches(['\r', '\n']));
    if let Err(unfit) = fit(&password) {
        bail!("the password file {}: {}", file.display(), unfit.words());
    }
    let kept = store.password(ADMIN).await?;
    if kept.is_some() && passwords.right(password.clone(), kept).await? {
        return Ok(false);
    }
    let kept = passwords.kept(password).await?;
    store.set_password(ADMIN, &kept, None, now).await?;
    let deed = Deed::password_by_file();
    deed.note(store, None, "password file", now).await?;
    Ok(true)
}

/// Whether others on this machine can read the file.
pub(crate) fn is_shown(file: &Path) -> bool {
    let shown = std::fs::metadata(file).is_ok_and(|file| file.permissions().mode() & 0o044 != 0);
    shown && !file.starts_with(MOUNTED)
}
