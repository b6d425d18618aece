//! `lockstep schedule`: when runs begin by themselves, and what came of the last ones.

use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use lockstep_core::change::Subject;
use lockstep_run::jobs::Go;
use lockstep_run::schedule::{Orders, Wish, next_due, spec, switch_on};
use lockstep_store::schedule::{LostTick, Mode, Rhythm, Schedule};
use lockstep_store::sites::Site;
use serde_json::json;

use super::args::{ScheduleSetArgs, ScheduleVerb, SubjectArg};
use super::context::Context;
use super::exit::Exit;
use crate::deeds::Deed;
use crate::ordering::Ordering;
use crate::view::schedule::{Form, Told};
use crate::view::table;
use crate::words::en;

pub(crate) async fn schedule(context: &Context, verb: &ScheduleVerb) -> anyhow::Result<Exit> {
    match verb {
        ScheduleVerb::Show { target } => {
            let site = context.site(target).await?;
            show(context, &site.id).await
        }
        ScheduleVerb::Set(args) => set(context, args).await,
        ScheduleVerb::Off { subject, target } => {
            let site = context.site(target).await?;
            off(context, &site, subject.subject()).await
        }
    }
}

async fn show(context: &Context, site: &str) -> anyhow::Result<Exit> {
    let screen = &context.screen;
    let mut told = Vec::new();
    for subject in [Subject::Models, Subject::Prices] {
        told.push(Told::of(context.store(), site, subject).await?);
    }
    if screen.json {
        let schedules: Vec<Form> = told.iter().map(Told::form).collect();
        screen.data(&json!({ "schedules": schedules }).to_string());
        return Ok(Exit::Done);
    }
    let mut table = table::plain(screen, &["SUBJECT", "RUNS", "NEXT", "NEXT (UTC)", "LAST"]);
    for told in &told {
        let subject = told.subject.code().to_owned();
        let Some(schedule) = &told.schedule else {
            let last = String::new();
            table.add_row(vec![
                subject,
                "off".to_owned(),
                String::new(),
                String::new(),
                last,
            ]);
            continue;
        };
        let plan = &schedule.plan;
        let runs = format!("{}, {}", en::rhythm(&plan.rhythm), en::mode(plan.mode));
        let (here, utc) = match next_due(schedule) {
            Some(next) => (clock(next, &zone(schedule)), clock(next, &TimeZone::UTC)),
            None => ("never".to_owned(), String::new()),
        };
        table.add_row(vec![subject, runs, here, utc, last(told)]);
    }
    screen.data(&table::text(&table));
    for lost in told.iter().filter_map(|told| told.lost.as_ref()) {
        let said = en::lost_tick(lost);
        screen.says(&format!(
            "{} of {} (UTC) did not run. {}",
            lost.subject.code(),
            clock(lost.tick, &TimeZone::UTC),
            said.message
        ));
        screen.hint(&format!("  {}", said.hint));
    }
    if told.iter().any(|told| told.schedule.is_some()) {
        screen.hint("Runs begin by themselves while `lockstep serve` runs.");
    } else {
        screen.hint(
            "`lockstep schedule set models` switches one on, after a first `lockstep plan models`.",
        );
    }
    Ok(Exit::Done)
}

async fn set(context: &Context, args: &ScheduleSetArgs) -> anyhow::Result<Exit> {
    let site = context.site(&args.target).await?;
    let rhythm = match (&args.every, &args.cron, &args.zone) {
        (_, Some(line), Some(zone)) => Rhythm::Cron {
            line: line.clone(),
            zone: zone.clone(),
        },
        (Some(hours), ..) => Rhythm::Every { hours: *hours },
        _ => spec::DEFAULT_RHYTHM,
    };
    let wish = Wish {
        rhythm,
        mode: match (args.propose, args.apply) {
            (true, _) => Some(Mode::Propose),
            (_, true) => Some(Mode::Apply),
            _ => None,
        },
        jitter: args
            .jitter
            .map(|minutes| Duration::from_secs(u64::from(minutes) * 60)),
    };
    let (subject, engine) = (args.subject.subject(), &context.engine);
    let by = engine.actor();
    switch_on(context.store(), &site, subject, wish, by, engine.now()).await?;
    let told = Told::of(context.store(), &site.id, subject).await?;
    let deed = Deed::schedule_set(&told.form());
    context.note(Some(&site), &deed).await;
    let screen = &context.screen;
    // What a tick would be lost for is better told now. The server may have another environment.
    let orders = Ordering::new(context.store().clone(), context.file.clone());
    let order = orders.job(site.clone(), subject, Go::Plans, by.to_owned());
    if let Err(why) = order.await {
        let said = en::lost_tick(&LostTick {
            subject,
            tick: engine.now(),
            why: why.code().to_owned(),
            detail: why.detail().to_owned(),
            at: engine.now(),
        });
        screen.hint(&format!(
            "As it is here, nothing would run. {} {}",
            said.message, said.hint
        ));
    }
    if screen.json {
        screen.data(&json!({ "schedule": told.form() }).to_string());
    } else if let Some(schedule) = &told.schedule {
        let next = next_due(schedule).unwrap_or_default();
        screen.says(&format!(
            "{} run {} ({}), next at {}, {} UTC",
            subject.code(),
            en::rhythm(&schedule.plan.rhythm),
            en::mode(schedule.plan.mode),
            clock(next, &zone(schedule)),
            clock(next, &TimeZone::UTC),
        ));
        screen.hint("They begin by themselves while `lockstep serve` runs, and hold what nobody looked at: see docs/schedule.md.");
    }
    Ok(Exit::Done)
}

async fn off(context: &Context, site: &Site, subject: Subject) -> anyhow::Result<Exit> {
    let was_on = context.store().remove_schedule(&site.id, subject).await?;
    if was_on {
        let deed = Deed::schedule_off(subject);
        context.note(Some(site), &deed).await;
    }
    let screen = &context.screen;
    if screen.json {
        let object = json!({"switched_off": subject.code(), "was_on": was_on});
        screen.data(&object.to_string());
    } else if was_on {
        screen.says(&format!("{} no longer run by themselves", subject.code()));
    } else {
        screen.says(&format!("{} did not run by themselves", subject.code()));
    }
    Ok(Exit::Done)
}

impl SubjectArg {
    /// What it means.
    pub(crate) fn subject(self) -> Subject {
        match self {
            Self::Models => Subject::Models,
            Self::Prices => Subject::Prices,
        }
    }
}

fn last(told: &Told) -> String {
    match &told.run {
        Some(run) => format!(
            "{} {} (run {})",
            run.state.code(),
            clock(run.started_at, &TimeZone::UTC),
            table::short(&run.id)
        ),
        None => "none yet".to_owned(),
    }
}

/// The zone that a schedule's times are told in: that of its cron line, or the system's.
fn zone(schedule: &Schedule) -> TimeZone {
    match &schedule.plan.rhythm {
        Rhythm::Cron { zone, .. } => TimeZone::get(zone).unwrap_or(TimeZone::UTC),
        Rhythm::Every { .. } => TimeZone::system(),
    }
}

fn clock(millis: i64, zone: &TimeZone) -> String {
    let Ok(time) = Timestamp::from_millisecond(millis) else {
        return millis.to_string();
    };
    let time = time.to_zoned(zone.clone());
    if *zone == TimeZone::UTC {
        time.strftime("%Y-%m-%d %H:%M").to_string()
    } else {
        time.strftime("%Y-%m-%d %H:%M %Z").to_string()
    }
}
