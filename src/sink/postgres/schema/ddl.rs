//! The DDL of our own tables, made from the descriptions of the datasets.

use std::fmt::Write as _;

use crate::dataset::{Column, Dataset, Derivation, Kind, NO_TENANT, Requirement};
use crate::sink::postgres::connection::quoting::{ident, idents, literal};
use crate::sink::postgres::schema::{citus, grant};
use crate::sink::{Period, SchemaOptions};

/// Version of the layout that this program makes.
pub const SCHEMA_VERSION: i32 = 2;

/// Columns that each of our tables has beside its dataset's: name and definition.
pub(in crate::sink::postgres) const OWN_COLUMNS: &[(&str, &str)] =
    &[("extra", "jsonb"), ("updated_at", "timestamp with time zone NOT NULL DEFAULT now()")];

/// The whole DDL for these datasets, ready for `psql`: on any server it makes what
/// `schema apply` would make there.
pub fn schema_sql(datasets: &[Dataset], options: &SchemaOptions) -> String {
    let mut sql = format!("-- mdsctl, schema version {SCHEMA_VERSION}\n");
    for dataset in datasets {
        for statement in statements(dataset, options) {
            let _ = write!(sql, "\n{statement};\n");
        }
    }
    sql.push_str(&grant::script(datasets, options));
    sql
}

/// The schema in pieces, each with its semicolon: a statement each, and what is granted as one script.
pub fn schema_statements(datasets: &[Dataset], options: &SchemaOptions) -> Vec<String> {
    let all = datasets.iter().flat_map(|dataset| statements(dataset, options));
    let grants = grant::script(datasets, options).trim().to_owned();
    all.map(|statement| statement + ";").chain(Some(grants).filter(|sql| !sql.is_empty())).collect()
}

/// The statements that make one table. Each can be run again without harm.
pub(in crate::sink::postgres) fn statements(dataset: &Dataset, options: &SchemaOptions) -> Vec<String> {
    let mut statements = vec![create_table(dataset, options)];
    statements.extend(append_only(dataset, options));
    statements.extend(citus::script(dataset, options));
    statements.extend(timescale(dataset, options));
    if options.rls {
        statements.extend(row_security(dataset));
    }
    statements
}

/// What the comment of a table says that has no key, and is to have none.
pub(in crate::sink::postgres) const APPEND_ONLY: &str =
    "mdsctl: append-only, without a key; each load into it is stored once";

/// The statement that says so of a table that was made without its key.
pub(in crate::sink::postgres) fn append_only(dataset: &Dataset, options: &SchemaOptions) -> Option<String> {
    let comment = format!("COMMENT ON TABLE {} IS {}", dataset.table, literal(APPEND_ONLY));
    options.is_append_only(dataset).then_some(comment)
}

/// The statement that makes the table. The key's index also serves reads by symbol and time, so
/// it is the only one.
pub(in crate::sink::postgres) fn create_table(dataset: &Dataset, options: &SchemaOptions) -> String {
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
    if !dataset.key.is_empty() && !options.is_append_only(dataset) {
        lines.push(format!("PRIMARY KEY ({})", idents(dataset.key.iter())));
    }
    format!("CREATE TABLE IF NOT EXISTS {} (\n  {}\n)", dataset.table, lines.join(",\n  "))
}

/// What TimescaleDB is to do with the table, where a server has it.
fn timescale(dataset: &Dataset, options: &SchemaOptions) -> Option<String> {
    let perform = |statement: String| statement.replacen("SELECT", "PERFORM", 1);
    let create = perform(create_hypertable(dataset, options)?);
    let mut licensed = Vec::new();
    if let Some(after) = options.compress_after(dataset).filter(|_| !options.rls) {
        let table = literal(&dataset.table);
        licensed.push(format!(
            "IF NOT (SELECT bool_or(compression_enabled) FROM timescaledb_information.hypertables\n               \
             WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = {table}::regclass) THEN\n        \
             {};\n      END IF;",
            enable_compression(dataset)
        ));
        licensed.push(perform(add_compression_policy(dataset, after)) + ";");
    }
    if let Some(after) = options.retention.of(&dataset.name).flatten() {
        licensed.push(perform(add_retention_policy(dataset, after)) + ";");
    }
    let mut sql = format!(
        "DO $$ BEGIN\n  IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN\n    {create};\n"
    );
    if !licensed.is_empty() {
        let licensed = licensed.join("\n      ");
        let _ = write!(
            sql,
            "    IF current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache' THEN\n      {licensed}\n    END IF;\n"
        );
    }
    sql.push_str("  END IF;\nEND $$");
    Some(sql)
}

/// The statement that makes it a hypertable, if it has a time to be cut by. The key's index will
/// do; TimescaleDB's own index on the time would be a second one to keep.
pub(in crate::sink::postgres) fn create_hypertable(
    dataset: &Dataset,
    options: &SchemaOptions,
) -> Option<String> {
    let time = dataset.time.as_ref()?;
    Some(format!(
        "SELECT create_hypertable({}, {}, chunk_time_interval => {}, \
         create_default_indexes => FALSE, if_not_exists => TRUE)",
        literal(&dataset.table),
        literal(time),
        options.chunk(dataset).interval()
    ))
}

/// The statement that lets its chunks be compressed. The options have these names in every version
/// of TimescaleDB.
pub(in crate::sink::postgres) fn enable_compression(dataset: &Dataset) -> String {
    let segment_by = dataset.segment_by.join(", ");
    let order_by = dataset.order_by().join(", ");
    format!(
        "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {}, \
         timescaledb.compress_orderby = {})",
        dataset.table,
        literal(&segment_by),
        literal(&order_by)
    )
}

/// How a dataset's table is compressed, in words.
pub(in crate::sink::postgres) fn compressed_by(dataset: &Dataset) -> String {
    let segment_by =
        if dataset.segment_by.is_empty() { "nothing".to_owned() } else { dataset.segment_by.join(", ") };
    format!("by {segment_by} in the order of {}", dataset.order_by().join(", "))
}

/// The statement that has the server compress its chunks.
pub(in crate::sink::postgres) fn add_compression_policy(dataset: &Dataset, after: Period) -> String {
    add_policy("add_compression_policy", "compress_after", dataset, after)
}

/// The statement that has the server drop its chunks.
pub(in crate::sink::postgres) fn add_retention_policy(dataset: &Dataset, after: Period) -> String {
    add_policy("add_retention_policy", "drop_after", dataset, after)
}

fn add_policy(function: &str, argument: &str, dataset: &Dataset, after: Period) -> String {
    let (table, after) = (literal(&dataset.table), after.interval());
    format!("SELECT {function}({table}, {argument} => {after}, if_not_exists => TRUE)")
}

/// The statements that let a session see and write the rows of its `app.tenant_id` only; without
/// one, those that belong to no tenant.
pub(in crate::sink::postgres) fn row_security(dataset: &Dataset) -> Vec<String> {
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
pub(in crate::sink::postgres) fn definition(column: &Column) -> String {
    let mut sql = type_name(column.kind).to_owned();
    let key = column.need == Requirement::Key;
    if key && sql == "text" {
        // Compared byte by byte: faster, and the same on every server.
        sql.push_str(" COLLATE \"C\"");
    }
    if key || column.need == Requirement::Required {
        sql.push_str(" NOT NULL");
    }
    if column.name == "tenant_id" {
        let _ = write!(sql, " DEFAULT '{NO_TENANT}'");
    }
    if column.derive == Some(Derivation::Empty) {
        sql.push_str(" DEFAULT ''");
    }
    if column.kind == Kind::OptionType {
        let _ = write!(sql, " CHECK ({} IN ('C', 'P'))", ident(&column.name));
    }
    sql
}

/// The type in our own tables, as `format_type` writes it. Numbers are unconstrained: volumes
/// can be fractions, and tokens have 18 decimals.
pub(in crate::sink::postgres) fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Timestamp => "timestamp with time zone",
        Kind::Date => "date",
        Kind::Number => "numeric",
        Kind::Double => "double precision",
        Kind::Single => "real",
        Kind::Nanos => "smallint",
        Kind::Symbol
        | Kind::UpperSymbol
        | Kind::Timeframe
        | Kind::OptionType
        | Kind::Text
        | Kind::Words
        | Kind::Label => "text",
        Kind::Bytes => "bytea",
        Kind::Uuid => "uuid",
        Kind::Json => "jsonb",
        Kind::Bool => "boolean",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::{ALL, BARS};
    use crate::sink::Periods;

    #[test]
    fn bars_have_their_table() {
        insta::assert_snapshot!(schema_sql(&[BARS], &SchemaOptions { rls: true, ..Default::default() }), @r#"
        -- mdsctl, schema version 2

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

        DO $$ BEGIN
          IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
            PERFORM create_hypertable('bars', 'ts', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, if_not_exists => TRUE);
          END IF;
        END $$;

        ALTER TABLE bars ENABLE ROW LEVEL SECURITY;

        ALTER TABLE bars FORCE ROW LEVEL SECURITY;

        DROP POLICY IF EXISTS mds_tenant ON bars;

        CREATE POLICY mds_tenant ON bars USING ("tenant_id" = coalesce(nullif(current_setting('app.tenant_id', true), ''), '00000000-0000-0000-0000-000000000000')::uuid) WITH CHECK ("tenant_id" = coalesce(nullif(current_setting('app.tenant_id', true), ''), '00000000-0000-0000-0000-000000000000')::uuid);
        "#);
    }

    #[test]
    fn chunks_are_compressed_and_dropped_where_the_server_can() {
        let retention = Periods::new(vec![(None, Some(Period::days(365)))]);
        let options = SchemaOptions { retention, ..Default::default() };
        insta::assert_snapshot!(timescale(&BARS, &options).unwrap(), @r"
        DO $$ BEGIN
          IF EXISTS (SELECT FROM pg_extension WHERE extname = 'timescaledb') THEN
            PERFORM create_hypertable('bars', 'ts', chunk_time_interval => INTERVAL '7 days', create_default_indexes => FALSE, if_not_exists => TRUE);
            IF current_setting('timescaledb.license', true) IS DISTINCT FROM 'apache' THEN
              IF NOT (SELECT bool_or(compression_enabled) FROM timescaledb_information.hypertables
                       WHERE format('%I.%I', hypertable_schema, hypertable_name)::regclass = 'bars'::regclass) THEN
                ALTER TABLE bars SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol, timeframe, vendor, tenant_id', timescaledb.compress_orderby = 'ts');
              END IF;
              PERFORM add_compression_policy('bars', compress_after => INTERVAL '30 days', if_not_exists => TRUE);
              PERFORM add_retention_policy('bars', drop_after => INTERVAL '365 days', if_not_exists => TRUE);
            END IF;
          END IF;
        END $$
        ");
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
