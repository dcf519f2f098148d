//! Messages of Arrow IPC, one after the other: the schema, dictionaries, rows.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::convert::try_fb_to_schema;
use arrow::ipc::reader::{RecordBatchDecoder, read_dictionary};
use arrow::ipc::{MessageHeader, root_as_message};

/// What the messages so far have said.
#[derive(Default)]
pub(super) struct Reader {
    schema: Option<SchemaRef>,
    /// By their numbers.
    dictionaries: HashMap<i64, ArrayRef>,
}

impl Reader {
    /// The schema, once it has come.
    pub(super) fn schema(&self) -> Option<&SchemaRef> {
        self.schema.as_ref()
    }

    /// Takes a message; gives its rows where it has some.
    ///
    /// # Errors
    /// What the library says of it.
    pub(super) fn take(&mut self, whole: &Buffer, head: Range<usize>) -> Result<Option<RecordBatch>, String> {
        let body = whole.slice(head.end);
        let head = whole.get(head).ok_or("the head of a message is out of bounds")?;
        let message = root_as_message(head).map_err(|error| format!("metadata: {error}"))?;
        let words = |error: ArrowError| error.to_string();
        if message.header_type() == MessageHeader::Schema {
            let schema = message.header_as_schema().ok_or("the schema cannot be read")?;
            if !schema.endianness().equals_to_target_endianness() {
                return Err("unsupported endianness".into());
            }
            if self.schema.is_some() {
                return Err("a second schema".into());
            }
            self.schema = Some(Arc::new(try_fb_to_schema(schema).map_err(words)?));
            return Ok(None);
        }
        let version = message.version();
        let schema = self.schema.clone().ok_or("rows before their schema")?;
        if let Some(dictionary) = message.header_as_dictionary_batch() {
            read_dictionary(&body, dictionary, &schema, &mut self.dictionaries, &version).map_err(words)?;
            return Ok(None);
        }
        let Some(rows) = message.header_as_record_batch() else { return Ok(None) };
        let decoder = RecordBatchDecoder::try_new(&body, rows, schema, &self.dictionaries, &version);
        decoder
            .and_then(|decoder| decoder.with_require_alignment(false).read_record_batch())
            .map(Some)
            .map_err(words)
    }
}
