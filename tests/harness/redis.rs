//! A private Redis.

use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};

use redis::{Client, Connection, Value, cmd, pipe};

use super::authority::Files;
use super::postgres::{free_port, make_directory};
use super::programs::PROGRAMS;
use super::wait::PATIENCE;
use super::{wait, without};

/// A server of our own, which ends with the test process.
pub struct Redis {
    port: u16,
    supervisor: Child,
    /// The pipe whose end ends it.
    tie: Option<ChildStdin>,
}

impl Redis {
    /// Starts one, which keeps nothing on disk; `None` where it is left out.
    pub fn start() -> Option<Self> {
        let program = without::program("redis-server", "following streams of Redis")?;
        Some(Self::on(&program, free_port(), &[]))
    }

    /// Starts one on that port, with those settings.
    pub fn on(program: &Path, port: u16, settings: &[&str]) -> Self {
        let directory = make_directory();
        let mut command = Command::new("sh");
        PROGRAMS.settle(&mut command, &directory);
        command
            .env("END", "KILL")
            .args(["-c", include_str!("supervisor.sh"), "supervisor"])
            .arg(&directory)
            .arg(program)
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", "", "--dir"])
            .arg(&directory)
            .args(settings)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut supervisor = command.spawn().expect("sh starts");
        let tie = supervisor.stdin.take();
        let client = Client::open(format!("redis://127.0.0.1:{port}/")).expect("an address");
        wait::until(PATIENCE, "Redis to take commands", || {
            cmd("PING").query::<String>(&mut client.get_connection().ok()?).ok()
        });
        Self { port, supervisor, tie }
    }

    /// Starts one that speaks TLS at a second port, which is given too; with `clients` to those that show a certificate.
    pub fn over_tls(files: &Files, clients: bool) -> Option<(Self, u16)> {
        let program = without::program("redis-server", "following streams of Redis")?;
        let (port, clients) = (free_port(), if clients { "yes" } else { "no" });
        let (cert, key, ca) = (files.path("server.pem"), files.path("server.key"), files.path("ca.pem"));
        let tls = ["--tls-cert-file", &cert, "--tls-key-file", &key, "--tls-ca-cert-file", &ca];
        let own = ["--tls-port", &port.to_string(), "--tls-auth-clients", clients];
        Some((Self::on(&program, free_port(), &[&own[..], &tls].concat()), port))
    }

    /// The address of a stream, with these parameters.
    pub fn address(&self, stream: &str, parameters: &str) -> String {
        format!("redis://127.0.0.1:{}/{stream}?{parameters}", self.port)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    fn connection(&self) -> Connection {
        let client = Client::open(format!("redis://127.0.0.1:{}/", self.port)).expect("an address");
        client.get_connection().expect("a connection")
    }

    /// Runs a command, its words divided by blanks.
    pub fn ask(&self, words: &str) -> Value {
        let mut words = words.split(' ');
        let mut command = cmd(words.next().expect("a word"));
        words.for_each(|word| {
            command.arg(word);
        });
        command.query(&mut self.connection()).unwrap_or_else(|error| panic!("{error}"))
    }

    /// Adds entries of one field each, under ids that the server makes.
    pub fn add(&self, stream: &str, bodies: impl IntoIterator<Item = String>) {
        let (mut all, mut any) = (pipe(), false);
        for body in bodies {
            any = true;
            all.cmd("XADD").arg(stream).arg("*").arg("data").arg(body).ignore();
        }
        if any {
            all.query::<()>(&mut self.connection()).expect("it is added");
        }
    }

    /// Adds an entry of those fields.
    pub fn add_fields(&self, stream: &str, id: &str, fields: &[(&str, &[u8])]) {
        let mut command = cmd("XADD");
        command.arg(stream).arg(id);
        fields.iter().for_each(|(name, value)| {
            command.arg(*name).arg(*value);
        });
        command.query::<()>(&mut self.connection()).expect("it is added");
    }

    /// How many messages consumers of the group have been given and have not acknowledged.
    pub fn pending(&self, stream: &str, group: &str) -> u64 {
        match self.ask(&format!("XPENDING {stream} {group}")) {
            Value::Array(parts) => match parts.first() {
                Some(Value::Int(count)) => u64::try_from(*count).expect("a count"),
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        drop(self.tie.take());
        let _ = self.supervisor.wait();
    }
}
