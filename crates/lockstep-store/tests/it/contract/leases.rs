use lockstep_store::{Store, StoreError};

use crate::tester::{NOW, url};

pub(crate) async fn fences_grow_over_all_gateways(store: &Store) {
    let (one, two) = (url("one.example"), url("two.example"));
    let mut fences = Vec::new();
    for gateway in [&one, &two, &one, &one, &two] {
        fences.push(
            store
                .take_lease(gateway, "a run", NOW)
                .await
                .expect("a lease"),
        );
    }
    assert!(fences.is_sorted_by(|a, b| a < b), "{fences:?}");
    let holds = async |gateway, fence| store.lease_holds(gateway, fence).await.expect("asked");
    assert!(holds(&one, fences[3]).await && holds(&two, fences[4]).await);
    assert!(!holds(&one, fences[2]).await);
    store
        .release_lease(&one, fences[2])
        .await
        .expect("nothing to do");
    assert!(holds(&one, fences[3]).await);
    store
        .release_lease(&one, fences[3])
        .await
        .expect("released");
    assert!(!holds(&one, fences[3]).await);
    let next = store
        .take_lease(&one, "another", NOW)
        .await
        .expect("a lease");
    assert!(next > fences[4]);
}

pub(crate) async fn a_gateway_has_one_holder_at_a_time(store: &Store) {
    let (one, two) = (url("one.example"), url("two.example"));
    let hold = store.hold_gateway(&one, "run 12", NOW).await.expect("held");
    let busy = store.hold_gateway(&one, "run 13", NOW).await;
    let words = format!("process {}, run 12", std::process::id());
    assert!(
        matches!(&busy, Err(StoreError::Busy { holder }) if *holder == words),
        "{busy:?}"
    );
    let other = store
        .hold_gateway(&two, "run 14", NOW)
        .await
        .expect("another gateway");
    let holds = async |gateway, fence| store.lease_holds(gateway, fence).await.expect("asked");
    assert!(holds(&one, hold.fence()).await && holds(&two, other.fence()).await);
    let before = hold.fence();
    drop(hold);
    let hold = store
        .hold_gateway(&one, "run 13", NOW)
        .await
        .expect("free again");
    assert!(hold.fence() > other.fence() && other.fence() > before);
    assert!(!holds(&one, before).await && holds(&one, hold.fence()).await);
}
