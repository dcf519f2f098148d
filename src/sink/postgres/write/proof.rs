//! What is known of the table, and the proof that it still is so in the transaction at hand.
//!
//! COPY BINARY carries no types: bytes made for `bigint` are read as `numeric` where the column has
//! become that. So each transaction begins with a lock that forbids ALTER TABLE until its end, the same
//! that its writes take anyway, and then asks for the *state* of the catalog: the oid of the relation,
//! and the transactions that last wrote the rows of the catalog that describe it (`xmin`). Whatever
//! changes the table writes these rows anew. Where the state is the one that the description at hand was
//! read in, that description is proven; otherwise the table is described anew, under the lock.
//!
//! A [`Proof`] comes from nowhere else, ends with its transaction, and is the only way by which a
//! session gets at a description to write by.
//!
//! Domains and enums change without a lock on the table. Their state is asked for before they are read,
//! so that a change in between shows in the next transaction.

use std::sync::{Arc, Mutex, PoisonError};

use tokio_postgres::SimpleQueryMessage;

use crate::batch::Reason;
use crate::dataset::{LiveTarget, Target};
use crate::error::Error;
use crate::port::{SinkError, TABLE_REKEYED, TransientKind};
use crate::settings::OnConflict;
use crate::sink::postgres::catalog::describe::describe;
use crate::sink::postgres::catalog::table::{Table, TableColumn};
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::write::session::{Failure, failure};

/// Looks at a table whose types change all the time, in one transaction.
const MOST_LOOKS: usize = 4;

/// How long a look waits for somebody who is changing the table: what is refused meanwhile is refused by
/// what the table was.
const MOST_LOCKED: &str = "1s";

/// The name of the column that holds the state.
const STATE: &str = "mds_state";

/// What a commit says where the table's name has come to mean another one.
const OTHER: &str = "mds_other_table";

/// A description of the table, and the state of the catalog that it is of.
#[derive(Debug)]
pub(in crate::sink::postgres) struct Known {
    /// The description.
    pub table: Table,
    /// The statements that lock the table and ask for the state.
    ask: String,
    /// Which version of the live target it is.
    version: u64,
    /// The state; none where the description was read without the lock, or is in doubt.
    state: Option<String>,
    /// Of a bulk table: the table that its rows are for.
    stands_for: Option<Arc<Target>>,
}

impl Known {
    /// `settings`: what is said in transactions where the server reads texts by itself.
    fn new(table: Table, settings: &str) -> Self {
        let settings = if table.casts() { settings } else { "" };
        let ask = format!("{settings} {} {}", lock(&table), state(&table));
        Self { ask, table, version: 0, state: None, stands_for: None }
    }

    /// As the mapping knows it.
    fn target(&self) -> Target {
        self.stands_for.as_deref().cloned().unwrap_or_else(|| self.table.target())
    }
}

/// A lock that forbids ALTER TABLE until the transaction ends, and no writes. Of a parent alone: what is
/// below it cannot change without it.
fn lock(table: &Table) -> String {
    let name = table.sql_name();
    match table.lockable {
        true => format!("LOCK TABLE ONLY {name} IN ROW EXCLUSIVE MODE;"),
        // With a privilege on columns alone LOCK is refused. To plan an INSERT takes the same lock, and
        // runs nothing.
        false => format!("EXPLAIN INSERT INTO {name} DEFAULT VALUES;"),
    }
}

fn state(table: &Table) -> String {
    let mut parts = vec![
        "(SELECT pg_catalog.string_agg(a.xmin::text, ',' ORDER BY a.attnum) \
         FROM pg_catalog.pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0)"
            .to_owned(),
        "(SELECT pg_catalog.string_agg(i.indexrelid || ':' || i.xmin, ',' ORDER BY i.indexrelid) \
         FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid)"
            .to_owned(),
    ];
    if !table.defined.is_empty() {
        let oids: Vec<String> = table.defined.iter().map(i64::to_string).collect();
        let oids = oids.join(", ");
        parts.push(format!(
            "(SELECT pg_catalog.string_agg(t.xmin::text, ',' ORDER BY t.oid) \
             FROM pg_catalog.pg_type t WHERE t.oid IN ({oids}))"
        ));
        parts.push(format!(
            "(SELECT pg_catalog.string_agg(e.oid || ':' || e.xmin, ',' ORDER BY e.oid) \
             FROM pg_catalog.pg_enum e WHERE e.enumtypid IN ({oids}))"
        ));
    }
    format!(
        "SELECT pg_catalog.concat_ws(' ', c.oid, c.xmin, {}) AS {STATE} FROM pg_catalog.pg_class c \
         WHERE c.oid = pg_catalog.to_regclass({});",
        parts.join(", "),
        literal(&table.sql_name())
    )
}

/// The state in the answers, if the table is there.
fn state_in(answers: &[SimpleQueryMessage]) -> Option<String> {
    answers.iter().find_map(|answer| match answer {
        SimpleQueryMessage::Row(row) if row.columns().first()?.name() == STATE => {
            row.try_get(0).ok().flatten().map(str::to_owned)
        }
        _ => None,
    })
}

/// In the open transaction, the table is as described, and will be until its end.
#[derive(Debug, Clone)]
pub(in crate::sink::postgres) struct Proof(Arc<Known>);

impl Proof {
    /// The table.
    pub fn table(&self) -> &Table {
        &self.0.table
    }

    /// Of a bulk table: the table that its rows are for.
    pub fn stands_for(&self) -> Option<&Target> {
        self.0.stands_for.as_deref()
    }

    /// Which version of the live target it is.
    pub fn version(&self) -> u64 {
        self.0.version
    }

    /// Whether both are of the same description.
    pub fn is_of(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// A statement that fails where the table's name has come to mean another one since, as a schema that
    /// is renamed may bring about: that is not what the lock is on.
    pub fn still(&self) -> String {
        let state = self.0.state.as_deref().unwrap_or_default();
        let oid = state.split(' ').next().unwrap_or_default();
        let name = literal(&self.0.table.sql_name());
        format!(
            "SELECT (CASE WHEN pg_catalog.to_regclass({name})::oid = {oid}::oid THEN '1' \
             ELSE '{OTHER} ' || coalesce(pg_catalog.to_regclass({name})::text, '-') END)::int;"
        )
    }
}

/// Whether that is what [`Proof::still`] failed with.
pub(in crate::sink::postgres) fn is_another(reason: &Reason) -> bool {
    reason.code == "22P02" && reason.message.contains(OTHER)
}

/// What the sessions of a sink know of their table.
#[derive(Debug)]
pub(in crate::sink::postgres) struct Catalog {
    known: Mutex<Arc<Known>>,
    /// The table as the mapping knows it, which follows changes of the catalog.
    pub live: Arc<LiveTarget>,
    settings: String,
    on_conflict: OnConflict,
}

impl Catalog {
    /// What was read without the lock is proven by nothing yet. `settings` are statements for transactions
    /// where the server reads texts by itself.
    pub fn new(table: Table, settings: String, on_conflict: OnConflict) -> Self {
        let live = Arc::new(LiveTarget::new(table.target()));
        Self { known: Mutex::new(Arc::new(Known::new(table, &settings))), live, settings, on_conflict }
    }

    /// From now on rows go into that table; `stands_for`, where it is a bulk table, is the one that they are for.
    pub fn turn_to(&self, table: Table, stands_for: Option<Target>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let stands_for = stands_for.map(Arc::new);
        *known = Arc::new(Known { version: known.version, stands_for, ..Known::new(table, &self.settings) });
    }

    fn latest(&self) -> Arc<Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Whether the table is another one than it was at the start.
    pub fn has_changed(&self) -> bool {
        self.live.version() > 0
    }

    /// The server takes rows for something else than what they were written as: all that is known is to
    /// be read anew.
    pub fn doubt(&self) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        *known = Arc::new(Known {
            version: known.version,
            stands_for: known.stands_for.clone(),
            ..Known::new(known.table.clone(), &self.settings)
        });
    }

    /// Begins a transaction by `first`, locks the table in it and proves what is known of it, or reads it
    /// anew; then says `last`. Also returns what was answered.
    pub async fn prove(
        &self,
        link: &Link,
        first: &str,
        last: &str,
    ) -> Result<(Proof, Vec<SimpleQueryMessage>), Failure> {
        let mut known = self.latest();
        let sql = format!("{first} {} {last}", known.ask);
        let answers = link.client.simple_query(&sql).await.map_err(|error| failure(link, &error))?;
        let mut state = state_in(&answers);
        if state.is_some() && state == known.state {
            return Ok((Proof(known), answers));
        }
        for _ in 0..MOST_LOOKS {
            let found = describe(link, &known.table.sql_name(), self.on_conflict).await.map_err(unfit)?;
            let found = Known { stands_for: known.stands_for.clone(), ..Known::new(found, &self.settings) };
            if found.ask == known.ask && state.is_some() {
                return Ok((Proof(self.adopt(Known { state, ..found })?), answers));
            }
            // There are other domains or enums to be asked for.
            known = Arc::new(found);
            let again = link.client.simple_query(&known.ask).await;
            state = state_in(&again.map_err(|error| failure(link, &error))?);
        }
        Err(Failure { error: changed(&known.table), intact: true })
    }

    /// Takes over what was found, and says what is new in it.
    fn adopt(&self, found: Known) -> Result<Arc<Known>, Failure> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.state.is_some() && (&known.state, &known.ask) == (&found.state, &found.ask) {
            // Another session has read the same meanwhile.
            return Ok(Arc::clone(&known));
        }
        if known.table.sql_name() != found.table.sql_name() {
            // Rows have been turned to another table since.
            return Err(Failure { error: changed(&found.table), intact: true });
        }
        let changes = changes(&known.table, &found.table);
        let name = found.table.display_name();
        if let Some(why) = found.table.target().rekeyed_since(&known.table.target()) {
            let message = format!(
                "table {name} has changed ({}), and {why} tells rows apart in another way than those under way were read for: start again, which goes on by what the table is now",
                changes.join(", ")
            );
            let error = SinkError::Fatal(Reason::new(TABLE_REKEYED, message));
            return Err(Failure { error, intact: true });
        }
        if !changes.is_empty() {
            let changes = changes.join(", ");
            tracing::warn!("table {name} has changed: {changes}; rows are written as it is now");
        }
        *known = Arc::new(Known { version: self.live.set(found.target()), ..found });
        Ok(Arc::clone(&known))
    }

    /// Looks whether the table has changed, for rows that are about to be refused.
    pub async fn look(&self, link: &Link) -> Result<(), Failure> {
        let first = format!("BEGIN; SET LOCAL lock_timeout = '{MOST_LOCKED}';");
        let proven = self.prove(link, &first, "").await.map(|_| ());
        link.client.batch_execute("ROLLBACK").await.map_err(|error| failure(link, &error))?;
        proven
    }
}

fn unfit(error: Error) -> Failure {
    match error {
        Error::Unavailable(why) => {
            let error = SinkError::Transient(
                TransientKind::Connection,
                Reason::new("connection_lost", String::from(why)),
            );
            Failure { error, intact: false }
        }
        other => {
            Failure { error: SinkError::Fatal(Reason::new("table_unfit", other.to_string())), intact: true }
        }
    }
}

/// The reason where everything has to be done again with what the table is now.
pub(in crate::sink::postgres) fn changed(table: &Table) -> SinkError {
    let message = format!("table {} has changed", table.display_name());
    SinkError::Transient(TransientKind::SchemaChanged, Reason::new("table_changed", message))
}

/// What is new in a table, in words.
fn changes(before: &Table, now: &Table) -> Vec<String> {
    let mut changes = now.target().changes_since(&before.target());
    for column in &now.columns {
        let (name, was) = (&column.name, before.column(&column.name));
        if was.is_some_and(|was| was.type_name == column.type_name && was.labels != column.labels) {
            changes.push(format!("column {name} has other labels"));
        }
        let filled = |was: &TableColumn| {
            let other = (&was.default, was.generated) != (&column.default, column.generated);
            other && was.has_default() == column.has_default()
        };
        if was.is_some_and(filled) {
            changes.push(format!("column {name} is filled in another way"));
        }
    }
    if before.security != now.security {
        changes.push("its row-level security is another one".to_owned());
    }
    let kept = |table: &Table| (table.partitioned, table.hypertable, table.distribution.clone());
    if kept(before) != kept(now) {
        changes.push("its rows are kept in another way".to_owned());
    }
    changes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::postgres::catalog::table::tests::{column, table};
    use crate::sink::postgres::catalog::types::ColumnType;

    #[test]
    fn a_role_that_may_not_lock_takes_the_lock_by_a_plan() {
        let open = table(vec![column("a", ColumnType::Int4, "integer")], &[]);
        assert!(
            Known::new(open.clone(), "").ask.starts_with(r#" LOCK TABLE ONLY "public"."t" IN ROW EXCLUSIVE"#)
        );
        let bound = Table { lockable: false, defined: vec![17_000], ..open };
        let ask = Known::new(bound, "").ask;
        assert!(ask.starts_with(" EXPLAIN INSERT") && ask.contains("enumtypid IN (17000)"), "{ask}");
    }
}
