//! `mdsctl schema show|apply|check`.

use anyhow::Result;
use serde_json::json;

use crate::app::exit::Exit;
use crate::app::schema;
use crate::cli::args::{GlobalArgs, SchemaAction, SchemaArgs, SchemaOptions};
use crate::cli::{print, store};
use crate::sink::{self, Distribute, Periods};
use crate::telemetry::result::line;

/// Shows, applies or checks the schema of our own tables in the store that was named.
pub fn run(global: &GlobalArgs, args: &SchemaArgs) -> Result<Exit> {
    let (SchemaAction::Show(options) | SchemaAction::Apply(options) | SchemaAction::Check(options)) =
        &args.action;
    let store = store::chosen(&options.store, global, "using")?;
    let wanted = wanted(options);
    schema::possible(&*store, &wanted)?;
    match &args.action {
        SchemaAction::Show(_) if global.json => {
            let (statements, shown) = (store.schema_statements(&wanted), store.shown());
            let object =
                json!({"command": "schema", "store": shown, "statements": statements, "exit_code": 0});
            print(&line(object))?;
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
        distribute: Distribute::new(options.distribute.clone()),
        append_only: options.append_only.clone(),
        grant: options.grant.clone(),
    }
}

fn report(global: &GlobalArgs, store: &str, what: &str, lines: &[String]) -> Result<()> {
    if global.json {
        let wrong = what == "differences" && !lines.is_empty();
        let (exit, error) = if wrong { (Exit::Usage, Some(lines.join("; "))) } else { (Exit::Stored, None) };
        return Ok(print(&line(
            json!({"command": "schema", "store": store, what: lines, "exit_code": exit as u8, "error": error}),
        ))?);
    }
    Ok(lines.iter().try_for_each(|line| print(&format!("{line}\n")))?)
}
