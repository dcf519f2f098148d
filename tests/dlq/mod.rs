//! The dead-letter queue as its users see it.

mod replay;
