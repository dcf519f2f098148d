//! What a load would do, and what a refused one lacks, for people: one screen.

use crate::pipeline::glimpse::Sample;
use crate::report::page::Page;
use crate::report::style::{Ink, Style};
use crate::telemetry::preview::{Preview, RejectExample};
use crate::text::fit::{columns_of, shorten};
use crate::text::phrases::{list, shell_word};

/// Columns of the table that a refusal shows.
const MOST_COLUMNS: usize = 9;
/// Columns of an input of which nothing is known that it shows.
const MOST_UNKNOWN: usize = 10;
/// Characters of a value.
const MOST_CHARS: usize = 28;
/// Characters of the name of a column.
const MOST_NAME: usize = 24;

/// What was found out of the input, and by what.
pub(super) fn detected(page: &mut Page, preview: &Preview) {
    for fact in &preview.detected {
        let why = if fact.why.is_empty() { String::new() } else { format!(" ({})", shorten(&fact.why, 150)) };
        page.entry(&fact.what, &format!("{}{why}", fact.is), Ink::Plain);
    }
}

/// The columns of the table, by what they are fed, and their first values, as they came and as they are stored.
pub(super) fn columns(page: &mut Page, preview: &Preview, most: usize) {
    let shown = &preview.columns[..preview.columns.len().min(most)];
    let cut = |name: &str| shorten(name, MOST_NAME);
    let sources: Vec<String> = shown
        .iter()
        .map(|column| match column.from {
            "column" => cut(&column.source.join("+")),
            "value" => "(given)".to_owned(),
            "null" => "(null)".to_owned(),
            "missing" => "?".to_owned(),
            _ => "(of the row)".to_owned(),
        })
        .collect();
    let width = |names: &mut dyn Iterator<Item = usize>| names.max().unwrap_or(0);
    let targets = width(&mut shown.iter().map(|column| columns_of(&cut(&column.target))));
    let widest = width(&mut sources.iter().map(|source| columns_of(source)));
    for (place, (column, source)) in shown.iter().zip(&sources).enumerate() {
        let label = if place == 0 { "columns" } else { "" };
        let samples = |of: &dyn Fn(&Sample) -> Option<String>| {
            let one = |sample| of(sample).map_or("null".to_owned(), |value| shorten(&value, MOST_CHARS));
            let mut all: Vec<String> = column.samples.iter().map(one).collect();
            // One value in all rows needs no repetition.
            if all.iter().all(|one| Some(one) == all.first()) {
                all.truncate(1);
            }
            all.join("  ")
        };
        let came = samples(&|sample| sample.came.clone());
        let stored = samples(&|sample| sample.stored.clone());
        let target = cut(&column.target);
        let lead = format!(
            "{target}{} <- {source}{}",
            " ".repeat(targets - columns_of(&target)),
            " ".repeat(widest - columns_of(source))
        );
        let given = column.from == "column" && !column.samples.is_empty();
        let first = if given { &came } else { &stored };
        page.cut_entry(label, &format!("{lead}  {first}"));
        if given && !column.samples.iter().all(is_same) {
            page.cut_entry(
                "",
                &format!("{} stored as  {stored}", " ".repeat((targets + widest + 4).saturating_sub(10))),
            );
        }
    }
    let more = preview.columns.len() - shown.len();
    if more > 0 {
        page.cut_entry("", &format!("and {more} more"));
    }
}

/// Whether a value is stored as it came: a number without zeros at its end is the same one.
fn is_same(sample: &Sample) -> bool {
    let plain = |text: &Option<String>| match text.as_deref() {
        Some(text)
            if text.contains('.') && text.bytes().all(|b| b.is_ascii_digit() || b".-".contains(&b)) =>
        {
            Some(text.trim_end_matches('0').trim_end_matches('.').to_owned())
        }
        text => text.map(str::to_owned),
    };
    plain(&sample.came) == plain(&sample.stored)
}

/// A value that was refused.
pub(super) fn example<'p>(
    preview: Option<&'p Preview>,
    code: &str,
    column: Option<&str>,
) -> Option<&'p RejectExample> {
    preview?.rejects.iter().find(|example| example.code == code && example.column.as_deref() == column)
}

/// The command of a dry run that loads what it has read.
pub(super) fn next(page: &mut Page, preview: &Preview) {
    if let Some(command) = &preview.command {
        page.command("next", "load it with:", command);
    }
}

/// The screen of a load that was refused: lines that end in a line feed each.
pub fn refused(preview: &Preview, style: Style) -> String {
    let mut page = Page::new(style);
    let Preview { input, columns: fed, unused, missing, open, command, .. } = preview;
    page.entry("input", input, Ink::Plain);
    detected(&mut page, preview);
    columns(&mut page, preview, MOST_COLUMNS);
    if fed.is_empty() {
        for (place, column) in unused.iter().take(MOST_UNKNOWN).enumerate() {
            let label = if place == 0 { "found" } else { "" };
            let samples: Vec<String> =
                column.samples.iter().map(|value| shorten(value, MOST_CHARS)).collect();
            page.cut_entry(label, &format!("{}  {}", shorten(&column.name, MOST_NAME), samples.join("  ")));
        }
        let more = unused.len().saturating_sub(MOST_UNKNOWN);
        if more > 0 {
            page.cut_entry("", &format!("and {more} more"));
        }
    } else if !unused.is_empty() {
        page.cut_entry("not used", &list(unused.iter().map(|column| column.name.as_str())));
    }
    if !missing.is_empty() {
        let said = missing.iter().map(|one| {
            let value = one.value.as_deref().map_or(String::new(), |value| format!(" {}", shell_word(value)));
            let by = one.guessed_by.as_deref().map_or(String::new(), |by| format!(" ({by})"));
            format!("{}{value}{by}", one.flag)
        });
        page.entry("missing", &said.collect::<Vec<_>>().join(", "), Ink::Warn);
    }
    if let (Some(open), false) = (open, missing.is_empty()) {
        page.entry("then", &shorten(open, 300), Ink::Warn);
    }
    if let Some(command) = command {
        page.command("run", "", command);
    }
    page.out
}
