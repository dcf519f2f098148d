//! Compressing the chunks that a load has written into (`load --compress-after-load`).

use std::ops::RangeInclusive;

use tokio_postgres::Row;
use tokio_postgres::types::{FromSqlOwned, Type};

use crate::error::{Error, Result};
use crate::sink::postgres::connection::connect::{Connector, Link, to_error};
use crate::sink::postgres::connection::dsn::Dsn;
use crate::sink::postgres::connection::quoting::ident;
use crate::sink::postgres::schema::timescale::Edition;
use crate::sink::store::{Packed, Packing};
use crate::text::flags::{COMPRESS_AFTER, COMPRESS_AFTER_LOAD};

/// The hypertable of a name: its schema and name, whether chunks may be compressed, and whether it has row-level security.
const HYPERTABLE: &str = "\
SELECT h.hypertable_schema::text, h.hypertable_name::text, h.compression_enabled, c.relrowsecurity
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
JOIN timescaledb_information.hypertables h
  ON (h.hypertable_schema, h.hypertable_name) = (n.nspname, c.relname)
WHERE c.oid = pg_catalog.to_regclass($1)";

/// Its chunks with times between two, in microseconds since 1970, by time: their names, and whether they are old enough:
/// as old as the job of the table waits for that compresses them, or over, where there is no job.
const CHUNKS: &str = "\
SELECT pg_catalog.format('%I.%I', c.chunk_schema, c.chunk_name), c.range_end <= pg_catalog.now() - coalesce(
         (SELECT pg_catalog.max((j.config ->> 'compress_after')::interval) FROM timescaledb_information.jobs j
          WHERE (j.hypertable_schema, j.hypertable_name) = (c.hypertable_schema, c.hypertable_name)
            AND j.proc_name = 'policy_compression'), interval '0')
FROM timescaledb_information.chunks c
WHERE c.hypertable_schema = $1 AND c.hypertable_name = $2
  AND c.range_start <= timestamptz 'epoch' + $4::int8 * interval '1 microsecond'
  AND c.range_end > timestamptz 'epoch' + $3::int8 * interval '1 microsecond'
ORDER BY c.range_start";

/// Bytes of a chunk before it was compressed, and since.
const SIZES: &str = "\
SELECT s.before_compression_total_bytes, s.after_compression_total_bytes
FROM chunk_compression_stats($1::text::regclass) s
WHERE pg_catalog.format('%I.%I', s.chunk_schema, s.chunk_name) = $2";

/// How often a chunk is tried: the job of the table that compresses chunks may be at work on the same one.
const TRIES: u32 = 3;

/// A table whose chunks are to be compressed.
pub(in crate::sink::postgres) struct PgPacking {
    connector: Connector,
    /// As the load names it.
    table: String,
    schema: String,
    name: String,
}

impl PgPacking {
    /// Looks whether the chunks of that table can be compressed.
    ///
    /// # Errors
    /// Usage, where they cannot; unavailable, where the server is.
    pub async fn open(dsn: &Dsn, table: &str) -> Result<Self> {
        let connector = Connector::new(dsn.clone())?;
        let link = connector.connect().await.map_err(to_error)?;
        let impossible = |why: &str, then: &str| {
            Error::usage(format!("{COMPRESS_AFTER_LOAD} is not possible for {table}: {why}; {then}"))
        };
        let drop_it = "leave the flag out";
        match Edition::of(&link).await? {
            Edition::None => return Err(impossible("this database has no TimescaleDB", drop_it)),
            Edition::Apache => {
                return Err(impossible("this edition of TimescaleDB does not compress", drop_it));
            }
            Edition::Community => {}
        }
        let fault = |error: tokio_postgres::Error| to_error(link.classify(&error));
        let Some(row) =
            link.client.query_typed_opt(HYPERTABLE, &[(&table, Type::TEXT)]).await.map_err(fault)?
        else {
            return Err(impossible("it is not a hypertable", drop_it));
        };
        let (schema, name, compressed): (String, String, bool) =
            (get(&link, &row, 0)?, get(&link, &row, 1)?, get(&link, &row, 2)?);
        if !compressed && get(&link, &row, 3)? {
            return Err(impossible(
                "TimescaleDB does not compress where there is row-level security",
                drop_it,
            ));
        }
        if !compressed {
            let how = format!(
                "mdsctl schema apply {COMPRESS_AFTER} PERIOD says how for our own tables, ALTER TABLE … SET (timescaledb.compress, …) for others"
            );
            return Err(impossible("compression is not set up for it", &how));
        }
        Ok(Self { connector, table: table.to_owned(), schema, name })
    }

    fn failed(&self, chunk: &str, error: Error) -> Error {
        error.at(&format!(
            "the rows are stored, and the chunk {chunk} of {} could not be compressed (SELECT compress_chunk('{chunk}') does it later)",
            self.table
        ))
    }
}

#[async_trait::async_trait]
impl Packing for PgPacking {
    async fn pack(
        &self,
        times: RangeInclusive<i64>,
        tell: &mut (dyn FnMut(u64, u64) -> bool + Send),
    ) -> Result<Packed> {
        let link = self.connector.connect().await.map_err(to_error)?;
        let fault = |error: tokio_postgres::Error| to_error(link.classify(&error));
        // A chunk takes as long as it takes.
        link.client.batch_execute("SET statement_timeout = 0").await.map_err(fault)?;
        let (first, last) = times.into_inner();
        let chunks = link
            .client
            .query_typed(
                CHUNKS,
                &[
                    (&self.schema, Type::TEXT),
                    (&self.name, Type::TEXT),
                    (&first, Type::INT8),
                    (&last, Type::INT8),
                ],
            )
            .await
            .map_err(fault)?;
        let mut packed = Packed::default();
        let mut old = Vec::new();
        for row in &chunks {
            match get::<Option<bool>>(&link, row, 1)? {
                Some(true) => old.push(get::<String>(&link, row, 0)?),
                _ => packed.young += 1,
            }
        }
        let all = old.len() as u64;
        let hypertable = format!("{}.{}", ident(&self.schema), ident(&self.name));
        for (done, chunk) in (0..).zip(&old) {
            if !tell(done, all) {
                packed.left = all - done;
                break;
            }
            // One that is compressed already takes in what has come behind that.
            let sql = "SELECT compress_chunk($1::text::regclass, if_not_compressed => true)";
            let mut tries = TRIES;
            while let Err(error) = link.client.query_typed(sql, &[(chunk, Type::TEXT)]).await {
                tries -= 1;
                // The job of the table may have come first.
                if tries == 0 || error.as_db_error().is_none() {
                    return Err(self.failed(chunk, fault(error)));
                }
            }
            packed.chunks += 1;
            let sizes = [
                (&hypertable as &(dyn tokio_postgres::types::ToSql + Sync), Type::TEXT),
                (chunk, Type::TEXT),
            ];
            if let Some(row) = link.client.query_typed_opt(SIZES, &sizes).await.map_err(fault)? {
                packed.bytes_before += get::<Option<i64>>(&link, &row, 0)?.unwrap_or(0).unsigned_abs();
                packed.bytes_after += get::<Option<i64>>(&link, &row, 1)?.unwrap_or(0).unsigned_abs();
            }
        }
        Ok(packed)
    }
}

fn get<T: FromSqlOwned>(link: &Link, row: &Row, at: usize) -> Result<T> {
    row.try_get(at).map_err(|error| to_error(link.classify(&error)))
}
