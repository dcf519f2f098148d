//! Rows of binary COPY, read cell by cell.

use std::ops::Range;

use futures_util::{StreamExt as _, pin_mut};

use super::cells::put;
use crate::error::{Error, Result};
use crate::port::SinkError;
use crate::sink::postgres::catalog::types::ColumnType;
use crate::sink::postgres::connection::connect::Link;
use crate::sink::postgres::encode::encoder::HEADER;
use crate::sink::verify::{Cell, RowBuffer, TakeRows};

/// Rows that are handed out at once.
const ROWS: usize = 4_096;

/// The rows that a query answers, handed out.
pub(super) async fn copy_out(
    link: &Link,
    query: &str,
    types: &[ColumnType],
    rows: &mut RowBuffer,
    take: &mut TakeRows<'_>,
) -> Result<()> {
    let fault = |error: tokio_postgres::Error| match link.classify(&error) {
        SinkError::Transient(_, reason) => Error::unavailable(reason.message.into_owned()),
        other => Error::usage(other.reason().message.clone().into_owned()),
    };
    let stream =
        link.client.copy_out(&format!("COPY ({query}) TO STDOUT (FORMAT binary)")).await.map_err(fault)?;
    pin_mut!(stream);
    let mut ahead = HEADER.len();
    let mut cells = Places::new();
    while let Some(message) = stream.next().await {
        let message = message.map_err(fault)?;
        // The server sends a row a message, the header before the first.
        let mut at = ahead.min(message.len());
        ahead -= at;
        while row_at(&message, &mut at, &mut cells)? {
            for (type_, cell) in types.iter().zip(&cells) {
                match cell {
                    Some(cell) => put(Some(*type_), message.get(cell.clone()).unwrap_or_default(), rows),
                    None => rows.push(Cell::Null),
                }
            }
        }
        if rows.rows() >= ROWS {
            if !take(rows)? {
                return Ok(());
            }
            rows.clear();
        }
    }
    if rows.rows() > 0 {
        take(rows)?;
        rows.clear();
    }
    Ok(())
}

/// Where each cell of a row is; none for a null.
pub(super) type Places = Vec<Option<Range<usize>>>;

/// Reads where the cells of the row at `at` are, and moves on to the next one; `false` at the end.
pub(super) fn row_at(bytes: &[u8], at: &mut usize, places: &mut Places) -> Result<bool> {
    let broken = || Error::internal("a row of binary COPY is cut off");
    places.clear();
    let Some(count) = bytes.get(*at..*at + 2) else {
        return if *at == bytes.len() { Ok(false) } else { Err(broken()) };
    };
    let count = i16::from_be_bytes(count.try_into().unwrap_or_default());
    *at += 2;
    for _ in 0..count {
        let len = bytes.get(*at..*at + 4).ok_or_else(broken)?;
        *at += 4;
        let len = usize::try_from(i32::from_be_bytes(len.try_into().unwrap_or_default())).ok();
        places.push(len.map(|len| *at..*at + len));
        *at += len.unwrap_or(0);
    }
    // The trailer counts -1 cells.
    if *at > bytes.len() { Err(broken()) } else { Ok(count >= 0) }
}
