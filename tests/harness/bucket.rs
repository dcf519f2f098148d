//! Buckets of an S3 server on loopback, which checks signatures; and faults on the way to it.

use std::convert::Infallible;
use std::fs;
use std::net::TcpListener as StdListener;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use s3s::auth::SimpleAuth;
use s3s::service::{S3Service, S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::net::TcpListener;

use super::run::{Mdsctl, PASSWORD};

/// Who may read and write.
const KEY: &str = "AKIDMDSCTL";

/// What goes wrong with a request.
#[derive(Debug, Clone, PartialEq)]
pub enum Fault {
    /// It is answered with that status and code.
    Status(u16, &'static str),
    /// The answer breaks off behind so many bytes.
    Cut(usize),
    /// There is no answer.
    Hang,
    /// Before its answer other bytes are put in the place of the object.
    Overwritten(Vec<u8>),
    /// The answer comes after that time.
    Late(Duration),
    /// The ETags of a list have no quotes, as those of Azure.
    BareTags,
}

/// A fault of the next so many requests of a method whose target has a text in it.
struct Rule {
    method: &'static str,
    part: String,
    times: usize,
    fault: Fault,
}

/// A request that was made.
#[derive(Debug, Clone)]
pub struct Asked {
    pub method: String,
    /// Path and query.
    pub target: String,
    /// The bytes that were asked for.
    pub range: Option<String>,
    /// Bytes of the answer.
    pub sent: u64,
}

#[derive(Default)]
struct State {
    rules: Mutex<Vec<Rule>>,
    asked: Mutex<Vec<Asked>>,
    root: PathBuf,
}

/// A server with one bucket, `days`.
pub struct Bucket {
    directory: TempDir,
    port: u16,
    state: Arc<State>,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Bucket {
    /// Starts the server; it ends with the tests.
    pub fn new() -> Self {
        Self::start(true)
    }

    /// Starts one that asks nobody who it is, and that a command finds as Google's.
    pub fn google() -> Self {
        Self::start(false)
    }

    fn start(signed: bool) -> Self {
        let directory = tempfile::Builder::new().prefix("mdsctl-bucket-").tempdir().expect("a directory");
        fs::create_dir(directory.path().join("days")).expect("a bucket");
        let mut service = S3ServiceBuilder::new(FileSystem::new(directory.path()).expect("a store"));
        if signed {
            service.set_auth(SimpleAuth::from_single(KEY, PASSWORD));
        }
        let service = service.build();
        let listener = StdListener::bind("127.0.0.1:0").expect("a port");
        listener.set_nonblocking(true).expect("a listener");
        let port = listener.local_addr().expect("an address").port();
        let state = Arc::new(State { root: directory.path().into(), ..State::default() });
        let shared = state.clone();
        std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(listener, service, shared));
        });
        Self { directory, port, state }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where the object of that key lies.
    pub fn path(&self, key: &str) -> PathBuf {
        self.directory.path().join("days").join(key)
    }

    /// Puts an object there.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.path(key);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, bytes).expect("an object");
    }

    /// The keys that begin so, in order.
    pub fn keys(&self, prefix: &str) -> Vec<String> {
        let root = self.directory.path().join("days");
        let mut keys = Vec::new();
        let mut folders = vec![root.clone()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
                let path = entry.path();
                let key = path.strip_prefix(&root).expect("below").to_str().expect("UTF-8").to_owned();
                match path.is_dir() {
                    true => folders.push(path),
                    false if key.starts_with(prefix) && !key.contains(".tmp.") => keys.push(key),
                    false => {}
                }
            }
        }
        keys.sort();
        keys
    }

    /// The next so many requests of that method whose target has that text in it go wrong.
    pub fn fault(&self, method: &'static str, part: &str, times: usize, fault: Fault) {
        locked(&self.state.rules).push(Rule { method, part: part.into(), times, fault });
    }

    /// Whether all faults have happened.
    pub fn faults_left(&self) -> usize {
        locked(&self.state.rules).iter().map(|rule| rule.times).sum()
    }

    /// No more of them.
    pub fn no_faults(&self) {
        locked(&self.state.rules).clear();
    }

    /// The requests so far, which are forgotten.
    pub fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut *locked(&self.state.asked))
    }

    /// A command that may read and write there.
    pub fn open(&self, command: Mdsctl) -> Mdsctl {
        self.open_as(command, KEY, PASSWORD)
    }

    /// A command for which it is Google's.
    pub fn open_as_google(&self, command: Mdsctl) -> Mdsctl {
        command.env("STORAGE_EMULATOR_HOST", format!("127.0.0.1:{}", self.port))
    }

    /// A command with these credentials.
    pub fn open_as(&self, command: Mdsctl, key: &str, secret: &str) -> Mdsctl {
        command
            .env("AWS_ENDPOINT_URL", self.endpoint())
            .env("AWS_REGION", "us-east-1")
            .env("AWS_ACCESS_KEY_ID", key)
            .env("AWS_SECRET_ACCESS_KEY", secret)
    }
}

type Answer = Response<BoxBody<Bytes, std::io::Error>>;

async fn serve(listener: StdListener, service: S3Service, state: Arc<State>) {
    let listener = TcpListener::from_std(listener).expect("a listener");
    while let Ok((stream, _)) = listener.accept().await {
        let (service, state) = (service.clone(), state.clone());
        tokio::spawn(async move {
            let answers = service_fn(|request| answer(request, service.clone(), state.clone()));
            let connection =
                hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answers);
            let _ = connection.await;
        });
    }
}

async fn answer(
    mut request: Request<Incoming>,
    service: S3Service,
    state: Arc<State>,
) -> Result<Answer, Infallible> {
    // A token of Google is none of S3.
    if request.headers().get("authorization").is_some_and(|held| held.as_bytes().starts_with(b"Bearer ")) {
        request.headers_mut().remove("authorization");
    }
    let method = request.method().to_string();
    let target = request.uri().to_string();
    let range = request.headers().get("range").and_then(|range| Some(range.to_str().ok()?.to_owned()));
    let fault = {
        let mut rules = locked(&state.rules);
        let rule = rules
            .iter_mut()
            .find(|rule| rule.times > 0 && rule.method == method && target.contains(&rule.part));
        rule.map(|rule| {
            rule.times -= 1;
            rule.fault.clone()
        })
    };
    // What this server has for keys are paths: one with others below it is no object.
    let path = state.root.join(target.split('?').next().unwrap_or_default().trim_start_matches('/'));
    let fault = match fault {
        None if method == "HEAD" && target.matches('/').count() > 1 && path.is_dir() => {
            Some(Fault::Status(404, ""))
        }
        fault => fault,
    };
    match &fault {
        Some(Fault::Status(status, code)) => {
            let body =
                format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code><Message>no</Message></Error>");
            locked(&state.asked).push(Asked { method, target, range, sent: 0 });
            let body = Full::new(Bytes::from(body)).map_err(|never| match never {}).boxed();
            return Ok(Response::builder().status(*status).body(body).expect("an answer"));
        }
        Some(Fault::Hang) => tokio::time::sleep(Duration::from_secs(3600)).await,
        Some(Fault::Late(time)) => tokio::time::sleep(*time).await,
        Some(Fault::Overwritten(bytes)) => {
            let key = target.split('?').next().unwrap_or_default().trim_start_matches('/');
            fs::write(state.root.join(key), bytes).expect("an object");
        }
        _ => {}
    }
    let answer = service.call(request.map(s3s::Body::from)).await.expect("an answer");
    let (head, body) = answer.into_parts();
    let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let body = match &fault {
        Some(Fault::BareTags) => Bytes::from(String::from_utf8_lossy(&body).replace("&quot;", "")),
        _ => body,
    };
    let sent = if method == "GET" { body.len() as u64 } else { 0 };
    locked(&state.asked).push(Asked { method, target, range, sent });
    let body = match fault {
        Some(Fault::Cut(bytes)) if bytes < body.len() => {
            let pieces = [Ok(Frame::data(body.slice(..bytes))), Err(std::io::Error::other("cut"))];
            StreamBody::new(futures_util::stream::iter(pieces)).boxed()
        }
        _ => Full::new(body).map_err(|never| match never {}).boxed(),
    };
    Ok(Response::from_parts(head, body))
}
