//! What PostgreSQL says, and what is made of it: rows that it calls fatal, row-level security,
//! privileges, search paths, locks, hypertables of many chunks.

mod closed_database;
mod fatal_rows;
mod grants;
mod hypertable_plans;
mod locked_start;
mod locks;
mod lost_sessions;
mod no_ledger;
mod no_temporary;
mod passwords;
mod privileges;
mod raised_rows;
mod row_security;
mod search_path;
mod silent_start;
mod slow_rows;
mod tenants;
