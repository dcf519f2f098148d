//! The listener over gRPC, asked by a client in Python that is made from `proto/`.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::harness::http::{address, get};
use crate::harness::python::Python;
use crate::harness::run::{PASSWORD, Running};
use crate::harness::{Postgres, Store, Work};
use crate::http::{bars, flood, inserted, load};

/// What is tested with Python's packages.
const TESTED: &str = "the listener over gRPC, by a client in Python";
const OURS: &str = "mdsctl.v1.Backpressure";

/// Asks something of the listener, with the token if there is one.
fn asking(command: &str, at: SocketAddr, more: &[&str], token: &str) -> Option<Python> {
    if !cfg!(feature = "grpc") {
        panic!("built without the feature grpc: run scripts/test");
    }
    let at = at.to_string();
    let arguments = [&[command, &at], more].concat();
    Python::start("grpc/client.py", &arguments, &[("TOKEN", token)], TESTED)
}

fn ask(command: &str, at: SocketAddr, more: &[&str], token: &str) -> Option<Vec<Value>> {
    Some(asking(command, at, more, token)?.finish())
}

/// The words of a field in turn, each one once.
fn turns(said: &[Value], field: &str) -> Vec<String> {
    let mut words: Vec<String> = said.iter().filter_map(|told| Some(told[field].as_str()?.into())).collect();
    words.dedup();
    words
}

fn end(running: Running, code: i32) {
    running.signal(rustix::process::Signal::INT);
    running.finish().expect(code);
}

#[test]
fn a_client_in_another_language_watches_a_load_through_an_outage() {
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let (mut running, mut pipe) = load(&work, &db.dsn(), &["--capacity", "1000", "--batch-size", "100"]);
    let at = address(&mut running);
    pipe.write_all(bars(0..10).as_bytes()).expect("the pipe");
    inserted(at, 10);
    let Some(watching) = asking("watch", at, &[], "") else { return };
    let health = asking("watch-health", at, &[], "").expect("it is there");
    let first = watching.until("beginning", |told| told["level"] == "LEVEL_OK");
    assert_eq!(first["coord_id"], "bars");
    assert_eq!((&first["capacity"], &first["queue"]), (&"1000".into(), &"0".into()), "{first}");
    assert_eq!(first["watermarks"], json!({"low": "500", "high": "800"}), "{first}");
    assert_eq!((&first["circuit"], first.get("end")), (&"CIRCUIT_CLOSED".into(), None), "{first}");
    health.until("health", |told| told["status"] == "SERVING");

    server.stop();
    let flood = flood(pipe, 10..5_010);
    let hard = watching.until("hard", |told| told["level"] == "LEVEL_HARD");
    assert!(hard["utilisation"].as_f64().is_some_and(|share| share > 0.0), "{hard}");
    watching.until("open circuit", |told| told["circuit"] == "CIRCUIT_OPEN");
    health.until("outage", |told| told["status"] == "NOT_SERVING");
    // The same facts as over HTTP, on the same port; an outage is no reason to end the process.
    let (now, over_http) =
        (&ask("get", at, &[], "").expect("it is there")[0], get(at, "/backpressure").json());
    assert_eq!(now["answer"]["level"], "LEVEL_HARD", "{now}");
    assert_eq!(over_http["level"], "hard", "{over_http}");
    assert_eq!(now["answer"]["queue"], over_http["queue"].to_string(), "{now}");
    let said = ask("health", at, &["", OURS, "other"], "").expect("it is there");
    assert_eq!([&said[0]["answer"], &said[1]["answer"]], ["NOT_SERVING", "SERVING"], "{said:?}");
    assert_eq!(said[2]["code"], "NOT_FOUND", "{said:?}");

    server.start();
    flood.join().expect("the flood");
    let run = running.finish().expect(0);
    assert_eq!(run.books().read, 5_010, "{run}");
    let said = watching.finish();
    let (levels, circuits) = (turns(&said, "level"), turns(&said, "circuit"));
    let first_hard = levels.iter().position(|level| level == "LEVEL_HARD").expect("it was hard");
    assert!(levels[..first_hard].iter().all(|level| level != "LEVEL_HARD") && levels[0] == "LEVEL_OK");
    assert_eq!(levels.last().map(String::as_str), Some("LEVEL_OK"), "{levels:?}");
    let opened = circuits.iter().position(|circuit| circuit == "CIRCUIT_OPEN").expect("it opened");
    assert_eq!(circuits[0], "CIRCUIT_CLOSED", "{circuits:?}");
    assert!(opened > 0 && circuits.last().map(String::as_str) == Some("CIRCUIT_CLOSED"), "{circuits:?}");
    // The last says how the run ended, and the stream ends well.
    let [.., last, over] = &said[..] else { panic!("{said:?}") };
    assert_eq!((&last["end"], &over["code"]), (&json!({"exit_code": 0}), &"OK".into()), "{said:#?}");
    assert_eq!(said.iter().filter(|told| told.get("end").is_some()).count(), 1, "{said:#?}");
    let told = &said[..said.len() - 1];
    assert!(told.iter().all(|told| told["run_id"] == run.json()["run_id"]), "{said:#?}");
    let numbers: Vec<u64> = told
        .iter()
        .map(|told| told["sequence"].as_str().and_then(|n| n.parse().ok()).expect("one"))
        .collect();
    assert!(numbers.is_sorted(), "{numbers:?}");
    let health = health.finish();
    let expected = [json!({"status": "NOT_SERVING"}), json!({"code": "OK"})];
    assert!(health.ends_with(&expected) && health[0] == json!({"status": "SERVING"}), "{health:?}");
}

#[test]
fn a_token_opens_all_of_it() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let (reader, pipe) = std::io::pipe().expect("a pipe");
    let flags = ["load", "-", "--dataset", "bars", "--dsn", &store.dsn(), "--metrics-listen", "0.0.0.0:0"];
    let mut running = work.mdsctl(flags).env("MDS_METRICS_TOKEN", PASSWORD).pipe(reader).spawn();
    let at = address(&mut running);
    for wrong in ["", "x", "correct-horse-7"] {
        for (command, more) in [("get", &[][..]), ("watch", &[]), ("health", &["", OURS]), ("other", &[])] {
            let Some(said) = ask(command, at, more, wrong) else { return };
            for told in said {
                assert_eq!(told["code"], "UNAUTHENTICATED", "{command}: {told}");
                let says = told["details"].as_str().expect("why");
                assert!(says.contains("Bearer TOKEN") && !says.contains(PASSWORD), "{says}");
            }
        }
    }
    for (command, more) in [("get", &[][..]), ("health", &[OURS])] {
        let said = ask(command, at, more, PASSWORD).expect("it is there");
        assert!(said.iter().all(|told| told["code"] == "OK"), "{said:?}");
    }
    drop(pipe);
    running.finish().expect(6);
}

#[test]
fn what_is_there_tells_of_itself_and_what_is_not_is_unimplemented() {
    let work = Work::new();
    let (mut running, _pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    let Some(said) = ask("reflect", at, &[], "") else { return };
    let services = said[0]["services"].as_array().expect("a list");
    for service in [OURS, "grpc.health.v1.Health", "grpc.reflection.v1alpha.ServerReflection"] {
        assert!(services.contains(&service.into()), "{services:?}");
    }
    assert_eq!(
        said[0]["methods"],
        json!({"Get": ["GetRequest", "Pressure"], "Watch": ["WatchRequest", "Pressure"]})
    );
    assert!(said[0]["fields"].as_array().is_some_and(|fields| fields.contains(&"run_id".into())), "{said:?}");
    let said = ask("other", at, &[], "").expect("it is there");
    assert_eq!([&said[0]["code"], &said[1]["code"]], ["UNIMPLEMENTED", "UNIMPLEMENTED"], "{said:?}");
    assert!(said[1]["details"].as_str().is_some_and(|text| text.contains(OURS)), "{said:?}");
    // What is no message, and what is too large for one.
    assert!(
        ["INTERNAL", "INVALID_ARGUMENT"].contains(&said[2]["code"].as_str().expect("a code")),
        "{said:?}"
    );
    assert!(
        ["OUT_OF_RANGE", "RESOURCE_EXHAUSTED"].contains(&said[3]["code"].as_str().expect("a code")),
        "{said:?}"
    );
    end(running, 130);
}

#[test]
fn a_crowd_is_bounded_and_goes() {
    let work = Work::new();
    let (mut running, _pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    // One peer has 24 requests, on however many connections.
    let Some(said) = ask("crowd", at, &["2", "20"], "") else { return };
    let firsts: BTreeMap<String, u64> = serde_json::from_value(said[0]["firsts"].clone()).expect("numbers");
    assert_eq!(
        (firsts.get("LEVEL_OK"), firsts.get("RESOURCE_EXHAUSTED")),
        (Some(&24), Some(&16)),
        "{said:?}"
    );
    // When they are gone there is place again.
    assert_eq!(said[1]["code"], "OK", "{said:?}");
    assert_eq!(get(at, "/healthz").status, 200);
    end(running, 130);
}

#[test]
fn a_connection_too_many_is_refused_as_a_call_is() {
    let work = Work::new();
    let (mut running, _pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    // One peer has 24 connections.
    let Some(said) = ask("full", at, &["24"], "") else { return };
    assert_eq!(said[0]["code"], "UNAVAILABLE", "{said:?}");
    let why = said[0]["details"].as_str().expect("why");
    assert_eq!(why, "too many connections are open; close one, or try again in 5 s");
    assert_eq!(said[1]["code"], "OK", "{said:?}");
    end(running, 130);
}

/// What begins each connection, and the settings that each side sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

#[test]
fn who_speaks_http_2_and_says_nothing_is_put_out() {
    let work = Work::new();
    let (mut running, _pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    // The headers of a request that are not all there: END_HEADERS is not set.
    let half = [PREFACE, b"\0\0\x01\x01\0\0\0\0\x01\x83"].concat();
    // A call without its message: POST, http, the path, content-type: application/grpc.
    let path = b"\x83\x86\x44\x1b/mdsctl.v1.Backpressure/Get\x41\x0e127.0.0.1:1234\x5f\x10application/grpc";
    let head = [&[0, 0, path.len() as u8, 1, 4, 0, 0, 0, 1][..], path].concat();
    let call = [PREFACE, &head].concat();
    let threads =
        [(b"PR".to_vec(), 15), (PREFACE.to_vec(), 40), (half, 40), (call, 45)].map(|(said, limit)| {
            std::thread::spawn(move || {
                let mut stream = TcpStream::connect(at).expect("a connection");
                stream.write_all(&said).expect("it is sent");
                stream.set_read_timeout(Some(crate::harness::wait::PATIENCE)).expect("a limit");
                let start = Instant::now();
                let (mut answer, said) = (Vec::new(), said.len());
                let ended = stream.read_to_end(&mut answer);
                let waited = ended.is_err_and(|e| e.kind() == std::io::ErrorKind::WouldBlock);
                assert!(
                    !waited && start.elapsed() < Duration::from_secs(limit),
                    "{said}: {:?}",
                    start.elapsed()
                );
                answer
            })
        });
    for thread in threads {
        thread.join().expect("it was put out");
    }
    end(running, 130);
}

#[test]
fn two_hundred_stuck_callers_do_not_slow_a_load() {
    let work = Work::new();
    let (mut running, mut pipe) = load(&work, &Store::sqlite(&work).dsn(), &[]);
    let at = address(&mut running);
    let stuck: Vec<TcpStream> = (0..200)
        .map(|number| {
            let mut stream = TcpStream::connect(at).expect("a connection");
            let _ = stream.write_all(if number % 2 == 0 { PREFACE } else { b"PRI * HTTP/2" });
            stream
        })
        .collect();
    pipe.write_all(bars(0..5_000).as_bytes()).expect("the pipe");
    drop(pipe);
    let start = Instant::now();
    assert_eq!(running.finish().expect(0).books().inserted, 5_000);
    assert!(start.elapsed() < Duration::from_secs(20), "{:?}", start.elapsed());
    drop(stuck);
}

#[test]
fn what_is_checked_in_was_made_of_the_proto() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let read = |path: &str| std::fs::read(root.join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let made = String::from_utf8(read("src/telemetry/http/grpc/generated.rs")).expect("text");
    let sum =
        |bytes: &[u8]| -> String { Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect() };
    let mut lines = made.splitn(5, '\n').skip(1);
    for (what, bytes) in [
        ("proto/mdsctl/v1/backpressure.proto", read("proto/mdsctl/v1/backpressure.proto")),
        ("descriptor.bin", read("src/telemetry/http/grpc/descriptor.bin")),
    ] {
        assert_eq!(lines.next(), Some(&*format!("// {what} {}", sum(&bytes))), "run scripts/generate");
    }
    let (said, code) = (lines.next().expect("its sum"), lines.next().expect("the code"));
    assert_eq!(said, format!("// code {}", sum(code.as_bytes())), "run scripts/generate");
}
