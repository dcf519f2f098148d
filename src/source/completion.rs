//! Which inputs are settled whole, so that a resume need not read them again.
//!
//! An input that has been read to its end, and of whose rows none is open ([`OpenRows`]), is settled.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use crate::batch::{OpenRows, Origin};

/// The inputs that are settled from the first one on. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SettledInputs(Arc<Mutex<CompletionState>>);

#[derive(Debug, Default)]
struct CompletionState {
    settled: usize,
    /// The inputs after those that have been done with, in order; `None` for one that is not
    /// settled and will not be.
    later: VecDeque<Option<OpenRows>>,
}

impl SettledInputs {
    /// The first so many are settled already.
    pub fn new(settled: usize) -> Self {
        Self(Arc::new(Mutex::new(CompletionState { settled, later: VecDeque::new() })))
    }

    /// The next input has been read to its end.
    pub(super) fn read(&self, origin: &Origin) {
        self.push(Some(origin.open.clone()));
    }

    /// The next input could not be read to its end; `noted`: all that could is settled, and the
    /// history says so.
    pub(super) fn failed(&self, noted: bool) {
        self.push(noted.then(OpenRows::default));
    }

    fn push(&self, input: Option<OpenRows>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).later.push_back(input);
    }

    /// How many inputs are settled, from the first one on.
    pub fn count(&self) -> usize {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let settled = |input: &&Option<OpenRows>| input.as_ref().is_some_and(|open| open.count() == 0);
        let more = state.later.iter().take_while(settled).count();
        state.settled += more;
        state.later.drain(..more);
        state.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_settled_when_none_of_its_rows_is_open() {
        let inputs = SettledInputs::new(2);
        let [a, b] = ["a", "b"].map(Origin::new);
        a.open.open(3);
        b.open.open(1);
        inputs.read(&a);
        inputs.read(&b);
        assert_eq!(inputs.count(), 2);
        // Out of turn.
        b.open.acknowledge(1);
        assert_eq!(inputs.count(), 2);
        a.open.acknowledge(2);
        assert_eq!(inputs.count(), 2, "a row of it is open, or was let go of");
        a.open.acknowledge(1);
        assert_eq!(inputs.count(), 4);
        inputs.failed(true);
        inputs.failed(false);
        inputs.failed(true);
        assert_eq!(inputs.count(), 5);
    }
}
