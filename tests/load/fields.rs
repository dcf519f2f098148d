//! Inputs with thousands of fields of which a few are loaded: the others are passed over and told, and cost
//! no row.

use std::fs::File;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use parquet::arrow::ArrowWriter;

use crate::harness::{Store, Work, on_both_stores};

const FIELDS: usize = 3000;

const ROWS: usize = 40;

/// Fields that no other row has.
fn others(row: usize) -> Vec<String> {
    (0..100).map(|n| format!("x{row}_{n}")).collect()
}

/// The columns of the dataset, behind all others.
const BAR: [(&str, &str); 8] = [
    ("vendor", "v"),
    ("symbol", "A"),
    ("timeframe", "1m"),
    ("open", "1.5"),
    ("high", "2.5"),
    ("low", "0.5"),
    ("close", "2.25"),
    ("volume", "7"),
];

fn ts(minute: usize) -> String {
    format!("2024-01-{:02}T{:02}:{:02}:00Z", 2 + minute / 1440, minute / 60 % 24, minute % 60)
}

/// Rows of JSON, each with the fields that `others` gives it before those of the dataset.
fn json(rows: usize, others: impl Fn(usize) -> Vec<String>) -> String {
    let row = |row: usize| {
        let others: String = others(row).iter().map(|name| format!("\"{name}\":{row},")).collect();
        let bar: String = BAR.iter().map(|(name, value)| format!(",\"{name}\":\"{value}\"")).collect();
        format!("{{{others}\"ts\":\"{}\"{bar}}}\n", ts(row))
    };
    (0..rows).map(row).collect()
}

fn stored(store: &Store) -> Vec<Vec<Option<String>>> {
    store.rows("SELECT symbol, open_price, close_price, volume FROM bars ORDER BY ts")
}

fn assert_stored(store: &Store, rows: usize, what: &str) {
    let number = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    let all = stored(store);
    assert_eq!(all.len(), rows, "{what}");
    for row in &all {
        assert_eq!((row[0].as_deref(), number(&row[1])), (Some("A"), Some(1.5)), "{what}: {row:?}");
        assert_eq!((number(&row[2]), number(&row[3])), (Some(2.25), Some(7.0)), "{what}: {row:?}");
    }
}

#[test]
fn fields_that_nothing_loads_cost_no_row() {
    on_both_stores(|work, store, _| {
        let dsn = store.dsn();
        let to = ["--dsn", &dsn, "--json"];
        // The same fields in every row, and others in every row.
        let wide = json(5, |_| (0..FIELDS).map(|n| format!("x{n}")).collect());
        let odd = json(ROWS, others);
        let run = work.mdsctl(["load", &work.write("wide.ndjson", &wide)]).arguments(to).run().expect(0);
        assert_stored(store, 5, &run.to_string());
        assert!(run.stderr.contains("columns not loaded: x0, x1"), "{run}");
        let run = work.mdsctl(["load", "-"]).arguments(to).stdin(odd.clone()).run().expect(0);
        assert_stored(store, ROWS, &run.to_string());
        assert!(run.stderr.contains("values not loaded of fields behind the first 1,024"), "{run}");
        // A file whose first batch does not have them all.
        let run = work.mdsctl(["load", &work.write("odd.ndjson", odd)]).arguments(to).run().expect(0);
        assert_eq!(run.books().unchanged, ROWS as u64, "{run}");
        let wide = wide + &json(3, |row| (0..20).map(|n| format!("z{row}_{n}")).collect());
        let run = work.mdsctl(["load", "-"]).arguments(to).stdin(wide).run().expect(0);
        assert!(run.stderr.contains("60 values not loaded of fields behind the first 1,024"), "{run}");
        assert_eq!(run.books().rejected, 0, "{run}");
    });
}

#[test]
fn a_field_that_is_loaded_is_taken_behind_thousands_of_others() {
    // Behind those of the first row, under a name that a flag alone knows.
    let text = json(ROWS, |row| {
        let first = (0..if row == 0 { FIELDS } else { 0 }).map(|n| format!("y{n}"));
        first.chain(others(row)).chain(["my vwap".to_owned()]).collect()
    });
    let work = Work::new();
    let store = Store::sqlite(&work);
    let arguments = ["load", "-", "--map", "vwap=my vwap", "--dsn", &store.dsn()];
    let run = work.mdsctl(arguments).stdin(text).run().expect(0);
    let all = store.rows("SELECT count(*), min(CAST(vwap AS INTEGER)), max(CAST(vwap AS INTEGER)) FROM bars");
    let number = (ROWS - 1).to_string();
    assert_eq!(all, [[Some(ROWS.to_string()), Some("0".into()), Some(number.clone())]], "{run}");
    // In the last row alone.
    let text = json(ROWS, |row| {
        others(row).into_iter().chain((row + 1 == ROWS).then(|| "trades".to_owned())).collect()
    });
    let work = Work::new();
    let store = Store::sqlite(&work);
    let run = work.mdsctl(["load", "-", "--dsn", &store.dsn()]).stdin(text).run().expect(0);
    let all = store.rows("SELECT trades FROM bars WHERE trades IS NOT NULL");
    assert_eq!(all, [[Some(number)]], "{run}");
}

#[test]
fn csv_and_parquet_may_have_thousands_of_columns() {
    for pipe in [false, true] {
        let work = Work::new();
        let names: Vec<String> = (0..2 * FIELDS).map(|n| format!("x{n}")).collect();
        let cells = "1,".repeat(names.len());
        let bar = |part: fn(&(&'static str, &'static str)) -> &'static str| {
            BAR.iter().map(part).collect::<Vec<_>>().join(",")
        };
        let header = format!("{},ts,{}\n", names.join(","), bar(|(name, _)| name));
        let rows: String = (0..20).map(|row| format!("{cells}{},{}\n", ts(row), bar(|(_, v)| v))).collect();
        work.write("a.csv", header + &rows);

        let path = work.write("b.parquet", "");
        let texts = |text: &dyn Fn(usize) -> String| -> ArrayRef {
            Arc::new((20..40).map(|row| Some(text(row))).collect::<StringArray>())
        };
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1; 20]));
        let others = names.iter().take(FIELDS).map(|name| (name.clone(), numbers.clone()));
        let bars = BAR.iter().map(|(name, value)| ((*name).to_owned(), texts(&|_| (*value).to_owned())));
        let columns = others.chain([("ts".to_owned(), texts(&ts))]).chain(bars);
        let batch = RecordBatch::try_from_iter(columns).expect("columns of one length");
        let file = File::create(&path).expect("a file");
        let mut writer = ArrowWriter::try_new(file, batch.schema(), None).expect("a writer");
        writer.write(&batch).expect("rows are written");
        writer.close().expect("the file is written");

        let store = Store::sqlite(&work);
        let dsn = store.dsn();
        for name in ["a.csv", "b.parquet"] {
            let run = match pipe {
                true => {
                    let bytes = std::fs::read(work.path(name)).expect("the file");
                    work.mdsctl(["load", "-", "--dsn", &dsn]).stdin(bytes).run().expect(0)
                }
                false => work.mdsctl(["load", name, "--dsn", &dsn]).run().expect(0),
            };
            assert!(run.stderr.contains("columns not loaded: x0, x1"), "{name}: {run}");
        }
        assert_stored(&store, 40, "both");
    }
}
