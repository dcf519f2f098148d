//! Which dead letters are meant, from the flags that say it.

use crate::cli::args::FilterArgs;
use crate::dlq::filter::{Filter, Selection};

/// Of those flags.
pub fn selection(args: &FilterArgs) -> Selection {
    let filter = Filter {
        codes: args.code.clone(),
        stages: args.stage.iter().map(|stage| stage.to_ascii_lowercase()).collect(),
        symbols: args.symbol.clone(),
        wheres: args.r#where.clone(),
        since: args.since,
        until: args.until,
        tenant: None,
    };
    Selection { filter, limit: args.limit.map(|limit| limit as u64) }
}
