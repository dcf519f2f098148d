//! What names the store: the flag, its variables, the configuration file, and then the variables of libpq.

use crate::harness::{Store, Work};

const ROW: &str =
    "ts,vendor,symbol,timeframe,open,high,low,close,volume\n2024-01-02T10:00:00Z,v,A,1m,1,1,1,1,1\n";

#[test]
fn database_url_goes_before_the_dsn_of_the_configuration_file() {
    for (flag, mds_dsn, database_url, wanted) in [
        (None, None, Some("c.db"), "c.db"),
        (None, Some("b.db"), Some("c.db"), "b.db"),
        (Some("a.db"), Some("b.db"), Some("c.db"), "a.db"),
        (None, None, Some(""), "d.db"),
        (None, None, None, "d.db"),
    ] {
        for section in ["", "[load]\n"] {
            let work = Work::new();
            work.write("mdsctl.toml", format!("{section}dsn = \"sqlite:d.db\"\n"));
            let mut program = work.mdsctl(["load", "-"]).stdin(ROW);
            if let Some(name) = flag {
                program = program.arguments([format!("--dsn=sqlite:{name}")]);
            }
            for (variable, name) in [("MDS_DSN", mds_dsn), ("DATABASE_URL", database_url)] {
                if let Some(name) = name {
                    let url = if name.is_empty() { String::new() } else { format!("sqlite:{name}") };
                    program = program.env(variable, url);
                }
            }
            // What libpq knows adds to a DSN, and names the store only where there is none.
            let run = program.env("PGDATABASE", "no_such_database").run().expect(0);
            for name in ["a.db", "b.db", "c.db", "d.db"] {
                assert_eq!(work.path(name).exists(), name == wanted, "{wanted}, {name}: {run}");
            }
            assert_eq!(Store::Sqlite(work.path(wanted)).count("bars"), Some(1), "{run}");
        }
    }
}

#[test]
fn help_names_the_stores_in_the_order_in_which_they_are_taken() {
    let run = Work::new().mdsctl(["load", "--help"]).run().expect(0);
    let text = run.stdout.split_whitespace().collect::<Vec<_>>().join(" ");
    let order = "MDS_DSN, DATABASE_URL, dsn of the configuration file, then what PGSERVICE";
    assert!(text.contains(order), "{run}");
}
