//! How a run ended, for people: a few calm lines, and more only where something needs a look.

use chrono::{DateTime, NaiveTime, SubsecRound, Utc};

use crate::report::jobs;
use crate::report::letters::replay_command;
use crate::report::page::{INDENT, Page};
use crate::report::preview;
use crate::report::style::{Ink, Style};
use crate::telemetry::result::RunResult;
use crate::telemetry::snapshot::{RejectGroup, Snapshot};
use crate::text::fit;
use crate::text::flags::{FORCE, SET};
use crate::text::number_format::{bytes, count, duration, plural, rate};
use crate::text::phrases::shell_word;

/// Kinds of rejects that are shown one by one.
const MOST_REASONS: usize = 5;
/// Notes that are shown.
const MOST_NOTES: usize = 12;

/// What people want to know beside the [`RunResult`].
#[derive(Debug, Clone)]
pub struct Extras {
    /// What was counted: rejects by reason, retries, outages.
    pub snapshot: Snapshot,
    /// Earliest and latest time in the rows.
    pub span: Option<(DateTime<Utc>, DateTime<Utc>)>,
    /// How many symbols the rows are of.
    pub symbols: Option<u64>,
    /// What needs a look, a sentence each.
    pub warnings: Vec<String>,
    /// What was deduced, rounded or left out, a sentence each.
    pub notes: Vec<String>,
    /// Whether nothing was to be written.
    pub dry_run: bool,
    /// Whether rows that are not accounted for are still in a queue that is claimed.
    pub claimed: bool,
    /// Rows of a pipe that nobody has any more, which is said elsewhere.
    pub lost: u64,
    /// What to type to go on where an interrupted run stopped, if that can be done.
    pub resume: Option<String>,
    /// What to do before the same command is run again, where that alone would store rows twice.
    pub first: Option<String>,
    /// Whether it was the dead-letter queue, and not the store, that was waited for in vain.
    pub blocked: bool,
    /// The table that a replay of the dead letters has to name, where it goes there only then.
    pub table: Option<String>,
    /// Whether the table tells rows apart in another way than it did when the run began.
    pub rekeyed: bool,
    /// Whether the error says itself what is to be done.
    pub advised: bool,
    /// Whether this loader was the one that came to the end of a shared job last.
    pub last_out: bool,
}

impl Extras {
    /// Nothing but what was counted.
    pub fn new(snapshot: Snapshot) -> Self {
        Self {
            snapshot,
            span: None,
            symbols: None,
            warnings: Vec::new(),
            notes: Vec::new(),
            dry_run: false,
            claimed: false,
            lost: 0,
            resume: None,
            first: None,
            blocked: false,
            table: None,
            rekeyed: false,
            advised: false,
            last_out: false,
        }
    }
}

/// The closing summary: lines that end in a line feed each.
pub fn render(result: &RunResult, extras: &Extras, style: Style) -> String {
    let mut page = Page::new(style);
    headline(&mut page, result, extras);
    input(&mut page, result);
    data(&mut page, extras);
    page.entry(
        "time",
        &format!(
            "{}, {} rows/s",
            duration(std::time::Duration::from_secs_f64(result.elapsed_s.clamp(0.0, 1e12))),
            rate(result.rows_per_s)
        ),
        Ink::Plain,
    );
    let preview = result.preview.as_deref().filter(|_| extras.dry_run);
    if let Some(preview) = preview {
        preview::detected(&mut page, preview);
        preview::columns(&mut page, preview, usize::MAX);
    }
    books(&mut page, result, extras);
    rejects(&mut page, result, extras);
    store(&mut page, result, extras);
    notes(&mut page, extras);
    job(&mut page, result, extras);
    next(&mut page, result, extras);
    if let Some(preview) = preview {
        preview::next(&mut page, preview);
    }
    page.out
}

fn headline(page: &mut Page, result: &RunResult, extras: &Extras) {
    let rows = &result.rows.books;
    let store = &result.store;
    let noun = |n: u64| {
        let rows = plural(n, "row");
        result.dataset.as_ref().map_or(rows.clone(), |dataset| format!("{rows} of {dataset}"))
    };
    let new = rows.inserted + rows.updated;
    let loaded = || format!("{} into {store}", noun(new));
    let is_replay = result.command == "replay-dlq";
    let loaded_it = if is_replay { "Replayed" } else { "Loaded" };
    let before = || format!("Before that, {} went into {store}.", noun(new));
    let (text, ink) = match result.exit_code.unwrap_or_default() {
        _ if extras.dry_run => {
            (format!("Dry run: nothing was written; {} can go into {store}.", noun(new)), Ink::Strong)
        }
        0 if rows.read == 0 => ("Nothing to load: the input has no rows.".to_owned(), Ink::Strong),
        0 if new == 0
            && rows.read > 0
            && rows.skipped == extras.snapshot.left_out
            && rows.skipped == rows.read =>
        {
            (
                format!("Nothing is stored: a trigger of the table left all {} out.", noun(rows.read)),
                Ink::Warn,
            )
        }
        0 if rows.skipped == extras.snapshot.empty && rows.skipped == rows.read => {
            (format!("Nothing to store: {} without a value.", noun(rows.read)), Ink::Warn)
        }
        0 if new == 0 && rows.unchanged + rows.skipped + extras.snapshot.newer > 0 => {
            let newer = extras.snapshot.newer;
            let there = noun(
                (rows.unchanged + rows.skipped + newer)
                    .saturating_sub(extras.snapshot.left_out + extras.snapshot.empty),
            );
            let or_newer = if newer > 0 { ", or newer ones" } else { "" };
            (format!("Nothing new: {store} has all {there} already{or_newer}."), Ink::Good)
        }
        0 => (format!("{loaded_it} {}.", loaded()), Ink::Good),
        3 if is_replay => {
            (format!("Replayed {}; {} rejected again.", loaded(), were(failed(result), "row")), Ink::Warn)
        }
        3 if rows.rejected == 0 => {
            (format!("Loaded {}; {} dropped.", loaded(), were(rows.dropped, "row")), Ink::Warn)
        }
        3 => (format!("Loaded {}; {} rejected.", loaded(), were(failed(result), "row")), Ink::Warn),
        4 => (format!("Stopped: too many rows were rejected. {}", before()), Ink::Bad),
        5 if extras.blocked || extras.lost > 0 => {
            (format!("Gave up: the dead-letter queue could not be written. {}", before()), Ink::Bad)
        }
        5 if extras.rekeyed => (format!("Stopped: the key of the table has changed. {}", before()), Ink::Bad),
        5 => (format!("Gave up: the store stayed away. {}", before()), Ink::Bad),
        6 => (format!("The input could not be read to its end. {}", before()), Ink::Bad),
        130 | 143 => (format!("Interrupted. {}", before()), Ink::Warn),
        _ => (format!("Failed. {}", before()), Ink::Bad),
    };
    let width = page.style.width;
    for line in fit::wrap(&text, width) {
        page.line(&line, ink);
    }
}

/// `1 row was`, `2 rows were`.
fn were(n: u64, word: &str) -> String {
    format!("{} {}", plural(n, word), if n == 1 { "was" } else { "were" })
}

fn failed(result: &RunResult) -> u64 {
    result.rows.books.rejected + result.rows.books.dropped
}

fn input(page: &mut Page, result: &RunResult) {
    let what = match result.inputs.as_slice() {
        [] => return,
        [one] if one == "-" => "standard input".to_owned(),
        [one] => one.clone(),
        many => format!("{} files", count(many.len() as u64)),
    };
    page.entry("input", &format!("{what}, {}", bytes(result.bytes_read)), Ink::Plain);
}

fn data(page: &mut Page, extras: &Extras) {
    let mut parts = Vec::new();
    if let Some(symbols) = extras.symbols {
        parts.push(plural(symbols, "symbol"));
    }
    if let Some((first, last)) = extras.span {
        parts.push(span(first, last));
    }
    page.entry("data", &parts.join(", "), Ink::Plain);
}

/// As short as it can be said: whole days without time, a single day once.
fn span(first: DateTime<Utc>, last: DateTime<Utc>) -> String {
    let whole_day = |at: DateTime<Utc>| at.time() == NaiveTime::MIN;
    let day = |at: DateTime<Utc>| at.format("%Y-%m-%d").to_string();
    let time = |at: DateTime<Utc>| {
        let at = at.trunc_subsecs(0);
        at.format(if at.timestamp() % 60 == 0 { "%H:%M" } else { "%H:%M:%S" }).to_string()
    };
    match (whole_day(first) && whole_day(last), first.date_naive() == last.date_naive()) {
        (true, true) => day(first),
        (true, false) => format!("{} to {}", day(first), day(last)),
        (false, true) if time(first) == time(last) => format!("{} {} UTC", day(first), time(first)),
        (false, true) => format!("{} {} to {} UTC", day(first), time(first), time(last)),
        (false, false) => format!("{} {} to {} {} UTC", day(first), time(first), day(last), time(last)),
    }
}

/// The accounting as a sum that can be checked by eye.
fn books(page: &mut Page, result: &RunResult, extras: &Extras) {
    let rows = &result.rows.books;
    let width = count(rows.read.max(rows.settled())).len();
    let mut line = |label: &str, sign: char, n: u64, word: &str, ink: Ink| {
        let lead = page.style.paint(Ink::Faint, &format!("  {label:<7}{sign} "));
        let text = page.style.paint(ink, &format!("{:>width$} {word}", count(n)));
        page.out.push_str(&format!("{lead}{text}\n"));
    };
    line("books", ' ', rows.read, "read", Ink::Plain);
    let mut sign = '=';
    let compared = result.preview.as_ref().and_then(|preview| preview.compared.as_ref());
    let compared = extras.dry_run && compared.is_some_and(|compared| compared.all);
    let outcomes = rows.outcomes().map(|(word, n)| match word {
        "inserted" if compared => ("to be inserted", n),
        "updated" if compared => ("to be updated", n),
        "unchanged" if compared => ("in the table as they are", n),
        "inserted" if extras.dry_run => ("to be written", n),
        "superseded" if extras.dry_run => ("superseded by later rows with the same key", n),
        _ => (word, n),
    });
    for (word, n) in outcomes {
        if n > 0 || sign == '=' {
            let ink = match word {
                "rejected" | "dropped" => Ink::Warn,
                _ => Ink::Plain,
            };
            line("", sign, n, word, ink);
            sign = '+';
        }
    }
    if extras.lost > 0 {
        line("", '+', extras.lost, "lost", Ink::Alarm);
    }
    if let (false, Err(sentence)) = (extras.claimed, rows.closes_but_for(extras.lost)) {
        page.entry("", &format!("This is a bug: {sentence}."), Ink::Alarm);
    }
}

fn rejects(page: &mut Page, result: &RunResult, extras: &Extras) {
    let (groups, beyond) = (&extras.snapshot.rejects, extras.snapshot.rejects_beyond);
    let failed = failed(result);
    if failed == 0 {
        return;
    }
    let place = match &result.dlq {
        _ if extras.dry_run => String::new(),
        dlq => dlq.path.as_ref().map_or(String::new(), |path| {
            let records = plural(dlq.records, "record");
            format!(", kept in {path} ({} in {records})", plural(dlq.rows, "row"))
        }),
    };
    page.entry("rejected", &format!("{}{place}", plural(failed, "row")), Ink::Warn);
    let shown = &groups[..groups.len().min(MOST_REASONS)];
    let width = shown.first().map_or(1, |group| count(group.rows).len());
    for group in shown {
        let lead = format!("{}{:>width$} x ", " ".repeat(INDENT), count(group.rows));
        let indent = lead.chars().count();
        page.paragraph(&lead, indent, &reason(group), Ink::Plain);
        let example = preview::example(result.preview.as_deref(), &group.code, group.column.as_deref());
        let example = example.map_or(String::new(), |example| format!(": {:?}", example.value));
        page.paragraph("", indent, &format!("{}{example}", places(group)), Ink::Faint);
    }
    let rest: u64 = groups.iter().skip(MOST_REASONS).map(|group| group.rows).sum::<u64>() + beyond;
    if rest > 0 {
        page.entry("", &format!("and {} for other reasons", plural(rest, "row")), Ink::Plain);
    }
}

fn reason(group: &RejectGroup) -> String {
    let column = group.column.as_ref().map_or(String::new(), |column| format!(" in {column}"));
    format!("{}{column}: {}", group.code, group.message)
}

/// `a.csv rows 12, 1044; b.csv row 7`. Row numbers without separators, as other tools take them.
fn places(group: &RejectGroup) -> String {
    let of_sources: Vec<String> = group
        .places
        .chunk_by(|a, b| a.source == b.source)
        .filter_map(|places| {
            let name = match &*places.first()?.source {
                "-" => "standard input",
                name => name,
            };
            let numbers: Vec<String> = places.iter().map(|place| place.row.to_string()).collect();
            let word = if numbers.len() == 1 { "row" } else { "rows" };
            Some(format!("{name} {word} {}", numbers.join(", ")))
        })
        .collect();
    let mut out = of_sources.join("; ");
    if group.rows > group.places.len() as u64 && !out.is_empty() {
        out.push_str(", …");
    }
    out
}

/// Only when it was not all smooth.
fn store(page: &mut Page, result: &RunResult, extras: &Extras) {
    let circuit = &extras.snapshot.circuit;
    let mut parts = Vec::new();
    if circuit.times_opened > 0 {
        let times = match circuit.times_opened {
            1 => "once".to_owned(),
            2 => "twice".to_owned(),
            n => format!("{} times", count(n)),
        };
        let why = circuit.reason.as_ref().map_or(String::new(), |reason| format!(" ({reason})"));
        let was = if circuit.for_letters { "waited for the dead-letter queue" } else { "was away" };
        parts.push(format!("{was} {times}, for {} in all{why}", duration(circuit.open_total)));
    }
    if result.retries > 0 {
        parts.push(format!("{} tried again", were(result.retries, "write")));
    }
    page.entry("store", &parts.join("; "), Ink::Warn);
}

/// What was counted beside the books, a sentence each.
pub fn counted(snapshot: &Snapshot) -> Vec<String> {
    let mut all = Vec::new();
    let newer = snapshot.newer;
    if newer > 0 {
        let (are, they) = if newer == 1 { ("is", "it") } else { ("are", "they") };
        let text = format!(
            "{} {are} older than what the store has, which was written after {they} failed: left alone; \
             {FORCE} replays over {}",
            plural(newer, "row"),
            if newer == 1 { "it" } else { "them" }
        );
        all.push(text);
    }
    let left_out = snapshot.left_out;
    if left_out > 0 {
        let rows = plural(left_out, "row");
        let (they, are) = if left_out == 1 { ("it counts", "was") } else { ("they count", "were") };
        all.push(format!(
            "{rows} {are} left out by a trigger of the table, or put somewhere else by it: {they} as skipped"
        ));
    }
    if snapshot.empty > 0 {
        let (has, its, it) =
            if snapshot.empty == 1 { ("has", "its", "it counts") } else { ("have", "their", "they count") };
        all.push(format!(
            "{} {has} no value beside {its} key and left what is stored as it was: {it} as skipped",
            plural(snapshot.empty, "row")
        ));
    }
    let rounded = snapshot.rounded;
    if rounded > 0 {
        all.push(format!("{} rounded to the decimals that their columns hold", were(rounded, "value")));
    }
    all
}

fn notes(page: &mut Page, extras: &Extras) {
    for warning in &extras.warnings {
        page.entry("warning", warning, Ink::Warn);
    }
    for note in counted(&extras.snapshot) {
        page.entry("note", &note, Ink::Plain);
    }
    for note in extras.notes.iter().take(MOST_NOTES) {
        page.entry("note", note, Ink::Plain);
    }
    if let Some(more) = extras.notes.len().checked_sub(MOST_NOTES).filter(|more| *more > 0) {
        page.entry("note", &format!("and {} more", plural(more as u64, "note")), Ink::Plain);
    }
}

/// The whole job, of which this loader had a share.
fn job(page: &mut Page, result: &RunResult, extras: &Extras) {
    let Some(job) = &result.job else { return };
    if extras.last_out {
        jobs::summed_up(job).iter().for_each(|(label, text)| page.entry(label, text, Ink::Plain));
    } else if job.is_done() {
        page.entry(
            "job",
            &format!("{}: done; mdsctl runs {} sums it up", job.job, shell_word(&job.job)),
            Ink::Plain,
        );
    }
}

/// What to do now.
fn next(page: &mut Page, result: &RunResult, extras: &Extras) {
    let mut again = "run the same command again".to_owned();
    if let Some(first) = &extras.first {
        again = format!("{first}, and {again}");
    }
    // What came through a pipe comes once.
    if let Some(path) = result.dlq.path.as_deref().filter(|_| result.inputs == ["-"] && result.dlq.rows > 0) {
        again = format!("what is kept goes in with: {}", replay_command(path, extras.table.as_deref()));
    }
    if let Some(resume) = &extras.resume {
        again = format!("go on where it stopped with: {resume}");
    }
    let text = match result.exit_code.unwrap_or_default() {
        _ if extras.dry_run || extras.advised => return,
        3 => {
            let queue = result.dlq.path.as_deref().unwrap_or_default();
            format!(
                "see why with: mdsctl inspect-dlq {}; what the table or {SET} cures goes in with: {}",
                shell_word(queue),
                replay_command(queue, extras.table.as_deref())
            )
        }
        4 => {
            let look =
                "look at the first reason above: it is often a wrong column or unit for the whole file";
            let first = extras.first.as_ref().map(|first| format!("; before it is loaded again, {first}"));
            format!("{look}{}", first.unwrap_or_default())
        }
        5 if extras.blocked || extras.lost > 0 => {
            format!("when the dead-letter queue can be written, {again}")
        }
        5 if extras.rekeyed => again,
        5 => format!("when the store is back, {again}"),
        6 => format!("mend or fetch the input again, then {again}"),
        130 | 143 => match result.dlq.path.as_ref().filter(|_| extras.snapshot.aborted > 0) {
            Some(path) => format!("what was read and not stored is kept in {path}; for the rest, {again}"),
            // The rest of a pipe is with who writes to it.
            None if result.inputs == ["-"] && result.dlq.rows == 0 && extras.resume.is_none() => return,
            None => again,
        },
        0 => return,
        _ => match &extras.first {
            Some(first) => format!("before the same command is run again, {first}"),
            None => return,
        },
    };
    page.entry("next", &text, Ink::Strong);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::batch::Stage;
    use crate::settings::EngineSettings;
    use crate::telemetry::result::{DlqResult, RunFacts};
    use crate::telemetry::run_counters::RunCounters;
    use crate::telemetry::snapshot::{Books, InputPosition};

    fn snapshot(books: Books) -> Snapshot {
        Snapshot { books, ..RunCounters::new(&EngineSettings::default()).snapshot() }
    }

    fn facts(exit_code: u8) -> RunFacts {
        RunFacts {
            command: "load".into(),
            dataset: Some("bars".into()),
            store: "sqlite:mds.db".into(),
            inputs: vec!["data/a.csv.gz".into(), "data/b.csv.gz".into()],
            bytes_read: 48_234_567,
            elapsed: Duration::from_millis(12_340),
            exit_code: Some(exit_code),
            ..RunFacts::default()
        }
    }

    fn at(text: &str) -> DateTime<Utc> {
        text.parse().unwrap()
    }

    #[test]
    fn all_well() {
        let snapshot =
            snapshot(Books { read: 1_204_000, inserted: 1_200_000, unchanged: 4_000, ..Books::default() });
        let result = RunResult::new(&snapshot, facts(0));
        let extras = Extras {
            span: Some((at("2024-01-02T09:30:00Z"), at("2024-03-28T20:00:00Z"))),
            symbols: Some(503),
            notes: vec!["times are in milliseconds since 1970, as their size shows".into()],
            ..Extras::new(snapshot)
        };
        insta::assert_snapshot!(render(&result, &extras, Style::PLAIN), @"
        Loaded 1,200,000 rows of bars into sqlite:mds.db.
          input    2 files, 48.2 MB
          data     503 symbols, 2024-01-02 09:30 to 2024-03-28 20:00 UTC
          time     12.3 s, 97,569 rows/s
          books    1,204,000 read
                 = 1,200,000 inserted
                 +     4,000 unchanged
          note     times are in milliseconds since 1970, as their size shows
        ");
        let colored = render(&result, &extras, Style { color: true, ..Style::PLAIN });
        assert!(colored.starts_with("\x1b[32mLoaded 1,200,000 rows of bars into sqlite:mds.db.\x1b[0m\n"));
    }

    #[test]
    fn nothing_new_and_nothing_at_all() {
        let seen = snapshot(Books { read: 1_000, unchanged: 1_000, ..Books::default() });
        let result = RunResult::new(&seen, RunFacts { inputs: vec!["-".into()], ..facts(0) });
        insta::assert_snapshot!(render(&result, &Extras::new(seen), Style::PLAIN), @"
        Nothing new: sqlite:mds.db has all 1,000 rows of bars already.
          input    standard input, 48.2 MB
          time     12.3 s, 81 rows/s
          books    1,000 read
                 =     0 inserted
                 + 1,000 unchanged
        ");
        let seen = snapshot(Books::default());
        let result = RunResult::new(&seen, RunFacts { dataset: None, ..facts(0) });
        insta::assert_snapshot!(render(&result, &Extras::new(seen), Style::PLAIN), @"
        Nothing to load: the input has no rows.
          input    2 files, 48.2 MB
          time     12.3 s, 0 rows/s
          books    0 read
                 = 0 inserted
        ");
    }

    #[test]
    fn a_replay_that_meets_newer_rows() {
        let mut seen = snapshot(Books { read: 13, inserted: 1, superseded: 12, ..Books::default() });
        seen.newer = 12;
        let result = RunResult::new(&seen, RunFacts { inputs: Vec::new(), ..facts(0) });
        insta::assert_snapshot!(render(&result, &Extras::new(seen.clone()), Style::PLAIN), @"
        Loaded 1 row of bars into sqlite:mds.db.
          time     12.3 s, 1.1 rows/s
          books    13 read
                 =  1 inserted
                 + 12 superseded
          note     12 rows are older than what the store has, which was written after
                   they failed: left alone; --force replays over them
        ");
        seen.newer = 1;
        let one = render(&result, &Extras::new(seen), Style { width: 200, ..Style::PLAIN });
        let line = "1 row is older than what the store has, which was written after it failed: left alone; \
                    --force replays over it\n";
        assert!(one.contains(line), "{one}");

        let mut seen = snapshot(Books { read: 12, unchanged: 2, superseded: 10, ..Books::default() });
        seen.newer = 10;
        let all = render(&RunResult::new(&seen, facts(0)), &Extras::new(seen), Style::PLAIN);
        let line = "Nothing new: sqlite:mds.db has all 12 rows of bars already, or newer ones.\n";
        assert!(all.starts_with(line), "{all}");
    }

    #[test]
    fn rejects_and_an_outage() {
        let group =
            |code: &str, column: Option<&str>, message: &str, rows, places: &[(&str, u64)]| RejectGroup {
                stage: Stage::Validate,
                code: code.into(),
                column: column.map(Arc::from),
                message: message.into(),
                rows,
                places: places
                    .iter()
                    .map(|&(source, row)| InputPosition { source: source.into(), row })
                    .collect(),
            };
        let mut seen = snapshot(Books {
            read: 1_328,
            inserted: 1_000,
            updated: 10,
            superseded: 3,
            rejected: 310,
            dropped: 5,
            ..Books::default()
        });
        seen.rounded = 12;
        seen.retries = 14;
        seen.circuit.times_opened = 1;
        seen.circuit.open_total = Duration::from_secs(32);
        seen.circuit.reason = Some("connection refused".into());
        seen.rejects_beyond = 2;
        seen.rejects = vec![
            group(
                "bad_number",
                Some("volume"),
                "the text is no number; write digits with at most one decimal point",
                150,
                &[("data/a.csv.gz", 12), ("data/a.csv.gz", 1_044), ("data/b.csv.gz", 7)],
            ),
            group("22003", Some("close_price"), "numeric field overflow", 99, &[("-", 3)]),
            group("width", None, "the line has another number of fields than the header", 40, &[]),
            group("null_key", Some("symbol"), "a key column is empty", 10, &[("data/b.csv.gz", 8)]),
            group("overflow", None, "the queue was full", 5, &[]),
            group("23514", None, "violates check\x1b[2J constraint", 4, &[]),
            group("23503", None, "no such tenant", 5, &[]),
        ];
        let dlq = DlqResult { path: Some(".dlq/bars.ndjson".into()), records: 23, rows: 315 };
        let result = RunResult::new(&seen, RunFacts { dlq, ..facts(3) });
        insta::assert_snapshot!(render(&result, &Extras::new(seen), Style::PLAIN), @"
        Loaded 1,010 rows of bars into sqlite:mds.db; 315 rows were rejected.
          input    2 files, 48.2 MB
          time     12.3 s, 108 rows/s
          books    1,328 read
                 = 1,000 inserted
                 +    10 updated
                 +     3 superseded
                 +   310 rejected
                 +     5 dropped
          rejected 315 rows, kept in .dlq/bars.ndjson (315 rows in 23 records)
                   150 x bad_number in volume: the text is no number; write digits with
                         at most one decimal point
                         data/a.csv.gz rows 12, 1044; data/b.csv.gz row 7, …
                    99 x 22003 in close_price: numeric field overflow
                         standard input row 3, …
                    40 x width: the line has another number of fields than the header
                    10 x null_key in symbol: a key column is empty
                         data/b.csv.gz row 8, …
                     5 x overflow: the queue was full
                   and 11 rows for other reasons
          store    was away once, for 32.0 s in all (connection refused); 14 writes were
                   tried again
          note     12 values were rounded to the decimals that their columns hold
          next     see why with: mdsctl inspect-dlq .dlq/bars.ndjson; what the table or
                   --set cures goes in with: mdsctl replay-dlq .dlq/bars.ndjson
        ");
    }

    #[test]
    fn each_way_to_end_has_its_words() {
        let open = snapshot(Books { read: 10, inserted: 9, ..Books::default() });
        let seen = snapshot(Books { read: 10, inserted: 9, rejected: 1, ..Books::default() });
        let mut all = String::new();
        for exit_code in [1, 4, 5, 6, 130] {
            let seen = if exit_code == 1 { &open } else { &seen };
            let result = RunResult::new(seen, RunFacts { inputs: vec![], ..facts(exit_code) });
            let mut extras = Extras::new(seen.clone());
            extras.resume = (exit_code == 130).then(|| "mdsctl load --resume data".to_owned());
            all.push_str(&render(&result, &extras, Style::PLAIN));
            all.push('\n');
        }
        let result = RunResult::new(&seen, RunFacts { inputs: vec![], ..facts(0) });
        all.push_str(&render(&result, &Extras { dry_run: true, ..Extras::new(seen) }, Style::PLAIN));
        insta::assert_snapshot!(all, @"
        Failed. Before that, 9 rows of bars went into sqlite:mds.db.
          time     12.3 s, 0.8 rows/s
          books    10 read
                 =  9 inserted
                   This is a bug: the books do not close: 10 rows were read, 9 are
                   accounted for (9 inserted), 1 missing.

        Stopped: too many rows were rejected. Before that, 9 rows of bars went into
        sqlite:mds.db.
          time     12.3 s, 0.8 rows/s
          books    10 read
                 =  9 inserted
                 +  1 rejected
          rejected 1 row
          next     look at the first reason above: it is often a wrong column or unit
                   for the whole file

        Gave up: the store stayed away. Before that, 9 rows of bars went into
        sqlite:mds.db.
          time     12.3 s, 0.8 rows/s
          books    10 read
                 =  9 inserted
                 +  1 rejected
          rejected 1 row
          next     when the store is back, run the same command again

        The input could not be read to its end. Before that, 9 rows of bars went into
        sqlite:mds.db.
          time     12.3 s, 0.8 rows/s
          books    10 read
                 =  9 inserted
                 +  1 rejected
          rejected 1 row
          next     mend or fetch the input again, then run the same command again

        Interrupted. Before that, 9 rows of bars went into sqlite:mds.db.
          time     12.3 s, 0.8 rows/s
          books    10 read
                 =  9 inserted
                 +  1 rejected
          rejected 1 row
          next     go on where it stopped with: mdsctl load --resume data

        Dry run: nothing was written; 9 rows of bars can go into sqlite:mds.db.
          time     12.3 s, 0.8 rows/s
          books    10 read
                 =  9 to be written
                 +  1 rejected
          rejected 1 row
        ");
    }

    #[test]
    fn spans_are_as_short_as_can_be() {
        let span = |a, b| super::span(at(a), at(b));
        assert_eq!(span("2024-01-02T00:00:00Z", "2024-01-02T00:00:00Z"), "2024-01-02");
        assert_eq!(span("1999-01-02T00:00:00Z", "2024-01-02T00:00:00Z"), "1999-01-02 to 2024-01-02");
        assert_eq!(
            span("2024-01-02T09:30:00Z", "2024-01-02T16:00:01.5Z"),
            "2024-01-02 09:30 to 16:00:01 UTC"
        );
    }
}
