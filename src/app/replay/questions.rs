//! What a replay asks its store before it sends rows there.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::exit::Exit;
use crate::app::load::runtime;
use crate::app::replay::{Replay, worse};
use crate::batch::Commit;
use crate::error::{Error, Result};
use crate::sink::answered;

/// How often a store that is away is asked once more.
const PAUSE: Duration = Duration::from_secs(1);

impl Replay<'_> {
    /// Asks, and waits for a store that is away as far as the flags say. `None` where a signal ended that.
    pub(super) fn asked<T, Q: Future<Output = Result<T>>>(
        &mut self,
        question: impl Fn() -> Q,
    ) -> Result<Option<T>> {
        let limit = Some(self.plan.engine.settings.write_timeout);
        let (runtime, ending, waits) = (runtime()?, &self.caller.interrupts, self.plan.engine.wait);
        let patiently = async {
            loop {
                match answered(limit, question()).await {
                    Err(Error::Unavailable(_)) if waits => tokio::time::sleep(PAUSE).await,
                    done => return done,
                }
            }
        };
        let done = runtime.block_on(async {
            tokio::select! {
                biased;
                () = ending.come() => None,
                done = patiently => Some(done),
            }
        });
        runtime.shutdown_background();
        match done {
            Some(done) => done.map(Some),
            None => {
                self.exit = worse(self.exit, self.caller.interrupts.exit().unwrap_or(Exit::Interrupted));
                Ok(None)
            }
        }
    }

    /// What became of commits that got no answer, as far as the store can tell; nothing where a signal came
    /// meanwhile.
    pub(super) fn what_became_of(&mut self, commits: Vec<Commit>) -> Result<Option<BTreeMap<Commit, bool>>> {
        if commits.is_empty() {
            return Ok(Some(BTreeMap::new()));
        }
        let history = self.plan.to.store.history(None)?;
        let told = self.asked(|| history.committed(&commits))?;
        Ok(told.map(|told| {
            commits.into_iter().zip(told).filter_map(|(commit, known)| Some((commit, known?))).collect()
        }))
    }
}
