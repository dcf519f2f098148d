//! Inputs that are pipes, that grow, that more files join, that cannot be read.

use std::fs;
use std::io::Write;

use rustix::process::Signal;

use super::rows::Rows;
use super::{Scene, interrupted};
use crate::generator::random::Random;

#[test]
fn a_pipe_that_its_producer_gives_again() {
    Scene::each(|scene| {
        let rows = Rows::new(Random::new(41, 0), 20_000);
        let text = rows.csv();
        let (reader, mut writer) = std::io::pipe().expect("a pipe");
        let named = ["--source-id", "quotes of the day"];
        let mut running = scene.load(["-"], 2, 50).arguments(named).pipe(reader).spawn();
        let half = text[..text.len() / 2].to_owned();
        let feeder = std::thread::spawn(move || {
            // Nobody reads any more once the program is killed.
            let _ = writer.write_all(half.as_bytes());
            writer
        });
        assert!(scene.comes_to(1, &mut running), "{}: it ended", scene.what);
        running.signal(Signal::KILL);
        running.finish_quietly();
        drop(feeder.join().expect("the feeder"));
        assert!(scene.count() > 0, "{}", scene.what);
        let again = scene.load(["-"], 1, 200).arguments(named).arguments(["--resume"]).stdin(text);
        let run = again.run();
        assert!(run.books().skipped > 0, "{}: {run}", scene.what);
        scene.assert_loaded(&rows, &run, "a pipe");
    });
}

#[test]
fn a_file_that_has_grown_and_one_that_has_joined() {
    Scene::each(|scene| {
        let before = Rows::new(Random::new(42, 0), 20_000);
        interrupted(&scene, &before, Signal::KILL);
        let (more, other) =
            (Rows::after(Random::new(42, 1), 20_000, 500), Rows::after(Random::new(42, 2), 20_500, 400));
        let all = before.and(more);
        let path = scene.work.write("quotes.csv", all.csv());
        let joined = scene.work.write("more.ndjson", other.ndjson());
        let run = scene.load([path.as_str(), &joined], 3, 100).arguments(["--resume"]).run();
        assert!(run.books().skipped > 0, "{}: {run}", scene.what);
        scene.assert_loaded(&all.and(other), &run, "grown");
    });
}

#[test]
fn an_input_that_cannot_be_read_to_its_end_does_not_hide_what_comes_after() {
    Scene::each(|scene| {
        let (a, b) = (Rows::new(Random::new(43, 0), 3_000), Rows::after(Random::new(43, 1), 3_000, 20_000));
        let whole = scene.work.write("whole.csv", a.csv());
        let packed = std::process::Command::new("gzip").args(["-c", &whole]).output().expect("gzip").stdout;
        // Cut in the middle: what comes out of the first half is loaded.
        let torn = scene.work.write("torn.csv.gz", &packed[..packed.len() / 2]);
        let good = scene.work.write("good.csv", b.csv());
        let mut running = scene.load([torn.as_str(), &good], 2, 50).spawn();
        assert!(scene.comes_to(3_500, &mut running), "{}: it ended", scene.what);
        running.signal(Signal::KILL);
        running.finish_quietly();
        let of_torn = |scene: &Scene| scene.store.rows("SELECT count(*) FROM quotes WHERE seq <= 3000");
        let before = of_torn(&scene);
        let run = scene.load([torn.as_str(), &good], 3, 100).arguments(["--resume"]).run().expect(6);
        assert!(run.stderr.contains("torn.csv.gz") && run.stderr.contains("earlier run"), "{run}");
        assert!(run.books().skipped > 0, "{}: {run}", scene.what);
        if !scene.keyed {
            // Not once more, and not less.
            assert_eq!(of_torn(&scene), before, "{}: {run}", scene.what);
        }
        let stored = scene.store.rows("SELECT count(*) FROM quotes WHERE seq > 3000");
        let stored: u64 = stored[0][0].as_ref().and_then(|n| n.parse().ok()).expect("a count");
        if scene.keyed {
            assert!(stored <= 900, "{}: {run}", scene.what);
        } else {
            assert_eq!(stored, b.count() - b.bad(), "{}: {run}", scene.what);
        }
        fs::remove_file(torn).expect("it is there");
    });
}
