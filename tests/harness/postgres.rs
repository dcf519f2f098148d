//! A PostgreSQL server of our own: its own directory, port and socket; gone when we are.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock};

use rustix::process::{Pid, Signal, kill_process};

use super::db::{Db, OURSELVES};
use super::programs::PROGRAMS;
use super::run::Work;
use super::wait;
use super::wait::PATIENCE;

/// The role that owns everything; it needs no password.
pub const SUPERUSER: &str = "mds";
/// Databases made so far.
static MADE: AtomicU32 = AtomicU32::new(0);
/// The server of [`Postgres::shared`]. Statics are not dropped: its supervisor ends it.
static SHARED: LazyLock<Postgres> = LazyLock::new(Postgres::private);

/// A server, running or not.
pub struct Postgres {
    directory: PathBuf,
    port: u16,
    running: Mutex<Option<Running>>,
    template: OnceLock<String>,
}

/// A server process and the shell that watches over it.
struct Running {
    supervisor: Child,
    /// The pipe whose end ends the server.
    tie: ChildStdin,
    server: Pid,
}

impl Postgres {
    /// The server that all tests of this process share: do not stop it.
    pub fn shared() -> &'static Self {
        &SHARED
    }

    /// A server for one test, which may stop it, kill it and start it again.
    pub fn private() -> Self {
        Self::prepared("", |_| ())
    }

    /// A server that can have TimescaleDB, where that is installed; otherwise one line says that
    /// the test is skipped.
    pub fn with_timescale(test: &str) -> Option<Self> {
        Self::with_timescale_and(test, "")
    }

    /// The same with further settings of the server.
    pub fn with_timescale_and(test: &str, more: &str) -> Option<Self> {
        let available = "SELECT 1 FROM pg_available_extensions WHERE name = 'timescaledb'";
        if Self::shared().db("postgres").rows(available).is_empty() {
            // Right to the file, since the test runner keeps what passing tests print.
            let _ = writeln!(std::io::stderr(), "skipped {test}: TimescaleDB is not installed");
            return None;
        }
        Some(Self::prepared(
            &format!("shared_preload_libraries = 'timescaledb'\ntimescaledb.telemetry_level = off\n{more}"),
            |_| (),
        ))
    }

    /// A server with these settings, whose data directory is made ready before it starts.
    pub fn prepared(more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = make_directory();
        let data = directory.join("data");
        let out = PROGRAMS
            .command("initdb", &directory)
            .args(["--no-sync", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-instructions"])
            .arg(format!("--username={SUPERUSER}"))
            .arg("--pgdata")
            .arg(&data)
            .output()
            .expect("initdb starts");
        assert!(out.status.success(), "initdb: {}", String::from_utf8_lossy(&out.stderr));
        let settings = "listen_addresses = '127.0.0.1'\nmax_connections = 200\nfsync = off\n\
            shared_buffers = 128MB\nmax_wal_size = 2GB\ntimezone = 'UTC'\nlog_timezone = 'UTC'\n\
            password_encryption = 'scram-sha-256'\nlog_line_prefix = '%d|%a|%e|'\n";
        append(&data.join("postgresql.conf"), settings);
        append(&data.join("postgresql.conf"), more);
        prepare(&data);
        Self::boot(directory)
    }

    /// A server that follows this one, with its own port and directory. From now on no commit of
    /// this server is answered before that one has it on its disk.
    pub fn standby(&self) -> Self {
        let directory = make_directory();
        let (host, port) = (self.directory.display(), self.port);
        let out = PROGRAMS
            .command("pg_basebackup", &directory)
            .args(["--write-recovery-conf", "--checkpoint=fast", "--no-sync", "--dbname"])
            .arg(format!("host={host} port={port} user={SUPERUSER} application_name=standby"))
            .arg("--pgdata")
            .arg(directory.join("data"))
            .output()
            .expect("pg_basebackup starts");
        assert!(out.status.success(), "pg_basebackup: {}", String::from_utf8_lossy(&out.stderr));
        let standby = Self::boot(directory);
        let primary = self.db("postgres");
        primary.execute("ALTER SYSTEM SET synchronous_standby_names = 'standby'");
        self.reload();
        wait::until(PATIENCE, "the standby to follow", || {
            let following = "SELECT 1 FROM pg_stat_replication WHERE sync_state = 'sync'";
            (!primary.rows(following).is_empty()).then_some(())
        });
        standby
    }

    /// Has a standby follow nobody any more; it takes rows when this returns.
    pub fn promote(&self) {
        assert_eq!(self.db("postgres").value("SELECT pg_promote(true, 60)"), "t");
    }

    /// Starts a server whose data directory is ready.
    fn boot(directory: PathBuf) -> Self {
        let mut server = Self { directory, port: 0, running: Mutex::new(None), template: OnceLock::new() };
        // Between asking for a free port and using it another process may take it.
        for attempt in 1.. {
            server.port = free_port();
            match server.try_start() {
                Ok(()) => break,
                Err(log) if attempt == 5 => panic!("PostgreSQL does not start: {log}"),
                Err(_) => {}
            }
        }
        server
    }

    /// Starts the server after [`Postgres::stop`] or [`Postgres::kill9`], on the same port.
    pub fn start(&self) {
        if let Err(log) = self.try_start() {
            panic!("PostgreSQL does not start again: {log}");
        }
    }

    /// Stops the server as an operator does (fast shutdown), and waits until it is down.
    pub fn stop(&self) {
        let running = self.lock().take().expect("the server is running");
        let _ = kill_process(running.server, Signal::INT);
        running.wait(true);
    }

    /// Kills every process of the server, as a power cut does, and waits until they are gone.
    pub fn kill9(&self) {
        let running = self.lock().take().expect("the server is running");
        // A stopped postmaster makes no new children while we look for them.
        let _ = kill_process(running.server, Signal::STOP);
        let children = children(running.server);
        for pid in children.iter().copied().chain([running.server]) {
            let _ = kill_process(pid, Signal::KILL);
        }
        for pid in children {
            wait::until(PATIENCE, "a killed backend to go", || is_gone(pid).then_some(()));
        }
        running.wait(true);
    }

    /// Kills one process of the server, upon which the server ends all its sessions and recovers.
    pub fn kill9_backend(&self, pid: i32) {
        // It may have ended by itself.
        let _ = kill_process(Pid::from_raw(pid).expect("a process id"), Signal::KILL);
    }

    /// Stops and starts.
    pub fn restart(&self) {
        self.stop();
        self.start();
    }

    /// Whether the server runs.
    pub fn is_running(&self) -> bool {
        self.lock().as_ref().is_some_and(|running| !is_gone(running.server))
    }

    /// An empty database, for one test.
    pub fn database(&self) -> Db {
        // TimescaleDB's launcher looks into template1 now and then; nobody can look into template0.
        self.make_database("template0")
    }

    /// A database in which `mdsctl schema apply` has run.
    pub fn database_with_schema(&self) -> Db {
        let template = self.template.get_or_init(|| {
            let db = self.database();
            Work::new().mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
            db.name().to_string()
        });
        self.make_database(template)
    }

    /// Lets a role in with its password only; everybody else as before.
    pub fn require_password(&self, role: &str) {
        let path = self.directory.join("data/pg_hba.conf");
        let rules = fs::read_to_string(&path).expect("pg_hba.conf");
        fs::write(
            &path,
            format!("host all {role} all scram-sha-256\nlocal all {role} scram-sha-256\n{rules}"),
        )
        .expect("pg_hba.conf");
        self.reload();
    }

    /// Has the server read its configuration again.
    pub fn reload(&self) {
        let running = self.lock();
        kill_process(running.as_ref().expect("the server is running").server, Signal::HUP).expect("reload");
    }

    /// The errors that the server reports from now on in that database, except to the tests
    /// themselves.
    pub fn errors(&self, db: &Db) -> Errors {
        let mut log = File::open(self.directory.join("server.log")).expect("the server's log");
        log.seek(SeekFrom::End(0)).expect("its end");
        Errors {
            log: BufReader::new(log),
            line: String::new(),
            database: db.name().into(),
            codes: Vec::new(),
        }
    }

    /// The name of a socket that has no file.
    pub fn abstract_socket(&self) -> String {
        let name = self.directory.file_name().expect("a name");
        format!("@{}", name.to_str().expect("a name of UTF-8"))
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The directory of the socket.
    pub fn socket_directory(&self) -> &Path {
        &self.directory
    }

    fn make_database(&self, template: &str) -> Db {
        let name = format!("test_{}", MADE.fetch_add(1, Ordering::Relaxed) + 1);
        let admin = self.db("postgres");
        admin.execute(&format!("CREATE DATABASE {name} TEMPLATE {template}"));
        self.db(&name)
    }

    /// The database of that name.
    pub fn db(&self, name: &str) -> Db {
        Db::new(self.port, &self.directory, name)
    }

    fn lock(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// Starts it; the error is the end of the server's log.
    fn try_start(&self) -> Result<(), String> {
        let mut command = Command::new("sh");
        PROGRAMS.settle(&mut command, &self.directory);
        command
            .args(["-c", include_str!("supervisor.sh"), "supervisor"])
            .arg(&self.directory)
            .arg(PROGRAMS.path("postgres"))
            .arg("-D")
            .arg(self.directory.join("data"))
            .arg("-p")
            .arg(self.port.to_string())
            .arg("-k")
            .arg(format!("{},{}", self.directory.display(), self.abstract_socket()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut supervisor = command.spawn().expect("sh starts");
        let tie = supervisor.stdin.take().expect("a pipe");
        let mut pid = String::new();
        let mut said = BufReader::new(supervisor.stdout.take().expect("a pipe"));
        said.read_line(&mut pid).expect("the server's process id");
        let server = Pid::from_raw(pid.trim().parse().expect("a process id")).expect("a process id");
        let running = Running { supervisor, tie, server };
        let up = wait::until(PATIENCE, "PostgreSQL to accept connections", || {
            if is_gone(server) {
                return Some(false);
            }
            self.db("postgres").try_rows("SELECT 1").is_ok().then_some(true)
        });
        if !up {
            running.wait(true);
            let log = fs::read_to_string(self.directory.join("server.log")).unwrap_or_default();
            return Err(log.lines().rev().take(8).collect::<Vec<_>>().join("\n"));
        }
        *self.lock() = Some(running);
        Ok(())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        match self.lock().take() {
            Some(running) => running.wait(false),
            None => drop(fs::remove_dir_all(&self.directory)),
        }
    }
}

/// Errors that a server reports, as its log has them.
pub struct Errors {
    log: BufReader<File>,
    /// What has been read of a line that is not complete yet.
    line: String,
    database: String,
    codes: Vec<String>,
}

impl Errors {
    /// How many there have been with that SQLSTATE.
    pub fn count(&mut self, code: &str) -> usize {
        while self.log.read_line(&mut self.line).expect("the log is text") > 0 {
            if !self.line.ends_with('\n') {
                break;
            }
            let mut fields = self.line.split('|');
            let (database, program, code) = (fields.next(), fields.next(), fields.next());
            let error = fields.next().is_some_and(|text| {
                ["ERROR:", "FATAL:", "PANIC:"].iter().any(|severity| text.starts_with(severity))
            });
            if error && database == Some(&self.database) && program != Some(OURSELVES) {
                self.codes.extend(code.map(String::from));
            }
            self.line.clear();
        }
        self.codes.iter().filter(|seen| *seen == code).count()
    }
}

impl Running {
    /// Ends the server if it is still there, and waits for its supervisor.
    fn wait(mut self, keep: bool) {
        if keep {
            let _ = self.tie.write_all(b"keep\n");
        }
        drop(self.tie);
        let _ = self.supervisor.wait();
    }
}

/// Whether a process has ended, even if its parent has not taken note yet.
fn is_gone(pid: Pid) -> bool {
    let state = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    state.map_or(true, |stat| stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('Z')))
}

/// Processes whose parent is `pid`.
fn children(pid: Pid) -> Vec<Pid> {
    let parent = pid.as_raw_nonzero().to_string();
    let entries = fs::read_dir("/proc").expect("/proc");
    entries
        .flatten()
        .filter_map(|entry| {
            let child: i32 = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            let of = stat.rsplit(") ").next()?.split(' ').nth(1)?;
            if of == parent { Pid::from_raw(child) } else { None }
        })
        .collect()
}

/// A directory that the server's user owns, with a path short enough for a socket.
pub(super) fn make_directory() -> PathBuf {
    let parent = match std::env::temp_dir() {
        short if short.as_os_str().len() < 60 => short,
        _ => PathBuf::from("/tmp"),
    };
    let directory =
        tempfile::Builder::new().prefix("mdsctl-pg-").tempdir_in(parent).expect("a directory").keep();
    if let Some((user, group)) = PROGRAMS.user {
        chown(&directory, Some(user), Some(group)).expect("the server's user owns its directory");
    }
    directory
}

/// A port that nobody uses now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// Writes a file that the server's user may read, and nobody else.
pub fn write_private(path: &Path, text: &str) {
    fs::write(path, text).expect("a file");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("its mode");
    if let Some((user, group)) = PROGRAMS.user {
        chown(path, Some(user), Some(group)).expect("its owner");
    }
}

fn append(path: &Path, text: &str) {
    let mut file = fs::OpenOptions::new().append(true).open(path).expect("the file is there");
    file.write_all(text.as_bytes()).expect("the file grows");
}
