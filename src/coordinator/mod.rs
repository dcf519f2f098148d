//! The write engine: queue, lanes, workers, retry, breaker, isolation. Knows no store and no file.
