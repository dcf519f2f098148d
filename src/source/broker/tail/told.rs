//! What is known of messages while their rows are handed on.

use std::sync::Arc;

use crate::batch::{Origin, Reject};
use crate::decode::Broken;
use crate::pipeline::rejects::{of_broken, with_fields};
use crate::source::broker::tail::Tail;

/// What is known of the messages at hand.
#[derive(Clone, Copy)]
pub(super) struct Told<'t> {
    pub(super) origin: &'t Arc<Origin>,
    /// The ordinal of the first row of each message.
    pub(super) first: &'t [u64],
    /// The ordinal of each good row.
    pub(super) ordinals: &'t [u64],
    /// What is told of each message beside its body.
    pub(super) values: &'t [Box<[Option<String>]>],
}

impl<'t> Told<'t> {
    /// What is told of the message of a row.
    pub(super) fn of(&self, row: u64) -> &'t [Option<String>] {
        let behind = self.first.partition_point(|first| *first <= row);
        let place = behind.checked_sub(1);
        place.and_then(|place| self.values.get(place)).map(|values| &**values).unwrap_or_default()
    }
}

impl Tail {
    /// Rows that could not be read.
    pub(super) fn rejects(&self, broken: Vec<Broken>, told: Told<'_>) -> Vec<Reject> {
        let Some(mapper) = &self.mapper else { return Vec::new() };
        let reading = with_fields(self.bodies.fields(), &mapper.reading());
        let (beside, settings) = (&self.about.beside, &self.with.mapper);
        let reject = |broken: Broken| {
            let reading = beside.note(&reading, told.of(broken.row), settings);
            of_broken(broken, told.origin, &reading)
        };
        broken.into_iter().map(reject).collect()
    }
}
