use std::io::Write as _;

use super::*;
use crate::decode::test_util::Heard;

#[path = "../../../tests/harness/workbook.rs"]
mod workbook;
use workbook::Cell::{Bool, Clock, Day, Empty, Fault, Formula, Inline, Moment, Number, Text};
use workbook::{Sheet, packed, parts, sheet, workbook as of};

fn stored(bytes: &[u8]) -> File {
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(bytes: &[u8], options: &CsvOptions) -> Result<XlsxDecoder, DecodeError> {
    XlsxDecoder::open(stored(bytes), options)
}

fn heard(bytes: &[u8], options: &CsvOptions) -> Heard {
    let mut decoder = open(bytes, options).unwrap();
    decoder.prove_until(&|| false).unwrap();
    Heard::of(&mut decoder)
}

fn refused(bytes: &[u8], options: &CsvOptions) -> String {
    match open(bytes, options) {
        Ok(mut decoder) => Heard::of(&mut decoder).error.unwrap(),
        Err(error) => error.to_string(),
    }
}

fn plain() -> CsvOptions {
    CsvOptions::default()
}

#[test]
fn cells_of_every_kind_are_the_text_that_they_mean() {
    let rows: [&[workbook::Cell<'_>]; 4] = [
        &[
            Text("when"),
            Text("day"),
            Inline("at"),
            Text("n"),
            Text("is"),
            Text("sum"),
            Text("fault"),
            Text("text"),
        ],
        &[
            Moment("45293.395833333336"),
            Day("45293"),
            Clock("0.5"),
            Number("0.1"),
            Bool(true),
            Formula("D2*2", "0.2"),
            Fault("#N/A"),
            Text("a & b"),
        ],
        &[Empty, Empty, Empty, Number("1e2"), Empty, Empty, Empty, Inline("x")],
        &[Empty; 8],
    ];
    let heard = heard(&of(&[sheet("Prices", &rows)]), &plain());
    assert_eq!(heard.error, None);
    assert_eq!(
        heard.cells(),
        [
            vec!["2024-01-02 09:30:00", "2024-01-02", "12:00:00", "0.1", "true", "0.2", "#N/A", "a & b"],
            vec!["∅", "∅", "∅", "100", "∅", "∅", "∅", "x"],
        ]
    );
    assert_eq!(heard.rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [2, 3]);
}

#[test]
fn rows_have_the_numbers_of_the_sheet_and_broken_ones_are_set_aside() {
    let title = "ACME Data";
    let one = Sheet {
        name: "S",
        hidden: false,
        rows: vec![
            (1, vec![Text(title)]),
            (4, vec![Text("a"), Text("b")]),
            (7, vec![Number("1"), Number("2")]),
            (9, vec![Number("3"), Number("4"), Empty, Text("note")]),
            (12, vec![Number("5")]),
        ],
    };
    let bytes = of(&[one]);
    let said = refused(&bytes, &plain());
    assert_eq!(
        said,
        "row 1 of the sheet has one text alone, and row 4 has 2 values: if the names of the columns stand in row 4, add --skip-lines 3"
    );
    let heard = heard(&bytes, &CsvOptions { skip_lines: 3, ..plain() });
    assert_eq!(heard.cells(), [["1", "2"], ["5", "∅"]]);
    assert_eq!(heard.rows.iter().map(|(row, _)| *row).collect::<Vec<_>>(), [7, 12]);
    assert_eq!(heard.faults(), [(9, "bad_width")]);
    assert_eq!(heard.broken[0].raw, b"3\t4\t\tnote");
    assert_eq!(heard.broken[0].message, "the row has a value in column D, where the header has no name");
}

#[test]
fn without_a_header_the_columns_are_numbered_or_named() {
    let bytes = of(&[sheet("S", &[&[Text("A"), Number("1.5")], &[Text("B"), Number("2.5")]])]);
    let said = refused(&bytes, &plain());
    assert!(said.starts_with("row 1 of the sheet, where the names of the columns should be, has the number 1.5 in column B; add --no-header"), "{said}");
    let heard_of = |columns: Option<Arc<[String]>>| {
        let heard = heard(&bytes, &CsvOptions { header: false, columns, ..plain() });
        let names: Vec<String> = heard.rows[0].1.iter().map(|(name, _)| name.clone()).collect();
        (names, heard.cells().concat().join(" "))
    };
    assert_eq!(heard_of(None), (vec!["1".into(), "2".into()], "A 1.5 B 2.5".into()));
    let named: Arc<[String]> = ["s".to_owned(), "p".to_owned()].into();
    assert_eq!(heard_of(Some(named)).0, ["s", "p"]);
    // Names of several rows; years are names of periods.
    let rows: [&[workbook::Cell<'_>]; 3] =
        [&[Empty, Number("2023"), Day("45291")], &[Text("Item"), Text("FY")], &[Text("Cash"), Number("5")]];
    let heard = heard(&of(&[sheet("S", &rows)]), &CsvOptions { header_lines: 2, ..plain() });
    let names: Vec<&str> = heard.rows[0].1.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["Item", "2023 FY", "2023-12-31"]);
}

#[test]
fn the_first_sheet_that_is_shown_is_read_and_the_others_are_told() {
    let of_name = |name, hidden| Sheet { hidden, ..sheet(name, &[&[Text("a")], &[Text(name)]]) };
    let bytes = of(&[of_name("Old", true), of_name("New", false), of_name("Notes", false)]);
    let mut decoder = open(&bytes, &plain()).unwrap();
    assert_eq!(
        decoder.told(),
        Some("the rows are those of the sheet “New”; 2 other sheets were left out: “Old”, “Notes”")
    );
    assert_eq!(Heard::of(&mut decoder).cells(), [["New"]]);
}

#[test]
fn batches_go_on_where_the_one_before_ended() {
    let texts: Vec<String> = (0..20_000).map(|row| row.to_string()).collect();
    let mut rows: Vec<Vec<workbook::Cell<'_>>> = vec![vec![Text("n")]];
    rows.extend(texts.iter().map(|text| vec![Number(text)]));
    let rows: Vec<&[workbook::Cell<'_>]> = rows.iter().map(Vec::as_slice).collect();
    let bytes = of(&[sheet("S", &rows)]);
    let heard = heard(&bytes, &plain());
    assert_eq!(heard.rows.len(), 20_000);
    assert!(heard.batches > 2);
    assert_eq!(heard.bytes, bytes.len() as u64);
    for (place, (row, cells)) in heard.rows.iter().enumerate() {
        assert_eq!((*row, cells[0].1.as_deref()), (place as u64 + 2, Some(texts[place].as_str())));
    }
}

#[test]
fn what_is_no_workbook_is_told() {
    let parts = |names: &[&str]| {
        packed(&names.iter().map(|name| ((*name).into(), "<x/>".into())).collect::<Vec<_>>())
    };
    for (bytes, expected) in [
        (
            b"PK\x03\x04 and no more".to_vec(),
            "the Excel workbook is corrupt (the directory at its end does not fit it",
        ),
        (
            parts(&["xl/workbook.bin"]),
            "a binary Excel workbook (.xlsb), which cannot be read; save it as .xlsx or CSV",
        ),
        (parts(&["mimetype", "content.xml"]), "an OpenDocument spreadsheet, which cannot be read"),
        (parts(&["[Content_Types].xml"]), "an Office document that is not a workbook"),
        (parts(&["a.csv"]), "a zip archive inside another compressed file"),
        (parts(&["xl/workbook.xml"]), "the Excel workbook is corrupt ("),
        (of(&[]), "the Excel workbook is corrupt (it has no sheet of cells)"),
        (of(&[sheet("S", &[])]), "the first sheet of the Excel workbook is empty"),
    ] {
        let said = refused(&bytes, &plain());
        assert!(said.starts_with(expected), "{said}");
    }
}

#[test]
fn what_would_take_too_much_memory_is_refused_before_it_does() {
    let long = "x".repeat(2 << 20);
    let of_text = |text: &str| of(&[sheet("S", &[&[Text("a")], &[Inline(text)]])]);
    let said = refused(&of_text(&long), &plain());
    assert!(said.starts_with("the Excel workbook has a text of more than 1 MiB in a cell"), "{said}");
    // A table of texts of nothing but empty ones, and tags in tags.
    let with = |name: &str, text: String| {
        let mut parts = parts(&[sheet("S", &[&[Text("a")], &[Text("b")]])], false);
        parts.iter_mut().filter(|(part, _)| part == name).for_each(|(_, old)| old.clone_from(&text));
        packed(&parts)
    };
    let said = refused(&with("xl/styles.xml", "<a/>".repeat(5 << 20)), &plain());
    assert!(said.starts_with("the Excel workbook unpacks to more than a workbook holds"), "{said}");
    let said = refused(&with("xl/worksheets/sheet1.xml", "<a>".repeat(1 << 20)), &plain());
    assert!(said.starts_with("the Excel workbook is corrupt"), "{said}");
    // Cells beyond what a sheet has, twice, and backwards.
    for cells in [
        "<c r=\"XFE1\"><v>1</v></c>",
        "<c r=\"B1\"><v>1</v></c><c r=\"A1\"><v>1</v></c>",
        "<c r=\"A1048577\"><v>1</v></c>",
    ] {
        let xml = format!("<worksheet><sheetData><row r=\"1\">{cells}</row></sheetData></worksheet>");
        let said = refused(&with("xl/worksheets/sheet1.xml", xml), &plain());
        assert!(said.starts_with("the Excel workbook is corrupt"), "{cells}: {said}");
    }
}

#[test]
fn a_workbook_with_damaged_bytes_gives_a_sentence_and_no_panic() {
    let whole = of(&[sheet("S", &[&[Text("a"), Text("b")], &[Number("1"), Day("45293")]])]);
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x55;
        if let Ok(mut decoder) = open(&bytes, &plain()) {
            let proven = decoder.prove_until(&|| false).is_ok();
            let heard = Heard::of(&mut decoder);
            assert!(!proven || heard.error.is_none(), "{at}");
        }
        if let Ok(mut decoder) = open(&whole[..at], &plain()) {
            assert!(Heard::of(&mut decoder).error.is_some(), "cut at {at}");
        }
    }
}
