//! The dead-letter queue: append-only NDJSON of the rows that failed, with their reasons.
