//! What a role needs that loads and does no more: `schema apply --grant`.
//!
//! That is more than the tables of rows: the ledger is written in their transactions, `health` looks into
//! `mds_schema`, and where a Python system keeps its books beside them, those are read and written too. What
//! a role has by other ways (a role that it is a member of, `PUBLIC`) is not granted once more.

use std::fmt::Write as _;

use tokio_postgres::Row;
use tokio_postgres::error::SqlState;

use crate::dataset::Dataset;
use crate::error::{Error, Result};
use crate::sink::SchemaOptions;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::{ident, literal};
use crate::sink::postgres::ledger::marks;
use crate::sink::postgres::schema::apply::{VERSIONS, run};
use crate::text::flags::GRANT;
use crate::text::phrases::shell_word;

/// What is needed of a table of rows: the stage is compared with it, changed rows are updated.
const ROWS: &[&str] = &["SELECT", "INSERT", "UPDATE"];

/// Tables that are not ours and the privileges a loader needs on them, where they are there.
const OF_OTHERS: [(&str, &[&str]); 2] =
    [("tenants", &["SELECT"]), ("job_runs", &["SELECT", "INSERT", "UPDATE"])];

/// A role that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::sink::postgres) struct Role {
    name: String,
    oid: i64,
}

/// What a role may not do, though it needs it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Lack {
    /// `TABLE`, `SCHEMA`, `SEQUENCE`, `DATABASE`.
    kind: String,
    /// Its name as SQL takes it.
    name: String,
    privileges: Vec<String>,
}

impl Lack {
    fn grant(&self, role: &Role) -> String {
        let (kind, name) = (&self.kind, &self.name);
        format!("GRANT {} ON {kind} {name} TO {}", self.privileges.join(", "), ident(&role.name))
    }

    /// What it is of, for people.
    fn shown(&self) -> String {
        match self.kind.as_str() {
            "TABLE" => self.name.clone(),
            kind => format!("{} {}", kind.to_lowercase(), self.name),
        }
    }
}

/// The tables, and what is needed of each.
fn tables(datasets: &[Dataset]) -> Vec<(&str, &'static [&'static str])> {
    let own = datasets.iter().map(|dataset| (&*dataset.table, ROWS));
    let books = marks::books().map(|(name, _, needed)| (name, needed));
    own.chain(books).chain([("mds_schema", &["SELECT"] as &[_])]).collect()
}

/// The roles of those names, which are taken as they stand.
///
/// # Errors
/// Usage, where there is no such role; unavailable, if the server is.
pub(in crate::sink::postgres) async fn roles(link: &Link, names: &[String]) -> Result<Vec<Role>> {
    let mut roles: Vec<Role> = Vec::new();
    for name in names {
        let sql = format!(
            "SELECT rolname::text, oid::int8 FROM pg_catalog.pg_roles WHERE rolname::text IN ({}, {})",
            literal(name),
            literal(&name.to_lowercase())
        );
        let found = link.client.query_typed(&sql, &[]).await.map_err(|error| failed(link, &error))?;
        let role = |row: &Row| -> Result<Role, tokio_postgres::Error> {
            Ok(Role { name: row.try_get(0)?, oid: row.try_get(1)? })
        };
        let found = found.iter().map(role).collect::<Result<Vec<Role>, _>>();
        let found = found.map_err(|error| failed(link, &error))?;
        match found.iter().find(|role| role.name == *name) {
            Some(role) if roles.contains(role) => {}
            Some(role) => roles.push(role.clone()),
            None => {
                let remedy = match found.first() {
                    Some(other) => format!("give {GRANT} {}, which there is", other.name),
                    None => format!("make it (CREATE ROLE {} LOGIN), or mend {GRANT}", ident(name)),
                };
                return Err(Error::usage(format!("there is no role {name}; {remedy}")));
            }
        }
    }
    Ok(roles)
}

/// What that role lacks.
async fn lacks(link: &Link, datasets: &[Dataset], role: &Role) -> Result<Vec<Lack>> {
    let mut wanted = Vec::new();
    for (place, (table, needed)) in tables(datasets).into_iter().chain(OF_OTHERS).enumerate() {
        let needed: Vec<String> = needed.iter().map(|privilege| literal(privilege)).collect();
        wanted.push(format!("({place}, {}, ARRAY[{}])", literal(table), needed.join(", ")));
    }
    let sql = format!(
        "WITH wanted (place, name, needed) AS (VALUES {wanted}),
         t AS (SELECT w.place, w.needed, c.oid, c.relname, n.oid AS schema, n.nspname
               FROM wanted w JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(w.name)
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE c.relkind IN ('r', 'p')),
         s AS MATERIALIZED (SELECT DISTINCT t.place, q.oid, q.relname, n.nspname FROM t
               JOIN pg_catalog.pg_attrdef d ON d.adrelid = t.oid
               JOIN pg_catalog.pg_depend p ON p.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass
                    AND p.objid = d.oid AND p.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
               JOIN pg_catalog.pg_class q ON q.oid = p.refobjid AND q.relkind = 'S'
               JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace)
         SELECT kind, name, privilege FROM (
           SELECT 0 AS rank, 0 AS place, 'DATABASE' AS kind,
                  pg_catalog.quote_ident(pg_catalog.current_database()) AS name, privilege
           FROM pg_catalog.unnest(ARRAY['CONNECT', 'TEMPORARY']) privilege
           WHERE NOT pg_catalog.has_database_privilege({role}::oid, pg_catalog.current_database(), privilege)
           UNION ALL
           SELECT 1, min(place), 'SCHEMA', pg_catalog.quote_ident(nspname), 'USAGE' FROM t
           WHERE NOT pg_catalog.has_schema_privilege({role}::oid, schema, 'USAGE') GROUP BY nspname
           UNION ALL
           SELECT 2, place, 'TABLE', pg_catalog.format('%I.%I', nspname, relname), privilege
           FROM t, pg_catalog.unnest(needed) privilege
           WHERE NOT pg_catalog.has_table_privilege({role}::oid, t.oid, privilege)
           UNION ALL
           SELECT 3, place, 'SEQUENCE', pg_catalog.format('%I.%I', nspname, relname), 'USAGE' FROM s
           WHERE NOT pg_catalog.has_sequence_privilege({role}::oid, s.oid, 'USAGE')
         ) AS lacking ORDER BY rank, place, name,
           pg_catalog.array_position(ARRAY['CONNECT', 'SELECT', 'INSERT', 'UPDATE', 'DELETE'], privilege)",
        wanted = wanted.join(", "),
        role = role.oid,
    );
    let rows = link.client.query_typed(&sql, &[]).await.map_err(|error| failed(link, &error))?;
    let mut lacks: Vec<Lack> = Vec::new();
    for row in &rows {
        let field = |at: usize| row.try_get::<_, String>(at).map_err(|error| failed(link, &error));
        let (kind, name, privilege) = (field(0)?, field(1)?, field(2)?);
        match lacks.last_mut().filter(|last| last.kind == kind && last.name == name) {
            Some(last) => last.privileges.push(privilege),
            None => lacks.push(Lack { kind, name, privileges: vec![privilege] }),
        }
    }
    Ok(lacks)
}

/// Grants what those roles lack, and says so, one line a table. Ends the transaction that it is called in.
///
/// # Errors
/// Usage, where the role that we are may not; what it may grant is granted then.
pub(in crate::sink::postgres) async fn give(
    link: &Link,
    datasets: &[Dataset],
    roles: &[Role],
    report: &mut Vec<String>,
) -> Result<()> {
    let mut refused: Vec<(&Role, Lack)> = Vec::new();
    for role in roles {
        let lacking = lacks(link, datasets, role).await?;
        for lack in &lacking {
            let grant = format!("SAVEPOINT mds_grant; {}", lack.grant(role));
            // The server only warns where it grants less than was asked for.
            match link.client.batch_execute(&grant).await {
                Ok(()) => {}
                Err(error) if error.code() == Some(&SqlState::INSUFFICIENT_PRIVILEGE) => {
                    run(link, "ROLLBACK TO SAVEPOINT mds_grant").await?;
                }
                Err(error) => return Err(failed(link, &error)),
            }
        }
        let left = lacks(link, datasets, role).await?;
        for lack in lacking.iter().filter(|lack| !left.contains(lack)) {
            let privileges = lack.privileges.join(", ");
            report.push(format!("{}: {privileges} granted to {}", lack.shown(), role.name));
        }
        if lacking.is_empty() {
            report.push(format!("{} has all that a load needs", role.name));
        }
        refused.extend(left.into_iter().map(|lack| (role, lack)));
    }
    run(link, "COMMIT").await?;
    let Some((role, lack)) = refused.first() else { return Ok(()) };
    let more = match refused.len() {
        1 => String::new(),
        count => format!(", and {} more", count - 1),
    };
    Err(Error::usage(format!(
        "the role that you connect as may not grant {} on {} to {}{more}; run this as the owner, or have the owner run what mdsctl schema show {GRANT} {} prints",
        lack.privileges.join(", "),
        lack.shown(),
        role.name,
        shell_word(&role.name)
    )))
}

/// What those roles lack, one line a table.
///
/// # Errors
/// Usage, where there is no such role; unavailable, if the server is.
pub(in crate::sink::postgres) async fn differences(
    link: &Link,
    datasets: &[Dataset],
    names: &[String],
) -> Result<Vec<String>> {
    let mut differences = Vec::new();
    for role in roles(link, names).await? {
        for lack in lacks(link, datasets, &role).await? {
            differences.push(format!(
                "{}: role {} lacks {}; run: mdsctl schema apply {GRANT} {}",
                lack.shown(),
                role.name,
                lack.privileges.join(", "),
                shell_word(&role.name)
            ));
        }
    }
    Ok(differences)
}

/// The grants as SQL for `psql`, with the tables of the ledger, which the role may not make itself.
pub(in crate::sink::postgres) fn script(datasets: &[Dataset], options: &SchemaOptions) -> String {
    let mut sql = String::new();
    if options.grant.is_empty() {
        return sql;
    }
    for ddl in [VERSIONS].into_iter().chain(marks::books().map(|(_, ddl, _)| ddl)) {
        let _ = write!(sql, "\n{ddl};\n");
    }
    for role in &options.grant {
        let to = ident(role);
        let schema = format!(
            "BEGIN EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), {}); END",
            literal(role)
        );
        let _ = write!(sql, "\nDO {};\n", literal(&schema));
        for (table, needed) in tables(datasets) {
            let _ = writeln!(sql, "GRANT {} ON {table} TO {to};", needed.join(", "));
        }
        let mut others = "BEGIN\n".to_owned();
        for (table, needed) in OF_OTHERS {
            let _ = writeln!(
                others,
                "  IF to_regclass('{table}') IS NOT NULL THEN GRANT {} ON {table} TO {to}; END IF;",
                needed.join(", ")
            );
        }
        let _ = write!(
            others,
            "  IF to_regclass('job_runs') IS NOT NULL AND pg_get_serial_sequence('job_runs', 'id') IS NOT NULL THEN\n    \
             EXECUTE format('GRANT USAGE ON SEQUENCE %s TO %I', pg_get_serial_sequence('job_runs', 'id'), {});\n  \
             END IF;\nEND",
            literal(role)
        );
        let _ = writeln!(sql, "DO {};", literal(&others));
    }
    sql
}

fn failed(link: &Link, error: &tokio_postgres::Error) -> Error {
    to_error(link.classify(error)).at("what a role may do cannot be found out or changed")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::BARS;

    #[test]
    fn names_of_roles_cannot_be_broken_out_of() {
        let options = SchemaOptions { grant: vec![r#"it's "me"\"#.to_owned()], ..Default::default() };
        let sql = script(&[BARS], &options);
        assert!(sql.contains(r#"GRANT SELECT, INSERT, UPDATE ON bars TO "it's ""me""\";"#), "{sql}");
        assert!(sql.contains(r"current_schema(), E''it''''s "), "{sql}");
        assert!(sql.contains("GRANT SELECT ON mds_schema TO"), "{sql}");
        assert_eq!(script(&[BARS], &SchemaOptions::default()), "");
        assert_eq!(shell_word("a-b.c_1"), "a-b.c_1");
        assert_eq!(shell_word("it's"), r"'it'\''s'");
    }
}
