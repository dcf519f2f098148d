//! `kill -9` at random moments, again and again, each time followed by a resume.

use rustix::process::{Pid, Signal, kill_process};

use super::rows::Rows;
use super::{Mdsctl, Scene};
use crate::generator::random::Random;
use crate::harness::run::Running;
use crate::harness::seed::seed;
use crate::harness::wait::PATIENCE;
use crate::harness::{Citus, Postgres, wait};

/// Kills of a running load into each kind of table, unless `MDSCTL_RESUME_KILLS` asks for more.
const KILLS: u64 = 12;

/// Rows of each of the files of a load.
const ROWS: u64 = 6_000;

/// The same where each transaction is one of several servers, and takes ten times as long.
const SPREAD_ROWS: u64 = 1_500;

/// Kills loads.
struct Killer {
    random: Random,
    /// Kills of loads that had written rows.
    hits: u64,
}

impl Killer {
    /// Starts the program and kills it: at once, when it has just written itself into the history,
    /// or when it has gone on by some rows. `false` where it came to its end before.
    fn hit(&mut self, scene: &Scene, rows: u64, program: Mdsctl) -> bool {
        let goal =
            scene.progress() + self.random.between(1, i64::try_from(rows * 2 / 5).expect("few")) as u64;
        let runs = |scene: &Scene| scene.store.count("mds_runs").unwrap_or(0);
        let (before, when) = (runs(scene), self.random.next() % 8);
        let mut running = program.spawn();
        match when {
            0 => {}
            1 => wait::until(PATIENCE, "the run in the history", || {
                (runs(scene) > before || running.has_ended()).then_some(())
            }),
            _ => {
                if !scene.comes_to(goal, &mut running) {
                    running.finish();
                    return false;
                }
            }
        }
        running.signal(Signal::KILL);
        let killed = running.finish_quietly() == -(Signal::KILL.as_raw());
        self.hits += u64::from(killed && when > 1);
        killed
    }
}

fn torment(keyed: bool, count: u64, scene: impl Fn() -> Scene) {
    let wanted = std::env::var("MDSCTL_RESUME_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let seed = seed();
    let mut killer = Killer { random: Random::new(seed, u64::from(keyed)), hits: 0 };
    for load in 0.. {
        if killer.hits >= wanted {
            break;
        }
        assert!(load < 10 + wanted, "of {load} loads {} kills hit", killer.hits);
        let scene = scene();
        let parts =
            [0, 1, 2].map(|part| Rows::after(Random::new(killer.random.next(), part), part * count, count));
        scene.work.write("in/1.csv", parts[0].csv());
        scene.work.write("in/2.ndjson", parts[1].ndjson());
        scene.work.write("in/3.csv", parts[2].csv());
        let rows = parts.into_iter().reduce(Rows::and).expect("some");
        let (mut first, mut kills) = (true, 0);
        loop {
            let (workers, batch) =
                (killer.random.between(1, 5) as u64, killer.random.between(20, 300) as u64);
            let program = scene.load(["in"], workers, batch);
            let program = if std::mem::take(&mut first) { program } else { program.arguments(["--resume"]) };
            let what = format!("seed {seed}, load {load}, {kills} kills");
            if kills < 7 && killer.hits < wanted && killer.hit(&scene, count, program) {
                kills += 1;
                continue;
            }
            let run = scene.load(["in"], workers, batch).arguments(["--resume"]).run();
            if run.code == 2 {
                // The load before came to its end although it was to be killed.
                assert!(!keyed && run.error().contains("has loaded"), "{what}: {run}");
                rows.assert_stored(&scene.store, keyed, &what);
            } else if run.stderr.contains("has loaded all of it") {
                rows.assert_stored(&scene.store, keyed, &what);
            } else {
                scene.assert_loaded(&rows, &run, &what);
            }
            break;
        }
    }
    println!("{} kills hit", killer.hits);
}

#[test]
fn a_table_with_a_key_in_postgresql() {
    torment(true, ROWS, || Scene::new("postgres", true));
}

#[test]
fn a_table_without_a_key_in_postgresql() {
    torment(false, ROWS, || Scene::new("postgres", false));
}

#[test]
fn a_table_that_is_loaded_in_bulk() {
    torment(true, ROWS, || Scene::in_bulk(Postgres::shared()));
}

/// Kills a loader that may have come to its end in this moment.
fn strike(running: &Running) {
    if let Some(pid) = i32::try_from(running.pid()).ok().and_then(Pid::from_raw) {
        let _ = kill_process(pid, Signal::KILL);
    }
}

/// The loader is killed, or the server under it, or both.
#[test]
fn a_server_that_is_loaded_in_bulk() {
    let wanted = std::env::var("MDSCTL_RESUME_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let server = Postgres::private();
    let mut random = Random::new(seed(), 77);
    let mut hits = 0;
    for load in 0.. {
        if hits >= wanted {
            break;
        }
        assert!(load < 10 + wanted, "of {load} loads {hits} kills hit");
        let scene = Scene::in_bulk(&server);
        let rows = Rows::new(Random::new(random.next(), 0), 2 * ROWS);
        scene.work.write("in/1.csv", rows.csv());
        let what = format!("load {load}");
        let mut resume = false;
        for _ in 0..4 {
            let goal = scene.progress() + random.between(1, i64::try_from(ROWS).expect("few")) as u64;
            let program = scene.load(["in"], 3, random.between(20, 300) as u64);
            let mut running = program.arguments(resume.then_some("--resume")).spawn();
            if !scene.comes_to(goal, &mut running) {
                running.finish_quietly();
                break;
            }
            resume = true;
            let loader_too = random.once_in(2);
            if loader_too {
                strike(&running);
            }
            server.kill9();
            server.start();
            if !loader_too {
                wait::until(PATIENCE, "rows behind the crash", || {
                    (running.has_ended() || scene.progress() > goal).then_some(())
                });
                strike(&running);
            }
            running.finish_quietly();
            hits += 1;
        }
        let run = scene.load(["in"], 2, 200).arguments(["--resume"]).run();
        match run.stderr.contains("has loaded all of it") {
            true => rows.assert_stored(&scene.store, true, &what),
            false => scene.assert_loaded(&rows, &run, &what),
        }
    }
    println!("{hits} kills hit");
}

#[test]
fn a_table_with_a_key_in_sqlite() {
    torment(true, ROWS, || Scene::new("sqlite", true));
}

#[test]
fn a_table_without_a_key_in_sqlite() {
    torment(false, ROWS, || Scene::new("sqlite", false));
}

#[test]
fn a_table_that_is_spread_over_nodes() {
    let Some(cluster) = Citus::new("a_table_that_is_spread_over_nodes") else { return };
    for keyed in [true, false] {
        torment(keyed, SPREAD_ROWS, || Scene::spread(&cluster, keyed));
    }
}
