//! Passwords and services from their files, sockets, several hosts.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::sync::LazyLock;

use super::{UNAVAILABLE, USAGE};
use crate::generator::fixtures;
use crate::harness::postgres::free_port;
use crate::harness::run::{Mdsctl, PASSWORD, fixture};
use crate::harness::{Db, Postgres, Run, Work};

/// A server that lets the role `loader` in with its password only.
static GUARDED: LazyLock<Postgres> = LazyLock::new(|| {
    let server = Postgres::prepared("", |data| {
        let path = data.join("pg_hba.conf");
        let rules = fs::read_to_string(&path).expect("pg_hba.conf");
        let ours = "host all loader all scram-sha-256\nlocal all loader scram-sha-256\n";
        fs::write(&path, format!("{ours}{rules}")).expect("pg_hba.conf");
    });
    server.db("postgres").execute(&format!("CREATE ROLE loader LOGIN SUPERUSER PASSWORD '{PASSWORD}'"));
    server
});

/// A load of the fixture.
fn load(work: &Work, dsn: &str) -> Mdsctl {
    work.mdsctl(["load", &fixture("bars.csv"), "--json", "--dsn", dsn])
}

/// Fails unless the load has stored everything.
fn stored(run: Run, db: &Db) {
    let run = run.expect(0);
    assert_eq!(db.count("bars"), fixtures::bars().rows, "{run}");
    db.execute("TRUNCATE bars");
}

/// Writes a file with that mode.
fn write(work: &Work, name: &str, text: &str, mode: u32) -> String {
    let path = work.write(name, text);
    fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("its mode");
    path
}

#[test]
fn a_password_from_the_password_file() {
    let (work, db) = (Work::new(), GUARDED.database_with_schema());
    let (dsn, port) = (db.dsn_as("loader"), GUARDED.port());
    let right = format!("# ours\nelsewhere:*:*:*:no\n127.0.0.1:{port}:*:loader:{PASSWORD}\n*:*:*:*:no\n");
    let file = write(&work, "home/.pgpass", &right, 0o600);
    stored(load(&work, &dsn).run(), &db);

    // The variable goes before the usual file, the parameter before that, and a password before all.
    let wrong = write(&work, "wrong", &right.replace(PASSWORD, "wrong"), 0o600);
    let run = load(&work, &dsn).env("PGPASSFILE", &wrong).run().expect(USAGE);
    assert!(run.error().contains(&format!("(the password is the one in {wrong})")), "{run}");
    stored(load(&work, &format!("{dsn}?passfile={file}")).env("PGPASSFILE", &wrong).run(), &db);
    stored(load(&work, &dsn).env("PGPASSFILE", &wrong).env("PGPASSWORD", PASSWORD).run(), &db);

    // Over the socket the host is its directory.
    let socket = GUARDED.socket_directory().display();
    let file = write(&work, "socket", &format!("{socket}:*:{}:loader:{PASSWORD}\n", db.name()), 0o400);
    let dsn = format!("host={socket} port={port} user=loader dbname={}", db.name());
    stored(load(&work, &dsn).env("PGPASSFILE", file).run(), &db);
}

#[test]
fn a_password_file_that_others_may_read_is_ignored_with_a_warning() {
    let (work, db) = (Work::new(), GUARDED.database());
    let dsn = db.dsn_as("loader");
    let line = format!("*:*:*:*:{PASSWORD}\n");
    for mode in [0o640, 0o604] {
        let file = write(&work, "home/.pgpass", &line, mode);
        let run = load(&work, &dsn).run().expect(USAGE);
        let warnings: Vec<&str> = run.stderr.lines().filter(|l| l.contains("is ignored")).collect();
        assert!(matches!(*warnings, [w] if w.contains(&format!("chmod 600 {file}"))), "{run}");
        assert!(run.error().contains("asks for a password; give it in"), "{run}");
    }
    // One that is not there is nothing to speak of.
    let run = load(&work, &dsn).env("PGPASSFILE", "nowhere").run().expect(USAGE);
    assert!(!run.stderr.contains("ignored") && run.error().contains("~/.pgpass"), "{run}");
    let run = load(&work, &dsn).env("PGPASSFILE", "home").run().expect(USAGE);
    assert!(run.stderr.contains("it is not a plain file"), "{run}");
}

#[test]
fn a_service_names_the_server() {
    let (work, db) = (Work::new(), GUARDED.database_with_schema());
    let (socket, port, name) = (GUARDED.socket_directory().display(), GUARDED.port(), db.name());
    let service = format!(
        "[other]\nhost=nowhere\n\n# ours\n[market]\nhost={socket}\nport={port}\nuser=loader\n\
         dbname={name}\npassword={PASSWORD}\n[market]\nnonsense\n"
    );
    let home = work.write("home/.pg_service.conf", &service);
    stored(load(&work, "service=market").run(), &db);
    let run = work.mdsctl(["load", &fixture("bars.csv")]).env("PGSERVICE", "market").run();
    assert!(!work.path("mds.db").exists(), "{run}");
    stored(run, &db);
    // The text goes before the service, and that before the variables.
    let dsn = format!("service=market dbname={name}");
    let wrong = service.replace(name, "no_such_database");
    work.write("home/.pg_service.conf", wrong);
    stored(load(&work, &dsn).env("PGPORT", "1").env("PGUSER", "nobody").run(), &db);
    stored(load(&work, &format!("postgres:///{name}?service=market")).run(), &db);
    let run = load(&work, "service=market").env("PGDATABASE", name).run().expect(USAGE);
    assert!(run.error().contains("no_such_database"), "{run}");

    // Without the user's own file, the system's.
    fs::remove_file(home).expect("it goes");
    work.write("etc/pg_service.conf", &service);
    stored(load(&work, "service=market").env("PGSYSCONFDIR", "etc").run(), &db);
    let own = work.write("own", "[mine]\nhost=nowhere\n");
    stored(load(&work, "service=market").env("PGSYSCONFDIR", "etc").env("PGSERVICEFILE", own).run(), &db);

    let run = load(&work, "service=markets").env("PGSYSCONFDIR", "etc").run().expect(USAGE);
    assert!(run.error().contains("service markets is not known: it is not in etc/pg_service.conf"), "{run}");
    let run = load(&work, "service=market").env("PGSYSCONFDIR", "nowhere").run().expect(USAGE);
    assert!(run.error().contains("write one to") && run.error().contains(".pg_service.conf"), "{run}");
    work.write("etc/pg_service.conf", format!("[market]\n{PASSWORD}\n"));
    let run = load(&work, "service=market").env("PGSYSCONFDIR", "etc").run().expect(USAGE);
    assert!(run.error().contains("etc/pg_service.conf line 2"), "{run}");
}

#[test]
fn sockets_in_all_their_spellings() {
    let (work, server) = (Work::new(), Postgres::shared());
    let db = server.database_with_schema();
    let (port, name) = (server.port(), db.name());
    let directory = server.socket_directory().to_str().expect("a path of UTF-8");
    let hidden = server.abstract_socket();
    for dsn in [
        format!("host={directory} port={port} user=mds dbname={name}"),
        format!("postgres://mds@{}:{port}/{name}", directory.replace('/', "%2F")),
        format!("postgresql://mds@:{port}/{name}?host={directory}"),
        format!("host={hidden} port={port} user=mds dbname={name}"),
        format!("postgres://mds@{}:{port}/{name}?sslmode=require", hidden.replace('@', "%40")),
    ] {
        stored(load(&work, &dsn).run(), &db);
    }
    let program = work.mdsctl(["load", &fixture("bars.csv")]).env("PGHOST", hidden).env("PGUSER", "mds");
    stored(program.env("PGPORT", port.to_string()).env("PGDATABASE", name).run(), &db);
    let run = load(&work, &format!("host={directory} port=1 user=mds")).run().expect(UNAVAILABLE);
    assert!(run.error().contains(&directory.replace('/', "%2F")), "{run}");
}

#[test]
fn hosts_that_are_away_are_passed_by() {
    let (work, server) = (Work::new(), Postgres::shared());
    let db = server.database_with_schema();
    let (port, name, dead) = (server.port(), db.name(), free_port());
    stored(load(&work, &format!("postgres://mds@127.0.0.1:{dead},127.0.0.1:{port}/{name}")).run(), &db);
    let random = "load_balance_hosts=random";
    stored(
        load(&work, &format!("host=127.0.0.1,127.0.0.1 port={port},{dead} user=mds dbname={name} {random}"))
            .run(),
        &db,
    );
    stored(
        load(&work, &format!("host=nowhere.invalid,127.0.0.1 port={port} user=mds dbname={name}")).run(),
        &db,
    );
    // One that takes the connection and says nothing.
    let silent = TcpListener::bind(("127.0.0.1", 0)).expect("a port");
    let mute = silent.local_addr().expect("its address").port();
    let dsn = format!("postgres://mds@127.0.0.1:{mute},127.0.0.1:{port}/{name}?connect_timeout=1");
    stored(load(&work, &dsn).run(), &db);

    let run = load(&work, &format!("postgres://mds@127.0.0.1:{dead},nowhere.invalid:{dead}/{name}")).run();
    let run = run.expect(UNAVAILABLE);
    assert!(run.error().contains(&format!("127.0.0.1:{dead}/{name}: ")), "{run}");
    assert!(run.error().contains(&format!("; nor to nowhere.invalid:{dead}: ")), "{run}");
}

#[test]
fn a_host_that_refuses_us_ends_the_search() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let (guarded, open, name) = (GUARDED.port(), Postgres::shared().port(), db.name());
    // The second one would let that role in without a password.
    db.execute("CREATE ROLE loader LOGIN SUPERUSER");
    let dsn = format!("postgres://loader:wrong@127.0.0.1:{guarded},127.0.0.1:{open}/{name}");
    let run = load(&work, &dsn).run().expect(USAGE);
    assert!(run.error().contains("password") && run.error().contains(&guarded.to_string()), "{run}");
    assert_eq!(db.count("bars"), 0, "{run}");
    db.execute("DROP ROLE loader");
}

#[test]
fn parameters_that_cannot_be_followed_are_refused() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let run = load(&work, &db.dsn()).env("PGSSLCRL", "revoked.crl").run().expect(USAGE);
    assert!(run.error().contains("PGSSLCRL") && run.error().contains("revoked"), "{run}");
    let run = load(&work, &format!("{}?requirepeer=postgres", db.dsn())).run().expect(USAGE);
    assert!(run.error().contains("requirepeer"), "{run}");
    stored(
        load(&work, &db.dsn()).env("PGGSSENCMODE", "disable").env("PGCLIENTENCODING", "LATIN1").run(),
        &db,
    );
}
