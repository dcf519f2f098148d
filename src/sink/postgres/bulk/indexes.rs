//! The indexes of a table, built over the rows of its bulk table.

use super::duplicates::resolve;
use super::settle::Ending;
use crate::port::{Resolved, SinkError};
use crate::sink::postgres::connection::quoting::ident;

/// An index of the table.
pub(super) struct Index {
    /// Its name.
    pub name: String,
    /// Whether it is that of the primary key, and whether that of a constraint at all.
    pub primary: bool,
    pub constraint: bool,
    unique: bool,
    /// What stands behind `CREATE INDEX name ON table` in its definition; none where that cannot be told.
    definition: Option<String>,
    /// Its name while both tables are there.
    pub built_as: String,
}

/// All of them, those of constraints first.
const INDEXES: &str = "\
SELECT i.relname::text, x.indisprimary, EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.conindid = x.indexrelid AND k.conrelid = x.indrelid),
       x.indisunique, x.indisvalid, pg_catalog.pg_get_indexdef(x.indexrelid),
       pg_catalog.format('CREATE %sINDEX %I ON %I.%I ', CASE WHEN x.indisunique THEN 'UNIQUE ' ELSE '' END, i.relname, n.nspname, c.relname),
       s.spcname::text
FROM pg_catalog.pg_index x
JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
JOIN pg_catalog.pg_class c ON c.oid = x.indrelid
JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = i.reltablespace
WHERE x.indrelid = $1
ORDER BY x.indisprimary DESC, x.indisunique DESC, x.indexrelid";

impl Index {
    /// Those of the table.
    pub async fn of(ending: &Ending<'_>) -> Result<Vec<Self>, SinkError> {
        let fault = |error: tokio_postgres::Error| ending.fault(&error);
        let oid = [(
            &ending.bulk.target as &(dyn tokio_postgres::types::ToSql + Sync),
            tokio_postgres::types::Type::OID,
        )];
        let rows = ending.link.client.query_typed(INDEXES, &oid).await.map_err(fault)?;
        let mut all = Vec::with_capacity(rows.len());
        for (number, row) in rows.iter().enumerate() {
            let (valid, whole, begins): (bool, String, String) = (
                row.try_get(4).map_err(fault)?,
                row.try_get(5).map_err(fault)?,
                row.try_get(6).map_err(fault)?,
            );
            let space: Option<String> = row.try_get(7).map_err(fault)?;
            let rest = whole.strip_prefix(&begins).filter(|_| valid);
            all.push(Self {
                name: row.try_get(0).map_err(fault)?,
                primary: row.try_get(1).map_err(fault)?,
                constraint: row.try_get(2).map_err(fault)?,
                unique: row.try_get(3).map_err(fault)?,
                definition: rest.map(|rest| match space {
                    None => rest.to_owned(),
                    Some(space) => match rest.split_once(" WHERE ") {
                        None => format!("{rest} TABLESPACE {}", ident(&space)),
                        Some((rest, which)) => format!("{rest} TABLESPACE {} WHERE {which}", ident(&space)),
                    },
                }),
                built_as: format!("mds_bulk_{}_{number}", ending.bulk.target),
            });
        }
        Ok(all)
    }
}

/// What was built.
pub(super) struct Built {
    /// What became of rows whose key others have.
    pub resolved: Resolved,
    /// Whether all indexes are there.
    pub built: bool,
}

/// Builds them. The key's comes first, and finds what rows have a key that others have.
pub(super) async fn build(ending: &Ending<'_>, indexes: &[Index]) -> Result<Built, SinkError> {
    let table = ending.bulk.sql_name();
    let mut done = Built { resolved: Resolved::default(), built: true };
    let mut alone = false;
    for index in indexes {
        let Some(definition) = &index.definition else {
            done.built = false;
            continue;
        };
        let unique = if index.unique { "UNIQUE " } else { "" };
        let create = format!("CREATE {unique}INDEX {} ON {table} {definition}", ident(&index.built_as));
        if index.unique && !alone {
            ending.run("SAVEPOINT mds_key").await?;
            match ending.link.client.batch_execute(&create).await {
                Ok(()) => {
                    alone = true;
                    ending.run("RELEASE SAVEPOINT mds_key").await?;
                    continue;
                }
                Err(error) if error.code() == Some(&tokio_postgres::error::SqlState::UNIQUE_VIOLATION) => {
                    ending.run("ROLLBACK TO SAVEPOINT mds_key; RELEASE SAVEPOINT mds_key").await?;
                    done.resolved = resolve(ending).await?;
                    alone = true;
                }
                Err(error) => return Err(ending.fault(&error)),
            }
        }
        ending.run(&create).await?;
    }
    if !alone {
        done.resolved = resolve(ending).await?;
    }
    Ok(done)
}
