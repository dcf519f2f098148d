//! Loads in bulk: when a load goes so, and how it ends.

use crate::app::interrupts::Signals;
use crate::app::load::{Load, Task};
use crate::app::resume::{Life, life, short};
use crate::app::run_recorder::Started;
use crate::coordinator::End;
use crate::dataset::MapperSettings;
use crate::error::{Error, Result};
use crate::port::{Sink, SinkError, Trouble};
use crate::settings::Bulk;
use crate::sink::{BegunBulk, OpenTable};
use crate::telemetry::run_counters::RunCounters;
use crate::text::flags::{BULK, RESUME};

/// Bytes of inputs from which a load goes in bulk by itself: less is stored while the way is prepared.
const LARGE: u64 = 16 << 20;

/// Runs of which each went on with the one before, at most.
const MOST_RESUMED: usize = 1_000;

impl Load<'_> {
    /// Ends what an earlier load in bulk into the table has left, and has this one go so where it may: then the place
    /// where its rows wait.
    pub(super) async fn bulk(
        &self,
        signals: &Signals,
        opened: &dyn OpenTable,
        mapper: &MapperSettings,
        started: Option<&Started>,
    ) -> Result<Option<String>> {
        let resumed = started.is_some_and(|started| started.resumed);
        let asked = match self.plan.engine.bulk {
            // What it goes on with may have got where it belongs meanwhile.
            Bulk::Always if self.plan.history.resume => Bulk::Auto,
            asked => asked,
        };
        let store = &*self.plan.to.store;
        let table = &mapper.target.table;
        if !mapper.target.is_keyed() {
            return match asked {
                Bulk::Always => Err(impossible(table, "it has no key that every row brings")),
                Bulk::Auto | Bulk::Never => Ok(None),
            };
        }
        let begun = self.patiently(signals, async || store.begun_bulks(Some(table)).await).await?;
        for bulk in begun {
            if bulk.table.is_none() {
                let why = format!("{} has rows of another table; move them, or drop it", bulk.bulk_table);
                return match asked {
                    Bulk::Always => Err(impossible(table, &why)),
                    Bulk::Auto | Bulk::Never => Ok(None),
                };
            }
            if let Some(owner) = &bulk.owner {
                let told = format!(
                    "rows of run {}, which the role {owner} has loaded into {table}, wait in {}",
                    short(bulk.run),
                    bulk.bulk_table
                );
                if resumed || asked == Bulk::Always {
                    return Err(Error::usage(format!(
                        "{told}: load it as that role, which alone can bring them in"
                    )));
                }
                self.note(&told);
                return Ok(None);
            }
            if resumed && asked != Bulk::Never && self.goes_on_with(signals, &bulk).await? {
                let (run, goes_on) = (self.caller.run_id, true);
                match self.patiently(signals, async || opened.begin_bulk(run, goes_on).await).await? {
                    Ok(place) => {
                        self.note(&format!(
                            "rows go on into {place}, and show in {table} when the load ends"
                        ));
                        return Ok(Some(place));
                    }
                    Err(why) => tracing::info!("the load in bulk is not gone on with: {why}"),
                }
            }
            if self.goes_on(signals, &bulk).await? {
                self.note(&format!(
                    "run {} loads into {table} in bulk; its rows show there when it ends",
                    short(bulk.run)
                ));
                return match asked {
                    Bulk::Always => Err(impossible(table, "another load goes so just now")),
                    Bulk::Auto | Bulk::Never => Ok(None),
                };
            }
            self.note(&format!(
                "run {} did not end: its rows, which wait in {}, are brought into {table} first",
                short(bulk.run),
                bulk.bulk_table
            ));
            self.patiently(signals, async || store.finish_bulk(&bulk).await.map(drop)).await?;
        }
        let Some(why) = self.unlikely(asked, started) else {
            let (run, goes_on) = (self.caller.run_id, false);
            return match self.patiently(signals, async || opened.begin_bulk(run, goes_on).await).await? {
                Ok(place) => {
                    self.note(&format!(
                        "{table} is empty: rows go into {place} without its indexes, and show in {table} when these are built, at the end of the load ({BULK} never has them show at once)"
                    ));
                    Ok(Some(place))
                }
                Err(why) if asked == Bulk::Always => Err(impossible(table, &why)),
                Err(why) => {
                    tracing::debug!("not in bulk: {why}");
                    Ok(None)
                }
            };
        };
        match asked {
            Bulk::Always => Err(impossible(table, why)),
            Bulk::Auto | Bulk::Never => Ok(None),
        }
    }

    /// Why it is not even tried.
    fn unlikely(&self, asked: Bulk, started: Option<&Started>) -> Option<&'static str> {
        if !matches!(self.task, Task::Load) || self.claim.is_some() {
            return Some("it is shared with other loaders");
        }
        if started.is_none() {
            return Some("this role keeps no ledger, by which an interrupted load is gone on with");
        }
        match asked {
            Bulk::Never => Some("it is not wanted"),
            Bulk::Always => None,
            Bulk::Auto if self.plan.engine.bulk == Bulk::Always => None,
            Bulk::Auto => {
                let bytes: Option<u64> = self.inputs.iter().map(|input| input.bytes).sum();
                bytes.is_none_or(|bytes| bytes < LARGE).then_some("the inputs are small")
            }
        }
    }

    /// Whether this run goes on with that one, or with one that did.
    async fn goes_on_with(&self, signals: &Signals, bulk: &BegunBulk) -> Result<bool> {
        let (mut run, mut steps) = (bulk.run, 0);
        while run != self.caller.run_id && steps < MOST_RESUMED {
            let id = run.to_string();
            let found = self.patiently(signals, async || self.history()?.list(Some(&id), 1).await).await?;
            let Some(by) = found.first().and_then(|run| run.resumed_by) else { return Ok(false) };
            (run, steps) = (by, steps + 1);
        }
        Ok(run == self.caller.run_id && self.claim.is_none())
    }

    /// Whether the process of that load may be alive.
    async fn goes_on(&self, signals: &Signals, bulk: &BegunBulk) -> Result<bool> {
        let run = bulk.run.to_string();
        let found = self.patiently(signals, async || self.history()?.list(Some(&run), 1).await).await?;
        Ok(found.first().is_some_and(|run| run.resumed_by.is_none() && life(run) != Life::Over))
    }

    /// Behind the last row: what has waited gets where everybody sees it. What kept it from that.
    pub(super) async fn bring_in<S: Sink>(
        &self,
        signals: &Signals,
        sink: &S,
        (end, beside): (&End, Option<&str>),
        tally: &RunCounters,
    ) -> Option<Error> {
        if matches!(end, End::GaveUp(None | Some(Trouble::Store(_)))) {
            // The store is away; the next run does it.
            if let Some(place) = beside {
                self.note(&format!(
                    "the rows that were stored wait in {place}: {RESUME}, the next load into the table, or mdsctl schema apply brings them in"
                ));
            }
            return None;
        }
        if let Some(what) = sink.unfinished().await {
            self.note(&what);
        }
        let finish = async || {
            sink.finish().await.map_err(|error| match error {
                SinkError::Transient(_, reason) => Error::unavailable(reason.message.into_owned()),
                other => Error::usage(other.reason().message.clone().into_owned()),
            })
        };
        match self.patiently(signals, finish).await {
            Ok(resolved) => {
                tally.resolve(&resolved);
                None
            }
            Err(error) => Some(error),
        }
    }
}

fn impossible(table: &str, why: &str) -> Error {
    Error::usage(format!("{BULK} always is not possible for {table}: {why}; leave it out"))
}
