//! Bulk tables that are there: of loads that go on, and of those that died.

use std::sync::{Arc, Mutex};

use tokio_postgres::types::Type;

use super::begin::is_bulk;
use super::settle::settle;
use super::{BulkTable, Note, PREFIX};
use crate::error::Result;
use crate::port::Resolved;
use crate::sink::BegunBulk;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::ident;

/// Those of that table, or all. What a role has made that neither we are nor owns the table is none of them, whatever
/// it is called.
pub(super) async fn found(link: &Link, name: Option<&str>) -> Result<Vec<(BulkTable, Option<String>)>> {
    let fault = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let of = match name {
        Some(_) => format!("c.relname = '{PREFIX}' || pg_catalog.to_regclass($1)::oid"),
        None => format!("$1::text IS NULL AND {}", is_bulk("c.relname")),
    };
    let sql = format!(
        "SELECT n.nspname::text, pg_catalog.substr(c.relname, {}), pg_catalog.obj_description(c.oid, 'pg_class'), \
         CASE WHEN pg_catalog.pg_get_userbyid(c.relowner) <> current_user THEN pg_catalog.pg_get_userbyid(c.relowner)::text END \
         FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind = 'r' AND {of} \
         AND (pg_catalog.pg_get_userbyid(c.relowner) = current_user OR c.relowner = (SELECT t.relowner FROM pg_catalog.pg_class t \
              WHERE t.oid::text = pg_catalog.substr(c.relname, {0}))) ORDER BY c.oid",
        PREFIX.len() + 1
    );
    let rows = link.client.query_typed(&sql, &[(&name, Type::TEXT)]).await.map_err(fault)?;
    let mut tables = Vec::new();
    for row in rows {
        let (schema, oid, note): (String, String, Option<String>) =
            (row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?, row.try_get(2).map_err(fault)?);
        // Without its note it is none of ours.
        let note: Option<Note> = note.and_then(|note| serde_json::from_str(&note).ok());
        let owner: Option<String> = row.try_get(3).map_err(fault)?;
        if let (Ok(target), Some(note)) = (oid.parse(), note) {
            tables.push((BulkTable { schema, target, note }, owner));
        }
    }
    Ok(tables)
}

/// The loads in bulk into that table, or into any, that have begun and not ended.
///
/// # Errors
/// Unavailable, where the server is.
pub(in crate::sink::postgres) async fn begun(dsn: &Dsn, table: Option<&str>) -> Result<Vec<BegunBulk>> {
    let link = Connector::new(dsn.clone())?.connect().await.map_err(to_error)?;
    let fault = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let mut all = Vec::new();
    for (table, owner) in found(&link, table).await? {
        let sql = "SELECT n.nspname::text, c.relname::text FROM pg_catalog.pg_class c \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = $1";
        let row = link.client.query_typed_opt(sql, &[(&table.target, Type::OID)]).await.map_err(fault)?;
        let target = match row {
            Some(row) => {
                let (schema, name): (String, String) =
                    (row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?);
                let is_it = table.note.table == format!("{}.{}", ident(&schema), ident(&name));
                is_it.then(|| super::display(&schema, &name))
            }
            None => None,
        };
        all.push(BegunBulk { run: table.note.run, bulk_table: table.display_name(), table: target, owner });
    }
    Ok(all)
}

/// Brings the rows of a load in bulk whose process is dead into their table. What was not so of the rows that it
/// had told of.
///
/// # Errors
/// Usage, where the rows cannot go there; unavailable, where the server is.
pub(in crate::sink::postgres) async fn finish_leftover(dsn: &Dsn, begun: &BegunBulk) -> Result<Resolved> {
    let connector = Connector::new(dsn.clone())?;
    let link = connector.connect().await.map_err(to_error)?;
    let tables = found(&link, None).await?;
    let resolved: Arc<Mutex<Option<Resolved>>> = Arc::default();
    if let Some((table, _)) = tables.into_iter().find(|(table, _)| table.display_name() == begun.bulk_table) {
        settle(&link, &table, &resolved).await.map_err(to_error)?;
    }
    let resolved = resolved.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    Ok(resolved.unwrap_or_default())
}
