//! Inputs that turn out behind rows that are stored not to be what they were: a compressed pipe whose checksum
//! fails, which stands behind its rows and cannot be tried beforehand as that of a file, and a file that was
//! written over while it was read.

use tokio::runtime::Handle;

use crate::app::load::Load;
use crate::app::resume::short;
use crate::app::run_recorder::RunRecorder;
use crate::dataset::Target;
use crate::error::Error;
use crate::pipeline::Report;
use crate::settings::OnConflict;
use crate::telemetry::snapshot::Books;
use crate::text::flags::{FORCE, ON_CONFLICT, RESUME};
use crate::text::number_format::plural;

impl Load<'_> {
    /// Says of such inputs which rows nothing proves and what to do with them, and notes it in the history,
    /// so that no later run takes them for good and goes on behind them.
    pub(super) fn doubt(
        &self,
        report: &mut Report,
        target: &Target,
        books: &Books,
        keeper: Option<&RunRecorder>,
    ) {
        if report.unproven.is_empty() {
            return;
        }
        let errors = &mut report.errors;
        if errors.last().is_none_or(|(_, told)| *told) {
            let names: Vec<&str> = report.unproven.iter().map(|at| &*self.inputs[*at].name).collect();
            errors.push((Error::input(format!("{} could not be read as it was", names.join(", "))), false));
        }
        let Some((error, _)) = errors.last_mut() else { return };
        let known = keeper.filter(|keeper| keeper.is_kept() && self.command() == "load");
        let noted = known.map(|keeper| {
            let note = keeper.on_error(Handle::current(), true);
            tokio::task::block_in_place(|| report.unproven.iter().try_for_each(|place| note(*place, error)))
        });
        let named = matches!(noted, Some(Ok(()))) && self.resumable();
        *error = error.clone().and(&self.of_unproven(target, books, named));
        if let Some(Err(why)) = noted {
            *error = error.clone().and(&format!(
                "; that could not be noted in the history ({why}): do not go on with {RESUME}"
            ));
        }
    }

    /// What to do with the rows; `named` is whether a later run knows the inputs again.
    fn of_unproven(&self, target: &Target, books: &Books, named: bool) -> String {
        let stand = books.inserted + books.updated + books.unchanged;
        let table = &target.table;
        let rows = format!(
            "; {} of run {} {} in {table}, and nothing proves them",
            plural(stand, "row"),
            short(self.caller.run_id),
            if stand == 1 { "is" } else { "are" },
        );
        let again = match (target.is_keyed(), self.engine.on_conflict) {
            (false, _) => {
                let force = if named { format!("{FORCE} and ") } else { String::new() };
                return format!(
                    "{rows}: {table} has no key, so take them out of it first (all rows, where it was empty before), or they are there twice; then run the same command again with {force}the mended input"
                );
            }
            (true, OnConflict::Update) if named => format!("{RESUME} and "),
            (true, OnConflict::Update) => String::new(),
            (true, OnConflict::Skip | OnConflict::Error) => format!("{ON_CONFLICT} update and "),
        };
        format!(
            "{rows}: run the same command again with {again}the mended input, which writes over them; a row whose key was damaged is not written over, so compare the number of rows"
        )
    }
}
