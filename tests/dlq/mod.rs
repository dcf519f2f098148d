//! The dead-letter queue: written, looked into, replayed.

mod replay;
mod strange;
mod writer;
