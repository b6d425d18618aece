//! The table of `make bench`: what Lockstep takes beside what the work itself takes, measured in turn in one process.
//!
//! It prints the table and writes it to `bench.json` in the target folder. Nothing here fails for being slow: times
//! are for people to read. With words after `--` only those parts are measured, and no file is written:
//! `cargo bench -p lockstep-run --bench table -- run`.

mod api;
mod bare;
mod binary;
mod diff;
mod listeners;
#[path = "../../../lockstep-core/benches/lists/mod.rs"]
mod lists;
mod measure;
mod pace;
mod planner;
mod prices;
mod report;
mod run;
mod served;

use std::error::Error;
use std::path::{Path, PathBuf};

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
    if wanted("served") {
        served::measure(&program, folder.path(), &mut report)?;
    }
    if wanted("api") {
        api::measure(&program, folder.path(), &mut report)?;
    }
    if wanted("listeners") {
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

/// The target folder, wherever cargo was told to put it: this program is in its `release/deps`.
fn target() -> Outcome<PathBuf> {
    let program = std::env::current_exe()?;
    let target = program.ancestors().nth(3).map(Path::to_owned);
    target.ok_or_else(|| format!("{} is in no target folder", program.display()).into())
}
