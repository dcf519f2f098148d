//! Acknowledging messages, and what the next tail is told of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::pipeline::Feed;
use crate::source::broker::Trouble;
use crate::source::broker::group::Group;
use crate::source::broker::places::Known;
use crate::source::broker::tail::{LAST, SLICE, Tail};
use crate::text::number_format::plural;

impl Tail {
    /// Acknowledges the messages at the beginning of which no row is open.
    pub(super) fn settle(&mut self) -> Result<(), Trouble> {
        let done = self.marks.iter().take_while(|mark| mark.open.count() == 0).count();
        let firm = self.marks.iter().take(done).rposition(|mark| mark.firm);
        let Some(last) = firm.and_then(|place| self.marks.get(place)) else {
            self.group.iter_mut().for_each(Group::tell);
            return Ok(());
        };
        let count = firm.map_or(0, |place| place + 1);
        let settled = last.equals;
        let equals = self.mapper.as_ref().and_then(|mapper| mapper.equals_at(last.equals));
        if equals.is_some() {
            let known = Known { equals, behind: last.ids.last().cloned() };
            if let Err(error) = self.places.settle(known, self.acknowledged) {
                return Err(Trouble::Away(error.to_string()));
            }
            self.acknowledged = false;
        }
        let ids: Vec<Arc<str>> =
            self.marks.iter().take(count).flat_map(|mark| mark.ids.iter().cloned()).collect();
        self.broker.connect()?;
        self.broker.acknowledge(&ids)?;
        self.acknowledged = true;
        self.marks.drain(..count);
        if let Some(mapper) = &mut self.mapper {
            mapper.hold_equals(settled);
        }
        let below = self.marks.front().map_or(self.ordinal + 1, |mark| mark.first);
        self.group.iter_mut().for_each(|group| group.acknowledged(ids.clone(), below));
        Ok(())
    }

    /// Gives up what another consumer is to have, once all that was given of it is settled.
    pub(super) fn part(&mut self, feed: &mut Feed<'_>) {
        feed.sink.settle();
        let began = Instant::now();
        loop {
            match self.settle() {
                Ok(()) => break,
                Err(Trouble::Away(_) | Trouble::Later(_))
                    if began.elapsed() < LAST && !self.with.stop.is_set() =>
                {
                    std::thread::sleep(SLICE);
                }
                Err(trouble) => {
                    // The other one looks at what is noted.
                    tracing::debug!("{}", Error::from(trouble));
                    break;
                }
            }
        }
        match self.broker.leave() {
            Ok(()) => {}
            Err(Trouble::Away(why)) => self.wait(&why),
            // What is asked for next tells it.
            Err(trouble) => tracing::debug!("{}", Error::from(trouble)),
        }
    }

    /// What an earlier tail knows of the stream.
    pub(super) fn go_on(&mut self) -> Result<()> {
        let pending = match self.places.about_to() {
            Some(id) => self.broker.is_pending(&id).map_err(Error::from)?,
            None => true,
        };
        let equals = self.places.equals(pending).map(str::to_owned);
        self.told = self.places.learned().clone();
        if let Some(mapper) = &mut self.mapper {
            if !self.told.is_empty() {
                mapper.knows(&self.told);
            }
            equals.iter().for_each(|equals| mapper.knows_equals(equals));
            mapper.hold_equals(0);
        }
        self.places.begin()
    }

    /// Acknowledges the last ones; whether that was all.
    pub(super) fn closed(&mut self) -> Result<bool> {
        let began = Instant::now();
        loop {
            match self.settle() {
                Ok(()) => break,
                Err(Trouble::Away(_) | Trouble::Later(_)) if began.elapsed() < LAST => {
                    std::thread::sleep(SLICE)
                }
                Err(trouble) => {
                    let pending: usize = self.marks.iter().map(|mark| mark.ids.len()).sum();
                    tracing::warn!(
                        "{}; {} could not be acknowledged, and will be given again",
                        Error::from(trouble),
                        plural(pending as u64, "message")
                    );
                    return Ok(false);
                }
            }
        }
        if self.marks.is_empty() {
            self.tidy(Duration::ZERO);
        }
        Ok(self.marks.is_empty())
    }

    /// Forgets what runs that have ended have noted, where no message of it can come again, after so long at the
    /// earliest.
    pub(super) fn tidy(&mut self, after: Duration) {
        if self.tidied.elapsed() < after {
            return;
        }
        self.tidied = Instant::now();
        let Some(group) = &mut self.group else { return };
        // Who cannot say how many are pending has to leave it.
        let pending = |noted: &[Arc<str>]| {
            let known = self.broker.connect().and_then(|()| self.broker.outstanding(noted));
            !matches!(known, Ok(Some(0)))
        };
        if let Err(error) = group.tidy(pending) {
            tracing::debug!("{error}");
        }
    }
}
