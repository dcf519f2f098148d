//! What libraries say of faults reaches nobody as they say it: damaged files, wrong settings, refused
//! certificates and broken lines are told in plain sentences.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use arrow::array::{Float64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::properties::WriterProperties;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::harness::authority::{Authority, Identity};
use crate::harness::pack;
use crate::harness::{Run, Store, Work};

/// Fails where anything is said that is meant for programmers.
fn assert_words(run: &Run, what: &str) {
    assert!(run.code != 101 && run.code != 1, "{what}: {run}");
    let innards = [
        "://docs.rs",
        "::",
        "Other(",
        "OtherError",
        "Some(",
        "Err(",
        "Ok(",
        "Rust type",
        ": :",
        "bad_columns: :",
        "(os error",
        " { ",
        "i128",
        "Thrift",
        "thrift",
        "unwrap",
        "panicked",
        "slice",
        "usize",
        "ParquetError",
    ];
    for line in run.stderr.lines().chain(run.stdout.lines()) {
        // Rows are shown as they are.
        let line = if line.contains("{\"") { "" } else { line };
        for innard in innards {
            assert!(!line.contains(innard), "{what}: shows {innard}: {run}");
        }
    }
}

fn bars(rows: usize) -> RecordBatch {
    let texts = |text: &dyn Fn(usize) -> String| -> Arc<StringArray> {
        Arc::new((0..rows).map(|row| Some(text(row))).collect())
    };
    let number = || Arc::new(Float64Array::from_iter_values((0..rows).map(|row| row as f64 + 0.5)));
    RecordBatch::try_from_iter([
        ("ts", texts(&|row| format!("2024-01-02T00:{:02}:{:02}Z", row / 60 % 60, row % 60)) as _),
        ("symbol", texts(&|row| format!("S{row}")) as _),
        ("vendor", texts(&|_| "v".into()) as _),
        ("timeframe", texts(&|_| "1m".into()) as _),
        ("open", number() as _),
        ("high", number() as _),
        ("low", number() as _),
        ("close", number() as _),
    ])
    .expect("columns of one length")
}

fn parquet(compression: Compression) -> Vec<u8> {
    let batch = bars(300);
    let mut bytes = Vec::new();
    let properties = WriterProperties::builder().set_compression(compression).build();
    let mut writer = ArrowWriter::try_new(&mut bytes, batch.schema(), Some(properties)).expect("a writer");
    writer.write(&batch).expect("rows are written");
    writer.close().expect("the file is written");
    bytes
}

#[test]
fn a_parquet_file_damaged_anywhere_is_told_in_words() {
    let work = Work::new();
    let compressions = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(ZstdLevel::default()),
        Compression::GZIP(Default::default()),
        Compression::LZ4_RAW,
    ];
    for (which, compression) in compressions.into_iter().enumerate() {
        let whole = parquet(compression);
        let length = whole.len();
        let footer = u32::from_le_bytes(whole[length - 8..length - 4].try_into().expect("4 bytes")) as usize;
        let metadata = length - 8 - footer;
        // The first head of a page, its data, the last page, the schema and the rest of the footer, its length.
        let mut places: Vec<usize> = vec![4, 6, 30, metadata / 2, metadata - 3, length - 7];
        places.extend((0..8).map(|part| metadata + 1 + part * (footer - 2) / 8));
        for (at, with) in places.into_iter().flat_map(|at| [(at, 0xFF), (at, 0x7A)]) {
            let mut bytes = whole.clone();
            let end = (at + 3).min(length - 4);
            bytes[at..end].fill(with);
            let path = work.write("a.parquet", &bytes);
            let run = work.mdsctl(["load", &path, "--dataset", "bars", "--dry-run"]).run();
            assert_words(&run, &format!("{which}, byte {at} of {length} is {with}"));
        }
        let path = work.write("a.parquet", [&whole[..metadata / 2], &whole[metadata / 2 + 9..]].concat());
        let run = work.mdsctl(["load", &path, "--dry-run"]).run();
        assert_words(&run, "bytes are missing");
        assert_eq!(run.code, 6, "{run}");
        assert!(run.error().contains("the Parquet file is corrupt ("), "{run}");
    }
}

#[test]
fn damaged_compressed_files_are_told_in_words() {
    let work = Work::new();
    let text: String = (0..2000)
        .map(|row| format!("2024-01-02T00:{:02}:{:02}Z,S{row},v,1m,1,2,0.5,1.5\n", row / 60 % 60, row % 60))
        .collect();
    let text = "ts,symbol,vendor,timeframe,open,high,low,close\n".to_owned() + &text;
    for (ending, pack) in pack::ALL {
        let (name, whole) = (&format!("a.csv.{ending}"), pack(text.as_bytes()));
        for at in [2, 5, 9, 40, whole.len() / 2, whole.len() - 3] {
            let mut bytes = whole.clone();
            bytes[at..(at + 2).min(whole.len())].fill(0xAA);
            let run = work.mdsctl(["load", &work.write(name, &bytes), "--dry-run"]).run();
            assert_words(&run, &format!("{name}, byte {at}"));
        }
        let run = work.mdsctl(["load", &work.write(name, &whole[..whole.len() / 2]), "--dry-run"]).run();
        assert_words(&run, name);
    }
}

#[test]
fn wrong_settings_are_told_in_words() {
    let work = Work::new();
    let texts: [&[u8]; 10] = [
        b"a = ",
        b"[load",
        b"workers = x",
        b"= 3",
        b"[load]\nworkers = 'a\n",
        b"workers = 3\nworkers = 4",
        b"[load]\nworkers = {a=1}",
        b"dsn = \"a\\q\"",
        b"workers = 99999999999999999999",
        b"dsn = '\xFF'",
    ];
    for text in texts {
        let path = work.write("c.toml", text);
        let run = work.mdsctl(["--config", &path, "runs"]).run().expect(2);
        assert_words(&run, &String::from_utf8_lossy(text));
        assert!(run.error().contains("c.toml"), "{run}");
    }
    let run = work.mdsctl(["--config", "none.toml", "runs"]).run().expect(2);
    assert_words(&run, "no file");
}

#[test]
fn a_file_that_is_no_sqlite_database_is_told_in_words() {
    let work = Work::new();
    let csv =
        work.write("a.csv", "ts,symbol,vendor,timeframe,open,high,low,close\n2024-01-02,A,v,1d,1,1,1,1\n");
    let load = |dsn: &str| work.mdsctl(["load", &csv, "--dsn", dsn]).run();
    work.write("junk.db", b"this is no database, and never was one".repeat(100));
    let run = load("sqlite:junk.db").expect(2);
    assert_words(&run, "junk");
    load("sqlite:cut.db").expect(0);
    let bytes = fs::read(work.path("cut.db")).expect("a database");
    let mut damaged = bytes.clone();
    damaged[4096..12_288].fill(0xEE);
    work.write("damaged.db", damaged);
    work.write("cut.db", &bytes[..5000]);
    for name in ["cut.db", "damaged.db"] {
        let run = load(&format!("sqlite:{name}"));
        assert_words(&run, name);
        assert!(run.code != 0, "{run}");
    }
    fs::create_dir(work.path("d.db")).expect("a directory");
    assert_words(&load("sqlite:d.db").expect(2), "a directory");
    // Tables of its own that are of other types.
    load("sqlite:other.db").expect(0);
    let other = rusqlite::Connection::open(work.path("other.db")).expect("it");
    other.execute_batch("UPDATE mds_runs SET started_at = x'00FF', inputs = x'FF' ").ok();
    for command in ["runs", "health"] {
        assert_words(&work.mdsctl([command, "--dsn", "sqlite:other.db"]).run(), command);
    }
}

#[test]
fn json_that_cannot_be_read_is_told_in_words() {
    let work = Work::new();
    let dsn = Store::sqlite(&work).dsn();
    let deep = "[".repeat(5000) + &"]".repeat(5000);
    let row = format!(
        "{{\"ts\":\"2024-01-02\",\"symbol\":\"A\",\"vendor\":\"v\",\"timeframe\":\"1d\",\"close\":1,\"x\":{deep}}}\n"
    );
    let run = work.mdsctl(["load", &work.write("a.ndjson", &row), "--dsn", &dsn]).run();
    assert_words(&run, "deep");
    let letters = [
        format!("{{\"ts\":1,\"error\":\"x\",\"metadata\":{{}},\"items\":[{{\"x\":{deep}}}]}}\n"),
        "{\"ts\":1,\"error\":\n".to_owned(),
        "{\"ts\":1,\"error\":\"x\",}\n".to_owned(),
        "{\"ts\":1,\"error\":\"x\",\"metadata\":{\"rows\":\"x\"},\"items\":[{\"ts\":\"2024-01-02\",\"close\":\"x\"}]}\n".to_owned(),
        "{\"ts\":1,\"error\":\"x\",\"metadata\":{\"dataset\":\"bars\"},\"items\":[{\"ts\":\"2024-01-02\",\"close\":\"1\"}]}\n".to_owned(),
        "{\"ts\":1,\"error\":\"x\",\"metadata\":{\"dataset\":\"bars\"},\"items\":[{\"ts\":\"03/04/2024\",\"vendor\":\"v\",\"symbol\":\"A\",\"timeframe\":\"1d\",\"close\":1}]}\n".to_owned(),
        "nothing\n".to_owned(),
    ];
    for letter in letters {
        let short: String = letter.chars().take(120).collect();
        work.write("d.ndjson", &letter);
        assert_words(&work.mdsctl(["inspect-dlq", "d.ndjson"]).run(), &short);
        assert_words(&work.mdsctl(["replay-dlq", "d.ndjson", "--dsn", &dsn]).run(), &short);
        if work.path("d.ndjson").exists() {
            assert_words(&work.mdsctl(["inspect-dlq", "d.ndjson"]).run(), &short);
        }
        for name in ["d.ndjson", "d.parked.ndjson"] {
            let _ = fs::remove_file(work.path(name));
        }
    }
}

/// What a server does behind its answer that it takes TLS.
enum Behind {
    Nothing,
    Garbage,
    /// The handshake, and nothing after it.
    Handshake(Arc<ServerConfig>),
}

/// A server that takes TLS as PostgreSQL does; its port.
fn server(behind: Behind) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let mut request = [0; 8];
            if stream.read_exact(&mut request).and_then(|()| stream.write_all(b"S")).is_ok() {
                answer(stream, &behind);
            }
        }
    });
    port
}

fn answer(mut stream: TcpStream, behind: &Behind) {
    match behind {
        Behind::Nothing => {}
        Behind::Garbage => {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            let _ = stream.read(&mut [0; 1024]);
        }
        Behind::Handshake(config) => {
            let connection = ServerConnection::new(config.clone()).expect("a connection");
            let mut stream = StreamOwned::new(connection, stream);
            // What the client begins with, then the line is cut.
            let _ = stream.read(&mut [0; 1024]);
        }
    }
}

#[test]
fn lines_under_tls_that_fail_are_told_in_words() {
    let work = Work::new();
    let ours = Authority::new("ours");
    let (host, root) = (["127.0.0.1", "localhost"], work.write("root.crt", &ours.pem));
    let itself = Identity::of_authority(&host);
    let own_root = work.write("own.crt", &itself.cert);
    let cases = [
        // How the system tells of these two is a matter of moments.
        (Behind::Nothing, &root, ""),
        (Behind::Garbage, &root, "not TLS"),
        (Behind::Handshake(ours.certify_expired("old", &host).server()), &root, "has expired"),
        (Behind::Handshake(ours.certify("other", &["db.example"]).server()), &root, "is not for 127.0.0.1"),
        (
            Behind::Handshake(Authority::new("x").certify("x", &host).server()),
            &root,
            "no authority that we trust",
        ),
        (Behind::Handshake(itself.server()), &own_root, ""),
        // The line is cut behind the handshake; as above.
        (Behind::Handshake(ours.certify("db", &host).server()), &root, ""),
    ];
    for (behind, root, said) in cases {
        let port = server(behind);
        let dsn =
            format!("host=127.0.0.1 port={port} user=u dbname=d sslmode=verify-full sslrootcert={root}");
        let run = work.mdsctl(["runs", "--dsn", &dsn]).run();
        assert!(run.code == 2 || run.code == 5, "{said}: {run}");
        assert_words(&run, said);
        assert!(run.error().contains(said), "{said}: {run}");
    }
    // Files that are no certificates.
    for (name, text) in [
        ("empty.crt", ""),
        ("junk.crt", "junk"),
        ("cut.crt", "-----BEGIN CERTIFICATE-----\nMIIB"),
        ("damaged.crt", "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"),
    ] {
        let path = work.write(name, text);
        let dsn = format!("host=127.0.0.1 port=1 user=u dbname=d sslmode=verify-full sslrootcert={path}");
        let run = work.mdsctl(["runs", "--dsn", &dsn]).run().expect(2);
        assert_words(&run, name);
        assert!(run.error().contains(name), "{run}");
    }
}

#[test]
fn servers_that_are_no_postgresql_are_told_in_words() {
    let work = Work::new();
    let answers: [(&'static [u8], &str); 5] = [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "in the middle of its answer"),
        (b"", "connection to the server was lost"),
        (b"R\0\0\0\x08\0\0\0\x63", "was not understood"),
        (b"R\0\0\0\x0c\0\0\0\x0aXX\0\0", "kind of authentication"),
        (b"R\0\0\0\x08\0\0\0\x07", "kind of authentication"),
    ];
    for (answer, said) in answers {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let port = listener.local_addr().expect("its address").port();
        std::thread::spawn(move || {
            while let Ok((mut stream, _)) = listener.accept() {
                let _ = stream.read(&mut [0; 1024]).and_then(|_| stream.write_all(answer));
            }
        });
        let dsn = format!("postgres://u:p@127.0.0.1:{port}/d?sslmode=disable");
        let run = work.mdsctl(["runs", "--dsn", &dsn]).run();
        assert!(run.code == 2 || run.code == 5, "{said}: {run}");
        assert_words(&run, said);
        assert!(run.error().contains(said), "{said}: {run}");
    }
}

#[test]
fn lines_to_other_programs_that_fail_are_told_in_words() {
    let work = Work::new();
    // It answers with what is no TLS, and closes.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || {
        while let Ok((mut stream, _)) = listener.accept() {
            let _ = stream.write_all(b"junk, no TLS\n");
        }
    });
    let roots = File::open("/etc/ssl/certs/ca-certificates.crt").is_ok();
    for url in
        [format!("http://127.0.0.1:{port}"), format!("https://127.0.0.1:{port}"), "http://127.0.0.1:1".into()]
    {
        let run = work.mdsctl(["health", "--url", &url]).run();
        assert!(roots || !url.starts_with("https") || run.code != 0, "{run}");
        assert_words(&run, &url);
    }
}
