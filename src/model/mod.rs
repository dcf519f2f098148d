//! What a row is made of, whatever brought it and wherever it goes.

pub mod decimal;
pub mod numbers;
pub mod values;
