//! The statements that write batches of one shape into the table.

mod merge;

use std::sync::Arc;

use self::merge::merge;

use crate::batch::Reason;
use crate::dataset::KeyNulls;
use crate::sink::order::KeyColumn;
use crate::sink::postgres::catalog::table::{Table, TableColumn};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::quoting::{ident, idents};
use crate::sink::postgres::encode::comparison::{FIRST_TS, UPDATED_AT};
use crate::sink::postgres::encode::encoder::{EncodeTarget, Origin};
use crate::sink::postgres::encode::labels::Labels;
use crate::sink::postgres::write::digest::Digest;
use crate::text::flags::{MAP, SET};

/// How to write batches with certain columns.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Plan {
    /// Names of the batch's columns, in their order.
    pub names: Vec<String>,
    /// Columns to be sent: the batch's, then the ones that we fill.
    pub goals: Vec<EncodeTarget>,
    /// Where each of them comes from.
    pub origins: Vec<Origin>,
    /// The key's columns among the batch's, in the order of the index.
    pub key: Vec<KeyColumn>,
    /// Whether rows with a null in the key are each like no other.
    pub apart: bool,
    /// `COPY … FROM STDIN` right into the table, where that is allowed.
    pub direct: Option<String>,
    /// The way by a temporary table.
    pub stage: Stage,
    /// Whether rows of the table stay that were written after the ones at hand had failed: then there
    /// is no way but by the stage, and the merge looks at `updated_at`.
    pub newer_stays: bool,
    /// Where newer rows stay: how rows go right into the table while none of them are there.
    pub straight: Option<Box<Self>>,
    /// How rows that are there as they are can be told without sending them; none where they cannot.
    pub digest: Option<Digest>,
    /// Asks whether a row of the key given as parameters is there: the statement, and the places of
    /// the parameters among the goals. None where there is no key, or one that cannot be asked for.
    pub probe: Option<(String, Vec<usize>)>,
}

/// A temporary table and the way from there. It lives as long as its transaction, so nothing of
/// it is left behind for the next user of a pooled connection.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Stage {
    pub name: String,
    pub create: String,
    pub clear: String,
    /// `COPY … FROM STDIN` into it.
    pub copy: String,
    /// Puts its rows into the table, all of which are to be new.
    pub append: String,
    /// What is done where some may be there; nothing where there is no key.
    pub merge: Option<Merge>,
}

/// What stands in the statements of a join for the values that the key's columns may have.
pub(in crate::sink::postgres) const AMONG: &str = "/* among */";

/// The statements of a merge.
///
/// `OFFSET 0` keeps the planner from turning the look at each row of the stage into a join, for which
/// it may read the whole table: it knows nothing of the stage, and often little of the table.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Merge {
    /// The merge as a plain join, for compressed chunks of TimescaleDB: a look at one row unpacks a
    /// thousand there, so that a join is better. It has [`AMONG`] where a condition may be added that
    /// keeps it from unpacking what no row is like.
    pub packed: Option<Box<Merge>>,
    /// The column of the batch whose least and greatest value are the parameters `$1` and `$2` of
    /// the statements, so that chunks and partitions that have none of the rows are left alone. For a
    /// hypertable each statement takes the rows of the stage between these two alone, since they are cut
    /// into slices.
    pub bound: Option<KeyColumn>,
    /// Asks whether the stage has rows of the same key. None where that cannot be: rows whose keys
    /// are equal to the table were told apart before, unless only the table can compare them.
    pub twice: Option<String>,
    /// Answers how many rows of the stage are in the table, and how many of those differ there. Where
    /// newer rows stay: how many differ and are older there, how many differ and are newer, and how
    /// many are the same and older.
    pub compare: String,
    /// Writes the rows of the stage that are new or differ, and answers how many it wrote, and how
    /// many of those were new as far as it can tell. Where newer rows stay it takes one more
    /// parameter, the latest time at which one of the rows failed, and writes the ones that are the
    /// same and older anew.
    pub write: String,
    /// Whether it can tell: a partitioned table does not tell a new row from a changed one.
    pub tells: bool,
    /// Takes the rows that are in the table out of the stage, and answers their places in it; where
    /// [`Merge::delete`] is one, it only answers them.
    pub remove: String,
    /// Takes the rows at the places that are the parameter out of the stage, where a statement about the
    /// table cannot do that along the way.
    pub delete: Option<String>,
    /// Answers the places of the rows that need not, or must not, be written, where the statement that
    /// writes cannot pass them over, and newer rows stay.
    pub pass_over: Option<String>,
    /// Inserts the rows that are not in the table, and answers how many where the command tag does not tell.
    pub insert_missing: String,
    /// Takes the rows out of the stage that would change a number which the table never changes (an
    /// identity `ALWAYS` beside the key), and answers their places in it. None where there is none.
    pub fixed: Option<String>,
}

impl Plan {
    /// Makes the plan with that number, which names its stage.
    ///
    /// # Errors
    /// A reason that holds for every row: a column that the table lacks, or one that it needs.
    pub fn new(
        table: &Table,
        names: Vec<String>,
        tenant: bool,
        newer_stays: bool,
        number: usize,
    ) -> Result<Self, Reason> {
        let mut columns: Vec<(&TableColumn, Origin)> = Vec::with_capacity(names.len() + 2);
        for (place, name) in names.iter().enumerate() {
            let column = table.column(name).filter(|c| !c.generated).ok_or_else(|| {
                let message =
                    format!("table {} has no column {name} that could be written", table.display_name());
                Reason::new("no_column", message).column(name.as_str())
            })?;
            if !column.may_insert {
                let message = format!(
                    "this role may not give values for column {name} of table {0}; as its owner run: GRANT INSERT ({1}) ON {2} TO the role",
                    table.display_name(),
                    ident(name),
                    table.sql_name()
                );
                return Err(Reason::new("no_privilege", message).column(name.as_str()));
            }
            columns.push((column, Origin::Batch(place)));
        }
        let filled = |name: &str| {
            table
                .column(name)
                .filter(|c| c.type_ == ColumnType::Uuid && !c.generated && !names.contains(&c.name))
        };
        if let Some(column) = filled("tenant_id").filter(|_| tenant) {
            columns.push((column, Origin::Tenant));
        }
        // The server's gen_random_uuid() costs more, and scatters the index.
        if let Some(column) = filled("id").filter(|c| c.default.is_some() && c.may_insert) {
            columns.push((column, Origin::NewId));
        }
        for column in &table.columns {
            if column.not_null && !column.has_default() && !columns.iter().any(|(c, _)| c.name == column.name)
            {
                let message = format!(
                    "table {} needs column {} ({}), which the input does not have; give it with {MAP} or {SET}",
                    table.display_name(),
                    column.name,
                    column.type_name
                );
                return Err(Reason::new("missing_column", message).column(column.name.as_str()));
            }
        }

        let (mut key, nulls) = table.key_of(&names);
        let left_null = |name: &String| {
            let given = columns.iter().any(|(c, _)| c.name == *name);
            !given && table.column(name).is_some_and(|c| !c.not_null && !c.has_default())
        };
        if nulls == KeyNulls::Apart && key.iter().any(left_null) {
            // Every row has a null in it, and is like no other.
            key = &[];
        }
        // A row-level policy forbids COPY into the table; text for other types must be cast.
        let indirect = table.security.binds || columns.iter().any(|(c, _)| c.type_.is_cast());
        let list = idents(columns.iter().map(|(c, _)| &c.name));
        let key_columns = key_columns(key, &names);
        let newer_stays = newer_stays && !key.is_empty();
        let straight = match newer_stays {
            true => Some(Self::new(table, names.clone(), tenant, false, number)?),
            false => None,
        };
        let mut goals: Vec<EncodeTarget> = columns.iter().map(|(column, _)| goal(column, &names)).collect();
        let mut origins: Vec<Origin> = columns.iter().map(|(_, origin)| *origin).collect();
        if newer_stays {
            goals.push(first_ts());
            origins.push(Origin::FirstTs);
        }
        let digest = Digest::new(table, (key, nulls), (&goals, &origins, names.len()), &reading(table))
            .filter(|_| !newer_stays && !key.is_empty() && !indirect);
        Ok(Self {
            digest,
            goals,
            origins,
            direct: (!indirect && !newer_stays)
                .then(|| format!("COPY {} ({list}) FROM STDIN (FORMAT binary)", table.sql_name())),
            stage: stage(
                table,
                (key, nulls),
                &columns,
                &key_columns,
                &format!("pg_temp.mds_stage_{number}"),
                newer_stays,
            ),
            newer_stays,
            straight: straight.filter(|plan| plan.direct.is_some()).map(Box::new),
            probe: probe(table, key, &columns),
            apart: nulls == KeyNulls::Apart,
            key: key_columns,
            names,
        })
    }
}

impl Plan {
    /// For a bulk table, which has no key: rows of the same key of the table that they are for are told apart.
    pub fn in_bulk(mut self, key: &[String]) -> Self {
        self.key = key_columns(key, &self.names);
        self
    }
}

/// The columns of a key among those of a batch.
fn key_columns(key: &[String], names: &[String]) -> Vec<KeyColumn> {
    key.iter()
        .filter_map(|name| names.iter().position(|n| n == name))
        .map(|column| KeyColumn { column, floor: keeps_nanos(&names[column], names) })
        .collect()
}

/// Whether the batch has a column for the nanoseconds that this one cuts off.
fn keeps_nanos(name: &str, names: &[String]) -> bool {
    names.iter().any(|other| other.strip_suffix("_ns") == Some(name))
}

fn goal(column: &TableColumn, names: &[String]) -> EncodeTarget {
    EncodeTarget {
        name: Arc::from(column.name.as_str()),
        type_: column.type_,
        type_name: column.type_name.clone(),
        not_null: column.not_null,
        labels: Arc::new(Labels::new(&column.labels)),
        floor: keeps_nanos(&column.name, names),
    }
}

/// The stage's column that no table has.
fn first_ts() -> EncodeTarget {
    EncodeTarget {
        name: Arc::from(FIRST_TS),
        type_: ColumnType::Timestamptz(6),
        type_name: "timestamp with time zone".to_owned(),
        not_null: true,
        labels: Arc::default(),
        floor: false,
    }
}

fn stage(
    table: &Table,
    (key, nulls): (&[String], KeyNulls),
    columns: &[(&TableColumn, Origin)],
    key_columns: &[KeyColumn],
    name: &str,
    newer_stays: bool,
) -> Stage {
    let mut definitions: Vec<String> =
        columns.iter().map(|(c, _)| format!("{} {}", ident(&c.name), c.stage_type)).collect();
    let mut list = idents(columns.iter().map(|(c, _)| &c.name));
    if newer_stays {
        definitions.push(format!("{FIRST_TS} timestamp with time zone"));
        list.push_str(&format!(", {FIRST_TS}"));
    }
    Stage {
        name: name.to_owned(),
        // A look at the index a row is nothing that is worth compiling. TimescaleDB makes up its mind anew
        // for each row which chunk to look into, which takes longer than to look into a few.
        create: format!(
            "CREATE TEMP TABLE {name} ({}) ON COMMIT DROP; SELECT pg_catalog.set_config('jit', 'off', true);{}",
            definitions.join(", "),
            match (table.hypertable, &table.distribution) {
                (true, _) => " SELECT pg_catalog.set_config('timescaledb.enable_chunk_append', 'off', true);",
                // The stage goes to the nodes, not the table to the stage.
                (_, Some(_)) =>
                    " SELECT pg_catalog.set_config('citus.local_table_join_policy', 'prefer-local', true);",
                _ => "",
            }
        ),
        clear: format!("TRUNCATE {name};"),
        copy: format!("COPY {name} ({list}) FROM STDIN (FORMAT binary)"),
        append: insert(table, columns, name, false),
        merge: (!key.is_empty()).then(|| {
            let merge = |fence| merge(table, (key, nulls), columns, key_columns, name, fence, newer_stays);
            let packed = table.compressed.then(|| Box::new(merge("")));
            let fence = if table.distribution.is_some() { "" } else { " OFFSET 0" };
            Merge { packed, ..merge(fence) }
        }),
    }
}

/// Puts the rows of the stage into the table; `stamped`: with the time of the transaction as `updated_at`.
fn insert(table: &Table, columns: &[(&TableColumn, Origin)], stage: &str, stamped: bool) -> String {
    let stamp = || stamped.then(|| UPDATED_AT.to_owned());
    let list = idents(columns.iter().map(|(c, _)| c.name.clone()).chain(stamp()));
    let mut values: Vec<String> = columns.iter().map(|(c, _)| staged_value(c)).collect();
    values.extend(stamp().map(|_| "pg_catalog.now()".to_owned()));
    // As COPY does by itself.
    let overriding = if columns.iter().any(|(c, _)| c.always) { " OVERRIDING SYSTEM VALUE" } else { "" };
    format!(
        "INSERT INTO {} AS t ({list}){overriding} SELECT {} FROM {stage} AS s",
        table.sql_name(),
        values.join(", ")
    )
}

/// A column of the key in the table, and what it must equal.
fn key_value(table: &Table, columns: &[(&TableColumn, Origin)], name: &str, nulls: KeyNulls) -> String {
    let staged = columns.iter().find(|(c, _)| c.name == name).map(|(c, _)| staged_value(c));
    let default = || table.column(name).and_then(|c| c.default.clone());
    let there = table.column(name).map_or_else(|| format!("t.{}", ident(name)), |c| stored_value(c, "t"));
    let alike = nulls == KeyNulls::Alike && table.column(name).is_some_and(|c| !c.not_null);
    match staged.or_else(default) {
        // An OR of two conditions that the index serves, as IS NOT DISTINCT FROM is not.
        Some(value) if alike => format!("({there} = ({value}) OR {there} IS NULL AND ({value}) IS NULL)"),
        Some(value) => format!("{there} = ({value})"),
        None if alike => format!("{there} IS NULL"),
        None => "FALSE".to_owned(),
    }
}

/// A column's value in a row that is stored or to be, for a comparison. The operators of enums know
/// no domains.
fn stored_value(column: &TableColumn, row: &str) -> String {
    let name = ident(&column.name);
    match column.type_ {
        ColumnType::Enum if column.stage_type != column.type_name => {
            format!("CAST({row}.{name} AS {})", column.stage_type)
        }
        _ => format!("{row}.{name}"),
    }
}

/// The table as a query names it that is to see the rows of the table itself.
pub(in crate::sink::postgres) fn reading(table: &Table) -> String {
    let only =
        if table.partitioned || table.hypertable || table.distribution.is_some() { "" } else { "ONLY " };
    format!("{only}{}", table.sql_name())
}

/// See [`Plan::probe`].
fn probe(table: &Table, key: &[String], columns: &[(&TableColumn, Origin)]) -> Option<(String, Vec<usize>)> {
    let (mut same, mut places) = (Vec::new(), Vec::new());
    for name in key {
        match columns.iter().position(|(c, origin)| c.name == *name && *origin != Origin::NewId) {
            Some(place) => {
                let column = columns[place].0;
                column.type_.wire()?;
                places.push(place);
                let number = places.len();
                same.push(match column.type_ {
                    ColumnType::Enum => {
                        format!("{} = CAST(${number} AS {})", stored_value(column, "t"), column.stage_type)
                    }

                    _ => format!("t.{} = ${number}", ident(name)),
                });
            }
            None => same.push(key_value(table, columns, name, KeyNulls::Never)),
        }
    }
    (!places.is_empty()).then(|| {
        (format!("SELECT FROM {} AS t WHERE {} LIMIT 1", reading(table), same.join(" AND ")), places)
    })
}

fn staged_value(column: &TableColumn) -> String {
    let name = ident(&column.name);
    match column.type_ {
        ColumnType::Array | ColumnType::Other => format!("CAST(s.{name} AS {})", column.type_name),
        _ => format!("s.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::postgres::catalog::table::Distribution;
    use crate::sink::postgres::catalog::table::tests::{column, table};

    fn bars() -> Table {
        let not_null = |c: TableColumn| TableColumn { not_null: true, ..c };
        let defaulted = |c: TableColumn, default: &str| TableColumn { default: Some(default.into()), ..c };
        let tz = "timestamp with time zone";
        table(
            vec![
                defaulted(column("id", ColumnType::Uuid, "uuid"), "gen_random_uuid()"),
                not_null(column("tenant_id", ColumnType::Uuid, "uuid")),
                not_null(column("ts", ColumnType::Timestamptz(6), tz)),
                not_null(column("symbol", ColumnType::Varchar(Some(20)), "character varying(20)")),
                column("close_price", ColumnType::Numeric(Some((20, 8))), "numeric(20,8)"),
                column("extra", ColumnType::Json, "json"),
                defaulted(column("updated_at", ColumnType::Timestamptz(6), tz), "pg_catalog.now()"),
            ],
            &[&["ts", "tenant_id", "symbol"]],
        )
    }

    fn plan(table: &Table, names: &[&str], tenant: bool) -> Result<Plan, Reason> {
        Plan::new(table, names.iter().map(|n| (*n).to_owned()).collect(), tenant, false, 0)
    }

    #[test]
    fn a_keyed_table_is_merged_into() {
        let plan = plan(&bars(), &["symbol", "ts", "close_price", "extra"], true).unwrap();
        assert_eq!(plan.origins[4..], [Origin::Tenant, Origin::NewId]);
        assert_eq!(plan.key.iter().map(|k| k.column).collect::<Vec<_>>(), [1, 0]);
        let (stage, merge) = (&plan.stage, plan.stage.merge.as_ref().unwrap());
        let probe = plan.probe.as_ref().map(|(sql, _)| sql.as_str()).unwrap_or_default();
        let all = [
            plan.direct.as_deref().unwrap(),
            &stage.create,
            &stage.append,
            &merge.compare,
            &merge.write,
            &merge.insert_missing,
            &merge.remove,
            probe,
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        COPY "public"."t" ("symbol", "ts", "close_price", "extra", "tenant_id", "id") FROM STDIN (FORMAT binary)
        CREATE TEMP TABLE pg_temp.mds_stage_0 ("symbol" character varying(20), "ts" timestamp with time zone, "close_price" numeric(20,8), "extra" json, "tenant_id" uuid, "id" uuid) ON COMMIT DROP; SELECT pg_catalog.set_config('jit', 'off', true);
        INSERT INTO "public"."t" AS t ("symbol", "ts", "close_price", "extra", "tenant_id", "id") SELECT s."symbol", s."ts", s."close_price", s."extra", s."tenant_id", s."id" FROM pg_temp.mds_stage_0 AS s
        SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE there.differs) FROM pg_temp.mds_stage_0 AS s, LATERAL (SELECT t."close_price" IS DISTINCT FROM s."close_price" OR t."extra"::text COLLATE "C" IS DISTINCT FROM s."extra"::text COLLATE "C" AS differs FROM ONLY "public"."t" AS t WHERE t."ts" = (s."ts") AND t."tenant_id" = (s."tenant_id") AND t."symbol" = (s."symbol") AND t."ts" >= $1 AND t."ts" <= $2 OFFSET 0) AS there
        WITH merged AS (INSERT INTO "public"."t" AS t ("symbol", "ts", "close_price", "extra", "tenant_id", "id") SELECT s."symbol", s."ts", s."close_price", s."extra", s."tenant_id", s."id" FROM pg_temp.mds_stage_0 AS s WHERE NOT EXISTS (SELECT FROM ONLY "public"."t" AS t WHERE t."ts" = (s."ts") AND t."tenant_id" = (s."tenant_id") AND t."symbol" = (s."symbol") AND t."ts" >= $1 AND t."ts" <= $2 AND NOT (t."close_price" IS DISTINCT FROM s."close_price" OR t."extra"::text COLLATE "C" IS DISTINCT FROM s."extra"::text COLLATE "C") OFFSET 0) ON CONFLICT ("ts", "tenant_id", "symbol") DO UPDATE SET "close_price" = excluded."close_price", "extra" = excluded."extra", "updated_at" = pg_catalog.now() WHERE t."close_price" IS DISTINCT FROM excluded."close_price" OR t."extra"::text COLLATE "C" IS DISTINCT FROM excluded."extra"::text COLLATE "C" RETURNING t.xmax = 0 AS fresh) SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE fresh) FROM merged
        INSERT INTO "public"."t" AS t ("symbol", "ts", "close_price", "extra", "tenant_id", "id") SELECT s."symbol", s."ts", s."close_price", s."extra", s."tenant_id", s."id" FROM pg_temp.mds_stage_0 AS s WHERE NOT EXISTS (SELECT FROM ONLY "public"."t" AS t WHERE t."ts" = (s."ts") AND t."tenant_id" = (s."tenant_id") AND t."symbol" = (s."symbol") AND t."ts" >= $1 AND t."ts" <= $2 OFFSET 0) ON CONFLICT ("ts", "tenant_id", "symbol") DO NOTHING
        WITH mds_n AS (SELECT ctid AS mds_tid, pg_catalog.row_number() OVER (ORDER BY ctid) - 1 AS mds_place, s.* FROM pg_temp.mds_stage_0 AS s), mds_there AS (SELECT s.mds_tid, s.mds_place FROM mds_n AS s, LATERAL (SELECT FROM ONLY "public"."t" AS t WHERE t."ts" = (s."ts") AND t."tenant_id" = (s."tenant_id") AND t."symbol" = (s."symbol") AND t."ts" >= $1 AND t."ts" <= $2 OFFSET 0) AS there), mds_gone AS (DELETE FROM pg_temp.mds_stage_0 AS g USING mds_there AS h WHERE g.ctid = h.mds_tid) SELECT mds_place FROM mds_there ORDER BY mds_place
        SELECT FROM ONLY "public"."t" AS t WHERE t."ts" = $1 AND t."tenant_id" = $2 AND t."symbol" = $3 LIMIT 1
        "#);
    }

    #[test]
    fn a_table_that_is_spread_over_nodes_is_met_by_joins_alone() {
        let spread = Table { distribution: Some(Distribution::Column("symbol".to_owned())), ..bars() };
        let plan = plan(&spread, &["symbol", "ts", "close_price"], true).unwrap();
        let merge = plan.stage.merge.as_ref().unwrap();
        let all = [&merge.compare, &merge.write, &merge.remove, &merge.insert_missing];
        for sql in all {
            assert!(!sql.contains("LATERAL") && !sql.contains("OFFSET") && !sql.contains("ONLY"), "{sql}");
            // Its planner takes no function in DO UPDATE that is not immutable.
            assert!(!sql.split("DO UPDATE").nth(1).is_some_and(|action| action.contains("now()")), "{sql}");
        }
        assert!(merge.write.contains(r#""updated_at") SELECT"#), "{}", merge.write);
        assert!(merge.write.contains(r#""updated_at" = excluded."updated_at""#), "{}", merge.write);
        assert!(merge.delete.is_some() && merge.pass_over.is_none());
        assert!(plan.stage.create.contains("citus.local_table_join_policy"), "{}", plan.stage.create);
    }

    #[test]
    fn where_newer_rows_stay_the_stage_has_the_time_of_each_failure() {
        let names = ["symbol", "ts", "close_price"].map(String::from).to_vec();
        let plan = Plan::new(&bars(), names, true, true, 0).unwrap();
        assert_eq!((plan.direct.as_ref(), plan.origins.last()), (None, Some(&Origin::FirstTs)));
        let (stage, merge) = (&plan.stage, plan.stage.merge.as_ref().unwrap());
        let all = [&stage.create, &stage.copy, &stage.append, &merge.compare, &merge.write];
        insta::assert_snapshot!(all.map(String::as_str).join("\n"), @r#"
        CREATE TEMP TABLE pg_temp.mds_stage_0 ("symbol" character varying(20), "ts" timestamp with time zone, "close_price" numeric(20,8), "tenant_id" uuid, "id" uuid, mds_first_ts timestamp with time zone) ON COMMIT DROP; SELECT pg_catalog.set_config('jit', 'off', true);
        COPY pg_temp.mds_stage_0 ("symbol", "ts", "close_price", "tenant_id", "id", mds_first_ts) FROM STDIN (FORMAT binary)
        INSERT INTO "public"."t" AS t ("symbol", "ts", "close_price", "tenant_id", "id") SELECT s."symbol", s."ts", s."close_price", s."tenant_id", s."id" FROM pg_temp.mds_stage_0 AS s
        SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE there.differs AND NOT there.newer), pg_catalog.count(*) FILTER (WHERE there.differs AND there.newer), pg_catalog.count(*) FILTER (WHERE NOT there.differs AND NOT there.newer AND there.failed) FROM pg_temp.mds_stage_0 AS s, LATERAL (SELECT t."close_price" IS DISTINCT FROM s."close_price" AS differs, (t."updated_at" > s.mds_first_ts) IS TRUE AS newer, pg_catalog.isfinite(s.mds_first_ts) AS failed FROM ONLY "public"."t" AS t WHERE t."ts" = (s."ts") AND t."tenant_id" = (s."tenant_id") AND t."symbol" = (s."symbol") AND t."ts" >= $1 AND t."ts" <= $2 OFFSET 0) AS there
        WITH merged AS (INSERT INTO "public"."t" AS t ("symbol", "ts", "close_price", "tenant_id", "id") SELECT s."symbol", s."ts", s."close_price", s."tenant_id", s."id" FROM pg_temp.mds_stage_0 AS s WHERE NOT EXISTS (SELECT FROM ONLY "public"."t" AS t WHERE t."ts" = (s."ts") AND t."tenant_id" = (s."tenant_id") AND t."symbol" = (s."symbol") AND t."ts" >= $1 AND t."ts" <= $2 AND NOT (NOT ((t."updated_at" > s.mds_first_ts) IS TRUE) AND (t."close_price" IS DISTINCT FROM s."close_price" OR pg_catalog.isfinite(s.mds_first_ts))) OFFSET 0) ON CONFLICT ("ts", "tenant_id", "symbol") DO UPDATE SET "close_price" = excluded."close_price", "updated_at" = pg_catalog.now() WHERE (t."updated_at" > $3) IS NOT TRUE RETURNING t.xmax = 0 AS fresh) SELECT pg_catalog.count(*), pg_catalog.count(*) FILTER (WHERE fresh) FROM merged
        "#);
        let names = ["symbol", "ts", "close_price", "updated_at"].map(String::from).to_vec();
        let given = Plan::new(&bars(), names, true, true, 0).unwrap().stage.merge.unwrap();
        assert!(!given.write.contains("isfinite") && given.compare.ends_with("AS there"), "{given:?}");
        assert!(given.write.contains(r#"(t."updated_at" > $3) IS NOT TRUE AND (t."close_price" IS"#));
    }

    #[test]
    fn what_is_missing_is_said_once_for_all_rows() {
        let missing = plan(&bars(), &["symbol", "ts"], false).unwrap_err();
        assert_eq!((missing.code.as_ref(), missing.column.as_deref()), ("missing_column", Some("tenant_id")));
        let unknown = plan(&bars(), &["symbol", "ts", "nope"], true).unwrap_err();
        assert_eq!(unknown.code, "no_column");
    }

    #[test]
    fn keys_alone_change_nothing() {
        let plan = plan(&bars(), &["symbol", "ts", "tenant_id"], false).unwrap();
        let merge = plan.stage.merge.unwrap();
        assert!(merge.write.contains(r#"ON CONFLICT ("ts", "tenant_id", "symbol") DO NOTHING"#), "{merge:?}");
        assert!(merge.compare.contains("SELECT FALSE AS differs"), "{merge:?}");
    }

    #[test]
    fn without_a_key_rows_are_copied_right_in() {
        let open = table(vec![column("a", ColumnType::Int4, "integer")], &[]);
        let direct = plan(&open, &["a"], false).unwrap();
        assert_eq!(direct.direct.as_deref(), Some(r#"COPY "public"."t" ("a") FROM STDIN (FORMAT binary)"#));
        assert!(direct.stage.merge.is_none() && direct.probe.is_none());
        let mut bound = open.clone();
        bound.security.binds = true;
        assert_eq!(plan(&bound, &["a"], false).unwrap().direct, None);
        let other = table(
            vec![TableColumn { stage_type: "text".into(), ..column("a", ColumnType::Other, "inet") }],
            &[],
        );
        let cast = plan(&other, &["a"], false).unwrap();
        assert_eq!(cast.direct, None);
        assert!(cast.stage.append.contains(r#"CAST(s."a" AS inet)"#), "{}", cast.stage.append);
    }

    #[test]
    fn a_time_with_its_nanoseconds_beside_it_is_cut_off() {
        let ticks = table(
            vec![
                TableColumn { not_null: true, ..column("ts", ColumnType::Timestamptz(6), "timestamptz") },
                column("ts_ns", ColumnType::Int2, "smallint"),
            ],
            &[&["ts"]],
        );
        let with = plan(&ticks, &["ts", "ts_ns"], false).unwrap();
        assert!(with.goals[0].floor && with.key[0].floor && !with.goals[1].floor);
        assert!(!plan(&ticks, &["ts"], false).unwrap().goals[0].floor);
    }
}
