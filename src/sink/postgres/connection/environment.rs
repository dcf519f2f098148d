//! What a process finds around it: its environment and its user's home.

use std::path::PathBuf;

/// Environment and home. Tests make their own.
pub(in crate::sink::postgres) struct Surroundings<'a> {
    /// Looks a variable up.
    pub env: &'a dyn Fn(&str) -> Option<String>,
    /// The user's home, if there is one.
    pub home: Option<PathBuf>,
}

impl Surroundings<'_> {
    /// A variable that is set to something.
    pub fn variable(&self, name: &str) -> Option<String> {
        (self.env)(name).filter(|value| !value.is_empty())
    }
}
