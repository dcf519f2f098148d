//! `mdsctl schema show|apply|check`.

use anyhow::Result;
use serde_json::json;

use crate::app::exit::Exit;
use crate::app::schema;
use crate::cli::args::{GlobalArgs, SchemaAction, SchemaArgs, SchemaOptions};
use crate::cli::{print, store, tell, voice};
use crate::sink::{self, Periods};

/// Runs it.
pub fn run(global: &GlobalArgs, args: &SchemaArgs) -> Result<Exit> {
    let (SchemaAction::Show(options) | SchemaAction::Apply(options) | SchemaAction::Check(options)) =
        &args.action;
    let (store, by_default) = store::choose(&options.store)?;
    if by_default && !global.quiet {
        tell(&format!("no --dsn given: using {}, {}", store.called(), store.shown()));
    }
    let wanted = wanted(options);
    schema::possible(&*store, &wanted)?;
    match &args.action {
        SchemaAction::Show(_) if global.json => {
            let (statements, shown) = (store.schema_statements(&wanted), store.shown());
            let object =
                json!({"command": "schema", "store": shown, "statements": statements, "exit_code": 0});
            print(&voice::result(object))?;
        }
        SchemaAction::Show(_) => print(&store.schema_sql(&wanted))?,
        SchemaAction::Apply(_) => {
            let lines = schema::apply(&*store, &wanted)?;
            report(global, &store.shown(), "done", &lines)?;
        }
        SchemaAction::Check(_) => {
            let lines = schema::check(&*store, &wanted)?;
            report(global, &store.shown(), "differences", &lines)?;
            if !lines.is_empty() {
                return Ok(Exit::Usage);
            }
            if !global.json {
                print(&format!("{}: all tables are as they should be\n", store.shown()))?;
            }
        }
    }
    Ok(Exit::Stored)
}

/// The flags that not every store has.
fn wanted(options: &SchemaOptions) -> sink::SchemaOptions {
    sink::SchemaOptions {
        rls: options.rls,
        chunk: Periods::new(options.chunk.clone()),
        compress_after: Periods::new(options.compress_after.clone()),
        retention: Periods::new(options.retention.clone()),
        grant: options.grant.clone(),
    }
}

fn report(global: &GlobalArgs, store: &str, what: &str, lines: &[String]) -> Result<()> {
    if global.json {
        let exit = if what == "differences" && !lines.is_empty() { Exit::Usage } else { Exit::Stored };
        let mut object = json!({"command": "schema", "store": store, what: lines, "exit_code": exit as u8});
        if exit != Exit::Stored {
            object["error"] = lines.join("; ").into();
        }
        return Ok(print(&voice::result(object))?);
    }
    Ok(lines.iter().try_for_each(|line| print(&format!("{line}\n")))?)
}
