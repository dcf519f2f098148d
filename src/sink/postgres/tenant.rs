//! The tenant that rows belong to: a UUID, or the short name that the table `tenants` knows.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connect::{Connector, Link, to_error};
use super::dsn::Dsn;
use super::names::ident;
use super::table::Table;
use crate::error::{Error, Result};

/// The tenant of that UUID or short name (`tenants.tenant_id`). A UUID is taken as it is and
/// opens no connection.
///
/// # Errors
/// Usage, if no tenant has that name or there is no table of tenants; unavailable, if the server
/// is.
pub async fn resolve_tenant(dsn: &Dsn, tenant: &str) -> Result<Uuid> {
    if let Ok(id) = Uuid::try_parse(tenant) {
        return Ok(id);
    }
    let link = Connector::new(dsn.clone())?.connect().await.map_err(to_error)?;
    find_tenant(&link, tenant).await
}

/// The same on an open connection.
pub(super) async fn find_tenant(link: &Link, tenant: &str) -> Result<Uuid> {
    if let Ok(id) = Uuid::try_parse(tenant) {
        return Ok(id);
    }
    let failed = |error: tokio_postgres::Error| {
        to_error(link.classify(&error)).at("the tenant cannot be looked up; give its UUID instead")
    };
    let sql = "SELECT id::text FROM tenants WHERE tenant_id = $1";
    let row = link.client.query_typed_opt(sql, &[(&tenant, Type::VARCHAR)]).await.map_err(failed)?;
    let id: Option<String> = row.map(|row| row.try_get(0)).transpose().map_err(failed)?;
    id.and_then(|id| Uuid::try_parse(&id).ok()).ok_or_else(|| {
        Error::Usage(format!("no tenant is called `{tenant}` in the table tenants; give its UUID"))
    })
}

/// The table that the tenants of this one must be in, and its column, by a foreign key. Not where we
/// may not look into it, or policies hide rows of it.
const TENANTS: &str = "\
SELECT c.confrelid::regclass::text, there.attname::text
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = c.conkey[1]
JOIN pg_catalog.pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = c.confkey[1]
WHERE c.conrelid = to_regclass($1) AND c.contype = 'f' AND cardinality(c.conkey) = 1
  AND here.attname = 'tenant_id' AND has_table_privilege(c.confrelid, 'SELECT')
  AND NOT row_security_active(c.confrelid)";

/// Refuses a tenant that the table could take no row of, before a row is read: all of them would be
/// rejected otherwise.
///
/// # Errors
/// Usage, if there is no such tenant; unavailable, if the server is.
pub(super) async fn expect_tenant(link: &Link, table: &Table, tenant: Uuid) -> Result<()> {
    let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let found = link.client.query_typed_opt(TENANTS, &[(&table.sql_name(), Type::TEXT)]).await;
    let Some(row) = found.map_err(failed)? else { return Ok(()) };
    let (tenants, column): (String, String) =
        (row.try_get(0).map_err(failed)?, row.try_get(1).map_err(failed)?);
    let sql = format!("SELECT EXISTS (SELECT FROM {tenants} WHERE {}::text = $1)", ident(&column));
    let known = link.client.query_typed_one(&sql, &[(&tenant.to_string(), Type::TEXT)]).await;
    if known.and_then(|row| row.try_get::<_, bool>(0)).map_err(failed)? {
        return Ok(());
    }
    Err(Error::Usage(format!(
        "no tenant has the id {tenant} in the table {tenants}, and {} takes rows of those alone",
        table.display_name()
    )))
}
