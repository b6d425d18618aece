//! One channel: what it has of its own, what that hits on the provider's last list, and what was edited by hand.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use lockstep_core::models::policy::Policy;
use lockstep_core::models::rule::{Pattern, Rules};
use lockstep_core::settings::Overrides;
use lockstep_store::changes::ChangeRow;

use crate::api::v1::channels::{Scope, known, memory};
use crate::server::App;
use crate::view::json::Lists;
use crate::web::form::Fields;
use crate::web::frame::{Frame, Here};
use crate::web::refusal::{Refusal, html};
use crate::web::words::fill;
use crate::web::{history as over_time, place};

/// So many runs are looked at for the provider's last list.
const RUNS: u32 = 50;

/// The fields with a name or a pattern a line.
pub(super) const LINES: [&str; 4] = ["keep", "allow", "include", "exclude"];

#[derive(Template)]
#[template(path = "channel.html")]
struct ChannelPage {
    f: Frame,
    base: String,
    id: i64,
    name: String,
    provider: String,
    /// What its list was over time.
    history: String,
    /// The two forms: of the channel, and of all channels of its provider.
    forms: [Form; 2],
    models: Vec<String>,
    upstream: Option<Vec<String>>,
    added: Vec<String>,
    taken_out: Vec<String>,
}

/// What a channel, or all of a provider, have of their own.
pub(super) struct Form {
    /// `channel` or `provider`.
    pub(super) whose: &'static str,
    title: String,
    /// The policy that holds where none is given here.
    usual: String,
    policy: String,
    policies: Vec<(&'static str, &'static str, &'static str)>,
    lines: Vec<(&'static str, String)>,
    /// Reasons that hold nothing any more: code and words.
    allowed: Vec<(String, String)>,
    pub(super) wrong: Vec<(&'static str, String)>,
    /// What each rule hits of the provider's last list.
    preview: Vec<Hit>,
    /// How many names pass all rules; `None` where no list is known.
    pass: Option<String>,
    loses: Vec<String>,
}

/// What one rule hits.
struct Hit {
    label: String,
    rule: String,
    said: String,
    names: Vec<String>,
    nothing: bool,
}

/// What was typed in one of the forms, with what is wrong with it.
pub(super) struct Typed<'f> {
    /// `channel` or `provider`.
    pub(super) whose: &'static str,
    pub(super) fields: &'f Fields,
    /// Mistakes by their fields.
    pub(super) wrong: Vec<(&'static str, String)>,
}

impl Form {
    fn text(&self, name: &str) -> &str {
        let found = self.lines.iter().find(|(known, _)| *known == name);
        found.map_or("", |(_, text)| text)
    }

    fn wrong(&self, name: &str) -> Option<&str> {
        let found = self.wrong.iter().find(|(known, _)| *known == name);
        found.map(|(_, text)| text.as_str())
    }

    fn fields(&self) -> [&'static str; 4] {
        LINES
    }

    fn field(&self, name: &str) -> String {
        format!("{}-{name}", self.whose)
    }
}

impl ChannelPage {
    fn label(&self, name: &str) -> &str {
        label(&self.f, name)
    }
}

fn label<'f>(f: &'f Frame, name: &str) -> &'f str {
    let t = &f.t.channels;
    match name {
        "keep" => &t.keep,
        "allow" => &t.allow,
        "include" => &t.include,
        _ => &t.exclude,
    }
}

/// `GET /sites/{site}/channels/{channel}`
pub(super) async fn show(
    State(app): State<App>,
    f: Frame,
    Path((_, channel)): Path<(String, i64)>,
) -> Result<Response, Refusal> {
    page(&app, f, channel, None).await
}

/// The page; of what was typed in one of its forms, with what is wrong with it and what it would hit.
pub(super) async fn page(
    app: &App,
    f: Frame,
    channel: i64,
    typed: Option<Typed<'_>>,
) -> Result<Response, Refusal> {
    let mut f = f.at(Here::Channels);
    let base = format!(
        "{}{}",
        f.href(Here::Channels),
        place::path(&[&channel.to_string()])
    );
    f.path.clone_from(&base);
    let site = f.site()?.clone();
    let row = known(app, &site, channel).await?;
    let scope = Scope::of(app, &site).await?;
    let memory = memory(app, &site, channel).await?;
    let history = app.store().channel_history(&site.id, channel, RUNS).await?;
    let upstream = history.iter().find_map(|row| row.upstream.clone());
    let of_provider = app.store().count_of_provider(&site.id, &row.provider);
    let of_provider = of_provider.await?;
    let own_channel = scope.channels.get(&channel).cloned().unwrap_or_default();
    let own_provider = scope
        .providers
        .get(&row.provider)
        .cloned()
        .unwrap_or_default();
    let t = &f.t.channels;
    let provider = match row.provider.base_url.as_str() {
        "" => format!("{} {}", t.col_type, row.provider.kind),
        url => url.to_owned(),
    };
    let policy = |policy: Policy| f.lang.policy(policy).label;
    let above = own_provider.policy.unwrap_or(scope.policy);
    let usual = match own_provider.policy {
        Some(of) => fill(&t.as_provider, &[("policy", &policy(of))]),
        None => fill(&t.as_site, &[("policy", &policy(above))]),
    };
    let titles = [
        t.one_channel.clone(),
        fill(
            match of_provider {
                1 => &t.of_provider_one,
                _ => &t.of_provider,
            },
            &[("n", &of_provider), ("provider", &provider)],
        ),
    ];
    let [of_this, of_all] = titles;
    let mut forms = [
        form(&f, "channel", of_this, usual, &own_channel),
        form(
            &f,
            "provider",
            of_all,
            fill(&t.as_site, &[("policy", &policy(scope.policy))]),
            &own_provider,
        ),
    ];
    if let Some(Typed {
        whose,
        fields,
        wrong,
    }) = typed
    {
        for form in forms.iter_mut().filter(|form| form.whose == whose) {
            for (name, text) in &mut form.lines {
                *text = fields.lines(&format!("{whose}-{name}")).join("\n");
            }
            form.policy = fields.trimmed(&format!("{whose}-policy")).to_owned();
            form.wrong.clone_from(&wrong);
        }
    }
    // What is typed decides what is shown of its hits; the other form's rules hold beside it.
    let rules: Vec<Rules> = forms.iter().map(rules).collect();
    let all: Vec<&Rules> = std::iter::once(&scope.site).chain(&rules).collect();
    for (form, own) in forms.iter_mut().zip(&rules) {
        preview(&f, form, own, &all, &row, upstream.as_deref());
    }
    Ok(html(&ChannelPage {
        base,
        id: channel,
        name: row.channel_name.clone(),
        provider,
        history: over_time::list_at(&f, channel),
        models: Lists::now(&row),
        upstream,
        added: memory.yours.into_iter().collect(),
        taken_out: memory.taken_out.into_iter().collect(),
        forms,
        f,
    }))
}

fn form(f: &Frame, whose: &'static str, title: String, usual: String, own: &Overrides) -> Form {
    let patterns = |patterns: &[Pattern]| {
        let patterns: Vec<&str> = patterns.iter().map(Pattern::as_str).collect();
        patterns.join("\n")
    };
    let policies = Policy::ALL.iter().map(|policy| {
        let said = f.lang.policy(*policy);
        (policy.code(), said.label, said.text)
    });
    let allowed = own.allowed.iter().map(|code| {
        let reason = lockstep_core::hold::ReasonCode::from_code(code);
        let said = reason.map(|code| {
            f.lang
                .reason(&lockstep_core::hold::Reason::plain(code))
                .message
        });
        (code.clone(), said.unwrap_or_else(|| code.clone()))
    });
    Form {
        whose,
        title,
        usual,
        policy: own.policy.map_or("", Policy::code).to_owned(),
        policies: policies.collect(),
        lines: vec![
            ("keep", own.keep.join("\n")),
            ("allow", own.rules.allow.join("\n")),
            ("include", patterns(&own.rules.include)),
            ("exclude", patterns(&own.rules.exclude)),
        ],
        allowed: allowed.collect(),
        wrong: Vec::new(),
        preview: Vec::new(),
        pass: None,
        loses: Vec::new(),
    }
}

/// The rules of a form; what cannot be read of them hits nothing.
fn rules(form: &Form) -> Rules {
    let lines = |name: &str| {
        let lines = form.text(name).lines().map(str::trim);
        lines
            .filter(|line| !line.is_empty())
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    let patterns = |name: &str| {
        let lines = lines(name).into_iter();
        lines
            .filter_map(|line| Pattern::parse(&line).ok())
            .collect()
    };
    Rules {
        allow: lines("allow"),
        include: patterns("include"),
        exclude: patterns("exclude"),
    }
}

fn preview(
    f: &Frame,
    form: &mut Form,
    own: &Rules,
    all: &[&Rules],
    row: &ChangeRow,
    upstream: Option<&[String]>,
) {
    let Some(upstream) = upstream else {
        return;
    };
    let t = &f.t.channels;
    let total = upstream.len();
    let mut hit = |field: &str, rule: &str, names: Vec<String>| {
        form.preview.push(Hit {
            label: label(f, field).to_owned(),
            rule: rule.to_owned(),
            said: match names.is_empty() {
                true => t.hits_nothing.clone(),
                false => fill(&t.hits, &[("n", &names.len()), ("total", &total)]),
            },
            nothing: names.is_empty(),
            names,
        });
    };
    let matching = |pattern: &Pattern| -> Vec<String> {
        let names = upstream.iter().filter(|name| pattern.matches(name));
        names.cloned().collect()
    };
    for name in &own.allow {
        let named = upstream.iter().filter(|known| *known == name);
        hit("allow", name, named.cloned().collect());
    }
    for pattern in &own.include {
        hit("include", pattern.as_str(), matching(pattern));
    }
    for pattern in &own.exclude {
        hit("exclude", pattern.as_str(), matching(pattern));
    }
    let passes = |name: &String| all.iter().all(|rules| rules.refuses(name).is_none());
    let pass = upstream.iter().filter(|name| passes(name)).count();
    form.pass = Some(fill(&t.passes, &[("n", &pass), ("total", &total)]));
    let has = Lists::now(row);
    let lost = has
        .into_iter()
        .filter(|name| upstream.contains(name) && !passes(name));
    form.loses = lost.collect();
}
