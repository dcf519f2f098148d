//! Of rows with one key in several files the one of the last file of the list stays, whoever loaded it when.

use std::time::Duration;

use super::*;

/// A file that has all keys of a stretch, with its own number as the value.
fn file(scene: &Scene, name: &str, keys: std::ops::Range<u64>, value: u64) {
    let mut text = String::from("ts,symbol,seq\n");
    keys.for_each(|key| {
        let _ = writeln!(text, "{},{},{value}", 1_700_000_000 + key / 2 * 60, ["A", "B"][key as usize % 2]);
    });
    scene.work.write(&format!("in/{name}.csv"), text);
}

/// How many rows have each value.
fn values(scene: &Scene) -> Vec<(u64, u64)> {
    let rows = scene.db.rows("SELECT seq, count(*) FROM t GROUP BY 1 ORDER BY 1");
    let number =
        |cell: &Option<String>| cell.as_deref().and_then(|text| text.parse().ok()).expect("a number");
    rows.iter().map(|row| (number(&row[0]), number(&row[1]))).collect()
}

/// The loader of the first file sleeps in its middle until the second file is loaded.
#[test]
fn the_first_file_is_finished_after_the_second() {
    let scene = Scene::new(true);
    file(&scene, "1", 0..6_000, 1);
    file(&scene, "2", 0..6_000, 2);
    let slow = scene.loader("j", &["--lease", "10m"]).spawn();
    scene.comes_to(200);
    stop_between_transactions(&slow, &scene.db);
    let other = scene.loader("j", &["--lease", "10m"]).spawn();
    wait::until(PATIENCE, "the second file is done", || {
        (scene.job("j")["parts"]["done"] == 1 && scene.db.count("t WHERE seq = 2") == 6_000).then_some(())
    });
    slow.signal(Signal::CONT);
    let runs = [slow.finish().expect(0), other.finish().expect(0)];
    let what = format!("{}\n{}", runs[0], runs[1]);
    assert_eq!(values(&scene), [(2, 6_000)], "{what}");
    let job = scene.job("j");
    assert_closed(&job, 12_000, &what);
    assert_eq!(job["settled"], 12_000, "{job}");
    let told = scene.work.mdsctl(["runs", "j", "--dsn", &scene.db.dsn()]).run().expect(0).stdout;
    assert!(told.contains("12,000 rows of inputs whose keys overlap"), "{told}");
}

/// Only keys that two files have are written once more.
#[test]
fn files_that_overlap_at_their_ends_are_settled_there_alone() {
    let scene = Scene::new(true);
    for place in 0..8 {
        // The last 20 keys of each are the first 20 of the next one.
        file(&scene, &place.to_string(), place * 980..place * 980 + 1_000, place);
    }
    let loaders: Vec<_> = (0..3).map(|_| scene.loader("j", &[]).spawn()).collect();
    let runs: Vec<_> = loaders.into_iter().map(|loader| loader.finish().expect(0)).collect();
    let what = runs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let expected: Vec<(u64, u64)> =
        (0..8).map(|place| (place, if place == 7 { 1_000 } else { 980 })).collect();
    assert_eq!(values(&scene), expected, "{what}");
    let job = scene.job("j");
    assert_closed(&job, 8_000, &what);
    let settled = job["settled"].as_u64().expect("a number");
    assert!(settled > 0 && settled <= 7 * 2 * 20, "{job}");
}

/// Every file has every key, loaders come and die; whatever happens, the last file has the last word.
#[test]
fn a_storm_of_loaders_over_files_with_the_same_keys() {
    let scene = Scene::new(true);
    let mut random = Random::new(crate::harness::seed::seed(), 77);
    let files = 12;
    for place in 0..files {
        // Of some keys the last file is an earlier one.
        let first = random.next() % 500;
        file(&scene, &format!("{place:02}"), first..2_000 - random.next() % 500, place);
    }
    let mut expected: std::collections::BTreeMap<u64, u64> = std::collections::BTreeMap::new();
    for place in 0..files {
        let text = std::fs::read_to_string(scene.work.path(&format!("in/{place:02}.csv"))).expect("a file");
        for line in text.lines().skip(1) {
            let mut fields = line.split(',');
            let ts: u64 = fields.next().and_then(|ts| ts.parse().ok()).expect("a time");
            let key = ts * 2 + u64::from(fields.next() == Some("B"));
            expected.insert(key, place);
        }
    }
    let mut loaders: Vec<Running> = (0..3).map(|_| scene.loader("j", &[]).spawn()).collect();
    for _ in 0..4 {
        let before = scene.db.value(
            "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0) FROM pg_stat_user_tables WHERE relname = 't'",
        );
        let before: u64 = before.parse().expect("a number");
        wait::within(Duration::from_secs(5), || {
            let now = scene.db.value(
                "SELECT coalesce(sum(n_tup_ins + n_tup_upd), 0) FROM pg_stat_user_tables WHERE relname = 't'",
            );
            (now.parse::<u64>().expect("a number") > before + 1_500).then_some(())
        });
        let victim = loaders.swap_remove(random.next() as usize % loaders.len());
        let mut victim = victim;
        if !victim.has_ended() {
            victim.signal(Signal::KILL);
        }
        let _ = victim.finish_quietly();
        loaders.push(scene.loader("j", &[]).spawn());
    }
    let runs: Vec<_> = loaders.into_iter().map(|loader| loader.finish().expect(0)).collect();
    let what = runs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
    let rows = scene
        .db
        .rows("SELECT extract(epoch FROM ts)::bigint * 2 + (symbol = 'B')::int, seq FROM t ORDER BY 1");
    let stored: std::collections::BTreeMap<u64, u64> = rows
        .iter()
        .map(|row| {
            let number = |at: usize| row[at].as_deref().and_then(|text| text.parse().ok()).expect("a number");
            (number(0), number(1))
        })
        .collect();
    assert_eq!(stored, expected, "{what}");
}

/// Ticks without ids that equal one another across the end of one file and the beginning of the next.
#[test]
fn ids_made_of_content_are_those_of_one_loader() {
    let (work, db) = (Work::new(), Postgres::shared().database_with_schema());
    let head = "ts,vendor,symbol,price,size\n";
    let line = |second: u64| format!("{},acme,AAPL,10.5,{}\n", 1_700_000_000 + second, second % 7);
    for place in 0..6u64 {
        let mut text = head.to_owned();
        // A fill that comes several times, cut in two by the end of the file.
        text.push_str(&format!("{},acme,AAPL,9,1\n", 1_700_000_000 + place * 1_000).repeat(2));
        (1..900).for_each(|second| text.push_str(&line(place * 1_000 + second)));
        text.push_str(&format!("{},acme,AAPL,9,1\n", 1_700_000_000 + (place + 1) * 1_000).repeat(3));
        work.write(&format!("in/{place}.csv"), text);
    }
    let load = |more: &[&str]| {
        work.mdsctl(["load", "in", "--dataset", "ticks", "--json", "--dsn", &db.dsn()])
            .arguments(more)
            .within(PATIENCE)
    };
    let stored =
        || db.rows("SELECT ts::text, price::text, size::text, trade_id FROM ticks ORDER BY ts, trade_id");
    load(&[]).run().expect(0);
    let expected = stored();
    db.execute("TRUNCATE ticks");
    let loaders: Vec<_> = (0..3).map(|_| load(&["--share", "j"]).spawn()).collect();
    let runs: Vec<_> = loaders.into_iter().map(|loader| loader.finish().expect(0)).collect();
    assert_eq!(stored(), expected, "{}", runs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
}
