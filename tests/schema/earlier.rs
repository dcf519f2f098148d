//! Tables of the first version, whose keys lacked the exchange of a trade and the symbol of an article:
//! loading into them, and giving them the key of this version.

use rusqlite::Connection;
use rustix::process::Signal;

use crate::harness::run::Running;
use crate::harness::wait::PATIENCE;
use crate::harness::{Db, Postgres, Store, Work, wait};

/// The two tables as the first version made them.
fn ddl(store: &Store) -> &'static str {
    match store {
        Store::Postgres(_) => include_str!("earlier.postgres.sql"),
        Store::Sqlite(_) => include_str!("earlier.sqlite.sql"),
    }
}

fn execute(store: &Store, sql: &str) {
    match store {
        Store::Postgres(db) => db.execute(sql),
        Store::Sqlite(path) => {
            Connection::open(path).expect("a file").execute_batch(sql).expect("it is done")
        }
    }
}

/// An earlier id of an article: of its text alone.
fn earlier_id(text: &str) -> String {
    uuid::Uuid::new_v5(&uuid::Uuid::NAMESPACE_URL, text.as_bytes()).to_string()
}

const TRADES: &str = "\
ts,symbol,trade_id,price,size,exchange
2024-01-02T14:30:00.000001Z,AAPL,1,185.5,100,Q
2024-01-02T14:30:00.000002Z,AAPL,2,185.25,7,
2024-01-02T14:30:00.000003Z,MSFT,1,370.125,30,N
2024-01-02T14:30:00.000003Z,MSFT,2,370.125,30,
";
const ARTICLES: &str = "\
published_at,symbol,title,url
2024-01-02T14:30:00Z,AAPL,Chips,https://news.example/1
2024-01-02T14:31:00Z,,Rates,https://news.example/2
2024-01-02T14:32:00Z,MSFT,Clouds,
";

/// An older store with the rows that the first version stored of these, and their times of writing.
fn earlier(store: &Store) {
    execute(store, ddl(store));
    for line in TRADES.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let exchange = if cells[5].is_empty() { "NULL".to_owned() } else { format!("'{}'", cells[5]) };
        let ts = cells[0].replace('T', " ").replace('Z', "");
        let zone = if matches!(store, Store::Postgres(_)) { "+00" } else { "" };
        execute(
            store,
            &format!(
                "INSERT INTO ticks (ts, ts_ns, vendor, symbol, trade_id, price, size, exchange, updated_at)
                 VALUES ('{ts}{zone}', 0, 'v', '{}', '{}', {}, {}, {exchange}, '2024-02-03 04:05:06{zone}')",
                cells[1], cells[2], cells[3], cells[4]
            ),
        );
    }
    for line in ARTICLES.lines().skip(1) {
        let cells: Vec<&str> = line.split(',').collect();
        let text = |cell: &str| if cell.is_empty() { "NULL".to_owned() } else { format!("'{cell}'") };
        let told = if cells[3].is_empty() { cells[2] } else { cells[3] };
        let at = cells[0].replace('T', " ").replace('Z', "");
        let zone = if matches!(store, Store::Postgres(_)) { "+00" } else { "" };
        execute(
            store,
            &format!(
                "INSERT INTO news (published_at, vendor, id, symbol, title, url, updated_at)
                 VALUES ('{at}{zone}', 'v', '{}', {}, '{}', {}, '2024-02-03 04:05:06{zone}')",
                earlier_id(told),
                text(cells[1]),
                cells[2],
                text(cells[3])
            ),
        );
    }
    // A vendor's own id, which stays what it is.
    let zone = if matches!(store, Store::Postgres(_)) { "+00" } else { "" };
    execute(
        store,
        &format!(
            "INSERT INTO news (published_at, vendor, id, symbol, title)
             VALUES ('2024-01-03 00:00:00{zone}', 'v', '0d2f1f4c-6d5b-4c1e-9f3a-0123456789ab', 'IBM', 'Own')"
        ),
    );
}

fn stores(work: &Work) -> [Store; 2] {
    [Store::sqlite(work), Store::Postgres(Postgres::shared().database())]
}

/// All that the tables hold but ids and times of writing.
fn ticks(store: &Store) -> Vec<Vec<Option<String>>> {
    store.rows(
        "SELECT ts, symbol, trade_id, coalesce(exchange, ''), price, size, ts_ns, vendor, tenant_id, updated_at
         FROM ticks ORDER BY 2, 1, 3, 4",
    )
}

fn news(store: &Store) -> Vec<Vec<Option<String>>> {
    store.rows(
        "SELECT published_at, coalesce(symbol, ''), title, url, vendor, tenant_id, updated_at FROM news ORDER BY 1, 2",
    )
}

fn key(store: &Store, table: &str) -> String {
    let rows = match store {
        Store::Postgres(_) => store.rows(&format!(
            "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'p' AND conrelid = '{table}'::regclass"
        )),
        Store::Sqlite(_) => store.rows(&format!(
            "SELECT 'PRIMARY KEY (' || group_concat(name, ', ') || ')' FROM
             (SELECT name FROM pragma_table_info('{table}') WHERE pk > 0 ORDER BY pk)"
        )),
    };
    rows[0][0].clone().expect("a key")
}

const TICKS_KEY: &str = "PRIMARY KEY (symbol, ts, vendor, exchange, trade_id, tenant_id)";
const NEWS_KEY: &str = "PRIMARY KEY (published_at, vendor, symbol, id, tenant_id)";

fn load(work: &Work, store: &Store, dataset: &str, text: &str) -> crate::harness::Run {
    let file = work.write(&format!("{dataset}.csv"), text);
    work.mdsctl(["load", &file, "--dataset", dataset, "--vendor", "v", "--json", "--dsn", &store.dsn()]).run()
}

#[test]
fn apply_gives_older_tables_their_key_and_keeps_every_row() {
    for store in stores(&Work::new()) {
        let work = Work::new();
        let store = match store {
            Store::Sqlite(_) => Store::sqlite(&work),
            other => other,
        };
        earlier(&store);
        let (trades, articles) = (ticks(&store), news(&store));
        let run = work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert!(run.stdout.contains("ticks: key is now (symbol, ts, vendor, exchange, trade_id"), "{run}");
        assert_eq!(
            (key(&store, "ticks"), key(&store, "news")),
            (TICKS_KEY.into(), NEWS_KEY.into()),
            "{store}"
        );
        assert_eq!(ticks(&store), trades, "{store}");
        assert_eq!(news(&store), articles, "{store}");
        let nulls = "SELECT count(*) FROM ticks WHERE exchange IS NULL";
        assert_eq!(store.rows(nulls)[0][0].as_deref(), Some("0"), "{store}");
        let own = "SELECT count(*) FROM news WHERE id = '0d2f1f4c-6d5b-4c1e-9f3a-0123456789ab'";
        assert_eq!(store.rows(own)[0][0].as_deref(), Some("1"), "{store}");

        work.mdsctl(["schema", "check", "--dsn", &store.dsn()]).run().expect(0);
        let again = work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert!(!again.stdout.contains("key is now"), "{again}");
        // What was loaded before is there: its ids are those of this version.
        let books = load(&work, &store, "ticks", TRADES).expect(0).books();
        assert_eq!((books.read, books.unchanged), (4, 4), "{store}");
        let books = load(&work, &store, "news", ARTICLES).expect(0).books();
        assert_eq!((books.read, books.unchanged), (3, 3), "{store}");
        // And what was one row is two.
        let more = "ts,symbol,trade_id,price,size,exchange\n\
            2024-01-02T14:30:00.000001Z,AAPL,1,185.5,50,P\n2024-01-02T14:30:00.000002Z,AAPL,2,185.25,7,K\n";
        assert_eq!(load(&work, &store, "ticks", more).expect(0).books().inserted, 2, "{store}");
    }
}

#[test]
fn a_load_into_an_older_key_goes_on_says_so_and_counts_what_merges() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store =
            if sqlite { Store::sqlite(&work) } else { Store::Postgres(Postgres::shared().database()) };
        execute(&store, ddl(&store));
        let text = "ts,symbol,trade_id,price,size,exchange\n\
            2024-01-02T14:30:00Z,AAPL,1,185.5,100,Q\n2024-01-02T14:30:00Z,AAPL,1,185.5,50,P\n\
            2024-01-02T14:30:01Z,AAPL,2,185.5,50,P\n";
        let file = work.write("ticks.csv", text);
        let run = work.mdsctl(["load", &file, "--vendor", "v", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(store.count("ticks"), Some(2), "{run}");
        for word in ["an earlier version", "exchange", "mdsctl schema apply"] {
            assert!(run.stderr.contains(word), "{store}: {run}");
        }
        let counted = "1 row took the place of a row with another exchange";
        assert!(format!("{}{}", run.stdout, run.stderr).contains(counted), "{store}: {run}");
        // Articles are kept apart by their ids.
        let three = "published_at,symbol,title,url\n2024-01-02T14:30:00Z,AAPL,Chips,https://news.example/1\n\
            2024-01-02T14:30:00Z,MSFT,Chips,https://news.example/1\n2024-01-02T14:30:00Z,,Chips,https://news.example/1\n";
        for inserted in [3, 0] {
            assert_eq!(load(&work, &store, "news", three).expect(0).books().inserted, inserted, "{store}");
        }

        let check = work.mdsctl(["schema", "check", "--dsn", &store.dsn()]).run().expect(2);
        assert!(check.stdout.contains("ticks: its key is that of an earlier version"), "{check}");
        assert!(check.stdout.contains("run: mdsctl schema apply"), "{check}");
        if let Store::Postgres(db) = &store {
            // As the first version had recorded it.
            db.execute(
                "CREATE TABLE mds_schema (table_name text PRIMARY KEY, version integer NOT NULL,
                applied_at timestamptz NOT NULL DEFAULT now());
                INSERT INTO mds_schema VALUES ('ticks', 1), ('news', 1)",
            );
        }
        let health = work.mdsctl(["health", "--dsn", &store.dsn()]).run();
        let said = format!("{}{}", health.stdout, health.stderr);
        assert!(said.contains("an earlier version") && said.contains("mdsctl schema apply"), "{health}");
    }
}

#[test]
fn articles_that_were_loaded_under_both_ids_are_there_once() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store =
            if sqlite { Store::sqlite(&work) } else { Store::Postgres(Postgres::shared().database()) };
        earlier(&store);
        load(&work, &store, "news", ARTICLES).expect(0);
        assert_eq!(store.count("news"), Some(7), "{store}");
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(store.count("news"), Some(4), "{store}");
        assert_eq!(load(&work, &store, "news", ARTICLES).expect(0).books().unchanged, 3, "{store}");
    }
}

#[test]
fn what_was_added_to_an_older_table_by_hand_stays() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store =
            if sqlite { Store::sqlite(&work) } else { Store::Postgres(Postgres::shared().database()) };
        earlier(&store);
        execute(
            &store,
            "ALTER TABLE ticks ADD COLUMN note text DEFAULT 'seen' CHECK (note <> 'bad');
             CREATE INDEX by_exchange ON ticks (exchange, ts);
             CREATE VIEW last_ticks AS SELECT symbol, max(ts) AS ts, max(exchange) AS exchange FROM ticks GROUP BY symbol;
             CREATE TABLE remarks (id integer PRIMARY KEY, text text);",
        );
        if sqlite {
            execute(
                &store,
                "CREATE TABLE child (symbol TEXT, ts TEXT, trade_id TEXT, vendor TEXT, tenant_id TEXT,
                   FOREIGN KEY (symbol, ts, trade_id, vendor, tenant_id) REFERENCES ticks ON DELETE CASCADE);
                 INSERT INTO child SELECT symbol, ts, trade_id, vendor, tenant_id FROM ticks;
                 CREATE TRIGGER seen AFTER INSERT ON ticks BEGIN INSERT INTO remarks (text) VALUES (new.symbol); END;",
            );
        }
        let before = ticks(&store);
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(key(&store, "ticks"), TICKS_KEY, "{store}");
        assert_eq!(ticks(&store), before, "{store}");
        let notes = store.rows("SELECT DISTINCT note FROM ticks");
        assert_eq!(notes, [[Some("seen".to_owned())]], "{store}");
        assert_eq!(store.rows("SELECT count(*) FROM last_ticks")[0][0].as_deref(), Some("2"), "{store}");
        if let Store::Sqlite(path) = &store {
            assert_eq!(store.count("child"), Some(4));
            assert_eq!(store.count("remarks"), Some(0), "the rows are not new");
            let connection = Connection::open(path).expect("a file");
            let bad = "INSERT INTO ticks (ts, vendor, symbol, trade_id, note) VALUES ('2024-01-01 00:00:00', 'v', 'A', '1', 'bad')";
            assert!(connection.execute_batch(bad).is_err(), "the constraint stays");
            let named = "SELECT count(*) FROM sqlite_schema WHERE name IN ('by_exchange', 'seen')";
            assert_eq!(store.rows(named)[0][0].as_deref(), Some("2"));
        }
    }
}

/// Waits until the program waits for a lock, or for old transactions, with such a statement.
fn waiting(db: &Db, statement: &str, running: &Running) {
    let sql = format!(
        "SELECT pid FROM pg_stat_activity WHERE datname = '{}' AND wait_event_type = 'Lock'
           AND query ILIKE '%{statement}%' AND pid <> pg_backend_pid()",
        db.name()
    );
    wait::until(PATIENCE, &format!("{statement} to wait"), || {
        (!db.rows(&sql).is_empty()).then_some(()).or_else(|| {
            assert!(running.said().is_empty() || !running.said().contains("error"), "{}", running.said());
            None
        })
    });
}

#[test]
fn an_upgrade_that_is_interrupted_at_any_step_is_finished_by_the_next() {
    for signal in [Signal::KILL, Signal::INT] {
        let (work, db) = (Work::new(), Postgres::shared().database());
        let store = Store::Postgres(db.clone());
        earlier(&store);
        let (trades, articles) = (ticks(&store), news(&store));
        let apply = || work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]);
        let stop = |running: Running, sessions: &str| {
            running.signal(signal);
            running.finish_quietly();
            assert_eq!(ticks(&store), trades);
            assert_eq!(news(&store), articles);
            // What the server still does for the one that is gone is not waited for by hand.
            assert!(!key(&store, "ticks").contains("exchange"), "{sessions}");
        };

        // Before anything: a reader has the table.
        let reader = db.session().expect("a session");
        reader.execute("BEGIN; SELECT count(*) FROM ticks");
        let running = apply().spawn();
        waiting(&db, "LOCK TABLE", &running);
        stop(running, "the columns");
        reader.execute("COMMIT");

        // While rows are changed: another one has such a row.
        db.execute("ALTER TABLE ticks ALTER COLUMN exchange SET DEFAULT ''");
        let writer = db.session().expect("a session");
        writer.execute("BEGIN; SELECT * FROM ticks WHERE exchange IS NULL FOR UPDATE");
        let running = apply().spawn();
        waiting(&db, "UPDATE", &running);
        stop(running, "the rows");
        writer.execute("COMMIT");

        // While the index is built: an old transaction is still open.
        let old = db.session().expect("a session");
        old.execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1 FROM pg_class LIMIT 1");
        let running = apply().spawn();
        waiting(&db, "CREATE UNIQUE INDEX CONCURRENTLY", &running);
        stop(running, "the index");
        old.execute("COMMIT");

        // About when the keys change places: where that is over at a look, so be it.
        let mut running = apply().spawn();
        wait::until(PATIENCE, "the index", || {
            if running.has_ended() || key(&store, "ticks").contains("exchange") {
                return Some(());
            }
            let valid = "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
                WHERE c.relname = 'ticks_mds_key' AND i.indisvalid";
            (!db.rows(valid).is_empty()).then_some(())
        });
        if !running.has_ended() {
            running.signal(signal);
        }
        running.finish_quietly();

        apply().run().expect(0);
        assert_eq!((key(&store, "ticks"), key(&store, "news")), (TICKS_KEY.into(), NEWS_KEY.into()));
        assert_eq!(ticks(&store), trades);
        assert_eq!(news(&store), articles);
        let indexes = "SELECT count(*) FROM pg_indexes WHERE tablename IN ('ticks', 'news')";
        assert_eq!(db.value(indexes), "2", "nothing is left over");
        assert_eq!(load(&work, &store, "ticks", TRADES).expect(0).books().unchanged, 4);
        assert_eq!(load(&work, &store, "news", ARTICLES).expect(0).books().unchanged, 3);
    }
}

#[test]
fn kills_at_any_time_leave_every_row() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store =
            if sqlite { Store::sqlite(&work) } else { Store::Postgres(Postgres::shared().database()) };
        earlier(&store);
        let many = match sqlite {
            true => {
                "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 30000)
                 INSERT INTO ticks (ts, ts_ns, vendor, symbol, trade_id, price, size)
                 SELECT '2024-01-05 00:00:00', 0, 'v', 'X', i, i, 1 FROM n"
            }
            false => {
                "INSERT INTO ticks (ts, ts_ns, vendor, symbol, trade_id, price, size)
                 SELECT '2024-01-05 00:00:00+00', 0, 'v', 'X', i, i, 1 FROM generate_series(1, 30000) i"
            }
        };
        execute(&store, many);
        let trades = ticks(&store);
        for round in 0..6 {
            let running = work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).spawn();
            // However far it comes: the more rounds, the later.
            for _ in 0..round * 3 {
                store.count("ticks");
            }
            running.signal(Signal::KILL);
            running.finish_quietly();
            assert_eq!(store.count("ticks"), Some(30_004), "{store}");
        }
        work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).run().expect(0);
        assert_eq!(key(&store, "ticks"), TICKS_KEY);
        assert_eq!(ticks(&store), trades);
    }
}

#[test]
fn two_upgrades_at_the_same_time_both_succeed() {
    for sqlite in [true, false] {
        let work = Work::new();
        let store =
            if sqlite { Store::sqlite(&work) } else { Store::Postgres(Postgres::shared().database()) };
        earlier(&store);
        let trades = ticks(&store);
        let started: Vec<_> =
            (0..3).map(|_| work.mdsctl(["schema", "apply", "--dsn", &store.dsn()]).spawn()).collect();
        for running in started {
            running.finish().expect(0);
        }
        assert_eq!((key(&store, "ticks"), ticks(&store)), (TICKS_KEY.into(), trades), "{store}");
    }
}

#[test]
fn row_level_security_that_binds_the_owner_hides_no_row_from_the_upgrade() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let store = Store::Postgres(db.clone());
    earlier(&store);
    let role = format!("owner_of_{}", db.name());
    db.execute(&format!(
        "CREATE ROLE {role} LOGIN; GRANT ALL ON SCHEMA public TO {role};
         UPDATE ticks SET tenant_id = gen_random_uuid() WHERE trade_id = '2';
         ALTER TABLE ticks OWNER TO {role}; ALTER TABLE news OWNER TO {role};
         ALTER TABLE ticks ENABLE ROW LEVEL SECURITY; ALTER TABLE ticks FORCE ROW LEVEL SECURITY;
         CREATE POLICY mds_tenant ON ticks USING (tenant_id = current_setting('app.tenant_id', true)::uuid)"
    ));
    let trades = ticks(&store);
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn_as(&role)]).run().expect(0);
    assert_eq!((key(&store, "ticks"), ticks(&store)), (TICKS_KEY.into(), trades));
    assert_eq!(db.value("SELECT relforcerowsecurity FROM pg_class WHERE relname = 'ticks'"), "t");
}

#[test]
fn a_partitioned_table_gets_its_key_too() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let store = Store::Postgres(db.clone());
    earlier(&store);
    db.execute(
        "ALTER TABLE ticks RENAME TO ticks_part; ALTER INDEX ticks_pkey RENAME TO ticks_part_pkey;
         CREATE TABLE ticks (LIKE ticks_part INCLUDING DEFAULTS, PRIMARY KEY (symbol, ts, trade_id, vendor, tenant_id))
           PARTITION BY RANGE (ts);
         ALTER TABLE ticks ATTACH PARTITION ticks_part DEFAULT",
    );
    let trades = ticks(&store);
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!((key(&store, "ticks"), ticks(&store)), (TICKS_KEY.into(), trades));
}

#[test]
fn a_tail_goes_on_while_its_table_gets_another_key() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let store = Store::Postgres(db.clone());
    earlier(&store);
    let header = "ts,symbol,trade_id,price,size,exchange\n";
    let line = |i: u64| {
        format!(
            "2024-01-06T00:00:{:02}Z,TAIL,{i},1,1,{}\n",
            i % 60,
            if i.is_multiple_of(2) { "Q" } else { "" }
        )
    };
    let file = work.write("feed.csv", header);
    let append = |from: u64, to: u64| {
        use std::io::Write;
        let mut file = std::fs::OpenOptions::new().append(true).open(&file).expect("a file");
        let lines: String = (from..to).map(line).collect();
        file.write_all(lines.as_bytes()).expect("rows are written");
    };
    let tail = || {
        let options = ["--dataset", "ticks", "--vendor", "v", "--json", "--dsn"];
        work.mdsctl(["tail", &file]).arguments(options).arguments([db.dsn()]).spawn()
    };
    let mut running = tail();
    append(0, 50);
    let tailed = || db.value("SELECT count(*) FROM ticks WHERE symbol = 'TAIL'");
    wait::until(PATIENCE, "the first rows", || (tailed() == "50").then_some(()));
    let apply = work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).spawn();
    append(50, 100);
    apply.finish().expect(0);
    append(100, 150);
    // By another key rows come in another order, so it ends and says so; whoever supervises it starts it
    // again.
    wait::until(PATIENCE, "all rows", || {
        if running.has_ended() {
            let ended = std::mem::replace(&mut running, tail()).finish();
            assert!(ended.stderr.contains("error: "), "{ended}");
        }
        (tailed() == "150").then_some(())
    });
    running.signal(Signal::TERM);
    running.finish();
    assert!(work.dlq(".dlq/ticks.ndjson").is_empty());
    assert_eq!(key(&store, "ticks"), TICKS_KEY);
}

#[test]
fn hypertables_get_their_key_and_compressed_ones_are_refused_with_the_remedy() {
    let Some(server) =
        Postgres::with_timescale("hypertables_get_their_key_and_compressed_ones_are_refused_with_the_remedy")
    else {
        return;
    };
    let (work, db) = (Work::new(), server.database());
    db.execute("CREATE EXTENSION timescaledb");
    let store = Store::Postgres(db.clone());
    earlier(&store);
    let trades = ticks(&store);
    db.execute(
        "SELECT create_hypertable('ticks', 'ts', migrate_data => TRUE, create_default_indexes => FALSE);
         ALTER TABLE ticks SET (timescaledb.compress, timescaledb.compress_segmentby = 'symbol, vendor, tenant_id',
           timescaledb.compress_orderby = 'ts, trade_id');
         SELECT compress_chunk(c) FROM show_chunks('ticks') c",
    );
    let run = work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(2);
    assert!(run.error().contains("decompress_chunk"), "{run}");
    assert_eq!(ticks(&store), trades);
    db.execute("SELECT decompress_chunk(c, true) FROM show_chunks('ticks') AS c");
    work.mdsctl(["schema", "apply", "--dsn", &db.dsn()]).run().expect(0);
    assert_eq!((key(&store, "ticks"), ticks(&store)), (TICKS_KEY.into(), trades));
    let check = work.mdsctl(["schema", "check", "--dsn", &db.dsn()]).run();
    assert!(!check.stdout.contains("ticks"), "{check}");
}
