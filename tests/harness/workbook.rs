//! Excel workbooks, as Excel writes them: texts in a table of their own, times as numbers with a format.

use std::io::{Cursor, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

const FAILED: &str = "into memory nothing fails";

/// What is in a cell.
#[derive(Clone, Copy)]
pub enum Cell<'a> {
    /// A text in the table of texts.
    Text(&'a str),
    /// A text in the cell itself.
    Inline(&'a str),
    /// A number, as it stands in the file.
    Number(&'a str),
    /// A day: a number with a format of one.
    Day(&'a str),
    /// A moment, by a format that is not built in.
    Moment(&'a str),
    /// A time of day.
    Clock(&'a str),
    /// A truth value.
    Bool(bool),
    /// A formula, and the number that it came to.
    Formula(&'a str, &'a str),
    /// A fault such as `#N/A`.
    Fault(&'a str),
    /// Nothing.
    Empty,
}

/// A sheet: its name, whether it is shown, and its rows with their numbers.
pub struct Sheet<'a> {
    pub name: &'a str,
    pub hidden: bool,
    pub rows: Vec<(u32, Vec<Cell<'a>>)>,
}

/// A sheet of rows from 1 on.
pub fn sheet<'a>(name: &'a str, rows: &[&[Cell<'a>]]) -> Sheet<'a> {
    let rows = (1..).zip(rows).map(|(number, cells)| (number, cells.to_vec())).collect();
    Sheet { name, hidden: false, rows }
}

/// A workbook of days since 1900.
pub fn workbook(sheets: &[Sheet<'_>]) -> Vec<u8> {
    of_system(sheets, false)
}

/// A workbook of days since 1900 or 1904.
pub fn of_system(sheets: &[Sheet<'_>], since_1904: bool) -> Vec<u8> {
    packed(&parts(sheets, since_1904))
}

/// The parts of a workbook: name and text.
pub fn parts(sheets: &[Sheet<'_>], since_1904: bool) -> Vec<(String, String)> {
    let main = "http://schemas.openxmlformats.org/spreadsheetml/2006/main";
    let of = "http://schemas.openxmlformats.org/officeDocument/2006/relationships";
    let package = "http://schemas.openxmlformats.org/package/2006/relationships";
    let mut texts: Vec<String> = Vec::new();
    let (mut entries, mut links, mut all) = (String::new(), String::new(), Vec::new());
    for (number, one) in (1..).zip(sheets) {
        let state = if one.hidden { " state=\"hidden\"" } else { "" };
        entries +=
            &format!("<sheet name=\"{}\" sheetId=\"{number}\"{state} r:id=\"rId{number}\"/>", one.name);
        links += &format!(
            "<Relationship Id=\"rId{number}\" Type=\"{of}/worksheet\" Target=\"worksheets/sheet{number}.xml\"/>"
        );
        let mut rows = String::new();
        let width = one.rows.iter().map(|(_, cells)| cells.len()).max().unwrap_or(0);
        let last = one.rows.last().map_or(1, |(number, _)| *number);
        for (number, cells) in &one.rows {
            rows += &format!("<row r=\"{number}\">");
            for (column, cell) in cells.iter().enumerate() {
                rows += &cell_of(*cell, &format!("{}{number}", letters(column)), &mut texts);
            }
            rows += "</row>";
        }
        let xml = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<worksheet xmlns=\"{main}\"><dimension ref=\"A1:{}{last}\"/><sheetData>{rows}</sheetData></worksheet>",
            letters(width.max(1) - 1)
        );
        all.push((format!("xl/worksheets/sheet{number}.xml"), xml));
    }
    let system = if since_1904 { "<workbookPr date1904=\"1\"/>" } else { "<workbookPr/>" };
    let texts: String =
        texts.iter().map(|text| format!("<si><t xml:space=\"preserve\">{text}</t></si>")).collect();
    links += &format!(
        "<Relationship Id=\"rId100\" Type=\"{of}/styles\" Target=\"styles.xml\"/><Relationship Id=\"rId101\" Type=\"{of}/sharedStrings\" Target=\"sharedStrings.xml\"/>"
    );
    let formats = "<numFmts count=\"1\"><numFmt numFmtId=\"164\" formatCode=\"yyyy\\-mm\\-dd\\ hh:mm:ss.000\"/></numFmts>";
    let styles =
        [0, 14, 164, 21].map(|id| format!("<xf numFmtId=\"{id}\" applyNumberFormat=\"1\"/>")).concat();
    let named = |name: &str, text: String| {
        (name.to_owned(), format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{text}"))
    };
    all.extend([
        named("xl/workbook.xml", format!("<workbook xmlns=\"{main}\" xmlns:r=\"{of}\">{system}<sheets>{entries}</sheets></workbook>")),
        named("xl/_rels/workbook.xml.rels", format!("<Relationships xmlns=\"{package}\">{links}</Relationships>")),
        named("xl/sharedStrings.xml", format!("<sst xmlns=\"{main}\">{texts}</sst>")),
        named("xl/styles.xml", format!("<styleSheet xmlns=\"{main}\">{formats}<cellXfs count=\"4\">{styles}</cellXfs></styleSheet>")),
        named("[Content_Types].xml", "<Types xmlns=\"http://schemas.openxmlformats.org/package/2006/content-types\"><Default Extension=\"xml\" ContentType=\"application/xml\"/></Types>".to_owned()),
        named("_rels/.rels", format!("<Relationships xmlns=\"{package}\"><Relationship Id=\"rId1\" Type=\"{of}/officeDocument\" Target=\"xl/workbook.xml\"/></Relationships>")),
    ]);
    all
}

/// A zip archive of these parts.
pub fn packed(parts: &[(String, String)]) -> Vec<u8> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, text) in parts {
        archive.start_file(name.as_str(), options).expect(FAILED);
        archive.write_all(text.as_bytes()).expect(FAILED);
    }
    archive.finish().expect(FAILED).into_inner()
}

fn cell_of(cell: Cell<'_>, at: &str, texts: &mut Vec<String>) -> String {
    match cell {
        Cell::Empty => String::new(),
        Cell::Text(text) => {
            texts.push(text.replace('&', "&amp;").replace('<', "&lt;"));
            format!("<c r=\"{at}\" t=\"s\"><v>{}</v></c>", texts.len() - 1)
        }
        Cell::Inline(text) => format!("<c r=\"{at}\" t=\"inlineStr\"><is><t>{text}</t></is></c>"),
        Cell::Number(text) => format!("<c r=\"{at}\"><v>{text}</v></c>"),
        Cell::Day(text) => format!("<c r=\"{at}\" s=\"1\"><v>{text}</v></c>"),
        Cell::Moment(text) => format!("<c r=\"{at}\" s=\"2\"><v>{text}</v></c>"),
        Cell::Clock(text) => format!("<c r=\"{at}\" s=\"3\"><v>{text}</v></c>"),
        Cell::Bool(is) => format!("<c r=\"{at}\" t=\"b\"><v>{}</v></c>", u8::from(is)),
        Cell::Formula(formula, value) => format!("<c r=\"{at}\"><f>{formula}</f><v>{value}</v></c>"),
        Cell::Fault(text) => format!("<c r=\"{at}\" t=\"e\"><v>{text}</v></c>"),
    }
}

fn letters(column: usize) -> String {
    let last = char::from(b'A' + u8::try_from(column % 26).expect("a letter"));
    match column / 26 {
        0 => last.to_string(),
        more => format!("{}{last}", letters(more - 1)),
    }
}
