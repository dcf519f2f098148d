//! From the rows of an input to the rows of a table: one [`Mapper`] an input.

mod columns;
mod contracts;
mod current;
mod feeds;
mod input;
mod keys;
mod learned;
mod notes;
mod places;
mod rejects;
mod seen;
mod settings;
mod suspect;
mod waiting;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampNanosecondType};

use crate::batch::{Batch, Order, Origin, Reject};
use crate::dataset::articles::Articles;
use crate::dataset::codes::Codes;
use crate::dataset::daytime::Clock;
use crate::dataset::describe::Kind;
use crate::dataset::faults::Faults;
use crate::dataset::folds::Folds;
use crate::dataset::identity::ContentIds;
use crate::dataset::json_text::is_marked;
use crate::dataset::mapping::{MapOptions, Mapping};
use crate::dataset::narrow::Narrow;
use crate::dataset::nulls::Nulled;
use crate::dataset::quality::{self, Findings, Quality};
use crate::dataset::reading::Readings;
use crate::dataset::separators::Separators;
use crate::dataset::time::TimeReader;
use crate::dataset::timeframe::{self, Spacings};
use crate::dataset::vocabulary;
use crate::error::{Error, Result};

use input::Other;
use rejects::without;
use seen::Seen;
use suspect::Ends;
use waiting::{MAX_LACKING, MAX_WAITING, widened};

pub use feeds::{Fed, FedBy};
pub(super) use notes::is_zone_name;
pub use notes::{CUT, FROM_NAME, SHARED, is_deduction};
pub(super) use seen::is_looked_at;
pub use settings::MapperSettings;

/// The timeframe of a day or longer that all rows have, as far as that is said.
fn told_days<'o>(settings: &MapperSettings, options: &'o MapOptions) -> Option<&'o str> {
    let column = settings.dataset.columns.iter().find(|column| column.kind == Kind::Timeframe)?;
    let mut all = options.sets.iter().chain(&options.from_name);
    let (_, told) = all.find(|(known, _)| *known == *column.name)?;
    timeframe::is_of_days(told).then_some(told)
}

/// Bits of an identity that tell its slot.
const SLOT_BITS: u32 = 6;

/// What became of some rows of an input.
#[derive(Debug, Default)]
pub struct Mapped {
    /// Rows ready to be written, in the order of the input.
    pub batches: Vec<Batch>,
    /// Rows that break a rule.
    pub rejects: Vec<Reject>,
    /// Rows of a key alone, which were passed over.
    pub empty: u64,
    /// Nothing became of them: they lack [columns that were left out](Mapper::needed), and have to be read again with those.
    pub lacks: bool,
}

/// Maps the rows of one input.
pub struct Mapper {
    settings: Arc<MapperSettings>,
    /// The version of the table that they are for, and the one that was seen last.
    version: u64,
    seen: u64,
    /// The version for which it was said which names matter.
    wanted: Option<u64>,
    /// Those for which all that is read has had its place last, and their version.
    good: (Arc<MapperSettings>, u64),
    /// What the input gave for the columns of the batch in the making.
    given: Vec<Option<ArrayRef>>,
    options: MapOptions,
    origin: Arc<Origin>,
    mapping: Option<(SchemaRef, Arc<Mapping>)>,
    times: HashMap<Arc<str>, TimeReader>,
    readings: Readings,
    /// The signs in numbers.
    signs: Separators,
    /// Symbols that could be numbers, by column.
    codes: HashMap<Arc<str>, Codes>,
    /// The names of the first rows.
    names: Option<HashSet<String>>,
    /// Names of later rows for columns that are there by another name.
    others: Vec<Other>,
    /// How columns are called that have two names.
    twofold: BTreeMap<Arc<str>, (String, String)>,
    content: ContentIds,
    articles: Articles,
    narrow: Narrow,
    timeframe: Option<String>,
    /// Where bars stand within a step of that timeframe, in nanoseconds.
    step_at: Option<i64>,
    spacings: Spacings,
    /// Rows that wait for the timeframe that the spacing of more rows will tell.
    waiting: Vec<(RecordBatch, Vec<u64>)>,
    /// The first rows of JSON, where they lack what a row must have: whether those that follow have it.
    lacking: Vec<(RecordBatch, Vec<u64>)>,
    /// What they lack.
    lack: Option<Error>,
    spacing_unknown: bool,
    /// Columns that have been found: they stay what they are when more names turn up.
    pinned: Vec<(String, String)>,
    /// What the values of columns tell beside their names.
    hints: Seen,
    /// Where in their minutes bars stand.
    ends: Ends,
    /// Columns of one value, as long as the longest batch so far: batches share their memory.
    constants: HashMap<Arc<str>, ArrayRef>,
    output: Option<SchemaRef>,
    notes: Vec<String>,
    findings: Findings,
    /// Values that became null, by column.
    nulled: HashMap<Arc<str>, Nulled>,
    /// Values of the rows at hand that became null: those rows may have to wait and be looked at again.
    nulled_now: Vec<(Arc<str>, Nulled)>,
    /// Symbols that are stored in capitals, by column.
    folds: HashMap<Arc<str>, Folds>,
    unmapped_targets: Vec<String>,
    unused: Vec<String>,
    /// Columns that nothing feeds, with those of the input that speak of them.
    empty: Vec<(String, Vec<String>)>,
    /// How times of day are written, by column of the input.
    clocks: HashMap<String, Clock>,
    /// Columns with the minutes of the hours that another one has.
    minutes: Vec<String>,
    /// The column with contracts that say what no other column does.
    contracts: Option<String>,
    /// Words that were read, by what they mean.
    words: BTreeMap<String, u64>,
    /// The zone of the times that a column names.
    zone_told: Option<String>,
    /// Whether the rows at hand are bars of days, where that is not so for all of the input.
    days_now: Option<bool>,
}

impl Mapper {
    /// A mapper for the input of that origin.
    pub fn new(settings: Arc<MapperSettings>, origin: Arc<Origin>) -> Result<Self> {
        let options = MapOptions { mending: origin.past.is_some(), ..settings.named(&origin.source)? };
        let mut settings = settings;
        if told_days(&settings, &options).is_some() && !settings.time.local_days {
            Arc::make_mut(&mut settings).time.local_days = true;
        }
        let readings = Readings::new(settings.how());
        let signs = Separators::told(settings.decimal);
        Ok(Self {
            readings,
            version: 0,
            seen: 0,
            wanted: None,
            good: (settings.clone(), 0),
            given: Vec::new(),
            signs,
            codes: HashMap::new(),
            names: None,
            others: Vec::new(),
            twofold: BTreeMap::new(),
            options,
            origin,
            mapping: None,
            times: HashMap::new(),
            content: ContentIds::default(),
            articles: Articles::default(),
            narrow: Narrow::of(&settings.dataset, &settings.target),
            timeframe: None,
            step_at: None,
            spacings: Spacings::default(),
            waiting: Vec::new(),
            lacking: Vec::new(),
            lack: None,
            spacing_unknown: false,
            pinned: Vec::new(),
            hints: Seen::default(),
            ends: Ends::default(),
            constants: HashMap::new(),
            output: None,
            notes: Vec::new(),
            findings: Findings::new(),
            nulled: HashMap::new(),
            nulled_now: Vec::new(),
            folds: HashMap::new(),
            unmapped_targets: Vec::new(),
            unused: Vec::new(),
            empty: Vec::new(),
            clocks: HashMap::new(),
            minutes: Vec::new(),
            contracts: None,
            words: BTreeMap::new(),
            zone_told: None,
            days_now: None,
            settings,
        })
    }

    /// Maps rows: `source` as the decoder gave them, and their row numbers. Rows may be held back
    /// until more of them tell the timeframe, or show what those lack that came first. Errors are about the
    /// input as a whole, and name it; the rows at hand were not taken then, and those held back are
    /// [still there](Self::take_waiting).
    pub fn map(&mut self, source: &RecordBatch, rows: &[u64]) -> Result<Mapped> {
        self.follow();
        self.look_at_values(source);
        let words = match self.hints.words.is_empty() {
            true => self.settings.words.clone(),
            false => self.hints.words.clone(),
        };
        let source = &match words.is_empty() {
            true => source.clone(),
            false => vocabulary::read(source, &words, &mut self.words)
                .map_err(|e| Error::internal(format!("words cannot be read: {e}")).at(&self.origin.source))?,
        };
        let now = match self.map_now(source, rows) {
            Ok(Some(now)) if now.lacks => return Ok(now),
            Ok(Some(now)) => now,
            Ok(None) => {
                let held: usize = self.waiting.iter().map(|(_, rows)| rows.len()).sum();
                if held + rows.len() > MAX_WAITING {
                    return Err(self.no_timeframe());
                }
                self.waiting.push((source.clone(), rows.to_vec()));
                return Ok(Mapped::default());
            }
            // A member that rows lack may be in those that follow; a column that is not there never comes.
            Err(lack @ Error::Usage(_))
                if self.names.is_none() && !self.settings.sparse && is_marked(source.schema_ref()) =>
            {
                let held: usize = self.lacking.iter().map(|(_, rows)| rows.len()).sum();
                if held + rows.len() > MAX_LACKING {
                    return Err(lack);
                }
                self.lacking.push((source.clone(), rows.to_vec()));
                self.lack.get_or_insert(lack);
                return Ok(Mapped::default());
            }
            Err(error) => return Err(error),
        };
        let mut all = Mapped::default();
        // Rows that are all refused tell nothing of those that wait.
        let told = !now.batches.is_empty();
        if !self.waiting.is_empty() && told {
            self.times.values_mut().for_each(TimeReader::forget_order);
        }
        let mut earlier = match source.num_rows() {
            0 => Vec::new(),
            _ => std::mem::take(&mut self.lacking),
        };
        if told {
            earlier.append(&mut self.waiting);
        }
        let (mut still, mut failed) = (Vec::new(), None);
        for (before, rows) in &earlier {
            // What has come since they lack.
            let wide = widened(before, source.schema_ref());
            match wide.and_then(|wide| self.map_now(&wide, rows)) {
                Ok(Some(earlier)) if earlier.lacks => {
                    let what = "rows that wait lack columns that were left out";
                    failed = Some(Error::internal(format!("{}: {what}", self.origin.source)));
                    break;
                }
                Ok(Some(earlier)) => {
                    all.batches.extend(earlier.batches);
                    all.rejects.extend(earlier.rejects);
                    all.empty += earlier.empty;
                }
                Ok(None) => still.push((before.clone(), rows.clone())),
                Err(error) => {
                    failed = Some(error);
                    break;
                }
            }
        }
        if let Some(error) = failed {
            // None of them has gone anywhere.
            self.waiting.splice(0..0, earlier);
            return Err(error);
        }
        self.waiting.append(&mut still);
        all.batches.extend(now.batches);
        all.rejects.extend(now.rejects);
        all.empty += now.empty;
        Ok(all)
    }

    /// Holds later rows to the timeframe that the spacing of the first ones told: a bar that does not stand
    /// at a step of it is one of a shorter timeframe. Of longer ones nothing can be said, since a bar may
    /// be missing where nobody traded.
    fn look_at_steps(&mut self, columns: &RecordBatch, faults: &mut Faults) {
        let (quality, name) = (self.settings.quality, self.settings.dataset.time.clone());
        let (Some(timeframe), Some(name), true) = (&self.timeframe, name, quality != Quality::Off) else {
            return;
        };
        let times =
            columns.column_by_name(&name).and_then(|c| c.as_primitive_opt::<TimestampNanosecondType>());
        let (Some(step), Some(times)) = (timeframe::step(timeframe), times) else { return };
        let Some(first) = times.iter().flatten().next() else { return };
        let at = *self.step_at.get_or_insert(first.rem_euclid(step));
        let off = |row: &usize| times.is_valid(*row) && times.value(*row).rem_euclid(step) != at;
        let mut odd = (0..times.len()).filter(off).peekable();
        if odd.peek().is_none() {
            return;
        }
        let what = format!(
            "{name} is not a step of {timeframe}, which the spacing of the first rows told as the timeframe"
        );
        if quality == Quality::Reject {
            let column: Arc<str> = name.as_ref().into();
            odd.for_each(|row| faults.refuse(row, &column, "implausible", || what.clone()));
        } else {
            *self.findings.entry(what).or_default() += odd.count() as u64;
        }
    }

    /// Maps rows, or `None` where the timeframe is not known yet.
    fn map_now(&mut self, source: &RecordBatch, rows: &[u64]) -> Result<Option<Mapped>> {
        if source.num_rows() == 0 {
            return Ok(Some(Mapped::default()));
        }
        self.look_for_zone(source)?;
        let given = &self.with_contracts(source)?;
        let mut mapping = self.mapping_of(given).map_err(|e| e.at(&self.origin.source))?;
        let lacking = || Ok(Some(Mapped { lacks: true, ..Mapped::default() }));
        if Self::lacks(&mapping, given.schema_ref()) {
            return lacking();
        }
        self.refuse_other_ticks(&mapping, given)?;
        self.look_for_stated_zone(&mapping, given)?;
        if let Some(made) = self.by_days(&mapping, given, rows)? {
            return Ok(Some(made));
        }
        let mut faults = Faults::default();
        let coalesced = self.coalesced(given, &mut faults)?;
        let mut source = self.joined(&mapping, &coalesced)?;
        let mut columns = self.columns(&mapping, &source, &mut faults)?;
        if self.has_learned_days(&mapping, &source) {
            faults = Faults::default();
            let coalesced = self.coalesced(given, &mut faults)?;
            source = self.joined(&mapping, &coalesced)?;
            columns = self.columns(&mapping, &source, &mut faults)?;
        }
        if !faults.is_empty() && self.has_changed() {
            mapping = self.mapping_of(given).map_err(|e| e.at(&self.origin.source))?;
            if Self::lacks(&mapping, given.schema_ref()) {
                return lacking();
            }
            if self.settings.by_table {
                faults = Faults::default();
                let coalesced = self.coalesced(given, &mut faults)?;
                source = self.joined(&mapping, &coalesced)?;
                columns = self.columns(&mapping, &source, &mut faults)?;
            } else {
                self.forgive(&mut faults);
            }
        }
        // Rows that are all refused wait for no timeframe.
        let waits = |row: usize| faults.of(row).is_none();
        if std::mem::take(&mut self.spacing_unknown) && (0..source.num_rows()).any(waits) {
            return Ok(None);
        }
        for (name, nulled) in self.nulled_now.drain(..) {
            self.nulled.entry(name).or_default().join(nulled);
        }
        // A dead letter has to have an end of its own.
        let skips = self.origin.past.is_none();
        quality::refuse_silent(&columns, self.settings.dataset.checks, skips, &mut faults);
        if self.settings.quality == Quality::Reject {
            quality::reject(&columns, self.settings.dataset.checks, (self.settings.now)(), &mut faults);
        }
        self.look_at_steps(&columns, &mut faults);
        self.look_at_ends(&columns);
        let rejects = self.rejects(&mapping, &source, &columns, rows, &faults);
        let empty = faults.having(quality::EMPTY);
        let given = self.given(&mapping, &faults, rows.len());
        let (columns, rows) =
            if faults.is_empty() { (columns, rows.to_vec()) } else { without(&columns, rows, &faults)? };
        if self.settings.quality == Quality::Warn {
            quality::count(&columns, self.settings.dataset.checks, (self.settings.now)(), &mut self.findings);
        }
        if rows.is_empty() {
            return Ok(Some(Mapped { rejects, empty, ..Mapped::default() }));
        }
        let (mut identities, whole) = self.identities(&columns, &rows);
        let order = self.order(&columns, whole);
        if order != Order::Any {
            // The first slot of all.
            identities.iter_mut().for_each(|identity| *identity = *identity >> SLOT_BITS << SLOT_BITS);
        }
        self.narrow.look(&columns, &identities);
        let batch = Batch { columns, rows, identities, origin: self.origin.clone(), order, given };
        Ok(Some(Mapped { batches: vec![batch], rejects, empty, lacks: false }))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::StringArray;
    use arrow::datatypes::{DataType, Field, Schema};

    use super::*;
    use crate::batch::RejectedData;
    use crate::dataset::describe::{Dataset, Kind};
    use crate::dataset::nulls::NullTokens;
    use crate::dataset::quality::Quality;
    use crate::dataset::target::Target;
    use crate::dataset::target::{KeyPrecision, TargetColumn};
    use crate::dataset::time::TimeOptions;
    use crate::dataset::{BARS, Requirement, TICKS};

    fn settings(dataset: &Dataset, sets: &[(&str, &str)]) -> MapperSettings {
        let columns = dataset.columns.iter().map(|c| TargetColumn {
            name: c.name.to_string(),
            kind: c.kind,
            type_name: "text".into(),
            nullable: c.need != Requirement::Key,
            has_default: c.name == "tenant_id",
            constant_default: c.name == "tenant_id",
            grain: if c.kind == Kind::Timestamp { KeyPrecision::Micros } else { KeyPrecision::Exact },
        });
        MapperSettings {
            target: Target {
                table: dataset.table.to_string(),
                columns: columns.collect(),
                key: dataset.key.iter().map(|k| (*k).to_owned()).collect(),
                ..Target::default()
            },
            dataset: dataset.clone(),
            live: None,
            by_table: false,
            columns: MapOptions {
                sets: sets.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect(),
                ..Default::default()
            },
            zone_from: None,
            zone_known: false,
            words: Arc::default(),
            name_pattern: None,
            time: TimeOptions::default(),
            nulls: NullTokens::default(),
            keep_case: false,
            decimal: None,
            scales: Default::default(),
            formats: Default::default(),
            quality: Quality::Warn,
            now: || 1_800_000_000_000_000_000,
            tenant: None,
            sparse: false,
            one_lane: false,
        }
    }

    fn csv(text: &str) -> (RecordBatch, Vec<u64>) {
        let mut lines = text.lines();
        let names: Vec<&str> = lines.next().unwrap().split(',').collect();
        let rows: Vec<Vec<&str>> = lines.map(|l| l.split(',').collect()).collect();
        let fields: Vec<Field> = names.iter().map(|n| Field::new(*n, DataType::Utf8, true)).collect();
        let arrays = (0..names.len())
            .map(|i| Arc::new(rows.iter().map(|r| Some(r[i])).collect::<StringArray>()) as ArrayRef)
            .collect();
        let numbers = (1..=rows.len() as u64).collect();
        (RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap(), numbers)
    }

    fn mapper(settings: MapperSettings) -> Mapper {
        Mapper::new(Arc::new(settings), Arc::new(Origin::new("x.csv"))).unwrap()
    }

    #[test]
    fn one_bad_value_costs_one_row() {
        let (source, rows) = csv("t,symbol,o,h,l,c,v\n\
            2024-01-02T14:30:00Z,aapl,1,2,0.5,1.5,100\n\
            2024-01-02T14:31:00Z,AAPL,abc,2,0.5,1.5,100\n\
            2024-01-02T14:32:00Z,,1,2,0.5,1.5,100\n\
            nonsense,AAPL,1,2,0.5,1.5,100\n\
            2024-01-02T14:34:00Z,NAN,1,2,0.5,NaN,\n");
        let mut mapper = mapper(settings(&BARS, &[("vendor", "v")]));
        let mut mapped = mapper.map(&source, &rows).unwrap();
        let batch = mapped.batches.remove(0);
        assert_eq!(batch.rows, [1, 5]);
        let symbols = batch.columns.column_by_name("symbol").unwrap().as_string::<i32>();
        assert_eq!((symbols.value(0), symbols.value(1)), ("AAPL", "NAN"));
        assert!(batch.columns.column_by_name("close_price").unwrap().is_null(1));
        assert!(batch.columns.column_by_name("volume").unwrap().is_null(1));
        let told: Vec<_> = mapped.rejects.iter().map(|r| (r.row, r.reason.code.as_ref())).collect();
        assert_eq!(told, [(2, "bad_number"), (3, "missing_value"), (4, "bad_timestamp")]);
        let RejectedData::Item(item) = &mapped.rejects[0].remains else { panic!("an item") };
        assert!(item.contains(r#""open_price":"abc""#) && item.contains(r#""high_price":2"#), "{item}");
        assert!(mapper.notes().iter().any(|n| n.contains("timeframe is 1m")), "{:?}", mapper.notes());
    }

    #[test]
    fn implausible_rows_are_counted_or_refused() {
        let (source, rows) = csv("t,symbol,o,h,l,c,v\n\
            2024-01-02T14:30:00Z,A,1,2,0.5,1.5,100\n\
            2024-01-02T14:31:00Z,A,3,2,0.5,1.5,-1\n");
        let warn = settings(&BARS, &[("vendor", "v")]);
        let mut counting = mapper(warn.clone());
        assert_eq!(counting.map(&source, &rows).unwrap().batches.remove(0).len(), 2);
        assert_eq!(
            counting.findings().get("implausible, not rejected for that: high_price is below open_price"),
            Some(&1)
        );
        assert_eq!(
            counting.findings().get("implausible, not rejected for that: volume is negative"),
            Some(&1)
        );
        let mut refusing = mapper(MapperSettings { quality: Quality::Reject, ..warn });
        let mut mapped = refusing.map(&source, &rows).unwrap();
        assert_eq!((mapped.batches.remove(0).len(), mapped.rejects.len()), (1, 1));
    }

    #[test]
    fn nanoseconds_that_a_microsecond_clock_cuts_off_are_kept() {
        let (source, rows) = csv("t,symbol,p,s\n1704205800000000123,A,1,2\n1704205800000000123,A,1,2\n");
        let batch =
            mapper(settings(&TICKS, &[("vendor", "v")])).map(&source, &rows).unwrap().batches.remove(0);
        let nanos = batch.columns.column_by_name("ts_ns").unwrap();
        assert_eq!(nanos.as_primitive::<arrow::datatypes::Int64Type>().value(0), 123);
        assert_ne!(batch.identities[0], batch.identities[1]);
    }

    #[test]
    fn a_constant_that_cannot_be_read_is_a_wrong_flag() {
        let (source, rows) = csv("t,symbol,o,h,l,c\n2024-01-02T14:30:00Z,A,1,2,0.5,1.5\n");
        let error =
            mapper(settings(&BARS, &[("vendor", "v"), ("volume", "many")])).map(&source, &rows).unwrap_err();
        assert_eq!(error.to_string(), "--set volume=many: volume is not a number");
    }
}
