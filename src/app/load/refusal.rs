//! A load that was refused: all that it lacks at once, and the command that says it.
//!
//! An error names the flag that mends it. What it lacks beside is seen by doing as it says, with a value that is
//! guessed or made up, on the first rows and without writing, until nothing is refused any more.

mod advice;
mod guess;

use std::ffi::OsString;

use advice::Advice;

use crate::app::caller::{Caller, RunReport, Silent};
use crate::app::exit::Exit;
use crate::app::load::{Load, Task};
use crate::app::metrics::RunMetrics;
use crate::app::paste;
use crate::app::plan::RunPlan;
use crate::error::{Error, Result};
use crate::settings::EngineSettings;
use crate::source::expand;
use crate::telemetry::preview::{Missing, Preview};
use crate::telemetry::result::{RunFacts, RunResult};
use crate::telemetry::run_counters::RunCounters;
use crate::text::flags::MAP;
use crate::text::phrases::enumerated;

/// How often it is tried again.
const ROUNDS: usize = 8;

/// Inputs whose names are looked at for what they have in common.
const MOST_NAMES: usize = 1_000;

/// The report of a load that ended with that error before it came to a row, where more can be said than the error.
pub(super) async fn explained(
    caller: &Caller,
    plan: &RunPlan,
    words: &[OsString],
    error: Error,
    facts: RunFacts,
) -> Result<RunReport> {
    let Some(preview) = examine(caller, plan, words, &error.to_string()).await else { return Err(error) };
    let said = error.to_string();
    let whole = match &preview.command {
        Some(line) => paste::with_command(said.clone(), line),
        None => paste::with_words(said.clone(), words),
    };
    let sentence = if preview.command.is_some() { said } else { whole.clone() };
    let dry_run = plan.rejects.dry_run;
    let facts = RunFacts {
        exit_code: Some(Exit::Usage as u8),
        error: Some(whole),
        dry_run,
        preview: Some(preview),
        ..facts
    };
    let result = RunResult::new(&RunCounters::new(&EngineSettings::default()).snapshot(), facts);
    let report = RunReport { exit: Exit::Usage, result, extras: None, errors: vec![sentence] };
    caller.listener.ended(&report)?;
    Ok(report)
}

impl Load<'_> {
    /// What it lacks, where it was refused with that sentence.
    pub(super) fn explain(&self, sentence: &str) -> Option<Box<Preview>> {
        if self.probing || !matches!(self.task, Task::Load) {
            return None;
        }
        let words = self.caller.listener.typed()?;
        let (caller, plan) = (self.caller, &self.plan);
        tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(examine(caller, plan, &words, sentence))
        })
    }
}

/// Tries what the sentence advises, and what is advised then; nothing where the inputs tell no more than it.
async fn examine(
    caller: &Caller,
    plan: &RunPlan,
    words: &[OsString],
    sentence: &str,
) -> Option<Box<Preview>> {
    let inputs = expand(&plan.inputs, plan.recursive).ok()?;
    // What a pipe has given is not there a second time.
    if inputs.is_empty() || inputs.iter().any(|input| input.path.is_none()) {
        return None;
    }
    let names: Vec<&str> = inputs.iter().map(|input| &*input.name).take(MOST_NAMES).collect();
    let mut plan = plan.clone();
    plan.rejects.dry_run = true;
    plan.rejects.max_rejects = None;
    plan.engine.wait = false;
    let whole = plan.clone();
    let (mut added, mut said): (Vec<Advice>, _) = (Vec::new(), sentence.to_owned());
    let (mut seen, mut open, mut looked) = (None::<Preview>, None, false);
    // Why a column that is there cannot be taken.
    let mut unfit = None;
    for round in 0..ROUNDS {
        let mut new = false;
        for advice in advice::of(&said) {
            if added.iter().any(|known| known.is_of(&advice)) {
                continue;
            }
            let advice = guess::complete(advice, &names);
            let Some(next) = advice.applied_to(&plan) else { continue };
            if round > 0 && advice.blank && advice.flag == MAP && !said.contains("no column for") {
                unfit.get_or_insert_with(|| said.clone());
            }
            plan = next;
            new = true;
            added.push(advice);
        }
        if !new && seen.is_some() && !said.is_empty() {
            open = Some(said);
            break;
        }
        let (error, preview) = probe(caller, plan.clone()).await?;
        seen = preview.or(seen);
        open.clone_from(&error);
        if let Some(error) = error {
            said = error;
            continue;
        }
        // The column that looks like the time tells more than what stood in for it.
        let unused = seen.as_ref().map_or(&[][..], |seen| &seen.unused);
        let Some(time) = guess::time(&added, unused).filter(|_| !looked) else { break };
        (looked, said) = (true, String::new());
        added.retain(|advice| !(advice.is_of(&time) || advice.is_timeframe() && advice.blank));
        added.push(time);
        plan = added.iter().try_fold(whole.clone(), |plan, advice| advice.applied_to(&plan))?;
    }
    let preview = seen.filter(|seen| !seen.columns.is_empty() || !seen.unused.is_empty())?;
    Some(Box::new(with_command(preview, words, &added, open.or(unfit))))
}

/// With what is missing, and the command that says it.
fn with_command(preview: Preview, words: &[OsString], added: &[Advice], open: Option<String>) -> Preview {
    let missing: Vec<Missing> = added
        .iter()
        .map(|advice| Missing {
            flag: advice.flag.clone(),
            value: advice.shown(),
            guessed_by: advice.by.map(str::to_owned),
        })
        .collect();
    let mut preview = preview;
    for column in &mut preview.columns {
        // What stood in for a value is none of the input.
        if added.iter().any(|advice| advice.blank && advice.target() == column.target) {
            (column.from, column.samples) = ("missing", Vec::new());
        }
    }
    let complete = open.is_none() && added.iter().all(Advice::is_said) && !words.is_empty();
    let mut flags = Vec::new();
    for Missing { flag, value, .. } in &missing {
        flags.push(OsString::from(flag));
        flags.extend(value.as_ref().map(OsString::from));
    }
    let words = paste::extended(words, flags);
    let line = paste::line(&words).filter(|_| !added.is_empty());
    let command = line.map(|line| match comment(added) {
        Some(comment) => format!("{line}  # {comment}"),
        None => line,
    });
    Preview { missing, open, command, complete, words, ..preview }
}

/// What of a command is guessed, and by what: `symbol from the file's name`.
fn comment(added: &[Advice]) -> Option<String> {
    let mut told: Vec<(&str, Vec<String>)> = Vec::new();
    for advice in added {
        let Some(by) = advice.by else { continue };
        let name = advice.target().to_owned();
        match told.iter_mut().find(|(known, _)| *known == by) {
            Some((_, names)) => names.push(name),
            None => told.push((by, vec![name])),
        }
    }
    let all: Vec<String> =
        told.into_iter().map(|(by, names)| format!("{} {by}", enumerated(&names, "and"))).collect();
    (!all.is_empty()).then(|| all.join(", "))
}

/// Reads the first rows by that plan, and writes none; the error that it ended with, where that is one of flags.
/// Nothing where it could not be tried.
async fn probe(caller: &Caller, plan: RunPlan) -> Option<(Option<String>, Option<Preview>)> {
    let caller = Caller { listener: std::sync::Arc::new(Silent), ..caller.clone() };
    let (layouts, metrics) = (plan.choice().ok()?, RunMetrics::none());
    let mut load = Load::prepare(&caller, plan, Task::Load, layouts, &metrics).ok()?;
    load.probing = true;
    let seen = load.seen.clone();
    let done = Box::pin(load.run()).await;
    let seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
    match done {
        Ok(report) if report.exit == Exit::Usage => Some((report.errors.last().cloned(), seen)),
        Ok(_) => Some((None, seen)),
        Err(Error::Usage(sentence)) => Some((Some(sentence.to_string()), seen)),
        Err(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guesses_are_told_behind_the_command() {
        let words = ["load", "AAPL_1m.csv", "--dsn", "postgres://u:pw7@h/d"].map(OsString::from);
        let said = "x: no column for \"vendor\" and \"symbol\": found a; add --vendor VALUE --symbol VALUE";
        let advice = |said: &str| -> Vec<Advice> {
            advice::of(said).into_iter().map(|one| guess::complete(one, &["AAPL_1m.csv"])).collect()
        };
        let preview = with_command(Preview::default(), &words, &advice(said), None);
        assert_eq!(
            preview.command.as_deref(),
            Some(
                "mdsctl load AAPL_1m.csv --dsn … --vendor VALUE --symbol AAPL  # symbol from the file's name"
            )
        );
        assert!(!preview.complete);
        let said = "x: y; add --symbol VALUE --timeframe VALUE";
        let preview = with_command(Preview::default(), &words, &advice(said), None);
        assert!(preview.complete && preview.words.iter().any(|word| word == "postgres://u:pw7@h/d"));
        let line = preview.command.unwrap_or_default();
        assert!(
            line.ends_with("--symbol AAPL --timeframe 1m  # symbol and timeframe from the file's name"),
            "{line}"
        );
    }
}
