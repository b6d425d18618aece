//! What every verb stands on: the store, the configuration, the gateway that is meant, the settings that hold.

use std::io::{BufRead, IsTerminal};
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context as _, bail};
use lockstep_core::settings::Settings;
use lockstep_core::site::GatewayUrl;
use lockstep_run::clock::SystemClock;
use lockstep_run::{Engine, SiteAccess};
use lockstep_store::leases::LeaseTimes;
use lockstep_store::sites::{Site, SiteEdit};
use lockstep_store::{KeySource, Location, Store};
use secrecy::SecretString;

use super::args::{Global, Target};
use crate::config::File;
use crate::deeds::Deed;
pub(crate) use crate::ordering::variable;
use crate::ordering::{SITE, TOKEN, URL, USER_ID};
use crate::view::Screen;
use crate::words::en;

const LEASE_MS: &str = "LOCKSTEP_LEASE_MS";

/// The store of this program, to be closed at its end: what is given back then must not be cut off.
static OPENED: OnceLock<Store> = OnceLock::new();

/// Ends the use of the store, if one was opened.
pub(crate) async fn close() {
    if let Some(store) = OPENED.get() {
        store.close().await;
    }
}

/// What a verb is given.
pub(crate) struct Context {
    pub(crate) file: File,
    pub(crate) engine: Engine,
    pub(crate) screen: Screen,
}

impl Context {
    /// Reads the configuration and opens the store.
    pub(crate) async fn open(global: Global) -> anyhow::Result<Self> {
        let file = File::read(global.config.as_deref())?;
        let location = database_path(&global, &file)?;
        let key = match global.key_file.clone().or_else(|| file.key_file.clone()) {
            Some(path) => KeySource::File(path),
            None if location.file().is_none() => {
                KeySource::File(data_folder()?.join("lockstep.key"))
            }
            None => KeySource::FileBeside,
        };
        let mut store = Store::open(location, key).await?;
        if let Some(times) = lease_times()? {
            store = store.with_lease_times(times);
        }
        let _first = OPENED.set(store.clone());
        Self::over(store, &global, file)
    }

    /// A context over a store that is open.
    pub(crate) fn over(store: Store, global: &Global, file: File) -> anyhow::Result<Self> {
        let engine = Engine::start(store, Arc::new(SystemClock), actor())
            .context("the HTTP client could not be made")?;
        let screen = Screen::new(global.json, global.quiet, global.verbose);
        Ok(Self {
            file,
            engine,
            screen,
        })
    }

    /// Who the history says did it.
    pub(crate) fn actor(&self) -> String {
        actor()
    }

    /// Notes what was just done. What was done stays done where it cannot be noted.
    pub(crate) async fn note(&self, site: Option<&Site>, deed: &Deed) {
        let (site, now) = (site.map(|site| site.id.as_str()), self.engine.now());
        let noted = deed.note(self.store(), site, self.engine.actor(), now);
        if let Err(error) = noted.await {
            self.screen.hint(&format!(
                "It is done, but the history does not say so: {error}"
            ));
        }
    }

    pub(crate) fn store(&self) -> &Store {
        self.engine.store()
    }

    /// The site that is meant: by name, by address, the one of the file, or the default one.
    pub(crate) async fn site(&self, target: &Target) -> anyhow::Result<Site> {
        let store = self.store();
        let target = target.or_environment()?;
        if let Some(url) = &target.url {
            let url = GatewayUrl::parse(url)?;
            // A stored site of this address is the same gateway: its memory tells what was edited by hand.
            let stored = store
                .sites()
                .await?
                .into_iter()
                .find(|site| site.url == url);
            let site = match stored {
                Some(site) if site.name.is_some() => return Ok(site),
                Some(site) => site,
                None => store.site_for_url(&url, self.engine.now()).await?,
            };
            let user_id = match &target.user_id {
                Some(user_id) => user_id.clone(),
                None if !site.user_id.is_empty() => return Ok(site),
                None => bail!(
                    "{}",
                    missing(
                        "--user-id (or LOCKSTEP_USER_ID): the id of the user the token belongs to"
                    )
                ),
            };
            let edit = SiteEdit {
                user_id: Some(user_id),
                ..SiteEdit::default()
            };
            return Ok(store.edit_site(&site.id, edit).await?);
        }
        if let Some(name) = target.site.as_ref().or(self.file.site.as_ref()) {
            return store.site_by_name(name).await.with_context(|| {
                format!("there is no site `{name}`; `lockstep site list` shows them")
            });
        }
        store.default_site().await?.ok_or_else(|| {
            anyhow::anyhow!(
                "{}",
                missing(
                    "no gateway. `lockstep site add NAME --url URL --user-id ID` stores one; or give --url, --user-id and the token in LOCKSTEP_TOKEN"
                )
            )
        })
    }

    /// The site that is meant, with its token.
    pub(crate) async fn access(&self, target: &Target) -> anyhow::Result<SiteAccess> {
        let mut site = self.site(target).await?;
        // Where a gateway is named and the environment is about another one, its user and token are that one's.
        let another = (target.site.is_some() || target.url.is_some())
            && variable(URL)
                .is_some_and(|url| GatewayUrl::parse(&url).ok() != Some(site.url.clone()));
        let from_environment = |name| if another { None } else { variable(name) };
        if let Some(user_id) = target.user_id.clone().or_else(|| from_environment(USER_ID)) {
            site.user_id = user_id;
        }
        let token = match from_environment(TOKEN) {
            Some(token) => Some(SecretString::from(token)),
            None => self.store().token(&site.id).await?,
        };
        let Some(token) = token else {
            bail!(
                "{}",
                missing(
                    "the Admin Token is not stored for this gateway; put it in LOCKSTEP_TOKEN, or `lockstep site edit NAME --token-stdin`"
                )
            );
        };
        Ok(SiteAccess { site, token })
    }
}

impl Target {
    /// What was typed; where no gateway was, the one of the environment.
    fn or_environment(&self) -> anyhow::Result<Self> {
        let mut target = self.clone();
        if target.site.is_none() && target.url.is_none() {
            target.site = variable(SITE);
            target.url = variable(URL);
            if target.site.is_some() && target.url.is_some() {
                bail!("{}", en::two_gateways(SITE, URL));
            }
        }
        if target.site.is_none() && target.user_id.is_none() {
            target.user_id = variable(USER_ID);
        }
        Ok(target)
    }
}

/// Where the database is: flag, environment, file, the system's data folder.
fn database_path(global: &Global, file: &File) -> anyhow::Result<Location> {
    let Some(path) = global.database.clone().or_else(|| file.database.clone()) else {
        return Ok(data_folder()?.join("lockstep.db").into());
    };
    match path.to_str() {
        Some(text) => Ok(Location::parse(text)?),
        None => Ok(path.into()),
    }
}

/// Where the database, and the key to a database on a server, are unless something else is said.
fn data_folder() -> anyhow::Result<PathBuf> {
    let folder = dirs::data_dir()
        .context("this system names no data folder; give --database or LOCKSTEP_DATABASE")?;
    Ok(folder.join("lockstep"))
}

/// How long leases on PostgreSQL hold, where `LOCKSTEP_LEASE_MS` says so. Replicas may be told different times, for each
/// goes by those of whoever holds a lease.
fn lease_times() -> anyhow::Result<Option<LeaseTimes>> {
    let Some(text) = variable(LEASE_MS) else {
        return Ok(None);
    };
    match text.parse() {
        Ok(ms) if ms >= 300 => Ok(Some(LeaseTimes::of(Duration::from_millis(ms)))),
        _ => bail!("{LEASE_MS} is a number of milliseconds from 300 on, and `{text}` is none"),
    }
}

/// The token from stdin, the environment, or a question on a terminal.
pub(crate) fn read_token(from_stdin: bool) -> anyhow::Result<Option<SecretString>> {
    if from_stdin {
        let mut line = String::new();
        std::io::stdin()
            .lock()
            .read_line(&mut line)
            .context("the token could not be read from stdin")?;
        let line = line.trim();
        if line.is_empty() {
            bail!(
                "nothing came on stdin; pipe the token in, e.g. `printenv TOKEN | lockstep ... --token-stdin`"
            );
        }
        return Ok(Some(SecretString::from(line)));
    }
    if let Some(token) = variable(TOKEN) {
        return Ok(Some(SecretString::from(token)));
    }
    if std::io::stdin().is_terminal() && std::io::stderr().is_terminal() {
        let token = rpassword::prompt_password("Admin Token (system access token, not shown): ")
            .context("the token could not be read")?;
        let token = token.trim();
        return Ok((!token.is_empty()).then(|| SecretString::from(token)));
    }
    Ok(None)
}

fn missing(what: &str) -> String {
    format!("Configuration missing: {what}")
}

fn actor() -> String {
    let user = std::env::var("USER").or_else(|_| std::env::var("LOGNAME"));
    match user {
        Ok(user) if !user.is_empty() => format!("{user} (command line)"),
        _ => "command line".to_owned(),
    }
}

/// How many seconds so many requests take at the pace of the settings, and at the automatic one.
pub(crate) fn seconds_at(settings: &Settings, requests: usize) -> [u64; 2] {
    let seconds = |settings: &Settings| {
        let pace = settings.fresh_pace(lockstep_core::pace::GATEWAY_CALLS);
        pace.estimate(requests).as_secs()
    };
    let auto = Settings {
        pace: lockstep_core::settings::PaceMode::Auto,
        ..settings.clone()
    };
    [seconds(settings), seconds(&auto)]
}
