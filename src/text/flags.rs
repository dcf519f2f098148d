//! The flags that sentences below the command line name: how each is spelled stands here alone.
//!
//! A sentence takes them as it takes a value, `format!("…; add {NO_HEADER}")`: it says which setting mends what is
//! wrong, and the compiler knows what it names. Tests hold that the program has each of them, and that no
//! other text below `cli` spells one.

pub const APPEND_ONLY: &str = "--append-only";
pub const ARCHIVE: &str = "--archive";
pub const BULK: &str = "--bulk";
pub const CAPACITY: &str = "--capacity";
pub const CHECKPOINT: &str = "--checkpoint";
pub const CHUNK: &str = "--chunk";
pub const DISTRIBUTE: &str = "--distribute";
pub const CODE: &str = "--code";
pub const COLUMNS: &str = "--columns";
pub const COMMENT: &str = "--comment";
pub const COMPRESS_AFTER: &str = "--compress-after";
pub const COMPRESS_AFTER_LOAD: &str = "--compress-after-load";
pub const DATASET: &str = "--dataset";
pub const DATE_ORDER: &str = "--date-order";
pub const DECIMAL: &str = "--decimal";
pub const DELIMITER: &str = "--delimiter";
pub const DISCARD: &str = "--discard";
pub const DLQ: &str = "--dlq";
pub const DRY_RUN: &str = "--dry-run";
pub const DSN: &str = "--dsn";
pub const ENCODING: &str = "--encoding";
pub const EXACT: &str = "--exact";
pub const EXPORT: &str = "--export";
pub const FEEDBACK_URL: &str = "--feedback-url";
pub const FOLLOW: &str = "--follow";
pub const FORCE: &str = "--force";
pub const FORCE_SET: &str = "--force-set";
pub const FORMAT: &str = "--format";
pub const GRANT: &str = "--grant";
pub const HIGH_WATERMARK: &str = "--high-watermark";
pub const JSON: &str = "--json";
pub const LAYOUT: &str = "--layout";
pub const LOW_WATERMARK: &str = "--low-watermark";
pub const MAP: &str = "--map";
/// Attempts after which a row goes aside.
pub const MAX_ATTEMPTS: &str = "--max-attempts";
pub const MAX_REJECTS: &str = "--max-rejects";
pub const METRICS_LISTEN: &str = "--metrics-listen";
pub const METRICS_PUBLIC: &str = "--metrics-public";
pub const METRICS_TEXTFILE: &str = "--metrics-textfile";
pub const METRICS_TOKEN: &str = "--metrics-token";
pub const NAME_PATTERN: &str = "--name-pattern";
pub const NO_HEADER: &str = "--no-header";
pub const ON_CONFLICT: &str = "--on-conflict";
pub const OTLP: &str = "--otlp";
pub const OVERFLOW: &str = "--overflow";
pub const RECURSIVE: &str = "--recursive";
pub const REPAIR: &str = "--repair";
pub const RESUME: &str = "--resume";
pub const RETENTION: &str = "--retention";
pub const RLS: &str = "--rls";
pub const ROUND: &str = "--round";
pub const ROWS_AT: &str = "--rows-at";
pub const SAMPLE: &str = "--sample";
pub const SCALE: &str = "--scale";
pub const SET: &str = "--set";
pub const SHARE: &str = "--share";
pub const SKIP_LINES: &str = "--skip-lines";
pub const SOURCE_ID: &str = "--source-id";
pub const SYMBOL: &str = "--symbol";
pub const TABLE: &str = "--table";
pub const TENANT: &str = "--tenant";
pub const TIMEFRAME: &str = "--timeframe";
pub const TIMEOUT: &str = "--timeout";
pub const TIMESTAMP_UNIT: &str = "--timestamp-unit";
pub const TIMEZONE: &str = "--timezone";
pub const TIME_FORMAT: &str = "--time-format";
pub const TOKEN: &str = "--token";
pub const UNPIVOT: &str = "--unpivot";
pub const URL: &str = "--url";
pub const VENDOR: &str = "--vendor";
pub const WORKERS: &str = "--workers";

/// The flag of a setting, by its name.
pub fn flag(name: &str) -> String {
    format!("--{name}")
}
