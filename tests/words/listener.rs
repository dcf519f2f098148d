//! Who is answered by the listener of a run.

use std::io::{Read, Write};

use crate::harness::Work;
use crate::harness::http::{address, get};

#[test]
fn a_page_from_elsewhere_is_not_answered() {
    let work = Work::new();
    let (reader, mut pipe) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--dataset", "bars", "--dsn", "sqlite:s.db", "--metrics-listen", "localhost:0"];
    let mut running = work.mdsctl(flags).arguments(["--coord-id", "c"]).pipe(reader).spawn();
    pipe.write_all(b"ts,vendor,symbol,timeframe,open,high,low,close\n").expect("the pipe");
    let at = address(&mut running);
    get(at, "/healthz");
    for (host, status) in
        [("localhost", "200"), ("evil.example", "421"), ("127.0.0.1.evil.example:80", "421")]
    {
        let mut stream = std::net::TcpStream::connect(at).expect("a connection");
        write!(stream, "GET /status HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .expect("a request");
        let mut said = String::new();
        stream.read_to_string(&mut said).expect("an answer");
        assert!(said.starts_with(&format!("HTTP/1.1 {status} ")), "{host}: {said}");
    }
    drop(pipe);
    running.finish().expect(0);
}
