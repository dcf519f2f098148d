//! The built program, run as a user runs it: in a directory of its own, with a clean environment.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use serde_json::Value;
use tempfile::TempDir;

use super::dlq::DeadLetter;
use super::{dlq, programs, wait};
use crate::generator::market::Plan;
use crate::generator::spoil::Spoil;
use crate::generator::write::{Compress, Format, write};

/// Password of every role that has one. No output may ever show it.
pub const PASSWORD: &str = "correct-horse-7Q";

/// A working directory with a home of its own, gone at the end of the test.
pub struct Work {
    directory: TempDir,
}

impl Work {
    /// An empty one.
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("mdsctl-test-").tempdir().expect("a directory");
        fs::create_dir(directory.path().join("home")).expect("a home");
        Self { directory }
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Writes a file in it, and the directories above.
    pub fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> String {
        let path = self.path(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("a directory");
        fs::write(&path, bytes).expect("a file");
        path.to_str().expect("a path of UTF-8").into()
    }

    /// Writes generated rows to a file in it.
    pub fn generate(&self, name: &str, plan: &Plan, format: Format, spoil: &Spoil) -> String {
        let path = self.write(name, "");
        let file = File::create(&path).expect("a file");
        write(plan, format, Compress::None, spoil, file).expect("rows are written");
        path
    }

    /// The program with these arguments, not started yet.
    pub fn mdsctl<A: Into<OsString>>(&self, arguments: impl IntoIterator<Item = A>) -> Mdsctl {
        Mdsctl {
            arguments: arguments.into_iter().map(Into::into).collect(),
            directory: self.directory.path().into(),
            environment: Vec::new(),
            stdin: Stdin::Nothing,
            user: None,
            before: Vec::new(),
            limit: wait::PATIENCE,
        }
    }

    /// Records of the dead-letter file of that name in it; none if there is no such file.
    pub fn dlq(&self, name: &str) -> Vec<DeadLetter> {
        dlq::read(&self.path(name))
    }
}

/// Path of a file under `fixtures/`.
pub fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    assert!(path.is_file(), "{} is missing: run scripts/fixtures", path.display());
    path.to_str().expect("a path of UTF-8").into()
}

/// What the program reads on standard input.
enum Stdin {
    Nothing,
    Bytes(Vec<u8>),
    Pipe(std::io::PipeReader),
}

/// The program, not started yet.
pub struct Mdsctl {
    arguments: Vec<OsString>,
    directory: PathBuf,
    environment: Vec<(String, OsString)>,
    stdin: Stdin,
    user: Option<(u32, u32)>,
    /// What the shell that starts it does before.
    before: Vec<String>,
    limit: Duration,
}

impl Mdsctl {
    /// Adds arguments.
    pub fn arguments<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// Sets a variable of its environment.
    pub fn env(mut self, name: &str, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Gives it bytes to read.
    pub fn stdin(mut self, bytes: impl Into<Vec<u8>>) -> Self {
        self.stdin = Stdin::Bytes(bytes.into());
        self
    }

    /// Gives it a pipe to read.
    pub fn pipe(mut self, reader: std::io::PipeReader) -> Self {
        self.stdin = Stdin::Pipe(reader);
        self
    }

    /// Has it run in that directory below the one of the test.
    pub fn directory(mut self, below: &str) -> Self {
        self.directory.push(below);
        self
    }

    /// Has it run as that user, of that group.
    pub fn user(mut self, user: Option<(u32, u32)>) -> Self {
        self.user = user;
        self
    }

    /// Sets the longest time that it may take to its end once it is waited for.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// Lets it have so many open files at first (`ulimit -Sn`).
    pub fn open_files(mut self, files: u64) -> Self {
        self.before.push(format!("ulimit -Sn {files}"));
        self
    }

    /// Lets it write no byte into any file (`ulimit -f 0`): to it, all disks are full.
    pub fn no_room(mut self) -> Self {
        self.before.push("ulimit -f 0".into());
        self
    }

    /// Starts it deaf to SIGHUP, as `nohup` does.
    pub fn without_hangups(mut self) -> Self {
        self.before.push("trap '' HUP".into());
        self
    }

    /// Runs it to its end.
    pub fn run(self) -> Run {
        self.spawn().finish()
    }

    /// Starts it.
    pub fn spawn(self) -> Running {
        let program = env!("CARGO_BIN_EXE_mdsctl");
        let plain = self.before.is_empty();
        // Where this runs in the background of a shell, signals are ignored, and a program keeps to that.
        let mut command = Command::new("env");
        command.args(["--default-signal=HUP,INT,QUIT,TERM", if plain { program } else { "sh" }]);
        if !plain {
            command.args(["-c", &format!("{} && exec \"$0\" \"$@\"", self.before.join(" && ")), program]);
        }
        command
            .args(&self.arguments)
            .current_dir(&self.directory)
            .env_clear()
            .env("PATH", programs::path())
            .env("HOME", self.directory.join("home"))
            .env("LANG", "C.UTF-8")
            .envs(self.environment)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        if let Some((user, group)) = self.user {
            command.uid(user).gid(group);
        }
        let mut bytes = None;
        match self.stdin {
            Stdin::Nothing => command.stdin(Stdio::null()),
            Stdin::Pipe(reader) => command.stdin(reader),
            Stdin::Bytes(given) => {
                bytes = Some(given);
                command.stdin(Stdio::piped())
            }
        };
        let mut child = command.spawn().expect("mdsctl starts");
        if let (Some(bytes), Some(mut stdin)) = (bytes, child.stdin.take()) {
            // A program that stops reading early is no fault of this thread.
            std::thread::spawn(move || drop(stdin.write_all(&bytes)));
        }
        let stdout = Collected::start(child.stdout.take().expect("a pipe"));
        let stderr = Collected::start(child.stderr.take().expect("a pipe"));
        let line = self.arguments.iter().map(|a| a.to_string_lossy()).collect::<Vec<_>>().join(" ");
        Running { child: Some(child), stdout: Some(stdout), stderr: Some(stderr), line, limit: self.limit }
    }
}

/// What comes out of a pipe, as it comes.
struct Collected {
    bytes: Arc<Mutex<Vec<u8>>>,
    thread: JoinHandle<()>,
}

impl Collected {
    fn start(mut from: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let all = bytes.clone();
        let thread = std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                all.lock().expect("no reader panics").extend_from_slice(&piece[..count]);
            }
        });
        Self { bytes, thread }
    }

    fn so_far(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().expect("no writer panics")).into_owned()
    }

    fn all(self) -> String {
        let Self { bytes, thread } = self;
        thread.join().expect("collected");
        String::from_utf8_lossy(&bytes.lock().expect("no writer panics")).into_owned()
    }
}

/// The program while it runs. Killed when dropped.
pub struct Running {
    child: Option<Child>,
    stdout: Option<Collected>,
    stderr: Option<Collected>,
    line: String,
    limit: Duration,
}

impl Running {
    /// Sets how large a file may grow by its hand (`ulimit -f`); `None`: without limit.
    pub fn limit_files(&self, bytes: Option<u64>) {
        let pid = Pid::from_child(self.child.as_ref().expect("it runs"));
        let limit = Rlimit { current: bytes, maximum: None };
        prlimit(Some(pid), Resource::Fsize, limit).expect("a limit");
    }

    /// Sends a signal to it.
    pub fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        // Until `env` has handed on to the program, the signal may be one that is ignored.
        let name = format!("/proc/{}/comm", child.id());
        wait::within(self.limit, || {
            let is_env = std::fs::read_to_string(&name).is_ok_and(|name| name.trim_end() == "env");
            (!is_env).then_some(())
        });
        kill_process(Pid::from_child(child), signal).expect("it runs");
    }

    /// The number of its process.
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("it runs").id()
    }

    /// Whether it was stopped by a signal, and has not gone on.
    pub fn stands_still(&self) -> bool {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.pid())).unwrap_or_default();
        stat.rsplit_once(") ").is_some_and(|(_, rest)| rest.starts_with('T'))
    }

    /// What it has said on standard error so far.
    pub fn said(&self) -> String {
        self.stderr.as_ref().expect("taken when it has ended").so_far()
    }

    /// What it has written to standard output so far.
    pub fn printed(&self) -> String {
        self.stdout.as_ref().expect("taken when it has ended").so_far()
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.as_mut().is_none_or(|child| child.try_wait().expect("its state").is_some())
    }

    /// Waits until it ends and gives its exit code, even that of a signal, unchecked.
    pub fn finish_quietly(mut self) -> i32 {
        let mut child = self.child.take().expect("it runs");
        let ended = wait::within(self.limit, || child.try_wait().expect("its state"));
        if ended.is_none() {
            let _ = child.kill();
        }
        code(ended.expect("it ends in time"))
    }

    /// Waits until it ends; kills it and fails when that takes too long.
    pub fn finish(mut self) -> Run {
        let mut child = self.child.take().expect("it runs");
        let limit = self.limit;
        let ended = wait::within(limit, || child.try_wait().expect("its state"));
        let status = ended.unwrap_or_else(|| {
            let _ = child.kill();
            child.wait().expect("it was killed")
        });
        let text = |of: Option<Collected>| of.expect("collected once").all();
        let run = Run {
            code: code(status),
            stdout: text(self.stdout.take()),
            stderr: text(self.stderr.take()),
            line: std::mem::take(&mut self.line),
        };
        assert!(ended.is_some(), "killed after {limit:?}: {run}");
        run.check();
        run
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// The exit code; of a process that a signal ended, the signal's number below zero.
fn code(status: ExitStatus) -> i32 {
    status.code().unwrap_or_else(|| -status.signal().unwrap_or(0))
}

/// What a run left.
#[derive(Debug, Clone)]
pub struct Run {
    /// Exit code.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    line: String,
}

impl std::fmt::Display for Run {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { code, stdout, stderr, line } = self;
        write!(f, "mdsctl {line}\n-- exit {code}\n-- stdout\n{stdout}\n-- stderr\n{stderr}")
    }
}

/// The accounting of a run, as `--json` prints it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Books {
    /// Rows read.
    pub read: u64,
    /// Rows that were not there before.
    pub inserted: u64,
    /// Rows that were there with other values.
    pub updated: u64,
    /// Rows that were there with the same values.
    pub unchanged: u64,
    /// Rows replaced by a later row of the input before they were written.
    pub superseded: u64,
    /// Rows that are in the DLQ for their data.
    pub rejected: u64,
    /// Rows that are in the DLQ because the queue overflowed.
    pub dropped: u64,
    /// Rows left alone.
    pub skipped: u64,
}

impl Run {
    /// What holds for every run, whatever it was asked for.
    fn check(&self) {
        for output in [&self.stdout, &self.stderr] {
            assert!(!output.contains(PASSWORD), "shows a password: {self}");
            for trace in ["panicked at", "RUST_BACKTRACE", "stack backtrace"] {
                assert!(!output.contains(trace), "shows a stack trace: {self}");
            }
            assert!(!output.contains("(os error "), "shows a number for programmers: {self}");
        }
        let warns = self.line.starts_with("health");
        assert!(self.code != 1 || warns, "an internal error: {self}");
    }

    /// The same, if it ended with that code.
    pub fn expect(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self}");
        self
    }

    /// The last line on standard error: one sentence, without the innards of the program.
    pub fn error(&self) -> &str {
        let line = self.stderr.trim_end().lines().last().unwrap_or_default();
        assert!(!line.trim().is_empty(), "says nothing: {self}");
        assert!(line.chars().count() < 600, "a novel: {self}");
        for innards in ["Error {", "Os {", "Some(", "Err(", "kind:", ".rs:", " 0x"] {
            assert!(!line.contains(innards), "shows {innards}: {self}");
        }
        line
    }

    /// The one JSON object on standard output.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self}"))
    }

    /// The accounting of a load with `--json`, which must close.
    pub fn books(&self) -> Books {
        let json = self.json();
        let row = |name: &str| {
            json["rows"][name].as_u64().unwrap_or_else(|| panic!("no number rows.{name}: {self}"))
        };
        let books = Books {
            read: row("read"),
            inserted: row("inserted"),
            updated: row("updated"),
            unchanged: row("unchanged"),
            superseded: row("superseded"),
            rejected: row("rejected"),
            dropped: row("dropped"),
            skipped: row("skipped"),
        };
        let Books { read, inserted, updated, unchanged, superseded, rejected, dropped, skipped } = books;
        let settled = inserted + updated + unchanged + superseded + rejected + dropped + skipped;
        let lost = json["rows"].get("lost").map_or(0, |lost| lost.as_u64().expect("a number"));
        assert_eq!(read, settled + lost, "the books do not close: {self}");
        assert_eq!(json["dlq"]["rows"].as_u64(), Some(rejected + dropped), "rows of the DLQ: {self}");
        assert_eq!(json["exit_code"].as_i64(), Some(i64::from(self.code)), "exit_code: {self}");
        books
    }
}
