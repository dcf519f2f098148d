//! The gallery of vendors' layouts, `docs/vendors.md`.

use std::fmt::Write as _;

use anyhow::Result;
use mdsctl::app::layout::{Layout, shipped};

const BEGIN: &str = "# Vendors

Files that `mdsctl load FILE` reads as they come. A layout is taken by its signs, without a flag, vendor included; `--layout
NAME` takes it whatever the signs are, and `--layout none` takes none. Layouts whose sign is *only by name* have files that
others' look like: they are taken with `--layout` alone, and named where such a file cannot be loaded.
`mdsctl load --layout help` prints the signs of each; [Load](load.md#layouts) says how to write one of your own.

This page is made of the layouts themselves (`scripts/generate`).

| layout | files | dataset | command | what is stored |
|---|---|---|---|---|
";

/// The page.
///
/// # Errors
/// Where a layout cannot be read.
pub fn page() -> Result<String> {
    let mut text = BEGIN.to_owned();
    for layout in shipped()? {
        let cell = |text: &str| text.replace('|', "\\|");
        let dataset = layout.spec.dataset.as_deref().unwrap_or_default();
        let (name, files, stored) = (&layout.name, cell(&layout.title), cell(&layout.stored));
        writeln!(text, "| `{name}` | {files} | {dataset} | `{}` | {stored} |", command(layout))?;
    }
    Ok(text)
}

/// The command that loads a file of it.
fn command(layout: &Layout) -> String {
    let by_name = layout.signs.iter().all(|sign| sign.unsure);
    let flag = if by_name { format!(" --layout {}", layout.name) } else { String::new() };
    format!("mdsctl load FILE{flag}")
}
