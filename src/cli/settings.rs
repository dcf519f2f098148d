//! From what was typed to what was meant.

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use clap::ValueEnum;
use serde_json::{Value, json};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::batch::Reading;
use crate::cli::args::{
    DataArgs, DatasetName, DateOrderName, EngineArgs, FormatArgs, OnConflictName, OverflowName, QualityName,
    TimestampUnit,
};
use crate::coordinator::SLOTS;
use crate::dataset::mapping::MapOptions;
use crate::dataset::name_pattern::NamePattern;
use crate::dataset::nulls::NullTokens;
use crate::dataset::quality::Quality;
use crate::dataset::reading::{How, Readings};
use crate::dataset::separators::Decimal;
use crate::dataset::time::{DateOrder, TimeOptions, Unit};
use crate::dataset::timeframe;
use crate::dataset::{Dataset, Target, by_name};
use crate::decode::Format;
use crate::decode::csv::CsvOptions;
use crate::error::{Error, Result};
use crate::settings::{BreakerSettings, EngineSettings, OnConflict, Overflow, RetrySettings};
use crate::sink::Store;
use crate::source::OpenOptions;

/// Longest outage that is waited for where nobody watches.
const UNATTENDED_OUTAGE: Duration = Duration::from_secs(15 * 60);

/// The engine's settings.
pub fn engine(args: &EngineArgs) -> Result<EngineSettings> {
    let defaults = EngineSettings::default();
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    let capacity = args.capacity.unwrap_or(defaults.capacity);
    let high = args.high_watermark.unwrap_or(capacity / 5 * 4).clamp(1, capacity);
    let low = args.low_watermark.unwrap_or(capacity / 2).min(high);
    if let (Some(low), Some(high)) = (args.low_watermark, args.high_watermark)
        && low > high
    {
        return Err(Error::Usage(format!("--low-watermark {low} is above --high-watermark {high}")));
    }
    if !(args.retry_multiplier.is_finite() && args.retry_multiplier >= 1.0) {
        return Err(Error::Usage(format!("--retry-multiplier {} is below 1", args.retry_multiplier)));
    }
    // The Python system's variable speaks of jitter, our flag of its absence.
    let jitter = match std::env::var("MDS_RETRY_JITTER").ok().as_deref().map(str::trim) {
        None | Some("") => true,
        Some(text) if ["true", "1", "yes", "on"].iter().any(|w| text.eq_ignore_ascii_case(w)) => true,
        Some(text) if ["false", "0", "no", "off"].iter().any(|w| text.eq_ignore_ascii_case(w)) => false,
        Some(text) => return Err(Error::Usage(format!("MDS_RETRY_JITTER={text} is neither true nor false"))),
    };
    let unattended = !std::io::stderr().is_terminal();
    Ok(EngineSettings {
        workers: args.workers.unwrap_or(cores.clamp(2, 4)),
        capacity,
        batch_rows: args.batch_size.unwrap_or(defaults.batch_rows).min(capacity),
        flush_interval: args.flush_interval.unwrap_or(defaults.flush_interval),
        high_watermark: high,
        low_watermark: low,
        overflow: match args.overflow {
            OverflowName::Block => Overflow::Block,
            OverflowName::DropOldest => Overflow::DropOldest,
            OverflowName::Error => Overflow::Error,
        },
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
    })
}

/// `--on-conflict`.
pub fn on_conflict(args: &DataArgs) -> OnConflict {
    match args.on_conflict {
        OnConflictName::Update => OnConflict::Update,
        OnConflictName::Skip => OnConflict::Skip,
        OnConflictName::Error => OnConflict::Error,
    }
}

/// How inputs are opened.
pub fn open_options(args: &FormatArgs) -> OpenOptions {
    OpenOptions {
        format: args.format.as_deref().and_then(Format::of_name),
        csv: CsvOptions {
            delimiter: args.delimiter,
            header: !args.no_header,
            skip_lines: args.skip_lines,
            comment: args.comment.as_deref().map(Into::into),
            known_header: false,
            keep: None,
        },
    }
}

/// The dataset of `--dataset`.
pub fn dataset(name: DatasetName) -> Result<&'static Dataset> {
    let name = match name {
        DatasetName::Bars => "bars",
        DatasetName::Ticks => "ticks",
        DatasetName::Quotes => "quotes",
        DatasetName::Options => "options",
        DatasetName::Fundamentals => "fundamentals",
        DatasetName::News => "news",
    };
    by_name(name).ok_or_else(|| Error::Internal(format!("dataset {name} is not described")))
}

/// `--map`, `--set` and the short forms. A `--set` goes before its short form.
pub fn columns(args: &DataArgs, tenant: Option<&str>) -> MapOptions {
    let short = [("vendor", &args.vendor), ("symbol", &args.symbol), ("timeframe", &args.timeframe)];
    let mut sets: Vec<(String, String)> =
        short.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v.clone()?))).collect();
    sets.extend(args.set.iter().cloned());
    // A tenant is for rows that bring none.
    let from_name = tenant.map(|id| ("tenant_id".to_owned(), id.to_owned())).into_iter().collect();
    MapOptions { maps: args.map.clone(), sets, from_name, force_set: args.force_set, ..MapOptions::default() }
}

/// Refuses `--set tenant_id=…` beside a tenant that is another one: neither may go before the other in
/// silence. `tenant` is the one that the store knows under the name that was given.
///
/// # Errors
/// Usage, where they are two.
pub fn one_tenant(set: &[(String, String)], given: &str, tenant: &str) -> Result<()> {
    let is = |value: &str, name: &str| match (Uuid::try_parse(value), Uuid::try_parse(name)) {
        (Ok(value), Ok(name)) => value == name,
        _ => value.eq_ignore_ascii_case(name),
    };
    match set.iter().rev().find(|(name, _)| name == "tenant_id").map(|(_, value)| value.trim()) {
        Some(value) if !tenant.is_empty() && !is(value, tenant) && !is(value, given) => {
            Err(Error::Usage(format!(
                "--tenant {given} (or MDS_TENANT_ID) and --set tenant_id={value} name two tenants; leave one of them out"
            )))
        }
        _ => Ok(()),
    }
}

/// The same before the store is asked who that is, where it need not be.
///
/// # Errors
/// Usage, where they are two.
pub fn one_tenant_at_once(set: &[(String, String)], store: &dyn Store, tenant: Option<&str>) -> Result<()> {
    match tenant {
        Some(given) if !store.capabilities().tenant_names || Uuid::try_parse(given).is_ok() => {
            one_tenant(set, given, given)
        }
        _ => Ok(()),
    }
}

/// What decides what a row becomes, and in which slot its checkpoint is, by the names of the
/// flags. A run goes on with another one only where all of this is the same.
pub fn identity(
    data: &DataArgs,
    format: &FormatArgs,
    dataset: &Dataset,
    target: &Target,
    tenant: Option<&str>,
) -> Value {
    fn word<T: ValueEnum>(value: Option<T>) -> Option<String> {
        value.and_then(|value| Some(value.to_possible_value()?.get_name().to_owned()))
    }
    let pairs = |pairs: &[(String, String)]| -> Vec<String> {
        pairs.iter().map(|(name, value)| format!("{name}={value}")).collect()
    };
    let key = if target.key.is_empty() { &target.surrogate } else { &target.key };
    let mut settings = json!({
        "dataset": dataset.name,
        "map": pairs(&data.map),
        "set": pairs(&data.set),
        "vendor": data.vendor,
        "symbol": data.symbol,
        "timeframe": data.timeframe,
        "name-pattern": data.name_pattern,
        "timestamp-unit": word(data.timestamp_unit),
        "timezone": data.timezone,
        "date-order": word(data.date_order),
        "decimal": data.decimal.map(Decimal::sign),
        "null": data.null,
        "keep-case": data.keep_case,
        "exact": data.exact,
        "round": data.round,
        "on-conflict": word(Some(data.on_conflict).filter(|how| *how != OnConflictName::Update)),
        "quality": word(Some(data.quality).filter(|how| *how != QualityName::Warn)),
        "format": format.format,
        "delimiter": format.delimiter.map(|byte| char::from(byte).to_string()),
        "no-header": format.no_header,
        "skip-lines": (format.skip_lines > 0).then_some(format.skip_lines),
        "tenant": tenant,
        "key": key,
        "slots": SLOTS,
    });
    // What is newer than some runs is named where it is given alone, so that those go on.
    if let (Some(all), Some(comment)) = (settings.as_object_mut(), &format.comment) {
        all.insert("comment".into(), comment.as_str().into());
    }
    // Where the order of all rows counts they have but one slot.
    if let (true, Some(all)) = (target.is_ordered(|_| true), settings.as_object_mut()) {
        all.insert("order".into(), true.into());
    }
    settings
}

/// The hash of that.
pub fn fingerprint(settings: &Value) -> String {
    format!("{:032x}", xxh3_128(settings.to_string().as_bytes()))
}

/// What the rest of the flags say of the rows.
pub struct Meaning {
    /// `--name-pattern`.
    pub name_pattern: Option<NamePattern>,
    /// Times.
    pub time: TimeOptions,
    /// Nulls.
    pub nulls: NullTokens,
    /// `--quality`.
    pub quality: Quality,
}

/// How rows are to be read that could not even be looked at.
pub fn reading(args: &DataArgs) -> Result<Arc<Reading>> {
    let Meaning { time, nulls, .. } = meaning(args)?;
    let values = &args.values;
    let readings = Readings::new(How { time, nulls, keep_case: values.keep_case, decimal: values.decimal });
    let mut reading = readings.note(None, Default::default());
    columns(args, None).note(&mut reading);
    Ok(Arc::new(reading))
}

/// Reads them.
pub fn meaning(args: &DataArgs) -> Result<Meaning> {
    let name_pattern =
        args.name_pattern.as_deref().map(NamePattern::parse).transpose().map_err(Error::Usage)?;
    // What the columns of another table hold is not for us to say.
    if let (Some(text), None) = (&args.timeframe, &args.table)
        && timeframe::canonical(text).is_none()
    {
        return Err(Error::Usage(format!("--timeframe {text} is not a timeframe; {}", timeframe::WRITE)));
    }
    let zone = args.timezone.as_deref().map(|name| {
        name.parse().map_err(|_| {
            Error::Usage(format!("--timezone {name}: no such zone; names are like America/New_York or UTC"))
        })
    });
    Ok(Meaning {
        name_pattern,
        time: TimeOptions {
            unit: args.timestamp_unit.map(|unit| match unit {
                TimestampUnit::S => Unit::Second,
                TimestampUnit::Ms => Unit::Milli,
                TimestampUnit::Us => Unit::Micro,
                TimestampUnit::Ns => Unit::Nano,
                TimestampUnit::Days => Unit::Day,
                TimestampUnit::Excel => Unit::Excel,
                TimestampUnit::Dotnet => Unit::Dotnet,
                TimestampUnit::Filetime => Unit::Filetime,
                TimestampUnit::Yyyymm => Unit::Month,
                TimestampUnit::Yyyy => Unit::Year,
            }),
            zone: zone.transpose()?,
            order: args.date_order.map(|order| match order {
                DateOrderName::Mdy => DateOrder::Mdy,
                DateOrderName::Dmy => DateOrder::Dmy,
                DateOrderName::Ymd => DateOrder::Ymd,
            }),
        },
        nulls: NullTokens::with(args.null.clone()),
        quality: match args.quality {
            QualityName::Off => Quality::Off,
            QualityName::Warn => Quality::Warn,
            QualityName::Reject => Quality::Reject,
        },
    })
}
