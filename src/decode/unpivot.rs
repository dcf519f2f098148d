//! Columns that become rows: calls and puts side by side, a column for each ticker, a column for each period.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, StringArray, UInt32Array, new_null_array,
};
use arrow::compute::{interleave, take};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use memchr::memmem;

use crate::dataset::shape;
use crate::decode::{BATCH_ROWS, Broken, DecodeError, Decoder, Passed, RawBatch};
use crate::text::flags::UNPIVOT;
use crate::text::phrases::list;

/// Rows that are held where columns and rows are exchanged.
const MOST_ROWS: usize = 100_000;

/// Bytes that are held then.
const MOST_BYTES: u64 = 64 << 20;

/// How columns become rows: a pattern of their names with the `{COLUMN}` that a part of the name is the value of, and
/// `{}` for the part that is the name of the column in the new row; or `{COLUMN}:LABELS`, where the whole name is the
/// value and the texts in the column LABELS are the names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unpivot {
    text: String,
    key: String,
    /// The values that count; all where there are none.
    values: Vec<String>,
    names: Names,
}

/// Where the names of the new columns come from.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Names {
    /// What stands between these three texts in the old names; `first`: the value stands before the name.
    Parts { before: String, between: String, behind: String, first: bool },
    /// The texts in that column.
    Labels(String),
}

impl Unpivot {
    /// Reads a pattern.
    ///
    /// # Errors
    /// One sentence on what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        const FORM: &str = "a pattern is like {option_type}_{} or {asof}:LABELS";
        let (before, rest) = text.split_once('{').ok_or_else(|| FORM.to_owned())?;
        let (one, rest) = rest.split_once('}').ok_or_else(|| FORM.to_owned())?;
        let (key, names) = match rest.split_once('{') {
            Some((between, rest)) => {
                let (other, behind) = rest.split_once('}').ok_or_else(|| FORM.to_owned())?;
                let (key, first) = match (one.is_empty(), other.is_empty()) {
                    (false, true) => (one, true),
                    (true, false) => (other, false),
                    _ => return Err(FORM.to_owned()),
                };
                if between.is_empty() || behind.contains(['{', '}']) {
                    return Err(format!("two parts of a name need something between them; {FORM}"));
                }
                let parts = [before, between, behind].map(str::to_owned);
                let [before, between, behind] = parts;
                (key, Names::Parts { before, between, behind, first })
            }
            None => match rest.strip_prefix(':') {
                Some(labels) if before.is_empty() && !labels.is_empty() => {
                    (one, Names::Labels(labels.to_owned()))
                }
                _ => return Err(FORM.to_owned()),
            },
        };
        let (key, values) = key
            .split_once('=')
            .map_or((key, Vec::new()), |(key, values)| (key, values.split('|').map(str::to_owned).collect()));
        match key.trim() {
            "" => Err(FORM.to_owned()),
            key => Ok(Self { text: text.to_owned(), key: key.to_owned(), values, names }),
        }
    }

    /// Whether the names of columns are values, as those of periods are.
    pub fn names_are_values(&self) -> bool {
        matches!(self.names, Names::Labels(_))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What the name of a column says: the value of the key, and the name in the new row.
    fn split<'n>(&self, name: &'n str) -> Option<(&'n str, &'n str)> {
        let (value, rest) = match &self.names {
            Names::Labels(_) => (name, ""),
            Names::Parts { before, between, behind, first } => {
                let inner = name.strip_prefix(before.as_str())?.strip_suffix(behind.as_str())?;
                let at = match first {
                    true => memmem::find(inner.as_bytes(), between.as_bytes())?,
                    false => memmem::rfind(inner.as_bytes(), between.as_bytes())?,
                };
                let (one, other) = (inner.get(..at)?, inner.get(at + between.len()..)?);
                if *first { (one, other) } else { (other, one) }
            }
        };
        let told = match (&self.names, self.values.is_empty()) {
            (_, false) => self.values.iter().any(|known| known == value),
            (Names::Labels(_), true) => shape::is_value(value),
            (Names::Parts { .. }, true) => !value.trim().is_empty() && !rest.trim().is_empty(),
        };
        told.then_some((value, rest))
    }

    fn twice(&self, one: &str, other: &str) -> DecodeError {
        DecodeError::Usage(format!(
            "the columns {one:?} and {other:?} would be one and the same value of a row by {UNPIVOT} {}; rename one in the file",
            self.text
        ))
    }

    fn nothing_fits(&self, schema: &Schema) -> DecodeError {
        let names = list(schema.fields().iter().map(|field| field.name().as_str()));
        DecodeError::Usage(format!("no column has a name that fits {UNPIVOT} {}: found {names}", self.text))
    }
}

/// How the columns of one schema become rows.
struct Plan {
    of: SchemaRef,
    /// What each new row has for the key.
    values: Vec<String>,
    /// Names of the new columns, and of each value the column that has them.
    columns: Vec<(String, Vec<Option<usize>>)>,
    /// Columns that all new rows have.
    shared: Vec<usize>,
    schema: SchemaRef,
}

impl Plan {
    fn of(unpivot: &Unpivot, of: &SchemaRef) -> Result<Self, DecodeError> {
        let mut values: Vec<String> = Vec::new();
        let mut columns: Vec<(String, Vec<Option<usize>>)> = Vec::new();
        let mut shared = Vec::new();
        for (index, field) in of.fields().iter().enumerate() {
            let Some((value, name)) = unpivot.split(field.name()) else {
                shared.push(index);
                continue;
            };
            let group = values.iter().position(|known| known == value).unwrap_or_else(|| {
                values.push(value.to_owned());
                values.len() - 1
            });
            let place = columns.iter().position(|(known, _)| known == name).unwrap_or_else(|| {
                columns.push((name.to_owned(), Vec::new()));
                columns.len() - 1
            });
            if let Some((_, sources)) = columns.get_mut(place) {
                sources.resize(sources.len().max(group + 1), None);
                if let Some(source) = sources.get_mut(group)
                    && let Some(other) = source.replace(index)
                {
                    return Err(unpivot.twice(of.field(other).name(), field.name()));
                }
            }
        }
        if values.is_empty() {
            return Err(unpivot.nothing_fits(of));
        }
        let mut fields = vec![Field::new(&unpivot.key, DataType::Utf8, false)];
        for (name, sources) in &mut columns {
            sources.resize(values.len(), None);
            let types: Vec<&DataType> =
                sources.iter().flatten().map(|index| of.field(*index).data_type()).collect();
            let one = types.first().map_or(DataType::Utf8, |first| (*first).clone());
            if types.iter().any(|other| **other != one) {
                return Err(DecodeError::Usage(format!(
                    "the columns that {UNPIVOT} {} makes {name:?} of have several types",
                    unpivot.text
                )));
            }
            fields.push(Field::new(name.as_str(), one, true));
        }
        fields.extend(shared.iter().map(|index| of.field(*index).clone()));
        Ok(Self { of: of.clone(), values, columns, shared, schema: Arc::new(Schema::new(fields)) })
    }

    /// The new rows of some old ones; those that have no value of their own are none.
    fn rows(&self, raw: &RecordBatch, numbers: &[u64]) -> Result<(RecordBatch, Vec<u64>, u64), DecodeError> {
        let groups = self.values.len();
        let says = |group: usize, row: usize| {
            self.columns.iter().any(|(_, sources)| {
                sources.get(group).copied().flatten().is_some_and(|index| is_said(raw.column(index), row))
            })
        };
        let mut picks: Vec<(usize, usize)> = Vec::new();
        let mut empty = 0;
        for row in 0..raw.num_rows() {
            for group in 0..groups {
                match says(group, row) {
                    true => picks.push((group, row)),
                    false => empty += 1,
                }
            }
        }
        let wrong = |error: arrow::error::ArrowError| DecodeError::Corrupt(error.to_string());
        let keys: StringArray = picks.iter().map(|(group, _)| self.values.get(*group)).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(keys)];
        for ((_, sources), field) in self.columns.iter().zip(self.schema.fields().iter().skip(1)) {
            let nulls = new_null_array(field.data_type(), raw.num_rows());
            let of: Vec<&dyn Array> =
                sources.iter().map(|source| source.map_or(&*nulls, |index| &**raw.column(index))).collect();
            arrays.push(interleave(&of, &picks).map_err(wrong)?);
        }
        let rows: UInt32Array =
            picks.iter().map(|(_, row)| u32::try_from(*row).unwrap_or(u32::MAX)).collect();
        for index in &self.shared {
            arrays.push(take(raw.column(*index), &rows, None).map_err(wrong)?);
        }
        let number = |(group, row): &(usize, usize)| {
            numbers.get(*row).map_or(0, |number| (number - 1) * groups as u64 + *group as u64 + 1)
        };
        let numbers = picks.iter().map(number).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(picks.len()));
        let batch =
            RecordBatch::try_new_with_options(self.schema.clone(), arrays, &options).map_err(wrong)?;
        Ok((batch, numbers, empty))
    }
}

/// Whether a value is there.
fn is_said(column: &ArrayRef, row: usize) -> bool {
    column.is_valid(row)
        && column.as_string_opt::<i32>().is_none_or(|texts| !texts.value(row).trim().is_empty())
}

/// A reader whose columns become rows.
pub struct UnpivotDecoder {
    inner: Box<dyn Decoder>,
    unpivot: Unpivot,
    plan: Option<Plan>,
    ready: VecDeque<RawBatch>,
    /// New rows without a value of their own.
    empty: u64,
    /// Columns that are neither periods nor labels.
    left: Vec<String>,
    done: bool,
}

impl UnpivotDecoder {
    /// Makes rows of the columns of that reader. Waits for its first rows, since their columns tell how many each
    /// becomes.
    ///
    /// # Errors
    /// [`DecodeError::Usage`] where no column fits the pattern, and those of the reader.
    pub fn open(inner: Box<dyn Decoder>, unpivot: Unpivot) -> Result<Self, DecodeError> {
        let mut this = Self {
            inner,
            unpivot,
            plan: None,
            ready: VecDeque::new(),
            empty: 0,
            left: Vec::new(),
            done: false,
        };
        if let Names::Labels(labels) = this.unpivot.names.clone() {
            this.done = true;
            this.exchange(&labels)?;
        }
        while this.plan.is_none() && !this.done {
            match this.inner.next_batch()? {
                Some(raw) => this.divide(raw)?,
                None => this.done = true,
            }
        }
        Ok(this)
    }

    fn divide(&mut self, raw: RawBatch) -> Result<(), DecodeError> {
        let schema = raw.columns.schema();
        let known = self.plan.as_ref().is_some_and(|plan| *plan.of == *schema);
        if !known && schema.fields().is_empty() {
            self.ready.push_back(raw);
            return Ok(());
        }
        let plan = match self.plan.take() {
            Some(plan) if known => plan,
            before => {
                let plan = Plan::of(&self.unpivot, &schema)?;
                // The numbers of rows go by them.
                if before.is_some_and(|before| before.values != plan.values) {
                    return Err(DecodeError::Usage(format!(
                        "its rows have other columns for {UNPIVOT} {} than its first ones",
                        self.unpivot.text
                    )));
                }
                plan
            }
        };
        let groups = plan.values.len();
        let broken: Vec<Broken> = raw
            .broken
            .into_iter()
            .map(|broken| Broken { row: (broken.row - 1) * groups as u64 + 1, ..broken })
            .collect();
        let step = (BATCH_ROWS / groups.max(1)).max(1);
        let (mut broken, mut bytes, mut at) = (Some(broken), raw.bytes, 0);
        loop {
            let count = step.min(raw.columns.num_rows() - at);
            let piece = raw.columns.slice(at, count);
            let numbers = raw.rows.get(at..at + count).unwrap_or_default();
            let (columns, rows, empty) = plan.rows(&piece, numbers)?;
            self.empty += empty;
            let broken = broken.take().unwrap_or_default();
            if !rows.is_empty() || !broken.is_empty() {
                self.ready.push_back(RawBatch { columns, rows, broken, bytes: std::mem::take(&mut bytes) });
            }
            at += count;
            if at >= raw.columns.num_rows() {
                break;
            }
        }
        self.plan = Some(plan);
        Ok(())
    }

    /// Reads all of the input, and exchanges its rows and its columns.
    fn exchange(&mut self, labels: &str) -> Result<(), DecodeError> {
        let (mut raws, mut rows, mut bytes, mut broken) = (Vec::new(), 0, 0, Vec::new());
        while let Some(raw) = self.inner.next_batch()? {
            rows += raw.rows.len();
            bytes += raw.bytes;
            if rows > MOST_ROWS || bytes > MOST_BYTES {
                return Err(DecodeError::Corrupt(format!(
                    "its columns are to be rows ({UNPIVOT} {}), and it has more than {MOST_ROWS} rows or 64 MiB",
                    self.unpivot.text
                )));
            }
            broken.extend(raw.broken);
            raws.push(raw.columns);
        }
        let Some(first) = raws.first() else { return Ok(()) };
        let schema = first.schema();
        let place =
            schema.fields().iter().position(|field| field.name().trim().eq_ignore_ascii_case(labels.trim()));
        let Some(place) = place else { return Err(self.unpivot.nothing_fits(&schema)) };
        let periods: Vec<usize> = (0..schema.fields().len())
            .filter(|index| *index != place && self.unpivot.split(schema.field(*index).name()).is_some())
            .collect();
        if periods.is_empty() {
            return Err(self.unpivot.nothing_fits(&schema));
        }
        // Columns of one name are told apart by a number behind it.
        let left = (0..schema.fields().len()).filter(|index| *index != place && !periods.contains(index));
        let left: Vec<&String> = left.map(|index| schema.field(index).name()).collect();
        let again =
            |name: &&String| name.rsplit_once('#').is_some_and(|(of, _)| self.unpivot.split(of).is_some());
        if let Some(name) = left.iter().find(|name| again(name)) {
            let of = name.rsplit_once('#').map_or("", |(of, _)| of);
            return Err(self.unpivot.twice(of, name));
        }
        self.left = left.into_iter().cloned().collect();
        let texts = |batch: &RecordBatch, index: usize| -> Vec<Option<String>> {
            let column = batch.column(index);
            let texts = column.as_string_opt::<i32>();
            (0..batch.num_rows())
                .map(|row| texts.filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row).to_owned()))
                .collect()
        };
        let names: Vec<Option<String>> = raws.iter().flat_map(|batch| texts(batch, place)).collect();
        let columns: Vec<Vec<Option<String>>> = periods
            .iter()
            .map(|period| raws.iter().flat_map(|batch| texts(batch, *period)).collect())
            .collect();
        let names: Vec<Arc<str>> =
            super::csv::distinct(names.into_iter().map(|name| name.unwrap_or_default().trim().to_owned()));
        let mut fields = vec![Field::new(&self.unpivot.key, DataType::Utf8, false)];
        fields.extend(names.iter().map(|name| Field::new(&**name, DataType::Utf8, true)));
        let keys: StringArray =
            periods.iter().map(|index| Some(schema.field(*index).name().as_str())).collect();
        let mut arrays: Vec<ArrayRef> = vec![Arc::new(keys)];
        for row in 0..names.len() {
            let values: StringArray =
                columns.iter().map(|column| column.get(row).and_then(Option::as_deref)).collect();
            arrays.push(Arc::new(values));
        }
        let columns = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)
            .map_err(|error| DecodeError::Corrupt(error.to_string()))?;
        let rows = (1..=columns.num_rows() as u64).collect();
        self.ready.push_back(RawBatch { columns, rows, broken, bytes });
        Ok(())
    }
}

impl Decoder for UnpivotDecoder {
    fn inner(&self) -> Option<&dyn Decoder> {
        Some(&*self.inner)
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        loop {
            if let Some(ready) = self.ready.pop_front() {
                return Ok(Some(ready));
            }
            if self.done {
                return Ok(None);
            }
            match self.inner.next_batch()? {
                Some(raw) => self.divide(raw)?,
                None => self.done = true,
            }
        }
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        self.inner.prove()
    }

    fn names(&self) -> Vec<Arc<str>> {
        match &self.plan {
            Some(plan) => plan.schema.fields().iter().map(|field| field.name().as_str().into()).collect(),
            None => self.inner.names(),
        }
    }

    fn passed(&self) -> Passed {
        Passed { groups: self.empty, left: self.left.clone(), ..self.inner.passed() }
    }

    fn shares(&self) -> u64 {
        self.plan.as_ref().map_or(1, |plan| plan.values.len() as u64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{CsvDecoder, CsvOptions, test_util};

    fn rows(text: &str, pattern: &str) -> Result<Vec<String>, DecodeError> {
        let unpivot = Unpivot::parse(pattern).unwrap();
        let options = CsvOptions { sure_header: unpivot.names_are_values(), ..CsvOptions::default() };
        let csv = CsvDecoder::open(Box::new(test_util::Script::one(text.as_bytes())), options)?;
        let mut decoder = UnpivotDecoder::open(Box::new(csv), unpivot)?;
        let mut all = Vec::new();
        while let Some(raw) = decoder.next_batch()? {
            let schema = raw.columns.schema();
            for (row, number) in raw.rows.iter().enumerate() {
                let values =
                    schema.fields().iter().zip(raw.columns.columns()).filter_map(|(field, column)| {
                        let texts = column.as_string::<i32>();
                        texts.is_valid(row).then(|| format!("{}={}", field.name(), texts.value(row)))
                    });
                all.push(format!("{number} {}", values.collect::<Vec<_>>().join(" ")));
            }
        }
        Ok(all)
    }

    #[test]
    fn columns_of_two_kinds_become_two_rows() {
        let text = "day,call_bid,call_ask,strike,put_bid,put_ask\n1,2,3,100,4,5\n2,,,105,6,\n";
        assert_eq!(
            rows(text, "{option_type=call|put}_{}").unwrap(),
            [
                "1 option_type=call bid=2 ask=3 day=1 strike=100",
                "2 option_type=put bid=4 ask=5 day=1 strike=100",
                "4 option_type=put bid=6 day=2 strike=105",
            ]
        );
        assert_eq!(
            rows("Date,Close.A,Open.A,Close.B.C\nx,1,2,3\n", "{}.{symbol}").unwrap(),
            ["1 symbol=A Close=1 Open=2 Date=x", "2 symbol=C Close.B=3 Date=x"]
        );
    }

    #[test]
    fn rows_and_columns_are_exchanged() {
        let text = "Item,ttm,2023-12-31,2022-12-31\nAssets,1,2,3\nNet Income,4,,6\nAssets,7,8,9\n";
        assert_eq!(
            rows(text, "{asof}:Item").unwrap(),
            ["1 asof=2023-12-31 Assets=2 Assets#2=8", "2 asof=2022-12-31 Assets=3 Net Income=6 Assets#2=9"]
        );
    }

    #[test]
    fn what_fits_nothing_is_refused_and_patterns_are_read() {
        assert!(matches!(rows("a,b\n1,2\n", "{option_type}_{}"), Err(DecodeError::Usage(_))));
        assert!(matches!(rows("a,2023-01-01\n1,2\n", "{asof}:Item"), Err(DecodeError::Usage(_))));
        for wrong in ["x", "{a}", "{a}{}", "{}_{}", "{a}_{b}", "{a", "{}:x", "{a}_{}{", "x{a}:b", "{ }_{}"] {
            assert!(Unpivot::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn many_rows_come_in_batches_of_the_usual_size() {
        let mut text = String::from("i,a_x,b_x\n");
        for row in 0..10_000 {
            text.push_str(&format!("{row},{row},{row}\n"));
        }
        let rows = rows(&text, "{key}_{}").unwrap();
        assert_eq!(rows.len(), 20_000);
        assert_eq!(rows[19_999], "20000 key=b x=9999 i=9999");
    }
}
