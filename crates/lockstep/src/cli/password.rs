//! `lockstep password`: a way in for whoever lost his.

use serde_json::json;

use super::args::PasswordVerb;
use super::context::Context;
use super::exit::Exit;
use crate::deeds::Deed;
use crate::server::door::first;
use crate::server::public_url;
use crate::view::json::time;

pub(crate) async fn password(context: &Context, verb: &PasswordVerb) -> anyhow::Result<Exit> {
    let PasswordVerb::Reset { public_url: url } = verb;
    let url = url.as_deref().map(public_url).transpose()?;
    let (store, now) = (context.store(), context.engine.now());
    let link = first::link(store, url.as_deref().unwrap_or_default(), now).await?;
    let deed = Deed::password_link();
    deed.note(store, None, &context.actor(), now).await?;
    if context.screen.json {
        let object = json!({ "link": link, "expires_at": time(now + first::LASTS) });
        context.screen.data(&object.to_string());
        return Ok(Exit::Done);
    }
    context.screen.data(&link);
    if url.is_none() {
        context
            .screen
            .hint("Put the address of your Lockstep before it; --public-url does.");
    }
    context.screen.hint(
        "It sets a new password, once, within a day. When it is used, the old password and all sessions end.",
    );
    Ok(Exit::Done)
}
