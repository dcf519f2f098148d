//! What TimescaleDB makes of a table: chunks, compression, retention. Reads what is there, brings
//! it to what is wanted, and says what differs.
//!
//! What the user may have tuned by hand (the length of a chunk, when it is compressed or dropped) is
//! changed, and counts as a difference, only where a flag says it. By what a table is compressed
//! is never changed, since chunks that are compressed already would stay as they are.

use tokio_postgres::types::{FromSqlOwned, Type};

use crate::dataset::Dataset;
use crate::error::Result;
use crate::sink::SchemaOptions;
use crate::sink::period::Period;
use crate::sink::postgres::connection::connect::{Link, to_error};
use crate::sink::postgres::connection::quoting::literal;
use crate::sink::postgres::schema::apply::{ask, run};
use crate::sink::postgres::schema::ddl::{
    add_compression_policy, add_retention_policy, compressed_by, create_hypertable, enable_compression,
};

/// What the server has of TimescaleDB.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::sink::postgres) enum Edition {
    /// Nothing.
    None,
    /// Hypertables alone.
    Apache,
    /// All of it.
    Community,
}

impl Edition {
    /// Of the database that we are connected to.
    pub async fn of(link: &Link) -> Result<Self> {
        if !ask(link, "SELECT EXISTS (SELECT FROM pg_catalog.pg_extension WHERE extname = 'timescaledb')")
            .await?
        {
            return Ok(Self::None);
        }
        let apache =
            "SELECT pg_catalog.current_setting('timescaledb.license', true) IS NOT DISTINCT FROM 'apache'";
        Ok(if ask(link, apache).await? { Self::Apache } else { Self::Community })
    }

    /// What it keeps us from doing, once for all tables.
    pub fn note(self, options: &SchemaOptions) -> Option<&'static str> {
        match self {
            Self::None if !options.is_plain() => Some(
                "TimescaleDB is not installed in this database: tables without chunks, compression and retention",
            ),
            Self::Apache => Some(
                "TimescaleDB runs under its Apache license (timescaledb.license), which has no compression and no retention",
            ),
            _ => None,
        }
    }
}

/// A hypertable as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::sink::postgres) struct Hypertable {
    /// Length of its next chunk.
    chunk: Option<Period>,
    compressed: bool,
    segment_by: Vec<String>,
    order_by: Vec<String>,
    compress_after: Policy,
    retention: Policy,
}

/// A job of the server's that deals with chunks of a certain age.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Policy {
    #[default]
    None,
    /// By an age that we know how to say.
    After(Period),
    /// By another rule.
    Other,
}

const STATE: &str = "\
SELECT extract(epoch FROM d.time_interval)::int8, h.compression_enabled,
       ARRAY(SELECT s.attname::text FROM timescaledb_information.compression_settings s
             WHERE (s.hypertable_schema, s.hypertable_name) = (n.nspname, c.relname)
               AND s.segmentby_column_index IS NOT NULL ORDER BY s.segmentby_column_index),
       ARRAY(SELECT s.attname || CASE WHEN s.orderby_asc THEN '' ELSE ' DESC' END
             FROM timescaledb_information.compression_settings s
             WHERE (s.hypertable_schema, s.hypertable_name) = (n.nspname, c.relname)
               AND s.orderby_column_index IS NOT NULL ORDER BY s.orderby_column_index)
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN timescaledb_information.hypertables h
  ON (h.hypertable_schema, h.hypertable_name) = (n.nspname, c.relname)
LEFT JOIN timescaledb_information.dimensions d
  ON (d.hypertable_schema, d.hypertable_name) = (n.nspname, c.relname) AND d.dimension_number = 1
WHERE c.oid = pg_catalog.to_regclass($1)";

const POLICIES: &str = "\
SELECT j.proc_name = 'policy_compression',
       extract(epoch FROM coalesce(j.config ->> 'compress_after', j.config ->> 'drop_after')::interval)::int8
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN timescaledb_information.jobs j
  ON (j.hypertable_schema, j.hypertable_name) = (n.nspname, c.relname)
WHERE c.oid = pg_catalog.to_regclass($1) AND j.proc_name IN ('policy_compression', 'policy_retention')";

impl Hypertable {
    /// Whether chunks of it may be compressed.
    pub fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// The statement that lets its chunks be compressed as before, by a key that had not the columns
    /// `missing`.
    pub fn compressed_again(&self, dataset: &Dataset, earlier_key: &[String], missing: &[&str]) -> String {
        let segment = |name: &&String| dataset.segment_by.contains(&name.as_str());
        let time = dataset.time.as_deref().unwrap_or_default();
        let rest = earlier_key.iter().filter(|name| !segment(name) && *name != time);
        let usual: Vec<&str> = std::iter::once(time).chain(rest.map(String::as_str)).collect();
        if self.segment_by == dataset.segment_by && self.order_by == usual {
            return enable_compression(dataset);
        }
        let mut order_by = self.order_by.clone();
        order_by.extend(
            missing
                .iter()
                .filter(|name| !self.segment_by.contains(&(**name).to_owned()))
                .map(|name| (*name).to_owned()),
        );
        format!(
            "ALTER TABLE {} SET (timescaledb.compress, timescaledb.compress_segmentby = {}, \
             timescaledb.compress_orderby = {})",
            dataset.table,
            literal(&self.segment_by.join(", ")),
            literal(&order_by.join(", "))
        )
    }

    /// The hypertable of that name; `None` where it is a plain table.
    pub async fn read(link: &Link, table: &str) -> Result<Option<Self>> {
        let failed = |error: tokio_postgres::Error| {
            to_error(link.classify(&error)).at(&format!("what TimescaleDB has of {table} cannot be read"))
        };
        let by_name: &[(&(dyn tokio_postgres::types::ToSql + Sync), Type)] = &[(&table, Type::TEXT)];
        let Some(row) = link.client.query_typed_opt(STATE, by_name).await.map_err(failed)? else {
            return Ok(None);
        };
        let mut found = Self {
            chunk: get::<Option<i64>>(&row, 0).map_err(failed)?.map(Period::from_seconds),
            compressed: get(&row, 1).map_err(failed)?,
            segment_by: get(&row, 2).map_err(failed)?,
            order_by: get(&row, 3).map_err(failed)?,
            ..Self::default()
        };
        for row in &link.client.query_typed(POLICIES, by_name).await.map_err(failed)? {
            let after: Option<i64> = get(row, 1).map_err(failed)?;
            let policy = after.map_or(Policy::Other, |seconds| Policy::After(Period::from_seconds(seconds)));
            if get(row, 0).map_err(failed)? {
                found.compress_after = policy
            } else {
                found.retention = policy
            }
        }
        Ok(Some(found))
    }
}

fn get<T: FromSqlOwned>(row: &tokio_postgres::Row, at: usize) -> Result<T, tokio_postgres::Error> {
    row.try_get(at)
}

/// What is to be done to one table, and the report of it.
pub(in crate::sink::postgres) struct Work<'a> {
    pub link: &'a Link,
    pub dataset: &'a Dataset,
    pub options: &'a SchemaOptions,
    pub edition: Edition,
    /// Whether the table has row-level security, or is to get it.
    pub secured: bool,
    pub report: &'a mut Vec<String>,
}

impl Work<'_> {
    /// Makes the table a hypertable where it is none and can become one, then sees to its chunks,
    /// compression and retention.
    pub async fn apply(&mut self) -> Result<()> {
        let table = &*self.dataset.table;
        let (Some(create), true) =
            (create_hypertable(self.dataset, self.options), self.edition != Edition::None)
        else {
            return Ok(());
        };
        let found = match Hypertable::read(self.link, table).await? {
            Some(found) => {
                self.set_chunk(&found).await?;
                found
            }
            None if ask(self.link, &format!("SELECT NOT EXISTS (SELECT FROM {table})")).await? => {
                run(self.link, &create).await?;
                self.say(format!("hypertable, one chunk every {}", self.options.chunk(self.dataset)));
                Hypertable::default()
            }
            None => {
                let create = create.replace("if_not_exists => TRUE", "migrate_data => TRUE");
                self.say(format!("has rows and is not a hypertable; to move them, run: {create}"));
                return Ok(());
            }
        };
        if self.edition == Edition::Community {
            self.compress(&found).await?;
            self.retain(&found).await?;
        }
        Ok(())
    }

    async fn set_chunk(&mut self, found: &Hypertable) -> Result<()> {
        let Some(Some(wanted)) = self.options.chunk.of(&self.dataset.name) else { return Ok(()) };
        if found.chunk != Some(wanted) {
            let table = literal(&self.dataset.table);
            run(self.link, &format!("SELECT set_chunk_time_interval({table}, {})", wanted.interval()))
                .await?;
            self.say(format!("from its next chunk on, one every {wanted}"));
        }
        Ok(())
    }

    async fn compress(&mut self, found: &Hypertable) -> Result<()> {
        let table = literal(&self.dataset.table);
        let Some(wanted) = self.options.compress_after(self.dataset) else {
            if found.compress_after != Policy::None {
                run(self.link, &format!("SELECT remove_compression_policy({table})")).await?;
                self.say("no more chunks are compressed".to_owned());
            }
            return Ok(());
        };
        if self.secured {
            if !found.compressed {
                self.say("not compressed: TimescaleDB cannot where there is row-level security".to_owned());
            }
            return Ok(());
        }
        if !found.compressed {
            run(self.link, &enable_compression(self.dataset)).await?;
            self.say(format!("compression {}", compressed_by(self.dataset)));
        }
        let given = self.options.compress_after.of(&self.dataset.name).is_some();
        match found.compress_after {
            Policy::None => {}
            Policy::After(period) if period != wanted && given => {
                run(self.link, &format!("SELECT remove_compression_policy({table})")).await?;
            }
            _ => return Ok(()),
        }
        run(self.link, &add_compression_policy(self.dataset, wanted)).await?;
        self.say(format!("a job compresses chunks older than {wanted}"));
        Ok(())
    }

    async fn retain(&mut self, found: &Hypertable) -> Result<()> {
        let Some(wanted) = self.options.retention.of(&self.dataset.name) else { return Ok(()) };
        if found.retention == wanted.map_or(Policy::None, Policy::After) {
            return Ok(());
        }
        if found.retention != Policy::None {
            let table = literal(&self.dataset.table);
            run(self.link, &format!("SELECT remove_retention_policy({table})")).await?;
        }
        match wanted {
            Some(period) => {
                run(self.link, &add_retention_policy(self.dataset, period)).await?;
                self.say(format!("a job drops chunks older than {period}"));
            }
            None => self.say("nothing is dropped any more".to_owned()),
        }
        Ok(())
    }

    fn say(&mut self, what: String) {
        self.report.push(format!("{}: {what}", self.dataset.table));
    }
}

/// Names what differs from what [`Work::apply`] would make.
pub(in crate::sink::postgres) fn compare(
    dataset: &Dataset,
    options: &SchemaOptions,
    edition: Edition,
    found: Option<&Hypertable>,
    secured: bool,
    differences: &mut Vec<String>,
) {
    if edition == Edition::None || create_hypertable(dataset, options).is_none() {
        return;
    }
    let mut differs = |what: String| differences.push(format!("{}: {what}", dataset.table));
    let Some(found) = found else {
        return differs("is not a hypertable; schema apply makes it one while it is empty".to_owned());
    };
    if let Some(Some(wanted)) = options.chunk.of(&dataset.name)
        && found.chunk != Some(wanted)
    {
        let is = found.chunk.map_or("another length".to_owned(), |period| period.to_string());
        differs(format!("a chunk spans {is}, expected {wanted}"));
    }
    if edition != Edition::Community {
        return;
    }
    match options.compress_after(dataset) {
        Some(_) if secured => {}
        Some(_) if !found.compressed => differs("is not compressed".to_owned()),
        Some(wanted) => {
            let (segment_by, order_by) = (&found.segment_by, &found.order_by);
            if segment_by != dataset.segment_by || *order_by != dataset.order_by() {
                differs(format!(
                    "compression by {} in the order of {}, expected {}",
                    shown(segment_by),
                    shown(order_by),
                    compressed_by(dataset)
                ));
            }
            let given = options.compress_after.of(&dataset.name).is_some();
            policy("compresses", found.compress_after, Some(wanted), given, &mut differs);
        }
        None => policy("compresses", found.compress_after, None, true, &mut differs),
    }
    if let Some(wanted) = options.retention.of(&dataset.name) {
        policy("drops", found.retention, wanted, true, &mut differs);
    }
}

/// Names how a job differs; one with another age only where the age was asked for.
fn policy(verb: &str, found: Policy, wanted: Option<Period>, given: bool, differs: &mut dyn FnMut(String)) {
    match (found, wanted) {
        (Policy::None, Some(wanted)) => differs(format!("no job {verb} chunks older than {wanted}")),
        (Policy::After(period), Some(wanted)) if given && period != wanted => {
            differs(format!("a job {verb} chunks older than {period}, expected {wanted}"));
        }
        (Policy::After(_) | Policy::Other, None) => differs(format!("a job {verb} chunks, expected none")),
        _ => {}
    }
}

fn shown(names: &[String]) -> String {
    if names.is_empty() { "nothing".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dataset::OPTIONS;
    use crate::sink::period::Periods;

    fn made() -> Hypertable {
        Hypertable {
            chunk: Some(Period::days(7)),
            compressed: true,
            segment_by: ["symbol", "vendor", "tenant_id"].map(String::from).into(),
            order_by: ["ts", "expiry", "option_type", "strike"].map(String::from).into(),
            compress_after: Policy::After(Period::days(30)),
            retention: Policy::None,
        }
    }

    fn differences(options: &SchemaOptions, edition: Edition, found: Option<&Hypertable>) -> Vec<String> {
        let mut all = Vec::new();
        compare(&OPTIONS, options, edition, found, false, &mut all);
        all
    }

    #[test]
    fn what_was_made_does_not_differ_and_what_was_tuned_only_where_a_flag_says_so() {
        let plain = SchemaOptions::default();
        assert_eq!(differences(&plain, Edition::Community, Some(&made())), Vec::<String>::new());
        let tuned = Hypertable {
            chunk: Some(Period::days(1)),
            compress_after: Policy::After(Period::days(3)),
            retention: Policy::After(Period::days(400)),
            ..made()
        };
        assert_eq!(differences(&plain, Edition::Community, Some(&tuned)), Vec::<String>::new());
        let said = |period: u32| Periods::new(vec![(None, Some(Period::days(period)))]);
        let flags = SchemaOptions {
            chunk: said(7),
            compress_after: said(30),
            retention: Periods::new(vec![(Some("options".into()), None)]),
            ..plain
        };
        let found = differences(&flags, Edition::Community, Some(&tuned));
        assert_eq!(
            found,
            [
                "options_snap: a chunk spans 1 day, expected 7 days",
                "options_snap: a job compresses chunks older than 3 days, expected 30 days",
                "options_snap: a job drops chunks, expected none",
            ]
        );
    }

    #[test]
    fn the_edition_decides_what_is_expected() {
        let plain = SchemaOptions::default();
        let bare = Hypertable { chunk: Some(Period::days(7)), ..Hypertable::default() };
        assert_eq!(differences(&plain, Edition::Community, Some(&bare)), ["options_snap: is not compressed"]);
        assert_eq!(differences(&plain, Edition::Apache, Some(&bare)), Vec::<String>::new());
        assert_eq!(differences(&plain, Edition::Apache, None).len(), 1);
        assert_eq!(differences(&plain, Edition::None, None), Vec::<String>::new());
    }
}
