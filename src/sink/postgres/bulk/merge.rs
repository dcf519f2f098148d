//! The rows of a bulk table merged into their table, where that has rows by now or is another one than it was.

use super::settle::{Ending, compared};
use crate::port::{Resolved, SinkError};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::quoting::{ident, idents};
use crate::sink::postgres::encode::comparison::UPDATED_AT;

/// Merges them, as a load would have that wrote them now. What of them was not new.
pub(super) async fn merge(ending: &Ending<'_>) -> Result<Resolved, SinkError> {
    let fault = |error: tokio_postgres::Error| ending.fault(&error);
    let name = ending.bulk.sql_name();
    let sql = "SELECT pg_catalog.array_agg(a.attname::text ORDER BY a.attnum) FROM pg_catalog.pg_attribute a \
               WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''";
    let by_name = [(&name as &(dyn tokio_postgres::types::ToSql + Sync), tokio_postgres::types::Type::TEXT)];
    let row = ending.link.client.query_typed_one(sql, &by_name).await.map_err(fault)?;
    let has: Vec<String> = row.try_get::<_, Option<Vec<String>>>(0).map_err(fault)?.unwrap_or_default();
    let writable = |name: &&String| ending.target.column(name).is_some_and(|column| !column.generated);
    let lost = ending.columns.iter().find(|name| !writable(name));
    if let Some(lost) = lost {
        let reason = crate::batch::Reason::new("no_column", format!("it has no column {lost} any more"));
        return Err(ending.refused(&reason));
    }
    let columns: Vec<&String> = has.iter().filter(writable).collect();
    let row = ending.link.client.query_typed_one(&statement(ending, &columns), &[]).await.map_err(fault)?;
    let count = |at: usize| -> Result<u64, SinkError> {
        let count: i64 = row.try_get(at).map_err(fault)?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    let (all, written, fresh) = (count(0)?, count(1)?, count(2)?);
    let there = all.saturating_sub(written);
    Ok(match ending.bulk.note.first_stays {
        true => Resolved { skipped: there, ..Resolved::default() },
        false => Resolved { updated: written.saturating_sub(fresh), unchanged: there, ..Resolved::default() },
    })
}

fn statement(ending: &Ending<'_>, columns: &[&String]) -> String {
    let (name, target) = (ending.bulk.sql_name(), ending.target.sql_name());
    let list = idents(columns);
    let compared = compared(ending);
    let action = if ending.bulk.note.first_stays || compared.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        let mut set: Vec<String> =
            compared.iter().map(|(name, _)| format!("{name} = excluded.{name}")).collect();
        let stamp = ending.target.column(UPDATED_AT).is_some_and(|column| {
            matches!(column.type_, ColumnType::Timestamp(_) | ColumnType::Timestamptz(_)) && !column.generated
        });
        if stamp && !ending.columns.iter().any(|name| name == UPDATED_AT) {
            set.push(format!("{} = pg_catalog.now()", ident(UPDATED_AT)));
        }
        let differs: Vec<String> = compared
            .iter()
            .map(|(name, cast)| format!("t.{name}{cast} IS DISTINCT FROM excluded.{name}{cast}"))
            .collect();
        format!("DO UPDATE SET {} WHERE {}", set.join(", "), differs.join(" OR "))
    };
    format!(
        "WITH merged AS (INSERT INTO {target} AS t ({list}) SELECT {list} FROM ONLY {name} \
         ON CONFLICT ({}) {action} RETURNING t.xmax = 0 AS fresh) \
         SELECT (SELECT pg_catalog.count(*) FROM ONLY {name}), pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE fresh) FROM merged",
        idents(&ending.key)
    )
}
