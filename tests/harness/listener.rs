//! An HTTP listener of the test's own, which answers as the test says.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::sync::{Arc, Mutex};

use super::authority::Identity;

/// A request.
#[derive(Debug, Clone)]
pub struct Asked {
    /// Its path.
    pub path: String,
    /// Its head, as it came.
    pub head: String,
    /// Its body.
    pub body: Vec<u8>,
}

/// What is answered.
pub enum Reply {
    /// A status and a body.
    Status(u16, String),
    /// Bytes, whatever they mean.
    Raw(Vec<u8>),
    /// Nothing at all, while the connection stays.
    Silence,
}

/// The listener. It stays until the test process ends.
pub struct Listener {
    port: u16,
    secure: bool,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Listener {
    /// One that answers so.
    pub fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(answer, None)
    }

    /// One that does so over TLS.
    pub fn with_tls(identity: &Identity, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::of(answer, Some(identity.server()))
    }

    fn of(
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
        tls: Option<Arc<rustls::ServerConfig>>,
    ) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        let port = listener.local_addr().expect("its address").port();
        let (asked, answer, secure) = (Arc::new(Mutex::new(Vec::new())), Arc::new(answer), tls.is_some());
        let seen = asked.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (seen, answer, tls) = (seen.clone(), answer.clone(), tls.clone());
                std::thread::spawn(move || match tls.map(rustls::ServerConnection::new) {
                    Some(session) => {
                        let session = session.expect("a session");
                        serve(rustls::StreamOwned::new(session, stream), &seen, &*answer);
                    }
                    None => serve(stream, &seen, &*answer),
                });
            }
        });
        Self { port, secure, asked }
    }

    /// Its URL.
    pub fn url(&self) -> String {
        format!("http{}://127.0.0.1:{}", if self.secure { "s" } else { "" }, self.port)
    }

    /// All requests so far.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().expect("no writer panics").clone()
    }
}

fn serve(
    stream: impl Read + Write,
    seen: &Mutex<Vec<Asked>>,
    answer: &(dyn Fn(&Asked) -> Reply + Send + Sync),
) {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).unwrap_or(0) == 0 {
            return;
        }
    }
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = vec![0; length.unwrap_or(0)];
    if reader.read_exact(&mut body).is_err() {
        return;
    }
    let path = head.split(' ').nth(1).unwrap_or_default().to_owned();
    let asked = Asked { path, head, body };
    let reply = answer(&asked);
    seen.lock().expect("no writer panics").push(asked);
    // Whoever asked may have gone.
    let stream = reader.get_mut();
    match reply {
        Reply::Status(status, body) => {
            let length = body.len();
            let head = format!(
                "HTTP/1.1 {status} Whatever\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n"
            );
            let _ =
                stream.write_all(&[head.as_bytes(), body.as_bytes()].concat()).and_then(|()| stream.flush());
        }
        Reply::Raw(bytes) => drop(stream.write_all(&bytes)),
        Reply::Silence => drop(reader.read(&mut [0])),
    }
}
