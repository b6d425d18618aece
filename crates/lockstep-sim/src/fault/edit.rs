//! Changes that nobody asked for: made by the gateway on its own, or by a second admin.

use std::fmt;
use std::sync::Arc;

use crate::gateway::Channel;

/// A change to a channel or to an option.
#[derive(Clone)]
pub struct Edit(pub(crate) Target);

/// What an edit changes, and how.
#[derive(Clone)]
pub(crate) enum Target {
    /// The channel that the write it comes with is about.
    Written(ChangeChannel),
    /// A channel by its id.
    Channel(i64, ChangeChannel),
    /// An option by its key. The change is given its text, which is empty for a key that is not set.
    Option(String, ChangeText),
}

pub(crate) type ChangeChannel = Arc<dyn Fn(&mut Channel) + Send + Sync>;
pub(crate) type ChangeText = Arc<dyn Fn(&str) -> String + Send + Sync>;

impl Edit {
    /// Changes the channel that is being written. Without such a write it changes nothing.
    pub fn written(change: impl Fn(&mut Channel) + Send + Sync + 'static) -> Self {
        Self(Target::Written(Arc::new(change)))
    }

    /// Changes this channel, if there is one.
    pub fn channel(id: i64, change: impl Fn(&mut Channel) + Send + Sync + 'static) -> Self {
        Self(Target::Channel(id, Arc::new(change)))
    }

    /// Sets this option to a text, with all the effects a bad text has.
    pub fn option(key: &str, text: &str) -> Self {
        let text = text.to_owned();
        Self::option_with(key, move |_| text.clone())
    }

    /// Sets this option to what the change makes of its text, which is empty for a key that is not set.
    pub fn option_with(key: &str, change: impl Fn(&str) -> String + Send + Sync + 'static) -> Self {
        Self(Target::Option(key.to_owned(), Arc::new(change)))
    }
}

impl fmt::Debug for Edit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Target::Written(_) => f.write_str("Edit(the written channel)"),
            Target::Channel(id, _) => write!(f, "Edit(channel {id})"),
            Target::Option(key, _) => write!(f, "Edit(option {key})"),
        }
    }
}
