//! Rows that are longer than a row may be: they are passed by, and their beginning is kept. What came from
//! a pipe comes only once, so all of such a row is kept in a file of its own.

use std::borrow::Cow;
use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::{MAX_RAW, MAX_ROW};
use crate::error::words;

/// Files for one row that may be there already, from earlier pipes.
const MOST_NAMES: usize = 1000;

/// A row on its way past.
#[derive(Debug)]
pub(super) struct LongRow {
    head: Vec<u8>,
    length: u64,
    kept: Kept,
}

#[derive(Debug)]
enum Kept {
    /// In the input, which can be read again.
    There,
    In(File, PathBuf),
    /// It should have been, and could not.
    Not(io::Error),
}

impl LongRow {
    /// Row `row`, kept whole beside `beside` where that is given.
    pub(super) fn begin(row: u64, beside: Option<&Path>) -> Self {
        let kept = match beside.map(|beside| create(beside, row)) {
            None => Kept::There,
            Some(Ok((file, path))) => Kept::In(file, path),
            Some(Err(error)) => Kept::Not(error),
        };
        Self { head: Vec::new(), length: 0, kept }
    }

    /// Takes the bytes that follow.
    pub(super) fn take(&mut self, bytes: &[u8]) {
        self.length += bytes.len() as u64;
        let room = MAX_RAW.saturating_sub(self.head.len());
        self.head.extend_from_slice(bytes.get(..room.min(bytes.len())).unwrap_or_default());
        if let Kept::In(file, _) = &mut self.kept
            && let Err(error) = file.write_all(bytes)
        {
            self.kept = Kept::Not(error);
        }
    }

    /// Its beginning, and a sentence that says where all of it is.
    pub(super) fn end(self) -> (Vec<u8>, Cow<'static, str>) {
        let what = format!(
            "the row is longer than {} MiB ({} bytes), and only its beginning is here",
            MAX_ROW >> 20,
            self.length
        );
        let kept = match self.kept {
            Kept::In(file, path) => match file.sync_all() {
                Ok(()) => Ok(Some(path)),
                Err(error) => Err(error),
            },
            Kept::There => Ok(None),
            Kept::Not(error) => Err(error),
        };
        let place = match kept {
            Ok(None) => "it stands whole in its source".to_owned(),
            Ok(Some(path)) => format!("it is kept whole in {}", path.display()),
            Err(error) => format!("the rest could not be kept: {}", words(&error)),
        };
        (self.head, format!("{what}; {place}").into())
    }
}

fn create(beside: &Path, row: u64) -> io::Result<(File, PathBuf)> {
    if let Some(directory) = beside.parent().filter(|directory| !directory.as_os_str().is_empty()) {
        std::fs::create_dir_all(directory)?;
    }
    let mut name = beside.as_os_str().to_owned();
    name.push(format!("-row-{row}"));
    for again in 1..MOST_NAMES {
        let mut name = name.clone();
        if again > 1 {
            name.push(format!("-{again}"));
        }
        name.push(".txt");
        match OpenOptions::new().write(true).create_new(true).mode(0o640).open(&name) {
            Ok(file) => return Ok((file, name.into())),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Err(ErrorKind::AlreadyExists.into())
}
