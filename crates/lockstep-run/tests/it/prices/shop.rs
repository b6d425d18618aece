//! The tester's verbs about prices: a gateway that serves models, and the price lists of other sites.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use lockstep_core::change::{RunState, State};
use lockstep_core::hold::{Reason, ReasonCode};
use lockstep_core::prices::field::Field;
use lockstep_core::prices::mode::Mode;
use lockstep_core::prices::source::{SourceSpec, parse_cidr};
use lockstep_run::prices::collect::{Collecting, From, Wanted};
use lockstep_run::prices::plan::PriceRequest;
use lockstep_run::prices::review::PriceApproval;
use lockstep_run::{EngineError, Session, Watch};
use lockstep_sim::{Channel, Page, Price, Provider, Spec, price};
use lockstep_store::prices::PriceRow;
use lockstep_store::prices::answers::{AnswerKind, PriceAnswer};
use lockstep_store::prices::images::Image;
use lockstep_store::prices::run_sources::RunSource;
use lockstep_store::runs::Run;
use tokio::task::JoinHandle;

use crate::tester::Tester;

/// Where the simulated sites of a shop show their lists.
pub(crate) const LIST: &str = "/prices";

/// Maps as a site shows them, with the exact texts of their values: `[("model_ratio", "\"a\":1.50")]`.
pub(crate) fn raw(maps: &[(&str, &str)]) -> String {
    let mut data = String::new();
    for (field, entries) in maps {
        let comma = if data.is_empty() { "" } else { "," };
        write!(data, "{comma}\"{field}\":{{{entries}}}").expect("a text");
    }
    format!("{{\"success\":true,\"message\":\"\",\"data\":{{{data}}}}}")
}

/// A gateway whose one enabled channel serves these names, and sites `A`, `B`, … each with a list.
pub(crate) fn spec(served: &str, local: &[Price], lists: &[&str]) -> Spec {
    let mut spec = Spec::new()
        .prices(local)
        .provider(Provider::new("p1", served.split(',')))
        .channel(Channel::new(1, "channel 1").at("p1").models(served));
    for (letter, list) in ('A'..).zip(lists) {
        let nothing: [&str; 0] = [];
        let site = Provider::new(&letter.to_string(), nothing);
        spec = spec.provider(site.page(LIST, Page::json((*list).to_owned())));
    }
    spec
}

/// A tester of [`spec`] whose lists show these prices; it looks at models with and without a price.
pub(crate) async fn shop(served: &str, local: &[Price], lists: &[&[Price]]) -> Tester {
    let texts: Vec<String> = lists.iter().map(|list| price::official(list)).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    of_spec(spec(served, local, &texts), lists.len()).await
}

/// The same with the texts of lists.
pub(crate) async fn shop_of(served: &str, local: &[Price], lists: &[&str]) -> Tester {
    of_spec(spec(served, local, lists), lists.len()).await
}

/// A tester whose sources are the first so many sites of the spec.
pub(crate) async fn of_spec(spec: Spec, sites: usize) -> Tester {
    let mut tester = Tester::new(spec).await;
    tester.settings.prices.scope.mode = Mode::Both;
    for letter in ('A'..).take(sites) {
        tester.add_source(&letter.to_string(), &format!(",endpoint={LIST}"));
    }
    tester
}

/// Plans prices and writes what is ready.
pub(crate) async fn go(
    session: &Session,
    request: &PriceRequest,
    watch: &Watch,
) -> Result<Run, EngineError> {
    let run = session.plan_prices(request, watch).await?;
    if run.state == RunState::Planned {
        let approval = PriceApproval {
            rebases: true,
            ..approval(None)
        };
        session.write_prices(&run.id, &approval, watch).await
    } else {
        Ok(run)
    }
}

pub(crate) fn approval(only: Option<&[&str]>) -> PriceApproval {
    PriceApproval {
        only: only.map(|models| models.iter().map(|model| (*model).to_owned()).collect()),
        by: "a test".to_owned(),
        rebases: false,
    }
}

impl Tester {
    /// Names a simulated site as a source, with what stands after its address.
    pub(crate) fn add_source(&mut self, site: &str, rest: &str) {
        let base = self.gateway.provider(site).base_url().to_owned();
        self.sources.push(format!("{base},name={site}{rest}"));
    }

    /// A site shows these prices from now on.
    pub(crate) fn shows(&self, site: &str, prices: &[Price]) {
        self.shows_text(site, &price::official(prices));
    }

    /// A site shows this text from now on.
    pub(crate) fn shows_text(&self, site: &str, text: &str) {
        let page = Page::json(text.to_owned());
        self.gateway.provider(site).set_page(LIST, page);
    }

    pub(crate) fn price_request(&self, go_on: bool) -> PriceRequest {
        let wanted = self.sources.iter().map(|text| {
            let spec: SourceSpec = text.parse().expect("a source");
            Wanted::open(From::Spec(spec))
        });
        let collecting = Collecting {
            wanted: wanted.collect(),
            time_limit: self.settings.prices.timeout,
            allow: vec![parse_cidr("127.0.0.0/8").expect("a network")],
            max_retries: self.settings.max_retries,
        };
        PriceRequest {
            unattended: self.unattended,
            whole: true,
            ..PriceRequest::new(collecting, self.settings.clone(), go_on)
        }
    }

    pub(crate) async fn try_plan_prices(&self) -> Result<Run, EngineError> {
        let session = self.session().await;
        session
            .plan_prices(&self.price_request(false), &self.watch)
            .await
    }

    pub(crate) async fn plan_prices(&self) -> Run {
        self.try_plan_prices().await.expect("a plan")
    }

    pub(crate) async fn try_sync_prices(&self) -> Result<Run, EngineError> {
        let session = self.session().await;
        go(&session, &self.price_request(true), &self.watch).await
    }

    pub(crate) async fn sync_prices(&self) -> Run {
        self.try_sync_prices().await.expect("a run")
    }

    /// Plans and writes in a task of its own, that can be aborted.
    pub(crate) async fn sync_prices_apart(&self) -> JoinHandle<Result<Run, EngineError>> {
        let session = self.session().await;
        let request = self.price_request(true);
        let watch = self.watch.clone();
        tokio::spawn(async move { go(&session, &request, &watch).await })
    }

    pub(crate) async fn try_apply_prices(&self, run: &Run) -> Result<Run, EngineError> {
        let session = self.session().await;
        session
            .write_prices(&run.id, &approval(None), &self.watch)
            .await
    }

    pub(crate) async fn apply_prices(&self, run: &Run) -> Run {
        self.try_apply_prices(run).await.expect("a run")
    }

    pub(crate) async fn undo_prices_of(
        &self,
        run: &Run,
        models: Option<&[&str]>,
    ) -> Result<Run, EngineError> {
        let session = self.session().await;
        let models: Option<Vec<String>> =
            models.map(|models| models.iter().map(|model| (*model).to_owned()).collect());
        let undo = session.plan_price_undo(&run.id, models.as_deref()).await?;
        session
            .write_prices(&undo.id, &approval(None), &self.watch)
            .await
    }

    pub(crate) async fn undo_prices(&self, run: &Run) -> Run {
        self.undo_prices_of(run, None).await.expect("an undo")
    }

    /// Writes what is held: plans from what was stored, then applies.
    pub(crate) async fn apply_held_prices(&self) -> Result<Run, EngineError> {
        let session = self.session().await;
        let run = session.plan_held_prices(None, &self.settings).await?;
        session
            .write_prices(&run.id, &approval(None), &self.watch)
            .await
    }

    pub(crate) async fn price_rows(&self, run: &Run) -> Vec<PriceRow> {
        self.store().price_rows(&run.id).await.expect("rows")
    }

    /// The row of one value.
    pub(crate) async fn price_row(&self, run: &Run, model: &str, field: Field) -> PriceRow {
        let rows = self.price_rows(run).await;
        let row = rows
            .iter()
            .find(|row| row.model == model && row.field == field);
        row.cloned()
            .unwrap_or_else(|| panic!("no row of {model} {field:?} in {rows:#?}"))
    }

    /// The states of a model's rows, in the order of the fields.
    pub(crate) async fn price_states(&self, run: &Run, model: &str) -> Vec<State> {
        let rows = self.price_rows(run).await.into_iter();
        rows.filter(|row| row.model == model)
            .map(|row| row.state)
            .collect()
    }

    /// Why the model is held, if it is.
    pub(crate) async fn held_for(&self, run: &Run, model: &str) -> Option<ReasonCode> {
        let rows = self.price_rows(run).await.into_iter();
        let mut reasons = rows
            .filter(|row| row.model == model)
            .filter_map(|row| row.hold);
        reasons.next().map(|reason| reason.code)
    }

    /// Why the model is left alone, if it is.
    pub(crate) async fn left_for(&self, run: &Run, model: &str) -> Option<Reason> {
        let rows = self.price_rows(run).await.into_iter();
        let mut of_model = rows.filter(|row| row.model == model);
        of_model.find_map(|row| row.skip)
    }

    /// The models that wait for an answer.
    pub(crate) async fn held_models(&self) -> BTreeMap<String, ReasonCode> {
        let holds = self.store().price_holds(&self.site).await.expect("holds");
        holds
            .into_iter()
            .map(|hold| (hold.model, hold.reason.code))
            .collect()
    }

    pub(crate) async fn answer_price(&self, model: &str, field: Option<Field>, kind: AnswerKind) {
        let answer = PriceAnswer {
            model: model.to_owned(),
            field,
            kind,
            by: "a test".to_owned(),
            at: self.clock_now(),
        };
        self.store()
            .set_price_answers(&self.site, vec![answer])
            .await
            .expect("stored");
    }

    pub(crate) async fn run_source(&self, run: &Run, name: &str) -> RunSource {
        let sources = self.store().run_sources(&run.id).await.expect("sources");
        let found = sources.iter().find(|source| source.name == name).cloned();
        found.unwrap_or_else(|| panic!("no source {name} in {sources:#?}"))
    }

    pub(crate) async fn image(&self, run: &Run, field: Field) -> Image {
        let images = self.store().images(&run.id).await.expect("images");
        let found = images.iter().find(|image| image.key == field.option_key());
        found
            .cloned()
            .unwrap_or_else(|| panic!("no image of {field:?} in {images:#?}"))
    }

    /// The exact text of a map.
    pub(crate) fn map(&self, field: Field) -> String {
        self.gateway
            .option(field.option_key())
            .unwrap_or_else(|| "{}".to_owned())
    }

    /// The exact text of a model's value.
    pub(crate) fn value(&self, model: &str, field: Field) -> Option<String> {
        super::oracle::entries(&self.map(field))
            .into_iter()
            .find(|(name, _)| name == model)
            .map(|(_, value)| value)
    }

    /// A second admin sets an entry of a map, or takes it out.
    pub(crate) fn edit_price(&mut self, model: &str, field: Field, value: Option<&str>) {
        self.expect.other_admin = true;
        let text = with_entry(&self.map(field), model, value);
        self.gateway.set_option(field.option_key(), &text);
    }
}

/// A map's text with another value of a model, laid out anew as the console does.
pub(crate) fn with_entry(text: &str, model: &str, value: Option<&str>) -> String {
    let mut entries = super::oracle::entries(if text.is_empty() { "{}" } else { text });
    entries.retain(|(name, _)| name != model);
    if let Some(value) = value {
        entries.push((model.to_owned(), value.to_owned()));
    }
    let lines: Vec<String> = entries
        .iter()
        .map(|(name, value)| format!("  {}: {value}", serde_json::Value::from(name.as_str())))
        .collect();
    format!("{{\n{}\n}}", lines.join(",\n"))
}
