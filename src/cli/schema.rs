//! `mdsctl schema show|apply|check`.

use serde_json::json;

use crate::app::exit::Exit;
use crate::cli::args::{GlobalArgs, SchemaAction, SchemaArgs, SchemaOptions};
use crate::cli::{print, store, tell, voice};
use crate::dataset::{ALL, by_name};
use crate::error::{Error, Result};
use crate::sink::{self, Periods, unblocked};

/// Runs it.
pub fn run(global: &GlobalArgs, args: &SchemaArgs) -> Result<Exit> {
    let (SchemaAction::Show(options) | SchemaAction::Apply(options) | SchemaAction::Check(options)) =
        &args.action;
    let (store, by_default) = store::choose(&options.store)?;
    if by_default && !global.quiet {
        tell(&format!("no --dsn given: using {}, {}", store.called(), store.shown()));
    }
    let (can, called) = (store.capabilities(), store.called());
    if options.rls && !can.row_security {
        return Err(Error::Usage(format!("--rls needs PostgreSQL: {called} has no row-level security")));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Internal(format!("cannot start: {e}")))?;
    let wanted = wanted(options)?;
    if !wanted.is_plain() && !can.chunks {
        return Err(Error::Usage(format!(
            "--chunk, --compress-after and --retention need PostgreSQL with TimescaleDB: {called} has no chunks"
        )));
    }
    if !options.grant.is_empty() && !can.roles {
        return Err(Error::Usage(format!("--grant needs PostgreSQL: {called} has no roles")));
    }
    match &args.action {
        SchemaAction::Show(_) if global.json => {
            let (statements, shown) = (store.schema_statements(&wanted), store.shown());
            let object =
                json!({"command": "schema", "store": shown, "statements": statements, "exit_code": 0});
            print(&voice::result(object))?;
        }
        SchemaAction::Show(_) => print(&store.schema_sql(&wanted))?,
        SchemaAction::Apply(_) => {
            let apply = unblocked(&*store, "the schema", None, store.schema_apply(&wanted));
            let lines = runtime.block_on(apply)?;
            report(global, &store.shown(), "done", &lines)?;
        }
        SchemaAction::Check(_) => {
            let check = unblocked(&*store, "the schema", None, store.schema_check(&wanted));
            let lines = runtime.block_on(check)?;
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

/// The flags that not every store has, checked for the names in them.
fn wanted(options: &SchemaOptions) -> Result<sink::SchemaOptions> {
    let wanted = sink::SchemaOptions {
        rls: options.rls,
        chunk: Periods::new(options.chunk.clone()),
        compress_after: Periods::new(options.compress_after.clone()),
        retention: Periods::new(options.retention.clone()),
        grant: options.grant.clone(),
    };
    let all = [&wanted.chunk, &wanted.compress_after, &wanted.retention];
    if let Some(unknown) = all.iter().flat_map(|said| said.names()).find(|name| by_name(name).is_none()) {
        let names: Vec<&str> = ALL.iter().map(|dataset| &*dataset.name).collect();
        return Err(Error::Usage(format!("there is no dataset {unknown}; there are {}", names.join(", "))));
    }
    Ok(wanted)
}

fn report(global: &GlobalArgs, store: &str, what: &str, lines: &[String]) -> Result<()> {
    if global.json {
        let exit = if what == "differences" && !lines.is_empty() { Exit::Usage } else { Exit::Stored };
        let mut object = json!({"command": "schema", "store": store, what: lines, "exit_code": exit as u8});
        if exit != Exit::Stored {
            object["error"] = lines.join("; ").into();
        }
        return print(&voice::result(object));
    }
    lines.iter().try_for_each(|line| print(&format!("{line}\n")))
}
