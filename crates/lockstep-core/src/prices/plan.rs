//! The plan for one model: what its price should become, from which source, and what waits for an answer.

use std::collections::BTreeMap;

use crate::change::Verdict;
use crate::hash::Digest;
use crate::hold::{Reason, ReasonCode};
use crate::prices::answers::ModelAnswers;
use crate::prices::choose::{Choice, Offer, choose};
use crate::prices::cost::{Expressions, Formula};
use crate::prices::field::{Field, TIERED};
use crate::prices::limits::PriceLimits;
use crate::prices::mode::{Scope, Strength};
use crate::prices::suspicious::same;
use crate::prices::tiers::Tiers;
use crate::prices::unpriced::billed_by;
use crate::prices::usd::{Usd, usd};
use crate::prices::values::{Kind, Values};

/// The price that was last accepted for a model, by a write of ours or by an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The values.
    pub values: Values,
    /// When, in Unix milliseconds.
    pub at: i64,
}

/// All that a plan for one model rests on.
#[derive(Clone, Copy)]
pub struct ModelInput<'a> {
    /// The key of the maps: where the gateway looks a model up under another key (`unpriced::lookup_key`), that one.
    pub model: &'a str,
    /// The gateway's own entries for it.
    pub local: &'a Values,
    /// The gateway's own completion ratio, where it ignores the configured one.
    pub locked: Option<f64>,
    /// Whether an enabled channel serves it.
    pub served: bool,
    /// What the sources say, in order of preference.
    pub offers: &'a [Offer],
    /// What people answered about it.
    pub answers: &'a ModelAnswers,
    /// The price last accepted, with which a change is compared.
    pub accepted: Option<&'a Accepted>,
    /// The brakes.
    pub limits: &'a PriceLimits,
    /// The models that the run may touch.
    pub scope: Scope,
    /// Who looks.
    pub strength: Strength,
    /// Whether what is held was approved. What is no number, negative, of an unknown grammar, or in a map that cannot
    /// be written, is held all the same.
    pub approved: bool,
    /// The models whose entry in a map is no number, by map: such a map cannot be written without making them free.
    pub unwritable: &'a BTreeMap<Field, Vec<String>>,
    /// What is known of billing expressions.
    pub expressions: &'a dyn Expressions,
    /// Now, in Unix milliseconds.
    pub now: i64,
}

/// What is to happen to one value of the model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldChange {
    /// Which value.
    pub field: Field,
    /// What it is.
    pub old: Option<String>,
    /// What it is to become; `None` when the entry goes.
    pub new: Option<String>,
    /// Why it waits. One held field holds its model.
    pub hold: Option<Reason>,
    /// Why it is left out; the others go on.
    pub skip: Option<Reason>,
}

/// The plan for one model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelPlan {
    /// The key of the maps.
    pub model: String,
    /// The place of the chosen offer.
    pub chosen: Option<usize>,
    /// The places of the other offers that say a price, the stale ones too.
    pub losers: Vec<usize>,
    /// How the chosen price came about.
    pub formula: Option<Formula>,
    /// The values that differ, in the order of the fields.
    pub changes: Vec<FieldChange>,
    /// What is to happen to the model.
    pub verdict: Verdict,
    /// Whether "keep until it changes" was answered to just this.
    pub answered: bool,
    /// How it is billed now; `None` when it has no price.
    pub kind_old: Option<Kind>,
    /// How it would be billed.
    pub kind_new: Option<Kind>,
    /// What it costs now; of an expression the first tier.
    pub usd_old: Usd,
    /// What it would cost.
    pub usd_new: Usd,
    kept: Option<Digest>,
    undecided: Vec<String>,
}

/// Plans one model; `None` when the run does not touch it. Total: whatever the sources say, there is a plan.
pub fn plan_model(input: ModelInput<'_>) -> Option<ModelPlan> {
    let priced = billed_by(input.local).priced();
    let takes = input.scope.takes(priced, input.served);
    takes.then(|| planned(&input, choose(input.offers, input.answers.kind)))
}

/// Plans one model whose offer a person chose, by its place: neither the scope of a run nor the order of preference
/// counts, the guards and the answers do.
pub fn plan_chosen(input: ModelInput<'_>, place: usize) -> ModelPlan {
    let choice = match input.offers.get(place) {
        Some(offer) => Choice::Chosen(place, offer.values.clone()),
        None => Choice::Nothing,
    };
    planned(&input, choice)
}

fn planned(input: &ModelInput<'_>, choice: Choice) -> ModelPlan {
    let kind_old = billed_by(input.local).kind();
    let usd_old = input.usd_of(input.local);
    let mut plan = ModelPlan {
        model: input.model.to_owned(),
        chosen: None,
        losers: Vec::new(),
        formula: None,
        changes: Vec::new(),
        verdict: Verdict::Same,
        answered: false,
        kind_old,
        kind_new: kind_old,
        usd_old,
        usd_new: usd_old,
        kept: input.answers.kept.clone().filter(|_| !input.approved),
        undecided: Vec::new(),
    };
    let says = |(_, offer): &(usize, &Offer)| offer.says_a_price();
    let priced = input.offers.iter().enumerate().filter(says);
    plan.losers = priced.map(|(place, _)| place).collect();
    if input.answers.ignored {
        plan.verdict = Verdict::Skip(Reason::plain(ReasonCode::Ignored));
        return plan;
    }
    match choice {
        Choice::Nothing => {}
        Choice::OtherKind => {
            plan.verdict = Verdict::Skip(Reason::plain(ReasonCode::KindChange));
        }
        Choice::NoMajority(place) => plan.no_majority(&input.offers[place]),
        Choice::Chosen(place, values) => plan.take(input, place, &values),
    }
    plan.respect_answer();
    plan
}

/// Holds all changes of an unattended run that would change too many models. `priced` is how many models have a price.
/// Returns whether it did. What was approved must not be shown to it.
pub fn price_brake(plans: &mut [ModelPlan], priced: usize, limits: &PriceLimits) -> bool {
    let applies = |plan: &ModelPlan| plan.verdict == Verdict::Apply;
    let changing = plans.iter().filter(|plan| applies(plan)).count();
    if !limits.run_beyond(changing, priced) {
        return false;
    }
    let reason = Reason::counted(ReasonCode::PriceBrake, changing, priced, limits.run_percent);
    for plan in plans.iter_mut().filter(|plan| applies(plan)) {
        plan.verdict = Verdict::Hold(reason.clone());
        plan.respect_answer();
    }
    true
}

impl ModelPlan {
    /// What may be written once approved: nothing unless the model's verdict is to apply.
    pub fn writes(&self) -> impl Iterator<Item = &FieldChange> {
        let applies = self.verdict == Verdict::Apply;
        let written = move |change: &&FieldChange| applies && change.skip.is_none();
        self.changes.iter().filter(written)
    }

    /// The gateway's entries once it is written; those that it was planned from when nothing is.
    pub fn after(&self, local: &Values) -> Values {
        with(local, self.writes())
    }

    /// A digest of what is held, to which "keep until it changes" can be answered; `None` when nothing is held.
    pub fn held_digest(&self) -> Option<Digest> {
        self.verdict.held()?;
        let changes = self.changes.iter().filter(|change| change.skip.is_none());
        let mut parts: Vec<String> = changes
            .map(|change| match &change.new {
                Some(new) => format!("+{}={new}", change.field.code()),
                None => format!("-{}", change.field.code()),
            })
            .collect();
        parts.extend(self.undecided.iter().map(|said| format!("?{said}")));
        Some(Digest::of(parts))
    }

    /// "Keep until it changes" silences a hold for as long as the very same change is held.
    fn respect_answer(&mut self) {
        if self.kept.is_some() && self.held_digest() == self.kept {
            self.verdict = Verdict::Same;
            self.answered = true;
        }
    }

    /// Nothing approves this one: there is no price to approve until a seller is chosen.
    fn no_majority(&mut self, offer: &Offer) {
        let sellers = offer.sellers.iter();
        let names = sellers.clone().map(|one| one.seller.clone()).collect();
        self.undecided = sellers
            .flat_map(|one| {
                let values = one.values.iter();
                values.map(|(field, text)| format!("{}.{}={text}", one.seller, field.code()))
            })
            .collect();
        self.verdict = Verdict::Hold(Reason::named(ReasonCode::NoMajority, names));
    }

    fn take(&mut self, input: &ModelInput<'_>, place: usize, values: &Values) {
        let offer = &input.offers[place];
        self.chosen = Some(place);
        self.losers.retain(|other| *other != place);
        self.formula = offer.formula;
        let Some(kind) = values.kind() else {
            return;
        };
        if let Some(reason) = &offer.refused {
            self.kind_new = Some(kind);
            self.verdict = Verdict::Hold(reason.clone());
            let raw = offer.raw.iter();
            self.undecided = raw
                .map(|(field, text)| format!("{}={text}", field.code()))
                .collect();
            return;
        }
        self.changes = changes(input, self.kind_old, kind, values);
        if self.changes.is_empty() {
            return;
        }
        self.kind_new = Some(kind);
        self.usd_new = input.usd_of(&with(input.local, self.changes.iter()));
        let mut skips = self.changes.iter().map(|change| change.skip.as_ref());
        if skips.clone().all(|skip| skip.is_some())
            && let Some(reason) = skips.find_map(|skip| skip)
        {
            self.verdict = Verdict::Skip(reason.clone());
            return;
        }
        self.judge(input, offer, place, kind);
    }
}

impl ModelInput<'_> {
    fn usd_of(&self, values: &Values) -> Usd {
        match billed_by(values).kind() {
            None => Usd::default(),
            Some(Kind::Expression) => {
                let expression = values.get(Field::BillingExpr).unwrap_or_default();
                let tiers = self.expressions.tiers(expression);
                tiers.first().map(|tier| tier.price).unwrap_or_default()
            }
            Some(_) => usd(values, self.locked),
        }
    }

    /// The prices that bill; `None` where nobody can tell any.
    pub(super) fn prices_of(&self, values: &Values) -> Option<Tiers> {
        Tiers::of(values, self.locked, self.expressions)
    }
}

pub(super) fn with<'a>(local: &Values, changes: impl Iterator<Item = &'a FieldChange>) -> Values {
    let mut values = local.clone();
    for change in changes.filter(|change| change.skip.is_none()) {
        values.set(change.field, change.new.as_deref());
    }
    values
}

/// What the model's entries become when it is billed by these values: those that bill are set; those that would bill
/// first go; those of the old way of billing go with it. What a source does not say is no difference, and an
/// expression leaves the price or ratios that it hides.
fn target(local: &Values, kind_old: Option<Kind>, kind: Kind, values: &Values) -> Values {
    let mut target = local.clone();
    let switches = kind_old.is_some_and(|old| old != kind);
    let mut says = |field: Field, or_goes: bool| {
        if let Some(text) = values.get(field) {
            target.set(field, Some(text));
        } else if or_goes {
            target.set(field, None);
        }
    };
    let ratios = || {
        let fields = Field::ALL.iter().copied();
        fields.filter(|field| *field == Field::ModelRatio || field.is_multiplier())
    };
    match kind {
        Kind::Expression => {
            says(Field::BillingExpr, false);
            says(Field::BillingMode, false);
            return target;
        }
        Kind::PerToken => {
            ratios().for_each(|field| says(field, switches));
            target.set(Field::ModelPrice, None);
        }
        Kind::PerCall => {
            says(Field::ModelPrice, false);
            if switches {
                ratios().for_each(|field| target.set(field, None));
            }
        }
    }
    if local.get(Field::BillingMode) == Some(TIERED) {
        target.set(Field::BillingMode, None);
        target.set(Field::BillingExpr, None);
    }
    target
}

/// The values that differ, with those that are left out and why.
fn changes(
    input: &ModelInput<'_>,
    kind_old: Option<Kind>,
    kind: Kind,
    values: &Values,
) -> Vec<FieldChange> {
    let target = target(input.local, kind_old, kind, values);
    let mut changes: Vec<FieldChange> = Vec::new();
    for field in Field::ALL.iter().copied() {
        let (old, new) = (input.local.get(field), target.get(field));
        if same(field, old, new) {
            continue;
        }
        let answers = input.answers;
        let skip = if field == Field::CompletionRatio && input.locked.is_some() {
            if new.is_none() {
                // The gateway ignores it, so there is no need to take it out either.
                continue;
            }
            Some(ReasonCode::LockedCompletion)
        } else if answers.locked || answers.locked_fields.contains(&field) {
            Some(ReasonCode::Locked)
        } else {
            None
        };
        changes.push(FieldChange {
            field,
            old: old.map(str::to_owned),
            new: new.map(str::to_owned),
            hold: None,
            skip: skip.map(Reason::plain),
        });
    }
    // Without the fields that decide how it is billed, a change of that kind would leave it half done.
    let stuck = changes
        .iter()
        .any(|change| change.skip.is_some() && !change.field.is_multiplier());
    if stuck && kind_old != Some(kind) {
        for change in &mut changes {
            change.skip = Some(Reason::plain(ReasonCode::Locked));
        }
    }
    changes
}
