//! The name of a commit that got no answer, by which its store can be asked for it later.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// A transaction that rows were committed in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Commit {
    /// By the mark that it leaves in the store's ledger.
    Marked {
        /// The run whose ledger that is.
        run_id: Uuid,
        /// The worker that wrote.
        worker: u32,
        /// A slot that the transaction has marked.
        slot: u16,
        /// Its number among the transactions of the worker.
        serial: u64,
    },
    /// By the number that the server gave it.
    Numbered {
        /// That number.
        transaction: u64,
        /// The server, and since when its numbers have gone on without a crash.
        server: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_read_as_it_was_written() {
        let marked = Commit::Marked { run_id: Uuid::nil(), worker: 1, slot: 7, serial: 12 };
        let numbered = Commit::Numbered { transaction: 8731, server: "1.2.3".into() };
        for (commit, text) in [
            (marked, r#"{"run_id":"00000000-0000-0000-0000-000000000000","worker":1,"slot":7,"serial":12}"#),
            (numbered, r#"{"transaction":8731,"server":"1.2.3"}"#),
        ] {
            assert_eq!(serde_json::to_string(&commit).unwrap(), text);
            assert_eq!(serde_json::from_str::<Commit>(text).unwrap(), commit);
        }
    }
}
