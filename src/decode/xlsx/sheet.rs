//! The rows of a sheet.

use std::io::BufReader;
use std::sync::Arc;

use calamine::{DataRef, Reader as _, SheetType, SheetVisible, Xlsx};

use super::{Stored, cells, corrupt, of_xlsx};
use crate::decode::batch_builder::BatchBuilder;
use crate::decode::csv::distinct;
use crate::decode::{CsvOptions, DecodeError, RawBatch};
use crate::text::flags::{NO_HEADER, SKIP_LINES};

/// Columns and rows of a sheet, at most.
const MOST: (u32, u32) = (16_384, 1_048_576);

/// What comes of a sheet, in this order.
pub(super) enum Piece {
    /// The names of its columns, and what else there is to know.
    Begun { names: Vec<Arc<str>>, told: Option<String> },
    /// Rows.
    Rows(RawBatch),
}

/// A row of the sheet as text.
#[derive(Default)]
struct Line {
    text: String,
    /// Where each cell ends in the text, and whether it is a number that can be no name.
    ends: Vec<(usize, bool)>,
}

impl Line {
    fn clear(&mut self) {
        self.text.clear();
        self.ends.clear();
    }

    /// The texts of the cells; an empty one has none.
    fn cells(&self) -> impl Iterator<Item = &str> {
        let begins = std::iter::once(0).chain(self.ends.iter().map(|(end, _)| *end));
        begins.zip(&self.ends).map(|(begin, (end, _))| self.text.get(begin..*end).unwrap_or_default())
    }

    fn is_blank(&self) -> bool {
        self.text.trim().is_empty()
    }

    /// How many cells have something in them.
    fn filled(&self) -> usize {
        self.cells().filter(|cell| !cell.trim().is_empty()).count()
    }
}

/// Reads the first sheet that is shown, as long as its pieces are wanted.
pub(super) fn read(
    stored: Stored,
    options: &CsvOptions,
    hand_on: &mut dyn FnMut(Piece) -> bool,
) -> Result<(), DecodeError> {
    let bytes = stored.bytes;
    let mut workbook: Xlsx<_> = Xlsx::new(BufReader::new(stored)).map_err(of_xlsx)?;
    let since_1904 = workbook.has_1904_epoch();
    let sheets: Vec<_> =
        workbook.sheets_metadata().iter().filter(|sheet| sheet.typ == SheetType::WorkSheet).collect();
    let shown = sheets.iter().find(|sheet| sheet.visible == SheetVisible::Visible);
    let Some(sheet) = shown.or(sheets.first()) else { return Err(corrupt("it has no sheet of cells")) };
    let name = sheet.name.clone();
    let others = sheets.iter().filter(|other| other.name != name).map(|sheet| sheet.name.as_str());
    let told = left_out(&name, &others.collect::<Vec<_>>());
    let mut cells = workbook.worksheet_cells_reader(&name).map_err(of_xlsx)?;
    let total = u64::from(cells.dimensions().end.0) + 1;
    let mut rows = Rows { options, told, bytes, total, ..Rows::new(options, hand_on) };
    let mut line = Line::default();
    let mut at = 0;
    while let Some(cell) = cells.next_cell().map_err(of_xlsx)? {
        let (row, column) = cell.get_position();
        if row < at || row >= MOST.1 || column >= MOST.0 {
            return Err(corrupt("its cells are not in order"));
        }
        if row > at {
            if !rows.take(u64::from(at) + 1, &line)? {
                return Ok(());
            }
            line.clear();
            at = row;
        }
        let value: &DataRef<'_> = cell.get_value();
        let column = column as usize;
        if column < line.ends.len() {
            return Err(corrupt("its cells are not in order"));
        }
        if cells::is_empty(value) {
            continue;
        }
        line.ends.resize(column, (line.text.len(), false));
        cells::write(value, since_1904, &mut line.text);
        line.ends.push((line.text.len(), cells::is_no_name(value)));
    }
    rows.take(u64::from(at) + 1, &line)?;
    rows.end()
}

/// What is said of sheets that are not read.
fn left_out(name: &str, others: &[&str]) -> Option<String> {
    let named = |names: &[&str]| names.iter().map(|name| format!("“{name}”")).collect::<Vec<_>>().join(", ");
    match others {
        [] => None,
        [one] => Some(format!("the rows are those of the sheet “{name}”; the sheet “{one}” was left out")),
        _ if others.len() <= 4 => Some(format!(
            "the rows are those of the sheet “{name}”; {} other sheets were left out: {}",
            others.len(),
            named(others)
        )),
        _ => Some(format!(
            "the rows are those of the sheet “{name}”; {} other sheets were left out: {} and others",
            others.len(),
            named(others.get(..3).unwrap_or_default())
        )),
    }
}

/// The rows on their way into batches.
struct Rows<'a> {
    options: &'a CsvOptions,
    hand_on: &'a mut dyn FnMut(Piece) -> bool,
    told: Option<String>,
    /// Bytes of the file, rows of the sheet as far as it tells, and bytes that batches were said to have taken.
    bytes: u64,
    total: u64,
    reported: u64,
    /// The names in each column so far, while the header is read, and the row that it is in.
    header: Vec<Vec<String>>,
    header_lines: u64,
    header_row: u64,
    width: Option<usize>,
    pending: BatchBuilder,
    /// The numbers in the sheet of the rows that are pending, and the last number in the builder before them.
    numbers: Vec<u64>,
    before: u64,
    taken: u64,
}

impl<'a> Rows<'a> {
    fn new(options: &'a CsvOptions, hand_on: &'a mut dyn FnMut(Piece) -> bool) -> Self {
        Self {
            options,
            hand_on,
            told: None,
            bytes: 0,
            total: 0,
            reported: 0,
            header: Vec::new(),
            header_lines: if options.header { options.header_lines.max(1) } else { 0 },
            header_row: 0,
            width: None,
            pending: BatchBuilder::new(Vec::new()),
            numbers: Vec::new(),
            before: 0,
            taken: 0,
        }
    }

    /// Takes a row in, by its number in the sheet; `false` where no more are wanted.
    fn take(&mut self, number: u64, line: &Line) -> Result<bool, DecodeError> {
        if number <= self.options.skip_lines || line.is_blank() {
            return Ok(true);
        }
        if self.header_lines > 0 {
            self.header_lines -= 1;
            self.head(number, line)?;
            return Ok(true);
        }
        let width = match self.width {
            Some(width) => width,
            None => match self.begin(Some((number, line)))? {
                Some(width) => width,
                None => return Ok(false),
            },
        };
        self.numbers.push(number);
        let beyond = line.cells().enumerate().skip(width).find(|(_, cell)| !cell.trim().is_empty());
        match beyond {
            Some((column, _)) => {
                let whose =
                    if self.options.header { "the header has no name" } else { "the first row has nothing" };
                let message =
                    format!("the row has a value in column {}, where {whose}", cells::letters(column));
                let raw: Vec<&str> = line.cells().collect();
                self.pending.broken(raw.join("\t").as_bytes(), "bad_width", message);
            }
            None => {
                let mut cells = line.cells();
                for column in self.pending.row() {
                    match cells.next().filter(|cell| !cell.is_empty()) {
                        Some(cell) => column.append(cell.as_bytes()),
                        None => column.append_null(),
                    }
                }
            }
        }
        self.taken += line.text.len() as u64;
        match self.pending.is_full(self.taken) {
            true => self.hand_over(number),
            false => Ok(true),
        }
    }

    /// Takes in a row of names: what is in them of a column is joined by blanks.
    fn head(&mut self, number: u64, line: &Line) -> Result<(), DecodeError> {
        if let Some(column) =
            line.ends.iter().position(|(_, is_no_name)| *is_no_name).filter(|_| !self.options.sure_header)
        {
            let value = line.cells().nth(column).unwrap_or_default();
            return Err(DecodeError::Usage(format!(
                "row {number} of the sheet, where the names of the columns should be, has the number {value} in column {}; add {NO_HEADER} where no row has names, or {SKIP_LINES} with how many rows stand above them",
                cells::letters(column)
            )));
        }
        self.header_row = number;
        self.header.resize_with(self.header.len().max(line.ends.len()), Vec::new);
        for (names, cell) in self.header.iter_mut().zip(line.cells()) {
            let cell = cell.trim();
            if !cell.is_empty() {
                names.push(cell.to_owned());
            }
        }
        Ok(())
    }

    /// Names the columns; `None` where nobody wants them.
    fn begin(&mut self, first: Option<(u64, &Line)>) -> Result<Option<usize>, DecodeError> {
        let names: Vec<String> = match (self.options.header, &self.options.columns) {
            (true, _) => self.header.drain(..).map(|names| names.join(" ")).collect(),
            (false, Some(columns)) => columns.to_vec(),
            (false, None) => {
                let width = first.map_or(0, |(_, line)| line.ends.len());
                (1..=width).map(|n| n.to_string()).collect()
            }
        };
        let title = names.iter().filter(|name| !name.is_empty()).count() == 1 && self.options.header;
        if let Some((number, line)) = first.filter(|(_, line)| title && line.filled() > 1) {
            return Err(DecodeError::Usage(format!(
                "row {} of the sheet has one text alone, and row {number} has {} values: if the names of the columns stand in row {number}, add {SKIP_LINES} {}",
                self.header_row,
                line.filled(),
                number - 1
            )));
        }
        let names = distinct(names.into_iter());
        self.width = Some(names.len());
        self.pending = BatchBuilder::new(names.clone());
        let begun = Piece::Begun { names, told: self.told.take() };
        Ok((self.hand_on)(begun).then_some(self.width.unwrap_or_default()))
    }

    /// Hands on what is pending; `false` where no more is wanted. The last row is that of the number.
    fn hand_over(&mut self, number: u64) -> Result<bool, DecodeError> {
        let done =
            u128::from(number.min(self.total)) * u128::from(self.bytes) / u128::from(self.total.max(1));
        let done = u64::try_from(done).unwrap_or(self.bytes);
        let bytes = done.saturating_sub(self.reported);
        self.reported += bytes;
        self.taken = 0;
        let Some(mut batch) = self.pending.finish(bytes)? else { return Ok(true) };
        let number_of = |row: u64| {
            let place = usize::try_from(row - self.before - 1).unwrap_or(usize::MAX);
            self.numbers.get(place).copied().unwrap_or(row)
        };
        batch.rows.iter_mut().for_each(|row| *row = number_of(*row));
        batch.broken.iter_mut().for_each(|broken| broken.row = number_of(broken.row));
        self.before = self.pending.last_row();
        self.numbers.clear();
        Ok((self.hand_on)(Piece::Rows(batch)))
    }

    fn end(&mut self) -> Result<(), DecodeError> {
        if self.options.header && self.header_row == 0 {
            return Err(DecodeError::Corrupt("the first sheet of the Excel workbook is empty".into()));
        }
        if self.width.is_none() && self.begin(None)?.is_none() {
            return Ok(());
        }
        self.hand_over(self.total)?;
        Ok(())
    }
}
