//! What a job is not for, and what it is not: told in one sentence.

use super::*;
use crate::harness::Run;

fn refused(run: &Run, words: &[&str]) {
    let error = run.error();
    for word in words {
        assert!(error.contains(word), "{word}: {run}");
    }
}

#[test]
fn loaders_of_one_name_have_one_list_and_the_same_flags() {
    let scene = Scene::new(true);
    (0..2).for_each(|place| write(&scene.work, place, 20));
    scene.loader("j", &[]).run().expect(0);
    let other = scene.loader("j", &["--set", "seq=1", "--force-set"]).run().expect(2);
    refused(&other, &["job j is another one", "--set", "another name to --share"]);
    write(&scene.work, 2, 20);
    refused(&scene.loader("j", &[]).run().expect(2), &["its list has 2 inputs, this one has 3 inputs"]);
    let renamed = scene.work.path("in/000.csv");
    std::fs::rename(&renamed, scene.work.path("in/0000.csv")).expect("it is renamed");
    std::fs::remove_file(scene.work.path("in/002.parquet")).expect("it is there");
    refused(&scene.loader("j", &[]).run().expect(2), &["input 1 of its list is", "000.csv, not", "0000.csv"]);
    // The same name is another job where it is about another table.
    scene.db.execute("CREATE TABLE u (LIKE t INCLUDING ALL)");
    let other =
        scene.work.mdsctl(["load", "in", "--share", "j", "--table", "u", "--json", "--dsn", &scene.db.dsn()]);
    assert_eq!(other.run().expect(0).books().inserted, 40);
}

#[test]
fn what_cannot_be_shared() {
    let scene = Scene::new(true);
    write(&scene.work, 0, 20);
    let load = |flags: &[&str]| {
        scene
            .work
            .mdsctl(["load"])
            .arguments(flags)
            .arguments(["--table", "t", "--share", "j"])
            .run()
            .expect(2)
    };
    let dsn = scene.db.dsn();
    refused(&load(&["-", "--dsn", &dsn]), &["standard input comes to one of them alone"]);
    refused(&load(&["in", "--dsn", "sqlite:x.db"]), &["--share needs PostgreSQL"]);
    refused(
        &load(&["in", "--dsn", &dsn, "--on-conflict", "skip"]),
        &["--on-conflict skip is about the row that comes first"],
    );
    assert!(load(&["in", "--dsn", &dsn, "--resume"]).stderr.contains("cannot be used with"));
    scene.db.execute("ALTER TABLE t ADD COLUMN ticket text UNIQUE");
    refused(&load(&["in", "--dsn", &dsn]), &["depends on rows before it", "leave --share out"]);
    assert_eq!(scene.db.count("t"), 0);
}

#[test]
fn a_file_that_has_changed_since_is_told_and_the_others_are_loaded() {
    let scene = Scene::new(false);
    (0..3).for_each(|place| write(&scene.work, place, 4_000));
    let first = scene.loader("j", &[]).spawn();
    scene.comes_to(100);
    first.signal(Signal::INT);
    first.finish().expect(130);
    write(&scene.work, 2, 4_001);
    let second = scene.loader("j", &[]).run().expect(6);
    refused(&second, &["002.parquet has changed since job j was begun"]);
    assert_eq!(scene.db.count("t"), 8_000, "{second}");
    let job = scene.job("j");
    assert_eq!((job["status"].as_str(), &job["exit_code"]), (Some("failed"), &6.into()), "{job}");
    // As it was it is loaded.
    write(&scene.work, 2, 4_000);
    let third = scene.loader("j", &[]).run().expect(0);
    assert_once(&scene, 12_000, &third.to_string());
    assert_closed(&scene.job("j"), 12_000, "mended");
}

#[test]
fn a_broken_file_does_not_keep_the_others_from_being_loaded() {
    let scene = Scene::new(true);
    (0..3).for_each(|place| write(&scene.work, place, 50));
    scene.work.write("in/003.parquet", "PAR1 and no more");
    let run = scene.loader("j", &[]).run().expect(6);
    assert!(run.stderr.contains("003.parquet"), "{run}");
    assert_once(&scene, 150, &run.to_string());
    let job = scene.job("j");
    assert_eq!((&job["parts"]["failed"], &job["exit_code"]), (&1.into(), &6.into()), "{job}");
}

#[test]
fn what_is_in_a_table_without_a_key_is_not_loaded_into_it_again() {
    let scene = Scene::new(false);
    (0..2).for_each(|place| write(&scene.work, place, 50));
    let path = scene.work.path("in/001.ndjson");
    let path = path.to_str().expect("UTF-8");
    scene.work.mdsctl(["load", path, "--table", "t", "--dsn", &scene.db.dsn()]).run().expect(0);
    refused(&scene.loader("j", &[]).run().expect(2), &["001.ndjson", "--force"]);
    assert_eq!(scene.db.count("t"), 50);
    // And the other way round.
    let scene = Scene::new(false);
    (0..2).for_each(|place| write(&scene.work, place, 50));
    scene.loader("j", &[]).run().expect(0);
    let plain = scene.work.mdsctl(["load", "in", "--table", "t", "--dsn", &scene.db.dsn()]).run().expect(2);
    refused(&plain, &["--force"]);
}

/// A role that may not make tables has to be given them, and can do without any other right.
#[test]
fn a_role_that_may_load_may_share_once_its_owner_says_so() {
    let scene = Scene::new(true);
    (0..3).for_each(|place| write(&scene.work, place, 50));
    let role = format!("sharer_{}", scene.db.name());
    scene.db.execute(&format!(
        "CREATE ROLE {role} LOGIN; REVOKE CREATE ON SCHEMA public FROM PUBLIC; GRANT USAGE ON SCHEMA public TO {role}; \
         GRANT SELECT, INSERT, UPDATE ON t TO {role}"
    ));
    let owner =
        |what: &[&str]| scene.work.mdsctl(what.iter().copied()).arguments(["--dsn", &scene.db.dsn()]).run();
    owner(&["load", "in/000.csv", "--table", "t"]).expect(0);
    scene.db.execute(&format!(
        "GRANT SELECT, INSERT, UPDATE ON mds_runs TO {role}; GRANT SELECT, INSERT, UPDATE, DELETE ON mds_checkpoints TO {role}"
    ));
    let dsn = scene.db.dsn_as(&role);
    let share =
        || scene.work.mdsctl(["load", "in", "--share", "j", "--table", "t", "--json", "--dsn", &dsn]).run();
    refused(
        &share().expect(2),
        &["--share needs the table mds_jobs", &format!("schema apply --grant {role}")],
    );
    owner(&["schema", "apply", "--grant", &role]).expect(0);
    assert_eq!(share().expect(0).books().inserted, 100);
    assert_once(&scene, 150, "shared by a role with little rights");
    scene.db.execute(&format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}
