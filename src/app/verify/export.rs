//! The file that rows which differ go into.

use std::fs::{File, Metadata};
use std::io::{self, BufWriter, Write as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

use super::{Difference, VerifyPlan};
use crate::error::{Error, Result, words};
use crate::files::{Replace, beside, put_in_place};
use crate::source::Input;
use crate::text::flags::{EXPORT, FORCE};

/// Permissions of the file, as of an export of dead letters.
const MODE: u32 = 0o640;

/// Rows that differ, written down as they are found. A file is there when all of them are.
pub(crate) struct Export {
    path: PathBuf,
    replace: Replace,
    out: Out,
}

enum Out {
    File(BufWriter<NamedTempFile>),
    /// A pipe, or a device.
    Stream(BufWriter<File>),
}

impl Export {
    /// Opens it, where one is wanted.
    ///
    /// # Errors
    /// Usage, where the file is there already, is an input, or cannot be made.
    pub fn create(plan: &VerifyPlan, inputs: &[Input]) -> Result<Option<Self>> {
        let Some(path) = &plan.export else { return Ok(None) };
        let name = path.display();
        let place = |metadata: Metadata| (metadata.dev(), metadata.ino());
        let there = std::fs::metadata(path).ok();
        let own = there.clone().map(place);
        let read =
            |input: &Input| input.path.as_ref().and_then(|path| std::fs::metadata(path).ok()).map(place);
        if own.is_some() && inputs.iter().any(|input| read(input) == own) {
            return Err(Error::usage(format!(
                "{EXPORT} {name}: that is one of the files which are read; give another name"
            )));
        }
        let failed = |error: io::Error| Error::usage(said(path, &error)).caused_by(error);
        let out = match there {
            Some(there) if there.is_dir() => {
                return Err(Error::usage(format!(
                    "{EXPORT} {name}: that is a directory; give the name of a file"
                )));
            }
            Some(there) if !there.is_file() => {
                let stream = File::options().write(true).open(path).map_err(failed)?;
                Out::Stream(BufWriter::new(stream))
            }
            Some(_) if !plan.force => {
                return Err(Error::usage(format!(
                    "{EXPORT} {name}: the file is there already; {FORCE} writes over it"
                )));
            }
            _ => Out::File(BufWriter::new(beside(path, ".export-", MODE).map_err(failed)?)),
        };
        let replace = if plan.force { Replace::Yes } else { Replace::No };
        Ok(Some(Self { path: path.clone(), replace, out }))
    }

    /// Writes a row down.
    pub fn put(&mut self, difference: &Difference) -> Result<()> {
        let line = difference.to_json();
        let done = match &mut self.out {
            Out::File(out) => writeln!(out, "{line}"),
            Out::Stream(out) => writeln!(out, "{line}"),
        };
        done.map_err(|error| Error::unavailable(said(&self.path, &error)).caused_by(error))
    }

    /// Puts the file where it was wanted.
    ///
    /// # Errors
    /// Unavailable, where not all of it got there.
    pub fn finish(self) -> Result<()> {
        let Self { path, replace, out } = self;
        let done = match out {
            Out::File(out) => out
                .into_inner()
                .map_err(io::IntoInnerError::into_error)
                .and_then(|file| put_in_place(file, &path, replace).map(drop)),
            Out::Stream(mut out) => out.flush(),
        };
        done.map_err(|error| Error::unavailable(said(&path, &error)).caused_by(error))
    }
}

fn said(path: &Path, error: &io::Error) -> String {
    format!("{EXPORT} {}: it cannot be written: {}", path.display(), words(error))
}
