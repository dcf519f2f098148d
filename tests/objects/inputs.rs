//! Objects are loaded as files are, in every format.

use std::io::Write as _;

use crate::generator::market::{Dataset, Plan};
use crate::generator::spoil::Spoil;
use crate::generator::write::{Compress, Format, write};
use crate::harness::bucket::Bucket;
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Store, Work, on_both_stores};

/// Generated rows as a file has them.
pub fn rows(plan: &Plan, format: Format, compress: Compress) -> Vec<u8> {
    let mut file = tempfile::tempfile().expect("a file");
    write(plan, format, compress, &Spoil::none(), file.try_clone().expect("a file")).expect("rows");
    let mut bytes = Vec::new();
    std::io::Seek::rewind(&mut file).expect("a file");
    std::io::Read::read_to_end(&mut file, &mut bytes).expect("a file");
    bytes
}

#[test]
fn rows_of_objects_are_stored_as_those_of_files_in_every_format() {
    let bucket = Bucket::new();
    let plan = Plan::new(Dataset::Bars, 5_000, 7);
    let all = [
        ("a.csv", Format::Csv, Compress::None),
        ("a.ndjson", Format::Ndjson, Compress::None),
        ("a.parquet", Format::Parquet, Compress::None),
        ("a.csv.gz", Format::Csv, Compress::Gzip),
        ("a.ndjson.zst", Format::Ndjson, Compress::Zstd),
    ];
    for (name, format, compress) in all {
        bucket.put(name, rows(&plan, format, compress));
        on_both_stores(|work, store, what| {
            let address = format!("s3://days/{name}");
            let run =
                bucket.open(work.mdsctl(["load", &address, "--dsn", &store.dsn(), "--json"])).run().expect(0);
            assert_same(&store.stored(&plan), &truth(&plan), &format!("{name}, {what}"));
            assert_eq!(run.json()["inputs"][0], address.as_str());
        });
    }
}

/// Google's way to speak of objects is near enough to that of S3 for the same server to answer.
#[test]
fn objects_of_google_are_loaded_by_name_and_by_pattern_and_letters_go_there() {
    let bucket = Bucket::google();
    bucket.put("d/a b.csv", "seq,note\n1,one\nx,two\n");
    bucket.put("d/b.ndjson", "{\"seq\":3,\"note\":\"three\"}\n");
    for sqlite in [true, false] {
        let work = Work::new();
        let store = days(&work, sqlite);
        let load =
            ["load", "gs://days/d/*", "--table", "seqs", "--dsn", &store.dsn(), "--dlq", "gs://days/q/"];
        bucket.open_as_google(work.mdsctl(load)).run().expect(3);
        assert_eq!(seqs(&store), ["1 one", "3 three"], "{store}");
        let letters = bucket.keys("q/").into_iter().filter(|key| key.ends_with(".ndjson")).count();
        assert_eq!(letters, 1, "{store}");
        let inspect = ["inspect-dlq", "gs://days/q/", "--json"];
        let run = bucket.open_as_google(work.mdsctl(inspect)).run().expect(0);
        assert_eq!(run.json()["rows"], 1, "{run}");
        bucket.keys("q/").iter().for_each(|key| std::fs::remove_file(bucket.path(key)).expect("an object"));
        let again = ["load", "gs://days/d/a b.csv", "--table", "seqs", "--dsn", &store.dsn(), "--json"];
        let run = bucket.open_as_google(work.mdsctl(again)).run().expect(3);
        assert_eq!(run.json()["inputs"][0], "gs://days/d/a b.csv");
    }
}

/// A table of days, and a command that loads them there.
pub fn days(work: &Work, sqlite: bool) -> Store {
    let number = if sqlite { "INTEGER" } else { "BIGINT" };
    Store::holding(work, sqlite, &format!("CREATE TABLE seqs (seq {number} PRIMARY KEY, note TEXT)"))
}

pub fn seqs(store: &Store) -> Vec<String> {
    let rows = store.rows("SELECT seq, note FROM seqs ORDER BY seq");
    let shown = |row: Vec<Option<String>>| {
        row.into_iter().map(Option::unwrap_or_default).collect::<Vec<_>>().join(" ")
    };
    rows.into_iter().map(shown).collect()
}

#[test]
fn prefixes_folders_and_patterns_mean_keys_as_they_mean_paths() {
    let bucket = Bucket::new();
    let put = |key: &str, seq: u64| bucket.put(key, format!("seq,note\n{seq},{key}\n"));
    for (seq, key) in
        ["p/b.csv", "p/a.csv", "p/x/c.csv", "p/x/y/d.csv", "p2/e.csv", "p/.h.csv", "p/_SUCCESS", "p/r.md"]
            .iter()
            .enumerate()
    {
        put(key, seq as u64);
    }
    let loaded = |arguments: &[&str], code: i32| {
        let work = Work::new();
        let store = days(&work, true);
        let dsn = store.dsn();
        let all = [&["load"], arguments, &["--table", "seqs", "--dsn", &*dsn, "--json"][..]].concat();
        let run = bucket.open(work.mdsctl(all)).run().expect(code);
        let inputs = run.json()["inputs"].as_array().cloned().unwrap_or_default();
        let names: Vec<String> =
            inputs.iter().map(|name| name.as_str().unwrap().replace("s3://days/", "")).collect();
        let mut keys: Vec<String> =
            seqs(&store).iter().map(|row| row.split(' ').nth(1).unwrap().to_owned()).collect();
        keys.sort();
        let mut sorted = names.clone();
        sorted.sort();
        if code == 0 {
            assert_eq!(keys, sorted);
        }
        (names.join(" "), run.stderr)
    };
    for (argument, names) in [
        ("s3://days/p/", "p/a.csv p/b.csv"),
        ("s3://days/p", "p/a.csv p/b.csv"),
        ("s3://days/p/*.csv", "p/a.csv p/b.csv"),
        ("s3://days/p*/?.csv", "p/a.csv p/b.csv p2/e.csv"),
        ("s3://days/p/**/*.csv", "p/a.csv p/b.csv p/x/c.csv p/x/y/d.csv"),
        ("s3://days/**/[cde].csv", "p/x/c.csv p/x/y/d.csv p2/e.csv"),
        ("s3://days/p/x*", "p/x/c.csv"),
    ] {
        assert_eq!(loaded(&[argument], 0).0, names, "{argument}");
    }
    let (names, said) = loaded(&["s3://days/p/", "--recursive"], 0);
    assert_eq!(names, "p/a.csv p/b.csv p/x/c.csv p/x/y/d.csv");
    let said = said.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        said.contains("left out were 1 file or folder that writers leave beside their data (_SUCCESS)"),
        "{said}"
    );
    // What is named twice is loaded once.
    assert_eq!(loaded(&["s3://days/p/*.csv", "s3://days/p/"], 0).0, "p/a.csv p/b.csv");
    for (argument, sentence) in [
        ("s3://days/q/", "no such objects below: s3://days/q/"),
        ("s3://days/q.csv", "no such object: s3://days/q.csv"),
        ("s3://days/q*.csv", "no object fits s3://days/q*.csv"),
        ("s3://nights/a.csv", "there is no bucket nights"),
        ("s3://days/p/x/y/../d.csv", "its key cannot be asked for"),
    ] {
        let said = loaded(&[argument], 6).1.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(said.contains(sentence), "{argument}: {said}");
    }
}

#[test]
fn names_of_folders_and_patterns_of_names_give_values() {
    let bucket = Bucket::new();
    bucket.put("t/symbol=AAPL/date=2024-01-02/a.csv", "seq,note\n1,x\n");
    bucket.put("u/7_AAPL.csv", "note\ny\n");
    on_both_stores(|work, _, what| {
        let sqlite = what == "SQLite";
        let number = if sqlite { "INTEGER" } else { "BIGINT" };
        let table =
            format!("CREATE TABLE seqs (seq {number} PRIMARY KEY, note TEXT, symbol TEXT, date TEXT)");
        let store = Store::holding(work, sqlite, &table);
        let dsn = store.dsn();
        let load = |more: &[&str]| {
            let all = [&["load"], more, &["--table", "seqs", "--dsn", &*dsn][..]].concat();
            bucket.open(work.mdsctl(all)).run().expect(0)
        };
        load(&["s3://days/t/", "--recursive"]);
        load(&["s3://days/u/*.csv", "--name-pattern", "{seq}_{symbol}"]);
        let rows = store.rows("SELECT seq, note, symbol, date FROM seqs ORDER BY seq");
        let shown: Vec<String> = rows
            .into_iter()
            .map(|row| row.into_iter().map(|value| value.unwrap_or("-".into())).collect::<Vec<_>>().join(" "))
            .collect();
        assert_eq!(shown, ["1 x AAPL 2024-01-02", "7 y AAPL -"], "{what}");
    });
}

#[test]
fn archives_workbooks_and_documents_are_read_as_from_a_file() {
    let bucket = Bucket::new();
    let mut zip = Vec::new();
    zip.extend(crate::load::archives::zipped(&[("a.csv", "seq,note\n1,a\n"), ("b.csv", "seq,note\n2,b\n")]));
    bucket.put("z.zip", &zip);
    bucket.put("unnamed", {
        let mut zip = Vec::new();
        zip.extend(crate::load::archives::zipped(&[("c.csv", "seq,note\n3,c\n")]));
        zip
    });
    bucket.put("d.json", r#"{"data": [{"seq": 4, "note": "d"}, {"seq": 5, "note": "e"}]}"#);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(br#"{"data": [{"seq": 6, "note": "f"}]}"#).expect("in memory");
    bucket.put("f.json.gz", gz.finish().expect("in memory"));
    let work = Work::new();
    let store = days(&work, true);
    let names = ["z.zip", "unnamed", "d.json", "f.json.gz"].map(|name| format!("s3://days/{name}"));
    let flags = ["--table".to_owned(), "seqs".into(), "--dsn".into(), store.dsn(), "--json".into()];
    let all = std::iter::once("load".to_owned()).chain(names).chain(flags);
    let run = bucket.open(work.mdsctl(all)).run().expect(0);
    assert_eq!(seqs(&store), ["1 a", "2 b", "3 c", "4 d", "5 e", "6 f"]);
    assert_eq!(run.json()["inputs"][1], "s3://days/z.zip/b.csv");
}

#[test]
fn a_delta_table_is_refused_since_its_log_is_not_read() {
    let bucket = Bucket::new();
    bucket.put("t/_delta_log/00000000000000000000.json", "{}\n");
    bucket.put("t/day=1/a.csv", "seq,note\n1,a\n");
    for named in ["s3://days/t/", "s3://days/t/day=1/", "s3://days/t/**/*.csv", "s3://days/*/day=1/*.csv"] {
        let work = Work::new();
        let store = days(&work, true);
        let dsn = store.dsn();
        let all = ["load", named, "--recursive", "--table", "seqs", "--dsn", &*dsn];
        let run = bucket.open(work.mdsctl(all)).run().expect(6);
        assert!(run.error().contains("it is of a Delta table (s3://days/t/_delta_log/)"), "{}", run.error());
    }
}
