//! The history of runs, for people and for programs.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;

use crate::port::runs::{InputIdentity, RunRecord, RunStatus};
use crate::report::style::{Ink, Style};
use crate::telemetry::snapshot::Books;
use crate::text::fit;
use crate::text::flags::{RESUME, SOURCE_ID, flag};
use crate::text::number_format::{bytes, clock, count, duration, timestamp};

/// Characters of a run's id that are shown: up to here it counts milliseconds.
const SHORT: usize = 13;

/// Columns of a terminal that the list fits into.
const WIDTH: usize = 80;

/// Most and fewest characters of a table's name in the list.
const TABLE: std::ops::RangeInclusive<usize> = 6..=24;

/// Column in which the text beside a label begins.
const INDENT: usize = 11;

/// A run of the history; an object of `runs --json`. Field names are a promise to scripts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RunView {
    /// Its id.
    pub run_id: String,
    /// The command.
    pub command: String,
    /// The dataset, or the table where it is none of ours.
    pub dataset: String,
    /// The table.
    pub table: String,
    /// How it stands or ended: `running`, `done`, `rejects`, `stopped`, `interrupted`,
    /// `unavailable`, `failed`.
    pub status: &'static str,
    /// When it began, RFC 3339.
    pub started_at: String,
    /// When it ended; of a run that vanished, its last sign of life.
    pub finished_at: Option<String>,
    /// From its beginning to its end or its last sign of life, in seconds.
    pub elapsed_s: f64,
    /// What became of the rows; of a run that vanished, as far as it had said.
    pub rows: Books,
    /// Exit code of its process.
    pub exit_code: Option<u8>,
    /// What went wrong.
    pub error: Option<String>,
    /// The inputs.
    pub inputs: Vec<InputIdentity>,
    /// The settings that decide what a row becomes.
    pub settings: Value,
    /// The run that it went on with.
    pub resumed_from: Option<String>,
    /// The run that went on with it.
    pub resumed_by: Option<String>,
    /// Whether `--resume` can go on with it.
    pub resumable: bool,
    /// Workers.
    pub workers: usize,
    /// Its machine.
    pub host: String,
    /// Its process there.
    pub pid: u32,
    /// Version of the program.
    pub version: String,
}

impl RunView {
    /// Of that run; `alive` is whether its process is.
    pub fn new(run: &RunRecord, alive: bool) -> Self {
        let status = match run.status {
            RunStatus::Running if !alive => RunStatus::Interrupted,
            status => status,
        };
        let end = run.finished.unwrap_or(run.heartbeat);
        let over = status != RunStatus::Running;
        Self {
            run_id: run.run_id.to_string(),
            command: run.command.clone(),
            dataset: run.dataset.clone(),
            table: run.table.clone(),
            status: status.as_str(),
            started_at: timestamp(run.started),
            finished_at: over.then(|| timestamp(end)),
            elapsed_s: (end.saturating_sub(run.started) / 1000).max(0) as f64 / 1000.0,
            rows: run.books.into(),
            exit_code: run.exit_code,
            error: run.error.clone(),
            inputs: run.inputs.clone(),
            settings: run.settings.clone(),
            resumed_from: run.resumed_from.map(|id| id.to_string()),
            resumed_by: run.resumed_by.map(|id| id.to_string()),
            resumable: over
                && !status.is_finished()
                && run.resumable
                && run.resumed_by.is_none()
                && run.inputs.iter().all(|input| input.id.is_some()),
            workers: run.workers,
            host: run.process.host.clone(),
            pid: run.process.pid,
            version: run.version.clone(),
        }
    }

    fn short(&self) -> &str {
        self.run_id.get(..SHORT).unwrap_or(&self.run_id)
    }

    fn took(&self) -> String {
        duration(Duration::from_secs_f64(self.elapsed_s))
    }

    fn started(&self) -> String {
        self.started_at.get(..16).unwrap_or(&self.started_at).replace('T', " ")
    }

    fn ink(&self) -> Ink {
        match self.status {
            "done" => Ink::Good,
            "running" => Ink::Plain,
            "rejects" | "interrupted" => Ink::Warn,
            _ => Ink::Bad,
        }
    }
}

/// The list: a line a run under a heading, within 80 columns.
pub fn table(runs: &[RunView], style: Style) -> String {
    let heads = ["RUN", "STARTED (UTC)", "TOOK", "TABLE", "ROWS", "REJECTED", "ENDED"];
    let right = [false, false, true, false, true, true, false];
    let cells = |run: &RunView| {
        [
            run.short().to_owned(),
            run.started(),
            clock(Duration::from_secs_f64(run.elapsed_s)),
            run.table.strip_prefix("public.").unwrap_or(&run.table).to_owned(),
            count(run.rows.read),
            count(run.rows.rejected + run.rows.dropped),
            run.status.to_owned(),
        ]
    };
    let mut lines: Vec<[String; 7]> = runs.iter().map(cells).collect();
    let mut widths = heads.map(str::len);
    for line in &lines {
        for (width, cell) in widths.iter_mut().zip(line) {
            *width = (*width).max(cell.chars().count());
        }
    }
    // The names of tables get what the figures leave.
    let [_, _, _, name, ..] = &mut widths;
    let wanted = std::mem::take(name);
    let others: usize = widths.iter().sum();
    let gap = if others + wanted.min(*TABLE.end()) + 2 * (heads.len() - 1) <= WIDTH { 2 } else { 1 };
    let room = WIDTH.saturating_sub(others + gap * (heads.len() - 1));
    let room = wanted.min(room.clamp(*TABLE.start(), *TABLE.end()));
    let [_, _, _, name, ..] = &mut widths;
    *name = room;
    for [_, _, _, name, ..] in &mut lines {
        *name = fit::shorten(name, room);
    }
    let line = |cells: [&str; 7]| {
        let padded = cells.iter().zip(widths).zip(right).map(|((cell, width), right)| match right {
            true => format!("{cell:>width$}"),
            false => format!("{cell:<width$}"),
        });
        padded.collect::<Vec<_>>().join(&" ".repeat(gap)).trim_end().to_owned()
    };
    let mut out = style.paint(Ink::Faint, &line(heads)) + "\n";
    for (cells, run) in lines.iter().zip(runs) {
        let text = line(cells.each_ref().map(String::as_str));
        let head = text.strip_suffix(run.status).unwrap_or(&text);
        out.push_str(head);
        out.push_str(&style.paint(run.ink(), run.status));
        out.push('\n');
    }
    out
}

/// All there is to say of one run.
pub fn details(run: &RunView, style: Style) -> String {
    let mut out = String::new();
    let mut entry = |label: &str, text: &str, ink: Ink| {
        for (i, line) in fit::wrap(text, style.width.saturating_sub(INDENT).max(20)).iter().enumerate() {
            let lead = if i == 0 { label } else { "" };
            out.push_str(&style.paint(Ink::Faint, &format!("{lead:<INDENT$}")));
            out.push_str(&style.paint(ink, line));
            out.push('\n');
        }
    };
    entry("run", &run.run_id, Ink::Strong);
    let what = match run.dataset == run.table {
        true => format!("{} into {}", run.command, run.table),
        false => format!("{} {} into {}", run.command, run.dataset, run.table),
    };
    entry("what", &what, Ink::Plain);
    entry("started", &format!("{} UTC, took {}", run.started(), run.took()), Ink::Plain);
    let code = run.exit_code.map_or_else(String::new, |code| format!(", exit code {code}"));
    entry(
        if run.status == "running" { "state" } else { "ended" },
        &format!("{}{code}", run.status),
        run.ink(),
    );
    entry("error", run.error.as_deref().unwrap_or_default(), Ink::Bad);
    let outcomes = run.rows.outcomes();
    let sum: Vec<String> =
        outcomes.iter().filter(|(_, n)| *n > 0).map(|(word, n)| format!("{} {word}", count(*n))).collect();
    let sum = if sum.is_empty() { String::new() } else { format!(" = {}", sum.join(" + ")) };
    let vanished = run.status == "interrupted" && run.exit_code.is_none();
    let known = run.rows.read > 0;
    let books = match (vanished, run.status == "running") {
        (true, _) if !known => "not known: it vanished before it could say".to_owned(),
        (true, _) => format!("at least {} read{sum}, at its last sign of life", count(run.rows.read)),
        (false, true) => format!("{} read{sum} so far", count(run.rows.read)),
        (false, false) => format!("{} read{sum}", count(run.rows.read)),
    };
    entry("rows", &books, Ink::Plain);
    for (place, input) in run.inputs.iter().enumerate() {
        let size = input.bytes.map_or_else(String::new, |size| format!(", {}", bytes(size)));
        let print = input.fingerprint.as_deref().and_then(|f| f.get(..12));
        let print = print.map_or_else(String::new, |print| format!(", fingerprint {print}"));
        let named = match &input.id {
            Some(id) if id.starts_with("id:") => format!(", known as {}", &id[3..]),
            Some(_) => String::new(),
            None => format!(", without a name ({SOURCE_ID})"),
        };
        let label = if place == 0 { "inputs" } else { "" };
        entry(label, &format!("{}{size}{print}{named}", input.name), Ink::Plain);
        entry("", input.failed.as_deref().unwrap_or_default(), Ink::Bad);
    }
    entry("settings", &settings(&run.settings), Ink::Plain);
    let by = run.resumed_by.as_ref().map(|id| format!("continued by {id}"));
    let from = run.resumed_from.as_ref().map(|id| format!("continues {id}"));
    entry("resumed", &[from, by].into_iter().flatten().collect::<Vec<_>>().join("; "), Ink::Plain);
    entry("process", &format!("{} on {}, mdsctl {}", run.pid, run.host, run.version), Ink::Plain);
    if run.resumable {
        let next = match run.command.as_str() {
            "replay-dlq" => "the next replay-dlq goes on where it stopped".to_owned(),
            _ => format!("the same command with {RESUME} goes on where it stopped"),
        };
        entry("next", &next, Ink::Strong);
    }
    out
}

/// The settings that were given, as flags.
fn settings(settings: &Value) -> String {
    let Some(all) = settings.as_object() else { return String::new() };
    let mut flags = Vec::new();
    for (name, value) in all.iter().filter(|(name, _)| !matches!(name.as_str(), "dataset" | "key" | "slots"))
    {
        match value {
            Value::Bool(true) => flags.push(flag(name)),
            Value::String(text) => flags.push(format!("{} {text}", flag(name))),
            Value::Number(number) => flags.push(format!("{} {number}", flag(name))),
            Value::Array(texts) => {
                flags.extend(
                    texts.iter().filter_map(Value::as_str).map(|text| format!("{} {text}", flag(name))),
                );
            }
            Value::Null | Value::Bool(false) | Value::Object(_) => {}
        }
    }
    flags.join(" ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::*;
    use crate::port::runs::{RunBooks, RunProcess};
    use crate::report::style::ColorChoice;

    fn run(status: RunStatus, table: &str, read: u64) -> RunRecord {
        RunRecord {
            run_id: Uuid::parse_str("0197a3f2-1b2c-7000-8000-0123456789ab").unwrap(),
            command: "load".to_owned(),
            dataset: "bars".to_owned(),
            table: table.to_owned(),
            keyed: true,
            status,
            started: 1_732_447_500_000_000,
            heartbeat: 1_732_447_562_500_000,
            silent: 0,
            finished: None,
            inputs: vec![InputIdentity {
                name: "data/a.csv".to_owned(),
                id: Some("/srv/data/a.csv".to_owned()),
                bytes: Some(23_200),
                fingerprint: Some("0123456789abcdef0123456789abcdef".to_owned()),
                failed: None,
                unproven: false,
                modified: None,
                content: None,
            }],
            settings: json!({"vendor": "acme", "map": ["ts=t", "volume=v"], "exact": true, "null": [], "key": ["ts"]}),
            settled: 0,
            workers: 2,
            resumable: true,
            has_checkpoints: true,
            books: RunBooks { read, inserted: read, ..RunBooks::default() },
            exit_code: None,
            error: None,
            resumed_from: None,
            resumed_by: None,
            process: RunProcess { host: "loader".to_owned(), pid: 4711, mark: None },
            version: "0.1.0".to_owned(),
        }
    }

    fn plain() -> Style {
        Style::resolve(ColorChoice::Never, false).width(80)
    }

    #[test]
    fn the_list_fits_a_terminal() {
        let mut rejects = run(RunStatus::Rejects, "public.bars", 98_765_432_100);
        rejects.books.rejected = 1_234_567;
        let few = [RunView::new(&run(RunStatus::Done, "public.bars", 12), true)];
        insta::assert_snapshot!(table(&few, plain()), @r"
        RUN            STARTED (UTC)     TOOK  TABLE  ROWS  REJECTED  ENDED
        0197a3f2-1b2c  2024-11-24 11:25  1:02  bars     12         0  done
        ");
        let views = [
            RunView::new(&run(RunStatus::Running, "public.bars", 1_000), true),
            RunView::new(&run(RunStatus::Running, "research.a_very_long_name_of_a_table", 0), false),
            RunView::new(&rejects, false),
            RunView::new(&run(RunStatus::Unavailable, "bars", 12), false),
        ];
        let text = table(&views, plain());
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        insta::assert_snapshot!(text, @r"
        RUN           STARTED (UTC)    TOOK TABLE             ROWS  REJECTED ENDED
        0197a3f2-1b2c 2024-11-24 11:25 1:02 bars             1,000         0 running
        0197a3f2-1b2c 2024-11-24 11:25 1:02 resear…              0         0 interrupted
        0197a3f2-1b2c 2024-11-24 11:25 1:02 bars    98,765,432,100 1,234,567 rejects
        0197a3f2-1b2c 2024-11-24 11:25 1:02 bars                12         0 unavailable
        ");
    }

    #[test]
    fn a_run_that_vanished_says_how_to_go_on() {
        let view = RunView::new(&run(RunStatus::Running, "public.bars", 0), false);
        insta::assert_snapshot!(details(&view, plain()), @r"
        run        0197a3f2-1b2c-7000-8000-0123456789ab
        what       load bars into public.bars
        started    2024-11-24 11:25 UTC, took 1 min 02 s
        ended      interrupted
        rows       not known: it vanished before it could say
        inputs     data/a.csv, 23.2 kB, fingerprint 0123456789ab
        settings   --exact --map ts=t --map volume=v --vendor acme
        process    4711 on loader, mdsctl 0.1.0
        next       the same command with --resume goes on where it stopped
        ");
    }
}
