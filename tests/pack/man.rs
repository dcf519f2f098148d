//! `man`: current, complete, and without a complaint of the programs that read it.

use std::process::Command;

use super::{files, folder, said, try_run};
use crate::documents::man;
use crate::harness::Work;

#[test]
fn the_checked_in_pages_are_current() {
    let work = Work::new();
    let run = work.mdsctl(["man", "--dir", "made/man1"]).run().expect(0);
    assert!(run.stdout.is_empty() && run.stderr.is_empty(), "{run}");
    let made = files(&work.path("made/man1"));
    assert!(made.contains_key("mdsctl.1") && made.contains_key("mdsctl-schema-apply.1"));
    let current = made == files(&folder("man")) && made == man::pages().expect("the pages");
    assert!(current, "man/ is not what the command line is now: run scripts/generate");
    for (arguments, page) in [
        (&["man"][..], "mdsctl.1"),
        (&["man", "load"], "mdsctl-load.1"),
        (&["man", "schema", "apply"], "mdsctl-schema-apply.1"),
    ] {
        assert_eq!(work.mdsctl(arguments).run().expect(0).stdout, made[page], "{page}");
    }
}

#[test]
fn what_cannot_be_is_said_in_a_sentence() {
    let work = Work::new();
    let run = work.mdsctl(["man", "lod"]).run().expect(2);
    assert!(run.error().contains("no command lod; there are load, tail"), "{run}");
    work.write("file", "");
    let run = work.mdsctl(["man", "--dir", "file/below"]).run().expect(2);
    assert!(run.error().contains("file/below cannot be written"), "{run}");
    work.mdsctl(["man", "load", "--dir", "x"]).run().expect(2);
}

#[test]
fn pages_say_what_a_user_looks_for() {
    let pages = files(&folder("man"));
    for (page, words) in [
        ("mdsctl.1", &["PGSERVICE", "mdsctl.toml", "NO_COLOR", "130, 143", "SUBCOMMANDS"][..]),
        ("mdsctl-load.1", &["MDS_COORDINATOR_WORKERS", "EXAMPLES", "mds.db", "\n\\fB6\\fR\n"]),
        ("mdsctl-tail.1", &["EXAMPLES", ".mdsctl/tail"]),
        ("mdsctl-schema-check.1", &["The tables are not as they should be"]),
    ] {
        for word in words {
            assert!(pages[page].contains(word), "{word} in {page}");
        }
    }
}

#[test]
fn man_and_mandoc_have_no_complaint() {
    for page in files(&folder("man")).keys() {
        let path = folder("man").join(page);
        let mut man = Command::new("man");
        man.args(["--warnings", "-E", "UTF-8", "-Tutf8", "-l"]).arg(&path);
        man.envs([("MANROFFSEQ", ""), ("MANWIDTH", "80"), ("LC_ALL", "C.UTF-8")]);
        if let Some(output) = try_run(&mut man, "what man says of the pages") {
            let complaints = String::from_utf8_lossy(&output.stderr);
            assert!(output.status.success() && complaints.is_empty(), "{page}: {complaints}");
            assert!(output.stdout.len() > 500, "{page} is empty");
        }
        let mut mandoc = Command::new("mandoc");
        let Some(output) = try_run(mandoc.args(["-T", "lint"]).arg(&path), "what mandoc says of the pages")
        else {
            continue;
        };
        // They have no date, so that the same program gives the same pages.
        let bad = |line: &&str| !line.contains(": STYLE: ") && !line.contains("WARNING: missing date");
        let said = said(&output);
        let complaints: Vec<&str> = said.lines().filter(bad).collect();
        assert!(complaints.is_empty(), "{complaints:#?}");
    }
}
