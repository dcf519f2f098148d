//! `mdsctl runs [ID]`.

use anyhow::Result;

use crate::app;
use crate::app::exit::Exit;
use crate::cli::args::{GlobalArgs, RunsArgs};
use crate::cli::{print, store, style_of_stdout};

/// Prints the last runs of the store, or all that is known of one, or of a job that loaders share.
pub fn run(global: &GlobalArgs, args: &RunsArgs) -> Result<Exit> {
    let store = store::chosen(&args.store, global, "looking into")?;
    let style = (!global.json).then(|| style_of_stdout(global.color));
    let text = match &args.id {
        None => app::runs::shown(&*store, args.limit, style)?,
        Some(id) => app::runs::shown_of(&*store, id, style)?,
    };
    print(&text)?;
    Ok(Exit::Stored)
}
