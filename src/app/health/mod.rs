//! How well a store, its queues of dead letters and running instances are: findings, and how they
//! are told to people and to the programs that watch.
//!
//! The text is what monitoring plugins print: a first line with the status, the worst of what was
//! found and numbers to draw, then a line for each finding.

mod examine;
mod instance;
mod queues;
mod store;

use serde_json::{Map, Value, json};

use crate::text::visible::is_active;

pub use examine::{HealthPlan, examine};
pub use instance::ask;
pub use queues::{Limits, look};
pub use store::{Latency, StoreLimits, judge, unanswered, unread};

/// How well something is, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// All is well.
    Ok,
    /// It could not be told.
    Unknown,
    /// Somebody should look at it.
    Warning,
    /// Rows do not get where they belong.
    Critical,
}

impl Status {
    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Unknown => "UNKNOWN",
            Self::Warning => "WARNING",
            Self::Critical => "CRITICAL",
        }
    }

    /// The exit code that monitoring plugins have for it.
    pub fn code(self) -> u8 {
        match self {
            Self::Ok => 0,
            Self::Warning => 1,
            Self::Critical => 2,
            Self::Unknown => 3,
        }
    }

    /// Of a number that is the worse the larger it is.
    pub fn of<N: PartialOrd>(value: N, warn: Option<N>, crit: Option<N>) -> Self {
        let passed = |limit: Option<N>| limit.is_some_and(|limit| value >= limit);
        match (passed(crit), passed(warn)) {
            (true, _) => Self::Critical,
            (false, true) => Self::Warning,
            (false, false) => Self::Ok,
        }
    }
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// What was looked at.
    pub check: &'static str,
    /// How well it is.
    pub status: Status,
    /// What there is to say.
    pub message: String,
    /// What to do about it.
    pub remedy: Option<String>,
    /// The number, or whatever it is about.
    pub value: Option<Value>,
    /// Which of several instances it is about.
    pub instance: Option<String>,
}

impl Finding {
    /// Without remedy and value.
    pub fn new(check: &'static str, status: Status, message: impl Into<String>) -> Self {
        Self { check, status, message: message.into(), remedy: None, value: None, instance: None }
    }

    /// With what to do about it.
    pub fn remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }

    /// With the number that it is about.
    pub fn value(self, value: impl Into<Value>) -> Self {
        Self { value: Some(value.into()), ..self }
    }

    /// About that one of several instances.
    fn of_instance(self, shown: &str) -> Self {
        let named = self.message.starts_with(shown);
        let message = if named { self.message } else { format!("{shown}: {}", self.message) };
        Self { message, instance: Some(shown.to_owned()), ..self }
    }

    /// With something to do about it, unless all is well.
    fn unless_ok(self, remedy: impl Into<String>) -> Self {
        if self.status == Status::Ok { self } else { self.remedy(remedy) }
    }
}

/// A number to draw.
#[derive(Debug, Clone, PartialEq)]
pub struct Measure {
    /// Its name.
    pub label: &'static str,
    /// In that unit.
    pub value: f64,
    /// Its unit: `s`, `B`, or nothing.
    pub unit: &'static str,
    /// From where on it is a warning, and critical.
    pub limits: (Option<f64>, Option<f64>),
}

impl Measure {
    /// Without limits.
    pub fn new(label: &'static str, value: f64, unit: &'static str) -> Self {
        Self { label, value, unit, limits: (None, None) }
    }
}

/// Checks that a first line speaks of where all is well. Of several instances, that is what they are together.
const SUMMED_UP: [&str; 4] = ["store", "dlq", "instances", "instance"];

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Report {
    /// In the order in which it was looked for.
    pub findings: Vec<Finding>,
    /// The numbers.
    pub measures: Vec<Measure>,
    /// The instances that were asked, each as an object.
    pub instances: Vec<Value>,
}

impl From<Finding> for Report {
    fn from(finding: Finding) -> Self {
        Self { findings: vec![finding], ..Self::default() }
    }
}

impl Report {
    /// The worst of it.
    pub fn status(&self) -> Status {
        self.findings.iter().map(|finding| finding.status).max().unwrap_or(Status::Unknown)
    }

    /// Adds another one.
    pub fn add(&mut self, other: Self) {
        self.findings.extend(other.findings);
        self.measures.extend(other.measures);
        self.instances.extend(other.instances);
    }

    /// As a monitoring plugin prints it. `brief` leaves out what is well, but for the first line.
    pub fn text(&self, brief: bool) -> String {
        let status = self.status();
        let mut worst: Vec<&Finding> = self.findings.iter().filter(|f| f.status == status).collect();
        if status == Status::Ok {
            // The rest follows from these, and has lines of its own.
            worst.retain(|finding| SUMMED_UP.contains(&finding.check) && finding.instance.is_none());
        }
        let more = worst.len().saturating_sub(3);
        worst.truncate(3);
        let mut says = worst.iter().map(|f| plain(&f.message)).collect::<Vec<_>>().join("; ");
        if more > 0 {
            says += &format!("; and {more} more");
        }
        let mut text = format!("MDSCTL {} - {says}", status.word());
        let numbers: Vec<String> = self.measures.iter().map(number).collect();
        if !numbers.is_empty() {
            text += &format!("|{}", numbers.join(" "));
        }
        text.push('\n');
        let mut findings: Vec<&Finding> =
            self.findings.iter().filter(|f| !brief || f.status != Status::Ok).collect();
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.status));
        for finding in findings {
            let remedy = finding.remedy.as_ref().map_or(String::new(), |r| format!("; {}", plain(r)));
            let word = finding.status.word();
            text += &format!("[{word}] {}: {}{remedy}\n", finding.check, plain(&finding.message));
        }
        text
    }

    /// The report as the object that `--json` prints.
    pub fn json(&self) -> Value {
        let findings: Vec<Value> = self
            .findings
            .iter()
            .map(|finding| {
                let mut told = json!({
                    "check": finding.check,
                    "status": finding.status.word().to_ascii_lowercase(),
                    "message": finding.message,
                    "remedy": finding.remedy,
                    "value": finding.value,
                });
                if let Some(instance) = &finding.instance {
                    told["instance"] = instance.as_str().into();
                }
                told
            })
            .collect();
        let perfdata: Map<String, Value> =
            self.measures.iter().map(|m| (m.label.to_owned(), m.value.into())).collect();
        let status = self.status();
        let wrong = |f: &&Finding| matches!(f.status, Status::Critical | Status::Unknown);
        let wrong: Vec<&str> = self.findings.iter().filter(wrong).map(|f| f.message.as_str()).collect();
        let mut told = json!({
            "command": "health",
            "error": (!wrong.is_empty()).then(|| wrong.join("; ")),
            "status": status.word().to_ascii_lowercase(),
            "exit_code": status.code(),
            "findings": findings,
            "perfdata": perfdata,
        });
        if !self.instances.is_empty() {
            told["instances"] = self.instances.clone().into();
        }
        told
    }
}

/// `label=value[unit];[warn];[crit];0`.
fn number(measure: &Measure) -> String {
    let limit = |limit: Option<f64>| limit.map_or(String::new(), |limit| limit.to_string());
    let (warn, crit) = measure.limits;
    format!("{}={}{};{};{};0", measure.label, measure.value, measure.unit, limit(warn), limit(crit))
}

/// On one line, and without the mark that begins the numbers.
fn plain(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            '|' => '/',
            c if is_active(c) => ' ',
            c => c,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_comes_first() {
        let mut report = Report::from(Finding::new("store", Status::Ok, "answers"));
        report.measures.push(Measure { limits: (Some(0.5), None), ..Measure::new("t", 0.25, "s") });
        assert_eq!(report.text(false), "MDSCTL OK - answers|t=0.25s;0.5;;0\n[OK] store: answers\n");
        report.add(Finding::new("a", Status::Unknown, "who knows").into());
        assert_eq!(report.status().code(), 3);
        report.add(Finding::new("b", Status::Warning, "a|b\nc").remedy("mend it").value(3).into());
        assert_eq!(
            report.text(true),
            "MDSCTL WARNING - a/b c|t=0.25s;0.5;;0\n[WARNING] b: a/b c; mend it\n[UNKNOWN] a: who knows\n"
        );
        let json = report.json();
        assert_eq!((&json["status"], &json["exit_code"]), (&"warning".into(), &1.into()));
        assert_eq!(json["findings"][2]["value"], 3);
        assert_eq!(json["perfdata"]["t"], 0.25);
        report.add(Finding::new("c", Status::Critical, "gone").into());
        assert_eq!(report.status(), Status::Critical);
        assert_eq!(Report::default().status(), Status::Unknown);
    }

    #[test]
    fn a_limit_counts_from_itself_on() {
        assert_eq!(Status::of(1, Some(1), None), Status::Warning);
        assert_eq!(Status::of(0, Some(1), None), Status::Ok);
        assert_eq!(Status::of(9, Some(1), Some(9)), Status::Critical);
    }
}
