//! The table: totals, rows over time, and the groups with their reasons and samples.

use chrono::DateTime;

use crate::dlq::groups::{Group, Sample, Shown};
use crate::dlq::stats::QueueStats;
use crate::report::letters::{Findings, QueueFile};
use crate::report::style::{Ink, Style};
use crate::text::fit::{columns_of, shorten, tail, wrap};
use crate::text::flags::JSON;
use crate::text::number_format::{count, percent, plural};

/// Groups that are shown.
const MOST_GROUPS: usize = 20;

/// Files that are shown.
const MOST_FILES: usize = 10;

/// Lines of a reason that are shown.
const MOST_LINES: usize = 3;

/// Widths of a table, in columns.
const WIDTHS: (usize, usize) = (40, 200);

/// Most columns of the picture of rows over time.
const PICTURE: usize = 60;

/// Heights of a bar.
const BLOCKS: [&str; 9] = [" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];
const ASCII: [&str; 9] = [" ", ".", ".", ":", ":", "|", "|", "#", "#"];

/// Lines that end in a line feed each, none wider than the style's width (40 at least).
pub fn table(found: Findings<'_>, style: Style) -> String {
    let Findings { files, survey, by } = found;
    let mut table = Table { out: String::new(), width: style.width.clamp(WIDTHS.0, WIDTHS.1), style };
    table.totals(files, survey);
    if survey.rows > 0 {
        table.picture(survey);
        table.groups(survey, by);
    }
    table.out
}

struct Table {
    out: String,
    width: usize,
    style: Style,
}

impl Table {
    fn line(&mut self, text: &str, ink: Ink) {
        self.out.push_str(&self.style.paint(ink, text.trim_end()));
        self.out.push('\n');
    }

    /// Words in as many lines as they need, but at most so many, behind so many blanks.
    fn words(&mut self, text: &str, indent: usize, most: usize, ink: Ink) {
        let room = self.width.saturating_sub(indent);
        let lines = wrap(text, room);
        let more = lines.len() > most;
        for (number, line) in lines.into_iter().take(most).enumerate() {
            // A word may be wider than a line.
            let line = match more && number + 1 == most {
                true => shorten(&line, room.saturating_sub(2)) + " …",
                false => shorten(&line, room),
            };
            self.line(&format!("{:indent$}{line}", ""), ink);
        }
    }

    fn totals(&mut self, files: &[QueueFile], survey: &QueueStats) {
        let mut head = format!("{} in {}", plural(survey.rows, "dead row"), plural(survey.records, "record"));
        if let Some((first, last)) = survey.span {
            head += &match minute(first) == minute(last) {
                true => format!(", {} UTC", minute(first)),
                false => format!(", {} to {} UTC", minute(first), minute(last)),
            };
        }
        self.words(&head, 0, usize::MAX, Ink::Strong);
        for file in files.iter().take(MOST_FILES) {
            let what = file.what.map_or(String::new(), |what| format!(", {what}"));
            let rest = format!(": {}{what}", plural(file.rows, "row"));
            let name = tail(&file.name, self.width.saturating_sub(columns_of(&rest) + 2));
            self.line(&format!("  {name}{rest}"), Ink::Plain);
        }
        if let Some(more) = files.get(MOST_FILES..).filter(|more| !more.is_empty()) {
            let rows = more.iter().map(|file| file.rows).sum();
            self.line(&format!("  {} more files: {}", more.len(), plural(rows, "row")), Ink::Plain);
        }
        if survey.attempts > 1 {
            self.line(&format!("  tried up to {} times", survey.attempts), Ink::Plain);
        }
        if survey.raw > 0 {
            let text = format!("of {} only the input as it came is kept", plural(survey.raw, "row"));
            self.words(&text, 2, usize::MAX, Ink::Plain);
        }
        if let Some(((file, offset), why)) = &survey.damage {
            let place = match files.get(*file) {
                Some(file) if files.len() > 1 => format!("at byte {offset} of {}", file.name),
                _ => format!("at byte {offset}"),
            };
            let text = match survey.damaged {
                1 => format!("1 line is damaged and passed over, {place}: it {why}"),
                n => format!("{} lines are damaged and passed over; the first, {place}, {why}", count(n)),
            };
            self.words(&text, 2, usize::MAX, Ink::Warn);
        }
    }

    fn groups(&mut self, survey: &QueueStats, by: &[&str]) {
        let groups = survey.groups.sorted();
        let digits = groups.iter().map(|(_, group)| count(group.rows).len()).max().unwrap_or(1).max(4);
        self.line("", Ink::Plain);
        self.line(&format!("{:>digits$}  share        by {}", "rows", by.join(", ")), Ink::Faint);
        for (key, group) in groups.iter().take(MOST_GROUPS) {
            let share = percent(group.rows, survey.rows);
            let filled = usize::try_from(share).unwrap_or(100).min(100).div_ceil(20);
            let (full, empty) = if self.style.unicode { ("█", "░") } else { ("#", ".") };
            let bar = full.repeat(filled) + &empty.repeat(5 - filled);
            let front = format!("{:>digits$}  {share:>3} % {bar}  ", count(group.rows));
            let room = self.width.saturating_sub(front.chars().count());
            let key = if key.is_empty() { "(all others)".to_owned() } else { key.join(", ") };
            self.line(&format!("{front}{}", shorten(&key, room)), Ink::Strong);
            self.details(group, digits + 2);
        }
        if let Some(more) = groups.get(MOST_GROUPS..).filter(|more| !more.is_empty()) {
            let rest = more.iter().map(|(_, group)| group.rows).sum();
            let text = format!("{:>digits$}  in {} more groups ({JSON} has all)", count(rest), more.len());
            self.line(&text, Ink::Faint);
        }
    }

    /// The reason and some rows of a group.
    fn details(&mut self, group: &Group, indent: usize) {
        match group.mixed && !group.message.is_empty() {
            true => self.words(&format!("among others: {}", group.message), indent, MOST_LINES, Ink::Plain),
            false => self.words(&group.message, indent, MOST_LINES, Ink::Plain),
        }
        let room = self.width.saturating_sub(indent);
        for sample in &group.samples {
            let (number, value) = (format!(" row {}", sample.row), value(sample));
            // The end of a path tells it from others; the value matters more.
            let name = tail(&sample.source, (room / 2).saturating_sub(number.len()).max(8));
            let text = shorten(&format!("{name}{number}{value}"), room);
            self.line(&format!("{:indent$}{text}", ""), Ink::Plain);
        }
    }

    /// Rows over time, as bars.
    fn picture(&mut self, survey: &QueueStats) {
        let ends = survey.minutes.first_key_value().zip(survey.minutes.last_key_value());
        let Some(((&first, _), (&last, _))) = ends.filter(|((first, _), (last, _))| first < last) else {
            return;
        };
        let span = last - first + 1;
        let places = usize::try_from(span).unwrap_or(PICTURE).min(PICTURE).min(self.width - 12);
        let mut bars = vec![0u64; places];
        for (at, rows) in &survey.minutes {
            let place = usize::try_from((at - first) * places as i64 / span).unwrap_or(0);
            if let Some(bar) = bars.get_mut(place) {
                *bar += rows;
            }
        }
        let most = bars.iter().copied().max().unwrap_or(1).max(1);
        let blocks = if self.style.unicode { BLOCKS } else { ASCII };
        let height = |rows: u64| (u128::from(rows) * 8).div_ceil(u128::from(most)) as usize;
        let picture: String = bars.iter().filter_map(|rows| blocks.get(height(*rows))).copied().collect();
        let (from, to) = (minute(first * 60_000_000), minute(last * 60_000_000));
        let gap = places.saturating_sub(from.len() + to.len()).max(2);
        self.line("", Ink::Plain);
        self.line(&format!("  {picture}  max {}", count(most)), Ink::Plain);
        self.line(&format!("  {from}{:gap$}{to}", ""), Ink::Faint);
    }
}

/// What a sample says behind its place.
fn value(sample: &Sample) -> String {
    let column = sample.column.as_deref().unwrap_or("value");
    match &sample.shown {
        Shown::Nothing => String::new(),
        Shown::Missing => format!(": no {column}"),
        // In quotes, so that blanks show; what a terminal might obey is written out.
        Shown::Text(text) => format!(": {column} = {text:?}"),
        // Without a column to blame it is the row itself.
        Shown::Json(text) if sample.column.is_none() => format!(": {text}"),
        Shown::Json(text) => format!(": {column} = {text}"),
        Shown::Raw(text) => format!(": {text}"),
    }
}

fn minute(micros: i64) -> String {
    DateTime::from_timestamp_micros(micros)
        .map_or_else(|| "?".to_owned(), |time| time.format("%Y-%m-%d %H:%M").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dlq::claim::Choice;
    use crate::dlq::groups::By;
    use crate::dlq::stats::Plan;
    use std::fmt::Write as _;

    fn survey(text: &str, by: By) -> QueueStats {
        let plan = Plan { choice: Choice::default(), by: vec![by], samples: 2, file: 1 };
        QueueStats::of_stream(text.as_bytes(), &plan).unwrap()
    }

    fn shown(text: &str, by: (By, &'static str), style: Style) -> String {
        let survey = survey(text, by.0);
        let file = |name: &str, what, rows| QueueFile { name: name.to_owned(), what, rows };
        let files = [
            file(".dlq/bars.claimed.ndjson", Some("claimed by a replay"), 0),
            file(".dlq/bars.ndjson", None, survey.rows),
        ];
        let text = table(Findings { files: &files, survey: &survey, by: &[by.1] }, style);
        for line in text.lines() {
            assert!(columns_of(line) <= style.width, "{line}");
            assert!(!line.contains(|c: char| c.is_control()) && !line.contains('\u{202e}'), "{line:?}");
        }
        text
    }

    const RECORDS: &str = r#"{"ts":1732351234,"error":"open_price is no number","metadata":{"stage":"validate","code":"bad_number","column":"open_price","source":"data/2024/bars.csv","rows":[7,9,12],"attempts":3},"items":[{"open_price":"1,5"},{"open_price":""},{"open_price":1e999}]}
{"ts":1732351834,"error":"value too long for type character varying(8)","metadata":{"stage":"write","code":"22001","column":"symbol","source":"data/2024/bars.csv","rows":[31]},"items":[{"symbol":"FAR.TOO.LONG"}]}
{"ts":1732352434,"error":"the row has 3 fields, and the header 9","metadata":{"stage":"decode","code":"bad_width","source":"data/2024/bars.csv","rows":[40],"raw":"2024-03-04,acme,\"A\u001b[31m\""},"items":[]}
{"ts": 1732359634.5, "error": "boom", "metadata": {"batch": 5}, "items": [{"symbol": "A"}, {"symbol": "B"}]}
torn
"#;

    #[test]
    fn reasons_with_their_samples() {
        insta::assert_snapshot!(shown(RECORDS, (By::Code, "code"), Style::PLAIN), @r#"
        7 dead rows in 4 records, 2024-11-23 08:40 to 2024-11-23 11:00 UTC
          .dlq/bars.claimed.ndjson: 0 rows, claimed by a replay
          .dlq/bars.ndjson: 7 rows
          tried up to 3 times
          of 1 row only the input as it came is kept
          1 line is damaged and passed over, at byte 786 of .dlq/bars.ndjson: it is not
          a JSON object: it does not begin with {

          #   :   :                                                  |  max 3
          2024-11-23 08:40                            2024-11-23 11:00

        rows  share        by code
           3   42 % ###..  bad_number in open_price
              open_price is no number
              data/2024/bars.csv row 7: open_price = "1,5"
              data/2024/bars.csv row 9: open_price = ""
           2   28 % ##...  (none)
              boom
              (no source) row 1: {"symbol": "A"}
              (no source) row 2: {"symbol": "B"}
           1   14 % #....  22001 in symbol
              value too long for type character varying(8)
              data/2024/bars.csv row 31: symbol = "FAR.TOO.LONG"
           1   14 % #....  bad_width
              the row has 3 fields, and the header 9
              data/2024/bars.csv row 40: 2024-03-04,acme,"A [31m"
        "#);
        let unicode = Style { unicode: true, ..Style::PLAIN };
        insta::assert_snapshot!(shown(RECORDS, (By::Dataset, "dataset"), unicode), @r#"
        7 dead rows in 4 records, 2024-11-23 08:40 to 2024-11-23 11:00 UTC
          .dlq/bars.claimed.ndjson: 0 rows, claimed by a replay
          .dlq/bars.ndjson: 7 rows
          tried up to 3 times
          of 1 row only the input as it came is kept
          1 line is damaged and passed over, at byte 786 of .dlq/bars.ndjson: it is not
          a JSON object: it does not begin with {

          █   ▃   ▃                                                  ▆  max 3
          2024-11-23 08:40                            2024-11-23 11:00

        rows  share        by dataset
           7  100 % █████  (none)
              among others: open_price is no number
              data/2024/bars.csv row 7: open_price = "1,5"
              data/2024/bars.csv row 9: open_price = ""
        "#);
    }

    #[test]
    fn what_is_strange_stays_in_its_place() {
        let mut text = String::new();
        for (symbol, message) in [
            ("日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語", "理由".repeat(90)),
            ("\\u001b]0;owned\\u0007\\u202eabc\\u2028d", "a\\u001b[2J \\u009b31m".to_owned()),
            ("👩‍👩‍👧‍👦👩‍👩‍👧‍👦", "word ".repeat(80)),
            ("", String::new()),
        ] {
            let source = "folder/".repeat(30);
            writeln!(text, "{{\"ts\":1,\"error\":\"{message}\",\"metadata\":{{\"column\":\"symbol\",\"source\":\"{source}\",\"rows\":[{}]}},\"items\":[{{\"symbol\":\"{symbol}\"}}]}}", u64::MAX).unwrap();
        }
        insta::assert_snapshot!(shown(&text, (By::Symbol, "symbol"), Style::PLAIN), @r#"
        4 dead rows in 4 records, 1970-01-01 00:00 UTC
          .dlq/bars.claimed.ndjson: 0 rows, claimed by a replay
          .dlq/bars.ndjson: 4 rows

        rows  share        by symbol
           1   25 % ##...   ]0;owned  abc d
              a [2J 31m
              …older/fold… row 18446744073709551615: symbol = "\u{1b}]0;owned\u{7}\u{20…
           1   25 % ##...  (empty)
              …older/fold… row 18446744073709551615: symbol = ""
           1   25 % ##...  日本語日本語日本語日本語日本語日本語日本語日本語日本語日本語
              理由理由理由理由理由理由理由理由理由理由理由理由理由理由理由理由理由理由…
              …older/fold… row 18446744073709551615: symbol = "日本語日本語日本語日本語…
           1   25 % ##...  👩‍👩‍👧‍👦👩‍👩‍👧‍👦
              word word word word word word word word word word word word word word word
              word word word word word word word word word word word word word word word
              word word word word word word word word word word …
              …older/fold… row 18446744073709551615: symbol = "👩\u{200d}👩\u{200d}👧\u…
        "#);
        shown(&text, (By::Symbol, "symbol"), Style::PLAIN.width(40));
        shown(&text, (By::Symbol, "symbol"), Style::PLAIN.width(200));
    }

    #[test]
    fn of_many_groups_the_largest_are_shown() {
        let mut text = String::new();
        for number in 0..60 {
            let items = vec![format!("{{\"symbol\":\"S{number:02}\"}}"); 60 - number].join(",");
            writeln!(text, "{{\"ts\":{},\"error\":\"\",\"items\":[{items}]}}", number * 6000).unwrap();
        }
        let text = shown(&text, (By::Symbol, "symbol"), Style { unicode: true, ..Style::PLAIN });
        assert!(text.contains("in 40 more groups") && !text.contains("S20"), "{text}");
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("max")).collect();
        insta::assert_snapshot!(lines.join("\n"), @"  ████████▇▇▇▇▇▇▇▆▆▆▆▆▆▆▆▅▅▅▅▅▅▅▄▄▄▄▄▄▄▄▃▃▃▃▃▃▃▂▂▂▂▂▂▂▂▁▁▁▁▁▁▁  max 60");
    }

    #[test]
    fn an_empty_queue() {
        insta::assert_snapshot!(shown("", (By::Code, "code"), Style::PLAIN), @r"
        0 dead rows in 0 records
          .dlq/bars.claimed.ndjson: 0 rows, claimed by a replay
          .dlq/bars.ndjson: 0 rows
        ");
    }
}
