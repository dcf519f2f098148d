use std::fs;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use flate2::write::GzEncoder;
use parquet::arrow::ArrowWriter;
use rustix::fs::{CWD, FileType, Mode, OFlags, mknodat};

use super::*;
use crate::decode::test_util::Heard;

const CSV: &[u8] = b"a,b\n1,2\n3,4\n";

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    let mut encoder = zstd::Encoder::new(Vec::new(), 1).unwrap();
    encoder.include_checksum(true).unwrap();
    encoder.write_all(data).unwrap();
    encoder.finish().unwrap()
}

/// The format that `--format` calls so.
fn named(name: &str) -> Format {
    Format::of_name(name).unwrap()
}

fn parquet() -> Vec<u8> {
    let column = |values: [&str; 2]| Arc::new(StringArray::from_iter_values(values)) as ArrayRef;
    let batch = RecordBatch::try_from_iter([("a", column(["1", "3"])), ("b", column(["2", "4"]))]).unwrap();
    let mut data = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut data, batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    data
}

/// Enough text that it takes several chunks, and does not compress to nothing.
fn large() -> Vec<u8> {
    let mut text = b"n,hash\n".to_vec();
    for n in 0..60_000_u64 {
        let hash = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        text.extend_from_slice(format!("{n},{hash:x}\n").as_bytes());
    }
    text
}

struct Case {
    dir: tempfile::TempDir,
    stop: Stop,
    meter: Arc<Meter>,
    options: OpenOptions,
}

impl Case {
    fn new() -> Self {
        Self {
            dir: tempfile::tempdir().unwrap(),
            stop: Stop::new().unwrap(),
            meter: Arc::default(),
            options: OpenOptions::default(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn input(&self, name: &str) -> Input {
        Input { name: name.into(), path: Some(self.path(name)), bytes: None, member: None, object: None }
    }

    fn open(&self, name: &str) -> Result<Opened, Error> {
        open(&self.input(name), &self.options, &self.stop, &self.meter)
    }

    fn open_data(&self, name: &str, data: &[u8]) -> Result<Opened, Error> {
        fs::write(self.path(name), data).unwrap();
        self.open(name)
    }

    fn message(&self, name: &str, data: &[u8]) -> String {
        let opened = self.open_data(name, data);
        opened.map_or_else(Some, |opened| opened.void).map(|e| e.to_string()).unwrap_or_default()
    }
}

#[test]
fn each_format_in_each_compression() {
    let json = b"{\"a\":1,\"b\":2}\n{\"a\":3,\"b\":4}\n";
    for (name, data, format) in [
        ("x.csv", CSV.to_vec(), Format::CSV),
        ("x.ndjson", json.to_vec(), named("ndjson")),
        ("x.parquet", parquet(), named("parquet")),
        ("misnamed.csv", parquet(), named("parquet")),
    ] {
        for (stored, compression) in [
            (data.clone(), Compression::None),
            (gzip(&data), Compression::Gzip),
            (zstd(&data), Compression::Zstd),
        ] {
            let case = Case::new();
            let mut opened = case.open_data(name, &stored).unwrap();
            assert_eq!((opened.format, opened.compression), (format, compression));
            assert!(opened.replayable);
            assert_eq!(opened.decoder.names().len(), if format == named("ndjson") { 0 } else { 2 });
            let heard = Heard::of(&mut *opened.decoder);
            assert_eq!(heard.cells(), [["1", "2"], ["3", "4"]]);
            assert_eq!(heard.error, None);
            assert_eq!(case.meter.consumed.load(Ordering::Relaxed), stored.len() as u64);
            assert_eq!(case.meter.decoded.load(Ordering::Relaxed), data.len() as u64);
        }
    }
}

#[test]
fn members_and_frames_one_after_the_other() {
    let text = large();
    let (head, tail) = text.split_at(500_000);
    for pack in [gzip, zstd] {
        let mut data = pack(head);
        data.extend(pack(tail));
        let mut opened = Case::new().open_data("x", &data).unwrap();
        let heard = Heard::of(&mut *opened.decoder);
        assert_eq!((heard.rows.len(), heard.broken.len(), heard.error), (60_000, 0, None));
        // A file is read without idle moments, so batches are full.
        assert_eq!(heard.batches, 8);
    }
}

#[test]
fn damaged_compression_is_said_after_the_rows_before_it() {
    for (pack, name) in [(gzip as fn(&[u8]) -> Vec<u8>, "gzip"), (zstd, "zstd")] {
        let data = pack(&large());
        let mut opened = Case::new().open_data("x", &data[..data.len() / 2]).unwrap();
        let heard = Heard::of(&mut *opened.decoder);
        assert!((10_000..50_000).contains(&heard.rows.len()), "{}", heard.rows.len());
        let rows = heard.rows.len() + heard.broken.len();
        assert!(heard.broken.len() <= 1);
        let expected = format!("the {name} stream ends early; {rows} rows before it were read");
        assert_eq!(heard.error, Some(expected));

        let mut data = data;
        let middle = data.len() / 2;
        data[middle..middle + 64].fill(0xFF);
        let error = Case::new().message("x", &data);
        assert_eq!(error, format!("x: the {name} stream is corrupt; none of its rows were loaded"));
    }
}

#[test]
fn what_cannot_be_read_is_said_in_a_sentence() {
    let case = Case::new();
    fs::create_dir(case.path("d")).unwrap();
    let text = |r: Result<Opened, Error>| r.err().map(|e| e.to_string()).unwrap_or_default();
    assert_eq!(text(case.open("d")), "d: is a directory");
    assert_eq!(text(case.open("gone")), "no such file: gone");
    assert_eq!(case.message("x.csv", b""), "x.csv: the file is empty");
    assert_eq!(case.message("x.csv.gz", &gzip(b"")), "x.csv.gz: the gzip stream in it is empty");
    assert_eq!(case.message("x.csv.zst", &zstd(b"\n \n\n\n")), "x.csv.zst: the zstd stream in it is empty");
    assert_eq!(case.message("x.csv.gz", &gzip(CSV)[..8]), "x.csv.gz: the gzip stream ends early");
    assert_eq!(case.message("x.csv.zst", &zstd(CSV)[..8]), "x.csv.zst: the zstd stream ends early");
    assert_eq!(
        case.message("x.csv", b"\x01\x02\x03\x04\x05"),
        format!("x.csv: not {} (starts with the bytes 01 02 03 04)", Format::titles())
    );
    assert_eq!(
        case.message("x.gz", &gzip(&gzip(CSV))),
        "x.gz: a gzip file inside another compressed one, which cannot be read; unpack or convert it first"
    );
    assert_eq!(
        case.message("x.parquet", &parquet()[..100]),
        "x.parquet: the Parquet file is truncated, the footer at its end is missing"
    );
    let semicolon = CsvOptions { delimiter: Some(b';'), ..CsvOptions::default() };
    let case = Case { options: OpenOptions { csv: semicolon, ..OpenOptions::default() }, ..case };
    assert!(
        matches!(case.open_data("x.csv", CSV), Err(Error::Usage(m)) if m.starts_with("x.csv: the header"))
    );
}

#[test]
fn the_format_asked_for_wins_over_the_name() {
    let mut case = Case::new();
    case.options.format = Some(Format::CSV);
    let mut opened = case.open_data("x.json", b"{,b\n1,2\n").unwrap();
    assert_eq!(opened.format, Format::CSV);
    assert_eq!(Heard::of(&mut *opened.decoder).cells(), [["1", "2"]]);
}

#[test]
fn a_stop_leaves_a_file_where_it_is() {
    for pack in [|data: &[u8]| data.to_vec(), gzip, zstd] {
        let case = Case::new();
        let mut opened = case.open_data("x.csv", &pack(&large())).unwrap();
        assert!(opened.decoder.next_batch().unwrap().is_some());
        case.stop.set();
        let heard = Heard::of(&mut *opened.decoder);
        assert!(heard.rows.len() < 30_000, "{}", heard.rows.len());
        assert_eq!((heard.broken, heard.error), (vec![], None));
        // What is opened after the stop has no rows at all.
        let mut opened = case.open("x.csv").unwrap();
        assert_eq!(Heard::of(&mut *opened.decoder), Heard::default());
    }
    let case = Case::new();
    let mut opened = case.open_data("x.parquet", &parquet()).unwrap();
    case.stop.set();
    assert_eq!(Heard::of(&mut *opened.decoder), Heard::default());
}

/// A named pipe with both ends open: what is left in it can be read through the first.
fn pipe(case: &Case) -> (fs::File, fs::File) {
    mknodat(CWD, case.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let flags = OFlags::RDONLY | OFlags::NONBLOCK;
    let left = rustix::fs::open(case.path("pipe"), flags, Mode::empty()).unwrap().into();
    (left, File::options().write(true).open(case.path("pipe")).unwrap())
}

#[test]
fn a_stream_is_handed_on_at_once() {
    let case = Case::new();
    let (_left, mut writer) = pipe(&case);
    writer.write_all(b"a,b\n1,2\n").unwrap();
    let mut opened = case.open("pipe").unwrap();
    assert!(!opened.replayable);
    assert_eq!(opened.decoder.next_batch().unwrap().unwrap().rows, [1]);
    writer.write_all(b"3,4\n5").unwrap();
    assert_eq!(opened.decoder.next_batch().unwrap().unwrap().rows, [2]);
    writer.write_all(b",6").unwrap();
    drop(writer);
    assert_eq!(opened.decoder.next_batch().unwrap().unwrap().rows, [3]);
    assert!(opened.decoder.next_batch().unwrap().is_none());
}

#[test]
fn a_stop_takes_no_more_of_a_stream_and_loses_nothing_of_it() {
    let case = Case::new();
    let (mut left, mut writer) = pipe(&case);
    writer.write_all(b"a,b\n1,2\n3,").unwrap();
    let mut opened = case.open("pipe").unwrap();
    assert_eq!(opened.decoder.next_batch().unwrap().unwrap().rows, [1]);
    case.stop.set();
    writer.write_all(b"4\n5,6\n").unwrap();
    let batch = opened.decoder.next_batch().unwrap().unwrap();
    assert_eq!((batch.rows.len(), batch.broken.len()), (0, 1));
    assert_eq!((batch.broken[0].raw.as_slice(), batch.broken[0].code), (&b"3,"[..], "bad_line"));
    assert!(opened.decoder.next_batch().unwrap().is_none());
    let mut rest = [0; 16];
    let count = left.read(&mut rest).unwrap();
    assert_eq!(&rest[..count], b"4\n5,6\n");
}

#[test]
fn a_stop_ends_waiting_for_a_stream() {
    // For its first byte, although nobody may ever open the other end.
    let case = Case::new();
    mknodat(CWD, case.path("pipe"), FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
    let stop = case.stop.clone();
    let setter = std::thread::spawn(move || stop.set());
    let mut opened = case.open("pipe").unwrap();
    assert_eq!(Heard::of(&mut *opened.decoder), Heard::default());
    setter.join().unwrap();

    // For the rest of its header, and for rows.
    for (start, columns) in [(&b"ts,open"[..], 0), (b"ts,open\n", 2)] {
        let case = Case::new();
        let (_left, mut writer) = pipe(&case);
        writer.write_all(start).unwrap();
        let stop = case.stop.clone();
        let waiting = std::thread::scope(|scope| {
            let opened = scope.spawn(|| {
                let mut opened = case.open("pipe").unwrap();
                (opened.decoder.names().len(), Heard::of(&mut *opened.decoder))
            });
            // The bytes have been taken, so the stop comes while more are waited for.
            while case.meter.consumed.load(Ordering::Relaxed) < start.len() as u64 {
                std::thread::yield_now();
            }
            stop.set();
            opened.join().unwrap()
        });
        assert_eq!(waiting, (columns, Heard::default()));
    }
}

#[test]
fn a_compressed_stream_that_is_stopped_is_not_called_corrupt() {
    let case = Case::new();
    let (_left, mut writer) = pipe(&case);
    let data = gzip(&large());
    writer.write_all(&data[..30_000]).unwrap();
    let mut opened = case.open("pipe").unwrap();
    while case.meter.consumed.load(Ordering::Relaxed) < 30_000 {
        std::thread::yield_now();
    }
    case.stop.set();
    let heard = Heard::of(&mut *opened.decoder);
    assert!(heard.rows.len() > 1000, "{}", heard.rows.len());
    assert_eq!(heard.error, None);
}

#[test]
fn parquet_from_a_stream_is_spooled() {
    let case = Case::new();
    let (_left, mut writer) = pipe(&case);
    let data = gzip(&parquet());
    writer.write_all(&data).unwrap();
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut opened = case.open("pipe").unwrap();
            assert!(!opened.replayable);
            // It has been consumed, so a stop does not lose it.
            case.stop.set();
            assert_eq!(Heard::of(&mut *opened.decoder).rows.len(), 2);
        });
        while case.meter.consumed.load(Ordering::Relaxed) < data.len() as u64 {
            std::thread::yield_now();
        }
        drop(writer);
        reader.join().unwrap();
    });

    let case = Case::new();
    let (_left, mut writer) = pipe(&case);
    writer.write_all(&parquet()[..100]).unwrap();
    case.stop.set();
    let mut opened = case.open("pipe").unwrap();
    assert_eq!(Heard::of(&mut *opened.decoder), Heard::default());
}
