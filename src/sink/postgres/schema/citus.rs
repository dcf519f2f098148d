//! What Citus makes of a table: shards by a column, spread over its nodes (`--distribute`).
//!
//! A table that has rows is left where it is: to move them takes its time and locks the table, so
//! whoever wants that is given the statement.

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::sink::SchemaOptions;
use crate::sink::postgres::catalog::describe;
use crate::sink::postgres::catalog::table::{Distribution, Table};
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::schema::apply::{ask, run};
use crate::sink::postgres::schema::timescale::Edition;
use crate::text::flags::{DISTRIBUTE, RLS};

/// Refuses `--distribute` where the server cannot.
///
/// # Errors
/// Usage, where the extension is not in this database, or TimescaleDB is, whose tables Citus cannot spread;
/// with `--rls`, whose setting does not reach the nodes.
pub(in crate::sink::postgres) async fn possible(
    link: &Link,
    options: &SchemaOptions,
    edition: Edition,
) -> Result<()> {
    if options.distribute.is_empty() {
        return Ok(());
    }
    if !ask(link, "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'citus')").await? {
        return Err(Error::usage(format!(
            "{DISTRIBUTE} needs Citus in this database; as its owner run: CREATE EXTENSION citus (the server needs it in shared_preload_libraries)"
        )));
    }
    if edition != Edition::None {
        return Err(Error::usage(format!(
            "{DISTRIBUTE} is for a database without TimescaleDB: Citus cannot spread a hypertable; leave it out, or use another database"
        )));
    }
    if options.rls {
        return Err(Error::usage(format!(
            "{RLS} and {DISTRIBUTE} do not go together: Citus does not hand app.tenant_id on to the nodes, by which rows are seen; leave one of them out"
        )));
    }
    Ok(())
}

/// Spreads the table by its column, where that is wanted and it has no rows. Returns what was done.
pub(in crate::sink::postgres) async fn apply(
    link: &Link,
    dataset: &Dataset,
    options: &SchemaOptions,
) -> Result<Option<String>> {
    let Some(column) = options.distribute.of(&dataset.name) else { return Ok(None) };
    let table = &*dataset.table;
    let found = describe::find(link, table).await?;
    let spread = found.as_ref().and_then(|found| found.table.distribution.as_ref());
    if spread.is_some() {
        return Ok(found.and_then(|found| difference(dataset, &found.table, options)));
    }
    if !ask(link, &format!("SELECT NOT EXISTS (SELECT FROM {table})")).await? {
        let statement = statement(dataset, column);
        return Ok(Some(format!("{table}: has rows and is on one node; to spread them, run: {statement}")));
    }
    run(link, &statement(dataset, column)).await?;
    Ok(Some(format!("{table}: spread over the nodes by {column}")))
}

/// In what the table is not spread as it is to be.
pub(in crate::sink::postgres) fn difference(
    dataset: &Dataset,
    found: &Table,
    options: &SchemaOptions,
) -> Option<String> {
    let wanted = options.distribute.of(&dataset.name)?;
    let is = match &found.distribution {
        Some(Distribution::Column(column)) if column == wanted => return None,
        Some(Distribution::Column(column)) => format!("is spread over the nodes by {column}"),
        Some(Distribution::Whole) => "is whole on its nodes".to_owned(),
        None => "is on one node".to_owned(),
    };
    Some(format!("{}: {is}, expected by {wanted}", dataset.table))
}

/// The statements with which a script spreads the table, and that do nothing where it is spread already.
pub(in crate::sink::postgres) fn script(dataset: &Dataset, options: &SchemaOptions) -> Option<String> {
    let column = options.distribute.of(&dataset.name)?;
    let statement = statement(dataset, column).replacen("SELECT", "PERFORM", 1);
    let table = literal(&dataset.table);
    Some(format!(
        "DO $$ BEGIN\n  IF NOT EXISTS (SELECT FROM pg_dist_partition WHERE logicalrelid = {table}::regclass) THEN\n    \
         {statement};\n  END IF;\nEND $$"
    ))
}

/// The statement that spreads it.
fn statement(dataset: &Dataset, column: &str) -> String {
    format!("SELECT create_distributed_table({}, {})", literal(&dataset.table), literal(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::BARS;
    use crate::sink::postgres::catalog::table::tests::{column, table};
    use crate::sink::postgres::catalog::types::ColumnType;
    use crate::sink::schema_options::Distribute;

    #[test]
    fn a_table_differs_where_it_is_spread_in_another_way() {
        let options = SchemaOptions {
            distribute: Distribute::new(vec![(None, Some("symbol".to_owned()))]),
            ..SchemaOptions::default()
        };
        let mut found = table(vec![column("symbol", ColumnType::Text, "text")], &[]);
        let said = |found: &Table| difference(&BARS, found, &options);
        assert_eq!(said(&found).unwrap(), "bars: is on one node, expected by symbol");
        found.distribution = Some(Distribution::Column("vendor".to_owned()));
        assert_eq!(said(&found).unwrap(), "bars: is spread over the nodes by vendor, expected by symbol");
        found.distribution = Some(Distribution::Column("symbol".to_owned()));
        assert_eq!(said(&found), None);
        assert_eq!(difference(&BARS, &found, &SchemaOptions::default()), None);
    }
}
