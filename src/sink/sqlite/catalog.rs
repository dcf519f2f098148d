//! What a table is like, read from the file.

use rusqlite::{Connection, OptionalExtension as _};

use super::schema::{EXTRA, UPDATED_AT};
use crate::dataset::{self, Dataset, KeyNulls, KeyPrecision, Kind, Rule, Target, TargetColumn, target};
use crate::sink::defaults::is_literal;

/// What a column can hold without changing it. From the declared type, by SQLite's own rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Room {
    /// Every value as it is: `ANY` in a STRICT table, no type elsewhere.
    Any,
    /// Integers.
    Integer,
    /// Binary floats.
    Real,
    /// Integers and binary floats; text that looks like a number becomes one.
    Numeric,
    /// Text.
    Text,
}

/// A column of an existing table.
#[derive(Debug, Clone)]
pub(super) struct TableColumn {
    pub(super) target: TargetColumn,
    pub(super) room: Room,
    /// Whether another column keeps the nanoseconds that this time cannot hold.
    pub(super) nanos_kept: bool,
}

/// An existing table.
#[derive(Debug, Clone)]
pub(super) struct Table {
    pub(super) name: String,
    pub(super) columns: Vec<TableColumn>,
    pub(super) key: Vec<String>,
    /// The primary key that SQLite numbers by itself, where `key` is another: the key of rows that bring it.
    pub(super) surrogate: Vec<String>,
    /// What a null in it means.
    pub(super) nulls: KeyNulls,
    /// What makes the order of rows count.
    pub(super) rules: Vec<Rule>,
    pub(super) strict: bool,
    pub(super) without_rowid: bool,
    /// Whether triggers of the table may change or skip rows.
    pub(super) triggers: bool,
    /// Whether it makes no difference in which order rows with different keys are written: nothing but the key tells
    /// rows apart, and which keys are the same is known before the store is asked.
    pub(super) any_order: bool,
}

impl Table {
    pub(super) fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.target.name == name)
    }

    /// The key of rows that bring these columns.
    pub(super) fn key_of(&self, brings: impl Fn(&str) -> bool) -> &[String] {
        target::key_of((&self.key, self.nulls), &self.surrogate, brings).0
    }

    /// The table as the mapping sees it.
    pub(super) fn target(&self) -> Target {
        Target {
            table: self.name.clone(),
            columns: self.columns.iter().map(|column| column.target.clone()).collect(),
            key: self.key.clone(),
            surrogate: self.surrogate.clone(),
            nulls: self.nulls,
            rules: self.rules.clone(),
        }
    }
}

/// Which values become the same in a column of that kind. Our own tables keep numbers exactly; of a
/// user's column only SQLite knows.
pub(super) fn grain(kind: Kind) -> KeyPrecision {
    match kind {
        Kind::Timestamp => KeyPrecision::Micros,
        // The same bytes may be spelled in several ways.
        Kind::Number | Kind::Bytes => KeyPrecision::Opaque,
        _ => KeyPrecision::Exact,
    }
}

/// A name as SQL takes it, whatever is in it.
pub(super) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Reads a table; `None` where there is no such table (a view is none).
pub(super) fn read(connection: &Connection, name: &str) -> rusqlite::Result<Option<Table>> {
    let found = connection
        .query_row(
            "SELECT name, wr, strict FROM pragma_table_list \
             WHERE schema = 'main' AND type = 'table' AND name = ?1 COLLATE NOCASE",
            [name],
            |row| Ok((row.get::<_, String>(0)?, row.get::<_, bool>(1)?, row.get::<_, bool>(2)?)),
        )
        .optional()?;
    let Some((name, without_rowid, strict)) = found else { return Ok(None) };

    let mut statement = connection
        .prepare("SELECT name, type, \"notnull\", dflt_value, pk, hidden FROM pragma_table_xinfo(?1)")?;
    let mut rows = statement.query([&name])?;
    let (mut columns, mut primary) = (Vec::new(), Vec::new());
    while let Some(row) = rows.next()? {
        let (column, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let position: i64 = row.get(4)?;
        if position > 0 {
            primary.push((position, column.clone()));
        }
        if row.get::<_, i64>(5)? != 0 {
            continue;
        }
        let kind = kind(&name, &column, &declared);
        let declared_type = declared.clone();
        let declared_any = declared.eq_ignore_ascii_case("any");
        columns.push(TableColumn {
            room: room(&declared, strict),
            nanos_kept: false,
            target: TargetColumn {
                name: column,
                kind,
                type_name: declared,
                nullable: !(row.get::<_, bool>(2)? || without_rowid && position > 0),
                has_default: row.get::<_, Option<String>>(3)?.is_some(),
                constant_default: row.get::<_, Option<String>>(3)?.is_some_and(|d| is_literal(&d)),
                grain: match room(&declared_type, strict) {
                    _ if strict && declared_any => KeyPrecision::Exact,
                    // What is not an integer is refused.
                    Room::Integer if kind == Kind::Number => KeyPrecision::Scale(0),
                    _ => grain(kind),
                },
            },
        });
    }
    primary.sort_unstable();
    let mut key: Vec<String> = primary.into_iter().map(|(_, column)| column).collect();

    // An INTEGER PRIMARY KEY that SQLite numbers by itself says nothing about rows that do not bring it; a unique
    // index beside it does.
    let numbered = match &key[..] {
        [column] if !without_rowid => columns
            .iter_mut()
            .find(|c| c.target.name == *column && c.target.type_name.eq_ignore_ascii_case("INTEGER")),
        _ => None,
    };
    let only_number = numbered.is_some();
    if let Some(column) = numbered {
        column.target.has_default = true;
    }
    let (mut nulls, mut surrogate) = (KeyNulls::Never, Vec::new());
    if (key.is_empty() || only_number)
        && let Some(unique) = unique_index(connection, &name, &columns)?
    {
        let takes_null = |name: &String| columns.iter().any(|c| c.target.name == *name && c.target.nullable);
        if unique.iter().any(takes_null) {
            nulls = KeyNulls::Apart;
        }
        surrogate = std::mem::replace(&mut key, unique);
    }
    let rules = rules(connection, &name)?;
    let collated = collated(connection, &name)?;
    for column in columns.iter_mut().filter(|column| collated.contains(&column.target.name)) {
        column.target.grain = KeyPrecision::Opaque;
    }

    let times: Vec<String> = columns
        .iter()
        .filter(|column| column.target.kind == Kind::Nanos)
        .filter_map(|column| column.target.name.strip_suffix("_ns").map(str::to_owned))
        .collect();
    for column in &mut columns {
        column.nanos_kept = times.contains(&column.target.name);
    }
    let triggers = connection.query_row(
        "SELECT count(*) FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 COLLATE NOCASE",
        [&name],
        |row| row.get::<_, i64>(0),
    )? > 0;
    let known = |name: &String| {
        columns.iter().any(|c| c.target.name == *name && c.target.grain != KeyPrecision::Opaque)
    };
    let alone = matches!(&rules[..], [rule] if rule.unique && rule.columns == key);
    let any_order = alone && !triggers && key.iter().all(known);
    Ok(Some(Table {
        name,
        columns,
        key,
        surrogate,
        nulls,
        rules,
        strict,
        without_rowid,
        triggers,
        any_order,
    }))
}

/// Columns of the first unique index over the whole table and plain columns; one without columns that
/// take null goes before the others.
fn unique_index(
    connection: &Connection,
    table: &str,
    columns: &[TableColumn],
) -> rusqlite::Result<Option<Vec<String>>> {
    let mut indexes = connection.prepare(
        "SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND NOT partial AND origin <> 'pk' ORDER BY seq DESC",
    )?;
    let names = indexes.query_map([table], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    let mut found = Vec::new();
    for name in names {
        let names = index_columns(connection, &name)?;
        if let Some(names) = names.into_iter().collect::<Option<Vec<_>>>()
            && !names.is_empty()
        {
            found.push(names);
        }
    }
    let takes_null = |name: &String| columns.iter().any(|c| c.target.name == *name && c.target.nullable);
    let whole = found.iter().position(|names| !names.iter().any(takes_null)).unwrap_or(0);
    Ok((whole < found.len()).then(|| found.swap_remove(whole)))
}

/// Names of an index's columns; none for an expression.
fn index_columns(connection: &Connection, index: &str) -> rusqlite::Result<Vec<Option<String>>> {
    let mut columns = connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
    columns.query_map([index], |row| row.get(0))?.collect()
}

/// Columns that a unique index compares in another way than by their bytes (NOCASE, RTRIM, one of a program).
fn collated(connection: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut parts = connection.prepare(
        "SELECT part.name FROM pragma_index_list(?1) AS list, pragma_index_xinfo(list.name) AS part \
         WHERE list.\"unique\" AND part.\"key\" AND part.coll <> 'BINARY' AND part.name IS NOT NULL",
    )?;
    parts.query_map([table], |row| row.get(0))?.collect()
}

/// Unique constraints, and foreign keys to the table itself.
fn rules(connection: &Connection, table: &str) -> rusqlite::Result<Vec<Rule>> {
    let mut rules = Vec::new();
    let mut primary =
        connection.prepare("SELECT name FROM pragma_table_info(?1) WHERE pk > 0 ORDER BY pk")?;
    let columns: Vec<String> = primary.query_map([table], |row| row.get(0))?.collect::<Result<_, _>>()?;
    if !columns.is_empty() {
        rules.push(Rule { columns, unique: true, passes_null: true });
    }
    let mut indexes =
        connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" AND origin <> 'pk'")?;
    let indexes =
        indexes.query_map([table], |row| row.get::<_, String>(0))?.collect::<Result<Vec<_>, _>>()?;
    for index in indexes {
        let columns = index_columns(connection, &index)?.into_iter().collect::<Option<Vec<_>>>();
        rules.push(Rule { columns: columns.unwrap_or_default(), unique: true, passes_null: true });
    }
    let mut keys = connection.prepare(
        "SELECT id, \"from\" FROM pragma_foreign_key_list(?1) WHERE \"table\" = ?1 COLLATE NOCASE ORDER BY id, seq",
    )?;
    let keys = keys.query_map([table], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, String>(1)?)))?;
    let keys = keys.collect::<Result<Vec<_>, _>>()?;
    for key in keys.chunk_by(|a, b| a.0 == b.0) {
        let columns = key.iter().map(|(_, column)| column.clone()).collect();
        rules.push(Rule { columns, unique: false, passes_null: true });
    }
    Ok(rules)
}

/// What the values of a column are. SQLite has no type for times: where the declared type does
/// not tell, the datasets' own column names do.
fn kind(table: &str, column: &str, declared: &str) -> Kind {
    let kind_in = |dataset: &Dataset| dataset.column(column).map(|column| column.kind);
    if let Some(ours) = dataset::ALL.iter().find(|dataset| dataset.table.eq_ignore_ascii_case(table)) {
        if column == EXTRA {
            return Kind::Json;
        }
        if let Some(kind) = kind_in(ours) {
            return kind;
        }
    }
    let declared = declared.to_ascii_uppercase();
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if says(&["TIMESTAMP", "DATETIME"]) {
        Kind::Timestamp
    } else if says(&["DATE"]) {
        Kind::Date
    } else if says(&["BOOL"]) {
        Kind::Bool
    } else if says(&["UUID", "GUID"]) {
        Kind::Uuid
    } else if says(&["JSON"]) {
        Kind::Json
    } else if says(&["STRING"]) {
        Kind::Text
    } else {
        let by_name = match column {
            UPDATED_AT => Some(Kind::Timestamp),
            _ => dataset::ALL.iter().find_map(kind_in),
        };
        match affinity(&declared) {
            Room::Text | Room::Any if declared != "ANY" => match by_name {
                Some(kind @ (Kind::Timestamp | Kind::Date)) => kind,
                _ if declared == "BLOB" => by_name.unwrap_or(Kind::Bytes),
                _ if declared.is_empty() => by_name.unwrap_or(Kind::Text),
                _ => Kind::Text,
            },
            Room::Integer if by_name == Some(Kind::Nanos) => Kind::Nanos,
            _ => Kind::Number,
        }
    }
}

/// SQLite's rule from the declared type to how values are kept.
fn room(declared: &str, strict: bool) -> Room {
    let declared = declared.to_ascii_uppercase();
    if strict && declared == "ANY" { Room::Any } else { affinity(&declared) }
}

fn affinity(declared: &str) -> Room {
    let says = |words: &[&str]| words.iter().any(|word| declared.contains(word));
    if says(&["INT"]) {
        Room::Integer
    } else if says(&["CHAR", "CLOB", "TEXT"]) {
        Room::Text
    } else if declared.is_empty() || says(&["BLOB"]) {
        Room::Any
    } else if says(&["REAL", "FLOA", "DOUB"]) {
        Room::Real
    } else {
        Room::Numeric
    }
}
