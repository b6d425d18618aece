//! The command line: one module a verb.

mod apply;
mod args;
mod channel;
mod consent;
mod context;
mod demo;
mod doctor;
mod ended;
mod exit;
mod health;
mod held;
mod held_apply;
mod layers;
mod notice;
mod password;
mod prices;
mod run;
mod runs;
mod schedule;
mod serve;
mod signal;
mod site;
mod token;

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{CommandFactory, Parser};
use lockstep_run::EngineError;
use serde_json::json;

use crate::config;
use crate::view::{self, Screen};
use crate::words::en;
pub(crate) use args::ServeArgs;
use args::{Cli, ConfigVerb, LogFormat, Verb};
use context::Context;
pub(crate) use context::seconds_at;
pub(crate) use doctor::as_json as finding_as_json;
use exit::Exit;
pub(crate) use signal::asked_to_stop;

/// Runs what was typed.
pub(crate) async fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are no mistakes; everything else is one.
            let mistake = error.use_stderr();
            let _closed = error.print();
            return if mistake { Exit::Nothing } else { Exit::Done }.into();
        }
    };
    start_log(&cli);
    let screen = Screen::new(cli.global.json, cli.global.quiet, cli.global.verbose);
    let done = dispatch(cli).await;
    context::close().await;
    match done {
        Ok(exit) => exit.into(),
        Err(error) => {
            let (message, hint) = match error.downcast_ref() {
                // Only verbs about prices ask the gateway outside of a run.
                Some(EngineError::Gateway(failure)) => {
                    let said = en::price_failure(failure);
                    (said.message, Some(said.hint))
                }
                known => {
                    let hint = known.and_then(en::what_to_do).map(str::to_owned);
                    let other = || error.downcast_ref().and_then(en::not_switched);
                    (format!("{error:#}"), hint.or_else(other))
                }
            };
            if screen.json {
                screen.data(&json!({"error": {"message": message}}).to_string());
            }
            if FOR_PROGRAMS.load(Ordering::Relaxed) {
                tracing::error!(hint, "{message}");
                return Exit::Nothing.into();
            }
            screen.shows(&screen.wrapped(&format!("error: {message}")));
            if let Some(hint) = hint {
                screen.shows(&screen.wrapped(&format!("  {hint}")));
            }
            Exit::Nothing.into()
        }
    }
}

async fn dispatch(cli: Cli) -> anyhow::Result<Exit> {
    let Cli { global, verb } = cli;
    match verb {
        Verb::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "lockstep", &mut script);
            print_text(&global, "completions", &String::from_utf8_lossy(&script));
            Ok(Exit::Done)
        }
        Verb::Config(ConfigVerb::Example) => {
            print_text(&global, "example", &config::example());
            Ok(Exit::Done)
        }
        Verb::Config(ConfigVerb::Check) => check_config(&global),
        Verb::Demo(args) => demo::demo(global, &args).await,
        Verb::Serve(args) => serve::serve(Context::open(global).await?, &args).await,
        Verb::Health(args) => {
            let file = config::File::read(global.config.as_deref())?;
            health::health(args.listen(&file.serve), args.has_tls(&file.serve)).await
        }
        Verb::Password(verb) => password::password(&Context::open(global).await?, &verb).await,
        Verb::Token(verb) => token::token(&Context::open(global).await?, &verb).await,
        Verb::Site(verb) => site::site(&Context::open(global).await?, &verb).await,
        Verb::Channel(verb) => channel::channel(&Context::open(global).await?, &verb).await,
        Verb::Plan(args) => run::plan(&Context::open(global).await?, &args).await,
        Verb::Sync(args) => run::sync(&Context::open(global).await?, &args).await,
        Verb::Apply(args) => apply::apply(&Context::open(global).await?, &args).await,
        Verb::Undo(args) => apply::undo(&Context::open(global).await?, &args).await,
        Verb::Runs(args) => runs::runs(&Context::open(global).await?, &args).await,
        Verb::Held(args) => held::held(&Context::open(global).await?, &args).await,
        Verb::Diff(args) => prices::diff::diff(&Context::open(global).await?, &args).await,
        Verb::Unpriced(args) => {
            prices::unpriced::unpriced(&Context::open(global).await?, &args).await
        }
        Verb::Price(args) => prices::answers::price(&Context::open(global).await?, &args).await,
        Verb::Notice(verb) => notice::notice(&Context::open(global).await?, &verb).await,
        Verb::Schedule(verb) => schedule::schedule(&Context::open(global).await?, &verb).await,
        Verb::Doctor(args) => doctor::doctor(&Context::open(global).await?, &args).await,
        Verb::Backup(args) => {
            let context = Context::open(global).await?;
            context.store().backup(&args.file).await?;
            if context.screen.json {
                context
                    .screen
                    .data(&json!({"backup": args.file}).to_string());
            } else {
                context.screen.data(&format!(
                    "copied to {}. The key file is not in it: keep a copy of that elsewhere.",
                    args.file.display()
                ));
            }
            Ok(Exit::Done)
        }
    }
}

/// Prints a text that is for a file, or the one object that has it.
fn print_text(global: &args::Global, name: &str, text: &str) {
    let screen = Screen::new(global.json, global.quiet, global.verbose);
    if screen.json {
        screen.data(&json!({ name: text }).to_string());
    } else {
        screen.data(text);
    }
}

fn check_config(global: &args::Global) -> anyhow::Result<Exit> {
    let screen = Screen::new(global.json, global.quiet, global.verbose);
    let Some(path) = &global.config else {
        anyhow::bail!("which file? give --config FILE or LOCKSTEP_CONFIG");
    };
    config::File::read(Some(path))?;
    if screen.json {
        screen.data(&json!({"config": path, "valid": true}).to_string());
    } else {
        screen.data(&format!("{} is in order", path.display()));
    }
    Ok(Exit::Done)
}

/// Whether stderr is for programs: then a server says there by events of its log what it else says in lines.
static FOR_PROGRAMS: AtomicBool = AtomicBool::new(false);

/// Says something that has to be seen of a server whatever was said about quiet: a line, or an event where stderr is for
/// programs.
pub(crate) fn says(screen: &Screen, text: &str) {
    if FOR_PROGRAMS.load(Ordering::Relaxed) {
        tracing::info!("{text}");
    } else {
        screen.shows(text);
    }
}

/// The same of something that may be a mistake.
pub(crate) fn warns(screen: &Screen, text: &str) {
    if FOR_PROGRAMS.load(Ordering::Relaxed) {
        tracing::warn!("{text}");
    } else {
        screen.shows(&screen.wrapped(&format!("warning: {text}")));
    }
}

/// The log goes to stderr: where it was asked for, by `-vv` or `LOCKSTEP_LOG`, and of a server always.
fn start_log(cli: &Cli) {
    let serves = matches!(cli.verb, Verb::Serve(_));
    let filter = match std::env::var("LOCKSTEP_LOG") {
        Ok(filter) if !filter.is_empty() => filter,
        _ if cli.global.verbose >= 3 => "lockstep=trace,lockstep_run=trace,lockstep_remote=trace,lockstep_store=trace,lockstep_core=trace".to_owned(),
        _ if cli.global.verbose == 2 => "info,lockstep_run=debug,lockstep_remote=debug".to_owned(),
        // What goes wrong in months without anybody there has no other place to be told.
        _ if serves && cli.global.quiet => "warn".to_owned(),
        _ if serves => "info".to_owned(),
        _ => return,
    };
    let log = tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(filter))
        .with_writer(std::io::stderr)
        .with_ansi(view::may_colour(&std::io::stderr()))
        .with_target(true);
    let _already = match cli.global.log_format {
        LogFormat::Text => tracing::subscriber::set_global_default(log.finish()),
        LogFormat::Json => {
            if serves {
                FOR_PROGRAMS.store(true, Ordering::Relaxed);
                std::panic::set_hook(Box::new(|panic| tracing::error!("{panic}")));
            }
            let log = log.json().flatten_event(true).with_span_list(false);
            tracing::subscriber::set_global_default(log.finish())
        }
    };
}
