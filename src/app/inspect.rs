//! What is in queues of dead letters and why, and their rows handed out.

use crate::app::inspect::queues::{Bytes, Queue, chosen, unreadable};
use crate::dlq::claim::Choice;
use crate::dlq::filter::Selection;
use crate::dlq::groups::By;
use crate::dlq::stats::{Plan, QueueStats};
use crate::error::Result;
use crate::report::letters::QueueFile;

pub(crate) mod export;
pub(crate) mod follow;
pub(crate) mod queues;

/// Counts what is meant of those queues, in groups, with so many rows of each group to show.
pub(crate) fn survey(
    queues: Vec<Queue>,
    selection: &Selection,
    by: Vec<By>,
    samples: usize,
) -> Result<(Vec<QueueFile>, QueueStats)> {
    let mut plan = Plan { choice: Choice::default(), by, samples, file: 0 };
    let (mut files, mut all) = (Vec::new(), QueueStats::default());
    for (file, (Queue { name, what, bytes, .. }, choice)) in
        chosen(queues, selection)?.into_iter().enumerate()
    {
        (plan.file, plan.choice) = (file, choice);
        let survey = match bytes {
            Bytes::File(file) => QueueStats::of_file(&file, &plan),
            Bytes::Stream(stream) => QueueStats::of_stream(stream, &plan),
        };
        let survey = survey.map_err(|e| unreadable(&name, &e))?;
        files.push(QueueFile { name, what, rows: survey.rows });
        all.merge(survey, samples);
    }
    Ok((files, all))
}
