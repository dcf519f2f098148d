//! Rows that a table has already as they are, found without sending them.
//!
//! The rows of a batch lie in a few ranges of the table's key: for each of its leading values (a symbol, a timeframe)
//! from one time to another. The server counts the rows of each range and adds up a hash of each; where both are what
//! they are here, the range holds exactly these rows. That costs a fraction of sending them to be compared. Where
//! they differ the rows go the way of a merge, as all did before.
//!
//! The hash of a row is that of its numbers as text, with the hash of all else as its seed, in 64 bits and with a
//! start that each run draws by chance. So a sum is the same for other rows by a chance of one in 2^64.

use std::collections::HashMap;

use bytes::BufMut as _;
use tokio_postgres::types::{ToSql, Type};
use uuid::Uuid;
use xxhash_rust::xxh3::xxh3_128;

use super::merge::Literal;
use crate::batch::Pick;
use crate::dataset::KeyNulls;
use crate::model::values::Values;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::ident;
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{BLOCK, EncodeTarget, Encoder, Origin, RoundingPolicy};
use crate::sink::postgres::encode::hash::{and, of_bytes, of_double, of_long, of_word, write_numeric};
use crate::sink::postgres::encode::refusal::Reasons;

/// Oldest server whose records have a hash.
const OLDEST: i32 = 140_000;

/// Rows from which a batch is worth a question.
pub(super) const WORTH: usize = 256;

/// Rows of a range from which it is cut, at the next time, so that a row that is another one costs these alone.
const MOST: usize = 256;

/// Rows a range has at least, on average: with fewer the ranges cost more than they save.
const LEAST: usize = 4;

/// What a column is to the hash of its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// The time of the key, by which ranges reach from here to there.
    Time,
    /// A column of the key before the time: each of its values has ranges of its own.
    Leading,
    /// Another one of the key.
    Trailing(Form),
    /// Any other one.
    Value(Form),
}

/// How a value gets into the hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// By its own hash.
    Hashed,
    /// As text, with so many decimals where the column shows a fixed number of them.
    Written(Option<u16>),
    /// Not at all.
    Unknown,
}

fn form(type_: ColumnType) -> Form {
    use ColumnType as T;
    match type_ {
        T::Text
        | T::Varchar(_)
        | T::Uuid
        | T::Bool
        | T::Date
        | T::Timestamp(6)
        | T::Timestamptz(6)
        | T::Float8 => Form::Hashed,
        T::Numeric(None) => Form::Written(None),
        T::Numeric(Some((_, scale))) => {
            u16::try_from(scale).map_or(Form::Unknown, |scale| Form::Written(Some(scale)))
        }
        // The hash of one of 64 bits has but 32.
        T::Int2 | T::Int4 | T::Int8 => Form::Written(None),
        T::Float4
        | T::Bpchar(_)
        | T::Json
        | T::Jsonb
        | T::Enum
        | T::Time(_)
        | T::Timestamp(_)
        | T::Timestamptz(_)
        | T::TextArray
        | T::VarcharArray(_)
        | T::Array
        | T::Other => Form::Unknown,
    }
}

/// The type of an array of values of that one.
fn array_of(type_: ColumnType) -> Option<Type> {
    use ColumnType as T;
    Some(match type_ {
        T::Text => Type::TEXT_ARRAY,
        T::Varchar(_) => Type::VARCHAR_ARRAY,
        T::Uuid => Type::UUID_ARRAY,
        T::Bool => Type::BOOL_ARRAY,
        T::Int2 => Type::INT2_ARRAY,
        T::Int4 => Type::INT4_ARRAY,
        T::Int8 => Type::INT8_ARRAY,
        T::Numeric(_) => Type::NUMERIC_ARRAY,
        T::Date => Type::DATE_ARRAY,
        T::Timestamp(_) => Type::TIMESTAMP_ARRAY,
        T::Timestamptz(_) => Type::TIMESTAMPTZ_ARRAY,
        _ => return None,
    })
}

/// Whether the server has the hashes at all, and ranges of the key lie in one table: of a symbol's years a question
/// would open each chunk.
pub(super) fn is_possible(table: &Table) -> bool {
    table.server_version >= OLDEST && !table.hypertable && !table.partitioned
}

/// How rows of one shape are compared by their hashes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Digest {
    /// The columns that rows bring, and their tenant.
    goals: Vec<EncodeTarget>,
    origins: Vec<Origin>,
    roles: Vec<Role>,
    /// Columns of a batch.
    width: usize,
    /// The place of the time among the columns.
    time: usize,
    /// What columns of the key are that no row brings.
    defaults: Vec<String>,
    /// The table, as a query names it.
    table: String,
}

/// A batch, encoded, and what is to be asked of it.
struct Question {
    params: Vec<(Literal, Type)>,
    sql: String,
    /// Of each range the rows, and the sum of their hashes.
    ranges: Vec<(Vec<Pick>, i128)>,
}

impl Digest {
    /// For rows with those columns, where the server can tell and all of their types are known.
    pub fn new(
        table: &Table,
        (key, nulls): (&[String], KeyNulls),
        (goals, origins, width): (&[EncodeTarget], &[Origin], usize),
        reading: &str,
    ) -> Option<Self> {
        if !is_possible(table) || nulls != KeyNulls::Never || !table.readable || table.distribution.is_some()
        {
            return None;
        }
        let is_time = |name: &&String| {
            table.column(name).is_some_and(|column| {
                matches!(
                    column.type_,
                    ColumnType::Timestamp(6) | ColumnType::Timestamptz(6) | ColumnType::Date
                )
            })
        };
        let time = key.iter().find(is_time)?;
        let at = key.iter().position(|name| name == time)?;
        let mut digest = Self {
            goals: Vec::new(),
            origins: Vec::new(),
            roles: Vec::new(),
            width,
            time: 0,
            defaults: Vec::new(),
            table: reading.to_owned(),
        };
        for (goal, origin) in goals.iter().zip(origins) {
            if !matches!(origin, Origin::Batch(_) | Origin::Tenant) {
                continue;
            }
            let form = form(goal.type_);
            let role = match key.iter().position(|name| **name == *goal.name) {
                Some(place) if place == at => {
                    digest.time = digest.goals.len();
                    Role::Time
                }
                Some(place) if place < at => {
                    array_of(goal.type_)?;
                    Role::Leading
                }
                Some(_) => Role::Trailing(form),
                None if form == Form::Unknown => return None,
                None => Role::Value(form),
            };
            digest.goals.push(goal.clone());
            digest.origins.push(*origin);
            digest.roles.push(role);
        }
        if !digest.roles.contains(&Role::Time) {
            return None;
        }
        for name in key {
            if digest.goals.iter().any(|goal| *goal.name == **name) {
                continue;
            }
            let default = table.column(name)?.default.as_ref()?;
            digest.defaults.push(format!("t.{} = ({default})", ident(name)));
        }
        Some(digest)
    }

    /// Which rows of those batches, each with how many it has, the table has as they are: `false` where it has them not,
    /// or in another way, or where that cannot be told.
    pub async fn known(
        &self,
        link: &Link,
        seed: i64,
        (sources, parts): (&[Values<'_>], &[(u32, usize)]),
        rules: RoundingPolicy,
        tenant: Option<Uuid>,
    ) -> Result<Vec<Vec<bool>>, tokio_postgres::Error> {
        let mut known: Vec<Vec<bool>> = parts.iter().map(|(_, rows)| vec![false; *rows]).collect();
        let Some(question) = self.question(seed, (sources, parts), rules, tenant) else {
            return Ok(known);
        };
        let params: Vec<(&(dyn ToSql + Sync), Type)> = question
            .params
            .iter()
            .map(|(value, type_)| (value as &(dyn ToSql + Sync), type_.clone()))
            .collect();
        let answers = link.client.query_typed(&question.sql, &params).await?;
        for (answer, (rows, sum)) in answers.iter().zip(&question.ranges) {
            let (count, there): (i64, String) = (answer.try_get(0)?, answer.try_get(1)?);
            if usize::try_from(count).is_ok_and(|count| count == rows.len()) && there.parse() == Ok(*sum) {
                for pick in rows {
                    let at = parts.iter().position(|(part, _)| *part == pick.part);
                    let known = at.and_then(|at| known.get_mut(at)?.get_mut(pick.row as usize));
                    if let Some(known) = known {
                        *known = true;
                    }
                }
            }
        }
        Ok(known)
    }

    fn question(
        &self,
        seed: i64,
        (sources, parts): (&[Values<'_>], &[(u32, usize)]),
        rules: RoundingPolicy,
        tenant: Option<Uuid>,
    ) -> Option<Question> {
        let mut reasons = Reasons::default();
        let mut encoder =
            Encoder::new(&self.goals, &self.origins, sources, self.width, rules, tenant, &mut reasons);
        let (mut out, mut sent) = (Out::new(), Vec::with_capacity(parts.iter().map(|(_, rows)| rows).sum()));
        let mut picks = Vec::with_capacity(BLOCK);
        for (part, rows) in parts {
            let mut first = 0;
            while first < *rows {
                let end = (*rows).min(first + BLOCK);
                picks.clear();
                picks.extend((first..end).map(|row| Pick { part: *part, row: row as u32 }));
                encoder.block(&picks, &mut out, |at, done| {
                    if done.is_ok() {
                        sent.extend(picks.get(at).copied());
                    }
                });
                first = end;
            }
        }
        drop(encoder);
        let cells = Cells::read(out.written(), self.goals.len(), sent.len())?;
        self.asked(seed, &cells, &sent)
    }

    /// The question about encoded rows, whose places in their batches are `sent`.
    fn asked(&self, seed: i64, cells: &Cells<'_>, sent: &[Pick]) -> Option<Question> {
        // What is the same in all rows is a condition, and no part of the hash.
        let constant: Vec<bool> = self
            .roles
            .iter()
            .enumerate()
            .map(|(place, role)| {
                let first = cells.get(0, place);
                matches!(role, Role::Trailing(_))
                    && first.is_some()
                    && array_of(self.goals[place].type_).is_some()
                    && (1..sent.len()).all(|row| cells.get(row, place) == first)
            })
            .collect();
        let places = |wanted: &dyn Fn(usize, Role) -> bool| -> Vec<usize> {
            self.roles
                .iter()
                .enumerate()
                .filter(|(place, role)| wanted(*place, **role))
                .map(|(place, _)| place)
                .collect()
        };
        let leading = places(&|_, role| role == Role::Leading);
        let fixed = places(&|place, _| constant[place]);
        let of_form = |form: fn(Form) -> bool| {
            places(&|place, role| match role {
                Role::Time => form(Form::Hashed),
                Role::Leading => false,
                Role::Trailing(of) => !constant[place] && form(of),
                Role::Value(of) => form(of),
            })
        };
        if !of_form(|form| form == Form::Unknown).is_empty() {
            return None;
        }
        let hashed = of_form(|form| form == Form::Hashed);
        let written = of_form(|form| matches!(form, Form::Written(_)));

        let (mut groups, mut by_value) = (Vec::<Vec<u32>>::new(), HashMap::new());
        let (mut value, mut text) = (Vec::new(), Vec::new());
        let mut hashes = Vec::with_capacity(sent.len());
        let mut times = Vec::with_capacity(sent.len());
        for row in 0..sent.len() {
            let hash = self.hash(seed as u64, (cells, row), (&hashed, &written), &mut text);
            hashes.push(hash);
            times.push(time(cells.get(row, self.time)));
            if hash.is_none() {
                continue;
            }
            value.clear();
            for place in &leading {
                let cell = cells.get(row, *place)?;
                value.put_u32(cell.len() as u32);
                value.extend_from_slice(cell);
            }
            let group = *by_value.entry(xxh3_128(&value)).or_insert(groups.len());
            match groups.get_mut(group) {
                Some(rows) => rows.push(row as u32),
                None => groups.push(vec![row as u32]),
            }
        }
        let mut cut = Vec::with_capacity(groups.len());
        for mut rows in groups {
            if rows.len() > MOST {
                rows.sort_by_key(|row| times[*row as usize]);
            }
            let mut rows = rows.as_slice();
            while rows.len() > MOST {
                let last = times[rows[MOST - 1] as usize];
                let more = rows[MOST..].iter().take_while(|row| times[**row as usize] == last).count();
                let (range, rest) = rows.split_at(MOST + more);
                cut.push(range.to_vec());
                rows = rest;
            }
            if !rows.is_empty() {
                cut.push(rows.to_vec());
            }
        }
        if cut.is_empty() || cut.len() * LEAST > sent.len() {
            return None;
        }
        let mut params = vec![(Literal(seed.to_be_bytes().to_vec()), Type::INT8)];
        let mut array = |place: usize, of: &dyn Fn(&[u32]) -> Option<u32>| -> Option<()> {
            let type_ = self.goals.get(place)?.type_;
            let mut bytes = Vec::new();
            bytes.put_i32(1);
            bytes.put_i32(0);
            bytes.put_u32(type_.wire()?.oid());
            bytes.put_i32(i32::try_from(cut.len()).ok()?);
            bytes.put_i32(1);
            for rows in &cut {
                let cell = cells.get(of(rows)? as usize, place)?;
                bytes.put_u32(cell.len() as u32);
                bytes.extend_from_slice(cell);
            }
            params.push((Literal(bytes), array_of(type_)?));
            Some(())
        };
        array(self.time, &|rows| rows.iter().copied().min_by_key(|row| times[*row as usize]))?;
        array(self.time, &|rows| rows.iter().copied().max_by_key(|row| times[*row as usize]))?;
        for place in &leading {
            array(*place, &|rows| rows.first().copied())?;
        }
        for place in &fixed {
            params.push((Literal(cells.get(0, *place)?.to_vec()), self.goals.get(*place)?.type_.wire()?));
        }
        // What no chunk or partition beyond these can have is told the planner by constants.
        for last in [false, true] {
            let rows = 0..sent.len();
            let row = match last {
                false => rows.min_by_key(|row| times[*row]),
                true => rows.max_by_key(|row| times[*row]),
            };
            let cell = cells.get(row?, self.time)?;
            params.push((Literal(cell.to_vec()), self.goals.get(self.time)?.type_.wire()?));
        }
        let sql = self.sql(&leading, &fixed, &hashed, &written);
        let ranges = cut.into_iter().map(|rows| {
            let sum =
                rows.iter().filter_map(|row| hashes[*row as usize]).map(|hash| i128::from(hash as i64)).sum();
            (rows.into_iter().map(|row| sent[row as usize]).collect(), sum)
        });
        Some(Question { sql, ranges: ranges.collect(), params })
    }

    fn sql(&self, leading: &[usize], fixed: &[usize], hashed: &[usize], written: &[usize]) -> String {
        let name = |place: &usize| self.goals.get(*place).map(|goal| ident(&goal.name)).unwrap_or_default();
        let list = |places: &[usize]| {
            places.iter().map(|place| format!("t.{}", name(place))).collect::<Vec<_>>().join(", ")
        };
        let numbers: Vec<String> = (0..leading.len()).map(|at| format!("g{at}")).collect();
        let arrays: Vec<String> =
            (0..leading.len() + 2).map(|at| format!("pg_catalog.unnest(${})", at + 2)).collect();
        let mut same: Vec<String> = leading
            .iter()
            .zip(&numbers)
            .map(|(place, number)| format!("t.{} = r.{number}", name(place)))
            .collect();
        let time = name(&self.time);
        same.push(format!("t.{time} >= r.since AND t.{time} <= r.until"));
        for (at, place) in fixed.iter().enumerate() {
            same.push(format!("t.{} = ${}", name(place), leading.len() + 4 + at));
        }
        let first = leading.len() + 4 + fixed.len();
        same.push(format!("t.{time} >= ${first} AND t.{time} <= ${}", first + 1));
        same.extend(self.defaults.iter().cloned());
        let text = match written {
            [] => "''".to_owned(),
            written => format!("ROW({})::text", list(written)),
        };
        let columns = ["since".to_owned(), "until".to_owned()]
            .into_iter()
            .chain(numbers)
            .collect::<Vec<_>>()
            .join(", ");
        format!(
            "SELECT d.c, d.s::text FROM ROWS FROM ({}) WITH ORDINALITY AS r({columns}, n), \
             LATERAL (SELECT pg_catalog.count(*) AS c, coalesce(pg_catalog.sum(pg_catalog.hashtextextended({text}, \
             pg_catalog.hash_record_extended(ROW({}), $1))), 0) AS s FROM {} AS t WHERE {} OFFSET 0) AS d ORDER BY r.n",
            arrays.join(", "),
            list(hashed),
            self.table,
            same.join(" AND ")
        )
    }

    /// The hash of an encoded row, as the server has it; `None` where that is not known.
    fn hash(
        &self,
        seed: u64,
        (cells, row): (&Cells<'_>, usize),
        (hashed, written): (&[usize], &[usize]),
        text: &mut Vec<u8>,
    ) -> Option<u64> {
        let mut record = 0;
        for place in hashed {
            let cell = cells.get(row, *place);
            record = and(record, cell.map_or(Some(0), |cell| hash_of(self.goals[*place].type_, cell, seed))?);
        }
        text.clear();
        if !written.is_empty() {
            for (number, place) in written.iter().enumerate() {
                text.push(if number == 0 { b'(' } else { b',' });
                let Some(cell) = cells.get(row, *place) else { continue };
                let type_ = self.goals[*place].type_;
                match form(type_) {
                    Form::Written(shown) if matches!(type_, ColumnType::Numeric(_)) => {
                        write_numeric(cell, shown, text).then_some(())?;
                    }
                    _ => {
                        use std::io::Write as _;
                        write!(text, "{}", integer(cell)?).ok()?;
                    }
                }
            }
            text.push(b')');
        }
        Some(of_bytes(text, record))
    }
}

/// An integer of the wire.
fn integer(cell: &[u8]) -> Option<i64> {
    Some(match *cell {
        [a, b] => i16::from_be_bytes([a, b]).into(),
        [a, b, c, d] => i32::from_be_bytes([a, b, c, d]).into(),
        _ => i64::from_be_bytes(cell.try_into().ok()?),
    })
}

/// A time of the wire, in microseconds or days; a key has one.
fn time(cell: Option<&[u8]>) -> i64 {
    cell.and_then(integer).unwrap_or(i64::MIN)
}

/// The hash of a value by itself.
fn hash_of(type_: ColumnType, cell: &[u8], seed: u64) -> Option<u64> {
    use ColumnType as T;
    Some(match type_ {
        T::Text | T::Varchar(_) | T::Uuid => of_bytes(cell, seed),
        T::Bool => of_word(u32::from(*cell.first()?), seed),
        T::Date => of_word(integer(cell)? as u32, seed),
        T::Timestamp(_) | T::Timestamptz(_) => of_long(integer(cell)?, seed),
        T::Float8 => {
            let value = f64::from_be_bytes(cell.try_into().ok()?);
            (!value.is_nan()).then(|| of_double(value, seed))?
        }
        _ => return None,
    })
}

/// The cells of encoded rows.
struct Cells<'a> {
    bytes: &'a [u8],
    /// Of each cell where it begins and ends, row after row; the same twice for a null.
    ends: Vec<(u32, u32)>,
    width: usize,
}

/// Where a null begins.
const NULL: u32 = u32::MAX;

impl<'a> Cells<'a> {
    fn read(bytes: &'a [u8], width: usize, rows: usize) -> Option<Self> {
        let mut ends = Vec::with_capacity(rows * width);
        let mut at = 0;
        for _ in 0..rows {
            at += 2;
            for _ in 0..width {
                let len = i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?);
                at += 4;
                match usize::try_from(len) {
                    Ok(len) => {
                        ends.push((u32::try_from(at).ok()?, u32::try_from(at + len).ok()?));
                        at += len;
                    }
                    Err(_) => ends.push((NULL, NULL)),
                }
            }
        }
        (at == bytes.len() && width > 0).then_some(Self { bytes, ends, width })
    }

    fn get(&self, row: usize, place: usize) -> Option<&'a [u8]> {
        let (begin, end) = *self.ends.get(row * self.width + place)?;
        if begin == NULL { None } else { self.bytes.get(begin as usize..end as usize) }
    }
}

/// Whether the server hashes as it is done here: it is asked for an example of each type.
pub(super) async fn is_able(link: &Link) -> bool {
    const SEED: i64 = -0x1234_5678_9abc_def1;
    let sql = "SELECT pg_catalog.hash_record_extended(ROW('2024-02-03 04:05:06.789+00'::timestamptz, '2024-02-03 04:05:06'::timestamp, \
        'Öl, 13 chars.'::text, 'x'::varchar, '00112233-4455-6677-8899-aabbccddeeff'::uuid, true, '1999-12-31'::date, 1.5::float8, NULL::text), $1), \
        pg_catalog.hashtextextended(ROW(-1.50::numeric, 0.0001::numeric, NULL::numeric, -7::bigint, 12345678901234567890.5::numeric(30,3))::text, $1)";
    let Ok(row) = link.client.query_typed_one(sql, &[(&SEED, Type::INT8)]).await else { return false };
    let (Ok(record), Ok(text)) = (row.try_get::<_, i64>(0), row.try_get::<_, i64>(1)) else { return false };
    let seed = SEED as u64;
    let values = [
        of_long(760_248_306_789_000, seed),
        of_long(760_248_306_000_000, seed),
        of_bytes("Öl, 13 chars.".as_bytes(), seed),
        of_bytes(b"x", seed),
        of_bytes(
            &[0, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff],
            seed,
        ),
        of_word(1, seed),
        of_word(-1_i32 as u32, seed),
        of_double(1.5, seed),
        0,
    ];
    let written = of_bytes(b"(-1.50,0.0001,,-7,12345678901234567890.500)", seed);
    record == values.into_iter().fold(0, and) as i64 && text == written as i64
}
