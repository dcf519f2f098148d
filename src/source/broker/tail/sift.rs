//! Which messages are handed on, and under which ordinals.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Instant;

use crate::error::{Error, Result};
use crate::source::broker::Message;
use crate::source::broker::tail::{LATER, Tail, patiently};

impl Tail {
    /// Those of the messages that are to be handed on. What is on its way already is not, nor what is stored, or may
    /// be about to be by another consumer.
    pub(super) fn sift(&mut self, mut messages: Vec<Message>) -> Result<Vec<Message>> {
        if self.broker.repeats() && messages.iter().any(|message| message.again) {
            let own: HashSet<&Arc<str>> = self.marks.iter().flat_map(|mark| &mark.ids).collect();
            messages.retain(|message| !message.again || !own.contains(&message.id));
        }
        let Some(group) = &mut self.group else { return Ok(messages) };
        let until = self.broker.noted_until();
        patiently(&self.with.stop, || group.sort(&messages, until))?;
        let sorted = group.sorted(messages);
        if !sorted.stored.is_empty()
            && let Err(trouble) = self.broker.acknowledge(&sorted.stored)
        {
            // They are asked for again.
            tracing::debug!("{}", Error::from(trouble));
            self.again = Some(Instant::now() + LATER);
        }
        if !sorted.later.is_empty() {
            let (name, run) = (&self.about.name, sorted.with);
            self.others.go_on(|| {
                let run = run.map(|run| format!(", run {run},")).unwrap_or_default();
                format!("{name}: another tail{run} was given messages that it neither stores nor gives back; waiting until it does or ends")
            });
            if let Err(trouble) = self.broker.later(&sorted.later) {
                tracing::debug!("{}", Error::from(trouble));
            }
            self.again = Some(Instant::now() + LATER);
            self.moved = Instant::now();
        }
        Ok(sorted.take)
    }

    /// The ordinal of the first row of each message, once that is noted; `None` where that took so long that others
    /// may have been given them since `fetched`: then they come again.
    pub(super) fn ordinals(
        &mut self,
        messages: &[Message],
        rows: &[u64],
        fetched: Instant,
    ) -> Result<Option<Vec<u64>>> {
        let begins = self.ordinal + 1;
        let mut next = begins;
        let each = rows.iter().map(|rows| {
            let first = next;
            next += rows;
            first
        });
        let first: Vec<u64> = each.collect();
        // Each note has an ordinal of its own, though there be no row in it.
        self.ordinal = next.max(begins + 1) - 1;
        if let Some(group) = &mut self.group {
            patiently(&self.with.stop, || group.note(begins, messages, rows))?;
            let (took, certain) = (fetched.elapsed(), self.broker.certain());
            if took <= certain {
                self.slow.end();
            } else {
                let name = &self.about.name;
                self.slow.go_on(|| {
                    format!(
                        "{name}: it takes {:.1} s to note in the store what was given, and after {:.1} s others may be given it too; no row goes on until the store is faster",
                        took.as_secs_f64(),
                        certain.as_secs_f64()
                    )
                });
                // Before a row with a later ordinal is stored, or it would be taken for stored.
                patiently(&self.with.stop, || group.withdraw(begins))?;
                self.again = Some(Instant::now());
                let ids: Vec<Arc<str>> = messages.iter().map(|message| message.id.clone()).collect();
                if let Err(trouble) = self.broker.later(&ids) {
                    tracing::debug!("{}", Error::from(trouble));
                }
                return Ok(None);
            }
        }
        Ok(Some(first))
    }
}
