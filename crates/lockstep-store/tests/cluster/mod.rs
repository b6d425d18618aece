//! A real PostgreSQL for tests: one cluster a test program, one database a test. Other crates' tests have it by `#[path]`.
//!
//! The server ends with the program that started it, however that ends: it is watched by a shell that waits for its input
//! to be closed.

#![allow(dead_code, reason = "each test program uses its part")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::str::FromStr as _;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _};
use tempfile::TempDir;
use tokio::sync::OnceCell;

/// PostgreSQL refuses to run as root.
const NOBODY: u32 = 65534;

/// The database that all others are copies of.
const TEMPLATE: &str = "lockstep_template";

/// Keeps the server until its input is closed.
const WATCH: &str = r#""$@" & server=$!; read -r _; kill -QUIT "$server" 2>/dev/null; wait "$server"; rm -rf "$FOLDER""#;

/// A server with its files.
pub(crate) struct Cluster {
    folder: PathBuf,
    programs: PathBuf,
    watchers: Mutex<Vec<Child>>,
    template: OnceCell<()>,
    databases: AtomicU32,
}

/// One database of a cluster.
#[derive(Clone)]
pub(crate) struct Database {
    /// Its address.
    pub(crate) url: String,
    /// The file with the key for it.
    pub(crate) key: PathBuf,
}

/// A database in the cluster of this program; `None`, and a line that says so, where PostgreSQL is not installed.
pub(crate) async fn database() -> Option<Database> {
    Some(shared()?.database().await)
}

/// The cluster of this program.
pub(crate) fn shared() -> Option<&'static Cluster> {
    static CLUSTER: OnceLock<Option<Cluster>> = OnceLock::new();
    CLUSTER.get_or_init(Cluster::start).as_ref()
}

/// A connection to the database of a store in the cluster of this program.
pub(crate) async fn connect_to(store: &lockstep_store::Store) -> PgConnection {
    let shown = store.location().to_string();
    let name = shown.rsplit('/').next().expect("a name");
    shared().expect("a cluster").connect(name).await
}

impl Cluster {
    /// A server of its own, to be stopped and started.
    pub(crate) fn start() -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(
                std::env::var_os("CI").is_none(),
                "PostgreSQL is missing, and CI must have it: `apt-get install postgresql`"
            );
            eprintln!(
                "PostgreSQL is not installed, so nothing is tested on it: `.ci/postgres` installs it"
            );
            return None;
        };
        let folder = TempDir::with_prefix("lockstep-pg-")
            .expect("a folder")
            .keep();
        if is_root(&folder) {
            chown(&folder, Some(NOBODY), Some(NOBODY)).expect("given away");
        }
        let cluster = Self {
            folder,
            programs,
            watchers: Mutex::default(),
            template: OnceCell::new(),
            databases: AtomicU32::new(0),
        };
        let made = cluster
            .program("initdb")
            .args(["-A", "trust", "-U", "postgres", "-E", "UTF8", "--locale=C"])
            .args(["--no-sync", "-D"])
            .arg(cluster.folder.join("data"))
            .output()
            .expect("initdb runs");
        assert!(
            made.status.success(),
            "{}",
            String::from_utf8_lossy(&made.stderr)
        );
        cluster.run();
        Some(cluster)
    }

    /// Starts the server, which is not running.
    pub(crate) fn run(&self) {
        let mut command = Command::new("sh");
        command.args(["-c", WATCH, "watch"]);
        command.arg(self.programs.join("postgres"));
        command.arg("-D").arg(self.folder.join("data"));
        command.arg("-k").arg(&self.folder);
        for setting in [
            "listen_addresses=",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=300",
            "shared_buffers=32MB",
            "log_min_messages=fatal",
        ] {
            command.args(["-c", setting]);
        }
        command
            .env("FOLDER", &self.folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let watcher = self.as_nobody(command).spawn().expect("a shell");
        self.watchers.lock().expect("the watchers").push(watcher);
    }

    /// Stops the server at once, as a crash does. Its watcher waits on.
    pub(crate) fn crash(&self) {
        let file = self.folder.join("data/postmaster.pid");
        let text = fs::read_to_string(&file).expect("a process id");
        let id = text.lines().next().expect("a process id").to_owned();
        let told = Command::new("kill").args(["-QUIT", &id]).status();
        assert!(told.expect("kill runs").success());
        // The file goes when the last of its processes has.
        while file.exists() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// A database with Lockstep's tables and nothing in them.
    pub(crate) async fn database(&self) -> Database {
        let template = self.at(TEMPLATE);
        self.template
            .get_or_init(async || {
                self.create(TEMPLATE, "template0").await;
                let location = lockstep_store::Location::parse(&template.url).expect("an address");
                let key = lockstep_store::KeySource::File(template.key.clone());
                let store = lockstep_store::Store::open(location, key)
                    .await
                    .expect("tables");
                store.close().await;
            })
            .await;
        let name = format!("test_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create(&name, TEMPLATE).await;
        self.at(&name)
    }

    /// A database with nothing in it at all.
    pub(crate) async fn empty_database(&self) -> Database {
        let name = format!("empty_{}", self.databases.fetch_add(1, Ordering::Relaxed));
        self.create(&name, "template0").await;
        self.at(&name)
    }

    /// A connection to a database, or to the server's own.
    pub(crate) async fn connect(&self, name: &str) -> PgConnection {
        let options = PgConnectOptions::from_str(&self.at(name).url).expect("an address");
        let mut tries = 0;
        loop {
            match PgConnection::connect_with(&options).await {
                Ok(connection) => return connection,
                Err(error) => {
                    tries += 1;
                    assert!(tries < 1_000, "{error}");
                    tokio::time::sleep(Duration::from_millis(30)).await;
                }
            }
        }
    }

    fn at(&self, name: &str) -> Database {
        Database {
            url: format!(
                "postgres:///{name}?host={}&user=postgres",
                self.folder.display()
            ),
            key: self.folder.join("lockstep.key"),
        }
    }

    async fn create(&self, name: &str, template: &str) {
        let mut db = self.connect("postgres").await;
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}");
        db.execute(AssertSqlSafe(sql)).await.expect("a database");
        db.close().await.expect("closed");
    }

    fn program(&self, name: &str) -> Command {
        self.as_nobody(Command::new(self.programs.join(name)))
    }

    fn as_nobody(&self, mut command: Command) -> Command {
        command.current_dir(&self.folder);
        let owner = fs::metadata(&self.folder).expect("the folder").uid();
        if owner == NOBODY {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for watcher in self.watchers.get_mut().expect("the watchers") {
            // What it waits for is that its input ends.
            drop(watcher.stdin.take());
            let _ = watcher.wait();
        }
    }
}

/// What is made by root belongs to root.
fn is_root(folder: &Path) -> bool {
    fs::metadata(folder).expect("the folder").uid() == 0
}

/// The folder of PostgreSQL's programs: of the newest version that Debian installed, or in the path.
fn programs() -> Option<PathBuf> {
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<(u32, PathBuf)> = installed
        .flatten()
        .filter_map(|entry| {
            let version = entry.file_name().to_str()?.parse().ok()?;
            Some((version, entry.path().join("bin")))
        })
        .collect();
    versions.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let newest = versions.into_iter().rev().map(|(_, folder)| folder);
    newest
        .chain(std::env::split_paths(&path))
        .find(|folder| folder.join("initdb").exists() && folder.join("postgres").exists())
}
