//! Whoever stays for long, as listeners to events do: whether he would still be let in.

use std::time::Duration;

use futures_util::FutureExt as _;
use tokio::sync::watch;
use tokio::time::{Instant, Interval, MissedTickBehavior, interval_at};

use super::{session, tokens};
use crate::server::App;
use crate::server::caller::{Caller, Who};

/// Looks every now and then, and as soon as this process ended a session or a token, whether somebody is still known.
pub(crate) struct Staying {
    app: App,
    caller: Caller,
    ended: watch::Receiver<()>,
    looks: Interval,
    due: bool,
}

impl Staying {
    /// Somebody who was just let in. What other processes end is seen within `every`.
    pub(crate) fn new(app: &App, caller: Caller, every: Duration) -> Self {
        let mut looks = interval_at(Instant::now() + every, every);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        Self {
            ended: app.door().ended(),
            app: app.clone(),
            caller,
            looks,
            due: false,
        }
    }

    /// Waits until it is to be looked again.
    pub(crate) async fn due(&mut self) {
        if !self.due {
            tokio::select! {
                _ = self.looks.tick() => {}
                _ = self.ended.changed() => {}
            }
            self.due = true;
        }
    }

    /// Whether he has to go. It looks only where that is due.
    pub(crate) async fn is_over(&mut self) -> bool {
        if self.due().now_or_never().is_none() {
            return false;
        }
        let known = self.is_known().await;
        self.due = !known;
        !known
    }

    /// Whoever cannot be looked for has to come again.
    async fn is_known(&self) -> bool {
        let (store, now) = (self.app.store(), self.app.now());
        match &self.caller.who {
            Who::Person { session, .. } => {
                let session = store.session(session).await.ok().flatten();
                session.is_some_and(|session| session.holds(session::LASTING, now))
            }
            Who::Token { id, .. } => {
                let tokens = store.api_tokens().await.unwrap_or_default();
                let mut tokens = tokens.iter();
                tokens.any(|token| token.id == *id && !tokens::has_ended(token, now))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_run::Engine;
    use lockstep_run::clock::SystemClock;
    use lockstep_store::Store;
    use lockstep_store::tokens::NewApiToken;

    use super::*;
    use crate::config::File;
    use crate::server::Options;

    async fn app() -> App {
        let store = Store::open_temporary().await.expect("a store");
        let engine = Engine::start(store, Arc::new(SystemClock), "tests".to_owned());
        App::new(
            engine.expect("an engine"),
            File::default(),
            Options::default(),
        )
    }

    fn person() -> Who {
        Who::Person {
            name: "admin".to_owned(),
            session: "s".to_owned(),
        }
    }

    async fn signed_in(app: &App, at: i64) {
        let store = app.store();
        store
            .set_password("admin", "$none", None, 0)
            .await
            .expect("a person");
        store
            .add_session("s", "admin", session::LASTING, at)
            .await
            .expect("a session");
    }

    async fn token(app: &App, expires_at: Option<i64>) -> Who {
        let new = NewApiToken {
            name: "program".to_owned(),
            hash: "h".to_owned(),
            scopes: vec!["read".to_owned()],
            created_by: "tests".to_owned(),
            expires_at,
        };
        let made = app.store().add_api_token(new, 0).await.expect("a token");
        Who::Token {
            id: made.id,
            name: made.name,
        }
    }

    fn staying(app: &App, who: Who, every: Duration) -> Staying {
        let caller = Caller {
            who,
            scopes: Vec::new(),
        };
        Staying::new(app, caller, every)
    }

    /// Whether he is known at the next look that is due by itself.
    async fn stays(who: &mut Staying) -> bool {
        who.due().await;
        !who.is_over().await
    }

    #[tokio::test]
    async fn what_another_process_ended_is_seen_at_the_next_look() {
        let app = app().await;
        signed_in(&app, app.now()).await;
        let program = token(&app, None).await;
        let Who::Token { id, .. } = &program else {
            panic!("a token");
        };
        let id = id.clone();
        let soon = Duration::from_millis(1);
        let (mut person, mut program) =
            (staying(&app, person(), soon), staying(&app, program, soon));
        assert!(stays(&mut person).await && stays(&mut program).await);
        app.store().remove_session("s").await.expect("removed");
        app.store().remove_api_token(&id).await.expect("removed");
        assert!(!stays(&mut person).await && !stays(&mut program).await);
        assert!(person.is_over().await, "and it stays so");
    }

    #[tokio::test]
    async fn what_this_process_ends_is_looked_at_at_once_and_ends_nobody_else() {
        let app = app().await;
        signed_in(&app, app.now()).await;
        let program = token(&app, None).await;
        let never = Duration::from_secs(86_400);
        let (mut person, mut program) = (
            staying(&app, person(), never),
            staying(&app, program, never),
        );
        assert!(!person.is_over().await, "nothing is due");
        app.store().remove_session("s").await.expect("removed");
        app.door().ends_some();
        assert!(!stays(&mut person).await);
        assert!(stays(&mut program).await);
    }

    #[tokio::test]
    async fn whose_time_is_over_has_to_go() {
        let app = app().await;
        let now = app.now();
        signed_in(&app, now - session::LASTING.idle).await;
        let program = token(&app, Some(now)).await;
        let soon = Duration::from_millis(1);
        assert!(!stays(&mut staying(&app, person(), soon)).await);
        assert!(!stays(&mut staying(&app, program, soon)).await);
    }
}
