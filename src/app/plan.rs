//! What is to be done, as it was meant: what the command line, the configuration file and the journal of a replay
//! all come to, and what a library user writes down.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use crate::app::layout::{Choice, Layout, Layouts};
use crate::app::spec::Spec;
use crate::app::values::{MendPlan, ValuePlan};
use crate::batch::Reading;
use crate::coordinator::SLOTS;
use crate::dataset::mapping::MapOptions;
use crate::dataset::name_pattern::NamePattern;
use crate::dataset::nulls::NullTokens;
use crate::dataset::reading::{How, Readings};
use crate::dataset::scale::Scales;
use crate::dataset::time::{TimeFormats, TimeOptions};
use crate::dataset::vocabulary::Words;
use crate::dataset::{Dataset, MapperSettings, Target, by_name, timeframe};
use crate::error::{Error, Result};
use crate::settings::{Bulk, EngineSettings, FeedbackSettings, RejectLimit, Secret};
use crate::sink::Store;
use crate::text::flags::{TIMEFRAME, TIMEZONE};

// What the fields of a plan are made of.
pub use crate::decode::{CsvOptions, Format};
pub use crate::dlq::filter::Selection;
pub use crate::source::OpenOptions;
pub use crate::source::followed::{FollowOptions, From};

/// Where rows go.
#[derive(Clone)]
pub struct StorePlan {
    /// The store.
    pub store: Arc<dyn Store>,
    /// Whether nobody has named it.
    pub by_default: bool,
    /// The tenant of rows that bring none, by its id or its name.
    pub tenant: Option<String>,
}

impl StorePlan {
    /// That store, without a tenant.
    pub fn of(store: Arc<dyn Store>) -> Self {
        Self { store, by_default: false, tenant: None }
    }

    /// Refuses a value for the column `tenant_id` beside a tenant that is another one, where the store need not be
    /// asked who that is.
    pub(crate) fn one_tenant(&self, values: &ValuePlan) -> Result<()> {
        match self.tenant.as_deref() {
            Some(given) if !self.store.capabilities().tenant_names || Uuid::try_parse(given).is_ok() => {
                values.one_tenant(given, given)
            }
            _ => Ok(()),
        }
    }
}

/// What the rows mean.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct DataPlan {
    /// The name of their dataset; else it is detected from the columns.
    pub dataset: Option<String>,
    /// The table that they go to; else that of the dataset.
    pub table: Option<String>,
    /// The column `vendor` of every row.
    pub vendor: Option<String>,
    /// The column `symbol` of every row.
    pub symbol: Option<String>,
    /// The column `timeframe` of every row.
    pub timeframe: Option<String>,
    /// Whether what is given for every row takes precedence over a column that means the same.
    pub force_set: bool,
    /// How columns are found in the names of files.
    pub name_pattern: Option<String>,
    /// Columns, and what they hold where neither the rows nor what is said above tells: what a layout knows.
    pub assumed: Vec<(String, String)>,
    /// Columns, and those of the input that they are taken from where it has them and nothing above says otherwise.
    pub assumed_maps: Vec<(String, String)>,
    /// Columns that are not found by their name, which means another thing in these files.
    pub unmapped: Vec<String>,
    /// The column that names the zone of the times, where none is given.
    pub zone_from: Option<String>,
    /// Columns, and what their values are read as.
    pub words: Words,
    /// How values are read and written.
    pub values: ValuePlan,
}

/// What a plan for the data comes to, once its texts are read.
pub(crate) struct Meaning {
    pub(crate) name_pattern: Option<NamePattern>,
    pub(crate) time: TimeOptions,
    pub(crate) nulls: NullTokens,
    pub(crate) scales: Scales,
    pub(crate) formats: TimeFormats,
}

impl DataPlan {
    /// What is known of the rows before they are looked at: the name of their dataset or table.
    pub fn known_name(&self) -> Option<&str> {
        self.dataset.as_deref().or(self.table.as_deref())
    }

    /// The dataset, where the plan names one.
    pub(crate) fn known_dataset(&self) -> Result<Option<Dataset>> {
        let Some(name) = &self.dataset else { return Ok(None) };
        let known = by_name(name).ok_or_else(|| Error::usage(format!("there is no dataset {name}")))?;
        let mut dataset = known.clone();
        if let Some(table) = &self.table {
            dataset.table = table.clone().into();
        }
        Ok(Some(dataset))
    }

    /// How columns are mapped. What is set by name takes precedence over its short form.
    pub(crate) fn columns(&self, tenant: Option<&str>) -> MapOptions {
        let short = [("vendor", &self.vendor), ("symbol", &self.symbol), ("timeframe", &self.timeframe)];
        let mut sets: Vec<(String, String)> =
            short.into_iter().filter_map(|(n, v)| Some((n.to_owned(), v.clone()?))).collect();
        sets.extend(self.values.set.iter().cloned());
        // A tenant is for rows that bring none.
        let tenant = tenant.map(|id| ("tenant_id".to_owned(), id.to_owned()));
        let from_name = tenant.into_iter().chain(self.assumed.iter().cloned()).collect();
        let maps = self.values.map.clone();
        let (soft_maps, unmapped) = (self.assumed_maps.clone(), self.unmapped.clone());
        let force_set = self.force_set;
        MapOptions { maps, soft_maps, unmapped, sets, from_name, force_set, ..MapOptions::default() }
    }

    /// Reads its texts.
    ///
    /// # Errors
    /// Usage, where one of them means nothing.
    pub(crate) fn meaning(&self) -> Result<Meaning> {
        let name_pattern =
            self.name_pattern.as_deref().map(NamePattern::parse).transpose().map_err(Error::usage)?;
        // What the columns of another table hold is not for us to say.
        if let (Some(text), None) = (&self.timeframe, &self.table)
            && timeframe::canonical(text).is_none()
        {
            return Err(Error::usage(format!("{TIMEFRAME} {text} is not a timeframe; {}", timeframe::WRITE)));
        }
        let values = &self.values;
        let zone = values.timezone.as_deref().map(|name| {
            name.parse().map_err(|_| {
                Error::usage(format!(
                    "{TIMEZONE} {name}: no such zone; names are like America/New_York or UTC"
                ))
            })
        });
        Ok(Meaning {
            name_pattern,
            time: TimeOptions {
                unit: values.timestamp_unit,
                zone: zone.transpose()?,
                order: values.date_order,
                local_days: false,
                format: None,
            },
            nulls: NullTokens::with(values.null.clone()),
            scales: Scales::read(&values.scale)?,
            formats: TimeFormats::read(&values.time_format)?,
        })
    }

    /// How rows are mapped of which that is said, for the table and the tenant of `base`.
    pub(crate) fn mapper(&self, base: MapperSettings) -> Result<MapperSettings> {
        let meaning = self.meaning()?;
        let has = |name: &str| base.by_table || base.target.column(name).is_some();
        let mut columns = self.columns(base.tenant.as_deref());
        // What a layout knows of the columns of its dataset is nothing that another table has to have.
        columns.from_name.retain(|(name, _)| has(name));
        Ok(MapperSettings {
            columns,
            name_pattern: meaning.name_pattern,
            zone_from: self.zone_from.as_deref().filter(|_| meaning.time.zone.is_none()).map(Into::into),
            words: Arc::new(self.words.clone()),
            time: meaning.time,
            nulls: meaning.nulls,
            keep_case: self.values.keep_case,
            decimal: self.values.decimal,
            scales: meaning.scales.of_table(&base.dataset, &base.target)?,
            formats: meaning.formats.of_table(&base.dataset, &base.target)?,
            quality: self.values.quality,
            ..base
        })
    }

    /// How values are read.
    pub(crate) fn how(&self) -> Result<How> {
        let Meaning { time, nulls, scales, formats, .. } = self.meaning()?;
        let (keep_case, decimal) = (self.values.keep_case, self.values.decimal);
        Ok(How { time, nulls, keep_case, decimal, scales, formats })
    }

    /// How rows are to be read that could not even be looked at.
    pub(crate) fn reading(&self) -> Result<Arc<Reading>> {
        let readings = Readings::new(self.how()?);
        let mut reading = readings.note(None, Default::default());
        self.columns(None).note(&mut reading);
        Ok(Arc::new(reading))
    }

    /// What decides what a row becomes, and in which slot its checkpoint is, by the names of the flags. A run goes on
    /// with another one only where all of this is the same.
    pub(crate) fn identity(
        &self,
        open: &OpenOptions,
        dataset: &Dataset,
        target: &Target,
        tenant: Option<&str>,
    ) -> Result<Value> {
        let key = if target.key.is_empty() { &target.surrogate } else { &target.key };
        let dataset = Some(dataset.name.to_string());
        let spec = Spec { dataset, table: None, force_set: None, ..Spec::of(self, open) };
        let mut settings = serde_json::to_value(spec).map_err(|error| {
            Error::internal(format!("the settings of the run cannot be written: {error}")).caused_by(error)
        })?;
        settings["tenant"] = tenant.into();
        settings["key"] = json!(key);
        settings["slots"] = SLOTS.into();
        // Where the order of all rows counts they have but one slot.
        if target.is_ordered(|_| true) {
            settings["order"] = true.into();
        }
        Ok(settings)
    }
}

/// The hash of the settings of a run.
pub(crate) fn fingerprint(settings: &Value) -> String {
    format!("{:032x}", xxh3_128(settings.to_string().as_bytes()))
}

/// What happens to rows that fail.
#[derive(Debug, Clone, Default)]
pub struct RejectPlan {
    /// The dead-letter queue; else `.dlq/<dataset>.ndjson`.
    pub dlq: Option<PathBuf>,
    /// Size at which the queue begins another file.
    pub dlq_max_bytes: Option<u64>,
    /// Rejects after which the run ends.
    pub max_rejects: Option<RejectLimit>,
    /// Whether everything is read, mapped and checked, and nothing written.
    pub dry_run: bool,
}

/// What earlier runs mean for this one.
#[derive(Debug, Clone, Default)]
pub struct HistoryPlan {
    /// Whether to go on where an interrupted load of the same inputs stopped.
    pub resume: bool,
    /// The name by which a later run knows this input again.
    pub source_id: Option<String>,
    /// Whether a table without a key gets what an earlier run has loaded into it already.
    pub force: bool,
    /// The job in which others load the same inputs at the same time.
    pub share: Option<SharePlan>,
}

/// A job that several loaders share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharePlan {
    /// Its name, one for each table and tenant.
    pub job: String,
    /// Silence after which what a loader has claimed is taken over by others; of a job that there is, its own holds.
    pub lease: Duration,
    /// Bytes of a part, where that is said.
    pub part_bytes: Option<u64>,
}

/// How rows are written.
#[derive(Debug, Clone, Default)]
pub struct EnginePlan {
    /// The engine.
    pub settings: EngineSettings,
    /// Whether a store that is away at the start is waited for.
    pub wait: bool,
    /// Most rows a second.
    pub rate_limit: Option<f64>,
    /// Whether the first load of a table goes around its key.
    pub bulk: Bulk,
    /// Whether the chunks that it has written into are compressed behind it.
    pub compress: bool,
}

/// A load: from where, to where, and what becomes of the rows on the way.
#[derive(Clone)]
pub struct RunPlan {
    /// Files, directories, globs, or `-` for standard input.
    pub inputs: Vec<OsString>,
    /// Whether the folders of folders are looked into.
    pub recursive: bool,
    /// How inputs are opened.
    pub open: OpenOptions,
    /// Which layout of a vendor they have.
    pub layout: Choice,
    /// Layouts beside those that are shipped; one that has the name of a shipped one takes its place.
    pub layouts: Vec<Layout>,
    /// What the rows mean.
    pub data: DataPlan,
    /// Where they go.
    pub to: StorePlan,
    /// What happens to those that fail.
    pub rejects: RejectPlan,
    /// What earlier runs mean.
    pub history: HistoryPlan,
    /// How they are written.
    pub engine: EnginePlan,
}

impl RunPlan {
    /// Loads those inputs into that store, all else as it is without flags.
    pub fn new(inputs: impl IntoIterator<Item = impl Into<OsString>>, store: Arc<dyn Store>) -> Self {
        Self {
            inputs: inputs.into_iter().map(Into::into).collect(),
            recursive: false,
            open: OpenOptions::default(),
            layout: Choice::default(),
            layouts: Vec::new(),
            data: DataPlan::default(),
            to: StorePlan::of(store),
            rejects: RejectPlan::default(),
            history: HistoryPlan::default(),
            engine: EnginePlan::default(),
        }
    }
}

impl RunPlan {
    /// What decides by which layout an input is read.
    ///
    /// # Errors
    /// Usage, where there is no such layout.
    pub(crate) fn choice(&self) -> Result<Arc<Layouts>> {
        Layouts::new(self.layout.clone(), &self.layouts, &self.data, &self.open).map(Arc::new)
    }
}

/// A tail: what a load does, for inputs that grow.
#[derive(Clone)]
pub struct TailPlan {
    /// What is done with the rows; its inputs are followed.
    pub run: RunPlan,
    /// How they are.
    pub follow: FollowOptions,
}

/// A replay: which dead letters, to where, and what becomes of them on the way.
#[derive(Clone)]
pub struct ReplayPlan {
    /// Files of dead letters, or directories of them; else those in `.dlq`.
    pub queues: Vec<PathBuf>,
    /// Which rows are meant.
    pub selection: Selection,
    /// What is done to them.
    pub mend: MendPlan,
    /// Where they go.
    pub to: StorePlan,
    /// Attempts after which a row goes aside.
    pub max_attempts: Option<u32>,
    /// The directory that keeps what was loaded.
    pub archive: Option<PathBuf>,
    /// Whether rows are written also over ones that were stored after they failed.
    pub force: bool,
    /// Whether they are taken out without being loaded.
    pub discard: bool,
    /// Whether everything is read, mapped and checked, and nothing written.
    pub dry_run: bool,
    /// Size at which the queue begins another file.
    pub dlq_max_bytes: Option<u64>,
    /// How they are written.
    pub engine: EnginePlan,
}

impl ReplayPlan {
    /// Replays those queues into that store, all else as it is without flags.
    pub fn new(queues: impl IntoIterator<Item = impl Into<PathBuf>>, store: Arc<dyn Store>) -> Self {
        Self {
            queues: queues.into_iter().map(Into::into).collect(),
            selection: Selection::default(),
            mend: MendPlan::default(),
            to: StorePlan::of(store),
            max_attempts: None,
            archive: None,
            force: false,
            discard: false,
            dry_run: false,
            dlq_max_bytes: None,
            engine: EnginePlan::default(),
        }
    }
}

/// Whom to tell of a run while it goes on.
#[derive(Debug, Clone, Default)]
pub struct TelemetryPlan {
    /// A file for the metrics.
    pub textfile: Option<PathBuf>,
    /// The label `coord_id` of the metrics; else the dataset or table.
    pub coord_id: Option<String>,
    /// The address to listen at.
    pub listen: Option<String>,
    /// Who has it may ask there.
    pub token: Option<Secret>,
    /// Whether anybody may.
    pub public: bool,
    /// The URL that each change of the queue's level is sent to, and how patiently.
    pub feedback: Option<(String, FeedbackSettings)>,
}
