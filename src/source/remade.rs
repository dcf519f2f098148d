//! Rows that are made of those of an input, or chosen among them, as the options say.

use crate::decode::each::EachDecoder;
use crate::decode::only_rows::OnlyRowsDecoder;
use crate::decode::pivot::PivotDecoder;
use crate::decode::split::SplitDecoder;
use crate::decode::unpivot::UnpivotDecoder;
use crate::decode::{DecodeError, Decoder};
use crate::source::OpenOptions;

impl OpenOptions {
    /// Whether rows are made of others, or chosen among them.
    pub fn remakes_rows(&self) -> bool {
        self.unpivot.is_some()
            || self.each.is_some()
            || self.pivot.is_some()
            || !self.split.is_empty()
            || !self.only_rows.is_empty()
    }
}

/// A reader of such rows, over one of those that the input has.
///
/// # Errors
/// Where the input has no columns of which rows can be made.
pub(super) fn remade(
    mut decoder: Box<dyn Decoder>,
    how: &OpenOptions,
) -> Result<Box<dyn Decoder>, DecodeError> {
    if let Some(unpivot) = how.unpivot.as_ref().filter(|_| decoder.objection().is_none()) {
        decoder = Box::new(UnpivotDecoder::open(decoder, unpivot.clone())?);
    }
    if let Some(each) = &how.each {
        decoder = Box::new(EachDecoder::new(decoder, each.clone()));
    }
    if !how.split.is_empty() {
        decoder = Box::new(SplitDecoder::new(decoder, how.split.clone()));
    }
    if !how.only_rows.is_empty() {
        decoder = Box::new(OnlyRowsDecoder::new(decoder, how.only_rows.clone()));
    }
    if let Some(pivot) = &how.pivot {
        decoder = Box::new(PivotDecoder::new(decoder, pivot.clone()));
    }
    Ok(decoder)
}
