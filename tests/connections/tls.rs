//! TLS from `disable` to `verify-full`, with authorities of our own.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::LazyLock;

use super::USAGE;
use crate::generator::fixtures;
use crate::harness::authority::{Authority, Identity};
use crate::harness::postgres::write_private;
use crate::harness::run::{Mdsctl, PASSWORD, fixture};
use crate::harness::{Db, Postgres, Run, Work};

/// A server with a certificate for `db.example`, and whom it believes.
struct Secured {
    server: Postgres,
    authority: Authority,
    another: Authority,
}

/// Who may come, and how.
const RULES: &str = "\
hostssl all loader all scram-sha-256
hostssl all by_cert all cert
hostnossl all no_tls all trust
hostssl all no_tls all reject
hostssl all tls_only all trust
hostnossl all tls_only all reject
local all mds trust
";

static SECURED: LazyLock<Secured> = LazyLock::new(|| {
    let authority = Authority::new("ours");
    let server = authority.certify("a database", &["db.example", "127.0.0.1"]);
    let settings = "ssl = on\nssl_ca_file = 'ca.crt'\n";
    let server = Postgres::prepared(settings, |data| {
        write_private(&data.join("server.crt"), &server.cert);
        write_private(&data.join("server.key"), &server.key);
        write_private(&data.join("ca.crt"), &authority.pem);
        write_private(&data.join("pg_hba.conf"), RULES);
    });
    let roles = ["by_cert", "no_tls", "tls_only"].map(|role| format!("CREATE ROLE {role} LOGIN SUPERUSER;"));
    server
        .db("postgres")
        .execute(&format!("CREATE ROLE loader LOGIN SUPERUSER PASSWORD '{PASSWORD}'; {}", roles.concat()));
    Secured { server, authority, another: Authority::new("another") }
});

/// A database with a table for the fixture, made over the socket.
fn database() -> Db {
    let db = SECURED.server.database();
    Work::new().mdsctl(["schema", "apply", "--dsn", &db.key_value_dsn()]).run().expect(0);
    db
}

/// A load as that role from a host of that name, which is always this machine.
fn load(work: &Work, db: &Db, role: &str, host: &str, more: &str) -> Mdsctl {
    let (port, name) = (SECURED.server.port(), db.name());
    let dsn = format!("host={host} hostaddr=127.0.0.1 port={port} user={role} dbname={name} {more}");
    work.mdsctl(["load", &fixture("bars.csv"), "--json", "--dsn", &dsn])
}

/// Fails unless the load has stored everything.
fn stored(run: Run, db: &Db) {
    let run = run.expect(0);
    assert_eq!(db.count("bars"), fixtures::bars().rows, "{run}");
    db.execute("TRUNCATE bars");
}

/// Writes a certificate and its key for the program.
fn write(work: &Work, identity: &Identity, cert: &str, key: &str) {
    work.write(cert, &identity.cert);
    let key = work.write(key, &identity.key);
    fs::set_permissions(Path::new(&key), fs::Permissions::from_mode(0o600)).expect("its mode");
}

#[test]
fn tls_as_much_as_is_asked_for() {
    let (work, db) = (Work::new(), database());
    for mode in ["allow", "prefer", "require"] {
        stored(load(&work, &db, "tls_only", "any.example", &format!("sslmode={mode}")).run(), &db);
    }
    let run = load(&work, &db, "tls_only", "any.example", "sslmode=disable").run().expect(USAGE);
    assert!(run.error().contains("tls_only") && run.error().contains("no encryption"), "{run}");
    for mode in ["disable", "allow", "prefer"] {
        stored(load(&work, &db, "no_tls", "any.example", &format!("sslmode={mode}")).run(), &db);
    }
    load(&work, &db, "no_tls", "any.example", "sslmode=require").run().expect(USAGE);
    stored(load(&work, &db, "tls_only", "db.example", "").env("PGSSLMODE", "require").run(), &db);
    for (least, most, code) in
        [("TLSv1.3", "TLSv1.3", 0), ("TLSv1", "TLSv1.2", 0), ("TLSv1", "TLSv1.1", USAGE)]
    {
        let versions = format!("ssl_min_protocol_version={least} ssl_max_protocol_version={most}");
        load(&work, &db, "tls_only", "db.example", &versions).run().expect(code);
    }

    // A server that has no TLS at all.
    let plain = Postgres::shared().database_with_schema();
    let run =
        work.mdsctl(["load", &fixture("bars.csv"), "--dsn", &format!("{}?sslmode=require", plain.dsn())]);
    let run = run.run().expect(USAGE);
    assert!(run.error().contains("does not support TLS"), "{run}");
}

#[test]
fn the_server_is_verified_by_its_authority_and_its_name() {
    let (work, db) = (Work::new(), database());
    work.write("ca.crt", &SECURED.authority.pem);
    work.write("another.crt", &SECURED.another.pem);
    for (mode, root, host, wanted) in [
        ("verify-full", "ca.crt", "db.example", ""),
        ("verify-full", "ca.crt", "127.0.0.1", ""),
        ("verify-full", "ca.crt", "other.example", "not for other.example but for "),
        ("verify-full", "another.crt", "db.example", "no authority that we trust"),
        ("verify-ca", "ca.crt", "other.example", ""),
        ("verify-ca", "another.crt", "db.example", "no authority that we trust"),
        // As in libpq, a file with authorities makes more of it.
        ("require", "another.crt", "db.example", "no authority that we trust"),
        ("require", "ca.crt", "other.example", ""),
        ("prefer", "another.crt", "other.example", ""),
        ("verify-full", "none.crt", "db.example", "none.crt"),
        ("verify-full", "/dev/zero", "db.example", "it has more than 16 MiB"),
    ] {
        let run = load(&work, &db, "tls_only", host, &format!("sslmode={mode} sslrootcert={root}")).run();
        if wanted.is_empty() {
            stored(run, &db);
        } else {
            let run = run.expect(USAGE);
            assert!(run.error().contains(wanted), "{mode} {root} {host}: {run}");
            assert!(!work.path(".dlq").exists(), "{run}");
        }
    }
    let run = load(&work, &db, "tls_only", "db.example", "sslmode=verify-full").run().expect(USAGE);
    assert!(run.error().contains("root.crt") && run.error().contains("sslrootcert"), "{run}");
    work.write("home/.postgresql/root.crt", &SECURED.authority.pem);
    stored(load(&work, &db, "tls_only", "db.example", "sslmode=verify-full").run(), &db);
}

#[test]
fn the_authorities_of_the_system() {
    let (work, db) = (Work::new(), database());
    let (ours, others) =
        (work.write("ca.crt", &SECURED.authority.pem), work.write("b.crt", &SECURED.another.pem));
    let load = |host, file: &str| {
        load(&work, &db, "tls_only", host, "sslrootcert=system").env("SSL_CERT_FILE", file).run()
    };
    stored(load("db.example", &ours), &db);
    let run = load("other.example", &ours).expect(USAGE);
    assert!(run.error().contains("not for other.example"), "verify-full by itself: {run}");
    let run = load("db.example", &others).expect(USAGE);
    assert!(run.error().contains("no authority that we trust"), "{run}");
}

#[test]
fn a_certificate_of_our_own_instead_of_a_password() {
    let (work, db) = (Work::new(), database());
    write(&work, &SECURED.authority.certify("by_cert", &[]), "me.crt", "me.key");
    write(&work, &SECURED.authority.certify("somebody", &[]), "them.crt", "them.key");
    let mine = "sslmode=require sslcert=me.crt sslkey=me.key";
    stored(load(&work, &db, "by_cert", "db.example", mine).run(), &db);

    let run = load(&work, &db, "by_cert", "db.example", "sslmode=require").run().expect(USAGE);
    assert!(run.error().contains("certificate"), "{run}");
    let run = load(&work, &db, "by_cert", "db.example", &format!("{mine} sslcertmode=disable")).run();
    run.expect(USAGE);
    let theirs = "sslmode=require sslcert=them.crt sslkey=them.key";
    let run = load(&work, &db, "by_cert", "db.example", theirs).run().expect(USAGE);
    assert!(run.error().contains("by_cert"), "{run}");
    let mixed = "sslmode=require sslcert=me.crt sslkey=them.key";
    let run = load(&work, &db, "by_cert", "db.example", mixed).run().expect(USAGE);
    assert!(run.error().contains("me.crt"), "{run}");

    // libpq's usual places.
    write(
        &work,
        &SECURED.authority.certify("by_cert", &[]),
        "home/.postgresql/postgresql.crt",
        "home/.postgresql/postgresql.key",
    );
    stored(load(&work, &db, "by_cert", "db.example", "").run(), &db);
    let key = work.path("home/.postgresql/postgresql.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o644)).expect("its mode");
    let run = load(&work, &db, "by_cert", "db.example", "").run().expect(USAGE);
    assert!(run.error().contains("chmod 600"), "{run}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).expect("its mode");
    work.write(
        "home/.postgresql/postgresql.key",
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
    );
    let run = load(&work, &db, "by_cert", "db.example", "").run().expect(USAGE);
    assert!(run.error().contains("not encrypted"), "{run}");
}

#[test]
fn a_password_bound_to_the_channel() {
    let (work, db) = (Work::new(), database());
    let load = |more: &str| {
        load(&work, &db, "loader", "db.example", &format!("sslmode=require {more}"))
            .env("PGPASSWORD", PASSWORD)
    };
    for binding in ["require", "prefer", "disable"] {
        stored(load(&format!("channel_binding={binding}")).run(), &db);
    }
    let wrong = load(&format!("channel_binding=require password=not-{PASSWORD}")).arguments(["-v"]);
    let run = wrong.run().expect(USAGE);
    assert!(run.error().contains("password authentication failed"), "{run}");
    let run = load("channel_binding=require user=tls_only").run().expect(USAGE);
    assert!(run.error().contains("channel binding"), "the server asked for nothing: {run}");
}
