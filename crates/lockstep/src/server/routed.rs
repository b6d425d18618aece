//! What a router leads to, by its own word, so that no list of routes has to be kept beside it.

use std::collections::{BTreeMap, BTreeSet};

use axum::Router;

/// The methods of a route; `None` for any.
pub(crate) type Methods = Option<BTreeSet<String>>;

/// Every path of a router with its methods. A router has no other way to tell them than its `Debug`; should that change,
/// nothing is found, and whoever asks fails.
pub(crate) fn routed<S>(router: &Router<S>) -> BTreeMap<String, Methods> {
    let told = format!("{router:?}");
    let told = told.split("fallback_router").next().expect("a start");
    let (mut methods, mut paths) = (BTreeMap::new(), BTreeMap::new());
    for entry in told.split("RouteId(").skip(1) {
        let (id, what) = entry.split_once("): ").expect("an entry");
        if let Some(path) = what.strip_prefix('"') {
            let (path, _) = path.split_once('"').expect("a path");
            paths.insert(id, path.to_owned());
        } else {
            let (_, allowed) = what.split_once("allow_header: ").expect("methods");
            let named = allowed.strip_prefix("Bytes(b\"");
            let named = named.map(|named| named.split_once('"').expect("methods").0);
            let set = named.map(|named| named.split(',').map(str::to_owned).collect());
            methods.insert(id, set);
        }
    }
    assert_eq!(paths.len(), methods.len(), "{told}");
    paths
        .into_iter()
        .map(|(id, path)| (path, methods.remove(id).expect("methods")))
        .collect()
}

#[cfg(test)]
mod tests {
    use axum::routing::{any, get};

    use super::*;

    #[test]
    fn a_router_tells_its_paths_and_their_methods() {
        let none = || async {};
        let router: Router = Router::new()
            .route("/one", get(none).post(none))
            .merge(Router::new().route("/{some}/{*rest}", any(none)))
            .nest(
                "/below",
                Router::new().route("/two", axum::routing::put(none)),
            )
            .fallback(none);
        let told = routed(&router);
        let paths: Vec<&str> = told.keys().map(String::as_str).collect();
        assert_eq!(paths, ["/below/two", "/one", "/{some}/{*rest}"]);
        assert_eq!(told["/{some}/{*rest}"], None);
        let one = told["/one"].as_ref().expect("named");
        assert_eq!(Vec::from_iter(one), ["GET", "HEAD", "POST"]);
    }
}
