//! The rows of each series and day on both sides, added up.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use super::rows::{Mix, Place, Shape, of_cell};
use crate::sink::verify::{Cell, CellReader, RowBuffer, VerifyScope};

/// Groups from which days are put together to longer stretches.
const MOST: usize = 200_000;

/// Symbols up to which only theirs are asked for.
const FEW: usize = 500;

type Mixed = BuildHasherDefault<Mix>;

/// What is known of the rows of a series in a stretch of time.
#[derive(Debug, Clone, Default)]
struct Group {
    rows: [u64; 2],
    /// Sums over the rows of the input less sums over those of the table.
    keys: u64,
    /// Of each column how many rows of the input bring it, and its sum.
    columns: Box<[(u64, u64)]>,
}

impl Group {
    fn is_equal(&self) -> bool {
        let [input, _] = self.rows;
        let same = |(brought, sum): &(u64, u64)| *brought == 0 || *brought == input && *sum == 0;
        self.rows[0] == self.rows[1] && self.keys == 0 && self.columns.iter().all(same)
    }

    fn add(&mut self, other: &Self) {
        self.rows = [self.rows[0] + other.rows[0], self.rows[1] + other.rows[1]];
        self.keys = self.keys.wrapping_add(other.keys);
        for (mine, its) in self.columns.iter_mut().zip(&other.columns) {
            *mine = (mine.0 + its.0, mine.1.wrapping_add(its.1));
        }
    }
}

/// The sums of all series.
#[derive(Debug, Default)]
pub(crate) struct Digests {
    groups: HashMap<Place, Group, Mixed>,
    /// Days of a group are those that are the same without so many bits.
    shift: u32,
    /// First and last day of each series of the inputs.
    series: HashMap<u64, (i64, i64), Mixed>,
    /// The symbols, as long as they are few.
    symbols: Option<std::collections::BTreeSet<Vec<u8>>>,
    /// Which columns any row of the inputs brings; those of the key are compared by it.
    brought: Vec<bool>,
    scratch: Vec<u8>,
    /// Of a hundred days how many are compared.
    sample: Option<f64>,
    /// Rows of the table that are of no series of the inputs.
    pub outside: u64,
}

impl Digests {
    pub fn new(sample: Option<f64>) -> Self {
        Self { sample, symbols: Some(Default::default()), ..Self::default() }
    }

    /// Whether that day of that series is compared.
    pub fn samples(&self, place: Place) -> bool {
        self.sample.is_none_or(|percent| {
            let mixed = (place.series ^ (place.day as u64).wrapping_mul(0xd6e8_feb8_6659_fd93))
                .wrapping_mul(0x9e37_79b9_7f4a_7c15);
            ((mixed >> 11) as f64) < percent / 100.0 * (1u64 << 53) as f64
        })
    }

    fn group(&self, place: Place) -> Place {
        Place { day: place.day >> self.shift.min(62), ..place }
    }

    /// Adds rows of the inputs. How many of them are compared.
    pub fn input(&mut self, rows: &RowBuffer, shape: &Shape, store: &dyn CellReader) -> u64 {
        let mut compared = 0;
        self.brought.resize(shape.columns.len(), false);
        for (column, brought) in self.brought.iter_mut().enumerate().filter(|(_, brought)| !**brought) {
            let brings = |row| rows.cell(row, column) != Cell::Absent;
            *brought = !shape.columns[column].key && (0..rows.rows()).any(brings);
        }
        for row in 0..rows.rows() {
            let place = shape.place(rows, row, store, &mut self.scratch);
            let days = self.series.entry(place.series).or_insert((place.day, place.day));
            *days = (days.0.min(place.day), days.1.max(place.day));
            if let (Some(symbols), Some(column)) = (&mut self.symbols, shape.key_symbol) {
                match rows.cell(row, column) {
                    Cell::Value(symbol) if symbols.contains(symbol) => {}
                    Cell::Value(symbol) if symbols.len() < FEW => drop(symbols.insert(symbol.to_vec())),
                    _ => self.symbols = None,
                }
            }
            if !self.samples(place) {
                continue;
            }
            compared += 1;
            self.put(rows, row, shape, place, true);
        }
        if self.groups.len() > MOST {
            self.put_together();
        }
        compared
    }

    /// Adds rows of the table. How many of them are compared.
    pub fn stored(&mut self, rows: &RowBuffer, shape: &Shape, store: &dyn CellReader) -> u64 {
        let mut compared = 0;
        self.brought.resize(shape.columns.len(), false);
        for row in 0..rows.rows() {
            let place = shape.place(rows, row, store, &mut self.scratch);
            if !self.covers(place) {
                self.outside += 1;
            } else if self.samples(place) {
                compared += 1;
                self.put(rows, row, shape, place, false);
            }
        }
        if self.groups.len() > MOST {
            self.put_together();
        }
        compared
    }

    /// Whether that is a day, from first to last, of a series of the inputs.
    pub fn covers(&self, place: Place) -> bool {
        self.series.get(&place.series).is_some_and(|(first, last)| (*first..=*last).contains(&place.day))
    }

    fn put(&mut self, rows: &RowBuffer, row: usize, shape: &Shape, place: Place, input: bool) {
        let place = self.group(place);
        let group = self.groups.entry(place).or_insert_with(|| Group {
            columns: vec![(0, 0); shape.columns.len()].into_boxed_slice(),
            ..Group::default()
        });
        let key = shape.key(rows, row, &mut self.scratch);
        let signed = |hash: u64| if input { hash } else { hash.wrapping_neg() };
        group.rows[usize::from(!input)] += 1;
        group.keys = group.keys.wrapping_add(signed((key ^ (key >> 64)) as u64));
        for (column, (brought, sum)) in group.columns.iter_mut().enumerate() {
            // No row of the inputs brings it, or it is in the hash of the key.
            if !self.brought[column] {
                continue;
            }
            let cell = rows.cell(row, column);
            if input && cell == Cell::Absent {
                continue;
            }
            *brought += u64::from(input);
            *sum = sum.wrapping_add(signed(of_cell(cell, key, column)));
        }
    }

    /// Twice as many days in a group, until there are few enough of them.
    fn put_together(&mut self) {
        while self.groups.len() > MOST / 2 && self.shift < 40 {
            self.shift += 1;
            let mut fewer: HashMap<Place, Group, Mixed> = HashMap::default();
            for (place, group) in self.groups.drain() {
                let place = Place { day: place.day >> 1, ..place };
                match fewer.entry(place) {
                    std::collections::hash_map::Entry::Occupied(mut there) => there.get_mut().add(&group),
                    std::collections::hash_map::Entry::Vacant(free) => drop(free.insert(group)),
                }
            }
            self.groups = fewer;
        }
    }

    /// What of the table has to be read.
    pub fn scope(&self, shape: &Shape, store: &dyn CellReader) -> VerifyScope {
        let first = self.series.values().map(|(first, _)| *first).min();
        let last = self.series.values().map(|(_, last)| *last).max();
        let texts = self.symbols.as_ref().filter(|symbols| !symbols.is_empty()).zip(shape.key_symbol);
        VerifyScope {
            days: first.zip(last).filter(|_| shape.has_time()),
            // What is no text is asked for with all others.
            texts: texts.and_then(|(symbols, column)| {
                let text =
                    |symbol: &Vec<u8>| serde_json::from_str(&store.json(column, Cell::Value(symbol))).ok();
                Some((column, symbols.iter().map(text).collect::<Option<Vec<String>>>()?))
            }),
        }
    }

    /// Takes out the groups that are the same on both sides. How many rows are in the others.
    pub fn unequal(&mut self) -> u64 {
        self.groups.retain(|_, group| !group.is_equal());
        self.groups.values().map(|group| group.rows[0] + group.rows[1]).sum()
    }

    /// Whether the row there lies in one of those that are left.
    pub fn differs(&self, place: Place) -> bool {
        self.samples(place) && self.covers(place) && self.groups.contains_key(&self.group(place))
    }
}
