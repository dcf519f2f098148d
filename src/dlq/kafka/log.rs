//! What the messages of a queue say together: which letters are left, and who replays them.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::topic::{Message, Topic};
use crate::dlq::messages::Outgoing;
use crate::dlq::remote::Holder;
use crate::error::{Error, Result};

/// The header that says that the rows were tried too often.
pub(super) const PARKED: &str = "mds-parked";

/// The header by which a message is known again that was sent twice.
pub(super) const ID: &str = "mds-id";

/// The header of a message that is no letter.
const CONTROL: &str = "mds-control";

/// Stretches of offsets, or ids, in one message.
const MOST: usize = 10_000;

/// What becomes of letters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Control {
    /// A replay has them from here on, where no other one has.
    Claim(Holder),
    /// It has them no more.
    Release(Uuid),
    /// Those from one offset to another one are replayed.
    Removed(Vec<(i64, i64)>),
    /// Those of these ids were sent in vain: their rows are written again, or in no queue.
    Withdrawn(Vec<String>),
}

/// A message that is to be sent.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    /// By which it is known again.
    pub(super) id: String,
    /// Names and values.
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: Vec<u8>,
}

impl Letter {
    pub(super) fn new(id: String, parked: bool, message: Outgoing) -> Self {
        let Outgoing { mut headers, body } = message;
        if parked {
            headers.push((PARKED, "true".to_owned()));
        }
        Self { id, headers, body }
    }

    pub(super) fn control(control: &Control) -> Result<Self> {
        let body = serde_json::to_vec(control).map_err(|error| Error::internal(error.to_string()))?;
        let headers = vec![(CONTROL, "true".to_owned())];
        Ok(Self { id: Uuid::now_v7().to_string(), headers, body })
    }
}

/// A header of a message.
pub(super) fn header<'m>(headers: &'m [(String, Vec<u8>)], name: &str) -> Option<&'m str> {
    let (_, value) = headers.iter().find(|(known, _)| known == name)?;
    std::str::from_utf8(value).ok()
}

/// By what a message is known again.
pub(super) fn id<'m>(message: &'m Message<'_>) -> Option<&'m str> {
    header(message.headers, ID)
}

impl Control {
    /// What a message says that is no letter.
    pub(super) fn of(message: &Message<'_>) -> Option<Option<Self>> {
        header(message.headers, CONTROL)?;
        Some(serde_json::from_slice(message.body.unwrap_or_default()).ok())
    }
}

/// That letters are replayed, in as few messages as they fit in.
pub(super) fn removals(offsets: &[i64]) -> Vec<Control> {
    let mut stretches: Vec<(i64, i64)> = Vec::new();
    for offset in offsets {
        match stretches.last_mut() {
            Some((_, last)) if *last + 1 == *offset => *last = *offset,
            _ => stretches.push((*offset, *offset)),
        }
    }
    stretches.chunks(MOST).map(|some| Control::Removed(some.to_vec())).collect()
}

/// That letters were sent in vain.
pub(super) fn withdrawals(ids: &[String]) -> Vec<Control> {
    ids.chunks(MOST).map(|some| Control::Withdrawn(some.to_vec())).collect()
}

/// What is in a queue.
#[derive(Debug, Default)]
pub(super) struct Log {
    /// Where it begins.
    pub(super) begin: i64,
    /// Behind the last message.
    pub(super) end: i64,
    /// What is told of messages that the topic has deleted.
    pub(super) gone: Option<String>,
    /// Who replays it.
    pub(super) holder: Option<Holder>,
    /// Where that claim stands.
    claimed: Option<i64>,
    /// The letters by their offsets, ascending, with their ids.
    letters: Vec<(i64, Option<String>)>,
    live: HashSet<i64>,
}

impl Log {
    /// Reads it.
    ///
    /// # Errors
    /// Where it cannot be read, or says what nobody understands.
    pub(super) fn read(topic: &Topic) -> Result<Self> {
        let (begin, end, gone) = topic.bounds()?;
        let mut log = Self { begin, end, gone, ..Self::default() };
        let (mut removed, mut withdrawn) = (Vec::new(), HashSet::new());
        topic.each(begin, end, &mut |message| {
            let Some(control) = Control::of(&message) else {
                // A message without a body marks a key as deleted.
                if message.body.is_some() {
                    log.letters.push((message.offset, id(&message).map(str::to_owned)));
                }
                return Ok(());
            };
            match control {
                Some(Control::Claim(holder)) => log.claim(message.offset, holder),
                Some(Control::Release(claim)) => log.release(claim),
                Some(Control::Removed(stretches)) => removed.extend(stretches),
                Some(Control::Withdrawn(ids)) => withdrawn.extend(ids),
                None => {
                    return Err(Error::usage(format!(
                        "{}: message {} says of letters what this version of mdsctl does not know; use the one that the others have",
                        topic.address, message.offset
                    )));
                }
            }
            Ok(())
        })?;
        log.settle(removed, &withdrawn);
        Ok(log)
    }

    fn claim(&mut self, offset: i64, holder: Holder) {
        if self.holder.is_none() {
            (self.holder, self.claimed) = (Some(holder), Some(offset));
        }
    }

    fn release(&mut self, claim: Uuid) {
        if self.holder.as_ref().is_some_and(|holder| holder.claim == claim) {
            (self.holder, self.claimed) = (None, None);
        }
    }

    /// Finds out which letters are left: of one that was sent twice the first one.
    fn settle(&mut self, mut removed: Vec<(i64, i64)>, withdrawn: &HashSet<String>) {
        removed.sort_unstable();
        // Of stretches that overlap the later one does not reach further back.
        let mut reach = i64::MIN;
        for (_, last) in &mut removed {
            reach = reach.max(*last);
            *last = reach;
        }
        let is_removed = |offset: i64| {
            let behind = removed.partition_point(|(first, _)| *first <= offset);
            behind
                .checked_sub(1)
                .and_then(|place| removed.get(place))
                .is_some_and(|(_, last)| *last >= offset)
        };
        let mut seen: HashSet<&str> = HashSet::new();
        for (offset, id) in &self.letters {
            let again = id.as_deref().is_some_and(|id| withdrawn.contains(id) || !seen.insert(id));
            if !again && !is_removed(*offset) {
                self.live.insert(*offset);
            }
        }
    }

    /// Whether that message is a letter that is left.
    pub(super) fn is_live(&self, offset: i64) -> bool {
        self.live.contains(&offset)
    }

    /// The ids of all letters that were ever here.
    pub(super) fn ids(&self) -> HashSet<&str> {
        self.letters.iter().filter_map(|(_, id)| id.as_deref()).collect()
    }

    /// Those offsets with those of the same letters, ascending.
    pub(super) fn with_doubles(&self, wanted: &HashSet<i64>) -> Vec<i64> {
        let named = self.letters.iter().filter(|(offset, _)| wanted.contains(offset));
        let ids: HashSet<&str> = named.filter_map(|(_, id)| id.as_deref()).collect();
        let is = |(offset, id): &&(i64, Option<String>)| {
            wanted.contains(offset) || id.as_deref().is_some_and(|id| ids.contains(id))
        };
        self.letters.iter().filter(is).map(|(offset, _)| *offset).collect()
    }

    /// Before it nothing is left, nor in force.
    pub(super) fn first_live(&self) -> i64 {
        let first = self.letters.iter().map(|(offset, _)| *offset).find(|offset| self.is_live(*offset));
        [first, self.claimed].into_iter().flatten().min().unwrap_or(self.end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn holder(claim: Uuid) -> Holder {
        Holder { claim, host: "a".into(), pid: 1, mark: None, since: "now".into() }
    }

    fn log(letters: &[(i64, Option<&str>)]) -> Log {
        let letters = letters.iter().map(|(offset, id)| (*offset, id.map(str::to_owned))).collect();
        Log { end: 20, letters, ..Log::default() }
    }

    fn left(log: &Log) -> Vec<i64> {
        log.letters.iter().map(|(offset, _)| *offset).filter(|offset| log.is_live(*offset)).collect()
    }

    #[test]
    fn letters_are_left_that_were_not_replayed_withdrawn_or_sent_before() {
        let mut log =
            log(&[(0, Some("a")), (1, Some("b")), (3, None), (4, Some("b")), (7, Some("c")), (9, None)]);
        // A stretch that is noted twice, and one within another one.
        log.settle(vec![(9, 9), (0, 4), (1, 2)], &HashSet::new());
        assert_eq!((left(&log), log.first_live()), (vec![7], 7));

        log.live.clear();
        log.settle(vec![(3, 3)], &HashSet::from(["a".to_owned()]));
        assert_eq!((left(&log), log.first_live()), (vec![1, 7, 9], 1), "of b the first one");
        // Whoever replays it has replayed the other one too.
        assert_eq!(log.with_doubles(&HashSet::from([1, 9])), [1, 4, 9]);
        assert_eq!(removals(&[1, 4, 5, 6, 9]), [Control::Removed(vec![(1, 1), (4, 6), (9, 9)])]);

        log.live.clear();
        log.settle(vec![(0, 20)], &HashSet::new());
        assert_eq!((left(&log), log.first_live()), (Vec::new(), 20));
    }

    #[test]
    fn a_claim_holds_until_it_is_given_up_and_what_comes_between_is_none() {
        let (first, second) = (Uuid::now_v7(), Uuid::now_v7());
        let mut log = log(&[]);
        let has = |log: &Log| log.holder.as_ref().map(|holder| holder.claim);
        log.claim(2, holder(first));
        log.claim(3, holder(second));
        log.release(second);
        assert_eq!((has(&log), log.first_live()), (Some(first), 2));
        log.release(first);
        assert_eq!((has(&log), log.first_live()), (None, 20), "the other one was never in force");
        log.claim(9, holder(second));
        assert_eq!((has(&log), log.first_live()), (Some(second), 9));
    }

    #[test]
    fn what_is_no_letter_says_so_in_json() {
        let says = |control: &Control| String::from_utf8(Letter::control(control).unwrap().body).unwrap();
        assert_eq!(says(&Control::Removed(vec![(1, 3)])), r#"{"removed":[[1,3]]}"#);
        assert_eq!(says(&Control::Withdrawn(vec!["a-1".into()])), r#"{"withdrawn":["a-1"]}"#);
        let control = Control::Claim(holder(Uuid::now_v7()));
        let letter = Letter::control(&control).unwrap();
        let headers: Vec<_> =
            letter.headers.iter().map(|(k, v)| ((*k).to_owned(), v.clone().into())).collect();
        let message = Message { offset: 0, headers: &headers, body: Some(&letter.body) };
        assert_eq!(Control::of(&message), Some(Some(control)));
        let headers = [("mds-code".to_owned(), b"x".to_vec())];
        assert_eq!(Control::of(&Message { headers: &headers, ..message }), None);
    }
}
