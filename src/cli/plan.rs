//! From what was typed to what was meant.

use std::ffi::OsString;
use std::io::IsTerminal;

use crate::app::layout::{Choice, Layout};
use crate::app::plan::{
    EnginePlan, HistoryPlan, RejectPlan, ReplayPlan, RunPlan, SharePlan, StorePlan, TailPlan, TelemetryPlan,
};
use crate::app::spec::Spec;
use crate::app::values::MendPlan;
use crate::cli::args::{
    DataArgs, EngineArgs, FilterArgs, FormatArgs, HistoryArgs, LoadArgs, RejectArgs, ReplayArgs, RowsArgs,
    StoreArgs, TailArgs, ValueArgs, VerifyArgs,
};
use crate::cli::store;
use crate::dataset::quality::Quality;
use crate::dataset::separators::Decimal;
use crate::dlq::filter::{Filter, Selection};
use crate::error::{Error, Result};
use crate::settings::quantity::Workers;
use crate::settings::{BreakerSettings, Bulk, EngineSettings, FeedbackSettings, OnConflict, RetrySettings};
use crate::source::followed::FollowOptions;

/// What a load is to do.
pub fn load(args: &LoadArgs, layouts: &[Layout]) -> Result<RunPlan> {
    let HistoryArgs { resume, source_id, force, share, lease, part_size: part_bytes } = args.history.clone();
    let share = share.map(|job| SharePlan { job, lease, part_bytes });
    let history = HistoryPlan { resume, source_id, force, share };
    let engine =
        EnginePlan { bulk: args.bulk, compress: args.compress_after_load, ..engine(&args.engine, false)? };
    run((&args.inputs, layouts), &args.rows, engine, history)
}

/// What is to be compared: a load that writes nothing.
pub fn verify(args: &VerifyArgs, layouts: &[Layout]) -> Result<RunPlan> {
    let (data, open) = said(&args.data, &args.format).plan();
    Ok(RunPlan {
        layout: args.data.layout.as_deref().map(Choice::from).unwrap_or_default(),
        layouts: layouts.to_vec(),
        inputs: args.inputs.clone(),
        recursive: args.format.recursive,
        open,
        data,
        to: destination(&args.store)?,
        rejects: RejectPlan::default(),
        history: HistoryPlan::default(),
        engine: EnginePlan::default(),
    })
}

/// What loads the same inputs again.
pub fn repair(args: &VerifyArgs, layouts: &[Layout]) -> Result<RunPlan> {
    let history = HistoryPlan { force: true, ..HistoryPlan::default() };
    Ok(RunPlan { history, ..verify(args, layouts)? })
}

/// What a tail is to do.
pub fn tail(args: &TailArgs, layouts: &[Layout]) -> Result<TailPlan> {
    if args.rows.format.encoding.is_some() && args.inputs.iter().any(|input| input != "-") {
        return Err(Error::usage("--encoding is for load and for a pipe: files are followed as UTF-8"));
    }
    let engine = engine(&args.engine, true)?;
    let run = run((&args.inputs, layouts), &args.rows, engine, HistoryPlan::default())?;
    let follow = FollowOptions {
        patterns: args.inputs.clone(),
        recursive: run.recursive,
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
        selection: selection(&args.filter),
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

/// Which dead letters are meant.
pub fn selection(args: &FilterArgs) -> Selection {
    let filter = Filter {
        codes: args.code.clone(),
        stages: args.stage.iter().map(|stage| stage.to_ascii_lowercase()).collect(),
        symbols: args.symbol.clone(),
        wheres: args.r#where.clone(),
        since: args.since,
        until: args.until,
        tenant: None,
    };
    Selection { filter, limit: args.limit.map(|limit| limit as u64) }
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

fn run(
    (inputs, layouts): (&[OsString], &[Layout]),
    rows: &RowsArgs,
    engine: EnginePlan,
    history: HistoryPlan,
) -> Result<RunPlan> {
    let RejectArgs { dlq, dlq_max_bytes, max_rejects, dry_run } = rows.rejects.clone();
    let (data, open) = said(&rows.data, &rows.format).plan();
    Ok(RunPlan {
        layout: rows.data.layout.as_deref().map(Choice::from).unwrap_or_default(),
        layouts: layouts.to_vec(),
        inputs: inputs.to_vec(),
        recursive: rows.format.recursive,
        open,
        data,
        to: destination(&rows.store)?,
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
        encoding: format.encoding,
        delimiter: format.delimiter,
        no_header: (format.no_header || !format.columns.is_empty()).then_some(true),
        columns: Some(format.columns.clone()).filter(|names| !names.is_empty()),
        unpivot: format.unpivot.clone(),
        skip_lines: Some(format.skip_lines).filter(|lines| *lines > 0),
        rows_at: format.rows_at.clone(),
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
        decimal: args.decimal.or(args.decimal_comma.then_some(Decimal::Comma)),
        scale: list(&args.scale),
        time_format: Some(args.time_format.clone()).filter(|formats| !formats.is_empty()),
        null: Some(args.null.clone()).filter(|texts| !texts.is_empty()),
        keep_case: args.keep_case.then_some(true),
        exact: args.exact.then_some(true),
        round: args.round.then_some(true),
        on_conflict: Some(args.on_conflict).filter(|how| *how != OnConflict::default()),
        quality: Some(args.quality).filter(|how| *how != Quality::default()),
        ..Spec::default()
    }
}

/// How rows are written. `stays` is whether the command is there to stay, and waits for the store for ever.
fn engine(args: &EngineArgs, stays: bool) -> Result<EnginePlan> {
    let defaults = EngineSettings::of_capacity(args.capacity);
    let unattended = !stays && !std::io::stderr().is_terminal();
    let high_watermark = args.high_watermark.unwrap_or(defaults.high_watermark);
    let (workers, up_to) = match args.workers {
        Workers::Auto => (EngineSettings::workers_here(), Some(EngineSettings::MOST_WORKERS)),
        Workers::Fixed(workers) => (workers, None),
    };
    let settings = EngineSettings {
        workers,
        up_to,
        batch_rows: args.batch_size.unwrap_or(defaults.batch_rows),
        flush_interval: args.flush_interval.unwrap_or(defaults.flush_interval),
        high_watermark,
        low_watermark: args.low_watermark.unwrap_or(defaults.low_watermark.min(high_watermark)),
        overflow: args.overflow,
        retry: RetrySettings {
            max_attempts: args.retry_max_attempts,
            initial_backoff: args.retry_initial_backoff,
            max_backoff: args.retry_max_backoff,
            multiplier: args.retry_multiplier,
            jitter: args.retry_jitter && !args.no_retry_jitter,
        },
        breaker: BreakerSettings {
            failure_threshold: args.cb_failure_threshold,
            half_open_after: args.cb_half_open_after,
        },
        max_outage: args.max_outage.or(unattended.then_some(EngineSettings::UNATTENDED_OUTAGE)),
        write_timeout: args.write_timeout,
        ..defaults
    };
    Ok(EnginePlan {
        settings: settings.checked()?,
        wait: args.wait,
        rate_limit: args.rate_limit,
        bulk: Bulk::default(),
        compress: false,
    })
}
