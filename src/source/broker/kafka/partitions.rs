//! The partitions of a topic: which there are, and those that come here and go.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::{Offset, TopicPartitionList};

use crate::source::broker::Trouble;
use crate::source::broker::kafka::context::code;
use crate::source::broker::kafka::{Kafka, PATIENCE};
use crate::source::followed::From;

impl Kafka {
    pub(super) fn list(&self, partitions: impl IntoIterator<Item = (i32, Offset)>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, offset) in partitions {
            if list.add_partition_offset(&self.settings.connection.topic, partition, offset).is_err() {
                tracing::debug!("{}: no offset {offset:?}", self.settings.connection.name);
            }
        }
        list
    }

    /// The first message of a partition that is there, and behind the last one.
    pub(super) fn ends(&mut self, partition: i32) -> Result<(i64, i64), Trouble> {
        let consumer = self.consumer()?;
        let asked = consumer.fetch_watermarks(&self.settings.connection.topic, partition, PATIENCE);
        asked.map_err(|error| self.failed(code(&error)))
    }

    /// What the group has committed of those partitions.
    pub(super) fn committed(&mut self, partitions: &[i32]) -> Result<BTreeMap<i32, i64>, Trouble> {
        if partitions.is_empty() {
            return Ok(BTreeMap::new());
        }
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::Invalid)));
        let asked = self.consumer()?.committed_offsets(list, PATIENCE);
        let known = asked.map_err(|error| self.failed(code(&error)))?;
        let mut committed = BTreeMap::new();
        for one in known.elements() {
            if let Err(error) = one.error() {
                return Err(self.failed(code(&error)));
            }
            if let Offset::Offset(offset) = one.offset() {
                committed.insert(one.partition(), offset);
            }
        }
        Ok(committed)
    }

    /// The numbers of the partitions.
    pub(super) fn partitions(&mut self) -> Result<Vec<i32>, Trouble> {
        let (consumer, topic) = (self.consumer()?, self.settings.connection.topic.clone());
        let found = consumer.fetch_metadata(Some(&topic), PATIENCE);
        let found = match found {
            Ok(found) => found,
            Err(error) => {
                // Of what is wrong it tells on another way.
                let faults = self.take_in(Duration::ZERO)?;
                let told = [Code::Authentication, Code::SaslAuthenticationFailed, Code::SSL, Code::Resolve];
                let told = told.into_iter().find(|told| faults.contains(told));
                return Err(self.failed(told.or(code(&error))));
            }
        };
        let Some(found) = found.topics().first() else { return Err(self.away("it gives no answer")) };
        match found.error().map(Code::from) {
            None => {}
            Some(Code::LeaderNotAvailable) => return Err(self.away("the topic has no leader")),
            error => return Err(self.failed(error)),
        }
        self.heard = Instant::now();
        let partitions: Vec<i32> = found.partitions().iter().map(|partition| partition.id()).collect();
        match partitions.is_empty() {
            true => Err(self.failed(Some(Code::UnknownTopicOrPartition))),
            false => Ok(partitions),
        }
    }

    /// Partitions have come here.
    pub(super) fn come(&mut self, partitions: &[i32]) -> Result<(), Trouble> {
        let (committed, name) = (self.committed(partitions)?, self.settings.connection.name.clone());
        let mut from = Vec::with_capacity(partitions.len());
        for partition in partitions {
            let (low, high) = self.ends(*partition)?;
            let start = match committed.get(partition) {
                Some(place) if *place > high => return Err(self.made_anew(*partition, *place, high)),
                Some(place) if *place < low => {
                    tracing::warn!(
                        "{name}: up to {} messages of partition {partition} were deleted before the group {} had read them: what the topic keeps begins at offset {low}, and the group was at {place}",
                        low - place,
                        self.settings.group
                    );
                    low
                }
                Some(place) => *place,
                None if self.settings.from == From::End => high,
                None => low,
            };
            from.push((*partition, start, high));
        }
        let from = from.into_iter().map(|(partition, start, high)| {
            (partition, Offset::Offset(self.parts.entry(partition).or_default().come(start, high)))
        });
        let from: Vec<(i32, Offset)> = from.collect();
        let list = self.list(from);
        self.session()?.assign(&list).map_err(|error| self.failed(code(&error)))?;
        self.own.extend(partitions);
        (self.joined, self.until) = (true, Instant::now());
        Ok(())
    }

    pub(super) fn made_anew(&self, partition: i32, place: i64, high: i64) -> Trouble {
        self.refused(&format!(
            "the group {} is at offset {place} of partition {partition}, which ends at {high}: the topic was made anew, or has lost messages; name another group to read it from its beginning",
            self.settings.group
        ))
    }

    /// Partitions are gone.
    pub(super) fn go(&mut self, partitions: &[i32]) -> Result<(), Trouble> {
        partitions.iter().for_each(|partition| {
            self.own.remove(partition);
        });
        self.raw.retain(|message| !partitions.contains(&message.partition));
        self.leaving.retain(|partition| !partitions.contains(partition));
        let list = self.list(partitions.iter().map(|partition| (*partition, Offset::Invalid)));
        self.session()?.unassign(&list).map_err(|error| self.failed(code(&error)))
    }

    /// What was to be read next is not there.
    pub(super) fn find_again(&mut self) -> Result<(), Trouble> {
        let own: Vec<i32> = self.own.iter().copied().collect();
        for partition in own {
            let ((low, high), name) = (self.ends(partition)?, self.settings.connection.name.clone());
            let Some(part) = self.parts.get_mut(&partition) else { continue };
            let next = part.next();
            if next > high {
                return Err(self.made_anew(partition, next, high));
            }
            let gone = part.skip(low);
            if gone > 0 {
                tracing::warn!(
                    "{name}: up to {gone} messages of partition {partition} were deleted before they were read: what the topic keeps begins at offset {low}"
                );
            }
            self.seek(partition, next.max(low))?;
        }
        Ok(())
    }

    pub(super) fn seek(&mut self, partition: i32, offset: i64) -> Result<(), Trouble> {
        let consumer = self.consumer()?;
        let sought =
            consumer.seek(&self.settings.connection.topic, partition, Offset::Offset(offset), PATIENCE);
        sought.map_err(|error| self.failed(code(&error)))
    }
}
