//! Which inputs are settled whole, so that a resume need not read them again.
//!
//! Every row on its way holds on to the [`Origin`] of its input: batches in the queue and in the
//! workers' hands, and rejects until they are on disk. An input that has been read to its end and
//! whose origin nobody holds any more is settled, unless the engine has stopped and let go of rows
//! that it did not settle.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use crate::batch::Origin;

/// The inputs that are settled from the first one on. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct SettledInputs(Arc<Mutex<CompletionState>>);

#[derive(Debug, Default)]
struct CompletionState {
    settled: usize,
    /// The inputs after those that have been done with, in order; `None` for one that is not
    /// settled and will not be.
    later: VecDeque<Option<Weak<Origin>>>,
}

impl SettledInputs {
    /// The first so many are settled already.
    pub fn new(settled: usize) -> Self {
        Self(Arc::new(Mutex::new(CompletionState { settled, later: VecDeque::new() })))
    }

    /// The next input has been read to its end.
    pub(super) fn read(&self, origin: &Arc<Origin>) {
        self.push(Some(Arc::downgrade(origin)));
    }

    /// The next input could not be read to its end; `noted`: all that could is settled, and the
    /// history says so.
    pub(super) fn failed(&self, noted: bool) {
        self.push(noted.then(Weak::new));
    }

    fn push(&self, input: Option<Weak<Origin>>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).later.push_back(input);
    }

    /// How many inputs are settled, from the first one on. `stopped` is whether the engine has
    /// let go of rows that it has not settled.
    pub fn count(&self, stopped: impl Fn() -> bool) -> usize {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let gone = |input: &&Option<Weak<Origin>>| input.as_ref().is_some_and(|o| o.strong_count() == 0);
        let more = state.later.iter().take_while(gone).count();
        // Asked after the look: an engine that stops says so before it lets go.
        if !stopped() {
            state.settled += more;
            state.later.drain(..more);
        }
        state.settled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_settled_when_nobody_holds_a_row_of_it() {
        let inputs = SettledInputs::new(2);
        let [a, b] = ["a", "b"].map(|name| Arc::new(Origin::new(name)));
        inputs.read(&a);
        inputs.read(&b);
        assert_eq!(inputs.count(|| false), 2);
        // Out of turn.
        drop(b);
        assert_eq!(inputs.count(|| false), 2);
        drop(a);
        assert_eq!(inputs.count(|| true), 2, "the engine has let go of it unsettled");
        assert_eq!(inputs.count(|| false), 4);
        inputs.failed(true);
        inputs.failed(false);
        inputs.failed(true);
        assert_eq!(inputs.count(|| false), 5);
    }
}
