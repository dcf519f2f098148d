//! Chunks from a script, for tests.

use std::collections::VecDeque;

use crate::decode::{Broken, Chunk, Chunks, DecodeError, Decoder};
use crate::model::text::Texts;

/// Hands out what it was given, then the end.
#[derive(Default)]
pub(crate) struct Script(pub(crate) VecDeque<Result<Chunk, DecodeError>>);

impl Script {
    pub(crate) fn one(data: &[u8]) -> Self {
        Self::cut(data, data.len())
    }

    /// The data in chunks of `size` bytes.
    pub(crate) fn cut(data: &[u8], size: usize) -> Self {
        let chunks = data.chunks(size.max(1));
        Self(chunks.map(|c| Ok(Chunk::Data(bytes::Bytes::copy_from_slice(c)))).collect())
    }

    /// The data cut in chunks of these sizes in turn, where a size of 0 is an idle moment.
    pub(crate) fn sizes(data: &[u8], sizes: &[usize]) -> Self {
        let mut script = Self::default();
        let mut rest = data;
        let mut sizes = sizes.iter().cycle();
        while !rest.is_empty() {
            let size = (*sizes.next().unwrap_or(&1)).min(rest.len());
            let (head, tail) = rest.split_at(size);
            script.0.push_back(Ok(match size {
                0 => Chunk::Idle,
                _ => Chunk::Data(bytes::Bytes::copy_from_slice(head)),
            }));
            rest = tail;
            // A cycle of idle moments only would never end.
            if size == 0 && script.0.len() > 4 * data.len() + 16 {
                script.0.push_back(Ok(Chunk::Data(bytes::Bytes::copy_from_slice(rest))));
                break;
            }
        }
        script
    }

    pub(crate) fn then(mut self, chunk: Result<Chunk, DecodeError>) -> Self {
        self.0.push_back(chunk);
        self
    }
}

impl Chunks for Script {
    fn next(&mut self) -> Result<Chunk, DecodeError> {
        self.0.pop_front().unwrap_or(Ok(Chunk::End))
    }
}

/// A name and a value.
pub(crate) type Cell = (String, Option<String>);

/// Everything that a decoder gives.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Heard {
    /// Row number and its cells: name and value.
    pub(crate) rows: Vec<(u64, Vec<Cell>)>,
    pub(crate) broken: Vec<Broken>,
    pub(crate) batches: usize,
    pub(crate) bytes: u64,
    pub(crate) error: Option<String>,
}

impl Heard {
    pub(crate) fn of(decoder: &mut dyn Decoder) -> Self {
        let mut heard = Self::default();
        loop {
            let batch = match decoder.next_batch() {
                Ok(Some(batch)) => batch,
                Ok(None) => return heard,
                Err(error) => {
                    heard.error = Some(error.to_string());
                    continue;
                }
            };
            assert!(!batch.rows.is_empty() || !batch.broken.is_empty(), "an empty batch");
            assert_eq!(batch.rows.len(), batch.columns.num_rows());
            let schema = batch.columns.schema();
            for (i, &row) in batch.rows.iter().enumerate() {
                let cells = schema.fields().iter().zip(batch.columns.columns()).map(|(field, column)| {
                    let value = Texts::of(column).and_then(|texts| texts.get(i)).map(str::to_owned);
                    (field.name().clone(), value)
                });
                heard.rows.push((row, cells.collect()));
            }
            heard.broken.extend(batch.broken);
            heard.batches += 1;
            heard.bytes += batch.bytes;
        }
    }

    /// The cells of all good rows, null as `∅`.
    pub(crate) fn cells(&self) -> Vec<Vec<&str>> {
        fn text(value: &Option<String>) -> &str {
            value.as_deref().unwrap_or("∅")
        }
        self.rows.iter().map(|(_, cells)| cells.iter().map(|(_, v)| text(v)).collect()).collect()
    }

    /// Row number and code of the broken rows.
    pub(crate) fn faults(&self) -> Vec<(u64, &'static str)> {
        self.broken.iter().map(|b| (b.row, b.code)).collect()
    }
}
