//! Rows of one key in a bulk table: which of them stays.

use super::settle::{Ending, compared};
use crate::port::{Resolved, SinkError};
use crate::sink::postgres::connection::quoting::{ident, idents};

/// Takes out of the bulk table all rows of a key but the one that stays: the last, or the first under
/// `--on-conflict skip`. What the others come to is what they would have come to one after the other: a change of
/// the row before, or the same once more.
pub(super) async fn resolve(ending: &Ending<'_>) -> Result<Resolved, SinkError> {
    let sql = statement(ending);
    let row = ending.link.client.query_typed_one(&sql, &[]).await.map_err(|error| ending.fault(&error))?;
    let count = |at: usize| -> Result<u64, SinkError> {
        let count: i64 = row.try_get(at).map_err(|error| ending.fault(&error))?;
        Ok(u64::try_from(count).unwrap_or(0))
    };
    let (gone, updated) = (count(0)?, count(1)?);
    Ok(match ending.bulk.note.first_stays {
        true => Resolved { skipped: gone, ..Resolved::default() },
        false => Resolved { updated, unchanged: gone.saturating_sub(updated), ..Resolved::default() },
    })
}

fn statement(ending: &Ending<'_>) -> String {
    let (name, key) = (ending.bulk.sql_name(), idents(&ending.key));
    let (newest, later) = match ending.bulk.note.first_stays {
        true => ("DESC", "ASC"),
        false => ("ASC", "DESC"),
    };
    let same: Vec<String> = ending.key.iter().map(|name| format!("b.{0} = k.{0}", ident(name))).collect();
    let of = |row: &dyn Fn(&str, &str) -> String| {
        let all: Vec<String> = compared(ending).iter().map(|(name, cast)| row(name, cast)).collect();
        all.join(", ")
    };
    let differs = match compared(ending).is_empty() {
        true => "FALSE".to_owned(),
        false => format!(
            "({}) IS DISTINCT FROM ({})",
            of(&|name, cast| format!("b.{name}{cast}")),
            of(&|name, cast| format!("pg_catalog.lead(b.{name}{cast}) OVER w"))
        ),
    };
    let by: Vec<String> = ending.key.iter().map(|name| format!("b.{}", ident(name))).collect();
    format!(
        "WITH k AS MATERIALIZED (SELECT {key} FROM ONLY {name} GROUP BY {key} HAVING pg_catalog.count(*) > 1), \
         ranked AS MATERIALIZED (SELECT b.ctid AS mds_tid, pg_catalog.row_number() OVER w AS mds_n, \
         pg_catalog.lead(TRUE) OVER w IS NOT NULL AND {differs} AS mds_differs \
         FROM ONLY {name} AS b JOIN k ON {} \
         WINDOW w AS (PARTITION BY {} ORDER BY pg_catalog.age(b.xmin) {newest}, b.cmin::text::bigint {later}, b.ctid {later})), \
         gone AS (DELETE FROM ONLY {name} AS d USING ranked AS r WHERE d.ctid = r.mds_tid AND r.mds_n > 1 RETURNING 1) \
         SELECT (SELECT pg_catalog.count(*) FROM gone), pg_catalog.count(*) FILTER (WHERE mds_differs) FROM ranked",
        same.join(" AND "),
        by.join(", ")
    )
}
