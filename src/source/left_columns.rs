//! Columns of an input that nobody needs, which are not read where the format has its columns apart.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::dataset::Mapper;
use crate::decode::{DecodeError, Decoder, RawBatch};
use crate::error::Result;
use crate::pipeline::Feed;
use crate::port::jobs::Stretch;
use crate::source::decode_ahead::DecodeAhead;
use crate::source::files::Files;
use crate::source::{Input, Meter, Opened, decode_error, open};

impl Files {
    /// Tells the decoder which columns alone matter. A dead letter has none but those of its table, unless the input can
    /// be read only once and its rest has to be kept as it is; a dry run shows values of the others.
    pub(super) fn leave_columns_out(
        &self,
        opened: &mut Opened,
        mapper: &Mapper,
        feed: &Feed<'_>,
    ) -> std::result::Result<(), DecodeError> {
        match mapper.needed().filter(|_| opened.replayable && feed.report.glimpse.is_none()) {
            Some(needed) => opened.decoder.read_only(needed),
            None => Ok(()),
        }
    }

    /// The rows of an input from that one on, none of their columns left out: the table has come by one that the input
    /// has too.
    pub(super) fn with_all_columns(
        &self,
        input: &Input,
        row: Option<&u64>,
        feed: &Feed<'_>,
    ) -> Result<(Box<dyn Decoder>, VecDeque<RawBatch>)> {
        let row = row.copied().unwrap_or_default();
        let failed = |error| decode_error(error, &input.name);
        // Its bytes have been counted.
        let meter = Arc::new(Meter::new(&[]));
        let mut decoder = open(input, &self.options(), feed.stop, &meter)?.decoder;
        if let Some(Stretch::RowGroups { from, to, .. }) = self.stretch {
            decoder.read_pieces(from..to).map_err(failed)?;
        }
        let mut decoder = DecodeAhead::new(decoder);
        let mut first = VecDeque::new();
        while let Some(raw) = decoder.next_batch().map_err(failed)? {
            let before = raw.rows.partition_point(|number| *number < row);
            if before < raw.rows.len() {
                let columns = raw.columns.slice(before, raw.rows.len() - before);
                first.push_back(RawBatch {
                    columns,
                    rows: raw.rows.get(before..).unwrap_or_default().to_vec(),
                    ..raw
                });
                break;
            }
        }
        Ok((Box::new(decoder), first))
    }
}
