//! The dead-letter queue of a load: which it is, and what goes there before there is an engine.

use std::fs::{Metadata, metadata};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tokio::runtime::Handle;

use super::Load;
use crate::app::dead_letters_only::{DeadLettersOnlySink, Salvaged};
use crate::dataset::Dataset;
use crate::dlq::names::{Kind, kind, live};
use crate::dlq::remote::is_elsewhere;
use crate::dlq::{DlqWriter, RunInfo};
use crate::error::{Error, Result};
use crate::source::{Input, OpenOptions, Peeked};
use crate::telemetry::result::DlqResult;
use crate::telemetry::snapshot::Books;
use crate::text::flags::DLQ;
use crate::text::number_format;

impl Load<'_> {
    /// Rows that were taken from a pipe go to the dead-letter queue; the error says so.
    pub(super) fn salvage(&self, error: Error, peeked: Option<Peeked>, dead: Option<&DlqWriter>) -> Error {
        let (Some(peeked), Some(dead)) = (peeked, dead) else { return error };
        if peeked.opened.replayable {
            return error;
        }
        self.stop.set();
        let mut graveyard = DeadLettersOnlySink { dead, runtime: Handle::current(), books: Books::default() };
        let input = &self.inputs[peeked.index];
        let chosen = peeked.opened.chosen.layout.as_deref().and_then(|layout| self.layouts.data(layout));
        let reading = chosen.as_ref().unwrap_or(&self.plan.data).reading().unwrap_or_default();
        let saved = tokio::task::block_in_place(|| peeked.bury(input, &reading, &mut graveyard));
        let (books, path) = (graveyard.books, dead.path().display().to_string());
        let rows = books.rejected;
        let said = match saved {
            Err(lost) => {
                let sentence = format!("{error}; and what was read of stdin is lost: {lost}");
                // As where the queue takes nothing later on.
                match books.read > rows {
                    true => Error::unavailable(sentence),
                    false => Error::internal(sentence),
                }
            }
            Ok(()) if books.read == 0 => return error,
            Ok(()) => error.clone().and(&format!(
                "; {} already read from stdin {} in {path}",
                number_format::plural(rows, "row"),
                if rows == 1 { "is" } else { "are" },
            )),
        };
        let dlq = DlqResult { path: Some(path), records: dead.records(), rows: dead.rows() };
        said.caused_by(Salvaged { books, dlq, error })
    }

    pub(super) fn dead_letters(&self, dataset: Option<&Dataset>) -> Result<DlqWriter> {
        // Before the dataset of a pipe is known its rows have no name of their own.
        let name = dataset.map_or("unknown", |d| &d.name);
        let path = self.plan.rejects.dlq.clone().unwrap_or_else(|| dlq_path(name));
        if !is_elsewhere(&path)
            && let Kind::Segment(_) = kind(&path)
        {
            return Err(Error::usage(format!(
                "{DLQ} {}: by its name that is a part of the queue {}; give that, or a name without a number at its end",
                path.display(),
                live(&path).display()
            )));
        }
        if let Some(input) =
            self.inputs.iter().find(|input| self.letters().is_none() && is_file_of(input, &path))
        {
            return Err(Error::usage(format!(
                "the dead-letter queue {} is one of the inputs, {}: rows that fail would be written into it; name another queue with {DLQ}{}",
                path.display(),
                input.name,
                if self.plan.rejects.dlq.is_none() { ", or replay it with mdsctl replay-dlq" } else { "" }
            )));
        }
        DlqWriter::open_bounded(path, self.run_info(name), self.plan.rejects.dlq_max_bytes)
    }

    /// How inputs are opened: rows of a pipe that are too long for one are kept beside the queue.
    pub(super) fn open_options(&self) -> OpenOptions {
        // Beside an address there is no folder.
        let local = |queue: &PathBuf| !is_elsewhere(queue);
        let queue = self.plan.rejects.dlq.clone().filter(local).unwrap_or_else(|| dlq_path("long"));
        let mut options = self.plan.open.clone();
        if !self.plan.rejects.dry_run {
            options.csv.keep = Some(queue.with_file_name(format!("long-{}", self.caller.run_id)));
        }
        options
    }

    /// What dead letters say of this run.
    pub(super) fn run_info(&self, dataset: &str) -> RunInfo {
        let tenant_id = self.plan.to.tenant.clone();
        let table = self.plan.data.table.clone().filter(|table| table != dataset);
        RunInfo { run_id: self.caller.run_id, dataset: dataset.to_owned(), table, tenant_id }
    }
}

/// Whether that is the file of an input, under whatever name.
fn is_file_of(input: &Input, path: &Path) -> bool {
    let id = |path: &Path| metadata(path).ok().filter(Metadata::is_file).map(|file| (file.dev(), file.ino()));
    let (own, queue) = (input.path.as_deref().and_then(id), id(path));
    own.is_some() && own == queue
}

/// The queue of a dataset where no flag names one.
fn dlq_path(dataset: &str) -> PathBuf {
    let plain = |c: char| if c.is_alphanumeric() || matches!(c, '.' | '-' | '_') { c } else { '_' };
    Path::new(".dlq").join(format!("{}.ndjson", dataset.chars().map(plain).collect::<String>()))
}
