//! Servers that speak PostgreSQL's protocol and are something else, which are refused by their names.
//!
//! What they lack is what rows are merged by and counted once by, so a load would go wrong in the middle, or
//! without a word. Citus is no such server: it is an extension of PostgreSQL itself.

use crate::batch::Reason;

/// Why a server cannot be loaded into, by what it said of itself when the connection was opened:
/// `parameter` answers for one of its settings.
///
/// CockroachDB has temporary tables of sessions alone (its issue 46556) and takes advisory locks without
/// locking. YugabyteDB's COPY could commit in the middle of a transaction (its issue 27061), and it had no
/// advisory locks before 2025.1 (its issue 3642).
pub(super) fn refused<'a>(parameter: impl Fn(&str) -> Option<&'a str>) -> Option<Reason> {
    let version = parameter("server_version").unwrap_or_default();
    let (name, lacks) = match parameter("crdb_version") {
        Some(version) => (
            version.split(" (").next().unwrap_or(version).replace("CockroachDB CCL", "CockroachDB"),
            "which has no temporary tables that end with their transaction, and takes advisory locks without locking",
        ),
        None if version.contains("-YB-") => (
            format!("YugabyteDB {version}"),
            "whose COPY may commit in the middle of a transaction, and whose advisory locks are missing or new",
        ),
        None => return None,
    };
    let message = format!(
        "the server is {name}, {lacks}, so that rows could be merged wrong or stored twice; \
         load into PostgreSQL, TimescaleDB or Citus"
    );
    Some(Reason::new("not_postgresql", message))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_known_by_what_they_say_at_the_start() {
        let said = |name: &'static str, version: &'static str| {
            refused(move |asked| (asked == name).then_some(version)).map(|reason| reason.message.into_owned())
        };
        let cockroach =
            said("crdb_version", "CockroachDB CCL v24.1.0 (x86_64-pc-linux-gnu, built 2024/05/20)");
        assert!(cockroach.unwrap().starts_with("the server is CockroachDB v24.1.0, which has no temporary"));
        let yugabyte = said("server_version", "11.2-YB-2.21.0.0-b0").unwrap();
        assert!(
            yugabyte.starts_with("the server is YugabyteDB 11.2-YB-2.21.0.0-b0, whose COPY"),
            "{yugabyte}"
        );
        assert_eq!(said("server_version", "15.8 (Debian 15.8-1)"), None);
    }
}
