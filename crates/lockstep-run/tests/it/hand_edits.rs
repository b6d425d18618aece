//! What an admin edits by hand stays.

use lockstep_core::change::{RunState, State};
use lockstep_core::models::fate::{Dropped, Kept};
use lockstep_core::models::policy::Policy;

use crate::tester::{Tester, pairs, set};

#[tokio::test(flavor = "multi_thread")]
async fn names_added_and_taken_out_by_hand_stay_so() {
    let mut tester = Tester::new(pairs(&[("a,b,c", "a,b,c")])).await;
    tester.sync().await;
    tester.edit(1, |channel| channel.models = "a,b,mine".to_owned());
    let run = tester.sync().await;
    let row = tester.row(&run, 1).await;
    assert_eq!(row.state, State::Same);
    assert_eq!(row.kept, [("mine".to_owned(), Kept::Yours)]);
    assert_eq!(row.dropped, [("c".to_owned(), Dropped::TakenOut)]);
    // The provider's own changes are followed all the same.
    tester.offers(1, "b,c,d");
    tester.sync().await;
    assert_eq!(set(&tester.models(1)), set("b,d,mine"));
    for _ in 0..3 {
        tester.sync().await;
    }
    assert_eq!(set(&tester.models(1)), set("b,d,mine"));
    assert_eq!(tester.puts(), 1);
    // Putting back what was taken out just ends the mark.
    tester.edit(1, |channel| channel.models = "b,d,mine,c".to_owned());
    tester.sync().await;
    tester.offers(1, "b,d");
    tester.sync().await;
    assert_eq!(set(&tester.models(1)), set("b,d,mine"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_policy_exact_makes_the_list_the_providers_again() {
    let mut tester = Tester::new(pairs(&[("a,b,c", "a,b,c")])).await;
    tester.sync().await;
    tester.edit(1, |channel| channel.models = "a,b,mine".to_owned());
    tester.settings.policy = Policy::Exact;
    let run = tester.sync().await;
    assert_eq!(run.state, RunState::Done);
    assert_eq!(set(&tester.models(1)), set("a,b,c"));
    tester.done().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pinned_name_stays_whatever_the_provider_says() {
    let mut tester = Tester::new(pairs(&[("a,pin", "a")])).await;
    tester.settings.keep = vec!["pin".to_owned()];
    tester.sync().await;
    tester.offers(1, "b");
    tester.settings.policy = Policy::Exact;
    tester.sync().await;
    assert_eq!(set(&tester.models(1)), set("b,pin"));
    tester.done().await;
}
