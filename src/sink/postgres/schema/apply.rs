//! Making and comparing our own tables: `schema apply` and `schema check`.

use tokio_postgres::types::Type;

use crate::dataset::{Dataset, Requirement, earlier_key};
use crate::error::{Error, Result};
use crate::sink::SchemaOptions;
use crate::sink::postgres::catalog::describe;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::{ident, literal};
use crate::sink::postgres::ledger::marks;
use crate::sink::postgres::schema::citus;
use crate::sink::postgres::schema::ddl::{
    APPEND_ONLY, OWN_COLUMNS, SCHEMA_VERSION, append_only, create_table, definition,
};
use crate::sink::postgres::schema::ddl::{row_security, type_name};
use crate::sink::postgres::schema::grant;
use crate::sink::postgres::schema::timescale::{self, Edition, Hypertable, Work};
use crate::sink::postgres::schema::upgrade::{self, Upgrade};
use crate::text::flags::{APPEND_ONLY as APPEND_ONLY_FLAG, COMPRESS_AFTER, RLS};

/// Key of the advisory lock that lets one `schema apply` wait for another (`mdsctl` in ASCII).
const LOCK: i64 = 0x6d64_7363_746c;

/// What keeps the version of each table that we made.
pub(in crate::sink::postgres) const VERSIONS: &str = "\
CREATE TABLE IF NOT EXISTS mds_schema (
  table_name text PRIMARY KEY,
  version integer NOT NULL,
  applied_at timestamp with time zone NOT NULL DEFAULT now()
)";

/// Makes the tables that are missing and brings the ones that we made to this version, all in
/// one transaction, but for keys of earlier versions, which are changed after it. A table that something else made is left as it is. Two runs at once wait for
/// each other. Then the roles that are to load are given what they lack. Returns what was done, one line a
/// table and step.
///
/// # Errors
/// Usage, if the role may not create tables, or there is no such role to give anything to; unavailable, if
/// the server is.
pub async fn schema_apply(dsn: &Dsn, datasets: &[Dataset], options: &SchemaOptions) -> Result<Vec<String>> {
    let link = Connector::new(dsn.clone())?.connect().await.map_err(to_error)?;
    let roles = grant::roles(&link, &options.grant).await?;
    let mut report = apply(dsn, &link, datasets, options).await?;
    if !roles.is_empty() {
        run(&link, &lock()).await?;
        grant::give(&link, datasets, &roles, &mut report).await?;
    }
    Ok(report)
}

async fn apply(dsn: &Dsn, link: &Link, datasets: &[Dataset], options: &SchemaOptions) -> Result<Vec<String>> {
    run(link, &lock()).await?;
    let mut report = Vec::new();
    // IF NOT EXISTS needs the privilege to create even where the table exists.
    if !exists(link, "mds_schema").await? {
        run(link, VERSIONS).await?;
    }
    if !exists(link, "mds_checkpoints").await? {
        run(link, marks::TABLE).await?;
        report.push("mds_checkpoints: created".to_owned());
    }
    if !exists(link, "mds_runs").await? {
        run(link, marks::RUNS).await?;
        report.push("mds_runs: created".to_owned());
    }
    // Whoever may create tables makes those of a shared job with the first one.
    for (name, ddl, _) in marks::JOBS.into_iter().filter(|_| !options.grant.is_empty()) {
        if !exists(link, name).await? {
            run(link, ddl).await?;
            report.push(format!("{name}: created"));
        }
    }
    let (messages, ddl, _) = marks::MESSAGES;
    if !exists(link, messages).await? {
        run(link, ddl).await?;
    }
    let edition = Edition::of(link).await?;
    report.extend(edition.note(options).map(str::to_owned));
    citus::possible(link, options, edition).await?;
    let mut earlier = Vec::new();
    for dataset in datasets {
        if apply_one(link, dataset, options, edition, &mut report).await? == Applied::Earlier {
            earlier.push(dataset);
        }
    }
    run(link, "COMMIT").await?;
    if earlier.is_empty() {
        return Ok(report);
    }

    let guard = Connector::new(dsn.clone())?.connect().await.map_err(to_error)?;
    upgrade::hold(&guard, LOCK + 1).await?;
    for dataset in earlier {
        let Some(found) = describe::find(link, &dataset.table).await?.map(|found| found.table) else {
            continue;
        };
        let missing = dataset.missing_from(&found.key);
        // Another process may have done it in between.
        if !missing.is_empty() {
            let upgrade = Upgrade { link, dataset, table: &found, missing, edition };
            report.extend(upgrade.apply().await?);
        }
        let mut further = Vec::new();
        run(link, &lock()).await?;
        apply_one(link, dataset, options, edition, &mut further).await?;
        run(link, "COMMIT").await?;
        report.extend(further.into_iter().filter(|line| !line.ends_with(&is_there())));
    }
    Ok(report)
}

/// What begins a transaction that one `schema apply` at a time is in.
fn lock() -> String {
    format!("BEGIN; SELECT pg_catalog.pg_advisory_xact_lock({LOCK})")
}

/// What is said of a table for which nothing is to be done.
fn is_there() -> String {
    format!("is there, version {SCHEMA_VERSION}")
}

/// What became of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Applied {
    /// It is as it is to be, or is not ours.
    Done,
    /// Its key is that of an earlier version.
    Earlier,
}

async fn apply_one(
    link: &Link,
    dataset: &Dataset,
    options: &SchemaOptions,
    edition: Edition,
    report: &mut Vec<String>,
) -> Result<Applied> {
    let table = &*dataset.table;
    let found = describe::find(link, table).await?.map(|found| found.table);
    if let Some(found) = &found {
        let missing = dataset.missing_from(&found.key);
        if options.is_append_only(dataset) && !found.key.is_empty() {
            report.push(keyed(dataset));
        }
        if made_by_us(link, table).await? || is_ours_but_for_the_key(dataset, found) {
            let added = add_columns(link, dataset, found).await?;
            match added.as_slice() {
                [] if !missing.is_empty() => {}
                [] => report.push(format!("{table}: {}", is_there())),
                added => report.push(format!("{table}: added {}", added.join(", "))),
            }
            if !missing.is_empty() {
                return Ok(Applied::Earlier);
            }
        } else {
            report.push(format!("{table}: is there, made by something else; left as it is"));
            return Ok(Applied::Done);
        }
    } else {
        run(link, &create_table(dataset, options)).await?;
        if let Some(statement) = append_only(dataset, options) {
            run(link, &statement).await?;
        }
        let without = if options.is_append_only(dataset) { " without a key" } else { "" };
        report.push(format!("{table}: created{without}"));
    }
    report.extend(citus::apply(link, dataset, options).await?);
    let secured = found.as_ref().is_some_and(|table| table.security.enabled && table.security.forced);
    if options.rls && !secured {
        if found.as_ref().is_some_and(|table| table.compressed) {
            return Err(Error::usage(format!(
                "{table} is compressed, and TimescaleDB has no row-level security on such a table: leave out {RLS}, \
                 or turn compression off (ALTER TABLE {table} SET (timescaledb.compress = false)) and give \
                 {COMPRESS_AFTER} {}=never",
                dataset.name
            )));
        }
        for statement in row_security(dataset) {
            run(link, &statement).await?;
        }
        report.push(format!("{table}: row-level security by app.tenant_id"));
    }
    let secured = options.rls || found.as_ref().is_some_and(|table| table.security.enabled);
    Work { link, dataset, options, edition, secured, report }.apply().await?;
    let record = format!(
        "INSERT INTO mds_schema (table_name, version) VALUES ({}, {SCHEMA_VERSION}) \
         ON CONFLICT (table_name) DO UPDATE SET version = excluded.version, applied_at = pg_catalog.now() \
         WHERE mds_schema.version < excluded.version",
        literal(table)
    );
    run(link, &record).await.map(|()| Applied::Done)
}

/// What is said of a table that is to have no key and has one.
fn keyed(dataset: &Dataset) -> String {
    format!(
        "{0}: has a key, and {APPEND_ONLY_FLAG} is for a table that is not there yet; to take its key away, run: \
         ALTER TABLE {0} DROP CONSTRAINT {0}_pkey; COMMENT ON TABLE {0} IS {1}",
        dataset.table,
        literal(APPEND_ONLY)
    )
}

/// Whether that table was made without a key.
async fn is_append_only(link: &Link, table: &str) -> Result<bool> {
    let sql = format!(
        "SELECT pg_catalog.obj_description(pg_catalog.to_regclass({}), 'pg_class') IS NOT DISTINCT FROM {}",
        literal(table),
        literal(APPEND_ONLY)
    );
    ask(link, &sql).await
}

/// Whether a table that nobody has recorded is one of ours of an earlier version (`schema show` prints
/// the DDL, for whoever wants to run it).
fn is_ours_but_for_the_key(dataset: &Dataset, found: &Table) -> bool {
    let mut differences = Vec::new();
    compare(dataset, found, false, &mut differences);
    !dataset.missing_from(&found.key).is_empty() && differences.len() == 1
}

async fn made_by_us(link: &Link, table: &str) -> Result<bool> {
    ask(link, &format!("SELECT EXISTS (SELECT FROM mds_schema WHERE table_name = {})", literal(table))).await
}

async fn exists(link: &Link, table: &str) -> Result<bool> {
    ask(link, &format!("SELECT pg_catalog.to_regclass({}) IS NOT NULL", literal(table))).await
}

/// Adds the columns that an earlier version did not have. Returns their names.
async fn add_columns(link: &Link, dataset: &Dataset, found: &Table) -> Result<Vec<String>> {
    let own = OWN_COLUMNS.iter().map(|(name, definition)| ((*name).to_owned(), (*definition).to_owned()));
    let missing: Vec<(String, String)> = dataset
        .columns
        .iter()
        .filter(|c| c.need != Requirement::Key)
        .map(|c| (c.name.to_string(), definition(c)))
        .chain(own)
        .filter(|(name, _)| found.column(name).is_none())
        .collect();
    for (name, definition) in &missing {
        let sql = format!("ALTER TABLE {} ADD COLUMN {} {definition}", dataset.table, ident(name));
        run(link, &sql).await?;
    }
    Ok(missing.into_iter().map(|(name, _)| name).collect())
}

/// Compares the tables with what `schema apply` would make. One line a difference; none: all is
/// well. What a table has beyond that is not a difference.
///
/// # Errors
/// Unavailable, if the server is.
pub async fn schema_check(dsn: &Dsn, datasets: &[Dataset], options: &SchemaOptions) -> Result<Vec<String>> {
    let link = Connector::new(dsn.clone())?.connect().await.map_err(to_error)?;
    let edition = Edition::of(&link).await?;
    let lacking = grant::differences(&link, datasets, &options.grant).await?;
    let mut all = Vec::new();
    for dataset in datasets {
        match differences(&link, dataset, edition, options).await? {
            Some(found) => all.extend(found),
            None => all.push(format!("{}: table is missing; run: mdsctl schema apply", dataset.table)),
        }
    }
    all.extend(lacking);
    Ok(all)
}

/// In what the table of a dataset is not as it would be made; `None` where there is none.
///
/// # Errors
/// Unavailable, if the server is.
pub(in crate::sink::postgres) async fn differences(
    link: &Link,
    dataset: &Dataset,
    edition: Edition,
    options: &SchemaOptions,
) -> Result<Option<Vec<String>>> {
    let mut differences = Vec::new();
    match describe::find(link, &dataset.table).await {
        Ok(Some(found)) => {
            let bare = found.table.key.is_empty() && is_append_only(link, &dataset.table).await?;
            compare(dataset, &found.table, bare, &mut differences);
            if options.is_append_only(dataset) && !found.table.key.is_empty() {
                differences.push(keyed(dataset));
            }
            differences.extend(citus::difference(dataset, &found.table, options));
            let secured = options.rls || found.table.security.enabled;
            let hypertable = match edition {
                Edition::None => None,
                _ => Hypertable::read(link, &dataset.table).await?,
            };
            let hypertable = hypertable.as_ref();
            timescale::compare(dataset, options, edition, hypertable, secured, &mut differences);
            if options.rls && !(found.table.security.enabled && found.table.security.forced) {
                differences.push(format!("{}: has no row-level security", dataset.table));
            }
        }
        Ok(None) => return Ok(None),
        Err(Error::Usage(message)) => differences.push(message.into()),
        Err(other) => return Err(other),
    }
    Ok(Some(differences))
}

/// `bare`: it was made without its key.
fn compare(dataset: &Dataset, found: &Table, bare: bool, differences: &mut Vec<String>) {
    let table = &dataset.table;
    let missing = dataset.missing_from(&found.key);
    let expected = dataset
        .columns
        .iter()
        .map(|c| (&*c.name, type_name(c.kind), matches!(c.need, Requirement::Key | Requirement::Required)));
    let own = OWN_COLUMNS.iter().map(|(name, definition)| {
        let (type_, rest) = definition.split_once(" NOT NULL").unwrap_or((definition, ""));
        (*name, type_, !rest.is_empty())
    });
    for (name, type_, not_null) in expected.chain(own) {
        match found.column(name) {
            None => differences.push(format!("{table}: column {name} ({type_}) is missing")),
            Some(column) if column.type_name != type_ => {
                differences.push(format!("{table}: column {name} is {}, expected {type_}", column.type_name));
            }
            Some(column) if not_null && !column.not_null && !missing.contains(&name) => {
                differences.push(format!("{table}: column {name} takes null, expected NOT NULL"));
            }
            Some(_) => {}
        }
    }
    if !missing.is_empty() {
        differences.push(format!("{table}: {}", earlier_key(&missing)));
    } else if !bare && found.key.iter().map(String::as_str).ne(dataset.key.iter().copied()) {
        let shown =
            if found.key.is_empty() { "none".to_owned() } else { format!("({})", found.key.join(", ")) };
        differences.push(format!("{table}: key is {shown}, expected ({})", dataset.key.join(", ")));
    }
}

pub(in crate::sink::postgres) async fn run(link: &Link, sql: &str) -> Result<()> {
    link.client.batch_execute(sql).await.map_err(|error| failed(link, &error))
}

pub(in crate::sink::postgres) async fn ask(link: &Link, sql: &str) -> Result<bool> {
    let no_params: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[];
    let row = link.client.query_typed_one(sql, no_params).await.map_err(|error| failed(link, &error))?;
    row.try_get(0).map_err(|error| failed(link, &error))
}

pub(in crate::sink::postgres) fn failed(link: &Link, error: &tokio_postgres::Error) -> Error {
    let place = match error.code().map(tokio_postgres::error::SqlState::code) {
        Some("42501") => "the schema needs a role that may create tables",
        _ => "the schema could not be changed",
    };
    to_error(link.classify(error)).at(place)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::BARS;
    use crate::sink::postgres::catalog::table::tests::{column, table};
    use crate::sink::postgres::catalog::types::ColumnType;

    #[test]
    fn differences_are_named_one_by_one() {
        let found = table(
            vec![
                column("ts", ColumnType::Timestamptz(6), "timestamp with time zone"),
                column("close_price", ColumnType::Numeric(Some((20, 8))), "numeric(20,8)"),
            ],
            &[],
        );
        let mut differences = Vec::new();
        compare(&BARS, &found, false, &mut differences);
        let all = differences.join("\n");
        assert!(all.contains("bars: column ts takes null, expected NOT NULL"), "{all}");
        assert!(all.contains("bars: column close_price is numeric(20,8), expected numeric"), "{all}");
        assert!(all.contains("bars: column updated_at (timestamp with time zone) is missing"), "{all}");
        assert!(
            all.contains("bars: key is none, expected (symbol, timeframe, ts, vendor, tenant_id)"),
            "{all}"
        );
    }
}
