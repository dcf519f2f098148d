//! The page, in a real browser.

use std::io::Write;

use serde_json::json;

use super::{bars, flood, load};
use crate::harness::chromium::Chromium;
use crate::harness::http::address;
use crate::harness::{Postgres, Store, Work};

/// Pictures for people, into the directory that this variable names.
fn picture(browser: &mut Chromium, name: &str) {
    if let Ok(directory) = std::env::var("MDS_TEST_PICTURES") {
        let path = std::path::Path::new(&directory).join(format!("{name}.png.base64"));
        std::fs::write(path, browser.picture()).expect("a picture");
    }
}

/// Nothing is wider than the window.
fn fits(browser: &mut Chromium, width: u32) {
    for dark in [false, true] {
        browser.look(width, dark);
        let wide = browser.value("document.documentElement.scrollWidth");
        assert!(wide.as_u64().is_some_and(|wide| wide <= u64::from(width)), "{wide} of {width}");
        let dark_bright = browser.value("getComputedStyle(document.body).backgroundColor");
        let expected = if dark { "rgb(15, 20, 27)" } else { "rgb(244, 246, 248)" };
        assert_eq!(dark_bright, expected);
    }
}

#[test]
fn it_shows_a_run_its_outage_and_its_end() {
    let Some(mut browser) = Chromium::start() else { return };
    let server = Postgres::private();
    let (work, db) = (Work::new(), server.database_with_schema());
    let (mut running, mut pipe) = load(&work, &db.dsn(), &["--capacity", "1000", "--batch-size", "100"]);
    let at = address(&mut running);
    browser.look(1080, false);
    browser.open(&format!("http://{at}/"));
    browser.until("link", "running", |text| text == "running");
    assert_eq!(browser.text("title"), "load bars");
    let more = "2024-03-05T00:00:00Z,v,AAPL,1s,x,1,1,1,1\n2024-03-05T00:00:01Z,v,,1s,1,1,1,1,1\n";
    pipe.write_all((bars(0..10) + more).as_bytes()).expect("the pipe");
    browser.until("rows", "ten rows", |text| text.contains("inserted10") && text.contains("rejected2"));
    browser.until("rejects", "two reasons", |text| {
        text.contains("validate · bad_number · open") && text.contains("symbol")
    });
    assert!(browser.text("dlq").contains("2 rows in"), "{}", browser.text("dlq"));
    assert_eq!((browser.text("circuit"), browser.text("level")), ("closed".into(), "ok".into()));
    browser.until("p50", "a latency", |text| text.ends_with(" ms"));
    browser.until("rate", "a rate", |text| text.parse::<u64>().is_ok());
    let drawn = browser.value("document.getElementById('spark').getAttribute('d').length");
    assert!(drawn.as_u64().is_some_and(|points| points > 0), "{drawn}");
    for width in [1080, 390, 320] {
        fits(&mut browser, width);
    }

    server.stop();
    let flood = flood(pipe, 10..5_010);
    browser.look(1080, false);
    browser.until("circuit", "open", |text| text == "open" || text == "half-open");
    browser.until("level", "hard", |text| text == "hard");
    browser.until("alarm", "an alarm", |text| text.contains("The store is away"));
    assert_eq!(browser.value("document.getElementById('alarm').hidden"), json!(false));
    browser.until("outages", "an outage", |text| text.contains("still"));
    for (name, width, dark) in [("light", 1080, false), ("dark", 1080, true), ("phone", 390, false)] {
        fits(&mut browser, width);
        browser.look(width, dark);
        picture(&mut browser, &format!("away-{name}"));
    }
    server.start();
    flood.join().expect("the flood");
    running.finish().expect(3);
    browser.until("link", "the end", |text| text == "ended with exit code 3");
    for (name, width, dark) in [("light", 1080, false), ("dark", 1080, true), ("phone", 390, true)] {
        browser.look(width, dark);
        picture(&mut browser, &format!("ended-{name}"));
    }
}

#[test]
fn it_asks_for_the_token() {
    let Some(mut browser) = Chromium::start() else { return };
    let work = Work::new();
    let token = "Sesame-4711";
    let (mut running, pipe) = load(&work, &Store::sqlite(&work).dsn(), &["--metrics-token", token]);
    let at = address(&mut running);
    browser.open(&format!("http://{at}/"));
    browser.until("link", "locked", |text| text == "locked");
    assert_eq!(browser.value("document.getElementById('ask').hidden"), json!(false));
    let give =
        "document.getElementById('token').value = TOKEN; document.getElementById('ask').requestSubmit()";
    browser.value(&give.replace("TOKEN", "'wrong'"));
    browser.until("link", "refused", |text| text == "that is not the token");
    browser.value(&give.replace("TOKEN", &json!(token).to_string()));
    browser.until("link", "running", |text| text == "running");
    assert_eq!(browser.value("document.getElementById('ask').hidden"), json!(true));
    drop(pipe);
    running.finish_quietly();
}

#[test]
fn it_shows_how_far_a_tail_is_behind() {
    let Some(mut browser) = Chromium::start() else { return };
    let work = Work::new();
    work.write("bars.csv", super::HEADER.to_owned() + &bars(0..10));
    let store = crate::harness::Store::sqlite(&work);
    let flags = ["tail", "bars.csv", "--metrics-listen", "127.0.0.1:0", "--dsn", &store.dsn()];
    let mut running = work.mdsctl(flags).spawn();
    let at = address(&mut running);
    browser.look(1080, false);
    browser.open(&format!("http://{at}/"));
    browser.until("run", "the lag", |text| text.contains("behind the files") && text.contains("up to date"));
    running.signal(rustix::process::Signal::INT);
    running.finish().expect(130);
}
