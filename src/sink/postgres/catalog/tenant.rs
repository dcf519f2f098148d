//! The tenant that rows belong to: a UUID, or the short name that the table `tenants` knows.

use tokio_postgres::types::Type;
use uuid::Uuid;

use crate::error::{Error, Result};
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::ident;
use crate::text::flags::TENANT;

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

/// The id of a tenant by its id or slug, asked on an open connection.
pub(in crate::sink::postgres) async fn find_tenant(link: &Link, tenant: &str) -> Result<Uuid> {
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
        Error::usage(format!("no tenant is called `{tenant}` in the table tenants; give its UUID"))
    })
}

/// The table that the tenants of this one must be in, and its column, by a foreign key. Not where we
/// may not look into it, or policies hide rows of it.
const TENANTS: &str = "\
SELECT c.confrelid::regclass::text, there.attname::text
FROM pg_catalog.pg_constraint c
JOIN pg_catalog.pg_attribute here ON here.attrelid = c.conrelid AND here.attnum = c.conkey[1]
JOIN pg_catalog.pg_attribute there ON there.attrelid = c.confrelid AND there.attnum = c.confkey[1]
WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.contype = 'f' AND pg_catalog.cardinality(c.conkey) = 1
  AND here.attname = 'tenant_id' AND pg_catalog.has_table_privilege(c.confrelid, 'SELECT')
  AND NOT pg_catalog.row_security_active(c.confrelid)";

/// Refuses a tenant that the table could take no row of, before a row is read: all of them would be
/// rejected otherwise.
///
/// # Errors
/// Usage, if there is no such tenant; unavailable, if the server is.
pub(in crate::sink::postgres) async fn expect_tenant(link: &Link, table: &Table, tenant: Uuid) -> Result<()> {
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
    Err(Error::usage(format!(
        "no tenant has the id {tenant} in the table {tenants}, and {} takes rows of those alone",
        table.display_name()
    )))
}

/// The table that tells who the tenants are, where no foreign key leads to it. Not where we may not look into
/// it, or policies hide rows of it.
const KNOWN: &str = "\
SELECT t.oid::pg_catalog.regclass::text
FROM pg_catalog.pg_class t
JOIN pg_catalog.pg_attribute id ON id.attrelid = t.oid AND id.attname = 'id' AND NOT id.attisdropped
  AND id.atttypid IN ('uuid'::pg_catalog.regtype, 'text'::pg_catalog.regtype, 'varchar'::pg_catalog.regtype)
WHERE t.oid = pg_catalog.to_regclass('tenants') AND pg_catalog.has_column_privilege(t.oid, id.attnum, 'SELECT')
  AND NOT pg_catalog.row_security_active(t.oid)";

/// What to say of a tenant that the table `tenants` does not have, though rows of it are taken: its UUID may
/// be mistyped, and nobody who looks for the tenant's rows would find them. Where a foreign key leads there
/// [`expect_tenant`] has refused it. A look that fails (`tenants` may be a view of anything) is no matter of the
/// load, and has nothing to say.
pub(in crate::sink::postgres) async fn unknown_tenant(link: &Link, tenant: Uuid) -> Option<String> {
    let tenants: String = link.client.query_typed_opt(KNOWN, &[]).await.ok()??.try_get(0).ok()?;
    let sql = format!("SELECT EXISTS (SELECT FROM {tenants} WHERE pg_catalog.lower(id::text) = $1)");
    let known = link.client.query_typed_one(&sql, &[(&tenant.to_string(), Type::TEXT)]).await.ok()?;
    let known: bool = known.try_get(0).ok()?;
    (!known).then(|| {
        format!("the table {tenants} has no tenant with the id {tenant}, whose rows are loaded all the same")
    })
}

/// The policies by which rows are inserted that apply to this role: whether one is enough, and its
/// condition; and what the setting is that they know the tenant by.
const POLICIES: &str = "\
SELECT p.polpermissive, pg_catalog.pg_get_expr(coalesce(p.polwithcheck, p.polqual), p.polrelid),
       pg_catalog.current_setting('app.tenant_id', true)
FROM pg_catalog.pg_policy p
WHERE p.polrelid = pg_catalog.to_regclass($1) AND p.polcmd IN ('*', 'a')
  AND (0 = ANY (p.polroles) OR EXISTS (
    SELECT FROM pg_catalog.unnest(p.polroles) AS r (role)
    WHERE r.role <> 0 AND pg_catalog.pg_has_role(r.role, 'MEMBER')))";

/// Refuses to begin without a tenant where row-level security would refuse every row for that.
///
/// # Errors
/// Usage, if one must be given, or no policy lets this role insert; unavailable, if the server is.
pub(in crate::sink::postgres) async fn expect_given(link: &Link, table: &Table) -> Result<()> {
    if !table.security.binds {
        return Ok(());
    }
    let failed = |error: tokio_postgres::Error| to_error(link.classify(&error));
    let found = link.client.query_typed(POLICIES, &[(&table.sql_name(), Type::TEXT)]).await;
    let (mut lets, mut all_need, mut one_needs, mut set) = (false, true, false, false);
    for row in &found.map_err(failed)? {
        let permissive: bool = row.try_get(0).map_err(failed)?;
        let condition: Option<String> = row.try_get(1).map_err(failed)?;
        let setting: Option<String> = row.try_get(2).map_err(failed)?;
        let needs = condition.is_some_and(|condition| needs_setting(&condition));
        (lets, set) = (lets || permissive, set || setting.is_some_and(|setting| !setting.is_empty()));
        match permissive {
            true => all_need &= needs,
            false => one_needs |= needs,
        }
    }
    if !lets {
        return Err(Error::usage(format!(
            "row-level security is on for {}, and no policy of it lets this role insert rows; its owner has to make one (CREATE POLICY … FOR INSERT), or load as a role that has BYPASSRLS",
            table.display_name()
        )));
    }
    if (all_need || one_needs) && !set {
        return Err(Error::usage(format!(
            "row-level security of {} takes rows of one tenant at a time, and none is given; add {TENANT} UUID (or MDS_TENANT_ID)",
            table.display_name()
        )));
    }
    Ok(())
}

/// Whether a condition, as the server writes it, holds for no row while `app.tenant_id` is not set. One
/// that has a word for that case is taken to let rows through.
fn needs_setting(condition: &str) -> bool {
    condition.contains("'app.tenant_id'")
        && !["COALESCE", " OR ", " IS NULL", "CASE "].iter().any(|word| condition.contains(word))
}

#[cfg(test)]
mod tests {
    use super::needs_setting;

    #[test]
    fn a_condition_that_knows_what_to_do_without_a_tenant_needs_none() {
        let plain = "(tenant_id = (pg_catalog.current_setting('app.tenant_id'::text, true))::uuid)";
        assert!(needs_setting(plain));
        assert!(!needs_setting(&format!(
            "({plain} OR (pg_catalog.current_setting('app.tenant_id'::text, true) IS NULL))"
        )));
        assert!(!needs_setting(
            "(tenant_id = (COALESCE(pg_catalog.current_setting('app.tenant_id'::text, true), '0'::text))::uuid)"
        ));
        assert!(!needs_setting("(owner = CURRENT_USER)"));
    }
}
