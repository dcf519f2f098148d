//! What is known of a partition: which of its messages are on their way, and up to where all is settled.

use std::collections::BTreeMap;

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// It was given, and is not settled.
    Given,
    /// It was given, and is to be given again.
    Later,
    /// All of its rows are settled.
    Done,
}

/// A partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Part {
    /// All before that offset is settled.
    base: i64,
    /// Behind the last message that was given.
    next: i64,
    /// The messages from `base` on, by offset.
    places: BTreeMap<i64, Place>,
    /// What is committed.
    pub(super) committed: Option<i64>,
    /// Messages below that offset were there when the partition came here: others may have been given them.
    pub(super) shared: i64,
    /// Whether its end has been reached since.
    pub(super) read: bool,
}

impl Part {
    /// It has come here, others have settled all before `start`, and it ends at `end`; the offset that it is to be read from.
    /// What was given here before, and is settled or still on its way, is not given again.
    pub(super) fn come(&mut self, start: i64, end: i64) -> i64 {
        let start = start.max(self.base);
        self.places = self.places.split_off(&start);
        self.base = start;
        self.next = self.places.last_key_value().map_or(start, |(last, _)| last + 1);
        (self.shared, self.read, self.committed) = (end, start >= end, None);
        self.trim();
        self.base
    }

    /// What is between the last message that was given and that offset is gone; how much at most.
    pub(super) fn skip(&mut self, to: i64) -> i64 {
        let gone = (to - self.next).max(0);
        self.next += gone;
        gone
    }

    /// Behind the last message that was given.
    pub(super) fn next(&self) -> i64 {
        self.next
    }

    /// A message has come; whether it is to be given.
    pub(super) fn give(&mut self, offset: i64) -> bool {
        if offset < self.base || matches!(self.places.get(&offset), Some(Place::Given | Place::Done)) {
            return false;
        }
        self.places.insert(offset, Place::Given);
        self.next = self.next.max(offset + 1);
        true
    }

    /// A message is settled.
    pub(super) fn settle(&mut self, offset: i64) {
        if let Some(place) = self.places.get_mut(&offset) {
            *place = Place::Done;
        }
    }

    /// A message is to be given again; it was not handed on.
    pub(super) fn again(&mut self, offset: i64) {
        if let Some(place) = self.places.get_mut(&offset) {
            *place = Place::Later;
        }
    }

    /// The first message that is to be given again.
    pub(super) fn first_again(&self) -> Option<i64> {
        self.places.iter().find(|(_, place)| **place == Place::Later).map(|(offset, _)| *offset)
    }

    fn trim(&mut self) {
        let open = self.places.iter().find(|(_, place)| **place != Place::Done);
        let open = open.map_or(self.next, |(offset, _)| *offset);
        self.places = self.places.split_off(&open);
        self.base = open;
    }

    /// Behind the messages that are settled with all before them: what is to be committed.
    pub(super) fn position(&mut self) -> i64 {
        if self.places.first_key_value().is_none_or(|(_, place)| *place == Place::Done) {
            self.trim();
        }
        self.base
    }
}

/// The id of a message: where it is, and when it came there, since a topic that is made anew numbers anew.
pub(super) fn id(partition: i32, offset: i64, at: i64) -> String {
    format!("{partition}:{offset}@{at}")
}

/// The partition and the offset in an id.
pub(super) fn place(id: &str) -> Option<(i32, i64)> {
    let (place, _) = id.split_once('@')?;
    let (partition, offset) = place.split_once(':')?;
    Some((partition.parse().ok()?, offset.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_committed_is_behind_all_that_is_settled() {
        let mut part = Part::default();
        part.come(5, 9);
        assert_eq!((part.position(), part.read), (5, false));
        // There are gaps in a topic that is compacted.
        assert!([5, 6, 9, 12].into_iter().all(|offset| part.give(offset)));
        assert!(!part.give(6) && !part.give(4));
        part.settle(6);
        assert_eq!(part.position(), 5);
        part.settle(5);
        assert_eq!(part.position(), 9);
        part.settle(12);
        assert_eq!(part.position(), 9);
        part.settle(9);
        assert_eq!((part.position(), part.skip(20), part.position()), (13, 7, 20));
    }

    #[test]
    fn a_message_that_is_left_for_later_holds_back_what_is_behind_it() {
        let mut part = Part::default();
        part.come(0, 0);
        assert!(part.read && [0, 1, 2].into_iter().all(|offset| part.give(offset)));
        part.again(0);
        part.settle(1);
        assert_eq!((part.position(), part.first_again()), (0, Some(0)));
        assert!(part.give(0) && !part.give(1) && !part.give(2));
        assert_eq!(part.first_again(), None);
        part.settle(0);
        assert_eq!(part.position(), 2);
    }

    #[test]
    fn a_partition_that_comes_back_gives_nothing_twice_that_is_on_its_way() {
        let mut part = Part::default();
        part.come(0, 10);
        assert!([0, 1, 2, 3].into_iter().all(|offset| part.give(offset)));
        part.settle(2);
        // Another consumer has committed the first one.
        part.come(1, 10);
        assert_eq!(part.position(), 1);
        assert!(!part.give(1) && !part.give(2) && !part.give(3) && part.give(4));
        [1, 3, 4].into_iter().for_each(|offset| part.settle(offset));
        assert_eq!(part.position(), 5);
        // That was not committed.
        assert_eq!(part.come(3, 10), 5);
        // Another one has come further.
        part.come(8, 10);
        assert!(!part.give(7) && part.give(8));
        assert_eq!(part.position(), 8);
    }

    #[test]
    fn an_id_names_the_place_of_a_message() {
        assert_eq!(place(&id(3, 70, 1_700_000_000_000)), Some((3, 70)));
        assert_eq!(place("3:70"), None);
    }
}
