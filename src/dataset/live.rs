//! The table as it is now: a store that finds it changed says so here, and the mapping follows.
//!
//! Rows that are under way then were mapped for the table as it was. Where the kinds of columns come from
//! the table (`--table`), their batches keep what the input gave, so that a column of another kind is made
//! anew from that, as a load that began now would make it.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};

use crate::batch::{Batch, Reason};
use crate::dataset::convert::{CastError, Conversion, Unreadable};
use crate::dataset::describe::{Column, Dataset, Kind, Requirement};
use crate::dataset::faults::Faults;
use crate::dataset::folds::Folds;
use crate::dataset::json_row::marked_as_json;
use crate::dataset::json_text::StringRows;
use crate::dataset::mapping::of_table;
use crate::dataset::nulls::Nulled;
use crate::dataset::reading::How;
use crate::dataset::separators::Separators;
use crate::dataset::target::Target;
use crate::dataset::time::TimeReader;
use crate::model::text::Texts;

/// Has the store look at the table now, and waits until it has.
type Look = Box<dyn Fn() + Send + Sync>;

/// A table, with the dataset that such a one is by itself where that was asked for.
type Version = (Arc<Target>, Option<Arc<Dataset>>);

/// A table that others may change while rows are on their way to it.
///
/// The store that writes there tells what it has become, whenever it finds out; the mapping reads the
/// version with every batch, and the target where that is another one than before. Rows that are about
/// to be refused for what the table is like are worth a [`look`](Self::look).
pub struct LiveTarget {
    version: AtomicU64,
    /// What it has been, the first first. Each with the dataset that such a table is by itself, made where
    /// it is asked for.
    versions: Mutex<Vec<Version>>,
    reading: OnceLock<How>,
    look: OnceLock<Look>,
    /// What values of rows under way have lost, one sentence each, and whether it has been taken.
    lost: Mutex<BTreeMap<String, bool>>,
}

impl LiveTarget {
    /// The table as it was found first.
    pub fn new(target: Target) -> Self {
        Self {
            version: AtomicU64::new(0),
            versions: Mutex::new(vec![(Arc::new(target), None)]),
            reading: OnceLock::new(),
            look: OnceLock::new(),
            lost: Mutex::default(),
        }
    }

    /// How often it has changed.
    pub fn version(&self) -> u64 {
        self.version.load(Ordering::Acquire)
    }

    fn at<T>(
        &self,
        version: u64,
        of: impl FnOnce(&mut (Arc<Target>, Option<Arc<Dataset>>)) -> T,
    ) -> Option<T> {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        usize::try_from(version).ok().and_then(|at| versions.get_mut(at)).map(of)
    }

    /// The table as it was in that version.
    pub fn target(&self, version: u64) -> Option<Arc<Target>> {
        self.at(version, |(target, _)| target.clone())
    }

    /// The dataset that the table was by itself in that version.
    pub fn dataset(&self, version: u64) -> Option<Arc<Dataset>> {
        self.at(version, |(target, dataset)| {
            dataset.get_or_insert_with(|| Arc::new(of_table(target))).clone()
        })
    }

    /// It was found to be that; returns which version that is.
    pub fn set(&self, target: Target) -> u64 {
        let mut versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        if versions.last().is_none_or(|(known, _)| **known != target) {
            versions.push((Arc::new(target), None));
            self.version.store(versions.len() as u64 - 1, Ordering::Release);
        }
        versions.len() as u64 - 1
    }

    /// How the values of this run are to be read. Only the first one who says so counts.
    pub fn read_by(&self, reading: How) {
        let _ = self.reading.set(reading);
    }

    /// Who looks. Only the first one counts.
    pub fn looked_at_by(&self, look: impl Fn() + Send + Sync + 'static) {
        let _ = self.look.set(Box::new(look));
    }

    /// Looks at the table. Where the store cannot, all stays as it was known.
    pub fn look(&self) {
        if let Some(look) = self.look.get() {
            look();
        }
    }

    /// What values have lost that were made anew, one sentence each; each is given once.
    pub fn take_lost(&self) -> Vec<String> {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = lost.iter_mut().filter(|(_, taken)| !**taken);
        fresh.map(|(sentence, taken)| (*taken = true, sentence.clone()).1).collect()
    }

    fn lose(&self, sentences: impl IntoIterator<Item = String>) {
        let mut lost = self.lost.lock().unwrap_or_else(PoisonError::into_inner);
        for sentence in sentences {
            lost.entry(sentence).or_default();
        }
    }

    /// The batch for the table as it is in that version, and the rows that have no place there; nothing
    /// where it is for that already.
    ///
    /// # Errors
    /// A reason that holds for every row: what was given cannot become what its column is now.
    pub fn refit(&self, batch: &Batch, version: u64) -> Result<Option<Refitted>, Reason> {
        let Some(given) = batch.given.as_ref().filter(|given| given.anew && given.version != version) else {
            return Ok(None);
        };
        let (Some(before), Some(now)) = (self.dataset(given.version), self.dataset(version)) else {
            return Ok(None);
        };
        let fields = batch.columns.schema_ref().fields();
        let mut columns = batch.columns.columns().to_vec();
        let mut faults = Faults::default();
        let mut changed = false;
        for (place, field) in fields.iter().enumerate() {
            let (Some(was), Some(is)) = (before.column(field.name()), now.column(field.name())) else {
                continue;
            };
            if was.kind == is.kind {
                continue;
            }
            let Some(made) = columns.get_mut(place) else { continue };
            *made = self.remade(is, given.columns.get(place).and_then(Option::as_ref), made, &mut faults)?;
            changed = true;
        }
        if !changed {
            return Ok(None);
        }
        let fields = fields.iter().zip(&columns).map(|(field, made)| {
            let made = Field::new(field.name(), made.data_type().clone(), true);
            let json = now.column(field.name()).is_some_and(|column| column.kind == Kind::Json);
            if json { marked_as_json(made) } else { made }
        });
        let fields: Vec<Field> = fields.collect();
        let columns = RecordBatch::try_new(Arc::new(Schema::new(fields)), columns)
            .map_err(|error| Reason::new("bad_type", format!("columns do not fit together: {error}")))?;
        Ok(Some(Refitted { batch: Arc::new(Batch { columns, ..batch.clone() }), refused: faults.sorted() }))
    }

    /// A column of the kind that it is to have now: from what the input gave, else from what was made of
    /// that.
    fn remade(
        &self,
        column: &Column,
        given: Option<&ArrayRef>,
        made: &ArrayRef,
        faults: &mut Faults,
    ) -> Result<ArrayRef, Reason> {
        let plain = How::default();
        let reading = self.reading.get().unwrap_or(&plain);
        let name: Arc<str> = column.name.as_ref().into();
        // Nulls are the store's to judge.
        let column = Column { need: Requirement::Optional, ..column.clone() };
        let mut why = String::new();
        for source in given.into_iter().chain([made]) {
            let (mut own, mut nulled) = (Faults::default(), Nulled::default());
            let mut signs = Separators::told(reading.decimal);
            let numbers = Texts::of(source).filter(|_| column.kind.is_number());
            signs.look(&Vec::from_iter(numbers));
            let mut times = TimeReader::new(reading.time.clone());
            let mut conversion = Conversion {
                column: &column,
                name: &name,
                nulls: &reading.nulls,
                times: &mut times,
                keep_case: reading.keep_case,
                folds: &mut Folds::default(),
                telling_key: false,
                separators: Some(&mut signs),
                scale: None,
                strings: StringRows::All,
                nulled: &mut nulled,
                // As the mapping has it for tables that are none of ours.
                wide: true,
                series: &[],
                faults: &mut own,
            };
            match conversion.run(source) {
                Ok(array) => {
                    faults.take(own);
                    let cut =
                        format!("column {name} is a day now: times of day that its rows have are cut off");
                    self.lose((times.cut() > 0).then_some(cut));
                    let mut words = BTreeMap::new();
                    nulled.tell(&name, &mut words);
                    self.lose(words.into_keys().map(|word| format!("column {word}")));
                    return Ok(array);
                }
                Err(Unreadable::Type(CastError(what))) => why = what,
                Err(Unreadable::DateOrder(doubt)) => {
                    why = format!("holds dates of which none settles the order ({doubt})");
                }
            }
        }
        let message = format!("column {name} of the input {why}");
        Err(Reason::new("bad_type", message).column(name))
    }
}

/// A batch that was made anew for another version of its table.
#[derive(Debug, Clone)]
pub struct Refitted {
    /// The batch, with the same rows.
    pub batch: Arc<Batch>,
    /// Rows of it that are not to be written, ascending.
    pub refused: Vec<(usize, Arc<Reason>)>,
}

impl Refitted {
    /// Why that row is not to be written, if it is not.
    pub fn reason(&self, row: usize) -> Option<&Arc<Reason>> {
        let at = self.refused.binary_search_by_key(&row, |(refused, _)| *refused).ok()?;
        self.refused.get(at).map(|(_, reason)| reason)
    }
}

impl fmt::Debug for LiveTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveTarget").field("version", &self.version()).finish_non_exhaustive()
    }
}
