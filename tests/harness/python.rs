//! Programs in Python, with the packages that `scripts/test` puts beside what is built.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use super::wait::PATIENCE;
use super::{wait, without};

/// The interpreter that has gRPC's packages; `None` where it is left out, which is told.
fn interpreter(tested: &str) -> Option<PathBuf> {
    let built = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a folder of what is built");
    let python = built.join("tests/python/bin/python");
    if !python.is_file() {
        without::leave_out("grpcio", tested);
        return None;
    }
    Some(python)
}

/// A program that says one JSON object a line. Killed when dropped.
pub struct Python {
    child: Child,
    said: Arc<Mutex<(Vec<Value>, bool)>>,
    wrong: Arc<Mutex<String>>,
}

impl Python {
    /// Starts `script`, a path below `tests`; `None` where Python's packages are left out.
    pub fn start(script: &str, arguments: &[&str], variables: &[(&str, &str)], tested: &str) -> Option<Self> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(script);
        let mut child = Command::new(interpreter(tested)?)
            // Nothing beside the script.
            .arg("-B")
            .arg(script)
            .args(arguments)
            .env_clear()
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("python starts");
        let said = Arc::<Mutex<(Vec<Value>, bool)>>::default();
        let wrong = Arc::<Mutex<String>>::default();
        let (out, err) = (child.stdout.take().expect("a pipe"), child.stderr.take().expect("a pipe"));
        let (all, troubles) = (said.clone(), wrong.clone());
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let value = serde_json::from_str(&line).unwrap_or(Value::String(line));
                all.lock().expect("no panic").0.push(value);
            }
            all.lock().expect("no panic").1 = true;
        });
        std::thread::spawn(move || {
            for line in BufReader::new(err).lines().map_while(Result::ok) {
                *troubles.lock().expect("no panic") += &format!("{line}\n");
            }
        });
        Some(Self { child, said, wrong })
    }

    /// What it has said so far.
    pub fn said(&self) -> Vec<Value> {
        self.said.lock().expect("no panic").0.clone()
    }

    /// Waits for what it says.
    pub fn until(&self, what: &str, is: impl Fn(&Value) -> bool) -> Value {
        let found = wait::within(PATIENCE, || self.said().into_iter().find(|said| is(said)));
        found.unwrap_or_else(|| panic!("no {what} in {:#?}\n{}", self.said(), self.troubles()))
    }

    /// All that it has said when it has ended.
    pub fn finish(mut self) -> Vec<Value> {
        let ended = wait::within(PATIENCE, || self.child.try_wait().expect("a child"));
        let status = ended.unwrap_or_else(|| panic!("it goes on: {:#?}\n{}", self.said(), self.troubles()));
        wait::until(PATIENCE, "the end of what it says", || {
            self.said.lock().expect("no panic").1.then_some(())
        });
        assert!(status.success(), "{status}: {:#?}\n{}", self.said(), self.troubles());
        self.said()
    }

    fn troubles(&self) -> String {
        self.wrong.lock().expect("no panic").clone()
    }
}

impl Drop for Python {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
