//! Shows progress while a run goes on, from a thread of its own. It reads counters and writes to
//! stderr, and is never waited for by who moves the data.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::report::display::{self, Frame, InputGauge};
use crate::report::draw_target::{DrawTarget, Size};
use crate::report::lines;
use crate::report::rates::{Rates, Sample};
use crate::report::shared_stderr::SharedStderr;
use crate::report::style::Style;
use crate::telemetry::run_counters::RunCounters;
use crate::text::choice::choices;
use crate::text::visible::painted;

/// What the user wants to see of the progress: `--progress`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Choice {
    /// The block on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// The block.
    Bar,
    /// A line every few seconds.
    Plain,
    /// An object a second.
    Json,
    /// Nothing.
    None,
}

choices!(Choice:
    Auto = "auto": "A live block on a terminal, lines elsewhere",
    Bar = "bar": "The live block",
    Plain = "plain": "A line every few seconds",
    Json = "json": "A JSON object a line",
    None = "none": "Nothing",
);

/// How progress is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The block, redrawn five times a second.
    Bar,
    /// A line after 2 seconds, and then every 5.
    Plain,
    /// An object a second, and one at the end.
    Json,
    /// Not at all.
    None,
}

impl Mode {
    /// What becomes of a choice where stderr is, or is not, a terminal that can move its cursor.
    pub fn resolve(choice: Choice, terminal: bool, dumb: bool) -> Self {
        match choice {
            Choice::Auto | Choice::Bar if terminal && !dumb => Self::Bar,
            Choice::Auto | Choice::Bar | Choice::Plain => Self::Plain,
            Choice::Json => Self::Json,
            Choice::None => Self::None,
        }
    }

    /// The mode for that choice, by stderr and `TERM` of this process.
    pub fn for_stderr(choice: Choice) -> Self {
        let dumb = std::env::var_os("TERM").is_none_or(|term| term.is_empty() || term == "dumb");
        Self::resolve(choice, io::stderr().is_terminal(), dumb)
    }
}

/// When something is shown.
struct Pace {
    /// Between two looks at the counters.
    look: Duration,
    /// Until something is first shown; a run that is over sooner shows nothing of this.
    first: Duration,
    /// From then on.
    every: Duration,
}

impl Pace {
    fn of(mode: Mode) -> Option<Self> {
        let ms = Duration::from_millis;
        match mode {
            Mode::Bar => Some(Self { look: ms(200), first: ms(200), every: ms(200) }),
            Mode::Plain => Some(Self { look: ms(500), first: ms(2_000), every: ms(5_000) }),
            Mode::Json => Some(Self { look: ms(500), first: ms(1_000), every: ms(1_000) }),
            Mode::None => None,
        }
    }
}

/// A running display. It ends with [`Progress::finish`] or when it is dropped.
#[derive(Debug)]
pub struct Progress {
    /// Never sent on: that it is gone says that the run has ended.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
    screen: SharedStderr,
}

impl Progress {
    /// Starts to show what `tally` counts and what `gauge` says of the input, under `title`
    /// (`Loading bars into sqlite:mds.db`). Lines that others write to stderr while it runs must
    /// go through `screen`. `gauge` is asked a few times a second and should not wait for anything.
    pub fn start(
        mode: Mode,
        style: Style,
        screen: &SharedStderr,
        title: impl Into<String>,
        tally: Arc<RunCounters>,
        gauge: impl Fn() -> InputGauge + Send + 'static,
    ) -> Self {
        let mut progress = Self { stop: None, thread: None, screen: screen.clone() };
        let Some(pace) = Pace::of(mode) else { return progress };
        let watch = Watch {
            started: Instant::now(),
            title: title.into(),
            tally,
            gauge,
            rates: Rates::new(),
            ticks: 0,
        };
        let output = Output::new(mode, style, screen);
        let (stop, stopped) = sync_channel(0);
        let thread = std::thread::Builder::new()
            .name("progress".to_owned())
            .spawn(move || run(&pace, watch, output, &stopped));
        // Where no thread can be had, the load goes on without display.
        if let Ok(thread) = thread {
            progress.thread = Some(thread);
            progress.stop = Some(stop);
        }
        progress
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
            self.screen.clear();
        }
    }
}

/// What is looked at.
struct Watch<G> {
    started: Instant,
    title: String,
    tally: Arc<RunCounters>,
    gauge: G,
    rates: Rates,
    ticks: usize,
}

impl<G: Fn() -> InputGauge> Watch<G> {
    /// Looks, and shows what it sees if it is time to.
    fn look(&mut self, output: Option<&Output>) -> bool {
        let snapshot = self.tally.snapshot();
        let input = (self.gauge)();
        let elapsed = self.started.elapsed();
        self.rates.push(Sample { at: elapsed, rows: snapshot.progressed(), bytes: input.consumed });
        self.ticks += 1;
        let frame = Frame {
            title: &self.title,
            elapsed,
            snapshot: &snapshot,
            input: &input,
            rates: &self.rates,
            tick: self.ticks,
        };
        output.is_none_or(|output| output.show(&frame))
    }
}

fn run<G: Fn() -> InputGauge>(pace: &Pace, mut watch: Watch<G>, output: Output, stopped: &Receiver<()>) {
    let mut due = pace.first;
    while stopped.recv_timeout(pace.look) == Err(RecvTimeoutError::Timeout) {
        let elapsed = watch.started.elapsed();
        let now = elapsed >= due;
        if !watch.look(now.then_some(&output)) {
            // stderr is closed: nobody watches any more.
            return;
        }
        while due <= elapsed {
            due += pace.every;
        }
    }
    if let Output::Lines { last: true, .. } = output {
        watch.look(Some(&output));
    }
}

/// Where it is shown.
enum Output {
    Block { bar: ProgressBar, size: Arc<Size>, style: Style },
    Lines { write: fn(&Frame<'_>) -> String, last: bool },
}

impl Output {
    fn new(mode: Mode, style: Style, screen: &SharedStderr) -> Self {
        match mode {
            Mode::Bar => {
                let (columns, rows) = stderr_size();
                let size = Size::new(columns, rows);
                let canvas = DrawTarget::new(io::stderr(), size.clone());
                let target = ProgressDrawTarget::term_like(Box::new(canvas));
                let bar = ProgressBar::with_draw_target(None, target);
                if let Ok(template) = ProgressStyle::with_template("{msg}") {
                    bar.set_style(template);
                }
                screen.show(bar.clone());
                Self::Block { bar, size, style }
            }
            Mode::Json => Self::Lines { write: lines::json, last: true },
            Mode::Plain | Mode::None => Self::Lines { write: lines::plain, last: false },
        }
    }

    /// Whether there is still somebody to show it to.
    fn show(&self, frame: &Frame<'_>) -> bool {
        match self {
            Self::Block { bar, size, style } => {
                let (columns, rows) = stderr_size();
                size.set(columns, rows);
                let style = style.width(usize::from(columns));
                // The line above the block stays in sight.
                let height = usize::from(rows).saturating_sub(1);
                bar.set_message(display::render(frame, style, height).join("\n"));
                true
            }
            Self::Lines { write, .. } => {
                let mut line = write(frame);
                line.push('\n');
                io::stderr().lock().write_all(painted(&line).as_bytes()).is_ok()
            }
        }
    }
}

/// Columns and rows of the terminal behind stderr; 80 by 24 where it does not say.
fn stderr_size() -> (u16, u16) {
    let known = |n: u16, usual: u16| if n == 0 { usual } else { n };
    rustix::termios::tcgetwinsize(io::stderr())
        .map_or((80, 24), |size| (known(size.ws_col, 80), known(size.ws_row, 24)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::EngineSettings;
    use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

    #[test]
    fn a_mode_for_each_choice_and_place() {
        let modes = |choice| {
            [(true, false), (true, true), (false, false)]
                .map(|(terminal, dumb)| Mode::resolve(choice, terminal, dumb))
        };
        assert_eq!(modes(Choice::Auto), [Mode::Bar, Mode::Plain, Mode::Plain]);
        assert_eq!(modes(Choice::Bar), [Mode::Bar, Mode::Plain, Mode::Plain]);
        assert_eq!(modes(Choice::Plain), [Mode::Plain; 3]);
        assert_eq!(modes(Choice::Json), [Mode::Json; 3]);
        assert_eq!(modes(Choice::None), [Mode::None; 3]);
    }

    #[test]
    fn ends_at_once_and_leaves_no_thread() {
        let tally = Arc::new(RunCounters::new(&EngineSettings::default()));
        let asked = Arc::new(AtomicU32::new(0));
        let started = Instant::now();
        for mode in [Mode::None, Mode::Plain, Mode::Bar] {
            let counter = asked.clone();
            let gauge = move || {
                counter.fetch_add(1, Relaxed);
                InputGauge::default()
            };
            let progress = Progress::start(
                mode,
                Style::PLAIN,
                &SharedStderr::default(),
                "Loading",
                tally.clone(),
                gauge,
            );
            assert_eq!(progress.screen.suspend(|| progress.screen.suspend(|| 7)), 7);
            drop(progress);
            if mode == Mode::None {
                assert_eq!(asked.load(Relaxed), 0);
            }
        }
        assert!(started.elapsed() < Duration::from_secs(30));
        assert_eq!(Arc::strong_count(&tally), 1, "the thread is gone");
    }
}
