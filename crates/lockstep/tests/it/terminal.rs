//! What a person at a terminal sees, and what a pipe gets: questions, colours, widths, completions, help.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, tcgetattr};
use unicode_width::UnicodeWidthStr as _;

use crate::canary;
use crate::tester::Shell;
use crate::world::{healthy, lists, mixed, start, written};

/// A terminal: the end that a person has, and the end that programs get.
struct Terminal {
    person: File,
    program: File,
}

impl Terminal {
    fn open() -> Self {
        let person: OwnedFd = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a terminal");
        grantpt(&person).expect("granted");
        unlockpt(&person).expect("unlocked");
        let name = ptsname(&person, Vec::new()).expect("a name");
        let name = name.into_string().expect("a path");
        let program = File::options()
            .read(true)
            .write(true)
            .open(name)
            .expect("the other end");
        Self {
            person: File::from(person),
            program,
        }
    }

    fn end(&self) -> Stdio {
        Stdio::from(self.program.try_clone().expect("one more"))
    }

    /// Waits until what is typed is not shown.
    async fn until_hidden(&self) {
        for _ in 0..5_000 {
            let modes = tcgetattr(&self.person).expect("its modes").local_modes;
            if !modes.contains(LocalModes::ECHO) {
                return;
            }
            tokio::time::sleep(std::time::Duration::from_millis(2)).await;
        }
        panic!("what is typed would be shown");
    }

    /// Types this and reads what was shown until the last program has gone.
    async fn type_and_read(self, text: &str) -> String {
        let Self {
            mut person,
            program,
        } = self;
        drop(program);
        person.write_all(text.as_bytes()).expect("typed");
        let read = tokio::task::spawn_blocking(move || {
            let mut shown = Vec::new();
            let mut some = [0; 4096];
            // A terminal without programs is an error to read from.
            while let Ok(count @ 1..) = person.read(&mut some) {
                shown.extend_from_slice(&some[..count]);
            }
            String::from_utf8_lossy(&shown).into_owned()
        });
        let shown = read.await.expect("read");
        assert_eq!(canary::found(shown.as_bytes()), None, "a token was shown");
        shown
    }
}

/// Runs a command at a terminal, with this typed.
async fn at_a_terminal(shell: &Shell, args: &[&str], typed: &str) -> (String, i32) {
    let hidden = args.contains(&"add");
    let terminal = Terminal::open();
    let mut command = shell.command(args);
    command
        .stdin(terminal.end())
        .stdout(terminal.end())
        .stderr(terminal.end());
    let mut child = command.spawn().expect("it starts");
    // The command holds the terminal's ends too.
    drop(command);
    if hidden {
        terminal.until_hidden().await;
    }
    let shown = terminal.type_and_read(typed).await;
    let status = child.wait().await.expect("it ended");
    (shown, status.code().expect("no signal"))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_before_anything_is_written_and_a_no_writes_nothing() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    shell.unset("LOCKSTEP_LOG");
    for (typed, code) in [("n\n", 2), ("\n", 2), ("yess\n", 2)] {
        let (shown, ended) = at_a_terminal(&shell, &["sync"], typed).await;
        assert!(
            shown.contains("Write 2 changes on 2 channels? [y/N]"),
            "{shown}"
        );
        assert!(
            shown.contains("gpt-5-nano"),
            "the changes come before the question: {shown}"
        );
        assert_eq!(ended, code, "{typed:?}: {shown}");
        assert!(gateway.writes().is_empty(), "{typed:?}");
    }
    let before = lists(&gateway);
    let (shown, ended) = at_a_terminal(&shell, &["sync"], "y\n").await;
    assert_eq!((ended, written(&gateway).len()), (0, 2), "{shown}");
    let (shown, ended) = at_a_terminal(&shell, &["undo"], "yes\n").await;
    assert!(shown.contains("[y/N]"), "{shown}");
    assert_eq!(ended, 0);
    assert_eq!(lists(&gateway), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_asked_before_prices_are_written_too() {
    let (gateway, mut shell) = crate::prices::in_the_shop().await;
    shell.unset("LOCKSTEP_LOG");
    let before = gateway.price_texts();
    for typed in ["n\n", "\n"] {
        let (shown, ended) = at_a_terminal(&shell, &["sync", "prices"], typed).await;
        assert!(
            shown.contains("Write 4 values of 2 models? [y/N]"),
            "{shown}"
        );
        assert!(shown.contains("cedar"), "what is asked about: {shown}");
        assert_eq!(ended, 2, "{shown}");
        assert!(gateway.writes().is_empty());
    }
    let (shown, ended) = at_a_terminal(&shell, &["sync", "prices"], "y\n").await;
    assert_eq!(ended, 0, "{shown}");
    assert_ne!(gateway.price_texts(), before);
    let (shown, ended) = at_a_terminal(&shell, &["undo"], "y\n").await;
    assert!(shown.contains("[y/N]"), "{shown}");
    assert_eq!((ended, gateway.price_texts()), (0, before), "{shown}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_asked_for_and_not_shown() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::new();
    shell.unset("LOCKSTEP_LOG");
    let url = gateway.url();
    let script = "setsid -w -c \"$@\"";
    shell.wrap(["sh", "-c", script, "sh"]);
    let add = ["site", "add", "main", "--url", &url, "--user-id", "1"];
    let (shown, code) = at_a_terminal(&shell, &add, &format!("{}\n", canary::ROOT)).await;
    assert!(shown.contains("Admin Token"), "{shown}");
    assert_eq!(code, 0, "{shown}");
    shell.wrap([] as [&str; 0]);
    shell.run(&["doctor"]).await.is(0);
}

#[tokio::test(flavor = "multi_thread")]
async fn colours_are_for_terminals_and_no_color_is_obeyed() {
    let gateway = start(mixed()).await;
    let mut shell = Shell::at(&gateway);
    shell.unset("LOCKSTEP_LOG");
    shell.run(&["plan"]).await.is(2);
    let colours = async |shell: &Shell| {
        let terminal = Terminal::open();
        let mut command = shell.command(&["runs", "0", "-v"]);
        command.args(["--search", "gamma"]).stdin(Stdio::null());
        command.stdout(terminal.end()).stderr(Stdio::null());
        let mut child = command.spawn().expect("it starts");
        drop(command);
        let shown = terminal.type_and_read("").await;
        assert!(child.wait().await.expect("it ended").success(), "{shown}");
        assert!(shown.contains("gamma-9"), "{shown}");
        shown.contains('\u{1b}')
    };
    assert!(colours(&shell).await, "no colours at a terminal");
    shell.set("NO_COLOR", "1");
    assert!(!colours(&shell).await, "NO_COLOR is not obeyed");
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_fit_80_columns() {
    let gateway = start(mixed()).await;
    gateway.edit_channel(5, |channel| {
        channel.name = "一个非常长的渠道名称，长到没有人会这样写，但总有人会这样写的".to_owned();
    });
    gateway.provider("acme").set_models(crate::world::names(
        "a-provider-with-names-that-are-as-long-as-they-can-be-and-then-some-more-of-it",
        12,
    ));
    let shell = Shell::with_site(&gateway).await;
    let set = [
        "channel",
        "set",
        "2",
        "--keep",
        "a-name-to-keep",
        "--exclude",
        "regex:^(x|y|z)+$",
    ];
    shell.run(&["plan"]).await.is(2);
    shell.run(&set).await.is(0);
    let mut lines = 0;
    for args in [
        &["plan"][..],
        &["plan", "-v"],
        &["sync", "--yes"],
        &["runs"],
        &["runs", "--search", "a-provider-with"],
        &["held"],
        &["held", "-v"],
        &["channel", "list"],
        &["site", "list"],
        &["undo", "--yes"],
    ] {
        let said = shell.run(args).await;
        for line in said.out.lines() {
            assert!(
                line.width() <= 80,
                "{} columns of {args:?}: {line}",
                line.width()
            );
            lines += 1;
        }
    }
    assert!(lines > 100, "only {lines} lines");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_quiet_command_says_nothing_but_data() {
    let gateway = start(mixed()).await;
    let mut shell = Shell::at(&gateway);
    shell.unset("LOCKSTEP_LOG");
    for args in [
        &["plan", "--quiet"][..],
        &["sync", "--yes", "-q"],
        &["held", "-q"],
        &["runs", "-q"],
    ] {
        let said = shell.run(args).await;
        assert_eq!(said.err, "", "{args:?}");
        assert!(!said.out.is_empty(), "{args:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_on_stderr_and_only_when_it_is_asked_for() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    shell.unset("LOCKSTEP_LOG");
    assert_eq!(shell.run(&["plan", "--json", "-q"]).await.is(2).err, "");
    let said = shell.run(&["plan", "--json", "-q", "-vvv"]).await.is(2);
    assert!(said.err.contains("INFO lockstep_run"), "{}", said.err);
    said.json();
}

#[tokio::test(flavor = "multi_thread")]
async fn completions_are_scripts_that_know_the_flags() {
    let shell = Shell::new();
    for name in ["bash", "zsh", "fish"] {
        let said = shell.run(&["completions", name]).await.is(0);
        for word in ["retry-failed", "doctor", "completions"] {
            assert!(
                said.out.contains(word),
                "{word} is not in the script for {name}"
            );
        }
        let path = shell.path(name);
        std::fs::write(&path, &said.out).expect("written");
        // Read by the shell itself, where this machine has it.
        let checked = tokio::process::Command::new(name)
            .arg("-n")
            .arg(&path)
            .output()
            .await;
        if let Ok(checked) = checked {
            let words = String::from_utf8_lossy(&checked.stderr);
            assert!(checked.status.success(), "{name}: {words}");
        }
    }
    assert!(!shell.path("home").exists(), "no database is made for that");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_is_no_failure() {
    let gateway = start(healthy()).await;
    let mut shell = Shell::at(&gateway);
    shell.run(&["plan"]).await.is(2);
    shell.wrap(["bash", "-c", "\"$@\" | true; exit ${PIPESTATUS[0]}", "bash"]);
    for (args, code) in [
        (&["completions", "bash"][..], 0),
        (&["plan"], 2),
        (&["runs", "--json"], 0),
        (&["config", "example"], 0),
    ] {
        let said = shell.run(args).await.is(code);
        assert!(!said.err.contains("panicked"), "{}", said.err);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn usage_is_told_on_stderr_and_ends_with_1_and_help_is_no_mistake() {
    let shell = Shell::new();
    for args in [
        &["synch"][..],
        &[],
        &["plan", "--pace"],
        &["apply", "--held", "0199"],
        &["plan", "--site", "a", "--url", "http://b"],
        &["sync", "--yes", "--unattended"],
        &["channel", "set"],
        &["held", "keep"],
    ] {
        let said = shell.run(args).await.is(1);
        assert!(said.out.is_empty() && !said.err.is_empty(), "{args:?}");
    }
    shell.run(&["--help"]).await.is(0).says("Usage: lockstep");
    shell
        .run(&["sync", "--help"])
        .await
        .is(0)
        .says("LOCKSTEP_PACE");
    shell
        .run(&["--version"])
        .await
        .is(0)
        .says(env!("CARGO_PKG_VERSION"));
}
