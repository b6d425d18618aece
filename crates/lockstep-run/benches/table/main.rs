//! The table of `make bench`: what Lockstep takes beside what the work itself takes, measured in turn in one process.
//!
//! It prints the table and writes it to `bench.json` in the target folder. Nothing here fails for being slow: times
//! are for people to read. With words after `--` only those parts are measured, and no file is written:
//! `cargo bench -p lockstep-run --bench table -- run`.

mod api;
mod bare;
mod binary;
mod diff;
mod first_load;
mod listeners;
#[path = "../../../lockstep-core/benches/lists/mod.rs"]
mod lists;
mod long;
mod measure;
mod pace;
mod pages;
mod planner;
mod prices;
mod report;
mod run;
mod served;
mod steady;

use std::error::Error;
use std::path::{Path, PathBuf};

use long::Long;
use report::Report;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    if let [diff::PEAK, ..] = words.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        return diff::peak(&words[1..]);
    }
    if !words.iter().any(|word| word == "--bench") {
        println!("this measures speed; `cargo bench` runs it");
        return Ok(());
    }
    let parts: Vec<&String> = words.iter().filter(|word| !word.starts_with('-')).collect();
    let wanted = |part: &str| parts.is_empty() || parts.iter().any(|word| *word == part);
    let target = target()?;
    let program = target.join("release/lockstep");
    let mut report = Report::default();
    if wanted("planner") {
        planner::measure(&mut report);
    }
    if wanted("prices") {
        prices::measure(&mut report);
    }
    // Lives on, so that the program meets a database with something in it.
    let folder = tempfile::tempdir()?;
    let database = folder.path().join("lockstep.db");
    if wanted("run") || wanted("binary") {
        run::measure(&database, &mut report)?;
    }
    if wanted("diff") {
        diff::measure(folder.path(), &mut report)?;
    }
    if wanted("served") && built(&program, &mut report) {
        served::measure(&program, folder.path(), &mut report)?;
    }
    if (wanted("api") || wanted("pages")) && built(&program, &mut report) {
        let long = Long::make(&program, folder.path())?;
        if wanted("api") {
            api::measure(&program, &long, &mut report)?;
        }
        if wanted("pages") {
            pages::measure(&program, &long, &mut report)?;
        }
    }
    if wanted("listeners") && built(&program, &mut report) {
        listeners::measure(&program, folder.path(), &mut report)?;
    }
    if wanted("pace") {
        pace::measure(&mut report)?;
    }
    if wanted("binary") {
        binary::measure(&program, &database, &mut report)?;
    }
    println!("\n{}", report.table());
    if parts.is_empty() {
        let file = target.join("bench.json");
        std::fs::write(&file, report.json()?)?;
        println!("Also in {}.", file.display());
    }
    Ok(())
}

/// Whether the program is there to be measured; else the report says what to do.
fn built(program: &Path, report: &mut Report) -> bool {
    let built = program.exists();
    if !built {
        report.note("No program: `cargo build --release -p lockstep` first, or `make bench`.");
    }
    built
}

/// The target folder, wherever cargo was told to put it: this program is in its `release/deps`.
fn target() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).map(Path::to_owned);
    target.ok_or_else(|| format!("{} is in no target folder", program.display()).into())
}
