//! `mdsctl runs`, and the rows that other programs read: what the store remembers of loads.

mod alone;
mod jobs;
mod of_before;
mod taken_over;

use rustix::process::Signal;

use crate::harness::{Run, Store, Work, wait};

const CSV: &str = "ts,vendor,symbol,timeframe,open,high,low,close,volume\n\
    2024-03-04T14:30:00Z,acme,AAPL,1m,1,1,1,1,1\n\
    2024-03-04T14:31:00Z,acme,AAPL,1m,1,1,1,1,1\n\
    2024-03-04T14:32:00Z,acme,AAPL,1m,1,1,1,x,1\n";

/// The output without what is another in every run.
fn normalised(text: &str) -> String {
    let text = text.replace("public.bars", "bars").replace("load bars into bars", "load into bars");
    text.lines().map(line).collect::<Vec<_>>().join("\n")
}

fn line(text: &str) -> String {
    let word = |word: &str| -> String {
        let hex = word.len() >= 12 && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
        let (digits, marks) = (word.chars().filter(char::is_ascii_digit).count(), word.chars().count());
        match word {
            _ if hex && word.len() == 36 => "ID-OF-A-RUN".into(),
            _ if hex && word.len() == 13 => "SHORT-ID-RUN.".into(),
            _ if hex => "FINGERPRINT".into(),
            _ if digits == 8 && marks == 10 && word.contains('-') => "YYYY-MM-DD".into(),
            _ if word.contains(':') && digits + 1 == marks => {
                word.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect()
            }
            _ => word.into(),
        }
    };
    let text = text.split(' ').map(word).collect::<Vec<_>>().join(" ");
    if let Some((head, _)) = text.split_once("took ") {
        return format!("{head}took SOME");
    }
    if text.starts_with("process ") {
        return "process    SOME".into();
    }
    text
}

fn runs(work: &Work, store: &Store, arguments: &[&str]) -> Run {
    work.mdsctl(["runs", "--dsn", &store.dsn()]).arguments(arguments.iter().copied()).run()
}

#[test]
fn the_history_and_one_run_of_it() {
    for kind in ["sqlite", "postgres"] {
        let work = Work::new();
        let store = if kind == "sqlite" { Store::sqlite(&work) } else { Store::postgres() };
        let shown = |run: Run| normalised(&run.expect(0).stdout);
        assert!(shown(runs(&work, &store, &[])).starts_with("no runs in"), "{store}");
        work.write("bars.csv", CSV);
        work.mdsctl(["load", "bars.csv", "--dsn", &store.dsn()]).run().expect(3);
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let program =
            work.mdsctl(["load", "-", "--dataset", "bars", "--source-id", "feed", "--dsn", &store.dsn()]);
        let mut running = program.pipe(reader).spawn();
        wait::until(wait::PATIENCE, "the second run in the history", || {
            assert!(!running.has_ended(), "{store}: {}", running.said());
            (store.count("mds_runs") == Some(2)).then_some(())
        });
        let living = shown(runs(&work, &store, &["--limit", "1"]));
        assert!(living.ends_with("running"), "{living}");
        running.signal(Signal::KILL);
        running.finish_quietly();
        drop(writer);
        work.mdsctl(["load", "bars.csv", "--dsn", &store.dsn()]).run().expect(3);
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(runs(&work, &store, &[])), @r"
            RUN            STARTED (UTC)     TOOK  TABLE  ROWS  REJECTED  ENDED
            SHORT-ID-RUN.  YYYY-MM-DD 00:00  0:00  bars      3         1  rejects
            SHORT-ID-RUN.  YYYY-MM-DD 00:00  0:00  bars      0         0  interrupted
            SHORT-ID-RUN.  YYYY-MM-DD 00:00  0:00  bars      3         1  rejects
            ");
        }
        let ids = store.rows("SELECT run_id FROM mds_runs ORDER BY run_id");
        let id = |at: usize| ids[at][0].clone().expect("an id");
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(runs(&work, &store, &[&id(0)[..14]])), @r"
            run        ID-OF-A-RUN
            what       load into bars
            started    YYYY-MM-DD 00:00 UTC, took SOME
            ended      rejects, exit code 3
            rows       3 read = 2 inserted + 1 rejected
            inputs     bars.csv, 186 B, fingerprint FINGERPRINT
            process    SOME
            ");
        }
        insta::allow_duplicates! {
            insta::assert_snapshot!(shown(runs(&work, &store, &[&id(1)])), @r"
            run        ID-OF-A-RUN
            what       load into bars
            started    YYYY-MM-DD 00:00 UTC, took SOME
            ended      interrupted
            rows       not known: it vanished before it could say
            inputs     -, known as feed
            process    SOME
            next       the same command with --resume goes on where it stopped
            ");
        }
        let all = runs(&work, &store, &["--json", "--limit", "2"]).expect(0).json();
        let all = &all["runs"];
        assert_eq!(all.as_array().map(Vec::len), Some(2), "{all}");
        assert_eq!((&all[0]["run_id"], &all[0]["status"]), (&id(2).into(), &"rejects".into()), "{all}");
        assert_eq!((&all[1]["run_id"], &all[1]["status"]), (&id(1).into(), &"interrupted".into()), "{all}");
        assert_eq!((&all[0]["rows"]["read"], &all[0]["rows"]["rejected"]), (&3.into(), &1.into()), "{all}");
        let one = runs(&work, &store, &["--json", &id(0)]).expect(0).json();
        assert_eq!(one["exit_code"], 3, "{one}");

        let none = runs(&work, &store, &["ffffffff"]).expect(2);
        assert!(none.error().contains("no run"), "{none}");
        let many = runs(&work, &store, &["0"]).expect(2);
        assert!(many.error().contains("more than one"), "{many}");
    }
}

#[test]
fn a_store_without_history() {
    let work = Work::new();
    let store = Store::sqlite(&work);
    let run = runs(&work, &store, &["--json"]).expect(0);
    assert_eq!(run.json()["runs"], serde_json::json!([]), "{run}");
    assert!(!work.path("store.db").exists(), "looking makes no file");
}
