//! What is said of a run beside its books: what was deduced, left out, passed over.

use std::collections::BTreeMap;

use crate::dataset::mapper::{CUT, FROM_NAME, SHARED, is_deduction};
use crate::decode::Passed;
use crate::pipeline::Report;
use crate::pipeline::keys::Shared;
use crate::settings::OnConflict;
use crate::telemetry::preview::Preview;
use crate::text::number_format::{count, plural};

/// Sentences for the summary and for programs.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// What needs a look.
    pub(crate) warnings: Vec<String>,
    /// What was left out, passed over, made null, found implausible.
    pub(crate) notes: Vec<String>,
    /// What was deduced of the rows.
    pub(crate) deductions: Vec<String>,
    /// What was deduced of the inputs; for programs.
    pub(crate) forms: Vec<String>,
    /// What a dry run has seen.
    pub(crate) preview: Option<Box<Preview>>,
}

impl Said {
    /// Of what was read.
    pub(crate) fn of(report: &Report, on_conflict: OnConflict) -> Self {
        let (deductions, notes) = notes(report).into_iter().partition(|note| is_deduction(note));
        let mut said = Self { notes, deductions, forms: of_inputs(&report.forms), ..Self::default() };
        if let Some(shared) = report.keys.shared() {
            let into = if shared.is_loud() { &mut said.warnings } else { &mut said.notes };
            into.push(sharing(&shared, on_conflict));
        }
        said
    }
}

/// Rows that are one in the table.
fn sharing(shared: &Shared, on_conflict: OnConflict) -> String {
    let about = if shared.about { "about " } else { "" };
    let stays = match on_conflict {
        OnConflict::Update => "the last row of a key stays",
        OnConflict::Skip => "the first row of a key stays",
        OnConflict::Error => "the first row of a key stays, the others are rejected",
    };
    let example = shared.example.as_ref().map(|example| {
        let [(first, a), (second, b)] = &example.rows;
        let named =
            |source: &str| if source == "-" { "standard input".to_owned() } else { source.to_owned() };
        let place = match first == second {
            true => format!("rows {a} and {b} of {}", named(first)),
            false => format!("row {a} of {} and row {b} of {}", named(first), named(second)),
        };
        format!(": for instance {place}, {}", example.key)
    });
    let left = shared.of - shared.surplus.min(shared.of);
    format!(
        "{about}{} of {} share their key with other rows of the input, and {stays}, so that {about}{} {} left{}",
        count(shared.rows),
        plural(shared.of, "row"),
        count(left),
        if left == 1 { "is" } else { "are" },
        example.unwrap_or_default()
    )
}

/// Sentences, each with the number of inputs that it is about.
fn of_inputs(sentences: &BTreeMap<String, usize>) -> Vec<String> {
    let sentence = |(text, inputs): (&String, &usize)| match inputs {
        1 => text.clone(),
        inputs => format!("{text} (in {inputs} inputs)"),
    };
    sentences.iter().map(sentence).collect()
}

/// What the names of files have told: one sentence, where there are many.
fn of_names(sentences: &BTreeMap<String, usize>) -> Vec<String> {
    let read = |text: &String| {
        let (column, value) = text.strip_suffix(FROM_NAME)?.split_once(" is ")?;
        Some((column.to_owned(), value.to_owned()))
    };
    let told: Vec<(String, String)> = sentences.keys().filter_map(read).collect();
    match &told[..] {
        [(column, first), (_, second), (_, third), rest @ ..] => {
            let others = match rest.len() {
                0 => format!(", {second} and {third}"),
                count => format!(", {second}, {third} and {}", plural(count as u64, "other")),
            };
            vec![format!("{column} is {first}{others}, from the files' names")]
        }
        _ => of_inputs(sentences),
    }
}

fn notes(report: &Report) -> Vec<String> {
    let (named, others): (BTreeMap<_, _>, BTreeMap<_, _>) =
        report.notes.clone().into_iter().partition(|(note, _)| note.ends_with(FROM_NAME));
    let mut notes = of_inputs(&others);
    notes.extend(of_names(&named));
    notes.extend(passed(&report.passed));
    for (what, rows) in &report.findings {
        notes.push(sentence(what, *rows));
    }
    notes
}

/// The sentence of a finding that so many rows share.
fn sentence(finding: &str, rows: u64) -> String {
    let count = plural(rows, "row");
    match (finding, rows) {
        (SHARED, 1) => format!(
            "{count} without an id equals one that the file before ended with, and is stored once; if it is a fill of its own, load the files as one: cat FILE FILE | mdsctl load -"
        ),
        (SHARED, _) => format!(
            "{count} without an id equal those that the file before ended with, and are stored once; if they are fills of their own, load the files as one: cat FILE FILE | mdsctl load -"
        ),
        (CUT, 1) => format!(
            "{count} without an id equals one that the file before ended with, and is stored as a fill of its own, as in one file that was cut in two; if it was sent twice, delete what was loaded and load each file by a command of its own"
        ),
        (CUT, _) => format!(
            "{count} without an id equal those that the file before ended with, and are stored as fills of their own, as in one file that was cut in two; if they were sent twice, delete what was loaded and load each file by a command of its own"
        ),
        _ => format!("{finding} in {count}"),
    }
}

/// Lines that are not rows.
fn passed(passed: &Passed) -> Vec<String> {
    let first = passed.comment.as_deref().map(|text| format!(", the first: {text}")).unwrap_or_default();
    let whole = passed.whole.as_ref().map_or(String::new(), |(path, value)| {
        format!("without the part that {path} leads to, for which they are null; the first is {value}")
    });
    let field = passed.field.as_deref().unwrap_or_default();
    let counted = [
        (passed.comments, "comment line", format!("passed over{first}")),
        (passed.separators, "line", "that names the delimiter passed over".to_owned()),
        (passed.headers, "repeated header line", "passed over".to_owned()),
        (passed.blank, "blank line", "passed over".to_owned()),
        (passed.zeros, "zero byte", "passed over, where a writer has left a hole".to_owned()),
        (passed.longer, "row", "with an empty field behind the last column, which is left out".to_owned()),
        (
            passed.left.len() as u64,
            "column",
            format!("left out of rows that columns become: {}", passed.left.join(", ")),
        ),
        (passed.groups, "row", "of those that columns become left out, without a value".to_owned()),
        (passed.partless, "value", whole),
        (passed.shorter, "row", "without the last field, which has no name in the header".to_owned()),
        (
            passed.fields,
            "value",
            format!("not loaded of fields behind the first 1,024, the first of which is {field:?}"),
        ),
    ];
    let said = |(count, word, what): (u64, &str, String)| {
        (count > 0).then(|| format!("{} {what}", plural(count, word)))
    };
    let by_layout = passed.counted.iter().map(|((word, what), count)| (*count, *word, what.clone()));
    counted.into_iter().chain(by_layout).filter_map(said).collect()
}
