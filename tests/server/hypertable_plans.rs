//! The same rows again into a hypertable of many chunks: what the server does for it is read off the
//! plans of its statements, so that it grows with the rows and not with the chunks.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::harness::existing::{LOADER, TENANTS, existing_with_timescale};
use crate::harness::{Db, Postgres, Work};

/// Has the server log the plan of each statement, with what it visited.
const EXPLAINED: &str = "session_preload_libraries = 'auto_explain'\nauto_explain.log_min_duration = -1\n\
    auto_explain.log_analyze = on\nauto_explain.log_timing = off\nauto_explain.log_format = json\n\
    max_locks_per_transaction = 512\n";

/// Chunks, one a week; symbols, each with a row in every chunk.
const CHUNKS: u32 = 120;
const SYMBOLS: u32 = 5;

/// What a plan visits: chunks that stand in it, and looks into chunks.
#[derive(Debug, Default, Clone, Copy)]
struct Visited {
    chunks: u64,
    looks: u64,
    rows: u64,
}

fn visit(node: &Value, all: &mut Visited, custom: &mut bool) {
    let loops = node["Actual Loops"].as_f64().unwrap_or(0.0) as u64;
    let of_chunk = node["Relation Name"].as_str().is_some_and(|name| name.starts_with("_hyper_"));
    if of_chunk {
        all.chunks += 1;
        all.looks += loops;
        let rows = node["Actual Rows"].as_f64().unwrap_or(0.0);
        let removed = node["Rows Removed by Filter"].as_f64().unwrap_or(0.0);
        all.rows += ((rows + removed) * loops.max(1) as f64) as u64;
    }
    // A node that makes up its mind for each row which chunk to look into.
    *custom |= node["Custom Plan Provider"] == "ChunkAppend" && loops > 1;
    for child in node["Plans"].as_array().into_iter().flatten() {
        visit(child, all, custom);
    }
}

/// The plans in the log from that place on that look into chunks from a stage of ours.
fn plans(server: &Postgres, from: usize) -> Vec<(Visited, bool)> {
    let log = fs::read(server.socket_directory().join("server.log")).expect("the server's log");
    let log = String::from_utf8_lossy(&log[from..]).into_owned();
    let mut plans = Vec::new();
    for part in log.split("plan:\n").skip(1) {
        let object = part.lines().take_while(|line| line.starts_with(['\t', '{', '}', ' ']));
        let text: String = object.collect::<Vec<_>>().join("\n");
        let mut parsed = serde_json::Deserializer::from_str(&text).into_iter::<Value>();
        let Some(Ok(plan)) = parsed.next() else { continue };
        if plan["Query Text"].as_str().is_some_and(|sql| sql.contains("mds_stage")) {
            let (mut visited, mut custom) = (Visited::default(), false);
            visit(&plan["Plan"], &mut visited, &mut custom);
            if visited.chunks > 0 {
                plans.push((visited, custom));
            }
        }
    }
    plans
}

fn rows(by_symbol: bool) -> String {
    let mut lines = Vec::new();
    for week in 0..CHUNKS {
        for symbol in 0..SYMBOLS {
            let days = week * 7 + symbol % 7;
            let date = chrono::NaiveDate::from_ymd_opt(2020, 1, 2).expect("a date")
                + chrono::Days::new(u64::from(days));
            lines.push((symbol, format!("{date}T10:00:00Z,acme,S{symbol},1d,1.5,2.5,0.5,1.25,{week}\n")));
        }
    }
    if by_symbol {
        lines.sort_by_key(|(symbol, _)| *symbol);
    }
    let mut text = String::from("ts,vendor,symbol,timeframe,open,high,low,close,volume\n");
    for (_, line) in lines {
        let _ = write!(text, "{line}");
    }
    text
}

/// Loads twice, and looks at the plans of the second time.
fn twice(server: &Postgres, db: &Db, as_role: &str, more: &[&str], what: &str) {
    for by_symbol in [true, false] {
        let work = Work::new();
        let path = work.write("bars.csv", rows(by_symbol));
        let load = || {
            let flags = ["load", &path, "--dataset", "bars", "--json", "--workers", "1"];
            let dsn = db.dsn_as(as_role);
            work.mdsctl(flags).arguments(more.iter().copied()).arguments(["--dsn", &dsn]).run().expect(0)
        };
        load();
        db.execute(&format!("ALTER ROLE {as_role} SET auto_explain.log_min_duration = 0"));
        let from = fs::read(server.socket_directory().join("server.log")).expect("the log").len();
        let books = load().books();
        db.execute(&format!("ALTER ROLE {as_role} RESET auto_explain.log_min_duration"));
        let total = u64::from(CHUNKS * SYMBOLS);
        assert_eq!(books.unchanged, total, "{what}, by symbol {by_symbol}");
        let plans = plans(server, from);
        assert!(!plans.is_empty(), "{what}: no plans in the log");
        assert!(plans.iter().all(|(_, custom)| !custom), "{what}: chunks are chosen anew for each row");
        let most = plans.iter().map(|(visited, _)| visited.chunks).max().unwrap_or(0);
        assert!(most <= 64, "{what}: a plan of {most} chunks");
        let looks: u64 = plans.iter().map(|(visited, _)| visited.looks).sum();
        let visited: u64 = plans.iter().map(|(visited, _)| visited.rows).sum();
        assert!(looks <= total * 64, "{what}: {looks} looks for {total} rows");
        assert!(visited <= total * 4, "{what}: {visited} rows visited for {total}");
        db.execute("TRUNCATE bars");
    }
}

#[test]
fn rows_again_into_many_chunks_look_into_a_few_each() {
    let test = "rows_again_into_many_chunks_look_into_a_few_each";
    let Some(server) = Postgres::with_timescale_and(test, EXPLAINED) else { return };
    let db = server.database();
    db.execute("CREATE EXTENSION timescaledb; CREATE ROLE plain_loader LOGIN SUPERUSER");
    let work = Work::new();
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    twice(&server, &db, "plain_loader", &[], "ours");

    let db = server.database();
    db.execute("CREATE EXTENSION timescaledb; CREATE ROLE bound_loader LOGIN");
    work.mdsctl(["schema", "apply", "--rls", "--dsn", &db.dsn()]).run().expect(0);
    db.execute(
        "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO bound_loader;
         ALTER TABLE bars OWNER TO bound_loader",
    );
    twice(&server, &db, "bound_loader", &[], "ours under row-level security");

    let db = existing_with_timescale(&server);
    db.execute(&format!("ALTER TABLE bars OWNER TO {LOADER}"));
    twice(&server, &db, LOADER, &["--tenant", TENANTS[0].1], "the existing deployment's");
}

#[test]
fn rows_again_into_compressed_chunks_unpack_their_own_segments_alone() {
    let test = "rows_again_into_compressed_chunks_unpack_their_own_segments_alone";
    let Some(server) = Postgres::with_timescale_and(test, EXPLAINED) else { return };
    let db = server.database();
    db.execute("CREATE EXTENSION timescaledb; CREATE ROLE packed_loader LOGIN SUPERUSER");
    let work = Work::new();
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    let path = work.write("bars.csv", rows(true));
    let one = work.write(
        "one.csv",
        rows(true).lines().filter(|line| !line.contains(",S") || line.contains(",S3,")).fold(
            String::new(),
            |mut text, line| {
                let _ = writeln!(text, "{line}");
                text
            },
        ),
    );
    let load = |path: &str| {
        let flags = ["load", path, "--dataset", "bars", "--json", "--workers", "1", "--force"];
        work.mdsctl(flags).arguments(["--dsn", &db.dsn_as("packed_loader")]).run().expect(0).books()
    };
    load(&path);
    db.execute("SELECT compress_chunk(c) FROM show_chunks('bars') c");
    db.execute("ALTER ROLE packed_loader SET auto_explain.log_min_duration = 0");
    let from = fs::read(server.socket_directory().join("server.log")).expect("the log").len();
    assert_eq!(load(&one).unchanged, u64::from(CHUNKS));
    db.execute("ALTER ROLE packed_loader RESET auto_explain.log_min_duration");
    assert_eq!(db.value("SELECT count(*) FROM ONLY bars"), "0");
    let plans = plans(&server, from);
    let visited: u64 = plans.iter().map(|(visited, _)| visited.rows).sum();
    // Of five symbols one is unpacked; a chunk's node and that of what it unpacks both count.
    assert!(visited <= u64::from(CHUNKS) * 3, "{visited} rows visited");
    let most = plans.iter().map(|(visited, _)| visited.chunks).max().unwrap_or(0);
    assert!(most <= 32, "a plan of {most} chunks");
}
