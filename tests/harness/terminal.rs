//! The program at a terminal of 80 columns, which `script` of util-linux gives it.

use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::{Work, programs, wait};

/// A program that runs at a terminal of its own.
pub struct Terminal {
    child: Child,
    keys: Option<std::process::ChildStdin>,
    said: Arc<Mutex<String>>,
}

impl Terminal {
    /// Starts it with those arguments, in the directory of the test, with one more variable.
    pub fn start(work: &Work, arguments: &[&str], variable: Option<(&str, &str)>) -> Self {
        let quoted = |word: &&str| format!("'{}'", word.replace('\'', "'\\''"));
        let words: Vec<String> = [env!("CARGO_BIN_EXE_mdsctl")].iter().chain(arguments).map(quoted).collect();
        let line = format!("stty cols 80 rows 24; exec {}", words.join(" "));
        let mut child = Command::new("script")
            .args(["-qefc", &line, "/dev/null"])
            .current_dir(work.path(""))
            .env_clear()
            .env("PATH", programs::path())
            .env("HOME", work.path("home"))
            .env("LANG", "C.UTF-8")
            .env("TERM", "dumb")
            .env("SHELL", "/bin/sh")
            .envs(variable)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .expect("script of util-linux is installed");
        let said = Arc::new(Mutex::new(String::new()));
        let (mut from, to) = (child.stdout.take().expect("a pipe"), said.clone());
        std::thread::spawn(move || {
            let mut piece = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut piece) {
                to.lock().expect("no reader panics").push_str(&String::from_utf8_lossy(&piece[..count]));
            }
        });
        let keys = child.stdin.take();
        Self { child, keys, said }
    }

    /// What stands on the screen so far.
    pub fn said(&self) -> String {
        self.said.lock().expect("no writer panics").replace('\r', "")
    }

    /// Waits until that stands there.
    pub fn expect(&self, text: &str) {
        wait::until(wait::PATIENCE, text, || self.said().contains(text).then_some(()));
    }

    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        // The program asks for the key after it has said so.
        std::thread::sleep(Duration::from_millis(300));
        let to = self.keys.as_mut().expect("a terminal");
        to.write_all(keys.as_bytes()).and_then(|()| to.flush()).expect("a terminal");
    }

    /// Waits for its end; its exit code and what it said.
    pub fn end(mut self) -> (i32, String) {
        let status = self.child.wait().expect("it ends");
        std::thread::sleep(Duration::from_millis(100));
        (status.code().unwrap_or(-1), self.said())
    }
}
