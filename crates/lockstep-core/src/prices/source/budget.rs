//! How often one host may be asked for its `/api/ratio_config`.
//!
//! A gateway counts that list, sign-ins and token creation in one small bucket per address: twenty in twenty minutes.
//! Whoever empties it locks people out of their own console.

/// The calls that one host gets within [`WINDOW_MS`]. Two of the gateway's twenty stay free for a person who signs in.
pub const CALLS: u32 = 18;
/// The window in milliseconds: 20 minutes.
pub const WINDOW_MS: i64 = 20 * 60_000;

/// From when on a host may be called again, in Unix milliseconds, by when it was called within the window, oldest first:
/// once fewer than [`CALLS`] are left in it. `None` where it may be called now.
pub fn free_at(calls: &[i64]) -> Option<i64> {
    let last = calls.len().checked_sub(CALLS as usize)?;
    calls.get(last).map(|at| at.saturating_add(WINDOW_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_free_again_as_soon_as_fewer_than_eighteen_calls_are_in_the_window() {
        let calls: Vec<i64> = (0..20).collect();
        assert_eq!(free_at(&[]), None);
        assert_eq!(free_at(&calls[..17]), None);
        assert_eq!(free_at(&calls[..18]), Some(WINDOW_MS));
        // However many were counted, eighteen of them must be over.
        assert_eq!(free_at(&calls), Some(2 + WINDOW_MS));
    }
}
