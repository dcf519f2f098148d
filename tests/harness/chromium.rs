//! A browser without a screen, told what to do through a pipe.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::wait::PATIENCE;
use super::{programs, wait, without};

/// Chromium with one page. Killed when dropped.
pub struct Chromium {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
    session: Option<String>,
    last: u64,
    _profile: TempDir,
}

impl Chromium {
    /// Starts it; `None` where it is left out.
    pub fn start() -> Option<Self> {
        let path = programs::path();
        let found =
            |name: &&str| path.split(':').any(|place| std::path::Path::new(place).join(name).is_file());
        let Some(name) = ["chromium", "chromium-browser", "google-chrome"].into_iter().find(found) else {
            without::leave_out("chromium", "the status page");
            return None;
        };
        let profile = tempfile::tempdir().expect("a directory");
        // It takes its orders from descriptor 3 and answers on 4.
        let mut child = Command::new("sh")
            .args(["-c", "exec \"$@\" 3<&0 4>&1 </dev/null >/dev/null 2>&1", "sh", name])
            .args([
                "--headless",
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--no-first-run",
            ])
            .args(["--remote-debugging-pipe", "--no-proxy-server", "--hide-scrollbars"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .env_clear()
            .env("PATH", &path)
            .env("HOME", profile.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("a shell");
        let to = child.stdin.take().expect("a pipe");
        let from = BufReader::new(child.stdout.take().expect("a pipe"));
        let mut browser = Self { child, to, from, session: None, last: 0, _profile: profile };
        let target = browser.order("Target.createTarget", json!({"url": "about:blank"}));
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.order("Target.attachToTarget", attach);
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser.order("Page.enable", json!({}));
        browser.order("Runtime.enable", json!({}));
        Some(browser)
    }

    /// Gives an order and waits for the answer.
    pub fn order(&mut self, method: &str, params: Value) -> Value {
        self.last += 1;
        let mut order = json!({"id": self.last, "method": method, "params": params});
        if let Some(session) = &self.session {
            order["sessionId"] = json!(session);
        }
        self.to.write_all(format!("{order}\0").as_bytes()).expect("it takes orders");
        loop {
            let mut answer = Vec::new();
            self.from.read_until(0, &mut answer).expect("it answers");
            assert!(answer.pop().is_some(), "the browser has ended");
            let answer: Value = serde_json::from_slice(&answer).expect("JSON");
            if answer["id"] == json!(self.last) {
                assert!(answer["error"].is_null(), "{method}: {answer}");
                return answer["result"].clone();
            }
        }
    }

    /// Goes to that page.
    pub fn open(&mut self, url: &str) {
        self.order("Page.navigate", json!({"url": url}));
    }

    /// The value of an expression.
    pub fn value(&mut self, expression: &str) -> Value {
        let asked = json!({"expression": expression, "returnByValue": true});
        let answer = self.order("Runtime.evaluate", asked);
        assert!(answer["exceptionDetails"].is_null(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Text of the element of that id.
    pub fn text(&mut self, id: &str) -> String {
        let expression = format!("document.getElementById('{id}')?.textContent ?? ''");
        self.value(&expression).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of an element is so.
    pub fn until(&mut self, id: &str, what: &str, is: impl Fn(&str) -> bool) -> String {
        let mut last = String::new();
        let found = wait::within(PATIENCE, || {
            last = self.text(id);
            is(&last).then(|| last.clone())
        });
        found.unwrap_or_else(|| panic!("#{id} never became {what}: {last:?}"))
    }

    /// A window of that size, dark or light.
    pub fn look(&mut self, width: u32, dark: bool) {
        let size = json!({"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600});
        self.order("Emulation.setDeviceMetricsOverride", size);
        let scheme = if dark { "dark" } else { "light" };
        let media = json!({"features": [{"name": "prefers-color-scheme", "value": scheme}]});
        self.order("Emulation.setEmulatedMedia", media);
    }

    /// The whole page as a PNG, in base64.
    pub fn picture(&mut self) -> String {
        let whole = json!({"format": "png", "captureBeyondViewport": true});
        let answer = self.order("Page.captureScreenshot", whole);
        answer["data"].as_str().expect("a picture").to_owned()
    }
}

impl Drop for Chromium {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
