//! The statements that write batches of one shape into the table.

use std::sync::Arc;

use super::encode::{Goal, Origin};
use super::names::{ident, idents};
use super::order::KeyColumn;
use super::table::{Table, TableColumn};
use super::types::ColumnType;
use crate::batch::Reason;

/// How to write batches with certain columns.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Names of the batch's columns, in their order.
    pub names: Vec<String>,
    /// Columns to be sent: the batch's, then the ones that we fill.
    pub goals: Vec<Goal>,
    /// Where each of them comes from.
    pub origins: Vec<Origin>,
    /// The key's columns among the batch's, in the order of the index.
    pub key: Vec<KeyColumn>,
    /// `COPY … FROM STDIN`, into the stage or the table itself.
    pub copy: String,
    /// What is between the COPY and the table, if anything.
    pub stage: Option<Stage>,
}

/// A temporary table and the way from there. It lives as long as its transaction, so nothing of
/// it is left behind for the next user of a pooled connection.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stage {
    pub name: String,
    pub create: String,
    pub clear: String,
    pub merge: String,
    pub counts: Counts,
}

/// What the merge statement answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counts {
    /// Only a number of rows: there is no key.
    Appended,
    /// Rows that are new, and rows that are new or changed.
    Fresh,
    /// Rows that were there before, and rows that are new or changed. For partitioned tables,
    /// which do not tell a new row from a changed one by `xmax`.
    Known,
}

impl Plan {
    /// Makes the plan with that number, which names its stage.
    ///
    /// # Errors
    /// A reason that holds for every row: a column that the table lacks, or one that it needs.
    pub fn new(table: &Table, names: Vec<String>, tenant: bool, number: usize) -> Result<Self, Reason> {
        let mut columns: Vec<(&TableColumn, Origin)> = Vec::with_capacity(names.len() + 2);
        for (place, name) in names.iter().enumerate() {
            let column = table.column(name).filter(|c| !c.generated).ok_or_else(|| {
                let message =
                    format!("table {} has no column {name} that could be written", table.display_name());
                Reason::new("no_column", message).column(name.as_str())
            })?;
            columns.push((column, Origin::Batch(place)));
        }
        let filled = |name: &str| {
            table
                .column(name)
                .filter(|c| c.type_ == ColumnType::Uuid && !c.generated && !names.contains(&c.name))
        };
        if let Some(column) = filled("tenant_id").filter(|_| tenant) {
            columns.push((column, Origin::Tenant));
        }
        // The server's gen_random_uuid() costs more, and scatters the index.
        if let Some(column) = filled("id").filter(|c| c.default.is_some()) {
            columns.push((column, Origin::NewId));
        }
        for column in &table.columns {
            if column.not_null && !column.has_default() && !columns.iter().any(|(c, _)| c.name == column.name)
            {
                let message = format!(
                    "table {} needs column {} ({}), which the input does not have; give it with --map or --set",
                    table.display_name(),
                    column.name,
                    column.type_name
                );
                return Err(Reason::new("missing_column", message).column(column.name.as_str()));
            }
        }

        let key: &[String] =
            if table.key.is_empty() && table.surrogate.iter().all(|name| names.contains(name)) {
                &table.surrogate
            } else {
                &table.key
            };
        // A row-level policy forbids COPY into the table; text for other types must be cast.
        let staged = !key.is_empty()
            || table.security.binds
            || columns.iter().any(|(c, _)| c.type_ == ColumnType::Other);
        let stage_name = format!("pg_temp.mds_stage_{number}");
        let list = idents(columns.iter().map(|(c, _)| &c.name));
        let place = if staged { stage_name.clone() } else { table.sql_name() };
        Ok(Self {
            goals: columns.iter().map(|(column, _)| goal(column, &names)).collect(),
            origins: columns.iter().map(|(_, origin)| *origin).collect(),
            key: key
                .iter()
                .filter_map(|name| names.iter().position(|n| n == name))
                .map(|column| KeyColumn { column, floor: keeps_nanos(&names[column], &names) })
                .collect(),
            copy: format!("COPY {place} ({list}) FROM STDIN (FORMAT binary)"),
            stage: staged.then(|| stage(table, key, &columns, &stage_name)),
            names,
        })
    }
}

/// Whether the batch has a column for the nanoseconds that this one cuts off.
fn keeps_nanos(name: &str, names: &[String]) -> bool {
    names.iter().any(|other| other.strip_suffix("_ns") == Some(name))
}

fn goal(column: &TableColumn, names: &[String]) -> Goal {
    Goal {
        name: Arc::from(column.name.as_str()),
        type_: column.type_,
        type_name: column.type_name.clone(),
        not_null: column.not_null,
        floor: keeps_nanos(&column.name, names),
    }
}

fn stage(table: &Table, key: &[String], columns: &[(&TableColumn, Origin)], name: &str) -> Stage {
    let definitions: Vec<String> =
        columns.iter().map(|(c, _)| format!("{} {}", ident(&c.name), c.stage_type)).collect();
    let (merge, counts) = merge(table, key, columns, name);
    Stage {
        name: name.to_owned(),
        create: format!("CREATE TEMP TABLE {name} ({}) ON COMMIT DROP;", definitions.join(", ")),
        clear: format!("TRUNCATE {name};"),
        merge,
        counts,
    }
}

fn merge(table: &Table, key: &[String], columns: &[(&TableColumn, Origin)], stage: &str) -> (String, Counts) {
    let target = table.sql_name();
    let list = idents(columns.iter().map(|(c, _)| &c.name));
    let values: Vec<String> = columns.iter().map(|(c, _)| staged_value(c)).collect();
    let insert = format!("INSERT INTO {target} AS t ({list}) SELECT {} FROM {stage} AS s", values.join(", "));
    if key.is_empty() {
        return (insert, Counts::Appended);
    }

    // What we fill is for new rows only.
    let changing = || {
        columns
            .iter()
            .filter(|(c, origin)| matches!(origin, Origin::Batch(_)) && !key.contains(&c.name))
            .map(|(c, _)| *c)
    };
    let mut set: Vec<String> = changing().map(|c| format!("{0} = excluded.{0}", ident(&c.name))).collect();
    let differs: Vec<String> = changing()
        .map(|c| {
            let (name, cast) = (ident(&c.name), if c.type_.comparable() { "" } else { "::text" });
            format!("t.{name}{cast} IS DISTINCT FROM excluded.{name}{cast}")
        })
        .collect();
    let stamp = table.column("updated_at").filter(|c| {
        let time = matches!(c.type_, ColumnType::Timestamp(_) | ColumnType::Timestamptz(_));
        time && !c.generated && !columns.iter().any(|(given, _)| given.name == c.name)
    });
    if stamp.is_some() {
        set.push("\"updated_at\" = now()".to_owned());
    }
    let action = if differs.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        format!("DO UPDATE SET {} WHERE {}", set.join(", "), differs.join(" OR "))
    };
    let upsert = format!("{insert} ON CONFLICT ({}) {action}", idents(key));
    if table.partitioned {
        let same: Vec<String> = key
            .iter()
            .map(|name| {
                let staged = columns.iter().find(|(c, _)| c.name == *name).map(|(c, _)| staged_value(c));
                let default = || table.column(name).and_then(|c| c.default.clone()).unwrap_or("NULL".into());
                format!("t.{} = ({})", ident(name), staged.unwrap_or_else(default))
            })
            .collect();
        let sql = format!(
            "WITH known AS (SELECT count(*) AS n FROM {stage} AS s JOIN {target} AS t ON {}), \
             merged AS ({upsert} RETURNING 1) \
             SELECT (SELECT n FROM known), (SELECT count(*) FROM merged)",
            same.join(" AND ")
        );
        return (sql, Counts::Known);
    }
    // A row that the statement made itself has never been locked or replaced.
    let sql = format!(
        "WITH merged AS ({upsert} RETURNING t.xmax = 0 AS fresh) \
         SELECT count(*) FILTER (WHERE fresh), count(*) FROM merged"
    );
    (sql, Counts::Fresh)
}

fn staged_value(column: &TableColumn) -> String {
    let name = ident(&column.name);
    match column.type_ {
        ColumnType::Other => format!("CAST(s.{name} AS {})", column.type_name),
        _ => format!("s.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::table::tests::{column, table};
    use super::*;

    fn bars() -> Table {
        let not_null = |c: TableColumn| TableColumn { not_null: true, ..c };
        let defaulted = |c: TableColumn, default: &str| TableColumn { default: Some(default.into()), ..c };
        let tz = "timestamp with time zone";
        table(
            vec![
                defaulted(column("id", ColumnType::Uuid, "uuid"), "gen_random_uuid()"),
                not_null(column("tenant_id", ColumnType::Uuid, "uuid")),
                not_null(column("ts", ColumnType::Timestamptz(6), tz)),
                not_null(column("symbol", ColumnType::Varchar(Some(20)), "character varying(20)")),
                column("close_price", ColumnType::Numeric(Some((20, 8))), "numeric(20,8)"),
                column("extra", ColumnType::Json, "json"),
                defaulted(column("updated_at", ColumnType::Timestamptz(6), tz), "now()"),
            ],
            &[&["ts", "tenant_id", "symbol"]],
        )
    }

    fn plan(table: &Table, names: &[&str], tenant: bool) -> Result<Plan, Reason> {
        Plan::new(table, names.iter().map(|n| (*n).to_owned()).collect(), tenant, 0)
    }

    #[test]
    fn a_keyed_table_is_merged_into() {
        let plan = plan(&bars(), &["symbol", "ts", "close_price", "extra"], true).unwrap();
        assert_eq!(plan.origins[4..], [Origin::Tenant, Origin::NewId]);
        assert_eq!(plan.key.iter().map(|k| k.column).collect::<Vec<_>>(), [1, 0]);
        insta::assert_snapshot!([plan.copy.as_str(), &plan.stage.as_ref().unwrap().create, &plan.stage.as_ref().unwrap().merge].join("\n"), @r#"
        COPY pg_temp.mds_stage_0 ("symbol", "ts", "close_price", "extra", "tenant_id", "id") FROM STDIN (FORMAT binary)
        CREATE TEMP TABLE pg_temp.mds_stage_0 ("symbol" character varying(20), "ts" timestamp with time zone, "close_price" numeric(20,8), "extra" json, "tenant_id" uuid, "id" uuid) ON COMMIT DROP;
        WITH merged AS (INSERT INTO "public"."t" AS t ("symbol", "ts", "close_price", "extra", "tenant_id", "id") SELECT s."symbol", s."ts", s."close_price", s."extra", s."tenant_id", s."id" FROM pg_temp.mds_stage_0 AS s ON CONFLICT ("ts", "tenant_id", "symbol") DO UPDATE SET "close_price" = excluded."close_price", "extra" = excluded."extra", "updated_at" = now() WHERE t."close_price" IS DISTINCT FROM excluded."close_price" OR t."extra"::text IS DISTINCT FROM excluded."extra"::text RETURNING t.xmax = 0 AS fresh) SELECT count(*) FILTER (WHERE fresh), count(*) FROM merged
        "#);
    }

    #[test]
    fn what_is_missing_is_said_once_for_all_rows() {
        let missing = plan(&bars(), &["symbol", "ts"], false).unwrap_err();
        assert_eq!((missing.code.as_ref(), missing.column.as_deref()), ("missing_column", Some("tenant_id")));
        let unknown = plan(&bars(), &["symbol", "ts", "nope"], true).unwrap_err();
        assert_eq!(unknown.code, "no_column");
    }

    #[test]
    fn keys_alone_change_nothing() {
        let plan = plan(&bars(), &["symbol", "ts", "tenant_id"], false).unwrap();
        let merge = plan.stage.unwrap().merge;
        assert!(merge.contains(r#"ON CONFLICT ("ts", "tenant_id", "symbol") DO NOTHING"#), "{merge}");
    }

    #[test]
    fn without_a_key_rows_are_copied_right_in() {
        let open = table(vec![column("a", ColumnType::Int4, "integer")], &[]);
        let direct = plan(&open, &["a"], false).unwrap();
        assert_eq!(
            (direct.copy.as_str(), direct.stage),
            (r#"COPY "public"."t" ("a") FROM STDIN (FORMAT binary)"#, None)
        );
        let mut bound = open.clone();
        bound.security.binds = true;
        let staged = plan(&bound, &["a"], false).unwrap().stage.unwrap();
        assert_eq!(staged.counts, Counts::Appended);
        let other = table(
            vec![TableColumn { stage_type: "text".into(), ..column("a", ColumnType::Other, "inet") }],
            &[],
        );
        let cast = plan(&other, &["a"], false).unwrap().stage.unwrap();
        assert!(cast.merge.contains(r#"CAST(s."a" AS inet)"#), "{}", cast.merge);
    }

    #[test]
    fn a_time_with_its_nanoseconds_beside_it_is_cut_off() {
        let ticks = table(
            vec![
                TableColumn { not_null: true, ..column("ts", ColumnType::Timestamptz(6), "timestamptz") },
                column("ts_ns", ColumnType::Int2, "smallint"),
            ],
            &[&["ts"]],
        );
        let with = plan(&ticks, &["ts", "ts_ns"], false).unwrap();
        assert!(with.goals[0].floor && with.key[0].floor && !with.goals[1].floor);
        assert!(!plan(&ticks, &["ts"], false).unwrap().goals[0].floor);
    }
}
