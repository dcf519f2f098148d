//! The tenant that rows belong to: a UUID, or the short name that the table `tenants` knows.

use tokio_postgres::types::Type;
use uuid::Uuid;

use super::connect::{Connector, Link, to_error};
use super::dsn::Dsn;
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
