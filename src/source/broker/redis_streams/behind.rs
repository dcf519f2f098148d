//! How far a group is behind the end of its stream.

use redis::{Client, Cmd, Connection, Value};

use crate::source::broker::Behind;
use crate::source::broker::redis_streams::values::{list, number, of_name, text};
use crate::source::broker::redis_streams::{CONNECT, PATIENCE};

/// A connection that answers in time or fails.
pub(super) fn connected(client: &Client) -> redis::RedisResult<Connection> {
    let link = client.get_connection_with_timeout(CONNECT)?;
    link.set_read_timeout(Some(PATIENCE))?;
    link.set_write_timeout(Some(PATIENCE))?;
    Ok(link)
}

/// Asks, by a connection of its own, about all groups of the stream.
pub(super) fn of(client: Client, group: String, question: Cmd) -> Behind {
    let mut link = None;
    Box::new(move || {
        let open = match link.take() {
            Some(open) => Ok(open),
            None => connected(&client),
        };
        let mut open = open.ok()?;
        let answer: Value = question.query(&mut open).ok()?;
        link = Some(open);
        messages(answer, &group)
    })
}

/// How many messages that group has not settled, in an answer about all; from Redis 7 on it says how many nobody was
/// given yet, but for where it has lost count.
fn messages(answer: Value, group: &str) -> Option<u64> {
    let all = list(answer).into_iter().map(list);
    let own = all.into_iter().find(|one| of_name(one, "name").and_then(text).as_deref() == Some(group))?;
    let (new, pending) = (number(of_name(&own, "lag")?)?, number(of_name(&own, "pending")?)?);
    Some(new.saturating_add(pending))
}
