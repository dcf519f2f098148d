//! Which rows of a stage violate a constraint, found in one query rather than by splitting.

use tokio_postgres::types::Type;

use crate::batch::Reason;
use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::ident;

/// A constraint of the table: its kind, its condition (of a check), and for a foreign key its
/// columns, the table referred to, and the columns there.
const CONSTRAINT: &str = "\
SELECT c.contype::text, pg_catalog.pg_get_expr(c.conbin, c.conrelid),
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
        FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
       c.confrelid::regclass::text,
       (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
        FROM pg_catalog.unnest(c.confkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.confrelid AND a.attnum = k.attnum)
, c.confrelid = c.conrelid OR c.confrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(c.conrelid))
FROM pg_catalog.pg_constraint c
WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.conname = $2 AND c.contype IN ('c', 'f')";

/// Takes the rows of the stage that violate the constraint named in `reason` out of it. Returns
/// their places among the rows of the stage, ascending; `None` where they cannot be told this
/// way (a trigger, a unique index, a constraint on columns that are not in the stage).
///
/// # Errors
/// What the server says; the caller is to roll back to before this.
pub(in crate::sink::postgres) async fn violators(
    link: &Link,
    table: &Table,
    stage: &str,
    reason: &Reason,
) -> Result<Option<Vec<usize>>, tokio_postgres::Error> {
    let Some(name) = reason.constraint.as_deref() else { return Ok(None) };
    if !matches!(reason.code.as_ref(), "23514" | "23503") {
        return Ok(None);
    }
    let found = link
        .client
        .query_typed_opt(CONSTRAINT, &[(&table.sql_name(), Type::TEXT), (&name, Type::TEXT)])
        .await?;
    let Some(row) = found else { return Ok(None) };
    let mut seeds = None;
    let violated = match row.try_get::<_, String>(0)?.as_str() {
        "c" => match row.try_get::<_, Option<String>>(1)? {
            Some(condition) => format!("({condition}) IS FALSE"),
            None => return Ok(None),
        },
        _ => {
            let own: Option<Vec<String>> = row.try_get(2)?;
            let other: Option<String> = row.try_get(3)?;
            let there: Option<Vec<String>> = row.try_get(4)?;
            let (Some(own), Some(other), Some(there)) = (own, other, there) else { return Ok(None) };
            let present: Vec<String> =
                own.iter().map(|c| format!("mds_n.{} IS NOT NULL", ident(c))).collect();
            let same: Vec<String> = own
                .iter()
                .zip(&there)
                .map(|(c, t)| format!("mds_r.{} = mds_n.{}", ident(t), ident(c)))
                .collect();
            let same = same.join(" AND ");
            let lacks =
                format!("{} AND NOT EXISTS (SELECT FROM {other} mds_r WHERE {same})", present.join(" AND "));
            if row.try_get::<_, Option<bool>>(5)?.unwrap_or(false) {
                seeds = Some(Family { index: index(link, stage, &own).await?, own, there, other, same });
            }
            lacks
        }
    };
    let bad = match &seeds {
        Some(family) => family.bad(stage, &violated),
        None => format!("mds_bad AS (SELECT mds_tid, mds_place FROM mds_n WHERE {violated})"),
    };
    // COPY appends, so the physical order of an emptied stage is the order of sending.
    let sql = format!(
        "WITH RECURSIVE mds_n AS (SELECT ctid AS mds_tid, pg_catalog.row_number() OVER (ORDER BY ctid) - 1 AS mds_place, s.* FROM {stage} s), \
         {bad}, \
         mds_gone AS (DELETE FROM {stage} t USING mds_bad b WHERE t.ctid = b.mds_tid) \
         SELECT mds_place FROM mds_bad ORDER BY mds_place"
    );
    let rows = match link.client.query_typed(&sql, &[]).await {
        Ok(rows) => rows,
        // A column that the stage has not, or has as text; a table that may not be read.
        Err(error) if error.as_db_error().is_some() && !link.client.is_closed() => return Ok(None),
        Err(error) => return Err(error),
    };
    rows.iter()
        .map(|row| row.try_get::<_, i64>(0).map(|place| usize::try_from(place).unwrap_or(usize::MAX)))
        .collect::<Result<Vec<_>, _>>()
        .map(Some)
}

/// A foreign key of a table to itself.
struct Family {
    /// Its columns, those that they refer to, and the table.
    own: Vec<String>,
    there: Vec<String>,
    other: String,
    /// Whether the row `mds_r` is the one that `mds_n` refers to.
    same: String,
    /// Whether rows of the stage are found by what they refer to.
    index: bool,
}

impl Family {
    /// The rows whose parent is neither in the table nor in the stage, where rows may refer to one
    /// another, and all that descend from them.
    fn bad(&self, stage: &str, lacks: &str) -> String {
        let columns = |row: &str, names: &[String]| -> Vec<String> {
            names.iter().map(|name| format!("{row}.{}", ident(name))).collect()
        };
        let named = |row: &str| {
            let columns = columns(row, &self.there).into_iter().enumerate();
            columns.map(|(at, column)| format!("{column} AS mds_k{at}")).collect::<Vec<_>>().join(", ")
        };
        let keys: Vec<String> = (0..self.there.len()).map(|at| format!("mds_k{at}")).collect();
        let keys = keys.join(", ");
        let child: Vec<String> =
            columns("c", &self.own).iter().enumerate().map(|(at, c)| format!("{c} = b.mds_k{at}")).collect();
        let parent: Vec<String> = columns("mds_r", &self.there)
            .iter()
            .zip(columns("c", &self.own))
            .map(|(t, c)| format!("{t} = {c}"))
            .collect();
        // The fence has each child looked up by the index, where there is one.
        let fence = if self.index { " OFFSET 0" } else { "" };
        let found = format!(
            "{}, NOT EXISTS (SELECT FROM {} mds_r WHERE {})",
            columns("c", &self.there).join(", "),
            self.other,
            parent.join(" AND ")
        );
        format!(
            "mds_lost AS (\
             SELECT mds_n.mds_tid, {seed} FROM mds_n \
             WHERE {lacks} AND NOT EXISTS (SELECT FROM {stage} mds_r WHERE {same}) \
             UNION ALL SELECT x.mds_tid, {each} FROM mds_lost b, LATERAL (SELECT c.ctid AS mds_tid, {found} \
             FROM {stage} c WHERE {child}{fence}) AS x (mds_tid, {all}, mds_orphan) WHERE x.mds_orphan), \
             mds_bad AS (SELECT n.mds_tid, n.mds_place FROM mds_n n WHERE n.mds_tid IN (SELECT mds_tid FROM mds_lost))",
            seed = named("mds_n"),
            same = self.same,
            each = (0..self.there.len()).map(|at| format!("x.mds_k{at}")).collect::<Vec<_>>().join(", "),
            all = keys,
            child = child.join(" AND "),
        )
    }
}

/// Has the rows of a stage found by those columns.
async fn index(link: &Link, stage: &str, columns: &[String]) -> Result<bool, tokio_postgres::Error> {
    let name = stage.rsplit('.').next().unwrap_or(stage);
    let list: Vec<String> = columns.iter().map(|column| ident(column)).collect();
    let sql = format!("CREATE INDEX IF NOT EXISTS {name}_refers ON {stage} ({})", list.join(", "));
    link.client.batch_execute(&sql).await.map(|()| true)
}
