//! What a comparison has found, for people and for programs.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::report::page::Page;
use crate::report::style::{Ink, Style};
use crate::telemetry::verified::{Difference, Kind, Verified};
use crate::text::fit::{columns_of, shorten};
use crate::text::flags::EXPORT;
use crate::text::number_format::{count, plural};
use crate::text::visible::visible;

/// Days that are shown.
const DAYS: usize = 20;

/// Rows that are shown.
const ROWS: usize = 10;

/// Columns of the terminal that a value takes at most.
const VALUE: usize = 40;

/// As one object, with the result of the load that has repaired what was found. Rows stand in it as they are exported:
/// no digit of theirs is lost.
pub fn json(found: &Verified, store: &str, repaired: Option<String>, exit: u8) -> String {
    let days: Vec<serde_json::Value> = found
        .days
        .iter()
        .map(|((symbol, day), [missing, different, extra])| {
            serde_json::json!({
                "symbol": symbol, "day": day, "missing": missing, "different": different, "only_in_store": extra,
            })
        })
        .collect();
    let result = Object {
        command: "verify",
        dataset: &found.dataset,
        table: &found.table,
        store,
        inputs: &found.inputs,
        rows: serde_json::json!({
            "read": found.read,
            "rejected": found.rejected,
            "compared": found.compared,
            "superseded": found.superseded,
            "stored": found.stored,
            "outside": found.outside,
            "missing": found.missing,
            "different": found.different,
            "only_in_store": found.extra,
        }),
        days,
        more_days: found.more_days,
        differences: found
            .differences
            .iter()
            .filter_map(|row| RawValue::from_string(row.to_json()).ok())
            .collect(),
        uncompared: &found.uncompared,
        notes: &found.notes,
        error: (!found.errors.is_empty()).then(|| found.errors.join("; ")),
        repair: repaired.and_then(|result| RawValue::from_string(result).ok()),
        elapsed_s: found.elapsed_s,
        exit_code: exit,
    };
    serde_json::to_string(&result).unwrap_or_default()
}

#[derive(Serialize)]
struct Object<'a> {
    command: &'static str,
    dataset: &'a str,
    table: &'a str,
    store: &'a str,
    inputs: &'a [String],
    rows: serde_json::Value,
    days: Vec<serde_json::Value>,
    more_days: bool,
    differences: Vec<Box<RawValue>>,
    uncompared: &'a [String],
    notes: &'a [String],
    error: Option<String>,
    repair: Option<Box<RawValue>>,
    elapsed_s: f64,
    exit_code: u8,
}

/// In sentences and a table.
pub fn text(found: &Verified, style: Style) -> String {
    let mut page = Page::new(style);
    let table = visible(&found.table);
    if !found.errors.is_empty() {
        page.line(&format!("Not compared with {table}: not all of the input could be read."), Ink::Bad);
    } else if found.is_equal() {
        let all = plural(found.compared, "row");
        page.line(&format!("{table} has all of the input as it is: {all} compared."), Ink::Good);
    } else {
        page.line(&format!("{table} is not what the input says."), Ink::Warn);
    }
    for (label, rows, what) in [
        ("compared", found.compared, "of the input"),
        ("with", found.stored, "of the table"),
        ("missing", found.missing, "in the input alone"),
        ("differ", found.different, "with other values in the table"),
        ("extra", found.extra, "in the table alone"),
        ("refused", found.rejected, "of the input that cannot be stored or not be read"),
        ("replaced", found.superseded, "for which later ones of their key stand"),
        (
            "outside",
            found.outside,
            "of the table in that time, of no series and day of the input: not compared",
        ),
    ] {
        if rows > 0 {
            page.entry(label, &format!("{} {what}", plural(rows, "row")), Ink::Plain);
        }
    }
    if !found.uncompared.is_empty() {
        let columns = found.uncompared.join(", ");
        page.entry(
            "left out",
            &format!("columns whose texts only the server reads: {}", visible(&columns)),
            Ink::Plain,
        );
    }
    found.notes.iter().for_each(|note| page.entry("note", &visible(note), Ink::Plain));
    days(found, &mut page);
    if !found.differences.is_empty() {
        page.line("", Ink::Plain);
        for row in found.differences.iter().take(ROWS) {
            page.paragraph("  ", 4, &sentence(row), Ink::Plain);
        }
        let more = (found.missing + found.different + found.extra).saturating_sub(ROWS as u64);
        if more > 0 {
            page.line(
                &format!("  and {} more; {EXPORT} FILE writes all of them", plural(more, "row")),
                Ink::Plain,
            );
        }
    }
    page.out
}

/// How many rows of each symbol and day differ.
fn days(found: &Verified, page: &mut Page) {
    // Rows without symbol and time are of no day.
    if found.days.keys().all(|(symbol, day)| symbol.is_empty() && day.is_empty()) {
        return;
    }
    let mut rows = vec![["symbol", "day", "missing", "different", "extra"].map(str::to_owned)];
    for ((symbol, day), counts) in found.days.iter().take(DAYS) {
        let [missing, different, extra] =
            counts.map(|rows| if rows == 0 { "-".to_owned() } else { count(rows) });
        rows.push([visible(symbol).into_owned(), visible(day).into_owned(), missing, different, extra]);
    }
    let widths = [0, 1, 2, 3, 4].map(|at| rows.iter().map(|row| columns_of(&row[at])).max().unwrap_or(0));
    page.line("", Ink::Plain);
    for row in &rows {
        let cells: Vec<String> = (0..)
            .zip(row.iter().zip(widths))
            .map(|(at, (cell, width))| {
                let blanks = " ".repeat(width.saturating_sub(columns_of(cell)));
                if at < 2 { format!("{cell}{blanks}") } else { format!("{blanks}{cell}") }
            })
            .collect();
        page.line(&format!("  {}", cells.join("  ").trim_end()), Ink::Plain);
    }
    let more = found.days.len().saturating_sub(DAYS) as u64;
    if more > 0 {
        let or = if found.more_days { " or more" } else { "" };
        page.line(&format!("  and {}{or} beside", plural(more, "day")), Ink::Plain);
    }
}

fn sentence(row: &Difference) -> String {
    let short = |value: &str| shorten(value, VALUE);
    let key: Vec<String> =
        row.key.iter().map(|(column, value)| format!("{column} {}", short(value))).collect();
    let at = row.at.as_ref().map(|(source, row)| format!(" (row {row} of {source})")).unwrap_or_default();
    let what = match row.kind {
        Kind::Missing => "is missing".to_owned(),
        Kind::OnlyInStore => "is in the table alone".to_owned(),
        Kind::Different => {
            let values: Vec<String> = row
                .values
                .iter()
                .map(|(column, input, stored)| format!("{column} is {}, not {}", short(stored), short(input)))
                .collect();
            values.join(", ")
        }
    };
    visible(&format!("{}{at}: {what}", key.join(", "))).into_owned()
}
