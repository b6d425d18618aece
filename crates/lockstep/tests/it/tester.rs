//! A shell to type commands into: a folder of its own, a known environment, and an eye on every byte that comes out.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use lockstep_sim::Gateway;
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};

use crate::canary;

/// The program under test.
pub(crate) const LOCKSTEP: &str = env!("CARGO_BIN_EXE_lockstep");

/// No command takes longer; a test that would hang fails instead.
const PATIENCE: Duration = Duration::from_secs(180);

/// A folder with a database, and the environment that commands run in. When it is dropped, every file in the folder
/// is searched for tokens.
pub(crate) struct Shell {
    folder: TempDir,
    env: BTreeMap<String, String>,
    /// What runs the program, where it is not run directly.
    wrapper: Vec<OsString>,
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) typed: String,
    pub(crate) out: String,
    pub(crate) err: String,
    pub(crate) status: ExitStatus,
}

/// A command that is started, and waits at the door until it is let in: so that a kill can be laid for it before its
/// first request.
pub(crate) struct Process {
    child: Child,
    door: Option<ChildStdin>,
    typed: String,
    pub(crate) pid: u32,
}

impl Shell {
    /// A shell without any gateway.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let mut shell = Self {
            folder,
            env: BTreeMap::new(),
            wrapper: Vec::new(),
        };
        let home = shell.path("home").display().to_string();
        let database = shell.database().display().to_string();
        shell.set("PATH", &std::env::var("PATH").unwrap_or_default());
        shell.set("HOME", &home);
        shell.set("LOCKSTEP_DATABASE", &database);
        shell.set("LOCKSTEP_PACE", "auto");
        // Most stories are about lists alone; those of the gate unset it.
        shell.set("LOCKSTEP_PRICE_GATE", "off");
        shell.set("LOCKSTEP_LOG", "trace");
        shell
    }

    /// A shell whose environment names the gateway, as ad hoc use has it.
    pub(crate) fn at(gateway: &Gateway) -> Self {
        let mut shell = Self::new();
        shell.set("LOCKSTEP_URL", &gateway.url());
        shell.set("LOCKSTEP_USER_ID", "1");
        shell.set("LOCKSTEP_TOKEN", gateway.root_token());
        shell
    }

    /// A shell whose database has the gateway as the site `main`.
    pub(crate) async fn with_site(gateway: &Gateway) -> Self {
        let shell = Self::new();
        shell.add_site("main", gateway).await.is(0);
        shell
    }

    /// Adds the gateway as a site, with the root user's token.
    pub(crate) async fn add_site(&self, name: &str, gateway: &Gateway) -> Said {
        let url = gateway.url();
        let add = ["site", "add", name, "--url", &url, "--user-id", "1"];
        self.pipe(
            &[&add[..], &["--token-stdin"]].concat(),
            gateway.root_token(),
        )
        .await
    }

    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.env.insert(name.to_owned(), value.to_owned());
    }

    pub(crate) fn unset(&mut self, name: &str) {
        self.env.remove(name);
    }

    /// Runs every command by this program from now on, which gets the real one as arguments.
    pub(crate) fn wrap<I: IntoIterator<Item = S>, S: Into<OsString>>(&mut self, wrapper: I) {
        self.wrapper = wrapper.into_iter().map(Into::into).collect();
    }

    /// A path in the folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("home").join("lockstep.db")
    }

    /// Runs a command with nobody at the keyboard.
    pub(crate) async fn run(&self, args: &[&str]) -> Said {
        self.pipe(args, "").await
    }

    /// Runs a command with this on its stdin.
    pub(crate) async fn pipe(&self, args: &[&str], input: &str) -> Said {
        let mut child = self
            .command(args)
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        let mut stdin = child.stdin.take().expect("piped");
        // A command that reads nothing may be gone before this is written.
        let _closed = stdin.write_all(input.as_bytes()).await;
        drop(stdin);
        said(child, args.join(" ")).await
    }

    /// Runs a command with `--json`, and reads the one object that it must print.
    pub(crate) async fn json(&self, args: &[&str]) -> (Value, i32) {
        let said = self.run(&[args, &["--json"]].concat()).await;
        (said.json(), said.code())
    }

    /// Starts a command that waits until [`Process::go`] before it becomes the program.
    pub(crate) fn start(&self, args: &[&str]) -> Process {
        let mut command = Command::new("sh");
        command
            .args(["-c", "read -r _ && exec \"$@\"", "sh", LOCKSTEP])
            .args(about_models(args));
        let mut child = self
            .surround(&mut command)
            .stdin(Stdio::piped())
            .spawn()
            .expect("it starts");
        Process {
            pid: child.id().expect("it runs"),
            door: child.stdin.take(),
            child,
            typed: args.join(" "),
        }
    }

    /// The command itself, for what the verbs above do not do.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = match self.wrapper.split_first() {
            Some((program, rest)) => {
                let mut command = Command::new(program);
                command.args(rest).arg(LOCKSTEP);
                command
            }
            None => Command::new(LOCKSTEP),
        };
        command.args(about_models(args));
        self.surround(&mut command);
        command
    }

    fn surround<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command
            .env_clear()
            .envs(&self.env)
            .current_dir(self.folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
    }
}

/// What is typed, with the subject that most stories are about: without one a plan is about prices too. Stories about
/// both say `both`, which stands for no subject.
fn about_models<'a>(args: &[&'a str]) -> Vec<&'a str> {
    let mut args = args.to_vec();
    if matches!(args.first(), Some(&("plan" | "sync"))) {
        match args.get(1) {
            Some(&("models" | "prices")) => {}
            Some(&"both") => {
                args.remove(1);
            }
            _ => args.insert(1, "models"),
        }
    }
    args
}

impl Drop for Shell {
    fn drop(&mut self) {
        if std::thread::panicking() {
            return;
        }
        let searched = canary::search(self.folder.path());
        if Path::new(&self.database()).exists() {
            assert!(searched > 10_000, "only {searched} bytes were searched");
        }
    }
}

impl Process {
    /// Lets it begin.
    pub(crate) async fn go(&mut self) {
        let mut door = self.door.take().expect("it begins once");
        door.write_all(b"\n").await.expect("it waits at the door");
    }

    /// Waits for its end.
    pub(crate) async fn end(self) -> Said {
        said(self.child, self.typed).await
    }
}

async fn said(child: Child, typed: String) -> Said {
    let ended = tokio::time::timeout(PATIENCE, child.wait_with_output()).await;
    let output = ended
        .unwrap_or_else(|_| panic!("`{typed}` does not end"))
        .expect("it ended");
    for (name, bytes) in [("stdout", &output.stdout), ("stderr", &output.stderr)] {
        if let Some(token) = canary::found(bytes) {
            panic!("{name} of `{typed}` has a token in it: {token}");
        }
        assert!(
            !bytes.contains(&0x1b),
            "{name} of `{typed}` is no terminal and has an escape code in it"
        );
    }
    Said {
        typed,
        out: String::from_utf8(output.stdout).expect("stdout is UTF-8"),
        err: String::from_utf8(output.stderr).expect("stderr is UTF-8"),
        status: output.status,
    }
}

impl Said {
    /// The exit status.
    pub(crate) fn code(&self) -> i32 {
        self.status
            .code()
            .unwrap_or_else(|| panic!("`{}` was ended by a signal", self.typed))
    }

    /// Asserts the exit status.
    #[track_caller]
    pub(crate) fn is(self, code: i32) -> Self {
        assert_eq!(
            self.code(),
            code,
            "`{}`\n--- stdout\n{}\n--- stderr\n{}",
            self.typed,
            self.out,
            self.words()
        );
        self
    }

    /// Asserts that stdout or the words on stderr have this in them, wherever lines are broken.
    #[track_caller]
    pub(crate) fn says(self, text: &str) -> Self {
        let has = |said: &str| {
            let words: Vec<&str> = said.split_whitespace().collect();
            words.join(" ").contains(text)
        };
        assert!(
            has(&self.out) || has(&self.words()),
            "`{}` does not say {text:?}\n--- stdout\n{}\n--- stderr\n{}",
            self.typed,
            self.out,
            self.words()
        );
        self
    }

    /// Stderr without the log.
    pub(crate) fn words(&self) -> String {
        let log = |line: &&str| {
            let mut parts = line.split_ascii_whitespace();
            let stamped = parts
                .next()
                .is_some_and(|at| at.ends_with('Z') && at.len() > 20);
            let levelled = parts
                .next()
                .is_some_and(|level| ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"].contains(&level));
            stamped && levelled
        };
        let lines: Vec<&str> = self.err.lines().filter(|line| !log(line)).collect();
        lines.join("\n")
    }

    /// The one JSON object on stdout.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        let value: Value = serde_json::from_str(&self.out).unwrap_or_else(|error| {
            panic!(
                "stdout of `{}` is not one JSON value ({error})\n--- stdout\n{}\n--- stderr\n{}",
                self.typed,
                self.out,
                self.words()
            )
        });
        assert!(value.is_object(), "`{}` printed {value}", self.typed);
        value
    }
}
