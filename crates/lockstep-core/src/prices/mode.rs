//! Which models a price run may touch, and who looks at what it does.

use crate::hold::codes;

codes! {
    /// Which models a price run may touch.
    Mode {
        /// Only models that have no price yet.
        Add = "add",
        /// Only models that have a price.
        Update = "update",
        /// All of them.
        Both = "both",
    }
}

codes! {
    /// How strictly a plan is judged.
    Strength {
        /// A person looks at the plan before it is written.
        Looking = "looking",
        /// A person is about to choose: whatever a schedule would find odd about a price is pointed out first. For how
        /// long a source has said it is not, for he sees it.
        Choosing = "choosing",
        /// Nobody does: a schedule, or a run that was told so.
        Unattended = "unattended",
    }
}

impl Mode {
    /// Whether a model that has a price, or has none, may be touched.
    pub fn takes(self, priced: bool) -> bool {
        match self {
            Self::Add => !priced,
            Self::Update => priced,
            Self::Both => true,
        }
    }
}

/// The models of a run. By default those without a price that an enabled channel serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    /// With or without a price.
    pub mode: Mode,
    /// Also models that no enabled channel serves.
    pub all_models: bool,
}

impl Default for Scope {
    fn default() -> Self {
        Self {
            mode: Mode::Add,
            all_models: false,
        }
    }
}

impl Scope {
    /// Whether a run touches the model.
    pub fn takes(self, priced: bool, served: bool) -> bool {
        self.mode.takes(priced) && (served || self.all_models)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_served_models_without_a_price_are_touched_by_default() {
        let scope = Scope::default();
        assert!(scope.takes(false, true));
        assert!(!scope.takes(true, true));
        assert!(!scope.takes(false, false));
        let all = Scope {
            mode: Mode::Update,
            all_models: true,
        };
        assert!(all.takes(true, false));
        assert!(!all.takes(false, true));
    }
}
