//! What keeps a load into a table from going in bulk.

use tokio_postgres::types::Type;

use crate::dataset::{KeyNulls, KeyPrecision};
use crate::settings::OnConflict;
use crate::sink::postgres::catalog::table::{Table, TableColumn};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::Link;

/// What of a table would not outlive that another one takes its place, or decides what becomes of a row while it
/// is written.
const OBSTACLES: &str = "\
SELECT pg_catalog.array_remove(ARRAY[
  CASE WHEN c.relkind <> 'r' OR c.relpersistence <> 'p' THEN 'it is not a plain table' END,
  CASE WHEN c.relowner <> (SELECT oid FROM pg_catalog.pg_roles WHERE rolname = current_user)
       THEN 'it belongs to ' || pg_catalog.pg_get_userbyid(c.relowner) || ', and only its owner can put another table in its place' END,
  CASE WHEN NOT pg_catalog.has_schema_privilege(c.relnamespace, 'CREATE')
       THEN 'this role may create no tables in its schema' END,
  CASE WHEN c.relispartition OR EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE inhrelid = c.oid OR inhparent = c.oid)
       THEN 'it is a part of another table, or has parts' END,
  CASE WHEN c.reloftype <> 0 THEN 'it is a table of a type' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_trigger WHERE tgrelid = c.oid)
       THEN 'it has triggers or foreign keys' END,
  CASE WHEN c.relrowsecurity OR EXISTS (SELECT FROM pg_catalog.pg_policy WHERE polrelid = c.oid)
       THEN 'it has row-level security' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = c.oid) THEN 'it has rules' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_subscription_rel WHERE srrelid = c.oid)
       THEN 'it is filled from another server' END,
  CASE WHEN EXISTS (
         SELECT FROM pg_catalog.pg_index x
         WHERE x.indrelid = c.oid AND (x.indpred IS NOT NULL OR x.indexprs IS NOT NULL OR x.indnatts <> x.indnkeyatts OR NOT x.indisvalid
           OR NOT x.indisunique AND EXISTS (
             SELECT FROM pg_catalog.unnest(x.indkey::int2[]) AS k(attnum)
             JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = k.attnum
             WHERE a.attlen < 0 AND NOT a.attnum = ANY (
               SELECT pg_catalog.unnest(u.indkey::int2[]) FROM pg_catalog.pg_index u WHERE u.indrelid = c.oid AND u.indisunique))))
       THEN 'it has an index that a row may not fit into (of text beside the key, of a part of the rows, of an expression)' END,
  CASE WHEN c.relreplident NOT IN ('d', 'n') THEN 'it has a replica identity of its own' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_publication_tables p
                    WHERE p.schemaname = n.nspname AND p.tablename = c.relname)
       THEN 'it is published to other servers' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_statistic_ext WHERE stxrelid = c.oid)
       THEN 'it has extended statistics' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_seclabel WHERE classoid = 'pg_catalog.pg_class'::regclass AND objoid = c.oid)
       THEN 'it has a security label' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_attribute WHERE attrelid = c.oid AND (attidentity <> '' OR attacl IS NOT NULL))
       THEN 'it has numbered columns, or privileges on single columns' END,
  CASE WHEN EXISTS (SELECT FROM pg_catalog.pg_constraint WHERE conrelid = c.oid AND (NOT convalidated OR condeferrable OR contype IN ('f', 'x', 't')))
       THEN 'it has a constraint that is deferred, not validated, or about more than one row' END,
  CASE WHEN EXISTS (
         SELECT FROM pg_catalog.pg_depend d
         WHERE d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid = c.oid
           AND NOT (d.classid = 'pg_catalog.pg_type'::regclass AND d.deptype = 'i')
           AND d.classid <> 'pg_catalog.pg_attrdef'::regclass
           AND NOT (d.classid = 'pg_catalog.pg_constraint'::regclass
                    AND EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = d.objid AND k.conrelid = c.oid))
           AND NOT (d.classid = 'pg_catalog.pg_class'::regclass
                    AND EXISTS (SELECT FROM pg_catalog.pg_class o WHERE o.oid = d.objid AND o.relkind IN ('i', 't'))))
       THEN 'views, functions or sequences depend on it' END
], NULL)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass($1)";

/// Why rows for that table cannot go in bulk, where they cannot, whether it has rows or not.
pub(super) async fn obstacle(
    link: &Link,
    table: &Table,
    on_conflict: OnConflict,
) -> Result<Option<String>, tokio_postgres::Error> {
    if let Some(why) = of_description(table, on_conflict) {
        return Ok(Some(why.to_owned()));
    }
    let row = link.client.query_typed_opt(OBSTACLES, &[(&table.sql_name(), Type::TEXT)]).await?;
    let Some(row) = row else { return Ok(Some("it is gone".to_owned())) };
    let all: Vec<String> = row.try_get(0)?;
    Ok((!all.is_empty()).then(|| all.join(", ")))
}

fn of_description(table: &Table, on_conflict: OnConflict) -> Option<&'static str> {
    let opaque = |name: &String| {
        table.column(name).is_none_or(|column| {
            column.type_.is_cast() || column.type_.grain() == KeyPrecision::Opaque || column.generated
        })
    };
    // The operators of enums know no domains.
    let domain =
        |column: &TableColumn| column.type_ == ColumnType::Enum && column.stage_type != column.type_name;
    if table.columns.iter().any(domain) {
        return Some("it has a domain over an enum");
    }
    let is_key = |columns: &[String]| {
        columns.len() == table.key.len() && columns.iter().all(|name| table.key.contains(name))
    };
    if on_conflict == OnConflict::Error {
        return Some("rows whose key is there are to be rejected, which only the key itself can tell");
    }
    if table.hypertable || table.partitioned {
        return Some("it is divided into chunks or partitions");
    }
    if table.distribution.is_some() {
        return Some("it is spread over several nodes");
    }
    if table.key.is_empty() || table.nulls != KeyNulls::Never || !table.surrogate.is_empty() {
        return Some("it has no key that every row brings");
    }
    if table.key.iter().any(opaque) {
        return Some("only the server can compare its keys");
    }
    match table.rules.as_slice() {
        [rule] if rule.unique && is_key(&rule.columns) => None,
        _ => Some("it has a unique constraint beside its key"),
    }
}
