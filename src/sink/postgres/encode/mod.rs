//! Values in the forms that COPY BINARY takes.

pub(super) mod array;
pub(super) mod array_literal;
pub(super) mod column;
pub(super) mod comparison;
pub(super) mod copy_buffer;
pub(super) mod digits;
pub(super) mod encoder;
pub(super) mod hash;
pub(super) mod labels;
pub(super) mod numeric;
pub(super) mod refusal;
pub(super) mod time_of_day;
#[cfg(test)]
pub(super) mod type_matrix;
pub(super) mod uuid;
