//! The command that puts the rows of a queue into the store.

use crate::dlq::stats::QueueStats;
use crate::text::flags::TABLE;
use crate::text::phrases::shell_word;

/// What to type, as a shell takes it; with the table where a replay goes there only when it is named.
pub fn replay_command(queue: &str, table: Option<&str>) -> String {
    let mut command = format!("mdsctl replay-dlq {}", shell_word(queue));
    if let Some(table) = table {
        command.push_str(&format!(" {TABLE} {}", shell_word(table)));
    }
    command
}

/// The table that all rows of a queue are for, where their records alone may not send them there: in a schema
/// of its own, or one with books. Nothing is lost by naming a table that did not need it.
pub fn table_to_name(survey: &QueueStats) -> Option<&str> {
    let table = only_table(survey)?;
    let (schema, name) = table.rsplit_once('.').map_or((None, table), |(schema, name)| (Some(schema), name));
    let books = name.starts_with("mds_") || ["tenants", "job_runs"].contains(&name);
    (books || schema.is_some_and(|schema| schema != "public")).then_some(table)
}

/// The table that all records name, where they do.
pub fn only_table(survey: &QueueStats) -> Option<&str> {
    let mut tables = survey.tables.iter();
    match (tables.next(), tables.next()) {
        (Some(Some(one)), None) => Some(one),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_is_named_where_all_records_are_for_it_and_a_replay_wants_it_named() {
        let of = |tables: &[Option<&str>]| {
            let tables = tables.iter().map(|table| table.map(str::to_owned)).collect();
            let survey = QueueStats { tables, ..QueueStats::default() };
            table_to_name(&survey).map(str::to_owned)
        };
        assert_eq!(of(&[Some("research.trades")]).as_deref(), Some("research.trades"));
        assert_eq!(of(&[Some("mds_runs")]).as_deref(), Some("mds_runs"));
        for others in [&[][..], &[None], &[None, Some("a.t")], &[Some("t")], &[Some("public.t")]] {
            assert_eq!(of(others), None);
        }
        assert_eq!(
            replay_command("a b.ndjson", Some("s.\"T\"")),
            "mdsctl replay-dlq 'a b.ndjson' --table 's.\"T\"'"
        );
    }
}
