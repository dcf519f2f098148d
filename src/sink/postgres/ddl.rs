//! The DDL of our own tables, made from the descriptions of the datasets.

use std::fmt::Write as _;

use super::names::{ident, idents, literal};
use crate::dataset::{Column, Dataset, Kind, NO_TENANT, Need};

/// Version of the layout that this program makes.
pub const SCHEMA_VERSION: i32 = 1;

/// What `schema apply` and `schema show` are to make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct SchemaOptions {
    /// Row-level security by `app.tenant_id` (`--rls`).
    pub rls: bool,
    /// Hypertables. `schema apply` finds out by itself whether TimescaleDB is installed.
    pub timescale: bool,
}

/// Columns that each of our tables has beside its dataset's: name and definition.
pub(super) const OWN_COLUMNS: &[(&str, &str)] =
    &[("extra", "jsonb"), ("updated_at", "timestamp with time zone NOT NULL DEFAULT now()")];

/// The whole DDL for these datasets, ready for `psql`.
pub fn schema_sql(datasets: &[Dataset], options: &SchemaOptions) -> String {
    let mut sql = format!("-- mdsctl, schema version {SCHEMA_VERSION}\n");
    for dataset in datasets {
        for statement in statements(dataset, options) {
            let _ = write!(sql, "\n{statement};\n");
        }
    }
    sql
}

/// The statements that make one table. Each can be run again without harm.
pub(super) fn statements(dataset: &Dataset, options: &SchemaOptions) -> Vec<String> {
    let mut statements = vec![create_table(dataset)];
    if options.timescale {
        statements.extend(create_hypertable(dataset));
    }
    if options.rls {
        statements.extend(row_security(dataset));
    }
    statements
}

/// The statement that makes the table. The key's index also serves reads by symbol and time, so
/// it is the only one.
pub(super) fn create_table(dataset: &Dataset) -> String {
    let mut lines: Vec<String> = dataset
        .columns
        .iter()
        .map(|column| format!("{} {}", ident(&column.name), definition(column)))
        .collect();
    for (name, definition) in OWN_COLUMNS {
        if dataset.column(name).is_none() {
            lines.push(format!("{} {definition}", ident(name)));
        }
    }
    if !dataset.key.is_empty() {
        lines.push(format!("PRIMARY KEY ({})", idents(dataset.key.iter())));
    }
    format!("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)", dataset.table, lines.join(",\n  "))
}

/// The statement that makes it a hypertable, if it has a time to be cut by. The key's index will
/// do; TimescaleDB's own index on the time would be a second one to keep.
pub(super) fn create_hypertable(dataset: &Dataset) -> Option<String> {
    let time = dataset.time.as_ref()?;
    Some(format!(
        "SELECT create_hypertable({}, {}, chunk_time_interval => INTERVAL '{} days', \
         create_default_indexes => FALSE, if_not_exists => TRUE)",
        literal(&dataset.table),
        literal(time),
        dataset.chunk_days
    ))
}

/// The statements that let a session see and write the rows of its `app.tenant_id` only; without
/// one, those that belong to no tenant.
pub(super) fn row_security(dataset: &Dataset) -> Vec<String> {
    if dataset.column("tenant_id").is_none() {
        return Vec::new();
    }
    let table = &dataset.table;
    let own = format!(
        "\"tenant_id\" = coalesce(nullif(current_setting('app.tenant_id', true), ''), '{NO_TENANT}')::uuid"
    );
    vec![
        format!("ALTER TABLE {table} ENABLE ROW LEVEL SECURITY"),
        format!("ALTER TABLE {table} FORCE ROW LEVEL SECURITY"),
        format!("DROP POLICY IF EXISTS mds_tenant ON {table}"),
        format!("CREATE POLICY mds_tenant ON {table} USING ({own}) WITH CHECK ({own})"),
    ]
}

/// Type, collation and constraints of a column.
pub(super) fn definition(column: &Column) -> String {
    let mut sql = type_name(column.kind).to_owned();
    let key = column.need == Need::Key;
    if key && sql == "text" {
        // Compared byte by byte: faster, and the same on every server.
        sql.push_str(" COLLATE \"C\"");
    }
    if key || column.need == Need::Required {
        sql.push_str(" NOT NULL");
    }
    if column.name == "tenant_id" {
        let _ = write!(sql, " DEFAULT '{NO_TENANT}'");
    }
    if column.kind == Kind::OptionType {
        let _ = write!(sql, " CHECK ({} IN ('C', 'P'))", ident(&column.name));
    }
    sql
}

/// The type in our own tables, as `format_type` writes it. Numbers are unconstrained: volumes
/// can be fractions, and tokens have 18 decimals.
pub(super) fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Timestamp => "timestamp with time zone",
        Kind::Date => "date",
        Kind::Number => "numeric",
        Kind::Double => "double precision",
        Kind::Single => "real",
        Kind::Nanos => "smallint",
        Kind::Symbol | Kind::OptionType | Kind::Text | Kind::Words => "text",
        Kind::Uuid => "uuid",
        Kind::Json => "jsonb",
        Kind::Bool => "boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{ALL, BARS};

    #[test]
    fn bars_have_their_table() {
        insta::assert_snapshot!(schema_sql(&[BARS], &SchemaOptions { rls: true, timescale: true }), @r#"
        -- mdsctl, schema version 1

        CREATE TABLE IF NOT EXISTS bars (
          "ts" timestamp with time zone NOT NULL,
          "tenant_id" uuid NOT NULL DEFAULT '00000000-0000-0000-0000-000000000000',
          "vendor" text COLLATE "C" NOT NULL,
          "symbol" text COLLATE "C" NOT NULL,
          "timeframe" text COLLATE "C" NOT NULL,
          "open_price" numeric,
          "high_price" numeric,
          "low_price" numeric,
          "close_price" numeric,
          "volume" numeric,
          "vwap" numeric,
          "trades" numeric,
          "extra" jsonb,
          "updated_at" timestamp with time zone NOT NULL DEFAULT now(),
          PRIMARY KEY ("symbol", "timeframe", "ts", "vendor", "tenant_id")
        );

        SELECT create_hypertable('bars', 'ts', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, if_not_exists => TRUE);

        ALTER TABLE bars ENABLE ROW LEVEL SECURITY;

        ALTER TABLE bars FORCE ROW LEVEL SECURITY;

        DROP POLICY IF EXISTS mds_tenant ON bars;

        CREATE POLICY mds_tenant ON bars USING ("tenant_id" = coalesce(nullif(current_setting('app.tenant_id', true), ''), '00000000-0000-0000-0000-000000000000')::uuid) WITH CHECK ("tenant_id" = coalesce(nullif(current_setting('app.tenant_id', true), ''), '00000000-0000-0000-0000-000000000000')::uuid);
        "#);
    }

    #[test]
    fn every_dataset_keeps_its_key_not_null_and_its_time_in_the_key() {
        for dataset in ALL {
            for name in dataset.key.iter() {
                let column = dataset.column(name).unwrap();
                assert!(definition(column).contains("NOT NULL"), "{}.{name}", dataset.name);
            }
            assert!(dataset.key.contains(&dataset.time.as_deref().unwrap()), "{}", dataset.name);
        }
    }
}
