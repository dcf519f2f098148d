//! Rows of a table and of inputs as SQLite keeps them, made comparable.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::bind::{Binder, Unbound};
use super::catalog::{self, Table, quoted};
use super::file::{self, Access};
use super::plan::Plan;
use super::session::{blocking, views};
use crate::batch::{Batch, Reason, Rows};
use crate::dataset::{KeyPrecision, Kind};
use crate::error::{Error, Result, words};
use crate::port::SinkError;
use crate::settings::OnConflict;
use crate::sink::defaults::is_literal;
use crate::sink::verify::{Cell, CellReader, RowBuffer, TakeRows, Verifier, VerifyColumn, VerifyScope};
use crate::text::flags::MAP;

/// Rows that are handed out at once.
const ROWS: usize = 4_096;

/// Where rows of inputs are kept for a moment, so that SQLite itself makes of them what the table would hold.
const STAGE: &str = "mds_stage";

/// What the first byte of a cell says.
const NUMBER: u8 = b'n';
const TEXT: u8 = b't';
const BYTES: u8 = b'b';

/// Compares with a table of a file that is opened to be read.
pub(super) struct SqliteVerifier {
    store: Connection,
    /// In memory.
    stage: Connection,
    table: Table,
    columns: Vec<VerifyColumn>,
    /// Of columns of the key what they hold where no row brings it.
    defaults: Vec<Option<Vec<u8>>>,
    /// Columns of the key that SQLite fills with another value in each row.
    made: Vec<bool>,
    brought: Vec<bool>,
    binder: Binder,
}

impl SqliteVerifier {
    /// # Errors
    /// Usage, where the table is not there or its rows cannot be told apart.
    pub(super) fn open(path: &Path, name: &str, exact: bool) -> Result<Self> {
        let failed = |error: rusqlite::Error| Error::unavailable(words(&error)).caused_by(error);
        let none = || Error::usage(format!("{} has no table {name} yet: load into it first", path.display()));
        if !path.exists() {
            return Err(none());
        }
        let store = file::open(path, Access::Read).map_err(failed)?;
        let table = catalog::read(&store, name).map_err(failed)?.ok_or_else(none)?;
        // Two keys of the input are one in the table, and the other way round.
        let opaque = |name: &&String| {
            table.column(name).is_some_and(|column| column.target.grain == KeyPrecision::Opaque)
        };
        if let Some(name) = table.key.iter().find(opaque) {
            return Err(Error::usage(format!(
                "{} cannot be compared: {name} of its key takes texts for the same that are written in different ways (COLLATE)",
                table.name
            )));
        }
        // Rows of one moment, from the first time that they are read.
        store.execute_batch("BEGIN").map_err(failed)?;
        let time = table.key.iter().find(|name| {
            table
                .column(name)
                .is_some_and(|column| matches!(column.target.kind, Kind::Timestamp | Kind::Date))
        });
        let columns: Vec<VerifyColumn> = table
            .columns
            .iter()
            .map(|column| VerifyColumn {
                name: column.target.name.clone(),
                key: table.key.contains(&column.target.name),
                time: time == Some(&column.target.name),
            })
            .collect();
        let stage = Connection::open_in_memory().map_err(failed)?;
        let (mut defaults, mut made) = (vec![None; columns.len()], vec![false; columns.len()]);
        let sql = "SELECT name, type, dflt_value FROM pragma_table_xinfo(?1)";
        let mut definitions = Vec::new();
        {
            let mut statement = store.prepare(sql).map_err(failed)?;
            let mut found = statement.query([&table.name]).map_err(failed)?;
            while let Some(row) = found.next().map_err(failed)? {
                let (name, type_, default): (String, String, Option<String>) =
                    (row.get(0).map_err(failed)?, row.get(1).map_err(failed)?, row.get(2).map_err(failed)?);
                let Some(place) = columns.iter().position(|column| column.name == name) else { continue };
                definitions.push(format!("{} {type_}", quoted(&name)));
                let default = default.filter(|_| columns[place].key);
                if let Some(default) = default {
                    if !is_literal(&default) {
                        made[place] = true;
                        continue;
                    }
                    let sql = format!(
                        "SELECT CAST(({default}) AS {})",
                        if type_.is_empty() { "BLOB" } else { &type_ }
                    );
                    let mut cells = RowBuffer::new(1);
                    store
                        .query_row(&sql, [], |row| row.get_ref(0).map(|value| put(value, &mut cells)))
                        .map_err(failed)?;
                    if let Cell::Value(bytes) = cells.cell(0, 0) {
                        defaults[place] = Some(bytes.to_vec());
                    }
                }
            }
        }
        let strict = if table.strict { " STRICT" } else { "" };
        stage
            .execute_batch(&format!("CREATE TABLE {STAGE} ({}){strict}", definitions.join(", ")))
            .map_err(failed)?;
        let brought = columns.iter().map(|column| column.key).collect();
        Ok(Self { store, stage, table, columns, defaults, made, brought, binder: Binder::new(exact) })
    }

    fn staged(&mut self, batch: &Arc<Batch>, rows: &mut RowBuffer) -> Result<Vec<(usize, Arc<Reason>)>> {
        let failed = |error: rusqlite::Error| Error::unavailable(words(&error)).caused_by(error);
        let said = |error: SinkError| Error::usage(error.reason().message.clone().into_owned());
        let plan =
            Plan::new(batch.columns.schema_ref(), &self.table, OnConflict::Update, false).map_err(said)?;
        let names: Vec<String> = plan.columns.iter().map(|column| quoted(&column.name)).collect();
        let places: Vec<Option<usize>> = self
            .columns
            .iter()
            .map(|column| plan.columns.iter().position(|brought| *brought.name == *column.name))
            .collect();
        for ((column, made), place) in self.columns.iter().zip(&self.made).zip(&places) {
            if *made && place.is_none() {
                return Err(Error::usage(format!(
                    "{} cannot be compared: {} of its key has a value of its own in each row, and the input has none; give it with {MAP}",
                    self.table.name, column.name
                )));
            }
        }
        for (brought, place) in self.brought.iter_mut().zip(&places) {
            *brought |= place.is_some();
        }
        let parts = std::slice::from_ref(batch);
        let values = views(Rows { parts, picks: &[] }).map_err(said)?;
        let mut refused = Vec::new();
        self.stage.execute_batch(&format!("BEGIN; DELETE FROM {STAGE}")).map_err(failed)?;
        {
            let marks: Vec<String> = (1..=names.len()).map(|place| format!("?{place}")).collect();
            let sql = format!("INSERT INTO {STAGE} ({}) VALUES ({})", names.join(", "), marks.join(", "));
            let mut insert = self.stage.prepare_cached(&sql).map_err(failed)?;
            'rows: for row in 0..batch.len() {
                for (index, (column, values)) in plan.columns.iter().zip(&values).enumerate() {
                    match self.binder.bind(&mut insert, index + 1, column, values, row) {
                        Ok(_) => {}
                        Err(Unbound::Refused(reason)) => {
                            refused.push((row, Arc::new(reason)));
                            continue 'rows;
                        }
                        Err(Unbound::Sqlite(error)) => return Err(failed(error)),
                    }
                }
                insert.raw_execute().map_err(failed)?;
            }
            let sql = format!("SELECT {} FROM {STAGE} ORDER BY rowid", names.join(", "));
            let mut select = self.stage.prepare_cached(&sql).map_err(failed)?;
            let mut found = select.query([]).map_err(failed)?;
            while let Some(row) = found.next().map_err(failed)? {
                for (column, place) in places.iter().enumerate() {
                    match (place, self.defaults.get(column)) {
                        (Some(place), _) => put(row.get_ref(*place).map_err(failed)?, rows),
                        (None, Some(Some(default))) => rows.push(Cell::Value(default)),
                        (None, _) => rows.push(Cell::Absent),
                    }
                }
            }
        }
        self.stage.execute_batch("COMMIT").map_err(failed)?;
        Ok(refused)
    }

    fn scanned(&self, scope: &VerifyScope, take: &mut TakeRows<'_>) -> Result<()> {
        let failed = |error: rusqlite::Error| Error::unavailable(words(&error)).caused_by(error);
        let value = |(column, brought): (&VerifyColumn, &bool)| match brought {
            true => quoted(&column.name),
            false => "NULL".to_owned(),
        };
        let list: Vec<String> = self.columns.iter().zip(&self.brought).map(value).collect();
        let (mut wanted, mut given) = (Vec::new(), Vec::new());
        let day = |day: i64| {
            chrono::DateTime::from_timestamp(day * 86_400, 0).map(|day| day.format("%Y-%m-%d").to_string())
        };
        if let (Some(column), Some((first, last))) =
            (self.columns.iter().find(|column| column.time), scope.days)
            && let (Some(first), Some(last)) = (day(first), day(last + 1))
            && first.len() == 10
            && last.len() == 10
        {
            // Times are texts that sort as they follow each other.
            given.extend([first, last]);
            wanted.push(format!("{0} >= ?1 AND {0} < ?2", quoted(&column.name)));
        }
        if let Some((column, texts)) = &scope.texts
            && let Some(column) = self.columns.get(*column)
        {
            let marks: Vec<String> =
                (0..texts.len()).map(|at| format!("?{}", given.len() + at + 1)).collect();
            wanted.push(format!("{} IN ({})", quoted(&column.name), marks.join(", ")));
            given.extend(texts.iter().cloned());
        }
        let wanted = match wanted.is_empty() {
            true => String::new(),
            false => format!(" WHERE {}", wanted.join(" AND ")),
        };
        let sql = format!("SELECT {} FROM {}{wanted}", list.join(", "), quoted(&self.table.name));
        let mut statement = self.store.prepare(&sql).map_err(failed)?;
        let mut found = statement.query(rusqlite::params_from_iter(given)).map_err(failed)?;
        let mut rows = RowBuffer::new(self.columns.len());
        while let Some(row) = found.next().map_err(failed)? {
            for column in 0..self.columns.len() {
                put(row.get_ref(column).map_err(failed)?, &mut rows);
            }
            if rows.rows() >= ROWS {
                if !take(&rows)? {
                    return Ok(());
                }
                rows.clear();
            }
        }
        if rows.rows() > 0 {
            take(&rows)?;
        }
        Ok(())
    }
}

#[async_trait]
impl Verifier for SqliteVerifier {
    fn columns(&self) -> &[VerifyColumn] {
        &self.columns
    }

    fn uncompared(&self) -> &[String] {
        &[]
    }

    fn input(&mut self, batch: &Arc<Batch>, rows: &mut RowBuffer) -> Result<Vec<(usize, Arc<Reason>)>> {
        self.staged(batch, rows)
    }

    async fn scan(&mut self, scope: &VerifyScope, take: &mut TakeRows<'_>) -> Result<()> {
        blocking(|| self.scanned(scope, take))
    }

    fn reader(&self) -> Arc<dyn CellReader> {
        Arc::new(SqliteCells)
    }
}

/// Reads cells by their first byte.
struct SqliteCells;

impl CellReader for SqliteCells {
    fn day(&self, cell: &[u8]) -> Option<i64> {
        // However the time goes on, its day stands first.
        let text = std::str::from_utf8(cell.strip_prefix(&[TEXT])?).ok()?;
        let day = chrono::NaiveDate::parse_from_str(text.get(..10)?, "%Y-%m-%d").ok()?;
        let zoned = chrono::DateTime::parse_from_rfc3339(text).map(|time| time.to_utc().date_naive());
        Some(zoned.unwrap_or(day).to_epoch_days().into())
    }

    fn json(&self, _: usize, cell: Cell<'_>) -> String {
        let Cell::Value(bytes) = cell else { return "null".to_owned() };
        match bytes.split_first() {
            // Infinity is no number of JSON.
            Some((&NUMBER, digits)) if digits.last().is_some_and(u8::is_ascii_digit) => {
                String::from_utf8_lossy(digits).into_owned()
            }
            Some((_, text)) => serde_json::Value::from(String::from_utf8_lossy(text)).to_string(),
            None => "null".to_owned(),
        }
    }
}

/// A value, so that equal ones have equal bytes: a whole number is the same whether it is kept as an integer or not.
fn put(value: ValueRef<'_>, rows: &mut RowBuffer) {
    let tagged = |tag: u8, bytes: &[u8], rows: &mut RowBuffer| {
        rows.write(|out| {
            out.push(tag);
            out.extend_from_slice(bytes);
        });
    };
    match value {
        ValueRef::Null => rows.push(Cell::Null),
        ValueRef::Integer(number) => tagged(NUMBER, number.to_string().as_bytes(), rows),
        // The shortest text that means it; of a whole number its digits.
        ValueRef::Real(number) => {
            let number = if number == 0.0 { 0.0 } else { number };
            tagged(NUMBER, number.to_string().as_bytes(), rows);
        }
        ValueRef::Text(text) => tagged(TEXT, text, rows),
        ValueRef::Blob(bytes) => tagged(BYTES, bytes, rows),
    }
}
