//! From the rows of an input to the rows of a table: one [`Mapper`] an input.

mod current;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::array::StringBuilder;
use arrow::array::{Array, ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray, new_null_array};
use arrow::compute::FilterBuilder;
use arrow::datatypes::TimestampNanosecondType;
use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use uuid::Uuid;

use crate::batch::{Batch, Form, Identity, Order, Origin, Reading, Reject, RejectedData, Stage};
use crate::dataset::articles::{Articles, article, article_id};
use crate::dataset::codes::Codes;
use crate::dataset::convert::{CastError, Conversion, Unreadable};
use crate::dataset::daytime::{self, Clock, Day, Look};
use crate::dataset::describe::{Column, Dataset, Derivation, Kind, NO_TENANT};
use crate::dataset::dictionary;
use crate::dataset::faults::Faults;
use crate::dataset::folders;
use crate::dataset::folds::Folds;
use crate::dataset::identity::{self, ContentIds};
use crate::dataset::inferred::{Learned, TimeForm};
use crate::dataset::json_row;
use crate::dataset::json_text::{StringRows, is_json, is_marked, json_texts};
use crate::dataset::live::LiveTarget;
use crate::dataset::mapping::{ColumnSource, MapOptions, Mapping, enumerated, list, shell_word, target_of};
use crate::dataset::name_pattern::{Meaning, NamePattern, stem};
use crate::dataset::names::{Names, plain};
use crate::dataset::narrow::Narrow;
use crate::dataset::nulls::{NullTokens, Nulled};
use crate::dataset::quality::{self, Findings, Quality};
use crate::dataset::reading::{How, Readings, form_of};
use crate::dataset::seam::{After, Told};
use crate::dataset::separators::{Decimal, Separators};
use crate::dataset::target::{KeyNulls, KeyPrecision, Target};
use crate::dataset::time::{TimeOptions, TimeReader};
use crate::dataset::timeframe::{self, Spacings};
use crate::error::{Error, Result};
use crate::model::text::Texts;
use crate::model::values::Values;

/// What the mapping of all inputs of a run goes by.
#[derive(Debug, Clone)]
pub struct MapperSettings {
    /// The dataset.
    pub dataset: Dataset,
    /// The table.
    pub target: Target,
    /// The same while others may change it; none where nothing is to be written.
    pub live: Option<Arc<LiveTarget>>,
    /// Whether the dataset is what the table is by itself, so that its kinds change with the table.
    pub by_table: bool,
    /// `--map`, `--set` and their short forms; `from_name` is filled in per input.
    pub columns: MapOptions,
    /// `--name-pattern`.
    pub name_pattern: Option<NamePattern>,
    /// `--timestamp-unit`, `--timezone`, `--date-order`.
    pub time: TimeOptions,
    /// `--null`.
    pub nulls: NullTokens,
    /// `--decimal`.
    pub decimal: Option<Decimal>,
    /// `--keep-case`.
    pub keep_case: bool,
    /// `--quality`.
    pub quality: Quality,
    /// Tells the time after which a row is in the future, in nanoseconds since 1970: asked for each batch,
    /// since a tail runs for months.
    pub now: fn() -> i64,
    /// The tenant that all rows must be of, as a UUID.
    pub tenant: Option<String>,
    /// Whether the rows are no series, so that their spacing tells no timeframe.
    pub sparse: bool,
    /// Whether all rows go through one lane, whatever the table.
    pub one_lane: bool,
}

impl MapperSettings {
    /// What is said of the columns of an input of that name, with what the name tells.
    ///
    /// # Errors
    /// Usage, where the name does not fit `--name-pattern`, or in two ways, or a folder says otherwise than a flag.
    pub fn named(&self, source: &str) -> Result<MapOptions> {
        let mut options = self.columns.clone();
        if let Some(pattern) = &self.name_pattern {
            self.by_pattern(pattern, source, &mut options)?;
        }
        // A queue lies where its rows did not come from.
        if !self.sparse {
            let same = |name: &str, texts: [&str; 2]| texts[0] == texts[1] || self.is_one_value(name, texts);
            folders::add(&mut options, source, (&self.dataset, &self.target), &same)?;
        }
        Ok(options)
    }

    /// Whether two texts become the same value of that column.
    fn is_one_value(&self, name: &str, texts: [&str; 2]) -> bool {
        let Some(column) = self.dataset.column(name) else { return false };
        let (mut times, mut faults) = (TimeReader::new(self.time.clone()), Faults::default());
        let mut conversion = Conversion {
            column,
            name: &name.into(),
            nulls: &self.nulls,
            times: &mut times,
            keep_case: self.keep_case,
            folds: &mut Folds::default(),
            wide: self.dataset.signature.is_empty(),
            series: &[],
            telling_key: false,
            separators: None,
            strings: StringRows::All,
            faults: &mut faults,
            nulled: &mut Nulled::default(),
        };
        let texts: ArrayRef = Arc::new(StringArray::from(texts.to_vec()));
        let made = conversion.run(&texts);
        let one = made.is_ok_and(|made| {
            let [one, other] = [0, 1].map(|row| identity::of_keys(&[&made.slice(row, 1)], 1));
            one == other
        });
        one && faults.is_empty()
    }

    /// Adds what the name tells by `--name-pattern`.
    fn by_pattern(&self, pattern: &NamePattern, source: &str, options: &mut MapOptions) -> Result<()> {
        let column_of = |field: &str| {
            let name = target_of(field, &self.dataset, &self.target).ok()?;
            let known = self.target.column(&name)?;
            // The day of a file is no time of its rows.
            (known.kind != Kind::Timestamp || name == field).then_some(name)
        };
        let is_timeframe =
            |name: &str| self.dataset.column(name).is_some_and(|column| column.kind == Kind::Timeframe);
        let meaning = |field: &str| match column_of(field) {
            Some(name) if is_timeframe(&name) => Meaning::Timeframe,
            Some(_) => Meaning::Column,
            None if matches!(field, "date" | "day") => Meaning::Date,
            None => Meaning::Nothing,
        };
        let fields = pattern
            .fields(stem(source), &meaning)
            .map_err(|what| Error::Usage(what.to_string()).at(source))?;
        for (field, value) in fields {
            match meaning(&field) {
                Meaning::Date => options.day = Some(value),
                Meaning::Nothing => {}
                Meaning::Column | Meaning::Timeframe => {
                    options.from_name.extend(column_of(&field).map(|name| (name, value)))
                }
            }
        }
        Ok(())
    }
}

/// What is said of rows without an id that the file before ended with, and that are taken for the same ones, since
/// the files seem to overlap; the sentence is made where the number of rows is known.
pub const SHARED: &str = "equal ticks without an id at the seam of two files";

/// The same of those that are taken for others, since the files seem to be one that was cut.
pub const CUT: &str = "equal ticks without an id where one file was cut in two";

/// Bits of an identity that tell its slot.
const SLOT_BITS: u32 = 6;

/// The columns of a key that rows have, each with its grain and whether its times are cut off rather than
/// rounded; and what nulls in them mean.
type KeyParts<'k, 'c> = (Vec<(&'k str, &'c ArrayRef, KeyPrecision, bool)>, KeyNulls);

/// Makes identities of rows whose values tell none.
type MakeIdentities = fn(&Origin, &[u64]) -> Vec<Identity>;

/// Whether a note says how values were understood, and not what became of them.
pub fn is_deduction(note: &str) -> bool {
    [
        "timeframe is ",
        " is an epoch in ",
        " is written ",
        " are read together",
        " taken from the names of folders",
    ]
    .iter()
    .any(|said| note.contains(said))
}

/// A second name of a column, in rows that do not have it by its first.
#[derive(Debug)]
struct Other {
    /// The column's place in the input by its first name.
    main: usize,
    /// And by the second.
    index: usize,
    /// The second name.
    name: String,
    /// What the table calls it.
    column: Arc<str>,
    /// Whether a row that has both goes by the first.
    worse: bool,
    /// Whether any text is a value of it.
    is_text: bool,
}

/// Whether a column of that name, without case and punctuation, tells the zone of the times beside it.
pub(super) fn is_zone_name(plain: &str) -> bool {
    matches!(
        plain,
        "timezone"
            | "tz"
            | "tzname"
            | "zone"
            | "zoneid"
            | "utcoffset"
            | "gmtoffset"
            | "tzoffset"
            | "timezoneoffset"
    )
}

/// Rows that may wait for their timeframe.
const MAX_WAITING: usize = 20_000;

/// Rows of JSON that may lack what a row must have before it is taken to be lacking in all of them.
const MAX_LACKING: usize = 100;

/// What became of some rows of an input.
#[derive(Debug, Default)]
pub struct Mapped {
    /// Rows ready to be written, in the order of the input.
    pub batches: Vec<Batch>,
    /// Rows that break a rule.
    pub rejects: Vec<Reject>,
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
    /// Columns of one value, as long as the longest batch so far: batches share their memory.
    constants: HashMap<Arc<str>, ArrayRef>,
    output: Option<SchemaRef>,
    notes: Vec<String>,
    findings: Findings,
    /// Values that became null, by column.
    nulled: HashMap<Arc<str>, Nulled>,
    /// The same of the rows at hand, which may have to wait and be looked at again.
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
}

impl Mapper {
    /// A mapper for the input of that origin.
    pub fn new(settings: Arc<MapperSettings>, origin: Arc<Origin>) -> Result<Self> {
        let options = MapOptions { mending: origin.past.is_some(), ..settings.named(&origin.source)? };
        let readings = Readings::new(How {
            time: settings.time.clone(),
            nulls: settings.nulls.clone(),
            keep_case: settings.keep_case,
            decimal: settings.decimal,
        });
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
            settings,
        })
    }

    /// Maps rows: `source` as the decoder gave them, and their row numbers. Rows may be held back
    /// until more of them tell the timeframe, or show what those lack that came first. Errors are about the
    /// input as a whole, and name it.
    pub fn map(&mut self, source: &RecordBatch, rows: &[u64]) -> Result<Mapped> {
        self.follow();
        let now = match self.map_now(source, rows) {
            Ok(Some(now)) => now,
            Ok(None) => {
                self.waiting.push((source.clone(), rows.to_vec()));
                let held: usize = self.waiting.iter().map(|(_, rows)| rows.len()).sum();
                return if held > MAX_WAITING { Err(self.no_timeframe()) } else { Ok(Mapped::default()) };
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
        for (before, rows) in earlier {
            // What has come since they lack.
            match self.map_now(&widened(&before, source.schema_ref())?, &rows)? {
                Some(earlier) => {
                    all.batches.extend(earlier.batches);
                    all.rejects.extend(earlier.rejects);
                }
                None => self.waiting.push((before, rows)),
            }
        }
        all.batches.extend(now.batches);
        all.rejects.extend(now.rejects);
        Ok(all)
    }

    /// The rows are out of dead letters that are to be read so.
    pub fn reads_by(&mut self, reading: Arc<Reading>) {
        // Under the names of its table a row has all of its columns.
        if reading.columns.is_none() {
            self.options.remember(&reading);
        }
        self.readings.remember(reading);
    }

    /// How rows are to be read that stay as the input gives them.
    pub fn reading(&self) -> Arc<Reading> {
        let forms = self.times.iter().map(|(name, times)| {
            (name.to_string(), Form { decimal: self.decimal_of(name), ..form_of(times, true) })
        });
        let mut reading = self.readings.note(None, forms.filter(|(_, form)| !form.is_empty()).collect());
        reading.set.extend(self.timeframe.iter().map(|deduced| ("timeframe".to_owned(), deduced.clone())));
        self.options.note(&mut reading);
        Arc::new(reading)
    }

    /// The rows that follow are of that origin.
    pub fn continues(&mut self, origin: Arc<Origin>) {
        self.origin = origin;
    }

    /// To be called at the end of the input.
    ///
    /// # Errors
    /// Usage, if rows still wait for a timeframe, or for what they lack.
    pub fn finish(&self) -> Result<()> {
        match (&self.lack, self.waiting.is_empty()) {
            (Some(lack), _) if !self.lacking.is_empty() => Err(lack.clone()),
            (_, true) => Ok(()),
            (_, false) => Err(self.no_timeframe()),
        }
    }

    /// What the rows so far have told of all.
    pub fn learned(&self) -> Learned {
        let known = |(name, reader): (&Arc<str>, &TimeReader)| {
            let form = reader.form();
            (form != TimeForm::default()).then(|| (name.to_string(), form))
        };
        let series = |(name, reader): (&Arc<str>, &TimeReader)| {
            let last: BTreeMap<_, _> = reader.last_rows().collect();
            (!last.is_empty()).then(|| (name.to_string(), last))
        };
        Learned {
            timeframe: self.timeframe.clone(),
            times: self.times.iter().filter_map(known).collect(),
            series: self.times.iter().filter_map(series).collect(),
            decimal: self.signs.learned(),
            seam: self.content.seam(),
        }
    }

    /// Goes on with an input of which that is known.
    pub fn knows(&mut self, learned: &Learned) {
        self.timeframe.clone_from(&learned.timeframe);
        self.signs.knows(learned.decimal);
        if let Some(seam) = &learned.seam {
            self.content.has_seam(seam.clone());
        }
        for (name, form) in &learned.times {
            let reader = TimeReader::knowing(self.settings.time.clone(), *form);
            self.times.insert(name.as_str().into(), reader);
        }
        for (name, last) in &learned.series {
            let reader = self.times.entry(name.as_str().into());
            reader
                .or_insert_with(|| TimeReader::new(self.settings.time.clone()))
                .goes_on_after(last.iter().map(|(series, last)| (*series, *last)));
        }
    }

    /// The last rows that have no id of their own, by which equal ones are counted on after them.
    pub fn equals(&self) -> Option<String> {
        self.content.latest()
    }

    /// How many of those there were.
    pub fn equals_rows(&self) -> u64 {
        self.content.rows()
    }

    /// It is asked from now on what [`Self::equals`] was after so many of them, or after more.
    pub fn hold_equals(&mut self, rows: u64) {
        self.content.hold(rows);
    }

    /// What it was then.
    pub fn equals_at(&self, rows: u64) -> Option<String> {
        self.content.latest_at(rows)
    }

    /// Goes on behind rows of which those were the last.
    pub fn knows_equals(&mut self, equals: &str) {
        self.content.goes_on_after(equals);
    }

    /// The file before this one ended with those rows, as far as they have no id.
    pub fn comes_after(&mut self, equals: &str, after: After) {
        self.content.comes_after(equals, after);
    }

    /// The name of the column that orders the rows in time.
    pub fn time(&self) -> Option<&str> {
        self.settings.dataset.time.as_deref()
    }

    /// Whether rows are held back.
    pub fn is_waiting(&self) -> bool {
        !self.waiting.is_empty() || !self.lacking.is_empty()
    }

    /// What the rows so far lack, where more may show it.
    pub fn lack(&self) -> Option<&Error> {
        self.lack.as_ref().filter(|_| !self.lacking.is_empty())
    }

    /// The rows that are held back, as the input gave them.
    pub fn take_waiting(&mut self) -> Vec<(RecordBatch, Vec<u64>)> {
        let mut waiting = std::mem::take(&mut self.lacking);
        waiting.append(&mut self.waiting);
        waiting
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

    fn no_timeframe(&self) -> Error {
        let flag = match self.options.mending {
            true => "it, for instance --set timeframe=1m",
            false => "--timeframe, for instance --timeframe 1m",
        };
        let sentence = "no timeframe in the columns, and the spacing of the rows tells none";
        Error::Usage(format!("{sentence}; add {flag}")).at(&self.origin.source)
    }

    /// Maps rows, or `None` where the timeframe is not known yet.
    fn map_now(&mut self, source: &RecordBatch, rows: &[u64]) -> Result<Option<Mapped>> {
        if source.num_rows() == 0 {
            return Ok(Some(Mapped::default()));
        }
        let given = source;
        let mut mapping = self.mapping_of(given).map_err(|e| e.at(&self.origin.source))?;
        let mut faults = Faults::default();
        let coalesced = self.coalesced(given, &mut faults)?;
        let mut source = self.joined(&mapping, &coalesced)?;
        let mut columns = self.columns(&mapping, &source, &mut faults)?;
        if !faults.is_empty() && self.has_changed() {
            mapping = self.mapping_of(given).map_err(|e| e.at(&self.origin.source))?;
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
        quality::refuse_silent(&columns, self.settings.dataset.checks, &mut faults);
        if self.settings.quality == Quality::Reject {
            quality::reject(&columns, self.settings.dataset.checks, (self.settings.now)(), &mut faults);
        }
        self.look_at_steps(&columns, &mut faults);
        let rejects = self.rejects(&mapping, &source, &columns, rows, &faults);
        let given = self.given(&mapping, &faults, rows.len());
        let (columns, rows) =
            if faults.is_empty() { (columns, rows.to_vec()) } else { without(&columns, rows, &faults)? };
        if self.settings.quality == Quality::Warn {
            quality::count(&columns, self.settings.dataset.checks, (self.settings.now)(), &mut self.findings);
        }
        if rows.is_empty() {
            return Ok(Some(Mapped { batches: Vec::new(), rejects }));
        }
        let (mut identities, whole) = self.identities(&columns, &rows);
        let order = self.order(&columns, whole);
        if order != Order::Any {
            // The first slot of all.
            identities.iter_mut().for_each(|identity| *identity = *identity >> SLOT_BITS << SLOT_BITS);
        }
        self.narrow.look(&columns, &identities);
        let batch = Batch { columns, rows, identities, origin: self.origin.clone(), order, given };
        Ok(Some(Mapped { batches: vec![batch], rejects }))
    }

    /// What was deduced and what was left out, one sentence each, for the user.
    pub fn notes(&self) -> Vec<String> {
        let mut notes = self.notes.clone();
        notes.extend(self.signs.note());
        notes.extend(self.codes.iter().filter_map(|(name, codes)| codes.note(name)));
        for (name, (main, other)) in &self.twofold {
            notes.push(format!("{name} is {main} in some rows and {other} in others"));
        }
        for (name, folds) in &self.folds {
            notes.extend(folds.note().map(|note| format!("{name} {note}")));
        }
        for (name, reader) in &self.times {
            notes.extend(reader.notes().into_iter().map(|note| format!("{name} {note}")));
        }
        notes.extend(self.zone_passed_over());
        notes.extend(self.of_folders());
        notes.extend(self.beside_folders());
        let (replaced, unused): (Vec<&String>, Vec<&String>) =
            self.unused.iter().partition(|name| self.is_replaced(name));
        if !unused.is_empty() {
            notes.push(format!("columns not loaded: {}", list(unused.into_iter().map(String::as_str))));
        }
        if !replaced.is_empty() {
            let names = list(replaced.into_iter().map(String::as_str));
            notes.push(format!("set by flags, whatever the rows have: {names}"));
        }
        for (name, speaking) in &self.empty {
            let quoted: Vec<String> = speaking.iter().map(|source| format!("{source:?}")).collect();
            let (are, source) = match &speaking[..] {
                [one] => ("is", shell_word(one)),
                _ => ("are", "COLUMN".to_owned()),
            };
            notes.push(format!(
                "{name} is null in every row: no column is called so, and {} {are} not loaded; --map {name}={source} takes it from there",
                enumerated(&quoted, "and")
            ));
        }
        if !self.unmapped_targets.is_empty() {
            notes.push(format!(
                "{} has no column for {}",
                self.settings.target.table,
                list(self.unmapped_targets.iter().map(String::as_str))
            ));
        }
        notes.extend(self.narrow.note(&self.settings.target.table));
        notes.sort();
        notes
    }

    /// Whether a flag gives what a column of the input has by that name.
    fn is_replaced(&self, name: &str) -> bool {
        let name = plain(name);
        let Some((_, mapping)) = self.mapping.as_ref() else { return false };
        mapping.columns.iter().any(|(column, own, feed)| {
            matches!(feed, ColumnSource::Constant(_))
                && self.options.sets.iter().any(|(set, _)| **set == **own)
                && (plain(own) == name || column.synonyms.iter().any(|synonym| plain(synonym) == name))
        })
    }

    /// Which columns folders have told that the input has itself.
    fn beside_folders(&self) -> Option<String> {
        let (_, mapping) = self.mapping.as_ref()?;
        let own = mapping.columns.iter().filter(|(_, name, feed)| {
            let from_input = !matches!(feed, ColumnSource::Constant(_) | ColumnSource::Null);
            from_input && self.options.folders.iter().any(|told| **told == **name)
        });
        let own: Vec<String> = own.map(|(_, name, _)| name.to_string()).collect();
        let comes = if own.len() == 1 { "comes" } else { "come" };
        (!own.is_empty()).then(|| {
            format!("{} {comes} from the rows, whatever the names of folders say", enumerated(&own, "and"))
        })
    }

    /// Which columns folders have told.
    fn of_folders(&self) -> Option<String> {
        let (_, mapping) = self.mapping.as_ref()?;
        let told = mapping.columns.iter().filter(|(_, name, feed)| {
            matches!(feed, ColumnSource::Constant(_) | ColumnSource::Null)
                && self.options.folders.iter().any(|told| **told == **name)
        });
        let told: Vec<String> = told.map(|(_, name, _)| name.to_string()).collect();
        let is = if told.len() == 1 { "is" } else { "are" };
        (!told.is_empty())
            .then(|| format!("{} {is} taken from the names of folders", enumerated(&told, "and")))
    }

    /// What there is to say of a column that may tell the zone of the times, which nothing reads.
    fn zone_passed_over(&self) -> Option<String> {
        let time = self.time()?;
        let written = self.times.get(time)?.deduced_unit().is_none() && self.settings.time.unit.is_none();
        let (_, mapping) = self.mapping.as_ref()?;
        let from_input = mapping
            .columns
            .iter()
            .any(|(_, name, feed)| **name == *time && matches!(feed, ColumnSource::Source(_)));
        let zone = self.unused.iter().find(|name| is_zone_name(&plain(name)))?;
        (written && from_input && self.settings.time.zone.is_none()).then(|| {
            format!(
                "times without an offset were read as UTC, whatever {:?} says: --timezone ZONE reads them in another zone",
                zone.trim()
            )
        })
    }

    /// What there is to say of how many rows: implausible ones that were let through, and values
    /// that became null.
    pub fn findings(&self) -> Findings {
        let implausible =
            |(what, rows): (&String, &u64)| (format!("implausible, not rejected for that: {what}"), *rows);
        let mut findings: Findings = self.findings.iter().map(implausible).collect();
        for (name, nulled) in &self.nulled {
            nulled.tell(name, &mut findings);
        }
        let Told { same, others } = self.content.shared();
        for (what, rows) in [(SHARED, same), (CUT, others)].into_iter().filter(|(_, rows)| *rows > 0) {
            findings.insert(what.to_owned(), rows);
        }
        findings
    }

    fn mapping_of(&mut self, source: &RecordBatch) -> Result<Arc<Mapping>> {
        let schema = source.schema_ref();
        if let Some((known, mapping)) = &self.mapping
            && (Arc::ptr_eq(known, schema) || known == schema)
        {
            return Ok(mapping.clone());
        }
        let mut options = self.options.clone();
        let names = Names::new(schema.fields().iter().map(|f| f.name().as_str()));
        options.maps.extend(self.pinned.iter().filter(|(_, source)| names.has_source(source)).cloned());
        let (clocks, settings) = (self.clocks.clone(), self.settings.clone());
        let minutes = self.minutes.clone();
        let look = |index: usize| match clocks.get(names.all[index]) {
            // What the first rows have told stays so.
            Some(form) => Look::Clocks(*form, false),
            None => match minutes.iter().any(|name| *name == names.all[index]) {
                true => Look::Minutes,
                false => daytime::look(source.column(index), names.plain(index), &settings.nulls),
            },
        };
        let mapping = Arc::new(self.resolved(schema, &look, &options)?);
        let shown = |index: usize| names.all[index].to_owned();
        for (_, name, feed) in &mapping.columns {
            let ColumnSource::Source(index) = feed else { continue };
            if self.pinned.iter().any(|(pinned, _)| **pinned == **name) {
                continue;
            }
            let place = match index.checked_sub(names.all.len()).and_then(|join| mapping.joins.get(join)) {
                None => shown(*index),
                Some(join) => match join.day {
                    Day::Source(day) => format!("{}+{}", shown(day), shown(join.clock)),
                    Day::Constant(_) => continue,
                },
            };
            self.pinned.push((name.to_string(), place));
        }
        for join in &mapping.joins {
            self.clocks.insert(names.all[join.clock].to_owned(), join.form);
            self.minutes.extend(join.minutes.map(|index| names.all[index].to_owned()));
        }
        self.unused.clone_from(&mapping.unused);
        self.others = match &self.names {
            Some(first) => others(&mapping, schema, first),
            None => Vec::new(),
        };
        let names = || schema.fields().iter().map(|field| field.name().clone()).collect();
        self.names.get_or_insert_with(names);
        self.unused.retain(|name| !self.others.iter().any(|other| other.name == *name));
        self.unmapped_targets.clone_from(&mapping.unmapped_targets);
        self.empty.clone_from(&mapping.empty);
        self.mapping = Some((schema.clone(), mapping.clone()));
        Ok(mapping)
    }

    /// A column for JSON: values of a JSON input as JSON texts, and whether the texts are others, of which
    /// nobody knows whether they are JSON.
    fn json(&self, given: ArrayRef, schema: &Schema, index: usize, name: &str) -> (ArrayRef, bool) {
        // A letter of an earlier version has JSON in quotes.
        let own = self.readings.is_own_text(name).unwrap_or(self.origin.past.is_some());
        if own || !is_marked(schema) {
            return (given, true);
        }
        match given.as_string_opt::<i32>() {
            Some(texts) => (Arc::new(json_texts(schema.field(index), texts)), false),
            None => (given, true),
        }
    }

    /// The rows with the values of a column that has another name in some of them in one place.
    fn coalesced(&mut self, source: &RecordBatch, faults: &mut Faults) -> Result<RecordBatch> {
        let mut columns = source.columns().to_vec();
        let mut any = false;
        for other in &self.others {
            let second = source.column(other.index).clone();
            let first = columns[other.main].clone();
            let (Some(firsts), Some(seconds)) = (Texts::of(&first), Texts::of(&second)) else { continue };
            if second.null_count() == second.len() {
                continue;
            }
            any = true;
            let main = source.schema_ref().field(other.main).name().clone();
            self.twofold.entry(other.column.clone()).or_insert_with(|| (main.clone(), other.name.clone()));
            let value = |row: usize| match (firsts.get(row), seconds.get(row)) {
                (Some(one), Some(two)) if one.trim() != two.trim() && !other.worse => {
                    faults.add(row, &other.column, "two_values", || {
                        format!("{} has two values, one as {main} and one as {}", other.column, other.name)
                    });
                    // Both, so that a replay does not choose one of them.
                    let both = || Cow::Owned(format!("{one} as {main}, {two} as {}", other.name));
                    Some(if other.is_text { Cow::Borrowed(one) } else { both() })
                }
                (one, two) => one.or(two).map(Cow::Borrowed),
            };
            columns[other.main] = Arc::new((0..source.num_rows()).map(value).collect::<StringArray>());
        }
        if !any {
            return Ok(source.clone());
        }
        let fields: Vec<Field> = source
            .schema_ref()
            .fields()
            .iter()
            .zip(&columns)
            .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
            .collect();
        let schema = Schema::new_with_metadata(fields, source.schema_ref().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|e| Error::Internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }

    /// The rows with the columns behind them that are made of two, where there are such.
    fn joined(&mut self, mapping: &Mapping, source: &RecordBatch) -> Result<RecordBatch> {
        if mapping.joins.is_empty() {
            return Ok(source.clone());
        }
        let mut fields: Vec<FieldRef> = source.schema_ref().fields().iter().cloned().collect();
        let mut columns = source.columns().to_vec();
        for join in &mapping.joins {
            let named = |index: usize| source.schema_ref().field(index).name().trim().to_owned();
            let made = daytime::join(join, source.columns(), source.num_rows());
            let (day, clock) = (
                match &join.day {
                    Day::Source(day) => named(*day),
                    Day::Constant(day) => day.clone(),
                },
                named(join.clock),
            );
            let both = match join.minutes {
                Some(minutes) => format!("{day}, {clock} and {}", named(minutes)),
                None => format!("{day} and {clock}"),
            };
            if !self.notes.iter().any(|note| note.starts_with(&format!("{both} are read together")))
                && let Some(example) =
                    Texts::of(&made).and_then(|texts| texts.iter().flatten().next().map(str::to_owned))
            {
                let told = match &join.day {
                    Day::Constant(day) => {
                        format!(" ({day} is the date in the name of the file or of its folder)")
                    }
                    Day::Source(_) => String::new(),
                };
                self.notes
                    .push(format!("{both} are read together as one time, the first as {example}{told}"));
            }
            fields.push(Arc::new(Field::new(format!("{day}+{clock}"), DataType::Utf8, true)));
            columns.push(made);
        }
        let schema = Schema::new_with_metadata(fields, source.schema_ref().metadata().clone());
        RecordBatch::try_new(Arc::new(schema), columns)
            .map_err(|e| Error::Internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }

    fn columns(
        &mut self,
        mapping: &Mapping,
        source: &RecordBatch,
        faults: &mut Faults,
    ) -> Result<RecordBatch> {
        let rows = source.num_rows();
        let settings = self.settings.clone();
        let mut made: Vec<Option<ArrayRef>> = vec![None; mapping.columns.len()];
        self.nulled_now.clear();
        let series = self.series(mapping, source);
        let keeps_given = self.keeps_given();
        self.given.clear();
        let numbers = mapping.columns.iter().filter_map(|(column, name, feed)| match feed {
            ColumnSource::Source(index) if column.kind.is_number() && self.readings.signs(name).is_none() => {
                strings(source, *index)
            }
            _ => None,
        });
        let numbers: Vec<ArrayRef> = numbers.collect();
        self.signs.look(&numbers.iter().filter_map(Texts::of).collect::<Vec<_>>());
        for (at, (place, (column, name, feed))) in made.iter_mut().zip(&mapping.columns).enumerate() {
            if matches!(feed, ColumnSource::Constant(_))
                && let Some(made) = self.constants.get(name).filter(|made| made.len() >= rows)
            {
                *place = Some(made.slice(0, rows));
                continue;
            }
            let given: ArrayRef = match feed {
                ColumnSource::Source(index) => {
                    if keeps_given {
                        current::keep(&mut self.given, at, source.column(*index));
                    }
                    source.column(*index).clone()
                }
                ColumnSource::Constant(text) => {
                    Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)))
                }
                ColumnSource::Null => Arc::new(StringArray::new_null(rows)),
                ColumnSource::Derived(_) => continue,
            };
            let constant = matches!(feed, ColumnSource::Constant(_));
            let (given, is_text) = match feed {
                ColumnSource::Source(index) if column.kind == Kind::Json => {
                    self.json(given, source.schema_ref(), *index, name)
                }
                _ => (given, true),
            };
            // What has a type of its own is no JSON in quotes: a time is a JSON string.
            let of_time = is_text && column.kind == Kind::Json && given.data_type().is_temporal();
            let readings = &self.readings;
            let times = self.times.entry(name.clone()).or_insert_with(|| match constant {
                true => TimeReader::new(settings.time.clone()),
                false => readings.times(name),
            });
            let how = readings.of(name);
            // What a flag says is meant.
            let none = NullTokens::default();
            let (nulls, keep_case) = match constant {
                true => (&none, settings.keep_case),
                false => (&how.nulls, how.keep_case),
            };
            let (mut own, mut nulled) = (Faults::default(), Nulled::default());
            let mut remembered = readings.signs(name);
            let separators = match &mut remembered {
                _ if constant => None,
                Some(remembered) => remembered.as_mut(),
                None => Some(&mut self.signs),
            };
            let mut conversion = Conversion {
                column,
                name,
                nulls,
                times,
                keep_case,
                folds: self.folds.entry(name.clone()).or_default(),
                wide: settings.dataset.signature.is_empty(),
                series: &series,
                telling_key: !settings.dataset.signature.is_empty(),
                separators,
                strings: match feed {
                    ColumnSource::Source(index) if column.kind.is_number() || column.kind == Kind::Nanos => {
                        StringRows::of(source.schema_ref(), *index)
                    }
                    _ => StringRows::All,
                },
                faults: if constant { &mut own } else { faults },
                nulled: &mut nulled,
            };
            let converted = conversion.run(&given).map_err(|unreadable| {
                let named = match feed {
                    ColumnSource::Source(index) => source.schema_ref().field(*index).name().clone(),
                    _ => name.to_string(),
                };
                let what = match unreadable {
                    Unreadable::Type(CastError(what)) => {
                        format!("column {named:?} {what}; map another one to {name}: --map {name}=COLUMN")
                    }
                    Unreadable::DateOrder(doubt) => format!(
                        "none of the first rows settles the order of the dates in column {named:?}: each {doubt}"
                    ),
                };
                Error::Usage(what).at(&self.origin.source)
            })?;
            let converted = match Texts::of(&converted).filter(|_| of_time) {
                Some(texts) => {
                    let quoted = texts.iter().map(|text| text.map(|text| format!("\"{text}\"")));
                    Arc::new(quoted.collect::<StringArray>()) as ArrayRef
                }
                None => converted,
            };
            if column.kind == Kind::Json
                && is_text
                && !constant
                && let Some(texts) = Texts::of(&converted)
            {
                for (row, text) in texts.iter().enumerate() {
                    if text.is_some_and(|text| !is_json(text)) {
                        faults.add(row, name, "22P02", || format!("{name} is not JSON"));
                    }
                }
            }
            if !constant && !nulled.is_empty() {
                self.nulled_now.push((name.clone(), nulled));
            }
            if matches!(column.kind, Kind::Symbol | Kind::UpperSymbol) && !constant {
                self.codes.entry(name.clone()).or_default().look(&given, &converted);
            }
            if let (ColumnSource::Source(_), "tenant_id", Some(tenant)) = (feed, &**name, &settings.tenant) {
                let texts = Texts::of(&converted);
                for row in 0..rows {
                    if texts.and_then(|t| t.get(row)).is_some_and(|t| !t.eq_ignore_ascii_case(tenant)) {
                        faults.refuse(row, name, "wrong_tenant", || {
                            "tenant_id is another one than --tenant".to_owned()
                        });
                    }
                }
            }
            if let (ColumnSource::Constant(text), Some(reason)) = (feed, own.of(0)) {
                return Err(Error::Usage(format!("--set {name}={text}: {}", reason.message)));
            }
            *place = Some(if constant {
                let empty = column.derive == Some(Derivation::Empty) && settings.target.refuses_null(name);
                let converted = if empty { or_empty(&converted) } else { converted };
                let column = dictionary::constant(&converted);
                self.constants.insert(name.clone(), column.clone());
                column
            } else {
                converted
            });
        }
        // The tenant goes before what the name of a file, a folder or a dead letter says: such rows are
        // refused, like those that say another one themselves.
        if let Some(tenant) = &settings.tenant {
            let other = |text: &str| match (Uuid::try_parse(text.trim()), Uuid::try_parse(tenant)) {
                (Ok(text), Ok(tenant)) => text != tenant,
                _ => !text.trim().eq_ignore_ascii_case(tenant),
            };
            let told = mapping.columns.iter().find(|(_, name, _)| **name == *"tenant_id");
            if let Some((_, name, ColumnSource::Constant(text))) = told
                && other(text)
            {
                for row in 0..rows {
                    faults.refuse(row, name, "wrong_tenant", || {
                        "tenant_id is another one than --tenant".to_owned()
                    });
                }
            }
        }
        for index in 0..made.len() {
            let (column, name, feed) = &mapping.columns[index];
            let given = made[index].clone();
            let derive = match (feed, column.derive) {
                (ColumnSource::Derived(derive), _) => *derive,
                (_, Some(derive @ Derivation::Article { .. })) => derive,
                (_, Some(Derivation::ContentHash)) if has_null(given.as_ref()) => Derivation::ContentHash,
                _ => continue,
            };
            let array = self.derive(derive, given, mapping, &mut made, rows)?;
            if matches!(derive, Derivation::Article { .. }) {
                for row in (0..rows).filter(|row| array.is_null(*row)) {
                    faults.add(row, name, "missing_value", || {
                        format!("{name} has no value and none to make it of")
                    });
                }
            }
            made[index] = Some(array);
        }
        // Last, since to what is derived a column that is empty and one that is missing are the same.
        for (place, (column, name, _)) in made.iter_mut().zip(&mapping.columns) {
            if column.derive == Some(Derivation::Empty)
                && settings.target.refuses_null(name)
                && let Some(array) = place.as_ref().filter(|array| array.null_count() > 0)
            {
                *place = Some(or_empty(array));
            }
        }
        let arrays: Vec<ArrayRef> = made.into_iter().flatten().collect();
        if arrays.is_empty() {
            let found = list(source.schema_ref().fields().iter().map(|f| f.name().as_str()));
            return Err(Error::Usage(format!(
                "{}: none of its columns goes into {}: found {found}; name one with --map TARGET=COLUMN",
                self.origin.source, settings.target.table
            )));
        }
        let same = self.output.as_ref().is_some_and(|s| {
            s.fields().len() == arrays.len()
                && s.fields().iter().zip(&arrays).zip(&mapping.columns).all(|((f, a), (_, name, _))| {
                    f.data_type() == a.data_type() && f.name().as_str() == &**name
                })
        });
        if !same {
            let fields = mapping.columns.iter().zip(&arrays);
            let fields: Vec<Field> = fields
                .map(|((column, name, _), a)| {
                    let field = Field::new(name.as_ref(), a.data_type().clone(), true);
                    if column.kind == Kind::Json { json_row::marked_as_json(field) } else { field }
                })
                .collect();
            self.output = Some(Arc::new(Schema::new(fields)));
        }
        let schema = self.output.clone().unwrap_or_else(|| Arc::new(Schema::empty()));
        RecordBatch::try_new(schema, arrays)
            .map_err(|e| Error::Internal(format!("{}: columns do not fit together: {e}", self.origin.source)))
    }

    /// The columns of the input that name the series of a row, where the order of its rows matters.
    fn series(&self, mapping: &Mapping, source: &RecordBatch) -> Vec<ArrayRef> {
        const NAMES: [&str; 5] = ["symbol", "exchange", "vendor", "timeframe", "interval"];
        let ours = !self.settings.dataset.signature.is_empty();
        let names_one = |column: &Column, name: &str| match column.kind {
            Kind::Symbol | Kind::UpperSymbol => true,
            Kind::Text | Kind::Words | Kind::OptionType if !ours => {
                self.settings.target.key.iter().any(|key| key == name)
            }
            _ => NAMES.contains(&name),
        };
        let of = |(column, name, feed): &(Column, Arc<str>, ColumnSource)| match feed {
            ColumnSource::Source(index) if names_one(column, name) => Some(source.column(*index).clone()),
            _ => None,
        };
        mapping.columns.iter().filter_map(of).collect()
    }

    fn derive(
        &mut self,
        derive: Derivation,
        given: Option<ArrayRef>,
        mapping: &Mapping,
        made: &mut [Option<ArrayRef>],
        rows: usize,
    ) -> Result<ArrayRef> {
        let index = |name: &str| mapping.columns.iter().position(|(c, ..)| c.name == name);
        let column = |made: &[Option<ArrayRef>], name: &str| index(name).and_then(|i| made[i].clone());
        match derive {
            Derivation::NanosOf(name) => {
                let times = column(made, name);
                Ok(Arc::new(match times.as_ref().and_then(|times| Values::of(times)) {
                    Some(Values::Instant(times)) => times.unary(|nanos| nanos.rem_euclid(1000)),
                    // Times that nanoseconds do not hold have none.
                    Some(Values::Far(times)) => times.unary(|_| 0),
                    _ => Int64Array::new_null(rows),
                }))
            }
            Derivation::Article { told_by, apart } => {
                let key = &self.settings.target.key;
                let by_id_alone = key.iter().any(|name| name == "id")
                    && !apart.iter().all(|name| key.iter().any(|other| other == name));
                let given = given.as_ref().and_then(Texts::of);
                let sources: Vec<ArrayRef> = told_by.iter().filter_map(|n| column(made, n)).collect();
                let texts: Vec<Texts<'_>> = sources.iter().filter_map(Texts::of).collect();
                let apart = apart.map(|name| column(made, name));
                let [vendors, symbols] = apart.each_ref().map(|array| array.as_ref().and_then(Texts::of));
                fn text<'a>(of: Option<&Texts<'a>>, row: usize) -> &'a str {
                    of.and_then(|texts| texts.get(row)).unwrap_or("")
                }
                let mut ids = StringBuilder::with_capacity(rows, rows * 36);
                for row in 0..rows {
                    let (vendor, symbol) = (text(vendors.as_ref(), row), text(symbols.as_ref(), row));
                    let said = given.as_ref().and_then(|texts| texts.get(row));
                    let id = match said.map(|said| (said, uuid::Uuid::try_parse(said))) {
                        Some((_, Ok(id))) if by_id_alone => Some(self.articles.id(id, vendor, symbol)),
                        Some((_, Ok(id))) => Some(id),
                        Some((said, Err(_))) => Some(article_id(article(said), vendor, symbol)),
                        None => {
                            let told = texts.iter().find_map(|texts| texts.get(row));
                            told.map(|told| article_id(article(told), vendor, symbol))
                        }
                    };
                    match id {
                        Some(id) => ids.append_value(id.hyphenated().encode_lower(&mut [0; 36])),
                        None => ids.append_null(),
                    }
                }
                Ok(Arc::new(ids.finish()))
            }
            Derivation::Empty => {
                let empty: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n("", rows)));
                Ok(dictionary::constant(&empty))
            }
            Derivation::ContentHash => {
                // Everything that the source says of the row; tags are places in the dataset.
                let content: Vec<(u8, &ArrayRef)> = mapping
                    .columns
                    .iter()
                    .zip(made.iter())
                    .filter(|((column, _, feed), _)| {
                        !matches!(feed, ColumnSource::Derived(_))
                            && column.derive != Some(Derivation::ContentHash)
                    })
                    .filter_map(|((c, ..), a)| {
                        let tag = self.settings.dataset.columns.iter().position(|d| d.name == c.name)?;
                        Some((tag as u8, a.as_ref()?))
                    })
                    .collect();
                let time = self.settings.dataset.time.as_deref().and_then(|name| column(made, name));
                let given = given.as_ref().and_then(Texts::of);
                Ok(Arc::new(self.content.ids(&content, time.as_ref(), given, rows)))
            }
            Derivation::SpacingOf(name) => {
                if self.settings.sparse {
                    return Err(self.no_timeframe());
                }
                if self.timeframe.is_none() {
                    let times = column(made, name);
                    let symbols = column(made, "symbol");
                    if let Some(times) =
                        times.as_ref().and_then(|t| t.as_primitive_opt::<TimestampNanosecondType>())
                    {
                        self.spacings.look(times, symbols.as_ref().and_then(Texts::of));
                    }
                    match self.spacings.timeframe() {
                        Some(Ok(deduced)) => {
                            self.notes.push(format!("timeframe is {deduced}, from the spacing of the rows"));
                            self.timeframe = Some(deduced);
                        }
                        Some(Err(_)) => return Err(self.no_timeframe()),
                        None => self.spacing_unknown = true,
                    }
                }
                let text = self.timeframe.as_deref().unwrap_or_default();
                let same: ArrayRef = Arc::new(StringArray::from_iter_values(std::iter::repeat_n(text, rows)));
                Ok(dictionary::constant(&same))
            }
        }
    }

    /// The columns by whose values rows are told apart, as far as these rows have them; `None` where each
    /// row is itself only, or the store alone can tell.
    pub fn key_of<'k>(&'k self, columns: &RecordBatch) -> Option<Vec<&'k str>> {
        let (parts, ..) = self.key_parts(columns).ok()?;
        Some(parts.into_iter().map(|(name, ..)| name).collect())
    }

    /// The parts of the key with how the store holds them, or how identities are made where rows cannot be
    /// told apart by their values.
    fn key_parts<'k, 'c>(
        &'k self,
        columns: &'c RecordBatch,
    ) -> std::result::Result<KeyParts<'k, 'c>, MakeIdentities> {
        let target = &self.settings.target;
        let (key, nulls) = target.key_of(|name| columns.column_by_name(name).is_some());
        let mut parts = Vec::with_capacity(key.len());
        for name in key {
            let floor = columns.column_by_name(&format!("{name}_ns")).is_some();
            match (columns.column_by_name(name), target.column(name)) {
                (Some(_), Some(column)) if column.grain == KeyPrecision::Opaque => {
                    return Err(identity::of_opaque);
                }
                (Some(array), column) => {
                    parts.push((
                        name.as_str(),
                        array,
                        column.map_or(KeyPrecision::Exact, |c| c.grain),
                        floor,
                    ));
                }
                // The same in every row of the run.
                (None, _) if name == "tenant_id" => {}
                (None, Some(column)) if column.constant_default => {}
                (None, Some(column)) if column.nullable && !column.has_default => match nulls {
                    KeyNulls::Alike => {}
                    KeyNulls::Apart | KeyNulls::Never => return Err(identity::of_ordinals),
                },
                (None, _) => return Err(identity::of_opaque),
            }
        }
        if parts.is_empty() { Err(identity::of_ordinals) } else { Ok((parts, nulls)) }
    }

    /// The rows' identities, and whether each is that of a key, by which the row is known again.
    fn identities(&self, columns: &RecordBatch, rows: &[u64]) -> (Vec<Identity>, bool) {
        let (named, nulls) = match self.key_parts(columns) {
            Ok(parts) => parts,
            Err(make) => return (make(&self.origin, rows), false),
        };
        let parts: Vec<(&ArrayRef, KeyPrecision, bool)> =
            named.iter().map(|(_, array, grain, floor)| (*array, *grain, *floor)).collect();
        let mut identities = identity::of_stored_keys(&parts, rows.len());
        let (key, _) = self.settings.target.key_of(|name| columns.column_by_name(name).is_some());
        if key.iter().any(|name| matches!(name.as_str(), "timeframe" | "interval")) {
            identity::side_by_side(&mut identities, &parts);
        }
        if nulls == KeyNulls::Apart && parts.iter().any(|(array, ..)| array.null_count() > 0) {
            let own = identity::of_ordinals(&self.origin, rows);
            for (row, own) in own.into_iter().enumerate() {
                if parts.iter().any(|(array, ..)| array.is_null(row)) {
                    identities[row] = own;
                }
            }
            return (identities, false);
        }
        (identities, true)
    }

    /// Whether the order of rows with those columns counts.
    fn order(&self, columns: &RecordBatch, whole: bool) -> Order {
        let settings = &self.settings;
        let brings = |name: &str| {
            columns.column_by_name(name).is_some() || name == "tenant_id" && settings.tenant.is_some()
        };
        match (settings.one_lane || settings.target.is_ordered(brings), whole) {
            (false, _) => Order::Any,
            (true, false) => Order::Input,
            (true, true) => Order::Again,
        }
    }

    /// Rows at fault: each column as it was understood, and those that were not as the input's own text.
    /// What of the input a replay makes the column of again, where it is made of the whole row: the
    /// text that the input has, or nothing.
    fn made_of<'t>(&self, column: &Column, given: Option<Texts<'t>>, row: usize) -> Option<Option<&'t str>> {
        let said = given?.get(row);
        let text = said.map(str::trim).filter(|text| !text.is_empty() && !self.settings.nulls.matches(text));
        match (column.derive, text) {
            (Some(Derivation::ContentHash | Derivation::Article { .. }), None) => Some(None),
            // A UUID stays, unless another row has it already.
            (Some(Derivation::Article { .. }), Some(text)) if uuid::Uuid::try_parse(text).is_err() => {
                Some(Some(text))
            }
            _ => None,
        }
    }

    fn rejects(
        &self,
        mapping: &Mapping,
        source: &RecordBatch,
        columns: &RecordBatch,
        rows: &[u64],
        faults: &Faults,
    ) -> Vec<Reject> {
        if faults.is_empty() {
            return Vec::new();
        }
        let texts: Vec<Option<Texts<'_>>> = source.columns().iter().map(Texts::of).collect();
        let item = |row: usize| {
            let unread = faults.unread(row);
            let mut out = String::from("{");
            let understood = columns.schema_ref().fields().iter().zip(columns.columns());
            for ((column, name, feed), (field, made)) in mapping.columns.iter().zip(understood) {
                let again = match feed {
                    ColumnSource::Source(index) => self.made_of(column, texts[*index], row),
                    _ => None,
                };
                match feed {
                    _ if again.is_some() => {
                        if let Some(text) = again.flatten() {
                            json_row::begin_field(&mut out, name);
                            json_row::write_text(text, &mut out);
                        }
                    }
                    ColumnSource::Source(index) if unread.iter().any(|(unread, _)| unread == name) => {
                        json_row::begin_field(&mut out, name);
                        match texts[*index].and_then(|t| t.get(row)) {
                            Some(text)
                                if column.kind.is_number() && json_row::is_number_everywhere(text.trim()) =>
                            {
                                out.push_str(text.trim());
                            }
                            _ => json_row::write_value(source.column(*index), row, &mut out),
                        }
                    }
                    ColumnSource::Source(_) | ColumnSource::Null => {
                        json_row::begin_field(&mut out, name);
                        json_row::write_understood(field, made, row, &mut out);
                    }
                    ColumnSource::Constant(text) if text != NO_TENANT => {
                        json_row::begin_field(&mut out, name);
                        json_row::write_understood(field, made, row, &mut out);
                    }
                    // Alone, the row would not tell it again.
                    ColumnSource::Derived(Derivation::SpacingOf(_)) => {
                        if let Some(timeframe) = &self.timeframe {
                            json_row::begin_field(&mut out, name);
                            json_row::write_text(timeframe, &mut out);
                        }
                    }
                    _ => {}
                }
            }
            out.push('}');
            out
        };
        let mut readings: HashMap<&[(Arc<str>, &'static str)], Arc<Reading>> = HashMap::new();
        let mut rejects = Vec::new();
        for (row, reason) in faults.sorted() {
            let unread = faults.unread(row);
            let reading =
                readings.entry(unread).or_insert_with(|| Arc::new(self.reading_of(mapping, unread)));
            rejects.push(Reject {
                stage: Stage::Validate,
                reason,
                origin: self.origin.clone(),
                row: rows[row],
                remains: RejectedData::Item(item(row)),
                reading: Some(reading.clone()),
                attempts: 1,
            });
        }
        rejects
    }

    /// What stands before the decimals of that column's numbers, where others told it.
    fn decimal_of(&self, name: &str) -> Option<String> {
        let own = self.settings.dataset.column(name).map(|column| column.kind);
        let kind = own.or_else(|| self.settings.target.column(name).map(|column| column.kind))?;
        let decimal = self.signs.learned().filter(|_| kind.is_number())?;
        Some(decimal.sign().to_string())
    }

    /// How a row is to be read of which those columns were not.
    fn reading_of(&self, mapping: &Mapping, unread: &[(Arc<str>, &'static str)]) -> Reading {
        // An epoch that speaks for another unit than its neighbours is not read by theirs. (That it has no
        // value is noted too.)
        let other = |name: &str| unread.iter().any(|(of, code)| &**of == name && *code == "timestamp_unit");
        let forms = unread.iter().filter_map(|(name, _)| {
            let form = form_of(self.times.get(name)?, !other(name));
            let form = Form { decimal: self.decimal_of(name), ..form };
            (!form.is_empty()).then(|| (name.to_string(), form))
        });
        let mut columns: Vec<String> = unread.iter().map(|(name, _)| name.to_string()).collect();
        columns.extend(current::words(mapping));
        let mut named = HashSet::new();
        columns.retain(|name| named.insert(name.clone()));
        let mut reading = self.readings.note(Some(columns), forms.collect());
        // Nor by the unit that was given for all of them.
        if unread.iter().any(|(_, code)| *code == "timestamp_unit") {
            reading.unit = None;
        }
        reading
    }
}

/// The same rows with all columns of that schema, of which they have the first: without values in the others.
fn widened(rows: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    let own = rows.schema_ref().fields();
    let begins = schema.fields().iter().zip(own).all(|(one, other)| one.name() == other.name());
    if !begins || schema.fields().len() <= own.len() {
        return Ok(rows.clone());
    }
    let more = schema.fields().iter().skip(own.len());
    let columns = more.clone().map(|field| new_null_array(field.data_type(), rows.num_rows()));
    let fields: Vec<_> = own.iter().chain(more).cloned().collect();
    let wide = Schema::new_with_metadata(fields, schema.metadata().clone());
    RecordBatch::try_new(Arc::new(wide), rows.columns().iter().cloned().chain(columns).collect())
        .map_err(|error| Error::Internal(format!("rows of fewer columns do not fit: {error}")))
}

/// The texts of a column that tell how numbers are written: the strings of JSON, not its numbers.
fn strings(source: &RecordBatch, column: usize) -> Option<ArrayRef> {
    let array = source.column(column);
    let texts = Texts::of(array)?;
    match StringRows::of(source.schema_ref(), column) {
        StringRows::All => Some(array.clone()),
        StringRows::These(rows) if rows.is_empty() => None,
        StringRows::These(rows) => {
            let some = (0..texts.len()).map(|row| texts.get(row).filter(|_| rows.contains(&row)));
            Some(Arc::new(some.collect::<StringArray>()))
        }
    }
}

fn has_null(array: Option<&ArrayRef>) -> bool {
    array.is_some_and(|array| array.logical_null_count() > 0)
}

/// The texts, the empty one where there is none.
fn or_empty(array: &ArrayRef) -> ArrayRef {
    match Texts::of(array) {
        Some(texts) => Arc::new(StringArray::from_iter_values(texts.iter().map(Option::unwrap_or_default))),
        None => array.clone(),
    }
}

/// Names that turn up in later rows for columns that are there by another one. A single letter in another
/// case is another field: in the streams of exchanges `t` and `T` are two times.
fn others(mapping: &Mapping, schema: &SchemaRef, first: &HashSet<String>) -> Vec<Other> {
    let later = mapping.unused.iter().filter(|name| !first.contains(*name));
    let found = later.filter_map(|name| {
        let index = schema.index_of(name).ok()?;
        mapping.columns.iter().find_map(|(column, canonical, feed)| {
            let ColumnSource::Source(main) = feed else { return None };
            let known = schema.fields().get(*main)?.name();
            let letter = known.chars().count() == 1 && known.eq_ignore_ascii_case(name);
            let rank = rank(column, name).filter(|_| !letter)?;
            // A name that is not the column's best gives way to the better one.
            let worse = self::rank(column, known).is_some_and(|known| known < rank);
            let is_text = !(column.kind.is_number() || matches!(column.kind, Kind::Timestamp | Kind::Date));
            Some(Other { main: *main, index, name: name.clone(), column: canonical.clone(), worse, is_text })
        })
    });
    found.collect()
}

/// How well a name fits a column, the best first, in whatever writing.
fn rank(column: &Column, name: &str) -> Option<u8> {
    let name = plain(name);
    if name.is_empty() {
        None
    } else if name == plain(&column.name) {
        Some(0)
    } else {
        column.synonyms.iter().any(|synonym| name == plain(synonym)).then_some(1)
    }
}

fn without(columns: &RecordBatch, rows: &[u64], faults: &Faults) -> Result<(RecordBatch, Vec<u64>)> {
    let keep: BooleanArray = (0..rows.len()).map(|row| Some(faults.of(row).is_none())).collect();
    let filter = FilterBuilder::new(&keep).optimize().build();
    let kept = filter
        .filter_record_batch(columns)
        .map_err(|e| Error::Internal(format!("rows cannot be set aside: {e}")))?;
    let numbers =
        rows.iter().enumerate().filter(|(row, _)| faults.of(*row).is_none()).map(|(_, n)| *n).collect();
    Ok((kept, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::target::{KeyPrecision, TargetColumn};
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
            name_pattern: None,
            time: TimeOptions::default(),
            nulls: NullTokens::default(),
            keep_case: false,
            decimal: None,
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
