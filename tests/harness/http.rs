//! A small client and a small server of HTTP/1.1, which do what the tests need and no more.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::authority::Identity;
use super::run::Running;
use super::wait;
use super::wait::PATIENCE;

/// Where the program says that it listens.
pub fn address(running: &mut Running) -> SocketAddr {
    wait::until(PATIENCE, "the address", || {
        assert!(!running.has_ended(), "it has ended: {}", running.said());
        let said = running.said();
        let line = said.lines().find_map(|line| line.strip_prefix("listening on http://"))?;
        line.strip_suffix('/')?.parse().ok()
    })
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: u16,
    /// Its fields, names in lower case.
    pub fields: Vec<(String, String)>,
    /// Its body.
    pub body: String,
}

impl Answer {
    /// A field.
    pub fn field(&self, name: &str) -> &str {
        self.fields.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// The body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The same, if it has that status.
    pub fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{self:?}");
        self
    }
}

/// Asks for a path.
pub fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, &[])
}

/// The answer to a request, however that takes.
pub fn ask(address: SocketAddr, method: &str, path: &str, fields: &[&str]) -> Answer {
    try_ask(address, method, path, fields).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
}

/// The answer to a request, if there is one.
pub fn try_ask(
    address: SocketAddr,
    method: &str,
    path: &str,
    fields: &[&str],
) -> Result<Answer, std::io::Error> {
    let mut reader = BufReader::new(send(address, method, path, fields)?);
    let (status, fields) = head(&mut reader)?;
    let mut body = String::new();
    let length = fields.iter().find(|(name, _)| name == "content-length");
    match length.and_then(|(_, value)| value.parse().ok()) {
        Some(length) if method != "HEAD" => {
            let mut bytes = vec![0; length];
            reader.read_exact(&mut bytes)?;
            body = String::from_utf8(bytes).map_err(std::io::Error::other)?;
        }
        // No byte more than there should be.
        _ => drop(reader.read_to_string(&mut body)?),
    }
    Ok(Answer { status, fields, body })
}

fn send(address: SocketAddr, method: &str, path: &str, fields: &[&str]) -> std::io::Result<TcpStream> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n{fields}\r\n")?;
    Ok(stream)
}

type Fields = Vec<(String, String)>;

fn head(reader: &mut impl BufRead) -> std::io::Result<(u16, Fields)> {
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no status: {line:?}")))?;
    Ok((status, fields(reader)?))
}

fn fields(reader: &mut impl BufRead) -> std::io::Result<Fields> {
    let mut fields = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line)?;
        let Some((name, value)) = line.trim_end().split_once(": ") else { return Ok(fields) };
        fields.push((name.to_lowercase(), value.to_owned()));
    }
}

/// A stream of events, read as it comes.
pub struct Events {
    told: Arc<Mutex<(String, bool)>>,
    stream: TcpStream,
}

impl Events {
    /// Follows that path.
    pub fn follow(address: SocketAddr, path: &str) -> Self {
        let stream = send(address, "GET", path, &[]).expect("a connection");
        stream.set_read_timeout(None).expect("no limit");
        let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
        let (status, fields) = head(&mut reader).expect("a head");
        assert_eq!(status, 200);
        assert!(fields.contains(&("content-type".into(), "text/event-stream".into())), "{fields:?}");
        let told = Arc::<Mutex<(String, bool)>>::default();
        let all = told.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                let Ok(size) = usize::from_str_radix(line.trim(), 16) else { break };
                let mut chunk = vec![0; size + 2];
                if reader.read_exact(&mut chunk).is_err() || size == 0 {
                    break;
                }
                all.lock().expect("no panic").0 += &String::from_utf8_lossy(&chunk[..size]);
                line.clear();
            }
            all.lock().expect("no panic").1 = true;
        });
        Self { told, stream }
    }

    /// The data of all events so far.
    pub fn data(&self) -> Vec<Value> {
        let told = self.told.lock().expect("no panic");
        let data = told.0.lines().filter_map(|line| line.strip_prefix("data: "));
        data.filter_map(|data| serde_json::from_str(data).ok()).collect()
    }

    /// Waits for an event.
    pub fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = wait::within(PATIENCE, || self.data().into_iter().find(|event| is(event)));
        found.unwrap_or_else(|| panic!("no {what} in {:#?}", self.data()))
    }

    /// Waits for its end.
    pub fn ended(&self) {
        wait::until(PATIENCE, "the end of the events", || {
            self.told.lock().expect("no panic").1.then_some(())
        });
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
    }
}

/// What a receiver does with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Hangs up at once.
    HangUp,
    /// Reads and answers with that status.
    Answer(u16),
    /// Reads and never answers.
    Hang,
}

/// A receiver of POSTs.
pub struct Hook {
    /// Where it listens.
    pub address: SocketAddr,
    seen: Arc<Mutex<Vec<(Manner, String, Value)>>>,
}

impl Hook {
    /// Behaves in these manners, one a connection, and takes everything after them.
    pub fn start(manners: &[Manner]) -> Self {
        Self::serve(manners.to_vec(), None)
    }

    /// Takes everything, over TLS.
    pub fn with_tls(identity: &Identity) -> Self {
        Self::serve(Vec::new(), Some(identity.server()))
    }

    fn serve(manners: Vec<Manner>, tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        let seen = Arc::<Mutex<Vec<(Manner, String, Value)>>>::default();
        let all = seen.clone();
        std::thread::spawn(move || {
            let mut manners = VecDeque::from(manners);
            let mut hung = Vec::new();
            for stream in listener.incoming().flatten() {
                let manner = manners.pop_front().unwrap_or(Manner::Answer(204));
                if manner == Manner::HangUp {
                    all.lock().expect("no panic").push((manner, String::new(), Value::Null));
                    continue;
                }
                let hanging = stream.try_clone().expect("a clone");
                let taken = match &tls {
                    Some(config) => rustls::ServerConnection::new(config.clone())
                        .map_err(std::io::Error::other)
                        .and_then(|session| take(rustls::StreamOwned::new(session, stream), manner)),
                    None => take(stream, manner),
                };
                match taken {
                    Ok((path, body)) => all.lock().expect("no panic").push((manner, path, body)),
                    Err(_) => {
                        manners.push_front(manner);
                        continue;
                    }
                }
                if manner == Manner::Hang {
                    hung.push(hanging);
                }
            }
        });
        Self { address, seen }
    }

    /// What it was told so far: in which manner it took it, the path, the body.
    pub fn seen(&self) -> Vec<(Manner, String, Value)> {
        self.seen.lock().expect("no panic").clone()
    }

    /// Waits for a body that it has taken.
    pub fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let taken = |(manner, _, body): &(Manner, String, Value)| {
            (*manner == Manner::Answer(204) && is(body)).then(|| body.clone())
        };
        let found = wait::within(PATIENCE, || self.seen().iter().find_map(taken));
        found.unwrap_or_else(|| panic!("no {what} in {:#?}", self.seen()))
    }
}

fn take(stream: impl Read + Write, manner: Manner) -> std::io::Result<(String, Value)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let path =
        line.strip_prefix("POST ").and_then(|rest| rest.split(' ').next()).unwrap_or_default().to_owned();
    let fields = fields(&mut reader)?;
    let length = fields.iter().find(|(name, _)| name == "content-length");
    // Who has lost patience has sent nothing, or not all.
    let length = length.and_then(|(_, value)| value.parse().ok());
    let mut body = vec![0; length.ok_or_else(|| std::io::Error::other("no length"))?];
    reader.read_exact(&mut body)?;
    if let Manner::Answer(status) = manner {
        let stream = reader.get_mut();
        write!(stream, "HTTP/1.1 {status} So\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")?;
        stream.flush()?;
    }
    Ok((path, serde_json::from_slice(&body)?))
}
