//! What is said where an object cannot be had, and never what is secret.

use super::inputs::days;
use crate::harness::Work;
use crate::harness::bucket::{Bucket, Fault};
use crate::harness::run::PASSWORD;

#[test]
fn each_refusal_is_one_sentence_with_its_exit_code_and_its_remedy() {
    let bucket = Bucket::new();
    bucket.put("a.csv", "seq,note\n1,a\n");
    let work = Work::new();
    let store = days(&work, true);
    let load = || work.mdsctl(["load", "s3://days/a.csv", "--table", "seqs", "--dsn", &store.dsn()]);
    let said = |code: i32| bucket.open(load()).run().expect(code).error().to_owned();
    let all = [
        (
            Fault::Status(403, "AccessDenied"),
            6,
            "must not be read or written with these credentials: 127.0.0.1 answers 403",
        ),
        (
            Fault::Status(403, "InvalidAccessKeyId"),
            2,
            "the credentials do not hold: 127.0.0.1 answers 403 (InvalidAccessKeyId); set AWS_ACCESS_KEY_ID",
        ),
        (Fault::Status(400, "ExpiredToken"), 2, "the credentials do not hold"),
        (Fault::Status(400, "AuthorizationHeaderMalformed"), 2, "is in another region; set AWS_REGION="),
        (Fault::Status(503, "SlowDown"), 5, "127.0.0.1 answers 503 again and again; try again later"),
    ];
    for (fault, code, sentence) in all {
        for method in ["HEAD", "GET"] {
            bucket.fault(method, "a.csv", 1_000, fault.clone());
        }
        let said = said(code);
        assert!(said.starts_with("error: s3://days/a.csv: ") && said.contains(sentence), "{fault:?}: {said}");
        bucket.no_faults();
    }
    // Keys that are not known there.
    let run = bucket.open_as(load(), "AKIDOTHER", PASSWORD).run().expect(2);
    assert!(run.error().contains("the credentials do not hold"), "{}", run.error());
    // Nobody there.
    let run = bucket.open(load()).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").run().expect(5);
    assert!(run.error().contains("there is no connection to 127.0.0.1: Connection refused; try again, or mend the address in AWS_ENDPOINT_URL"), "{}", run.error());
    // No credentials at all.
    let bare = load().env("AWS_ENDPOINT_URL", bucket.endpoint()).env("AWS_EC2_METADATA_DISABLED", "true");
    let run = bare.run().expect(2);
    assert!(
        run.error().contains("it is not for everybody, and no credentials were found; set AWS_ACCESS_KEY_ID"),
        "{}",
        run.error()
    );
    let run = work.mdsctl(["load", "az://c/a.csv", "--table", "seqs", "--dsn", &store.dsn()]).run().expect(2);
    assert!(run.error().contains("set AZURE_STORAGE_ACCOUNT_NAME"), "{}", run.error());
}

#[test]
fn credentials_are_taken_from_profiles() {
    let bucket = Bucket::new();
    bucket.put("a.csv", "seq,note\n1,a\n");
    let work = Work::new();
    let store = days(&work, true);
    work.write(
        "home/.aws/credentials",
        format!("[other]\naws_access_key_id = AKIDMDSCTL\naws_secret_access_key = {PASSWORD}\n"),
    );
    work.write(
        "home/.aws/config",
        format!("[profile other]\nregion = us-east-1\nendpoint_url = {}\n", bucket.endpoint()),
    );
    let load = |profile: &str| {
        work.mdsctl(["load", "s3://days/a.csv", "--table", "seqs", "--dsn", &store.dsn()])
            .env("AWS_PROFILE", profile)
    };
    load("other").run().expect(0);
    let run = load("nobody").run().expect(2);
    assert!(
        run.error().contains("AWS_PROFILE names the profile nobody, which is neither in"),
        "{}",
        run.error()
    );
}

#[test]
fn signatures_are_nowhere() {
    let work = Work::new();
    let store = days(&work, true);
    let port = {
        // A server that says no.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
        listener.local_addr().expect("an address").port()
    };
    for address in [
        format!("http://127.0.0.1:{port}/a.csv?X-Amz-Signature={PASSWORD}"),
        format!("http://127.0.0.1:{port}/a.csv?apikey={PASSWORD}"),
        format!("http://me:{PASSWORD}@127.0.0.1:{port}/a.csv"),
    ] {
        let run = work
            .mdsctl(["load", &address, "--table", "seqs", "--dsn", &store.dsn(), "-vv", "--json"])
            .run()
            .expect(5);
        assert!(
            !run.stderr.contains(PASSWORD) && !run.stdout.contains(PASSWORD),
            "{}{}",
            run.stderr,
            run.stdout
        );
    }
}
