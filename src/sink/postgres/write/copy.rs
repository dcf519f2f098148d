//! Rows into a COPY that has been begun: encoded in chunks, which are handed over whole.

use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::SinkExt;

use crate::batch::{Reason, Rows};
use crate::port::SinkError;
use crate::sink::postgres::encode::copy_buffer::{CHUNK, Out};
use crate::sink::postgres::encode::encoder::{BLOCK, Encoder, HEADER, TRAILER};
use crate::sink::postgres::write::session::{Failure, failure};

use crate::sink::postgres::connection::connect::Link;

/// What a COPY took.
#[derive(Debug, Default)]
pub(in crate::sink::postgres) struct Copied {
    /// Positions in the rows given, in the order in which they were sent.
    pub sent: Vec<u32>,
    /// Rows that were not sent, since their column can not hold a value of theirs.
    pub refused: Vec<(usize, Arc<Reason>)>,
    /// Values that the server rounds.
    pub rounded: u64,
    /// Rows that the server stored: a trigger may suppress some.
    pub stored: u64,
}

/// Sends no rows at all through the COPY statement.
pub(in crate::sink::postgres) async fn copy_nothing(link: &Link, statement: &str) -> Result<(), Failure> {
    let begun = link.client.copy_in::<_, Bytes>(statement).await;
    let mut sink = pin!(begun.map_err(|error| Failure { error: link.classify(&error), intact: false })?);
    let mut out = Out::small();
    out.put_slice(HEADER);
    out.put_slice(TRAILER);
    sink.feed(out.finish()).await.map_err(|error| failure(link, &error))?;
    sink.finish().await.map(drop).map_err(|error| failure(link, &error))
}

/// Sends the rows at those positions through the COPY statement.
pub(in crate::sink::postgres) async fn copy(
    link: &Link,
    statement: &str,
    rows: Rows<'_>,
    positions: &[u32],
    encoder: &mut Encoder<'_>,
) -> Result<Copied, Failure> {
    // A COPY that is refused before it began leaves an answer too many on the line, so the
    // connection cannot be used further.
    let begun = link.client.copy_in::<_, Bytes>(statement).await;
    let mut sink = pin!(begun.map_err(|error| Failure { error: link.classify(&error), intact: false })?);
    let mut copied = Copied { sent: Vec::with_capacity(positions.len()), ..Copied::default() };
    let mut out = Out::new();
    out.put_slice(HEADER);
    let mut picks = Vec::with_capacity(BLOCK);
    for positions in positions.chunks(BLOCK) {
        picks.clear();
        picks.extend(positions.iter().map(|position| rows.picks[*position as usize]));
        encoder.block(&picks, &mut out, |at, done| match done {
            Ok(values) => {
                copied.sent.push(positions[at]);
                copied.rounded += values;
            }
            Err(reason) => copied.refused.push((positions[at] as usize, reason)),
        });
        if out.len() >= CHUNK {
            sink.feed(out.take()).await.map_err(|error| failure(link, &error))?;
        }
    }
    out.put_slice(TRAILER);
    sink.feed(out.finish()).await.map_err(|error| failure(link, &error))?;
    match sink.finish().await {
        Ok(stored) => {
            copied.stored = stored;
            Ok(copied)
        }
        Err(error) => {
            let mut failure = failure(link, &error);
            if let SinkError::Data { suspects, .. } = &mut failure.error {
                // Lines of the COPY, to positions in the rows given.
                *suspects =
                    suspects.iter().filter_map(|line| copied.sent.get(*line)).map(|p| *p as usize).collect();
            }
            Err(failure)
        }
    }
}
