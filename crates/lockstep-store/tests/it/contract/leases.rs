use lockstep_store::Store;

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
