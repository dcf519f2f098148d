//! Reading the catalog: what the table is that rows go to.

use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, Type};

use crate::dataset::{KeyNulls, Rule};
use crate::error::{Error, Result};
use crate::settings::OnConflict;
use crate::sink::postgres::catalog::table::{Distribution, RowSecurity, Table, TableColumn};
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::ident;
use crate::text::flags::{DSN, ON_CONFLICT, TABLE as TABLE_FLAG};

/// Oldest server that we know the catalog of (generated columns came with it).
const OLDEST: i32 = 120_000;

/// The table itself. `to_regclass` reads the name as SQL does: quotes, schema, search path.
const TABLE: &str = "\
SELECT c.oid::int8, n.nspname::text, c.relname::text, c.relkind::text,
       c.relrowsecurity, c.relforcerowsecurity, pg_catalog.row_security_active(c.oid),
       current_user::text,
       pg_catalog.has_table_privilege(c.oid, 'INSERT') OR pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
       pg_catalog.has_table_privilege(c.oid, 'UPDATE') OR pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'),
       pg_catalog.has_table_privilege(c.oid, 'SELECT') OR pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
       pg_catalog.to_regclass('timescaledb_information.hypertables') IS NOT NULL,
       pg_catalog.has_table_privilege(c.oid, 'INSERT, UPDATE, DELETE, TRUNCATE'),
       pg_catalog.pg_table_is_visible(c.oid),
       pg_catalog.to_regclass('pg_catalog.pg_dist_partition') IS NOT NULL
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.oid = pg_catalog.to_regclass($1)";

/// Its columns. A domain is followed down to its base type; the last step is the one that counts.
const COLUMNS: &str = "\
SELECT a.attname::text, base.oid::int8, base.modifier, pg_catalog.format_type(a.atttypid, a.atttypmod),
       pg_catalog.format_type(base.oid, base.modifier), a.attnotnull OR base.not_null,
       pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated::text,
       (SELECT pg_catalog.array_agg(e.enumlabel::text ORDER BY e.enumsortorder) FROM pg_catalog.pg_enum e
        WHERE e.enumtypid = base.oid),
       EXISTS (SELECT FROM pg_catalog.pg_collation l WHERE l.oid = a.attcollation AND NOT l.collisdeterministic),
       base.defined,
       (SELECT pg_catalog.array_agg(pg_catalog.pg_get_constraintdef(k.oid)) FROM pg_catalog.pg_constraint k
        WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.conkey = ARRAY[a.attnum]),
       pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT')
FROM pg_catalog.pg_attribute a
LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
CROSS JOIN LATERAL (
  WITH RECURSIVE step AS (
    SELECT t.oid, a.atttypmod AS modifier, t.typtype, t.typbasetype, t.typtypmod, t.typnotnull AS not_null
    FROM pg_catalog.pg_type t WHERE t.oid = a.atttypid
    UNION ALL
    SELECT t.oid, step.typtypmod, t.typtype, t.typbasetype, t.typtypmod, step.not_null OR t.typnotnull
    FROM step JOIN pg_catalog.pg_type t ON t.oid = step.typbasetype
    WHERE step.typtype = 'd'
  )
  SELECT step.oid, step.modifier, step.not_null,
         (SELECT pg_catalog.array_agg(s.oid::int8) FROM step s WHERE s.typtype IN ('d', 'e')) AS defined
  FROM step WHERE step.typtype <> 'd'
) base
WHERE a.attrelid = pg_catalog.to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped
ORDER BY a.attnum";

/// Unique indexes that can settle a conflict, the primary key first: whole-table, on plain
/// columns, and checked at once; with whether nulls are equal in it, as since PostgreSQL 15 they may be.
const INDEXES: &str = "\
SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place),
       pg_catalog.bool_or(coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false))
FROM pg_catalog.pg_index i
CROSS JOIN LATERAL pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
WHERE i.indrelid = pg_catalog.to_regclass($1) AND i.indisunique AND i.indisvalid AND i.indimmediate
  AND i.indpred IS NULL AND i.indexprs IS NULL AND k.place <= i.indnkeyatts
GROUP BY i.indexrelid, i.indisprimary
HAVING pg_catalog.bool_and(a.attname IS NOT NULL)
ORDER BY i.indisprimary DESC, i.indexrelid";

/// Constraints by which rows depend on those before them: what is unique or excluded, in the table and
/// in single partitions of it, whole or in part, at once or deferred; and foreign keys to the table
/// itself. Their columns (none where they are about expressions), whether they only forbid equal rows,
/// and whether a null in a column lets a row pass.
const ORDER: &str = "\
SELECT CASE WHEN i.indexprs IS NULL THEN
         (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
          FROM pg_catalog.unnest(i.indkey::int2[]) WITH ORDINALITY AS k(attnum, place)
          JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
          WHERE k.place <= i.indnkeyatts) ELSE '{}' END,
       NOT i.indisexclusion, NOT coalesce((pg_catalog.to_jsonb(i) ->> 'indnullsnotdistinct')::bool, false)
FROM pg_catalog.pg_index i
WHERE (i.indisunique OR i.indisexclusion) AND i.indislive
  AND (i.indrelid = pg_catalog.to_regclass($1)
       OR i.indrelid IN (SELECT relid FROM pg_catalog.pg_partition_tree(pg_catalog.to_regclass($1)))
          AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits h WHERE h.inhrelid = i.indexrelid))
UNION ALL
SELECT (SELECT pg_catalog.array_agg(a.attname::text ORDER BY k.place)
        FROM pg_catalog.unnest(c.conkey) WITH ORDINALITY AS k(attnum, place)
        JOIN pg_catalog.pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum),
       false, c.confmatchtype <> 'f'
FROM pg_catalog.pg_constraint c
WHERE c.conrelid = pg_catalog.to_regclass($1) AND c.contype = 'f'
  AND (c.confrelid = c.conrelid OR c.confrelid IN (SELECT relid FROM pg_catalog.pg_partition_ancestors(c.conrelid)))";

/// Triggers and check constraints. Of a trigger that sees each row before it is inserted, its program where
/// that is in PL/pgSQL, and nothing said where it is in another language; what comes with the server or with
/// TimescaleDB changes no key.
const RULES: &str = "\
SELECT true, t.tgname::text,
       CASE WHEN l.lanname = 'plpgsql' THEN p.prosrc ELSE '' END,
       t.tgtype & 7 = 7 AND l.lanname <> 'internal' AND t.tgname <> 'ts_insert_blocker'
FROM pg_catalog.pg_trigger t
JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid JOIN pg_catalog.pg_language l ON l.oid = p.prolang
WHERE t.tgrelid = pg_catalog.to_regclass($1) AND NOT t.tgisinternal
UNION ALL
SELECT false, conname::text, '', false FROM pg_catalog.pg_constraint
WHERE conrelid = pg_catalog.to_regclass($1) AND contype = 'c'
ORDER BY 2";

/// What of TimescaleDB there is about it. The limit came with version 2.11,
/// compression by COPY with 2.21.
const HYPERTABLE: &str = "\
SELECT compression_enabled,
       pg_catalog.current_setting('timescaledb.max_tuples_decompressed_per_dml_transaction', true) IS NOT NULL,
       pg_catalog.current_setting('timescaledb.enable_direct_compress_copy', true) IS NOT NULL
FROM timescaledb_information.hypertables WHERE hypertable_schema = $1 AND hypertable_name = $2";

/// How Citus keeps it: by a column, or whole. Its catalog is in `pg_catalog`, where everybody may read it.
const DISTRIBUTION: &str = "\
SELECT CASE WHEN p.partkey IS NOT NULL THEN pg_catalog.column_to_column_name(p.logicalrelid, p.partkey) END
FROM pg_catalog.pg_dist_partition p WHERE p.logicalrelid = pg_catalog.to_regclass($1)";

/// A table, and what we may do to it.
pub(in crate::sink::postgres) struct Found {
    pub table: Table,
    role: String,
    /// Whether we may insert and update, at least some columns; whether we may read is the table's.
    inserts: bool,
    updates: bool,
}

impl Found {
    /// What keeps us from writing in that way, as a sentence: rows that are there are changed by one of
    /// them alone, and none need be read where one that is there is an error of the server's.
    fn obstacle(&self, on_conflict: OnConflict) -> Option<String> {
        let (table, keyed) = (&self.table, !self.table.key.is_empty());
        let changes = keyed && on_conflict == OnConflict::Update;
        let reads = keyed && on_conflict != OnConflict::Error;
        let needed = [
            ("INSERT", true, self.inserts),
            ("UPDATE", changes, self.updates),
            ("SELECT", reads, table.readable),
        ];
        let lacking: Vec<&str> =
            needed.into_iter().filter(|(_, needed, has)| *needed && !has).map(|(name, ..)| name).collect();
        let way_out = match (self.inserts, changes, table.readable) {
            (true, true, true) => {
                format!("; or load with {ON_CONFLICT} skip, which changes no row that is there")
            }
            (true, true, false) => format!("; or load with {ON_CONFLICT} error, which only adds rows"),
            _ => String::new(),
        };
        (!lacking.is_empty()).then(|| {
            format!(
                "role {} lacks privileges on {}; as its owner run: GRANT {} ON {} TO {}{way_out}",
                self.role,
                table.display_name(),
                lacking.join(", "),
                table.sql_name(),
                ident(&self.role)
            )
        })
    }
}

/// Reads a table's description, or `None` where there is no such table.
///
/// # Errors
/// Usage, for a name that is not a name, something that is not a table, or a server that is too
/// old; unavailable, if the server is.
pub(in crate::sink::postgres) async fn find(link: &Link, name: &str) -> Result<Option<Found>> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_.$".contains(c);
    let quotable = !name.contains('"') && !name.chars().all(plain);
    match find_as_written(link, name).await {
        // SQL folds what is not quoted to lower case, and takes no blank in it; who types a name as it stands
        // means it so.
        missing @ (Ok(None) | Err(Error::Usage(_))) if quotable => {
            let quoted = name.split('.').map(ident).collect::<Vec<_>>().join(".");
            match find_as_written(link, &quoted).await {
                Ok(None) => missing,
                found => found,
            }
        }
        found => found,
    }
}

async fn find_as_written(link: &Link, name: &str) -> Result<Option<Found>> {
    let client = &link.client;
    let failed = |error: tokio_postgres::Error| {
        to_error(link.classify(&error)).at(&format!("the catalog of table {name} cannot be read"))
    };
    let version: String = client
        .query_typed_one("SELECT pg_catalog.current_setting('server_version_num')", &[])
        .await
        .and_then(|row| row.try_get(0))
        .map_err(failed)?;
    let server_version: i32 = version.parse().unwrap_or(0);
    if server_version < OLDEST {
        return Err(Error::usage(format!(
            "the server is PostgreSQL {}; version 12 or later is needed",
            server_version / 10_000
        )));
    }

    // Sent together, answered together.
    let by_name: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&name, Type::TEXT)];
    let (table, columns, indexes, rules, order) = tokio::try_join!(
        client.query_typed_opt(TABLE, by_name),
        client.query_typed(COLUMNS, by_name),
        client.query_typed(INDEXES, by_name),
        client.query_typed(RULES, by_name),
        client.query_typed(ORDER, by_name),
    )
    .map_err(|error| match error.code().map(tokio_postgres::error::SqlState::code) {
        // What to_regclass says of `a.b.c.d` or `"unclosed`.
        Some("42601" | "42602" | "0A000") => {
            Error::usage(format!("`{name}` is not the name of a table; write TABLE or SCHEMA.TABLE"))
        }
        _ => failed(error),
    })?;
    let Some(row) = table else { return Ok(None) };

    let mut defined = Vec::new();
    for column in &columns {
        defined.extend(get::<Option<Vec<i64>>>(column, 11).map_err(failed)?.unwrap_or_default());
    }
    defined.sort_unstable();
    defined.dedup();
    let mut found = Table {
        defined,
        lockable: get(&row, 12).map_err(failed)?,
        visible: get(&row, 13).map_err(failed)?,
        readable: false,
        schema: get(&row, 1).map_err(failed)?,
        name: get(&row, 2).map_err(failed)?,
        columns: columns.iter().map(column).collect::<Result<_, _>>().map_err(failed)?,
        key: Vec::new(),
        surrogate: Vec::new(),
        nulls: KeyNulls::Never,
        rules: order.iter().map(order_rule).collect::<Result<_, _>>().map_err(failed)?,
        partitioned: false,
        hypertable: false,
        compressed: false,
        decompression_limit: false,
        compresses_copies: false,
        distribution: None,
        security: RowSecurity {
            enabled: get(&row, 4).map_err(failed)?,
            forced: get(&row, 5).map_err(failed)?,
            binds: get(&row, 6).map_err(failed)?,
        },
        triggers: Vec::new(),
        checks: Vec::new(),
        server_version,
    };
    match get::<String>(&row, 3).map_err(failed)?.as_str() {
        "r" => {}
        "p" => found.partitioned = true,
        kind => {
            let what = match kind {
                "v" => "a view",
                "m" => "a materialized view",
                "f" => "a foreign table",
                _ => "no table",
            };
            return Err(Error::usage(format!(
                "{} is {what}; rows can only be loaded into a table",
                found.display_name()
            )));
        }
    }
    let mut programs: Vec<String> = Vec::new();
    for rule in &rules {
        let name = get(rule, 1).map_err(failed)?;
        if get(rule, 0).map_err(failed)? {
            found.triggers.push(name)
        } else {
            found.checks.push(name)
        }
        if get(rule, 3).map_err(failed)? {
            programs.push(get(rule, 2).map_err(failed)?);
        }
    }
    let indexes = indexes
        .iter()
        .map(|row| Ok((get(row, 0)?, get(row, 1)?)))
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    found.choose_key(indexes);
    if programs
        .iter()
        .any(|program| [&found.key, &found.surrogate].into_iter().any(|key| may_change(program, key)))
    {
        // Which rows are one nobody knows before they are there.
        found.rules.push(Rule { columns: Vec::new(), unique: false, passes_null: false });
    }
    if get(&row, 11).map_err(failed)? {
        let place = [
            (&found.schema as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
            (&found.name, Type::TEXT),
        ];
        if let Some(row) = client.query_typed_opt(HYPERTABLE, &place).await.map_err(failed)? {
            found.hypertable = true;
            found.compressed = get(&row, 0).map_err(failed)?;
            found.decompression_limit = get(&row, 1).map_err(failed)?;
            found.compresses_copies = get(&row, 2).map_err(failed)?;
        }
    }

    if get(&row, 14).map_err(failed)?
        && let Some(row) = client.query_typed_opt(DISTRIBUTION, by_name).await.map_err(failed)?
    {
        let column: Option<String> = get(&row, 0).map_err(failed)?;
        found.distribution = Some(column.map_or(Distribution::Whole, Distribution::Column));
    }

    found.readable = get(&row, 10).map_err(failed)?;
    Ok(Some(Found {
        role: get(&row, 7).map_err(failed)?,
        inserts: get(&row, 8).map_err(failed)?,
        updates: get(&row, 9).map_err(failed)?,
        table: found,
    }))
}

/// Describes a table that must be there and that we must be able to write to in that way.
pub(in crate::sink::postgres) async fn describe(
    link: &Link,
    name: &str,
    on_conflict: OnConflict,
) -> Result<Table> {
    match find(link, name).await? {
        Some(found) => match found.obstacle(on_conflict) {
            None => Ok(found.table),
            Some(obstacle) => Err(Error::usage(obstacle)),
        },
        None => Err(Error::usage(format!(
            "table {name} does not exist; run: mdsctl schema apply (with the same {DSN}), or name another with {TABLE_FLAG}"
        ))),
    }
}

fn get<T: FromSqlOwned>(row: &Row, at: usize) -> Result<T, tokio_postgres::Error> {
    row.try_get(at)
}

fn order_rule(row: &Row) -> Result<Rule, tokio_postgres::Error> {
    let columns: Option<Vec<String>> = get(row, 0)?;
    Ok(Rule { columns: columns.unwrap_or_default(), unique: get(row, 1)?, passes_null: get(row, 2)? })
}

fn column(row: &Row) -> Result<TableColumn, tokio_postgres::Error> {
    let oid = u32::try_from(get::<i64>(row, 1)?).unwrap_or(0);
    let labels: Option<Vec<String>> = get(row, 9)?;
    let type_ = match labels {
        Some(_) => ColumnType::Enum,
        // Which texts are the same there only the server knows.
        None if get(row, 10)? => ColumnType::Other,
        None => match ColumnType::from_catalog(oid, get(row, 2)?) {
            ColumnType::Other if get::<String>(row, 4)?.ends_with("[]") => ColumnType::Array,
            type_ => type_,
        },
    };
    let identity: String = get(row, 7)?;
    let generated: String = get(row, 8)?;
    Ok(TableColumn {
        name: get(row, 0)?,
        type_,
        type_name: get(row, 3)?,
        stage_type: if type_.is_cast() { "text".into() } else { get(row, 4)? },
        labels: labels.unwrap_or_default(),
        not_null: get(row, 5)?,
        default: if generated.is_empty() { get(row, 6)? } else { None },
        identity: !identity.is_empty(),
        always: identity == "a",
        upper: get::<Option<Vec<String>>>(row, 12)?
            .is_some_and(|checks| checks.iter().any(|check| wants_capitals(check))),
        generated: !generated.is_empty(),
        may_insert: get(row, 13)?,
    })
}

/// Whether that program of a trigger, or one that is not known, may give a row another key.
fn may_change(program: &str, key: &[String]) -> bool {
    if key.is_empty() || program.is_empty() {
        return !key.is_empty();
    }
    let mut plain = program.to_lowercase();
    plain.retain(|c| !c.is_whitespace() && c != '"');
    let sets = |what: &str| [":=", "="].iter().any(|sign| plain.contains(&format!("{what}{sign}")));
    plain.contains("intonew")
        || sets("new")
        || key.iter().any(|name| sets(&format!("new.{}", name.to_lowercase().replace([' ', '"'], ""))))
}

/// Whether the definition of a CHECK of one column is `column = upper(column)`, with whatever casts and
/// brackets the server writes around it.
fn wants_capitals(definition: &str) -> bool {
    let mut plain = definition.replace("character varying", "varchar");
    for cast in ["::text", "::varchar", "::bpchar"] {
        plain = plain.replace(cast, "");
    }
    plain.retain(|c| !matches!(c, '(' | ')' | ' ' | '"'));
    let Some((left, right)) = plain.strip_prefix("CHECK").and_then(|rest| rest.split_once('=')) else {
        return false;
    };
    right.strip_prefix("upper") == Some(left) || left.strip_prefix("upper") == Some(right)
}

#[cfg(test)]
mod tests {
    use super::{may_change, wants_capitals};

    #[test]
    fn programs_that_may_change_a_key_are_told() {
        let key = ["Sym".to_owned(), "ts".to_owned()];
        for program in [
            "BEGIN NEW.\"Sym\" := upper(NEW.\"Sym\"); RETURN NEW; END",
            "begin new . ts = date_trunc('minute', new.ts); return new; end",
            "BEGIN SELECT * INTO NEW FROM other; RETURN NEW; END",
            "BEGIN NEW := f(NEW); RETURN NEW; END",
            "",
        ] {
            assert!(may_change(program, &key), "{program}");
            assert!(!may_change(program, &[]), "{program}");
        }
        let stamps = "BEGIN NEW.updated_at := pg_catalog.now(); NEW.day := NEW.ts::date; RETURN NEW; END";
        assert!(!may_change(stamps, &key));
    }

    #[test]
    fn checks_that_want_capitals_are_told() {
        for check in [
            "CHECK (((symbol)::text = upper((symbol)::text)))",
            "CHECK ((upper(symbol) = symbol))",
            "CHECK ((\"Sym\" = upper(\"Sym\")))",
        ] {
            assert!(wants_capitals(check), "{check}");
        }
        for check in
            ["CHECK ((symbol <> ''::text))", "CHECK ((length(symbol) = 4))", "CHECK ((a = lower(a)))"]
        {
            assert!(!wants_capitals(check), "{check}");
        }
    }
}
