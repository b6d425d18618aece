//! The program itself: how fast it starts, and what it takes while it waits.

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Outcome;
use crate::diff::status_of;
use crate::measure::{median, milliseconds, timed};
use crate::report::{Report, Row};
use crate::served::Server;

const STARTS: usize = 20;
/// How long the demo settles before it is looked at.
const SETTLED: Duration = Duration::from_secs(1);
/// How long the server waits before it is looked at.
const WAITED: Duration = Duration::from_secs(10);

pub(crate) fn measure(program: &Path, database: &Path, report: &mut Report) -> Outcome<()> {
    let built = program.exists();
    if !built {
        report.note("No program: `cargo build --release -p lockstep` first, or `make bench`.");
    }
    let version = built.then(|| start(program, &["--version"])).transpose()?;
    report.add(Row::alone("start: `lockstep --version`", version, "ms"));
    let path = database.to_string_lossy();
    let runs = built.then(|| start(program, &["--database", &path, "runs"]));
    report.add(Row::alone(
        "start: `lockstep runs`",
        runs.transpose()?,
        "ms",
    ));
    let memory = built.then(|| idle(program)).transpose()?;
    report.add(Row::alone("idle memory of `lockstep demo`", memory, "MiB"));
    let waiting = built.then(|| waiting(program, database)).transpose()?;
    report.add(Row {
        goal: Some(15.0),
        ..Row::alone(
            "idle memory of `lockstep serve`",
            waiting.map(|(all, _)| all),
            "MiB",
        )
    });
    let own = waiting.map(|(_, own)| own);
    report.add(Row::alone("idle: without the program's file", own, "MiB"));
    report.note(
        "Idle memory: resident; of the demo a second after start, with 24 simulated channels; of the server\n\
         after 10 s, its goal in MiB.",
    );
    Ok(())
}

/// The program, knowing nothing of this machine's settings.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.env_clear().stdin(Stdio::null());
    command
}

/// The median time from start to end, in milliseconds.
fn start(program: &Path, arguments: &[&str]) -> Outcome<f64> {
    let mut times = Vec::with_capacity(STARTS);
    for _ in 0..STARTS {
        let (output, time) = timed(|| command(program).args(arguments).output());
        let output = output?;
        if !output.status.success() {
            let told = String::from_utf8_lossy(&output.stderr);
            return Err(format!("lockstep {}: {told}", arguments.join(" ")).into());
        }
        times.push(milliseconds(time));
    }
    Ok(median(times))
}

/// The resident memory of a server that nobody asked anything, in MiB: all of it, and what of it is no file's, for the
/// program's own pages are shared and can be dropped at any time.
pub(crate) fn waiting(program: &Path, database: &Path) -> Outcome<(f64, f64)> {
    let server = Server::start(program, database)?;
    std::thread::sleep(WAITED);
    let mebibytes =
        |key| Ok::<_, Box<dyn Error>>(status_of(&server.process(), key)? as f64 / 1024.0);
    Ok((mebibytes("VmRSS:")?, mebibytes("RssAnon:")?))
}

/// The resident memory of the waiting demo, in MiB.
fn idle(program: &Path) -> Outcome<f64> {
    let mut demo = command(program)
        .arg("demo")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let looked_at = look(&mut demo);
    // Whatever was seen, it must not outlive this.
    demo.kill()?;
    demo.wait()?;
    looked_at
}

fn look(demo: &mut std::process::Child) -> Outcome<f64> {
    // It speaks once it is up, and may say more: nobody closes the pipe before it ends.
    let output = demo.stdout.take().ok_or("no pipe to the demo")?;
    let mut output = BufReader::new(output);
    output.read_line(&mut String::new())?;
    std::thread::sleep(SETTLED);
    Ok(status_of(&demo.id().to_string(), "VmRSS:")? as f64 / 1024.0)
}
