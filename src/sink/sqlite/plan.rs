//! The statement that writes rows of one shape.

use std::sync::Arc;

use arrow::datatypes::Schema;

use super::catalog::{Room, Table, quoted};
use super::newer::MAY_REPLACE;
use super::schema::UPDATED_AT;
use crate::batch::{Order, Reason, Rows};
use crate::dataset::Kind;
use crate::model::values::{Values, is_text};
use crate::port::SinkError;
use crate::settings::OnConflict;
use crate::sink::order::{KeyColumn, waves};

/// SQL function that counts the rows that an upsert updates: SQLite evaluates the SET clause for
/// these rows and for no others, exactly once each.
pub(super) const COUNT_UPDATE: &str = "mds_count_update";

/// What binding needs to know of a column.
#[derive(Debug, Clone)]
pub(super) struct PlanColumn {
    pub(super) name: Arc<str>,
    pub(super) room: Room,
    /// Whether texts of hexadecimal digits behind `\x` are bytes.
    pub(super) bytes: bool,
    /// Whether the batch brings the nanoseconds that this time cannot hold in a column beside it.
    pub(super) nanos_kept: bool,
}

/// How rows of one shape are written.
#[derive(Debug)]
pub(super) struct Plan {
    /// Columns of the batch, in its order; parameter `i + 1` is column `i`.
    pub(super) columns: Vec<PlanColumn>,
    /// The upsert, or a plain insert where the table has no key.
    pub(super) sql: String,
    /// The parameter that takes the time of the write, if the table keeps one.
    pub(super) updated_at: Option<usize>,
    /// The parameter that takes the time at which the row failed first, where what was written later
    /// stays.
    pub(super) first: Option<usize>,
    /// Asked with the values of `key` when an upsert changed nothing: whether the row is there.
    /// Only where triggers could have skipped it.
    pub(super) probe: Option<String>,
    /// Columns of the key, in its order.
    pub(super) key: Vec<usize>,
    /// Those by which rows are put in order, where that makes no difference to what is in the table in the end.
    sorted: Option<Vec<KeyColumn>>,
}

impl Plan {
    /// # Errors
    ///
    /// [`SinkError::Fatal`] when the batch has a column that the table lacks, or that SQLite would
    /// not keep as it is.
    pub(super) fn new(
        schema: &Schema,
        table: &Table,
        on_conflict: OnConflict,
        newer_stays: bool,
    ) -> Result<Self, SinkError> {
        let fatal = |code, message| SinkError::Fatal(Reason::new(code, message));
        let mut columns = Vec::with_capacity(schema.fields().len());
        for field in schema.fields() {
            let name = field.name();
            let Some(column) = table.column(name) else {
                return Err(fatal("42703", format!("table {} has no column {name}", table.name)));
            };
            let turned = matches!(column.room, Room::Integer | Room::Real | Room::Numeric)
                && !matches!(column.target.kind, Kind::Uuid | Kind::Json);
            if turned && is_text(field.data_type()) {
                return Err(fatal(
                    "42804",
                    format!(
                        "column {name} of {} is declared {}, and SQLite turns text in it into numbers where it can; declare it TEXT",
                        table.name, column.target.type_name
                    ),
                ));
            }
            columns.push(PlanColumn {
                name: Arc::from(name.as_str()),
                room: column.room,
                bytes: column.target.kind == Kind::Bytes,
                nanos_kept: column.nanos_kept && schema.column_with_name(&format!("{name}_ns")).is_some(),
            });
        }
        let has = |name: &str| columns.iter().any(|column| &*column.name == name);
        let stamped = !has(UPDATED_AT)
            && table.column(UPDATED_AT).is_some_and(|column| column.target.kind == Kind::Timestamp);
        let updated_at = stamped.then_some(columns.len() + 1);
        let by = table.key_of(has);
        let changing = columns.iter().any(|column| !by.iter().any(|name| **name == *column.name));
        // Where nothing could change there is nothing to be guarded.
        let first = (newer_stays && changing).then_some(columns.len() + 1 + usize::from(stamped));
        let sql = sql(&columns, stamped, (table, by), on_conflict, first);
        let key: Vec<usize> =
            by.iter().filter_map(|name| columns.iter().position(|column| *column.name == **name)).collect();
        let whole = !key.is_empty() && key.len() == by.len();
        let probe = (table.triggers && whole).then(|| probe(table, by));
        let of_table = by.len() == table.key.len() && by.iter().zip(&table.key).all(|(a, b)| a == b);
        // A column of the key that the rows do not bring is the same in all of them where its default is a constant.
        let same = |name: &String| {
            !has(name) && table.column(name).is_some_and(|column| column.target.constant_default)
        };
        let complete = !key.is_empty() && by.iter().all(|name| has(name) || same(name));
        let part = |column: &usize| KeyColumn { column: *column, floor: columns[*column].nanos_kept };
        let sorted = (table.any_order && complete && of_table).then(|| key.iter().map(part).collect());
        Ok(Self { columns, sql, updated_at, first, probe, key, sorted })
    }

    /// The positions of the rows in the order in which they are best written: neighbours in the table's tree behind one
    /// another, since a page is then looked for and changed once for many of them. Of rows with one key the later one
    /// comes later.
    pub(super) fn order(&self, rows: Rows<'_>, values: &[Values<'_>]) -> Vec<usize> {
        match &self.sorted {
            Some(key) if rows.parts.iter().all(|part| part.order == Order::Any) => {
                let waves = waves(rows, key, false, values, self.columns.len());
                waves.into_iter().flatten().map(|position| position as usize).collect()
            }
            _ => (0..rows.len()).collect(),
        }
    }

    /// Whether the plan is for batches of these columns.
    pub(super) fn fits(&self, schema: &Schema) -> bool {
        self.columns.len() == schema.fields().len()
            && self.columns.iter().zip(schema.fields()).all(|(column, field)| *column.name == **field.name())
    }
}

fn sql(
    columns: &[PlanColumn],
    stamped: bool,
    (table, key): (&Table, &[String]),
    on_conflict: OnConflict,
    failed_first: Option<usize>,
) -> String {
    let mut names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
    if stamped {
        names.push(quoted(UPDATED_AT));
    }
    let parameters: Vec<String> = (1..=names.len()).map(|index| format!("?{index}")).collect();
    // OR ABORT overrides what constraints of the table say about conflicts: no row is to be
    // skipped or replaced behind our back.
    let mut sql = format!(
        "INSERT OR ABORT INTO {} ({}) VALUES ({})",
        quoted(&table.name),
        names.join(", "),
        parameters.join(", ")
    );
    if key.is_empty() || on_conflict == OnConflict::Error {
        return sql;
    }
    let key: Vec<String> = key.iter().map(|name| quoted(name)).collect();
    sql.push_str(&format!(" ON CONFLICT ({}) ", key.join(", ")));
    if on_conflict == OnConflict::Skip {
        sql.push_str("DO NOTHING");
        return sql;
    }
    let values: Vec<&String> = names.iter().take(columns.len()).filter(|name| !key.contains(name)).collect();
    let Some((first, rest)) = values.split_first() else {
        sql.push_str("DO NOTHING");
        return sql;
    };
    let counted = |name: &str| format!("{name} = iif({COUNT_UPDATE}(), excluded.{name}, NULL)");
    let mut sets = Vec::with_capacity(values.len() + 1);
    if stamped {
        sets.push(counted(&quoted(UPDATED_AT)));
        sets.push(format!("{first} = excluded.{first}"));
    } else {
        sets.push(counted(first));
    }
    sets.extend(rest.iter().map(|name| format!("{name} = excluded.{name}")));
    // BINARY, since a column may have a collation that takes different texts for the same.
    let differs: Vec<String> =
        values.iter().map(|name| format!("{name} IS NOT excluded.{name} COLLATE BINARY")).collect();
    let mut condition = differs.join(" OR ");
    if let Some(first) = failed_first {
        let (updated_at, ours) = (quoted(UPDATED_AT), u8::from(stamped));
        condition = format!("{MAY_REPLACE}({updated_at}, ?{first}, {condition}, {ours})");
    }
    sql.push_str(&format!("DO UPDATE SET {} WHERE {condition}", sets.join(", ")));
    sql
}

fn probe(table: &Table, key: &[String]) -> String {
    let conditions: Vec<String> =
        key.iter().enumerate().map(|(index, name)| format!("{} IS ?{}", quoted(name), index + 1)).collect();
    format!("SELECT 1 FROM {} WHERE {}", quoted(&table.name), conditions.join(" AND "))
}
