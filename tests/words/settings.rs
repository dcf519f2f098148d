//! Mistakes in the configuration file and in the environment, with the place where they stand.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;

use super::BARS;
use crate::harness::Work;
use crate::harness::run::PASSWORD;

#[test]
fn a_mistake_in_the_file_is_told_with_its_line() {
    let work = Work::new();
    work.write("bars.csv", BARS);
    for (text, line, word) in [
        ("# a\n\nvendr = 'x'\n", 3, "vendr"),
        ("[load]\nvendor = 'x'\nworkrs = 2\n", 3, "workrs"),
        ("\n[lod]\nvendor = 'x'\n", 2, "[lod]"),
        ("vendor = 'x\n", 1, "invalid"),
        ("vendor = 'x'\nworkers = 'many'\n", 2, "many"),
        ("[load]\n\nworkers = 0\n", 3, "at least 1"),
        ("workers = 3\n[load]\non-conflict = 'merge'\n", 3, "merge"),
        ("[load]\nvendor = 'x'\ntimezone = 'Mars'\n", 3, "Mars"),
        ("dsn = 'postgres://h/x?nonsense=1'\n", 1, "nonsense"),
        ("metrics_listen = 'here'\n", 1, "here"),
        ("low-watermark = 5\nhigh-watermark = 4\n", 1, "high-watermark"),
        ("vendor = 1979-05-27\n", 1, "expected a text"),
    ] {
        work.write("mdsctl.toml", text);
        let run = work.mdsctl(["load", "bars.csv"]).run().expect(2);
        let place = format!("mdsctl.toml:{line}: ");
        assert!(run.error().contains(&place) && run.error().contains(word), "{text:?}: {run}");
        // What is typed instead is not the file's mistake.
        if word == "many" {
            let run = work.mdsctl(["load", "missing.csv", "--workers", "2"]).run().expect(6);
            assert!(!run.stderr.contains("mdsctl.toml"), "{run}");
            let run = work.mdsctl(["load", "missing.csv", "--workers", "x"]).run().expect(2);
            assert!(!run.stderr.contains("mdsctl.toml"), "{run}");
        }
    }
}

#[test]
fn a_mistake_in_the_environment_is_told_with_its_variable() {
    use std::os::unix::ffi::OsStringExt as _;
    let work = Work::new();
    work.write("bars.csv", BARS);
    let bytes = std::ffi::OsString::from_vec(vec![b'a', 0xff]);
    for (name, value) in [
        ("MDS_COORDINATOR_WORKERS", "x".into()),
        ("MDS_COORDINATOR_FLUSH_INTERVAL", "soon".into()),
        ("MDS_RETRY_JITTER", "perhaps".into()),
        ("MDS_RETRY_BACKOFF_MULTIPLIER", "0.5".into()),
        ("MDS_DSN", format!("postgres://u:{PASSWORD}@h/x?nonsense=1").into()),
        ("MDS_METRICS_LISTEN", "here".into()),
        ("MDS_TENANT_ID", bytes),
    ] {
        let run = work.mdsctl(["load", "bars.csv"]).env(name, value).run().expect(2);
        assert!(run.error().contains(name), "{name}: {run}");
    }
}

#[test]
fn the_value_of_a_flag_is_no_command() {
    let work = Work::new();
    work.write("bars.csv", BARS);
    work.write("health", "vendor = 'v'\ntimeframe = '1d'\ndsn = 'sqlite:s.db'\n");
    work.mdsctl(["--config", "health", "load", "bars.csv"]).run().expect(3);
    let run = work.mdsctl(["--config", "nothing", "load", "health"]).run().expect(2);
    assert!(run.stdout.is_empty() && run.error().contains("nothing"), "{run}");
    // The command itself keeps its own exit codes.
    let run = work.mdsctl(["--config", "load", "health"]).run().expect(3);
    assert!(run.stdout.contains("UNKNOWN"), "{run}");
}

#[test]
fn a_password_that_everybody_may_read_is_told() {
    let work = Work::new();
    work.write("bars.csv", BARS);
    for (text, told) in [
        (format!("dsn = 'postgres://u:{PASSWORD}@127.0.0.1:1/x'\n"), true),
        (format!("[load]\ndsn = 'host=127.0.0.1 port=1 password={PASSWORD}'\n"), true),
        (format!("dsn = 'postgres://u@127.0.0.1:1/x'\nmetrics-token = '{PASSWORD}'\n"), true),
        ("dsn = 'postgres://u@127.0.0.1:1/x'\n".to_owned(), false),
    ] {
        for mode in [0o644, 0o640, 0o600] {
            let path = work.write("mdsctl.toml", &text);
            std::fs::set_permissions(path, Permissions::from_mode(mode)).expect("a mode");
            let run = work.mdsctl(["load", "bars.csv"]).run().expect(5);
            let warned = run.stderr.contains("warning: ") && run.stderr.contains("chmod 600 mdsctl.toml");
            assert_eq!(warned, told && mode == 0o644, "{text} {mode:o}: {run}");
        }
    }
}
