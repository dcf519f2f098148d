//! From what was typed to what was meant.

use std::ffi::OsString;
use std::io::IsTerminal;
use std::time::Duration;

use crate::app::layout::{Choice, Layout};
use crate::app::plan::{
    EnginePlan, HistoryPlan, RejectPlan, ReplayPlan, RunPlan, StorePlan, TailPlan, TelemetryPlan,
};
use crate::app::spec::Spec;
use crate::app::values::MendPlan;
use crate::cli::args::{
    DataArgs, EngineArgs, FormatArgs, HistoryArgs, LoadArgs, RejectArgs, ReplayArgs, StoreArgs, TailArgs,
    ValueArgs,
};
use crate::cli::{filter, store};
use crate::dataset::quality::Quality;
use crate::error::{Error, Result};
use crate::settings::{BreakerSettings, EngineSettings, FeedbackSettings, OnConflict, RetrySettings};
use crate::source::followed::FollowOptions;

/// What a load is to do.
pub fn load(args: &LoadArgs, layouts: &[Layout]) -> Result<RunPlan> {
    let HistoryArgs { resume, source_id, force } = args.history.clone();
    let engine = engine(&args.engine, false)?;
    let history = HistoryPlan { resume, source_id, force };
    let run = run(&args.inputs, &args.store, &args.data, &args.format, &args.rejects, engine, history)?;
    Ok(RunPlan { layouts: layouts.to_vec(), ..run })
}

/// What a tail is to do.
pub fn tail(args: &TailArgs, layouts: &[Layout]) -> Result<TailPlan> {
    let (engine, history) = (engine(&args.engine, true)?, HistoryPlan::default());
    let run = run(&args.inputs, &args.store, &args.data, &args.format, &args.rejects, engine, history)?;
    let run = RunPlan { layouts: layouts.to_vec(), ..run };
    let follow = FollowOptions {
        patterns: args.inputs.clone(),
        recursive: args.format.recursive,
        open: run.open.clone(),
        from: args.from,
        poll: args.poll,
        idle_exit: args.idle_exit,
        checkpoint: args.checkpoint.clone(),
    };
    Ok(TailPlan { run, follow })
}

/// What a replay is to do.
pub fn replay(args: &ReplayArgs) -> Result<ReplayPlan> {
    Ok(ReplayPlan {
        queues: args.queues.clone(),
        selection: filter::selection(&args.filter),
        mend: MendPlan::new(
            args.mend.dataset.clone(),
            args.mend.table.clone(),
            values(&args.mend.values).plan().0.values,
        ),
        to: destination(&args.store)?,
        max_attempts: args.max_attempts,
        archive: args.archive.clone(),
        force: args.force,
        discard: args.discard,
        dry_run: args.dry_run,
        dlq_max_bytes: args.dlq_max_bytes,
        engine: engine(&args.engine, false)?,
    })
}

/// Whom to tell of it.
pub fn telemetry(args: &EngineArgs) -> TelemetryPlan {
    let patience = FeedbackSettings {
        timeout: args.feedback_timeout,
        retries: args.feedback_max_retries,
        backoff: args.feedback_backoff,
    };
    let url = args.feedback_url.clone().filter(|url| args.feedback_broadcast && !url.is_empty());
    TelemetryPlan {
        textfile: args.metrics_textfile.clone(),
        coord_id: args.coord_id.clone(),
        listen: args.metrics_listen.clone(),
        token: args.metrics_token.clone(),
        public: args.metrics_public,
        feedback: url.map(|url| (url, patience)),
    }
}

/// What the flags alone say of the data.
pub fn known_name(args: &DataArgs) -> Option<&str> {
    args.dataset.as_deref().or(args.table.as_deref())
}

fn run(
    inputs: &[OsString],
    store: &StoreArgs,
    data: &DataArgs,
    format: &FormatArgs,
    rejects: &RejectArgs,
    engine: EnginePlan,
    history: HistoryPlan,
) -> Result<RunPlan> {
    let RejectArgs { dlq, dlq_max_bytes, max_rejects, dry_run } = rejects.clone();
    let layout = data.layout.as_deref().map(Choice::from).unwrap_or_default();
    let (data, open) = said(data, format).plan();
    Ok(RunPlan {
        layout,
        layouts: Vec::new(),
        inputs: inputs.to_vec(),
        recursive: format.recursive,
        open,
        data,
        to: destination(store)?,
        rejects: RejectPlan { dlq, dlq_max_bytes, max_rejects, dry_run },
        history,
        engine,
    })
}

/// The store that is meant, and the tenant.
pub fn destination(args: &StoreArgs) -> Result<StorePlan> {
    let (store, by_default) = store::choose(args)?;
    Ok(StorePlan { store, by_default, tenant: args.tenant.clone() })
}

/// What is said of the data: by flags, and by the variables and the configuration file that are their defaults.
fn said(data: &DataArgs, format: &FormatArgs) -> Spec {
    Spec {
        dataset: data.dataset.clone(),
        table: data.table.clone(),
        vendor: data.vendor.clone(),
        symbol: data.symbol.clone(),
        timeframe: data.timeframe.clone(),
        force_set: data.force_set.then_some(true),
        name_pattern: data.name_pattern.clone(),
        format: format.format,
        delimiter: format.delimiter,
        no_header: (format.no_header || !format.columns.is_empty()).then_some(true),
        columns: Some(format.columns.clone()).filter(|names| !names.is_empty()),
        unpivot: format.unpivot.clone(),
        skip_lines: Some(format.skip_lines).filter(|lines| *lines > 0),
        comment: format.comment.clone(),
        ..Spec::default()
    }
    .over(values(&data.values))
}

fn values(args: &ValueArgs) -> Spec {
    let list = |pairs: &Vec<_>| Some(pairs.clone()).filter(|pairs| !pairs.is_empty());
    Spec {
        map: list(&args.map),
        set: list(&args.set),
        timestamp_unit: args.timestamp_unit,
        timezone: args.timezone.clone(),
        date_order: args.date_order,
        decimal: args.decimal,
        null: Some(args.null.clone()).filter(|texts| !texts.is_empty()),
        keep_case: args.keep_case.then_some(true),
        exact: args.exact.then_some(true),
        round: args.round.then_some(true),
        on_conflict: Some(args.on_conflict).filter(|how| *how != OnConflict::default()),
        quality: Some(args.quality).filter(|how| *how != Quality::default()),
        ..Spec::default()
    }
}

/// Longest outage that is waited for where nobody watches.
const UNATTENDED_OUTAGE: Duration = Duration::from_secs(15 * 60);

/// How rows are written. `stays` is whether the command is there to stay, and waits for the store for ever.
fn engine(args: &EngineArgs, stays: bool) -> Result<EnginePlan> {
    let defaults = EngineSettings::default();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let capacity = args.capacity.unwrap_or(defaults.capacity);
    let high = args.high_watermark.unwrap_or(capacity / 5 * 4).clamp(1, capacity);
    let low = args.low_watermark.unwrap_or(capacity / 2).min(high);
    if let (Some(low), Some(high)) = (args.low_watermark, args.high_watermark)
        && low > high
    {
        return Err(Error::usage(format!("--low-watermark {low} is above --high-watermark {high}")));
    }
    if !(args.retry_multiplier.is_finite() && args.retry_multiplier >= 1.0) {
        return Err(Error::usage(format!("--retry-multiplier {} is below 1", args.retry_multiplier)));
    }
    // The Python system's variable speaks of jitter, our flag of its absence.
    let jitter = match std::env::var("MDS_RETRY_JITTER").ok().as_deref().map(str::trim) {
        None | Some("") => true,
        Some(text) if ["true", "1", "yes", "on"].iter().any(|w| text.eq_ignore_ascii_case(w)) => true,
        Some(text) if ["false", "0", "no", "off"].iter().any(|w| text.eq_ignore_ascii_case(w)) => false,
        Some(text) => return Err(Error::usage(format!("MDS_RETRY_JITTER={text} is neither true nor false"))),
    };
    let unattended = !stays && !std::io::stderr().is_terminal();
    let settings = EngineSettings {
        workers: args.workers.unwrap_or(cores.clamp(2, 4)),
        capacity,
        batch_rows: args.batch_size.unwrap_or(defaults.batch_rows).min(capacity),
        flush_interval: args.flush_interval.unwrap_or(defaults.flush_interval),
        high_watermark: high,
        low_watermark: low,
        overflow: args.overflow,
        retry: RetrySettings {
            max_attempts: args.retry_max_attempts,
            initial_backoff: args.retry_initial_backoff,
            max_backoff: args.retry_max_backoff,
            multiplier: args.retry_multiplier,
            jitter: jitter && !args.no_retry_jitter,
        },
        breaker: BreakerSettings {
            failure_threshold: args.cb_failure_threshold,
            half_open_after: args.cb_half_open_after,
        },
        max_outage: args.max_outage.or(unattended.then_some(UNATTENDED_OUTAGE)),
        write_timeout: args.write_timeout,
        ..defaults
    };
    Ok(EnginePlan { settings, wait: args.wait, rate_limit: args.rate_limit })
}
