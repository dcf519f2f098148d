//! Private servers of NATS with JetStream.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::Duration;

use async_nats::ConnectOptions;
use async_nats::header::{HeaderName, HeaderValue};
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, HeaderMap};
use futures_util::future::join_all;
use tokio::runtime::Runtime;

use super::authority::Files;
use super::postgres::{free_port, make_directory};
use super::programs::PROGRAMS;
use super::wait::PATIENCE;
use super::{wait, without};

/// A server, which ends with the test process.
struct Node {
    port: u16,
    supervisor: Child,
    /// The pipe whose end ends it.
    tie: Option<ChildStdin>,
}

impl Node {
    fn start(program: &Path, port: u16, arguments: &[String]) -> Self {
        let directory = make_directory();
        let mut command = Command::new("sh");
        PROGRAMS.settle(&mut command, &directory);
        command
            .env("END", "KILL")
            .args(["-c", include_str!("supervisor.sh"), "supervisor"])
            .arg(&directory)
            .arg(program)
            .args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"])
            .arg(&directory)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let mut supervisor = command.spawn().expect("sh starts");
        let tie = supervisor.stdin.take();
        Self { port, supervisor, tie }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        drop(self.tie.take());
        let _ = self.supervisor.wait();
    }
}

/// A message with dead letters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// Its number in the stream.
    pub sequence: u64,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// One server, or a cluster of three.
pub struct Nats {
    nodes: Vec<Node>,
    runtime: Runtime,
    client: Client,
}

/// The program, unless it is left out.
fn program() -> Option<PathBuf> {
    without::program("nats-server", "following streams of NATS")
}

impl Nats {
    /// One server, with those settings; `None` where it is left out.
    pub fn start(arguments: &[&str]) -> Option<Self> {
        let arguments: Vec<String> = arguments.iter().map(|word| (*word).to_owned()).collect();
        Some(Self::of(vec![Node::start(&program()?, free_port(), &arguments)], None))
    }

    /// A directory for a server that is started more than once.
    pub fn directory() -> tempfile::TempDir {
        let directory = tempfile::tempdir().expect("a directory");
        let all = std::os::unix::fs::PermissionsExt::from_mode(0o777);
        std::fs::set_permissions(directory.path(), all).expect("it is for the server's user");
        directory
    }

    /// One server that keeps its streams in that directory, for a later start; on that port, or on any that is free.
    pub fn kept(directory: &Path, port: Option<u16>) -> Option<Self> {
        let arguments = ["--store_dir".to_owned(), directory.display().to_string()];
        let node = Node::start(&program()?, port.unwrap_or_else(free_port), &arguments);
        Some(Self::of(vec![node], None))
    }

    /// The port of its first server.
    pub fn port(&self) -> u16 {
        self.nodes[0].port
    }

    /// The address of a subject.
    pub fn subject(&self, subject: &str) -> String {
        format!("nats://{}/{subject}", self.servers())
    }

    /// Makes a stream that forgets messages in which nobody is interested.
    pub fn make_forgetful(&self, stream: &str) {
        let config = Config {
            name: stream.to_owned(),
            subjects: vec![stream.to_owned()],
            retention: RetentionPolicy::Interest,
            ..Config::default()
        };
        self.runtime.block_on(self.context().create_stream(config)).expect("a stream");
    }

    /// Makes a stream that takes so many messages of that size and refuses more, or lets it take any number.
    pub fn make_bounded(&self, stream: &str, messages: Option<i64>, bytes: i32) {
        let config = Config {
            name: stream.to_owned(),
            subjects: vec![stream.to_owned()],
            max_messages: messages.unwrap_or(-1),
            max_message_size: bytes,
            discard: DiscardPolicy::New,
            ..Config::default()
        };
        let context = self.context();
        self.runtime.block_on(async {
            match messages {
                Some(_) => drop(context.create_stream(config).await.expect("a stream")),
                None => drop(context.update_stream(config).await.expect("a stream")),
            }
        });
    }

    /// The messages of a subject, in their order.
    pub fn letters(&self, subject: &str) -> Vec<Letter> {
        let context = self.context();
        self.runtime.block_on(async {
            let name = context.stream_by_subject(subject).await.expect("a stream");
            let stream = context.get_stream(name).await.expect("a stream");
            let state = stream.cached_info().state.clone();
            let mut letters = Vec::new();
            for sequence in state.first_sequence..=state.last_sequence {
                // Others were deleted.
                let Ok(message) = stream.get_raw_message(sequence).await else { continue };
                let header = |(name, values): (&HeaderName, &Vec<HeaderValue>)| {
                    (name.to_string(), values[0].as_str().to_owned())
                };
                letters.push(Letter {
                    sequence,
                    headers: message.headers.iter().map(header).collect(),
                    body: String::from_utf8(message.payload.to_vec()).expect("text"),
                });
            }
            letters
        })
    }

    /// One server that knows this user alone.
    pub fn guarded(user: &str, password: &str) -> Option<Self> {
        let arguments = ["--user", user, "--pass", password].map(str::to_owned);
        let node = Node::start(&program()?, free_port(), &arguments);
        Some(Self::of(vec![node], Some((user, password))))
    }

    /// One server that knows this user alone, and speaks TLS alone; with `clients` to those that show a certificate.
    pub fn over_tls(files: &Files, clients: bool, (user, password): (&str, &str)) -> Option<Self> {
        let (cert, key, ca) = (files.path("server.pem"), files.path("server.key"), files.path("ca.pem"));
        let words = ["--user", user, "--pass", password, "--tls", "--tlscert", &cert, "--tlskey", &key];
        let verify = ["--tlsverify", "--tlscacert", &ca];
        let arguments = words.iter().chain(verify.iter().filter(|_| clients));
        let arguments: Vec<String> = arguments.map(|word| (*word).to_owned()).collect();
        let node = Node::start(&program()?, free_port(), &arguments);
        Some(Self::trusted(vec![node], Some((user, password)), Some(files)))
    }

    /// Three servers, which keep each stream three times over.
    pub fn cluster() -> Option<Self> {
        let program = program()?;
        let routes: [u16; 3] = std::array::from_fn(|_| free_port());
        let all = routes.map(|port| format!("nats://127.0.0.1:{port}")).join(",");
        let node = |(place, route): (usize, &u16)| {
            let own = format!("nats://127.0.0.1:{route}");
            let words = ["--server_name", "", "--cluster_name", "three", "--cluster", &own, "--routes", &all];
            let mut words = words.map(str::to_owned);
            words[1] = format!("n{place}");
            Node::start(&program, free_port(), &words)
        };
        Some(Self::of(routes.iter().enumerate().map(node).collect(), None))
    }

    fn of(nodes: Vec<Node>, user: Option<(&str, &str)>) -> Self {
        Self::trusted(nodes, user, None)
    }

    fn trusted(nodes: Vec<Node>, user: Option<(&str, &str)>, files: Option<&Files>) -> Self {
        let runtime = Runtime::new().expect("a runtime");
        let servers: Vec<String> =
            nodes.iter().map(|node| format!("nats://127.0.0.1:{}", node.port)).collect();
        let client = wait::until(PATIENCE, "NATS to take connections", || {
            let mut options = ConnectOptions::new().request_timeout(Some(Duration::from_secs(5)));
            if let Some((user, password)) = user {
                options = options.user_and_password(user.to_owned(), password.to_owned());
            }
            if let Some(files) = files {
                let own = |name: &str| files.path(name).into();
                options = options.add_root_certificates(own("ca.pem"));
                options = options.add_client_certificate(own("client.pem"), own("client.key"));
            }
            runtime.block_on(options.connect(servers.clone())).ok()
        });
        Self { nodes, runtime, client }
    }

    fn context(&self) -> Context {
        let _runtime = self.runtime.enter();
        jetstream::new(self.client.clone())
    }

    /// Its servers, as an address has them.
    pub fn servers(&self) -> String {
        let all: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.port)).collect();
        all.join(",")
    }

    /// The address of a stream, with these parameters.
    pub fn address(&self, stream: &str, parameters: &str) -> String {
        format!("nats://{}/{stream}?{parameters}", self.servers())
    }

    /// Makes a stream of the subject of its own name and those below it, unless it is there.
    pub fn make(&self, stream: &str) {
        let config = Config {
            name: stream.replace('.', "-"),
            subjects: vec![stream.to_owned(), format!("{stream}.>")],
            num_replicas: self.nodes.len(),
            storage: StorageType::File,
            ..Config::default()
        };
        wait::until(PATIENCE, "the stream to be made", || {
            self.runtime.block_on(self.context().create_stream(config.clone())).ok()
        });
    }

    /// Publishes bodies, each once, however often it has to be tried; `first` is the number of the first one.
    pub fn publish(&self, stream: &str, first: u64, bodies: impl IntoIterator<Item = String>) {
        let bodies: Vec<(u64, String)> = (first..).zip(bodies).collect();
        for some in bodies.chunks(500) {
            let mut left: Vec<&(u64, String)> = some.iter().collect();
            wait::until(PATIENCE, "messages to be taken", || {
                let context = self.context();
                let taken = self.runtime.block_on(join_all(left.iter().map(|(number, body)| {
                    let context = &context;
                    async move {
                        let mut headers = HeaderMap::new();
                        headers.insert("Nats-Msg-Id", number.to_string());
                        let sent =
                            context.publish_with_headers(stream.to_owned(), headers, body.clone().into());
                        match sent.await {
                            Ok(taken) => taken.await.is_ok(),
                            Err(_) => false,
                        }
                    }
                })));
                let mut taken = taken.into_iter();
                left.retain(|_| !taken.next().unwrap_or(false));
                left.is_empty().then_some(())
            });
        }
    }

    /// Sends a message with these headers.
    pub fn send(&self, subject: &str, headers: &[(&str, &[u8])], body: &[u8]) {
        let mut all = HeaderMap::new();
        for (name, value) in headers {
            all.insert(*name, std::str::from_utf8(value).expect("a text"));
        }
        let (context, body) = (self.context(), body.to_vec().into());
        self.runtime.block_on(async {
            let sent = context.publish_with_headers(subject.to_owned(), all, body).await;
            sent.expect("it is sent").await.expect("it is kept");
        });
    }

    /// How many messages were given and are not acknowledged, and how many were never given.
    pub fn open(&self, stream: &str, durable: &str) -> Option<(u64, u64)> {
        let context = self.context();
        let info = self
            .runtime
            .block_on(async { context.get_stream(stream).await.ok()?.consumer_info(durable).await.ok() })?;
        Some((info.num_ack_pending as u64, info.num_pending))
    }

    /// Kills one of its servers, for good.
    pub fn kill_one(&mut self) {
        drop(self.nodes.remove(0));
    }
}
