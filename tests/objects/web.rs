//! Files at web addresses.

use std::io::{BufRead as _, BufReader};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use super::inputs::{days, rows, seqs};
use crate::generator::market::{Dataset, Plan};
use crate::generator::write::{Compress, Format};
use crate::harness::authority::Authority;
use crate::harness::run::PASSWORD;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Store, Work};

/// What a server says of a file.
#[derive(Clone, Copy, PartialEq)]
enum Says {
    /// All there is: parts, and a tag.
    All,
    /// Nothing but its length.
    Length,
    /// Not even that.
    Nothing,
}

/// A server that gives one file, whatever it is asked for; returns its port.
fn server(file: Vec<u8>, says: Says, tls: Option<Arc<rustls::ServerConfig>>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let (file, tls) = (file.clone(), tls.clone());
            std::thread::spawn(move || match tls {
                None => answers(&mut BufReader::new(stream), &file, says),
                Some(config) => {
                    let connection = rustls::ServerConnection::new(config).expect("TLS");
                    answers(&mut BufReader::new(rustls::StreamOwned::new(connection, stream)), &file, says);
                }
            });
        }
    });
    port
}

trait Both: std::io::Read + std::io::Write {}
impl Both for TcpStream {}
impl Both for rustls::StreamOwned<rustls::ServerConnection, TcpStream> {}

fn answers(stream: &mut BufReader<impl Both>, file: &[u8], says: Says) {
    loop {
        let (mut range, mut first, mut matches) = (None, String::new(), true);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            let line = line.trim_end().to_ascii_lowercase();
            if line.is_empty() {
                break;
            }
            if first.is_empty() {
                first.clone_from(&line);
            }
            if let Some(part) = line.strip_prefix("range: bytes=") {
                let (from, to) = part.split_once('-').expect("a range");
                range =
                    Some((from.parse::<usize>().expect("a number"), to.parse::<usize>().expect("a number")));
            }
            if let Some(tag) = line.strip_prefix("if-match: ") {
                matches = tag == "\"v1\"";
            }
        }
        let mut head = String::new();
        let body = match range.filter(|_| says == Says::All) {
            _ if !first.contains("/a") => {
                head += "HTTP/1.1 404 Not Found\r\n";
                &[][..]
            }
            _ if !matches => {
                head += "HTTP/1.1 412 Precondition Failed\r\n";
                &[][..]
            }
            Some((from, to)) => {
                let to = to.min(file.len() - 1);
                head += &format!(
                    "HTTP/1.1 206 Partial Content\r\nContent-Range: bytes {from}-{to}/{}\r\n",
                    file.len()
                );
                &file[from..=to]
            }
            None => {
                head += "HTTP/1.1 200 OK\r\n";
                file
            }
        };
        if says == Says::All {
            head += "ETag: \"v1\"\r\n";
        }
        head += &match says {
            Says::Nothing => "Connection: close\r\n\r\n".to_owned(),
            _ => format!("Content-Length: {}\r\n\r\n", body.len()),
        };
        let stream = stream.get_mut();
        if stream
            .write_all(head.as_bytes())
            .and_then(|()| stream.write_all(body))
            .and_then(|()| stream.flush())
            .is_err()
        {
            return;
        }
        if says == Says::Nothing {
            return;
        }
    }
}

#[test]
fn a_web_server_gives_files_in_parts_or_whole() {
    let plan = Plan::new(Dataset::Bars, 20_000, 7);
    for (format, compress) in [
        (Format::Csv, Compress::None),
        (Format::Csv, Compress::Gzip),
        (Format::Ndjson, Compress::Zstd),
        (Format::Parquet, Compress::None),
    ] {
        for says in [Says::All, Says::Length] {
            let port = server(rows(&plan, format, compress), says, None);
            let work = Work::new();
            let store = Store::sqlite(&work);
            let address = format!("http://127.0.0.1:{port}/a?X-Amz-Signature={PASSWORD}");
            let run = work.mdsctl(["load", &address, "--dsn", &store.dsn(), "--json"]).run().expect(0);
            assert_same(&store.stored(&plan), &truth(&plan), "all");
            assert_eq!(run.json()["inputs"][0], format!("http://127.0.0.1:{port}/a"));
        }
    }
}

#[test]
fn a_server_with_tls_is_trusted_as_the_system_trusts_it() {
    let authority = Authority::new("mdsctl tests");
    let config = authority.certify("localhost", &["localhost"]).server();
    let port = server(b"seq,note\n1,a\n".to_vec(), Says::All, Some(config));
    let work = Work::new();
    let store = days(&work, true);
    let pem = work.write("ca.pem", &authority.pem);
    let address = format!("https://me:{PASSWORD}@localhost:{port}/a.csv");
    let load = || work.mdsctl(["load", &address, "--table", "seqs", "--dsn", &store.dsn()]);
    let run = load().run().expect(5);
    assert!(
        run.error().contains(&format!("https://localhost:{port}/a.csv: there is no connection to localhost")),
        "{}",
        run.error()
    );
    load().env("SSL_CERT_FILE", pem).run().expect(0);
    assert_eq!(seqs(&store), ["1 a"]);
}

#[test]
fn what_a_web_server_cannot_do_is_said() {
    let work = Work::new();
    let store = days(&work, true);
    let said = |port: u16, name: &str| {
        let address = format!("http://127.0.0.1:{port}/{name}");
        let run = work.mdsctl(["load", &address, "--table", "seqs", "--dsn", &store.dsn()]).run().expect(6);
        run.error().to_owned()
    };
    let file = b"seq,note\n1,a\n".to_vec();
    let port = server(file.clone(), Says::All, None);
    assert_eq!(said(port, "b.csv"), format!("error: no such file: http://127.0.0.1:{port}/b.csv"));
    for pattern in ["*.csv", "d/", ""] {
        let said = said(port, pattern);
        assert!(said.contains("a web server has no list of its files; name each of them"), "{said}");
    }
    let said = said(server(file, Says::Nothing, None), "a.csv");
    assert!(
        said.contains("the server does not say how long the file is; fetch it with another program"),
        "{said}"
    );
}
