//! Which rows a table has already, for a run that writes nothing.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use rusqlite::Connection;

use super::bind::{Binder, Unbound};
use super::catalog::{self, Table, quoted};
use super::file::{self, Access};
use super::plan::Plan;
use super::session::{blocking, views};
use crate::batch::Rows;
use crate::error::{Error, Result, words};
use crate::settings::OnConflict;
use crate::sink::{Comparison, Known};

/// Looks rows up by their keys in a file that is opened to be read.
pub(super) struct SqliteComparison {
    path: PathBuf,
    table: String,
    open: Option<(Connection, Option<Table>)>,
    binder: Binder,
}

impl SqliteComparison {
    pub(super) fn new(path: &Path, table: &str) -> Self {
        Self { path: path.to_owned(), table: table.to_owned(), open: None, binder: Binder::new(false) }
    }

    fn look(&mut self, rows: Rows<'_>) -> Result<Known> {
        let mut known = Known::default();
        // What is not there has no rows.
        if rows.is_empty() || !self.path.exists() {
            return Ok(known);
        }
        let failed = |error: rusqlite::Error| Error::unavailable(words(&error)).caused_by(error);
        let (connection, table) = match &mut self.open {
            Some(open) => open,
            none => {
                let connection = file::open(&self.path, Access::Read).map_err(failed)?;
                let table = catalog::read(&connection, &self.table).map_err(failed)?;
                none.insert((connection, table))
            }
        };
        let Some(table) = table else { return Ok(known) };
        let said =
            |error: crate::port::SinkError| Error::unavailable(error.reason().message.clone().into_owned());
        let schema = rows.at(0).0.columns.schema_ref();
        let plan = Plan::new(schema, table, OnConflict::Update, false).map_err(said)?;
        let Some(sql) = question(connection, &plan, table).map_err(failed)? else { return Ok(known) };
        let mut statement = connection.prepare_cached(&sql).map_err(failed)?;
        let (values, width) = (views(rows).map_err(said)?, plan.columns.len());
        'rows: for pick in rows.picks {
            let values = &values[pick.part as usize * width..][..width];
            for (index, (column, values)) in plan.columns.iter().zip(values).enumerate() {
                match self.binder.bind(&mut statement, index + 1, column, values, pick.row as usize) {
                    Ok(_) => {}
                    // A value that its column refuses is not a row that could be there.
                    Err(Unbound::Refused(_)) => continue 'rows,
                    Err(Unbound::Sqlite(error)) => return Err(failed(error)),
                }
            }
            let mut answers = statement.raw_query();
            if let Some(row) = answers.next().map_err(failed)? {
                known.there += 1;
                known.differing += u64::from(row.get::<_, bool>(0).map_err(failed)?);
            }
        }
        Ok(known)
    }
}

/// What a column holds that a row does not bring, as SQL has it; nothing where that is null.
fn default_of(connection: &Connection, table: &str, column: &str) -> rusqlite::Result<Option<String>> {
    let sql = "SELECT dflt_value FROM pragma_table_xinfo(?1) WHERE name = ?2 COLLATE NOCASE";
    connection.query_row(sql, [table, column], |row| row.get(0))
}

/// Asks for the row of a key whether it differs from the parameters, in the order of the plan's columns; nothing where
/// rows have no whole key.
fn question(connection: &Connection, plan: &Plan, table: &Table) -> rusqlite::Result<Option<String>> {
    let brings = |name: &str| plan.columns.iter().any(|column| &*column.name == name);
    let key = table.key_of(brings);
    if key.is_empty() {
        return Ok(None);
    }
    let (mut same, mut differs) = (Vec::new(), Vec::new());
    for name in key.iter().filter(|name| !brings(name)) {
        // Nothing is equal to null.
        let Some(default) = default_of(connection, &table.name, name)? else { return Ok(None) };
        same.push(format!("{} = ({default})", quoted(name)));
    }
    for (index, column) in plan.columns.iter().enumerate() {
        let (name, parameter) = (quoted(&column.name), index + 1);
        match plan.key.contains(&index) {
            true => same.push(format!("{name} = ?{parameter}")),
            // As the upsert compares.
            false => differs.push(format!("{name} IS NOT ?{parameter} COLLATE BINARY")),
        }
    }
    let differs = if differs.is_empty() { "0".to_owned() } else { differs.join(" OR ") };
    Ok(Some(format!("SELECT {differs} FROM {} WHERE {}", quoted(&table.name), same.join(" AND "))))
}

#[async_trait]
impl Comparison for SqliteComparison {
    async fn known(&mut self, rows: Rows<'_>) -> Result<Known> {
        blocking(|| self.look(rows))
    }
}
