//! The dead-letter queue: written, looked into, replayed.

mod inspect;
mod predecessor;
mod remembered;
mod replay;
mod strange;
mod understood;
mod writer;
