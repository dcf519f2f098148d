//! PostgreSQL dies at random moments, again and again.

use std::time::Duration;

use super::{PATIENCE, program_of, progress};
use crate::generator::random::Random;
use crate::generator::write::Format;
use crate::harness::feed::Feed;
use crate::harness::quotes::{Quotes, TABLE};
use crate::harness::run::Running;
use crate::harness::seed::seed;
use crate::harness::{Db, Postgres, Work, wait};

/// Longest time that a load may take, all its kills included.
const LOAD: Duration = Duration::from_secs(600);

/// Kills, unless `MDSCTL_KILLS` asks for more.
const KILLS: u64 = 12;

/// Kills the server, and starts it again.
struct Killer<'a> {
    server: &'a Postgres,
    random: Random,
    /// Kills that hit a running load.
    kills: u64,
}

impl Killer<'_> {
    /// Up to that many times at random moments of a load whose `seq` begins after `row`.
    fn torment(&mut self, db: &Db, running: &mut Running, mut row: u64, times: u64) {
        if self.random.once_in(3) {
            // While it is still asking for the table.
            let asked = "SELECT 1 FROM pg_stat_activity WHERE application_name = 'mdsctl'";
            wait::until(PATIENCE, "the program to connect", || {
                let here = db.try_rows(asked).is_ok_and(|rows| !rows.is_empty());
                (here || running.has_ended()).then_some(())
            });
            self.kill(running, false);
        }
        for _ in 0..times {
            let goal = row + self.random.between(1, 1500) as u64;
            row = wait::until(PATIENCE, "the load to go on", || {
                let row = progress(db);
                (row >= goal || running.has_ended()).then_some(row)
            });
            self.kill(running, true);
        }
    }

    /// `writing`: it has begun to write, and says so each time it finds the store to be away.
    fn kill(&mut self, running: &mut Running, writing: bool) {
        if running.has_ended() {
            return;
        }
        loop {
            let outages = outages(running);
            self.server.kill9();
            self.kills += 1;
            if writing && self.random.once_in(4) {
                wait::until(PATIENCE, "the program to notice", || {
                    (outages < self::outages(running) || running.has_ended()).then_some(())
                });
            }
            self.server.start();
            // Now and then it does not live long.
            if !self.random.once_in(6) {
                return;
            }
        }
    }
}

/// How often the program has found the store to be away.
fn outages(running: &Running) -> usize {
    running.said().matches("the store is unavailable").count()
}

/// `MDSCTL_TEST_SEED` replays a schedule, as far as the processes meet again; `MDSCTL_KILLS` asks
/// for more kills than a test run has time for.
#[test]
fn kills_of_the_server_again_and_again() {
    let wanted = std::env::var("MDSCTL_KILLS").map_or(KILLS, |kills| kills.parse().expect("a number"));
    let (seed, server) = (seed(), Postgres::private());
    let mut killer = Killer { server: &server, random: Random::new(seed, 0), kills: 0 };
    let mut target: Option<(Db, Quotes)> = None;
    let mut retries = 0;
    for load in 0.. {
        if killer.kills >= wanted {
            break;
        }
        assert!(load < wanted, "of {load} loads {} were hit", killer.kills);
        let mut random = Random::new(seed, load + 1);
        // Into the table of the load before, or into an empty one.
        let (db, mut quotes) = target.take().filter(|_| !random.once_in(3)).unwrap_or_else(|| {
            let db = server.database();
            db.execute(TABLE);
            let keys = random.between(50, 400) as u64;
            (db, Quotes::new(Random::new(random.next(), 0), keys))
        });
        let (workers, batch) = (["1", "4"][load as usize / 2 % 2], random.between(20, 400).to_string());
        let (times, before) = (random.between(4, 8) as u64, quotes.rows());
        let (work, format) = (Work::new(), [Format::Csv, Format::Ndjson][load as usize % 2]);
        let what = format!("seed {seed}, load {load}: {format:?}, {workers} workers, batches of {batch}");
        let start = |input: &str| {
            program_of(&work, input, &db.dsn(), workers, &batch).arguments(["--wait"]).within(LOAD)
        };
        let run = if format == Format::Csv {
            let mut text = Quotes::header(format).to_string();
            quotes.lines(1000 + times * 1000, format, &mut text);
            let mut running = start(&work.write("quotes.csv", text)).spawn();
            killer.torment(&db, &mut running, before, times);
            running.finish()
        } else {
            let (feed, pipe) = Feed::start(quotes, format);
            let mut running = start("-").pipe(pipe).spawn();
            killer.torment(&db, &mut running, before, times);
            let run;
            (run, quotes) = feed.finish(running);
            run
        };
        if random.once_in(3) {
            // What it said is stored is on disk.
            server.kill9();
            server.start();
        }
        quotes.assert_loaded(&work, &db, &run, &what);
        retries += run.json()["retries"].as_u64().expect("a number");
        target = Some((db, quotes));
    }
    assert!(retries > 0, "no kill was noticed");
    println!("{} kills, {retries} retries", killer.kills);
}
