//! Which of Citus' servers a connection leads to.

use crate::sink::postgres::catalog::table::Table;
use crate::sink::postgres::connection::connect::Link;
use crate::text::flags::DSN;

/// What to know where the connection leads to a node and not to the coordinator: rows go to the same places,
/// but the ledger is a table of that node alone.
pub(in crate::sink::postgres) async fn note(link: &Link, table: &Table) -> Option<String> {
    table.distribution.as_ref()?;
    let sql = "SELECT FROM pg_catalog.pg_dist_local_group WHERE groupid <> 0";
    link.client.query_typed_opt(sql, &[]).await.ok()??;
    Some(format!(
        "this is a node of Citus and not the coordinator: its runs are kept on this node alone, and loads by another \
         node know nothing of them; name the coordinator in {DSN}"
    ))
}
