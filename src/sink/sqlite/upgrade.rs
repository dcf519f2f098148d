//! Tables of an earlier version, whose key lacks a column: made anew in one transaction.
//!
//! SQLite cannot change a key in place. The new table is made by the old one's own words, so that
//! what was added to it by hand (columns, constraints) stays, filled from it, and takes its name. A
//! transaction that does not come to its end leaves the old table; readers see it until the commit.

use rusqlite::functions::FunctionFlags;
use rusqlite::{Connection, OptionalExtension as _};
use uuid::Uuid;

use super::catalog::{Table, quoted};
use crate::dataset::articles::article_id;
use crate::dataset::{Dataset, Derivation};

/// SQL function from an id of an earlier version, the vendor and the symbol to the id of this one.
const NEW_ID: &str = "mds_article_id";

/// Statements that make the table anew; `None` where it was changed by hand in a way that hides what
/// is to be changed.
pub(super) fn statements(
    connection: &Connection,
    dataset: &Dataset,
    table: &Table,
) -> rusqlite::Result<Option<String>> {
    let missing = dataset.missing_from(&table.key);
    let name = &table.name;
    let words: Option<String> = connection
        .query_row("SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1", [name], |row| {
            row.get(0)
        })
        .optional()?;
    let new = format!("mds_new_{name}");
    let Some(create) = words.and_then(|words| with_new_key(&words, dataset, table, &missing, &new)) else {
        return Ok(None);
    };

    let names: Vec<String> = table.columns.iter().map(|column| quoted(&column.target.name)).collect();
    let rederived = is_rederived(dataset);
    let new_id = format!("{NEW_ID}(o.\"id\", o.\"vendor\", o.\"symbol\")");
    let value = |column: &str| match column {
        "id" if rederived => new_id.clone(),
        column if missing.contains(&column) => format!("coalesce(o.{}, '')", quoted(column)),
        column => format!("o.{}", quoted(column)),
    };
    let values: Vec<String> = table.columns.iter().map(|column| value(&column.target.name)).collect();
    let key: Vec<String> = dataset.key.iter().map(|name| value(name)).collect();
    // Rows that this version has stored beside those of the earlier one are newer.
    let again = if rederived {
        let same: Vec<String> =
            table.key.iter().map(|column| format!("n.{} = {}", quoted(column), value(column))).collect();
        format!(
            "WHERE NOT EXISTS (SELECT 1 FROM {} AS n WHERE n.\"id\" <> o.\"id\" AND {})",
            quoted(name),
            same.join(" AND ")
        )
    } else {
        String::new()
    };
    let mut sql = format!(
        "DROP TABLE IF EXISTS {new};\n{create};\nINSERT INTO {new} ({}) SELECT {} FROM {old} AS o {again} ORDER BY {};\n\
         DROP TABLE {old};\nALTER TABLE {new} RENAME TO {old};\n",
        names.join(", "),
        values.join(", "),
        key.join(", "),
        new = quoted(&new),
        old = quoted(name),
    );
    // What hangs on a table goes with it.
    let mut more = connection.prepare(
        "SELECT sql FROM sqlite_schema WHERE type IN ('index', 'trigger') AND tbl_name = ?1 AND sql IS NOT NULL \
         ORDER BY rowid",
    )?;
    for statement in more.query_map([name], |row| row.get::<_, String>(0))? {
        sql.push_str(&statement?);
        sql.push_str(";\n");
    }
    Ok(Some(sql))
}

/// Whether the ids of its rows are made otherwise than in the earlier version.
fn is_rederived(dataset: &Dataset) -> bool {
    dataset.columns.iter().any(|column| matches!(column.derive, Some(Derivation::Article { .. })))
}

/// The words that made the table, with the new key and another name.
fn with_new_key(
    words: &str,
    dataset: &Dataset,
    table: &Table,
    missing: &[&str],
    new: &str,
) -> Option<String> {
    let once = |words: &str, old: &str, new: &str| {
        (words.matches(old).count() == 1).then(|| words.replacen(old, new, 1))
    };
    let body = words.find('(')?;
    let mut body = words.get(body..)?.to_owned();
    for name in missing {
        body = once(&body, &format!(" {name} TEXT,"), &format!(" {name} TEXT NOT NULL DEFAULT '',"))?;
    }
    let old_key = format!("PRIMARY KEY ({})", table.key.join(", "));
    let body = once(&body, &old_key, &format!("PRIMARY KEY ({})", dataset.key.join(", ")))?;
    Some(format!("CREATE TABLE {} {body}", quoted(new)))
}

/// Readies a connection for such statements; to be called outside of a transaction.
pub(super) fn ready(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function(NEW_ID, 3, flags, |arguments| {
        let (id, vendor): (String, String) = (arguments.get(0)?, arguments.get(1)?);
        let symbol: Option<String> = arguments.get(2)?;
        Ok(match Uuid::try_parse(&id) {
            // What is of no version 5 is the vendor's own.
            Ok(article) if article.get_version_num() == 5 => {
                article_id(article, &vendor, symbol.as_deref().unwrap_or("")).to_string()
            }
            _ => id,
        })
    })?;
    // Dropping the old table is no deletion of its rows, and views keep its name in their words.
    connection.pragma_update(None, "foreign_keys", "OFF")?;
    connection.pragma_update(None, "legacy_alter_table", "ON")
}
