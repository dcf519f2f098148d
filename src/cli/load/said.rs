//! What is said of a run beside its books: what was deduced, left out, passed over.

use crate::decode::Passed;
use crate::observe::figures::plural;
use crate::source::pipeline::Report;

/// Sentences for the summary.
pub(super) fn notes(report: &Report) -> Vec<String> {
    let mut notes: Vec<String> = report
        .notes
        .iter()
        .map(|(note, inputs)| match inputs {
            1 => note.clone(),
            inputs => format!("{note} (in {inputs} inputs)"),
        })
        .collect();
    notes.extend(passed(&report.passed));
    for (what, rows) in &report.findings {
        notes.push(format!("implausible, stored all the same: {what} in {}", plural(*rows, "row")));
    }
    notes
}

/// Lines that are no rows.
fn passed(passed: &Passed) -> Vec<String> {
    let first = passed.comment.as_deref().map(|text| format!(", the first: {text}")).unwrap_or_default();
    let counted = [
        (passed.comments, "comment line", format!("passed over{first}")),
        (passed.separators, "line", "that names the delimiter passed over".to_owned()),
        (passed.headers, "repeated header line", "passed over".to_owned()),
        (passed.blank, "blank line", "passed over".to_owned()),
        (passed.longer, "row", "with an empty field behind the last column, which is left out".to_owned()),
        (passed.shorter, "row", "without the last field, which has no name in the header".to_owned()),
    ];
    let said = |(count, word, what): (u64, &str, String)| {
        (count > 0).then(|| format!("{} {what}", plural(count, word)))
    };
    counted.into_iter().filter_map(said).collect()
}
