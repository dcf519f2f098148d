//! `mdsctl runs [ID]`.

use anyhow::{Context as _, Result, bail};
use serde_json::{Value, json};

use crate::app;
use crate::app::exit::Exit;
use crate::cli::args::{GlobalArgs, RunsArgs};
use crate::cli::{print, store, style_of_stdout};
use crate::error::Error;
use crate::report::runs::{details, table};
use crate::telemetry::result::line;

/// Prints the last runs of the store, or all that is known of one.
pub fn run(global: &GlobalArgs, args: &RunsArgs) -> Result<Exit> {
    let store = store::chosen(&args.store, global, "looking into")?;
    // Of those that an id means, one more than one is too many.
    let limit = if args.id.is_some() { 2 } else { args.limit };
    let views = app::runs::list(&*store, args.id.as_deref(), limit)?;
    let style = style_of_stdout(global.color);
    match (&args.id, views.as_slice()) {
        (None, all) if global.json => {
            let object =
                json!({"command": "runs", "store": store.shown(), "runs": value(&all)?, "exit_code": 0});
            print(&line(object))?;
        }
        (None, []) => print(&format!("no runs in {} yet\n", store.shown()))?,
        (None, all) => print(&table(all, style))?,
        // Its error is that of the run.
        (Some(_), [one]) if global.json => print(&line(value(one)?))?,
        (Some(_), [one]) => print(&details(one, style))?,
        (Some(id), found) => bail!(Error::usage(match found {
            [] => {
                let shown = store.shown();
                format!("no run in {shown} has an id that begins with {id}; mdsctl runs lists them")
            }
            _ => format!("more than one run has an id that begins with {id}; give more of it"),
        })),
    }
    Ok(Exit::Stored)
}

fn value(value: &impl serde::Serialize) -> Result<Value> {
    serde_json::to_value(value).context("the runs cannot be written")
}
