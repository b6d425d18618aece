//! The plan for one model: what its price should become, from which source, and what waits for an answer.

use std::collections::BTreeMap;

use crate::change::Verdict;
use crate::hash::Digest;
use crate::hold::{Reason, ReasonCode};
use crate::prices::answers::ModelAnswers;
use crate::prices::choose::{Choice, Offer, billed_by_placeholder, choose};
use crate::prices::cost::{Expressions, Formula};
use crate::prices::field::{Field, TIERED};
use crate::prices::mode::{Scope, Strength};
use crate::prices::suspicious::{Prices, among, doubts, is_negative, reckon, same};
use crate::prices::unpriced::billed_by;
use crate::prices::usd::{Usd, usd};
use crate::prices::values::{Kind, Values};

/// How far a price may move before it waits. Shares are in percent; exactly the limit still passes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PriceLimits {
    /// No price moves by more than this many times. Default 10.
    pub tenfold: usize,
    /// Unattended: a price may fall by this. Default 30.
    pub fall_percent: usize,
    /// Unattended: a price may rise by this. Default 100.
    pub rise_percent: usize,
    /// Unattended: a source says the value for so long, in milliseconds. Default one hour.
    pub first_seen_ms: i64,
    /// Whole run, unattended: this share of the priced models may change. Default 10.
    pub run_percent: usize,
    /// Whole run, unattended: fewer models than this may always change. Default 20.
    pub run_models: usize,
}

impl Default for PriceLimits {
    fn default() -> Self {
        Self {
            tenfold: 10,
            fall_percent: 30,
            rise_percent: 100,
            first_seen_ms: 3_600_000,
            run_percent: 10,
            run_models: 20,
        }
    }
}

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
    let kind_old = billed_by(input.local).kind();
    if !input.scope.takes(kind_old.is_some(), input.served) {
        return None;
    }
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
        return Some(plan);
    }
    match choose(input.offers, input.answers.kind) {
        Choice::Nothing => {}
        Choice::OtherKind => {
            plan.verdict = Verdict::Skip(Reason::plain(ReasonCode::KindChange));
        }
        Choice::NoMajority(place) => plan.no_majority(&input.offers[place]),
        Choice::Chosen(place, values) => plan.take(&input, place, &values),
    }
    plan.respect_answer();
    Some(plan)
}

/// Holds all changes of an unattended run that would change too many models. `priced` is how many models have a price.
/// Returns whether it did. What was approved must not be shown to it.
pub fn price_brake(plans: &mut [ModelPlan], priced: usize, limits: &PriceLimits) -> bool {
    let applies = |plan: &ModelPlan| plan.verdict == Verdict::Apply;
    let changing = plans.iter().filter(|plan| applies(plan)).count();
    if changing < limits.run_models || changing * 100 <= limits.run_percent * priced {
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

    /// Puts the guards on every field that changes. The gravest is the model's.
    fn judge(&mut self, input: &ModelInput<'_>, offer: &Offer, place: usize, kind: Kind) {
        let mut holds = self.broken(input);
        if !input.approved {
            let mut doubts = self.doubts(input, offer, place, kind);
            doubts.retain(|(_, reason)| !input.answers.allowed.contains(&reason.code));
            holds.extend(doubts);
        }
        let grave = |code: &ReasonCode| GRAVITY.iter().position(|other| other == code);
        holds.sort_by_key(|(_, reason)| grave(&reason.code).unwrap_or(GRAVITY.len()));
        for (field, reason) in &holds {
            let held = self.changes.iter_mut().find(|held| held.field == *field);
            if let Some(held) = held.filter(|held| held.hold.is_none()) {
                held.hold = Some(reason.clone());
            }
        }
        self.verdict = match holds.into_iter().next() {
            Some((_, reason)) => Verdict::Hold(reason),
            None => Verdict::Apply,
        };
    }

    /// What holds whatever was approved, or is allowed for this model.
    fn broken(&self, input: &ModelInput<'_>) -> Vec<(Field, Reason)> {
        let mut holds = Vec::new();
        for change in self.changes.iter().filter(|change| change.skip.is_none()) {
            let field = change.field;
            let mut hold = |reason| holds.push((field, reason));
            if let Some(new) = &change.new {
                match reckon(new) {
                    _ if field == Field::BillingExpr && !input.expressions.known(new) => {
                        hold(Reason::plain(ReasonCode::UnknownExpression));
                    }
                    _ if !field.is_number() => {}
                    None => hold(Reason::plain(ReasonCode::NotANumber)),
                    Some(number) if is_negative(number) => {
                        hold(Reason::plain(ReasonCode::Negative));
                    }
                    Some(_) => {}
                }
            }
            // The model's own broken entry is mended by the write; those of others would become free by it.
            let others = input.unwritable.get(&field).into_iter().flatten();
            let others: Vec<String> = others
                .filter(|name| *name != input.model)
                .cloned()
                .collect();
            if !others.is_empty() {
                hold(Reason::named(ReasonCode::UnwritableMap, others));
            }
        }
        holds
    }

    /// What waits for a person.
    fn doubts(
        &self,
        input: &ModelInput<'_>,
        offer: &Offer,
        place: usize,
        kind: Kind,
    ) -> Vec<(Field, Reason)> {
        let unattended = input.strength == Strength::Unattended;
        let changing = |field: Field| {
            let mut changes = self.changes.iter();
            changes.any(|change| change.field == field && change.skip.is_none())
        };
        let first = self.changes.iter().find(|change| change.skip.is_none());
        let main = match (main_field(kind), first) {
            (main, Some(first)) if !changing(main) => first.field,
            (main, _) => main,
        };
        let at = |field: Field| if changing(field) { field } else { main };
        let mut holds = Vec::new();
        if changing(Field::ModelRatio) && billed_by_placeholder(offer, Some(kind)) {
            holds.push((main, Reason::plain(ReasonCode::Placeholder)));
        }
        if self.kind_old.is_some_and(|old| old != kind) && input.answers.kind != Some(kind) {
            holds.push((main, Reason::plain(ReasonCode::KindChange)));
        }
        if let Some(name) = &offer.alike {
            let reason = Reason::named(ReasonCode::NameMatch, vec![name.clone()]);
            holds.push((main, reason));
        }

        let after = with(input.local, self.changes.iter());
        let new = input.prices_of(&after);
        let old = self.compared_with(input, &new);
        for (tier, prices) in new.iter().enumerate() {
            // Where there were fewer tiers, the last of them billed what the further ones bill now.
            let old = old.get(tier).or(old.last()).copied().unwrap_or_default();
            for (field, price) in prices.iter() {
                let told = doubts(field, old.get(field), price, input.limits, unattended);
                holds.extend(told.into_iter().map(|reason| (at(field), reason)));
            }
        }
        let nothing = Values::default();
        let said = |offer| {
            if Offer::is_fresh(offer) {
                &offer.raw
            } else {
                &nothing
            }
        };
        let raws: Vec<&Values> = input.offers.iter().map(said).collect();
        let among = among(place, &raws, input.locked);
        let tiered = kind == Kind::Expression;
        let slipped = among.slipped.into_iter();
        let slipped = slipped.filter(|field| tiered || changing(*field));
        let far = self.changes.iter().filter(|change| change.skip.is_none());
        let far = far.filter(|change| change.old.is_none() && is_far(change));
        let slips = slipped.chain(far.map(|change| change.field));
        holds.extend(slips.map(|field| (at(field), Reason::plain(ReasonCode::UnitSlip))));

        if unattended {
            if among.lone {
                holds.push((main, Reason::plain(ReasonCode::LoneSource)));
            }
            let wait = input.limits.first_seen_ms;
            let since = offer.first_seen;
            if since.is_none_or(|since| input.now.saturating_sub(since) < wait) {
                holds.push((main, Reason::plain(ReasonCode::FirstSeen)));
            }
            if kind == Kind::Expression && new.is_empty() {
                // It can be billed by, but nobody can say what it costs.
                holds.push((main, Reason::plain(ReasonCode::UnknownExpression)));
            }
        }
        holds
    }

    /// The prices with which a change is compared: the last accepted ones, ours where those say nothing comparable.
    fn compared_with(&self, input: &ModelInput<'_>, new: &[Prices]) -> Vec<Prices> {
        let comparable = |old: &Vec<Prices>| match (old.first(), new.first()) {
            (Some(old), Some(new)) => old.comparable(new),
            _ => false,
        };
        let accepted = input.accepted.map(|one| input.prices_of(&one.values));
        let mut candidates = accepted
            .into_iter()
            .chain(std::iter::once(input.prices_of(input.local)));
        candidates.find(comparable).unwrap_or_default()
    }
}

impl ModelInput<'_> {
    fn usd_of(&self, values: &Values) -> Usd {
        match billed_by(values).kind() {
            None => Usd::default(),
            Some(Kind::Expression) => {
                let expression = values.get(Field::BillingExpr).unwrap_or_default();
                let tiers = self.expressions.tiers(expression);
                tiers.into_iter().next().unwrap_or_default()
            }
            Some(_) => usd(values, self.locked),
        }
    }

    /// The prices that bill, one for each tier.
    fn prices_of(&self, values: &Values) -> Vec<Prices> {
        match billed_by(values).kind() {
            None => Vec::new(),
            Some(Kind::Expression) => {
                let expression = values.get(Field::BillingExpr).unwrap_or_default();
                let tiers = self.expressions.tiers(expression);
                tiers.iter().map(Prices::of_tier).collect()
            }
            Some(kind) => vec![Prices::of(values, kind, self.locked)],
        }
    }
}

/// No provider asks so many times the input's price for anything; a slip of units does.
const FAR: f64 = 500.0;

/// The reasons from the gravest on.
const GRAVITY: [ReasonCode; 15] = [
    ReasonCode::NotANumber,
    ReasonCode::Negative,
    ReasonCode::UnknownExpression,
    ReasonCode::UnwritableMap,
    ReasonCode::Placeholder,
    ReasonCode::ZeroCrossing,
    ReasonCode::UnitSlip,
    ReasonCode::Tenfold,
    ReasonCode::KindChange,
    ReasonCode::NameMatch,
    ReasonCode::LargeFall,
    ReasonCode::LargeRise,
    ReasonCode::LoneSource,
    ReasonCode::FirstSeen,
    ReasonCode::PriceBrake,
];

/// Whether a multiplier that was not set before is one that no provider has.
fn is_far(change: &FieldChange) -> bool {
    let new = change.new.as_deref().and_then(reckon);
    change.field.is_multiplier() && new.is_some_and(|new| new > FAR)
}

fn main_field(kind: Kind) -> Field {
    match kind {
        Kind::PerToken => Field::ModelRatio,
        Kind::PerCall => Field::ModelPrice,
        Kind::Expression => Field::BillingExpr,
    }
}

fn with<'a>(local: &Values, changes: impl Iterator<Item = &'a FieldChange>) -> Values {
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
