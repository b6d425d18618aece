//! The gateway's part of the form: what was typed of it, whether it differs from what is stored, and a look at it.

use lockstep_core::site::GatewayUrl;
use lockstep_store::sites::{Site, SiteEdit};
use secrecy::SecretString;

use crate::connecting::{self, Bad};
use crate::server::App;
use crate::web::form::Fields;
use crate::web::gateway::GatewayForm;
use crate::web::refusal::Refusal;
use crate::web::words::Lang;

/// What was typed of the gateway.
pub(super) struct Typed {
    pub(super) form: GatewayForm,
    /// Whether anything differs from what is stored.
    pub(super) differs: bool,
    url: Option<GatewayUrl>,
    token: Option<SecretString>,
    networks: Vec<String>,
}

impl Typed {
    /// Reads what was typed. `test` says that the gateway is to be looked at whether anything differs or not; without
    /// that and without a difference a token that is missing stands in nobody's way.
    pub(super) fn read(site: &Site, fields: &Fields, test: bool, lang: Lang) -> Self {
        let stored = GatewayForm::stored(site);
        // A program may send the settings alone.
        if !fields.has("url") {
            return Self {
                form: stored,
                differs: false,
                url: Some(site.url.clone()),
                token: None,
                networks: site.allow_private.clone(),
            };
        }
        let mut form = GatewayForm::typed(fields, site.has_token);
        let networks = fields.lines("allow_private");
        let mut bad = Vec::new();
        if form.name != stored.name {
            connecting::name(&mut bad, &form.name);
        }
        let url = connecting::address(&mut bad, &form.url);
        connecting::user_id(&mut bad, &form.user_id);
        connecting::console(&mut bad, &form.console_url);
        connecting::networks(&mut bad, &networks);
        let typed = fields.trimmed("token");
        let token = connecting::token(&mut bad, (!typed.is_empty()).then_some(typed));
        let elsewhere = url.as_ref().is_some_and(|url| *url != site.url);
        let differs = elsewhere
            || !typed.is_empty()
            || form.name != stored.name
            || form.user_id != stored.user_id
            || form.console_url != stored.console_url
            || networks != site.allow_private;
        if typed.is_empty() && elsewhere && site.has_token {
            bad.push(Bad::TokenAgain);
        } else if typed.is_empty() && !site.has_token && (differs || test) {
            bad.push(Bad::Token);
        }
        form.mistakes(&bad, lang);
        Self {
            form,
            differs,
            url,
            token,
            networks,
        }
    }

    /// Looks at the gateway as it was typed, with the stored token where none was. What was found is in the form.
    pub(super) async fn look(&mut self, app: &App, site: &Site, lang: Lang) -> Result<(), Refusal> {
        let token = match &self.token {
            Some(token) => Some(token.clone()),
            None => app.store().token(&site.id).await?,
        };
        if let (Some(url), Some(token)) = (&self.url, token) {
            let mut probe = connecting::probe(&self.form.name, url, &self.form.user_id);
            probe.settings.clone_from(&site.settings);
            let found = connecting::look(app, probe, token).await;
            self.form.looked(&found, lang);
        }
        Ok(())
    }

    /// What is to be stored, with the token where one was typed.
    pub(super) fn edit(&self, site: &Site) -> (SiteEdit, Option<SecretString>) {
        let form = &self.form;
        let named = site.name.as_deref().unwrap_or_default() != form.name;
        let edit = SiteEdit {
            name: named.then(|| form.name.clone()),
            url: self.url.clone(),
            user_id: Some(form.user_id.clone()),
            console_url: Some((!form.console_url.is_empty()).then(|| form.console_url.clone())),
            allow_private: Some(self.networks.clone()),
            ..SiteEdit::default()
        };
        (edit, self.token.clone())
    }
}
