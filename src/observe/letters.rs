//! What is in a dead-letter queue, as a table for people.

use chrono::DateTime;

use crate::dlq::survey::{Group, Survey};
use crate::observe::figures::{count, percent, plural};
use crate::observe::style::{Ink, Style};
use crate::observe::text::{shorten, tail, wrap};

/// Groups that are shown.
const MOST_GROUPS: usize = 20;

/// Heights of a bar.
const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII: [&str; 9] = [" ", ".", ".", ":", ":", "|", "|", "#", "#"];

/// A file of a queue, and what it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFile {
    /// Its name.
    pub name: String,
    /// What there is to say of it beside: that a replay has it, or has given it up.
    pub what: Option<&'static str>,
    /// Its rows.
    pub rows: u64,
}

/// The table: lines that end in a line feed each.
pub fn table(files: &[QueueFile], survey: &Survey, by: &str, style: Style) -> String {
    let width = style.width.clamp(40, 200);
    let mut out = String::new();
    let mut line = |text: &str, ink: Ink| {
        out.push_str(&style.paint(ink, text));
        out.push('\n');
    };
    let mut head = format!("{} in {}", plural(survey.rows, "dead row"), plural(survey.records, "record"));
    if let Some((first, last)) = survey.span {
        head += &match minute(first) == minute(last) {
            true => format!(", {} UTC", minute(first)),
            false => format!(", {} to {} UTC", minute(first), minute(last)),
        };
    }
    wrap(&head, width).iter().for_each(|text| line(text, Ink::Strong));
    for file in files {
        let what = file.what.map_or(String::new(), |what| format!(", {what}"));
        let rest = format!(": {}{what}", plural(file.rows, "row"));
        let name = tail(&file.name, width.saturating_sub(rest.chars().count() + 2));
        line(&format!("  {name}{rest}"), Ink::Plain);
    }
    if survey.attempts > 1 {
        line(&format!("  tried up to {} times", survey.attempts), Ink::Plain);
    }
    if let Some((offset, why)) = &survey.damage {
        let more = if survey.damaged == 1 { "is" } else { "are" };
        let text = format!(
            "{} {more} no record and passed over; the first, at byte {offset}, {why}",
            plural(survey.damaged, "line")
        );
        for text in wrap(&text, width - 2) {
            line(&format!("  {}", shorten(&text, width - 2)), Ink::Warn);
        }
    }
    if survey.rows == 0 {
        return out;
    }
    if let Some(picture) = histogram(survey, style, width) {
        line("", Ink::Plain);
        picture.iter().for_each(|text| line(text, Ink::Plain));
    }
    line("", Ink::Plain);
    let groups = survey.sorted();
    let digits = groups.first().map_or(1, |(_, group)| count(group.rows).len()).max(4);
    line(&format!("{:>digits$}  share       by {by}", "rows"), Ink::Faint);
    for (key, group) in groups.iter().take(MOST_GROUPS) {
        let share = percent(group.rows, survey.rows);
        let filled = (share as usize * 5).div_ceil(100).min(5);
        let (full, empty) = if style.unicode { ("█", "░") } else { ("#", ".") };
        let bar = full.repeat(filled) + &empty.repeat(5 - filled);
        let front = format!("{:>digits$}  {share:>3} % {bar}  ", count(group.rows));
        let room = width.saturating_sub(front.chars().count());
        let key = if key.is_empty() { "(all others)" } else { key };
        line(&format!("{front}{}", shorten(key, room)), Ink::Strong);
        details(group, digits + 2, width).iter().for_each(|text| line(text, Ink::Plain));
    }
    if groups.len() > MOST_GROUPS {
        let rest: u64 = groups.iter().skip(MOST_GROUPS).map(|(_, group)| group.rows).sum();
        let more = groups.len() - MOST_GROUPS;
        line(&format!("{:>digits$}  in {more} more groups (--json has all)", count(rest)), Ink::Faint);
    }
    out
}

/// The reason and some rows of a group.
fn details(group: &Group, indent: usize, width: usize) -> Vec<String> {
    let room = width.saturating_sub(indent);
    let pad = " ".repeat(indent);
    let mut lines: Vec<String> = Vec::new();
    for text in wrap(&shorten(&group.message, 3 * room), room).into_iter().filter(|text| !text.is_empty()) {
        lines.push(format!("{pad}{}", shorten(&text, room)));
    }
    for sample in &group.samples {
        let row = format!(" row {}", sample.row);
        let value = sample.value.as_ref().map_or(String::new(), |value| {
            let column = group.column.as_deref().map_or(String::new(), |column| format!("{column} = "));
            format!(": {column}{value}")
        });
        let name = tail(&sample.source, (room / 2).max(8));
        lines.push(format!("{pad}{}", shorten(&format!("{name}{row}{value}"), room)));
    }
    lines
}

/// Rows over time.
fn histogram(survey: &Survey, style: Style, width: usize) -> Option<Vec<String>> {
    let (first, last) = (*survey.minutes.keys().next()?, *survey.minutes.keys().last()?);
    if first == last {
        return None;
    }
    let columns = (width - 12).min(60);
    let span = last.saturating_sub(first).saturating_add(1);
    let mut bars = vec![0u64; columns.min(usize::try_from(span).unwrap_or(columns))];
    let places = bars.len() as i64;
    for (at, rows) in &survey.minutes {
        let place = (i128::from(at.saturating_sub(first)) * i128::from(places) / i128::from(span)) as usize;
        if let Some(bar) = bars.get_mut(place) {
            *bar += rows;
        }
    }
    let most = bars.iter().copied().max().unwrap_or(1).max(1);
    let blocks = if style.unicode { BLOCKS } else { ASCII };
    let height = |rows: u64| if rows == 0 { 0 } else { (rows * 8).div_ceil(most).clamp(1, 8) as usize };
    let picture: String = bars.iter().map(|rows| blocks[height(*rows)]).collect();
    let (from, to) = (minute(first.saturating_mul(60_000_000)), minute(last.saturating_mul(60_000_000)));
    let gap = bars.len().saturating_sub(from.len() + to.len()).max(2);
    Some(vec![format!("  {picture}  max {}", count(most)), format!("  {from}{}{to}", " ".repeat(gap))])
}

fn minute(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| "?".to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
}
