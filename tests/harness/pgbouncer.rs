//! pgbouncer before a server, in transaction mode: a session of the server is ours for a
//! transaction only.

use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use super::postgres::{Postgres, free_port, make_directory, write_private};
use super::programs::PROGRAMS;
use super::wait::PATIENCE;
use super::{wait, without};

/// Sessions of the server that all clients share.
pub const POOL: usize = 3;

/// A pooler of our own.
pub struct Pgbouncer {
    port: u16,
    supervisor: Child,
    /// The pipe whose end ends it.
    tie: Option<ChildStdin>,
}

impl Pgbouncer {
    /// Starts one that lets that role in with its password; `None` where it is left out.
    pub fn start(server: &Postgres, role: &str, password: &str) -> Option<Self> {
        let program = without::program("pgbouncer", "loading through a pooler")?;
        (0..5).find_map(|_| Self::try_start(&program, server, role, password)).or_else(|| {
            panic!("pgbouncer does not start");
        })
    }

    fn try_start(program: &Path, server: &Postgres, role: &str, password: &str) -> Option<Self> {
        let (directory, port) = (make_directory(), free_port());
        let users = directory.join("users");
        write_private(&users, &format!("\"{role}\" \"{password}\"\n"));
        let (config, log) = (directory.join("pgbouncer.ini"), directory.join("server.log"));
        write_private(
            &config,
            &format!(
                "[databases]\n* = host={} port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
                 listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\nauth_file = {}\n\
                 pool_mode = transaction\ndefault_pool_size = {POOL}\n",
                server.socket_directory().display(),
                server.port(),
                users.display()
            ),
        );
        let mut command = Command::new("sh");
        PROGRAMS.settle(&mut command, &directory);
        command
            // No other signal ends all versions of it at once, and it keeps nothing.
            .env("END", "KILL")
            .args(["-c", include_str!("supervisor.sh"), "supervisor"])
            .args([&directory, program, &config])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut supervisor = command.spawn().expect("sh starts");
        let tie = supervisor.stdin.take();
        let pooler = Self { port, supervisor, tie };
        let up = wait::until(PATIENCE, "pgbouncer to accept connections", || {
            let said = fs::read_to_string(&log).unwrap_or_default();
            match TcpStream::connect(("127.0.0.1", port)) {
                Ok(_) => Some(true),
                Err(_) => said.contains("FATAL").then_some(false),
            }
        });
        up.then_some(pooler)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Pgbouncer {
    fn drop(&mut self) {
        drop(self.tie.take());
        let _ = self.supervisor.wait();
    }
}
