//! `mdsctl schema show|apply|check`.

use serde_json::json;

use crate::cli::args::{GlobalArgs, SchemaAction, SchemaArgs, SchemaOptions};
use crate::cli::exit::Exit;
use crate::cli::store::Store;
use crate::cli::{print, tell, voice};
use crate::dataset::{ALL, by_name};
use crate::error::{Error, Result};
use crate::sink::postgres::{self, Periods};
use crate::sink::sqlite;

/// Runs it.
pub fn run(global: &GlobalArgs, args: &SchemaArgs) -> Result<Exit> {
    let (SchemaAction::Show(options) | SchemaAction::Apply(options) | SchemaAction::Check(options)) =
        &args.action;
    let (store, by_default) = Store::choose(&options.store)?;
    if by_default && !global.quiet {
        tell(&format!("no --dsn given: using the embedded store, {}", store.shown()));
    }
    if options.rls && matches!(store, Store::Sqlite(_)) {
        return Err(Error::Usage(
            "--rls needs PostgreSQL: the embedded store has no row-level security".into(),
        ));
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| Error::Internal(format!("cannot start: {e}")))?;
    let pg = wanted(options)?;
    if !pg.is_plain() && matches!(store, Store::Sqlite(_)) {
        return Err(Error::Usage(
            "--chunk, --compress-after and --retention need PostgreSQL with TimescaleDB: the embedded store has no chunks"
                .into(),
        ));
    }
    if !options.grant.is_empty() && matches!(store, Store::Sqlite(_)) {
        return Err(Error::Usage("--grant needs PostgreSQL: the embedded store has no roles".into()));
    }
    match (&args.action, &store) {
        (SchemaAction::Show(_), store) if global.json => {
            let statements = match store {
                Store::Sqlite(_) => sqlite::schema::statements(ALL),
                Store::Postgres(_) => postgres::schema_statements(ALL, &pg),
            };
            let shown = store.shown();
            let object =
                json!({"command": "schema", "store": shown, "statements": statements, "exit_code": 0});
            print(&voice::result(object))?;
        }
        (SchemaAction::Show(_), Store::Sqlite(_)) => print(&sqlite::schema::show(ALL))?,
        (SchemaAction::Show(_), Store::Postgres(_)) => print(&postgres::schema_sql(ALL, &pg))?,
        (SchemaAction::Apply(_), store) => {
            let lines = match store {
                Store::Sqlite(path) => sqlite::schema::apply(path)?,
                Store::Postgres(dsn) => {
                    let apply = postgres::schema_apply(dsn, ALL, &pg);
                    runtime.block_on(postgres::unblocked(dsn, "the schema", None, apply))?
                }
            };
            report(global, &store.shown(), "done", &lines)?;
        }
        (SchemaAction::Check(_), store) => {
            let lines = match store {
                Store::Sqlite(path) => sqlite::schema::check(path)?,
                Store::Postgres(dsn) => {
                    let check = postgres::schema_check(dsn, ALL, &pg);
                    runtime.block_on(postgres::unblocked(dsn, "the schema", None, check))?
                }
            };
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

/// The flags that only PostgreSQL has, checked for the names in them.
fn wanted(options: &SchemaOptions) -> Result<postgres::SchemaOptions> {
    let wanted = postgres::SchemaOptions {
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
        let object = json!({"command": "schema", "store": store, what: lines, "exit_code": exit as u8});
        return print(&voice::result(object));
    }
    lines.iter().try_for_each(|line| print(&format!("{line}\n")))
}
