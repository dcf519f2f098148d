//! Queues that are no files: brought here before they are replayed, and put back afterwards.

use std::path::PathBuf;

use tempfile::TempDir;

use crate::app::exit::Exit;
use crate::app::plan::ReplayPlan;
use crate::app::process;
use crate::app::replay::{Replay, worse};
use crate::dlq::checkout::{Checkout, copied};
use crate::dlq::remote;
use crate::error::Result;

/// Queues that are here.
#[derive(Default)]
pub(super) struct Brought {
    /// Those that are claimed.
    pub(super) taken: Vec<Checkout>,
    /// Folders with copies of those that are looked at.
    copies: Vec<TempDir>,
}

impl Brought {
    /// Gives back what was claimed and is not replayed after all. What cannot be is gone on with by the same command.
    pub(super) fn give_up(self) {
        for queue in self.taken {
            let name = queue.name();
            if let Err(error) = queue.give_back() {
                tracing::warn!("{name} stays claimed, and the same command goes on with it: {error}");
            }
        }
    }
}

/// Brings the queues here that a plan names by their addresses, and has it name what they are here.
pub(super) fn brought(plan: &mut ReplayPlan) -> Result<Brought> {
    let mut brought = Brought::default();
    match bring(plan, &mut brought) {
        Ok(()) => Ok(brought),
        Err(error) => {
            brought.give_up();
            Err(error)
        }
    }
}

fn bring(plan: &mut ReplayPlan, brought: &mut Brought) -> Result<()> {
    let mut known: Vec<(String, PathBuf)> = Vec::new();
    let (own, force, dry) = (process::own(), plan.force, plan.dry_run);
    // What is parked is tried again where it is said how often it may have been.
    let parked = plan.max_attempts.is_some();
    for path in &mut plan.queues {
        let Some(queue) = remote::queue(path)? else { continue };
        let name = queue.name();
        let live = match known.iter().find(|(known, _)| *known == name) {
            Some((_, live)) => live.clone(),
            None if dry => {
                let (folder, live) = copied(&*queue, parked)?;
                brought.copies.push(folder);
                live
            }
            None => {
                let taken = Checkout::take(queue, &own, force, parked)?;
                let live = taken.live();
                brought.taken.push(taken);
                live
            }
        };
        known.push((name, live.clone()));
        *path = live;
    }
    let mut seen: Vec<PathBuf> = Vec::new();
    plan.queues.retain(|queue| {
        !seen.contains(queue) && {
            seen.push(queue.clone());
            true
        }
    });
    Ok(())
}

impl Replay<'_> {
    /// Puts back what is left of a queue.
    pub(super) fn give_back(&mut self, queue: Checkout) {
        let name = queue.name();
        match queue.give_back() {
            Ok(true) => {}
            Ok(false) => {
                self.note(&format!("{name}: not all of it is settled; the same command goes on with it"))
            }
            Err(error) => {
                self.caller.listener.say(&format!("error: {error}"));
                self.report.errors.push(error.to_string());
                self.report.failed = true;
                self.exit = worse(self.exit, Exit::from(&error));
            }
        }
    }
}
