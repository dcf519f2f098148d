//! The dead-letter queue: written, looked into, replayed.

mod again;
mod inspect;
mod long;
mod predecessor;
mod remembered;
mod replay;
mod strange;
mod understood;
mod writer;
