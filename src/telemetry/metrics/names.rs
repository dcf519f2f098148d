//! Names, labels and help texts of all metrics. Dashboards and alerts depend on the names and
//! labels: add to them, change none.

/// A family of metrics: what is told apart by its labels alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Family {
    /// Name, with the unit and, of a counter, `_total` at its end.
    pub name: &'static str,
    /// One sentence for people.
    pub help: &'static str,
    /// Names of the labels, in the order in which values are given.
    pub labels: &'static [&'static str],
}

const COORDINATOR: &[&str] = &["coord_id"];
const WORKER: &[&str] = &["coord_id", "worker_id"];
const QUEUE: &[&str] = &["coord_id", "queue"];
const RUN: &[&str] = &["command", "coord_id"];

/// Counter; `status` is [`SUCCESS`] or [`FAILURE`].
pub const SINK_WRITES: Family = Family {
    name: "sink_writes_total",
    help: "Attempts at writing a batch to the store.",
    labels: &["sink", "status"],
};
/// Histogram.
pub const SINK_WRITE_LATENCY: Family = Family {
    name: "sink_write_latency_seconds",
    help: "From the first statement of a write to its commit or failure.",
    labels: &["sink"],
};
/// Counter.
pub const ITEMS_SUBMITTED: Family =
    Family { name: "mds_coord_items_submitted_total", help: "Rows put into the queue.", labels: COORDINATOR };
/// Counter; `reason` is [`OVERFLOW`].
pub const ITEMS_DROPPED: Family = Family {
    name: "mds_coord_items_dropped_total",
    help: "Rows dropped from the queue; they are in the dead-letter queue.",
    labels: &["coord_id", "reason"],
};
/// Gauge.
pub const QUEUE_DEPTH: Family = Family {
    name: "mds_coord_queue_depth",
    help: "Rows that wait in the queue or are being written.",
    labels: COORDINATOR,
};
/// Gauge.
pub const QUEUE_CAPACITY: Family =
    Family { name: "mds_coord_queue_capacity", help: "Rows that the queue holds.", labels: COORDINATOR };
/// Gauge.
pub const WORKERS_ALIVE: Family =
    Family { name: "mds_coord_workers_alive", help: "Workers that are alive.", labels: COORDINATOR };
/// Gauge.
pub const WORKERS_TARGET: Family =
    Family { name: "mds_coord_workers_target", help: "Workers that there are to be.", labels: COORDINATOR };
/// Gauge; see [`Circuit::gauge`](crate::port::Circuit::gauge).
pub const CIRCUIT_STATE: Family = Family {
    name: "mds_coord_circuit_state",
    help: "State of the circuit breaker: 0 closed, 1 open, 2 half-open.",
    labels: COORDINATOR,
};
/// Counter.
pub const CIRCUIT_OPENED: Family = Family {
    name: "mds_coord_circuit_opened_total",
    help: "Times that the circuit opened; a probe that fails does not count again.",
    labels: COORDINATOR,
};
/// Counter.
pub const RETRIES: Family = Family {
    name: "mds_coord_retries_total",
    help: "Waits for a further attempt at a write.",
    labels: COORDINATOR,
};
/// Counter.
pub const BATCHES_WRITTEN: Family = Family {
    name: "mds_worker_batches_written_total",
    help: "Batches that the worker committed.",
    labels: WORKER,
};
/// Counter; `error_type` is one of [`ERROR_TYPES`].
pub const WRITE_ERRORS: Family = Family {
    name: "mds_worker_write_errors_total",
    help: "Writes of the worker that failed: transient ones are tried again, of the data ones the bad rows are isolated, fatal ones end the run.",
    labels: &["coord_id", "worker_id", "error_type"],
};
/// Histogram.
pub const WRITE_LATENCY: Family = Family {
    name: "mds_worker_write_latency_seconds",
    help: "From the first statement of a batch to its commit.",
    labels: WORKER,
};
/// Counter; `outcome` is a word of the books, `read` or [`RETURNED`].
pub const ROWS: Family = Family {
    name: "mds_rows_total",
    help: "Rows read, and what became of them: read is the sum of all other outcomes. Those returned were read ahead and not stored; their files still have them.",
    labels: &["coord_id", "outcome"],
};
/// Counter; `code` is an SQLSTATE, a code of our own or [`OTHER`].
pub const DLQ_ROWS: Family = Family {
    name: "mds_dlq_rows_total",
    help: "Rows written to the dead-letter queue, by the stage that they failed in and the code of the reason.",
    labels: &["coord_id", "stage", "code"],
};
/// Gauge; missing until the queue has been counted, and while it cannot be read.
pub const DLQ_DEPTH_ROWS: Family = Family {
    name: "mds_dlq_depth_rows",
    help: "Rows that stand in the dead-letter queue, also those of earlier runs: in its file and in those set aside, without parked ones.",
    labels: QUEUE,
};
/// Gauge, likewise.
pub const DLQ_DEPTH_BYTES: Family = Family {
    name: "mds_dlq_depth_bytes",
    help: "Bytes of those files of the dead-letter queue.",
    labels: QUEUE,
};
/// Counter.
pub const BYTES_READ: Family = Family {
    name: "mds_bytes_read_total",
    help: "Bytes read of the input as it is stored: of a compressed one the compressed bytes.",
    labels: COORDINATOR,
};
/// Gauge; of `tail` alone.
pub const TAIL_LAG_BYTES: Family = Family {
    name: "mds_tail_lag_bytes",
    help: "Bytes of the followed files that are written, and neither in the store nor in the dead-letter queue.",
    labels: COORDINATOR,
};
/// Gauge; of `tail` alone.
pub const TAIL_LAG_SECONDS: Family = Family {
    name: "mds_tail_lag_seconds",
    help: "Since when there have been such bytes; 0 when there are none.",
    labels: COORDINATOR,
};
/// Gauge; of `tail` alone.
pub const TAIL_LAG_MESSAGES: Family = Family {
    name: "mds_tail_lag_messages",
    help: "Messages of the followed stream that its group of readers has not settled.",
    labels: COORDINATOR,
};
/// Gauge, always 1.
pub const RUN_INFO: Family = Family {
    name: "mds_run_info",
    help: "The run that these metrics are of.",
    labels: &["command", "coord_id", "run_id", "version"],
};
/// Gauge.
pub const RUN_START: Family = Family {
    name: "mds_last_run_start_timestamp_seconds",
    help: "When the last run started, since the epoch.",
    labels: RUN,
};
/// Gauge; there when the run has ended.
pub const RUN_END: Family = Family {
    name: "mds_last_run_timestamp_seconds",
    help: "When the last run ended, since the epoch; missing while it goes on.",
    labels: RUN,
};
/// Gauge; there when the run has ended.
pub const RUN_DURATION: Family = Family {
    name: "mds_last_run_duration_seconds",
    help: "How long the last run took; missing while it goes on.",
    labels: RUN,
};
/// Gauge; there when the run has ended.
pub const RUN_EXIT_CODE: Family = Family {
    name: "mds_last_run_exit_code",
    help: "Exit code of the last run: 0 all rows stored, 3 some in the dead-letter queue, others failures; missing while it goes on.",
    labels: RUN,
};

/// `status` of a write that was committed.
pub const SUCCESS: &str = "success";
/// `status` of a write that was not.
pub const FAILURE: &str = "failure";
/// `reason` of rows dropped because the queue was full.
pub const OVERFLOW: &str = "overflow";
/// `outcome` of rows that were read, and given back unwritten since the run ended.
pub const RETURNED: &str = "returned";
/// `code` of rows whose own would be one too many, or too long for a label.
pub const OTHER: &str = "other";
/// The values of `error_type`: the kinds of [`Event::Failed`](crate::port::Event::Failed).
pub const ERROR_TYPES: [&str; 3] = ["transient", "data", "fatal"];
