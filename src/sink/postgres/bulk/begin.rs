//! How a load in bulk begins, or goes on with what an earlier run has begun.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::leftover::found;
use super::obstacles::obstacle;
use super::{Bulk, BulkTable, Note, PREFIX, first_stays};
use crate::error::Result;
use crate::port::SinkError;
use crate::settings::OnConflict;
use crate::sink::postgres::catalog::describe::describe;
use crate::sink::postgres::catalog::table::{Table, TableColumn};
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::literal;

/// Whether a load goes in bulk: the bulk table as the catalog describes it, or why it does not.
pub(in crate::sink::postgres) type Begun = std::result::Result<(Bulk, Table), String>;

/// Makes the bulk table, where nothing keeps the load from going in bulk and the table has no row.
///
/// # Errors
/// Unavailable, where the server is.
pub(in crate::sink::postgres) async fn begin(
    link: &Link,
    target: &Table,
    on_conflict: OnConflict,
    run: Uuid,
) -> Result<Begun> {
    let fault = |error: tokio_postgres::Error| to_error(link.classify(&error));
    if let Some(why) = obstacle(link, target, on_conflict).await.map_err(fault)? {
        return Ok(Err(why));
    }
    let name = target.sql_name();
    // The lock is the one that the end takes: who reads or writes the table now would be in its way.
    let lock = format!(
        "BEGIN ISOLATION LEVEL READ COMMITTED; SET LOCAL lock_timeout = '1s'; LOCK TABLE ONLY {name} IN ACCESS EXCLUSIVE MODE NOWAIT"
    );
    if let Err(error) = link.client.batch_execute(&lock).await {
        let _ = link.client.batch_execute("ROLLBACK").await;
        return match error.code().map(tokio_postgres::error::SqlState::code) {
            Some("55P03" | "40P01") => Ok(Err("others are using it".to_owned())),
            _ => Err(fault(error)),
        };
    }
    let begun = make(link, target, on_conflict, run).await;
    let end = if matches!(begun, Ok(Ok(_))) { "COMMIT" } else { "ROLLBACK" };
    let ended = link.client.batch_execute(end).await.map_err(fault);
    let begun = begun?;
    ended?;
    Ok(begun)
}

async fn make(link: &Link, target: &Table, on_conflict: OnConflict, run: Uuid) -> Result<Begun> {
    let fault = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let name = target.sql_name();
    let sql = format!(
        "SELECT c.oid, EXISTS (SELECT FROM ONLY {name}), \
         (SELECT pg_catalog.string_agg(pg_catalog.quote_ident(pg_catalog.split_part(o, '=', 1)) || ' = ' || \
          pg_catalog.quote_literal(pg_catalog.substr(o, pg_catalog.strpos(o, '=') + 1)), ', ') FROM pg_catalog.unnest(c.reloptions) o), \
         (SELECT pg_catalog.string_agg(pg_catalog.format('ALTER TABLE %I.%I ALTER %I SET STATISTICS %s;', n.nspname, '{PREFIX}' || c.oid, a.attname, a.attstattarget), ' ') \
          FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attstattarget >= 0) \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = pg_catalog.to_regclass($1)"
    );
    let row = link.client.query_typed_one(&sql, &[(&name, Type::TEXT)]).await.map_err(fault)?;
    let (oid, filled): (u32, bool) = (row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?);
    let (options, targets): (Option<String>, Option<String>) =
        (row.try_get(2).map_err(fault)?, row.try_get(3).map_err(fault)?);
    if filled {
        return Ok(Err("it has rows already".to_owned()));
    }
    let about = format!(
        "rows of a load into {} that has not ended: the next load into it, or mdsctl schema apply, brings them there",
        target.display_name()
    );
    let note = Note { run, table: name.clone(), first_stays: first_stays(on_conflict), columns: None, about };
    let table = BulkTable { schema: target.schema.clone(), target: oid, note };
    let bulk_name = table.sql_name();
    let options =
        options.map_or_else(String::new, |options| format!("ALTER TABLE {bulk_name} SET ({options});"));
    let sql = format!(
        "CREATE TABLE {bulk_name} (LIKE {name} INCLUDING ALL EXCLUDING INDEXES); {options} {} {}",
        targets.unwrap_or_default(),
        table.noted()
    );
    if let Err(error) = link.client.batch_execute(&sql).await {
        return match (link.classify(&error), error.code().map(tokio_postgres::error::SqlState::code)) {
            (SinkError::Transient(..), _) => Err(fault(error)),
            // Begun in the same moment.
            (_, Some("42P07" | "23505")) => Ok(Err("another load goes so just now".to_owned())),
            (other, _) => Ok(Err(other.reason().message.clone().into_owned())),
        };
    }
    // Whoever is given new tables by default has no business here.
    let sql = "SELECT DISTINCT CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END \
               FROM pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a WHERE c.oid = pg_catalog.to_regclass($1) AND a.grantee <> c.relowner";
    for row in link.client.query_typed(sql, &[(&bulk_name, Type::TEXT)]).await.map_err(fault)? {
        let given: String = row.try_get(0).map_err(fault)?;
        link.client.batch_execute(&format!("REVOKE ALL ON {bulk_name} FROM {given}")).await.map_err(fault)?;
    }
    let described = describe(link, &bulk_name, on_conflict).await?;
    Ok(Ok((Bulk::new(table, target.clone()), described)))
}

/// Takes over the bulk table of a run that this one goes on with, where there is one and the table that it is for
/// is what it was.
///
/// # Errors
/// Unavailable, where the server is.
pub(in crate::sink::postgres) async fn take_over(
    link: &Link,
    target: &Table,
    on_conflict: OnConflict,
    run: Uuid,
) -> Result<Begun> {
    let Some((mut table, None)) = found(link, Some(&target.sql_name())).await?.pop() else {
        return Ok(Err("no earlier load has begun so".to_owned()));
    };
    let described = describe(link, &table.sql_name(), on_conflict).await?;
    let shape = |table: &Table| -> Vec<TableColumn> {
        table.columns.iter().map(|c| TableColumn { default: None, ..c.clone() }).collect()
    };
    if shape(&described) != shape(target) || table.note.first_stays != first_stays(on_conflict) {
        return Ok(Err("the table has changed since an earlier load began so".to_owned()));
    }
    table.note.run = run;
    link.client.batch_execute(&table.noted()).await.map_err(|error| to_error(link.classify(&error)))?;
    Ok(Ok((Bulk::new(table, target.clone()), described)))
}

/// The condition by which bulk tables are found.
pub(super) fn is_bulk(column: &str) -> String {
    format!("{column} ~ {}", literal(&format!("^{PREFIX}[0-9]+$")))
}
