//! Which dataset the inputs are of, by what the first of them shows.

use arrow::datatypes::Schema;

use crate::app::load::Load;
use crate::dataset::{Dataset, by_name, detection};
use crate::error::{Error, Result};
use crate::source::{Chosen, Opened, Peeked, peek};

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
                    if let Some(what) = seen.opened.decoder.objection() {
                        return Err(Error::usage(format!("{}: {what}", input.name)));
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
                            let perhaps = &seen.opened.chosen.perhaps;
                            let more = perhaps.as_ref().map_or(String::new(), |more| format!("; {more}"));
                            found.map_err(|e| {
                                seen.no_rows(input).unwrap_or_else(|| e.at(&input.name).and(&more))
                            })
                        }
                        None => Err(Error::input(
                            match seen.first.iter().flat_map(|batch| &batch.broken).next() {
                                Some(broken) => {
                                    format!("{}: row {}: {}", input.name, broken.row, broken.message)
                                }
                                None => format!("{}: there is no row in it", input.name),
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
