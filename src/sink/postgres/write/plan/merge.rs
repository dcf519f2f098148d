//! The statements of a merge: what of the stage is in the table already, and how the rest gets there.
//!
//! A table that Citus spreads over its nodes is met by plain joins and by `ON CONFLICT` alone: its planner
//! takes no look at each row of the stage, no data-modifying join with a local table, and no `now()` in
//! `DO UPDATE`. The stage is sent to the nodes then, and what comes back is counted from `RETURNING`, since
//! the command tag counts what was sent.

use super::{AMONG, Merge, insert, key_value, reading, staged_value, stored_value};
use crate::dataset::{KeyNulls, KeyPrecision};
use crate::sink::order::KeyColumn;
use crate::sink::postgres::catalog::table::{Table, TableColumn};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::quoting::{ident, idents};
use crate::sink::postgres::encode::comparison::{Guarded, UPDATED_AT};
use crate::sink::postgres::encode::encoder::Origin;

/// Makes them. `fence` is what keeps the planner from turning looks into joins, or nothing.
pub(super) fn merge(
    table: &Table,
    (key, nulls): (&[String], KeyNulls),
    columns: &[(&TableColumn, Origin)],
    key_columns: &[KeyColumn],
    stage: &str,
    fence: &str,
    newer_stays: bool,
) -> Merge {
    // Of a parent by INHERITS the children's rows are none of its own.
    let target = reading(table);
    let bound = key_columns.iter().copied().find(|part| {
        columns.get(part.column).is_some_and(|(column, _)| {
            let type_ = column.type_;
            let time =
                matches!(type_, ColumnType::Timestamp(6) | ColumnType::Timestamptz(6) | ColumnType::Date);
            time && (column.not_null || nulls != KeyNulls::Alike)
        })
    });
    let mut same: Vec<String> = key.iter().map(|name| key_value(table, columns, name, nulls)).collect();
    let mut within = None;
    if let Some((column, _)) = bound.and_then(|part| columns.get(part.column)) {
        let name = ident(&column.name);
        same.push(format!("t.{name} >= $1 AND t.{name} <= $2"));
        within = table.hypertable.then(|| format!("s.{name} >= $1 AND s.{name} <= $2"));
    }
    let mut same = same.join(" AND ");
    let spread = table.distribution.is_some();
    if fence.is_empty() && !spread {
        same.push_str(AMONG);
    }
    let within_where = within.as_ref().map_or_else(String::new, |within| format!(" WHERE {within}"));
    let within_and = within.as_ref().map_or_else(String::new, |within| format!(" AND {within}"));

    // What we fill is for new rows only.
    let changing = || {
        columns
            .iter()
            .filter(|(c, origin)| matches!(origin, Origin::Batch(_)) && !key.contains(&c.name) && !c.always)
            .map(|(c, _)| *c)
    };
    let numbers: Vec<String> = columns
        .iter()
        .filter(|(c, _)| c.always && !key.contains(&c.name))
        .map(|(c, _)| format!("{} IS DISTINCT FROM {}", stored_value(c, "t"), staged_value(c)))
        .collect();
    let differs = |other: &dyn Fn(&TableColumn) -> String| {
        let each: Vec<String> = changing()
            .map(|c| {
                let cast = if c.type_.comparable() { "" } else { "::text COLLATE \"C\"" };
                format!("{}{cast} IS DISTINCT FROM {}{cast}", stored_value(c, "t"), other(c))
            })
            .collect();
        if each.is_empty() { "FALSE".to_owned() } else { each.join(" OR ") }
    };
    let mut set: Vec<String> = changing().map(|c| format!("{0} = excluded.{0}", ident(&c.name))).collect();
    let stamp = table.column(UPDATED_AT).filter(|c| {
        let time = matches!(c.type_, ColumnType::Timestamp(_) | ColumnType::Timestamptz(_));
        time && !c.generated && !columns.iter().any(|(given, _)| given.name == c.name)
    });
    let restamps = stamp.is_some() && !set.is_empty();
    if restamps {
        let now = if spread { "excluded.\"updated_at\"" } else { "pg_catalog.now()" };
        set.push(format!("\"updated_at\" = {now}"));
    }
    let guarded = newer_stays.then(|| Guarded {
        restamps,
        latest: if bound.is_some() { "$3" } else { "$1" },
        differs: differs(&staged_value),
        excluded_differs: differs(&|c| stored_value(c, "excluded")),
    });
    let action = if set.is_empty() {
        "DO NOTHING".to_owned()
    } else {
        let condition = match &guarded {
            Some(guarded) => guarded.replaces(),
            None => differs(&|c| stored_value(c, "excluded")),
        };
        format!("DO UPDATE SET {} WHERE {condition}", set.join(", "))
    };
    let staged_differs = differs(&staged_value);
    let (insert, conflict) = (insert(table, columns, stage, spread && restamps), idents(key));
    let wanted = guarded.as_ref().map_or_else(|| staged_differs.clone(), Guarded::wanted);
    let unless = format!(
        "WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE {same} AND NOT ({wanted}){fence}){within_and}"
    );
    let (counts, looks) = match &guarded {
        Some(guarded) => (guarded.counts(), guarded.looks()),
        None => {
            let differing = "pg_catalog.count(*) FILTER (WHERE there.differs)".to_owned();
            (differing, format!("{staged_differs} AS differs"))
        }
    };
    // A row that the statement made itself has never been locked or replaced.
    let fresh = if table.partitioned { "false" } else { "t.xmax = 0" };
    let opaque =
        columns.iter().any(|(c, _)| key.contains(&c.name) && c.type_.grain() == KeyPrecision::Opaque);
    let twice = opaque.then(|| {
        let staged = || columns.iter().filter(|(c, _)| key.contains(&c.name)).map(|(c, _)| staged_value(c));
        let whole: Vec<String> = match nulls {
            KeyNulls::Apart => staged().map(|value| format!("{value} IS NOT NULL")).collect(),
            KeyNulls::Never | KeyNulls::Alike => Vec::new(),
        };
        let whole = if whole.is_empty() { String::new() } else { format!(" WHERE {}", whole.join(" AND ")) };
        let staged = staged().collect::<Vec<_>>().join(", ");
        format!("SELECT FROM {stage} AS s{whole} GROUP BY {staged} HAVING pg_catalog.count(*) > 1 LIMIT 1")
    });
    if spread {
        let numbered = format!(
            "(SELECT pg_catalog.row_number() OVER (ORDER BY ctid) - 1 AS mds_place, s.* FROM {stage} AS s) AS s"
        );
        let places = |which: &str| {
            format!(
                "SELECT s.mds_place FROM {numbered} JOIN {target} AS t ON {same}{which} ORDER BY s.mds_place"
            )
        };
        return Merge {
            packed: None,
            bound,
            twice,
            fixed: (!numbers.is_empty()).then(|| places(&format!(" AND ({})", numbers.join(" OR ")))),
            compare: format!(
                "SELECT pg_catalog.count(*), {counts} FROM \
                 (SELECT {looks} FROM {stage} AS s JOIN {target} AS t ON {same}) AS there"
            ),
            write: format!(
                "WITH merged AS ({insert} ON CONFLICT ({conflict}) {action} RETURNING {fresh} AS fresh) \
                 SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE fresh) FROM merged"
            ),
            tells: !table.partitioned,
            remove: places(""),
            delete: Some(format!(
                "DELETE FROM {stage} AS g USING (SELECT ctid AS mds_tid, pg_catalog.row_number() OVER (ORDER BY ctid) - 1 \
                 AS mds_place FROM {stage}) AS n WHERE g.ctid = n.mds_tid AND n.mds_place = ANY ($1)"
            )),
            pass_over: newer_stays.then(|| places(&format!(" AND NOT ({wanted})"))),
            insert_missing: format!(
                "WITH merged AS ({insert} ON CONFLICT ({conflict}) DO NOTHING RETURNING 1) \
                 SELECT pg_catalog.count(*) FROM merged"
            ),
        };
    }
    let remove = |which: &str| {
        format!(
            "WITH mds_n AS (SELECT ctid AS mds_tid, pg_catalog.row_number() OVER (ORDER BY ctid) - 1 AS mds_place, s.* \
             FROM {stage} AS s), mds_there AS (SELECT s.mds_tid, s.mds_place FROM mds_n AS s, \
             LATERAL (SELECT FROM {target} AS t WHERE {same}{which}{fence}) AS there{within_where}), \
             mds_gone AS (DELETE FROM {stage} AS g USING mds_there AS h WHERE g.ctid = h.mds_tid) \
             SELECT mds_place FROM mds_there ORDER BY mds_place"
        )
    };
    Merge {
        packed: None,
        bound,
        twice,
        fixed: (!numbers.is_empty()).then(|| remove(&format!(" AND ({})", numbers.join(" OR ")))),
        compare: format!(
            "SELECT pg_catalog.count(*), {counts} FROM {stage} AS s, \
             LATERAL (SELECT {looks} FROM {target} AS t WHERE {same}{fence}) AS there{within_where}"
        ),
        write: format!(
            "WITH merged AS ({insert} {unless} ON CONFLICT ({conflict}) {action} RETURNING {fresh} AS fresh) \
             SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE fresh) FROM merged"
        ),
        tells: !table.partitioned,
        remove: remove(""),
        delete: None,
        pass_over: None,
        insert_missing: format!(
            "{insert} WHERE NOT EXISTS (SELECT FROM {target} AS t WHERE {same}{fence}){within_and} ON CONFLICT ({conflict}) DO NOTHING"
        ),
    }
}
