//! What a replay came to, for people and for programs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::app::exit::Exit;
use crate::report::letters::plain;
use crate::settings::EngineSettings;
use crate::telemetry::result::{RowsResult, RunFacts, RunResult};
use crate::telemetry::run_counters::RunCounters;
use crate::text::flags::TENANT;
use crate::text::number_format::plural;

/// What has been done so far.
#[derive(Default)]
pub struct Report {
    /// The runs of the engine.
    pub results: Vec<RunResult>,
    /// What went wrong apart from that, a sentence each.
    pub errors: Vec<String>,
    /// The queues that were read.
    pub files: Vec<String>,
    /// Whether a queue could not be looked at.
    pub failed: bool,
    /// Rows that the filters mean.
    pub meant: u64,
    /// Rows that are older than what the store has.
    pub older: u64,
    /// Rows whose commit had come through.
    pub already: u64,
    /// Rows that went back unread.
    pub carried: u64,
    /// Rows among them whose table cannot be found.
    pub unmapped_targets: u64,
    /// Rows of other tenants, and who that is of the first of them.
    pub foreign: (u64, Option<String>),
    /// Where lines that are not records went.
    pub aside: Option<String>,
    /// Rows that went aside.
    pub parked: u64,
    /// Rows that were taken out without being loaded.
    pub discarded: u64,
    /// Lines that are not records.
    pub damaged: u64,
    /// Files of the archive that were written.
    pub archived: Vec<String>,
}

impl Report {
    /// A sentence each.
    pub fn sentences(&self) -> Vec<String> {
        let mut all = Vec::new();
        if self.files.is_empty() && !self.failed {
            all.push("nothing to replay: the dead-letter queue is empty".to_owned());
        } else if self.meant == 0 && !self.files.is_empty() && self.foreign.0 == 0 {
            all.push("nothing to replay: no dead letter is meant by these filters".to_owned());
        }
        let others = self.carried.saturating_sub(self.unmapped_targets + self.foreign.0);
        for (rows, one, many) in [
            (others, "not meant, left in the queue as it is", "not meant, left in the queue as they are"),
            (
                self.unmapped_targets,
                "left in the queue as it is, since it could not be sent anywhere",
                "left in the queue as they are, since they could not be sent anywhere",
            ),
            (
                self.already,
                "stored already, since its commit had come through",
                "stored already, since their commits had come through",
            ),
            (self.parked, "tried too often, parked", "tried too often, parked"),
            (self.discarded, "discarded", "discarded"),
        ] {
            if rows > 0 {
                all.push(format!("{}: {}", plural(rows, "row"), if rows == 1 { one } else { many }));
            }
        }
        if let (rows @ 1.., Some(whose)) = &self.foreign {
            all.push(format!(
                "{}: of another tenant than the one of {TENANT} ({}), left in the queue as {}",
                plural(*rows, "row"),
                plain(whose),
                if *rows == 1 { "it is" } else { "they are" }
            ));
        }
        if let Some(aside) = &self.aside {
            let what = if self.damaged == 1 { "not a record" } else { "not records" };
            all.push(format!("{}: {what}, kept in {aside}", plural(self.damaged, "line")));
        }
        all.extend(self.archived.iter().map(|file| format!("archived in {file}")));
        all
    }

    /// What became of the rows of all runs.
    fn rows(&self) -> RowsResult {
        let mut all = RowsResult::default();
        for result in &self.results {
            all.books.add(&result.rows.books);
            all.lost += result.rows.lost;
        }
        all
    }

    /// Whether every row that the runs have read has exactly one outcome.
    ///
    /// # Errors
    /// One sentence with the numbers, when not.
    pub fn closes(&self) -> Result<(), String> {
        let RowsResult { books, lost, .. } = self.rows();
        books.closes_but_for(lost)
    }

    /// The result for programs: that of a load, summed up, and what is particular to a replay.
    pub fn json(&self, exit: Exit, store: &str, dry_run: bool) -> Value {
        let mut all = match self.results.as_slice() {
            [] => {
                let nothing = RunCounters::new(&EngineSettings::default()).snapshot();
                let facts =
                    RunFacts { command: "replay-dlq".into(), store: store.into(), ..RunFacts::default() };
                let mut all = serde_json::to_value(RunResult::new(&nothing, facts)).unwrap_or_default();
                if let Some(run_id) = all.get_mut("run_id") {
                    *run_id = Value::Null;
                }
                all
            }
            [first, more @ ..] => {
                let mut all = serde_json::to_value(first).unwrap_or_default();
                if let Some(rows) = all.get_mut("rows") {
                    *rows = json!(self.rows());
                }
                for result in more {
                    let next = serde_json::to_value(result).unwrap_or_default();
                    add(all.get_mut("dlq"), next.get("dlq"));
                    for field in ["bytes_read", "elapsed_s", "retries"] {
                        let sum = add_numbers(all.get(field), next.get(field));
                        if let (Some(place), Some(sum)) = (all.get_mut(field), sum) {
                            *place = sum;
                        }
                    }
                    if all.get("dataset") != next.get("dataset")
                        && let Some(place) = all.get_mut("dataset")
                    {
                        *place = Value::Null;
                    }
                }
                all
            }
        };
        if let Some(all) = all.as_object_mut() {
            all.insert("inputs".into(), json!(self.files));
            all.insert(
                "replay".into(),
                json!({"meant": self.meant, "already_stored": self.already, "older_than_stored": self.older, "carried": self.carried,
                    "parked": self.parked, "discarded": self.discarded, "damaged": self.damaged, "other_tenants": self.foreign.0,
                    "archived": self.archived}),
            );
            all.insert("exit_code".into(), json!(exit as u8));
            let of_runs = self.results.iter().filter_map(|result| result.error.as_ref());
            let errors: Vec<&str> = of_runs.chain(&self.errors).map(String::as_str).collect();
            all.insert(
                "error".into(),
                if errors.is_empty() { Value::Null } else { json!(errors.join("; ")) },
            );
            all.insert("dry_run".into(), json!(dry_run));
            let each = |of: fn(&RunResult) -> &Vec<String>| -> BTreeSet<&String> {
                self.results.iter().flat_map(of).collect()
            };
            let notes: Vec<String> =
                each(|result| &result.notes).into_iter().cloned().chain(self.sentences()).collect();
            all.insert("notes".into(), json!(notes));
            all.insert("deductions".into(), json!(each(|result| &result.deductions)));
        }
        all
    }
}

fn add(into: Option<&mut Value>, more: Option<&Value>) {
    let (Some(into), Some(more)) = (into.and_then(Value::as_object_mut), more.and_then(Value::as_object))
    else {
        return;
    };
    for (name, value) in into.iter_mut() {
        if let Some(sum) = add_numbers(Some(value), more.get(name)) {
            *value = sum;
        }
    }
}

fn add_numbers(a: Option<&Value>, b: Option<&Value>) -> Option<Value> {
    match (a?, b?) {
        (a, b) if a.is_u64() && b.is_u64() => Some(json!(a.as_u64()? + b.as_u64()?)),
        (a, b) => Some(json!(((a.as_f64()? + b.as_f64()?) * 1e3).round() / 1e3)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::telemetry::snapshot::Books;

    #[test]
    fn the_books_of_all_runs_are_summed_up_and_a_row_without_an_outcome_is_seen() {
        let run = |books: Books| RunResult {
            rows: RowsResult { books, ..RowsResult::default() },
            ..RunResult::unbegun(RunFacts::default())
        };
        let (first, second) = (
            run(Books { read: 3, inserted: 1, superseded: 2, ..Books::default() }),
            run(Books { read: 4, updated: 1, unchanged: 1, rejected: 1, skipped: 1, ..Books::default() }),
        );
        let mut report = Report { results: vec![first, second], ..Report::default() };
        assert_eq!(report.closes(), Ok(()));
        let rows = &report.json(Exit::Stored, "", false)["rows"];
        assert_eq!(
            (&rows["read"], &rows["superseded"], &rows["rejected"]),
            (&json!(7), &json!(2), &json!(1))
        );
        report.results.push(run(Books { read: 2, inserted: 1, ..Books::default() }));
        let gap = report.closes().unwrap_err();
        assert!(gap.contains("9 rows were read, 8 are accounted for") && gap.ends_with("1 missing"), "{gap}");
    }
}
