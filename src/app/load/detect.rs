//! Which dataset the inputs are of, by what the first of them shows.

use std::sync::Arc;

use arrow::datatypes::Schema;

use crate::app::load::Load;
use crate::dataset::{Dataset, by_name, detection};
use crate::error::{Error, Result};
use crate::pipeline::glimpse::Glimpse;
use crate::source::{Chosen, OpenOptions, Opened, Peeked, detected, peek};

impl Load<'_> {
    /// The dataset of an input with these columns, for which that was chosen.
    pub(super) fn of_columns(&self, schema: &Schema, chosen: &Chosen) -> Result<Dataset> {
        let data = chosen.layout.as_deref().and_then(|layout| self.layouts.data(layout));
        let data = data.as_ref().unwrap_or(&self.plan.data);
        match chosen.dataset.as_deref().and_then(by_name) {
            Some(dataset) => Ok(dataset.clone()),
            None => detection::detect(schema, &data.columns(None)).cloned(),
        }
    }

    /// Takes note of an input of which nothing is known yet.
    fn see_unknown(&self, peeked: &Peeked, name: &Arc<str>, options: &OpenOptions) {
        let mut glimpse = Glimpse::default();
        glimpse.detected = detected(&peeked.opened, options);
        for batch in &peeked.first {
            glimpse.came(name, &batch.columns, &batch.rows);
        }
        glimpse.look_at_the_rest();
        self.see(glimpse);
    }

    /// Looks into the inputs until one shows its columns.
    pub(super) fn detect(&self, peeked: &mut Option<Peeked>) -> Result<Dataset> {
        let options = self.open_options();
        let mut failed = None;
        for (index, input) in self.inputs.iter().enumerate() {
            match peek(index, input, &options, &self.stop, &self.meter) {
                Ok(Peeked { opened: Opened { void: Some(error), .. }, .. }) => {
                    failed.get_or_insert(error);
                }
                Ok(seen) => {
                    let seen = peeked.insert(seen);
                    self.see_unknown(seen, &input.name, &options);
                    if let Some(what) = seen.opened.decoder.objection() {
                        let error = Error::usage(format!("{}: {what}", input.name));
                        return Err(seen.opened.chosen.perhaps_else(error));
                    }
                    return match seen.schema() {
                        Some(schema) => {
                            let mut found = self.of_columns(&schema, &seen.opened.chosen);
                            while found.is_err() && seen.look_on(input)? {
                                found = match seen.schema() {
                                    Some(schema) => self.of_columns(&schema, &seen.opened.chosen),
                                    None => break,
                                };
                            }
                            found.map_err(|e| {
                                let error = || seen.opened.chosen.perhaps_else(e.at(&input.name));
                                seen.no_rows(input).unwrap_or_else(error)
                            })
                        }
                        None => Err(Error::input(
                            match seen.first.iter().flat_map(|batch| &batch.broken).next() {
                                Some(broken) => {
                                    format!("{}: row {}: {}", input.name, broken.row, broken.message)
                                }
                                None => format!("{}: it has no rows", input.name),
                            },
                        )),
                    };
                }
                Err(error) => {
                    failed.get_or_insert(error);
                }
            }
        }
        Err(failed.unwrap_or_else(|| Error::input("there is nothing to load")))
    }
}
