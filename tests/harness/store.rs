//! Either store behind one face, so that a test runs on both.

use std::path::{Path, PathBuf};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};

use super::db::TextRow;
use super::truth::{self, Notation, Table};
use super::{Db, Postgres, Work};
use crate::generator::market::Plan;

/// A store with its tables, empty.
pub enum Store {
    /// A file.
    Sqlite(PathBuf),
    /// A database.
    Postgres(Db),
}

impl Store {
    /// An embedded store in that directory.
    pub fn sqlite(work: &Work) -> Self {
        Self::Sqlite(work.path("store.db"))
    }

    /// A database of the shared server with our tables.
    pub fn postgres() -> Self {
        Self::Postgres(Postgres::shared().database_with_schema())
    }

    /// A new store of that kind, in which those statements have run.
    pub fn holding(work: &Work, sqlite: bool, statements: &str) -> Self {
        if sqlite {
            let file = Connection::open(work.path("store.db")).expect("a file");
            file.execute_batch(statements).expect(statements);
            return Self::sqlite(work);
        }
        let db = Postgres::shared().database();
        db.execute(statements);
        Self::Postgres(db)
    }

    /// What to give to `--dsn`.
    pub fn dsn(&self) -> String {
        match self {
            Self::Sqlite(path) => format!("sqlite:{}", path.display()),
            Self::Postgres(db) => db.dsn(),
        }
    }

    /// Rows of a query, or why there are none.
    pub fn try_rows(&self, sql: &str) -> Result<Vec<TextRow>, String> {
        match self {
            Self::Sqlite(path) => sqlite_rows(path, sql).map_err(|error| error.to_string()),
            Self::Postgres(db) => db.try_rows(sql),
        }
    }

    /// Rows of a query.
    pub fn rows(&self, sql: &str) -> Vec<TextRow> {
        self.try_rows(sql).unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// How many rows a table has; `None` if there is no such table yet.
    pub fn count(&self, table: &str) -> Option<u64> {
        let rows = self.try_rows(&format!("SELECT count(*) FROM {table}")).ok()?;
        rows.first()?.first()?.as_ref()?.parse().ok()
    }

    /// Columns of a table in canonical text, sorted.
    pub fn table(&self, table: &str, columns: &[(&str, Notation)]) -> Table {
        let names: Vec<&str> = columns.iter().map(|(name, _)| *name).collect();
        let rows = self.rows(&format!("SELECT {} FROM {table}", names.join(", ")));
        let canonical = |row: TextRow| -> Vec<String> {
            row.iter().zip(columns).map(|(v, (_, n))| truth::canonical(*n, v.as_deref())).collect()
        };
        truth::sorted(rows.into_iter().map(canonical).collect())
    }

    /// The columns of the plan from its dataset's table.
    pub fn stored(&self, plan: &Plan) -> Table {
        self.table(truth::table_name(plan.dataset), &truth::columns(plan))
    }
}

impl std::fmt::Display for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Sqlite(_) => "SQLite",
            Self::Postgres(_) => "PostgreSQL",
        })
    }
}

/// Runs a test on a fresh store of each kind, with 1 and with 4 workers, each in a directory of
/// its own. The text names the combination.
pub fn on_every_store(test: impl Fn(&Work, &Store, &str, &str)) {
    for workers in ["1", "4"] {
        let work = Work::new();
        let store = Store::sqlite(&work);
        test(&work, &store, workers, &format!("{store}, {workers} workers"));
        let work = Work::new();
        let store = Store::postgres();
        test(&work, &store, workers, &format!("{store}, {workers} workers"));
    }
}

/// The same once for each kind of store, whose name is given.
pub fn on_both_stores(test: impl Fn(&Work, &Store, &str)) {
    let work = Work::new();
    test(&work, &Store::sqlite(&work), "SQLite");
    test(&Work::new(), &Store::postgres(), "PostgreSQL");
}

fn sqlite_rows(path: &Path, sql: &str) -> rusqlite::Result<Vec<TextRow>> {
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let mut statement = connection.prepare(sql)?;
    let width = statement.column_count();
    let mut rows = statement.query([])?;
    let mut all = Vec::new();
    while let Some(row) = rows.next()? {
        let text = |i| -> rusqlite::Result<Option<String>> {
            Ok(match row.get_ref(i)? {
                ValueRef::Null => None,
                ValueRef::Integer(value) => Some(value.to_string()),
                ValueRef::Real(value) => Some(value.to_string()),
                ValueRef::Text(text) => Some(String::from_utf8_lossy(text).into_owned()),
                ValueRef::Blob(bytes) => Some(format!("{} bytes", bytes.len())),
            })
        };
        all.push((0..width).map(text).collect::<rusqlite::Result<TextRow>>()?);
    }
    Ok(all)
}
