//! One file that takes long enough to load for something to happen in the middle, made once.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use super::truth::{Table, truth};
use crate::generator::market::{Dataset, Plan};
use crate::generator::spoil::Spoil;
use crate::generator::write::{Compress, Format, write};

/// Bars of forty symbols.
pub static LARGE: LazyLock<Large> = LazyLock::new(|| {
    let plan = Plan { symbols: 40, ..Plan::new(Dataset::Bars, 200_000, 11) };
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("large.csv");
    // Under another name first: a second run of the tests may be reading the file.
    let new = path.with_extension(format!("{}.new", std::process::id()));
    write(&plan, Format::Csv, Compress::None, &Spoil::none(), File::create(&new).expect("a file"))
        .expect("rows are written");
    fs::rename(&new, &path).expect("the file gets its name");
    let truth = truth(&plan);
    Large { plan, path, truth }
});

/// The file, and what is in it.
pub struct Large {
    /// Its rows.
    pub plan: Plan,
    /// The file.
    pub path: PathBuf,
    /// The table that loading all of it leaves.
    pub truth: Table,
}

impl Large {
    /// The file's path as text.
    pub fn path(&self) -> &str {
        self.path.to_str().expect("a path of UTF-8")
    }
}
