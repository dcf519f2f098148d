//! Brokers over TLS: trusted as the system trusts them or by a file, and refused in one sentence otherwise.

use std::io::Read as _;
use std::net::TcpListener;

use super::PATIENCE;
use super::redis::{body, scene, stored};
use crate::harness::authority::Files;
#[cfg(feature = "nats")]
use crate::harness::nats::Nats;
use crate::harness::redis::Redis;
use crate::harness::run::{Mdsctl, PASSWORD};
use crate::harness::{Store, Work};

/// A tail of an address on a system that trusts the authorities of that file alone.
fn tail(work: &Work, store: &Store, address: &str, trusted: &str) -> Mdsctl {
    let flags = ["tail", address, "--table", "seqs", "--idle-exit", "500ms", "--json", "--dsn", &store.dsn()];
    work.mdsctl(flags)
        .within(PATIENCE)
        .env("SSL_CERT_FILE", trusted)
        .env("REDISCLI_AUTH", PASSWORD)
        .env("NATS_PASSWORD", PASSWORD)
}

/// The sentence of a tail that is refused; it has no password in it.
fn refused(tail: Mdsctl, code: i32) -> String {
    let run = tail.run().expect(code);
    assert!(!run.stderr.contains(PASSWORD) && !run.stdout.contains(PASSWORD), "{run}");
    run.error().to_owned()
}

const UNTRUSTED: &str = "no connection over TLS comes about: no authority that we trust has signed the server's certificate; let this system trust that authority, or name the file of its certificate with ca=";

/// Accepts connections at a port, and says nothing there; each is held until its other end is closed.
fn silent() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("an address").port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            std::thread::spawn(move || (&stream).read_to_end(&mut Vec::new()));
        }
    });
    port
}

#[test]
fn redis_over_tls_is_trusted_as_the_system_trusts_it_or_by_a_file() {
    let files = Files::new(&["localhost"]);
    let Some((redis, port)) = Redis::over_tls(&files, false) else { return };
    let (ca, other) = (files.path("ca.pem"), files.path("other.pem"));
    redis.ask(&format!("ACL SETUSER me on >{PASSWORD} ~* +@all"));
    let (work, store) = scene(true, true);
    let at = |host: &str, port: u16, more: &str| format!("rediss://me@{host}:{port}/seqs?group=g{more}");
    for (seq, more, trusted) in [(1, String::new(), &ca), (2, format!("&ca={ca}"), &other)] {
        redis.add("seqs", [body(seq)]);
        let run = tail(&work, &store, &at("localhost", port, &more), trusted).run().expect(0);
        assert_eq!(run.books().inserted, 1, "{run}");
    }
    assert_eq!(stored(&store).into_keys().collect::<Vec<_>>(), [1, 2]);
    redis.add("seqs", [body(3)]);
    for (address, trusted, says) in [
        (at("localhost", port, ""), &other, UNTRUSTED),
        (at("localhost", port, &format!("&ca={other}")), &ca, UNTRUSTED),
        (at("127.0.0.1", port, ""), &ca, "the server's certificate is for another name"),
        (
            at("localhost", port, "&ca=none.pem"),
            &ca,
            "the file of ca= cannot be read: none.pem: No such file",
        ),
        (
            at("localhost", port, "&ca=/etc/passwd"),
            &ca,
            "the file of ca= holds no certificate in PEM: /etc/passwd",
        ),
        (at("localhost", port, "&ca=/dev/zero"), &ca, "cannot be read: /dev/zero: it has more than 16 MiB"),
        (at("localhost", port, "&cert=c.pem"), &ca, "the file of cert= cannot be read: c.pem: No such file"),
        (at("localhost", port, &format!("&cert={ca}")), &ca, "cert= and key= go together"),
        (
            at("localhost", port, &format!("&cert={ca}&key={ca}")),
            &ca,
            "the file of key= holds no private key in PEM",
        ),
        (
            format!("redis://me@localhost:{}/seqs?group=g&ca={ca}", redis.port()),
            &ca,
            "ca= is for connections over TLS; write rediss://",
        ),
        (
            at("localhost", port, "").replace("me@", &format!("me:{PASSWORD}@")),
            &ca,
            "set the environment variable REDISCLI_AUTH",
        ),
    ] {
        let error = refused(tail(&work, &store, &address, trusted), 2);
        assert!(error.contains(says), "{address}: {error}");
    }
    let wrong = tail(&work, &store, &at("localhost", port, ""), &ca).env("REDISCLI_AUTH", "wrong");
    assert!(refused(wrong, 2).contains("Redis does not take the user or the password"));
    for port in [silent(), redis.port()] {
        let error = refused(tail(&work, &store, &at("localhost", port, ""), &ca), 5);
        assert!(error.contains("it gives no answer; see that the port is the one for TLS"), "{error}");
    }
    // It was taken by none of them.
    let run = tail(&work, &store, &at("localhost", port, ""), &ca).run().expect(0);
    assert_eq!((run.books().inserted, stored(&store).len()), (1, 3), "{run}");
}

#[test]
fn a_redis_that_wants_a_certificate_is_shown_one() {
    let files = Files::new(&["localhost"]);
    let Some((redis, port)) = Redis::over_tls(&files, true) else { return };
    redis.add("seqs", [body(1)]);
    redis.ask(&format!("ACL SETUSER me on >{PASSWORD} ~* +@all"));
    let (work, store) = scene(true, true);
    let ca = files.path("ca.pem");
    let address = format!("rediss://me@localhost:{port}/seqs?group=g");
    let error = refused(tail(&work, &store, &address, &ca), 2);
    assert!(
        error.contains("cert= and key= name the files of a certificate of ours that it takes"),
        "{error}"
    );
    let own = format!("{address}&cert={}&key={}", files.path("client.pem"), files.path("client.key"));
    let run = tail(&work, &store, &own, &ca).run().expect(0);
    assert_eq!(run.books().inserted, 1, "{run}");
}

#[cfg(feature = "nats")]
#[test]
fn nats_over_tls_is_trusted_as_the_system_trusts_it_or_by_a_file() {
    let files = Files::new(&["localhost", "127.0.0.1"]);
    let Some(nats) = Nats::over_tls(&files, false, ("me", PASSWORD)) else { return };
    let (ca, other) = (files.path("ca.pem"), files.path("other.pem"));
    nats.make("seqs");
    let (work, store) = scene(true, true);
    let at = |port: u16, more: &str| format!("nats://me@localhost:{port}/seqs?durable=g{more}");
    for (seq, more, trusted) in
        [(1, "&tls=yes".to_owned(), &ca), (2, String::new(), &ca), (3, format!("&ca={ca}"), &other)]
    {
        nats.publish("seqs", seq, [body(seq)]);
        let run = tail(&work, &store, &at(nats.port(), &more), trusted).run().expect(0);
        assert_eq!(run.books().inserted, 1, "{run}");
    }
    assert_eq!(stored(&store).into_keys().collect::<Vec<_>>(), [1, 2, 3]);
    let plain = Nats::guarded("me", PASSWORD).expect("it was there before");
    for (address, trusted, code, says) in [
        (at(nats.port(), "&tls=yes"), &other, 2, UNTRUSTED),
        (at(nats.port(), ""), &other, 2, UNTRUSTED),
        (at(nats.port(), &format!("&ca={other}")), &ca, 2, UNTRUSTED),
        (at(nats.port(), "&tls=maybe"), &ca, 2, "tls= takes yes or no"),
        (
            at(nats.port(), &format!("&ca={}", files.path("server.key"))),
            &ca,
            2,
            "the file of ca= holds no certificate in PEM",
        ),
        (at(plain.port(), "&tls=yes"), &ca, 2, "no connection over TLS comes about: "),
        (at(silent(), "&tls=yes"), &ca, 5, "NATS cannot be reached: it gives no answer"),
    ] {
        let error = refused(tail(&work, &store, &address, trusted), code);
        assert!(error.contains(says), "{address}: {error}");
    }
    let wrong = tail(&work, &store, &at(nats.port(), "&tls=yes"), &ca).env("NATS_PASSWORD", "wrong");
    assert!(refused(wrong, 2).contains("NATS does not take the user, the password"));
}

#[cfg(feature = "nats")]
#[test]
fn dead_letters_go_to_nats_over_tls_and_are_replayed_from_there() {
    let files = Files::new(&["localhost", "127.0.0.1"]);
    let Some(nats) = Nats::over_tls(&files, true, ("me", PASSWORD)) else { return };
    nats.make("dead");
    let (work, store) = scene(true, true);
    let input = work.write("a.csv", "seq,note\n1,a\n101,b\n");
    let queue = |more: &str| format!("nats://me@localhost:{}/dead?tls=yes{more}", nats.port());
    let own = format!("&cert={}&key={}", files.path("client.pem"), files.path("client.key"));
    let with = |words: &[&str], trusted: &str| {
        let dsn = store.dsn();
        let flags = [words, &["--dsn", &dsn][..]].concat();
        let command = work.mdsctl(flags).within(PATIENCE);
        command.env("SSL_CERT_FILE", files.path(trusted)).env("NATS_PASSWORD", PASSWORD)
    };
    let load =
        |queue: &str, trusted: &str| with(&["load", &input, "--table", "seqs", "--dlq", queue], trusted);
    let error = refused(load(&queue(&own), "other.pem"), 2);
    assert!(error.contains(UNTRUSTED), "{error}");
    let error = refused(load(&queue(""), "ca.pem"), 2);
    assert!(error.contains("cert= and key= name the files of a certificate of ours"), "{error}");
    assert_eq!(store.count("seqs"), Some(0));
    load(&queue(&own), "ca.pem").run().expect(3);
    assert_eq!((store.count("seqs"), nats.letters("dead").len()), (Some(1), 1));
    let replay = with(&["replay-dlq", &queue(&own), "--set", "seq=102"], "ca.pem").run().expect(0);
    assert!(nats.letters("dead").is_empty(), "{replay}");
    assert_eq!(stored(&store).into_keys().collect::<Vec<_>>(), [1, 102]);
}
