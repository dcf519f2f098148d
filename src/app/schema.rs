//! The tables of a store: made, and compared.

use crate::app::load::runtime;
use crate::app::resume::{Life, life, short};
use crate::dataset::{ALL, by_name};
use crate::error::{Error, Result};
use crate::sink::{BegunBulk, SchemaOptions, Store, unblocked};
use crate::text::flags::{APPEND_ONLY, CHUNK, COMPRESS_AFTER, DISTRIBUTE, GRANT, RESUME, RETENTION, RLS};

/// Refuses what that store cannot do, and names of datasets that there are not.
///
/// # Errors
/// Usage, in both cases.
pub fn possible(store: &dyn Store, wanted: &SchemaOptions) -> Result<()> {
    let (can, called) = (store.capabilities(), store.called());
    if wanted.rls && !can.row_security {
        return Err(Error::usage(format!("{RLS} needs PostgreSQL: {called} has no row-level security")));
    }
    let all = [&wanted.chunk, &wanted.compress_after, &wanted.retention];
    let bare = wanted.append_only.iter().map(String::as_str);
    let named = all.iter().flat_map(|said| said.names()).chain(wanted.distribute.names()).chain(bare);
    if let Some(unknown) = named.into_iter().find(|name| by_name(name).is_none()) {
        let names: Vec<&str> = ALL.iter().map(|dataset| &*dataset.name).collect();
        return Err(Error::usage(format!("there is no dataset {unknown}; there are {}", names.join(", "))));
    }
    if !wanted.is_plain() && !can.chunks {
        return Err(Error::usage(format!(
            "{CHUNK}, {COMPRESS_AFTER} and {RETENTION} need PostgreSQL with TimescaleDB: {called} has no chunks"
        )));
    }
    if !wanted.append_only.is_empty() && !can.chunks {
        return Err(Error::usage(format!(
            "{APPEND_ONLY} needs PostgreSQL: {called} has a key in each table"
        )));
    }
    if !wanted.distribute.is_empty() && !can.distributes {
        return Err(Error::usage(format!("{DISTRIBUTE} needs PostgreSQL with Citus: {called} has no nodes")));
    }
    let strange = ALL.iter().find_map(|dataset| {
        let column = wanted.distribute.of(&dataset.name)?;
        (!dataset.key.contains(&column)).then_some((dataset, column))
    });
    if let Some((dataset, column)) = strange {
        return Err(Error::usage(format!(
            "{DISTRIBUTE} {column}: it is not in the key of {}, whose rows could then not be told apart on one node; its key has {} (or {DISTRIBUTE} {}=none)",
            dataset.table,
            dataset.key.join(", "),
            dataset.name
        )));
    }
    if !wanted.grant.is_empty() && !can.roles {
        return Err(Error::usage(format!("{GRANT} needs PostgreSQL: {called} has no roles")));
    }
    Ok(())
}

/// Makes what is missing; a line for each thing that was done.
///
/// # Errors
/// Those of the store.
pub fn apply(store: &dyn Store, wanted: &SchemaOptions) -> Result<Vec<String>> {
    runtime()?.block_on(async {
        let mut done = unblocked(store, "the schema", None, store.schema_apply(wanted)).await?;
        for bulk in left_over(store).await? {
            let BegunBulk { run, bulk_table, table, owner } = &bulk;
            let (Some(table), None) = (table, owner) else {
                done.push(unbrought(&bulk));
                continue;
            };
            let finish = async {
                store.finish_bulk(&bulk).await?;
                Ok(vec![format!("{table}: has the rows that run {} had left in {bulk_table}", short(*run))])
            };
            done.extend(unblocked(store, table, None, finish).await?);
        }
        Ok(done)
    })
}

/// The loads in bulk whose processes are dead.
async fn left_over(store: &dyn Store) -> Result<Vec<BegunBulk>> {
    let (mut all, history) = (Vec::new(), store.history(None)?);
    for bulk in store.begun_bulks(None).await? {
        let run = history.list(Some(&bulk.run.to_string()), 1).await?.pop();
        if run.is_none_or(|run| run.resumed_by.is_some() || life(&run) == Life::Over) {
            all.push(bulk);
        }
    }
    Ok(all)
}

/// What is said of rows that cannot be brought where they belong.
fn unbrought(bulk: &BegunBulk) -> String {
    if let (Some(table), Some(owner)) = (&bulk.table, &bulk.owner) {
        return format!(
            "{table}: rows of run {}, which did not end, wait in {}; run mdsctl schema apply as the role {owner}",
            short(bulk.run),
            bulk.bulk_table
        );
    }
    format!(
        "{}: has rows of run {} for a table that is gone, or has another name; move them, or drop it",
        bulk.bulk_table,
        short(bulk.run)
    )
}

/// Compares; a line for each difference.
///
/// # Errors
/// Those of the store.
pub fn check(store: &dyn Store, wanted: &SchemaOptions) -> Result<Vec<String>> {
    runtime()?.block_on(async {
        let mut all = unblocked(store, "the schema", None, store.schema_check(wanted)).await?;
        all.extend(left_over(store).await?.iter().map(|bulk| match (&bulk.table, &bulk.owner) {
            (Some(table), None) => format!(
                "{table}: rows of run {}, which did not end, wait in {}; run: mdsctl schema apply, or load again with {RESUME}",
                short(bulk.run),
                bulk.bulk_table
            ),
            _ => unbrought(bulk),
        }));
        Ok(all)
    })
}
