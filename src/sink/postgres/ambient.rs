//! The variables by which an environment names a server.

/// One of those, where any is set.
pub fn variable() -> Option<&'static str> {
    let set = |name: &&str| std::env::var(name).is_ok_and(|value| !value.is_empty());
    ["PGSERVICE", "PGHOST", "PGHOSTADDR", "PGDATABASE", "PGUSER", "PGPORT"].into_iter().find(set)
}
