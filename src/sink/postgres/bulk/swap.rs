//! The filled table in the place of the empty one.

use std::time::Duration;

use tokio_postgres::types::Type;

use super::indexes::Index;
use super::portrait::portrait;
use super::settle::Ending;
use crate::port::SinkError;
use crate::sink::postgres::connection::quoting::{ident, literal};

/// How often the lock of the table is tried, a second each, before its rows are merged into it, which needs none.
const TRIES: usize = 10;

/// Puts it there, where the table is still empty, nobody holds it for long, and nothing of it would be lost by
/// that; `false` where that is not so, and nothing has changed.
pub(super) async fn swap(ending: &Ending<'_>, indexes: &[Index]) -> Result<bool, SinkError> {
    ending.run("SAVEPOINT mds_swap").await?;
    match tried(ending, indexes).await {
        Ok(true) => {
            ending.run("RELEASE SAVEPOINT mds_swap").await?;
            Ok(true)
        }
        // What the server does not let us do it need not: rows can be merged all the same.
        Ok(false) | Err(SinkError::Fatal(_)) => {
            ending.run("ROLLBACK TO SAVEPOINT mds_swap; RELEASE SAVEPOINT mds_swap").await?;
            Ok(false)
        }
        Err(error) => Err(error),
    }
}

async fn tried(ending: &Ending<'_>, indexes: &[Index]) -> Result<bool, SinkError> {
    let fault = |error: tokio_postgres::Error| ending.fault(&error);
    let target = ending.target.sql_name();
    if !locked(ending, &target).await? {
        return Ok(false);
    }
    let oid = ending.bulk.target;
    let sql = format!(
        "SELECT pg_catalog.to_regclass($1)::oid = $2 AND NOT EXISTS (SELECT FROM ONLY {target}), pg_catalog.to_regclass($3)::oid"
    );
    let name = ending.bulk.sql_name();
    let params = [
        (&target as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
        (&oid, Type::OID),
        (&name, Type::TEXT),
    ];
    let row = ending.link.client.query_typed_one(&sql, &params).await.map_err(fault)?;
    let (same, new): (Option<bool>, u32) = (row.try_get(0).map_err(fault)?, row.try_get(1).map_err(fault)?);
    if same != Some(true) {
        return Ok(false);
    }
    let Some(before) = portrait(ending.link, oid).await.map_err(fault)? else { return Ok(false) };
    let follow = follow_up(ending).await?;
    let mut statements = vec![
        // What depends on it keeps it.
        format!("DROP TABLE {target} RESTRICT"),
        format!("ALTER TABLE {name} RENAME TO {}", ident(&ending.target.name)),
    ];
    for index in indexes {
        let built = ident(&index.built_as);
        statements.push(match (index.constraint, index.primary) {
            (true, true) => {
                format!(
                    "ALTER TABLE {target} ADD CONSTRAINT {} PRIMARY KEY USING INDEX {built}",
                    ident(&index.name)
                )
            }
            (true, false) => {
                format!(
                    "ALTER TABLE {target} ADD CONSTRAINT {} UNIQUE USING INDEX {built}",
                    ident(&index.name)
                )
            }
            (false, _) => {
                format!(
                    "ALTER INDEX {}.{built} RENAME TO {}",
                    ident(&ending.target.schema),
                    ident(&index.name)
                )
            }
        });
    }
    statements.extend(follow);
    ending.run(&statements.join("; ")).await?;
    let after = portrait(ending.link, new).await.map_err(fault)?;
    let alike = after.as_ref() == Some(&before);
    if !alike {
        tracing::debug!(?before, ?after, "the tables are not alike");
    }
    Ok(alike)
}

/// Locks the table, unless others hold it for long.
async fn locked(ending: &Ending<'_>, target: &str) -> Result<bool, SinkError> {
    let lock = format!(
        "SAVEPOINT mds_lock; SET LOCAL lock_timeout = '1s'; LOCK TABLE ONLY {target} IN ACCESS EXCLUSIVE MODE; \
         SET LOCAL lock_timeout = 0; RELEASE SAVEPOINT mds_lock"
    );
    for _ in 0..TRIES {
        match ending.link.client.batch_execute(&lock).await {
            Ok(()) => return Ok(true),
            Err(error)
                if matches!(
                    error.code().map(tokio_postgres::error::SqlState::code),
                    Some("55P03" | "40P01")
                ) =>
            {
                ending.run("ROLLBACK TO SAVEPOINT mds_lock; RELEASE SAVEPOINT mds_lock").await?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            Err(error) => return Err(ending.fault(&error)),
        }
    }
    Ok(false)
}

/// What the new table is to get of the old one: comment and privileges.
async fn follow_up(ending: &Ending<'_>) -> Result<Vec<String>, SinkError> {
    let fault = |error: tokio_postgres::Error| ending.fault(&error);
    let sql = "SELECT pg_catalog.obj_description(c.oid, 'pg_class'), \
        (SELECT pg_catalog.array_agg(CASE WHEN a.grantee = 0 THEN 'PUBLIC' ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END \
            || '|' || a.privilege_type || '|' || a.is_grantable) \
         FROM pg_catalog.aclexplode(c.relacl) a), c.relacl IS NULL \
        FROM pg_catalog.pg_class c WHERE c.oid = $1 OR c.oid = pg_catalog.to_regclass($2) ORDER BY c.oid = $1";
    let params = [
        (&ending.bulk.target as &(dyn tokio_postgres::types::ToSql + Sync), Type::OID),
        (&ending.bulk.sql_name(), Type::TEXT),
    ];
    let rows = ending.link.client.query_typed(sql, &params).await.map_err(fault)?;
    let target = ending.target.sql_name();
    let mut statements = Vec::new();
    let privileges = |row: &tokio_postgres::Row| -> Result<Vec<String>, SinkError> {
        row.try_get::<_, Option<Vec<String>>>(1).map(Option::unwrap_or_default).map_err(fault)
    };
    // The new one first: what it was given by default goes.
    let (Some(new), Some(old)) = (rows.first(), rows.get(1)) else { return Ok(statements) };
    let comment: Option<String> = old.try_get(0).map_err(fault)?;
    statements.push(format!(
        "COMMENT ON TABLE {target} IS {}",
        comment.map_or_else(|| "NULL".to_owned(), |comment| literal(&comment))
    ));
    let plain: bool = old.try_get(2).map_err(fault)?;
    for given in privileges(new)? {
        if let Some((to, _)) = given.split_once('|') {
            statements.push(format!("REVOKE ALL ON {target} FROM {to}"));
        }
    }
    if plain {
        if new.try_get::<_, bool>(2).map_err(fault)? {
            return Ok(statements);
        }
        statements.push(format!("GRANT ALL ON {target} TO CURRENT_USER"));
        return Ok(statements);
    }
    statements.push(format!("REVOKE ALL ON {target} FROM CURRENT_USER"));
    for given in privileges(old)? {
        let mut parts = given.splitn(3, '|');
        if let (Some(to), Some(what), Some(grantable)) = (parts.next(), parts.next(), parts.next()) {
            let option = if grantable == "true" && to != "PUBLIC" { " WITH GRANT OPTION" } else { "" };
            statements.push(format!("GRANT {what} ON {target} TO {to}{option}"));
        }
    }
    Ok(statements)
}
