//! Rows that become columns: facts of a company that stand one by one, each with its name, and were filed again and again.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use serde::{Deserialize, Serialize};

use crate::dataset::time::TimeReader;
use crate::decode::{BATCH_ROWS, Broken, DecodeError, Decoder, Passed, RawBatch, text_columns};
use crate::model::text::Texts;

/// Bytes of values that are held.
const MOST_BYTES: usize = 64 << 20;

/// Nanoseconds of a day.
const DAY: i64 = 86_400_000_000_000;

/// How rows become columns.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Pivot {
    /// The column with the names of the new columns.
    pub names: String,
    /// The column with their values.
    pub values: String,
    /// The names that become columns; rows of others are left out and counted.
    pub only: Vec<String>,
    /// What rows that become one have in common.
    pub by: Vec<String>,
    /// Of several values for one place that of the row which has the last text here is taken.
    pub last: String,
    /// What is told apart by its days.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spans: Option<Spans>,
}

/// Rows that are told apart by the days from one date to another.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "kebab-case", deny_unknown_fields)]
pub struct Spans {
    /// The column with the first day; a row without one is of no span.
    pub from: String,
    /// The column with the last day.
    pub to: String,
    /// The column that the name of the span goes to.
    pub into: String,
    /// What a row without a span is called.
    pub none: String,
    /// Names of spans by their days, `85-100`; rows of others are left out and counted.
    pub days: BTreeMap<String, String>,
}

impl Spans {
    fn of(&self, from: &str, to: &str, times: &mut TimeReader) -> Option<&str> {
        if from.is_empty() {
            return Some(&self.none);
        }
        let days = (times.text(to).ok()? - times.text(from).ok()?) / DAY + 1;
        let fits = |range: &str| {
            let (least, most) = range.split_once('-').unwrap_or((range, range));
            let bound = |text: &str| text.trim().parse::<i64>().ok();
            bound(least).zip(bound(most)).is_some_and(|(least, most)| (least..=most).contains(&days))
        };
        self.days.iter().find(|(range, _)| fits(range)).map(|(_, name)| name.as_str())
    }
}

/// A value, and what tells whether another one comes after it.
struct Cell {
    value: String,
    last: String,
}

/// Rows that become one.
struct Group {
    /// The number of the first of them.
    row: u64,
    key: Vec<String>,
    cells: Vec<Option<Cell>>,
}

/// A reader whose rows become columns. All of them are read before the first is given on.
pub struct PivotDecoder {
    inner: Box<dyn Decoder>,
    pivot: Pivot,
    ready: Option<VecDeque<RawBatch>>,
    counted: BTreeMap<(&'static str, String), u64>,
}

impl PivotDecoder {
    /// Of that reader.
    pub fn new(inner: Box<dyn Decoder>, pivot: Pivot) -> Self {
        Self { inner, pivot, ready: None, counted: BTreeMap::new() }
    }

    fn count(&mut self, word: &'static str, what: &str) {
        match self.counted.iter_mut().find(|((known, text), _)| *known == word && text == what) {
            Some((_, count)) => *count += 1,
            None => {
                self.counted.insert((word, what.to_owned()), 1);
            }
        }
    }

    /// Reads all rows.
    fn gather(&mut self) -> Result<VecDeque<RawBatch>, DecodeError> {
        let (mut groups, mut places): (Vec<Group>, HashMap<Vec<String>, usize>) = Default::default();
        let (mut broken, mut bytes, mut held): (Vec<Broken>, u64, usize) = (Vec::new(), 0, 0);
        let mut times = TimeReader::default();
        while let Some(raw) = self.inner.next_batch()? {
            bytes += raw.bytes;
            broken.extend(raw.broken);
            let column = |name: &str| column_of(&raw.columns, name);
            let (names, values) = (column(&self.pivot.names)?, column(&self.pivot.values)?);
            let last = column(&self.pivot.last)?;
            let by = self.pivot.by.iter().map(|name| column(name)).collect::<Result<Vec<_>, _>>()?;
            let spans = self.pivot.spans.clone();
            let span =
                spans.as_ref().map(|spans| Ok::<_, DecodeError>((column(&spans.from)?, column(&spans.to)?)));
            let span = span.transpose()?;
            for (row, number) in raw.rows.iter().enumerate() {
                let name = text(&names, row);
                let Some(place) = self.pivot.only.iter().position(|known| known == name) else {
                    self.count(
                        "fact",
                        &format!(
                            "left out, of another {} than {}",
                            self.pivot.names,
                            self.pivot.only.join(", ")
                        ),
                    );
                    continue;
                };
                let value = text(&values, row);
                if value.is_empty() {
                    self.count("fact", "left out, without a value");
                    continue;
                }
                let mut key: Vec<String> = by.iter().map(|column| text(column, row).to_owned()).collect();
                if let (Some(spans), Some((from, to))) = (&spans, &span) {
                    let Some(span) = spans.of(text(from, row), text(to, row), &mut times) else {
                        let days: Vec<&str> = spans.days.keys().map(String::as_str).collect();
                        let what =
                            format!("left out, over other spans of time than {} days", days.join(" or "));
                        self.count("fact", &what);
                        continue;
                    };
                    key.push(span.to_owned());
                }
                let cell = Cell { value: value.to_owned(), last: text(&last, row).to_owned() };
                let group = match places.get(&key) {
                    Some(group) => *group,
                    None => {
                        held += 2 * key.iter().map(String::len).sum::<usize>() + 64;
                        let cells = self.pivot.only.iter().map(|_| None).collect();
                        places.insert(key.clone(), groups.len());
                        groups.push(Group { row: *number, key, cells });
                        groups.len() - 1
                    }
                };
                held += cell.value.len() + cell.last.len() + 48;
                if held > MOST_BYTES {
                    return Err(DecodeError::Corrupt(
                        "its rows are to be columns, and they hold more than 64 MiB".into(),
                    ));
                }
                let Some(there) = groups.get_mut(group).and_then(|group| group.cells.get_mut(place)) else {
                    continue;
                };
                match there {
                    None => *there = Some(cell),
                    Some(known) => {
                        let differs = known.value != cell.value;
                        if cell.last >= known.last {
                            *known = cell;
                        }
                        let what = match differs {
                            true => format!("restated: the value of the last {} is stored", self.pivot.last),
                            false => format!("repeated at another {}, and stored once", self.pivot.last),
                        };
                        self.count("fact", &what);
                    }
                }
            }
        }
        self.made(groups, broken, bytes)
    }

    /// The rows that they become.
    fn made(
        &self,
        groups: Vec<Group>,
        broken: Vec<Broken>,
        bytes: u64,
    ) -> Result<VecDeque<RawBatch>, DecodeError> {
        let into = self.pivot.spans.as_ref().map(|spans| &spans.into);
        let names: Vec<&String> = self.pivot.by.iter().chain(into).chain(&self.pivot.only).collect();
        let keys = names.len() - self.pivot.only.len();
        let schema = Arc::new(text_columns(names));
        let (mut broken, mut bytes) = (Some(broken).filter(|broken| !broken.is_empty()), bytes);
        let mut ready = VecDeque::new();
        for part in groups.chunks(BATCH_ROWS) {
            let key = |place: usize| -> StringArray {
                let text = |group: &Group| group.key.get(place).filter(|text| !text.is_empty()).cloned();
                part.iter().map(text).collect()
            };
            let value = |place: usize| -> StringArray {
                let text = |group: &Group| group.cells.get(place)?.as_ref().map(|cell| cell.value.clone());
                part.iter().map(text).collect()
            };
            let arrays = (0..keys).map(key).chain((0..self.pivot.only.len()).map(value));
            let arrays: Vec<ArrayRef> = arrays.map(|array| Arc::new(array) as ArrayRef).collect();
            let columns = RecordBatch::try_new(schema.clone(), arrays)
                .map_err(|error| DecodeError::Corrupt(error.to_string()))?;
            let rows = part.iter().map(|group| group.row).collect();
            let broken = broken.take().unwrap_or_default();
            ready.push_back(RawBatch { columns, rows, broken, bytes: std::mem::take(&mut bytes) });
        }
        if let Some(broken) = broken {
            let columns = RecordBatch::new_empty(schema);
            ready.push_back(RawBatch { columns, rows: Vec::new(), broken, bytes });
        }
        Ok(ready)
    }
}

/// A column as texts; none where rows have none of that name.
fn column_of(columns: &RecordBatch, name: &str) -> Result<Option<ArrayRef>, DecodeError> {
    let Some(column) = columns.column_by_name(name) else { return Ok(None) };
    match Texts::of(column) {
        Some(_) => Ok(Some(column.clone())),
        None => {
            cast(column, &DataType::Utf8).map(Some).map_err(|error| DecodeError::Corrupt(error.to_string()))
        }
    }
}

fn text(column: &Option<ArrayRef>, row: usize) -> &str {
    column.as_ref().and_then(Texts::of).and_then(|texts| texts.get(row)).unwrap_or_default().trim()
}

impl Decoder for PivotDecoder {
    fn inner(&self) -> Option<&dyn Decoder> {
        Some(&*self.inner)
    }

    fn next_batch(&mut self) -> Result<Option<RawBatch>, DecodeError> {
        if self.ready.is_none() {
            self.ready = Some(self.gather()?);
        }
        Ok(self.ready.as_mut().and_then(VecDeque::pop_front))
    }

    fn prove(&mut self) -> Result<(), DecodeError> {
        self.inner.prove()
    }

    fn names(&self) -> Vec<Arc<str>> {
        let into = self.pivot.spans.as_ref().map(|spans| &spans.into);
        self.pivot.by.iter().chain(into).chain(&self.pivot.only).map(|name| name.as_str().into()).collect()
    }

    fn passed(&self) -> Passed {
        let mut passed = self.inner.passed();
        passed.counted.extend(self.counted.iter().map(|(what, count)| (what.clone(), *count)));
        passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::{CsvDecoder, CsvOptions, test_util};

    #[test]
    fn the_latest_value_of_each_name_and_span_is_taken() {
        let text = "cik,concept,start,end,val,filed\n\
            1,Assets,,2023-12-31,100,2024-02-01\n\
            1,NetIncome,2023-10-01,2023-12-31,5,2024-02-01\n\
            1,NetIncome,2023-01-01,2023-12-31,20,2024-02-01\n\
            1,NetIncome,2023-01-01,2023-12-31,21,2025-02-01\n\
            1,NetIncome,2023-01-01,2023-12-31,19,2023-02-01\n\
            1,Assets,,2023-12-31,100,2025-02-01\n\
            1,NetIncome,2023-01-01,2023-09-30,15,2024-02-01\n\
            1,Other,,2023-12-31,7,2024-02-01\n\
            1,Assets,,2022-12-31,,2024-02-01\n";
        let csv = CsvDecoder::open(Box::new(test_util::Script::one(text.as_bytes())), CsvOptions::default());
        let owned = |all: &[&str]| all.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
        let days = BTreeMap::from([("80-100".into(), "q".into()), ("350-380".into(), "a".into())]);
        let spans =
            Spans { from: "start".into(), to: "end".into(), into: "vendor".into(), none: "q".into(), days };
        let pivot = Pivot {
            names: "concept".into(),
            values: "val".into(),
            only: owned(&["Assets", "NetIncome"]),
            by: owned(&["cik", "end"]),
            last: "filed".into(),
            spans: Some(spans),
        };
        let mut decoder = PivotDecoder::new(Box::new(csv.unwrap()), pivot);
        let raw = decoder.next_batch().unwrap().unwrap();
        assert_eq!(raw.rows, [1, 3]);
        let of = |row: usize| -> Vec<String> {
            let columns = raw.columns.columns().iter();
            columns.map(|column| super::text(&Some(column.clone()), row).to_owned()).collect()
        };
        assert_eq!(of(0), ["1", "2023-12-31", "q", "100", "5"]);
        assert_eq!(of(1), ["1", "2023-12-31", "a", "", "21"]);
        assert!(decoder.next_batch().unwrap().is_none());
        let told: Vec<(u64, String)> =
            decoder.passed().counted.into_iter().map(|((_, what), count)| (count, what)).collect();
        assert_eq!(
            told,
            [
                (1, "left out, of another concept than Assets, NetIncome".to_owned()),
                (1, "left out, over other spans of time than 350-380 or 80-100 days".to_owned()),
                (1, "left out, without a value".to_owned()),
                (1, "repeated at another filed, and stored once".to_owned()),
                (2, "restated: the value of the last filed is stored".to_owned()),
            ]
        );
    }
}
