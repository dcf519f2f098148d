//! A signal that comes before there are rows ends the program, whatever it waits for.

use std::net::TcpListener;
use std::process::{Command, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::wait::PATIENCE;
use crate::harness::{Postgres, Work, wait};

const BARS: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
                    2024-03-04T14:30:00Z,v,AAPL,1m,1,1,1,1,1\n";

/// The process that strace has started, once it catches SIGINT.
fn listening(strace: u32) -> Option<Pid> {
    let children = std::fs::read_to_string(format!("/proc/{strace}/task/{strace}/children")).ok()?;
    let child: i32 = children.split_whitespace().next()?.parse().ok()?;
    catches(child).map(|()| Pid::from_raw(child).expect("a process"))
}

/// Whether that process has a handler for SIGINT.
fn catches(process: i32) -> Option<()> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"))?;
    let caught = u64::from_str_radix(caught.trim(), 16).ok()?;
    (caught & 1 << (Signal::INT.as_raw() - 1) != 0).then_some(())
}

/// It comes when the handler is in place and nobody waits for it yet. So small a moment is made large by
/// strace: what handles the signal dwells in it, and so does what goes on to wait.
#[test]
fn one_that_comes_just_when_it_begins_to_listen_is_heard() {
    let works = Command::new("strace").args(["-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    if !works.is_ok_and(|status| status.success()) {
        eprintln!("skipped: strace is not there, or may not trace");
        return;
    }
    for command in ["load", "tail"] {
        let work = Work::new();
        let mut strace = Command::new("strace")
            .args(["-f", "-qq", "-o", "/dev/null", "-e", "trace=rt_sigaction,rt_sigreturn"])
            .args(["-e", "inject=rt_sigreturn:delay_enter=100000"])
            .args(["-e", "inject=rt_sigaction:delay_exit=50000"])
            .arg(env!("CARGO_BIN_EXE_mdsctl"))
            .args([command, "-", "--json", "--dataset", "bars", "--dsn", "sqlite:store.db"])
            .current_dir(work.path("."))
            .env("HOME", work.path("home"))
            .env_remove("MDS_DSN")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("strace starts");
        let pid = wait::until(PATIENCE, "it to listen", || listening(strace.id()));
        kill_process(pid, Signal::INT).expect("it runs");
        let ended = wait::within(PATIENCE, || strace.try_wait().expect("its state"));
        if ended.is_none() {
            let _ = kill_process(pid, Signal::KILL);
            let _ = strace.wait();
        }
        assert_eq!(ended.and_then(|status| status.code()), Some(130), "{command}");
    }
}

/// The server takes the connection, and says nothing.
#[test]
fn a_server_that_does_not_answer_keeps_nobody() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for (command, input) in [("load", "f.csv"), ("load", "-"), ("tail", "f.csv"), ("replay-dlq", ".dlq")]
        {
            let work = Work::new();
            work.write("f.csv", BARS);
            if command == "replay-dlq" {
                let bad = BARS.replace("1,1,1,1,1", "1,x,1,1,1");
                let load = work.mdsctl(["load", "-", "--dsn", "sqlite:store.db"]).stdin(bad);
                load.run().expect(3);
            }
            let server = TcpListener::bind("127.0.0.1:0").expect("a port");
            let dsn =
                format!("postgres://u@{}/d?connect_timeout=0", server.local_addr().expect("its address"));
            let program = work.mdsctl([command, input, "--json", "--wait", "--dsn", &dsn]);
            let (reader, pipe) = std::io::pipe().expect("a pipe");
            let program = if input == "-" { program.pipe(reader) } else { program };
            let running = program.spawn();
            let _connection = server.accept().expect("a connection");
            running.signal(signal);
            let run = running.finish().expect(code);
            assert!(run.error().contains("interrupted while the store was waited for"), "{run}");
            assert_eq!(run.json()["exit_code"], code, "{run}");
            drop(pipe);
        }
    }
}

/// Somebody has the table to themselves while it is looked at.
#[test]
fn a_table_that_is_locked_keeps_nobody() {
    for command in ["load", "tail"] {
        let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
        work.write("f.csv", BARS);
        let session = db.session().expect("a session");
        session.execute("BEGIN; LOCK TABLE bars, mds_runs");
        let running = work.mdsctl([command, "f.csv", "--json", "--dsn", &db.dsn()]).spawn();
        let waits = "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                     WHERE NOT l.granted AND a.datname = current_database()";
        wait::until(PATIENCE, "a lock that is waited for", || (!db.rows(waits).is_empty()).then_some(()));
        running.signal(Signal::INT);
        running.finish().expect(130);
        session.execute("COMMIT");
        assert_eq!(db.value("SELECT count(*) FROM bars"), "0");
    }
}

/// Rows that have been read of a pipe to see what they are: they go into the queue when the store is not
/// waited for any longer.
#[test]
fn rows_of_a_pipe_in_hand_are_kept_where_the_store_does_not_answer() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let session = db.session().expect("a session");
    session.execute("BEGIN; LOCK TABLE bars, mds_runs");
    let running = work.mdsctl(["load", "-", "--json", "--dsn", &db.dsn()]).stdin(BARS).spawn();
    let waits = "SELECT 1 FROM pg_locks l JOIN pg_stat_activity a USING (pid) \
                 WHERE NOT l.granted AND a.datname = current_database()";
    wait::until(PATIENCE, "a lock that is waited for", || (!db.rows(waits).is_empty()).then_some(()));
    running.signal(Signal::INT);
    wait::until(PATIENCE, "its answer", || running.said().contains("once more").then_some(()));
    running.signal(Signal::INT);
    let run = running.finish();
    assert_eq!(run.code, 130, "{run}");
    session.execute("ROLLBACK");
    let kept: u64 = work
        .path(".dlq")
        .read_dir()
        .expect("a queue")
        .flatten()
        .map(|file| {
            crate::harness::dlq::rows(&work.dlq(&format!(".dlq/{}", file.file_name().to_string_lossy())))
        })
        .sum();
    assert_eq!(kept, 1, "{run}");
}

/// A pipe that has given nothing is not at fault when its reading is stopped, whether or not it is known what its rows
/// are.
#[test]
fn a_silent_pipe_that_is_given_up_is_an_interrupted_load() {
    for (signal, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        for more in [&[][..], &["--dataset", "bars"]] {
            let work = Work::new();
            let (reader, pipe) = std::io::pipe().expect("a pipe");
            let arguments = [&["load", "-", "--json", "--dsn", "sqlite:store.db"], more].concat();
            let running = work.mdsctl(arguments).pipe(reader).spawn();
            wait::until(PATIENCE, "it to listen", || catches(running.pid() as i32));
            running.signal(signal);
            let run = running.finish().expect(code);
            assert_eq!(run.json()["exit_code"], code, "{run}");
            drop(pipe);
        }
    }
}
