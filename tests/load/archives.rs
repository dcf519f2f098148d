//! zip archives: each file of data in one is an input of its own.

use std::io::Write as _;

use crate::harness::{Run, Store, Work, on_both_stores};

/// A file of an archive, as it is written there.
struct Packed<'a> {
    name: &'a str,
    text: &'a [u8],
    method: u16,
    /// The bits that say how it is packed; the first: it is encrypted.
    flags: u16,
    crc: Option<u32>,
}

fn file<'a>(name: &'a str, text: &'a str) -> Packed<'a> {
    Packed { name, text: text.as_bytes(), method: 8, flags: 0, crc: None }
}

/// An archive with files of those names and texts; inputs in object stores are made of it, too.
#[cfg_attr(not(feature = "objects"), expect(dead_code, reason = "for tests of object stores alone"))]
pub fn zipped(files: &[(&str, &str)]) -> Vec<u8> {
    archive(&files.iter().map(|(name, text)| file(name, text)).collect::<Vec<_>>())
}

fn archive(files: &[Packed<'_>]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for one in files {
        let mut packed = one.text.to_vec();
        if one.method == 8 {
            let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
            deflate.write_all(one.text).expect("in memory");
            packed = deflate.finish().expect("in memory");
        }
        let mut crc = flate2::Crc::new();
        crc.update(one.text);
        let length = |length: usize| u32::try_from(length).expect("small").to_le_bytes();
        let mut head = Vec::new();
        for part in [20, one.flags, one.method, 0, 0x21] {
            head.extend(u16::to_le_bytes(part));
        }
        head.extend(one.crc.unwrap_or(crc.sum()).to_le_bytes());
        head.extend(length(packed.len()));
        head.extend(length(one.text.len()));
        head.extend(u16::try_from(one.name.len()).expect("short").to_le_bytes());
        head.extend([0, 0]);
        let at = length(bytes.len());
        bytes.extend(b"PK\x03\x04");
        bytes.extend(&head);
        bytes.extend(one.name.as_bytes());
        bytes.extend(packed);
        directory.extend(b"PK\x01\x02\x14\0");
        directory.extend(&head);
        directory.extend([0; 10]);
        directory.extend(at);
        directory.extend(one.name.as_bytes());
    }
    let (at, count) = (bytes.len(), u16::try_from(files.len()).expect("few").to_le_bytes());
    bytes.extend(&directory);
    bytes.extend(b"PK\x05\x06\0\0\0\0");
    bytes.extend(count);
    bytes.extend(count);
    bytes.extend(u32::try_from(directory.len()).expect("small").to_le_bytes());
    bytes.extend(u32::try_from(at).expect("small").to_le_bytes());
    bytes.extend([0, 0]);
    bytes
}

const HEADER: &str = "ts,price,size\n";

fn load(work: &Work, store: &Store, inputs: &[&str], more: &[&str]) -> Run {
    let flags = ["load", "--json", "--dataset", "ticks", "--vendor", "v", "--dsn", &store.dsn()];
    work.mdsctl(flags).arguments(inputs.iter().copied()).arguments(more.iter().copied()).run()
}

fn fills(store: &Store) -> Vec<String> {
    let rows = store.rows("SELECT symbol, price, size FROM ticks ORDER BY symbol, price, size");
    let text = |cell: &Option<String>| cell.clone().unwrap_or_else(|| "NULL".into());
    rows.iter().map(|row| row.iter().map(text).collect::<Vec<_>>().join(" ")).collect()
}

#[test]
fn each_file_of_data_in_an_archive_is_an_input_with_its_name() {
    let aapl = format!("{HEADER}2024-01-02T10:00:00Z,10.5,3\n2024-01-02T10:00:01Z,x,3\n");
    let msft = format!("{HEADER}2024-01-02T10:00:00Z,20.25,4\n");
    let stored = Packed { method: 0, ..file("day/MSFT-fills.csv", &msft) };
    let files = [
        stored,
        file("AAPL-fills.csv", &aapl),
        file("day/", ""),
        file("day/empty.csv", ""),
        file("__MACOSX/._AAPL-fills.csv", "junk"),
        file(".hidden.csv", "junk"),
        file("README.md", "about it"),
    ];
    on_both_stores(|work, store, what| {
        work.write("data/fills.ZIP", archive(&files));
        let named = ["--name-pattern", "{symbol}-fills"];
        let run = load(work, store, &["data"], &named).expect(3);
        let inputs =
            serde_json::json!(["data/fills.ZIP/AAPL-fills.csv", "data/fills.ZIP/day/MSFT-fills.csv"]);
        assert_eq!(run.json()["inputs"], inputs, "{what}: {run}");
        assert_eq!(fills(store), ["AAPL 10.5 3", "MSFT 20.25 4"], "{what}: {run}");
        let letters = work.dlq(".dlq/ticks.ndjson");
        assert_eq!(letters[0].source, "data/fills.ZIP/AAPL-fills.csv", "{what}: {run}");
        assert_eq!(letters[0].rows, [2], "{what}: {run}");
        let run = load(work, store, &["data/fills.ZIP", "--dry-run"], &named);
        assert_eq!(run.code, 3, "{what}: {run}");
        let rows = &run.json()["rows"];
        assert_eq!((&rows["read"], &rows["rejected"]), (&3.into(), &1.into()), "{what}: {run}");
    });
}

#[test]
fn an_archive_on_standard_input_is_loaded_where_it_has_one_file_of_data() {
    let text = format!("{HEADER}2024-01-02T10:00:00Z,10.5,3\n");
    on_both_stores(|work, store, what| {
        let one = archive(&[file("note.txt", ""), file("whatever", &text)]);
        let flags =
            ["load", "-", "--dataset", "ticks", "--vendor", "v", "--symbol", "A", "--dsn", &store.dsn()];
        work.mdsctl(flags).stdin(one).run().expect(0);
        assert_eq!(fills(store), ["A 10.5 3"], "{what}");
        let run =
            work.mdsctl(flags).stdin(archive(&[file("a.csv", &text), file("b.csv", &text)])).run().expect(6);
        let words = "standard input: the zip archive has 2 files of data, of which a pipe can bring one; save it to a file and load that";
        assert!(run.error().contains(words), "{what}: {run}");
    });
}

#[test]
fn what_cannot_be_read_of_an_archive_is_refused_by_name_and_the_rest_is_loaded() {
    let text = format!("{HEADER}2024-01-02T10:00:00Z,10.5,3\n");
    let files = [
        Packed { flags: 1, ..file("a.csv", &text) },
        Packed { method: 14, ..file("b.csv", &text) },
        Packed { method: 98, ..file("c.csv", &text) },
        Packed { method: 77, ..file("d.csv", &text) },
        Packed { method: 0, crc: Some(7), ..file("e.csv", &text) },
        file("f.csv", &text),
    ];
    on_both_stores(|work, store, what| {
        let path = work.write("all.zip", archive(&files));
        let run = load(work, store, &[&path], &["--symbol", "A"]).expect(6);
        assert_eq!(fills(store), ["A 10.5 3"], "{what}: {run}");
        for (name, why) in [
            ("a", "it is encrypted, which cannot be read; unpack it first"),
            ("b", "it is compressed with LZMA, which cannot be read; unpack it first"),
            ("c", "it is compressed with PPMd, which cannot be read; unpack it first"),
            (
                "d",
                "it is compressed with a method that is not known here, which cannot be read; unpack it first",
            ),
            ("e", "the zip stream is corrupt; none of its rows were loaded"),
        ] {
            assert!(
                run.stderr.replace('\n', " ").contains(&format!("all.zip/{name}.csv: {why}")),
                "{what}, {name}: {run}"
            );
        }
    });
}

#[test]
fn archives_that_are_cut_or_hold_nothing_are_told_in_a_sentence() {
    let text = format!("{HEADER}2024-01-02T10:00:00Z,10.5,3\n");
    let whole = archive(&[file("a.csv", &text), file("b.csv", &text)]);
    let work = Work::new();
    for end in [4, 40, whole.len() / 2, whole.len() - 1] {
        let path = work.write("cut.zip", &whole[..end]);
        for stdin in [false, true] {
            let run = match stdin {
                false => work.mdsctl(["load", &path, "--symbol", "A"]).run().expect(6),
                true => work.mdsctl(["load", "-", "--symbol", "A"]).stdin(&whole[..end]).run().expect(6),
            };
            assert!(run.error().contains("the zip archive is truncated or corrupt"), "{end}: {run}");
        }
    }
    for nothing in [archive(&[]), archive(&[file("a.csv", ""), file("b/", "")])] {
        let path = work.write("nothing.zip", nothing);
        let run = work.mdsctl(["load", &path]).run().expect(6);
        assert!(run.error().contains("nothing.zip: there is nothing to load in the zip archive"), "{run}");
    }
    let path =
        work.write("book.xlsx", archive(&[file("[Content_Types].xml", "<x/>"), file("xl/a.xml", "<x/>")]));
    let run = work.mdsctl(["load", &path]).run().expect(6);
    assert!(run.error().contains("book.xlsx: an Office document that is not a workbook"), "{run}");
}

/// A file that is gone on with is known by its name and its checksum, whatever else has come into the archive.
#[test]
fn a_load_of_an_archive_is_resumed_at_the_file_that_was_damaged() {
    let good =
        (0..500).fold(HEADER.to_owned(), |text, row| format!("{text}2024-01-02T10:00:00Z,{row}.5,1\n"));
    let one = |crc| [file("a.csv", &good), Packed { crc, ..file("b.csv", &good) }, file("c.csv", &good)];
    on_both_stores(|work, store, what| {
        let path = work.write("all.zip", archive(&one(Some(9))));
        load(work, store, &[&path], &["--symbol", "A", "--batch-size", "100"]).expect(6);
        work.write("all.zip", archive(&one(None)));
        let run = load(work, store, &[&path], &["--symbol", "A", "--resume"]).expect(0);
        // A trade stands in each of the files, which say that they are of one day.
        assert_eq!(run.books().read, 1_500, "{what}: {run}");
        let rows = store.rows("SELECT count(*), count(DISTINCT price) FROM ticks");
        assert_eq!(rows[0][1].as_deref(), Some("500"), "{what}: {run}");
    });
}

/// As writers that do not know the size of a file before it has passed: with the fields of 64 bits.
#[test]
fn archives_of_64_bits_are_read_from_files_and_pipes() {
    let text = format!("{HEADER}2024-01-02T10:00:00Z,10.5,3\n");
    let mut archive = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = zip::write::SimpleFileOptions::default().large_file(true);
    archive
        .start_file("a.csv", options.compression_method(zip::CompressionMethod::Deflated))
        .expect("in memory");
    archive.write_all(text.as_bytes()).expect("in memory");
    let bytes = archive.finish().expect("in memory").into_inner();
    on_both_stores(|work, store, what| {
        let path = work.write("large.zip", &bytes);
        load(work, store, &[&path], &["--symbol", "A"]).expect(0);
        let flags =
            ["load", "-", "--dataset", "ticks", "--vendor", "v", "--symbol", "B", "--dsn", &store.dsn()];
        work.mdsctl(flags).stdin(bytes.clone()).run().expect(0);
        assert_eq!(fills(store), ["A 10.5 3", "B 10.5 3"], "{what}");
    });
}

/// A file that unpacks to more than its archive says is damaged, however much that is; one that says so is read in
/// pieces.
#[test]
fn a_file_that_unpacks_to_more_than_is_said_stops_there() {
    let text = HEADER.to_owned() + &"2024-01-02T10:00:00Z,10.5,3\n".repeat(1 << 20);
    let whole = archive(&[file("a.csv", &text)]);
    assert!(whole.len() * 20 < text.len());
    let mut lying = whole.clone();
    let said = u32::try_from(text.len()).expect("small").to_le_bytes();
    let places: Vec<usize> =
        whole.windows(4).enumerate().filter(|(_, four)| *four == said).map(|(at, _)| at).collect();
    assert_eq!(places.len(), 2);
    places.iter().for_each(|at| lying[*at..at + 4].copy_from_slice(&100u32.to_le_bytes()));
    let (work, flags) = (Work::new(), ["--symbol", "A"]);
    let store = Store::sqlite(&work);
    let path = work.write("lying.zip", lying);
    let run = load(&work, &store, &[&path], &flags).expect(6);
    assert!(
        run.error().contains("lying.zip/a.csv: the zip stream is corrupt; none of its rows were loaded"),
        "{run}"
    );
    let path = work.write("whole.zip", whole);
    let run = load(&work, &store, &[&path, "--dry-run"], &flags).expect(0);
    assert_eq!(run.books().read, 1 << 20, "{run}");
}
