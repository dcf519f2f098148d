//! What a row is made of, whatever brought it and wherever it goes.

pub mod calendar;
pub mod decimal;
pub mod normalise;
pub mod numbers;
pub mod text;
pub mod value;
pub mod values;
