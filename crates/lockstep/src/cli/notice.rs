//! `lockstep notice`: where notices go, a test of it, and what was sent. And what an unattended run tells at its end.

use std::io::Read as _;

use anyhow::{Context as _, bail};
use lockstep_core::change::Subject;
use lockstep_core::notices::NoticeKind;
use lockstep_store::notices::{NewNoticeTarget, NoticeTarget};
use lockstep_store::sites::Site;
use serde_json::json;

use super::args::{NoticeAddArgs, NoticeVerb};
use super::context::{Context, variable};
use super::exit::Exit;
use crate::deeds::Deed;
use crate::notify::{Address, Notifier, Why, after_run};
use crate::view::notice::{Sent, Target};
use crate::view::{json::time, table};
use crate::words::en;

const URL: &str = "LOCKSTEP_NOTICE_URL";
const SECRET: &str = "LOCKSTEP_NOTICE_SECRET";

/// The most that is read from stdin, in bytes: no address is longer.
const LONGEST_INPUT: u64 = 16 * 1024;

pub(crate) async fn notice(context: &Context, verb: &NoticeVerb) -> anyhow::Result<Exit> {
    match verb {
        NoticeVerb::Add(args) => add(context, args).await,
        NoticeVerb::List => list(context).await,
        NoticeVerb::Test { name } => test(context, name).await,
        NoticeVerb::Remove { name } => remove(context, name).await,
        NoticeVerb::Log { limit } => log(context, *limit).await,
    }
}

/// Tells what the newest runs of these subjects, begun since a time, found, and what earlier ones could not. Nothing that
/// goes wrong here changes what the run itself came to.
pub(crate) async fn after_unattended(
    context: &Context,
    site: &Site,
    subjects: &[Subject],
    since: i64,
) {
    let told = async {
        for subject in subjects {
            let run = context.store().latest_run(&site.id, *subject).await?;
            if let Some(run) = run.filter(|run| run.started_at >= since && run.unattended) {
                after_run(&context.engine, &run.id).await?;
            }
        }
        Notifier::new(&context.engine).deliver().await
    };
    match told.await {
        Ok(deliveries) => {
            for delivery in deliveries {
                if let Some(why) = delivery.error {
                    let error = en::notice_why(&why);
                    let again = match delivery.again_at {
                        Some(at) => format!(
                            ". The next unattended run, or `lockstep serve`, tries it again from {} on",
                            time(at)
                        ),
                        None => String::new(),
                    };
                    context.screen.hint(&format!(
                        "The notice `{}` did not reach {}: {error}{again}",
                        delivery.kind, delivery.target
                    ));
                }
            }
        }
        Err(error) => context
            .screen
            .hint(&format!("Notices could not be sent: {error}")),
    }
}

async fn add(context: &Context, args: &NoticeAddArgs) -> anyhow::Result<Exit> {
    let vendor = args.vendor.vendor();
    let (url, secret) = secrets(args.stdin)?;
    let address = Address {
        url,
        secret,
        chat: args.chat.clone(),
        user: args.user.clone(),
        from: args.from.clone(),
        to: args.to.clone(),
        allow: args.allow_private.clone(),
    }
    .checked(vendor)?;
    let mut kinds: Vec<NoticeKind> = args.only.iter().map(|kind| kind.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let new = NewNoticeTarget {
        name: args.name.clone(),
        kind: vendor.code().to_owned(),
        kinds,
        secret: address.to_stored(),
    };
    let now = context.engine.now();
    let target = context.store().add_notice_target(new, now).await?;
    let deed = Deed::notice_target_added(&target, &address.host());
    context.note(None, &deed).await;
    if context.screen.json {
        let told = Target::of(context.store(), &target).await?;
        context.screen.data(&json!({ "target": told }).to_string());
    } else {
        context.screen.says(&format!(
            "{} ({} at {}) hears of unattended runs from now on",
            target.name,
            target.kind,
            address.host()
        ));
    }
    context.screen.hint(&format!(
        "`lockstep notice test {}` sends a test.",
        target.name
    ));
    Ok(Exit::Done)
}

/// The address and the secret. Neither is ever an argument, for others of the machine see those.
fn secrets(from_stdin: bool) -> anyhow::Result<(String, Option<String>)> {
    if !from_stdin {
        let Some(url) = variable(URL) else {
            bail!(
                "which address? Pipe it in with --stdin, or put it in {URL} (and the secret, if there is one, in {SECRET})"
            );
        };
        return Ok((url, variable(SECRET)));
    }
    let mut text = String::new();
    std::io::stdin()
        .lock()
        .take(LONGEST_INPUT)
        .read_to_string(&mut text)
        .context("the address could not be read from stdin")?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let Some(url) = lines.next() else {
        bail!("nothing came on stdin; its first line is the address, its second the secret");
    };
    Ok((url.to_owned(), lines.next().map(str::to_owned)))
}

async fn list(context: &Context) -> anyhow::Result<Exit> {
    let targets = context.store().notice_targets().await?;
    let mut told = Vec::new();
    for target in &targets {
        told.push(Target::of(context.store(), target).await?);
    }
    let screen = &context.screen;
    if screen.json {
        screen.data(&json!({ "targets": told }).to_string());
        return Ok(Exit::Done);
    }
    if told.is_empty() {
        screen.hint("Nobody hears of unattended runs. `lockstep notice add NAME KIND --stdin` adds a place; see `lockstep notice add --help`.");
        return Ok(Exit::Done);
    }
    let mut table = table::plain(screen, &["NAME", "KIND", "HOST", "NOTICES"]);
    for (target, told) in targets.iter().zip(&told) {
        let codes: Vec<&str> = target.kinds.iter().map(|kind| kind.code()).collect();
        let mut notices = if codes.is_empty() {
            "all".to_owned()
        } else {
            codes.join(", ")
        };
        if !target.enabled {
            notices = format!("none now ({notices})");
        }
        table.add_row(vec![
            target.name.clone(),
            target.kind.clone(),
            told.host.clone().unwrap_or_default(),
            notices,
        ]);
    }
    screen.data(&table::text(&table));
    Ok(Exit::Done)
}

async fn test(context: &Context, name: &str) -> anyhow::Result<Exit> {
    let target = known(context, name).await?;
    let delivery = Notifier::new(&context.engine).test(&target).await?;
    let error = delivery.error.as_ref().map(en::notice_why);
    let arrived = error.is_none();
    let screen = &context.screen;
    if screen.json {
        let told = json!({
            "target": name,
            "arrived": arrived,
            "attempts": delivery.attempts,
            "error": error,
        });
        screen.data(&json!({ "test": told }).to_string());
    } else {
        match error {
            None => screen.says(&format!("{name}: the test arrived")),
            Some(error) => screen.says(&format!("{name}: the test did not arrive: {error}")),
        }
    }
    Ok(if arrived { Exit::Done } else { Exit::Nothing })
}

async fn remove(context: &Context, name: &str) -> anyhow::Result<Exit> {
    let target = known(context, name).await?;
    context.store().remove_notice_target(&target.id).await?;
    let deed = Deed::notice_target_removed(&target.name);
    context.note(None, &deed).await;
    if context.screen.json {
        context.screen.data(&json!({ "removed": name }).to_string());
    } else {
        context.screen.says(&format!("{name} is forgotten"));
    }
    Ok(Exit::Done)
}

async fn log(context: &Context, limit: u32) -> anyhow::Result<Exit> {
    let sent = context.store().notices_sent(limit).await?;
    let screen = &context.screen;
    if screen.json {
        let sent: Vec<Sent> = sent.into_iter().map(Sent::from).collect();
        screen.data(&json!({ "sent": sent }).to_string());
        return Ok(Exit::Done);
    }
    if sent.is_empty() {
        screen.hint("Nothing was sent yet.");
        return Ok(Exit::Done);
    }
    let mut table = table::plain(screen, &["WHEN", "TO", "NOTICE", "RUN", "RESULT"]);
    for one in &sent {
        let failed = |error| format!("failed after {}: {error}", one.attempts);
        let error = one.error.as_deref().map(Why::read);
        let error = error.as_ref().map(en::notice_why);
        let result = match (&error, one.done_at, one.due_at) {
            (Some(error), _, Some(again)) => {
                format!("{}; again from {} on", failed(error), time(again))
            }
            (Some(error), _, None) => failed(error),
            (None, Some(_), _) => "arrived".to_owned(),
            (None, None, Some(_)) => "to be sent".to_owned(),
            (None, None, None) => "not sent".to_owned(),
        };
        table.add_row(vec![
            time(one.at),
            one.target.clone().unwrap_or_else(|| "(removed)".to_owned()),
            one.kind.clone(),
            one.run_id.as_deref().map_or("-", table::short).to_owned(),
            result,
        ]);
    }
    screen.data(&table::text(&table));
    Ok(Exit::Done)
}

async fn known(context: &Context, name: &str) -> anyhow::Result<NoticeTarget> {
    let target = context.store().notice_target_by_name(name).await;
    target.with_context(|| format!("there is no place `{name}`; `lockstep notice list` shows them"))
}
