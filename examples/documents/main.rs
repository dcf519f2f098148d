//! Makes `completions/` and `man/` of the command line, and `docs/vendors.md` of the layouts: `scripts/generate`. The
//! program has the first two in it, as they are checked in.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

mod made;

fn main() -> Result<()> {
    for (folder, files) in [("man", made::man::pages()?), ("completions", made::completions::scripts()?)] {
        let folder = Path::new(folder);
        // What is made no more goes, too.
        let _ = fs::remove_dir_all(folder);
        fs::create_dir_all(folder).with_context(|| format!("{} cannot be made", folder.display()))?;
        for (name, text) in files {
            let path = folder.join(name);
            fs::write(&path, text).with_context(|| format!("{} cannot be written", path.display()))?;
        }
    }
    fs::write("docs/vendors.md", made::vendors::page()?).context("docs/vendors.md cannot be written")?;
    Ok(())
}
