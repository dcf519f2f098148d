//! The client, in a program that was built without it.

use std::convert::Infallible;

use crate::error::left_out;
use crate::settings::Secret;

/// Where something listens, which this program asks nothing.
#[derive(Debug, Clone)]
pub struct Endpoint(Infallible);

/// An answer, whatever it says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Its body.
    pub body: Vec<u8>,
}

impl Endpoint {
    /// Refuses all.
    ///
    /// # Errors
    /// In every case.
    pub fn parse(_: &str, _: u16) -> Result<Self, String> {
        Err(left_out("HTTP", "telemetry"))
    }

    /// Never called.
    pub fn shown(&self) -> String {
        match self.0 {}
    }

    /// Never called.
    ///
    /// # Errors
    /// None.
    pub async fn get(&self, _: &str, _: Option<&Secret>, _: usize) -> Result<Answer, String> {
        match self.0 {}
    }
}
