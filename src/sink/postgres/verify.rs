//! Rows of a table and of inputs in the form of binary COPY, made comparable.

use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use futures_util::{StreamExt as _, pin_mut};

use super::write::session::sources;
use crate::batch::{Batch, Pick, Reason, Rows};
use crate::error::{Error, Result};
use crate::port::SinkError;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::{ident, literal};
use crate::sink::postgres::encode::copy_buffer::Out;
use crate::sink::postgres::encode::encoder::{BLOCK, EPOCH_SECONDS, Encoder, HEADER, Origin};
use crate::sink::postgres::encode::hash::write_numeric;
use crate::sink::postgres::encode::refusal::Reasons;
use crate::sink::postgres::write::plan::{Plan, reading};
use crate::sink::postgres::write::sink::Shared;
use crate::sink::verify::{Cell, CellReader, RowBuffer, TakeRows, Verifier, VerifyColumn, VerifyScope};

/// Rows that are handed out at once.
const ROWS: usize = 4_096;

const DAY_MICROS: i64 = 86_400_000_000;

/// Days of the years 1 to 9999, counted from 1970: others are not asked for, and all rows come.
const SAYABLE: std::ops::RangeInclusive<i64> = -719_162..=2_932_896;

/// Shapes of batches whose plans are kept.
const MAX_PLANS: usize = 32;

/// Compares with a table of PostgreSQL.
pub(in crate::sink::postgres) struct PgVerifier {
    shared: Arc<Shared>,
    table: Table,
    columns: Vec<VerifyColumn>,
    types: Vec<ColumnType>,
    uncompared: Vec<String>,
    /// Of columns of the key what they hold where no row brings it; as long as the columns.
    defaults: Vec<Option<Vec<u8>>>,
    /// Which columns any row has brought: of the others the table's values are not read.
    brought: Vec<bool>,
    /// By the names of the columns.
    plans: Vec<(Plan, Reasons)>,
}

impl PgVerifier {
    /// # Errors
    /// Usage, where rows of the table cannot be told apart, or it may not be read.
    pub async fn open(shared: Arc<Shared>, table: Table) -> Result<Self> {
        let named = table.display_name();
        if !table.readable {
            return Err(Error::usage(format!(
                "this role may not read {named}; as its owner run: GRANT SELECT ON {} TO the role",
                table.sql_name()
            )));
        }
        let is_time = |name: &&String| {
            let type_ = table.column(name).map(|column| column.type_);
            matches!(type_, Some(ColumnType::Timestamp(_) | ColumnType::Timestamptz(_) | ColumnType::Date))
        };
        let time = table.key.iter().find(is_time);
        let (mut columns, mut types, mut uncompared) = (Vec::new(), Vec::new(), Vec::new());
        for column in &table.columns {
            let key = table.key.contains(&column.name);
            if column.generated || !column.may_insert && !key {
                continue;
            }
            if column.type_.is_cast() {
                if key {
                    return Err(Error::usage(format!(
                        "{named} cannot be compared: {} of its key is {}, which only the server reads",
                        column.name, column.type_name
                    )));
                }
                uncompared.push(column.name.clone());
                continue;
            }
            columns.push(VerifyColumn { name: column.name.clone(), key, time: time == Some(&column.name) });
            types.push(column.type_);
        }
        let mut verifier = Self {
            shared,
            table,
            defaults: vec![None; columns.len()],
            brought: columns.iter().map(|column| column.key).collect(),
            columns,
            types,
            uncompared,
            plans: Vec::new(),
        };
        verifier.read_defaults().await?;
        Ok(verifier)
    }

    /// What columns of the key hold that rows do not bring.
    async fn read_defaults(&mut self) -> Result<()> {
        let asked: Vec<(usize, String)> = (0..)
            .zip(&self.columns)
            .filter(|(_, column)| column.key)
            .filter_map(|(place, column)| {
                let column = self.table.column(&column.name)?;
                Some((place, format!("({})::{}", column.default.as_ref()?, column.type_name)))
            })
            .collect();
        if asked.is_empty() {
            return Ok(());
        }
        let list: Vec<&str> = asked.iter().map(|(_, sql)| sql.as_str()).collect();
        let types: Vec<ColumnType> =
            asked.iter().filter_map(|(place, _)| self.types.get(*place).copied()).collect();
        let mut rows = RowBuffer::new(asked.len());
        let mut defaults = self.defaults.clone();
        let link = self.begin().await?;
        copy_out(&link, &format!("SELECT {}", list.join(", ")), &types, &mut rows, &mut |rows| {
            for (at, (place, _)) in asked.iter().enumerate() {
                if let (Cell::Value(bytes), Some(default)) = (rows.cell(0, at), defaults.get_mut(*place)) {
                    *default = Some(bytes.to_vec());
                }
            }
            Ok(true)
        })
        .await?;
        self.defaults = defaults;
        Ok(())
    }

    /// A connection in a transaction that only reads, as the tenant.
    async fn begin(&self) -> Result<Link> {
        let link = self.shared.connect().await.map_err(to_error)?;
        let tenant = self.shared.tenant.map(|id| {
            format!("SELECT pg_catalog.set_config('app.tenant_id', {}, true);", literal(&id.to_string()))
        });
        // Rows of one moment: what others commit meanwhile is no difference.
        let begin = format!(
            "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SELECT pg_catalog.set_config('jit', 'off', true); {}",
            tenant.unwrap_or_default()
        );
        link.client.batch_execute(&begin).await.map_err(|error| to_error(link.classify(&error)))?;
        Ok(link)
    }

    fn query(&self, scope: &VerifyScope) -> String {
        let value = |(column, brought): (&VerifyColumn, &bool)| match brought {
            true => format!("t.{}", ident(&column.name)),
            false => "NULL".to_owned(),
        };
        let list: Vec<String> = self.columns.iter().zip(&self.brought).map(value).collect();
        let mut wanted = Vec::new();
        let time = self.columns.iter().zip(&self.types).find(|(column, _)| column.time);
        if let (Some((column, type_)), Some((first, last))) = (time, scope.days)
            && SAYABLE.contains(&first)
            && SAYABLE.contains(&(last + 1))
        {
            let day = |day: i64| {
                let day = chrono::DateTime::from_timestamp(day * 86_400, 0).unwrap_or_default();
                let day = day.format("%Y-%m-%d");
                match type_ {
                    ColumnType::Date => format!("date '{day}'"),
                    ColumnType::Timestamp(_) => format!("timestamp '{day} 00:00:00'"),
                    _ => format!("timestamptz '{day} 00:00:00+00'"),
                }
            };
            let name = ident(&column.name);
            wanted.push(format!("t.{name} >= {}", day(first)));
            wanted.push(format!("t.{name} < {}", day(last + 1)));
        }
        if let Some((column, texts)) = &scope.texts
            && let Some(column) = self.columns.get(*column)
        {
            let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
            wanted.push(format!("t.{} IN ({})", ident(&column.name), texts.join(", ")));
        }
        if let Some(tenant) = self.shared.tenant
            && self.columns.iter().any(|column| column.name == "tenant_id")
        {
            wanted.push(format!("t.tenant_id = {}", literal(&tenant.to_string())));
        }
        let wanted = match wanted.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", wanted.join(" AND ")),
        };
        format!("SELECT {} FROM {} AS t{wanted}", list.join(", "), reading(&self.table))
    }
}

#[async_trait]
impl Verifier for PgVerifier {
    fn columns(&self) -> &[VerifyColumn] {
        &self.columns
    }

    fn uncompared(&self) -> &[String] {
        &self.uncompared
    }

    fn input(&mut self, batch: &Arc<Batch>, rows: &mut RowBuffer) -> Result<Vec<(usize, Arc<Reason>)>> {
        let fault = |reason: Reason| Error::usage(reason.message.into_owned());
        let schema = batch.columns.schema_ref();
        let names = || schema.fields().iter().map(|field| field.name());
        let tenant = self.shared.tenant;
        let place = match self.plans.iter().position(|(plan, _)| plan.names.iter().eq(names())) {
            Some(place) => place,
            None => {
                let plan = Plan::new(&self.table, names().cloned().collect(), tenant.is_some(), false, 0);
                if self.plans.len() >= MAX_PLANS {
                    self.plans.clear();
                }
                self.plans.push((plan.map_err(fault)?, Reasons::default()));
                self.plans.len() - 1
            }
        };
        let Some((plan, reasons)) = self.plans.get_mut(place) else { return Ok(Vec::new()) };
        // Where each cell of a row is among those that are encoded.
        let places: Vec<Option<usize>> = self
            .columns
            .iter()
            .map(|column| {
                let at = plan.goals.iter().position(|goal| *goal.name == *column.name)?;
                matches!(plan.origins.get(at), Some(Origin::Batch(_) | Origin::Tenant)).then_some(at)
            })
            .collect();
        for (brought, place) in self.brought.iter_mut().zip(&places) {
            *brought |= place.is_some();
        }
        let parts = std::slice::from_ref(batch);
        let sources = sources(Rows { parts, picks: &[] }, plan).map_err(fault)?;
        let (width, rules) = (plan.names.len(), self.shared.rules);
        let mut encoder = Encoder::new(&plan.goals, &plan.origins, &sources, width, rules, tenant, reasons);
        let mut refused = Vec::new();
        let mut cells = Places::new();
        let mut first = 0;
        while first < batch.len() {
            let end = batch.len().min(first + BLOCK);
            let picks: Vec<Pick> = (first..end).map(|row| Pick { part: 0, row: row as u32 }).collect();
            let mut out = Out::new();
            encoder.block(&picks, &mut out, |at, done| {
                if let Err(reason) = done {
                    refused.push((first + at, reason));
                }
            });
            let (bytes, mut at) = (out.written(), 0);
            while row_at(bytes, &mut at, &mut cells)? {
                for (column, place) in places.iter().enumerate() {
                    let type_ = self.types.get(column).copied();
                    match place.map(|place| cells.get(place).cloned().flatten()) {
                        Some(Some(cell)) => put(type_, bytes.get(cell).unwrap_or_default(), rows),
                        Some(None) => rows.push(Cell::Null),
                        None => match self.defaults.get(column) {
                            Some(Some(default)) => rows.push(Cell::Value(default)),
                            _ => rows.push(Cell::Absent),
                        },
                    }
                }
            }
            first = end;
        }
        Ok(refused)
    }

    async fn scan(&mut self, scope: &VerifyScope, take: &mut TakeRows<'_>) -> Result<()> {
        let link = self.begin().await?;
        let mut rows = RowBuffer::new(self.columns.len());
        copy_out(&link, &self.query(scope), &self.types, &mut rows, take).await
    }

    fn reader(&self) -> Arc<dyn CellReader> {
        Arc::new(PgCells { types: self.types.clone() })
    }
}

/// Reads cells by the types of their columns.
struct PgCells {
    types: Vec<ColumnType>,
}

impl CellReader for PgCells {
    fn micros(&self, cell: &[u8]) -> Option<i64> {
        match *cell {
            [a, b, c, d] => {
                let day = i32::from_be_bytes([a, b, c, d]);
                let known = day > i32::MIN && day < i32::MAX;
                known.then(|| i64::from(day) * DAY_MICROS + EPOCH_SECONDS * 1_000_000)
            }
            _ => {
                let micros = i64::from_be_bytes(cell.try_into().ok()?);
                let known = micros > i64::MIN && micros < i64::MAX;
                known.then(|| micros.saturating_add(EPOCH_SECONDS * 1_000_000))
            }
        }
    }

    fn json(&self, column: usize, cell: Cell<'_>) -> String {
        let Cell::Value(bytes) = cell else { return "null".to_owned() };
        let type_ = self.types.get(column).copied();
        shown(type_, bytes, |bytes| self.micros(bytes))
    }
}

/// The rows that a query answers, handed out.
async fn copy_out(
    link: &Link,
    query: &str,
    types: &[ColumnType],
    rows: &mut RowBuffer,
    take: &mut TakeRows<'_>,
) -> Result<()> {
    let fault = |error: tokio_postgres::Error| match link.classify(&error) {
        SinkError::Transient(_, reason) => Error::unavailable(reason.message.into_owned()),
        other => Error::usage(other.reason().message.clone().into_owned()),
    };
    let stream =
        link.client.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await.map_err(fault)?;
    pin_mut!(stream);
    let mut ahead = HEADER.len();
    let mut cells = Places::new();
    while let Some(message) = stream.next().await {
        let message = message.map_err(fault)?;
        // The server sends a row a message, the header before the first.
        let mut at = ahead.min(message.len());
        ahead -= at;
        while row_at(&message, &mut at, &mut cells)? {
            for (type_, cell) in types.iter().zip(&cells) {
                match cell {
                    Some(cell) => put(Some(*type_), message.get(cell.clone()).unwrap_or_default(), rows),
                    None => rows.push(Cell::Null),
                }
            }
        }
        if rows.rows() >= ROWS {
            if !take(rows)? {
                return Ok(());
            }
            rows.clear();
        }
    }
    if rows.rows() > 0 {
        take(rows)?;
        rows.clear();
    }
    Ok(())
}

/// Where each cell of a row is; none for a null.
type Places = Vec<Option<Range<usize>>>;

/// Reads where the cells of the row at `at` are, and moves on to the next one; `false` at the end.
fn row_at(bytes: &[u8], at: &mut usize, places: &mut Places) -> Result<bool> {
    let broken = || Error::internal("a row of binary COPY is cut off");
    places.clear();
    let Some(count) = bytes.get(*at..*at + 2) else {
        return if *at == bytes.len() { Ok(false) } else { Err(broken()) };
    };
    let count = i16::from_be_bytes(count.try_into().unwrap_or_default());
    *at += 2;
    for _ in 0..count {
        let len = bytes.get(*at..*at + 4).ok_or_else(broken)?;
        *at += 4;
        let len = usize::try_from(i32::from_be_bytes(len.try_into().unwrap_or_default())).ok();
        places.push(len.map(|len| *at..*at + len));
        *at += len.unwrap_or(0);
    }
    // The trailer counts -1 cells.
    if *at > bytes.len() { Err(broken()) } else { Ok(count >= 0) }
}

/// A value, so that equal ones have equal bytes.
fn put(type_: Option<ColumnType>, bytes: &[u8], rows: &mut RowBuffer) {
    use ColumnType as T;
    match type_ {
        Some(T::Numeric(limits)) => rows.write(|out| numeric(bytes, limits.map(|(_, scale)| scale), out)),
        Some(T::Timestamp(digits @ 0..6) | T::Timestamptz(digits @ 0..6) | T::Time(digits @ 0..6)) => {
            let micros = i64::from_be_bytes(bytes.try_into().unwrap_or_default());
            rows.push(Cell::Value(&rounded(micros, digits).to_be_bytes()));
        }
        // Whether there is a null among the elements is said by these too.
        Some(T::TextArray | T::VarcharArray(_)) if bytes.len() >= 8 => rows.write(|out| {
            out.extend_from_slice(&bytes[..4]);
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&bytes[8..]);
        }),
        Some(T::Float4) if f32::from_be_bytes(bytes.try_into().unwrap_or_default()) == 0.0 => {
            rows.push(Cell::Value(&[0; 4]));
        }
        Some(T::Float8) if f64::from_be_bytes(bytes.try_into().unwrap_or_default()) == 0.0 => {
            rows.push(Cell::Value(&[0; 8]));
        }
        Some(T::Bpchar(_)) => {
            let end = bytes.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
            rows.push(Cell::Value(bytes.get(..end).unwrap_or_default()));
        }
        Some(T::Jsonb) => {
            let text = bytes.strip_prefix(&[1]).unwrap_or(bytes);
            match serde_json::from_slice::<serde_json::Value>(text) {
                Ok(value) => rows.write(|out| sorted(&value, out)),
                Err(_) => rows.push(Cell::Value(text)),
            }
        }
        _ => rows.push(Cell::Value(bytes)),
    }
}

/// A time, rounded as the server does for a column with so many digits of the second.
fn rounded(micros: i64, digits: u8) -> i64 {
    let unit = 10_i64.pow(6 - u32::from(digits.min(6)));
    match micros {
        i64::MIN | i64::MAX => micros,
        0.. => micros.saturating_add(unit / 2) / unit * unit,
        _ => -(micros.saturating_neg().saturating_add(unit / 2) / unit * unit),
    }
}

/// A NUMERIC of the wire without what does not change its value: groups of zeros at its ends, and how many decimals are
/// shown. Where its column has a scale it is rounded to that, half of a unit away from zero, as the server does.
fn numeric(bytes: &[u8], scale: Option<i32>, out: &mut Vec<u8>) {
    let half =
        |at: usize| bytes.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign) = (usize::from(half(0)), half(1) as i16, half(2));
    // Digits of the last groups that are behind the scale.
    let behind = scale.map_or(0, |scale| 4 * (count as i32 - 1 - i32::from(weight)) - scale);
    if behind <= 0 || !matches!(sign, 0 | 0x4000) {
        return trimmed(bytes, out);
    }
    let mut groups: Vec<u16> = std::iter::once(0).chain((0..count).map(|at| half(4 + at))).collect();
    let (whole, digits) = ((behind / 4) as usize, (behind % 4) as u32);
    // What is cut off is more than half of a unit by its first digit alone.
    let (at, unit) = match digits {
        0 => (groups.len().saturating_sub(whole), 10_000),
        digits => (groups.len().saturating_sub(whole + 1), 10_u16.pow(digits)),
    };
    let up = match (digits, at) {
        (_, 0) if whole >= groups.len() => false,
        (0, at) => groups.get(at).is_some_and(|group| *group >= 5_000),
        (_, at) => groups.get(at).is_some_and(|group| group % unit >= unit / 2),
    };
    if digits == 0 {
        groups.truncate(at);
    } else {
        groups.truncate(at + 1);
        if let Some(last) = groups.last_mut() {
            *last -= *last % unit;
        }
    }
    if up {
        let mut carry = if digits == 0 { 1 } else { unit };
        for group in groups.iter_mut().rev() {
            *group += carry;
            carry = *group / 10_000;
            *group %= 10_000;
            if carry == 0 {
                break;
            }
        }
    }
    let mut wire = Vec::with_capacity(8 + 2 * groups.len());
    for value in [groups.len() as u16, weight.wrapping_add(1) as u16, sign, 0].into_iter().chain(groups) {
        wire.extend_from_slice(&value.to_be_bytes());
    }
    trimmed(&wire, out);
}

/// The same, as it is.
fn trimmed(bytes: &[u8], out: &mut Vec<u8>) {
    let half =
        |at: usize| bytes.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]));
    let (count, weight, sign) = (usize::from(half(0)), half(1) as i16, half(2));
    let (mut first, mut last) = (0, count);
    while last > first && half(4 + last - 1) == 0 {
        last -= 1;
    }
    while first < last && half(4 + first) == 0 {
        first += 1;
    }
    let finite = matches!(sign, 0 | 0x4000);
    let (weight, sign) = match (finite, first == last) {
        (true, true) => (0, 0),
        (true, false) => (weight.wrapping_sub(first as i16), sign),
        (false, _) => (0, sign),
    };
    out.extend_from_slice(&weight.to_be_bytes());
    out.extend_from_slice(&sign.to_be_bytes());
    out.extend_from_slice(bytes.get(8 + 2 * first..8 + 2 * last).unwrap_or_default());
}

/// JSON with the names of each object in order.
fn sorted(value: &serde_json::Value, out: &mut Vec<u8>) {
    match value {
        serde_json::Value::Object(members) => {
            let mut names: Vec<_> = members.iter().collect();
            names.sort_unstable_by_key(|(name, _)| *name);
            out.push(b'{');
            for (at, (name, value)) in names.into_iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                out.extend_from_slice(serde_json::Value::from(name.as_str()).to_string().as_bytes());
                out.push(b':');
                sorted(value, out);
            }
            out.push(b'}');
        }
        serde_json::Value::Array(values) => {
            out.push(b'[');
            for (at, value) in values.iter().enumerate() {
                if at > 0 {
                    out.push(b',');
                }
                sorted(value, out);
            }
            out.push(b']');
        }
        plain => out.extend_from_slice(plain.to_string().as_bytes()),
    }
}

/// A cell as JSON.
fn shown(type_: Option<ColumnType>, bytes: &[u8], micros: impl Fn(&[u8]) -> Option<i64>) -> String {
    use ColumnType as T;
    let text = |text: &str| serde_json::Value::from(text).to_string();
    let wide = || i64::from_be_bytes(bytes.try_into().unwrap_or_default());
    match type_ {
        Some(T::Bool) => (bytes == [1]).to_string(),
        Some(T::Int2) => i16::from_be_bytes(bytes.try_into().unwrap_or_default()).to_string(),
        Some(T::Int4) => i32::from_be_bytes(bytes.try_into().unwrap_or_default()).to_string(),
        Some(T::Int8) => wide().to_string(),
        Some(T::Float4) => match f32::from_be_bytes(bytes.try_into().unwrap_or_default()) {
            number if number.is_finite() => number.to_string(),
            other => text(&other.to_string()),
        },
        Some(T::Float8) => match f64::from_be_bytes(bytes.try_into().unwrap_or_default()) {
            number if number.is_finite() => number.to_string(),
            other => text(&other.to_string()),
        },
        Some(T::Numeric(_)) => {
            // As on the wire again: so many groups, and the decimals that they have.
            let half = |at: usize| {
                bytes.get(2 * at..2 * at + 2).map_or(0, |two| u16::from_be_bytes([two[0], two[1]]))
            };
            let groups = (bytes.len().saturating_sub(4) / 2) as u16;
            let (weight, last) = (i32::from(half(0) as i16), half(1 + usize::from(groups)));
            let spare = [1_000, 100, 10].iter().filter(|unit| last % **unit == 0).count() as i32;
            let decimals = match i32::from(groups) - 1 - weight {
                behind if groups > 0 && behind > 0 => 4 * behind - spare,
                _ => 0,
            };
            let mut wire = Vec::with_capacity(bytes.len() + 4);
            wire.extend_from_slice(&groups.to_be_bytes());
            wire.extend_from_slice(bytes.get(..4).unwrap_or_default());
            wire.extend_from_slice(&(decimals as u16).to_be_bytes());
            wire.extend_from_slice(bytes.get(4..).unwrap_or_default());
            let mut out = Vec::new();
            match write_numeric(&wire, None, &mut out) {
                true => String::from_utf8_lossy(&out).into_owned(),
                false => text(if half(1) == 0xD000 {
                    "Infinity"
                } else if half(1) == 0xF000 {
                    "-Infinity"
                } else {
                    "NaN"
                }),
            }
        }
        Some(T::Uuid) => text(&uuid::Uuid::from_slice(bytes).unwrap_or_default().to_string()),
        Some(T::Date) => match micros(bytes).and_then(chrono::DateTime::from_timestamp_micros) {
            Some(day) => text(&day.format("%Y-%m-%d").to_string()),
            None => text("infinity"),
        },
        Some(T::Timestamp(_) | T::Timestamptz(_)) => {
            match micros(bytes).and_then(chrono::DateTime::from_timestamp_micros) {
                Some(time) => text(&time.to_rfc3339_opts(chrono::SecondsFormat::AutoSi, true)),
                None => text("infinity"),
            }
        }
        Some(T::Time(_)) => {
            let clock = chrono::DateTime::from_timestamp_micros(wide()).unwrap_or_default();
            text(&clock.format("%H:%M:%S%.f").to_string())
        }
        Some(T::TextArray | T::VarcharArray(_)) => text_list(bytes).unwrap_or_else(|| text("…")),
        Some(T::Jsonb | T::Json) => String::from_utf8_lossy(bytes).into_owned(),
        _ => text(&String::from_utf8_lossy(bytes)),
    }
}

/// An array of texts on the wire, as JSON; none where it has several dimensions.
fn text_list(bytes: &[u8]) -> Option<String> {
    let number = |at: usize| Some(i32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?));
    let count = match number(0)? {
        0 => return Some("[]".to_owned()),
        1 => number(12)?,
        _ => return None,
    };
    let (mut at, mut elements) = (20, Vec::new());
    for _ in 0..count {
        let len = usize::try_from(number(at)?).ok();
        at += 4;
        elements.push(match len {
            Some(len) => {
                let text = String::from_utf8_lossy(bytes.get(at..at + len)?);
                at += len;
                serde_json::Value::from(text)
            }
            None => serde_json::Value::Null,
        });
    }
    Some(serde_json::Value::from(elements).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the server sends it: the digits in groups of four.
    fn wire(text: &str) -> Vec<u8> {
        let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let (whole, decimals) = text.split_once('.').unwrap_or((text, ""));
        let whole = format!("{}{whole}", "0".repeat((4 - whole.len() % 4) % 4));
        let decimals = format!("{decimals}{}", "0".repeat((4 - decimals.len() % 4) % 4));
        let weight = (whole.len() / 4) as i16 - 1;
        let digits = whole + &decimals;
        let groups = digits
            .as_bytes()
            .chunks(4)
            .map(|four| std::str::from_utf8(four).unwrap().parse::<u16>().unwrap());
        let groups: Vec<u16> = groups.collect();
        let head =
            [groups.len() as u16, weight as u16, if negative { 0x4000 } else { 0 }, decimals.len() as u16];
        head.into_iter().chain(groups).flat_map(u16::to_be_bytes).collect()
    }

    fn shown_as(text: &str, scale: Option<i32>) -> String {
        let mut cell = Vec::new();
        numeric(&wire(text), scale, &mut cell);
        shown(Some(ColumnType::Numeric(None)), &cell, |_| None)
    }

    #[test]
    fn numbers_are_shown_as_they_are() {
        for (text, expected) in [
            ("0.00012", "0.00012"),
            ("1000000", "1000000"),
            ("12345678.90123456789", "12345678.90123456789"),
            ("-0.5", "-0.5"),
            ("1.50", "1.5"),
            ("0.000", "0"),
            ("100000000", "100000000"),
            ("0.00000001", "0.00000001"),
            ("9999.9999", "9999.9999"),
            ("10000.0001", "10000.0001"),
        ] {
            assert_eq!(shown_as(text, None), expected);
        }
    }

    #[test]
    fn numbers_are_rounded_to_the_scale_of_their_column_as_the_server_does() {
        for (text, scale, expected) in [
            ("1.23456", 4, "1.2346"),
            ("1.23454", 4, "1.2345"),
            ("-1.23455", 4, "-1.2346"),
            ("9999.99995", 4, "10000"),
            ("0.5", 0, "1"),
            ("0.4999", 0, "0"),
            ("1.5", 0, "2"),
            ("12345.678", 2, "12345.68"),
            ("0.00004", 4, "0"),
            ("0.00005", 4, "0.0001"),
            ("99999999.995", 2, "100000000"),
            ("15", -1, "20"),
            ("14", -1, "10"),
            ("12345678", -4, "12350000"),
            ("0.000000004", 8, "0"),
            ("0.000000005", 8, "0.00000001"),
            ("1.2", 8, "1.2"),
            ("4", -1, "0"),
            ("49999", -5, "0"),
            ("50000", -5, "100000"),
        ] {
            assert_eq!(shown_as(text, Some(scale)), expected, "{text} to {scale}");
        }
    }

    #[test]
    fn times_are_rounded_to_the_digits_of_their_column() {
        for (micros, digits, expected) in [
            (1_500, 3, 2_000),
            (1_499, 3, 1_000),
            (-1_500, 3, -2_000),
            (499_999, 0, 0),
            (i64::MAX, 0, i64::MAX),
        ] {
            assert_eq!(rounded(micros, digits), expected);
        }
    }
}
