use super::is_ours;

#[test]
fn the_paths_are_known_with_and_without_a_site() {
    for path in [
        "/api/ratio_sync",
        "/api/ratio_sync/channels",
        "/api/ratio_sync/fetch/",
        "/api/ratio_sync/nothing",
        "/sites/main/api/ratio_sync/fetch",
        "/sites/a%20b/api/ratio_sync/channels",
    ] {
        assert!(is_ours(path), "{path}");
    }
    for path in [
        "/",
        "/api/v1/sites",
        "/api/ratio_synced",
        "/api/ratio_syncs/fetch",
        "/sites/main",
        "/sites/main/api/v1/runs",
        "/sites//x/api/ratio_sync/fetch",
        "/x/api/ratio_sync/fetch",
        "/sites/a/b/api/ratio_sync/fetch",
    ] {
        assert!(!is_ours(path), "{path}");
    }
}
