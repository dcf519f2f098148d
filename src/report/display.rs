//! The block that a terminal shows while a run goes on: one row a subject, cut to fit.

use std::time::Duration;

use crate::port::{Circuit, Level};
use crate::report::lines::behind;
use crate::report::rates::Rates;
use crate::report::style::{Ink, Style};
use crate::telemetry::snapshot::{LagView, Snapshot};
use crate::text::fit;
use crate::text::number_format::{bytes, bytes_of, clock, count, latency, percent, plural, rate};

/// How far the input is read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InputGauge {
    /// Bytes consumed, as they are stored: compressed ones where the input is compressed.
    pub consumed: u64,
    /// Bytes there are, of the same kind; `None` for a pipe.
    pub total: Option<u64>,
    /// Bytes consumed after decompression.
    pub decoded: u64,
    /// The file that is being read.
    pub current: Option<String>,
    /// Files read to their end.
    pub files_done: u64,
    /// Files there are.
    pub files_total: u64,
}

impl InputGauge {
    /// Whether the input is known to be read to its end.
    pub fn is_done(&self) -> bool {
        self.total.is_some_and(|total| self.consumed >= total)
            && (self.files_total == 0 || self.files_done >= self.files_total)
    }
}

/// What there is to show at one moment.
#[derive(Debug)]
pub struct Frame<'a> {
    /// What the run does: `Loading bars into sqlite:mds.db`.
    pub title: &'a str,
    /// Time since the start.
    pub elapsed: Duration,
    /// What was counted.
    pub snapshot: &'a Snapshot,
    /// How far the input is read.
    pub input: &'a InputGauge,
    /// How fast it goes.
    pub rates: &'a Rates,
    /// Number of the frame, which turns the spinner.
    pub tick: usize,
}

/// Columns that the labels take.
const LABEL: usize = 9;

/// A piece of a row. Pieces that do not fit are left out, the highest `spare` first.
struct Pane {
    spare: u8,
    spans: Vec<(Ink, String)>,
}

/// A row of the block. Rows that do not fit are left out, the highest `spare` first.
struct Row {
    spare: u8,
    label: &'static str,
    parts: Vec<Pane>,
}

impl Row {
    fn new(spare: u8, label: &'static str) -> Self {
        Self { spare, label, parts: Vec::new() }
    }

    fn part(self, spare: u8, ink: Ink, text: impl Into<String>) -> Self {
        self.spans(spare, vec![(ink, text.into())])
    }

    fn spans(mut self, spare: u8, spans: Vec<(Ink, String)>) -> Self {
        if spans.iter().any(|(_, text)| !text.is_empty()) {
            self.parts.push(Pane { spare, spans });
        }
        self
    }

    /// The row in at most `style.width` columns.
    fn fit(mut self, style: Style) -> String {
        let label = if self.label.is_empty() { 0 } else { LABEL };
        let room = style.width.saturating_sub(label);
        while self.parts.len() > 1 && self.length() > room {
            // Of equals the last goes first.
            let most = self.parts.iter().map(|part| part.spare).max();
            match self.parts.iter().rposition(|part| Some(part.spare) == most) {
                Some(at) => drop(self.parts.remove(at)),
                None => break,
            }
        }
        let mut out = String::new();
        if label > 0 {
            let name = format!("{:<LABEL$}", self.label);
            out.push_str(&style.paint(Ink::Faint, &fit::shorten(&name, style.width.min(LABEL))));
        }
        let mut left = room;
        for (i, part) in self.parts.iter().enumerate() {
            if i > 0 {
                let gap = left.min(2);
                out.push_str(&" ".repeat(gap));
                left -= gap;
            }
            for (ink, span) in &part.spans {
                if left > 0 {
                    let span = fit::shorten(span, left);
                    left -= span.chars().count();
                    out.push_str(&style.paint(*ink, &span));
                }
            }
        }
        if style.unicode { out } else { out.replace('…', "~") }
    }

    fn length(&self) -> usize {
        let parts =
            self.parts.iter().map(|part| part.spans.iter().map(|(_, t)| t.chars().count()).sum::<usize>());
        parts.sum::<usize>() + self.parts.len().saturating_sub(1) * 2
    }
}

/// The block, a line an item: none wider than `style.width`, and no more than `height`.
pub fn render(frame: &Frame<'_>, style: Style, height: usize) -> Vec<String> {
    let mut rows = vec![title(frame, style)];
    alarm(frame, &mut rows);
    rows.push(input(frame, style));
    rows.extend(file(frame, style));
    rows.push(rows_row(frame, style));
    if !frame.snapshot.only_reads() {
        rows.push(queue(frame, style));
        rows.push(store(frame));
    }
    rows.push(rejected(frame));
    while rows.len() > height.max(1) {
        let most = rows.iter().map(|row| row.spare).max();
        match rows.iter().rposition(|row| Some(row.spare) == most) {
            Some(at) => drop(rows.remove(at)),
            None => break,
        }
    }
    rows.into_iter().map(|row| row.fit(style)).collect()
}

fn title(frame: &Frame<'_>, style: Style) -> Row {
    let clock = clock(frame.elapsed);
    let room = style.width.saturating_sub(clock.len() + 2);
    Row::new(6, "").part(1, Ink::Strong, fit::shorten(frame.title, room.max(1))).part(0, Ink::Faint, clock)
}

/// What holds everything up, if something does.
fn alarm(frame: &Frame<'_>, rows: &mut Vec<Row>) {
    let circuit = &frame.snapshot.circuit;
    let reason = if circuit.state == Circuit::Closed {
        frame.snapshot.trouble.as_ref()
    } else {
        let doing = if circuit.state == Circuit::HalfOpen { "probing it" } else { "waiting for it" };
        let since = circuit.open_for.map_or(String::new(), |time| format!(" for {}", clock(time)));
        let what = if circuit.for_letters { "DEAD-LETTER QUEUE BLOCKED" } else { "STORE TAKES NO ROWS" };
        let text = format!(" {what}{since}, {doing} ");
        rows.push(Row::new(0, "").part(0, Ink::Alarm, text).part(1, Ink::Plain, "nothing is lost"));
        circuit.reason.as_ref()
    };
    let label = if circuit.state == Circuit::Closed { "retrying" } else { "reason" };
    rows.extend(reason.map(|reason| Row::new(3, label).part(0, Ink::Warn, reason.to_string())));
}

fn input(frame: &Frame<'_>, style: Style) -> Row {
    let gauge = frame.input;
    let row = Row::new(1, "input");
    let speed = format!("{}/s", bytes(frame.rates.bytes_now().round() as u64));
    if gauge.is_done() {
        let waiting = frame.snapshot.queue.depth;
        let rest =
            if waiting > 0 { format!("{} still to store", plural(waiting, "row")) } else { String::new() };
        return row.part(0, Ink::Good, format!("all {} read", bytes(gauge.consumed))).part(
            0,
            Ink::Plain,
            rest,
        );
    }
    if let Some(lag) = frame.snapshot.lag {
        let ink = match lag {
            LagView::Files { age, .. } if age.as_secs() >= 5 => Ink::Warn,
            LagView::Messages(1..) => Ink::Plain,
            LagView::Files { .. } | LagView::Messages(0) => Ink::Good,
        };
        return row
            .part(1, Ink::Good, spinner(frame.tick, style))
            .part(2, Ink::Plain, format!("{} read", bytes(gauge.consumed)))
            .part(0, ink, behind(lag))
            .part(3, Ink::Plain, speed);
    }
    let Some(total) = gauge.total else {
        let unpacked = if gauge.decoded > gauge.consumed {
            format!("{} unpacked", bytes(gauge.decoded))
        } else {
            String::new()
        };
        return row
            .part(1, Ink::Good, spinner(frame.tick, style))
            .part(0, Ink::Plain, format!("{} read", bytes(gauge.consumed)))
            .part(2, Ink::Plain, speed)
            .part(3, Ink::Faint, unpacked);
    };
    // Waiting for the store says nothing about how long the rest takes.
    let waits = frame.snapshot.circuit.state != Circuit::Closed;
    let remaining = frame.rates.remaining(total).filter(|_| !waits);
    let eta = remaining.map_or("ETA -".to_owned(), |time| format!("ETA {}", clock(time)));
    let done = percent(gauge.consumed.min(total), total);
    row.spans(2, bar(done, bar_width(style), Ink::Good, &[], style))
        .part(0, Ink::Strong, format!("{done:>2} %"))
        .part(3, Ink::Plain, bytes_of(gauge.consumed, total))
        .part(4, Ink::Faint, speed)
        .part(1, Ink::Plain, eta)
}

fn file(frame: &Frame<'_>, style: Style) -> Option<Row> {
    let gauge = frame.input;
    let current = gauge.current.as_deref().filter(|_| !gauge.is_done())?;
    let name = if current == "-" { "standard input" } else { current };
    let at = if gauge.files_total > 1 {
        let number = (gauge.files_done + 1).min(gauge.files_total);
        format!("({} of {})", count(number), count(gauge.files_total))
    } else {
        String::new()
    };
    let room = style.width.saturating_sub(LABEL + 2 + at.len());
    Some(Row::new(7, "file").part(0, Ink::Plain, fit::tail(name, room)).part(1, Ink::Faint, at))
}

fn rows_row(frame: &Frame<'_>, style: Style) -> Row {
    Row::new(2, "rows")
        .part(0, Ink::Strong, count(frame.snapshot.progressed()))
        .part(1, Ink::Plain, format!("{}/s now", rate(frame.rates.now())))
        .part(2, Ink::Plain, format!("{}/s average", rate(frame.rates.average())))
        .part(3, Ink::Good, sparkline(frame.rates, bar_width(style), style))
}

fn queue(frame: &Frame<'_>, style: Style) -> Row {
    let queue = frame.snapshot.queue;
    let share = |rows| percent(rows, queue.capacity);
    // To the nearest: 80 % of a power of two is not a whole number of rows.
    let mark = |rows: u64| share(rows.saturating_add(queue.capacity / 200));
    let (low, high) = (mark(queue.low_watermark), mark(queue.high_watermark));
    let ink = match queue.level {
        Level::Ok => Ink::Good,
        Level::Soft => Ink::Warn,
        Level::Hard => Ink::Bad,
    };
    Row::new(5, "queue")
        .spans(3, bar(share(queue.depth), bar_width(style), ink, &[low, high], style))
        .part(0, Ink::Plain, format!("{:>2} % of {}", share(queue.depth), count(queue.capacity)))
        .part(1, ink, queue.level.as_str())
        .part(4, Ink::Faint, format!("marks {low} % and {high} %"))
}

fn store(frame: &Frame<'_>) -> Row {
    let seen = frame.snapshot;
    let ink = if seen.circuit.state == Circuit::Closed { Ink::Good } else { Ink::Bad };
    let times = if seen.latency.count == 0 {
        String::new()
    } else {
        format!("p50 {} p99 {}", latency(seen.latency.p50_ms), latency(seen.latency.p99_ms))
    };
    let retries = match seen.retries {
        0 => String::new(),
        1 => "1 retry".to_owned(),
        n => format!("{} retries", count(n)),
    };
    Row::new(4, "store")
        .part(0, ink, format!("circuit {}", seen.circuit.state.as_str()))
        .part(1, Ink::Plain, format!("workers {}/{} busy", seen.workers.busy, seen.workers.alive))
        .part(3, Ink::Plain, times)
        .part(2, Ink::Warn, retries)
}

fn rejected(frame: &Frame<'_>) -> Row {
    let seen = frame.snapshot;
    let failed = seen.books.rejected + seen.books.dropped;
    if failed == 0 {
        return Row::new(4, "rejected").part(0, Ink::Faint, "none");
    }
    let mut row = Row::new(2, "rejected").part(0, Ink::Warn, count(failed));
    for (i, group) in seen.rejects.iter().take(4).enumerate() {
        let column = group.column.as_ref().map_or(String::new(), |column| format!(" {column}"));
        row = row.part(i as u8 + 1, Ink::Plain, format!("{} {}{column}", count(group.rows), group.code));
    }
    row
}

/// Cells of a bar, by the width of the terminal.
fn bar_width(style: Style) -> usize {
    match style.width {
        0..70 => 10,
        70..100 => 20,
        _ => 30,
    }
}

/// A bar filled to so many percent, with marks at others.
fn bar(done: u64, cells: usize, ink: Ink, marks: &[u64], style: Style) -> Vec<(Ink, String)> {
    let (full, empty, mark) = if style.unicode { ('█', '░', '│') } else { ('#', '.', '|') };
    let cell_of = |percent: u64| (percent.min(100) as usize * cells) / 100;
    let filled = cell_of(done);
    let mut text: Vec<char> = (0..cells).map(|cell| if cell < filled { full } else { empty }).collect();
    for at in marks {
        if let Some(cell) = text.get_mut(cell_of(*at).min(cells.saturating_sub(1))) {
            *cell = mark;
        }
    }
    let (filled, rest) = text.split_at(filled);
    vec![(ink, filled.iter().collect()), (Ink::Faint, rest.iter().collect())]
}

/// Rows per second of the last seconds, the highest as high as it gets.
fn sparkline(rates: &Rates, cells: usize, style: Style) -> String {
    let steps: &[char] = if style.unicode {
        &['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█']
    } else {
        &['_', '.', ':', '-', '=', '+', '*', '#']
    };
    let history = rates.history();
    let skip = history.len().saturating_sub(cells);
    let values: Vec<f64> = history.skip(skip).collect();
    let top = values.iter().copied().fold(0.0, f64::max);
    let height = |value: f64| {
        let step = if top > 0.0 { (value / top * (steps.len() - 1) as f64).round() as usize } else { 0 };
        steps.get(step).copied().unwrap_or(' ')
    };
    values.into_iter().map(height).collect()
}

fn spinner(tick: usize, style: Style) -> String {
    let turns: &[char] = if style.unicode { &['◐', '◓', '◑', '◒'] } else { &['-', '\\', '|', '/'] };
    turns.get(tick % turns.len()).map(char::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Stage;
    use crate::report::rates::Sample;
    use crate::settings::EngineSettings;
    use crate::telemetry::run_counters::RunCounters;
    use crate::telemetry::snapshot::{Books, RejectGroup};

    const DRAWN: Style = Style { color: false, unicode: true, width: 80 };

    fn snapshot() -> Snapshot {
        let mut seen = RunCounters::new(&EngineSettings::default()).snapshot();
        seen.books = Books { read: 1_300_000, inserted: 1_203_993, rejected: 7, ..Books::default() };
        seen.queue.depth = 80_000;
        seen.queue.level = Level::Soft;
        seen.workers.alive = 2;
        seen.workers.busy = 1;
        seen.retries = 3;
        seen.latency.count = 40;
        seen.latency.p50_ms = 45.2;
        seen.latency.p99_ms = 210.4;
        let group = |code: &str, column: Option<&str>, rows| RejectGroup {
            stage: Stage::Validate,
            code: code.into(),
            column: column.map(Into::into),
            message: "".into(),
            rows,
            places: Vec::new(),
        };
        seen.rejects = vec![
            group("bad_number", Some("volume"), 4),
            group("22003", Some("close"), 2),
            group("width", None, 1),
        ];
        seen
    }

    fn rates() -> Rates {
        let mut rates = Rates::new();
        for tick in 1..=60u64 {
            let rows = tick * 20_000 + (tick % 10) * 1_000;
            rates.push(Sample { at: Duration::from_millis(tick * 200), rows, bytes: tick * 337_000 });
        }
        rates
    }

    fn gauge() -> InputGauge {
        InputGauge {
            consumed: 20_220_000,
            total: Some(48_234_567),
            decoded: 143_000_000,
            current: Some("data/minute_aggs/2024/03/2024-03-01.csv.gz".into()),
            files_done: 2,
            files_total: 12,
        }
    }

    fn block(seen: &Snapshot, input: &InputGauge, style: Style, height: usize) -> String {
        let rates = rates();
        let frame = Frame {
            title: "Loading bars into postgres://loader@db.example.com/market",
            elapsed: Duration::from_secs(12),
            snapshot: seen,
            input,
            rates: &rates,
            tick: 1,
        };
        let lines = render(&frame, style, height);
        assert!(lines.len() <= height);
        for line in &lines {
            assert!(line.chars().count() <= style.width || style.color, "too wide: {line}");
        }
        lines.join("\n")
    }

    #[test]
    fn at_80_columns() {
        insta::assert_snapshot!(block(&snapshot(), &gauge(), DRAWN, 23), @"
        Loading bars into postgres://loader@db.example.com/market  0:12
        input    ████████░░░░░░░░░░░░  41 %  20.2 of 48.2 MB  1.7 MB/s  ETA 0:16
        file     data/minute_aggs/2024/03/2024-03-01.csv.gz  (3 of 12)
        rows     1,204,000  100,000/s now  100,000/s average  █▇█▇█▇█▇█▇█▇
        queue    ██████████│█░░░░│░░░  61 % of 131,072  soft  marks 50 % and 80 %
        store    circuit closed  workers 1/2 busy  p50 45 ms p99 210 ms  3 retries
        rejected 7  4 bad_number volume  2 22003 close  1 width
        ");
    }

    #[test]
    fn at_120_columns() {
        insta::assert_snapshot!(block(&snapshot(), &gauge(), DRAWN.width(120), 23), @"
        Loading bars into postgres://loader@db.example.com/market  0:12
        input    ████████████░░░░░░░░░░░░░░░░░░  41 %  20.2 of 48.2 MB  1.7 MB/s  ETA 0:16
        file     data/minute_aggs/2024/03/2024-03-01.csv.gz  (3 of 12)
        rows     1,204,000  100,000/s now  100,000/s average  █▇█▇█▇█▇█▇█▇
        queue    ███████████████│██░░░░░░│░░░░░  61 % of 131,072  soft  marks 50 % and 80 %
        store    circuit closed  workers 1/2 busy  p50 45 ms p99 210 ms  3 retries
        rejected 7  4 bad_number volume  2 22003 close  1 width
        ");
    }

    #[test]
    fn at_40_columns() {
        insta::assert_snapshot!(block(&snapshot(), &gauge(), DRAWN.width(40), 23), @"
        Loading bars into postgres://load…  0:12
        input    ████░░░░░░  41 %  ETA 0:16
        file     …3/2024-03-01.csv.gz  (3 of 12)
        rows     1,204,000  100,000/s now
        queue    61 % of 131,072  soft
        store    circuit closed
        rejected 7  4 bad_number volume
        ");
    }

    #[test]
    fn at_any_width_and_height_it_fits() {
        let mut down = snapshot();
        down.circuit.state = Circuit::Open;
        for width in 1..200 {
            for height in [1, 2, 5, 9] {
                block(&down, &gauge(), DRAWN.width(width), height);
            }
        }
    }

    #[test]
    fn without_block_characters() {
        insta::assert_snapshot!(block(&snapshot(), &gauge(), Style::PLAIN.width(60), 23), @"
        Loading bars into postgres://loader@db.example.com/ma~  0:12
        input    ####......  41 %  20.2 of 48.2 MB  ETA 0:16
        file     ~a/minute_aggs/2024/03/2024-03-01.csv.gz  (3 of 12)
        rows     1,204,000  100,000/s now  100,000/s average
        queue    #####|..|.  61 % of 131,072  soft
        store    circuit closed  workers 1/2 busy  3 retries
        rejected 7  4 bad_number volume  2 22003 close  1 width
        ");
    }

    #[test]
    fn while_the_store_is_down() {
        let mut seen = snapshot();
        seen.circuit.state = Circuit::Open;
        seen.circuit.open_for = Some(Duration::from_secs(42));
        seen.circuit.reason = Some("connection refused".into());
        seen.queue.level = Level::Hard;
        seen.queue.depth = 131_072;
        insta::assert_snapshot!(block(&seen, &gauge(), DRAWN, 23), @"
        Loading bars into postgres://loader@db.example.com/market  0:12
         STORE TAKES NO ROWS for 0:42, waiting for it   nothing is lost
        reason   connection refused
        input    ████████░░░░░░░░░░░░  41 %  20.2 of 48.2 MB  1.7 MB/s  ETA -
        file     data/minute_aggs/2024/03/2024-03-01.csv.gz  (3 of 12)
        rows     1,204,000  100,000/s now  100,000/s average  █▇█▇█▇█▇█▇█▇
        queue    ██████████│█████│███  100 % of 131,072  hard  marks 50 % and 80 %
        store    circuit open  workers 1/2 busy  p50 45 ms p99 210 ms  3 retries
        rejected 7  4 bad_number volume  2 22003 close  1 width
        ");
        seen.circuit.state = Circuit::HalfOpen;
        let colored = block(&seen, &gauge(), Style { color: true, ..DRAWN }, 2);
        insta::assert_snapshot!(colored.replace('\x1b', "ESC"), @"
        ESC[1;97;41m STORE TAKES NO ROWS for 0:42, probing it ESC[0m  nothing is lost
        ESC[2minput    ESC[0mESC[32m████████ESC[0mESC[2m░░░░░░░░░░░░ESC[0m  ESC[1m41 %ESC[0m  20.2 of 48.2 MB  ESC[2m1.7 MB/sESC[0m  ETA -
        ");
    }

    #[test]
    fn from_a_pipe() {
        let mut seen = snapshot();
        seen.trouble = Some("deadlock detected".into());
        seen.rejects.clear();
        seen.books.rejected = 0;
        let input =
            InputGauge { total: None, current: Some("-".into()), files_total: 1, files_done: 0, ..gauge() };
        insta::assert_snapshot!(block(&seen, &input, DRAWN, 23), @"
        Loading bars into postgres://loader@db.example.com/market  0:12
        retrying deadlock detected
        input    ◓  20.2 MB read  1.7 MB/s  143.0 MB unpacked
        file     standard input
        rows     1,203,993  100,000/s now  100,000/s average  █▇█▇█▇█▇█▇█▇
        queue    ██████████│█░░░░│░░░  61 % of 131,072  soft  marks 50 % and 80 %
        store    circuit closed  workers 1/2 busy  p50 45 ms p99 210 ms  3 retries
        rejected none
        ");
    }

    #[test]
    fn when_the_input_is_read() {
        let input = InputGauge { consumed: 48_234_567, files_done: 12, current: None, ..gauge() };
        insta::assert_snapshot!(block(&snapshot(), &input, DRAWN, 3), @"
        input    all 48.2 MB read  80,000 rows still to store
        rows     1,204,000  100,000/s now  100,000/s average  █▇█▇█▇█▇█▇█▇
        rejected 7  4 bad_number volume  2 22003 close  1 width
        ");
    }
}
