//! Prices that a person chose, planned for a look before anything is written.

use std::collections::BTreeMap;

use lockstep_run::jobs::{Go, Order};
use lockstep_run::prices::chosen::Picks;
use lockstep_run::prices::plan::{PriceRequest, What};
use lockstep_store::runs::Run;
use lockstep_store::sites::Site;

use crate::api::orders;
use crate::server::App;
use crate::server::caller::Caller;
use crate::server::problem::Problem;

/// What a run is started by that plans what somebody chose.
pub(crate) const REVIEW: &str = "review";

/// Begins the plan of what was chosen, and tells its run. Nothing is written.
pub(crate) async fn review(
    app: &App,
    caller: &Caller,
    site: &Site,
    picks: Picks,
) -> Result<String, Problem> {
    let laid = orders::settings(app, site, &BTreeMap::new())?;
    let request = orders::prices(app, site, What::Picked(picks), &laid, false).await?;
    let request = PriceRequest {
        trigger: REVIEW,
        ..request
    };
    let order = Order::Prices(Box::new(request), Go::Plans);
    let access = orders::access(app, site.clone()).await?;
    orders::start(app, caller, access, laid.settings, order, false).await
}

/// Begins the plan that a run was cut off from, with the settings that it had and the sources that the site remembers, and
/// tells its run. Nothing is written: whoever asked for the first looks at this one.
pub(crate) async fn plan_again(
    app: &App,
    caller: &Caller,
    site: &Site,
    run: &Run,
) -> Result<String, Problem> {
    let given = run.settings.iter().cloned().collect();
    let laid = orders::settings(app, site, &given)?;
    let request = orders::prices(app, site, What::Sources, &laid, false).await?;
    let order = Order::Prices(Box::new(request), Go::Plans);
    let access = orders::access(app, site.clone()).await?;
    orders::start(app, caller, access, laid.settings, order, false).await
}
