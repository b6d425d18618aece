//! A message as mail. The server's name is resolved and judged here, and the library dials what was judged.

use std::time::Duration;

use lettre::message::header::ContentType;
use lettre::message::{Mailbox, Message as Mail};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport, Tokio1Executor};
use lockstep_run::outside::Outside;
use url::Url;

use super::cut::{body, bytes};
use super::target::{Address, encrypted};
use super::vendor::Verdict;
use super::{Cause, Message, Why};

/// How long a mail may take on its way to the server, in each of its steps.
const STEP: Duration = Duration::from_secs(20);
/// How long a mail's text is at most, in bytes.
const LONGEST: usize = 256 * 1024;

/// Sends a message once. The tries go over the server's addresses in turn.
pub(super) async fn send(
    outside: &Outside,
    address: &Address,
    message: &Message,
    id: &str,
    attempt: u32,
) -> Verdict {
    let mail = match mail(address, message, id) {
        Ok(mail) => mail,
        Err(why) => return Verdict::Refused(why),
    };
    let Some((url, host)) = Url::parse(&address.url)
        .ok()
        .and_then(|url| Some((url.clone(), url.host_str()?.to_owned())))
    else {
        return Verdict::Refused(Why::new(Cause::WrongAddress));
    };
    let found = match outside.addresses(&host).await {
        Ok(found) => found,
        Err(failure) if failure.kind.worth_a_retry(None) => {
            return Verdict::Later(Why::of(&failure), None);
        }
        Err(failure) => return Verdict::Refused(Why::of(&failure)),
    };
    let turn = usize::try_from(attempt.saturating_sub(1)).unwrap_or(0);
    let Some(dialled) = found.get(turn % found.len().max(1)) else {
        return Verdict::Refused(Why::new(Cause::Unreachable));
    };
    let tls = match tls(&url, &host) {
        Ok(tls) => tls,
        Err(why) => return Verdict::Refused(why),
    };
    let usual = if url.scheme() == "smtps" { 465 } else { 587 };
    let builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(dialled.to_string())
        .port(url.port().unwrap_or(usual))
        .tls(tls)
        .timeout(Some(STEP));
    let builder = match (&address.secret, &address.user, &address.from) {
        (Some(password), Some(user), _) | (Some(password), None, Some(user)) => {
            builder.credentials(Credentials::new(user.clone(), password.clone()))
        }
        _ => builder,
    };
    match builder.build().send(mail).await {
        Ok(_) => Verdict::Arrived,
        Err(error) if error.is_permanent() || error.is_client() || error.is_tls() => {
            Verdict::Refused(told(&error))
        }
        Err(error) => Verdict::Later(told(&error), None),
    }
}

/// An error with what caused it.
fn told(error: &lettre::transport::smtp::Error) -> Why {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    Why::said(Cause::Mail, text)
}

fn tls(url: &Url, host: &str) -> Result<Tls, Why> {
    if !encrypted(url) {
        return Ok(Tls::None);
    }
    let name = host.trim_start_matches('[').trim_end_matches(']');
    let parameters = TlsParameters::new(name.to_owned())
        .map_err(|error| Why::said(Cause::Tls, error.to_string()))?;
    Ok(if url.scheme() == "smtps" {
        Tls::Wrapper(parameters)
    } else {
        Tls::Required(parameters)
    })
}

fn mail(address: &Address, message: &Message, id: &str) -> Result<Mail, Why> {
    let unmade = |error: &dyn std::error::Error| Why::said(Cause::NoMail, error.to_string());
    let mailbox = |text: &str| {
        let read = text.parse::<Mailbox>();
        read.map_err(|error| unmade(&error))
    };
    let from = mailbox(address.from.as_deref().unwrap_or_default())?;
    let domain = from.email.domain().to_owned();
    let mut mail = Mail::builder()
        .from(from)
        .subject(&message.title)
        .message_id(Some(format!("<{id}@{domain}>")))
        .header(ContentType::TEXT_PLAIN);
    for to in &address.to {
        mail = mail.to(mailbox(to)?);
    }
    mail.body(body(message, LONGEST, bytes))
        .map_err(|error| unmade(&error))
}
