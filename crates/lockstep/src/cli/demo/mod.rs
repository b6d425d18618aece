//! `lockstep demo`: the simulated gateway and its providers, and Lockstep on them.

mod once;
mod past;
mod stay;

use anyhow::Context as _;
use lockstep_core::site::GatewayUrl;
use lockstep_sim::Gateway;
use lockstep_store::sites::NewSite;
use secrecy::SecretString;

use super::args::{DemoArgs, Global};
use super::exit::Exit;

pub(crate) async fn demo(global: Global, args: &DemoArgs) -> anyhow::Result<Exit> {
    let gateway = Gateway::start(lockstep_sim::demo::spec(usize::from(args.channels)))
        .await
        .context("the simulated gateway could not listen on 127.0.0.1")?;
    if args.once {
        once::once(&global, &gateway).await
    } else {
        stay::stay(&global, args, &gateway).await
    }
}

/// The simulated gateway as a site.
fn site(gateway: &Gateway, token: Option<SecretString>) -> anyhow::Result<NewSite> {
    Ok(NewSite {
        name: Some("demo".to_owned()),
        url: GatewayUrl::parse(&gateway.url())?,
        user_id: "1".to_owned(),
        console_url: None,
        // Everything simulated listens on this machine.
        allow_private: vec!["127.0.0.0/8".to_owned()],
        settings: [("pace", "auto"), ("price-mode", "both")]
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into(),
        token,
    })
}

/// Where the demo's prices come from: what stands in for the published lists, and relays that agree, disagree, lie, want
/// a sign-in, or answer with anything but a list.
fn sources(gateway: &Gateway) -> Vec<String> {
    let channels = gateway.channels();
    let of_provider = |name: &str| {
        let provider = gateway
            .provider_names()
            .into_iter()
            .find(|known| known == name)?;
        let address = gateway.provider(&provider).base_url().to_owned();
        let channel = channels
            .iter()
            .find(|channel| channel.base_url.as_deref() == Some(&address))?;
        Some(format!("channel:{}", channel.id))
    };
    let published = lockstep_sim::demo::sources(gateway)
        .into_iter()
        .filter(|source| source.token.is_none())
        .map(|source| {
            format!(
                "{},endpoint={},name={}",
                source.url, source.endpoint, source.name
            )
        });
    let relays = [
        "relay-beijing",
        "cheap-relay",
        "silicon",
        "perplexity",
        "xai",
        "gone",
    ];
    published
        .chain(relays.into_iter().filter_map(of_provider))
        .collect()
}
