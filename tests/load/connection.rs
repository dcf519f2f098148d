//! Ways to name a store, and stores that cannot be had.

use std::net::TcpListener;

use crate::generator::fixtures;
use crate::harness::run::{PASSWORD, fixture};
use crate::harness::truth::{assert_same, truth};
use crate::harness::{Postgres, Store, Work};

/// Wrong flags, wrong configuration, wrong credentials.
const USAGE: i32 = 2;
/// The store cannot be reached.
const UNAVAILABLE: i32 = 5;

#[test]
fn without_a_dsn_the_store_is_a_file_in_the_working_directory_and_a_line_says_so() {
    let (work, plan) = (Work::new(), fixtures::bars());
    let run = work.mdsctl(["load", &fixture("bars.parquet")]).run().expect(0);
    assert!(run.stderr.contains("mds.db"), "{run}");
    let store = Store::Sqlite(work.path("mds.db"));
    assert_same(&store.stored(&plan), &truth(&plan), "README's first command");
}

/// Loads with these variables set, `WANTED` and `OTHER` in them replaced by the DSNs of two
/// databases; the rows must be in the wanted one.
fn named_by(variables: &[(&str, &str)], flag: bool) {
    let (work, wanted, other) = (Work::new(), Store::postgres(), Store::postgres());
    let mut program = work.mdsctl(["load", &fixture("bars.parquet")]);
    for (name, value) in variables {
        program = program.env(name, value.replace("WANTED", &wanted.dsn()).replace("OTHER", &other.dsn()));
    }
    if flag {
        program = program.arguments(["--dsn", &wanted.dsn()]);
    }
    let run = program.run().expect(0);
    assert_eq!(wanted.count("bars"), Some(fixtures::bars().rows), "{run}");
    assert_eq!(other.count("bars"), Some(0), "{run}");
    assert!(!work.path("mds.db").exists(), "{run}");
}

#[test]
fn the_store_is_named_by_flag_then_mds_dsn_then_database_url() {
    named_by(&[("MDS_DSN", "OTHER"), ("DATABASE_URL", "OTHER")], true);
    named_by(&[("MDS_DSN", "WANTED"), ("DATABASE_URL", "OTHER")], false);
    named_by(&[("DATABASE_URL", "WANTED"), ("PGDATABASE", "no_such_database")], false);
}

#[test]
fn the_store_is_named_by_the_variables_of_libpq() {
    let (work, server) = (Work::new(), Postgres::shared());
    let db = server.database_with_schema();
    let program = work.mdsctl(["load", &fixture("bars.parquet")]);
    let program = program.env("PGHOST", server.socket_directory()).env("PGPORT", server.port().to_string());
    let run = program.env("PGUSER", "mds").env("PGDATABASE", db.name()).run().expect(0);
    assert_eq!(db.count("bars"), fixtures::bars().rows, "{run}");
    assert!(!work.path("mds.db").exists(), "{run}");
}

#[test]
fn a_key_value_dsn_over_the_socket() {
    let (work, plan) = (Work::new(), fixtures::bars());
    let db = Postgres::shared().database_with_schema();
    work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &db.key_value_dsn()]).run().expect(0);
    assert_same(&Store::Postgres(db).stored(&plan), &truth(&plan), "over the socket");
}

#[test]
fn missing_tables_say_what_to_run() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    for name in ["bars.csv", "ticks.csv", "options.csv", "fundamentals.csv", "news.csv"] {
        let run = work.mdsctl(["load", &fixture(name), "--dsn", &db.dsn()]).run().expect(USAGE);
        assert!(run.error().contains("run: mdsctl schema apply"), "{run}");
    }
    let tables =
        "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
    assert_eq!(db.value(tables), "0", "load makes no tables");
}

#[test]
fn a_dsn_that_is_none() {
    for dsn in ["postgres://[", "mysql://root@localhost/x", "host", "postgres://u@h:notaport/d", ""] {
        let work = Work::new();
        let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", dsn]).run().expect(USAGE);
        assert!(run.error().contains("dsn") || run.error().contains("DSN"), "{dsn}: {run}");
        assert!(!work.path("mds.db").exists(), "{dsn}: {run}");
    }
}

#[test]
fn a_dsn_that_is_none_does_not_show_its_password() {
    for dsn in [
        format!("postgres://u:{PASSWORD}@h:notaport/d"),
        format!("postgress://u:{PASSWORD}@h/d"),
        format!("host=h password={PASSWORD} port=x"),
        format!("password='{PASSWORD}"),
        format!("passwort={PASSWORD} host=h"),
        format!("host=127.0.0.1;port=1;password={PASSWORD}"),
        format!("Host=h;Port=1;Username=u;Password={PASSWORD};Database=m"),
        format!("Server=h; User Id=u; Pwd={PASSWORD};"),
    ] {
        let work = Work::new();
        // That no output shows the password is checked of every run.
        work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &dsn]).run().expect(USAGE).error();
        work.mdsctl(["load", &fixture("bars.csv"), "-v"]).env("MDS_DSN", dsn).run().expect(USAGE).error();
    }
}

#[test]
fn a_server_that_is_not_there() {
    let port = {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
        listener.local_addr().expect("its address").port()
    };
    let work = Work::new();
    let dsn = format!("postgres://u:{PASSWORD}@127.0.0.1:{port}/d?connect_timeout=2");
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &dsn]).run().expect(UNAVAILABLE);
    assert!(run.error().contains("127.0.0.1"), "says which server: {run}");
    assert!(run.error().contains(&port.to_string()), "says which server: {run}");
    assert!(!work.path(".dlq").exists(), "an outage is no fault of the rows");
}

#[test]
fn something_that_is_no_postgresql() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let port = listener.local_addr().expect("its address").port();
    let server = std::thread::spawn(move || {
        use std::io::Write;
        // Whoever comes is told about the weather.
        while let Ok((mut stream, _)) = listener.accept() {
            if stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").is_err() {
                continue;
            }
        }
    });
    let work = Work::new();
    let dsn = format!("postgres://u@127.0.0.1:{port}/d?connect_timeout=2");
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &dsn]).run();
    assert!([USAGE, UNAVAILABLE].contains(&run.code), "{run}");
    assert!(run.error().contains(&port.to_string()), "{run}");
    drop(server);
}

#[test]
fn a_database_or_a_role_that_does_not_exist() {
    let (work, db) = (Work::new(), Postgres::shared().database());
    let dsn = db.dsn().replace(db.name(), "no_such_database");
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &dsn]).run().expect(USAGE);
    assert!(run.error().contains("no_such_database"), "{run}");
    let run =
        work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &db.dsn_as("no_such_role")]).run().expect(USAGE);
    assert!(run.error().contains("no_such_role"), "{run}");
}

#[test]
fn a_wrong_password_and_a_right_one() {
    let server = Postgres::private();
    let db = server.database_with_schema();
    db.execute(&format!(
        "CREATE ROLE loader LOGIN PASSWORD '{PASSWORD}'; GRANT ALL ON ALL TABLES IN SCHEMA public TO loader;
         GRANT USAGE, CREATE ON SCHEMA public TO loader"
    ));
    server.require_password("loader");
    let (work, plan, path) = (Work::new(), fixtures::bars(), fixture("bars.csv"));
    // The server takes a moment to ask for one.
    crate::harness::wait::until(
        std::time::Duration::from_secs(20),
        "the server to ask for a password",
        || {
            let rule = "SELECT 1 FROM pg_hba_file_rules WHERE user_name = '{loader}' AND error IS NULL";
            let psql = crate::harness::programs::PROGRAMS
                .command("psql", server.socket_directory())
                .args(["-X", "-w", "-c", rule, &db.dsn_as("loader")])
                .output();
            (!psql.expect("psql starts").status.success()).then_some(())
        },
    );

    let wrong = db.dsn_as(&format!("loader:not-{PASSWORD}"));
    let run = work.mdsctl(["load", &path, "--dsn", &wrong, "-v"]).run().expect(USAGE);
    assert!(run.error().contains("password"), "{run}");
    assert!(run.error().contains("loader"), "{run}");
    let run = work.mdsctl(["load", &path, "--dsn", &db.dsn_as("loader")]).run().expect(USAGE);
    assert!(run.error().contains("password"), "none given: {run}");
    assert_eq!(db.count("bars"), 0);

    let right = db.dsn_as(&format!("loader:{PASSWORD}"));
    let run = work.mdsctl(["load", &path, "--dsn", &right, "--json", "-v"]).run().expect(0);
    assert_eq!(run.books().inserted, plan.rows, "{run}");
    let run = work.mdsctl(["load", &path, "--dsn", &db.dsn_as("loader")]).env("PGPASSWORD", PASSWORD).run();
    run.expect(0);
    assert_same(&Store::Postgres(db).stored(&plan), &truth(&plan), "with the password");
}

#[test]
fn a_role_that_may_not_write_is_told_so() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    db.execute("CREATE ROLE reader_only LOGIN; GRANT SELECT ON bars TO reader_only");
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &db.dsn_as("reader_only")]).run();
    let run = run.expect(USAGE);
    assert!(run.error().contains("bars"), "{run}");
    assert!(!work.path(".dlq").exists(), "no fault of the rows: {run}");
    db.execute("DROP OWNED BY reader_only; DROP ROLE reader_only");
}

#[test]
fn an_embedded_store_that_cannot_be_opened() {
    let work = Work::new();
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", "sqlite:no/such/directory/x.db"]).run();
    assert!([USAGE, UNAVAILABLE].contains(&run.code), "{run}");
    assert!(run.error().contains("no/such/directory/x.db"), "{run}");
    let path = work.write("notes.db", "these are notes, and they are dear to somebody. ".repeat(100));
    let run = work.mdsctl(["load", &fixture("bars.csv"), "--dsn", "sqlite:notes.db"]).run();
    assert!([USAGE, UNAVAILABLE].contains(&run.code), "{run}");
    assert!(run.error().contains("notes.db"), "{run}");
    assert!(std::fs::read_to_string(path).expect("the notes").starts_with("these are notes"));
}
