//! An order, done within a session.

use lockstep_core::change::{RunState, State, Subject};
use lockstep_core::settings::Settings;
use lockstep_store::runs::Run;

use super::{Chosen, Go, Order};
use crate::error::EngineError;
use crate::known::Ahead;
use crate::prices::review::PriceApproval;
use crate::progress::Progress;
use crate::request::{Request, Source};
use crate::review::Approval;
use crate::session::Session;
use crate::watch::Watch;

impl Session {
    /// Does what was ordered. What a kill cut off while it wrote is carried on first.
    pub(super) async fn order(
        &self,
        order: Order,
        settings: &Settings,
        by: &str,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        if !matches!(order, Order::Resume(_)) {
            let before = Watch {
                progress: Progress::default(),
                ..watch.clone()
            };
            self.carry_on(&before).await?;
        }
        match order {
            Order::Resume(run) => {
                watch.progress.is_run(&run);
                self.tell_of(&run).await?;
                self.resume(&run, watch).await
            }
            Order::Models(request, go) => {
                let reviewed = self.reviewed_before(&request.source).await?;
                let session = self.with_yes_of(go, reviewed, by);
                let run = session.plan(&request, watch).await?;
                session.go_on(run, go, reviewed, true, by, watch).await
            }
            Order::Prices(request, go) => {
                let reviewed = self.prices_reviewed_before().await?;
                let session = self.with_yes_of(go, reviewed, by);
                let run = session.plan_prices(&request, watch).await?;
                session.go_on(run, go, reviewed, true, by, watch).await
            }
            Order::Apply { run, shown, only } => {
                let run = self.store().run(&run).await?;
                if shown.is_some() && run.plan_hash != shown {
                    return Err(EngineError::PlanChanged(run.id));
                }
                if run.state != RunState::Planned {
                    return Err(EngineError::NotPlanned {
                        run: run.id,
                        state: run.state,
                    });
                }
                // Whoever asked hears at once that somebody else has the gateway.
                self.keep().await?;
                self.tell_of(&run.id).await?;
                self.write_run(&run, only, false, by, watch).await
            }
            Order::Held { subject, only } => {
                let run = match subject {
                    Subject::Models => {
                        let request = Request {
                            source: Source::Held(only.channels()),
                            settings: settings.clone(),
                            policy: None,
                            unattended: false,
                            own_settings: false,
                            go_on: false,
                            after: None,
                            ahead: Ahead::default(),
                        };
                        self.plan(&request, watch).await?
                    }
                    Subject::Prices => {
                        let models = only.models();
                        let run = self.plan_held_prices(models.as_deref(), settings).await?;
                        watch.progress.is_run(&run.id);
                        run
                    }
                };
                self.go_on(run, Go::Writes, true, false, by, watch).await
            }
            Order::Undo { run, only, go } => {
                let run = self.store().run(&run).await?;
                let run = match run.subject {
                    Subject::Models => {
                        let channels = only.channels();
                        self.plan_undo(&run.id, channels.as_deref()).await?
                    }
                    Subject::Prices => {
                        let models = only.models();
                        self.plan_price_undo(&run.id, models.as_deref()).await?
                    }
                };
                watch.progress.is_run(&run.id);
                self.go_on(run, go, true, false, by, watch).await
            }
        }
    }

    /// The session for a run that is written without another question, so that whoever takes it over knows.
    fn with_yes_of(&self, go: Go, reviewed: bool, by: &str) -> Session {
        match go {
            Go::Writes if reviewed => self.clone().approved_ahead(by),
            _ => self.clone(),
        }
    }

    /// Writes a planned run where it is to go on and was seen before.
    async fn go_on(
        &self,
        run: Run,
        go: Go,
        reviewed: bool,
        rebases: bool,
        by: &str,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        if run.state != RunState::Planned {
            return Ok(run);
        }
        let ready = match run.subject {
            Subject::Models => !self
                .store()
                .changes_in(&run.id, State::Ready)
                .await?
                .is_empty(),
            Subject::Prices => !self
                .store()
                .price_rows_in(&run.id, State::Ready)
                .await?
                .is_empty(),
        };
        match (go, ready) {
            (Go::Writes, false) => self.finish(&run).await,
            (Go::Writes, true) if reviewed => {
                let written = self.write_run(&run, Chosen::All, rebases, by, watch).await;
                self.or_ended(&run, written).await
            }
            _ => Ok(run),
        }
    }

    /// Writes what of a planned run was chosen, on somebody's yes.
    pub(crate) async fn write_run(
        &self,
        run: &Run,
        only: Chosen,
        rebases: bool,
        by: &str,
        watch: &Watch,
    ) -> Result<Run, EngineError> {
        watch.progress.is_run(&run.id);
        match run.subject {
            Subject::Models => {
                let approval = Approval {
                    only: only.channels(),
                    by: by.to_owned(),
                    rebases,
                };
                self.write(&run.id, &approval, watch).await
            }
            Subject::Prices => {
                let approval = PriceApproval {
                    only: only.models(),
                    by: by.to_owned(),
                    rebases,
                };
                self.write_prices(&run.id, &approval, watch).await
            }
        }
    }
}
