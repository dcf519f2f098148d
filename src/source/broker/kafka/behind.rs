//! How far a group is behind the ends of the partitions of its topic.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::{Offset, TopicPartitionList};

use crate::source::broker::Behind;
use crate::source::broker::kafka::PATIENCE;
use crate::source::broker::kafka::context::Context;
use crate::source::broker::kafka::session::consumer;
use crate::source::broker::kafka::settings::Settings;
use crate::source::followed::From;

/// Asks by a client of its own, which is no member of the group.
pub(super) fn of(settings: &Settings) -> Option<Behind> {
    let (client, topic) = (consumer(settings).ok()?, settings.connection.topic.clone());
    let at_end = settings.from == From::End;
    Some(Box::new(move || {
        // What has gone wrong waits there, and would be kept for ever.
        while client.poll(Duration::ZERO).is_some() {}
        messages(&client, &topic, at_end)
    }))
}

/// The messages behind the committed offsets, of all partitions; a group that has committed nothing begins at the end or
/// at the beginning.
fn messages(client: &BaseConsumer<Context>, topic: &str, at_end: bool) -> Option<u64> {
    let found = client.fetch_metadata(Some(topic), PATIENCE).ok()?;
    let found = found.topics().first().filter(|found| found.error().is_none())?;
    let mut list = TopicPartitionList::new();
    for partition in found.partitions() {
        list.add_partition(topic, partition.id());
    }
    let known = client.committed_offsets(list, PATIENCE).ok()?;
    let committed: BTreeMap<i32, Offset> =
        known.elements().iter().map(|one| (one.partition(), one.offset())).collect();
    let mut behind = 0;
    for (partition, offset) in committed {
        let (low, high) = client.fetch_watermarks(topic, partition, PATIENCE).ok()?;
        let from = match offset {
            Offset::Offset(offset) => offset.max(low),
            _ if at_end => high,
            _ => low,
        };
        behind += u64::try_from(high - from).unwrap_or(0);
    }
    Some(behind)
}
