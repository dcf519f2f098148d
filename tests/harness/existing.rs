//! A database of the Python system, and a role that its row-level security binds.

use std::sync::Once;

use super::run::{Mdsctl, Work};
use super::{Db, Postgres};

/// The role that loads: it owns nothing, and the policies bind it.
pub const LOADER: &str = "existing_loader";
/// Short names and UUIDs of the tenants.
pub const TENANTS: [(&str, &str); 2] =
    [("desk-a", "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0001"), ("desk-b", "7f3c2a10-5a1e-4a57-9a0e-2b6f6d1c0002")];

static ROLE: Once = Once::new();

/// Such a database on the shared server: plain tables.
pub fn existing() -> Db {
    let db = Postgres::shared().database();
    ROLE.call_once(|| make_role(&db));
    fill(&db);
    db
}

/// Such a database on a server with TimescaleDB: hypertables.
pub fn existing_with_timescale(server: &Postgres) -> Db {
    let db = server.database();
    db.execute("CREATE EXTENSION timescaledb");
    make_role(&db);
    fill(&db);
    db
}

fn make_role(db: &Db) {
    db.execute(&format!("CREATE ROLE {LOADER} LOGIN NOSUPERUSER NOBYPASSRLS"));
}

fn fill(db: &Db) {
    db.execute(include_str!("existing.sql"));
    db.execute(&format!(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {LOADER};
         GRANT USAGE, SELECT ON ALL SEQUENCES IN SCHEMA public TO {LOADER}"
    ));
}

/// A load into it by that role, with `--json`.
pub fn load(work: &Work, db: &Db, tenant: &str, arguments: &[&str]) -> Mdsctl {
    let given = ["load"].iter().chain(arguments).map(|a| (*a).to_owned());
    work.mdsctl(given).arguments(["--json", "--tenant", tenant, "--dsn", &db.dsn_as(LOADER)])
}
