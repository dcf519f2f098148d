//! Servers that speak PostgreSQL's protocol and lack what rows are merged by: refused by their names before
//! anything is read or written. Only their greeting is needed for that, which a small server here gives.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use super::USAGE;
use crate::harness::Work;
use crate::harness::run::fixture;

/// Greets every client as a server of those parameters does, until the test ends.
fn greeter(parameters: &'static [(&'static str, &'static str)]) -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    thread::spawn(move || {
        for client in listener.incoming() {
            thread::spawn(move || greet(client.expect("a client"), parameters));
        }
    });
    port
}

fn greet(mut client: TcpStream, parameters: &[(&str, &str)]) -> Option<()> {
    loop {
        let mut head = [0; 8];
        client.read_exact(&mut head).ok()?;
        let length = u32::from_be_bytes(head[..4].try_into().ok()?) as usize;
        let mut rest = vec![0; length - 8];
        client.read_exact(&mut rest).ok()?;
        // A request for TLS comes before the greeting.
        if head[4..] != 80_877_103_u32.to_be_bytes() {
            break;
        }
        client.write_all(b"N").ok()?;
    }
    let message = |kind: u8, body: &[u8]| -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("a short message").to_be_bytes();
        [&[kind], &length[..], body].concat()
    };
    let mut answer = message(b'R', &[0; 4]);
    for (name, value) in parameters {
        answer.extend(message(b'S', format!("{name}\0{value}\0").as_bytes()));
    }
    answer.extend(message(b'Z', b"I"));
    client.write_all(&answer).ok()?;
    // Until it hangs up.
    client.read_to_end(&mut Vec::new()).ok().map(drop)
}

#[test]
fn cockroachdb_and_yugabytedb_are_refused_in_a_sentence_by_every_command() {
    let cockroach = greeter(&[
        ("server_version", "13.0.0"),
        ("crdb_version", "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/20 10:11:12, go1.22)"),
    ]);
    let yugabyte = greeter(&[("server_version", "11.2-YB-2.21.0.0-b0")]);
    for (port, name, lacks) in [
        (cockroach, "CockroachDB v24.1.0", "no temporary tables that end with their transaction"),
        (yugabyte, "YugabyteDB 11.2-YB-2.21.0.0-b0", "commit in the middle of a transaction"),
    ] {
        let work = Work::new();
        let dsn = format!("postgres://mds:secret@127.0.0.1:{port}/market");
        let bars = fixture("bars.csv");
        for (command, exit) in [
            (&["load", &bars][..], USAGE),
            (&["load", &bars, "--dry-run"], USAGE),
            (&["schema", "apply"], USAGE),
            (&["runs"], USAGE),
        ] {
            let run = work.mdsctl(command.iter().copied()).arguments(["--dsn", &dsn]).run().expect(exit);
            let told = [name, lacks, "load into PostgreSQL, TimescaleDB or Citus"];
            assert!(told.iter().all(|words| run.error().contains(words)), "{run}");
            assert!(!run.stderr.contains("secret"), "{run}");
        }
        let run = work.mdsctl(["health", "--dsn", &dsn]).run();
        assert!(run.code != 0 && run.stdout.contains(name), "{run}");
    }
}
