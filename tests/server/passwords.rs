//! Passwords in connection strings: never shown, and what has to be written in another way is said.

use crate::harness::{Postgres, Work};

#[test]
fn a_password_that_is_not_encoded_is_neither_shown_nor_taken_for_a_host() {
    let port = Postgres::shared().port();
    let work = Work::new();
    let path = work.write("a.csv", "id,v\n1,1\n");
    for password in ["se@cr#et", "secr/et", "secr?et", "100%pure", "1234/et", "se@cret/x", "a@b@c"] {
        for scheme in ["postgres", "postgresql", "postgresql+psycopg"] {
            let dsn = format!("{scheme}://me:{password}@127.0.0.1:{port}/nothing");
            let flags = ["load", &path, "--table", "t", "--max-outage", "2s", "--dsn", &dsn];
            let run = work.mdsctl(flags).run().expect(2);
            for part in ["secr", "cr#et", "cret", "pure", "1234", "/et", "a@b", "b@c"] {
                let shown = [&run.stderr, &run.stdout].iter().any(|said| said.contains(part));
                assert!(!shown || !password.contains(part), "{password} shows {part}: {run}");
            }
            assert!(run.error().contains("%40") || run.error().contains("%25"), "{password}: {run}");
        }
    }
}

#[test]
fn the_drivers_of_sqlalchemy_are_taken() {
    let db = Postgres::shared().database();
    db.execute("CREATE TABLE t (id int PRIMARY KEY, v int)");
    let work = Work::new();
    let path = work.write("a.csv", "id,v\n1,1\n");
    let plain = db.dsn();
    let rest = plain.split_once("://").map(|(_, rest)| rest).expect("a URL");
    for scheme in ["postgresql+psycopg", "postgresql+psycopg2", "postgresql+asyncpg", "postgres+pg8000"] {
        let dsn = format!("{scheme}://{rest}");
        work.mdsctl(["load", &path, "--table", "t", "--force", "--dsn", &dsn]).run().expect(0);
    }
    let run =
        work.mdsctl(["load", &path, "--table", "t", "--dsn", "mysql+pymysql://me:x@h/d"]).run().expect(2);
    assert!(run.error().contains("store that can be loaded into"), "{run}");
}
