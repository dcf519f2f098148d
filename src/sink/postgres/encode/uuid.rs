//! Ids made on our side: the server's random ones cost more and scatter the index.

use uuid::Uuid;

/// New UUIDv7s: the time of the first, then random bits of the system counted upwards, so that
/// the ids of one write ascend and cost no system call each.
#[derive(Debug)]
pub(in crate::sink::postgres) struct NewIds {
    millis: u64,
    random: u128,
}

impl NewIds {
    pub fn new() -> Self {
        let seed = Uuid::now_v7();
        Self { millis: (seed.as_u128() >> 80) as u64, random: seed.as_u128() }
    }

    pub fn next(&mut self) -> Uuid {
        self.random = self.random.wrapping_add(1);
        let [.., a, b, c, d, e, f, g, h, i, j] = self.random.to_be_bytes();
        uuid::Builder::from_unix_timestamp_millis(self.millis, &[a, b, c, d, e, f, g, h, i, j]).into_uuid()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn new_ids_ascend_and_are_version_7() {
        let mut ids = NewIds::new();
        let made: Vec<Uuid> = (0..1000).map(|_| ids.next()).collect();
        assert!(made.iter().all(|id| id.get_version_num() == 7));
        let distinct: std::collections::HashSet<_> = made.iter().collect();
        assert_eq!(distinct.len(), 1000);
    }
}
