//! Lockstep keeps a New API gateway in step with its providers.

mod api;
mod cli;
mod config;
mod connecting;
mod deciding;
mod deeds;
mod differences;
mod notify;
mod ordering;
mod places;
mod seed;
mod server;
mod sourcing;
mod view;
mod web;
mod words;

use std::process::ExitCode;

fn main() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build();
    match runtime {
        Ok(runtime) => runtime.block_on(cli::main()),
        Err(error) => {
            eprintln!("error: the system gave no threads to work with: {error}");
            ExitCode::FAILURE
        }
    }
}
