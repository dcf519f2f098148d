//! What the store remembers of the messages of a stream, for its source, which may wait.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use uuid::Uuid;

use crate::app::load::Load;
use crate::app::resume::{Life, life};
use crate::error::{Error, Result};
use crate::port::history::RunHistory;
use crate::port::messages::{Messages, Noted};
use crate::port::runs::Checkpoints;
use crate::source::followed::{Notes, OtherRun};

/// How long a note may take.
const LIMIT: Duration = Duration::from_secs(5);

/// How long it may take until a run can commit nothing more.
const FENCE: Duration = Duration::from_secs(40);

/// The messages of one group and one table.
struct Remembered {
    runtime: Handle,
    history: Box<dyn RunHistory>,
    messages: Box<dyn Messages>,
    run: Uuid,
    /// Runs that commit nothing more.
    over: HashMap<Uuid, Arc<Checkpoints>>,
}

impl Remembered {
    fn within<T>(&self, limit: Duration, asked: impl Future<Output = Result<T>>) -> Result<T> {
        let late = |_| Err(Error::unavailable("the store gives no answer"));
        self.runtime.block_on(async { timeout(limit, asked).await.unwrap_or_else(late) })
    }

    /// What of a run is settled, where it commits nothing more.
    async fn settled(&self, run: Uuid) -> Result<Option<Arc<Checkpoints>>> {
        let Some(record) = self.history.list(Some(&run.to_string()), 1).await?.pop() else {
            return Ok(None);
        };
        if record.resumed_by.is_none() && life(&record) != Life::Over {
            return Ok(None);
        }
        self.messages.fence(&record, self.run).await.map(|settled| Some(Arc::new(settled)))
    }
}

impl Notes for Remembered {
    fn note(&mut self, first: u64, text: &str) -> Result<()> {
        self.within(LIMIT, self.messages.note(self.run, first, text))
    }

    fn withdraw(&mut self, first: u64) -> Result<()> {
        self.within(LIMIT, self.messages.withdraw(self.run, first))
    }

    fn settle(&mut self, below: u64) -> Result<()> {
        self.within(LIMIT, self.messages.settle(self.run, below))
    }

    fn of_others(&mut self) -> Result<Vec<OtherRun>> {
        let mut runs: BTreeMap<Uuid, (Vec<(String, bool)>, bool)> = BTreeMap::new();
        for Noted { run, text, settled, old } in self.within(FENCE, self.messages.of_others(self.run))? {
            let (noted, finished) = runs.entry(run).or_insert((Vec::new(), true));
            noted.push((text, settled));
            *finished &= old;
        }
        let mut others = Vec::with_capacity(runs.len());
        for (run, (noted, finished)) in runs {
            let mut settled = self.over.get(&run).cloned();
            if settled.is_none() {
                settled = self.within(FENCE, self.settled(run))?;
                self.over.extend(settled.clone().map(|settled| (run, settled)));
            }
            others.push(OtherRun { run, settled, noted, finished });
        }
        Ok(others)
    }

    fn forget(&mut self, runs: &[Uuid]) -> Result<()> {
        runs.iter().try_for_each(|run| self.within(LIMIT, self.messages.forget(*run)))
    }
}

impl Load<'_> {
    /// What the store remembers of the messages of that group; with a sentence where it can remember nothing.
    pub(super) fn remembered(&self, group: &str, table: &str) -> Result<Box<dyn Notes>, String> {
        let feed = format!("{group}, into {table}");
        let store = &self.plan.to.store;
        let opened = store.messages(&feed, Some(self.patience())).and_then(|messages| {
            let messages = messages.ok_or_else(|| Error::usage("this store remembers no messages"))?;
            let (runtime, run) = (Handle::current(), self.caller.run_id);
            let kept = Remembered { runtime, history: self.history()?, messages, run, over: HashMap::new() };
            tokio::task::block_in_place(|| kept.within(FENCE, kept.messages.ready()))?;
            Ok(Box::new(kept) as Box<dyn Notes>)
        });
        opened.map_err(|why| why.to_string())
    }
}
