//! `lockstep doctor`: what is as it should be on a gateway, what is not, and what to do.

use lockstep_run::doctor::{Finding, Level};
use lockstep_store::sites::Site;
use serde_json::{Value, json};

use super::args::DoctorArgs;
use super::context::{Context, seconds_at};
use super::exit::Exit;
use crate::words::Said;
use crate::words::en;

pub(crate) async fn doctor(context: &Context, args: &DoctorArgs) -> anyhow::Result<Exit> {
    let access = context.access(&args.target).await?;
    let site = access.site.clone();
    let chosen = context.paced(&site, &args.pace)?;
    let session = context.engine.session(access, &chosen.settings);
    let findings = session
        .doctor(|requests| seconds_at(&chosen.settings, requests))
        .await;
    let exit = tell(context, &site, &findings)?;
    let interrupted = session.interrupted_writes().await?;
    for run in interrupted {
        context.screen.hint(&format!(
            "run {} was interrupted while writing; `lockstep sync` or `lockstep apply` carries it on",
            run.id
        ));
    }
    Ok(exit)
}

/// Tells the findings, one a line.
pub(crate) fn tell(context: &Context, site: &Site, findings: &[Finding]) -> anyhow::Result<Exit> {
    let wrong = findings.iter().any(|finding| finding.level == Level::Wrong);
    if context.screen.json {
        let findings: Vec<Value> = findings.iter().map(as_json).collect();
        let object = json!({
            "site": site.name.clone().unwrap_or_else(|| site.url.to_string()),
            "ok": !wrong,
            "findings": findings,
        });
        context.screen.data(&object.to_string());
    } else {
        for finding in findings {
            let said = words(finding);
            let mark = match finding.level {
                Level::Ok => "ok     ",
                Level::Notice => "notice ",
                Level::Wrong => "wrong  ",
            };
            context.screen.says(&format!("{mark}{}", said.message));
            if !said.hint.is_empty() {
                context.screen.says(&format!("       {}", said.hint));
            }
        }
    }
    Ok(if wrong { Exit::Nothing } else { Exit::Done })
}

/// A finding as JSON.
pub(crate) fn as_json(finding: &Finding) -> Value {
    let said = words(finding);
    json!({
        "topic": finding.topic.code(),
        "level": finding.level.code(),
        "message": said.message,
        "hint": said.hint,
    })
}

fn words(finding: &Finding) -> Said {
    match &finding.failure {
        Some(failure) => en::failure(failure),
        None => en::finding(finding.topic, finding.level, &finding.args),
    }
}

/// Every topic has words; the compiler asks for them here.
#[cfg(test)]
mod tests {
    use super::*;
    use lockstep_run::doctor::Topic;

    #[test]
    fn every_topic_has_words() {
        let args: Vec<String> = ["1", "2"].map(str::to_owned).to_vec();
        for topic in [
            Topic::Address,
            Topic::Gateway,
            Topic::Version,
            Topic::Token,
            Topic::UserId,
            Topic::Role,
            Topic::Clock,
            Topic::Channels,
            Topic::Limits,
            Topic::OwnSync,
            Topic::Private,
        ] {
            assert!(!en::finding(topic, Level::Ok, &args).message.is_empty());
        }
    }
}
